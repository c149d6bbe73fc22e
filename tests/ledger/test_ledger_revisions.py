"""The tables of the ledger, and how older ones become these."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from dmod.errors import LedgerError
from dmod.job.lifecycle import State
from dmod.ledger import revisions
from dmod.ledger.database import Database
from dmod.ledger.jobs import JobRow
from dmod.ledger.ledger import Ledger, upgrade
from dmod.ledger.revisions import FOLDER, HEAD, REVISION_TABLE, revision_of
from dmod.ledger.schema import METADATA

#: A revision that a later dmod might have: a new column, and a table made anew.
LATER = '''
"""Revision 0002: what a later dmod might want."""
import sqlalchemy as sa
from alembic import op
revision, down_revision = "0002", "0001"


def upgrade():
    with op.batch_alter_table("jobs") as table:
        table.add_column(sa.Column("colour", sa.Text, nullable=False, server_default="blue"))
        table.alter_column("priority", type_=sa.BigInteger)
    {more}
'''


def migrated(url: str) -> Database:
    """A database whose tables the migrations made."""
    database = Database(url, wait_s=5)
    with database.shape() as connection:
        connection.exec_driver_sql(f"CREATE TABLE {REVISION_TABLE} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        connection.exec_driver_sql(f"INSERT INTO {REVISION_TABLE} VALUES ('')")
        scripts = ScriptDirectory(str(FOLDER), version_locations=[str(FOLDER)])
        line = [script.revision for script in scripts.walk_revisions()][::-1]
        revisions._migrate(connection, scripts, line)
        assert revision_of(connection) == HEAD
    return database


def shape_of(database: Database) -> list[tuple[str, ...]]:
    """All tables, columns, indexes, triggers as the database itself tells them."""
    with database.read() as tx:
        if tx.is_sqlite:
            found = tx.rows("SELECT type, name, sql FROM sqlite_master")
            return sorted((row.type, row.name, " ".join(str(row.sql).split())) for row in found)
        here = "current_schema()"
        asked = (
            (
                "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns"
                f" WHERE table_schema = {here}"
            ),
            f"SELECT indexname, replace(indexdef, {here}, '') FROM pg_indexes WHERE schemaname = {here}",
            (
                f"SELECT trigger_name, event_manipulation, replace(action_statement, {here}, '')"
                f" FROM information_schema.triggers WHERE trigger_schema = {here}"
            ),
            (
                "SELECT conname, CAST(contype AS text), pg_get_constraintdef(oid) FROM pg_constraint"
                f" WHERE connamespace = CAST({here} AS regnamespace)"
            ),
        )
        return sorted(tuple(map(str, row)) for one in asked for row in tx.rows(one))


@pytest.fixture
def other_url(url, tmp_path, request):
    """A second place of the same kind."""
    if url.startswith("sqlite"):
        return f"sqlite:///{tmp_path / 'other.sqlite'}"
    return request.getfixturevalue("server").new_url()


def test_migrations_lead_to_the_tables_that_are_made_in_an_empty_database(url, other_url):
    database = migrated(url)
    with Ledger.open(other_url) as ledger:
        made = shape_of(ledger._db)
        assert len(made) > 20
        assert shape_of(database) == made
    with database.read() as tx:
        context = MigrationContext.configure(
            tx.connection, opts={"version_table": REVISION_TABLE, "compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, METADATA) == []
    database.close()
    with Ledger.open(url) as ledger:
        assert ledger.jobs() == []


def test_the_head_that_the_code_names_is_the_last_migration():
    scripts = ScriptDirectory(str(FOLDER), version_locations=[str(FOLDER)])
    assert scripts.get_heads() == [HEAD]
    assert scripts.get_bases() == ["0001"]


@pytest.fixture
def later(tmp_path, monkeypatch):
    """A dmod that knows one revision more."""

    def make(more: str = "pass") -> None:
        folder = tmp_path / "migrations"
        shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "r0002.py").write_text(LATER.replace("{more}", more))
        monkeypatch.setattr(revisions, "FOLDER", folder)
        for module in (revisions, sys.modules["dmod.ledger.ledger"]):
            monkeypatch.setattr(module, "HEAD", "0002")

    return make


def filled(url: str) -> None:
    """A ledger with something in it."""
    with Ledger.open(url) as ledger:
        ledger.add_job(JobRow("one", "mad", "ada", '{"a": 1}', priority=70))
        ledger.claim("me", 60)
        ledger.append("one", "me", State.RUNNING, "x", {"n": 1})
        ledger.write_log("one", "me", "hello\n")


def all_of(ledger: Ledger) -> tuple[object, ...]:
    """What `filled` put there."""
    return ledger.job("one"), ledger.events("one"), ledger.log("one"), ledger.events_since(0)


def test_an_older_ledger_keeps_all_it_has_when_it_is_migrated(url, later):
    filled(url)
    with Ledger.open(url) as ledger:
        before = all_of(ledger)
    later()
    if not url.startswith("sqlite"):
        with pytest.raises(LedgerError, match="the ledger was made by an older dmod") as problem:
            Ledger.open(url)
        assert "upgrade(url)" in problem.value.hint
        upgrade(url)
    upgrade(url)
    with Ledger.open(url) as ledger:
        assert all_of(ledger) == before
        with ledger._db.read() as tx:
            assert tx.value("SELECT colour FROM jobs") == "blue"
            assert revision_of(tx.connection) == "0002"
        ledger.append("one", "me", State.FINISHED, "still works")


def test_a_migration_that_fails_leaves_the_ledger_as_it_was(url, later):
    filled(url)
    later("op.execute('SELECT nothing FROM nowhere')")
    with pytest.raises(LedgerError):
        upgrade(url)
    database = Database(url, wait_s=5)
    with database.read() as tx:
        assert revision_of(tx.connection) == "0001"
        assert "colour" not in tx.row("SELECT * FROM jobs")._asdict()
        assert tx.value("SELECT COUNT(*) FROM events") == 2
    database.close()


def test_the_ledger_is_imported_without_sqlalchemy_and_opened_without_alembic(tmp_path):
    code = """
import sys
from pathlib import Path
import dmod.ledger.journal
heavy = {"sqlalchemy", "alembic", "psycopg", "sqlite3"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
dmod.ledger.journal.Ledger.open(Path(sys.argv[1])).close()
assert "alembic" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "ledger.sqlite"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
