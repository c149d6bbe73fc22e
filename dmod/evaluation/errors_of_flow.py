"""Errors of flow: how far simulated values are from observed ones, from the moments of the pairs.

Too much water is a positive error, everywhere.
"""

from __future__ import annotations

import numpy as np

from dmod.evaluation.arithmetic import Floats, ratio
from dmod.evaluation.metric import Takes, Towards, metric
from dmod.evaluation.pool import Need, Sums

__all__ = [
    "mean_absolute_error",
    "mean_error",
    "mean_squared_error",
    "normalized_mean_absolute_error",
    "normalized_root_mean_squared_error",
    "percent_bias",
    "relative_bias",
    "root_mean_squared_error",
    "rsr",
    "volumetric_efficiency",
]

_ANY = (-np.inf, np.inf)
_FROM_ZERO = (0.0, np.inf)
_MORIASI = "Moriasi et al. (2007), Trans. ASABE 50, 885-900, doi:10.13031/2013.23153"
_WILKS = "Wilks (2019), Statistical Methods in the Atmospheric Sciences, 4th ed., doi:10.1016/C2017-0-03921-6"


@metric(
    "me",
    title="Mean error",
    takes=Takes.SUMS,
    ideal=0.0,
    bounds=_ANY,
    towards=Towards.IDEAL,
    units="obs",
    formula="mean(s - o)",
    source=_WILKS,
    needs=(Need.PAIRS,),
    aliases=("bias", "additive_bias", "mean_bias"),
)
def mean_error(sums: Sums) -> Floats:
    """Mean error, positive where too much is simulated.

    Examples
    --------
    >>> from dmod.evaluation.reduce import sums_of
    >>> float(mean_error(sums_of([2.0, 4.0], [1.0, 3.0])))
    1.0
    """
    return sums.sim_mean - sums.obs_mean


@metric(
    "mae",
    title="Mean absolute error",
    takes=Takes.SUMS,
    ideal=0.0,
    bounds=_FROM_ZERO,
    towards=Towards.LOWER,
    units="obs",
    formula="mean(|s - o|)",
    source="Willmott & Matsuura (2005), Clim. Res. 30, 79-82, doi:10.3354/cr030079",
    needs=(Need.PAIRS,),
)
def mean_absolute_error(sums: Sums) -> Floats:
    """Mean absolute error.

    Examples
    --------
    >>> from dmod.evaluation.reduce import sums_of
    >>> float(mean_absolute_error(sums_of([2.0, 2.0], [1.0, 3.0])))
    1.0
    """
    return ratio(sums.absolute, sums.n)


@metric(
    "mse",
    title="Mean squared error",
    takes=Takes.SUMS,
    ideal=0.0,
    bounds=_FROM_ZERO,
    towards=Towards.LOWER,
    units="obs2",
    formula="mean((s - o)^2)",
    source=_WILKS,
    needs=(Need.PAIRS,),
)
def mean_squared_error(sums: Sums) -> Floats:
    """Mean squared error.

    Examples
    --------
    >>> from dmod.evaluation.reduce import sums_of
    >>> float(mean_squared_error(sums_of([3.0, 2.0], [1.0, 2.0])))
    2.0
    """
    return ratio(sums.squared, sums.n)


@metric(
    "rmse",
    title="Root mean squared error",
    takes=Takes.SUMS,
    ideal=0.0,
    bounds=_FROM_ZERO,
    towards=Towards.LOWER,
    units="obs",
    formula="sqrt(mean((s - o)^2))",
    source=_WILKS,
    needs=(Need.PAIRS,),
    aliases=("root_mean_square_error", "rmsd"),
)
def root_mean_squared_error(sums: Sums) -> Floats:
    """Root of the mean squared error.

    Examples
    --------
    >>> from dmod.evaluation.reduce import sums_of
    >>> float(root_mean_squared_error(sums_of([3.0, 4.0], [1.0, 2.0])))
    2.0
    """
    return np.sqrt(mean_squared_error(sums))


@metric(
    "nrmse",
    title="Normalized root mean squared error",
    takes=Takes.SUMS,
    ideal=0.0,
    bounds=_FROM_ZERO,
    towards=Towards.LOWER,
    units="1",
    formula="sqrt(mean((s - o)^2)) / mean(o)",
    source="Hyndman & Koehler (2006), Int. J. Forecast. 22, 679-688, doi:10.1016/j.ijforecast.2006.03.001",
    needs=(Need.PAIRS, Need.POSITIVE_OBS_MEAN),
    aliases=("nrmse_mean", "cv_rmse", "normalized_root_mean_square_error"),
)
def normalized_root_mean_squared_error(sums: Sums) -> Floats:
    """Root mean squared error as a part of the mean observation.

    By the standard deviation it is `rsr`; by the range and the quartiles ``nrmse_range`` and ``nrmse_iqr``.

    Examples
    --------
    >>> from dmod.evaluation.reduce import sums_of
    >>> float(normalized_root_mean_squared_error(sums_of([3.0, 5.0], [1.0, 3.0])))
    1.0
    """
    return ratio(root_mean_squared_error(sums), _positive(sums.obs_mean))


