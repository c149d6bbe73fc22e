"""Scores of pairs as a dataset: what is in it, that one pass serves all, and that lazy is the same."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from dmod.errors import InputError
from dmod.evaluation import chunked, scoring
from dmod.evaluation.bootstrap import Confidence
from dmod.evaluation.compute import compute
from dmod.evaluation.metric import METRICS, Takes, find_metric
from dmod.evaluation.pool import Need

TIMES = pd.date_range("2010-10-01", periods=1800, freq="6h")
LEVELS = xr.DataArray([1.0, 3.0, 1e9, np.nan], {"threshold": ["low", "high", "never", "none"]}, ("threshold",))
FAST = ("kge", "nse", "rmse", "me", "r", "log_nse", "pod", "far", "csi")


def metrics(*names):
    return [find_metric(name) for name in names]


@pytest.fixture
def pairs():
    """Flow of five sites: two rivers, one never observed, one that never varies, one with a negative flow."""
    rng = np.random.default_rng(0)
    obs = np.exp(rng.normal(size=(5, TIMES.size)))
    sim = obs * np.exp(0.3 * rng.normal(size=obs.shape))
    obs[rng.random(obs.shape) < 0.02] = np.nan
    obs[2], obs[3], sim[4, 9] = np.nan, 1.0, -5.0
    coords = {"gage": list("abcde"), "time": TIMES, "lat": ("gage", np.arange(5.0))}
    at = xr.DataArray(obs, coords, ("gage", "time"), attrs={"units": "m3 s-1"})
    return at.copy(data=sim), at


@pytest.fixture
def seasons(pairs):
    return xr.DataArray(np.array(["DJF", "MAM", "JJA", ""])[TIMES.month % 12 // 3], {"time": TIMES}, ("time",))


def test_scores_are_those_of_the_metrics_alone(pairs):
    sim, obs = pairs
    scores = compute(sim, obs, metrics(*FAST, "spearman"), thresholds=LEVELS)
    for metric in metrics(*FAST, "spearman"):
        alone = metric(sim.values, obs.values, thresholds=LEVELS.values)
        assert scores[metric.name].values == pytest.approx(alone, rel=1e-12, nan_ok=True)
    assert scores["kge"].dims == ("gage",)
    assert scores["pod"].dims == ("gage", "threshold")
    assert scores["threshold"].values.tolist() == ["low", "high", "never", "none"]
    assert scores["lat"].values.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert scores["sample_size"].values.tolist() == np.isfinite(obs.values).sum(axis=1).tolist()


def test_one_pass_serves_all_metrics_of_sums_and_counts(pairs, monkeypatch):
    passes = []
    monkeypatch.setattr(scoring, "swept", lambda *a, f=scoring.swept, **k: (passes.append(1), f(*a, **k))[1])
    compute(*pairs, metrics(*FAST), thresholds=LEVELS)
    assert passes == [1]


def test_what_has_no_value_has_a_reason_and_spoils_nothing_else(pairs):
    scores = compute(*pairs, metrics(*FAST, "spearman"), thresholds=LEVELS)
    meanings = scores["nse_reason"].attrs["flag_meanings"].split()

    def why(name, **at):
        return [meanings[code].replace("_", " ") for code in np.atleast_1d(scores[f"{name}_reason"].sel(**at).values)]

    assert why("nse") == ["defined", "defined", Need.PAIRS, Need.OBS_VARIES, "defined"]
    assert why("log_nse") == ["defined", "defined", Need.PAIRS, Need.OBS_VARIES, Need.LOGS]
    assert why("pod", threshold="never") == [Need.OBS_EVENTS, Need.OBS_EVENTS, Need.PAIRS, *[Need.OBS_EVENTS] * 2]
    assert why("csi", threshold="none") == [Need.THRESHOLD] * 5
    for name in (*FAST, "spearman"):
        assert np.array_equal(np.isnan(scores[name]), scores[f"{name}_reason"] != 0), name
    assert scores["nse_reason"].dtype == np.int8
    assert scores["nse_reason"].attrs["flag_values"].tolist() == list(range(len(meanings)))


def test_a_metric_says_what_its_number_means(pairs):
    scores = compute(*pairs, metrics("nse", "me", "mse", "pbias"))
    assert scores["nse"].attrs["long_name"] == "Nash-Sutcliffe efficiency"
    assert scores["nse"].attrs["ideal"] == 1.0
    assert (scores["nse"].attrs["lowest"], scores["nse"].attrs["highest"]) == (-np.inf, 1.0)
    assert scores["nse"].attrs["towards"] == "higher"
    assert [scores[name].attrs["units"] for name in ("nse", "me", "mse", "pbias")] == ["1", "m3 s-1", "m6 s-2", "%"]


def test_a_single_series_has_scalars(pairs):
    scores = compute(pairs[0][0], pairs[1][0], metrics("kge", "pod"), thresholds=LEVELS)
    assert scores["kge"].dims == ()
    assert scores["pod"].dims == ("threshold",)
    assert scores["gage"].item() == "a"


def test_groups_are_scored_by_themselves(pairs, seasons):
    sim, obs = pairs
    names = ("kge", "log_nse", "pod", "spearman")
    scores = compute(sim, obs, metrics(*names), thresholds=LEVELS, groups=seasons)
    assert scores["group"].values.tolist() == ["DJF", "JJA", "MAM"]
    assert scores["pod"].dims == ("gage", "group", "threshold")
    for label in ("DJF", "MAM"):
        alone = compute(sim, obs.where(seasons == label), metrics(*names), thresholds=LEVELS)
        for name in names:
            got = scores[name].sel(group=label)
            assert got.values == pytest.approx(alone[name].values, rel=1e-12, nan_ok=True), name


def test_groups_may_differ_between_places(pairs):
    sim, obs = pairs
    classes = xr.where(obs > obs.median("time"), "high", "low").where(obs.notnull(), "")
    scores = compute(sim, obs, metrics("rmse"), groups=classes)
    alone = compute(sim, obs.where(classes == "high"), metrics("rmse"))
    assert scores["rmse"].dims == ("gage", "group")
    assert scores["rmse"].sel(group="high").values == pytest.approx(alone["rmse"].values, nan_ok=True)


def test_thresholds_of_each_place_and_operators(pairs):
    sim, obs = (each.isel(gage=[0, 1, 3]) for each in pairs)
    levels = obs.quantile([0.5, 0.9], "time").rename(quantile="threshold").assign_coords(threshold=["p50", "p90"])
    scores = compute(sim, obs, metrics("pod"), thresholds=levels, operator="<")
    assert scores["pod"].dims == ("gage", "threshold")
    below = (obs < levels.sel(threshold="p50")) & sim.notnull()
    right = ((sim < levels.sel(threshold="p50")) & below).sum("time") / below.sum("time")
    assert scores["pod"].sel(threshold="p50").values == pytest.approx(right.values, nan_ok=True)


def test_lead_times_and_members_are_dimensions(pairs):
    sim, obs = pairs
    ahead = xr.concat([sim, sim * 1.1], pd.Index([1, 2], name="lead_time"))
    scores = compute(ahead, obs, metrics("nse"))
    assert scores["nse"].dims == ("lead_time", "gage")
    assert scores["nse"].sel(lead_time=2).values == pytest.approx(
        compute(sim * 1.1, obs, metrics("nse"))["nse"].values, nan_ok=True
    )
    members = xr.concat([sim, sim * 1.1, sim * 0.7], pd.Index(["x", "y", "z"], name="member"))
    both = compute(members, obs, metrics("nse", "crps", "brier"), thresholds=LEVELS)
    assert both["nse"].dims == ("gage", "member")
    assert both["crps"].dims == ("gage",)
    assert both["brier"].dims == ("gage", "threshold")
    assert both["nse"].sel(member="z").values == pytest.approx(
        compute(sim * 0.7, obs, metrics("nse"))["nse"].values, nan_ok=True
    )
    right = find_metric("crps")(members.transpose("gage", "member", "time").values, obs.values)
    assert both["crps"].values == pytest.approx(right, nan_ok=True)


@pytest.mark.parametrize("chunks", [{"gage": 2}, {"time": 700}, {"gage": 3, "time": 1000}], ids=str)
@pytest.mark.parametrize("joined", [chunked.JOINED, 1], ids=["joined", "merged"])
@pytest.mark.parametrize("confidence", [None, Confidence(resamples=20, block="30D")], ids=["", "interval"])
def test_lazy_scores_are_the_eager_ones(pairs, seasons, monkeypatch, chunks, joined, confidence):
    monkeypatch.setattr(chunked, "JOINED", joined)
    sim, obs = pairs
    wanted = metrics(*FAST, "spearman") if confidence is None else metrics(*FAST)
    asked = {"thresholds": LEVELS, "groups": seasons, "confidence": confidence}
    eager = compute(sim, obs, wanted, **asked)
    lazy = compute(sim.chunk(chunks), obs.chunk(chunks), wanted, **asked)
    assert all(variable.chunks is not None for variable in lazy.data_vars.values())
    computed = lazy.compute()
    xr.testing.assert_allclose(eager, computed, rtol=1e-11)
    assert [v.dtype for v in eager.data_vars.values()] == [v.dtype for v in computed.data_vars.values()]
    assert eager["nse"].attrs == computed["nse"].attrs


def test_a_lazy_ensemble_is_scored(pairs):
    sim, obs = pairs
    members = xr.concat([sim, sim * 1.1, sim * 0.7], pd.Index(["x", "y", "z"], name="member"))
    wanted = metrics("nse", "crps", "brier")
    eager = compute(members, obs, wanted, thresholds=LEVELS)
    lazy = compute(members.chunk(gage=2, time=900), obs.chunk(gage=2, time=900), wanted, thresholds=LEVELS)
    xr.testing.assert_allclose(eager, lazy.compute(), rtol=1e-12)


def test_blocks_of_time_are_read_twice_for_logarithms_and_never_held(monkeypatch):
    """Only as many blocks are alive as work is done on, although no block holds a whole series."""
    import dask
    import dask.array as da

    monkeypatch.setattr(chunked, "JOINED", 1)
    alive, most, read = set(), [0], []

    class Watched(np.ndarray):
        def __array_finalize__(self, _):
            return

        def __del__(self):
            alive.discard(id(self))

    def make(block_info=None):
        rng = np.random.default_rng(block_info[None]["chunk-location"][1])
        block = np.exp(rng.normal(size=block_info[None]["chunk-shape"])).view(Watched)
        read.append(block_info[None]["chunk-location"])
        alive.add(id(block))
        most[0] = max(most[0], len(alive))
        return block

    chunks = ((50,), (1000,) * 40)
    sim, obs = (
        xr.DataArray(
            da.map_blocks(make, chunks=chunks, dtype=float, meta=np.empty((0, 0)), name=name), dims=("x", "time")
        )
        for name in ("sim", "obs")
    )
    scores = compute(sim, obs, metrics("nse", "log_nse"))
    with dask.config.set(scheduler="threads", num_workers=2):
        done = scores.compute()
    assert done["log_nse"].values == pytest.approx(np.ones(50))
    assert len(read) == 4 * 40, "two series, each read twice"
    assert most[0] <= 16, "of 160 blocks"


def test_a_pass_at_places_is_one_task_for_each_block(pairs):
    sim, obs = pairs
    one = compute(sim.chunk(gage=1), obs.chunk(gage=1), metrics("nse"))
    nine = compute(sim.chunk(gage=1), obs.chunk(gage=1), metrics(*FAST), thresholds=LEVELS)
    per_block = (len(nine.__dask_graph__()) - len(one.__dask_graph__())) / 5
    assert per_block <= 2 * (len(FAST) - 1) + 2


def test_every_metric_takes_a_place_without_pairs(pairs):
    sim, obs = pairs
    wanted = [metric for metric in METRICS.values() if metric.takes is not Takes.ENSEMBLE]
    scores = compute(sim[2:3], obs[2:3], wanted, thresholds=LEVELS)
    assert scores["sample_size"].item() == 0
    for metric in wanted:
        values, reasons = scores[metric.name].values, scores[f"{metric.name}_reason"].values
        assert np.array_equal(np.isnan(values), reasons != 0), metric.name


def wrong(sim, obs):
    """What may be wrong, and what the error says."""
    yield "time", (sim.rename(time="hour"), obs), {}
    yield "same instants", (sim.isel(time=slice(5, None)), obs), {}
    yield "same instants", (sim.isel(gage=[0, 1]), obs), {}
    yield "members", (sim, obs.expand_dims(member=2)), {}
    yield "needs thresholds", (sim, obs), {"metrics": metrics("pod")}
    yield "needs an ensemble", (sim, obs), {"metrics": metrics("crps")}
    yield "asked for twice", (sim, obs), {"metrics": metrics("nse", "nse")}
    yield "no operator", (sim, obs), {"operator": "=="}
    yield "dimension threshold", (sim, obs), {"thresholds": LEVELS.rename(threshold="level")}
    yield "other instants", (sim, obs), {"groups": xr.DataArray(["a"], dims="time")}
    yield "in a group", (sim, obs), {"groups": xr.DataArray([""] * TIMES.size, dims="time")}
    yield "times of the pairs", (sim.drop_vars("time"), obs.drop_vars("time")), {"confidence": Confidence()}
    yield "do not increase", (sim.isel(time=slice(None, None, -1)), obs.isel(time=slice(None, None, -1))), {}
    yield "numbers", (sim.astype(str), obs), {}


@pytest.mark.parametrize("case", range(14))
def test_what_does_not_fit_is_refused_in_words(pairs, case):
    said, both, options = list(wrong(*pairs))[case]
    with pytest.raises(InputError, match=said):
        compute(*both, **({"metrics": metrics("nse")} | options))


@pytest.mark.parametrize("joined", [1 << 28, 1_000])
def test_a_lazy_series_of_no_place_is_scored_in_blocks_of_time(monkeypatch, joined):
    from dmod.evaluation import chunked
    from dmod.evaluation.evaluate import evaluate

    monkeypatch.setattr(chunked, "JOINED", joined)
    obs = np.exp(np.random.default_rng(1).normal(size=300))
    times = np.datetime64("2016-01-01", "ns") + np.arange(300) * np.timedelta64(3_600_000_000_000, "ns")
    o = xr.DataArray(obs, {"time": times}, "time", attrs={"units": "m3 s-1"})
    s = (1.1 * o[::-1]).assign_coords(time=times).assign_attrs(o.attrs)
    metrics = ["nse", "log_nse", "kge_np", "pod"]
    made = evaluate(s.chunk(time=30), o.chunk(time=30), metrics, thresholds="q50").compute()
    whole = evaluate(s, o, metrics, thresholds="q50")
    xr.testing.assert_allclose(made.scores, whole.scores)
