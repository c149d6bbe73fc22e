"""Jobs whose ranks run in containers of our own image, from asking to outputs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from dmod.errors import DmodError, EngineError, InputError, RunError
from dmod.execution.mpi_plan import LABEL
from dmod.job.lifecycle import State
from dmod.session import Session
from dmod.settings import read_settings
from dmod.store.carry import deliver

pytestmark = pytest.mark.docker

#: Takes its time before it does what ngen-parallel of our image does.
SLOWLY = """#!/bin/sh
echo "NGen Framework 0.3.0"
sleep {seconds}
exec python -m dmod.execution.ngen_program "$@"
"""


@pytest.fixture
def session():
    with Session() as one:
        yield one


def containers(engine, job):
    """Those of a job, running or not."""
    return engine.containers.list(all=True, filters={"label": f"{LABEL}={job.id}"}, ignore_removed=True)


def until(what, timeout_s=60.0):
    """Whether something comes true in time."""
    end = time.monotonic() + timeout_s
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_numbers_do_not_depend_on_where_and_on_how_many_ranks(
    session, engine, basin, by_dask, values, worker_image, tmp_path, ranks
):
    out = tmp_path / "out"
    job = session.run(basin.directory, on="docker", ranks=ranks, image=worker_image, output=out).wait(120)
    assert values(out / "run.nc") == by_dask
    assert f"-n {ranks} " in str(job.plan) or ranks == 1
    assert job.progress.fraction == 1.0
    made_of = job.provenance
    assert made_of["ranks"] == str(ranks)
    assert made_of["image_digest"].startswith("sha256:")
    assert containers(engine, job) == []
    assert sorted(path.name for path in out.iterdir()) == ["provenance.json", "run.nc"]
    assert any("Finished 120 timesteps" in line for line in job.logs())


def test_inputs_and_outputs_in_a_bucket_are_staged_and_keys_stay_outside(
    session, engine, basin, by_dask, values, worker_image, bucket, s3_server, tmp_path
):
    deliver(basin.directory, f"s3://{bucket}/run", last="config/realization.json")
    asked = {"on": "docker", "ranks": 2, "image": worker_image, "output": f"s3://{bucket}/out"}
    assert s3_server.secret not in str(session.plan(f"s3://{bucket}/run", **asked))
    job = session.run(f"s3://{bucket}/run", **asked)
    assert until(lambda: containers(engine, job) or job.state.is_final)
    told = [one.attrs["Config"]["Env"] for one in containers(engine, job)]
    assert not [line for lines in told for line in lines if line.startswith(("AWS_", "DMOD_S3"))]
    job.wait(120)
    s3_server.system().get_file(f"{bucket}/out/run.nc", str(tmp_path / "run.nc"))
    assert values(tmp_path / "run.nc") == by_dask
    assert s3_server.system().exists(f"{bucket}/out/provenance.json")


def test_the_plan_says_the_very_lines_and_starts_nothing(session, engine, basin, worker_image, tmp_path):
    plan = str(session.plan(basin.directory, on="docker", ranks=2, image=worker_image, output=tmp_path / "out"))
    assert "docker run " in plan
    assert "mpirun" in plan
    assert ",readonly" in plan
    there = engine.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True)
    assert [one for one in there if one.labels[LABEL].startswith("plan-")] == []
    assert not (tmp_path / "out").exists()
    assert list((session.settings.home / "jobs").glob("plan-*")) == []


def test_a_cancelled_job_leaves_no_container(session, engine, basin, worker_image, made, tmp_path):
    slow = made("dmod-slow", {"dmod/bin/ngen-parallel": SLOWLY.format(seconds=300)}, on=worker_image)
    job = session.run(basin.directory, on="docker", ranks=2, image=slow, output=tmp_path / "out")
    assert until(lambda: job.state is State.RUNNING), job.events
    began = time.monotonic()
    job.cancel()
    with pytest.raises(DmodError, match="cancelled"):
        job.wait(60)
    assert time.monotonic() - began < 60
    assert containers(engine, job) == []


def test_a_job_goes_on_when_whoever_conducted_it_is_killed(session, engine, basin, worker_image, made, tmp_path):
    slow = made("dmod-slow", {"dmod/bin/ngen-parallel": SLOWLY.format(seconds=6)}, on=worker_image)
    asked = {"on": "docker", "ranks": 2, "image": slow, "output": str(tmp_path / "out")}
    code = f"""
import dmod
job = dmod.Session().run({str(basin.directory)!r}, **{asked!r})
print(job.id, flush=True)
job.wait()
"""
    first = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    job = session.job(first.stdout.readline().strip())
    assert until(lambda: job.state is State.RUNNING), job.events
    assert len(containers(engine, job)) == 1
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    first.stdout.close()
    job.wait(120)
    said = [event.message for event in job.events]
    assert "found again what was started before" in said, said
    assert job.state is State.COMPLETE
    assert containers(engine, job) == []


def test_a_model_that_fails_fails_the_job_with_its_last_words(session, engine, basin, worker_image, made, tmp_path):
    broken = "#!/bin/sh\necho 'NGen Framework 0.3.0'\necho 'the weather is not there' >&2\nexit 3\n"
    image = made("dmod-broken", {"dmod/bin/ngen-parallel": broken}, on=worker_image)
    job = session.run(basin.directory, on="docker", ranks=2, image=image, output=tmp_path / "out")
    with pytest.raises(RunError) as failed:
        job.wait(60)
    assert "the weather is not there" in str(failed.value)
    assert job.state is State.FAILED
    assert containers(engine, job) == []


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        pytest.param({"image": "nobody/has-this:1"}, "image", id="no such image"),
        pytest.param({"ranks": 5000}, "ranks|cut|catchments", id="more ranks than catchments"),
        pytest.param({"hosts": ["tcp://127.0.0.1:1"]}, "engine", id="nobody answers"),
    ],
)
def test_what_cannot_be_is_said_before_anything_starts(session, engine, basin, worker_image, tmp_path, asked, match):
    wanted = {"image": worker_image, "ranks": 2, **asked}
    job = session.run(basin.directory, on="docker", output=tmp_path / "out", **wanted)
    with pytest.raises((InputError, EngineError), match=match):
        job.wait(60)
    assert State.RUNNING not in [event.state for event in job.events]
    assert containers(engine, job) == []
    assert list(tmp_path.iterdir()) == []


def test_no_engine_is_one_clear_error(monkeypatch, basin, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    with Session(read_settings()) as session:
        job = session.run(basin.directory, on="docker", ranks=2, output=tmp_path / "out")
        with pytest.raises(EngineError, match="engine"):
            job.wait(60)
