"""What the simulation gets wrong: the residuals over time, how they are spread, and how long they last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dmod.view.evaluation_axes import broken, decimate, dress, heading_on, paper, time_axis
from dmod.view.evaluation_numbers import pretty
from dmod.view.evaluation_series import Run, heading_of, runs_at
from dmod.view.palette import FAINT, INK, LAND

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from dmod.evaluation.evaluation import Evaluation

__all__ = ["autocorrelation", "residuals"]

#: Longest lag drawn, as a share of the series and in steps.
_SHARE, _LAGS = 0.25, 240


def residuals(
    evaluation: Evaluation,
    *others: Evaluation,
    place: str | None = None,
    lags: int | None = None,
    title: str | None = None,
) -> Figure:
    """Simulated minus observed flow: over time, as a histogram, and its autocorrelation.

    Parameters
    ----------
    evaluation, others : Evaluation
        What to draw.
    place : str, optional
        Which place to draw, of an evaluation of several.
    lags : int, optional
        Longest lag of the autocorrelation [steps]; a quarter of the series or 240 otherwise,
        whichever is less.
    title : str, optional
        Title; the name of the evaluation otherwise.

    Returns
    -------
    matplotlib.figure.Figure
        Its label says in words what it shows.

    Raises
    ------
    SelectionError
        If the place is not there, or nothing can be drawn.
    UnitsError
        If the evaluations are in different units.
    """
    runs = runs_at(evaluation, others, place, what="a figure of residuals")
    figure = paper(9.6, 6.0)
    grid = figure.add_gridspec(2, 2, height_ratios=(1.15, 1), hspace=0.06, wspace=0.04)
    over, spread, lasting = (figure.add_subplot(spot) for spot in (grid[0, :], grid[1, 0], grid[1, 1]))
    _draw_time(over, runs)
    _draw_spread(spread, runs)
    reach = _draw_lasting(lasting, runs, lags)
    heading = heading_of(evaluation, others, place, title)
    heading_on(figure, heading)
    means = "; ".join(
        f"{run.label}: mean {np.nanmean(_of(run)):+.3g} {run.units}" if len(run.both[0]) else f"{run.label}: no pair"
        for run in runs
    )
    figure.set_label(
        f"Residuals, {heading}: simulated minus observed discharge over time, as a histogram, and their "
        f"autocorrelation up to {reach}; {means}"
    )
    return figure


def autocorrelation(values: NDArray[np.float64], lags: int) -> NDArray[np.float64]:
    """Correlation of a series with itself, of the pairs that both exist.

    Parameters
    ----------
    values : array of float, shape (n,)
        Equally spaced; NaN where missing.
    lags : int
        Longest lag [steps].

    Returns
    -------
    array of float, shape (lags + 1,)
        1 at lag 0; NaN where no two values are that far apart, or all are alike.

    Examples
    --------
    >>> autocorrelation(np.array([1.0, -1.0, 1.0, -1.0]), 1).tolist()
    [1.0, -1.0]
    """
    there = np.isfinite(values)
    # Rounding is not variation: a constant series has none.
    anomalies = np.where(there, values - np.mean(values[there], dtype=np.float64), 0.0) if there.any() else there * 0.0
    size = 1 << int(np.ceil(np.log2(2 * max(len(values), 2))))

    def lagged(series: NDArray[np.float64]) -> NDArray[np.float64]:
        turned = np.fft.rfft(series, size)
        products: NDArray[np.float64] = np.fft.irfft(turned * np.conj(turned), size)[: lags + 1]
        return products

    counts = np.rint(lagged(there.astype(np.float64)))
    with np.errstate(invalid="ignore", divide="ignore"):
        covariance = np.where(counts > 0, lagged(anomalies) / counts, np.nan)
        variance = covariance[0] if covariance[0] > 1e-24 * np.nanmax(np.abs(values), initial=0.0) ** 2 else np.nan
        return covariance / variance


def _of(run: Run) -> NDArray[np.float64]:
    """Residuals, NaN where one of the two is missing."""
    return run.sim - run.obs


def _draw_time(axes: Axes, runs: list[Run]) -> None:
    for run in runs:
        x, y = decimate(*broken(run.times, _of(run)))
        axes.plot(x, y, color=run.colour, lw=1.0, alpha=1.0 if len(runs) == 1 else 0.8)
    axes.axhline(0, color=INK, lw=0.9)
    axes.set_ylabel(f"simulated − observed [{pretty(runs[0].units)}]")
    dress(axes)
    time_axis(axes, runs[0].times)
    axes.set_xlabel("")
    if len(runs) > 1:
        from matplotlib.lines import Line2D

        axes.legend(
            [Line2D([], [], color=run.colour, lw=2.2) for run in runs], [run.label for run in runs], loc="lower left",
            bbox_to_anchor=(0, 1.0), ncols=len(runs), frameon=False, fontsize=9.5, labelcolor=INK, handlelength=1.2,
            borderaxespad=0.2,
        )  # fmt: skip


def _draw_spread(axes: Axes, runs: list[Run]) -> None:
    """Histograms over the middle 99.8 % of all, so that one storm does not squeeze the rest."""
    errors = [values[np.isfinite(values)] for values in map(_of, runs)]
    together = np.concatenate(errors)
    low, high = np.quantile(together, (0.001, 0.999))
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, 61)
    for run, values in zip(runs, errors, strict=True):
        counts, _ = np.histogram(values, edges)
        share = 100 * counts / len(values)
        if len(runs) == 1:
            axes.stairs(share, edges, fill=True, color=run.colour, alpha=0.85)
        else:
            axes.stairs(share, edges, color=run.colour, lw=1.6)
    axes.axvline(0, color=INK, lw=0.9)
    axes.set_xlabel(f"simulated − observed [{pretty(runs[0].units)}]")
    axes.set_ylabel("share of pairs [%]")
    dress(axes)
    if len(runs) == 1:
        mean, middle = float(errors[0].mean()), float(np.median(errors[0]))
        text = f"mean {mean:+.3g}\nmedian {middle:+.3g}".replace("-", "−")
        axes.text(0.97, 0.95, text, transform=axes.transAxes, fontsize=9, color=FAINT, ha="right", va="top")


def _draw_lasting(axes: Axes, runs: list[Run], lags: int | None) -> str:
    """The autocorrelation, the band of what chance gives, and how far it was drawn in words."""
    reach = ""
    for run in runs:
        step, values = _even(run)
        most = min(int(_SHARE * len(values)), _LAGS) if lags is None else min(lags, len(values) - 1)
        most = max(most, 1)
        unit, size = _unit(step * most)
        along = np.arange(most + 1) * step.total_seconds() / size
        found = autocorrelation(values, most)
        if not reach:
            chance = 1.96 / np.sqrt(max(np.isfinite(values).sum(), 1))
            axes.axhspan(-chance, chance, color=LAND, lw=0)
            axes.set_xlim(0, along[-1])
            axes.set_xlabel(f"lag [{unit}]")
            reach = f"{along[-1]:g} {unit}"
        axes.plot(along, found, color=run.colour, lw=1.6)
    axes.axhline(0, color=INK, lw=0.9)
    axes.set_ylabel("autocorrelation [1]")
    axes.set_ylim(top=1.0)
    dress(axes)
    return reach


def _even(run: Run) -> tuple[pd.Timedelta, NDArray[np.float64]]:
    """The usual step, and the residuals at even steps: NaN where there is no instant."""
    if len(run.times) < 2:
        return pd.Timedelta(hours=1), _of(run)
    steps = np.diff(run.times).astype("timedelta64[ns]").astype(np.int64)
    step = int(np.median(steps))
    spots = np.rint((run.times - run.times[0]).astype("timedelta64[ns]").astype(np.int64) / step).astype(np.int64)
    if spots[-1] > 20 * len(spots):  # far apart: a grid of that many steps says nothing
        return pd.Timedelta(step, "ns"), _of(run)
    values = np.full(int(spots[-1]) + 1, np.nan)
    values[spots] = _of(run)
    return pd.Timedelta(step, "ns"), values


def _unit(span: pd.Timedelta) -> tuple[str, float]:
    """A unit in which *span* is a handy number, and its length [s]."""
    seconds = span.total_seconds()
    for name, size in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0)):
        if seconds >= 3 * size:
            return name, size
    return "s", 1.0
