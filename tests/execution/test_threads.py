"""Parts in threads of this process do what tasks on a cluster do, and fail as they do."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from dmod.engine.part_run import PartReport
from dmod.errors import Cancelled, ForcingError, RunError
from dmod.execution import threads
from dmod.execution.resume import Resume
from dmod.execution.threads import Threads

STEPS = 24


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Begins a run of two parts that do what they are told; called with what the second does."""
    pool = Threads(2)
    resume = Resume(tmp_path, "a" * 64)
    resume.folder.mkdir(parents=True)
    flag = tmp_path / "STOP"

    def begin(act, already=()):
        for index in already:
            Resume.mark(resume.folder, PartReport(index, 3 * STEPS, 0, 0, 0))

        def part(one, tell):
            tell(one.index, STEPS)
            if one.index == 1:
                act(one)
            return PartReport(one.index, 3 * STEPS, 0.0, 0.0, 0.0)

        monkeypatch.setattr(threads, "run_part", part)
        parts = [SimpleNamespace(index=n, ids=("cat-1",) * 3, steps=STEPS, stop_flag=flag) for n in range(2)]
        return pool.launch(parts, stop_flag=flag, resume=resume)

    yield begin
    flag.touch()
    pool.close()


def over(run):
    """What is seen when all is done."""
    end = time.monotonic() + 60
    while not (seen := run.observe()).is_over and time.monotonic() < end:
        run.wait(0.1)
    return seen


def test_all_parts_are_done_and_reported_in_order(run):
    seen = over(run(lambda _: None))
    assert [report.index for report in seen.reports] == [0, 1]
    assert (seen.done, seen.finished, seen.tasks) == (2 * 3 * STEPS, 2, 2)


def test_parts_that_left_a_mark_are_not_done_again(run):
    def never(_):
        raise AssertionError("done before")

    assert [report.index for report in over(run(never, already=[1])).reports] == [0, 1]


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (RunError("the disk is full"), "the disk is full"),
        (ForcingError("forcing has missing values"), "forcing has missing values"),
        (MemoryError(), "needs more memory"),
        (ArithmeticError("the river ran uphill"), "a task failed"),
    ],
)
def test_a_part_that_fails_fails_the_run(run, raised, said):
    def fail(_):
        raise raised

    with pytest.raises(RunError, match=said):
        over(run(fail))


def test_a_run_that_is_stopped_ends_at_the_next_block(run):
    def sleep(one):
        while not one.stop_flag.exists():
            time.sleep(0.01)
        raise Cancelled("the run was stopped on request")

    made = run(sleep)
    made.wait(0.2)
    assert not made.observe().is_over
    began = time.monotonic()
    made.stop()
    assert time.monotonic() - began < 30
    with pytest.raises(Cancelled):
        made.observe()
