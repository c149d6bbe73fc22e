"""The river as arrays: which catchment drains to which nexus, and what flows on where.

A Network is a forest: every catchment drains to at most one nexus and every nexus
flows into at most one catchment. Both are numbered by their place in the file, and -1
means *nowhere*. Every walk is a few numpy operations per step downstream, never a
loop over catchments. Pure: nothing here reads a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dmod.domain.river import River
from dmod.domain.walk import each_once, find_cycle
from dmod.formats.names import Names
from dmod.formats.topology import Topology

__all__ = ["Indices", "Network"]

#: Places in a file, counted from 0; -1 for nowhere.
Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False, repr=False)
class Network:
    """A river network as index arrays. Catchments and nexuses are in file order."""

    #: Catchment ids, such as ``cat-27``.
    catchments: Names
    #: Nexus ids, such as ``nex-26``; every one of the file, then terminals the file does not list.
    nexuses: Names
    #: Area of each catchment [km2]; NaN where the file has none.
    area_km2: NDArray[np.float64]
    #: Index of the nexus each catchment drains to, -1 for none.
    nexus_of: Indices
    #: Index of the catchment each nexus flows into, -1 where it is terminal or leads outside.
    receiver: Indices

    @classmethod
    def of(
        cls,
        catchments: Sequence[str],
        toids: Sequence[str | None],
        area_km2: NDArray[np.float64],
        nexuses: Sequence[str],
        nexus_toids: Sequence[str | None],
        flowpaths: Sequence[str | None] | None = None,
    ) -> Network:
        """The network that the tables of a hydrofabric tell of.

        Parameters
        ----------
        catchments, toids : sequence of str, length (catchments,)
            Catchment ids, and the nexus each drains to.
        area_km2 : array of float, shape (catchments,)
            Areas [km2].
        nexuses, nexus_toids : sequence of str, length (nexuses,)
            Nexus ids, and what each flows into: ``wb-N`` or ``cat-N``; ``wb-0``, ``cat-0`` and
            whatever is not in *catchments* make it terminal.
        flowpaths : sequence of str, length (catchments,), optional
            The flowpath of each catchment; without them ``wb-N`` means ``cat-N``.

        Returns
        -------
        Network
            Terminal nexuses that catchments drain to, but that are not in *nexuses*, come last.
        """
        known = [None] * len(catchments) if flowpaths is None else flowpaths
        topology = Topology.of(
            {"id": catchments, "toid": toids, "flowpath": known, "area_km2": area_km2.tolist()},
            {"id": nexuses, "toid": nexus_toids},
        )
        return cls.of_river(River.of(topology))

    @classmethod
    def of_river(cls, river: River, catchments: Indices | None = None) -> Network:
        """The network of all catchments of a river, or of some and the nexuses they drain to.

        Parameters
        ----------
        river : River
            The whole of it. Flowpaths without a catchment are passed through.
        catchments : array of int, optional
            Places of the catchments to keep, each in [0, river.count).
        """
        count, held = river.count, river.topology.catchments
        receiver = river.receiver.astype(np.intp)
        for _ in range(len(river) - count):
            bare = np.flatnonzero(receiver >= count)
            if not bare.size:
                break
            nexus = river.nexus_of[receiver[bare]]
            receiver[bare] = np.where(nexus >= 0, river.receiver[nexus], -1)
        nexus_of = river.nexus_of[:count].astype(np.intp)
        if catchments is None:
            return cls(held.ids, river.nexuses, held.area_km2, nexus_of, receiver)
        kept = each_once(np.asarray(catchments, dtype=np.intp))
        return _taken(held.ids, river.nexuses, held.area_km2, nexus_of, receiver, kept)

    def __repr__(self) -> str:
        return f"Network({len(self.catchments)} catchments, {len(self.nexuses)} nexuses)"

    def __len__(self) -> int:
        return len(self.catchments)

    @cached_property
    def downstream(self) -> Indices:
        """Index of the catchment each one flows into through its nexus, -1 for none; shape (catchments,)."""
        return np.where(self.nexus_of >= 0, np.append(self.receiver, -1)[self.nexus_of], -1)

    @cached_property
    def headwaters(self) -> Indices:
        """Indices of the catchments that nothing flows into, ascending."""
        fed = np.zeros(len(self), dtype=bool)
        fed[self.downstream[self.downstream >= 0]] = True
        return np.flatnonzero(~fed)

    @cached_property
    def _feeders(self) -> tuple[Indices, Indices]:
        """Catchments sorted by the one they flow into, and where each one's feeders begin and end."""
        return _grouped(self.downstream, len(self))

    @cached_property
    def _contributors(self) -> tuple[Indices, Indices]:
        """Catchments sorted by their nexus, and where each nexus's begin and end."""
        return _grouped(self.nexus_of, len(self.nexuses))

    def indices(self, catchments: Sequence[str]) -> Indices:
        """Where the named catchments stand, -1 for those that are not here."""
        return self.catchments.find(catchments)

    def contributors(self, nexus: int) -> Indices:
        """Indices of the catchments that drain to one nexus, ascending."""
        members, edges = self._contributors
        return members[edges[nexus] : edges[nexus + 1]]

    def upstream(self, indices: Indices | Sequence[int]) -> Indices:
        """Indices of the given catchments and of everything that flows into them, ascending.

        Parameters
        ----------
        indices : array of int
            Where to start.

        Returns
        -------
        array of int
            Each index once. A cycle is walked once.
        """
        members, edges = self._feeders
        seen = np.zeros(len(self), dtype=bool)
        front = each_once(np.asarray(indices, dtype=np.intp))
        while front.size:
            seen[front] = True
            begin, count = edges[front], edges[front + 1] - edges[front]
            # Feeders of the whole front at once: each one's slice of `members`, end to end.
            skip = np.repeat(begin - np.concatenate(([0], count.cumsum()[:-1])), count)
            front = members[skip + np.arange(int(count.sum()))]
            front = front[~seen[front]]
        return np.flatnonzero(seen)

    def cycle(self) -> list[str] | None:
        """The ids of one cycle in the order of flow, or None where all water leaves."""
        found = find_cycle(self.downstream)
        return None if found is None else [self.catchments[place] for place in found]

    def take(self, indices: Indices | Sequence[int]) -> Network:
        """The network of some catchments, in file order, with the nexuses they drain to.

        Parameters
        ----------
        indices : array of int
            The catchments to keep.

        Returns
        -------
        Network
            Nexuses that flow into catchments left out are terminal.
        """
        kept = each_once(np.asarray(indices, dtype=np.intp))
        return _taken(self.catchments, self.nexuses, self.area_km2, self.nexus_of, self.receiver, kept)


