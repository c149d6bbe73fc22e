"""Checks of shapes: whether they are there, valid, as large as the tables say, and fit together.

Of a large domain not every shape is read, but some stretches of its walk, whose catchments
are neighbours. Nothing is mended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dmod.domain import tables
from dmod.domain.problems import Problem, Severity
from dmod.errors import HydrofabricError
from dmod.formats.names import Names

if TYPE_CHECKING:
    from dmod.domain.domain import Domain

__all__ = ["shape_problems"]

#: Catchments of a domain of which every shape is read.
_WHOLE = 10_000
#: Stretches of a larger one that are read, and catchments in each.
_STRETCHES, _LONG = 8, 1_000
#: Part of the smaller of two shapes that may lie in both, which is the rounding of coordinates [1].
_MOST_SHARED = 1e-6
#: Relative difference of areas that is not yet worth a word [1].
_MOST_DIFFERENCE = 0.01
#: An equal-area system of the whole Earth, for shapes in degrees.
_EQUAL_AREA = "EPSG:6933"

#: Check, how bad it is, what is wrong, what to do.
_SAID: dict[str, tuple[Severity, str, str]] = {
    "shape-lacking": (
        "warning",
        "catchments have no shape",
        "take them from the source again to draw or to weigh them",
    ),
    "shape-invalid": ("warning", "shapes of catchments cross themselves", "mend them, as with shapely.make_valid"),
    "area-apart": (
        "warning",
        f"areas of catchments are more than {_MOST_DIFFERENCE:.0%} from those of their shapes",
        "give 'areasqkm' the area of the shape",
    ),
    "overlap": ("warning", "catchments overlap", "their rain counts twice: take their shapes from one source"),
    "gap": (
        "warning",
        "catchments have gaps between them that are smaller than any catchment",
        "rain falls into them unseen: take their shapes from one source",
    ),
    "line-lacking": ("warning", "flowpaths have no line", "take them from the source again to draw them"),
    "point-lacking": ("warning", "nexuses have no point", "take them from the source again to draw them"),
}


def shape_problems(domain: Domain) -> tuple[list[Problem], str]:
    """What is wrong with the shapes of a domain, and which of them were looked at.

    Parameters
    ----------
    domain : Domain
        What to check.

    Raises
    ------
    HydrofabricError
        If they cannot be read.
    """
    found: dict[str, list[str]] = {name: [] for name in _SAID}
    pieces = _pieces(domain)
    for piece in pieces:
        for name, ids in _of_catchments(piece).items():
            found[name] += ids
        for layer, name in (("flowpaths", "line-lacking"), ("nexus", "point-lacking")):
            if layer in tables.layers(domain):
                found[name] += _shapeless(tables.table(piece, layer, columns=[]))
    problems = [
        Problem(severity, name, what, Names.of(dict.fromkeys(found[name])), remedy)
        for name, (severity, what, remedy) in _SAID.items()
        if found[name]
    ]
    seen = sum(len(piece) for piece in pieces)
    return problems, "shapes" if seen == len(domain) else f"shapes of {seen:,} of {len(domain):,} catchments"


def _pieces(domain: Domain) -> list[Domain]:
    """The domain, or stretches of it if it is large."""
    if len(domain) <= _WHOLE:
        return [domain]
    places = domain.catchment_places
    try:
        order = places[np.argsort(domain.river.walk.position[places], kind="stable")]
    except HydrofabricError:
        order = places
    starts = np.linspace(0, len(order) - _LONG, _STRETCHES).astype(int)
    return [domain.part(order[start : start + _LONG], "a stretch") for start in starts.tolist()]


def _shapeless(frame: Any) -> list[str]:
    """Ids of rows without a shape."""
    if "geometry" not in frame:
        return [str(name) for name in frame.index]
    lacking = (frame.geometry.isna() | frame.geometry.is_empty).to_numpy()
    return [str(name) for name in frame.index[lacking]]


def _of_catchments(piece: Domain) -> dict[str, list[str]]:
    """Ids of catchments by what is wrong with their shapes."""
    frame: Any = tables.table(piece, "divides", columns=[])
    found = {"shape-lacking": _shapeless(frame)}
    if len(found["shape-lacking"]) == len(frame):
        return found
    frame = frame[~frame.index.isin(found["shape-lacking"])]
    valid = frame.geometry.is_valid.to_numpy()
    found["shape-invalid"] = [str(name) for name in frame.index[~valid]]
    level = frame.to_crs(_EQUAL_AREA) if frame.crs is not None and frame.crs.is_geographic else frame
    area = pd.Series(level.geometry.area.to_numpy() / 1e6, index=frame.index)
    if frame.crs is not None:
        held = piece.river.topology.catchments
        told = held.area_km2[held.ids.find(Names.of(frame.index))]
        apart = np.abs(told - area.to_numpy()) > _MOST_DIFFERENCE * area.to_numpy()
        found["area-apart"] = [str(name) for name in frame.index[apart]]
    sound = level.geometry[valid]
    found["overlap"] = _overlapping(sound)
    # A hole may be a catchment that is left out here, but not if it is smaller than any in the file.
    known = piece.river.topology.catchments.area_km2
    least = float(np.min(known, where=known > 0, initial=float(area.max())))
    found["gap"] = _around_gaps(sound, 0.99e6 * least, simple=not found["overlap"])
    return found


def _overlapping(shapes: Any) -> list[str]:
    """Ids of catchments of which more than a sliver lies in another one."""
    one, other = shapes.sindex.query(shapes)
    one, other = one[one < other], other[one < other]
    # Whether their insides meet: as neighbours touch, most pairs of boxes are no more than that.
    meet = shapes.iloc[one].relate_pattern(shapes.iloc[other], "T********", align=False).to_numpy()
    one, other = one[meet], other[meet]
    left, right = shapes.iloc[one], shapes.iloc[other]
    shared = left.intersection(right, align=False).area.to_numpy()
    much = shared > _MOST_SHARED * np.minimum(left.area.to_numpy(), right.area.to_numpy())
    places: NDArray[np.intp] = np.unique(np.concatenate([one[much], other[much]]))
    return [str(name) for name in shapes.index[places]]


def _around_gaps(shapes: Any, least_m2: float, *, simple: bool) -> list[str]:
    """Ids of catchments by each hole among them that is smaller than *least_m2* [m2]."""
    union = shapes.union_all(method="coverage" if simple else "unary")
    places: set[int] = set()
    for polygon in getattr(union, "geoms", [union]):
        for ring in polygon.interiors:
            if _ring_area(np.asarray(ring.coords)) < least_m2:
                places.update(shapes.sindex.query(ring, predicate="intersects").tolist())
    return [str(name) for name in shapes.index[sorted(places)]]


def _ring_area(points: NDArray[np.float64]) -> float:
    """Area within a closed ring; shape (points, 2 or more)."""
    x, y = points[:, 0] - points[0, 0], points[:, 1] - points[0, 1]
    return abs(float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]))) / 2
