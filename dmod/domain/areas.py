"""Pieces of river asked for by area: a point on the map, a box, a polygon, a region, a hydrologic unit.

Points are longitude and latitude on the globe, and the shape of a catchment decides, not its
bounding box. Whatever else has a reference system of its own is moved to that of the file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dmod.domain.found import Found, kept, within
from dmod.domain.marks import marks_starting, places_of_marks
from dmod.domain.spread import joined_by
from dmod.errors import SelectionError
from dmod.formats.geopackage_spatial import DivideShapes, open_divides
from dmod.formats.shapes import WGS84, Shape, box_shape, moved, point_shape, read_shape

if TYPE_CHECKING:
    from dmod.domain.domain import Domain

__all__ = ["find_box", "find_point", "find_region", "find_shape", "find_unit"]

#: Degrees that longitude and latitude stay within.
_LON, _LAT = 180.0, 90.0


def find_point(domain: Domain, lon: object, lat: object) -> Found:
    """The catchment that holds a point.

    Parameters
    ----------
    domain : Domain
        Where to look.
    lon, lat : float
        Longitude, in [-180, 360], and latitude, in [-90, 90] [degree], WGS84.

    Raises
    ------
    SelectionError
        If they are no such numbers, or no catchment holds the point; the message names the nearest.
    """
    x, y = _degrees(lon, lat)
    notes: tuple[str, ...] = ()
    if x > _LON:
        x, notes = x - 360, (f"longitude {lon} taken as {x - 360:g}",)
    return _found_points(domain, point_shape(x, y), f"point lon {x:g}, lat {y:g}", notes)


def find_shape(domain: Domain, value: object, crs: object, predicate: str) -> Found:
    """The catchments that lie to a shape as *predicate* says; those that hold its points if it has only points."""
    shape, label = read_shape(value, crs), _label(value)
    if shape.is_points:
        return _found_points(domain, shape, label)
    return _found_area(domain, shape, "polygon", label, predicate)


def find_box(domain: Domain, bbox: object, crs: object, predicate: str) -> Found:
    """The catchments that lie to a box (xmin, ymin, xmax, ymax) as *predicate* says.

    Without *crs*, numbers that can be degrees are taken as longitude and latitude.
    """
    edges = _edges(bbox)
    notes: tuple[str, ...] = ()
    if crs is None:
        if abs(edges[0]) > 2 * _LON or abs(edges[2]) > 2 * _LON or abs(edges[1]) > _LAT or abs(edges[3]) > _LAT:
            raise SelectionError(
                "the box does not say what its coordinates are in",
                needed="a coordinate reference system, or longitude and latitude in degrees",
                has=f"bbox={_listed(edges)}",
                hint="give crs=, such as crs='EPSG:5070'; longitude comes before latitude",
            )
        notes = ("the box is taken as longitude and latitude (WGS84)",)
    shape = box_shape(edges, WGS84 if crs is None else crs)
    found = _found_area(domain, shape, "box", f"box {_listed(edges)}", predicate)
    return Found(found.asked, found.kind, found.name, found.places, (*notes, *found.notes))


def find_region(domain: Domain, region: str) -> Found | None:
    """The catchments of a VPU; ``03`` means 03N, 03S and 03W. None where the file has no such one."""
    regions = domain.river.topology.regions
    wanted = (region.zfill(2) if region.isdigit() else region.zfill(3)).upper()
    meant = [name for name in regions if name.upper() == wanted]
    meant = meant or [name for name in regions if len(name) == 3 and name[:2] == wanted]
    if not meant:
        return None
    codes = [regions.index(name) for name in meant]
    cats = np.flatnonzero(np.isin(domain.river.topology.catchments.region, codes))
    places = within(domain, joined_by(domain.river, cats))
    if not len(places):
        raise SelectionError(
            f"no catchment of VPU {wanted} is in the domain",
            has=f"{len(domain):,} catchments of {domain.name}",
            hint="ask the whole hydrofabric",
        )
    notes = (f"VPU {wanted} is {', '.join(meant)}",) if meant != [wanted] else ()
    return Found(f"vpu-{region}", "vpu", f"VPU {', '.join(meant)}", places, notes)


def find_unit(domain: Domain, digits: str) -> Found | None:
    """The area of a hydrologic unit, told by the marks at the outlets of its HUC12s; None where none is marked.

    A catchment belongs to the unit whose mark is the first that its water passes.
    """
    river = domain.river
    rows = marks_starting(domain.hydrofabric, "huc12-")
    chosen = np.isin(rows, marks_starting(domain.hydrofabric, f"huc12-{digits}"))
    if not chosen.any():
        return None
    count = len(river)
    inside = np.zeros(count + 1, dtype=bool)
    passes = np.append(np.where(river.downstream >= 0, river.downstream, count), count)
    places, of = places_of_marks(river, rows)
    passes[places] = places
    inside[places[chosen[of]]] = True
    # Each round looks twice as far down; a mark, and the sea, look at themselves.
    while not np.array_equal(further := passes[passes], passes):
        passes = further
    places = within(domain, np.flatnonzero(inside[passes[:count]]))
    if not len(places):
        raise SelectionError(
            f"no catchment of HUC {digits} is in the domain",
            has=f"{len(domain):,} catchments of {domain.name}",
            hint="ask the whole hydrofabric",
        )
    name = f"HUC {digits}, by {int(chosen.sum()):,} huc12 mark{'s' if chosen.sum() > 1 else ''} at its outlets"
    return Found(f"huc-{digits}", "huc", name, places)


def _shapes(domain: Domain) -> DivideShapes:
    """The shapes of the catchments of the domain's file."""
    return kept(domain.hydrofabric, "_divide_shapes", open_divides)


