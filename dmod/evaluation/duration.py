"""Duration: the flow duration curve, its slope, and biases of its high, middle and low part."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dmod.evaluation.arithmetic import Floats, at_each_place
from dmod.evaluation.metric import Takes, Towards, metric
from dmod.evaluation.pool import Need, Series

__all__ = ["fdc_high_bias", "fdc_low_bias", "fdc_mid_bias", "fdc_slope", "fdc_slope_error", "flow_duration"]

_ANY = (-np.inf, np.inf)
_YILMAZ = "Yilmaz et al. (2008), Water Resour. Res. 44, W09417, doi:10.1029/2007WR006716"


def flow_duration(flow: ArrayLike) -> tuple[Floats, Floats]:
    """The flow duration curve: what flow is reached or exceeded in which part of the time.

    Parameters
    ----------
    flow : array of float, shape (time,)
        NaN where missing.

    Returns
    -------
    exceedance : array of float, shape (n,)
        Part of the time [1], rank / (n + 1) (Weibull), increasing.
    flow : array of float, shape (n,)
        In the units of the flow, falling.

    Examples
    --------
    >>> exceedance, flow = flow_duration([1.0, 3.0, 2.0])
    >>> exceedance.tolist(), flow.tolist()
    ([0.25, 0.5, 0.75], [3.0, 2.0, 1.0])
    """
    values = np.asarray(flow, dtype=np.float64).ravel()
    falling: Floats = np.sort(values[np.isfinite(values)])[::-1]
    return np.arange(1, len(falling) + 1) / (len(falling) + 1.0), falling


def fdc_slope(flow: ArrayLike, upper: float = 0.33, lower: float = 0.66) -> float:
    """Slope of the flow duration curve between two exceedances, in logarithms of the flow [1].

    Parameters
    ----------
    flow : array of float, shape (time,)
        NaN where missing.
    upper, lower : float, optional
        Exceedances, of the higher and of the lower flow.

    Returns
    -------
    float
        ``(ln q(upper) - ln q(lower)) / (lower - upper)``; NaN where one of them is not above zero.

    References
    ----------
    Sawicz et al. (2011), Hydrol. Earth Syst. Sci. 15, 2895-2911, doi:10.5194/hess-15-2895-2011.

    Examples
    --------
    >>> round(fdc_slope(np.exp(np.linspace(0, 1, 999))), 9)  # a straight line in logarithms
    1.00200...
    """
    values = np.asarray(flow, dtype=np.float64).ravel()
    return _drop(values[np.isfinite(values)], upper, lower) / (lower - upper)


@metric(
    "fdc_slope_error",
    title="Error of the slope of the flow duration curve",
    takes=Takes.SERIES,
    ideal=0.0,
    bounds=_ANY,
    towards=Towards.IDEAL,
    units="1",
    formula="slope(s) - slope(o), slope = (ln q33 - ln q66) / 0.33, q at exceedance",
    source="Sawicz et al. (2011), Hydrol. Earth Syst. Sci. 15, 2895-2911, doi:10.5194/hess-15-2895-2011",
    needs=(Need.PAIRS, Need.OBS_CURVE),
)
def fdc_slope_error(series: Series) -> Floats:
    """How much steeper the middle of the flow duration curve is: flashier than observed above zero.

    Examples
    --------
    >>> obs = np.exp(np.linspace(0, 1, 99))
    >>> round(fdc_slope_error(Series.of(obs**2, obs)).item(), 3)
    1.02
    """
    return at_each_place(lambda sim, obs: fdc_slope(sim) - fdc_slope(obs), series)


@metric(
    "fdc_high_bias",
    title="Bias of the high part of the flow duration curve",
    takes=Takes.SERIES,
    ideal=0.0,
    bounds=_ANY,
    towards=Towards.IDEAL,
    units="%",
    formula="100 sum(s_h - o_h) / sum(o_h), h the highest 2 % of each, one value at least",
    source=_YILMAZ,
    needs=(Need.PAIRS, Need.OBS_PEAK),
    aliases=("fhv", "bias_fhv", "pbias_fhv"),
)
def fdc_high_bias(series: Series, *, part: float = 0.02) -> Floats:
    """Volume error of the highest flows.

    Parameters
    ----------
    series : Series
        Pairs of shape (..., time).
    part : float, optional
        Part of the time that counts as high.

    Examples
    --------
    >>> fdc_high_bias(Series.of([1.0, 5.0], [4.0, 1.0])).item()
    25.0
    """

    def at_one(sim: Floats, obs: Floats) -> float:
        count = max(1, round(part * len(obs)))
        ours, theirs = np.sort(sim)[-count:].sum(), np.sort(obs)[-count:].sum()
        return float(100.0 * (ours - theirs) / theirs) if theirs > 0.0 else np.nan

    return at_each_place(at_one, series)


@metric(
    "fdc_mid_bias",
    title="Bias of the slope of the middle of the flow duration curve",
    takes=Takes.SERIES,
    ideal=0.0,
    bounds=_ANY,
    towards=Towards.IDEAL,
    units="%",
    formula="100 ((ln s20 - ln s70) - (ln o20 - ln o70)) / (ln o20 - ln o70), at exceedance",
    source=_YILMAZ,
    needs=(Need.PAIRS, Need.OBS_CURVE),
    aliases=("fms", "bias_fms", "pbias_fms"),
)
def fdc_mid_bias(series: Series, *, upper: float = 0.2, lower: float = 0.7) -> Floats:
    """How much steeper the middle of the flow duration curve is, in percent of the observed slope.

    Parameters
    ----------
    series : Series
        Pairs of shape (..., time).
    upper, lower : float, optional
        Exceedances between which the slope is taken.

    Examples
    --------
    >>> obs = np.exp(np.linspace(0, 1, 99))
    >>> round(fdc_mid_bias(Series.of(obs**2, obs)).item(), 9)
    100.0
    """

    def at_one(sim: Floats, obs: Floats) -> float:
        theirs = _drop(obs, upper, lower)
        return 100.0 * (_drop(sim, upper, lower) - theirs) / theirs if theirs > 0.0 else np.nan

    return at_each_place(at_one, series)


@metric(
    "fdc_low_bias",
    title="Bias of the low part of the flow duration curve",
    takes=Takes.SERIES,
    ideal=0.0,
    bounds=_ANY,
    towards=Towards.IDEAL,
    units="%",
    formula="-100 (sum(ln s_l - ln min(s)) - sum(ln o_l - ln min(o))) / sum(ln o_l - ln min(o)), l the lowest 30 %",
    source=_YILMAZ,
    needs=(Need.PAIRS, Need.OBS_CURVE),
    aliases=("flv", "bias_flv", "pbias_flv"),
)
def fdc_low_bias(series: Series, *, part: float = 0.3) -> Floats:
    """Volume error of the lowest flows above the least, in logarithms; below zero where it varies too much.

    Parameters
    ----------
    series : Series
        Pairs of shape (..., time).
    part : float, optional
        Part of the time that counts as low.

    Examples
    --------
    >>> obs = np.exp(np.linspace(0, 1, 99))
    >>> round(fdc_low_bias(Series.of(obs**2, obs)).item(), 9)
    -100.0
    """

    def at_one(sim: Floats, obs: Floats) -> float:
        count = max(1, round(part * len(obs)))
        ours, theirs = (np.sort(flow)[:count] for flow in (sim, obs))
        if ours[0] <= 0.0 or theirs[0] <= 0.0 or theirs[-1] == theirs[0]:
            return np.nan
        over = [float(np.log(flow / flow[0]).sum()) for flow in (ours, theirs)]
        return -100.0 * (over[0] - over[1]) / over[1]

    return at_each_place(at_one, series)


def _drop(flow: Floats, upper: float, lower: float) -> float:
    """By how much the logarithm of the flow falls from one exceedance to another."""
    if not len(flow):
        return np.nan
    high, low = np.quantile(flow, [1.0 - upper, 1.0 - lower], method="weibull")
    return float(np.log(high) - np.log(low)) if low > 0.0 else np.nan
