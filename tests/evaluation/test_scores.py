"""From values to a grade: scaling, weights, what has no value, and each fault of the original's scoring."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from dmod.errors import InputError
from dmod.evaluation.metric import find_metric
from dmod.evaluation.original import original_metric
from dmod.evaluation.original_faults import FAULTS
from dmod.evaluation.scaling import GRADES, letter, scale, scaling_bounds
from dmod.evaluation.scores import Scheme


def values(**metrics):
    """Values of metrics at one place over the thresholds low and high; a number is that of both."""
    at = {"place": ["here"], "threshold": ["low", "high"]}
    return xr.Dataset(
        {name: (("place", "threshold"), [list(v) if isinstance(v, list) else [v, v]]) for name, v in metrics.items()},
        at,
    )


@pytest.mark.parametrize(
    ("value", "ideal", "bounds", "scaled"),
    [
        pytest.param(0.75, 1.0, (0, 1), 0.75, id="towards one"),
        pytest.param(0.75, 0.0, (0, 1), 0.25, id="towards zero"),
        pytest.param(-5.0, 1.0, (0, 1), 0.0, id="below the bounds"),
        pytest.param(0.25, 0.0, (-1, 1), 0.75, id="above an ideal in the middle"),
        pytest.param(-0.25, 0.0, (-1, 1), 0.75, id="below an ideal in the middle"),
        pytest.param(0.0, 0.0, (0, 1), 1.0, id="ideal"),
        pytest.param(float("nan"), 1.0, (0, 1), float("nan"), id="nothing"),
        pytest.param(float("-inf"), 1.0, (0, 1), 0.0, id="as bad as can be"),
        pytest.param(50.0, 0.0, (-100, 100), 0.5, id="percent"),
    ],
)
def test_values_are_scaled_on_a_straight_line(value, ideal, bounds, scaled):
    assert float(scale(value, ideal=ideal, bounds=bounds)) == pytest.approx(scaled, nan_ok=True)


def test_scaling_bounds_are_the_originals_where_it_has_some():
    same = ["Kling-Gupta Efficiency", "Pearson Correlation Coefficient", "Normalized Nash-Sutcliffe Efficiency",
            "Probability of Detection", "False Alarm Ratio", "Probability of False Detection", "Accuracy",
            "Critical Success Index", "Equitable Threat Score", "General Skill", "Precision"]  # fmt: skip
    for name in same:
        assert scaling_bounds(find_metric(name)) == original_metric(name).bounds, name


def test_a_metric_in_units_of_flow_has_no_scale_of_its_own():
    assert scaling_bounds(find_metric("rmse")) is None
    with pytest.raises(InputError, match="no natural scale"):
        Scheme({"rmse": 1})
    assert Scheme({"rmse": 1}, bounds={"rmse": (0, 4)}).score(values(rmse=1.0)).grade == pytest.approx(75.0)


@pytest.mark.parametrize(
    ("grade", "name"), [*((low, n) for n, low in GRADES), (59.99, "F"), (100.0, "A+"), (93.32, "A-")]
)
def test_letters_begin_where_the_originals_do(grade, name):
    assert letter(grade) == name


def test_weights_of_thresholds_metrics_and_places():
    held = xr.Dataset(
        {"pod": (("place", "threshold"), [[1.0, 0.5], [0.0, 0.0]]), "kge": ("place", [0.5, 1.0])},
        {"place": ["a", "b"], "threshold": ["low", "high"]},
    )
    graded = Scheme({"pod": 3, "kge": 1}, {"low": 1, "high": 4}, {"b": 3}).score(held)
    assert graded.by_metric.sel(place="a", metric="pod") == pytest.approx((1 * 1 + 4 * 0.5) / 5)
    assert graded.by_place.values == pytest.approx([(3 * 0.6 + 0.5) / 4, 0.25])
    assert graded.total == pytest.approx((0.575 + 3 * 0.25) / 4)
    assert graded.covered == pytest.approx(1.0)
    assert float(graded.cells["weight"].sum()) == pytest.approx(1.0)
    assert graded.mean == pytest.approx((0.575 + 0.25) / 2)
    assert graded.std == pytest.approx((0.575 - 0.25) / 2)  # of the population


def test_what_has_no_value_is_told_with_its_weight_and_reason():
    held = values(pod=[0.5, np.nan], kge=1.0)
    held["pod_reason"] = (
        ("place", "threshold"), np.array([[0, 9]], np.int8),
        {"flag_values": [0, 9], "flag_meanings": "defined no_event_was_observed"},
    )  # fmt: skip
    graded = Scheme({"pod": 1, "kge": 1}, {"low": 1, "high": 3}).score(held)
    assert graded.total == pytest.approx(0.75)
    [row] = graded.without_value.to_dict("records")
    assert row == {
        "place": "here",
        "metric": "pod",
        "threshold": "high",
        "weight": 0.375,
        "reason": "no event was observed",
    }
    assert graded.covered == pytest.approx(0.625)
    assert "38%" in repr(graded)


def test_groups_weigh_as_their_threshold_does():
    held = xr.Dataset(
        {"pod": (("place", "group", "threshold"), [[[1.0, 0.0], [1.0, 0.5]]])},
        {"place": ["a"], "group": ["DJF", "JJA"], "threshold": ["low", "high"]},
    )
    graded = Scheme({"pod": 1}, {"low": 3, "high": 1}).score(held)
    assert graded.total == pytest.approx((3 + 3 + 0 + 0.5) / 8)
    assert "high, JJA" in graded.cells["threshold"]


def test_nothing_at_all_has_no_grade():
    graded = Scheme({"pod": 1}).score(values(pod=np.nan))
    assert np.isnan(graded.grade)
    assert (graded.letter, graded.covered) == ("-", 0.0)
    assert graded.to_dict()["grade"] is None


@pytest.mark.parametrize(
    ("made", "says"),
    [
        pytest.param({"metrics": {}}, "needs a metric", id="empty"),
        pytest.param({"metrics": {"kge": -1}}, "weight of metric 'kge'", id="negative"),
        pytest.param({"metrics": {"kge": 0}}, "no metric weighs", id="zero"),
        pytest.param({"metrics": {"kgee": 1}}, "no metric 'kgee'", id="unknown"),
        pytest.param({"metrics": {"kge": 1}, "scoring": "old"}, "no scoring", id="scoring"),
        pytest.param({"metrics": {"kge": 1}, "bounds": {"kge": (-1, 0.5)}}, "do not hold its ideal", id="bounds"),
    ],
)
def test_a_scheme_that_makes_no_sense_is_refused(made, says):
    with pytest.raises(InputError, match=says):
        Scheme(**made)


def test_a_metric_that_was_not_computed_is_named():
    with pytest.raises(InputError, match="'kge', which was not computed"):
        Scheme({"kge": 1}).score(values(pod=1.0))


def both(name, value):
    """The share of full marks that one value gets: corrected, and as the original gives it."""
    [ours], theirs = Scheme({name: 1}).metrics, original_metric(name).variable
    held = {ours: value, theirs: value}
    return [Scheme({name: 1}, scoring=s).score(values(**held)).total for s in ("corrected", "dmod")]


def test_fault_1_a_total_of_zero_counts_as_zero():
    held = {"pod": 0.0, "probability_of_detection": 0.0, "accuracy": 2 / 3}
    grades = [
        Scheme({"Probability of Detection": 1, "Accuracy": 1}, scoring=scoring).score(values(**held)).grade
        for scoring in ("corrected", "dmod")
    ]
    assert grades == pytest.approx([33.33, 66.66], abs=0.01)  # of one and the same simulation


def test_fault_1_all_wrong_is_zero_and_no_division():
    held = values(pod=0.0, probability_of_detection=0.0)
    assert Scheme({"Probability of Detection": 1}).score(held).grade == 0.0
    assert Scheme({"Probability of Detection": 1}, scoring="dmod").score(held).grade == 0.0


@pytest.mark.parametrize(("bias", "score"), [(1.0, 1.0), (0.5, 0.5), (1.5, 0.5), (2.0, 0.0), (10.0, 0.0)])
def test_fault_2_too_many_events_cost_as_much_as_too_few(bias, score):
    corrected, dmod = both("Frequency Bias", bias)
    assert corrected == pytest.approx(score)
    assert dmod == pytest.approx(min(bias, 1.0))


def test_fault_5_a_volume_error_is_scaled():
    corrected, dmod = both("Volume Error", 0.25)
    assert corrected == pytest.approx(0.75)
    assert both("Volume Error", 1.4e13)[1] == 1.4e13
    assert dmod == 0.25  # in a sum of scores, whatever its unit


def test_fault_9_a_perfect_simulation_is_perfect_whatever_the_factors():
    obs = [1.0, 2.0, 4.0]
    assert float(find_metric("kge")(obs, obs, scale=(2.0, 3.0, 0.5))) == pytest.approx(1.0)


def test_fault_8_shares_of_weight_sum_to_one():
    graded = Scheme({"pod": 2, "kge": 5}, {"low": 3}).score(values(pod=[0.2, np.nan], kge=0.4))
    assert float(graded.cells["weight"].sum()) == pytest.approx(1.0)
    assert graded.covered == pytest.approx(1 - 2 / 7 / 4)


def test_a_metric_is_weighed_once():
    with pytest.raises(InputError, match="two weights"):
        Scheme({"kge": 1, "Kling-Gupta Efficiency": 2})


def test_every_fault_is_listed_once_with_its_effect_and_cure():
    assert [fault.number for fault in FAULTS] == list(range(1, len(FAULTS) + 1))
    for fault in FAULTS:
        assert fault.what
        assert fault.effect
        assert fault.cure
    page = (Path(__file__).parents[2] / "docs" / "specification.md").read_text(encoding="utf-8")
    for fault in FAULTS:
        assert f"| {fault.number} | {fault.what} | {fault.effect} | {fault.cure} |" in page
