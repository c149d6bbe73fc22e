"""The ledger: where everybody who has to do with jobs and datasets meets.

`Ledger.open` gives one, in a file or on a server; every method is one transaction, and may
be called from any thread of any process. What the methods are stands in the rooms of this
one: `jobs`, `glances`, `history`, `claims`, `grants`, `logs` and `catalog`.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from dmod.errors import LedgerError
from dmod.ledger.catalog import Datasets
from dmod.ledger.claims import Claims
from dmod.ledger.database import Database
from dmod.ledger.glances import Glances
from dmod.ledger.grants import Grants
from dmod.ledger.history import History
from dmod.ledger.jobs import Jobs
from dmod.ledger.logs import Logs
from dmod.ledger.revisions import HEAD, bring_up, revision_of

__all__ = ["WAIT_S", "Ledger", "upgrade"]

#: How long to wait for somebody else's lock [s].
WAIT_S = 10.0


class Ledger(Jobs, Glances, History, Claims, Grants, Logs, Datasets):
    """Jobs, their history, and datasets; see `Ledger.open`.

    Parameters
    ----------
    database : Database
        With tables of the revision that this dmod knows.
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    @classmethod
    def open(cls, url: str | Path, *, wait_s: float = WAIT_S) -> Self:
        """Open a ledger; make it where there is none yet.

        Parameters
        ----------
        url : str or Path
            A file, or a URL as sqlalchemy has them: ``sqlite:////path/ledger.sqlite``,
            ``postgresql://user@host/database``.
        wait_s : float
            How long to wait for somebody else's lock before giving up [s], > 0.

        Returns
        -------
        Ledger
            To be closed, or used in a ``with``.

        Raises
        ------
        LedgerError
            If it cannot be reached, read or written, is no ledger, was made by a newer dmod, or
            lies on a server and was made by an older one.

        Examples
        --------
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, Ledger.open(Path(folder) / "ledger.sqlite") as ledger:
        ...     ledger.jobs()
        []
        """
        database = Database(url, wait_s=wait_s)
        try:
            _bring_up(database, may_migrate=database.path is not None)
        except BaseException:
            with suppress(LedgerError):
                database.close()
            raise
        return cls(database)

    @property
    def where(self) -> str:
        """Where it is, as people may read it: without a password."""
        return self._db.where

    def version(self) -> int:
        """A number that stays the same as long as nobody changes anything; asking costs next to nothing.

        It means something within this object only. Ask before reading: what changes while one
        reads gives another number later.
        """
        return self._db.version()

    def close(self) -> None:
        """Let go of all connections; nothing is lost."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Ledger {self.where}>"


def upgrade(url: str | Path, *, wait_s: float = WAIT_S) -> None:
    """Bring a ledger on a server to the revision that this dmod knows; one in a file needs no asking.

    Parameters
    ----------
    url : str or Path
        As for `Ledger.open`.
    wait_s : float
        How long to wait for somebody else's lock before giving up [s], > 0.

    Raises
    ------
    LedgerError
        If it cannot be reached or changed, or was made by a newer dmod.
    """
    database = Database(url, wait_s=wait_s)
    try:
        _bring_up(database, may_migrate=True)
    finally:
        database.close()


def _bring_up(database: Database, *, may_migrate: bool) -> None:
    """Have a database ready for use."""
    if database.path is not None:
        try:
            database.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise LedgerError(
                "the directory of the ledger cannot be made",
                ledger=database.where,
                reason=problem.strerror or str(problem),
                hint="name another place with DMOD_HOME or DMOD_LEDGER",
            ) from problem
        database.keep_beside()
    with database.read() as tx:
        found = revision_of(tx.connection)
    if found != HEAD:
        with database.shape() as connection:
            bring_up(connection, where=database.where, may_migrate=may_migrate)
