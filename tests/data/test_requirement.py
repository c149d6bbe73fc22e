"""What a job needs is matched with what there is, and each answer says why."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmod.data.coverage import ALL, Coverage, Span
from dmod.data.dataset import Category, Dataset, File, Format
from dmod.data.requirement import Derivable, Found, Listed, Missing, Requirement, match, rank
from dmod.errors import DatasetError

law = settings(deadline=None)
DIGEST = "sha256:" + "a" * 64
HOUR = 3600


def weather(name: str, *, hours=(0, 24), ids=("cat-1", "cat-2"), created_s=0.0, kind=Format.FORCING_NETCDF, **more):
    """A dataset of weather."""
    where = ALL if ids is ALL else list(ids)
    return Dataset(
        id=f"id-{name}",
        name=name,
        category=Category.FORCING,
        format=kind,
        coverage=Coverage.of(spans=Span(hours[0] * HOUR, hours[1] * HOUR), ids=where, variables=["T2D"]),
        digest=DIGEST,
        size=1,
        files=(File("f", 1, DIGEST),),
        location="store:x",
        created_s=created_s,
        **more,
    )


def need(*, hours=(0, 24), ids=("cat-1",), explicit=None, formats=(Format.FORCING_NETCDF,), **more) -> Requirement:
    """A day of weather for one catchment."""
    where = ALL if ids is ALL else list(ids)
    coverage = Coverage.of(spans=Span(hours[0] * HOUR, hours[1] * HOUR), ids=where, variables=["T2D"])
    return Requirement("forcing", Category.FORCING, formats, coverage, explicit, **more)


@dataclass(frozen=True)
class Offered:
    """What `Converting` would do."""

    parents: tuple[Dataset, ...]
    note: str = "cut and convert"


class Converting:
    """A rule that makes weather of any weather that covers, whatever its format."""

    name = "convert-forcing"

    def offers(self, requirement, candidates):
        forcing = (Format.FORCING_CSV, Format.FORCING_NETCDF, Format.FORCING_ZARR)
        held = candidates.find(Category.FORCING, forcing, requirement.coverage)
        return Offered((held[0],)) if held else None


class Eager:
    """A rule that offers whatever it is asked."""

    name = "eager"

    def offers(self, requirement, candidates):
        return Offered(tuple(candidates.datasets()))


class Unwilling:
    """A rule that never offers anything."""

    name = "unwilling"

    def offers(self, requirement, candidates):
        return None


def test_the_one_with_least_excess_is_taken():
    year, day = weather("year", hours=(0, 8760), created_s=9.0), weather("day", ids=["cat-1"])
    (found,) = match([need()], [year, day])
    assert isinstance(found, Found)
    assert found.dataset is day
    assert (
        str(found)
        == "forcing: found 'day'; it holds exactly what is needed, with the least excess of 2, or newest of those"
    )


def test_the_newest_is_taken_on_a_tie():
    old, new, older = (weather(name, created_s=at) for name, at in (("old", 2.0), ("new", 3.0), ("older", 1.0)))
    for order in ([old, new, older], [new, older, old]):
        (found,) = match([need()], order)
        assert found.dataset is new


def test_one_that_lists_is_better_than_one_that_says_all():
    (found,) = match([need()], [weather("all", ids=ALL), weather("many", ids=[f"cat-{n}" for n in range(1000)])])
    assert found.dataset.name == "many"


def test_a_dataset_of_one_catchment_is_not_taken_where_all_are_needed():
    """The first DMOD took it (CO-12)."""
    (missing,) = match([need(ids=ALL)], [weather("one", ids=["cat-1"])])
    assert isinstance(missing, Missing)
    assert missing.nearest.name == "one"
    assert "all ids but cat-1" in missing.reason


def test_one_that_is_named_wins_over_a_better_one():
    (found,) = match([need(explicit="year")], [weather("year", hours=(0, 8760)), weather("day")])
    assert found.dataset.name == "year"
    assert found.note == "it was named"
    (by_id,) = match([need(explicit="id-year")], [weather("year", hours=(0, 8760)), weather("day")])
    assert by_id.dataset.name == "year"


@pytest.mark.parametrize(
    ("named", "said"),
    [
        pytest.param(weather("short", hours=(0, 12)), "it lacks 1970-01-01T12:00Z .. 1970-01-02T00:00Z", id="time"),
        pytest.param(weather("short", ids=["cat-2"]), "× cat-1 ×", id="ids"),
        pytest.param(weather("short", kind=Format.FORCING_CSV), "it is forcing-csv", id="format"),
        pytest.param(
            replace(weather("short"), category=Category.OUTPUT, format=Format.GENERIC), "category output", id="category"
        ),
    ],
)
def test_one_that_is_named_and_does_not_do_is_refused_though_another_would(named, said):
    (missing,) = match([need(explicit="short")], [named, weather("good")])
    assert isinstance(missing, Missing)
    assert missing.nearest is named
    assert missing.reason.startswith("'short' was named, but ")
    assert said in missing.reason


def test_a_name_that_nobody_has_is_missing_and_near_ones_are_told():
    (missing,) = match([need(explicit="aorc-2061")], [weather("aorc-2016")])
    assert str(missing) == "forcing: missing; there is no dataset 'aorc-2061'; did you mean 'aorc-2016'?"


def test_what_is_not_there_is_derived_by_the_first_rule_that_can():
    csv = weather("csv", hours=(0, 48), kind=Format.FORCING_CSV)
    (found,) = match([need()], [csv], [Unwilling(), Converting()])
    assert isinstance(found, Derivable)
    assert found.rule == "convert-forcing"
    assert found.parents == (csv,)
    assert found.offer == Offered((csv,))
    assert str(found) == "forcing: convert-forcing derives it from 'csv'; cut and convert"


def test_nothing_is_derived_where_there_is_something():
    (found,) = match([need()], [weather("csv", kind=Format.FORCING_CSV), weather("nc", ids=ALL)], [Converting()])
    assert isinstance(found, Found)
    assert found.dataset.name == "nc"


def test_one_that_is_named_is_converted_and_no_other_taken_in_its_place():
    named = weather("named", hours=(0, 8760), kind=Format.FORCING_CSV)
    (found,) = match([need(explicit="named")], [named, weather("good")], [Converting()])
    assert isinstance(found, Derivable)
    assert found.parents == (named,)
    short = weather("named", hours=(0, 1), kind=Format.FORCING_CSV)
    for rule in (Converting(), Eager()):
        (missing,) = match([need(explicit="named")], [short, weather("good")], [rule])
        assert isinstance(missing, Missing)
        assert missing.nearest is short


def test_where_nothing_helps_the_nearest_is_told_with_what_it_lacks():
    (missing,) = match(
        [need(hours=(0, 100))], [weather("a", hours=(0, 10)), weather("b", hours=(0, 90))], [Converting()]
    )
    assert isinstance(missing, Missing)
    assert missing.nearest.name == "b"
    assert missing.reason == (
        "no dataset will do, and no rule derives one; the nearest is 'b', but it lacks "
        "1970-01-04T18:00Z .. 1970-01-05T04:00Z × cat-1 × T2D"
    )


def test_where_there_is_nothing_at_all_that_is_said():
    (missing,) = match([need()], [], [Converting()])
    assert missing.nearest is None
    assert missing.reason == "there is no dataset of the category forcing"


def test_facts_are_needed_as_they_are_stated():
    four, five, unsaid = (
        weather(n, facts=f) for n, f in (("four", {"parts": 4}), ("five", {"parts": 5}), ("unsaid", {}))
    )
    (found,) = match([need(facts={"parts": 4})], [five, unsaid, four])
    assert found.dataset is four
    (missing,) = match([need(facts={"parts": 4})], [unsaid])
    assert "its parts is not known, and 4 is needed" in missing.reason


def test_any_format_does_where_that_is_said():
    (found,) = match([need(formats=(Format.GENERIC,))], [weather("csv", kind=Format.FORCING_CSV)])
    assert found.dataset.name == "csv"


def test_there_is_one_answer_for_each_requirement_in_their_order():
    answers = match([need(), need(ids=["cat-9"]), need(explicit="day")], [weather("day")])
    assert [type(answer) for answer in answers] == [Found, Missing, Found]
    assert [answer.requirement.explicit for answer in answers] == [None, None, "day"]


@pytest.mark.parametrize(
    "wrong",
    [{"key": ""}, {"formats": ()}, {"formats": (Format.GEOPACKAGE,)}, {"category": Category.OUTPUT}],
)
def test_a_requirement_that_nothing_can_meet_is_refused(wrong):
    with pytest.raises(DatasetError):
        replace(need(), **wrong)


class Asked:
    """A catalog that is no list, and gives what it finds in no useful order."""

    def __init__(self, datasets):
        self.held = Listed(datasets)

    def dataset(self, ref):
        return self.held.dataset(ref)

    def datasets(self, *, category=None, limit=None):
        return self.held.datasets(category=category, limit=limit)

    def find(self, category, formats, coverage):
        return list(reversed(self.held.find(category, formats, coverage)))


HOURS = st.tuples(st.integers(0, 5), st.integers(1, 5)).map(lambda pair: (pair[0], pair[0] + pair[1]))
SOME = st.builds(
    weather,
    st.just("x"),
    hours=HOURS,
    ids=st.one_of(st.just(ALL), st.sets(st.sampled_from(["cat-1", "cat-2", "cat-3"]), min_size=1)),
    created_s=st.integers(0, 3).map(float),
    kind=st.sampled_from([Format.FORCING_NETCDF, Format.FORCING_CSV]),
)


@law
@given(st.lists(SOME, max_size=6), HOURS, st.sets(st.sampled_from(["cat-1", "cat-2", "cat-3"]), min_size=1))
def test_a_match_is_found_exactly_where_one_does_and_none_is_better(datasets, hours, ids):
    there = [replace(one, name=f"d{n}", id=f"{n}") for n, one in enumerate(datasets)]
    wanted = need(hours=hours, ids=ids)
    fits = [d for d in there if d.format is Format.FORCING_NETCDF and d.coverage.covers(wanted.coverage)]
    for candidates in (there, iter(there), Listed(there), Asked(there)):
        (answer,) = match([wanted], candidates)
        assert isinstance(answer, Found) == bool(fits)
        if fits:
            assert answer.dataset in fits
            assert rank(answer.dataset, wanted.coverage) == min(rank(d, wanted.coverage) for d in fits)
            assert answer.dataset.coverage.measure == min(d.coverage.measure for d in fits)
        elif there:
            assert answer.nearest in there
            assert wanted.refuses(answer.nearest)
        else:
            assert answer.nearest is None
