"""What rank 0 of an ngen run finds out and deals to all: an order for each rank.

The case is checked once, pieces come from the partition file, and the output file is laid
out; an `Order` is all that a rank needs to do its share. A partition file of anybody's is
taken. Where it splits the catchments of a nexus, they are put together again, so that
each nexus is summed in one rank and numbers do not depend on the cut.
"""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from dmod.errors import CheckError, InputError, OutputError
from dmod.execution.ngen_arguments import Arguments, question_of_arguments

if TYPE_CHECKING:
    from dmod.domain.network import Network
    from dmod.engine.part_run import Part
    from dmod.formats.run_output import Layout
    from dmod.model.case import Case

__all__ = ["NgenFiles", "Order", "cut_of", "orders_of"]

_STEP_S = 3600
Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class NgenFiles:
    """Where one rank writes ngen's own files."""

    #: Directories of catchments and of nexuses; None where they are not wanted.
    catchments: Path | None
    nexuses: Path | None
    #: One file per catchment, or one for all of the rank.
    grouping: Literal["per_feature", "per_formulation"]
    #: Rows that are this rank's, ascending.
    catchment_rows: Indices
    nexus_rows: Indices


@dataclass(frozen=True, slots=True)
class Order:
    """What one rank does."""

    #: Its part of the run; None where it has no catchment.
    part: Part | None
    #: The output file, laid out.
    layout: Layout
    #: Final name of that file.
    made: Path
    #: Steps of one hour.
    steps: int
    #: Nexuses that are this rank's.
    nexuses: int
    #: ngen's files to be made of it, after which it goes with its directory; None to keep it.
    files: NgenFiles | None
    #: What the file tells of the run.
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Share:
    """Rows of one rank, ascending."""

    catchments: Indices
    nexuses: Indices


def orders_of(arguments: Arguments, ranks: int, output: Path | None, *, warn: Callable[[str], None]) -> list[Order]:
    """Check a run and make an order for each rank.

    Parameters
    ----------
    arguments : Arguments
        What was asked for.
    ranks : int
        How many ranks there are, at least 1.
    output : Path or None
        Our output file; None for ngen's files where the realization says.
    warn : callable
        Told what the user should know.

    Returns
    -------
    list of Order
        By rank. The output file is laid out.

    Raises
    ------
    CheckError
        If the pre-flight check finds errors.
    InputError
        If the partition file does not fit the hydrofabric or the ranks, or outputs cannot be written.
    RunError
        If the disk has no room for the outputs.
    """
    from dmod.execution.plan import RunPlan, parts_of, side_by_side, variables_of
    from dmod.formats import run_output
    from dmod.model.check import examine
    from dmod.schedule.sizing import Sizing

    case, report = examine(question_of_arguments(arguments))
    if case is None:
        raise CheckError(report)
    if report.findings:
        warn(str(report))
    network = case.domain.network
    shares = _shares(cut_of(arguments.partitions, network, ranks, warn=warn), network, ranks)
    made = output if output is not None else _beside_outputs(case)
    layout = run_output.create(
        made, catchments=network.catchments, nexuses=network.nexuses, start_s=case.start_s, step_s=_STEP_S,
        steps=case.steps, variables=variables_of(case), attributes={},
    )  # fmt: skip
    busy = [rank for rank, share in enumerate(shares) if share.catchments.size]
    pieces = tuple(side_by_side(shares[rank].catchments, network.nexus_of) for rank in busy)
    plan = RunPlan(case, Sizing(ranks, len(busy), processes=True), pieces, made.parent)
    parts = dict(zip(busy, parts_of(plan, layout, None), strict=True))
    root, told = made.parent.parent, _attributes(case)
    return [
        Order(
            parts.get(rank), layout, made, case.steps, share.nexuses.size,
            None if output is not None else _files(case, root, rank, ranks, share), told,
        )
        for rank, share in enumerate(shares)
    ]  # fmt: skip


def _shares(cut: Indices, network: Network, ranks: int) -> list[_Share]:
    """What belongs to each rank; a nexus that nothing drains to belongs to rank 0."""
    owner = np.zeros(len(network.nexuses), dtype=np.intp)
    drained = network.nexus_of >= 0
    owner[network.nexus_of[drained]] = cut[drained]
    return [_Share(np.flatnonzero(cut == rank), np.flatnonzero(owner == rank)) for rank in range(ranks)]


def cut_of(path: Path | None, network: Network, ranks: int, *, warn: Callable[[str], None]) -> Indices:
    """The rank of each catchment.

    Parameters
    ----------
    path : Path or None
        A partition file of any dialect; None for one rank.
    network : Network
        What it cuts.
    ranks : int
        How many ranks there are.
    warn : callable
        Told where catchments were moved.

    Returns
    -------
    array of int, shape (catchments,)
        Catchments of one nexus have one rank: that of the first of them.

    Raises
    ------
    InputError
        If it has not one partition for each rank, or not every catchment exactly once.
    """
    from dmod.domain.partitioning import Partitioning

    if path is None:
        return np.zeros(len(network), dtype=np.intp)
    found = Partitioning.read(path, network)
    if found.count != ranks:
        raise InputError(
            "there must be one rank for each partition",
            needed=f"{found.count:,} ranks, for {path.name}",
            has=f"{ranks:,} ranks",
            hint=f"start {found.count:,} ranks, or cut again with `dmod partition -n {ranks}`",
        )
    cut = found.part_of.copy()
    draining = np.flatnonzero(network.nexus_of >= 0)
    names, first, group = np.unique(network.nexus_of[draining], return_index=True, return_inverse=True)
    together = cut[draining[first]][group]
    if moved := int((cut[draining] != together).sum()):
        split = len(np.unique(names[group[cut[draining] != together]]))
        warn(
            f"partition file {path.name}: {moved:,} catchments of {split:,} nexuses were moved, "
            "so that each nexus is summed in one rank"
        )
    cut[draining] = together
    return cut


def _beside_outputs(case: Case) -> Path:
    """A file in a new directory below the one of ngen's files."""
    root = case.directory.resolve(case.realization.output.root)
    try:
        root.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".dmod-", dir=root)) / "run.nc"
    except OSError as problem:
        raise OutputError(
            "the directory of the outputs cannot be written",
            directory=root,
            reason=problem.strerror or problem,
            hint="name another as output root in the realization, or mount this one writable",
        ) from problem


def _files(case: Case, root: Path, rank: int, ranks: int, share: _Share) -> NgenFiles:
    """Where one rank writes the files of ngen."""
    wanted = case.realization.output
    together = wanted.catchment_grouping == "per_formulation"
    own = root / f"rank_{rank}"
    # As in ngen, one file of many catchments is one for each rank.
    apart = ranks > 1 and (wanted.catchment_rank_subdir or together)
    return NgenFiles(
        (own if apart else root) if wanted.catchment_enabled else None,
        (own if ranks > 1 and wanted.nexus_rank_subdir else root) if wanted.nexus_enabled else None,
        "per_formulation" if together else "per_feature",
        share.catchments,
        share.nexuses,
    )


def _attributes(case: Case) -> dict[str, str]:
    """What the output file tells of the run."""
    models = sorted({" + ".join(stage.spec.title for stage in group.chain.stages) for group in case.groups})
    return {
        "title": f"NextGen run of {case.domain.name}",
        "source": "; ".join(models),
        "dmod_version": version("dmod"),
        "python_version": platform.python_version(),
        "numba_version": version("numba"),
        "numpy_version": version("numpy"),
        "units_policy": "ngen",
        "routing": "not routed",
    }
