"""What is told while it happens, without any web server: to whom, how much at once, and after an interruption."""

from __future__ import annotations

import json
import threading
import time

import pytest
from gateway_world import kept, moved, service_of, until

from dmod.errors import LedgerError
from dmod.gateway.stream import Listener, Watch
from dmod.job.lifecycle import Goal, State
from dmod.job.record import Progress
from dmod.ledger.jobs import JobRow
from dmod.ledger.ledger import Ledger


class Ear:
    """Somebody who listens, and takes what is said at once unless told otherwise."""

    def __init__(self, watch, service, cursor=None, *, takes=True):
        self.watch, self.takes = watch, takes
        self.heard, self.at = [], []
        self.listener = Listener(service, self.hear, cursor)
        watch.join(self.listener)

    def hear(self, text):
        self.heard.append(json.loads(text))
        self.at.append(time.monotonic())
        if self.takes:
            self.listener.taken()

    def kinds(self):
        return [message["kind"] for message in self.heard]

    def jobs(self):
        """What the listener knows by now."""
        known = {}
        for message in self.heard:
            if message["kind"] == "snapshot" and message["full"]:
                known = {}
            if message["kind"] in ("snapshot", "jobs"):
                known.update({one["id"]: one for one in message["jobs"]})
            if message["kind"] == "removed":
                for job in message["ids"]:
                    known.pop(job, None)
        return known

    def leave(self):
        self.watch.leave(self.listener)


@pytest.fixture
def watch(ann):
    made = Watch(lambda: ann.ledger)
    yield made
    made.close()


def test_a_snapshot_comes_first_and_then_changes(ann, watch, tiny):
    before = kept(ann, tiny)
    ear = Ear(watch, ann)
    until(lambda: ear.heard)
    assert ear.heard[0]["kind"] == "snapshot"
    assert [one["id"] for one in ear.heard[0]["jobs"]] == [before]
    assert ear.heard[0]["cursor"] == ann.ledger.last_cursor()
    moved(ann, before, State.RUNNING, "it runs")
    after = kept(ann, tiny)
    until(lambda: after in ear.jobs() and ear.jobs()[before]["state"] == "running")
    assert ear.heard[-1]["cursor"] == ann.ledger.last_cursor()
    moved(ann, before, State.FAILED)
    ann.delete(before)
    until(lambda: list(ear.jobs()) == [after])


def test_progress_and_goals_are_told_though_they_are_no_events(ann, watch, tiny):
    job = kept(ann, tiny)
    moved(ann, job, State.RUNNING)
    ear = Ear(watch, ann)
    until(lambda: ear.heard)
    ann.ledger.report_progress(job, "me", Progress(50, 200, 5.0))
    until(lambda: ear.jobs()[job]["fraction"] == 0.25)
    assert ear.jobs()[job]["remaining_s"] == 15.0
    ann.set_goal(job, Goal.CANCELLED, attend=False)
    until(lambda: ear.jobs()[job]["goal"] == "cancelled")


def test_nobody_hears_of_jobs_of_others(ann, bob, watch, tiny):
    hers, his = kept(ann, tiny), kept(bob, tiny)
    ears = Ear(watch, ann), Ear(watch, bob)
    until(lambda: all(ear.heard for ear in ears))
    moved(bob, his, State.FAILED, "secret")
    bob.delete(his)
    last = kept(bob, tiny)
    until(lambda: list(ears[1].jobs()) == [last])
    moved(ann, hers, State.RUNNING)
    until(lambda: ears[0].jobs()[hers]["state"] == "running")
    assert his not in json.dumps(ears[0].heard)
    assert last not in json.dumps(ears[0].heard)
    ears[0].listener.ask(json.dumps({"watch": {"log": last}}))
    watch.wake()
    until(lambda: "log" in ears[0].kinds())
    assert ears[0].heard[-1]["lines"] == []
    assert ears[0].heard[-1]["error"] == f"there is no job '{last}'"


def test_a_change_is_told_within_a_second(ann, watch, tiny):
    job = kept(ann, tiny)
    ear = Ear(watch, ann)
    until(lambda: ear.heard)
    delays = []
    for state in (State.RESOLVED, State.PREPARED, State.RUNNING):
        began = time.monotonic()
        moved(ann, job, state)
        until(lambda state=state: ear.jobs()[job]["state"] == state)
        delays.append(time.monotonic() - began)
    assert min(delays) < 1.0


def test_many_events_make_few_messages(ann, watch, tiny):
    jobs = [kept(ann, tiny) for _ in range(5)]
    for job in jobs:
        moved(ann, job, State.RUNNING, "0")
    ear = Ear(watch, ann)
    until(lambda: ear.heard)
    began = time.monotonic()
    for number in range(200):
        moved(ann, jobs[number % 5], State.RUNNING, str(number))
    until(lambda: ear.jobs()[jobs[4]]["message"] == "199")
    took_s = time.monotonic() - began
    assert len(ear.heard) <= 2 + 10 * took_s
    assert {one["message"] for one in ear.jobs().values()} == {"195", "196", "197", "198", "199"}


