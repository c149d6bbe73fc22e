"""Tables of a GeoPackage and their rows, as one file is copied into another inside SQLite.

A row never becomes a Python object on the way: rows are named by runs of fids, and SQLite copies
them from an attached file. Of geometry only the first 40 bytes are looked at, which hold the
bounding box; bytes change only where a geometry is not GeoPackage's but SpatiaLite's. What
the new file holds beside its layers is in `dmod.formats.geopackage_registry`.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dmod.errors import HydrofabricError
from dmod.formats.geopackage_file import quoted

__all__ = [
    "Table",
    "as_geopackage",
    "bounding_boxes",
    "copy_table",
    "heads_of",
    "logs_of",
    "read_only_uri",
    "spatialite",
    "tables_of",
]

#: Bytes of a geometry that are looked at: 8 of header, then a box, or 21 of a point.
_LOOK = 40
#: Rows per statement: few enough to be in SQLite's cache when their boxes are read.
_ROWS = 4096
#: Bytes of the box in the header, by the kind of box that its flags name.
_BOX_BYTES = (0, 32, 48, 48, 64)
#: Before the body of a geometry of SpatiaLite, at byte 38.
_LITE_BODY = 0x7C
#: Kinds of content in ``gpkg_contents`` that are no layers.
_TILES = ("tiles", "2d-gridded-coverage")


@dataclass(frozen=True, slots=True)
class Table:
    """A layer or table of a GeoPackage."""

    #: Its name.
    name: str
    #: The statement that made it.
    sql: str
    #: Columns that are stored, in order.
    columns: tuple[str, ...]
    #: Column that is the row's number, usually ``fid``; ``rowid`` if none is.
    key: str
    #: Registered geometry column; None for tables.
    geometry: str | None


def read_only_uri(path: Path) -> str:
    """How SQLite opens *path* without ever writing beside it.

    Immutable, which takes no lock and leaves no file, unless a log beside it holds what the file lacks yet.
    """
    return path.absolute().as_uri() + ("?mode=ro" if logs_of(path) else "?mode=ro&immutable=1")


def logs_of(path: Path) -> list[Path]:
    """Logs beside a file that hold something."""
    logs = [path.with_name(path.name + end) for end in ("-wal", "-journal")]
    return [log for log in logs if log.exists() and log.stat().st_size > 0]


def tables_of(file: sqlite3.Connection, schema: str) -> list[Table]:
    """Layers and tables of the file attached as *schema*, in its order; tiles are none."""
    made = file.execute(f"SELECT name, sql FROM {schema}.sqlite_master WHERE type = 'table' ORDER BY rowid").fetchall()
    virtual = [name for name, sql in made if sql and sql.upper().startswith("CREATE VIRTUAL")]
    marks = ", ".join("?" * len(_TILES))
    tiles = file.execute(f"SELECT lower(table_name) FROM {schema}.gpkg_contents WHERE data_type IN ({marks})", _TILES)
    left_out = {name.lower() for (name,) in tiles}
    geometries = _geometry_columns(file, schema)
    return [
        _table(file, schema, name, sql, geometries.get(name.lower()))
        for name, sql in made
        if not name.lower().startswith(("sqlite_", "gpkg_", "gpkgext_"))
        and name.lower() not in left_out
        and not any(name == tree or name.startswith(f"{tree}_") for tree in virtual)
    ]


def copy_table(
    file: sqlite3.Connection, table: Table, fids: NDArray[np.int64], *, copied: Callable[[int], None]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Copy rows of a table of the file attached as ``src`` to the same table of the main file.

    Parameters
    ----------
    file : sqlite3.Connection
        The new file, with the table made and without triggers.
    table : Table
        The table.
    fids : array of int, shape (row,)
        Rows, ascending and unique.
    copied : callable
        Told the number of rows after each part of them.

    Returns
    -------
    array of int, shape (feature,); array of float, shape (feature, 4)
        Rows that have a place on the ground, and their minx, maxx, miny, maxy in units of the layer.

    Raises
    ------
    HydrofabricError
        If the source lacks a row.
    """
    file.execute("CREATE TEMP TABLE IF NOT EXISTS dmod_runs (first INTEGER PRIMARY KEY, last INTEGER)")
    name, key = quoted(table.name), quoted(table.key)
    columns = table.columns if table.key in table.columns else (table.key, *table.columns)
    into, take = ", ".join(map(quoted, columns)), ", ".join(f"s.{quoted(column)}" for column in columns)
    # CROSS JOIN keeps the runs outside: each is one descent of the source's tree, then a scan.
    insert = (
        f"INSERT INTO main.{name} ({into}) SELECT {take} FROM temp.dmod_runs AS r CROSS JOIN src.{name} AS s "
        f"ON s.{key} BETWEEN r.first AND r.last"
    )
    found, boxes = [np.empty(0, np.int64)], [np.empty((0, 4))]
    for start in range(0, len(fids), _ROWS):
        part = fids[start : start + _ROWS]
        edges = np.flatnonzero(np.diff(part) != 1)
        firsts, lasts = part[np.r_[0, edges + 1]].tolist(), part[np.r_[edges, -1]].tolist()
        file.execute("DELETE FROM temp.dmod_runs")
        file.executemany("INSERT INTO temp.dmod_runs VALUES (?, ?)", zip(firsts, lasts, strict=True))
        if file.execute(insert).rowcount != len(part):
            raise _missing_rows(file, table, part)
        if table.geometry is not None:
            box = _boxes(file, table, int(part[0]), int(part[-1]))
            there = ~np.isnan(box[:, 0])
            found.append(part[there])
            boxes.append(box[there])
        copied(len(part))
    return np.concatenate(found), np.concatenate(boxes)


