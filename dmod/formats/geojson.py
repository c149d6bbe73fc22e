"""Reading a hydrofabric from ngen's pair of GeoJSON files, catchments and nexuses.

Ids are the features' own ``id`` or their property ``id``; what a feature flows into is
its property ``toid``. The nexus file is the one given, or found beside the catchments
by what is in it. A file of flowpaths with the same name otherwise is a layer too; what it
says of the river counts only where flowpaths flow into nexuses, as in files of our own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dmod.errors import HydrofabricError
from dmod.formats.frames import FrameTables, KeyedRows
from dmod.formats.geopackage_blobs import Boxes
from dmod.formats.hydrofabric import Hydrofabric, no_column
from dmod.formats.source import Rows
from dmod.formats.topology import Topology, catchment_names

__all__ = ["GeojsonTables", "read_geojson"]

_NEXUSES = ("nex-", "tnx-", "cnx-", "inx-", "tnex-")
_AREAS = ("areasqkm", "area_sqkm")
#: Our name of a property of flowpaths to that in the file.
_FLOWPATHS = {
    "id": "id",
    "toid": "toid",
    "length_km": "length_km",
    "total_km2": "tot_drainage_areasqkm",
    "order": "order",
    "mainstem": "main_id",
}
#: What coordinates are in where a file does not say (RFC 7946), as other libraries call it.
_GLOBE = "EPSG:4326"


def read_geojson(path: Path, nexus_path: Path | None = None) -> Hydrofabric:
    """Read the tables of a GeoJSON pair, given its catchment file."""
    features = _features(path)
    ids = [_id(feature) for feature in features]
    if any(i.startswith(_NEXUSES) for i in ids if isinstance(i, str)):
        raise HydrofabricError(
            "this file holds nexuses, not catchments",
            path=path,
            needed="a GeoJSON file of catchments",
            has=f"ids such as {ids[0]!r}",
            hint="give the catchment file first, the nexus file second",
        )
    names = catchment_names(path, ids)
    has = [name for feature in features[:1] for name in feature["properties"]]
    for needed in (("toid",), _AREAS):
        if features and not any(name in feature["properties"] for feature in features for name in needed):
            raise no_column(path, needed[0], has, of="the catchment file")
    nexus_path = Path(nexus_path) if nexus_path is not None else _nexus_file(path, ids)
    nexuses = _features(nexus_path)
    nexus_ids = [_id(feature) for feature in nexuses]
    lacks = "id" if None in nexus_ids else "toid"
    if nexuses and (lacks == "id" or not any("toid" in nexus["properties"] for nexus in nexuses)):
        raise no_column(nexus_path, lacks, nexuses[0]["properties"], of="the nexus file")
    source = GeojsonTables(path, nexus_path, _flowpath_file(path))
    properties = [feature["properties"] for feature in features]
    fabric = Hydrofabric(
        path=path,
        nexus_path=nexus_path,
        version="geojson",
        topology=Topology.of(
            {
                "id": names,
                "toid": [p.get("toid") for p in properties],
                "flowpath": [p.get("flowpath_id") for p in properties],
                "area_km2": [next((p[name] for name in _AREAS if name in p), None) for p in properties],
                "region": [p.get("vpuid") for p in properties],
            },
            {"id": nexus_ids, "toid": [n["properties"].get("toid") for n in nexuses]},
            source.channels(),
            marks=_gages(dict(zip(nexus_ids, nexuses, strict=True)), ids, properties),
        ),
    )
    vars(fabric)["source"] = source
    return fabric


@dataclass(frozen=True)
class GeojsonTables:
    """GeoJSON files as a `Source`; each is read whole, once."""

    #: The file of catchments.
    path: Path
    #: That of nexuses.
    nexus_path: Path
    #: That of flowpaths; None without one.
    flowpath_path: Path | None = None

    @cached_property
    def _held(self) -> FrameTables:
        """All layers in memory."""
        files = {"divides": self.path, "nexus": self.nexus_path, "flowpaths": self.flowpath_path}
        return FrameTables(self.path, {name: _frame(file) for name, file in files.items() if file is not None})

    @property
    def layers(self) -> Mapping[str, tuple[str, ...]]:
        """Layer to its columns, without its geometry."""
        return self._held.layers

    def read(
        self,
        layer: str,
        *,
        columns: Sequence[str] | None = None,
        geometry: bool = True,
        crs: str | None = None,
        rows: NDArray[np.integer] | None = None,
    ) -> pd.DataFrame:
        """A layer as a table."""
        return self._held.read(layer, columns=columns, geometry=geometry, crs=crs, rows=rows)

    def crs(self, layer: str) -> str | None:
        """Coordinate reference system of a layer: that which the file names, else longitude and latitude."""
        return self._held.crs(layer)

    def boxes(self, layer: str, rows: NDArray[np.integer] | None = None) -> Boxes:
        """Bounding box of each row of a layer."""
        return self._held.boxes(layer, rows)

    def bounds(self, layer: str, rows: NDArray[np.integer] | None = None) -> tuple[float, float, float, float]:
        """The box around all of them; NaN if there is none."""
        return self._held.bounds(layer, rows)

    def numbers(self, layer: str) -> NDArray[np.int64]:
        """The numbers of all rows of a layer."""
        return self._held.numbers(layer)

    def rows(self, topology: Topology) -> Rows:
        """Which rows belong to which piece of river."""
        return KeyedRows(self, topology)

    def channels(self) -> dict[str, Sequence[object]] | None:
        """Columns of flowpaths that flow into nexuses; None where there are none."""
        if self.flowpath_path is None:
            return None
        features = _features(self.flowpath_path)
        held = [{**f["properties"], "id": _id(f)} for f in features]
        if not held or not all(str(p.get("toid")).startswith(_NEXUSES) for p in held):
            return None
        return {ours: [p.get(theirs) for p in held] for ours, theirs in _FLOWPATHS.items()}


def _frame(path: Path) -> pd.DataFrame:
    """The features of a file as a table with their ids and shapes."""
    import geopandas
    import shapely

    collection = _collection(path)
    features = _listed(path, collection)
    columns = dict.fromkeys(name for feature in features for name in feature["properties"])
    held = {name: [f["properties"].get(name) for f in features] for name in columns}
    frame = pd.DataFrame({"id": [_id(f) for f in features], **{k: v for k, v in held.items() if k != "id"}})
    named = str((collection.get("crs") or {}).get("properties", {}).get("name") or _GLOBE)
    texts = [None if f.get("geometry") is None else json.dumps(f["geometry"]) for f in features]
    crs = _GLOBE if named.endswith("CRS84") else named
    try:
        shapes = shapely.from_geojson(np.array([*texts, None], dtype=object)[:-1])
        made: pd.DataFrame = geopandas.GeoDataFrame(frame, geometry=geopandas.GeoSeries(shapes, crs=crs))
    except (ValueError, RuntimeError, shapely.errors.ShapelyError) as error:
        raise HydrofabricError(
            "a geometry of the GeoJSON file cannot be read",
            path=path,
            reason=error,
            hint="take the file from its source again",
        ) from error
    return made


def _flowpath_file(path: Path) -> Path | None:
    """The file of flowpaths that has the name of the catchments' otherwise."""
    likely = path.with_name(path.name.replace("catchment", "flowpath"))
    return likely if likely != path and likely.is_file() else None


