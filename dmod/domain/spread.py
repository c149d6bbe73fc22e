"""From places on a river to more of it: what drains through them, the way down, what joins.

Works on places of a `River` and gives them back ascending. One upstream area is one slice
of the walk; many of them are as few slices as do not contain each other. Pure.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmod.domain.river import River
from dmod.domain.walk import each_once, hops

__all__ = ["PlaceArray", "above", "ascending", "inlets", "joined_by", "mask_of", "outlets", "way_down"]

PlaceArray = NDArray[np.intp]

#: Fewer places than this share of the river are sorted; more are marked and read off.
_FEW = 1 / 64


def mask_of(river: River, places: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Which places of the river are among *places*; shape (all places,)."""
    mask = np.zeros(len(river), dtype=bool)
    mask[places] = True
    return mask


def ascending(river: River, places: NDArray[np.integer]) -> PlaceArray:
    """Places in ascending order, each once."""
    if len(places) < len(river) * _FEW:
        return each_once(places).astype(np.intp)
    return np.flatnonzero(mask_of(river, places))


def above(river: River, seeds: NDArray[np.integer], steps: int | None = None) -> PlaceArray:
    """Places and all that drains through any of them.

    Parameters
    ----------
    river : River
        Where they are.
    seeds : array of int, shape (seeds,)
        Places to begin with; they are part of the result.
    steps : int, optional
        How many places upstream of the nearest seed to go, in [0, inf); all the way by default.

    Raises
    ------
    HydrofabricError
        If water flows in a circle.
    """
    if not len(seeds) or steps == 0:
        return ascending(river, seeds)
    walk = river.walk
    starts = each_once(walk.position[seeds]).astype(np.int64)
    ends = starts + walk.size[walk.order[starts]]
    # Slices of the walk lie apart or inside one another: the outermost ones hold all.
    reached = np.maximum.accumulate(ends)
    outer = np.append(True, starts[1:] >= reached[:-1])
    found = np.concatenate([walk.order[a:b] for a, b in zip(starts[outer], ends[outer], strict=True)])
    if steps is None:
        return ascending(river, found)
    where = np.full(len(river) + 1, -1, dtype=np.int32)
    where[found] = np.arange(len(found), dtype=np.int32)
    below = river.downstream[found]
    local = where[np.where(below >= 0, below, len(river))]
    # Cut below each seed, steps to the mouth are steps to the nearest seed.
    local[where[seeds]] = -1
    return ascending(river, found[hops(local) <= steps])


def way_down(river: River, places: NDArray[np.integer], targets: NDArray[np.integer] | None) -> tuple[PlaceArray, int]:
    """The places on the way from some places down to the first of *targets*, or to the sea for None.

    Returns
    -------
    tuple of (array of int, int)
        The ways of those that get there, both ends included; and how many of *places* do not.
    """
    aims = set() if targets is None else set(targets.tolist())
    arrives: dict[int, bool] = {}
    lost = 0
    for start in places.tolist():
        way, at = [], start
        while at >= 0 and at not in arrives:
            way.append(at)
            # Whoever comes by here again before it is settled is going round.
            arrives[at] = False
            if at in aims:
                break
            at = int(river.downstream[at])
        there = targets is None if at < 0 else at in aims or arrives[at]
        arrives.update(dict.fromkeys(way, there))
        lost += not there
    return np.array(sorted(place for place, there in arrives.items() if there), dtype=np.intp), lost


def outlets(river: River, places: PlaceArray) -> PlaceArray:
    """Those of *places* whose water leaves them."""
    below = river.downstream[places]
    found: PlaceArray = places[(below < 0) | ~mask_of(river, places)[below]]
    return found


def inlets(river: River, places: PlaceArray) -> PlaceArray:
    """Those of *places* that water enters from a place that is not among them."""
    mask = mask_of(river, places)
    below = river.downstream[~mask]
    below = below[below >= 0]
    return each_once(below[mask[below]]).astype(np.intp)


def joined_by(river: River, catchments: PlaceArray) -> PlaceArray:
    """Catchments, and the flowpaths without a catchment that flow into them: no link gets lost."""
    bare = np.arange(river.count, len(river))
    if not len(bare):
        return catchments
    mask = mask_of(river, catchments)
    below = river.downstream[bare]
    while (more := bare[~mask[bare] & (below >= 0) & mask[below]]).size:
        mask[more] = True
    return np.flatnonzero(mask)
