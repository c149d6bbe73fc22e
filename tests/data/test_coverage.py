"""The algebra of coverages agrees with going through every time, id and variable one by one."""

from __future__ import annotations

import copy
import json
import pickle
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmod.data.coverage import ALL, Coverage, CoverageSet, Everything, IdSet, Span
from dmod.errors import CoverageError, DatasetError

law = settings(deadline=None)
SECONDS = range(8)
NAMES = ["cat-1", "cat-2", "cat-3", "nex-1", "outlet"]
VARIABLES = ["RAINRATE", "T2D", "PSFC"]
#: Every point that could tell two coverages apart; the last of each dimension is named by none of them.
EVERYWHERE = list(product([*SECONDS, 10**9], [*NAMES, "wb-77"], [*VARIABLES, "Q2D"]))


def runs(seconds) -> tuple[Span, ...]:
    """Seconds as spans, one for each."""
    return tuple(Span(second, second + 1) for second in seconds)


def extents(values, make):
    """Some, all, or all but some of *values*."""
    some = st.sets(st.sampled_from(values), min_size=1).map(make)
    return st.one_of(some, some, st.just(ALL), some.map(Everything))


COVERAGE = st.builds(
    Coverage,
    extents(list(SECONDS), runs),
    extents(NAMES, IdSet.of),
    extents(VARIABLES, frozenset),
)


def holds(extent, value) -> bool:
    """Whether one dimension has a value in it."""
    if isinstance(extent, Everything):
        return extent.but is None or not holds(extent.but, value)
    if isinstance(extent, tuple):
        return any(span.start_s <= value < span.stop_s for span in extent)
    return value in set(extent)


def points(coverage) -> set:
    """Everything a coverage holds, one by one."""
    return {
        (t, i, v)
        for box in (coverage if isinstance(coverage, CoverageSet) else [coverage])
        for t, i, v in EVERYWHERE
        if holds(box.spans, t) and holds(box.ids, i) and holds(box.variables, v)
    }


@law
@given(COVERAGE, COVERAGE)
def test_covers_means_that_nothing_is_missing(a, b):
    assert a.covers(b) == (points(b) <= points(a)) == (a.missing(b) == ())


@law
@given(COVERAGE, COVERAGE)
def test_missing_is_what_is_needed_and_not_held_each_point_once(a, b):
    gaps = a.missing(b)
    assert points(CoverageSet(gaps)) == points(b) - points(a)
    assert sum(len(points(gap)) for gap in gaps) == len(points(b) - points(a))


@law
@given(COVERAGE, COVERAGE)
def test_and_or_less_are_those_of_sets(a, b):
    assert points(a & b) == points(a) & points(b)
    assert points(a | b) == points(a) | points(b)
    assert points(a - b) == points(a) - points(b)
    assert bool(a & b) == bool(points(a) & points(b))


@law
@given(COVERAGE, COVERAGE)
def test_what_is_taken_away_and_what_is_left_are_apart_and_make_the_whole(a, b):
    assert not (a - b) & b
    assert ((a - b) | (a & b)).box == a
    assert (a | b) - b == a - b


@law
@given(st.lists(COVERAGE, max_size=4), st.lists(COVERAGE, max_size=3))
def test_the_algebra_holds_for_several_boxes(first, second):
    a, b = CoverageSet(tuple(first)), CoverageSet(tuple(second))
    assert points(a | b) == points(a) | points(b)
    assert points(a & b) == points(a) & points(b)
    assert points(a - b) == points(a) - points(b)
    assert a.covers(b) == (points(b) <= points(a))
    assert (a - b) | (a & b) == a
    assert sum(len(points(box)) for box in a) == len(points(a)), "boxes are apart"


@law
@given(st.lists(COVERAGE, min_size=1, max_size=4), st.randoms())
def test_the_same_contents_give_the_same_boxes_whatever_they_were_made_of(boxes, rng):
    shuffled = list(boxes)
    rng.shuffle(shuffled)
    a, b = CoverageSet(tuple(boxes)), CoverageSet(tuple(shuffled))
    for other in shuffled:
        b = (b - other) | (other & b) | other
    assert a == b
    assert hash(a) == hash(b)
    assert a.boxes == b.boxes
    assert str(a) == str(b)


