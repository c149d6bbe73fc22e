"""Puts the outputs of a run into the catalog, where they are.

What they hold is known from the run itself: they are not opened to find out. Outputs that
cannot be listed are outputs still, so nothing here fails a job.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from dmod.catalog.adding import Kept, register
from dmod.catalog.catalog import Catalog
from dmod.catalog.in_place import STAMP, files_of, stamp_of, take_stock
from dmod.conductor.provenance import version_of
from dmod.data.coverage import Coverage, Span
from dmod.data.dataset import Lineage
from dmod.data.kinds import Category, Format
from dmod.errors import DmodError
from dmod.execution.plan import RunPlan, variables_of
from dmod.execution.rank_plan import RankPlan
from dmod.model.case import Case

__all__ = ["Listing"]

log = logging.getLogger("dmod.conductor")

_STEP_S = 3600
#: What the last few cases hold: jobs of one run directory share theirs, see `dmod.conductor.checked`.
_lately: deque[tuple[Case, Coverage]] = deque(maxlen=4)
_turn = threading.Lock()
#: Of larger cases nothing is remembered.
_CATCHMENTS = 20_000


@dataclass(frozen=True)
class Listing:
    """Lists the outputs of one job.

    Parameters
    ----------
    catalog : Catalog
        Where.
    job : str
        Id of the job.
    """

    catalog: Catalog
    job: str

    def add(self, target: Path, plan: RunPlan | RankPlan | None, parents: tuple[str, ...] = ()) -> None:
        """List them.

        Parameters
        ----------
        target : Path
            The directory they are in.
        plan : RunPlan, RankPlan or None
            What was run; None where that is not known any more.
        parents : tuple of str
            Digests of the datasets that the run was made of.
        """
        name = f"{self.job}-outputs"
        lineage = Lineage("run", version_of("dmod"), parents, {"job": self.job})
        try:
            if not isinstance(plan, RunPlan) or not (target / "run.nc").is_file():
                self.catalog.add(target, name=name, category="output", in_place=True, lineage=lineage)
                return
            register(
                self.catalog.ledger, _kept(target, plan), name=name, owner=self.catalog.owner, description="",
                lineage=lineage, lasts_s=None,
            )  # fmt: skip
        except (DmodError, OSError) as problem:
            log.warning("the outputs are not in the catalog: %s", problem)


def _kept(target: Path, plan: RunPlan) -> Kept:
    """What the outputs are, as `dmod.formats.describe` would say if it read them."""
    case, network = plan.case, plan.case.domain.network
    held = variables_of(case)
    coverage = _coverage(case, [one.name for one in held])
    files = files_of(target, (target,), Format.DMOD_NETCDF, links_out=True)
    stock = take_stock(files)
    facts = {
        "sizes": {"catchment-id": len(network), "nexus-id": len(network.nexuses), "time": case.steps},
        "step_s": _STEP_S, "variables": {one.name: one.units for one in held}, STAMP: stamp_of(files),
    }  # fmt: skip
    fields = {
        "category": Category.OUTPUT, "format": Format.DMOD_NETCDF, "coverage": coverage, "facts": facts,
        "digest": stock.digest, "size": stock.size, "files": stock.files, "location": str(target),
    }  # fmt: skip
    return Kept(target.name, fields)


def _coverage(case: Case, variables: list[str]) -> Coverage:
    """When and where a run is, and of what."""
    with _turn:
        for known, coverage in _lately:
            if known is case:
                return coverage
    network = case.domain.network
    made = Coverage.of(
        spans=[Span(case.start_s, case.start_s + _STEP_S * case.steps)],
        ids=[*network.catchments, *network.nexuses],
        variables=variables,
    )
    if len(network) <= _CATCHMENTS:
        with _turn:
            _lately.append((case, made))
    return made
