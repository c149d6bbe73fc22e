"""Events: stretches of time in which flow stands out, found by a threshold or above a baseline.

The baseline is that of a decomposition of the series (Regina & Ogden): flow is smoothed,
its lowest values within a window are the trend, and what is left above twice the median
of the rest is an event.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmod.evaluation.arithmetic import Floats

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Events", "above", "event_table", "events_of", "matched", "runs", "storms"]

Mask = NDArray[np.bool_]

#: A step so many times the usual one ends an event.
_BREAK = 1.5
#: What stands out by less than this part of the largest flow is rounding.
_NOISE = 1e-9


@dataclass(frozen=True, slots=True)
class Events:
    """Events of one series in order, each array of shape (event,)."""

    #: Position of the first, the largest and the last value of each.
    first: NDArray[np.intp]
    top: NDArray[np.intp]
    last: NDArray[np.intp]
    #: Largest flow, in the units of the flow.
    peak: Floats
    #: Area under the flow from first to last, in the units of the flow times hour.
    volume: Floats

    def __len__(self) -> int:
        """Number of events."""
        return len(self.first)


def above(flow: ArrayLike, threshold: float) -> Mask:
    """Where *flow* is at or above *threshold*.

    Examples
    --------
    >>> above([1.0, 5.0], 5.0).tolist()
    [False, True]
    """
    return np.asarray(np.asarray(flow, dtype=np.float64) >= threshold)


def storms(
    flow: Floats,
    hours: Floats,
    *,
    half_life_h: float = 6.0,
    window_h: float = 168.0,
    least_h: float = 6.0,
    start_within_h: float = 0.0,
) -> Mask:
    """Where *flow* stands above its own baseline.

    Parameters
    ----------
    flow : array of float, shape (time,)
        Free of NaN.
    hours : array of float, shape (time,)
        When [h], increasing.
    half_life_h : float, optional
        Half-life of the exponential smoothing that takes noise away [h].
    window_h : float, optional
        Window of the running minimum [h]; longer than an event.
    least_h : float, optional
        Events shorter than this are noise [h].
    start_within_h : float, optional
        So far from where an event was found its start is moved to the lowest flow [h].

    Returns
    -------
    array of bool, shape (time,)

    Examples
    --------
    >>> flow = np.concatenate([np.ones(200), 1 + 9 * np.exp(-np.arange(100) / 20)])
    >>> np.flatnonzero(storms(flow, np.arange(300.0)))[0].item()
    200
    """
    import pandas as pd

    if len(flow) < 2:
        return np.zeros(len(flow), dtype=bool)
    times = pd.to_timedelta(hours, unit="h") + pd.Timestamp(0)
    half_life: Any = pd.Timedelta(hours=half_life_h)
    smooth = pd.Series(flow, times).ewm(halflife=half_life, times=times.to_numpy()).mean()
    span = pd.Timedelta(hours=window_h)
    behind = smooth.rolling(span).min().to_numpy()
    mirrored = pd.Series(smooth.to_numpy()[::-1], times[-1] - times[::-1] + pd.Timestamp(0))
    ahead = mirrored.rolling(span).min().to_numpy()[::-1]
    over = smooth.to_numpy() - np.maximum(behind, ahead)
    found = over > max(2.0 * float(np.median(over)), _NOISE * float(np.abs(flow).max()))
    mask = np.zeros(len(flow), dtype=bool)
    for first, last in zip(*runs(found, hours), strict=True):
        if hours[last] - hours[first] < least_h:
            continue
        start = first
        if start_within_h > 0.0:
            near = np.flatnonzero(np.abs(hours - hours[first]) <= start_within_h)
            start = near[flow[near].argmin()]
        mask[start : last + 1] = True
    return mask


def runs(mask: Mask, hours: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First and last position of each stretch of *mask*; a gap in time ends one.

    Examples
    --------
    >>> first, last = runs(np.array([True, True, False, True]), np.arange(4.0))
    >>> first.tolist(), last.tolist()
    ([0, 3], [1, 3])
    """
    steps = np.diff(hours)
    broken = np.zeros(len(mask), dtype=bool)
    if len(steps):
        broken[1:] = steps > _BREAK * np.median(steps)
    before, after = np.zeros(len(mask), dtype=bool), np.zeros(len(mask), dtype=bool)
    before[1:] = mask[:-1] & ~broken[1:]
    after[:-1] = mask[1:] & ~broken[1:]
    return np.flatnonzero(mask & ~before), np.flatnonzero(mask & ~after)


def events_of(mask: Mask, flow: Floats, hours: Floats) -> Events:
    """The events that *mask* marks in *flow*."""
    first, last = runs(mask, hours)
    area = np.concatenate([[0.0], np.cumsum(np.diff(hours) * (flow[1:] + flow[:-1]) / 2.0)])
    pairs = list(zip(first, last, strict=True))
    top = np.array([a + flow[a : b + 1].argmax() for a, b in pairs], dtype=np.intp)
    return Events(first, top, last, flow[top], area[last] - area[first])


def event_table(flow: ArrayLike, times: ArrayLike, mask: Mask) -> pd.DataFrame:
    """The events that *mask* marks, one row each.

    Parameters
    ----------
    flow : array of float, shape (time,)
        Free of NaN.
    times : array of datetime64, shape (time,)
        Increasing.
    mask : array of bool, shape (time,)
        Of `above` or `storms`.

    Returns
    -------
    pandas.DataFrame
        ``start``, ``peak_time``, ``end``; ``peak`` in the units of the flow, ``volume`` in these times hour.

    Examples
    --------
    >>> times = np.datetime64("2016-09-01", "h") + np.arange(4)
    >>> event_table([1.0, 5.0, 7.0, 1.0], times, above([1.0, 5.0, 7.0, 1.0], 4.0))[["peak", "volume"]].values.tolist()
    [[7.0, 6.0]]
    """
    import pandas as pd

    q, at = np.asarray(flow, dtype=np.float64), np.asarray(times).astype("datetime64[ns]")
    hours = (at - at[0]) / np.timedelta64(1, "h") if len(at) else np.zeros(0)
    found = events_of(np.asarray(mask, dtype=bool), q, hours)
    return pd.DataFrame(
        {
            "start": at[found.first],
            "peak_time": at[found.top],
            "end": at[found.last],
            "peak": found.peak,
            "volume": found.volume,
        }
    )


def matched(sim: Events, obs: Events, hours: Floats) -> list[tuple[int, int]]:
    """Which simulated event is which observed one.

    The largest observed event chooses first: of the simulated events that overlap it in time
    and are still free, the one whose peak is nearest.

    Returns
    -------
    list of (int, int)
        Number of the simulated and of the observed event, by observed event.
    """
    free, pairs = np.ones(len(sim), dtype=bool), []
    starts = np.searchsorted(sim.last, obs.first)
    stops = np.searchsorted(sim.first, obs.last, side="right")
    for number in np.argsort(-obs.peak, kind="stable"):
        overlapping = np.arange(starts[number], stops[number])
        overlapping = overlapping[free[overlapping]]
        if len(overlapping):
            away = np.abs(hours[sim.top[overlapping]] - hours[obs.top[number]])
            best = overlapping[away.argmin()]
            free[best] = False
            pairs.append((int(best), int(number)))
    return sorted(pairs, key=lambda pair: pair[1])
