"""Writing a hydrofabric as ngen's GeoJSON files: catchments, nexuses and flowpaths.

Longitude and latitude, as GeoJSON wants; ids are the features' own; ``toid`` of a catchment
is its nexus and that of a nexus the catchment it flows into, as ngen reads them, or a
flowpath without one. What else the tables hold goes along as properties. All files are
written aside before any takes its name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dmod.errors import HydrofabricError, OutputError
from dmod.formats.source import warped

__all__ = ["FILES", "write_geojson"]

#: Layer to the name of its file.
FILES = {
    "divides": "catchment_data.geojson",
    "nexus": "nexus_data.geojson",
    "flowpaths": "flowpath_data.geojson",
}
_GLOBE = "EPSG:4326"
#: Column to the property ngen's files have for it.
_NAMES = {
    "divides": {"id": "flowpath_id", "areasqkm": "area_sqkm"},
    "nexus": {},
    "flowpaths": {"lengthkm": "length_km", "mainstem": "main_id", "divide_id": "realized_catchment"},
}
#: Features written at a time.
_MANY = 2000


def write_geojson(
    directory: Path,
    divides: pd.DataFrame,
    nexus: pd.DataFrame,
    flowpaths: pd.DataFrame | None = None,
    *,
    gages: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write tables of a hydrofabric as GeoJSON files in a directory.

    Parameters
    ----------
    directory : Path
        Where; made if it is not there.
    divides, nexus, flowpaths : GeoDataFrame
        Under their ids, with ``toid``; divides with ``areasqkm`` [km2], and ``id``, their flowpath.
    gages : mapping of str to str, optional
        Gage number to the catchment it ends.
    overwrite : bool
        Whether files of these names may be replaced.

    Returns
    -------
    Path
        The file of catchments, which `Domain.open` takes.

    Raises
    ------
    HydrofabricError
        If a table has no geometry, or does not say what it is in.
    OutputError
        If a file is there and not to be replaced, or cannot be written.
    """
    tables = {"divides": divides, "nexus": nexus} | ({} if flowpaths is None else {"flowpaths": flowpaths})
    directory = Path(directory)
    there = _checked(directory, tables, overwrite=overwrite)
    tables["divides"] = _with_column(divides, "gage", _gages_of(divides, gages)) if gages else divides
    tables["nexus"] = _with_column(nexus, "toid", _into_catchments(nexus["toid"], divides, flowpaths))
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _write_together(directory, tables)
        for path in there:  # of an earlier domain, which had flowpaths
            if path.name not in {FILES[layer] for layer in tables}:
                path.unlink()
    except OSError as error:
        raise OutputError(
            "the GeoJSON files cannot be written",
            path=directory,
            reason=error.strerror or error,
            hint="choose another place, or make room",
        ) from error
    return directory / FILES["divides"]


def _checked(directory: Path, tables: Mapping[str, pd.DataFrame], *, overwrite: bool) -> list[Path]:
    """Files that are there and may be replaced; refuse the others, and tables without shapes."""
    for layer, table in tables.items():
        if "geometry" not in table:
            raise HydrofabricError(f"layer {layer!r} has no geometry", hint="read it with its geometry")
    there = [directory / name for name in FILES.values() if (directory / name).exists()]
    if there and not overwrite:
        raise OutputError(
            "there is something already",
            path=directory,
            has=", ".join(path.name for path in there),
            hint="choose another directory, or allow to overwrite",
        )
    return there


def _write_together(directory: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write all files aside; only when all are whole do they take their names."""
    made: dict[Path, Path] = {}
    try:
        for layer, table in tables.items():
            target = directory / FILES[layer]
            made[target] = target.with_name(f".{target.name}.partial")
            _write(made[target], layer, warped(table, target, layer, _GLOBE))
        for target, partial in made.items():
            partial.replace(target)
    finally:
        for partial in made.values():
            partial.unlink(missing_ok=True)


def _with_column(table: pd.DataFrame, name: str, values: list[str | None]) -> pd.DataFrame:
    """The table with one column made or changed."""
    return table.assign(**{name: pd.Series(values, index=table.index, dtype=object)})


def _gages_of(divides: pd.DataFrame, gages: Mapping[str, str]) -> list[str | None]:
    """The gage that each catchment ends at."""
    of = {catchment: gage for gage, catchment in gages.items()}
    return [of.get(str(name)) for name in divides.index]


def _into_catchments(toid: pd.Series, divides: pd.DataFrame, flowpaths: pd.DataFrame | None) -> list[str | None]:
    """The catchment that each nexus flows into, as ngen has it in GeoJSON; the flowpath where that has none."""
    of = dict(zip(divides["id"].tolist(), divides.index, strict=True)) if "id" in divides else {}
    owned, paths = set(divides.index), () if flowpaths is None else flowpaths.index
    bare = {name for name in paths if name not in of and _of_number(name) not in owned}
    return [
        None if gone else of.get(name) or (_of_number(name) if name not in bare else name)
        for name, gone in zip(toid.tolist(), toid.isna().tolist(), strict=True)
    ]


def _of_number(name: object) -> str:
    """What a nexus flows into, as a catchment: that of the number of a flowpath, which may lie outside."""
    return "cat-" + str(name)[3:] if str(name).startswith("wb-") else str(name)


def _write(path: Path, layer: str, table: pd.DataFrame) -> None:
    """One file, whole on the disk when this returns."""
    head = {
        "type": "FeatureCollection",
        "name": FILES[layer].removesuffix(".geojson"),
        "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}},
    }
    with path.open("w", encoding="utf-8") as file:
        file.write(json.dumps(head)[:-1] + ', "features": [\n')
        between = ""
        for start in range(0, len(table), _MANY):
            lines = list(_features(layer, table.iloc[start : start + _MANY]))
            file.write(between + ",\n".join(lines))
            between = ",\n"
        file.write("\n]}\n")
        file.flush()
        os.fsync(file.fileno())


def _features(layer: str, table: pd.DataFrame) -> Iterator[str]:
    """The features of a piece of a table, as text."""
    import shapely

    shapes = shapely.to_geojson(_turned(table["geometry"].to_numpy()))
    columns = {_NAMES[layer].get(str(name), str(name)): _values(table[name]) for name in table if name != "geometry"}
    rows: Iterable[tuple[Any, ...]] = zip(*columns.values(), strict=True) if columns else [()] * len(table)
    for name, shape, values in zip(table.index, shapes, rows, strict=True):
        properties = json.dumps(dict(zip(columns, values, strict=True)), allow_nan=False)
        geometry = "null" if shape is None else shape
        yield f'{{"type": "Feature", "id": {json.dumps(name)}, "properties": {properties}, "geometry": {geometry}}}'


def _turned(shapes: Any) -> Any:
    """Shapes whose outer rings run against the clock, as GeoJSON wants them, where shapely can turn them."""
    import shapely

    turn = getattr(shapely, "orient_polygons", None)  # of shapely 2.1
    return shapes if turn is None else turn(shapes)


def _values(column: pd.Series) -> list[Any]:
    """The values of a column as JSON knows them."""
    values, gone = column.tolist(), column.isna().tolist()
    for place, value in enumerate(values):
        if gone[place] or (isinstance(value, float) and not np.isfinite(value)):
            values[place] = None
    return values
