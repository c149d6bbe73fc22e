"""One database: its connections, its transactions, its clock.

`Database.write` opens a transaction in which nobody else writes to the rows it looks at,
`Database.read` one that sees one moment. Statements are SQL that both SQLite and PostgreSQL
understand; where they differ, `Transaction` says how. sqlalchemy is loaded when a database
is opened.
"""

from __future__ import annotations

import functools
import json
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmod.errors import LedgerError
from dmod.ledger.failures import as_ledger_error

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, CursorResult, Engine, Row, TextClause

__all__ = ["Database", "Transaction", "storable"]

#: Names of the locks that transactions of one PostgreSQL database share.
_LOCKS = {"revision": 0x646D6F64_0001, "events": 0x646D6F64_0002, "grants": 0x646D6F64_0003}
_CONNECT_S = 10


class Transaction:
    """What may be asked in a transaction.

    Parameters
    ----------
    connection : Connection
        In a transaction.
    """

    __slots__ = ("connection", "is_sqlite")

    def __init__(self, connection: Connection) -> None:
        #: For what is no statement, such as looking which tables there are.
        self.connection = connection
        #: Whether the database is a file.
        self.is_sqlite = connection.dialect.name == "sqlite"

    def rows(self, statement: str, **given: Any) -> Sequence[Row[Any]]:
        """All rows of a query."""
        return self._execute(statement, given).all()

    def row(self, statement: str, **given: Any) -> Row[Any] | None:
        """The first row of a query; None where there is none."""
        return self._execute(statement, given).first()

    def value(self, statement: str, **given: Any) -> Any:
        """The first value of the first row; None where there is none."""
        return self._execute(statement, given).scalar()

    def run(self, statement: str, **given: Any) -> int:
        """Change something; how many rows."""
        return self._execute(statement, given).rowcount

    def run_each(self, statement: str, many: Sequence[Mapping[str, Any]]) -> None:
        """Change something once for each of *many*."""
        if many:
            self._execute(statement, [dict(one) for one in many])

    def _execute(self, statement: str, given: dict[str, Any] | list[dict[str, Any]]) -> CursorResult[Any]:
        """Do it; SQLite has named parameters of its own, and takes a statement as it is."""
        if self.is_sqlite:
            return self.connection.exec_driver_sql(statement, given)
        return self.connection.execute(_text(statement), given)

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


