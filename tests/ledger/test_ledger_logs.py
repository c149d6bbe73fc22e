"""Logs and the journal: what a job prints, and what its conductor writes."""

from __future__ import annotations

import time

import pytest

from dmod.errors import JobError, LostLease
from dmod.job.lifecycle import Goal, State
from dmod.job.record import Progress
from dmod.ledger import journal, logs
from dmod.ledger.journal import JobJournal


def text_of(ledger, job):
    return "".join(text for _, _, text in ledger.log(job))


def test_a_log_comes_back_in_numbered_chunks(ledger, add):
    add("one", State.RUNNING)
    ledger.write_log("one", "me", "first\n")
    ledger.write_log("one", "me", "")
    ledger.write_log("one", "me", "second × 2\n")
    chunks = ledger.log("one")
    assert [(number, text) for number, _, text in chunks] == [(0, "first\n"), (1, "second × 2\n")]
    assert ledger.log("one", after=0) == chunks[1:]
    assert ledger.log("one", after=1) == []
    assert abs(chunks[0][1] - time.time()) < 10


def test_a_long_text_takes_several_chunks_and_loses_nothing(ledger, add):
    add("one", State.RUNNING)
    text = "".join(f"line {n}\n" for n in range(60_000))
    ledger.write_log("one", "me", text)
    assert len(ledger.log("one")) == 3
    assert text_of(ledger, "one") == text


def test_of_a_log_too_long_the_beginning_and_the_end_are_kept(ledger, add, monkeypatch):
    monkeypatch.setattr(logs, "KEPT_BYTES", 1000)
    monkeypatch.setattr(logs, "_BEGINNING_BYTES", 200)
    monkeypatch.setattr(logs, "_CUT_BYTES", 100)
    add("one", State.RUNNING)
    wrote = 0
    for n in range(300):
        ledger.write_log("one", "me", f"this is line {n:03d}\n")
        wrote += 17
        text = text_of(ledger, "one")
        assert len(text) <= 1000 + 100
        assert text.startswith("this is line 000\n")
        assert text.endswith(f"this is line {n:03d}\n")
    lines = text.splitlines()
    told = [line for line in lines if "cut" in line]
    assert len(told) == 1
    kept = [line for line in lines if "cut" not in line]
    assert kept == sorted(set(kept))
    assert told == [f"[{wrote - 17 * len(kept):,} bytes of the log were cut here]"]
    with ledger._db.read() as tx:
        assert tx.value("SELECT log_bytes FROM jobs") == 17 * len(kept)
    # Who follows sees each chunk that is left once, and numbers never come again.
    numbers = [number for number, _, _ in ledger.log("one")]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 299


def test_one_text_longer_than_all_that_is_kept_is_cut_too(ledger, add):
    add("one", State.RUNNING)
    ledger.write_log("one", "me", "x" * (logs.KEPT_BYTES + 3 * 2**20) + "\nthe reason\n")
    text = text_of(ledger, "one")
    assert logs.KEPT_BYTES - 3 * 2**20 < len(text) <= logs.KEPT_BYTES
    assert text.endswith("the reason\n")
    assert text.count("bytes of the log were cut here") == 1


def test_a_journal_writes_what_the_conductor_did(ledger, add):
    add("one")
    ledger.claim("me", 60)
    book = JobJournal(ledger, "one", "me")
    assert (book.name, book.state, book.goal) == ("mad", State.REQUESTED, Goal.COMPLETE)
    book.append(State.RESOLVED, "a run of mad", verb="resolve")
    book.append(None, "a note")
    book.report(Progress(5, 10, 1.0))
    status = book.status()
    assert (status.name, status.state, status.message) == ("mad", State.RESOLVED, "a note")
    assert (status.progress, status.facts) == (Progress(5, 10, 1.0), {"verb": "resolve"})
    assert [event.number for event in book.events] == [0, 1, 2]


def test_a_journal_writes_progress_four_times_a_second_and_the_last_with_an_event(ledger, add, monkeypatch):
    now = 100.0
    monkeypatch.setattr(journal.time, "monotonic", lambda: now)
    add("one", State.RUNNING)
    book = JobJournal(ledger, "one", "me")
    seen = []
    for n in range(100):
        book.report(Progress(n, 100, 1.0))
        seen.append(ledger.progress("one").done)
        now += 0.01
    assert len(set(seen)) == 4
    assert book.status().progress.done == 99
    book.append(State.FINISHED, "done")
    assert ledger.progress("one").done == 99


def test_a_journal_hears_of_a_new_goal_within_a_tenth_of_a_second(ledger, add):
    add("one", State.RUNNING)
    book = JobJournal(ledger, "one", "me")
    assert book.goal is Goal.COMPLETE
    ledger.set_goal("one", Goal.CANCELLED)
    time.sleep(0.11)
    assert book.goal is Goal.CANCELLED
    book.want(Goal.COMPLETE)
    assert book.goal is Goal.COMPLETE


def test_a_journal_of_a_job_that_somebody_else_conducts_writes_nothing(ledger, add):
    add("one", State.RUNNING)
    book = JobJournal(ledger, "one", "me")
    ledger.release("me", ["one"])
    ledger.claim("you", 60)
    with pytest.raises(LostLease):
        book.append(State.FINISHED, "done")
    with pytest.raises(LostLease):
        book.report(Progress(1, 2, 3.0))
    assert (book.state, ledger.progress("one")) == (State.RUNNING, Progress())


def test_a_journal_needs_a_job(ledger):
    with pytest.raises(JobError, match="there is no job 'none'"):
        JobJournal(ledger, "none", "me")
