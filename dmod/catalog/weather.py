"""Forcing as xarray has it: opened lazily from any format, and written from a Dataset.

A Dataset of forcing has the dimensions ``catchment-id`` and ``time`` (UTC, each value holds
from its instant to the next); variables keep the names, units and precision of the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dmod.data.kinds import Format
from dmod.errors import ForcingError
from dmod.formats.forcing import KNOWN, ForcingRef, ForcingSource, TimeAxis, open_forcing
from dmod.formats.forcing_write import write_forcing
from dmod.formats.forcing_zarr import ZarrForcing, ZarrForcingWriter

__all__ = ["is_weather", "open_weather", "write_weather"]

_PROVIDERS: Mapping[Format, str] = {
    Format.FORCING_NETCDF: "NetCDF",
    Format.FORCING_ZARR: "Zarr",
    Format.FORCING_CSV: "CsvPerFeature",
}
#: What the dimension of catchments may be called, ours first.
_IDS = ("catchment-id", "catchment", "divide_id", "ids")
#: About what one Dask task reads [bytes], and how many CSV files at most.
_BLOCK_BYTES = 32 * 2**20
_BLOCK_FILES = 64


def open_weather(path: Path, format_: Format) -> xr.Dataset:
    """Open forcing lazily.

    Parameters
    ----------
    path : Path
        The NetCDF file, Zarr store, CSV file or directory of CSV files.
    format_ : Format
        Which of these it is.

    Returns
    -------
    xarray.Dataset
        Variables (catchment-id, time) with their units, as Dask arrays.

    Raises
    ------
    ForcingError
        If it cannot be read.
    """
    ref = ForcingRef(path, _PROVIDERS[format_])
    with closing(_opened(ref)) as source:
        ids, axis, units = list(source.ids), source.axis, dict(source.variables)
        chunk = max(1, source.row_chunk or len(ids))
        first = np.zeros(1, dtype=np.intp)
        dtypes = {name: source.read(name, first, 0, 1).dtype for name in units}
    many = max(1, _BLOCK_BYTES // (8 * axis.count))
    rows = min(many, _BLOCK_FILES) if format_ is Format.FORCING_CSV else max(chunk, many // chunk * chunk)
    arrays = _lazy(ref, ids, axis, dtypes, rows)
    instants = axis.start_s + axis.step_s * np.arange(axis.count, dtype=np.int64)
    return xr.Dataset(
        {name: (("catchment-id", "time"), array, {"units": units[name]}) for name, array in arrays.items()},
        coords={
            "catchment-id": np.array(ids, dtype=str),
            "time": ("time", instants.astype("datetime64[s]").astype("datetime64[ns]")),
        },
    )


def is_weather(dataset: xr.Dataset) -> bool:
    """Whether a Dataset has weather that NextGen knows by name, of catchments by time."""
    ids = _id_dimension(dataset)
    return ids is not None and any(set(dataset[name].dims) == {ids, "time"} for name in _known(dataset))


def write_weather(dataset: xr.Dataset, folder: Path, format_: Format | None = None) -> Path:
    """Write a Dataset of forcing to a file or store.

    Parameters
    ----------
    dataset : xarray.Dataset
        Variables of catchments by time; may be lazy, and is then read block by block.
    folder : Path
        Where to; it must exist.
    format_ : Format, optional
        ``forcing-netcdf``, which holds single precision, or ``forcing-zarr``. If not given, NetCDF
        where nothing is lost by it, else Zarr.

    Returns
    -------
    Path
        What was made.

    Raises
    ------
    ForcingError
        If it is no forcing, its times are not equally spaced, or the format would lose digits.
    """
    found, ids, axis = _checked(dataset)
    double = [str(name) for name in found if found[name].dtype != np.float32]
    kind = format_ or (Format.FORCING_ZARR if double else Format.FORCING_NETCDF)
    if kind not in (Format.FORCING_NETCDF, Format.FORCING_ZARR):
        raise ForcingError(f"a Dataset is not written as {kind}", needed="forcing-netcdf or forcing-zarr")
    if double and kind is Format.FORCING_NETCDF:
        raise ForcingError(
            "NetCDF forcing is in single precision, and digits would be lost",
            variables=", ".join(double),
            hint="choose forcing-zarr, or write dataset.astype('float32')",
        )
    units = {str(name): str(found[name].attrs.get("units") or _default(str(name))) for name in found}

    def block(start: int, stop: int) -> dict[str, NDArray[Any]]:
        part = found.isel({"catchment-id": slice(start, stop)}).load()
        return {name: part[name].values for name in units}

    if kind is Format.FORCING_NETCDF:
        return write_forcing(folder / "forcings.nc", ids, axis=axis, blocks=block, variables=units)
    dtypes = {name: found[name].dtype for name in units}
    writer = ZarrForcingWriter(folder / "forcings.zarr", ids, axis=axis, variables=units, dtypes=dtypes)
    with writer:
        for start in range(0, len(ids), writer.row_chunk):
            writer.write(start, block(start, min(start + writer.row_chunk, len(ids))))
    return writer.path


def _opened(ref: ForcingRef, ids: Sequence[str] | None = None) -> ForcingSource:
    """The forcing, opened."""
    return ZarrForcing(ref) if ref.provider == "Zarr" else open_forcing(ref, ids)


def _lazy(ref: ForcingRef, ids: Sequence[str], axis: TimeAxis, dtypes: Mapping[str, Any], rows: int) -> dict[str, Any]:
    """Every variable as a Dask array, a few rows to a block."""
    import dask.array as da
    from dask.delayed import delayed

    bounds = [(start, min(start + rows, len(ids))) for start in range(0, len(ids), rows)]
    read = delayed(_read, pure=True)
    # A CSV file has all variables on each line: it is parsed once for all of them.
    together = ref.provider == "CsvPerFeature"
    shared = {low: read(ref, ids[low:high], 0, list(dtypes)) for low, high in bounds} if together else {}
    arrays = {}
    for name, dtype in dtypes.items():
        parts = [
            da.from_delayed(
                (shared[low] if together else read(ref, ids[low:high], low, [name]))[name],
                shape=(high - low, axis.count),
                dtype=dtype,
            )
            for low, high in bounds
        ]
        arrays[name] = da.concatenate(parts, axis=0)
    return arrays


def _read(ref: ForcingRef, ids: Sequence[str], start: int, names: Sequence[str]) -> dict[str, Any]:
    """Values of some variables, for neighbouring rows of which *start* is the first."""
    with closing(_opened(ref, ids if ref.provider == "CsvPerFeature" else None)) as source:
        rows = np.arange(start, start + len(ids), dtype=np.intp)
        return {name: source.read(name, rows, 0, source.axis.count) for name in names}


def _checked(dataset: xr.Dataset) -> tuple[xr.Dataset, list[str], TimeAxis]:
    """Variables of catchments by time, in that order, the ids and the instants."""
    name = _id_dimension(dataset)
    if name is None or "time" not in dataset.coords:
        raise ForcingError(
            "the Dataset is not one of catchments by time",
            needed=f"dimensions {_IDS[0]} and time, with coordinates",
            has=", ".join(map(str, dataset.dims)) or "no dimensions",
            hint="rename what they are called: dataset.rename(...)",
        )
    taken = [one for one in dataset.data_vars if set(dataset[one].dims) == {name, "time"}]
    if not taken or any(dataset[one].dtype.kind != "f" for one in taken):
        raise ForcingError(
            "the Dataset has no variable of catchments by time" if not taken else "forcing is in floating point",
            has=", ".join(f"{one} {dataset[one].dtype}" for one in dataset.data_vars) or "no variables",
        )
    seconds = dataset["time"].values.astype("datetime64[s]").astype(np.int64)
    steps = np.unique(np.diff(seconds))
    if len(seconds) < 2 or len(steps) != 1 or steps[0] <= 0:
        raise ForcingError(
            "the times of the Dataset are not equally spaced",
            has=f"{len(seconds)} times, {len(steps)} different steps",
            hint="sort and resample them first",
        )
    plain = dataset[taken].rename({name: _IDS[0]} if name != _IDS[0] else {}).transpose(_IDS[0], "time")
    ids = [str(one) for one in plain[_IDS[0]].values.tolist()]
    return plain, ids, TimeAxis(int(seconds[0]), int(steps[0]), len(seconds))


def _id_dimension(dataset: xr.Dataset) -> str | None:
    """What the dimension of catchments is called; None without."""
    return next((name for name in _IDS if name in dataset.dims and name in dataset.coords), None)


def _known(dataset: xr.Dataset) -> list[str]:
    """Variables that NextGen knows by name."""
    return [str(name) for name in dataset.data_vars if str(name) in KNOWN]


def _default(name: str) -> str:
    """Units of a variable that states none."""
    return KNOWN[name].units if name in KNOWN else "1"
