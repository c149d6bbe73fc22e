"""Several processes and threads at one ledger: nothing lost, nothing done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dmod.errors import LedgerError, LostLease
from dmod.job.lifecycle import State
from dmod.ledger.jobs import JobRow
from dmod.ledger.ledger import Ledger

BEGIN = """
import os, sys, time
from dmod.errors import LostLease
from dmod.job.lifecycle import State
from dmod.ledger.jobs import JobRow
from dmod.ledger.ledger import Ledger

url, name = sys.argv[1:]
def wait_for(word):
    print(word, flush=True)
    sys.stdin.readline()
"""


class Child:
    """Another process at the ledger; it says a word where it waits, and goes on when told to."""

    def __init__(self, code: str, url: str, name: str = "child") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", BEGIN + code, url, name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def hear(self) -> str:
        """The next word it says."""
        return self.process.stdout.readline().strip()

    def go_on(self) -> None:
        """Let it go on."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> str:
        """Wait for its end; the rest of what it says."""
        said, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == 0
        return said

    def kill(self) -> None:
        """End it in the hard way."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


CONDUCT = """
with Ledger.open(url) as ledger:
    wait_for("ready")
    done = 0
    while ids := ledger.claim(name, 60, limit=3):
        for job in ids:
            for state in (State.RUNNING, State.COMPLETE):
                ledger.append(job, name, state, "x", {"by": name})
            done += 1
        time.sleep(0.005)  # SQLite lets whoever asks first go first, and does not see to it that others get a turn
    print(done)
"""


def test_two_conductors_take_each_job_once_and_a_reader_misses_nothing(url):
    with Ledger.open(url) as ledger:
        ledger.add_jobs(JobRow(f"job-{n}", "x", "ada", "{}") for n in range(200))
        with Child(CONDUCT, url, "a") as a, Child(CONDUCT, url, "b") as b:
            assert (a.hear(), b.hear()) == ("ready", "ready")
            a.go_on()
            b.go_on()
            # The cursor of an event that becomes visible is larger than any that was seen before.
            heard, cursor, until = [], 0, time.monotonic() + 60
            while len(heard) < 600 and time.monotonic() < until:
                fresh = ledger.events_since(cursor)
                heard += fresh
                cursor = fresh[-1].cursor if fresh else cursor
            done = [int(a.end()), int(b.end())]
        assert sum(done) == 200
        assert min(done) > 0, "only one of them did anything, so that nothing was shown"
        assert heard == ledger.events_since(0)
        assert len(heard) == 600
        for row in ledger.jobs():
            events = ledger.events(row.id)
            assert [event.state for event in events] == [State.REQUESTED, State.RUNNING, State.COMPLETE]
            assert len({event.facts["by"] for event in events[1:]}) == 1


def test_a_job_of_a_killed_conductor_is_taken_when_its_claim_ran_out_and_the_old_one_is_refused(url):
    code = """
ledger = Ledger.open(url)
ledger.claim(name, 1.0)
ledger.append("one", name, State.RESOLVED, "by the old one")
wait_for("holding")
try:
    ledger.append("one", name, State.PREPARED, "after its claim was taken")
except LostLease:
    print("refused")
"""
    with Ledger.open(url) as ledger, Child(code, url, "old") as old:
        ledger.add_job(JobRow("one", "x", "ada", "{}"))
        assert old.hear() == "holding"
        assert ledger.claim("new", 60) == []
        until = time.monotonic() + 60
        while not (taken := ledger.claim("new", 60)) and time.monotonic() < until:
            time.sleep(0.05)
        assert taken == ["one"]
        ledger.append("one", "new", State.PREPARED, "by the new one")
        old.go_on()
        assert old.end() == "refused\n"
        assert [event.message for event in ledger.events("one")] == ["requested", "by the old one", "by the new one"]


def test_a_process_killed_in_the_middle_of_a_transaction_leaves_nothing_half_done(url):
    code = """
from dmod.ledger.history import add_event
ledger = Ledger.open(url)
ledger.claim(name, 0.2)
with ledger._db.write() as tx:
    tx.run("INSERT INTO details (job, key, text) VALUES ('one', 'plan', 'half')")
    add_event(tx, "one", State.COMPLETE, "half", {})
    wait_for("in the middle")
"""
    with Ledger.open(url) as ledger:
        ledger.add_job(JobRow("one", "x", "ada", "{}"))
        with Child(code, url, "old") as old:
            assert old.hear() == "in the middle"
            assert ledger.job("one").state is State.REQUESTED
            old.kill()
        time.sleep(0.2)
        assert [event.message for event in ledger.events("one")] == ["requested"]
        assert ledger.detail("one", "plan") is None
        assert ledger.claim("new", 60) == ["one"]
        assert ledger.append("one", "new", State.RESOLVED, "x").number == 1


def test_what_was_written_is_there_after_a_kill(url):
    code = """
