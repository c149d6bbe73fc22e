"""A set of ids behaves as a set of texts, in little room and fast."""

from __future__ import annotations

import json
import pickle
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmod.data.idset import IdSet
from dmod.errors import CoverageError

law = settings(deadline=None)
#: Texts that look like ids, and some that nearly do: leading zeros, digits that are no ASCII, no number at all.
NEAR = st.text(alphabet="ct-0129²٣\n", min_size=1, max_size=6)
ID = st.one_of(
    st.integers(0, 40).map("cat-{}".format),
    st.integers(0, 10**19).map("nex-{}".format),
    NEAR,
)
IDS = st.sets(ID, max_size=30)


@law
@given(IDS)
def test_what_goes_in_comes_out_once(ids):
    held = IdSet.of([*ids, *ids])
    listed = held.to_list()
    assert set(listed) == ids
    assert len(listed) == len(held) == len(ids)
    assert bool(held) == bool(ids)
    assert list(held) == listed


@law
@given(IDS, IDS)
def test_its_algebra_is_that_of_sets(a, b):
    one, other = IdSet.of(a), IdSet.of(b)
    assert set(one | other) == a | b
    assert set(one & other) == a & b
    assert set(one - other) == a - b
    assert (one <= other) == (a <= b)
    assert (one >= other) == (a >= b)
    assert (one == other) == (a == b)
    assert (one & other) <= one <= (one | other)
    assert hash(IdSet.of(sorted(a))) == hash(IdSet.of(sorted(a, reverse=True)))


@law
@given(IDS, ID)
def test_it_knows_what_it_holds(ids, name):
    assert (name in IdSet.of(ids)) == (name in ids)
    assert all(held in IdSet.of(ids) for held in ids)


@law
@given(IDS)
def test_it_is_the_same_after_a_journey(ids):
    held = IdSet.of(ids)
    hash(held)
    for again in (pickle.loads(pickle.dumps(held)), IdSet.from_dict(json.loads(json.dumps(held.to_dict())))):
        assert again == held
        assert hash(again) == hash(held)


@pytest.mark.parametrize("spread", [1, 3, 1000, 10**11])
@pytest.mark.parametrize("share", [0.5, 0.001])
def test_dense_and_scattered_numbers_are_found_alike(spread, share):
    """Found by a table where numbers are dense, by searching where they are not."""
    rng = np.random.default_rng(7)
    numbers = np.unique(rng.integers(0, 4000 * spread, 4000))
    some = numbers[rng.random(numbers.size) < share]
    near = np.unique(some + 1)
    whole, part, off = (IdSet.numbered("cat-", given) for given in (numbers, some, near))
    assert part <= whole
    assert (off <= whole) == (set(near.tolist()) <= set(numbers.tolist()))
    assert set((whole - off).numbers["cat-"].tolist()) == set(numbers.tolist()) - set(near.tolist())
    assert set((off & whole).to_list()) == {f"cat-{n}" for n in set(near.tolist()) & set(numbers.tolist())}


def test_leading_zeros_are_part_of_an_id():
    gages = IdSet.of(["USGS-01073000", "USGS-1073000"])
    assert gages.to_list() == ["USGS-1073000", "USGS-01073000"]
    assert "USGS-01073000" in gages
    assert "USGS-001073000" not in gages


def test_numbers_without_a_stem_are_ids_too():
    assert IdSet.of(["101", "7", "7"]).to_list() == ["7", "101"]


def test_long_sets_are_written_as_runs():
    held = IdSet.numbered("cat-", np.arange(1, 800_001))
    assert held.to_dict() == {"numbers": {"cat-": [1, 800_000]}, "others": []}
    assert str(held) == "cat-1, cat-2, cat-3, … cat-800000 (800,000 ids)"
    assert (held.low, held.high) == (1, 800_000)


def test_nobody_changes_one():
    numbers = np.arange(1, 4)
    held = IdSet.numbered("cat-", numbers)
    numbers[0] = 99
    assert held.to_list() == ["cat-1", "cat-2", "cat-3"]
    with pytest.raises(ValueError, match="read-only"):
        held.numbers["cat-"][0] = 99
    with pytest.raises(AttributeError, match="does not change"):
        held.others = frozenset()
    with pytest.raises(TypeError):
        held.numbers["nex-"] = numbers


@pytest.mark.parametrize("ids", [["cat-1", ""], [None], [7], "cat-1", [b"cat-1"]])
def test_what_is_no_id_is_refused(ids):
    with pytest.raises(CoverageError):
        IdSet.of(ids)


@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param({"cat-": np.array([-1])}, id="below zero"),
        pytest.param({"cat-": np.array([10**18])}, id="too large"),
        pytest.param({"cat-": np.array([1.5])}, id="no whole number"),
        pytest.param({"cat-1": np.array([5])}, id="a stem that would be part of the number"),
        pytest.param({"cat-": np.array([[1]])}, id="two dimensions"),
    ],
)
def test_numbers_that_make_no_ids_are_refused(numbers):
    with pytest.raises(CoverageError):
        IdSet(numbers)


@pytest.mark.parametrize(
    "plain",
    [
        {},
        {"numbers": {"cat-": [1]}, "others": []},
        {"numbers": {"cat-": [1, 0]}, "others": []},
        {"numbers": {"cat-": [-1, 2]}, "others": []},
        {"numbers": {"cat-": [1, 10**15]}, "others": []},
        {"numbers": {"cat-": [1, 10**30]}, "others": []},
        {"numbers": {"cat-": [10**17, 1] * 20}, "others": []},
        {"numbers": {"cat-": ["x", 1]}, "others": []},
        {"numbers": [], "others": [""]},
        {"numbers": {"cat-7": [1, 1]}, "others": []},
        {"numbers": None, "others": []},
    ],
)
def test_a_damaged_text_is_refused_and_fills_no_memory(plain):
    with pytest.raises(CoverageError):
        IdSet.from_dict(plain)


def test_the_ids_of_a_continent_are_compared_in_milliseconds():
    rng = np.random.default_rng(1)
    numbers = np.sort(rng.choice(3_000_000, 832_000, replace=False))
    continent, half = IdSet.numbered("cat-", numbers), IdSet.numbered("cat-", numbers[::2])
    assert sum(held.nbytes for held in continent.numbers.values()) < 7e6

    def fastest(act) -> float:
        """The best of five, in seconds."""
        taken = []
        for _ in range(5):
            start = time.perf_counter()
            assert act()
            taken.append(time.perf_counter() - start)
        return min(taken)

    # Some 7 ms on a slow core; a set of texts of that size takes as long only for its hashes.
    assert fastest(lambda: half <= continent) < 0.1
    assert fastest(lambda: IdSet.of(["cat-1"]) <= IdSet.of(["cat-1", "cat-2"])) < 0.001


def test_the_parts_of_a_real_river_are_apart_and_make_all_of_it(data):
    parts = json.loads((data / "partitions" / "partition_huc01.json").read_text())["partitions"]
    sets = [IdSet.of(part["cat-ids"]) for part in parts]
    whole = sets[0]
    for part in sets[1:]:
        assert not part & whole
        whole |= part
    assert len(whole) == sum(len(part["cat-ids"]) for part in parts)
    assert set(whole) == {name for part in parts for name in part["cat-ids"]}
