"""The MPI ranks of a run, seen from one of them; one rank alone needs no MPI at all.

mpi4py is imported only where a launcher started this process. Ranks wait for each other
without keeping their cores busy, and so that a signal is still heard.
"""

from __future__ import annotations

import fcntl
import os
import stat
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from dmod.errors import InputError

__all__ = ["Alone", "MpiRanks", "Ranks", "ranks_here", "wait_until_read"]

#: What launchers tell each rank about itself: Hydra, PMIx, Open MPI, MVAPICH.
_LAUNCHED = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")
#: How often a rank that waits looks [s].
_LOOK_S = 0.005
#: How long the last words of a rank may take to be read [s].
_READ_S = 5.0


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
        """End every rank with an exit code, once the launcher has read what this one said: it reads no more then."""
        sys.stdout.flush()
        sys.stderr.flush()
        wait_until_read(1, 2)
        self._all.Abort(code)


def wait_until_read(*descriptors: int, seconds: float = _READ_S) -> None:
    """Wait until nothing is left in pipes that somebody else reads.

    Parameters
    ----------
    *descriptors : int
        Of this process. What is no pipe needs nobody who reads it, and is not waited for.
    seconds : float, optional
        The longest wait [s], for all of them.
    """
    end = time.monotonic() + seconds
    for one in descriptors:
        if not stat.S_ISFIFO(os.fstat(one).st_mode):
            continue
        while int.from_bytes(fcntl.ioctl(one, termios.FIONREAD, bytes(4)), sys.byteorder) and time.monotonic() < end:
            time.sleep(_LOOK_S)


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
