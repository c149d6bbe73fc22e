"""A container engine, an image whose model says what ngen says, and plans that leave nothing behind."""

from __future__ import annotations

import contextlib
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from requiring import cannot

from dmod.errors import DmodError, EngineError
from dmod.execution.docker_containers import containers_of
from dmod.execution.docker_engine import connect
from dmod.execution.docker_run import DockerRun, clear
from dmod.execution.mpi_plan import ImageFacts, Mount, MpiPlan, Place
from dmod.execution.observation import Observation

STUB = Path(__file__).with_name("stub")
NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def engine():
    """A client of the engine here."""
    try:
        client = connect()
    except EngineError as problem:
        cannot(f"no container engine: {problem.headline}")
    yield client
    client.close()


@pytest.fixture(scope="session")
def stub_of(engine) -> Callable[[str], ImageFacts]:
    """The image with the stub of a model and somebody's MPI, built where it is not yet."""
    base = (STUB / "Dockerfile").read_text().split()[1]
    if not engine.images.list(base):
        cannot(f"the engine has no image {base}")

    def built(mpi: str) -> ImageFacts:
        name = f"dmod-stub-{mpi}:tests"
        image, _ = engine.images.build(path=str(STUB), tag=name, rm=True, forcerm=True, buildargs={"MPI": mpi})
        return ImageFacts(name, image.id, "amd64", parallel="/dmod/bin/model.py", mpi=mpi)

    return built


@pytest.fixture(scope="session")
def stub(stub_of) -> ImageFacts:
    """That with MPICH."""
    return stub_of("mpich")


@dataclass
class Ended:
    """How a run ended."""

    #: Every line that was told.
    lines: list[str] = field(default_factory=list)
    #: What was done, each time it was asked.
    done: list[int] = field(default_factory=list)
    #: What was seen last.
    last: Observation | None = None
    #: Why it failed, if it did.
    failure: DmodError | None = None

    def rank(self, number: int) -> list[str]:
        """The lines of one rank."""
        return [line.partition("] ")[2] for line in self.lines if line.startswith(f"[rank {number}] ")]


@pytest.fixture
def follow() -> Callable[..., Ended]:
    """Follow a run to its end."""

    def to_end(run: DockerRun, seconds: float = 60) -> Ended:
        ended, until = Ended(), time.monotonic() + seconds
        while time.monotonic() < until:
            run.wait(0.5)
            try:
                ended.last = run.observe()
            except DmodError as problem:
                ended.failure = problem
            else:
                ended.done.append(ended.last.done)
            ended.lines += run.news()
            if ended.failure is not None or ended.last.is_over:
                return ended
        raise AssertionError(f"the run has not ended: {ended}")

    return to_end


@pytest.fixture
def plan(stub, tmp_path) -> Iterator[Callable[..., MpiPlan]]:
    """Make plans of the stub's model; nothing of them outlives the test."""
    made: list[MpiPlan] = []
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir(mode=0o777)
    (tmp_path / "out").chmod(0o777)

    def make(*arguments: object, places: tuple[Place, ...] = (Place("here", 2),), **more: object) -> MpiPlan:
        ranks = sum(place.ranks for place in places)
        job = str(more.pop("job", f"t{os.getpid()}-{next(NUMBERS)}"))
        known = {
            "image": stub,
            "program": ("python", "/dmod/bin/model.py", *map(str, arguments)),
            "catchments": (5,) * ranks,
            "steps": int(str(arguments[0])),
            "workdir": "/",
            "mounts": (Mount(tmp_path / "in", "/in"), Mount(tmp_path / "out", "/out", writable=True)),
            "user": f"{os.getuid()}:{os.getgid()}",
            "staging": tmp_path / "out",
        }
        made.append(MpiPlan(job, places=places, **{**known, **more}))
        return made[-1]

    yield make
    for one in made:
        with contextlib.suppress(EngineError):
            clear(one)
    until = time.monotonic() + 60
    while (left := [t.name for t in threading.enumerate() if t.name.startswith("dmod-")]) and time.monotonic() < until:
        time.sleep(0.05)
    assert not left, "threads of a run go on after it"


@pytest.fixture
def remains(engine) -> Callable[[MpiPlan], list[str]]:
    """What the engine here still has of a plan, by name."""

    def find(plan: MpiPlan) -> list[str]:
        networks = engine.networks.list(names=[plan.network]) if plan.network else []
        return [one.name for one in (*containers_of(engine, plan.job), *networks)]

    return find


@pytest.fixture
def until() -> Callable[..., None]:
    """Wait for something to hold."""

    def wait(holds: Callable[[], object], seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, "it never came to hold"
            time.sleep(0.02)

    return wait
