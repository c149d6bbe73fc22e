"""Every question that can be asked over HTTP: one table, which all servers share.

A `Route` says method, path, what it takes and what it gives; `respond` answers one. No web
framework is known here: who asks is found out by the server, and what an owner may see is
decided by the service.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from dmod.errors import DmodError, InputError
from dmod.gateway import on_datasets, on_evaluation, on_jobs, on_results
from dmod.gateway.asker import Asker
from dmod.gateway.wire import (
    Body,
    DatasetAnswer,
    DatasetsPage,
    Done,
    EventsPage,
    InputsPage,
    JobDetail,
    JobsPage,
    LogPage,
    OpenApi,
    OutputsPage,
    PlanAnswer,
    Problem,
    ProvenanceAnswer,
    Query,
    ReportAnswer,
    ResourcesPage,
    SeriesPage,
    StatusAnswer,
    Submitted,
)
from dmod.gateway.wire_evaluation import EvaluationAnswer, GagesPage

__all__ = ["PREFIX", "ROUTES", "Reply", "Route", "failure", "pattern_of", "respond"]

log = logging.getLogger("dmod.gateway")

#: Where all of it is, below the base URL of a server.
PREFIX = "dmod/api"
#: A body that is longer is not read [bytes].
MOST_BYTES = 16 * 2**20


@dataclass(frozen=True)
class Route:
    """One question."""

    #: How it is asked.
    method: Literal["GET", "POST", "DELETE"]
    #: Where, below `PREFIX`; names in braces are parameters.
    path: str
    #: What it does, in one line.
    summary: str
    #: Answers it: takes who asks, parameters and body.
    act: Callable[[Asker, Any, Any], BaseModel]
    #: What is given.
    answer: type[BaseModel]
    #: Its parameters: those in the path, and those after the question mark.
    parameters: type[Query] = Query
    #: What is sent along; None for nothing.
    body: type[Body] | None = None
    #: HTTP status of a good answer.
    status: int = 200
    #: Whether it may take minutes: it waits for others like it, so that nothing else waits for it.
    takes_long: bool = False


@dataclass(frozen=True)
class Reply:
    """What is sent back."""

    #: HTTP status.
    status: int
    #: JSON.
    body: bytes = field(repr=False)


def _openapi(_asker: Asker, _query: Query, _body: None) -> OpenApi:
    """The table itself, as OpenAPI has it."""
    from dmod.gateway.openapi import document

    return OpenApi(document())


ROUTES: tuple[Route, ...] = (
    Route("GET", "openapi.json", "this list, as a document of OpenAPI", _openapi, OpenApi),
    Route("GET", "status", "who answers, and whether jobs are conducted", on_jobs.status, StatusAnswer),
    Route("GET", "jobs", "jobs, newest first", on_jobs.jobs, JobsPage, on_jobs.WhichJobs),
    Route("POST", "jobs", "run a directory, or a request", on_jobs.submit, Submitted, body=on_jobs.Submission,
          status=201),
    Route("GET", "jobs/{job}", "all that is known of a job", on_jobs.job, JobDetail, on_jobs.OfJob),
    Route("DELETE", "jobs/{job}", "forget a job that has ended; its outputs stay", on_jobs.delete, Done, on_jobs.OfJob),
    Route("POST", "jobs/{job}/cancel", "have a job stop", on_jobs.cancel, Done, on_jobs.OfJob),
    Route("POST", "jobs/{job}/restart", "have a job run again", on_jobs.restart, Done, on_jobs.OfJob),
    Route("GET", "jobs/{job}/events", "what happened to a job", on_jobs.events, EventsPage, on_jobs.After),
    Route("GET", "jobs/{job}/log", "lines of a job's log", on_jobs.log, LogPage, on_jobs.Lines),
    Route("GET", "jobs/{job}/plan", "what is run where", on_results.plan, PlanAnswer, on_jobs.OfJob),
    Route("GET", "jobs/{job}/report", "what the check found", on_results.report, ReportAnswer, on_jobs.OfJob),
    Route("GET", "jobs/{job}/provenance", "what outputs were made from and by", on_results.provenance,
          ProvenanceAnswer, on_jobs.OfJob),
    Route("GET", "jobs/{job}/outputs", "what outputs hold", on_results.outputs, OutputsPage, on_jobs.OfJob),
    Route("GET", "jobs/{job}/series", "one series of the outputs, thinned", on_results.series, SeriesPage,
          on_results.WhichSeries),
    Route("GET", "jobs/{job}/inputs", "what a job was made of", on_results.inputs, InputsPage, on_jobs.OfJob),
    Route("GET", "jobs/{job}/resources", "what a job held, over time", on_results.resources, ResourcesPage,
          on_jobs.OfJob),
    Route("GET", "jobs/{job}/gages", "gages of what a job runs", on_evaluation.gages, GagesPage, on_jobs.OfJob),
    Route("POST", "jobs/{job}/evaluate", "compare a job with observations, and keep the result if wanted",
          on_evaluation.evaluate, EvaluationAnswer, on_jobs.OfJob, on_evaluation.Evaluating, takes_long=True),
    Route("GET", "datasets", "datasets, newest first", on_datasets.datasets, DatasetsPage, on_datasets.WhichDatasets),
    Route("GET", "datasets/{name}", "one dataset", on_datasets.dataset, DatasetAnswer, on_datasets.OfDataset),
    Route("DELETE", "datasets/{name}", "take a dataset out of the catalog", on_datasets.remove, Done,
          on_datasets.OfDataset),
    Route("GET", "datasets/{name}/evaluation", "an evaluation that was kept", on_evaluation.kept_evaluation,
          EvaluationAnswer, on_datasets.OfDataset),
)  # fmt: skip


def pattern_of(path: str) -> str:
    """The regular expression of a route's path; its names are groups.

    Examples
    --------
    >>> pattern_of("jobs/{job}/log")
    'jobs/(?P<job>[^/]+)/log'
    """
    return re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)


def respond(route: Route, asker: Asker, names: Mapping[str, str], query: Mapping[str, str], body: bytes = b"") -> Reply:
    """Answer a question; never raises. It may take a while, and may be called from any thread.

    Parameters
    ----------
    route : Route
        Which.
    asker : Asker
        Who asks.
    names : mapping of str to str
        What the names in the path stand for.
    query : mapping of str to str
        What comes after the question mark.
    body : bytes
        What was sent along.

    Returns
    -------
    Reply
        What is wrong with the question is a reply too.
    """
    try:
        parameters = route.parameters.model_validate({**query, **names})
        given = None if route.body is None else route.body.model_validate(_parsed(body))
        answer = route.act(asker, parameters, given)
        return Reply(route.status, answer.model_dump_json().encode())
    except (DmodError, ValidationError) as problem:
        return failure(problem)
    except Exception:  # a fault of ours must not end the server, nor show a stranger its inside
        log.exception("%s %s failed", route.method, route.path)
        return failure(DmodError("this is a fault of dmod", hint="the log of the server says more"))


def failure(problem: DmodError | ValidationError) -> Reply:
    """What is said of an error."""
    told = _told(problem) if isinstance(problem, ValidationError) else problem
    body = Problem(
        error=told.headline, facts={name: str(value)[:4000] for name, value in told.facts.items()}, hint=told.hint,
        kind=type(told).__name__,
    )  # fmt: skip
    return Reply(told.http, body.model_dump_json().encode())


def _parsed(body: bytes) -> object:
    """JSON that was sent."""
    if len(body) > MOST_BYTES:
        raise InputError("that is too much", needed=f"{MOST_BYTES:,} bytes at most", has=f"{len(body):,} bytes")
    try:
        return json.loads(body or b"{}")
    except (ValueError, RecursionError) as problem:
        raise InputError("the body is no JSON", reason=problem, hint="send an object such as {}") from None


def _told(problem: ValidationError) -> InputError:
    """What is wrong with parameters or a body, field by field."""
    errors = problem.errors(include_url=False, include_context=False)
    fields = [".".join(map(str, one["loc"])) or "body" for one in errors]
    wrong = {name: f"{one['msg']}; it is {one['input']!r}"[:300] for name, one in zip(fields, errors[:5], strict=False)}
    return InputError(
        f"{', '.join(dict.fromkeys(fields[:5]))}: not what is needed",
        hint=f"correct it; {PREFIX}/openapi.json says what may be sent",
        **wrong,
    )
