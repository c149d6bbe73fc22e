"""Reading a hydrofabric from a GeoPackage, with the standard library's sqlite3.

Only columns are read, never geometry, so that ten thousand catchments take tens of
milliseconds. The file is opened read-only and, unless someone is writing to it, as
immutable: no lock, no journal and no index is ever left beside it.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from dmod.errors import HydrofabricError
from dmod.formats.hydrofabric import Hydrofabric, Layer, Version, no_column
from dmod.formats.topology import Topology, catchment_names

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

__all__ = ["read_attributes", "read_geometry", "read_geopackage"]

#: Tables of SQLite and of the GeoPackage standard itself.
_INTERNAL = re.compile(r"^(sqlite_|gpkg_|rtree_|layer_styles$)")
#: Where gages are named: table, column of gages, column of the flowpath.
_GAGES = (
    ("flowpath-attributes", "gage", "id"),
    ("flowpath_attributes", "rl_gages", "id"),
    ("flowpath_attributes", "gages", "id"),
)

#: Layer or table name to its columns, in order.
_Layout = dict[str, list[str]]


def read_geopackage(path: Path) -> Hydrofabric:
    """Read the tables of a GeoPackage of version 1.2, 2.0, 2.1 or 2.2."""
    with _open(path) as file:
        layout = _layout(file)
        _require_layers(path, file, layout)
        divides = layout["divides"]
        key = _one_of(path, divides, ("divide_id", "id"), "divides")
        _one_of(path, divides, ("toid",), "divides")
        _one_of(path, divides, ("areasqkm", "area_sqkm"), "divides")
        for column in ("id", "toid"):
            _one_of(path, layout["nexus"], (column,), "nexus")
        names = {"id": (key,), "toid": ("toid",), "area_km2": ("areasqkm", "area_sqkm"), "region": ("vpuid", "vpu")}
        catchments = _chosen(file, layout, "divides", names)
        ids = catchment_names(path, catchments["id"])
        catchments |= {"flowpath": _flowpaths(file, layout, key, catchments["id"])}
        nexuses = _chosen(file, layout, "nexus", {"id": ("id",), "toid": ("toid",)})
        return Hydrofabric(
            path=path,
            nexus_path=None,
            version=_version(layout),
            topology=Topology.of(
                {**catchments, "id": ids}, nexuses, _channels(file, layout), _marks(file, layout, catchments)
            ),
        )


def read_attributes(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Columns of ``divides`` and of the tables joined to it, indexed by catchment id.

    A table is joined if it has a ``divide_id``, or an ``id`` that names catchments; the first
    row of each catchment counts.
    """
    with _open(path) as file:
        layout = _layout(file)
        key = "divide_id" if "divide_id" in layout["divides"] else "id"
        keys = {"divides": key} | _joined(file, layout)
        home = {column: table for table in reversed(keys) for column in layout[table]}
        for column in columns:
            if column not in home:
                raise no_column(path, column, home, of="the hydrofabric")
        found = []
        for table in dict.fromkeys(home[column] for column in columns):
            here = [column for column in dict.fromkeys(columns) if home[column] == table]
            ids, *values = _columns(file, table, [keys[table], *here])
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
    with _open(path) as file:
        layout = _layout(file)
    if layer not in layout:
        raise _no_layer(path, layer, layout)
    frame: GeoDataFrame = geopandas.read_file(path, layer=layer, engine="pyogrio")
    key = "divide_id" if layer == "divides" and "divide_id" in frame else "id"
    return frame.set_index(key).rename_axis("id")


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    """The file, read-only; damage becomes a HydrofabricError."""
    # An immutable file is read without looking at its write-ahead log: honour one that holds something.
    log = path.with_name(path.name + "-wal")
    busy = log.exists() and log.stat().st_size > 0
    uri = path.absolute().as_uri() + ("?mode=ro" if busy else "?mode=ro&immutable=1")
    try:
        file = sqlite3.connect(uri, uri=True)
        try:
            yield file
        finally:
            file.close()
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise HydrofabricError(
            "the GeoPackage cannot be read",
            path=path,
            reason=error,
            has=f"{path.stat().st_size} bytes" if path.exists() else "no file",
            hint="it may be truncated or damaged: copy or download it again",
        ) from error


