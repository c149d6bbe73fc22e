"""A metric on the map: gages in the colours of how good they are, over the outlines of the catchments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import BoundaryNorm, LinearSegmentedColormap
from matplotlib.ticker import MaxNLocator

from dmod.errors import SelectionError
from dmod.view.domain_flow import main_rivers, rivers_of
from dmod.view.domain_plot import EVERYTHING, RIVERS
from dmod.view.domain_shapes import Shapes
from dmod.view.evaluation_axes import paper
from dmod.view.evaluation_gages import one_value_each
from dmod.view.evaluation_numbers import chosen_metric, goodness_colour, number, worded
from dmod.view.evaluation_series import labels_of
from dmod.view.maps import dress_map
from dmod.view.palette import BORDER, FAINT, INK, LAND, RIVER

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from dmod.evaluation.evaluation import Evaluation
    from dmod.view.domain_plot import Drawable

__all__ = ["classes", "metric_map", "spots_on"]

#: Gages up to which each is named.
_NAMED = 12
#: Classes of a metric whose ideal is 1.
_SKILL = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def metric_map(
    evaluation: Evaluation,
    *,
    metric: str | None = None,
    threshold: str | None = None,
    domain: Drawable | None = None,
    title: str | None = None,
) -> Figure:
    """Where a metric is high and where it is low.

    Parameters
    ----------
    evaluation : Evaluation
        With several places, which either have coordinates ``lat`` and ``lon`` or are nexuses,
        catchments or gages of *domain*.
    metric : str, optional
        Which metric; the first of *evaluation* otherwise.
    threshold : str, optional
        At which threshold, of a metric that has several.
    domain : Domain, optional
        What lies below: catchments outlined, and rivers.
    title : str, optional
        Title; the name of the evaluation otherwise.

    Returns
    -------
    matplotlib.figure.Figure
        Places without a value are hollow. Its label says in words what it shows.

    Raises
    ------
    SelectionError
        If a metric or threshold is not there, or nobody says where the places are.
    """
    name = chosen_metric(evaluation, metric)
    score = one_value_each(evaluation, name, threshold)
    values = np.asarray(score.to_numpy(), dtype=np.float64)
    spots, crs = _spots(evaluation, domain)
    there: NDArray[np.bool_] = np.asarray(np.isfinite(spots).all(axis=1))
    if not there.any():
        raise SelectionError("none of the places is on the map", has=", ".join(labels_of(evaluation)[:3]),
                             hint="give domain=, or coordinates lat and lon")  # fmt: skip
    bounds = _bounds(spots[there], domain)
    figure = _sheet(bounds)
    axes = figure.add_subplot()
    notes = [] if domain is None else _land(axes, domain)
    shades, norm = classes(score, values[there])
    drawn = _gages(axes, spots[there], values[there], shades, norm)
    labels = [label for label, good in zip(labels_of(evaluation), there, strict=True) if good]
    if len(labels) <= _NAMED:
        _name(axes, labels, spots[there], values[there], str(score.attrs.get("units", "1")))
    dress_map(axes, bounds, crs)
    _key(figure, axes, drawn, worded(score) + ("" if threshold is None else f", {threshold}"))
    heading = title if title is not None else evaluation.name
    notes += _remarks(values[there], int((~there).sum()))
    _head(axes, heading, "; ".join(notes))
    figure.set_label(
        _in_words(heading, score, values[there]) + ("" if domain is None else f", on {len(domain):,} catchments")
    )
    return figure


def _in_words(heading: str, score: xr.DataArray, values: NDArray[np.float64]) -> str:
    known = values[np.isfinite(values)]
    middle = number(float(np.median(known)) if len(known) else np.nan, str(score.attrs.get("units", "1")))
    return f"Map of {worded(score)} at {len(values):,} places, {heading}: median {middle}"


def _sheet(bounds: tuple[float, float, float, float]) -> Figure:
    """A figure as tall as the map asks for."""
    west, south, east, north = bounds
    return paper(6.6, 6.0 * min(max((north - south) / max(east - west, 1e-9), 0.5), 1.4) + 0.5)


def _key(figure: Figure, axes: Axes, drawn: Any, label: str) -> None:
    """What the colours mean."""
    bar = figure.colorbar(drawn, ax=axes, shrink=0.62, aspect=26, spacing="uniform")
    bar.set_label(label, color=INK)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=FAINT, labelsize=9, length=0)


def _spots(evaluation: Evaluation, domain: Drawable | None) -> tuple[NDArray[np.float64], Any]:
    """Where each place is, and in which coordinates; NaN where nobody knows."""
    if domain is not None:
        found = spots_on(evaluation, domain)
        if np.isfinite(found).any():
            return found, _crs(domain.crs)
    held = {**evaluation.scores.coords, **evaluation.pairs.coords}
    if "lat" in held and "lon" in held:
        lat, lon = (np.asarray(held[name].to_numpy(), dtype=np.float64) for name in ("lat", "lon"))
        if domain is None:
            return np.stack([lon, lat], axis=1), _crs("EPSG:4326")
        return _projected(lon, lat, domain), _crs(domain.crs)
    raise SelectionError(
        "nobody says where the places are",
        has=", ".join(labels_of(evaluation)[:3]),
        needed="coordinates lat and lon, or a domain that the places are in",
        hint="evaluation.plot.map(domain=job.domain)",
    )


def spots_on(evaluation: Evaluation, domain: Drawable) -> NDArray[np.float64]:
    """Where places are that are nexuses, catchments or gages of the domain."""
    gages = {gage: nexus for gage, (_, nexus) in domain.gages.items()}
    coords = evaluation.pairs.coords
    known = [str(g) for g in coords["gage"].to_numpy()] if "gage" in coords and coords["gage"].ndim == 1 else []
    labels = labels_of(evaluation)
    nexus, divides = domain.nexus(columns=["toid"]), domain.divides(columns=["toid"])
    spots = np.full((len(labels), 2), np.nan)
    for layer in (divides, nexus):
        layer = layer[~(layer.index.duplicated() | layer.geometry.isna())]
        middles = Shapes.of(layer.geometry).centres()
        for names in (known, [gages.get(name, "") for name in known], [gages.get(name, "") for name in labels], labels):
            if not names:
                continue
            at = layer.index.get_indexer(names)
            spots[at >= 0] = middles[at[at >= 0]]
    return spots


def _crs(name: str) -> Any:
    from pyproj import CRS

    return CRS(name)


def _projected(lon: NDArray[np.float64], lat: NDArray[np.float64], domain: Drawable) -> NDArray[np.float64]:
    from pyproj import Transformer

    x, y = Transformer.from_crs("EPSG:4326", domain.crs, always_xy=True).transform(lon, lat)
    return np.stack([x, y], axis=1)


def _bounds(spots: NDArray[np.float64], domain: Drawable | None) -> tuple[float, float, float, float]:
    if domain is not None:
        return domain.bounds
    (west, south), (east, north) = spots.min(axis=0), spots.max(axis=0)
    room = 0.06 * max(east - west, north - south, 0.01)
    return float(west - room), float(south - room), float(east + room), float(north + room)


def _land(axes: Axes, domain: Drawable) -> list[str]:
    """Outlines of the catchments, thinly, and the rivers; what was left out in words."""
    from matplotlib.collections import PolyCollection

    many = len(domain) > EVERYTHING
    shown = domain.sample(EVERYTHING) if many else domain
    rings = Shapes.of(shown.divides(columns=["toid"]).geometry).pieces()
    axes.add_collection(PolyCollection(rings, facecolor=LAND, edgecolor="white", linewidth=0.2 if many else 0.5))
    axes.add_collection(PolyCollection(rings, facecolor="none", edgecolor=BORDER, linewidth=0.1 if many else 0.3))
    rivers = rivers_of(main_rivers(domain, RIVERS) if many else domain)
    axes.add_collection(
        LineCollection(Shapes.of(rivers.geometry).pieces(), colors=RIVER, linewidths=0.8, alpha=0.55, capstyle="round")
    )
    return [f"{len(shown):,} of {len(domain):,} catchments are drawn"] if many else []


def classes(score: xr.DataArray, values: NDArray[np.float64]) -> tuple[LinearSegmentedColormap, BoundaryNorm]:
    """Few classes of colour, from bad to good; of a metric that errs both ways the ideal is in the middle."""
    ideal = float(score.attrs.get("ideal", np.nan))
    least, most = float(score.attrs.get("lowest", -np.inf)), float(score.attrs.get("highest", np.inf))
    known = values[np.isfinite(values)]
    low, high = np.quantile(known, (0.05, 0.95)) if len(known) else (0.0, 1.0)
    shades = goodness_colour()
    if ideal == 1.0 and most == 1.0:
        return shades, BoundaryNorm(_SKILL, 256, extend="neither" if least >= 0 else "min")
    if np.isfinite(ideal) and least < ideal < most:
        reach = max(abs(low - ideal), abs(high - ideal), 1e-9)
        edges = np.asarray(MaxNLocator(7, symmetric=True).tick_values(-reach, reach)) + ideal
        two = LinearSegmentedColormap.from_list("sides", ["#a6611a", "#dfc27d", "#f4f1ec", "#b2abd2", "#5e3c99"])
        return two, BoundaryNorm(edges, 256, extend="both")
    edges = np.asarray(MaxNLocator(6).tick_values(max(low, least), max(high, low + 1e-9)))
    return (shades.reversed() if ideal == least else shades), BoundaryNorm(edges, 256, extend="max")


def _gages(axes: Axes, spots: NDArray[np.float64], values: NDArray[np.float64], shades: Any, norm: Any) -> Any:
    """The worst on top: good ones are seen anyway."""
    size = float(np.clip(9_000 / max(len(values), 1), 14, 120))
    none = ~np.isfinite(values)
    axes.scatter(spots[none, 0], spots[none, 1], s=size, facecolor="white", edgecolor=FAINT, lw=1.0, zorder=4)
    order = np.argsort(-values[~none], kind="stable")
    known = spots[~none][order]
    return axes.scatter(
        known[:, 0], known[:, 1], s=size, c=values[~none][order], cmap=shades, norm=norm, edgecolor=INK,
        lw=0.7 if size > 40 else 0.4, zorder=5,
    )  # fmt: skip


def _name(axes: Axes, labels: list[str], spots: NDArray[np.float64], values: NDArray[np.float64], units: str) -> None:
    for label, spot, value in zip(labels, spots, values, strict=True):
        axes.annotate(
            f"{label}  {number(float(value), units)}", tuple(spot), (9, 0), textcoords="offset points", fontsize=8.5,
            color=INK, va="center", zorder=6,
            bbox={"boxstyle": "round,pad=0.2", "facecolor": "white", "alpha": 0.8, "linewidth": 0},
        ).set_parse_math(False)  # fmt: skip


def _remarks(values: NDArray[np.float64], lost: int) -> list[str]:
    none = int((~np.isfinite(values)).sum())
    return [f"hollow: undefined at {none:,}"] * bool(none) + [f"{lost:,} places are not on the map"] * bool(lost)


def _head(axes: Axes, heading: str, under: str) -> None:
    pad = 18 if under else 6
    axes.set_title(heading, loc="left", fontsize=13, fontweight="bold", color=INK, pad=pad).set_parse_math(False)
    if under:
        said = axes.annotate(under, (0, 1), (0, 4), xycoords="axes fraction", textcoords="offset points", fontsize=8.5,
                             color=FAINT)  # fmt: skip
        said.set_in_layout(False)
