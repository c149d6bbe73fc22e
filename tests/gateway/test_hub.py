"""A real JupyterHub with two users: the shared service, and servers of their own; each sees only their own jobs."""

from __future__ import annotations

import re

import pytest
import requests
from gateway_hub import Hub, require
from gateway_world import until

import dmod
from dmod.errors import InputError
from dmod.gateway.hub import HubDoor, hub_listening
from dmod.gateway.routes import ROUTES
from dmod.testing.rivers import tiny_run_directory

SERVICE = "services/dmod/dmod/api"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A hub with its service."""
    try:
        import jupyterhub  # noqa: F401
    except ImportError:
        require("there is no JupyterHub: pip install jupyterhub")
    folder = tmp_path_factory.mktemp("hub")
    for name in ("ann", "bob", "cy"):
        tiny_run_directory(folder / name / "river")
    made = Hub(folder)
    yield made
    made.stop()


def run(hub, name, **options):
    """A job of a user at the service, at its end."""
    made = hub.ask("POST", f"{SERVICE}/jobs", name, json={"directory": "river", **options})
    assert made.status_code == 201, made.text
    job = made.json()["id"]
    until(lambda: hub.get(f"{SERVICE}/jobs/{job}", name).json()["is_final"], 120)
    return job


@pytest.fixture(scope="module")
def hers(hub):
    """A job of ann's."""
    return run(hub, "ann", output="out/hers")


def test_the_service_is_closed_to_whom_the_hub_does_not_know_or_does_not_let_in(hub, hers):
    for route in ROUTES:
        path = f"{SERVICE}/{route.path.format(job=hers, name='none')}"
        body = {"json": {}} if route.method == "POST" else {}
        assert hub.ask(route.method, path, **body).status_code == 401, route
        assert hub.ask(route.method, path, "wrong", **body).status_code == 403, route
        assert hub.ask(route.method, path, "cy", **body).status_code == 403, route


def test_users_of_the_service_see_their_own_jobs_only(hub, hers):
    his = run(hub, "bob")
    assert [one["id"] for one in hub.get(f"{SERVICE}/jobs", "ann").json()["jobs"]] == [hers]
    assert [one["id"] for one in hub.get(f"{SERVICE}/jobs", "bob").json()["jobs"]] == [his]
    foreign, absent = (hub.get(f"{SERVICE}/jobs/{job}", "bob") for job in (hers, "river-000000"))
    assert (foreign.status_code, foreign.text) == (404, absent.text.replace("river-000000", hers))
    assert hub.get(f"{SERVICE}/jobs/{his}", "bob").json()["owner"] == "bob"


def test_users_of_the_service_reach_their_own_directory_only(hub):
    for directory in ("../ann/river", str(hub.folder / "ann" / "river"), "/etc"):
        refused = hub.ask("POST", f"{SERVICE}/jobs", "bob", json={"directory": directory})
        assert (refused.status_code, refused.json()["kind"]) == (400, "InputError")


def test_a_browser_logs_in_by_the_hub_and_changes_need_its_xsrf_token(hub, hers):
    with requests.Session() as browser:
        login = browser.get(f"{hub.url}/hub/login", timeout=60)
        form = {"username": "ann", "password": "a-long-password-for-tests", "_xsrf": browser.cookies["_xsrf"]}
        let_in = browser.post(f"{hub.url}/hub/login", data=form, timeout=60, allow_redirects=False)
        assert let_in.status_code == 302, login
        home = browser.get(f"{hub.url}/services/dmod/", timeout=60)
        assert home.status_code == 200
        assert "conducts the jobs of ann" in home.text
        api = f"{hub.url}/{SERVICE}"
        navigated = {"Sec-Fetch-Mode": "navigate"}
        assert hers in browser.get(f"{api}/jobs", timeout=60, headers=navigated).text
        restart = f"{api}/jobs/{hers}/restart"
        assert browser.post(restart, timeout=60).status_code == 403
        assert browser.post(restart, timeout=60, headers={"X-XSRFToken": "wrong"}).status_code == 403
        xsrf = next(cookie.value for cookie in browser.cookies if cookie.name == "_xsrf" and "dmod" in cookie.path)
        known = browser.post(restart, timeout=60, headers={"X-XSRFToken": xsrf})
        assert known.status_code == 409, known.text  # it is complete: the question was let in, and answered


def test_a_kernel_connects_to_the_service_with_the_token_of_its_user(hub, hers, monkeypatch):
    monkeypatch.setenv("DMOD_URL", f"{hub.url}/services/dmod/")
    monkeypatch.delenv("DMOD_TOKEN", raising=False)
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", hub.tokens["ann"])
    with dmod.connect() as session:
        assert [job.id for job in session.jobs] == [hers]
        job = session.run(hub.folder / "ann" / "river", output=hub.folder / "ann" / "out" / "kernel")
        assert job.wait(120).outputs.sizes["catchment-id"] == 3
        job.delete()


def test_servers_of_users_show_their_own_jobs_to_them_alone(hub):
    places = {"ann": hub.start("ann"), "bob": hub.start("bob")}
    jobs = {}
    for name, place in places.items():
        body = {"directory": "river", "output": "out/own", "overwrite": True}
        made = hub.ask("POST", f"{place}dmod/api/jobs", name, json=body)
        assert made.status_code == 201, made.text
        jobs[name] = made.json()["id"]
    for name, other in (("ann", "bob"), ("bob", "ann")):
        place = places[name]
        until(
            lambda name=name, place=place: hub.get(f"{place}dmod/api/jobs/{jobs[name]}", name).json()["is_final"], 120
        )
        listed = hub.get(f"{place}dmod/api/jobs", name).json()["jobs"]
        assert [(one["id"], one["owner"], one["state"]) for one in listed] == [(jobs[name], name, "complete")]
        assert hub.get(f"{place}dmod/api/jobs/{jobs[other]}", name).status_code == 404
        assert hub.get(f"{place}dmod/api/jobs", other).status_code == 403
        assert hub.get(f"{place}dmod/api/jobs").status_code in (302, 403)
    second = hub.start("ann", "second")
    listed = hub.get(f"{second}dmod/api/jobs", "ann").json()["jobs"]
    assert [one["id"] for one in listed] == [jobs["ann"]]


def test_a_server_whose_hub_names_the_service_shows_the_jobs_there(hub, hers):
    place = hub.start("ann", "shared")
    listed = hub.get(f"{place}dmod/api/jobs", "ann").json()["jobs"]
    assert [one["id"] for one in listed] == [hers]
    assert hub.get(f"{place}dmod/api/jobs", "bob").status_code == 403


def test_without_a_hub_it_says_that_there_is_none(monkeypatch):
    pytest.importorskip("jupyterhub")
    for name in ("API_TOKEN", "SERVICE_URL", "SERVICE_PREFIX"):
        monkeypatch.delenv(f"JUPYTERHUB_{name}", raising=False)
    with pytest.raises(InputError, match="no JupyterHub has started this"):
        HubDoor()
    with pytest.raises(InputError, match="no JupyterHub has started this"):
        hub_listening(".")
    monkeypatch.setenv("JUPYTERHUB_SERVICE_URL", "http://127.0.0.1:10101")
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/hubroot/services/dmod/")
    found = hub_listening("runs/{user}")
    assert (found.ip, found.port, found.base_url) == ("127.0.0.1", 10101, "/hubroot/services/dmod/")
    assert re.search("ann$", str(found.root_of("ann")))
