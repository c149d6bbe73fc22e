"""What crosses between the parts of a river: who sends the flow of which nexus to whom.

A nexus is held by the part of the catchment it flows into; where it flows into none, by
that of its first contributor. Contributors in other parts send. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dmod.domain.network import Indices, Network
from dmod.formats.partition_json import RECEIVES, SENDS, SENTINEL, Rank, RemoteConnection

__all__ = ["Links", "sorted_by_part"]


@dataclass(frozen=True, eq=False, repr=False)
class Links:
    """Nexuses of a network and the parts they tie together."""

    #: The river.
    network: Network
    #: Part of each catchment, in [0, count); shape (catchments,).
    part_of: Indices
    #: How many parts there are.
    count: int

    @cached_property
    def holder(self) -> Indices:
        """Part that holds each nexus, -1 for one that has neither receiver nor contributor; shape (nexuses,)."""
        receiver = self.network.receiver
        holder = np.append(self.part_of, -1)[receiver]
        # Assigned backwards, so that the first contributor's part is what stays.
        drained = np.flatnonzero(self.network.nexus_of >= 0)[::-1]
        first = np.full(len(receiver), -1, dtype=np.intp)
        first[self.network.nexus_of[drained]] = self.part_of[drained]
        return np.where(receiver >= 0, holder, first)

    @cached_property
    def senders(self) -> Indices:
        """Catchments whose nexus is held by another part, sorted by nexus, then part, then catchment."""
        nexus = self.network.nexus_of
        away = np.flatnonzero((nexus >= 0) & (self.part_of != np.append(self.holder, -1)[nexus]))
        return away[np.lexsort((away, self.part_of[away], nexus[away]))]

    @cached_property
    def messages(self) -> tuple[Indices, Indices, Indices]:
        """Nexus, sending part and receiving part of each message of a step; three arrays of one length."""
        nexus, part = self.network.nexus_of[self.senders], self.part_of[self.senders]
        fresh = np.ones(nexus.size, dtype=bool)
        fresh[1:] = (nexus[1:] != nexus[:-1]) | (part[1:] != part[:-1])
        return nexus[fresh], part[fresh], self.holder[nexus[fresh]]

    @cached_property
    def split(self) -> Indices:
        """Nexuses whose contributors are in more than one part, ascending."""
        nexus = self.network.nexus_of
        drained = np.flatnonzero(nexus >= 0)
        some = np.full(len(self.network.receiver), -1, dtype=np.intp)
        some[nexus[drained]] = self.part_of[drained]
        return np.unique(nexus[drained[self.part_of[drained] != some[nexus[drained]]]])

    @cached_property
    def hanging(self) -> Indices:
        """Nexuses with a remote contributor and two local ones or more, where they are held; ascending."""
        nexus = self.network.nexus_of
        local = np.bincount(nexus[nexus >= 0], minlength=len(self.network.receiver))
        sent = np.bincount(nexus[self.senders], minlength=local.size)
        return np.flatnonzero((sent > 0) & (local - sent >= 2))

    def ranks(self) -> Iterator[Rank]:
        """Each part as an MPI rank of ``ngen``, with its connections on both sides."""
        members, edges = sorted_by_part(self.part_of, np.arange(len(self.part_of)), self.count)
        nexuses, nexus_edges = sorted_by_part(*self._present(), self.count)
        remote = self._remote()
        below = [SENTINEL + name for name in self._names(nexuses=self._ownerless)]
        made_up = _gathered(self.holder[self._ownerless].tolist(), below, self.count)
        names, nexus_names = self.network.catchments, self.network.nexuses
        for part in range(self.count):
            catchments = names.take(members[edges[part] : edges[part + 1]]).to_list() + made_up[part]
            held = nexus_names.take(nexuses[nexus_edges[part] : nexus_edges[part + 1]]).to_list()
            yield Rank(catchments, held, remote[part])

    @cached_property
    def _ownerless(self) -> Indices:
        """Split nexuses without a receiver: only a made-up catchment can say who holds them."""
        return self.split[self.network.receiver[self.split] < 0]

    def _present(self) -> tuple[Indices, Indices]:
        """Parts and the nexuses each of them knows: held by it, or drained to by its catchments."""
        nexus, sender, _ = self.messages
        held = np.flatnonzero(self.holder >= 0)
        part, known = np.concatenate((self.holder[held], sender)), np.concatenate((held, nexus))
        order = np.argsort(known, kind="stable") if nexus.size else slice(None)
        return part[order], known[order]

    def _remote(self) -> list[list[RemoteConnection]]:
        """Connections of each part, in the order of nexuses."""
        remote: list[list[RemoteConnection]] = [[] for _ in range(self.count)]
        nexus, sender, holder = self.messages
        receiver = self.network.receiver[nexus]
        below = self.network.catchments.take(np.maximum(receiver, 0)).to_list() if nexus.size else []
        for name, at, to, wet, catchment in zip(
            self._names(nexuses=nexus), sender.tolist(), holder.tolist(), (receiver >= 0).tolist(), below, strict=True
        ):
            remote[at].append(RemoteConnection(to, name, catchment if wet else SENTINEL + name, SENDS))
        nexus = self.network.nexus_of[self.senders]
        origins = self.network.catchments.take(self.senders).to_list()
        for name, at, to, catchment in zip(
            self._names(nexuses=nexus),
            self.holder[nexus].tolist(),
            self.part_of[self.senders].tolist(),
            origins,
            strict=True,
        ):
            remote[at].append(RemoteConnection(to, name, catchment, RECEIVES))
        return remote

    def _names(self, *, nexuses: Indices) -> list[str]:
        """Ids of nexuses."""
        return self.network.nexuses.take(nexuses).to_list()


def sorted_by_part(part: Indices, what: Indices, count: int) -> tuple[Indices, NDArray[np.intp]]:
    """Things sorted by part, in their order, and where each part's begin and end; shape (count + 1,)."""
    edges = np.zeros(count + 1, dtype=np.intp)
    np.cumsum(np.bincount(part, minlength=count), out=edges[1:])
    # Numpy sorts numbers of 16 bits by counting, several times as fast.
    short = part.astype(np.uint16) if count <= 2**16 else part
    return what[np.argsort(short, kind="stable")], edges


def _gathered(parts: list[int], things: list[str], count: int) -> list[list[str]]:
    """Things put into a list for each part."""
    lists: list[list[str]] = [[] for _ in range(count)]
    for part, thing in zip(parts, things, strict=True):
        lists[part].append(thing)
    return lists
