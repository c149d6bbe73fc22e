"""The plan of a request, without its being run: the same verbs as far as they start nothing."""

from __future__ import annotations

import secrets
import shutil
from typing import TYPE_CHECKING

from dmod.conductor.equipped import conduct_of
from dmod.execution.cluster import open_cluster
from dmod.job.journal import Journal
from dmod.job.lifecycle import State
from dmod.job.request import JobRequest

if TYPE_CHECKING:
    from pathlib import Path

    from dmod.catalog.catalog import Catalog
    from dmod.execution.plan import RunPlan
    from dmod.execution.rank_plan import RankPlan
    from dmod.schedule.resources import Host

__all__ = ["preview"]


def preview(request: JobRequest, catalog: Catalog, folder: Path, here: Host | None = None) -> RunPlan | RankPlan:
    """Check and plan a request.

    Parameters
    ----------
    request : JobRequest
        What would be asked for.
    catalog : Catalog
        The datasets there are.
    folder : Path
        Where the directories of jobs are; nothing is left there.
    here : Host, optional
        This machine, as its operator counts it; as it is otherwise.

    Returns
    -------
    RunPlan or RankPlan
        What would be done; ``print`` shows it. The id of the job is made up.

    Raises
    ------
    DmodError
        If it could not be run: what is wrong.
    """
    name = f"plan-{secrets.token_hex(3)}"
    request = JobRequest.from_json(request.to_json())  # as it would be kept: paths are absolute then
    conduct = conduct_of(request, Journal(name), catalog, folder / name, open_cluster)  # type: ignore[arg-type]
    conduct.here = here
    try:
        conduct.walk(until=State.PARTITIONED)
    finally:
        shutil.rmtree(folder / name, ignore_errors=True)
    if conduct.problem is not None:
        raise conduct.problem
    assert conduct.plan is not None
    return conduct.plan
