"""The pre-flight check of forcing: ids, variables, time, missing values, negative rain.

ngen reads the first catchment's weather, without a word, for a catchment that the file
lacks, and dies in the hour where the file ends; both are found here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from dmod.errors import DmodError, ForcingError
from dmod.formats.forcing import KNOWN, ForcingRef, ForcingSource, open_forcing
from dmod.model.findings import Finding, Report
from dmod.units import is_known

__all__ = ["ForcingAnswer", "examine_forcing", "scan_forcing"]

_STEP_S = 3600
_SAMPLE_ROWS, _SAMPLE_STEPS, _SMALL_BYTES = 64, 48, 256 * 2**20
_BLOCK_VALUES = 4_000_000
_RAIN = frozenset({"precip_rate", "RAINRATE", "APCP_surface"})


@dataclass(frozen=True)
class ForcingAnswer:
    """What one forcing offers."""

    #: Every name and alias: the file's variable and its units.
    names: Mapping[str, tuple[str, str]]
    #: How many neighbouring rows are cheapest to read together; 0 for all at once.
    row_chunk: int
    #: Everything that was found.
    report: Report


def examine_forcing(ref: ForcingRef, ids: Sequence[str], span: tuple[int, int] | None) -> ForcingAnswer:
    """Open one forcing and see whether it covers what is needed.

    Parameters
    ----------
    ref : ForcingRef
        Where it lies.
    ids : sequence of str
        Catchments that read it.
    span : (int, int) or None
        First instant needed [s since 1970], and hours; None where nobody knows.

    Returns
    -------
    ForcingAnswer
        Names, and what is wrong.
    """
    try:
        source = open_forcing(ref, ids)
    except DmodError as problem:
        return ForcingAnswer({}, 1, Report((_as_finding(problem, ref),)))
    try:
        found = [*_ids(source, ids), *(_time(source, *span) if span else []), *_units(source)]
        return ForcingAnswer(_names(source), source.row_chunk, Report(tuple(found)))
    finally:
        source.close()


def scan_forcing(
    ref: ForcingRef,
    ids: Sequence[str],
    variables: Sequence[str] | None,
    span: tuple[int, int] | None,
    *,
    every_value: bool,
) -> Report:
    """Look for missing values and negative precipitation in what a run would read.

    Parameters
    ----------
    ref : ForcingRef
        Where it lies.
    ids : sequence of str
        Catchments that read it; those it lacks are passed over.
    variables : sequence of str or None
        What is read; None for all it has.
    span : (int, int) or None
        First instant and number of hours, of which what it does not cover is passed over; None for all.
    every_value : bool
        False looks at a sample where there is much; a run looks at the rest as it goes.

    Returns
    -------
    Report
        What was found.
    """
    try:
        source = open_forcing(ref, ids)
    except DmodError as problem:
        return Report((_as_finding(problem, ref),))
    try:
        return Report(
            tuple(
                _scan(source, ids, variables, span or (source.axis.start_s, source.axis.count), every_value=every_value)
            )
        )
    except ForcingError as problem:
        return Report((_as_finding(problem, ref),))
    finally:
        source.close()


def _as_finding(problem: DmodError, ref: ForcingRef) -> Finding:
    """An error that opening raised."""
    file = str(problem.facts.get("file", ref.path))
    return Finding.of(problem, "forcing-unreadable", file=file, without=("file", "path"))


def _names(source: ForcingSource) -> dict[str, tuple[str, str]]:
    """Variables by name and by CSDMS alias."""
    names = {name: (name, units) for name, units in source.variables.items()}
    for name, units in source.variables.items():
        if name in KNOWN:
            names.setdefault(KNOWN[name].alias, (name, units))
    return names


def _ids(source: ForcingSource, ids: Sequence[str]) -> list[Finding]:
    """Catchments that the forcing lacks, or has twice."""
    have = set(source.ids)
    found = []
    if missing := tuple(name for name in ids if name not in have):
        trap = (
            "; ngen would read the first catchment's weather without a word" if source.ref.provider == "NetCDF" else ""
        )
        found.append(
            Finding(
                "error",
                "forcing-ids",
                f"{len(missing):,} of {len(ids):,} catchments have no forcing{trap}",
                file=str(source.ref.path),
                ids=missing,
                remedy="make forcing for them, or leave them out",
            )
        )
    if len(have) < len(source.ids):
        names, counts = np.unique(np.array(source.ids), return_counts=True)
        found.append(
            Finding(
                "error",
                "forcing-ids",
                "catchments stand in the forcing more than once",
                file=str(source.ref.path),
                key="ids",
                ids=tuple(names[counts > 1].tolist()),
                remedy="keep each once",
            )
        )
    return found


def _time(source: ForcingSource, start_s: int, steps: int) -> list[Finding]:
    """Whether the forcing covers the run's time."""
    axis, file = source.axis, str(source.ref.path)
    needed = f"{_iso(start_s)} .. {_iso(start_s + steps * _STEP_S)}"
    if axis.step_s != _STEP_S and axis.count > 1:
        return [
            Finding(
                "error",
                "forcing-step",
                f"forcing comes every {axis.step_s} s, but steps are {_STEP_S} s",
                file=file,
                key="Time",
                remedy="resample it to hourly values",
            )
        ]
    found = []
    if (start_s - axis.start_s) % _STEP_S:
        found.append(
            Finding(
                "error",
                "forcing-start",
                "the start time falls between two forcing values",
                file=file,
                key="time.start_time",
                remedy=f"start at a full step from {_iso(axis.start_s)}",
            )
        )
    if axis.start_s > start_s:
        found.append(
            Finding(
                "error",
                "forcing-late",
                f"forcing begins after the run: needed {needed}, has {axis}",
                file=file,
                key="time.start_time",
                remedy=f"start at {_iso(axis.start_s)} or later",
            )
        )
    if axis.stop_s < start_s + steps * _STEP_S:
        last = _iso(axis.stop_s - _STEP_S)
        found.append(
            Finding(
                "error",
                "forcing-short",
                f"forcing ends before the run: needed {needed}, has {axis}; ngen dies in the hour where it ends",
                file=file,
                key="time.end_time",
                remedy=f"end at {last} (the start of the last step), or make more forcing",
            )
        )
    return found


