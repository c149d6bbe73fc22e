"""The original's fourteen metrics: its own values, and each of its faults where dmod has none."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from dmod.errors import InputError
from dmod.evaluation.original import ORIGINAL, Pool, original_metric
from dmod.evaluation.scores import Scheme


@pytest.fixture(scope="module")
def golden(data):
    """Observations, thresholds, models and what the original made of them."""
    folder = data / "evaluation-golden" / "dmod_metrics"
    if not folder.is_dir():
        pytest.skip("the golden values of the original are not in DMOD_TEST_DATA")
    table = pd.read_csv(folder / "observations.csv", parse_dates=["date"])
    expected = json.loads((folder / "dmod_metrics_expected.json").read_text())["results"]
    return folder, table, expected


@pytest.mark.parametrize("model", [f"model_{i}" for i in range(1, 6)])
def test_every_value_of_the_original_is_reproduced(golden, model):
    folder, table, expected = golden
    sim = pd.read_csv(folder / f"{model}.csv")["value"].to_numpy(float)
    ticks = table["date"].to_numpy().astype("datetime64[ns]").astype(np.int64)
    for name, by_threshold in expected[model]["metrics"].items():
        for label, wanted in by_threshold.items():
            at = None if label == "All" else table[label].to_numpy(float)
            value = ORIGINAL[name](Pool(sim, table["Observations"].to_numpy(float), ticks, at))
            scaled = float(ORIGINAL[name].scaled(np.array(value)))
            golden_values = [np.nan if wanted[key] is None else wanted[key] for key in ("value", "scaled")]
            np.testing.assert_allclose(
                [value, scaled], golden_values, rtol=1e-12, atol=1e-12, err_msg=f"{name} {label}"
            )


def test_counts_are_those_of_the_original(golden):
    folder, table, expected = golden
    for model, held in expected.items():
        sim = pd.read_csv(folder / f"{model}.csv")["value"].to_numpy(float)
        for label, counts in held["contingency"].items():
            at = None if label == "All" else table[label].to_numpy(float)
            found = Pool(sim, table["Observations"].to_numpy(float), np.zeros(sim.size, np.int64), at).counts
            assert found == (counts["tp"], counts["fn"], counts["fp"], counts["tn"]), (model, label)


@pytest.mark.parametrize("model", [f"model_{i}" for i in range(1, 6)])
def test_totals_of_schemes_are_those_of_the_original(golden, model):
    """All but the volume error, which the original does not scale; weights 1, 2, 3, ... in its order."""
    _, _, expected = golden
    held = expected[model]
    names = [name for name in held["metrics"] if name != "Volume Error"]
    labels = list(held["metrics"][names[0]])
    values = {
        original_metric(name).variable: (
            "threshold", [np.nan if (v := held["metrics"][name][at]["value"]) is None else v for at in labels]
        )
        for name in names
    }  # fmt: skip
    scheme = Scheme({name: float(i) for i, name in enumerate(names, start=1)}, scoring="dmod")
    graded = scheme.score(xr.Dataset(values, {"threshold": labels}))
    wanted = held["scheme_without_volume_error_weights_1_to_n"]
    assert graded.total == pytest.approx(wanted["scaled"], rel=1e-12)
    assert graded.grade == pytest.approx(wanted["grade"], abs=0.01)
    weights = np.array(list(scheme.metrics.values()))
    there = graded.by_metric.notnull().values[0]
    assert weights[there].sum() == wanted["max"]
    assert np.nansum(graded.by_metric.values[0] * weights) == pytest.approx(wanted["total"], rel=1e-12)


def test_names_are_found_however_they_are_spelt():
    assert original_metric("kling_gupta efficiency") is ORIGINAL["Kling-Gupta Efficiency"]
    with pytest.raises(InputError, match="no metric 'NSE'"):
        original_metric("NSE")


def test_a_failure_is_told_within_a_tenthousandth():
    pod = original_metric("Probability of Detection")
    assert pod.failed(0.00005)
    assert not pod.failed(0.001)
    assert not original_metric("Accuracy").failed(0.0)
