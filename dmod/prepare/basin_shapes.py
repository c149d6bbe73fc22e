"""Outlines and courses of a basin's catchments, drawn from cells.

Catchments share the corners of their cells, and corners are moved for all at once, so
polygons fit together without gaps or overlaps whatever is done to soften the steps. Pure:
arrays in, arrays out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmod.prepare.basin_network import Flowpaths
from dmod.prepare.basin_terrain import Terrain

__all__ = ["Rings", "draw_courses", "draw_rings"]

Ints = NDArray[np.intp]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rings:
    """Closed rings of many polygons; outer ones turn left, holes turn right."""

    #: Corners of each ring, first and last the same, each of shape (corners, 2), in cells.
    points: tuple[Floats, ...]
    #: Polygon that each ring belongs to, shape (rings,).
    polygon: Ints
    #: Signed area of each ring, shape (rings,), in cells; negative for holes.
    area: Floats


def draw_rings(terrain: Terrain, owner: Ints, *, softening: int = 2) -> Rings:
    """Outlines of the catchments.

    Parameters
    ----------
    terrain : Terrain
        The cells.
    owner : array of int, shape (cells,)
        Catchment of each cell; the cells of one hang together by their sides.
    softening : int
        How often the steps of the outlines are smoothed.

    Returns
    -------
    Rings
        In units of cells, x by column and y by row.
    """
    start, end, part = _edges(terrain, owner)
    corners = terrain.side + 1
    row, column = np.divmod(np.arange(corners**2), corners)
    points = np.stack([column, row], axis=1).astype(float)
    used = np.unique(start)
    points = _soften(points, start, end, used, softening)
    after = _successors(start, end, part, corners).tolist()
    starts = start.tolist()
    seen = [False] * len(starts)
    rings, polygons = [], []
    for first in range(len(starts)):
        if seen[first]:
            continue
        edge, corner_list = first, []
        while not seen[edge]:
            seen[edge] = True
            corner_list.append(starts[edge])
            edge = after[edge]
        corner_list.append(corner_list[0])
        rings.append(points[corner_list])
        polygons.append(int(part[first]))
    return Rings(tuple(rings), np.array(polygons, dtype=np.intp), np.array([_area(r) for r in rings]))


def draw_courses(terrain: Terrain, flowpaths: Flowpaths, *, softening: int = 3) -> list[Floats]:
    """Lines of the flowpaths, from head to nexus.

    Parameters
    ----------
    terrain : Terrain
        The cells.
    flowpaths : Flowpaths
        Their courses.
    softening : int
        How often bends are smoothed; ends stay where they are.

    Returns
    -------
    list of array of float, each of shape (points, 2)
        In units of cells, x by column and y by row.
    """
    centres = np.stack([terrain.column + 0.5, terrain.row + 0.5], axis=1)
    lines = []
    for below, course in zip(flowpaths.down.tolist(), flowpaths.courses, strict=True):
        line = centres[course]
        if below < 0:
            line = np.concatenate([line, line[-1:] - [[0.0, 0.5]]])  # out through the lower rim
        for _ in range(softening):
            line[1:-1] = 0.5 * line[1:-1] + 0.25 * (line[:-2] + line[2:])
        lines.append(line)
    return lines


def _edges(terrain: Terrain, owner: Ints) -> tuple[Ints, Ints, Ints]:
    """Sides of cells between two catchments, directed with the owner on the left: start, end, owner."""
    side, corners = terrain.side, terrain.side + 1
    label = np.full((side + 2, side + 2), -1, dtype=np.intp)
    label[terrain.row + 1, terrain.column + 1] = owner
    here = label[1:-1, 1:-1]
    row, column = np.mgrid[0:side, 0:side]
    corner = row * corners + column
    sides = [
        (label[:-2, 1:-1], corner, corner + 1),
        (label[1:-1, 2:], corner + 1, corner + corners + 1),
        (label[2:, 1:-1], corner + corners + 1, corner + corners),
        (label[1:-1, :-2], corner + corners, corner),
    ]
    cuts = [(here >= 0) & (beside != here) for beside, _, _ in sides]
    start = np.concatenate([a[cut] for cut, (_, a, _) in zip(cuts, sides, strict=True)])
    end = np.concatenate([b[cut] for cut, (_, _, b) in zip(cuts, sides, strict=True)])
    part = np.concatenate([here[cut] for cut in cuts])
    order = np.lexsort((end, start, part))
    return start[order], end[order], part[order]


def _soften(points: Floats, start: Ints, end: Ints, used: Ints, times: int) -> Floats:
    """Corners drawn halfway to the middle of their neighbours along the outlines."""
    size = len(points)
    # A side between two catchments occurs once for each; the rim must not weigh less.
    pairs = np.unique(np.minimum(start, end) * size + np.maximum(start, end))
    one, other = pairs // size, pairs % size
    degree = np.bincount(one, minlength=size) + np.bincount(other, minlength=size)
    for _ in range(times):
        moved = points.copy()
        for axis in (0, 1):
            near = np.bincount(one, points[other, axis], size) + np.bincount(other, points[one, axis], size)
            moved[used, axis] = 0.5 * points[used, axis] + 0.5 * near[used] / degree[used]
        points = moved
    return points


def _successors(start: Ints, end: Ints, part: Ints, corners: int) -> Ints:
    """The side that follows each one around its catchment."""
    key = part * corners**2 + start
    wanted = part * corners**2 + end
    after = np.searchsorted(key, wanted)
    second = np.minimum(after + 1, len(key) - 1)
    crossing = (second != after) & (key[second] == wanted)
    # Where a catchment touches itself at a corner, turn right: the ring then closes there
    # and what it encloses becomes a hole.
    into, out = end - start, end[second] - start[second]
    right = np.where(into == 1, -corners, np.where(into == -1, corners, np.where(into == corners, 1, -1)))
    chosen: Ints = np.where(crossing & (out == right), second, after)
    return chosen


def _area(ring: Floats) -> float:
    """Signed area, positive for a ring that turns left."""
    x, y = ring[:-1].T - ring[0][:, None]
    return float(0.5 * (x * np.roll(y, -1) - y * np.roll(x, -1)).sum())
