"""The plan of a job as ranks: what is run, and the very lines that start it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dmod.execution.mpi_plan import MpiPlan
    from dmod.model.case import Case, Outline

__all__ = ["RankPlan"]

_STEP_S = 3600


@dataclass(frozen=True)
class RankPlan:
    """What will be done, before it is done; ``print(plan)`` shows it."""

    #: The parts of the run: checked by our engine, or only what any ngen needs.
    case: Case | Outline
    #: What is started where.
    mpi: MpiPlan
    #: Where outputs go.
    target: Path
    #: What starts the ranks.
    on: str = "docker"

    @property
    def lines(self) -> str:
        """The lines that start the ranks, as one could type them."""
        if self.on == "apptainer":
            from dmod.execution.apptainer import shown

            return shown(self.mpi)
        return str(self.mpi)

    def __str__(self) -> str:
        case, counts = self.case, self.mpi.catchments
        network, fabric = case.domain.network, case.domain.hydrofabric
        first = datetime.fromtimestamp(case.start_s, tz=UTC)
        last = datetime.fromtimestamp(case.start_s + _STEP_S * (case.steps - 1), tz=UTC)
        image = self.mpi.image
        return "\n".join(
            [
                f"run      {case.directory.root}",
                (
                    f"domain   {len(network):,} catchments, {len(network.nexuses):,} nexuses "
                    f"({fabric.path.name}, {fabric.version})"
                ),
                f"time     {first:%Y-%m-%d %H:%M} .. {last:%Y-%m-%d %H:%M} UTC, {case.steps:,} hourly steps",
                f"program  {image.name or 'of this machine'}{f' ({image.digest[:19]})' if image.digest else ''}",
                f"ranks    {len(counts):,} of {min(counts):,} to {max(counts):,} catchments on "
                + ", ".join(f"{place.host} ({place.ranks})" for place in self.mpi.places),
                f"outputs  {self.target}",
                self.lines,
            ]
        )
