"""Simulated against observed flow, point by point or as a density, with the line of equality and a fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, LogNorm, to_hex, to_rgb
from matplotlib.ticker import FuncFormatter

from dmod.errors import SelectionError
from dmod.view.evaluation_axes import dress, heading_on, log_axis, paper
from dmod.view.evaluation_numbers import metrics_of, number, pretty, short
from dmod.view.evaluation_series import Run, heading_of, runs_at
from dmod.view.palette import FAINT, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from dmod.evaluation.evaluation import Evaluation

__all__ = ["scatter"]

#: Points above which their density is drawn, and cells of it along each side.
_MANY, _CELLS = 3_000, 90


def scatter(
    evaluation: Evaluation,
    *others: Evaluation,
    place: str | None = None,
    log: bool = False,
    fit: bool = True,
    title: str | None = None,
) -> Figure:
    """Simulated against observed flow, one panel for each evaluation.

    Parameters
    ----------
    evaluation, others : Evaluation
        What to draw.
    place : str, optional
        Which place to draw, of an evaluation of several.
    log : bool
        Whether the axes are logarithmic; pairs with a flow of zero or less are left out then, and
        the figure says how many.
    fit : bool
        Whether the line of least squares is drawn; on logarithmic axes that of the logarithms.
    title : str, optional
        Title; the name of the evaluation otherwise.

    Returns
    -------
    matplotlib.figure.Figure
        Above 3,000 pairs it shows how many lie where. Its label says in words what it shows.

    Raises
    ------
    SelectionError
        If the place is not there, or nothing can be drawn.
    UnitsError
        If the evaluations are in different units.
    """
    runs = runs_at(evaluation, others, place, what="a scatter plot")
    kept = [_positive(run) if log else (*run.both, 0) for run in runs]
    if not any(len(sim) for sim, _, _ in kept):
        why = ("no pair has two positive flows", "draw it with log=False")
        why = why if log else ("no instant has a value in both", "see evaluation.undefined")
        raise SelectionError(why[0], hint=why[1])
    low, high = _limits([values for sim, obs, _ in kept for values in (sim, obs) if len(values)], log=log)
    figure = paper(5.2 if len(runs) == 1 else 4.2 * len(runs) + 0.4, 5.4 if len(runs) == 1 else 4.9)
    panels = figure.subplots(1, len(runs), sharex=True, sharey=True, squeeze=False)[0]
    for axes, run, (sim, obs, lost) in zip(panels, runs, kept, strict=True):
        _frame(axes, (low, high), log=log)
        _draw_pairs(axes, run, sim, obs, (low, high), log=log)
        _draw_lines(axes, run, sim, obs, (low, high), log=log, fit=fit)
        _caption(axes, run, lost, alone=len(runs) == 1)
        axes.set_xlabel(f"observed [{pretty(run.units)}]", color=FAINT)
    panels[0].set_ylabel(f"simulated [{pretty(runs[0].units)}]", color=FAINT)
    heading = heading_of(evaluation, others, place, title)
    heading_on(figure, heading)
    counts = "; ".join(f"{run.label}: {len(sim):,} pairs" for run, (sim, _, _) in zip(runs, kept, strict=True))
    figure.set_label(f"Scatter plot, {heading}: simulated against observed discharge; {counts}")
    return figure


def _frame(axes: Axes, span: tuple[float, float], *, log: bool) -> None:
    """The same axes both ways."""
    if log:
        axes.set_xscale("log")
        axes.set_yscale("log")
    axes.set(xlim=span, ylim=span, aspect="equal")
    if log:
        log_axis(axes, "x")
        log_axis(axes, "y")
    dress(axes, grid="both")


def _positive(run: Run) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Pairs that have logarithms, and how many have not."""
    sim, obs = run.both
    whole = (sim > 0) & (obs > 0)
    return sim[whole], obs[whole], int((~whole).sum())


def _limits(series: list[NDArray[np.float64]], *, log: bool) -> tuple[float, float]:
    """The same limits both ways."""
    low, high = min(float(values.min()) for values in series), max(float(values.max()) for values in series)
    if log:
        room = (high / low) ** 0.04 if high > low else 1.5
        return low / room, high * room
    room = 0.04 * (high - low) or 1.0
    return (0.0 if 0 <= low < 0.2 * high else low - room), high + room


