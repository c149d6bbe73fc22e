"""An evaluation pairs equal instants, scores them, and says what it did not compare."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from dmod.errors import InputError, ObservationError
from dmod.evaluation.evaluate import evaluate


def series(values, start="2016-09-01", freq="h", units="m3 s-1", **coords):
    """A discharge with one value for each instant from *start*."""
    times = pd.date_range(start, periods=len(values), freq=freq, unit="ns")
    array = xr.DataArray(np.asarray(values, float), {"time": times}, name="discharge", attrs={"units": units})
    return array.assign_coords(coords)


def places(rows, labels, dim="nexus-id", **kwargs):
    return xr.concat([series(row, **kwargs) for row in rows], pd.Index(labels, name=dim))


def test_scores_of_single_series_are_scalars_with_units_and_sample_size():
    found = evaluate(series([2, 2, 5]), series([1, 2, 3]))
    assert list(found.scores.data_vars) == ["kge", "nse", "pbias", "sample_size"]
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
    assert found.notes == ("sim is every 1 h, obs every 15 min: equal instants are compared, nothing is averaged",)


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
        "  -> bring obs onto the instants of sim yourself, for example obs.resample(time='1h').mean()"
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
    assert repr(found) == "<Evaluation a < b: kge=1 sample_size=3, median of 2>"
    page = found._repr_html_()
    assert "<caption>a &lt; b</caption>" in page
    assert "nex-&lt;1&gt;" in page
    assert 'title="Kling-Gupta efficiency"' in page


def test_scores_can_be_written(tmp_path):
    found = evaluate(series([1, 2, 3]), series([1, 2, 3]))
    found.scores.to_netcdf(tmp_path / "scores.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "scores.nc", engine="h5netcdf") as again:
        assert float(again["kge"]) == pytest.approx(1.0)
