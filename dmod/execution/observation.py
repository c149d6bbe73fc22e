"""What is seen of a run that is under way, wherever its parts are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dmod.engine.part_run import PartReport

__all__ = ["Observation"]


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen of a run."""

    #: Catchment-steps done.
    done: int
    #: Tasks finished.
    finished: int
    #: Tasks in all.
    tasks: int
    #: Reports of finished tasks, once all are.
    reports: tuple[PartReport, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether every task has finished."""
        return self.finished == self.tasks
