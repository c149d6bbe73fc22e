"""Thresholds are flows with units, counted from the record or read from tables; none is guessed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from flows import places, series

from dmod.errors import InputError, ObservationError
from dmod.evaluation.floods import annual_maxima, return_flows
from dmod.evaluation.threshold_tables import ThresholdTable, read_thresholds
from dmod.evaluation.thresholds import thresholds_of

CFS = 0.028316846592


def pairs_of(obs):
    """Pairs of a simulation that equals the observations."""
    return xr.Dataset({"sim": obs, "obs": obs})


def found(given, obs, **options):
    return thresholds_of(given, pairs_of(obs), **options)[0]


def test_a_flow_with_units_is_converted_into_those_of_the_observations():
    at = found(["100 m3 s-1", "1000 cfs"], series([1, 2, 3]))
    assert at["threshold"].values.tolist() == ["100 m3 s-1", "1000 cfs"]
    assert at.values.tolist() == pytest.approx([100.0, 1000 * CFS])
    assert at.attrs["units"] == "m3 s-1"


def test_a_number_without_units_is_an_error_unless_they_are_said():
    with pytest.raises(InputError, match="threshold 100 does not say what units") as caught:
        found([100], series([1, 2]))
    assert "threshold_units=" in caught.value.hint
    assert found([100], series([1, 2]), units="cfs").values.tolist() == pytest.approx([100 * CFS])
    assert found({"flood": 100}, series([1, 2]), units="cfs")["threshold"].values.tolist() == ["flood"]


def test_quantiles_are_those_of_each_place_without_what_is_missing():
    """Of 0..10 the 0.9 quantile is 9; NaN does not count."""
    obs = places([[*range(11), np.nan], [*range(0, 110, 10), np.nan]], ["a", "b"])
    for given in ("q90", 0.9, "p90"):
        assert found(given, obs).values.tolist() == [[9.0], [90.0]]
    assert found({"high": "q90"}, obs)["threshold"].values.tolist() == ["high"]


def test_quantiles_of_what_is_lazy_stay_lazy():
    obs = places([range(11), range(0, 110, 10)], ["a", "b"])
    lazy = found(["q90", "q50"], obs.chunk({"nexus-id": 1, "time": 4}))
    assert lazy.chunks is not None
    assert lazy.values.tolist() == [[9.0, 5.0], [90.0, 50.0]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("soon", "is no threshold"),
        ("q100", "is no threshold"),
        ("1 year", "no return period"),
        ("10 ft", "does not measure what is compared"),
        ([], "no threshold was given"),
        (["q90", 0.9], "two thresholds are called 'q90'"),
        (xr.DataArray([1.0], dims="threshold"), "do not say what units"),
        (pd.DataFrame({"minor": [1.0]}, index=["a"]), "do not say what units"),
    ],
)
def test_what_is_no_threshold_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        found(given, series([1, 2, 3]))


def test_a_table_of_sites_is_looked_up_by_gage_or_place_and_gaps_are_told():
    obs = places([[1, 2], [3, 4], [5, 6]], ["nex-1", "nex-2", "nex-3"])
    obs = obs.assign_coords(gage=("nexus-id", ["USGS-01", "02", "03"]))
    table = pd.DataFrame({"minor [cfs]": [100.0, 200.0], "major [m3 s-1]": [50.0, np.nan]}, index=["01", "nex-2"])
    at, notes = thresholds_of(table, pairs_of(obs))
    assert at.dims == ("nexus-id", "threshold")
    np.testing.assert_allclose(at.values, [[100 * CFS, 50], [200 * CFS, np.nan], [np.nan, np.nan]])
    assert notes == (
        "1 of 3 places have no threshold 'minor'",
        "2 of 3 places have no threshold 'major'",
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("wide.csv", "# levels\nsite,minor [cfs],major_cfs,town\n01,100,200,A\n02,300,,B\n"),
        ("units.csv", "site_no,minor,major,units\n01,100,200,cfs\n02,300,,cfs\n"),
        ("rows.csv", "site,threshold,value,units\n01,minor,100,cfs\n01,major,200,cfs\n02,minor,300,cfs\n"),
        ("sites.json", json.dumps({"units": "cfs", "01": {"minor": 100, "major": 200}, "02": {"minor": 300}})),
        ("rows.json", json.dumps([
            {"site": "01", "minor [cfs]": 100, "major [cfs]": 200}, {"site": "02", "minor [cfs]": 300},
        ])),
        ("levels.rdb", "# USGS\nsite_no\tminor_cfs\tmajor_cfs\n15s\t12n\t12n\n01\t100\t200\n02\t300\t\n"),
    ],
)  # fmt: skip
def test_a_table_is_read_from_any_of_the_usual_files(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    table = read_thresholds(tmp_path / name)
    assert set(table.names) == {"minor", "major"}
    assert set(table.units.values()) == {"cfs"}
    assert table.frame.loc["01", "major"] == 200
    assert np.isnan(table.frame.loc["02", "major"])
    obs = places([[1, 2], [3, 4]], ["01", "02"], dim="site")
    assert float(found(tmp_path / name, obs).sel(site="02", threshold="minor")) == pytest.approx(300 * CFS)


def test_a_table_without_units_needs_them_said(tmp_path):
    path = tmp_path / "levels.csv"
    path.write_text("site,minor\n01,100\n")
    with pytest.raises(InputError, match="do not say what units"):
        read_thresholds(path)
    assert read_thresholds(path, units="cfs").units == {"minor": "cfs"}


def test_a_table_of_other_sites_names_what_it_has():
    table = ThresholdTable.of(pd.DataFrame({"minor [cfs]": [1.0]}, index=["99"]))
    with pytest.raises(ObservationError, match="has none of the places") as caught:
        found(table, places([[1], [2]], ["01", "02"], dim="site"))
    assert caught.value.facts == {"has": "99", "needed": "01, 02"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("empty.csv", "site,minor [cfs]\n", "holds no threshold"),
        ("what.csv", "a,b\n1,2\n", "no column of sites"),
        ("what.json", "{", "is no table of thresholds"),
        ("what.json", '{"a": 1}', "is no table of thresholds"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(ObservationError, match=message):
        read_thresholds(tmp_path / name)


def test_flood_flows_of_the_weather_service_are_read(data):
    table = read_thresholds(data / "evaluation-golden/dmod_evaluations/thresholds.json")
    assert set(table.units.values()) == {"cfs"}
    row = table.frame.loc["0214657975"]
    assert row["record"] == 2670
    assert row["action"] == 3730
    assert table.notes[0].endswith("were computed from stages by rating curves")


def test_daily_percentiles_of_the_usgs_are_thresholds_over_time(data):
    path = Path(data) / "evaluation-golden/dmod_evaluations/nwis_stat_thresholds.rdb"
    table = read_thresholds(path, names={"p50_va": "median", "p75_va": "upper"})
    obs = places([[1] * 4, [2] * 4], ["0214657975", "0214655255"], dim="site", start="2016-01-01T12:00", freq="D")
    at, _ = thresholds_of(table, pairs_of(obs))
    assert at.dims == ("site", "threshold", "time")
    median = at.sel(site="0214655255", threshold="median") / CFS
    np.testing.assert_allclose(median, [2.9, 3.5, 3.3, 2.9], rtol=1e-12)


def test_the_29_of_february_has_its_own_threshold_and_march_is_never_shifted():
    days = pd.MultiIndex.from_product([["01"], range(1, 367)], names=["site", "day"])
    table = ThresholdTable.of(pd.DataFrame({"p50_va": np.arange(1.0, 367)}, index=days), units="m3/s")
    times = pd.to_datetime(["2015-03-01", "2016-03-01", "2016-02-29", "2016-12-31"])
    assert table.at(["01"], times)[0, 0].tolist() == [61, 61, 60, 366]


def test_annual_maxima_are_of_whole_water_years():
    """Three water years of days, of which the second lacks half its values."""
    times = pd.date_range("2000-10-01", "2003-09-30", freq="D")
    flow = np.arange(len(times), dtype=float)
    flow[400:600] = np.nan
    assert annual_maxima(flow, times).tolist() == [364.0, len(times) - 1.0]


def test_the_gev_by_l_moments_gives_back_the_flows_it_was_made_of():
    """Floods at the plotting positions of a GEV (100, 30, -0.1): 200 of them leave little to chance."""
    part = (np.arange(200) + 0.5) / 200
    floods = 100 + 30 / -0.1 * (1 - (-np.log(part)) ** -0.1)
    times = pd.date_range("1700-10-01", "1900-09-30", freq="D")
    firsts = np.flatnonzero((times.month == 10) & (times.day == 1))
    flow = np.zeros(len(times))
    flow[firsts] = floods
    wanted = 100 + 30 / -0.1 * (1 - (-np.log1p(-1 / np.array([2.0, 10.0, 50.0]))) ** -0.1)
    np.testing.assert_allclose(return_flows(flow, times, [2, 10, 50]), wanted, rtol=0.02)


def test_a_return_period_of_a_short_record_has_no_flow_and_that_is_told():
    at, notes = thresholds_of("2 years", pairs_of(places([[1] * 400], ["a"], freq="D")))
    assert np.isnan(at.values).all()
    assert "GEV by L-moments" in notes[0]
    assert notes[1] == "threshold '2 years': 1 water year, 10 needed"
    assert notes[2] == "1 of 1 places have no threshold '2 years'"


def test_a_return_period_is_taken_from_the_whole_record():
    times = pd.date_range("2000-10-01", "2015-09-30", freq="D")
    flow = 10 + 5 * np.sin(np.arange(len(times)) / 58) + np.arange(len(times)) % 97 / 10
    record = xr.DataArray(flow, {"time": times}, attrs={"units": "m3 s-1"})
    at = found("5 years", record.isel(time=slice(0, 30)), record=record)
    assert record.max() * 0.9 < float(at[0]) < record.max() * 1.1
