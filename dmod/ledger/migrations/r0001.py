"""Revision 0001: the first tables."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    text,
)

__all__ = ["upgrade"]

revision = "0001"
down_revision = None

_OPEN = text("state NOT IN ('complete', 'failed', 'cancelled')")


def upgrade() -> None:
    """Make the tables."""
    _jobs()
    _history()
    _conduct()
    _datasets()


def _jobs() -> None:
    """Jobs and what was asked for."""
    op.create_table(
        "jobs",
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
    op.create_table("requests", _of_job(), Column("text", Text, nullable=False))


def _history() -> None:
    """What happened."""
    op.create_table(
        "events",
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
    op.create_table(
        "progress", _of_job(),
        Column("done", BigInteger, nullable=False),
        Column("total", BigInteger, nullable=False),
        Column("elapsed_s", Double, nullable=False),
    )  # fmt: skip
    op.create_table("details", _of_job(), Column("key", Text, primary_key=True), Column("text", Text, nullable=False))
    op.create_table(
        "logs", _of_job(),
        Column("number", Integer, primary_key=True),
        Column("time_s", Double, nullable=False),
        Column("size", Integer, nullable=False),
        Column("cut_bytes", BigInteger, nullable=False),
        Column("text", Text, nullable=False),
    )  # fmt: skip


def _conduct() -> None:
    """Who conducts, with what."""
    op.create_table(
        "grants", _of_job(),
        Column("host", Text, primary_key=True),
        Column("cores", Integer, nullable=False),
        Column("memory_bytes", BigInteger, nullable=False),
        Column("since_s", Double, nullable=False),
    )  # fmt: skip
    op.create_table(
        "holders",
        Column("name", Text, primary_key=True),
        Column("facts", Text, nullable=False),
        Column("beat_s", Double, nullable=False),
        Column("until_s", Double, nullable=False),
    )  # fmt: skip


def _datasets() -> None:
    """The catalog."""
    op.create_table(
        "datasets",
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
        Index(
            "datasets_sieve", "category", "ids_reach", "ids_low", "ids_high", "start_s", "stop_s", "measure"
        ),
        Index("datasets_created", "created_s"),
        Index("datasets_owner", "owner", "created_s"),
        Index("datasets_lineage", "lineage"),
        Index("datasets_expire", "expires_s"),
    )  # fmt: skip
    op.create_table(
        "uses",
        Column("dataset", Text, ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
        _of_job(),
        Column("since_s", Double, nullable=False),
        Index("uses_job", "job"),
    )  # fmt: skip


def _of_job(*, primary: bool = True) -> Column[str]:
    """A column that names a job, and goes with it."""
    return Column("job", Text, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=primary, nullable=False)
