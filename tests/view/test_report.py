"""The report is one page that stands alone, can be read aloud, and is written whole."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from dmod.errors import OutputError
from dmod.evaluation.evaluate import evaluate
from dmod.view.plots import hydrograph
from dmod.view.report import write_report

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
        self.text += data if self.open and self.open[-1] != "style" else ""

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def series(values):
    times = pd.date_range("2016-09-01", periods=len(values), freq="h", unit="ns")
    return xr.DataArray(np.asarray(values, float), {"time": times}, attrs={"units": "m3 s-1"})


@pytest.fixture
def write(tmp_path):
    """A function that writes a report, and gives it taken apart."""

    def make(**changed):
        arguments = {
            "title": "Mad River",
            "status": {"name": "mad", "state": "complete", "elapsed_s": 2.1, "output": "out/mad"},
            "evaluation": None,
            "figures": {},
            "facts": {},
            "next_steps": [],
        }
        path = write_report(tmp_path / "deep" / "report.html", **{**arguments, **changed})
        assert [file.name for file in path.parent.iterdir()] == ["report.html"]
        return Page(path.read_text(encoding="utf-8"))

    return make


def test_a_bare_run_has_a_report(write):
    page = write()
    assert [tag for tag, _ in page.tags if tag.startswith("h") and tag[1:].isdigit()] == ["h1", "h2"]
    assert "complete" in page.text
    assert "out/mad" in page.text
    assert "2.1 s" in page.text


def test_scores_are_shown_with_units_and_what_is_perfect(write):
    page = write(evaluation=evaluate(series([1.1, 2.2, 3.3]), series([1, 2, 3]), name="nex-1 against 01073000"))
    assert "nex-1 against 01073000" in page.text
    assert "+10.0 %" in page.text
    assert "PBIAS, perfect is 0" in page.text
    assert "Kling-Gupta efficiency" in page.text


def test_scores_at_several_places_are_a_table_with_headers_and_a_median(write):
    both = xr.concat([series([1, 2, 3]), series([2, 2, 5])], pd.Index(["nex-1", "nex-2"], name="nexus-id"))
    obs = xr.concat([series([1, 2, 3])] * 2, pd.Index(["nex-1", "nex-2"], name="site"))
    page = write(evaluation=evaluate(both, obs, ["pbias"]))
    assert [head["scope"] for head in page.all("th")][:3] == ["col", "col", "col"]
    assert "median+25.0 %3" in page.text
    assert "nex-2+50.0 %3" in page.text


def test_figures_are_inside_the_page_and_have_a_text(write):
    found = evaluate(series([1, 2, 3]), series([1, 2, 4]), name="Mad River")
    page = write(figures={"Flow at the gage": hydrograph(found)})
    (image,) = page.all("img")
    assert image["src"].startswith("data:image/svg+xml;base64,")
    assert image["alt"].startswith("Hydrograph, Mad River: observed and simulated")
    assert "Flow at the gage" in page.text


def test_a_drawing_that_is_too_large_becomes_dots(write, monkeypatch):
    monkeypatch.setattr("dmod.view.report._LARGEST_SVG", 10)
    page = write(figures={"Flow": hydrograph(evaluate(series([1, 2, 3]), series([1, 2, 4])))})
    assert page.all("img")[0]["src"].startswith("data:image/png;base64,iVBOR")


def test_the_page_asks_for_nothing_outside(write):
    page = write(figures={"Flow": hydrograph(evaluate(series([1, 2, 3]), series([1, 2, 4])))})
    assert not page.all("script")
    assert not page.all("link")
    assert all(image["src"].startswith("data:") for image in page.all("img"))


def test_a_failure_is_told(write):
    page = write(status={"state": "failed", "fraction": 0.43, "message": "ForcingError: <no> rain\n  -> derive it"})
    assert "failed at 43 %" in page.text
    assert "ForcingError: <no> rain\n  -> derive it" in page.text


def test_all_text_is_escaped_and_backticks_are_code(write):
    page = write(title="a <b> & c", facts={"<i>": "`x < 1`"}, next_steps=["run `dmod check <dir>` first"])
    assert not [tag for tag, _ in page.tags if tag in {"b", "i", "dir"}]
    assert len(page.all("code")) == 2
    assert "dmod check <dir>" in page.text


def test_facts_of_the_caller_come_first_and_replace_those_of_the_status(write):
    page = write(facts={"domain": "3 catchments", "elapsed": "two seconds"})
    assert page.text.index("3 catchments") < page.text.index("two seconds")
    assert "2.1 s" not in page.text


def test_a_report_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        write_report(
            tmp_path / "file" / "report.html",
            title="x",
            status={},
            evaluation=None,
            figures={},
            facts={},
            next_steps=[],
        )
