"""Every route, asked without any web server: what it gives, and what is said where a question makes no sense."""

from __future__ import annotations

import inspect
import json
import re

import numpy as np
import pytest
from gateway_world import BODIES, asked, kept, moved, service_of

from dmod.catalog.catalog import Catalog
from dmod.gateway.asker import Asker
from dmod.gateway.on_jobs import Submission
from dmod.gateway.on_results import thinned
from dmod.gateway.openapi import document
from dmod.gateway.routes import MOST_BYTES, ROUTES
from dmod.job.lifecycle import LINE, State
from dmod.session import request_of

OF_JOBS = [route for route in ROUTES if "{job}" in route.path]


def told(reply, status=200):
    assert reply.status == status, reply.body
    return json.loads(reply.body)


def submit(asker, **body):
    return asked(asker, "POST", "jobs", body=json.dumps(body).encode())


def test_a_job_is_kept_listed_shown_cancelled_and_forgotten(asker, tiny):
    job = told(submit(asker, directory="river", priority=70), 201)["id"]
    page = told(asked(asker, "GET", "jobs"))
    assert [one["id"] for one in page["jobs"]] == [job]
    assert (page["total"], page["cursor"]) == (1, asker.service.ledger.last_cursor())
    detail = told(asked(asker, "GET", f"jobs/{job}"))
    assert {name: detail[name] for name in page["jobs"][0]} == page["jobs"][0]
    assert (detail["state"], detail["priority"], detail["directory"]) == ("requested", 70, str(tiny))
    assert [one["verb"] for one in detail["verbs"]] == [verb.name for verb in LINE]
    assert [one["message"] for one in detail["events"]] == ["requested"]
    assert told(asked(asker, "DELETE", f"jobs/{job}"), 409)["kind"] == "JobError"
    assert told(asked(asker, "POST", f"jobs/{job}/cancel")) == {"id": job}
    assert told(asked(asker, "GET", f"jobs/{job}"))["goal"] == "cancelled"
    moved(asker.service, job, State.CANCELLED)
    assert told(asked(asker, "POST", f"jobs/{job}/cancel"), 409)["error"] == f"job {job} is cancelled already"
    told(asked(asker, "POST", f"jobs/{job}/restart"))
    moved(asker.service, job, State.FAILED)
    told(asked(asker, "DELETE", f"jobs/{job}"))
    assert told(asked(asker, "GET", "jobs"))["jobs"] == []


@pytest.mark.parametrize("route", OF_JOBS, ids=lambda route: f"{route.method} {route.path}")
def test_somebody_elses_job_is_answered_like_one_that_is_not_there(asker, bob, tiny, route):
    job = kept(bob, tiny)
    query = {"id": "nex-1"} if route.path.endswith("series") else {}
    body = json.dumps(BODIES.get(route.path, {})).encode()
    foreign = asked(asker, route.method, route.path.format(job=job), query, body)
    absent = asked(asker, route.method, route.path.format(job="river-000000"), query, body)
    assert (foreign.status, absent.status) == (404, 404)
    assert foreign.body == absent.body.replace(b"river-000000", job.encode())
    assert bob.job(job).state is State.REQUESTED


def test_the_beginning_of_an_id_is_no_id(asker, tiny):
    job = kept(asker.service, tiny)
    moved(asker.service, job, State.FAILED)
    assert asked(asker, "DELETE", f"jobs/{job[:-1]}").status == 404
    assert asker.service.job(job)


def test_lists_are_filtered_and_come_in_pages(asker, bob, tiny):
    kept(bob, tiny)
    array, ids = asker.service.submit_many([request_of(tiny, output=tiny / str(i)) for i in range(5)], attend=False)
    single = kept(asker.service, tiny)
    moved(asker.service, single, State.FAILED, "50% of <b>")
    found = told(asked(asker, "GET", "jobs", {"state": "failed, cancelled"}))
    assert ([one["id"] for one in found["jobs"]], found["total"]) == ([single], 1)
    assert told(asked(asker, "GET", "jobs", {"array": array}))["total"] == 5
    assert [one["id"] for one in told(asked(asker, "GET", "jobs", {"ids": single}))["jobs"]] == [single]
    assert told(asked(asker, "GET", "jobs", {"text": single[-6:].upper()}))["total"] == 1
    assert told(asked(asker, "GET", "jobs", {"text": "%"}))["total"] == 0
    seen, before = [], ""
    while page := told(asked(asker, "GET", "jobs", {"limit": "2", **({"before": before} if before else {})}))["jobs"]:
        seen += [one["id"] for one in page]
        before = seen[-1]
    assert seen == [single, *sorted(ids)]


