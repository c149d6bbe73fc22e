"""What a part of a run raised, as an error of ours."""

from __future__ import annotations

from dmod.engine.part_run import Part
from dmod.errors import DmodError, RunError, as_failure

__all__ = ["as_task_failure", "out_of_memory"]


def as_task_failure(problem: BaseException | None) -> RunError:
    """What a task raised, as the failure of its run.

    Parameters
    ----------
    problem : BaseException or None
        What it raised.

    Returns
    -------
    RunError
        The same in our words; of what is not ours, that it is a fault.
    """
    if isinstance(problem, DmodError):
        return as_failure(problem)
    failed = RunError(
        "a task failed",
        reason=f"{type(problem).__name__}: {problem}".splitlines()[0],
        hint="this is a fault of dmod or of a model; please report it with the log",
    )
    failed.__cause__ = problem
    return failed


def out_of_memory(part: Part) -> RunError:
    """What is said of a part that got no memory."""
    return RunError(
        "a task needs more memory than it was given",
        task=f"{len(part.ids):,} catchments, {part.steps:,} steps",
        hint="ask for more --memory, or for fewer --workers",
    )
