"""What was asked in a way that means nothing is refused, and what did not count is told with its number."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from flows import places, series

from dmod.errors import InputError, ObservationError
from dmod.evaluation.bootstrap import Confidence
from dmod.evaluation.evaluate import evaluate
from dmod.evaluation.evaluation import Evaluation
from dmod.evaluation.pairing import Pairing


def noisy(n=300, seed=0):
    return np.random.default_rng(seed).uniform(1, 3, n)


def ensemble(rows, **coords):
    held = [series(row) for row in rows]
    return xr.concat(held, pd.Index(range(len(held)), name="member")).assign_coords(coords)


def test_quantiles_are_of_compared_observations_only():
    """Of 1..100 only 1..50 have a simulated value: their 0.9 quantile is 45.1."""
    sim = [*range(1, 51), *[np.nan] * 50]
    found = evaluate(series(sim), series(range(1, 101)), ["hits", "misses"], thresholds="q90")
    assert found.thresholds.item() == pytest.approx(45.1)
    assert (int(found.scores["hits"].item()), int(found.scores["misses"].item())) == (5, 0)
    lazy = evaluate(series(sim).chunk(time=30), series(range(1, 101)).chunk(time=30), ["hits"], thresholds="q90")
    assert lazy.compute().thresholds.item() == pytest.approx(45.1)


def test_pairs_are_counted_for_each_member_and_those_of_all_are_told():
    obs, members = noisy(100), np.array([noisy(100, seed) for seed in range(1, 5)])
    members[0, :10] = np.nan
    found = evaluate(ensemble(members), series(obs), ["me", "crps"])
    assert found.scores["sample_size"].dims == ("member",)
    assert found.scores["sample_size"].values.tolist() == [90, 100, 100, 100]
    assert found.scores["me"].values == pytest.approx(np.nanmean(members - obs, axis=1))
    assert found.metrics == ("me", "crps")
    alone = evaluate(ensemble(members), series(obs), ["crps"])
    assert int(alone.scores["sample_size"]) == 90
    assert float(found.scores["crps"]) == pytest.approx(float(alone.scores["crps"]))
    assert "crps: of 90 instants at which every member has a value" in found.notes


@pytest.mark.parametrize("over", [{}, {"nexus-id": ["a", "b"]}, {"lead_time": pd.to_timedelta([1, 6], "h")}])
@pytest.mark.parametrize("asked", [{}, {"thresholds": "q50", "groups": "hour"}])
def test_members_and_the_whole_ensemble_stand_in_one_table(over, asked, tmp_path):
    sim = ensemble([noisy(seed=1), noisy(seed=2)]).expand_dims(over)
    obs = series(noisy()).expand_dims(over) if "nexus-id" in over else series(noisy())
    metrics = ["nse", "crps", *(["brier", "pod"] if asked else [])]
    found = evaluate(sim, obs, metrics, **asked)
    frame = found.to_frame()
    assert len(frame) == 2 * len(next(iter(over.values()), [1])) * (24 if asked else 1)
    assert frame.notna().all(axis=None)
    crps = frame.xs("crps", axis=1, level=0).iloc[:, 0] if asked else frame["crps"]
    rest = [name for name in frame.index.names if name != "member"]
    if rest:
        assert (crps.groupby(rest).nunique() == 1).all()
    assert "crps" in found._repr_html_()
    assert len(found.compare(found)) == len(frame)
    found.save(tmp_path / "ensemble.nc")
    assert Evaluation.load(tmp_path / "ensemble.nc").identical(found)


def test_evaluations_with_rows_of_other_things_are_not_compared():
    plain = evaluate(series(noisy()), series(noisy(seed=1)), ["nse"], name="plain")
    hourly = evaluate(series(noisy()), series(noisy(seed=1)), ["nse"], groups="hour", name="hourly")
    for one, other in ((plain, hourly), (hourly, plain)):
        with pytest.raises(InputError, match="rows of different things"):
            one.compare(other)
    with pytest.raises(InputError, match="compared with an evaluation") as caught:
        plain.compare(3)
    assert caught.value.facts["has"] == "int"
    at = evaluate(series(noisy()), series(noisy(seed=1)), ["nse", "pod"], thresholds="q50", name="at")
    assert plain.compare(at).columns.tolist()[:2] == [("nse", "", "plain"), ("nse", "", "at")]


def test_no_places_are_refused():
    none, one = places([[1, 2]], ["a"])[:0], places([[1, 2]], ["a"])
    for sim, obs, role in ((none, one, "sim"), (one, none, "obs"), (none, none, "sim")):
        with pytest.raises(ObservationError, match=f"{role} has no places"):
            evaluate(sim, obs)


def test_confidence_may_be_its_level():
    sim, obs = series(noisy(500), freq="3D"), series(noisy(500, 1), freq="3D")
    found = evaluate(sim, obs, ["kge"], confidence=0.5)
    assert found.scores["kge_low"].attrs["level"] == 0.5
    assert evaluate(sim, obs, ["kge"], confidence=True).scores["kge_low"].attrs["level"] == 0.9
    assert "kge_low" not in evaluate(sim, obs, ["kge"], confidence=False).scores
    for wrong in (90, "high", 1.5):
        with pytest.raises(InputError, match="confidence"):
            evaluate(sim, obs, ["kge"], confidence=wrong)


def test_intervals_reach_every_table():
    sim = places([noisy(), noisy(seed=1)], ["a", "b"])
    obs = places([noisy(seed=2), noisy(seed=3)], ["a", "b"])
    sure = Confidence(resamples=20, block="2D")
    for asked in ({}, {"thresholds": "q50"}):
        found = evaluate(sim, obs, ["kge", *(["pod"] if asked else [])], confidence=sure, **asked)
        frame = found.to_frame()
        names = frame.columns.get_level_values(0).tolist()
        assert names[:3] == ["kge", "kge_low", "kge_high"]
        assert frame.iloc[0, 1] == float(found.scores["kge_low"][0])
        assert "kge_low" in found.compare(found).columns.get_level_values(0)
        assert "kge_low" not in found.to_frame(intervals=False).columns.get_level_values(0)
        text = found._repr_html_()
        assert f"<br><small>{float(found.scores['kge_low'][0]):.4g} to " in text
        assert "interval of confidence, 90%" in text


def test_the_rule_of_several_values_holds_for_files_and_long_tables(tmp_path):
    path = tmp_path / "seen.csv"
    path.write_text("time,flow [m3 s-1]\n2016-09-01T00:00Z,1\n2016-09-01T00:00Z,3\n2016-09-01T01:00Z,5\n")
    with pytest.raises(ObservationError) as caught:
        evaluate(series([1, 5]), path)
    assert "pairing=Pairing(duplicates='first')" in caught.value.hint
    rows = pd.DataFrame(
        {"time": pd.to_datetime(["2016-09-01T00", "2016-09-01T00", "2016-09-01T01"]), "value": [1, 3, 5]}
    )
    with pytest.raises(ObservationError, match="an instant twice"):
        evaluate(series([1, 5]), rows, units="m3 s-1")
    for rule, value in (("first", 1), ("last", 3), ("mean", 2)):
        for given in (path, rows):
            found = evaluate(series([1, 5]), given, ["me"], units="m3 s-1", pairing=Pairing(duplicates=rule))
            assert found.pairs["obs"].values.tolist() == [value, 5]
            assert any(rule in note for note in found.notes)


def test_pairs_in_no_group_are_counted():
    labels = series(np.arange(4)).copy(data=["flood", "", "flood", ""]).rename("regime")
    found = evaluate(series([1, 2, 3, 4]), series([1, 2, 3, np.nan]), ["me"], groups=labels)
    assert "1 pairs are in no group of 'regime'" in found.notes


@pytest.mark.parametrize("kind", [str, bool, complex])
def test_what_is_no_real_number_is_refused(kind):
    with pytest.raises(ObservationError, match="sim does not hold numbers"):
        evaluate(series([1, 2]).astype(kind), series([1, 2]))
    table = pd.Series([1, 2], pd.date_range("2016-09-01", periods=2, freq="h"), name="a").astype(kind)
    with pytest.raises(ObservationError, match="obs does not hold numbers"):
        evaluate(series([1, 2]), table, units="m3 s-1")


def test_infinite_values_count_as_missing_and_are_told():
    found = evaluate(series([1, np.inf, -np.inf, 4]), series([1, 2, 3, 4]), ["me"])
    assert int(found.scores["sample_size"]) == 2
    assert "sim: 2 values are infinite, and count as missing" in found.notes


def test_a_place_without_values_is_left_out_lazily_as_eagerly():
    sim = places([[1, 2, 3], [1, 2, 3]], ["a", "b"])
    obs = places([[1, 2, 4], [np.nan] * 3], ["a", "b"])
    eager = evaluate(sim, obs, ["nse"])
    lazy = evaluate(sim.chunk({"nexus-id": 1}), obs.chunk({"nexus-id": 1}), ["nse"]).compute()
    for found in (eager, lazy):
        assert found.left_out == {"b": "observations are all missing"}
        assert found.scores["nexus-id"].values.tolist() == ["a"]
        assert found.undefined.values.tolist() == [["b", "nse", "observations are all missing"]]
        assert repr(found).startswith("<Evaluation 1 place: ") or found is lazy


def test_a_return_period_of_a_short_record_says_how_short_it_is():
    found = evaluate(series(noisy(600), freq="D"), series(noisy(600, 1), freq="D"), ["pod"], thresholds="5 years")
    assert found.undefined["reason"].tolist() == ["1 water year, 10 needed"]


def test_what_is_compared_is_named_as_it_was(tmp_path):
    sim = places([[1, 2, 3]] * 3, ["a", "b", "c"])
    found = evaluate(sim, places([[1, 2, 4]] * 2, ["a", "b"]), ["nse"])
    assert found.name == "2 places"
    assert repr(found).endswith("median of 2 places>")
    nameless = pd.Series([1.0, 2, 3], pd.date_range("2016-09-01", periods=3, freq="h"))
    single = evaluate(series([1, 2, 4]).rename(None), nameless, ["me"], units="m3 s-1")
    assert single.to_frame().index.tolist() == ["simulated against observed"]


def test_what_is_read_back_is_identical_and_another_is_not(tmp_path):
    found = evaluate(series(noisy()), series(noisy(seed=1)), ["nse", "pod"], thresholds="q50")
    again = Evaluation.load(found.save(tmp_path / "one.nc"))
    assert again.identical(found)
    assert not again.identical(evaluate(series(noisy()), series(noisy(seed=2)), ["nse", "pod"], thresholds="q50"))
    assert not again.identical(3)
