"""What a domain is, in a few words each: the lines of its card and of ``dmod domain``.

Counts, areas, outlets, gages, the longest river, where it comes from and under which
licence. Everything is told from ids and links; no shape is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dmod.domain.tables import crs
from dmod.domain.traverse import flow_of
from dmod.errors import HydrofabricError

if TYPE_CHECKING:
    from dmod.domain.domain import Domain
    from dmod.domain.orders import Flow

__all__ = ["LICENCE", "facts", "licence", "longest_path", "reported_km2"]

#: Under which licence the published NextGen hydrofabrics of version 2 are, and whose they are.
LICENCE = "ODbL-1.0"
_OWNERS = "NextGen hydrofabric, Lynker and NOAA Office of Water Prediction"
#: Shown one by one up to so many.
_FEW = 3
#: Below this share of the whole, two areas are the same.
_SAME = 0.01


def facts(domain: Domain) -> dict[str, str]:
    """What a domain is, as label and text, in the order of a card.

    Parameters
    ----------
    domain : Domain
        Which one.

    Returns
    -------
    dict of str to str
        Labels that do not apply are left out.
    """
    fabric, held = domain.hydrofabric, domain.hydrofabric.topology
    region = np.unique(held.catchments.region[domain.catchment_places])
    regions = [held.regions[place] for place in region.tolist() if place >= 0]
    without = int((domain.river.flowpath[domain.catchment_places] < 0).sum()) if len(held.flowpaths.ids) else 0
    lines = {
        "Hydrofabric": domain.version,
        "Regions": ", ".join(sorted(regions)),
        "Catchments": f"{len(domain):,}" + (f", {without:,} of them without a flowpath" if without else ""),
        "Flowpaths": f"{len(domain.flowpath_places):,}" if len(held.flowpaths.ids) else "",
        "Nexuses": f"{len(domain.nexus_places):,}",
        "Gages": _few(list(domain.gages)),
    }
    try:
        flow = flow_of(domain)
        lines |= _of_flow(domain, flow)
    except HydrofabricError as circle:
        lines |= {"Area": f"{domain.area_km2:,.1f} km²", "Outlet": f"none: {circle.headline}"}
    lines |= {
        "CRS": _crs(domain),
        "Source": str(fabric.path),
        "Licence": licence(domain),
        "Chosen": "; ".join(domain.story) or "all of the source",
    }
    return {label: text for label, text in lines.items() if text}


def licence(domain: Domain) -> str:
    """Licence and owners of the data; empty where they are not known."""
    return f"{LICENCE}, {_OWNERS}" if domain.version.startswith(("v2", "v3")) else ""


def longest_path(domain: Domain) -> tuple[int, float]:
    """The longest way water goes within the domain: places passed, and their length [km], NaN where not known."""
    flow = flow_of(domain)
    if not len(flow):
        return 0, np.nan
    lengths = _lengths(domain)
    total = np.nan_to_num(lengths) + flow.distance(np.nan_to_num(lengths))
    steps = flow.steps + 1
    place = int(np.argmax(total if total.any() else steps))
    return int(steps[place]), float(total[place]) if total.any() else np.nan


def reported_km2(domain: Domain) -> float:
    """Drainage area that the file states at the domain's outlets, less what enters from outside [km2].

    NaN where it is not stated at one of them.
    """
    river, places = domain.river, domain.places
    total = np.append(domain.hydrofabric.topology.flowpaths.total_km2, np.nan)
    bare = river.flowpath[places] < 0
    area = np.append(river.topology.catchments.area_km2, np.zeros(len(river) - river.count))
    flow = flow_of(domain)
    # Without a flowpath nothing is stated: its own area is all that drains there only if nothing lies above.
    own = np.where(flow.walk.size == 1, area[places], np.nan)
    here = np.where(bare, own, total[river.flowpath[places]])
    leaving = flow.downstream < 0
    chosen = np.zeros(len(river) + 1, dtype=bool)
    chosen[places] = True
    above = np.flatnonzero(~chosen[:-1] & chosen[river.downstream])
    return float(here[leaving].sum() - total[river.flowpath[above]].sum())


def _of_flow(domain: Domain, flow: Flow) -> dict[str, str]:
    """Area, outlets and the longest river."""
    reported, area = reported_km2(domain), domain.area_km2
    said = f"{area:,.1f} km²"
    if np.isfinite(reported) and abs(reported - area) > _SAME * area:
        said += f" along the flowpaths; {reported:,.1f} km² reported at the outlets"
    leaving = np.flatnonzero(flow.downstream < 0)
    largest = leaving[np.argsort(-flow.walk.size[leaving], kind="stable")]
    names = [_outlet(domain, int(domain.places[place])) for place in largest[:_FEW].tolist()]
    count, length = longest_path(domain)
    path = f"{count:,} flowpath{'s' if count != 1 else ''}" + (f", {length:,.1f} km" if np.isfinite(length) else "")
    return {
        "Area": said,
        "Outlet" if len(leaving) == 1 else "Outlets": _listed(names, len(leaving)),
        "Longest path": path if count else "",
    }


def _crs(domain: Domain) -> str:
    """The reference system in one line, also where the file has gone since it was opened."""
    try:
        return next(iter(crs(domain).splitlines()), "not stated")[:80]
    except (HydrofabricError, OSError):
        return "not known: the source cannot be read"


def _outlet(domain: Domain, place: int) -> str:
    """An outlet and the nexus its water leaves through."""
    nexus = int(domain.river.nexus_of[place])
    return domain.river.name(place) + (f" → {domain.river.nexuses[nexus]}" if nexus >= 0 else "")


def _lengths(domain: Domain) -> NDArray[np.float64]:
    """Length of the flowpath of each place [km], NaN where it has none or it is not known."""
    return np.append(domain.river.topology.flowpaths.length_km, np.nan)[domain.river.flowpath[domain.places]]


def _few(names: list[str]) -> str:
    """A few names and how many there are."""
    return _listed(names[:_FEW], len(names))


def _listed(names: list[str], count: int) -> str:
    """Names, and how many there are where not all are given."""
    return ", ".join(names) + (f", … ({count:,} in all)" if count > len(names) else "")
