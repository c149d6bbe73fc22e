"""A domain: part or all of a hydrofabric.

`Domain.open` reads one, `subset` takes a piece of river by any name people have for it,
and everything else is asked of the piece: where water goes, tables, maps, a cut into
parts, a file of its own. A domain holds places in the river and nothing more until a
table is asked for. A value: nothing here changes a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dmod.domain.ids import nearest
from dmod.domain.network import Network
from dmod.domain.problems import Problem, find_problems
from dmod.domain.river import River
from dmod.errors import SelectionError
from dmod.formats.hydrofabric import Hydrofabric, open_hydrofabric
from dmod.formats.names import Names

__all__ = ["Domain"]

_Places = NDArray[np.intp]


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
    def open(cls, path: str | Path, nexus_path: str | Path | None = None) -> Domain:
        """Read a domain from a hydrofabric.

        Parameters
        ----------
        path : path
            A GeoPackage, or the catchment file of a GeoJSON pair.
        nexus_path : path, optional
            The nexus file of a GeoJSON pair; looked for beside *path* if not given.

        Raises
        ------
        HydrofabricError
            If it cannot be read.
        """
        return cls.of(open_hydrofabric(Path(path), None if nexus_path is None else Path(nexus_path)))

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
        rows = np.unique(self.river.flowpath[self.places])
        return rows[rows >= 0].astype(np.intp)

    @cached_property
    def flowpath_ids(self) -> Names:
        """Ids of the flowpaths, in file order."""
        return self.river.topology.flowpaths.ids.take(self.flowpath_places)

    @cached_property
    def nexus_places(self) -> _Places:
        """Nexuses of the river that are in it: all of the file, or those its places drain to."""
        if self.chosen is None:
            return np.arange(len(self.river.nexuses))
        nexuses = np.unique(self.river.nexus_of[self.places])
        return nexuses[nexuses >= 0].astype(np.intp)

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
        return Domain(
            self.hydrofabric, self.river, np.unique(np.asarray(places, dtype=np.intp)), self.name, (*self.story, story)
        )

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

    def attributes(self, columns: Sequence[str]) -> pd.DataFrame:
        """Attributes of the catchments, by column name.

        Parameters
        ----------
        columns : sequence of str
            Names as the file has them, of ``divides`` or any table with a row per catchment.

        Returns
        -------
        DataFrame
            One row per catchment, in file order; missing values where a table has no row.

        Raises
        ------
        HydrofabricError
            If a column is nowhere; the message names the nearest ones.
        """
        found = self.hydrofabric.attributes(columns)
        return found if self.chosen is None else found.iloc[self.catchment_places]

    @property
    def area_km2(self) -> float:
        """Area of all its catchments that have one [km2]."""
        return float(np.nansum(self.river.topology.catchments.area_km2[self.catchment_places]))

    def problems(self) -> list[Problem]:
        """What is wrong with the domain, the worst first; empty if all is well."""
        fabric = self.hydrofabric
        if self.chosen is None:
            return find_problems(fabric.catchments, fabric.nexuses, self.network)
        nexuses = fabric.nexuses[fabric.nexuses.index.isin(self.nexus_ids.to_list())]
        return find_problems(fabric.catchments.iloc[self.catchment_places], nexuses, self.network)

    def __repr__(self) -> str:
        return (
            f"Domain({self.name!r}, {self.version}, {len(self)} catchments, "
            f"{len(self.nexus_ids)} nexuses, {self.area_km2:.1f} km2, {len(self.gages)} gages)"
        )
