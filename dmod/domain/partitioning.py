"""A partitioning: which part of a river each catchment belongs to.

`Partitioning.of` cuts a network, `read` takes the cut from a file, and `report` says how
good it is. For MPI ranks that send each other flow at every step; the tasks of a run,
which send nothing, are cut by `dmod.domain.partition`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from dmod.domain.ids import nearest
from dmod.domain.network import Indices, Network
from dmod.domain.partition_links import Links, sorted_by_part
from dmod.domain.partition_report import PartitionReport, measure
from dmod.domain.partition_search import METHODS, Method, search
from dmod.domain.partition_tree import Floats, GroupTree
from dmod.errors import SelectionError
from dmod.formats.partition_json import SENTINEL, Rank, read_partitions, write_partitions

__all__ = ["Partitioning", "Weights"]

#: What a catchment costs: nothing said, its area, an array in file order, or a Series by id.
Weights = Literal["area"] | ArrayLike | None


@dataclass(frozen=True, eq=False, repr=False)
class Partitioning:
    """A river network cut into parts."""

    #: What is cut.
    network: Network
    #: Part of each catchment, in [0, count); shape (catchments,).
    part_of: Indices
    #: How many parts there are, in [1, inf); in a file some may be empty.
    count: int
    #: What each catchment costs, in any one unit; 1 for each if nothing is known; shape (catchments,).
    weights: Floats
    #: What the user should know, such as why there are fewer parts than asked for; empty if nothing.
    note: str = ""

    @classmethod
    def of(
        cls,
        network: Network,
        parts: int,
        *,
        weights: Weights = None,
        method: Method = "auto",
        tolerance: float = 0.02,
    ) -> Partitioning:
        """Cut a network into parts of about equal load with few nexuses between them.

        Catchments that drain to one nexus always stay in one part.

        Parameters
        ----------
        network : Network
            What to cut.
        parts : int
            How many parts are wanted, in [1, inf). There are never more than there are
            nexuses with contributors and catchments without a nexus; `note` then says so.
        weights : "area", array of float of shape (catchments,), or Series by catchment id, optional
            What each catchment costs, in [0, inf), not all 0; without it each costs the same.
        method : {"auto", "contiguous", "metis"}
            ``auto`` tries several cuts and keeps the best; ``contiguous`` makes runs of a walk
            along the river; ``metis`` asks the METIS library, if pymetis is installed.
        tolerance : float
            How much heavier than the mean the heaviest part may be so that fewer nexuses are cut [1],
            in (0, 1].

        Returns
        -------
        Partitioning
            Parts are numbered in the order of their first catchments.

        Raises
        ------
        SelectionError
            If a number is out of its bounds, a weight is missing, NaN, negative or infinite,
            the network is empty, or METIS is not installed.
        HydrofabricError
            If the river flows in a circle.
        """
        _check(network, parts, method, tolerance)
        loads = _weights(network, weights)
        tree = GroupTree.of(network.nexus_of, network.receiver, loads)
        most, note = min(int(parts), len(tree)), ""
        if most < parts:
            note = f"{parts:,} parts were asked for, but there are {most:,}: catchments of one nexus stay together"
        by_group = search(tree, most, method=method, tolerance=tolerance)
        part_of, count = _in_order(by_group[tree.group_of])
        if count < most:
            note = f"{parts:,} parts were asked for, but METIS filled {count:,} only"
        return cls(network, part_of, count, loads, note)

    @classmethod
    def read(cls, path: str | Path, network: Network, *, weights: Weights = None) -> Partitioning:
        """The partitioning of a network that a partition file holds.

        Parameters
        ----------
        path : path
            A partition file of any dialect.
        network : Network
            The river it is for.
        weights : "area", array or Series, optional
            As for `of`; only the report uses them.

        Returns
        -------
        Partitioning
            Remote connections are those the network asks for, not those of the file.

        Raises
        ------
        InputError
            If the file cannot be read.
        SelectionError
            If it does not name every catchment of the network exactly once, or names others.
        """
        path = Path(path)
        ranks = read_partitions(path)
        return cls(network, _placed(ranks, network, path), len(ranks), _weights(network, weights))

    def to_json(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the file that ``ngen`` reads in a parallel run.

        Parameters
        ----------
        path : path
            The file, by custom ``partitions_<count>.json``.
        overwrite : bool
            Whether to replace a file that is there.

        Returns
        -------
        Path
            *path*.

        Raises
        ------
        OutputError
            If something is there and *overwrite* is false, or it cannot be written.
        """
        return write_partitions(path, self.links.ranks(), overwrite=overwrite)

    def __len__(self) -> int:
        return self.count

    def __repr__(self) -> str:
        return f"Partitioning({self.count:,} parts of {len(self.network):,} catchments)"

    def _repr_html_(self) -> str:
        """The card of the report, and the note."""
        note = f"<p>{escape(self.note)}</p>" if self.note else ""
        return self.report._repr_html_() + note

    @cached_property
    def parts(self) -> tuple[Indices, ...]:
        """Indices of the catchments of each part, ascending."""
        members, edges = sorted_by_part(self.part_of, np.arange(len(self.part_of)), self.count)
        return tuple(np.split(members, edges[1:-1]))

    @cached_property
    def assign(self) -> pd.Series[int]:
        """Part of each catchment, by its id."""
        index = pd.Index(self.network.catchments.to_list(), dtype=object, name="catchment")
        return pd.Series(self.part_of, index=index, name="part")

    @cached_property
    def links(self) -> Links:
        """What crosses between the parts."""
        return Links(self.network, self.part_of, self.count)

    @cached_property
    def report(self) -> PartitionReport:
        """How even the parts are, and what they send each other."""
        return measure(self.links, self.weights)

    def hangs_ngen(self) -> list[str]:
        """Ids of nexuses at which an unpatched parallel ``ngen`` can wait for ever; none if no nexus is split.

        These have a remote contributor and two local ones or more: ``ngen`` then posts one receive too many
        and never finishes its last step. A split nexus that flows into no catchment counts as
        held by the part of its first contributor.
        """
        return self.network.nexuses.take(self.links.hanging).to_list()


