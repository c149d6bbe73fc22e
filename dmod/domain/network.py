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
import pandas as pd
from numpy.typing import NDArray

from dmod.domain.ids import is_terminal, number, prefix

__all__ = ["Indices", "Network"]

#: Places in a file, counted from 0; -1 for nowhere.
Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False, repr=False)
class Network:
    """A river network as index arrays. Catchments and nexuses are in file order."""

    #: Catchment ids, such as ``cat-27``.
    catchments: tuple[str, ...]
    #: Nexus ids, such as ``nex-26``; every one of the file, then terminals the file does not list.
    nexuses: tuple[str, ...]
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
        listed = _index(nexuses)
        unlisted = [t for t in dict.fromkeys(toids) if t and is_terminal(t)]
        every = listed.append(_index(unlisted)).drop_duplicates()
        first = ~listed.duplicated()
        receiver = np.full(len(every), -1, dtype=np.intp)
        receiver[: int(first.sum())] = _receivers(nexus_toids, catchments, flowpaths)[first]
        return cls(
            catchments=tuple(catchments),
            nexuses=tuple(every),
            area_km2=np.asarray(area_km2, dtype=np.float64),
            nexus_of=every.get_indexer(_index(toids)),
            receiver=receiver,
        )

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
        known = _index(self.catchments)
        places = np.arange(len(known))
        if not known.is_unique:
            places = np.flatnonzero(~known.duplicated())
            known = known[places]
        return np.append(places, -1)[known.get_indexer(_index(catchments))]

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
        front = np.unique(np.asarray(indices, dtype=np.intp))
        while front.size:
            seen[front] = True
            begin, count = edges[front], edges[front + 1] - edges[front]
            # Feeders of the whole front at once: each one's slice of `members`, end to end.
            skip = np.repeat(begin - np.concatenate(([0], count.cumsum()[:-1])), count)
            front = members[skip + np.arange(int(count.sum()))]
            front = front[~seen[front]]
        return np.flatnonzero(seen)

    def cycle(self) -> list[str] | None:
        """The ids of one cycle in the order of flow, or None where all water leaves.

        Headwaters are taken away until none is left; as each catchment flows into one
        other at most, what remains are cycles.
        """
        waiting = np.bincount(self.downstream[self.downstream >= 0], minlength=len(self))
        front = self.headwaters
        left = np.ones(len(self), dtype=bool)
        while front.size:
            left[front] = False
            below = self.downstream[front]
            below = below[below >= 0]
            np.subtract.at(waiting, below, 1)
            below = np.unique(below)
            front = below[waiting[below] == 0]
        if not left.any():
            return None
        start = at = int(left.argmax())
        names = [self.catchments[at]]
        while (at := int(self.downstream[at])) != start:
            names.append(self.catchments[at])
        return names

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
        kept = np.unique(np.asarray(indices, dtype=np.intp))
        nexuses = np.unique(self.nexus_of[kept])
        nexuses = nexuses[nexuses >= 0]
        return Network(
            catchments=tuple(self.catchments[i] for i in kept),
            nexuses=tuple(self.nexuses[i] for i in nexuses),
            area_km2=self.area_km2[kept],
            nexus_of=_renumbered(self.nexus_of[kept], nexuses, len(self.nexuses)),
            receiver=_renumbered(self.receiver[nexuses], kept, len(self)),
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


def _receivers(
    toids: Sequence[str | None], catchments: Sequence[str], flowpaths: Sequence[str | None] | None
) -> Indices:
    """Index of the catchment each *toid* means, -1 for none."""
    by_id = _places(catchments, toids)
    if flowpaths is not None and any(flowpaths):
        by_flowpath = _places(flowpaths, toids)
    else:
        numbers = [number(c) if prefix(c) == "cat" else -1 for c in catchments]
        # An id such as nex-12 shares its number with cat-12 but does not mean it.
        wanted = [number(t) if t and prefix(t) in {"wb", "fp", "wat", "cat", ""} else -1 for t in toids]
        by_flowpath = _places([n if n > 0 else None for n in numbers], [n if n > 0 else None for n in wanted])
    return np.where(by_id >= 0, by_id, by_flowpath)


def _places(known: Sequence[object], wanted: Sequence[object]) -> Indices:
    """Where each of *wanted* first stands in *known*; -1 for absent ones and for None."""
    index = _index(known)
    first = np.flatnonzero(~index.duplicated() & index.notna())
    return np.append(first, -1)[index[first].get_indexer(_index(wanted))]


def _index(values: Sequence[object]) -> pd.Index:
    """An index of objects, in which None stays None and strings stay Python's."""
    index: pd.Index = pd.Index(np.array(values, dtype=object), dtype=object)
    return index
