"""The interactive view: what travels to the browser, and what the browser makes of it."""

from __future__ import annotations

import base64
import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from evaluation_made import many, one, wave
from requiring import cannot

from dmod.errors import OutputError, SelectionError, UnitsError
from dmod.view.evaluation_axes import decimate
from dmod.view.evaluation_explore import explore
from dmod.view.evaluation_scene import thinned

WIDGETS = Path(__file__).parents[2] / "jupyter_ext" / "widgets"


def arrays_of(scene):
    return {
        name: np.frombuffer(scene.arrays, np.dtype(kind).newbyteorder("<"), count, first)
        for name, (kind, first, count) in scene.about["layout"].items()
    }


def longest(n=1_000_000):
    """An evaluation of *n* instants with one high and one low value."""
    values = 2 + np.sin(np.arange(n) / 500)
    values[654_321 % n], values[123_456 % n] = 99.0, 0.001
    return one("long", obs=values, sim=0.5 * values)


@pytest.fixture
def node(tmp_path):
    """Runs an expression in the front end's module and gives its value."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed")
    module = tmp_path / "evaluation.mjs"
    module.write_text((WIDGETS / "evaluation.js").read_text())

    def run(expression, **given):
        code = f"import * as view from {json.dumps(module.as_uri())}; const given = {json.dumps(given)};"
        code += f"console.log(JSON.stringify({expression}));"
        ran = subprocess.run(
            [found, "--input-type=module", "-"], input=code, capture_output=True, text=True, check=False, timeout=60
        )
        assert ran.returncode == 0, ran.stderr
        return json.loads(ran.stdout)

    return run


@pytest.fixture
def browser(tmp_path):
    """Opens a page in a real browser, with a script at its end, and gives the page as it is afterwards."""
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )
    if found is None:
        cannot("no Chromium is installed")

    def run(page, script):
        path = tmp_path / "page.html"
        path.write_text(page.replace("</body>", f"<script type='module'>{script}</script></body>"))
        ran = subprocess.run(
            [found, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
             "--window-size=1000,800", "--virtual-time-budget=20000", "--dump-dom", path.as_uri()],
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        if ran.returncode != 0 or "<html" not in ran.stdout:
            cannot(f"Chromium does not run here: {ran.stderr.strip().splitlines()[-1:]}")
        return ran.stdout

    return run


def test_series_travel_as_they_are():
    found = one(thresholds={"action": 2.5})
    scene = explore(found).scene()
    arrays, (place,) = arrays_of(scene), scene.about["places"]
    np.testing.assert_array_equal(arrays[place["obs"]], wave().astype("f4"))
    np.testing.assert_array_equal(arrays[place["sims"][0]], (1.1 * wave()).astype("f4"))
    start = 1_472_688_000_000  # 2016-09-01T00:00Z
    assert place["clock"] == {"start": start, "step": 3_600_000.0, "count": 240}
    assert place["thresholds"] == [("action", 2.5)]
    assert scene.about["flow"] == "discharge [m³ s⁻¹]"
    assert [cell[0] for cell in place["scores"][0]] == ["0.800", "+10.0 %"]


def test_times_that_are_not_regular_travel_one_by_one():
    found = one()
    found = type(found)(found.scores, found.pairs.isel(time=[0, 1, 2, 5, 9]), "gaps")
    scene = explore(found).scene()
    clock = scene.about["places"][0]["clock"]
    assert arrays_of(scene)[clock["at"]].tolist() == [0, 1, 2, 5, 9]
    assert clock["unit"] == 3_600_000


def test_runs_with_other_instants_are_drawn_over_all_of_them():
    late = one("late")
    late = type(late)(late.scores, late.pairs.assign_coords(time=late.pairs["time"] + np.timedelta64(5, "D")), "late")
    scene = explore(one(), late).scene()
    arrays, place = arrays_of(scene), scene.about["places"][0]
    first, second = (arrays[name] for name in place["sims"])
    assert len(first) == len(second) == 360
    assert np.isnan(second[:120]).all()
    assert np.isfinite(first[:240]).all()
    assert np.isfinite(arrays[place["obs"]]).all()


def test_a_page_holds_a_million_instants_and_a_notebook_their_extremes(tmp_path):
    view = explore(longest())
    path = view.save(tmp_path / "deep" / "long.html")
    assert 10_000_000 < path.stat().st_size < 12_000_000
    assert [file.name for file in path.parent.iterdir()] == ["long.html"]
    shown = view._repr_html_()
    assert len(shown) < 3_000_000
    thin = view.scene(1_900_000)
    obs = arrays_of(thin)["0.obs"]
    assert (obs.max(), obs.min()) == (np.float32(99.0), np.float32(0.001))
    assert "lowest and highest of each stretch" in thin.about["notes"][0]
    assert thin.about["places"][0]["clock"]["count"] == len(obs) > 50_000


@pytest.mark.parametrize("most", [40, 1_000])
def test_thinning_keeps_peaks_of_every_series(most):
    rng = np.random.default_rng(5)
    series = [rng.normal(size=50_001) for _ in range(3)]
    series[1][40_000:] = np.nan
    series[2][31_415] = 77.0
    keep = thinned(series, most)
    assert len(keep) <= most + 8
    assert {0, 31_415, 50_000} <= set(keep.tolist())
    for values in series:
        assert np.nanmax(values[keep]) == np.nanmax(values)
        assert np.nanmin(values[keep]) == np.nanmin(values)
    times = np.datetime64("2000-01-01", "ns") + np.arange(50_001) * np.timedelta64(1, "h")
    assert 77.0 in decimate(times, series[2])[1]


def test_places_are_chosen_from_and_those_without_room_are_counted():
    view = explore(many())
    assert [place["label"] for place in view.scene().about["places"]] == [f"nex-{n}" for n in range(1, 10)]
    assert explore(many(), place="nex-2").scene().about["places"][0]["label"] == "nex-2"
    small = view.scene(40_000)
    assert small.about["notes"][0] == "2 of 9 places are here"


def test_rain_falls_where_it_was():
    fallen = xr.DataArray(
        [0.0, 5.0], {"time": np.array(["2016-09-01", "2016-09-02"], "M8[ns]")}, attrs={"units": "mm h-1"}
    )
    scene = explore(one(), rain=fallen).scene()
    rain = arrays_of(scene)["0.rain"]
    assert rain[:25].tolist() == [0.0] * 24 + [5.0]
    assert np.isnan(rain[25:]).all()


def test_what_cannot_be_shown_is_told_at_once():
    with pytest.raises(SelectionError, match="did you mean place='nex-1'"):
        explore(many(), place="nex-11")
    with pytest.raises(UnitsError, match="other units"):
        explore(one(), one(units="ft3 s-1"))
    with pytest.raises(SelectionError, match="nothing to draw"):
        explore(one(obs=np.full(240, np.nan)))


def test_a_page_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        explore(one()).save(tmp_path / "file" / "page.html")


def test_a_notebook_gets_a_picture_and_over_it_the_page_and_nothing_from_outside():
    shown = explore(one("<b>Mad</b> & River"))._repr_html_()
    assert "<b>" not in shown
    page = html.unescape(re.search(r'srcdoc="([^"]+)"', shown)[1])
    assert page.startswith("<!doctype html>")
    assert not re.search(r"(src|href)=[\"']?https?:|@import|url\(|fetch\(|import ", page)
    still = base64.b64decode(re.search(r"svg\+xml;base64,([^\"]+)", shown)[1]).decode()
    assert still.count("<polyline") == 2
    assert 'sandbox="allow-scripts"' in shown
    assert "Left and right arrows pan" in shown


def test_extremes_are_those_of_any_stretch(node):
    rng = np.random.default_rng(8)
    values = np.round(rng.normal(size=1_000), 3)
    values[200:300] = np.nan
    stretches = [[0, 1000], [3, 4], [200, 300], [150, 777], [5, 5], [199, 301], [0, 999], [63, 65]]
    given = [None if np.isnan(v) else v for v in values.tolist()]
    found = node(
        "(() => { const t = view.pyramid(Float32Array.from(given.values, (v) => v ?? NaN));"
        " return given.stretches.map(([a, b]) => view.extremes(t, a, b)); })()",
        values=given, stretches=stretches,
    )  # fmt: skip
    for (first, last), (low, high) in zip(stretches, found, strict=True):
        inside = values[first:last][np.isfinite(values[first:last])]
        if inside.size:
            assert (low, high) == (pytest.approx(inside.min(), rel=1e-6), pytest.approx(inside.max(), rel=1e-6))
        else:
            assert low is None


def test_a_million_values_are_drawn_in_a_few_milliseconds(node):
    """A frame has 16 ms; the pyramid makes a line cost as much as the picture is wide."""
    spent = node(
        "(() => { const v = Float32Array.from({ length: 1e6 }, (_, i) => Math.sin(i)); const t = view.pyramid(v);"
        " const e = Int32Array.from({ length: 1201 }, (_, i) => Math.floor((i * 1e6) / 1200));"
        " const times = []; for (let k = 0; k < 15; k++) { const a = performance.now(); view.envelope(t, e);"
        " times.push(performance.now() - a); } return times.sort((a, b) => a - b)[7]; })()"
    )
    assert spent < 16


def test_times_are_found_in_either_kind_of_clock(node):
    regular = {"start": 1000, "step": 10, "count": 5}
    single = {"start": 1000, "unit": 10, "step": 10, "count": 5, "at": [0, 1, 2, 7, 9]}
    for clock, expected in ((regular, [0, 0, 1, 5]), (single, [0, 0, 1, 3])):
        found = node("given.t.map((t) => view.indexAt(given.clock, t))", clock=clock, t=[0, 1000, 1001, 1050])
        assert found == expected
    assert node("view.timeAt(given.clock, 3)", clock=single) == 1070


def test_windows_stay_within_the_period(node):
    assert node("view.zoomed([0, 100], 0.5, 25, [0, 100], 1)") == [12.5, 62.5]
    assert node("view.zoomed([0, 100], 3, 50, [0, 100], 1)") == [0, 100]
    assert node("view.within([-30, 20], [0, 100])") == [0, 50]
    assert node("view.within([90, 140], [0, 100])") == [50, 100]


def test_axes_have_round_marks(node):
    assert node("view.marks(0, 16.2, 4)") == [0, 5, 10, 15]
    assert node("view.logMarks(0.4, 30)") == [0.5, 1, 2, 5, 10, 20]
    september, hour = 1_472_688_000_000, 3_600_000
    assert [text for _, text in node("view.timeMarks(given.a, given.b, 4)", a=september, b=september + 12 * hour)] == [
        "Sep", "03:00", "06:00", "09:00", "12:00",
    ]  # fmt: skip
    years = node("view.timeMarks(given.a, given.b, 5)", a=september, b=september + 24 * 365 * 5 * hour)
    assert [text for _, text in years] == ["2017", "2018", "2019", "2020", "2021"]
    assert node("[NaN, -0.25, 12345.6, 0.00001].map(view.numberText)") == ["–", "−0.25", "12350", "1.0e−5"]


def test_a_browser_draws_it_and_the_keyboard_moves_it(browser):
    script = """
    const canvas = document.querySelector(".dmod-ev-flow");
    const frame = () => globalThis.dmodEvaluation.draw();
    frame();
    const out = document.createElement("output");
    const seen = [canvas.dataset.drawn];
    for (const key of ["+", "ArrowRight", "0", "l"]) {
      canvas.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
      frame();
      seen.push(canvas.dataset.drawn);
    }
    const pen = canvas.getContext("2d");
    const colours = new Set();
    const pixels = pen.getImageData(0, 0, canvas.width, canvas.height).data;
    for (let i = 0; i < pixels.length; i += 4) if (pixels[i + 3] > 250) colours.add(pixels.slice(i, i + 3).join());
    document.querySelectorAll(".dmod-ev th button")[2].click();
    frame();
    out.id = "result";
    out.textContent = JSON.stringify({ seen, colours: [...colours], log: globalThis.dmodEvaluation.state.log,
      place: globalThis.dmodEvaluation.state.place, caption: document.querySelector("caption").textContent });
    document.body.append(out);
    """
    page = browser(explore(many()).to_html(), script)
    result = json.loads(html.unescape(re.search(r'<output id="result">(.*?)</output>', page, re.DOTALL)[1]))
    whole, nearer, moved, again, _ = result["seen"]
    assert whole == again == "0,240"
    first, last = map(int, nearer.split(","))
    assert 40 < first < last < 200
    assert int(moved.split(",")[0]) > first
    assert "213,94,0" in result["colours"]
    assert result["log"] is True
    assert (result["place"], result["caption"]) == (2, "Scores at nex-3")
    assert page.count("<canvas") == 4
    assert all("aria-label=" in tag for tag in re.findall(r"<canvas[^>]*>", page))
