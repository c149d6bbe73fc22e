"""Runs with a real MPI: its codes and lines are those that are understood, and numbers come home."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace

import h5py
import numpy as np
import psutil
import pytest
from stub_programs import wait_for, write_program

from dmod.errors import RunError
from dmod.execution import session
from dmod.execution.host_programs import find_programs
from dmod.execution.mpi_gather import gather
from dmod.execution.mpi_inputs import prepare_inputs
from dmod.execution.mpi_plan import ImageFacts, MpiPlan, Place
from dmod.model.case import Question
from dmod.model.run_directory import find_run_directory
from dmod.prepare.basin import make_basin

#: A rank of a real MPI that behaves as its argument says.
RANK = """
import os, signal, sys, time
from mpi4py import MPI
rank = MPI.COMM_WORLD.Get_rank()
print("Running Models", flush=True)
print(f"Running timestep {50 * (rank + 1)}", flush=True)
MPI.COMM_WORLD.Barrier()
way = sys.argv[1]
if way == "aborts" and rank == 1:
    print("terminate called after throwing an instance of 'std::runtime_error'", file=sys.stderr)
    print("  what():  no such file", file=sys.stderr, flush=True)
    os.abort()
if way == "crashes" and rank == 1:
    os.kill(os.getpid(), signal.SIGSEGV)
if way == "is killed" and rank == 1:
    os.kill(os.getpid(), signal.SIGKILL)
if way == "exits" and rank == 1:
    print("forcing path 'nowhere' not readable", flush=True)
    os._exit(255)
if way == "waits for ever":
    MPI.COMM_WORLD.recv(source=1 - rank)
MPI.COMM_WORLD.Barrier()
print("Finished 100 timesteps.", flush=True)
"""


@pytest.fixture
def ranks(mpich, tmp_path):
    """Makes a plan of two ranks of a real MPI."""
    script = tmp_path / "rank.py"
    script.write_text(RANK)

    def made(way: str) -> MpiPlan:
        return MpiPlan(
            job="real", image=ImageFacts("", parallel=sys.executable, mpirun=mpich, mpi="mpich"),
            places=(Place("here", 2),), program=(sys.executable, str(script), way), catchments=(4, 6), steps=100,
            workdir=str(tmp_path), staging=tmp_path / "staging",
        )  # fmt: skip

    return made


def over(run):
    while not (seen := run.observe()).is_over:
        run.wait(0.2)
    return seen


def test_ranks_are_told_apart_and_end_well(ranks, start):
    run = start(ranks("good"))
    assert over(run).done == 1000
    lines = run.news()
    assert "[rank 0] Running timestep 50" in lines
    assert "[rank 1] Running timestep 100" in lines


@pytest.mark.parametrize(
    ("way", "codes", "says"),
    [
        ("aborts", {134}, "no such file"),
        ("crashes", {139}, "segmentation"),
        ("is killed", {137}, "killed"),
        # Once in fifty times MPICH tells only of the rank that it killed itself then.
        ("exits", {255, 137}, "not readable"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_however_a_rank_ends_it_is_understood(ranks, start, way, codes, says):
    run = start(ranks(way))
    with pytest.raises(RunError) as caught:
        over(run)
    assert caught.value.facts["exit"] in codes
    assert says in str(caught.value)


def test_a_rank_killed_from_outside_ends_the_run(ranks, start):
    run = start(ranks("waits for ever"))
    wait_for(lambda: run.observe().done == 4 * 50 + 6 * 100)
    mine = [pid for pid in session.members(run.first.session) if psutil.Process(pid).cmdline()[:1] == [sys.executable]]
    assert len(mine) == 2
    os.kill(mine[0], signal.SIGKILL)
    with pytest.raises(RunError) as caught:
        over(run)
    assert caught.value.facts["exit"] == 137
    assert session.members(run.first.session) == []


def test_ranks_that_wait_for_each_other_for_ever_are_noticed_and_ended(ranks, start):
    run = start(ranks("waits for ever"), stall_s=0.7)
    with pytest.raises(RunError, match="no progress"):
        over(run)
    assert session.members(run.first.session) == []


def test_a_stopped_run_leaves_no_rank(ranks, start):
    run = start(ranks("waits for ever"))
    wait_for(lambda: run.observe().done > 0)
    run.stop()
    assert session.members(run.first.session) == []


@pytest.fixture(scope="module")
def basin(tmp_path_factory):
    """Twelve catchments, one day."""
    return make_basin(tmp_path_factory.mktemp("basin") / "run", catchments=12, days=1)


@pytest.fixture(scope="module")
def programs(tmp_path_factory, mpich) -> ImageFacts:
    """Our engine under the names of ngen's programs."""
    folder = tmp_path_factory.mktemp("bin")
    for name in ("ngen-parallel", "ngen-serial"):
        text = f'#!/bin/sh\nexec "{sys.executable}" -m dmod.execution.ngen_program "$@"\n'
        write_program(folder / name, text)
    # No link: MPICH looks for its helper beside the name that it was started by.
    write_program(folder / "mpirun", f'#!/bin/sh\nexec "{mpich}" "$@"\n')
    facts = find_programs(folder)
    assert facts.ours
    assert facts.mpi == "mpich"
    return facts


def test_one_rank_and_two_give_the_same_numbers(basin, programs, start, tmp_path):
    question = Question(find_run_directory(basin.directory))
    found: dict[int, dict[str, np.ndarray]] = {}
    for count in (1, 2):
        here = tmp_path / str(count)
        (here / "outputs").mkdir(parents=True)
        inputs = prepare_inputs(
            question, ranks=count, folder=here / "work", run=str(basin.directory), work=str(here / "work"),
            outputs=str(here / "outputs"),
        )  # fmt: skip
        program = programs.serial if count == 1 else programs.parallel
        plan = MpiPlan(
            job=f"n{count}", image=programs if count > 1 else replace(programs, parallel=None),
            places=(Place("here", count),), program=(str(program), *inputs.arguments),
            catchments=inputs.catchments, steps=inputs.steps, workdir=str(basin.directory), staging=here / "staging",
        )  # fmt: skip
        over(start(plan))
        gathered = gather(here / "outputs", inputs.domain, inputs.start_s, inputs.steps, here / "run.nc")
        assert gathered.is_whole
        with h5py.File(gathered.path) as file:
            found[count] = {name: file[name][:] for name in ("Q_OUT", "nexus_flow", "time")}
    assert found[1]["Q_OUT"].shape == (12, 24)
    assert found[1]["Q_OUT"].any()
    for name, values in found[1].items():
        np.testing.assert_array_equal(found[2][name], values)
