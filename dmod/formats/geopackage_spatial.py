"""Which catchments hold a point, meet a polygon or lie nearest: the divide layer, asked by place.

A GeoPackage is asked through its R-tree, so that a point costs a fraction of a millisecond
among a million catchments; any other source through a tree built in memory. Bounding boxes
only choose whom to look at: what counts is always the shape itself. Files are opened
read-only, and stay open as long as the answers are wanted.
"""

from __future__ import annotations

import heapq
import itertools
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from dmod.errors import HydrofabricError
from dmod.formats.geopackage_blobs import shapes_of
from dmod.formats.geopackage_file import opened, quoted
from dmod.formats.geopackage_rows import read_only_uri
from dmod.formats.geopackage_schema import rtree_name
from dmod.formats.hydrofabric import Hydrofabric
from dmod.formats.shapes import ground_km

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

__all__ = ["PREDICATES", "DivideShapes", "Predicate", "is_geopackage", "open_divides"]

#: How a catchment may lie to a polygon to be chosen.
Predicate = Literal["intersects", "within", "centroid"]
PREDICATES: tuple[str, ...] = get_args(Predicate)

Keys = NDArray[np.int64]
Floats = NDArray[np.float64]
#: xmin, ymin, xmax, ymax.
Bounds = Sequence[float] | Floats

#: So many rows are asked for in one query, well below what SQLite allows.
_CHUNK = 500
#: A cell of SQLite's R-tree (https://www.sqlite.org/rtree.html, section 5.1), big-endian, and the head of a node.
_CELL = np.dtype([("id", ">i8"), ("minx", ">f4"), ("maxx", ">f4"), ("miny", ">f4"), ("maxy", ">f4")])
_NODE_HEAD = 4


class _Rows(Protocol):
    """Rows of a divide layer, by a key that ascends in file order."""

    def boxes(self, bounds: Bounds) -> tuple[Keys, Floats]:
        """Keys, ascending, and boxes (xmin, ymin, xmax, ymax) of the rows whose box meets *bounds*."""
        ...

    def shapes(self, keys: Keys) -> NDArray[np.object_]:
        """Geometry of each row."""
        ...

    def ids(self, keys: Keys) -> list[str]:
        """Catchment of each row."""
        ...

    def nearest(self, shape: Any) -> tuple[int, Any] | None:
        """Key and geometry of the row nearest to *shape*; None where there is none."""
        ...


class _Layer(Protocol):
    """A divide layer that can be read."""

    @property
    def crs(self) -> str:
        """What its coordinates are in."""
        ...

    @contextmanager
    def reading(self) -> Iterator[_Rows]:
        """Its rows, while it is open."""
        ...


@dataclass(frozen=True, eq=False)
class DivideShapes:
    """The shapes of all catchments of a hydrofabric; `open_divides` makes one."""

    #: Where they are read from.
    layer: _Layer

    @property
    def crs(self) -> str:
        """What coordinates are in, such as ``EPSG:5070``."""
        return self.layer.crs

    def at(self, x: float, y: float) -> list[str]:
        """Catchments that hold a point, in file order; several only on a border or where shapes overlap."""
        import shapely

        with self.layer.reading() as rows:
            keys, _ = rows.boxes((x, y, x, y))
            if not len(keys):
                return []
            return rows.ids(keys[shapely.intersects(rows.shapes(keys), shapely.Point(x, y))])

    def matching(self, area: Any, predicate: str) -> list[str]:
        """Catchments that lie to a shape as *predicate* says, in file order.

        Parameters
        ----------
        area : shapely geometry
            In the reference system `crs`.
        predicate : {"intersects", "within", "centroid"}
            Touching it is enough; lying in it altogether; having the centre of mass in it.
        """
        import shapely

        shapely.prepare(area)
        with self.layer.reading() as rows:
            keys, boxes = rows.boxes(area.bounds)
            envelopes = shapely.box(*boxes.T)
            # A box inside the area settles all three predicates without reading the shape.
            sure = shapely.covers(area, envelopes)
            open_ = np.flatnonzero(~sure & shapely.intersects(area, envelopes))
            shapes = rows.shapes(keys[open_])
            if predicate == "centroid":
                hit = shapely.covers(area, shapely.centroid(shapes))
            else:
                hit = (shapely.covers if predicate == "within" else shapely.intersects)(area, shapes)
            sure[open_[hit]] = True
            return rows.ids(keys[sure])

    def nearest(self, shape: Any) -> tuple[str, float] | None:
        """The catchment nearest to a shape and how far it is [km]; None where there is none at all."""
        with self.layer.reading() as rows:
            found = rows.nearest(shape)
            if found is None:
                return None
            key, geometry = found
            return rows.ids(np.array([key]))[0], ground_km(shape, geometry, self.crs)


