"""One line compares a run with what was observed."""

from __future__ import annotations

import pytest

from dmod.errors import ObservationError, SelectionError
from dmod.prepare.basin import make_basin
from dmod.session import Session


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
    assert set(scores.data_vars) == {"pbias", "sample_size"}


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
