"""Describing hydrofabrics: which catchments they hold.

Told by what is inside: the layers of a GeoPackage, the features of a GeoJSON file, the names
of the files in a directory of GeoParquet. Only tables are read, never geometry.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dmod.data.coverage import ALL, Coverage, IdSet
from dmod.data.kinds import Format
from dmod.errors import HydrofabricError
from dmod.formats.describe_glance import Description, Detector, Glance, id_set

if TYPE_CHECKING:
    from dmod.formats.hydrofabric import Hydrofabric

__all__ = ["DETECTORS"]

#: What a kept description holds; to be changed with `_told`.
_MAKE = "description 1"
_JSON = (".geojson", ".json")


def _is_geopackage(glance: Glance) -> bool:
    """An SQLite file that is registered as a GeoPackage, or called one."""
    return glance.is_sqlite and (glance.head[68:72] in (b"GPKG", b"GP10", b"GP11") or glance.path.suffix == ".gpkg")


def _is_geojson(glance: Glance) -> bool:
    """A map, or a directory with one map of catchments and one of nexuses."""
    if glance.is_directory:
        return _catchments(glance) is not None
    return glance.text.lstrip()[:1] == "{" and '"FeatureCollection"' in glance.text


def _is_geoparquet(glance: Glance) -> bool:
    """A directory with a file or folder of divides."""
    files = any(name.endswith(".parquet") and _is_divides(name.removesuffix(".parquet")) for name in glance.names)
    return files or any(_is_divides(name) for name in glance.folders)


def _is_divides(name: str) -> bool:
    """Whether a layer is that of divides; published directories name the domain first."""
    return name == "divides" or name.endswith("_divides")


def _describe_geopackage(glance: Glance) -> Description:
    """A GeoPackage of any version; what a large one holds is kept in the cache, until the file changes."""
    from dmod.formats.geopackage import read_geopackage
    from dmod.formats.geopackage_columns import LARGE
    from dmod.formats.sidecar import cache_directory, open_sidecar

    if glance.path.stat().st_size < LARGE:
        return _described(glance, Format.GEOPACKAGE, *_told(glance.path, read_geopackage(glance.path)))

    def build() -> tuple[Any, list[NDArray[Any]]]:
        ids, facts = _told(glance.path, read_geopackage(glance.path))
        return {"facts": facts, "stems": list(ids.numbers), "others": sorted(ids.others)}, list(ids.numbers.values())

    cache = cache_directory()
    kept = open_sidecar(glance.path, _MAKE, build, None if cache is None else cache / "descriptions")
    numbers = {stem: np.array(held) for stem, held in zip(kept.facts["stems"], kept.arrays, strict=True)}
    return _described(glance, Format.GEOPACKAGE, IdSet(numbers, kept.facts["others"]), kept.facts["facts"])


def _describe_geojson(glance: Glance) -> Description:
    """The file of catchments, or the directory it is in, with those beside it."""
    from dmod.formats.geojson import read_geojson

    catchments = _catchments(glance) if glance.is_directory else glance.path
    assert catchments is not None
    fabric = read_geojson(catchments)
    beside = catchments.with_name(catchments.name.replace("catchment", "flowpath"))
    files = [catchments, fabric.nexus_path, beside if beside != catchments and beside.is_file() else None]
    found = tuple(dict.fromkeys(file for file in files if file is not None))
    return _described(glance, Format.GEOJSON, *_told(catchments, fabric), found)


def _describe_geoparquet(glance: Glance) -> Description:
    """A directory of GeoParquet."""
    from dmod.formats.geoparquet import read_parquet_fabric

    return _described(glance, Format.GEOPARQUET, *_told(glance.path, read_parquet_fabric(glance.path)))


def _described(
    glance: Glance, format_: Format, ids: IdSet, facts: Mapping[str, Any], files: tuple[Path, ...] = ()
) -> Description:
    """A hydrofabric of any format."""
    return glance.described(format_, Coverage(ALL, ids, ALL), facts, files)


def _told(path: Path, fabric: Hydrofabric) -> tuple[IdSet, dict[str, Any]]:
    """The catchments, and what else the tables tell."""
    topology = fabric.topology
    held = topology.catchments
    if not len(held.ids):
        raise HydrofabricError("the hydrofabric has no catchment", path=path, hint="check how it was made")
    return id_set(held.ids), {
        "version": fabric.version,
        "catchments": len(held.ids),
        "nexuses": len(topology.nexuses.ids),
        "flowpaths": len(topology.flowpaths.ids),
        "gages": len(fabric.gages),
        "area_km2": round(float(np.nansum(held.area_km2)), 3),
        "regions": list(topology.regions),
    }


def _catchments(glance: Glance) -> Path | None:
    """The one map of catchments in a directory that has one of nexuses too; None without."""
    maps = [name for name in glance.names if name.lower().endswith(_JSON)]
    named = [name for name in maps if "catchment" in name.lower()]
    if len(named) > 1:
        named = [name for name in named if Path(name).stem == "catchment_data"]
    if len(named) != 1 or not any("nexus" in name.lower() for name in maps):
        return None
    found = glance.within(named[0])
    return found.path if _is_geojson(found) else None


#: Those of hydrofabrics.
DETECTORS = (
    Detector(Format.GEOPACKAGE, _is_geopackage, _describe_geopackage),
    Detector(Format.GEOJSON, _is_geojson, _describe_geojson),
    Detector(Format.GEOPARQUET, _is_geoparquet, _describe_geoparquet),
)
