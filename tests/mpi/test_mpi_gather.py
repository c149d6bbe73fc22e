"""What ranks of ngen left becomes one file, with every number as it was printed."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from dmod.domain.domain import Domain
from dmod.errors import OutputError
from dmod.execution.mpi_gather import gather

START_S, STEPS = 1448928000, 720


@pytest.fixture(scope="session")
def reference(data) -> Path:
    """What the real ngen printed."""
    return data / "ngen-reference"


@pytest.fixture(scope="session")
def gauge(reference) -> Domain:
    """Five catchments."""
    return Domain.open(reference / "gauge_01073000" / "config" / "gauge_01073000.gpkg")


def opened(path: Path) -> xr.Dataset:
    with xr.open_dataset(path, engine="h5netcdf") as file:
        return file.load()


def printed(path: Path) -> dict[str, np.ndarray]:
    """The columns of a catchment file, number by number."""
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0] if name not in ("Time Step", "Time")}


def printed_flow(path: Path) -> np.ndarray:
    """The flow of a nexus file."""
    return np.array([float(line.split(",")[2]) for line in path.read_text().splitlines()])


@pytest.mark.parametrize("way", ["per_feature", "aggregated_netcdf", "ranks_2"])
def test_numbers_come_through_exactly_as_printed(reference, gauge, tmp_path, way):
    expected = reference / "gauge_01073000" / "expected"
    found = gather(expected / way, gauge, START_S, STEPS, tmp_path / "run.nc", attributes={"image": "x"})
    assert found.is_whole
    with opened(found.path) as dataset:
        assert dataset.attrs["dmod_status"] == "complete"
        assert dataset.attrs["image"] == "x"
        assert dataset["time"].values[0] == np.datetime64("2015-12-01T00:00")
        assert dataset["Q_OUT"].attrs["units"] == "m"
        for path in (expected / "per_feature").glob("cat-*.csv"):
            for name, column in printed(path).items():
                np.testing.assert_array_equal(dataset[name].sel({"catchment-id": path.stem}).values, column)
        for path in (expected / "per_feature").glob("nex-*.csv"):
            flow = dataset["nexus_flow"].sel({"nexus-id": path.name.removesuffix("_output.csv")}).values
            np.testing.assert_allclose(flow, printed_flow(path), rtol=0 if way == "per_feature" else 1e-5)


@pytest.fixture
def left(reference, tmp_path) -> Path:
    """A directory as two ranks left it, to be spoiled."""
    folder = tmp_path / "left"
    shutil.copytree(reference / "gauge_01073000" / "expected" / "per_feature", folder)
    return folder


def shortened(path: Path, rows: int) -> None:
    """Leave only so many rows, and half of the next."""
    lines = path.read_text().splitlines(keepends=True)
    kept = rows + (1 if path.name.startswith("cat") else 0)
    path.write_text("".join(lines[:kept]) + lines[kept][: len(lines[kept]) // 2])


def test_what_a_failed_rank_wrote_is_kept_and_what_it_did_not_is_named(left, gauge, tmp_path):
    whole = printed(left / "cat-11371.csv")["Q_OUT"]
    (left / "cat-11223.csv").unlink()
    (left / "cat-11224.csv").write_text("")
    shortened(left / "cat-11371.csv", 100)
    shortened(left / "nex-11224_output.csv", 99)
    found = gather(left, gauge, START_S, STEPS, tmp_path / "run.nc")
    assert set(found.missing) == {"cat-11223", "cat-11224", "cat-11371", "nex-11224"}
    with opened(found.path) as dataset:
        assert dataset.attrs["dmod_status"] == "partial"
        flow = dataset["Q_OUT"]
        assert np.isnan(flow.sel({"catchment-id": "cat-11223"})).all()
        assert np.isnan(flow.sel({"catchment-id": "cat-11224"})).all()
        some = flow.sel({"catchment-id": "cat-11371"}).values
        np.testing.assert_array_equal(some[:100], whole[:100])
        assert np.isnan(some[100:]).all()
        assert not np.isnan(flow.sel({"catchment-id": "cat-11410"})).any()
        assert np.isnan(dataset["nexus_flow"].sel({"nexus-id": "nex-11224"}).values).sum() == STEPS - 99


def test_all_ranks_may_have_ended_early(left, gauge, tmp_path):
    for path in left.iterdir():
        shortened(path, 50)
    found = gather(left, gauge, START_S, STEPS, tmp_path / "run.nc")
    assert len(found.missing) == 8
    with opened(found.path) as dataset:
        assert (~np.isnan(dataset["Q_OUT"].values)).sum(axis=1).tolist() == [50] * 5


def test_a_rank_that_lags_in_a_file_of_many_catchments_is_named(reference, gauge, tmp_path):
    left = tmp_path / "left"
    shutil.copytree(reference / "gauge_01073000" / "expected" / "ranks_2", left)
    lagging = left / "rank_1" / "cat_output.csv"
    lagging.write_text("".join(lagging.read_text().splitlines(keepends=True)[: 1 + 3 * 60]))
    found = gather(left, gauge, START_S, STEPS, tmp_path / "run.nc")
    assert set(found.missing) == {"cat-11223", "cat-11371", "cat-11410"}
    with opened(found.path) as dataset:
        assert (~np.isnan(dataset["Q_OUT"].sel({"catchment-id": "cat-11410"}))).sum() == 60


def test_catchments_may_have_columns_of_their_own(left, gauge, tmp_path):
    own = left / "cat-11410.csv"
    lines = own.read_text().splitlines()
    own.write_text("\n".join([lines[0].replace("Q_OUT", "snow"), *lines[1:]]) + "\n")
    found = gather(left, gauge, START_S, STEPS, tmp_path / "run.nc")
    assert found.is_whole
    with opened(found.path) as dataset:
        np.testing.assert_array_equal(dataset["snow"].sel({"catchment-id": "cat-11410"}), printed(own)["snow"])
        assert np.isnan(dataset["Q_OUT"].sel({"catchment-id": "cat-11410"})).all()
        assert dataset["snow"].attrs["units"] == "unknown"


def test_outputs_of_another_time_are_refused_and_no_file_is_left(left, gauge, tmp_path):
    with pytest.raises(OutputError, match="another time"):
        gather(left, gauge, START_S + 3600, STEPS, tmp_path / "run.nc")
    with pytest.raises(OutputError, match="no outputs"):
        gather(tmp_path, gauge, START_S, STEPS, tmp_path / "run.nc")
    assert not list(tmp_path.glob("run.nc*"))


def test_a_run_of_nexuses_alone_has_no_catchments(left, gauge, tmp_path):
    for path in left.glob("cat-*.csv"):
        path.unlink()
    found = gather(left, gauge, START_S, STEPS, tmp_path / "run.nc")
    assert found.is_whole
    with opened(found.path) as dataset:
        assert list(dataset.data_vars) == ["nexus_flow"]
