"""`dmod serve --http` as it is started from a terminal, with two users who do not see each other."""

from __future__ import annotations

import asyncio
import json
import signal

import pytest
from gateway_served import ANN, BOB, Served
from gateway_world import BODIES, DEADLINE_S, until
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from dmod.errors import InputError
from dmod.gateway.routes import ROUTES
from dmod.gateway.server import Listening
from dmod.gateway.tokens import own_token, read_tokens
from dmod.testing.rivers import tiny_run_directory


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A server that conducts."""
    folder = tmp_path_factory.mktemp("served")
    tiny_run_directory(folder / "river")
    made = Served(folder)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def hers(served):
    """A job of ann's, complete."""
    status, told = served.ask("POST", "jobs", ANN, {"directory": "river", "output": "out/hers"})
    assert status == 201, told
    until(lambda: served.ask("GET", f"jobs/{told['id']}", ANN)[1]["is_final"])
    return told["id"]


def of(route, job="river-000000"):
    return route.path.format(job=job, name="none") + ("?id=nex-1" if route.path.endswith("series") else "")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_address_is_closed_without_a_token_or_with_a_bad_one(served, hers, route):
    for token, status in ((None, 401), ("wrong", 403), ("", 403), (ANN[:-1], 403), ("ünter", 403)):
        header = None if token is None else token
        if token == "ünter":
            header = token.encode().decode("latin-1")
        found, told = served.ask(route.method, of(route, hers), header)
        assert found == status, (token, told)
        assert told["hint"]
    assert served.ask("GET", f"jobs/{hers}", ANN)[0] == 200


OF_JOBS = [route for route in ROUTES if "{job}" in route.path]


@pytest.mark.parametrize("route", OF_JOBS, ids=lambda route: f"{route.method} {route.path}")
def test_a_job_of_somebody_else_is_answered_like_one_that_is_not_there(served, hers, route):
    body = BODIES.get(route.path)
    foreign = served.ask(route.method, of(route, hers), BOB, body)
    absent = served.ask(route.method, of(route), BOB, body)
    assert foreign[0] == absent[0] == 404
    assert json.dumps(foreign).replace(hers, "river-000000") == json.dumps(absent)


def test_each_sees_their_own_jobs(served, hers):
    his = served.ask("POST", "jobs", BOB, {"directory": "river", "output": "out/his"})[1]["id"]
    assert [one["id"] for one in served.ask("GET", "jobs", BOB)[1]["jobs"]] == [his]
    assert his not in json.dumps(served.ask("GET", "jobs", ANN)[1])
    until(lambda: served.ask("GET", f"jobs/{his}", BOB)[1]["is_final"])
    assert served.ask("GET", f"jobs/{his}", BOB)[1]["state"] == "complete"
    assert {one["name"] for one in served.ask("GET", "datasets", BOB)[1]["datasets"]} == {f"{his}-outputs"}
    assert served.ask("GET", f"datasets/{hers}-outputs", BOB)[0] == 404
    assert served.ask("GET", "status", BOB)[1]["owner"] == "bob"
    assert served.ask("GET", "status", BOB)[1]["conducting"] is True


def test_what_makes_no_sense_is_refused(served):
    assert served.ask("GET", "jobs?limit=x", ANN)[0] == 400
    assert served.ask("POST", "jobs", ANN, {"directory": "/etc"})[0] == 400
    assert served.ask("GET", "nothing", ANN)[0] == 404
    assert served.ask("GET", "nothing")[0] == 401
    assert served.ask("PUT", "jobs", ANN, {})[0] == 405


def listened(served, token, query=""):
    """The first message of the stream, and what answers a bad token."""

    async def listen():
        headers = {} if token is None else {"Authorization": f"token {token}"}
        url = f"{served.url.replace('http', 'ws', 1)}/dmod/api/stream{query}"
        socket = await websocket_connect(HTTPRequest(url, headers=headers))
        text = await asyncio.wait_for(socket.read_message(), DEADLINE_S)
        socket.close()
        while await asyncio.wait_for(socket.read_message(), DEADLINE_S) is not None:
            continue  # it is closed when the other side has said so too
        return json.loads(text)

    return asyncio.run(listen())


