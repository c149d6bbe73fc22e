"""Runs a job as ranks of an MPI run: in containers, or with the programs of this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dmod.errors import AllocationError, CheckError, InputError, RunError, listed
from dmod.execution.executor import Executor, executor_named
from dmod.execution.mpi_gather import gather
from dmod.execution.mpi_inputs import Inputs, prepare_inputs
from dmod.execution.mpi_plan import OUTPUTS, RUN, WORK, ImageFacts, Mount, MpiPlan, Place
from dmod.execution.rank_plan import RankPlan
from dmod.formats import run_output
from dmod.model.check import examine, outline
from dmod.schedule.allocation import Allocation, allocate, never
from dmod.schedule.resources import Host, Resources
from dmod.store.staging import Staging

if TYPE_CHECKING:
    from dmod.engine.part_run import PartReport
    from dmod.execution.observation import Run
    from dmod.job.request import JobRequest
    from dmod.model.case import Case, Outline, Question
    from dmod.model.findings import Report

__all__ = ["RankWay"]

#: Where in a job's staging directory its ranks leave what they write.
_MADE = "ranks"
#: The one file made of it: complete, while it is being completed, and what there is of one that is not.
_WHOLE, _SEALING, _PARTIAL = "run.nc", "run.nc.sealing", "run.nc.partial"


@dataclass
class RankWay:
    """See `dmod.conductor.way.Way`."""

    #: What was asked for.
    request: JobRequest
    #: The job's id.
    job: str
    #: The job's own directory: inputs made for its ranks, and what they say.
    folder: Path
    #: Roots of stores, whose files ranks may be shown too.
    stores: tuple[Path, ...] = ()
    #: This machine, as its operator counts it; None for as it is.
    here: Callable[[], Host | None] = lambda: None
    #: The pre-flight check of our own engine.
    examine: Callable[[Question], tuple[Case | None, Report]] = examine
    report: Report | None = None
    plan: RankPlan | None = None
    reports: tuple[PartReport, ...] = ()
    run: Run | None = None
    keeps_partial: bool = True
    _case: Case | Outline | None = None
    _question: Question | None = None
    _inputs: Inputs | None = None
    _executor: Executor = field(init=False)
    _facts: ImageFacts = field(init=False)
    #: What engines offer, by address.
    _hosts: dict[str, Host] = field(default_factory=dict)

    @property
    def cores(self) -> int:
        """See `Way`."""
        return self.plan.mpi.ranks if self.plan is not None else 1

    @property
    def hosts(self) -> tuple[Host, ...]:
        """Hosts that it may be given cores of, all of them free."""
        return tuple(host.emptied() for host in self._offered().values())

    def _offered(self) -> dict[str, Host]:
        """Hosts by address, this machine as its operator counts it."""
        here = self.here()
        return {address: here if here and not address else host for address, host in self._hosts.items()}

    def check(self, question: Question) -> str:
        """See `Way`.

        Raises
        ------
        DmodError
            If the executor or the image cannot be used, or something does not fit.
        """
        self._executor = executor_named(self.request.on)
        self._facts = self._executor.facts(self.request.image)
        self._hosts = self._executor.hosts(self.request.hosts)
        check = self.examine if self._facts.ours else outline
        self._question = question
        self._case, self.report = check(question)
        if self._case is None:
            raise CheckError(self.report)
        size = f"{len(self._case.domain.network):,} catchments, {self._case.steps:,} steps"
        whose = "" if self._facts.ours else "; modules are left to the image's own ngen"
        return f"{size}; {len(self.report.warnings)} warnings{whose}"

    def partition(self) -> str:
        """See `Way`.

        Raises
        ------
        DmodError
            If the domain cannot be cut so, a partition file does not fit, or no host has that much.
        """
        assert self._question is not None
        request, inside, root = self.request, bool(self._facts.name), self._question.directory.root
        self._inputs = prepare_inputs(
            self._question, ranks=request.ranks, most=sum(host.cores for host in self.hosts),
            folder=self.folder / "inputs", partitions=request.partitions, own=self._facts.ours, stores=self.stores,
            run=RUN if inside else str(root), work=WORK if inside else str(self.folder / "inputs"),
            outputs=OUTPUTS if inside else str(self._made(self._staging)),
        )  # fmt: skip
        if len(self._inputs.catchments) > 1 and self._facts.parallel is None:
            raise InputError(
                "there is nothing here to start several ranks with", has=self._facts.serial or "no ngen-parallel",
                hint="say --ranks 1, or install ngen-parallel and an MPI",
            )  # fmt: skip
        wanted = Resources(len(self._inputs.catchments), request.memory_bytes or 0)
        if (why := never(wanted, self.hosts, request.paradigm)) is not None:
            raise AllocationError(
                "no machine will ever have that much", needed=wanted, why=why, hint="ask for what fits"
            )
        given = allocate(wanted, self.hosts, request.paradigm)
        assert given is not None
        self.plan = self._planned(given)
        return f"{wanted.cores:,} rank{'s' if wanted.cores != 1 else ''}"

    @property
    def _staging(self) -> Path:
        """Where outputs are made."""
        return Staging(self.request.target, self.job).path

    @staticmethod
    def _made(staging: Path) -> Path:
        """Where ranks leave what they write."""
        return staging / _MADE

    def _planned(self, given: Allocation) -> RankPlan:
        """The plan on hosts that were given."""
        assert self._inputs is not None
        assert self._case is not None
        address_of = {host.name: address for address, host in self._offered().items()}
        places = tuple(
            Place(
                name, ranks, float(min(ranks, self._hosts[address_of[name]].cores)), memory_bytes or None,
                address_of[name] or None,
            )
            for name, ranks, memory_bytes in given.parts
        )  # fmt: skip
        inputs, made = self._inputs, self._made(self._staging)
        inside = (
            Mount(self._case.directory.root, RUN),
            Mount(self.folder / "inputs", WORK),
            Mount(made, OUTPUTS, writable=True),
            *inputs.mounts,
        )
        own = {"DMOD_OUTPUT": f"{OUTPUTS if self._facts.name else made}/run.nc"} if self._facts.ours else {}
        program = self._facts.serial if len(inputs.catchments) == 1 and self._facts.serial else self._facts.parallel
        assert program is not None
        mpi = MpiPlan(
            job=self.job, image=self._facts, places=places, program=(program, *inputs.arguments),
            catchments=inputs.catchments, steps=inputs.steps,
            workdir=RUN if self._facts.name else str(self._case.directory.root),
            mounts=inside if self._facts.name else (), environment=own,
            user=f"{os.getuid()}:{os.getgid()}", gpus=self.request.gpus, staging=self.folder / "ranks",
        )  # fmt: skip
        return RankPlan(self._case, mpi, self.request.target, self.request.on)

    def allocate(self, staging: Path, given: Allocation | None) -> str:
        """See `Way`."""
        assert self.plan is not None
        if given is not None:
            self.plan = self._planned(given)
        self._made(staging).mkdir(exist_ok=True)
        self.plan.mpi.staging.mkdir(parents=True, exist_ok=True)
        return ", ".join(
            f"{place.ranks} rank{'s' if place.ranks != 1 else ''} on {place.host}" for place in self.plan.mpi.places
        )

    def launch(self, staging: Path, _provenance: dict[str, str]) -> str:
        """See `Way`."""
        assert self.plan is not None
        assert self._inputs is not None
        if self._facts.ours and (staging / _SEALING).exists():
            self._executor.clear(self.plan.mpi)  # the conductor was lost while it wrote to what ranks had made
        self.run = self._executor.attach(self.plan.mpi)
        if self.run is not None:
            return "found again what was started before"
        made = self._made(staging)
        shutil.rmtree(made)  # what an attempt that failed has left would be in the way of some engines
        for name in (_WHOLE, _SEALING, _PARTIAL):
            (staging / name).unlink(missing_ok=True)
        for folder in (".", *self._inputs.folders):
            (made / folder).mkdir(parents=True, exist_ok=True)
        self.run = self._executor.launch(self.plan.mpi)
        return f"{self.plan.mpi.ranks} ranks started"

    def finish(self, staging: Path, provenance: dict[str, str]) -> None:
        """See `Way`."""
        made, whole = self._made(staging), staging / _WHOLE
        if not whole.is_file():  # else a conductor that was lost had come so far
            self._complete(made, whole, provenance)
        shutil.rmtree(made)

    def _complete(self, made: Path, whole: Path, provenance: dict[str, str]) -> None:
        """Make one file of what ranks have made; it has its name when it is whole, and not before."""
        assert self._inputs is not None
        begun = whole.with_name(_SEALING)
        if self._facts.ours:
            if not (made / _WHOLE).is_file():
                raise RunError("ranks ended well and yet left no outputs", hint="the log says what they said")
            (made / _WHOLE).replace(begun)
        else:
            found = gather(made, self._inputs.domain, self._inputs.start_s, self._inputs.steps, begun)
            if not found.is_whole:
                begun.replace(whole.with_name(_PARTIAL))
                raise RunError(
                    "ranks ended well and yet left outputs out", missing=listed(found.missing),
                    hint="what is there is kept; the log says what ngen said",
                )  # fmt: skip
        run_output.seal(run_output.Layout(begun, self._inputs.steps, {}), whole, provenance)

    def leave(self) -> None:
        """See `Way`: ranks go on, and whoever conducts the job next finds them again."""
        if self.run is not None:
            self.run.leave()

    def give_back(self) -> None:
        """See `Way`."""
        if self.run is not None:
            self.run.close()
        made = self._made(self._staging) / _PARTIAL
        if self._case is not None and self._facts.ours and made.is_file():
            made.replace(self._staging / made.name)  # where partial outputs are looked for
        if self.plan is not None:
            self._executor.clear(self.plan.mpi)
