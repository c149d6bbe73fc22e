"""What may be asked in one transaction of the ledger, in SQL that both kinds of database understand.

Where SQLite and PostgreSQL differ, `Transaction` says how. A file is asked through its
driver alone: sqlalchemy's way of asking takes ten times as long as the answer of SQLite.
"""

from __future__ import annotations

import functools
import json
import time
from collections import namedtuple
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection, TextClause

__all__ = ["Transaction", "storable"]

#: Names of the locks that transactions of one PostgreSQL database share.
_LOCKS = {"revision": 0x646D6F64_0001, "events": 0x646D6F64_0002, "grants": 0x646D6F64_0003}


class Transaction:
    """What may be asked in a transaction.

    Parameters
    ----------
    connection : Connection
        In a transaction.
    file : object, optional
        The driver's connection to a file of SQLite, which is then asked itself.
    """

    __slots__ = ("_file", "connection", "is_sqlite")

    def __init__(self, connection: Connection, file: Any = None) -> None:
        #: For what is no statement, such as looking which tables there are.
        self.connection = connection
        #: Whether the database is a file.
        self.is_sqlite = file is not None
        self._file = file

    def rows(self, statement: str, **given: Any) -> Sequence[Any]:
        """All rows of a query; columns are attributes, and ``_asdict()`` names them all."""
        if self._file is None:
            return self.connection.execute(_text(statement), given).all()
        asked = self._file.execute(statement, given)
        if not (found := asked.fetchall()):
            return []
        row = _row(tuple(column[0] for column in asked.description))
        return [row._make(one) for one in found]

    def row(self, statement: str, **given: Any) -> Any:
        """The first row of a query; None where there is none."""
        if self._file is None:
            return self.connection.execute(_text(statement), given).first()
        asked = self._file.execute(statement, given)
        found = asked.fetchone()
        names = asked.description
        asked.close()
        return None if found is None else _row(tuple(column[0] for column in names))._make(found)

    def value(self, statement: str, **given: Any) -> Any:
        """The first value of the first row; None where there is none."""
        if self._file is None:
            return self.connection.execute(_text(statement), given).scalar()
        asked = self._file.execute(statement, given)
        found = asked.fetchone()
        asked.close()
        return None if found is None else found[0]

    def run(self, statement: str, **given: Any) -> int:
        """Change something; how many rows."""
        if self._file is None:
            return self.connection.execute(_text(statement), given).rowcount
        changed: int = self._file.execute(statement, given).rowcount
        return changed

    def run_each(self, statement: str, many: Sequence[Mapping[str, Any]]) -> None:
        """Change something once for each of *many*."""
        if not many:
            return
        if self._file is None:
            self.connection.execute(_text(statement), [dict(one) for one in many])
        else:
            self._file.executemany(statement, many)

    def now_s(self) -> float:
        """The time [s since 1970], by the clock that all who share the ledger go by."""
        if self.is_sqlite:
            return time.time()
        return float(self.value("SELECT EXTRACT(EPOCH FROM clock_timestamp())"))

    def only_me(self, what: str) -> None:
        """Wait until no other transaction is at *what*; a file has one writer anyway."""
        if not self.is_sqlite:
            self.value("SELECT pg_advisory_xact_lock(:lock)", lock=_LOCKS[what])

    @property
    def for_update(self) -> str:
        """Ends a query whose rows nobody else may change meanwhile."""
        return "" if self.is_sqlite else " FOR UPDATE"

    @property
    def for_share(self) -> str:
        """Ends a query whose rows stay as they are meanwhile."""
        return "" if self.is_sqlite else " FOR SHARE"

    @property
    def skip_locked(self) -> str:
        """Ends a query that passes over rows which others are about to change."""
        return "" if self.is_sqlite else " FOR UPDATE SKIP LOCKED"

    def among(self, column: str, given: str) -> str:
        """The condition that *column* is one of the values that `listed` packed into *given*."""
        if self.is_sqlite:
            return f"{column} IN (SELECT value FROM json_each(:{given}))"
        return f"{column} IN (SELECT jsonb_array_elements_text(CAST(:{given} AS jsonb)))"

    @staticmethod
    def listed(values: Iterable[str]) -> str:
        """Texts as one value, for `among`: there may be more than a statement has room for."""
        return json.dumps([*values])


def storable(text: str) -> str:
    r"""Text with what no database keeps made visible: NUL, and halves of characters.

    Examples
    --------
    >>> storable("a\0b") == "a\ufffdb"
    True
    """
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


@functools.lru_cache(maxsize=512)
def _text(statement: str) -> TextClause:
    """A statement, read once."""
    from sqlalchemy import text

    return text(statement)


@functools.lru_cache(maxsize=512)
def _row(names: tuple[str, ...]) -> Any:
    """What rows with these columns are; columns without a name of their own have none."""
    return namedtuple("Row", names, rename=True)
