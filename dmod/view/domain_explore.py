"""What the interactive map of a domain shows, ready to travel to a browser.

`pack` puts it into one block of bytes, coarse enough for a browser; ``domain-map.js`` draws it.
Catchments beyond what a browser can take are left out, and the map says so. `explore` makes
the widget, which is in `dmod.view.domain_map`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dmod.errors import InputError, SelectionError
from dmod.view.domain_flow import downstream, rivers_of, shortened
from dmod.view.domain_marks import gages_on, marks_on, nexuses_on
from dmod.view.domain_paint import Paint, choose, part_colours
from dmod.view.domain_shapes import Grid, Shapes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from dmod.evaluation.evaluation import Evaluation
    from dmod.view.domain_map import DomainMap
    from dmod.view.domain_plot import Drawable

__all__ = ["Scene", "explore", "pack", "shown_of"]

#: Bytes of outlines and courses, and of values, that a browser takes without delay.
SHAPES_BYTES, VALUES_BYTES = 2_600_000, 1_300_000
#: Cells of the finest and the coarsest grid along the longer side; a vertex must fit in two int16.
FINEST, COARSEST = 16_384, 512
#: What the keyboard does, for those who hear it.
_KEYS = (
    "Arrow keys pan, plus and minus zoom, zero shows the whole, Enter selects what is in the middle, "
    "U marks what drains to it, Escape selects nothing."
)
#: Colours of a ramp that the browser mixes the others from.
_STOPS = 17


@dataclass(frozen=True, eq=False)
class Scene:
    """What a map shows, ready to travel."""

    #: Names, legend, gages, and where each array lies; JSON.
    about: dict[str, Any]
    #: The arrays, little-endian, each at a multiple of four bytes.
    arrays: bytes


def explore(
    domain: Drawable,
    *,
    column: str | None = None,
    values: Any = None,
    partition: Any = None,
    outputs: xr.Dataset | None = None,
    variable: str | None = None,
    evaluation: Evaluation | None = None,
    metric: str | None = None,
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
    outputs, variable, evaluation, metric : optional
        What else may be shown; see `dmod.view.domain_map.DomainMap`.
    most : int
        Catchments to show, from 1; of a larger domain a sample, and the map says so.

    Returns
    -------
    DomainMap
        A widget; ``selected`` holds the ids of the catchments and nexuses that were clicked, and
        ``to_html("map.html")`` writes the map as a page.

    Raises
    ------
    InputError, SelectionError
        As `dmod.view.domain_paint.choose`; also if there is nothing to show.
    """
    from dmod.view.domain_map import DomainMap

    return DomainMap(
        domain, column=column, values=values, partition=partition, outputs=outputs, variable=variable,
        evaluation=evaluation, metric=metric, most=most,
    )  # fmt: skip


def pack(
    domain: Drawable,
    *,
    column: str | None = None,
    values: Any = None,
    partition: Any = None,
    evaluation: Evaluation | None = None,
    remarks: Sequence[str] = (),
    most: int = 3_000,
) -> Scene:
    """What `dmod.view.domain_map.DomainMap` shows, as it takes it; *remarks* are told below the map."""
    shown, count = shown_of(domain, most), len(domain)
    divides = shown.divides().iloc[:most]
    ids = divides.index
    paint, notes = _fewer_steps(
        choose(shown, ids, column=column, values=values, partition=partition), VALUES_BYTES // (4 * len(ids))
    )
    notes += remarks
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
        **_outlines(land, "", "part_start", "feature_start"),
        **_outlines(rivers, "river_", "river_part", "river_feature"),
        "river_land": ids.get_indexer(flowpaths["divide_id"]).astype("<i4"),
        "river_order": _orders(flowpaths),
        "downstream": shortened(places, named.get_indexer(ids)).astype("<i4"),
        "area": _areas(divides),
        "values": np.zeros(0, "<f4") if paint.values is None else paint.values.astype("<f4"),
        "part": np.zeros(0, "<i4") if paint.part is None else paint.part.astype("<i4"),
    }
    nexuses = nexuses_on(shown, divides, grid)
    marks = None if evaluation is None else marks_on(evaluation, shown, grid, nexuses, ids)
    notes += [] if marks is None else marks["notes"]
    arrays |= {"nexus_points": nexuses.points, "nexus_of": nexuses.below}
    layout, block = _block(arrays)
    about = {
        "name": domain.name,
        "label": f"Map of {domain.name}, {len(ids):,} catchments. {_KEYS}",
        "message": "; ".join(notes),
        "ids": [str(name) for name in ids],
        "gages": gages_on(shown, ids, land, nexuses),
        "nexuses": nexuses.ids,
        "marks": marks,
        "paint": _legend(paint),
        "steps": list(paint.steps),
        "unit_m": unit_m,
        "layout": layout,
    }
    return Scene(about, block)


def _outlines(shapes: Shapes, prefix: str, part: str, feature: str) -> dict[str, Any]:
    """Points of outlines, and where parts and features begin among them, by the names that the front end knows."""
    return {
        f"{prefix}points": shapes.points.astype("<i2"),
        part: shapes.starts.astype("<i4"),
        feature: shapes.first_parts().astype("<i4"),
    }


def shown_of(domain: Drawable, most: int) -> Drawable:
    """As much of *domain* as a map shows: all of it, or a sample of *most* catchments."""
    if most < 1:
        raise InputError("a map shows one catchment at least", has=most, hint="give most=1 or more")
    if not len(domain):
        raise SelectionError("the domain has no catchment to show", hint="select some first")
    return domain if len(domain) <= most else domain.sample(most)


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
