"""What went wrong with a job, as an error of ours: whatever was raised while a verb was done."""

from __future__ import annotations

import logging

from dmod.errors import DmodError, RunError, as_failure
from dmod.job.lifecycle import State

__all__ = ["WITH_CORES", "as_problem"]

log = logging.getLogger("dmod.conductor")

#: Where a job stands while it holds cores.
WITH_CORES = (State.ALLOCATED, State.RUNNING, State.FINISHED)


def as_problem(raised: Exception, *, job: str, state: State, about: str) -> DmodError:
    """What went wrong.

    Parameters
    ----------
    raised : Exception
        What was raised; what is neither ours nor the system's is logged with its traceback.
    job : str
        Id of the job.
    state : State
        Where it stood.
    about : str
        What to name where the system names no file.

    Returns
    -------
    DmodError
        A `RunError` for whatever happened while the job held cores: its input was in order by then.
    """
    if isinstance(raised, DmodError):
        return as_failure(raised) if state in WITH_CORES else raised
    if isinstance(raised, OSError):
        failed = RunError(
            "files cannot be read or written",
            file=raised.filename or about,
            reason=raised.strerror or str(raised),
            hint="look at the disk and its permissions, then run again",
        )
    else:
        log.error("job %s failed", job, exc_info=raised)
        failed = RunError(
            f"dmod failed while it was {state}",
            reason=f"{type(raised).__name__}: {raised}".splitlines()[0],
            hint="this is a fault of dmod; please report it with the log",
        )
    failed.__cause__ = raised
    return failed
