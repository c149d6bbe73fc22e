"""Sums of parts, merged into those of the whole, as exactly as if the pairs had been summed together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmod.evaluation.pool import Sums

__all__ = ["merged", "pooled"]

Floats = NDArray[np.float64]

#: What is left of a difference of two sums that are equal, as a part of them.
_ROUNDING: Final = 1e-13


def merged(parts: Sequence[Floats]) -> Floats:
    """Moments of several stretches of time, each of shape (..., 8) as `dmod.evaluation.cells.Raw` holds them.

    References
    ----------
    Chan, Golub & LeVeque (1983), Am. Stat. 37, 242-247, doi:10.1080/00031305.1983.10483115.
    """
    held = parts[0].copy()
    for part in parts[1:]:
        n, m = held[..., 0], part[..., 0]
        total = n + m
        share = np.divide(m, total, out=np.zeros_like(total), where=total > 0)
        off = np.where((n > 0)[..., None], part[..., 1:3] - held[..., 1:3], 0.0)
        means = np.where((n > 0)[..., None], held[..., 1:3] + off * share[..., None], part[..., 1:3])
        weight = n * share
        between = np.stack([off[..., 0] ** 2, off[..., 1] ** 2, off[..., 0] * off[..., 1]], axis=-1)
        is_there = (m > 0)[..., None]
        held[..., 1:3] = np.where(is_there, means, held[..., 1:3])
        held[..., 3:6] += part[..., 3:6] + np.where(is_there, between * weight[..., None], 0.0)
        held[..., 6:8] += part[..., 6:8]
        held[..., 0] = total
    return held


def pooled(sums: Sums, weights: ArrayLike) -> Sums:
    """Sums of blocks, merged: as if the pairs of a block stood in the pool as often as its weight says.

    Parameters
    ----------
    sums : Sums
        Of shape (..., block).
    weights : array of float, shape (resample, block)
        How often each block is taken, 0 or more.

    Returns
    -------
    Sums
        Of shape (..., resample). Where a block has a value without a logarithm, no resample has logarithms.
    """
    w = np.asarray(weights, dtype=np.float64).T
    there = sums.n > 0
    n = np.where(there, sums.n, 0.0)
    total = n @ w

    def means(x: Floats) -> tuple[Floats, Floats, Floats]:
        first = np.take_along_axis(x, there.argmax(axis=-1)[..., None], axis=-1)
        middle = first + (n * np.where(there, x - first, 0.0)).sum(axis=-1, keepdims=True) / n.sum(-1, keepdims=True)
        off = np.where(there, x - middle, 0.0)
        return middle + (n * off) @ w / total, off, (n * off) @ w

    def spread(held: Floats, d: Floats, d_sum: Floats, e: Floats, e_sum: Floats) -> Floats:
        between = (n * d * e) @ w
        apart = between - d_sum * e_sum / total
        # Blocks that are level, and all at one height, differ by nothing but rounding.
        return (np.where(there, held, 0.0) @ w) + np.where(np.abs(apart) <= _ROUNDING * np.abs(between), 0.0, apart)

    with np.errstate(invalid="ignore", divide="ignore"):
        sim_mean, d, d_sum = means(sums.sim_mean)
        obs_mean, e, e_sum = means(sums.obs_mean)
        rest = (
            spread(sums.sim_spread, d, d_sum, d, d_sum), spread(sums.obs_spread, e, e_sum, e, e_sum),
            spread(sums.shared, d, d_sum, e, e_sum), np.where(there, sums.squared, 0.0) @ w,
            np.where(there, sums.absolute, 0.0) @ w,
        )  # fmt: skip
    logs = None
    if sums.logs is not None:
        is_bad = (there & (sums.logs.n == 0)).any(axis=-1)[..., None]
        held = pooled(sums.logs, weights)
        logs = held.where(~is_bad)
    return Sums(total, sim_mean, obs_mean, *rest, logs).where(total > 0)
