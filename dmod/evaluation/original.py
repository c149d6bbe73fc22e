"""The metrics of the original DMOD, faults included: for grades that are to equal its own.

Nothing else in dmod uses them; `dmod.evaluation.metric` holds the right ones. Each takes the pairs of
one place, events and all, as the original does: continuous metrics of the pairs whose observation is
at or above the threshold, categories of counts in which a missing value is no event.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmod.errors import InputError

__all__ = ["ORIGINAL", "OriginalMetric", "Pool", "original_metric"]

Floats = NDArray[np.float64]
_NAN = float("nan")
_INF = float("inf")
#: How near a value must be to a metric's failure to count as one.
_FAILS_WITHIN = 1e-4


@dataclass(frozen=True)
class Pool:
    """Pairs of one place at one threshold; without a threshold the original says "All"."""

    #: Flows, in the same units; NaN where missing.
    sim: Floats
    obs: Floats
    #: Instants as the original's index has them [ns since 1970].
    ticks: NDArray[np.int64]
    #: Threshold at each pair; None for all pairs.
    threshold: Floats | None = None
    #: Ticks in the time that an error trend is per: a second, or a row of the table.
    ticks_per_step: float = 1e9

    @property
    def kept(self) -> Pool:
        """The pairs that continuous metrics see; at a threshold, with row numbers for instants."""
        if self.threshold is None:
            return self
        with np.errstate(invalid="ignore"):
            keep = self.obs >= self.threshold
        return Pool(self.sim[keep], self.obs[keep], np.flatnonzero(keep), ticks_per_step=1.0)

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Hits, misses, false alarms and correct negatives; what is missing is no event."""
        at = -_INF if self.threshold is None else self.threshold
        with np.errstate(invalid="ignore"):
            o, s = self.obs >= at, self.sim >= at
        return int((o & s).sum()), int((o & ~s).sum()), int((~o & s).sum()), int((~o & ~s).sum())


@dataclass(frozen=True)
class OriginalMetric:
    """One of the fourteen."""

    #: As the original spells it.
    name: str
    #: From a pool to its value, NaN where it has none.
    kernel: Callable[[Pool], float]
    #: Value of a perfect simulation.
    ideal: float
    #: Between which it is scaled; infinite where it is not.
    bounds: tuple[float, float]
    #: Value that counts as a failure; None where none does.
    fails_on: float | None = None
    #: Whether it is made of counts of events.
    of_counts: bool = False

    @property
    def variable(self) -> str:
        """The variable that holds it, such as ``kling_gupta_efficiency``."""
        return re.sub(r"[^a-z0-9]+", "_", self.name.lower()).strip("_")

    def __call__(self, pool: Pool) -> float:
        """The value of *pool*; NaN where there is none."""
        if self.of_counts:
            hits, misses, alarms, _ = pool.counts
            return self.kernel(pool) if hits + misses + alarms else _NAN
        kept = pool.kept
        with np.errstate(all="ignore"):
            return float(self.kernel(kept))

    def scaled(self, values: Floats) -> Floats:
        """Values as the original scales them: straight lines, cut at the bounds; raw where there are none."""
        lowest, highest = self.bounds
        value = np.asarray(values, dtype=np.float64)
        if not (np.isfinite(lowest) or np.isfinite(highest)):
            return value
        if self.ideal == lowest:
            slope: float | Floats = -1.0 / (highest - lowest)
        elif self.ideal == highest:
            slope = 1.0 / (highest - lowest)
        else:
            slope = np.where(value <= self.ideal, 1.0 / (self.ideal - lowest), -1.0 / (highest - self.ideal))
        with np.errstate(invalid="ignore"):
            line: Floats = slope * value + (1.0 - slope * self.ideal)
        return np.where(np.isnan(value), np.nan, np.maximum(np.minimum(line, highest), lowest))

    def failed(self, value: float) -> bool:
        """Whether *value* counts as a failure; the original tells it and does nothing about it."""
        return self.fails_on is not None and abs(value - self.fails_on) < _FAILS_WITHIN


def original_metric(name: str) -> OriginalMetric:
    """The metric of the original that *name* means; case, spaces, hyphens and underscores do not matter.

    Raises
    ------
    InputError
        If the original has no such metric.
    """
    wanted = _key(name)
    for held in ORIGINAL.values():
        if _key(held.name) == wanted:
            return held
    raise InputError(
        f"the original has no metric {name!r}",
        known=", ".join(ORIGINAL),
        hint="choose one of 'known', or score without scoring='dmod'",
    )


def _key(name: str) -> str:
    return re.sub(r"[\s_\-–]", "", name).lower()


def _ratio(top: float, bottom: float, *, empty: float = _NAN) -> float:
    return top / bottom if bottom else empty


