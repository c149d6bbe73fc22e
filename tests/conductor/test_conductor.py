"""However a job goes wrong, it ends, says so once, and gives back what it held."""

from __future__ import annotations

import contextlib
import threading
import time

import psutil
import pytest

from dmod.conductor.conduct import Conduct
from dmod.conductor.conductor import Conductor
from dmod.conductor.dask_way import DaskWay
from dmod.errors import Cancelled, DmodError, RunError
from dmod.execution.cluster import open_cluster
from dmod.job.journal import Journal
from dmod.job.lifecycle import LINE, Goal, State
from dmod.prepare.basin import make_basin
from dmod.schedule.resources import Host
from dmod.service import LocalService
from dmod.session import Session, request_of
from dmod.settings import Settings


@pytest.fixture(scope="module")
def basin(tmp_path_factory):
    """Six catchments, two days."""
    return make_basin(tmp_path_factory.mktemp("conducted") / "run", catchments=6, days=2)


@pytest.fixture
def conduct(basin, tmp_path):
    """A job that has not begun."""
    return Conduct(request_of(basin.directory, output=tmp_path / "out"), Journal("run"))


def _broken(*_args, **_kwargs):
    raise ZeroDivisionError("a fault of ours")


@pytest.mark.parametrize("verb", [verb.name for verb in LINE])
def test_a_fault_in_any_verb_fails_the_job_and_leaves_nothing(conduct, tmp_path, monkeypatch, verb, caplog):
    monkeypatch.setattr(conduct, f"_{verb}", _broken)
    conduct.walk()
    assert conduct.journal.state == "failed"
    assert isinstance(conduct.problem, RunError)
    assert conduct.problem.facts["reason"] == "ZeroDivisionError: a fault of ours"
    assert isinstance(conduct.problem.__cause__, ZeroDivisionError)
    assert "a fault of ours" in caplog.text, "the log has the traceback"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", [verb.name for verb in LINE[:-1]])
def test_a_goal_written_during_any_verb_cancels_the_job(conduct, tmp_path, monkeypatch, verb):
    act = getattr(conduct, f"_{verb}")

    def act_and_be_told_to_stop():
        said = act()
        conduct.journal.want(Goal.CANCELLED)
        return said

    monkeypatch.setattr(conduct, f"_{verb}", act_and_be_told_to_stop)
    conduct.walk()
    assert conduct.journal.state == "cancelled"
    assert isinstance(conduct.problem, Cancelled)
    assert not (tmp_path / "out").exists()
    assert all(path.name == "out.partial" for path in tmp_path.iterdir())


def test_a_goal_written_after_publishing_is_too_late(conduct, tmp_path, monkeypatch):
    publish = conduct._publish

    def publish_and_be_told_to_stop():
        said = publish()
        conduct.journal.want(Goal.CANCELLED)
        return said

    monkeypatch.setattr(conduct, "_publish", publish_and_be_told_to_stop)
    conduct.walk()
    assert (conduct.journal.state, conduct.problem) == ("complete", None)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("walk_fails", [False, True], ids=["a good run", "a failing run"])
def test_a_cluster_that_will_not_close_changes_nothing_about_how_a_run_ended(
    conduct, tmp_path, monkeypatch, walk_fails
):
    @contextlib.contextmanager
    def sticky(*args):
        with open_cluster(*args) as client:
            yield client
        raise TimeoutError("the cluster will not close")

    monkeypatch.setattr(conduct, "clusters", sticky)
    if walk_fails:
        monkeypatch.setattr(conduct, "_monitor", _broken)
    conduct.walk()
    assert conduct.journal.state == ("failed" if walk_fails else "complete")
    assert [path.name for path in tmp_path.iterdir()] == ([] if walk_fails else ["out"])


def test_cores_are_given_back_before_anybody_hears_that_the_run_is_complete(conduct, monkeypatch):
    order = []
    append = conduct.journal.append

    @contextlib.contextmanager
    def watched(*args):
        with open_cluster(*args) as client:
            yield client
        order.append("closed")

    monkeypatch.setattr(conduct, "clusters", watched)
    monkeypatch.setattr(
        conduct.journal, "append", lambda state, *a, **k: (order.append(str(state)), append(state, *a, **k))
    )
    conduct.walk()
    assert order[-2:] == ["closed", "complete"]


def test_every_part_reports_what_it_did(basin, tmp_path):
    job = Session().run(basin.directory, output=tmp_path / "out").wait(60)
    reports = job.reports
    assert [report.index for report in reports] == list(range(len(job.plan.pieces)))
    assert sum(report.catchment_steps for report in reports) == 6 * 48
    assert all(min(report.read_s, report.compute_s, report.write_s) >= 0 for report in reports)


