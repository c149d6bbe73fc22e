"""Running one part of a domain: forcing in, rows of the output file out.

A `Part` is a value: everything a worker needs, small enough to travel. `run_part` streams
it in blocks of catchments by time, so that memory stays bounded whatever the domain and
the period. It may be run twice: the same bytes go to the same places. Parts hold whole
nexus groups, so the flow of a nexus is summed here, in the order of the hydrofabric, and
numbers do not depend on how the domain was cut.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dmod import plugins
from dmod.engine.chain import ChainRun
from dmod.errors import Cancelled, ForcingError
from dmod.formats.forcing import ForcingRef, ForcingSource, open_forcing
from dmod.formats.run_output import FLOW, Layout, RowWriter

if TYPE_CHECKING:
    from dmod.formats.forcing import Floats
    from dmod.model.configs import Parameters
    from dmod.model.coupling import Chain

__all__ = ["Group", "Part", "PartReport", "run_part"]

_STEP_S = 3600.0
#: Catchments at a time, where rows of forcing lie each in one piece.
_ROWS = 16
#: How long a block that goes step by step may take, so that a run can be watched and stopped [s].
_BLINK_S = 1.0


@dataclass(frozen=True)
class Group:
    """Catchments of a part that share a formulation and a forcing."""

    #: The formulation, resolved.
    chain: Chain
    #: For each stage the values of its configuration, shape (catchments, ...).
    parameters: tuple[Parameters, ...]
    #: Index into the part's `sources`.
    source: int
    #: Places of the catchments within the part, ascending.
    places: NDArray[np.intp]


@dataclass(frozen=True)
class Part:
    """One piece of a run, for one task."""

    #: Number of the part.
    index: int
    #: Ids of its catchments, all contributors of a nexus side by side.
    ids: tuple[str, ...]
    #: Their rows in the output file.
    rows: NDArray[np.intp]
    #: For each catchment the row of its nexus in the output file; -1 for none.
    nexus_rows: NDArray[np.intp]
    #: Area of each catchment [km2].
    area_km2: NDArray[np.float64]
    #: Formulations.
    groups: tuple[Group, ...]
    #: Forcing files.
    sources: tuple[ForcingRef, ...]
    #: First instant of the run [s since 1970].
    start_s: int
    #: Steps of one hour.
    steps: int
    #: Where outputs go.
    layout: Layout
    #: Headers of catchment variables to write.
    columns: tuple[str, ...]
    #: Bytes the part's arrays may take.
    budget_bytes: int = 48 * 2**20
    #: A file whose existence stops the run.
    stop_flag: Path | None = None


@dataclass(frozen=True, slots=True)
class PartReport:
    """What a part did."""

    #: Number of the part.
    index: int
    #: Catchments times steps.
    catchment_steps: int
    #: Seconds spent reading forcing, computing, writing.
    read_s: float
    compute_s: float
    write_s: float


@dataclass
class _Clock:
    """Seconds by kind of work."""

    read: float = 0.0
    compute: float = 0.0
    write: float = 0.0


def run_part(part: Part, progress: Callable[[int, int], None] | None = None) -> PartReport:
    """Run one part.

    Parameters
    ----------
    part : Part
        What to do.
    progress : callable, optional
        Told (index of the part, catchment-steps done) after each block.

    Returns
    -------
    PartReport
        What was done, and where time went.

    Raises
    ------
    Cancelled
        If the stop flag appears.
    DmodError
        If forcing cannot be read or outputs cannot be written.
    """
    clock, done = _Clock(), 0
    sources = [open_forcing(ref, part.ids) for ref in part.sources]
    try:
        rows = [_rows(part.ids, source.ids) for source in sources]
        with RowWriter(part.layout) as writer:
            for first, last, span in _blocks(part, sources):
                lanes = [
                    _Lane(part, group, sources[group.source], rows[group.source], first, last) for group in part.groups
                ]
                lanes = [lane for lane in lanes if lane.size]
                pace = _Pace(span, slow=any(lane.is_slow for lane in lanes))
                start = 0
                while start < part.steps:
                    if part.stop_flag is not None and part.stop_flag.exists():
                        raise Cancelled("the run was stopped on request")
                    stop = min(start + pace.steps, part.steps)
                    with pace:
                        _block(part, lanes, writer, (first, last), (start, stop), clock)
                    done += (last - first) * (stop - start)
                    if progress is not None:
                        progress(part.index, done)
                    start = stop
    finally:
        for source in sources:
            source.close()
    return PartReport(part.index, done, clock.read, clock.compute, clock.write)


class _Pace:
    """How many steps to take at a time: all that memory allows, or what a slow model does in a blink."""

    def __init__(self, most: int, *, slow: bool) -> None:
        self.steps, self._most, self._slow = 1 if slow else most, most, slow

    def __enter__(self) -> None:
        self._began_s = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        took_s = time.perf_counter() - self._began_s
        if self._slow and took_s < _BLINK_S / 2:
            self.steps = min(2 * self.steps, self._most)
        elif self._slow and took_s > _BLINK_S:
            self.steps = max(1, self.steps // 2)


def _blocks(part: Part, sources: Sequence[ForcingSource]) -> Iterator[tuple[int, int, int]]:
    """Blocks as (first place, last place + 1, steps at a time), never inside a nexus group.

    Where a row of forcing lies in one piece, few catchments and many steps; where rows are
    stored side by side, all catchments and few steps.
    """
    count = len(part.ids)
    variables = max(len(group.chain.forcing) for group in part.groups)
    outputs = max(sum(len(stage.keep) for stage in group.chain.stages) for group in part.groups)
    cell = 16 * variables + 8 * (outputs + 2)
    together = any(source.row_chunk == 0 for source in sources)
    wanted = count if together else min(count, max(_ROWS, *(source.row_chunk for source in sources)))
    edges = _edges(part.nexus_rows, wanted)
    for first, last in itertools.pairwise(edges):
        span = max(1, part.budget_bytes // (cell * (last - first)))
        yield first, last, min(span, part.steps)


def _rows(ids: Sequence[str], have: Sequence[str]) -> NDArray[np.intp]:
    """The row of each catchment in a forcing; -1 where it has none, which then nobody reads."""
    row_of = {name: row for row, name in enumerate(have)}
    return np.array([row_of.get(name, -1) for name in ids], dtype=np.intp)


def _edges(nexus_rows: NDArray[np.intp], wanted: int) -> list[int]:
    """Cuts between nexus groups, about *wanted* catchments apart."""
    count = len(nexus_rows)
    free = np.flatnonzero((np.diff(nexus_rows) != 0) | (nexus_rows[1:] < 0)) + 1
    edges = [0]
    for cut in [*free.tolist(), count]:
        if cut - edges[-1] >= wanted or cut == count:
            edges.append(cut)
    return edges if count else [0]


class _Lane:
    """The part of one group inside one block of catchments."""

    def __init__(
        self, part: Part, group: Group, source: ForcingSource, rows: NDArray[np.intp], first: int, last: int
    ) -> None:
        inside = (group.places >= first) & (group.places < last)
        self.places = group.places[inside] - first
        self.size = len(self.places)
        if not self.size:
            return
        self.chain, self.source = group.chain, source
        #: Whether steps are taken one by one, in Python.
        self.is_slow = group.chain.feedback or any(stage.module == "python" for stage in group.chain.stages)
        parameters = [{k: v[inside] for k, v in values.items()} for values in group.parameters]
        self.run = ChainRun(group.chain, plugins.load("dmod.modules").found, parameters, self.size)
        self.forcing_rows = rows[first + self.places]
        self.offset = source.axis.offset(part.start_s)

    def read(self, start: int, stop: int) -> dict[str, Floats]:
        """The forcing of steps [start, stop); missing values are an error, not weather."""
        blocks = {
            name: self.source.read(name, self.forcing_rows, self.offset + start, self.offset + stop)
            for name in self.chain.forcing
        }
        for name, values in blocks.items():
            # One sum finds out whether there is any missing value; only then are they looked for.
            if not np.isfinite(values.sum()):
                self._refuse(name, values, start)
        return blocks

    def _refuse(self, name: str, values: Floats, start: int) -> None:
        """Say which value is missing."""
        row, step = np.argwhere(~np.isfinite(values))[0]
        instant = self.source.axis.start_s + self.source.axis.step_s * (self.offset + start + int(step))
        raise ForcingError(
            f"{name} has missing values (NaN)",
            file=self.source.ref.path,
            catchment=self.source.ids[self.forcing_rows[row]],
            first=f"{datetime.fromtimestamp(instant, tz=UTC):%Y-%m-%d %H:%M}",
            hint="fill them; `dmod check` lists all catchments that have some",
        )

    def echoes(self, start: int, stop: int) -> Iterator[tuple[str, NDArray[np.float64]]]:
        """Columns that echo forcing: as in ngen the value of the next step, NaN where there is none."""
        for column in self.chain.columns:
            if column.source.kind != "forcing":
                continue
            last = min(self.offset + stop + 1, self.source.axis.count)
            values = self.source.read(column.source.name, self.forcing_rows, self.offset + start + 1, last)
            full = np.full((self.size, stop - start), np.nan)
            full[:, : values.shape[1]] = values
            yield column.header, full


def _block(
    part: Part,
    lanes: Sequence[_Lane],
    writer: RowWriter,
    places: tuple[int, int],
    span: tuple[int, int],
    clock: _Clock,
) -> None:
    """One block of catchments by one stretch of time."""
    (first, last), (start, stop) = places, span
    main = np.empty((last - first, stop - start))
    rows = part.rows[first:last]
    for lane in lanes:
        began = time.perf_counter()
        forcing = lane.read(start, stop)
        read = time.perf_counter()
        columns, flow = lane.run.advance(forcing, stop - start)
        main[lane.places] = flow
        computed = time.perf_counter()
        for header, values in (*columns.items(), *lane.echoes(start, stop)):
            if header in part.columns:
                writer.write(header, rows[lane.places], start, values)
        for header in set(part.columns) - {column.header for column in lane.chain.columns}:
            # The file was laid out without fill values: what a formulation does not give is no number.
            writer.write(header, rows[lane.places], start, np.full_like(flow, np.nan))
        clock.read += read - began
        clock.compute += computed - read
        clock.write += time.perf_counter() - computed
    began = time.perf_counter()
    nexus_rows, flows = _nexus_flows(main, part.nexus_rows[first:last], part.area_km2[first:last], rows)
    computed = time.perf_counter()
    writer.write(FLOW, nexus_rows, start, flows)
    clock.compute += computed - began
    clock.write += time.perf_counter() - computed


def _nexus_flows(
    main: NDArray[np.float64],
    nexus_rows: NDArray[np.intp],
    area_km2: NDArray[np.float64],
    rows: NDArray[np.intp],
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Flow into each nexus [m3 s-1] from depth per step [m], summed in the order of the output rows."""
    order = np.argsort(rows, kind="stable")
    names, place = np.unique(nexus_rows[order], return_inverse=True)
    flows = np.zeros((len(names), main.shape[1]))
    for i, k in zip(order, place, strict=True):
        flows[k] += main[i] * (area_km2[i] * 1.0e6) / _STEP_S
    kept = names >= 0
    return names[kept], flows[kept]