WRONG = [
    pytest.param("GET", "jobs", {"limit": "many"}, {}, "limit", id="limit is a word"),
    pytest.param("GET", "jobs", {"limit": "0"}, {}, "limit", id="limit is 0"),
    pytest.param("GET", "jobs", {"state": "asleep"}, {}, "state", id="no such state"),
    pytest.param("GET", "jobs/JOB/events", {"after": "x"}, {}, "after", id="after is a word"),
    pytest.param("GET", "jobs/JOB/log", {"tail": "-1"}, {}, "tail", id="tail below 1"),
    pytest.param("GET", "jobs/JOB/series", {}, {}, "id", id="a series without an id"),
    pytest.param("GET", "jobs/JOB/series", {"id": "nex-1", "points": "1e9"}, {}, "points", id="too many points"),
    pytest.param("GET", "datasets", {"category": "music"}, {}, "category", id="no such category"),
    pytest.param("GET", "datasets", {"format": "music"}, {}, "format", id="no such format"),
    pytest.param("POST", "jobs/JOB/evaluate", {}, {}, "observations", id="nothing to compare with"),
    pytest.param("POST", "jobs/JOB/evaluate", {}, {"observations": 5}, "observations", id="observations are a number"),
    pytest.param("POST", "jobs", {}, {}, "body", id="nothing to run"),
    pytest.param("POST", "jobs", {}, {"directory": 5}, "directory", id="a directory that is a number"),
    pytest.param("POST", "jobs", {}, {"directory": "river", "workers": "2"}, "workers", id="workers in a text"),
    pytest.param("POST", "jobs", {}, {"directory": "river", "overwrite": 1}, "overwrite", id="a number for yes"),
    pytest.param("POST", "jobs", {}, {"directory": "river", "colour": "red"}, "colour", id="an unknown option"),
    pytest.param("POST", "jobs", {}, {"directory": "river", "request": {}}, "body", id="two things to run"),
]


@pytest.mark.parametrize(("method", "path", "query", "body", "name"), WRONG)
def test_a_wrong_value_is_refused_by_its_name_with_a_remedy(asker, tiny, method, path, query, body, name):
    job = kept(asker.service, tiny)
    reply = asked(asker, method, path.replace("JOB", job), query, json.dumps(body).encode())
    problem = told(reply, 400)
    assert name in problem["error"]
    assert name in problem["facts"]
    assert problem["hint"]
    assert problem["kind"] == "InputError"


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"directory": "river", "workers": 0}, id="no workers"),
        pytest.param({"directory": "river", "memory": "much"}, id="memory that cannot be read"),
        pytest.param({"directory": "river", "start": "soon"}, id="a time that cannot be read"),
        pytest.param({"directory": "river", "ranks": 2}, id="ranks on Dask"),
        pytest.param({"directory": "sea"}, id="no such directory"),
        pytest.param({"request": {"directory": "river", "workers": "many"}}, id="a request that is none"),
        pytest.param({"requests": [{"directory": "/etc"}]}, id="one of several leads out"),
    ],
)
def test_a_run_that_makes_no_sense_is_refused_and_nothing_is_kept(asker, options):
    problem = told(submit(asker, **options), 400)
    assert problem["error"]
    assert told(asked(asker, "GET", "jobs"))["total"] == 0


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"x"', b"\xff", b"[" * 100_000], ids=repr)
def test_a_body_that_is_no_object_is_refused(asker, body):
    assert asked(asker, "POST", "jobs", body=body[:MOST_BYTES]).status == 400


def test_a_body_that_is_too_long_is_not_read(asker):
    assert (
        "16,777,216 bytes" in told(asked(asker, "POST", "jobs", body=b" " * (MOST_BYTES + 1)), 400)["facts"]["needed"]
    )


