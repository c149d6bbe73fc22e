"""Whose turn it is: priorities with ageing, fair shares, and nobody waits for ever."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmod.schedule.allocation import allocate
from dmod.schedule.queue import AGEING_S, RESERVE_S, Waiting, may_pass, order, standing
from dmod.schedule.resources import Host, Resources


def job(name, owner="ann", *, priority=50, since_s=0.0, cores=1, memory=0):
    """A job that waits."""
    return Waiting(name, owner, priority, since_s, Resources(cores, memory))


def names(jobs):
    """Their ids."""
    return [one.id for one in jobs]


queues = st.lists(
    st.builds(
        job,
        st.uuids().map(str),
        st.sampled_from(["ann", "bob", "eve"]),
        priority=st.integers(0, 100),
        since_s=st.integers(0, 40_000).map(float),
        cores=st.integers(1, 8),
    ),
    max_size=25,
    unique_by=lambda one: one.id,
)
shares = st.dictionaries(st.sampled_from(["ann", "bob", "eve"]), st.integers(0, 20))


@given(queues, shares, st.randoms())
def test_everybody_comes_once_and_the_order_does_not_hang_on_how_they_were_listed(queue, running, random):
    found = order(queue, running, 40_000.0)
    assert sorted(names(found)) == sorted(names(queue))
    random.shuffle(queue)
    assert order(queue, running, 40_000.0) == found


@given(queues, shares)
def test_a_higher_standing_comes_first(queue, running):
    standings = [standing(one, 40_000.0) for one in order(queue, running, 40_000.0)]
    assert standings == sorted(standings, reverse=True)


@given(queues, shares)
def test_among_equals_whoever_comes_next_holds_no_more_cores_than_those_who_could_have_come(queue, running):
    found = order(queue, running, 40_000.0)
    cores = dict(running)
    for place, one in enumerate(found):
        rivals = {o.owner for o in found[place:] if standing(o, 40_000.0) == standing(one, 40_000.0)}
        assert cores.get(one.owner, 0) == min(cores.get(owner, 0) for owner in rivals)
        cores[one.owner] = cores.get(one.owner, 0) + one.resources.cores


@given(queues)
def test_of_one_owner_the_job_that_waited_longest_is_first_among_equals(queue):
    found = order(queue, {}, 40_000.0)
    for place, one in enumerate(found):
        for later in found[place + 1 :]:
            if (one.owner, standing(one, 40_000.0)) == (later.owner, standing(later, 40_000.0)):
                assert one.since_s <= later.since_s


@given(st.integers(0, 100), st.integers(0, 100), st.floats(0, 1e6), shares)
def test_nobody_who_comes_much_later_is_first_whatever_their_priority(mine, theirs, since_s, running):
    old = job("old", "ann", priority=mine, since_s=since_s)
    # Ten points an hour: after eleven hours nothing that begins to wait can catch up.
    new = job("new", "bob", priority=theirs, since_s=since_s + 11 * AGEING_S + 1)
    for later_s in (0.0, 10.0, AGEING_S, 1e6):
        assert names(order([new, old], running, new.since_s + later_s)) == ["old", "new"]


def test_a_user_with_fewer_cores_comes_first_and_then_users_take_turns():
    queue = [job(f"{owner}{n}", owner, since_s=float(n), cores=2) for owner in ("ann", "bob") for n in (1, 2, 3)]
    assert names(order(queue, {}, 10.0)) == ["ann1", "bob1", "ann2", "bob2", "ann3", "bob3"]
    assert names(order(queue, {"ann": 4}, 10.0)) == ["bob1", "bob2", "ann1", "bob3", "ann2", "ann3"]


def test_an_hour_of_waiting_is_worth_ten_points():
    queue = [job("low", priority=45), job("high", priority=54, since_s=3000.0)]
    assert names(order(queue, {}, 3599.0)) == ["high", "low"]
    assert names(order(queue, {}, 3600.0)) == ["low", "high"]


def test_a_clock_that_was_set_back_takes_nothing_away():
    assert standing(job("a", since_s=1e9), 0.0) == 50


@pytest.mark.parametrize(
    ("other", "passes"),
    [
        pytest.param(job("b", cores=3), True, id="fewer cores"),
        pytest.param(job("b", cores=4, memory=7), True, id="less memory"),
        pytest.param(job("b", cores=4, memory=8), False, id="the same"),
        pytest.param(job("b", cores=1, memory=9), False, id="fewer cores, more memory"),
        pytest.param(job("b", cores=5, memory=1), False, id="more cores, less memory"),
    ],
)
def test_only_a_smaller_job_may_pass_and_only_for_a_while(other, passes):
    head = job("a", cores=4, memory=8)
    assert may_pass(head, other, RESERVE_S - 1) is passes
    assert not may_pass(head, other, RESERVE_S)


def simulated(others, cores, mine):
    """Hours until a job that wants the whole machine starts, with another every ten minutes; None for never."""
    free, waiting, running = Host("a", cores, 0), [job("whole", "ann", priority=mine, cores=cores)], []
    for step in range(6 * 24 * 5):
        now_s = 600.0 * step
        for stop_s, one, given_ in list(running):
            if stop_s <= now_s:
                running.remove((stop_s, one, given_))
                (free,) = given_.given_back_to([free])
        wish, priority, takes = others[step % len(others)]
        waiting.append(job(f"{step}", f"user{step % 3}", priority=priority, since_s=now_s, cores=min(wish, cores)))
        held: dict[str, int] = {}
        for _, one, _ in running:
            held[one.owner] = held.get(one.owner, 0) + one.resources.cores
        head = None
        for one in order(waiting, held, now_s):
            if head is not None and not may_pass(head, one, now_s):
                continue
            given_ = allocate(one.resources, [free])
            if given_ is None:
                head = head or one
                continue
            (free,) = given_.taken_from([free])
            waiting.remove(one)
            running.append((now_s + 600.0 * takes, one, given_))
            if one.id == "whole":
                return now_s / 3600
    return None


@settings(max_examples=20, deadline=None)
@given(
    others=st.lists(st.tuples(st.integers(1, 8), st.integers(0, 100), st.integers(1, 6)), min_size=1, max_size=8),
    cores=st.integers(2, 8),
    mine=st.integers(0, 100),
)
def test_a_job_that_wants_the_whole_machine_starts_however_many_others_keep_coming(others, cores, mine):
    # Eleven hours until nobody who arrives comes before it; those 66 in front of it run for an hour each at most.
    assert simulated(others, cores, mine) <= 11 + 66 + 1


def test_small_jobs_that_never_stop_coming_hold_up_a_large_one_for_minutes_not_for_ever():
    # Each arrives while the one before it runs: without a reserve the machine would never be empty.
    assert simulated([(1, 50, 2)], 4, 50) == pytest.approx(1 / 3)
