"""What the page of datasets says is so: its tables agree with the code, and its examples run."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import MappingProxyType

import pytest
from test_docs import blocks, table, text

from dmod.catalog.catalog import Catalog
from dmod.catalog.opening import opened
from dmod.data.kinds import Category, Format
from dmod.data.requirement import Derivable, Requirement, match
from dmod.formats import describe as describing
from dmod.model.formulation_named import NAMED
from dmod.plugins import Group
from dmod.prepare.rules import derive, rules

PAGE = "docs/datasets.md"


def test_the_page_of_datasets_has_the_formats_of_the_code():
    rows = [tuple(row[:3]) for row in table(text(PAGE), "format")]
    assert rows == [(one, "any" if one is Format.GENERIC else one.categories[0], one.docs) for one in Format]
    there = [tuple(row) for row in table(text(PAGE), "there")]
    told = {(name, str(one)) for one in Format for name in one.originals}
    assert {row for row in there if row[1] in [*Format]} == told


def test_the_page_of_datasets_has_the_rules_of_the_code():
    assert sorted(row[0] for row in table(text(PAGE), "rule")) == sorted(rule.name for rule in rules())


def test_the_page_of_datasets_names_every_formulation_and_every_method_of_the_catalog():
    page = text(PAGE)
    assert [name for name in NAMED if f'`"{name}"`' not in page] == []
    methods = [name for name, _ in inspect.getmembers(Catalog, inspect.isfunction) if not name.startswith("_")]
    assert [name for name in methods if f"`{name}(" not in page] == []


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """What the code of the page leaves, run from top to bottom in a home of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DMOD_HOME", str(tmp_path / "home"))
    known: dict[str, object] = {}
    for block in blocks(text(PAGE), "python"):
        exec(block, known)
    yield known
    known["session"].close()


def test_the_page_of_datasets_runs(ran, tmp_path, monkeypatch):
    assert str(ran["job"].state) == "complete"
    assert len(ran["piece"]) == 26
    assert [path.name for path in ran["copied"].iterdir()] == ["forcings.nc"]
    # The rule of the page makes what the one that comes with dmod does not.
    wanted = Requirement(
        "partitions", Category.CONFIG, (Format.PARTITIONS,),
        ran["catalog"].show("mad-river").coverage, facts={"parts": 3, "even": "area"},
    )  # fmt: skip
    (found,) = match([wanted], ran["catalog"].ledger, (*rules(), ran["EvenArea"]()))
    assert isinstance(found, Derivable)
    assert found.rule == "even-area"
    made = derive(found.offer, [Path(ran["basin"].geopackage)], tmp_path / "made", known=[ran["EvenArea"]()])
    assert len(opened(made.path, Format.PARTITIONS, {})) == 3
    # The detector of the page tells of files that dmod does not know.
    snow = tmp_path / "snow.csv"
    snow.write_text("snow day,cat-1,cat-2\n2016-01-01,0.5,0.25\n2016-01-02,0.5,0.0\n")
    plugged = Group(MappingProxyType({"snow": ran["snow"]}), ())
    monkeypatch.setattr(describing, "load", lambda group: plugged)
    held = ran["catalog"].add(snow, category="observation")
    found = ran["catalog"].find("observation", ids="cat-2", start="2016-01-02", end="2016-01-03", formats=["generic"])
    assert found.names == [held.name]
    assert str(held.coverage) == "2016-01-01T00:00Z .. 2016-01-03T00:00Z × cat-1, cat-2 × snow_depth"
