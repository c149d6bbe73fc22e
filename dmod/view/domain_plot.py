"""The still map of a domain: its catchments in colours, its rivers, nexuses and gages.

`plot` draws the shapes themselves, without a base map and so without a network. What is
too much for the eye or for patience is thinned out, and the map says what was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from matplotlib import colormaps
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.path import Path

from dmod.errors import InputError
from dmod.view.domain_flow import main_rivers, rivers_of
from dmod.view.domain_paint import Paint, choose, part_colours
from dmod.view.domain_shapes import Grid, Shapes
from dmod.view.maps import dress_map
from dmod.view.palette import BORDER, FAINT, INK, LAND, RIVER, SIMULATED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["Drawable", "plot"]

#: Catchments up to which every vertex and every river is drawn.
EVERYTHING = 5_000
#: Catchments up to which they are drawn as shapes; beyond, some of them as points.
SHAPES = 50_000
#: Catchments that stand for a larger domain.
POINTS = 20_000
#: Rivers drawn where not all are.
RIVERS = 5_000
#: Catchments up to which nexuses are drawn unless asked for.
_FEW = 200
#: Gages up to which their numbers are written.
_NAMED = 12
#: Parts up to which a legend names each.
_LISTED = 20
#: Catchments or rivers up to which lines have their full width; of more they are finer, down to this share [1].
_BOLD, _FINEST = 400, 0.45
#: Rivers on colours, some of which are as blue as rivers are on land.
_DEEP = "#12304a"
#: Grid of thinned shapes: cells along the longer side, finer than a figure's pixels.
_CELLS = 2_000


class Drawable(Protocol):
    """What a map needs of a domain."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def version(self) -> str:
        """Version of the hydrofabric."""

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Xmin, ymin, xmax and ymax, in the units of ``crs``."""

    @property
    def crs(self) -> str:
        """The coordinate system, such as ``EPSG:5070``."""

    @property
    def gages(self) -> Mapping[str, tuple[str, str]]:
        """Gage number to the catchment it ends and the nexus below it."""

    def __len__(self) -> int:
        """Number of catchments."""

    def divides(self, columns: list[str] | None = None, geometry: bool = True, crs: str | None = None) -> Any:
        """The catchments as a GeoDataFrame by catchment id, with ``toid``."""

    def layers(self) -> Mapping[str, tuple[str, ...]]:
        """Layer to its columns."""

    def flowpaths(self, columns: list[str] | None = None, geometry: bool = True, crs: str | None = None) -> Any:
        """The rivers by flowpath id, with ``divide_id``, and ``order`` where the hydrofabric has it."""

    def nexus(self, columns: list[str] | None = None, geometry: bool = True, crs: str | None = None) -> Any:
        """The nexuses by nexus id, with ``toid``."""

    def facts(self) -> Mapping[str, str]:
        """What the card says: label to text."""

    def sample(self, count: int) -> Drawable:
        """About *count* of the catchments, spread over the domain."""

    def select(self, catchments: Any) -> Drawable:
        """Some of the catchments, by their ids."""

    def drainage_area(self) -> Any:
        """What drains through each catchment, as a Series by catchment id, in the order of ``divides``."""


def plot(
    domain: Drawable,
    *,
    column: str | None = None,
    values: Any = None,
    partition: Any = None,
    gages: bool = True,
    nexuses: bool | None = None,
    ax: Axes | None = None,
    title: str | None = None,
    cmap: Any = None,
    legend: bool = True,
) -> Figure:
    """A still map of a domain.

    Parameters
    ----------
    domain : Drawable
        What to draw. Above 5,000 catchments only the largest rivers are drawn and outlines are
        coarser, above 50,000 a sample of the catchments stands for all; the map says so.
    column, values, partition : optional
        What to fill the catchments with; see `dmod.view.domain_paint.choose`. One of them at most.
    gages : bool
        Whether gages are marked.
    nexuses : bool, optional
        Whether nexuses are drawn; by default up to 200 catchments.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a figure of its own if not given.
    title : str, optional
        Title above the map; by default the name of the domain.
    cmap : matplotlib colour map or its name, optional
        For numbers; by default ``viridis``.
    legend : bool
        Whether a colour bar, or the list of parts, is drawn.

    Returns
    -------
    matplotlib.figure.Figure
        Its label (``get_label()``) says in words what it shows.

    Raises
    ------
    InputError, SelectionError
        As `dmod.view.domain_paint.choose`; nothing is drawn then.
    """
    shown = domain if len(domain) <= SHAPES else domain.sample(POINTS)
    divides = shown.divides(columns=["toid"])
    paint = choose(shown, divides.index, column=column, values=values, partition=partition)
    how = _filled(paint, cmap)
    figure, axes = _canvas(domain.bounds) if ax is None else (_figure_of(ax), ax)
    filled, notes = _layers(axes, domain, shown, divides, how)
    notes += _points(axes, domain, nexuses=len(domain) <= _FEW if nexuses is None else nexuses, gages=gages)
    _finish(axes, domain, paint, divides.crs, domain.name if title is None else title, notes)
    if legend:
        _legend(axes, paint, filled)
    figure.set_label(figure.get_label() or _in_words(domain, paint, notes))
    return figure


def _layers(axes: Axes, domain: Drawable, shown: Drawable, divides: Any, how: dict[str, Any]) -> tuple[Any, list[str]]:
    """Draw the catchments and the rivers; what is coloured, and what was left out in words."""
    shapes, thin, notes = Shapes.of(divides.geometry), len(domain) > EVERYTHING, []
    plain = isinstance(how.get("facecolor"), str)
    if shown is not domain:
        notes.append(f"{len(divides):,} of {len(domain):,} catchments, as points")
        filled = _as_points(axes, shapes.centres(), how)
    else:
        if thin:
            shapes = _coarser(shapes, domain.bounds, divides.crs, closed=True)
        filled = _as_shapes(axes, shapes, how, plain=plain)
    rivers = main_rivers(domain, RIVERS) if thin else domain
    if rivers is not domain:
        notes.append(f"the {len(rivers):,} rivers that drain most")
    _rivers(axes, rivers_of(rivers), domain.bounds, thin=thin, cased=not plain)
    return filled, notes


def _canvas(bounds: tuple[float, ...]) -> tuple[Figure, Axes]:
    """A figure as tall as the map asks for."""
    west, south, east, north = bounds
    tall = min(max((north - south) / max(east - west, 1e-9), 0.5), 1.5)
    figure = Figure(figsize=(6, 6 * tall), layout="constrained", facecolor="white")
    return figure, figure.add_subplot()


def _figure_of(axes: Axes) -> Figure:
    """The figure that *axes* are part of, at any depth."""
    figure = axes.figure
    while not isinstance(figure, Figure):
        figure = figure.figure
    return figure


def _coarser(shapes: Shapes, bounds: tuple[float, ...], crs: Any, *, closed: bool) -> Shapes:
    """Shapes without what is finer than the pixels of a figure, in the map's coordinates."""
    grid = Grid.over(bounds, _CELLS, crs=crs)
    thin = shapes.snapped(grid, closed=closed)
    points = thin.points * grid.step / (grid.stretch, 1.0) + np.asarray(grid.centre)
    return Shapes(points, thin.starts, thin.owner, thin.count)


