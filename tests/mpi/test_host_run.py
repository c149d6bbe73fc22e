"""Runs with the programs of this machine: started once, watched, found again, ended."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest
from stub_programs import wait_for

from dmod.errors import EngineError, RunError
from dmod.execution import host_run, session

LAUNCH = """
import pickle, sys
from dmod.execution import host_run
host_run.launch(pickle.loads(open(sys.argv[1], "rb").read()))
"""


def until_over(run):
    """The last observation, or what it raised."""
    for _ in range(600):
        seen = run.observe()
        if seen.is_over:
            return seen
        run.wait(0.1)
    raise AssertionError("it never ended")


def failure_of(run) -> RunError:
    with pytest.raises(RunError) as caught:
        until_over(run)
    return caught.value


def test_a_run_that_ends_well_is_over_and_has_said_its_lines(plan_of, start):
    plan = plan_of("good")
    run = start(plan)
    seen = until_over(run)
    assert (seen.done, seen.finished, seen.tasks) == (plan.catchment_steps, 2, 2)
    news = run.news()
    assert sorted(line for line in news if "Finished" in line) == [
        "[rank 0] Finished 200 timesteps.", "[rank 1] Finished 200 timesteps.",
    ]  # fmt: skip
    assert run.news() == []
    assert "Finished 200 timesteps." in (plan.staging / "logs" / "rank-1.log").read_text()
    run.close()


def test_progress_and_use_are_seen_while_it_runs(plan_of, start, tmp_path):
    run = start(plan_of("waits"))
    wait_for(lambda: run.observe().done == 2 * 3 * 100)
    wait_for(lambda: run.observe().usage)
    usage = run.observe().usage[0]
    assert usage.host == "here"
    assert usage.memory_bytes > 100_000
    (tmp_path / "go").touch()
    assert until_over(run).is_over


@pytest.mark.parametrize(
    ("way", "code", "says"),
    [
        ("throws", 134, "Forcing data could not be found for 'cat-1'"),
        ("crashes", 139, "segmentation fault"),
        ("refuses", 255, "without a partition file"),
    ],
)
def test_a_run_that_fails_says_why(plan_of, start, way, code, says):
    problem = failure_of(start(plan_of(way)))
    assert problem.facts["exit"] == code
    assert says in str(problem)


def test_a_program_that_is_not_there_is_named(plan_of, start, stubs):
    (stubs / "ngen-parallel").unlink()
    problem = failure_of(start(plan_of("good", ranks=1)))
    assert problem.facts["exit"] == 127
    assert "ngen-parallel" in str(problem)


def test_a_run_directory_that_is_not_there_is_said_before_anything_starts(plan_of, start, tmp_path):
    with pytest.raises(EngineError, match="cannot be started"):
        start(replace(plan_of("good"), workdir=str(tmp_path / "nowhere")))


@pytest.mark.parametrize("way", ["silent", "deaf"])
def test_a_run_that_is_stopped_leaves_no_process_whether_it_listens_or_not(plan_of, start, way):
    plan = plan_of(way)
    run = start(plan)
    wait_for(lambda: run.observe().done > 0)
    first = run.first
    assert len(session.members(first.session)) >= 4
    began = time.monotonic()
    run.stop()
    assert time.monotonic() - began < 30
    assert session.members(first.session) == []
    assert host_run.attach(plan) is None


def test_a_killed_rank_fails_the_run(plan_of, start):
    run = start(plan_of("silent", ranks=1))

    def rank():
        return [pid for pid in session.members(run.first.session) if cmdline(pid)[:1] == ["sleep"]]

    wait_for(rank)
    psutil.Process(rank()[0]).kill()
    assert failure_of(run).facts["exit"] == 137


def cmdline(pid: int) -> list[str]:
    try:
        return psutil.Process(pid).cmdline()
    except psutil.Error:
        return []


def test_a_run_whose_first_process_is_killed_has_vanished_and_leaves_nothing(plan_of, start):
    plan = plan_of("silent")
    run = start(plan)
    wait_for(lambda: run.observe().done > 0)
    first = run.first
    psutil.Process(first.pid).kill()
    assert "vanished" in failure_of(run).headline
    assert session.members(first.session) == []


def test_a_run_without_a_sign_of_life_is_failed_and_ended(plan_of, start):
    plan = plan_of("silent")
    run = start(plan, stall_s=1.5)
    problem = failure_of(run)
    assert "no progress" in problem.headline
    assert "output step 100" in str(problem)
    assert host_run.attach(plan) is None
    assert not (plan.staging / "started").exists()


def test_a_plan_that_runs_is_not_started_again(plan_of, start, tmp_path):
    plan = plan_of("waits")
    first = start(plan)
    wait_for(lambda: first.observe().done > 0)
    again = start(plan)
    assert len((tmp_path / "started").read_text().splitlines()) == 2
    (tmp_path / "go").touch()
    assert until_over(again).is_over
    assert until_over(first).is_over


def test_a_plan_that_ran_is_not_started_again(plan_of, start, tmp_path):
    plan = plan_of("good")
    until_over(start(plan))
    assert until_over(start(plan)).is_over
    assert len((tmp_path / "started").read_text().splitlines()) == 2


def test_another_plan_in_the_same_place_ends_what_ran_there(plan_of, start):
    plan = plan_of("silent")
    run = start(plan)
    wait_for(lambda: run.observe().done > 0)
    first = run.first
    until_over(start(replace(plan, program=(plan.program[0], "good"))))
    assert session.members(first.session) == []


def test_a_run_outlives_whoever_started_it_and_is_found_again(plan_of, start, tmp_path):
    plan = plan_of("waits")
    kept = tmp_path / "plan"
    kept.write_bytes(pickle.dumps(plan))
    subprocess.run((sys.executable, "-c", LAUNCH, str(kept)), check=True, timeout=60)
    run = start(plan)
    wait_for(lambda: run.observe().done == 2 * 3 * 100)
    told = run.news()
    assert any("Running Models" in line for line in told)
    run.leave()
    (tmp_path / "go").touch()
    again = start(plan)
    assert until_over(again).done == plan.catchment_steps
    assert not any("Running Models" in line for line in again.news())
    assert len((tmp_path / "started").read_text().splitlines()) == 2


def test_nothing_is_found_of_a_plan_that_was_never_started(plan_of):
    assert host_run.attach(plan_of("good")) is None


def test_memory_beyond_the_limit_is_refused_to_each_rank(plan_of, start, tmp_path):
    eat = "b = bytearray(400_000_000); print('had it')"
    plan = plan_of("good", ranks=1)
    greedy = replace(
        plan, program=(sys.executable, "-c", eat), places=(replace(plan.places[0], memory_bytes=200_000_000),)
    )
    problem = failure_of(start(greedy))
    assert "MemoryError" in str(problem)


def test_ranks_are_told_what_the_job_needs_and_no_secrets(plan_of, start, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    monkeypatch.setenv("HARMLESS", "yes")
    plan = plan_of("good", ranks=1)
    show = "import os; print(sorted(set(os.environ) & {'AWS_SECRET_ACCESS_KEY', 'HARMLESS', 'STUB_FOLDER'}))"
    run = start(replace(plan, program=(sys.executable, "-c", show)))
    until_over(run)
    assert "[rank 0] ['HARMLESS', 'STUB_FOLDER']" in run.news()
