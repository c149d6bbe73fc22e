"""Reading what t-route writes: ``troute_output_*.nc`` and ``troute_output_*.csv``.

Flowpaths come out as ``wb-N``, with ``routed_flow``, ``velocity`` and ``depth`` on
(flowpath-id, routed-time). t-route's first time is one interval after the start of the
run: a value is valid at the end of its interval, unlike catchment and nexus outputs.
Files split by time are joined; rows of type ``nex`` are left out. Of a NetCDF file ids
and times are read, of a CSV file its key columns too; values are read when computed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import dask.array as da
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from dmod.errors import OutputError
from dmod.formats.output_variables import FLOWPATH

__all__ = ["ROUTED", "find_troute", "open_troute"]

#: t-route's name to ours.
ROUTED = {"flow": "routed_flow", "velocity": "velocity", "depth": "depth"}

_FILE = re.compile(r"troute_output.*\.(nc|csv)")
_TIME = "routed-time"
#: What t-route writes where it has no value.
_ABSENT = -9999.0


def find_troute(directory: Path) -> tuple[Path, ...]:
    """t-route's files in *directory*: its NetCDF files, or if there is none its CSV files."""
    found = [path for path in sorted(directory.iterdir()) if _FILE.fullmatch(path.name)]
    netcdf = tuple(path for path in found if path.suffix == ".nc")
    return netcdf or tuple(found)


def open_troute(paths: Sequence[Path]) -> xr.Dataset:
    """Routed flow, velocity and depth.

    Parameters
    ----------
    paths : sequence of Path
        All files of one run, of one kind.

    Returns
    -------
    xarray.Dataset
        ``routed_flow`` [m3 s-1], ``velocity`` [m s-1] and ``depth`` [m] on
        (flowpath-id, routed-time); lazy.

    Raises
    ------
    OutputError
        If a file is not of this kind, or the files do not fit together.
    """
    parts = [_from_csv(path) if path.suffix == ".csv" else _from_netcdf(path) for path in paths]
    if len(parts) == 1:
        return parts[0]
    try:
        joined = xr.concat(parts, _TIME, join="exact", data_vars="all", coords="minimal", compat="override")
    except ValueError as problem:
        raise OutputError(
            "the t-route files have different flowpaths",
            files=", ".join(path.name for path in paths),
            hint="keep the outputs of one run in a directory of their own",
        ) from problem
    joined = joined.sortby(_TIME)
    if not joined.indexes[_TIME].is_unique:
        raise OutputError(
            "the t-route files overlap in time",
            files=", ".join(path.name for path in paths),
            hint="keep the outputs of one run in a directory of their own",
        )
    return joined


def _from_netcdf(path: Path) -> xr.Dataset:
    """One NetCDF file; a run of one flowpath has a scalar feature_id."""
    try:
        raw = xr.open_dataset(path, engine="h5netcdf", drop_variables=["nudge"])
        if "feature_id" not in raw.dims:
            raw = raw.expand_dims("feature_id")
        kind = raw["type"].values.astype(str) if "type" in raw else np.full(raw.sizes["feature_id"], "wb")
        raw = raw[[name for name in ROUTED if name in raw]].transpose("feature_id", "time")
        numbers = raw["feature_id"].values
        dataset = raw.drop_vars("feature_id").rename(ROUTED | {"feature_id": FLOWPATH, "time": _TIME})
    except (OSError, ValueError, KeyError) as problem:
        raise _unreadable(path, problem) from problem
    dataset = dataset.assign_coords({FLOWPATH: _ids(numbers)})
    for name in dataset.variables:
        dataset[name].attrs.clear()
        dataset[name].encoding = {}
    dataset.attrs.clear()
    if np.all(kind == "wb"):
        return dataset
    return dataset.isel({FLOWPATH: np.flatnonzero(kind == "wb")})


def _from_csv(path: Path) -> xr.Dataset:
    """One CSV file, in any order of rows; the two first columns are called featureID and Type, or nothing."""
    try:
        keys = pd.read_csv(path, usecols=[0, 1, 2], header=0, names=["number", "type", "time"])
        wanted = (keys["type"].astype(str) == "wb").to_numpy()
        row, numbers = pd.factorize(keys["number"][wanted], sort=True)
        column, times = pd.factorize(pd.to_datetime(keys["time"][wanted]), sort=True)
    except (OSError, ValueError) as problem:
        raise _unreadable(path, problem) from problem
    shape = (len(numbers), len(times))
    if wanted.sum() != shape[0] * shape[1] or np.unique(row * shape[1] + column).size != wanted.sum():
        raise OutputError(f"{path.name} has not one row for each flowpath and time", file=path)
    seeds = da.zeros(1, chunks=1)
    stack = seeds.map_blocks(
        _read_csv,
        path=str(path),
        rows=np.flatnonzero(wanted),
        row=row,
        column=column,
        shape=shape,
        new_axis=[1, 2],
        chunks=((len(ROUTED),), (shape[0],), (shape[1],)),
        dtype=np.float64,
        meta=np.empty((0, 0, 0)),
    )
    variables = {name: ((FLOWPATH, _TIME), stack[index]) for index, name in enumerate(ROUTED.values())}
    instants = np.asarray(times, dtype="datetime64[ns]")
    return xr.Dataset(variables, coords={FLOWPATH: _ids(np.asarray(numbers)), _TIME: instants})


def _read_csv(
    _: object,
    *,
    path: str,
    rows: NDArray[np.intp],
    row: NDArray[np.intp],
    column: NDArray[np.intp],
    shape: tuple[int, int],
) -> NDArray[np.float64]:
    """The values of a CSV file, shape (variable, flowpath, time)."""
    frame = pd.read_csv(path, usecols=list(ROUTED), dtype=np.float64)[list(ROUTED)]
    values = np.full((len(ROUTED), *shape), np.nan)
    values[:, row, column] = frame.to_numpy()[rows].T
    values[values == _ABSENT] = np.nan
    return values


def _ids(numbers: NDArray[np.int64]) -> NDArray[np.object_]:
    """Feature numbers as flowpath ids."""
    return np.array([f"wb-{int(number)}" for number in numbers], dtype=object)


def _unreadable(path: Path, problem: Exception) -> OutputError:
    """What to say of a file that is no t-route output."""
    return OutputError(
        f"{path.name} cannot be read as t-route output",
        needed="feature_id, time, flow, velocity and depth",
        reason=str(problem).splitlines()[0] if str(problem) else type(problem).__name__,
        file=path,
    )
