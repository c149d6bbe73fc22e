"""Forcing in one NetCDF-4 file, as ngen and NGIAB write it.

Dimensions ``catchment-id`` and ``time``; ``ids`` names the rows; ``Time`` holds instants
of which, as in ngen, only the first row counts; every other variable of both dimensions
is forcing. Truncated files and unreadable times are refused when it is opened.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dmod.errors import ForcingError
from dmod.formats.forcing import KNOWN, Floats, ForcingRef, TimeAxis

if TYPE_CHECKING:
    import h5py

__all__ = ["NetcdfForcing", "time_axis"]

#: Seconds per unit of time, as ngen spells them.
_SECONDS = {
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("ns", "nanosecond", "nanoseconds"), 1e-9),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
}
_SINCE = re.compile(
    r"(?P<unit>\w+)\s+since\s+(?P<date>\d{4}-\d{1,2}-\d{1,2})(?:[T ](?P<time>\d{1,2}:\d{2}(?::\d{2})?))?.*"
)
_PACKING = ("_FillValue", "missing_value", "scale_factor", "add_offset")
#: Headers of the files that were opened last: parts of one run, and jobs of one basin, open the same.
_known: dict[Path, tuple[tuple[int, int, int, int], dict[str, Any]]] = {}
_turn = threading.Lock()
_KNOWN, _KNOWN_IDS = 8, 100_000
#: What a header is made of.
_HEADER = ("ids", "axis", "variables", "row_chunk", "_kinds", "_attributes", "_places")
#: What was changed so recently may change once more without its time telling [s].
_FRESH_S = 2.0
_EPOCHS = ("%m/%d/%y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S")


class NetcdfForcing:
    """One NetCDF forcing file, opened; see `dmod.formats.forcing.ForcingSource`.

    Parameters
    ----------
    ref : ForcingRef
        Where it lies.

    Raises
    ------
    ForcingError
        If it is missing, truncated, or not laid out as ngen needs it.
    """

    resident = 0
    _descriptor = -1
    _file: h5py.File | None = None

    def __init__(self, ref: ForcingRef) -> None:
        self.ref = ref
        if (known := _recall(ref)) is not None:
            vars(self).update(known)
            return
        self._file = _open(ref)
        try:
            self._read_header(self._file)
            _remember(self)
        except (KeyError, RuntimeError, OSError) as problem:  # what h5py raises for objects it cannot open
            self._file.close()
            raise ForcingError(
                f"{ref.path.name} cannot be read: its header is damaged",
                file=ref.path,
                reason=str(problem).strip("'\"").partition("\n")[0],
                hint="copy or make the file again",
            ) from problem
        except BaseException:
            self._file.close()
            raise

    def _read_header(self, file: h5py.File) -> None:
        path = self.ref.path
        if "ids" not in file:
            raise ForcingError(
                f"{path.name} has no variable 'ids' that names its catchments",
                file=path,
                has=", ".join(sorted(file)),
                hint="write the file as ngen needs it: string ids(catchment-id)",
            )
        self.ids: Sequence[str] = [i.decode() if isinstance(i, bytes) else str(i) for i in file["ids"][:]]
        self.axis = _axis(file, path.name)
        shape = (len(self.ids), self.axis.count)
        # Opened one by one: items() passes over what cannot be opened.
        self._data: dict[str, h5py.Dataset] = {
            name: item
            for name, item in ((name, file[name]) for name in file)
            if name not in ("ids", "Time") and getattr(item, "shape", None) == shape and item.dtype.kind in "fiu"
        }
        if not self._data:
            raise ForcingError(
                f"{path.name} has no forcing variable of shape (catchment-id, time)",
                file=path, needed=f"variables of shape {shape}",
                has=", ".join(f"{n}{getattr(i, 'shape', '')}" for n, i in file.items()),
            )  # fmt: skip
        self._kinds: dict[str, type[np.floating[Any]]] = {
            name: np.float32 if item.dtype == np.float32 else np.float64 for name, item in self._data.items()
        }
        self.variables: Mapping[str, str] = {name: _units(name, item) for name, item in self._data.items()}
        self._attributes = {
            name: {k: item.attrs[k] for k in _PACKING if k in item.attrs} for name, item in self._data.items()
        }
        #: Position in the file of variables that lie in one piece, as this machine has numbers.
        self._places: dict[str, int] = {
            name: item.id.get_offset()
            for name, item in self._data.items()
            if item.chunks is None and item.id.get_offset() is not None and item.dtype in (np.float32, np.float64)
            and item.dtype.isnative and hasattr(os, "preadv")
        }  # fmt: skip
        self._descriptor = os.open(self.ref.path, os.O_RDONLY) if self._places else -1
        chunks = [item.chunks[0] for item in self._data.values() if item.chunks]
        self.row_chunk = 1 if not chunks else (0 if max(chunks) >= len(self.ids) > 1 else max(chunks))

    def read(self, variable: str, rows: NDArray[np.intp], start: int, stop: int) -> Floats:
        """Values of *variable*, shape (rows, stop - start), in the file's units; packed values are unpacked."""
        out: Floats = np.empty((len(rows), stop - start), dtype=self._kinds[variable])
        if not out.size:
            return out
        if variable in self._places:
            self._read_plain(variable, rows, start, out)
            return _unpacked(self._attributes[variable], out)
        item = self._data[variable]
        try:
            for first, last, place in _runs(rows, dense=self.row_chunk == 0):
                if place is None:
                    taken = item[first:last, start:stop]
                    out[:] = taken[rows - first]
                else:
                    item.read_direct(out, np.s_[first:last, start:stop], np.s_[place : place + last - first, :])
        except OSError as problem:
            raise ForcingError(
                f"{self.ref.path.name} cannot be read: {variable} is damaged or packed in a way HDF5 lacks here",
                file=self.ref.path, reason=str(problem).splitlines()[0], hint="copy or make the file again",
            ) from problem  # fmt: skip
        return _unpacked(self._attributes[variable], out)

    def _read_plain(self, variable: str, rows: NDArray[np.intp], start: int, out: Floats) -> None:
        """Rows of a variable that lies in one piece, straight from the file: no call of HDF5 per row."""
        place, size, steps = self._places[variable], out.itemsize, self.axis.count
        whole = out.shape[1] == steps
        first = 0
        while first < len(rows):
            last = first + 1
            while whole and last < len(rows) and rows[last] == rows[last - 1] + 1:
                last += 1
            view = memoryview(out[first:last].data).cast("B")
            position = place + (int(rows[first]) * steps + start) * size
            while len(view):
                done = os.preadv(self._descriptor, [view], position)
                if not done:
                    raise ForcingError(
                        f"{self.ref.path.name} is cut short",
                        file=self.ref.path,
                        hint="copy or make the file again",
                    )
                view, position = view[done:], position + done
            first = last

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if self._file is not None:
            self._file.close()


