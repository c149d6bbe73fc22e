"""Spans of time, and the algebra of several of them.

A `Span` is half-open, [start, stop), in whole seconds since 1970, UTC. Several make one
stretch of time when they are sorted and apart: `settled` says so, and `meet_spans`,
`join_spans`, `less_spans` and `spans_inside` keep it so. Pure: nothing here reads a clock.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from dmod.errors import CoverageError

__all__ = ["Span", "Spans", "join_spans", "less_spans", "meet_spans", "settled", "spans_inside", "stamp"]

#: Years that a calendar has: 1 to 9999.
_FIRST_S, _LAST_S = -62_135_596_800, 253_402_300_799


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open stretch of time, [start, stop).

    Examples
    --------
    >>> day = Span(0, 86400)
    >>> str(day)
    '1970-01-01T00:00Z .. 1970-01-02T00:00Z'
    >>> Span.of("1970-01-01", "1970-01-02") == day
    True
    """

    #: First second included, since 1970 [s].
    start_s: int
    #: First second no longer included, since 1970 [s].
    stop_s: int

    def __post_init__(self) -> None:
        try:
            start, stop = operator.index(self.start_s), operator.index(self.stop_s)
        except TypeError:
            raise CoverageError(
                "a span of time is in whole seconds",
                needed="two whole numbers, seconds since 1970, UTC",
                has=f"{self.start_s!r}, {self.stop_s!r}",
                hint="write Span.of('2016-09-01', '2016-10-01') for days",
            ) from None
        object.__setattr__(self, "start_s", start)
        object.__setattr__(self, "stop_s", stop)
        if start < _FIRST_S or stop > _LAST_S:
            raise CoverageError(
                "a span of time leaves the calendar",
                needed="seconds since 1970, in the years 1 to 9999",
                has=f"{start}, {stop}",
                hint="were these milliseconds, or nanoseconds?",
            )
        if start >= stop:
            raise CoverageError(
                "a span of time is empty, or ends before it starts",
                start=stamp(start),
                stop=stamp(stop),
                hint="the stop is the first instant that is no longer included",
            )

    @classmethod
    def of(cls, start: str | datetime, stop: str | datetime) -> Span:
        """A span from times as people write them.

        Parameters
        ----------
        start, stop : str or datetime
            ``2016-09-01``, ``2016-09-01 06:00``, ``2016-09-01T06:00:00Z``; UTC where no zone is given.

        Returns
        -------
        Span

        Raises
        ------
        CoverageError
            If a time cannot be read, or the span is empty.
        """
        return cls(_seconds(start), _seconds(stop))

    def __str__(self) -> str:
        return f"{stamp(self.start_s)} .. {stamp(self.stop_s)}"

    @property
    def seconds(self) -> int:
        """How long it is [s], at least 1."""
        return self.stop_s - self.start_s


#: A stretch of time with gaps: sorted, and no two that touch.
Spans = tuple[Span, ...]


def stamp(seconds: float) -> str:
    """An instant as people read it, UTC; seconds only where there are any.

    Parameters
    ----------
    seconds : float
        Seconds since 1970, in the years 1 to 9999.

    Returns
    -------
    str

    Examples
    --------
    >>> stamp(0), stamp(61)
    ('1970-01-01T00:00Z', '1970-01-01T00:01:01Z')
    """
    at = datetime.fromtimestamp(int(seconds), UTC)
    return f"{at.isoformat(timespec='seconds' if at.second else 'minutes').removesuffix('+00:00')}Z"


def settled(spans: Iterable[Span]) -> Spans:
    """Spans sorted, with those that touch made one.

    Parameters
    ----------
    spans : iterable of Span
        In any order.

    Returns
    -------
    tuple of Span
        Sorted and apart.

    Raises
    ------
    CoverageError
        If two overlap: somebody counted a time twice.

    Examples
    --------
    >>> settled([Span(10, 20), Span(0, 10)])
    (Span(start_s=0, stop_s=20),)
    """
    ordered = sorted(spans)
    for one, other in pairwise(ordered):
        if other.start_s < one.stop_s:
            raise CoverageError(
                "two spans of one coverage overlap",
                first=one,
                second=other,
                hint="give spans that are apart; two coverages are united with |",
            )
    return _united(ordered)


def join_spans(some: Spans, others: Spans) -> Spans:
    """Times that are in either."""
    return _united(sorted((*some, *others)))


def meet_spans(some: Spans, others: Spans) -> Spans:
    """Times that are in both."""
    found: list[Span] = []
    i = j = 0
    while i < len(some) and j < len(others):
        start, stop = max(some[i].start_s, others[j].start_s), min(some[i].stop_s, others[j].stop_s)
        if start < stop:
            found.append(Span(start, stop))
        if some[i].stop_s <= others[j].stop_s:
            i += 1
        else:
            j += 1
    return tuple(found)


def less_spans(some: Spans, others: Spans) -> Spans:
    """Times that are in *some*, and not in *others*."""
    found: list[Span] = []
    j = 0
    for span in some:
        start = span.start_s
        while j < len(others) and others[j].stop_s <= start:
            j += 1
        k = j
        while k < len(others) and others[k].start_s < span.stop_s:
            if start < others[k].start_s:
                found.append(Span(start, others[k].start_s))
            start = others[k].stop_s
            k += 1
        if start < span.stop_s:
            found.append(Span(start, span.stop_s))
    return tuple(found)


def spans_inside(some: Spans, others: Spans) -> bool:
    """Whether every time of *some* is in *others*."""
    return not less_spans(some, others)


def _united(ordered: Sequence[Span]) -> Spans:
    """Sorted spans, with those that overlap or touch made one."""
    found: list[Span] = []
    for span in ordered:
        if found and span.start_s <= found[-1].stop_s:
            found[-1] = Span(found[-1].start_s, max(found[-1].stop_s, span.stop_s))
        else:
            found.append(span)
    return tuple(found)


def _seconds(given: str | datetime) -> int:
    """Seconds since 1970 of one time."""
    try:
        at = given if isinstance(given, datetime) else datetime.fromisoformat(given.strip())
    except (ValueError, AttributeError, TypeError):
        raise CoverageError(
            f"cannot read the time {given!r}",
            needed="YYYY-MM-DD or YYYY-MM-DD HH:MM:SS, UTC",
            hint="write one of these",
        ) from None
    since = (at.replace(tzinfo=UTC) if at.tzinfo is None else at) - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * 86_400 + since.seconds
