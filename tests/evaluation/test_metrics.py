"""Metrics say what their definitions say, and NaN where there is nothing to say."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dmod.errors import InputError
from dmod.evaluation.metrics import (
    METRICS,
    find_metric,
    kling_gupta,
    kling_gupta_components,
    metric,
    nash_sutcliffe,
    percent_bias,
)

flows = arrays(np.float64, st.integers(2, 30), elements=st.floats(0.01, 1e4))


@given(flows)
def test_a_perfect_simulation_is_ideal_in_every_metric(obs):
    assume(np.ptp(obs) > 1e-6 * obs.mean())
    for entry in METRICS.values():
        assert float(entry(obs, obs)) == pytest.approx(entry.ideal, abs=1e-9)


@given(flows, st.data())
def test_every_metric_stays_within_its_bounds(obs, draw):
    sim = draw.draw(arrays(np.float64, obs.shape, elements=st.floats(0.0, 1e4)))
    for entry in METRICS.values():
        value = float(entry(sim, obs))
        assert math.isnan(value) or entry.bounds[0] < value <= entry.bounds[1]


@given(flows, st.floats(1.01, 5.0))
def test_more_water_is_positive_bias_and_less_is_negative(obs, factor):
    assert float(percent_bias(obs * factor, obs)) == pytest.approx(100 * (factor - 1))
    assert float(percent_bias(obs / factor, obs)) == pytest.approx(100 * (1 / factor - 1))


@given(flows, st.floats(0.1, 10.0))
def test_scaling_the_flow_moves_variability_and_bias_ratio_but_not_correlation(obs, factor):
    assume(np.ptp(obs) > 1e-3 * obs.mean())
    parts = kling_gupta_components(factor * obs, obs)
    assert [float(part) for part in parts] == pytest.approx([1.0, factor, factor])
    assert float(kling_gupta(factor * obs, obs)) == pytest.approx(1 - abs(factor - 1) * math.sqrt(2))


@given(flows)
def test_the_mean_flow_has_an_efficiency_of_zero(obs):
    assume(np.ptp(obs) > 1e-6 * obs.mean())
    assert float(nash_sutcliffe(np.full_like(obs, obs.mean()), obs)) == pytest.approx(0.0, abs=1e-6)


def test_worked_by_hand():
    sim, obs = [2.0, 2.0, 5.0], [1.0, 2.0, 3.0]
    assert float(nash_sutcliffe(sim, obs)) == pytest.approx(1 - 5 / 2)
    assert float(percent_bias(sim, obs)) == pytest.approx(50.0)
    correlation, variability, bias = (float(part) for part in kling_gupta_components(sim, obs))
    assert correlation == pytest.approx(3 / math.sqrt(6 * 2))
    assert variability == pytest.approx(math.sqrt(6 / 2))
    assert bias == pytest.approx(1.5)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e4])
def test_observations_that_never_vary_give_nan_and_not_minus_infinity(constant):
    obs, sim = np.full(7, constant), np.arange(7.0)
    assert math.isnan(float(nash_sutcliffe(sim, obs)))
    assert math.isnan(float(kling_gupta(sim, obs)))


def test_a_constant_simulation_has_no_correlation_but_an_efficiency():
    sim, obs = np.full(3, 0.1), np.array([1.0, 2.0, 3.0])
    assert math.isnan(float(kling_gupta(sim, obs)))
    assert float(kling_gupta_components(sim, obs).variability) == 0.0
    assert float(nash_sutcliffe(sim, obs)) == pytest.approx(1 - (0.9**2 + 1.9**2 + 2.9**2) / 2)


def test_observations_that_sum_to_zero_have_no_percent_bias():
    assert math.isnan(float(percent_bias([1.0, 2.0], [0.0, 0.0])))


def test_only_instants_with_both_values_count():
    sim = np.array([1.0, np.nan, 4.0, 7.0, np.inf])
    obs = np.array([2.0, 5.0, np.nan, 6.0, 1.0])
    for entry in METRICS.values():
        assert float(entry(sim, obs)) == float(entry(sim[[0, 3]], obs[[0, 3]]))


def test_nothing_to_compare_is_nan():
    for entry in METRICS.values():
        assert math.isnan(float(entry([np.nan, 1.0], [1.0, np.nan])))
        assert math.isnan(float(entry([], [])))
    assert all(math.isnan(float(part)) for part in kling_gupta_components([], []))


def test_leading_axes_are_kept_and_rows_do_not_know_each_other():
    obs = np.random.default_rng(1).gamma(2.0, size=(2, 3, 50))
    sim = obs * 1.1 + 0.2
    sim[1, 2, 10] = np.nan
    for entry in METRICS.values():
        together = entry(sim, obs)
        assert together.shape == (2, 3)
        assert together[1, 2] == pytest.approx(float(entry(sim[1, 2], obs[1, 2])), rel=1e-14)


def test_large_mean_and_tiny_spread_keep_their_digits():
    wave = np.sin(np.linspace(0, 20, 1000))
    sim = np.roll(wave, 3)
    expected = float(nash_sutcliffe(sim, wave))
    assert float(nash_sutcliffe(1e4 + 1e-3 * sim, 1e4 + 1e-3 * wave)) == pytest.approx(expected, rel=1e-6)


def test_float32_input_is_summed_in_float64():
    obs = np.random.default_rng(2).gamma(2.0, size=100_000).astype(np.float32)
    assert percent_bias(obs * np.float32(2.0), obs).dtype == np.float64
    assert float(percent_bias(obs * np.float32(2.0), obs)) == pytest.approx(100.0, abs=1e-9)


def test_two_shapes_are_refused():
    with pytest.raises(ValueError, match=r"one shape.*\(3,\) and \(2,\)"):
        nash_sutcliffe([1.0, 2.0, 3.0], [1.0, 2.0])


@pytest.mark.parametrize("name", ["kge", "KGE", "kling_gupta", "Kling-Gupta Efficiency", "klinggupta"])
def test_a_metric_is_found_however_it_is_written(name):
    assert find_metric(name) is METRICS["kge"]


def test_an_unknown_metric_names_the_known_ones():
    with pytest.raises(InputError, match=r"no metric 'rmsle'(.|\n)*kge, nse, pbias"):
        find_metric("rmsle")


def test_a_name_is_given_once():
    means = {"title": "Better", "ideal": 1.0, "bounds": (0.0, 1.0), "units": "1", "formula": "", "source": ""}
    with pytest.raises(ValueError, match="'kge' already finds"):
        metric("better", aliases=("KGE",), **means)(kling_gupta)
    assert "better" not in METRICS


def test_agrees_with_hydroerr(data):
    golden = json.loads((data / "evaluation-golden/hydroerr/hydroerr_expected.json").read_text())
    sim, obs, cases = golden["sim"], golden["obs"], golden["cases"]
    assert float(nash_sutcliffe(sim, obs)) == pytest.approx(cases["nse"]["expected"], rel=1e-13)
    assert float(kling_gupta(sim, obs)) == pytest.approx(cases["kge_2009"]["expected"], rel=1e-13)
    # their mean error over the mean observation is our percent bias over 100
    relative = cases["me"]["expected"] / np.mean(obs)
    assert float(percent_bias(sim, obs)) == pytest.approx(100 * relative, rel=1e-12)


def test_agrees_with_ngen_cal_but_for_its_minus_infinity(data):
    golden = json.loads((data / "evaluation-golden/ngen_cal/ngen_cal_expected.json").read_text())
    for case in golden["cases"]:
        sim, obs = case["sim"], case["obs"]
        if case["NSE"] == "-inf":
            assert math.isnan(float(nash_sutcliffe(sim, obs)))
        else:
            assert float(nash_sutcliffe(sim, obs)) == case["NSE"]
        assert float(percent_bias(sim, obs)) == 100 * case["volume_error"]


def test_agrees_with_hydrotools(data):
    golden = json.loads((data / "evaluation-golden/hydrotools/hydrotools_expected.json").read_text())
    obs, sim = np.array(golden["y_true"], float), golden["y_pred"]
    assert float(nash_sutcliffe(sim, obs)) == pytest.approx(golden["expected"]["NSE"], rel=1e-14)
    assert float(kling_gupta(sim, obs)) == pytest.approx(golden["expected"]["KGE"], rel=1e-14)
    for case, factor in zip(golden["kge_scaled"], (0.5, 2.0, 1.0), strict=False):
        assert float(kling_gupta(factor * obs, obs)) == pytest.approx(case["KGE"], rel=1e-13)


def test_agrees_with_scores_and_its_missing_values(data):
    golden = json.loads((data / "evaluation-golden/scores/scores_expected.json").read_text())
    rows, pooled = golden["kge"]
    as_floats = [np.array(rows[side], dtype=float) for side in ("fcst", "obs")]
    expected = np.array(rows["expected"], dtype=float)
    np.testing.assert_allclose(kling_gupta(*as_floats), expected, rtol=1e-13, equal_nan=True)
    sim, obs = (np.array(pooled[side], dtype=float).ravel() for side in ("fcst", "obs"))
    assert float(kling_gupta(sim, obs)) == pytest.approx(pooled["expected"], rel=1e-13)
    parts = [float(part) for part in kling_gupta_components(sim, obs)]
    assert parts == pytest.approx([pooled["rho"], pooled["alpha"], pooled["beta"]], rel=1e-13)


@pytest.mark.parametrize("model", [f"model_{number}" for number in range(1, 6)])
def test_agrees_with_the_first_dmod(data, model):
    folder = data / "evaluation-golden/dmod_metrics"
    golden = json.loads((folder / "dmod_metrics_expected.json").read_text())["results"][model]["metrics"]
    obs = pd.read_csv(folder / "observations.csv")["Observations"]
    sim = pd.read_csv(folder / f"{model}.csv")["value"]
    for name, ours in (
        ("Kling-Gupta Efficiency", float(kling_gupta(sim, obs))),
        ("Normalized Nash-Sutcliffe Efficiency", 1 / (2 - float(nash_sutcliffe(sim, obs)))),
    ):
        theirs = golden[name]["All"]["value"]
        assert math.isnan(ours) if theirs is None else ours == pytest.approx(theirs, rel=1e-12)
