"""Efficiencies: by how much a simulation is better than the mean observation."""

from __future__ import annotations

import numpy as np

from dmod.evaluation.arithmetic import Floats, at_each_place, ratio
from dmod.evaluation.metric import Takes, Towards, metric
from dmod.evaluation.pool import Need, Series, Sums

__all__ = [
    "log_nash_sutcliffe",
    "modified_nash_sutcliffe",
    "nash_sutcliffe",
    "normalized_nash_sutcliffe",
    "relative_nash_sutcliffe",
]

_BELOW_ONE = (-np.inf, 1.0)
_NASH = "Nash & Sutcliffe (1970), J. Hydrol. 10, 282-290, doi:10.1016/0022-1694(70)90255-6"


@metric(
    "nse",
    title="Nash-Sutcliffe efficiency",
    takes=Takes.SUMS,
    ideal=1.0,
    bounds=_BELOW_ONE,
    towards=Towards.HIGHER,
    units="1",
    formula="1 - sum((s - o)^2) / sum((o - mean(o))^2)",
    source=_NASH,
    needs=(Need.PAIRS, Need.OBS_VARIES),
    aliases=("nash_sutcliffe", "nash_sutcliffe_model_efficiency", "coefficient_of_efficiency"),
)
def nash_sutcliffe(sums: Sums) -> Floats:
    r"""Nash-Sutcliffe efficiency, 1 for a perfect simulation, 0 for one as good as the mean.

    .. math:: 1 - \frac{\sum_t (s_t - o_t)^2}{\sum_t (o_t - \bar o)^2}

    Examples
    --------
    >>> from dmod.evaluation.reduce import sums_of
    >>> float(nash_sutcliffe(sums_of([2.0, 2.0, 2.0], [1.0, 2.0, 3.0])))  # as good as the mean
    0.0
    """
    return 1.0 - ratio(sums.squared, sums.obs_spread)


@metric(
    "nnse",
    title="Normalized Nash-Sutcliffe efficiency",
    takes=Takes.SUMS,
    ideal=1.0,
    bounds=(0.0, 1.0),
    towards=Towards.HIGHER,
    units="1",
    formula="1 / (2 - NSE)",
    source="Nossent & Bauwens (2012), EGU General Assembly, Geophys. Res. Abstr. 14, 237",
    needs=(Need.PAIRS, Need.OBS_VARIES),
    aliases=("normalized_nash_sutcliffe", "normalised_nash_sutcliffe_efficiency"),
)
def normalized_nash_sutcliffe(sums: Sums) -> Floats:
    """Nash-Sutcliffe efficiency on a scale from 0 to 1, a half where it is as good as the mean.

    Examples
    --------
    >>> from dmod.evaluation.reduce import sums_of
    >>> float(normalized_nash_sutcliffe(sums_of([2.0, 2.0, 2.0], [1.0, 2.0, 3.0])))
    0.5
    """
    return 1.0 / (2.0 - nash_sutcliffe(sums))


@metric(
    "log_nse",
    title="Nash-Sutcliffe efficiency of logarithms",
    takes=Takes.SUMS,
    ideal=1.0,
    bounds=_BELOW_ONE,
    towards=Towards.HIGHER,
    units="1",
    formula="NSE of ln(s + e) against ln(o + e), e = 0.01 mean(o)",
    source="Pushpalatha et al. (2012), J. Hydrol. 420-421, 171-182, doi:10.1016/j.jhydrol.2011.11.055",
    needs=(Need.PAIRS, Need.POSITIVE_OBS_MEAN, Need.LOGS, Need.OBS_VARIES),
    logs=True,
    aliases=("nse_log", "log_nash_sutcliffe", "logarithmic_nash_sutcliffe_efficiency", "nselog"),
)
def log_nash_sutcliffe(sums: Sums) -> Floats:
    """Nash-Sutcliffe efficiency of logarithms, which weighs low flows as much as high ones.

    A hundredth of the mean observation is added first, so that a dry river has one.

    Examples
    --------
    >>> from dmod.evaluation.reduce import sums_of
    >>> float(log_nash_sutcliffe(sums_of([1.0, 10.0, 100.0], [1.0, 10.0, 100.0], logs=True)))
    1.0
    """
    if sums.logs is None:
        raise ValueError("sums without logs; take them with logs=True")
    return nash_sutcliffe(sums.logs)


@metric(
    "modified_nse",
    title="Modified Nash-Sutcliffe efficiency",
    takes=Takes.SERIES,
    ideal=1.0,
    bounds=_BELOW_ONE,
    towards=Towards.HIGHER,
    units="1",
    formula="1 - sum(|s - o|) / sum(|o - mean(o)|)",
    source="Legates & McCabe (1999), Water Resour. Res. 35, 233-241, doi:10.1029/1998WR900018",
    needs=(Need.PAIRS, Need.OBS_VARIES),
    aliases=("nse_mod", "mnse", "lm_index", "legates_mccabe"),
)
def modified_nash_sutcliffe(series: Series, *, power: float = 1.0) -> Floats:
    """Nash-Sutcliffe efficiency with absolute instead of squared errors, less ruled by the peaks.

    Parameters
    ----------
    series : Series
        Pairs of shape (..., time).
    power : float, optional
        Power of the errors; 2 gives the Nash-Sutcliffe efficiency itself.

    Examples
    --------
    >>> modified_nash_sutcliffe(Series.of([2.0, 2.0, 5.0], [1.0, 2.0, 3.0])).item()
    -0.5
    """

    def at_one(sim: Floats, obs: Floats) -> float:
        if np.ptp(obs) == 0.0:
            return np.nan
        return float(1.0 - (np.abs(sim - obs) ** power).sum() / (np.abs(obs - obs.mean()) ** power).sum())

    return at_each_place(at_one, series)


@metric(
    "relative_nse",
    title="Relative Nash-Sutcliffe efficiency",
    takes=Takes.SERIES,
    ideal=1.0,
    bounds=_BELOW_ONE,
    towards=Towards.HIGHER,
    units="1",
    formula="1 - sum(((s - o) / o)^2) / sum(((o - mean(o)) / mean(o))^2)",
    source="Krause et al. (2005), Adv. Geosci. 5, 89-97, doi:10.5194/adgeo-5-89-2005",
    needs=(Need.PAIRS, Need.OBS_VARIES, Need.OBS_MEAN, Need.OBS_NOT_ZERO),
    aliases=("nse_rel", "rnse"),
)
def relative_nash_sutcliffe(series: Series) -> Floats:
    """Nash-Sutcliffe efficiency of relative errors; NaN where an observation is zero.

    Examples
    --------
    >>> relative_nash_sutcliffe(Series.of([1.0, 2.0, 6.0], [1.0, 2.0, 3.0])).item()
    -1.0
    """

    def at_one(sim: Floats, obs: Floats) -> float:
        mean = obs.mean()
        if np.ptp(obs) == 0.0 or mean == 0.0 or (obs == 0.0).any():
            return np.nan
        return float(1.0 - (((sim - obs) / obs) ** 2).sum() / (((obs - mean) / mean) ** 2).sum())

    return at_each_place(at_one, series)