def _layout(file: sqlite3.Connection) -> _Layout:
    """Every layer and table with its columns, without the internal ones."""
    names = [n for (n,) in file.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")]
    return {
        name: [row[1] for row in file.execute(f"PRAGMA table_info({_quoted(name)})")]
        for name in names
        if not _INTERNAL.match(name)
    }


def _require_layers(path: Path, file: sqlite3.Connection, layout: _Layout) -> None:
    """Refuse files without divides or nexuses, and say what they are where that is known."""
    if "divides" not in layout:
        raise _no_layer(path, "divides", layout)
    if "nexus" in layout:
        return
    key = "divide_id" if "divide_id" in layout["divides"] else "id"
    if key in layout["divides"]:
        row = file.execute(f"SELECT {_quoted(key)} FROM divides LIMIT 1").fetchone()
        catchment_names(path, row or [])
    raise _no_layer(path, "nexus", layout)


def _no_layer(path: Path, layer: str, layout: _Layout) -> HydrofabricError:
    """The error for a layer that is not there."""
    return HydrofabricError(
        f"the GeoPackage has no layer {layer!r}",
        path=path,
        needed=layer,
        has=", ".join(layout) or "no layers",
        hint="use a NextGen hydrofabric of version 1.2 or later, which has divides, flowpaths and nexus",
    )


def _one_of(path: Path, columns: list[str], names: tuple[str, ...], layer: str) -> str:
    """The first of *names* among the columns."""
    for name in names:
        if name in columns:
            return name
    raise no_column(path, names[0], columns, of=f"layer {layer!r}")


def _columns(file: sqlite3.Connection, table: str, columns: Sequence[str]) -> list[tuple[object, ...]]:
    """Columns of a table, in the order of its rows."""
    listed = ", ".join(map(_quoted, columns))
    rows = file.execute(f"SELECT {listed} FROM {_quoted(table)}").fetchall()
    return list(zip(*rows, strict=True)) if rows else [() for _ in columns]


def _quoted(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def _version(layout: _Layout) -> Version:
    """The release of the data model, by its column signatures; files carry no reliable stamp."""
    network = layout.get("network", [])
    hyphened = layout.keys() & {"divide-attributes", "flowpath-attributes"}
    if hyphened or {"topo", "poi_id", "vpuid"} <= set(network):
        return "v2.2"
    if {"hl_id", "vpuid"} <= set(network):
        return "v2.1"
    first = ("flowpath_edge_list" in layout) or ("realized_catchment" in layout.get("flowpaths", []))
    if first or "id" not in layout["divides"] or "divide_id" not in layout["divides"]:
        return "v1.2"
    return "v2.2" if "vpuid" in layout["divides"] and "vpu" not in network else "v2.0"


def _flowpaths(file: sqlite3.Connection, layout: _Layout, key: str, ids: Sequence[object]) -> Sequence[object]:
    """The flowpath of each catchment: beside its id, else as the flowpaths tell."""
    if key == "divide_id" and "id" in layout["divides"]:
        return _columns(file, "divides", ["id"])[0]
    columns = layout.get("flowpaths", [])
    for name in ("realized_catchment", "divide_id"):
        if name in columns and "id" in columns:
            catchments, flowpaths = _columns(file, "flowpaths", [name, "id"])
            flowpath_of = dict(zip(catchments, flowpaths, strict=True))
            return [flowpath_of.get(i) for i in ids]
    return [None] * len(ids)


def _joined(file: sqlite3.Connection, layout: _Layout) -> dict[str, str]:
    """Tables that hold one row per catchment, and the column that names it."""
    keys = {}
    for table, columns in layout.items():
        # In `network` and `flowpaths` a catchment is named, but the row is not about it.
        if table in {"divides", "network", "flowpaths"}:
            continue
        if "divide_id" in columns:
            keys[table] = "divide_id"
        elif "id" in columns:
            row = file.execute(f"SELECT id FROM {_quoted(table)} LIMIT 1").fetchone()
            if row and isinstance(row[0], str) and row[0].startswith("cat-"):
                keys[table] = "id"
    return keys


def _chosen(
    file: sqlite3.Connection, layout: _Layout, table: str, names: Mapping[str, tuple[str, ...]]
) -> dict[str, Sequence[object]]:
    """Columns of a table under our names: of each the first spelling that is there."""
    found = {ours: next((c for c in theirs if c in layout[table]), None) for ours, theirs in names.items()}
    there = {ours: column for ours, column in found.items() if column is not None}
    return dict(zip(there, _columns(file, table, list(there.values())), strict=True))


def _channels(file: sqlite3.Connection, layout: _Layout) -> dict[str, Sequence[object]] | None:
    """Columns of the flowpaths; None without such a layer."""
    if not {"id", "toid"} <= set(layout.get("flowpaths", [])):
        return None
    names = {"id": ("id",), "toid": ("toid",), "length_km": ("lengthkm", "length_km"), "order": ("order",)}
    totals = ("tot_drainage_areasqkm", "tot_drainage_area")
    return _chosen(file, layout, "flowpaths", {**names, "total_km2": totals, "mainstem": ("mainstem", "main_id")})


def _marks(
    file: sqlite3.Connection, layout: _Layout, catchments: Mapping[str, Sequence[object]]
) -> list[tuple[str, str | None, str | None]]:
    """Points of interest: gages that flowpaths name, then hydrolocations; each once."""
    marks: dict[str, tuple[str, str | None, str | None]] = {}
    for table, column, key in _GAGES:
        if {column, key} <= set(layout.get(table, [])):
            named = f"SELECT {_quoted(column)}, {_quoted(key)} FROM {_quoted(table)} WHERE {_quoted(column)} IS NOT NULL"
            for text, flowpath in file.execute(named):
                for gage in re.split(r"[\s|,]+", str(text).strip()):
                    if gage and gage != "NA":
                        marks.setdefault(f"gages-{gage}", (f"gages-{gage}", str(flowpath), None))
    columns = layout.get("hydrolocations", [])
    if not {"hl_uri", "id"} <= set(columns):
        return list(marks.values())
    above = _only_flowpaths(catchments)
    nexus = "nex_id" if "nex_id" in columns else "NULL"
    for uris, place, at in file.execute(f"SELECT hl_uri, id, {nexus} FROM hydrolocations WHERE hl_uri IS NOT NULL"):
        name = str(place)
        flowpath = name if name.startswith("wb-") else above.get(name)
        for uri in re.split(r"[\s|,]+", str(uris).strip()):
            if uri:
                kept = f"gages-{uri[6:]}" if uri.lower().startswith("gages-") else uri
                marks.setdefault(kept, (kept, flowpath, at or (None if flowpath == name else name)))
    return list(marks.values())


def _only_flowpaths(catchments: Mapping[str, Sequence[object]]) -> dict[str, str]:
    """Nexus to the flowpath that drains to it, of nexuses with a single one."""
    pairs = zip(catchments["toid"], catchments["flowpath"], strict=True)
    found: dict[str, list[str]] = {}
    for nexus, flowpath in pairs:
        if nexus is not None and flowpath is not None:
            found.setdefault(str(nexus), []).append(str(flowpath))
    return {nexus: flowpaths[0] for nexus, flowpaths in found.items() if len(flowpaths) == 1}
