"""Who may see what, how jobs are named, and what lists and arrays of them say."""

from __future__ import annotations

import dataclasses
import logging

import pytest

from dmod.conductor.conductor import Conductor
from dmod.errors import InputError, JobError
from dmod.job.lifecycle import Goal, State
from dmod.schedule.resources import Host
from dmod.service import LocalService
from dmod.session import Session, request_of
from dmod.settings import Settings
from dmod.testing.rivers import tiny_run_directory


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Three catchments, six hours."""
    return tiny_run_directory(tmp_path_factory.mktemp("tiny") / "run")


@pytest.fixture
def settings(tmp_path):
    """A ledger of the test's own."""
    return Settings(home=tmp_path / "home", owner="ann")


@pytest.fixture
def ann(settings):
    """Somebody."""
    service = LocalService(settings)
    yield service
    service.close()


@pytest.fixture
def bob(settings):
    """Somebody else, with the same ledger."""
    service = LocalService(dataclasses.replace(settings, owner="bob"))
    yield service
    service.close()


def submitted(service, directory, **options):
    return service.submit(request_of(directory, **options), attend=False)


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda service, job: service.job(job), id="job"),
        pytest.param(lambda service, job: service.status(job), id="status"),
        pytest.param(lambda service, job: service.events(job), id="events"),
        pytest.param(lambda service, job: service.log(job), id="log"),
        pytest.param(lambda service, job: list(service.follow_log(job)), id="follow_log"),
        pytest.param(lambda service, job: service.detail(job, "plan"), id="detail"),
        pytest.param(lambda service, job: service.set_goal(job, Goal.CANCELLED), id="cancel"),
        pytest.param(lambda service, job: service.restart(job), id="restart"),
        pytest.param(lambda service, job: service.delete(job), id="delete"),
    ],
)
def test_somebody_elses_job_answers_like_one_that_is_not_there(ann, bob, tiny, ask):
    job = submitted(ann, tiny)
    with pytest.raises(JobError) as foreign:
        ask(bob, job)
    with pytest.raises(JobError) as absent:
        ask(bob, "run-000000")
    assert str(foreign.value).replace(job, "run-000000") == str(absent.value)
    assert foreign.value.facts["has"] == "no jobs"
    assert (ann.job(job).state, ann.job(job).goal) == (State.REQUESTED, Goal.COMPLETE)


def test_everybody_sees_their_own_jobs_newest_first(ann, bob, tiny):
    first, other, second = submitted(ann, tiny), submitted(bob, tiny), submitted(ann, tiny)
    assert [row.id for row in ann.jobs()] == [second, first]
    assert [row.id for row in bob.jobs()] == [other]
    assert ann.jobs(states=[State.COMPLETE]) == []


def test_a_beginning_of_an_id_will_do_where_it_is_clear(ann, tiny):
    job = submitted(ann, tiny)
    assert ann.job(job[:-1]).id == job
    assert ann.job("r").id == job
    other = submitted(ann, tiny)
    with pytest.raises(JobError, match="several jobs begin with 'run'") as caught:
        ann.job("run")
    assert {job, other} == set(caught.value.facts["has"].split(", "))
    for nothing in ("", "x", job + "0"):
        with pytest.raises(JobError, match="there is no job"):
            ann.job(nothing)


def test_ids_are_short_safe_and_different(ann, tmp_path):
    directory = tiny_run_directory(tmp_path / "Mad  River (2016)/Ünter;rm -rf")
    jobs = {submitted(ann, directory) for _ in range(50)}
    assert len(jobs) == 50
    assert all(job.startswith("nter-rm-rf-") and job.replace("-", "").isalnum() and job.isascii() for job in jobs)


def test_an_array_is_kept_whole_or_not_at_all(ann, tiny, tmp_path, monkeypatch):
    requests = [request_of(tiny, output=tmp_path / str(number)) for number in range(5)]
    monkeypatch.setattr(LocalService, "served", lambda _: True)
    array, jobs = ann.submit_many(requests)
    assert [row.id for row in ann.jobs(array=array)] == sorted(jobs)
    assert {row.array for row in ann.jobs()} == {array}
    monkeypatch.setattr("dmod.service._random", lambda _length: "same")
    with pytest.raises(JobError, match="there is a job"):
        ann.submit_many(requests)
    assert len(ann.jobs()) == 5


