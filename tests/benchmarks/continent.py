"""A made-up continent: a v2.2 GeoPackage of any number of divides, for benchmarks.

``python tests/benchmarks/continent.py 832000 conus.gpkg`` writes one as large as that of
the United States. Layers, columns, ids, order of rows and sizes of rows are those of the
published file; rivers grow upstream from their outlets over a grid of cells, and the
shapes of neighbouring divides share their edges. The same seed gives the same continent.
Nothing in it is a real place, and no number in it is good for hydrology.
"""

from __future__ import annotations

import argparse
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyproj
from numpy.typing import NDArray

__all__ = ["make_continent"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Columns = Iterator[Sequence[Sequence[object]]]

_LAYERS = 4
_SOIL = [f"{name}_soil_layers_stag={layer}" for name in ("mode.bexp", "geom_mean.dksat", "geom_mean.psisat")
         for layer in range(1, _LAYERS + 1)]  # fmt: skip
_WATER = [f"mean.{name}_soil_layers_stag={layer}" for name in ("smcmax", "smcwlt") for layer in range(1, _LAYERS + 1)]
_REACH = "gage TEXT, gage_nex_id TEXT, WaterbodyID TEXT, waterbody_nex_id TEXT, id TEXT, toid TEXT, vpuid TEXT"
_INDICES = ("AnA", "Extended_AnA", "GDL_AK", "Medium_Range", "Short_Range")
_RESERVOIR = ", ".join(f"reservoir_index_{name} REAL" for name in _INDICES)
#: Every table with its columns, as the published file has them.
TABLES = {
    "flowpaths": "geom GEOMETRY, id TEXT, toid TEXT, mainstem REAL, order REAL, hydroseq MEDIUMINT, lengthkm REAL, "
    "areasqkm REAL, tot_drainage_areasqkm REAL, has_divide BOOLEAN, divide_id TEXT, poi_id TEXT, vpuid TEXT",
    "divides": "geom POLYGON, divide_id TEXT, toid TEXT, type TEXT, ds_id REAL, areasqkm REAL, vpuid TEXT, id TEXT, "
    "lengthkm REAL, tot_drainage_areasqkm REAL, has_flowline BOOLEAN",
    "lakes": "geom POINT, lake_id REAL, LkArea REAL, LkMxE REAL, WeirC REAL, WeirL REAL, OrificeC REAL, OrificeA REAL, "
    "OrificeE REAL, WeirE REAL, ifd REAL, Dam_Length REAL, domain TEXT, poi_id MEDIUMINT, hf_id REAL, "
    + _RESERVOIR + ", res_id TEXT, vpuid TEXT, lake_x REAL, lake_y REAL",
    "pois": "poi_id MEDIUMINT, id TEXT, nex_id TEXT, vpuid TEXT",
    "hydrolocations": "poi_id MEDIUMINT, id TEXT, nex_id TEXT, hf_id REAL, hl_link TEXT, hl_reference TEXT, "
    "hl_uri TEXT, hl_source TEXT, hl_x REAL, hl_y REAL, vpuid TEXT, geom POINT",
    "flowpath-attributes": "link TEXT, to TEXT, Length_m REAL, Y REAL, n REAL, nCC REAL, BtmWdth REAL, TopWdth REAL, "
    "TopWdthCC REAL, ChSlp REAL, alt REAL, So REAL, MusX REAL, MusK REAL, " + _REACH,
    "flowpath-attributes-ml": "link TEXT, to TEXT, Length_m REAL, alt REAL, So REAL, MusX REAL, MusK REAL, " + _REACH
    + ", n REAL, BtmWdth REAL, TopWdth REAL, ChSlp REAL, nCC REAL, TopWdthCC REAL, Y REAL, YCC REAL, dingman_r REAL",
    "network": "id TEXT, toid TEXT, divide_id TEXT, ds_id REAL, mainstem REAL, hydroseq MEDIUMINT, hf_source TEXT, "
    "hf_id REAL, lengthkm REAL, areasqkm REAL, tot_drainage_areasqkm REAL, type TEXT, vpuid TEXT, hf_hydroseq REAL, "
    "hf_lengthkm REAL, hf_mainstem REAL, topo TEXT, poi_id MEDIUMINT, hl_uri TEXT",
    "nexus": "geom POINT, id TEXT, toid TEXT, type TEXT, vpuid TEXT, poi_id MEDIUMINT",
    "divide-attributes": "divide_id TEXT, "
    + ", ".join(f"{name} REAL" for name in (
        *_SOIL[:4], "mode.ISLTYP", "mode.IVGTYP", *_SOIL[4:], "mean.cwpvt", "mean.mfsno", "mean.mp", "mean.refkdt",
        "mean.slope_1km", *_WATER, "mean.vcmx25", "mean.Coeff", "mean.Zmax", "mode.Expon", "centroid_x", "centroid_y",
        "mean.impervious", "mean.elevation", "mean.slope", "circ_mean.aspect"))
    + ", dist_4.twi TEXT, vpuid TEXT",
}  # fmt: skip

#: Vector processing units upstream to downstream of the layout, and their divides in the published fabric; the
#: seven from 08 to 11 are the basin of the Mississippi.
UNITS = {
    "01": 18918, "02": 33454, "03N": 29819, "03S": 13499, "03W": 30030, "04": 34217, "08": 32276, "05": 51099,
    "06": 13888, "07": 56690, "10L": 54646, "10U": 83767, "11": 62735, "09": 10961, "12": 36269, "13": 25393,
    "14": 32714, "15": 39495, "16": 34018, "17": 79633, "18": 40474,
}  # fmt: skip
#: Where the largest basin begins [share of all cells], and how large it and the next ones are.
LARGEST_AT, LARGEST = 0.196, 0.43
LARGE = (0.113, 0.055, 0.03, 0.02, 0.015, 0.012, 0.01, 0.01, 0.008, 0.007, 0.006, 0.005, 0.004, 0.003)
#: Length of a pixel [m], mean pixels per cell, steps of an edge between two corners, furthest a corner is moved [px].
PIXEL_M, CELL, STEPS, JITTER = 30.0, 104, 16, 8


@dataclass(frozen=True)
class River:
    """Flowpaths in preorder, the main stem last at each confluence; then divides that have none.

    The subtree of flowpath ``i`` is ``i`` to ``i + size[i] - 1``.
    """

    #: Place of each cell on the grid.
    column: Ints
    row: Ints
    #: How many of the cells have a flowpath; the rest are coastal or internal divides.
    flowpaths: int
    #: Index of the flowpath downstream, -1 at an outlet; for a cell without flowpath the neighbour it was cut from.
    down: Ints
    size: Ints
    depth: Ints
    #: Strahler order, from 1.
    order: Ints
    #: The most downstream flowpath of the main stem that each one is part of.
    stem: Ints
    #: The number in ``cat-N`` and ``wb-N``.
    number: Ints
    #: Index of the nexus each flowpath drains to: that of the flowpath below, or *flowpaths* + a terminal's number.
    nexus: Ints
    #: Place of each cell's unit among the sorted names of UNITS.
    unit: Ints
    #: Whether a flowpath has a divide.
    divide: NDArray[np.bool_]


def hilbert(side: int, count: int) -> tuple[Ints, Ints]:
    """Columns and rows of the first *count* cells of a Hilbert curve over *side* × *side* cells."""
    place = np.arange(count)
    x, y, width = np.zeros_like(place), np.zeros_like(place), 1
    while width < side:
        right = 1 & (place // 2)
        up = 1 & (place ^ right)
        flip = (up == 0) & (right == 1)
        x, y = np.where(flip, width - 1 - x, x), np.where(flip, width - 1 - y, y)
        x, y = np.where(up == 0, y, x) + width * right, np.where(up == 0, x, y) + width * up
        place, width = place // 4, width * 2
    return x, y


def basin_starts(cells: int, rng: np.random.Generator) -> Ints:
    """Where along the curve each basin begins: one huge, a few large, many small by the coast."""
    tail = 1 - LARGEST - sum(LARGE)
    small = np.ceil(rng.pareto(0.9, max(4, cells // 10)) * 3).astype(np.int64)
    small = np.minimum(small, max(2, cells // 400))
    small = small[np.cumsum(small) < tail * cells]
    sizes = np.concatenate((np.round(np.array(LARGE) * cells).astype(np.int64), small))
    sizes = rng.permutation(sizes[sizes > 0])
    before = np.cumsum(sizes) < LARGEST_AT * cells
    sizes = np.concatenate((sizes[before], [max(1, round(LARGEST * cells))], sizes[~before]))
    starts = np.concatenate(([0], np.cumsum(sizes)))
    return starts[starts < cells]


def grow(side: int, column: Ints, row: Ints, starts: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """The cell downstream of each (-1 at outlets) and how many lie below it.

    Each basin spreads from one cell into free neighbours, some cells faster than others, as
    in Eden growth: rivers join and wind as real ones do (Hack's exponent is near 0.6). Of the two
    diagonals of each four cells one is closed, so that no river crosses another.
    """
    wide = side + 2
    spot = (row + 1) * wide + column + 1
    basin = np.full(wide * wide, -1)
    basin[spot] = np.searchsorted(starts, np.arange(spot.size), side="right") - 1
    pace = np.where(rng.random(basin.size) < 0.45, 0.02, 1.0)
    slash = rng.random(basin.size) < 0.5
    steps = np.array([1, -1, wide, -wide, wide + 1, -wide - 1, wide - 1, -wide + 1])
    # Of the four cells that a diagonal step is within, the first holds which diagonal is open.
    corner = np.array([0, 0, 0, 0, 0, -wide - 1, -1, -wide])

    def tried(cells: Ints) -> tuple[Ints, Ints]:
        """A random open step of each of the cells within its basin: from where, to where."""
        way = rng.integers(0, 8, cells.size)
        to = cells + steps[way]
        open_ = (basin[to] == basin[cells]) & ((way < 4) | (slash[cells + corner[way]] == (way < 6)))
        return cells[open_], to[open_]

    down, depth = np.full(basin.size, -1), np.zeros(basin.size, dtype=np.int64)
    free = basin >= 0
    outlets = starts + np.diff(starts, append=spot.size) // 5
    active, left, turn = spot[outlets], spot.size - starts.size, 0
    free[active] = False
    while left:
        source, to = tried(active[rng.random(active.size) < pace[active]])
        source, to = source[free[to]], to[free[to]]
        down[to] = source
        new = np.unique(to)
        depth[new], free[new] = depth[down[new]] + 1, False
        active, left, turn = np.concatenate((active, new)), left - new.size, turn + 1
        if turn % 6 == 0:
            around = active[:, None] + steps
            active = active[(free[around] & (basin[around] == basin[active][:, None])).any(axis=1)]
    # A headwater that is alone above its receiver moves to a confluence beside it: nexuses gather two on average.
    for _ in range(3):
        above = np.bincount(down[down >= 0], minlength=down.size)
        alone = spot[(above[spot] == 0) & (down[spot] >= 0)]
        source, to = tried(alone[above[down[alone]] == 1])
        source, to = source[above[to] > 0], to[above[to] > 0]
        down[source], depth[source] = to, depth[to] + 1
    index = np.full(basin.size + 1, -1)
    index[spot] = np.arange(spot.size)
    return index[down[spot]], depth[spot]


def levels(depth: Ints) -> list[Ints]:
    """Indices by depth, the outlets first."""
    return np.split(np.argsort(depth, kind="stable"), np.cumsum(np.bincount(depth))[:-1])


def make_river(divides: int, rng: np.random.Generator) -> tuple[River, int]:
    """A river of so many divides, and the side of its grid [cells]."""
    bare = max(1, round(divides * 1.2e-4))
    cells = divides + bare
    side = 1 << int(np.ceil(np.log2(cells) / 2))
    column, row = hilbert(side, cells)
    down, depth = grow(side, column, row, basin_starts(cells, rng), rng)
    leaves = np.flatnonzero((np.bincount(down[down >= 0], minlength=cells) == 0) & (down >= 0))
    cut = np.sort(rng.choice(leaves, min(leaves.size, max(1, round(0.005 * cells))), replace=False))
    flows = np.setdiff1d(np.arange(cells), cut)
    size = np.ones(cells, dtype=np.int64)
    size[cut] = 0
    layers = levels(depth)
    for layer in layers[:0:-1]:
        np.add.at(size, down[layer], size[layer])
    # Preorder, the largest child last: each comes after its receiver and the smaller siblings' subtrees.
    order = np.lexsort((size, down))
    before = np.cumsum(size[order]) - size[order]
    first = np.maximum.accumulate(np.where(np.diff(down[order], prepend=-2) != 0, np.arange(cells), 0))
    ahead = np.empty(cells, dtype=np.int64)
    ahead[order] = before - before[first]
    place = np.empty(cells, dtype=np.int64)
    roots = layers[0]
    place[roots] = np.cumsum(size[roots]) - size[roots]
    for layer in layers[1:]:
        place[layer] = place[down[layer]] + 1 + ahead[layer]
    old = np.concatenate((flows[np.argsort(place[flows])], cut))
    new = np.empty(cells + 1, dtype=np.int64)
    new[old], new[-1] = np.arange(cells), -1
    return _numbered(column[old], row[old], new[down[old]], size[old], depth[old], flows.size, bare, rng), side


def _numbered(
    column: Ints, row: Ints, down: Ints, size: Ints, depth: Ints, flowpaths: int, bare: int, rng: np.random.Generator
) -> River:
    """A river in preorder with its orders, stems, units, nexuses and numbers."""
    cells, fed = down.size, down[:flowpaths]
    layers = levels(depth[:flowpaths])
    order, top, ties = (np.zeros(flowpaths, dtype=np.int64) for _ in range(3))
    for layer in reversed(layers):
        order[layer] = np.where(top[layer] == 0, 1, top[layer] + (ties[layer] > 1))
        if layer is not layers[0]:
            np.maximum.at(top, fed[layer], order[layer])
            np.add.at(ties, fed[layer], order[layer] == top[fed[layer]])
    main = np.full(flowpaths, -1)
    inner = np.flatnonzero(fed >= 0)
    main[fed[inner]] = inner
    stem = np.arange(flowpaths)
    for layer in layers[1:]:
        stem[layer] = np.where(main[fed[layer]] == layer, stem[fed[layer]], layer)
    edges = np.round(np.cumsum(list(UNITS.values())) / sum(UNITS.values()) * flowpaths)
    names = sorted(UNITS)
    host = np.where(np.arange(cells) < flowpaths, np.arange(cells), down)
    unit = np.array([names.index(u) for u in UNITS])[np.searchsorted(edges, host, side="right")]
    # Along a stem numbers rise downstream, and tributaries come after the stem they join.
    rank = np.lexsort((np.arange(cells) >= flowpaths, -host, stem[host], unit))
    number = np.empty(cells, dtype=np.int64)
    number[rank] = 1000 + np.cumsum(1 + (rng.random(cells) < 0.02) * rng.integers(0, 40, cells))
    outlets = np.flatnonzero(fed < 0)
    # Now and then two outlets side by side share one terminal.
    apart = np.maximum(*(np.abs(np.diff(at[outlets], prepend=-9)) for at in (column, row)))
    first = np.arange(outlets.size) % 2 == 0
    terminal = np.cumsum(first | (apart > 2) | (rng.random(outlets.size) < 0.4)) - 1
    nexus = fed.copy()
    nexus[outlets] = flowpaths + terminal
    divide = np.ones(flowpaths, dtype=bool)
    divide[rng.choice(flowpaths, bare, replace=False)] = False
    return River(column, row, flowpaths, down, size, depth, order, stem, number, nexus, unit, divide)


class Coverage:
    """Outlines of the cells: corners a little off a grid of uneven widths, edges in steps of pixels.

    Neighbours share corners and edges, so there is neither gap nor overlap. An edge stays within
    45 degrees of its axis as seen from both its corners, hence no two of them cross.
    """

    def __init__(self, side: int, rng: np.random.Generator) -> None:
        lines = [np.concatenate(([0], np.cumsum(rng.integers(72, 137, side)))) for _ in range(2)]
        shift = rng.integers(-JITTER, JITTER + 1, (2, side + 1, side + 1))
        #: Corners [px]; shape (2, side + 1, side + 1): x and y by column and row.
        self.corner = np.stack((lines[0][:, None] + shift[0], lines[1] + shift[1]))
        #: How far each step of an edge is off the straight line [px], of edges along x and along y.
        self.off = [self._wander(self.corner[0, 1:] - self.corner[0, :-1], rng)]
        self.off.append(self._wander(self.corner[1, :, 1:] - self.corner[1, :, :-1], rng))
        #: Lower left corner of the grid [m], so that the middle is that of EPSG:5070's conterminous states.
        self.origin = np.array([0.0, 1.6e6]) - np.round([line[-1] / 2 for line in lines]) * PIXEL_M

    @staticmethod
    def _wander(length: Ints, rng: np.random.Generator) -> NDArray[np.int8]:
        """A crooked way of *STEPS* steps from 0 to 0 beside each edge [px]."""
        way = rng.random((*length.shape, STEPS + 1), dtype=np.float32) - np.float32(0.5)
        way[..., 1:] += way[..., :-1]
        reach = np.minimum(np.arange(STEPS + 1), np.arange(STEPS, -1, -1)) / np.float32(4 * STEPS)
        way *= np.minimum(length[..., None].astype(np.float32) * reach, np.float32(10))
        return np.asarray(np.rint(way), dtype=np.int8)

    def _edge(self, x: Ints, y: Ints, axis: int) -> tuple[Ints, NDArray[np.bool_]]:
        """Vertices of edges between their corners [px], shape (edges, 2 (STEPS - 2), 2), and which to keep."""
        begin, end = self.corner[:, x, y].T, self.corner[:, x + (axis == 0), y + (axis == 1)].T
        step = np.arange(1, STEPS)
        line = begin[:, 1 - axis, None] + (end - begin)[:, 1 - axis, None] * (step / STEPS)
        level = np.rint(line + self.off[axis][x, y][:, 1:-1]).astype(np.int64)
        level[:, 0], level[:, -1] = begin[:, 1 - axis], end[:, 1 - axis]
        jump = np.rint(begin[:, axis, None] + (end - begin)[:, axis, None] * ((step[:-1] + 0.5) / STEPS))
        points = np.empty((x.size, STEPS - 2, 2, 2), dtype=np.int64)
        points[..., axis] = jump[..., None]
        points[..., 0, 1 - axis], points[..., 1, 1 - axis] = level[:, :-1], level[:, 1:]
        return points.reshape(x.size, -1, 2), np.repeat(level[:, :-1] != level[:, 1:], 2, axis=1)

    def rings(self, x: Ints, y: Ints) -> tuple[Floats, NDArray[np.bool_]]:
        """Closed outlines of cells [m], shape (cells, vertices, 2), and which vertices to keep."""
        sides = [self._edge(x, y, 0), self._edge(x + 1, y, 1), self._edge(x, y + 1, 0), self._edge(x, y, 1)]
        points, keep = [], []
        for turn, ((inner, kept), at) in enumerate(zip(sides, ((0, 0), (1, 0), (1, 1), (0, 1)), strict=True)):
            way = 1 if turn < 2 else -1
            points += [self.corner[:, x + at[0], y + at[1]].T[:, None], inner[:, ::way]]
            keep += [np.ones((x.size, 1), dtype=bool), kept[:, ::way]]
        ring = np.concatenate([*points, points[0]], axis=1)
        return self.origin + PIXEL_M * ring, np.concatenate([*keep, keep[0]], axis=1)

    def centre(self, x: Ints, y: Ints) -> Floats:
        """The middle of cells [m], shape (cells, 2)."""
        total = sum(self.corner[:, x + i, y + j] for i in (0, 1) for j in (0, 1))
        return self.origin + PIXEL_M / 4 * np.asarray(total).T


def area_km2(ring: Floats) -> Floats:
    """Planar area of closed outlines [km2]."""
    x, y = np.moveaxis(ring - ring[:, :1], -1, 0)
    return np.asarray((x[:, :-1] * y[:, 1:] - x[:, 1:] * y[:, :-1]).sum(axis=1) / 2e6)


def blobs(points: Floats, keep: NDArray[np.bool_], kind: int) -> tuple[list[bytes], Floats]:
    """GeoPackage geometries of shapes, and their boxes (xmin, xmax, ymin, ymax).

    *kind* is 3 for a Polygon of one ring and 5 for a MultiLineString of one line.
    """
    count = keep.sum(axis=1)
    flat = points[keep]
    ends = np.cumsum(count)
    low, high = (f.reduceat(flat, ends - count, axis=0) for f in (np.minimum, np.maximum))
    fields = [("magic", "S2"), ("flags", "<u2"), ("srs", "<i4"), ("box", "<f8", 4), ("wkb", "u1"), ("kind", "<u4")]
    fields += [("parts", "<u4"), *([("line", "u1"), ("of", "<u4")] if kind == 5 else []), ("count", "<u4")]
    head = np.zeros(count.size, dtype=fields)
    head["magic"], head["flags"], head["srs"] = b"GP", 0x0300, 5070
    head["box"] = box = np.stack((low[:, 0], high[:, 0], low[:, 1], high[:, 1]), axis=1)
    head["wkb"], head["kind"], head["parts"], head["count"] = 1, kind, 1, count
    if kind == 5:
        head["line"], head["of"] = 1, 2
    start, body, wide = head.tobytes(), flat.tobytes(), head.itemsize
    edges = (16 * np.concatenate(([0], ends))).tolist()
    made = [start[i * wide : (i + 1) * wide] + body[edges[i] : edges[i + 1]] for i in range(count.size)]
    return made, box


def point_blobs(points: Floats) -> tuple[list[bytes], Floats]:
    """GeoPackage points, and their boxes (xmin, xmax, ymin, ymax)."""
    head = bytes.fromhex("47500001ce1300000101000000")
    body = points.tobytes()
    return [head + body[i : i + 16] for i in range(0, len(body), 16)], np.repeat(points, 2, axis=1)


def pack_rtree(file: sqlite3.Connection, table: str, boxes: Floats) -> None:
    """Fill the R-tree of a layer whose fids are 1, 2, ...: full nodes of cells that are neighbours."""
    name, width = f"rtree_{table}_geom", 51
    file.execute(f'CREATE VIRTUAL TABLE "{name}" USING rtree("id", "minx", "maxx", "miny", "maxy")')
    if not len(boxes):
        return
    file.execute(f'DELETE FROM "{name}_node"')
    near = boxes.astype(np.float32)
    # A box is rounded outwards, never inwards.
    away = np.array([-np.inf, np.inf, -np.inf, np.inf], dtype=np.float32)
    wrong = np.where(away > 0, near < boxes, near > boxes)
    entries = np.zeros(len(boxes), dtype=[("id", ">i8"), ("box", ">f4", 4)])
    entries["id"], entries["box"] = np.arange(1, len(boxes) + 1), np.where(wrong, np.nextafter(near, away), near)
    nodes = [-(-len(boxes) // width)]
    while nodes[-1] > 1:
        nodes.append(-(-nodes[-1] // width))
    for level, count in enumerate(nodes):
        first = 1 + sum(nodes[level + 1 :])
        middle, slabs = entries["box"].astype(np.float64), round(count**0.5) or 1
        slab = np.empty(len(entries), dtype=np.int64)
        slab[np.argsort(middle[:, 0] + middle[:, 1], kind="stable")] = np.arange(len(entries)) * slabs // len(entries)
        entries = entries[np.lexsort((middle[:, 2] + middle[:, 3], slab))]
        edges = np.arange(count + 1) * len(entries) // count
        raw, depth = entries.tobytes(), (len(nodes) - 1 if count == 1 else 0).to_bytes(2, "big")
        pages = (
            depth + (b - a).to_bytes(2, "big") + raw[24 * a : 24 * b].ljust(24 * width, b"\0")
            for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
        )  # fmt: skip
        file.executemany(f'INSERT INTO "{name}_node" VALUES (?, ?)', enumerate(pages, first))
        home = np.repeat(np.arange(first, first + count), np.diff(edges)).tolist()
        pairs = sorted(zip(entries["id"].tolist(), home, strict=True))
        file.executemany(f'INSERT INTO "{name}_{"parent" if level else "rowid"}" VALUES (?, ?)', pairs)
        box = entries["box"].astype(np.float32)
        low, high = (f.reduceat(box, edges[:-1], axis=0) for f in (np.minimum, np.maximum))
        entries = np.zeros(count, dtype=entries.dtype)
        entries["id"] = np.arange(first, first + count)
        entries["box"] = np.where(away > 0, high, low)


SOURCE = "NOAA Reference Fabric"
#: Rows made and written at a time.
BLOCK = 20_000


def maybe(values: NDArray[np.generic], known: NDArray[np.bool_]) -> list[object]:
    """Values as Python's own, None where not known."""
    column = values.astype(object)
    column[~known] = None
    return list(column)


class Continent:
    """What all tables of the file share: the river, its ids, its marks and its places."""

    def __init__(self, divides: int, seed: int) -> None:
        self.seed = seed
        rng = np.random.default_rng(seed)
        self.river, side = make_river(divides, rng)
        self.coverage = Coverage(side, rng)
        r, flows = self.river, self.river.flowpaths
        self.centre = self.coverage.centre(r.column, r.row)
        parts = self.blocks(r.number.size)
        self.area = np.concatenate([area_km2(self.coverage.rings(r.column[i], r.row[i])[0]) for i in parts])
        self.area[:flows][~r.divide] = 0.0
        total = np.concatenate(([0.0], np.cumsum(self.area[:flows])))
        self.total = total[np.arange(flows) + r.size[:flows]] - total[:flows]
        self.main = np.full(flows, -1)
        self.main[r.down[:flows][r.down[:flows] >= 0]] = np.flatnonzero(r.down[:flows] >= 0)
        # As in the published file some tributaries enter at the head of a flowpath, but drain by toid to its outlet.
        side_arm = np.flatnonzero((r.down[:flows] >= 0) & (rng.random(flows) < 0.22))
        side_arm = side_arm[self.main[r.down[side_arm]] != side_arm]
        reported = self.total.copy()
        reported[self.main[r.down[side_arm]]] = self.total[self.main[r.down[side_arm]]] + self.total[side_arm]
        self.reported = reported
        self.units = np.array(sorted(UNITS), dtype=object)
        self.vpu = self.units[r.unit]
        self.length = np.zeros(flows)
        #: Height [m] and slope [1] of each flowpath.
        self.height = 4.0 + 2.3 * r.depth[:flows] + rng.uniform(0, 2, flows)
        self.slope = np.clip(rng.lognormal(-5.5, 1.2, flows), 1e-5, 0.3)
        self._names()
        self._inlets(rng)
        self._marks(rng)

    def blocks(self, count: int) -> list[Ints]:
        """Indices in blocks of BLOCK."""
        return [np.arange(at, min(at + BLOCK, count)) for at in range(0, count, BLOCK)]

    def _names(self) -> None:
        """Ids as text, the rows of each table, and the place of each flowpath in its unit."""
        r, flows = self.river, self.river.flowpaths
        self.cat = np.array([f"cat-{n}" for n in r.number.tolist()], dtype=object)
        self.wb = np.array([f"wb-{n}" for n in r.number[:flows].tolist()], dtype=object)
        terminals = int(r.nexus.max()) + 1 - flows
        coastal = np.random.default_rng([self.seed, 1]).random(terminals) < 0.1
        ends = [f"{'cnx' if c else 'tnx'}-{1_000_000_001 + n}" for n, c in enumerate(coastal.tolist())]
        self.terminal_type = np.where(coastal, "coastal", "terminal").astype(object)
        self.nex = np.array([f"nex-{n}" for n in r.number[:flows].tolist()] + ends, dtype=object)
        self.toid = self.nex[r.nexus]
        #: Of each divide without flowpath: whether it is coastal or internal, and the nexus it drains to.
        self.dry_type = np.where(r.number[flows:] % 2 == 0, "coastal", "internal").astype(object)
        dry = [f"{k[0]}nx-{1_000_000_001 + terminals + n}" for n, k in enumerate(self.dry_type.tolist())]
        self.dry_nexus = np.array(dry, dtype=object)
        #: Flowpaths unit by unit, upstream before downstream: a basin is one run of rows.
        self.by_unit = np.lexsort((-np.arange(flows), r.unit[:flows]))
        self.hydroseq = np.empty(flows, dtype=np.int64)
        first = np.searchsorted(r.unit[:flows][self.by_unit], np.arange(len(UNITS) + 1))
        self.hydroseq[self.by_unit] = first[r.unit[:flows][self.by_unit] + 1] - np.arange(flows)
        kept = np.concatenate((np.flatnonzero(r.divide), np.arange(flows, r.number.size)))
        part = np.random.default_rng([self.seed, 2]).choice(3, r.number.size, p=(0.22, 0.23, 0.55))
        rise = np.where(part == 2, -r.number, r.number)
        self.divide_rows = kept[np.lexsort((rise[kept], part[kept], r.unit[kept]))]
        fed = np.flatnonzero(self.main >= 0)
        self.nexus_rows = np.concatenate((fed[np.argsort(r.number[fed])], np.arange(flows, flows + terminals)))

    def _inlets(self, rng: np.random.Generator) -> None:
        """Where each flowpath begins, and each terminal lies [m]: by the border to the cell of the main stem above."""
        r, flows, c = self.river, self.river.flowpaths, self.centre[: self.river.flowpaths]
        fed, below = self.main >= 0, np.where(r.down[:flows] >= 0, r.down[:flows], np.arange(flows))
        away = np.where(fed[:, None], 0.4 * (c[self.main] - c), 0.3 * (c - c[below]))
        away[(~fed) & (r.down[:flows] < 0)] = (600.0, 300.0)
        inlet = c + away + rng.uniform(-60, 60, (flows, 2))
        outlets = np.flatnonzero(r.down[:flows] < 0)
        ends = np.empty((int(r.nexus.max()) + 1 - flows, 2))
        ends[r.nexus[outlets[::-1]] - flows] = 2 * c[outlets[::-1]] - inlet[outlets[::-1]]
        #: By nexus index.
        self.point = np.concatenate((inlet, ends))

    def _marks(self, rng: np.random.Generator) -> None:
        """Points of interest, one at most per nexus, and the hydrolocations and lakes at each."""
        r, flows = self.river, self.river.flowpaths
        flow = self.by_unit
        stems = flow[(self.main[np.maximum(r.down[flow], 0)] == flow) | (r.down[flow] < 0)]
        stems = stems[np.sort(np.unique(r.nexus[stems], return_index=True)[1])]
        chosen = stems[np.sort(rng.choice(stems.size, min(stems.size, max(4, round(0.125 * flows))), replace=False))]
        #: Flowpaths that end at a point of interest, and the number of that point, by flowpath and by nexus.
        self.poi_flow, self.poi = chosen, np.zeros(self.nex.size, dtype=np.int64)
        self.poi[r.nexus[chosen]] = np.arange(1, chosen.size + 1)
        self.poi_of = np.zeros(flows, dtype=np.int64)
        self.poi_of[chosen] = np.arange(1, chosen.size + 1)
        draw = rng.random((5, chosen.size))
        has = {"gages": draw[0] < 9 / 104, "nid": draw[1] < 0.17, "wbin": draw[2] < 0.07, "wbout": draw[3] < 0.07}
        has["gages"][0] = has["wbout"][1] = True
        none = ~np.any(list(has.values()), axis=0)
        has = {"huc12": none | (draw[4] < 0.8), "huc12 too": draw[4] < 0.1, **has}
        self.hf_id = rng.permutation(25_000_000)[:flows] + 100
        region = np.array([int(u[:2]) for u in sorted(UNITS)])[r.unit[chosen]]
        comid, serial = self.hf_id[chosen], np.arange(chosen.size)
        links = {
            "huc12": region * 10**10 + serial * 307, "huc12 too": region * 10**10 + serial * 307 + 101,
            "gages": region * 10**6 + (serial * 10 + 3) % 10**6, "nid": 100 + serial, "wbin": comid, "wbout": comid,
        }  # fmt: skip
        shape = {"huc12": "{:012d}", "huc12 too": "{:012d}", "gages": "{:08d}", "nid": "UT{:05d}"}
        place = np.concatenate([np.flatnonzero(m) for m in has.values()])
        kind = np.repeat(np.arange(len(has)), [int(m.sum()) for m in has.values()])
        text = [shape.get(k, "{}").format(n) for k, m in has.items() for n in links[k][m].tolist()]
        rank = np.lexsort((place, kind, r.unit[chosen][place]))
        #: Hydrolocations: index of the flowpath, what is there, and its number there.
        self.mark_flow = chosen[place[rank]]
        self.mark_kind = np.array([k.split()[0] for k in has], dtype=object)[kind[rank]]
        self.mark_link = np.array(text, dtype=object)[rank]
        self.lake_flow = chosen[has["wbout"]]
        self.gage, self.lake = np.full(flows, None, dtype=object), np.full(flows, None, dtype=object)
        self.gage[self.mark_flow[self.mark_kind == "gages"]] = self.mark_link[self.mark_kind == "gages"]
        self.lake[self.lake_flow] = [str(n) for n in self.hf_id[self.lake_flow].tolist()]

    # What follows yields the columns of each table, block by block, and notes the boxes of its shapes.

    def flowpaths(self, boxes: list[Floats], rng: np.random.Generator) -> Columns:
        """Lines from inlet to nexus that wind like a bridge of random steps."""
        r = self.river
        for part in self.blocks(r.flowpaths):
            i = self.by_unit[part]
            begin, end = self.point[i], self.point[r.nexus[i]]
            way = rng.standard_normal((i.size, 91), dtype=np.float32).cumsum(axis=1)
            share = np.linspace(0, 1, 91, dtype=np.float32)
            way -= way[:, :1] * (1 - share) + way[:, -1:] * share
            chord = end - begin
            points = begin[:, None] + chord[:, None] * share[:, None]
            points += (way * np.float32(0.02))[..., None] * np.stack((-chord[:, 1], chord[:, 0]), axis=1)[:, None]
            keep = rng.random(way.shape, dtype=np.float32) < rng.uniform(0.3, 1.0, (i.size, 1))
            keep[:, 0] = keep[:, -1] = True
            shapes, box = blobs(points, keep, 5)
            boxes.append(box)
            flat, ends = points[keep], np.cumsum(keep.sum(axis=1))
            leap = np.hypot(*np.diff(flat, axis=0, prepend=flat[:1]).T)
            leap[ends[:-1]] = 0
            self.length[i] = np.add.reduceat(leap, ends - keep.sum(axis=1)) / 1000
            yield [
                shapes, self.wb[i].tolist(), self.toid[i].tolist(), self.mainstem(i), r.order[i].astype(float).tolist(),
                self.hydroseq[i].tolist(), self.length[i].tolist(), self.area[i].tolist(), self.reported[i].tolist(),
                r.divide[i].astype(int).tolist(), maybe(self.cat[i], r.divide[i]),
                maybe(self.poi_of[i].astype(str), self.poi_of[i] > 0), self.vpu[i].tolist(),
            ]  # fmt: skip

    def mainstem(self, flows: Ints) -> list[object]:
        """The number of the main stem of each flowpath, a float as in the published file."""
        return list(self.river.number[self.river.stem[flows]].astype(float).tolist())

    def divides(self, boxes: list[Floats], rng: np.random.Generator) -> Columns:
        """Outlines; one in two hundred has no flowpath, and half of those are coastal."""
        r, flows = self.river, self.river.flowpaths
        for part in self.blocks(self.divide_rows.size):
            i = self.divide_rows[part]
            shapes, box = blobs(*self.coverage.rings(r.column[i], r.row[i]), 3)
            boxes.append(box)
            flow, at, dry = i < flows, np.minimum(i, flows - 1), np.maximum(i - flows, 0)
            kind = np.where(flow, "network", self.dry_type[dry])
            yield [
                shapes, self.cat[i].tolist(), np.where(flow, self.toid[at], self.dry_nexus[dry]).tolist(),
                kind.tolist(),
                maybe(r.number[np.maximum(r.down[i], 0)].astype(float), kind == "internal"), self.area[i].tolist(),
                self.vpu[i].tolist(), maybe(self.wb[at], flow), maybe(self.length[at], flow),
                maybe(self.reported[at], flow), flow.astype(int).tolist(),
            ]  # fmt: skip

    def lakes(self, boxes: list[Floats], rng: np.random.Generator) -> Columns:
        """A point for each, at the outlet of its flowpath."""
        r = self.river
        for part in self.blocks(self.lake_flow.size):
            i = self.lake_flow[part]
            point, high = self.point[r.nexus[i]], self.height[i]
            shapes, box = point_blobs(point)
            boxes.append(box)
            comid, size = self.hf_id[i].astype(float), rng.pareto(1.1, i.size) * 0.4 + 0.1
            level = [high - 6, high - 1]
            own = [np.full(i.size, v) for v in (0.4, 10.0, 0.1, 1.0)]
            numbers = [comid, size, high, *own, *level, np.full(i.size, 0.9), rng.uniform(50, 900, i.size)]
            indices = [rng.integers(1, 4, i.size).astype(float) for _ in range(5)]
            yield [
                shapes, *(n.tolist() for n in numbers), ["conus"] * i.size, self.poi_of[i].tolist(), comid.tolist(),
                *(n.tolist() for n in indices), self.lake[i].tolist(), self.vpu[i].tolist(), *point.T.tolist(),
            ]  # fmt: skip

    def pois(self, boxes: list[Floats], rng: np.random.Generator) -> Columns:
        """Flowpaths that end at something of interest."""
        i = self.poi_flow
        yield [self.poi_of[i].tolist(), self.wb[i].tolist(), self.toid[i].tolist(), self.vpu[i].tolist()]

    def hydrolocations(self, boxes: list[Floats], rng: np.random.Generator) -> Columns:
        """What is there, kind by kind."""
        for part in self.blocks(self.mark_flow.size):
            i, kind, link = self.mark_flow[part], self.mark_kind[part].tolist(), self.mark_link[part].tolist()
            point = self.point[self.river.nexus[i]]
            shapes, box = point_blobs(point)
            boxes.append(box)
            yield [
                self.poi_of[i].tolist(), self.wb[i].tolist(), self.toid[i].tolist(),
                self.hf_id[i].astype(float).tolist(), link, kind,
                [f"{k}-{n}" for k, n in zip(kind, link, strict=True)], ["ref-fab"] * i.size,
                *point.T.tolist(), self.vpu[i].tolist(), shapes,
            ]  # fmt: skip

    def reach(self, i: Ints) -> tuple[list[list[object]], list[list[object]]]:
        """The columns that both tables of flowpath attributes have: alt to MusK, gage to vpuid."""
        gaged, lake = self.gage[i] != None, self.lake[i] != None  # noqa: E711 - by element
        some = [self.height[i].tolist(), self.slope[i].tolist(), [0.2] * i.size, [3600.0] * i.size]
        nexus = self.toid[i]
        names = [self.gage[i].tolist(), maybe(nexus, gaged), self.lake[i].tolist(), maybe(nexus, lake)]
        return some, [*names, self.wb[i].tolist(), nexus.tolist(), self.vpu[i].tolist()]

    def flowpath_attributes(self, boxes: list[Floats], rng: np.random.Generator) -> Columns:
        """Channels as the National Water Model has them, by drainage area."""
        for part in self.blocks(self.river.flowpaths):
            i = self.by_unit[part]
            area = np.maximum(self.reported[i], 0.1)
            bottom = 2.0 * area**0.44
            top, rough = bottom * rng.uniform(1.1, 1.3, i.size), np.maximum(0.065 - 0.005 * self.river.order[i], 0.02)
            numbers = [self.length[i] * 1000, 0.22 * area**0.31, rough, 2 * rough, bottom, top, 3 * top]
            side = rng.uniform(0.3, 1.2, i.size)
            some, names = self.reach(i)
            yield [names[4], names[5], *(n.tolist() for n in (*numbers, side)), *some, *names]

    def flowpath_attributes_ml(self, boxes: list[Floats], rng: np.random.Generator) -> Columns:
        """The same channels with machine-learned shapes."""
        for part in self.blocks(self.river.flowpaths):
            i = self.by_unit[part]
            bottom = 4.0 * np.maximum(self.reported[i], 0.1) ** 0.4
            top, rough, deep = bottom * rng.uniform(1.1, 1.4, i.size), rng.uniform(0.03, 0.4, i.size), bottom**0.3
            numbers = [rough, bottom, top, rng.uniform(0.2, 1.2, i.size), 2 * rough, 3 * top, deep, deep * 1.1]
            some, names = self.reach(i)
            yield [
                names[4], names[5], (self.length[i] * 1000).tolist(), *some, *names,
                *(n.tolist() for n in (*numbers, rng.uniform(2, 60, i.size))),
            ]  # fmt: skip

    def network(self, boxes: list[Floats], rng: np.random.Generator) -> Columns:
        """A row for each source flowline of each flowpath and mark at its end, then one for each nexus."""
        r, flows = self.river, self.river.flowpaths
        # Marks sorted by point of interest; each point has one at least.
        sorted_marks = np.argsort(self.poi_of[self.mark_flow], kind="stable")
        uri = (self.mark_kind + np.array(["-"], dtype=object) + self.mark_link)[sorted_marks]
        marks = np.bincount(self.poi_of[self.mark_flow], minlength=self.poi_flow.size + 1)
        first = np.cumsum(marks) - marks
        for part in self.blocks(flows):
            own = self.by_unit[part]
            each = np.maximum(marks[self.poi[r.nexus[own]]], 1)
            lines = rng.geometric(0.41, own.size)
            i = np.repeat(own, lines * each)
            turn = np.arange(i.size) - np.repeat(np.cumsum(lines * each) - lines * each, lines * each)
            line, mark = turn // np.repeat(each, lines * each), turn % np.repeat(each, lines * each)
            poi, stem = self.poi[r.nexus[i]], r.number[r.stem[i]].astype(float)
            known, count = poi > 0, np.repeat(lines, lines * each)
            ends = np.where(r.nexus[i] < flows, "nexus", self.terminal_type[np.maximum(r.nexus[i] - flows, 0)])
            yield [
                self.wb[i].tolist(), self.toid[i].tolist(), maybe(self.cat[i], r.divide[i]), [None] * i.size,
                stem.tolist(), self.hydroseq[i].tolist(), [SOURCE] * i.size,
                (self.hf_id[i] + line * 25_000_000.0).tolist(),
                *(c[i].tolist() for c in (self.length, self.area, self.reported)), ends.tolist(), self.vpu[i].tolist(),
                (r.number[i] * 3.0 + count - line).tolist(), (self.length[i] / count).tolist(), stem.tolist(),
                ["fl-nex"] * i.size, maybe(poi, known), maybe(uri[(first[poi] + mark) * known], known),
            ]  # fmt: skip
        for shapes, names, to, kind, unit, _ in self.nexus([], rng):
            none: list[object] = [None] * len(shapes)
            source: list[object] = [SOURCE] * len(shapes)
            topo: list[object] = ["fl-nex"] * len(shapes)
            yield [names, to, *[none] * 4, source, *[none] * 4, kind, unit, *[none] * 3, topo, none, none]

    def nexus(self, boxes: list[Floats], rng: np.random.Generator) -> Columns:
        """Inlets by number, then terminals, then what divides without flowpath drain to."""
        r, flows = self.river, self.river.flowpaths
        ending = np.zeros(self.nex.size, dtype=np.int64)
        ending[r.nexus] = np.arange(flows)
        for part in self.blocks(self.nexus_rows.size):
            k = self.nexus_rows[part]
            inner, at = k < flows, np.minimum(k, flows - 1)
            kind = np.where(inner, "nexus", self.terminal_type[np.maximum(k - flows, 0)])
            shapes, box = point_blobs(self.point[k])
            boxes.append(box)
            unit = self.vpu[np.where(inner, at, ending[k])]
            yield [
                shapes, self.nex[k].tolist(), np.where(inner, self.wb[at], "wb-0").tolist(), kind.tolist(),
                unit.tolist(), maybe(self.poi[k], self.poi[k] > 0),
            ]  # fmt: skip
        i = np.arange(flows, r.number.size)
        shapes, box = point_blobs(self.centre[i])
        boxes.append(box)
        outside: list[object] = ["wb-0"] * i.size
        names = [self.dry_nexus.tolist(), outside, self.dry_type.tolist(), self.vpu[i].tolist(), [None] * i.size]
        yield [shapes, *names]

    def divide_attributes(self, boxes: list[Floats], rng: np.random.Generator) -> Columns:
        """Soil, land cover and terrain; the four soil layers are alike, as they mostly are."""
        r, flows = self.river, self.river.flowpaths
        for part in self.blocks(self.divide_rows.size):
            i = self.divide_rows[part]
            of = np.where(i < flows, i, r.down[i])
            soil = rng.integers(1, 13, i.size)
            bexp, pores = 2.6 + 0.75 * soil, rng.uniform(0.36, 0.57, i.size)
            layers: list[list[NDArray[np.generic]]] = [[bexp] * 4, [soil, rng.integers(1, 18, i.size)]]
            layers += [[10 ** rng.uniform(-7.5, -4.5, i.size)] * 4]
            layers += [[rng.uniform(0.03, 0.6, i.size)] * 4]
            layers += [[rng.uniform(0.1, 0.3, i.size), rng.uniform(1, 4, i.size), rng.uniform(3, 14, i.size)]]
            layers += [[rng.uniform(0.5, 4, i.size), rng.uniform(0.01, 0.9, i.size)], [pores] * 4, [pores * 0.17] * 4]
            layers += [[rng.uniform(20, 90, i.size), np.full(i.size, 0.005), rng.lognormal(4.5, 0.8, i.size)]]
            layers += [[rng.integers(1, 8, i.size), *self.centre[i].T, rng.exponential(2.0, i.size)]]
            layers += [[100 * (self.height[of] + 30), 90 * rng.beta(1.5, 3, i.size), rng.uniform(0, 360, i.size)]]
            values = [v.astype(float).tolist() for group in layers for v in group]
            index = np.round(np.cumsum(rng.uniform(0.8, 3.5, (i.size, 4)), axis=1), 3).tolist()
            share = np.round(rng.uniform(0.247, 0.253, i.size), 4).tolist()
            twi: list[object] = [
                f'[{{"v":{a},"frequency":{s}}},{{"v":{b},"frequency":{round(0.5 - s, 4)}}},'
                f'{{"v":{c},"frequency":{round(0.5 - s, 4)}}},{{"v":{d},"frequency":{s}}}]'
                for (a, b, c, d), s in zip(index, share, strict=True)
            ]
            yield [self.cat[i].tolist(), *values, twi, self.vpu[i].tolist()]


GPKG = """
CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER NOT NULL PRIMARY KEY,
    organization TEXT NOT NULL, organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
CREATE TABLE gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
    description TEXT DEFAULT '', last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
    min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER,
    CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_ogr_contents (table_name TEXT NOT NULL PRIMARY KEY, feature_count INTEGER DEFAULT NULL);
CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL,
    geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL,
    CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name), CONSTRAINT uk_gc_table_name UNIQUE (table_name),
    CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),
    CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id));
CREATE TABLE gpkg_extensions (table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL,
    definition TEXT NOT NULL, scope TEXT NOT NULL, CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name));
INSERT INTO gpkg_spatial_ref_sys VALUES ('Undefined Cartesian SRS', -1, 'NONE', -1, 'undefined', NULL),
    ('Undefined geographic SRS', 0, 'NONE', 0, 'undefined', NULL);
"""
TREE = """
CREATE TRIGGER "rtree_{t}_geom_insert" AFTER INSERT ON "{t}" WHEN {new} BEGIN {put}; END;
CREATE TRIGGER "rtree_{t}_geom_update1" AFTER UPDATE OF "geom" ON "{t}" WHEN OLD."fid" = NEW."fid" AND {new}
    BEGIN {put}; END;
CREATE TRIGGER "rtree_{t}_geom_update2" AFTER UPDATE OF "geom" ON "{t}" WHEN OLD."fid" = NEW."fid" AND NOT {new}
    BEGIN DELETE FROM "rtree_{t}_geom" WHERE id = OLD."fid"; END;
CREATE TRIGGER "rtree_{t}_geom_update3" AFTER UPDATE ON "{t}" WHEN OLD."fid" != NEW."fid" AND {new}
    BEGIN DELETE FROM "rtree_{t}_geom" WHERE id = OLD."fid"; {put}; END;
CREATE TRIGGER "rtree_{t}_geom_update4" AFTER UPDATE ON "{t}" WHEN OLD."fid" != NEW."fid" AND NOT {new}
    BEGIN DELETE FROM "rtree_{t}_geom" WHERE id IN (OLD."fid", NEW."fid"); END;
CREATE TRIGGER "rtree_{t}_geom_delete" AFTER DELETE ON "{t}" WHEN OLD."geom" NOT NULL
    BEGIN DELETE FROM "rtree_{t}_geom" WHERE id = OLD."fid"; END;
"""
COUNTED = """
CREATE TRIGGER "trigger_{verb}_feature_count_{t}" AFTER {verb} ON "{t}" BEGIN UPDATE gpkg_ogr_contents
    SET feature_count = feature_count {sign} 1 WHERE lower(table_name) = lower('{t}'); END;
"""
NEW = """(NEW."geom" NOT NULL AND NOT ST_IsEmpty(NEW."geom"))"""
PUT = """INSERT OR REPLACE INTO "rtree_{t}_geom" VALUES (NEW."fid", ST_MinX(NEW."geom"), ST_MaxX(NEW."geom"),
    ST_MinY(NEW."geom"), ST_MaxY(NEW."geom"))"""
#: When the made-up tables were last changed: always the same, so that the same seed gives the same bytes.
CHANGED = "2024-10-02T21:40:34.220Z"


def write_table(file: sqlite3.Connection, table: str, fill: Callable[[list[Floats]], Columns]) -> None:
    """Create a table, fill and register it; a layer also gets its R-tree."""
    columns = [column.split() for column in TABLES[table].split(", ")]
    lines = ['"fid"\tINTEGER NOT NULL', *(f'"{name}"\t{kind}' for name, kind in columns)]
    file.execute(f'CREATE TABLE "{table}" (\n\t' + ",\n\t".join(lines) + ',\n\tPRIMARY KEY("fid" AUTOINCREMENT)\n)')
    boxes: list[Floats] = []
    rows, insert = 0, f'INSERT INTO "{table}" VALUES (?{", ?" * len(columns)})'
    for block in fill(boxes):
        count = len(block[0])
        file.executemany(insert, zip(range(rows + 1, rows + count + 1), *block, strict=True))
        rows += count
    kind, box = dict(columns).get("geom"), np.concatenate(boxes) if boxes else np.empty((0, 4))
    sides = (box[:, 0].min, box[:, 2].min, box[:, 1].max, box[:, 3].max)
    extent = [float(side()) if len(box) else None for side in sides]
    entry = (table, "features" if kind else "attributes", table, "", CHANGED, *extent, 5070 if kind else 0)
    file.execute("INSERT INTO gpkg_contents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", entry)
    file.execute("INSERT INTO gpkg_ogr_contents VALUES (?, ?)", (table, rows))
    for verb, sign in (("insert", "+"), ("delete", "-")):
        file.execute(COUNTED.format(t=table, verb=verb, sign=sign))
    if kind:
        file.execute("INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', ?, 5070, 0, 0)", (table, kind))
        index = (table, "http://www.geopackage.org/spec120/#extension_rtree")
        file.execute("INSERT INTO gpkg_extensions VALUES (?, 'geom', 'gpkg_rtree_index', ?, 'write-only')", index)
        pack_rtree(file, table, box)
        for trigger in TREE.format(t=table, new=NEW, put=PUT.format(t=table)).split("END;\n")[:-1]:
            file.execute(trigger + "END")


def make_continent(path: Path, divides: int, seed: int = 7) -> Path:
    """Write a made-up GeoPackage of version 2.2.

    Parameters
    ----------
    path : Path
        Where to; replaced if it exists.
    divides : int
        How many, 100 at least.
    seed : int
        The same seed makes the same file.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError
        If so few divides are asked for that there is no network.
    """
    if divides < 100:
        raise ValueError(f"a continent has 100 divides or more, got {divides}")
    continent = Continent(divides, seed)
    beside = path.with_name(path.name + ".making")
    beside.unlink(missing_ok=True)
    with closing(sqlite3.connect(beside, isolation_level=None)) as file:
        file.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE;")
        file.executescript("PRAGMA cache_size=-65536; PRAGMA application_id=1196444487; PRAGMA user_version=10200;")
        file.execute("BEGIN")
        for statement in GPKG.split(";\n"):
            file.execute(statement)
        for code in (4326, 5070):
            crs = pyproj.CRS.from_epsg(code)
            known = (crs.name, code, "EPSG", code, crs.to_wkt("WKT1_GDAL"), None)
            file.execute("INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?, ?, ?)", known)
        for place, table in enumerate(TABLES):
            rows = getattr(continent, table.replace("-", "_"))
            write_table(file, table, partial(rows, rng=np.random.default_rng([seed, 10 + place])))
        file.execute("COMMIT")
    return beside.replace(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write a made-up hydrofabric.")
    parser.add_argument("divides", type=int)
    parser.add_argument("path", type=Path)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    if asked.divides < 100:
        parser.error(f"a continent has 100 divides or more, got {asked.divides}")
    start = time.perf_counter()
    print(f"{make_continent(asked.path, asked.divides, asked.seed)}  {time.perf_counter() - start:.1f} s")
