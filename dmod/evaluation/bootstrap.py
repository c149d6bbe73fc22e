"""How sure a metric is: percentile intervals from blocks of time, drawn again and again.

Flows of one day say much about those of the next, so whole blocks are drawn. A metric of sums or
counts is computed from the sums of blocks, of all resamples as one matrix product; any other from the
series put together anew, which takes as many times longer as there are resamples. All places see
the same draws, and the same seed gives the same interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dmod.errors import InputError

__all__ = ["Blocks", "Confidence", "interval"]

Floats = NDArray[np.float64]

#: A moving block starts at any of so many parts of its length.
_PARTS: Final = 8
_WATER_YEAR: Final = "water_year"


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Stretches of time and how often each resample takes them."""

    #: Stretch of each instant, shape (time,), in [0, count).
    codes: NDArray[np.int64]
    #: Stretches in the order in which they are taken, shape (resample, stretch).
    draws: NDArray[np.int64]
    #: How many stretches with pairs two blocks have: the least that an interval comes from.
    least: int

    @property
    def count(self) -> int:
        """Number of stretches."""
        return int(self.draws.shape[1])

    @property
    def weights(self) -> Floats:
        """How often each stretch is taken, shape (resample, stretch)."""
        offset = np.arange(len(self.draws))[:, None] * self.count
        taken = np.bincount((self.draws + offset).ravel(), minlength=self.draws.size)
        return taken.reshape(self.draws.shape).astype(np.float64)

    def instants(self, resample: int) -> NDArray[np.int64]:
        """Indices of time of one resample."""
        order = np.argsort(self.codes, kind="stable")
        edges = np.searchsorted(self.codes[order], np.arange(self.count + 1))
        return np.concatenate([order[edges[at] : edges[at + 1]] for at in self.draws[resample]])


@dataclass(frozen=True, slots=True)
class Confidence:
    """An interval wanted beside each metric.

    Examples
    --------
    >>> Confidence(level=0.95, block="30D").block
    '30D'
    >>> Confidence(level=95)
    Traceback (most recent call last):
    dmod.errors.InputError: a level of confidence lies between 0 and 1
      has  95
      -> such as 0.9
    """

    #: Share of resamples inside the interval, in (0, 1).
    level: float = 0.9
    #: Number of resamples.
    resamples: int = 1000
    #: What is drawn: ``water_year``, whole years from 1 October as Clark et al. (2021) do, or the length of
    #: a circular moving block, such as ``30D``; see Politis & Romano (1992).
    block: str = _WATER_YEAR
    #: Start of the random numbers.
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.0 < self.level < 1.0:
            raise InputError("a level of confidence lies between 0 and 1", has=self.level, hint="such as 0.9")
        if self.resamples < 1:
            raise InputError("an interval needs resamples", has=self.resamples, hint="such as resamples=1000")
        if self.block != _WATER_YEAR:
            self._length()

    def _length(self) -> pd.Timedelta:
        try:
            length = pd.Timedelta(self.block)
        except ValueError:
            length = pd.Timedelta(0)
        if not length > pd.Timedelta(0):
            raise InputError(
                f"{self.block!r} is not a block", known=f"{_WATER_YEAR}, or a length of time", hint="such as '30D'"
            )
        return length

    def blocks(self, times: NDArray[np.datetime64]) -> Blocks:
        """Blocks of *times* and the draws.

        Parameters
        ----------
        times : array of datetime64, shape (time,)
            Increasing.

        Raises
        ------
        InputError
            If there are fewer than two blocks.
        """
        stretches, parts = self._stretches(times)
        _, codes = np.unique(stretches, return_inverse=True)
        count = int(codes.max()) + 1 if codes.size else 0
        if count < 2 * parts:
            first, last = (times[0], times[-1]) if times.size else ("nothing", "nothing")
            raise InputError(
                "an interval of confidence needs two blocks at least",
                block=self.block,
                has=f"{first} .. {last}",
                hint="compare a longer period, or choose a shorter block",
            )
        rng = np.random.default_rng(self.seed)
        starts = rng.integers(0, count, size=(self.resamples, -(-count // parts)))
        draws = (starts[:, :, None] + np.arange(parts)) % count
        return Blocks(codes.astype(np.int64), draws.reshape(self.resamples, -1)[:, :count], 2 * parts)

    def _stretches(self, times: NDArray[np.datetime64]) -> tuple[NDArray[np.int64], int]:
        """A number for each instant, and how many of them make a block."""
        if self.block == _WATER_YEAR:
            index = pd.DatetimeIndex(times)
            return np.asarray(index.year + (index.month >= 10), dtype=np.int64), 1
        length = self._length().to_timedelta64().astype("timedelta64[ns]").astype(np.int64)
        since = (times - times[:1]).astype("timedelta64[ns]").astype(np.int64)
        step = int(np.median(np.diff(since))) if since.size > 1 else length
        parts = int(min(_PARTS, max(1, length // max(step, 1))))
        return since // (length // parts), parts


def interval(values: Floats, level: float) -> tuple[Floats, Floats]:
    """Percentiles of the last axis, half of what is outside *level* on each side.

    Parameters
    ----------
    values : array of float, shape (..., resample)
        NaN where a resample has no value.
    level : float
        In (0, 1).

    Returns
    -------
    low, high : array of float, shape (...)
        NaN where fewer than half of the resamples have a value.

    Examples
    --------
    >>> low, high = interval(np.arange(101.0), 0.5)
    >>> float(low), float(high)
    (25.0, 75.0)
    """
    ordered = np.sort(np.where(np.isfinite(values), values, np.nan), axis=-1)
    there = np.isfinite(ordered).sum(axis=-1)

    def at(share: float) -> Floats:
        place = share * np.maximum(there - 1, 0)
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, np.maximum(there - 1, 0))
        a = np.take_along_axis(ordered, below[..., None], axis=-1)[..., 0]
        b = np.take_along_axis(ordered, above[..., None], axis=-1)[..., 0]
        found: Floats = np.where(2 * there >= values.shape[-1], a + (place - below) * (b - a), np.nan)
        return found

    return at((1.0 - level) / 2.0), at((1.0 + level) / 2.0)
