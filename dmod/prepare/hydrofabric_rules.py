"""Rules for hydrofabrics: a piece of river as a file of its own, and its cut into parts.

A piece has just the catchments that are needed, with the flowpaths and nexuses that belong
to them, as `Domain.select` gives them. A cut is that of `Domain.partition`, in the file that
ngen reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from dmod.data.coverage import ALL, Coverage, Everything, IdSet
from dmod.data.kinds import Category, Format
from dmod.data.requirement import Catalog, Requirement
from dmod.domain.domain import Domain
from dmod.errors import SelectionError
from dmod.prepare.rules import Offer, Progress, parents_for, the_one

__all__ = ["FABRICS", "PartitionRule", "SubsetRule", "open_fabric", "partitions_needed"]

#: Formats of hydrofabrics that are read, and made.
FABRICS = (Format.GEOPACKAGE, Format.GEOPARQUET, Format.GEOJSON)


def open_fabric(path: Path, kind: Format) -> Domain:
    """The hydrofabric that a dataset is.

    Parameters
    ----------
    path : Path
        The file or directory that the dataset is, or the directory that it was put in.
    kind : Format
        One of `FABRICS`.

    Returns
    -------
    Domain

    Raises
    ------
    DatasetError
        If there is nothing of that format.
    HydrofabricError
        If it cannot be read.
    """
    if kind is Format.GEOPACKAGE:
        return Domain.open(the_one(path, _is_gpkg, "GeoPackage"))
    if kind is Format.GEOJSON:
        return Domain.open(the_one(path, _is_catchments, "GeoJSON file of catchments"))
    return Domain.open(the_one(path, _has_parquet, "directory of GeoParquet files"))


def partitions_needed(ids: Iterable[str], parts: int, *, explicit: str | None = None) -> Requirement:
    """What a parallel run needs: its catchments in *parts*."""
    coverage = Coverage.of(spans=ALL, ids=ids, variables=ALL)
    return Requirement("partitions", Category.CONFIG, (Format.PARTITIONS,), coverage, explicit, {"parts": int(parts)})


class SubsetRule:
    """A piece of a hydrofabric, in the first of the formats that will do."""

    name = "subset"
    version = "1"
    makes = FABRICS

    def offers(self, requirement: Requirement, candidates: Catalog) -> Offer | None:
        """From the smallest hydrofabric with all the catchments."""
        if requirement.category is not Category.HYDROFABRIC:
            return None
        generic = Format.GENERIC in requirement.formats
        kind = FABRICS[0] if generic else next((one for one in requirement.formats if one in FABRICS), None)
        needed = Coverage(ALL, requirement.coverage.ids, ALL)
        for parent in parents_for(requirement, candidates, FABRICS, needed):
            if kind is None or any(parent.facts.get(fact) != value for fact, value in requirement.facts.items()):
                continue
            ids = needed.ids
            parameters = {
                "from": str(parent.format),
                "to": str(kind),
                "ids": None if isinstance(ids, Everything) else ids.to_dict(),
            }
            some = "all of it" if isinstance(ids, Everything) else f"{len(ids):,} catchments"
            note = f"{some} of {parent.name!r} as {kind}"
            facts = dict(requirement.facts)
            return Offer(self.name, self.version, (parent,), parameters, kind, needed, note, facts)
        return None

    def apply(self, offer: Offer, parents: Sequence[Path], folder: Path, *, progress: Progress | None = None) -> Path:
        """Write the piece."""
        domain = _piece(offer, parents[0])
        kind = Format(offer.parameters["to"])
        if kind is Format.GEOPACKAGE:
            return domain.to_gpkg(folder / "hydrofabric.gpkg", progress=progress)
        if kind is Format.GEOPARQUET:
            return domain.to_parquet(folder / "hydrofabric")
        domain.to_geojson(folder / "hydrofabric")
        return folder / "hydrofabric"


class PartitionRule:
    """A cut of a river into the parts of a parallel run."""

    name = "partitions"
    version = "1"
    makes = (Format.PARTITIONS,)

    def offers(self, requirement: Requirement, candidates: Catalog) -> Offer | None:
        """From the smallest hydrofabric with all the catchments, if the number of parts is stated."""
        parts = requirement.facts.get("parts")
        ids = requirement.coverage.ids
        if (
            Format.PARTITIONS not in requirement.formats
            or not isinstance(parts, int)
            or requirement.facts.keys() > {"parts"}
        ):
            return None
        parents = parents_for(requirement, candidates, FABRICS, Coverage(ALL, ids, ALL))
        if not parents:
            return None
        parameters = {"parts": parts, "ids": None if isinstance(ids, Everything) else ids.to_dict()}
        note = f"the river of {parents[0].name!r} is cut into {parts:,} part{'s' * (parts != 1)}"
        coverage = Coverage(ALL, ids, ALL)
        facts = {"parts": parts}
        return Offer(self.name, self.version, (parents[0],), parameters, Format.PARTITIONS, coverage, note, facts)

    def apply(self, offer: Offer, parents: Sequence[Path], folder: Path, *, progress: Progress | None = None) -> Path:
        """Cut, and write ``partitions_<count>.json``."""
        del progress
        wanted = int(offer.parameters["parts"])
        made = _piece(offer, parents[0]).partition(wanted)
        if len(made) != wanted:
            raise SelectionError(
                f"the river cannot be cut into {wanted:,} parts",
                reason=made.note,
                has=f"{len(made):,} parts at most",
                hint="ask for fewer parts",
            )
        return made.to_json(folder / f"partitions_{wanted}.json")


def _piece(offer: Offer, path: Path) -> Domain:
    """The catchments that are asked for."""
    domain = open_fabric(path, offer.parents[0].format)
    ids = offer.parameters["ids"]
    return domain if ids is None else domain.select(IdSet.from_dict(ids).to_list())


def _is_gpkg(path: Path) -> bool:
    """Whether it is a GeoPackage, by its name."""
    return path.is_file() and path.suffix.lower() == ".gpkg"


def _is_catchments(path: Path) -> bool:
    """Whether it is a GeoJSON file of catchments, by its name."""
    return path.is_file() and path.suffix.lower() in (".geojson", ".json") and "catchment" in path.name.lower()


def _has_parquet(path: Path) -> bool:
    """Whether it is a directory with Parquet files."""
    return path.is_dir() and next(path.rglob("*.parquet"), None) is not None
