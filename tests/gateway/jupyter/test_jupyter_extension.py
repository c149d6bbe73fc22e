"""The gateway in a Jupyter server: every address, asked by those who may and by those who may not."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
import time

import pytest
from gateway_world import BODIES, DEADLINE_S, kept, moved
from jupyter_server.auth import Authorizer
from tornado.httpclient import HTTPClientError
from tornado.routing import PathMatches

from dmod.gateway import on_evaluation
from dmod.gateway.routes import PREFIX, ROUTES
from dmod.job.lifecycle import State
from dmod.service import LocalService


def address(route, job):
    return route.path.format(job=job, name="river")


def options(route, **more):
    """What tornado's client wants for a method."""
    body = json.dumps(BODIES.get(route.path, {})) if route.method == "POST" else None
    return {"method": route.method, "body": body, **more}


async def status_of(fetching):
    """The HTTP status of an answer, and the answer."""
    try:
        answer = await fetching
    except HTTPClientError as refused:
        return refused.code, refused.response
    return answer.code, answer


@pytest.fixture
def ask(jp_fetch, mine):
    """Asks a route about a job."""

    async def asking(route, job=None, query=None, **more):
        params = {"id": "nex-1", **(query or {})}
        return await status_of(jp_fetch(PREFIX, address(route, job or mine), params=params, **options(route, **more)))

    return asking


async def test_every_address_is_closed_without_a_token_or_with_a_bad_one(ask):
    for route in ROUTES:
        for header in ("", "token wrong", "Bearer wrong", "Basic YTpi"):
            code, answer = await ask(route, headers={"Authorization": header})
            assert code in (401, 403), (route, header)
            assert b"it is over" not in (answer.body or b"")


async def test_no_address_lets_anybody_in_unknown(jp_serverapp):
    """What the server itself checks of every handler, as its template's ``check_auth`` does."""
    ours = [
        rule.target
        for group in jp_serverapp.web_app.default_router.rules
        for rule in getattr(group.target, "rules", [])
        if isinstance(rule.matcher, PathMatches) and PREFIX in rule.matcher.regex.pattern
    ]
    assert len(ours) == len({route.path for route in ROUTES}) + 1
    for handler in set(ours):
        assert handler.__module__ == "dmod.gateway.jupyter_handlers"
        for name in ("get", "post", "put", "patch", "delete", "head"):
            method = getattr(handler, name)
            assert not getattr(method, "__allow_unauthenticated", False), (handler, name)


async def test_changes_from_another_page_are_refused(jp_serverapp, ann, mine, http_server_client, jp_base_url):
    """A browser that is logged in by its cookie, and a page that does not know the XSRF token."""
    token = jp_serverapp.identity_provider.token
    login = await http_server_client.fetch(f"{jp_base_url}lab?token={token}", follow_redirects=False, raise_error=False)
    cookies = "; ".join(one.split(";")[0] for one in login.headers.get_list("Set-Cookie"))
    xsrf = next(one.split("=", 1)[1].split(";")[0] for one in login.headers.get_list("Set-Cookie") if "_xsrf" in one)
    changes = [route for route in ROUTES if route.method != "GET"]
    for route in changes:
        code, _ = await status_of(
            http_server_client.fetch(
                f"{jp_base_url}{PREFIX}/{address(route, mine)}", headers={"Cookie": cookies}, **options(route)
            )
        )
        assert code == 403, route
    assert [row.state for row in ann.jobs()] == [State.FAILED]
    answer = await http_server_client.fetch(
        f"{jp_base_url}{PREFIX}/jobs/{mine}/restart",
        headers={"Cookie": cookies, "X-XSRFToken": xsrf},
        method="POST",
        body="{}",
    )
    assert answer.code == 200


async def test_a_job_of_somebody_else_is_not_there(ask, bob, his):
    for route in ROUTES:
        if "{job}" in route.path:
            foreign, absent = await ask(route, his), await ask(route, "river-000000")
            assert (foreign[0], absent[0]) == (404, 404)
            assert foreign[1].body == absent[1].body.replace(b"river-000000", his.encode())
    assert bob.job(his).state is State.FAILED


async def test_what_makes_no_sense_is_400_and_what_is_not_there_is_404(ask, jp_fetch):
    for route in ROUTES:
        for name, field in route.parameters.model_fields.items():
            if field.annotation in (int, int | None) and f"{{{name}}}" not in route.path:
                code, answer = await ask(route, query={name: "many"})
                assert code == 400, (route, name)
                assert name in json.loads(answer.body)["facts"]
    for body in ("{", '{"directory": 5}', '{"directory": "../.."}', '{"directory": "river", "x": 1}'):
        code, answer = await status_of(jp_fetch(PREFIX, "jobs", method="POST", body=body))
        assert code == 400
        assert json.loads(answer.body)["hint"]
    for path in ("datasets/none", "jobs/none", "none"):
        assert (await status_of(jp_fetch(PREFIX, path)))[0] == 404
    assert (await status_of(jp_fetch(PREFIX, "jobs", method="PUT", body="{}")))[0] == 405


