"""Copying forcing: some catchments and times of it, into any of the three formats.

Values, names, units and precision stay what they are: single stays single, double stays
double, and text holds every digit. Nothing is resampled or filled. Rows stream through, a
few catchments at a time, and come out in the order of the source.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from dmod.data.kinds import Format
from dmod.errors import ForcingError
from dmod.formats.forcing import KNOWN, ForcingSource, TimeAxis, canonical
from dmod.formats.forcing_write import ForcingWriter
from dmod.formats.forcing_zarr import ZarrForcingWriter

__all__ = ["CsvForcingWriter", "Cut", "copy_forcing", "cut_of"]

#: How much of the source is held at a time [bytes], and where its rows are only cheap together.
_HELD_BYTES, _TOGETHER_BYTES = 64 * 2**20, 256 * 2**20
_TIME = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True)
class Cut:
    """Which part of a forcing is meant."""

    #: Rows of the source, ascending.
    rows: NDArray[np.intp]
    #: Place of the first instant in the source.
    first: int
    #: The instants.
    axis: TimeAxis
    #: Variables, as the source calls them, to units.
    variables: Mapping[str, str]


class _Writer(Protocol):
    """What writes forcing of one format."""

    def __enter__(self) -> Self:
        """Begin."""

    def write(self, row: int, block: Mapping[str, NDArray[Any]]) -> None:
        """Write some rows of every variable."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put it in its place, or leave nothing."""


class CsvForcingWriter:
    """A directory of CSV files being written, one per catchment; use it in a ``with`` statement.

    Units stand in the header where they are not those that NextGen takes for granted. Numbers
    of either precision are written so that they read as the same in double precision.

    Parameters
    ----------
    path : Path
        The directory; it must not exist, its folder must.
    ids : sequence of str
        Ids of the rows, such as ``cat-27``, for ``cat-27.csv``.
    axis : TimeAxis
        The instants of the values.
    variables : mapping of str to str
        Name to units.
    """

    def __init__(self, path: Path, ids: Sequence[str], *, axis: TimeAxis, variables: Mapping[str, str]) -> None:
        if path.exists():
            raise ForcingError("there is something already", path=path, hint="name a directory that is not there")
        self.path, self.ids, self.axis, self.variables = path, list(ids), axis, dict(variables)
        self._partial = path.with_name(f".{path.name}.partial")
        self._written = 0

    def __enter__(self) -> Self:
        import pandas as pd

        shutil.rmtree(self._partial, ignore_errors=True)
        self._partial.mkdir()
        instants = self.axis.start_s + self.axis.step_s * np.arange(self.axis.count, dtype=np.int64)
        self._times = pd.DatetimeIndex(instants.astype("datetime64[s]")).strftime(_TIME).tolist()
        return self

    def write(self, row: int, block: Mapping[str, NDArray[Any]]) -> None:
        """Write the files of some rows, each of shape (rows, time)."""
        head = ",".join(["time", *(_header(name, units) for name, units in self.variables.items())])
        for place in range(len(next(iter(block.values())))):
            # In double precision the text of a number has all the digits that it takes.
            columns = (map(repr, block[name][place].astype(np.float64).tolist()) for name in self.variables)
            lines = map(",".join, zip(self._times, *columns, strict=True))
            path = self._partial / f"{self.ids[row + place]}.csv"
            path.write_text("\n".join([head, *lines, ""]), encoding="utf-8")
            self._written += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._written != len(self.ids):
                raise ForcingError("not every row of the forcing was written", needed=len(self.ids), has=self._written)
            if kind is None:
                self._partial.replace(self.path)
        finally:
            shutil.rmtree(self._partial, ignore_errors=True)


