"""The journal of one job: its events, its goal and its progress, kept in this process.

Safe to read from any thread while the conductor writes. What it adds up to is decided by
`dmod.job.record.status_of`.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from dmod.job.lifecycle import Goal, State
from dmod.job.record import Event, Progress, Status, status_of

__all__ = ["Journal"]


class Journal:
    """Events of one job, oldest first.

    Parameters
    ----------
    name : str
        Name of the job.
    """

    def __init__(self, name: str) -> None:
        self.name = self.job = name
        self._lock = threading.Lock()
        self._events: list[Event] = []
        self._goal = Goal.COMPLETE
        self._progress = Progress()
        self._ended = threading.Event()

    def append(self, state: State, message: str, **facts: Any) -> None:
        """Add an event, now."""
        with self._lock:
            self._events.append(Event(len(self._events), time.time(), state, message, facts))
        if state.is_final:
            self._ended.set()

    def report(self, progress: Progress) -> None:
        """Say how far the run is."""
        with self._lock:
            self._progress = progress

    def want(self, goal: Goal) -> None:
        """Write the owner's goal."""
        with self._lock:
            self._goal = goal

    @property
    def goal(self) -> Goal:
        """What the owner wants."""
        return self._goal

    @property
    def events(self) -> tuple[Event, ...]:
        """All events so far."""
        with self._lock:
            return tuple(self._events)

    @property
    def state(self) -> State:
        """Where the job stands."""
        with self._lock:
            return self._events[-1].state if self._events else State.REQUESTED

    def status(self) -> Status:
        """Where the job stands, in full."""
        with self._lock:
            return status_of(self.name, self._goal, tuple(self._events), self._progress)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the end; whether it came in time."""
        return self._ended.wait(timeout_s)
