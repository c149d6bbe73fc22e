"""Observations come back in m3 s-1 and UTC, or with an error that says what to mend."""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from dmod.errors import ObservationError
from dmod.evaluation.observations import read_observations

CFS = 0.3048**3


@pytest.fixture
def table(tmp_path):
    """A function that writes a table and gives its path."""

    def write(text, name="obs.csv"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return path

    return write


def hours(array):
    return [str(instant)[:16] for instant in array.time.values]


@pytest.mark.parametrize(
    ("header", "factor"),
    [
        ("time,flow [m3 s-1]", 1.0),
        ("value_time,discharge (cfs)", CFS),
        ("Time,Observed [CMS]", 1.0),
        ("datetime,flow_cfs", CFS),
        ("date,Q [l/s]", 0.001),
        ("datetime,00060", CFS),
        ("datetime,123456_00060_00003", CFS),
    ],
)
def test_units_are_read_from_the_header(table, header, factor):
    obs = read_observations(table(f"{header}\n2016-09-01T00:00,2\n2016-09-01T01:00,3\n"))
    assert obs.dims == ("time",)
    assert obs.attrs["units"] == "m3 s-1"
    np.testing.assert_allclose(obs, [2 * factor, 3 * factor], rtol=1e-12)


def test_units_are_read_from_a_column_and_may_differ_by_row(table):
    path = table("time,value,unit\n2016-09-01,100,ft3/s\n2016-09-02,5,m^3/s\n2016-09-03,,\n")
    np.testing.assert_allclose(read_observations(path), [100 * CFS, 5.0, np.nan], rtol=1e-12)


def test_units_are_given_where_the_file_is_silent(table):
    path = table("time,flow\n2016-09-01,100\n")
    assert float(read_observations(path, units="cfs")[0]) == pytest.approx(100 * CFS)


def test_units_are_never_guessed(table):
    with pytest.raises(ObservationError, match=r"does not say what units(.|\n)*units='cfs'"):
        read_observations(table("time,flow\n2016-09-01,100\n"))


def test_units_of_something_else_are_refused(table):
    with pytest.raises(ObservationError, match=r"'mm/h' is not a unit of discharge"):
        read_observations(table("time,flow [mm/h]\n2016-09-01,100\n"))


def test_the_caller_may_not_contradict_the_file(table):
    path = table("time,flow [cfs]\n2016-09-01,100\n")
    assert float(read_observations(path, units="ft^3/s")[0]) == pytest.approx(100 * CFS)
    with pytest.raises(ObservationError, match="different units"):
        read_observations(path, units="m3 s-1")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["2016-09-01T06:00Z,1", "2016-09-01T01:00-06:00,2"], ["2016-09-01T06:00", "2016-09-01T07:00"]),
        (
            ["2016-09-01 06:00:00+00:00,1", "2016-09-01 08:30:00+0130,2"],
            ["2016-09-01T06:00", "2016-09-01T07:00"],
        ),
    ],
)
def test_times_become_utc(table, rows, expected):
    obs = read_observations(table("\n".join(["time,flow [cms]", *rows])))
    assert hours(obs) == expected
    assert obs.time.dtype == np.dtype("datetime64[ns]")
    assert "zone" not in obs.attrs["notes"]


def test_times_without_a_zone_are_utc_and_that_is_told(table):
    obs = read_observations(table("time,flow [cms]\n2016-09-01 06:00,1\n"))
    assert hours(obs) == ["2016-09-01T06:00"]
    assert obs.attrs["notes"] == "times without a zone taken as UTC"


def test_a_zone_may_stand_in_the_header_or_in_a_column(table):
    assert hours(read_observations(table("time (MST),flow [cms]\n2016-09-01 06:00,1\n"))) == ["2016-09-01T13:00"]
    assert hours(read_observations(table("time (UTC+01:30),flow [cms]\n2016-09-01 06:00,1\n"))) == ["2016-09-01T04:30"]
    # one o'clock comes twice when summer time ends
    obs = read_observations(table("datetime,tz_cd,flow [cfs]\n2016-11-06 01:00,MDT,1\n2016-11-06 01:00,MST,2\n"))
    assert hours(obs) == ["2016-11-06T07:00", "2016-11-06T08:00"]
    with pytest.raises(ObservationError, match=r"zone that is not known(.|\n)*local"):
        read_observations(table("time (local),flow [cms]\n2016-09-01 06:00,1\n"))


