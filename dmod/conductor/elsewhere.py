"""Run directories that lie in a bucket, and outputs that are wanted in one: brought here, and taken there.

Whatever runs the job sees files of this machine only; keys stay with the conductor.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dmod.conductor.log import say
from dmod.conductor.provenance import PROVENANCE
from dmod.errors import DatasetError, RunError, StoreError
from dmod.job.request import JobRequest
from dmod.store.carry import bring, check_delivery, deliver

__all__ = ["bring_here", "check_there", "take_there"]


def check_there(request: JobRequest) -> None:
    """See that outputs can be taken to where they are wanted.

    Raises
    ------
    InputError
        If something is there that may not be replaced.
    StoreError
        If the bucket is not there, or cannot be reached.
    """
    if request.delivery is not None:
        check_delivery(request.delivery, last=PROVENANCE, overwrite=request.overwrite)


def bring_here(request: JobRequest, folder: Path, still_wanted: Callable[[], None]) -> Path:
    """Copy the run directory that a request names; what is here already is not fetched again.

    Parameters
    ----------
    request : JobRequest
        With an origin.
    folder : Path
        Where it comes to be.
    still_wanted : callable
        Raises once nobody wants it any more.

    Returns
    -------
    Path
        *folder*.

    Raises
    ------
    InputError
        If there is nothing at the address.
    StoreError
        If the store does not answer, refuses the keys, or there is no room.
    """
    assert request.origin is not None
    count = bring(request.origin, folder, lambda _step, _done, _total: still_wanted())
    say(f"{count:,} files of {request.origin} are here")
    return folder


def take_there(request: JobRequest, still_wanted: Callable[[], None]) -> None:
    """Take outputs to where they are wanted, if that is elsewhere; provenance goes last.

    Parameters
    ----------
    request : JobRequest
        Whose target holds whole outputs.
    still_wanted : callable
        Raises once nobody wants it any more.

    Raises
    ------
    RunError
        If they could not be taken there; they are kept here.
    """
    if request.delivery is None:
        return
    try:
        deliver(request.target, request.delivery, last=PROVENANCE, progress=lambda _step, _done, _total: still_wanted())
    except (DatasetError, StoreError) as problem:
        raise RunError(
            "the run is whole, but its outputs could not be taken to where they are wanted",
            has=request.target, needed=request.delivery, reason=problem.headline,
            hint="see to that, then `dmod restart` the job: nothing is computed again",
        ) from problem  # fmt: skip
