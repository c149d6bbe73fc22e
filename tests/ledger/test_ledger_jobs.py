"""Jobs in the ledger: what their owner does with them."""

from __future__ import annotations

import time

import pytest

from dmod.errors import JobError, LostLease
from dmod.job.lifecycle import Goal, State
from dmod.job.record import Progress
from dmod.ledger.jobs import JobRow

ENDED = [State.COMPLETE, State.FAILED, State.CANCELLED]


def test_a_job_comes_back_as_it_was_added(ledger):
    before = time.time()
    asked = JobRow(
        "j-1", "Mad River", "ada", '{"directory": "/data/mad"}', priority=70, array="a-1", cores=4, memory_bytes=2**40
    )
    kept = ledger.add_job(asked)
    assert kept == ledger.job("j-1")
    assert (kept.name, kept.owner, kept.request_json) == ("Mad River", "ada", '{"directory": "/data/mad"}')
    assert (kept.priority, kept.array, kept.cores, kept.memory_bytes) == (70, "a-1", 4, 2**40)
    assert (kept.goal, kept.state, kept.holder, kept.claim_until_s) == (Goal.COMPLETE, State.REQUESTED, None, None)
    assert before - 1 <= kept.submitted_s <= kept.updated_s <= time.time() + 1


def test_a_request_of_a_continent_comes_back_whole(ledger):
    text = '{"catchments": [' + ", ".join(f'"cat-{n}"' for n in range(200_000)) + "]}"
    ledger.add_job(JobRow("big", "big", "ada", text))
    assert ledger.job("big").request_json == text


def test_an_id_is_given_once(ledger, add):
    add("one")
    with pytest.raises(JobError, match="there is a job 'one' already"):
        ledger.add_job(JobRow("one", "other", "bob", "{}"))
    assert ledger.job("one").owner == "ada"


def test_of_several_jobs_all_are_added_or_none(ledger, add):
    add("two")
    with pytest.raises(JobError):
        ledger.add_jobs([JobRow(name, "x", "ada", "{}") for name in ("one", "two", "three")])
    assert [row.id for row in ledger.jobs()] == ["two"]


@pytest.mark.parametrize("wrong", ["", "..", "../up", "a/b", ".hidden", "a b", "a" * 101, "a\n"])
def test_an_id_that_could_leave_the_directory_of_jobs_is_refused(wrong):
    with pytest.raises(JobError, match="cannot be the id of a job"):
        JobRow(wrong, "x", "ada", "{}")


def test_jobs_are_listed_newest_first_and_sifted(ledger, add):
    add("one", array="x")
    add("two", owner="bob", array="x")
    add("three", State.FAILED)

    def ids(**given):
        return [row.id for row in ledger.jobs(**given)]

    assert ids() == ["three", "two", "one"]
    assert ids(owner="ada") == ["three", "one"]
    assert ids(array="x") == ["two", "one"]
    assert ids(states=[State.FAILED, State.COMPLETE]) == ["three"]
    assert ids(states=[]) == []
    assert ids(limit=2) == ["three", "two"]
    assert ids(owner="ada", array="x", limit=5) == ["one"]
    assert ids(owner="' OR 1 = 1 --") == []


@pytest.mark.parametrize(
    "act",
    [
        lambda ledger: ledger.job("none"),
        lambda ledger: ledger.goal("none"),
        lambda ledger: ledger.events("none"),
        lambda ledger: ledger.log("none"),
        lambda ledger: ledger.set_goal("none", Goal.CANCELLED),
        lambda ledger: ledger.restart("none"),
        lambda ledger: ledger.delete_job("none"),
        lambda ledger: ledger.put_detail("none", "plan", "x"),
        lambda ledger: ledger.append("none", "me", None, "x"),
        lambda ledger: ledger.write_log("none", "me", "x"),
        lambda ledger: ledger.report_progress("none", "me", Progress()),
        lambda ledger: ledger.allocate("none", "me", []),
    ],
)
def test_a_job_that_is_not_there_is_said_to_be_not_there(ledger, act):
    with pytest.raises(JobError, match=r"there is no job 'none'(.|\n)*dmod jobs"):
        act(ledger)


def test_a_goal_may_be_changed_while_the_job_is_not_over(ledger, add):
    add("one", State.RUNNING)
    ledger.set_goal("one", Goal.CANCELLED)
    assert ledger.goal("one") is Goal.CANCELLED
    ledger.set_goal("one", Goal.CANCELLED)
    ledger.set_goal("one", Goal.COMPLETE)
    assert ledger.job("one").goal is Goal.COMPLETE


