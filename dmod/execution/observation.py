"""What is seen of a run that is under way, wherever its parts are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dmod.engine.part_run import PartReport

__all__ = ["Observation", "Run", "Usage"]


@dataclass(frozen=True, slots=True)
class Usage:
    """What one host's share of a run takes just now."""

    #: Name of the host.
    host: str
    #: Cores busy, on average since it was last asked.
    cores: float
    #: Memory taken [bytes].
    memory_bytes: int


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
    #: What hosts are busy with, where that is known.
    usage: tuple[Usage, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether every task has finished."""
        return self.finished == self.tasks


class Run(Protocol):
    """A run under way: tasks on a cluster, threads of this process, ranks in containers."""

    def observe(self) -> Observation:
        """How far it is; raises a `DmodError` if a part failed."""

    def wait(self, seconds: float) -> None:
        """Wait for something to happen, so long at most."""

    def news(self) -> list[str]:
        """Lines that its parts said since the last call; ranks of an MPI run are named in front."""

    def stop(self) -> None:
        """Have all parts stop; return when none runs."""

    def leave(self) -> None:
        """Look no longer; ranks go on, and can be found again."""

    def close(self) -> None:
        """Forget the parts."""
