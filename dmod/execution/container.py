"""A container as it is asked of an engine: what is in it, what it may take, what it sees.

The one value from which both the line that is printed and the request to the engine come, so
that a plan shows what is done. Nothing is started here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["SHARED_MEMORY_BYTES", "Container", "Mount"]

#: Shared memory of a container [bytes]: ranks of one host speak through it, and 64 MB are soon full.
SHARED_MEMORY_BYTES = 256 * 2**20


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
class Container:
    """What an engine is asked for."""

    #: Its name, and its host name among containers.
    name: str
    #: Its image, by name.
    image: str
    #: The program and its arguments; the image's own entry point is not used.
    command: tuple[str, ...]
    #: Where inside it is started.
    workdir: str
    labels: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    #: The private network that it is on; None for none at all.
    network: str | None = None
    #: Addresses of others there, by name, where it must not depend on their being known.
    addresses: Mapping[str, str] = field(default_factory=dict)
    #: What it may take at most [cores], [bytes]; None for no limit.
    cores: float | None = None
    memory_bytes: int | None = None
    #: ``uid:gid`` inside; None for the image's own.
    user: str | None = None
    #: As ``docker run --gpus`` takes it; None for none.
    gpus: str | None = None
    #: Address of its engine; None for this machine's.
    engine: str | None = None

    def line(self) -> tuple[str, ...]:
        """The line that starts it by hand."""
        memory = str(self.memory_bytes)
        words = (
            ("docker", *(("-H", self.engine) if self.engine else ()), "run", "--rm", "--init"),
            ("--name", self.name, "--hostname", self.name),
            *(("--label", f"{key}={value}") for key, value in self.labels.items()),
            ("--cpus", f"{self.cores:g}") if self.cores else (),
            ("--memory", memory, "--memory-swap", memory) if self.memory_bytes else (),
            ("--shm-size", str(SHARED_MEMORY_BYTES), "--security-opt", "no-new-privileges"),
            ("--user", self.user) if self.user else (),
            ("--gpus", self.gpus) if self.gpus else (),
            ("--network", self.network or "none"),
            *(("--add-host", f"{name}:{address}") for name, address in self.addresses.items()),
            *(tuple(str(mount).split(" ", 1)) for mount in self.mounts),
            *(("--env", f"{key}={value}") for key, value in self.environment.items()),
            ("--workdir", self.workdir, "--entrypoint", self.command[0], self.image, *self.command[1:]),
        )
        return tuple(word for some in words for word in some)
