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
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmod.conductor.convert import convert
from dmod.conductor.dask_way import Clusters, DaskWay
from dmod.conductor.elsewhere import bring_here, check_there, take_there
from dmod.conductor.log import say
from dmod.conductor.provenance import PROVENANCE, provenance_of, published_job
from dmod.conductor.question import question_of
from dmod.conductor.rank_way import RankWay
from dmod.conductor.trouble import WITH_CORES, as_problem
from dmod.errors import Cancelled, DmodError, InputError, LedgerError, LostLease, to_facts
from dmod.execution.cluster import open_cluster
from dmod.job.journal import Journal
from dmod.job.lifecycle import LINE, Goal, State, Verb, after, step
from dmod.job.record import Progress
from dmod.job.request import JobRequest
from dmod.model.case import Case, Question
from dmod.model.check import examine
from dmod.model.findings import Report
from dmod.store.staging import Staging, check_target, open_staging

if TYPE_CHECKING:
    from dmod.conductor.compose import Composer
    from dmod.conductor.way import Way
    from dmod.data.requirement import Match
    from dmod.engine.part_run import PartReport
    from dmod.execution.plan import RunPlan
    from dmod.execution.rank_plan import RankPlan
    from dmod.schedule.allocation import Allocation
    from dmod.schedule.resources import Host

__all__ = ["Conduct"]

log = logging.getLogger("dmod.conductor")

_TICK_S = 0.05
#: Files of which one at least is in a directory that `overwrite` may replace.
_OURS = ("run.nc", "run.zarr", "provenance.json")


