"""The interactive map: what travels to the browser, and what the browser makes of it."""

from __future__ import annotations

import base64
import html
import json
import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from domain_fake import FakeDomain, chessboard

pytest.importorskip("anywidget")

from dmod.errors import InputError, OutputError, SelectionError
from dmod.view import domain_explore, domain_map
from dmod.view.domain_explore import explore, pack

WIDGETS = Path(__file__).parents[2] / "jupyter_ext" / "widgets"


def unpacked(scene):
    arrays = {}
    for name, (kind, first, count) in scene.about["layout"].items():
        arrays[name] = np.frombuffer(scene.arrays, np.dtype(kind).newbyteorder("<"), count, first)
    return arrays


@pytest.fixture
def node(tmp_path):
    """Runs an expression in the front end's module and gives its value."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed")
    module = tmp_path / "map.mjs"
    module.write_text((WIDGETS / "domain-map.js").read_text())

    def run(expression, **given):
        code = f"import * as map from {json.dumps(module.as_uri())}; const given = {json.dumps(given)};"
        code += f"console.log(JSON.stringify({expression}));"
        ran = subprocess.run(
            [found, "--input-type=module", "-"], input=code, capture_output=True, text=True, check=False, timeout=60
        )
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    return run


@pytest.fixture
def basin(data):
    path = data / "hydrofabric/v2.2/gage-10109001_subset.gpkg"
    return FakeDomain.open(path, {"10109001": ("cat-2861391", "nex-2861392")})


def test_outlines_are_to_scale_and_small(basin):
    scene = pack(basin)
    arrays = unpacked(scene)
    assert scene.about["ids"] == basin.tables["divides"].index.to_list()
    assert len(scene.arrays) < 100_000
    points, ring = arrays["points"].reshape(-1, 2).astype(float), arrays["part_start"]
    unit_km = scene.about["unit_m"] / 1e3
    area = []
    for first, last in pairwise(ring):
        x, y = points[first:last].T
        area.append(abs((x[:-1] * y[1:] - x[1:] * y[:-1]).sum()) / 2 * unit_km**2)
    np.testing.assert_allclose(area, basin.tables["divides"]["areasqkm"], rtol=3e-3)
    assert scene.about["gages"][0][:2] == ["10109001", scene.about["ids"].index("cat-2861391")]


def test_catchments_that_are_not_shown_are_told_and_bridged():
    scene = pack(chessboard(10), most=25)
    arrays = unpacked(scene)
    assert len(scene.about["ids"]) == 25
    assert "25 of 100 catchments are shown" in scene.about["message"]
    # All drain to the south-west corner, which is shown.
    assert (arrays["downstream"] < 0).sum() == 1
    assert scene.about["ids"][int(np.argmin(arrays["downstream"]))] == "cat-1"


def test_outlines_get_coarser_until_they_are_small_enough(monkeypatch, basin):
    monkeypatch.setattr(domain_explore, "SHAPES_BYTES", 40_000)
    scene = pack(basin)
    assert len(unpacked(scene)["points"]) * 2 <= 40_000
    assert scene.about["unit_m"] > pack_unit(monkeypatch, basin)


def pack_unit(monkeypatch, basin):
    monkeypatch.setattr(domain_explore, "SHAPES_BYTES", 2_600_000)
    return pack(basin).about["unit_m"]


def test_steps_beyond_what_a_browser_takes_are_thinned_and_told(monkeypatch):
    monkeypatch.setattr(domain_explore, "VALUES_BYTES", 4 * 4 * 10)
    board = chessboard(2)
    table = pd.DataFrame(np.arange(400.0).reshape(4, 100), index=board.tables["divides"].index)
    scene = pack(board, values=table)
    values = unpacked(scene)["values"].reshape(-1, 4)
    np.testing.assert_array_equal(values, table.to_numpy().T[::10])
    assert scene.about["steps"][:2] == ["0", "10"]
    assert "every 10th of 100 steps" in scene.about["message"]


def test_a_map_without_nexuses_orders_and_areas_is_a_map():
    board = chessboard(3)
    board.tables["nexus"] = board.tables["nexus"].iloc[:0]
    board.tables["flowpaths"] = board.tables["flowpaths"].drop(columns="order")
    board.tables["divides"] = board.tables["divides"].drop(columns="areasqkm")
    arrays = unpacked(pack(board))
    assert (arrays["downstream"] == -1).all()
    assert np.isnan(arrays["area"]).all()


def test_nothing_to_show_is_told():
    board = chessboard(2)
    with pytest.raises(InputError, match="one catchment at least"):
        explore(board, most=0)
    board.tables["divides"] = board.tables["divides"].iloc[:0]
    with pytest.raises(SelectionError, match="no catchment"):
        explore(board)


def test_the_widget_carries_the_front_end_and_the_selection():
    widget = explore(chessboard(3), column="areasqkm")
    widget.selected = ["cat-2"]
    state = widget.get_state()
    assert "export default { render }" in state["_esm"]
    assert ".dmod-map" in state["_css"]
    assert state["selected"] == ["cat-2"]
    assert state["scene"]["paint"]["label"] == "area [km²]"


def test_a_page_needs_nothing_around_it(tmp_path):
    widget = explore(chessboard(3), partition={"cat-1": 0, "cat-2": 1})
    page = widget.to_html(tmp_path / "map.html")
    assert (tmp_path / "map.html").read_text() == page
    assert not re.search(r"https?:|@import|<link|\ssrc=", page)
    arrays = re.search(r'id="arrays">([^<]*)<', page)[1]
    assert base64.b64decode(arrays) == widget.arrays


def test_a_page_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        explore(chessboard(2)).to_html(tmp_path / "file" / "map.html")


EVIL = '</script><script>alert("1")</script><!--'


def evil_board():
    board = chessboard(2, name=EVIL)
    board.gages = {EVIL: ("cat-1", "tnx-1")}
    renamed = {"cat-1": EVIL}
    board.tables["divides"] = board.tables["divides"].rename(index=renamed)
    return board


def test_names_cannot_break_out_of_a_page_or_a_notebook():
    widget = explore(evil_board(), partition={EVIL: EVIL})
    page = widget.to_html()
    assert page.count("<script") == page.count("</script>") == 3
    assert "<!--" not in page
    assert json.loads(re.search(r'id="state">([^<]*)<', page)[1])["scene"]["ids"][0] == EVIL
    still = widget._repr_mimebundle_()[0]["text/html"]
    assert "<script" not in still


def test_a_saved_notebook_keeps_a_picture_and_the_map_while_it_is_small(monkeypatch):
    widget = explore(chessboard(3))
    data, _ = widget._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    image = re.search(r'src="data:image/svg\+xml;base64,([^"]*)"', data["text/html"])[1]
    assert base64.b64decode(image).startswith(b"<svg")
    assert html.unescape(re.search(r'srcdoc="([^"]*)"', data["text/html"])[1]) == widget.to_html()
    monkeypatch.setattr(domain_map, "CARRIED_BYTES", 1_000)
    assert "srcdoc" not in widget._repr_mimebundle_()[0]["text/html"]


def test_the_front_end_writes_text_only_and_asks_no_other_host():
    script, style = ((WIDGETS / f"domain-map.{kind}").read_text() for kind in ("js", "css"))
    assert "innerHTML" not in script
    assert "</" not in script
    assert "<!--" not in script
    assert "</" not in style
    assert not re.search(r"https?:|@import|url\(|fetch\(", script + style)


def test_the_browser_unpacks_what_was_packed_wherever_the_bytes_begin(node):
    scene = pack(chessboard(2), column="areasqkm")
    wrapped = list(b"\0\0\0" + scene.arrays)
    given = {"layout": scene.about["layout"], "wrapped": wrapped}
    code = "Object.fromEntries(Object.entries(map.unpack(given.layout, new DataView(Uint8Array.from(given.wrapped)"
    code += ".buffer, 3))).map(([name, array]) => [name, [...array]]))"
    assert node(code, **given) == {name: array.tolist() for name, array in unpacked(scene).items()}


def test_the_browser_finds_each_catchment_where_it_is(node, basin):
    scene = pack(basin)
    arrays = {name: array.tolist() for name, array in unpacked(scene).items() if name != "area"}
    inside = basin.tables["divides"].geometry.representative_point()
    west, south, east, north = basin.bounds
    step = scene.about["unit_m"]
    spots = np.stack([inside.x - (west + east) / 2, inside.y - (south + north) / 2], axis=1) / step
    code = "given.spots.map(([x, y]) => map.hit(given.arrays, map.boxesOf(given.arrays), x, y))"
    assert node(code, arrays=arrays, spots=[*spots.tolist(), [-9e3, 9e3]]) == [*range(88), -1]


def test_a_hole_is_outside(node):
    rings = {"points": [0, 0, 9, 0, 9, 9, 0, 9, 0, 0, 3, 3, 6, 3, 6, 6, 3, 6, 3, 3], "part_start": [0, 5, 10]}
    code = "[[1, 1], [4, 4], [7, 4], [10, 4]].map(([x, y]) => map.contains(given, 0, x, y))"
    assert node(code, **rings, feature_start=[0, 2]) == [True, False, True, False]


def test_the_browser_walks_upstream_and_not_in_circles(node):
    code = "[[0], [3], [6], [5, 1]].map((from) => [...map.upstream(given.down, from)])"
    assert node(code, down=[-1, 0, 1, 0, 3, -1, 7, 6]) == [
        [1, 1, 1, 1, 1, 0, 0, 0],
        [0, 0, 0, 1, 1, 0, 0, 0],
        [0, 0, 0, 0, 0, 0, 1, 1],
        [0, 1, 1, 0, 0, 1, 0, 0],
    ]


def test_zooming_keeps_the_place_under_the_pointer(node):
    code = """(() => {
      const view = map.fit([-100, -50, 100, 50], 600, 400);
      const nearer = map.zoomed(view, 600, 400, 50, 300, 2);
      return [map.toMap(view, 600, 400, 50, 300), map.toMap(nearer, 600, 400, 50, 300), nearer.scale / view.scale,
              map.toScreen(view, 600, 400, -100, 50)];
    })()"""
    before, after, factor, corner = node(code)
    assert after == pytest.approx(before)
    assert factor == pytest.approx(2)
    # 6 % of margin to the left; north is up.
    assert corner == pytest.approx([36, 68])


def test_colours_scale_and_figures(node):
    ramp = "[0, 5, 7.5, 10, 99].map((value) => map.onRamp([[0, 0, 0], [100, 100, 100], [200, 0, 0]], 0, 10, value))"
    assert node(ramp) == [[0, 0, 0], [100, 100, 100], [150, 50, 50], [200, 0, 0], [200, 0, 0]]
    assert node("map.onRamp([[1, 1, 1], [2, 2, 2]], 3, 3, 3)") == [1, 1, 1]
    assert node("[map.scaleBar(10, 99), map.scaleBar(100, 70)]") == [
        {"pixels": 50, "text": "500 m"},
        {"pixels": 50, "text": "5 km"},
    ]
    assert node("[0, 1.23456, 123456789, 0.00001, NaN, -2].map(map.figure)") == [
        "0", "1.235", "1.23e+8", "1.00e-5", "no value", "-2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "place"),
    [("01073000", 1), ("USGS-01073000", 1), ("gages-01073000 ", 1), ("CAT-7", 0), ("8", 1), ("cat-70", -1), (" ", -1)],
)
def test_a_gage_or_catchment_is_found_in_any_spelling(node, text, place):
    assert node("map.find(given.text, [['01073000', 1]], ['cat-7', 'cat-8'])", text=text) == place