def test_a_sweep_runs_as_an_array_and_its_list_is_a_table(settings, tiny, tmp_path):
    with Session(settings) as session:
        jobs = session.map(request_of(tiny, output=tmp_path / str(number)) for number in range(4))
        assert jobs.wait(60) is jobs
        assert {str(job.state) for job in jobs} == {"complete"}
        assert len({row.array for row in session.service.jobs()}) == 1
        assert [row["id"] for row in jobs.rows()] == [job.id for job in jobs]
        assert repr(jobs).count("complete") == 4
        html = jobs._repr_html_()
        assert html.count("<tr>") == 5
        assert all(job.id in html for job in jobs)
        assert all((tmp_path / str(number) / "run.nc").is_file() for number in range(4))


def test_a_list_shows_names_as_they_are_and_never_as_html(settings, tmp_path, monkeypatch):
    directory = tiny_run_directory(tmp_path / "run")
    with Session(settings) as session:
        job = session.service.submit(request_of(directory, output=tmp_path / "<b>"), attend=False)
        session.service.ledger.claim("me", 60)
        session.service.ledger.append(job, "me", State.FAILED, "<script>alert(1)</script>")
        assert "<script>" not in session.jobs._repr_html_()


def test_no_jobs_are_said_to_be_none(settings):
    with Session(settings) as session:
        assert repr(session.jobs) == "no jobs"


@pytest.mark.parametrize("priority", [-1, 101])
def test_a_priority_is_from_0_to_100(tiny, priority):
    with pytest.raises(InputError, match="there is no priority"):
        request_of(tiny, priority=priority)


def test_the_higher_priority_gets_cores_first(ann, tiny, tmp_path):
    """One core: jobs run one after the other."""
    jobs = [submitted(ann, tiny, priority=priority, output=tmp_path / str(priority)) for priority in (10, 90, 50)]
    conductor = Conductor(ann.ledger, kind="serve", host=Host("here", 1, 2**40), settings=ann.settings)
    seen = []
    give = conductor._give_cores
    conductor._give_cores = lambda: give() if len(conductor._active("waiting")) == 3 or seen else None
    go = conductor._go
    conductor._go = lambda held: (seen.append(held.id), go(held))
    conductor.start()
    for job in jobs:
        with Session(ann.settings) as session:
            session.job(job).wait(60)
    conductor.stop()
    assert seen == [jobs[1], jobs[2], jobs[0]]


def test_owners_take_turns(ann, bob, tiny, tmp_path):
    """Two cores; Ann came first with three jobs, Bob with one: his is the second, not the last."""
    mine = [submitted(ann, tiny, output=tmp_path / str(number)) for number in range(3)]
    his = submitted(bob, tiny, output=tmp_path / "bob")
    conductor = Conductor(ann.ledger, kind="serve", host=Host("here", 2, 2**40), settings=ann.settings)
    seen = []
    give = conductor._give_cores
    conductor._give_cores = lambda: give() if len(conductor._active("waiting")) == 4 or seen else None
    go = conductor._go
    conductor._go = lambda held: (seen.append(held.id), go(held))
    conductor.start()
    with Session(ann.settings) as session:
        for job in mine:
            session.job(job).wait(60)
    conductor.stop()
    assert seen.index(his) == 1


def test_a_home_that_cannot_be_made_is_no_reason_not_to_run(tiny, tmp_path, caplog):
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING), Session(Settings(home=tmp_path / "file" / "home")) as session:
        assert session.run(tiny, output=tmp_path / "out").wait(60).state == "complete"
    assert "cannot be made" in caplog.text


def test_a_job_that_is_over_is_neither_cancelled_nor_restarted_when_complete(settings, tiny, tmp_path):
    with Session(settings) as session:
        job = session.run(tiny, output=tmp_path / "out").wait(60)
        with pytest.raises(JobError, match="is complete already"):
            session.service.set_goal(job.id, Goal.CANCELLED)
        with pytest.raises(JobError, match="cannot be restarted"):
            job.restart()
        job.cancel()
        assert job.state == "complete"


def test_a_deleted_job_says_so_and_its_outputs_stay(settings, tiny, tmp_path):
    with Session(settings) as session:
        job = session.run(tiny, output=tmp_path / "out").wait(60)
        job.delete()
        assert repr(job) == f"Job({job.id!r}, deleted)"
        with pytest.raises(JobError, match="there is no job"):
            job.status()
        assert (tmp_path / "out" / "run.nc").is_file()
