"""A job walks one line, from any place of which it can be stopped."""

from __future__ import annotations

from itertools import pairwise

import pytest

from dmod.job.lifecycle import LINE, Goal, State, Verb, after, step

FINAL = {State.COMPLETE, State.FAILED, State.CANCELLED}


def test_the_line_is_one_unbroken_way_from_requested_to_complete():
    assert [verb.name for verb in LINE] == [
        "resolve", "prepare", "partition", "allocate", "launch", "monitor", "publish",
    ]  # fmt: skip
    assert LINE[0].before is State.REQUESTED
    assert LINE[-1].after is State.COMPLETE
    assert all(one.after is two.before for one, two in pairwise(LINE))


def test_walking_to_the_end_meets_every_state_but_the_two_bad_ends():
    met, state = [State.REQUESTED], State.REQUESTED
    while isinstance(verb := step(state, Goal.COMPLETE), Verb):
        state = after(verb)
        met.append(state)
    assert met == [
        "requested", "resolved", "prepared", "partitioned", "allocated", "running", "finished", "complete",
    ]  # fmt: skip
    assert set(State) - set(met) == {State.FAILED, State.CANCELLED}


@pytest.mark.parametrize("state", State)
def test_a_state_is_final_where_nothing_follows_whatever_the_goal(state):
    assert state.is_final is (state in FINAL)
    assert [step(state, goal) is None for goal in Goal] == [state in FINAL] * 2


@pytest.mark.parametrize("state", sorted(set(State) - FINAL))
def test_a_job_can_be_cancelled_from_every_state_that_is_not_final(state):
    assert step(state, Goal.CANCELLED) is State.CANCELLED


@pytest.mark.parametrize("verb", LINE, ids=lambda verb: verb.name)
def test_every_verb_may_succeed_fail_or_be_stopped(verb):
    assert step(verb.before, Goal.COMPLETE) is verb
    assert after(verb) is verb.after
    assert after(verb, failed=True) is State.FAILED
    assert after(verb, stopped=True) is State.CANCELLED
    assert after(verb, failed=True, stopped=True) is State.CANCELLED
