"""Whose turn it is: priorities that grow with waiting, and fair shares among users.

`order` puts the jobs that wait in the order in which they are to get cores; `may_pass` says
whether a small job may start before a large one in front of it that has to wait. Nobody is
passed over for ever: waiting raises a priority without bound, and who has waited long
enough at the front is passed by nobody. Pure: the time is given.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from dmod.schedule.resources import Resources

__all__ = ["AGEING_S", "RESERVE_S", "STEP", "Waiting", "may_pass", "order", "standing"]

#: A priority grows by `STEP` for each such time of waiting [s].
AGEING_S = 3600.0
STEP = 10
#: Who has waited so long is no longer passed by smaller jobs [s].
RESERVE_S = 600.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job that waits for cores."""

    #: Its id.
    id: str
    #: Whose it is.
    owner: str
    #: The higher, the sooner; any whole number.
    priority: int
    #: Since when it waits [s since 1970].
    since_s: float
    #: What it wants.
    resources: Resources


def standing(job: Waiting, now_s: float) -> int:
    """The priority of a job with what waiting has added to it.

    Parameters
    ----------
    job : Waiting
        The job.
    now_s : float
        The present [s since 1970].

    Returns
    -------
    int
        Its priority, and 10 for each full hour of waiting.

    Examples
    --------
    >>> job = Waiting("a", "ann", 50, 0.0, Resources(1))
    >>> standing(job, 3599.0), standing(job, 7200.0)
    (50, 70)
    """
    return job.priority + STEP * int(max(0.0, now_s - job.since_s) // AGEING_S)


def order(queue: Sequence[Waiting], running: Mapping[str, int], now_s: float) -> list[Waiting]:
    """The jobs that wait, in the order in which they are to get cores.

    Parameters
    ----------
    queue : sequence of Waiting
        In any order; ids are different.
    running : mapping of str to int
        Cores in use by owner; none for those that are not in it.
    now_s : float
        The present [s since 1970].

    Returns
    -------
    list of Waiting
        The higher standing first. Among equal standings the owner with fewest cores comes
        next, those that stand before in this list counted as in use; of one owner's jobs the one
        that has waited longest.

    Examples
    --------
    >>> jobs = [Waiting(f"{owner}{n}", owner, 50, n, Resources(2)) for owner in ("ann", "bob") for n in (1, 2)]
    >>> [job.id for job in order(jobs, {"ann": 3}, 10.0)]
    ['bob1', 'bob2', 'ann1', 'ann2']
    """
    ranked = sorted(queue, key=lambda job: (-standing(job, now_s), job.since_s, job.id))
    cores = dict(running)
    found: list[Waiting] = []
    for _, alike in groupby(ranked, key=lambda job: standing(job, now_s)):
        lines: dict[str, list[Waiting]] = {}
        for job in alike:
            lines.setdefault(job.owner, []).append(job)
        # One entry for each owner: cores held, then the job at the head of the owner's line.
        heads = [_entry(cores, lines[owner], 0) for owner in lines]
        heapq.heapify(heads)
        while heads:
            _, _, _, owner, place = heapq.heappop(heads)
            job = lines[owner][place]
            found.append(job)
            cores[owner] = cores.get(owner, 0) + job.resources.cores
            if place + 1 < len(lines[owner]):
                heapq.heappush(heads, _entry(cores, lines[owner], place + 1))
    return found


def may_pass(head: Waiting, other: Waiting, now_s: float) -> bool:
    """Whether a job may start although one that stands before it has to wait.

    Parameters
    ----------
    head : Waiting
        The first in order for which there is no room now.
    other : Waiting
        One behind it for which there is.
    now_s : float
        The present [s since 1970].

    Returns
    -------
    bool
        True for one that wants no more of anything, and less of something, until the head has waited
        `RESERVE_S`; from then on cores that become free are kept for the head.

    Examples
    --------
    >>> large, small = Waiting("a", "ann", 50, 0.0, Resources(8)), Waiting("b", "bob", 50, 1.0, Resources(1))
    >>> may_pass(large, small, 60.0), may_pass(small, large, 60.0), may_pass(large, small, 600.0)
    (True, False, False)
    """
    wants, other_wants = head.resources, other.resources
    smaller = (
        other_wants.cores <= wants.cores and other_wants.memory_bytes <= wants.memory_bytes and other_wants != wants
    )
    return smaller and now_s - head.since_s < RESERVE_S


def _entry(cores: Mapping[str, int], line: Sequence[Waiting], place: int) -> tuple[int, float, str, str, int]:
    """What owners are compared by, for the job at *place* of an owner's line."""
    job = line[place]
    return cores.get(job.owner, 0), job.since_s, job.id, job.owner, place