@dataclass
class Conduct:
    """One job under way: what its verbs have made so far."""

    #: What was asked for.
    request: JobRequest
    #: What happened.
    journal: Journal
    #: How it ended badly, if it did.
    problem: DmodError | None = None
    #: How clusters are opened; replaced where several jobs share one.
    clusters: Clusters = open_cluster
    #: Puts a composed run together; None for a run of a directory.
    composer: Composer | None = None
    #: Where a composed run's directory is made.
    folder: Path | None = None
    #: Roots of stores, whose files a run may be shown.
    stores: tuple[Path, ...] = ()
    #: Told that outputs are in their place, before the job is complete.
    published: Callable[[Path], None] = lambda _target: None
    #: The pre-flight check.
    check: Callable[[Question], tuple[Case | None, Report]] = examine
    #: Told before anybody hears that the job is over.
    ending: Callable[[], None] = lambda: None
    #: Makes sure that nobody else has the job; raises `LostLease` otherwise.
    still_ours: Callable[[], None] = lambda: None
    #: The machine it is conducted on, as its operator counts it.
    here: Host | None = None
    #: What it was given of which hosts; None where nobody shares them out.
    given: Allocation | None = None
    #: Whether it was let go of before its end; whoever claims it next goes on with it.
    is_left: bool = False
    _way: Way = field(init=False)
    _leaving: threading.Event = field(default_factory=threading.Event)
    _matches: list[Match] = field(default_factory=list)
    _question: Question | None = None
    _staging: Staging | None = None
    _began_s: float = 0.0
    _made_from: dict[str, str] | None = None
    #: What goes with the next event, for programs.
    _facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        request, job = self.request, self.journal.job
        if request.on == "dask":
            attempt = f"{job}-{secrets.token_hex(4)}"
            self._way = DaskWay(
                request, attempt, clusters=lambda *wanted: self.clusters(*wanted),
                examine=lambda question: self.check(question), still_ours=lambda: self.still_ours(),
            )  # fmt: skip
        else:
            assert self.folder is not None, "ranks are told what to do by files in the job's own directory"
            self._way = RankWay(
                request, job, self.folder.parent, self.stores, here=lambda: self.here,
                examine=lambda question: self.check(question),
            )  # fmt: skip

    @property
    def report(self) -> Report | None:
        """What the check found."""
        return self._way.report

    @property
    def plan(self) -> RunPlan | RankPlan | None:
        """The plan, once there is one."""
        return self._way.plan

    @property
    def reports(self) -> tuple[PartReport, ...]:
        """What tasks reported, once all are done."""
        return self._way.reports

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
                take_there(self.request, self._wanted)
                self.published(self.request.target)
                self.journal.append(State.COMPLETE, f"outputs in {self._place}", verb="publish")
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
        self._way.leave()
        if self._staging is not None:
            self._staging.release()

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens to it here."""
        return self.is_left or self.problem is not None or self.journal.state.is_final

    @property
    def cores(self) -> int:
        """Cores it needs, once it is partitioned."""
        return self._way.cores

    @property
    def hosts(self) -> tuple[Host, ...]:
        """Hosts that it may be given cores of, all of them free; none for this machine."""
        return self._way.hosts

    def start_workers_early(self, free_cores: Callable[[], int]) -> None:
        """Have workers start while the check is at it, where they will surely be wanted and cores are free."""
        if isinstance(self._way, DaskWay) and not self.is_over:
            self._way.start_early(free_cores)

    def _stop(self) -> None:
        """Have all parts stop, whatever state they are in."""
        if self._way.run is not None:
            with contextlib.suppress(Exception):
                self._way.run.stop()

    def _to(self, state: State, message: str, verb: Verb) -> None:
        if state is State.COMPLETE:
            self._way.give_back()
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
        self._stop()
        self._tell_news()
        self._way.give_back()
        facts: dict[str, Any] = {"problem": to_facts(problem)}
        if (made := self._staging or self._made_before()) is not None:
            if (stopped or self._keeps()) and made.path.exists():
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

    def _keeps(self) -> bool:
        """Whether what a failed run has written is kept: ranks that ended well have done their part."""
        return self._way.keeps_partial and self._way.run is not None

    def _made_before(self) -> Staging | None:
        """What an earlier conductor of this job left, if anything."""
        with contextlib.suppress(InputError):
            found = Staging(self.request.target, self.journal.job)
            return found if found.is_ours else None
        return None

    def _resolve(self) -> str:
        check_target(self.request.target, overwrite=self.request.overwrite, ours=_OURS)
        check_there(self.request)
        self._facts["output"] = str(self.request.target)
        if self.composer is not None:
            self._matches = self.composer.resolve()
            return "; ".join(map(str, self._matches))
        if self.request.origin is not None:
            return f"a run of {self.request.origin}"
        self._question = question_of(self.request, every_value=False)
        return f"a run of {self._question.directory.root}"

    def _prepare(self) -> str:
        if self.composer is not None:
            assert self.folder is not None
            made = self.composer.prepare(self._matches, self.folder)
            self._facts["made_of"] = [dataset.name for dataset in self.composer.used]
            self._question = question_of(replace(self.request, directory=made, composition=None), every_value=False)
        if self.request.origin is not None:
            assert self.folder is not None
            made = bring_here(self.request, self.folder, self._wanted)
            self._question = question_of(replace(self.request, directory=made, origin=None), every_value=False)
        assert self._question is not None
        return self._way.check(self._question)

    def _partition(self) -> str:
        message = self._way.partition()
        assert self.plan is not None
        case = self.plan.case
        self.journal.report(Progress(0, case.catchment_steps))
        self._facts |= {
            "catchments": len(case.domain.network), "steps": case.steps, "start_s": case.start_s,
            "workers": self._way.cores,
        }  # fmt: skip
        return message

    def _allocate(self) -> str:
        self._staging = open_staging(
            self.request.target, overwrite=self.request.overwrite, ours=_OURS, job=self.journal.job
        )
        return self._way.allocate(self._staging.path, self.given)

    def _launch(self) -> str:
        assert self._staging is not None
        message = self._way.launch(self._staging.path, self._provenance())
        self._began_s = time.monotonic()
        return message

    def _monitor(self) -> str:
        run = self._way.run
        assert run is not None
        assert self.plan is not None
        total = self.plan.case.catchment_steps
        while True:
            seen = run.observe()
            self._tell_news()
            self.journal.report(Progress(seen.done, total, time.monotonic() - self._began_s))
            if seen.is_over:
                self._way.reports = seen.reports
                run.close()
                return f"{seen.done:,} catchment-steps"
            if self.journal.goal is Goal.CANCELLED:
                raise Cancelled("the run was cancelled")
            self._stay()
            run.wait(_TICK_S)

    def _tell_news(self) -> None:
        """Keep in the job's log what its parts said."""
        if self._way.run is not None:
            for line in self._way.run.news():
                say(line)

    def _publish(self) -> str:
        assert self._staging is not None
        made = self._staging.path / "run.nc"
        self.still_ours()
        self._way.finish(self._staging.path, self._provenance())
        if self.request.output_format != "netcdf":
            assert self.plan is not None
            convert(made, self.request.output_format, self.plan.case)
        (self._staging.path / PROVENANCE).write_text(json.dumps(self._provenance(), indent=1) + "\n")
        self.still_ours()
        self._staging.publish()
        take_there(self.request, self._wanted)
        self.published(self.request.target)
        return f"outputs in {self._place}"

    @property
    def _place(self) -> str:
        """Where outputs are, for people."""
        return self.request.delivery or str(self.request.target)

    def _wanted(self) -> None:
        """Raise when the job is let go of or cancelled; what copies files asks again and again."""
        self._stay()
        if self.journal.goal is Goal.CANCELLED:
            raise Cancelled("the run was cancelled")

    def _provenance(self) -> dict[str, str]:
        """What the run was made from and by; made once, since files may change later."""
        if self._made_from is None:
            assert self.plan is not None
            self._made_from = provenance_of(self.plan, self.request, self.journal.job)
        return self._made_from
