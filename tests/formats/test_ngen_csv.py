"""What ngen wrote is read, and written again byte for byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from dmod.errors import OutputError
from dmod.formats.ngen_csv import write_ngen
from dmod.formats.outputs import open_outputs

HOURS = np.array(["2020-01-01T00", "2020-01-01T01", "2020-01-01T02"], dtype="datetime64[ns]")


@pytest.fixture
def river() -> xr.Dataset:
    """Two catchments that drain into one nexus, for three hours."""
    return xr.Dataset(
        {
            "Q_OUT": (("catchment-id", "time"), [[0.1, 0.0, 1 / 3], [1e-5, 123456789.4, 2.0]]),
            "SURF_RUNOFF_SCHEME": (("catchment-id", "time"), [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]),
            "nexus_flow": (("nexus-id", "time"), [[1 / 3, 2e-7, 1234567.0]]),
        },
        coords={
            "catchment-id": np.array(["cat-1", "cat-2"], dtype=object),
            "nexus-id": np.array(["nex-1"], dtype=object),
            "time": HOURS,
        },
    )


def files(folder: Path) -> dict[str, bytes]:
    """Name to content of all files."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_catchments_have_nine_digits_and_nexuses_six(river, tmp_path):
    write_ngen(river, tmp_path)
    assert files(tmp_path) == {
        "cat-1.csv": b"Time Step,Time,Q_OUT,SURF_RUNOFF_SCHEME\n"
        b"0,2020-01-01 00:00:00,0.1,1\n"
        b"1,2020-01-01 01:00:00,0,1\n"
        b"2,2020-01-01 02:00:00,0.333333333,1\n",
        "cat-2.csv": b"Time Step,Time,Q_OUT,SURF_RUNOFF_SCHEME\n"
        b"0,2020-01-01 00:00:00,1e-05,2\n"
        b"1,2020-01-01 01:00:00,123456789,2\n"
        b"2,2020-01-01 02:00:00,2,2\n",
        "nex-1_output.csv": b"0, 2020-01-01 00:00:00, 0.333333\n"
        b"1, 2020-01-01 01:00:00, 2e-07\n"
        b"2, 2020-01-01 02:00:00, 1.23457e+06\n",
    }


def test_one_file_for_all_has_the_catchments_of_a_step_below_one_another(river, tmp_path):
    write_ngen(river, tmp_path, columns={"Q_OUT": "q"}, grouping="per_formulation", nexuses=slice(0, 0))
    assert files(tmp_path) == {
        "cat_output.csv": b"catchment_id,Time Step,Time,q\n"
        b"cat-1,0,2020-01-01 00:00:00,0.1\n"
        b"cat-2,0,2020-01-01 00:00:00,1e-05\n"
        b"cat-1,1,2020-01-01 01:00:00,0\n"
        b"cat-2,1,2020-01-01 01:00:00,123456789\n"
        b"cat-1,2,2020-01-01 02:00:00,0.333333333\n"
        b"cat-2,2,2020-01-01 02:00:00,2\n"
    }


def test_one_of_several_writers_writes_its_part(river, tmp_path):
    write_ngen(river, tmp_path, catchments=slice(1, 2), nexuses=slice(0, 0))
    assert list(files(tmp_path)) == ["cat-2.csv"]


@pytest.mark.parametrize("grouping", ["per_feature", "per_formulation"])
def test_printing_in_pieces_changes_nothing(river, tmp_path, monkeypatch, grouping):
    write_ngen(river, tmp_path / "whole", grouping=grouping)
    monkeypatch.setattr("dmod.formats.ngen_csv._PRINTED", 4)
    monkeypatch.setattr("dmod.formats.ngen_csv._BLOCK_BYTES", 64)
    write_ngen(river.chunk({"catchment-id": 1}), tmp_path / "pieces", grouping=grouping)
    assert files(tmp_path / "pieces") == files(tmp_path / "whole")


def test_a_column_must_be_a_variable_of_the_catchments(river, tmp_path):
    with pytest.raises(OutputError, match=r"missing +nexus_flow"):
        write_ngen(river, tmp_path, columns={"nexus_flow": "flow"})


def test_a_writer_that_fails_leaves_nothing_behind(river, tmp_path, monkeypatch):
    monkeypatch.setattr("dmod.formats.ngen_csv._print", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_ngen(river, tmp_path)
    assert files(tmp_path) == {}


def test_a_place_that_cannot_be_written_is_said(river, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        write_ngen(river, tmp_path / "taken")


@pytest.mark.parametrize("grouping", ["per_feature", "per_formulation"])
def test_missing_and_infinite_values_come_back(river, tmp_path, grouping):
    river["Q_OUT"][0] = [np.nan, np.inf, -np.inf]
    write_ngen(river, tmp_path, grouping=grouping)
    np.testing.assert_array_equal(open_outputs(tmp_path)["Q_OUT"][0], [np.nan, np.inf, -np.inf])


@pytest.mark.parametrize(
    "folder", ["gauge_01073000/expected/per_feature", "n20/expected"], ids=["five catchments", "twenty"]
)
def test_what_ngen_wrote_is_written_again_byte_for_byte(data, tmp_path, folder):
    reference = data / "ngen-reference" / folder
    write_ngen(open_outputs(reference), tmp_path)
    assert files(tmp_path) == files(reference)


def test_ngens_one_file_for_all_is_written_again_byte_for_byte(data, tmp_path):
    reference = data / "ngen-reference/gauge_01073000/expected/aggregated_netcdf"
    order = ["cat-11509", "cat-11371", "cat-11410", "cat-11223", "cat-11224"]
    outputs = open_outputs(reference, chunks={"time": 100}).sel({"catchment-id": order})
    write_ngen(outputs, tmp_path, grouping="per_formulation")
    assert files(tmp_path)["cat_output.csv"] == files(reference)["cat_output.csv"]


@pytest.mark.parametrize("folder", ["aggregated_netcdf", "ranks_2"])
@pytest.mark.parametrize("chunks", ["auto", {"time": 50}, {"time": -1}, None])
def test_files_with_many_catchments_hold_what_single_files_hold(data, folder, chunks):
    expected = data / "ngen-reference/gauge_01073000/expected"
    single, many = open_outputs(expected / "per_feature"), open_outputs(expected / folder, chunks=chunks)
    xr.testing.assert_identical(many.drop_vars("nexus_flow").load(), single.drop_vars("nexus_flow").load())


@pytest.mark.parametrize("folder", ["aggregated_netcdf", "ranks_2"])
def test_nexus_netcdf_holds_what_nexus_csv_prints(data, tmp_path, folder):
    expected = data / "ngen-reference/gauge_01073000/expected"
    write_ngen(open_outputs(expected / folder), tmp_path, columns={})
    printed = {name: text for name, text in files(expected / "per_feature").items() if name.startswith("nex-")}
    assert len(printed) == 3
    assert files(tmp_path) == printed