@law
@given(COVERAGE, COVERAGE)
def test_a_union_is_a_coverage_exactly_where_it_is_one_box(a, b):
    union = points(a | b)
    times, ids, variables = (set(values) for values in zip(*union, strict=True))
    assert ((a | b).box is not None) == (len(union) == len(times) * len(ids) * len(variables))


@law
@given(COVERAGE)
def test_it_is_the_same_after_a_journey(a):
    for again in (Coverage.from_json(a.to_json()), pickle.loads(pickle.dumps(a)), copy.deepcopy(a)):
        assert again == a
        assert hash(again) == hash(a)
        assert (again.ids is ALL) == (a.ids is ALL)
    assert json.loads(a.to_json()) == a.to_dict()


@law
@given(COVERAGE, COVERAGE)
def test_excess_and_lack_measure_what_is_too_much_and_too_little(has, needed):
    assert has.excess(needed) >= 0
    assert 0 <= has.lacks(needed) <= 1
    assert has.excess(has) == has.lacks(has) == 0
    if has.covers(needed):
        assert has.lacks(needed) == 0
        assert has.measure >= needed.measure
        assert (has.excess(needed) == 0) == (has == needed)
    if not has & needed:
        assert has.lacks(needed) == 1


@law
@given(COVERAGE, COVERAGE, COVERAGE)
def test_of_two_that_cover_the_larger_has_no_less_excess(a, b, c):
    larger, middle = (a | b | c).box, (a | b).box
    if larger and middle:
        assert larger.excess(a) >= middle.excess(a) >= 0


def days(first: int, last: int, *, ids=ALL, variables=ALL) -> Coverage:
    """September 2016, from the start of day *first* to the start of day *last*."""
    return Coverage.of(
        spans=Span.of(f"2016-09-{first:02}", f"2016-09-{last:02}"),
        ids=ids,
        variables=variables,
    )


def test_an_empty_list_is_refused_and_never_means_all():
    """The first DMOD read an empty list as "all" (CO-8)."""
    for wrong in ({"ids": []}, {"spans": []}, {"variables": []}):
        with pytest.raises(CoverageError, match=r"ALL") as caught:
            Coverage.of(**{"spans": ALL, "ids": ALL, "variables": ALL, **wrong})
        assert "is none" in caught.value.headline


def test_all_of_a_run_of_values_is_taken_away():
    """The first DMOD took away every other one (CO-9)."""
    ids = [f"cat-{n}" for n in range(1, 9)]
    has, gone = days(1, 2, ids=ids), days(1, 2, ids=ids[2:6])
    assert (has - gone).box == days(1, 2, ids=["cat-1", "cat-2", "cat-7", "cat-8"])


def test_what_is_left_is_less_than_the_whole():
    """The first DMOD gave the whole back unchanged (CO-11)."""
    has = days(1, 30, ids=["cat-1", "cat-2"])
    for gone in (days(10, 20, ids=["cat-1", "cat-2"]), days(1, 30, ids=["cat-2"]), days(10, 20, ids=["cat-2"])):
        left = has - gone
        assert left != CoverageSet((has,))
        assert not left.covers(gone)
        assert sum(box.measure for box in left) == has.measure - gone.measure
    assert (has - days(10, 20)).boxes == (
        Coverage.of(
            spans=[Span.of("2016-09-01", "2016-09-10"), Span.of("2016-09-20", "2016-09-30")],
            ids=["cat-1", "cat-2"],
            variables=ALL,
        ),
    )


def test_one_catchment_does_not_cover_all_catchments():
    """In the first DMOD it did (CO-12)."""
    one, every = days(1, 2, ids=["cat-1"]), days(1, 2)
    assert not one.covers(every)
    assert every.covers(one)
    (gap,) = one.missing(every)
    assert str(gap) == "2016-09-01T00:00Z .. 2016-09-02T00:00Z × all ids but cat-1 × all variables"


def test_time_is_half_open():
    a, b = days(1, 10), days(10, 20)
    assert not a & b
    assert (a | b).box == days(1, 20)
    assert not a.covers(Coverage.of(spans=Span.of("2016-09-09", "2016-09-10 00:00:01"), ids=ALL, variables=ALL))