def _check(network: Network, parts: object, method: str, tolerance: float) -> None:
    """Refuse what no cut can be made of."""
    if not isinstance(parts, int | np.integer) or isinstance(parts, bool) or parts < 1:
        raise SelectionError(
            "a river is cut into 1 part or more",
            needed="a whole number, 1 or larger",
            has=repr(parts),
            hint="give the number of MPI ranks",
        )
    if not len(network):
        raise SelectionError("there is no catchment to put into parts", has="an empty network")
    if method not in METHODS:
        raise SelectionError("no such method of cutting", needed=", ".join(METHODS), has=repr(method))
    if not 0 < tolerance <= 1:
        raise SelectionError(
            "the tolerance is a share of the mean load", needed="a number in (0, 1], such as 0.02", has=tolerance
        )


def _weights(network: Network, weights: Weights) -> Floats:
    """A weight for each catchment, in file order, all of them good."""
    if weights is None:
        return np.ones(len(network))
    if isinstance(weights, str):
        if weights != "area":
            raise SelectionError("no such weights", needed='"area", or numbers', has=repr(weights))
        values = network.area_km2
    elif isinstance(weights, pd.Series):
        places = network.catchments.find([str(name) for name in weights.index])
        values = np.full(len(network), np.nan)
        values[places[places >= 0]] = _numbers(weights)[places >= 0]
    else:
        values = _numbers(weights)
    if values.shape != (len(network),):
        raise SelectionError(
            "there must be one weight for each catchment",
            needed=f"{len(network):,} numbers",
            has=f"an array of shape {values.shape}",
            hint="give a pandas Series by catchment id if the order is not that of the file",
        )
    bad = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if bad.size:
        shown = ", ".join(f"{network.catchments[i]}: {values[i]:g}" for i in bad[:3].tolist())
        raise SelectionError(
            f"{bad.size:,} of {len(network):,} catchments have no weight that can be used",
            needed="a number, 0 or larger, for each",
            has=shown + (", ..." if bad.size > 3 else ""),
            hint="fill in what is missing (nan), for instance with the mean",
        )
    if len(values) and not values.any():
        raise SelectionError("all weights are 0", needed="one larger at least", hint="leave the weights out")
    return np.array(values, dtype=np.float64)


def _numbers(values: Any) -> Floats:
    """Values as floats."""
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SelectionError("weights are numbers", has=str(error)) from error


def _in_order(part_of: Indices) -> tuple[Indices, int]:
    """Parts numbered in the order of their first catchments, and how many there are."""
    first = np.full(int(part_of.max()) + 1, len(part_of), dtype=np.intp)
    # Assigned backwards, so that the first catchment's place is what stays.
    first[part_of[::-1]] = np.arange(len(part_of))[::-1]
    rank = np.empty(first.size, dtype=np.intp)
    rank[np.argsort(first)] = np.arange(first.size)
    return rank[part_of], int((first < len(part_of)).sum())


def _placed(ranks: Sequence[Rank], network: Network, path: Path) -> Indices:
    """The rank of each catchment of a network, all of them there once."""
    part_of = np.full(len(network), -1, dtype=np.intp)
    times = np.zeros(len(network), dtype=np.intp)
    for number, rank in enumerate(ranks):
        names = [name for name in rank.catchments if not name.startswith(SENTINEL)]
        places = network.catchments.find(names)
        if (places < 0).any():
            unknown = [name for name, place in zip(names, places.tolist(), strict=True) if place < 0]
            raise SelectionError(
                f"partition {number} has {len(unknown):,} catchments that are not in the domain",
                path=path,
                has=", ".join(unknown[:3]) + (", ..." if len(unknown) > 3 else ""),
                nearest=", ".join(nearest(unknown[0], network.catchments)) or "none",
                hint="the file was made for another domain: make it again with `dmod partition`",
            )
        part_of[places] = number
        times += np.bincount(places, minlength=len(network))
    for wrong, what in ((times == 0, "in no partition"), (times > 1, "in more than one partition, or twice in one")):
        if (some := np.flatnonzero(wrong)).size:
            raise SelectionError(
                f"{some.size:,} of {len(network):,} catchments are {what}",
                path=path,
                has=", ".join(network.catchments.take(some[:3]).to_list()) + (", ..." if some.size > 3 else ""),
                hint="make the file again with `dmod partition`",
            )
    return part_of
