"""Checks of links, ids, regions and gages that go beyond what every run needs.

They ask the same arrays as `dmod.domain.problems`, whose checks are made first, and read no
table. Pure: nothing is mended.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from dmod.domain.ids import TERMINALS
from dmod.domain.orders import Flow
from dmod.domain.problems import Check, Links
from dmod.domain.traverse import inlets
from dmod.errors import HydrofabricError
from dmod.formats.names import ODD, Names

__all__ = ["CHECKS", "MOST_DIFFERENCE"]

#: Relative difference of two drainage areas that is not yet worth a word [1].
MOST_DIFFERENCE = 0.01

_INTO = ("wb", "fp", "wat", "cat")
#: Regions of the conterminous states, and of the domains whose ids are their own.
_REGIONS = {f"{n:02d}": "conus" for n in range(1, 19)} | {
    **dict.fromkeys(("03N", "03S", "03W", "10L", "10U"), "conus"),
    **dict.fromkeys(("19", "AK"), "ak"),
    **dict.fromkeys(("20", "HI"), "hi"),
    **dict.fromkeys(("21", "PRVI", "PR"), "prvi"),
    **dict.fromkeys(("GL",), "gl"),
}


def _flowpaths(links: Links, marked: NDArray[np.bool_]) -> Names:
    """Ids of the flowpaths of the domain that are marked among those of the file."""
    rows = links.domain.flowpath_places
    return links.domain.river.topology.flowpaths.ids.take(rows[marked[rows]])


def _nexuses(links: Links, marked: NDArray[np.bool_]) -> Names:
    """Ids of the nexuses of the domain that are marked among those of the river."""
    places = links.domain.nexus_places
    return links.domain.river.nexuses.take(places[marked[places]])


def _toids(links: Links) -> Names:
    """What each nexus of the river flows into; missing for a terminal that the file does not list."""
    listed, river = links.domain.river.topology.nexuses, links.domain.river
    if len(listed.ids) == len(river.nexuses) and not links.twice["nexuses"].size and listed.ids.present.all():
        return listed.toid
    row = listed.ids.find(river.nexuses)
    return Names.joined([listed.toid, Names.of([None])]).take(np.where(row >= 0, row, len(listed.ids)))


def _flowpath_lost(links: Links) -> Names:
    """Flowpaths whose nexus is not there."""
    domain = links.domain
    toid = domain.river.topology.flowpaths.toid.take(domain.flowpath_places)
    return domain.flowpath_ids.take(np.flatnonzero(toid.present & (domain.river.nexuses.find(toid) < 0)))


def _sea(links: Links) -> Names:
    """Rows of what stands for the sea."""
    held = links.domain.river.topology
    found = [
        ids.take(np.flatnonzero(ids.having(_INTO) & (ids.numbers == 0)))
        for ids in (held.catchments.ids, held.flowpaths.ids)
    ]
    return Names.joined(found)


def _odd(links: Links) -> Names:
    """Ids that are not a prefix and a number."""
    domain = links.domain
    every = (domain.catchments, domain.flowpath_ids, domain.nexus_ids)
    return Names.joined([ids.take(np.flatnonzero(ids.codes == ODD)) for ids in every])


def _renumbered(links: Links) -> Names:
    """Nexuses that do not have the number of the flowpath they flow into."""
    ids, toid = links.domain.river.nexuses, _toids(links)
    inner = ids.having(("nex",)) & toid.having(_INTO) & (toid.numbers > 0)
    return _nexuses(links, inner & (ids.numbers != toid.numbers))


def _nexus_ending(links: Links) -> Names:
    """Inner nexuses that flow into nothing at all, not even the sea."""
    return _nexuses(links, ~links.domain.river.nexuses.having(TERMINALS) & ~_toids(links).present)


def _terminal_flowing(links: Links) -> Names:
    """Terminal nexuses that flow into a place of the river."""
    river = links.domain.river
    return _nexuses(links, river.nexuses.having(TERMINALS) & (river.receiver >= 0))


def _outward(links: Links) -> Names:
    """Inner nexuses whose flowpath lies outside of the domain."""
    domain, toid = links.domain, _toids(links)
    inside = np.append(np.zeros(len(domain.river), dtype=bool), False)
    inside[domain.places] = True
    named = toid.present & ~(toid.having(_INTO) & (toid.numbers == 0))
    return _nexuses(links, named & ~inside[domain.river.receiver])


def _channelless(links: Links) -> Names:
    """Nexuses that catchments drain to, but no flowpath, in a file that knows flowpaths."""
    river = links.domain.river
    paths = river.topology.flowpaths
    if not len(paths.ids):
        return Names.of(())
    fed, wet = (np.zeros(len(river.nexuses) + 1, dtype=bool) for _ in range(2))
    fed[river.nexus_of[: river.count]] = True
    place = river.place_of_flowpath
    nexus = np.append(river.nexus_of, np.int32(-1))[place]
    wet[nexus] = True
    if (doubt := np.flatnonzero(fed[:-1] & ~wet[:-1])).size:
        # Their flowpaths may go elsewhere than the catchments: ask the flowpaths themselves.
        wet[doubt[np.isin(doubt, river.nexuses.find(paths.toid))]] = True
    # To a terminal one coastal catchments may drain on their own.
    return _nexuses(links, fed[:-1] & ~wet[:-1] & ~river.nexuses.having(TERMINALS))


def _bare(links: Links) -> Names:
    """Flowpaths without a catchment."""
    domain = links.domain
    places = domain.places[len(domain) :]
    return domain.river.topology.flowpaths.ids.take(domain.river.flowpath[places])


def _inlets(links: Links) -> Names:
    """Places that water enters from outside of the domain."""
    return Names.of(()) if links.domain.chosen is None or len(links.circle) else inlets(links.domain)


def _drainage(links: Links) -> Names:
    """Places whose drainage area as reported is not the sum of the areas along ``toid``."""
    river = links.domain.river
    paths = river.topology.flowpaths
    try:
        flow = Flow(river.downstream, river.walk)
    except HydrofabricError:
        return Names.of(())
    area = np.zeros(len(river))
    area[: river.count] = river.topology.catchments.area_km2
    reported = np.append(paths.total_km2, np.nan)[river.flowpath]
    total = flow.gathered(area, np.add, 0.0)
    with np.errstate(invalid="ignore"):
        differs = np.abs(reported - total) > MOST_DIFFERENCE * reported
    return _flowpaths(links, np.bincount(river.flowpath[differs], minlength=len(paths.ids)) > 0)


def _flat(links: Links) -> Names:
    """Flowpaths of no length."""
    with np.errstate(invalid="ignore"):
        return _flowpaths(links, links.domain.river.topology.flowpaths.length_km <= 0)


def _regions(links: Links) -> list[str]:
    """Regions of the domain's catchments."""
    held = links.domain.river.topology
    codes = held.catchments.region[links.domain.catchment_places]
    return [held.regions[code] for code in np.flatnonzero(np.bincount(codes[codes >= 0])).tolist()]


