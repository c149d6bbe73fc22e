"""The whole river of a hydrofabric, as index arrays.

Its places are the catchments, in file order, and after them the flowpaths that have no
catchment, so that no link is missing where a flowpath has no area of its own. Water goes
from a place through its nexus to the next place. Walking it is `Walk`'s; what a run needs
of it is a `Network` of catchments. Pure: a topology in, arrays out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dmod.domain.ids import TERMINALS
from dmod.domain.walk import Places, Walk, find_cycle
from dmod.errors import HydrofabricError
from dmod.formats.names import Names
from dmod.formats.topology import Topology

__all__ = ["River"]

#: Prefixes of flowpaths, and the bare ones of catchments, as a nexus names what it flows into.
_INTO = ("wb", "fp", "wat", "cat")


@dataclass(frozen=True, eq=False, repr=False)
class River:
    """Places and nexuses of a whole hydrofabric, and how they are linked."""

    #: Ids, sizes and links as the file has them.
    topology: Topology
    #: Ids of nexuses: all of the file, then terminals that it does not list; shape (nexuses,).
    nexuses: Names
    #: The nexus each place drains to, -1 for none; shape (places,).
    nexus_of: Places
    #: The place each nexus flows into, -1 where it is terminal or leads outside; shape (nexuses,).
    receiver: Places
    #: The flowpath of each place among `topology.flowpaths`, -1 for none; shape (places,).
    flowpath: Places

    @classmethod
    def of(cls, topology: Topology) -> River:
        """The river that a topology tells of."""
        held, paths = topology.catchments, topology.flowpaths
        flowpath = paths.ids.find(held.flowpath)
        bare = np.ones(len(paths.ids), dtype=bool)
        bare[flowpath[flowpath >= 0]] = False
        extra = np.flatnonzero(bare)
        toid = Names.joined([held.toid, paths.toid.take(extra)])
        channel = Names.joined([held.flowpath, paths.ids.take(extra)])
        nexuses, first = _every_nexus(topology.nexuses.ids, toid)
        receiver = np.full(len(nexuses), -1, dtype=np.int32)
        receiver[: int(first.sum())] = _receivers(topology, channel)[first]
        return cls(
            topology=topology,
            nexuses=nexuses,
            nexus_of=nexuses.find(toid).astype(np.int32),
            receiver=receiver,
            flowpath=np.concatenate([flowpath, extra]).astype(np.int32),
        )

    def __repr__(self) -> str:
        return f"River({self.count:,} catchments, {len(self) - self.count:,} other reaches)"

    def __len__(self) -> int:
        return len(self.nexus_of)

    @property
    def count(self) -> int:
        """How many places are catchments: those in [0, count)."""
        return len(self.topology.catchments.ids)

    @cached_property
    def downstream(self) -> Places:
        """The place each one flows into through its nexus, -1 for none; shape (places,)."""
        return np.where(self.nexus_of >= 0, np.append(self.receiver, np.int32(-1))[self.nexus_of], -1).astype(np.int32)

    @cached_property
    def walk(self) -> Walk:
        """The depth-first order of the places.

        Raises
        ------
        HydrofabricError
            If water flows in a circle; the error names it.
        """
        walk = Walk.of(self.downstream)
        if walk is None:
            circle = self.cycle() or []
            raise HydrofabricError(
                "catchments flow in a circle",
                needed="a river in which all water leaves",
                has=" -> ".join([*circle[:8], "..." if len(circle) > 8 else circle[0]]),
                hint="take the file from its source again, or mend the 'toid' of one of them",
            )
        return walk

    def name(self, place: int) -> str:
        """Id of a place: its catchment, or else its flowpath."""
        if place < self.count:
            return self.topology.catchments.ids[place]
        return self.topology.flowpaths.ids[int(self.flowpath[place])]

    def cycle(self) -> list[str] | None:
        """The ids of one circle in the order of flow, or None where all water leaves."""
        found = find_cycle(self.downstream)
        return None if found is None else [self.name(place) for place in found]

    @cached_property
    def place_of_flowpath(self) -> Places:
        """The place of each flowpath, -1 for one that no catchment names; shape (flowpaths,)."""
        places = np.full(len(self.topology.flowpaths.ids), -1, dtype=np.int32)
        at = np.flatnonzero(self.flowpath >= 0)[::-1]
        places[self.flowpath[at]] = at
        return places

    def place_of(self, flowpaths: Names) -> NDArray[np.intp]:
        """The place of each flowpath by its id, -1 for none.

        Files that do not tell which flowpath a catchment has mean ``cat-27`` by ``wb-27``.
        """
        held, channel = self.topology.catchments, self.topology.catchments.flowpath
        found = channel.find(flowpaths)
        if not channel.present.any():
            cats = Names.numbered("cat", np.where(held.ids.having(("cat",)), held.ids.numbers, -1))
            meant = np.where(flowpaths.having(_INTO), flowpaths.numbers, -1)
            found = np.where(meant > 0, cats.find(Names.numbered("cat", meant)), -1)
        rows = self.topology.flowpaths.ids.find(flowpaths)
        places = np.append(self.place_of_flowpath, np.int32(-1))[rows]
        return np.where(found >= 0, found, np.where(rows >= 0, places, -1))

    @cached_property
    def _contributors(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Places sorted by their nexus, and where each nexus's begin and end."""
        order = np.argsort(self.nexus_of, kind="stable")
        order = order[int((self.nexus_of < 0).sum()) :]
        edges = np.zeros(len(self.nexuses) + 1, dtype=np.intp)
        np.cumsum(np.bincount(self.nexus_of[self.nexus_of >= 0], minlength=len(self.nexuses)), out=edges[1:])
        return order, edges

    def contributors(self, nexus: int) -> NDArray[np.intp]:
        """Places that drain to one nexus, ascending."""
        if "_contributors" not in self.__dict__:
            return np.flatnonzero(self.nexus_of == nexus)
        order, edges = self._contributors
        return order[edges[nexus] : edges[nexus + 1]]


def _every_nexus(listed: Names, toid: Names) -> tuple[Names, NDArray[np.bool_]]:
    """Nexuses of the file, each once, then terminals it does not list; and which rows of the file count."""
    keys = listed.keys
    _, where = np.unique(keys, return_index=True)
    first = np.zeros(len(listed), dtype=bool)
    first[where] = True
    first &= listed.present
    ending = toid.take(np.flatnonzero(toid.having(TERMINALS)))
    ending = ending.take(np.flatnonzero(listed.find(ending) < 0))
    _, where = np.unique(ending.keys, return_index=True)
    return Names.joined([listed.take(np.flatnonzero(first)), ending.take(np.sort(where))]), first


def _receivers(topology: Topology, channel: Names) -> NDArray[np.intp]:
    """The place each nexus of the file means by its ``toid``, -1 for none."""
    ids, toid = topology.catchments.ids, topology.nexuses.toid
    by_id = ids.find(toid)
    if channel.present.any():
        by_flowpath = channel.find(toid)
    else:
        # Without flowpaths wb-N means cat-N; nex-N shares the number but does not mean it.
        cats, into = ids.having(("cat",)), toid.having(_INTO)
        numbers = np.where(into & (toid.numbers > 0), toid.numbers, 0)
        meant = Names.numbered("cat", numbers)
        known = Names.numbered("cat", np.where(cats, ids.numbers, -1))
        by_flowpath = np.where(numbers > 0, known.find(meant), -1)
    return np.where(by_id >= 0, by_id, by_flowpath)
