"""Intervals are told by the instants themselves: a perfect simulation scores perfectly over all of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from flows import series

from dmod.errors import InputError, ObservationError
from dmod.evaluation.evaluate import evaluate
from dmod.evaluation.pairing import Pairing, paired
from dmod.evaluation.time_axis import axis_of, months_in

HOURS = 24 * 366
#: What the run gives each hour of 2016.
FLOW = 5 + np.sin(np.arange(HOURS) / 50) + np.random.default_rng(0).random(HOURS)
HOURLY = pd.Series(FLOW, pd.date_range("2016-01-01", periods=HOURS, freq="h", tz="UTC"))


def run():
    return series(FLOW, start="2016-01-01")


def given(values):
    return xr.DataArray(values.to_numpy(), {"time": values.index.tz_localize(None)}, "time", attrs={"units": "m3 s-1"})


def scores(obs, **rules):
    """Root mean square error and number of pairs of a perfect run."""
    found = evaluate(run(), obs, ["rmse"], units="m3 s-1", pairing=Pairing(instants="mean", **rules))
    return float(found.scores["rmse"]), int(found.scores["sample_size"]), found.notes


@pytest.mark.parametrize(
    ("freq", "rules", "count", "words"),
    [
        ("MS", {}, 12, "1 month"), ("QS", {}, 4, "3 months"), ("ME", {}, 12, "1 month"),
        ("MS", {"closed": "right", "label": "right"}, 12, "1 month"), ("D", {}, 366, "1 d"),
        ("W", {"label": "right"}, 52, "7 d"),
    ],
)  # fmt: skip
def test_a_perfect_run_is_perfect_over_calendar_intervals(freq, rules, count, words):
    sides = {key: rules.get(key, "left") for key in ("closed", "label")}
    if freq == "W":
        means = HOURLY["2016-01-03":].resample("7D", **sides).mean()[:count]
    else:
        means = HOURLY.resample(freq, **({} if freq == "ME" else sides)).mean()
    error, size, notes = scores(given(means), **rules)
    assert error == pytest.approx(0, abs=1e-12)
    assert size >= count - 1
    assert any(f"over intervals of {words}" in note for note in notes)


@pytest.mark.parametrize("zone", ["America/Chicago", "Europe/Berlin", "Europe/London", "Pacific/Auckland"])
@pytest.mark.parametrize("freq", ["D", "MS"])
@pytest.mark.parametrize("tells_zone", [True, False])
def test_a_perfect_run_is_perfect_over_local_days_and_months(zone, freq, tells_zone):
    """Days of 23 and 25 hours count whole. Where no zone is named, nobody knows when the last one ends."""
    means = HOURLY.tz_convert(zone).resample(freq).mean()[1:-1]
    error, size, notes = scores(means if tells_zone else given(means.tz_convert("UTC")))
    assert error == pytest.approx(0, abs=1e-12)
    assert size == len(means) - (not tells_zone)
    assert not any("without enough instants" in note for note in notes)


def test_a_local_day_beside_a_gap_is_left_out_where_its_end_cannot_be_told():
    means = HOURLY.tz_convert("America/Chicago").resample("D").mean()[1:-1]
    gap = means.drop(means.index[(means.index >= "2016-03-12") & (means.index < "2016-03-16")])
    error, size, notes = scores(given(gap.tz_convert("UTC")))
    assert error == pytest.approx(0, abs=1e-12)
    assert size == len(gap) - 2
    assert "obs: 2 values without a neighbour that tells whether summer time changes: left out" in notes
    assert scores(gap)[:2] == (pytest.approx(0, abs=1e-12), len(gap))


def test_gaps_do_not_make_intervals_longer():
    """400 of 8784 hours: half of the steps are longer than a day, and each value is of one hour all the same."""
    some = np.sort(np.random.default_rng(1).choice(HOURS, 400, replace=False))
    assert scores(given(HOURLY.iloc[some]))[:2] == (0.0, 400)
    days = HOURLY.resample("D").mean().iloc[[0, 1, 2, 5, 6, 9, 20, 21, 50]]
    assert scores(given(days))[:2] == (pytest.approx(0, abs=1e-12), 9)
    months = HOURLY.resample("MS").mean().iloc[[0, 1, 4, 5, 11]]
    assert scores(given(months))[:2] == (pytest.approx(0, abs=1e-12), 5)


def test_a_stray_value_leaves_out_its_neighbours_and_is_told():
    days = HOURLY.resample("D").mean()
    stray = pd.concat([days, pd.Series([99.0], [pd.Timestamp("2016-05-03T12:07", tz="UTC")])]).sort_index()
    error, size, notes = scores(given(stray))
    assert (error, size) == (pytest.approx(0, abs=1e-12), 365)
    assert "obs: 2 values stand less than 1 d apart: left out" in notes


def test_instants_without_any_order_are_refused_with_numbers():
    minutes = np.sort(np.random.default_rng(2).choice(60 * 24 * 60, 300, replace=False))
    times = pd.Timestamp("2016-01-01") + pd.to_timedelta(minutes, unit="min")
    obs = xr.DataArray(np.ones(300), {"time": times}, "time", attrs={"units": "m3 s-1"})
    with pytest.raises(ObservationError, match="no interval has enough instants") as caught:
        paired(run(), obs, Pairing(instants="mean"))
    assert caught.value.facts["needed"].startswith("60 in each")


def test_both_are_brought_onto_months():
    found, notes = paired(run(), run(), Pairing(instants="mean", every="1MS"))
    assert found["time"].dt.month.values.tolist() == list(range(1, 13))
    assert np.allclose(found["sim"], HOURLY.resample("MS").mean())
    assert "sim is the mean over intervals of 1 month, closed and labelled left" in notes
    later, _ = paired(run(), run(), Pairing(instants="mean", every="QS", closed="right", label="right"))
    assert later["time"].values[0] == np.datetime64("2016-04-01")


def test_one_instant_tells_no_interval():
    with pytest.raises(InputError, match="cannot be told from one instant"):
        paired(run(), series([1.0], start="2016-01-01"), Pairing(instants="mean"))
    assert axis_of(pd.DatetimeIndex(["2016-01-01"]), "left") is None


@pytest.mark.parametrize(("every", "months"), [("MS", 1), ("2QS", 6), ("1 year", 12), ("1D", None), ("1ms", None)])
def test_months_are_no_milliseconds(every, months):
    assert months_in(every) == months


@pytest.mark.parametrize("rules", [{"every": "1D"}, {"tolerance": "1h"}, {"instants": "nearest", "every": "1D"}])
def test_a_rule_that_would_say_nothing_is_refused(rules):
    with pytest.raises(InputError, match="says nothing where instants="):
        Pairing(**({"tolerance": "1h"} | rules if rules.get("instants") else rules))


def test_observed_instants_without_a_simulated_one_are_counted():
    """Half of them stand at half past; some are after the run."""
    times = run()["time"].values[:100].copy()
    times[50:] += np.timedelta64(30, "m")
    _, notes = paired(run()[:100], run()[:100].assign_coords(time=times), Pairing())
    assert notes[-1] == "50 of 100 observed instants have no simulated one, 49 of them within the simulated period"
    _, notes = paired(run()[:100], run()[50:150], Pairing())
    assert notes == ("50 of 100 observed instants have no simulated one: they are outside of its period",)
    near = Pairing(instants="nearest", tolerance="15min")
    _, notes = paired(run()[:100], run()[:100].assign_coords(time=times), near)
    assert notes == ("50 of 100 observed instants have no simulated one within 15 min",)
