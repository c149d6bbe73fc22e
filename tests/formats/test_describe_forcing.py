"""Forcing is described as it is when opened for a run, and every file of a directory is looked at."""

from __future__ import annotations

import shutil
import time

import numpy as np
import pytest
import zarr

from dmod.data.coverage import ALL, Coverage, IdSet, Span
from dmod.data.kinds import Format
from dmod.errors import ForcingError
from dmod.formats.describe import describe
from dmod.formats.describe_forcing import aorc_name
from dmod.formats.forcing import ForcingRef, TimeAxis, open_forcing
from dmod.formats.forcing_write import AORC, write_forcing

HEADER = "time,precip_rate,T2D [K]"


def table(path, *, header=HEADER, start=0, hours=24, step=1, end="\n"):
    """A file of weather from midnight of 1 September 2016."""
    first = np.datetime64("2016-09-01T00:00:00") + np.timedelta64(start, "h")
    times = [str(first + np.timedelta64(step * n, "h")).replace("T", " ") for n in range(hours)]
    columns = header.count(",")
    path.write_text(end.join([header, *(f"{t}{',1.0' * columns}" for t in times), ""]))
    return path


@pytest.mark.parametrize(
    ("place", "provider", "format_"),
    [
        ("forcing/netcdf/gauge_01073000_forcing.nc", "NetCDF", Format.FORCING_NETCDF),
        ("forcing/netcdf/cats-27_52_67-2015_12_01-2015_12_30.nc", "NetCDF", Format.FORCING_NETCDF),
        ("ngen-reference/n20/forcings/forcings.nc", "NetCDF", Format.FORCING_NETCDF),
        ("forcing/csv/gauge_01073000", "CsvPerFeature", Format.FORCING_CSV),
        ("forcing/csv/dmod_aorc", "CsvPerFeature", Format.FORCING_CSV),
        ("forcing/csv/cat-27115-nwm-aorc-variant-derived-format-units.csv", "CsvPerFeature", Format.FORCING_CSV),
    ],
)
def test_a_description_says_what_opening_gives(data, place, provider, format_):
    found = describe(data / place)
    source = open_forcing(ForcingRef(data / place, provider))
    try:
        assert found.format is format_
        assert found.coverage == Coverage.of(
            spans=Span(source.axis.start_s, source.axis.stop_s),
            ids=source.ids,
            variables=map(aorc_name, source.variables),
        )
        assert found.facts["variables"] == dict(source.variables)
    finally:
        source.close()


def test_the_same_weather_covers_the_same_whatever_names_its_columns_have(tmp_path):
    table(tmp_path / "cat-1.csv", header="time,precip_rate,TMP_2maboveground")
    (tmp_path / "other").mkdir()
    table(tmp_path / "other" / "cat-1.csv", header="Time,RAINRATE [mm s^-1],T2D")
    assert describe(tmp_path / "cat-1.csv").coverage == describe(tmp_path / "other" / "cat-1.csv").coverage


def test_files_that_are_written_otherwise_and_say_the_same_are_alike(tmp_path):
    table(tmp_path / "cat-1.csv", header="time,precip_rate,T2D")
    table(tmp_path / "cat-2.csv", header="time,T2D [K],precip_rate [mm s^-1]", end="\r\n")
    table(tmp_path / "cat-3.csv", header='"time","precip_rate","T2D"')
    found = describe(tmp_path)
    assert found.coverage.ids == IdSet.of(["cat-1", "cat-2", "cat-3"])
    assert found.coverage.spans == (Span.of("2016-09-01", "2016-09-02"),)


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"start": 1}, "different times"),
        ({"hours": 23}, "different times"),
        ({"hours": 25}, "different times"),
        ({"hours": 12, "step": 2}, "different times"),
        ({"header": "time,precip_rate,T2D [degC]"}, "different columns"),
        ({"header": "time,precip_rate"}, "different columns"),
    ],
)
def test_one_file_of_many_that_differs_is_found_and_refused(tmp_path, changed, what):
    for number in range(60):
        table(tmp_path / f"cat-{number}.csv")
    table(tmp_path / "cat-37.csv", **changed)
    with pytest.raises(ForcingError, match=what) as caught:
        describe(tmp_path)
    assert caught.value.facts["path"].name == "cat-37.csv"


