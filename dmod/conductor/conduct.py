"""Takes one job along its line, one verb at a time.

The table in `dmod.job.lifecycle` decides what is next; the functions here do it, and write
what happened into the job's journal. Nothing else changes a job's state. A job that lost
its conductor is taken up where it stood: what was made in memory is made again, what was
written to disk is found again.
"""

from __future__ import annotations

import contextlib
import json
import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmod.conductor.convert import convert
from dmod.conductor.log import say
from dmod.conductor.provenance import PROVENANCE, provenance_of, published_job
from dmod.conductor.question import cores_here, looks_large, question_of
from dmod.conductor.trouble import WITH_CORES, as_problem
from dmod.errors import Cancelled, CheckError, DmodError, InputError, LedgerError, LostLease, to_facts
from dmod.execution.cluster import open_cluster
from dmod.execution.dask_run import DaskRun, launch
from dmod.execution.plan import RunPlan, parts_of, plan_run, variables_of
from dmod.execution.resume import Resume
from dmod.execution.threads import ThreadRun
from dmod.formats import run_output
from dmod.job.journal import Journal
from dmod.job.lifecycle import LINE, Goal, State, Verb, after, step
from dmod.job.record import Progress
from dmod.job.request import JobRequest
from dmod.model.case import Case, Question
from dmod.model.check import examine
from dmod.model.findings import Report
from dmod.schedule.sizing import Sizing, size_run
from dmod.store.staging import Staging, check_target, open_staging

if TYPE_CHECKING:
    from dmod.conductor.compose import Composer
    from dmod.data.requirement import Match
    from dmod.engine.part_run import PartReport

__all__ = ["Clusters", "Conduct"]

#: Opens a cluster of a size, or at an address, for parts that share a directory.
Clusters = Callable[[Sizing, str | None, Path], contextlib.AbstractContextManager[Any]]

log = logging.getLogger("dmod.conductor")

_TICK_S = 0.05
#: Files of which one at least is in a directory that `overwrite` may replace.
_OURS = ("run.nc", "run.zarr", "provenance.json")
_STEP_S = 3600


