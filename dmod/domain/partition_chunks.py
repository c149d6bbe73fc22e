"""Cutting a walk along the river into runs of about equal load.

The walk takes the heaviest tributary last, so few tributaries lie open at any place of
it. Where exactly a run ends is free within a tolerance; all ends are chosen
together so that the fewest tributaries are cut. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dmod.domain.network import Indices
from dmod.domain.partition_tree import Floats, GroupTree

__all__ = ["chunks", "even_cuts"]

#: Tolerances tried one after the other where groups are too large for the one asked for.
_LOOSER = (1, 3, 8, 20)
#: Above so many parts, of a few groups each, ends are not chosen together.
_MANY = 1_000


def chunks(tree: GroupTree, parts: int, tolerance: float) -> Indices:
    """Cut the walk into runs.

    Parameters
    ----------
    tree : GroupTree
        What to cut.
    parts : int
        How many runs, in [1, groups].
    tolerance : float
        How much heavier than the mean a run may be [1], in (0, inf).

    Returns
    -------
    array of int, shape (groups,)
        Part of each group. If no cut is within the tolerance, the nearest to equal runs.
    """
    order = np.empty(len(tree), dtype=np.intp)
    order[tree.place] = np.arange(len(tree))
    ends = np.cumsum(tree.load[order])
    cuts = None
    for factor in _LOOSER if parts <= max(_MANY, len(tree) // 8) else ():
        if cuts is None:
            cuts = _fewest_crossings(ends, tree.open_before, parts, tolerance * factor)
    if cuts is None:
        cuts = even_cuts(ends, parts)
    return np.searchsorted(cuts, tree.place, side="right")


def even_cuts(ends: Floats | Indices, parts: int) -> Indices:
    """Where to cut a row of groups so that runs come closest to equal load.

    Parameters
    ----------
    ends : array, shape (groups,)
        Running sum of the loads.
    parts : int
        How many runs, in [1, groups].

    Returns
    -------
    array of int, shape (parts - 1,)
        First group of every run but the first, strictly ascending.
    """
    shares = ends[-1] * np.arange(1, parts) / parts
    # Between two group ends the nearer one is the cut: compare with their middles.
    cuts = np.searchsorted((ends[:-1] + ends[1:]) / 2, shares) + 1
    # Every run holds at least one group: cuts climb, and leave one group for each run to come.
    steps = np.arange(parts - 1)
    climbing: Indices = np.maximum.accumulate(cuts - steps) + steps
    return np.minimum(climbing, len(ends) - (parts - 1) + steps)


@dataclass(frozen=True, slots=True, eq=False)
class _Stage:
    """The places where one cut may be, and the best way to each."""

    #: First place; the others follow it.
    first: int
    #: Load before each place.
    load: Floats
    #: Fewest crossings of this cut and all before it; inf where there is no way.
    cost: Floats
    #: Which place of the stage before leads here.
    came_from: Indices


def _fewest_crossings(ends: Floats, crossing: Indices, parts: int, tolerance: float) -> Indices | None:
    """Cuts with the fewest crossings, no run above the tolerance; None if there are none such."""
    mean = ends[-1] / parts
    most = mean * (1 + tolerance)
    stages: list[_Stage] = []
    for number in range(1, parts):
        # Within half a mean of its ideal place, a cut never meets the next one.
        low = max(ends[-1] - (parts - number) * most, (number - 0.5) * mean)
        high = min(number * most, (number + 0.5) * mean)
        first = int(np.searchsorted(ends, low * (1 - 1e-12))) + 1
        stop = min(int(np.searchsorted(ends, high * (1 + 1e-12), side="right")) + 1, len(ends))
        if first >= stop:
            return None
        load = ends[first - 1 : stop - 1]
        # Of equally good places the one nearest to equal runs.
        own = crossing[first:stop] + 1e-3 * np.abs(load / mean - number)
        stage = _Stage(first, load, *_best_way(stages[-1] if stages else None, load, own, most))
        if not np.isfinite(stage.cost).any():
            return None
        stages.append(stage)
    return _walked_back(stages)


def _best_way(before: _Stage | None, load: Floats, own: Floats, most: float) -> tuple[Floats, Indices]:
    """Cost of each place with the best place before it, and which that is."""
    if before is None:
        return np.where(load <= most * (1 + 1e-12), own, np.inf), np.zeros(load.size, dtype=np.intp)
    best = np.minimum.accumulate(before.cost[::-1])[::-1]
    size = best.size
    where = np.minimum.accumulate(np.where(before.cost == best, np.arange(size), size)[::-1])[::-1]
    start = np.searchsorted(before.load, load - most * (1 + 1e-12))
    return own + np.append(best, np.inf)[start], np.append(where, 0)[start]


def _walked_back(stages: list[_Stage]) -> Indices:
    """The cuts that lead to the cheapest place of the last stage."""
    cuts = np.empty(len(stages), dtype=np.intp)
    at = int(np.argmin(stages[-1].cost)) if stages else 0
    for number in reversed(range(len(stages))):
        cuts[number] = stages[number].first + at
        at = int(stages[number].came_from[at])
    return cuts
