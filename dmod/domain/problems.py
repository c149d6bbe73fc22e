"""What can be wrong with the links of a river, said before a run trips over it.

A `Check` finds the ids of which something is true; a `Problem` is what one found. Checks
ask the arrays of the river, so that a continent takes a second, and ids become text only
when someone reads them. Here are those that every run needs; `dmod.domain.validate` makes
them and many more. Pure: nothing is mended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from dmod.domain.traverse import flow_of
from dmod.domain.walk import find_cycle
from dmod.errors import HydrofabricError
from dmod.formats.names import Names

if TYPE_CHECKING:
    from dmod.domain.domain import Domain

__all__ = ["Check", "Links", "Problem", "Severity", "find_problems", "made", "ranked", "same"]

Severity = Literal["error", "warning", "info"]

_RANK = {"error": 0, "warning": 1, "info": 2}
_SHOWN = 3
#: Nexuses at a coast and in closed basins, to which catchments drain without a channel.
_SHORE = ("cnx", "inx")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, or worth knowing."""

    #: ``error`` if a run cannot be right, ``warning`` if it may not be, ``info`` if it is legal but rare.
    severity: Severity
    #: Which check found it, short, with hyphens, for programs.
    check: str
    #: What is wrong, without the ids.
    what: str
    #: Every id it is about; names of layers or regions where it is about those.
    which: Names
    #: What to do, or why nothing needs to be done.
    remedy: str = ""

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Every id it is about."""
        return tuple(self.which.to_list())

    @property
    def examples(self) -> str:
        """The first few ids, and how many more there are."""
        more = len(self.which) - _SHOWN
        return ", ".join(self.which[:_SHOWN].to_list()) + (f" and {more} more" if more > 0 else "")

    @property
    def message(self) -> str:
        """What is wrong, in one line, with the first few ids."""
        return f"{self.what}: {self.examples}"

    def __str__(self) -> str:
        return f"{self.severity}: {self.message}"


@dataclass(frozen=True, eq=False)
class Links:
    """What checks ask of a domain, each found once."""

    #: The domain that is checked.
    domain: Domain

    @cached_property
    def toid(self) -> Names:
        """The nexus of each catchment of the domain, as the table of catchments has it."""
        return self.domain.river.topology.catchments.toid.take(self.domain.catchment_places)

    @cached_property
    def area_km2(self) -> NDArray[np.float64]:
        """Area of each catchment of the domain [km2]."""
        return self.domain.river.topology.catchments.area_km2[self.domain.catchment_places]

    @cached_property
    def path(self) -> NDArray[np.int32]:
        """Row of the flowpath of each catchment of the domain, -1 for none that is listed."""
        return self.domain.river.flowpath[self.domain.catchment_places]

    @cached_property
    def named(self) -> NDArray[np.bool_]:
        """Which catchments of the domain name a flowpath."""
        return self.domain.river.topology.catchments.flowpath.present[self.domain.catchment_places]

    @cached_property
    def twice(self) -> Mapping[str, NDArray[np.intp]]:
        """Rows of each table of the whole file whose id stands in it more than once, ascending."""
        held = self.domain.river.topology
        return {
            "catchments": _repeated(held.catchments.ids),
            "flowpaths": _repeated(held.flowpaths.ids),
            "nexuses": _repeated(held.nexuses.ids),
            "channels": _repeated(held.catchments.flowpath),
        }

    @cached_property
    def circle(self) -> Names:
        """The places of one circle in the order of flow."""
        river = self.domain.river
        try:
            flow_of(self.domain)
        except HydrofabricError:
            inside = np.append(np.zeros(len(river), dtype=bool), False)
            inside[self.domain.places] = True
            down = np.where(inside[:-1] & inside[river.downstream], river.downstream, -1)
            return Names.of([river.name(place) for place in find_cycle(down) or ()])
        return Names.of(())

    def catchments(self, marked: NDArray[np.bool_]) -> Names:
        """Ids of the catchments that are marked."""
        return self.domain.catchments.take(np.flatnonzero(marked))

    def once(self, ids: Names, rows: NDArray[np.intp], within: Names) -> Names:
        """Ids of some rows, each once, in order, if they are in the domain."""
        here = ids.take(rows)
        if self.domain.chosen is not None:
            here = here.take(np.flatnonzero(within.find(here) >= 0))
        _, first = np.unique(here.keys, return_index=True)
        return here.take(np.sort(first))


@dataclass(frozen=True)
class Check:
    """One question to the links of a domain."""

    #: Its name, short, with hyphens.
    name: str
    #: How bad it is where it is true of something; None if it is only asked for some purpose.
    severity: Severity | None
    #: What is then wrong, as a sentence that ids follow.
    what: str
    #: What to do, or why nothing needs to be done.
    remedy: str
    #: The ids it is true of.
    find: Callable[[Links], Names]
    #: How bad it is for a purpose, where that is something else.
    purposes: Mapping[str, Severity] = field(default_factory=dict)


def find_problems(domain: Domain) -> list[Problem]:
    """Everything that is wrong with the links of a domain, the worst first.

    Parameters
    ----------
    domain : Domain
        What to check.

    Returns
    -------
    list of Problem
        Empty if all is well.
    """
    return ranked(made(CHECKS, Links(domain)))


def made(checks: Iterable[Check], links: Links, purpose: str | None = None) -> list[Problem]:
    """What some checks find, in their order."""
    found = []
    for check in checks:
        severity = check.purposes.get(purpose or "", check.severity)
        if severity is not None and len(which := check.find(links)):
            found.append(Problem(severity, check.name, check.what, which, check.remedy))
    return found


def ranked(problems: Iterable[Problem]) -> list[Problem]:
    """Problems, the worst first, else in their order."""
    return sorted(problems, key=lambda problem: _RANK[problem.severity])


def same(one: Names, other: Names) -> NDArray[np.bool_]:
    """Where two sequences of one length have the same id; True where both have none."""
    keys = Names.joined([one, other]).keys
    equal: NDArray[np.bool_] = keys[: len(one)] == keys[len(one) :]
    return equal


def _repeated(ids: Names) -> NDArray[np.intp]:
    """Rows whose id stands more than once."""
    order = np.sort(ids.keys)
    again = np.unique(order[1:][order[1:] == order[:-1]])
    again = again[again >= 0]
    return np.flatnonzero(np.isin(ids.keys, again)) if again.size else np.zeros(0, dtype=np.intp)


def _several_toids(ids: Names, toid: Names, rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Of rows that share their ids with others, those whose ids have several toids."""
    keys, codes = ids.take(rows).keys, toid.take(rows)
    known = codes.present
    pairs = np.unique(np.stack([keys[known], codes.keys[known]]), axis=1)[0]
    several = np.unique(pairs[1:][pairs[1:] == pairs[:-1]])
    return rows[np.isin(keys, several)]