def cut_of(
    source: ForcingSource,
    *,
    ids: Iterable[str] | None = None,
    span: tuple[int, int] | None = None,
    variables: Iterable[str] | None = None,
) -> Cut:
    """Which part of a forcing is meant, once found to be there.

    Parameters
    ----------
    source : ForcingSource
        The forcing.
    ids : iterable of str, optional
        Catchments; all that it has if not given.
    span : (int, int), optional
        First instant, and first one no longer wanted [s since 1970]; every value that holds at some time
        between them is taken. All if not given.
    variables : iterable of str, optional
        Names as in the source, as AORC has them, or CSDMS names; all if not given.

    Returns
    -------
    Cut

    Raises
    ------
    ForcingError
        If a catchment, time or variable is not there, or nothing is wanted.
    """
    rows = _rows(source, ids)
    names = _names(source, variables)
    axis, first, count = source.axis, 0, source.axis.count
    if span is not None:
        first = (span[0] - axis.start_s) // axis.step_s
        count = -((axis.start_s - span[1]) // axis.step_s) - first
        if first < 0 or first + count > axis.count or count < 1:
            wanted = TimeAxis(axis.start_s + first * axis.step_s, axis.step_s, max(0, count))
            raise ForcingError(
                "the forcing does not reach far enough in time" if count > 0 else "no time is wanted of the forcing",
                path=source.ref.path,
                needed=wanted,
                has=axis,
                hint="ask for times inside 'has'",
            )
    taken = TimeAxis(axis.start_s + first * axis.step_s, axis.step_s, count)
    return Cut(rows, first, taken, {name: source.variables[name] for name in names})


def copy_forcing(
    source: ForcingSource,
    target: Path,
    kind: Format,
    *,
    cut: Cut | None = None,
    progress: Callable[[float], None] | None = None,
) -> Path:
    """Copy forcing, or a part of it.

    Parameters
    ----------
    source : ForcingSource
        What to copy, opened.
    target : Path
        The NetCDF file, Zarr store or directory of CSV files to make; its folder must exist.
    kind : Format
        One of ``forcing-netcdf``, ``forcing-zarr`` and ``forcing-csv``.
    cut : Cut, optional
        Which part, see `cut_of`; all of it if not given.
    progress : callable, optional
        Told the share that is done, in (0, 1].

    Returns
    -------
    Path
        *target*, whole; there is nothing where an error was raised.

    Raises
    ------
    ForcingError
        If the source cannot be read, or there is something at *target*.
    """
    cut = cut or cut_of(source)
    if target.exists():
        raise ForcingError("there is something already", path=target, hint="name a place where there is nothing")
    some = cut.rows[:1]
    dtypes = {name: source.read(name, some, cut.first, cut.first + 1).dtype for name in cut.variables}
    writer = _writer(target, kind, [source.ids[row] for row in cut.rows.tolist()], cut, dtypes)
    many = _block_rows(source, cut, writer)
    with writer:
        for start in range(0, len(cut.rows), many):
            rows = cut.rows[start : start + many]
            last = cut.first + cut.axis.count
            writer.write(start, {name: source.read(name, rows, cut.first, last) for name in cut.variables})
            if progress is not None:
                progress(min(1.0, (start + many) / len(cut.rows)))
    return target


def _writer(target: Path, kind: Format, ids: Sequence[str], cut: Cut, dtypes: Mapping[str, DTypeLike]) -> _Writer:
    """What writes a format."""
    if kind is Format.FORCING_NETCDF:
        return ForcingWriter(target, ids, axis=cut.axis, variables=cut.variables, dtypes=dtypes)
    if kind is Format.FORCING_ZARR:
        return ZarrForcingWriter(target, ids, axis=cut.axis, variables=cut.variables, dtypes=dtypes)
    if kind is Format.FORCING_CSV:
        return CsvForcingWriter(target, ids, axis=cut.axis, variables=cut.variables)
    raise ForcingError(f"forcing is not written as {kind}", needed="forcing-netcdf, forcing-zarr or forcing-csv")


def _block_rows(source: ForcingSource, cut: Cut, writer: _Writer) -> int:
    """How many rows to read together: as fit in memory, in whole chunks of source and target."""
    row_bytes = 8 * cut.axis.count * len(cut.variables)
    many = max(1, (_HELD_BYTES if source.row_chunk else _TOGETHER_BYTES) // row_bytes)
    chunk = writer.row_chunk if isinstance(writer, ZarrForcingWriter) else max(1, source.row_chunk)
    return max(many // chunk * chunk, chunk)


def _rows(source: ForcingSource, ids: Iterable[str] | None) -> NDArray[np.intp]:
    """Rows of the catchments wanted, in the order of the source."""
    if ids is None:
        return np.arange(len(source.ids), dtype=np.intp)
    wanted = set(ids)
    rows = np.array([row for row, name in enumerate(source.ids) if name in wanted], dtype=np.intp)
    if len(rows) == len(wanted) > 0:
        return rows
    absent = sorted(wanted - set(source.ids))
    if not absent:
        raise ForcingError(
            "no catchment is wanted of the forcing" if not wanted else "a catchment occurs twice in the forcing",
            path=source.ref.path,
        )
    near = get_close_matches(absent[0], source.ids, n=3)
    raise ForcingError(
        f"{len(absent):,} of {len(wanted):,} catchments have no forcing",
        path=source.ref.path,
        missing=", ".join(absent[:3]) + (", …" if len(absent) > 3 else ""),
        has=f"{len(source.ids):,} catchments" + (f", such as {', '.join(near)}" if near else ""),
        hint="ask for catchments that it has",
    )


def _names(source: ForcingSource, variables: Iterable[str] | None) -> list[str]:
    """Variables wanted, as the source calls them and in its order."""
    if variables is None:
        return list(source.variables)
    wanted: set[str] = set()
    for name in variables:
        known = KNOWN[name].alias if name in KNOWN else name
        found = canonical(name, source.variables) or canonical(known, source.variables)
        if found is None:
            raise ForcingError(
                f"the forcing has no variable {name!r}", path=source.ref.path, has=", ".join(source.variables)
            )
        wanted.add(found)
    if not wanted:
        raise ForcingError("no variable is wanted of the forcing", path=source.ref.path)
    return [name for name in source.variables if name in wanted]


def _header(name: str, units: str) -> str:
    """A column's header: with units where NextGen would not take them for granted."""
    return name if units == (KNOWN[name].units if name in KNOWN else "1") else f"{name} [{units}]"
