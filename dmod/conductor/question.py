"""What a request asks, before anything is opened: its parts, and how large they look."""

from __future__ import annotations

from dmod.job.request import JobRequest
from dmod.model.case import Question
from dmod.model.run_directory import find_run_directory

__all__ = ["looks_large", "question_of"]

_LARGE_BYTES = 256 * 2**20


def question_of(request: JobRequest, *, every_value: bool) -> Question:
    """What the pre-flight check is asked for a request.

    Parameters
    ----------
    request : JobRequest
        What is asked for.
    every_value : bool
        Look at every value of the forcing, or at a sample where it is large.

    Raises
    ------
    InputError
        If parts of the run cannot be found.
    """
    assert request.directory is not None, "a composed run is prepared first"
    directory = find_run_directory(
        request.directory,
        hydrofabric=request.hydrofabric,
        realization=request.realization,
        forcing=request.forcing,
    )
    return Question(
        directory,
        request.catchments,
        request.start_s,
        request.end_s,
        directory.forcing,
        request.units,
        every_value,
    )


def looks_large(request: JobRequest) -> bool:
    """Whether the forcing beside a run is so large that worker processes will surely be wanted."""
    if request.directory is None:
        return False
    folder = request.directory / "forcings"
    files = [request.forcing] if request.forcing is not None else folder.glob("*.nc") if folder.is_dir() else []
    whole = request.catchments is None and request.start_s is None and request.end_s is None
    return whole and any(path.is_file() and path.stat().st_size > _LARGE_BYTES for path in files)
