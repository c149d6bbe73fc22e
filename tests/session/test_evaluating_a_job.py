"""One line compares a run with what was observed."""

from __future__ import annotations

import pandas as pd
import pytest
import xarray as xr

from dmod.errors import DatasetError, ObservationError, SelectionError
from dmod.prepare.basin import make_basin
from dmod.session import Session
from dmod.store.digest import digest


@pytest.fixture(scope="module")
def basin(tmp_path_factory):
    """Twelve catchments, three days; nobody writes into it."""
    return make_basin(tmp_path_factory.mktemp("made") / "run", catchments=12, days=3)


@pytest.fixture(scope="module")
def complete(basin, tmp_path_factory):
    """A run of it that is complete."""
    return Session().run(basin.directory, output=tmp_path_factory.mktemp("complete") / "out").wait(120)


@pytest.fixture
def observed(complete, basin, tmp_path):
    """A CSV with the very flow that was simulated at the gage, times a factor."""

    def write(factor: float = 1.0):
        with complete.outputs as outputs:
            flow = outputs["nexus_flow"].sel({"nexus-id": basin.gage_nexus}).load()
        path = tmp_path / "observed.csv"
        rows = [f"{str(t)[:19]},{factor * q:.17g}" for t, q in zip(flow["time"].values, flow.values, strict=True)]
        path.write_text("\n".join(["time,discharge", *rows]) + "\n")
        return path

    return write


def test_observations_that_equal_the_simulation_score_perfectly(complete, basin, observed):
    scores = complete.evaluate(observed(), gage=basin.gage, units="m3 s-1").scores
    assert float(scores["kge"]) == pytest.approx(1, abs=1e-12)
    assert float(scores["nse"]) == pytest.approx(1, abs=1e-12)
    assert float(scores["pbias"]) == pytest.approx(0, abs=1e-10)
    assert int(scores["sample_size"]) == 72


def test_observations_twice_the_simulation_are_missed_by_half(complete, observed):
    scores = complete.evaluate(observed(2.0), metrics=["pbias"], units="m3 s-1").scores
    assert float(scores["pbias"]) == pytest.approx(-50, abs=1e-9)
    assert set(scores.data_vars) == {"pbias", "pbias_reason", "sample_size"}


def test_the_only_gage_the_gage_by_name_and_its_nexus_are_the_same_place(complete, basin, observed):
    path = observed(1.5)
    by = [{}, {"gage": basin.gage}, {"nexus": basin.gage_nexus}]
    kge = {float(complete.evaluate(path, units="m3 s-1", **place).scores["kge"]) for place in by}
    assert len(kge) == 1


def test_observations_may_be_an_array(complete, basin):
    with complete.outputs as outputs:
        flow = outputs["nexus_flow"].sel({"nexus-id": basin.gage_nexus}, drop=True).load()
    assert float(complete.evaluate(flow).scores["nse"]) == 1.0


@pytest.mark.parametrize(
    ("place", "said", "has"),
    [
        pytest.param({"gage": "00000000"}, "gage 00000000 is not in the domain", "09990001", id="no such gage"),
        pytest.param({"nexus": "nex-999"}, "nexus nex-999 is not in the domain", "nexuses", id="no such nexus"),
    ],
)
def test_a_place_that_is_not_there_is_refused_with_those_that_are(complete, observed, place, said, has):
    with pytest.raises(SelectionError, match=said) as caught:
        complete.evaluate(observed(), **place)
    assert has in str(caught.value.facts["has"])


def test_observations_that_are_not_there_are_refused(complete, tmp_path):
    with pytest.raises(ObservationError, match=r"nothing\.csv"):
        complete.evaluate(tmp_path / "nothing.csv")


@pytest.fixture
def flows(complete):
    """What was simulated at every nexus."""
    with complete.outputs as outputs:
        return outputs["nexus_flow"].load()


def test_every_gage_that_was_observed_is_compared_and_the_others_are_left_out(complete, basin, flows):
    here = flows.sel({"nexus-id": basin.gage_nexus}, drop=True)
    seen = xr.concat([here, here], pd.Index([f"USGS-{basin.gage}", "00000001"], name="site"))
    found = complete.evaluate(seen)
    assert found.place == "nexus-id"
    assert found.scores["nexus-id"].values.tolist() == [basin.gage_nexus]
    assert found.pairs["gage"].values.tolist() == [f"USGS-{basin.gage}"]
    assert found.left_out == {"00000001": "not in the crosswalk"}
    assert float(found.scores["nse"][0]) == 1.0


def test_sites_that_are_no_gages_are_placed_by_a_crosswalk(complete, flows):
    two = flows.isel({"nexus-id": [2, 0]})
    names = two["nexus-id"].values.tolist()
    seen = two.rename({"nexus-id": "site"}).assign_coords(site=["upper", "lower"])
    found = complete.evaluate(seen, crosswalk=dict(zip(["upper", "lower"], names, strict=True)), metrics=["rmse"])
    assert sorted(found.scores["nexus-id"].values.tolist()) == sorted(names)
    assert found.scores["rmse"].values.tolist() == [0.0, 0.0]


def test_one_gage_is_picked_out_of_many_observed(complete, basin, flows):
    here = flows.sel({"nexus-id": basin.gage_nexus}, drop=True)
    seen = xr.concat([2 * here, here], pd.Index(["00000001", basin.gage], name="site")).assign_attrs(here.attrs)
    assert float(complete.evaluate(seen, gage=basin.gage).scores["nse"]) == 1.0
    with pytest.raises(SelectionError, match="do not have this place"):
        complete.evaluate(seen.isel(site=[0, 0]).assign_coords(site=["a", "b"]), gage=basin.gage)


def test_a_result_that_is_kept_says_what_it_was_made_from(complete, observed):
    path = observed(1.25)
    found = complete.evaluate(path, units="m3 s-1", metrics=["kge"], keep="mad-river-scores")
    catalog = Session().datasets
    held = catalog.show("mad-river-scores")
    assert held.lineage.rule == "evaluate"
    assert held.lineage.parents == (catalog.show(f"{complete.id}-outputs").digest, digest(path))
    assert held.lineage.parameters["metrics"] == ["kge"]
    assert held.coverage.variables == frozenset({"kge"})
    again = catalog.open("mad-river-scores")
    xr.testing.assert_identical(again.scores, found.scores)
    assert again.name == found.name
    with pytest.raises(DatasetError, match="there is a dataset 'mad-river-scores' already"):
        complete.evaluate(path, units="m3 s-1", keep="mad-river-scores")


def test_observations_may_be_a_dataset(complete, observed):
    path = observed(1.0)
    path.write_text(path.read_text().replace("discharge", "discharge [m3 s-1]"))
    held = Session().datasets.add(path, name="seen-at-the-gage")
    found = complete.evaluate("seen-at-the-gage", keep="scores-of-a-dataset")
    assert float(found.scores["nse"]) == pytest.approx(1, abs=1e-12)
    assert held.digest in Session().datasets.show("scores-of-a-dataset").lineage.parents


def test_a_job_is_compared_like_any_series(complete, basin, flows):
    from dmod import evaluate

    here = flows.sel({"nexus-id": basin.gage_nexus}, drop=True).assign_coords(site=basin.gage)
    found = evaluate(complete, here, ["nse"])
    assert float(found.scores["nse"]) == 1.0
    assert found.specification["sources"]["sim"] == f"job {complete.id}"
