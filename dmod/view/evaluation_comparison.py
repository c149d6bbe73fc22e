"""Several runs beside each other, metric by metric."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from dmod.errors import SelectionError
from dmod.view.evaluation_axes import dress, heading_on, paper
from dmod.view.evaluation_numbers import chosen_metric, metrics_of, number, short, worded
from dmod.view.evaluation_series import check_units, heading_of, place_number, run_labels
from dmod.view.palette import BORDER, FAINT, INK, RUNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from dmod.evaluation.evaluation import Evaluation

__all__ = ["comparison"]

#: Panels beside each other.
_ACROSS = 3


def comparison(
    evaluation: Evaluation,
    *others: Evaluation,
    metrics: Sequence[str] | None = None,
    place: str | None = None,
    title: str | None = None,
) -> Figure:
    """Each metric of each run: its value at a place, or its median and middle half over places.

    Parameters
    ----------
    evaluation, others : Evaluation
        What to compare.
    metrics : sequence of str, optional
        Which metrics; by default those that all have, one value for each place.
    place : str, optional
        One place; all of them otherwise.
    title : str, optional
        Title; made of the number of runs otherwise.

    Returns
    -------
    matplotlib.figure.Figure
        The ideal of each metric is marked. Its label says in words what it shows.

    Raises
    ------
    SelectionError
        If there is no such place or metric, or none that all have.
    UnitsError
        If the evaluations are in different units.
    """
    everything = [evaluation, *others]
    check_units(everything)
    names = _names(everything, metrics)
    labels = run_labels(everything)
    values = {name: [_values(one, name, place) for one in everything] for name in names}
    across = 2 if len(names) == 4 else min(_ACROSS, len(names))
    down = math.ceil(len(names) / across)
    figure = paper(2.0 + 2.9 * across, 0.6 + down * (0.95 + 0.34 * len(everything)))
    panels = figure.subplots(down, across, sharey=True, squeeze=False)
    for axes in panels.flat[len(names) :]:
        axes.axis("off")
    for axes, name in zip(panels.flat, names, strict=False):
        _draw(axes, evaluation.scores[name], values[name])
    for row in panels:
        row[0].set_yticks(range(len(labels)), labels, fontsize=9.5, color=INK)
        row[0].set_ylim(len(labels) - 0.4, -0.6)
    over = max(len(held) for several in values.values() for held in several)
    heading = heading_of(evaluation, others, place, title)
    spread = f", median and middle half of {over:,} places" if over > 1 else ""
    heading_on(figure, heading + spread)
    figure.set_label(
        f"Comparison, {heading}{spread}: " + "; ".join(_told(evaluation, n, labels, values[n]) for n in names)
    )
    return figure


def _names(everything: list[Evaluation], metrics: Sequence[str] | None) -> list[str]:
    """The metrics to compare, as the first evaluation calls them."""
    if metrics is not None:
        found = [chosen_metric(one, metric) for metric in metrics for one in everything]
        names = found[:: len(everything)]
    else:
        names = [n for n in metrics_of(everything[0].scores) if all(n in one.scores for one in everything)]
        names = [n for n in names if all(set(one.scores[n].dims) <= {one.place} for one in everything)]
    if not names:
        raise SelectionError(
            "the evaluations have no metric in common",
            hint="evaluate each with the same metrics, one value for a place",
        )
    return names


def _values(evaluation: Evaluation, name: str, place: str | None) -> NDArray[np.float64]:
    """Values at a place, or at all of them."""
    score = evaluation.scores[name]
    if extra := [str(dim) for dim in score.dims if dim != evaluation.place]:
        raise SelectionError(
            f"{short(name)} has several values at a place", has=", ".join(extra), hint="see evaluation.plot.heatmap"
        )
    number_of = place_number(evaluation, place, what="a comparison") if place is not None else None
    if number_of is not None:
        score = score.isel({str(evaluation.place): number_of})
    return np.atleast_1d(np.asarray(score.to_numpy(), dtype=np.float64))


def _draw(axes: Axes, score: xr.DataArray, values: list[NDArray[np.float64]]) -> None:
    """One metric: a dot for each run, over several places with the middle half as a line."""
    units, ideal = str(score.attrs.get("units", "1")), float(score.attrs.get("ideal", np.nan))
    dress(axes, grid="x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_title(worded(score), loc="left", fontsize=10, color=INK, pad=8)
    middles = [float(np.median(held[np.isfinite(held)])) if np.isfinite(held).any() else np.nan for held in values]
    if np.isfinite(ideal):
        axes.axvline(ideal, color=BORDER, lw=2.2, zorder=1)
    for row, (held, middle) in enumerate(zip(values, middles, strict=True)):
        colour, whole = RUNS[row % len(RUNS)], held[np.isfinite(held)]
        if not len(whole):
            axes.annotate(
                "undefined", (0.02, row), xycoords=("axes fraction", "data"), fontsize=9, color=FAINT, va="center"
            )
            continue
        if len(whole) > 1:
            axes.plot(
                np.quantile(whole, (0.25, 0.75)), [row, row], color=colour, lw=5, alpha=0.3, solid_capstyle="butt"
            )
        elif np.isfinite(ideal):
            axes.plot([ideal, middle], [row, row], color=colour, lw=2, alpha=0.45, solid_capstyle="butt", zorder=2)
        axes.plot([middle], [row], "o", ms=7.5, color=colour, zorder=3)
        axes.annotate(
            number(middle, units if units == "%" else "1"), (middle, row), (0, 6), textcoords="offset points",
            fontsize=9, color=INK, ha="center", va="bottom", zorder=4,
            bbox={"boxstyle": "square,pad=0.05", "facecolor": "white", "alpha": 0.75, "linewidth": 0},
        )  # fmt: skip
    axes.margins(x=0.14)


def _told(evaluation: Evaluation, name: str, labels: list[str], values: list[NDArray[np.float64]]) -> str:
    units = str(evaluation.scores[name].attrs.get("units", "1"))
    each = [
        f"{label} {number(float(np.median(held[np.isfinite(held)])) if np.isfinite(held).any() else np.nan, units)}"
        for label, held in zip(labels, values, strict=True)
    ]
    return f"{short(name)}: {', '.join(each)}"