@dataclass
class Conduct:
    """One job under way: what its verbs have made so far."""

    #: What was asked for.
    request: JobRequest
    #: What happened.
    journal: Journal
    #: How it ended badly, if it did.
    problem: DmodError | None = None
    #: What the check found.
    report: Report | None = None
    #: The plan, once there is one.
    plan: RunPlan | None = None
    #: What tasks reported.
    reports: tuple[PartReport, ...] = ()
    #: How clusters are opened; replaced where several jobs share one.
    clusters: Clusters | None = None
    #: Puts a composed run together; None for a run of a directory.
    composer: Composer | None = None
    #: Where a composed run's directory is made.
    folder: Path | None = None
    #: Told that outputs are in their place, before the job is complete.
    published: Callable[[Path], None] = lambda _target: None
    #: The pre-flight check.
    check: Callable[[Question], tuple[Case | None, Report]] = examine
    #: Told before anybody hears that the job is over.
    ending: Callable[[], None] = lambda: None
    #: Makes sure that nobody else has the job; raises `LostLease` otherwise.
    still_ours: Callable[[], None] = lambda: None
    #: Whether it was let go of before its end; whoever claims it next goes on with it.
    is_left: bool = False
    #: This attempt among all there were of the job, on a cluster and on disk.
    _attempt: str = field(init=False)
    _leaving: threading.Event = field(default_factory=threading.Event)
    _matches: list[Match] = field(default_factory=list)
    _question: Question | None = None
    _case: Case | None = None
    _sizing: Sizing | None = None
    _staging: Staging | None = None
    _layout: run_output.Layout | None = None
    _flag: Path | None = None
    _run: DaskRun | ThreadRun | None = None
    _client: Any = None
    _early: Future[Any] | None = None
    _began_s: float = 0.0
    #: What goes with the next event, for programs.
    _facts: dict[str, Any] = field(default_factory=dict)
    _held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __post_init__(self) -> None:
        self._attempt = f"{self.journal.job}-{secrets.token_hex(4)}"

    def walk(self, until: State | None = None) -> None:
        """Take the job along its line; never raises.

        Parameters
        ----------
        until : State, optional
            Where to stop; the end otherwise. How it ended is in the journal and in `problem`.
        """
        verbs: dict[str, Callable[[], str]] = {
            "resolve": self._resolve, "prepare": self._prepare, "partition": self._partition,
            "allocate": self._allocate, "launch": self._launch, "monitor": self._monitor, "publish": self._publish,
        }  # fmt: skip
        if self.is_over:
            return
        with self._ending():
            while (following := step(self.journal.state, self.journal.goal)) is not None:
                self._stay()
                if isinstance(following, State):
                    raise Cancelled("the run was cancelled")
                if following.before is until:
                    return
                message = verbs[following.name]()
                self._to(after(following), message, following)

    def take_up(self) -> None:
        """Bring back what an earlier conductor of this job had in memory; never raises.

        The job goes on from where it stood, or, where cores were held, from before it got them.
        """
        with self._ending():
            state = self.journal.state
            if state.is_final:
                return
            if published_job(self.request.target) == self.journal.job:
                Staging(self.request.target, self.journal.job).settle()
                self.published(self.request.target)
                self.journal.append(State.COMPLETE, f"outputs in {self.request.target}", verb="publish")
                return
            if self.journal.goal is Goal.CANCELLED:
                raise Cancelled("the run was cancelled")
            held = state in WITH_CORES
            for verb in LINE:
                if verb.before is (State.PARTITIONED if held else state):
                    break
                {"resolve": self._resolve, "prepare": self._prepare, "partition": self._partition}[verb.name]()
            if held:
                self.journal.append(State.PARTITIONED, "its conductor was lost; it waits for cores again")

    @contextlib.contextmanager
    def _ending(self) -> Iterator[None]:
        """Whatever goes wrong inside ends the job, is said once, and gives back what was held.

        Trouble with the ledger is none of the job's: it is let go of, and taken up where it stood.
        """
        try:
            try:
                yield
            except LedgerError:
                raise
            except Exception as problem:  # the one broad catch of a tick: a fault of ours must not look like success
                self._end(as_problem(problem, job=self.journal.job, state=self.journal.state, about=self.request.title))
        except LedgerError as problem:
            self._let_go(problem)

    def refuse(self, problem: DmodError) -> None:
        """End the job before it has begun: it can never have what it asks for."""
        with self._ending():
            raise problem

    def leave(self) -> None:
        """Have the job let go of as soon as may be; returns at once."""
        self._leaving.set()

    def _stay(self) -> None:
        """Raise `LostLease` once the job is to be let go of."""
        if self._leaving.is_set():
            raise LostLease("its conductor lets go of the job", job=self.journal.job)

    def _let_go(self, problem: LedgerError) -> None:
        """Stop without a word: whoever has the job next goes on with what was made."""
        self.is_left, self.problem = True, None
        log.warning("job %s is let go of: %s", self.journal.job, problem.headline)
        if self._run is not None:
            with contextlib.suppress(Exception):
                self._run.stop()
        if self._staging is not None:
            self._staging.release()
        self._give_back()

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens to it here."""
        return self.is_left or self.problem is not None or self.journal.state.is_final

    @property
    def cores(self) -> int:
        """Cores it needs, once it is partitioned."""
        return self._sizing.workers if self._sizing is not None else 1

    def start_workers_early(self, free_cores: Callable[[], int]) -> None:
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
        return (self.clusters or open_cluster)(sizing, self.request.scheduler, shared)

    def _give_back(self) -> None:
        """Let go of workers, also of those still starting."""
        if self._early is not None:
            with contextlib.suppress(Exception):
                self._early.result()
        try:
            self._held.close()
        except Exception:  # a cluster may be slow to close, or gone: how the run ended does not depend on it
            log.info("the cluster of job %s did not close well", self.journal.job, exc_info=True)

    def _to(self, state: State, message: str, verb: Verb) -> None:
        if state is State.COMPLETE:
            self._give_back()
        say(f"{state}: {message}")
        if state.is_final:
            self.ending()
        self.journal.append(state, message, verb=verb.name, **self._facts)
        self._facts = {}

    def _end(self, problem: DmodError) -> None:
        """Stop what runs, keep or remove what was made, and say how it ended."""
        self.still_ours()
        self.problem = problem
        stopped = isinstance(problem, Cancelled)
        if self._run is not None:
            with contextlib.suppress(Exception):
                self._run.stop()
        self._give_back()
        facts: dict[str, Any] = {"problem": to_facts(problem)}
        if (made := self._staging or self._made_before()) is not None:
            if stopped and made.path.exists():
                facts["partial"] = str(made.path)
                made.release()
            else:
                made.discard()
        following = step(self.journal.state, Goal.COMPLETE)
        verb = following if isinstance(following, Verb) else None
        state = State.CANCELLED if stopped or verb is None else after(verb, failed=True)
        say(f"{state}: {problem}")
        self.ending()
        self.journal.append(state, problem.summary, **facts)

    def _made_before(self) -> Staging | None:
        """What an earlier conductor of this job left, if anything."""
        with contextlib.suppress(InputError):
            found = Staging(self.request.target, self.journal.job)
            return found if found.is_ours else None
        return None

    def _resolve(self) -> str:
        check_target(self.request.target, overwrite=self.request.overwrite, ours=_OURS)
        self._facts["output"] = str(self.request.target)
        if self.composer is not None:
            self._matches = self.composer.resolve()
            return "; ".join(map(str, self._matches))
        self._question = question_of(self.request, every_value=False)
        return f"a run of {self._question.directory.root}"

    def _prepare(self) -> str:
        if self.composer is not None:
            assert self.folder is not None
            made = self.composer.prepare(self._matches, self.folder)
            self._facts["made_of"] = [dataset.name for dataset in self.composer.used]
            self._question = question_of(replace(self.request, directory=made, composition=None), every_value=False)
        assert self._question is not None
        case, self.report = self.check(self._question)
        if case is None:
            raise CheckError(self.report)
        self._case = case
        return f"{len(case.domain.network):,} catchments, {case.steps:,} steps; {len(self.report.warnings)} warnings"

    def _partition(self) -> str:
        assert self._case is not None
        case = self._case
        self._sizing = size_run(
            catchments=len(case.domain.network), steps=case.steps, cores=cores_here(),
            workers=self.request.workers, together=case.row_chunk == 0, memory_bytes=self.request.memory_bytes,
        )  # fmt: skip
        self.plan = plan_run(case, self._sizing, self.request.target, scheduler=self.request.scheduler)
        self.journal.report(Progress(0, case.catchment_steps))
        self._facts |= {
            "catchments": len(case.domain.network), "steps": case.steps, "start_s": case.start_s,
            "workers": self._sizing.workers,
        }  # fmt: skip
        return f"{len(self.plan.pieces):,} part{'s' if len(self.plan.pieces) != 1 else ''}"

    def _allocate(self) -> str:
        assert self.plan is not None
        assert self._sizing is not None
        self._staging = open_staging(
            self.request.target, overwrite=self.request.overwrite, ours=_OURS, job=self.journal.job
        )
        self._flag = Resume.enter(self._staging.path, self._attempt)
        if self._early is not None:
            self._client = self._early.result()
        else:
            self._client = self._held.enter_context(self._open(self._sizing, self._staging.path))
        # Workers of our own still starting count too: tasks go to each as it comes.
        workers = sum(self._client.ncores().values()) if self.request.scheduler else self._sizing.workers
        return f"{workers} core{'s' if workers != 1 else ''} on {self.request.scheduler or 'this machine'}"

    def _launch(self) -> str:
        assert self.plan is not None
        assert self._staging is not None
        assert self._flag is not None
        case, network = self.plan.case, self.plan.case.domain.network
        variables, provenance = variables_of(case), self._provenance()
        resume = Resume(self._staging.path, Resume.fingerprint_of(self.plan, variables, provenance))
        self._layout = resume.found()
        if self._layout is None:
            self.still_ours()
            resume.make_room()
            self._layout = run_output.create(
                self._staging.path / "run.nc", catchments=network.catchments, nexuses=network.nexuses,
                start_s=case.start_s, step_s=_STEP_S, steps=case.steps, variables=variables, attributes={},
            )  # fmt: skip
            resume.begin(self._layout)
        self._began_s = time.monotonic()
        parts = parts_of(self.plan, self._layout, self._flag)
        count, again = len(parts), len(resume.done())
        self._run = launch(self._client, parts, name=self._attempt, stop_flag=self._flag, resume=resume)
        return f"{count - again:,} tasks submitted" + (f", {again:,} were done before" if again else "")

    def _monitor(self) -> str:
        assert self._run is not None
        assert self.plan is not None
        total = self.plan.case.catchment_steps
        while True:
            seen = self._run.observe()
            self.journal.report(Progress(seen.done, total, time.monotonic() - self._began_s))
            if seen.is_over:
                self.reports = seen.reports
                self._run.close()
                return f"{seen.done:,} catchment-steps"
            if self.journal.goal is Goal.CANCELLED:
                raise Cancelled("the run was cancelled")
            self._stay()
            self._run.wait(_TICK_S)

    def _publish(self) -> str:
        assert self._staging is not None
        assert self._layout is not None
        made = self._staging.path / "run.nc"
        self.still_ours()
        run_output.seal(self._layout, made, self._provenance())
        if self.request.output_format != "netcdf":
            assert self._case is not None
            convert(made, self.request.output_format, self._case)
        (self._staging.path / PROVENANCE).write_text(json.dumps(self._provenance(), indent=1) + "\n")
        self.still_ours()
        Resume.clear(self._staging.path)
        self._staging.publish()
        self.published(self.request.target)
        return f"outputs in {self.request.target}"

    def _provenance(self) -> dict[str, str]:
        """What the run was made from and by; made once, since files may change later."""
        if not hasattr(self, "_made_from"):
            assert self.plan is not None
            self._made_from = provenance_of(self.plan, self.request, self.journal.job)
        return self._made_from
