"""What happened to jobs: events, which are only ever added, and how far runs are.

Events of one job are numbered from 0 without a gap; across all jobs a cursor counts them in
the order in which they became visible, so that a reader who remembers the last one misses
nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dmod.errors import JobError, LostLease
from dmod.job.lifecycle import State
from dmod.job.record import Event, Progress
from dmod.ledger.claims import no_such_job, require_claim
from dmod.ledger.database import Database
from dmod.ledger.transaction import Transaction, storable

__all__ = ["Entry", "History", "add_event"]

_EVENT = "number, time_s, state, message, facts"


@dataclass(frozen=True, slots=True)
class Entry:
    """An event among those of all jobs."""

    #: Its place among all events; larger than that of every event before, with gaps.
    cursor: int
    #: The job it happened to.
    job: str
    #: What happened.
    event: Event


class History:
    """Events and progress."""

    _db: Database

    def append(
        self,
        job: str,
        holder: str,
        state: State | None,
        message: str,
        facts: Mapping[str, Any] | None = None,
        *,
        expect_number: int | None = None,
        progress: Progress | None = None,
    ) -> Event:
        """Add an event to a job's history.

        Parameters
        ----------
        job, holder : str
            Which job, and who conducts it.
        state : State or None
            State of the job from now on; None if it stays where it is.
        message : str
            What was done or seen, in words.
        facts : mapping, optional
            More, for programs: what JSON has; anything else is kept as text.
        expect_number : int, optional
            The number that the event must get.
        progress : Progress, optional
            How far the run is, see `report_progress`.

        Returns
        -------
        Event
            As it was kept.

        Raises
        ------
        JobError
            If there is no such job, or it is over and *state* would change that.
        LostLease
            If somebody else conducts the job, or the event would get another number.
        """
        with self._db.write() as tx:
            before = require_claim(tx, job, holder)
            after = before if state is None else state
            if before.is_final and after is not before:
                raise JobError(f"job {job!r} is {before}: nothing more happens to it", hint="restart it first")
            event = add_event(tx, job, after, message, facts or {})
            if expect_number is not None and event.number != expect_number:
                raise LostLease(
                    "something happened to the job meanwhile",
                    job=job,
                    needed=f"event {expect_number} to come next",
                    has=f"event {event.number}",
                    hint="read its events, then decide again",
                )
            if progress is not None:
                _put_progress(tx, job, progress)
            if after.is_final:
                tx.run("DELETE FROM grants WHERE job = :job", job=job)
        return event

    def events(self, job: str, after: int = -1) -> list[Event]:
        """Events of a job, oldest first.

        Parameters
        ----------
        job : str
            Which.
        after : int
            Number of the last event that is known already; -1 for none.

        Returns
        -------
        list of Event

        Raises
        ------
        JobError
            If there is no such job.
        """
        with self._db.read() as tx:
            found = tx.rows(
                f"SELECT {_EVENT} FROM events WHERE job = :job AND number > :after ORDER BY number",
                job=job, after=after,
            )  # fmt: skip
            if not found and tx.row("SELECT 1 FROM jobs WHERE id = :job", job=job) is None:
                raise no_such_job(job)
        return [_event(row) for row in found]

    def events_since(self, cursor: int, *, limit: int = 10_000) -> list[Entry]:
        """Events of all jobs after *cursor*, in the order they came.

        Parameters
        ----------
        cursor : int
            Cursor of the last entry that is known already; 0 for none.
        limit : int
            How many at most, >= 1.

        Returns
        -------
        list of Entry
        """
        with self._db.read() as tx:
            found = tx.rows(
                f'SELECT "cursor", job, {_EVENT} FROM events WHERE "cursor" > :since ORDER BY "cursor" LIMIT :limit',
                since=cursor, limit=limit,
            )  # fmt: skip
        return [Entry(row.cursor, row.job, _event(row)) for row in found]

    def last_cursor(self) -> int:
        """Cursor of the latest event; 0 where there is none."""
        with self._db.read() as tx:
            return int(tx.value('SELECT MAX("cursor") FROM events') or 0)

    def report_progress(self, job: str, holder: str, progress: Progress) -> None:
        """Say how far a run is; what was said before is forgotten.

        Parameters
        ----------
        job, holder : str
            Which job, and who conducts it.
        progress : Progress
            How far it is.

        Raises
        ------
        JobError
            If there is no such job.
        LostLease
            If somebody else conducts it.
        """
        with self._db.write() as tx:
            require_claim(tx, job, holder)
            _put_progress(tx, job, progress)

    def progress(self, job: str) -> Progress:
        """How far a run is; nothing done of nothing where none was reported."""
        with self._db.read() as tx:
            row = tx.row("SELECT done, total, elapsed_s FROM progress WHERE job = :job", job=job)
        return Progress() if row is None else Progress(row.done, row.total, row.elapsed_s)


def add_event(tx: Transaction, job: str, state: State, message: str, facts: Mapping[str, Any]) -> Event:
    """Add an event, and have the job stand where it says.

    Parameters
    ----------
    tx : Transaction
        One that writes, and holds the job's row.
    job : str
        A job that is there.
    state : State
        State of the job from now on.
    message : str
        What happened.
    facts : mapping
        More.

    Returns
    -------
    Event
        As it is kept: numbered, timed, and with facts as JSON gives them back.
    """
    # Cursors must become visible in their order; whoever writes an event does so alone.
    tx.only_me("events")
    last = tx.value("SELECT MAX(number) FROM events WHERE job = :job", job=job)
    kept = json.dumps(dict(facts), default=str)
    number, now = (0 if last is None else last + 1), tx.now_s()
    event = Event(number, now, state, storable(message), json.loads(kept))
    tx.run(
        "INSERT INTO events (job, number, time_s, state, message, facts)"
        " VALUES (:job, :number, :time_s, :state, :message, :facts)",
        job=job, number=event.number, time_s=event.time_s, state=str(state), message=event.message, facts=kept,
    )  # fmt: skip
    tx.run("UPDATE jobs SET state = :state, updated_s = :now WHERE id = :job", job=job, state=str(state), now=now)
    return event


def _put_progress(tx: Transaction, job: str, progress: Progress) -> None:
    """Replace what was said of a run's progress."""
    tx.run(
        "INSERT INTO progress (job, done, total, elapsed_s) VALUES (:job, :done, :total, :elapsed_s)"
        " ON CONFLICT (job) DO UPDATE SET"
        " done = excluded.done, total = excluded.total, elapsed_s = excluded.elapsed_s",
        job=job, done=progress.done, total=progress.total, elapsed_s=progress.elapsed_s,
    )  # fmt: skip


def _event(row: Any) -> Event:
    """An event again."""
    return Event(row.number, row.time_s, State(row.state), row.message, json.loads(row.facts))
