"""The small map of a domain: catchments, rivers, nexuses and the gage.

Drawn from the shapes themselves, without a base map and so without a network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure

from dmod.errors import SelectionError
from dmod.view.domain_shapes import round_length
from dmod.view.palette import BORDER, FAINT, INK, LAND, RIVER, SIMULATED

if TYPE_CHECKING:
    from collections.abc import Iterator

    import geopandas as gpd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["domain_map", "dress_map"]


def domain_map(
    divides: gpd.GeoDataFrame,
    flowpaths: gpd.GeoDataFrame,
    nexus: gpd.GeoDataFrame,
    *,
    gage: str | None = None,
    title: str | None = None,
) -> Figure:
    """A small map of a domain: its catchments, rivers and nexuses, and where the gage is.

    Parameters
    ----------
    divides, flowpaths, nexus : geopandas.GeoDataFrame
        The layers of a hydrofabric, in one coordinate system. Rivers are wider with ``order``,
        if there is such a column.
    gage : str, optional
        The nexus, flowpath or divide to mark.
    title : str, optional
        Title above the map.

    Returns
    -------
    matplotlib.figure.Figure
        Its label (``get_label()``) says in words what it shows.

    Raises
    ------
    SelectionError
        If *gage* is none of the three layers' ids.
    """
    west, south, east, north = (float(edge) for edge in divides.total_bounds)
    tall = min(max((north - south) / max(east - west, 1e-9), 0.5), 1.5)
    figure = Figure(figsize=(5, 5 * tall), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    rings = [ring for shape in divides.geometry for ring in _rings(shape)]
    axes.add_collection(PolyCollection(rings, facecolor=LAND, edgecolor=BORDER, linewidth=0.6))
    axes.add_collection(_rivers(flowpaths))
    if len(nexus):
        axes.scatter(nexus.geometry.x, nexus.geometry.y, s=9, color="white", edgecolor=RIVER, lw=0.8, zorder=3)
    if gage is not None:
        _mark(axes, gage, _where(gage, divides, flowpaths, nexus))
    dress_map(axes, (west, south, east, north), divides.crs)
    if title is not None:
        axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK)
    marked = "" if gage is None else f", with {gage} marked"
    figure.set_label(f"Map of {len(divides):,} catchments and {len(flowpaths):,} river reaches{marked}")
    return figure


def dress_map(axes: Axes, bounds: tuple[float, float, float, float], crs: Any) -> None:
    """Equal lengths both ways, and a bar of some kilometres where the map is in a length.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where something is drawn already.
    bounds : tuple of float
        xmin, ymin, xmax and ymax of the map, in the units of *crs*.
    crs : pyproj.CRS or None
        The coordinate system; without one there is no bar.
    """
    west, south, east, north = bounds
    axes.margins(0.03)
    axes.autoscale_view()
    axes.axis("off")
    if crs is None or not crs.is_projected:
        axes.set_aspect(1.0 / max(np.cos(np.radians((south + north) / 2)), 0.1) if crs is not None else 1.0)
        return
    axes.set_aspect("equal")
    per_km = 1_000 / float(crs.axis_info[0].unit_conversion_factor)
    if (wanted := (east - west) / 3 / per_km) <= 0:
        return
    km = round_length(wanted)
    y = south - 0.06 * (north - south)
    axes.plot([west, west + km * per_km], [y, y], color=FAINT, lw=2, solid_capstyle="butt")
    axes.annotate(
        f"{km:g} km",
        (west + km * per_km, y),
        (5, 0),
        textcoords="offset points",
        fontsize=9,
        color=FAINT,
        va="center",
    )


def _rivers(flowpaths: gpd.GeoDataFrame) -> LineCollection:
    """The courses of the rivers, wider with their order."""
    order = flowpaths["order"] if "order" in flowpaths.columns else [1.0] * len(flowpaths)
    lines = [(line, o) for shape, o in zip(flowpaths.geometry, order, strict=True) for line in _lines(shape)]
    widths = [0.6 + 0.45 * (1.0 if np.isnan(o) else float(o)) for _, o in lines]
    return LineCollection([line for line, _ in lines], colors=RIVER, linewidths=widths, capstyle="round")


def _mark(axes: Axes, name: str, point: tuple[float, float]) -> None:
    """A triangle and a name at *point*."""
    axes.scatter(*point, s=110, marker="^", color=SIMULATED, edgecolor="white", lw=1.2, zorder=4)
    axes.annotate(
        name, point, (9, 7), textcoords="offset points", fontsize=9, fontweight="bold", color=INK,
        bbox={"boxstyle": "round,pad=0.25", "facecolor": "white", "alpha": 0.85, "linewidth": 0}, zorder=5,
    )  # fmt: skip


def _rings(shape: Any) -> Iterator[NDArray[np.float64]]:
    """Outlines of a polygon or of several."""
    for part in getattr(shape, "geoms", [shape] if shape is not None else []):
        yield np.asarray(part.exterior.coords)[:, :2]


def _lines(shape: Any) -> Iterator[NDArray[np.float64]]:
    """Courses of a line or of several."""
    for part in getattr(shape, "geoms", [shape] if shape is not None else []):
        yield np.asarray(part.coords)[:, :2]


def _where(
    gage: str, divides: gpd.GeoDataFrame, flowpaths: gpd.GeoDataFrame, nexus: gpd.GeoDataFrame
) -> tuple[float, float]:
    """Where on the map *gage* is: a nexus, on a flowpath, or within a divide."""
    for layer, column in ((nexus, "id"), (flowpaths, "id"), (divides, "divide_id")):
        # A layer read as a table of its own has its ids in a column, one of a domain in its index.
        ids = layer[column] if column in layer.columns else layer.index
        if (found := np.asarray(ids == gage)).any():
            point = layer.geometry.iloc[int(found.argmax())].representative_point()
            return float(point.x), float(point.y)
    raise SelectionError(
        f"{gage} is not on the map", hint="mark a nexus, a flowpath or a divide of this domain, such as nex-1"
    )