def _features(path: Path) -> list[dict[str, Any]]:
    """The features of a file, each with a dictionary of properties."""
    return _listed(path, _collection(path))


def _collection(path: Path) -> Any:
    """What is in a file."""
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise HydrofabricError(
            "the GeoJSON file cannot be opened",
            path=path,
            reason=error.strerror or error,
            hint="check the path",
        ) from error
    except ValueError as error:
        raise HydrofabricError(
            "the GeoJSON file cannot be read",
            path=path,
            reason=error,
            hint="it may be truncated: copy or download it again",
        ) from error


def _listed(path: Path, collection: Any) -> list[dict[str, Any]]:
    """The features of a collection, each with a dictionary of properties."""
    features = collection.get("features") if isinstance(collection, dict) else None
    if not isinstance(features, list) or not all(isinstance(f, dict) for f in features):
        raise HydrofabricError(
            "this JSON file is no GeoJSON FeatureCollection",
            path=path,
            needed="an object with a list of 'features'",
            has=", ".join(list(collection)[:8]) if isinstance(collection, dict) else "no object",
            hint="give ngen's GeoJSON file of catchments",
        )
    return [{**feature, "properties": feature.get("properties") or {}} for feature in features]


def _id(feature: dict[str, Any]) -> Any:
    """The id of a feature, its own or that among its properties; None without one."""
    return feature["properties"].get("id") if feature.get("id") is None else feature["id"]


def _nexus_file(path: Path, ids: Sequence[Any]) -> Path:
    """The one file beside *path* that holds nexuses, preferring the name that says so."""
    likely = path.with_name(path.name.replace("catchment", "nexus"))
    if likely != path and likely.is_file():
        return likely
    found = []
    for other in sorted(path.parent.glob(f"*{path.suffix}")):
        if other != path and b"nex-" in other.read_bytes():
            try:
                first = next(iter(_features(other)), None)
            except HydrofabricError:
                continue
            if first and str(_id(first)).startswith(_NEXUSES):
                found.append(other)
    if len(found) == 1:
        return found[0]
    raise HydrofabricError(
        "the GeoJSON file of nexuses is not known",
        path=path,
        needed=f"the nexuses of {len(ids)} catchments",
        has=", ".join(f.name for f in found) or f"no nexus file in {path.parent}",
        hint="name the nexus file as well",
    )


def _gages(
    nexuses: dict[str, dict[str, Any]], ids: Sequence[Any], properties: Sequence[dict[str, Any]]
) -> list[tuple[str, str | None, str | None]]:
    """Gages with the flowpath that ends at each, where a nexus says so and one catchment drains to it."""
    gages: list[tuple[str, str | None, str | None]] = [
        (f"gages-{p['gage']}", p.get("flowpath_id") or "wb-" + str(i).partition("-")[2], None)
        for i, p in zip(ids, properties, strict=True)
        if p.get("gage")
    ]
    for nexus, feature in nexuses.items():
        if str(feature["properties"].get("poi_type")).lower() == "gages":
            above = [i for i, p in zip(ids, properties, strict=True) if p.get("toid") == nexus]
            flowpath = "wb-" + str(above[0]).partition("-")[2] if len(above) == 1 else None
            gages.append((f"gages-{feature['properties'].get('poi_value')}", flowpath, nexus))
    return gages
