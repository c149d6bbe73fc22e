"""Finding what was asked for on the river, whatever way it was asked.

`locate` takes names of gages, catchments, flowpaths and nexuses, numbers, points, boxes,
polygons, other domains, and lists of any of these; it says what each was taken for. What
is ambiguous, unknown or outside the domain is an error that names the candidates.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dmod.domain.areas import find_box, find_point, find_region, find_shape, find_unit
from dmod.domain.found import Found, Located, within
from dmod.domain.known import find_domain, find_ids, no_such, same_file
from dmod.domain.marks import marks_named, places_of_marks
from dmod.domain.spellings import Kind, Meaning, kind_named, meanings, plain
from dmod.domain.spread import PlaceArray
from dmod.errors import SelectionError
from dmod.formats.comids import flowpaths_of_comid
from dmod.formats.geopackage_spatial import PREDICATES
from dmod.formats.names import Names
from dmod.formats.shapes import SUFFIXES, is_shape

if TYPE_CHECKING:
    from dmod.domain.domain import Domain

__all__ = ["locate"]

_USGS = ("gages-", "nwis-", "usgs-", "gage-")
_GAGE_DIGITS = 8
#: Lists longer than this are looked up together and told of as one.
_FEW = 8


def locate(
    domain: Domain,
    what: object = None,
    *,
    kind: str | None = None,
    gage: object = None,
    comid: object = None,
    vpu: object = None,
    lon: object = None,
    lat: object = None,
    bbox: object = None,
    polygon: object = None,
    crs: object = None,
    predicate: str = "intersects",
) -> Located:
    """Where on the river something is; several inputs are taken together.

    Parameters
    ----------
    domain : Domain
        Where to look.
    what : object, optional
        A name (``01073000``, ``USGS-01073000``, ``cat-27``, ``nex-26``, ``comid-101``, ``vpu-03W``,
        ``huc-16010202``, ``nid-UT00310`` ...), a number with *kind*, a geometry, a table or file of them,
        another `Domain`, or a list, Series or array of any of these.
    kind : {"catchment", "flowpath", "nexus", "gage", "comid", "vpu", "huc", "mark"}, optional
        What names and numbers of *what* are.
    gage, comid, vpu : str, int or list, optional
        A gage, a COMID of NHDPlus, a vector processing unit (``03`` means 03N, 03S and 03W).
    lon, lat : float, optional
        A point, in [-180, 180] and [-90, 90] [degree], WGS84.
    bbox, polygon : (xmin, ymin, xmax, ymax); geometry, table of geometries or path, optional
        An area. A box without *crs* is in degrees of longitude and latitude.
    crs : str, optional
        What *bbox* is in, and *polygon* and geometries in *what* where they do not say so themselves.
    predicate : {"intersects", "within", "centroid"}
        How a catchment must lie to an area to count.

    Returns
    -------
    Located
        Places and what each input was taken for. Of a nexus, the places that drain to it.

    Raises
    ------
    SelectionError
        If something is unknown, ambiguous, outside the domain, or nothing is asked for.
    """
    _require_predicate(predicate)
    meant = None if kind is None else kind_named(kind)
    found: list[Found] = []
    for asked, of in ((what, meant), (gage, "gage"), (comid, "comid"), (vpu, "vpu")):
        found += _each(domain, asked, of, crs, predicate) if asked is not None else ()
    if lon is not None or lat is not None:
        found.append(find_point(domain, lon, lat))
    for area, find in ((bbox, find_box), (polygon, find_shape)):
        found += [] if area is None else [find(domain, area, crs, predicate)]
    if not found:
        raise _nothing(domain)
    return Located(domain, tuple(found))


def _require_predicate(predicate: str) -> None:
    """Refuse ways of lying to an area that are not known."""
    if predicate not in PREDICATES:
        raise SelectionError(
            f"there is no predicate {predicate!r}", needed=", ".join(PREDICATES), hint="give one of 'needed'"
        )


def _nothing(domain: Domain) -> SelectionError:
    """The error for a question without anything asked."""
    return SelectionError(
        "nothing was asked for",
        needed="a gage, an id, a COMID, a VPU, a point, a box, a polygon or a domain",
        has=f"{len(domain):,} catchments of {domain.name}",
        hint="for example subset('cat-27'), subset(gage='01073000') or subset(lon=-111.7, lat=41.9)",
    )


def _each(domain: Domain, asked: object, kind: Kind | None, crs: object, predicate: str) -> Iterator[Found]:
    """What one input, or each of a list, was taken for."""
    if isinstance(asked, Located):
        # Places of another file mean nothing here; its catchments do.
        yield from (
            asked.found if same_file(domain, asked.domain) else _list(domain, asked.catchments, None, crs, predicate)
        )
    elif isinstance(asked, type(domain)):
        yield find_domain(domain, asked)
    elif isinstance(asked, Path) or (isinstance(asked, str) and asked.lower().endswith(SUFFIXES)) or is_shape(asked):
        yield find_shape(domain, asked, crs, predicate)
    elif (text := plain(asked)) is not None:
        yield _named(domain, text, kind)
    elif isinstance(asked, Iterable) and not (isinstance(asked, bytes | Mapping) or hasattr(asked, "columns")):
        yield from _list(domain, asked, kind, crs, predicate)
    else:
        raise _not_understood(asked)


def _list(domain: Domain, asked: Iterable[object], kind: Kind | None, crs: object, predicate: str) -> Iterator[Found]:
    """What the entries of a list were taken for; many ids together."""
    entries = list(asked.to_list() if isinstance(asked, Names) else asked)
    if not entries:
        raise SelectionError(
            "the list of what is asked for is empty",
            has=f"{len(domain):,} catchments of {domain.name}",
            hint="name one at least",
        )
    if len(entries) in (2, 4) and all(isinstance(entry, float | np.floating) for entry in entries):
        raise SelectionError(
            "these numbers are a place on the map, but nothing says which is which",
            has=repr(entries),
            hint="give lon=, lat= for a point or bbox=(xmin, ymin, xmax, ymax), crs= for a box",
        )
    if len(entries) > _FEW:
        ids, entries = _separate(entries, kind)
        if ids:
            yield find_ids(domain, ids)
    for entry in entries:
        yield from _each(domain, entry, kind, crs, predicate)


def _separate(entries: list[object], kind: Kind | None) -> tuple[list[str], list[object]]:
    """Entries that are ids of catchments, flowpaths or nexuses as files have them, and all others."""
    head = {"catchment": "cat-", "flowpath": "wb-", "nexus": "nex-"}.get(kind or "", "")
    ids: list[str] = []
    others: list[object] = []
    known = ("cat-", "wb-", "nex-", "tnx-", "cnx-", "inx-") if kind is None else (head,)
    for entry in entries:
        text = entry if isinstance(entry, str) else plain(entry) if head else None
        if text is not None and head and text.isdigit():
            text = head + text
        if text is not None and known[0] and text.startswith(known):
            ids.append(text)
        else:
            others.append(entry)
    return ids, others


def _named(domain: Domain, text: str, kind: Kind | None) -> Found:
    """What one name was taken for."""
    candidates = meanings(text, kind)
    hits: list[tuple[Meaning, Found]] = []
    for meaning in candidates:
        if (found := _FIND[meaning.kind](domain, meaning.value)) is not None:
            hits.append((meaning, found))
            # A number with as many digits as gages have is one, whatever else has that number.
            if meaning.kind == "gage" and meaning is candidates[0]:
                break
    if not hits:
        raise no_such(domain, text, candidates)
    places = {found.places.tobytes() for _, found in hits}
    if len(places) > 1:
        raise SelectionError(
            f"{text!r} may mean several things",
            **{f"as {meaning.kind}": found.name for meaning, found in hits},
            hint=f"say which with kind=, such as kind={hits[0][0].kind!r}, or in full, such as "
            f"{_in_full(domain, hits[0])!r}",
        )
    meaning, found = hits[0]
    kept = within(domain, found.places)
    if not len(kept):
        raise SelectionError(
            f"{found.name}: in the file, but not in this domain",
            has=f"{len(domain):,} catchments of {domain.name}",
            hint="ask the whole hydrofabric",
        )
    notes = found.notes
    if candidates[1:] and kind is None and meaning.kind != "gage":
        notes = (*notes, f"{text} taken as {found.name}, the only thing of that number in the file")
    return Found(text, found.kind, found.name, kept, notes)


def _in_full(domain: Domain, hit: tuple[Meaning, Found]) -> str:
    """A hit as it may be written without doubt."""
    meaning, found = hit
    if meaning.kind == "catchment":
        return domain.river.name(int(found.places[0]))
    return {"flowpath": "wb-", "nexus": "nex-", "gage": "gage-"}.get(meaning.kind, f"{meaning.kind}-") + meaning.value


def _catchment(domain: Domain, value: str) -> Found | None:
    """A catchment by its id, or by its number alone."""
    held = domain.river.topology.catchments.ids
    names = [f"{prefix}-{value}" for prefix in held.prefixes] if value.isdigit() else [value]
    place = next((at for name in names if (at := held.place(name)) >= 0), -1)
    if place < 0:
        return None
    return Found(value, "catchment", f"catchment {held[place]}", np.array([place]))


def _flowpath(domain: Domain, value: str) -> Found | None:
    """The place of a flowpath."""
    name = f"wb-{value}" if value.isdigit() else value
    place = int(domain.river.place_of(Names.of([name]))[0])
    if place < 0:
        return None
    return Found(value, "flowpath", f"flowpath {name}{_catchment_of(domain, place, name)}", np.array([place]))


def _nexus(domain: Domain, value: str) -> Found | None:
    """All places that drain to a nexus."""
    river = domain.river
    names = [f"{prefix}-{value}" for prefix in ("nex", "tnx", "cnx", "inx", "tnex")] if value.isdigit() else [value]
    nexus = next((at for name in names if (at := river.nexuses.place(name)) >= 0), -1)
    if nexus < 0:
        return None
    places = river.contributors(nexus)
    if not len(places):
        if value.isdigit():
            return None
        raise SelectionError(
            f"nothing drains to nexus {value}",
            has=f"{len(domain):,} catchments of {domain.name}",
            hint="ask for the catchment below it",
        )
    few = ", ".join(river.name(place) for place in places[:3].tolist()) + (", ..." if len(places) > 3 else "")
    return Found(value, "nexus", f"nexus {river.nexuses[nexus]}, to which {few} drain", places)


def _gage(domain: Domain, value: str) -> Found | None:
    """The place that ends at a gage; a number that lost its leading zeros is padded."""
    spellings = dict.fromkeys((value, value.zfill(_GAGE_DIGITS), value.lstrip("0")) if value.isdigit() else (value,))
    for number, start in itertools.product(spellings, _USGS):
        if number and (rows := marks_named(domain.hydrofabric, start + number)).size:
            places = places_of_marks(domain.river, rows[:1])[0]
            notes = (f"gage {value} taken as {number}",) if number != value else ()
            return _of_mark(domain, "gage", f"gage {number}", places, notes)
    return None


def _mark(domain: Domain, value: str) -> Found | None:
    """The place that ends at a point of interest; or anything whose id is just that text."""
    rows = marks_named(domain.hydrofabric, value)
    if not rows.size:
        rows = marks_named(domain.hydrofabric, re.sub(r"[\s:_]+", "-", value))
    if rows.size:
        places = places_of_marks(domain.river, rows[:1])[0]
        return _of_mark(domain, "mark", domain.river.topology.marks.uri[int(rows[0])], places, ())
    return _catchment(domain, value) or _flowpath(domain, value) or _nexus(domain, value)


def _of_mark(domain: Domain, kind: str, name: str, places: PlaceArray, notes: tuple[str, ...]) -> Found:
    """What a mark was taken for."""
    if not len(places):
        raise SelectionError(
            f"{name} is in the file, but on no flowpath that is",
            has=f"{len(domain):,} catchments of {domain.name}",
            hint="choose by catchment, or by lon= and lat=",
        )
    if len(places) > 1:
        few = ", ".join(domain.river.name(place) for place in places[:3].tolist())
        notes = (*notes, f"the file tells only the nexus of {name}: all that drains to it counts, {few} first")
        return Found(name, "nexus", f"{name}, at the nexus of {few}", places, notes)
    place = int(places[0])
    row = int(domain.river.flowpath[place])
    flowpath = domain.river.topology.flowpaths.ids[row] if row >= 0 else domain.river.name(place)
    return Found(name, kind, f"{name}, at the end of {flowpath}{_catchment_of(domain, place, flowpath)}", places, notes)


def _comid(domain: Domain, value: str) -> Found | None:
    """The places whose flowpaths are made of a flowline of NHDPlus."""
    if not value.isdigit():
        return None
    places = np.unique(domain.river.place_of(flowpaths_of_comid(domain.hydrofabric, int(value))))
    places = places[places >= 0]
    if not len(places):
        return None
    few = ", ".join(domain.river.name(place) for place in places[:3].tolist())
    notes = (f"COMID {value} is part of {len(places)} flowpaths: all of them count",) if len(places) > 1 else ()
    return Found(value, "comid", f"COMID {value}, part of {few}", places, notes)


def _catchment_of(domain: Domain, place: int, said: str) -> str:
    """The catchment of a place in brackets, unless it is what was *said* or there is none."""
    name = domain.river.name(place)
    return "" if name == said or place >= domain.river.count else f" ({name})"


_FIND: dict[Kind, Callable[[Domain, str], Found | None]] = {
    "catchment": _catchment,
    "flowpath": _flowpath,
    "nexus": _nexus,
    "gage": _gage,
    "comid": _comid,
    "vpu": find_region,
    "huc": find_unit,
    "mark": _mark,
}


def _not_understood(asked: object) -> SelectionError:
    """The error for an input of no kind that is known."""
    table = hasattr(asked, "columns")
    return SelectionError(
        "what is asked for is not understood",
        needed="a name, a number with kind=, a geometry, a GeoDataFrame, a path, a Domain, or a list of these",
        has=f"{'a table without geometry' if table else repr(asked)[:80]} ({type(asked).__name__})",
        hint="give one of its columns" if table else "a point is lon=, lat=; anything else has a name",
    )
