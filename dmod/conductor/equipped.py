"""What takes one job along the line, with all it needs on the way: datasets, a place to work, a cluster."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dmod.conductor.compose import Composer
from dmod.conductor.conduct import Conduct
from dmod.conductor.listing import Listing
from dmod.conductor.log import say
from dmod.formats.sidecar import cache_directory

if TYPE_CHECKING:
    from dmod.catalog.catalog import Catalog
    from dmod.conductor.dask_way import Clusters
    from dmod.job.request import JobRequest
    from dmod.ledger.journal import JobJournal

__all__ = ["conduct_of"]


def conduct_of(request: JobRequest, journal: JobJournal, catalog: Catalog, folder: Path, clusters: Clusters) -> Conduct:
    """Make ready what takes a job along.

    Parameters
    ----------
    request : JobRequest
        What its owner wants; outputs of a run without a directory here, or that are taken elsewhere, go
        beside what it works on where no place is named.
    journal : JobJournal
        Where its events go.
    catalog : Catalog
        The owner's datasets: what is found there, and where outputs are listed.
    folder : Path
        The job's own directory.
    clusters : callable
        Opens a cluster for it.

    Returns
    -------
    Conduct
        At the beginning of the line.
    """
    composer = None
    if request.output is None and (request.directory is None or request.delivery is not None):
        request = replace(request, output=folder / "outputs")
    if request.composition is not None:
        composer = Composer(catalog, request, journal.job, say=say)

    def published(target: Path) -> None:
        parents = () if composer is None else tuple(dataset.digest for dataset in composer.used)
        Listing(catalog, journal.job).add(target, conduct.plan, parents)

    conduct = Conduct(
        request,
        journal,  # type: ignore[arg-type]  # the ledger's journal answers as the one in memory does
        clusters=clusters,
        composer=composer,
        folder=folder / "run",
        stores=(Path(catalog.store.url.removeprefix("file://")), *filter(None, [cache_directory()])),
        published=published,
    )
    return conduct
