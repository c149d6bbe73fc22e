"""Which stretch of time each value of a series stands for, told by its instants alone.

`axis_of` knows months, days of a zone with summer time, and fixed steps with gaps in them. An interval
never reaches beyond the next instant; one whose end cannot be told is left out, and the notes say so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Axis", "Side", "axis_of", "grid_of", "months_in", "span_in_words"]

Side = Literal["left", "right"]

_HOUR, _DAY = 3_600_000_000_000, 86_400_000_000_000
#: Mean length of a month in the Gregorian calendar [ns].
_MONTH = 30.436875 * _DAY
#: Part of the steps that are equal where others are strays.
_MOST = 0.9
#: Local midnights of the lands furthest east are at this hour of UTC, or later [h].
_EAST = 11
_CALENDAR = re.compile(r"(\d*)\s*(MS|ME|M|QS|QE|Q|YS|YE|Y|months?|quarters?|years?)")
_MONTHS = {"M": 1, "Q": 3, "Y": 12, "m": 1, "q": 3, "y": 12}


@dataclass(frozen=True, eq=False)
class Axis:
    """Intervals of time, one for each label, increasing and not overlapping."""

    #: At what instants their values stand, UTC.
    labels: pd.DatetimeIndex
    #: First edge of each, UTC; NaT where it cannot be told.
    starts: pd.DatetimeIndex
    #: Last edge of each, UTC; NaT where it cannot be told.
    ends: pd.DatetimeIndex
    #: How long they are; of months the mean.
    length: pd.Timedelta
    #: The same as people write it.
    words: str
    #: What was assumed.
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Clock:
    """Instants as the clock on the wall shows them where all of them are at one time of the day."""

    local: pd.DatetimeIndex
    utc: pd.DatetimeIndex
    zone: str | None = None

    @property
    def is_moved(self) -> bool:
        """Whether summer time comes and goes."""
        return self.zone is not None or len(np.unique((self.utc - self.local).asi8)) > 1

    def back(self, edges: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """Edges in UTC; NaT where summer time may have changed at a day that nobody knows."""
        if self.zone is not None:
            first: Any = np.ones(len(edges), dtype=bool)
            there = edges.tz_localize(self.zone, ambiguous=first, nonexistent="shift_forward")
            return there.tz_convert("UTC").tz_localize(None)
        offsets = (self.utc - self.local).asi8
        before = np.searchsorted(self.local.asi8, edges.asi8, side="right") - 1
        after = np.searchsorted(self.local.asi8, edges.asi8, side="left")
        is_between = (before >= 0) & (after < len(offsets))
        before, after = np.maximum(before, 0), np.minimum(after, len(offsets) - 1)
        found = edges + pd.to_timedelta(offsets[before], unit="ns")
        return _where(found, is_between & (offsets[before] == offsets[after]))


def axis_of(times: pd.DatetimeIndex, label: Side, zone: str | None = None) -> Axis | None:
    """The intervals that values at *times* stand for.

    Parameters
    ----------
    times : DatetimeIndex
        Increasing, naive UTC.
    label : {"left", "right"}
        At which end of its interval a value stands.
    zone : str, optional
        Whose midnights the instants may be, such as ``America/Chicago``.

    Returns
    -------
    Axis or None
        None for fewer than two instants: they do not tell.
    """
    if len(times) < 2:
        return None
    clock = _clock(times, zone)
    local, told = clock.local, []
    if (found := _months(local)) is not None:
        count, are_last_days = found
        starts, ends = _of_months(local, count, label, are_last_days)
        length, words = pd.Timedelta(round(count * _MONTH)), _months_in_words(count)
        if are_last_days:
            told.append("values on the last days of months are taken to stand for whole months")
    else:
        length = pd.Timedelta(_step(np.diff(local.asi8)))
        words = span_in_words(length) + (" of local time" if clock.is_moved else "")
        starts, ends = (local, local + length) if label == "left" else (local - length, local)
        near = np.diff(local.asi8) < length.value
        crowded = np.append(near, False) if label == "left" else np.append(False, near)
        starts = _where(starts, ~crowded)
        if crowded.any():
            told.append(f"{crowded.sum():,} values stand less than {span_in_words(length)} apart: left out")
    if clock.is_moved:
        known = np.asarray(starts.notna())
        starts, ends = _where(clock.back(_where(starts, known, local)), known), clock.back(ends)
        if lost := int((known & ~(np.asarray(starts.notna()) & np.asarray(ends.notna()))).sum()):
            told.append(f"{lost:,} values without a neighbour that tells whether summer time changes: left out")
    else:
        starts, ends = (edges + (times[0] - local[0]) for edges in (starts, ends))
    return Axis(times, starts.as_unit("ns"), ends.as_unit("ns"), length, words, tuple(told))


def grid_of(times: pd.DatetimeIndex, every: str, closed: Side, label: Side) -> Axis:
    """Intervals of *every* length that have at least one of *times*.

    Parameters
    ----------
    times : DatetimeIndex
        Increasing, naive UTC.
    every : str
        Such as ``1D``, counted from 1970, or ``MS`` for months.
    closed, label : {"left", "right"}
        Which end belongs to an interval, and at which end its value stands.
    """
    inside = times - pd.Timedelta(1, "ns") if closed == "right" else times
    if (count := months_in(every)) is not None:
        number = np.unique((inside.year * 12 + inside.month - 1).to_numpy() // count) * count
        starts, ends = _first_of(number), _first_of(number + count)
        length, words = pd.Timedelta(round(count * _MONTH)), _months_in_words(count)
    else:
        length = pd.Timedelta(every)
        number = np.unique(inside.as_unit("ns").asi8 // length.value)
        starts, ends = (pd.DatetimeIndex((number + k) * length.value).as_unit("ns") for k in (0, 1))
        words = span_in_words(length)
    return Axis(starts if label == "left" else ends, starts, ends, length, words)


def months_in(every: str) -> int | None:
    """How many months a length of time is, None for one that is fixed.

    >>> months_in("1MS"), months_in("QS"), months_in("2 years"), months_in("30min")
    (1, 3, 24, None)
    """
    found = _CALENDAR.fullmatch(every.strip())
    return None if found is None else max(int(found[1] or 1), 1) * _MONTHS[found[2][0]]


def span_in_words(step: pd.Timedelta) -> str:
    """A length of time as people write it.

    >>> span_in_words(pd.Timedelta("90min"))
    '90 min'
    """
    seconds = step.total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:g} s"


def _where(index: pd.DatetimeIndex, kept: NDArray[np.bool_], other: Any = pd.NaT) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(index.where(kept, other))


def _months_in_words(count: int) -> str:
    years, rest = divmod(count, 12)
    number, unit = (count, "month") if rest else (years, "year")
    return f"{number} {unit}{'s' if number > 1 else ''}"


def _clock(times: pd.DatetimeIndex, zone: str | None) -> _Clock:
    """The local clock, where the instants are at one time of its day; UTC otherwise."""
    if np.diff(times.asi8).min() < 22 * _HOUR:
        return _Clock(times, times)
    if zone is not None:
        local = times.tz_localize("UTC").tz_convert(zone).tz_localize(None)
        if len(np.unique(local.asi8 % _DAY)) == 1:
            return _Clock(local, times, zone)
    of_day = times.asi8 % _DAY
    hours = np.unique(of_day)
    if len(hours) > 2 or (len(hours) == 2 and (hours[1] - hours[0]) not in (_HOUR, _DAY - _HOUR)):
        return _Clock(times, times)
    early = hours[-1] if hours[-1] - hours[0] == _DAY - _HOUR else hours[0]
    standing = times.asi8 - np.where(of_day == early, 0, _HOUR)
    midnights = standing + (_DAY - early if early >= _EAST * _HOUR else -early)
    return _Clock(pd.DatetimeIndex(midnights).as_unit("ns"), times)


def _months(local: pd.DatetimeIndex) -> tuple[int, bool] | None:
    """Greatest number of months by which the instants go on, and whether they are last days; None for no months."""
    if np.diff(local.asi8).min() < 28 * _DAY or len(np.unique(local.asi8 % _DAY)) > 1:
        return None
    days, number = local.day.to_numpy(), (local.year * 12 + local.month).to_numpy()
    is_one_day = bool((days == days[0]).all() and days[0] <= 28)
    if not is_one_day and not (days == local.days_in_month).all():
        return None
    return int(np.gcd.reduce(np.diff(number))), not is_one_day


def _of_months(
    local: pd.DatetimeIndex, count: int, label: Side, are_last_days: bool
) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
    if are_last_days:
        number = (local.year * 12 + local.month).to_numpy()
        return _first_of(number - count), _first_of(number)
    span: Any = pd.DateOffset(months=count)
    return (local, local + span) if label == "left" else (local - span, local)


def _first_of(number: NDArray[Any]) -> pd.DatetimeIndex:
    """First instants of months, counted from the year 0."""
    return pd.DatetimeIndex((np.asarray(number) - 1970 * 12).astype("datetime64[M]")).as_unit("ns")


def _step(steps: NDArray[np.int64]) -> int:
    """The greatest step in which all are whole; the usual one where few others are strays [ns]."""
    values, counts = np.unique(steps, return_counts=True)
    common = int(np.gcd.reduce(values))
    if common < values[0] and counts.max() >= _MOST * steps.size:
        return int(values[counts.argmax()])
    return common
