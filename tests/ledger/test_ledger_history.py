"""Events in the ledger: dense, only ever added, and never by who lost the job."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from dmod.errors import JobError, LedgerError, LostLease
from dmod.job.lifecycle import State
from dmod.job.record import Progress
from dmod.ledger.jobs import JobRow
from dmod.ledger.ledger import Ledger


def test_the_history_of_a_job_begins_with_its_request(ledger, add):
    add("one")
    (event,) = ledger.events("one")
    assert (event.number, event.state, event.message, event.facts) == (0, State.REQUESTED, "requested", {})


def test_an_event_comes_back_as_it_was_told(ledger, add):
    add("one", State.RESOLVED)
    told = ledger.append("one", "me", State.PREPARED, "14 catchments × 24 steps", {"path": Path("/x"), "n": [1, 2.5]})
    assert told.facts == {"path": "/x", "n": [1, 2.5]}
    assert ledger.events("one")[2] == told
    assert ledger.events("one", after=1) == [told]
    assert ledger.events("one", after=2) == []
    row = ledger.job("one")
    assert (row.state, row.updated_s) == (State.PREPARED, told.time_s)


def test_an_event_without_a_state_leaves_the_job_where_it_stands(ledger, add):
    add("one", State.RUNNING)
    assert ledger.append("one", "me", None, "a worker was lost").state is State.RUNNING
    assert ledger.job("one").state is State.RUNNING


def test_nobody_writes_history_without_a_claim(ledger, add):
    add("one")
    with pytest.raises(LostLease, match="nobody holds"):
        ledger.append("one", "me", State.RESOLVED, "x")
    ledger.claim("me", 60)
    with pytest.raises(LostLease, match="somebody else conducts the job now") as lost:
        ledger.append("one", "you", State.RESOLVED, "x")
    assert (lost.value.facts["needed"], lost.value.facts["has"]) == ("a claim of you", "me")
    with pytest.raises(LostLease):
        ledger.report_progress("one", "you", Progress(1, 2, 3.0))
    with pytest.raises(LostLease):
        ledger.write_log("one", "you", "x")
    with pytest.raises(LostLease):
        ledger.allocate("one", "you", [("a", 1, 1)])
    assert len(ledger.events("one")) == 1
    assert (ledger.progress("one"), ledger.log("one"), ledger.allocations(live=False)) == (Progress(), [], [])


def test_an_event_that_would_come_out_of_turn_is_refused(ledger, add):
    add("one", State.RESOLVED)
    with pytest.raises(LostLease, match="something happened to the job meanwhile"):
        ledger.append("one", "me", State.PREPARED, "x", expect_number=1)
    assert ledger.job("one").state is State.RESOLVED
    assert ledger.append("one", "me", State.PREPARED, "x", expect_number=2).number == 2


@pytest.mark.parametrize("state", [State.COMPLETE, State.FAILED, State.CANCELLED])
def test_nothing_happens_to_a_job_that_is_over_but_notes_are_taken(ledger, add, state):
    add("one", state)
    for other in (State.RUNNING, State.COMPLETE if state is not State.COMPLETE else State.FAILED):
        with pytest.raises(JobError, match="nothing more happens to it"):
            ledger.append("one", "me", other, "x")
    ledger.append("one", "me", None, "swept")
    assert ledger.events("one")[-1].state is state


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE events SET message = 'never happened'",
        "UPDATE events SET number = number + 100",
        "DELETE FROM events WHERE number = 1",
        "DELETE FROM events",
    ],
)
def test_the_database_itself_keeps_history_as_it_was(ledger, add, change):
    add("one", State.RUNNING)
    before = ledger.events("one")
    with (
        pytest.raises(LedgerError, match=r"events are only ever added|events go only with their job"),
        ledger._db.write() as tx,
    ):
        tx.run(change)
    assert ledger.events("one") == before


def test_a_reader_with_a_cursor_hears_of_all_jobs_in_order(ledger, add):
    assert ledger.last_cursor() == 0
    add("one")
    add("two", State.RUNNING)
    ledger.claim("me", 60, only=["one"])
    ledger.append("one", "me", State.RESOLVED, "x")
    heard = ledger.events_since(0)
    assert [(entry.job, entry.event.number) for entry in heard] == [("one", 0), ("two", 0), ("two", 1), ("one", 1)]
    cursors = [entry.cursor for entry in heard]
    assert cursors == sorted(set(cursors))
    assert ledger.events_since(cursors[1]) == heard[2:]
    assert ledger.events_since(0, limit=2) == heard[:2]
    assert ledger.last_cursor() == cursors[-1]
    assert ledger.events_since(cursors[-1]) == []


def test_progress_is_the_last_that_was_reported(ledger, add):
    add("one", State.RUNNING)
    assert ledger.progress("one") == Progress()
    ledger.report_progress("one", "me", Progress(10, 2**40, 0.5))
    ledger.report_progress("one", "me", Progress(20, 2**40, 1.5))
    assert ledger.progress("one") == Progress(20, 2**40, 1.5)


def test_the_version_changes_with_every_change_and_only_then(ledger, add):
    changes = [
        lambda: add("one"),
        lambda: ledger.claim("me", 60),
        lambda: ledger.append("one", "me", State.RUNNING, "x"),
        lambda: ledger.report_progress("one", "me", Progress(1, 2, 3.0)),
        lambda: ledger.write_log("one", "me", "x"),
        lambda: ledger.put_detail("one", "plan", "x"),
        lambda: ledger.beat("me", {}, 60),
    ]
    for change in changes:
        before = ledger.version()
        change()
        assert ledger.version() != before
    still = ledger.version()
    ledger.jobs(), ledger.events("one"), ledger.claim("you", 60), ledger.holders()
    assert ledger.version() == still


class Story(RuleBasedStateMachine):
    """Jobs under two conductors, in any order; what a dictionary says is what the ledger must say."""

    url = ""
    names = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger.open(self.url)
        self.held: dict[str, str | None] = {}
        self.states: dict[str, list[State]] = {}

    def teardown(self) -> None:
        self.ledger.close()

    @rule()
    def submit(self) -> None:
        job = f"job-{next(Story.names)}"
        self.ledger.add_job(JobRow(job, "x", "ada", "{}"))
        self.held[job], self.states[job] = None, [State.REQUESTED]

    @rule(holder=st.sampled_from(["a", "b"]), limit=st.integers(1, 3))
    def claim(self, holder: str, limit: int) -> None:
        free = [job for job, who in self.held.items() if who is None and not self.states[job][-1].is_final]
        got = self.ledger.claim(holder, 600, only=self.held, limit=limit)
        assert set(got) <= set(free)
        assert len(got) == min(limit, len(free))
        self.held |= dict.fromkeys(got, holder)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), holder=st.sampled_from(["a", "b"]), state=st.none() | st.sampled_from(State))
    def append(self, data: st.DataObject, holder: str, state: State | None) -> None:
        job = data.draw(st.sampled_from(sorted(self.held)))
        history = self.states[job]
        try:
            event = self.ledger.append(job, holder, state, "x")
        except LostLease:
            assert self.held[job] != holder
        except JobError:
            assert history[-1].is_final
            assert state not in (None, history[-1])
        else:
            assert self.held[job] == holder
            assert event.number == len(history)
            history.append(history[-1] if state is None else state)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(sorted(self.held)))
        self.ledger.release(self.held[job] or "a", [job])
        self.held[job] = None

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def restart(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(sorted(self.held)))
        if self.states[job][-1] in (State.FAILED, State.CANCELLED):
            self.ledger.restart(job)
            self.states[job].append(State.REQUESTED)
            self.held[job] = None
        else:
            with pytest.raises(JobError):
                self.ledger.restart(job)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(sorted(self.held)))
        if self.states[job][-1].is_final:
            self.ledger.delete_job(job)
            del self.held[job], self.states[job]
        else:
            with pytest.raises(JobError):
                self.ledger.delete_job(job)

    @invariant()
    def history_is_dense_and_ends_where_the_job_stands(self) -> None:
        for job, states in self.states.items():
            events = self.ledger.events(job)
            assert [event.number for event in events] == list(range(len(states)))
            assert [event.state for event in events] == states
            row = self.ledger.job(job)
            assert (row.state, row.holder) == (states[-1], self.held[job])


def test_whatever_conductors_do_history_is_dense_and_the_job_stands_where_it_ends(url):
    Story.url = url
    quick = settings(
        max_examples=15, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    run_state_machine_as_test(Story, settings=quick)
