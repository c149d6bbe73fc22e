"""The panel of an evaluation: what travels when, what is refined, and what a browser makes of it."""

from __future__ import annotations

import numpy as np
import pytest
import traitlets
import xarray as xr
from evaluation_made import many, one, score, series
from widget_page import opened

from dmod.errors import InputError, SelectionError, UnitsError
from dmod.evaluation.evaluation import Evaluation
from dmod.view.evaluation_panel import EvaluationPanel

EVIL = "<img src=x onerror=alert(1)>"


def arrays_of(layout, block):
    return {
        name: np.frombuffer(block, np.dtype(kind).newbyteorder("<"), count, first)
        for name, (kind, first, count) in layout.items()
    }


def gaged():
    """Nine places, each with a gage."""
    found = many()
    pairs = found.pairs.assign_coords(gage=("nexus-id", [f"0{n}" for n in range(1, 10)]))
    return Evaluation(found.scores, pairs, "CFE")


@pytest.fixture(scope="module")
def million():
    """A panel of a million instants, one of which is high."""
    n = 1_000_000
    obs = 2 + np.sin(np.arange(n) / 500)
    obs[654_321] = 99.0
    pairs = series(0.5 * obs, obs, start="1990-01-01", step="15min")
    return EvaluationPanel(Evaluation(xr.Dataset({"kge": score("kge", 0.8)}), pairs, "long"))


def test_scores_of_all_places_travel_and_series_of_one():
    panel = EvaluationPanel(gaged(), place="nex-2")
    places = panel.scene["places"]
    assert [place["label"] for place in places] == [f"nex-{n}" for n in range(1, 10)]
    assert places[1]["gage"] == "02"
    assert [run[0][0] for run in places[8]["scores"]] == ["0.900"]
    assert panel.series["place"] == 1
    held = arrays_of(panel.series["layout"], panel.arrays)
    np.testing.assert_allclose(held["place.sim0"], 1.1 * held["place.obs"], rtol=1e-6)


def test_a_place_that_is_selected_from_either_side_is_sent():
    panel = EvaluationPanel(gaged())
    before = panel.arrays
    panel.window = [0.0, 1.0]
    panel.set_state({"selected": "nex-4"})
    assert panel.series["place"] == 3
    assert panel.arrays != before
    assert panel.window == []
    panel.selected = "07"  # a gage is a name of its place
    assert (panel.selected, panel.series["place"]) == ("nex-7", 6)
    with pytest.raises(SelectionError, match="did you mean"):
        panel.selected = "nex-70"
    assert panel.selected == "nex-7"


def test_runs_stand_side_by_side():
    panel = EvaluationPanel(one("CFE"), one("Noah", kge=0.3))
    assert panel.scene["runs"] == ["CFE", "Noah"]
    assert [run[0][0] for run in panel.scene["places"][0]["scores"]] == ["0.800", "0.300"]
    assert len(panel.series["about"]["sims"]) == 2
    with pytest.raises(UnitsError):
        EvaluationPanel(one(), one(units="ft3 s-1"))


def test_a_million_instants_are_thinned_and_keep_their_peak(million):
    assert len(million.arrays) < 600_000
    held = arrays_of(million.series["layout"], million.arrays)
    assert held["place.obs"].max() == np.float32(99.0)
    assert million.series["about"]["finest"] == 900_000.0
    assert million.finer == {}


def test_what_is_looked_at_is_refined_to_every_value(million):
    million.show("1995-01-01", "1995-03-01")
    first, last = million.window
    assert (last - first) / 864e5 == 59
    span = million.finer["span"]
    assert span[0] < first < last < span[1]
    assert million.finer["left"] == 0
    assert len(million.finer_arrays) < 200_000
    before = million.finer_arrays
    million.window = [first + 1e8, last + 1e8]  # what is there already reaches so far
    assert million.finer_arrays is before
    million.window = [first + 1e11, last + 1e11]
    assert million.finer_arrays is not before
    million.show()
    assert million.window == []


def test_short_series_need_no_refining():
    panel = EvaluationPanel(one())
    panel.show("2016-09-02", "2016-09-03")
    assert len(panel.window) == 2
    assert panel.finer == {}


def test_a_window_that_makes_no_sense_is_told():
    panel = EvaluationPanel(one())
    with pytest.raises(InputError, match="ends after it begins"):
        panel.show("2016-09-03", "2016-09-02")
    with pytest.raises(InputError, match="no instant"):
        panel.show("autumn")
    for window in ([1.0], [2.0, 1.0], [float("nan"), 1.0]):
        with pytest.raises(traitlets.TraitError):
            panel.window = window


