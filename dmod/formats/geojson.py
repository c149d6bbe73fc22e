"""Reading a hydrofabric from ngen's pair of GeoJSON files, catchments and nexuses.

Ids are the features' own ``id`` or their property ``id``; what a feature flows into is
its property ``toid``. The nexus file is the one given, or found beside the catchments
by what is in it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from dmod.errors import HydrofabricError
from dmod.formats.hydrofabric import Hydrofabric, Layer, no_column
from dmod.formats.topology import Topology, catchment_names

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

__all__ = ["read_attributes", "read_geojson", "read_geometry"]

_NEXUSES = ("nex-", "tnx-", "cnx-", "inx-", "tnex-")
_AREAS = ("areasqkm", "area_sqkm")


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
    properties = [feature["properties"] for feature in features]
    return Hydrofabric(
        path=path,
        nexus_path=nexus_path,
        version="geojson",
        topology=Topology.of(
            {
                "id": names,
                "toid": [p.get("toid") for p in properties],
                "area_km2": [next((p[name] for name in _AREAS if name in p), None) for p in properties],
            },
            {"id": nexus_ids, "toid": [n["properties"].get("toid") for n in nexuses]},
            marks=_gages(dict(zip(nexus_ids, nexuses, strict=True)), ids, properties),
        ),
    )


def read_attributes(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Properties of the catchments, indexed by id."""
    features = _features(path)
    has = dict.fromkeys(name for feature in features for name in feature["properties"])
    for column in columns:
        if column not in has:
            raise no_column(path, column, has, of="the hydrofabric")
    frame = pd.DataFrame(
        {column: [f["properties"].get(column) for f in features] for column in columns},
        index=pd.Index([_id(f) for f in features], dtype=object, name="id"),
    )
    return frame[~frame.index.duplicated()]


def read_geometry(path: Path, nexus_path: Path | None, layer: Layer) -> GeoDataFrame:
    """The catchments or nexuses as geopandas has them, indexed by id."""
    source = {"divides": path, "nexus": nexus_path}.get(layer)
    if source is None:
        raise HydrofabricError(
            f"a GeoJSON hydrofabric has no layer {layer!r}",
            path=path,
            needed=layer,
            has="divides, nexus",
            hint="use a GeoPackage for flowpaths",
        )
    try:
        import geopandas
    except ImportError as error:
        raise HydrofabricError(
            "geometry needs geopandas", needed="geopandas and pyogrio", hint="pip install geopandas pyogrio"
        ) from error
    frame: GeoDataFrame = geopandas.read_file(source, engine="pyogrio")
    frame.index = pd.Index([_id(feature) for feature in _features(source)], dtype=object, name="id")
    return frame.drop(columns="id", errors="ignore")


def _features(path: Path) -> list[dict[str, Any]]:
    """The features of a collection, each with a dictionary of properties."""
    try:
        collection = json.loads(path.read_bytes())
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
    gages: list[tuple[str, str | None, str | None]] = []
    for nexus, feature in nexuses.items():
        if str(feature["properties"].get("poi_type")).lower() == "gages":
            above = [i for i, p in zip(ids, properties, strict=True) if p.get("toid") == nexus]
            flowpath = "wb-" + str(above[0]).partition("-")[2] if len(above) == 1 else None
            gages.append((f"gages-{feature['properties'].get('poi_value')}", flowpath, nexus))
    return gages
