"""Compiled passes over series: everything that metrics of sums and of tables need, read from memory once.

A site's series go through a scratch buffer of `PIECE` pairs that stays in the nearest cache. There
they are summed in two passes, mean first, in float64, and pieces are merged as Chan et al. (1983)
do. Sites are shared out to threads; each is summed in one order whatever their number. The
logarithm is written out so that the compiler works on several values at a time.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numba import boolean, float32, float64, int64, njit, types, void

if TYPE_CHECKING:
    from dmod.evaluation.cells import Asked, Raw

__all__ = ["PIECE", "ln", "sweep"]

#: Pairs in the scratch buffer; two of them and what is read take half of a usual nearest cache.
PIECE: Final = 1024
#: Pairs that a thread takes at a time.
_SHARE: Final = 1 << 18
#: Sites that are copied together where sites, not instants, lie next to each other in memory.
_TOGETHER: Final = 64

_MAX: Final = float(np.finfo(np.float64).max)
_TINY: Final = float(np.finfo(np.float64).tiny)
#: Where the standard deviation is below this part of the mean, the mean's rounding is taken out.
_LEVEL: Final = 1e-4

# Bits of a float64: exponents, and how far sqrt(1/2) lies below 1.
_EXPONENT = np.uint64(52)
_ONE = np.uint64(0x3FF0000000000000)
_BELOW_ONE = np.uint64(0x3FF0000000000000 - 0x3FE6A09E667F3BCD)
_INTEGER = np.uint64(0x4330000000000000)
_INTEGER_ZERO: Final = 4503599627370496.0 + 1023.0
# ln 2 in two parts; a whole number up to 2**11 times the first is exact.
_LN2_HIGH: Final = 0.6931471803691238
_LN2_LOW: Final = 1.9082149292705877e-10
# (2 artanh(u) - 2 u) / u^3 as a polynomial in u^2, by interpolation at the Chebyshev nodes of
# [0, (3 - 2 sqrt(2))^2]; off by 3e-16 at most.
_Q0: Final = 0.666666666666667
_Q1: Final = 0.39999999999899444
_Q2: Final = 0.2857142862600327
_Q3: Final = 0.22222211130259878
_Q4: Final = 0.18182889455674947
_Q5: Final = 0.15331710618210773
_Q6: Final = 0.14616585424888623

# Sums may be taken in lanes, products added without rounding between; NaN stays NaN.
_LANES: Final = {"reassoc", "contract"}


@njit(nogil=True, error_model="numpy", fastmath={"contract"}, forceinline=True)
def ln(x: Any) -> Any:
    """Natural logarithm of a positive normal number, within one unit in the last place; else nonsense.

    ``x = 2**k m`` with m in [sqrt(1/2), sqrt(2)), and ``ln m = 2 artanh(u)`` with ``u = (m - 1) / (m + 1)``.
    """
    bits = np.float64(x).view(np.uint64)
    exponent = (bits + _BELOW_ONE) >> _EXPONENT
    f = np.uint64(bits + _ONE - (exponent << _EXPONENT)).view(np.float64) - 1.0
    k = np.uint64(exponent | _INTEGER).view(np.float64) - _INTEGER_ZERO
    u = f / (2.0 + f)
    z = u * u
    z2 = z * z
    q = (_Q0 + _Q1 * z) + z2 * (_Q2 + _Q3 * z) + (z2 * z2) * ((_Q4 + _Q5 * z) + z2 * _Q6)
    return k * _LN2_HIGH + (f - (u * (f - z * q) - k * _LN2_LOW))


@njit(nogil=True, error_model="numpy", fastmath=_LANES)
def _fill(sim: Any, obs: Any, s: Any, o: Any) -> Any:
    """Put a piece into the scratch, NaN in both where one is not finite; number and sums of the pairs."""
    n, sim_sum, obs_sum = 0, 0.0, 0.0
    for t in range(sim.size):
        x, y = np.float64(sim[t]), np.float64(obs[t])
        is_pair = (abs(x) <= _MAX) & (abs(y) <= _MAX)
        s[t] = x if is_pair else np.nan
        o[t] = y if is_pair else np.nan
        n += 1 if is_pair else 0
        sim_sum += x if is_pair else 0.0
        obs_sum += y if is_pair else 0.0
    return n, sim_sum, obs_sum


@njit(nogil=True, error_model="numpy", fastmath=_LANES)
def _fill_logs(sim: Any, obs: Any, eps: Any, s: Any, o: Any) -> Any:
    """`_fill` with logarithms, and whether there are pairs whose logarithm was not taken."""
    n, pairs, sim_sum, obs_sum = 0, 0, 0.0, 0.0
    for t in range(sim.size):
        x, y = np.float64(sim[t]), np.float64(obs[t])
        pairs += 1 if (abs(x) <= _MAX) & (abs(y) <= _MAX) else 0
        x += eps
        y += eps
        is_normal = (x >= _TINY) & (y >= _TINY) & (x + y <= _MAX)
        x = ln(x)
        y = ln(y)
        s[t] = x if is_normal else np.nan
        o[t] = y if is_normal else np.nan
        n += 1 if is_normal else 0
        sim_sum += x if is_normal else 0.0
        obs_sum += y if is_normal else 0.0
    return n, sim_sum, obs_sum, pairs > n


@njit(nogil=True, error_model="numpy")
def _fill_odd_logs(sim: Any, obs: Any, eps: Any, s: Any, o: Any) -> Any:
    """`_fill_logs` one by one: subnormal numbers have a logarithm; and whether one has none."""
    n, sim_sum, obs_sum = 0, 0.0, 0.0
    for t in range(sim.size):
        x, y = np.float64(sim[t]), np.float64(obs[t])
        s[t] = o[t] = np.nan
        if abs(x) <= _MAX and abs(y) <= _MAX:
            x += eps
            y += eps
            if not (0.0 < x <= _MAX and 0.0 < y <= _MAX):
                return 0, 0.0, 0.0, True
            s[t], o[t] = math.log(x), math.log(y)
            n += 1
            sim_sum += s[t]
            obs_sum += o[t]
    return n, sim_sum, obs_sum, False


@njit(nogil=True, error_model="numpy", fastmath=_LANES)
def _centred(s: Any, o: Any, sim_mean: float, obs_mean: float) -> Any:
    """Sums of squared deviations and of their product, and of squared and absolute errors."""
    xx, yy, xy, squared, absolute = 0.0, 0.0, 0.0, 0.0, 0.0
    for t in range(s.size):
        is_pair = s[t] == s[t]
        d = s[t] - sim_mean if is_pair else 0.0
        e = o[t] - obs_mean if is_pair else 0.0
        w = s[t] - o[t] if is_pair else 0.0
        xx += d * d
        yy += e * e
        xy += d * e
        squared += w * w
        absolute += abs(w)
    return xx, yy, xy, squared, absolute


@njit(nogil=True, error_model="numpy", fastmath=_LANES)
def _count(s: Any, o: Any, at: float, out: Any) -> None:
    """Add how often both, the simulation and the observation reach *at*."""
    both, sim_count, obs_count = 0, 0, 0
    for t in range(s.size):
        p, q = s[t] >= at, o[t] >= at
        both += 1 if p & q else 0
        sim_count += 1 if p else 0
        obs_count += 1 if q else 0
    out[0] += both
    out[1] += sim_count
    out[2] += obs_count


@njit(nogil=True, error_model="numpy")
def _settled(x: Any, n: int, mean: float, spread: float) -> Any:
    """The mean, what rounding left out of it, and the spread; exact where values hardly vary."""
    if spread > n * (_LEVEL * mean) ** 2:
        return mean, 0.0, spread
    first, varies, off = np.nan, False, 0.0
    for value in x:
        if not math.isnan(value):
            first = value if math.isnan(first) else first
            varies |= value != first
            off += value - mean
    return (mean, off / n, max(spread - off * off / n, 0.0)) if varies else (first, 0.0, 0.0)


@njit(nogil=True, error_model="numpy")
def _merge(held: Any, base: Any, n: int, sim_sum: float, obs_sum: float, s: Any, o: Any) -> None:
    """Merge the piece in the scratch into what is held of its cell; means are held as differences from *base*."""
    if n == 0:
        return
    xx, yy, xy, squared, absolute = _centred(s, o, sim_sum / n, obs_sum / n)
    sim_mean, sim_rest, xx = _settled(s, n, sim_sum / n, xx)
    obs_mean, obs_rest, yy = _settled(o, n, obs_sum / n, yy)
    if xx == 0.0 or yy == 0.0:
        xy = 0.0
    if held[0] == 0.0:
        base[0], base[1] = sim_mean, obs_mean
    total = held[0] + n
    d = (sim_mean - base[0]) + sim_rest - held[1]
    e = (obs_mean - base[1]) + obs_rest - held[2]
    weight = held[0] * n / total
    held[1] += d * n / total
    held[2] += e * n / total
    held[3] += xx + d * d * weight
    held[4] += yy + e * e * weight
    held[5] += xy + d * e * weight
    held[6] += squared
    held[7] += absolute
    held[0] = total


@njit(nogil=True, error_model="numpy")
def _finish(held: Any, base: Any) -> None:
    """Means of all cells as they are."""
    for cell in range(held.shape[0]):
        if held[cell, 0] > 0:
            held[cell, 1] += base[cell, 0]
            held[cell, 2] += base[cell, 1]


@njit(nogil=True, error_model="numpy")
def _eps(sums: Any, pools: Any, eps: Any, n: Any) -> None:
    """A hundredth of the mean observation of each pool."""
    n[:] = 0.0
    for cell in range(pools.size):
        if sums[cell, 0] > 0:
            pool = pools[cell]
            n[pool] += sums[cell, 0]
            held = eps[pool] if n[pool] > sums[cell, 0] else sums[cell, 2]
            eps[pool] = held + (sums[cell, 2] - held) * (sums[cell, 0] / n[pool])
    for pool in range(eps.size):
        eps[pool] = 0.01 * eps[pool] if n[pool] > 0 else np.nan


@njit(nogil=True, error_model="numpy")
def _sum_logs(sim: Any, obs: Any, start: int, stop: int, eps: float, s: Any, o: Any, held: Any, base: Any) -> None:
    """Logarithms of a run, merged into what is held of its cell; a NaN at the end where one has none."""
    for a in range(start, stop, PIECE):
        b = min(a + PIECE, stop)
        u, v, x, y = sim[a:b], obs[a:b], s[: b - a], o[: b - a]
        n, sim_sum, obs_sum, is_odd = _fill_logs(u, v, eps, x, y)
        if is_odd:
            n, sim_sum, obs_sum, is_bad = _fill_odd_logs(u, v, eps, x, y)
            if is_bad:
                held[7] = np.nan
        _merge(held, base, n, sim_sum, obs_sum, x, y)


def _signature(number: Any) -> Any:
    """What `_pass` is compiled for: only read what it is given, in rows without gaps."""

    def given(of: Any, dims: int) -> Any:
        return types.Array(of, dims, "C", readonly=True)

    return void(
        given(number, 2), given(number, 2), given(int64, 2), given(int64, 1), given(float64, 2), boolean, boolean,
        float64[:, ::1], float64[:, :, ::1], float64[:, :, ::1], int64[:, :, :, ::1],
    )  # fmt: skip


@njit([_signature(float64), _signature(float32)], cache=True, nogil=True, error_model="numpy")
def _pass(
    sim: Any,
    obs: Any,
    runs: Any,
    pools: Any,
    thresholds: Any,
    wants_sums: bool,
    wants_logs: bool,
    eps: Any,
    sums: Any,
    logs: Any,
    counts: Any,
) -> None:
    """One site after the other; *eps* is written with the sums and read without them."""
    s, o = np.empty(PIECE), np.empty(PIECE)
    room, base = np.empty(eps.shape[1]), np.empty((pools.size, 2))
    for site in range(sim.shape[0]):
        for run in range(runs.shape[0] if wants_sums else 0):
            cell = runs[run, 2]
            for a in range(runs[run, 0], runs[run, 1], PIECE):
                b = min(a + PIECE, runs[run, 1])
                x, y = s[: b - a], o[: b - a]
                n, sim_sum, obs_sum = _fill(sim[site, a:b], obs[site, a:b], x, y)
                _merge(sums[site, cell], base[cell], n, sim_sum, obs_sum, x, y)
                for k in range(thresholds.shape[1]):
                    _count(x, y, thresholds[site, k], counts[site, cell, k])
        _finish(sums[site], base)
        if wants_logs:
            if wants_sums:
                _eps(sums[site], pools, eps[site], room)
            for run in range(runs.shape[0]):
                cell = runs[run, 2]
                _sum_logs(
                    sim[site], obs[site], runs[run, 0], runs[run, 1], eps[site, pools[cell]], s, o, logs[site, cell],
                    base[cell],
                )  # fmt: skip
            _finish(logs[site], base)


def sweep(sim: Any, obs: Any, asked: Asked, thresholds: Any, out: Raw, *, threads: int) -> None:
    """Sum *sim* and *obs*, both of shape (site, time), into *out*.

    Parameters
    ----------
    sim, obs : array of number, shape (site, time)
        However they lie in memory; what is not in rows of float32 or float64 is copied some sites at a time.
    asked : Asked
        What is wanted, and of which cells.
    thresholds : array of float, shape (site, k)
        An event is a value at or above one.
    out : Raw
        Zeros; its ``eps`` is given where the sums are not asked for.
    threads : int
        How many work at the same time; the result does not depend on it.
    """
    sites, instants = sim.shape
    kind = np.float32 if sim.dtype == obs.dtype == np.float32 else np.float64
    runs, order = asked.cells.laid_out(instants)
    step = max(1, _SHARE // max(instants, 1))
    if not (sim.flags.c_contiguous and obs.flags.c_contiguous):
        step = max(step, _TOGETHER)

    def rows(x: Any) -> Any:
        taken = x if order is None else np.take(x, order, axis=1)
        return np.ascontiguousarray(taken, dtype=kind)

    def share(first: int) -> None:
        here = slice(first, min(first + step, sites))
        part = out.of(here)
        _pass(
            rows(sim[here]), rows(obs[here]), runs, asked.cells.pools, thresholds[here], asked.sums, asked.logs,
            part.eps, part.sums, part.logs, part.counts,
        )  # fmt: skip

    starts = range(0, sites, step)
    if threads < 2 or len(starts) < 2:
        for first in starts:
            share(first)
        return
    with ThreadPoolExecutor(min(threads, len(starts))) as pool:
        for _ in pool.map(share, starts):
            pass
