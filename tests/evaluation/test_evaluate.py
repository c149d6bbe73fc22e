"""An evaluation pairs equal instants, scores them, and says what it did not compare."""

from __future__ import annotations

import dask.array
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from flows import places, series

from dmod.errors import InputError, ObservationError
from dmod.evaluation.bootstrap import Confidence
from dmod.evaluation.evaluate import evaluate
from dmod.evaluation.metric import METRICS, Takes
from dmod.evaluation.pairing import Pairing
from dmod.evaluation.threshold_tables import read_thresholds
from dmod.formats.outputs import open_outputs
from dmod.testing.rivers import run_here, tiny_run_directory


def test_scores_of_single_series_are_scalars_with_units_and_sample_size():
    found = evaluate(series([2, 2, 5]), series([1, 2, 3]))
    assert found.metrics == ("kge", "nse", "pbias")
    assert found.scores["nse"].shape == ()
    assert float(found.scores["nse"]) == pytest.approx(-1.5)
    assert float(found.scores["pbias"]) == pytest.approx(50.0)
    assert found.scores["pbias"].attrs["units"] == "%"
    assert int(found.scores["sample_size"]) == 3
    assert found.place is None
    assert found.notes == ()


def test_only_equal_instants_are_compared():
    found = evaluate(series([9, 1, 2, 3]), series([1, 2, 3, 9], start="2016-09-01T01:00"))
    assert found.pairs.sizes["time"] == 3
    assert found.pairs["sim"].values.tolist() == found.pairs["obs"].values.tolist() == [1, 2, 3]
    assert float(found.scores["kge"]) == pytest.approx(1.0)


def test_a_gap_stays_in_the_pairs_and_out_of_the_scores():
    found = evaluate(series([1, 2, 30, 4]), series([1, 2, np.nan, 4]))
    assert np.isnan(found.pairs["obs"].values[2])
    assert int(found.scores["sample_size"]) == 3
    assert float(found.scores["nse"]) == pytest.approx(1.0)
    assert found.notes == ("1 of 4 shared instants lack a value",)


def test_a_simulation_in_other_units_is_converted():
    found = evaluate(series([1000, 2000], units="l/s"), series([1, 2]), ["pbias"])
    assert float(found.scores["pbias"]) == pytest.approx(0.0)
    assert found.pairs["sim"].attrs["units"] == "m3 s-1"


def test_finer_observations_are_compared_at_the_instants_of_the_run_and_that_is_told():
    found = evaluate(series([1, 2, 3]), series([1, 8, 8, 8, 2, 8, 8, 8, 3], freq="15min"))
    assert float(found.scores["nse"]) == pytest.approx(1.0)
    assert found.notes == (
        "sim is every 1 h, obs every 15 min: equal instants are compared, nothing is averaged",
        "6 of 9 observed instants have no simulated one, 6 of them within the simulated period",
    )


def test_what_was_assumed_while_reading_is_told_again():
    obs = series([1, 2, 3]).assign_attrs(units="m3 s-1", notes="rows put in order of time")
    assert evaluate(series([1, 2, 3]), obs).notes == ("observations: rows put in order of time",)


def test_an_offset_of_half_an_hour_pairs_nothing_and_shows_both_axes():
    with pytest.raises(ObservationError) as caught:
        evaluate(series([1, 2, 3]), series([1, 2, 3], start="2016-09-01T00:30"))
    assert str(caught.value) == (
        "nothing to compare: they overlap, but share no instant\n"
        "  sim  2016-09-01T00:00Z .. 2016-09-01T02:00Z, every 1 h, 3 instants\n"
        "  obs  2016-09-01T00:30Z .. 2016-09-01T02:30Z, every 1 h, 3 instants\n"
        "  -> take the nearest or averages: pairing=Pairing(instants='nearest', tolerance='30min') or 'mean'"
    )


def test_observations_of_another_year_pair_nothing():
    with pytest.raises(ObservationError, match="do not overlap in time"):
        evaluate(series([1, 2, 3]), series([1, 2, 3], start="2015-09-01"))


def test_shared_instants_without_a_pair_of_values_are_nothing_to_compare():
    with pytest.raises(ObservationError, match="never with a value in both"):
        evaluate(series([1, np.nan]), series([np.nan, 2]))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_the_resolution_of_time_does_not_matter(unit):
    sim = series([1, 2, 3])
    sim = sim.assign_coords(time=pd.DatetimeIndex(sim.time.values).as_unit(unit))
    assert int(evaluate(sim, series([1, 2, 3])).scores["sample_size"]) == 3


def test_a_run_is_put_in_order_of_time():
    sim = series([1, 2, 3]).isel(time=[2, 0, 1])
    assert evaluate(sim, series([1, 2, 3])).pairs["sim"].values.tolist() == [1, 2, 3]