def _filled(paint: Paint, cmap: Any) -> dict[str, Any]:
    """How matplotlib is told what to fill with."""
    if paint.kind == "ramp" and paint.values is not None:
        low, high = paint.span
        return {"array": np.ma.masked_invalid(paint.values[0]), "cmap": _colours(cmap), "norm": Normalize(low, high)}
    return {"facecolor": paint.colours() if paint.kind == "parts" else LAND}


def _colours(cmap: Any) -> Any:
    """The colour map, plain land where there is no value."""
    try:
        return colormaps.get_cmap(cmap if cmap is not None else "viridis").with_extremes(bad=LAND)
    except (TypeError, ValueError) as problem:
        raise InputError(
            f"matplotlib knows no colour map {cmap!r}", hint="give one such as 'viridis', 'cividis' or 'Blues'"
        ) from problem


def _as_shapes(axes: Axes, shapes: Shapes, how: dict[str, Any], *, plain: bool) -> Any:
    """The catchments as shapes: one path for each, holes among its rings."""
    codes = np.full(len(shapes.points), Path.LINETO, dtype=np.uint8)
    codes[shapes.starts[:-1]] = Path.MOVETO
    edges = shapes.starts[shapes.first_parts()]
    # Islands in the hole of another catchment are painted after it, being smaller.
    boxes = np.nan_to_num(shapes.boxes())
    order = np.argsort(-(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), kind="stable")
    paths = [Path(shapes.points[edges[n] : edges[n + 1]], codes[edges[n] : edges[n + 1]]) for n in order]
    many = len(paths) > EVERYTHING
    edge: dict[str, Any] = {"edgecolor": "face", "linewidth": 0.2}
    if plain or not many:
        edge = {"edgecolor": BORDER if plain else "white", "linewidth": 0.1 if many else 0.5 * _fineness(len(paths))}
    how = {key: it[order] if isinstance(it, np.ndarray) else it for key, it in how.items()}
    return axes.add_collection(PathCollection(paths, **how, **edge))


def _as_points(axes: Axes, centres: NDArray[np.float64], how: dict[str, Any]) -> Any:
    """The catchments as points."""
    east, north = centres.T
    if "array" in how:
        return axes.scatter(
            east, north, s=3, lw=0, c=how["array"], cmap=how["cmap"], norm=how["norm"], plotnonfinite=True
        )
    return axes.scatter(
        east, north, s=3, lw=0, color=how["facecolor"] if isinstance(how["facecolor"], np.ndarray) else BORDER
    )