def _unknown_regions(links: Links) -> Names:
    """Regions that are none of the known ones."""
    return Names.of([region for region in _regions(links) if region.upper() not in _REGIONS])


def _mixed_regions(links: Links) -> Names:
    """Regions of a domain that has some of several domains with ids of their own."""
    found = [region for region in _regions(links) if region.upper() in _REGIONS]
    return Names.of(found if len({_REGIONS[region.upper()] for region in found}) > 1 else ())


def _regionless(links: Links) -> Names:
    """Catchments without a region, in a file that knows regions."""
    held = links.domain.river.topology
    return links.catchments((held.catchments.region[links.domain.catchment_places] < 0) & bool(held.regions))


def _stray_gages(links: Links) -> Names:
    """Gages on flowpaths that the file lacks."""
    # A part of the river does not hold all gages of the file, and need not.
    if links.domain.chosen is not None:
        return Names.of(())
    gages = links.domain.hydrofabric.gages
    place = links.domain.river.place_of(Names.of(gages.values()))
    return Names.of([gage for gage, at in zip(gages, place.tolist(), strict=True) if at < 0])


def _odd_gages(links: Links) -> Names:
    """Gages whose number is none of the survey's."""
    listed = links.domain.gages
    return Names.of([gage for gage in listed if not re.fullmatch(r"\d{8}|\d{15}", gage)])


