"""What an MPI run is given: a realization, a partition file and arguments, as its ranks see them.

`prepare_inputs` makes them from the user's own before anything starts, for our engine and
for any ngen: no module is looked at. The user's files stay as they are.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from dmod.domain.domain import Domain
from dmod.domain.partitioning import Partitioning
from dmod.errors import CheckError, OutputError, RealizationError, SelectionError
from dmod.execution.container import Mount
from dmod.execution.mpi_paths import Sight
from dmod.execution.mpi_plan import OUTPUTS, RUN, WORK
from dmod.execution.mpi_routing import routed_to
from dmod.formats.partition_json import Rank, write_partitions
from dmod.model.case import Question
from dmod.model.check import domain_of
from dmod.model.findings import Report
from dmod.model.realization import ForcingEntry, Realization, read_realization
from dmod.model.realization_writing import forcing_entry

__all__ = ["Inputs", "prepare_inputs"]

#: Findings on what our engine alone cannot do, and on what ngen alone cannot.
_ONLY_OURS, _ONLY_NGENS = ("layers",), ("dmod-only", "no-own-formulations", "no-own-forcing")
#: Files of a hydrofabric that ngen reads.
_FABRICS = (".gpkg", ".geojson", ".json")
#: The longest list of ids on a command line; a single argument may have 128 KiB.
_IDS_BYTES = 100_000
#: Files of a folder of weather that was named by hand: each has the catchment in its name.
_PATTERN = r"(.*[^0-9])?{{id}}([^0-9].*)?\.csv"


@dataclass(frozen=True)
class Inputs:
    """What was made for an MPI run, and how its ranks see it."""

    #: The realization, here.
    realization: Path
    #: The partition file, here; with one rank it is of no effect.
    partitions: Path
    #: What follows the name of the program, as seen inside.
    arguments: tuple[str, ...]
    #: Catchments of each rank.
    catchments: tuple[int, ...]
    #: The catchments that are run.
    domain: Domain
    #: First instant [s since 1970], length of a step [s] and number of steps.
    start_s: int
    step_s: int
    steps: int
    #: What a container must be given besides the run directory and the folder of these, all of it read-only.
    mounts: tuple[Mount, ...]
    #: Folders that must be in the directory of outputs before the start.
    folders: tuple[str, ...] = ()
    #: Whether no rank sends another anything.
    is_local: bool = True


def prepare_inputs(
    question: Question,
    *,
    ranks: int | None,
    folder: Path,
    most: int = 1,
    run: str = RUN,
    work: str = WORK,
    outputs: str = OUTPUTS,
    partitions: Path | None = None,
    stores: Sequence[Path] = (),
    own: bool = False,
) -> Inputs:
    """Make what an MPI run is given.

    Parameters
    ----------
    question : Question
        The run: its directory, catchments, time, and forcing named by hand.
    ranks : int or None
        How many, at least 1; None for as many as the partition file has, or the domain can be cut into.
    folder : Path
        Where things are made; made itself if it is not there. What is there is replaced.
    most : int
        How many at most where *ranks* is None.
    run, work, outputs : str
        Where ranks see the run directory, *folder* and the directory of outputs.
    partitions : Path, optional
        A partition file of the user's own.
    stores : sequence of Path
        Roots of stores, whose files may be used too.
    own : bool
        Whether the engine is our own, which reads Zarr and sums flow wherever it comes from.

    Returns
    -------
    Inputs

    Raises
    ------
    InputError
        If the realization is wrong or names what may not be seen, the domain cannot be cut into so many, or the
        partition file does not fit or would keep ngen waiting for ever. Nothing is made then.
    """
    realization = _read(question, own=own)
    domain = domain_of(question)
    start_s, end_s = _span(question, realization)
    sight = Sight(question.directory, run, stores)
    tree, routing = _rewritten(question, realization, (start_s, end_s), sight, work=work, outputs=outputs, own=own)
    cut = _cut(domain, ranks, most, partitions, own=own)
    arguments, own_fabric = _arguments(question, domain, sight, cut.count, work)
    is_local = not tree.get("layers") and not cut.links.split.size
    made = _written(folder, tree, routing, domain if own_fabric else None)
    file = _partitions(folder, cut, is_local=is_local)
    return Inputs(
        realization=made, partitions=file, arguments=(*arguments, f"{work}/{made.name}", f"{work}/{file.name}"),
        catchments=tuple(np.bincount(cut.part_of, minlength=cut.count).tolist()), domain=domain, start_s=start_s,
        step_s=realization.interval_s, steps=(end_s - start_s) // realization.interval_s + 1, mounts=sight.mounts,
        folders=() if routing is None else ("troute",), is_local=is_local,
    )  # fmt: skip


def _written(folder: Path, tree: dict[str, Any], routing: str | None, fabric: Domain | None) -> Path:
    """The realization as a file; beside it t-route's configuration, and a hydrofabric where one is made."""
    made = folder / "realization.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        made.write_text(json.dumps(tree, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        if routing is not None:
            (folder / "troute.yaml").write_text(routing, encoding="utf-8")
    except OSError as problem:
        raise OutputError("what a run needs cannot be written", folder=folder, reason=problem.strerror) from problem
    if fabric is not None:
        fabric.to_gpkg(folder / "hydrofabric.gpkg", overwrite=True)
    return made


