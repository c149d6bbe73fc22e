"""Metrics say what their definitions say, and are found by the names that people give them."""

from __future__ import annotations

import math
from importlib.metadata import EntryPoint

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dmod import plugins
from dmod.errors import InputError
from dmod.evaluation.metric import METRICS, Takes, Towards, find_metric, metric
from dmod.evaluation.pool import Need, Sums, Table
from dmod.evaluation.reasons import reasons_of
from dmod.evaluation.reduce import sums_of

flows = arrays(np.float64, st.integers(2, 30), elements=st.floats(0.01, 1e4))

#: The original's metrics, by its names.
THE_FOURTEEN = (
    "Probability Of Detection", "False Alarm Ratio", "Probability Of False Detection", "Frequency Bias", "Accuracy",
    "Critical Success Index", "Equitable Threat Score", "General Skill", "Precision", "Pearson Correlation Coefficient",
    "Kling-Gupta Efficiency", "Normalized Nash-Sutcliffe Efficiency", "Volume Error",
    "Linear Temporal Trend of Absolute Error",
)  # fmt: skip


def value(name: str, sim, obs, **given) -> float:
    """One metric of two series."""
    return float(find_metric(name)(sim, obs, **given))


def of_counts(name: str, h: float, m: float, f: float, c: float) -> float:
    """One metric of a table."""
    return find_metric(name).kernel(Table(*(np.array([float(x)]) for x in (h, m, f, c)))).item()


# -- by hand -----------------------------------------------------------------------------


def test_worked_by_hand():
    sim, obs = [2.0, 2.0, 5.0], [1.0, 2.0, 3.0]
    assert value("nse", sim, obs) == pytest.approx(1 - 5 / 2)
    assert value("pbias", sim, obs) == pytest.approx(50.0)
    assert value("r", sim, obs) == pytest.approx(3 / math.sqrt(6 * 2))
    assert value("kge_alpha", sim, obs) == pytest.approx(math.sqrt(6 / 2))
    assert value("kge_beta", sim, obs) == pytest.approx(1.5)
    assert value("kge_gamma", sim, obs) == pytest.approx(math.sqrt(3) / 1.5)
    away = (3 / math.sqrt(12) - 1) ** 2 + (math.sqrt(3) / 1.5 - 1) ** 2 + 0.25
    assert value("kge_2012", sim, obs) == pytest.approx(1 - math.sqrt(away))
    assert value("kge_beta_2021", sim, obs) == pytest.approx(1 / math.sqrt(2 / 3))
    # Ranks 1.5, 1.5, 3 against 1, 2, 3.
    assert value("spearman", sim, obs) == pytest.approx(1.5 / math.sqrt(1.5 * 2))


def test_the_logarithm_adds_a_hundredth_of_the_mean_observation():
    sim, obs = np.array([0.0, 2.0, 4.0]), np.array([0.0, 1.0, 5.0])
    logs = np.log(sim + 0.02), np.log(obs + 0.02)
    assert value("log_nse", sim, obs) == pytest.approx(value("nse", *logs), rel=1e-12)


@settings(max_examples=25)
@given(flows, st.floats(1.01, 5.0))
def test_more_water_is_positive_bias_and_less_is_negative(obs, factor):
    for name in ("pbias", "q50_error", "peak_error", "fhv"):
        assert value(name, obs * factor, obs) == pytest.approx(100 * (factor - 1))
        assert value(name, obs / factor, obs) == pytest.approx(100 * (1 / factor - 1))


@settings(max_examples=25)
@given(flows, st.floats(0.1, 10.0))
def test_scaling_the_flow_moves_variability_and_bias_but_not_correlation(obs, factor):
    assume(np.ptp(obs) > 1e-3 * obs.mean())
    assert value("r", factor * obs, obs) == pytest.approx(1.0)
    assert value("kge_alpha", factor * obs, obs) == pytest.approx(factor)
    assert value("kge_gamma", factor * obs, obs) == pytest.approx(1.0)
    assert value("kge", factor * obs, obs) == pytest.approx(1 - abs(factor - 1) * math.sqrt(2), abs=1e-7)
    assert value("kge_2012", factor * obs, obs) == pytest.approx(1 - abs(factor - 1), abs=1e-6)
    assert value("kge_np", factor * obs, obs) == pytest.approx(1 - abs(factor - 1), abs=1e-6)


