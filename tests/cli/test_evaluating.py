"""``dmod evaluate``: what it prints, where, and how it ends."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from typer.testing import CliRunner, Result

from dmod.cli.commands import app
from dmod.domain.domain import Domain

sys.path.insert(0, str(Path(__file__).parent.parent / "evaluation"))
from made_specification import SITES, saved, specification, written


def dmod(*words: str | Path, code: int = 0) -> Result:
    """One call of ``dmod evaluate``; it must end with *code*, and with no error that is not ours."""
    done = CliRunner().invoke(app, ["evaluate", *map(str, words)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == code, done.output
    return done


def told(*words: str | Path, code: int = 0) -> dict:
    """What it says with ``--json``: one object, and nothing else."""
    return json.loads(dmod(*words, "--json", code=code).stdout)


@pytest.fixture
def spec(tmp_path):
    """A sound specification beside its data."""
    return saved(tmp_path, written(tmp_path))


def test_a_specification_is_run_and_its_scores_are_shown(spec):
    shown = dmod(spec).stdout
    for word in ("four days", "cat-1", "cat-2", "Median", "Flood", "all", "kge", "grades [%]"):
        assert word in shown, word
    made = told(spec)
    assert f"{made['grade']['letter']}  {made['grade']['grade']:.2f} %" in shown
    assert {row["place"] for row in made["grade"]["scores"]} == set(SITES.values())


def test_the_original_way_of_scoring(spec):
    made = told(spec, "--scoring", "dmod")
    assert made["grade"]["scoring"] == "dmod"
    assert {row["threshold"] for row in made["grade"]["scores"]} == {"p50_va", "Flood", "flood"} - {"Flood"}


def test_five_mistakes_are_five_lines_and_exit_code_two(tmp_path):
    wrong = written(tmp_path)
    wrong["observations"][0].pop("value_field")
    wrong["observations"][0]["backend"]["address"] = "lost.json"
    wrong["predictions"][0]["unit"] = "furlongs per"
    wrong["scheme"]["metrics"][0]["name"] = "Luck"
    wrong["scheme"]["metrics"][1]["weight"] = "heavy"
    path = saved(tmp_path, wrong)
    for words in ((path, "--check"), (path,)):
        done = dmod(*words, code=2)
        assert done.stderr.count("error: ") == 5
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
    made = told(path, "--check", code=2)
    assert (made["ok"], made["errors"]) == (False, 5)
    assert told(path, code=2)["errors"] == 5


def test_a_sound_specification_is_said_to_be_so(spec):
    assert dmod(spec, "--check").stdout == "nothing to report\n"
    assert told(spec, "--check")["ok"] is True


def test_addresses_may_be_relative_to_another_directory(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "specs").mkdir()
    path = saved(tmp_path / "specs", written(tmp_path / "data"))
    assert told(path, "--folder", tmp_path / "data")["grade"]["covered"] == pytest.approx(1.0)
    assert "no file is there" in dmod(path, code=2).stderr


def test_the_schema_is_json():
    assert json.loads(dmod("--schema").stdout)["title"] == "EvaluationSpecification"


def test_metrics_are_listed():
    assert "Kling-Gupta efficiency" in dmod("--list-metrics").stdout
    assert len(dmod("--list-metrics", "--scoring", "dmod").stdout.splitlines()) == 14
    assert {row["name"] for row in told("--list-metrics")["metrics"]} >= {"kge", "nse", "pod"}


@pytest.mark.parametrize("kind", ["nc", "csv", "json"])
def test_results_are_written(spec, tmp_path, kind):
    path = tmp_path / f"made.{kind}"
    assert f"written  {path}" in dmod(spec, "--output", path).stdout
    if kind == "nc":
        from dmod import Evaluation

        assert set(Evaluation.load(path).metrics) == {"pod", "far", "kge"}
    elif kind == "csv":
        assert "cat-1" in path.read_text()
    else:
        assert json.loads(path.read_text())["name"] == "four days"


def test_a_report_is_one_page(spec, tmp_path):
    path = tmp_path / "page.html"
    dmod(spec, "--report", path)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "four days" in text


@pytest.fixture
def outputs(tmp_path):
    """Flow at two nexuses, and observations of both under their names."""
    times = pd.date_range("2021-01-01", periods=50, freq="h")
    flow = np.vstack([np.arange(50.0) + 1, 60 - np.arange(50.0)])
    sim = xr.DataArray(flow, {"nexus-id": ["nex-1", "nex-2"], "time": times}, ("nexus-id", "time"), name="nexus_flow")
    whole = sim.assign_attrs(units="m3 s-1").to_dataset().assign_attrs(dmod_status="complete")
    whole.to_netcdf(tmp_path / "flow.nc", engine="h5netcdf")
    rows = [
        (site, t, q)
        for site, row in zip(sim["nexus-id"].values, 2 * flow, strict=True)
        for t, q in zip(times, row, strict=True)
    ]
    table = pd.DataFrame(rows, columns=["site", "time", "flow [m3 s-1]"])
    table.to_csv(tmp_path / "obs.csv", index=False)
    return tmp_path


def test_outputs_against_observations(outputs):
    made = told(
        outputs / "flow.nc",
        "--against",
        outputs / "obs.csv",
        "--metrics",
        "pbias,pod",
        "--thresholds",
        "q50, 30 m3 s-1",
    )
    assert len(made["scores"]) == 2
    values = [value for row in made["scores"] for name, value in row.items() if name.startswith("pbias")]
    assert set(values) == {-50.0}
    assert "grade" not in made


def test_groups_and_intervals_are_shown_and_what_has_no_value_is_told(outputs):
    words = (outputs / "flow.nc", "--against", outputs / "obs.csv", "--metrics", "rmse,pod")
    shown = dmod(*words, "--groups", "hour", "--thresholds", "9000 m3 s-1").stdout
    assert "no event was observed" in shown
    shown = dmod(*words[:-1], "rmse", "--confidence", "0.8 10h").stdout
    assert "the interval of 80% confidence" in shown
    assert " [" in shown


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A run directory that was run, its gage, the id of its job, and its own flow as observations."""
    from dmod.formats.outputs import open_outputs
    from dmod.prepare.basin import make_basin

    basin = make_basin(tmp_path_factory.mktemp("ran") / "basin", catchments=8, days=3)
    done = CliRunner().invoke(app, ["run", str(basin.directory), "--json"])
    assert done.exit_code == 0, done.output
    nexus = Domain.open(next(basin.directory.glob("config/*.gpkg"))).gages[basin.gage][1]
    flow = open_outputs(basin.directory)["nexus_flow"].sel({"nexus-id": nexus}).to_pandas()
    path = basin.directory / "observed.csv"
    flow.rename("flow [m3 s-1]").rename_axis("time").to_csv(path)
    return basin, json.loads(done.stdout)["id"], path, nexus


