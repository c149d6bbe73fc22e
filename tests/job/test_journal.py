"""A journal may be read from any thread while the conductor writes."""

from __future__ import annotations

import threading
import time

from dmod.job.journal import Journal
from dmod.job.lifecycle import Goal, State
from dmod.job.record import Progress


def test_a_new_journal_says_requested_and_wants_the_end():
    journal = Journal("mad-river")
    assert (journal.state, journal.goal, journal.events) == (State.REQUESTED, Goal.COMPLETE, ())
    assert journal.wait(0) is False


def test_events_are_numbered_and_keep_their_facts():
    before = time.time()
    journal = Journal("mad-river")
    journal.append(State.RESOLVED, "checked", verb="check")
    journal.append(State.PARTITIONED, "cut", verb="partition", parts=4)
    assert [(e.number, e.state, e.message) for e in journal.events] == [
        (0, "resolved", "checked"), (1, "partitioned", "cut"),
    ]  # fmt: skip
    assert journal.events[1].facts == {"verb": "partition", "parts": 4}
    assert before <= journal.events[0].time_s <= journal.events[1].time_s <= time.time()


def test_who_waits_is_woken_by_the_end_and_by_nothing_before_it():
    journal, woken = Journal("mad-river"), []
    waiting = threading.Thread(target=lambda: woken.append(journal.wait(10)))
    waiting.start()
    journal.append(State.RUNNING, "running")
    assert journal.wait(0.05) is False
    assert woken == []
    journal.append(State.FAILED, "out of room")
    waiting.join(60)
    assert woken == [True]
    assert journal.status().state is State.FAILED


def test_a_goal_is_seen_at_once_and_changes_no_state():
    journal = Journal("mad-river")
    journal.append(State.RUNNING, "running")
    journal.want(Goal.CANCELLED)
    assert (journal.goal, journal.state) == (Goal.CANCELLED, State.RUNNING)


def test_writers_and_readers_in_many_threads_never_meet_a_torn_history():
    journal, writers, each, torn = Journal("busy"), 4, 500, []
    done = threading.Event()

    def write(writer: int) -> None:
        for k in range(each):
            journal.append(State.RUNNING, f"{writer}:{k}", writer=writer)
            journal.report(Progress(k, each, 1.0))

    def read() -> None:
        seen = 0
        while not done.is_set():
            events, status = journal.events, journal.status()
            if [e.number for e in events] != list(range(len(events))) or len(events) < seen:
                torn.append(len(events))
            if not 0 <= status.progress.fraction <= 1:
                torn.append(status)
            seen = len(events)

    readers = [threading.Thread(target=read) for _ in range(2)]
    threads = [threading.Thread(target=write, args=(n,)) for n in range(writers)]
    for thread in (*readers, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()
    assert torn == []
    assert [e.number for e in journal.events] == list(range(writers * each))
    for writer in range(writers):
        mine = [e.message for e in journal.events if e.facts["writer"] == writer]
        assert mine == [f"{writer}:{k}" for k in range(each)]
