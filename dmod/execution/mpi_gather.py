"""What the ranks of ngen left, as one NetCDF file of our own layout.

Files are read a block at a time and each block is written to its place, so memory does not
grow with the run. Where a rank failed, what it wrote is kept: values that are absent are NaN,
and the features they belong to are named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dmod.domain.domain import Domain
from dmod.errors import OutputError
from dmod.formats.names import Names
from dmod.formats.ngen_csv_features import open_catchments, open_nexuses
from dmod.formats.ngen_csv_together import open_together
from dmod.formats.ngen_files import find_ngen
from dmod.formats.ngen_netcdf import open_nexus_netcdf
from dmod.formats.ngen_rows import tail
from dmod.formats.output_variables import CATCHMENT, KNOWN, NEXUS, UNKNOWN, Meaning
from dmod.formats.run_output import Layout, OutputVariable, RowWriter, create, seal

__all__ = ["Gathered", "gather"]

#: What one block takes at most [bytes of float64].
_BLOCK_BYTES = 32 * 2**20


@dataclass(frozen=True)
class Gathered:
    """What was gathered."""

    #: The file.
    path: Path
    #: Catchments, and nexuses with water of catchments, that lack values: of some steps or of all.
    missing: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether every value is there."""
        return not self.missing


@dataclass(frozen=True)
class _Source:
    """Lazy values of some features, and which of these end early."""

    #: ``catchment-id`` or ``nexus-id``.
    dim: str
    #: Variables (feature, time).
    values: xr.Dataset
    #: Which lie row by row in files, rather than step by step.
    by_feature: bool
    #: Rows of each file that has one feature; None where only values tell.
    counts: Mapping[str, int] | None


def gather(
    folder: Path,
    domain: Domain,
    start_s: int,
    steps: int,
    made: Path,
    *,
    step_s: int = 3600,
    attributes: Mapping[str, str] | None = None,
) -> Gathered:
    """Read what ranks left and write one file.

    Parameters
    ----------
    folder : Path
        Where ngen wrote: one file per feature, files of a rank in ``rank_N/``, or NetCDF.
    domain : Domain
        What was run.
    start_s, steps : int
        First instant [s since 1970] and number of steps.
    made : Path
        The file to make.
    step_s : int
        Length of a step [s].
    attributes : mapping of str to str, optional
        Provenance.

    Returns
    -------
    Gathered
        Its file says ``dmod_status`` partial where something is missing, and complete otherwise.

    Raises
    ------
    OutputError
        If nothing was left, or what was is of another time or not as ngen writes it.
    RunError
        If the disk has no room.

    Notes
    -----
    A kind of output that no rank wrote anything of, catchments or nexuses, was not asked for.
    """
    sources = list(_sources(folder))
    if not sources:
        raise OutputError(
            "the ranks left no outputs", folder=folder, needed="files of catchments or nexuses with one step at least",
            hint="look at the log of the run",
        )  # fmt: skip
    layout = _laid_out(made, sources, domain, start_s, steps, step_s, attributes or {})
    try:
        missing = _fill(layout, sources, domain, start_s, step_s)
    except BaseException:
        layout.path.unlink(missing_ok=True)
        raise
    if missing:
        layout.path.replace(made)
    else:
        seal(layout, made)
    return Gathered(made, missing)


def _laid_out(
    made: Path,
    sources: Sequence[_Source],
    domain: Domain,
    start_s: int,
    steps: int,
    step_s: int,
    attributes: Mapping[str, str],
) -> Layout:
    """The file with room for every variable of the sources."""
    names = dict.fromkeys((str(name), one.dim) for one in sources for name in one.values.data_vars)
    return create(
        made,
        catchments=domain.network.catchments.to_list(),
        nexuses=domain.network.nexuses.to_list(),
        start_s=start_s,
        step_s=step_s,
        steps=steps,
        variables=[_described(name, dim) for name, dim in sorted(names, key=lambda one: one[1])],
        attributes={**attributes, "source": "ngen"},
    )


def _described(name: str, dim: str) -> OutputVariable:
    """A variable with its units, where they are known: ngen's files state none."""
    meaning = KNOWN.get(name, Meaning(UNKNOWN, name))
    return OutputVariable(name, meaning.units, meaning.long_name, dim)


def _sources(folder: Path) -> Iterator[_Source]:
    """Everything that was left, files with like columns together."""
    found = find_ngen(folder)
    for alike in _by_header(found.catchments).values():
        counts = {name: _rows(path) for name, path in alike.items()}
        if held := {name: path for name, path in alike.items() if counts[name]}:
            yield _Source(CATCHMENT, open_catchments(held, partial=True), by_feature=True, counts=counts)
    for together in _by_header({str(path): path for path in found.together}).values():
        if begun := [path for path in together.values() if _rows(path, 1)]:
            yield _Source(CATCHMENT, open_together(begun, partial=True), by_feature=False, counts=None)
    if found.nexus_netcdf:
        yield _Source(NEXUS, open_nexus_netcdf(found.nexus_netcdf), by_feature=False, counts=None)
        return
    counts = {name: _rows(path) for name, path in found.nexuses.items()}
    if held := {name: path for name, path in found.nexuses.items() if counts[name]}:
        yield _Source(NEXUS, open_nexuses(held, partial=True), by_feature=True, counts=counts)


