"""The tables of a domain: its catchments, flowpaths, nexuses and attributes, gages, lakes.

Nothing is read until a function here is called, and then only the rows of the domain and
the columns asked for, in file order. Shapes come as a GeoDataFrame in the file's own
coordinates unless others are wanted. Works for every kind of source; changes none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dmod.errors import HydrofabricError, InputError, OutputError
from dmod.formats.source import catchment_attributes, catchment_columns, no_layer

if TYPE_CHECKING:
    from dmod.domain.domain import Domain

__all__ = [
    "attributes",
    "bounds",
    "centres",
    "crosswalk_table",
    "crs",
    "divides",
    "flowpaths",
    "gage_table",
    "lakes",
    "layers",
    "linked_layers",
    "nexus",
    "pois",
    "require_not_source",
    "rows_of",
    "sample",
    "table",
    "to_geojson",
    "to_parquet",
]

#: Tables of channel attributes: those of the national model, and machine-learned ones; older names after newer.
_CHANNELS = {"nwm": ("flowpath-attributes", "flowpath_attributes"), "ml": ("flowpath-attributes-ml",)}
#: Tables from which source flowlines are known.
_CROSSWALKS = ("network", "lookup_table", "crosswalk")
#: Columns of whole numbers that files hold as fractions, as some are missing.
_WHOLE = ("hf_id", "poi_id", "NHDPlusV2_COMID")
#: Rows written at a time.
_MANY = 20_000


def layers(domain: Domain) -> dict[str, tuple[str, ...]]:
    """Every layer and table of the domain's file with its columns, geometry left out."""
    return dict(domain.hydrofabric.source.layers)


def table(
    domain: Domain, layer: str, *, columns: Sequence[str] | None = None, geometry: bool = True, crs: str | None = None
) -> pd.DataFrame:
    """Any layer or table of the file: the rows that belong to the domain.

    Parameters
    ----------
    domain : Domain
        Whose rows.
    layer : str
        Its name as the file has it, such as ``divide-attributes``; see `layers`.
    columns : sequence of str, optional
        Which columns; all if not given.
    geometry : bool
        Whether its shapes are read, where it has any.
    crs : str, optional
        Coordinate reference system wanted, such as ``EPSG:4326``; the file's own if not given.

    Returns
    -------
    DataFrame or GeoDataFrame
        In file order; the index is ``divide_id`` for tables of divides and ``id`` for others.

    Raises
    ------
    HydrofabricError
        If there is no such layer or column, or the file does not say what its coordinates are in.
    """
    source = domain.hydrofabric.source
    if layer not in source.layers:
        raise no_layer(domain.hydrofabric.path, layer, list(source.layers))
    return source.read(layer, columns=columns, geometry=geometry, crs=crs, rows=rows_of(domain, layer))


def linked_layers(domain: Domain) -> list[str]:
    """The layers that files of its own get: not flowpaths that are lines on a map only, linked to no nexus."""
    drawn = () if len(domain.hydrofabric.topology.flowpaths.ids) else ("flowpaths",)
    return [layer for layer in domain.hydrofabric.source.layers if layer not in drawn]


def rows_of(domain: Domain, layer: str) -> NDArray[np.int64] | None:
    """Numbers of the domain's rows of a layer; None for all of the file."""
    if domain.chosen is None:
        return None
    # The river counts a nexus once that a file lists twice.
    nexuses = domain.hydrofabric.topology.nexuses.ids.find(domain.nexus_ids)
    rows = domain.hydrofabric.rows
    return rows.of(layer, domain.catchment_places, domain.flowpath_places, np.sort(nexuses[nexuses >= 0]))


def divides(
    domain: Domain, columns: Sequence[str] | None = None, geometry: bool = True, crs: str | None = None
) -> pd.DataFrame:
    """The catchments, under their ids; see `table`."""
    return _shaped(domain, "divides", columns, geometry, crs)


def flowpaths(
    domain: Domain, columns: Sequence[str] | None = None, geometry: bool = True, crs: str | None = None
) -> pd.DataFrame:
    """The flowpaths, under their ids; see `table`."""
    return _shaped(domain, "flowpaths", columns, geometry, crs)


def nexus(
    domain: Domain, columns: Sequence[str] | None = None, geometry: bool = True, crs: str | None = None
) -> pd.DataFrame:
    """The nexuses, under their ids; see `table`."""
    return _shaped(domain, "nexus", columns, geometry, crs)


