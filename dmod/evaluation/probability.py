"""Probability: how well the members of an ensemble say what may come, without any threshold.

Members are of shape (..., member, time). The rank histogram is a curve, a function beside
the registry; scores at thresholds are in `dmod.evaluation.brier`.
"""

from __future__ import annotations

import numpy as np

from dmod.evaluation.arithmetic import Floats, ratio
from dmod.evaluation.metric import Takes, Towards, metric
from dmod.evaluation.pool import Ensemble, Need

__all__ = [
    "crps",
    "crps_skill",
    "ensemble_rmse",
    "ensemble_spread",
    "fair_crps",
    "rank_histogram",
    "spread_skill",
]

_FROM_ZERO = (0.0, np.inf)
_HERSBACH = "Hersbach (2000), Wea. Forecasting 15, 559-570, doi:10.1175/1520-0434(2000)015<0559:DOTCRP>2.0.CO;2"
_FORTIN = "Fortin et al. (2014), J. Hydrometeorol. 15, 1708-1713, doi:10.1175/JHM-D-14-0008.1"


@metric(
    "crps",
    title="Continuous ranked probability score",
    takes=Takes.ENSEMBLE,
    ideal=0.0,
    bounds=_FROM_ZERO,
    towards=Towards.LOWER,
    units="obs",
    formula="mean over time of mean(|x_i - o|) - sum(|x_i - x_j|) / (2 M^2), M members x",
    source=_HERSBACH,
    needs=(Need.PAIRS,),
    aliases=("crps_ensemble",),
)
def crps(ensemble: Ensemble) -> Floats:
    """Ranked probability score of the members as they are; of one member it is the mean absolute error.

    Examples
    --------
    >>> crps(Ensemble.of([[1.0], [3.0]], [2.0])).item()  # 1 - 4 / 8
    0.5
    """
    members = ensemble.members.shape[-2]
    return _mean(_distance(ensemble) - _apart(ensemble.members) / (2.0 * members**2))


@metric(
    "crps_fair",
    title="Fair continuous ranked probability score",
    takes=Takes.ENSEMBLE,
    ideal=0.0,
    bounds=(-np.inf, np.inf),
    towards=Towards.LOWER,
    units="obs",
    formula="mean over time of mean(|x_i - o|) - sum(|x_i - x_j|) / (2 M (M - 1)), M members x",
    source="Ferro (2014), Q. J. R. Meteorol. Soc. 140, 1917-1923, doi:10.1002/qj.2270",
    needs=(Need.PAIRS, Need.MEMBERS),
)
def fair_crps(ensemble: Ensemble) -> Floats:
    """Ranked probability score that an ensemble of infinitely many such members would be expected to have.

    It may come out below zero.

    Examples
    --------
    >>> fair_crps(Ensemble.of([[1.0], [3.0]], [2.0])).item()  # 1 - 4 / 4
    0.0
    """
    members = ensemble.members.shape[-2]
    if members < 2:
        return np.full(ensemble.obs.shape[:-1], np.nan)
    return _mean(_distance(ensemble) - _apart(ensemble.members) / (2.0 * members * (members - 1)))


@metric(
    "crps_skill",
    title="Continuous ranked probability skill score",
    takes=Takes.ENSEMBLE,
    ideal=1.0,
    bounds=(-np.inf, 1.0),
    towards=Towards.HIGHER,
    units="1",
    formula="1 - CRPS / CRPS of the observations of the pool as an ensemble",
    source=_HERSBACH,
    needs=(Need.PAIRS, Need.OBS_VARIES),
    aliases=("crpss",),
)
def crps_skill(ensemble: Ensemble) -> Floats:
    """Ranked probability score against that of all observations taken as members at every instant.

    Examples
    --------
    >>> crps_skill(Ensemble.of([[1.0, 3.0]], [1.0, 3.0])).item()
    1.0
    """
    obs = ensemble.obs
    n = np.isfinite(obs).sum(axis=-1).astype(np.float64)
    climate = ratio(_apart(obs[..., None], axis=-2)[..., 0], 2.0 * n * n)
    return 1.0 - ratio(crps(ensemble), climate)


@metric(
    "ensemble_spread",
    title="Spread of the ensemble",
    takes=Takes.ENSEMBLE,
    ideal=np.nan,
    bounds=_FROM_ZERO,
    towards=Towards.IDEAL,
    units="obs",
    formula="sqrt(mean over time of var(x)), variance by M - 1",
    source=_FORTIN,
    needs=(Need.PAIRS, Need.MEMBERS),
)
def ensemble_spread(ensemble: Ensemble) -> Floats:
    """Standard deviation of the members, root of the mean variance.

    Examples
    --------
    >>> ensemble_spread(Ensemble.of([[1.0], [3.0]], [2.0])).item() ** 2
    2.0...
    """
    members = ensemble.members
    if members.shape[-2] < 2:
        return np.full(ensemble.obs.shape[:-1], np.nan)
    return np.sqrt(_mean(members.var(axis=-2, ddof=1)))


