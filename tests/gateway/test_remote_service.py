"""`dmod.connect(url)`: a session at a server in another process, with handles that do what they do here."""

from __future__ import annotations

import http.server
import threading
from typing import ClassVar

import pytest
from gateway_served import ANN, BOB, Served
from gateway_world import DEADLINE_S, until

import dmod
from dmod.errors import InputError, JobError, OutputError, ServiceError
from dmod.gateway import asking_http
from dmod.prepare.basin import make_basin
from dmod.session import request_of
from dmod.testing.rivers import tiny_run_directory


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A server that conducts."""
    folder = tmp_path_factory.mktemp("remote")
    tiny_run_directory(folder / "river")
    make_basin(folder / "wide", catchments=60, days=300)
    made = Served(folder)
    yield made
    made.stop()


@pytest.fixture
def session(served):
    """A session there."""
    with dmod.connect(served.url, token=ANN) as made:
        yield made


def test_a_run_there_is_waited_for_and_its_outputs_are_opened_where_they_are_seen(served, session):
    job = session.run(served.folder / "river", output=served.folder / "out" / "one")
    assert job.wait(60) is job
    assert (str(job.state), job.progress.fraction, job.name) == ("complete", 1.0, "river")
    assert job.outputs.sizes["catchment-id"] == 3
    assert job.provenance["dmod_job"] == job.id
    assert [str(event.state) for event in job.events][-1] == "complete"
    assert "complete: outputs in" in "".join(job.logs())
    assert list(job.logs(follow=True)) == list(job.logs())
    assert "run      " in job.plan
    assert job.report.ok
    assert job.status()["catchments"] == 3
    assert job.request.directory == served.folder / "river"
    assert session.job(job.id[:-1]) == job
    assert job in session.jobs
    assert repr(session) == f"Session({served.url}, {len(session.jobs)} jobs)"
    assert "complete" in repr(session.jobs)
    assert job._repr_mimebundle_()
    job.cancel()  # nothing happens: it has ended
    job.delete()
    assert repr(job) == f"Job({job.id!r}, deleted)"
    with pytest.raises(JobError, match="there is no job"):
        job.wait(5)


def test_a_job_there_is_cancelled_and_restarted(served, session):
    job = session.run(served.folder / "wide", output=served.folder / "out" / "wide")
    until(lambda: str(job.state) in ("prepared", "partitioned", "allocated", "running"))
    job.cancel()
    with pytest.raises(dmod.errors.Cancelled):
        job.wait(60)
    job.restart().wait(120)
    assert str(job.state) == "complete"


def test_what_goes_wrong_there_is_raised_here_as_what_it_is(served, session, tmp_path):
    (served.folder / "empty").mkdir(exist_ok=True)
    job = session.run(served.folder / "empty")
    with pytest.raises(InputError) as there:
        job.wait(60)
    assert there.value.facts
    with pytest.raises(InputError, match="outside of what this server may reach"):
        session.run(tmp_path)
    with pytest.raises(JobError, match="there is no job 'nothing'"):
        session.job("nothing")


def test_an_array_is_kept_there_whole(served, session):
    jobs = session.map(request_of(served.folder / "river", output=served.folder / "sweep" / str(i)) for i in range(3))
    jobs.wait(60)
    assert {row["state"] for row in jobs.rows()} == {"complete"}
    assert len(session.service.jobs(array=session.service.job(jobs[0].id).array)) == 3


def test_outputs_that_are_not_seen_from_here_are_said_to_be_there(served, session):
    job = session.run(served.folder / "river", output=served.folder / "out" / "far").wait(60)
    (served.folder / "out" / "far").rename(served.folder / "out" / "away")
    with pytest.raises(OutputError, match="on the machine of the service"):
        _ = job.outputs


def test_datasets_there_are_not_pretended_to_be_here(session):
    with pytest.raises(InputError, match="on its own machine"):
        _ = session.datasets


def test_nobody_gets_at_jobs_of_others(served, session):
    job = session.run(served.folder / "river", output=served.folder / "out" / "hers").wait(60)
    with dmod.connect(served.url, token=BOB) as other:
        assert job not in other.jobs
        with pytest.raises(JobError, match="there is no job"):
            other.job(job.id)


@pytest.mark.parametrize("token", ["wrong", ""])
def test_who_is_not_let_in_is_told_how(served, token):
    session = dmod.connect(served.url, token=token)
    with pytest.raises(InputError, match="does not let you in") as told:
        _ = session.jobs
    assert "token" in told.value.hint


def test_a_service_that_is_not_there_is_said_so(monkeypatch):
    monkeypatch.setattr(asking_http, "_PATIENCE_S", 0.3)
    with dmod.connect("http://127.0.0.1:9", token=ANN) as session, pytest.raises(ServiceError, match="does not answer"):
        _ = session.jobs


def test_a_server_that_is_started_again_is_found_again(tmp_path, monkeypatch):
    monkeypatch.setattr(asking_http, "_PATIENCE_S", DEADLINE_S)
    run = tiny_run_directory(tmp_path / "river")
    first = Served(tmp_path)
    session = dmod.connect(first.url, token=ANN)
    job = session.run(run).wait(60)
    first.stop()
    found = []
    asking = threading.Thread(target=lambda: found.append(str(job.state)))
    asking.start()
    second = Served(tmp_path, port=first.port)
    asking.join()
    second.stop()
    assert found == ["complete"]


@pytest.mark.parametrize("url", ["", "8787", "ftp://host", "http://", "http://ann:secret@host"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(InputError):
        dmod.connect(url, token=ANN)


@pytest.mark.parametrize(
    "shown", ["/lab", "/lab/tree/a/b.ipynb", "/tree", "/lab?token=TOKEN", "/", ""], ids=lambda text: text or "nothing"
)
def test_the_address_in_the_browser_will_do(shown):
    line = asking_http.Line(f"http://127.0.0.1:8888/user/ann{shown}")
    assert line.url == "http://127.0.0.1:8888/user/ann"
    assert line._token == ("TOKEN" if "token" in shown else None)


class _Elsewhere(http.server.BaseHTTPRequestHandler):
    """A server of something else, which sends everybody on to another address."""

    asked: ClassVar[list] = []

    def do_GET(self):
        self.asked.append((self.path, self.headers.get("Authorization")))
        self.send_response(302)
        self.send_header("Location", "/other")
        self.end_headers()

    def log_message(self, *_):
        pass


def test_a_token_is_not_carried_to_another_address():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    session = dmod.connect(f"http://127.0.0.1:{server.server_port}", token=ANN)
    with pytest.raises(InputError, match="no dmod at this address"):
        _ = session.jobs
    server.shutdown()
    server.server_close()
    assert [path.partition("?")[0] for path, _ in _Elsewhere.asked] == ["/dmod/api/jobs"]


def test_the_environment_says_where_but_a_file_gets_no_token(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DMOD_TOKEN", ANN)
    (tmp_path / "dmod.toml").write_text('url = "http://127.0.0.1:9"\n')
    assert asking_http.token_there() is None
    with dmod.connect() as session:
        assert session.service.where == "http://127.0.0.1:9"
        assert session.service._line._token is None
    monkeypatch.setenv("DMOD_URL", "http://127.0.0.1:10/")
    with dmod.connect() as session:
        assert (session.service.where, session.service._line._token) == ("http://127.0.0.1:10", ANN)
