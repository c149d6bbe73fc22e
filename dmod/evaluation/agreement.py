"""Agreement: indices of agreement, and errors that need the pairs in order of size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dmod.evaluation.arithmetic import Floats, at_each_place
from dmod.evaluation.metric import Takes, Towards, metric
from dmod.evaluation.pool import Need, Series

__all__ = [
    "index_of_agreement",
    "index_of_agreement_of_errors",
    "mean_absolute_percentage_error",
    "median_absolute_error",
    "modified_index_of_agreement",
    "nrmse_by_quartiles",
    "nrmse_by_range",
    "refined_index_of_agreement",
]

_FROM_ZERO = (0.0, np.inf)
_HYNDMAN = "Hyndman & Koehler (2006), Int. J. Forecast. 22, 679-688, doi:10.1016/j.ijforecast.2006.03.001"


@metric(
    "d",
    title="Index of agreement",
    takes=Takes.SERIES,
    ideal=1.0,
    bounds=(0.0, 1.0),
    towards=Towards.HIGHER,
    units="1",
    formula="1 - sum((s - o)^2) / sum((|s - mean(o)| + |o - mean(o)|)^2)",
    source="Willmott (1981), Phys. Geogr. 2, 184-194, doi:10.1080/02723646.1981.10642213",
    needs=(Need.PAIRS, Need.OBS_VARIES),
    aliases=("willmott_d", "ioa"),
)
def index_of_agreement(series: Series) -> Floats:
    """Index of agreement with squared errors.

    Examples
    --------
    >>> index_of_agreement(Series.of([1.0, 1.0], [1.0, 3.0])).item()  # 1 - 4 / (2^2 + 2^2)
    0.5
    """
    return index_of_agreement_of_errors(series, power=2.0)


@metric(
    "d1",
    title="Modified index of agreement",
    takes=Takes.SERIES,
    ideal=1.0,
    bounds=(0.0, 1.0),
    towards=Towards.HIGHER,
    units="1",
    formula="1 - sum(|s - o|) / sum(|s - mean(o)| + |o - mean(o)|)",
    source="Willmott et al. (1985), J. Geophys. Res. 90, 8995-9005, doi:10.1029/JC090iC05p08995",
    needs=(Need.PAIRS, Need.OBS_VARIES),
    aliases=("dmod", "d1_p", "md"),
)
def modified_index_of_agreement(series: Series) -> Floats:
    """Index of agreement with absolute errors.

    Examples
    --------
    >>> modified_index_of_agreement(Series.of([1.0, 1.0], [1.0, 3.0])).item()  # 1 - 2 / (2 + 2)
    0.5
    """
    return index_of_agreement_of_errors(series, power=1.0)


def index_of_agreement_of_errors(series: Series, *, power: float) -> Floats:
    """Index of agreement of errors to any *power*."""

    def at_one(sim: Floats, obs: Floats) -> float:
        mean = obs.mean()
        widest = (np.abs(sim - mean) + np.abs(obs - mean)) ** power
        return float(1.0 - (np.abs(sim - obs) ** power).sum() / widest.sum())

    return at_each_place(_varying(at_one), series)


@metric(
    "dr",
    title="Refined index of agreement",
    takes=Takes.SERIES,
    ideal=1.0,
    bounds=(-1.0, 1.0),
    towards=Towards.HIGHER,
    units="1",
    formula="1 - a/b if a <= b, else b/a - 1; a = sum(|s - o|), b = 2 sum(|o - mean(o)|)",
    source="Willmott et al. (2012), Int. J. Climatol. 32, 2088-2094, doi:10.1002/joc.2419",
    needs=(Need.PAIRS, Need.OBS_VARIES),
)
def refined_index_of_agreement(series: Series) -> Floats:
    """Index of agreement that does not saturate, 0 where errors are twice the mean deviation.

    Examples
    --------
    >>> refined_index_of_agreement(Series.of([1.0, 1.0], [1.0, 3.0])).item()
    0.5
    """

    def at_one(sim: Floats, obs: Floats) -> float:
        error, widest = np.abs(sim - obs).sum(), 2.0 * np.abs(obs - obs.mean()).sum()
        return float(1.0 - error / widest if error <= widest else widest / error - 1.0)

    return at_each_place(_varying(at_one), series)


@metric(
    "mdae",
    title="Median absolute error",
    takes=Takes.SERIES,
    ideal=0.0,
    bounds=_FROM_ZERO,
    towards=Towards.LOWER,
    units="obs",
    formula="median(|s - o|)",
    source=_HYNDMAN,
    needs=(Need.PAIRS,),
)
def median_absolute_error(series: Series) -> Floats:
    """Error that half of the pairs exceed.

    Examples
    --------
    >>> median_absolute_error(Series.of([2.0, 2.0, 9.0], [2.0, 3.0, 3.0])).item()
    1.0
    """
    return at_each_place(lambda sim, obs: float(np.median(np.abs(sim - obs))), series)


@metric(
    "mape",
    title="Mean absolute percentage error",
    takes=Takes.SERIES,
    ideal=0.0,
    bounds=_FROM_ZERO,
    towards=Towards.LOWER,
    units="%",
    formula="100 mean(|s - o| / |o|)",
    source=_HYNDMAN,
    needs=(Need.PAIRS, Need.OBS_NOT_ZERO),
)
def mean_absolute_percentage_error(series: Series) -> Floats:
    """Mean of errors relative to each observation; NaN where an observation is zero.

    Examples
    --------
    >>> mean_absolute_percentage_error(Series.of([1.0, 3.0], [1.0, 2.0])).item()
    25.0
    """

    def at_one(sim: Floats, obs: Floats) -> float:
        return np.nan if (obs == 0.0).any() else float(100.0 * np.mean(np.abs((sim - obs) / obs)))

    return at_each_place(at_one, series)


@metric(
    "nrmse_range",
    title="Root mean squared error over the range of observations",
    takes=Takes.SERIES,
    ideal=0.0,
    bounds=_FROM_ZERO,
    towards=Towards.LOWER,
    units="1",
    formula="sqrt(mean((s - o)^2)) / (max(o) - min(o))",
    source=_HYNDMAN,
    needs=(Need.PAIRS, Need.OBS_VARIES),
)
def nrmse_by_range(series: Series) -> Floats:
    """Root mean squared error as a part of the range of the observations.

    Examples
    --------
    >>> nrmse_by_range(Series.of([2.0, 4.0], [1.0, 3.0])).item()
    0.5
    """
    return at_each_place(_varying(lambda sim, obs: _rmse(sim, obs) / float(np.ptp(obs))), series)


@metric(
    "nrmse_iqr",
    title="Root mean squared error over the middle half of observations",
    takes=Takes.SERIES,
    ideal=0.0,
    bounds=_FROM_ZERO,
    towards=Towards.LOWER,
    units="1",
    formula="sqrt(mean((s - o)^2)) / (q75(o) - q25(o)), quantiles interpolated linearly",
    source=_HYNDMAN,
    needs=(Need.PAIRS, Need.OBS_RANKS),
)
def nrmse_by_quartiles(series: Series) -> Floats:
    """Root mean squared error as a part of the distance of the quartiles of the observations.

    Examples
    --------
    >>> nrmse_by_quartiles(Series.of([2.0, 3.0, 4.0], [1.0, 2.0, 3.0])).item()
    1.0
    """

    def at_one(sim: Floats, obs: Floats) -> float:
        low, high = np.quantile(obs, [0.25, 0.75])
        return _rmse(sim, obs) / float(high - low) if high > low else np.nan

    return at_each_place(at_one, series)


def _rmse(sim: Floats, obs: Floats) -> float:
    return float(np.sqrt(np.mean((sim - obs) ** 2)))


def _varying(kernel: Callable[[Floats, Floats], float]) -> Callable[[Floats, Floats], float]:
    """The same, NaN where observations never vary."""
    return lambda sim, obs: kernel(sim, obs) if np.ptp(obs) > 0.0 else np.nan
