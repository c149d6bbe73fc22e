"""Two basins to run, jobs that never outlive a test, and a Dask cluster that is not ours."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import h5py
import psutil
import pytest

from dmod.errors import DmodError
from dmod.prepare.basin import Basin, make_basin
from dmod.session import Job, Session
from dmod.settings import read_settings

Values = dict[str, bytes]


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> Basin:
    """Sixty catchments, five days: a run takes a moment."""
    return make_basin(tmp_path_factory.mktemp("small") / "run", catchments=60, days=5)


@pytest.fixture(scope="session")
def large(tmp_path_factory) -> Basin:
    """Three hundred catchments, a year: a run takes a few seconds."""
    return make_basin(tmp_path_factory.mktemp("large") / "run", catchments=300, days=365)


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[..., Job]]:
    """Start jobs whose outputs go to ``tmp_path / "out"``; none goes on when the test is over."""
    session = Session(replace(read_settings(), home=tmp_path / "home"))

    def begin(basin: Basin, **options: object) -> Job:
        return session.run(basin.directory, **{"output": tmp_path / "out", **options})

    yield begin
    jobs = session.jobs
    jobs.cancel()
    for job in jobs:
        with contextlib.suppress(DmodError):
            job.wait(60)
    session.close()


@pytest.fixture
def values() -> Callable[[Job], Values]:
    """The bytes of every output variable of a job."""

    def read(job: Job) -> Values:
        with h5py.File(job.request.target / "run.nc", "r") as file:
            return {name: variable[()].tobytes() for name, variable in file.items() if variable.ndim == 2}

    return read


@pytest.fixture(scope="session")
def undisturbed(large, tmp_path_factory) -> Values:
    """What the large basin gives when nothing happens to the run: one worker, one thread of this process."""
    target = tmp_path_factory.mktemp("undisturbed") / "out"
    Session().run(large.directory, output=target).wait(120)
    with h5py.File(target / "run.nc", "r") as file:
        return {name: variable[()].tobytes() for name, variable in file.items() if variable.ndim == 2}


@pytest.fixture
def under_way() -> Callable[[Job], None]:
    """Wait until a job has done something, but not all of it."""

    def wait(job: Job) -> None:
        until = time.monotonic() + 60
        while not job.progress.done and not job.state.is_final and time.monotonic() < until:
            time.sleep(0.005)
        assert 0 < job.progress.fraction < 1, f"{job!r} cannot be disturbed: {job.events[-1].message}"

    return wait


@pytest.fixture
def our_workers() -> Callable[[], list[psutil.Process]]:
    """The worker processes that this process has started and that live."""

    def find() -> list[psutil.Process]:
        found = []
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if "distributed.cli.dask_spec" in child.cmdline():
                    found.append(child)
        return found

    return find


@dataclass
class Outside:
    """A Dask cluster in processes of its own, as somebody else would have started it."""

    #: Where its scheduler file is and its workers spill to.
    folder: Path
    #: The scheduler.
    scheduler: subprocess.Popen[bytes]
    #: Its workers, in the order they were started.
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where the scheduler listens, ``tcp://127.0.0.1:…``."""
        return str(json.loads((self.folder / "scheduler.json").read_text())["address"])

    def add_worker(self, *before: str, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a worker with one thread; words in *before* come before its command."""
        worker = _start(
            *before, sys.executable, "-m", "distributed.cli.dask_worker", self.address, "--nthreads", "1",
            "--no-nanny", "--no-dashboard", "--host", "127.0.0.1", "--local-directory", str(self.folder),
            folder=self.folder, env=env,
        )  # fmt: skip
        self.workers.append(worker)
        return worker

    def end(self) -> None:
        """End all of it."""
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


def _start(*command: str, folder: Path, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a silent process that works in *folder*."""
    return subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "DASK_LOGGING__DISTRIBUTED": "critical", **(env or {})},
    )  # fmt: skip


@contextlib.contextmanager
def _outside(folder: Path) -> Iterator[Outside]:
    """A scheduler without workers."""
    file = folder / "scheduler.json"
    process = _start(
        sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0",
        "--no-dashboard", "--scheduler-file", str(file), folder=folder,
    )  # fmt: skip
    cluster = Outside(folder, process)
    try:
        until = time.monotonic() + 30
        while not (file.is_file() and file.read_text().endswith("}")) and time.monotonic() < until:
            assert process.poll() is None, "the scheduler ended while it started"
            time.sleep(0.05)
        yield cluster
    finally:
        cluster.end()


@pytest.fixture
def outside(tmp_path) -> Iterator[Outside]:
    """A scheduler of somebody else, without workers."""
    with _outside(tmp_path) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def outside_with_workers(tmp_path_factory) -> Iterator[Outside]:
    """A cluster of somebody else with two workers, for all tests of a module."""
    with _outside(tmp_path_factory.mktemp("outside")) as cluster:
        cluster.add_worker()
        cluster.add_worker()
        yield cluster
