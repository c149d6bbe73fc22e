"""Cutting a river network into the tasks of a run.

The catchments that drain to one nexus always stay together, so that each nexus's
inflow is summed in one place and no task waits for another. Tasks send each other nothing,
so they follow the file, whose rows lie side by side in forcing and outputs; parts that do send are a
`dmod.domain.partitioning.Partitioning`. Pure.
"""

from __future__ import annotations

import numpy as np

from dmod.domain.network import Indices, Network
from dmod.domain.partition_chunks import even_cuts

__all__ = ["partition"]


def partition(network: Network, parts: int) -> list[Indices]:
    """Cut a network into parts of about equal size, by whole nexuses.

    Groups of catchments that drain to one nexus are laid in file order, by the first of
    each, and cut where the running count comes closest to equal shares. A part thus
    holds at most its equal share and one largest group.

    Parameters
    ----------
    network : Network
        What to cut.
    parts : int
        How many parts are wanted, in [1, inf). There are never more than there are groups;
        a catchment without a nexus is a group of its own.

    Returns
    -------
    list of array of int
        Indices of the catchments of each part, ascending; each catchment is in one part.

    Raises
    ------
    ValueError
        If *parts* is below 1.
    """
    if parts < 1:
        raise ValueError(f"a network is cut into 1 part or more, got parts={parts}")
    if not len(network):
        return []
    group = _groups(network)
    ends = np.cumsum(np.bincount(group))
    cuts = even_cuts(ends, min(parts, ends.size))
    order = np.argsort(group, kind="stable")
    return [np.sort(part) for part in np.split(order, ends[cuts - 1])]


def _groups(network: Network) -> Indices:
    """The group of each catchment, numbered in the order of their first members."""
    lone = len(network.nexuses) + np.arange(len(network))
    key = np.where(network.nexus_of >= 0, network.nexus_of, lone)
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    rank = np.empty(first.size, dtype=np.intp)
    rank[np.argsort(first)] = np.arange(first.size)
    return rank[inverse]
