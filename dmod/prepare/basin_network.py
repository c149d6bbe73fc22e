"""A basin's flowpaths: its drainage tree cut into a wanted number of catchments.

Channels begin where enough cells have come together; a flowpath is a stretch between two
confluences. Stretches that drain next to nothing join a neighbour and the largest are cut
in two until the number is right. One confluence of headwaters is left whole for the gage.
Pure: arrays in, arrays out.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dmod.prepare.basin_terrain import Terrain, accumulate

__all__ = ["Flowpaths", "cut_flowpaths"]

Ints = NDArray[np.intp]

#: Flowpaths that drain less than this share of the mean join a neighbour.
_SMALL = 0.3
#: Tributaries that may meet at one nexus.
_MOST = 3


@dataclass(frozen=True)
class Flowpaths:
    """Flowpaths of a basin, upstream before downstream; the last one is the outlet."""

    #: Flowpath each one drains to, shape (flowpaths,), larger than its own index; -1 for the outlet.
    down: Ints
    #: Cells of each one's course, from its head to its nexus, as indices of the terrain.
    #: The last is the first cell of the flowpath below, or the mouth.
    courses: tuple[Ints, ...]
    #: Flowpath whose catchment each cell of the terrain belongs to, shape (cells,).
    owner: Ints
    #: The flowpath below the gage; all that drain to it directly are headwaters.
    below_gage: int


@dataclass
class _Stretch:
    """A flowpath while the network is being cut."""

    #: Channel cells, head first.
    cells: list[int]
    #: Stretch below; -1 for none.
    down: int
    #: Stretches above.
    above: list[int] = field(default_factory=list)
    #: Cells of the stretch below that the course still follows to its nexus.
    tail: list[int] = field(default_factory=list)
    #: Cells drained directly.
    area: float = 0.0


def cut_flowpaths(terrain: Terrain, count: int) -> Flowpaths:
    """Cut the drainage tree into *count* flowpaths.

    Parameters
    ----------
    terrain : Terrain
        The drainage tree.
    count : int
        How many flowpaths, at least 3.

    Returns
    -------
    Flowpaths
        Numbered so that everything upstream of a flowpath comes right before it.
    """
    drained = accumulate(terrain.down, np.ones(len(terrain.down)))
    # Fewer than wanted at first, so that some nexuses have a single tributary, as real ones do.
    stretches, local = _coarsest(terrain, drained, max(3, min(count, int(0.93 * count))), count)
    gage_below = _gage(stretches)
    _split(stretches, local, count, kept=set(stretches[gage_below].above))
    return _numbered(terrain, stretches, gage_below)


def _coarsest(
    terrain: Terrain, drained: NDArray[np.float64], wanted: int, count: int
) -> tuple[dict[int, _Stretch], list[float]]:
    """The finest network of at most *wanted* stretches, found by halving the threshold's range."""
    low, high = 1.0, min(float(len(drained)), 4.0 * len(drained) / wanted)
    best: tuple[dict[int, _Stretch], list[float]] | None = None
    while high - low > 0.5 and (best is None or len(best[0]) < 0.97 * wanted):
        middle = (low + high) / 2
        channel = drained >= middle
        starts = int((_tributaries(terrain.down, channel)[channel] != 1).sum())
        if starts > 3 * wanted:  # joining never takes two thirds
            low = middle
            continue
        if 3 < starts < 0.9 * wanted:
            high = middle
            continue
        stretches, local = _stretches(terrain, channel)
        _join(stretches, smallest=_SMALL * len(drained) / count)
        if len(stretches) > wanted:
            low = middle
        else:
            high = middle
            if len(stretches) >= 3:
                best = stretches, local
    if best is None:  # thresholds are whole cells, so the steps may be large
        best = _stretches(terrain, drained >= high)
    if not 3 <= len(best[0]) <= count:
        raise ValueError(f"a basin of {len(drained)} cells has no {wanted} flowpaths")
    return best


def _tributaries(down: Ints, channel: NDArray[np.bool_]) -> Ints:
    """How many channel cells drain into each cell."""
    below = down[channel]
    counts: Ints = np.bincount(below[below >= 0], minlength=len(down))
    return counts


def _stretches(terrain: Terrain, channel: NDArray[np.bool_]) -> tuple[dict[int, _Stretch], list[float]]:
    """Stretches between confluences, and how many cells drain into each channel cell directly."""
    above = _tributaries(terrain.down, channel).tolist()
    down = terrain.down.tolist()
    local = np.bincount(_nearest(terrain.down, channel), minlength=len(down)).astype(float).tolist()
    part: dict[int, int] = {}
    found: dict[int, _Stretch] = {}
    for cell in np.flatnonzero(channel)[::-1].tolist():
        name = part.setdefault(cell, cell)
        if name == cell:
            found[name] = _Stretch([], -1)
        found[name].cells.append(cell)
        found[name].area += local[cell]
        below = down[cell]
        if below >= 0 and above[below] == 1:
            part[below] = name
    for name, stretch in found.items():
        below = down[stretch.cells[-1]]
        if below >= 0:
            stretch.down = part[below]
            found[stretch.down].above.append(name)
    return found, local


