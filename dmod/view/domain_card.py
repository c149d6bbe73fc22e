"""The card of a domain: its facts, and a thumbnail map as SVG.

Written out by hand, not by a plotting library, so that it is there at once. Of a large
domain only a sample is read and drawn. A card never raises: where shapes cannot be read,
it has no map.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dmod.errors import DmodError
from dmod.view.domain_flow import downstream, main_rivers, outlets, rivers_of
from dmod.view.domain_shapes import Grid, Shapes

if TYPE_CHECKING:
    from dmod.view.domain_plot import Drawable

__all__ = ["card", "thumbnail"]

#: Characters that the map may take: a notebook keeps every card it has shown.
MOST_TEXT = 30_000
#: Catchments up to which each has its outline, and those that stand for a larger domain.
OUTLINED, SAMPLED = 400, 1_500
#: Rivers that are drawn of a domain without outlines.
RIVERS = 350
#: Catchments up to which the outlets are looked for.
TRACED = 20_000
#: Outlets up to which each is marked; of more only the largest.
_MARKED = 5
#: Tried from the finest: cells of the grid along the longer side.
_CELLS = (280, 200, 140, 100, 70, 50)

_LAND = "var(--jp-layout-color3, rgba(128,128,128,.22))"
_EDGE = "var(--jp-border-color1, rgba(128,128,128,.6))"
_WATER = "#3f8fc5"
_OUTLET = "#d55e00"
_CARD = (
    "display:flex;flex-wrap:wrap;gap:0.6em 1.4em;align-items:flex-start;box-sizing:border-box;max-width:44em;"
    "padding:0.9em 1.1em;margin:0.3em 0;border-radius:8px;"
    "border:1px solid var(--jp-border-color2, rgba(128,128,128,.35));"
    "color:var(--jp-ui-font-color1, currentColor);font:0.95em/1.45 system-ui, sans-serif"
)


def card(domain: Drawable) -> str:
    """The card of a domain as HTML that needs nothing around it.

    Parameters
    ----------
    domain : Drawable
        What to show; its ``facts()`` make the table.

    Returns
    -------
    str
        One ``<div>`` with inline styles, in the colours of JupyterLab's theme where there is one
        and of the surrounding text elsewhere. All text is escaped.
    """
    cell = "padding:0.1em 0;background:none;text-align:left;vertical-align:top;overflow-wrap:anywhere"
    quiet = "color:var(--jp-ui-font-color2, currentColor);font-weight:normal;padding-right:1.2em;white-space:nowrap"
    rows = "".join(
        f'<tr style="background:none"><th scope="row" style="{cell};{quiet}">{html.escape(str(label))}</th>'
        f'<td style="{cell};font-variant-numeric:tabular-nums">{html.escape(str(text))}</td></tr>'
        for label, text in domain.facts().items()
    )
    name = html.escape(domain.name, quote=True)
    return (
        f'<div role="group" aria-label="domain {name}" style="{_CARD}">'
        '<div style="flex:1 1 16em;min-width:0">'
        f'<strong style="font-size:1.08em;overflow-wrap:anywhere">{name}</strong>'
        f'<table style="border-collapse:collapse;border:0;margin:0.5em 0 0;font-size:1em">{rows}</table></div>'
        f"{thumbnail(domain)}</div>"
    )


def thumbnail(domain: Drawable, *, width: int = 210) -> str:
    """A small map of a domain as SVG.

    Parameters
    ----------
    domain : Drawable
        What to draw: outlines up to 400 catchments, beyond that spots where a sample of them is and
        the largest rivers.
    width : int
        Width of the picture [px], at least 1.

    Returns
    -------
    str
        At most 40 kB; empty if there are no shapes.
    """
    try:
        count = len(domain)
        shown = domain if count <= SAMPLED else domain.sample(SAMPLED)
        divides = shown.divides(columns=["toid"])
        flowpaths = rivers_of(domain if count <= OUTLINED else main_rivers(domain, RIVERS))
        ends, all_ends = _outlets(domain) if 0 < count <= TRACED else (np.empty((0, 2)), 0)
    except (DmodError, OSError):
        return ""
    land, rivers = Shapes.of(divides.geometry), Shapes.of(flowpaths.geometry)
    if not len(land.points):
        return ""
    box = land.boxes()
    bounds = (*np.nanmin(box[:, :2], axis=0).tolist(), *np.nanmax(box[:, 2:], axis=0).tolist())
    order = np.ones(len(flowpaths))
    if "order" in flowpaths.columns:
        order = np.nan_to_num(flowpaths["order"].to_numpy(float, na_value=np.nan), nan=1.0)
    for cells in _CELLS:
        grid = Grid.over(bounds, cells, crs=divides.crs)
        ground = _outlines(land, grid) if count <= OUTLINED else _spots(land, grid, cells)
        drawn = ground + _courses(rivers, order, grid)
        if len(drawn) <= MOST_TEXT:
            break
    else:
        drawn = _spots(land, grid, cells)
    corners = grid.whole(np.array(bounds).reshape(2, 2))
    said = f"Map of {domain.name}: {count:,} catchments" + _in_words(len(divides), count, len(ends), all_ends)
    return _svg(drawn + _marks(grid.whole(ends), cells), corners, cells, width, said)


def _in_words(drawn: int, count: int, marked: int, outlets_of_it: int) -> str:
    """What is drawn of it all, and which outlets are marked."""
    thinned = f", {drawn:,} of them drawn" if drawn < count else ""
    if not marked:
        return thinned
    if marked < outlets_of_it:
        return f"{thinned}; the largest of {outlets_of_it:,} outlets marked"
    return f"{thinned}; outlet{'s' if marked > 1 else ''} marked"


def _outlets(domain: Drawable) -> tuple[NDArray[np.float64], int]:
    """Where the outlets that are marked are, shape (marked, 2), and how many outlets there are."""
    _, places = downstream(domain)
    ends, _ = outlets(places)
    table = domain.divides(columns=["toid"], geometry=False)
    nexus = domain.nexus(columns=["toid"])
    nexus = nexus[~nexus.index.duplicated()]
    marked = ends if len(ends) <= _MARKED else ends[:1]
    at = nexus.index.get_indexer(table["toid"].to_numpy(object)[marked])
    spots = Shapes.of(nexus.geometry).centres()[at[at >= 0]]
    # Catchments that meet at one nexus have one outlet.
    return np.unique(spots[np.isfinite(spots).all(axis=1)], axis=0), len(table["toid"].iloc[ends].unique())


def _svg(drawn: str, corners: NDArray[np.int32], cells: int, width: int, said: str) -> str:
    """The picture around what is drawn; north is up."""
    (west, south), (east, north) = corners.tolist()
    edge = max(cells // 25, 1)
    wide, high = east - west + 2 * edge, north - south + 2 * edge
    tall = max(min(round(width * high / wide), 2 * width), 1)
    label = html.escape(said, quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{label}" width="{width}" height="{tall}" '
        f'viewBox="{west - edge} {-north - edge} {wide} {high}" style="flex:none;max-width:100%">'
        f"<title>{label}</title>{drawn}</svg>"
    )


def _outlines(land: Shapes, grid: Grid) -> str:
    """Each catchment's outline."""
    thin = land.snapped(grid, closed=True)
    return (
        f'<path d="{_steps(thin, "z")}" style="fill:{_LAND};stroke:{_EDGE}" fill-rule="evenodd" '
        'stroke-width="0.6" vector-effect="non-scaling-stroke"/>'
    )


