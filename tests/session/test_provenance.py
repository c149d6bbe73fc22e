"""Outputs say what they were made from, so that a change of any input shows."""

from __future__ import annotations

import json
import re
import shutil
import sys

import h5py
import pytest

import dmod
from dmod.prepare.basin import make_basin
from dmod.session import Session

DIGESTS = ("hydrofabric_digest", "realization_digest", "config_digest", "forcing_digest")


@pytest.fixture(scope="module")
def basin(tmp_path_factory):
    """Twelve catchments, three days; nobody writes into it."""
    return make_basin(tmp_path_factory.mktemp("made") / "run", catchments=12, days=3)


@pytest.fixture(scope="module")
def complete(basin, tmp_path_factory):
    """A run of it that is complete."""
    return Session().run(basin.directory, output=tmp_path_factory.mktemp("complete") / "out").wait(120)


def provenance(directory, target) -> dict[str, str]:
    """What a run of *directory* says it was made from."""
    Session().run(directory, output=target).wait(120)
    return json.loads((target / "provenance.json").read_text())


def test_the_file_and_its_attributes_say_the_same(complete):
    said = json.loads((complete.request.target / "provenance.json").read_text())
    with h5py.File(complete.request.target / "run.nc", "r") as file:
        attributes = {k: file.attrs[k] for k in said}
        assert file.attrs["dmod_status"] == "complete"
        assert file.attrs["Conventions"].startswith("CF-1.")
    assert attributes == said


def test_versions_inputs_and_the_command_are_named(complete, basin):
    said = json.loads((complete.request.target / "provenance.json").read_text())
    assert said["dmod_version"] == dmod.__version__
    assert said["python_version"] == ".".join(map(str, sys.version_info[:3]))
    assert {"numba_version", "numpy_version", "dask_version"} <= set(said)
    assert said["source"] == "SLOTH + PET + CFE"
    assert said["run_directory"] == str(basin.directory)
    assert (said["hydrofabric"], said["realization"]) == ("basin.gpkg (v2.2)", "realization.json")
    assert (said["forcing"], said["units_policy"], said["routing"]) == ("forcings.nc", "strict", "not routed")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", said["date_created"])
    assert said["history"].startswith(said["date_created"] + " ")
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", said[name]) for name in DIGESTS)


@pytest.mark.parametrize(
    ("file", "changed"),
    [
        pytest.param(None, set(), id="nothing"),
        pytest.param("config/cat_config/CFE/cat-7.ini", {"config_digest"}, id="one configuration"),
        pytest.param("config/realization.json", {"realization_digest"}, id="the realization"),
    ],
)
def test_a_digest_changes_with_its_input_and_with_nothing_else(basin, complete, tmp_path, file, changed):
    directory = tmp_path / "run"
    shutil.copytree(basin.directory, directory)
    if file is not None:
        (directory / file).write_text((directory / file).read_text() + "\n")
    before = json.loads((complete.request.target / "provenance.json").read_text())
    now = provenance(directory, tmp_path / "out")
    assert {name for name in DIGESTS if now[name] != before[name]} == changed
