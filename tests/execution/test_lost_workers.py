"""A run survives the death of its workers, and workers do not survive the one who started them."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys

import psutil
import pytest

from dmod.errors import RunError
from dmod.execution.worker_process import WorkerProcess


@pytest.mark.parametrize("workers", [pytest.param(2, id="one of two"), pytest.param(1, id="the only one")])
def test_a_killed_worker_of_our_own_costs_time_and_nothing_else(
    large, start, values, undisturbed, under_way, our_workers, workers
):
    job = start(large, workers=workers)
    under_way(job)
    our_workers()[0].kill()
    job.wait(60)
    assert job.state == "complete"
    assert values(job) == undisturbed
    assert our_workers() == []


def test_a_worker_that_is_closed_while_it_is_being_replaced_is_gone():
    started = []

    class Slow(WorkerProcess):
        async def _spawn(self):
            process = await super()._spawn()
            started.append(psutil.Process(process.pid))
            await asyncio.sleep(0.2)
            return process

    async def replace_and_close() -> None:
        worker = await Slow("tcp://127.0.0.1:9")
        started[0].kill()
        while len(started) < 2:
            await asyncio.sleep(0.01)
        await worker.close()

    asyncio.run(replace_and_close())
    assert [process for process in started if process.is_running()] == []


def test_a_killed_worker_of_somebody_else_costs_time_and_nothing_else(
    large, start, values, undisturbed, under_way, outside
):
    workers = [outside.add_worker(), outside.add_worker()]
    job = start(large, scheduler=outside.address)
    under_way(job)
    workers[0].kill()
    job.wait(60)
    assert job.state == "complete"
    assert values(job) == undisturbed
    assert workers[1].poll() is None


def test_a_run_whose_workers_have_all_gone_says_so(large, start, under_way, outside, monkeypatch):
    monkeypatch.setattr("dmod.execution.dask_run._ABANDONED_S", 1.5)
    worker = outside.add_worker()
    job = start(large, scheduler=outside.address)
    under_way(job)
    worker.kill()
    with pytest.raises(RunError, match="all workers are gone"):
        job.wait(60)
    assert job.state == "failed"
    assert not job.request.target.with_name("out.partial").exists()


def test_a_run_whose_scheduler_is_gone_fails_and_leaves_nothing(large, start, under_way, outside, monkeypatch):
    monkeypatch.setattr("dmod.execution.cluster._CONNECT_S", 2)
    outside.add_worker()
    job = start(large, scheduler=outside.address)
    under_way(job)
    outside.scheduler.kill()
    with pytest.raises(RunError):
        job.wait(60)
    assert job.state == "failed"
    assert not job.request.target.exists()
    assert not job.request.target.with_name("out.partial").exists()


def test_workers_end_by_themselves_when_the_one_who_waits_is_killed(large, tmp_path):
    script = tmp_path / "wait.py"
    script.write_text(
        "import time, dmod\n"
        f"job = dmod.run({str(large.directory)!r}, output={str(tmp_path / 'out')!r}, workers=2)\n"
        "while not job.progress.done:\n    time.sleep(0.01)\n"
        "print('under way', flush=True)\njob.wait()\n"
    )
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as waiting:
        assert waiting.stdout.readline() == "under way\n"
        workers = psutil.Process(waiting.pid).children(recursive=True)
        waiting.kill()
    _, alive = psutil.wait_procs(workers, timeout=30)
    for process in alive:
        process.kill()
    assert len(workers) == 2
    assert alive == []
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "out.partial" / "PARTIAL").is_file()


def test_a_script_needs_no_main_guard_to_run_on_worker_processes(small, tmp_path):
    script = tmp_path / "plain.py"
    script.write_text(
        "import dmod\n"
        f"job = dmod.run({str(small.directory)!r}, output={str(tmp_path / 'out')!r}, workers=2).wait()\n"
        "print(job)\n"
    )
    ran = subprocess.run([sys.executable, script.name], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert re.fullmatch(r"Job\('run-\w{6}', complete, 100%\)\n", ran.stdout)
    assert (tmp_path / "out" / "run.nc").is_file()
