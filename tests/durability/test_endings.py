"""However a job ends: cores come back, what was done is kept or cleared, and nothing begins again by itself.

The names ``sc34`` to ``sc38`` are those of faults that the scheduler of an earlier DMOD had.
"""

from __future__ import annotations

import threading
import time

import pytest
from places import names, until, values

from dmod.conductor.conduct import Conduct
from dmod.errors import Cancelled, CheckError, JobError
from dmod.execution import threads
from dmod.job.lifecycle import LINE, Goal, State
from dmod.schedule.sizing import Sizing
from dmod.service import LocalService
from dmod.settings import Settings

PARTS = 6


@pytest.fixture
def slow(monkeypatch):
    """Runs are cut into six parts, one after the other; says which were run, and holds still before the fourth."""
    monkeypatch.setattr("dmod.conductor.dask_way.size_run", lambda **_: Sizing(1, PARTS, processes=False))
    monkeypatch.setattr("dmod.conductor.conductor.Threads", lambda _count: threads.Threads(1))
    run, done, gate = threads.run_part, [], threading.Event()

    def part(one, tell):
        if len(done) == 3 and not gate.is_set():
            done.append(None)
            assert until(one.stop_flag.exists, 30)
        report = run(one, tell)
        done.append(one.index)
        return report

    monkeypatch.setattr(threads, "run_part", part)
    return done


def test_a_cancelled_job_that_is_restarted_does_not_repeat_parts_that_were_done(place, parted, undisturbed, slow):
    with place.session() as session:
        job = session.run(parted, output=place.out)
        assert until(lambda: len(slow) == 4, 60)
        job.cancel()
        with pytest.raises(Cancelled):
            job.wait(60)
        partial = place.out.with_name("out.partial")
        assert job.status()["partial"] == str(partial)
        assert len(list(partial.glob("RESUME/*/part-*.json"))) == 3
        before = [number for number in slow if number is not None]
        slow.clear()
        slow.extend([None] * 9)
        assert job.restart().wait(60).state == "complete"
    again = [number for number in slow if number is not None]
    assert len(before) == 3
    assert sorted(before + again) == list(range(PARTS))
    assert values(place.out) == undisturbed[parted]
    assert names(place.out.parent) == ["out"]
    assert [str(event.state) for event in place.service.ledger.events(job.id)].count("requested") == 2


def test_a_failed_job_that_is_restarted_begins_anew_and_keeps_its_history(place, tiny, undisturbed, monkeypatch):
    launch = Conduct._launch
    monkeypatch.setattr(Conduct, "_launch", lambda _: 1 / 0)
    with place.session() as session:
        job = session.run(tiny, output=place.out)
        with pytest.raises(Exception, match="dmod failed while it was allocated"):
            job.wait(60)
        assert names(place.out.parent) == []
        monkeypatch.setattr(Conduct, "_launch", launch)
        assert job.restart().wait(60).state == "complete"
        assert job.problem is None
        states = [str(event.state) for event in job.events]
    assert states.count("failed") == 1
    assert states[-1] == "complete"
    assert values(place.out) == undisturbed[tiny]


def test_sc34_a_stopped_job_does_not_restart_by_itself(place, tiny):
    job = place.submit(tiny)
    first = place.start("before monitor")
    assert until(first.holds_still, 30)
    place.service.set_goal(job, Goal.CANCELLED)
    time.sleep(0.2)  # a goal is heard of within a tenth of a second
    first.go.touch()
    assert place.ended(job, 60) is State.CANCELLED
    told = place.states(job)
    place.conduct()
    time.sleep(2.0)
    assert place.states(job) == told
    first.kill()
    time.sleep(1.5)
    assert place.states(job) == told