@settings(max_examples=25)
@given(flows)
def test_the_mean_flow_has_an_efficiency_of_zero(obs):
    assume(np.ptp(obs) > 1e-6 * obs.mean())
    mean = np.full_like(obs, obs.mean())
    assert value("nse", mean, obs) == pytest.approx(0.0, abs=1e-6)
    assert value("nnse", mean, obs) == pytest.approx(0.5, abs=1e-6)
    assert value("rsr", mean, obs) == pytest.approx(1.0, abs=1e-6)
    assert value("modified_nse", mean, obs) == pytest.approx(0.0, abs=1e-6)


@settings(max_examples=25)
@given(flows, st.data())
def test_the_parts_of_the_squared_error_make_the_whole(obs, draw):
    """Murphy (1988): NSE = 2 a r - a^2 - b^2, with b the bias in standard deviations."""
    assume(np.ptp(obs) > 1e-3 * obs.mean())
    sim = draw.draw(arrays(np.float64, obs.shape, elements=st.floats(0.0, 1e4)))
    assume(np.ptp(sim) > 1e-3 * max(sim.mean(), 1.0))
    r, a, b = (value(name, sim, obs) for name in ("r", "kge_alpha", "kge_beta_2021"))
    assert value("nse", sim, obs) == pytest.approx(2 * a * r - a**2 - b**2, rel=1e-6, abs=1e-6)


def test_large_mean_and_tiny_spread_keep_their_digits():
    wave = np.sin(np.linspace(0, 20, 1000))
    sim = np.roll(wave, 3)
    expected = value("nse", sim, wave)
    assert value("nse", 1e4 + 1e-3 * sim, 1e4 + 1e-3 * wave) == pytest.approx(expected, rel=1e-6)


# -- nothing to say ----------------------------------------------------------------------


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e4])
def test_observations_that_never_vary_give_nan_and_not_minus_infinity(constant):
    obs, sim = np.full(7, constant), np.arange(7.0)
    for name in ("nse", "nnse", "kge", "kge_2012", "kge_2021", "kge_np", "r", "spearman", "rsr", "d", "modified_nse"):
        assert math.isnan(value(name, sim, obs))


def test_a_constant_simulation_has_no_correlation_but_an_efficiency():
    sim, obs = np.full(3, 0.1), np.array([1.0, 2.0, 3.0])
    assert math.isnan(value("kge", sim, obs))
    assert value("kge_alpha", sim, obs) == 0.0
    assert value("nse", sim, obs) == pytest.approx(1 - (0.9**2 + 1.9**2 + 2.9**2) / 2)


def test_no_event_to_divide_by_is_nan():
    assert math.isnan(of_counts("pod", 0, 0, 3, 4))
    assert math.isnan(of_counts("far", 0, 3, 0, 4))
    assert math.isnan(of_counts("precision", 0, 3, 0, 4))
    assert math.isnan(of_counts("csi", 0, 0, 0, 4))
    assert math.isnan(of_counts("odds_ratio", 3, 0, 0, 4))
    assert of_counts("ets", 1, 1, 1, 1) == 0.0


def test_scores_of_rare_events_take_their_limits():
    for name in ("eds", "seds", "edi", "sedi"):
        assert of_counts(name, 3, 0, 0, 97) == pytest.approx(1.0)
        assert of_counts(name, 0, 3, 3, 94) == pytest.approx(-1.0)
    # The limits are approached: hardly a false alarm is nearly none.
    for name in ("edi", "sedi"):
        assert of_counts(name, 3, 3, 1e-290, 97) == pytest.approx(of_counts(name, 3, 3, 0, 97), abs=0.01)


def test_scores_of_all_small_tables_are_within_their_bounds_or_nan():
    counts = np.stack(np.meshgrid(*[[0.0, 1.0, 2.0, 5.0, 1000.0]] * 4), axis=-1).reshape(-1, 4)
    table = Table(*counts.T)
    for entry in METRICS.values():
        if entry.takes is Takes.TABLE:
            score = entry.kernel(table)
            assert not np.isinf(score).any(), entry.name
            score = score[~np.isnan(score)]
            assert score.min() >= entry.bounds[0] - 1e-12, entry.name
            assert score.max() <= entry.bounds[1] + 1e-12, entry.name
            untold = reasons_of(entry.needs, table=table) == 0
            np.testing.assert_array_equal(np.isnan(entry.kernel(table)), ~untold, err_msg=entry.name)