def _draw_pairs(
    axes: Axes, run: Run, sim: NDArray[np.float64], obs: NDArray[np.float64], span: tuple[float, float], *, log: bool
) -> None:
    if len(sim) <= _MANY:
        size = float(np.clip(9_000 / max(len(sim), 1), 5, 26))
        axes.scatter(obs, sim, s=size, color=run.colour, alpha=0.35 if len(sim) > 150 else 0.7, lw=0)
        return
    edges = np.geomspace(*span, _CELLS + 1) if log else np.linspace(*span, _CELLS + 1)
    counts, _, _ = np.histogram2d(obs, sim, bins=[edges, edges])
    shades = LinearSegmentedColormap.from_list("run", [_paler(run.colour, 0.8), run.colour, _darker(run.colour)])
    drawn = axes.pcolormesh(
        edges, edges, np.ma.masked_less(counts.T, 1), cmap=shades, norm=LogNorm(1, max(counts.max(), 2)), lw=0,
        rasterized=True,
    )  # fmt: skip
    figure = axes.figure
    bar = figure.colorbar(drawn, ax=axes, location="bottom", shrink=0.55, aspect=32, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=FAINT, labelsize=8, length=0)
    bar.ax.minorticks_off()
    bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    bar.set_label("pairs in a cell", color=FAINT, fontsize=8.5)


def _draw_lines(
    axes: Axes,
    run: Run,
    sim: NDArray[np.float64],
    obs: NDArray[np.float64],
    span: tuple[float, float],
    *,
    log: bool,
    fit: bool,
) -> None:
    """The line of equality, and that of least squares within the observed range."""
    axes.plot(span, span, color=INK, lw=1.0)
    axes.annotate(
        "1:1", (0.985, 0.985), (-3, -13), xycoords="axes fraction", textcoords="offset points", fontsize=9, color=INK,
        ha="right", rotation=45, rotation_mode="anchor", va="bottom",
    )  # fmt: skip
    if not fit or len(sim) < 3 or np.ptp(obs) == 0:
        return
    x, y = (np.log(obs), np.log(sim)) if log else (obs, sim)
    slope, start = np.polyfit(x, y, 1)
    along = np.linspace(x.min(), x.max(), 50)
    line = np.exp(start + slope * along) if log else start + slope * along
    axes.plot(np.exp(along) if log else along, line, color=_darker(run.colour), lw=1.6, ls=(0, (6, 3)))
    inside = np.flatnonzero((line >= span[0]) & (line <= span[1]))
    at = inside[-1] if len(inside) else -1
    axes.annotate(
        f"fit, slope {slope:.2f}", (np.exp(along[at]) if log else along[at], line[at]), (-4, -4),
        textcoords="offset points", fontsize=9, color=_darker(run.colour), ha="right", va="top",
        bbox={"boxstyle": "square,pad=0.12", "facecolor": "white", "alpha": 0.75, "linewidth": 0},
    )  # fmt: skip


def _caption(axes: Axes, run: Run, lost: int, *, alone: bool) -> None:
    scores = [
        f"{short(name)} {number(float(run.scores[name]), str(run.scores[name].attrs.get('units', '1')))}"
        for name in metrics_of(run.scores)
        if run.scores[name].ndim == 0
    ][:3]
    lines = [] if alone else [run.label]
    lines.append(" · ".join(scores) if scores else "")
    if lost:
        lines.append(f"{lost:,} pairs without logarithm left out")
    said = axes.set_title("\n".join(line for line in lines if line), loc="left", fontsize=9.5, color=FAINT)
    said.set_parse_math(False)


def _paler(colour: str, share: float) -> str:
    red, green, blue = to_rgb(colour)
    return to_hex((red + (1 - red) * share, green + (1 - green) * share, blue + (1 - blue) * share))


def _darker(colour: str) -> str:
    red, green, blue = to_rgb(colour)
    return to_hex((0.55 * red, 0.55 * green, 0.55 * blue))