@pytest.mark.parametrize("state", ENDED)
def test_a_job_that_is_over_cannot_be_cancelled(ledger, add, state):
    add("one", state)
    with pytest.raises(JobError, match=f"is {state} already"):
        ledger.set_goal("one", Goal.CANCELLED)
    assert ledger.goal("one") is Goal.COMPLETE


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
def test_a_job_that_did_not_complete_begins_again_with_its_history(ledger, add, state):
    add("one", State.RUNNING)
    ledger.set_goal("one", Goal.CANCELLED)
    ledger.report_progress("one", "me", Progress(5, 10, 1.0))
    ledger.append("one", "me", state, "ended")
    assert ledger.claim("you", 60) == []
    event = ledger.restart("one")
    assert (event.number, event.state, event.message) == (3, State.REQUESTED, "restarted")
    assert [one.message for one in ledger.events("one")] == ["requested", "as the test wants it", "ended", "restarted"]
    row = ledger.job("one")
    assert (row.state, row.goal, row.holder) == (State.REQUESTED, Goal.COMPLETE, None)
    assert ledger.progress("one") == Progress()
    assert ledger.claim("you", 60) == ["one"]


def test_who_conducted_a_job_before_its_restart_has_lost_it(ledger, add):
    add("one", State.FAILED)
    ledger.restart("one")
    with pytest.raises(LostLease, match="nobody holds the job any more"):
        ledger.append("one", "me", State.RESOLVED, "late")
    assert ledger.job("one").state is State.REQUESTED


@pytest.mark.parametrize("state", [state for state in State if state not in (State.FAILED, State.CANCELLED)])
def test_a_job_that_did_not_fail_and_was_not_cancelled_cannot_be_restarted(ledger, add, state):
    add("one", state)
    with pytest.raises(JobError, match=f"is {state}: it cannot be restarted"):
        ledger.restart("one")
    assert ledger.job("one").state is state


def test_a_stopped_job_does_not_restart_by_itself(ledger, add):
    add("one", State.CANCELLED)
    ledger.release("me", ["one"])
    assert ledger.claim("you", 60) == []
    assert ledger.job("one").state is State.CANCELLED


def test_a_deleted_job_leaves_nothing(ledger, add):
    add("one", State.RUNNING)
    ledger.put_detail("one", "plan", "4 parts")
    ledger.write_log("one", "me", "hello\n")
    ledger.report_progress("one", "me", Progress(1, 2, 3.0))
    ledger.allocate("one", "me", [("a", 1, 2)])
    with pytest.raises(JobError, match="only a job that is over can be deleted"):
        ledger.delete_job("one")
    ledger.append("one", "me", State.COMPLETE, "done")
    ledger.delete_job("one")
    assert ledger.jobs() == []
    with ledger._db.read() as tx:
        for table in ("jobs", "requests", "events", "progress", "details", "logs", "grants"):
            assert tx.value(f"SELECT COUNT(*) FROM {table}") == 0, table


def test_an_id_can_be_given_again_after_its_job_was_deleted_and_readers_see_it_as_new(ledger, add):
    add("one", State.COMPLETE)
    cursor = ledger.last_cursor()
    ledger.delete_job("one")
    add("one")
    assert [(entry.job, entry.event.number) for entry in ledger.events_since(cursor)] == [("one", 0)]


def test_details_are_kept_by_key_and_replaced(ledger, add):
    add("one")
    assert ledger.detail("one", "plan") is None
    ledger.put_detail("one", "plan", "4 parts")
    ledger.put_detail("one", "report", "fine × 2")
    ledger.put_detail("one", "plan", "8 parts")
    assert (ledger.detail("one", "plan"), ledger.detail("one", "report")) == ("8 parts", "fine × 2")


def test_text_that_no_database_keeps_is_kept_in_a_way_that_shows(ledger, add):
    add("one", State.RUNNING, name="a\0b\udcff")
    ledger.put_detail("one", "log", "x\0y")
    ledger.write_log("one", "me", "x\0\udcff")
    event = ledger.append("one", "me", None, "x\0y", {"raw": "x\0\udcff"})
    assert ledger.job("one").name == "a\ufffdb?"
    assert ledger.detail("one", "log") == "x\ufffdy"
    assert ledger.log("one")[0][2] == "x\ufffd?"
    assert event.message == "x\ufffdy"
    assert ledger.events("one")[-1] == event
    assert event.facts == {"raw": "x\0\udcff"}
