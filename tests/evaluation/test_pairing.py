"""Pairs are made by rules that have names, and what a rule changed is told."""

from __future__ import annotations

import dask.array
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from flows import places, series

from dmod.errors import InputError, ObservationError
from dmod.evaluation.given import as_series
from dmod.evaluation.pairing import Pairing, paired


def pair(sim, obs, **rules):
    """Values of sim and obs, and the notes."""
    pairs, notes = paired(sim, obs, Pairing(**rules))
    return pairs["sim"].values.tolist(), pairs["obs"].values.tolist(), notes


def test_daily_means_of_hours_are_compared_with_daily_values():
    """Hours 0..23 have the mean 11.5, hours 24..47 that plus 24."""
    sim, obs, notes = pair(series(range(48)), series([1.0, 2.0], freq="D"), instants="mean")
    assert (sim, obs) == ([11.5, 35.5], [1.0, 2.0])
    assert notes == ("sim is the mean over intervals of 1 d, closed and labelled left",)


def test_a_mean_labelled_at_its_end_takes_what_came_before():
    """The day that ends at 2 September holds hours 1..24 when it is closed on the right, 0..23 on the left."""
    obs = series([1.0], start="2016-09-02", freq="D")
    rules = {"instants": "mean", "label": "right", "every": "1D"}
    assert pair(series(range(48)), obs, closed="left", **rules)[0] == [11.5]
    assert pair(series(range(48)), obs, closed="right", **rules)[0] == [12.5]


def test_finer_observations_are_averaged_over_the_hours_of_the_run():
    obs = series([1, 2, 3, 6, 10, 10, 10, 14], freq="15min")
    assert pair(series([1, 2]), obs, instants="mean")[1] == [3.0, 11.0]
    assert pair(series([1, 2]), obs, instants="max")[1] == [6.0, 14.0]
    assert pair(series([1, 2]), obs, instants="min")[1] == [1.0, 10.0]


def test_both_are_averaged_where_the_interval_is_coarser_than_either():
    sim, obs, notes = pair(series([1, 3, 5, 7]), series([2, 2, 4, 4]), instants="mean", every="2h")
    assert (sim, obs) == ([2.0, 6.0], [2.0, 4.0])
    assert len(notes) == 2


def test_an_interval_that_lacks_values_is_missing_unless_part_of_it_will_do():
    obs = series([1, np.nan, 3, 4], freq="15min")
    assert np.isnan(pair(series([1]), obs, instants="mean", every="1h")[1][0])
    assert pair(series([1]), obs, instants="mean", every="1h", complete=0.75)[1] == [pytest.approx(8 / 3)]


def test_intervals_at_the_ends_without_all_instants_are_left_out_and_counted():
    sim, _, notes = pair(series(range(30), start="2016-09-01T18:00"), series([1, 2, 3], freq="D"), instants="mean")
    assert sim == [17.5]
    assert notes[0].endswith("1 intervals without enough instants are left out")


def test_the_nearest_instant_counts_once_and_within_the_tolerance():
    obs = series([1, 2, 3], start="2016-09-01T00:10")
    sim, seen, notes = pair(series([5, 6, 7]), obs, instants="nearest", tolerance="15min")
    assert (sim, seen) == ([5, 6, 7], [1, 2, 3])
    assert notes == ("instants of sim are compared with the nearest of the other, at most 10 min away",)
    with pytest.raises(ObservationError, match="share no instant within 5 min"):
        pair(series([5, 6, 7]), obs, instants="nearest", tolerance="5min")


def test_the_finer_series_is_picked_from_at_the_instants_of_the_coarser():
    obs = series(range(13), freq="10min", start="2016-09-01T00:04")
    sim, seen, _ = pair(series([1, 2, 3]), obs, instants="nearest", tolerance="10min")
    assert (sim, seen) == ([1, 2, 3], [0, 6, 12])


def test_a_tolerance_that_lets_one_value_count_twice_is_refused():
    with pytest.raises(InputError, match="would count twice") as caught:
        pair(series([1, 2]), series([1, 2]), instants="nearest", tolerance="45min")
    assert caught.value.facts["needed"] == "at most half of the coarser step, 30 min"


@pytest.mark.parametrize(
    ("rule", "kept"),
    [("first", [1.0, 3.0]), ("last", [2.0, 3.0]), ("mean", [1.5, 3.0])],
)
def test_several_values_of_one_instant_are_settled_by_the_rule_and_told(rule, kept):
    twice = series([1, 2, 3]).assign_coords(time=pd.to_datetime(["2016-09-01T00", "2016-09-01T00", "2016-09-01T01"]))
    sim, _, notes = pair(twice, series([9, 9]), duplicates=rule)
    assert sim == kept
    assert notes == (f"sim: 1 instants had several values, of which the {rule} is taken",)


def test_an_instant_twice_is_an_error_that_names_it():
    twice = series([1, 2]).isel(time=[0, 1, 1])
    with pytest.raises(ObservationError, match="obs has an instant twice") as caught:
        pair(series([1, 2]), twice)
    assert caught.value.facts["instant"] == "2016-09-01T01:00Z"


def test_codes_of_no_data_are_missing_and_counted_in_either_series():
    sim, obs, notes = pair(series([1, -9999, 3]), series([1, 2, -999999]))
    assert np.isnan(sim[1])
    assert np.isnan(obs[2])
    assert len(notes) == 2
    assert notes[0].startswith("sim: 1 values of -9999, -999999 are taken as missing")
    assert pair(series([1, -9999]), series([1, 2]), no_data=())[0] == [1, -9999]


