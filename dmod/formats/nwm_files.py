"""Files of the National Water Model: channel output, TimeSlice files of USGS, time series of RFCs.

Each holds one instant or one forecast, so that a year is thousands of files; they are read with
h5py, a few milliseconds each. Numbers come out unpacked, with NaN where there is none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dmod.errors import ObservationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Slices", "kind_of", "read_channel", "read_rfc", "read_slices"]

_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_SINCE = re.compile(r"(second|minute|hour|day)s?\s+since\s+(.+)")
#: Values that would be read without anybody having named features.
_MOST = 200_000_000


@dataclass(frozen=True, slots=True)
class Slices:
    """Observations out of files of the National Water Model, one row for each value."""

    #: Station of each row.
    stations: NDArray[np.str_]
    #: Instant of each row, datetime64[ns], UTC.
    times: NDArray[np.datetime64]
    #: Discharge of each row; NaN where there is none.
    values: NDArray[np.float64]
    #: Units as the files have them.
    units: str
    #: How many values were taken as missing because their quality is 0, and how many because they are not observed.
    poor: int = 0
    forecast: int = 0


def kind_of(shapes: dict[str, tuple[int, ...]]) -> str:
    """Which file it is, by the arrays in it.

    >>> kind_of({"streamflow": (4,), "feature_id": (4,), "time": (1,)})
    'channel'
    """
    held = shapes.keys()
    if {"streamflow", "feature_id", "time"} <= held and len(shapes["streamflow"]) == 1:
        return "channel"
    if {"stationId", "discharge", "time"} <= held and len(shapes["stationId"]) == 2:
        return "slice"
    return "rfc" if {"stationId", "discharges", "observedCounts"} <= held else ""


def read_channel(
    paths: Sequence[Path], variable: str, features: Sequence[str] | None
) -> tuple[list[str], NDArray[np.datetime64], NDArray[np.float64], str]:
    """Channel output of several instants.

    Parameters
    ----------
    paths : sequence of Path
        ``*.CHRTOUT_DOMAIN1``, ``*channel_rt*.nc``.
    variable : str
        Such as ``streamflow``.
    features : sequence of str, optional
        Ids of the features to read; all otherwise. Those that are not there are left out.

    Returns
    -------
    list of str, array of datetime64[ns], array of float, str
        Ids; times (time,); values (feature, time); units.

    Raises
    ------
    ObservationError
        If a file cannot be read, or what is asked is more than memory has room for.
    """
    ids: NDArray[np.int64] | None = None
    places: NDArray[np.intp] | slice = slice(None)
    times = np.empty(len(paths), dtype="datetime64[ns]")
    units, columns = "", np.empty((0, 0))
    for at, path in enumerate(paths):
        with _opened(path) as file:
            here = np.asarray(file["feature_id"])
            if ids is None or here.shape != ids.shape or (here != ids).any():
                if at and features is None:
                    raise ObservationError(
                        "the files have different features", file=path, hint="name features with sites="
                    )
                ids, before = here, places
                places = _places(here, features, len(paths), path)
                if (
                    at
                    and not isinstance(places, slice)
                    and not isinstance(before, slice)
                    and len(places) != len(before)
                ):
                    raise ObservationError("the files have different features", file=path, hint="read them apart")
            values = _unpacked(_variable(file, variable, path), places)
            units = _text(file[variable].attrs.get("units", b""))
            times[at] = _time(file["time"])
        if not at:
            columns = np.empty((len(paths), values.size))
        columns[at] = values
    assert ids is not None
    found = ids[places] if features is not None else ids
    return [str(one) for one in found.tolist()], times, np.ascontiguousarray(columns.T), units


def read_slices(paths: Sequence[Path]) -> Slices:
    """Discharge of stations at about one instant, as USGS gave it.

    Parameters
    ----------
    paths : sequence of Path
        ``*.usgsTimeSlice.ncdf``, or ``nudgingLastObs.*.nc``.

    Returns
    -------
    Slices
        Each value at its own time; of quality 0 is missing.

    Raises
    ------
    ObservationError
        If a file cannot be read.
    """
    stations, times, values, units, poor = [], [], [], "", 0
    for path in paths:
        with _opened(path) as file:
            flow = _unpacked(file["discharge"], slice(None)).ravel()
            if "discharge_quality" in file:
                bad = (np.asarray(file["discharge_quality"]).ravel() <= 0) & np.isfinite(flow)
                poor += int(bad.sum())
                flow[bad] = np.nan
            stations.append(_words(file["stationId"]))
            words = _words(file["time"])
            times.append(pd.to_datetime(pd.Series(words), format="%Y-%m-%d_%H:%M:%S", errors="coerce"))
            values.append(flow)
            units = units or _text(file["discharge"].attrs.get("units", b""))
    whole = np.concatenate([np.asarray(one, dtype="datetime64[ns]") for one in times])
    told = ~np.isnat(whole)
    return Slices(np.concatenate(stations)[told], whole[told], np.concatenate(values)[told], units, poor)


def read_rfc(paths: Sequence[Path]) -> Slices:
    """What river forecast centres observed; their forecasts are left out.

    Parameters
    ----------
    paths : sequence of Path
        ``*.RFCTimeSeries.ncdf``.

    Returns
    -------
    Slices
        Values before the time of issue; those that are synthetic are missing.

    Raises
    ------
    ObservationError
        If a file cannot be read.
    """
    stations, times, values, units, poor, forecast = [], [], [], "", 0, 0
    for path in paths:
        with _opened(path) as file:
            flows = np.asarray(file["discharges"], dtype=np.float64)
            none = float(np.asarray(file.attrs.get("missingValue", -999.99)).ravel()[0])
            observed = int(np.asarray(file["observedCounts"]).ravel()[0])
            step_s = int(np.asarray(file["timeSteps"]).ravel()[0])
            start = pd.Timestamp(_text(file.attrs["sliceStartTimeUTC"]).replace("_", " "))
            flow = flows.ravel()[:observed]
            absent = np.isclose(flow, none, atol=1e-3)
            made = np.asarray(file["synthetic_values"]).ravel()[:observed] == 1
            poor += int((made & ~absent).sum())
            flow[absent | made] = np.nan
            forecast += flows.size - observed
            name = "".join(c.decode() for c in np.asarray(file["stationId"]).ravel()).strip("\0 ")
            stations.append(np.full(observed, name))
            times.append(np.datetime64(start, "ns") + np.arange(observed) * np.timedelta64(step_s, "s"))
            values.append(flow)
            units = units or _text(file["discharges"].attrs.get("units", b""))
    return Slices(
        np.concatenate(stations),
        np.concatenate(times).astype("datetime64[ns]"),
        np.concatenate(values),
        units,
        poor,
        forecast,
    )


def _opened(path: Path) -> Any:
    """A file of HDF5."""
    import h5py

    try:
        return h5py.File(path, "r", locking=False)
    except OSError as problem:
        raise ObservationError(
            f"{path.name} cannot be read as a file of the National Water Model",
            reason=str(problem).splitlines()[0],
            hint="it may be cut off: copy it again, or leave it out",
        ) from problem


def _variable(file: Any, name: str, path: Path) -> Any:
    """An array of a file."""
    if name not in file:
        has = ", ".join(one for one in file if file[one].shape == file["feature_id"].shape)
        raise ObservationError(f"{path.name} has no variable {name!r}", has=has, hint="choose one of 'has'")
    return file[name]


def _places(
    here: NDArray[np.int64], features: Sequence[str] | None, count: int, path: Path
) -> NDArray[np.intp] | slice:
    """Where the features wanted stand."""
    if features is None:
        if here.size * count > _MOST:
            raise ObservationError(
                f"{count:,} files of {here.size:,} features are more than fits in memory",
                file=path.name,
                hint="name the features to read with sites=[...]",
            )
        return slice(None)
    index = pd.Index(here)
    found = index.get_indexer(pd.Index([int(one) for one in features if one.isdigit()], dtype=np.int64))
    found = found[found >= 0]
    if not found.size:
        raise ObservationError(
            f"{path.name} has none of the features asked for",
            asked=", ".join(features[:5]),
            has=f"{here.size:,} features, {here.min()} to {here.max()}",
            hint="give the ids of reaches (feature_id), which are COMIDs",
        )
    return np.asarray(found, dtype=np.intp)


def _unpacked(array: Any, places: NDArray[np.intp] | slice) -> NDArray[np.float64]:
    """Numbers of an array as they are meant: scaled, with NaN for none."""
    raw = np.asarray(array)[places] if _is_row(array) else np.asarray(array)
    values = raw.astype(np.float64)
    for key in ("_FillValue", "missing_value"):
        if key in array.attrs:
            none = np.asarray(array.attrs[key]).ravel()[0]
            if not np.isnan(float(none)):
                values[raw == none] = np.nan
    scale = float(np.asarray(array.attrs.get("scale_factor", 1.0)).ravel()[0])
    offset = float(np.asarray(array.attrs.get("add_offset", 0.0)).ravel()[0])
    if (scale, offset) == (1.0, 0.0):
        return values
    # 0.01 is kept as a float32, and meant as a hundredth.
    parts = round(1 / scale)
    hundredths = offset == 0.0 and parts > 1 and abs(parts * scale - 1) < 1e-6
    return values / parts if hundredths else values * scale + offset


def _is_row(array: Any) -> bool:
    """Whether an array has one dimension, so that places apply to it."""
    return len(array.shape) == 1


def _time(array: Any) -> np.datetime64:
    """The only time of a file."""
    units = _text(array.attrs["units"])
    found = _SINCE.fullmatch(units.strip())
    if found is None:
        raise ObservationError("a file has times in units that are not known", has=units, hint="convert it to CF times")
    text = found[2].replace("UTC", "").strip()
    stamp = pd.Timestamp(text)
    base = stamp if stamp.tzinfo is None else stamp.tz_convert("UTC").tz_localize(None)
    seconds = int(np.asarray(array).ravel()[0]) * _SECONDS[found[1]]
    instant: np.datetime64 = np.datetime64(int(base.value // 10**9) + seconds, "s").astype("datetime64[ns]")
    return instant


def _words(array: Any) -> NDArray[np.str_]:
    """Rows of characters as text."""
    held = np.asarray(array).reshape(-1, array.shape[-1])
    joined = np.ascontiguousarray(held).view(f"S{held.shape[1]}").ravel()
    return np.char.strip(np.char.decode(joined, "ascii", "replace"))


def _text(value: Any) -> str:
    """An attribute as text."""
    held = np.asarray(value).ravel()[0] if not isinstance(value, (str, bytes)) else value
    return held.decode() if isinstance(held, bytes) else str(held)
