"""The Kling-Gupta efficiency in its forms of 2009, 2012 and 2021, the non-parametric one, and their parts.

Every form is one minus a distance from the ideal in three parts: correlation, variability
and bias. *scale* weighs the parts inside that distance (equation 10 of the paper), so that
a perfect simulation stays perfect.
"""

from __future__ import annotations

import numpy as np

from dmod.evaluation.arithmetic import Floats, at_each_place, ratio
from dmod.evaluation.correlation import correlation, rank_correlation
from dmod.evaluation.metric import Takes, Towards, metric
from dmod.evaluation.pool import Need, Series, Sums

__all__ = [
    "bias_in_deviations",
    "bias_ratio",
    "kling_gupta",
    "kling_gupta_2012",
    "kling_gupta_2021",
    "kling_gupta_np",
    "shape_agreement",
    "variability_ratio",
    "variation_ratio",
]

#: Weights of correlation, variability and bias.
Scale = tuple[float, float, float]

_BELOW_ONE = (-np.inf, 1.0)
_FROM_ZERO = (0.0, np.inf)
_GUPTA = "Gupta et al. (2009), J. Hydrol. 377, 80-91, doi:10.1016/j.jhydrol.2009.08.003"
_KLING = "Kling et al. (2012), J. Hydrol. 424-425, 264-277, doi:10.1016/j.jhydrol.2012.01.011"
_TANG = "Tang et al. (2021), J. Climate 34, 6493-6511, doi:10.1175/JCLI-D-21-0067.1"
_POOL = "Pool et al. (2018), Hydrol. Sci. J. 63, 1941-1953, doi:10.1080/02626667.2018.1552002"


@metric(
    "kge_variability",
    title="Variability ratio",
    takes=Takes.SUMS,
    ideal=1.0,
    bounds=_FROM_ZERO,
    towards=Towards.IDEAL,
    units="1",
    formula="sd(s) / sd(o)",
    source=_GUPTA,
    needs=(Need.PAIRS, Need.OBS_VARIES),
    aliases=("kge_alpha", "relative_variability", "relative_standard_deviation", "standard_deviation_ratio"),
)
def variability_ratio(sums: Sums) -> Floats:
    """Standard deviation of the simulation over that of the observations, the second part of KGE 2009.

    Examples
    --------
    >>> from dmod.evaluation.reduce import sums_of
    >>> float(variability_ratio(sums_of([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])))
    2.0
    """
    return np.sqrt(ratio(sums.sim_spread, sums.obs_spread))


@metric(
    "kge_variation",
    title="Ratio of coefficients of variation",
    takes=Takes.SUMS,
    ideal=1.0,
    bounds=(-np.inf, np.inf),
    towards=Towards.IDEAL,
    units="1",
    formula="(sd(s) / mean(s)) / (sd(o) / mean(o))",
    source=_KLING,
    needs=(Need.PAIRS, Need.OBS_VARIES, Need.OBS_MEAN, Need.SIM_MEAN),
    aliases=("kge_gamma", "coefficient_of_variation_ratio"),
)
def variation_ratio(sums: Sums) -> Floats:
    """Coefficient of variation of the simulation over that of the observations, a part of KGE 2012.

    Examples
    --------
    >>> from dmod.evaluation.reduce import sums_of
    >>> float(variation_ratio(sums_of([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])))
    1.0
    """
    return ratio(variability_ratio(sums), bias_ratio(sums))


@metric(
    "kge_bias",
    title="Bias ratio",
    takes=Takes.SUMS,
    ideal=1.0,
    bounds=(-np.inf, np.inf),
    towards=Towards.IDEAL,
    units="1",
    formula="mean(s) / mean(o)",
    source=_GUPTA,
    needs=(Need.PAIRS, Need.OBS_MEAN),
    aliases=("kge_beta", "multiplicative_bias", "relative_mean", "volume_ratio"),
)
def bias_ratio(sums: Sums) -> Floats:
    """Mean of the simulation over that of the observations, the third part of KGE 2009 and 2012.

    Examples
    --------
    >>> from dmod.evaluation.reduce import sums_of
    >>> float(bias_ratio(sums_of([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])))
    2.0
    """
    return ratio(sums.sim_mean, sums.obs_mean)


