"""Peaks: how high and when the largest flow was, of the whole series and of each water year."""

from __future__ import annotations

import numpy as np

from dmod.evaluation.arithmetic import Floats, along, at_each_place, hours_of, over_time
from dmod.evaluation.metric import Takes, Towards, metric
from dmod.evaluation.pool import Need, Series

__all__ = ["annual_peak_bias", "peak_difference", "peak_error", "peak_timing", "water_years"]

_ANY = (-np.inf, np.inf)
_YILMAZ = "Yilmaz et al. (2008), Water Resour. Res. 44, W09417, doi:10.1029/2007WR006716"
_MIZUKAMI = "Mizukami et al. (2019), Hydrol. Earth Syst. Sci. 23, 2601-2614, doi:10.5194/hess-23-2601-2019"
_TEEHR = "RTI International, TEEHR, deterministic metrics"


@metric(
    "peak_error",
    title="Peak error",
    takes=Takes.SERIES,
    ideal=0.0,
    bounds=_ANY,
    towards=Towards.IDEAL,
    units="%",
    formula="100 (max(s) - max(o)) / max(o)",
    source=_YILMAZ,
    needs=(Need.PAIRS, Need.OBS_PEAK),
    aliases=("percent_peak_error", "peak_bias", "relative_peak_error"),
)
def peak_error(series: Series) -> Floats:
    """Error of the largest flow, whenever it came, as a part of the largest observed one.

    Examples
    --------
    >>> peak_error(Series.of([1.0, 5.0], [4.0, 1.0])).item()
    25.0
    """

    def at_one(sim: Floats, obs: Floats) -> float:
        peak = float(obs.max())
        return 100.0 * (float(sim.max()) - peak) / peak if peak > 0.0 else np.nan

    return at_each_place(at_one, series)


@metric(
    "peak_difference",
    title="Peak difference",
    takes=Takes.SERIES,
    ideal=0.0,
    bounds=_ANY,
    towards=Towards.IDEAL,
    units="obs",
    formula="max(s) - max(o)",
    source=_TEEHR,
    needs=(Need.PAIRS,),
    aliases=("max_value_delta", "maximum_value_delta"),
)
def peak_difference(series: Series) -> Floats:
    """Error of the largest flow, whenever it came.

    Examples
    --------
    >>> peak_difference(Series.of([1.0, 5.0], [4.0, 1.0])).item()
    1.0
    """
    return at_each_place(lambda sim, obs: float(sim.max() - obs.max()), series)


@metric(
    "peak_timing",
    title="Peak timing error",
    takes=Takes.SERIES,
    ideal=0.0,
    bounds=_ANY,
    towards=Towards.IDEAL,
    units="h",
    formula="time of max(s) - time of max(o), the first of several",
    source=_TEEHR,
    needs=(Need.PAIRS, Need.OBS_VARIES, Need.SIM_VARIES),
    when=True,
    aliases=("max_value_timedelta", "time_to_peak_error", "peak_time_error"),
)
def peak_timing(series: Series) -> Floats:
    """How long after the observed peak the simulated one came; below zero if it came before.

    Examples
    --------
    >>> times = np.array(["2016-09-01T00", "2016-09-01T06"], dtype="datetime64[ns]")
    >>> peak_timing(Series.of([1.0, 5.0], [4.0, 1.0], times)).item()
    6.0
    """

    def at_one(sim: Floats, obs: Floats, hours: Floats) -> float:
        vary = np.ptp(sim) > 0.0 and np.ptp(obs) > 0.0
        return float(hours[sim.argmax()] - hours[obs.argmax()]) if vary else np.nan

    return over_time(at_one, series)


@metric(
    "annual_peak_bias",
    title="Annual peak bias",
    takes=Takes.SERIES,
    ideal=0.0,
    bounds=_ANY,
    towards=Towards.IDEAL,
    units="%",
    formula="100 sum(max(s) - max(o)) / sum(max(o)), maxima of water years",
    source=_MIZUKAMI,
    needs=(Need.PAIRS, Need.OBS_PEAK),
    when=True,
    aliases=("annual_peak_relative_bias", "annual_peak_flow_bias"),
)
def annual_peak_bias(series: Series) -> Floats:
    """Error of the largest flows of all water years, with however few pairs, by the sum of the observed ones.

    Examples
    --------
    >>> times = np.array(["2015-09-30", "2015-10-01"], dtype="datetime64[ns]")
    >>> annual_peak_bias(Series.of([3.0, 3.0], [2.0, 2.0], times)).item()
    50.0
    """
    hours_of(series)

    def at_one(sim: Floats, obs: Floats, years: Floats) -> float:
        start = np.flatnonzero(np.diff(years, prepend=-np.inf))
        ours, theirs = np.maximum.reduceat(sim, start), np.maximum.reduceat(obs, start)
        return float(100.0 * (ours - theirs).sum() / theirs.sum()) if theirs.sum() > 0.0 else np.nan

    return along(at_one, series, water_years(np.asarray(series.times)).astype(np.float64))


def water_years(times: np.ndarray) -> np.ndarray:
    """The water year of each instant, which begins on 1 October of the year before, UTC.

    Examples
    --------
    >>> water_years(np.array(["2015-09-30", "2015-10-01"], dtype="datetime64[ns]")).tolist()
    [2015, 2016]
    """
    months = times.astype("datetime64[M]").astype(np.int64)
    return (months + 3) // 12 + 1970
