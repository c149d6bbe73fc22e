"""Metrics: what one number says about a simulated against an observed series.

A kernel takes ``sim`` and ``obs`` as arrays of shape (..., time) and returns shape
(...). Only instants where both are finite count; sums are taken in two passes in
float64. Where a metric is undefined the answer is NaN, never an infinity. ``@metric``
puts a kernel into `METRICS` with what its number means; look one up with `find_metric`.
Pure: nothing here reads a file or knows units other than those of its answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmod.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "METRICS",
    "KlingGupta",
    "Metric",
    "find_metric",
    "kling_gupta",
    "kling_gupta_components",
    "metric",
    "nash_sutcliffe",
    "percent_bias",
]

Floats = NDArray[np.float64]
Kernel = Callable[[ArrayLike, ArrayLike], Floats]


@dataclass(frozen=True, slots=True)
class Metric:
    """A kernel and what its number means."""

    #: Short name, as in a table of scores: ``kge``.
    name: str
    #: Name for people: ``Kling-Gupta efficiency``.
    title: str
    #: The kernel: (sim, obs) of shape (..., time) to shape (...).
    kernel: Kernel
    #: Value of a perfect simulation.
    ideal: float
    #: Smallest and largest possible value; infinite where there is none.
    bounds: tuple[float, float]
    #: Units of the value, ``1`` if it has none.
    units: str
    #: How it is computed, one line; s is simulated, o observed.
    formula: str
    #: Where it was defined.
    source: str
    #: Further names it is found by.
    aliases: tuple[str, ...] = ()

    def __call__(self, sim: ArrayLike, obs: ArrayLike) -> Floats:
        """The metric of *sim* against *obs*, both of shape (..., time)."""
        return self.kernel(sim, obs)


_registry: dict[str, Metric] = {}

#: Every metric by its short name.
METRICS: Mapping[str, Metric] = MappingProxyType(_registry)


def metric(
    name: str,
    *,
    title: str,
    ideal: float,
    bounds: tuple[float, float],
    units: str,
    formula: str,
    source: str,
    aliases: tuple[str, ...] = (),
) -> Callable[[Kernel], Kernel]:
    """Put the decorated kernel into `METRICS`; the arguments are the fields of `Metric`.

    Raises
    ------
    ValueError
        If *name*, *title* or one of *aliases* already finds another metric.
    """

    def register(kernel: Kernel) -> Kernel:
        new = Metric(name, title, kernel, ideal, bounds, units, formula, source, aliases)
        taken = {key: old.name for old in _registry.values() for key in _keys(old)}
        if clash := sorted(taken.keys() & _keys(new)):
            raise ValueError(f"{clash[0]!r} already finds the metric {taken[clash[0]]!r}")
        _registry[name] = new
        return kernel

    return register


def find_metric(name: str) -> Metric:
    """The metric that *name* means; case, spaces, hyphens and underscores do not matter.

    Raises
    ------
    InputError
        If no metric has that name.

    Examples
    --------
    >>> find_metric("Kling-Gupta Efficiency").name
    'kge'
    """
    for candidate in _registry.values():
        if _key(name) in _keys(candidate):
            return candidate
    raise InputError(f"there is no metric {name!r}", known=", ".join(sorted(_registry)), hint="choose one of 'known'")


def _key(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).lower()


def _keys(entry: Metric) -> set[str]:
    return {_key(name) for name in (entry.name, entry.title, *entry.aliases)}


class KlingGupta(NamedTuple):
    """The three parts of the Kling-Gupta efficiency, each 1 when perfect, each of shape (...)."""

    #: Linear correlation r [1], in [-1, 1].
    correlation: Floats
    #: Variability ratio, standard deviation of sim over that of obs [1].
    variability: Floats
    #: Bias ratio, mean of sim over mean of obs [1].
    bias: Floats


def kling_gupta_components(sim: ArrayLike, obs: ArrayLike) -> KlingGupta:
    """Correlation, variability ratio and bias ratio of *sim* against *obs*.

    Parameters
    ----------
    sim, obs : array of float, shape (..., time)
        Simulated and observed discharge [m3 s-1]; NaN where missing.

    Returns
    -------
    KlingGupta
        Each of shape (...); NaN where it is undefined: the correlation if either series
        never varies, the variability ratio if *obs* never varies, the bias ratio if the
        mean of *obs* is zero.

    Examples
    --------
    >>> parts = kling_gupta_components([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    >>> [round(float(part), 12) for part in parts]
    [1.0, 2.0, 2.0]
    """
    sim, obs, n = _paired(sim, obs)
    (sim_mean, sim_spread), (obs_mean, obs_spread) = _moments(sim, n), _moments(obs, n)
    shared = _total((sim - sim_mean[..., None]) * (obs - obs_mean[..., None]))
    correlation = _ratio(shared, np.sqrt(sim_spread) * np.sqrt(obs_spread))
    # A constant simulation has ratio 0, an answer; a constant observation has none.
    variability = np.sqrt(_ratio(np.nan_to_num(sim_spread), obs_spread))
    variability = np.where(n > 0, variability, np.nan)
    return KlingGupta(np.clip(correlation, -1.0, 1.0), variability, _ratio(sim_mean, obs_mean))


@metric(
    "kge",
    title="Kling-Gupta efficiency",
    ideal=1.0,
    bounds=(-np.inf, 1.0),
    units="1",
    formula="1 - sqrt((r - 1)^2 + (sd(s)/sd(o) - 1)^2 + (mean(s)/mean(o) - 1)^2)",
    source="Gupta et al. (2009), J. Hydrol. 377, 80-91, doi:10.1016/j.jhydrol.2009.08.003",
    aliases=("kling_gupta", "kge_2009"),
)
def kling_gupta(sim: ArrayLike, obs: ArrayLike) -> Floats:
    r"""Kling-Gupta efficiency in its form of 2009, 1 for a perfect simulation.

    .. math:: 1 - \sqrt{(r - 1)^2 + (\sigma_s/\sigma_o - 1)^2 + (\mu_s/\mu_o - 1)^2}

    A simulation that is always the mean observed flow would come to about -0.41 if
    its correlation were taken as zero; what is greater beats that mean.

    Parameters
    ----------
    sim, obs : array of float, shape (..., time)
        Simulated and observed discharge [m3 s-1]; NaN where missing.

    Returns
    -------
    array of float, shape (...)
        Efficiency [1], in (-inf, 1]; NaN where either series never varies or the mean
        observation is zero.

    Raises
    ------
    ValueError
        If the shapes differ.

    References
    ----------
    Gupta et al. (2009), J. Hydrol. 377, 80-91, doi:10.1016/j.jhydrol.2009.08.003.
    Knoben et al. (2019), Hydrol. Earth Syst. Sci. 23, 4323-4331, doi:10.5194/hess-23-4323-2019.

    Examples
    --------
    >>> round(float(kling_gupta([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])), 4)  # 1 - sqrt(0 + 1 + 1)
    -0.4142
    """
    parts = kling_gupta_components(sim, obs)
    away = sum((part - 1.0) ** 2 for part in parts)
    return np.asarray(1.0 - np.sqrt(away), dtype=np.float64)


@metric(
    "nse",
    title="Nash-Sutcliffe efficiency",
    ideal=1.0,
    bounds=(-np.inf, 1.0),
    units="1",
    formula="1 - sum((s - o)^2) / sum((o - mean(o))^2)",
    source="Nash & Sutcliffe (1970), J. Hydrol. 10, 282-290, doi:10.1016/0022-1694(70)90255-6",
    aliases=("nash_sutcliffe",),
)
def nash_sutcliffe(sim: ArrayLike, obs: ArrayLike) -> Floats:
    r"""Nash-Sutcliffe efficiency, 1 for a perfect simulation, 0 for one as good as the mean.

    .. math:: 1 - \frac{\sum_t (s_t - o_t)^2}{\sum_t (o_t - \bar o)^2}

    Parameters
    ----------
    sim, obs : array of float, shape (..., time)
        Simulated and observed discharge [m3 s-1]; NaN where missing.

    Returns
    -------
    array of float, shape (...)
        Efficiency [1], in (-inf, 1]; NaN where *obs* never varies.

    Raises
    ------
    ValueError
        If the shapes differ.

    References
    ----------
    Nash & Sutcliffe (1970), J. Hydrol. 10, 282-290, doi:10.1016/0022-1694(70)90255-6.

    Examples
    --------
    >>> float(nash_sutcliffe([2.0, 2.0, 2.0], [1.0, 2.0, 3.0]))  # as good as the mean
    0.0
    """
    sim, obs, n = _paired(sim, obs)
    _, spread = _moments(obs, n)
    return 1.0 - _ratio(_total((sim - obs) ** 2), spread)


@metric(
    "pbias",
    title="Percent bias",
    ideal=0.0,
    bounds=(-np.inf, np.inf),
    units="%",
    formula="100 sum(s - o) / sum(o)",
    source="Moriasi et al. (2007), Trans. ASABE 50, 885-900, doi:10.13031/2013.23153, with the sign turned",
    aliases=("percent_bias",),
)
def percent_bias(sim: ArrayLike, obs: ArrayLike) -> Floats:
    r"""Percent bias, 0 for the right volume, positive where too much is simulated.

    .. math:: 100 \, \frac{\sum_t (s_t - o_t)}{\sum_t o_t}

    Parameters
    ----------
    sim, obs : array of float, shape (..., time)
        Simulated and observed discharge [m3 s-1]; NaN where missing.

    Returns
    -------
    array of float, shape (...)
        Bias [%]; NaN where the observations sum to zero.

    Raises
    ------
    ValueError
        If the shapes differ.

    References
    ----------
    Moriasi et al. (2007), Trans. ASABE 50, 885-900, doi:10.13031/2013.23153, who take
    obs - sim; here over-prediction is positive.

    Examples
    --------
    >>> float(percent_bias([2.0, 4.0], [1.0, 3.0]))
    50.0
    """
    sim, obs, _ = _paired(sim, obs)
    return 100.0 * _ratio(_total(sim - obs), _total(obs))


def _paired(sim: ArrayLike, obs: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Both series as float64, NaN in both where either is not finite, and the number of pairs."""
    s, o = np.asarray(sim, dtype=np.float64), np.asarray(obs, dtype=np.float64)
    if s.shape != o.shape or s.ndim == 0:
        raise ValueError(f"sim and obs must have one shape (..., time), got {s.shape} and {o.shape}")
    both = np.isfinite(s) & np.isfinite(o)
    if not both.all():
        s, o = np.where(both, s, np.nan), np.where(both, o, np.nan)
    return s, o, both.sum(axis=-1).astype(np.float64)


def _total(values: Floats) -> Floats:
    """Sum over the last axis, missing values left out."""
    return np.asarray(np.nansum(values, axis=-1), dtype=np.float64)


def _moments(values: Floats, n: Floats) -> tuple[Floats, Floats]:
    """Mean, and sum of squared deviations from it: NaN where the values never vary."""
    mean = _ratio(_total(values), n)
    spread = _total((values - mean[..., None]) ** 2)
    # The mean of equal values is off by a rounding error, so their spread is seldom exactly zero.
    low = np.min(values, axis=-1, initial=np.inf, where=~np.isnan(values))
    high = np.max(values, axis=-1, initial=-np.inf, where=~np.isnan(values))
    return mean, np.where(low < high, spread, np.nan)


def _ratio(above: Floats, below: Floats) -> Floats:
    """Quotient; NaN where it would divide by zero."""
    return np.asarray(above / np.where(below != 0.0, below, np.nan), dtype=np.float64)
