"""Some, all, and all but some of a dimension: one algebra, checked value by value."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmod.data.extent import ALL, IDS, NAMES, TIME, Everything, all_but
from dmod.data.idset import IdSet
from dmod.data.span import Span, join_spans, settled
from dmod.errors import CoverageError

law = settings(deadline=None)

LEAST, NOWHERE = 0, 99
SECONDS = st.sets(st.integers(LEAST, 9))


def spans_of(seconds) -> tuple[Span, ...]:
    """Seconds as spans."""
    return settled(Span(second, second + 1) for second in seconds)


#: How a set of numbers becomes a finite extent of each kind, and which numbers one holds.
KINDS = {
    "time": (TIME, spans_of, lambda spans: {n for span in spans for n in range(span.start_s, span.stop_s)}),
    "ids": (IDS, lambda some: IdSet.of(f"cat-{n}" for n in some), lambda ids: {int(name[4:]) for name in ids}),
    "names": (NAMES, lambda some: frozenset(f"v{n}" for n in some), lambda names: {int(name[1:]) for name in names}),
}
EVERY = {*range(LEAST, 10), NOWHERE}


@law
@pytest.mark.parametrize("kind", KINDS)
@given(SECONDS, st.booleans(), SECONDS, st.booleans())
def test_the_algebra_is_that_of_sets(kind, a, all_but_a, b, all_but_b):
    algebra, make, values = KINDS[kind]

    def members(extent) -> set[int]:
        """The numbers of an extent, with one that nobody names."""
        if isinstance(extent, Everything):
            return EVERY - (values(extent.but) if extent.but is not None else set())
        return values(extent)

    one = all_but(make(a)) if all_but_a else make(a)
    other = all_but(make(b)) if all_but_b else make(b)
    assert members(one) == (EVERY - a if all_but_a else a)
    assert members(algebra.meet(one, other)) == members(one) & members(other)
    assert members(algebra.join(one, other)) == members(one) | members(other)
    assert members(algebra.less(one, other)) == members(one) - members(other)
    assert algebra.within(one, other) == (members(one) <= members(other))
    for made in (algebra.meet(one, other), algebra.join(one, other), algebra.less(one, other)):
        assert bool(made) == bool(members(made)), "only what is empty is false"
        assert made == (all_but(make(EVERY - members(made))) if NOWHERE in members(made) else make(members(made)))


def test_all_stays_the_same_thing():
    assert pickle.loads(pickle.dumps(ALL)) is ALL
    assert copy.deepcopy(ALL) is ALL
    assert all_but(frozenset()) is ALL
    assert all_but(()) is ALL
    assert pickle.loads(pickle.dumps(all_but(frozenset({"T2D"})))) == all_but(frozenset({"T2D"}))


def test_all_and_all_but_are_said_in_words():
    assert str(ALL) == "all"
    assert str(all_but(frozenset({"T2D", "PSFC"}))) == "all but PSFC, T2D"
    assert str(all_but(IdSet.of(["cat-1"]))) == "all but cat-1"


@pytest.mark.parametrize(
    ("start", "stop"),
    [
        pytest.param("2016-09-01", "2016-09-01", id="empty"),
        pytest.param("2016-09-02", "2016-09-01", id="backwards"),
        pytest.param("yesterday", "2016-09-01", id="no time"),
        pytest.param(None, "2016-09-01", id="nothing"),
    ],
)
def test_a_span_that_is_none_is_refused(start, stop):
    with pytest.raises(CoverageError):
        Span.of(start, stop)


def test_a_span_is_in_utc_whatever_zone_it_was_given_in():
    assert Span.of("2016-09-01T00:00:00-06:00", "2016-09-01T12:00Z") == Span.of("2016-09-01 06:00", "2016-09-01 12:00")
    assert str(Span.of("1950-01-01", "1950-01-01 00:00:30")) == "1950-01-01T00:00Z .. 1950-01-01T00:00:30Z"


def test_spans_that_overlap_are_refused_where_they_are_listed_and_joined_where_that_is_asked():
    with pytest.raises(CoverageError, match="overlap"):
        settled([Span(5, 15), Span(0, 10)])
    assert join_spans((Span(5, 15),), (Span(0, 10),)) == (Span(0, 15),)
