"""What a request asks, before anything is opened: its parts, and how large they look."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dmod.errors import JobError
from dmod.job.request import JobRequest
from dmod.model.case import Question
from dmod.model.run_directory import find_run_directory

if TYPE_CHECKING:
    from dmod.domain.domain import Domain

__all__ = ["domain_of_job", "looks_large", "question_of"]

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


def domain_of_job(request: JobRequest, folder: Path) -> Domain:
    """The catchments that a job runs, read from its run directory.

    Parameters
    ----------
    request : JobRequest
        What was asked for.
    folder : Path
        The job's own directory, where one that is composed or brought here has its run directory.

    Raises
    ------
    JobError
        If the run directory is not made yet.
    InputError
        If the hydrofabric cannot be found or read.
    """
    from dmod.model.check import domain_of

    if request.directory is None:
        made = folder / "run"
        if not (made / "config").is_dir():
            problem = JobError(
                f"the run of {request.title} has no directory yet", hint="wait until the job is prepared"
            )
            problem.http = 409
            raise problem
        request = replace(request, directory=made, origin=None, composition=None)
    return domain_of(question_of(request, every_value=False))


def looks_large(request: JobRequest) -> bool:
    """Whether the forcing beside a run is so large that worker processes will surely be wanted."""
    if request.directory is None:
        return False
    folder = request.directory / "forcings"
    files = [request.forcing] if request.forcing is not None else folder.glob("*.nc") if folder.is_dir() else []
    whole = request.catchments is None and request.start_s is None and request.end_s is None
    return whole and any(path.is_file() and path.stat().st_size > _LARGE_BYTES for path in files)
