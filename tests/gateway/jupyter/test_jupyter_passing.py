"""A Jupyter server whose users' jobs are at a service elsewhere: everything is passed on, and nobody is let in more."""

from __future__ import annotations

import asyncio
import json

import pytest
from gateway_served import ANN, BOB, Served
from gateway_world import DEADLINE_S
from tornado.httpclient import HTTPClientError

from dmod.gateway.routes import PREFIX
from dmod.testing.rivers import tiny_run_directory


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A service with a run directory."""
    folder = tmp_path_factory.mktemp("there")
    tiny_run_directory(folder / "river")
    made = Served(folder)
    yield made
    made.stop()


@pytest.fixture
def jp_server_config(served, jp_server_config, monkeypatch):
    """The extension, told where jobs are."""
    monkeypatch.setenv("DMOD_URL", served.url)
    monkeypatch.setenv("DMOD_TOKEN", ANN)
    return jp_server_config


async def test_the_panel_has_the_jobs_of_the_service(jp_fetch, jp_ws_fetch, served):
    his = served.ask("POST", "jobs", BOB, {"directory": "river", "output": "out/his"})[1]["id"]
    socket = await jp_ws_fetch(PREFIX, "stream")
    first = json.loads(await asyncio.wait_for(socket.read_message(), DEADLINE_S))
    assert (first["kind"], first["full"]) == ("snapshot", True)
    body = json.dumps({"directory": "river", "output": "out/hers"})
    job = json.loads((await jp_fetch(PREFIX, "jobs", method="POST", body=body)).body)["id"]
    await socket.write_message(json.dumps({"watch": {"log": job, "after": -1}}))
    heard = []
    while not any(one["is_final"] for message in heard for one in message.get("jobs", ())):
        heard.append(json.loads(await asyncio.wait_for(socket.read_message(), DEADLINE_S)))
    assert any(message["kind"] == "log" and message["id"] == job for message in heard)
    socket.close()
    listed = json.loads((await jp_fetch(PREFIX, "jobs", params={"text": "river"})).body)["jobs"]
    assert [(one["id"], one["owner"], one["state"]) for one in listed] == [(job, "ann", "complete")]
    for path, status in ((f"jobs/{his}", 404), ("jobs/none", 404), ("nothing", 404)):
        with pytest.raises(HTTPClientError) as refused:
            await jp_fetch(PREFIX, path)
        assert refused.value.code == status
    assert json.loads((await jp_fetch(PREFIX, "jobs", job, method="DELETE")).body) == {"id": job}


async def test_nobody_is_let_in_who_is_not_known_here(jp_fetch, jp_ws_fetch):
    for fetching in (
        jp_fetch(PREFIX, "jobs", headers={"Authorization": "token wrong"}),
        jp_fetch(PREFIX, "jobs", method="POST", body="{}", headers={"Authorization": f"token {ANN}"}),
        jp_ws_fetch(PREFIX, "stream", headers={"Authorization": ""}),
    ):
        with pytest.raises(HTTPClientError) as refused:
            await fetching
        assert refused.value.code == 403


class TestAlone:
    """Where the service is not there."""

    @pytest.fixture
    def jp_server_config(self, jp_server_config, monkeypatch):
        """An address where nobody listens."""
        monkeypatch.setenv("DMOD_URL", "http://127.0.0.1:9")
        return jp_server_config

    async def test_a_service_that_is_not_there_is_said_so(self, jp_fetch, jp_ws_fetch):
        for fetching in (jp_fetch(PREFIX, "jobs"), jp_ws_fetch(PREFIX, "stream")):
            with pytest.raises(HTTPClientError) as refused:
                await fetching
            assert refused.value.code == 502
        with pytest.raises(HTTPClientError) as refused:
            await jp_fetch(PREFIX, "jobs")
        assert json.loads(refused.value.response.body)["error"] == "the service does not answer"