def _spots(land: Shapes, grid: Grid, cells: int) -> str:
    """A spot where each catchment is, as wide as they are apart, so that together they make the land."""
    centres = land.centres()
    spots = np.unique(grid.whole(centres[np.isfinite(centres).all(axis=1)]), axis=0)
    # The land they lie on, counted in squares of which each holds a few of them.
    square = max(2.0 * cells / np.sqrt(len(spots)), 1.0)
    area = len(np.unique(np.floor(spots / square), axis=0)) * square**2
    apart = max(2.0 * float(np.sqrt(area / len(spots))), cells / 60)
    dots = "".join(f"M{x} {-y}h0" for x, y in spots.tolist())
    return f'<path d="{dots}" style="fill:none;stroke:{_LAND}" stroke-linecap="round" stroke-width="{apart:.3g}"/>'


def _courses(rivers: Shapes, order: NDArray[np.float64], grid: Grid) -> str:
    """The courses of the rivers, in three widths."""
    if not len(rivers.points):
        return ""
    top = order.max()
    written = []
    for least, most, width in ((-np.inf, top - 2, 0.6), (top - 2, top - 1, 1.1), (top - 1, np.inf, 1.8)):
        chosen = (order > least) & (order <= most)
        courses = rivers.take(chosen).snapped(grid, closed=False)
        if len(courses.points):
            written.append(
                f'<path d="{_steps(courses, "")}" fill="none" stroke="{_WATER}" stroke-width="{width}" '
                'stroke-linecap="round" vector-effect="non-scaling-stroke"/>'
            )
    return "".join(written)


def _marks(ends: NDArray[np.int32], cells: int) -> str:
    """A disc at each outlet."""
    size = cells / 45
    return "".join(f'<circle cx="{x}" cy="{-y}" r="{size:.3g}" fill="{_OUTLET}"/>' for x, y in ends.tolist())


def _steps(shapes: Shapes, end: str) -> str:
    """The parts as SVG writes paths: a first point, then steps; north is up."""
    turned = shapes.points * (1, -1)
    steps = np.diff(turned, axis=0, prepend=0).tolist()
    # A sign parts two numbers as well as a blank does.
    words = [f"{dx} {dy}" if dy >= 0 else f"{dx}{dy}" for dx, dy in steps]
    bounds = shapes.starts.tolist()
    heads = turned[shapes.starts[:-1]].tolist()
    last = 1 if end else 0
    return "".join(
        f"M{x} {y}l{' '.join(words[a + 1 : b - last])}{end}"
        for (x, y), a, b in zip(heads, bounds[:-1], bounds[1:], strict=True)
    )
