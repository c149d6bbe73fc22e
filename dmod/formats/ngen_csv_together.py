"""Reading ngen's CSV files that hold many catchments each, lazily.

In ``cat_output.csv`` the catchments of a step stand below one another, step by step,
in the order in which ngen ran them. Opening looks at the first step and the last row
and gives Dask arrays; a task reads a range of steps, whose bytes it finds by bisection,
so that no file is ever read as a whole.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import dask
import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dmod.errors import OutputError
from dmod.formats.ngen_rows import BLOCK_BYTES, PARTIAL_HINT, Floats, axis, layers, parsed, tail
from dmod.formats.output_variables import CATCHMENT, by_number

__all__ = ["open_together"]

_ONE_RUN = "keep the outputs of one run in a directory of their own"


def open_together(
    paths: Sequence[Path], *, chunks: Mapping[str, int] | None = None, partial: bool = False
) -> xr.Dataset:
    """Catchment outputs from files that hold many catchments each.

    Parameters
    ----------
    paths : sequence of Path
        One file per run or per rank; no catchment is in two of them.
    chunks : mapping of str to int, optional
        ``time``: how many steps one task reads.
    partial : bool
        Whether files may end early.

    Returns
    -------
    xarray.Dataset
        Lazy variables (catchment-id, time); catchments by number, whatever the order of rows.

    Raises
    ------
    OutputError
        If it is no output of ngen; when computing, also if a file ends early.
    """
    parts = [_look(path, partial=partial) for path in paths]
    ids = sorted((one for part in parts for one in part.ids), key=by_number)
    row = {one: index for index, one in enumerate(ids)}
    if len(row) < len(ids):
        raise OutputError("a catchment is in two files", files=", ".join(map(str, paths)), hint=_ONE_RUN)
    times = max((part.times for part in parts), key=len)
    if not partial and any(not np.array_equal(part.times, times) for part in parts):
        raise OutputError(
            "the files end at different steps: the run is partial", files=_names(paths), hint=PARTIAL_HINT
        )
    columns = parts[0].columns
    if any(part.columns != columns for part in parts):
        raise OutputError("the files have different columns", files=_names(paths), hint=_ONE_RUN)
    source = _Together(
        tuple(str(path) for path in paths),
        tuple(np.array([row[one] for one in part.ids]) for part in parts),
        len(columns),
        partial,
    )
    span = (chunks or {}).get("time") or max(1, BLOCK_BYTES // (8 * len(ids) * len(columns)))
    steps = da.arange(times.size, chunks=times.size if span < 0 else span)
    stack = steps.map_blocks(
        _read_steps,
        source=dask.delayed(source, traverse=False),  # type: ignore[attr-defined]
        new_axis=[0, 1],
        chunks=((len(columns),), (len(ids),), *steps.chunks),
        dtype=np.float64,
        meta=np.empty((0, 0, 0)),
    )
    return layers(columns, stack, CATCHMENT, ids, times)


def _names(paths: Sequence[Path]) -> str:
    """The files, for a message."""
    return ", ".join(f"{path.parent.name}/{path.name}" for path in paths)


@dataclass(frozen=True, slots=True)
class _Part:
    """What the ends of a file with many catchments tell."""

    #: Catchments, in the order of the rows of each step.
    ids: tuple[str, ...]
    #: Names of the columns with values.
    columns: tuple[str, ...]
    #: The start of each step.
    times: NDArray[np.datetime64]


def _look(path: Path, *, partial: bool) -> _Part:
    """Ids, columns and times: from the header, the rows of the first step, and the last row."""
    with path.open("rb") as file:
        fields = file.readline().decode().strip().split(",")
        if fields[:3] != ["catchment_id", "Time Step", "Time"]:
            raise OutputError(
                f"{path.name} is no catchment output of ngen",
                needed="a header that begins with catchment_id,Time Step,Time",
                has=",".join(fields)[:100],
            )
        first = row = file.readline().decode().split(",")
        ids = []
        while len(row) > 2 and row[1] == first[1]:
            ids.append(row[0])
            row = file.readline().decode().split(",")
        last = tail(file, path, partial=partial)
    if not ids or (last[0] != ids[-1] and not partial):
        raise OutputError(f"{path.name} ends within a step: the run is partial", file=path, hint=PARTIAL_HINT)
    times = axis(path, [first[1:], (row if len(row) > 2 else first)[1:], last[1:]])
    return _Part(tuple(ids), tuple(fields[3:]), times)


@dataclass(frozen=True, slots=True)
class _Together:
    """Files with many catchments, for the tasks that read ranges of their steps."""

    #: The files.
    paths: tuple[str, ...]
    #: For each file, which row of the result each of its catchments is.
    rows: tuple[NDArray[np.intp], ...]
    #: How many columns have values.
    columns: int
    #: Whether files may end early.
    partial: bool


def _read_steps(steps: NDArray[np.int64], *, source: _Together) -> Floats:
    """A range of steps from every file, shape (column, catchment, step)."""
    total = sum(rows.size for rows in source.rows)
    values = np.full((steps.size, total, source.columns), np.nan)
    for path, rows in zip(source.paths, source.rows, strict=True):
        with Path(path).open("rb") as file:
            begin = _offset(file, int(steps[0]))
            end = _offset(file, int(steps[-1]) + 1)
            file.seek(begin)
            content = file.read(end - begin)
        content = content[: content.rfind(b"\n") + 1]
        if not content and source.partial:
            continue
        block = parsed(content, [1, *range(3, source.columns + 3)])
        wanted = np.repeat(steps, rows.size)
        if block.shape[0] != wanted.size and not source.partial:
            raise OutputError(
                "a file has not one row for each catchment and step",
                needed=wanted.size,
                has=block.shape[0],
                file=path,
            )
        if not np.array_equal(block[:, 0], wanted[: block.shape[0]]):
            raise OutputError("a file has not one row for each catchment and step", file=path, hint=_ONE_RUN)
        flat = np.full((wanted.size, source.columns), np.nan)
        flat[: block.shape[0]] = block[:, 1:]
        values[:, rows] = flat.reshape(steps.size, rows.size, source.columns)
    return np.ascontiguousarray(values.transpose(2, 1, 0))


def _offset(file: BinaryIO, step: int) -> int:
    """The byte where the first row of *step* or a later one begins: by bisection, steps being in order."""
    file.seek(0)
    file.readline()
    low, high = file.tell(), file.seek(0, os.SEEK_END)
    while low < high:
        middle = (low + high) // 2
        fields = _row_from(file, middle)[1]
        if len(fields) < 2 or not fields[1].isdigit() or int(fields[1]) >= step:
            high = middle
        else:
            low = middle + 1
    return _row_from(file, low)[0]


def _row_from(file: BinaryIO, position: int) -> tuple[int, list[bytes]]:
    """The first row that begins at *position* or later: where, and its fields."""
    file.seek(position - 1)
    file.readline()
    begin = file.tell()
    return begin, file.readline().split(b",", 2)
