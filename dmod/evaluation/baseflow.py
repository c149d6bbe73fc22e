"""Baseflow: the slow part of the flow, by the recursive filter of Lyne and Hollick.

Three passes, forward, backward and forward, each started with all flow being baseflow and
thirty steps mirrored at both ends. The parameter is 0.925 per day; of a step of another
length it is the power that keeps the same recession.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from dmod.evaluation.arithmetic import Floats

__all__ = ["baseflow"]

#: Parameter of the filter for a step of one day.
_PER_DAY: Final = 0.925
_PASSES: Final = 3
_MIRRORED: Final = 30


def baseflow(flow: Floats, hours: Floats) -> Floats:
    """Baseflow of *flow*, in its units.

    Parameters
    ----------
    flow : array of float, shape (..., time)
        NaN where missing; straight lines bridge what is.
    hours : array of float, shape (time,)
        When [h], increasing in about equal steps.

    Returns
    -------
    array of float, shape (..., time)
        Between zero and the flow where that is not negative; NaN where a whole series is.

    References
    ----------
    Lyne & Hollick (1979), Inst. Eng. Aust. Natl. Conf. Publ. 79/10, 89-93; Ladson et al. (2013),
    Australas. J. Water Resour. 17, 25-34, doi:10.7158/13241583.2013.11465417.

    Examples
    --------
    >>> baseflow(np.array([1.0, 1.0, 9.0, 1.0, 1.0]), np.arange(5.0) * 24).round(2).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    length = flow.shape[-1]
    if length < 2:
        return flow.copy()
    whole = _bridged(flow.reshape(-1, length), hours)
    keep = _PER_DAY ** (float(np.median(np.diff(hours))) / 24.0)
    mirrored = min(_MIRRORED, length - 1)
    slow = np.pad(whole, ((0, 0), (mirrored, mirrored)), mode="reflect")
    from dmod.evaluation.baseflow_filter import take_quick_flow_out

    take_quick_flow_out(slow, keep, _PASSES)
    return slow[:, mirrored : mirrored + length].reshape(flow.shape)


def _bridged(flow: Floats, hours: Floats) -> Floats:
    """*flow*, shape (place, time), with straight lines where values are missing."""
    whole = flow.copy()
    for row in whole:
        there = np.isfinite(row)
        if there.any() and not there.all():
            row[~there] = np.interp(hours[~there], hours[there], row[there])
    return whole
