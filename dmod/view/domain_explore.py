"""The interactive map of a domain, which needs no network: in a notebook or as a page of its own.

`explore` packs what the map shows into one block of bytes, coarse enough for a browser;
``domain-map.js`` draws it. Catchments beyond what a browser can take are left out, and the
map says so. A saved notebook keeps a picture, and while it is small the map itself.
"""

from __future__ import annotations

import base64
import html
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
import pandas as pd
import traitlets
from numpy.typing import NDArray

from dmod.errors import InputError, SelectionError
from dmod.view.domain_card import thumbnail
from dmod.view.domain_flow import downstream, rivers_of, shortened
from dmod.view.domain_paint import Paint, choose, part_colours
from dmod.view.domain_shapes import Grid, Shapes
from dmod.view.widget import front_end
from dmod.view.writing import write_atomically

if TYPE_CHECKING:
    from dmod.view.domain_plot import Drawable

__all__ = ["DomainMap", "Scene", "explore", "pack"]

#: Bytes of outlines and courses, and of values, that a browser takes without delay.
SHAPES_BYTES, VALUES_BYTES = 2_600_000, 1_300_000
#: Cells of the finest and the coarsest grid along the longer side; a vertex must fit in two int16.
FINEST, COARSEST = 16_384, 512
#: Size of the page [bytes] that a saved notebook carries along.
CARRIED_BYTES = 600_000
#: Colours of a ramp that the browser mixes the others from.
_STOPS = 17


@dataclass(frozen=True, eq=False)
class Scene:
    """What a map shows, ready to travel."""

    #: Names, legend, gages, and where each array lies; JSON.
    about: dict[str, Any]
    #: The arrays, little-endian, each at a multiple of four bytes.
    arrays: bytes


