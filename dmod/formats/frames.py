"""Tables in memory as a hydrofabric: GeoDataFrames that somebody made, changed or read elsewhere.

`from_frames` takes divides, nexuses and whatever else there is and gives what reading a file
would have given. `fabric_of` does the same for any `Source`; the columns are those of
version 1.2 to 2.2. The tables are kept as they are and never written to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dmod.errors import InputError
from dmod.formats.geopackage_blobs import Boxes
from dmod.formats.geopackage_tables import around
from dmod.formats.hydrofabric import Hydrofabric, Version, no_column
from dmod.formats.names import Names
from dmod.formats.source import Rows, Source, chosen_columns, indexed, key_of, no_layer, warped
from dmod.formats.topology import Topology, catchment_names

__all__ = ["FrameTables", "KeyedRows", "fabric_of", "from_frames"]

#: Our name of a column of divides and flowpaths to the names files have for it, the first that is there.
_DIVIDES = {"toid": ("toid",), "area_km2": ("areasqkm", "area_sqkm"), "region": ("vpuid", "vpu")}
_FLOWPATHS = {
    "id": ("id",),
    "toid": ("toid",),
    "length_km": ("lengthkm", "length_km"),
    "total_km2": ("tot_drainage_areasqkm", "tot_drainage_area"),
    "order": ("order",),
    "mainstem": ("mainstem", "main_id"),
}
#: Where gages are named: table, and the column of gages.
_GAGES = (("flowpath-attributes", "gage"), ("flowpath_attributes", "rl_gages"), ("flowpath_attributes", "gages"))


@dataclass(frozen=True)
class FrameTables:
    """Tables in memory as a `Source`."""

    #: What an error names.
    path: Path
    #: Layer to its table, ids among the columns, geometry in ``geometry``.
    frames: Mapping[str, pd.DataFrame] = field(repr=False)

    @cached_property
    def layers(self) -> dict[str, tuple[str, ...]]:
        """Layer or table to its columns, without its geometry."""
        return {name: tuple(str(c) for c in frame.columns if c != "geometry") for name, frame in self.frames.items()}

    def read(
        self,
        layer: str,
        *,
        columns: Sequence[str] | None = None,
        geometry: bool = True,
        crs: str | None = None,
        rows: NDArray[np.integer] | None = None,
    ) -> pd.DataFrame:
        """A layer as a table; rows are places, from 0."""
        frame = self._frame(layer)
        wanted = chosen_columns(self.path, layer, self.layers[layer], columns)
        key = key_of(layer, self.layers[layer])
        listed = list(dict.fromkeys([*([key] if key else []), *wanted]))
        shaped = geometry and "geometry" in frame
        found = frame[[*listed, *(["geometry"] if shaped else [])]]
        found = found if rows is None else found.iloc[np.asarray(rows)]
        return warped(indexed(found, key, wanted), self.path, layer, crs)

    def crs(self, layer: str) -> str | None:
        """Coordinate reference system of a layer; None where the table says none."""
        crs = getattr(self._frame(layer), "crs", None)
        if crs is None:
            return None
        authority = crs.to_authority()
        return ":".join(authority) if authority else str(crs.to_wkt())

    def boxes(self, layer: str, rows: NDArray[np.integer] | None = None) -> Boxes:
        """Bounding box of each row of a layer."""
        frame = self._frame(layer)
        if "geometry" not in frame:
            return np.zeros((0, 4))
        import shapely

        shapes = frame["geometry"].to_numpy()
        boxes: Boxes = shapely.bounds(shapes if rows is None else shapes[np.asarray(rows)])
        return boxes

    def bounds(self, layer: str, rows: NDArray[np.integer] | None = None) -> tuple[float, float, float, float]:
        """The box around all of them; NaN if there is none."""
        return around(self.boxes(layer, rows))

    def numbers(self, layer: str) -> NDArray[np.int64]:
        """The numbers of all rows of a layer."""
        return np.arange(len(self._frame(layer)), dtype=np.int64)

    def rows(self, topology: Topology) -> Rows:
        """Which rows belong to which piece of river."""
        return KeyedRows(self, topology)

    def _frame(self, layer: str) -> pd.DataFrame:
        """The table of a layer."""
        if layer not in self.frames:
            raise no_layer(self.path, layer, list(self.frames))
        return self.frames[layer]


@dataclass(frozen=True)
class KeyedRows:
    """Rows of any source by the ids in them; the ids of each layer are read once."""

    #: Where the ids are read.
    source: Source
    #: What places are numbered in.
    topology: Topology
    _found: dict[str, tuple[NDArray[np.intp], ...] | None] = field(default_factory=dict, repr=False)

    def of(
        self,
        layer: str,
        catchments: NDArray[np.integer],
        flowpaths: NDArray[np.integer],
        nexuses: NDArray[np.integer],
    ) -> NDArray[np.int64]:
        """Rows that name one of these by id; all rows of a table that names nothing."""
        if layer not in self._found:
            self._found[layer] = self._places(layer)
        places = self._found[layer]
        if places is None:
            return self.source.numbers(layer)
        held = self.topology
        kept = np.zeros(len(places[0]), dtype=bool)
        for place, chosen, count in zip(
            places,
            (catchments, flowpaths, nexuses),
            (len(held.catchments.ids), len(held.flowpaths.ids), len(held.nexuses.ids)),
            strict=True,
        ):
            mask = np.zeros(count + 1, dtype=bool)  # the last is for ids that are nowhere
            mask[chosen] = True
            mask[-1] = False
            kept |= mask[place]
        return self.source.numbers(layer)[kept]

    def _places(self, layer: str) -> tuple[NDArray[np.intp], ...] | None:
        """The catchment, flowpath and nexus each row names, -1 for none; None where no column names any."""
        columns = self.source.layers[layer]
        held = self.topology
        known = (held.catchments.ids, held.flowpaths.ids, held.nexuses.ids)
        if layer == "lakes" and "id" not in columns and "poi_id" in columns:
            names = self._by_poi(layer)
        elif (keys := [key for key in ("id", "divide_id") if key in columns]) and layer != "divides":
            # In `network` and `flowpaths` a catchment may be named where the row's own id is another thing's.
            names = _ids(self.source, layer, "id" if "id" in keys else "divide_id")
            if len(keys) == 2:
                names = _filled(names, _ids(self.source, layer, "divide_id"))
        elif keys:
            names = _ids(self.source, layer, str(key_of(layer, columns)))
        else:
            return None
        return tuple(ids.find(names) for ids in known)

    def _by_poi(self, layer: str) -> Names:
        """The flowpath of each row through its point of interest; numbers are text in some tables."""
        if not {"poi_id", "id"} <= set(self.source.layers.get("pois", ())):
            return Names.of([None] * len(self.source.numbers(layer)))
        pois = self.source.read("pois", columns=["poi_id", "id"], geometry=False)
        of = dict(zip(pd.to_numeric(pois["poi_id"], errors="coerce"), _plain(pois["id"]), strict=True))
        lakes = self.source.read(layer, columns=["poi_id"], geometry=False)
        return Names.of([of.get(poi) for poi in pd.to_numeric(lakes["poi_id"], errors="coerce")])


def from_frames(
    divides: pd.DataFrame,
    nexus: pd.DataFrame,
    flowpaths: pd.DataFrame | None = None,
    *,
    tables: Mapping[str, pd.DataFrame] | None = None,
    name: str = "frames",
) -> Hydrofabric:
    """A hydrofabric of tables in memory.

    Parameters
    ----------
    divides, nexus, flowpaths : DataFrame or GeoDataFrame
        With the columns of a hydrofabric. Ids may be the index.
    tables : mapping of str to DataFrame, optional
        Other layers by their name, such as ``divide-attributes``.
    name : str
        What people call it.

    Raises
    ------
    HydrofabricError
        If ids, ``toid`` or areas are missing.
    """
    given = {"divides": divides, "nexus": nexus} | ({} if flowpaths is None else {"flowpaths": flowpaths})
    path = Path(name)
    frames = {layer: _normal(layer, table) for layer, table in (given | dict(tables or {})).items()}
    return fabric_of(FrameTables(path, frames), path)


def fabric_of(source: Source, path: Path, *, version: Version | None = None) -> Hydrofabric:
    """The hydrofabric that a source holds.

    Raises
    ------
    HydrofabricError
        If it has no divides or nexuses, or one of them lacks a column.
    """
    layers = source.layers
    for layer in ("divides", "nexus"):
        if layer not in layers:
            raise no_layer(path, layer, list(layers))
    _require(path, "divides", layers["divides"], (("divide_id", "id"), ("toid",), ("areasqkm", "area_sqkm")))
    _require(path, "nexus", layers["nexus"], (("id",), ("toid",)))
    key = str(key_of("divides", layers["divides"]))
    held = _columns(source, "divides", {"id": (key,), **_DIVIDES})
    catchments = {**held, "id": catchment_names(path, held["id"])}
    catchments["flowpath"] = _flowpath_of(source, key, held["id"])
    there = {"id", "toid"} <= set(layers.get("flowpaths", ()))
    fabric = Hydrofabric(
        path=path,
        nexus_path=None,
        version=version or _version(layers),
        topology=Topology.of(
            catchments,
            _columns(source, "nexus", {"id": ("id",), "toid": ("toid",)}),
            _columns(source, "flowpaths", _FLOWPATHS) if there else None,
            _marks(source, catchments["toid"], catchments["flowpath"]),
        ),
    )
    vars(fabric)["source"] = source
    return fabric


def _normal(layer: str, table: pd.DataFrame) -> pd.DataFrame:
    """A table with its ids among the columns and its geometry under one name."""
    if not isinstance(table, pd.DataFrame):
        raise InputError(
            f"layer {layer!r} is no table",
            needed="a DataFrame or a GeoDataFrame",
            has=type(table).__name__,
            hint="read it first, with geopandas.read_file for instance; `Domain.open` takes paths",
        )
    wanted = "divide_id" if layer.startswith("divide") else "id"
    if table.index.name is not None and table.index.name not in table:
        table = table.reset_index()
    elif key_of(layer, list(table.columns)) is None and not isinstance(table.index, pd.RangeIndex):
        table = table.rename_axis(wanted).reset_index()
    else:
        table = table.reset_index(drop=True)
    active = getattr(table, "_geometry_column_name", None)
    if active is not None and active in table and active != "geometry":
        shaped: Any = table
        table = shaped.rename_geometry("geometry")
    return table


def _require(path: Path, layer: str, has: Sequence[str], needed: Iterable[tuple[str, ...]]) -> None:
    """Refuse a layer that lacks a column under every name it could have."""
    for names in needed:
        if not set(names) & set(has):
            raise no_column(path, names[0], has, of=f"layer {layer!r}")


def _columns(source: Source, layer: str, names: Mapping[str, tuple[str, ...]]) -> dict[str, Sequence[object]]:
    """Columns of a layer under our names: of each the first spelling that is there."""
    has = source.layers[layer]
    found = {ours: next((c for c in theirs if c in has), None) for ours, theirs in names.items()}
    there = {ours: column for ours, column in found.items() if column is not None}
    frame = source.read(layer, columns=list(there.values()), geometry=False)
    return {ours: _plain(frame[column]) for ours, column in there.items()}


def _plain(column: pd.Series) -> list[object]:
    """The values of a column, None for whatever is missing."""
    return [None if gone else value for value, gone in zip(column.tolist(), column.isna().tolist(), strict=True)]


def _ids(source: Source, layer: str, column: str) -> Names:
    """A column of ids."""
    return Names.of(_plain(source.read(layer, columns=[column], geometry=False)[column]))


def _filled(names: Names, others: Names) -> Names:
    """Ids, and those of *others* where there is none."""
    both = Names.joined([names, others])
    places = np.arange(len(names))
    return both.take(np.where(names.present, places, places + len(names)))


def _flowpath_of(source: Source, key: str, ids: Sequence[object]) -> Sequence[object]:
    """The flowpath of each catchment: beside its id, else as the flowpaths tell."""
    layers = source.layers
    if key == "divide_id" and "id" in layers["divides"]:
        return _plain(source.read("divides", columns=["id"], geometry=False)["id"])
    has = layers.get("flowpaths", ())
    for name in ("realized_catchment", "divide_id"):
        if name in has and "id" in has:
            frame = source.read("flowpaths", columns=[name, "id"], geometry=False)
            of = dict(zip(_plain(frame[name]), _plain(frame["id"]), strict=True))
            return [of.get(i) for i in ids]
    return [None] * len(ids)


def _version(layers: Mapping[str, Sequence[str]]) -> Version:
    """The release of the data model, by its column signatures."""
    network = set(layers.get("network", ()))
    if layers.keys() & {"divide-attributes", "flowpath-attributes"} or {"topo", "poi_id", "vpuid"} <= network:
        return "v2.2"
    if {"hl_id", "vpuid"} <= network:
        return "v2.1"
    if "flowpath_edge_list" in layers or not {"id", "divide_id"} <= set(layers["divides"]):
        return "v1.2"
    return "v2.2" if "vpuid" in layers["divides"] and "vpu" not in network else "v2.0"


def _marks(
    source: Source, toid: Sequence[object], flowpath: Sequence[object]
) -> list[tuple[str, str | None, str | None]]:
    """Points of interest: gages that flowpaths name, then hydrolocations; each once."""
    layers = source.layers
    marks: dict[str, tuple[str, str | None, str | None]] = {}
    for table, column in _GAGES:
        if {column, "id"} <= set(layers.get(table, ())):
            frame = source.read(table, columns=[column, "id"], geometry=False).dropna(subset=[column])
            for text, of in zip(frame[column].astype(str), frame["id"].astype(str), strict=True):
                for gage in _split(text):
                    if gage != "NA":
                        marks.setdefault(f"gages-{gage}", (f"gages-{gage}", of, None))
    has = layers.get("hydrolocations", ())
    if not {"hl_uri", "id"} <= set(has):
        return list(marks.values())
    above = _only_flowpaths(toid, flowpath)
    columns = [c for c in ("hl_uri", "id", "nex_id") if c in has]
    frame = source.read("hydrolocations", columns=columns, geometry=False).dropna(subset=["hl_uri"])
    nexuses = _plain(frame["nex_id"]) if "nex_id" in columns else [None] * len(frame)
    for uris, place, at in zip(frame["hl_uri"].astype(str), frame["id"].astype(str), nexuses, strict=True):
        on = place if place.startswith("wb-") else above.get(place)
        for uri in _split(uris):
            kept = f"gages-{uri[6:]}" if uri.lower().startswith("gages-") else uri
            marks.setdefault(kept, (kept, on, str(at) if at else (None if on == place else place)))
    return list(marks.values())


def _split(text: str) -> list[str]:
    """Several names in one cell, apart."""
    return [name for name in re.split(r"[\s|,]+", text.strip()) if name]


def _only_flowpaths(toid: Sequence[object], flowpath: Sequence[object]) -> dict[str, str]:
    """Nexus to the flowpath that drains to it, of nexuses with a single one."""
    found: dict[str, list[str]] = {}
    for nexus, above in zip(toid, flowpath, strict=True):
        if nexus is not None and above is not None:
            found.setdefault(str(nexus), []).append(str(above))
    return {nexus: above[0] for nexus, above in found.items() if len(above) == 1}
