"""The same run directory gives what the real ngen printed, byte for byte."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from dmod.formats.outputs import open_outputs
from dmod.session import Session

pytestmark = pytest.mark.filterwarnings("ignore:Port \\d+ is already in use")

CASES = {"gauge_01073000": "expected/per_feature", "n20": "expected"}
#: Catchments and nexuses of each.
SIZES = {"gauge_01073000": (5, 3), "n20": (20, 9)}


@pytest.fixture(scope="module")
def copied(data, tmp_path_factory):
    """Gives a fresh copy of a case, without what ngen printed."""

    def copy(case):
        target = tmp_path_factory.mktemp(case) / case
        shutil.copytree(data / "ngen-reference" / case, target, ignore=shutil.ignore_patterns("expected"))
        return target

    return copy


@pytest.fixture(scope="module", params=CASES)
def case(request, data, copied):
    """Name, folder of what ngen printed, and the outputs of our own run as NetCDF, of each case."""
    name = request.param
    directory = copied(name)
    Session().run(directory).wait()
    return name, data / "ngen-reference" / name / CASES[name], open_outputs(directory).load()


@pytest.mark.parametrize("name", CASES)
def test_csv_outputs_are_those_of_ngen_byte_for_byte(name, data, copied):
    expected = data / "ngen-reference" / name / CASES[name]
    job = Session().run(copied(name), output_format="ngen").wait()
    made = {path.name: path for path in job.request.target.glob("*.csv")}
    printed = {path.name: path for path in expected.glob("*.csv")}
    assert len(printed) == sum(SIZES[name])
    assert set(printed) <= set(made)
    assert [one for one in printed if made[one].read_bytes() != printed[one].read_bytes()] == []


def test_aggregated_csv_holds_the_rows_of_ngen(data, copied):
    """Steps in order, and in each step every catchment once; ngen takes them in an order of its own."""
    directory = copied("gauge_01073000")
    config = directory / "config" / "realization.json"
    content = json.loads(config.read_text())
    content["output"] = {"root": "./outputs/ngen/", "catchment": {"grouping": "per_formulation"}}
    config.write_text(json.dumps(content))
    job = Session().run(directory, output_format="ngen").wait()
    expected = data / "ngen-reference" / "gauge_01073000" / "expected" / "aggregated_netcdf" / "cat_output.csv"
    made = (job.request.target / "cat_output.csv").read_text().splitlines()
    printed = expected.read_text().splitlines()
    assert len(printed) == 1 + 5 * 720
    assert made[0] == printed[0]
    assert sorted(made[1:]) == sorted(printed[1:])
    assert [row.split(",")[1] for row in made] == [row.split(",")[1] for row in printed]
    assert list(job.request.target.glob("cat-*.csv")) == []


def test_netcdf_catchments_agree_to_nine_digits(case):
    name, expected, outputs = case
    files = sorted(expected.glob("cat-*.csv"))
    assert len(files) == SIZES[name][0]
    for path in files:
        printed = pd.read_csv(path)
        ours = outputs.sel({"catchment-id": path.stem})
        assert (pd.to_datetime(printed.pop("Time")).to_numpy() == ours["time"].values).all()
        for column in printed.columns.drop("Time Step"):
            np.testing.assert_allclose(ours[column], printed[column], rtol=5.01e-9, atol=0, err_msg=f"{path} {column}")


def test_netcdf_nexuses_agree_to_six_digits(case):
    name, expected, outputs = case
    files = sorted(expected.glob("*_output.csv"))
    assert len(files) == SIZES[name][1]
    for path in files:
        printed = pd.read_csv(path, header=None)[2]
        ours = outputs["nexus_flow"].sel({"nexus-id": path.name.removesuffix("_output.csv")})
        np.testing.assert_allclose(ours, printed, rtol=5.01e-6, atol=0, err_msg=str(path))


def test_nexus_netcdf_of_ngen_agrees_with_ours(data, copied):
    directory = copied("gauge_01073000")
    Session().run(directory).wait()
    theirs = open_outputs(
        data / "ngen-reference" / "gauge_01073000" / "expected" / "aggregated_netcdf" / "formulation_default_nexuses.nc"
    )["nexus_flow"].load()
    ours = open_outputs(directory)["nexus_flow"].load()
    assert sorted(theirs["nexus-id"].values) == sorted(ours["nexus-id"].values)
    np.testing.assert_allclose(ours.sel({"nexus-id": theirs["nexus-id"]}), theirs, rtol=1e-12)


def test_csv_forcing_gives_what_netcdf_forcing_gives(data, copied):
    """The NetCDF file is in single precision, so the weather itself differs in the eighth digit."""
    directory = copied("n20")
    job = Session().run(directory, realization=directory / "config" / "csv-forcing.json").wait()
    outputs = job.outputs.load()
    for path in sorted((data / "ngen-reference" / "n20" / "expected").glob("cat-*.csv")):
        printed = pd.read_csv(path)
        ours = outputs.sel({"catchment-id": path.stem})
        for column in printed.columns.drop(["Time", "Time Step"]):
            # What is a difference of storages loses digits: it is held to the size of what passes.
            size = 2e-5 * np.abs(printed[column]).max() if column == "SOIL_STORAGE_CHANGE" else 0.0
            np.testing.assert_allclose(ours[column], printed[column], rtol=2e-5, atol=size, err_msg=f"{path} {column}")