def bounding_boxes(heads: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Bounding boxes from the beginnings of geometries, of GeoPackage or of SpatiaLite.

    Parameters
    ----------
    heads : array of uint8, shape (blob, 40)
        The first bytes of each geometry, as `heads_of` gives them.

    Returns
    -------
    array of float, shape (blob, 4)
        minx, maxx, miny, maxy; NaN where there is no geometry or an empty one.
    array of bool, shape (blob,)
        True where these bytes do not tell the box: the header holds none, and it is no point.
    """
    flags = heads[:, 3]
    kind = (flags >> 1) & 7
    none = (heads[:, 0] != ord("G")) | (heads[:, 1] != ord("P")) | ((flags & 16) != 0)
    boxes = np.full((len(heads), 4), np.nan)
    boxed = ~none & (kind > 0) & (kind < len(_BOX_BYTES))
    for order, mark in (("<f8", 1), (">f8", 0)):
        rows = boxed & ((flags & 1) == mark)
        boxes[rows] = np.ascontiguousarray(heads[rows, 8:40]).view(order)
    bare = ~none & (kind == 0)
    points = np.zeros(len(heads), bool)
    for order, mark in (("<", 1), (">", 0)):
        rows = bare & (heads[:, 8] == mark)
        code = np.ascontiguousarray(heads[:, 9:13]).view(f"{order}u4")[:, 0]
        rows &= ((code & 0xFFFF) % 1000) == 1  # with Z or M, in either way of saying so
        boxes[rows] = np.ascontiguousarray(heads[rows, 13:29]).view(f"{order}f8")[:, [0, 0, 1, 1]]
        points |= rows
    lite = spatialite(heads)
    for order, mark in (("<f8", 1), (">f8", 0)):
        rows = lite & (heads[:, 1] == mark)
        boxes[rows] = np.ascontiguousarray(heads[rows, 6:38]).view(order)[:, [0, 2, 1, 3]]
    usable = np.isfinite(boxes).all(axis=1) & (boxes[:, 0] <= boxes[:, 1]) & (boxes[:, 2] <= boxes[:, 3])
    boxes[~usable] = np.nan
    return boxes, ~none & ~usable & ~points


def spatialite(heads: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which geometries, of those with these first bytes, are as SpatiaLite has them."""
    lite: NDArray[np.bool_] = (heads[:, 0] == 0) & (heads[:, 1] <= 1) & (heads[:, 38] == _LITE_BODY)
    return lite


def as_geopackage(blob: bytes) -> bytes:
    """A geometry of SpatiaLite as GeoPackage has it; collections, and what is neither, as they are.

    Published hydrofabrics hold such points in ``hydrolocations``. GDAL reads them, other readers do not.
    """
    if len(blob) < 60 or blob[0] != 0 or blob[1] > 1 or blob[38] != _LITE_BODY:
        return blob
    order = "<" if blob[1] else ">"
    (kind,) = struct.unpack_from(f"{order}I", blob, 39)
    if kind % 1000 not in (1, 2, 3) or kind >= 4000:
        return blob
    minx, miny, maxx, maxy = struct.unpack_from(f"{order}4d", blob, 6)
    box = b"" if kind % 1000 == 1 else struct.pack(f"{order}4d", minx, maxx, miny, maxy)
    header = b"GP\0" + bytes([blob[1] | (bool(box) << 1)]) + blob[2:6]
    return header + box + blob[1:2] + blob[39:-1]


def heads_of(blobs: Sequence[object]) -> NDArray[np.uint8]:
    """The first bytes of each blob, shape (blob, 40); zeros behind short ones and for what is no blob."""
    if set(map(type, blobs)) != {bytes} or len(set(map(len, blobs))) > 1:  # type: ignore[arg-type]
        blobs = [(blob if isinstance(blob, bytes) else b"")[:_LOOK].ljust(_LOOK, b"\0") for blob in blobs]
    heads = np.zeros((len(blobs), _LOOK), np.uint8)
    if not any(blobs):
        return heads
    given = np.frombuffer(b"".join(blobs), np.uint8).reshape(len(blobs), -1)[:, :_LOOK]  # type: ignore[arg-type]
    heads[:, : given.shape[1]] = given
    return heads


def _boxes(file: sqlite3.Connection, table: Table, first: int, last: int) -> NDArray[np.float64]:
    """Bounding boxes of the rows of the main file from *first* to *last*; NaN for none.

    Geometries of SpatiaLite become those of GeoPackage on the way.
    """
    name, key, geometry = quoted(table.name), quoted(table.key), quoted(table.geometry or "")
    where = f"FROM main.{name} WHERE {key} BETWEEN ? AND ? ORDER BY {key}"
    found = file.execute(f"SELECT substr({geometry}, 1, {_LOOK}) {where}", (first, last)).fetchall()
    heads = heads_of([blob for (blob,) in found])
    boxes, unknown = bounding_boxes(heads)
    lite = spatialite(heads)
    if lite.any() or unknown.any():
        whole = file.execute(f"SELECT {key}, {geometry} {where}", (first, last)).fetchall()
        for row in np.flatnonzero(unknown):
            boxes[row] = _bounds_of(table, whole[row][1])
        mended = [(as_geopackage(whole[row][1]), whole[row][0]) for row in np.flatnonzero(lite)]
        file.executemany(f"UPDATE main.{name} SET {geometry} = ? WHERE {key} = ?", mended)
    return boxes


def _bounds_of(table: Table, blob: bytes) -> tuple[float, float, float, float]:
    """The bounding box of a geometry whose header does not tell it."""
    import shapely

    box = (blob[3] >> 1) & 7
    start = 8 + (_BOX_BYTES[box] if box < len(_BOX_BYTES) else 0)
    try:
        minx, miny, maxx, maxy = shapely.from_wkb(blob[start:]).bounds
    except shapely.errors.GEOSException as error:
        raise HydrofabricError(
            f"a geometry of layer {table.name!r} cannot be read",
            reason=error,
            hint="the file is damaged: copy or download it again",
        ) from error
    return minx, maxx, miny, maxy


def _geometry_columns(file: sqlite3.Connection, schema: str) -> dict[str, str]:
    """Layer, in lower case, to its geometry column, of those registered as features."""
    try:
        rows = file.execute(
            f"SELECT lower(g.table_name), g.column_name FROM {schema}.gpkg_geometry_columns AS g "
            f"JOIN {schema}.gpkg_contents AS c ON lower(c.table_name) = lower(g.table_name) "
            "WHERE c.data_type = 'features'"
        ).fetchall()
    except sqlite3.OperationalError:  # a file of attributes alone need not have the table
        return {}
    return dict(rows)


def _table(file: sqlite3.Connection, schema: str, name: str, sql: str, geometry: str | None) -> Table:
    """A table as its columns tell."""
    rows = file.execute(f"PRAGMA {schema}.table_info({quoted(name)})").fetchall()
    columns = {column.lower(): column for _, column, *_ in rows}
    keys = [column for _, column, kind, _, _, place in rows if place]
    alone = [column for _, column, kind, _, _, place in rows if place and kind.upper() == "INTEGER"]
    return Table(
        name=name,
        sql=sql,
        columns=tuple(columns.values()),
        key=alone[0] if len(keys) == len(alone) == 1 else "rowid",
        geometry=columns.get(geometry.lower()) if geometry is not None else None,
    )


def _missing_rows(file: sqlite3.Connection, table: Table, fids: NDArray[np.int64]) -> HydrofabricError:
    """The error for rows that the source does not have."""
    name, key = quoted(table.name), quoted(table.key)
    query = f"SELECT {key} FROM main.{name} WHERE {key} BETWEEN ? AND ?"
    there = [fid for (fid,) in file.execute(query, (int(fids[0]), int(fids[-1])))]
    missing = np.setdiff1d(fids, np.array(there, np.int64))
    return HydrofabricError(
        f"layer {table.name!r} has not all the rows asked for",
        missing=f"{len(missing)} rows, such as {table.key} {missing[0]}",
        hint="the file changed since it was opened: open it again",
    )