def _catchments_twice(links: Links) -> Names:
    """Catchments with one id."""
    domain = links.domain
    return links.once(domain.river.topology.catchments.ids, links.twice["catchments"], domain.catchments)


def _nexuses_twice(links: Links) -> Names:
    """Nexuses with one id."""
    domain = links.domain
    return links.once(domain.river.topology.nexuses.ids, links.twice["nexuses"], domain.nexus_ids)


def _flowpaths_twice(links: Links) -> Names:
    """Flowpaths with one id."""
    domain = links.domain
    return links.once(domain.river.topology.flowpaths.ids, links.twice["flowpaths"], domain.flowpath_ids)


def _nexus_lacking(links: Links) -> Names:
    """Catchments whose nexus is not there."""
    return links.catchments(links.toid.present & (links.domain.river.nexus_of[links.domain.catchment_places] < 0))


def _nexus_forking(links: Links) -> Names:
    """Nexuses listed with several receivers, or whose receiving flowpath belongs to several catchments."""
    held = links.domain.river.topology
    rows = _several_toids(held.nexuses.ids, held.nexuses.toid, links.twice["nexuses"])
    if (shared := links.twice["channels"]).size:
        into = Names.of(list(dict.fromkeys(held.catchments.flowpath.take(shared))))
        rows = np.concatenate([rows, np.flatnonzero(into.find(held.nexuses.toid) >= 0)])
    here = held.nexuses.ids.take(rows)
    if links.domain.chosen is not None:
        here = here.take(np.flatnonzero(links.domain.nexus_ids.find(here) >= 0))
    return Names.of(list(dict.fromkeys(here)))


