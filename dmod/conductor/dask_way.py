"""Runs a job as tasks: on a cluster of Dask, or in threads of this process where it is small."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmod.conductor.question import looks_large
from dmod.errors import CheckError
from dmod.execution.cluster import open_cluster
from dmod.execution.dask_run import DaskRun, launch
from dmod.execution.plan import RunPlan, parts_of, plan_run, variables_of
from dmod.execution.resume import Resume
from dmod.execution.threads import ThreadRun
from dmod.formats import run_output
from dmod.model.case import Case, Question
from dmod.model.check import examine
from dmod.schedule.host_here import cores_here
from dmod.schedule.sizing import Sizing, size_run

if TYPE_CHECKING:
    from dmod.engine.part_run import PartReport
    from dmod.job.request import JobRequest
    from dmod.model.findings import Report
    from dmod.schedule.allocation import Allocation
    from dmod.schedule.resources import Host

__all__ = ["Clusters", "DaskWay"]

#: Opens a cluster of a size, or at an address, for parts that share a directory.
Clusters = Callable[[Sizing, str | None, Path], contextlib.AbstractContextManager[Any]]

log = logging.getLogger("dmod.conductor")

_STEP_S = 3600


@dataclass
class DaskWay:
    """See `dmod.conductor.way.Way`."""

    #: What was asked for.
    request: JobRequest
    #: Among all attempts at all jobs, on a cluster and on disk.
    attempt: str
    #: How clusters are opened; replaced where several jobs share one.
    clusters: Clusters = open_cluster
    #: The pre-flight check.
    examine: Callable[[Question], tuple[Case | None, Report]] = examine
    #: Makes sure that nobody else has the job; raises `LostLease` otherwise.
    still_ours: Callable[[], None] = lambda: None
    report: Report | None = None
    plan: RunPlan | None = None
    reports: tuple[PartReport, ...] = ()
    run: DaskRun | ThreadRun | None = None
    keeps_partial: bool = False
    _case: Case | None = None
    _sizing: Sizing | None = None
    _layout: run_output.Layout | None = None
    _resume: Resume | None = None
    _flag: Path | None = None
    _client: Any = None
    _early: Future[Any] | None = None
    _held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def hosts(self) -> tuple[Host, ...]:
        """See `Way`."""
        return ()

    @property
    def cores(self) -> int:
        """See `Way`."""
        return self._sizing.workers if self._sizing is not None else 1

    def start_early(self, free_cores: Callable[[], int]) -> None:
        """Have workers start while the check is at it, where they will surely be wanted and cores are free."""
        request = self.request
        if request.scheduler is not None or request.memory_bytes is not None:
            return
        workers = request.workers or (cores_here() if looks_large(request) else None)
        if workers is None or workers > free_cores():
            return
        sizing = Sizing(workers, workers, processes=True)
        starter = ThreadPoolExecutor(1, thread_name_prefix="dmod-workers")
        self._early = starter.submit(lambda: self._held.enter_context(self._open(sizing, request.target)))
        starter.shutdown(wait=False)

    def _open(self, sizing: Sizing, shared: Path) -> contextlib.AbstractContextManager[Any]:
        """A cluster, shared with other jobs where it may be."""
        return self.clusters(sizing, self.request.scheduler, shared)

    def check(self, question: Question) -> str:
        """See `Way`.

        Raises
        ------
        CheckError
            If something does not fit.
        """
        self._case, self.report = self.examine(question)
        if self._case is None:
            raise CheckError(self.report)
        size = f"{len(self._case.domain.network):,} catchments, {self._case.steps:,} steps"
        return f"{size}; {len(self.report.warnings)} warnings"

    def partition(self) -> str:
        """See `Way`."""
        assert self._case is not None
        case = self._case
        self._sizing = size_run(
            catchments=len(case.domain.network), steps=case.steps, cores=cores_here(),
            workers=self.request.workers, together=case.row_chunk == 0, memory_bytes=self.request.memory_bytes,
        )  # fmt: skip
        self.plan = plan_run(case, self._sizing, self.request.target, scheduler=self.request.scheduler)
        return f"{len(self.plan.pieces):,} part{'s' if len(self.plan.pieces) != 1 else ''}"

    def allocate(self, staging: Path, _given: Allocation | None) -> str:
        """See `Way`."""
        assert self._sizing is not None
        self._flag = Resume.enter(staging, self.attempt)
        if self._early is not None:
            self._client = self._early.result()
        else:
            self._client = self._held.enter_context(self._open(self._sizing, staging))
        # Workers of our own still starting count too: tasks go to each as it comes.
        workers = sum(self._client.ncores().values()) if self.request.scheduler else self._sizing.workers
        return f"{workers} core{'s' if workers != 1 else ''} on {self.request.scheduler or 'this machine'}"

    def launch(self, staging: Path, provenance: dict[str, str]) -> str:
        """See `Way`."""
        assert self.plan is not None
        assert self._flag is not None
        case, network = self.plan.case, self.plan.case.domain.network
        variables = variables_of(case)
        self._resume = resume = Resume(staging, Resume.fingerprint_of(self.plan, variables, provenance))
        self._layout = resume.found()
        if self._layout is None:
            self.still_ours()
            resume.make_room()
            self._layout = run_output.create(
                staging / "run.nc", catchments=network.catchments, nexuses=network.nexuses,
                start_s=case.start_s, step_s=_STEP_S, steps=case.steps, variables=variables, attributes={},
            )  # fmt: skip
            resume.begin(self._layout)
        parts = parts_of(self.plan, self._layout, self._flag)
        count, again = len(parts), len(resume.done())
        self.run = launch(self._client, parts, name=self.attempt, stop_flag=self._flag, resume=resume)
        new = count - again
        return f"{new:,} task{'s' * (new != 1)} submitted" + (f", {again:,} were done before" if again else "")

    def finish(self, staging: Path, provenance: dict[str, str]) -> None:
        """See `Way`."""
        assert self._layout is not None
        assert self._resume is not None
        self._resume.close()
        run_output.seal(self._layout, staging / "run.nc", provenance)
        Resume.clear(staging)

    def leave(self) -> None:
        """See `Way`: tasks stop; what they did is found again by their marks."""
        if self.run is not None:
            with contextlib.suppress(Exception):
                self.run.stop()
        self.give_back()

    def give_back(self) -> None:
        """See `Way`."""
        if self._early is not None:
            with contextlib.suppress(Exception):
                self._early.result()
        try:
            self._held.close()
        except Exception:  # a cluster may be slow to close, or gone: how the run ended does not depend on it
            log.info("the cluster of attempt %s did not close well", self.attempt, exc_info=True)
