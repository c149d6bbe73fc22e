"""Where everything lies in the output file of a run, before there is a single value.

`lay_out` writes the frame of a NetCDF-4 file: dimensions, coordinates, and variables of
which only the place is known. Making one through a library of NetCDF takes as long as a
small run, so the last few frames are remembered: their bytes without the places of values,
written again where the same frame is wanted. The file is the same either way.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["STATUS", "Frame", "OutputVariable", "Remembered", "lay_out", "put", "recognise", "reserve"]

#: The attribute that says whether a file is whole.
STATUS = "dmod_status"
_PARTIAL = "partial"
#: How many frames are remembered, and how large they may be [bytes].
_FRAMES, _LARGEST_BYTES = 8, 4 * 2**20


@dataclass(frozen=True, slots=True)
class OutputVariable:
    """A variable to lay out."""

    #: Name.
    name: str
    #: Units as UDUNITS spells them.
    units: str
    #: What it is, for people.
    long_name: str
    #: ``catchment-id`` or ``nexus-id``.
    dimension: str = "catchment-id"


@dataclass(frozen=True, slots=True)
class Frame:
    """What decides where things lie."""

    #: Ids of the rows.
    catchments: tuple[str, ...]
    nexuses: tuple[str, ...]
    #: First instant [s since 1970], spacing [s] and number of instants.
    start_s: int
    step_s: int
    steps: int
    #: What is laid out, double precision.
    variables: tuple[OutputVariable, ...]


@dataclass(frozen=True, slots=True)
class Remembered:
    """The bytes of a frame."""

    #: Position and bytes of everything that is not a place for values.
    pieces: tuple[tuple[int, bytes], ...]
    #: Of the whole file [bytes].
    size: int
    #: Variable to the position of its first byte.
    offsets: Mapping[str, int]

    @property
    def small(self) -> int:
        """Size of all but the places of values [bytes]."""
        return sum(len(piece) for _, piece in self.pieces)


_known: OrderedDict[Frame, Remembered] = OrderedDict()
_turn = threading.Lock()


def lay_out(path: Path, frame: Frame) -> Mapping[str, int]:
    """Write everything but the values and the attributes of the whole, and set the room for values aside.

    Parameters
    ----------
    path : Path
        The file; what is in it is replaced.
    frame : Frame
        What is laid out.

    Returns
    -------
    mapping of str to int
        Variable to the position of its first byte.

    Raises
    ------
    OSError
        If it cannot be written, or the disk has no room for the values.
    """
    with _turn:
        known = _known.get(frame)
        if known is not None:
            _known.move_to_end(frame)
    if known is None:
        # Asked for before HDF5 is: a library that cannot close its file may take the process down.
        reserve(path, _values_bytes(frame))
        offsets = _make(path, frame)
        if (found := _learn(path, frame, offsets)) is not None:
            with _turn:
                _known[frame] = found
                while len(_known) > _FRAMES:
                    _known.popitem(last=False)
        reserve(path, path.stat().st_size)
        return offsets
    put(path, known)
    return known.offsets


def put(path: Path, known: Remembered) -> None:
    """Write a frame that is remembered.

    Parameters
    ----------
    path : Path
        The file; what is in it is replaced.
    known : Remembered
        What is written.

    Raises
    ------
    OSError
        If it cannot be written, or the disk has no room for the values.
    """
    with path.open("wb", buffering=0) as file:
        _set_aside(file.fileno(), known.size)
        file.truncate(known.size)
        for position, piece in known.pieces:
            os.pwrite(file.fileno(), piece, position)


def recognise(path: Path, offsets: Mapping[str, int]) -> tuple[Frame, Remembered] | None:
    """The frame that a file still is, byte by byte, whatever its values; None where none that is remembered.

    Parameters
    ----------
    path : Path
        The file.
    offsets : mapping of str to int
        Variable to the position of its first byte.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with _turn:
        like = [(frame, one) for frame, one in _known.items() if one.offsets == offsets]
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        for frame, one in like:
            if size == one.size and all(os.pread(file.fileno(), len(held), at) == held for at, held in one.pieces):
                return frame, one
    return None


def reserve(path: Path, size_bytes: int) -> None:
    """Have the disk set the room aside now, so that it cannot run out half-way.

    Parameters
    ----------
    path : Path
        A file.
    size_bytes : int
        How large it will be [bytes], >= 0.

    Raises
    ------
    OSError
        If there is none.
    """
    with path.open("r+b") as file:
        _set_aside(file.fileno(), size_bytes)


def _set_aside(file: int, size_bytes: int) -> None:
    """Room for so many bytes in a file that is open."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, max(1, size_bytes))


def _values_bytes(frame: Frame) -> int:
    """Size of all values [bytes]."""
    held = {"catchment-id": len(frame.catchments), "nexus-id": len(frame.nexuses)}
    return sum(8 * frame.steps * held[one.dimension] for one in frame.variables)


def _learn(path: Path, frame: Frame, offsets: Mapping[str, int]) -> Remembered | None:
    """What to remember of a frame that was just made; None where it is too large."""
    size, held = path.stat().st_size, {"catchment-id": len(frame.catchments), "nexus-id": len(frame.nexuses)}
    values = sorted(
        (offsets[one.name], 8 * frame.steps * held[one.dimension]) for one in frame.variables if offsets[one.name]
    )
    edges = [0, *(edge for start, length in values for edge in (start, start + length)), size]
    spans = [(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True) if stop > start]
    if sum(stop - start for start, stop in spans) > _LARGEST_BYTES:
        return None
    with path.open("rb") as file:
        pieces = tuple((start, os.pread(file.fileno(), stop - start, start)) for start, stop in spans)
    return Remembered(pieces, size, offsets)


def _make(path: Path, frame: Frame) -> dict[str, int]:
    """Lay out a file by way of HDF5."""
    import h5netcdf
    import h5py

    place = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    place.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    place.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    with h5netcdf.File(path, "w") as file:
        file.dimensions = {
            "catchment-id": len(frame.catchments), "nexus-id": len(frame.nexuses), "time": frame.steps,
        }  # fmt: skip
        for name, ids in (("catchment-id", frame.catchments), ("nexus-id", frame.nexuses)):
            names = file.create_variable(name, (name,), h5py.string_dtype())
            if len(ids):
                names[:] = np.array(ids, dtype=object)
        instants = file.create_variable("time", ("time",), "i8")
        instants[:] = frame.start_s + frame.step_s * np.arange(frame.steps, dtype=np.int64)
        instants.attrs["units"] = "seconds since 1970-01-01 00:00:00"
        instants.attrs["calendar"] = "proleptic_gregorian"
        instants.attrs["standard_name"] = "time"
        instants.attrs["long_name"] = f"start of the step, UTC; each step is {frame.step_s} s"
        for variable in frame.variables:
            if not frame.steps:
                continue
            made = file.create_variable(variable.name, (variable.dimension, "time"), "f8", dcpl=place)
            made.attrs["units"], made.attrs["long_name"] = variable.units, variable.long_name
        file.attrs["Conventions"] = "CF-1.11"
        file.attrs[STATUS] = _PARTIAL
    with h5py.File(path, "r", locking=False) as plain:
        return {one.name: plain[one.name].id.get_offset() or 0 for one in frame.variables}