def lakes(
    domain: Domain, columns: Sequence[str] | None = None, geometry: bool = True, crs: str | None = None
) -> pd.DataFrame:
    """The lakes on its flowpaths; see `table`."""
    return table(domain, _first(domain, ("lakes", "lake_attributes")), columns=columns, geometry=geometry, crs=crs)


def pois(
    domain: Domain, columns: Sequence[str] | None = None, geometry: bool = True, crs: str | None = None
) -> pd.DataFrame:
    """Points of interest on its flowpaths, with what each is: layer ``hydrolocations``, else ``pois``; see `table`."""
    return table(domain, _first(domain, ("hydrolocations", "pois")), columns=columns, geometry=geometry, crs=crs)


def _first(domain: Domain, names: Sequence[str]) -> str:
    """The first of these layers that the file has."""
    has = domain.hydrofabric.source.layers
    found = next((name for name in names if name in has), None)
    if found is None:
        raise no_layer(domain.hydrofabric.path, names[0], list(has))
    return found


def _shaped(domain: Domain, layer: str, columns: Sequence[str] | None, geometry: bool, crs: str | None) -> pd.DataFrame:
    """A layer that has shapes wherever they are asked for."""
    found = table(domain, layer, columns=columns, geometry=geometry, crs=crs)
    if geometry and "geometry" not in found:
        raise HydrofabricError(
            f"layer {layer!r} has no geometry",
            path=domain.hydrofabric.path,
            hint="ask for it with geometry=False",
        )
    return found


def attributes(
    domain: Domain, columns: Sequence[str] | None = None, *, model: Literal["nwm", "ml"] | None = None
) -> pd.DataFrame:
    """Attributes of the catchments, or of their channels.

    Parameters
    ----------
    domain : Domain
        Whose catchments.
    columns : sequence of str, optional
        Names as the file has them. Without *model* they are looked for in ``divides``, then in
        every table with a row per catchment; all of those tables if not given.
    model : {"nwm", "ml"}, optional
        For channels instead: of the national model, or machine-learned.

    Returns
    -------
    DataFrame
        One row per catchment, in file order; missing values where a table has no row. With
        *model*, one row per flowpath that has any.

    Raises
    ------
    HydrofabricError
        If a column or the table is nowhere; the message names the nearest ones.
    InputError
        If *model* is none of these.
    """
    if model is not None:
        if model not in _CHANNELS:
            raise InputError(
                f"there is no model {model!r} of channels", needed="'nwm' or 'ml'", has=repr(model), hint="use one"
            )
        return table(domain, _first(domain, _CHANNELS[model]), columns=columns, geometry=False)
    source, path = domain.hydrofabric.source, domain.hydrofabric.path

    def read(layer: str, names: Sequence[str]) -> pd.DataFrame:
        return table(domain, layer, columns=names, geometry=False)

    wanted = catchment_attributes(source, read) if columns is None else columns
    found = catchment_columns(source, path, wanted, read)
    return found.reindex(pd.Index(domain.catchments.to_objects(), dtype=object, name="id"))


