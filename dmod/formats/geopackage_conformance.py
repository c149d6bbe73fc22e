"""Whether a file keeps the GeoPackage standard, told as sentences.

Core, features, extensions and R-tree clauses of OGC 12-128, as far as GDAL, QGIS and ngen rely on
them. Geometry is checked by its header; whether a polygon makes sense is not asked here. The
file is only read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dmod.formats.geopackage_file import quoted
from dmod.formats.geopackage_rows import Table, bounding_boxes, heads_of, read_only_uri, spatialite, tables_of
from dmod.formats.geopackage_schema import APPLICATION_ID, rtree_name

__all__ = ["conformance"]

#: ``application_id`` of versions 1.0 and 1.1 of the standard.
_EARLIER_IDS = (0x47503130, 0x47503131)
#: Tables that every file with layers has.
_REQUIRED = ("gpkg_spatial_ref_sys", "gpkg_contents")
#: Triggers of an R-tree; the later of a pair is that of version 1.4.
_TRIGGERS = (("insert",), ("delete",), ("update1", "update6"), ("update2",), ("update3", "update5"), ("update4",))
#: Rows of a layer whose geometry is looked at.
_SAMPLE = 1000
#: How far a box in single precision may lie from the same in double precision, relative.
_SINGLE = 2.5e-7


def conformance(path: Path, *, integrity: bool = True) -> list[str]:
    """What in a GeoPackage is not as the standard wants it.

    Parameters
    ----------
    path : Path
        The file.
    integrity : bool
        Also read the whole file: SQLite's own check of every page and R-tree, and the number of
        rows. Takes seconds per gigabyte.

    Returns
    -------
    list of str
        One sentence for each finding, naming layer and column; empty if the file conforms.
    """
    if not path.is_file():
        return ["there is no such file"]
    try:
        with closing(sqlite3.connect(read_only_uri(path), uri=True)) as file:
            return list(_findings(file, integrity=integrity))
    except sqlite3.DatabaseError as error:
        return [f"the file cannot be read: {error}"]


def _findings(file: sqlite3.Connection, *, integrity: bool) -> Iterator[str]:
    """All findings, those of the file first."""
    yield from _file_findings(file)
    if missing := [name for name in _REQUIRED if not _has(file, name)]:
        yield from (f"table {name} is missing" for name in missing)
        return
    tables = tables_of(file, "main")
    yield from _registration_findings(file, tables)
    yield from _extension_findings(file)
    for table in tables:
        if table.geometry is not None:
            yield from _geometry_findings(file, table)
            yield from _tree_findings(file, table, integrity=integrity)
    for child, row, parent, _ in file.execute("PRAGMA foreign_key_check"):
        yield f"row {row} of {child} refers to a row that {parent} does not have"
    if integrity:
        yield from _count_findings(file, tables)
        for (said,) in file.execute("PRAGMA integrity_check(10)"):
            if said != "ok":
                yield f"integrity: {said}"


def _file_findings(file: sqlite3.Connection) -> Iterator[str]:
    """What the header of the file says of it."""
    (application,) = file.execute("PRAGMA application_id").fetchone()
    (version,) = file.execute("PRAGMA user_version").fetchone()
    if application == APPLICATION_ID:
        if version < 10200:
            yield f"user_version is {version}, not that of a GeoPackage of 1.2 or later"
    elif application not in _EARLIER_IDS:
        yield f"application_id is {application:#010x}, not that of a GeoPackage"


def _registration_findings(file: sqlite3.Connection, tables: list[Table]) -> Iterator[str]:
    """Contents, geometry columns and reference systems that do not fit each other."""
    there = {name.lower() for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")}
    systems = {srs for (srs,) in file.execute("SELECT srs_id FROM gpkg_spatial_ref_sys")}
    yield from (f"reference system {srs} is missing" for srs in (-1, 0, 4326) if srs not in systems)
    contents = file.execute("SELECT table_name, data_type, last_change, srs_id FROM gpkg_contents").fetchall()
    features = {name.lower() for name, kind, *_ in contents if kind == "features"}
    for name, _, changed, srs in contents:
        if name.lower() not in there:
            yield f"layer {name!r} is listed in gpkg_contents, but there is no such table"
        if srs is not None and srs not in systems:
            yield f"layer {name!r} has reference system {srs}, which gpkg_spatial_ref_sys does not define"
        if not file.execute("SELECT strftime('%s', ?)", (changed,)).fetchone()[0]:
            yield f"layer {name!r} was last changed at {changed!r}, which is no date"
    listed = set()
    if _has(file, "gpkg_geometry_columns"):
        rows = file.execute("SELECT table_name, column_name, srs_id FROM gpkg_geometry_columns").fetchall()
        columns = {table.name.lower(): {column.lower() for column in table.columns} for table in tables}
        for name, column, srs in rows:
            listed.add(name.lower())
            if name.lower() not in features:
                yield f"layer {name!r} has a geometry column, but gpkg_contents does not list it as features"
            if column.lower() not in columns.get(name.lower(), {column.lower()}):
                yield f"layer {name!r} has no column {column!r}, which gpkg_geometry_columns names"
            if srs not in systems:
                yield f"geometry of {name!r} has reference system {srs}, which gpkg_spatial_ref_sys does not define"
    yield from (f"features {name!r} have no entry in gpkg_geometry_columns" for name in sorted(features - listed))
    for table in tables:
        if table.name.lower() in {name.lower() for name, *_ in contents} and table.key == "rowid":
            yield f"layer {table.name!r} has no integer primary key"


def _extension_findings(file: sqlite3.Connection) -> Iterator[str]:
    """R-trees and metadata that are there without being listed, or the other way round."""
    listed: set[tuple[str, str]] = set()
    metadata = False
    if _has(file, "gpkg_extensions"):
        query = "SELECT table_name, column_name, extension_name FROM gpkg_extensions"
        for name, column, extension in file.execute(query).fetchall():
            metadata |= extension == "gpkg_metadata"
            if name is not None and not _has(file, name):
                yield f"extension {extension} is listed for {name!r}, but there is no such table"
            elif extension == "gpkg_rtree_index":
                listed.add((name.lower(), column.lower()))
                if not _has(file, rtree_name(name, column)):
                    yield f"the R-tree of {name!r} is listed in gpkg_extensions, but it is not there"
    if _has(file, "gpkg_geometry_columns"):
        for name, column in file.execute("SELECT table_name, column_name FROM gpkg_geometry_columns").fetchall():
            if _has(file, rtree_name(name, column)) and (name.lower(), column.lower()) not in listed:
                yield f"the R-tree of {name!r} is not listed in gpkg_extensions"
    if _has(file, "gpkg_metadata") and not metadata:
        yield "metadata is not listed in gpkg_extensions"


def _geometry_findings(file: sqlite3.Connection, table: Table) -> Iterator[str]:
    """Headers of the first geometries against what is said of the layer."""
    name, key, column = quoted(table.name), quoted(table.key), quoted(table.geometry or "")
    (srs,) = file.execute(
        "SELECT srs_id FROM gpkg_geometry_columns WHERE lower(table_name) = lower(?)", (table.name,)
    ).fetchone()
    query = f"SELECT {key}, substr({column}, 1, 40) FROM {name} WHERE {column} NOTNULL LIMIT {_SAMPLE}"
    rows = file.execute(query).fetchall()
    if not rows:
        return
    blobs = [blob if isinstance(blob, bytes) else b"" for _, blob in rows]
    for (fid, _), blob in zip(rows, blobs, strict=True):
        if fault := _header_fault(blob, srs):
            yield f"geometry of {table.name!r}, row {fid}: {fault}"
            return
    boxes, _ = bounding_boxes(heads_of(blobs))
    inside = file.execute(
        "SELECT min_x, max_x, min_y, max_y FROM gpkg_contents WHERE lower(table_name) = lower(?)", (table.name,)
    ).fetchone()
    known = ~np.isnan(boxes[:, 0])
    if None not in inside and known.any():
        around = boxes[known].T
        slack = _SINGLE * np.abs(around).max()
        low, high = np.array(inside)[[0, 2]] - slack, np.array(inside)[[1, 3]] + slack
        if (around[[0, 2]] < low[:, None]).any() or (around[[1, 3]] > high[:, None]).any():
            yield f"layer {table.name!r} reaches beyond its extent in gpkg_contents"
    tree = rtree_name(table.name, table.geometry or "")
    if _has(file, tree):
        yield from _box_findings(file, table, tree, {row[0]: box for row, box in zip(rows, boxes, strict=True)})


def _header_fault(blob: bytes, srs: int) -> str:
    """What is wrong with the header of one geometry; empty if nothing is."""
    if spatialite(heads_of([blob]))[0]:
        return "it is one of SpatiaLite, which GDAL reads but the standard does not know"
    if len(blob) < 8 or blob[:2] != b"GP":
        return "it does not begin with 'GP'"
    if blob[2] != 0:
        return f"its version is {blob[2]}, not 0"
    if (blob[3] >> 1) & 7 > 4 or blob[3] >> 6:
        return f"its flags are {blob[3]:#04x}"
    own = int.from_bytes(blob[4:8], "little" if blob[3] & 1 else "big", signed=True)
    return "" if own == srs else f"its reference system is {own}, that of the layer {srs}"


def _box_findings(
    file: sqlite3.Connection, table: Table, tree: str, boxes: dict[int, NDArray[np.float64]]
) -> Iterator[str]:
    """The boxes of the first rows against those in the R-tree."""
    for fid, box in boxes.items():
        if np.isnan(box[0]):
            continue
        # By equality: an R-tree reads itself whole for any other question about its ids.
        held = file.execute(f"SELECT * FROM {quoted(tree)} WHERE id = ?", (fid,)).fetchone()
        if held is None:
            yield f"row {fid} of {table.name!r} is not in the R-tree"
            return
        slack = _SINGLE * np.abs(box).max()
        outwards = (box - np.array(held[1:5])) * [1, -1, 1, -1]
        if (outwards < 0).any() or (outwards > slack).any():
            yield f"row {fid} of {table.name!r} has another box in the R-tree"
            return


def _tree_findings(file: sqlite3.Connection, table: Table, *, integrity: bool) -> Iterator[str]:
    """The R-tree against the layer, and its triggers; a layer need not have one."""
    tree = rtree_name(table.name, table.geometry or "")
    if not _has(file, tree):
        return
    query = "SELECT lower(name) FROM sqlite_master WHERE type = 'trigger' AND lower(tbl_name) = lower(?)"
    there = {name for (name,) in file.execute(query, (table.name,))}
    if lacking := [" or ".join(ends) for ends in _TRIGGERS if not {f"{tree}_{end}".lower() for end in ends} & there]:
        yield f"the R-tree of {table.name!r} lacks triggers: {', '.join(lacking)}"
    if not integrity:
        return
    name, key, column = quoted(table.name), quoted(table.key), quoted(table.geometry or "")
    rowids = quoted(f"{tree}_rowid")
    (stray,) = file.execute(
        f"SELECT count(*) FROM {rowids} AS r LEFT JOIN {name} AS t ON t.{key} = r.rowid WHERE t.{column} ISNULL"
    ).fetchone()
    if stray:
        yield f"the R-tree of {table.name!r} holds {stray} rows that the layer has not, or has without geometry"
    absent = 0
    beginnings = file.execute(
        f"SELECT substr(t.{column}, 1, 40) FROM {name} AS t LEFT JOIN {rowids} AS r ON r.rowid = t.{key} "
        f"WHERE r.rowid ISNULL AND t.{column} NOTNULL"
    )
    while some := beginnings.fetchmany(_SAMPLE):
        boxes, unknown = bounding_boxes(heads_of([blob for (blob,) in some]))
        absent += int((unknown | ~np.isnan(boxes[:, 0])).sum())
    if absent:
        yield f"the R-tree of {table.name!r} lacks {absent} rows that have geometry"
    (said,) = file.execute("SELECT rtreecheck(?)", (tree,)).fetchone()
    if said != "ok":
        yield f"the R-tree of {table.name!r} is damaged: {said.splitlines()[0]}"


def _count_findings(file: sqlite3.Connection, tables: list[Table]) -> Iterator[str]:
    """GDAL's number of rows, which readers trust, against the rows."""
    if not _has(file, "gpkg_ogr_contents"):
        return
    said = dict(file.execute("SELECT lower(table_name), feature_count FROM gpkg_ogr_contents"))
    for table in tables:
        if (number := said.get(table.name.lower())) is not None:
            (rows,) = file.execute(f"SELECT count(*) FROM {quoted(table.name)}").fetchone()
            if rows != number:
                yield f"layer {table.name!r} has {rows} rows, but gpkg_ogr_contents says {number}"


def _has(file: sqlite3.Connection, name: str) -> bool:
    """Whether the file has a table or view of this name."""
    return file.execute("SELECT 1 FROM sqlite_master WHERE lower(name) = lower(?)", (name,)).fetchone() is not None
