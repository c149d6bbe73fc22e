"""Errors of events: how many there were, and peak, volume and timing of those that were simulated.

Events are those that stand above a baseline, see `dmod.evaluation.events.storms`; options
of the kernels are passed on to it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dmod.evaluation.arithmetic import Floats, over_time, ratio
from dmod.evaluation.events import Events, events_of, matched, storms
from dmod.evaluation.metric import Takes, Towards, metric
from dmod.evaluation.pool import Need, Series

__all__ = [
    "absolute_event_timing_error",
    "event_count_error",
    "event_false_alarm_ratio",
    "event_hit_rate",
    "event_peak_error",
    "event_timing_error",
    "event_volume_error",
]

_ANY = (-np.inf, np.inf)
_UNIT = (0.0, 1.0)
_SOURCE = "NOAA-OWP/hydrotools, hydrotools.events, after Regina & Ogden (2020)"


@metric(
    "event_count_error",
    title="Error of the number of events",
    takes=Takes.SERIES,
    ideal=0.0,
    bounds=_ANY,
    towards=Towards.IDEAL,
    units="1",
    formula="number of simulated events - number of observed events",
    source=_SOURCE,
    needs=(Need.PAIRS,),
    when=True,
)
def event_count_error(series: Series, **options: float) -> Floats:
    """How many events too many were simulated.

    Examples
    --------
    >>> times = np.datetime64("2016-09-01", "h") + np.arange(300)
    >>> storm = 9 * np.exp(-np.arange(100) / 20)
    >>> obs = 1 + np.concatenate([np.zeros(200), storm])
    >>> event_count_error(Series.of(np.ones(300), obs, times)).item()
    -1.0
    """
    return _of_events(lambda sim, obs, _: float(len(sim) - len(obs)), series, options)


@metric(
    "event_hit_rate",
    title="Part of the observed events that were simulated",
    takes=Takes.SERIES,
    ideal=1.0,
    bounds=_UNIT,
    towards=Towards.HIGHER,
    units="1",
    formula="number of observed events that a simulated one overlaps / number of observed events",
    source=_SOURCE,
    needs=(Need.PAIRS, Need.OBS_STORMS),
    when=True,
)
def event_hit_rate(series: Series, **options: float) -> Floats:
    """Part of the observed events that have a simulated one, each simulated one counted once.

    Examples
    --------
    >>> times = np.datetime64("2016-09-01", "h") + np.arange(300)
    >>> obs = 1 + np.concatenate([np.zeros(200), 9 * np.exp(-np.arange(100) / 20)])
    >>> event_hit_rate(Series.of(obs, obs, times)).item()
    1.0
    """
    return _of_events(lambda sim, obs, hours: _part(len(matched(sim, obs, hours)), len(obs)), series, options)


@metric(
    "event_false_alarm_ratio",
    title="Part of the simulated events that were not observed",
    takes=Takes.SERIES,
    ideal=0.0,
    bounds=_UNIT,
    towards=Towards.LOWER,
    units="1",
    formula="number of simulated events without an observed one / number of simulated events",
    source=_SOURCE,
    needs=(Need.PAIRS, Need.SIM_STORMS),
    when=True,
)
def event_false_alarm_ratio(series: Series, **options: float) -> Floats:
    """Part of the simulated events that have no observed one.

    Examples
    --------
    >>> times = np.datetime64("2016-09-01", "h") + np.arange(300)
    >>> sim = 1 + np.concatenate([np.zeros(200), 9 * np.exp(-np.arange(100) / 20)])
    >>> event_false_alarm_ratio(Series.of(sim, np.ones(300), times)).item()
    1.0
    """
    return _of_events(
        lambda sim, obs, hours: _part(len(sim) - len(matched(sim, obs, hours)), len(sim)), series, options
    )


@metric(
    "event_peak_error",
    title="Mean peak error of events",
    takes=Takes.SERIES,
    ideal=0.0,
    bounds=_ANY,
    towards=Towards.IDEAL,
    units="%",
    formula="100 mean((peak(s) - peak(o)) / peak(o)) over events that are both observed and simulated",
    source=_SOURCE,
    needs=(Need.PAIRS, Need.MATCHES),
    when=True,
)
def event_peak_error(series: Series, **options: float) -> Floats:
    """Mean error of the peaks of events that were simulated.

    Examples
    --------
    >>> times = np.datetime64("2016-09-01", "h") + np.arange(300)
    >>> obs = 1 + np.concatenate([np.zeros(200), 9 * np.exp(-np.arange(100) / 20)])
    >>> event_peak_error(Series.of(2 * obs, obs, times)).item()
    100.0
    """
    return _of_matches(lambda sim, obs, _: 100.0 * ratio(sim.peak - obs.peak, obs.peak), series, options)


@metric(
    "event_volume_error",
    title="Mean volume error of events",
    takes=Takes.SERIES,
    ideal=0.0,
    bounds=_ANY,
    towards=Towards.IDEAL,
    units="%",
    formula="100 mean((volume(s) - volume(o)) / volume(o)) over events that are both observed and simulated",
    source=_SOURCE,
    needs=(Need.PAIRS, Need.MATCHES),
    when=True,
)
def event_volume_error(series: Series, **options: float) -> Floats:
    """Mean error of the volumes of events that were simulated, each from its own start to its own end.

    Examples
    --------
    >>> times = np.datetime64("2016-09-01", "h") + np.arange(300)
    >>> obs = 1 + np.concatenate([np.zeros(200), 9 * np.exp(-np.arange(100) / 20)])
    >>> round(event_volume_error(Series.of(2 * obs, obs, times)).item(), 9)
    100.0
    """
    return _of_matches(lambda sim, obs, _: 100.0 * ratio(sim.volume - obs.volume, obs.volume), series, options)


@metric(
    "event_timing_error",
    title="Mean timing error of events",
    takes=Takes.SERIES,
    ideal=0.0,
    bounds=_ANY,
    towards=Towards.IDEAL,
    units="h",
    formula="mean(time of peak(s) - time of peak(o)) over events that are both observed and simulated",
    source=_SOURCE,
    needs=(Need.PAIRS, Need.MATCHES),
    when=True,
)
def event_timing_error(series: Series, **options: float) -> Floats:
    """How long after the observed peaks the simulated ones came, in the mean.

    Examples
    --------
    >>> times = np.datetime64("2016-09-01", "h") + np.arange(300)
    >>> obs = 1 + np.concatenate([np.zeros(200), 9 * np.exp(-np.arange(100) / 20)])
    >>> event_timing_error(Series.of(np.roll(obs, 3), obs, times)).item()
    3.0
    """
    return _of_matches(lambda sim, obs, hours: hours[sim.top] - hours[obs.top], series, options)


@metric(
    "event_timing_absolute_error",
    title="Mean absolute timing error of events",
    takes=Takes.SERIES,
    ideal=0.0,
    bounds=(0.0, np.inf),
    towards=Towards.LOWER,
    units="h",
    formula="mean(|time of peak(s) - time of peak(o)|) over events that are both observed and simulated",
    source=_SOURCE,
    needs=(Need.PAIRS, Need.MATCHES),
    when=True,
)
def absolute_event_timing_error(series: Series, **options: float) -> Floats:
    """How far from the observed peaks the simulated ones came, in the mean.

    Examples
    --------
    >>> times = np.datetime64("2016-09-01", "h") + np.arange(300)
    >>> obs = 1 + np.concatenate([np.zeros(200), 9 * np.exp(-np.arange(100) / 20)])
    >>> absolute_event_timing_error(Series.of(np.roll(obs, 3), obs, times)).item()
    3.0
    """
    return _of_matches(lambda sim, obs, hours: np.abs(hours[sim.top] - hours[obs.top]), series, options)


def _of_events(tell: Callable[[Events, Events, Floats], float], series: Series, options: dict[str, float]) -> Floats:
    """What *tell* says of the simulated and the observed events of each place."""

    def at_one(sim: Floats, obs: Floats, hours: Floats) -> float:
        ours, theirs = (events_of(storms(flow, hours, **options), flow, hours) for flow in (sim, obs))
        return tell(ours, theirs, hours)

    return over_time(at_one, series)


def _of_matches(tell: Callable[[Events, Events, Floats], Floats], series: Series, options: dict[str, float]) -> Floats:
    """Mean of what *tell* says of those that are both."""

    def mean(sim: Events, obs: Events, hours: Floats) -> float:
        pairs = matched(sim, obs, hours)
        if not pairs:
            return np.nan
        ours, theirs = np.array(pairs).T
        return float(np.mean(tell(_some(sim, ours), _some(obs, theirs), hours)))

    return _of_events(mean, series, options)


def _some(events: Events, which: np.ndarray) -> Events:
    return Events(*(getattr(events, name)[which] for name in ("first", "top", "last", "peak", "volume")))


def _part(some: int, of: int) -> float:
    return some / of if of else np.nan
