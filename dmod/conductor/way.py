"""The ways a job's parts may be run: as tasks of Dask, or as ranks of an MPI run.

A `Way` does what the verbs prepare to publish need done, each in its own manner; who
calls them, and when, is `dmod.conductor.conduct`'s.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dmod.engine.part_run import PartReport
    from dmod.execution.observation import Run
    from dmod.execution.plan import RunPlan
    from dmod.execution.rank_plan import RankPlan
    from dmod.model.case import Question
    from dmod.model.findings import Report
    from dmod.schedule.allocation import Allocation
    from dmod.schedule.resources import Host

__all__ = ["Way"]


class Way(Protocol):
    """How one job is run."""

    #: What the check found.
    report: Report | None

    @property
    def plan(self) -> RunPlan | RankPlan | None:
        """The plan, once there is one."""

    #: What parts reported, once all are done.
    reports: tuple[PartReport, ...]

    @property
    def run(self) -> Run | None:
        """The parts, under way."""

    #: Whether what was written is kept, marked partial, when a part fails.
    keeps_partial: bool

    @property
    def hosts(self) -> tuple[Host, ...]:
        """Hosts that it may be given cores of, all of them free; none for the one that the conductor is on."""

    @property
    def cores(self) -> int:
        """Cores it needs, once it is partitioned."""

    def check(self, question: Question) -> str:
        """See that everything fits, and say what will be run."""

    def partition(self) -> str:
        """Cut the run into parts, and plan it."""

    def allocate(self, staging: Path, given: Allocation | None, /) -> str:
        """Take what it was given: begin to use a cluster, or say which hosts."""

    def launch(self, staging: Path, provenance: dict[str, str], /) -> str:
        """Start the parts, those that are done already not again."""

    def finish(self, staging: Path, provenance: dict[str, str]) -> None:
        """Have the outputs of all parts in one file, complete."""

    def leave(self) -> None:
        """Let go of the parts before their end: whoever conducts the job next goes on with them, or without."""

    def give_back(self) -> None:
        """Let go of workers, also of those still starting."""
