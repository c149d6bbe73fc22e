"""Errors over time: the volume that is too much, and whether errors grow."""

from __future__ import annotations

import math

import numpy as np

from dmod.evaluation.arithmetic import Floats, over_time
from dmod.evaluation.metric import Takes, Towards, metric
from dmod.evaluation.pool import Need, Series

__all__ = ["error_trend", "volume_error"]

_DMOD = "NOAA-OWP/DMOD, python/lib/metrics"


@metric(
    "volume_error",
    title="Volume error",
    takes=Takes.SERIES,
    ideal=0.0,
    bounds=(-np.inf, np.inf),
    towards=Towards.IDEAL,
    units="obs h",
    formula="area under s - area under o, by trapezoids over time",
    source=_DMOD,
    needs=(Need.PAIRS, Need.TWO_PAIRS),
    when=True,
)
def volume_error(series: Series) -> Floats:
    """Area between simulation and observations; straight lines bridge what is missing.

    Examples
    --------
    >>> times = np.array(["2016-09-01T00", "2016-09-01T06"], dtype="datetime64[ns]")
    >>> volume_error(Series.of([2.0, 3.0], [1.0, 2.0], times)).item()  # 1 m3/s too much for 6 h
    6.0
    """

    def at_one(sim: Floats, obs: Floats, hours: Floats) -> float:
        error = sim - obs
        return float((np.diff(hours) * (error[1:] + error[:-1])).sum() / 2.0) if len(hours) > 1 else np.nan

    return over_time(at_one, series)


@metric(
    "error_trend",
    title="Linear temporal trend of absolute error",
    takes=Takes.SERIES,
    ideal=0.0,
    bounds=(-1.0, 1.0),
    towards=Towards.LOWER,
    units="1",
    formula="angle of the line through |s - o| over hours, as a part of 90 degrees",
    source=_DMOD,
    needs=(Need.PAIRS, Need.TWO_PAIRS),
    when=True,
    aliases=("linear_trend_of_absolute_error",),
)
def error_trend(series: Series, *, unit_h: float = 1.0) -> Floats:
    """How steeply absolute errors grow; below zero where they shrink.

    Parameters
    ----------
    series : Series
        Pairs of shape (..., time), with times.
    unit_h : float, optional
        The unit of time that the slope is taken for [h]; the angle depends on it.

    Examples
    --------
    >>> times = np.array(["2016-09-01T00", "2016-09-01T01"], dtype="datetime64[ns]")
    >>> round(error_trend(Series.of([1.0, 3.0], [1.0, 2.0], times)).item(), 12)  # 45 degrees
    0.5
    """

    def at_one(sim: Floats, obs: Floats, hours: Floats) -> float:
        error, t = np.abs(sim - obs), (hours - hours.mean()) / unit_h
        spread = float((t * t).sum())
        return math.atan(float((t * error).sum()) / spread) / (math.pi / 2.0) if spread > 0.0 else np.nan

    return over_time(at_one, series)
