"""Metrics give the values that their peers and papers give, to 1e-12 or to printed digits.

Where a convention differs from ours the test says so and takes theirs by an option, or
says what ours gives instead.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dmod.evaluation.brier import brier
from dmod.evaluation.events import event_table, storms
from dmod.evaluation.metric import find_metric
from dmod.evaluation.pool import Ensemble, Table
from dmod.evaluation.signatures import flashiness, runoff_ratio

#: Our metric for a function of HydroErr of another name, and what ours is times theirs.
HYDROERR = {
    "me": ("me", 1.0), "mae": ("mae", 1.0), "mse": ("mse", 1.0), "mdae": ("mdae", 1.0), "rmse": ("rmse", 1.0),
    "nrmse_range": ("nrmse_range", 1.0), "nrmse_mean": ("nrmse_mean", 1.0), "nrmse_iqr": ("nrmse_iqr", 1.0),
    "r_squared": ("r_squared", 1.0), "pearson_r": ("pearson_r", 1.0), "spearman_r": ("spearman_r", 1.0),
    "mape": ("mape", 1.0), "mapd": ("mapd", 1.0), "d": ("d", 1.0), "d1": ("d1", 1.0), "dmod": ("dmod", 1.0),
    "dr": ("dr", 1.0), "nse": ("nse", 1.0), "nse_mod": ("nse_mod", 1.0), "nse_rel": ("nse_rel", 1.0),
    "kge_2009": ("kge_2009", 1.0), "kge_2012": ("kge_2012", 1.0), "lm_index": ("lm_index", 1.0),
    "d1_p": ("d1_p", 1.0), "ve": ("ve", 1.0),
}  # fmt: skip


def golden(data: Path, name: str) -> dict:
    """A file of known values."""
    return json.loads((data / "evaluation-golden" / name).read_text())


def value(name: str, sim, obs, **given) -> float:
    """One metric of two series."""
    return float(find_metric(name)(sim, obs, **given))


def of_counts(name: str, tp: int, fp: int, fn: int, tn: int) -> float:
    """One metric of a table."""
    return find_metric(name).kernel(Table(*(np.array([float(x)]) for x in (tp, fn, fp, tn)))).item()


@pytest.mark.parametrize("name", HYDROERR)
def test_hydroerr(data, name):
    cases = golden(data, "hydroerr/hydroerr_expected.json")
    ours, factor = HYDROERR[name]
    expected = factor * cases["cases"][name]["expected"]
    assert value(ours, cases["sim"], cases["obs"]) == pytest.approx(expected, rel=1e-12)
    # The dirty pair: they drop what is negative or zero too; for us these are flows.
    sim, obs = (np.array(cases[f"{side}_bad_data"], dtype=float) for side in ("sim", "obs"))
    sim, obs = np.where(sim > 0, sim, np.nan), np.where(obs > 0, obs, np.nan)
    assert value(ours, sim, obs) == pytest.approx(expected, rel=1e-12)


def test_hydrotools(data):
    held = golden(data, "hydrotools/hydrotools_expected.json")
    obs, sim, theirs = np.array(held["y_true"], float), held["y_pred"], held["expected"]
    for name in ("MAE", "MSE", "RMSE", "NSE", "NNSE", "KGE"):
        assert value(name, sim, obs) == pytest.approx(theirs[name], rel=1e-12)
    assert value("volumetric_efficiency", sim, obs) == pytest.approx(theirs["volumetric_efficiency"], rel=1e-12)
    lags = {"lag1": {}, "lag2": {"lag": 2}, "power3": {"power": 3}}
    for key, options in lags.items():
        expected = theirs[f"coefficient_of_persistence_{key}"]
        assert value("coefficient_of_persistence", sim, obs, **options) == pytest.approx(expected, rel=1e-12)
    in_logs = value("coefficient_of_persistence", np.log(sim), np.log(obs))
    assert in_logs == pytest.approx(theirs["coefficient_of_persistence_log"], rel=1e-12)
    for case, factor in zip(held["kge_scaled"], (0.5, 2.0, 1.0), strict=False):
        assert value("kge", factor * obs, obs) == pytest.approx(case["KGE"], rel=1e-12)
    last = held["kge_scaled"][3]
    scale = (last["r_scale"], last["a_scale"], last["b_scale"])
    assert value("kge", 0.25 * obs, obs, scale=scale) == pytest.approx(last["KGE"], rel=1e-12)


def test_hydrotools_extrapolates_from_the_value_it_is_to_predict(data):
    """Its baseline is o[t] + o[t-1] - o[t-2]; its documentation, and we, start from o[t-1]."""
    held = golden(data, "hydrotools/hydrotools_expected.json")["coefficient_of_extrapolation"]
    obs, sim = np.array(held["y_true"], float), np.array(held["y_pred"], float)
    baseline = np.concatenate([[np.nan, np.nan], obs[2:] + np.diff(obs)[:-1]])
    theirs = {"benchmark": baseline}
    assert value("benchmark_skill", sim, obs, **theirs) == pytest.approx(held["default"], rel=1e-12)
    assert value("benchmark_skill", sim, obs, power=1.5, **theirs) == pytest.approx(held["power15"], rel=1e-12)
    # Without the error: (4 - 2)^2 + (5 - 1)^2 against (4 - 3)^2 + (5 - 6)^2.
    assert value("coefficient_of_extrapolation", sim, obs) == pytest.approx(1 - 20 / 2, rel=1e-12)


def test_hydrotools_categories(data):
    held = golden(data, "hydrotools/hydrotools_expected.json")
    table, theirs = held["contingency_table"], held["contingency_expected"]
    for name in ("POD", "POFD", "FAR", "CSI", "frequency_bias", "accuracy", "ETS"):
        assert of_counts(name, **table) == pytest.approx(theirs[name], rel=1e-12)
        assert math.isnan(of_counts(name, 0, 0, 0, 0))


def test_hydrotools_signatures(data):
    held = golden(data, "hydrotools/hydrotools_expected.json")
    assert flashiness(np.ones(10)).item() == held["flashiness"][0]["value"]
    assert flashiness(np.arange(9.0)).item() == pytest.approx(held["flashiness"][1]["value"], rel=1e-12)
    assert runoff_ratio(np.ones(10), 2 * np.ones(10)).item() == held["runoff_ratio"]["value"]


def test_hydrotools_events(data):
    held = golden(data, "hydrotools/hydrotools_expected.json")["events"]
    t = np.linspace(1.0, 1001.0, 1000)
    clean = 100 * np.exp(-0.002 * t)
    clean[500:] += 1000 * np.exp(-0.004 * t[:500])
    times = pd.date_range("2018-01-01", periods=1000, freq="h")
    hours = np.arange(1000.0)
    assert len(event_table(clean, times, storms(clean, hours, least_h=0.0))) == held["n_events"]
    noisy = clean + 5 * np.sin(np.linspace(0, 334 * np.pi, 1000))
    found = event_table(noisy, times, storms(noisy, hours, least_h=6.0, start_within_h=7.0))
    assert len(found) == held["noisy_n_events"]
    assert found["start"][0] == pd.Timestamp(held["noisy_start"])


def test_ngen_cal(data):
    for case in golden(data, "ngen_cal/ngen_cal_expected.json")["cases"]:
        sim, obs = case["sim"], case["obs"]
        if case["NSE"] == "-inf":  # observations that never vary: no value for us
            assert math.isnan(value("nse", sim, obs))
            assert math.isnan(value("nnse", sim, obs))
        else:
            assert value("nse", sim, obs) == case["NSE"]
            assert value("nnse", sim, obs) == case["NNSE"]
        assert value("peak_error", sim, obs) == 100 * case["peak_error"]
        assert value("relative_bias", sim, obs) == case["volume_error"]


def test_finley(data):
    held = golden(data, "finley/finley.json")
    table = {key: held["table"][key] for key in ("tp", "fp", "fn", "tn")}
    names = {"hk": "peirce", "orss": "orss", "odds_ratio": "odds_ratio", "success_ratio": "precision"}
    for key, expected in held["computed_from_counts"].items():
        assert of_counts(names.get(key, key), **table) == pytest.approx(expected, rel=1e-12)
    printed = {"threat_score": "csi", "hanssen_kuipers": "peirce"}
    for key, expected in held["published_rounded"].items():
        assert of_counts(printed.get(key, key), **table) == pytest.approx(expected, abs=0.0035)
    theirs = golden(data, "scores/scores_expected.json")["finley"]
    assert of_counts("heidke", **table) == pytest.approx(theirs["heidke"], abs=5e-7)
    assert of_counts("gilbert_skill_score", **table) == pytest.approx(theirs["gilbert"], abs=5e-7)


def test_scores(data):
    rows, pooled = golden(data, "scores/scores_expected.json")["kge"]
    sim, obs = (np.array(rows[side], dtype=float) for side in ("fcst", "obs"))
    expected = np.array(rows["expected"], dtype=float)
    np.testing.assert_allclose(find_metric("kge")(sim, obs), expected, rtol=1e-12, equal_nan=True)
    sim, obs = (np.array(pooled[side], dtype=float).ravel() for side in ("fcst", "obs"))
    assert value("kge", sim, obs) == pytest.approx(pooled["expected"], rel=1e-12)
    for name, key in (("r", "rho"), ("kge_alpha", "alpha"), ("kge_beta", "beta")):
        assert value(name, sim, obs) == pytest.approx(pooled[key], rel=1e-12)
    by_hand = 1 - math.sqrt((1 * -0.5) ** 2 + (2 * -0.5) ** 2)
    assert value("kge", sim, obs, scale=(0.5, 1.0, 2.0)) == pytest.approx(by_hand, rel=1e-12)


class TestWres:
    """WRES: bias is prediction less observation; its KGE is the form of 2012, its index of agreement d1."""

    def test_pairs_one(self, data):
        held = golden(data, "wres/unit/wres_unit_expected.json")["pairs_one"]
        sim, obs, theirs = held["pred"], held["obs"], held["expected"]
        names = {
            "bias_fraction": "bias_fraction", "r2": "r2", "r": "r", "kge_2012": "kge_2012", "mae": "mae", "me": "me",
            "mse": "mse", "rmse": "rmse", "msess_vs_climatology_NSE": "nse", "nnse": "nnse",
        }  # fmt: skip
        for key, name in names.items():
            assert value(name, sim, obs) == pytest.approx(theirs[key], rel=1e-12)
        # Its standard deviation is by n - 1, ours by n.
        assert value("rsr", sim, obs) == pytest.approx(theirs["rmse_over_sd_obs"] * math.sqrt(10 / 9), rel=1e-12)

    def test_skill_against_a_baseline(self, data):
        held = golden(data, "wres/unit/wres_unit_expected.json")
        sim, obs = (np.array(held["pairs_one"][side]) for side in ("pred", "obs"))
        theirs = held["pairs_two"]
        # The baseline has observations of its own: what counts is its errors.
        baseline = obs + np.array(theirs["baseline_pred"]) - np.array(theirs["baseline_obs"])
        expected = theirs["expected"]
        squared = value("msess", sim, obs, benchmark=baseline)
        assert squared == pytest.approx(expected["mean_square_error_skill_score"], rel=1e-12)
        assert 1 / (2 - squared) == pytest.approx(expected["msess_normalized"], rel=1e-12)
        absolute = value("msess", sim, obs, benchmark=baseline, power=1.0)
        assert absolute == pytest.approx(expected["mean_absolute_error_skill_score"], rel=1e-12)

    def test_pairs_five(self, data):
        folder = data / "evaluation-golden/wres/unit"
        theirs = golden(data, "wres/unit/wres_unit_expected.json")["pairs_five"]["expected"]
        obs, sim = np.loadtxt(folder / "getSingleValuedPairsFive.asc").T
        obs, sim = np.where(obs == -999, np.nan, obs), np.where(sim == -999, np.nan, sim)
        names = {
            "kge_2012": "kge_2012", "msess_vs_climatology_NSE": "nse", "nnse": "nnse",
            "volumetric_efficiency": "volumetric_efficiency", "index_of_agreement": "d1",
        }  # fmt: skip
        for key, name in names.items():
            assert value(name, sim, obs) == pytest.approx(theirs[key], rel=1e-12)

    def test_dichotomous(self, data):
        held = golden(data, "wres/unit/wres_unit_expected.json")["dichotomous_one"]
        for name, expected in held["expected"].items():
            assert of_counts(name, **held["table"]) == pytest.approx(expected, rel=1e-12)


class TestTheFirstDmod:
    """The original's 14 metrics on pairs whose observation reaches a threshold."""

    THRESHOLDS = ("All", "Minor", "Moderate", "Major", "Record")
    MODELS = tuple(f"model_{number}" for number in range(1, 6))

    def series(self, data, model, threshold):
        folder = data / "evaluation-golden/dmod_metrics"
        table = pd.read_csv(folder / "observations.csv", parse_dates=["date"])
        sim = pd.read_csv(folder / f"{model}.csv")["value"].to_numpy(float)
        obs = table["Observations"].to_numpy(float)
        level = -np.inf if threshold == "All" else float(table[threshold].iloc[0])
        return sim, obs, table["date"].to_numpy(), level

    def theirs(self, data, model):
        return golden(data, "dmod_metrics/dmod_metrics_expected.json")["results"][model]["metrics"]

    @pytest.mark.parametrize("threshold", THRESHOLDS)
    @pytest.mark.parametrize("model", MODELS)
    def test_continuous(self, data, model, threshold):
        sim, obs, times, level = self.series(data, model, threshold)
        chosen = obs >= level
        sim, obs, times = sim[chosen], obs[chosen], times[chosen]
        theirs = self.theirs(data, model)
        # Slopes and areas are by nanosecond or second where nothing was left out, by row number otherwise.
        whole = threshold == "All"
        at = times if whole else np.datetime64("2000-01-01") + np.flatnonzero(chosen) * np.timedelta64(1, "h")
        options = {
            "Linear Temporal Trend of Absolute Error": {"unit_h": 1 / 3600 if whole else 1.0},
        }
        factor = {"Volume Error": 3.6e12 if whole else 1.0}
        for name in (
            "Pearson Correlation Coefficient", "Kling-Gupta Efficiency", "Normalized Nash-Sutcliffe Efficiency",
            "Volume Error", "Linear Temporal Trend of Absolute Error",
        ):  # fmt: skip
            expected = theirs[name][threshold]["value"]
            ours = value(name, sim, obs, times=at, **options.get(name, {})) * factor.get(name, 1.0)
            if expected is None or not len(obs):
                assert math.isnan(ours), "no pairs: theirs is NaN, or a volume of zero"
            elif math.isnan(ours):
                assert expected == 0.0, "observations never vary: their NNSE is 0"
                assert np.ptp(obs) == 0.0
            else:
                assert ours == pytest.approx(expected, rel=1e-9 if "Trend" in name else 1e-12, abs=1e-12)

    @pytest.mark.parametrize("threshold", THRESHOLDS)
    @pytest.mark.parametrize("model", MODELS)
    def test_categories(self, data, model, threshold):
        sim, obs, _, level = self.series(data, model, threshold)
        theirs = self.theirs(data, model)
        for name in (
            "Probability Of Detection", "False Alarm Ratio", "Probability Of False Detection", "Frequency Bias",
            "Accuracy", "Critical Success Index", "Equitable Threat Score", "General Skill", "Precision",
        ):  # fmt: skip
            expected = theirs[name][threshold]["value"]
            ours = find_metric(name)(sim, obs, thresholds=[max(level, -1e300)]).item()
            if math.isnan(ours):
                # Theirs say 0, or 1 for precision, where there is nothing to divide by.
                assert expected in (None, 1.0 if name == "Precision" else 0.0)
            elif expected is None:
                # An accuracy without any event is theirs to hide; an exact zero of ETS they lose.
                assert name == "Accuracy" or ours == 0.0
            else:
                assert ours == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_crps_of_a_sure_ensemble_is_the_mean_absolute_error_and_brier_its_square():
    chance = np.random.default_rng(1)
    obs, sim = chance.gamma(2.0, size=(2, 3, 50))
    assert find_metric("crps")(sim[:, None], obs) == pytest.approx(find_metric("mae")(sim, obs), rel=1e-12)
    wrong = (sim >= 2.0) != (obs >= 2.0)
    assert brier(Ensemble.of(sim[:, None], obs, [2.0]))[:, 0] == pytest.approx(wrong.mean(axis=-1), rel=1e-12)
