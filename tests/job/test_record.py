"""Events add up to a status, and progress to a rate."""

from __future__ import annotations

import json

import pytest

from dmod.job.lifecycle import Goal, State
from dmod.job.record import Event, Progress, status_of


def test_a_job_of_which_nothing_is_known_is_requested():
    status = status_of("mad-river", Goal.COMPLETE, (), Progress())
    assert (status.state, status.message, dict(status.facts)) == (State.REQUESTED, "requested", {})


def test_the_last_event_says_where_a_job_stands_and_later_facts_win():
    events = [
        Event(0, 10.0, State.RESOLVED, "12 catchments", {"verb": "check", "warnings": 2}),
        Event(1, 11.0, State.PARTITIONED, "4 parts", {"verb": "partition"}),
    ]
    status = status_of("mad-river", Goal.CANCELLED, events, Progress())
    assert (status.state, status.goal, status.message) == (State.PARTITIONED, Goal.CANCELLED, "4 parts")
    assert status.facts == {"verb": "partition", "warnings": 2}


def test_progress_is_done_over_total_and_done_over_time():
    progress = Progress(done=250, total=1000, elapsed_s=5.0)
    assert (progress.fraction, progress.rate, progress.remaining_s) == (0.25, 50.0, 15.0)


@pytest.mark.parametrize(
    ("progress", "fraction", "rate", "remaining_s"),
    [
        pytest.param(Progress(), 0.0, 0.0, None, id="nothing known"),
        pytest.param(Progress(0, 100, 3.0), 0.0, 0.0, None, id="nothing done"),
        pytest.param(Progress(100, 100, 4.0), 1.0, 25.0, 0.0, id="all done"),
        pytest.param(Progress(120, 100, 4.0), 1.0, 30.0, 0.0, id="told twice"),
    ],
)
def test_progress_at_its_edges(progress, fraction, rate, remaining_s):
    assert (progress.fraction, progress.rate, progress.remaining_s) == (fraction, rate, remaining_s)


def test_progress_without_time_has_no_rate_and_divides_by_nothing():
    assert Progress(10, 100, 0.0).rate == 0.0
    assert Progress(10, 100, 0.0).remaining_s is None


def test_a_status_as_a_dictionary_is_json():
    events = [Event(0, 1.0, State.RUNNING, "running", {"verb": "launch"})]
    found = status_of("a", Goal.COMPLETE, events, Progress(1, 4, 2.0)).to_dict()
    assert json.loads(json.dumps(found)) == {
        "name": "a", "state": "running", "goal": "complete", "message": "running", "fraction": 0.25,
        "done": 1, "total": 4, "rate": 0.5, "elapsed_s": 2.0, "remaining_s": 6.0, "verb": "launch",
    }  # fmt: skip
