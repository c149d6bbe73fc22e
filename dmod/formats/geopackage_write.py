"""Writing a GeoPackage: features and attribute tables, as the NextGen hydrofabric has them.

A layer is a GeoDataFrame, or a DataFrame with a column ``geom`` of geometries (shapely or
WKB), or a plain DataFrame, which becomes a table registered as ``attributes``. The file is written
beside its name and renamed when whole, so nobody ever reads half of one, and the same
layers always give the same bytes: the dates GeoPackage wants are fixed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from dmod.errors import HydrofabricError

if TYPE_CHECKING:
    import geopandas as gpd

__all__ = ["GEOMETRY", "write_geopackage"]

#: Name of the geometry column, in the tables given and in the file.
GEOMETRY = "geom"

#: What stands for "last change" in every file.
_LAST_CHANGE = "2024-01-01T00:00:00.000Z"


def write_geopackage(
    path: Path,
    layers: Mapping[str, pd.DataFrame],
    *,
    crs: str = "EPSG:5070",
    kinds: Mapping[str, str] | None = None,
) -> Path:
    """Write *layers* to one GeoPackage, replacing what was there.

    Parameters
    ----------
    path : Path
        The file; its folder must exist.
    layers : mapping of str to DataFrame
        Name to rows, in the order of the file: GeoDataFrames, DataFrames with a column
        ``geom``, or attribute tables without geometry.
    crs : str
        Coordinate reference system of layers that state none.
    kinds : mapping of str to str, optional
        Geometry type by layer, such as ``{"lakes": "Point"}``; needed where a layer has no
        rows, otherwise that of the rows.

    Returns
    -------
    Path
        *path*.

    Raises
    ------
    HydrofabricError
        If a layer mixes geometry types, or has neither rows nor a kind.
    """
    import pyogrio

    partial = path.with_name(f".{path.stem}.partial.gpkg")  # the writing library wants the ending
    partial.unlink(missing_ok=True)
    try:
        for name, table in layers.items():
            frame = _features(table, crs)
            kind = None if frame is None else (kinds or {}).get(name) or _kind(name, frame)
            pyogrio.write_dataframe(
                table if frame is None else frame,
                partial,
                layer=name,
                driver="GPKG",
                geometry_type=kind,
                layer_options=None if frame is None else {"GEOMETRY_NAME": GEOMETRY},
            )
        _fix_dates(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _features(table: pd.DataFrame, crs: str) -> gpd.GeoDataFrame | None:
    """The layer as features; None for an attribute table."""
    import geopandas as gpd

    if isinstance(table, gpd.GeoDataFrame):
        return table if table.crs is not None else table.set_crs(crs)
    if GEOMETRY not in table.columns:
        return None
    shapes = table[GEOMETRY]
    if len(shapes) and isinstance(shapes.iloc[0], bytes):
        shapes = gpd.GeoSeries.from_wkb(shapes, crs=crs)
    return gpd.GeoDataFrame(table.drop(columns=GEOMETRY), geometry=gpd.GeoSeries(shapes, crs=crs))


def _kind(name: str, frame: gpd.GeoDataFrame) -> str:
    """The one geometry type of a layer."""
    found = sorted(set(frame.geometry.geom_type.dropna()))
    if len(found) == 1:
        return str(found[0])
    raise HydrofabricError(
        f"layer {name!r} needs one geometry type",
        found=", ".join(found) or "no rows",
        hint=f"give kinds={{{name!r}: ...}}",
    )


def _fix_dates(path: Path) -> None:
    """Set the dates that the writing library takes from the clock."""
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE gpkg_contents SET last_change = ?", (_LAST_CHANGE,))
