"""What a user holds: a session, and a live handle on each job."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

import dmod
from dmod.cli.commands import app
from dmod.errors import CheckError, InputError, OutputError, SelectionError
from dmod.formats.outputs import open_outputs
from dmod.job.lifecycle import LINE
from dmod.model.findings import Report
from dmod.prepare.basin import make_basin
from dmod.service import LocalService
from dmod.session import Job, Session, request_of
from dmod.settings import read_settings

STATES = ["resolved", "prepared", "partitioned", "allocated", "running", "finished", "complete"]


@pytest.fixture(scope="module")
def basin(tmp_path_factory):
    """Twelve catchments, three days; nobody writes into it."""
    return make_basin(tmp_path_factory.mktemp("made") / "run", catchments=12, days=3)


@pytest.fixture(scope="module")
def complete(basin, tmp_path_factory):
    """A run of it that is complete."""
    return Session().run(basin.directory, output=tmp_path_factory.mktemp("complete") / "out").wait(120)


@pytest.fixture
def target(tmp_path):
    """Where a test has its outputs written."""
    return tmp_path / "out"


def test_run_is_connect_and_run(basin, target):
    job = dmod.run(basin.directory, output=target)
    assert isinstance(job, Job)
    assert job.wait(60) is job
    assert repr(job) == f"Job({job.id!r}, complete, 100%)"
    assert job.id.startswith("run-")


def test_a_session_knows_its_jobs(basin, tmp_path):
    with Session(replace(read_settings(), home=tmp_path / "home")) as session:
        assert repr(session) == "Session(this machine, 0 jobs)"
        one = session.run(basin.directory, output=tmp_path / "one")
        two = session.run(basin.directory, output=tmp_path / "two")
        assert session.jobs == [two, one]
        assert [job.wait(60).state for job in session.jobs] == ["complete", "complete"]
        assert session.job(one.id) == one
        assert session.jobs.wait(1) == [two, one]
        assert "complete" in repr(session.jobs)
        assert session.jobs._repr_html_().count("<tr>") == 3


def test_a_job_walks_the_line_in_order(complete):
    assert [event.state for event in complete.events] == ["requested", *STATES]
    assert [event.facts["verb"] for event in complete.events[1:]] == [verb.name for verb in LINE]
    assert [event.number for event in complete.events] == list(range(8))
    assert all(event.message for event in complete.events)
    times = [event.time_s for event in complete.events]
    assert times == sorted(times)


def test_the_status_of_a_complete_job_is_json_and_complete(complete, basin):
    status = json.loads(json.dumps(complete.status()))
    assert {
        "name", "state", "goal", "message", "fraction", "done", "total", "rate", "elapsed_s", "remaining_s",
        "catchments", "steps", "workers", "step", "simulated_time", "output",
    } <= set(status)  # fmt: skip
    assert (status["name"], status["state"], status["goal"]) == ("run", "complete", "complete")
    assert (status["catchments"], status["steps"], status["step"]) == (12, 72, 72)
    assert (status["done"], status["total"], status["fraction"]) == (12 * 72, 12 * 72, 1.0)
    assert status["simulated_time"] == "2015-10-03T23:00:00+00:00"
    assert (status["workers"], status["output"]) == (1, str(complete.request.target))


def test_a_job_can_be_asked_anything_before_it_has_begun(basin, target):
    service = LocalService(read_settings())
    job = Job(service, service.submit(request_of(basin.directory, output=target), attend=False))
    assert repr(job) == f"Job({job.id!r}, requested, 0%)"
    assert (job.report, job.plan, [event.message for event in job.events]) == (None, None, ["requested"])
    assert job.status()["state"] == "requested"
    with pytest.raises(TimeoutError, match=rf"job {job.id} is still requested after 0 s"):
        job.wait(0)
    assert "text/html" in job._repr_mimebundle_()


def test_the_plan_says_what_is_run_where(complete, basin):
    lines = dict(line.split(maxsplit=1) for line in str(complete.plan).splitlines())
    assert lines == {
        "run": str(basin.directory),
        "domain": f"12 catchments, {len(complete.domain.network.nexuses)} nexuses (basin.gpkg, v2.2)",
        "models": "SLOTH + PET + CFE",
        "forcing": str(basin.forcing),
        "time": "2015-10-01 00:00 .. 2015-10-03 23:00 UTC, 72 hourly steps",
        "tasks": "1 of 12 to 12 catchments on a Dask LocalCluster of 1 thread",
        "outputs": str(complete.request.target),
    }


def test_outputs_are_one_lazy_dataset_with_units_on_every_variable(complete, basin):
    with complete.outputs as outputs:
        assert {name: v.dims for name, v in outputs.data_vars.items()} == {
            name: ("nexus-id" if name == "nexus_flow" else "catchment-id", "time") for name in outputs.data_vars
        }
        assert all(v.chunks is not None for v in outputs.data_vars.values()), "nothing is read before it is asked for"
        assert all(v.attrs["units"] and v.attrs["long_name"] for v in outputs.data_vars.values())
        assert outputs["nexus_flow"].attrs["units"] == "m3 s-1"
        assert outputs["Q_OUT"].attrs["units"] == "m"
        assert outputs["catchment-id"].values.tolist() == list(basin.ids)
        times = outputs["time"].values
        assert (str(times[0]), str(times[-1])) == (
            "2015-10-01T00:00:00.000000000",
            "2015-10-03T23:00:00.000000000",
        )
        assert np.isfinite(outputs["Q_OUT"].values).all()


def test_the_same_outputs_in_every_format(complete, basin, tmp_path):
    session = Session()
    with complete.outputs as expected:
        for name in ("zarr", "ngen"):
            job = session.run(basin.directory, output=tmp_path / name, output_format=name).wait(120)
            with job.outputs as found:
                tolerance = {"rtol": 0, "atol": 0} if name == "zarr" else {"rtol": 5e-6, "atol": 0}
                flow = found["nexus_flow"].sel({"nexus-id": basin.gage_nexus}).values
                wanted = expected["nexus_flow"].sel({"nexus-id": basin.gage_nexus}).values
                np.testing.assert_allclose(flow, wanted, **tolerance)
            assert not (tmp_path / name / "run.nc").exists()
            assert (tmp_path / name / "provenance.json").is_file()
    assert (tmp_path / "zarr" / "run.zarr").is_dir()
    assert (tmp_path / "ngen" / "cat-1.csv").is_file()


def test_a_run_over_part_of_the_time_gives_the_first_hours_of_the_whole(complete, basin, target):
    job = Session().run(basin.directory, output=target, end="2015-10-01 23:00:00").wait(60)
    assert job.status()["steps"] == 24
    with complete.outputs as whole, job.outputs as day:
        assert (day["Q_OUT"].values == whole["Q_OUT"].values[:, :24]).all()


def test_a_run_that_starts_later_starts_from_the_initial_state(basin, target):
    options = {"start": "2015-10-02", "end": "2015-10-02 05:00"}
    with Session().run(basin.directory, output=target, **options).outputs as outputs:
        assert outputs.sizes["time"] == 6
        assert str(outputs["time"].values[0]) == "2015-10-02T00:00:00.000000000"


@pytest.mark.parametrize("wanted", ["cat-3, cat-1", ["cat-1", "cat-3"], ("cat-3", "cat-1")])
def test_catchments_are_named_by_a_list_or_by_words_with_commas(basin, target, wanted):
    job = Session().run(basin.directory, output=target, catchments=wanted).wait(60)
    with job.outputs as outputs:
        assert outputs["catchment-id"].values.tolist() == ["cat-1", "cat-3"]
    assert len(job.domain.network) == 2


def test_outputs_are_replaced_only_when_that_is_asked_for(basin, target):
    session = Session()
    session.run(basin.directory, output=target).wait(60)
    with pytest.raises(OutputError, match="not empty") as caught:
        session.run(basin.directory, output=target).wait(60)
    assert "--overwrite" in caught.value.hint
    assert session.run(basin.directory, output=target, overwrite=True).wait(60).state == "complete"


def test_a_directory_that_is_not_ours_is_never_replaced(basin, target):
    target.mkdir()
    (target / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputError, match="not replaced"):
        Session().run(basin.directory, output=target, overwrite=True).wait(60)
    assert (target / "thesis.tex").read_text() == "years of work"


def test_parts_may_be_named_by_hand(complete, basin, target, tmp_path):
    elsewhere = tmp_path / "weather.nc"
    shutil.copyfile(basin.forcing, elsewhere)
    job = Session().run(
        basin.directory,
        hydrofabric=basin.geopackage,
        realization=basin.realization,
        forcing=elsewhere,
        output=target,
    )
    job.wait(60)
    assert str(elsewhere) in str(job.plan)
    with job.outputs as found, complete.outputs as expected:
        assert (found["Q_OUT"].values == expected["Q_OUT"].values).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param({"workers": 0}, "at least one worker", id="workers"),
        pytest.param({"units": "loose"}, "no units policy 'loose'", id="units"),
        pytest.param({"output_format": "grib"}, "no output format 'grib'", id="format"),
        pytest.param({"start": "tomorrow"}, "cannot read the time 'tomorrow'", id="start"),
        pytest.param({"catchments": " , "}, "no catchment was asked for", id="catchments"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_there_is_a_job(basin, tmp_path, options, said):
    session = Session(replace(read_settings(), home=tmp_path / "home"))
    with pytest.raises(InputError, match=said):
        session.run(basin.directory, **options)
    assert session.jobs == []


def test_an_option_nobody_knows_is_refused_by_name(basin):
    with pytest.raises(TypeError, match="wokers"):
        Session().run(basin.directory, wokers=2)


@pytest.mark.parametrize("workers", [None, 2])
def test_what_is_wrong_with_files_is_in_the_job(tmp_path, workers):
    job = Session().run(tmp_path / "nothing-here", workers=workers)
    with pytest.raises(InputError) as caught:
        job.wait(60)
    assert str(tmp_path / "nothing-here") in str(caught.value)
    assert (job.state, job.plan) == ("failed", None)
    for ask in (lambda: job.outputs, lambda: job.domain, lambda: job.evaluate("obs.csv")):
        with pytest.raises(InputError):
            ask()


def test_a_catchment_nobody_has_is_refused(basin, target):
    with pytest.raises((SelectionError, CheckError), match="cat-999"):
        Session().run(basin.directory, output=target, catchments="cat-999").wait(60)
    assert not target.exists()


def test_a_run_that_the_check_refuses_shows_what_the_check_found(basin, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(basin.directory, broken)
    (broken / "config" / "cat_config" / "CFE" / "cat-2.ini").unlink()
    job = Session().run(broken)
    with pytest.raises(CheckError, match="cat-2") as caught:
        job.wait(60)
    assert caught.value.report is job.report
    assert not job.report.ok
    assert [event.state for event in job.events] == ["requested", "resolved", "failed"]
    assert not (broken / "outputs" / "dmod").exists()
    assert not (broken / "outputs" / "dmod.partial").exists()


@pytest.mark.parametrize("fault", ["none", "no config"])
def test_check_finds_what_the_command_line_finds(basin, tmp_path, fault):
    directory = tmp_path / "run"
    shutil.copytree(basin.directory, directory)
    if fault != "none":
        (directory / "config" / "cat_config" / "PET" / "cat-5.ini").unlink()
    report = Session().check(directory)
    told = CliRunner().invoke(app, ["check", str(directory), "--json"])
    assert isinstance(report, Report)
    assert json.loads(told.stdout) == json.loads(json.dumps(report.to_dict()))
    assert told.exit_code == (0 if report.ok else 2)
    assert report.ok is (fault == "none")


def test_a_card_shows_how_things_stand_and_escapes_the_name(basin, tmp_path):
    named = tmp_path / "<b>mad & river"
    shutil.copytree(basin.directory, named)
    job = Session().run(named).wait(60)
    bundle = job._repr_mimebundle_()
    assert bundle["text/plain"] == f"Job({job.id!r}, complete, 100%)"
    assert "&lt;b&gt;mad &amp; river" in bundle["text/html"]
    assert "<b>" not in bundle["text/html"]
    assert "complete" in bundle["text/html"]


def test_outputs_of_a_job_are_what_open_outputs_reads(complete):
    with complete.outputs as ours, open_outputs(complete.request.target) as read:
        assert ours.identical(read)
