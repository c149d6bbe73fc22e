"""Reading layers and tables of a GeoPackage, whole or some rows, with the standard library's sqlite3.

Rows are named by fid and read as runs, so that what is read is what is asked for; geometry
becomes shapes many at a time, and bounding boxes come from the heads of the blobs alone.
The file is opened read-only; what drains where is `dmod.formats.geopackage`'s.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dmod.errors import HydrofabricError
from dmod.formats.geopackage_blobs import HEAD_BYTES, Boxes, boxes_of, shapes_of
from dmod.formats.geopackage_file import layout_of, opened, quoted
from dmod.formats.source import Rows, chosen_columns, indexed, key_of, no_layer, warped
from dmod.formats.topology import Topology

__all__ = ["GeopackageTables", "around", "read_boxes", "read_crs", "read_table"]

#: Rows held as Python objects at a time.
_CHUNK = 4096
_REALS = ("REAL", "DOUBLE", "FLOAT", "NUMERIC")


@dataclass(frozen=True)
class _Table:
    """A table as the file declares it."""

    name: str
    #: Column to its declared type, in order; without the geometry and the number of the row.
    kinds: Mapping[str, str]
    #: The column of its geometry, None without one.
    geometry: str | None
    #: Coordinate reference system of its geometry, None where the file says none.
    crs: str | None
    #: The column that is the number of the row, None without one.
    fid: str | None


@dataclass(frozen=True)
class GeopackageTables:
    """The layers of a GeoPackage as a `Source`."""

    #: The file.
    path: Path

    @cached_property
    def layers(self) -> dict[str, tuple[str, ...]]:
        """Layer or table to its columns, without its geometry and row numbers."""
        with opened(self.path) as file:
            return {name: tuple(_table(file, self.path, name).kinds) for name in layout_of(file)}

    def read(
        self,
        layer: str,
        *,
        columns: Sequence[str] | None = None,
        geometry: bool = True,
        crs: str | None = None,
        rows: NDArray[np.integer] | None = None,
    ) -> pd.DataFrame:
        """A layer as a table; see `read_table`."""
        return read_table(self.path, layer, columns=columns, geometry=geometry, crs=crs, rows=rows)

    def crs(self, layer: str) -> str | None:
        """Coordinate reference system of a layer; None where the file says none."""
        return read_crs(self.path, layer)

    def boxes(self, layer: str, rows: NDArray[np.integer] | None = None) -> Boxes:
        """Bounding box of each row of a layer; see `read_boxes`."""
        return read_boxes(self.path, layer, rows)

    def bounds(self, layer: str, rows: NDArray[np.integer] | None = None) -> tuple[float, float, float, float]:
        """The box around all of them; of a whole layer as its R-tree has it, which rounds outwards by up to 0.5 m."""
        found = _root_box(self.path, layer) if rows is None else None
        return around(self.boxes(layer, rows)) if found is None else found

    def numbers(self, layer: str) -> NDArray[np.int64]:
        """The fids of all rows of a layer, ascending."""
        with opened(self.path) as file:
            found = file.execute(f"SELECT rowid FROM {quoted(_table(file, self.path, layer).name)} ORDER BY rowid")
            return np.fromiter((fid for (fid,) in found), dtype=np.int64)

    def rows(self, topology: Topology) -> Rows:
        """Which rows belong to which piece of river."""
        from dmod.formats.layer_rows import LayerRows

        found: Rows = LayerRows.read(self.path, topology)
        return found


def read_table(
    path: Path,
    layer: str,
    *,
    columns: Sequence[str] | None = None,
    geometry: bool = True,
    crs: str | None = None,
    rows: NDArray[np.integer] | None = None,
) -> pd.DataFrame:
    """A layer or table of a GeoPackage, in file order, under its ids.

    Parameters
    ----------
    path : Path
        The file.
    layer : str
        The layer or table.
    columns : sequence of str, optional
        Which columns; all but the number of the row if not given.
    geometry : bool
        Whether geometry is read, where the layer has one; geopandas is imported only then.
    crs : str, optional
        Coordinate reference system wanted, such as ``EPSG:4326``; that of the file if not given.
    rows : array of int, shape (n,), optional
        The fids wanted, ascending, each once; those that are not there are left out. All if not given.

    Returns
    -------
    DataFrame or GeoDataFrame
        The index is ``divide_id`` for tables of divides, else ``id``, else the fid. Columns of
        numbers are float64, or int64 where whole and complete; geometry is in ``geometry``.

    Raises
    ------
    HydrofabricError
        If the file cannot be read, or a layer, a column or the system wanted is not there.
    """
    with opened(path) as file:
        table = _table(file, path, layer)
        wanted = chosen_columns(path, layer, _offered(table, columns), columns)
        key = key_of(layer, list(table.kinds)) or table.fid
        listed = list(dict.fromkeys([*([key] if key else []), *wanted]))
        shaped = table.geometry is not None and geometry and not _is_bare(file, table)
        cursor = _selected(file, table, [*listed, *([str(table.geometry)] if shaped else [])], rows)
        held: list[list[Any]] = [[] for _ in listed]
        shapes: list[NDArray[np.object_]] = [np.zeros(0, dtype=object)]
        while chunk := cursor.fetchmany(_CHUNK):
            values = list(zip(*chunk, strict=True))
            if shaped:
                shapes.append(_shapes(values.pop(), path, layer))
            for column, more in zip(held, values, strict=True):
                column.extend(more)
    kinds = {**table.kinds, str(table.fid): "INTEGER"}
    frame = pd.DataFrame({name: _typed(held.pop(0), kinds[name]) for name in listed})
    frame = indexed(frame, key, wanted)[wanted]
    if not shaped:
        return frame
    return warped(_with_shapes(frame, np.concatenate(shapes), table.crs), path, layer, crs)


def read_crs(path: Path, layer: str) -> str | None:
    """Coordinate reference system of a layer, such as ``EPSG:5070``; None where the file says none."""
    with opened(path) as file:
        return _table(file, path, layer).crs


def read_boxes(path: Path, layer: str, rows: NDArray[np.integer] | None = None) -> Boxes:
    """Bounding box of each row, from the heads of the blobs; shapes are parsed only where a head has none.

    Parameters
    ----------
    path, layer
        The file and its layer.
    rows : array of int, optional
        Which fids, ascending; all if not given.

    Returns
    -------
    array of float, shape (rows, 4)
        Xmin, ymin, xmax, ymax in the units of the layer; NaN where there is nothing.
    """
    with opened(path) as file:
        table = _table(file, path, layer)
        if table.geometry is None:
            return np.zeros((0, 4))
        cursor = _selected(file, table, [table.geometry], rows, head=True)
        found = [np.zeros((0, 4))]
        while chunk := cursor.fetchmany(_CHUNK):
            boxes, unknown = boxes_of([head for head, _ in chunk])
            if unknown.any():
                boxes[unknown] = _parsed_boxes(file, path, table, [chunk[at][1] for at in np.flatnonzero(unknown)])
            found.append(boxes)
    return np.concatenate(found)


def around(boxes: Boxes) -> tuple[float, float, float, float]:
    """The box around boxes; NaN without any."""
    if not len(boxes) or np.isnan(boxes).all():
        return (np.nan,) * 4
    low, high = np.nanmin(boxes[:, :2], axis=0), np.nanmax(boxes[:, 2:], axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _table(file: sqlite3.Connection, path: Path, layer: str) -> _Table:
    """What the file declares of a layer."""
    found = file.execute(f"PRAGMA table_info({quoted(layer)})").fetchall()
    if not found:
        raise no_layer(path, layer, list(layout_of(file)), of="the GeoPackage")
    fid = next((name for _, name, kind, *_, key in found if key and kind.upper() == "INTEGER"), None)
    try:
        query = "SELECT column_name, srs_id FROM gpkg_geometry_columns WHERE lower(table_name) = lower(?)"
        geometry, srs = file.execute(query, (layer,)).fetchone() or (None, None)
    except sqlite3.OperationalError:  # a file without any registered geometry
        geometry, srs = None, None
    kinds = {name: kind.upper() for _, name, kind, *_ in found if name not in {geometry, fid}}
    return _Table(layer, kinds, geometry, None if srs is None else _reference(file, srs), fid)


def _reference(file: sqlite3.Connection, srs: int) -> str | None:
    """A reference system as pyproj knows it: authority and number, else its definition."""
    query = "SELECT organization, organization_coordsys_id, definition FROM gpkg_spatial_ref_sys WHERE srs_id = ?"
    organization, number, definition = file.execute(query, (srs,)).fetchone() or ("NONE", 0, "undefined")
    if str(organization).upper() in {"EPSG", "ESRI", "OGC", "IAU_2015"}:
        return f"{str(organization).upper()}:{number}"
    return None if str(definition).lower() in {"", "undefined", "none"} else str(definition)


def _is_bare(file: sqlite3.Connection, table: _Table) -> bool:
    """Whether a layer only claims to have geometry: rows, but neither shape nor reference system."""
    if table.crs is not None:
        return False
    name, geometry = quoted(table.name), quoted(str(table.geometry))
    query = f"SELECT EXISTS (SELECT 1 FROM {name}), EXISTS (SELECT 1 FROM {name} WHERE {geometry} NOTNULL)"
    any_row, any_shape = file.execute(query).fetchone()
    return bool(any_row) and not any_shape


def _offered(table: _Table, columns: Sequence[str] | None) -> list[str]:
    """Columns that may be asked for; the number of the row only by name."""
    more = [table.fid] if table.fid is not None and columns is not None else []
    return [*table.kinds, *more]


def _selected(
    file: sqlite3.Connection,
    table: _Table,
    columns: Sequence[str],
    rows: NDArray[np.integer] | None,
    *,
    head: bool = False,
) -> sqlite3.Cursor:
    """Run the query for columns of a table, of all rows or of runs of fids; *head* for 40 bytes and the fid."""
    listed = ", ".join(f"t.{quoted(name)}" for name in columns) or "NULL"
    if head:
        listed = f"substr({listed}, 1, {HEAD_BYTES}), t.rowid"
    if rows is None:
        return file.execute(f"SELECT {listed} FROM {quoted(table.name)} AS t")
    file.execute("PRAGMA temp_store = MEMORY")
    file.execute("CREATE TEMP TABLE IF NOT EXISTS runs (first INTEGER, last INTEGER)")
    file.execute("DELETE FROM temp.runs")
    file.executemany("INSERT INTO temp.runs VALUES (?, ?)", _runs(rows))
    # CROSS keeps the runs outside: each is one descent into the tree of rows.
    joined = f"temp.runs AS r CROSS JOIN {quoted(table.name)} AS t ON t.rowid BETWEEN r.first AND r.last"
    return file.execute(f"SELECT {listed} FROM {joined}")


def _runs(rows: NDArray[np.integer]) -> list[tuple[int, int]]:
    """First and last of each stretch of fids without a gap."""
    if not len(rows):
        return []
    breaks = np.flatnonzero(np.diff(rows) != 1)
    first = rows[np.concatenate([[0], breaks + 1])]
    last = rows[np.concatenate([breaks, [len(rows) - 1]])]
    return list(zip(first.tolist(), last.tolist(), strict=True))


def _typed(values: list[Any], kind: str) -> Any:
    """A column as an array of its declared type, or of objects where its values are not of it."""
    try:
        if kind == "BOOLEAN":
            return values if None in values else np.array(values, dtype=bool)
        if kind.startswith(_REALS):
            return np.array(values, dtype=np.float64)
        if "INT" in kind:
            floats = np.array(values, dtype=np.float64)
            return floats if np.isnan(floats).any() or None in values else np.array(values, dtype=np.int64)
    except (TypeError, ValueError):
        pass
    return pd.Series(values, dtype=object) if not any(values) else values


def _shapes(blobs: Sequence[bytes | None], path: Path, layer: str) -> NDArray[np.object_]:
    """Shapes from blobs; a broken one becomes a HydrofabricError."""
    try:
        return shapes_of(blobs)
    except ValueError as error:
        raise HydrofabricError(
            "a geometry cannot be read",
            path=path,
            layer=layer,
            reason=error,
            hint="the file may be damaged: copy or download it again",
        ) from error


def _with_shapes(frame: pd.DataFrame, shapes: NDArray[np.object_], crs: str | None) -> pd.DataFrame:
    """The table with its shapes."""
    try:
        import geopandas
    except ImportError as error:
        raise HydrofabricError(
            "geometry needs geopandas", needed="geopandas and pyogrio", hint="pip install geopandas pyogrio"
        ) from error
    column = geopandas.GeoSeries(shapes, index=frame.index, crs=crs)
    made: pd.DataFrame = geopandas.GeoDataFrame(frame, geometry=column)
    return made


def _parsed_boxes(file: sqlite3.Connection, path: Path, table: _Table, fids: Sequence[int]) -> Boxes:
    """Boxes of a few rows from the shapes themselves."""
    import shapely

    query = f"SELECT {quoted(str(table.geometry))} FROM {quoted(table.name)} WHERE rowid = ?"
    blobs = [file.execute(query, (fid,)).fetchone()[0] for fid in fids]
    boxes: Boxes = shapely.bounds(_shapes(blobs, path, table.name))
    return boxes


def _root_box(path: Path, layer: str) -> tuple[float, float, float, float] | None:
    """The box around a layer from the root of its R-tree; None without one."""
    with opened(path) as file:
        table = _table(file, path, layer)
        try:
            query = f"SELECT data FROM {quoted(f'rtree_{table.name}_{table.geometry}_node')} WHERE nodeno = 1"
            (data,) = file.execute(query).fetchone() or (b"",)
        except sqlite3.OperationalError:
            return None
    count = int.from_bytes(data[2:4], "big")
    cells = np.frombuffer(data[4 : 4 + 24 * count], dtype=np.dtype([("id", ">i8"), ("box", ">f4", 4)]))
    return around(cells["box"].astype(np.float64)[:, [0, 2, 1, 3]]) if count else None
