"""What is going to be computed of pairs, settled before anything is read: metrics, groups, blocks, variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dmod.errors import InputError
from dmod.evaluation.bootstrap import Blocks, Confidence
from dmod.evaluation.cells import Asked, Cells
from dmod.evaluation.metric import Metric, Takes
from dmod.evaluation.pool import Ensemble

__all__ = ["SAMPLE_SIZE", "Plan", "Variable"]

#: How many pairs there are.
SAMPLE_SIZE = "sample_size"


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of the scores."""

    #: Its name.
    name: str
    #: Its dimensions after those of places, and their lengths.
    over: tuple[tuple[str, int], ...]
    #: What it holds.
    dtype: type[np.generic] = np.float64

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of its dimensions after those of places."""
        return tuple(length for _, length in self.over)

    @property
    def size(self) -> int:
        """Numbers for each place."""
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True, eq=False)
class Plan:
    """What is asked of pairs."""

    #: Metrics, each once.
    metrics: tuple[Metric, ...]
    #: Instants, shape (time,).
    times: NDArray[np.datetime64] | None
    #: How a value stands to a threshold in an event.
    operator: str
    #: Number of thresholds.
    thresholds: int
    #: Number of members; None where the simulation has none.
    members: int | None
    #: Group of each instant, shape (time,), -1 for none; None without groups.
    codes: NDArray[np.int64] | None
    #: Names of the groups.
    groups: tuple[str, ...]
    #: Interval wanted, and its blocks.
    confidence: Confidence | None
    blocks: Blocks | None

    def of(self, *takes: Takes) -> list[Metric]:
        """The metrics that take one of these."""
        return [metric for metric in self.metrics if metric.takes in takes]

    def only(self, metrics: Sequence[Metric]) -> Plan:
        """The same of some metrics."""
        return Plan(
            tuple(metrics), self.times, self.operator, self.thresholds, self.members, self.codes, self.groups,
            self.confidence, self.blocks,
        )  # fmt: skip

    @cached_property
    def asked(self) -> Asked:
        """Cells of the pass: groups, blocks of the bootstrap, or blocks of groups."""
        logs = any(metric.logs for metric in self.metrics)
        groups = max(len(self.groups), 1)
        if self.blocks is None:
            return Asked(Cells.of(self.codes, groups), logs=logs)
        group = np.zeros_like(self.blocks.codes) if self.codes is None else self.codes
        codes = np.where(group >= 0, group * self.blocks.count + self.blocks.codes, -1)
        pools = np.repeat(np.arange(groups), self.blocks.count)
        return Asked(Cells.of(codes, pools.size, pools), logs=logs)

    def instants(self, group: int) -> NDArray[np.int64] | slice:
        """Indices of time of a group."""
        return slice(None) if self.codes is None else np.flatnonzero(self.codes == group)

    def has_interval(self, metric: Metric) -> bool:
        """Whether blocks in another order say anything about it."""
        return self.blocks is not None and not metric.when

    def over(self, metric: Metric) -> tuple[tuple[str, int], ...]:
        """Dimensions of a metric after those of places."""
        over: list[tuple[str, int]] = []
        if self.members is not None and metric.takes is not Takes.ENSEMBLE:
            over.append(("member", self.members))
        if self.groups:
            over.append(("group", len(self.groups)))
        if metric.takes is Takes.TABLE or metric in self._of_ensembles_at_thresholds:
            over.append(("threshold", self.thresholds))
        return tuple(over)

    @cached_property
    def _of_ensembles_at_thresholds(self) -> list[Metric]:
        """Found out on an ensemble of two instants."""
        at = np.ones((1, self.thresholds)) if self.thresholds else None
        tiny = Ensemble.of(np.array([[[1.0, 2.0], [3.0, 4.0]]]), np.array([[1.0, 2.0]]), at)
        with np.errstate(all="ignore"):
            return [metric for metric in self.of(Takes.ENSEMBLE) if np.ndim(metric.kernel(tiny)) > 1]

    @cached_property
    def variables(self) -> tuple[Variable, ...]:
        """Every variable of the scores, in order."""
        made = []
        for metric in self.metrics:
            over = self.over(metric)
            made += [Variable(metric.name, over), Variable(f"{metric.name}_reason", over, np.int8)]
            if self.has_interval(metric):
                made += [Variable(f"{metric.name}_{end}", over) for end in ("low", "high")]
        groups = (("group", len(self.groups)),) if self.groups else ()
        members = (("member", self.members),) if self._counts_members and self.members is not None else ()
        return (*made, Variable(SAMPLE_SIZE, (*members, *groups), np.int64))

    @property
    def _counts_members(self) -> bool:
        """Whether pairs are counted for each member: no metric looks at all of them at the same time."""
        return self.members is not None and not self.of(Takes.ENSEMBLE)

    def check(self) -> None:
        """Raise `InputError` if something that a metric needs was not given."""
        for metric in self.metrics:
            if metric.takes is Takes.TABLE and not self.thresholds:
                raise InputError(f"{metric.title} needs thresholds", hint="pass thresholds=")
            if metric.takes is Takes.ENSEMBLE and self.members is None:
                raise InputError(
                    f"{metric.title} needs an ensemble", has="a simulation without the dimension member",
                    hint="give a simulation over (member, time), or leave the metric out",
                )  # fmt: skip
        for metric in self._of_ensembles_at_thresholds:
            if self.operator != ">=":
                raise InputError(
                    f"{metric.title} counts values at or above a threshold", operator=self.operator, hint="leave it out"
                )
