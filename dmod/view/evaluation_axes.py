"""What figures of evaluations have in common: paper, grid, labels at the lines, an axis of time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from dmod.view.palette import BORDER, FAINT, INK, RULE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["broken", "decimate", "dress", "heading_on", "label_ends", "log_axis", "paper", "time_axis", "title_of"]

#: Points of one line above which it is thinned, and to about how many.
_MANY, _ENOUGH = 20_000, 6_000


def paper(width: float, height: float) -> Figure:
    """An empty figure [inches] that no global state knows."""
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def dress(axes: Axes, *, grid: str = "y") -> None:
    """Few lines: axes left and below, a light grid behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom", "top"]].set_color(BORDER)
    axes.grid(axis=grid, color=RULE, lw=0.8)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    axes.tick_params(colors=FAINT, labelsize=9, which="both")
    axes.tick_params(which="minor", length=0)
    axes.yaxis.label.set_color(FAINT)
    axes.xaxis.label.set_color(FAINT)
    axes.xaxis.get_offset_text().set_color(FAINT)


def title_of(axes: Axes, title: str, under: str = "", *, room: float = 0.0) -> None:
    """A title above *axes*, and a line under it; *room* [points] is left for labels below both."""
    axes.set_title(
        title, loc="left", fontsize=13, fontweight="bold", color=INK, pad=room + (24 if under else 12)
    ).set_parse_math(False)
    if under:
        said = axes.annotate(
            under, (0, 1), (0, 7 + room), xycoords="axes fraction", textcoords="offset points", fontsize=9, color=FAINT
        )
        said.set_parse_math(False)
        said.set_in_layout(False)


def heading_on(figure: Figure, title: str) -> None:
    """A title above all panels."""
    said = figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold", color=INK)
    said.set_parse_math(False)


def label_ends(axes: Axes, ends: Sequence[tuple[float, str, str]], *, x: float = 1.01, size: float = 9.5) -> None:
    """Write labels to the right of *axes*, each beside its value, moved apart where they would touch.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        With its limits set.
    ends : sequence of (value, label, colour)
        Values on the y axis.
    x : float
        Where, in fractions of the axes.
    size : float
        Size of the letters [points].
    """
    figure = axes.get_figure()
    if figure is None or not ends:
        return
    tall = axes.get_position().height * float(figure.get_figheight()) * 72  # type: ignore[union-attr]
    lines = [label.count("\n") + 1 for _, label, _ in ends]
    order = sorted(range(len(ends)), key=lambda n: ends[n][0])
    spots = [float(axes.transAxes.inverted().transform(axes.transData.transform((0, ends[n][0])))[1]) for n in order]
    spots = [min(max(spot, 0.0), 1.0) if np.isfinite(spot) else 0.0 for spot in spots]
    gaps = [0.0] + [1.25 * size * (lines[a] + lines[b]) / 2 / tall for a, b in itertools.pairwise(order)]
    for _ in range(60):  # neighbours that touch move half of what lacks each; a few rounds settle it
        for at in range(1, len(spots)):
            lack = gaps[at] - (spots[at] - spots[at - 1])
            if lack > 0:
                spots[at - 1] -= lack / 2
                spots[at] += lack / 2
    for place, height in zip(order, spots, strict=True):
        _, label, colour = ends[place]
        axes.annotate(
            label,
            (x, height),
            xycoords="axes fraction",
            fontsize=size,
            color=colour,
            va="center",
            annotation_clip=False,
        ).set_parse_math(False)


def time_axis(axes: Axes, times: NDArray[np.datetime64]) -> None:
    """Instants along the x axis, in UTC."""
    axes.set_xlabel("time (UTC)")
    locator = AutoDateLocator(minticks=4, maxticks=9)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    if len(times) > 1:
        axes.set_xlim(times[0], times[-1])


def log_axis(axes: Axes, which: str) -> None:
    """A logarithmic axis, ``x`` or ``y``, whose marks are plain numbers; limits have to be set before."""
    low, high = axes.get_xlim() if which == "x" else axes.get_ylim()
    decades = float(np.log10(high / low)) if low > 0 else 9.0
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 2.5 else (1.0,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}" if value >= 1e-3 else f"{value:.0e}"))
    axis.set_minor_formatter(NullFormatter())


def broken(
    times: NDArray[np.datetime64], values: NDArray[np.float64]
) -> tuple[NDArray[np.datetime64], NDArray[np.float64]]:
    """The line with a NaN in each stretch without instants, so that it is not drawn across."""
    if len(times) < 3:
        return times, values
    steps = np.diff(times)
    after = np.flatnonzero(steps > 1.5 * np.median(steps.astype(np.int64)).astype(steps.dtype)) + 1
    return np.insert(times, after, times[after - 1] + steps[after - 1] // 2), np.insert(values, after, np.nan)


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
