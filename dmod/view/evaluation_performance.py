"""The performance diagram: how many events are found, and how many of those told come true.

Detection against success ratio, with lines of equal critical success index and of equal bias
(Roebber 2009, doi:10.1175/2008WAF2222159.1). One point for each threshold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from dmod.errors import SelectionError
from dmod.evaluation.reduce import table_of
from dmod.view.evaluation_axes import dress, paper, title_of
from dmod.view.evaluation_series import check_units, heading_of, place_number, run_labels, runs_at
from dmod.view.palette import FAINT, INK, RUNS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from dmod.evaluation.evaluation import Evaluation

__all__ = ["performance"]

#: Lines of equal frequency bias [1].
_BIASES = (0.25, 0.5, 0.8, 1.0, 1.25, 2.0, 4.0)
#: Height of a line and width of a letter of a label, in parts of the axes.
_LINE, _LETTER = 0.042, 0.019


def performance(
    evaluation: Evaluation, *others: Evaluation, place: str | None = None, title: str | None = None
) -> Figure:
    """Probability of detection against success ratio, one point for each threshold.

    Parameters
    ----------
    evaluation, others : Evaluation
        What to draw; each has thresholds.
    place : str, optional
        One place; the events of all places together otherwise.
    title : str, optional
        Title; the name of the evaluation otherwise.

    Returns
    -------
    matplotlib.figure.Figure
        The better, the nearer to the upper right. Its label says in words what it shows.

    Raises
    ------
    SelectionError
        If the place is not there, an evaluation has no thresholds, or no event is at any of them.
    UnitsError
        If the evaluations are in different units.
    """
    everything = [evaluation, *others]
    check_units(everything)
    figure = paper(6.3, 5.9)
    axes = figure.add_subplot()
    _sheet(axes)
    told, empty = [], []
    marked: list[tuple[float, float, str, str]] = []
    for number, (one, name) in enumerate(zip(everything, run_labels(everything), strict=True)):
        names, detected, right = _rates(one, place)
        whole = np.isfinite(detected) & np.isfinite(right)
        empty += [
            f"{label} ({name})" if others else label for label, good in zip(names, whole, strict=True) if not good
        ]
        if not whole.any():
            continue
        colour, kept = RUNS[number % len(RUNS)], [label for label, good in zip(names, whole, strict=True) if good]
        _draw(axes, right[whole], detected[whole], colour)
        marked += [
            (float(x), float(y), label if not others else f"{name}: {label}", colour if others else INK)
            for label, x, y in zip(kept, right[whole], detected[whole], strict=True)
        ]
        told += [f"{name} at {label}: detection {d:.2f}, success ratio {s:.2f}"
                 for label, d, s in zip(kept, detected[whole], right[whole], strict=True)]  # fmt: skip
    if not told:
        at = ", ".join(empty)
        raise SelectionError("no event is at any threshold", thresholds=at, hint="choose lower ones, or a longer time")
    _label(axes, marked)
    heading = heading_of(evaluation, others, place, title)
    under = "shaded: critical success index; dashed: frequency bias"
    if empty:
        under = f"undefined, for no event or none simulated: {', '.join(empty)}"
    title_of(axes, heading, under, room=12)
    figure.set_label(f"Performance diagram, {heading}; " + "; ".join(told))
    return figure


def _rates(evaluation: Evaluation, place: str | None) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64]]:
    """Names of the thresholds, probabilities of detection and success ratios."""
    held = evaluation.thresholds
    if held is None or not held.size:
        raise SelectionError(
            f"{evaluation.name!r} has no thresholds", hint="evaluate with thresholds=, for example a quantile of obs"
        )
    pairs = evaluation.pairs
    if place is not None:
        number = place_number(evaluation, place, what="a performance diagram")
        if number is not None:
            pairs = pairs.isel({str(evaluation.place): number})
            held = held.isel({str(evaluation.place): number}) if evaluation.place in held.dims else held
    names = [str(name) for name in np.atleast_1d(held["threshold"].to_numpy())]
    held = held.transpose(..., "threshold") if "threshold" in held.dims else held.expand_dims("threshold")
    if set(pairs["sim"].dims) - {"time", evaluation.place}:
        runs_at(evaluation, (), place, what="a performance diagram")  # says which dimension is too many
    counted = _counted(evaluation, pairs, held)
    hits, misses, wrong = (part.reshape(-1, len(names)) for part in counted)
    hits, misses, wrong = (np.nansum(part, axis=0) for part in (hits, misses, wrong))
    with np.errstate(invalid="ignore", divide="ignore"):
        return names, hits / (hits + misses), hits / (hits + wrong)


def _counted(evaluation: Evaluation, pairs: xr.Dataset, held: xr.DataArray) -> tuple[NDArray[np.float64], ...]:
    """Hits, misses and false alarms, with the operator of the evaluation."""
    told = evaluation.specification or {}
    operator = str(told.get("operator", ">="))
    sim, obs = pairs["sim"], pairs["obs"]
    if "time" not in held.dims:
        table = table_of(sim.to_numpy(), obs.to_numpy(), held.to_numpy(), operator=operator)
        return table.hits, table.misses, table.false_alarms
    parts = []
    for number in range(held.sizes["threshold"]):  # one for each day: above it is above nothing of the rest
        at = held.isel(threshold=number)
        simulated, observed = ((series - at).transpose(*series.dims).to_numpy() for series in (sim, obs))
        table = table_of(simulated, observed, np.zeros(1), operator=operator)
        parts.append((table.hits[..., 0], table.misses[..., 0], table.false_alarms[..., 0]))
    return tuple(np.stack(part, axis=-1) for part in zip(*parts, strict=True))


def _sheet(axes: Axes) -> None:
    """Lines of equal critical success index, and rays of equal bias."""
    right, detected = np.meshgrid(np.linspace(0.005, 1, 200), np.linspace(0.005, 1, 200))
    csi = 1 / (1 / right + 1 / detected - 1)
    axes.contourf(right, detected, csi, levels=np.arange(0, 1.01, 0.1), cmap="Blues", alpha=0.28, vmin=-0.1, vmax=1.2)
    lines = axes.contour(right, detected, csi, levels=np.arange(0.1, 1.0, 0.1), colors="#6f9fc0", linewidths=0.8)
    middle = [(c / (c + (1 - c) / 2), c / (c + (1 - c) / 2)) for c in np.arange(0.1, 1.0, 0.1)]
    axes.clabel(lines, fmt="%.1f", fontsize=8, manual=[(x * 1.0, y * 0.985) for x, y in middle], colors="#39688a")
    for bias in _BIASES:
        axes.plot([0, min(1, 1 / bias)], [0, min(1, bias)], color=FAINT, lw=0.8, ls=(0, (5, 4)), alpha=0.7)
        where, offset, align = ((1, bias), (4, 0), "left") if bias <= 1 else ((1 / bias, 1), (0, 4), "center")
        axes.annotate(
            f"{bias:g}", where, offset, textcoords="offset points", fontsize=8.5, color=FAINT, ha=align,
            va="center" if bias <= 1 else "bottom", annotation_clip=False,
        )  # fmt: skip
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set_xlabel("success ratio, 1 − false alarm ratio [1]")
    axes.set_ylabel("probability of detection [1]")
    dress(axes, grid="both")
    axes.grid(visible=False)
    axes.annotate("bias [1]", (1.0, 1.0), (8, 4), xycoords="axes fraction", textcoords="offset points", fontsize=8.5,
                  color=FAINT, ha="left")  # fmt: skip


def _draw(axes: Axes, right: NDArray[np.float64], detected: NDArray[np.float64], colour: str) -> None:
    axes.plot(right, detected, color=colour, lw=1.2, alpha=0.7, zorder=4)
    axes.scatter(right, detected, s=64, color=colour, edgecolor="white", lw=1.0, zorder=5, clip_on=False)


def _label(axes: Axes, marked: list[tuple[float, float, str, str]]) -> None:
    """Names beside their points, on the side away from the edge, moved down where they would touch."""
    taken: dict[bool, list[tuple[float, float, float]]] = {True: [], False: []}
    for x, y, text, colour in sorted(marked, key=lambda one: -one[1]):
        is_left, width = x > 0.5, _LETTER * len(text)
        low, high = (x - width, x) if is_left else (x, x + width)
        at = min(y, 0.97)
        for other, first, last in sorted(taken[True] + taken[False], reverse=True):
            if low < last and first < high and abs(at - other) < _LINE:
                at = other - _LINE
        taken[is_left].append((at, low, high))
        axes.annotate(
            text, (x, y), ((-0.025 if is_left else 0.025) + x, at), textcoords="data", fontsize=9, color=colour,
            ha="right" if is_left else "left", va="center", zorder=6,
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "alpha": 0.7, "linewidth": 0},
            arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.6} if abs(at - y) > _LINE / 2 else None,
        ).set_parse_math(False)  # fmt: skip