def _nearest(down: Ints, channel: NDArray[np.bool_]) -> Ints:
    """The first channel cell on the way down from each cell, itself included."""
    cell = np.where(channel, np.arange(len(down)), np.maximum(down, 0))
    while not channel[cell].all():
        cell = cell[cell]
    return cell


def _join(stretches: dict[int, _Stretch], *, smallest: float) -> None:
    """Let short stretches between two confluences become part of their largest tributary."""
    for name in sorted(stretches, key=lambda n: (stretches[n].area, n)):
        short = stretches[name]
        if short.area >= smallest:
            return
        if not short.above or short.down < 0:
            continue
        below = stretches[short.down]
        if len(below.above) - 1 + len(short.above) > _MOST:
            continue
        # One tributary always reaches the nexus itself, so the heir's course stays unbroken.
        heir = max((n for n in short.above if not stretches[n].tail), key=lambda n: (stretches[n].area, n))
        for tributary in short.above:
            upper = stretches[tributary]
            upper.down = short.down
            if tributary == heir:
                upper.cells += short.cells
                upper.area += short.area
                upper.tail = list(short.tail)
            else:
                upper.tail = upper.tail + short.cells + short.tail
        below.above = [n for n in below.above if n != name] + short.above
        del stretches[name]


def _gage(stretches: dict[int, _Stretch]) -> int:
    """The stretch below the largest confluence of headwaters only."""

    def drained(name: int) -> float:
        return sum(stretches[n].area for n in stretches[name].above)

    meetings = [n for n, s in stretches.items() if s.above and not any(stretches[a].above for a in s.above)]
    return max(meetings, key=lambda n: (drained(n), n))


def _split(stretches: dict[int, _Stretch], local: list[float], count: int, *, kept: set[int]) -> None:
    """Cut the largest stretches in two until there are *count*."""
    queue = [(-s.area, n) for n, s in stretches.items() if n not in kept and len(s.cells) > 1]
    heapq.heapify(queue)
    while len(stretches) < count:
        if not queue:
            raise ValueError(f"the channels are too short for {count} flowpaths")
        _, name = heapq.heappop(queue)
        upper = stretches[name]
        sums = np.cumsum([local[c] for c in upper.cells])
        at = 1 + int(np.searchsorted(sums[:-1], sums[-1] / 2))
        at = min(max(at, 1), len(upper.cells) - 1)
        lower = _Stretch(upper.cells[at:], upper.down, [name], upper.tail, float(sums[-1] - sums[at - 1]))
        new = lower.cells[0]
        if upper.down >= 0:
            above = stretches[upper.down].above
            above[above.index(name)] = new
        upper.cells, upper.down, upper.tail, upper.area = upper.cells[:at], new, [], float(sums[at - 1])
        stretches[new] = lower
        for part in (name, new):
            if len(stretches[part].cells) > 1:
                heapq.heappush(queue, (-stretches[part].area, part))


def _numbered(terrain: Terrain, stretches: dict[int, _Stretch], gage_below: int) -> Flowpaths:
    """The network with every flowpath right after all that drains to it, the largest last."""
    total: dict[int, float] = {}
    outlet = next(n for n, s in stretches.items() if s.down < 0)
    stack, before = [outlet], []
    while stack:
        name = stack.pop()
        before.append(name)
        stack += stretches[name].above
    for name in reversed(before):
        total[name] = stretches[name].area + sum(total[n] for n in stretches[name].above)
    stack, turned = [outlet], []
    while stack:
        name = stack.pop()
        turned.append(name)
        stack += sorted(stretches[name].above, key=lambda n: (total[n], n))
    names = turned[::-1]
    number = {name: i for i, name in enumerate(names)}
    channel = np.zeros(len(terrain.down), dtype=bool)
    part = np.zeros(len(terrain.down), dtype=np.intp)
    courses = []
    for i, name in enumerate(names):
        stretch = stretches[name]
        channel[stretch.cells] = True
        part[stretch.cells] = i
        nexus = [stretches[stretch.down].cells[0]] if stretch.down >= 0 else []
        courses.append(np.array([*stretch.cells, *stretch.tail, *nexus], dtype=np.intp))
    down = np.array([number.get(stretches[name].down, -1) for name in names], dtype=np.intp)
    return Flowpaths(down, tuple(courses), part[_nearest(terrain.down, channel)], number[gage_below])