def test_who_is_slow_is_told_all_at_once_when_ready(ann, watch, tiny):
    job = kept(ann, tiny)
    slow, quick = Ear(watch, ann, takes=False), Ear(watch, ann)
    until(lambda: slow.heard and quick.heard)
    for number in range(30):
        moved(ann, job, State.RUNNING, str(number))
    until(lambda: quick.jobs()[job]["message"] == "29")
    assert slow.kinds() == ["snapshot"]
    slow.takes = True
    slow.listener.taken()
    until(lambda: slow.jobs()[job]["message"] == "29")
    assert slow.kinds() == ["snapshot", "jobs"]


def test_after_an_interruption_only_what_was_missed_is_told(ann, watch, tiny):
    done, gone, quiet = (kept(ann, tiny) for _ in range(3))
    for job in (done, gone, quiet):
        moved(ann, job, State.FAILED)
    ear = Ear(watch, ann)
    until(lambda: ear.heard)
    cursor = ear.heard[-1]["cursor"]
    ear.leave()
    ann.restart(done, attend=False)
    ann.delete(gone)
    new = kept(ann, tiny)
    again = Ear(watch, ann, cursor)
    until(lambda: again.heard)
    assert (again.heard[0]["kind"], again.heard[0]["full"]) == ("snapshot", False)
    assert {one["id"] for one in again.heard[0]["jobs"]} == {done, new}
    assert set(again.heard[0]["ids"]) == {done, quiet, new}


@pytest.mark.parametrize("cursor", [10**9, -5])
def test_a_cursor_of_another_ledger_is_answered_with_everything(ann, watch, tiny, cursor):
    job = kept(ann, tiny)
    ear = Ear(watch, ann, cursor)
    until(lambda: ear.heard)
    assert ear.heard[0]["full"] is True
    assert list(ear.jobs()) == [job]


def test_logs_that_are_watched_come_line_by_line_and_in_order(ann, watch, tiny):
    one, two = kept(ann, tiny), kept(ann, tiny)
    for job in (one, two):
        moved(ann, job, State.RUNNING)
        ann.ledger.write_log(job, "me", "".join(f"{job} {i}\n" for i in range(2500)))
    ear = Ear(watch, ann)
    for job in (one, two):
        ear.listener.ask(json.dumps({"watch": {"log": job, "after": -1}}))
    watch.wake()

    def lines(job):
        return [line[2] for message in ear.heard if message.get("id") == job for line in message["lines"]]

    until(lambda: len(lines(one)) == len(lines(two)) == 2500)
    ann.ledger.write_log(one, "me", "the last\n")
    until(lambda: lines(one)[-1] == "the last")
    assert lines(one) == [*(f"{one} {i}" for i in range(2500)), "the last"]
    ear.listener.ask(json.dumps({"unwatch": {"log": one}}))
    ann.ledger.write_log(one, "me", "unheard\n")
    ann.ledger.write_log(two, "me", "heard\n")
    until(lambda: lines(two)[-1] == "heard")
    assert "unheard" not in lines(one)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"watch": 5}', '{"watch": {"log": 1, "after": "x"}}', "[" * 9000]
)
def test_nonsense_is_passed_over(ann, watch, tiny, text):
    job = kept(ann, tiny)
    ear = Ear(watch, ann)
    until(lambda: ear.heard)
    ear.listener.ask(text)
    moved(ann, job, State.RUNNING)
    until(lambda: ear.jobs()[job]["state"] == "running")


def test_nothing_is_looked_at_while_nobody_listens(ann, watch):
    assert not watch.is_looking
    ear = Ear(watch, ann)
    until(lambda: ear.heard)
    assert watch.is_looking
    ear.leave()
    until(lambda: not watch.is_looking)
    assert not [thread for thread in threading.enumerate() if thread.name == "dmod-watch"]
    again = Ear(watch, ann)
    until(lambda: again.heard)


def test_trouble_with_the_ledger_is_told_once_and_gets_over(ann, watch, tiny, monkeypatch):
    job = kept(ann, tiny)
    ear = Ear(watch, ann)
    until(lambda: ear.heard)
    whole = Ledger.version

    def broken(_ledger):
        raise LedgerError("the disk of the ledger is full", hint="make room")

    monkeypatch.setattr(Ledger, "version", broken)
    until(lambda: "error" in ear.kinds())
    moved(ann, job, State.RUNNING)
    calls = []
    monkeypatch.setattr(Ledger, "version", lambda _: calls.append(1) or broken(_))
    until(lambda: len(calls) > 1)
    monkeypatch.setattr(Ledger, "version", whole)
    until(lambda: ear.jobs()[job]["state"] == "running")
    assert ear.kinds().count("error") == 1


def test_a_thousand_jobs_are_shown_within_a_second_and_cost_next_to_nothing_when_nothing_happens(tmp_path):
    service = service_of(tmp_path / "home")
    service.ledger.add_jobs(
        JobRow(f"run-{i:06}", f"run {i}", "ann", json.dumps({"directory": f"/runs/{i}", "on": "dask"}))
        for i in range(1000)
    )
    watch = Watch(lambda: service.ledger)
    began = time.monotonic()
    ear = Ear(watch, service)
    until(lambda: ear.heard)
    took_s = time.monotonic() - began
    assert len(ear.heard[0]["jobs"]) == 1000
    began, began_cpu = time.monotonic(), time.process_time()
    until(lambda: time.monotonic() - began > 3, 30)
    share = (time.process_time() - began_cpu) / (time.monotonic() - began)
    watch.close()
    service.close()
    assert took_s < 3.0, "a loaded machine takes longer, but not that long"
    assert share < 0.06
