"""A domain: part or all of a hydrofabric, with its network and its gages.

`Domain.open` reads a file, `select` takes catchments of it, and `problems` says what is
wrong with it before a run does. A value: nothing here changes a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from pathlib import Path

import numpy as np

from dmod.domain.ids import nearest, number, prefix
from dmod.domain.network import Network
from dmod.domain.problems import Problem, find_problems
from dmod.errors import SelectionError
from dmod.formats.hydrofabric import Hydrofabric, open_hydrofabric

__all__ = ["Domain"]


@dataclass(frozen=True, eq=False, repr=False)
class Domain:
    """Where on the river: catchments of a hydrofabric and the network they form."""

    #: The tables, of the catchments of this domain only.
    hydrofabric: Hydrofabric
    #: The same as index arrays; catchments stand in the same order.
    network: Network
    #: What people call it; the name of the file at first.
    name: str

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
        fabric = open_hydrofabric(Path(path), None if nexus_path is None else Path(nexus_path))
        table, nexuses = fabric.catchments, fabric.nexuses
        network = Network.of(
            table.index.to_list(),
            table["toid"].to_list(),
            table["area_km2"].to_numpy(),
            nexuses.index.to_list(),
            nexuses["toid"].to_list(),
            table["flowpath_id"].to_list(),
        )
        return cls(fabric, network, fabric.path.stem)

    def select(self, catchments: Iterable[str]) -> Domain:
        """The domain of some catchments, in file order, and of the nexuses they drain to.

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
        places = self.network.indices(asked)
        if unknown := [name for name, place in zip(asked, places, strict=True) if place < 0]:
            like = {name: nearest(name, self.network.catchments) for name in unknown[:3]}
            raise SelectionError(
                f"{len(unknown)} of the {len(asked)} catchments asked for are not in the domain",
                needed=", ".join(unknown[:3]) + (", ..." if unknown[3:] else ""),
                has=f"{len(self.network)} catchments of {self.name}",
                nearest="; ".join(f"{name}: {', '.join(found) or 'none'}" for name, found in like.items()),
                hint="give ids of catchments as the hydrofabric has them, such as 'cat-101'",
            )
        if not asked:
            raise SelectionError(
                "no catchment was asked for",
                has=f"{len(self.network)} catchments of {self.name}",
                hint="name one at least",
            )
        kept = np.unique(places)
        held = set(kept.tolist())
        network = self.network.take(kept)
        listed = self.hydrofabric.nexuses
        fabric = replace(
            self.hydrofabric,
            catchments=self.hydrofabric.catchments.iloc[kept],
            nexuses=listed[listed.index.isin(network.nexuses)],
            gages={g: f for g, f in self.hydrofabric.gages.items() if self._by_flowpath.get(f) in held},
        )
        return Domain(fabric, network, self.name)

    @cached_property
    def gages(self) -> Mapping[str, tuple[str, str]]:
        """Gage number to the catchment it ends and the nexus below it.

        Gages whose catchment is not in the domain, or drains to no nexus, are left out.
        """
        found: dict[str, tuple[str, str]] = {}
        for gage, flowpath in self.hydrofabric.gages.items():
            place = self._by_flowpath.get(flowpath)
            if place is not None and (nexus := int(self.network.nexus_of[place])) >= 0:
                found[gage] = self.network.catchments[place], self.network.nexuses[nexus]
        return found

    def problems(self) -> list[Problem]:
        """What is wrong with the domain, the worst first; empty if all is well."""
        return find_problems(self.hydrofabric.catchments, self.hydrofabric.nexuses, self.network)

    def __repr__(self) -> str:
        return (
            f"Domain({self.name!r}, {self.hydrofabric.version}, {len(self.network)} catchments, "
            f"{len(self.network.nexuses)} nexuses, {self._area_km2:.1f} km2, {len(self.gages)} gages)"
        )

    def _repr_html_(self) -> str:
        """A small card."""
        gages = ", ".join(list(self.gages)[:5]) + (", ..." if len(self.gages) > 5 else "")
        rows = {
            "catchments": f"{len(self.network):,}",
            "nexuses": f"{len(self.network.nexuses):,}",
            "area": f"{self._area_km2:,.1f} km²",
            "gages": gages or "none",
            "hydrofabric": f"{self.hydrofabric.path.name} ({self.hydrofabric.version})",
        }
        cells = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in rows.items())
        return f"<table><caption>Domain <b>{escape(self.name)}</b></caption>{cells}</table>"

    @property
    def _area_km2(self) -> float:
        """Area of all catchments that have one [km2]."""
        return float(np.nansum(self.network.area_km2))

    @cached_property
    def _by_flowpath(self) -> Mapping[str, int]:
        """Flowpath id to the place of its catchment."""
        flowpaths = self.hydrofabric.catchments["flowpath_id"].to_list()
        if any(flowpaths):
            return {f: place for place, f in reversed(list(enumerate(flowpaths))) if f}
        names = self.network.catchments
        return {f"wb-{number(c)}": place for place, c in enumerate(names) if prefix(c) == "cat"}
