"""Reading a hydrofabric from a GeoPackage of any version.

Only columns are read, never geometry, so that ten thousand catchments take tens of
milliseconds and a million a few seconds. Versions differ in how columns are called; which
is which is told by the columns themselves, as files carry no reliable stamp.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dmod.errors import HydrofabricError
from dmod.formats.geopackage_columns import Columns, read_columns
from dmod.formats.geopackage_file import Layout, first_of, layout_of, opened, quoted
from dmod.formats.geopackage_marks import read_marks
from dmod.formats.hydrofabric import Hydrofabric, Layer, Version, no_column
from dmod.formats.names import Names
from dmod.formats.topology import Catchments, Floats, Flowpaths, Nexuses, Topology, catchment_names

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

__all__ = ["read_attributes", "read_geometry", "read_geopackage"]

#: What a column may be called, the present spelling first, then that of version 3, then older ones.
_DIVIDES: dict[str, tuple[str, ...]] = {
    "id": ("divide_id", "id"),
    "toid": ("toid", "flowpath_toid"),
    "flowpath": ("id", "flowpath_id"),
    "region": ("vpuid", "vpu"),
    "area_km2": ("areasqkm", "area_sqkm"),
}
_FLOWPATHS: dict[str, tuple[str, ...]] = {
    "id": ("id", "flowpath_id"),
    "toid": ("toid", "flowpath_toid"),
    "catchment": ("realized_catchment", "divide_id"),
    "length_km": ("lengthkm", "length_km"),
    "total_km2": ("tot_drainage_areasqkm", "total_dasqkm", "tot_drainage_area"),
    "order": ("order", "streamorder"),
    "mainstem": ("mainstem", "mainstem_id", "main_id"),
}
_NEXUSES: dict[str, tuple[str, ...]] = {"id": ("id", "nexus_id"), "toid": ("toid", "nexus_toid")}
#: Which of our columns are numbers.
_NUMBERS = ("area_km2", "length_km", "total_km2", "order", "mainstem")
_CHANNELS = ("wb", "fp", "wat")


def read_geopackage(path: Path) -> Hydrofabric:
    """Read the tables of a GeoPackage of version 1.2, 2.0, 2.1, 2.2 or 3.

    Raises
    ------
    HydrofabricError
        If it is damaged, not a hydrofabric that can be run, or lacks a layer or column.
    """
    with opened(path) as file:
        layout = layout_of(file)
        _require_layers(path, file, layout)
        flowpaths, realized = _flowpaths(path, layout)
        catchments, regions = _catchments(path, file, layout, flowpaths, realized)
        nexuses = _nexuses(path, layout)
        marks = read_marks(path, file, layout, catchments)
    return Hydrofabric(
        path=path,
        nexus_path=None,
        version=_version(layout),
        topology=Topology(catchments, flowpaths, nexuses, marks, regions),
    )


def read_attributes(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Columns of ``divides`` and of the tables joined to it, indexed by catchment id.

    A table is joined if it has a ``divide_id``, or an ``id`` that names catchments; the first
    row of each catchment counts.
    """
    with opened(path) as file:
        layout = layout_of(file)
        key = "divide_id" if "divide_id" in layout["divides"] else "id"
        keys = {"divides": key} | _joined(file, layout)
        home = {column: table for table in reversed(keys) for column in layout[table]}
        for column in columns:
            if column not in home:
                raise no_column(path, column, home, of="the hydrofabric")
        found = []
        for table in dict.fromkeys(home[column] for column in columns):
            here = [column for column in dict.fromkeys(columns) if home[column] == table]
            ids, *values = _values(file, table, [keys[table], *here])
            frame = pd.DataFrame(dict(zip(here, values, strict=True)), index=pd.Index(ids, dtype=object))
            found.append(frame[~frame.index.duplicated()])
    joined = pd.concat(found, axis=1) if found else pd.DataFrame(index=pd.Index([], dtype=object))
    # A column without any value has no kind of its own: NaN is what arithmetic understands.
    empty = [column for column in joined if joined[column].isna().all()]
    return joined.astype(dict.fromkeys(empty, float))[list(columns)].rename_axis("id")


