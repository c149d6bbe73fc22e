"""The same run directory gives what the real ngen printed, byte for byte."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from dmod.formats.forcing import ForcingRef, open_forcing
from dmod.formats.outputs import open_outputs
from dmod.session import Session

pytestmark = pytest.mark.filterwarnings("ignore:Port \\d+ is already in use")

CASES = {"gauge_01073000": "expected/per_feature", "n20": "expected"}
#: Catchments and nexuses of each.
SIZES = {"gauge_01073000": (5, 3), "n20": (20, 12)}


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
        np.testing.assert_allclose(ours, printed, rtol=5.01e-6, err_msg=str(path))


def test_nexus_netcdf_of_ngen_agrees_with_ours(case, data):
    name, _, outputs = case
    if name != "gauge_01073000":
        pytest.skip("ngen wrote a nexus NetCDF for the gauge only")
    expected = data / "ngen-reference/gauge_01073000/expected/aggregated_netcdf"
    theirs = open_outputs(expected / "formulation_default_nexuses.nc")["nexus_flow"].load()
    ours = outputs["nexus_flow"]
    assert sorted(theirs["nexus-id"].values) == sorted(ours["nexus-id"].values)
    np.testing.assert_allclose(ours.sel({"nexus-id": theirs["nexus-id"]}), theirs, rtol=1e-12)


def weather(ref, ids):
    """All forcing of the catchments *ids*, in double precision."""
    source = open_forcing(ref, ids)
    rows, count = np.array([list(source.ids).index(name) for name in ids]), source.axis.count
    values = {name: source.read(name, rows, 0, count).astype(np.float64) for name in source.variables}
    source.close()
    return values


def saturated(values):
    """Where PET takes the air for saturated: vapour pressure above 611 exp(17.27 T / (237.3 + T)) [Pa]."""
    celsius = values["TMP_2maboveground"] - 273.15
    vapour = values["SPFH_2maboveground"] * values["PRES_surface"] / 0.622
    return vapour > 611.0 * np.exp(17.27 * celsius / (237.3 + celsius))


def test_csv_of_the_netcdf_numbers_gives_the_bytes_of_ngen(data, copied):
    directory = copied("n20")
    ids = [f"cat-{n}" for n in range(1, 21)]
    values = weather(ForcingRef(directory / "forcings" / "forcings.nc", "NetCDF"), ids)
    hours = pd.date_range("2015-12-01", periods=720, freq="h")
    for row, name in enumerate(ids):
        table = pd.DataFrame({variable: block[row] for variable, block in values.items()}, index=hours)
        table.to_csv(directory / "forcings" / "csv" / f"{name}.csv", index_label="time", date_format="%F %T")
    csv = directory / "config" / "csv-forcing.json"
    job = Session().run(directory, realization=csv, output_format="ngen").wait()
    for path in (data / "ngen-reference" / "n20" / "expected").glob("*.csv"):
        assert (job.request.target / path.name).read_bytes() == path.read_bytes(), path.name


def test_csv_forcing_gives_what_netcdf_forcing_gives(data, copied):
    """Both hold the same weather rounded in their own ways, to 2e-5 of what an output reaches.

    Where the air is saturated but for rounding, PET jumps: it dries what it takes for saturated to
    65 %. Catchments whose method looks at humidity are compared where no hour falls on both sides.
    """
    directory = copied("n20")
    ids = [f"cat-{n}" for n in range(1, 21)]
    rounded = weather(ForcingRef(directory / "forcings" / "csv", "CsvPerFeature", "{{id}}.csv"), ids)
    single = weather(ForcingRef(directory / "forcings" / "forcings.nc", "NetCDF"), ids)
    jumps = (saturated(rounded) != saturated(single)).any(axis=1)
    outputs = Session().run(directory, realization=directory / "config" / "csv-forcing.json").outputs.load()
    compared = 0
    for name, jump in zip(ids, jumps, strict=True):
        text = (directory / "config" / "PET" / f"{name}.ini").read_text()
        if jump and not ("pet_method=1" in text or "pet_method=4" in text):
            continue
        compared += 1
        printed = pd.read_csv(data / "ngen-reference" / "n20" / "expected" / f"{name}.csv")
        for column in printed.columns.drop(["Time", "Time Step"]):
            off = np.abs(outputs[column].sel({"catchment-id": name}).values - printed[column].to_numpy())
            assert off.max() <= 2e-5 * printed[column].abs().max(), f"{name} {column}"
    assert compared == 10
