"""The tree of errors.

::

    DmodError
    ├── InputError            the user's input or request is wrong; nothing was started
    │   ├── HydrofabricError  the river network cannot be read or makes no sense
    │   ├── ForcingError      the weather cannot be read or does not fit
    │   ├── RealizationError  the realization cannot be read or contradicts itself
    │   ├── ConfigError       a module's own configuration file is wrong
    │   ├── UnitsError        a unit is unknown or two units do not convert
    │   ├── SelectionError    what was asked for is not in the domain
    │   ├── OutputError       the place for the outputs cannot be used, or outputs cannot be read
    │   ├── ObservationError  observations cannot be read or paired
    │   ├── ClusterError      the Dask scheduler cannot be reached or used
    │   ├── EngineError       the container engine cannot be reached, or cannot do what is asked
    │   ├── DatasetError      a dataset cannot be made, found, read or removed
    │   │   └── CoverageError what it holds is not what is needed
    │   ├── JobError          there is no such job, or it cannot do that where it stands
    │   ├── AllocationError   no machine will ever have what was asked for
    │   └── CheckError        the pre-flight check found errors; ``report`` lists them all
    ├── ServiceError          a service over HTTP cannot be reached
    ├── StoreError            bytes cannot be kept or fetched
    ├── LedgerError           the ledger cannot be opened, read or written
    │   └── LostLease         somebody else conducts the job now
    └── RunError              the run was started and failed
        └── Cancelled         the run was stopped on request

Each carries facts for programs, a hint for people, an HTTP status and the exit
code of the command line. Pure: nothing here reads or prints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dmod.model.findings import Report

__all__ = [
    "AllocationError",
    "Cancelled",
    "CheckError",
    "ClusterError",
    "ConfigError",
    "CoverageError",
    "DatasetError",
    "DmodError",
    "EngineError",
    "ForcingError",
    "HydrofabricError",
    "InputError",
    "JobError",
    "LedgerError",
    "LostLease",
    "ObservationError",
    "OutputError",
    "RealizationError",
    "RunError",
    "SelectionError",
    "ServiceError",
    "StoreError",
    "UnitsError",
    "as_failure",
    "from_facts",
    "listed",
    "to_facts",
]


class DmodError(Exception):
    """Base of the tree; ``facts`` is what a program may read, ``str()`` what a person reads.

    Parameters
    ----------
    headline : str
        What is wrong, in one line.
    hint : str
        What to do next.
    **facts : object
        What was needed, what was found: one line each.
    """

    #: HTTP status a gateway answers with.
    http = 500
    #: Exit code of the command line.
    exit_code = 1

    def __init__(self, headline: str, *, hint: str = "", **facts: object) -> None:
        self.headline, self.hint, self.facts = headline, hint, facts
        width = max((len(name) for name in facts), default=0)
        lines = [headline, *(f"  {name:<{width}}  {value}" for name, value in facts.items())]
        super().__init__("\n".join([*lines, f"  -> {hint}"] if hint else lines))

    @property
    def summary(self) -> str:
        """It in one line."""
        return self.headline

    def __reduce__(self) -> tuple[object, ...]:
        """Facts and hint travel with the error from a Dask worker."""
        return _rebuild, (type(self), self.headline, self.hint, self.facts)


def _rebuild(kind: type[DmodError], headline: str, hint: str, facts: dict[str, object]) -> DmodError:
    """The error again, on the other side of a pickle."""
    error = kind.__new__(kind)
    DmodError.__init__(error, headline, hint=hint, **facts)
    return error


class InputError(DmodError):
    """The user's input or request is wrong; nothing was started."""

    http = 400
    exit_code = 2


class HydrofabricError(InputError):
    """The river network cannot be read or makes no sense."""


class ForcingError(InputError):
    """The weather cannot be read or does not fit."""


class RealizationError(InputError):
    """The realization cannot be read or contradicts itself."""


class ConfigError(InputError):
    """A module's own configuration file is wrong."""


class UnitsError(InputError):
    """A unit is unknown, or two units do not convert into each other."""


class SelectionError(InputError):
    """What was asked for is not in the domain."""


class OutputError(InputError):
    """The place for the outputs cannot be used, or outputs cannot be read."""


class ObservationError(InputError):
    """Observations cannot be read or paired."""


class ClusterError(InputError):
    """The Dask scheduler cannot be reached or used."""


class EngineError(InputError):
    """The container engine cannot be reached, or cannot do what is asked."""


class DatasetError(InputError):
    """A dataset cannot be made, found, read or removed."""


class CoverageError(DatasetError):
    """What a dataset holds is not what is needed."""


class JobError(InputError):
    """There is no such job, or it cannot do that where it stands."""

    http = 404


class AllocationError(InputError):
    """No machine will ever have what was asked for."""


class CheckError(InputError):
    """The pre-flight check found errors; ``report`` lists them all.

    Parameters
    ----------
    report : Report
        Everything that was found.
    check : str
        The command that checks again.
    """

    def __init__(self, report: Report, *, check: str = "dmod check") -> None:
        self.report = report
        super().__init__(str(report), hint=f"mend what is listed, then run `{check}` again")

    @property
    def summary(self) -> str:
        """It in one line."""
        return f"the check found {len(self.report.errors)} errors"


class ServiceError(DmodError):
    """A service over HTTP cannot be reached."""

    http = 502


class StoreError(DmodError):
    """Bytes cannot be kept or fetched."""


class LedgerError(DmodError):
    """The ledger cannot be opened, read or written."""

    http = 503


class LostLease(LedgerError):
    """Somebody else conducts the job now."""


class RunError(DmodError):
    """The run was started and failed."""


class Cancelled(RunError):
    """The run was stopped on request."""


def as_failure(problem: DmodError) -> RunError:
    """An error that came up while a run was under way: the run failed, whatever it would mean before.

    Parameters
    ----------
    problem : DmodError
        What came up.

    Returns
    -------
    RunError
        Itself if it is one; else one that says the same.
    """
    if isinstance(problem, RunError):
        return problem
    failed = RunError(problem.headline, hint=problem.hint, **problem.facts)
    failed.__cause__ = problem
    return failed


def listed(names: Sequence[str], most: int = 5) -> str:
    """The first of some names in one line, and how many more there are: a fact that stays short.

    >>> listed(["cat-1", "cat-2", "cat-3", "cat-4"], most=3)
    'cat-1, cat-2, cat-3 and 1 more'
    """
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest:,} more" if rest > 0 else "")


def to_facts(problem: DmodError) -> dict[str, Any]:
    """An error as types that JSON has; `from_facts` makes it again."""
    return {
        "kind": type(problem).__name__,
        "headline": problem.headline,
        "hint": problem.hint,
        "facts": {name: str(value) for name, value in problem.facts.items()},
    }


def from_facts(told: Mapping[str, Any]) -> DmodError:
    """The error that `to_facts` told of; of a kind that is not known here, a `RunError`."""
    kind = globals().get(str(told.get("kind")))
    if not (isinstance(kind, type) and issubclass(kind, DmodError)):
        kind = RunError
    return _rebuild(kind, str(told["headline"]), str(told.get("hint", "")), dict(told["facts"]))