def _units(source: ForcingSource) -> list[Finding]:
    """Units that cannot be read, and units unlike the usual ones."""
    return [
        Finding("warning", "forcing-units", f"the units {units!r} of {name} are unknown", file=str(source.ref.path),
                key=name, remedy="write them as UDUNITS does, for example 'mm s^-1'")
        for name, units in source.variables.items()
        if not is_known(units)
    ]  # fmt: skip


def _scan(
    source: ForcingSource,
    ids: Sequence[str],
    variables: Sequence[str] | None,
    span: tuple[int, int],
    *,
    every_value: bool,
) -> list[Finding]:
    """Missing values and negative rain, block by block."""
    row_of = {name: row for row, name in enumerate(source.ids)}
    rows = np.array([row_of[name] for name in ids if name in row_of], dtype=np.intp)
    first = max(0, (span[0] - source.axis.start_s) // source.axis.step_s)
    last = min(source.axis.count, first + span[1])
    variables = list(source.variables) if variables is None else variables
    if not len(rows) or last <= first:
        return []
    windows = [(rows, first, last)]
    if not every_value and 4 * len(rows) * span[1] * len(variables) > _SMALL_BYTES:
        some = rows[np.unique(np.linspace(0, len(rows) - 1, _SAMPLE_ROWS).astype(np.intp))]
        windows = [(some if source.row_chunk else rows, first, min(first + _SAMPLE_STEPS, last)),
                   (some if source.row_chunk else rows, max(last - _SAMPLE_STEPS, first), last)]  # fmt: skip
    missing: dict[str, dict[int, int]] = {}
    negative: dict[str, dict[int, int]] = {}
    for chosen, start, stop in windows:
        for block, a, b in _blocks(chosen, start, stop, together=source.row_chunk == 0):
            for name in variables:
                values = source.read(name, block, a, b)
                _note(missing, name, np.isnan(values), block, a)
                if name in _RAIN:
                    _note(negative, name, values < 0, block, a)
    return _told(source, missing, "forcing-nan", "error", "has missing values (NaN)", "fill them") + _told(
        source, negative, "forcing-negative", "warning", "is negative in places, which models take for no rain",
        "set negative precipitation to zero",
    )  # fmt: skip


def _blocks(
    rows: NDArray[np.intp], start: int, stop: int, *, together: bool
) -> list[tuple[NDArray[np.intp], int, int]]:
    """Blocks of bounded size."""
    if together:
        span = max(1, _BLOCK_VALUES // max(1, len(rows)))
        return [(rows, a, min(a + span, stop)) for a in range(start, stop, span)]
    many = max(1, _BLOCK_VALUES // max(1, stop - start))
    return [(rows[a : a + many], start, stop) for a in range(0, len(rows), many)]


def _note(
    seen: dict[str, dict[int, int]], name: str, bad: NDArray[np.bool_], rows: NDArray[np.intp], start: int
) -> None:
    """Remember the first bad step of each row."""
    if not bad.any():
        return
    for place in np.flatnonzero(bad.any(axis=1)):
        seen.setdefault(name, {}).setdefault(int(rows[place]), start + int(np.argmax(bad[place])))


def _told(
    source: ForcingSource,
    seen: Mapping[str, Mapping[int, int]],
    code: str,
    severity: str,
    what: str,
    remedy: str,
) -> list[Finding]:
    """One finding per variable."""
    found = []
    for name, rows in seen.items():
        when = _iso(source.axis.start_s + source.axis.step_s * min(rows.values()))
        found.append(
            Finding(
                "error" if severity == "error" else "warning",
                code,
                f"{name} {what}, first at {when}",
                file=str(source.ref.path),
                key=name,
                ids=tuple(source.ids[r] for r in rows),
                remedy=remedy,
            )
        )
    return found


def _iso(instant_s: int) -> str:
    """Seconds since 1970 as people write it."""
    return f"{datetime.fromtimestamp(instant_s, tz=UTC):%Y-%m-%d %H:%M:%S}"