def test_a_file_longer_than_what_is_looked_at_is_still_known_by_its_ends(tmp_path):
    table(tmp_path / "cat-1.csv", hours=5000)
    table(tmp_path / "cat-2.csv", hours=5000)
    assert describe(tmp_path).facts["steps"] == 5000
    table(tmp_path / "cat-2.csv", hours=4999)
    with pytest.raises(ForcingError, match="different times"):
        describe(tmp_path)


def test_a_file_that_is_named_after_no_catchment_serves_them_all(tmp_path):
    assert describe(table(tmp_path / "weather.csv")).coverage.ids is ALL
    assert describe(table(tmp_path / "cat-3.csv")).coverage.ids == IdSet.of(["cat-3"])


def test_a_directory_of_which_no_file_is_named_after_a_catchment_is_refused(tmp_path):
    table(tmp_path / "weather.csv")
    with pytest.raises(ForcingError, match="named after a catchment"):
        describe(tmp_path)


def test_a_catchment_that_occurs_twice_is_refused(tmp_path):
    import h5py

    def blocks(start, stop):
        return {name: np.ones((stop - start, 24), dtype=np.float32) for name in AORC}

    path = write_forcing(tmp_path / "f.nc", ["cat-1", "cat-2"], axis=TimeAxis(0, 3600, 24), blocks=blocks)
    with h5py.File(path, "a") as file:
        file["ids"][...] = ["cat-1", "cat-1"]
    with pytest.raises(ForcingError, match="cat-1 occurs twice"):
        describe(path)


def store(path, ids=("cat-1", "cat-2"), **attributes):
    """A Zarr store of weather, a day of hours."""
    group = zarr.create_group(str(path))
    held = group.create_array("ids", shape=(len(ids),), dtype="str")
    held[:] = np.array(ids, dtype=object)
    clock = group.create_array(
        "time", shape=(24,), dtype="int64", attributes={"units": "hours since 2016-09-01 00:00:00"}
    )
    clock[:] = np.arange(24)
    for name in ("T2D", "precip_rate"):
        values = group.create_array(name, shape=(len(ids), 24), dtype="float32", attributes=attributes)
        values[:] = 1.0
    return path


def test_a_zarr_store_of_catchments_by_time_is_forcing(tmp_path):
    found = describe(store(tmp_path / "f.zarr"))
    assert found.format is Format.FORCING_ZARR
    assert found.coverage == Coverage.of(
        spans=Span.of("2016-09-01", "2016-09-02"),
        ids=["cat-1", "cat-2"],
        variables=["TMP_2maboveground", "precip_rate"],
    )
    assert found.facts["variables"] == {"T2D": "K", "precip_rate": "mm s^-1"}


def test_a_zarr_store_that_is_damaged_or_contradicts_itself_is_refused(tmp_path):
    store(tmp_path / "f.zarr", ids=("cat-1", "cat-1"))
    with pytest.raises(ForcingError, match="cat-1 occurs twice"):
        describe(tmp_path / "f.zarr")
    shutil.rmtree(tmp_path / "f.zarr")
    store(tmp_path / "f.zarr")
    (tmp_path / "f.zarr" / "time" / "zarr.json").unlink()
    with pytest.raises(ForcingError, match="cannot be read as forcing"):
        describe(tmp_path / "f.zarr")


def test_ten_thousand_files_are_looked_at_in_seconds(tmp_path):
    first = table(tmp_path / "cat-0.csv", hours=200)
    for number in range(1, 10_000):
        (tmp_path / f"cat-{number}.csv").hardlink_to(first)
    describe(tmp_path / "cat-0.csv")
    before = time.process_time()
    assert len(describe(tmp_path).coverage.ids) == 10_000
    # Of the processor, so that what else the machine does makes no difference.
    assert time.process_time() - before < 20
