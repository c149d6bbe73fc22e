"""What is answered about what a job made and was made of: plan, report, outputs, inputs, what it held.

Outputs are opened lazily and one series is read at a time; what is sent of it is as long as
was asked for, however long the run was.
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from dmod.errors import DatasetError, InputError, OutputError
from dmod.gateway.asker import Asker
from dmod.gateway.on_jobs import OfJob, found
from dmod.gateway.opened import opened
from dmod.gateway.wire import (
    Input,
    InputsPage,
    OutputsPage,
    PlanAnswer,
    ProvenanceAnswer,
    ReportAnswer,
    ResourcesPage,
    SeriesPage,
    Use,
    Variable,
)
from dmod.job.lifecycle import State
from dmod.job.request import JobRequest

if TYPE_CHECKING:
    import xarray as xr

    from dmod.ledger.jobs import JobRow

__all__ = [
    "WhichSeries",
    "inputs",
    "outputs",
    "plan",
    "provenance",
    "report",
    "require_complete",
    "resources",
    "series",
    "target_of",
    "thinned",
]

_IDS = 1000
_FINDINGS, _PLAN, _PROVENANCE = 1000, 2**20, 2**24
_TIMES = ("time", "routed-time")
#: Files that a run is made of, by the attribute of its provenance that names them.
_MADE_OF = ("hydrofabric", "realization", "forcing", "config")


class WhichSeries(OfJob):
    """Which series, and how much of it."""

    variable: str = Field("nexus_flow", max_length=200)
    id: str = Field(max_length=200, description="Of a catchment, nexus or flowpath.")
    points: int = Field(2000, ge=1, le=20_000, description="How many stretches at most.")
    start_s: float | None = Field(None, description="From then on.")
    end_s: float | None = Field(None, description="Until before then.")


def plan(asker: Asker, query: OfJob, _body: None) -> PlanAnswer:
    """What is run where, once that is known."""
    text = asker.service.detail(found(asker, query).id, "plan")
    cut = text if text is None or len(text) <= _PLAN else f"{text[:_PLAN]}\n… ({len(text):,} characters, cut here)"
    return PlanAnswer(plan=cut)


def report(asker: Asker, query: OfJob, _body: None) -> ReportAnswer:
    """What the check found; of very many findings the first."""
    text = asker.service.detail(found(asker, query).id, "report")
    told = None if text is None else json.loads(text)
    if told is not None:
        told = {**told, "findings": told["findings"][:_FINDINGS], "all_findings": len(told["findings"])}
    return ReportAnswer(report=told)


def provenance(asker: Asker, query: OfJob, _body: None) -> ProvenanceAnswer:
    """What outputs were made from and by, once they are there."""
    return ProvenanceAnswer(provenance=_provenance(asker, found(asker, query)))


def outputs(asker: Asker, query: OfJob, _body: None) -> OutputsPage:
    """What outputs hold."""
    row = found(asker, query)
    target = target_of(asker, row)
    with _opened(row, target) as held:
        times = [held[name] for name in _TIMES if name in held.coords and held[name].size]
        return OutputsPage(
            path=str(target),
            variables=[_variable(held, name) for name in sorted(map(str, held.data_vars))],
            sizes={str(dim): int(size) for dim, size in held.sizes.items()},
            ids={
                str(dim): [str(one) for one in held[dim].values[:_IDS]]
                for dim in held.sizes
                if str(dim).endswith("-id")
            },
            start_s=min((_second(one.values[0]) for one in times), default=None),
            end_s=max((_second(one.values[-1]) for one in times), default=None),
        )  # fmt: skip


def series(asker: Asker, query: WhichSeries, _body: None) -> SeriesPage:
    """One series of the outputs, thinned to what a screen can show."""
    row = found(asker, query)
    with _opened(row, target_of(asker, row)) as held:
        if query.variable not in held.data_vars:
            raise InputError(
                f"variable: the outputs have no {query.variable!r}",
                has=", ".join(sorted(map(str, held.data_vars))), hint="name one of those",
            )  # fmt: skip
        one = held[query.variable]
        along = next((str(dim) for dim in one.dims if str(dim) in _TIMES), None)
        features = next((str(dim) for dim in one.dims if str(dim).endswith("-id")), None)
        if along is None or features is None:
            raise InputError(f"variable: {query.variable!r} is no series", has=", ".join(map(str, one.dims)))
        ids = [str(name) for name in held[features].values]
        if query.id not in ids:
            raise InputError(
                f"id: {query.variable} has no {query.id!r}",
                has=", ".join(ids[:10]),
                hint=f"{len(ids):,} ids to choose from",
            )
        seconds = held[along].values.astype("datetime64[ns]").astype(np.int64) / 1e9
        first = 0 if query.start_s is None else int(np.searchsorted(seconds, query.start_s))
        last = seconds.size if query.end_s is None else int(np.searchsorted(seconds, query.end_s))
        values = one.isel({features: ids.index(query.id), along: slice(first, max(first, last))}).values
        times, low, high = thinned(seconds[first:last], np.asarray(values, dtype=float), query.points)
        return SeriesPage(
            variable=query.variable, id=query.id, units=str(one.attrs.get("units", "")), values=int(values.size),
            time=times.tolist(), low=_plain(low), high=_plain(high),
        )  # fmt: skip


def thinned(times: Any, values: Any, points: int) -> tuple[Any, Any, Any]:
    """The lowest and highest values in at most *points* stretches of equal length.

    Parameters
    ----------
    times : array of float, shape (n,)
        Instants [s].
    values : array of float, shape (n,)
        May hold NaN.
    points : int
        How many stretches at most, >= 1.

    Returns
    -------
    (array, array, array), each of shape (m,), m <= points
        First instant of each stretch, lowest and highest value in it; NaN where it has none.

    Examples
    --------
    >>> [one.tolist() for one in thinned(np.arange(4.0), np.array([3.0, 1.0, np.nan, 2.0]), 2)]
    [[0.0, 2.0], [1.0, 2.0], [3.0, 2.0]]
    """
    if values.size <= points:
        return times, values, values
    starts = np.arange(points) * values.size // points
    low = np.minimum.reduceat(np.where(np.isnan(values), np.inf, values), starts)
    high = np.maximum.reduceat(np.where(np.isnan(values), -np.inf, values), starts)
    return times[starts], np.where(low > high, np.nan, low), np.where(low > high, np.nan, high)


def inputs(asker: Asker, query: OfJob, _body: None) -> InputsPage:
    """What a run was made of: datasets with their lineage, and files by their digests."""
    row = found(asker, query)
    ledger, listed = asker.service.ledger, []
    for used in ledger.used_by(row.id):
        try:
            dataset = ledger.dataset(used)
        except DatasetError:
            continue  # it was removed after the job had ended
        made = dataset.lineage
        listed.append(
            Input(
                kind=str(dataset.category), name=dataset.name, digest=dataset.digest, dataset=dataset.name,
                rule=None if made is None else f"{made.rule} {made.version}",
                parents=[] if made is None else list(made.parents),
            )
        )  # fmt: skip
    told, asked = _provenance(asker, row) or {}, json.loads(row.request_json)
    for kind in _MADE_OF:
        name, digest = told.get(kind) or asked.get(kind), told.get(f"{kind}_digest")
        if name or digest:
            listed.append(
                Input(kind=kind, name=str(name or "the modules' own files"), digest=digest, dataset=None, rule=None,
                      parents=[])
            )  # fmt: skip
    return InputsPage(inputs=listed)


def resources(asker: Asker, query: OfJob, _body: None) -> ResourcesPage:
    """What a job held from when on: nothing, its cores, nothing again."""
    row = found(asker, query)
    memory = json.loads(row.request_json).get("memory_bytes")
    happened = asker.service.events(row.id)
    cores = next((one.facts["workers"] for one in reversed(happened) if "workers" in one.facts), None)
    began_s = next((one.time_s for one in happened if one.state is State.RUNNING), None)
    ended_s = next((one.time_s for one in reversed(happened) if one.state is State.FINISHED), None)
    told = asker.service.detail(row.id, "tasks")
    cpu = None
    if told and cores and began_s is not None and ended_s is not None and ended_s > began_s:
        cpu = min(1.0, sum(one["compute_s"] for one in json.loads(told)) / cores / (ended_s - began_s))
    used = []
    for one in happened:
        holds = one.state in (State.ALLOCATED, State.RUNNING, State.FINISHED)
        works = cpu if one.state is State.RUNNING else None
        used.append(
            Use(at_s=one.time_s, cores=cores if holds else 0, memory_bytes=memory if holds else 0, cpu=works)
        )  # fmt: skip
    return ResourcesPage(series=used)


def target_of(asker: Asker, row: JobRow) -> Path:
    """The directory of a job's outputs."""
    return Path(asker.service.detail(row.id, "target") or JobRequest.from_json(row.request_json).target)