def test_logarithms_that_nobody_asked_for_are_missed():
    with pytest.raises(ValueError, match="logs=True"):
        find_metric("log_nse").kernel(sums_of([1.0, 2.0], [1.0, 3.0]))


# -- what it needs -----------------------------------------------------------------------


def test_two_shapes_are_refused():
    for name in ("nse", "spearman"):
        with pytest.raises(ValueError, match=r"\(3,\).*\(2,\)"):
            find_metric(name)([1.0, 2.0, 3.0], [1.0, 2.0])


def test_thresholds_and_times_are_asked_for():
    for name in ("pod", "brier"):
        sim = [1.0, 2.0] if name == "pod" else [[1.0, 2.0]]
        with pytest.raises(InputError, match="thresholds="):
            find_metric(name)(sim, [1.0, 2.0])
    with pytest.raises(InputError, match="times="):
        find_metric("peak_timing")([1.0, 2.0], [1.0, 2.0])


# -- names -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["kge", "KGE", "kling_gupta", "Kling-Gupta Efficiency", "klinggupta"])
def test_a_metric_is_found_however_it_is_written(name):
    assert find_metric(name) is METRICS["kge"]


@pytest.mark.parametrize("name", THE_FOURTEEN)
def test_the_original_metrics_are_found_by_their_names(name):
    for spelling in (name, name.lower(), name.replace(" ", ""), name.replace(" ", "_").upper()):
        assert find_metric(spelling) is find_metric(name)


def test_an_unknown_metric_names_the_known_ones_and_what_is_near():
    with pytest.raises(InputError, match=r"no metric 'rsme'(.|\n)*kge, (.|\n)*did you mean .*rmse"):
        find_metric("rsme")


def test_every_metric_has_one_example_at_least_and_needs_that_it_declares():
    for entry in METRICS.values():
        assert Need.PAIRS in entry.needs or Need.THRESHOLD in entry.needs, entry.name
        assert "doi:" in entry.source or "(" in entry.source or "/" in entry.source or "TEEHR" in entry.source, (
            entry.name
        )
        if entry.kernel.__name__ != "<lambda>":
            assert ">>>" in (entry.kernel.__doc__ or ""), f"{entry.name} has no example"


MEANS = {
    "takes": Takes.SUMS, "ideal": 0.0, "bounds": (0.0, np.inf), "towards": Towards.LOWER, "units": "1",
    "formula": "1 / n", "source": "none", "needs": (Need.PAIRS,),
}  # fmt: skip


def fewness(sums: Sums) -> np.ndarray:
    """One over the number of pairs."""
    return 1.0 / sums.n


def test_a_name_is_given_once():
    with pytest.raises(ValueError, match="'kge' already finds"):
        metric("better", title="Better", aliases=("KGE",), **MEANS)(fewness)
    assert "better" not in METRICS


def test_a_plug_in_registers_its_metrics_when_it_is_loaded(tmp_path, monkeypatch):
    (tmp_path / "river_metrics.py").write_text(
        "from dmod.evaluation.metric import Takes, Towards, metric\n"
        "@metric('fewness_here', title='Fewness here', takes=Takes.SUMS, ideal=0.0, bounds=(0.0, 1.0),\n"
        "        towards=Towards.LOWER, units='1', formula='1 / n', source='none')\n"
        "def fewness(sums):\n"
        "    return 1.0 / sums.n\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    point = EntryPoint("river", "river_metrics", "dmod.metrics")
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point] if group == "dmod.metrics" else [])
    plugins.load.cache_clear()
    monkeypatch.setattr(METRICS, "_is_filled", False)
    monkeypatch.setattr(METRICS, "_held", dict(METRICS._held))
    try:
        assert float(find_metric("fewness here")([1.0, 2.0], [1.0, 2.0])) == 0.5
    finally:
        plugins.load.cache_clear()