def test_missing_values_may_be_an_error_or_count_for_every_place():
    sim = places([[1, np.nan, 3], [4, 5, 6]], ["a", "b"])
    obs = places([[1, 2, 3], [4, 5, 6]], ["a", "b"])
    with pytest.raises(ObservationError, match="values are missing") as caught:
        pair(sim, obs, missing="error")
    assert caught.value.facts["instants"] == "1, the first at 2016-09-01T01:00Z"
    assert caught.value.facts["places"] == "a"
    common, _, _ = pair(sim, obs, missing="common")
    assert np.isnan(common[1][1])
    assert pair(series([1, 2]), series([1, 2]), missing="error")[0] == [1, 2]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"instants": "guess"}, "no rule instants='guess'"),
        ({"instants": "nearest"}, "need a tolerance"),
        ({"tolerance": "soon"}, "no length of time"),
        ({"every": "-1h"}, "no length of time"),
        ({"complete": 1.5}, "part of an interval"),
        ({"missing": "ignore"}, "no rule missing='ignore'"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_at_birth(rules, message):
    with pytest.raises(InputError, match=message):
        Pairing(**rules)


def test_what_is_lazy_stays_lazy_and_is_not_touched():
    def explode(block):
        raise AssertionError("a block was loaded")

    values = dask.array.zeros((4, 48), chunks=(2, 24)).map_blocks(explode, dtype=float, meta=np.empty((0, 0)))
    times = pd.date_range("2016-09-01", periods=48, freq="h")
    lazy = xr.DataArray(values, {"time": times}, ("nexus-id", "time"), attrs={"units": "m3 s-1"})
    for rules in ({}, {"instants": "mean", "every": "1D"}, {"instants": "nearest", "tolerance": "5min"}):
        pairs, _ = paired(lazy, lazy.isel(time=slice(1, None)), Pairing(**rules))
        assert pairs["sim"].chunks is not None


def test_lazy_means_equal_eager_ones():
    values = np.random.default_rng(1).random((3, 96))
    times = pd.date_range("2016-09-01", periods=96, freq="h")
    eager = xr.DataArray(values, {"time": times}, ("nexus-id", "time"), attrs={"units": "m3 s-1"})
    rules = Pairing(instants="mean", every="1D")
    pairs, _ = paired(eager.chunk({"nexus-id": 1, "time": 30}), eager, rules)
    np.testing.assert_array_equal(pairs["sim"].values, pairs["obs"].values)
    np.testing.assert_allclose(pairs["sim"].values, values.reshape(3, 4, 24).mean(-1), rtol=1e-14)


def test_equal_axes_are_paired_without_a_copy_and_keep_their_precision():
    sim = places([[1, 2], [3, 4]], ["a", "b"]).astype(np.float32)
    pairs, _ = paired(sim, sim, Pairing())
    assert pairs["sim"].dtype == np.float32
    assert np.shares_memory(pairs["sim"].values, sim.values)


def test_units_are_converted_to_those_of_the_observations():
    pairs, _ = paired(series([100.0], units="ft3/s"), series([1.0]), Pairing())
    assert float(pairs["sim"][0]) == pytest.approx(2.8316846592, rel=1e-12)
    assert pairs["sim"].attrs == {"units": "m3 s-1", "long_name": "simulated"}


def test_a_table_in_local_time_is_compared_in_utc():
    index = pd.date_range("2016-08-31 19:00", periods=3, freq="h", tz="America/New_York")
    table = pd.DataFrame({"01": [1.0, 2, 3], "02": [4.0, 5, 6]}, index=index)
    found = as_series(table, "obs", units="m3 s-1")
    assert str(found["time"].values[0])[:16] == "2016-08-31T23:00"
    assert found["site"].values.tolist() == ["01", "02"]
    assert found.attrs == {"units": "m3 s-1", "time_zone": "America/New_York"}


def test_a_table_without_zone_is_taken_as_utc_and_that_is_told():
    found = as_series(pd.Series([1.0, 2], pd.date_range("2016-09-01", periods=2), name="value"), "obs")
    assert found.dims == ("time",)
    assert found.attrs["notes"] == "times without a zone taken as UTC"


def test_a_table_with_a_row_for_each_value_is_spread_over_sites():
    rows = pd.DataFrame({
        "value_time": pd.to_datetime(["2016-09-01T00", "2016-09-01T00", "2016-09-01T01"]),
        "location_id": ["a", "b", "a"], "value": [1.0, 2.0, 3.0], "unit_name": "m3/s",
    })  # fmt: skip
    found = as_series(rows, "obs")
    assert found.attrs["units"] == "m3/s"
    assert found.sel(site="a").values.tolist() == [1.0, 3.0]
    assert np.isnan(found.sel(site="b").values[1])


def test_forecasts_by_reference_time_are_laid_over_the_time_they_are_valid_at():
    made = pd.date_range("2016-09-01", periods=3, freq="6h")
    leads = pd.to_timedelta([6, 12], unit="h")
    forecast = xr.DataArray(
        [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], {"reference_time": made, "lead_time": leads},
        ("reference_time", "lead_time"), attrs={"units": "m3 s-1"},
    )  # fmt: skip
    found = as_series(forecast, "sim")
    assert found.dims == ("lead_time", "time")
    assert found.sizes["time"] == 4
    at = found.sel(time="2016-09-01T12:00")
    assert at.values.tolist() == [3.0, 2.0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (42, "nothing that holds a series"),
        (pd.DataFrame({"a": [1.0]}), "a table without times"),
        (xr.Dataset({"a": ("time", [1.0]), "b": ("time", [1.0])}), "open which variable"),
        (series([1]).isel(time=[]), "no instants"),
    ],
)
def test_what_holds_no_series_is_refused(given, message):
    with pytest.raises(ObservationError, match=message):
        as_series(given, "sim")