def read_geometry(path: Path, layer: Layer) -> GeoDataFrame:
    """A layer as geopandas has it, indexed by its id."""
    try:
        import geopandas
    except ImportError as error:
        raise HydrofabricError(
            "geometry needs geopandas", needed="geopandas and pyogrio", hint="pip install geopandas pyogrio"
        ) from error
    with opened(path) as file:
        layout = layout_of(file)
    if layer not in layout:
        raise _no_layer(path, layer, layout)
    frame: GeoDataFrame = geopandas.read_file(path, layer=layer, engine="pyogrio")
    spelled: dict[Layer, dict[str, tuple[str, ...]]] = {
        "divides": _DIVIDES,
        "flowpaths": _FLOWPATHS,
        "nexus": _NEXUSES,
    }
    key = first_of(frame.columns, spelled[layer]["id"]) or "id"
    return frame.set_index(key).rename_axis("id")


def _require_layers(path: Path, file: sqlite3.Connection, layout: Layout) -> None:
    """Refuse files without divides or nexuses, and say what they are where that is known."""
    if "divides" not in layout:
        raise _no_layer(path, "divides", layout)
    if "nexus" in layout:
        return
    if key := first_of(layout["divides"], _DIVIDES["id"]):
        row = file.execute(f"SELECT {quoted(key)} FROM divides LIMIT 1").fetchone()
        catchment_names(path, row or [])
    raise _no_layer(path, "nexus", layout)


def _no_layer(path: Path, layer: str, layout: Layout) -> HydrofabricError:
    """The error for a layer that is not there."""
    return HydrofabricError(
        f"the GeoPackage has no layer {layer!r}",
        path=path,
        needed=layer,
        has=", ".join(layout) or "no layers",
        hint="use a NextGen hydrofabric of version 1.2 or later, which has divides, flowpaths and nexus",
    )