@pytest.mark.parametrize("time", ["9/1/2016 06:00", "1472688000", "20160901", "yesterday", ""])
def test_times_that_could_mean_two_things_are_refused(table, time):
    with pytest.raises(ObservationError, match=r"time that cannot be read\n  line   3") as caught:
        read_observations(table(f"time,flow [cms]\n2016-09-01 06:00,1\n{time},2\n"))
    assert caught.value.facts["has"] == repr(time)


def test_no_data_codes_are_missing_and_counted(table):
    obs = read_observations(
        table(
            """
            time,flow [cfs]
            2016-09-01T00:00Z,-999999
            2016-09-01T01:00Z,Ice
            2016-09-01T02:00Z,
            2016-09-01T03:00Z,-9999.0
            2016-09-01T04:00Z,NaN
            2016-09-01T05:00Z,-3
            2016-09-01T06:00Z,0
            2016-09-01T07:00Z,inf
            """
        )
    )
    np.testing.assert_allclose(obs, [np.nan] * 5 + [-3 * CFS, 0.0, np.nan])
    assert obs.attrs["notes"].split("; ") == [
        "1 value of -9999 taken as missing",
        "1 value of -999999 taken as missing",
        "1 infinite value taken as missing",
        "1 value below zero kept",
    ]


def test_other_text_among_the_values_is_an_error(table):
    with pytest.raises(ObservationError, match=r"no number\n  line    4\n  has     'about 3'"):
        read_observations(table("# from the office\ntime,flow [cms]\n2016-09-01,1\n2016-09-02,about 3\n"))


def test_rows_are_put_in_order(table):
    obs = read_observations(table("time,flow [cms]\n2016-09-02Z,2\n2016-09-01Z,1\n".replace("Z", "T00:00Z")))
    assert obs.values.tolist() == [1.0, 2.0]
    assert obs.attrs["notes"] == "rows put in order of time"


def test_a_repeated_row_counts_once_and_a_value_wins_over_a_gap(table):
    obs = read_observations(
        table("time,flow [cms]\n2016-09-01T00Z,1\n2016-09-01T00Z,\n2016-09-01T00Z,1\n2016-09-02T00Z,2\n")
    )
    assert obs.values.tolist() == [1.0, 2.0]
    assert obs.attrs["notes"] == "2 repeated rows left out"


def test_two_values_for_one_instant_are_an_error(table):
    with pytest.raises(ObservationError, match=r"(?s)different values for one instant.*01T00:00:00Z.*1 and 3 m3 s-1"):
        read_observations(table("time,flow [cms]\n2016-09-01T00:00Z,1\n2016-09-01T00:00Z,3\n"))


def test_sites_become_a_dimension_and_keep_their_zeros(table):
    obs = read_observations(
        table("site_no,time,flow [cms]\n01073000,2016-09-01,1\n01073000,2016-09-02,2\n09112500,2016-09-02,3\n")
    )
    assert obs.dims == ("site", "time")
    assert obs.site.values.tolist() == ["01073000", "09112500"]
    np.testing.assert_array_equal(obs, [[1, 2], [np.nan, 3]])


def test_one_site_is_a_plain_series_that_remembers_it(table):
    obs = read_observations(table("time,location_id,flow [cms]\n2016-09-01,usgs-01,1\n"))
    assert obs.dims == ("time",)
    assert obs.site.item() == "usgs-01"


def test_tabs_comments_a_byte_order_mark_and_blank_lines_are_read(table):
    text = "\ufeff# USGS\n#\nagency_cd\tsite_no\tdatetime\ttz_cd\t7_00060\t7_00060_cd\n"
    text += "5s\t15s\t20d\t6s\t14n\t10s\n"
    text += "USGS\t01073000\t2016-09-01 00:00\tEST\t10\tA\n\nUSGS\t01073000\t2016-09-01 00:15\tEST\tEqp\tA\n"
    obs = read_observations(table(text, "gage.rdb"))
    assert hours(obs) == ["2016-09-01T05:00", "2016-09-01T05:15"]
    np.testing.assert_allclose(obs, [10 * CFS, np.nan])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("time,flow [cms]\n", "no rows"),
        ("when,flow [cms]\n2016-09-01,1\n", r"no column of times(.|\n)*when, flow \[cms\]"),
        ("time,level [m]\n2016-09-01,1\n", r"no column of values(.|\n)*variable="),
        ("date,time,flow [cms]\n2016-09-01,00:00,1\n", "more than one column of times"),
        ("time,flow [cms],obs [cms]\n2016-09-01,1,2\n", "more than one column of values"),
        ("time,flow [cms]\n2016-09-01,\n", "holds no discharge"),
    ],
)
def test_a_table_that_cannot_be_understood_says_why(table, text, message):
    with pytest.raises(ObservationError, match=message) as caught:
        read_observations(table(text))
    assert caught.value.hint


