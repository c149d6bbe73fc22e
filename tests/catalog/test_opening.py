"""Datasets open as what they are, whatever they were added as."""

from __future__ import annotations

import shutil
import tarfile
import uuid
import zipfile

import numpy as np
import pytest
import xarray as xr

from dmod.catalog.catalog import Catalog
from dmod.data.coverage import Span
from dmod.data.kinds import Category, Format
from dmod.errors import CheckError, DatasetError, ForcingError, StoreError
from dmod.formats.ngen_csv import write_ngen
from dmod.store.root import Store
from dmod.testing.rivers import tiny_run_directory


def test_binary_bytes_come_back_as_they_were(catalog):
    """CM-15 of the first DMOD: bytes that are no UTF-8 were rejected."""
    data = bytes(range(256)) * 9 + b"\xff\xfe\x00"
    added = catalog.add(data, name="blob", format="generic", category="observation")
    assert (added.category, added.size) == (Category.OBSERVATION, len(data))
    assert catalog.open("blob").read_bytes() == data
    assert catalog.add(memoryview(data), name="view", format="generic").files[0].digest == added.files[0].digest


def test_the_bytes_of_a_file_are_known_by_what_is_in_them(catalog, tiny):
    added = catalog.add((tiny / "forcings" / "forcings.nc").read_bytes(), name="rain")
    assert (added.format, catalog.path("rain").name) == (Format.FORCING_NETCDF, "rain.nc")
    river = catalog.add((tiny / "config" / "tiny.gpkg").read_bytes())
    assert (river.name, len(catalog.open("geopackage"))) == ("geopackage", 3)
    with pytest.raises(DatasetError, match="no bytes to add"):
        catalog.add(b"")


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("forcing", ["netcdf", "csv"])
def test_forcing_opens_lazily_as_the_file_has_it(catalog, tmp_path, forcing, in_place):
    run = tiny_run_directory(tmp_path / "run", forcing=forcing)
    catalog.add(run / "forcings", name="rain", in_place=in_place) if forcing == "csv" else catalog.add(
        run / "forcings" / "forcings.nc", name="rain", in_place=in_place
    )
    found = catalog.open("rain")
    assert dict(found.sizes) == {"catchment-id": 3, "time": 6}
    assert found["precip_rate"].chunks is not None
    assert found["catchment-id"].values.tolist() == ["cat-1", "cat-2", "cat-3"]
    assert found["precip_rate"].sel({"catchment-id": "cat-3"}).values.tolist() == [0.0, 2.0**-8, 0.0, 0.0, 0.0, 0.0]
    assert str(found.time.values[0]) == "2016-09-01T00:00:00.000000000"
    assert found["TMP_2maboveground"].attrs["units"] == "K"


def test_forcing_in_many_blocks_has_its_rows_in_order(catalog, weather, monkeypatch):
    monkeypatch.setattr("dmod.catalog.weather._BLOCK_BYTES", 32)
    catalog.add(weather, name="rain", format="forcing-netcdf")
    found = catalog.open("rain")
    assert found["T2D"].chunks[0] == (1, 1)
    xr.testing.assert_equal(found.load(), weather)


@pytest.mark.parametrize("format_", [None, "forcing-netcdf", "forcing-zarr"])
def test_forcing_in_memory_comes_back_as_it_was(catalog, weather, format_):
    added = catalog.add(weather.chunk({"catchment-id": 1}), name="rain", format=format_)
    assert added.format == (format_ or "forcing-netcdf")
    assert added.coverage.spans == (Span.of("2016-09-01", "2016-09-01 04:00"),)
    found = catalog.open("rain").load()
    xr.testing.assert_equal(found, weather)
    assert {name: (one.dtype, one.attrs) for name, one in found.items()} == {
        name: (one.dtype, one.attrs) for name, one in weather.items()
    }


def test_forcing_in_double_precision_loses_no_digit(catalog, weather):
    double = (weather.astype(np.float64) / 3).rename({"catchment-id": "catchment"}).transpose("time", "catchment")
    added = catalog.add(double, name="rain")
    assert added.format is Format.FORCING_ZARR
    found = catalog.open("rain").load()
    np.testing.assert_array_equal(found["T2D"].values, double["T2D"].values.T)
    with pytest.raises(ForcingError, match="digits would be lost"):
        catalog.add(double, name="single", format="forcing-netcdf")


@pytest.mark.parametrize("format_", [None, "dmod-zarr", "dmod-netcdf"])
def test_the_time_range_of_outputs_is_set(catalog, outputs, format_):
    """DS-19 of the first DMOD: it never was."""
    added = catalog.add(outputs, name="run", format=format_)
    assert added.coverage.spans == (Span.of("2016-09-01", "2016-09-01 03:00"),)
    assert added.coverage.ids.to_list() == ["cat-1", "cat-2", "nex-3"]
    assert added.coverage.variables == {"Q_OUT", "nexus_flow"}
    assert catalog.find("output", ids="nex-3", start="2016-09-01", end="2016-09-01 03:00").names == ["run"]
    assert catalog.find("output", ids="nex-3", start="2016-09-01", end="2016-09-01 04:00") == []
    xr.testing.assert_equal(catalog.open("run").load(), outputs)


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_an_archive_of_ngen_outputs_opens_as_its_files_do(catalog, outputs, tmp_path, kind):
    write_ngen(outputs.assign_attrs(dmod_status="complete"), tmp_path / "ngen")
    path = tmp_path / f"ngen.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as packed:
            for one in (tmp_path / "ngen").iterdir():
                packed.write(one, one.name)
    else:
        with tarfile.open(path, "w:gz") as packed:
            packed.add(tmp_path / "ngen", arcname="ngen")
    files = catalog.add(tmp_path / "ngen", name="files")
    archive = catalog.add(path, name="archive")
    assert (files.format, archive.format) == (Format.NGEN_CSV, Format.NGEN_CSV_ARCHIVE)
    xr.testing.assert_equal(catalog.open("archive"), catalog.open("files").load())


