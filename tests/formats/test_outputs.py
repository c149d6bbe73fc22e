"""Whatever a run left behind opens as one lazy Dataset with our names and units."""

from __future__ import annotations

import io
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from dmod.errors import OutputError
from dmod.formats import run_output
from dmod.formats.ngen_csv import write_ngen
from dmod.formats.output_variables import KNOWN
from dmod.formats.outputs import open_outputs
from dmod.formats.zarr_output import write_zarr

CATS, NEXUSES, FEATURE = ["cat-2", "cat-9", "cat-10"], ["nex-1", "tnx-7"], ("catchment-id", "time")


@pytest.fixture
def river() -> xr.Dataset:
    """Three catchments and two nexuses for four hours; the value is 10 * row + step."""
    grid = 10.0 * np.arange(3)[:, None] + np.arange(4)
    return xr.Dataset(
        {"Q_OUT": (FEATURE, grid), "snow": (FEATURE, -grid), "nexus_flow": (("nexus-id", "time"), grid[:2])},
        coords={
            "catchment-id": np.array(CATS, dtype=object),
            "nexus-id": np.array(NEXUSES, dtype=object),
            "time": np.datetime64("2020-01-01T00", "ns") + np.arange(4) * np.timedelta64(1, "h"),
        },
    )


def our_run(river: xr.Dataset, path: Path, *, sealed: bool = True) -> None:
    """*river* as our own output file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    layout = run_output.create(
        path,
        catchments=CATS,
        nexuses=NEXUSES,
        start_s=1577836800,
        step_s=3600,
        steps=4,
        variables=[
            run_output.OutputVariable("Q_OUT", "m", KNOWN["Q_OUT"].long_name),
            run_output.OutputVariable("nexus_flow", "m3 s-1", "flow", "nexus-id"),
        ],
        attributes={"title": "a test"},
    )
    with run_output.RowWriter(layout) as writer:
        writer.write("Q_OUT", np.arange(3), 0, river["Q_OUT"].values)
        writer.write("nexus_flow", np.arange(2), 0, river["nexus_flow"].values)
    if sealed:
        run_output.seal(layout, path)


def troute_file(path: Path, first_hour: int, kinds: tuple[str, ...] = ("wb", "wb")) -> None:
    """Two hours of t-route's output for features 1 and 2; flow is 10 * feature + hour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hours = first_hour + np.arange(2)
    flow = 10.0 * np.array([[1], [2]]) + hours
    xr.Dataset(
        {
            "flow": (("feature_id", "time"), flow, {"units": "m3 s-1"}),
            "velocity": (("feature_id", "time"), flow / 10, {"units": "m/s"}),
            "depth": (("feature_id", "time"), flow / 100, {"units": "m"}),
            "nudge": (("feature_id", "time"), np.full((2, 2), -9999.0)),
            "type": ("feature_id", np.array(kinds, dtype=object)),
        },
        coords={"feature_id": [1, 2], "time": ("time", 3600 * hours, {"units": "seconds since 2020-01-01"})},
    ).to_netcdf(path, engine="h5netcdf")


