"""What goes over the wire: the JSON of every answer, and of every body and parameter that is read.

Times are seconds since 1970, UTC. Python, OpenAPI and TypeScript read the same fields; how they
are filled from values of the house stands in `dmod.gateway.telling`.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, RootModel

from dmod.job.lifecycle import State

__all__ = [
    "Answer",
    "Body",
    "DatasetAnswer",
    "DatasetFile",
    "DatasetSummary",
    "DatasetsPage",
    "Done",
    "EventsPage",
    "Input",
    "InputsPage",
    "JobDetail",
    "JobEvent",
    "JobSummary",
    "JobsPage",
    "LogPage",
    "OpenApi",
    "OutputsPage",
    "PlanAnswer",
    "Problem",
    "ProvenanceAnswer",
    "Query",
    "ReportAnswer",
    "ResourcesPage",
    "SeriesPage",
    "StatusAnswer",
    "Step",
    "Submitted",
    "Use",
    "Variable",
]


class Answer(BaseModel):
    """What is sent."""

    model_config = ConfigDict(extra="forbid")


class Query(BaseModel):
    """Parameters of a question; those that nobody knows are passed over, as browsers add some."""

    model_config = ConfigDict(extra="ignore")


class Body(BaseModel):
    """What is sent to us; nothing is guessed."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Problem(Answer):
    """What went wrong."""

    #: In one line.
    error: str
    #: What was needed, what was found.
    facts: dict[str, str]
    #: What to do next.
    hint: str
    #: Class of the error in `dmod.errors`.
    kind: str


class OpenApi(RootModel[dict[str, Any]]):
    """A document of OpenAPI."""


class Done(Answer):
    """What was done to which job."""

    id: str


class Submitted(Done):
    """A job that was kept, or several: an array."""

    ids: list[str]
    array: str | None


class JobSummary(Answer):
    """A job, as a list shows it."""

    id: str
    name: str
    owner: str
    state: State
    goal: str
    message: str
    #: Share done, in [0, 1]; catchment-steps done and in all, and per second.
    fraction: float
    done: int
    total: int
    rate: float
    elapsed_s: float
    remaining_s: float | None
    submitted_s: float
    updated_s: float
    #: What runs it: ``dask``, ``docker``, ``host``, ...
    on: str
    ranks: int | None
    workers: int | None
    hosts: list[str]
    #: Where outputs go; null where that is not known yet.
    output: str | None
    is_final: bool
    array: str | None
    priority: int


class JobEvent(Answer):
    """One thing that happened to a job."""

    number: int
    at_s: float
    state: State
    message: str
    #: The verb that was done, where it was one.
    verb: str | None
    facts: dict[str, Any]


class Step(Answer):
    """One stretch of the line that a job walks."""

    verb: str
    before: State
    after: State


class JobDetail(JobSummary):
    """A job, with all that is known of it."""

    request: dict[str, Any]
    facts: dict[str, Any]
    verbs: list[Step]
    events: list[JobEvent]
    #: The run directory, as its owner named it; null for a run that is composed.
    directory: str | None


class JobsPage(Answer):
    """Jobs, newest first."""

    jobs: list[JobSummary]
    #: Number of the last event over all jobs; where the stream goes on.
    cursor: int
    #: How many there are, wherever this page ends.
    total: int


class EventsPage(Answer):
    """Events of a job, oldest first."""

    events: list[JobEvent]


class LogPage(Answer):
    """Lines of a job's log: number, time, text."""

    lines: list[tuple[int, float, str]]
    #: Whether there are lines after these.
    more: bool


class PlanAnswer(Answer):
    """What is run where, in words and lines; null before it is planned."""

    plan: str | None


class ReportAnswer(Answer):
    """What the check found, as `dmod.model.findings.Report.to_dict` gives it; null before it is done."""

    report: dict[str, Any] | None


class ProvenanceAnswer(Answer):
    """What outputs were made from and by; null before they are there."""

    provenance: dict[str, Any] | None


class StatusAnswer(Answer):
    """Who answers."""

    version: str
    owner: str
    #: Whether somebody conducts the owner's jobs.
    conducting: bool
    cores: int
    jobs: int
    #: The directory that paths are relative to, and must be inside of.
    root: str


class Variable(Answer):
    """A variable of outputs."""

    name: str
    units: str
    long_name: str
    dims: list[str]


class OutputsPage(Answer):
    """What outputs hold."""

    path: str
    variables: list[Variable]
    sizes: dict[str, int]
    #: The first ids of each dimension that has some.
    ids: dict[str, list[str]]
    start_s: float | None
    end_s: float | None


class SeriesPage(Answer):
    """A series, as its lowest and highest values in stretches of equal length; null where there are none."""

    variable: str
    id: str
    units: str
    #: How many values there are.
    values: int
    time: list[float]
    low: list[float | None]
    high: list[float | None]


class Input(Answer):
    """What a run was made of."""

    #: ``hydrofabric``, ``forcing``, ``realization``, ``config``, ...
    kind: str
    name: str
    digest: str | None
    #: The dataset it is; null for a file of the run directory.
    dataset: str | None
    #: The rule that derived it, and what from.
    rule: str | None
    parents: list[str]


class InputsPage(Answer):
    """What a run was made of."""

    inputs: list[Input]


class Use(Answer):
    """What a job held from a moment on."""

    at_s: float
    cores: int | None
    memory_bytes: int | None
    #: Share of those cores at work, in [0, 1]; null where nobody has measured.
    cpu: float | None


class ResourcesPage(Answer):
    """What a job held, as far as is known."""

    series: list[Use]


class DatasetSummary(Answer):
    """A dataset, as a list shows it."""

    id: str
    name: str
    category: str
    format: str
    #: What the format is, in one line.
    about: str
    owner: str
    description: str
    #: Size of all files [bytes], and how many there are.
    size: int
    files: int
    digest: str
    #: ``store``, or where it lies.
    where: str
    created_s: float
    expires_s: float | None
    #: When and where it is, and of what, in words.
    holds: str
    #: The rule that derived it, and what from.
    rule: str | None
    parents: list[str]


class DatasetFile(Answer):
    """One file of a dataset."""

    path: str
    size: int
    digest: str


class DatasetAnswer(DatasetSummary):
    """A dataset, with all that is known of it."""

    facts: dict[str, Any]
    #: Its first files.
    contents: list[DatasetFile]
    #: What the rule that derived it was told.
    parameters: dict[str, Any]


class DatasetsPage(Answer):
    """Datasets, newest first."""

    datasets: list[DatasetSummary]
    total: int
