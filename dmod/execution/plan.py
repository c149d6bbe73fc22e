"""The plan of a run: everything a launch needs, as a value that can be printed first.

`plan_run` cuts a case into pieces of whole nexus groups; `parts_of` makes tasks of them
once the output file has its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dmod.domain.partition import partition
from dmod.engine.part_run import Group, Part
from dmod.formats.run_output import FLOW, Layout, OutputVariable

if TYPE_CHECKING:
    from dmod.model.case import Case
    from dmod.schedule.sizing import Sizing

__all__ = ["RunPlan", "parts_of", "plan_run", "side_by_side", "variables_of"]

_STEP_S = 3600


@dataclass(frozen=True)
class RunPlan:
    """What will be done, before it is done; ``print(plan)`` shows it."""

    #: The parts of the run, checked.
    case: Case
    #: Workers and tasks.
    sizing: Sizing
    #: For each task the places of its catchments in the domain.
    pieces: tuple[NDArray[np.intp], ...]
    #: Where outputs go.
    target: Path
    #: Address of a Dask scheduler; None for a cluster of our own.
    scheduler: str | None = None

    def __str__(self) -> str:
        case, sizes = self.case, [len(piece) for piece in self.pieces]
        first = datetime.fromtimestamp(case.start_s, tz=UTC)
        last = datetime.fromtimestamp(case.start_s + _STEP_S * (case.steps - 1), tz=UTC)
        where = self.scheduler or f"a Dask LocalCluster of {self.sizing.workers} " + (
            "worker process" + ("es" if self.sizing.workers > 1 else "") if self.sizing.processes else "thread"
        )
        network, fabric = case.domain.network, case.domain.hydrofabric
        size = f"{len(network):,} catchments, {len(network.nexuses):,} nexuses"
        chains = sorted({" + ".join(stage.spec.title for stage in group.chain.stages) for group in case.groups})
        return "\n".join(
            [
                f"run      {case.directory.root}",
                f"domain   {size} ({fabric.path.name}, {fabric.version})",
                f"models   {'; '.join(chains)}",
                f"forcing  {', '.join(sorted({str(ref.path) for ref in case.sources})[:3])}",
                f"time     {first:%Y-%m-%d %H:%M} .. {last:%Y-%m-%d %H:%M} UTC, {case.steps:,} hourly steps",
                f"tasks    {len(sizes):,} of {min(sizes):,} to {max(sizes):,} catchments on {where}",
                f"outputs  {self.target}",
            ]
        )


def plan_run(case: Case, sizing: Sizing, target: Path, *, scheduler: str | None = None) -> RunPlan:
    """Plan a run.

    Parameters
    ----------
    case : Case
        The parts of the run, checked.
    sizing : Sizing
        Workers and tasks.
    target : Path
        Where outputs go.
    scheduler : str, optional
        Address of a Dask scheduler.

    Returns
    -------
    RunPlan
        Pieces hold whole nexus groups, each group's catchments side by side.
    """
    network = case.domain.network
    pieces = tuple(side_by_side(piece, network.nexus_of) for piece in partition(network, sizing.parts))
    return RunPlan(case, sizing, pieces, target, scheduler)


def side_by_side(piece: NDArray[np.intp], nexus_of: NDArray[np.intp]) -> NDArray[np.intp]:
    """Catchments of a piece, those of one nexus side by side, groups in the order of their first.

    Parameters
    ----------
    piece : array of int
        Places of catchments in a network, whole nexus groups.
    nexus_of : array of int, shape (catchments,)
        The nexus of each catchment of the network; -1 for none.

    Returns
    -------
    array of int
        The same places.
    """
    nexus = nexus_of[piece]
    # Catchments that drain to no nexus are groups of their own: number them apart.
    nexus = np.where(nexus < 0, -1 - np.arange(len(piece)), nexus)
    _, first, group = np.unique(nexus, return_index=True, return_inverse=True)
    return piece[np.lexsort((piece, first[group]))]


def variables_of(case: Case) -> list[OutputVariable]:
    """What the output file holds: catchment variables, then the nexus flow."""
    columns = case.columns if case.realization.output.catchment_enabled else ()
    return [
        *(OutputVariable(c.header, c.units, c.doc) for c in columns),
        OutputVariable(FLOW, "m3 s-1", "water entering the nexus from its own catchments, not routed", "nexus-id"),
    ]


def parts_of(plan: RunPlan, layout: Layout, stop_flag: Path | None) -> list[Part]:
    """Tasks of a plan.

    Parameters
    ----------
    plan : RunPlan
        What to do.
    layout : Layout
        Where outputs go.
    stop_flag : Path or None
        A file whose existence stops the run.

    Returns
    -------
    list of Part
        One per piece.
    """
    case = plan.case
    network = case.domain.network
    columns = tuple(name for name in layout.offsets if name != FLOW)
    owner = np.empty(len(network), dtype=np.intp)
    within = np.empty(len(network), dtype=np.intp)
    for number, group in enumerate(case.groups):
        owner[group.places] = number
        within[group.places] = np.arange(len(group.places))
    parts = []
    for index, piece in enumerate(plan.pieces):
        used = sorted({case.groups[number].source for number in np.unique(owner[piece])})
        place_of: Mapping[int, int] = {source: k for k, source in enumerate(used)}
        groups = []
        for number in np.unique(owner[piece]):
            group = case.groups[number]
            places = np.flatnonzero(owner[piece] == number)
            chosen = within[piece[places]]
            values = tuple({k: v[chosen] for k, v in p.items()} for p in group.parameters)
            groups.append(Group(group.chain, values, place_of[group.source], places))
        parts.append(
            Part(
                index=index,
                ids=tuple(network.catchments[i] for i in piece),
                rows=piece,
                nexus_rows=np.asarray(network.nexus_of[piece], dtype=np.intp),
                area_km2=np.asarray(network.area_km2[piece], dtype=np.float64),
                groups=tuple(groups),
                sources=tuple(case.sources[k] for k in used),
                start_s=case.start_s,
                steps=case.steps,
                layout=layout,
                columns=columns,
                stop_flag=stop_flag,
            )
        )
    return parts
