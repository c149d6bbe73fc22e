"""What a database says when it cannot, in words that say what to do.

`as_ledger_error` turns an error of sqlalchemy into a `LedgerError`. No URL is shown with
its password, and no statement with its values. Nothing is decided here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dmod.errors import LedgerError

if TYPE_CHECKING:
    from sqlalchemy.exc import SQLAlchemyError

__all__ = ["as_ledger_error", "who_locks"]

#: Where SQLite locks the writer's byte of a ``-shm`` file.
_WRITER = 120
#: How each failure of SQLite is told: beginning of its name, headline, hint.
_SQLITE = (
    ("SQLITE_FULL", "the disk of the ledger is full", "make room, then try again; what was kept before is unharmed"),
    ("SQLITE_NOTADB", "this file is no ledger", "name another file with DMOD_LEDGER, or move this one away"),
    ("SQLITE_CORRUPT", "the ledger is damaged", "restore it from a backup, or try `sqlite3 FILE .recover`"),
    ("SQLITE_READONLY", "the ledger may not be written", "give yourself the right to write the file and its directory"),
    ("SQLITE_CANTOPEN", "the ledger cannot be opened", "look at the permissions of the file and its directory"),
    ("SQLITE_PERM", "the ledger may not be read", "look at the permissions of the file and its directory"),
    ("SQLITE_IOERR", "the ledger cannot be read or written", "look at the disk, its room and its quota"),
)
#: How each failure of PostgreSQL is told: beginning of its SQLSTATE, headline, hint.
_POSTGRESQL = (
    ("53100", "the disk of the ledger is full", "make room on the server, then try again"),
    ("533", "the server of the ledger has no connection left", "raise max_connections, or close other programs"),
    ("55P03", "the ledger is locked by another transaction", "see pg_stat_activity for who holds it, then try again"),
    ("40", "the ledger is locked by another transaction", "try again"),
    ("28", "the server of the ledger does not let us in", "correct user and password in DMOD_LEDGER or in .pgpass"),
    ("3D", "there is no such database", "make it with `createdb`, or correct DMOD_LEDGER"),
    ("42501", "the ledger may not be changed", "GRANT the user its tables, and CREATE on its schema"),
    ("25006", "the ledger may only be read there", "name the primary server with DMOD_LEDGER"),
    ("57", "the server of the ledger is shutting down", "start it, then try again; what was kept before is unharmed"),
    ("08", "the server of the ledger cannot be reached", "start it, or correct DMOD_LEDGER"),
)


def as_ledger_error(problem: SQLAlchemyError, *, where: str, path: Path | None, waited_s: float) -> LedgerError:
    """What went wrong with a ledger.

    Parameters
    ----------
    problem : SQLAlchemyError
        As sqlalchemy tells it.
    where : str
        The ledger, without a password.
    path : Path or None
        Its file, where it is one.
    waited_s : float
        How long a lock was waited for [s].

    Returns
    -------
    LedgerError
        To be raised from *problem*.
    """
    original = getattr(problem, "orig", None) or problem
    reason = (str(original).strip().splitlines() or [type(original).__name__])[0]
    name = getattr(original, "sqlite_errorname", None) or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return LedgerError(
            f"the ledger is locked by {(path and who_locks(path)) or 'another process'}",
            ledger=where,
            waited=f"{waited_s:.1f} s",
            hint="let it finish, or end it, then try again",
        )
    if name:
        told = next((row for row in _SQLITE if name.startswith(row[0])), None)
    else:
        state = getattr(original, "sqlstate", None) or _state_of_connecting(reason)
        told = next((row for row in _POSTGRESQL if state.startswith(row[0])), None)
    if told is None:
        return LedgerError(
            "the ledger refused what dmod asked of it",
            ledger=where,
            reason=reason,
            hint="this is a fault of dmod; please report it with the log",
        )
    return LedgerError(told[1], ledger=where, reason=reason, hint=told[2])


def who_locks(path: Path) -> str | None:
    """The process that is writing to a file of SQLite.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    str or None
        ``process 123 (python)``; None where the system does not tell, as only Linux does.
    """
    try:
        files = {path.with_name(f"{path.name}-shm").stat().st_ino: True, path.stat().st_ino: False}
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in lines:
        # 1: POSIX  ADVISORY  WRITE 4711 fe:01:131 120 120
        words = line.split()
        if len(words) < 8 or words[3] != "WRITE":
            continue
        shared = files.get(int(words[5].rpartition(":")[2]))
        if shared is not None and (not shared or int(words[6]) == _WRITER):
            return _process(words[4])
    return None


def _process(pid: str) -> str:
    """A process as people know it."""
    try:
        name = (Path("/proc") / pid / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return f"process {pid}"
    return f"process {pid} ({name})"


def _state_of_connecting(reason: str) -> str:
    """A SQLSTATE for a connection that never came to be: the library gives only words."""
    if "does not exist" in reason and "database" in reason:
        return "3D000"
    if "authentication" in reason or "no pg_hba" in reason or "role" in reason:
        return "28000"
    return "53300" if "too many" in reason else "08000"
