"""Why a metric has no value: the first of its needs that the sums or the table do not meet."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dmod.evaluation.pool import Need, Sums, Table

__all__ = ["reason_number", "reasons_of"]


@functools.cache
def reason_number(need: Need) -> int:
    """The number of *need* as a reason: 0 is none.

    Examples
    --------
    >>> reason_number(Need.PAIRS)
    1
    """
    return list(Need).index(need) + 1


def reasons_of(needs: Sequence[Need], sums: Sums | None = None, table: Table | None = None) -> NDArray[np.int8]:
    """Why a metric with these *needs* is undefined.

    Parameters
    ----------
    needs : sequence of Need
        In the order in which they are told; what neither sums nor table can tell is passed over.
    sums : Sums, optional
        Of shape (...).
    table : Table, optional
        Of shape (..., k).

    Returns
    -------
    array of int8, shape (...) or, with a table, (..., k)
        0 where it is defined, otherwise 1 + the place in ``list(Need)`` of the first need that fails.

    Raises
    ------
    ValueError
        If there are neither sums nor a table.
    """
    if table is not None:
        shape: tuple[int, ...] = table.hits.shape
    elif sums is not None:
        shape = sums.n.shape
    else:
        raise ValueError("reasons are told from sums, a table, or both")
    reasons = np.zeros(shape, dtype=np.int8)
    for need in needs:
        if table is not None and need in _FAILS_IN_TABLE:
            fails = _FAILS_IN_TABLE[need](table)
        elif sums is not None and need in _FAILS_IN_SUMS:
            fails = _FAILS_IN_SUMS[need](sums)
            fails = fails if table is None else fails[..., None]
        elif table is not None and need in _FAILS_IN_COUNT:
            fails = _FAILS_IN_COUNT[need](table.n)
        else:
            continue
        reasons = np.where((reasons == 0) & fails, np.int8(reason_number(need)), reasons)
    return reasons


_Fails = Callable[[Any], Any]

_FAILS_IN_COUNT: Final[dict[Need, _Fails]] = {Need.PAIRS: lambda n: n == 0, Need.TWO_PAIRS: lambda n: n < 2}
_FAILS_IN_SUMS: Final[dict[Need, _Fails]] = {
    Need.PAIRS: lambda x: x.n == 0,
    Need.TWO_PAIRS: lambda x: x.n < 2,
    Need.OBS_VARIES: lambda x: ~(x.obs_spread > 0),
    Need.SIM_VARIES: lambda x: ~(x.sim_spread > 0),
    Need.OBS_MEAN: lambda x: x.obs_mean == 0,
    Need.SIM_MEAN: lambda x: x.sim_mean == 0,
    Need.POSITIVE_OBS_MEAN: lambda x: ~(x.obs_mean > 0),
    Need.LOGS: lambda x: (x.n > 0) & (x.logs.n == 0) if x.logs is not None else np.zeros(x.n.shape, dtype=bool),
}
_FAILS_IN_TABLE: Final[dict[Need, _Fails]] = {
    Need.THRESHOLD: lambda x: np.isnan(x.hits),
    Need.OBS_EVENTS: lambda x: x.hits + x.misses == 0,
    Need.OBS_NON_EVENTS: lambda x: x.false_alarms + x.correct_negatives == 0,
    Need.SIM_EVENTS: lambda x: x.hits + x.false_alarms == 0,
    Need.EVENTS: lambda x: x.hits + x.misses + x.false_alarms == 0,
    Need.SIM_NON_EVENTS: lambda x: x.misses + x.correct_negatives == 0,
    Need.NON_EVENTS: lambda x: x.misses + x.false_alarms + x.correct_negatives == 0,
    Need.MISSES: lambda x: x.misses == 0,
    Need.FALSE_ALARMS: lambda x: x.false_alarms == 0,
}