def test_more_places_than_a_list_takes_can_still_be_selected(monkeypatch):
    monkeypatch.setattr("dmod.view.evaluation_panel._PLACES", 3)
    panel = EvaluationPanel(many(), place="nex-2")
    assert len(panel.scene["places"]) == 3
    assert "3 of 9 places are listed" in panel.scene["notes"]
    panel.selected = "nex-8"
    assert panel.scene["places"][panel.series["place"]]["label"] == "nex-8"
    assert len(panel.scene["places"]) == 4


def test_where_nothing_moves_there_is_a_picture_and_the_scores():
    panel = EvaluationPanel(many(EVIL))
    data, _ = panel._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "data:image/png;base64," in data["text/html"]
    assert "<img src=x" not in data["text/html"]
    assert "nex-9" in data["text/html"]
    panel.close()
    assert "data:image/png;base64," in panel._repr_mimebundle_()["text/html"]


SCRIPT = """
const flow = el.querySelector(".dmod-ev-flow");
const select = el.querySelector("select");
const press = (key) => flow.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const found = { options: [...select.options].map((one) => one.textContent), drawn: flow.dataset.drawn };
found.markup = el.querySelector("h1 img") !== null;
found.title = el.querySelector("h1").textContent;
el.querySelectorAll(".dmod-ev th button")[2].click();
found.chosen = sent.splice(0);
found.busy = el.querySelector(".dmod-ev").getAttribute("aria-busy");
arrive({ series: { ...model.get("series"), place: 2 } });
await drawn();
found.came = [el.querySelector(".dmod-ev").getAttribute("aria-busy"), flow.dataset.drawn];
found.caption = el.querySelector("caption").textContent;
arrive({ selected: "nex-5" });
found.value = select.value;
arrive({ series: { ...model.get("series"), place: 4 } });
await drawn();
press("+");
press("+");
await pause(400);
found.window = sent.splice(0);
arrive({ window: [] });
await drawn();
found.whole = flow.dataset.drawn;
el.querySelector(".dmod-ev-log").click();
found.log = sent.splice(0);
arrive({ log: false });
found.pressed = el.querySelector(".dmod-ev-log").getAttribute("aria-pressed");
await end();
found.left = listening();
return found;
"""


def test_a_browser_chooses_places_and_python_sends_them(tmp_path):
    panel = EvaluationPanel(Evaluation(gaged().scores, gaged().pairs, EVIL))
    found = opened(tmp_path, panel, SCRIPT)
    assert found["options"][:2] == ["01 (nex-1)", "02 (nex-2)"]
    assert found["drawn"] == found["whole"] == "0,240"
    assert (found["markup"], found["title"]) == (False, EVIL)
    assert found["chosen"] == [{"set": {"selected": "nex-3"}}]
    assert found["busy"] == "true"
    assert found["came"] == ["false", "0,240"]
    assert found["caption"] == "Scores at 03 (nex-3)"
    assert found["value"] == "4"
    (moved,) = found["window"]
    first, last = moved["set"]["window"]
    hours = (last - first) / 3_600_000
    assert hours == pytest.approx(239 * 0.36, rel=1e-3)
    assert found["log"] == [{"set": {"log": True}}]
    assert found["pressed"] == "false"
    assert found["left"] == 0


def test_a_browser_draws_finer_series_where_they_reach(million, tmp_path):
    million.show("1995-01-01", "1995-03-01")
    finer = [million.window[0], million.window[1]]
    script = """
    const flow = el.querySelector(".dmod-ev-flow");
    const found = { first: [flow.dataset.finer, flow.dataset.drawn] };
    arrive({ window: given.more.map((t) => t + 1e11) });
    await drawn();
    found.outside = flow.dataset.finer;
    arrive({ window: given.more });
    await drawn();
    found.again = flow.dataset.finer;
    const times = [];
    for (let n = 0; n < 15; n++) {
      const began = performance.now();
      arrive({ window: given.more.map((t) => t + 1e9 * n) });
      await drawn();
      times.push(performance.now() - began);
    }
    return { ...found, took: times.sort((a, b) => a - b)[7] };
    """
    found = opened(tmp_path, million, script, more=finer)
    million.show()
    assert found["first"][0] == "true"
    first, last = map(int, found["first"][1].split(","))
    assert last - first == 59 * 96 + 1
    assert (found["outside"], found["again"]) == ("false", "true")
    assert found["took"] < 100


def test_a_dark_theme_is_that_of_the_notebook(tmp_path):
    script = """
    const style = getComputedStyle(el.querySelector(".dmod-ev"));
    return [style.getPropertyValue("--run-0").trim(), style.backgroundColor];
    """
    panel = EvaluationPanel(one())
    assert opened(tmp_path, panel, script) == ["#d55e00", "rgb(255, 255, 255)"]
    assert opened(tmp_path, panel, script, dark=True) == ["#ff8c42", "rgb(17, 17, 17)"]
