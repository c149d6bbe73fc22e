"""What is answered about jobs: their list, one of them, its log, and what can be done with it."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from dmod.errors import JobError
from dmod.gateway.asker import Asker
from dmod.gateway.telling import cut, event_of, steps, summary_of
from dmod.gateway.wire import (
    Body,
    Done,
    EventsPage,
    JobDetail,
    JobsPage,
    LogPage,
    Query,
    StatusAnswer,
    Submitted,
)
from dmod.job.lifecycle import Goal, State
from dmod.job.request import JobRequest, OutputFormat
from dmod.ledger.glances import Asked
from dmod.ledger.jobs import JobRow
from dmod.schedule.resources import Host

__all__ = [
    "After",
    "Lines",
    "OfJob",
    "Submission",
    "WhichJobs",
    "cancel",
    "delete",
    "events",
    "found",
    "job",
    "jobs",
    "log",
    "restart",
    "shown",
    "status",
    "submit",
]

#: What is sent of one line of a log, and of one request [characters].
_LINE, _REQUEST = 2**14, 2**20


class WhichJobs(Query):
    """Which jobs are listed."""

    state: str | None = Field(None, description="States, with commas between them.")
    ids: str | None = Field(None, max_length=20_000, description="Ids, with commas between them.")
    text: str | None = Field(None, max_length=200, description="What id, name or array hold.")
    array: str | None = Field(None, max_length=200)
    limit: int = Field(1000, ge=1, le=10_000)
    before: str | None = Field(None, max_length=200, description="Id of a job: only older ones.")

    @field_validator("state")
    @classmethod
    def _known(cls, text: str | None) -> str | None:
        """Refuse what is no state."""
        for word in _words(text):
            State(word)
        return text

    def asked(self) -> Asked:
        """The same, for the ledger."""
        states = tuple(State(word) for word in _words(self.state))
        ids = tuple(_words(self.ids)) or None
        return Asked(
            states=states or None, text=self.text or None, array=self.array or None, before=self.before or None, ids=ids
        )  # fmt: skip


class OfJob(Query):
    """A job."""

    job: str = Field(max_length=100)


class After(OfJob):
    """What comes after something that is known already."""

    after: int = Field(-1, ge=-1)


class Lines(After):
    """Which lines of a log."""

    limit: int = Field(1000, ge=1, le=10_000)
    tail: int | None = Field(None, ge=1, le=10_000, description="The last lines rather than the first.")


class Submission(Body):
    """What is to be run: a directory with the options of `dmod.session.Session.run`, or whole requests."""

    request: dict[str, Any] | None = Field(None, description="As `dmod submit --print-request` prints it.")
    requests: list[dict[str, Any]] | None = Field(None, min_length=1, max_length=10_000, description="An array.")
    directory: str | None = Field(None, description="Relative to the root of the server, or absolute.")
    hydrofabric: str | None = None
    realization: str | None = None
    forcing: str | None = None
    output: str | None = None
    output_format: OutputFormat = "netcdf"
    overwrite: bool = False
    catchments: list[str] | str | None = None
    start: str | None = None
    end: str | None = None
    workers: int | None = None
    scheduler: str | None = None
    units: Literal["strict", "ngen"] = "strict"
    memory: str | int | None = None
    priority: int = 50
    on: str = "dask"
    ranks: int | None = None
    image: str | None = None
    hosts: list[str] | str = ""
    gpus: str | None = None
    partitions: str | None = None
    paradigm: str = "single_node"

    @model_validator(mode="after")
    def _one_of_three(self) -> Submission:
        """Refuse what names no run, or two."""
        if sum(one is not None for one in (self.request, self.requests, self.directory)) != 1:
            raise ValueError("name a directory, a request, or requests")
        if self.directory is None and len(self.model_fields_set) > 1:
            raise ValueError("a request says everything: options go into it")
        return self


def status(asker: Asker, _query: Query, _body: None) -> StatusAnswer:
    """Who answers."""
    import dmod

    service = asker.service
    return StatusAnswer(
        version=dmod.__version__, owner=service.owner, conducting=service.served(),
        cores=Host.here().limited(service.settings.cores).cores, jobs=service.glances(Asked(), limit=1)[1],
        root=str(asker.root),
    )  # fmt: skip


def jobs(asker: Asker, query: WhichJobs, _body: None) -> JobsPage:
    """A page of jobs."""
    cursor = asker.service.ledger.last_cursor()
    glances, total = asker.service.glances(query.asked(), limit=query.limit)
    return JobsPage.model_construct(jobs=[summary_of(one) for one in glances], cursor=cursor, total=total)


def submit(asker: Asker, _query: Query, body: Submission) -> Submitted:
    """Keep a new job, or an array of them: all or none."""
    service = asker.service
    if body.directory is not None:
        job = service.submit(asker.request_of(body.model_dump(exclude={"request", "requests"})), attend=False)
        return Submitted(id=job, ids=[job], array=None)
    whole = [asker.checked(JobRequest.from_json(json.dumps(one))) for one in body.requests or [body.request or {}]]
    if body.requests is None:
        job = service.submit(whole[0], attend=False)
        return Submitted(id=job, ids=[job], array=None)
    array, ids = service.submit_many(whole, attend=False)
    return Submitted(id=ids[0], ids=ids, array=array)


def found(asker: Asker, query: OfJob) -> JobRow:
    """The job that is meant.

    Raises
    ------
    JobError
        If there is none with just that id, or it is somebody else's.
    """
    try:
        row = asker.service.job(query.job)
    except JobError:
        raise _missing(query.job) from None
    if row.id != query.job:
        raise _missing(query.job)  # the beginning of an id will do for people, not for programs
    return row


def job(asker: Asker, query: OfJob, _body: None) -> JobDetail:
    """All that is known of a job."""
    row = found(asker, query)
    glances, _ = asker.service.glances(Asked(ids=(row.id,)))
    happened = asker.service.events(row.id)
    if not glances:
        raise _missing(row.id)  # it was deleted meanwhile
    facts: dict[str, Any] = {}
    for event in happened:
        facts.update(event.facts)
    asked = json.loads(row.request_json) if len(row.request_json) <= _REQUEST else cut(json.loads(row.request_json))
    return JobDetail.model_construct(
        **summary_of(glances[0]).model_dump(), request=asked, facts=cut(facts), verbs=steps(),
        events=[event_of(one) for one in happened], directory=asked.get("directory"),
    )  # fmt: skip


def delete(asker: Asker, query: OfJob, _body: None) -> Done:
    """Forget a job that has ended."""
    row = found(asker, query)
    return _done(row, lambda: asker.service.delete(row.id))


def cancel(asker: Asker, query: OfJob, _body: None) -> Done:
    """Have a job stop."""
    row = found(asker, query)
    return _done(row, lambda: asker.service.set_goal(row.id, Goal.CANCELLED, attend=False))


def restart(asker: Asker, query: OfJob, _body: None) -> Done:
    """Have a job run again."""
    row = found(asker, query)
    return _done(row, lambda: asker.service.restart(row.id, attend=False))


def events(asker: Asker, query: After, _body: None) -> EventsPage:
    """What happened to a job."""
    return EventsPage.model_construct(
        events=[event_of(one) for one in asker.service.events(found(asker, query).id, query.after)]
    )


def log(asker: Asker, query: Lines, _body: None) -> LogPage:
    """Lines of a job's log; long ones are cut."""
    lines, more = asker.service.log_lines(
        found(asker, query).id, query.after, limit=query.tail or query.limit, last=query.tail is not None
    )
    return LogPage.model_construct(lines=[(number, at_s, shown(text)) for number, at_s, text in lines], more=more)


def shown(line: str) -> str:
    """A line, or its beginning where it is long."""
    return line if len(line) <= _LINE else f"{line[:_LINE]} … ({len(line):,} characters, cut here)"


def _words(text: str | None) -> list[str]:
    """Words with commas between them."""
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def _missing(job: str) -> JobError:
    """What is said of a job that is not there, or somebody else's."""
    return JobError(f"there is no job {job!r}", hint="it may have been deleted; look at the list again")


def _done(row: JobRow, act: Any) -> Done:
    """Do something to a job that is there; where it cannot be done, that is a conflict and nothing is missing."""
    try:
        act()
    except JobError as problem:
        problem.http = 409
        raise
    return Done(id=row.id)