def _recall(ref: ForcingRef) -> dict[str, Any] | None:
    """A header that was read before, with the file opened; None where it must be read."""
    with _turn:
        known = _known.get(ref.path)
    if known is None:
        return None
    stamp, header = known
    try:
        descriptor = os.open(ref.path, os.O_RDONLY)
    except OSError:
        return None
    if _stamp(os.fstat(descriptor)) != stamp:
        os.close(descriptor)
        return None
    return {**header, "_descriptor": descriptor}


def _remember(source: NetcdfForcing) -> None:
    """Keep a header, where HDF5 is not needed to read values, and nobody wrote to the file a moment ago."""
    if source._descriptor < 0 or set(source._places) != set(source._data) or len(source.ids) > _KNOWN_IDS:
        return
    told = os.fstat(source._descriptor)
    if told.st_mtime >= time.time() - _FRESH_S:
        return
    header = {name: getattr(source, name) for name in _HEADER}
    with _turn:
        _known[source.ref.path] = _stamp(told), header
        while len(_known) > _KNOWN:
            del _known[next(iter(_known))]


def _stamp(told: os.stat_result) -> tuple[int, int, int, int]:
    """What changes when a file does."""
    return told.st_dev, told.st_ino, told.st_size, told.st_mtime_ns


def _open(ref: ForcingRef) -> h5py.File:
    """The file, or what is wrong with it."""
    import h5py

    if not ref.path.is_file():
        raise ForcingError("the forcing file is not there", file=ref.path, hint="check forcing.path in the realization")
    if not os.access(ref.path, os.R_OK):
        raise ForcingError("the forcing file may not be read", file=ref.path, hint="check its permissions")
    try:
        return h5py.File(ref.path, "r", locking=False)
    except OSError as problem:
        reason = str(problem)
        what = "is cut short" if "truncated" in reason else "is not a NetCDF-4 (HDF5) file"
        raise ForcingError(
            f"{ref.path.name} {what}",
            file=ref.path, size=f"{ref.path.stat().st_size} bytes", reason=reason.splitlines()[0],
            hint="copy or make the file again; NetCDF-3 must be converted to NetCDF-4",
        ) from problem  # fmt: skip


def _axis(file: h5py.File, name: str) -> TimeAxis:
    """The instants of the values."""
    time = next(
        (file[n] for n in ("Time", "time") if n in file and file[n].dtype.kind in "fiu" and file[n].size),
        None,
    )
    if time is None:
        raise ForcingError(f"{name} has no variable 'Time'", has=", ".join(sorted(file)),
                           hint="write the file as ngen needs it: Time(catchment-id, time)")  # fmt: skip
    attributes = {key: _text(value) for key, value in time.attrs.items()}
    return time_axis(time[0] if time.ndim == 2 else time[:], attributes, name)


