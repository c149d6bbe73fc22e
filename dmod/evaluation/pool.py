"""What metrics are computed from: moments, counts, series and ensembles of pairs, as values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Ensemble", "Need", "Series", "Sums", "Table"]

Floats = NDArray[np.float64]


class Need(StrEnum):
    """What pairs must have for a metric to be defined; its text is the reason where they have it not."""

    PAIRS = "no pairs"
    TWO_PAIRS = "fewer than two pairs"
    OBS_VARIES = "observations never vary"
    SIM_VARIES = "simulation never varies"
    OBS_MEAN = "mean of observations is zero"
    SIM_MEAN = "mean of simulation is zero"
    POSITIVE_OBS_MEAN = "mean of observations is not positive"
    #: A value at or below minus epsilon.
    LOGS = "negative flows have no logarithm"
    OBS_EVENTS = "no event was observed"
    OBS_NON_EVENTS = "every observation is an event"
    SIM_EVENTS = "no event was simulated"
    #: Neither observed nor simulated.
    EVENTS = "no event was observed or simulated"
    THRESHOLD = "no threshold"
    SIM_NON_EVENTS = "every simulated value is an event"
    #: Neither observed nor simulated.
    NON_EVENTS = "every value is an event"
    MISSES = "no event was missed"
    FALSE_ALARMS = "no event was simulated that was not observed"
    # What follows only the kernel can tell, see `Metric.otherwise`.
    OBS_RANKS = "the middle half of the observations is one value"
    OBS_NOT_ZERO = "an observation is zero"
    OBS_PEAK = "the largest observation is not positive"
    OBS_QUANTILE = "the quantile of the observations is zero"
    OBS_CURVE = "the flow duration curve is level there, or touches zero"
    BENCHMARK = "the benchmark has no error, or no value"
    FLOWS = "observed or simulated flow does not sum to more than zero"
    RISES = "observed or simulated flow never rises"
    OBS_STORMS = "no event stands out of the observations"
    SIM_STORMS = "no event stands out of the simulation"
    MATCHES = "no simulated event is at the time of an observed one"
    MEMBERS = "fewer than two members"
    ERRORS = "the mean of the members is perfect"
    UNDEFINED = "not defined for these pairs"

    @property
    def is_seen_by_the_kernel_alone(self) -> bool:
        """Whether neither `Sums` nor `Table` can tell whether pairs have it."""
        needs = list(Need)
        return needs.index(self) >= needs.index(Need.OBS_RANKS)


@dataclass(frozen=True, slots=True)
class Sums:
    """What one pass leaves of the pairs of each place: enough for every metric of moments.

    All of one shape (...); sums in float64. Where there are no pairs ``n`` is 0 and the rest NaN.
    """

    #: Number of pairs [1].
    n: Floats
    #: Means, in the units of the flow.
    sim_mean: Floats
    obs_mean: Floats
    #: Sums of squared deviations from the mean, and of their product.
    sim_spread: Floats
    obs_spread: Floats
    shared: Floats
    #: Sum of ``(s - o) ** 2``.
    squared: Floats
    #: Sum of ``|s - o|``.
    absolute: Floats
    #: The same of ``ln(s + eps)`` and ``ln(o + eps)``, eps = 0.01 mean(o) of the pool (Pushpalatha et al.
    #: 2012); NaN where a value is not above -eps. None where nobody asked.
    logs: Sums | None = None

    def shaped(self, *shape: int) -> Sums:
        """The same in another shape."""
        return self._each(lambda x: x.reshape(shape))

    def at(self, sites: slice) -> Sums:
        """Those of some places."""
        return self._each(lambda x: x[sites])

    def where(self, there: NDArray[np.bool_]) -> Sums:
        """No pairs where *there* is false: ``n`` is 0 and the rest NaN."""
        kept = self._each(lambda x: np.where(there, x, np.nan))
        return replace(kept, n=np.where(there, self.n, 0.0), logs=self.logs and self.logs.where(there))

    def _each(self, change: Callable[[Floats], Floats]) -> Sums:
        return Sums(
            change(self.n), change(self.sim_mean), change(self.obs_mean), change(self.sim_spread),
            change(self.obs_spread), change(self.shared), change(self.squared), change(self.absolute),
            self.logs and self.logs._each(change),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """Counts of pairs at thresholds, each of shape (..., threshold); NaN where there is no threshold."""

    #: Observed and simulated.
    hits: Floats
    #: Observed, not simulated.
    misses: Floats
    #: Simulated, not observed.
    false_alarms: Floats
    #: Neither.
    correct_negatives: Floats

    @property
    def n(self) -> Floats:
        """Number of pairs [1]."""
        return self.hits + self.misses + self.false_alarms + self.correct_negatives

    def shaped(self, *shape: int) -> Table:
        """The same in another shape."""
        return Table(
            self.hits.reshape(shape), self.misses.reshape(shape), self.false_alarms.reshape(shape),
            self.correct_negatives.reshape(shape),
        )  # fmt: skip

    def at(self, sites: slice) -> Table:
        """Those of some places."""
        return Table(self.hits[sites], self.misses[sites], self.false_alarms[sites], self.correct_negatives[sites])


@dataclass(frozen=True, slots=True)
class Series:
    """Pairs over time: NaN in both where either is missing."""

    #: Simulated flow, shape (..., time).
    sim: Floats
    #: Observed flow, shape (..., time).
    obs: Floats
    #: Instants, shape (time,), increasing; None where nobody told.
    times: NDArray[np.datetime64] | None = None

    @classmethod
    def of(cls, sim: ArrayLike, obs: ArrayLike, times: NDArray[np.datetime64] | None = None) -> Series:
        """The pairs of *sim* and *obs*, both of shape (..., time).

        Raises
        ------
        ValueError
            If the shapes differ.
        """
        s, o = np.asarray(sim, dtype=np.float64), np.asarray(obs, dtype=np.float64)
        if s.shape != o.shape:
            raise ValueError(f"sim has shape {s.shape}, obs {o.shape}")
        both = np.isfinite(s) & np.isfinite(o)
        return cls(np.where(both, s, np.nan), np.where(both, o, np.nan), times)


@dataclass(frozen=True, slots=True)
class Ensemble:
    """Members against observations."""

    #: Simulated flow, shape (..., member, time).
    members: Floats
    #: Observed flow, shape (..., time).
    obs: Floats
    #: Thresholds, shape (..., k); None where nobody gave any.
    thresholds: Floats | None = None

    @classmethod
    def of(cls, members: ArrayLike, obs: ArrayLike, thresholds: ArrayLike | None = None) -> Ensemble:
        """Instants where a member or the observation is missing are missing in all.

        Raises
        ------
        ValueError
            If the shapes do not fit.
        """
        m, o = np.asarray(members, dtype=np.float64), np.asarray(obs, dtype=np.float64)
        if m.ndim != o.ndim + 1 or (*m.shape[:-2], m.shape[-1]) != o.shape:
            raise ValueError(
                f"members have shape {m.shape}, obs {o.shape}: (..., member, time) and (..., time) are needed"
            )
        whole = np.isfinite(o) & np.isfinite(m).all(axis=-2)
        at = None if thresholds is None else np.asarray(thresholds, dtype=np.float64)
        return cls(np.where(whole[..., None, :], m, np.nan), np.where(whole, o, np.nan), at)
