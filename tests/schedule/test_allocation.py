"""Who gets which cores: never more than there is, always just what was asked for, and all given back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmod.errors import AllocationError
from dmod.schedule.allocation import PARADIGMS, Allocation, allocate, never
from dmod.schedule.resources import Host, Resources

GIB = 2**30
HOSTS = (Host("a", 8, 16 * GIB), Host("b", 4, 8 * GIB), Host("c", 2, 32 * GIB))


@st.composite
def hosts(draw):
    """Up to five hosts, some of each in use; a few bytes of memory, so that every byte matters."""
    made = []
    for name in "abcde"[: draw(st.integers(1, 5))]:
        cores, memory = draw(st.integers(0, 9)), draw(st.integers(0, 40))
        made.append(Host(name, cores, memory, draw(st.integers(0, cores)), draw(st.integers(0, memory))))
    return tuple(made)


wishes = st.builds(Resources, st.integers(1, 20), st.integers(0, 60))
paradigms = st.sampled_from(sorted(PARADIGMS))


@given(wishes, hosts(), paradigms)
def test_a_job_gets_just_what_it_asked_for_and_no_host_gives_more_than_is_free(wish, there, paradigm):
    given_ = allocate(wish, there, paradigm)
    if given_ is None:
        return
    assert (given_.cores, given_.memory_bytes) == (wish.cores, wish.memory_bytes)
    after = given_.taken_from(there)
    assert all(host.free_cores >= 0 and host.free_memory_bytes >= 0 for host in after)
    assert sum(host.free_cores for host in there) - sum(host.free_cores for host in after) == wish.cores
    assert given_.given_back_to(after) == there


@given(wishes, hosts(), paradigms)
def test_what_is_never_possible_is_just_what_empty_hosts_cannot_give(wish, there, paradigm):
    empty = [host.emptied() for host in there]
    assert (never(wish, there, paradigm) is None) == (allocate(wish, empty, paradigm) is not None)


@given(wishes, hosts())
def test_what_fits_on_one_host_fits_when_spread(wish, there):
    if allocate(wish, there, "single_node") is not None:
        assert allocate(wish, there, "fill_nodes") is not None
        assert allocate(wish, there, "round_robin") is not None


@given(wishes, hosts())
def test_spread_one_way_or_the_other_the_same_jobs_fit(wish, there):
    assert (allocate(wish, there, "fill_nodes") is None) == (allocate(wish, there, "round_robin") is None)


@given(st.integers(1, 30), hosts())
def test_without_memory_a_job_waits_only_for_cores(cores, there):
    fits = allocate(Resources(cores), there, "fill_nodes") is not None
    assert fits == (cores <= sum(host.free_cores for host in there))


@given(st.integers(1, 30), hosts())
def test_in_turn_parts_differ_only_where_a_host_is_full(cores, there):
    given_ = allocate(Resources(cores), there, "round_robin")
    if given_ is None:
        return
    free = {host.name: host.free_cores for host in there}
    most = max(taken for _, taken, _ in given_.parts)
    assert all(taken in (most, most - 1, free[name]) for name, taken, _ in given_.parts)
    untouched = free.keys() - {name for name, _, _ in given_.parts}
    assert most <= 1 or not any(free[name] for name in untouched)


@given(st.lists(wishes, max_size=12), hosts(), paradigms)
def test_many_jobs_in_a_row_never_hold_more_than_there_is_and_give_it_all_back(jobs, there, paradigm):
    free, held = there, []
    for wish in jobs:
        given_ = allocate(wish, free, paradigm)
        if given_ is not None:
            free = given_.taken_from(free)
            held.append(given_)
    for host in there:
        of_host = [part for given_ in held for part in given_.parts if part[0] == host.name]
        assert sum(cores for _, cores, _ in of_host) <= host.free_cores
        assert sum(memory for _, _, memory in of_host) <= host.free_memory_bytes
        # What the ledger tells of allocations means the same as taking them one by one.
        assert host.without(of_host) in free
    for given_ in held:
        free = given_.given_back_to(free)
    assert free == there


@pytest.mark.parametrize(
    ("wish", "paradigm", "parts"),
    [
        pytest.param(Resources(2), "single_node", (("c", 2, 0),), id="the tightest host"),
        pytest.param(Resources(2, 20 * GIB), "single_node", (("c", 2, 20 * GIB),), id="the one with the memory"),
        pytest.param(Resources(9), "single_node", None, id="too many for one"),
        pytest.param(Resources(9), "fill_nodes", (("a", 8, 0), ("b", 1, 0)), id="as few hosts as will do"),
        pytest.param(Resources(8), "round_robin", (("a", 3, 0), ("b", 3, 0), ("c", 2, 0)), id="in turn"),
        pytest.param(
            Resources(6, 24 * GIB), "fill_nodes", (("a", 4, 16 * GIB), ("b", 2, 8 * GIB)), id="memory goes with cores"
        ),
        pytest.param(Resources(3, 10), "round_robin", (("a", 1, 4), ("b", 1, 4), ("c", 1, 2)), id="to the byte"),
    ],
)
def test_allocations_worked_out_by_hand(wish, paradigm, parts):
    assert allocate(wish, HOSTS, paradigm) == (None if parts is None else Allocation(parts))


@pytest.mark.parametrize(
    ("wish", "paradigm", "why"),
    [
        (Resources(12), "single_node", "no host has more than 8 cores; 8 cores, or 12 cores with fill_nodes would fit"),
        (Resources(40), "round_robin", "all hosts together have no more than 14 cores; 14 cores would fit"),
        (
            Resources(4, 33 * GIB),
            "single_node",
            "no host has more than 32 GiB of memory; 4 cores and 16 GiB would fit",
        ),
        (
            Resources(6, 20 * GIB),
            "single_node",
            (
                "no host has 6 cores and 20 GiB; "
                "2 cores and 20 GiB, or 6 cores and 16 GiB, or 6 cores and 20 GiB with fill_nodes would fit"
            ),
        ),
        (
            Resources(2, 33 * GIB),
            "fill_nodes",
            "no cores have so much memory beside them; 2 cores and 32 GiB would fit",
        ),
    ],
)
def test_what_never_fits_is_told_with_what_would(wish, paradigm, why):
    assert never(wish, HOSTS, paradigm) == why


def test_hosts_in_use_are_waited_for_and_hosts_without_cores_are_not():
    busy = tuple(host.without([(host.name, 99, 0)]) for host in HOSTS)
    assert allocate(Resources(8), busy) is None
    assert never(Resources(8), busy) is None
    assert never(Resources(1), [Host("a", 0, GIB)]) == "there is no host with a core"
    assert never(Resources(1), []) == "there is no host with a core"


def test_an_unknown_paradigm_is_refused_with_those_that_are_known():
    with pytest.raises(AllocationError, match=r"'everywhere'[\s\S]*single_node, fill_nodes, round_robin"):
        allocate(Resources(1), HOSTS, "everywhere")


def test_nothing_is_taken_twice_from_a_host_or_given_back_twice():
    given_ = allocate(Resources(8), HOSTS)
    after = given_.taken_from(HOSTS)
    with pytest.raises(AllocationError, match="a does not have that much free"):
        given_.taken_from(after)
    with pytest.raises(AllocationError, match="a never gave that much away"):
        given_.given_back_to(HOSTS)
    with pytest.raises(AllocationError, match="a host is gone"):
        given_.taken_from(HOSTS[1:])


@pytest.mark.parametrize("parts", [(), (("a", 0, 0),), (("a", 1, -1),), (("a", 1, 0), ("a", 1, 0))])
def test_an_allocation_of_nothing_is_refused(parts):
    with pytest.raises(ValueError, match="does not"):
        Allocation(parts)
