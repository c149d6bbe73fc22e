"""A ledger that is locked, a disk that is full: a clear error within a bounded time, and work goes on afterwards."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import threading
import time
from contextlib import closing, suppress

import pytest
from places import names, until, values

from dmod.errors import LedgerError
from dmod.job.lifecycle import State
from dmod.ledger.ledger import Ledger

WAIT_S = 1.0


@pytest.fixture
def impatient(place):
    """The ledger of the test, whose users wait for a second only."""
    place.service._ledger = Ledger.open(place.settings.home / "ledger.sqlite", wait_s=WAIT_S)
    return place.service._ledger


@pytest.fixture
def lock(place):
    """Locks the ledger until told otherwise, as another process would."""
    place.service.ledger.jobs()
    with closing(sqlite3.connect(place.settings.home / "ledger.sqlite", check_same_thread=False)) as other:
        other.isolation_level = None

        def turn(on: bool) -> None:
            other.execute("BEGIN IMMEDIATE" if on else "ROLLBACK")

        yield turn


def test_a_ledger_locked_for_three_seconds_only_costs_time(place, tiny, lock, undisturbed):
    place.conduct()
    lock(True)
    threading.Timer(3.0, lock, [False]).start()
    began = time.monotonic()
    job = place.submit(tiny)
    assert 2.5 < time.monotonic() - began < 40
    assert place.ended(job, 60) is State.COMPLETE
    assert values(place.out) == undisturbed[tiny]


def test_a_ledger_locked_for_ever_is_a_clear_error_within_a_bounded_time(place, tiny, impatient, lock):
    lock(True)
    began = time.monotonic()
    with pytest.raises(LedgerError, match="the ledger is locked by process") as caught:
        place.submit(tiny)
    assert time.monotonic() - began < 20 * WAIT_S
    assert caught.value.facts["waited"] == "1.0 s"
    assert "then try again" in caught.value.hint
    lock(False)
    assert place.service.jobs() == [], "nothing is half-registered"


@pytest.mark.parametrize("verb", ["prepare", "launch", "monitor", "publish"])
def test_a_ledger_that_is_locked_while_a_job_is_conducted_delays_it_and_nothing_else(
    place, tiny, impatient, lock, undisturbed, monkeypatch, verb
):
    from dmod.conductor.conduct import Conduct

    act, entered = getattr(Conduct, f"_{verb}"), threading.Event()

    def locked(conduct):
        if not entered.is_set():
            lock(True)
            entered.set()
        return act(conduct)

    monkeypatch.setattr(Conduct, f"_{verb}", locked)
    job = place.submit(tiny)
    place.conduct()
    assert entered.wait(30)
    time.sleep(2.5 * WAIT_S)
    lock(False)
    assert place.ended(job, 60) is State.COMPLETE
    assert values(place.out) == undisturbed[tiny]
    assert names(place.out.parent) == ["out"]
    assert "failed" not in place.states(job)


@pytest.fixture
def small_disk(tmp_path):
    """A disk with room for 4 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=False)


def fill(disk):
    """Leave no room at all."""
    with (disk / "ballast").open("ab", buffering=0) as file:
        for size in (2**20, 4096, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))


def test_a_disk_without_room_for_outputs_fails_the_job_which_runs_again_when_there_is(
    place, tiny, small_disk, undisturbed
):
    place.conduct()
    fill(small_disk)
    target = small_disk / "out"
    job = place.submit(tiny, output=target)
    assert place.ended(job) is State.FAILED
    problem = place.service.events(job)[-1].facts["problem"]
    assert "room" in problem["headline"]
    assert problem["kind"] == "RunError"
    assert names(small_disk) == ["ballast"]
    assert place.service.ledger.allocations(live=False) == []
    (small_disk / "ballast").unlink()
    place.service.restart(job)
    assert place.ended(job) is State.COMPLETE
    assert values(target) == undisturbed[tiny]


def test_a_full_disk_under_the_ledger_refuses_new_jobs_and_keeps_old_ones(place, tiny, small_disk, undisturbed):
    place.settings = place.service.settings = type(place.settings)(home=small_disk / "home", owner="ann", cores=4)
    first = place.start("before monitor")
    job = place.submit(tiny)
    assert until(first.holds_still, 30), first.log.read_text()
    fill(small_disk)
    refused = None
    while refused is None:  # a page or two may have room left
        try:
            place.submit(tiny)
        except LedgerError as problem:
            refused = problem
    assert refused.headline == "the disk of the ledger is full"
    assert "make room" in refused.hint
    first.go.touch()
    time.sleep(1.0)
    assert first.lives()
    (small_disk / "ballast").unlink()
    assert place.ended(job, 60) is State.COMPLETE, first.log.read_text()
    assert values(place.out) == undisturbed[tiny]
