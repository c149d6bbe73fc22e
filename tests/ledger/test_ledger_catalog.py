"""The catalog: what covers what, best first, as brute force would say; and who uses what."""

from __future__ import annotations

import hashlib
import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dmod.data.coverage import ALL, Coverage, Span
from dmod.data.dataset import Dataset, File, Lineage
from dmod.data.kinds import Category, Format
from dmod.data.requirement import Found, Listed, Requirement, match
from dmod.errors import DatasetError, JobError
from dmod.job.lifecycle import State
from dmod.ledger.ledger import Ledger
from dmod.ledger.transaction import Transaction

CSV, NETCDF, ZARR = Format.FORCING_CSV, Format.FORCING_NETCDF, Format.FORCING_ZARR
DAY = 86_400


def dataset(name: str = "rain", **given) -> Dataset:
    """A dataset of forcing of two catchments on one day, unless said otherwise."""
    coverage = Coverage.of(spans=Span(0, DAY), ids=["cat-1", "cat-2"], variables=["RAINRATE"])
    plain = {
        "id": f"id-{name}", "name": name, "category": Category.FORCING, "format": NETCDF, "coverage": coverage,
        "digest": "sha256:" + hashlib.sha256(name.encode()).hexdigest(), "size": 10, "files": (),
        "location": "/data/rain.nc", "owner": "ada", "created_s": 100.0,
    }  # fmt: skip
    return Dataset(**{**plain, **given})


def test_a_dataset_comes_back_as_it_was_added(ledger):
    one = dataset(
        description="rain × wind", expires_s=1e9, facts={"units": {"RAINRATE": "mm s-1"}},
        lineage=Lineage("cut", "1", ("sha256:" + "a" * 64,), {"ids": 2}), size=3, location="store:aa/bb",
        files=(File("a/b.nc", 3, "sha256:" + "b" * 64),),
    )  # fmt: skip
    ledger.add_dataset(one)
    assert ledger.dataset("rain") == ledger.dataset("id-rain") == one
    assert ledger.digests() == {one.digest}


def test_adding_the_same_again_changes_nothing(ledger):
    ledger.add_dataset(dataset())
    ledger.add_dataset(dataset())
    assert ledger.datasets() == [dataset()]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        pytest.param(dataset(id="other"), "there is a dataset 'rain' already", id="same name"),
        pytest.param(dataset(size=11), "there is a dataset 'rain' already", id="changed"),
        pytest.param(dataset("snow", id="id-rain"), "the dataset 'rain' has the same id", id="same id"),
    ],
)
def test_a_name_or_id_that_is_taken_is_refused_and_nothing_is_half_registered(ledger, other, message):
    ledger.add_dataset(dataset())
    with pytest.raises(DatasetError, match=message):
        ledger.add_datasets([dataset("fog"), other])
    assert ledger.datasets() == [dataset()]


def test_a_name_that_is_nearly_right_is_proposed(ledger):
    ledger.add_datasets([dataset("aorc-2016"), dataset("mad-river")])
    with pytest.raises(DatasetError, match=r"there is no dataset 'aorc-2061'\n  -> did you mean 'aorc-2016'\?"):
        ledger.dataset("aorc-2061")
    with pytest.raises(DatasetError, match="dmod datasets list"):
        ledger.dataset("zzz")


def test_datasets_are_listed_newest_first_and_sifted(ledger):
    ledger.add_datasets(
        [
            dataset("b", created_s=1.0, description="All of 2016"),
            dataset("a", created_s=1.0, owner="bob"),
            dataset("c_1", created_s=2.0),
            dataset(
                "c-100", created_s=3.0, category=Category.OUTPUT, format=Format.DMOD_NETCDF, description="50% done!"
            ),
        ]
    )

    def names(**given):
        return [one.name for one in ledger.datasets(**given)]

    assert names() == ["c-100", "c_1", "a", "b"]
    assert names(limit=2) == ["c-100", "c_1"]
    assert names(category=Category.FORCING) == ["c_1", "a", "b"]
    assert names(owner="bob") == ["a"]
    assert names(text="all OF") == ["b"]
    assert names(text="c_1") == ["c_1"]
    assert names(text="50% done!") == ["c-100"]
    assert names(text="%") == ["c-100"]
    assert names(category=Category.FORCING, owner="ada", text="c", limit=9) == ["c_1"]


spans = st.just(ALL) | st.lists(
    st.integers(0, 5).map(lambda day: Span(day * DAY, (day + 1) * DAY)), min_size=1, max_size=3, unique=True
)
ids = st.just(ALL) | st.lists(
    st.sampled_from(["cat-1", "cat-2", "cat-3", "cat-900", "wb-2", "nex-7", "outlet", f"cat-{10**18 - 1}"]), min_size=1
)
variables = st.just(ALL) | st.lists(st.sampled_from(["T2D", "Q2D", "RAINRATE"]), min_size=1)
coverages = st.builds(Coverage.of, spans=spans, ids=ids, variables=variables)
held = st.lists(st.tuples(coverages, st.sampled_from([CSV, NETCDF, ZARR]), st.integers(0, 2)), min_size=1, max_size=12)
_names = itertools.count()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(held=held, needed=coverages, formats=st.sets(st.sampled_from([CSV, NETCDF, ZARR]), min_size=1))
def test_find_gives_what_brute_force_gives_in_the_same_order(ledger, held, needed, formats):
    for one in ledger.datasets():
        ledger.remove_dataset(one.id)
    there = [
        dataset(f"set-{next(_names):06d}", coverage=coverage, format=kind, created_s=float(age))
        for coverage, kind, age in held
    ]
    ledger.add_datasets(there)
    expected = Listed(there).find(Category.FORCING, tuple(formats), needed)
    found = ledger.find(Category.FORCING, tuple(formats), needed)
    assert [one.name for one in found] == [one.name for one in expected]
    assert found[:2] == ledger.find(Category.FORCING, tuple(formats), needed, limit=2)
    assert ledger.find(Category.OUTPUT, tuple(formats), needed) == []