def test_a_full_disk_is_one_clear_error(conduct, tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dmod.formats.run_layout._set_aside", full)
    conduct.walk()
    assert conduct.journal.state == "failed"
    assert "no room" in conduct.problem.headline
    assert conduct.problem.exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_two_runs_into_one_place_do_not_meet(basin, tmp_path, monkeypatch):
    session = Session()
    jobs = [session.run(basin.directory, output=tmp_path / "out") for _ in range(2)]
    ends = []
    for job in jobs:
        with contextlib.suppress(DmodError):
            job.wait(60)
        ends.append(str(job.state))
    assert sorted(ends) == ["complete", "failed"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "run.nc").is_file()


def until(holds, *, seconds=60.0):
    """Wait for something to become true."""
    latest = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < latest, "it did not happen in time"
        time.sleep(0.02)


def ours():
    """Threads of conductors of this process."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("dmod-")}


def test_a_session_that_has_nothing_to_do_has_no_threads_and_conducts_the_next_job_all_the_same(basin, tmp_path):
    before = ours()
    with Session(Settings(home=tmp_path / "home")) as session:
        for number in range(2):
            job = session.run(basin.directory, output=tmp_path / str(number)).wait(60)
            assert str(job.state) == "complete"
            assert ours() - before
            until(lambda: not ours() - before)
            assert not session.service.ledger.holders(), "who rests conducts nothing"


def test_a_job_that_somebody_else_ends_keeps_no_session_awake(basin, tmp_path):
    with Session(Settings(home=tmp_path / "home")) as session:
        service = session.service
        job = service.submit(request_of(basin.directory, output=tmp_path / "out"), attend=False)
        assert service.ledger.claim("another", 600) == [job]
        conductor = service.conductor
        conductor.conduct(job)
        assert conductor._thread is not None
        service.ledger.append(job, "another", State.FAILED, "the other one failed")
        until(lambda: conductor._thread is None)
        assert not conductor._mine
        assert [event.message for event in service.events(job)] == ["requested", "the other one failed"]


@pytest.fixture
def conductor(tmp_path):
    """One that serves a ledger of its own."""
    service = LocalService(Settings(home=tmp_path / "home"))
    made = Conductor(service.ledger, kind="serve", settings=service.settings, host=Host.here().limited(2))
    yield made
    made.stop()
    service.close()


def submit(conductor, basin, target, **options):
    """A job for it."""
    service = LocalService(conductor.settings)
    job = service.submit(request_of(basin.directory, output=target, **options), attend=False)
    service.close()
    return job


def workers():
    """Dask workers that this process has started."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            found += [child] if "distributed.cli.dask_spec" in child.cmdline() else []
    return found


def test_a_conductor_that_stops_while_a_job_is_prepared_ends_the_workers_it_started(
    conductor, basin, tmp_path, monkeypatch
):
    reached = threading.Event()

    def hold(_ledger, held):
        reached.set()
        assert held.conduct._leaving.wait(60)
        until(workers)

    monkeypatch.setattr("dmod.conductor.conductor.tell", hold)
    submit(conductor, basin, tmp_path / "out", workers=1)
    conductor.start()
    assert reached.wait(60)
    conductor.stop()
    until(lambda: not workers(), seconds=30)
    assert conductor.ledger.holders() == []


def test_a_job_that_was_cancelled_at_once_has_no_workers_started(conductor, basin, tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(DaskWay, "start_early", lambda *_: started.append(_))
    job = submit(conductor, basin, tmp_path / "out", workers=1)
    conductor.ledger.set_goal(job, Goal.CANCELLED)
    conductor.start()
    until(lambda: conductor.ledger.job(job).state is State.CANCELLED)
    until(lambda: not conductor._active())
    assert started == []


def test_a_job_that_was_lost_and_comes_back_waits_for_the_end_of_what_was_begun(
    conductor, basin, tmp_path, monkeypatch
):
    go, at_once, most, claims = threading.Event(), [0], [0], []
    launch, claim = Conduct._launch, conductor.ledger.claim

    def slowly(conduct):
        at_once[0] += 1
        most[0] = max(most[0], at_once[0])
        assert go.wait(60)
        at_once[0] -= 1
        return launch(conduct)

    def counted(*args, **options):
        claims.extend(found := claim(*args, **options))
        return found

    monkeypatch.setattr(Conduct, "_launch", slowly)
    monkeypatch.setattr(conductor.ledger, "claim", counted)
    job = submit(conductor, basin, tmp_path / "out")
    conductor.start()
    until(lambda: at_once[0] == 1)
    conductor.ledger.release(conductor.holder, [job])
    until(lambda: claims.count(job) >= 3)
    go.set()
    until(lambda: conductor.ledger.job(job).state.is_final)
    assert conductor.ledger.job(job).state is State.COMPLETE
    assert most == [1]
