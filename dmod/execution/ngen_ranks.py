"""The MPI ranks of a run, seen from one of them; one rank alone needs no MPI at all.

mpi4py is imported only where a launcher started this process. Ranks wait for each other
without keeping their cores busy, and so that a signal is still heard.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from dmod.errors import InputError

__all__ = ["Alone", "MpiRanks", "Ranks", "ranks_here"]

#: What launchers tell each rank about itself: Hydra, PMIx, Open MPI, MVAPICH.
_LAUNCHED = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")
#: How often a rank that waits looks [s].
_LOOK_S = 0.005


class Ranks(Protocol):
    """Ranks that run one model together."""

    #: Which one this is, and how many there are.
    rank: int
    size: int

    def dealt(self, items: Sequence[Any] | None) -> Any:
        """The item of each rank, which rank 0 has and the others wait for."""

    def meet(self) -> None:
        """Wait until every rank is here."""

    def abort(self, code: int) -> None:
        """End every rank with an exit code."""


class Alone:
    """One rank, without MPI."""

    rank, size = 0, 1

    def dealt(self, items: Sequence[Any] | None) -> Any:
        """Its own item."""
        assert items is not None
        return items[0]

    def meet(self) -> None:
        """Nobody else comes."""

    def abort(self, code: int) -> None:
        """Nobody else has to end."""


class MpiRanks:
    """Ranks that a launcher started.

    Parameters
    ----------
    communicator : mpi4py.MPI.Intracomm
        All of them.
    """

    def __init__(self, communicator: Any) -> None:
        self._all = communicator
        self.rank: int = communicator.Get_rank()
        self.size: int = communicator.Get_size()

    def dealt(self, items: Sequence[Any] | None) -> Any:
        """The item of each rank, which rank 0 has and the others wait for."""
        self.meet()
        return self._all.scatter(items, root=0)

    def meet(self) -> None:
        """Wait until every rank is here, with the core free for others."""
        everybody = self._all.Ibarrier()
        while not everybody.Test():
            time.sleep(_LOOK_S)

    def abort(self, code: int) -> None:
        """End every rank with an exit code."""
        sys.stdout.flush()
        sys.stderr.flush()
        self._all.Abort(code)


def ranks_here(environment: Mapping[str, str] | None = None) -> Ranks:
    """The ranks of this run.

    Parameters
    ----------
    environment : mapping, optional
        What the launcher told; the process's own otherwise.

    Returns
    -------
    Ranks
        `Alone` where no launcher of MPI started this process.

    Raises
    ------
    InputError
        If one did, and mpi4py or the MPI library cannot be had.
    """
    told = os.environ if environment is None else environment
    if not any(name in told for name in _LAUNCHED):
        return Alone()
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as problem:
        raise InputError(
            "this is started as one of several MPI ranks, but MPI cannot be loaded",
            reason=str(problem).splitlines()[0],
            hint="pip install mpi4py mpich",
        ) from problem
    return MpiRanks(MPI.COMM_WORLD)