@pytest.mark.parametrize("ending", ["complete", "failed", "cancelled", "refused", "killed"])
def test_sc35_cores_come_back_in_every_ending(place, tiny, monkeypatch, ending):
    ledger = place.service.ledger
    if ending == "killed":
        first = place.start("before monitor")
        job = place.submit(tiny)
        assert until(first.holds_still, 30)
        assert [grant.job for grant in ledger.allocations()] == [job]
        first.kill()
        assert until(lambda: place.service.served() or not ledger.allocations(live=True), 60)
        return
    if ending == "failed":
        monkeypatch.setattr(Conduct, "_monitor", lambda _: 1 / 0)
    if ending == "cancelled":
        launch = Conduct._launch

        def cancelled(conduct):
            conduct.journal.want(Goal.CANCELLED)
            return launch(conduct)

        monkeypatch.setattr(Conduct, "_launch", cancelled)
    place.conduct()
    job = place.submit(tiny, memory="900 TiB" if ending == "refused" else None)
    assert place.ended(job, 60) is (State(ending) if ending != "refused" else State.FAILED)
    assert ledger.allocations(live=False) == []
    assert until(lambda: ledger.job(job).holder is None, 60)
    if ending == "refused":
        assert "ever" in place.service.events(job)[-1].message


def test_sc36_delete_deletes(place, tiny):
    place.conduct()
    job, other = place.submit(tiny), place.submit(tiny, output=place.out.with_name("other"))
    assert place.ended(job) is State.COMPLETE
    assert place.ended(other) is State.COMPLETE
    place.service.delete(job)
    ledger = place.service.ledger
    assert [row.id for row in place.service.jobs()] == [other]
    assert job not in {entry.job for entry in ledger.events_since(0)}
    assert ledger.detail(job, "plan") is None
    for ask in (ledger.job, ledger.events, ledger.log, place.service.delete):
        with pytest.raises(JobError, match="there is no job"):
            ask(job)
    assert (place.out / "run.nc").is_file(), "outputs are the user's"


def test_sc36_a_job_that_has_not_ended_is_not_deleted(place, tiny):
    job = place.submit(tiny)
    with pytest.raises(JobError, match="only a job that is over can be deleted"):
        place.service.delete(job)
    assert place.state(job) is State.REQUESTED


def test_sc37_where_the_ledger_is_told_to_be_is_where_it_is(place, tiny, tmp_path):
    elsewhere = LocalService(Settings(home=tmp_path / "home", ledger=f"sqlite:///{tmp_path}/else.sqlite", owner="ann"))
    job = place.submit(tiny)
    assert elsewhere.jobs() == []
    with pytest.raises(JobError, match="there is no job"):
        elsewhere.job(job)
    assert (tmp_path / "else.sqlite").is_file()
    elsewhere.close()


@pytest.mark.parametrize("verb", [verb.name for verb in LINE[:-1]])
def test_sc38_a_job_can_be_stopped_wherever_it_stands(place, tiny, verb):
    job = place.submit(tiny)
    first = place.start(f"before {verb}")
    assert until(first.holds_still, 30)
    place.service.set_goal(job, Goal.CANCELLED)
    time.sleep(0.2)  # a goal is heard of within a tenth of a second
    first.go.touch()
    assert place.ended(job, 60) is State.CANCELLED
    assert not place.out.exists()
    assert place.service.ledger.allocations(live=False) == []


def test_sc38_jobs_go_to_their_end_without_anybody_asking(place, tiny):
    place.conduct()
    job = place.submit(tiny)
    assert place.ended(job) is State.COMPLETE
    assert place.states(job) == ["requested", *(str(verb.after) for verb in LINE)]


def test_sc52_what_went_wrong_is_in_the_log_and_in_the_error(place, tiny):
    (tiny.parent / "broken").mkdir()
    place.conduct()
    job = place.submit(tiny.parent / "broken")
    assert place.ended(job) is State.FAILED
    with place.session() as session:
        handle = session.job(job)
        with pytest.raises(Exception, match="config") as caught:
            handle.wait(5)
        assert not isinstance(caught.value, CheckError)
        assert any("failed" in line for line in handle.logs())
