"""Whoever asked for a job may be gone: the job is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from places import names, until, values

from dmod.errors import RunError
from dmod.job.lifecycle import State


def test_a_kernel_that_dies_takes_no_job_with_it_where_somebody_serves(place, parted, undisturbed):
    server = place.start()
    assert until(place.service.served, 30)
    kernel = place.start(run=parted, output=str(place.out))
    assert until(place.service.jobs, 30), kernel.log.read_text()
    kernel.kill()
    (job,) = place.service.jobs()
    assert place.ended(job.id) is State.COMPLETE
    assert values(place.out) == undisturbed[parted]
    assert server.lives()


def test_who_waits_for_a_job_of_a_kernel_that_died_conducts_it(place, parted, undisturbed):
    kernel = place.start("parts", parts=2, run=parted, output=str(place.out), workers=2)
    assert until(kernel.holds_still, 60), kernel.log.read_text()
    kernel.kill()
    with place.session() as session:
        (job,) = session.jobs
        assert job.state == "running"
        assert job.wait(60).state == "complete"
        assert "were done before" in " ".join(event.message for event in job.events)
    assert values(place.out) == undisturbed[parted]
    assert names(place.out.parent) == ["out"]


def test_a_job_that_nobody_conducts_waits_and_says_so(place, tiny):
    job = place.submit(tiny)
    time.sleep(0.3)
    assert place.state(job) is State.REQUESTED
    assert not place.service.conducted(job)
    with place.session() as session:
        assert session.job(job).wait(30).state == "complete"


def test_a_session_that_is_closed_leaves_its_job_to_whoever_serves(place, parted, undisturbed):
    with place.session() as session:
        job = session.run(parted, output=place.out, workers=2)
        assert until(lambda: job.state == "running", 60)
    assert not place.state(job.id).is_final
    assert place.service.ledger.job(job.id).holder is None
    place.conduct()
    assert place.ended(job.id) is State.COMPLETE
    assert values(place.out) == undisturbed[parted]


def test_a_server_that_is_stopped_leaves_its_jobs_at_once_to_the_next(place, parted, undisturbed):
    job = place.submit(parted, workers=2)
    first = place.start("parts", parts=1)
    assert until(first.holds_still, 60), first.log.read_text()
    os.kill(first.pid, 15)
    first.go.touch()
    assert until(lambda: not first.lives(), 30), first.log.read_text()
    assert place.service.ledger.holders(live=True) == []
    assert place.service.ledger.job(job).holder is None
    place.conduct(ttl_s=60.0)
    assert place.ended(job) is State.COMPLETE
    assert values(place.out) == undisturbed[parted]


@pytest.fixture
def scheduler(tmp_path):
    """Starts a Dask scheduler with a worker, at one address again and again."""
    begun: list[subprocess.Popen[bytes]] = []
    file = tmp_path / "scheduler.json"
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = {**os.environ, "DASK_LOGGING__DISTRIBUTED": "critical"}

    def start(port: int = 0) -> tuple[str, subprocess.Popen[bytes]]:
        file.unlink(missing_ok=True)
        words = ["--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--scheduler-file", str(file)]
        command = [sys.executable, "-m", "distributed.cli.dask_scheduler", *words]
        begun.append(subprocess.Popen(command, cwd=tmp_path, env=environment, **quiet))
        made = begun[-1]
        assert until(lambda: file.is_file() and file.read_text().endswith("}"), 30)
        address = str(json.loads(file.read_text())["address"])
        words = [address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"]
        command = [sys.executable, "-m", "distributed.cli.dask_worker", *words, "--local-directory", str(tmp_path)]
        begun.append(subprocess.Popen(command, cwd=tmp_path, env=environment, **quiet))
        return address, made

    yield start
    for process in begun:
        process.kill()
        process.wait()


def test_a_scheduler_that_dies_fails_its_job_which_runs_again_on_the_next(
    place, parted, undisturbed, scheduler, monkeypatch
):
    monkeypatch.setattr("dmod.execution.cluster._CONNECT_S", 2)
    address, process = scheduler()
    with place.session() as session:
        job = session.run(parted, output=place.out, scheduler=address)
        assert until(lambda: job.state == "running", 60)
        process.kill()
        process.wait()
        with pytest.raises(RunError):
            job.wait(60)
        assert job.state == "failed"
        assert not Path(place.out).exists()
        assert place.service.ledger.allocations(live=False) == []
        scheduler(int(address.rpartition(":")[2]))
        assert job.restart().wait(60).state == "complete"
    assert values(place.out) == undisturbed[parted]
    assert names(place.out.parent) == ["out"]
