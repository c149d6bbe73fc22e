"""The map of a domain as a widget: points and metrics on it, steps of a run, and both ways of choosing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import traitlets
import xarray as xr
from domain_fake import chessboard
from evaluation_made import many
from widget_page import opened

from dmod.domain.domain import Domain
from dmod.errors import InputError, SelectionError
from dmod.view import domain_values
from dmod.view.domain_map import DomainMap


def arrays_of(widget):
    found = {}
    for name, (kind, first, count) in widget.scene["layout"].items():
        found[name] = np.frombuffer(widget.arrays, np.dtype(kind).newbyteorder("<"), count, first)
    return found


def outputs(board, steps=6):
    """Outputs of a run on a chessboard: storage n + t at the n-th catchment, flow at nexuses, and of flowpaths."""
    ids, nexuses = board.tables["divides"].index, board.tables["nexus"].index
    rivers = board.tables["flowpaths"].index
    times = pd.date_range("2016-09-01", periods=steps, freq="h", unit="ns")
    storage = np.arange(len(ids))[:, None] + np.arange(float(steps))
    return xr.Dataset(
        {
            "STORAGE": (("catchment-id", "time"), storage, {"units": "m"}),
            "nexus_flow": (("nexus-id", "time"), 10.0 * np.arange(len(nexuses))[:, None] + np.zeros(steps)),
            "routed_flow": (("flowpath-id", "time"), storage[::-1], {"units": "m3 s-1"}),
            "layers": (("catchment-id", "layer"), np.zeros((len(ids), 2))),
        },
        {"catchment-id": ids[::1], "nexus-id": nexuses, "flowpath-id": rivers[::-1], "time": times},
    )


def test_nexuses_are_where_they_are_and_below_their_catchments():
    board = chessboard(3)
    widget = DomainMap(board)
    arrays, nexuses = arrays_of(widget), widget.scene["nexuses"]
    toid = board.tables["divides"]["toid"]
    assert [nexuses[n] for n in arrays["nexus_of"]] == toid.to_list()
    west, south, east, north = board.bounds
    place = nexuses.index("nex-5")
    spot = board.tables["nexus"].geometry["nex-5"]
    drawn = arrays["nexus_points"].reshape(-1, 2)[place] * widget.scene["unit_m"]
    assert drawn == pytest.approx([spot.x - (west + east) / 2, spot.y - (south + north) / 2], abs=1.0)
    assert widget.scene["gages"][0][0] == "01"
    assert widget.scene["gages"][0][4] == "tnx-1"


def test_a_variable_of_outputs_fills_the_catchments_over_time():
    board = chessboard(3)
    widget = DomainMap(board, outputs=outputs(board), variable="STORAGE")
    values = arrays_of(widget)["values"].reshape(6, 9)
    np.testing.assert_array_equal(values[2], np.arange(9) + 2)
    assert widget.scene["paint"]["label"] == "STORAGE [m]"
    assert widget.scene["steps"][3] == "2016-09-01 03:00 UTC"


def test_flow_at_nexuses_and_of_flowpaths_is_shown_on_what_drains_there():
    board = chessboard(3)
    held = outputs(board)
    widget = DomainMap(board, outputs=held, variable="nexus_flow")
    at = board.tables["nexus"].index.get_indexer(board.tables["divides"]["toid"])
    np.testing.assert_array_equal(arrays_of(widget)["values"].reshape(6, 9)[0], 10.0 * at)
    assert widget.scene["paint"]["label"] == "nexus_flow at the nexus below"
    routed = DomainMap(board, outputs=held, variable="routed_flow")
    np.testing.assert_array_equal(arrays_of(routed)["values"].reshape(6, 9)[1], np.arange(9) + 1)


def test_more_steps_than_a_browser_takes_are_thinned_before_they_are_read(monkeypatch):
    monkeypatch.setattr(domain_values, "VALUES_BYTES", 4 * 9 * 10)
    board = chessboard(3)
    widget = DomainMap(board, outputs=outputs(board, 100), variable="STORAGE")
    assert len(widget.scene["steps"]) == 10
    assert "one of 10 steps is shown, 10 of 100" in widget.scene["message"]


@pytest.mark.parametrize(
    ("variable", "problem", "said"),
    [
        ("STORAG", SelectionError, "no variable 'STORAG'"),
        (None, InputError, "the name of one variable"),
        ("layers", None, ""),
    ],
)
def test_a_variable_that_is_not_there_is_told(variable, problem, said):
    board = chessboard(2)
    if problem is None:
        assert len(DomainMap(board, outputs=outputs(board), variable=variable).scene["steps"]) == 2
        return
    with pytest.raises(problem, match=said):
        DomainMap(board, outputs=outputs(board), variable=variable)


def test_outputs_of_another_domain_are_told():
    board = chessboard(2)
    other = outputs(board).assign_coords({"catchment-id": ["a", "b", "c", "d"]})
    with pytest.raises(SelectionError, match="none of the places"):
        DomainMap(board, outputs=other, variable="STORAGE")


def test_places_of_an_evaluation_have_the_colours_of_each_metric():
    found = many(kge=[-0.8, 0.1, np.nan, 0.9], places=["nex-1", "nex-2", "nex-4", "01"])
    widget = DomainMap(chessboard(3), evaluation=found)
    marks = widget.scene["marks"]
    assert [place[0] for place in marks["places"]] == ["nex-1", "nex-2", "nex-4", "01"]
    assert [place[4] for place in marks["places"]] == ["nex-1", "nex-2", "nex-4", "tnx-1"]
    kge, pbias = marks["metrics"]
    assert kge["texts"] == ["−0.800", "0.100", "undefined", "0.900"]
    assert kge["colours"][2] == ""
    assert kge["colours"][0] == kge["legend"][0][1] != kge["colours"][3]
    assert kge["legend"][0][0] == "below 0"
    assert pbias["title"] == "percent bias [%]"
    assert widget.metric == "kge"
    widget.metric = "pbias"
    with pytest.raises(traitlets.TraitError, match="no metric 'nse'"):
        widget.metric = "nse"
    with pytest.raises(SelectionError, match="on the map"):
        DomainMap(chessboard(3), evaluation=many(places=[f"x-{n}" for n in range(9)]))


def test_a_partition_is_taken_as_it_comes(data):
    domain = Domain.open(data / "hydrofabric/v2.2/gage-10109001_subset.gpkg")
    widget = DomainMap(domain, partition=domain.partition(4))
    assert widget.scene["paint"]["names"] == ["0", "1", "2", "3"]
    assert set(arrays_of(widget)["part"].tolist()) == {0, 1, 2, 3}
    assert len(widget.arrays) < 200_000
    assert 'src="data:image/svg+xml;base64' in widget._repr_mimebundle_()[0]["text/html"]


def test_a_large_domain_is_a_sample_and_says_so():
    widget = DomainMap(chessboard(40), most=200, evaluation=many(kge=[0.1, 0.2], places=["nex-41", "elsewhere"]))
    assert "1 place of the evaluation is not on the map" in widget.scene["message"]
    assert len(widget.scene["ids"]) == 200
    assert "200 of 1,600 catchments are shown" in widget.scene["message"]


def test_a_step_stays_among_the_steps():
    board = chessboard(2)
    widget = DomainMap(board, outputs=outputs(board), variable="STORAGE", step=99)
    assert widget.step == 5
    widget.step = -3
    assert widget.step == 0


SCRIPT = """
const canvas = el.querySelector("canvas");
const status = () => el.querySelector(".dmod-map-status").textContent;
const box = canvas.getBoundingClientRect();
const go = (name, x, y, more = {}) =>
  canvas.dispatchEvent(
    new PointerEvent(name, { clientX: box.left + x, clientY: box.top + y, button: 0, pointerId: 1, ...more }),
  );
