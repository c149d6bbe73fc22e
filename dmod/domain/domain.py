"""A domain: part or all of a hydrofabric.

`Domain.open` reads one, `subset` takes a piece of river by any name people have for it,
and everything else is asked of the piece: where water goes, tables, maps, a cut into
parts, a file of its own. A domain holds places in the river and nothing more until a
table is asked for. A value: nothing here changes a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmod.domain import labelled, measures, selection, tables, traverse
from dmod.domain.facts import facts
from dmod.domain.fetching import brought
from dmod.domain.ids import nearest
from dmod.domain.index import Progress, open_indexed
from dmod.domain.locate import locate
from dmod.domain.network import Network
from dmod.domain.partition_search import Method
from dmod.domain.partitioning import Partitioning, Weights
from dmod.domain.problems import Problem, find_problems
from dmod.domain.river import River
from dmod.domain.spread import ascending
from dmod.domain.validate import validate
from dmod.domain.walk import Places, each_once
from dmod.domain.writing import to_gpkg
from dmod.errors import SelectionError
from dmod.formats.hydrofabric import Hydrofabric
from dmod.formats.names import Names
from dmod.plugins import load

__all__ = ["Domain"]

_Places = NDArray[np.intp]
#: Fewer than one in so many are sorted; more are marked and read off.
_FEW = 64


@dataclass(frozen=True, eq=False, repr=False)
class Domain:
    """Where on the river: catchments of a hydrofabric, and the flowpaths and nexuses they form."""

    #: The file it is a part of.
    hydrofabric: Hydrofabric
    #: The whole river of that file.
    river: River
    #: Places in the river, ascending, each once; None for all.
    chosen: _Places | None
    #: What people call it; the name of the file at first.
    name: str
    #: How it was chosen, one line for each step.
    story: tuple[str, ...] = ()

    @classmethod
    def open(
        cls, path: str | Path, nexus_path: str | Path | None = None, *, progress: Progress | None = None
    ) -> Domain:
        """Read a domain from a hydrofabric.

        Parameters
        ----------
        path : path or URL
            A GeoPackage, the catchment file of a GeoJSON pair, or a directory of either kind of files that
            `to_geojson` and `to_parquet` write. A file may be ``s3://`` or ``https://``: it is fetched into
            the cache first.
        nexus_path : path or URL, optional
            The nexus file of a GeoJSON pair; looked for beside *path* if not given.
        progress : callable, optional
            Told (fraction, what) while a file is fetched and the index of a large one is built, each done once.

        Raises
        ------
        HydrofabricError
            If it cannot be read.
        InputError, StoreError
            If it cannot be fetched.
        """
        found, nexuses = brought(path, nexus_path, progress=progress)
        fabric, river = open_indexed(found, nexuses, progress=progress)
        return cls(fabric, river, None, found.stem)

    @classmethod
    def from_frames(cls, **frames: Any) -> Domain:
        """A domain of tables in memory; see `dmod.formats.frames.from_frames`."""
        from dmod.formats.frames import from_frames

        return cls.of(from_frames(**frames))

    @classmethod
    def of(cls, hydrofabric: Hydrofabric) -> Domain:
        """All of a hydrofabric."""
        return cls(hydrofabric, River.of(hydrofabric.topology), None, hydrofabric.path.stem)

    def __len__(self) -> int:
        """How many catchments it has."""
        return self.river.count if self.chosen is None else int(np.searchsorted(self.chosen, self.river.count))

    def __contains__(self, name: object) -> bool:
        return name in self.catchments or name in self.flowpath_ids or name in self.nexus_ids

    @property
    def version(self) -> str:
        """Release of the data model, such as ``v2.2``."""
        return self.hydrofabric.version

    @cached_property
    def places(self) -> _Places:
        """Places in the river: catchments, then flowpaths without one; ascending."""
        return np.arange(len(self.river)) if self.chosen is None else self.chosen

    @cached_property
    def catchment_places(self) -> _Places:
        """Places of the catchments alone, in file order."""
        return self.places[: len(self)]

    @cached_property
    def catchments(self) -> Names:
        """Ids of the catchments, in file order."""
        held = self.river.topology.catchments.ids
        return held if self.chosen is None else held.take(self.catchment_places)

    @cached_property
    def flowpath_places(self) -> _Places:
        """Rows of its flowpaths in the file, ascending."""
        if self.chosen is None:
            return np.arange(len(self.river.topology.flowpaths.ids))
        return _marked(self.river.flowpath[self.places], len(self.river.topology.flowpaths.ids))

    @cached_property
    def flowpath_ids(self) -> Names:
        """Ids of the flowpaths, in file order."""
        return self.river.topology.flowpaths.ids.take(self.flowpath_places)

    @cached_property
    def nexus_places(self) -> _Places:
        """Nexuses of the river that are in it: all of the file, or those its places drain to."""
        if self.chosen is None:
            return np.arange(len(self.river.nexuses))
        return _marked(self.river.nexus_of[self.places], len(self.river.nexuses))

    @cached_property
    def nexus_ids(self) -> Names:
        """Ids of the nexuses, in file order."""
        return self.river.nexuses.take(self.nexus_places)

    @cached_property
    def network(self) -> Network:
        """The catchments and nexuses as index arrays, as a run needs them."""
        return Network.of_river(self.river, None if self.chosen is None else self.catchment_places)

    def part(self, places: _Places, story: str) -> Domain:
        """The domain of some places of the river; *story* says how they were chosen."""
        kept = np.asarray(places, dtype=np.intp)
        # Most come in order already.
        if not (kept[1:] > kept[:-1]).all():
            kept = ascending(self.river, kept)
        return Domain(self.hydrofabric, self.river, kept, self.name, (*self.story, story))

    def select(self, catchments: Iterable[str]) -> Domain:
        """The domain of just these catchments, in file order, and of the nexuses they drain to.

        Parameters
        ----------
        catchments : iterable of str
            Their ids; one given twice counts once.

        Raises
        ------
        SelectionError
            If one is not here; the message names those most like it. Also if none is given.
        """
        asked = list(dict.fromkeys([catchments] if isinstance(catchments, str) else catchments))
        places = self.catchments.find(asked)
        if unknown := [name for name, place in zip(asked, places, strict=True) if place < 0]:
            like = {name: nearest(name, self.catchments) for name in unknown[:3]}
            raise SelectionError(
                f"{len(unknown)} of the {len(asked)} catchments asked for are not in the domain",
                needed=", ".join(unknown[:3]) + (", ..." if unknown[3:] else ""),
                has=f"{len(self)} catchments of {self.name}",
                nearest="; ".join(f"{name}: {', '.join(found) or 'none'}" for name, found in like.items()),
                hint="give ids of catchments as the hydrofabric has them, such as 'cat-101'",
            )
        if not asked:
            raise SelectionError(
                "no catchment was asked for",
                has=f"{len(self)} catchments of {self.name}",
                hint="name one at least",
            )
        return self.part(self.catchment_places[places], f"{len(asked):,} catchments by id")

    @cached_property
    def gages(self) -> Mapping[str, tuple[str, str]]:
        """Gage number to the catchment it ends and the nexus below it.

        Gages whose catchment is not in the domain, or drains to no nexus, are left out.
        """
        river, listed = self.river, self.hydrofabric.gages
        flowpaths = Names.of(listed.values())
        place = river.place_of(flowpaths)
        inside = place >= 0
        if self.chosen is not None:
            inside &= np.isin(place, self.catchment_places)
        inside &= (place < river.count) & (np.append(river.nexus_of, -1)[place] >= 0)
        ids, nexuses = river.topology.catchments.ids, river.nexuses
        return {
            gage: (ids[at], nexuses[int(river.nexus_of[at])])
            for gage, at, kept in zip(listed, place.tolist(), inside.tolist(), strict=True)
            if kept
        }

    @property
    def area_km2(self) -> float:
        """Area of all its catchments that have one [km2]."""
        return float(np.nansum(self.river.topology.catchments.area_km2[self.catchment_places]))

    # Asking for a piece of river.
    locate = locate
    subset = selection.subset
    between = selection.between
    __or__ = selection.union
    __and__ = selection.intersection
    __sub__ = selection.difference

    # Where water goes.
    upstream = traverse.upstream
    downstream = traverse.downstream
    mainstem = traverse.mainstem
    headwaters = traverse.headwaters
    inlets = traverse.inlets
    outlets = traverse.outlets
    parents = traverse.parents
    children = traverse.children
    confluences = traverse.confluences
    topological_order = traverse.topological_order
    path = traverse.path
    common_downstream = traverse.common_downstream
    accumulate = measures.accumulate
    drainage_area = measures.drainage_area
    distance_to_outlet = measures.distance_to_outlet
    strahler = measures.strahler
    levelpath = measures.levelpath
    basins = measures.basins

    # Tables, read when asked for.
    layers = tables.layers
    table = tables.table
    divides = tables.divides
    flowpaths = tables.flowpaths
    nexus = tables.nexus
    lakes = tables.lakes
    pois = tables.pois
    attributes = tables.attributes
    crosswalk = tables.crosswalk_table
    gage_table = tables.gage_table
    sample = tables.sample
    to_xarray = labelled.to_xarray
    facts = facts

    # Files of its own.
    to_gpkg = to_gpkg
    to_parquet = tables.to_parquet
    to_geojson = tables.to_geojson

    validate = validate

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """Westernmost, southernmost, easternmost and northernmost edge, in units of `crs`."""
        return tables.bounds(self)

    @cached_property
    def crs(self) -> str:
        """Its coordinate reference system, such as ``EPSG:5070``."""
        return tables.crs(self)

    def problems(self) -> list[Problem]:
        """What is wrong with its links, the worst first; empty if all is well."""
        return find_problems(self)

    def partition(
        self, parts: int, *, weights: Weights = None, method: Method = "auto", tolerance: float = 0.02
    ) -> Partitioning:
        """A cut into parts that run side by side; see `dmod.domain.partitioning.Partitioning.of`."""
        return Partitioning.of(self.network, parts, weights=weights, method=method, tolerance=tolerance)

    def plot(self, **options: Any) -> Any:
        """A map for paper; see `dmod.view.domain_plot.plot`."""
        return load("dmod.plots").found["plot"](self, **options)

    def explore(self, **options: Any) -> Any:
        """A map to move about in, which works offline; see `dmod.view.domain_explore.explore`."""
        return load("dmod.plots").found["explore"](self, **options)

    def __repr__(self) -> str:
        return (
            f"Domain({self.name!r}, {self.version}, {len(self)} catchments, "
            f"{len(self.nexus_ids)} nexuses, {self.area_km2:.1f} km2, {len(self.gages)} gages)"
        )

    def _repr_html_(self) -> str:
        """A card: what it is, beside a small map."""
        card: str = load("dmod.plots").found["card"](self)
        return card


def _marked(found: Places, count: int) -> _Places:
    """Which of *count* things are among those found, ascending; -1 is none of them."""
    if len(found) * _FEW < count:
        return each_once(found[found >= 0]).astype(np.intp)
    mask = np.zeros(count, dtype=bool)
    mask[found[found >= 0]] = True
    return np.flatnonzero(mask)
