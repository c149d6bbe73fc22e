"""From pairs to `Sums` and `Table`: one pass over the series, however many metrics are asked."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmod.evaluation.cells import Asked, Cells, Raw
from dmod.evaluation.merging import pooled
from dmod.evaluation.plain import sweep_plainly
from dmod.evaluation.pool import Sums, Table
from dmod.evaluation.reasons import reasons_of
from dmod.schedule.host_here import cores_here

__all__ = [
    "OPERATORS",
    "SMALL",
    "both_of",
    "in_rows",
    "pooled",
    "reached",
    "reasons_of",
    "sums_of",
    "swept",
    "table_of",
]

Floats = NDArray[np.float64]

#: How a value may stand to a threshold in an event.
OPERATORS: Final = (">=", ">", "<=", "<")
#: So many pairs are summed in numpy sooner than compiled code is there.
SMALL: Final = 200_000
#: So many pairs are worth a second thread.
_WORTH_THREADS: Final = 1_000_000


def sums_of(
    sim: ArrayLike, obs: ArrayLike, *, logs: bool = False, groups: ArrayLike | None = None, count: int = 0
) -> Sums:
    """Moments of the pairs.

    Parameters
    ----------
    sim, obs : array of number, shape (..., time)
        In the same units. Pairs are instants where both are finite.
    logs : bool
        Whether moments of logarithms are wanted too.
    groups : array of int, shape (time,), optional
        Group of each instant in [0, *count*), or -1 where it is in none.
    count : int
        Number of groups.

    Returns
    -------
    Sums
        Of shape (...), or (..., group).

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    return both_of(sim, obs, (), logs=logs, groups=groups, count=count)[0]


def table_of(
    sim: ArrayLike,
    obs: ArrayLike,
    thresholds: ArrayLike,
    *,
    operator: str = ">=",
    groups: ArrayLike | None = None,
    count: int = 0,
) -> Table:
    """Counts of the pairs at thresholds.

    Parameters
    ----------
    sim, obs : array of number, shape (..., time)
        In the same units. Pairs are instants where both are finite.
    thresholds : array of float, shape (k,) or (..., k)
        In the same units; NaN where there is none.
    operator : {">=", ">", "<=", "<"}
        How a value stands to the threshold in an event.
    groups : array of int, shape (time,), optional
        Group of each instant in [0, *count*), or -1 where it is in none.
    count : int
        Number of groups.

    Returns
    -------
    Table
        Of shape (..., k), or (..., group, k).

    Raises
    ------
    ValueError
        If the shapes differ, or there is no such operator.
    """
    return both_of(sim, obs, thresholds, operator=operator, groups=groups, count=count)[1]


def both_of(
    sim: ArrayLike,
    obs: ArrayLike,
    thresholds: ArrayLike,
    *,
    operator: str = ">=",
    logs: bool = False,
    groups: ArrayLike | None = None,
    count: int = 0,
) -> tuple[Sums, Table]:
    """`sums_of` and `table_of` in one pass; arguments as there.

    Raises
    ------
    ValueError
        If the shapes differ, or there is no such operator.
    """
    s, o, at = np.asarray(sim), np.asarray(obs), np.asarray(thresholds, dtype=np.float64)
    if s.shape != o.shape or s.ndim == 0:
        raise ValueError(f"sim and obs must have one shape (..., time), got {s.shape} and {o.shape}")
    lead = s.shape[:-1]
    at = np.broadcast_to(at, (*lead, at.shape[-1])).reshape(math.prod(lead), at.shape[-1])
    asked = Asked(Cells.of(groups, count), logs=logs)
    raw = swept(s, o, reached(at, operator), asked)
    cells = () if groups is None else (asked.cells.count,)
    sums, table = raw.as_sums(), raw.as_table(np.isfinite(at), below=operator in ("<", "<="))
    return sums.shaped(*lead, *cells), table.shaped(*lead, *cells, at.shape[1])


def in_rows(thresholds: Floats) -> Floats:
    """Thresholds of shape (..., k) as (site, k); there may be none."""
    return thresholds.reshape(int(np.prod(thresholds.shape[:-1], dtype=np.int64)), thresholds.shape[-1])


def reached(thresholds: Floats, operator: str) -> Floats:
    """What the values of an event, or of none, reach: the next number where the threshold itself does not count.

    Raises
    ------
    ValueError
        If there is no such operator.
    """
    if operator not in OPERATORS:
        raise ValueError(f"there is no operator {operator!r}; there are {', '.join(OPERATORS)}")
    return np.nextafter(thresholds, np.inf) if operator in (">", "<=") else np.ascontiguousarray(thresholds)


def swept(
    sim: NDArray[Any],
    obs: NDArray[Any],
    thresholds: Floats,
    asked: Asked,
    *,
    eps: Floats | None = None,
    threads: int | None = None,
) -> Raw:
    """The pass itself.

    Parameters
    ----------
    sim, obs : array of number, shape (..., time)
        However they lie in memory.
    thresholds : array of float, shape (site, k)
        As `reached` gives them; a site is a place in (...), counted through.
    asked : Asked
        What is wanted.
    eps : array of float, shape (site, pool), optional
        What is added before a logarithm is taken, where the sums are not asked for.
    threads : int, optional
        How many work at the same time, otherwise one for each core; the result does not depend on it.
    """
    out = Raw.zeros(thresholds.shape[0], asked, thresholds.shape[1], eps)
    wanted = cores_here() if threads is None else threads
    _sweep(sim, obs, asked, thresholds, out, sim.size, wanted if sim.size > _WORTH_THREADS else 1)
    return out


def _sweep(s: Any, o: Any, asked: Asked, thresholds: Floats, out: Raw, size: int, threads: int) -> None:
    """Go through all sites; where several dimensions do not lie in one piece, through the first one by one."""
    if s.ndim == 1:
        s, o = s[None], o[None]
    elif s.ndim > 2 and s.flags.c_contiguous and o.flags.c_contiguous:
        s, o = s.reshape(-1, s.shape[-1]), o.reshape(-1, o.shape[-1])
    if s.ndim > 2:
        step = int(np.prod(s.shape[1:-1], dtype=np.int64))
        for first in range(s.shape[0]):
            here = slice(first * step, (first + 1) * step)
            _sweep(s[first], o[first], asked, thresholds[here], out.of(here), size, threads)
    elif size <= SMALL:
        sweep_plainly(s, o, asked, thresholds, out)
    else:
        from dmod.evaluation.passes import sweep

        sweep(s, o, asked, thresholds, out, threads=threads)
