r"""How large a flood is that comes once in so many years.

`return_flows` fits a generalised extreme value distribution to the annual maxima of a record
by L-moments: three parameters without iteration, and little bias where a record is short.

.. math:: x(T) = \xi + \frac{\alpha}{\kappa}\left(1 - (-\ln(1 - 1/T))^{\kappa}\right)

Pure: nothing here reads a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gamma, log
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["FEWEST_YEARS", "annual_maxima", "return_flows"]

#: Annual maxima that a fit needs at least [1].
FEWEST_YEARS = 10
#: Part of a water year's instants that must have a value for its maximum to count.
_WHOLE = 0.9


def annual_maxima(flow: NDArray[np.floating], times: pd.DatetimeIndex) -> NDArray[np.float64]:
    """Largest flow of each water year (from 1 October) of which nine tenths are known.

    Parameters
    ----------
    flow : array of float, shape (time,)
        NaN where missing.
    times : DatetimeIndex, shape (time,)
        Increasing, UTC.

    Returns
    -------
    array of float64, shape (years,)
        In the units of *flow*, oldest first.
    """
    if len(times) < 2:
        return np.empty(0)
    year = np.asarray(times.year + (times.month >= 10))
    step = float(np.median(np.diff(times.as_unit("ns").to_numpy()).astype(np.int64)))
    there = np.isfinite(flow)
    firsts = np.flatnonzero(np.append(True, year[1:] != year[:-1]))
    held = np.add.reduceat(there, firsts, dtype=np.int64)
    most = np.fmax.reduceat(np.where(there, flow, np.nan).astype(np.float64), firsts)
    days = np.array([365 + pd.Timestamp(int(one), 1, 1).is_leap_year for one in year[firsts]])
    found: NDArray[np.float64] = most[held >= _WHOLE * days * 86_400e9 / step]
    return found


def return_flows(flow: NDArray[np.floating], times: pd.DatetimeIndex, years: Sequence[float]) -> NDArray[np.float64]:
    """Flows exceeded once in so many years on average.

    Parameters
    ----------
    flow : array of float, shape (time,)
        NaN where missing.
    times : DatetimeIndex, shape (time,)
        Increasing, UTC.
    years : sequence of float
        Return periods [years], above 1.

    Returns
    -------
    array of float64, shape (len(years),)
        In the units of *flow*; NaN where fewer than `FEWEST_YEARS` water years are known, or all floods are equal.

    References
    ----------
    Hosking, Wallis & Wood (1985), Technometrics 27, 251-261, doi:10.1080/00401706.1985.10488049;
    Hosking (1990), J. R. Stat. Soc. B 52, 105-124, doi:10.1111/j.2517-6161.1990.tb01775.x.
    """
    floods = annual_maxima(flow, times)
    if len(floods) < FEWEST_YEARS:
        return np.full(len(years), np.nan)
    location, scale, shape = _gev(np.sort(floods))
    if not scale > 0:
        return np.full(len(years), np.nan)
    rare = -np.log1p(-1.0 / np.asarray(years, dtype=np.float64))
    if abs(shape) < 1e-8:
        return np.asarray(location - scale * np.log(rare))
    return np.asarray(location + scale / shape * (1 - rare**shape))


def _gev(ordered: NDArray[np.float64]) -> tuple[float, float, float]:
    """Location, scale and shape (Hosking's kappa, positive where floods are bounded) of values in order."""
    n = len(ordered)
    rank = np.arange(n)
    b0 = float(ordered.mean())
    b1 = float((rank / (n - 1) * ordered).mean())
    b2 = float((rank * (rank - 1) / ((n - 1) * (n - 2)) * ordered).mean())
    second, third = 2 * b1 - b0, 6 * b2 - 6 * b1 + b0
    if not second > 0:
        return b0, 0.0, 0.0
    near = 2 / (3 + third / second) - log(2) / log(3)
    shape = 7.8590 * near + 2.9554 * near**2
    if abs(shape) < 1e-8:
        scale = second / log(2)
        return b0 - 0.5772156649015329 * scale, scale, 0.0
    scale = second * shape / ((1 - 2.0**-shape) * gamma(1 + shape))
    return b0 - scale * (1 - gamma(1 + shape)) / shape, scale, shape
