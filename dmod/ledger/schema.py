"""The tables of the ledger, as they are now.

`create` makes them in an empty database. How tables of an older ledger become these stands
in `dmod.ledger.migrations`; a test holds the two together. Importing this module loads
sqlalchemy, so that it is imported only when a ledger is opened.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from dmod.ledger.revisions import HEAD, REVISION_TABLE

__all__ = ["METADATA", "create", "guard_history", "lift_guards"]

#: Every table, with its columns in the order of the migrations.
METADATA = MetaData()

_OPEN = text("state NOT IN ('complete', 'failed', 'cancelled')")


def _of_job(*, primary: bool = True) -> Column[str]:
    """A column that names a job, and goes with it."""
    return Column("job", Text, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=primary, nullable=False)


Table(
    "jobs", METADATA,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("goal", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("array", Text),
    Column("submitted_s", Double, nullable=False),
    Column("updated_s", Double, nullable=False),
    Column("holder", Text),
    Column("claim_until_s", Double),
    Column("cores", Integer),
    Column("memory_bytes", BigInteger),
    Column("log_bytes", BigInteger, nullable=False),
    Index("jobs_open", "priority", "submitted_s", sqlite_where=_OPEN, postgresql_where=_OPEN),
    Index("jobs_submitted", "submitted_s"),
    Index("jobs_owner", "owner", "submitted_s"),
    Index("jobs_array", "array"),
    Index("jobs_holder", "holder"),
)  # fmt: skip
# Requests may be long and never change; a table of their own keeps the rows of jobs short.
Table("requests", METADATA, _of_job(), Column("text", Text, nullable=False))
Table(
    "events", METADATA,
    # Never given twice: a reader's cursor must not pass over an event because another was deleted.
    Column("cursor", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    _of_job(primary=False),
    Column("number", Integer, nullable=False),
    Column("time_s", Double, nullable=False),
    Column("state", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("facts", Text, nullable=False),
    UniqueConstraint("job", "number", name="events_number"),
    sqlite_autoincrement=True,
)  # fmt: skip
Table(
    "progress", METADATA, _of_job(),
    Column("done", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("elapsed_s", Double, nullable=False),
)  # fmt: skip
Table("details", METADATA, _of_job(), Column("key", Text, primary_key=True), Column("text", Text, nullable=False))
Table(
    "logs", METADATA, _of_job(),
    Column("number", Integer, primary_key=True),
    Column("time_s", Double, nullable=False),
    Column("size", Integer, nullable=False),
    Column("cut_bytes", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
)  # fmt: skip
Table(
    "grants", METADATA, _of_job(),
    Column("host", Text, primary_key=True),
    Column("cores", Integer, nullable=False),
    Column("memory_bytes", BigInteger, nullable=False),
    Column("since_s", Double, nullable=False),
)  # fmt: skip
Table(
    "holders", METADATA,
    Column("name", Text, primary_key=True),
    Column("facts", Text, nullable=False),
    Column("beat_s", Double, nullable=False),
    Column("until_s", Double, nullable=False),
)  # fmt: skip
Table(
    "datasets", METADATA,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("category", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("lineage", Text),
    Column("created_s", Double, nullable=False),
    Column("expires_s", Double),
    # What a coverage needs at least to cover another: a first sieve, see `dmod.ledger.catalog`.
    Column("measure", Double, nullable=False),
    Column("start_s", BigInteger, nullable=False),
    Column("stop_s", BigInteger, nullable=False),
    Column("ids_low", BigInteger, nullable=False),
    Column("ids_high", BigInteger, nullable=False),
    Column("ids_reach", Integer, nullable=False),
    Column("coverage", Text, nullable=False),
    Column("text", Text, nullable=False),
    # Holds all that the sieve asks, so that nothing else is read for those that fall through.
    Index("datasets_sieve", "category", "ids_reach", "ids_low", "ids_high", "start_s", "stop_s", "measure"),
    Index("datasets_created", "created_s"),
    Index("datasets_owner", "owner", "created_s"),
    Index("datasets_lineage", "lineage"),
    Index("datasets_expire", "expires_s"),
)  # fmt: skip
Table(
    "uses", METADATA,
    Column("dataset", Text, ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    _of_job(),
    Column("since_s", Double, nullable=False),
    Index("uses_job", "job"),
)  # fmt: skip

#: What keeps history as it was, by dialect: statements that take it away, and that put it there.
_LIFT = {
    "sqlite": ("DROP TRIGGER IF EXISTS events_stay", "DROP TRIGGER IF EXISTS events_last"),
    "postgresql": (
        "DROP TRIGGER IF EXISTS events_stay ON events",
        "DROP TRIGGER IF EXISTS events_last ON events",
        "DROP FUNCTION IF EXISTS events_stay",
        "DROP FUNCTION IF EXISTS events_last",
    ),
}
_GUARD = {
    "sqlite": (
        """CREATE TRIGGER events_stay BEFORE UPDATE ON events
        BEGIN SELECT RAISE(ABORT, 'events are only ever added'); END""",
        """CREATE TRIGGER events_last BEFORE DELETE ON events
        WHEN EXISTS (SELECT 1 FROM jobs WHERE id = OLD.job)
        BEGIN SELECT RAISE(ABORT, 'events go only with their job'); END""",
    ),
    "postgresql": (
        """CREATE FUNCTION events_stay() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'events are only ever added'; END $$""",
        """CREATE FUNCTION events_last() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF EXISTS (SELECT 1 FROM jobs WHERE id = OLD.job) THEN
                RAISE EXCEPTION 'events go only with their job';
            END IF;
            RETURN OLD;
        END $$""",
        "CREATE TRIGGER events_stay BEFORE UPDATE ON events FOR EACH ROW EXECUTE FUNCTION events_stay()",
        "CREATE TRIGGER events_last BEFORE DELETE ON events FOR EACH ROW EXECUTE FUNCTION events_last()",
    ),
}


def create(connection: Connection) -> None:
    """Make all tables in an empty database, in the transaction that is open.

    Parameters
    ----------
    connection : Connection
        In a transaction; nobody else sees anything before it is committed.
    """
    METADATA.create_all(connection, checkfirst=False)
    connection.exec_driver_sql(f"CREATE TABLE {REVISION_TABLE} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    connection.exec_driver_sql(f"INSERT INTO {REVISION_TABLE} VALUES ('{HEAD}')")
    guard_history(connection)


def guard_history(connection: Connection) -> None:
    """Have the database itself refuse to change events."""
    for statement in _GUARD[connection.dialect.name]:
        connection.exec_driver_sql(statement)


def lift_guards(connection: Connection) -> None:
    """Let events be changed, as a migration may have to, until `guard_history`."""
    for statement in _LIFT[connection.dialect.name]:
        connection.exec_driver_sql(statement)
