"""Writing forcing: one NetCDF-4 file of catchments by time, as ngen and `open_forcing` read it.

Rows stream through: the caller gives a few catchments at a time, and nothing larger is
held. Every variable is contiguous, a row per catchment, and has no fill value. The file is
written beside its name and renamed when whole. The same values give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from dmod.errors import ForcingError
from dmod.formats.forcing import TimeAxis

if TYPE_CHECKING:
    import h5py

__all__ = ["AORC", "Blocks", "ForcingWriter", "write_forcing"]

#: The eight variables NextGen formulations ask for, with their units.
AORC: Mapping[str, str] = {
    "precip_rate": "mm s^-1",
    "TMP_2maboveground": "K",
    "SPFH_2maboveground": "kg kg-1",
    "UGRD_10maboveground": "m s-1",
    "VGRD_10maboveground": "m s-1",
    "PRES_surface": "Pa",
    "DSWRF_surface": "W m-2",
    "DLWRF_surface": "W m-2",
}

#: Gives rows ``[start, stop)`` of every variable, each of shape (rows, time).
Blocks = Callable[[int, int], Mapping[str, NDArray[np.float32]]]


class ForcingWriter:
    """A forcing file being written; use it in a ``with`` statement.

    Leaving the statement in peace puts the file in its place; an error leaves whatever was
    there before.

    Parameters
    ----------
    path : Path
        The file; its folder must exist.
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
        axis: TimeAxis,
        variables: Mapping[str, str] = AORC,
        dtypes: Mapping[str, DTypeLike] | None = None,
    ) -> None:
        if not ids or axis.count < 1:
            raise ForcingError("forcing needs a catchment and an instant", has=f"{len(ids)} x {axis.count}")
        if len(set(ids)) != len(ids):
            raise ForcingError("a catchment occurs twice in one forcing file", rows=len(ids))
        self.path, self.ids, self.axis, self.variables = path, list(ids), axis, dict(variables)
        self._dtypes = {"Time": np.float64, **(dtypes or {})}
        self._partial = path.with_name(f".{path.name}.partial")
        self._file: h5py.File | None = None
        self._written = np.zeros(len(ids), dtype=bool)

    def __enter__(self) -> Self:
        import h5py

        # netCDF-C opens files whose objects remember the order they were made in.
        file = self._file = h5py.File(self._partial, "w", libver=("earliest", "v110"), track_order=True)
        catchments, times = len(self.ids), self.axis.count
        scales = [_scale(file, "catchment-id", catchments), _scale(file, "time", times)]
        names = file.create_dataset("ids", (catchments,), dtype=h5py.string_dtype())
        names[...] = self.ids
        names.dims[0].attach_scale(scales[0])
        clock = {"units": "s", "epoch_start": "01/01/1970 00:00:00"}
        layout = {"Time": clock} | {name: {"units": units} for name, units in self.variables.items()}
        for name, attributes in layout.items():
            dtype = np.dtype(self._dtypes.get(name, np.float32))
            values = file.create_dataset(name, (catchments, times), dtype=dtype, fill_time="never")
            for axis, scale in enumerate(scales):
                values.dims[axis].attach_scale(scale)
            for key, text in attributes.items():
                values.attrs[key] = np.bytes_(text)  # characters: ngen cannot read string objects here
        return self

    def write(self, row: int, block: Mapping[str, NDArray[Any]]) -> None:
        """Write some rows of every variable.

        Parameters
        ----------
        row : int
            The first row.
        block : mapping of str to array of float, shape (rows, time)
            Values in the units of `variables`; rounded to the precision of each.
        """
        if self._file is None:
            raise ValueError("a ForcingWriter writes inside its with statement only")
        rows = len(next(iter(block.values())))
        if set(block) != set(self.variables):
            missing = sorted(set(self.variables) ^ set(block))
            raise ForcingError("a block must hold just the variables of the file", differs=", ".join(missing))
        for name, values in block.items():
            if values.shape != (rows, self.axis.count) or row + rows > len(self.ids):
                raise ForcingError(f"a block of {name} does not fit", row=row, has=values.shape)
            item = self._file[name]
            item[row : row + rows] = np.ascontiguousarray(values, dtype=item.dtype)
        instants = self.axis.start_s + self.axis.step_s * np.arange(self.axis.count, dtype=np.float64)
        self._file["Time"][row : row + rows] = np.broadcast_to(instants, (rows, self.axis.count))
        self._written[row : row + rows] = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._file is not None:
                self._file.close()
            if kind is None and not self._written.all():
                missing = f"{int((~self._written).sum())} of {len(self.ids)} rows"
                raise ForcingError("not every row of the forcing was written", missing=missing)
            if kind is None:
                self._partial.replace(self.path)
        finally:
            self._file = None
            self._partial.unlink(missing_ok=True)


def write_forcing(
    path: Path,
    ids: Sequence[str],
    *,
    axis: TimeAxis,
    blocks: Blocks,
    variables: Mapping[str, str] = AORC,
    block_rows: int = 64,
    progress: Callable[[float], None] | None = None,
) -> Path:
    """Write a forcing file block by block.

    Parameters
    ----------
    path : Path
        The file; its folder must exist.
    ids : sequence of str
        Ids of the rows, such as ``cat-27``.
    axis : TimeAxis
        The instants of the values.
    blocks : callable
        Gives rows ``[start, stop)`` of every variable, float32 of shape (rows, time).
    variables : mapping of str to str
        Name to units.
    block_rows : int
        How many rows to ask for at a time; the file does not depend on it.
    progress : callable, optional
        Told the fraction written, in (0, 1], after each block.

    Returns
    -------
    Path
        *path*.

    Raises
    ------
    ForcingError
        If a block does not fit, or an id occurs twice.
    """
    with ForcingWriter(path, ids, axis=axis, variables=variables) as writer:
        for start in range(0, len(ids), block_rows):
            stop = min(start + block_rows, len(ids))
            writer.write(start, blocks(start, stop))
            if progress is not None:
                progress(stop / len(ids))
    return path


def _scale(file: h5py.File, name: str, size: int) -> Any:
    """A NetCDF dimension without coordinates, as netCDF-C writes one."""
    scale = file.create_dataset(name, (size,), dtype=">f4", fill_time="never")
    scale.make_scale(f"This is a netCDF dimension but not a netCDF variable.{size:10d}")
    return scale