def test_find_goes_on_beyond_a_page_of_those_that_look_right(ledger):
    """Three hundred have the edges of what is needed, and a hole in the middle; one has no hole."""
    ends, whole = ["cat-1", "cat-9"], ["cat-1", "cat-5", "cat-9", "cat-10"]
    day = Span(0, DAY)
    holed = Coverage.of(spans=day, ids=[*ends, "cat-7"], variables=["T2D"])
    full = Coverage.of(spans=day, ids=whole, variables=["T2D"])
    ledger.add_datasets(dataset(f"holed-{n}", coverage=holed, created_s=float(n)) for n in range(300))
    ledger.add_dataset(dataset("full", coverage=full))
    needed = Coverage.of(spans=day, ids=["cat-1", "cat-5", "cat-9"], variables=["T2D"])
    assert [one.name for one in ledger.find(Category.FORCING, (NETCDF,), needed, limit=1)] == ["full"]


def test_a_dataset_of_two_catchments_never_stands_for_all(ledger):
    ledger.add_dataset(dataset())
    for needed in (
        Coverage.of(spans=Span(0, DAY), ids=ALL, variables=["RAINRATE"]),
        Coverage.of(spans=ALL, ids=["cat-1"], variables=["RAINRATE"]),
        Coverage.of(spans=Span(0, DAY), ids=["cat-1"], variables=ALL),
    ):
        assert ledger.find(Category.FORCING, (NETCDF,), needed) == []


def test_the_ledger_is_a_catalog_that_requirements_are_matched_against(ledger):
    wide = Coverage.of(spans=Span(0, 9 * DAY), ids=["cat-1", "cat-2"], variables=["RAINRATE"])
    ledger.add_datasets([dataset("wide", coverage=wide, created_s=999.0), dataset()])
    needed = Coverage.of(spans=Span(0, DAY), ids=["cat-1"], variables=["RAINRATE"])
    (found,) = match([Requirement("forcing", Category.FORCING, (NETCDF,), needed)], ledger)
    assert isinstance(found, Found)
    assert found.dataset.name == "rain"


def test_find_looks_only_at_the_part_of_the_index_that_can_hold_an_id(tmp_path, monkeypatch):
    plan: list[str] = []
    rows = Transaction.rows

    def explained(tx, statement, **given):
        plan.extend(row[3] for row in rows(tx, f"EXPLAIN QUERY PLAN {statement}", **given))
        return rows(tx, statement, **given)

    monkeypatch.setattr(Transaction, "rows", explained)
    with Ledger.open(tmp_path / "ledger.sqlite") as ledger:
        ledger.find(Category.FORCING, (NETCDF,), dataset().coverage)
    narrow = "SEARCH datasets USING INDEX datasets_sieve (category=? AND ids_reach=? AND ids_low>? AND ids_low<?)"
    assert narrow in plan


def test_what_was_derived_in_the_same_way_is_found_again(ledger):
    how = Lineage("cut", "1", ("sha256:" + "a" * 64,), {"ids": ["cat-1"], "start": 0})
    other = Lineage("cut", "2", how.parents, how.parameters)
    ledger.add_datasets([dataset("a", lineage=how), dataset("b", lineage=other), dataset("c")])
    ledger.add_dataset(dataset("d", lineage=how, created_s=200.0))
    again = Lineage("cut", "1", how.parents, {"start": 0, "ids": ["cat-1"]})
    assert [one.name for one in ledger.derived(again)] == ["d", "a"]
    assert ledger.derived(Lineage("cut", "3", how.parents, {})) == []


def test_a_dataset_in_use_stays_until_its_jobs_are_over(ledger, add):
    ledger.add_dataset(dataset(expires_s=200.0))
    add("one", State.RUNNING)
    ledger.use("rain", "one")
    ledger.use("id-rain", "one")
    assert ledger.uses("rain") == ["one"]
    with pytest.raises(DatasetError, match=r"'rain' is in use\n  jobs  one"):
        ledger.remove_dataset("rain")
    assert ledger.expire(300.0) == []
    ledger.append("one", "me", State.COMPLETE, "done")
    assert (ledger.uses("rain"), ledger.uses("rain", live=False)) == ([], ["one"])
    assert ledger.remove_dataset("rain") == dataset(expires_s=200.0)
    with pytest.raises(DatasetError, match="there is no dataset 'rain'"):
        ledger.dataset("rain")
    assert ledger.job("one").state is State.COMPLETE


def test_use_needs_a_dataset_and_a_job(ledger, add):
    with pytest.raises(DatasetError, match="there is no dataset 'rain'"):
        ledger.use("rain", "one")
    ledger.add_dataset(dataset())
    with pytest.raises(JobError, match="there is no job 'one'"):
        ledger.use("rain", "one")


def test_datasets_expire_when_their_time_has_come(ledger):
    ledger.add_datasets([dataset("b", expires_s=200.0), dataset("a", expires_s=150.0), dataset("c", expires_s=201.0)])
    ledger.add_dataset(dataset("for-ever"))
    assert ledger.expire(200.0) == ["a", "b"]
    assert ledger.expire(200.0) == []
    assert {one.name for one in ledger.datasets()} == {"c", "for-ever"}
