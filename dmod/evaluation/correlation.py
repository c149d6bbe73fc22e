"""Correlation: whether simulated values rise and fall with observed ones, however large they are."""

from __future__ import annotations

import numpy as np

from dmod.evaluation.arithmetic import Floats, at_each_place, ratio
from dmod.evaluation.metric import Takes, Towards, metric
from dmod.evaluation.pool import Need, Series, Sums

__all__ = ["correlation", "determination", "rank_correlation", "ranks"]


@metric(
    "r",
    title="Pearson correlation coefficient",
    takes=Takes.SUMS,
    ideal=1.0,
    bounds=(-1.0, 1.0),
    towards=Towards.HIGHER,
    units="1",
    formula="cov(s, o) / (sd(s) sd(o))",
    source="Pearson (1895), Proc. R. Soc. Lond. 58, 240-242, doi:10.1098/rspl.1895.0041",
    needs=(Need.PAIRS, Need.OBS_VARIES, Need.SIM_VARIES),
    aliases=("pearson", "pearson_r", "pearson_correlation", "correlation", "linear_correlation", "kge_r"),
)
def correlation(sums: Sums) -> Floats:
    """Linear correlation, the first part of the Kling-Gupta efficiency; two pairs give 1 or -1.

    Examples
    --------
    >>> from dmod.evaluation.reduce import sums_of
    >>> float(correlation(sums_of([6.0, 4.0, 2.0], [1.0, 2.0, 3.0])))
    -1.0
    """
    return np.clip(ratio(sums.shared, np.sqrt(sums.sim_spread * sums.obs_spread)), -1.0, 1.0)


@metric(
    "r2",
    title="Coefficient of determination",
    takes=Takes.SUMS,
    ideal=1.0,
    bounds=(0.0, 1.0),
    towards=Towards.HIGHER,
    units="1",
    formula="r^2",
    source="Moriasi et al. (2007), Trans. ASABE 50, 885-900, doi:10.13031/2013.23153",
    needs=(Need.PAIRS, Need.OBS_VARIES, Need.SIM_VARIES),
    aliases=("r_squared", "rsquared"),
)
def determination(sums: Sums) -> Floats:
    """Square of the linear correlation; what xskillscore and scikit-learn call r2 is `nash_sutcliffe`.

    Examples
    --------
    >>> from dmod.evaluation.reduce import sums_of
    >>> float(determination(sums_of([6.0, 4.0, 2.0], [1.0, 2.0, 3.0])))
    1.0
    """
    return correlation(sums) ** 2


@metric(
    "spearman",
    title="Spearman rank correlation",
    takes=Takes.SERIES,
    ideal=1.0,
    bounds=(-1.0, 1.0),
    towards=Towards.HIGHER,
    units="1",
    formula="r of the ranks, ties at their mean rank",
    source="Spearman (1904), Am. J. Psychol. 15, 72-101, doi:10.2307/1412159",
    needs=(Need.PAIRS, Need.OBS_VARIES, Need.SIM_VARIES),
    aliases=("spearman_r", "spearman_correlation", "rank_correlation", "kge_np_r"),
)
def rank_correlation(series: Series) -> Floats:
    """Correlation of the ranks, 1 wherever the simulation rises when the observations do.

    Examples
    --------
    >>> rank_correlation(Series.of([1.0, 10.0, 100.0], [1.0, 2.0, 3.0])).item()
    1.0
    """

    def at_one(sim: Floats, obs: Floats) -> float:
        s, o = ranks(sim), ranks(obs)
        s, o = s - s.mean(), o - o.mean()
        size = np.sqrt((s * s).sum() * (o * o).sum())
        return float(np.clip((s * o).sum() / size, -1.0, 1.0)) if size > 0.0 else np.nan

    return at_each_place(at_one, series)


def ranks(values: Floats) -> Floats:
    """Ranks of *values* from 1, equal values at their mean rank.

    Examples
    --------
    >>> ranks(np.array([3.0, 1.0, 3.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    middle: Floats = last - (count - 1) / 2.0
    return middle[place]
