"""Ids that a hydrofabric knows: looked up by the thousand, and the nearest ones of those it does not.

Another domain is also found by its ids, and refused where they are those of other places:
ids are unique only within one domain and release, the same ``cat-27`` exists in Hawaii.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dmod.domain.found import Found, within
from dmod.domain.ids import nearest, number
from dmod.domain.marks import marks_like
from dmod.domain.spellings import Meaning
from dmod.domain.spread import PlaceArray, ascending
from dmod.errors import SelectionError
from dmod.formats.comids import comids_like
from dmod.formats.names import Names

if TYPE_CHECKING:
    from dmod.domain.domain import Domain

__all__ = ["find_domain", "find_ids", "near_ids", "no_such", "same_file"]

#: Up to so many ids, the nearest is looked for by spelling as well.
_FEW = 2_000
#: Areas that differ by more than this are those of other catchments [1].
_UNLIKE = 0.01


def find_ids(domain: Domain, ids: Sequence[str]) -> Found:
    """The places of many ids of catchments, flowpaths and nexuses, each in full.

    Raises
    ------
    SelectionError
        If some are not in the file, or not in the domain; the message names the first of them.
    """
    river, names = domain.river, Names.of(ids)
    places = river.topology.catchments.ids.find(names)
    rest = np.flatnonzero(places < 0)
    places[rest] = river.place_of(names.take(rest))
    rest = rest[places[rest] < 0]
    at = river.nexuses.find(names.take(rest))
    if (unknown := rest[at < 0]).size:
        raise _unknown(domain, names.take(unknown), len(ids))
    parts = [places[places >= 0]]
    if len(at):
        parts.append(np.flatnonzero(np.isin(river.nexus_of, at)))
    found = ascending(river, np.concatenate(parts))
    inside = within(domain, found)
    if len(inside) < len(found):
        raise SelectionError(
            f"{len(found) - len(inside):,} of the {len(found):,} places asked for are not in this domain",
            needed=", ".join(river.name(place) for place in np.setdiff1d(found, inside)[:3].tolist()),
            has=f"{len(domain):,} catchments of {domain.name}; the file has all of them",
            hint="ask the whole hydrofabric",
        )
    few = ", ".join(ids[:3])
    name = f"{len(ids):,} ids, {few}{', ...' if len(ids) > 3 else ''}"
    return Found(name, "nexus" if len(at) == len(ids) else "ids", name, inside)


def find_domain(domain: Domain, other: Domain) -> Found:
    """The places of another domain, of the same file or of one with the same catchments.

    Raises
    ------
    SelectionError
        If some of its ids are not here, or are those of other catchments.
    """
    places = within(domain, other.places) if same_file(domain, other) else _by_ids(domain, other)
    if not len(places):
        raise SelectionError(
            "the two domains have nothing in common",
            needed=f"{len(other):,} catchments of {other.name}",
            has=f"{len(domain):,} catchments of {domain.name}",
            hint="ask the whole hydrofabric",
        )
    lost = len(other.places) - len(places)
    notes = (f"{lost:,} places of the domain {other.name} are not in this one",) if lost > 0 else ()
    return Found(f"domain {other.name}", "domain", f"domain {other.name} ({len(other):,} catchments)", places, notes)


def same_file(domain: Domain, other: Domain) -> bool:
    """Whether both are parts of one file, so that places mean the same."""
    a, b = domain.hydrofabric, other.hydrofabric
    if a is b or domain.river is other.river:
        return True
    return (
        a.path == b.path
        and a.path.exists()
        and domain.river.topology.catchments.ids == other.river.topology.catchments.ids
    )


def near_ids(names: Names, wanted: str, count: int = 3) -> list[str]:
    """Up to *count* of *names* most like one that is not there: by number, then by spelling.

    The number alone decides among many, so that a million take milliseconds.
    """
    like = nearest(wanted, names.to_list(), count) if len(names) <= _FEW else []
    if (n := number(wanted)) < 0 or len(names) <= count:
        return like
    # As fractions: an id that is not there may have any number of digits.
    apart = np.abs(names.numbers - float(min(n, 10**18)))
    closest = np.argpartition(apart, count)[:count]
    like += names.take(closest[np.argsort(apart[closest], kind="stable")]).to_list()
    return list(dict.fromkeys(like))[:count]


def no_such(domain: Domain, text: str, candidates: Sequence[Meaning]) -> SelectionError:
    """The error for a name that is not in the file: what it was looked for as, and what is like it."""
    near: list[str] = []
    for meaning in candidates:
        near += _near(domain, meaning)
    kinds = list(dict.fromkeys(meaning.kind for meaning in candidates))
    gages = list(domain.gages)[:5] if "gage" in kinds or "mark" in kinds else []
    facts: dict[str, object] = {
        "needed": f"{text}, as {' or '.join(kinds)}",
        "has": f"{len(domain):,} catchments of {domain.name}",
    }
    if near:
        facts["nearest"] = ", ".join(dict.fromkeys(near[:6]))
    if gages:
        facts["gages"] = ", ".join(gages) + (f", ... {len(domain.gages):,} in all" if len(domain.gages) > 5 else "")
    if "vpu" in kinds:
        facts["regions"] = ", ".join(domain.river.topology.regions) or "none named in this file"
    return SelectionError(
        f"{text!r} is not in the hydrofabric", **facts, hint=_HINTS.get(kinds[0], _HINTS["catchment"])
    )


_HINTS = {
    "catchment": "give an id as the hydrofabric has it, such as 'cat-101'; ids differ between releases",
    "gage": "the gage may be on no flowpath of this hydrofabric: choose by lon= and lat= instead",
    "comid": "COMIDs are those of NHDPlus v2; choose by lon= and lat= instead",
    "vpu": "give one of 'regions'",
    "huc": "the file must mark the outlets of HUC12s; choose by polygon= instead",
    "mark": "give a name as the file's hydrolocations have it (hl_uri), or an id such as 'cat-101'",
}


def _near(domain: Domain, meaning: Meaning) -> list[str]:
    """Names of its kind most like what was meant."""
    topology, kind, text = domain.river.topology, meaning.kind, meaning.value
    if kind == "gage" or (kind == "mark" and "-" not in text):
        return marks_like(domain.hydrofabric, f"gages-{text}")
    if kind == "mark":
        return marks_like(domain.hydrofabric, text)
    if kind == "comid" and text.isdigit():
        return [f"comid-{near}" for near in comids_like(domain.hydrofabric, int(text))]
    named = {"catchment": ("cat", topology.catchments.ids), "flowpath": ("wb", topology.flowpaths.ids)}
    named["nexus"] = ("nex", domain.river.nexuses)
    if kind not in named:
        return []
    head, names = named[kind]
    return near_ids(names, f"{head}-{text}" if text.isdigit() else text)


def _unknown(domain: Domain, names: Names, asked: int) -> SelectionError:
    """The error for ids that are not in the file."""
    known = Names.joined([domain.river.topology.catchments.ids, domain.river.nexuses])
    like = {name: near_ids(known, name) for name in names[:3].to_list()}
    return SelectionError(
        f"{len(names):,} of the {asked:,} ids asked for are not in the hydrofabric",
        needed=", ".join(like) + (", ..." if len(names) > 3 else ""),
        has=f"{len(domain):,} catchments of {domain.name}",
        nearest="; ".join(f"{name}: {', '.join(found) or 'none'}" for name, found in like.items()),
        hint=_HINTS["catchment"],
    )


def _by_ids(domain: Domain, other: Domain) -> PlaceArray:
    """The places here of the catchments and flowpaths of a domain of another file."""
    held, theirs = domain.river.topology.catchments, other.river.topology.catchments
    places = held.ids.find(other.catchments)
    if (lost := np.flatnonzero(places < 0)).size:
        raise SelectionError(
            f"{len(lost):,} of the {len(places):,} catchments of the other domain are not here",
            needed=", ".join(other.catchments.take(lost[:3])) + (", ..." if len(lost) > 3 else ""),
            has=f"{domain.river.count:,} catchments of {domain.name} ({domain.version})",
            hint=f"{other.name} ({other.version}) is of another domain or release: choose by polygon= instead",
        )
    here, there = held.area_km2[places], theirs.area_km2[other.catchment_places]
    unlike = np.abs(here - there) > _UNLIKE * np.maximum(here, there)
    if unlike.sum() * 2 > len(places):
        first = int(np.flatnonzero(unlike)[0])
        raise SelectionError(
            "the other domain has the same ids for other catchments",
            needed=f"{other.catchments[first]} of {there[first]:.3g} km2, as in {other.name} ({other.version})",
            has=f"{other.catchments[first]} of {here[first]:.3g} km2, as in {domain.name} ({domain.version})",
            hint="ids are unique only within one domain and release: choose by polygon= instead",
        )
    inside = within(domain, np.sort(places))
    if len(inside) < len(places):
        raise SelectionError(
            f"{len(places) - len(inside):,} of the {len(places):,} catchments of the other domain are not in this one",
            has=f"{len(domain):,} catchments of {domain.name}; the file has all of them",
            hint="ask the whole hydrofabric",
        )
    return inside