def _found_points(domain: Domain, shape: Shape, label: str, notes: tuple[str, ...] = ()) -> Found:
    """The catchments that hold each of some points; all of them must be held by one."""
    shapes = _shapes(domain)
    here = moved(shape, shapes.crs)
    held, said = [], list(shape.notes)
    for (x, y), (lon, lat) in zip(here.points, shape.points, strict=True):
        ids = shapes.at(x, y)
        places = within(domain, np.sort(domain.river.topology.catchments.ids.find(ids)))
        if not len(places):
            raise _no_catchment(domain, shapes, shape.crs, (lon, lat), ids)
        if len(places) > 1:
            names = [domain.river.name(place) for place in places.tolist()]
            said.append(f"the point lies on the border of {' and '.join(names)}; taken as in {names[0]}")
        held.append(int(places[0]))
    found = np.unique(np.array(held, dtype=np.intp))
    where = domain.river.name(held[0]) if len(found) == 1 else f"{len(found):,} catchments"
    return Found(label, "point", f"{label}, in {where}", found, (*notes, *said))


def _found_area(domain: Domain, shape: Shape, kind: str, label: str, predicate: str) -> Found:
    """The catchments that lie to a shape as *predicate* says."""
    shapes = _shapes(domain)
    whole = moved(shape, shapes.crs).whole
    hit = domain.river.topology.catchments.ids.find(shapes.matching(whole, predicate))
    places = within(domain, np.sort(hit[hit >= 0]))
    if not len(places):
        nearest = shapes.nearest(whole)
        far = nearest is None or nearest[1] > 0
        others = f"; {len(hit):,} of the file, but none of them in this domain" if len(hit) else ""
        raise SelectionError(
            f"no catchment {_ALONE[predicate]} the {kind}",
            needed=label,
            has=f"{len(domain):,} catchments of {domain.name}{others}",
            nearest=_apart(nearest),
            hint="check its crs, and that x (longitude) comes before y (latitude)"
            if far
            else "ask the whole hydrofabric, or with predicate='intersects'",
        )
    name = f"{label}, catchments {_TOGETHER[predicate]} it"
    return Found(label, kind, name, within(domain, joined_by(domain.river, places)), shape.notes)


#: How one catchment lies to a shape, and how several do, in words.
_ALONE = {"intersects": "meets", "within": "lies within", "centroid": "has its centroid in"}
_TOGETHER = {"intersects": "that meet", "within": "that lie within", "centroid": "with their centroid in"}


def _label(value: object) -> str:
    """What to call a shape."""
    if isinstance(value, str | Path):
        return Path(value).name
    if isinstance(value, Mapping):
        return "GeoJSON"
    kind = getattr(value, "geom_type", None)
    return kind.lower() if isinstance(kind, str) else type(value).__name__


def _no_catchment(
    domain: Domain,
    shapes: DivideShapes,
    crs: str,
    asked: tuple[float, float],
    ids: Sequence[str],
) -> SelectionError:
    """The error for a point that no catchment of the domain holds."""
    said = f"lon {asked[0]:g}, lat {asked[1]:g}" if crs == WGS84 else f"({asked[0]:g}, {asked[1]:g}) in {crs}"
    if ids:
        return SelectionError(
            "the catchment that holds the point is not in the domain",
            needed=said,
            has=f"{ids[0]}, of the file but not among the {len(domain):,} catchments of this domain",
            hint="ask the whole hydrofabric",
        )
    hint = "a point is lon=, lat= in degrees (WGS84), longitude negative in the west"
    if crs == WGS84 and abs(asked[0]) <= _LAT:
        x, y = moved(point_shape(asked[1], asked[0]), shapes.crs).points[0]
        if turned := shapes.at(x, y):
            hint = f"with lon and lat exchanged, {turned[0]} holds it: is that what you meant?"
    return SelectionError(
        "no catchment holds the point",
        needed=said,
        has=f"{len(domain):,} catchments of {domain.name}",
        nearest=_apart(shapes.nearest(moved(point_shape(*asked, crs), shapes.crs).whole)),
        hint=hint,
    )


def _apart(nearest: tuple[str, float] | None) -> str:
    """A catchment and how far it is, for people."""
    return "none" if nearest is None else f"{nearest[0]}, {nearest[1]:,.3g} km away"


def _degrees(lon: object, lat: object) -> tuple[float, float]:
    """Longitude and latitude, checked."""
    try:
        x, y = float(lon), float(lat)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        x = y = math.nan
    if math.isfinite(x) and abs(y) <= _LAT and -_LON <= x <= 2 * _LON:
        return x, y
    swapped = math.isfinite(x) and math.isfinite(y) and abs(x) <= _LAT and abs(y) <= 2 * _LON
    raise SelectionError(
        "these are no longitude and latitude",
        needed="lon in [-180, 180] and lat in [-90, 90], both in degrees",
        has=f"lon={lon!r}, lat={lat!r}",
        hint=f"exchange them: lon={lat!r}, lat={lon!r}" if swapped else "give both, in degrees (WGS84)",
    )


def _edges(bbox: object) -> tuple[float, float, float, float]:
    """The four edges of a box, checked."""
    try:
        edges = tuple(float(edge) for edge in bbox)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        edges = ()
    if len(edges) == 4 and all(map(math.isfinite, edges)) and edges[0] < edges[2] and edges[1] < edges[3]:
        return edges
    raise SelectionError(
        "this is no box",
        needed="bbox=(xmin, ymin, xmax, ymax), finite numbers, xmin < xmax and ymin < ymax",
        has=f"bbox={bbox!r}"[:120],
        hint="for longitude and latitude: (west, south, east, north)",
    )


def _listed(edges: Sequence[float]) -> str:
    """Edges of a box, for people."""
    return f"({', '.join(f'{edge:.10g}' for edge in edges)})"
