"""Intervals: what is drawn, and that sums of blocks say what the series put together would."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from dmod.errors import InputError
from dmod.evaluation.bootstrap import Confidence, interval
from dmod.evaluation.compute import compute
from dmod.evaluation.metric import find_metric

YEARS = 6


@pytest.fixture(scope="module")
def pairs():
    """Daily flow of two sites over six water years."""
    times = pd.date_range("2001-10-01", periods=YEARS * 365 + 1, freq="D")
    rng = np.random.default_rng(4)
    obs = np.exp(rng.normal(size=(2, times.size)) + np.sin(times.day_of_year.to_numpy() / 58))
    obs[1, :200] = np.nan
    coords = {"place": ["a", "b"], "time": times}
    at = xr.DataArray(obs, coords, ("place", "time"), attrs={"units": "m3 s-1"})
    return at.copy(data=obs * np.exp(0.4 * rng.normal(size=obs.shape))), at


def test_every_year_is_drawn_as_often_as_any_other(pairs):
    blocks = Confidence(resamples=3000).blocks(pairs[1].time.values)
    assert blocks.count == YEARS
    assert blocks.weights.sum(axis=1).tolist() == [YEARS] * 3000
    assert blocks.weights.mean(axis=0) == pytest.approx(np.ones(YEARS), abs=0.1)


def test_a_moving_block_keeps_neighbours_together(pairs):
    blocks = Confidence(resamples=5, block="40D").blocks(pairs[1].time.values)
    assert np.bincount(blocks.codes)[:-1].tolist() == [5] * (blocks.count - 1)
    firsts = blocks.draws[:, : blocks.count // 8 * 8].reshape(5, -1, 8)
    assert ((firsts[..., 1:] - firsts[..., :-1]) % blocks.count == 1).all()
    assert np.unique(firsts[..., 0] % 8).size > 1, "blocks start anywhere"


def test_one_seed_draws_the_same_again(pairs):
    times = pairs[1].time.values
    one, same, other = (Confidence(seed=seed).blocks(times).draws for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("block", ["water_year", "30D"])
@pytest.mark.parametrize("name", ["kge", "nse", "rmse", "pbias", "log_nse", "pod"])
def test_sums_of_blocks_give_the_interval_of_the_series_put_together(pairs, block, name):
    sim, obs = pairs
    confidence = Confidence(level=0.8, resamples=40, block=block, seed=3)
    thresholds = xr.DataArray([2.0], {"threshold": ["two"]}, ("threshold",))
    metric = find_metric(name)
    scores = compute(sim, obs, [metric], thresholds=thresholds, confidence=confidence)
    blocks = confidence.blocks(obs.time.values)
    values = []
    for resample in range(40):
        at = blocks.instants(resample)
        s, o = sim.values[:, at], obs.values[:, at]
        if name == "log_nse":  # epsilon stays that of the whole record
            eps = 0.01 * obs.mean("time").values[:, None]
            values.append(find_metric("nse")(np.log(s + eps), np.log(o + eps)))
        else:
            values.append(metric(s, o, thresholds=[2.0]))
    low, high = interval(np.stack(values, axis=-1), 0.8)
    assert scores[f"{name}_low"].values == pytest.approx(low, rel=1e-10, nan_ok=True)
    assert scores[f"{name}_high"].values == pytest.approx(high, rel=1e-10, nan_ok=True)
    assert (low < scores[name].values).all()
    assert (scores[name].values < high).all()


def test_a_metric_of_series_is_resampled_too(pairs):
    sim, obs = pairs
    confidence = Confidence(resamples=12, block="water_year")
    metric = find_metric("modified_nse")
    scores = compute(sim, obs, [metric], confidence=confidence)
    blocks = confidence.blocks(obs.time.values)
    values = [metric(sim.values[:, blocks.instants(i)], obs.values[:, blocks.instants(i)]) for i in range(12)]
    low, _ = interval(np.stack(values, axis=-1), 0.9)
    assert scores["modified_nse_low"].values == pytest.approx(low, rel=1e-12)


def test_a_metric_that_asks_when_has_no_interval(pairs):
    metric = find_metric("persistence_skill")
    assert metric.when
    assert "persistence_skill_low" not in compute(*pairs, [metric], confidence=Confidence(resamples=3))


def test_groups_have_intervals_of_their_own(pairs):
    sim, obs = pairs
    half = xr.where(obs.time.dt.month < 7, "first", "second")
    confidence = Confidence(resamples=30)
    both = compute(sim, obs, [find_metric("kge")], groups=half, confidence=confidence)
    alone = compute(sim.where(half == "first"), obs, [find_metric("kge")], confidence=confidence)
    assert both["kge_low"].sel(group="first").values == pytest.approx(alone["kge_low"].values, rel=1e-10)


def test_a_site_with_one_block_has_no_interval(pairs):
    sim, obs = pairs
    short = obs.where((obs.place == "a") | (obs.time < np.datetime64("2002-10-01")))
    scores = compute(sim, short, [find_metric("nse")], confidence=Confidence(resamples=20))
    assert np.isfinite(scores["nse"].values).all()
    assert np.isnan(scores["nse_low"].values).tolist() == [False, True]


def test_a_record_of_one_block_is_refused(pairs):
    with pytest.raises(InputError, match="two blocks"):
        Confidence().blocks(pairs[1].time.values[:300])
    with pytest.raises(InputError, match="two blocks"):
        Confidence(block="200D").blocks(pairs[1].time.values[:300])


@pytest.mark.parametrize("wrong", [{"level": 90}, {"resamples": 0}, {"block": "fortnight"}, {"block": "-3D"}])
def test_what_makes_no_sense_is_refused_at_birth(wrong):
    with pytest.raises(InputError):
        Confidence(**wrong)


def test_an_interval_needs_half_of_the_resamples():
    values = np.array([[1.0, 2.0, np.nan, np.nan, np.nan], [1.0, 2.0, 3.0, np.nan, np.inf]])
    low, high = interval(values, 0.5)
    assert np.isnan(low).tolist() == [True, False]
    assert high[1] == 2.5
