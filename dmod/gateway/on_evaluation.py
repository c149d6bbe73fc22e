"""What is answered about how good a run is: its gages, an evaluation, and one that was kept.

The outputs are opened anew for each, so that nobody who looks at a plot waits for metrics.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from dmod.catalog.adding import require_free
from dmod.catalog.catalog import Catalog
from dmod.catalog.evaluations import evaluate_job, nexus_meant, observations_in, observations_of
from dmod.conductor.question import domain_of_job
from dmod.data.dataset import check_name
from dmod.data.kinds import Category, Format
from dmod.errors import DatasetError, InputError, StoreError
from dmod.gateway.asker import Asker
from dmod.gateway.on_datasets import OfDataset, catalog_of, found_dataset
from dmod.gateway.on_jobs import OfJob, found
from dmod.gateway.on_results import require_complete, target_of
from dmod.gateway.wire import Body
from dmod.gateway.wire_evaluation import EvaluationAnswer, Gage, GagesPage
from dmod.job.request import JobRequest
from dmod.store.remote import is_remote, shown

if TYPE_CHECKING:
    import xarray as xr

    from dmod.domain.domain import Domain
    from dmod.evaluation.evaluation import Evaluation
    from dmod.ledger.jobs import JobRow

__all__ = ["Evaluating", "evaluate", "gages", "kept_evaluation"]

_GAGES = 1000
_SETS = (["standard"], ["all"])


class Evaluating(Body):
    """What a job is compared with, and how."""

    observations: str = Field(
        min_length=1, max_length=4000, description="Name of a dataset, or a path below the root, or s3://."
    )
    gage: str | None = Field(None, max_length=200, description="The one that is meant, of several.")
    nexus: str | None = Field(None, max_length=200, description="The place that is meant, where it is no gage.")
    metrics: list[str] | None = Field(
        None, max_length=200, description="Names; or `standard` or `all` alone. Null for the usual three."
    )
    units: str | None = Field(None, max_length=200, description="Of observations that do not say their own.")
    variable: Literal["nexus_flow", "routed_flow"] | None = None
    keep: str | None = Field(None, max_length=200, description="Keep the result as a dataset of this name.")


def gages(asker: Asker, query: OfJob, _body: None) -> GagesPage:
    """The gages of what a job runs, complete or not."""
    held = _domain(asker, found(asker, query)).gages
    first = list(held.items())[:_GAGES]
    return GagesPage(gages=[Gage(gage=gage, place=nexus) for gage, (_, nexus) in first], total=len(held))


def evaluate(asker: Asker, query: OfJob, body: Evaluating) -> EvaluationAnswer:
    """Compare the outputs of a job that is complete with observations."""
    from dmod.gateway.telling_evaluation import answer_of

    row = found(asker, query)
    require_complete(row)
    catalog = catalog_of(asker)
    if body.keep is not None:
        _require_free(catalog, body.keep)
    domain = _domain(asker, row)
    if body.gage is not None or body.nexus is not None:
        nexus_meant(domain, body.gage, body.nexus)
    observed = _observed(asker, catalog, body)
    return answer_of(_evaluated(asker, row, catalog, domain, observed, body), body.keep)


def kept_evaluation(asker: Asker, query: OfDataset, _body: None) -> EvaluationAnswer:
    """An evaluation that was kept."""
    from dmod.evaluation.saved import load_evaluation
    from dmod.gateway.telling_evaluation import answer_of

    one = found_dataset(asker, query.name)
    if one.format is not Format.EVALUATION:
        raise DatasetError(
            f"dataset {one.name!r} is no evaluation", has=one.format.docs, needed=Format.EVALUATION.docs,
            hint="see datasets?format=evaluation",
        )  # fmt: skip
    return answer_of(load_evaluation(catalog_of(asker).path(one.name)), one.name)


def _domain(asker: Asker, row: JobRow) -> Domain:
    """The catchments that a job runs."""
    folder = asker.service.settings.home / "jobs" / row.id
    return domain_of_job(JobRequest.from_json(row.request_json), folder)


def _evaluated(
    asker: Asker, row: JobRow, catalog: Catalog, domain: Domain, observed: tuple[xr.DataArray, str], body: Evaluating
) -> Evaluation:
    """The comparison, in memory, and kept if that is wanted."""
    from dmod.formats.outputs import open_outputs

    target = target_of(asker, row)
    metrics = body.metrics[0] if body.metrics in _SETS else body.metrics
    with open_outputs(target, chunks=None) as outputs:
        made = evaluate_job(
            catalog, row.id, target, outputs, domain, observed, gage=body.gage, nexus=body.nexus, metrics=metrics,
            variable=body.variable, keep=body.keep,
        )  # fmt: skip
        return made.compute() if made.is_lazy else made


def _observed(asker: Asker, catalog: Catalog, body: Evaluating) -> tuple[xr.DataArray, str]:
    """The observations that are meant, and a digest of them: those of a dataset, of a bucket, or below the root.

    Raises
    ------
    InputError
        If there are none of that name, or they lie elsewhere.
    """
    text = body.observations
    if is_remote(text):
        return _brought(catalog, text, body.units)
    try:
        held = found_dataset(asker, check_name(text))
    except DatasetError:
        held = None
    path = asker.place("observations", text)
    if held is not None and held.category is Category.OBSERVATION:
        return observations_in(catalog, held, body.units)
    if not _is_there(path):
        raise InputError(
            f"there are no observations {text!r}",
            has="nothing of that name" if held is None else f"a dataset for {held.category}",
            needed="the name of a dataset of observations, or a path below the root of the server",
            hint="see datasets?category=observation",
        )
    _refuse_ways_out(asker, path)
    return observations_of(catalog, path, body.units)


def _brought(catalog: Catalog, address: str, units: str | None) -> tuple[xr.DataArray, str]:
    """Observations in a bucket: what run directories may lie in, too."""
    if not address.startswith("s3://") or "::" in address:
        raise InputError(
            "observations may not lie there", has=shown(address),
            needed="an address s3://bucket/file, the name of a dataset, or a path below the root of the server",
            hint="add them to the catalog, or copy them below the root",
        )  # fmt: skip
    try:
        return observations_of(catalog, address, units)
    except StoreError as problem:
        problem.http = 502
        raise


def _is_there(path: Path) -> bool:
    """Whether there is such a file or directory; a pipe is neither."""
    try:
        return path.is_file() or path.is_dir()
    except OSError:  # no file system has names like that
        return False


def _refuse_ways_out(asker: Asker, path: Path) -> None:
    """Refuse a directory with a link in it that leads out of the root."""
    for below in path.rglob("*") if path.is_dir() else ():
        if below.is_symlink():
            asker.place("observations", below)


def _require_free(catalog: Catalog, name: str) -> None:
    """Refuse a name that is none, or is taken."""
    check_name(name)
    try:
        require_free(catalog.ledger, name)
    except DatasetError as problem:
        problem.http = 409
        raise
