"""Conductors in processes of their own, a ledger they share, and what a run gives when nothing happens to it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from places import Place, Values, values

from dmod.prepare.basin import make_basin
from dmod.session import Session
from dmod.settings import Settings
from dmod.testing.rivers import tiny_run_directory


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A search path with our own engine under the name of ngen, and with the mpirun that the tests bring along."""
    folder = tmp_path_factory.mktemp("programs")
    for name in ("ngen-parallel", "ngen-serial"):
        (folder / name).write_text(f'#!/bin/sh\nexec {sys.executable} -m dmod.execution.ngen_program "$@"\n')
        (folder / name).chmod(0o755)
    return os.pathsep.join((str(folder), str(Path(sys.executable).parent), os.environ["PATH"]))


@pytest.fixture(scope="session")
def forks(programs: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has imported everything and forks."""
    command = [sys.executable, str(Path(__file__).with_name("conductors.py"))]
    own = {**os.environ, "PATH": programs}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=own) as process:
        yield process


@pytest.fixture
def place(tmp_path: Path, forks: subprocess.Popen[str]) -> Iterator[Place]:
    """A ledger of the test's own; nobody who uses it outlives the test."""
    made = Place(tmp_path, forks)
    yield made
    made.close()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three catchments, a day."""
    return tiny_run_directory(tmp_path_factory.mktemp("tiny") / "run", hours=24)


@pytest.fixture(scope="session")
def parted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty catchments, 200 days: enough for several parts that take a moment each."""
    return make_basin(tmp_path_factory.mktemp("parted") / "run", catchments=60, days=200).directory


@pytest.fixture(scope="session")
def undisturbed(tiny: Path, parted: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Values]:
    """What each basin gives when nothing happens to its run."""
    folder = tmp_path_factory.mktemp("undisturbed")
    found = {}
    with Session(Settings(home=folder / "home")) as session:
        for directory in (tiny, parted):
            target = folder / directory.parent.name
            session.run(directory, output=target).wait(120)
            found[directory] = values(target)
    return found