@metric(
    "kge_bias_2021",
    title="Bias in standard deviations of observations",
    takes=Takes.SUMS,
    ideal=0.0,
    bounds=(-np.inf, np.inf),
    towards=Towards.IDEAL,
    units="1",
    formula="(mean(s) - mean(o)) / sd(o)",
    source=_TANG,
    needs=(Need.PAIRS, Need.OBS_VARIES),
    aliases=("kge_beta_2021", "standardized_bias"),
)
def bias_in_deviations(sums: Sums) -> Floats:
    """Bias over the standard deviation of the observations (by n), the third part of KGE 2021.

    Examples
    --------
    >>> from dmod.evaluation.reduce import sums_of
    >>> float(bias_in_deviations(sums_of([2.0, 4.0], [1.0, 3.0])))
    1.0
    """
    return ratio(sums.sim_mean - sums.obs_mean, np.sqrt(ratio(sums.obs_spread, sums.n)))


@metric(
    "kge",
    title="Kling-Gupta efficiency",
    takes=Takes.SUMS,
    ideal=1.0,
    bounds=_BELOW_ONE,
    towards=Towards.HIGHER,
    units="1",
    formula="1 - sqrt((r - 1)^2 + (sd(s)/sd(o) - 1)^2 + (mean(s)/mean(o) - 1)^2)",
    source=_GUPTA,
    needs=(Need.PAIRS, Need.OBS_VARIES, Need.SIM_VARIES, Need.OBS_MEAN),
    aliases=("kge_2009", "kling_gupta"),
)
def kling_gupta(sums: Sums, *, scale: Scale = (1.0, 1.0, 1.0)) -> Floats:
    r"""Kling-Gupta efficiency in its form of 2009, 1 for a perfect simulation.

    .. math:: 1 - \sqrt{(r - 1)^2 + (\sigma_s/\sigma_o - 1)^2 + (\mu_s/\mu_o - 1)^2}

    A simulation that is always the mean observed flow would come to about -0.41 if its
    correlation were taken as zero (Knoben et al. 2019, doi:10.5194/hess-23-4323-2019).

    Parameters
    ----------
    sums : Sums
        Moments of the pairs, of shape (...).
    scale : tuple of three float, optional
        Weights of correlation, variability and bias inside the distance.

    Examples
    --------
    >>> from dmod.evaluation.reduce import sums_of
    >>> twice = sums_of([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    >>> round(float(kling_gupta(twice)), 4)  # 1 - sqrt(0 + 1 + 1)
    -0.4142
    >>> round(float(kling_gupta(twice, scale=(1.0, 0.0, 1.0))), 4)  # bias alone
    0.0
    """
    return _efficiency(correlation(sums), variability_ratio(sums), bias_ratio(sums), scale)


@metric(
    "kge_2012",
    title="Modified Kling-Gupta efficiency",
    takes=Takes.SUMS,
    ideal=1.0,
    bounds=_BELOW_ONE,
    towards=Towards.HIGHER,
    units="1",
    formula="1 - sqrt((r - 1)^2 + (cv(s)/cv(o) - 1)^2 + (mean(s)/mean(o) - 1)^2)",
    source=_KLING,
    needs=(Need.PAIRS, Need.OBS_VARIES, Need.SIM_VARIES, Need.OBS_MEAN, Need.SIM_MEAN),
    aliases=("kge_prime", "kgeprime", "kge_mod1", "kling_gupta_efficiency_mod1"),
)
def kling_gupta_2012(sums: Sums, *, scale: Scale = (1.0, 1.0, 1.0)) -> Floats:
    """Kling-Gupta efficiency in its form of 2012, where bias does not count again as variability.

    Parameters
    ----------
    sums : Sums
        Moments of the pairs, of shape (...).
    scale : tuple of three float, optional
        Weights of correlation, variation and bias inside the distance.

    Examples
    --------
    >>> from dmod.evaluation.reduce import sums_of
    >>> float(kling_gupta_2012(sums_of([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])))  # 1 - sqrt(0 + 0 + 1)
    0.0
    """
    return _efficiency(correlation(sums), variation_ratio(sums), bias_ratio(sums), scale)


