"""What happened to a job: events, and the status they add up to.

Events are only ever added. Pure: whoever makes one gives the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dmod.job.lifecycle import Goal, State

__all__ = ["Event", "Progress", "Status", "status_of"]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened."""

    #: Place in the job's history, from 0.
    number: int
    #: When [s since 1970].
    time_s: float
    #: State of the job after it.
    state: State
    #: What was done or seen, in words.
    message: str
    #: More, for programs.
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    #: Catchment-steps done, and in all.
    done: int = 0
    total: int = 0
    #: Seconds since the run began.
    elapsed_s: float = 0.0

    @property
    def fraction(self) -> float:
        """Share done, 0 to 1."""
        return min(1.0, self.done / self.total) if self.total else 0.0

    @property
    def rate(self) -> float:
        """Catchment-steps per second."""
        return self.done / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def remaining_s(self) -> float | None:
        """Seconds left at the present rate; None where there is no rate yet."""
        return max(0.0, (self.total - self.done) / self.rate) if self.rate else None


@dataclass(frozen=True)
class Status:
    """Where a job stands, for people and programs."""

    #: Name of the job.
    name: str
    #: Where it stands.
    state: State
    #: What its owner wants.
    goal: Goal
    #: What is being done, or how it ended.
    message: str
    #: How far it is.
    progress: Progress
    #: More: catchments, steps, workers, output.
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Everything in types that JSON has."""
        p = self.progress
        return {
            "name": self.name, "state": str(self.state), "goal": str(self.goal), "message": self.message,
            "fraction": p.fraction, "done": p.done, "total": p.total, "rate": p.rate,
            "elapsed_s": p.elapsed_s, "remaining_s": p.remaining_s, **self.facts,
        }  # fmt: skip


def status_of(name: str, goal: Goal, events: Sequence[Event], progress: Progress) -> Status:
    """The status that a history adds up to.

    Parameters
    ----------
    name : str
        The job.
    goal : Goal
        What its owner wants.
    events : sequence of Event
        Its history, oldest first.
    progress : Progress
        How far the run is.

    Returns
    -------
    Status
        ``requested`` where nothing has happened yet.
    """
    facts: dict[str, Any] = {}
    for event in events:
        facts.update(event.facts)
    last = events[-1] if events else None
    return Status(
        name,
        last.state if last else State.REQUESTED,
        goal,
        last.message if last else "requested",
        progress,
        facts,
    )