def test_places_are_matched_by_label_in_the_order_of_the_run():
    sim = places([[1, 2, 3], [2, 4, 6], [7, 7, 7]], ["nex-1", "nex-2", "nex-3"])
    obs = places([[2, 4, 6], [2, 4, 6], [0, 0, 1]], ["nex-2", "nex-1", "nex-9"], dim="site")
    found = evaluate(sim, obs, ["pbias"])
    assert found.place == "nexus-id"
    assert found.scores["nexus-id"].values.tolist() == ["nex-1", "nex-2"]
    assert found.scores["pbias"].values.tolist() == pytest.approx([-50.0, 0.0])
    assert found.pairs["sim"].dims == ("nexus-id", "time")
    assert found.notes == ("1 of 3 observed sites are no place of the run",)


def test_places_without_a_common_label_are_not_guessed():
    sim = places([[1, 2, 3], [2, 4, 6]], ["nex-1", "nex-2"])
    with pytest.raises(ObservationError, match=r"no place is in both(.|\n)*assign_coords\(site="):
        evaluate(sim, places([[1, 2, 3], [2, 4, 6]], ["01", "02"], dim="site"))


def test_one_gage_against_many_places_asks_which():
    sim = places([[1, 2, 3], [2, 4, 6]], ["nex-1", "nex-2"])
    with pytest.raises(ObservationError, match=r"belong together(.|\n)*sim.sel\({'nexus-id': 'nex-1'}\)"):
        evaluate(sim, series([1, 2, 3]))


def test_one_place_and_one_site_belong_together():
    sim = places([[1, 2, 3]], ["nex-1"]).transpose("time", "nexus-id")
    found = evaluate(sim, places([[1, 2, 3]], ["01073000"], dim="site"))
    assert found.scores["kge"].shape == ()
    assert found.name == "nex-1 against 01073000"


def test_a_selected_place_names_the_evaluation():
    sim = places([[1, 2, 3], [2, 4, 6]], ["nex-1", "nex-2"]).sel({"nexus-id": "nex-2"})
    assert evaluate(sim, series([1, 2, 3])).name == "nex-2 against discharge"
    assert evaluate(sim, series([1, 2, 3]), name="Mad River").name == "Mad River"


@pytest.mark.parametrize(
    ("sim", "obs", "message"),
    [
        pytest.param(series([1, 2], units=""), series([1, 2]), "sim does not say what units", id="sim units"),
        pytest.param(series([1, 2]), series([1, 2], units=""), "obs does not say what units", id="obs units"),
        pytest.param(series([1, 2], units="mm"), series([1, 2]), "do not measure the same", id="other thing"),
        pytest.param(series([1, 2]).rename(time="t"), series([1, 2]), "sim is not a series", id="no time"),
        pytest.param(series([1, 2]), series([1, 2]).drop_vars("time"), "obs has no instants", id="no instants"),
        pytest.param(series([1, 2]).isel(time=[0, 0]), series([1, 2]), "an instant twice", id="twice"),
    ],
)
def test_series_that_cannot_be_compared_are_refused_with_a_hint(sim, obs, message):
    with pytest.raises(ObservationError, match=message) as caught:
        evaluate(sim, obs)
    assert caught.value.hint


def test_an_unknown_metric_is_refused_before_anything_is_paired():
    with pytest.raises(InputError, match="no metric 'best'"):
        evaluate(series([1]), series([1]), ["best"])


def test_it_shows_itself_in_one_line_and_as_a_table():
    sim = places([[1, 2, 3], [2, 4, 6]], ["nex-<1>", "nex-2"])
    found = evaluate(sim, sim, ["kge"], name="a < b")
    assert repr(found) == "<Evaluation a < b: kge=1 sample_size=3, median of 2 places>"
    page = found._repr_html_()
    assert "<caption>a &lt; b</caption>" in page
    assert "nex-&lt;1&gt;" in page
    assert 'title="Kling-Gupta efficiency"' in page


