"""What the rows of ngen's CSV files tell: where they end, when their steps are, their numbers.

Shared by the readers of one file per feature and of files with many catchments. A row
begins with its step and time; opening needs only a few rows of a file, so steps must be
equally spaced and in order, which is what ngen writes.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from dmod.errors import OutputError

__all__ = ["BLOCK_BYTES", "PARTIAL_HINT", "Floats", "axis", "layers", "parsed", "tail"]

Floats = NDArray[np.float64]

#: What one task should read at most [bytes of float64].
BLOCK_BYTES = 8 * 2**20
#: What to do about a file that ends early.
PARTIAL_HINT = "open it with partial=True to have NaN where rows are absent"

#: No row is longer [bytes].
_TAIL_BYTES = 2**16


def tail(file: BinaryIO, path: Path, *, partial: bool) -> list[str]:
    """The fields of the last row; of the last whole row if the file may end early."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL_BYTES))
    end = file.read()
    if not end.endswith(b"\n"):
        if not partial:
            raise OutputError(f"{path.name} ends within a row: the run is partial", file=path, hint=PARTIAL_HINT)
        end = end[: end.rfind(b"\n") + 1]
    return end[:-1].rpartition(b"\n")[2].decode().split(",")


def axis(path: Path, rows: Sequence[Sequence[str]]) -> NDArray[np.datetime64]:
    """The instants between the first, (second) and last row, each beginning with step and time."""
    try:
        steps = [int(row[0]) for row in rows]
        stamps = [np.datetime64(row[1].strip(), "ns") for row in rows]
    except (ValueError, IndexError) as problem:
        raise OutputError(
            f"{path.name} is no output of ngen",
            needed="rows that begin with the step and its time",
            has=",".join(rows[-1])[:100],
        ) from problem
    spacing = stamps[1] - stamps[0] if steps[1] > steps[0] else np.timedelta64(1, "h")
    times: NDArray[np.datetime64] = stamps[0] + spacing * np.arange(steps[-1] - steps[0] + 1)
    if times.size == 0 or times[-1] != stamps[-1]:
        raise OutputError(
            f"{path.name} has steps that are not equally spaced", first=stamps[0], last=stamps[-1], file=path
        )
    return times


def parsed(rows: bytes, columns: Sequence[int]) -> Floats:
    """Some columns of CSV rows, shape (row, column)."""
    frame = pd.read_csv(io.BytesIO(rows), header=None, usecols=list(columns), dtype=np.float64)
    return frame.to_numpy(np.float64)


def layers(columns: Sequence[str], stack: Any, dim: str, ids: Sequence[str], times: NDArray[Any]) -> xr.Dataset:
    """The layers of *stack* (column, feature, time) as variables."""
    variables = {name: ((dim, "time"), stack[index]) for index, name in enumerate(columns)}
    return xr.Dataset(variables, coords={dim: np.array(ids, dtype=object), "time": times})
