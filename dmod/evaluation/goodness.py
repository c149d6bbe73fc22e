"""How good a value of a metric is, whatever its scale: a share of full marks, for a colour or a word.

Nothing is scored here: it is what scores scale a value to where nobody says otherwise. Pure.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmod.evaluation.metric import METRICS
from dmod.evaluation.scaling import scale, scaling_bounds

__all__ = ["goodness"]


def goodness(metric: str, values: ArrayLike) -> NDArray[np.float64]:
    """How good values of a metric are, as scores scale them [1]: 1 at the ideal, 0 at the far bound.

    Parameters
    ----------
    metric : str
        Name of the metric.
    values : array of float, any shape
        Values of it.

    Returns
    -------
    array of float, of the same shape
        In [0, 1]; NaN where a value is, and for metrics without a natural scale.

    Examples
    --------
    >>> goodness("kge", [0.25, -3.0]).tolist()
    [0.25, 0.0]
    """
    known = METRICS.get(metric)
    bounds = None if known is None else scaling_bounds(known)
    if known is None or bounds is None:
        return np.full(np.shape(values), np.nan)
    return scale(values, ideal=known.ideal, bounds=bounds)
