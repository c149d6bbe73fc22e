"""Metrics that ask when: skill, peaks, events, duration curves and signatures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dmod.evaluation.baseflow import baseflow
from dmod.evaluation.correlation import ranks
from dmod.evaluation.duration import fdc_slope, flow_duration
from dmod.evaluation.events import above, event_table, events_of, matched, runs, storms
from dmod.evaluation.metric import find_metric
from dmod.evaluation.peaks import water_years
from dmod.evaluation.signatures import baseflow_index, flashiness, rising_limb_density, runoff_ratio

HOURS = np.arange(600.0)
TIMES = np.datetime64("2016-09-01", "ns") + np.arange(600) * np.timedelta64(1, "h")


def river(*starts: int, height: float = 9.0) -> np.ndarray:
    """A storm of some days at each start above a baseflow of 1 m3/s."""
    flow = np.ones(600)
    for start in starts:
        flow[start:] += height * np.exp(-np.arange(600 - start) / 15)
    return flow


def value(name: str, sim, obs, **options) -> float:
    """One metric of two rivers."""
    return float(find_metric(name)(sim, obs, times=TIMES[: len(obs)], **options))


# -- skill -------------------------------------------------------------------------------


def test_persistence_looks_back_over_steps_and_not_over_gaps():
    obs = np.array([1.0, 2.0, np.nan, 4.0, 7.0])
    sim = np.array([1.0, 3.0, 9.0, 4.0, 6.0])
    # Only 1 -> 2 and 4 -> 7 follow each other: 1 - (1 + 1) / (1 + 9).
    assert value("persistence_skill", sim, obs) == pytest.approx(0.8)
    assert np.isnan(value("persistence_skill", sim, obs, lag=10))


def test_a_simulation_that_persists_has_no_skill():
    obs = river(100, 300)
    assert value("persistence_skill", np.concatenate([[1.0], obs[:-1]]), obs) == pytest.approx(0.0)


def test_the_seasons_are_a_benchmark_of_several_years():
    times = np.arange(np.datetime64("2013-01-01"), np.datetime64("2017-01-01"))
    day = (times - times.astype("datetime64[Y]")).astype(int)
    year = times.astype("datetime64[Y]").astype(int) - 43
    obs = 10 + np.sin(day / 58) + 0.1 * (year - 1.5)
    skill = find_metric("benchmark_skill")
    frame = pd.DataFrame({"obs": obs, "key": pd.DatetimeIndex(times).strftime("%m-%d")})
    climate = frame.groupby("key")["obs"].transform("mean").to_numpy()
    assert float(skill(climate, obs, times=times)) == pytest.approx(0.0, abs=1e-12)
    sim = obs + 0.05
    expected = 1 - ((sim - obs) ** 2).sum() / ((climate - obs) ** 2).sum()
    assert float(skill(sim, obs, times=times)) == pytest.approx(expected, rel=1e-12)


# -- peaks and events --------------------------------------------------------------------


def test_peaks_of_water_years_are_added_up():
    times = np.array(["2015-09-29", "2015-09-30", "2015-10-01", "2015-10-02"], dtype="datetime64[ns]")
    bias = find_metric("annual_peak_bias")
    # Peaks 4 and 6 observed, 5 and 6 simulated.
    assert float(bias([5.0, 0.0, 6.0, 1.0], [3.0, 4.0, 1.0, 6.0], times=times)) == pytest.approx(10.0)
    assert water_years(times).tolist() == [2015, 2015, 2016, 2016]


def test_timing_is_late_above_zero():
    assert value("peak_timing", river(105), river(100)) == 5.0
    assert value("event_timing_error", river(105), river(100)) == 5.0
    assert value("event_timing_error", river(95), river(100)) == -5.0
    # One early, one late: in the mean none, by size five.
    assert value("event_timing_error", river(95, 405), river(100, 400)) == 0.0
    assert value("event_timing_absolute_error", river(95, 405), river(100, 400)) == 5.0


def test_events_are_counted_and_matched_by_time():
    sim, obs = river(100, 500), river(100, 300)
    assert value("event_count_error", sim, river(100)) == 1.0
    assert value("event_hit_rate", sim, obs) == 0.5
    assert value("event_false_alarm_ratio", sim, obs) == 0.5
    assert value("event_peak_error", river(100, height=19.0), river(100)) == pytest.approx(100.0)


def test_a_simulated_event_is_that_of_one_observed_event_only():
    flow = river(100, 300)
    both = events_of(above(flow, 2.0), flow, HOURS)
    one = events_of(np.ones(600, dtype=bool), flow, HOURS)
    assert len(both) == 2
    assert matched(one, both, HOURS) == [(0, 1)]  # the second is the larger one, on the tail of the first
    assert matched(both, both, HOURS) == [(0, 0), (1, 1)]


def test_a_gap_ends_an_event():
    hours = np.array([0.0, 1.0, 2.0, 9.0, 10.0])
    first, last = runs(np.ones(5, dtype=bool), hours)
    assert (first.tolist(), last.tolist()) == ([0, 3], [2, 4])


def test_a_level_river_has_no_events():
    assert not storms(np.full(600, 0.1), HOURS).any()
    assert not storms(np.zeros(600), HOURS).any()
    assert not storms(np.ones(1), np.zeros(1)).any()


def test_the_table_of_events_has_their_volume():
    table = event_table([1.0, 5.0, 7.0, 1.0, 9.0], TIMES[:5], above([1.0, 5.0, 7.0, 1.0, 9.0], 4.0))
    assert table["peak"].tolist() == [7.0, 9.0]
    assert table["volume"].tolist() == [6.0, 0.0]
    assert table["peak_time"].tolist() == [pd.Timestamp(TIMES[2]), pd.Timestamp(TIMES[4])]


# -- duration curves ---------------------------------------------------------------------


def test_the_duration_curve_is_of_what_is_there():
    exceedance, flow = flow_duration([np.nan, 1.0, 3.0, 2.0, np.nan])
    assert exceedance.tolist() == [0.25, 0.5, 0.75]
    assert flow.tolist() == [3.0, 2.0, 1.0]


def test_parts_of_the_duration_curve_by_hand():
    chance = np.random.default_rng(1)
    obs, sim = chance.gamma(2.0, size=(2, 1000))
    high = np.sort(sim)[-20:].sum() / np.sort(obs)[-20:].sum()
    assert value("fhv", sim[:600], sim[:600]) == 0.0
    assert float(find_metric("fhv")(sim, obs)) == pytest.approx(100 * (high - 1))
    low_s, low_o = (np.log(np.sort(flow)[:300]) for flow in (sim, obs))
    ours, theirs = (low_s - low_s[0]).sum(), (low_o - low_o[0]).sum()
    assert float(find_metric("flv")(sim, obs)) == pytest.approx(-100 * (ours - theirs) / theirs)
    s20, s70, o20, o70 = (np.quantile(f, q, method="weibull") for f in (sim, obs) for q in (0.8, 0.3))
    expected = 100 * (np.log(s20 / s70) / np.log(o20 / o70) - 1)
    assert float(find_metric("fms")(sim, obs)) == pytest.approx(expected)


def test_a_river_that_falls_dry_has_no_slope_in_logarithms():
    dry = np.concatenate([np.zeros(70), np.ones(30)])
    assert np.isnan(fdc_slope(dry))
    assert np.isnan(fdc_slope([]))
    for name in ("fms", "flv", "fdc_slope_error"):
        assert np.isnan(value(name, dry, dry))


# -- signatures --------------------------------------------------------------------------


def test_baseflow_is_part_of_the_flow_and_all_of_it_where_nothing_happens():
    flow = river(100, 300)
    below = baseflow(flow, HOURS)
    assert (below >= -1e-12).all()
    assert (below <= flow + 1e-12).all()
    assert below[:60] == pytest.approx(np.ones(60))
    assert 0.2 < baseflow_index(flow, HOURS).item() < 0.9


def test_baseflow_hardly_depends_on_the_length_of_the_step():
    flow = river(100, 300)
    fine, coarse = baseflow_index(flow, HOURS), baseflow_index(flow[::3], HOURS[::3])
    assert fine.item() == pytest.approx(coarse.item(), abs=0.03)


def test_gaps_are_left_out_of_signatures():
    flow = river(100, 300)
    holed = flow.copy()
    holed[10:20] = np.nan
    assert baseflow_index(holed, HOURS).item() == pytest.approx(baseflow_index(flow, HOURS).item(), abs=0.02)
    assert flashiness([1.0, 2.0, np.nan, 9.0, 9.0]).item() == pytest.approx(1 / (1.5 + 9))
    assert runoff_ratio([1.0, np.nan], [2.0, 5.0]).item() == 0.5
    assert np.isnan(runoff_ratio([1.0], [0.0]).item())


def test_rising_limbs_are_counted():
    assert rising_limb_density([2.0, 1.0, 2.0, 3.0, 1.0, 2.0], np.arange(6.0) * 2) == pytest.approx(2 / 6)
    assert np.isnan(rising_limb_density([3.0, 2.0, 1.0], np.arange(3.0)))


def test_ranks_share_ties():
    chance = np.random.default_rng(1)
    values = chance.integers(0, 9, 100).astype(float)
    np.testing.assert_array_equal(ranks(values), pd.Series(values).rank().to_numpy())