def time_axis(values: NDArray[Any], attributes: Mapping[str, str], name: str) -> TimeAxis:
    """Read instants in any of the encodings ngen knows.

    Parameters
    ----------
    values : array, shape (time,)
        Numbers as in the file.
    attributes : mapping
        ``units`` ("s", "ns", … or "hours since 2015-12-01 00:00:00") and perhaps
        ``epoch_start`` ("MM/DD/YYYY HH:MM:SS"); 1970 where neither names an epoch.
    name : str
        The file, for messages.

    Returns
    -------
    TimeAxis
        Equally spaced instants.

    Raises
    ------
    ForcingError
        If units or epoch cannot be read, or instants are missing or unequally spaced.

    Examples
    --------
    >>> time_axis(np.array([0, 1]), {"units": "hours since 1970-01-02"}, "x.nc")
    TimeAxis(start_s=86400, step_s=3600, count=2)
    """
    units = attributes.get("units", "s").strip()
    epoch = 0.0
    if found := _SINCE.fullmatch(units):
        units = found["unit"]
        stamp = f"{found['date']} {found['time'] or '00:00:00'}"
        epoch = _epoch(stamp if stamp.count(":") == 2 else f"{stamp}:00", name)
    elif "epoch_start" in attributes:
        epoch = _epoch(attributes["epoch_start"], name)
    if units not in _SECONDS:
        raise ForcingError(
            f"{name}: the units {units!r} of Time are unknown",
            needed=", ".join(_SECONDS),
            hint="write 's' with an epoch_start, or 'seconds since 1970-01-01 00:00:00'",
        )
    if not np.isfinite(values.astype(np.float64)).all():
        raise ForcingError(f"{name}: Time has missing instants", hint="fill or make the file again")
    scale = _SECONDS[units]
    exact = values.dtype.kind in "iu" and scale < 1
    seconds = values // round(1 / scale) if exact else np.rint(values.astype(np.float64) * scale)
    instants = seconds.astype(np.int64) + round(epoch)
    steps = np.unique(np.diff(instants))
    if len(instants) > 1 and (len(steps) != 1 or steps[0] <= 0):
        where = int(np.argmax(np.diff(instants) != np.diff(instants)[0])) + 1
        raise ForcingError(
            f"{name}: Time is not equally spaced",
            at=f"value {where}",
            spacings=", ".join(f"{s} s" for s in steps[:4]),
            hint="sort it, fill gaps, drop doubles",
        )
    return TimeAxis(int(instants[0]), int(steps[0]) if len(steps) else 3600, len(instants))


def _epoch(text: str, name: str) -> float:
    """Seconds of an epoch."""
    for form in _EPOCHS:
        try:
            return datetime.strptime(text.strip(), form).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
    raise ForcingError(
        f"{name}: cannot read the epoch {text!r} of Time",
        needed="MM/DD/YYYY HH:MM:SS",
        hint="correct the attribute epoch_start or units of Time",
    )


def _units(name: str, item: h5py.Dataset) -> str:
    """The units of a variable: its own, else those NextGen takes for granted."""
    own = _text(item.attrs["units"]) if "units" in item.attrs else ""
    return own.strip() or (KNOWN[name].units if name in KNOWN else "1")


def _text(value: Any) -> str:
    """An attribute as text."""
    first = value[0] if isinstance(value, np.ndarray) and value.size == 1 else value
    return first.decode() if isinstance(first, bytes) else str(first)


def _unpacked(attributes: Mapping[str, Any], values: Floats) -> Floats:
    """CF packing undone, and fill values made NaN."""
    fill = [attributes[k] for k in ("_FillValue", "missing_value") if k in attributes]
    for code in fill:
        number = float(np.asarray(code).reshape(-1)[0])
        if not np.isnan(number):
            values[values == np.asarray(number, dtype=values.dtype)] = np.nan
    if "scale_factor" in attributes or "add_offset" in attributes:
        scale, offset = (float(np.asarray(attributes.get(k, d)).reshape(-1)[0]) for k, d in
                         (("scale_factor", 1.0), ("add_offset", 0.0)))  # fmt: skip
        values = values * scale + offset
    return values


def _runs(rows: NDArray[np.intp], *, dense: bool) -> list[tuple[int, int, int | None]]:
    """Runs of neighbouring rows as (first, last + 1, place); one run over all, with no place, where *dense*."""
    if not len(rows):
        return []
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    starts = np.concatenate([[0], breaks])
    ends = np.concatenate([breaks, [len(rows)]])
    if dense and len(starts) > 1:
        return [(int(rows.min()), int(rows.max()) + 1, None)]
    return [(int(rows[a]), int(rows[b - 1]) + 1, int(a)) for a, b in zip(starts, ends, strict=True)]
