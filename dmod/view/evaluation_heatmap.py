"""Metrics at thresholds as a table in colours, and what a score is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dmod.errors import SelectionError
from dmod.evaluation.goodness import goodness
from dmod.evaluation.scaling import letter
from dmod.evaluation.scores import Scheme, Scores
from dmod.view.evaluation_axes import dress, paper, title_of
from dmod.view.evaluation_numbers import goodness_colour, ink_on, metrics_of, number, short
from dmod.view.evaluation_series import heading_of, place_number
from dmod.view.palette import BORDER, FAINT, INK, RIVER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from dmod.evaluation.evaluation import Evaluation

__all__ = ["breakdown", "heatmap"]


def heatmap(evaluation: Evaluation, *, place: str | None = None, title: str | None = None) -> Figure:
    """Metrics down, thresholds across, each cell in the colour of how good it is.

    Parameters
    ----------
    evaluation : Evaluation
        With metrics at thresholds.
    place : str, optional
        One place; medians over all places otherwise.
    title : str, optional
        Title; the name of the evaluation otherwise.

    Returns
    -------
    matplotlib.figure.Figure
        A dash where a value is undefined. Its label says in words what it shows.

    Raises
    ------
    SelectionError
        If the place is not there, or no metric is at thresholds.
    """
    scores, where = evaluation.scores, ""
    if place is not None and (at := place_number(evaluation, place, what="a heat map")) is not None:
        scores = scores.isel({str(evaluation.place): at})
    names = [name for name in metrics_of(scores) if set(scores[name].dims) - {evaluation.place} == {"threshold"}]
    if not names:
        raise SelectionError(
            f"{evaluation.name!r} has no metric at thresholds",
            hint="evaluate with thresholds= and metrics=['pod', 'far']",
        )
    if evaluation.place in scores[names[0]].dims:
        where = f"medians of {scores.sizes[evaluation.place]:,} places"
        scores = scores[names].median(evaluation.place, keep_attrs=True)
    columns = [str(label) for label in scores["threshold"].values]
    values = np.stack([np.asarray(scores[name].to_numpy(), dtype=np.float64) for name in names])
    heading = heading_of(evaluation, (), place, title)
    figure = _table(
        names,
        columns,
        values,
        scores,
        heading,
        f"{where + chr(10) if where else ''}blue: good, orange: bad, dash: undefined",
    )
    told = "; ".join(
        f"{short(name)}: " + ", ".join(f"{number(v)} at {c}" for c, v in zip(columns, row, strict=True))
        for name, row in zip(names, values, strict=True)
    )
    figure.set_label(f"Metrics at thresholds, {heading}{', ' + where if where else ''}; {told}")
    return figure


def breakdown(
    evaluation: Evaluation,
    *,
    scheme: Scheme | None = None,
    graded: Scores | None = None,
    place: str | None = None,
    title: str | None = None,
) -> Figure:
    """What the score is made of: for each metric what it gives of what it could give.

    Parameters
    ----------
    evaluation : Evaluation
        What was scored.
    scheme : Scheme, optional
        Weights to score it with; by default the evaluation's own grading is drawn.
    graded : Scores, optional
        Scores that were made before.
    place : str, optional
        One place; all places otherwise.
    title : str, optional
        Title; the name and the grade otherwise.

    Returns
    -------
    matplotlib.figure.Figure
        The longer the whole bar, the more the metric weighs; the filled part is what was reached.
        Its label says in words what it shows.

    Raises
    ------
    SelectionError
        If the evaluation was not scored and no scheme is given, or the place is not there.
    """
    scores = graded or _graded(evaluation, scheme)
    cells = scores.cells
    total = scores.total
    if place is not None:
        at = place_number(evaluation, place, what="a breakdown")
        cells = cells.isel(place=[at or 0])
        total = float(scores.by_place.to_numpy()[at or 0])
    weight = cells["weight"] / max(float(cells["weight"].sum()), 1e-300)
    reached = (weight * cells["scaled"].fillna(0.0)).sum(["place", "threshold"]).to_numpy()
    missing = weight.where(cells["scaled"].isnull(), 0.0).sum(["place", "threshold"]).to_numpy()
    whole = weight.sum(["place", "threshold"]).to_numpy()
    names = [str(name) for name in cells["metric"].values]
    figure = paper(7.6, 1.4 + 0.46 * len(names))
    axes = figure.add_subplot()
    _bars(axes, names, 100 * whole, 100 * reached, 100 * missing)
    grade = scores.grade if place is None else 100 * total
    what = f"{letter(grade).replace('-', '−')}, {grade:.1f} %"
    heading = title if title is not None else f"{heading_of(evaluation, (), place)}: {what}"
    under = "bar: weight; filled: reached" + ("; hatched: without a value" if missing.any() else "")
    title_of(axes, heading, under)
    told = "; ".join(
        f"{name} reaches {100 * r:.1f} of {100 * w:.1f} %" for name, r, w in zip(names, reached, whole, strict=True)
    )
    figure.set_label(f"What the score is made of, {heading}; {told}")
    return figure


def _graded(evaluation: Evaluation, scheme: Scheme | None) -> Scores:
    """The scores of the evaluation, or those that *scheme* makes."""
    if scheme is not None:
        return scheme.score(evaluation.scores)
    if evaluation.scheme is not None:
        return evaluation.graded
    raise SelectionError(
        f"{evaluation.name!r} was not scored", hint="give weights: scheme=Scheme({'kge': 2, 'nse': 1})"
    )


def _bars(
    axes: Axes,
    names: list[str],
    whole: NDArray[np.float64],
    reached: NDArray[np.float64],
    missing: NDArray[np.float64],
) -> None:
    """One bar for each metric: what it weighs, what it reached, what had no value."""
    for row, (all_of_it, got, without) in enumerate(zip(whole, reached, missing, strict=True)):
        axes.barh(row, all_of_it, height=0.62, color="#eef1f3", lw=0)
        axes.barh(row, got, height=0.62, color=RIVER, lw=0)
        if without > 0:
            axes.barh(row, without, left=all_of_it - without, height=0.62, facecolor="none", hatch="////",
                      edgecolor=BORDER, lw=0)  # fmt: skip
        text = f"{got:.1f} of {all_of_it:.1f} %" if without < all_of_it else "no value"
        axes.annotate(text, (all_of_it, row), (6, 0), textcoords="offset points", va="center", fontsize=9, color=INK)
    axes.set_yticks(range(len(names)), [short(name) for name in names], fontsize=9.5)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel("share of the grade [%]")
    axes.set_xlim(0, 1.18 * float(whole.max()))
    dress(axes, grid="x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelcolor=INK)


def _table(
    names: list[str], columns: list[str], values: NDArray[np.float64], scores: Any, heading: str, under: str
) -> Figure:
    """Cells in colours, with their values."""
    good = np.stack([goodness(name, row) for name, row in zip(names, values, strict=True)])
    figure = paper(max(2.4 + 0.95 * len(columns), 4.6), 1.25 + 0.42 * len(names))
    axes = figure.add_subplot()
    shades = goodness_colour().with_extremes(bad="#eef1f3")
    axes.pcolormesh(np.ma.masked_invalid(good), cmap=shades, vmin=0, vmax=1, edgecolors="white", linewidth=2.5)
    for row, name in enumerate(names):
        units = str(scores[name].attrs.get("units", "1"))
        for column, value in enumerate(values[row]):
            ink = INK if np.isnan(good[row, column]) else ink_on(shades(float(good[row, column])))
            text = "–" if np.isnan(value) else number(float(value), units if units == "%" else "1")
            axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", fontsize=9.5, color=ink)
    axes.set_xticks(np.arange(len(columns)) + 0.5, columns, fontsize=9.5)
    axes.set_yticks(
        np.arange(len(names)) + 0.5, [str(scores[n].attrs.get("long_name", n)) for n in names], fontsize=9.5
    )
    axes.xaxis.tick_top()
    axes.set_ylim(len(names), 0)
    axes.tick_params(length=0, colors=INK)
    axes.spines[:].set_visible(False)
    title_of(axes, heading, "", room=16)
    axes.set_xlabel(under, fontsize=8.5, color=FAINT, loc="left")
    return figure