def _taken(
    catchments: Names,
    nexuses: Names,
    area_km2: NDArray[np.float64],
    nexus_of: Indices,
    receiver: Indices,
    kept: Indices,
) -> Network:
    """The network of the catchments *kept*, ascending, and of the nexuses they drain to."""
    used = each_once(nexus_of[kept])
    used = used[used >= 0]
    return Network(
        catchments=catchments.take(kept),
        nexuses=nexuses.take(used),
        area_km2=area_km2[kept],
        nexus_of=_renumbered(nexus_of[kept], used, len(nexuses)),
        receiver=_renumbered(receiver[used], kept, len(catchments)),
    )


def _grouped(keys: Indices, groups: int) -> tuple[Indices, Indices]:
    """Places sorted by key, keys of -1 left out, and the edges of each group; shape (groups + 1,)."""
    order = np.argsort(keys, kind="stable")
    order = order[int((keys < 0).sum()) :]
    edges = np.zeros(groups + 1, dtype=np.intp)
    np.cumsum(np.bincount(keys[keys >= 0], minlength=groups), out=edges[1:])
    return order, edges


def _renumbered(old: Indices, kept: Indices, count: int) -> Indices:
    """Old places among *count* as places among those *kept*; -1 for the rest."""
    new = np.full(count + 1, -1, dtype=np.intp)
    new[kept] = np.arange(kept.size)
    return new[old]
