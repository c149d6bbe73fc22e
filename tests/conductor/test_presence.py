"""Who was killed is seen to be gone, and nobody else is."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from dmod.conductor import presence
from dmod.conductor.presence import is_gone, living
from dmod.ledger.claims import Holder
from dmod.ledger.jobs import JobRow
from dmod.ledger.ledger import Ledger

pytestmark = pytest.mark.skipif(presence._machine() is None, reason="the system does not say which machine it is")


@pytest.fixture
def other():
    """A process."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path / "ledger.sqlite") as made:
        yield made


def holder(pid, **facts):
    """A conductor of this machine."""
    return Holder("one", 0.0, 1.0, {**presence.presence("serve"), "pid": pid, **facts})


def test_a_process_that_lives_is_there_and_one_that_was_killed_is_not(other):
    assert not is_gone(holder(os.getpid()))
    assert not is_gone(holder(other.pid))
    other.kill()
    assert not other.returncode
    assert presence.os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
    assert is_gone(holder(other.pid)), "it is dead, though nobody has asked how it ended"
    other.wait()
    assert is_gone(holder(other.pid))


@pytest.mark.parametrize("facts", [{"machine": "elsewhere pid:[1]"}, {"machine": None}, {"pid": None}, {"pid": "1"}])
def test_of_other_machines_and_containers_nothing_is_concluded(other, facts):
    other.kill()
    other.wait()
    assert not is_gone(holder(other.pid, **facts) if "pid" not in facts else holder(**{"pid": 0, **facts}))


def test_what_the_gone_held_is_free_at_once_and_what_others_hold_is_not(ledger, other):
    for name in ("a", "b"):
        ledger.add_job(JobRow(name, name, "ann", "{}"))
    ledger.claim("dead", 3600, only=["a"])
    ledger.claim("far", 3600, only=["b"])
    ledger.beat("dead", presence.presence("session") | {"pid": other.pid}, 3600)
    ledger.beat("far", presence.presence("session") | {"pid": other.pid, "machine": "elsewhere"}, 3600)
    assert [one.name for one in living(ledger)] == ["dead", "far"]
    other.kill()
    other.wait()
    assert [one.name for one in living(ledger)] == ["far"]
    assert (ledger.job("a").holder, ledger.job("b").holder) == (None, "far")
    assert ledger.claim("me", 60, limit=9) == ["a"]
