"""The flow duration curve: how often a flow is exceeded, observed and simulated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dmod.errors import SelectionError
from dmod.evaluation.duration import flow_duration as exceedance_of
from dmod.view.evaluation_axes import dress, label_ends, log_axis, paper, title_of
from dmod.view.evaluation_numbers import pretty
from dmod.view.evaluation_series import heading_of, runs_at
from dmod.view.palette import OBSERVED, RULE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from dmod.evaluation.evaluation import Evaluation

__all__ = ["curve", "flow_duration"]

#: Points of a curve: more are not seen.
_POINTS = 1_500
#: Shares of time that are marked [%].
_MARKS = (0.1, 1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9)


def flow_duration(
    evaluation: Evaluation,
    *others: Evaluation,
    place: str | None = None,
    log: bool = True,
    normal: bool = False,
    title: str | None = None,
) -> Figure:
    """How much of the time a flow is exceeded, over the instants that both series have.

    Parameters
    ----------
    evaluation, others : Evaluation
        What to draw; the observations of the first are drawn.
    place : str, optional
        Which place to draw, of an evaluation of several.
    log : bool
        Whether the flow is on a logarithmic axis; flows of zero are below it, and the figure says
        how often they are.
    normal : bool
        Whether the shares of time are spread as a normal distribution has them, so that both ends
        can be read.
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
    runs = runs_at(evaluation, others, place, what="a flow duration curve")
    sims = [run.both[0] for run in runs]
    obs = runs[0].both[1]
    names = ["observed", *(["simulated"] if len(runs) == 1 else [run.label for run in runs])]
    figure = paper(7.2, 5.0)
    axes = figure.add_subplot()
    axes.set_xlabel("share of time the flow is exceeded [%]")
    axes.set_ylabel(f"discharge [{pretty(runs[0].units)}]")
    dress(axes, grid="both")
    drawn = zip([obs, *sims], names, [OBSERVED, *(run.colour for run in runs)], strict=True)
    ends, dry = _draw(axes, list(drawn), log=log, normal=normal)
    if not ends:
        raise SelectionError("no flow is above zero", hint="draw it with log=False")
    _scales(axes, log=log, normal=normal, count=len(obs))
    heading = heading_of(evaluation, others, place, title)
    title_of(axes, heading, f"zero or below: {', '.join(dry)}" if dry else "")
    figure.draw_without_rendering()
    label_ends(axes, ends)
    figure.set_label(
        f"Flow duration curves, {heading}: {', '.join(names)}; discharge against the share of time it is exceeded, "
        f"from {len(obs):,} pairs"
    )
    return figure


def _draw(
    axes: Axes, drawn: list[tuple[NDArray[np.float64], str, str]], *, log: bool, normal: bool
) -> tuple[list[tuple[float, str, str]], list[str]]:
    """Draw each series; where its curve ends with name and colour, and how often it has no logarithm in words."""
    ends, dry = [], []
    for values, name, colour in drawn:
        share, flow = curve(values)
        if log:
            if none := float((values <= 0).mean()):
                dry.append(f"{name} {100 * none:.1f} %")
            share, flow = share[flow > 0], flow[flow > 0]
        width = 2.0 if colour == OBSERVED else 1.6
        axes.plot(_deviates(share) if normal else share, flow, color=colour, lw=width, solid_joinstyle="round")
        if len(flow):
            ends.append((float(flow[-1]), name, colour))
    return ends, dry


def curve(values: NDArray[np.float64], points: int = _POINTS) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares of time [%] in which flows are reached or exceeded, and the flows, highest first.

    Of many values some ranks are kept, dense at both ends; the highest and the lowest always are.
    """
    share, flow = exceedance_of(values)
    n = len(flow)
    ranks = np.arange(n)
    if n > points:
        ends = np.geomspace(1, n / 2, points // 2).astype(np.intp)
        between = np.linspace(0, n - 1, points // 4).astype(np.intp)
        ranks = np.unique(np.concatenate([ends - 1, n - ends, [0, n - 1], between]))
    return 100.0 * share[ranks], flow[ranks]


def _scales(axes: Axes, *, log: bool, normal: bool, count: int) -> None:
    if log:
        axes.set_yscale("log")
        log_axis(axes, "y")
        axes.grid(axis="y", which="minor", color=RULE, lw=0.35)
    if not normal:
        axes.set_xlim(0, 100)
        axes.set_xticks(range(0, 101, 10))
        return
    edge = max(100 / (count + 1), 1e-4)
    marks = [mark for mark in _MARKS if edge <= mark <= 100 - edge]
    axes.set_xlim(*_deviates(np.array([edge, 100 - edge])))
    axes.set_xticks(_deviates(np.array(marks)), [f"{mark:g}" for mark in marks])


def _deviates(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where shares of time [%] lie on an axis of normal deviates."""
    from statistics import NormalDist

    spread = NormalDist()
    return np.array([spread.inv_cdf(one / 100) for one in share.tolist()])
