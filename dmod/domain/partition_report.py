"""How good a partition is: how even its parts are, and what they have to send each other.

Pure: arrays in, numbers out.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np

from dmod.domain.network import Indices
from dmod.domain.partition_links import Links
from dmod.domain.partition_tree import Floats, path_sums

__all__ = ["PartitionReport", "measure"]


@dataclass(frozen=True)
class PartitionReport:
    """Measures of a partition; ``print(report)`` shows them."""

    #: How much heavier than the mean the heaviest part is [1], in [0, inf).
    imbalance: float
    #: Nexuses whose flow crosses from one part to another.
    cut_nexuses: int
    #: Nexuses whose contributors are in more than one part; 0 for every partition made here.
    split_nexuses: int
    #: Flows sent from part to part in each step.
    messages: int
    #: Most messages that one part sends and receives in a step.
    max_remote: int
    #: Most other parts that one part exchanges messages with.
    max_neighbours: int
    #: Most changes of part on a way from a headwater to an outlet.
    depth: int
    #: Nexuses that can keep an unpatched parallel ngen waiting for ever; 0 if none is split.
    hanging_nexuses: int
    #: Load of each part, in the unit of the weights; catchments without weights.
    loads: tuple[float, ...]
    #: Catchments of each part.
    sizes: tuple[int, ...]

    def rows(self) -> dict[str, str]:
        """What to show: a label and a text for each measure."""
        sizes = f"{min(self.sizes):,} to {max(self.sizes):,} catchments" if self.sizes else "none"
        rows = {
            "parts": f"{len(self.sizes):,} of {sizes}",
            "imbalance": f"{self.imbalance:.2%} (heaviest over mean)",
            "cut nexuses": f"{self.cut_nexuses:,}",
            "split nexuses": f"{self.split_nexuses:,}",
            "messages": f"{self.messages:,} per step, at most {self.max_remote:,} for one part",
            "neighbours": f"at most {self.max_neighbours:,}",
            "depth": f"{self.depth:,} changes of part on the way to an outlet",
        }
        if self.hanging_nexuses:
            rows["hanging"] = f"{self.hanging_nexuses:,} nexuses at which an unpatched ngen can wait for ever"
        return rows

    def __str__(self) -> str:
        return "\n".join(f"{label:<14} {text}" for label, text in self.rows().items())

    def _repr_html_(self) -> str:
        """A small card."""
        cells = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in self.rows().items())
        return f"<table><caption>Partition</caption>{cells}</table>"


def measure(links: Links, weights: Floats) -> PartitionReport:
    """Measure a partition.

    Parameters
    ----------
    links : Links
        The river, its parts and what crosses between them.
    weights : array of float, shape (catchments,)
        What each catchment costs, in any one unit.

    Returns
    -------
    PartitionReport
        The measures.

    Raises
    ------
    HydrofabricError
        If the river flows in a circle.
    """
    part_of, count = links.part_of, links.count
    load = np.bincount(part_of, weights, minlength=count)
    nexus, sender, receiver = links.messages
    ends = np.bincount(sender, minlength=count) + np.bincount(receiver, minlength=count)
    # Every pair of parts once from either side.
    pairs = np.unique(np.concatenate((sender * count + receiver, receiver * count + sender)))
    return PartitionReport(
        imbalance=float(load.max() / load.mean() - 1) if load.sum() > 0 else 0.0,
        cut_nexuses=np.unique(nexus).size,
        split_nexuses=links.split.size,
        messages=nexus.size,
        max_remote=int(ends.max(initial=0)),
        max_neighbours=int(np.bincount(pairs // count, minlength=count).max(initial=0)),
        depth=_depth(links.network.downstream, part_of),
        hanging_nexuses=links.hanging.size,
        loads=tuple(load.tolist()),
        sizes=tuple(np.bincount(part_of, minlength=count).tolist()),
    )


def _depth(downstream: Indices, part_of: Indices) -> int:
    """Most changes of part on a way downstream."""
    changes = (downstream >= 0) & (part_of != part_of[downstream])
    if not changes.any():
        return 0
    return int(path_sums(downstream, changes.astype(np.intp)).max())
