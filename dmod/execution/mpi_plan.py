"""The plan of an MPI run: every line that will be typed, as a value that can be printed first.

An `MpiPlan` says what is started where: the image, the ranks of each host, what of this
machine is seen inside, the program and its arguments. Nothing is started here.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

__all__ = ["LABEL", "OUTPUTS", "RUN", "WORK", "ImageFacts", "Mount", "MpiPlan", "Place"]

#: The label that every container of a job carries, with the job's id.
LABEL = "dmod.job"
#: Where containers see the run directory, what was made for the job, and where outputs go.
RUN, WORK, OUTPUTS = "/ngen/ngen/data", "/dmod/work", "/dmod/outputs"


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
    #: Whether the engine inside is ours: it writes our outputs where ``DMOD_OUTPUT`` says.
    ours: bool = False
    #: What ``ngen --info`` printed, and versions that labels tell.
    info: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Mount:
    """Something of this machine that is seen inside."""

    #: Here: an absolute path that exists.
    source: Path
    #: Inside.
    target: str
    #: Whether it may be changed from inside.
    writable: bool = False

    def __str__(self) -> str:
        kind = "" if self.writable else ",readonly"
        return f"--mount type=bind,source={self.source},target={self.target}{kind}"


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

    def mpirun(self) -> tuple[str, ...]:
        """The line that starts the ranks of one host."""
        if self.ranks == 1 and self.image.parallel is None:
            return self.program
        more = ("--oversubscribe",) if self.image.mpi == "openmpi" else ()
        return (self.image.mpirun, "-n", str(self.ranks), *more, *self.program)

    def docker_run(self, number: int, command: tuple[str, ...]) -> tuple[str, ...]:
        """The line that starts the container of a place."""
        place = self.places[number]
        engine = ("-H", place.engine) if place.engine else ()
        limits = (
            *(("--cpus", f"{place.cores:g}") if place.cores else ()),
            *(("--memory", str(place.memory_bytes)) if place.memory_bytes else ()),
        )
        who = (*(("--user", self.user) if self.user else ()), *(("--gpus", self.gpus) if self.gpus else ()))
        seen = [word for mount in self.mounts for word in str(mount).split(" ", 1)]
        told = [word for key, value in self.environment.items() for word in ("--env", f"{key}={value}")]
        return (
            "docker", *engine, "run", "--rm", "--init", "--name", self.container(number),
            "--label", f"{LABEL}={self.job}", *limits, *who, "--network", self.network or "none",
            *seen, *told, "--workdir", self.workdir, self.image.name, *command,
        )  # fmt: skip

    def __str__(self) -> str:
        if not self.image.name:
            return shlex.join(self.mpirun())
        if self.network is None:
            return shlex.join(self.docker_run(0, self.mpirun()))
        lines = [f"docker network create {self.network}"]
        hosts = ",".join(f"{self.container(k)}:{place.ranks}" for k, place in enumerate(self.places))
        lines.append(f"# rank launcher: {shlex.join(self.mpirun())}  on {hosts}")
        lines += [shlex.join(self.docker_run(k, ("...",))) for k in range(len(self.places))]
        return "\n".join(lines)
