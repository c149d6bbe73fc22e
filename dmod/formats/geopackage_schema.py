"""What the GeoPackage standard (OGC 12-128) prescribes: its tables, triggers and numbers.

Text of SQL and constants only; nothing here opens a file. Source: https://www.geopackage.org/spec/,
clauses 1.1 (core), 2.1 (features), 2.3 (extensions), annexes F.3 (R-tree) and F.8 (metadata).
"""

from __future__ import annotations

from dmod.formats.geopackage_file import quoted

__all__ = [
    "APPLICATION_ID",
    "CORE_TABLES",
    "DATE_FORMAT",
    "LAST_CHANGE",
    "MANDATORY_SRS",
    "METADATA_EXTENSION",
    "METADATA_TABLES",
    "OGR_CONTENTS",
    "RTREE_EXTENSION",
    "SRS_TABLE",
    "USER_VERSION",
    "count_triggers",
    "rtree_name",
    "rtree_triggers",
]

#: ``GPKG`` in ASCII, at byte 68 of the file.
APPLICATION_ID = 0x47504B47
#: Version 1.2.0 of the standard, as the published hydrofabrics have it.
USER_VERSION = 10200
#: How the standard writes an instant, for SQLite's strftime.
DATE_FORMAT = "%Y-%m-%dT%H:%M:%fZ"
#: What stands for "last change" where no instant is known: files do not depend on the clock.
LAST_CHANGE = "2024-01-01T00:00:00.000Z"
#: Extension, definition and scope, as ``gpkg_extensions`` lists them.
RTREE_EXTENSION = ("gpkg_rtree_index", "http://www.geopackage.org/spec120/#extension_rtree", "write-only")
METADATA_EXTENSION = ("gpkg_metadata", "http://www.geopackage.org/spec120/#extension_metadata", "read-write")

#: Coordinate reference systems that every file lists: name, id, organization, its id, definition, description.
MANDATORY_SRS = (
    ("Undefined Cartesian SRS", -1, "NONE", -1, "undefined", "undefined Cartesian coordinate reference system"),
    ("Undefined geographic SRS", 0, "NONE", 0, "undefined", "undefined geographic coordinate reference system"),
    (
        "WGS 84 geodetic",
        4326,
        "EPSG",
        4326,
        (
            'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],'
            'AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],'
            'UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],AXIS["Latitude",NORTH],AXIS["Longitude",EAST],'
            'AUTHORITY["EPSG","4326"]]'
        ),
        "longitude/latitude coordinates in decimal degrees on the WGS 84 spheroid",
    ),
)

SRS_TABLE = """CREATE TABLE gpkg_spatial_ref_sys (
  srs_name TEXT NOT NULL, srs_id INTEGER NOT NULL PRIMARY KEY, organization TEXT NOT NULL,
  organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT)"""

#: The tables of a file with features, beside the one of reference systems.
CORE_TABLES = (
    f"""CREATE TABLE gpkg_contents (
  table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE, description TEXT DEFAULT '',
  last_change DATETIME NOT NULL DEFAULT (strftime('{DATE_FORMAT}', 'now')),
  min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER,
  CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id))""",
    """CREATE TABLE gpkg_geometry_columns (
  table_name TEXT NOT NULL, column_name TEXT NOT NULL, geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL,
  z TINYINT NOT NULL, m TINYINT NOT NULL,
  CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name), CONSTRAINT uk_gc_table_name UNIQUE (table_name),
  CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),
  CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id))""",
    """CREATE TABLE gpkg_extensions (
  table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL, definition TEXT NOT NULL, scope TEXT NOT NULL,
  CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name))""",
)

#: Not of the standard: where GDAL keeps the number of rows, so as not to count them.
OGR_CONTENTS = """CREATE TABLE gpkg_ogr_contents (
  table_name TEXT NOT NULL PRIMARY KEY, feature_count INTEGER DEFAULT NULL)"""

