"""What covers this? Nothing that does not."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmod.catalog.finding import Question, find, question_of, rank
from dmod.data.coverage import ALL, Coverage, Span
from dmod.data.dataset import Dataset
from dmod.data.kinds import Category, Format
from dmod.errors import CoverageError, DatasetError
from dmod.ledger.ledger import Ledger

DAY = 86_400


def rain(name: str, ids, days=(0, 1), variables=("precip_rate",), **more) -> Dataset:
    """Forcing of some catchments on some days of 1970."""
    spans = days if days is ALL else Span(days[0] * DAY, days[1] * DAY)
    coverage = Coverage.of(spans=spans, ids=ids, variables=variables)
    return Dataset(**{
        "id": f"id-{name}", "name": name, "category": Category.FORCING, "format": Format.FORCING_NETCDF,
        "coverage": coverage, "digest": "sha256:" + hashlib.sha256(name.encode()).hexdigest(), "size": 1, "files": (),
        "location": "/data/rain.nc", "owner": "ada", "created_s": 100.0, **more,
    })  # fmt: skip


def test_a_dataset_of_two_catchments_does_not_cover_all(catalog):
    """CO-12 of the first DMOD: one of a single catchment was taken for all."""
    catalog.ledger.add_dataset(rain("two", ["cat-1", "cat-2"]))
    assert catalog.find("forcing", ids=["cat-1", "cat-2"]).names == ["two"]
    assert catalog.find("forcing", ids=ALL) == []
    assert catalog.find("forcing", Coverage.of(spans=Span(0, DAY), ids=ALL, variables=["precip_rate"])) == []
    assert catalog.find("forcing", ids=["cat-1", "cat-2", "cat-3"]) == []


def test_files_of_which_nothing_is_known_cover_nothing(catalog):
    catalog.add(b"anything", name="blob", format="generic", category="forcing")
    assert catalog.find("forcing", ids="cat-1") == []
    assert catalog.find("forcing", Coverage(ALL, ALL, ALL)) == []
    assert catalog.find("forcing", ids="cat-1", formats=["generic"]).names == ["blob"]


def test_the_best_comes_first_least_excess_then_newest(catalog):
    catalog.ledger.add_datasets(
        [
            rain("wide", ["cat-1", "cat-2", "cat-3"], created_s=300.0),
            rain("old", ["cat-1", "cat-2"], created_s=100.0),
            rain("new", ["cat-1", "cat-2"], created_s=200.0),
            rain("long", ["cat-1"], (0, 9)),
            rain("other", ["cat-9"]),
        ]
    )
    assert catalog.find("forcing", ids="cat-1,cat-2").names == ["new", "old", "wide"]
    one_day = {"ids": "cat-1", "start": "1970-01-01", "end": "1970-01-02", "variables": "RAINRATE"}
    assert catalog.find("forcing", **one_day).names == ["new", "old", "wide", "long"]
    assert catalog.find("forcing", **one_day, limit=1).names == ["new"]
    assert catalog.find(**one_day).names == ["new", "old", "wide", "long"]
    assert catalog.find(ids="cat-9").names == ["other"]


def test_one_edge_of_time_is_an_instant(catalog):
    catalog.ledger.add_dataset(rain("day", ["cat-1"]))
    assert catalog.find("forcing", start="1970-01-01").names == ["day"]
    assert catalog.find("forcing", start="1970-01-02") == []
    assert catalog.find("forcing", end="1970-01-02").names == ["day"]
    assert catalog.find("forcing", end="1970-01-02 00:00:01") == []


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        pytest.param({}, "nothing is asked for", id="nothing"),
        pytest.param({"ids": []}, "no ids|empty", id="no ids"),
        pytest.param({"ids": " , "}, "no ids|empty", id="only commas"),
        pytest.param({"start": "1970-01-02", "end": "1970-01-01"}, "ends before it starts", id="backwards"),
        pytest.param({"start": "soon"}, "cannot read the time", id="unreadable"),
        pytest.param({"coverage": Coverage(ALL, ALL, ALL), "ids": ["cat-1"]}, "says all there is", id="twice"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(catalog, asked, message):
    with pytest.raises(CoverageError, match=message):
        catalog.find("forcing", **asked)


def test_an_unknown_category_or_format_is_refused(catalog):
    with pytest.raises(DatasetError, match="there is no category 'rain'"):
        catalog.find("rain", ids="cat-1")
    with pytest.raises(DatasetError, match="there is no format 'grib'"):
        catalog.find("forcing", ids="cat-1", formats=["grib"])


ids = st.just(ALL) | st.sets(st.sampled_from(["cat-1", "cat-2", "wb-1", "outlet"]), min_size=1).map(sorted)
days = st.just(ALL) | st.tuples(st.integers(0, 3), st.integers(1, 3)).map(lambda pair: (pair[0], sum(pair)))
names = st.just(ALL) | st.sets(st.sampled_from(["precip_rate", "snow"]), min_size=1).map(sorted)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    """A ledger for many examples, one after the other."""
    with Ledger.open(tmp_path_factory.mktemp("ledger") / "ledger.sqlite") as one:
        yield one


def mixed(one: Coverage, other: Coverage, matters) -> Coverage:
    """The dimensions of *one* that matter, and the rest of *other*."""
    extents = zip((one.spans, one.ids, one.variables), (other.spans, other.ids, other.variables), matters, strict=True)
    return Coverage(*(mine if matter else theirs for mine, theirs, matter in extents))


@settings(max_examples=60, deadline=None)
@given(
    held=st.lists(st.tuples(ids, days, names, st.integers(0, 2)), max_size=6),
    needed=st.tuples(ids, days, names),
    matters=st.tuples(st.booleans(), st.booleans(), st.booleans()).filter(any),
)
def test_a_dimension_that_is_not_asked_about_does_not_matter(ledger, held, needed, matters):
    """Against the definition: wherever a dimension does not matter, only the others are compared."""
    there = [rain(f"d{n}", *extents, created_s=float(age)) for n, (*extents, age) in enumerate(held)]
    wanted = rain("needed", *needed).coverage
    question = Question(mixed(wanted, Coverage(ALL, ALL, ALL), matters), matters)
    for one in ledger.datasets():
        ledger.remove_dataset(one.id)
    ledger.add_datasets(there)
    found = find(ledger, [Category.FORCING], None, question)
    covering = {one.name for one in there if mixed(one.coverage, wanted, matters).covers(wanted)}
    assert {one.name for one in found} == covering
    assert found == sorted(found, key=rank)
    assert find(ledger, [Category.FORCING], None, question, limit=2) == found[:2]


def test_a_question_says_what_matters():
    asked = question_of(ids="cat-1, cat-2", variables=["snow"])
    assert asked.matters == (False, True, True)
    assert asked.coverage == Coverage.of(spans=ALL, ids=["cat-1", "cat-2"], variables=["snow"])


def test_a_question_about_every_dimension_is_the_index_s_to_answer(catalog, monkeypatch):
    catalog.ledger.add_dataset(rain("day", ["cat-1"]))
    monkeypatch.setattr(catalog.ledger, "datasets", lambda **_: pytest.fail("all datasets were read"))
    found = catalog.find("forcing", ids="cat-1", start="1970-01-01", end="1970-01-02", variables="precip_rate")
    assert found.names == ["day"]