def _read(question: Question, *, own: bool) -> Realization:
    """The realization, if the engine can run it."""
    realization, report = read_realization(question.directory.realization)
    wrong = list(report.errors if own else (f for f in report.errors if f.code not in _ONLY_OURS))
    for finding in report.findings:
        foreign = not own and finding.code in _ONLY_NGENS and finding.severity != "error"
        replaced = question.forcing is not None and (finding.code == "no-own-forcing" or "forcing" in finding.key)
        if foreign and not replaced:
            wrong.append(replace(finding, severity="error"))
    if question.start_s is not None and question.end_s is not None:
        wrong = [finding for finding in wrong if not finding.key.startswith(("time.start", "time.end"))]
    if realization is None or wrong:
        raise CheckError(Report(tuple(wrong) or report.errors))
    return realization


def _span(question: Question, realization: Realization) -> tuple[int, int]:
    """First instant and start of the last step [s since 1970]; the question's own first."""
    start_s = realization.start_s if question.start_s is None else question.start_s
    end_s = realization.end_s if question.end_s is None else question.end_s
    if end_s < start_s:
        raise RealizationError(
            "the end lies before the start", start=_stamp(start_s), end=_stamp(end_s),
            hint="the end is the start of the last step: choose one at or after the start",
        )  # fmt: skip
    return start_s, end_s


def _rewritten(
    question: Question,
    realization: Realization,
    span: tuple[int, int],
    sight: Sight,
    *,
    work: str,
    outputs: str,
    own: bool,
) -> tuple[dict[str, Any], str | None]:
    """The realization with time, outputs and paths as ranks must have them, and t-route's configuration."""
    tree = copy.deepcopy(dict(realization.raw))
    tree["time"]["start_time"], tree["time"]["end_time"] = (_stamp(edge) for edge in span)
    # An ngen that does not know the block output goes by the older key; one that does ignores that.
    tree["output_root"] = outputs
    if isinstance(tree.get("output"), dict):
        tree["output"]["root"] = outputs
    given = None if question.forcing is None else _forcing(question.forcing, sight, own=own)
    for where, entry in _entries(tree):
        if given is not None and not where.startswith("layers"):
            entry["forcing"] = dict(given)
        elif isinstance(weather := entry.get("forcing"), dict) and isinstance(weather.get("path"), str):
            weather["path"] = sight.of_text(weather["path"], f"{where}.forcing.path")
        for key, params in _params(entry.get("formulations"), f"{where}.formulations"):
            if isinstance(config := params.get("init_config"), str):
                params["init_config"] = sight.of_text(config, f"{key}.init_config")
    routing = tree.get("routing")
    if own or not isinstance(routing, dict) or not realization.routing_config:
        return tree, None
    routing["t_route_config_file_with_path"] = f"{work}/troute.yaml"
    return tree, _routing(question, realization.routing_config, sight, outputs)


