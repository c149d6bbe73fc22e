"""Jobs as the ledger keeps them: what was asked for, what the owner wants, where they stand.

The owner adds, restarts and deletes jobs and sets goals; who conducts them writes history,
see `dmod.ledger.history`. A request is kept as the text it came as.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dmod.errors import JobError
from dmod.job.lifecycle import Goal, State
from dmod.job.record import Event
from dmod.ledger.claims import OPEN, no_such_job
from dmod.ledger.database import Database
from dmod.ledger.history import add_event
from dmod.ledger.transaction import Transaction, storable

__all__ = ["JobRow", "Jobs"]

#: Ids name directories too.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MOST_BYTES = 2**63 - 1
_ROW = (
    'jobs.id, name, owner, text AS request_json, goal, state, priority, "array", submitted_s, updated_s, holder,'
    " claim_until_s, cores, memory_bytes FROM jobs JOIN requests ON requests.job = jobs.id"
)
_INSERT = """
INSERT INTO jobs (id, name, owner, goal, state, priority, "array", submitted_s, updated_s, cores, memory_bytes,
    log_bytes)
VALUES (:id, :name, :owner, :goal, :state, :priority, :array, :now, :now, :cores, :memory_bytes, 0)
ON CONFLICT (id) DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job, as the ledger keeps it."""

    #: What it is known by: letters, digits, ``.``, ``_`` and ``-``, 100 at most.
    id: str
    #: What people call it.
    name: str
    #: Who asked for it.
    owner: str
    #: What was asked for, as `dmod.job.request.JobRequest.to_json` gives it.
    request_json: str
    #: What the owner wants.
    goal: Goal = Goal.COMPLETE
    #: Where it stands.
    state: State = State.REQUESTED
    #: The higher, the sooner it is taken.
    priority: int = 50
    #: The array it belongs to; None for a job of its own.
    array: str | None = None
    #: When it was submitted, and when something last happened to it [s since 1970].
    submitted_s: float = 0.0
    updated_s: float = 0.0
    #: Who conducts it; None for nobody.
    holder: str | None = None
    #: How long that claim lasts [s since 1970]; None without one.
    claim_until_s: float | None = None
    #: Cores wanted; None for as many as make sense.
    cores: int | None = None
    #: Memory wanted [bytes]; None for no limit.
    memory_bytes: int | None = None

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise JobError(
                f"{self.id!r} cannot be the id of a job",
                needed="letters, digits, '.', '_' and '-', 100 at most, the first a letter or digit",
            )
        if not 0 <= (self.memory_bytes or 0) <= _MOST_BYTES:
            raise JobError(f"a job cannot want {self.memory_bytes} bytes of memory")


class Jobs:
    """Jobs of all owners."""

    _db: Database

    def add_job(self, record: JobRow) -> JobRow:
        """Keep a new job, see `add_jobs`."""
        return self.add_jobs([record])[0]

    def add_jobs(self, records: Iterable[JobRow]) -> list[JobRow]:
        """Keep new jobs, all of them or none; each begins with an event ``requested``.

        Parameters
        ----------
        records : iterable of JobRow
            What is asked for; times, goal, state and claim are the ledger's.

        Returns
        -------
        list of JobRow
            As they were kept.

        Raises
        ------
        JobError
            If an id is taken.
        """
        kept: list[JobRow] = []
        with self._db.write() as tx:
            now = tx.now_s()
            for record in records:
                row = replace(
                    record, name=storable(record.name), owner=storable(record.owner), goal=Goal.COMPLETE,
                    state=State.REQUESTED, submitted_s=now, updated_s=now, holder=None, claim_until_s=None,
                )  # fmt: skip
                added = tx.run(
                    _INSERT,
                    id=row.id, name=row.name, owner=row.owner, goal=str(row.goal), state=str(row.state), now=now,
                    priority=row.priority, array=row.array, cores=row.cores, memory_bytes=row.memory_bytes,
                )  # fmt: skip
                if not added:
                    raise JobError(f"there is a job {row.id!r} already", hint="give the new one another id")
                text = storable(row.request_json)
                tx.run("INSERT INTO requests (job, text) VALUES (:job, :text)", job=row.id, text=text)
                event = add_event(tx, row.id, State.REQUESTED, "requested", {})
                kept.append(replace(row, updated_s=event.time_s))
        return kept

    def job(self, job: str) -> JobRow:
        """One job.

        Raises
        ------
        JobError
            If there is none with that id.
        """
        with self._db.read() as tx:
            row = tx.row(f"SELECT {_ROW} WHERE jobs.id = :job", job=job)
        if row is None:
            raise no_such_job(job)
        return _job(row)

    def jobs(
        self,
        *,
        owner: str | None = None,
        states: Iterable[State] | None = None,
        array: str | None = None,
        limit: int | None = None,
    ) -> list[JobRow]:
        """Jobs, newest first.

        Parameters
        ----------
        owner : str, optional
            Whose; everybody's otherwise.
        states : iterable of State, optional
            Where they stand; anywhere otherwise.
        array : str, optional
            The array they belong to; any or none otherwise.
        limit : int, optional
            How many at most.

        Returns
        -------
        list of JobRow
        """
        given: dict[str, Any] = {}
        with self._db.read() as tx:
            conditions = ["1 = 1"]
            if owner is not None:
                conditions.append("owner = :owner")
                given["owner"] = owner
            if array is not None:
                conditions.append('"array" = :array')
                given["array"] = array
            if states is not None:
                conditions.append(tx.among("state", "states"))
                given["states"] = tx.listed(map(str, states))
            if limit is not None:
                given["limit"] = limit
            found = tx.rows(
                f"SELECT {_ROW} WHERE {' AND '.join(conditions)} ORDER BY submitted_s DESC, jobs.id"
                + (" LIMIT :limit" if limit is not None else ""),
                **given,
            )
        return [_job(row) for row in found]

    def goal(self, job: str) -> Goal:
        """What the owner wants of a job."""
        with self._db.read() as tx:
            found = tx.value("SELECT goal FROM jobs WHERE id = :job", job=job)
        if found is None:
            raise no_such_job(job)
        return Goal(found)

    def unwanted(self) -> set[str]:
        """Ids of jobs that are not over, and are to be cancelled."""
        with self._db.read() as tx:
            found = tx.rows(f"SELECT id FROM jobs WHERE {OPEN} AND goal = :goal", goal=str(Goal.CANCELLED))
        return {row.id for row in found}

    def set_goal(self, job: str, goal: Goal) -> None:
        """Write what the owner wants; who conducts the job sees to it.

        Parameters
        ----------
        job : str
            Which.
        goal : Goal
            What is wanted from now on.

        Raises
        ------
        JobError
            If there is no such job, or it is over in another way.
        """
        with self._db.write() as tx:
            state, before = _standing(tx, job)
            if before is goal:
                return
            if state.is_final:
                raise JobError(
                    f"job {job!r} is {state} already",
                    needed=f"one that is not over, to be {'cancelled' if goal is Goal.CANCELLED else 'completed'}",
                    hint="restart it, or leave it as it is",
                )
            tx.run("UPDATE jobs SET goal = :goal WHERE id = :job", goal=str(goal), job=job)

    def restart(self, job: str) -> Event:
        """Have a job that failed or was cancelled begin again; its history stays.

        Parameters
        ----------
        job : str
            Which.

        Returns
        -------
        Event
            ``requested``, with the message ``restarted``.

        Raises
        ------
        JobError
            If there is no such job, or it stands elsewhere.
        """
        with self._db.write() as tx:
            state, _ = _standing(tx, job)
            if state not in (State.FAILED, State.CANCELLED):
                raise JobError(
                    f"job {job!r} is {state}: it cannot be restarted",
                    needed="a job that failed or was cancelled",
                    hint="submit it again" if state.is_final else "cancel it first",
                )
            tx.run(
                "UPDATE jobs SET goal = :goal, holder = NULL, claim_until_s = NULL WHERE id = :job",
                goal=str(Goal.COMPLETE), job=job,
            )  # fmt: skip
            tx.run("DELETE FROM grants WHERE job = :job", job=job)
            tx.run("DELETE FROM progress WHERE job = :job", job=job)
            return add_event(tx, job, State.REQUESTED, "restarted", {})

    def delete_job(self, job: str) -> None:
        """Forget a job that is over, with its history, logs and details.

        Parameters
        ----------
        job : str
            Which.

        Raises
        ------
        JobError
            If there is no such job, or it is not over.
        """
        with self._db.write() as tx:
            state, _ = _standing(tx, job)
            if not state.is_final:
                raise JobError(
                    f"job {job!r} is {state}: only a job that is over can be deleted", hint="cancel it, and wait"
                )
            tx.run("DELETE FROM jobs WHERE id = :job", job=job)

    def put_detail(self, job: str, key: str, text: str) -> None:
        """Keep a longer text about a job: its plan, its report, its provenance.

        Parameters
        ----------
        job : str
            Which.
        key : str
            What it is; what was kept under that key before is replaced.
        text : str
            Anything.

        Raises
        ------
        JobError
            If there is no such job.
        """
        self.put_details(job, {key: text})

    def put_details(self, job: str, texts: Mapping[str, str]) -> None:
        """Keep several longer texts about a job, see `put_detail`."""
        with self._db.write() as tx:
            _standing(tx, job)
            tx.run_each(
                "INSERT INTO details (job, key, text) VALUES (:job, :key, :text)"
                " ON CONFLICT (job, key) DO UPDATE SET text = excluded.text",
                [{"job": job, "key": key, "text": storable(text)} for key, text in texts.items()],
            )

    def detail(self, job: str, key: str) -> str | None:
        """A longer text about a job; None where none is kept."""
        with self._db.read() as tx:
            found: str | None = tx.value("SELECT text FROM details WHERE job = :job AND key = :key", job=job, key=key)
        return found


def _standing(tx: Transaction, job: str) -> tuple[State, Goal]:
    """Where a job stands and what is wanted of it, so that neither changes before the transaction ends."""
    row = tx.row(f"SELECT state, goal FROM jobs WHERE id = :job{tx.for_update}", job=job)
    if row is None:
        raise no_such_job(job)
    return State(row.state), Goal(row.goal)


def _job(row: Any) -> JobRow:
    """A job again."""
    given = row._asdict()
    return JobRow(**{**given, "goal": Goal(given["goal"]), "state": State(given["state"])})
