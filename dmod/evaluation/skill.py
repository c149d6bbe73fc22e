"""Skill: by how much a simulation is better than something simple that knows the observations."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dmod.errors import InputError
from dmod.evaluation.arithmetic import Floats, ratio
from dmod.evaluation.metric import Takes, Towards, metric
from dmod.evaluation.pool import Need, Series

__all__ = ["benchmark_skill", "day_means", "extrapolation_skill", "persistence_skill"]

_BELOW_ONE = (-np.inf, 1.0)
_KITANIDIS = "Kitanidis & Bras (1980), Water Resour. Res. 16, 1034-1044, doi:10.1029/WR016i006p01034"


@metric(
    "persistence_skill",
    title="Persistence skill",
    takes=Takes.SERIES,
    ideal=1.0,
    bounds=_BELOW_ONE,
    towards=Towards.HIGHER,
    units="1",
    formula="1 - sum((s[t] - o[t])^2) / sum((o[t-1] - o[t])^2)",
    source=_KITANIDIS,
    needs=(Need.PAIRS, Need.TWO_PAIRS, Need.OBS_VARIES, Need.BENCHMARK),
    when=True,
    aliases=("coefficient_of_persistence", "persistence_index"),
)
def persistence_skill(series: Series, *, lag: int = 1, power: float = 2.0) -> Floats:
    """Skill against flow that stays as it was observed *lag* steps before.

    Parameters
    ----------
    series : Series
        Pairs of shape (..., time).
    lag : int, optional
        Steps of the series back to the observation that persists, 1 or more.
    power : float, optional
        Power of the errors.

    Examples
    --------
    >>> persistence_skill(Series.of([1.0, 2.0, 4.0], [1.0, 2.0, 3.0])).item()  # 1 - 1 / (1 + 1)
    0.5
    """
    before = np.full_like(series.obs, np.nan)
    before[..., lag:] = series.obs[..., :-lag]
    return _skill(series, before, power)


@metric(
    "extrapolation_skill",
    title="Extrapolation skill",
    takes=Takes.SERIES,
    ideal=1.0,
    bounds=_BELOW_ONE,
    towards=Towards.HIGHER,
    units="1",
    formula="1 - sum((s[t] - o[t])^2) / sum((2 o[t-1] - o[t-2] - o[t])^2)",
    source=_KITANIDIS,
    needs=(Need.PAIRS, Need.TWO_PAIRS, Need.OBS_VARIES, Need.BENCHMARK),
    when=True,
    aliases=("coefficient_of_extrapolation",),
)
def extrapolation_skill(series: Series, *, power: float = 2.0) -> Floats:
    """Skill against flow that goes on as it changed between the last two observations.

    Parameters
    ----------
    series : Series
        Pairs of shape (..., time).
    power : float, optional
        Power of the errors.

    Examples
    --------
    >>> extrapolation_skill(Series.of([1.0, 2.0, 5.0], [1.0, 2.0, 4.0])).item()  # 3 would have been expected
    0.0
    """
    ahead = np.full_like(series.obs, np.nan)
    ahead[..., 2:] = 2.0 * series.obs[..., 1:-1] - series.obs[..., :-2]
    return _skill(series, ahead, power)


@metric(
    "benchmark_skill",
    title="Benchmark efficiency",
    takes=Takes.SERIES,
    ideal=1.0,
    bounds=_BELOW_ONE,
    towards=Towards.HIGHER,
    units="1",
    formula="1 - sum((s - o)^2) / sum((b - o)^2), b the mean observation of the calendar day",
    source="Schaefli & Gupta (2007), Hydrol. Process. 21, 2075-2080, doi:10.1002/hyp.6825",
    needs=(Need.PAIRS, Need.OBS_VARIES, Need.BENCHMARK),
    when=True,
    aliases=("benchmark_efficiency", "mean_squared_error_skill_score", "msess"),
)
def benchmark_skill(series: Series, *, benchmark: ArrayLike | None = None, power: float = 2.0) -> Floats:
    """Skill against the seasons, or against a *benchmark* of one's own.

    Parameters
    ----------
    series : Series
        Pairs of shape (..., time); with times where no benchmark is given.
    benchmark : array of float, shape (..., time), optional
        What to be better than, in the same units; else the mean observation of each calendar
        day in UTC, for which several years are needed.
    power : float, optional
        Power of the errors.

    Raises
    ------
    InputError
        If there is neither a benchmark nor a time.

    Examples
    --------
    >>> benchmark_skill(Series.of([1.0, 2.0], [1.0, 3.0]), benchmark=[1.0, 1.0]).item()  # 1 - 1 / 4
    0.75
    """
    if benchmark is None:
        return _skill(series, day_means(series), power)
    return _skill(series, np.broadcast_to(np.asarray(benchmark, dtype=np.float64), series.obs.shape), power)


def day_means(series: Series) -> Floats:
    """Mean observation of each instant's calendar day, over all years.

    Raises
    ------
    InputError
        If the series has no times.

    Examples
    --------
    >>> times = np.array(["2015-09-01", "2016-09-01", "2016-09-02"], dtype="datetime64[ns]")
    >>> day_means(Series.of([0.0] * 3, [1.0, 3.0, 5.0], times)).tolist()
    [2.0, 2.0, 5.0]
    """
    if series.times is None:
        raise InputError("the mean of a calendar day needs to know the days", hint="pass times=, or benchmark=")
    times = np.asarray(series.times)
    months = times.astype("datetime64[M]")
    day = (months.astype(int) % 12) * 31 + (times.astype("datetime64[D]") - months).astype(int)
    obs = series.obs.reshape(int(np.prod(series.obs.shape[:-1])), len(times))
    means = np.empty_like(obs)
    for row, values in zip(means, obs, strict=True):
        there = np.isfinite(values)
        total = np.bincount(day[there], weights=values[there], minlength=372).astype(np.float64)
        row[:] = ratio(total, np.bincount(day[there], minlength=372).astype(np.float64))[day]
    return means.reshape(series.obs.shape)


def _skill(series: Series, benchmark: Floats, power: float) -> Floats:
    """One less the error over that of the benchmark, where both are."""
    theirs = np.abs(benchmark - series.obs) ** power
    ours = np.where(np.isnan(theirs), np.nan, np.abs(series.sim - series.obs) ** power)
    return 1.0 - ratio(np.nansum(ours, axis=-1), np.nansum(theirs, axis=-1))
