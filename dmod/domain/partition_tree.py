"""The tree that a partition cuts: groups of catchments that drain to one nexus.

A group is all contributors of a nexus, or one catchment without a nexus; it flows into the
group of the catchment that its nexus feeds. Sums along the tree are made by doubling:
each round looks twice as far downstream, so that a river of 100,000 catchments in a row
takes 17 rounds. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dmod.domain.network import Indices
from dmod.errors import HydrofabricError

__all__ = ["Floats", "GroupTree", "mouths", "path_sums", "subtree_sums"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class GroupTree:
    """Groups of catchments that no part may split, and which group each flows into."""

    #: Group of each catchment; shape (catchments,).
    group_of: Indices
    #: Group that each one flows into, -1 for none; shape (groups,).
    below: Indices
    #: Sum of the weights of a group's catchments; shape (groups,).
    load: Floats

    @classmethod
    def of(cls, nexus_of: Indices, receiver: Indices, weights: Floats) -> GroupTree:
        """The groups of a network, those of a nexus in the order of nexuses, then catchments without one.

        Parameters
        ----------
        nexus_of : array of int, shape (catchments,)
            Nexus each catchment drains to, -1 for none.
        receiver : array of int, shape (nexuses,)
            Catchment each nexus flows into, -1 for none.
        weights : array of float, shape (catchments,)
            What each catchment costs, in [0, inf), in any one unit.

        Returns
        -------
        GroupTree
            Every group has one catchment at least.
        """
        draining = nexus_of >= 0
        fed = np.bincount(nexus_of[draining], minlength=len(receiver)) > 0
        used = np.flatnonzero(fed)
        group_of = np.append(np.cumsum(fed) - 1, -1)[nexus_of]
        lone = np.flatnonzero(~draining)
        group_of[lone] = used.size + np.arange(lone.size)
        below = np.full(used.size + lone.size, -1, dtype=np.intp)
        below[: used.size] = np.append(group_of, -1)[receiver[used]]
        return cls(group_of, below, np.bincount(group_of, weights, minlength=below.size).astype(np.float64))

    def __len__(self) -> int:
        return len(self.below)

    @cached_property
    def upstream(self) -> tuple[Floats, Indices]:
        """Load and count of each group and all above it; two arrays of shape (groups,)."""
        load, count = subtree_sums(self.below, self.load, np.ones(len(self)))
        return load, count.astype(np.intp)

    @cached_property
    def siblings(self) -> Indices:
        """Groups sorted by the one they flow into, those of one by load upstream, ascending."""
        return np.lexsort((self.upstream[0], self.below))

    @cached_property
    def heavy(self) -> NDArray[np.bool_]:
        """Whether a group is the heaviest of those that flow where it flows; false at a mouth."""
        order = self.siblings
        last = np.ones(len(self), dtype=bool)
        last[:-1] = self.below[order[1:]] != self.below[order[:-1]]
        heavy = np.zeros(len(self), dtype=bool)
        heavy[order] = last
        return heavy & (self.below >= 0)

    @cached_property
    def place(self) -> Indices:
        """Place of each group in a walk from the mouths upstream that takes the heaviest tributary last."""
        order, below = self.siblings, self.below[self.siblings]
        size = self.upstream[1][order]
        before = np.cumsum(size) - size
        first = np.flatnonzero(np.append(True, below[1:] != below[:-1])) if len(self) else order
        begin = np.repeat(before[first], np.diff(np.append(first, len(self))))
        step = np.empty(len(self), dtype=np.intp)
        # One for the group that is flowed into, then all that is visited before this tributary.
        step[order] = np.where(below >= 0, 1 + before - begin, before)
        return path_sums(self.below, step)

    @cached_property
    def open_before(self) -> Indices:
        """For each place of the walk, how many groups at or after it flow into one before it."""
        tributary = np.flatnonzero(self.below >= 0)
        starts = self.place[self.below[tributary]] + 1
        ends = self.place[tributary] + 1
        size = len(self) + 1
        return np.cumsum(np.bincount(starts, minlength=size) - np.bincount(ends, minlength=size))[: len(self)]


def _doubled(below: Indices) -> Iterator[tuple[Indices, Indices]]:
    """Nodes and what lies 1, 2, 4, ... steps downstream of each, as long as there is anything."""
    reach = below.copy()
    node = np.flatnonzero(reach >= 0)
    for _ in range(len(below).bit_length() + 1):
        if not node.size:
            return
        at = reach[node]
        yield node, at
        further = reach[at]
        reach[node] = further
        node = node[further >= 0]
    if node.size:
        raise HydrofabricError(
            "the river network flows in a circle, so it cannot be cut into parts",
            hint="`dmod domain FILE --validate`, or validate() of the domain, names the catchments of the circle",
        )


def subtree_sums(below: Indices, *values: Floats) -> tuple[Floats, ...]:
    """For each node the sum over itself and everything upstream, of each of *values*."""
    sums = tuple(value.astype(np.float64) for value in values)
    for node, at in _doubled(below):
        for total in sums:
            total += np.bincount(at, total[node], minlength=len(below))
    return sums


def path_sums(below: Indices, values: Indices) -> Indices:
    """For each node the sum over itself and everything downstream of it."""
    total = values.copy()
    for node, at in _doubled(below):
        total[node] += total[at]
    return total


def mouths(below: Indices) -> Indices:
    """For each node the last one downstream of it, itself if nothing is."""
    last = np.arange(len(below))
    for node, at in _doubled(below):
        last[node] = last[at]
    return last
