"""Brier: how well an ensemble says the probability that flow is at or above a threshold.

The probability is the part of the members that are. Forecasts of one probability are one
class, so the decomposition of the score into reliability, resolution and uncertainty is
exact. `reliability_curve` and `roc_curve` are functions beside the registry.
"""

from __future__ import annotations

import numpy as np

from dmod.errors import InputError
from dmod.evaluation.arithmetic import Floats, ratio
from dmod.evaluation.metric import Takes, Towards, metric
from dmod.evaluation.pool import Ensemble, Need

__all__ = [
    "brier",
    "brier_reliability",
    "brier_resolution",
    "brier_skill",
    "brier_uncertainty",
    "reliability_curve",
    "roc_area",
    "roc_curve",
]

_UNIT = (0.0, 1.0)
_BRIER = "Brier (1950), Mon. Wea. Rev. 78, 1-3, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2"
_MURPHY = "Murphy (1973), J. Appl. Meteorol. 12, 595-600, doi:10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2"
_MASON = "Mason & Graham (2002), Q. J. R. Meteorol. Soc. 128, 2145-2166, doi:10.1256/003590002320603584"
_THERE = (Need.THRESHOLD, Need.PAIRS)


@metric(
    "brier",
    title="Brier score",
    takes=Takes.ENSEMBLE,
    ideal=0.0,
    bounds=_UNIT,
    towards=Towards.LOWER,
    units="1",
    formula="mean((p - e)^2), p the part of members at or above the threshold, e 1 where o is, else 0",
    source=_BRIER,
    needs=_THERE,
    aliases=("bs",),
)
def brier(ensemble: Ensemble) -> Floats:
    """Mean squared error of the probabilities.

    Examples
    --------
    >>> brier(Ensemble.of([[1.0], [5.0]], [5.0], [4.0])).tolist()
    [0.25]
    """
    return brier_reliability(ensemble) - brier_resolution(ensemble) + brier_uncertainty(ensemble)


@metric(
    "brier_skill",
    title="Brier skill score",
    takes=Takes.ENSEMBLE,
    ideal=1.0,
    bounds=(-np.inf, 1.0),
    towards=Towards.HIGHER,
    units="1",
    formula="1 - Brier score / (f (1 - f)), f the observed frequency",
    source=_MURPHY,
    needs=(*_THERE, Need.OBS_EVENTS, Need.OBS_NON_EVENTS),
    aliases=("bss",),
)
def brier_skill(ensemble: Ensemble) -> Floats:
    """Brier score against always saying the observed frequency of the pool.

    Examples
    --------
    >>> brier_skill(Ensemble.of([[5.0, 1.0]], [5.0, 1.0], [4.0])).tolist()
    [1.0]
    """
    return 1.0 - ratio(brier(ensemble), brier_uncertainty(ensemble))


@metric(
    "brier_reliability",
    title="Reliability term of the Brier score",
    takes=Takes.ENSEMBLE,
    ideal=0.0,
    bounds=_UNIT,
    towards=Towards.LOWER,
    units="1",
    formula="mean over time of (p - frequency of events where p was said)^2",
    source=_MURPHY,
    needs=_THERE,
)
def brier_reliability(ensemble: Ensemble) -> Floats:
    """How far the probabilities are from the frequencies with which events followed.

    Examples
    --------
    >>> brier_reliability(Ensemble.of([[1.0, 1.0], [5.0, 5.0]], [5.0, 1.0], [4.0])).tolist()
    [0.0]
    """
    said, count, events = _classes(ensemble)
    return ratio(np.nansum(count * (said - ratio(events, count)) ** 2, axis=-1), count.sum(axis=-1))


@metric(
    "brier_resolution",
    title="Resolution term of the Brier score",
    takes=Takes.ENSEMBLE,
    ideal=np.nan,
    bounds=(0.0, 0.25),
    towards=Towards.HIGHER,
    units="1",
    formula="mean over time of (frequency of events where p was said - f)^2, f the observed frequency",
    source=_MURPHY,
    needs=_THERE,
)
def brier_resolution(ensemble: Ensemble) -> Floats:
    """How far the probabilities tell times with events from times without.

    Examples
    --------
    >>> brier_resolution(Ensemble.of([[5.0, 1.0]], [5.0, 1.0], [4.0])).tolist()
    [0.25]
    """
    _, count, events = _classes(ensemble)
    total = count.sum(axis=-1)
    overall = ratio(events.sum(axis=-1), total)[..., None]
    return ratio(np.nansum(count * (ratio(events, count) - overall) ** 2, axis=-1), total)


