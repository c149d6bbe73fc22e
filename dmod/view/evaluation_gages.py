"""How a metric is spread over many gages: its cumulative distribution, one line for each evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dmod.errors import SelectionError
from dmod.view.evaluation_axes import dress, label_ends, paper, title_of
from dmod.view.evaluation_numbers import chosen_metric, number, short, worded
from dmod.view.evaluation_series import heading_of, place_number, run_labels
from dmod.view.palette import FAINT, INK, RUNS

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from dmod.evaluation.evaluation import Evaluation

__all__ = ["MEAN_FLOW", "cdf", "one_value_each"]

#: What the mean of the observations scores: KGE > -0.41 is better (Knoben et al. 2019), NSE > 0.
MEAN_FLOW = {"kge": 1 - np.sqrt(2.0), "nse": 0.0, "nnse": 0.5}
#: Of metrics without a lower bound no more than this many times the reach of most is drawn.
_REACH = 1.5


def cdf(
    evaluation: Evaluation,
    *others: Evaluation,
    metric: str | None = None,
    threshold: str | None = None,
    place: str | None = None,
    title: str | None = None,
) -> Figure:
    """Share of gages at which a metric is at most so high, one line for each evaluation.

    Parameters
    ----------
    evaluation, others : Evaluation
        What to draw; each has several places.
    metric : str, optional
        Which metric; the first of *evaluation* otherwise.
    threshold : str, optional
        At which threshold, of a metric that has several.
    place : str, optional
        A place to mark on each line.
    title : str, optional
        Title; the name of the evaluation otherwise.

    Returns
    -------
    matplotlib.figure.Figure
        Where the mean of the observations would be is marked, for metrics that say so. Its label
        says in words what it shows.

    Raises
    ------
    SelectionError
        If a metric, threshold or place is not there, or no value is defined.
    """
    everything = [evaluation, *others]
    name = chosen_metric(evaluation, metric)
    scores = [one_value_each(one, chosen_metric(one, metric or name), threshold) for one in everything]
    held = [np.sort(score.to_numpy()[np.isfinite(score.to_numpy())]) for score in scores]
    if not all(len(values) for values in held):
        raise SelectionError(f"{short(name)} is defined at no place", hint="evaluation.undefined says why")
    figure = paper(7.4, 4.8)
    axes = figure.add_subplot()
    low, high = _limits(held, scores[0])
    ends, names = [], run_labels(everything)
    for at, (values, label) in enumerate(zip(held, names, strict=True)):
        ends.append((at, label, RUNS[at % len(RUNS)], _draw(axes, values, RUNS[at % len(RUNS)])))
        if place is not None:
            _mark(axes, everything[at], scores[at], place, values, RUNS[at % len(RUNS)])
    units = str(scores[0].attrs.get("units", "1"))
    told = [f"{label}: median {number(middle, units)} of {len(held[at]):,} places" for at, label, _, middle in ends]
    _frame(axes, name, scores[0], (low, high))
    _legend(axes, ends, scores[0])
    heading = heading_of(evaluation, others, None, title)
    title_of(axes, heading, _remarks(held, scores, names if others else [""], low))
    figure.set_label(f"Cumulative distribution of {worded(scores[0])} over places, {heading}; " + "; ".join(told))
    return figure


def _draw(axes: Axes, values: NDArray[np.float64], colour: str) -> float:
    """One line, from the lowest value to the highest, with its median marked and given."""
    share = 100 * np.arange(1, len(values) + 1) / len(values)
    x, y = np.concatenate([values[:1], values]), np.concatenate([[0.0], share])
    axes.step(x, y, where="post", color=colour, lw=1.8)
    middle = float(np.median(values))
    axes.plot([middle], [50], "o", ms=6, color=colour, mec="white", zorder=5)
    return middle


def one_value_each(evaluation: Evaluation, metric: str, threshold: str | None) -> xr.DataArray:
    """The metric over places, at one threshold if it has several.

    Raises
    ------
    SelectionError
        If there is but one place, no such threshold, or a further dimension.
    """
    score = evaluation.scores[metric]
    if "threshold" in score.dims:
        known = [str(label) for label in score["threshold"].values]
        if threshold not in known and not (threshold is None and len(known) == 1):
            raise SelectionError(
                f"{short(metric)} is at several thresholds"
                if threshold is None
                else f"there is no threshold {threshold!r}",
                has=", ".join(known),
                hint=f"threshold={known[0]!r}",
            )
        score = score.isel(threshold=0 if threshold is None else known.index(threshold))
    if evaluation.place is None:
        raise SelectionError(
            "the evaluation has but one place",
            hint="this figure is for several; see evaluation.plot.comparison for one",
        )
    if not evaluation.scores.sizes[evaluation.place]:
        raise SelectionError("the evaluation has no place to draw", hint="see evaluation.left_out for why")
    if extra := [str(dim) for dim in score.dims if dim != evaluation.place]:
        raise SelectionError(
            f"{short(metric)} has several values at a place",
            has=", ".join(extra),
            hint=f"select one, for example evaluation.scores.isel({extra[0]}=0)",
        )
    return score


def _limits(held: list[NDArray[np.float64]], score: xr.DataArray) -> tuple[float, float]:
    """From where to where: tails that would squeeze the rest are cut off."""
    together = np.concatenate(held)
    low, middle, high = np.quantile(together, (0.05, 0.5, 0.95))
    least, most = float(score.attrs.get("lowest", -np.inf)), float(score.attrs.get("highest", np.inf))
    bottom = max(float(together.min()), middle - _REACH * 2 * max(middle - low, 1e-9))
    top = min(float(together.max()), middle + _REACH * 2 * max(high - middle, 1e-9))
    if np.isfinite(most) and str(score.attrs.get("units", "1")) == "1":
        top = most
        if np.isfinite(least):
            bottom = least
    room = 0.03 * (top - bottom) or 0.5
    return (bottom if bottom == least else bottom - room), (top if top == most else top + room)


def _frame(axes: Axes, name: str, score: xr.DataArray, span: tuple[float, float]) -> None:
    axes.set(xlim=span, ylim=(0, 100))
    axes.set_xlabel(worded(score))
    axes.set_ylabel("share of places at most so high [%]")
    dress(axes, grid="both")
    mark = MEAN_FLOW.get(name)
    if mark is not None and span[0] < mark < span[1]:
        axes.axvline(mark, color=INK, lw=0.9, ls=(0, (5, 4)))
        axes.annotate(
            "mean flow", (mark, 100), (4, -3), xycoords="data", textcoords="offset points", fontsize=8.5, color=FAINT,
            va="top",
        )  # fmt: skip


def _legend(axes: Axes, ends: list[tuple[int, str, str, float]], score: xr.DataArray) -> None:
    """Names and medians in the colours of the lines, to the right."""
    figure = axes.figure
    figure.draw_without_rendering()  # type: ignore[union-attr]
    units = str(score.attrs.get("units", "1"))
    several = len(ends) > 1
    label_ends(
        axes,
        [
            (100 - 100 * (at + 1) / (len(ends) + 1) if several else 50.0,
             f"{label}\nmedian {number(middle, units)}" if several else f"median {number(middle, units)}", colour)
            for at, label, colour, middle in ends
        ],
        x=1.02,
    )  # fmt: skip


def _remarks(held: list[NDArray[np.float64]], scores: list[xr.DataArray], names: list[str], low: float) -> str:
    """What is cut off, and what is undefined."""
    said = []
    for values, score, name in zip(held, scores, names, strict=True):
        whose = f"{name}: " if name else ""
        if below := int((values < low).sum()):
            said.append(f"{whose}{100 * below / len(values):.0f} % are below {low:.2g}".replace("-", "−"))
        if lost := score.size - len(values):
            said.append(f"{whose}undefined at {lost:,}")
    return "; ".join(said)


def _mark(
    axes: Axes, evaluation: Evaluation, score: xr.DataArray, place: str, values: NDArray[np.float64], colour: str
) -> None:
    """A place on its line."""
    at = place_number(evaluation, place, what="a mark")
    value = float(score.to_numpy()[at])
    if not np.isfinite(value):
        return
    share = 100 * np.searchsorted(values, value, side="right") / len(values)
    axes.plot([value], [share], "D", ms=6, color=colour, mec="white", zorder=6)
    said = f"{place} {number(value, str(score.attrs.get('units', '1')))}"
    axes.annotate(
        said, (value, share), (-8, 4), textcoords="offset points", fontsize=9,
        color=INK, ha="right",
    ).set_parse_math(False)  # fmt: skip