def _spelled(columns: Sequence[str], names: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Our names of columns that are there, and how the file spells them."""
    found = {ours: first_of(columns, theirs) for ours, theirs in names.items()}
    return {ours: column for ours, column in found.items() if column is not None}


def _chosen(path: Path, table: str, names: Mapping[str, str]) -> Columns:
    """Columns of a table, the numbers among them as numbers."""
    ids = [column for ours, column in names.items() if ours not in {*_NUMBERS, "region"}]
    return read_columns(
        path,
        table,
        ids=list(dict.fromkeys(ids)),
        texts=[column for ours, column in names.items() if ours == "region"],
        numbers=[column for ours, column in names.items() if ours in _NUMBERS],
    )


def _numbers(held: Columns, names: Mapping[str, str], column: str) -> Floats:
    """One of our columns of numbers; NaN throughout where the file lacks it."""
    return held.numbers[names[column]] if column in names else np.full(len(held.fids), np.nan)


def _flowpaths(path: Path, layout: Layout) -> tuple[Flowpaths, Names | None]:
    """The flowpaths, empty without such a layer; and the catchment of each where they alone tell."""
    names = _spelled(layout.get("flowpaths", []), _FLOWPATHS)
    if "id" not in names:
        names = {}
    if "flowpath" in _of_divides(layout):
        names.pop("catchment", None)
    held = _chosen(path, "flowpaths", names) if names else Columns(np.zeros(0, dtype=np.int64), {}, {}, {})
    none = Names.of([None] * len(held.fids))
    ids, toid, realized = (held.ids[names[c]] if c in names else None for c in ("id", "toid", "catchment"))
    columns = [_numbers(held, names, column) for column in ("length_km", "total_km2", "order", "mainstem")]
    return Flowpaths(ids or none, toid or none, *columns), realized


def _nexuses(path: Path, layout: Layout) -> Nexuses:
    """The nexuses."""
    names = _spelled(layout["nexus"], _NEXUSES)
    for ours in _NEXUSES:
        if ours not in names:
            raise no_column(path, ours, layout["nexus"], of="layer 'nexus'")
    held = _chosen(path, "nexus", names)
    return Nexuses(held.ids[names["id"]], held.ids[names["toid"]])


def _of_divides(layout: Layout) -> dict[str, str]:
    """How the columns of divides are spelled; one that has only an ``id`` does not tell of flowpaths."""
    names = _spelled(layout["divides"], _DIVIDES)
    if names.get("flowpath") == names.get("id"):
        names.pop("flowpath", None)
    return names


def _catchments(
    path: Path, file: sqlite3.Connection, layout: Layout, flowpaths: Flowpaths, realized: Names | None
) -> tuple[Catchments, tuple[str, ...]]:
    """The divides, and their regions."""
    names = _of_divides(layout)
    # Version 3 may leave it to the flowpaths where water goes.
    through = "toid" not in names and {"flowpath_id"} == {names.get("flowpath")} and len(flowpaths.ids) > 0
    for ours in ("id", "toid", "area_km2"):
        if ours not in names and not (ours == "toid" and through):
            raise no_column(path, _DIVIDES[ours][0], layout["divides"], of="layer 'divides'")
    held = _chosen(path, "divides", names)
    ids = _checked(path, file, names["id"], held.ids[names["id"]])
    if "flowpath" in names:
        channel = held.ids[names["flowpath"]]
    elif realized is not None:
        channel = _taken(flowpaths.ids, realized.find(ids))
    else:
        channel = Names.of([None] * len(ids))
    toid = _taken(flowpaths.toid, flowpaths.ids.find(channel)) if through else held.ids[names["toid"]]
    regions: tuple[str, ...] = ()
    region = np.full(len(ids), -1, dtype=np.int16)
    if "region" in names:
        places, regions = held.texts[names["region"]].kinds()
        region = places.astype(np.int16)
    return Catchments(ids, toid, channel, _numbers(held, names, "area_km2"), region), regions


def _checked(path: Path, file: sqlite3.Connection, column: str, ids: Names) -> Names:
    """Ids of catchments; those that do not look like any are refused as they stand in the file."""
    if ids.present.all() and not ids.odd and not ids.having(_CHANNELS).any():
        return ids
    ((*values,),) = _values(file, "divides", [column])
    return catchment_names(path, values)


def _taken(names: Names, places: NDArray[np.intp]) -> Names:
    """The ids at some places; missing where a place is -1."""
    return Names.joined([names, Names.of([None])]).take(places)


def _version(layout: Layout) -> Version:
    """The release of the data model, by its column signatures."""
    network = layout.get("network", [])
    if "flowpath_id" in layout["divides"] or "nexus_id" in layout["nexus"]:
        return "v3"
    hyphened = layout.keys() & {"divide-attributes", "flowpath-attributes"}
    if hyphened or {"topo", "poi_id", "vpuid"} <= set(network):
        return "v2.2"
    if {"hl_id", "vpuid"} <= set(network):
        return "v2.1"
    first = ("flowpath_edge_list" in layout) or ("realized_catchment" in layout.get("flowpaths", []))
    if first or "id" not in layout["divides"] or "divide_id" not in layout["divides"]:
        return "v1.2"
    return "v2.2" if "vpuid" in layout["divides"] and "vpu" not in network else "v2.0"


def _joined(file: sqlite3.Connection, layout: Layout) -> dict[str, str]:
    """Tables that hold one row per catchment, and the column that names it."""
    keys = {}
    for table, columns in layout.items():
        # In `network` and `flowpaths` a catchment is named, but the row is not about it.
        if table in {"divides", "network", "flowpaths"}:
            continue
        if "divide_id" in columns:
            keys[table] = "divide_id"
        elif "id" in columns:
            row = file.execute(f"SELECT id FROM {quoted(table)} LIMIT 1").fetchone()
            if row and isinstance(row[0], str) and row[0].startswith("cat-"):
                keys[table] = "id"
    return keys


def _values(file: sqlite3.Connection, table: str, columns: Sequence[str]) -> list[tuple[object, ...]]:
    """Columns of a table as they are, in the order of its rows."""
    listed = ", ".join(map(quoted, columns))
    rows = file.execute(f"SELECT {listed} FROM {quoted(table)}").fetchall()
    return list(zip(*rows, strict=True)) if rows else [() for _ in columns]