class Database:
    """Connections to one database; each thread that asks gets its own.

    Parameters
    ----------
    url : str or Path
        URL of sqlalchemy, or a file of SQLite.
    wait_s : float
        How long to wait for a lock [s], > 0.

    Raises
    ------
    LedgerError
        If the URL is none, its kind is not known, or its driver is not installed.
    """

    def __init__(self, url: str | Path, *, wait_s: float) -> None:
        self._url = _url(url)
        self._wait_s = wait_s
        #: Its file, where it is one.
        self.path = Path(str(self._url.database)) if self._url.drivername.startswith("sqlite") else None
        #: How people may call it: without a password.
        self.where = str(self.path) if self.path else _without_secrets(self._url)
        self._engine = self._new_engine()
        self._process = os.getpid()
        self._watch, self._writer = threading.Lock(), threading.Lock()
        self._watcher: Any = None
        self._seen: Any = None
        self._version = 0

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction that changes something; all of it or nothing is kept."""
        if self._process != os.getpid():
            self._start_again()
        # SQLite looks again and again whether a file is free; threads of ours wait for one another at less cost.
        alone = self.path is not None and self._writer.acquire(timeout=self._wait_s)
        try:
            with self._transaction("BEGIN IMMEDIATE") as transaction:
                yield transaction
        finally:
            if alone:
                self._writer.release()

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A transaction that changes nothing."""
        with self._transaction("BEGIN") as transaction:
            yield transaction

    @contextmanager
    def shape(self) -> Iterator[Connection]:
        """A transaction that makes or changes tables, one at a time."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with self._engine.connect() as connection:
                if self.path:
                    # Tables that are made anew must not take their children with them.
                    connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
                    connection.rollback()
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                else:
                    Transaction(connection).only_me("revision")
                try:
                    yield connection
                    connection.commit()
                finally:
                    connection.rollback()
                    if self.path:
                        connection.exec_driver_sql("PRAGMA foreign_keys = ON")
        except SQLAlchemyError as problem:
            raise self._told(problem) from problem

    def keep_beside(self) -> None:
        """Have SQLite write changes beside the file first, so that readers never wait for a writer."""
        if not self.path:
            return
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with self._engine.connect() as connection:
                until = time.monotonic() + self._wait_s
                while True:
                    try:
                        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
                        return
                    except SQLAlchemyError as problem:
                        # This one change does not wait by itself while somebody else makes it.
                        busy = str(getattr(problem.orig, "sqlite_errorname", "")).startswith("SQLITE_BUSY")  # type: ignore[attr-defined]
                        if not busy or time.monotonic() > until:
                            raise
                    time.sleep(0.02)
        except SQLAlchemyError as problem:
            raise self._told(problem) from problem

    def version(self) -> int:
        """A number that another call gives again as long as nobody changed anything."""
        from sqlalchemy.exc import SQLAlchemyError

        with self._watch:
            try:
                seen = self._look()
            except (SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error) as problem:
                self._unwatch()
                raise self._told(problem) from problem
            if seen != self._seen:
                self._seen = seen
                self._version += 1
            return self._version

    def close(self) -> None:
        """Close all connections that nobody is using."""
        with self._watch:
            self._unwatch()
        self._engine.dispose(close=self._process == os.getpid())

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Transaction]:
        """A transaction; what goes wrong is told as a `LedgerError`."""
        from sqlalchemy.exc import SQLAlchemyError

        if self._process != os.getpid():
            self._start_again()
        try:
            with self._engine.connect() as connection:
                if self.path:
                    connection.exec_driver_sql(begin)
                yield Transaction(connection)
                connection.commit()
        except SQLAlchemyError as problem:
            raise self._told(problem) from problem

    def _start_again(self) -> None:
        """Connections of our own after a fork: those of the parent are the parent's."""
        self._engine.dispose(close=False)
        self._watcher, self._seen = None, None
        self._watch, self._writer = threading.Lock(), threading.Lock()
        self._process = os.getpid()

    def _look(self) -> Any:
        """What changes whenever another connection commits something; `version` keeps its own for that."""
        if self._process != os.getpid():
            self._start_again()
        if self._watcher is None:
            self._watcher = self._engine.raw_connection()
            self._watcher.detach()
            if not self.path:
                self._watcher.dbapi_connection.rollback()
                self._watcher.dbapi_connection.autocommit = True
        asked = "PRAGMA data_version" if self.path else "SELECT pg_current_snapshot()::text"
        return self._watcher.dbapi_connection.execute(asked).fetchone()[0]

    def _unwatch(self) -> None:
        """Let go of the connection of `version`."""
        if self._watcher is not None and self._process == os.getpid():
            self._watcher.close()
        self._watcher = None

    def _told(self, problem: Any) -> LedgerError:
        """A problem in words."""
        return as_ledger_error(problem, where=self.where, path=self.path, waited_s=self._wait_s)

    def _new_engine(self) -> Engine:
        """How connections are made."""
        from sqlalchemy import create_engine, event
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError
        from sqlalchemy.pool import QueuePool

        options: dict[str, Any] = {"poolclass": QueuePool, "pool_size": 8, "max_overflow": -1}
        if self.path:
            options["connect_args"] = {"timeout": self._wait_s, "check_same_thread": False}
        else:
            options["connect_args"] = {"connect_timeout": _CONNECT_S, "application_name": "dmod"}
            options["pool_pre_ping"] = True
        try:
            engine = create_engine(self._url, **options)
        except (ArgumentError, NoSuchModuleError) as problem:
            raise _no_url(_without_secrets(self._url), str(problem).splitlines()[0]) from problem
        except ImportError as problem:
            raise LedgerError(
                "PostgreSQL needs a driver that is not installed",
                missing=problem.name or "psycopg",
                hint="run `pip install 'dmod[postgres]'`",
            ) from problem
        event.listen(engine, "connect", self._prepare)
        return engine

    def _prepare(self, connection: Any, _record: object) -> None:
        """Set up a new connection."""
        if self.path:
            connection.isolation_level = None  # we say ourselves where a transaction begins
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = NORMAL")
            return
        connection.execute(f"SET lock_timeout = '{int(self._wait_s * 1000)}ms'")
        # A client that vanished in the middle must not keep its locks.
        connection.execute("SET idle_in_transaction_session_timeout = '60s'")
        connection.commit()


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


def _url(given: str | Path) -> URL:
    """The URL of a database, with the driver we use."""
    from sqlalchemy import URL, make_url
    from sqlalchemy.exc import ArgumentError

    if isinstance(given, Path):
        return URL.create("sqlite", database=str(given.expanduser().absolute()))
    try:
        url = make_url(given)
    except ArgumentError as problem:
        raise _no_url("what was given", "it cannot be read") from problem
    kind = url.drivername.partition("+")[0]
    if kind in ("postgres", "postgresql"):
        return url.set(drivername="postgresql+psycopg")
    if kind != "sqlite":
        raise _no_url(_without_secrets(url), f"{kind} is not known")
    if url.database in (None, "", ":memory:"):
        raise LedgerError(
            "a ledger in memory is seen by nobody else",
            needed="a file, or a PostgreSQL database",
            hint="leave DMOD_LEDGER out for a file in DMOD_HOME",
        )
    return url.set(drivername="sqlite", database=str(Path(str(url.database)).expanduser().absolute()))


def _no_url(given: str, reason: str) -> LedgerError:
    """What is said of a URL that leads nowhere."""
    return LedgerError(
        "this names no ledger",
        has=given,
        reason=reason,
        needed="sqlite:////path/ledger.sqlite or postgresql://user@host/database",
        hint="correct DMOD_LEDGER, or leave it out for a file in DMOD_HOME",
    )


def _without_secrets(url: URL) -> str:
    """A URL that may be shown: no password, and no options, which may hold one."""
    return url.set(query={}).render_as_string(hide_password=True)
