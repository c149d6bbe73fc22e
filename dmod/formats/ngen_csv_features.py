"""Reading ngen's CSV files of one feature each, lazily.

Opening looks at the header, two rows and the last row of the first file and gives Dask
arrays; a block of files is read when it is computed. Rows are counted then, so a file
that ends early is an error and never a shift in time; ``partial`` looks at the ends of
all files and fills what is absent with NaN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from dmod.errors import OutputError
from dmod.formats.ngen_rows import BLOCK_BYTES, PARTIAL_HINT, Floats, axis, layers, parsed, tail
from dmod.formats.output_variables import CATCHMENT, NEXUS

__all__ = ["open_catchments", "open_nexuses"]

#: How many files one task reads at most.
_BLOCK_FILES = 64


def open_catchments(
    files: Mapping[str, Path], *, chunks: Mapping[str, int] | None = None, partial: bool = False
) -> xr.Dataset:
    """Catchment outputs from one CSV file each.

    Parameters
    ----------
    files : mapping of str to Path
        Catchment id to file. The columns are those of the first file; where another has
        one of them not, its values are NaN.
    chunks : mapping of str to int, optional
        ``catchment-id``: how many files one task reads.
    partial : bool
        Whether files may end early.

    Returns
    -------
    xarray.Dataset
        Lazy variables (catchment-id, time), as the columns are called.

    Raises
    ------
    OutputError
        If it is no output of ngen; when computing, also if a file ends early.
    """
    paths = list(files.values())
    header = _header(paths[0])
    fields = header.decode().strip().split(",")
    if fields[:2] != ["Time Step", "Time"]:
        raise OutputError(
            f"{paths[0].name} is no catchment output of ngen",
            needed="a header that begins with Time Step,Time",
            has=",".join(fields)[:100],
        )
    times = _feature_times(paths, headed=True, partial=partial)
    stack = _feature_stack(paths, fields[2:], times.size, (chunks or {}).get(CATCHMENT), header=header, partial=partial)
    return layers(fields[2:], stack, CATCHMENT, list(files), times)


def open_nexuses(
    files: Mapping[str, Path], *, chunks: Mapping[str, int] | None = None, partial: bool = False
) -> xr.Dataset:
    """Nexus flow from one CSV file each, as ``nexus_flow`` (nexus-id, time) [m3 s-1].

    Parameters and errors are those of `open_catchments`.
    """
    paths = list(files.values())
    times = _feature_times(paths, headed=False, partial=partial)
    stack = _feature_stack(paths, ["nexus_flow"], times.size, (chunks or {}).get(NEXUS), header=b"", partial=partial)
    return layers(["nexus_flow"], stack, NEXUS, list(files), times)


def _header(path: Path) -> bytes:
    """The first line."""
    with path.open("rb") as file:
        return file.readline()


def _feature_axis(path: Path, *, headed: bool, partial: bool) -> NDArray[np.datetime64]:
    """The instants of a file of one feature; from its first two rows and its last."""
    with path.open("rb") as file:
        if headed:
            file.readline()
        first, second = file.readline(), file.readline()
        if not first.endswith(b"\n"):
            if partial:
                return np.empty(0, "datetime64[ns]")
            raise OutputError(f"{path.name} has no rows: the run is partial", file=path, hint=PARTIAL_HINT)
        last = tail(file, path, partial=partial)
    rows = [
        first.decode().split(","),
        (second if second.endswith(b"\n") else first).decode().split(","),
        last,
    ]
    return axis(path, rows)


def _feature_times(paths: Sequence[Path], *, headed: bool, partial: bool) -> NDArray[np.datetime64]:
    """The instants of all files: those of the first, or of the longest if files may end early."""
    looked_at = paths if partial else paths[:1]
    return max((_feature_axis(path, headed=headed, partial=partial) for path in looked_at), key=len)


def _feature_stack(
    paths: Sequence[Path],
    columns: Sequence[str],
    count: int,
    per_block: int | None,
    *,
    header: bytes,
    partial: bool,
) -> Any:
    """All files as one lazy array, shape (column, feature, time)."""
    fitting = BLOCK_BYTES // (8 * max(1, count) * max(1, len(columns)))
    size = per_block or min(_BLOCK_FILES, max(1, fitting))
    names = da.from_array(
        np.array([str(path) for path in paths], dtype=object),
        chunks=len(paths) if size < 0 else size,
        name=False,
    )
    return names.map_blocks(
        _read_features,
        columns=tuple(columns),
        count=count,
        header=header,
        partial=partial,
        new_axis=[0, 2],
        chunks=((len(columns),), *names.chunks, (count,)),
        dtype=np.float64,
        meta=np.empty((0, 0, 0)),
    )


def _read_features(
    paths: NDArray[np.object_], *, columns: tuple[str, ...], count: int, header: bytes, partial: bool
) -> Floats:
    """A block of files, shape (column, feature, time): parsed in one go where the headers agree."""
    values = np.full((len(paths), count, len(columns)), np.nan)
    alike, bodies = [], []
    for index, path in enumerate(paths):
        content = Path(path).read_bytes()
        own, body = content[: len(header)], content[len(header) :]
        if own != header:
            own, body = content[: content.find(b"\n") + 1], content[content.find(b"\n") + 1 :]
        body = body[: body.rfind(b"\n") + 1]
        rows = body.count(b"\n")
        if rows > count or (rows < count and not partial):
            raise OutputError(
                f"{Path(path).name} has another number of rows than the first file: the run is partial",
                needed=count,
                has=rows,
                file=path,
                hint=PARTIAL_HINT,
            )
        if own == header and rows == count:
            alike.append(index)
            bodies.append(body)
        elif rows:
            names = (own.decode().strip().split(",") if header else ["Time Step", "Time", "nexus_flow"])[2:]
            frame = pd.DataFrame(parsed(body, range(2, len(names) + 2)), columns=names)
            values[index, :rows] = frame.reindex(columns=list(columns)).to_numpy()
    if bodies:
        block = parsed(b"".join(bodies), range(2, len(columns) + 2))
        values[alike] = block.reshape(len(bodies), count, len(columns))
    return np.ascontiguousarray(values.transpose(2, 0, 1))
