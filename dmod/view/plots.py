"""Figures: the hydrograph of an evaluation, and a small map of a domain.

A figure is a `matplotlib.figure.Figure` that no global state knows: it is drawn without a
display, from any thread, and shows itself in a notebook as the last value of a cell.
Nothing is scored here; numbers come from the `Evaluation`. Colours are told apart by
people who see red and green alike, and in grey.
"""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from dmod.errors import OutputError, SelectionError, UnitsError
from dmod.units import conversion
from dmod.view.maps import domain_map
from dmod.view.palette import BORDER, FAINT, INK, OBSERVED, RAIN, RULE, SIMULATED
from dmod.view.writing import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from dmod.evaluation.evaluate import Evaluation

__all__ = ["decimate", "domain_map", "hydrograph", "save_figure"]

#: Points of one line above which it is thinned, and to about how many.
_MANY, _ENOUGH = 20_000, 6_000


def hydrograph(
    evaluation: Evaluation,
    *,
    rain: xr.DataArray | None = None,
    title: str | None = None,
    place: str | None = None,
) -> Figure:
    """Observed and simulated discharge over time, with the scores beside them.

    Parameters
    ----------
    evaluation : Evaluation
        Pairs to draw and scores to name.
    rain : xarray.DataArray, shape (time,), optional
        Precipitation as a rate [mm h-1 or what converts into it], in UTC; each value holds from
        its instant to the next. Drawn from above.
    title : str, optional
        Title; the name of the evaluation otherwise.
    place : str, optional
        Which place to draw, of an evaluation of several.

    Returns
    -------
    matplotlib.figure.Figure
        Its label (``get_label()``) says in words what it shows, for readers who cannot see it.

    Raises
    ------
    SelectionError
        If the evaluation has several places and *place* is none of them.
    UnitsError
        If *rain* has no units, or none of a rate of precipitation.
    """
    pairs, scores = _at(evaluation, place)
    figure = Figure(figsize=(10, 4.6 if rain is None else 5.6), layout="constrained", facecolor="white")
    grid = figure.add_gridspec(
        1 if rain is None else 2, 2, width_ratios=(1, 0.17), height_ratios=None if rain is None else (1, 3.4)
    )
    flow = figure.add_subplot(grid[-1, 0])
    times = pairs["time"].to_numpy()
    _draw_flow(flow, pairs)
    top = flow
    if rain is not None:
        top = figure.add_subplot(grid[0, 0], sharex=flow)
        _draw_rain(top, rain, times)
        figure.align_ylabels([flow, top])
    heading = evaluation.name if title is None else title
    top.set_title(heading, loc="left", fontsize=13, fontweight="bold", color=INK, pad=12)
    lines = _score_lines(scores)
    _write_side(figure.add_subplot(grid[-1, 1]), lines)
    figure.set_label(
        f"Hydrograph, {heading}: observed and simulated discharge from {_day(times[0])} to {_day(times[-1])}"
        + ("" if rain is None else ", with rain")
        + "; "
        + ", ".join(f"{name} {value}" for name, value in lines)
    )
    return figure


def save_figure(figure: Figure, path: str | os.PathLike[str], *, dpi: int = 160) -> Path:
    """Write *figure* as PNG, SVG or PDF, whole or not at all.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to write.
    path : str or path-like
        Where; the suffix is ``.png``, ``.svg`` or ``.pdf``.
    dpi : int
        Dots per inch of a PNG.

    Returns
    -------
    pathlib.Path
        *path*.

    Raises
    ------
    OutputError
        If the suffix is none of these or the file cannot be written.
    """
    where = Path(path)
    kind = where.suffix.lower().removeprefix(".")
    if kind not in {"png", "svg", "pdf"}:
        raise OutputError(
            f"a figure cannot be written as {where.name}", has=where.suffix, hint="use .png, .svg or .pdf"
        )
    drawn = io.BytesIO()
    figure.savefig(drawn, format=kind, dpi=dpi)
    write_atomically(where, drawn.getvalue())
    return where


