"""Writing a run's outputs as ngen writes them, byte for byte.

Numbers are printed as C++ streams print them: 9 significant digits for catchments, 6
for nexuses. The text of a file is one template, made once for all features, that a
block of numbers fills in one call. Catchments are loaded, printed and let go a block
at a time, and a file appears under its name only when it is whole.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dmod.errors import OutputError
from dmod.formats.output_variables import CATCHMENT, NEXUS

__all__ = ["Grouping", "write_ngen"]

#: One file per catchment, or one file for all of them.
Grouping = Literal["per_feature", "per_formulation"]

#: What a block of numbers takes at most [bytes of float64].
_BLOCK_BYTES = 32 * 2**20
#: How many numbers are printed in one call at most.
_PRINTED = 2**18
#: Stands in a template where the step and its time go.
_STEP = "\0"


def write_ngen(
    dataset: xr.Dataset,
    directory: Path,
    *,
    columns: Mapping[str, str] | None = None,
    grouping: Grouping = "per_feature",
    catchments: slice | None = None,
    nexuses: slice | None = None,
) -> None:
    """Write outputs as ngen's CSV files.

    Parameters
    ----------
    dataset : xarray.Dataset
        Outputs as `dmod.open_outputs` gives them; may be lazy.
    directory : Path
        Where to write ``cat-N.csv`` (or ``cat_output.csv``) and ``nex-N_output.csv``; made
        if absent. Files of the same name are replaced.
    columns : mapping of str to str, optional
        Variable to column header, in the order of the columns; by default all variables
        (catchment-id, time) under their own names.
    grouping : {"per_feature", "per_formulation"}
        A file for each catchment, or one with a leading ``catchment_id``.
    catchments, nexuses : slice, optional
        Positions to write, for one of several writers; by default all.

    Raises
    ------
    OutputError
        If a column is no variable (catchment-id, time), or the directory cannot be written.

    Notes
    -----
    ``per_formulation`` goes through the steps and not through the catchments, so a dataset
    that is chunked by catchment is read once for each block of steps.
    """
    named = _columns(dataset, columns)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if named:
            values = dataset[list(named)]
            part = values if catchments is None else values.isel({CATCHMENT: catchments})
            if grouping == "per_feature":
                _write_catchments(part, directory, list(named.values()))
            elif part.sizes[CATCHMENT]:
                _write_together(part, directory / "cat_output.csv", list(named.values()))
        if "nexus_flow" in dataset:
            flow = dataset[["nexus_flow"]]
            _write_nexuses(flow if nexuses is None else flow.isel({NEXUS: nexuses}), directory)
    except OSError as problem:
        raise OutputError(
            "the outputs cannot be written",
            directory=directory,
            reason=problem,
            hint="name a directory that you may write to, with space left",
        ) from problem


def _columns(dataset: xr.Dataset, columns: Mapping[str, str] | None) -> dict[str, str]:
    """Variable to header."""
    fitting = [str(name) for name, one in dataset.data_vars.items() if set(one.dims) == {CATCHMENT, "time"}]
    if columns is None:
        return {name: name for name in fitting}
    if absent := [name for name in columns if name not in fitting]:
        raise OutputError(
            "a column is no variable of the catchments",
            missing=", ".join(absent),
            has=", ".join(fitting),
            hint="name variables that the outputs have, on (catchment-id, time)",
        )
    return dict(columns)


def _write_catchments(values: xr.Dataset, directory: Path, headers: Sequence[str]) -> None:
    """A file for each catchment."""
    header = ",".join(["Time Step", "Time", *headers]) + "\n"
    texts = _templates(values, ",".join([_STEP, *["%.9g"] * len(headers)]) + "\n", len(headers), ",")
    for ids, block in _blocks(values, CATCHMENT):
        for feature_id, numbers in zip(ids, block, strict=True):
            with _whole(directory / f"{feature_id}.csv") as file:
                file.write(header)
                _print(file, texts, numbers)


def _write_nexuses(values: xr.Dataset, directory: Path) -> None:
    """A file for each nexus."""
    texts = _templates(values, f"{_STEP}, %.6g\n", 1, ", ")
    for ids, block in _blocks(values, NEXUS):
        for feature_id, numbers in zip(ids, block, strict=True):
            with _whole(directory / f"{feature_id}_output.csv") as file:
                _print(file, texts, numbers)


def _write_together(values: xr.Dataset, path: Path, headers: Sequence[str]) -> None:
    """One file for all catchments, step by step."""
    ids = values[CATCHMENT].values.tolist()
    numbers = ",".join(["%.9g"] * len(headers))
    step = "".join(f"{one},{_STEP},{numbers}\n" for one in ids)
    per_block = max(1, _BLOCK_BYTES // (8 * len(ids) * len(headers)))
    stamps = _stamps(values)
    with _whole(path) as file:
        file.write(",".join(["catchment_id", "Time Step", "Time", *headers]) + "\n")
        for begin in range(0, len(stamps), per_block):
            block = _loaded(values.isel(time=slice(begin, begin + per_block)), CATCHMENT).transpose(1, 0, 2)
            per_call = max(1, _PRINTED // block[0].size)
            for first in range(0, len(block), per_call):
                some = block[first : first + per_call]
                known = enumerate(stamps[begin + first : begin + first + len(some)], begin + first)
                text = "".join(step.replace(_STEP, f"{index},{stamp}") for index, stamp in known)
                file.write(text % tuple(some.ravel().tolist()))


def _templates(values: xr.Dataset, row: str, width: int, comma: str) -> list[tuple[slice, str]]:
    """All rows of a file with places for numbers, in pieces of some steps."""
    stamps = _stamps(values)
    per_call = max(1, _PRINTED // width)
    pieces = []
    for begin in range(0, len(stamps), per_call):
        some = enumerate(stamps[begin : begin + per_call], begin)
        text = "".join(row.replace(_STEP, f"{index}{comma}{stamp}") for index, stamp in some)
        pieces.append((slice(begin, begin + per_call), text))
    return pieces


def _print(file: IO[str], texts: Sequence[tuple[slice, str]], numbers: NDArray[np.float64]) -> None:
    """The numbers of one feature, shape (step, column), through its template."""
    for steps, text in texts:
        file.write(text % tuple(numbers[steps].ravel().tolist()))


def _stamps(values: xr.Dataset) -> list[str]:
    """The start of each step as ngen prints it."""
    instants = values["time"].values.astype("datetime64[s]")
    return [stamp.replace("T", " ") for stamp in np.datetime_as_string(instants).tolist()]


def _blocks(values: xr.Dataset, dim: str) -> Iterator[tuple[list[str], NDArray[np.float64]]]:
    """Ids and numbers, shape (feature, step, column), some features at a time: whole chunks if they fit."""
    count, steps = values.sizes[dim], values.sizes["time"]
    fitting = max(1, _BLOCK_BYTES // (8 * max(1, steps) * len(values.data_vars)))
    chunk = max(values.chunksizes.get(dim, (1,)), default=1)
    size = fitting // chunk * chunk if 0 < chunk <= fitting else fitting
    for begin in range(0, count, size):
        some = values.isel({dim: slice(begin, begin + size)})
        yield some[dim].values.tolist(), _loaded(some, dim)


def _loaded(values: xr.Dataset, dim: str) -> NDArray[np.float64]:
    """All variables, shape (feature, step, column), from one pass over what is lazy."""
    known: Any = values.compute()
    arrays = [known[name].transpose(dim, "time").values for name in known.data_vars]
    return np.stack(arrays, axis=-1).astype(np.float64, copy=False)


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[IO[str]]:
    """A text file that takes its name when it is whole, and leaves nothing if it fails."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("w", encoding="utf-8", newline="\n") as file:
            yield file
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