@metric(
    "kge_2021",
    title="Kling-Gupta efficiency of 2021",
    takes=Takes.SUMS,
    ideal=1.0,
    bounds=_BELOW_ONE,
    towards=Towards.HIGHER,
    units="1",
    formula="1 - sqrt((r - 1)^2 + (sd(s)/sd(o) - 1)^2 + ((mean(s) - mean(o))/sd(o))^2)",
    source=_TANG,
    needs=(Need.PAIRS, Need.OBS_VARIES, Need.SIM_VARIES),
    aliases=("kge_mod2", "kling_gupta_efficiency_mod2"),
)
def kling_gupta_2021(sums: Sums, *, scale: Scale = (1.0, 1.0, 1.0)) -> Floats:
    """Kling-Gupta efficiency in its form of 2021, which a mean near zero does not blow up.

    Parameters
    ----------
    sums : Sums
        Moments of the pairs, of shape (...).
    scale : tuple of three float, optional
        Weights of correlation, variability and bias inside the distance.

    Examples
    --------
    >>> from dmod.evaluation.reduce import sums_of
    >>> float(kling_gupta_2021(sums_of([2.0, 4.0], [1.0, 3.0])))  # one standard deviation too much
    0.0
    """
    return _efficiency(correlation(sums), variability_ratio(sums), 1.0 + bias_in_deviations(sums), scale)


@metric(
    "kge_np_variability",
    title="Agreement of normalized flow duration curves",
    takes=Takes.SERIES,
    ideal=1.0,
    bounds=_BELOW_ONE,
    towards=Towards.HIGHER,
    units="1",
    formula="1 - sum(|sorted(s)/mean(s) - sorted(o)/mean(o)|) / (2 n)",
    source=_POOL,
    needs=(Need.PAIRS, Need.OBS_MEAN, Need.SIM_MEAN),
    aliases=("kge_np_alpha",),
)
def shape_agreement(series: Series) -> Floats:
    """How alike the flow duration curves are once volume is taken out, a part of the non-parametric KGE.

    Examples
    --------
    >>> shape_agreement(Series.of([2.0, 4.0, 6.0], [3.0, 2.0, 1.0])).item()
    1.0
    """
    return at_each_place(_shape_agreement, series)


@metric(
    "kge_np",
    title="Non-parametric Kling-Gupta efficiency",
    takes=Takes.SERIES,
    ideal=1.0,
    bounds=_BELOW_ONE,
    towards=Towards.HIGHER,
    units="1",
    formula="1 - sqrt((rank correlation - 1)^2 + (agreement of normalized FDC - 1)^2 + (mean(s)/mean(o) - 1)^2)",
    source=_POOL,
    needs=(Need.PAIRS, Need.OBS_VARIES, Need.SIM_VARIES, Need.OBS_MEAN, Need.SIM_MEAN),
    aliases=("kgenp", "non_parametric_kge", "kge_nonparametric"),
)
def kling_gupta_np(series: Series, *, scale: Scale = (1.0, 1.0, 1.0)) -> Floats:
    """Kling-Gupta efficiency of ranks and duration curves, which supposes no shape of errors.

    Parameters
    ----------
    series : Series
        Pairs of shape (..., time).
    scale : tuple of three float, optional
        Weights of rank correlation, shape and bias inside the distance.

    Examples
    --------
    >>> kling_gupta_np(Series.of([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])).item()  # 1 - sqrt(0 + 0 + 1)
    0.0
    """
    shape, ranks = at_each_place(_shape_agreement, series), rank_correlation(series)
    bias = at_each_place(lambda sim, obs: sim.mean() / obs.mean() if obs.mean() != 0.0 else np.nan, series)
    return _efficiency(ranks, shape, bias, scale)


def _shape_agreement(sim: Floats, obs: Floats) -> float:
    if sim.mean() == 0.0 or obs.mean() == 0.0:
        return np.nan
    apart = np.abs(np.sort(sim) / sim.mean() - np.sort(obs) / obs.mean()).sum()
    return float(1.0 - apart / (2 * len(sim)))


def _efficiency(correlation: Floats, variability: Floats, bias: Floats, scale: Scale) -> Floats:
    """One less the weighted distance of the three parts from 1."""
    parts = zip(scale, (correlation, variability, bias), strict=True)
    away = sum(((weight * (part - 1.0)) ** 2 for weight, part in parts), start=np.zeros(()))
    efficiency: Floats = np.asarray(1.0 - np.sqrt(away), dtype=np.float64)
    return efficiency