@pytest.mark.parametrize("name", ["directory", "hydrofabric", "realization", "forcing", "output"])
@pytest.mark.parametrize("given", ["/etc", "../..", "link/x", "file:///etc", "a\0b"])
def test_no_path_leads_out_of_the_root(tmp_path, tiny, name, given):
    service = service_of(tmp_path / "home")
    root = tmp_path / "root"
    (root / "river").mkdir(parents=True)
    (root / "link").symlink_to("/etc")
    asker = Asker(service, root)
    options = {"directory": "river", name: given}
    told(submit(asker, **options), 400)
    if "://" not in given:  # in a whole request that is an odd name of a file, inside of the root
        told(submit(asker, request=options), 400)
    assert service.jobs() == []
    service.close()


def test_parts_of_a_composed_run_do_not_lead_out_either(asker):
    composed = {"composition": {"hydrofabric": "/etc/passwd", "formulation": {}}, "start_s": 0, "end_s": 3600}
    assert "composition.hydrofabric" in told(submit(asker, request=composed), 400)["error"]


def test_every_option_of_a_run_can_be_sent():
    options = set(inspect.signature(request_of).parameters)
    assert set(Submission.model_fields) == options | {"request", "requests"}
    for name, parameter in inspect.signature(request_of).parameters.items():
        if name not in ("directory", "hosts"):
            assert Submission.model_fields[name].default == parameter.default


def test_requests_are_an_array_or_nothing(asker, tiny):
    whole = [json.loads(request_of(tiny, output=tiny / f"out-{i}").to_json()) for i in range(3)]
    answer = told(submit(asker, requests=whole), 201)
    assert len(answer["ids"]) == 3
    assert {row.array for row in asker.service.jobs()} == {answer["array"]}


def test_html_stays_what_it_is(asker, tiny):
    job = kept(asker.service, tiny)
    moved(asker.service, job, State.RUNNING, "<script>alert(1)</script>", note="<img src=x>")
    asker.service.ledger.write_log(job, "me", "<b>bold</b>\n")
    reply = asked(asker, "GET", f"jobs/{job}")
    assert told(reply)["message"] == "<script>alert(1)</script>"
    assert told(reply)["facts"]["note"] == "<img src=x>"
    assert told(asked(asker, "GET", f"jobs/{job}/log"))["lines"][0][2] == "<b>bold</b>"


def test_huge_facts_are_cut_and_say_so(asker, tiny):
    job = kept(asker.service, tiny)
    moved(asker.service, job, State.RUNNING, "m" * 10_000_000, listed=["cat-1"] * 1_000_000, workers=3)
    for path in ("jobs", f"jobs/{job}", f"jobs/{job}/events"):
        reply = asked(asker, "GET", path)
        assert len(reply.body) < 40_000, path
    facts = told(asked(asker, "GET", f"jobs/{job}"))["events"][-1]["facts"]
    assert facts["workers"] == 3
    assert facts["listed"].endswith("characters, cut here)")


def test_a_long_log_comes_in_pages_that_fit_together(asker, tiny):
    service, job = asker.service, kept(asker.service, tiny)
    service.ledger.claim("me", 600, only=[job])
    said = [f"line {i}" for i in range(12_000)]
    said[7] = "x" * 600_000
    for i in range(0, len(said), 900):
        service.ledger.write_log(job, "me", "\n".join(said[i : i + 900]) + "\n")
    lines, after, pages = [], -1, 0
    while True:
        page = told(asked(asker, "GET", f"jobs/{job}/log", {"after": str(after), "limit": "700"}))
        lines += page["lines"]
        pages += 1
        after = lines[-1][0]
        if not page["more"]:
            break
    assert pages >= len(said) // 700
    numbers = [number for number, _, _ in lines]
    assert numbers == sorted(set(numbers))
    assert [text for _, _, text in lines][:7] == said[:7]
    assert [text for _, _, text in lines][-11_000:] == said[-11_000:]
    assert max(len(text) for _, _, text in lines) < 17_000
    tail = told(asked(asker, "GET", f"jobs/{job}/log", {"tail": "3"}))["lines"]
    assert [text for _, _, text in tail] == said[-3:]
    assert tail == lines[-3:]