def test_observations_in_memory_come_back_as_they_were(catalog):
    flow = xr.DataArray(
        [1.0, 2.0, np.nan], dims="time", name="discharge", attrs={"units": "m3 s-1"},
        coords={"time": np.datetime64("2016-09-01", "ns") + np.arange(3) * np.timedelta64(1, "h")},
    )  # fmt: skip
    added = catalog.add(flow, name="gage")
    assert (added.category, added.format) == (Category.OBSERVATION, Format.OBSERVATIONS_NETCDF)
    np.testing.assert_array_equal(catalog.open("gage").values, flow.values)


def test_an_xarray_object_that_is_nothing_we_know_is_refused(catalog):
    with pytest.raises(DatasetError, match="it cannot be told what the xarray object is"):
        catalog.add(xr.Dataset({"snow": ("x", [1.0])}))
    with pytest.raises(ForcingError, match="not one of catchments by time"):
        catalog.add(xr.Dataset({"snow": ("x", [1.0])}), category="forcing")
    assert catalog.list() == []


@pytest.mark.parametrize("in_place", [False, True])
def test_configurations_open_as_values(catalog, tiny, tmp_path, in_place):
    catalog.add(tiny / "config" / "realization.json", name="plan", in_place=in_place)
    assert catalog.open("plan").span.steps == 6
    catalog.add(tiny, name="run", in_place=in_place)
    assert catalog.open("run").hydrofabric.name == "tiny.gpkg"
    bare = shutil.copytree(tiny, tmp_path / "bare")
    (bare / "config" / "tiny.gpkg").unlink()
    catalog.add(bare, name="bare", in_place=in_place)
    assert catalog.open("bare").span.steps == 6
    catalog.add(tiny / "config" / "CFE", name="cfe", in_place=in_place)
    assert (catalog.open("cfe") / "cat-1.ini").is_file()


def test_a_realization_that_cannot_be_read_says_all_that_is_wrong(catalog, tmp_path):
    path = tmp_path / "realization.json"
    path.write_text('{"global": {"formulations": [{"name": "bmi_c"}]}}')
    catalog.add(path, name="plan")
    with pytest.raises(CheckError):
        catalog.open("plan")


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("place", ["catchment_data.geojson", ""])
def test_a_pair_of_maps_is_one_dataset_and_opens_as_a_domain(catalog, data, tmp_path, in_place, place):
    folder = data / "hydrofabric" / "v0-geojson" / "ngen"
    added = catalog.add(folder / place, name="river", in_place=in_place)
    assert {"catchment_data.geojson", "nexus_data.geojson"} <= {one.path for one in added.files}
    assert sorted(catalog.open("river").catchments.to_list()) == ["cat-27", "cat-52", "cat-67"]
    assert (catalog.get("river", tmp_path / "out") / "nexus_data.geojson").is_file()
    assert catalog.verify("river") == added


@pytest.mark.parametrize(
    ("place", "format_"),
    [
        ("hydrofabric/v2.0/gauge_01073000.gpkg", "geopackage"),
        ("partitions/simple_partition8.json", "partitions"),
        ("observations/teehr/test_short_obs.csv", "observations-csv"),
        ("configs/troute/gauge_01073000_routing_config.yaml", "troute-config"),
        ("configs/bmi_init/gauge_01073000", "bmi-config"),
        ("ngen-reference/gauge_01073000/expected/aggregated_netcdf/formulation_default_nexuses.nc", "ngen-netcdf"),
        ("ngen_output/nexus_csv", "ngen-csv"),
        ("ngen_output/troute_output/troute_output.nc", "troute-output"),
    ],
)
def test_real_files_are_added_verified_and_opened(catalog, data, place, format_):
    added = catalog.add(data / place)
    assert added.format == format_
    assert catalog.verify(added.name) == added
    assert catalog.open(added.name) is not None


def test_a_dataset_in_a_store_elsewhere_is_fetched_and_opened(catalog, outputs, tmp_path):
    far = Catalog(catalog.ledger, Store(f"memory://{uuid.uuid4().hex}", cache=tmp_path / "cache"), "ada")
    far.add(outputs, name="run")
    xr.testing.assert_equal(far.open("run").load(), outputs)
    assert far.path("run").is_relative_to(tmp_path / "cache")
    with pytest.raises(StoreError, match="the store has no such dataset"):
        Catalog(catalog.ledger, Store(f"memory://{uuid.uuid4().hex}", cache=tmp_path / "other"), "ada").open("run")
