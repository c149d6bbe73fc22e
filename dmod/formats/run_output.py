"""The output of a run: one NetCDF-4 file that many workers fill at once.

`create` lays out the whole file at the start: every variable contiguous, (feature, time),
its place in the file known. Workers then write rows straight to their place with
`RowWriter`, without locks and in any order; writing the same rows twice changes nothing.
`seal` marks the file complete and gives it its name. Until then it is called
``run.nc.partial`` and says ``dmod_status = partial`` inside.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from dmod.errors import OutputError, RunError
from dmod.formats.run_attributes import tell
from dmod.formats.run_layout import STATUS, Frame, OutputVariable, lay_out

__all__ = ["FLOW", "Layout", "OutputVariable", "RowWriter", "create", "seal"]

#: Name of the nexus flow in our outputs.
FLOW = "nexus_flow"
_COMPLETE = "complete"


@dataclass(frozen=True)
class Layout:
    """Where each variable lies in the file: a value that travels to workers."""

    #: The file, under its partial name.
    path: Path
    #: Number of instants.
    steps: int
    #: Variable to the position of its first byte.
    offsets: Mapping[str, int]


def create(
    path: Path,
    *,
    catchments: Sequence[str],
    nexuses: Sequence[str],
    start_s: int,
    step_s: int,
    steps: int,
    variables: Sequence[OutputVariable],
    attributes: Mapping[str, str],
) -> Layout:
    """Lay out an output file.

    Parameters
    ----------
    path : Path
        Final name, ``….nc``; the file made is called ``….nc.partial``.
    catchments, nexuses : sequence of str
        Ids of the rows.
    start_s, step_s, steps : int
        First instant [s since 1970], spacing [s] and number of instants.
    variables : sequence of OutputVariable
        What to lay out, double precision.
    attributes : mapping of str to str
        Provenance.

    Returns
    -------
    Layout
        Where things lie.

    Raises
    ------
    RunError
        If the disk has no room for all of it.
    OutputError
        If the file cannot be made.
    """
    partial = path.with_name(path.name + ".partial")
    rows = sum(len(catchments) if v.dimension == "catchment-id" else len(nexuses) for v in variables)
    try:
        partial.touch()
        frame = Frame(tuple(catchments), tuple(nexuses), start_s, step_s, steps, tuple(variables))
        offsets = lay_out(partial, frame)
        if attributes:
            tell(partial, offsets, attributes)
    except OSError as problem:
        partial.unlink(missing_ok=True)
        raise _refusal(problem, path, 8 * steps * rows) from problem
    return Layout(partial, steps, offsets)


def _refusal(problem: OSError, path: Path, size_bytes: int) -> RunError | OutputError:
    """Why the file could not be made."""
    if problem.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return RunError(
            "the disk has no room for the outputs",
            needed=f"{size_bytes / 1e9:.3g} GB",
            file=path,
            hint="free some, choose another --output, or keep fewer output_variables",
        )
    reason = str(problem).splitlines()[0]
    return OutputError("the output file cannot be made", file=path, reason=reason, hint="choose another --output")


def seal(layout: Layout, path: Path, attributes: Mapping[str, str] | None = None) -> None:
    """Mark the file complete and give it its final name, in one rename.

    Parameters
    ----------
    layout : Layout
        As `create` gave it.
    path : Path
        Final name.
    attributes : mapping of str to str, optional
        Provenance that was not known, or not wanted, before.
    """
    tell(layout.path, layout.offsets, {**(attributes or {}), STATUS: _COMPLETE})
    with layout.path.open("rb") as written:
        os.fsync(written.fileno())
    layout.path.replace(path)


class RowWriter:
    """Writes rows of a laid-out file; a context manager.

    Parameters
    ----------
    layout : Layout
        Where things lie.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        try:
            self._file = os.open(layout.path, os.O_WRONLY)
        except OSError as problem:
            raise RunError(
                "the outputs cannot be written",
                file=layout.path,
                reason=problem.strerror,
                hint="something removed or closed it while the run was under way; run again",
            ) from problem

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def write(self, variable: str, rows: NDArray[np.intp], start: int, values: NDArray[np.float64]) -> None:
        """Write *values*, shape (rows, steps), of *variable* from step *start* on.

        Raises
        ------
        RunError
            If the disk is full or the file is gone.
        """
        row_bytes = 8 * self._layout.steps
        origin = self._layout.offsets[variable] + 8 * start
        values = np.ascontiguousarray(values)
        try:
            if values.shape[1] == self._layout.steps and len(rows) and (np.diff(rows) == 1).all():
                self._put(values, origin + int(rows[0]) * row_bytes)
                return
            for row, line in zip(rows, values, strict=True):
                self._put(line, origin + int(row) * row_bytes)
        except OSError as problem:
            raise RunError(
                "the outputs cannot be written",
                file=self._layout.path,
                reason=problem.strerror,
                hint="free some room on the disk, then run again with --overwrite",
            ) from problem

    def _put(self, values: NDArray[np.float64], position: int) -> None:
        """All bytes of *values* at *position*."""
        view = memoryview(values.data).cast("B")
        while len(view):
            done = os.pwrite(self._file, view, position)
            view, position = view[done:], position + done
