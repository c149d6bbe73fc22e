"""Floods one by one, laid over each other at their observed peak: how high and how late the simulated one is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dmod.errors import SelectionError
from dmod.evaluation.events import above, storms
from dmod.evaluation.events import runs as found_in
from dmod.view.evaluation_axes import dress, heading_on, paper
from dmod.view.evaluation_numbers import pretty
from dmod.view.evaluation_series import Run, heading_of, runs_at, thresholds_at
from dmod.view.palette import BORDER, INK, OBSERVED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from dmod.evaluation.evaluation import Evaluation

__all__ = ["events"]

#: Panels beside each other.
_ACROSS = 3


def events(
    evaluation: Evaluation,
    *others: Evaluation,
    windows: Sequence[tuple[Any, Any]] | None = None,
    threshold: str | None = None,
    place: str | None = None,
    most: int = 6,
    title: str | None = None,
) -> Figure:
    """The largest events, each from its observed peak, with the errors of the simulated peak.

    Parameters
    ----------
    evaluation, others : Evaluation
        What to draw.
    windows : sequence of (start, stop), optional
        Events, from and to which instant [UTC]; found in the observations otherwise, see
        `dmod.evaluation.events`.
    threshold : str, optional
        Find what is at or above this threshold of *evaluation*, rather than what stands above the
        baseline.
    place : str, optional
        Which place to draw, of an evaluation of several.
    most : int
        How many events are drawn, the highest observed peaks first; 1 or more.
    title : str, optional
        Title; the name of the evaluation otherwise.

    Returns
    -------
    matplotlib.figure.Figure
        Its label says in words what it shows.

    Raises
    ------
    SelectionError
        If the place is not there, or there is no event.
    UnitsError
        If the evaluations are in different units.
    """
    runs = runs_at(evaluation, others, place, what="a figure of events")
    if most < 1:
        raise SelectionError("a figure of events shows one at least", has=most, hint="most=6")
    found = _largest(
        runs[0], _windows(runs[0], _level(evaluation, place, threshold)) if windows is None else windows, most
    )
    figure, panels = _sheet(runs, len(found))
    told = [_draw(axes, runs, start, stop) for axes, (start, stop) in zip(panels, found, strict=True)]
    panels[0].set_ylim(bottom=0 if min(float(np.nanmin(run.obs)) for run in runs) >= 0 else None)
    heading = heading_of(evaluation, others, place, title)
    heading_on(figure, heading)
    _key(figure, runs)
    figure.set_label(f"The {len(found)} largest events, {heading}, by their observed peak: " + "; ".join(told))
    return figure


def _sheet(runs: list[Run], count: int) -> tuple[Figure, list[Axes]]:
    """A figure with a panel for each event."""
    across = min(_ACROSS, count)
    down = math.ceil(count / across)
    figure = paper(0.6 + 3.2 * across, 0.9 + 2.5 * down)
    panels = figure.subplots(down, across, sharey=True, squeeze=False)
    for axes in panels.flat[count:]:
        axes.axis("off")
    for row in panels:
        row[0].set_ylabel(f"discharge [{pretty(runs[0].units)}]")
    return figure, list(panels.flat[:count])


def _windows(run: Run, level: float | None) -> list[tuple[np.datetime64, np.datetime64]]:
    """Events of the observations: above a threshold, or above their own baseline."""
    there = np.isfinite(run.obs)
    flow, times = run.obs[there], run.times[there]
    hours = (times - times[0]).astype("timedelta64[ns]").astype(np.int64) / 3.6e12
    mask = storms(flow, hours) if level is None else above(flow, level)
    first, last = found_in(mask, hours)
    if not len(first):
        return []
    # Some time before and after, so that a peak that comes too early or too late is seen.
    usual = np.median(hours[last] - hours[first])
    room = np.timedelta64(round(max(0.25 * usual, 6.0)), "h")
    return [(times[a] - room, times[b] + room) for a, b in zip(first, last, strict=True)]


def _level(evaluation: Evaluation, place: str | None, threshold: str | None) -> float | None:
    """The flow of a threshold by its name."""
    if threshold is None:
        return None
    known = dict(thresholds_at(evaluation, place))
    if threshold not in known:
        raise SelectionError(
            f"there is no threshold {threshold!r} here",
            has=", ".join(known) or "none",
            hint=f"threshold={next(iter(known))!r}" if known else "evaluate with thresholds=",
        )
    return known[threshold]


def _largest(run: Run, windows: Sequence[tuple[Any, Any]], most: int) -> list[tuple[np.datetime64, np.datetime64]]:
    """The windows with the highest observed peaks, in order of time."""
    peaks = []
    for first, last in windows:
        start, stop = _instant(first), _instant(last)
        inside = (run.times >= start) & (run.times <= stop)
        seen = run.obs[inside]
        if np.isfinite(seen).any():
            peaks.append((float(np.nanmax(seen)), start, stop))
    if not peaks:
        raise SelectionError(
            "there is no event to draw" if not len(windows) else "no event has an observation",
            has=f"{len(windows)} windows",
            hint="give windows=[('2016-09-10', '2016-09-14')], instants of the evaluation",
        )
    chosen = sorted(peaks, key=lambda one: -one[0])[:most]
    return sorted(((start, stop) for _, start, stop in chosen), key=lambda one: one[0])


def _instant(given: Any) -> np.datetime64:
    """An instant in UTC, whatever it was written as."""
    stamp = pd.Timestamp(given)
    return (stamp if stamp.tzinfo is None else stamp.tz_convert("UTC").tz_localize(None)).to_datetime64()


def _draw(axes: Axes, runs: list[Run], start: np.datetime64, stop: np.datetime64) -> str:
    """One event; what is in it in words."""
    first = runs[0]
    inside = (first.times >= start) & (first.times <= stop)
    times, seen = first.times[inside], first.obs[inside]
    top = int(np.nanargmax(seen))
    zero, peak = times[top], float(seen[top])
    axes.plot(_hours(times, zero), seen, color=OBSERVED, lw=1.8, solid_joinstyle="round")
    axes.axvline(0, color=BORDER, lw=0.9, zorder=1)
    axes.plot([0], [peak], "o", ms=6, color=OBSERVED, mec="white", zorder=5)
    lines = []
    for run in runs:
        here = (run.times >= start) & (run.times <= stop)
        when, flow = run.times[here], run.sim[here]
        if not np.isfinite(flow).any():
            continue
        axes.plot(_hours(when, zero), flow, color=run.colour, lw=1.5, solid_joinstyle="round")
        at = int(np.nanargmax(flow))
        late, high = float(_hours(when[at : at + 1], zero)[0]), float(flow[at])
        axes.plot([late], [high], "o", ms=6, color=run.colour, mec="white", zorder=6)
        lines.append((_errors(high, peak, late), run.colour, run.label))
    axes.set_title(f"{str(zero)[:16].replace('T', ' ')}", loc="left", fontsize=9.5, color=INK)
    for number, (line, colour, _) in enumerate(lines):
        axes.annotate(
            line, (0.98, 0.96 - 0.09 * number), xycoords="axes fraction", fontsize=9, color=colour, ha="right",
            va="top", zorder=7, bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "alpha": 0.75, "lw": 0},
        )  # fmt: skip
    axes.set_xlabel("hours from the observed peak")
    dress(axes)
    axes.margins(x=0)
    each = [f"{label} {line}" if len(runs) > 1 else line for line, _, label in lines]
    return f"{str(zero)[:16]}Z, {peak:.3g} {first.units}: {', '.join(each)}"


def _hours(times: NDArray[np.datetime64], zero: np.datetime64) -> NDArray[np.float64]:
    return (times - zero).astype("timedelta64[ns]").astype(np.int64) / 3.6e12


def _errors(high: float, peak: float, late: float) -> str:
    """The errors of a peak in words: ``−12 %, 3 h late``."""
    share = f"{100 * (high / peak - 1):+.0f} %".replace("-", "−") if peak > 0 else "no observed flow"
    when = "on time" if late == 0 else f"{abs(late):g} h {'late' if late > 0 else 'early'}"
    return f"{share}, {when}"


def _key(figure: Figure, runs: list[Run]) -> None:
    from matplotlib.lines import Line2D

    names = ["simulated"] if len(runs) == 1 else [run.label for run in runs]
    shown = [Line2D([], [], color=OBSERVED, lw=2.2, label="observed")]
    shown += [Line2D([], [], color=run.colour, lw=2.2, label=name) for run, name in zip(runs, names, strict=True)]
    figure.legend(
        handles=shown, loc="outside upper right", ncols=len(shown), frameon=False, fontsize=9.5, labelcolor=INK,
        handlelength=1.3, borderaxespad=0.3,
    )  # fmt: skip