METADATA_TABLES = (
    """CREATE TABLE gpkg_metadata (
  id INTEGER CONSTRAINT m_pk PRIMARY KEY ASC NOT NULL, md_scope TEXT NOT NULL DEFAULT 'dataset',
  md_standard_uri TEXT NOT NULL, mime_type TEXT NOT NULL DEFAULT 'text/xml', metadata TEXT NOT NULL DEFAULT '')""",
    f"""CREATE TABLE gpkg_metadata_reference (
  reference_scope TEXT NOT NULL, table_name TEXT, column_name TEXT, row_id_value INTEGER,
  timestamp DATETIME NOT NULL DEFAULT (strftime('{DATE_FORMAT}', 'now')),
  md_file_id INTEGER NOT NULL, md_parent_id INTEGER,
  CONSTRAINT crmr_mfi_fk FOREIGN KEY (md_file_id) REFERENCES gpkg_metadata(id),
  CONSTRAINT crmr_mpi_fk FOREIGN KEY (md_parent_id) REFERENCES gpkg_metadata(id))""",
)

#: How R-tree triggers end and what they do; {r} is the R-tree, {t} the layer, {c} its geometry, {i} its key.
_BOX = 'ST_MinX(NEW."{c}"), ST_MaxX(NEW."{c}"), ST_MinY(NEW."{c}"), ST_MaxY(NEW."{c}")'
_NEW = '(NEW."{c}" NOTNULL AND NOT ST_IsEmpty(NEW."{c}"))'
_NOT_NEW = '(NEW."{c}" ISNULL OR ST_IsEmpty(NEW."{c}"))'
_SAME, _MOVED = 'OLD."{i}" = NEW."{i}"', 'OLD."{i}" != NEW."{i}"'
_PUT = 'INSERT OR REPLACE INTO "{r}" VALUES (NEW."{i}", ' + _BOX + ")"
_TAKE = 'DELETE FROM "{r}" WHERE id = OLD."{i}"'
_RTREE_TRIGGERS = {
    "insert": ("INSERT", _NEW, _PUT),
    "update2": ('UPDATE OF "{c}"', f"{_SAME} AND {_NOT_NEW}", _TAKE),
    "update4": ("UPDATE", f"{_MOVED} AND {_NOT_NEW}", 'DELETE FROM "{r}" WHERE id IN (OLD."{i}", NEW."{i}")'),
    "update5": ("UPDATE", f"{_MOVED} AND {_NEW}", f"{_TAKE}; {_PUT}"),
    "update6": (
        'UPDATE OF "{c}"',
        f'{_SAME} AND {_NEW} AND (OLD."{{c}}" NOTNULL AND NOT ST_IsEmpty(OLD."{{c}}"))',
        (
            'UPDATE "{r}" SET minx = ST_MinX(NEW."{c}"), maxx = ST_MaxX(NEW."{c}"), '
            'miny = ST_MinY(NEW."{c}"), maxy = ST_MaxY(NEW."{c}") WHERE id = NEW."{i}"'
        ),
    ),
    "update7": (
        'UPDATE OF "{c}"',
        f'{_SAME} AND {_NEW} AND (OLD."{{c}}" ISNULL OR ST_IsEmpty(OLD."{{c}}"))',
        'INSERT INTO "{r}" VALUES (NEW."{i}", ' + _BOX + ")",
    ),
    "delete": ("DELETE", 'OLD."{c}" NOT NULL', _TAKE),
}


def rtree_name(table: str, column: str) -> str:
    """The name that the standard gives to the R-tree of a layer."""
    return f"rtree_{table}_{column}"


def rtree_triggers(table: str, column: str, key: str) -> list[str]:
    """SQL of the triggers that keep the R-tree of a layer true, of version 1.4 of the standard."""
    names = {"r": rtree_name(table, column), "t": table, "c": column, "i": key}
    inner = {short: name.replace('"', '""') for short, name in names.items()}
    return [
        f"CREATE TRIGGER {quoted(names['r'] + '_' + end)} AFTER {event.format(**inner)} ON {quoted(table)} "
        f"WHEN {when.format(**inner)} BEGIN {act.format(**inner)}; END"
        for end, (event, when, act) in _RTREE_TRIGGERS.items()
    ]


def count_triggers(table: str) -> dict[str, str]:
    """Name to SQL of the triggers that keep GDAL's number of rows true."""
    text = table.replace("'", "''")
    return {
        (name := f"trigger_{event.lower()}_feature_count_{table}"): (
            f"CREATE TRIGGER {quoted(name)} AFTER {event} ON {quoted(table)} BEGIN UPDATE gpkg_ogr_contents "
            f"SET feature_count = feature_count {sign} 1 WHERE lower(table_name) = lower('{text}'); END"
        )
        for event, sign in (("INSERT", "+"), ("DELETE", "-"))
    }