def test_a_log_that_was_cut_says_so(asker, tiny):
    service, job = asker.service, kept(asker.service, tiny)
    service.ledger.claim("me", 600, only=[job])
    for _ in range(60):
        service.ledger.write_log(job, "me", "y" * 250_000 + "\n")
    page = told(asked(asker, "GET", f"jobs/{job}/log", {"limit": "10000"}))
    texts = [text for _, _, text in page["lines"]]
    assert len(json.dumps(page)) < 1_500_000
    while page["more"]:
        page = told(asked(asker, "GET", f"jobs/{job}/log", {"after": str(page["lines"][-1][0])}))
        texts += [text for _, _, text in page["lines"]]
    assert sum("of the log were cut here" in text for text in texts) == 1


def test_outputs_of_a_job_that_is_not_complete_are_a_conflict(asker, tiny):
    job = kept(asker.service, tiny)
    for path in ("outputs", "series"):
        assert "it is requested" in told(asked(asker, "GET", f"jobs/{job}/{path}", {"id": "nex-1"}), 409)["error"]
    for path in ("plan", "report", "provenance"):
        assert told(asked(asker, "GET", f"jobs/{job}/{path}")) == {path: None}
    assert told(asked(asker, "GET", f"jobs/{job}/resources"))["series"][0]["cores"] == 0


def test_a_series_is_thinned_to_its_lowest_and_highest():
    times = np.arange(1_000_000.0)
    values = np.sin(times / 1000)
    values[123_456], values[777_777] = 9.0, -9.0
    values[500_000:502_000] = np.nan
    at, low, high = thinned(times, values, 2000)
    assert len(at) == len(low) == len(high) == 2000
    assert (np.nanmax(high), np.nanmin(low)) == (9.0, -9.0)
    assert at[np.nanargmax(high)] <= 123_456 < at[np.nanargmax(high) + 1]
    assert np.isnan(low[1001:1003]).all()


def test_datasets_of_others_are_seen_but_for_their_outputs(asker, bob, tiny):
    catalog = Catalog.at(bob.settings, bob.ledger, owner="bob")
    catalog.add(next(tiny.glob("config/*.gpkg")), name="river")
    catalog.add(b"1", name="numbers", category="output", format="generic")
    assert [one["name"] for one in told(asked(asker, "GET", "datasets"))["datasets"]] == ["river"]
    assert told(asked(asker, "GET", "datasets/river"))["contents"][0]["path"].endswith(".gpkg")
    assert told(asked(asker, "DELETE", "datasets/river"), 403)["error"] == "dataset 'river' is not yours"
    foreign, absent = (asked(asker, "DELETE", f"datasets/{name}") for name in ("numbers", "numberx"))
    assert (foreign.status, foreign.body) == (404, absent.body.replace(b"numberx", b"numbers"))
    assert told(asked(Asker(bob, tiny), "DELETE", "datasets/numbers")) == {"id": "numbers"}


def test_a_fault_of_ours_shows_nothing_of_its_inside(asker, monkeypatch):
    monkeypatch.setattr(type(asker.service), "glances", lambda *_, **__: 1 / 0)
    reply = asked(asker, "GET", "jobs")
    assert reply.status == 500
    assert b"ZeroDivision" not in reply.body


def test_the_document_tells_of_every_route_and_of_no_other():
    made = document()
    told_of = {(method.upper(), path) for path, one in made["paths"].items() for method in one}
    assert told_of == {(route.method, f"/{route.path}") for route in ROUTES} | {("GET", "/stream")}
    names = [one["operationId"] for path in made["paths"].values() for one in path.values()]
    assert len(names) == len(set(names))
    for path, methods in made["paths"].items():
        for one in methods.values():
            inside = [parameter["name"] for parameter in one["parameters"] if parameter["in"] == "path"]
            assert inside == re.findall(r"\{(\w+)\}", path)
    text = json.dumps(made)
    for ref in set(re.findall(r'"#/components/schemas/(\w+)"', text)):
        assert ref in made["components"]["schemas"]


def test_what_is_answered_is_what_the_document_says(asker, tiny):
    kept(asker.service, tiny)
    schema = document()["components"]["schemas"]["JobSummary"]
    (one,) = told(asked(asker, "GET", "jobs"))["jobs"]
    assert set(one) == set(schema["properties"]) == set(schema["required"])
