"""The pass of `dmod.evaluation.passes` in numpy: for small pools, where compiled code does not pay, and to check it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmod.evaluation.cells import Asked, Raw

__all__ = ["sweep_plainly"]

Floats = NDArray[np.float64]


def sweep_plainly(
    sim: NDArray[np.generic], obs: NDArray[np.generic], asked: Asked, thresholds: Floats, out: Raw
) -> None:
    """Sum *sim* and *obs* of shape (site, time) into *out*; arguments as `dmod.evaluation.passes.sweep` takes them."""
    runs, order = asked.cells.laid_out(sim.shape[1])
    for site in range(sim.shape[0]):
        s, o = np.asarray(sim[site], dtype=np.float64), np.asarray(obs[site], dtype=np.float64)
        if order is not None:
            s, o = s[order], o[order]
        cells: dict[int, list[slice]] = {}
        for start, stop, cell in runs.tolist():
            cells.setdefault(cell, []).append(slice(start, stop))
        pairs = {cell: _pairs(s, o, parts) for cell, parts in cells.items()}
        if asked.sums:
            for cell, (x, y) in pairs.items():
                out.sums[site, cell] = _moments(x, y)
                out.counts[site, cell] = _counts(x, y, thresholds[site])
        if asked.logs:
            if asked.sums:
                out.eps[site] = _eps(out.sums[site], asked)
            for cell, (x, y) in pairs.items():
                out.logs[site, cell] = _log_moments(x, y, out.eps[site, asked.cells.pools[cell]])


def _pairs(s: Floats, o: Floats, parts: list[slice]) -> tuple[Floats, Floats]:
    x = s[parts[0]] if len(parts) == 1 else np.concatenate([s[part] for part in parts])
    y = o[parts[0]] if len(parts) == 1 else np.concatenate([o[part] for part in parts])
    there = np.isfinite(x) & np.isfinite(y)
    return (x, y) if there.all() else (x[there], y[there])


def _moments(x: Floats, y: Floats) -> Floats:
    """The eight numbers of `Raw.sums`; a series that never varies has its value as mean and exactly no spread."""
    held = np.zeros(8)
    if not x.size:
        return held
    with np.errstate(over="ignore", invalid="ignore"):
        means = [float(v.mean()) if v.min() < v.max() else float(v[0]) for v in (x, y)]
        dx, dy, error = x - means[0], y - means[1], x - y
        held[:] = (
            x.size, *means, np.dot(dx, dx), np.dot(dy, dy), np.dot(dx, dy), np.dot(error, error), np.abs(error).sum(),
        )  # fmt: skip
    return held


def _log_moments(x: Floats, y: Floats, eps: float) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        u, v = np.log(x + eps), np.log(y + eps)
    if np.isfinite(u).all() and np.isfinite(v).all():
        return _moments(u, v)
    return np.full(8, np.nan)


def _counts(x: Floats, y: Floats, thresholds: Floats) -> NDArray[np.int64]:
    sim, obs = x >= thresholds[:, None], y >= thresholds[:, None]
    return np.stack([(sim & obs).sum(axis=1), sim.sum(axis=1), obs.sum(axis=1)], axis=1)


def _eps(sums: Floats, asked: Asked) -> Floats:
    """A hundredth of the mean observation of each pool."""
    eps = np.full(asked.cells.pool_count, np.nan)
    for pool in range(eps.size):
        n, mean = sums[asked.cells.pools == pool][:, [0, 2]].T
        if n.any():
            first = mean[n > 0][0]
            eps[pool] = 0.01 * (first + (n * (mean - first))[n > 0].sum() / n.sum())
    return eps