def _correlation(pool: Pool) -> float:
    return float(np.corrcoef(pool.obs, pool.sim)[0, 1]) if pool.obs.size > 1 else _NAN


def _kling_gupta(pool: Pool) -> float:
    if pool.obs.size == 0:
        return _NAN
    # pandas leaves NaN out of means and deviations, numpy not out of the correlation
    r = _correlation(pool)
    mean = np.nanmean(pool.sim) / np.nanmean(pool.obs)
    spread = np.nanstd(pool.sim, ddof=1) / np.nanstd(pool.obs, ddof=1) if pool.obs.size > 1 else _NAN
    return float(1 - np.sqrt((r - 1) ** 2 + (mean - 1) ** 2 + (spread - 1) ** 2))


def _normalized_nash(pool: Pool) -> float:
    if pool.obs.size == 0:
        return _NAN
    top = np.nansum((pool.obs - pool.sim) ** 2)
    bottom = np.nansum((pool.obs - np.nanmean(pool.obs)) ** 2)
    return float(1 / (2 - (1 - np.divide(top, bottom))))


def _volume_error(pool: Pool) -> float:
    if pool.obs.size < 2:
        return 0.0
    x = pool.ticks.astype(np.float64)
    return float(np.trapezoid(pool.sim, x) - np.trapezoid(pool.obs, x))


def _error_trend(pool: Pool) -> float:
    if pool.obs.size < 2:
        return _NAN
    x = pool.ticks / pool.ticks_per_step
    x, y = x - x.mean(), np.abs(pool.obs - pool.sim)
    return float(np.rad2deg(np.arctan(((y - y.mean()) * x).sum() / (x * x).sum())) / 90.0)


def _pod(pool: Pool) -> float:
    h, m, _, _ = pool.counts
    return _ratio(h, h + m)


def _far(pool: Pool) -> float:
    h, _, f, _ = pool.counts
    return _ratio(f, h + f, empty=0.0)


def _pofd(pool: Pool) -> float:
    _, _, f, c = pool.counts
    return _ratio(f, f + c, empty=0.0)


def _frequency_bias(pool: Pool) -> float:
    h, m, f, _ = pool.counts
    return _ratio(h + f, h + m)


def _accuracy(pool: Pool) -> float:
    h, _, _, c = pool.counts
    return _ratio(h + c, pool.obs.size)


def _csi(pool: Pool) -> float:
    h, m, f, _ = pool.counts
    return _ratio(h, h + m + f)


def _ets(pool: Pool) -> float:
    h, m, f, _ = pool.counts
    chance = (h + m) * (h + f) / pool.obs.size
    top, bottom = h - chance, h + m + f - chance
    return top / bottom if top and bottom else _NAN


def _heidke(pool: Pool) -> float:
    h, m, f, c = pool.counts
    return _ratio(2 * (h * c - m * f), (h + m) * (m + c) + (h + f) * (f + c))


def _precision(pool: Pool) -> float:
    h, _, f, _ = pool.counts
    return _ratio(h, h + f, empty=1.0)


_UNIT = (0.0, 1.0)
_ALL = (
    OriginalMetric("Probability Of Detection", _pod, 1.0, _UNIT, 0.0, of_counts=True),
    OriginalMetric("False Alarm Ratio", _far, 0.0, _UNIT, 1.0, of_counts=True),
    OriginalMetric("Probability Of False Detection", _pofd, 0.0, _UNIT, 1.0, of_counts=True),
    OriginalMetric("Frequency Bias", _frequency_bias, 1.0, (0.0, _INF), of_counts=True),
    OriginalMetric("Accuracy", _accuracy, 1.0, _UNIT, of_counts=True),
    OriginalMetric("Critical Success Index", _csi, 1.0, _UNIT, of_counts=True),
    OriginalMetric("Equitable Threat Score", _ets, 1.0, _UNIT, 0.0, of_counts=True),
    OriginalMetric("General Skill", _heidke, 1.0, _UNIT, 0.0, of_counts=True),
    OriginalMetric("Precision", _precision, 1.0, _UNIT, of_counts=True),
    OriginalMetric("Linear Temporal Trend of Absolute Error", _error_trend, 0.0, _UNIT),
    OriginalMetric("Pearson Correlation Coefficient", _correlation, 1.0, _UNIT, 0.0),
    OriginalMetric("Kling-Gupta Efficiency", _kling_gupta, 1.0, _UNIT),
    OriginalMetric("Normalized Nash-Sutcliffe Efficiency", _normalized_nash, 1.0, _UNIT),
    OriginalMetric("Volume Error", _volume_error, 0.0, (-_INF, _INF)),
)

#: All fourteen, by name.
ORIGINAL: Mapping[str, OriginalMetric] = {held.name: held for held in _ALL}