canvas.setPointerCapture = () => {};
const click = async (x, y, more) => {
  go("pointerdown", x, y, more);
  go("pointerup", x, y, more);
  await drawn();
};
const press = (key) => canvas.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const [width, height] = [canvas.clientWidth, canvas.clientHeight];
const size = (0.88 * Math.min(width, height)) / 3;
const at = (col, row, dx = 0.25, dy = 0.25) =>
  [width / 2 + (col - 1.5 + dx) * size, height / 2 - (row - 1.5 + dy) * size];
const found = {};
await click(...at(1, 1));
found.land = sent.splice(0);
await click(...at(2, 2), { shiftKey: true });
found.more = sent.splice(0);
await click(...at(0, 0, 0.5, 0.5));
found.nexus = sent.splice(0);
found.said = status();
press("u");
found.upstream = status();
arrive({ selected: ["cat-9", "nex-2"] });
found.told = status();
press("Escape");
found.none = [sent.splice(0), status()];
const metric = el.querySelector(".dmod-map-metric");
found.metrics = [...metric.options].map((one) => one.textContent);
arrive({ metric: "pbias" });
found.legend = el.querySelectorAll(".dmod-map-legend")[1].textContent;
metric.value = "kge";
metric.dispatchEvent(new Event("change"));
found.metric = sent.splice(0);
const colours = new Set();
const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
for (let i = 0; i < pixels.length; i += 4) if (pixels[i + 3] > 250) colours.add(pixels.slice(i, i + 3).join());
found.drawn = given.more.map((colour) => colours.has(colour));
const slider = el.querySelector('[type="range"]');
slider.value = "4";
slider.dispatchEvent(new Event("input"));
found.step = [sent.splice(0), el.querySelector(".dmod-map-instant").textContent];
arrive({ step: 1 });
found.stepped = [slider.value, sent.length];
const play = [...el.querySelectorAll("button")].find((one) => one.getAttribute("aria-label") === "play");
play.click();
await pause(1000);
play.click();
found.played = Number(slider.value) !== 1 && sent.length === 1;
arrive({ scene: { ...model.get("scene"), name: "<b>again</b>" } });
await drawn();
found.again = [el.querySelectorAll("canvas").length, el.querySelector(".dmod-map").getAttribute("aria-label")];
await end();
found.left = listening();
return found;
"""


def test_a_browser_picks_land_nexuses_metrics_and_steps(tmp_path):
    board = chessboard(3)
    found = many(kge=[-0.8, 0.9], places=["nex-5", "nex-8"])
    widget = DomainMap(board, outputs=outputs(board), variable="STORAGE", evaluation=found)
    legend = widget.scene["marks"]["metrics"][0]["colours"]
    colours = [",".join(str(int(colour[n : n + 2], 16)) for n in (1, 3, 5)) for colour in legend]
    said = opened(tmp_path, widget, SCRIPT, more=colours)
    assert said["land"] == [{"set": {"selected": ["cat-5"]}}]
    assert said["more"] == [{"set": {"selected": ["cat-5", "cat-9"]}}]
    assert said["nexus"] == [{"set": {"selected": ["nex-1"]}}]
    assert said["said"] == "selected: nex-1"
    assert "9 on the map drain here" in said["upstream"] or "8 on the map drain here" in said["upstream"]
    assert said["told"].startswith("selected: 2 places, cat-9 first")
    assert said["none"] == [[{"set": {"selected": []}}], ""]
    assert said["metrics"] == ["KGE", "PBIAS"]
    assert said["legend"].startswith("percent bias [%]")
    assert said["metric"] == [{"set": {"metric": "kge"}}]
    assert said["drawn"] == [True, True]
    assert said["step"] == [[{"set": {"step": 4}}], "2016-09-01 04:00 UTC"]
    assert said["stepped"] == ["1", 0]
    assert said["played"] is True
    assert said["again"] == [1, "Map of <b>again</b>"]
    assert said["left"] == 0