def crosswalk_table(domain: Domain, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """What each flowpath and nexus was in the source network: layer ``network``, many rows to each.

    ``hf_id`` (COMID) and ``poi_id`` are whole numbers, missing where a row has none.
    """
    found = table(domain, _first(domain, _CROSSWALKS), columns=columns, geometry=False)
    whole = {name: "Int64" for name in _WHOLE if name in found and pd.api.types.is_numeric_dtype(found[name])}
    return found.astype(whole)


def gage_table(domain: Domain) -> pd.DataFrame:
    """The gages of the domain.

    Returns
    -------
    DataFrame
        Under the gage's number: ``catchment`` and ``flowpath`` that it ends, ``nexus`` below it,
        ``area_km2`` [km2] of all that drains there along ``toid`` in the whole file, and
        ``reported_km2`` [km2], the drainage area that the file states; NaN where it does not.
    """
    river, held = domain.river, domain.hydrofabric.topology
    listed = domain.gages
    places = held.catchments.ids.find([catchment for catchment, _ in listed.values()])
    area = np.zeros(len(river))
    area[: river.count] = np.nan_to_num(held.catchments.area_km2)
    rows = river.flowpath[places]
    reported = np.append(held.flowpaths.total_km2, np.nan)[rows]
    return pd.DataFrame(
        {
            "catchment": [catchment for catchment, _ in listed.values()],
            "flowpath": held.catchments.flowpath.take(places).to_objects(),
            "nexus": [below for _, below in listed.values()],
            "area_km2": np.array([float(area[river.walk.upstream(place)].sum()) for place in places.tolist()]),
            "reported_km2": reported.astype(np.float64),
        },
        index=pd.Index(list(listed), dtype=object, name="gage"),
    )


def bounds(domain: Domain) -> tuple[float, float, float, float]:
    """The box around its catchments: xmin, ymin, xmax, ymax in the file's coordinates; NaN without shapes.

    From bounding boxes that the file holds, rounded outwards by less than a metre.
    """
    return domain.hydrofabric.source.bounds("divides", rows_of(domain, "divides"))


def crs(domain: Domain) -> str:
    """Coordinate reference system of the catchments, such as ``EPSG:5070``; empty where the file says none."""
    return domain.hydrofabric.source.crs("divides") or ""


def centres(domain: Domain, layer: str = "divides") -> pd.DataFrame:
    """The middle of the bounding box of each row of a layer, from what the file holds of it; no shape is parsed.

    Returns
    -------
    DataFrame
        ``x`` and ``y`` in the file's coordinates, under the ids of the rows.
    """
    source, rows = domain.hydrofabric.source, rows_of(domain, layer)
    ids = table(domain, layer, columns=[], geometry=False).index
    boxes = source.boxes(layer, rows)
    if len(boxes) != len(ids):  # a layer without shapes
        boxes = np.full((len(ids), 4), np.nan)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    return pd.DataFrame({"x": middle[:, 0], "y": middle[:, 1]}, index=ids)


def sample(domain: Domain, count: int) -> Domain:
    """About *count* catchments that stand for all, spread evenly along the rivers; the domain itself if it is smaller.

    Raises
    ------
    InputError
        If *count* is below 1.
    """
    if count < 1:
        raise InputError("a sample has one catchment at least", needed="1 or more", has=count, hint="ask for more")
    if len(domain) <= count:
        return domain
    places = domain.catchment_places
    # Neighbours in the walk are neighbours on the ground.
    order = places[np.argsort(domain.river.walk.position[places], kind="stable")]
    kept = order[np.arange(count) * len(order) // count]
    return domain.part(kept, f"{count:,} of {len(places):,} catchments, evenly thinned")


def to_parquet(domain: Domain, directory: Path, *, hive: str | None = None, overwrite: bool = False) -> Path:
    """Write all its layers as a directory of GeoParquet.

    Parameters
    ----------
    domain : Domain
        What to write.
    directory : Path
        What to make.
    hive : str, optional
        A column such as ``vpuid``: layers that have it get a file for each of its values.
    overwrite : bool
        Whether a directory of Parquet files that is there may be replaced.

    Raises
    ------
    OutputError
        If the directory is there and not to be replaced, is the domain's own source, or cannot be written.
    """
    from dmod.formats.geoparquet_write import write_parquet

    target = Path(directory).expanduser()
    require_not_source(domain, target)
    pieces = {layer: _pieces(domain, layer) for layer in linked_layers(domain)}
    return write_parquet(target, pieces, hive=hive, overwrite=overwrite)


def _pieces(domain: Domain, layer: str) -> Iterator[pd.DataFrame]:
    """A layer a few rows at a time, at least once."""
    source, rows = domain.hydrofabric.source, rows_of(domain, layer)
    rows = source.numbers(layer) if rows is None else rows
    for start in range(0, max(len(rows), 1), _MANY):
        yield source.read(layer, rows=rows[start : start + _MANY])


def to_geojson(domain: Domain, directory: Path, *, overwrite: bool = False) -> Path:
    """Write it as ngen's GeoJSON files; see `dmod.formats.geojson_write.write_geojson`.

    Returns
    -------
    Path
        The file of catchments.
    """
    from dmod.formats.geojson_write import FILES, write_geojson

    target = Path(directory).expanduser()
    require_not_source(domain, *(target / name for name in FILES.values()))
    return write_geojson(
        target,
        divides(domain),
        nexus(domain),
        flowpaths(domain) if "flowpaths" in layers(domain) else None,
        gages={gage: catchment for gage, (catchment, _) in domain.gages.items()},
        overwrite=overwrite,
    )


def require_not_source(domain: Domain, *targets: Path) -> None:
    """Refuse to write over the files that a domain is read from, or into a directory of them.

    Raises
    ------
    OutputError
        If one of *targets* is such a file or directory, or holds one.
    """
    fabric = domain.hydrofabric
    files = (fabric.path, fabric.nexus_path, getattr(fabric.source, "flowpath_path", None))
    sources = [file.resolve() for file in files if file is not None and file.exists()]
    for target in targets:
        place = target.resolve()
        if any(place == source or place in source.parents or source in place.parents for source in sources):
            raise OutputError(
                "a hydrofabric is not written over the source it is read from", path=target, hint="choose another name"
            )
