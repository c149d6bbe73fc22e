"""Forcing in a Zarr store: catchments by time, chunked so that a task reads its own rows.

Arrays ``catchment-id`` (ids) and ``time`` (seconds since 1970) label the rest, which are the
variables with their units; xarray opens the same store. Written in version 3; version 2 and
stores laid out like the NetCDF file (``ids``, ``Time``) are read too. ngen reads none of it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from dmod.errors import ForcingError
from dmod.formats.forcing import KNOWN, Floats, ForcingRef
from dmod.formats.forcing import TimeAxis as Axis
from dmod.formats.forcing_netcdf import time_axis

__all__ = ["ZarrForcing", "ZarrForcingWriter", "is_zarr"]

#: Arrays that name the catchments, ours first.
_IDS = ("catchment-id", "ids", "catchment")
_TIMES = ("time", "Time")
#: About what a chunk holds [bytes, uncompressed], and the most steps in it: a leap year of hours.
_CHUNK_BYTES = 4 * 2**20
_CHUNK_STEPS = 8784


def is_zarr(path: Path) -> bool:
    """Whether a directory is a Zarr store, of version 2 or 3."""
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup"))


class ZarrForcing:
    """A Zarr store of forcing, opened; see `dmod.formats.forcing.ForcingSource`.

    Parameters
    ----------
    ref : ForcingRef
        Where it lies.

    Raises
    ------
    ForcingError
        If it is no store, or has no ids, times or variables of catchments by time.
    """

    resident = 0

    def __init__(self, ref: ForcingRef) -> None:
        self.ref = ref
        arrays = _arrays(ref.path)
        name = ref.path.name
        ids, clock = (next((key for key in keys if key in arrays), None) for keys in (_IDS, _TIMES))
        if ids is None or clock is None:
            raise ForcingError(
                f"{name} has no array that names its {'catchments' if ids is None else 'times'}",
                path=ref.path,
                needed="arrays catchment-id and time",
                has=", ".join(sorted(arrays)) or "no arrays",
                hint="make it with dmod, or give NetCDF or CSV",
            )
        try:
            held = arrays[ids][:].tolist()
            times = arrays[clock]
            instants = np.asarray(times[0] if times.ndim == 2 else times[:])
        except (OSError, RuntimeError, ValueError) as problem:
            raise _damaged(ref.path, problem) from problem
        self.ids: Sequence[str] = [one.decode() if isinstance(one, bytes) else str(one) for one in held]
        self.axis: Axis = time_axis(instants, {str(k): str(v) for k, v in times.attrs.items()}, name)
        shape = (len(self.ids), self.axis.count)
        self._data: dict[str, Any] = {
            key: array
            for key, array in sorted(arrays.items())
            if key not in (*_IDS, *_TIMES) and array.shape == shape and array.dtype.kind in "fiu"
        }
        if not self._data:
            raise ForcingError(
                f"{name} has no variable of catchments by time",
                path=ref.path,
                needed=f"arrays of shape {shape}",
                has=", ".join(f"{key}{array.shape}" for key, array in sorted(arrays.items())),
                hint="make the store again",
            )
        self.variables: Mapping[str, str] = {
            key: str(array.attrs.get("units") or (KNOWN[key].units if key in KNOWN else "1"))
            for key, array in self._data.items()
        }
        rows = max(array.chunks[0] for array in self._data.values())
        self.row_chunk = 0 if rows >= len(self.ids) > 1 else rows

    def read(self, variable: str, rows: NDArray[np.intp], start: int, stop: int) -> Floats:
        """Values of *variable*, shape (rows, stop - start), in the store's units."""
        array = self._data[variable]
        shape = (len(rows), max(0, stop - start))
        single = array.dtype == np.float32
        out: Floats = np.empty(shape, dtype=np.float32) if single else np.empty(shape, dtype=np.float64)
        if not out.size:
            return out
        first, last = int(rows.min()), int(rows.max()) + 1
        try:
            if last - first == len(rows) and (np.diff(rows) == 1).all():
                out[:] = array[first:last, start:stop]
            else:
                out[:] = array.oindex[rows, slice(start, stop)]
        except (OSError, RuntimeError, ValueError) as problem:
            raise _damaged(self.ref.path, problem) from problem
        return out

    def close(self) -> None:
        """Nothing is held open between reads."""


