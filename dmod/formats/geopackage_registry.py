"""What a GeoPackage says of its layers, as it is written for rows copied from another one.

Reference systems, contents with their extents, extensions, GDAL's counts, metadata, then
indexes, views and triggers. What is broken in the source is left out or mended: a layer that
is listed but not there, features without a geometry column, a reference system without a definition,
an R-tree without triggers. The source is attached to the new file as ``src``; rows are no concern here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from dmod.formats.geopackage_rows import Table
from dmod.formats.geopackage_schema import (
    CORE_TABLES,
    DATE_FORMAT,
    LAST_CHANGE,
    MANDATORY_SRS,
    METADATA_EXTENSION,
    METADATA_TABLES,
    OGR_CONTENTS,
    RTREE_EXTENSION,
    SRS_TABLE,
    count_triggers,
    rtree_triggers,
)

__all__ = ["STANDARDS", "Extent", "copy_schema", "register", "start"]

#: What a stamp may say, and the standard that says what it means.
STANDARDS = {
    "version": "https://semver.org",
    "license": "https://spdx.org/licenses/",
    "selection": "http://purl.org/dc/terms/description",
}

#: Bounding box of a layer: minx, miny, maxx, maxy; None if it has nothing on the ground.
Extent = tuple[float, float, float, float] | None


def start(file: sqlite3.Connection) -> None:
    """Make the core tables, and the reference systems that layers use, beside the three that are mandatory."""
    made = file.execute("SELECT sql FROM src.sqlite_master WHERE name = 'gpkg_spatial_ref_sys'").fetchone()
    file.execute(made[0] if made else SRS_TABLE)
    for sql in CORE_TABLES:
        file.execute(sql)
    if made:
        file.execute(
            "INSERT INTO main.gpkg_spatial_ref_sys SELECT * FROM src.gpkg_spatial_ref_sys "
            f"WHERE srs_id IN (-1, 0, 4326) OR srs_id IN ({_srs_used(file)}) ORDER BY srs_id"
        )
    columns = ["srs_name", "srs_id", "organization", "organization_coordsys_id", "definition", "description"]
    known = [row[1] for row in file.execute("PRAGMA main.table_info(gpkg_spatial_ref_sys)")]
    more = [name for name in known if name.startswith("definition_")]  # of the extension for longer definitions
    there = {srs for (srs,) in file.execute("SELECT srs_id FROM main.gpkg_spatial_ref_sys")}
    # A layer's system that the source does not define stays the layer's, if without a definition.
    lost = [
        (f"srs {srs}", srs, "NONE", srs, "undefined", "not defined in the file this was taken from")
        for (srs,) in file.execute(_srs_used(file) + " ORDER BY 1").fetchall()
    ]
    for row in (*MANDATORY_SRS, *lost):
        if row[1] not in there:
            marks = ", ".join("?" * (len(columns) + len(more)))
            file.execute(
                f"INSERT OR IGNORE INTO main.gpkg_spatial_ref_sys ({', '.join(columns + more)}) VALUES ({marks})",
                (*row, *(["undefined"] * len(more))),
            )


def _srs_used(file: sqlite3.Connection) -> str:
    """The query for the reference systems that layers of the source use."""
    used = "SELECT srs_id FROM src.gpkg_contents WHERE srs_id NOTNULL"
    if _has(file, "gpkg_geometry_columns"):
        used += " UNION SELECT srs_id FROM src.gpkg_geometry_columns WHERE srs_id NOTNULL"
    return used


def _has(file: sqlite3.Connection, name: str) -> bool:
    """Whether the source has a table of this name."""
    return file.execute("SELECT 1 FROM src.sqlite_master WHERE name = ?", (name,)).fetchone() is not None


def register(
    file: sqlite3.Connection,
    tables: Sequence[Table],
    extents: Mapping[str, Extent],
    counts: Mapping[str, int],
    stamp: Mapping[str, str],
) -> None:
    """List the layers with their extents and numbers of rows, their extensions, and the metadata."""
    _copy_contents(file, tables, extents)
    _copy_extensions(file, tables)
    if _has(file, "gpkg_ogr_contents"):
        file.execute(OGR_CONTENTS)
        listed = [(table.name, counts.get(table.name, 0)) for table in tables if table.name in _listed(file)]
        file.executemany("INSERT INTO main.gpkg_ogr_contents VALUES (?, ?)", listed)
    _copy_metadata(file, stamp)


def _copy_contents(file: sqlite3.Connection, tables: Sequence[Table], extents: Mapping[str, Extent]) -> None:
    """Contents, and the geometry columns of features."""
    named = {table.name.lower(): table for table in tables}
    views = {name.lower() for (name,) in file.execute("SELECT name FROM src.sqlite_master WHERE type = 'view'")}
    contents = file.execute(
        "SELECT table_name, data_type, identifier, description, "
        f"coalesce(strftime('{DATE_FORMAT}', last_change), '{LAST_CHANGE}'), srs_id "
        "FROM src.gpkg_contents ORDER BY rowid"
    )
    for name, kind, identifier, description, changed, srs in contents.fetchall():
        table = named.get(name.lower())
        if table is None and name.lower() not in views:
            continue  # listed, but not there
        if table is not None:
            name, kind = table.name, _kind(kind, table)
        row = (name, kind, identifier, description, changed, *(extents.get(name) or (None,) * 4), srs)
        file.execute("INSERT INTO main.gpkg_contents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    if _has(file, "gpkg_geometry_columns"):
        file.execute(
            "INSERT INTO main.gpkg_geometry_columns "
            "SELECT c.table_name, g.column_name, g.geometry_type_name, g.srs_id, "
            "g.z, g.m FROM src.gpkg_geometry_columns AS g JOIN main.gpkg_contents AS c "
            "ON lower(c.table_name) = lower(g.table_name) WHERE c.data_type = 'features' ORDER BY g.rowid"
        )


def _copy_extensions(file: sqlite3.Connection, tables: Sequence[Table]) -> None:
    """Extensions of layers and of the table of reference systems, and R-trees as they were made here."""
    if _has(file, "gpkg_extensions"):
        file.execute(
            "INSERT OR IGNORE INTO main.gpkg_extensions "
            "SELECT table_name, column_name, extension_name, definition, scope FROM src.gpkg_extensions "
            "WHERE extension_name NOT IN ('gpkg_rtree_index', 'gpkg_metadata') AND (lower(table_name) = "
            "'gpkg_spatial_ref_sys' OR lower(table_name) IN (SELECT lower(table_name) FROM main.gpkg_contents)) "
            "ORDER BY rowid"
        )
    trees = [(table.name, table.geometry, *RTREE_EXTENSION) for table in tables if table.geometry is not None]
    file.executemany("INSERT INTO main.gpkg_extensions VALUES (?, ?, ?, ?, ?)", trees)


def _listed(file: sqlite3.Connection) -> set[str]:
    """Layers that the new file lists."""
    return {name for (name,) in file.execute("SELECT table_name FROM main.gpkg_contents")}


def _kind(kind: str, table: Table) -> str:
    """Features without a geometry column are attributes, whatever the source says."""
    return "attributes" if kind == "features" and table.geometry is None else kind


def _copy_metadata(file: sqlite3.Connection, stamp: Mapping[str, str]) -> None:
    """The stamp, then what the source says of itself and of its layers."""
    notes: list[tuple[object, ...]] = [
        ("dataset", STANDARDS.get(what, what), "text/plain", text, "geopackage", None, None, LAST_CHANGE)
        for what, text in stamp.items()
    ]
    if _has(file, "gpkg_metadata") and _has(file, "gpkg_metadata_reference"):
        earlier = file.execute(
            "SELECT m.md_scope, m.md_standard_uri, m.mime_type, m.metadata, lower(r.reference_scope), r.table_name, "
            f"r.column_name, coalesce(strftime('{DATE_FORMAT}', r.timestamp), '{LAST_CHANGE}') FROM src.gpkg_metadata "
            "AS m JOIN src.gpkg_metadata_reference AS r ON r.md_file_id = m.id WHERE lower(r.reference_scope) IN "
            "('geopackage', 'table', 'column') AND (r.table_name ISNULL OR lower(r.table_name) IN "
            "(SELECT lower(table_name) FROM main.gpkg_contents)) ORDER BY m.id, r.rowid"
        )
        said = {note[1] for note in notes}
        notes += [note for note in earlier.fetchall() if note[1] not in said]
    if not notes:
        return
    for sql in METADATA_TABLES:
        file.execute(sql)
    for number, (scope, uri, mime, text, reach, table, column, when) in enumerate(notes, 1):
        file.execute("INSERT INTO main.gpkg_metadata VALUES (?, ?, ?, ?, ?)", (number, scope, uri, mime, text))
        reference = (reach, table, column, None, when, number, None)
        file.execute("INSERT INTO main.gpkg_metadata_reference VALUES (?, ?, ?, ?, ?, ?, ?)", reference)
    for name in ("gpkg_metadata", "gpkg_metadata_reference"):
        file.execute("INSERT INTO main.gpkg_extensions VALUES (?, NULL, ?, ?, ?)", (name, *METADATA_EXTENSION))


def copy_schema(file: sqlite3.Connection, tables: Sequence[Table]) -> None:
    """Make indexes, views and triggers; last, so that filling the tables pays for none of them."""
    made = file.execute(
        "SELECT type, name, tbl_name, sql FROM src.sqlite_master WHERE type IN ('index', 'view', 'trigger') "
        "AND sql NOTNULL ORDER BY type = 'trigger', type = 'view', rowid"
    ).fetchall()
    named = {table.name.lower() for table in tables}
    triggers: dict[str, dict[str, str]] = {}
    for kind, name, on, sql in made:
        if kind == "trigger":
            triggers.setdefault(on.lower(), {})[name] = sql
        elif kind == "view" or on.lower() in named:
            file.execute(sql)
    counted = _listed(file) if _has(file, "gpkg_ogr_contents") else set()
    for table in tables:
        for sql in _triggers(table, triggers.pop(table.name.lower(), {}), counted=table.name in counted):
            file.execute(sql)


def _triggers(table: Table, there: Mapping[str, str], *, counted: bool) -> list[str]:
    """The triggers of a layer: its own, and those of the standard that it lacks."""
    tree = f"rtree_{table.name}_".lower()
    trees = {name: sql for name, sql in there.items() if name.lower().startswith(tree)}
    counts = {name: sql for name, sql in there.items() if "gpkg_ogr_contents" in sql}
    chosen = [sql for name, sql in there.items() if name not in trees and name not in counts]
    if table.geometry is not None:
        ends = {name.lower().rpartition("_")[2] for name in trees}
        whole = {"insert", "update2", "update4", "delete"} <= ends and ends & {"update1", "update6"}
        chosen += trees.values() if whole else rtree_triggers(table.name, table.geometry, table.key)
    if counted:
        chosen += counts.values() if len(counts) == 2 else count_triggers(table.name).values()
    return chosen
