"""What a user holds: a session, and a live handle on each job.

``connect()`` gives a `Session`; ``session.run(directory)`` starts a run and gives a `Job`
at once. The job goes on in the background; waiting for it shows nothing and raises what
went wrong.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmod.conductor import Conduct, question_of
from dmod.errors import InputError, SelectionError
from dmod.job.journal import Journal
from dmod.job.lifecycle import Goal, State
from dmod.job.request import JobRequest, OutputFormat, instant
from dmod.settings import Settings, read_settings

if TYPE_CHECKING:
    import xarray as xr

    from dmod.domain.domain import Domain
    from dmod.engine.part_run import PartReport
    from dmod.evaluation.evaluate import Evaluation
    from dmod.execution.plan import RunPlan
    from dmod.job.record import Event, Progress
    from dmod.model.findings import Report

__all__ = ["Job", "Session", "connect", "request_of", "run"]

AnyPath = str | os.PathLike[str]


def connect() -> Session:
    """A session on this machine.

    Returns
    -------
    Session
        Ready to run.
    """
    return Session()


def run(directory: AnyPath, **options: Any) -> Job:
    """Run an ngen or NGIAB run directory; see `Session.run`."""
    return connect().run(directory, **options)


def request_of(
    directory: AnyPath,
    *,
    hydrofabric: AnyPath | None = None,
    realization: AnyPath | None = None,
    forcing: AnyPath | None = None,
    output: AnyPath | None = None,
    output_format: OutputFormat = "netcdf",
    overwrite: bool = False,
    catchments: Iterable[str] | str | None = None,
    start: str | None = None,
    end: str | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    units: str = "strict",
) -> JobRequest:
    """A request, from what people write; the parameters are those of `Session.run`."""
    if units not in ("strict", "ngen"):
        raise InputError(f"there is no units policy {units!r}", has="strict, ngen")
    ids = catchments.split(",") if isinstance(catchments, str) else catchments
    return JobRequest(
        directory=Path(directory).expanduser(),
        hydrofabric=_path(hydrofabric),
        realization=_path(realization),
        forcing=_path(forcing),
        output=_path(output),
        output_format=output_format,
        overwrite=overwrite,
        catchments=None if ids is None else tuple(name.strip() for name in ids if name.strip()),
        start_s=None if start is None else instant(str(start)),
        end_s=None if end is None else instant(str(end)),
        workers=workers,
        scheduler=scheduler,
        units="ngen" if units == "ngen" else "strict",
    )


def _path(text: AnyPath | None) -> Path | None:
    """A path, with ``~`` meaning home."""
    return None if text is None else Path(text).expanduser()


class Session:
    """A place to run things: this machine, or a Dask cluster it reaches.

    Examples
    --------
    >>> connect()
    Session(this machine, 0 jobs)
    """

    def __init__(self, settings: Settings | None = None) -> None:
        #: What holds where a request says nothing.
        self.settings = read_settings() if settings is None else settings
        #: Jobs started here, oldest first.
        self.jobs: list[Job] = []

    def __repr__(self) -> str:
        return f"Session(this machine, {len(self.jobs)} jobs)"

    def run(self, directory: AnyPath, **options: Any) -> Job:
        """Run an ngen or NGIAB run directory, just as it is.

        Parameters
        ----------
        directory : path
            The directory that holds ``config/`` and ``forcings/``.
        hydrofabric, realization, forcing : path, optional
            Parts named by hand.
        output : path, optional
            Where outputs go; ``outputs/dmod`` in the directory otherwise.
        output_format : {"netcdf", "zarr", "ngen"}
            One NetCDF-4 file, one Zarr store, or ngen's own CSV files.
        overwrite : bool
            Whether earlier outputs may be replaced.
        catchments : iterable of str, or comma-separated str, optional
            Run these only.
        start, end : str, optional
            First instant, and start of the last step, UTC.
        workers : int, optional
            Worker processes, one core each.
        scheduler : str, optional
            Address of a Dask scheduler that runs already, ``tcp://…``.
        units : {"strict", "ngen"}
            Refuse links whose units do not convert, or pass the raw value as ngen does.

        Returns
        -------
        Job
            Under way.

        Raises
        ------
        InputError
            If an option makes no sense. What is wrong with files is in the job.
        """
        for name in ("scheduler", "workers"):
            if options.get(name) is None:
                options[name] = getattr(self.settings, name)
        job = Job(request_of(directory, **options))
        self.jobs.append(job)
        job.start()
        return job

    def check(self, directory: AnyPath, **options: Any) -> Report:
        """Check a run without starting it; the parameters are those of `run`.

        Returns
        -------
        Report
            Everything that was found; ``report.ok`` if a run could start.
        """
        from dmod.model.check import examine

        return examine(question_of(request_of(directory, **options), every_value=True))[1]


class Job:
    """A live handle on one run.

    Parameters
    ----------
    request : JobRequest
        What is asked for.
    """

    def __init__(self, request: JobRequest) -> None:
        self.request = request
        self._conduct = Conduct(request, Journal(request.directory.resolve().name or "run"))
        self._thread = threading.Thread(target=self._conduct.walk, name="dmod-conductor", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    @property
    def name(self) -> str:
        """Name of the job: that of its run directory."""
        return self._conduct.journal.name

    @property
    def state(self) -> State:
        """Where it stands."""
        return self._conduct.journal.state

    @property
    def progress(self) -> Progress:
        """How far it is: ``fraction``, ``rate`` and ``remaining_s``."""
        return self._conduct.journal.status().progress

    @property
    def events(self) -> tuple[Event, ...]:
        """What happened so far."""
        return self._conduct.journal.events

    @property
    def report(self) -> Report | None:
        """What the pre-flight check found; None before it is done."""
        return self._conduct.report

    @property
    def plan(self) -> RunPlan | None:
        """What is run where; None before it is planned. ``print(job.plan)`` shows it."""
        return self._conduct.plan

    @property
    def reports(self) -> tuple[PartReport, ...]:
        """What each task did, and where its time went; empty before all are done."""
        return self._conduct.reports

    def status(self) -> dict[str, Any]:
        """Where it stands, in types that JSON has."""
        found = self._conduct.journal.status().to_dict()
        if self.plan is not None:
            case = self.plan.case
            now_s = case.start_s + 3600 * round(found["fraction"] * (case.steps - 1))
            found |= {
                "catchments": len(case.domain.network), "steps": case.steps, "workers": self.plan.sizing.workers,
                "step": round(found["fraction"] * case.steps),
                "simulated_time": datetime.fromtimestamp(now_s, tz=UTC).isoformat(),
            }  # fmt: skip
        return found | {"output": str(self.request.target)}

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
        if not self._conduct.journal.wait(timeout):
            raise TimeoutError(f"job {self.name} is still {self.state} after {timeout:g} s")
        if self._conduct.problem is not None:
            raise self._conduct.problem
        return self

    def cancel(self) -> None:
        """Have it stop within seconds; what was written stays, marked as partial."""
        self._conduct.journal.want(Goal.CANCELLED)

    @property
    def outputs(self) -> xr.Dataset:
        """The outputs, one lazy dataset; waits for the end."""
        from dmod.formats.outputs import open_outputs

        self.wait()
        return open_outputs(self.request.target)

    @property
    def domain(self) -> Domain:
        """The catchments that are run; waits for the check."""
        while self.plan is None and not self._conduct.journal.wait(0.05):
            continue
        if self.plan is None:
            self.wait()
        assert self.plan is not None
        return self.plan.case.domain

    def evaluate(
        self,
        observations: AnyPath | xr.DataArray,
        *,
        gage: str | None = None,
        nexus: str | None = None,
        metrics: Sequence[str] = ("kge", "nse", "pbias"),
        units: str | None = None,
    ) -> Evaluation:
        """Compare the flow at a nexus with observations; waits for the end.

        Parameters
        ----------
        observations : path or DataArray
            CSV or NetCDF, or discharge over ``time`` with units.
        gage : str, optional
            Gage in the hydrofabric, such as ``01073000``; its nexus is taken.
        nexus : str, optional
            Nexus, such as ``nex-27``. May be left out where there is only one gage.
        metrics : sequence of str
            Names of metrics.
        units : str, optional
            Units of the observations where the file does not say.

        Returns
        -------
        Evaluation
            Scores and pairs.

        Raises
        ------
        SelectionError
            If gage or nexus is not in the domain, or there is no way to tell which is meant.
        ObservationError
            If observations cannot be read or paired.
        """
        from dmod.evaluation.evaluate import evaluate
        from dmod.evaluation.observations import read_observations

        place = self._place(gage, nexus)
        sim = self.outputs["nexus_flow"].sel({"nexus-id": place}).load()
        if isinstance(observations, (str, os.PathLike)):
            given, seen = read_observations(Path(observations), units=units), Path(observations).name
        else:
            given, seen = observations, "observations" if observations.name is None else str(observations.name)
        against = f"gage {gage}" if gage is not None else seen
        return evaluate(sim, given, metrics, name=f"{place} against {against}")

    def _place(self, gage: str | None, nexus: str | None) -> str:
        """The nexus that is meant."""
        gages = self.domain.gages
        if nexus is not None:
            if nexus not in self.domain.network.nexuses:
                raise SelectionError(
                    f"nexus {nexus} is not in the domain",
                    has=f"{len(self.domain.network.nexuses)} nexuses",
                    hint="name one of job.outputs['nexus-id']",
                )
            return nexus
        if gage is None and len(gages) == 1:
            gage = next(iter(gages))
        if gage is None or gage not in gages:
            raise SelectionError(
                "which nexus is meant?" if gage is None else f"gage {gage} is not in the domain",
                has=", ".join(list(gages)[:8]) or "no gages", hint="pass gage= or nexus=",
            )  # fmt: skip
        return gages[gage][1]

    def __repr__(self) -> str:
        return f"Job({self.name!r}, {self.state}, {self.progress.fraction:.0%})"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        """A card; live where the notebook can, else as things stand."""
        from dmod.view.widget import live_card

        card = live_card(self)
        if hasattr(card, "_repr_mimebundle_"):
            return card._repr_mimebundle_(include=include, exclude=exclude)
        return {"text/plain": repr(self), "text/html": card._repr_html_()}