def test_the_column_can_be_named(table):
    path = table("time,flow [cms],corrected [cms]\n2016-09-01,1,2\n")
    assert read_observations(path, variable="corrected").values.tolist() == [2.0]
    with pytest.raises(ObservationError, match="no column 'none'"):
        read_observations(path, variable="none")


def test_a_file_that_is_not_there_says_so(tmp_path):
    with pytest.raises(ObservationError, match=r"cannot open(.|\n)*No such file"):
        read_observations(tmp_path / "none.csv")


def test_bytes_that_are_no_text_say_so(tmp_path):
    (tmp_path / "obs.csv").write_bytes(b"\x1f\x8b\x08\xff\xfe")
    with pytest.raises(ObservationError, match="not a table of text"):
        read_observations(tmp_path / "obs.csv")


def netcdf(path, *, units="ft3 s-1", name="streamflow", **extra):
    times = pd.date_range("2016-09-01", periods=3, freq="h")
    values = xr.DataArray([[1.0, 2.0, -9999.0], [4.0, 5.0, 6.0]], dims=("gage", "time"))
    values.attrs = {"units": units} if units else {}
    level = xr.DataArray([1.0, 1.0, 1.0], dims="time", attrs={"units": "m"})
    dataset = xr.Dataset({"level": level, name: values, **extra}, coords={"time": times})
    dataset["gage_id"] = ("gage", np.array(["0101", "0202"], dtype=object))
    dataset.to_netcdf(path, engine="h5netcdf")
    return path


def test_netcdf_gives_the_variable_with_units_of_discharge(tmp_path):
    obs = read_observations(netcdf(tmp_path / "obs.nc"))
    assert obs.dims == ("site", "time")
    assert obs.site.values.tolist() == ["0101", "0202"]
    np.testing.assert_allclose(obs, np.array([[1, 2, np.nan], [4, 5, 6]]) * CFS)
    assert obs.attrs["notes"] == "1 value of -9999 taken as missing"


def test_netcdf_needs_units_too(tmp_path):
    path = netcdf(tmp_path / "obs.nc", units=None)
    with pytest.raises(ObservationError, match="does not say what units"):
        read_observations(path)
    assert float(read_observations(path, units="m3 s-1")[1, 0]) == 4.0


def test_netcdf_without_discharge_lists_what_it_has(tmp_path):
    path = netcdf(tmp_path / "obs.nc", units="K", name="temperature")
    with pytest.raises(ObservationError, match=r"no discharge\n  has     level \[m\], temperature \[K\]"):
        read_observations(path)
    with pytest.raises(ObservationError, match="not a unit of discharge"):
        read_observations(path, variable="level")


def test_netcdf_times_with_an_offset_become_utc(tmp_path):
    dataset = xr.Dataset({"q": ("time", [1.0, 2.0], {"units": "m3/s"})})
    dataset["time"] = ("time", [0, 1], {"units": "hours since 2016-09-01 00:00:00 -06:00"})
    dataset.to_netcdf(tmp_path / "obs.nc", engine="h5netcdf")
    assert hours(read_observations(tmp_path / "obs.nc")) == ["2016-09-01T06:00", "2016-09-01T07:00"]


def test_netcdf_without_times_says_so(tmp_path):
    xr.Dataset({"q": ("x", [1.0], {"units": "m3/s"})}).to_netcdf(tmp_path / "obs.nc", engine="h5netcdf")
    with pytest.raises(ObservationError, match="no time axis"):
        read_observations(tmp_path / "obs.nc")


def test_a_table_of_nwis_values_with_local_times(data):
    obs = read_observations(data / "observations/dmod_evaluations/observations.csv")
    assert obs.dims == ("site", "time")
    assert "0214655255" in obs.site.values
    assert hours(obs)[0] == "2015-12-01T01:00"  # 2015-11-30 20:00-05:00
    assert float(obs.sel(site="0214655255")[0]) == pytest.approx(46.1 * CFS)


def test_a_table_as_teehr_writes_it(data):
    obs = read_observations(data / "observations/teehr/test_short_obs.csv")
    assert set(obs.site.values) >= {"gage-A"}
    assert obs.sel(site="gage-A").values[:2].tolist() == pytest.approx([0.1, 1.1])
