"""The plan of an MPI run: every line that will be typed, as a value that can be printed first.

An `MpiPlan` says what is started where: the image, the ranks of each host, what of this
machine is seen inside, the program and its arguments. Nothing is started here.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dmod.execution.container import Container, Mount

__all__ = [
    "AGENT",
    "AGENT_ENVIRONMENT",
    "LABEL",
    "OUTPUTS",
    "PLAN_LABEL",
    "RUN",
    "WORK",
    "ImageFacts",
    "Mount",
    "MpiPlan",
    "Place",
]

#: The labels that every container of a job carries: the job's id, and the fingerprint of its plan.
LABEL, PLAN_LABEL = "dmod.job", "dmod.plan"
#: Where containers see the run directory, what was made for the job, and where outputs go.
RUN, WORK, OUTPUTS = "/ngen/ngen/data", "/dmod/work", "/dmod/outputs"
#: Where the program is seen that tells which line Open MPI wants started on which host.
AGENT = "/dmod-agent"
#: Has Open MPI 4, and 5 by its other names, ask that program instead of ssh, and not go to the background.
AGENT_ENVIRONMENT = {
    "OMPI_MCA_plm_rsh_agent": AGENT,
    "OMPI_MCA_plm_rsh_no_tree_spawn": "1",
    "OMPI_MCA_orte_leave_session_attached": "1",
    "PRTE_MCA_plm_ssh_agent": AGENT,
    "PRTE_MCA_plm_ssh_no_tree_spawn": "1",
    "PRTE_MCA_prte_leave_session_attached": "1",
}
#: What a container of several hosts begins with: it waits for the line that mpirun prints for it.
LINE, GO = "/dmod-line", "/dmod-go"
_WAITING = ("sh", "-c", f"until [ -e {GO} ]; do sleep 0.1; done; exec sh {LINE}")

#: Lines are seen when they are said.
_FOR_PYTHON = {"PYTHONUNBUFFERED": "1"}
#: Ranks of one host may not read each other's memory under Docker's seccomp profile.
_FOR_MPICH = {"MPIR_CVAR_CH4_CMA_ENABLE": "0"}
#: The same, by the names of Open MPI 4 and 5; and it asks before it runs as root.
_FOR_OPENMPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
    "OMPI_MCA_smsc": "^cma",
    "PRTE_ALLOW_RUN_AS_ROOT": "1",
    "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
}
_FOR_MPI = {"mpich": _FOR_MPICH, "openmpi": _FOR_OPENMPI, "unknown": {**_FOR_MPICH, **_FOR_OPENMPI}}


@dataclass(frozen=True)
class ImageFacts:
    """What is known of an image, or of the programs of this machine, before anything runs in it."""

    #: Its name with a tag; empty for programs of this machine.
    name: str
    #: ``sha256:...``, the id that the engine knows it by; empty where there is none.
    digest: str = ""
    #: Such as ``amd64``.
    architecture: str = ""
    #: Programs, by absolute path; None where it has none.
    parallel: str | None = "/dmod/bin/ngen-parallel"
    serial: str | None = "/dmod/bin/ngen-serial"
    #: How ranks are started: the program, and whose it is.
    mpirun: str = "mpirun"
    mpi: Literal["mpich", "openmpi", "unknown"] = "unknown"
    #: ``stdbuf``, by its path, where lines of a program in C would else wait in a block of 4 KiB; None for none.
    stdbuf: str | None = None
    #: Whether the engine inside is ours: it writes our outputs where ``DMOD_OUTPUT`` says.
    ours: bool = False
    #: What ``ngen --info`` printed, and versions that labels tell.
    info: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """One host's share of a run."""

    #: Name of the host, as the schedule has it.
    host: str
    #: Ranks there, at least 1.
    ranks: int
    #: Cores and memory that its container may take at most [cores], [bytes]; None for no limit.
    cores: float | None = None
    memory_bytes: int | None = None
    #: Address of its Docker engine, such as ``tcp://10.0.0.2:2375``; None for this machine's.
    engine: str | None = None


