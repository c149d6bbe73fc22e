"""Which stretches of time are summed apart, what is asked of them, and the arrays that the sums are put in.

A cell is a group, a block of the bootstrap, or a block of a group; a pool is what shares one mean
observation, from which `Sums.logs` take their epsilon: the whole, or a group.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmod.evaluation.pool import Sums, Table

__all__ = ["Asked", "Cells", "Raw"]

#: Where the code changes more often than after this many instants, instants are put in order first.
_SHORT_RUN = 64


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """A cell for every instant."""

    #: Cell of each instant, shape (time,), in [0, count), or -1 for none; None if there is one cell only.
    codes: NDArray[np.int64] | None
    #: Pool of each cell, shape (count,), numbered from 0.
    pools: NDArray[np.int64]

    @classmethod
    def of(cls, codes: ArrayLike | None, count: int, pools: ArrayLike | None = None) -> Cells:
        """Cells by their codes, each a pool of its own unless *pools* are given.

        Raises
        ------
        ValueError
            If a code is not below *count*.
        """
        if codes is None:
            return cls(None, np.zeros(1, dtype=np.int64))
        numbers = np.asarray(codes, dtype=np.int64)
        if numbers.ndim != 1 or (numbers.size and (numbers.max() >= count or numbers.min() < -1)):
            raise ValueError(f"codes of groups lie in [-1, {count}) and have shape (time,)")
        return cls(numbers, np.arange(count) if pools is None else np.asarray(pools, dtype=np.int64))

    @property
    def count(self) -> int:
        """Number of cells."""
        return self.pools.size

    @property
    def pool_count(self) -> int:
        """Number of pools."""
        return int(self.pools.max()) + 1 if self.pools.size else 0

    def between(self, start: int, stop: int) -> Cells:
        """The same cells, over some of the instants."""
        return self if self.codes is None else Cells(self.codes[start:stop], self.pools)

    def laid_out(self, instants: int) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
        """Runs of instants in one cell, rows of (start, stop, cell), and the order they are taken in if not their own.

        Raises
        ------
        ValueError
            If there are codes for another number of instants.
        """
        if self.codes is None:
            return np.array([[0, instants, 0]], dtype=np.int64), None
        if self.codes.size != instants:
            raise ValueError(f"{self.codes.size} codes of groups for {instants} instants")
        codes, order = self.codes, None
        edges = _edges(codes)
        if edges.size * _SHORT_RUN > instants + self.count * _SHORT_RUN:
            order = np.argsort(codes, kind="stable")
            order = order[np.searchsorted(codes[order], 0) :]
            codes = codes[order]
            edges = _edges(codes)
        if not codes.size:
            return np.empty((0, 3), dtype=np.int64), order
        runs = np.stack([edges[:-1], edges[1:], codes[edges[:-1]]], axis=1)
        return np.ascontiguousarray(runs[runs[:, 2] >= 0]), order


def _edges(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where a run starts, and the end."""
    return np.concatenate([[0], np.flatnonzero(np.diff(codes)) + 1, [codes.size]]).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What is wanted of a pass."""

    #: Of which cells.
    cells: Cells
    #: Whether moments are wanted, and counts if there are thresholds.
    sums: bool = True
    #: Whether moments of logarithms are wanted.
    logs: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Raw:
    """Arrays that a pass fills, the site first."""

    #: Added before a logarithm is taken, shape (site, pool).
    eps: NDArray[np.float64]
    #: n, means, spreads, shared, squared, absolute: shape (site, cell, 8); 0 where there are no pairs.
    sums: NDArray[np.float64]
    #: The same of logarithms; the last is NaN where a pair has none.
    logs: NDArray[np.float64]
    #: Both, simulated, observed events: shape (site, cell, k, 3).
    counts: NDArray[np.int64]

    @classmethod
    def zeros(cls, sites: int, asked: Asked, thresholds: int, eps: NDArray[np.float64] | None = None) -> Raw:
        """Room for *sites*, with *eps* as they are given."""
        count = asked.cells.count
        return cls(
            np.full((sites, asked.cells.pool_count), np.nan) if eps is None else np.array(eps, dtype=np.float64),
            np.zeros((sites, count if asked.sums else 0, 8)),
            np.zeros((sites, count if asked.logs else 0, 8)),
            np.zeros((sites, count, thresholds, 3), dtype=np.int64),
        )

    def of(self, sites: slice) -> Raw:
        """Views of some sites."""
        return Raw(self.eps[sites], self.sums[sites], self.logs[sites], self.counts[sites])

    def as_sums(self) -> Sums:
        """`Sums` of shape (site, cell), with those of logarithms where they were asked for."""
        logs = None
        if self.logs.shape[1]:
            bad = np.isnan(self.logs[..., 7])
            held = np.where(bad[..., None], 0.0, self.logs)
            logs = _sums(held, None)
        return _sums(self.sums, logs)

    def as_table(self, is_threshold: NDArray[np.bool_], *, below: bool) -> Table:
        """`Table` of shape (site, cell, k); with *below* an event is what does not reach the threshold."""
        n = self.sums[:, :, None, 0]
        both, sim, obs = (self.counts[..., at].astype(np.float64) for at in range(3))
        if below:
            both, sim, obs = n - sim - obs + both, n - sim, n - obs
        there = is_threshold[:, None, :]

        def told(count: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.where(there, count, np.nan)

        return Table(told(both), told(obs - both), told(sim - both), told(n - sim - obs + both))


def _sums(held: NDArray[np.float64], logs: Sums | None) -> Sums:
    n = held[..., 0]
    sim_mean, obs_mean, sim_spread, obs_spread, shared, squared, absolute = (
        np.where(n > 0, held[..., at], np.nan) for at in range(1, 8)
    )
    return Sums(n.copy(), sim_mean, obs_mean, sim_spread, obs_spread, shared, squared, absolute, logs)