def test_what_is_missing_at_two_sides_is_told_in_two_boxes():
    has = days(1, 10, ids=["cat-1"])
    gaps = has.missing(days(5, 15, ids=["cat-1", "cat-2"]))
    assert gaps == (days(5, 10, ids=["cat-2"]), days(10, 15, ids=["cat-1", "cat-2"]))


def test_excess_is_counted_in_what_is_needed():
    needed = days(1, 2, ids=["cat-1"], variables=["T2D"])
    assert days(1, 3, ids=["cat-1"], variables=["T2D"]).excess(needed) == 1
    assert days(1, 3, ids=["cat-1", "cat-2"], variables=["T2D"]).excess(needed) == 3
    assert days(1, 2, variables=["T2D"]).excess(needed) > 1e12
    assert days(1, 2, ids=["cat-2"], variables=["T2D"]).excess(needed) == 1


def test_require_says_what_is_missing():
    with pytest.raises(CoverageError) as caught:
        days(1, 24, ids=["cat-1"], variables=["T2D"]).require(
            days(1, 30, ids=["cat-1"], variables=["T2D"]), of="dataset 'aorc'"
        )
    assert caught.value.facts["missing"] == "2016-09-24T00:00Z .. 2016-09-30T00:00Z × cat-1 × T2D"
    days(1, 24).require(days(1, 2), of="dataset 'aorc'")


@pytest.mark.parametrize(
    "wrong",
    [
        {"spans": [Span(0, 10), Span(5, 20)]},
        {"spans": [(10, 0)]},
        {"spans": [(0, 10**12)]},
        {"spans": [(0.5, 10)]},
        {"ids": ["cat-1", ""]},
        {"ids": "cat-1"},
        {"variables": ""},
        {"variables": "T2D"},
        {"variables": ["T2D", ""]},
        {"variables": [1]},
    ],
)
def test_what_makes_no_coverage_is_refused(wrong):
    with pytest.raises(CoverageError):
        Coverage.of(**{"spans": ALL, "ids": ALL, "variables": ALL, **wrong})


@pytest.mark.parametrize("wrong", [{"spans": [(0, 10)]}, {"ids": ["cat-1"]}, {"variables": ["T2D"]}, {"spans": None}])
def test_a_coverage_is_made_of_its_own_types(wrong):
    with pytest.raises(CoverageError):
        Coverage(**{"spans": ALL, "ids": ALL, "variables": ALL, **wrong})


def test_spans_that_touch_are_one_and_order_does_not_matter():
    one = Coverage.of(spans=[(10, 20), (0, 10), (30, 40)], ids=ALL, variables=ALL)
    assert one.spans == (Span(0, 20), Span(30, 40))


def test_everything_but_nothing_is_all():
    whole = Coverage(Everything(()), Everything(), Everything(frozenset()))
    assert whole.spans is whole.ids is whole.variables is ALL


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"spans": "all", "ids": "all"}',
        '{"spans": "all", "ids": "all", "variables": "some"}',
        '{"spans": "all", "ids": "all", "variables": []}',
        '{"spans": "all", "ids": "all", "variables": {"all_but": []}, "more": 1}',
        '{"spans": [[0, "10"]], "ids": "all", "variables": "all"}',
        '{"spans": [[10, 0]], "ids": "all", "variables": "all"}',
        '{"spans": "all", "ids": {"numbers": {"cat-": [1]}, "others": []}, "variables": "all"}',
    ],
)
def test_a_text_that_is_no_coverage_is_refused(text):
    with pytest.raises(DatasetError) as caught:
        Coverage.from_json(text)
    assert isinstance(caught.value, CoverageError)


def test_a_long_coverage_is_said_in_one_short_line():
    spans = [(n * 100, n * 100 + 1) for n in range(50)]
    said = str(Coverage.of(spans=spans, ids=[f"cat-{n}" for n in range(1000)], variables=map(str, range(100))))
    assert len(said) < 300
    assert "(50 times)" in said
    assert "(1,000 ids)" in said
    assert "(100 variables)" in said
