"""Outputs and observations are described as opening them gives them."""

from __future__ import annotations

import tarfile
import zipfile

import numpy as np
import pytest
import xarray as xr

from dmod.data.coverage import ALL, Coverage, IdSet, Span
from dmod.data.kinds import Format
from dmod.errors import ObservationError, OutputError
from dmod.formats.describe import describe
from dmod.formats.ngen_csv import write_ngen
from dmod.formats.outputs import open_outputs
from dmod.formats.run_output import OutputVariable, create, seal
from dmod.formats.zarr_output import write_zarr

START_S = 1_472_688_000
DAY = (Span.of("2016-09-01", "2016-09-02"),)
IDS = ("cat-1", "cat-2", "nex-1")


def our_file(directory, *, sealed=True):
    """A run.nc of two catchments and a nexus, a day of hours."""
    layout = create(
        directory / "run.nc",
        catchments=["cat-1", "cat-2"],
        nexuses=["nex-1"],
        start_s=START_S,
        step_s=3600,
        steps=24,
        variables=[OutputVariable("Q_OUT", "m", "runoff"), OutputVariable("nexus_flow", "m3 s-1", "flow", "nexus-id")],
        attributes={},
    )
    if sealed:
        seal(layout, directory / "run.nc")
    return directory / "run.nc"


def outputs(directory, format_):
    """The same outputs in another format."""
    path = our_file(directory)
    dataset = open_outputs(path, chunks=None).load()
    dataset.close()
    path.unlink()
    if format_ == "zarr":
        write_zarr(dataset, directory / "run.zarr")
        return directory / "run.zarr"
    write_ngen(dataset, directory / "csv", grouping=format_)
    return directory / "csv"


@pytest.mark.parametrize("of_directory", [False, True])
def test_our_own_file_is_known_by_itself_and_by_its_directory(tmp_path, of_directory):
    path = our_file(tmp_path)
    found = describe(tmp_path if of_directory else path)
    assert found.format is Format.DMOD_NETCDF
    assert found.coverage == Coverage.of(spans=DAY, ids=IDS, variables=["Q_OUT", "nexus_flow"])
    assert found.facts["step_s"] == 3600
    assert found.facts["variables"] == {"Q_OUT": "m", "nexus_flow": "m3 s-1"}


def test_a_run_that_has_not_finished_is_refused(tmp_path):
    our_file(tmp_path, sealed=False)
    for path in (tmp_path, tmp_path / "run.nc.partial"):
        with pytest.raises(OutputError, match="partial"):
            describe(path)


@pytest.mark.parametrize(
    ("kind", "format_"),
    [("zarr", Format.DMOD_ZARR), ("per_feature", Format.NGEN_CSV), ("per_formulation", Format.NGEN_CSV)],
)
def test_the_same_outputs_cover_the_same_in_every_format(tmp_path, kind, format_):
    found = describe(outputs(tmp_path, kind))
    assert found.format is format_
    assert found.coverage == Coverage.of(spans=DAY, ids=IDS, variables=["Q_OUT", "nexus_flow"])


@pytest.mark.parametrize("kind", ["per_feature", "per_formulation"])
@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "zip"])
def test_an_archive_covers_what_is_in_it(tmp_path, kind, suffix):
    folder = outputs(tmp_path, kind)
    path = tmp_path / f"run.{suffix}"
    if suffix == "zip":
        with zipfile.ZipFile(path, "w") as packed:
            for file in sorted(folder.iterdir()):
                packed.write(file, f"outputs/{file.name}")
    else:
        with tarfile.open(path, "w:gz" if suffix == "tar.gz" else "w") as archive:
            archive.add(folder, "outputs")
    found = describe(path)
    assert found.format is Format.NGEN_CSV_ARCHIVE
    assert found.coverage == describe(folder).coverage


def test_an_archive_of_something_else_is_not_known_as_outputs(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "a.txt", "a.txt")
    with pytest.raises(Exception, match="nobody knows what this is"):
        describe(tmp_path / "a.tar")


