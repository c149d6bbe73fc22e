"""What the page of evaluations says is so: its examples run, and its rules are those of the code."""

from __future__ import annotations

import inspect

import pytest
from test_docs import blocks, table, text

from dmod.evaluation.grouping import GROUPINGS
from dmod.evaluation.pairing import Pairing

PAGE = "docs/evaluate.md"


def test_the_page_of_evaluations_names_every_rule_of_pairing_and_every_grouping():
    page = text(PAGE)
    rules = " ".join(row[0] for row in table(page, "rule"))
    named = [name for name in inspect.signature(Pairing).parameters if f"{name}=" not in rules + page]
    assert named == []
    assert [name for name in GROUPINGS if f"`{name}`" not in page] == []


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """What the code of the page leaves, run from top to bottom in a home of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DMOD_HOME", str(tmp_path / "home"))
    known: dict[str, object] = {}
    for block in blocks(text(PAGE), "python"):
        exec(block, known)
    return known


def test_the_page_of_evaluations_runs(ran):
    assert 0.5 < float(ran["scores"].scores["kge"]) < 1
    assert len(ran["daily"].notes) == 2
    assert ran["several"].left_out == {"00000001": "not in the crosswalk"}
    assert float(ran["several"].scores["pbias"][0]) == pytest.approx(100 * (1 / 1.1 - 1))
    assert list(ran["floods"].thresholds["threshold"].values) == ["bankfull", "high"]
    assert ran["still"].undefined["reason"].tolist() == ["simulation never varies"]
    assert repr(ran["again"]) == repr(ran["scores"])
    assert float(ran["lazy"].compute().scores["kge"].median()) == pytest.approx(1)
