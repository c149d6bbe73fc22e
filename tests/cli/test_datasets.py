"""``dmod datasets``: what it prints, where, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from dmod.cli.commands import app
from dmod.testing.rivers import tiny_run_directory


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, of somebody called Ada."""
    monkeypatch.setenv("DMOD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DMOD_OWNER", "ada")
    return tmp_path / "home"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory of three catchments and six hours from 2016-09-01."""
    return tiny_run_directory(tmp_path_factory.mktemp("tiny"))


def dmod(*words: str | Path, code: int = 0) -> Result:
    """One command of ``dmod datasets``; it must end with *code*, and with no error that is not ours."""
    done = CliRunner().invoke(app, ["datasets", *map(str, words)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == code, done.output
    return done


def told(*words: str | Path, code: int = 0) -> dict:
    """What a command says with ``--json``: one object, and nothing else."""
    return json.loads(dmod(*words, "--json", code=code).stdout)


def test_a_dataset_from_adding_to_sweeping(tiny, tmp_path):
    path = tiny / "forcings" / "forcings.nc"
    added = told("add", path, "--name", "rain", "--description", "six hours")
    assert (added["name"], added["format"], added["owner"]) == ("rain", "forcing-netcdf", "ada")
    assert [one["name"] for one in told("list")["datasets"]] == ["rain"]
    assert told("show", "rain")["digest"] == added["digest"]
    assert told("verify", "rain") == {"name": "rain", "digest": added["digest"], "ok": True}
    got = told("get", "rain", tmp_path / "out")
    assert got["files"] == ["forcings.nc"]
    assert (tmp_path / "out" / "forcings.nc").read_bytes() == path.read_bytes()
    assert told("remove", "rain")["id"] == added["id"]
    assert told("list") == {"datasets": []}
    assert told("sweep") == {"expired": [], "objects": 0, "size": 0}


def test_people_read_text(tiny, tmp_path):
    assert "hydrofabric, a hydrofabric as one GeoPackage" in dmod("add", tiny / "config" / "tiny.gpkg").stdout
    assert dmod("list").stdout.splitlines()[1].startswith("tiny")
    assert "holds" in dmod("show", "tiny").stdout
    assert dmod("find", "--ids", "cat-1,cat-3").stdout.splitlines()[1].startswith("tiny")
    assert dmod("verify", "tiny").stdout == "tiny is what was added\n"
    assert dmod("get", "tiny", tmp_path / "out").stdout == f"1 file in {tmp_path / 'out'}\n"
    assert dmod("remove", "tiny").stdout == "tiny is removed\n"
    assert dmod("sweep").stdout == "expired: none; removed 0 bytes of the store\n"
    assert dmod("list").stdout == "no datasets\n"
    assert dmod("add", tiny / "config" / "tiny.gpkg", "--quiet").output == ""


def test_finding_nothing_ends_with_1(tiny):
    dmod("add", tiny / "forcings" / "forcings.nc")
    asked = ("find", "--category", "forcing", "--start", "2016-09-01", "--end", "2016-09-01 06:00")
    assert [one["name"] for one in told(*asked, "--ids", "cat-2")["datasets"]] == ["forcings"]
    assert told(*asked, "--ids", "cat-2,cat-4", code=1) == {"datasets": []}
    assert told("find", "--variables", "T2D", "--category", "forcing")["datasets"][0]["name"] == "forcings"


def test_an_upload_that_fails_says_so_and_ends_with_2(tiny, tmp_path):
    """CL-6 of the first DMOD: a failed upload reported success."""
    assert "there is nothing to add" in dmod("add", tmp_path / "absent", code=2).stderr
    dmod("add", tiny / "config" / "tiny.gpkg", "--name", "river")
    said = told("add", tiny / "config" / "CFE", "--name", "river", code=2)
    assert (said["error"], said["message"]) == ("DatasetError", "there is a dataset 'river' already")
    assert len(told("list")["datasets"]) == 1


def test_a_store_that_cannot_be_written_ends_with_1_and_nothing_is_listed(tiny, home, monkeypatch):
    home.mkdir()
    (home / "store").write_text("a file is in the way")
    assert "the store is not a directory" in dmod("add", tiny / "config" / "tiny.gpkg", code=1).stderr
    assert told("list") == {"datasets": []}


def test_bytes_that_changed_are_named_and_end_with_2(tmp_path):
    run = tiny_run_directory(tmp_path / "run", forcing="csv")
    dmod("add", run / "forcings", "--name", "rain", "--in-place")
    dmod("verify", "rain")
    (run / "forcings" / "cat-1.csv").write_text("time,T2D\n")
    said = told("verify", "rain", code=2)
    assert said["facts"]["changed"] == "cat-1.csv"
    assert "changed since it was added" in dmod("get", "rain", tmp_path / "out", code=2).stderr
    assert not (tmp_path / "out").exists()


def test_a_temporary_dataset_says_until_when(tiny):
    added = told("add", tiny / "config" / "tiny.gpkg", "--expires-in", "2 days")
    assert added["expires_s"] - added["created_s"] == pytest.approx(2 * 86_400)
    assert "expires" in dmod("show", "tiny").stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show", "nobody"], "there is no dataset 'nobody'"),
        (["get", "nobody", "out"], "there is no dataset 'nobody'"),
        (["find"], "nothing is asked for"),
        (["list", "--category", "rain"], "there is no category 'rain'"),
        (["find", "--ids", "cat-1", "--format", "grib"], "there is no format 'grib'"),
    ],
)
def test_a_mistake_is_an_error_with_a_reason_and_ends_with_2(words, message):
    assert f"error: {message}" in dmod(*words, code=2).stderr
