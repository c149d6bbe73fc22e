"""The journal of one job, kept in the ledger: what the conductor writes while it takes the job along.

It does what `dmod.job.journal.Journal` does, for a job that others see too; as soon as
somebody else conducts the job, whatever is written raises `LostLease`.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from dmod.job.lifecycle import Goal, State
from dmod.job.record import Event, Progress, Status, status_of
from dmod.ledger.jobs import JobRow
from dmod.ledger.ledger import Ledger

__all__ = ["JobJournal"]

#: Progress is written no more often than this, and a goal no older is believed [s].
_REPORT_S = 0.25
_GOAL_S = 0.1


class JobJournal:
    """Events of one job in the ledger; safe to use from any thread.

    Parameters
    ----------
    ledger : Ledger
        Where it is kept.
    job : str
        Id of the job.
    holder : str
        Who conducts it.
    row : JobRow, optional
        The job as it stands, where that is known.

    Raises
    ------
    JobError
        If there is no such job.
    """

    def __init__(self, ledger: Ledger, job: str, holder: str, row: JobRow | None = None) -> None:
        self._ledger, self._holder = ledger, holder
        row = ledger.job(job) if row is None else row
        #: Id of the job.
        self.job = job
        #: Name of the job.
        self.name = row.name
        self._state = row.state
        self._turn = threading.Lock()
        self._unwritten: Progress | None = None
        self._reported_s, self._asked_s = float("-inf"), time.monotonic()
        self._goal = row.goal

    def append(self, state: State | None, message: str, **facts: Any) -> None:
        """Add an event, now; progress that was not written yet is written before.

        Parameters
        ----------
        state : State or None
            State of the job from now on; None if it stays where it is.
        message : str
            What was done or seen.
        **facts : object
            More, for programs.

        Raises
        ------
        JobError
            If the job is gone, or over.
        LostLease
            If somebody else conducts it.
        """
        with self._turn:
            event = self._ledger.append(self.job, self._holder, state, message, facts, progress=self._unwritten)
            self._state = event.state
            if self._unwritten is not None:
                self._unwritten, self._reported_s = None, time.monotonic()

    def report(self, progress: Progress) -> None:
        """Say how far the run is; written at most four times a second, the last at the latest with an event.

        Raises
        ------
        JobError
            If the job is gone.
        LostLease
            If somebody else conducts it.
        """
        with self._turn:
            self._unwritten = progress
            if time.monotonic() - self._reported_s >= _REPORT_S:
                self._write_progress()

    def want(self, goal: Goal) -> None:
        """Write the owner's goal."""
        self._ledger.set_goal(self.job, goal)
        with self._turn:
            self._asked_s = float("-inf")

    @property
    def goal(self) -> Goal:
        """What the owner wants; as it was a tenth of a second ago at most."""
        with self._turn:
            if time.monotonic() - self._asked_s >= _GOAL_S:
                self._goal = self._ledger.goal(self.job)
                self._asked_s = time.monotonic()
            return self._goal

    @property
    def events(self) -> tuple[Event, ...]:
        """All events so far."""
        return tuple(self._ledger.events(self.job))

    @property
    def state(self) -> State:
        """Where the job stands: only who conducts it moves it, and that is us or else nothing is written."""
        return self._state

    def status(self) -> Status:
        """Where the job stands, in full."""
        with self._turn:
            unwritten = self._unwritten
        progress = self._ledger.progress(self.job) if unwritten is None else unwritten
        return status_of(self.name, self.goal, self.events, progress)

    def _write_progress(self) -> None:
        """Write what was reported last, if it was not."""
        if self._unwritten is not None:
            self._ledger.report_progress(self.job, self._holder, self._unwritten)
            self._unwritten, self._reported_s = None, time.monotonic()
