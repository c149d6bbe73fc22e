"""One database: its connections, its transactions, its clock.

`Database.write` opens a transaction in which nobody else writes to the rows it looks at,
`Database.read` one that sees one moment; what may be asked in them stands in
`dmod.ledger.transaction`. sqlalchemy is loaded when a database is opened.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmod.errors import LedgerError
from dmod.ledger.failures import as_ledger_error
from dmod.ledger.transaction import Transaction

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

__all__ = ["Database"]

_CONNECT_S = 10
#: How many connections to a file are kept while nobody uses them.
_SPARE = 8


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
        #: Connections to a file that nobody uses just now; and, after a fork, those of the parent, left as they are.
        self._spare: deque[Connection] = deque()
        self._parents: list[object] = []

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
        if self._process == os.getpid():
            while self._spare:
                self._spare.pop().close()
        self._engine.dispose(close=self._process == os.getpid())

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Transaction]:
        """A transaction; what goes wrong is told as a `LedgerError`."""
        from sqlalchemy.exc import SQLAlchemyError

        if self._process != os.getpid():
            self._start_again()
        try:
            if self.path:
                with self._in_file(begin) as transaction:
                    yield transaction
                return
            with self._engine.connect() as connection:
                yield Transaction(connection)
                connection.commit()
        except (SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error) as problem:
            raise self._told(problem) from problem

    @contextmanager
    def _in_file(self, begin: str) -> Iterator[Transaction]:
        """A transaction in a file; connections are kept, as making one ready takes longer than most transactions."""
        try:
            connection = self._spare.pop()
        except IndexError:
            connection = self._engine.connect()
        file: Any = connection.connection.dbapi_connection
        is_clean = False
        try:
            file.execute(begin)
            yield Transaction(connection, file)
            file.execute("COMMIT")
            is_clean = not connection.in_transaction()
        finally:
            if not is_clean:
                connection.rollback()
                file.rollback()
            if len(self._spare) < _SPARE:
                self._spare.append(connection)
            else:
                connection.close()

    def _start_again(self) -> None:
        """Connections of our own after a fork: those of the parent are the parent's."""
        self._parents += [*self._spare, self._watcher]
        self._spare.clear()
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