def test_the_stream_tells_each_of_their_own(served, hers):
    assert hers in json.dumps(listened(served, ANN))
    assert hers in json.dumps(listened(served, None, f"?token={ANN}"))
    assert hers not in json.dumps(listened(served, BOB))
    refusals = [(None, "", 401), ("wrong", "", 403), (None, "?token=wrong", 401), (ANN, "?cursor=x", 400)]
    for token, query, status in refusals:
        with pytest.raises(HTTPClientError) as refused:
            listened(served, token, query)
        assert refused.value.code == status


def test_a_token_in_an_address_that_is_no_websocket_is_no_token(served):
    assert served.ask("GET", f"jobs?token={ANN}")[0] == 401


def test_no_token_is_in_what_the_server_says(served):
    served.ask("GET", f"jobs?token={ANN}")
    assert ANN not in served.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_that_is_stopped_lets_go_of_jobs_for_the_next(tmp_path, basin, number):
    (tmp_path / "run").symlink_to(basin)
    first = Served(tmp_path, "--root", str(tmp_path.anchor))
    job = first.ask("POST", "jobs", ANN, {"directory": str(basin), "output": str(tmp_path / "out")})[1]["id"]
    until(lambda: first.ask("GET", f"jobs/{job}", ANN)[1]["state"] not in ("requested", "resolved"))
    first.stop(number)
    assert first.process.returncode == 0, first.log.read_text()
    assert "Traceback" not in first.log.read_text()
    second = Served(tmp_path, "--root", str(tmp_path.anchor))
    until(lambda: second.ask("GET", f"jobs/{job}", ANN)[1]["is_final"])
    assert second.ask("GET", f"jobs/{job}", ANN)[1]["state"] == "complete"
    second.stop()


def test_a_port_that_is_taken_is_a_clear_error(served, tmp_path):
    with pytest.raises(AssertionError, match="nobody can listen there"):
        Served(tmp_path, port=served.port)


def test_users_may_have_directories_of_their_own(tmp_path):
    listening = Listening(root=f"{tmp_path}/{{user}}/runs")
    assert listening.root_of("ann") == tmp_path / "ann" / "runs"
    for name in ("..", ".", "", "a/b", "a\0"):
        with pytest.raises(InputError, match="no directory"):
            listening.root_of(name)


def test_a_file_of_tokens_is_for_its_owner_alone(tmp_path):
    file = tmp_path / "tokens.toml"
    file.write_text(f'ann = "{ANN}"\n')
    file.chmod(0o644)
    with pytest.raises(InputError, match="others may read"):
        read_tokens(file)
    file.chmod(0o600)
    assert read_tokens(file).user(ANN) == "ann"
    assert read_tokens(file).user(ANN + "x") is None
    assert ANN not in repr(read_tokens(file))


@pytest.mark.parametrize("text", ["", "ann = 5\n", 'ann = "short"\n', "ann: x\n", "\xff"])
def test_a_file_that_holds_no_tokens_is_refused(tmp_path, text):
    file = tmp_path / "tokens.toml"
    file.touch(mode=0o600)
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError):
        read_tokens(file)


def test_a_token_may_be_kept_as_its_digest(tmp_path):
    import hashlib

    file = tmp_path / "tokens.toml"
    file.touch(mode=0o600)
    file.write_text(f'ann = "sha256:{hashlib.sha256(ANN.encode()).hexdigest()}"\n')
    assert read_tokens(file).user(ANN) == "ann"


def test_who_serves_alone_gets_a_token_in_a_file_that_nobody_else_reads(tmp_path, monkeypatch):
    monkeypatch.delenv("DMOD_TOKEN", raising=False)
    tokens, file = own_token("ann", tmp_path / "home")
    assert file.stat().st_mode & 0o777 == 0o600
    assert tokens.user(file.read_text().strip()) == "ann"
    assert own_token("ann", tmp_path / "home")[0].user(file.read_text().strip()) == "ann"
    monkeypatch.setenv("DMOD_TOKEN", BOB)
    assert own_token("ann", tmp_path)[0].user(BOB) == "ann"
    monkeypatch.setenv("DMOD_TOKEN", "short")
    with pytest.raises(InputError, match="too short"):
        own_token("ann", tmp_path)