#: What is asked beside `dmod.domain.problems.CHECKS`.
CHECKS: tuple[Check, ...] = (
    Check(
        "flowpath-lost",
        "error",
        "flowpaths flow to a nexus that the hydrofabric lacks",
        "add the nexus, or take the subset again with it",
        _flowpath_lost,
    ),
    Check(
        "flowpath-ending",
        "warning",
        "flowpaths flow to no nexus, so their water is lost",
        "give each a 'toid'",
        lambda links: _flowpaths(links, ~links.domain.river.topology.flowpaths.toid.present),
        {"troute": "error"},
    ),
    Check(
        "sea-listed",
        "error",
        "what stands for the sea is listed as a place",
        "leave it out: it would join all rivers that end",
        _sea,
    ),
    Check(
        "id-odd",
        None,
        "ids are not a prefix and a number",
        "give ids such as cat-101, wb-101 and nex-102: routing uses the numbers alone",
        _odd,
        {"troute": "error", "ngen": "warning"},
    ),
    Check(
        "nexus-renumbered",
        "warning",
        "nexuses do not have the number of the flowpath they flow into",
        "let nex-N flow into wb-N: t-route takes one for the other",
        _renumbered,
        {"troute": "error"},
    ),
    Check(
        "nexus-ending",
        "warning",
        "nexuses flow into nothing, but are not terminal",
        "give each a 'toid', wb-0 where water leaves for good",
        _nexus_ending,
    ),
    Check(
        "terminal-flowing",
        "warning",
        "terminal nexuses flow on",
        "let them flow into wb-0, or be nexuses (nex-)",
        _terminal_flowing,
    ),
    Check(
        "nexus-channelless",
        "warning",
        "nexuses get water from catchments but from no flowpath, so routing leaves it out",
        "take the subset again with its flowpaths",
        _channelless,
        {"troute": "error"},
    ),
    Check(
        "length-not-positive",
        "warning",
        "flowpaths have a length of zero or less",
        "give 'lengthkm' a value above zero",
        _flat,
        {"troute": "error"},
    ),
    Check(
        "region-unknown",
        "warning",
        "regions are none of those of the hydrofabric",
        "give 'vpuid' a value such as 01 or 03N",
        _unknown_regions,
    ),
    Check(
        "region-mixed",
        "error",
        "regions of several domains are in one file, whose ids may be the same for other places",
        "keep one file for each of: conterminous states, Alaska, Hawaii, Puerto Rico, Great Lakes",
        _mixed_regions,
    ),
    Check(
        "gage-stray",
        "warning",
        "gages are on flowpaths that the hydrofabric lacks",
        "take the subset again with its gages",
        _stray_gages,
    ),
    Check(
        "region-lacking",
        "info",
        "catchments have no region",
        "give 'vpuid' a value such as 01 or 03N",
        _regionless,
        {"export": "warning"},
    ),
    Check(
        "gage-odd",
        "info",
        "gages are not called by 8 or 15 digits",
        "legal: only numbers of the USGS have so many; leading zeros count",
        _odd_gages,
    ),
    Check(
        "outlet",
        "info",
        "nexuses flow into what lies outside",
        "legal: the outlets of a part of the river",
        _outward,
    ),
    Check(
        "inlet",
        "info",
        "catchments take in water from outside of the domain",
        "legal, but what comes from there is missing in a run: choose all upstream if it matters",
        _inlets,
    ),
    Check(
        "flowpath-bare",
        "info",
        "flowpaths have no catchment",
        "legal: water only passes through them",
        _bare,
    ),
    Check(
        "drainage-differs",
        "info",
        f"the drainage area the file reports is more than {MOST_DIFFERENCE:.0%} from the sum of areas along 'toid'",
        "known: tributaries were moved to the nexus below them, or enter from outside of the file; use the sum "
        "for the balance of a run, what is reported to compare with a gage",
        _drainage,
    ),
)
