"""The live handle on one job: where it stands, what it left, and how to stop or repeat it.

A `Job` holds a service and an id and asks; it can be made again at any time, in another
notebook or on another day, with ``session.job(id)``.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmod.errors import CheckError, DmodError, JobError, RunError, from_facts
from dmod.job.lifecycle import Goal, State
from dmod.job.request import JobRequest

if TYPE_CHECKING:
    import xarray as xr

    from dmod.domain.domain import Domain
    from dmod.engine.part_run import PartReport
    from dmod.evaluation.evaluation import Evaluation
    from dmod.execution.plan import RunPlan
    from dmod.execution.rank_plan import RankPlan
    from dmod.job.record import Event, Progress
    from dmod.model.findings import Report
    from dmod.service import Service
    from dmod.view.job_table import JobTable

__all__ = ["Job", "JobList"]

AnyPath = str | os.PathLike[str]

_LOOK_S = (0.01, 0.1)
#: How often who waits makes sure that somebody conducts [s].
_ATTEND_S = 1.0
_STEP_S = 3600


@dataclass(frozen=True, eq=False, repr=False)
class Job:
    """A job in the ledger."""

    #: Who is asked.
    service: Service
    #: Its id, such as ``mad-river-4x7qk2``.
    id: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    @cached_property
    def request(self) -> JobRequest:
        """What was asked for."""
        return JobRequest.from_json(self.service.job(self.id).request_json)

    @property
    def name(self) -> str:
        """What it is called: after its run directory."""
        return self.service.job(self.id).name

    @property
    def state(self) -> State:
        """Where it stands."""
        return self.service.job(self.id).state

    @property
    def progress(self) -> Progress:
        """How far it is: ``fraction``, ``rate`` and ``remaining_s``."""
        return self.service.status(self.id).progress

    @property
    def events(self) -> tuple[Event, ...]:
        """What happened so far."""
        return tuple(self.service.events(self.id))

    @property
    def report(self) -> Report | None:
        """What the pre-flight check found; None before it is done."""
        from dmod.model.findings import Report

        if (here := self.service.here(self.id)) is not None:
            return here.report
        told = self.service.detail(self.id, "report")
        return None if told is None else Report.from_dict(json.loads(told))

    @property
    def plan(self) -> RunPlan | RankPlan | str | None:
        """What is run where; None before it is planned. ``print(job.plan)`` shows it.

        A `RunPlan`, or a `RankPlan` with the very lines that start an MPI run, where this process
        conducts the job; its text where another does.
        """
        here = self.service.here(self.id)
        if here is not None and here.plan is not None:
            return here.plan
        return self.service.detail(self.id, "plan")

    @property
    def reports(self) -> tuple[PartReport, ...]:
        """What each task did, and where its time went; empty before all are done."""
        from dmod.engine.part_run import PartReport

        if (here := self.service.here(self.id)) is not None and here.reports:
            return here.reports
        told = self.service.detail(self.id, "tasks")
        return () if told is None else tuple(PartReport(**one) for one in json.loads(told))

    def status(self) -> dict[str, Any]:
        """Where it stands, in types that JSON has."""
        found = {"id": self.id, **self.service.status(self.id).to_dict()}
        if "steps" in found:
            done = found["fraction"]
            now_s = found["start_s"] + _STEP_S * round(done * (found["steps"] - 1))
            found["step"] = round(done * found["steps"])
            found["simulated_time"] = datetime.fromtimestamp(now_s, tz=UTC).isoformat()
        return found

    def logs(self, follow: bool = False) -> Iterator[str]:
        """Lines of its log, oldest first.

        Parameters
        ----------
        follow : bool
            Wait for more until the job has ended.
        """
        if follow:
            yield from self.service.follow_log(self.id)
        else:
            for _, _, text in self.service.log(self.id):
                yield from text.splitlines(keepends=True)

    def wait(self, timeout: float | None = None) -> Job:
        """Wait for the end.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most.

        Returns
        -------
        Job
            Itself, complete.

        Raises
        ------
        TimeoutError
            If it has not ended in time; it goes on.
        DmodError
            If it failed or was cancelled: what went wrong.
        """
        until = None if timeout is None else time.monotonic() + timeout
        pause, attended = _LOOK_S[0], 0.0
        while not self.state.is_final:
            now = time.monotonic()
            if until is not None and now >= until:
                raise TimeoutError(f"job {self.id} is still {self.state} after {timeout:g} s")
            if now - attended > _ATTEND_S:
                self.service.attend(self.id)  # whoever conducted it may be gone
                attended = now
            time.sleep(pause if until is None else max(0.0, min(pause, until - now)))
            pause = min(2 * pause, _LOOK_S[1])
        if (problem := self.problem) is not None:
            raise problem
        return self

    @property
    def problem(self) -> DmodError | None:
        """What went wrong, if it ended badly."""
        state = self.state
        if not state.is_final or state is State.COMPLETE:
            return None
        last = self.events[-1]
        told = last.facts.get("problem")
        if not told:
            return RunError(last.message)
        here = self.service.here(self.id)
        if here is not None and here.problem is not None and here.problem.headline == told["headline"]:
            return here.problem
        if told["kind"] == CheckError.__name__ and (report := self.report) is not None:
            return CheckError(report)
        return from_facts(told)

    def cancel(self) -> None:
        """Have it stop within seconds; what was written stays, marked as partial. Nothing if it has ended."""
        if not self.state.is_final:
            self.service.set_goal(self.id, Goal.CANCELLED)

    def restart(self) -> Job:
        """Have it run again after it failed or was cancelled; parts that were done are not done again."""
        self.service.restart(self.id)
        return self

    def delete(self) -> None:
        """Forget it, once it has ended; its outputs stay where they are."""
        self.service.delete(self.id)

    @property
    def provenance(self) -> dict[str, Any]:
        """What it was made from and by: digests of inputs, versions, the command.

        ``dmod run provenance.json`` runs it again. Waits for the end.
        """
        from dmod.conductor.provenance import PROVENANCE

        self.wait()
        place = self.service.seen(self.target)
        found: dict[str, Any] = json.loads((place / PROVENANCE).read_text(encoding="utf-8"))
        return found

    @property
    def target(self) -> Path:
        """The directory its outputs go to."""
        return Path(self.service.detail(self.id, "target") or self.request.target)

    @property
    def outputs(self) -> xr.Dataset:
        """The outputs, one lazy dataset; waits for the end."""
        from dmod.formats.outputs import open_outputs

        self.wait()
        return open_outputs(self.service.seen(self.target))

    @cached_property
    def domain(self) -> Domain:
        """The catchments that are run; waits until they are checked."""
        from dmod.conductor.question import domain_of_job
        from dmod.service import LocalService

        while self.plan is None and not self.state.is_final:
            time.sleep(_LOOK_S[1])
        here = self.service.here(self.id)
        if here is not None and here.plan is not None:
            return here.plan.case.domain
        if self.plan is None:
            self.wait()
        if isinstance(self.service, LocalService):
            return domain_of_job(self.request, self.service.settings.home / "jobs" / self.id)
        if self.request.directory is None:
            raise JobError(
                f"the directory of the run {self.id} lies where it was made, and not here",
                hint="ask for it there: its page in JupyterLab has an evaluation",
            )  # fmt: skip
        return domain_of_job(self.request, self.request.directory)

    def evaluate(
        self,
        observations: Any,
        *,
        gage: str | None = None,
        nexus: str | None = None,
        metrics: Sequence[str] | str | None = None,
        units: str | None = None,
        variable: str | None = None,
        keep: str | None = None,
        **options: Any,
    ) -> Evaluation:
        """Compare the flow with observations, at one place or at every gage; waits for the end.

        Parameters
        ----------
        observations : path, name of a dataset, DataArray, or DataFrame
            Of one site or many: then every gage of the domain that they have is compared.
        gage, nexus : str, optional
            The one place that is meant: a gage in the hydrofabric, or a nexus, such as ``nex-27``.
        metrics : sequence of str, or str, optional
            Names of metrics, ``"standard"`` or ``"all"``; ``kge``, ``nse`` and ``pbias`` if not given.
        units : str, optional
            Units of the observations where they do not say.
        variable : str, optional
            ``routed_flow``; ``nexus_flow`` if not given.
        keep : str, optional
            Keep the result as a dataset of this name, with its specification and lineage.
        **options
            ``pairing``, ``thresholds``, ``groups`` ... of `dmod.evaluation.evaluate.evaluate`.

        Raises
        ------
        SelectionError
            If gage or nexus is not in the domain, or there is no way to tell which is meant.
        ObservationError
            If observations cannot be read or paired.
        DatasetError
            If there is a dataset of the name *keep* already.
        """
        from dmod.catalog.adding import require_free
        from dmod.catalog.catalog import Catalog
        from dmod.catalog.evaluations import evaluate_job, nexus_meant, observations_of
        from dmod.data.dataset import check_name
        from dmod.service import LocalService
        from dmod.settings import read_settings

        # What runs elsewhere is compared here, and kept among the datasets of this machine.
        here = self.service if isinstance(self.service, LocalService) else LocalService(read_settings())
        catalog = Catalog.at(here.settings, here.ledger, owner=here.owner)
        if keep is not None:
            require_free(catalog.ledger, check_name(keep))
        outputs = self.outputs
        if gage is not None or nexus is not None:
            nexus_meant(self.domain, gage, nexus)
        return evaluate_job(
            catalog, self.id, self.target, outputs, self.domain, observations_of(catalog, observations, units),
            gage=gage, nexus=nexus, metrics=metrics, variable=variable, keep=keep, **options,
        )  # fmt: skip

    def __repr__(self) -> str:
        try:
            return f"Job({self.id!r}, {self.state}, {self.progress.fraction:.0%})"
        except JobError:
            return f"Job({self.id!r}, deleted)"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        """A card; live where the notebook can, else as things stand."""
        from dmod.view.widget import live_card

        card = live_card(self)
        if hasattr(card, "_repr_mimebundle_"):
            return card._repr_mimebundle_(include=include, exclude=exclude)
        return {"text/plain": repr(self), "text/html": card._repr_html_()}


class JobList(list[Job]):
    """Jobs, shown as a table; live where the notebook can."""

    def wait(self, timeout: float | None = None) -> JobList:
        """Wait for all of them; raises what went wrong with the first that ended badly."""
        until = None if timeout is None else time.monotonic() + timeout
        for job in self:
            job.wait(None if until is None else max(0.0, until - time.monotonic()))
        return self

    def cancel(self) -> None:
        """Have all that have not ended stop."""
        for job in self:
            job.cancel()

    def states(self) -> dict[str, State]:
        """State of each by its id, all of them asked for at once; those that were deleted are missing."""
        services = {id(job.service): job.service for job in self}
        known = {row.id: row.state for service in services.values() for row in service.jobs()}
        return {job.id: known[job.id] for job in self if job.id in known}

    def table(self) -> JobTable:
        """A live table: selected rows come back as ``table.jobs``; see `dmod.view.job_table.JobTable`."""
        from dmod.view.job_table import JobTable

        return JobTable(self)

    def rows(self) -> list[dict[str, Any]]:
        """What the table says of each."""
        kept = ("id", "state", "fraction", "message")
        return [{key: value for key, value in job.status().items() if key in kept} for job in self]

    def __repr__(self) -> str:
        return "\n".join(f"{row['id']:<28} {row['state']:<12} {row['fraction']:>5.0%}  {row['message']}"
                         for row in self.rows()) or "no jobs"  # fmt: skip

    def _repr_html_(self) -> str:
        from dmod.view.job_table import as_html, row_of

        return as_html([row_of(job.id, job.status()) for job in self])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        from dmod.view.widget import in_kernel

        if not in_kernel():
            return {"text/plain": repr(self), "text/html": self._repr_html_()}
        return self.table()._repr_mimebundle_(include=include, exclude=exclude)
