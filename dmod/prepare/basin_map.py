"""Putting a made-up basin on the map: from cells to metres, areas and orders.

The grown square is turned by some angle, so that rivers run every way, and scaled to a
mean catchment of eight square kilometres, the hydrofabric's usual size. Pure.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dmod.prepare.basin_layers import BasinMap, line_wkb, polygon_wkb
from dmod.prepare.basin_network import Flowpaths, cut_flowpaths
from dmod.prepare.basin_shapes import Rings, draw_courses, draw_rings
from dmod.prepare.basin_terrain import Terrain, accumulate, grow_terrain

__all__ = ["draw_map"]

Ints = NDArray[np.intp]
Floats = NDArray[np.float64]

#: Mean area of a catchment [km2].
_AREA_KM2 = 8.0
#: Middle of the square on EPSG:5070 [m]: temperate hills with rain all year.
_MIDDLE = np.array([1_150_000.0, 1_550_000.0])
#: Height of the mouth above the sea [m].
_MOUTH_M = 240.0


def draw_map(catchments: int, rng: np.random.Generator, *, gage: str) -> BasinMap:
    """Draw a basin.

    Parameters
    ----------
    catchments : int
        How many, at least 3.
    rng : numpy.random.Generator
        Where chance comes from.
    gage : str
        Number of the gage.

    Returns
    -------
    BasinMap
        The basin.
    """
    terrain, flowpaths = _grow(catchments, rng)
    down = flowpaths.down
    cell = math.sqrt(_AREA_KM2 * 1e6 * catchments / len(terrain.down))
    turn = rng.uniform(0.0, 2 * math.pi)
    spin = cell * np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])

    def place(points: Floats) -> Floats:
        placed: Floats = np.round((points - terrain.side / 2) @ spin, 3) + _MIDDLE
        return placed

    rings = draw_rings(terrain, flowpaths.owner)
    outlines, area, middle = _outlines(rings, [place(r) for r in rings.points], catchments)
    lines = [place(line) for line in draw_courses(terrain, flowpaths)]
    length = np.array([np.hypot(*np.diff(line, axis=0).T).sum() for line in lines]) / 1000.0
    inlets = np.full((catchments, 2), np.nan)
    for i, below in enumerate(down.tolist()):
        if below >= 0:
            inlets[below] = lines[i][-1]
    relief = min(1500.0, 450.0 + 20.0 * math.sqrt(area.sum()))
    metres = _MOUTH_M + relief * terrain.height
    ends = np.array([[metres[c[0]], metres[c[-1]]] for c in flowpaths.courses])
    gaged = np.flatnonzero(down == flowpaths.below_gage)
    return BasinMap(
        down=down,
        area_km2=area,
        total_km2=_gathered(down, area),
        length_km=length,
        fall=(ends[:, 0] - ends[:, 1]) / (1000.0 * length),
        order=_orders(down),
        x=middle[:, 0],
        y=middle[:, 1],
        elevation=np.bincount(flowpaths.owner, metres) / np.bincount(flowpaths.owner),
        slope=_steepness(terrain, flowpaths.owner, metres, cell),
        inlets=inlets,
        mouth=(float(lines[-1][-1, 0]), float(lines[-1][-1, 1])),
        outlines=outlines,
        courses=tuple(line_wkb(line) for line in lines),
        gage=gage,
        gaged=int(gaged[area[gaged].argmax()]),
    )


def _grow(catchments: int, rng: np.random.Generator) -> tuple[Terrain, Flowpaths]:
    """A terrain large enough for the catchments, and its flowpaths."""
    cells = catchments * int(np.clip(20_000 / catchments, 35, 300))
    for _ in range(50):
        terrain = grow_terrain(cells, rng)
        if len(terrain.down) < 0.5 * cells:
            continue
        try:
            return terrain, cut_flowpaths(terrain, catchments)
        except ValueError:  # no confluence where one is needed: a small basin, and bad luck
            continue
    raise ValueError(f"no basin of {catchments} catchments was found in 50 attempts")


def _outlines(rings: Rings, placed: list[Floats], catchments: int) -> tuple[tuple[bytes, ...], Floats, Floats]:
    """Polygons as WKB, their areas [km2] and centroids [m], shape (catchments, 2)."""
    order = np.lexsort((rings.area < 0, rings.polygon)).tolist()  # the outer ring before the holes
    parts: list[list[Floats]] = [[] for _ in range(catchments)]
    area, moment = np.zeros(catchments), np.zeros((catchments, 2))
    for ring in order:
        points, i = placed[ring], int(rings.polygon[ring])
        parts[i].append(points)
        local = points - _MIDDLE
        cross = local[:-1, 0] * local[1:, 1] - local[1:, 0] * local[:-1, 1]
        area[i] += 0.5 * cross.sum()
        moment[i] += ((local[:-1] + local[1:]) * cross[:, None]).sum(axis=0) / 6.0
    return tuple(polygon_wkb(p) for p in parts), area / 1e6, moment / area[:, None] + _MIDDLE


def _gathered(down: Ints, values: Floats) -> Floats:
    """Sums over all upstream; here upstream comes first, in terrain it comes last."""
    last = len(down) - 1
    total: Floats = accumulate(np.where(down < 0, -1, last - down)[::-1], values[::-1])[::-1]
    return total


def _orders(down: Ints) -> Ints:
    """Strahler orders."""
    order, highest, twice = [1] * len(down), [0] * len(down), [False] * len(down)
    for i, below in enumerate(down.tolist()):
        if highest[i]:
            order[i] = highest[i] + twice[i]
        if below < 0:
            continue
        if order[i] > highest[below]:
            highest[below], twice[below] = order[i], False
        elif order[i] == highest[below]:
            twice[below] = True
    return np.array(order, dtype=np.intp)


def _steepness(terrain: Terrain, owner: Ints, metres: Floats, cell: float) -> Floats:
    """Mean steepness of each catchment's ground on the way down [m m-1]."""
    below = np.maximum(terrain.down, 0)
    steep = np.bincount(owner, metres - metres[below]) / np.bincount(owner) / cell
    return np.clip(steep, 0.01, 0.8)
