"""What a metric is: a kernel and what its number means, in one registry.

``@metric`` puts a kernel into `METRICS`; `find_metric` looks one up by any of its names.
Pure: nothing here reads a file or a clock.
"""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmod.errors import InputError
from dmod.evaluation.pool import Ensemble, Need, Series
from dmod.evaluation.reduce import sums_of, table_of
from dmod.plugins import load

__all__ = ["METRICS", "Metric", "Takes", "Towards", "find_metric", "find_metrics", "keys", "metric"]

Floats = NDArray[np.float64]

#: Modules of this room whose metrics are put into the registry when it is first asked.
_MODULES = (
    "errors_of_flow", "errors_over_time", "agreement", "correlation", "efficiency", "kling_gupta", "skill",
    "categories", "association", "counts", "peaks", "event_errors", "duration", "signatures",
    "probability", "brier",
)  # fmt: skip


class Takes(StrEnum):
    """What a kernel is given; the fewer passes over the series, the better."""

    #: `Sums`: moments of the pairs. All such metrics share one pass.
    SUMS = "sums"
    #: `Table`: counts of hits and misses at thresholds. All such metrics share one pass.
    TABLE = "table"
    #: `Series`: the pairs themselves, with their times.
    SERIES = "series"
    #: `Ensemble`: members against observations.
    ENSEMBLE = "ensemble"


class Towards(StrEnum):
    """Where better lies."""

    HIGHER = "higher"
    LOWER = "lower"
    #: Nearer to the ideal, from either side.
    IDEAL = "ideal"


@dataclass(frozen=True, slots=True)
class Metric:
    """A kernel and what its number means."""

    #: Short name, as in a table of scores: ``kge``.
    name: str
    #: Name for people: ``Kling-Gupta efficiency``.
    title: str
    #: The kernel, from what it takes to shape (...) or, of a table, (..., threshold).
    kernel: Callable[..., Floats]
    #: What the kernel is given.
    takes: Takes
    #: Value of a perfect simulation; NaN where there is none (a signature of the simulation alone).
    ideal: float
    #: Smallest and largest possible value; infinite where there is none.
    bounds: tuple[float, float]
    #: Where better lies.
    towards: Towards
    #: Units of the value: ``1``, ``%``, ``h``, or in terms of the observations' units: ``obs``, ``obs2``, ``obs h``.
    units: str
    #: How it is computed, one line; s is simulated, o observed.
    formula: str
    #: Where it was defined.
    source: str
    #: What the pairs must have for it to be defined; the first that fails is the reason of a NaN.
    needs: tuple[Need, ...] = ()
    #: Whether *sim* and *obs* are needed as logarithms too; see `Sums.logs`.
    logs: bool = False
    #: Whether it asks when something was: the order of the pairs matters.
    when: bool = False
    #: Further names it is found by.
    aliases: tuple[str, ...] = ()

    @property
    def otherwise(self) -> Need:
        """The reason of a NaN where every need holds that `Sums` or `Table` can tell."""
        return next((need for need in self.needs if need.is_seen_by_the_kernel_alone), Need.UNDEFINED)

    def __call__(
        self,
        sim: ArrayLike,
        obs: ArrayLike,
        *,
        times: NDArray[np.datetime64] | None = None,
        thresholds: ArrayLike | None = None,
        **options: Any,
    ) -> Floats:
        """The metric of *sim* against *obs*.

        Parameters
        ----------
        sim, obs : array of float, shape (..., time)
            Simulated and observed flow, in the same units; NaN where missing. Of an ensemble
            *sim* has shape (..., member, time).
        times : array of datetime64, shape (time,), optional
            For metrics that ask when something was.
        thresholds : array of float, shape (k,) or (..., k), optional
            For metrics of categories and of probability, in the same units.
        **options
            Passed on to the kernel.

        Returns
        -------
        array of float, shape (...) or (..., k)

        Raises
        ------
        ValueError
            If the shapes differ.
        InputError
            If times or thresholds are needed and not given.
        """
        if self.takes is Takes.SUMS:
            return self.kernel(sums_of(sim, obs, logs=self.logs), **options)
        if self.takes is Takes.TABLE:
            return self.kernel(table_of(sim, obs, self._given(thresholds, "thresholds")), **options)
        if self.takes is Takes.SERIES:
            return self.kernel(Series.of(sim, obs, times), **options)
        return self.kernel(Ensemble.of(sim, obs, thresholds), **options)

    def _given(self, argument: ArrayLike | None, name: str) -> ArrayLike:
        if argument is None:
            raise InputError(f"{self.title} needs {name}", hint=f"pass {name}=")
        return argument


