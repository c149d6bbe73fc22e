"""Signatures: what kind of river a series is from, as a number of its own and as an error against observations.

The runoff ratio needs rain, so it is a function only; its relative error is `percent_bias`,
whatever the rain.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from dmod.evaluation.arithmetic import Floats, along, at_each_place, hours_of, ratio
from dmod.evaluation.baseflow import baseflow
from dmod.evaluation.metric import Takes, Towards, metric
from dmod.evaluation.pool import Need, Series

__all__ = [
    "baseflow_index",
    "baseflow_index_error",
    "flashiness",
    "flashiness_error",
    "rising_limb_density",
    "rising_limb_density_error",
    "runoff_ratio",
]

_ANY = (-np.inf, np.inf)
_BAKER = "Baker et al. (2004), J. Am. Water Resour. Assoc. 40, 503-522, doi:10.1111/j.1752-1688.2004.tb01046.x"
_LADSON = "Ladson et al. (2013), Australas. J. Water Resour. 17, 25-34, doi:10.7158/13241583.2013.11465417"
_SHAMIR = "Shamir et al. (2005), Water Resour. Res. 41, W06021, doi:10.1029/2004WR003409"
_SAWICZ = "Sawicz et al. (2011), Hydrol. Earth Syst. Sci. 15, 2895-2911, doi:10.5194/hess-15-2895-2011"

#: Part of the time that flow is below; the quantiles that have an error of their own.
_LEVELS = (5, 10, 25, 50, 75, 90, 95, 99)


def runoff_ratio(flow: ArrayLike, precipitation: ArrayLike) -> Floats:
    """Part of the precipitation that runs off.

    Parameters
    ----------
    flow, precipitation : array of float, shape (..., time)
        In the same units, such as [mm h-1] over the area of the basin; NaN where missing.

    Returns
    -------
    array of float, shape (...)
        Ratio [1] over instants with both; NaN where nothing fell.

    Examples
    --------
    >>> runoff_ratio([1.0, 1.0], [4.0, 0.0]).item()
    0.5
    """
    both = Series.of(flow, precipitation)
    return ratio(np.nansum(both.sim, axis=-1), np.nansum(both.obs, axis=-1))


def flashiness(flow: ArrayLike) -> Floats:
    """Richards-Baker flashiness: how much flow changes from step to step, for its size.

    Parameters
    ----------
    flow : array of float, shape (..., time)
        NaN where missing; only steps between two values count.

    Returns
    -------
    array of float, shape (...)
        Sum of changes over the sum of the mean flows of the same steps [1]; it depends on the
        length of the step. NaN where nothing flows.

    References
    ----------
    Baker et al. (2004), J. Am. Water Resour. Assoc. 40, 503-522, doi:10.1111/j.1752-1688.2004.tb01046.x.

    Examples
    --------
    >>> flashiness([1.0, 3.0, 1.0]).item()
    1.0
    """
    q = np.asarray(flow, dtype=np.float64)
    total = np.nansum((q[..., 1:] + q[..., :-1]) / 2.0, axis=-1)
    return ratio(np.nansum(np.abs(np.diff(q, axis=-1)), axis=-1), np.where(total > 0.0, total, np.nan))


def baseflow_index(flow: ArrayLike, hours: ArrayLike) -> Floats:
    """Part of the flow that is baseflow, by the filter of Lyne and Hollick; see `dmod.evaluation.baseflow`.

    Parameters
    ----------
    flow : array of float, shape (..., time)
        NaN where missing; straight lines bridge what is, for the filter, and it is left out of the sums.
    hours : array of float, shape (time,)
        When [h], increasing in about equal steps.

    Returns
    -------
    array of float, shape (...)
        Index [1], in [0, 1]; NaN where nothing flows.

    Examples
    --------
    >>> baseflow_index(np.ones(48), np.arange(48.0)).item()
    1.0
    """
    q = np.asarray(flow, dtype=np.float64)
    there = np.isfinite(q)
    below = np.where(there, baseflow(q, np.asarray(hours, dtype=np.float64)), 0.0)
    total = np.where(there, q, 0.0).sum(axis=-1)
    return ratio(below.sum(axis=-1), np.where(total > 0.0, total, np.nan))


def rising_limb_density(flow: ArrayLike, hours: ArrayLike) -> float:
    """Number of rising limbs over the time that flow rises: the steeper the rises, the larger.

    Parameters
    ----------
    flow : array of float, shape (time,)
        Free of NaN.
    hours : array of float, shape (time,)
        When [h], increasing.

    Returns
    -------
    float
        Density [h-1]; NaN where flow never rises.

    Examples
    --------
    >>> rising_limb_density([1.0, 2.0, 3.0, 1.0, 2.0], [0.0, 1.0, 2.0, 3.0, 4.0])  # 2 limbs in 3 h
    0.666...
    """
    q, at = np.asarray(flow, dtype=np.float64), np.asarray(hours, dtype=np.float64)
    rises = np.diff(q) > 0.0
    if not rises.any():
        return np.nan
    limbs = np.count_nonzero(rises[1:] & ~rises[:-1]) + int(rises[0])
    return float(limbs / np.diff(at)[rises].sum())


@metric(
    "baseflow_index_error",
    title="Error of the baseflow index",
    takes=Takes.SERIES,
    ideal=0.0,
    bounds=(-1.0, 1.0),
    towards=Towards.IDEAL,
    units="1",
    formula="BFI(s) - BFI(o), BFI by the filter of Lyne and Hollick, 0.925 per day, three passes",
    source=_LADSON,
    needs=(Need.PAIRS, Need.FLOWS),
    when=True,
    aliases=("bfi_error",),
)
def baseflow_index_error(series: Series) -> Floats:
    """How much larger the part of the flow is that is baseflow.

    Examples
    --------
    >>> times = np.datetime64("2016-09-01", "h") + np.arange(48)
    >>> baseflow_index_error(Series.of(np.ones(48), np.ones(48), times)).item()
    0.0
    """
    hours = hours_of(series)
    return baseflow_index(series.sim, hours) - baseflow_index(series.obs, hours)


@metric(
    "flashiness_error",
    title="Error of the Richards-Baker flashiness",
    takes=Takes.SERIES,
    ideal=0.0,
    bounds=_ANY,
    towards=Towards.IDEAL,
    units="1",
    formula="RB(s) - RB(o), RB = sum(|q[t] - q[t-1]|) / sum((q[t] + q[t-1]) / 2)",
    source=_BAKER,
    needs=(Need.PAIRS, Need.TWO_PAIRS, Need.FLOWS),
    when=True,
    aliases=("richards_baker_error", "rbi_error"),
)
def flashiness_error(series: Series) -> Floats:
    """How much flashier the simulation is.

    Examples
    --------
    >>> flashiness_error(Series.of([1.0, 3.0, 1.0], [2.0, 2.0, 2.0])).item()
    1.0
    """
    return flashiness(series.sim) - flashiness(series.obs)


@metric(
    "rising_limb_density_error",
    title="Error of the rising limb density",
    takes=Takes.SERIES,
    ideal=0.0,
    bounds=_ANY,
    towards=Towards.IDEAL,
    units="h-1",
    formula="RLD(s) - RLD(o), RLD = number of rising limbs / time of rising",
    source=f"{_SHAMIR}; {_SAWICZ}",
    needs=(Need.PAIRS, Need.TWO_PAIRS, Need.RISES),
    when=True,
    aliases=("rld_error",),
)
def rising_limb_density_error(series: Series) -> Floats:
    """How much shorter the rises of the simulation are, as a density.

    Examples
    --------
    >>> times = np.datetime64("2016-09-01", "h") + np.arange(3)
    >>> rising_limb_density_error(Series.of([1.0, 2.0, 1.0], [1.0, 2.0, 3.0], times)).item()
    0.5
    """

    def at_one(sim: Floats, obs: Floats, hours: Floats) -> float:
        return rising_limb_density(sim, hours) - rising_limb_density(obs, hours)

    return along(at_one, series, hours_of(series))


def _quantile_error(level: int) -> Callable[[Series], Floats]:
    """The kernel of the error of one quantile."""

    def at_one(sim: Floats, obs: Floats) -> float:
        ours, theirs = (float(np.quantile(flow, level / 100.0)) for flow in (sim, obs))
        return 100.0 * (ours - theirs) / theirs if theirs != 0.0 else np.nan

    return lambda series: at_each_place(at_one, series)


for _level in _LEVELS:
    metric(
        f"q{_level:02d}_error",
        title=f"Error of the {_level} % quantile",
        takes=Takes.SERIES,
        ideal=0.0,
        bounds=_ANY,
        towards=Towards.IDEAL,
        units="%",
        formula=f"100 (q{_level:02d}(s) - q{_level:02d}(o)) / q{_level:02d}(o), flow is below q{_level:02d} for "
        f"{_level} % of the time, interpolated linearly",
        source="Hyndman & Fan (1996), Am. Stat. 50, 361-365, doi:10.1080/00031305.1996.10473566, definition 7",
        needs=(Need.PAIRS, Need.OBS_QUANTILE),
        aliases=(f"quantile_{_level}_error",),
    )(_quantile_error(_level))