@metric(
    "brier_uncertainty",
    title="Uncertainty term of the Brier score",
    takes=Takes.ENSEMBLE,
    ideal=np.nan,
    bounds=(0.0, 0.25),
    towards=Towards.IDEAL,
    units="1",
    formula="f (1 - f), f the observed frequency",
    source=_MURPHY,
    needs=_THERE,
)
def brier_uncertainty(ensemble: Ensemble) -> Floats:
    """Brier score of always saying the observed frequency; nothing that is simulated changes it.

    Examples
    --------
    >>> brier_uncertainty(Ensemble.of([[5.0, 5.0]], [5.0, 1.0], [4.0])).tolist()
    [0.25]
    """
    _, count, events = _classes(ensemble)
    overall = ratio(events.sum(axis=-1), count.sum(axis=-1))
    return overall * (1.0 - overall)


@metric(
    "roc_area",
    title="Area under the relative operating characteristic",
    takes=Takes.ENSEMBLE,
    ideal=1.0,
    bounds=_UNIT,
    towards=Towards.HIGHER,
    units="1",
    formula="area under probability of detection over probability of false detection, by trapezoids",
    source=_MASON,
    needs=(*_THERE, Need.OBS_EVENTS, Need.OBS_NON_EVENTS),
    aliases=("auc", "roc_auc"),
)
def roc_area(ensemble: Ensemble) -> Floats:
    """How well the probabilities order times with and without events, a half where not at all.

    Examples
    --------
    >>> roc_area(Ensemble.of([[5.0, 1.0]], [5.0, 1.0], [4.0])).tolist()
    [1.0]
    """
    wrong, found = roc_curve(ensemble)
    area: Floats = (np.diff(wrong, axis=-1) * (found[..., 1:] + found[..., :-1]) / 2.0).sum(axis=-1)
    return area


def reliability_curve(ensemble: Ensemble) -> tuple[Floats, Floats, Floats]:
    """How often events followed where each probability was said.

    Parameters
    ----------
    ensemble : Ensemble
        Members of shape (..., member, time), with thresholds of shape (..., k).

    Returns
    -------
    said : array of float, shape (member + 1,)
        The probabilities that so many members can say.
    frequency : array of float, shape (..., k, member + 1)
        Observed frequency of events; NaN where that probability was never said.
    count : array of float, shape (..., k, member + 1)
        How often it was said.

    Raises
    ------
    InputError
        If the ensemble has no thresholds.

    Examples
    --------
    >>> said, frequency, count = reliability_curve(Ensemble.of([[1.0, 1.0], [5.0, 5.0]], [5.0, 1.0], [4.0]))
    >>> said.tolist(), frequency.tolist(), count.tolist()
    ([0.0, 0.5, 1.0], [[nan, 0.5, nan]], [[0.0, 2.0, 0.0]])
    """
    said, count, events = _classes(ensemble)
    return said, ratio(events, count), count


def roc_curve(ensemble: Ensemble) -> tuple[Floats, Floats]:
    """Probabilities of false detection and of detection of every probability that may be acted upon.

    Parameters
    ----------
    ensemble : Ensemble
        Members of shape (..., member, time), with thresholds of shape (..., k).

    Returns
    -------
    wrong, found : array of float, shape (..., k, member + 2)
        From (0, 0), never acting, to (1, 1), always; NaN where no event, or nothing else, was observed.

    Raises
    ------
    InputError
        If the ensemble has no thresholds.

    Examples
    --------
    >>> wrong, found = roc_curve(Ensemble.of([[5.0, 1.0]], [5.0, 1.0], [4.0]))
    >>> wrong.tolist(), found.tolist()
    ([[0.0, 0.0, 1.0]], [[0.0, 1.0, 1.0]])
    """
    _, count, events = _classes(ensemble)

    def upwards(part: Floats) -> Floats:
        sums = np.cumsum(part[..., ::-1], axis=-1)
        with_none = np.concatenate([np.zeros_like(sums[..., :1]), sums], axis=-1)
        return ratio(with_none, sums[..., -1:])

    return upwards(count - events), upwards(events)


def _classes(ensemble: Ensemble) -> tuple[Floats, Floats, Floats]:
    """Probabilities that can be said, (m + 1,); how often each was, and with an event, (..., k, m + 1)."""
    if ensemble.thresholds is None:
        raise InputError("a probability needs thresholds", hint="pass thresholds=")
    members, obs = ensemble.members, ensemble.obs
    size = members.shape[-2]
    at = np.broadcast_to(ensemble.thresholds, (*obs.shape[:-1], ensemble.thresholds.shape[-1]))
    count = np.full((*at.shape, size + 1), np.nan)
    events = np.full_like(count, np.nan)
    for k in range(at.shape[-1]):
        level = at[..., k, None]
        there = np.isfinite(obs) & np.isfinite(level)
        number = (members >= level[..., None]).sum(axis=-2)
        for j in range(size + 1):
            chosen = there & (number == j)
            count[..., k, j] = chosen.sum(axis=-1)
            events[..., k, j] = (chosen & (obs >= level)).sum(axis=-1)
    missing = ~np.isfinite(at)
    count[missing], events[missing] = np.nan, np.nan
    return np.arange(size + 1) / size, count, events