def _by_header(files: Mapping[str, Path]) -> dict[bytes, dict[str, Path]]:
    """Files by their first line; those without a whole one were never begun."""
    alike: dict[bytes, dict[str, Path]] = defaultdict(dict)
    for name, path in files.items():
        with path.open("rb") as file:
            header = file.readline()
        if header.endswith(b"\n"):
            alike[header][name] = path
    return alike


def _rows(path: Path, column: int = 0) -> int:
    """How many steps a file has, by its last whole row."""
    with path.open("rb") as file:
        fields = tail(file, path, partial=True)
    return int(fields[column]) + 1 if len(fields) > column and fields[column].strip().isdigit() else 0


def _fill(layout: Layout, sources: Sequence[_Source], domain: Domain, start_s: int, step_s: int) -> tuple[str, ...]:
    """Write all there is, and NaN where there is nothing; what lacks values."""
    network = domain.network
    wet = np.zeros(len(network.nexuses), dtype=bool)
    wet[network.nexus_of[network.nexus_of >= 0]] = True
    ids = {CATCHMENT: network.catchments, NEXUS: network.nexuses}
    needed = {CATCHMENT: np.ones(len(network), dtype=bool), NEXUS: wet}
    missing: list[str] = []
    with RowWriter(layout) as writer:
        for dim, names in ids.items():
            mine = [source for source in sources if source.dim == dim]
            if not mine:
                continue
            whole = np.zeros(len(names), dtype=bool)
            every = {str(name) for source in mine for name in source.values.data_vars}
            begun = np.zeros(len(names), dtype=bool)
            for source in mine:
                rows, full = _write(writer, layout, source, names, start_s, step_s)
                begun[rows] = True
                whole[rows] = full
                for name in sorted(every - {str(name) for name in source.values.data_vars}):
                    _nothing(writer, layout, name, rows)
            for name in sorted(every):
                _nothing(writer, layout, name, np.flatnonzero(~begun & needed[dim]))
            missing += names.take(np.flatnonzero(~whole & needed[dim])).to_list()
    return tuple(missing)


def _write(
    writer: RowWriter, layout: Layout, source: _Source, names: Names, start_s: int, step_s: int
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Write one source; the rows it has, and which of these have every step."""
    ids = [str(name) for name in source.values[source.dim].values]
    places = names.find(ids)
    chosen = np.flatnonzero(places >= 0)
    values, rows = source.values.isel({source.dim: chosen}), places[chosen].astype(np.intp)
    begin = _first_step(values, layout.steps, start_s, step_s)
    count = values.sizes["time"]
    full = np.zeros(rows.size, dtype=bool)
    for features, span in _blocks(values, source):
        loaded = values.isel({source.dim: features, "time": span}).compute(scheduler="synchronous")
        some = rows[features]
        absent = np.ones((some.size, 1), dtype=bool)
        for name, variable in loaded.data_vars.items():
            array = variable.transpose(source.dim, "time").values.astype(np.float64, copy=False)
            writer.write(str(name), some, begin + span.start, array)
            absent &= np.isnan(array[:, -1:])
        if begin == 0 and span.stop == layout.steps:
            full[features] = ~absent[:, 0]
    if source.counts is not None:  # what files say is surer than what values look like
        rows_of = np.array([source.counts[ids[place]] for place in chosen.tolist()], dtype=np.intp)
        full = (rows_of == layout.steps) & (begin == 0)
    for edge, size in ((0, begin), (begin + count, layout.steps - begin - count)):
        for name in values.data_vars:
            _nothing(writer, layout, str(name), rows, edge, size)
    return rows, full


def _first_step(values: xr.Dataset, steps: int, start_s: int, step_s: int) -> int:
    """Which step of the run the first of a source is."""
    instants = values["time"].values.astype("datetime64[s]").astype(np.int64)
    begin, rest = divmod(int(instants[0]) - start_s, step_s)
    if rest or begin < 0 or begin + instants.size > steps or (np.diff(instants) != step_s).any():
        raise OutputError(
            "what ngen wrote is of another time than was asked for",
            needed=f"{steps:,} steps of {step_s} s from {np.datetime64(start_s, 's')}",
            has=f"{instants.size:,} steps from {values['time'].values[0]} to {values['time'].values[-1]}",
        )
    return begin


def _blocks(values: xr.Dataset, source: _Source) -> Iterator[tuple[slice, slice]]:
    """Features and steps of each block, so that no file is read more often than it must be."""
    features, steps = values.sizes[source.dim], values.sizes["time"]
    width = max(1, len(values.data_vars))
    if source.by_feature:
        size = max(1, _BLOCK_BYTES // (8 * width * max(1, steps)))
        for first in range(0, features, size):
            yield slice(first, min(first + size, features)), slice(0, steps)
        return
    size = max(1, _BLOCK_BYTES // (8 * width * max(1, features)))
    for first in range(0, steps, size):
        yield slice(0, features), slice(first, min(first + size, steps))


def _nothing(
    writer: RowWriter, layout: Layout, name: str, rows: NDArray[Any], first: int = 0, size: int | None = None
) -> None:
    """Write NaN to some steps of some rows; to all steps unless told."""
    size = layout.steps if size is None else size
    if not size:
        return
    line = np.full((1, size), np.nan)
    for row in rows:
        writer.write(name, np.array([row], dtype=np.intp), first, line)