def _rivers(axes: Axes, flowpaths: Any, bounds: tuple[float, ...], *, thin: bool, cased: bool) -> None:
    """Draw the courses of the rivers, wider with their order, cased on colours."""
    order = np.ones(len(flowpaths))
    if "order" in flowpaths.columns:
        order = np.nan_to_num(flowpaths["order"].to_numpy(float, na_value=np.nan), nan=1.0)
    courses = Shapes.of(flowpaths.geometry)
    if thin:
        courses = _coarser(courses, bounds, flowpaths.crs, closed=False)
        order = order - (order.min(initial=np.inf) - 1.0)
    fine = _fineness(len(order))
    widths = fine * (0.6 + 0.45 * order)[courses.owner]
    pieces = courses.pieces()
    if cased:
        axes.add_collection(
            LineCollection(pieces, colors="white", linewidths=widths + 0.9 * fine, capstyle="round", alpha=0.8)
        )
    colour = _DEEP if cased else RIVER
    axes.add_collection(LineCollection(pieces, colors=colour, linewidths=widths, capstyle="round"))


def _fineness(lines: int) -> float:
    """How much finer than their full width so many lines are drawn [1], in [0.45, 1]."""
    return float(np.clip(np.sqrt(_BOLD / max(lines, 1)), _FINEST, 1.0))


def _points(axes: Axes, domain: Drawable, *, nexuses: bool, gages: bool) -> list[str]:
    """Draw nexuses and gages, those by number while there are few; what was left out in words."""
    if len(domain) > SHAPES:
        return ["gages and nexuses are left out"] if nexuses or (gages and domain.gages) else []
    marked = {gage: nexus for gage, (_, nexus) in domain.gages.items()} if gages else {}
    if not nexuses and not marked:
        return []
    layer = domain.nexus(columns=["toid"])
    layer = layer[~(layer.index.duplicated() | layer.geometry.isna())]
    if nexuses:
        axes.scatter(layer.geometry.x, layer.geometry.y, s=9, color="white", edgecolor=RIVER, lw=0.8, zorder=3)
    marked = {gage: nexus for gage, nexus in marked.items() if nexus in layer.index}
    if not marked:
        return []
    spots = layer.geometry.loc[list(marked.values())]
    size = 90 if len(marked) <= _NAMED else 18
    axes.scatter(spots.x, spots.y, s=size, marker="^", color=SIMULATED, edgecolor="white", lw=0.8, zorder=4)
    for gage, spot in zip(marked, spots, strict=True) if len(marked) <= _NAMED else ():
        axes.annotate(
            gage, (spot.x, spot.y), (8, 6), textcoords="offset points", fontsize=8, fontweight="bold", color=INK,
            bbox={"boxstyle": "round,pad=0.2", "facecolor": "white", "alpha": 0.85, "linewidth": 0}, zorder=5,
        )  # fmt: skip
    return []


def _finish(axes: Axes, domain: Drawable, paint: Paint, crs: Any, title: str, notes: list[str]) -> None:
    """The scale, the title, and below it what was thinned out."""
    if len(paint.steps) > 1:
        notes.append(f"{paint.steps[0]}, the first of {len(paint.steps):,} steps")
    dress_map(axes, domain.bounds, crs)
    pad = 6 + 11 * len(notes)
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK, pad=pad).set_parse_math(False)
    if notes:
        said = axes.annotate(
            "\n".join(notes), (0, 1), (0, 4), xycoords="axes fraction", textcoords="offset points", fontsize=8,
            color=FAINT, va="bottom",
        )  # fmt: skip
        # A long line must not make the map small.
        said.set_in_layout(False)


def _legend(axes: Axes, paint: Paint, filled: Any) -> None:
    """A colour bar for numbers, a list for parts."""
    figure = axes.get_figure()
    if paint.kind == "ramp" and figure is not None:
        bar = figure.colorbar(filled, ax=axes, shrink=0.7)
        bar.set_label(paint.label, color=INK)
        bar.outline.set_visible(False)
    elif paint.kind == "parts":
        colours = part_colours(len(paint.names))
        listed = [
            Line2D([], [], ls="", marker="s", color=colour, label=name)
            for colour, name in list(zip(colours, paint.names, strict=True))[:_LISTED]
        ]
        if len(paint.names) > _LISTED:
            listed.append(Line2D([], [], ls="", label=f"and {len(paint.names) - _LISTED} more"))
        axes.legend(
            handles=listed, title=paint.label, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=8
        )


def _in_words(domain: Drawable, paint: Paint, notes: list[str]) -> str:
    """What the map shows."""
    coloured = f", coloured by {paint.label}" if paint.kind != "plain" else ""
    thinned = f" ({'; '.join(notes)})" if notes else ""
    return f"Map of {domain.name}: {len(domain):,} catchments{coloured}{thinned}"