def _opened(row: JobRow, target: Path) -> AbstractContextManager[xr.Dataset]:
    """The outputs of a job that is complete."""
    require_complete(row)
    return opened(target)


def require_complete(row: JobRow) -> None:
    """Refuse a job that has no outputs yet, or never will.

    Raises
    ------
    OutputError
        If it is not complete; that is a conflict.
    """
    if row.state is not State.COMPLETE:
        problem = OutputError(
            f"job {row.id} has no outputs: it is {row.state}", hint="wait until it is complete, or see what went wrong"
        )
        problem.http = 409
        raise problem


def _variable(held: xr.Dataset, name: str) -> Variable:
    """A variable of outputs."""
    one = held[name]
    told = {key: str(one.attrs.get(key, "")) for key in ("units", "long_name")}
    return Variable(name=name, dims=[str(dim) for dim in one.dims], **told)


def _provenance(asker: Asker, row: JobRow) -> dict[str, Any] | None:
    """What lies beside the outputs of a job that is complete."""
    from dmod.conductor.provenance import PROVENANCE

    path = target_of(asker, row) / PROVENANCE if row.state is State.COMPLETE else None
    try:
        if path is None or path.stat().st_size > _PROVENANCE:
            return None
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) and told.get("dmod_job") == row.id else None


def _second(instant: Any) -> float:
    """An instant in seconds since 1970."""
    return float(np.datetime64(instant, "ns").astype(np.int64)) / 1e9


def _plain(values: Any) -> list[float | None]:
    """Numbers that JSON has."""
    return [one if there else None for one, there in zip(values.tolist(), np.isfinite(values).tolist(), strict=True)]