async def test_nothing_that_a_user_may_ask_is_a_fault_of_the_server(ask):
    for route in ROUTES:
        for job in ("x" * 101, "..", "%00", "a b", "<b>", "ünter", "'; --"):
            for query in ({}, {"after": "9" * 400, "limit": "-1"}, {"id": "\0", "variable": "x" * 300}):
                code, _ = await ask(route, job, query=query)
                assert code < 500, (route, job, query)


async def test_who_may_not_read_or_write_is_refused(ask, jp_serverapp, jp_ws_fetch):
    class Nobody(Authorizer):
        """Lets nobody do anything with dmod."""

        def is_authorized(self, _handler, _user, _action, resource):
            return resource != "dmod"

    jp_serverapp.web_app.settings["authorizer"] = Nobody(parent=jp_serverapp)
    jp_serverapp.authorizer = jp_serverapp.web_app.settings["authorizer"]
    for route in ROUTES:
        assert (await ask(route))[0] == 403, route
    assert (await status_of(jp_ws_fetch(PREFIX, "stream")))[0] == 403


async def test_the_status_says_who_and_where(jp_fetch, tiny):
    told = json.loads((await jp_fetch(PREFIX, "status")).body)
    assert (told["owner"], told["root"], told["conducting"]) == ("ann", str(tiny.parent), False)


async def test_the_loop_goes_on_while_a_question_takes_long(jp_fetch, mine, monkeypatch):
    whole = LocalService.glances
    monkeypatch.setattr(LocalService, "glances", lambda *a, **k: time.sleep(0.7) or whole(*a, **k))
    asking = asyncio.ensure_future(jp_fetch(PREFIX, "jobs"))
    longest = 0.0
    while not asking.done():
        began = time.monotonic()
        await asyncio.sleep(0.01)
        longest = max(longest, time.monotonic() - began)
    assert (await asking).code == 200
    assert longest < 0.5


async def test_evaluations_wait_for_each_other_and_nobody_waits_for_them(jp_fetch, mine, monkeypatch):
    go_on, under_way = threading.Event(), threading.Semaphore(0)
    whole = on_evaluation.found

    def slowly(*given):
        under_way.release()
        assert go_on.wait(DEADLINE_S)
        return whole(*given)

    monkeypatch.setattr(on_evaluation, "found", slowly)
    route, body = "jobs/{job}/evaluate", json.dumps(BODIES["jobs/{job}/evaluate"])
    asking = [
        asyncio.ensure_future(status_of(jp_fetch(PREFIX, route.format(job=mine), method="POST", body=body)))
        for _ in range(9)
    ]
    try:
        assert await asyncio.to_thread(under_way.acquire, timeout=DEADLINE_S)
        assert await asyncio.to_thread(under_way.acquire, timeout=DEADLINE_S)
        for _ in range(3):
            assert (await jp_fetch(PREFIX, "status")).code == 200
        assert not any(one.done() for one in asking)
        assert not under_way.acquire(blocking=False)
    finally:
        go_on.set()
    assert {code for code, _ in await asyncio.gather(*asking)} == {409}


async def next_of(socket, wanted):
    """Messages up to the first that is wanted."""
    heard, end = [], time.monotonic() + DEADLINE_S
    while not heard or not wanted(heard[-1]):
        text = await asyncio.wait_for(socket.read_message(), max(0.1, end - time.monotonic()))
        assert text is not None, "the socket was closed"
        heard.append(json.loads(text))
    return heard


@pytest.mark.parametrize("header", ["", "token wrong"])
async def test_the_stream_is_closed_to_those_who_are_not_known(jp_ws_fetch, header):
    with pytest.raises(HTTPClientError) as refused:
        await jp_ws_fetch(PREFIX, "stream", headers={"Authorization": header})
    assert refused.value.code == 403


async def test_a_cursor_that_is_no_number_is_refused(jp_ws_fetch):
    with pytest.raises(HTTPClientError) as refused:
        await jp_ws_fetch(PREFIX, "stream", params={"cursor": "x"})
    assert refused.value.code == 400


