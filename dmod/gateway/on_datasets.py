"""What is answered about datasets: their list, one of them, and its end.

Datasets are there for everybody who shares a ledger, but for outputs: those are as much
their owner's as the job that made them.
"""

from __future__ import annotations

from pydantic import Field

from dmod.catalog.catalog import Catalog
from dmod.data.dataset import Dataset
from dmod.data.kinds import Category, Format
from dmod.errors import DatasetError
from dmod.gateway.asker import Asker
from dmod.gateway.telling import cut
from dmod.gateway.wire import DatasetAnswer, DatasetFile, DatasetsPage, DatasetSummary, Done, Query

__all__ = ["OfDataset", "WhichDatasets", "catalog_of", "dataset", "datasets", "found_dataset", "remove", "seen_by"]

_FILES = 1000


class WhichDatasets(Query):
    """Which datasets are listed."""

    category: Category | None = None
    format: Format | None = None
    text: str | None = Field(None, max_length=200, description="What name or description hold.")
    limit: int = Field(1000, ge=1, le=10_000)


class OfDataset(Query):
    """A dataset."""

    name: str = Field(max_length=100)


def datasets(asker: Asker, query: WhichDatasets, _body: None) -> DatasetsPage:
    """A page of datasets."""
    ledger = asker.service.ledger
    listed = [
        one
        for one in ledger.datasets(category=query.category, text=query.text or None)
        if seen_by(asker, one) and query.format in (None, one.format)
    ]
    return DatasetsPage(datasets=[_summary(one) for one in listed[: query.limit]], total=len(listed))


def dataset(asker: Asker, query: OfDataset, _body: None) -> DatasetAnswer:
    """One dataset."""
    one = found_dataset(asker, query.name)
    return DatasetAnswer(
        **_summary(one).model_dump(),
        facts=cut(one.facts),
        contents=[DatasetFile(path=file.path, size=file.size, digest=file.digest) for file in one.files[:_FILES]],
        parameters={} if one.lineage is None else cut(one.lineage.parameters),
    )


def remove(asker: Asker, query: OfDataset, _body: None) -> Done:
    """Take a dataset out of the catalog; bytes that lie in place stay."""
    one = found_dataset(asker, query.name)
    try:
        catalog_of(asker).remove(one.name)
    except DatasetError as problem:
        problem.http = 403 if one.owner != asker.service.owner else 409
        raise
    return Done(id=one.name)


def catalog_of(asker: Asker) -> Catalog:
    """The catalog, for whoever asks."""
    return Catalog.at(asker.service.settings, asker.service.ledger, owner=asker.service.owner)


def seen_by(asker: Asker, one: Dataset) -> bool:
    """Whether somebody may know of a dataset."""
    return one.category is not Category.OUTPUT or one.owner == asker.service.owner


def found_dataset(asker: Asker, name: str) -> Dataset:
    """The dataset that is meant.

    Raises
    ------
    DatasetError
        If there is none, or it is somebody else's output.
    """
    missing = DatasetError(f"there is no dataset {name!r}", hint="it may have been removed; look at the list again")
    missing.http = 404
    try:
        one = asker.service.ledger.dataset(name)
    except DatasetError:
        raise missing from None
    if not seen_by(asker, one):
        raise missing
    return one


def _summary(one: Dataset) -> DatasetSummary:
    """A dataset, as a list shows it."""
    made = one.lineage
    return DatasetSummary(
        id=one.id, name=one.name, category=str(one.category), format=str(one.format), about=one.format.docs,
        owner=one.owner, description=one.description[:2000], size=one.size, files=len(one.files), digest=one.digest,
        where="store" if one.in_store else one.location, created_s=one.created_s, expires_s=one.expires_s,
        holds=str(one.coverage)[:500], rule=None if made is None else f"{made.rule} {made.version}",
        parents=[] if made is None else list(made.parents),
    )  # fmt: skip