def test_a_run_directory_and_a_job_against_a_gage(ran):
    basin, job, path, nexus = ran
    for target in (basin.directory, job):
        made = told(target, "--against", path, "--gage", basin.gage, "--metrics", "nse,pbias")
        assert nexus in made["name"]
        [row] = made["scores"]
        assert (row["nse"], row["pbias"]) == (pytest.approx(1.0), pytest.approx(0.0, abs=1e-9))


def test_a_gage_that_is_not_in_the_domain_is_told(ran):
    basin, _, path, _ = ran
    assert basin.gage in dmod(basin.directory, "--against", path, "--gage", "1", code=2).stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "nothing to evaluate"),
        (["flow.nc"], "nothing to compare it with"),
        (["none.json"], "no such specification"),
        (["evaluation.json", "--scoring", "old"], "no scoring 'old'"),
        (["evaluation.json", "--output", "gone/x.nc"], "no such directory"),
        (["evaluation.json", "--report", "page.pdf"], "a report is a page of HTML"),
        (["flow.nc", "--against", "gone.csv"], "gone.csv"),
        (["evaluation.json", "--metrics", "kge"], "--metrics does not go with a specification"),
        (["evaluation.json", "--against", "obs.csv"], "--against does not go with a specification"),
        (["flow.nc", "--against", "obs.csv", "--scoring", "dmod"], "--scoring goes with a specification only"),
        (["flow.nc", "--against", "obs.csv", "--check"], "--check goes with a specification only"),
        (["flow.nc", "--against", "obs.csv", "--thresholds", "100"], "the threshold 100 has no units"),
        (["flow.nc", "--against", "obs.csv", "--groups", "saison"], "no grouping 'saison'"),
        (["flow.nc", "--against", "obs.csv", "--confidence", "sure"], "no level of confidence"),
        (["flow.nc", "--against", "obs.csv", "--output", "x.foo"], "does not say what to write"),
        (["no-such-job", "--against", "obs.csv"], "no job 'no-such-job'"),
    ],
)
def test_wrong_input_is_told_with_exit_code_two(outputs, monkeypatch, words, says):
    monkeypatch.chdir(outputs)
    saved(outputs, specification())
    done = dmod(*words, code=2)
    assert says in done.stderr
    assert done.stdout == ""
