"""A run in one container: started once, watched, found again, stopped, and told apart in how it fails."""

from __future__ import annotations

import io
import itertools
import os
import pickle
import shlex
import signal
import statistics
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from dmod.errors import EngineError, RunError
from dmod.execution.docker_run import attach, clear, launch
from dmod.execution.mpi_plan import ImageFacts, Mount, Place

pytestmark = pytest.mark.docker


def test_a_run_is_followed_to_its_end_and_leaves_nothing(plan, follow, remains):
    asked = plan(1000, 2)
    run = launch(asked)
    ended = follow(run)
    run.close()
    assert ended.failure is None
    assert (ended.last.finished, ended.last.tasks, ended.last.done) == (2, 2, asked.catchment_steps)
    assert ended.done == sorted(ended.done)
    assert any(0 < done < asked.catchment_steps for done in ended.done), "progress was seen while it ran"
    assert ended.rank(0) == ended.rank(1)
    assert ended.rank(0)[-1] == "Finished 1000 timesteps."
    assert (asked.staging / "logs/rank-1.log").read_text().splitlines() == ended.rank(1)
    assert remains(asked) == []


def test_limits_hold_and_only_what_the_job_needs_is_seen(plan, follow):
    asked = plan(100, 0.1, "limits", places=(Place("here", 1, 0.5, 2**28),), user="12345:12345")
    run = launch(asked)
    told = dict(line.split(" ", 1) for line in follow(run).rank(0) if " " in line)
    run.close()
    if "memory.max" in told:
        assert told["memory.max"] == str(2**28)
        assert told["cpu.max"] == "50000 100000"
    else:
        assert told["memory/memory.limit_in_bytes"] == str(2**28)
        assert told["cpu/cpu.cfs_quota_us"] == "50000"
    assert told["uid"] == "12345 home /tmp"
    assert told["writable"] == "False True"
    assert told["interfaces"] == "['lo']"


def test_the_line_that_a_plan_prints_starts_the_same_by_hand(plan):
    asked = plan(100, 0.1)
    done = subprocess.run(shlex.split(str(asked)), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "[1] Finished 100 timesteps." in done.stdout


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        pytest.param("exit", 255, "the realization cannot be read", id="exit"),
        pytest.param("abort", 134, "Forcing data could not be found for 'cat-1'", id="abort"),
        pytest.param("segfault", 139, "segmentation fault", id="segfault"),
        pytest.param("library", 127, "libcfebmi.so.1 is missing", id="library"),
    ],
)
def test_a_model_that_fails_fails_the_run_with_its_code_and_its_words(plan, follow, remains, how, code, said):
    asked = plan(200, 0.2, how, places=(Place("here", 1),))
    run = launch(asked)
    ended = follow(run)
    assert isinstance(ended.failure, RunError)
    assert said in str(ended.failure)
    assert ended.failure.facts["exit"] == code
    run.close()
    assert remains(asked) == []


def test_too_little_memory_is_told_apart_from_a_kill(plan, follow):
    run = launch(plan(200, 0.2, "memory", places=(Place("here", 2, None, 2**27),)))
    ended = follow(run)
    run.close()
    assert "more memory than it was given" in str(ended.failure)


def test_a_rank_that_is_killed_fails_the_run(plan, follow, until, engine):
    asked = plan(100_000, 600)
    run = launch(asked)
    container = engine.containers.get(asked.container(0))
    ranks = []

    def both() -> bool:
        top = container.top()
        place = top["Titles"].index("PID")
        ranks[:] = [int(row[place]) for row in top["Processes"] if row[-1].startswith("python")]
        return len(ranks) == 2

    until(both)
    os.kill(ranks[1], signal.SIGKILL)
    ended = follow(run)
    run.close()
    assert ended.failure.facts["exit"] == 137
    assert "killed" in str(ended.failure)
    assert "more memory than it was given" not in str(ended.failure)


def test_a_run_that_makes_no_progress_is_failed_and_stopped(plan, follow, until, engine):
    asked = plan(200, 0.2, "hang")
    run = launch(asked, stall_s=4)
    ended = follow(run, 40)
    assert "the run makes no progress" in str(ended.failure)
    until(lambda: engine.containers.get(asked.container(0)).status == "exited")
    run.close()