def _entries(tree: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """``global`` and the entries of catchments: where, and what is there."""
    listed = tree.get("catchments")
    own = listed.items() if isinstance(listed, dict) else ()
    for where, entry in (("global", tree.get("global")), *((f"catchments.{name}", one) for name, one in own)):
        if isinstance(entry, dict):
            yield where, entry
    for place, layer in enumerate(tree["layers"] if isinstance(tree.get("layers"), list) else ()):
        if isinstance(layer, dict):
            yield f"layers[{place}]", layer


def _params(listed: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The params of formulations and of the modules in them: where, and what is there."""
    for place, entry in enumerate(listed if isinstance(listed, list) else ()):
        params = entry.get("params") if isinstance(entry, dict) else None
        if isinstance(params, dict):
            key = f"{where}[{place}].params"
            yield key, params
            yield from _params(params.get("modules"), f"{key}.modules")


def _forcing(path: Path, sight: Sight, *, own: bool) -> dict[str, str]:
    """The block ``forcing`` for weather that was named by hand."""
    inside = sight.of_file(path.absolute(), "forcing")
    if path.is_dir() and path.suffix.lower() != ".zarr":
        return forcing_entry(ForcingEntry(inside, "CsvPerFeature", _PATTERN))
    entry = forcing_entry(inside)
    if entry["provider"] == "Zarr" and not own:
        raise RealizationError(
            "ngen does not read weather from a Zarr store", forcing=path, needed="NetCDF, or a folder of CSV files",
            hint="make it NetCDF, or run it with our own engine",
        )  # fmt: skip
    return entry


def _routing(question: Question, config: str, sight: Sight, outputs: str) -> str:
    """t-route's configuration, with results where they may be written."""
    path = question.directory.resolve(config)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise RealizationError(
            "the t-route configuration cannot be read, and ngen would say so only after its last step",
            key="routing.t_route_config_file_with_path", path=path, reason=problem,
            hint="correct the path, or delete the block routing",
        ) from problem  # fmt: skip
    sight.of_file(path, "routing.t_route_config_file_with_path")
    return routed_to(text, flows=outputs, folder=f"{outputs}/troute", place=sight.of_text)


def _cut(domain: Domain, ranks: int | None, most: int, given: Path | None, *, own: bool) -> Partitioning:
    """Which rank runs which catchments."""
    if given is None:
        cut = Partitioning.of(domain.network, max(1, most) if ranks is None else ranks)
        if ranks is not None and cut.count < ranks:
            raise SelectionError(
                f"{ranks:,} ranks are more than this domain can be cut into", needed=f"at most {cut.count:,}",
                has=f"{len(domain):,} catchments, those of one nexus together", hint=f"ask for {cut.count:,} ranks",
            )  # fmt: skip
        return cut
    cut = Partitioning.read(given, domain.network)
    if ranks is not None and cut.count != ranks:
        raise SelectionError(
            "the partition file is for another number of ranks", file=given, needed=ranks, has=cut.count,
            hint=f"ask for {cut.count:,} ranks, or leave the file out",
        )  # fmt: skip
    sizes = np.bincount(cut.part_of, minlength=cut.count)
    if empty := np.flatnonzero(sizes == 0).tolist():
        raise SelectionError(f"partition {empty[0]} has no catchments", file=given, hint="make the file again")
    hanging = [] if own else cut.hangs_ngen()
    if hanging:
        raise SelectionError(
            f"with this partition file ngen would wait for ever at {len(hanging):,} nexuses", file=given,
            has=", ".join(hanging[:3]) + (", ..." if hanging[3:] else ""),
            reason="a nexus is fed by another rank and by two catchments or more of its own, and ngen then waits "
            "for one message more than is sent",
            hint="leave the file out: ours keeps catchments of one nexus together",
        )  # fmt: skip
    return cut


def _partitions(folder: Path, cut: Partitioning, *, is_local: bool) -> Path:
    """The partition file."""
    ranks = _local_ranks(cut) if is_local else cut.links.ranks()
    return write_partitions(folder / f"partitions_{cut.count}.json", ranks, overwrite=True)


def _local_ranks(cut: Partitioning) -> Iterator[Rank]:
    """Ranks that send each other nothing: catchments of one nexus are together, and no model reads a nexus."""
    network = cut.network
    holder = np.append(cut.part_of, -1)[network.receiver]
    drained = network.nexus_of >= 0
    holder[network.nexus_of[drained]] = cut.part_of[drained]
    for part, members in enumerate(cut.parts):
        held = np.flatnonzero(holder == part)
        yield Rank(network.catchments.take(members).to_list(), network.nexuses.take(held).to_list())


def _arguments(
    question: Question, domain: Domain, sight: Sight, ranks: int, work: str
) -> tuple[tuple[str, str, str, str], bool]:
    """Hydrofabric and ids as the program wants them; whether a hydrofabric of its own is needed for that."""
    directory = question.directory
    catchments, nexuses = "all", "all"
    if question.catchments is not None and ranks == 1:  # with more ranks, the partition is what is run
        catchments, nexuses = ",".join(domain.catchments.to_list()), ",".join(domain.nexus_ids.to_list())
    unread = directory.hydrofabric.suffix.lower() not in _FABRICS or directory.hydrofabric.is_dir()
    if unread or max(len(catchments), len(nexuses)) > _IDS_BYTES:
        fabric = f"{work}/hydrofabric.gpkg"
        return (fabric, "all", fabric, "all"), True
    fabric = sight.of_file(directory.hydrofabric, "hydrofabric")
    points = fabric if directory.nexus is None else sight.of_file(directory.nexus, "nexus")
    return (fabric, catchments, points, nexuses), False


def _stamp(at_s: int) -> str:
    """An instant as realizations write it."""
    return datetime.fromtimestamp(at_s, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")