@dataclass(frozen=True)
class MpiPlan:
    """What will be started; ``print(plan)`` shows it, line by line as one could type it."""

    #: The job's id.
    job: str
    #: The image, or the programs of this machine.
    image: ImageFacts
    #: Shares of hosts, the first of which starts the others.
    places: tuple[Place, ...]
    #: The program and its arguments, as seen inside.
    program: tuple[str, ...]
    #: Catchments of each rank.
    catchments: tuple[int, ...]
    #: Steps of one hour.
    steps: int
    #: Where inside it is started.
    workdir: str = RUN
    mounts: tuple[Mount, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    #: ``uid:gid`` inside; None for the image's own.
    user: str | None = None
    #: As ``docker run --gpus`` takes it; None for none.
    gpus: str | None = None
    #: Root of the writable directory on this machine in which outputs and logs are left.
    staging: Path = Path()

    @property
    def ranks(self) -> int:
        """Ranks on all hosts."""
        return sum(place.ranks for place in self.places)

    @property
    def catchment_steps(self) -> int:
        """Catchments times steps, of all ranks."""
        return sum(self.catchments) * self.steps

    @property
    def network(self) -> str | None:
        """The private network of its containers; None for one host, which needs none."""
        return f"dmod-{self.job}" if len(self.places) > 1 else None

    def container(self, number: int) -> str:
        """The name of the container on the host of that number."""
        return f"dmod-{self.job}-{number}"

    @property
    def launcher(self) -> str:
        """The name of the container that starts the ranks of several hosts."""
        return f"dmod-{self.job}-launcher"

    @property
    def fingerprint(self) -> str:
        """The same for plans that are the same; plans that differ in anything differ in it."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]

    def mpirun(self) -> tuple[str, ...]:
        """The line that starts all ranks."""
        each = (*((self.image.stdbuf, "-oL") if self.image.stdbuf else ()), *self.program)
        if self.ranks == 1 and self.image.parallel is None:
            return each
        hosts = ",".join(f"{self.container(number)}:{place.ranks}" for number, place in enumerate(self.places))
        several = len(self.places) > 1
        if self.image.mpi == "mpich":
            more = ("-l", *(("-launcher", "manual", "-hosts", hosts) if several else ()))
        elif self.image.mpi == "openmpi":
            more = ("--tag-output", "--bind-to", "none", *(("--host", hosts) if several else ("--oversubscribe",)))
        else:
            more = ()
        return (self.image.mpirun, *more, "-n", str(self.ranks), *each)

    def told_inside(self) -> dict[str, str]:
        """The environment of the ranks: what the job needs, and what MPI needs in containers."""
        home = {"HOME": "/tmp"} if self.user else {}
        return {**home, **_FOR_PYTHON, **_FOR_MPI[self.image.mpi], **self.environment}

    def on_host(self, number: int) -> Container:
        """The container on the host of that number, with its limits."""
        place, command = self.places[number], self.mpirun() if self.network is None else _WAITING
        return Container(
            self.container(number), self.image.name, command, self.workdir, self._labels, self.told_inside(),
            self.mounts, self.network, {}, place.cores, place.memory_bytes, self.user, self.gpus, place.engine,
        )  # fmt: skip

    def starter(self, addresses: Sequence[str] = ()) -> Container:
        """The container that starts the ranks of several hosts: on the first of them, without limits or mounts.

        Parameters
        ----------
        addresses : sequence of str
            Those of the containers on the hosts, once they are known.
        """
        names = [self.container(number) for number in range(len(self.places))]
        known = dict(zip(names, addresses or ["ADDRESS"] * len(names), strict=True))
        told = {**self.told_inside(), **(AGENT_ENVIRONMENT if self.image.mpi == "openmpi" else {})}
        return Container(
            self.launcher, self.image.name, self.mpirun(), self.workdir, self._labels, told,
            network=self.network, addresses=known, user=self.user, engine=self.places[0].engine,
        )  # fmt: skip

    @property
    def _labels(self) -> dict[str, str]:
        return {LABEL: self.job, PLAN_LABEL: self.fingerprint}

    def __str__(self) -> str:
        if not self.image.name:
            return shlex.join(self.mpirun())
        if self.network is None:
            return shlex.join(self.on_host(0).line())
        kind = ("--driver", "overlay", "--attachable") if len({place.engine for place in self.places}) > 1 else ()
        lines = [
            ("docker", "network", "create", "--internal", *kind, self.network),
            *(self.on_host(number).line() for number in range(len(self.places))),
            self.starter().line(),
        ]
        return "\n".join(shlex.join(line) for line in lines)
