"""Arithmetic of pools: quotients without infinities, hours, places one after the other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dmod.errors import InputError
from dmod.evaluation.pool import Series

__all__ = ["Floats", "along", "at_each_place", "hours_of", "over_time", "ratio"]

#: What metrics are made of.
Floats = NDArray[np.float64]

_HOUR = np.timedelta64(3_600_000_000_000, "ns")


def ratio(above: Floats, below: Floats) -> Floats:
    """Quotient; NaN where it would divide by zero, or by what overflowed.

    Examples
    --------
    >>> ratio(np.array([1.0, 1.0]), np.array([2.0, 0.0])).tolist()
    [0.5, nan]
    """
    quotient: Floats = np.asarray(
        above / np.where((below != 0.0) & np.isfinite(below), below, np.nan), dtype=np.float64
    )
    return quotient


def at_each_place(kernel: Callable[[Floats, Floats], float], series: Series) -> Floats:
    """What *kernel* says of the pairs of each place, one place after the other.

    Parameters
    ----------
    kernel : callable
        From sim and obs, both of shape (pair,), in order, without NaN and never empty, to a number.
    series : Series
        Of shape (..., time).

    Returns
    -------
    array of float, shape (...)
        NaN where there are no pairs.

    Examples
    --------
    >>> series = Series.of([[1.0, np.nan], [np.nan, np.nan]], [[2.0, 3.0], [4.0, 5.0]])
    >>> at_each_place(lambda sim, obs: float(obs.sum()), series).tolist()
    [2.0, nan]
    """
    return along(lambda sim, obs, _: kernel(sim, obs), series, np.zeros(series.sim.shape[-1]))


def over_time(kernel: Callable[[Floats, Floats, Floats], float], series: Series) -> Floats:
    """What *kernel* says of the pairs and their instants [h] of each place, one place after the other.

    Raises
    ------
    InputError
        If the series has no instants.

    Examples
    --------
    >>> times = np.array(["2016-09-01T00", "2016-09-01T06"], dtype="datetime64[ns]")
    >>> over_time(lambda sim, obs, hours: float(hours[-1]), Series.of([1.0, 2.0], [1.0, 2.0], times)).item()
    6.0
    """
    return along(kernel, series, hours_of(series))


def hours_of(series: Series) -> Floats:
    """Instants of *series* as hours since its first one.

    Raises
    ------
    InputError
        If it has none.
    """
    if series.times is None:
        raise InputError("this metric asks when something was", hint="pass times=")
    if not len(series.times):
        return np.zeros(0)
    times = np.asarray(series.times).astype("datetime64[ns]")
    hours: Floats = (times - times[0]) / _HOUR
    return hours


def along(kernel: Callable[[Floats, Floats, Floats], float], series: Series, marks: Floats) -> Floats:
    """What *kernel* says of the pairs and their *marks*, shape (time,), one place after the other."""
    *places, length = series.sim.shape
    count = int(np.prod(places))
    sims, obses = series.sim.reshape(count, length), series.obs.reshape(count, length)
    values = np.full(count, np.nan)
    for place in range(count):
        there = np.isfinite(sims[place])
        if there.any():
            values[place] = kernel(sims[place][there], obses[place][there], marks[there])
    return values.reshape(places)