def _flowpath_forking(links: Links) -> Names:
    """Flowpaths listed with several nexuses."""
    held, domain = links.domain.river.topology.flowpaths, links.domain
    return links.once(held.ids, _several_toids(held.ids, held.toid, links.twice["flowpaths"]), domain.flowpath_ids)


def _apart(links: Links) -> Names:
    """Catchments that drain elsewhere than their flowpath."""
    paths = links.domain.river.topology.flowpaths
    rows = np.flatnonzero(links.path >= 0)
    channel = paths.toid.take(links.path[rows])
    apart = ~same(links.toid.take(rows), channel) & channel.present & links.toid.present[rows]
    return links.domain.catchments.take(rows[apart])


def _channelless(links: Links) -> NDArray[np.bool_]:
    """Which catchments drain without a flowpath, in a file that knows flowpaths."""
    # GeoJSON and some old files know no flowpaths at all: then nothing is missing.
    knows = bool(links.domain.river.topology.catchments.flowpath.present.any())
    return links.toid.present & ~links.named & knows


def _dry(links: Links) -> Names:
    """Nexuses without a contributing catchment."""
    domain = links.domain
    nexus = domain.river.nexus_of[domain.catchment_places]
    count = np.bincount(nexus[nexus >= 0], minlength=len(domain.river.nexuses))
    return domain.nexus_ids.take(np.flatnonzero(count[domain.nexus_places] == 0))


_AGAIN = "take the file from its source again"
_ONCE = "keep one row of each; " + _AGAIN + " if it is not yours"

#: What every run needs to know.
CHECKS: tuple[Check, ...] = (
    Check(
        "empty",
        "error",
        "the table of catchments is empty",
        _AGAIN,
        lambda links: Names.of([] if len(links.domain) else ["divides"]),
    ),
    Check("catchment-twice", "error", "several catchments have one id", _ONCE, _catchments_twice),
    Check("nexus-twice", "error", "several nexuses have one id", _ONCE, _nexuses_twice),
    Check("flowpath-twice", "error", "several flowpaths have one id", _ONCE, _flowpaths_twice),
    Check(
        "nexus-lacking",
        "error",
        "catchments drain to a nexus that the hydrofabric lacks",
        "add the nexus, or take the subset again with it",
        _nexus_lacking,
    ),
    Check(
        "nexus-forking",
        "error",
        "nexuses flow into more than one catchment, which violates the dendritic network",
        "let each flow into one: water cannot be divided here",
        _nexus_forking,
    ),
    Check(
        "flowpath-forking",
        "error",
        "flowpaths flow to more than one nexus",
        "let each flow to one: water cannot be divided here",
        _flowpath_forking,
    ),
    Check(
        "circle", "error", "catchments flow in a circle", "mend the 'toid' of one of them", lambda links: links.circle
    ),
    Check(
        "area-lacking",
        "error",
        "catchments have no area",
        "give 'areasqkm' a value",
        lambda links: links.catchments(np.isnan(links.area_km2)),
    ),
    Check(
        "area-not-positive",
        "error",
        "catchments have an area of zero or less",
        "give 'areasqkm' a value above zero",
        lambda links: links.catchments(links.area_km2 <= 0),
    ),
    Check(
        "toid-apart",
        "error",
        "catchments drain to another nexus than their flowpaths",
        "let both have one 'toid': ngen follows the catchment, routing the flowpath",
        _apart,
    ),
    Check(
        "drains-nowhere",
        "warning",
        "catchments drain to no nexus, so their water is lost",
        "right for coastal and closed basins; leave them out of a run that routes",
        lambda links: links.catchments(~links.toid.present),
    ),
    Check(
        "flowpath-lacking",
        "warning",
        "catchments have no flowpath, so routing leaves them out",
        "take the subset again with its flowpaths",
        lambda links: links.catchments(_channelless(links) & ~links.toid.having(_SHORE)),
    ),
    Check(
        "flowpath-needless",
        "info",
        "coastal or closed catchments have no flowpath",
        "legal: their water passes no channel",
        lambda links: links.catchments(_channelless(links) & links.toid.having(_SHORE)),
    ),
    Check(
        "nexus-dry",
        "info",
        "nexuses have no contributing catchment",
        "legal: flowpaths may have no catchment; some versions of ngen refuse it",
        _dry,
        {"ngen": "warning"},
    ),
)