async def test_the_stream_tells_of_changes_and_goes_on_after_an_interruption(jp_ws_fetch, ann, bob, mine, his, tiny):
    socket = await jp_ws_fetch(PREFIX, "stream")
    (first,) = await next_of(socket, lambda message: True)
    assert (first["kind"], [one["id"] for one in first["jobs"]]) == ("snapshot", [mine])
    new = kept(ann, tiny)
    heard = await next_of(socket, lambda message: message["kind"] == "jobs")
    assert [one["id"] for one in heard[-1]["jobs"]] == [new]
    socket.close()
    moved(ann, new, State.RUNNING, "meanwhile")
    again = await jp_ws_fetch(PREFIX, "stream", params={"cursor": heard[-1]["cursor"]})
    (missed,) = await next_of(again, lambda message: True)
    assert [one["message"] for one in missed["jobs"]] == ["meanwhile"]
    assert set(missed["ids"]) == {mine, new}
    ann.ledger.write_log(new, "me", "hello\n")
    await again.write_message(json.dumps({"watch": {"log": new, "after": -1}}))
    heard = await next_of(again, lambda message: message["kind"] == "log")
    assert heard[-1]["lines"][-1][2] == "hello"
    again.close()


class TestConducting:
    """Where the server conducts."""

    @pytest.fixture
    def jp_server_config(self, jp_server_config):
        """The same, with a conductor."""
        del jp_server_config["Dmod"]
        return jp_server_config

    async def test_a_job_is_watched_to_its_end_and_its_outputs_are_drawn(
        self, jp_fetch, jp_ws_fetch, basin, jp_root_dir
    ):
        socket = await jp_ws_fetch(PREFIX, "stream")
        await next_of(socket, lambda message: message["kind"] == "snapshot")
        link = jp_root_dir / "mad-river"
        if not link.exists():
            shutil.copytree(basin, link)
        body = json.dumps({"directory": "mad-river", "overwrite": True})
        job = json.loads((await jp_fetch(PREFIX, "jobs", method="POST", body=body)).body)["id"]

        def is_over(message):
            return any(one["id"] == job and one["is_final"] for one in message.get("jobs", []))

        heard = await next_of(socket, is_over)
        states = [one["state"] for message in heard for one in message.get("jobs", []) if one["id"] == job]
        assert states[-1] == "complete"
        assert (await jp_fetch(PREFIX, "status")).code == 200
        outputs = json.loads((await jp_fetch(PREFIX, "jobs", job, "outputs")).body)
        assert outputs["sizes"] == {"catchment-id": 12, "nexus-id": 6, "time": 720}
        place = outputs["ids"]["nexus-id"][0]
        for asked, given in ((2000, 720), (100, 100)):
            found = await jp_fetch(PREFIX, "jobs", job, "series", params={"id": place, "points": asked})
            series = json.loads(found.body)
            assert (len(series["time"]), series["units"]) == (given, "m3 s-1")
            assert all(low <= high for low, high in zip(series["low"], series["high"], strict=True))
        later = outputs["start_s"] + 10 * 3600
        part = await jp_fetch(
            PREFIX, "jobs", job, "series", params={"id": place, "start_s": later, "end_s": later + 7200}
        )
        assert json.loads(part.body)["time"] == [later, later + 3600]
        wrong = await status_of(jp_fetch(PREFIX, "jobs", job, "series", params={"id": "nex-0"}))
        assert wrong[0] == 400
        inputs = json.loads((await jp_fetch(PREFIX, "jobs", job, "inputs")).body)["inputs"]
        assert {one["kind"] for one in inputs} == {"hydrofabric", "realization", "forcing", "config"}
        assert all(one["digest"].startswith("sha256:") for one in inputs)
        uses = json.loads((await jp_fetch(PREFIX, "jobs", job, "resources")).body)["series"]
        assert {one["cores"] for one in uses} == {0, 1}
        assert "run      " in json.loads((await jp_fetch(PREFIX, "jobs", job, "plan")).body)["plan"]
        assert json.loads((await jp_fetch(PREFIX, "jobs", job, "report")).body)["report"]["ok"]
        told = json.loads((await jp_fetch(PREFIX, "jobs", job, "provenance")).body)["provenance"]
        assert told["dmod_job"] == job
        socket.close()

    async def test_only_jobs_of_the_owner_are_conducted(self, jp_serverapp, jp_fetch, ann, bob, tiny, tmp_path):
        his = kept(bob, tiny, output=tmp_path / "his")
        hers = kept(ann, tiny, output=tmp_path / "hers")
        for _ in range(int(DEADLINE_S / 0.05)):
            if ann.job(hers).state.is_final:
                break
            await asyncio.sleep(0.05)
        assert ann.job(hers).state is State.COMPLETE
        assert ann.served()
        assert not bob.served()
        assert bob.job(his).state is State.REQUESTED
