"""The Taylor diagram: correlation, spread and centred error of many simulations in one picture.

A point lies where the law of cosines puts it: its distance from the origin is the spread of
the simulation, its angle the correlation, and its distance from the reference the error that
is left without the bias (Taylor 2001, doi:10.1029/2000JD900719).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from dmod.errors import SelectionError
from dmod.evaluation.reduce import sums_of
from dmod.view.evaluation_axes import heading_on, paper
from dmod.view.evaluation_series import check_units, heading_of, labels_of, place_number, run_labels
from dmod.view.palette import BORDER, FAINT, INK, OBSERVED, RULE, RUNS

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.projections.polar import PolarAxes
    from numpy.typing import NDArray

    from dmod.evaluation.evaluation import Evaluation

__all__ = ["taylor"]

_Group: TypeAlias = "tuple[str, str, list[str], NDArray[np.float64], NDArray[np.float64]]"

#: Correlations that are marked [1].
_MARKS = (0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
#: Points up to which each is named, and up to which beside itself; more have a sign each, and are listed.
_NAMED, _BESIDE = 12, 5
_SIGNS = "osD^vP<>X*ph"


def taylor(evaluation: Evaluation, *others: Evaluation, place: str | None = None, title: str | None = None) -> Figure:
    """Correlation and spread of simulations, each relative to its observations.

    Parameters
    ----------
    evaluation, others : Evaluation
        What to draw: one point for each at *place*, or for each place of an evaluation of several.
    place : str, optional
        One place; all of them otherwise.
    title : str, optional
        Title; the name of the evaluation otherwise.

    Returns
    -------
    matplotlib.figure.Figure
        Spreads are divided by those of the observations, so that the reference is at 1. Its label
        says in words what it shows.

    Raises
    ------
    SelectionError
        If the place is not there, or no correlation is defined.
    UnitsError
        If the evaluations are in different units.
    """
    everything = [evaluation, *others]
    check_units(everything)
    names, groups = run_labels(everything), []
    lost = {"without a correlation": 0, "beyond the arc": 0}
    for number, one in enumerate(everything):
        labels, r, spread = _points(one, place)
        whole = np.isfinite(r) & np.isfinite(spread)
        lost["without a correlation"] += int((~whole).sum())
        labels = [label for label, good in zip(labels, whole, strict=True) if good]
        groups.append((names[number], RUNS[number % len(RUNS)], labels, r[whole], spread[whole]))
    if not any(len(r) for *_, r, _ in groups):
        raise SelectionError("no correlation is defined", hint="a series that never varies has none")
    single = all(len(labels) <= 1 for *_, labels, _, _ in groups)
    listed = _listed(groups)
    figure = paper(7.6 if listed else 6.4, 5.9)
    axes = _sheet(figure, groups)
    for name, colour, labels, r, spread in groups:
        inside = spread <= axes.get_rmax()
        lost["beyond the arc"] += int((~inside).sum())
        _dots(axes, labels, colour, np.arccos(np.clip(r, -1, 1)), spread, inside, listed, size=60 if single else 34)
        _name(axes, [name] if single else labels, colour, r, spread, inside, listed=listed)
    heading = heading_of(evaluation, others, place, title)
    _finish(figure, heading, [] if single else [(name, colour) for name, colour, *_ in groups], lost, listed)
    told = "; ".join(
        f"{name}: correlation {r[0]:.2f}, spread {spread[0]:.2f} times the observed"
        if len(r) == 1
        else f"{name}: {len(r):,} places, median correlation {np.median(r):.2f}"
        for name, _, _, r, spread in groups
        if len(r)
    )
    figure.set_label(f"Taylor diagram, {heading}; {told}")
    return figure


def _points(evaluation: Evaluation, place: str | None) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64]]:
    """Labels, correlations and relative spreads of one place, or of all."""
    pairs, labels = evaluation.pairs, labels_of(evaluation)
    if place is not None and (number := place_number(evaluation, place, what="a Taylor diagram")) is not None:
        pairs, labels = pairs.isel({str(evaluation.place): [number]}), [labels[number]]
    if evaluation.place is not None and not labels:
        raise SelectionError("the evaluation has no place to draw", hint="see evaluation.left_out for why")
    if extra := set(pairs["sim"].dims) - {"time", evaluation.place}:
        raise SelectionError(
            "a Taylor diagram shows single simulations", has=", ".join(map(str, extra)), hint="evaluate one member"
        )
    sums = sums_of(pairs["sim"].to_numpy(), pairs["obs"].to_numpy())
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(sums.obs_spread > 0, np.sqrt(sums.sim_spread / sums.obs_spread), np.nan)
        product = sums.sim_spread * sums.obs_spread
        r = np.where(product > 0, sums.shared / np.sqrt(product), np.nan)
    return labels or [evaluation.name], np.atleast_1d(r), np.atleast_1d(ratio)


def _sheet(figure: Figure, groups: Sequence[_Group]) -> PolarAxes:
    """The quarter of a circle, or its half where a correlation is negative."""
    r = np.concatenate([group[3] for group in groups])
    spread = np.concatenate([group[4] for group in groups])
    axes: PolarAxes = figure.add_subplot(projection="polar")  # type: ignore[assignment]
    # One place far off must not squeeze the rest; how many lie beyond is told.
    reach = float(np.clip(1.12 * min(spread.max(), 2.5 * np.quantile(spread, 0.9)), 1.4, None))
    half = bool((r < 0).any())
    axes.set_thetalim(0, np.pi if half else np.pi / 2)
    axes.set_rlim(0, reach)
    marks = sorted({*_MARKS, *(-mark for mark in _MARKS if half)})
    axes.set_thetagrids(np.degrees(np.arccos(marks)), [f"{mark:g}".replace("-", "−") for mark in marks])
    step = 0.25 if reach <= 1.8 else 0.5 if reach <= 4 else float(np.ceil(reach / 5))
    arcs = np.arange(step, reach, step)
    axes.set_rgrids(arcs, [f"{arc:g}" for arc in arcs])
    axes.grid(color=RULE, lw=0.8)
    axes.spines[:].set_color(BORDER)
    axes.tick_params(colors=FAINT, labelsize=9, pad=3)
    # Distance from the reference: the centred error.
    angle, radius = np.meshgrid(np.linspace(0, np.pi if half else np.pi / 2, 181), np.linspace(0, reach, 121))
    error = np.sqrt(1 + radius**2 - 2 * radius * np.cos(angle))
    lines = axes.contour(
        angle, radius, error, levels=arcs[arcs < reach], colors="#7aa6c2", linewidths=0.8, linestyles="dashed"
    )
    axes.clabel(lines, fontsize=8, fmt="%g", inline_spacing=3)
    around = np.linspace(0, np.pi if half else np.pi / 2, 90)
    axes.plot(around, np.ones_like(around), color=OBSERVED, lw=1.3)
    axes.plot([0], [1], marker="o", ms=9, color=OBSERVED, clip_on=False, zorder=6)
    axes.annotate("observed", (0, 1), (0, 9), textcoords="offset points", fontsize=9.5, color=OBSERVED, ha="center",
                  fontweight="bold", zorder=6)  # fmt: skip
    middle = 90.0 if half else 45.0
    axes.text(
        np.radians(middle), reach * 1.13, "correlation [1]", fontsize=9.5, color=FAINT, ha="center", va="center",
        rotation=0 if half else -45, rotation_mode="anchor",
    )  # fmt: skip
    axes.text(0.5, -0.075, "spread, relative to the observed [1]", transform=axes.transAxes, fontsize=9.5, color=FAINT,
              ha="center", va="top")  # fmt: skip
    axes.text(0.5, -0.118, "dashed: centred error, relative to the observed spread [1]", transform=axes.transAxes,
              fontsize=8.5, color="#4f7f9d", ha="center", va="top")  # fmt: skip
    return axes


def _listed(groups: Sequence[_Group]) -> list[str]:
    """Labels that get a sign each: where there are too many points to name each beside itself, and not too many."""
    labels = list(dict.fromkeys(label for _, _, held, _, _ in groups for label in held))
    points = sum(len(held) for _, _, held, _, _ in groups)
    return (
        labels
        if points > _BESIDE and max(len(held) for _, _, held, _, _ in groups) > 1 and len(labels) <= _NAMED
        else []
    )


def _dots(
    axes: PolarAxes, labels: list[str], colour: str, angle: NDArray[np.float64], spread: NDArray[np.float64],
    inside: NDArray[np.bool_], listed: list[str], size: float,
) -> None:  # fmt: skip
    """A dot for each place, or its sign in the list."""
    seen = 1.0 if len(angle) < 100 else 0.6
    signs = np.array([_SIGNS[listed.index(label)] if listed else "o" for label in labels])
    for sign in dict.fromkeys(signs.tolist()):
        here = inside & (signs == sign)
        axes.scatter(angle[here], spread[here], s=size, color=colour, lw=0.8, edgecolor="white", zorder=5,
                     clip_on=False, alpha=seen, marker=sign)  # fmt: skip


def _name(
    axes: PolarAxes,
    labels: list[str],
    colour: str,
    r: NDArray[np.float64],
    spread: NDArray[np.float64],
    inside: NDArray[np.bool_],
    *,
    listed: list[str],
) -> None:
    """Write each name beside its point while there are few and nothing is listed."""
    if len(r) > _NAMED or listed:
        return
    for label, correlation, ratio, there in zip(labels, r, spread, inside, strict=True):
        if not there:
            continue
        axes.annotate(
            label, (float(np.arccos(np.clip(correlation, -1, 1))), float(ratio)), (7, 5), textcoords="offset points",
            fontsize=9, color=colour, fontweight="bold", zorder=7,
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "alpha": 0.75, "linewidth": 0},
        ).set_parse_math(False)  # fmt: skip


def _finish(
    figure: Figure, heading: str, entries: list[tuple[str, str]], lost: dict[str, int], listed: list[str]
) -> None:
    from matplotlib.lines import Line2D

    heading_on(figure, heading)
    runs = entries if len(entries) > 1 else []
    shown = [Line2D([], [], ls="", marker="o", color=colour, label=name) for name, colour in runs]
    shown += [
        Line2D([], [], ls="", marker=sign, color=INK, label=label.replace("$", r"\$"))
        for sign, label in zip(_SIGNS, listed, strict=False)
    ]
    if shown:
        figure.legend(
            handles=shown,
            loc="outside right upper" if listed else "outside upper right",
            frameon=False,
            fontsize=9.5,
            labelcolor=INK,
        )
    if said_of := [f"{count:,} {why}" for why, count in lost.items() if count]:
        figure.supxlabel(f"not drawn: {', '.join(said_of)}", fontsize=8.5, color=FAINT)