@metric(
    "nmae",
    title="Normalized mean absolute error",
    takes=Takes.SUMS,
    ideal=0.0,
    bounds=_FROM_ZERO,
    towards=Towards.LOWER,
    units="1",
    formula="sum(|s - o|) / sum(o)",
    source="Hyndman & Koehler (2006), Int. J. Forecast. 22, 679-688, doi:10.1016/j.ijforecast.2006.03.001",
    needs=(Need.PAIRS, Need.POSITIVE_OBS_MEAN),
    aliases=("relative_mean_absolute_error", "mapd"),
)
def normalized_mean_absolute_error(sums: Sums) -> Floats:
    """Mean absolute error as a part of the mean observation.

    Examples
    --------
    >>> from dmod.evaluation.reduce import sums_of
    >>> float(normalized_mean_absolute_error(sums_of([2.0, 2.0], [1.0, 3.0])))
    0.5
    """
    return ratio(mean_absolute_error(sums), _positive(sums.obs_mean))


@metric(
    "rsr",
    title="Root mean squared error over the standard deviation of observations",
    takes=Takes.SUMS,
    ideal=0.0,
    bounds=_FROM_ZERO,
    towards=Towards.LOWER,
    units="1",
    formula="sqrt(sum((s - o)^2) / sum((o - mean(o))^2))",
    source=_MORIASI,
    needs=(Need.PAIRS, Need.OBS_VARIES),
    aliases=("rmse_standard_deviation_ratio", "nrmse_sd", "root_mean_standard_deviation_ratio"),
)
def rsr(sums: Sums) -> Floats:
    """Root mean squared error as a part of the standard deviation of the observations.

    Both are means over n, so it is the root of 1 - NSE.

    Examples
    --------
    >>> from dmod.evaluation.reduce import sums_of
    >>> float(rsr(sums_of([2.0, 2.0], [1.0, 3.0])))
    1.0
    """
    return np.sqrt(ratio(sums.squared, sums.obs_spread))


@metric(
    "pbias",
    title="Percent bias",
    takes=Takes.SUMS,
    ideal=0.0,
    bounds=_ANY,
    towards=Towards.IDEAL,
    units="%",
    formula="100 sum(s - o) / sum(o)",
    source=f"{_MORIASI}, with the sign turned",
    needs=(Need.PAIRS, Need.OBS_MEAN),
    aliases=("percent_bias", "percentage_bias", "relative_volume_error"),
)
def percent_bias(sums: Sums) -> Floats:
    """Percent bias, positive where too much is simulated; the relative error of the runoff ratio too.

    Examples
    --------
    >>> from dmod.evaluation.reduce import sums_of
    >>> float(percent_bias(sums_of([2.0, 4.0], [1.0, 3.0])))
    50.0
    """
    return 100.0 * relative_bias(sums)


@metric(
    "relative_bias",
    title="Relative bias",
    takes=Takes.SUMS,
    ideal=0.0,
    bounds=_ANY,
    towards=Towards.IDEAL,
    units="1",
    formula="sum(s - o) / sum(o)",
    source=f"{_MORIASI}, as a part and with the sign turned",
    needs=(Need.PAIRS, Need.OBS_MEAN),
    aliases=("relative_error", "bias_fraction", "relative_mean_error"),
)
def relative_bias(sums: Sums) -> Floats:
    """Bias as a part of the observed volume, positive where too much is simulated.

    Examples
    --------
    >>> from dmod.evaluation.reduce import sums_of
    >>> float(relative_bias(sums_of([2.0, 4.0], [1.0, 3.0])))
    0.5
    """
    return ratio(sums.sim_mean - sums.obs_mean, sums.obs_mean)


@metric(
    "volumetric_efficiency",
    title="Volumetric efficiency",
    takes=Takes.SUMS,
    ideal=1.0,
    bounds=(-np.inf, 1.0),
    towards=Towards.HIGHER,
    units="1",
    formula="1 - sum(|s - o|) / sum(o)",
    source="Criss & Winston (2008), Hydrol. Process. 22, 2723-2725, doi:10.1002/hyp.7072",
    needs=(Need.PAIRS, Need.POSITIVE_OBS_MEAN),
    aliases=("ve",),
)
def volumetric_efficiency(sums: Sums) -> Floats:
    """Volumetric efficiency: the part of the water that comes at the right time.

    Examples
    --------
    >>> from dmod.evaluation.reduce import sums_of
    >>> float(volumetric_efficiency(sums_of([2.0, 2.0], [1.0, 3.0])))
    0.5
    """
    return 1.0 - normalized_mean_absolute_error(sums)


def _positive(mean: Floats) -> Floats:
    return np.where(mean > 0.0, mean, np.nan)
