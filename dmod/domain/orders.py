"""How water goes from place to place within a domain, and what can be summed on the way.

A `Flow` is the links among some places, numbered from 0, with their `Walk`. What is
upstream of a place is a slice of the walk, so that sums over it are sums over slices,
and no answer takes a loop over places however long the river is. Pure numpy: ids, names
and tables are `dmod.domain.traverse`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmod.domain.walk import Places, Walk, each_once

__all__ = ["Flow"]

_Index = NDArray[np.intp]
_Floats = NDArray[np.float64]

#: Slices of the walk that are marked one by one; and fewer places than one in so many are sorted, not marked.
_FEW = 64


@dataclass(frozen=True, eq=False, repr=False)
class Flow:
    """A forest of places: each flows into one other at most, and nothing flows in a circle."""

    #: The place each one flows into, -1 where water leaves; shape (n,).
    downstream: Places
    #: Their depth-first order.
    walk: Walk

    @classmethod
    def of(cls, downstream: Places) -> Flow | None:
        """The flow of some links; None where water flows in a circle."""
        walk = Walk.of(downstream)
        return None if walk is None else cls(downstream, walk)

    def __len__(self) -> int:
        return len(self.downstream)

    def __repr__(self) -> str:
        return f"Flow({len(self):,} places)"

    @cached_property
    def stop(self) -> Places:
        """Where what is upstream ends in the walk, for each place in the order of the walk; shape (n,)."""
        return np.arange(len(self), dtype=np.int32) + self.walk.size[self.walk.order]

    @cached_property
    def below(self) -> Places:
        """`downstream` in the numbers of the walk: of each position, the position it flows into; shape (n,)."""
        below = self.downstream[self.walk.order]
        return np.where(below >= 0, np.append(self.walk.position, np.int32(-1))[below], -1).astype(np.int32)

    @cached_property
    def feeders(self) -> _Index:
        """How many places flow directly into each one; shape (n,)."""
        return np.bincount(self.downstream[self.downstream >= 0], minlength=len(self))

    @cached_property
    def steps(self) -> Places:
        """How many places water still passes after each one until it leaves, 0 at a mouth; shape (n,)."""
        # At each position one slice begins, and as many end as say so: those still open hold it.
        open_slices = np.cumsum(1 - np.bincount(self.stop, minlength=len(self))[: len(self)], dtype=np.int32)
        return (open_slices - 1)[self.walk.position]

    @cached_property
    def mouth(self) -> Places:
        """The place at which the water of each one leaves; shape (n,)."""
        start = np.where(self.below < 0, np.arange(len(self), dtype=np.int32), 0)
        np.maximum.accumulate(start, out=start)
        return self.walk.order[start[self.walk.position]]

    @property
    def upstream_first(self) -> Places:
        """All places, each after everything that drains to it."""
        return self.walk.order[::-1]

    def upstream(self, places: NDArray[np.integer[Any]]) -> _Index:
        """Some places and all that drains through any of them, ascending."""
        starts, sizes = self.walk.position[places], self.walk.size[places]
        if starts.size <= _FEW and int(sizes.sum()) * _FEW < len(self):
            some = [self.walk.upstream(place) for place in places.tolist()]
            return each_once(np.concatenate([np.zeros(0, dtype=np.int32), *some])).astype(np.intp)
        inside = np.zeros(len(self), dtype=bool)
        if starts.size <= _FEW:
            for place in places.tolist():
                inside[self.walk.upstream(place)] = True
        else:
            opened, closed = (np.bincount(edges, minlength=len(self) + 1) for edges in (starts, starts + sizes))
            inside[self.walk.order[np.cumsum(opened - closed)[: len(self)] > 0]] = True
        return np.flatnonzero(inside)

    def path(self, place: int) -> Places:
        """A place and all that its water passes, down to where it leaves, in the order of flow."""
        return self.shared_path(np.array([place]))

    def shared_path(self, places: NDArray[np.integer[Any]]) -> Places:
        """What the water of all of *places* passes, in the order of flow; empty if they never meet."""
        at = self.walk.position[places]
        first, last = int(at.min()), int(at.max())
        # A place is passed by all whose position lies in its slice.
        return self.walk.order[np.flatnonzero(self.stop[: first + 1] > last)[::-1]]

    def gathered(self, values: NDArray[Any], ufunc: np.ufunc, empty: Any) -> NDArray[Any]:
        """A value of each place joined with those of all upstream of it.

        Parameters
        ----------
        values : array, shape (n,)
            One for each place.
        ufunc : numpy.ufunc
            How two are joined, such as ``numpy.add``; the order of joining must not matter.
        empty : scalar
            What changes nothing when joined, such as 0 for a sum.

        Returns
        -------
        array, shape (n,)
            Nothing is ever taken away again, as a difference of running sums would, so that a
            sum is as exact as one in pairs: within 2 log2(n) roundings of its terms.
        """
        level = values[self.walk.order]
        found = level.copy()
        # Slices of one place are their own answer.
        which = np.flatnonzero(self.stop - np.arange(len(self)) > 1)
        start, stop = which.copy(), self.stop[which].astype(np.intp)
        found[which] = empty
        while which.size:
            odd = np.flatnonzero(start & 1)
            found[which[odd]] = ufunc(found[which[odd]], level[start[odd]])
            odd = np.flatnonzero(stop & 1)
            found[which[odd]] = ufunc(found[which[odd]], level[stop[odd] - 1])
            start, stop = (start + 1) >> 1, stop >> 1
            left = start < stop
            which, start, stop = which[left], start[left], stop[left]
            if level.size & 1:
                level = np.append(level, np.asarray(empty, dtype=level.dtype))
            level = ufunc(level[::2], level[1::2])
        return found[self.walk.position]

    def counted(self, marked: NDArray[np.bool_]) -> _Index:
        """How many of the *marked* places are each place itself or upstream of it; shape (n,)."""
        before = np.concatenate(([0], np.cumsum(marked[self.walk.order])))
        return (before[self.stop] - before[:-1])[self.walk.position]

    def distance(self, lengths: _Floats) -> _Floats:
        """Sum of the *lengths* of all places that water still passes after each one; shape (n,).

        NaN wherever one of them is.
        """
        count = len(self)
        reach = np.append(np.where(self.below >= 0, self.below, count), count).astype(np.int32)
        total = np.append(lengths[self.walk.order], 0.0)[reach]
        while (reach[:count] < count).any():
            total += total[reach]
            reach = reach[reach]
        return total[:count][self.walk.position]

    def strahler(self) -> Places:
        """Strahler order of each place: 1 without inflow, one more where two of the highest order meet; shape (n,).

        A place is above order k if it, or any place upstream of it, takes in two of order k
        or more: so orders are counted up one by one, each among the places that reached the last.
        """
        order = np.ones(len(self), dtype=np.int32)
        place, below, stop = np.arange(len(self)), self.below, self.stop
        while place.size:
            meeting = np.bincount(below[below >= 0], minlength=place.size) > 1
            before = np.concatenate(([0], np.cumsum(meeting)))
            higher = before[stop] > before[:-1]
            order[place[higher]] += 1
            kept = np.concatenate(([0], np.cumsum(higher))).astype(np.int32)
            below = below[higher]
            below = np.where(below >= 0, kept[below], -1)
            stop, place = kept[stop[higher]], place[higher]
        return order[self.walk.position]

    def main_feeder(self, weights: _Floats) -> _Index:
        """Of the places that flow into each one, that of the largest weight, -1 without any; shape (n,).

        Of several that are equal it is the first.
        """
        fed = np.flatnonzero(self.downstream >= 0)
        into = self.downstream[fed]
        largest = np.full(len(self), -np.inf)
        np.maximum.at(largest, into, weights[fed])
        best = fed[weights[fed] == largest[into]][::-1]
        main = np.full(len(self), -1, dtype=np.intp)
        main[self.downstream[best]] = best
        return main

    def stems(self, weights: _Floats) -> _Index:
        """The lowest place of the stem that each place is on; shape (n,).

        A stem goes up from its lowest place along the feeders of the largest weight to a source.
        """
        main = self.main_feeder(weights)
        reach = np.arange(len(self))
        has = np.flatnonzero(main >= 0)
        reach[main[has]] = has
        while True:
            further = reach[reach]
            if np.array_equal(further, reach):
                return reach
            reach = further