ledger = Ledger.open(url)
ledger.claim(name, 60)
for n in range(50):
    ledger.append("one", name, None, str(n))
os.kill(os.getpid(), 9)
"""
    with Ledger.open(url) as ledger:
        ledger.add_job(JobRow("one", "x", "ada", "{}"))
        with Child(code, url) as child:
            child.process.wait(timeout=60)
    with Ledger.open(url) as ledger:
        assert [event.message for event in ledger.events("one", after=0)] == [str(n) for n in range(50)]


def test_the_version_tells_of_what_another_process_did(url):
    code = """
ledger = Ledger.open(url)
wait_for("open")
ledger.append("one", name, State.RESOLVED, "x")
"""
    with Ledger.open(url) as ledger, Child(code, url, "me") as child:
        ledger.add_job(JobRow("one", "x", "ada", "{}"))
        ledger.claim("me", 60)
        assert child.hear() == "open"
        before = ledger.version()
        assert ledger.version() == before
        child.go_on()
        child.end()
        assert ledger.version() != before


def test_several_may_make_a_new_ledger_at_once(url):
    code = """
wait_for("ready")
with Ledger.open(url) as ledger:
    ledger.add_job(JobRow(name, "x", "ada", "{}"))
"""
    names = ["a", "b", "c"]
    children = [Child(code, url, name) for name in names]
    assert [child.hear() for child in children] == ["ready"] * 3
    for child in children:
        child.go_on()
    for child in children:
        with child:
            child.end()
    with Ledger.open(url) as ledger:
        assert sorted(row.id for row in ledger.jobs()) == names


def test_a_ledger_locked_by_another_process_says_who_and_recovers(url):
    code = """
ledger = Ledger.open(url)
with ledger._db.write() as tx:
    tx.run("UPDATE jobs SET name = 'x'")
    wait_for("holding")
"""
    with Ledger.open(url, wait_s=0.3) as ledger, Child(code, url) as child:
        ledger.add_job(JobRow("one", "x", "ada", "{}"))
        assert child.hear() == "holding"
        began = time.monotonic()
        with pytest.raises(LedgerError, match="the ledger is locked by") as locked:
            ledger.put_detail("one", "plan", "x")
        assert 0.2 < time.monotonic() - began < 30
        if url.startswith("sqlite") and Path("/proc/locks").exists():
            assert f"process {child.process.pid} (" in str(locked.value)
        assert ledger.job("one").state is State.REQUESTED, "reading never waits for a writer"
        child.go_on()
        child.end()
        ledger.put_detail("one", "plan", "x")
        assert ledger.detail("one", "plan") == "x"


def test_a_ledger_may_be_used_from_any_thread(ledger):
    ledger.add_jobs(JobRow(f"job-{n}", "x", "ada", "{}") for n in range(40))
    together = threading.Barrier(4)

    def conduct(name: str) -> list[str]:
        together.wait()
        mine: list[str] = []
        while ids := ledger.claim(name, 60):
            ledger.append(ids[0], name, State.RESOLVED, name)
            assert ledger.job(ids[0]).holder == name
            mine += ids
        return mine

    with ThreadPoolExecutor(4) as pool:
        taken = [job for mine in pool.map(conduct, "abcd") for job in mine]
    assert sorted(taken) == sorted(f"job-{n}" for n in range(40))


def session_of(ledger: Ledger) -> object:
    """The connection of this thread: which process of the server serves it, or which object it is."""
    with ledger._db.read() as tx:
        return id(tx.connection.connection.dbapi_connection) if tx.is_sqlite else tx.value("SELECT pg_backend_pid()")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_uses_connections_of_its_own(ledger):
    ledger.add_job(JobRow("one", "x", "ada", "{}"))
    before, session = ledger.version(), session_of(ledger)
    child = os.fork()
    if child == 0:
        try:
            assert session_of(ledger) != session
            ledger.version()
            ledger.claim("child", 60)
            ledger.append("one", "child", State.RESOLVED, "by the child")
            ledger.close()
        except BaseException as problem:
            os.write(2, f"{problem!r}\n".encode())
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert session_of(ledger) == session, "the child closed a connection of its parent"
    assert ledger.version() != before
    assert ledger.events("one")[-1].message == "by the child"
    with pytest.raises(LostLease):
        ledger.append("one", "parent", None, "x")
    assert ledger.claim("parent", 60) == []
