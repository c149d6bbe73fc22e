"""Bringing the tables of a ledger to the revision that this dmod knows.

An empty database gets the tables as they are now; an older ledger is taken along
`dmod.ledger.migrations`, one module after the other, in one transaction. A newer one is
refused: nobody can know what its tables mean. alembic is loaded only where there is
something to migrate.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dmod.errors import LedgerError

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory
    from sqlalchemy import Connection

__all__ = ["HEAD", "REVISION_TABLE", "bring_up", "revision_of"]

#: The revision that this dmod reads and writes.
HEAD = "0001"
#: Where a ledger says which revision it has.
REVISION_TABLE = "ledger_revision"
#: Where the modules lie that lead from one revision to the next.
FOLDER = Path(__file__).with_name("migrations")


def revision_of(connection: Connection) -> str | None:
    """The revision of the ledger in a database.

    Parameters
    ----------
    connection : Connection
        To the database.

    Returns
    -------
    str or None
        None where there is no ledger yet.
    """
    from sqlalchemy import inspect

    if not inspect(connection).has_table(REVISION_TABLE):
        return None
    found: str | None = connection.exec_driver_sql(f"SELECT version_num FROM {REVISION_TABLE}").scalar()
    return found


def bring_up(connection: Connection, *, where: str, may_migrate: bool) -> None:
    """Make or migrate the tables, in the transaction that is open.

    Parameters
    ----------
    connection : Connection
        In a transaction in which nobody else does the same.
    where : str
        The ledger, as people may read it: without a password.
    may_migrate : bool
        Whether an older ledger may be changed; an empty database is always filled.

    Raises
    ------
    LedgerError
        If the database holds something else, a newer ledger, or an older one that may not be changed.
    """
    found = revision_of(connection)
    if found == HEAD:
        return
    if found is None:
        _fill(connection, where)
        return
    scripts = _scripts()
    steps = _steps(scripts, found)
    if steps is None:
        raise LedgerError(
            "the ledger was made by a newer dmod",
            ledger=where,
            needed=f"revision {scripts.get_current_head()}, the newest this dmod knows",
            has=f"revision {found}",
            hint="run `pip install --upgrade dmod`, or name another ledger with DMOD_LEDGER",
        )
    if not may_migrate:
        raise LedgerError(
            "the ledger was made by an older dmod",
            ledger=where,
            needed=f"revision {scripts.get_current_head()}",
            has=f"revision {found}",
            hint="back it up and call `dmod.ledger.ledger.upgrade(url)` once, while nobody uses it",
        )
    _migrate(connection, scripts, steps)


def _fill(connection: Connection, where: str) -> None:
    """Tables, where there are none."""
    from sqlalchemy import inspect

    from dmod.ledger.schema import METADATA, create

    there = set(inspect(connection).get_table_names())
    # A server may be shared with others; a file is nobody else's.
    others = there if connection.dialect.name == "sqlite" else there & METADATA.tables.keys()
    if others:
        raise LedgerError(
            "this database is no ledger",
            ledger=where,
            has=f"tables {', '.join(sorted(others)[:5])}",
            hint="name an empty database, or a file that is not there yet, with DMOD_LEDGER",
        )
    create(connection)


def _scripts() -> ScriptDirectory:
    """The modules that lead from one revision to the next."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory(str(FOLDER), version_locations=[str(FOLDER)])


def _steps(scripts: ScriptDirectory, found: str) -> list[str] | None:
    """Revisions to walk through, oldest first; None if *found* is none that is known."""
    line = [script.revision for script in scripts.walk_revisions()][::-1]
    return line[line.index(found) + 1 :] if found in line else None


def _migrate(connection: Connection, scripts: ScriptDirectory, steps: list[str]) -> None:
    """Walk through *steps*."""
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    from dmod.ledger.schema import guard_history, lift_guards

    lift_guards(connection)
    context = MigrationContext.configure(connection, opts={"version_table": REVISION_TABLE})
    with Operations.context(context):
        for step in steps:
            script = scripts.get_revision(step)
            assert script is not None
            script.module.upgrade()
            connection.exec_driver_sql(f"UPDATE {REVISION_TABLE} SET version_num = '{step}'")
    guard_history(connection)