@metric(
    "ensemble_rmse",
    title="Root mean squared error of the ensemble mean",
    takes=Takes.ENSEMBLE,
    ideal=0.0,
    bounds=_FROM_ZERO,
    towards=Towards.LOWER,
    units="obs",
    formula="sqrt(mean over time of (mean(x) - o)^2)",
    source=_FORTIN,
    needs=(Need.PAIRS,),
)
def ensemble_rmse(ensemble: Ensemble) -> Floats:
    """Root mean squared error of the mean of the members.

    Examples
    --------
    >>> ensemble_rmse(Ensemble.of([[1.0], [3.0]], [4.0])).item()
    2.0
    """
    return np.sqrt(_mean((ensemble.members.mean(axis=-2) - ensemble.obs) ** 2))


@metric(
    "spread_skill",
    title="Spread over skill",
    takes=Takes.ENSEMBLE,
    ideal=1.0,
    bounds=_FROM_ZERO,
    towards=Towards.IDEAL,
    units="1",
    formula="sqrt((M + 1) / M) spread / RMSE of the ensemble mean",
    source=_FORTIN,
    needs=(Need.PAIRS, Need.ERRORS),
    aliases=("spread_skill_ratio", "spread_error_ratio"),
)
def spread_skill(ensemble: Ensemble) -> Floats:
    """Spread over error: below 1 the ensemble is too sure of itself, above 1 not sure enough.

    NaN where the mean of the members is never wrong, or there is but one.

    Examples
    --------
    >>> round(spread_skill(Ensemble.of([[1.0], [3.0]], [2.0 + 3.0**0.5])).item(), 12)
    1.0
    """
    members = ensemble.members.shape[-2]
    return ratio(np.sqrt((members + 1.0) / members) * ensemble_spread(ensemble), ensemble_rmse(ensemble))


def rank_histogram(ensemble: Ensemble) -> Floats:
    """How often the observation was larger than none, one, ... all of the members.

    An observation equal to some members is shared evenly among the ranks it could have. A flat
    histogram is one of members that cannot be told from the observation.

    Parameters
    ----------
    ensemble : Ensemble
        Members of shape (..., member, time).

    Returns
    -------
    array of float, shape (..., member + 1)
        Counts; their sum is the number of instants.

    References
    ----------
    Hamill (2001), Mon. Wea. Rev. 129, 550-560, doi:10.1175/1520-0493(2001)129<0550:IORHFV>2.0.CO;2.

    Examples
    --------
    >>> rank_histogram(Ensemble.of([[1.0, 1.0], [3.0, 3.0]], [2.0, 3.0])).tolist()
    [0.0, 1.5, 0.5]
    """
    obs = ensemble.obs[..., None, :]
    there = np.isfinite(ensemble.obs)
    below, upto = (ensemble.members < obs).sum(axis=-2), (ensemble.members <= obs).sum(axis=-2)
    share = np.where(there, 1.0 / (upto - below + 1), 0.0)
    counts = [np.where((below <= rank) & (rank <= upto), share, 0.0).sum(axis=-1) for rank in range(_ranks(ensemble))]
    return np.stack(counts, axis=-1)


def _ranks(ensemble: Ensemble) -> int:
    return int(ensemble.members.shape[-2]) + 1


def _distance(ensemble: Ensemble) -> Floats:
    """Mean distance of the members from the observation, shape (..., time)."""
    distance: Floats = np.abs(ensemble.members - ensemble.obs[..., None, :]).mean(axis=-2)
    return distance


def _apart(members: Floats, axis: int = -2) -> Floats:
    """Sum of ``|x_i - x_j|`` over all i and j along *axis*, missing ones left out."""
    ordered = np.moveaxis(np.sort(members, axis=axis), axis, -1)  # NaN come last
    n = np.isfinite(ordered).sum(axis=-1, keepdims=True)
    weights = 2.0 * np.arange(1, ordered.shape[-1] + 1) - n - 1.0
    total: Floats = 2.0 * np.nansum(ordered * weights, axis=-1)
    return total


def _mean(values: Floats) -> Floats:
    """Mean over time of what is there; NaN where nothing is."""
    there = np.isfinite(values)
    return ratio(np.where(there, values, 0.0).sum(axis=-1), there.sum(axis=-1).astype(np.float64))
