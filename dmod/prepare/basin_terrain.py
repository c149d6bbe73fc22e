"""A made-up river basin on a grid: which way every cell drains, and how high it lies.

Water is let in from the rim of a square and spreads uphill, always into the cell reached
soonest, through ground that resists unevenly. The way back is a river network: every cell
drains to the one it was reached from. One mouth gets a head start; the cells it reaches
are the basin, and the rest belongs to neighbours we forget. Pure: arrays in, arrays out.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Terrain", "accumulate", "grow_terrain"]

Ints = NDArray[np.intp]
Floats = NDArray[np.float64]

#: Share of the square that the basin takes, roughly.
_SHARE = 0.4
#: How late water comes in from the far sides, in crossings of the square.
_LEAD = 0.35
#: How far the main valley reaches up from the mouth, in crossings of the square.
_VALLEY = 0.12


@dataclass(frozen=True)
class Terrain:
    """Cells of a basin, downstream before upstream: ``down[i] < i``; cell 0 is the mouth."""

    #: Cell that each cell drains to, shape (cells,); -1 for the mouth.
    down: Ints
    #: Column and row of each cell in the square, shape (cells,).
    column: Ints
    row: Ints
    #: Height above the mouth, shape (cells,), in [0, 1] of the relief.
    height: Floats
    #: Cells along one edge of the square.
    side: int


def grow_terrain(cells: int, rng: np.random.Generator) -> Terrain:
    """A basin of about *cells* cells.

    Parameters
    ----------
    cells : int
        How many cells are wanted, within a factor of two or so.
    rng : numpy.random.Generator
        Where chance comes from.

    Returns
    -------
    Terrain
        The basin, drained by a tree whose nodes have at most three tributaries.
    """
    side = max(12, math.ceil(math.sqrt(cells / _SHARE)))
    down, order = _flood(_resistance(side, rng), side, rng)
    mouth = order[0]
    inside = np.zeros(len(down), dtype=bool)
    inside[mouth] = True
    member = inside.tolist()
    kept = [mouth]
    for cell in order[1:]:
        below = down[cell]
        if below >= 0 and member[below]:
            member[cell] = True
            kept.append(cell)
    place = np.full(len(down), -1, dtype=np.intp)
    chosen = np.array(kept, dtype=np.intp)
    place[chosen] = np.arange(len(chosen))
    below_of = np.array([down[c] for c in kept], dtype=np.intp)
    tree = np.where(below_of < 0, -1, place[below_of])
    padded = side + 2
    return Terrain(tree, chosen % padded - 1, chosen // padded - 1, _heights(tree), side)


def accumulate(down: Ints, values: Floats) -> Floats:
    """Sums over everything upstream, itself included.

    Parameters
    ----------
    down : array of int, shape (nodes,)
        Node that each drains to, always with a smaller index; -1 for none.
    values : array of float, shape (nodes,)
        What to add up.

    Returns
    -------
    array of float, shape (nodes,)
        The sums.
    """
    total = values.tolist()
    below = down.tolist()
    for node in range(len(below) - 1, 0, -1):
        if below[node] >= 0:
            total[below[node]] += total[node]
    return np.array(total, dtype=np.float64)


def _resistance(side: int, rng: np.random.Generator) -> Floats:
    """How long water takes into each cell: hills tens of cells wide, and rough ground."""
    wave = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :])
    wave[0, 0] = 1.0
    damped = np.fft.rfft2(rng.standard_normal((side, side))) / (wave + 2.0 / side) ** 1.2
    hills = np.fft.irfft2(damped, s=(side, side))
    hills /= hills.std()
    rough = rng.standard_normal((side, side))
    resistance: Floats = np.exp(0.45 * hills + 0.55 * rough)
    return resistance


def _flood(resistance: Floats, side: int, rng: np.random.Generator) -> tuple[list[int], list[int]]:
    """Where each cell was reached from, -1 at the rim, and the cells in that order."""
    padded = side + 2
    # Time and cell in one whole number, which a heap compares faster than a pair.
    bits = (padded * padded).bit_length()
    cost = np.zeros((padded, padded))
    cost[1:-1, 1:-1] = resistance / np.exp(np.log(resistance).mean())
    middle = 1 + int(side * rng.uniform(0.4, 0.6))
    _carve_valley(cost, middle, int(_VALLEY * side), rng)
    weight = ((cost * 2**14).astype(np.int64) << bits).ravel().tolist()
    down = [-1] * len(weight)
    new = (cost.ravel() > 0).tolist()
    mouth = padded + middle
    heap = [mouth]
    numbers = np.arange(padded * padded).reshape(padded, padded)[1:-1, 1:-1]
    for cell in np.unique(np.concatenate([numbers[0], numbers[-1], numbers[:, 0], numbers[:, -1]])).tolist():
        # Neighbours come late, but on the mouth's own side less so the nearer they are.
        aside = abs(cell % padded - middle) if cell < 2 * padded else side
        late = min(_LEAD * side, 0.03 * side + 0.22 * aside) * rng.uniform(1.0, 1.15)
        if cell != mouth:
            heap.append((int(late * 2**14) << bits) + cell)
    heapq.heapify(heap)
    mask = (1 << bits) - 1
    for key in heap:
        new[key & mask] = False
    order: list[int] = []
    while heap:
        key = heapq.heappop(heap)
        cell = key & mask
        order.append(cell)
        # A cell costs the same from any side, so whoever comes first is the best way.
        for beside in (cell - 1, cell + 1, cell - padded, cell + padded):
            if new[beside]:
                new[beside] = False
                down[beside] = cell
                heapq.heappush(heap, key - cell + weight[beside] + beside)
    return down, order


def _carve_valley(cost: Floats, column: int, length: int, rng: np.random.Generator) -> None:
    """Ease the way up from the mouth, so that the last river is one river for a while."""
    swing, phase = rng.uniform(0.1, 0.25) * length, rng.uniform(0, 2 * math.pi)
    bend = swing * (np.sin(np.linspace(0, 1.6 * math.pi, length + 1) + phase) - math.sin(phase))
    columns = np.clip(column + np.rint(bend).astype(int), 1, cost.shape[1] - 2).tolist()
    for i in range(length):
        left, right = sorted(columns[i : i + 2])
        cost[i + 1, left : right + 1] *= 0.08


def _heights(down: Ints) -> Floats:
    """Heights from slopes that fall with the square root of the area drained."""
    rise = (accumulate(down, np.ones(len(down))) ** -0.5).tolist()
    below = down.tolist()
    height = [0.0] * len(below)
    for cell in range(1, len(below)):
        height[cell] = height[below[cell]] + rise[cell]
    values = np.array(height)
    top = float(np.quantile(values, 0.995)) or 1.0
    return np.minimum(values / top, 1.1)
