"""The hydrograph of an evaluation: observed and simulated flow over time, rain from above, scores beside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from dmod.errors import SelectionError, UnitsError
from dmod.units import conversion
from dmod.view.evaluation_axes import broken, decimate, dress, paper, time_axis
from dmod.view.evaluation_numbers import metrics_of, number, pretty, short
from dmod.view.evaluation_series import Run, heading_of, runs_at, thresholds_at
from dmod.view.palette import FAINT, INK, OBSERVED, RAIN, SIMULATED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from dmod.evaluation.evaluation import Evaluation

__all__ = ["hydrograph", "rain_rate"]

#: Scores written beside the lines; more would not be read there.
_WRITTEN = 6
#: How far above the flows a threshold may lie to be drawn [1].
_NEAR = 1.7


def hydrograph(
    evaluation: Evaluation,
    *others: Evaluation,
    rain: xr.DataArray | None = None,
    title: str | None = None,
    place: str | None = None,
    thresholds: bool = True,
) -> Figure:
    """Observed and simulated discharge over time, with the scores beside them.

    Parameters
    ----------
    evaluation, others : Evaluation
        Pairs to draw and scores to name; several are drawn over one line of observations. Of an
        ensemble the median is drawn, and the band that holds nine members of ten.
    rain : xarray.DataArray, shape (time,), optional
        Precipitation as a rate [mm h-1 or what converts into it], in UTC; each value holds from
        its instant to the next. Drawn from above.
    title : str, optional
        Title; the name of the evaluation otherwise.
    place : str, optional
        Which place to draw, of an evaluation of several.
    thresholds : bool
        Whether the thresholds of *evaluation* are drawn, those within reach of the flows.

    Returns
    -------
    matplotlib.figure.Figure
        Its label (``get_label()``) says in words what it shows, for readers who cannot see it.

    Raises
    ------
    SelectionError
        If the evaluation has several places and *place* is none of them, or nothing to draw.
    UnitsError
        If *rain* has no units, or none of a rate of precipitation; if the evaluations have others.
    """
    runs = runs_at(evaluation, others, place, what="a hydrograph", ensembles=True)
    figure = paper(10, 4.6 if rain is None else 5.6)
    grid = figure.add_gridspec(
        1 if rain is None else 2, 2, width_ratios=(1, 0.17), height_ratios=None if rain is None else (1, 3.4)
    )
    flow = figure.add_subplot(grid[-1, 0])
    _draw_flow(flow, runs)
    drawn = _draw_thresholds(flow, thresholds_at(evaluation, place)) if thresholds else []
    top, times = flow, runs[0].times
    if rain is not None:
        top = figure.add_subplot(grid[0, 0], sharex=flow)
        _draw_rain(top, rain, times)
        figure.align_ylabels([flow, top])
    heading = heading_of(evaluation, others, place, title)
    top.set_title(heading, loc="left", fontsize=13, fontweight="bold", color=INK, pad=12).set_parse_math(False)
    side = figure.add_subplot(grid[-1, 1])
    side.axis("off")
    if others:
        _write_runs(side, runs)
    else:
        _write_side(side, _score_lines(runs[0].scores), ensemble=runs[0].members is not None)
    figure.set_label(_in_words(heading, runs, rain is not None, drawn))
    return figure


def _in_words(heading: str, runs: list[Run], rain: bool, drawn: list[str]) -> str:
    """What the figure shows, for readers who cannot see it."""
    times = runs[0].times
    said = (
        f"Hydrograph, {heading}: observed and simulated discharge from {_day(times[0])} to {_day(times[-1])}"
        + (", with rain" if rain else "")
        + (f", with thresholds {', '.join(drawn)}" if drawn else "")
    )
    for run in runs:
        scores = ", ".join(f"{name} {value}" for name, value in _score_lines(run.scores))
        said += f"; {run.label}: {scores}" if len(runs) > 1 else f"; {scores}"
    return said


def _draw_flow(axes: Axes, runs: list[Run]) -> None:
    """The series, and the axes they are read from."""
    first = runs[0]
    _draw_line(axes, first.times, first.obs, OBSERVED, 1.0, above=True)
    for run in runs:
        if run.members is not None:
            _draw_band(axes, run)
        _draw_line(axes, run.times, run.sim, run.colour, 1.5 if len(runs) == 1 else 1.3)
    axes.set_ylabel(f"discharge [{pretty(first.units)}]")
    if not any(bool((values < 0).any()) for run in runs for values in (run.sim, run.obs)):
        axes.set_ylim(bottom=0)
    dress(axes)
    time_axis(axes, first.times)


def _draw_line(
    axes: Axes, times: NDArray[np.datetime64], values: NDArray[np.float64], colour: str, width: float,
    *, above: bool = False,
) -> None:  # fmt: skip
    x, y = decimate(*broken(times, values))
    # A few points, or points between gaps, are no line: they are marked.
    marker = "o" if np.isfinite(y).sum() <= 60 else ""
    axes.plot(
        x,
        y,
        color=colour,
        lw=width,
        alpha=1.0 if above else 0.85,
        zorder=2.5 if above else 2.0,
        marker=marker,
        ms=3.5,
        solid_joinstyle="round",
    )


def _draw_band(axes: Axes, run: Run) -> None:
    """What holds nine members of ten."""
    members = np.asarray(run.members)
    with np.errstate(invalid="ignore"):
        low, high = np.quantile(members, (0.05, 0.95), axis=0)
    for edge in (low, high):
        edge[~np.isfinite(members).all(axis=0)] = np.nan
    every = max(len(low) // 3_000, 1)
    whole = len(low) // every * every
    with np.errstate(invalid="ignore"):
        bottom = np.fmin.reduce(low[:whole].reshape(-1, every), axis=1)
        top = np.fmax.reduce(high[:whole].reshape(-1, every), axis=1)
    axes.fill_between(run.times[:whole:every], bottom, top, color=run.colour, alpha=0.22, lw=0)


def _draw_thresholds(axes: Axes, thresholds: list[tuple[str, float]]) -> list[str]:
    """Dashed lines with their names; those far above the flows are only told of."""
    low, high = axes.get_ylim()
    near = [(name, value) for name, value in thresholds if low <= value <= _NEAR * high]
    for name, value in near:
        axes.axhline(value, color=FAINT, lw=0.9, ls=(0, (5, 4)), zorder=1.5)
        axes.annotate(
            name, (1, value), (-2, 2.5), xycoords=("axes fraction", "data"), textcoords="offset points", fontsize=8.5,
            color=FAINT, ha="right",
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "alpha": 0.7, "linewidth": 0},
        ).set_parse_math(False)  # fmt: skip
    if near:
        axes.set_ylim(low, max(high, 1.08 * near[-1][1]))
    if beyond := [f"{name} ({value:,.3g})" for name, value in thresholds if value > _NEAR * high]:
        axes.annotate(
            f"above: {', '.join(beyond)}", (1, 1), (0, 3), xycoords="axes fraction", textcoords="offset points",
            ha="right", fontsize=8.5, color=FAINT,
        ).set_parse_math(False)  # fmt: skip
    return [name for name, _ in near]


def _draw_rain(axes: Axes, rain: xr.DataArray, span: NDArray[np.datetime64]) -> None:
    """Rain as an area that hangs from the top."""
    rate = rain_rate(rain)
    inside = (rain["time"].to_numpy() >= span[0]) & (rain["time"].to_numpy() <= span[-1])
    x, y = decimate(rain["time"].to_numpy()[inside], rate[inside])
    axes.fill_between(x, y, step="post", color=RAIN, lw=0)
    most = float(np.nanmax(y)) if np.isfinite(y).any() else 0.0
    axes.set_ylim(1.08 * most if most > 0 else 1.0, 0)
    axes.set_ylabel(f"rain [{pretty('mm h-1')}]")
    axes.yaxis.set_major_locator(MaxNLocator(3))
    dress(axes)
    axes.spines["bottom"].set_visible(False)
    axes.spines["top"].set_visible(True)
    axes.tick_params(axis="x", length=0, labelbottom=False)


def rain_rate(rain: xr.DataArray) -> NDArray[np.float64]:
    """Rain in mm h-1; a mass flux is taken as water of 1000 kg m-3.

    Raises
    ------
    UnitsError
        If it has no units, or none of a rate of precipitation.
    SelectionError
        If it is not one series over time.
    """
    units = str(rain.attrs.get("units", "")).strip()
    if not units:
        raise UnitsError("rain does not say what units it has", hint="rain.attrs['units'] = 'mm h-1'")
    if rain.dims != ("time",):
        raise SelectionError(
            "rain is not one series over time",
            has=", ".join(map(str, rain.dims)),
            hint="average it over the catchments, weighted by area",
        )
    factor = conversion(units, "kg m-2 h-1" if "kg" in units else "mm h-1").slope
    return np.asarray(rain.to_numpy(), dtype=np.float64) * factor


def _score_lines(scores: xr.Dataset) -> list[tuple[str, str]]:
    """Names and values of the scores that are single numbers, as text."""
    lines = [
        (short(name), number(float(scores[name]), str(scores[name].attrs.get("units", "1"))))
        for name in metrics_of(scores)
        if scores[name].ndim == 0
    ][:_WRITTEN]
    if "sample_size" in scores and scores["sample_size"].ndim == 0:
        lines.append(("pairs", f"{float(scores['sample_size']):,.0f}"))
    return lines


def _write_side(axes: Axes, lines: list[tuple[str, str]], *, ensemble: bool) -> None:
    """The legend and the scores, to the right of the lines and never over them."""
    shown = [Line2D([], [], color=OBSERVED, lw=2.2), Line2D([], [], color=SIMULATED, lw=2.2)]
    names = ["observed", "median, 5–95 %" if ensemble else "simulated"]
    axes.legend(
        shown, names, loc="upper left", bbox_to_anchor=(0, 1.02), frameon=False,
        fontsize=10, labelcolor=INK, handlelength=1.4, borderaxespad=0, borderpad=0,
    )  # fmt: skip
    height = min(0.17, 0.8 / max(len(lines), 1))
    for place, (name, value) in enumerate(lines):
        y = 0.76 - place * height
        axes.text(0.0, y, name, transform=axes.transAxes, fontsize=8.5, color=FAINT, va="bottom")
        axes.text(
            0.0, y - 0.01, value, transform=axes.transAxes, fontsize=15 if height > 0.12 else 10, color=INK, va="top"
        )


def _write_runs(axes: Axes, runs: list[Run]) -> None:
    """Each run in its colour, with its first scores under its name."""
    axes.text(0.0, 1.0, "observed", transform=axes.transAxes, fontsize=10, color=OBSERVED, va="top", weight="bold")
    y = 0.9
    for run in runs:
        name = run.label if len(run.label) <= 22 else f"{run.label[:21]}…"
        said = axes.text(0.0, y, name, transform=axes.transAxes, fontsize=10, color=run.colour, va="top", weight="bold")
        said.set_parse_math(False)
        lines = _score_lines(run.scores)[: max(1, 14 // len(runs) - 1)]
        for line, (metric, value) in enumerate(lines):
            at = y - 0.065 - line * 0.055
            axes.text(0.0, at, metric, transform=axes.transAxes, fontsize=8.5, color=FAINT, va="top")
            axes.text(0.55, at, value, transform=axes.transAxes, fontsize=8.5, color=INK, va="top")
        y -= 0.065 + len(lines) * 0.055 + 0.045


def _day(instant: np.datetime64) -> str:
    return str(instant.astype("datetime64[D]"))
