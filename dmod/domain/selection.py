"""Asking for a piece of river: `subset`, `between`, and what two pieces make together.

First `locate` says where on the river something is, then the piece grows from there:
upstream, down to some place, less what is excluded. The domain that comes out says in its
story how each input was understood, and how large it is by its links and as reported.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from dmod.domain.found import ENDS, Found, Located, within
from dmod.domain.known import same_file
from dmod.domain.locate import locate
from dmod.domain.spread import PlaceArray, above, ascending, inlets, outlets, way_down
from dmod.errors import SelectionError

if TYPE_CHECKING:
    from dmod.domain.domain import Domain

__all__ = ["At", "between", "describe", "difference", "intersection", "subset", "union"]

#: Where upstream begins: at the outlet of the place itself, or at the nexus it drains to.
At = Literal["outlet", "nexus"]

#: Drainage areas that differ by more than this are both told [1].
_TELL = 0.01
_SHOWN = 3


def subset(
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
    upstream: bool | int | None = None,
    at: str = "outlet",
    downstream_to: object = None,
    exclude: object = None,
) -> Domain:
    """The piece of river that is asked for; several inputs are taken together.

    Parameters
    ----------
    domain : Domain
        What to take it from.
    what, kind, gage, comid, vpu, lon, lat, bbox, polygon, crs, predicate
        Where it is, as for `locate`.
    upstream : bool or int, optional
        Whether all that drains to it belongs to it; a number means so many places up, in [0, inf).
        Without it, yes for gages, ids, COMIDs, points and marks; no for a VPU, HUC, box, polygon or domain.
    at : {"outlet", "nexus"}
        Upstream of the outlet of a place (of a gage always), or of the nexus below it, brothers included.
    downstream_to : object, optional
        Anything like *what*: the way from the piece down to there is added, both ends included; True
        means down to the sea, or as far as the domain goes.
    exclude : object, optional
        Anything like *what*, taken away in the end, with its upstream where `subset` would include it.

    Returns
    -------
    Domain
        Never empty; its ``story`` says how each input was understood.

    Raises
    ------
    SelectionError
        If something is unknown, ambiguous or outside the domain, or nothing is left.
    """
    steps, start = _steps(upstream), _at(at)
    where = {"lon": lon, "lat": lat, "bbox": bbox, "polygon": polygon, "crs": crs}
    located = locate(domain, what, kind=kind, gage=gage, comid=comid, vpu=vpu, predicate=predicate, **where)
    return _piece(located, steps, start, downstream_to, exclude)


def between(domain: Domain, a: object, b: object) -> Domain:
    """All that drains through *b* but not from above *a*: the way from *a* down to *b* and what joins it.

    Parameters
    ----------
    domain : Domain
        What to take it from.
    a, b : object
        Anything that `locate` takes. Where *a* is a reach (a catchment, flowpath, COMID or point on the
        map) it is part of the result, and what flows into it is not. Where *a* is a point at the end of
        a reach (a gage, nexus or point of interest), that reach lies above it and is left out too.
        *b* is part of the result, with all that drains to it if it is a nexus.

    Raises
    ------
    SelectionError
        If some place of *a* does not drain through *b*, or nothing lies between them.
    """
    top, bottom = locate(domain, a), locate(domain, b)
    river = domain.river
    inside = above(river, bottom.places)
    if (apart := np.setdiff1d(top.places, inside, assume_unique=True)).size:
        turned = not np.setdiff1d(bottom.places, above(river, top.places), assume_unique=True).size
        raise SelectionError(
            f"{_names(top)}: does not drain through {_names(bottom)}",
            needed="a place upstream first, then one downstream of it",
            has=", ".join(river.name(place) for place in apart[:_SHOWN].tolist()) + " leaves another way",
            hint="exchange the two: the second drains through the first"
            if turned
            else "see where it goes with downstream",
        )
    ends = [found.places for found in top.found if found.kind in ENDS]
    reaches = [found.places for found in top.found if found.kind not in ENDS]
    seeds = np.concatenate([*reaches, np.zeros(0, dtype=np.intp)])
    inflow = np.setdiff1d(above(river, top.places), seeds, assume_unique=True)
    if ends:
        inflow = ascending(river, np.concatenate([inflow, *ends]))
    places = within(domain, np.setdiff1d(inside, inflow, assume_unique=True))
    if not len(places):
        raise SelectionError(
            f"nothing lies between {_names(top)} and {_names(bottom)}",
            has=f"{len(domain):,} catchments of {domain.name}",
            hint="they are the same place",
        )
    line = f"between {_names(top)} and {_names(bottom)}"
    if ends:
        line += f"; {_listed(domain, np.concatenate(ends))} above the upper end left out"
    return _told(domain, places, [line, *top.notes, *bottom.notes], whole=False)


def union(domain: Domain, other: Domain) -> Domain:
    """All that is in either of two domains of one file."""
    _require_one_file(domain, other)
    places = ascending(domain.river, np.concatenate([domain.places, other.places]))
    return _joined(domain, other, places, "together with")


def intersection(domain: Domain, other: Domain) -> Domain:
    """What two domains of one file have in common.

    Raises
    ------
    SelectionError
        If they have nothing in common, or are of different files.
    """
    _require_one_file(domain, other)
    return _joined(domain, other, within(other, domain.places), "and in")


def difference(domain: Domain, other: Domain) -> Domain:
    """What a domain has that another one of the same file has not.

    Raises
    ------
    SelectionError
        If nothing is left, or they are of different files.
    """
    _require_one_file(domain, other)
    return _joined(domain, other, np.setdiff1d(domain.places, other.places, assume_unique=True), "without")


def describe(selection: Located | Domain) -> str:
    """What was found or chosen, in a few lines for people.

    Parameters
    ----------
    selection : Located or Domain
        What `locate` or `subset` gave.

    Returns
    -------
    str
        One line for each input or step; of a domain, its size first.
    """
    if isinstance(selection, Located):
        return str(selection)
    ends = outlets(selection.river, selection.places)
    head = (
        f"{_count(len(selection), 'catchment')}, {_count(len(selection.nexus_ids), 'nexus', 'nexuses')}, "
        f"{selection.area_km2:,.1f} km2 of {selection.name} ({selection.version})"
    )
    lines = [head, f"outlet: {_listed(selection, ends)}", *selection.story]
    return "\n".join([lines[0], *(f"  {line}" for line in lines[1:])])


def _piece(located: Located, steps: bool | int | None, at: str, downstream_to: object, exclude: object) -> Domain:
    """The piece that grows from what was found."""
    domain, places = located.domain, _grown(located, steps, at)
    lines = [f"{_names(located)}{_growth(located, steps, at)}", *located.notes]
    whole = steps is True or (steps is None and not any(found.is_area for found in located.found))
    if downstream_to is not None and downstream_to is not False:
        places, said = _lengthened(domain, places, downstream_to)
        lines += said
        whole = False
    if exclude is not None:
        places, said = _less(domain, places, exclude)
        lines += said
        whole = False
    return _told(domain, places, lines, whole=whole)


def _at(at: str) -> str:
    """Where upstream begins, checked."""
    if at not in get_args(At):
        raise SelectionError(f"there is no at={at!r}", needed=", ".join(get_args(At)), hint="give one of 'needed'")
    return at


def _steps(upstream: object) -> bool | int | None:
    """How far upstream is wanted, checked."""
    if upstream is None or isinstance(upstream, bool | np.bool_):
        return None if upstream is None else bool(upstream)
    if isinstance(upstream, int | np.integer) and upstream >= 0:
        return int(upstream)
    raise SelectionError(
        "this is no way of saying how far upstream",
        needed="True, False, or a number of places in [0, inf)",
        has=f"upstream={upstream!r}",
        hint="upstream=True takes all that drains to it, upstream=2 what is up to two places above",
    )


def _grown(located: Located, steps: bool | int | None, at: str) -> PlaceArray:
    """The places found, with what drains to them as far as wanted."""
    river = located.domain.river
    starts = [(found, _start(located, found, at)) for found in located.found]
    if isinstance(steps, bool) or steps is None:
        grow = [start for found, start in starts if (not found.is_area if steps is None else steps)]
        parts = [found.places for found in located.found if found.is_area] + [start for _, start in starts]
        if grow:
            parts.append(above(river, np.concatenate(grow)))
        places = parts[-1] if len(located.found) == 1 and grow else ascending(river, np.concatenate(parts))
        return within(located.domain, places)
    # Places of an area are all there from the outset; the count begins at each of them.
    seeds = [start for _, start in starts] + [found.places for found in located.found if found.is_area]
    return within(located.domain, above(river, np.concatenate(seeds), steps))


def _start(located: Located, found: Found, at: str) -> PlaceArray:
    """Where upstream of one input begins."""
    if at == "outlet" or found.kind == "gage":
        return found.places
    river = located.domain.river
    ends = outlets(river, found.places) if found.is_area else found.places
    nexuses = np.unique(river.nexus_of[ends])
    brothers = [river.contributors(int(nexus)) for nexus in nexuses[nexuses >= 0]] if len(nexuses) <= _SHOWN else []
    if len(nexuses) > _SHOWN:
        brothers = [np.flatnonzero(np.isin(river.nexus_of, nexuses[nexuses >= 0]))]
    return ascending(river, np.concatenate([found.places, *brothers]))


def _growth(located: Located, steps: bool | int | None, at: str) -> str:
    """How far upstream the piece goes, in words."""
    asked = any(found.kind != "gage" for found in located.found)
    here = ", all that drains to the nexus below" if at == "nexus" and asked else ""
    if steps is False or steps == 0:
        return f"{here}, nothing further upstream" if here else ", without upstream"
    if isinstance(steps, int) and steps is not True:
        return f"{here}, up to {_count(steps, 'place')} upstream"
    areas = [found.is_area for found in located.found]
    if steps is None and all(areas):
        return here
    return f"{here}, with all upstream" + (" (but of areas)" if steps is None and any(areas) else "")


def _lengthened(domain: Domain, places: PlaceArray, to: object) -> tuple[PlaceArray, list[str]]:
    """The places with the way from them down to somewhere, and what to say of it."""
    river = domain.river
    target = None if to is True else locate(domain, to)
    ends = outlets(river, places)
    way, lost = way_down(river, ends, None if target is None else target.places)
    goal = "the sea" if target is None else _names(target)
    if not len(way):
        raise SelectionError(
            f"nothing that is asked for flows to {goal}",
            has=f"{_listed(domain, ends)} where its water leaves",
            hint="downstream_to= is a place further down the same river; True is the sea",
        )
    grown = within(domain, ascending(river, np.concatenate([places, way])))
    lines = [f"with the way down to {goal}: {_count(len(grown) - len(places), 'place')} more"]
    if lost and way.size:
        lines.append(f"{lost:,} of {_count(len(ends), 'outlet')} do not flow there")
    return grown, [*lines, *(() if target is None else target.notes)]


def _less(domain: Domain, places: PlaceArray, exclude: object) -> tuple[PlaceArray, list[str]]:
    """The places without those excluded, and what to say of it."""
    away = locate(domain, exclude)
    gone = _grown(away, None, "outlet")
    left = np.setdiff1d(places, gone, assume_unique=True)
    if not len(left):
        raise SelectionError(
            "nothing is left of what is asked for",
            needed=f"less than all of it in exclude={_names(away)}",
            has=f"{_count(len(places), 'place')}, all of them excluded",
            hint="what is excluded goes with all that drains to it, unless it is an area",
        )
    lines = [f"without {_names(away)}{_growth(away, None, 'outlet')}: {_count(len(places) - len(left), 'place')} less"]
    return left, [*lines, *away.notes]


def _told(domain: Domain, places: PlaceArray, lines: list[str], *, whole: bool) -> Domain:
    """The domain of some places, ascending, with its story; *whole* if all upstream is in it."""
    river = domain.river
    made = replace(domain, chosen=places, story=())
    area = made.area_km2
    size = f"{_count(len(made), 'catchment')}, {area:,.1f} km2"
    lines = [f"{lines[0]}: {size}"] if len(lines) == 1 else [*lines, f"in all {size}"]
    if not whole:
        open_ = inlets(river, places)
        if len(open_):
            lines.append(f"water enters from outside at {_count(len(open_), 'place')}: {_listed(domain, open_)}")
    elif (said := _two_areas(made, area)) is not None:
        lines.append(said)
    return replace(made, story=(*domain.story, *lines))


def _two_areas(made: Domain, linked: float) -> str | None:
    """What to say where the area by links and the one reported at the outlets differ [km2]."""
    river, ends = made.river, outlets(made.river, made.places)
    rows = river.flowpath[ends]
    if (rows < 0).any():
        return None
    reported = float(river.topology.flowpaths.total_km2[rows].sum())
    if not np.isfinite(reported) or reported <= 0 or abs(linked - reported) <= _TELL * reported:
        return None
    return (
        f"drainage area: {linked:,.1f} km2 by the links of the file (toid), {reported:,.1f} km2 as reported "
        f"at {_listed(made, ends)} ({(linked - reported) / reported:+.1%}); compare with a gage by the latter"
    )


def _joined(domain: Domain, other: Domain, places: PlaceArray, how: str) -> Domain:
    """A domain made of two."""
    if not len(places):
        raise SelectionError(
            "nothing is left: the domains have nothing in common" if how == "and in" else "nothing is left",
            needed=f"{len(other):,} catchments of {other.name}",
            has=f"{len(domain):,} catchments of {domain.name}",
            hint="look at both with describe() first",
        )
    said = "; ".join(other.story) or f"all of {other.name}"
    return _told(domain, places, [f"{how} ({said})"], whole=False)


def _require_one_file(domain: Domain, other: Any) -> None:
    """Refuse to join what does not belong together."""
    is_domain = isinstance(other, type(domain))
    if not is_domain or not same_file(domain, other):
        has = f"{other.name} ({other.hydrofabric.path})" if is_domain else type(other).__name__
        raise SelectionError(
            "these are not two domains of one file",
            needed=f"a domain of {domain.hydrofabric.path}",
            has=has,
            hint="find the other one here first: domain.subset(other)",
        )


def _names(located: Located) -> str:
    """What was found, in one line."""
    names = [found.name for found in located.found]
    return "; ".join(names[:_SHOWN]) + (f"; and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else "")


def _listed(domain: Domain, places: PlaceArray) -> str:
    """The first few places by name."""
    names = [domain.river.name(place) for place in places[:_SHOWN].tolist()]
    return ", ".join(names) + (f" and {len(places) - _SHOWN:,} more" if len(places) > _SHOWN else "")


def _count(number: int, one: str, many: str | None = None) -> str:
    """A number of things."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