@pytest.fixture
def bytes_read(monkeypatch) -> Counter[str]:
    """Bytes read of each CSV file, by name, however it is opened."""
    counted: Counter[str] = Counter()
    plain = Path.open

    class Counting(io.FileIO):
        def readinto(self, buffer):
            size = super().readinto(buffer)
            counted[Path(self.name).name] += size or 0
            return size

        def readall(self):
            content = super().readall()
            counted[Path(self.name).name] += len(content)
            return content

    def opened(path, mode="r", *args, **kwargs):
        if mode == "rb" and path.suffix == ".csv":
            return io.BufferedReader(Counting(str(path)), buffer_size=512)
        return plain(path, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", opened)
    monkeypatch.setattr(Path, "read_bytes", lambda path: _all(path))
    return counted


def _all(path: Path) -> bytes:
    """The content, through the counting `open`."""
    with path.open("rb") as file:
        return file.read()


@pytest.mark.parametrize("name", [".", "outputs", "outputs/dmod", "outputs/dmod/run.nc"])
def test_our_run_is_found_from_any_of_its_directories(river, tmp_path, name):
    our_run(river, tmp_path / "outputs/dmod/run.nc")
    with open_outputs(tmp_path / name) as outputs:
        assert outputs["Q_OUT"].chunks is not None
        assert dict(outputs.sizes) == {"catchment-id": 3, "nexus-id": 2, "time": 4}
        assert outputs["Q_OUT"].sel({"catchment-id": "cat-9", "time": "2020-01-01T02"}) == 12.0
        assert outputs["nexus_flow"].attrs["units"] == "m3 s-1"


def test_without_chunks_our_run_is_lazy_without_dask(river, tmp_path):
    our_run(river, tmp_path / "run.nc")
    with open_outputs(tmp_path, chunks=None) as outputs:
        assert outputs["Q_OUT"].chunks is None
        assert not outputs["Q_OUT"].variable._in_memory


@pytest.mark.parametrize("name", [".", "run.nc", "run.nc.partial"])
def test_a_run_that_has_not_finished_is_refused_unless_asked_for(river, tmp_path, name):
    our_run(river, tmp_path / "run.nc", sealed=False)
    with pytest.raises(OutputError, match=r"partial: the run has not finished(.|\n)*partial=True"):
        open_outputs(tmp_path / name)
    with open_outputs(tmp_path / name, partial=True) as outputs:
        assert outputs.attrs["dmod_status"] == "partial"
        np.testing.assert_array_equal(outputs["Q_OUT"], river["Q_OUT"])


def test_our_run_comes_before_what_ngen_wrote_beside_it(river, tmp_path):
    write_ngen(river + 100, tmp_path / "outputs/ngen")
    our_run(river, tmp_path / "outputs/dmod/run.nc")
    with open_outputs(tmp_path) as outputs:
        assert outputs["Q_OUT"][0, 0] == 0.0


def test_zarr_holds_the_same_and_may_be_written_over_itself(river, tmp_path):
    our_run(river, tmp_path / "run.nc")
    with open_outputs(tmp_path / "run.nc") as outputs:
        for _ in range(2):
            write_zarr(outputs, tmp_path / "run.zarr")
        again = open_outputs(tmp_path / "run.zarr")
        xr.testing.assert_identical(again.load(), outputs.load())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.nc", "run.zarr"]


def test_zarr_chunks_hold_about_16_mb(tmp_path):
    import dask.array as da
    import zarr

    hours = np.datetime64("2020-01-01T00", "ns") + np.arange(8784) * np.timedelta64(1, "h")
    ids = np.array([f"cat-{i}" for i in range(300)], dtype=object)
    grid = da.zeros((300, 8784), chunks=(7, 8784))
    write_zarr(xr.Dataset({"Q_OUT": (FEATURE, grid)}, {"catchment-id": ids, "time": hours}), tmp_path / "run.zarr")
    assert zarr.open_array(tmp_path / "run.zarr/Q_OUT").chunks == (227, 8784)  # 227 * 8784 * 8 = 15.95e6


def test_zarr_replaces_no_directory_that_is_something_else(river, tmp_path):
    (tmp_path / "run.zarr").mkdir()
    (tmp_path / "run.zarr/precious.txt").write_text("keep me")
    with pytest.raises(OutputError, match="something else than a Zarr store"):
        write_zarr(river, tmp_path / "run.zarr")
    assert (tmp_path / "run.zarr/precious.txt").read_text() == "keep me"


def test_ids_of_files_are_in_the_order_of_their_numbers(river, tmp_path):
    write_ngen(river, tmp_path)
    outputs = open_outputs(tmp_path)
    assert outputs["catchment-id"].dtype.kind == "U"
    assert outputs["catchment-id"].values.tolist() == ["cat-2", "cat-9", "cat-10"]
    assert outputs["nexus-id"].values.tolist() == ["nex-1", "tnx-7"]
    xr.testing.assert_equal(outputs.load(), river)


def test_every_variable_has_units_and_a_name_for_people(river, tmp_path):
    write_ngen(river, tmp_path)
    outputs = open_outputs(tmp_path)
    units = {name: variable.attrs["units"] for name, variable in outputs.data_vars.items()}
    assert units == {"Q_OUT": "m", "snow": "unknown", "nexus_flow": "m3 s-1"}
    assert all(variable.attrs["long_name"] for variable in outputs.data_vars.values())


@pytest.mark.parametrize("grouping", ["per_feature", "per_formulation"])
def test_rank_directories_are_read_together(river, tmp_path, grouping):
    write_ngen(river, tmp_path / "rank_0", catchments=slice(1, 3), nexuses=slice(0, 1), grouping=grouping)
    write_ngen(river, tmp_path / "rank_1", catchments=slice(0, 1), nexuses=slice(1, 2), grouping=grouping)
    xr.testing.assert_equal(open_outputs(tmp_path).load(), river)


def test_files_of_ranks_may_lie_side_by_side(river, tmp_path):
    for rank, part in enumerate([slice(1, 3), slice(0, 1)]):
        write_ngen(river, tmp_path, catchments=part, nexuses=slice(0, 0), grouping="per_formulation")
        (tmp_path / "cat_output.csv").rename(tmp_path / f"cat_rank_{rank}.csv")
    xr.testing.assert_equal(open_outputs(tmp_path).load(), river[["Q_OUT", "snow"]])


def test_two_runs_in_one_directory_are_refused(river, tmp_path):
    write_ngen(river, tmp_path)
    write_ngen(river, tmp_path / "rank_0", catchments=slice(0, 1), nexuses=slice(0, 0))
    with pytest.raises(OutputError, match="cat-2 has two files"):
        open_outputs(tmp_path)


@pytest.mark.parametrize("grouping", ["per_feature", "per_formulation"])
def test_opening_reads_the_ends_of_one_file_and_computing_reads_what_is_asked(
    river, tmp_path, bytes_read, monkeypatch, grouping
):
    monkeypatch.setattr("dmod.formats.ngen_rows._TAIL_BYTES", 512)
    long = xr.concat([river.assign_coords(time=river["time"] + np.timedelta64(4 * n, "h")) for n in range(500)], "time")
    write_ngen(long, tmp_path, grouping=grouping)
    outputs = open_outputs(tmp_path, chunks={"catchment-id": 1, "nexus-id": 1, "time": 10})
    catchments = 1 if grouping == "per_feature" else 3
    size = sum(path.stat().st_size for path in tmp_path.glob("cat*"))
    assert sum(name.startswith("cat") for name in bytes_read) == 1
    assert sum(name.startswith(("nex", "tnx")) for name in bytes_read) == 1
    assert sum(bytes_read.values()) < 5000 < size
    bytes_read.clear()
    assert outputs["Q_OUT"].isel({"catchment-id": 1, "time": 1005}).compute().item() == 11.0
    assert set(bytes_read) == ({"cat-9.csv"} if catchments == 1 else {"cat_output.csv"})
    assert sum(bytes_read.values()) < size / 2


@pytest.mark.parametrize("grouping", ["per_feature", "per_formulation"])
@pytest.mark.parametrize("cut", [3, 30], ids=["within a row", "more than a row"])
def test_a_file_that_ends_early_is_an_error_and_nan_if_asked_for(river, tmp_path, grouping, cut):
    write_ngen(river, tmp_path, grouping=grouping)
    path = sorted(tmp_path.glob("cat*"))[-1]
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(OutputError, match=r"partial(.|\n)*partial=True"):
        open_outputs(tmp_path).load()
    outputs = open_outputs(tmp_path, partial=True)
    assert outputs.attrs["dmod_status"] == "partial"
    absent = np.isnan(outputs["Q_OUT"].values)
    assert 0 < absent.sum() < 3
    assert not absent[:, 0].any()
    np.testing.assert_array_equal(outputs["Q_OUT"].values[~absent], river["Q_OUT"].values[~absent])


def test_a_catchment_with_other_columns_has_nan_where_it_has_none(river, tmp_path):
    write_ngen(river, tmp_path, catchments=slice(0, 2))
    write_ngen(river, tmp_path, catchments=slice(2, 3), columns={"snow": "snow"})
    outputs = open_outputs(tmp_path).load()
    assert np.isnan(outputs["Q_OUT"][2]).all()
    np.testing.assert_array_equal(outputs["snow"], river["snow"])
    np.testing.assert_array_equal(outputs["Q_OUT"][:2], river["Q_OUT"][:2])


def test_a_run_directory_has_ngen_and_routed_outputs_in_one(river, tmp_path):
    write_ngen(river, tmp_path / "outputs/ngen")
    troute_file(tmp_path / "outputs/troute/troute_output_202001010000.nc", 1)
    for place in (".", "outputs", "outputs/ngen"):
        with open_outputs(tmp_path / place) as outputs:
            assert dict(outputs.sizes) == {
                "catchment-id": 3,
                "nexus-id": 2,
                "time": 4,
                "flowpath-id": 2,
                "routed-time": 2,
            }
            assert outputs["routed_flow"].sel({"flowpath-id": "wb-2"}).values.tolist() == [21.0, 22.0]
            assert outputs["routed-time"][0] == np.datetime64("2020-01-01T01")
            assert outputs["velocity"].attrs["units"] == "m s-1"


def test_routed_files_that_are_split_in_time_are_joined(tmp_path):
    troute_file(tmp_path / "troute_output_202001010200.nc", 3)
    troute_file(tmp_path / "troute_output_202001010000.nc", 1)
    with open_outputs(tmp_path) as outputs:
        assert outputs["routed_flow"].sel({"flowpath-id": "wb-1"}).values.tolist() == [11.0, 12.0, 13.0, 14.0]


def test_routed_files_that_overlap_are_refused(tmp_path):
    troute_file(tmp_path / "troute_output_202001010000.nc", 1)
    troute_file(tmp_path / "troute_output_202001010100.nc", 2)
    with pytest.raises(OutputError, match="overlap in time"):
        open_outputs(tmp_path)


def test_routed_flow_at_a_nexus_is_left_out(tmp_path):
    troute_file(tmp_path / "troute_output_202001010000.nc", 1, ("nex", "wb"))
    with open_outputs(tmp_path) as outputs:
        assert outputs["flowpath-id"].values.tolist() == ["wb-2"]


def test_routed_csv_may_have_its_rows_in_any_order(tmp_path):
    (tmp_path / "troute_output_202001010000.csv").write_text(
        "featureID,Type,current_time,flow,velocity,depth,nudge\n"
        "9,wb,2020-01-01 02:00:00,4,0.4,0.04,-9999.0\n"
        "8,wb,2020-01-01 01:00:00,1,0.1,0.01,-9999.0\n"
        "9,wb,2020-01-01 01:00:00,3,0.3,0.03,-9999.0\n"
        "9,nex,2020-01-01 01:00:00,77,7,7,-9999.0\n"
        "8,wb,2020-01-01 02:00:00,-9999.0,0.2,0.02,-9999.0\n"
    )
    outputs = open_outputs(tmp_path)
    assert outputs["flowpath-id"].values.tolist() == ["wb-8", "wb-9"]
    np.testing.assert_array_equal(outputs["routed_flow"], [[1, np.nan], [3, 4]])
    np.testing.assert_array_equal(outputs["depth"], [[0.01, 0.02], [0.03, 0.04]])


@pytest.mark.parametrize("name", ["troute_output.nc", "troute_output.csv"])
def test_what_t_route_wrote_opens_from_either_kind(data, tmp_path, name):
    shutil.copy(data / "ngen_output/troute_output" / name, tmp_path)
    with open_outputs(tmp_path) as outputs:
        assert outputs["flowpath-id"].values.tolist() == ["wb-2420800"]
        assert outputs["routed-time"].values[0] == np.datetime64("2023-04-02T01:00")
        assert dict(outputs.sizes) == {"flowpath-id": 1, "routed-time": 24}
        assert (outputs["routed_flow"] == 0).all()


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("per_feature/cat-11223.csv", {"catchment-id": 1, "time": 720}),
        ("per_feature/nex-11223_output.csv", {"nexus-id": 1, "time": 720}),
        ("aggregated_netcdf/cat_output.csv", {"catchment-id": 5, "time": 720}),
        ("ranks_2/formulation_default_nexuses.nc", {"nexus-id": 3, "time": 720}),
        ("ranks_2", {"catchment-id": 5, "nexus-id": 3, "time": 720}),
    ],
)
def test_one_file_opens_alone(data, name, sizes):
    with open_outputs(data / "ngen-reference/gauge_01073000/expected" / name) as outputs:
        assert dict(outputs.sizes) == sizes
        assert outputs["time"].values[-1] == np.datetime64("2015-12-30T23:00")


