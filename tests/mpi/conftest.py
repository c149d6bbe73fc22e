"""Programs that behave as ngen and mpirun do, for runs that last a moment; and the real mpirun."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stub_programs import MPIRUN, NGEN, write_program

from dmod.execution import host_run
from dmod.execution.host_run import HostRun
from dmod.execution.mpi_plan import ImageFacts, MpiPlan, Place


@pytest.fixture
def stubs(tmp_path: Path) -> Path:
    """A folder with ``mpirun`` and ``ngen-parallel``."""
    folder = tmp_path / "bin"
    write_program(folder / "mpirun", MPIRUN)
    write_program(folder / "ngen-parallel", NGEN)
    return folder


@pytest.fixture
def plan_of(tmp_path: Path, stubs: Path) -> Callable[..., MpiPlan]:
    """Makes a plan whose ranks behave in a way."""

    def made(way: str, ranks: int = 2, memory_bytes: int | None = None) -> MpiPlan:
        return MpiPlan(
            job="tested",
            image=ImageFacts("", parallel=str(stubs / "ngen-parallel"), mpirun=str(stubs / "mpirun"), mpi="mpich"),
            places=(Place("here", ranks, memory_bytes=memory_bytes),),
            program=(str(stubs / "ngen-parallel"), way),
            catchments=(3,) * ranks,
            steps=200,
            workdir=str(tmp_path),
            environment={"STUB_FOLDER": str(tmp_path)},
            staging=tmp_path / "staging",
        )

    return made


@pytest.fixture
def start() -> Iterator[Callable[..., HostRun]]:
    """Starts plans, and ends what is left of them after the test."""
    runs: list[HostRun] = []

    def started(plan: MpiPlan, **options: Any) -> HostRun:
        runs.append(host_run.launch(plan, **options))
        return runs[-1]

    yield started
    for run in runs:
        run.close()


@pytest.fixture(scope="session")
def mpich() -> str:
    """The mpirun that the tests bring along."""
    found = Path(sys.executable).with_name("mpirun")
    assert found.exists(), "the package mpich is part of the extra test"
    return str(found)