def decimate(
    times: NDArray[np.datetime64], values: NDArray[np.float64], *, limit: int = _MANY
) -> tuple[NDArray[np.datetime64], NDArray[np.float64]]:
    """Thin a long line so that it looks the same: the lowest and highest of each stretch are kept.

    Parameters
    ----------
    times : array of datetime64, shape (n,)
    values : array of float, shape (n,)
        NaN where missing.
    limit : int
        Most points [1] that are returned unchanged.

    Returns
    -------
    tuple of arrays, each of shape (m,), m <= n
        The same points in the same order, some left out; NaN where a whole stretch is missing.

    Examples
    --------
    >>> times = np.arange(6).astype("datetime64[h]")
    >>> decimate(times, np.array([1.0, 9.0, 3.0, 2.0, 0.0, 1.0]), limit=5)[1]
    array([1., 9., 2., 0.])
    """
    n = len(values)
    if n <= limit:
        return times, values
    size = -(-n // max(min(limit, _ENOUGH) // 2, 1))
    padded = np.full(-(-n // size) * size, np.nan)
    padded[:n] = values
    blocks = padded.reshape(-1, size)
    first = np.arange(len(blocks)) * size
    lowest = np.where(np.isnan(blocks), np.inf, blocks).argmin(axis=1) + first
    highest = np.where(np.isnan(blocks), -np.inf, blocks).argmax(axis=1) + first
    keep = np.unique(np.concatenate([lowest, highest]))
    keep = keep[keep < n]
    return times[keep], values[keep]


def _at(evaluation: Evaluation, place: str | None) -> tuple[xr.Dataset, xr.Dataset]:
    """Pairs and scores of one place."""
    dim = evaluation.place
    if dim is None:
        return evaluation.pairs, evaluation.scores
    labels = [str(label) for label in evaluation.scores[dim].values]
    if place not in labels:
        raise SelectionError(
            "a hydrograph shows one place" if place is None else f"there is no place {place!r}",
            has=", ".join(labels[:5]) + (f" and {len(labels) - 5:,} more" if len(labels) > 5 else ""),
            hint=f"name one of them: place='{labels[0]}'",
        )
    number = {dim: labels.index(place)}
    return evaluation.pairs.isel(number), evaluation.scores.isel(number)


def _draw_flow(axes: Axes, pairs: xr.Dataset) -> None:
    """Both series, and the axes they are read from."""
    times = pairs["time"].to_numpy()
    for role, colour, width in (("obs", OBSERVED, 1.7), ("sim", SIMULATED, 1.5)):
        _draw_line(axes, times, pairs[role].to_numpy(), colour, width)
    axes.set_ylabel(f"discharge [{_pretty(str(pairs['obs'].attrs['units']))}]")
    axes.set_xlabel("time (UTC)")
    if not any(bool((pairs[role] < 0).any()) for role in ("sim", "obs")):
        axes.set_ylim(bottom=0)
    _dress(axes)
    locator = AutoDateLocator(minticks=4, maxticks=9)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    if len(times) > 1:
        axes.set_xlim(times[0], times[-1])


def _draw_line(
    axes: Axes, times: NDArray[np.datetime64], values: NDArray[np.float64], colour: str, width: float
) -> None:
    x, y = decimate(*_broken(times, values))
    # A few points, or points between gaps, are no line: they are marked.
    marker = "o" if np.isfinite(y).sum() <= 60 else ""
    axes.plot(x, y, color=colour, lw=width, marker=marker, ms=3.5, solid_joinstyle="round")


def _broken(
    times: NDArray[np.datetime64], values: NDArray[np.float64]
) -> tuple[NDArray[np.datetime64], NDArray[np.float64]]:
    """The line with a NaN in each stretch without instants, so that it is not drawn across."""
    if len(times) < 3:
        return times, values
    steps = np.diff(times)
    after = np.flatnonzero(steps > 1.5 * np.median(steps.astype(np.int64)).astype(steps.dtype)) + 1
    return np.insert(times, after, times[after - 1] + steps[after - 1] // 2), np.insert(values, after, np.nan)


def _draw_rain(axes: Axes, rain: xr.DataArray, span: NDArray[np.datetime64]) -> None:
    """Rain as an area that hangs from the top."""
    rate = _rain_rate(rain)
    inside = (rain["time"].to_numpy() >= span[0]) & (rain["time"].to_numpy() <= span[-1])
    x, y = decimate(rain["time"].to_numpy()[inside], rate[inside])
    axes.fill_between(x, y, step="post", color=RAIN, lw=0)
    most = float(np.nanmax(y)) if np.isfinite(y).any() else 0.0
    axes.set_ylim(1.08 * most if most > 0 else 1.0, 0)
    axes.set_ylabel(f"rain [{_pretty('mm h-1')}]")
    axes.yaxis.set_major_locator(MaxNLocator(3))
    _dress(axes)
    axes.spines["bottom"].set_visible(False)
    axes.spines["top"].set_visible(True)
    axes.tick_params(axis="x", length=0, labelbottom=False)


def _rain_rate(rain: xr.DataArray) -> NDArray[np.float64]:
    """Rain in mm h-1; a mass flux is taken as water of 1000 kg m-3."""
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


def _dress(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom", "top"]].set_color(BORDER)
    axes.grid(axis="y", color=RULE, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=FAINT, labelsize=9)
    axes.yaxis.label.set_color(FAINT)
    axes.xaxis.label.set_color(FAINT)
    axes.xaxis.get_offset_text().set_color(FAINT)


def _score_lines(scores: xr.Dataset) -> list[tuple[str, str]]:
    """Names and values of the scores, as text."""
    lines = []
    for name, score in scores.data_vars.items():
        value, units = float(score), str(score.attrs.get("units", "1"))
        if name == "sample_size":
            lines.append(("pairs", f"{value:,.0f}"))
        elif np.isnan(value):
            lines.append((str(name).upper(), "undefined"))
        else:
            text = f"{value:.2f}" if units == "1" else f"{value:+.1f} {units}"
            lines.append((str(name).upper(), text.replace("-", "−")))
    return lines


def _write_side(axes: Axes, lines: list[tuple[str, str]]) -> None:
    """The legend and the scores, to the right of the lines and never over them."""
    axes.axis("off")
    shown = [Line2D([], [], color=OBSERVED, lw=2.2), Line2D([], [], color=SIMULATED, lw=2.2)]
    axes.legend(
        shown, ["observed", "simulated"], loc="upper left", bbox_to_anchor=(0, 1.02), frameon=False,
        fontsize=10, labelcolor=INK, handlelength=1.4, borderaxespad=0, borderpad=0,
    )  # fmt: skip
    height = min(0.17, 0.8 / max(len(lines), 1))
    for number, (name, value) in enumerate(lines):
        y = 0.76 - number * height
        axes.text(0.0, y, name, transform=axes.transAxes, fontsize=8.5, color=FAINT, va="bottom")
        axes.text(
            0.0,
            y - 0.01,
            value,
            transform=axes.transAxes,
            fontsize=15 if height > 0.12 else 10,
            color=INK,
            va="top",
        )


def _pretty(units: str) -> str:
    """Units with raised exponents: ``m3 s-1`` as ``m³ s⁻¹``."""
    raised = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
    return re.sub(r"(?<=[A-Za-z])\^?(-?\d+)", lambda found: found[1].translate(raised), units)


def _day(instant: np.datetime64) -> str:
    return str(instant.astype("datetime64[D]"))
