"""The line a job walks, and the one table that says so.

A job's owner writes a `Goal`; its `State` moves along `LINE`, one verb at a time, or ends
in ``failed`` or ``cancelled``. `step` decides what is next; it acts on nothing. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["LINE", "Goal", "State", "Verb", "after", "step"]


class State(StrEnum):
    """Where a job stands."""

    REQUESTED = "requested"
    RESOLVED = "resolved"
    PREPARED = "prepared"
    PARTITIONED = "partitioned"
    ALLOCATED = "allocated"
    RUNNING = "running"
    FINISHED = "finished"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen."""
        return self in (State.COMPLETE, State.FAILED, State.CANCELLED)


class Goal(StrEnum):
    """What its owner wants of a job."""

    COMPLETE = "complete"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Verb:
    """One stretch of the line."""

    #: What is done.
    name: str
    #: The room that does it.
    room: str
    #: State it starts from.
    before: State
    #: State it leads to.
    after: State


#: The order of things. Nothing else decides it.
LINE: tuple[Verb, ...] = (
    Verb("resolve", "data", State.REQUESTED, State.RESOLVED),
    Verb("prepare", "prepare", State.RESOLVED, State.PREPARED),
    Verb("partition", "domain", State.PREPARED, State.PARTITIONED),
    Verb("allocate", "schedule", State.PARTITIONED, State.ALLOCATED),
    Verb("launch", "execution", State.ALLOCATED, State.RUNNING),
    Verb("monitor", "execution", State.RUNNING, State.FINISHED),
    Verb("publish", "formats", State.FINISHED, State.COMPLETE),
)
_BY_STATE = {verb.before: verb for verb in LINE}


def step(state: State, goal: Goal) -> Verb | State | None:
    """What is next for a job.

    Parameters
    ----------
    state : State
        Where it stands.
    goal : Goal
        What its owner wants.

    Returns
    -------
    Verb, State or None
        The verb to do; or the state to go to without doing anything; or None at the end.

    Examples
    --------
    >>> step(State.REQUESTED, Goal.COMPLETE).name
    'resolve'
    >>> step(State.RUNNING, Goal.CANCELLED)
    <State.CANCELLED: 'cancelled'>
    """
    if state.is_final:
        return None
    if goal is Goal.CANCELLED:
        return State.CANCELLED
    return _BY_STATE[state]


def after(verb: Verb, *, failed: bool = False, stopped: bool = False) -> State:
    """The state that follows a verb that ended well, failed, or was stopped."""
    if stopped:
        return State.CANCELLED
    return State.FAILED if failed else verb.after