def test_a_container_that_is_removed_from_outside_fails_the_run(plan, follow, engine):
    asked = plan(100_000, 600)
    run = launch(asked)
    engine.containers.get(asked.container(0)).remove(force=True)
    started = time.monotonic()
    ended = follow(run)
    assert time.monotonic() - started < 5
    assert "the container on here was removed from outside" in str(ended.failure)
    run.close()


def test_lines_of_a_program_in_c_are_told_when_it_says_them(plan, stub, follow):
    waits = ("sh", "-c", "(echo Running Models; exec sleep 600) | tr a a")
    asked = plan(100, program=waits, image=replace(stub, stdbuf="/usr/bin/stdbuf"))
    run, until, told = launch(asked), time.monotonic() + 30, []
    while len(told) < 2 and time.monotonic() < until:
        run.wait(0.5)
        run.observe()
        told += run.news()
    run.stop()
    run.close()
    assert sorted(told) == ["[rank 0] Running Models", "[rank 1] Running Models"]


def test_a_run_that_is_stopped_is_gone_within_ten_seconds(plan, remains):
    asked = plan(100_000, 600)
    run = launch(asked)
    assert remains(asked)
    started = time.monotonic()
    run.stop()
    assert time.monotonic() - started < 10
    assert remains(asked) == []
    run.close()


def test_looking_costs_next_to_nothing(plan):
    run = launch(plan(100_000, 60))
    times = []
    for _ in range(40):
        began = time.perf_counter()
        run.observe()
        run.news()
        times.append(time.perf_counter() - began)
        time.sleep(0.01)
    run.close()
    assert statistics.median(times) < 0.005


def test_what_it_takes_is_seen(plan, until):
    run = launch(plan(100_000, 60))
    until(lambda: run.observe().usage[0].memory_bytes > 2**20)
    assert run.observe().usage[0].host == "here"
    run.close()


def test_a_line_is_told_within_a_second(plan):
    run = launch(plan(2000, 4, places=(Place("here", 1),)))
    arrived: dict[str, float] = {}
    until = time.monotonic() + 30
    while len(arrived) < 20 and time.monotonic() < until:
        run.wait(1)
        for line in run.news():
            arrived.setdefault(line, time.monotonic())
    run.close()
    steps = [at for line, at in arrived.items() if "at output step" in line]
    gaps = [later - earlier for earlier, later in itertools.pairwise(steps)]
    assert max(gaps) < 1.2, "lines that are 0.2 s apart"


def test_who_comes_after_a_conductor_that_died_goes_on_where_it_stood(plan, follow, engine, tmp_path):
    asked = plan(1000, 6)
    file = tmp_path / "plan"
    file.write_bytes(pickle.dumps(asked))
    script = (
        "import os, pickle, sys, time; from dmod.execution.docker_run import launch\n"
        "run = launch(pickle.load(open(sys.argv[1], 'rb'))); told = []\n"
        "while len(told) < 8: run.wait(1); told += run.news()\n"
        "print(*told, sep='\\n', flush=True); os._exit(9)"
    )
    died = subprocess.run([sys.executable, "-c", script, str(file)], capture_output=True, text=True, check=False)
    assert died.returncode == 9, died.stderr
    first = engine.containers.get(asked.container(0)).id
    run = attach(asked)
    assert run is not None
    assert engine.containers.get(asked.container(0)).id == first
    ended = follow(run)
    run.close()
    assert ended.last.done == asked.catchment_steps
    told = died.stdout.splitlines() + ended.lines
    whole = (asked.staging / "logs/rank-0.log").read_text().splitlines()
    assert [line for line in told if line.startswith("[rank 0] ")] == [f"[rank 0] {line}" for line in whole]
    assert whole[0] == "NGen Framework 0.3.0"
    assert whole[-1] == "Finished 1000 timesteps."