def test_scores_can_be_written(tmp_path):
    found = evaluate(series([1, 2, 3]), series([1, 2, 3]))
    found.scores.to_netcdf(tmp_path / "scores.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "scores.nc", engine="h5netcdf") as again:
        assert float(again["kge"]) == pytest.approx(1.0)


def rising(n=400, seed=1):
    """Flows of *n* hours that differ a little, and their observations."""
    rng = np.random.default_rng(seed)
    obs = np.exp(np.sin(np.arange(n) / 20) + 0.1 * rng.normal(size=n))
    return series(obs * np.exp(0.2 * rng.normal(size=n))), series(obs)


def test_places_without_a_pair_are_left_out_with_the_reason_and_the_rest_goes_on():
    sim = places([[1, 2, 3], [1, 2, 3], [np.nan] * 3, [1, 2, np.nan]], ["a", "b", "c", "d"])
    obs = places([[1, 2, 4], [np.nan] * 3, [1, 2, 3], [np.nan, np.nan, 3]], ["a", "b", "c", "d"])
    found = evaluate(sim, obs, thresholds="q50", metrics=["kge", "pod"])
    assert found.scores["nexus-id"].values.tolist() == found.pairs["nexus-id"].values.tolist() == ["a"]
    assert found.thresholds["nexus-id"].values.tolist() == ["a"]
    assert found.left_out == {
        "b": "observations are all missing",
        "c": "the simulation is all missing",
        "d": "no instant has a value in both",
    }


def test_if_no_place_has_a_pair_the_error_names_them_all():
    sim = places([[1, 2], [1, 2]], ["a", "b"])
    with pytest.raises(ObservationError, match="never with a value in both") as caught:
        evaluate(sim, sim.where(False).assign_attrs(units="m3 s-1"))
    assert caught.value.facts["left_out"] == "a: observations are all missing; b: observations are all missing"


def test_a_logarithm_of_a_negative_flow_is_undefined_and_says_so():
    sim = places([[1, 2, 3], [-1, 2, 3]], ["a", "b"])
    found = evaluate(sim, abs(sim).assign_attrs(units="m3 s-1"), ["log_nse", "nse"])
    assert np.isfinite(found.scores["log_nse"].values).tolist() == [True, False]
    (row,) = found.undefined.to_dict("records")
    assert row == {"place": "b", "metric": "log_nse", "reason": "negative flows have no logarithm"}


def test_metrics_at_thresholds_are_over_thresholds_and_nan_where_there_is_none():
    sim = places([[1, 5, 9, 1], [1, 5, 9, 1]], ["a", "b"])
    obs = places([[1, 6, 2, 9], [1, 6, 2, 9]], ["a", "b"])
    table = pd.DataFrame({"flood [m3 s-1]": [5.0]}, index=["a"])
    found = evaluate(sim, obs, ["pod", "nse"], thresholds=[table, "1000 l/s"])
    assert found.scores["pod"].dims == ("nexus-id", "threshold")
    assert found.scores["pod"].values[0].tolist() == [0.5, 1.0]
    assert np.isnan(found.scores["pod"].values[1, 0])
    assert found.undefined["reason"].tolist() == ["no threshold"]
    assert "1 of 2 places have no threshold 'flood'" in found.notes
    assert ("pod", "flood") in found.to_frame().columns


@pytest.mark.parametrize(("operator", "hits"), [(">=", 2), (">", 1), ("<=", 2), ("<", 1)])
def test_the_operator_says_when_a_value_is_an_event(operator, hits):
    found = evaluate(series([1, 5, 9]), series([1, 5, 9]), ["hits"], thresholds="5 m3 s-1", operator=operator)
    assert found.scores["hits"].values.tolist() == [hits]


def test_a_threshold_of_each_day_counts_as_one_by_hand(data):
    """Against a loop over days with the table of the USGS."""
    path = data / "evaluation-golden/dmod_evaluations/nwis_stat_thresholds.rdb"
    rng = np.random.default_rng(3)
    obs = series(rng.gamma(1, 8, 800), freq="D", start="2015-01-01", site="0214655255", units="ft3/s")
    sim = obs * np.exp(rng.normal(size=800) / 2)
    table = read_thresholds(path, names={"p50_va": "median", "p75_va": "upper"})
    found = evaluate(sim.assign_attrs(units="ft3/s"), obs, ["pod", "csi", "nse"], thresholds=table)
    times = pd.DatetimeIndex(obs["time"].values)
    days = [pd.Timestamp(2016, time.month, time.day).day_of_year for time in times]
    at = np.array([table.frame.loc[("0214655255", day), "median"] for day in days])
    seen, made = obs.values >= at, sim.values >= at
    assert float(found.scores["pod"].sel(threshold="median")) == (seen & made).sum() / seen.sum()
    assert float(found.scores["csi"].sel(threshold="median")) == (seen & made).sum() / (seen | made).sum()
    assert found.scores["nse"].dims == ()
    assert found.scores["pod"].attrs["ideal"] == 1.0


def test_groups_are_scored_apart():
    sim, obs = rising()
    found = evaluate(sim, obs, ["nse"], groups="month")
    assert found.scores["group"].values.tolist() == ["09"]
    both = evaluate(sim, obs, ["nse", "pbias"], groups=["hour", "flow_class"])
    assert both.scores.sizes["group"] == 24 + 3
    assert both.scores["grouping"].values.tolist() == ["hour"] * 24 + ["flow_class"] * 3
    low = evaluate(sim.where(obs < obs.quantile(0.3)), obs, ["pbias"])
    one = both.scores["pbias"].sel(group="flow_class low")
    assert float(one) == pytest.approx(float(low.scores["pbias"]), rel=1e-12)


def test_lead_times_and_members_are_carried_through():
    sim, obs = rising()
    leads = xr.concat([sim, 2 * sim], pd.Index(pd.to_timedelta([6, 12], unit="h"), name="lead_time"))
    found = evaluate(leads.assign_attrs(units="m3 s-1"), obs, ["pbias", "nse"])
    assert found.scores["pbias"].dims == ("lead_time",)
    assert found.place is None
    members = xr.concat([0.9 * sim, 1.1 * sim, sim], pd.Index(list("abc"), name="member")).assign_attrs(units="m3 s-1")
    found = evaluate(members, obs, ["crps", "nse"])
    assert found.scores["crps"].dims == ()
    assert found.scores["nse"].dims == ("member",)
    with pytest.raises(InputError, match="needs members"):
        evaluate(sim, obs, ["crps"])


def test_confidence_gives_an_interval_around_the_value():
    sim, obs = rising()
    scores = evaluate(sim, obs, ["kge"], confidence=Confidence(resamples=100, block="2D")).scores
    assert float(scores["kge_low"]) < float(scores["kge"]) < float(scores["kge_high"])


def test_all_is_everything_that_can_be_computed_and_standard_the_usual():
    sim, obs = rising()
    found = evaluate(sim, obs, "all")
    assert set(found.metrics) == {name for name, one in METRICS.items() if one.takes in (Takes.SUMS, Takes.SERIES)}
    assert "kge" in evaluate(sim, obs, "standard").metrics
    assert {"pod", "kge"} <= set(evaluate(sim, obs, "standard", thresholds="q90").metrics)
    with pytest.raises(InputError, match="Probability of detection needs thresholds"):
        evaluate(sim, obs, ["pod"])


def test_what_is_lazy_is_computed_when_asked_and_equals_what_is_not():
    rows = [rising(seed=seed) for seed in range(4)]
    sim, obs = (places([pair[k].values for pair in rows], list("abcd")) for k in (0, 1))
    options = {"metrics": ["kge", "pod", "log_nse"], "thresholds": ["q90", "1 m3 s-1"]}
    eager = evaluate(sim, obs, **options)
    chunks = {"nexus-id": 2, "time": 150}
    lazy = evaluate(sim.chunk(chunks), obs.chunk(chunks), **options)
    assert lazy.is_lazy
    assert "not computed yet" in repr(lazy)
    assert "not computed yet" in lazy._repr_html_()
    computed = lazy.compute()
    assert not computed.is_lazy
    for name in eager.metrics:
        np.testing.assert_allclose(computed.scores[name], eager.scores[name], rtol=1e-12)


def test_nothing_lazy_is_read_before_scores_are_asked_for():
    def explode(block):
        raise AssertionError("a block was read")

    values = dask.array.zeros((4, 48), chunks=(2, 24)).map_blocks(explode, dtype=float, meta=np.empty((0, 0)))
    times = pd.date_range("2016-09-01", periods=48, freq="h")
    labels = {"time": times, "nexus-id": list("abcd")}
    lazy = xr.DataArray(values, labels, ("nexus-id", "time"), attrs={"units": "m3 s-1"})
    found = evaluate(lazy, lazy, ["kge", "pod"], thresholds="q90", pairing=Pairing(instants="mean", every="1D"))
    with pytest.raises(AssertionError, match="a block was read"):
        found.compute()


def test_files_are_read_on_either_side(tmp_path):
    for name, values in (("sim", [2, 4, 6]), ("obs", [1, 2, 3])):
        rows = [f"2016-09-01T0{hour}:00Z,{value}" for hour, value in enumerate(values)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["time,flow [m3 s-1]", *rows]) + "\n")
    found = evaluate(tmp_path / "sim.csv", str(tmp_path / "obs.csv"), ["pbias"])
    assert float(found.scores["pbias"]) == pytest.approx(100)
    assert found.specification["sources"] == {"sim": "sim.csv", "obs": "obs.csv"}


def test_outputs_of_a_run_are_read_from_their_directory(tmp_path):
    run_here(tiny_run_directory(tmp_path / "river", hours=4))
    outputs = open_outputs(tmp_path / "river")["nexus_flow"].load()
    found = evaluate(tmp_path / "river", outputs, ["rmse"])
    assert found.place == "nexus-id"
    assert set(found.scores["rmse"].values.tolist()) == {0.0}
