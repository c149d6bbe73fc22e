"""The report of an evaluation is one page that stands alone and says what was compared, how, and what was not."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import xarray as xr
from evaluation_made import many, one

from dmod.errors import InputError, OutputError
from dmod.evaluation.evaluate import evaluate
from dmod.evaluation.evaluation import Evaluation
from dmod.evaluation.scores import Scheme
from dmod.view.evaluation_report import _SORT, report

VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """A page taken apart: tags with attributes, and all text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text = [], [], ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += f"{data}\n" if self.open and self.open[-1] not in {"style", "script"} else ""

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def waves(places, offset=0.0):
    times = np.datetime64("2016-09-01", "ns") + np.arange(200) * np.timedelta64(1, "h")
    values = [[2 + offset + np.sin(t / 9 + n) for t in range(200)] for n in range(len(places))]
    return xr.DataArray(values, {"nexus-id": places, "time": times}, ("nexus-id", "time"), attrs={"units": "m3 s-1"})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The page of a real evaluation of three places and one that is left out."""
    sim, obs = waves(["nex-1", "nex-2", "nex-3"], 0.1), waves(["nex-1", "nex-2", "nex-3", "nex-9"]).copy()
    obs[1] = 2.0
    scheme = Scheme({"kge": 2, "pod": 1})
    found = evaluate(
        sim, obs, ["kge", "pbias", "pod"], thresholds={"flood": "2.5 m3 s-1"}, scheme=scheme, name="Mad <River>"
    )
    path = found.report(tmp_path_factory.mktemp("report") / "page.html")
    assert [file.name for file in path.parent.iterdir()] == ["page.html"]
    text = path.read_text(encoding="utf-8")
    return found, text, Page(text)


def test_it_says_what_was_compared_and_what_was_not(whole):
    found, _, page = whole
    assert found.left_out
    for told in ("Mad <River>", "2016-09-01T00:00Z", "nex-9", *found.left_out.values(), *found.notes):
        assert told in page.text


def test_every_score_of_every_place_is_in_the_table_with_its_value(whole):
    found, _, page = whole
    values = [attrs["data-value"] for attrs in page.all("td") if "data-value" in attrs]
    kge = float(found.scores["kge"].sel({"nexus-id": "nex-1"}))
    assert repr(kge) in values
    assert "" in values
    heads = [attrs for attrs in page.all("th") if attrs.get("aria-sort")]
    assert len(heads) == 5
    assert {attrs["scope"] for attrs in heads} == {"col"}


def test_undefined_values_have_their_reasons(whole):
    found, _, page = whole
    assert len(found.undefined)
    for reason in found.undefined["reason"].unique():
        assert reason in page.text
    assert "What has no value" in page.text


def test_thresholds_rules_and_versions_are_told(whole):
    _, _, page = whole
    for told in ("flood", "flow [m³ s⁻¹]", "versions: numpy", "pairing: ", "What the grade is made of"):
        assert told in page.text


def test_figures_are_inside_and_have_texts(whole):
    _, _, page = whole
    images = page.all("img")
    assert len(images) >= 6
    assert all(image["src"].startswith("data:image/") and len(image["alt"]) > 30 for image in images)
    assert len(page.all("figcaption")) == len(images)


def test_the_page_asks_for_nothing_outside_and_headings_are_in_order(whole):
    _, text, page = whole
    assert not page.all("link")
    assert not re.search(r"(src|href)=[\"']?https?:|@import|url\(", re.sub(r"data:[^\"]+", "", text))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert set(levels[1:]) == {2}
    labels = [attrs["aria-labelledby"] for attrs in page.all("section")]
    ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    assert set(labels) <= ids


def test_one_place_and_several_runs_have_a_page_too(tmp_path):
    found = one(thresholds={"action": 2.5, "never": 90.0})
    path = report(found, tmp_path / "one.html", one("other"), title="Two runs")
    page = Page(path.read_text(encoding="utf-8"))
    assert "Two runs" in page.text
    assert "How often a flow is exceeded" in page.text
    assert "other" in page.text


def test_a_figure_that_cannot_be_drawn_is_told_of(tmp_path):
    path = report(many(kge=[np.nan, np.nan]), tmp_path / "none.html")
    assert "Not drawn: Scores over all places: KGE is defined at no place" in Page(path.read_text()).text


def test_text_is_escaped(tmp_path):
    found = many()
    found = Evaluation(found.scores.isel({"nexus-id": [0]}), found.pairs.isel({"nexus-id": [0]}), "one of them")
    odd = Evaluation(found.scores, found.pairs, "a <script>alert(1)</script>", ("note <b>",), None, {"<i>": "why <u>"},
                     {"metrics": ["<em>"]})  # fmt: skip
    page = Page(report(odd, tmp_path / "odd.html").read_text(encoding="utf-8"))
    assert len(page.all("script")) == 1
    assert not [tag for tag, _ in page.tags if tag in {"b", "i", "u", "em"} and tag != "b"]


def test_a_report_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="no such directory"):
        report(one(), tmp_path / "file" / "page.html")
    (tmp_path / "page.html").mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        report(one(), tmp_path / "page.html")


def test_a_click_sorts_by_value_and_leaves_what_is_missing_last(tmp_path):
    """The page's own script, in a browser, or in node with as much of a page as it asks for."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed")
    page = """
    const cell = (text, value) => ({ textContent: text, dataset: value === undefined ? {} : { value } });
    const rows = [["b", "10.5"], ["a", ""], ["c", "-2"], ["d", "9"]]
      .map(([n, v]) => ({ cells: [cell(n), cell(v, v)] }));
    const head = () => { const at = { "aria-sort": "none" }; let act; return { getAttribute: (n) => at[n],
      setAttribute: (n, v) => { at[n] = v; }, querySelector: () => ({ addEventListener: (_, f) => { act = f; } }),
      click: () => act() }; };
    const heads = [head(), head()];
    const body = { rows, append: (...sorted) => { body.rows = sorted; } };
    const document = { querySelectorAll: () => [{ tHead: { rows: [{ cells: heads }] }, tBodies: [body] }] };
    """
    told = "const names = () => body.rows.map((row) => row.cells[0].textContent).join('');const seen = [];"
    clicks = "for (const n of [1, 1, 0]) { heads[n].click(); seen.push(names()); } console.log(JSON.stringify(seen));"
    ran = subprocess.run(
        [found, "-e", page + _SORT + told + clicks], capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == ["cdba", "bdca", "abcd"]


def test_intervals_stand_beside_the_scores(tmp_path):
    found = one()
    scores = found.scores.assign(
        kge_low=found.scores["kge"].copy(data=0.71).assign_attrs(level=0.9),
        kge_high=found.scores["kge"].copy(data=0.83),
    )
    text = report(replace(found, scores=scores), tmp_path / "page.html").read_text(encoding="utf-8")
    assert "[0.71, 0.83]" in text or "[0.710, 0.830]" in text
    assert "the interval of 90% confidence" in text