def test_launching_twice_is_one_run(plan, engine):
    asked = plan(100_000, 600)
    one = launch(asked)
    first = engine.containers.get(asked.container(0)).id
    two = launch(asked)
    assert engine.containers.get(asked.container(0)).id == first
    one.leave()
    assert engine.containers.get(asked.container(0)).status == "running"
    two.close()


def test_another_plan_of_the_same_job_takes_its_place(plan, engine, follow):
    before = plan(100_000, 600)
    launch(before).leave()
    first = engine.containers.get(before.container(0)).id
    after = replace(plan(100, 0.1), job=before.job)
    assert attach(after) is None
    run = launch(after)
    assert engine.containers.get(before.container(0)).id != first
    assert follow(run).failure is None
    run.close()


def test_the_end_of_a_run_that_nobody_watched_is_found(plan, engine, follow):
    asked = plan(200, 0.2, "exit", places=(Place("here", 1),))
    launch(asked).leave()
    engine.containers.get(asked.container(0)).wait()
    run = attach(asked)
    assert follow(run).failure.facts["exit"] == 255
    run.close()
    assert attach(asked) is None


def test_what_is_left_of_a_job_is_cleared_away(plan, remains):
    asked = plan(100_000, 600)
    launch(asked).leave()
    assert remains(asked)
    clear(asked)
    assert remains(asked) == []


def test_an_image_that_is_not_there_is_said_before_anything_starts(plan, remains):
    asked = plan(100, 1, image=ImageFacts("nobody/nothing:1", mpi="mpich"))
    with pytest.raises(EngineError, match="the engine has no image nobody/nothing:1") as caught:
        launch(asked)
    assert "docker pull nobody/nothing:1" in caught.value.hint
    assert remains(asked) == []


def test_an_image_that_is_another_than_was_planned_is_refused(plan, stub):
    asked = plan(100, 1, image=replace(stub, digest="sha256:" + "0" * 64))
    with pytest.raises(EngineError, match="another image"):
        launch(asked)


def test_a_mount_of_nothing_is_said_before_anything_starts(plan, tmp_path, remains):
    asked = plan(100, 1, mounts=(Mount(tmp_path / "none", "/in"),))
    with pytest.raises(EngineError, match="nothing to mount") as caught:
        launch(asked)
    assert caught.value.facts["needed"] == tmp_path / "none"
    assert remains(asked) == []


def test_more_cores_than_the_engine_has_are_refused(plan, remains):
    asked = plan(100, 1, places=(Place("here", 1, 4096.0),))
    with pytest.raises(EngineError, match="cannot give what is asked for"):
        launch(asked)
    assert remains(asked) == []


@pytest.mark.parametrize(
    ("image", "program"),
    [
        pytest.param({}, ("/dmod/bin/none",), id="no model"),
        pytest.param({"mpirun": "/none/mpirun"}, ("true",), id="no mpirun"),
    ],
)
def test_a_program_that_the_image_has_not_is_said_so(plan, stub, follow, image, program):
    run = launch(plan(100, 1, image=replace(stub, **image), program=program))
    ended = follow(run)
    run.close()
    assert "cannot be started" in str(ended.failure) or "not found" in str(ended.failure)


@pytest.fixture
def foreign(engine, tmp_path) -> Iterator[ImageFacts]:
    """An image whose programs are for another kind of processor."""
    # The head of an ELF file, class 64, made for 0xF3 (RISC-V).
    program = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xf3\x00\x01\x00\x00\x00" + bytes(40)
    with tarfile.open(tmp_path / "image.tar", "w") as archive:
        for name in ("bin/mpirun", "bin/sh"):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(program), 0o755
            archive.addfile(entry, io.BytesIO(program))
    engine.api.import_image(str(tmp_path / "image.tar"), repository="dmod-foreign", tag="tests")
    yield ImageFacts("dmod-foreign:tests", mpirun="/bin/mpirun")
    engine.images.remove("dmod-foreign:tests", force=True)


def test_an_image_for_another_processor_is_said_so(plan, foreign, follow):
    asked = plan(100, 1, image=foreign)
    try:
        run = launch(asked)
    except RunError as problem:
        failure = problem
    else:
        failure = follow(run).failure
        run.close()
    assert "another kind of processor" in str(failure)