def test_an_empty_directory_is_an_error_that_lists_what_was_looked_for(tmp_path):
    with pytest.raises(OutputError, match=r"run\.nc(.|\n)*nex-N_output\.csv(.|\n)*troute_output") as caught:
        open_outputs(tmp_path)
    assert "outputs/troute" in caught.value.facts["places"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("cat-1.csv", "time,APCP_surface\n2020-01-01 00:00:00,0\n", "no catchment output of ngen"),
        ("cat_output.csv", "id,flow\n1,2\n", "no catchment output of ngen"),
        ("nex-1_output.csv", "a,b,c\nd,e,f\n", "no output of ngen"),
        ("cat-1.csv", "Time Step,Time,Q\n", "has no rows"),
        ("notes.csv", "a,b\n", "not named like an output"),
        ("run.nc", "this is no NetCDF", "cannot be opened"),
        ("troute_output.csv", "a\n1\n", "cannot be read as t-route output"),
    ],
)
def test_a_file_that_is_something_else_is_an_error(tmp_path, name, content, says):
    (tmp_path / name).write_text(content)
    with pytest.raises(OutputError, match=says):
        open_outputs(tmp_path / name)


def test_forcing_is_no_output_and_not_a_partial_one(tmp_path):
    forcing = xr.Dataset({"precip_rate": (FEATURE, np.zeros((1, 2)))})
    forcing.to_netcdf(tmp_path / "forcings.nc", engine="h5netcdf")
    with pytest.raises(OutputError, match="holds no outputs of a run"):
        open_outputs(tmp_path / "forcings.nc")


def test_no_such_path_is_an_error(tmp_path):
    with pytest.raises(OutputError, match="no such file or directory"):
        open_outputs(tmp_path / "nowhere")
