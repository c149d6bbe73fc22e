"""Claims, holders and grants: who conducts what, with which cores."""

from __future__ import annotations

import time

import pytest

from dmod.errors import LostLease
from dmod.job.lifecycle import State

GB = 10**9


def test_the_highest_priority_is_taken_first_then_the_oldest(ledger, add):
    for name, priority in (("low", 10), ("first", 50), ("second", 50), ("high", 90)):
        add(name, priority=priority)
    assert ledger.claim("me", 60, limit=2) == ["high", "first"]
    assert ledger.claim("you", 60, limit=9) == ["second", "low"]
    assert ledger.claim("you", 60, limit=9) == []
    assert [ledger.job(name).holder for name in ("high", "low")] == ["me", "you"]


def test_only_what_was_named_is_taken(ledger, add):
    for name in ("one", "two", "three"):
        add(name)
    assert ledger.claim("me", 60, only=["two", "none"], limit=9) == ["two"]
    assert ledger.claim("me", 60, only=[], limit=9) == []


def test_more_jobs_can_be_named_than_a_statement_has_room_for(ledger, add):
    add("one")
    assert ledger.claim("me", 60, only=[*(f"none-{n}" for n in range(70_000)), "one"]) == ["one"]
    assert ledger.renew("me", [*(f"none-{n}" for n in range(70_000)), "one"], 60) == ["one"]


@pytest.mark.parametrize("state", [State.COMPLETE, State.FAILED, State.CANCELLED])
def test_a_job_that_is_over_is_never_taken(ledger, add, state):
    add("one", state)
    ledger.release("me", ["one"])
    assert ledger.claim("you", 60) == []


def test_a_claim_that_ran_out_is_taken_and_the_old_holder_is_refused(ledger, add):
    add("one")
    assert ledger.claim("old", 60) == ["one"]
    assert ledger.claim("new", 60) == []
    assert ledger.renew("old", ["one"], 0.05) == ["one"]
    time.sleep(0.1)
    # Nobody took it yet, so that it is still the old holder's.
    ledger.append("one", "old", State.RESOLVED, "just in time")
    assert ledger.claim("new", 60) == ["one"]
    with pytest.raises(LostLease):
        ledger.append("one", "old", State.PREPARED, "too late")
    assert ledger.renew("old", ["one"], 60) == []
    ledger.release("old", ["one"])
    assert ledger.job("one").holder == "new"
    assert [event.message for event in ledger.events("one")] == ["requested", "just in time"]


def test_a_renewed_claim_lasts(ledger, add):
    add("one")
    ledger.claim("me", 0.05)
    assert ledger.renew("me", ["one", "none"], 60) == ["one"]
    time.sleep(0.1)
    assert ledger.claim("you", 60) == []
    assert ledger.job("one").claim_until_s == pytest.approx(time.time() + 60, abs=30)


def test_a_job_given_up_is_there_for_others(ledger, add):
    add("one")
    ledger.claim("me", 60)
    ledger.release("me", ["one"])
    assert ledger.claim("you", 60) == ["one"]


def test_a_holder_that_leaves_gives_all_its_claims_up(ledger, add):
    add("one")
    add("two")
    ledger.beat("me", {"pid": 1}, 60)
    ledger.claim("me", 60, limit=2)
    ledger.leave("me")
    assert ledger.holders(live=False) == []
    assert ledger.claim("you", 60, limit=2) == ["one", "two"]


def test_holders_live_as_long_as_they_say_so(ledger):
    ledger.beat("short", {"kind": "session"}, 0.05)
    ledger.beat("long", {"kind": "serve", "pid": 7, "host": "a"}, 60)
    time.sleep(0.1)
    (holder,) = ledger.holders()
    assert (holder.name, holder.facts) == ("long", {"kind": "serve", "pid": 7, "host": "a"})
    assert holder.until_s - holder.beat_s == pytest.approx(60)
    assert [one.name for one in ledger.holders(live=False)] == ["long", "short"]
    ledger.beat("short", {"kind": "session", "cluster": "tcp://a:1"}, 60)
    assert [one.name for one in ledger.holders()] == ["long", "short"]
    assert ledger.holders()[1].facts["cluster"] == "tcp://a:1"


def test_a_job_has_what_it_was_given_until_it_gives_it_back(ledger, add):
    add("one", State.PARTITIONED)
    assert ledger.allocate("one", "me", [("a", 2, GB), ("b", 1, GB), ("a", 1, GB)])
    assert [(g.job, g.owner, g.host, g.cores, g.memory_bytes) for g in ledger.allocations()] == [
        ("one", "ada", "a", 3, 2 * GB),
        ("one", "ada", "b", 1, GB),
    ]
    # Done twice, it is the last that counts.
    ledger.allocate("one", "me", [("b", 4, GB)])
    assert [(g.host, g.cores) for g in ledger.allocations()] == [("b", 4)]
    ledger.give_back("one")
    ledger.give_back("one")
    assert ledger.allocations(live=False) == []


@pytest.mark.parametrize("state", [State.COMPLETE, State.FAILED, State.CANCELLED])
def test_cores_do_not_leak_however_a_job_ends(ledger, add, state):
    add("one", State.RUNNING)
    ledger.allocate("one", "me", [("a", 2, GB)])
    ledger.append("one", "me", state, "ended")
    assert ledger.allocations(live=False) == []


def test_what_a_dead_conductor_was_given_counts_no_more(ledger, add):
    add("one")
    ledger.claim("me", 0.05)
    ledger.allocate("one", "me", [("a", 2, GB)])
    time.sleep(0.1)
    assert ledger.allocations() == []
    assert [grant.job for grant in ledger.allocations(live=False)] == ["one"]


@pytest.mark.parametrize(
    ("parts", "fits"),
    [
        pytest.param([("a", 2, GB)], True, id="what is left"),
        pytest.param([("a", 3, GB)], False, id="one core too many"),
        pytest.param([("a", 1, 4 * GB)], False, id="too much memory"),
        pytest.param([("a", 1, GB), ("a", 2, GB)], False, id="too much in two parts"),
        pytest.param([("b", 1, GB)], False, id="a host that is not there"),
        pytest.param([], True, id="nothing"),
    ],
)
def test_no_core_is_given_twice(ledger, add, parts, fits):
    add("one", State.PARTITIONED)
    add("two", State.PARTITIONED)
    room = {"a": (4, 4 * GB)}
    assert ledger.allocate("one", "me", [("a", 2, GB)], within=room)
    assert ledger.allocate("two", "me", parts, within=room) is fits
    taken = sum(grant.cores for grant in ledger.allocations())
    assert taken == 2 + (sum(part[1] for part in parts) if fits else 0)
    # What a job has itself does not stand in its way.
    assert ledger.allocate("one", "me", [("a", 4 - (taken - 2), GB)], within=room)