class _Registry(Mapping[str, Metric]):
    """Every metric by its short name; filled when it is first asked."""

    def __init__(self) -> None:
        self._held: dict[str, Metric] = {}
        self._is_filled = False

    def add(self, new: Metric) -> None:
        taken = {key: old.name for old in self._held.values() for key in keys(old)}
        if clash := sorted(taken.keys() & keys(new)):
            raise ValueError(f"{clash[0]!r} already finds the metric {taken[clash[0]]!r}")
        self._held[new.name] = new

    def _filled(self) -> dict[str, Metric]:
        if not self._is_filled:
            self._is_filled = True
            for module in _MODULES:
                importlib.import_module(f"dmod.evaluation.{module}")
            load("dmod.metrics")  # a plug-in's module registers its metrics when it is loaded
        return self._held

    def __getitem__(self, name: str) -> Metric:
        return self._filled()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._filled())

    def __len__(self) -> int:
        return len(self._filled())


#: Every metric by its short name.
METRICS = _Registry()


def metric(
    name: str,
    *,
    title: str,
    takes: Takes,
    ideal: float,
    bounds: tuple[float, float],
    towards: Towards,
    units: str,
    formula: str,
    source: str,
    needs: tuple[Need, ...] = (),
    logs: bool = False,
    when: bool = False,
    aliases: tuple[str, ...] = (),
) -> Callable[[Callable[..., Floats]], Callable[..., Floats]]:
    """Put the decorated kernel into `METRICS`; the arguments are the fields of `Metric`.

    Raises
    ------
    ValueError
        If *name*, *title* or one of *aliases* already finds another metric.
    """

    def register(kernel: Callable[..., Floats]) -> Callable[..., Floats]:
        METRICS.add(
            Metric(
                name, title, kernel, takes, ideal, bounds, towards, units, formula, source, needs, logs, when, aliases
            )
        )
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
    wanted = _key(name)
    by_key = {key: held for held in METRICS.values() for key in keys(held)}
    if wanted in by_key:
        return by_key[wanted]
    near = [by_key[key].name for key in difflib.get_close_matches(wanted, by_key, n=3)]
    raise InputError(
        f"there is no metric {name!r}",
        known=", ".join(sorted(METRICS)),
        hint=f"did you mean {' or '.join(dict.fromkeys(near))}?" if near else "choose one of 'known'",
    )


def find_metrics(names: Iterable[str]) -> tuple[Metric, ...]:
    """The metrics that *names* mean, see `find_metric`.

    Raises
    ------
    InputError
        If there are names that no metric has; it tells of all of them.
    """
    found: list[Metric] = []
    wrong: list[tuple[str, InputError]] = []
    for name in names:
        try:
            found.append(find_metric(name))
        except InputError as problem:
            wrong.append((name, problem))
    if len(wrong) == 1:
        raise wrong[0][1]
    if wrong:
        near = [f"{name!r}: {problem.hint}" for name, problem in wrong if problem.hint.startswith("did you mean")]
        raise InputError(
            f"there are no metrics {', '.join(repr(name) for name, _ in wrong)}", known=", ".join(sorted(METRICS)),
            hint="; ".join(near) or "choose among 'known'",
        )  # fmt: skip
    return tuple(found)


def _key(name: str) -> str:
    return re.sub(r"[\s_'-]", "", name).lower()


def keys(entry: Metric) -> set[str]:
    """Every name by which *entry* is found, as `find_metric` compares them."""
    return {_key(name) for name in (entry.name, entry.title, *entry.aliases)}