def open_divides(hydrofabric: Hydrofabric) -> DivideShapes:
    """The shapes of a hydrofabric's catchments, ready to be asked.

    Raises
    ------
    HydrofabricError
        If there are none, or the file does not say what their coordinates are in.
    """
    layer = _packaged(hydrofabric.path)
    return DivideShapes(layer if layer is not None else _FrameLayer(hydrofabric.path, hydrofabric.geometry("divides")))


def is_geopackage(path: Path) -> bool:
    """Whether there is a file that SQLite reads."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"


@dataclass(eq=False)
class _PackagedLayer:
    """The divides of a GeoPackage that has an R-tree for them."""

    #: The file.
    path: Path
    #: What coordinates are in.
    crs: str
    #: Column of the catchment's id, of the row's number, and of the geometry.
    id: str
    key: str
    geometry: str

    def __post_init__(self) -> None:
        # One connection serves all threads in turn: to open one takes longer than to answer.
        self._lock = threading.Lock()
        self._file: sqlite3.Connection | None = None
        self._process = 0

    def __reduce__(self) -> tuple[Any, ...]:
        """A connection does not travel to another process."""
        return _PackagedLayer, (self.path, self.crs, self.id, self.key, self.geometry)

    @contextmanager
    def reading(self) -> Iterator[_PackagedRows]:
        """Its rows; damage becomes a HydrofabricError."""
        with self._lock:
            try:
                if self._file is None or self._process != os.getpid():
                    self._file = sqlite3.connect(read_only_uri(self.path), uri=True, check_same_thread=False)
                    self._process = os.getpid()
                    weakref.finalize(self, self._file.close)
                yield _PackagedRows(self, self._file)
            except sqlite3.DatabaseError as error:
                raise HydrofabricError(
                    "the shapes of the hydrofabric cannot be read",
                    path=self.path,
                    reason=error,
                    hint="it may be truncated or damaged: copy or download it again",
                ) from error


@dataclass(frozen=True)
class _PackagedRows:
    """Rows of an open GeoPackage."""

    layer: _PackagedLayer
    file: sqlite3.Connection

    def boxes(self, bounds: Bounds) -> tuple[Keys, Floats]:
        """Keys and boxes of the rows whose box meets *bounds*."""
        tree = quoted(rtree_name("divides", self.layer.geometry))
        found = self.file.execute(
            f"SELECT id, minx, miny, maxx, maxy FROM {tree} WHERE maxx >= ? AND maxy >= ? AND minx <= ? AND miny <= ?",
            [float(edge) for edge in bounds],
        ).fetchall()
        table = np.array(found, dtype=np.float64).reshape(-1, 5)
        order = np.argsort(table[:, 0])
        return table[order, 0].astype(np.int64), table[order, 1:]

    def shapes(self, keys: Keys) -> NDArray[np.object_]:
        """Geometry of each row."""
        try:
            return shapes_of(self._column(self.layer.geometry, keys))
        except ValueError as error:
            raise HydrofabricError(
                "a shape of the divide layer is damaged",
                path=self.layer.path,
                reason=error,
                hint="copy or download the file again",
            ) from error

    def ids(self, keys: Keys) -> list[str]:
        """Catchment of each row."""
        return [str(name) for name in self._column(self.layer.id, keys)]

    def nearest(self, shape: Any) -> tuple[int, Any] | None:
        """Key and geometry of the row nearest to *shape*.

        What is nearest so far is looked at first: a node of the tree, a row by its box, then by its shape.
        """
        import shapely

        tree = rtree_name("divides", self.layer.geometry)
        head = self._node(tree, 1)[:2]
        turn = itertools.count()
        # How far, a number that settles ties, what it is (a node so many levels above rows, -1 for a row, -2 for a
        # shape), its key.
        waiting: list[tuple[float, int, int, int, Any]] = [(0.0, next(turn), int.from_bytes(head, "big"), 1, None)]
        while waiting:
            _, _, level, key, geometry = heapq.heappop(waiting)
            if level == -2:
                return key, geometry
            if level == -1:
                if (geometry := self.shapes(np.array([key]))[0]) is not None:
                    heapq.heappush(waiting, (float(shapely.distance(shape, geometry)), next(turn), -2, key, geometry))
                continue
            node = self._node(tree, key)
            cells = np.frombuffer(node, _CELL, count=int.from_bytes(node[2:4], "big"), offset=_NODE_HEAD)
            boxes = shapely.box(*(cells[edge].astype(float) for edge in ("minx", "miny", "maxx", "maxy")))
            for apart, cell in zip(shapely.distance(shape, boxes).tolist(), cells["id"].tolist(), strict=True):
                heapq.heappush(waiting, (apart, next(turn), level - 1, cell, None))
        return None

    def _node(self, tree: str, number: int) -> bytes:
        """One node of the R-tree, as SQLite keeps it; the root has number 1."""
        found = self.file.execute(f"SELECT data FROM {quoted(tree + '_node')} WHERE nodeno = ?", [number]).fetchone()
        return bytes(found[0])

    def _column(self, column: str, keys: Keys) -> list[Any]:
        """A column of some rows, in the order of their keys, which ascend."""
        found: list[Any] = []
        key = quoted(self.layer.key)
        for first in range(0, len(keys), _CHUNK):
            some = keys[first : first + _CHUNK].tolist()
            marks = ",".join("?" * len(some))
            found += self.file.execute(
                f"SELECT {quoted(column)} FROM divides WHERE {key} IN ({marks}) ORDER BY {key}", some
            )
        return [value for (value,) in found]


@dataclass(frozen=True, eq=False)
class _FrameLayer:
    """Divides held in memory, of a source without an R-tree; also their rows."""

    #: What they were read from.
    path: Path
    #: The shapes, indexed by catchment.
    frame: GeoDataFrame

    @cached_property
    def crs(self) -> str:
        """What coordinates are in."""
        if self.frame.crs is None:
            raise _no_crs(self.path)
        authority = self.frame.crs.to_authority()
        return ":".join(authority) if authority else str(self.frame.crs.to_wkt())

    @contextmanager
    def reading(self) -> Iterator[_FrameLayer]:
        """Itself."""
        yield self

    def boxes(self, bounds: Bounds) -> tuple[Keys, Floats]:
        """Keys and boxes of the rows whose box meets *bounds*."""
        import shapely

        keys = np.sort(self.frame.sindex.query(shapely.box(*bounds)))
        return keys.astype(np.int64), shapely.bounds(self.frame.geometry.to_numpy()[keys])

    def shapes(self, keys: Keys) -> NDArray[np.object_]:
        """Geometry of each row."""
        found: NDArray[np.object_] = np.asarray(self.frame.geometry.to_numpy()[keys], dtype=object)
        return found

    def ids(self, keys: Keys) -> list[str]:
        """Catchment of each row."""
        return [str(name) for name in self.frame.index[keys]]

    def nearest(self, shape: Any) -> tuple[int, Any] | None:
        """Key and geometry of the row nearest to *shape*."""
        import shapely

        shapes = self.frame.geometry.to_numpy()
        apart = shapely.distance(shape, shapes)
        if not len(shapes) or np.isnan(apart).all():
            return None
        key = int(np.nanargmin(apart))
        return key, shapes[key]


def _packaged(path: Path) -> _PackagedLayer | None:
    """The divide layer of a GeoPackage; None for other files, and for one without an R-tree."""
    if not is_geopackage(path):
        return None
    with opened(path) as file:
        columns = {name: key for _, name, _, _, _, key in file.execute("PRAGMA table_info(divides)")}
        named = file.execute(
            "SELECT g.column_name, s.organization, s.organization_coordsys_id, s.definition "
            "FROM gpkg_geometry_columns g LEFT JOIN gpkg_spatial_ref_sys s ON s.srs_id = g.srs_id "
            "WHERE g.table_name = 'divides'"
        ).fetchone()
        if named is None:
            return None
        geometry, organization, number, definition = named
        tree = file.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [rtree_name("divides", geometry)]).fetchone()
        if tree is None:
            return None
    known = organization is not None and organization.upper() not in ("NONE", "")
    if not known and str(definition or "undefined").lower() in ("undefined", "unknown"):
        raise _no_crs(path)
    return _PackagedLayer(
        path=path,
        crs=f"{organization}:{number}".upper() if known else definition,
        id="divide_id" if "divide_id" in columns else "id",
        key=next((name for name, key in columns.items() if key), "rowid"),
        geometry=geometry,
    )


def _no_crs(path: Path) -> HydrofabricError:
    """The error for a file that does not say what its coordinates are in."""
    return HydrofabricError(
        "the hydrofabric does not say what its coordinates are in",
        path=path,
        needed="a coordinate reference system for its divides",
        hint="choose by id instead, or take the file from its source again",
    )
