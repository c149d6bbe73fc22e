"""Run directories and outputs in a bucket, from asking to outputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import pytest

from dmod.errors import DmodError, InputError, RunError, StoreError
from dmod.prepare.basin import make_basin
from dmod.session import Session
from dmod.settings import read_settings
from dmod.store.carry import deliver


@pytest.fixture(scope="module")
def basin(tmp_path_factory):
    return make_basin(tmp_path_factory.mktemp("basin") / "run", catchments=12, days=3)


@pytest.fixture
def session(tmp_path):
    with Session(replace(read_settings(), home=tmp_path / "home")) as one:
        yield one


@pytest.fixture
def there(bucket, basin):
    """Address of a run directory."""
    deliver(basin.directory, f"s3://{bucket}/runs/basin", last="config/realization.json")
    return f"s3://{bucket}/runs/basin"


def values(path):
    with h5py.File(path, "r") as file:
        return {name: variable[()].tobytes() for name, variable in file.items() if variable.ndim == 2}


def test_a_run_is_brought_here_and_its_outputs_are_taken_there(session, there, bucket, s3_server, basin, tmp_path):
    job = session.run(there, output=f"s3://{bucket}/out")
    job.wait(60)
    local = session.run(basin.directory, output=tmp_path / "here").wait(60)
    fetched = tmp_path / "fetched.nc"
    s3_server.system().get_file(f"{bucket}/out/run.nc", str(fetched))
    assert values(fetched) == values(local.target / "run.nc") == values(job.target / "run.nc")
    kept = json.loads(s3_server.system().cat_file(f"{bucket}/out/provenance.json"))
    assert s3_server.secret not in json.dumps(kept)
    assert job.events[-1].message == f"outputs in s3://{bucket}/out"
    assert job.request.title == "basin"


def test_what_is_wrong_with_an_address_is_told_before_anything_is_computed(session, there, bucket, s3_server):
    s3_server.system().pipe_file(f"{bucket}/taken/thesis.tex", b"x")
    with pytest.raises(InputError, match="something at that address already"):
        session.run(there, output=f"s3://{bucket}/taken").wait(60)
    with pytest.raises(DmodError, match="nothing at that address"):
        session.run(f"s3://{bucket}/nothing").wait(60)
    with pytest.raises(StoreError, match="bucket is not there"):
        session.run(there, output="s3://dmod-no-such-bucket/out").wait(60)


def test_outputs_that_could_not_be_taken_there_are_kept_and_nothing_is_computed_again(
    session, there, bucket, s3_server, monkeypatch
):
    def no_room(*_args, **_more):
        raise StoreError("the store has no room")

    with monkeypatch.context() as full:
        full.setattr("dmod.conductor.elsewhere.deliver", no_room)
        job = session.run(there, output=f"s3://{bucket}/out")
        with pytest.raises(RunError, match="could not be taken to where they are wanted") as caught:
            job.wait(60)
    assert "no room" in str(caught.value)
    whole = values(job.target / "run.nc")
    before = (job.target / "run.nc").stat().st_mtime_ns
    job.restart()
    job.wait(60)
    assert (job.target / "run.nc").stat().st_mtime_ns == before
    assert values(job.target / "run.nc") == whole
    assert s3_server.system().exists(f"{bucket}/out/provenance.json")


def test_a_plan_of_a_run_elsewhere_leaves_nothing_here(session, there, bucket, s3_server):
    plan = session.plan(there, output=f"s3://{bucket}/out")
    assert "12 catchments" in str(plan)
    assert not s3_server.system().exists(f"{bucket}/out")
    assert list(session.settings.home.glob("jobs/plan-*")) == []


def test_the_command_line_takes_addresses(there, bucket, s3_server, tmp_path):
    told = {**os.environ, "DMOD_HOME": str(tmp_path / "home")}
    command = [str(Path(sys.executable).with_name("dmod")), "run", there, "--output", f"s3://{bucket}/out", "--json"]
    done = subprocess.run(command, env=told, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "complete"
    assert s3_server.system().exists(f"{bucket}/out/provenance.json")
    again = subprocess.run(command, env=told, capture_output=True, text=True, timeout=120, check=False)
    assert again.returncode == 2
    assert "something at that address already" in again.stderr + again.stdout
