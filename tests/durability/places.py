"""A ledger, processes that conduct its jobs, and what tests ask of them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py

from dmod.conductor.conductor import Conductor
from dmod.errors import DmodError
from dmod.job.lifecycle import State
from dmod.schedule.resources import Host
from dmod.service import LocalService
from dmod.session import Session, request_of
from dmod.settings import Settings

Values = dict[str, bytes]
#: How long leases last in these tests [s].
TTL_S = 1.5


@dataclass
class Process:
    """A process that conducts."""

    #: Its number.
    pid: int
    #: Exists once it holds still; makes it go on.
    held: Path
    go: Path
    #: What it printed.
    log: Path

    def holds_still(self) -> bool:
        """Whether it has come to where it was told to hold still."""
        return self.held.exists()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it lives."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it; return when it is gone."""
        self.signal(signal.SIGKILL)
        until(lambda: not self.lives(), 60)

    def lives(self) -> bool:
        """Whether it does."""
        with contextlib.suppress(OSError):
            return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        return False


@dataclass
class Place:
    """A ledger, and those who use it in a test."""

    #: Where everything of the test is.
    folder: Path
    #: Forks processes, see `conductors`.
    forks: subprocess.Popen[str]
    #: Who was started.
    processes: list[Process] = field(default_factory=list)
    conductors: list[Conductor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.settings = Settings(home=self.folder / "home", owner="ann", cores=4)
        self.service = LocalService(self.settings)

    @property
    def out(self) -> Path:
        """Where outputs go unless told otherwise."""
        return self.folder / "outputs" / "out"

    def session(self) -> Session:
        """Somebody with a notebook."""
        made = Session(self.settings)
        made.service._conductor = Conductor(made.service.ledger, settings=self.settings, ttl_s=TTL_S)
        return made

    def submit(self, directory: Path, **options: Any) -> str:
        """Hand a run over, for others to conduct."""
        return self.service.submit(request_of(directory, **{"output": self.out, **options}), attend=False)

    def start(
        self,
        hold: str = "",
        *,
        parts: int = 0,
        change: int = 0,
        run: Path | None = None,
        ttl_s: float = TTL_S,
        **options: Any,
    ) -> Process:
        """Start a process that serves, or runs a directory.

        *hold* says when it is to hold still, or that it is ``killed`` at a change of the folder of outputs.
        """
        name = f"process-{len(self.processes)}"
        paths = {key: str(self.folder / f"{name}.{key}") for key in ("held", "go", "log")}
        told = {
            **paths, "home": str(self.settings.home), "owner": "ann", "cores": 4, "ttl_s": ttl_s, "hold": hold,
            "parts": parts, "change": change, "folder": str(self.out.parent),
            "run": None if run is None else str(run), "options": options,
        }  # fmt: skip
        assert self.forks.stdin is not None
        assert self.forks.stdout is not None
        self.forks.stdin.write(json.dumps(told) + "\n")
        self.forks.stdin.flush()
        made = Process(int(self.forks.stdout.readline()), *(Path(paths[key]) for key in ("held", "go", "log")))
        self.processes.append(made)
        return made

    def conduct(self, **options: Any) -> Conductor:
        """Conduct every job, in this process."""
        host = Host.here().limited(4)
        made = Conductor(
            self.service.ledger, kind="serve", host=host, settings=self.settings, **{"ttl_s": TTL_S, **options}
        )
        made.start()
        self.conductors.append(made)
        return made

    def state(self, job: str) -> State:
        """Where a job stands."""
        return self.service.ledger.job(job).state

    def ended(self, job: str, seconds: float = 60) -> State:
        """Where a job stands when it is over."""
        assert until(lambda: self.state(job).is_final, seconds), f"{job} is still {self.state(job)}"
        return self.state(job)

    def states(self, job: str) -> list[str]:
        """Where it stood, one after the other."""
        return [str(event.state) for event in self.service.ledger.events(job)]

    def close(self) -> None:
        """End everybody."""
        for process in self.processes:
            process.signal(signal.SIGCONT)
            process.kill()
        for conductor in self.conductors:
            conductor.stop()
        with contextlib.suppress(DmodError):
            self.service.close()


def until(what: Callable[[], object], seconds: float) -> bool:
    """Wait until something is so; whether it came to be in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.02)
    return bool(what())


def values(target: Path) -> Values:
    """The bytes of every output variable."""
    with h5py.File(target / "run.nc", "r") as file:
        return {name: variable[()].tobytes() for name, variable in file.items() if variable.ndim == 2}


def names(folder: Path) -> list[str]:
    """What is in a directory."""
    return sorted(path.name for path in folder.iterdir())
