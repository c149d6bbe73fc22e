"""Finds a run that makes no progress: it says nothing, writes nothing, and computes nothing.

Ranks of MPI that wait for each other may keep their cores busy for ever, so computing alone is
believed for some time only. The clock is given.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from dmod.errors import RunError

__all__ = ["STALL_S", "Stall", "last_written"]

#: How long a run may show no sign of life [s].
STALL_S = 600.0
#: How often that time it may be busy without a word and without writing anything.
_PATIENCE = 3
#: What counts as computing [cores].
_BUSY_CORES = 0.01


class Stall:
    """Remembers signs of life.

    Parameters
    ----------
    limit_s : float
        How long there may be none [s]; three times as long while cores are busy.
    now : float
        A clock that only goes forward [s].

    Examples
    --------
    >>> stall = Stall(60, now=0)
    >>> stall.took(cores=0.001, now=50)
    >>> stall.is_over(now=59), stall.is_over(now=61)
    (False, True)
    """

    def __init__(self, limit_s: float, now: float) -> None:
        self._limit_s = limit_s
        self._sign = self._busy = now

    def said(self, now: float) -> None:
        """It said a line."""
        self._sign = self._busy = max(self._sign, now)

    def wrote(self, ago_s: float, now: float) -> None:
        """It wrote to a file, so long ago."""
        self._sign = max(self._sign, now - max(0.0, ago_s))
        self._busy = max(self._busy, self._sign)

    def took(self, cores: float, now: float) -> None:
        """It kept so many cores busy."""
        if cores >= _BUSY_CORES:
            self._busy = max(self._busy, now)

    def is_silent(self, now: float) -> bool:
        """Whether it has said and written nothing for half of the time, so that files are worth a look."""
        return now - self._sign > self._limit_s / 2

    def is_over(self, now: float) -> bool:
        """Whether there was no sign for too long."""
        return now - self._busy > self._limit_s or now - self._sign > _PATIENCE * self._limit_s

    def failure(self, now: float) -> RunError:
        """What is said of it."""
        return RunError(
            "the run makes no progress",
            waited=f"{now - self._sign:.0f} s without a line or an output, {now - self._busy:.0f} s without computing",
            hint="ranks may wait for each other for ever: try other partitions, or fewer ranks",
        )


def last_written(directories: Iterable[Path]) -> float | None:
    """When anything below some directories was last written [s since 1970]; None where there is nothing."""
    latest: float | None = None
    for directory in directories:
        for folder, _, names in os.walk(directory):
            for name in (*names, "."):
                with contextlib.suppress(OSError):  # it may be renamed at this moment
                    latest = max(latest or 0.0, Path(folder, name).stat().st_mtime)
    return latest