class ZarrForcingWriter:
    """A Zarr store of forcing being written; use it in a ``with`` statement.

    Leaving the statement in peace puts the store in its place; an error leaves nothing. The
    same values give the same bytes.

    Parameters
    ----------
    path : Path
        The store's directory, by custom ``forcings.zarr``; it must not exist, its folder must.
    ids : sequence of str
        Ids of the rows, such as ``cat-27``.
    axis : TimeAxis
        The instants of the values.
    variables : mapping of str to str
        Name to units.
    dtypes : mapping of str to dtype, optional
        Name to precision; single where it is not said.
    """

    def __init__(
        self,
        path: Path,
        ids: Sequence[str],
        *,
        axis: Axis,
        variables: Mapping[str, str],
        dtypes: Mapping[str, DTypeLike] | None = None,
    ) -> None:
        if path.exists():
            raise ForcingError("there is something already", path=path, hint="name a directory that is not there")
        self.path, self.ids, self.axis, self.variables = path, list(ids), axis, dict(variables)
        self._dtypes = dict(dtypes or {})
        self._partial = path.with_name(f".{path.name}.partial")
        self._arrays: dict[str, Any] = {}
        self._written = np.zeros(len(self.ids), dtype=bool)

    @property
    def row_chunk(self) -> int:
        """How many rows a chunk holds: blocks of a multiple of it are written without reading any back."""
        return max(1, min(len(self.ids), _CHUNK_BYTES // (8 * min(self.axis.count, _CHUNK_STEPS))))

    def __enter__(self) -> Self:
        import zarr

        shutil.rmtree(self._partial, ignore_errors=True)
        group = zarr.create_group(str(self._partial), zarr_format=3, attributes={"Conventions": "CF-1.11"})
        catchments, times = len(self.ids), self.axis.count
        names = group.create_array(
            "catchment-id", shape=(catchments,), chunks=(catchments,), dtype=str, dimension_names=["catchment-id"]
        )
        names[:] = np.array(self.ids, dtype=object)
        clock = group.create_array(
            "time", shape=(times,), chunks=(times,), dtype="int64", dimension_names=["time"],
            attributes={"units": "seconds since 1970-01-01", "calendar": "proleptic_gregorian"},
        )  # fmt: skip
        clock[:] = self.axis.start_s + self.axis.step_s * np.arange(times, dtype=np.int64)
        for name, units in self.variables.items():
            self._arrays[name] = group.create_array(
                name, shape=(catchments, times), chunks=(self.row_chunk, min(times, _CHUNK_STEPS)),
                dtype=np.dtype(self._dtypes.get(name, np.float32)), fill_value=np.nan,
                dimension_names=["catchment-id", "time"], attributes={"units": units},
            )  # fmt: skip
        return self

    def write(self, row: int, block: Mapping[str, NDArray[Any]]) -> None:
        """Write some rows of every variable, from *row* on, each of shape (rows, time)."""
        rows = len(next(iter(block.values())))
        for name, values in block.items():
            self._arrays[name][row : row + rows, :] = values
        self._written[row : row + rows] = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and not self._written.all():
                missing = f"{int((~self._written).sum())} of {len(self.ids)} rows"
                raise ForcingError("not every row of the forcing was written", missing=missing)
            if kind is None:
                self._partial.replace(self.path)
        finally:
            self._arrays = {}
            shutil.rmtree(self._partial, ignore_errors=True)


def _arrays(path: Path) -> dict[str, Any]:
    """The arrays of a store, or what is wrong with it."""
    import zarr
    from zarr.errors import BaseZarrError

    if not path.is_dir():
        raise ForcingError("the forcing store is not there", path=path, hint="check forcing.path in the realization")
    try:
        return dict(zarr.open_group(str(path), mode="r").arrays())
    except (BaseZarrError, OSError, ValueError, KeyError, TypeError) as problem:
        if not is_zarr(path):
            raise ForcingError(
                f"{path.name} is no Zarr store",
                path=path,
                has=", ".join(sorted(one.name for one in path.iterdir())[:5]) or "an empty directory",
                hint="name the directory that has zarr.json in it",
            ) from problem
        raise _damaged(path, problem) from problem


def _damaged(path: Path, problem: Exception) -> ForcingError:
    """The error for a store of which something cannot be read."""
    return ForcingError(
        f"{path.name} cannot be read: it is damaged, or packed in a way that is not known here",
        path=path,
        reason=(str(problem).splitlines() or [type(problem).__name__])[0],
        hint="copy or make it again",
    )
