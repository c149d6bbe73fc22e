"""From the value of a metric to a share of full marks, and from a grade to a letter.

Straight lines: 1 at the ideal, 0 at the far scaling bound. Pure: values in, values out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmod.evaluation.metric import Metric, Towards

__all__ = ["GRADES", "Bounds", "letter", "scale", "scaling_bounds"]

Floats = NDArray[np.float64]
#: Smallest and largest value between which a metric is scaled.
Bounds = tuple[float, float]

#: Letters and the lowest grade [%] of each; what is below them all is an F.
GRADES: tuple[tuple[str, float], ...] = (
    ("A+", 96.66), ("A", 93.33), ("A-", 90.0), ("B+", 86.66), ("B", 83.33), ("B-", 80.0),
    ("C+", 76.66), ("C", 73.33), ("C-", 70.0), ("D+", 66.66), ("D", 63.33), ("D-", 60.0),
)  # fmt: skip


def letter(grade: float) -> str:
    """The letter of a *grade* [%].

    >>> letter(68.48), letter(96.66), letter(59.9), letter(float("nan"))
    ('D+', 'A+', 'F', '-')
    """
    if np.isnan(grade):
        return "-"
    return next((name for name, lowest in GRADES if grade >= lowest), "F")


def scale(values: ArrayLike, *, ideal: float, bounds: Bounds) -> Floats:
    """*values* on a straight line: 1 at the *ideal*, 0 at and beyond the far bound, on either side of it.

    Parameters
    ----------
    values : array of float, any shape
        Values of a metric.
    ideal : float
        Value of a perfect simulation, within *bounds*.
    bounds : (float, float)
        Scaling bounds, finite; they may be narrower than what the metric can be.

    Returns
    -------
    array of float, of the same shape
        In [0, 1] [1]; NaN where a value is.

    Examples
    --------
    >>> scale([0.75, -3.0], ideal=1.0, bounds=(0.0, 1.0)).tolist()
    [0.75, 0.0]
    >>> scale([1.0, 1.5, 10.0], ideal=1.0, bounds=(0.0, 2.0)).tolist()
    [1.0, 0.5, 0.0]
    """
    value = np.asarray(values, dtype=np.float64)
    below, above = ideal - bounds[0], bounds[1] - ideal
    reach = np.where(value < ideal, below, above)
    with np.errstate(invalid="ignore", divide="ignore"):
        off = np.where(value == ideal, 0.0, np.abs(value - ideal) / np.where(reach > 0, reach, np.nan))
    # A bound at the ideal: there is no worse on that side.
    off = np.where((reach <= 0) & np.isfinite(value), 0.0, off)
    scaled: Floats = np.where(np.isnan(value), np.nan, np.clip(1.0 - off, 0.0, 1.0))
    return scaled


def scaling_bounds(metric: Metric) -> Bounds | None:
    """Between which values *metric* is scaled where nobody says; None where it has no natural scale.

    An ideal of 1 is scaled from 0, as the original does, and where nothing bounds the metric above
    down again to 0 at 2; a relative error between one whole observation less and one more. An error
    in the units of the flow has no natural scale.
    """
    lowest, highest = metric.bounds
    if not np.isfinite(metric.ideal):
        return None
    if metric.ideal == 1.0:
        return max(lowest, 0.0), highest if np.isfinite(highest) else 2.0
    if metric.towards is Towards.LOWER:  # what is below the ideal is no worse than it
        lowest = max(lowest, metric.ideal)
    whole = {"%": 100.0, "1": 1.0}.get(metric.units)
    if metric.ideal == 0.0 and whole is not None:
        return max(lowest, -whole), min(highest, whole)
    if np.isfinite(lowest) and np.isfinite(highest):
        return lowest, highest
    return None