class DomainMap(anywidget.AnyWidget):
    """A map to pan, zoom and pick catchments from.

    Drag or use the arrow keys to pan, the wheel or ``+`` and ``-`` to zoom; a click selects, with
    shift one more, a double click marks all that drains there.
    """

    #: What the map shows, as `pack` gives it.
    scene = traitlets.Dict().tag(sync=True)
    arrays = traitlets.Bytes().tag(sync=True)
    #: Ids of the selected catchments, from either side.
    selected = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __init__(self, scene: Scene, picture: str = "", **traits: Any) -> None:
        #: An SVG for where nothing moves.
        self.picture = picture
        self._esm, self._css = front_end("domain-map.js"), front_end("domain-map.css")
        super().__init__(scene=scene.about, arrays=scene.arrays, **traits)

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """The map as one page that works from disk, without a kernel and without a network.

        Parameters
        ----------
        path : path, optional
            Where to write it; replaced if it is there.

        Returns
        -------
        str
            The page.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        content = _page(Scene(self.scene, self.arrays), list(self.selected))
        if path is not None:
            write_atomically(Path(path), content.encode())
        return content

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        return {**data, "text/html": self._still()}, metadata

    def _still(self) -> str:
        """A picture, and over it the page while that is small.

        Notebooks that are not trusted drop frames and inline SVG, but keep images.
        """
        label = html.escape(self.scene["label"], quote=True)
        source = base64.b64encode(self.picture.encode()).decode()
        frame = ""
        if len(self.arrays) * 4 // 3 < CARRIED_BYTES and len(page := self.to_html()) < CARRIED_BYTES:
            frame = (
                f'<iframe title="{label}" sandbox="allow-scripts" srcdoc="{html.escape(page, quote=True)}" '
                'style="position:absolute;inset:0;width:100%;height:100%;border:0;background:#fff"></iframe>'
            )
        note = html.escape(self.scene["message"])
        return (
            f'<div style="position:relative;{"min-height:600px" if frame else ""}">'
            f'<img alt="{label}" src="data:image/svg+xml;base64,{source}" style="max-width:100%;width:420px">'
            f"<div>{note}</div>{frame}</div>"
        )


def explore(
    domain: Drawable,
    *,
    column: str | None = None,
    values: Any = None,
    partition: Any = None,
    most: int = 3_000,
) -> DomainMap:
    """An interactive map of a domain.

    Parameters
    ----------
    domain : Drawable
        What to show.
    column, values, partition : optional
        What to fill the catchments with; see `dmod.view.domain_paint.choose`. One of them at
        most. The columns of a DataFrame as *values* get a slider.
    most : int
        Catchments to show, from 1; of a larger domain a sample, and the map says so.

    Returns
    -------
    DomainMap
        A widget; ``selected`` holds the ids of the catchments that were clicked, and
        ``to_html("map.html")`` writes the map as a page.

    Raises
    ------
    InputError, SelectionError
        As `dmod.view.domain_paint.choose`; also if there is nothing to show.
    """
    scene = pack(domain, column=column, values=values, partition=partition, most=most)
    return DomainMap(scene, thumbnail(domain, width=420))


def pack(
    domain: Drawable, *, column: str | None = None, values: Any = None, partition: Any = None, most: int = 3_000
) -> Scene:
    """What `explore` shows, as it takes it."""
    if most < 1:
        raise InputError("a map shows one catchment at least", has=most, hint="give most=1 or more")
    if not len(domain):
        raise SelectionError("the domain has no catchment to show", hint="select some first")
    count = len(domain)
    shown = domain if count <= most else domain.sample(most)
    divides = shown.divides().iloc[:most]
    ids = divides.index
    paint, notes = _fewer_steps(
        choose(shown, ids, column=column, values=values, partition=partition), VALUES_BYTES // (4 * len(ids))
    )
    if len(ids) < count:
        notes.insert(0, f"{len(ids):,} of {count:,} catchments are shown")
    flowpaths = rivers_of(shown)
    flowpaths = flowpaths[flowpaths["divide_id"].isin(ids)]
    grid, land, rivers = _coarse(Shapes.of(divides.geometry), Shapes.of(flowpaths.geometry), domain.bounds, divides.crs)
    unit_m = grid.metres(divides.crs)
    if unit_m is not None:
        notes.append(f"outlines to {unit_m:.2g} m")
    named, places = downstream(domain)
    arrays = {
        "points": land.points.astype("<i2"),
        "part_start": land.starts.astype("<i4"),
        "feature_start": land.first_parts().astype("<i4"),
        "river_points": rivers.points.astype("<i2"),
        "river_part": rivers.starts.astype("<i4"),
        "river_feature": rivers.first_parts().astype("<i4"),
        "river_land": ids.get_indexer(flowpaths["divide_id"]).astype("<i4"),
        "river_order": _orders(flowpaths),
        "downstream": shortened(places, named.get_indexer(ids)).astype("<i4"),
        "area": _areas(divides),
        "values": np.zeros(0, "<f4") if paint.values is None else paint.values.astype("<f4"),
        "part": np.zeros(0, "<i4") if paint.part is None else paint.part.astype("<i4"),
    }
    layout, block = _block(arrays)
    about = {
        "name": domain.name,
        "label": f"Map of {domain.name}, {len(ids):,} catchments. Arrow keys pan, plus and minus zoom, zero shows the "
        "whole, Enter selects the catchment in the middle, U marks what drains to it, Escape selects nothing.",
        "message": "; ".join(notes),
        "ids": [str(name) for name in ids],
        "gages": _gages(shown, ids, grid, land),
        "paint": _legend(paint),
        "steps": list(paint.steps),
        "unit_m": unit_m,
        "layout": layout,
    }
    return Scene(about, block)


def _coarse(
    land: Shapes, rivers: Shapes, bounds: tuple[float, float, float, float], crs: Any
) -> tuple[Grid, Shapes, Shapes]:
    """Outlines and courses on the finest grid on which they are small enough, else on the coarsest."""
    cells = FINEST
    while True:
        grid = Grid.over(bounds, cells, crs=crs)
        coarse = land.snapped(grid, closed=True), rivers.snapped(grid, closed=False)
        if cells <= COARSEST or 4 * sum(len(shapes.points) for shapes in coarse) <= SHAPES_BYTES:
            return grid, *coarse
        cells //= 2


def _fewer_steps(paint: Paint, room: int) -> tuple[Paint, list[str]]:
    """The paint with as many steps as there is room for; what was left out in words."""
    steps = len(paint.steps)
    if paint.values is None or steps <= room:
        return paint, []
    every = -(-steps // max(room, 1))
    fewer = Paint(paint.kind, paint.label, paint.values[::every], paint.steps[::every])
    return fewer, [f"every {every}th of {steps:,} steps"]


def _block(arrays: dict[str, NDArray[Any]]) -> tuple[dict[str, list[Any]], bytes]:
    """The arrays one after the other, and the kind, first byte and number of items of each."""
    layout: dict[str, list[Any]] = {}
    pieces, first = [], 0
    for name, array in arrays.items():
        layout[name] = [array.dtype.name, first, int(array.size)]
        pieces.append(array.tobytes() + bytes(-array.nbytes % 4))
        first += len(pieces[-1])
    return layout, b"".join(pieces)


def _orders(flowpaths: Any) -> NDArray[np.float32]:
    """Order of each river, 1 where the hydrofabric has none."""
    if "order" not in flowpaths.columns:
        return np.ones(len(flowpaths), "<f4")
    orders: NDArray[np.float32] = np.nan_to_num(flowpaths["order"].to_numpy("<f4", na_value=np.nan), nan=1.0)
    return orders


def _areas(divides: Any) -> NDArray[np.float32]:
    """Area of each catchment [km2], NaN if the hydrofabric has none."""
    for column in ("areasqkm", "area_km2"):
        if column in divides.columns:
            areas: NDArray[np.float32] = divides[column].to_numpy("<f4", na_value=np.nan)
            return areas
    return np.full(len(divides), np.nan, "<f4")


def _gages(domain: Drawable, ids: pd.Index, grid: Grid, land: Shapes) -> list[list[Any]]:
    """Number, place of the catchment, and where on the grid, of each gage on the map."""
    places = ids.get_indexer(pd.Index([catchment for catchment, _ in domain.gages.values()], dtype=object))
    listed = zip(domain.gages.items(), places.tolist(), strict=True)
    known = {gage: (place, nexus) for (gage, (_, nexus)), place in listed if place >= 0}
    if not known:
        return []
    nexus = domain.nexus(columns=["toid"])
    nexus = nexus[~(nexus.index.duplicated() | nexus.geometry.isna())]
    spots = grid.whole(Shapes.of(nexus.geometry).centres())
    at = nexus.index.get_indexer([name for _, name in known.values()])
    middles = np.nan_to_num(land.centres())
    found = []
    for (gage, (place, _)), spot in zip(known.items(), at, strict=True):
        x, y = spots[spot] if spot >= 0 else middles[place]
        found.append([gage, place, float(x), float(y)])
    return found


def _legend(paint: Paint) -> dict[str, Any]:
    """The paint as the browser takes it."""
    if paint.kind == "ramp":
        from matplotlib import colormaps

        stops = np.rint(255 * colormaps["viridis"](np.linspace(0, 1, _STOPS))[:, :3]).astype(int)
        low, high = paint.span
        return {"kind": "ramp", "label": paint.label, "low": low, "high": high, "stops": stops.tolist()}
    if paint.kind == "parts":
        colours = part_colours(len(paint.names))
        return {"kind": "parts", "label": paint.label, "names": list(paint.names), "colours": colours}
    return {"kind": "plain"}


def _page(scene: Scene, selected: list[str]) -> str:
    """A page with everything in it."""
    # Within a script only "<" can end it; within JSON it may be written otherwise.
    state = json.dumps({"scene": scene.about, "selected": selected}, allow_nan=False).replace("<", "\\u003c")
    arrays = base64.b64encode(scene.arrays).decode()
    name = html.escape(scene.about["name"])
    return _PAGE.format(
        name=name, style=front_end("domain-map.css"), script=front_end("domain-map.js"), state=state, arrays=arrays
    )


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}</title>
<style>
{style}
</style>
</head>
<body class="dmod-map-page">
<script type="application/json" id="state">{state}</script>
<script type="text/plain" id="arrays">{arrays}</script>
<script type="module">
{script}
const state = JSON.parse(document.getElementById("state").textContent);
const text = atob(document.getElementById("arrays").textContent);
const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
state.arrays = new DataView(bytes.buffer);
const model = {{
  get: (name) => state[name],
  set: (name, value) => {{ state[name] = value; }},
  on() {{}},
  off() {{}},
  save_changes() {{}},
}};
render({{ model, el: document.body }});
</script>
</body>
</html>
"""