def test_an_archive_of_half_a_run_is_refused(tmp_path):
    folder = outputs(tmp_path, "per_feature")
    nexus = folder / "nex-1_output.csv"
    nexus.write_text("".join(nexus.read_text().splitlines(keepends=True)[:20]))
    with tarfile.open(tmp_path / "run.tar", "w") as archive:
        archive.add(folder, "outputs")
    with pytest.raises(OutputError, match="partial"):
        describe(tmp_path / "run.tar")


def test_weather_and_outputs_of_one_name_are_told_apart(tmp_path, data):
    weather = describe(data / "forcing/csv/gauge_01073000/cat-11223.csv")
    runoff = describe(data / "ngen-reference/gauge_01073000/expected/per_feature/cat-11223.csv")
    assert (weather.format, runoff.format) == (Format.FORCING_CSV, Format.NGEN_CSV)


def observed(path, text):
    """A table of observations."""
    path.write_text(text)
    return path


def test_a_table_without_sites_is_for_whatever_site(tmp_path):
    found = describe(observed(tmp_path / "o.csv", "time,flow [m3 s-1]\n2016-09-01 00:00,1\n2016-09-01 12:00,2\n"))
    assert found.coverage == Coverage((Span.of("2016-09-01", "2016-09-01 12:00:01"),), ALL, frozenset({"streamflow"}))


def test_rows_in_any_order_and_zones_beside_the_times_are_understood(tmp_path):
    rows = "2016-09-02T00:00-05:00,1,07\n2016-09-01T00:00-05:00,2,08\n"
    found = describe(observed(tmp_path / "o.csv", "value_time,value,site_no\n" + rows))
    assert found.coverage.spans == (Span.of("2016-09-01 05:00", "2016-09-02 05:00:01"),)
    assert found.coverage.ids == IdSet.of(["07", "08"])


def test_usgs_tables_have_comments_a_line_of_widths_and_local_times(tmp_path):
    text = (
        "# USGS\n#\nagency_cd\tsite_no\tdatetime\ttz_cd\t64_00060\n5s\t15s\t20d\t6s\t14n\n"
        "USGS\t01073000\t2016-09-01 00:00\tEDT\t12.0\nUSGS\t01073000\t2016-09-03 00:00\tEDT\t11.0\n"
    )
    found = describe(observed(tmp_path / "o.rdb", text))
    assert found.coverage.ids == IdSet.of(["01073000"])
    # Eastern time is four hours behind: from 04:00 on, which is no later than what is claimed.
    (span,) = found.coverage.spans
    assert Span.of("2016-09-01 04:00", "2016-09-03 04:00:01").start_s <= span.start_s < span.stop_s
    assert span.stop_s <= Span.of("2016-09-01", "2016-09-03 04:00:01").stop_s


@pytest.mark.parametrize("rows", ["", "soon,1\n", "2016-09-01,1\nlater,2\n"])
def test_observations_without_times_are_refused(tmp_path, rows):
    with pytest.raises(ObservationError, match="cannot be read"):
        describe(observed(tmp_path / "o.csv", "time,discharge\n" + rows))


def test_observations_in_netcdf_are_known_by_discharge_over_time(tmp_path):
    times = np.datetime64("2016-09-01", "ns") + np.timedelta64(1, "h") * np.arange(24)
    dataset = xr.Dataset(
        {"streamflow": (("gage", "time"), np.ones((2, 24)))}, coords={"time": times, "gage": ["01073000", "10109001"]}
    )
    dataset.to_netcdf(tmp_path / "o.nc", engine="h5netcdf")
    found = describe(tmp_path / "o.nc")
    assert found.format is Format.OBSERVATIONS_NETCDF
    assert found.coverage == Coverage.of(
        spans=Span.of("2016-09-01", "2016-09-01 23:00:01"), ids=["01073000", "10109001"], variables=["streamflow"]
    )
