"""Walking a domain: what is upstream, where water goes, where rivers meet.

Every function takes a domain and ids of any kind: ``cat-``, ``wb-`` or ``nex-``, or places in
the river as integers. All walk within the domain: where water leaves it is an outlet, and
what lies outside is not there. A nexus stands for what drains to it when asked for what
is above, and for what it flows into when asked for what is below. Several places come in the
order of flow. Values for each place, such as orders and sums, are `dmod.domain.measures`'.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from dmod.domain.ids import NEXUSES, nearest, number
from dmod.domain.orders import Flow
from dmod.errors import HydrofabricError, InputError, SelectionError
from dmod.formats.names import Names

if TYPE_CHECKING:
    from dmod.domain.domain import Domain
    from dmod.domain.river import River

__all__ = [
    "Ids",
    "children",
    "common_downstream",
    "confluences",
    "downstream",
    "drainage_km2",
    "flow_of",
    "headwaters",
    "inlets",
    "mainstem",
    "names_of",
    "outlets",
    "parents",
    "path",
    "topological_order",
    "upstream",
]

#: Ids of catchments, flowpaths and nexuses, or places in the river; one or several.
Ids = str | int | Iterable[str] | Iterable[int] | NDArray[np.integer[Any]]

_Places = NDArray[np.intp]


def flow_of(domain: Domain) -> Flow:
    """The links within a domain, its places numbered from 0; made once.

    Raises
    ------
    HydrofabricError
        If water flows in a circle; the error names it.
    """
    kept = vars(domain)
    if "_flow" not in kept:
        river = domain.river
        if domain.chosen is None:
            kept["_flow"] = Flow(river.downstream, river.walk)
        else:
            flow = Flow.of(_within(river, domain.chosen))
            # Where a part goes in a circle so does the whole, whose walk says which.
            kept["_flow"] = flow if flow is not None else Flow(river.downstream, river.walk)
    flow = kept["_flow"]
    assert isinstance(flow, Flow)
    return flow


def names_of(domain: Domain, local: NDArray[np.integer[Any]]) -> Names:
    """Ids of places numbered within the domain: the catchment of each, or else its flowpath."""
    river, places = domain.river, domain.places[local]
    bare = places >= river.count
    held = river.topology.catchments.ids
    if not bare.any():
        return held.take(places)
    paths = river.topology.flowpaths.ids.take(river.flowpath[places[bare]])
    names = Names.joined([held.take(places[~bare]), paths])
    turn = np.empty(places.size, dtype=np.intp)
    turn[np.concatenate([np.flatnonzero(~bare), np.flatnonzero(bare)])] = np.arange(places.size)
    return names.take(turn)


def upstream(domain: Domain, ids: Ids) -> Domain:
    """The domain of some places and of everything in this one that drains through them.

    Parameters
    ----------
    domain : Domain
        Where to walk.
    ids : ids or places
        Where to begin; a nexus stands for all that drains to it.

    Raises
    ------
    SelectionError
        If an id is not in the domain; the message names those most like it.
    """
    start = _above(domain, ids)
    found = flow_of(domain).upstream(start)
    shown = [str(i) for i in _listed(ids)[:4]]
    what = ", ".join(shown[:3]) + (", ..." if shown[3:] else "")
    places = found if domain.chosen is None else domain.chosen[found]
    return domain.part(places, f"{what} and all upstream: {found.size:,} places")


def downstream(domain: Domain, of: str | int) -> Names:
    """What the water of a place passes until it leaves the domain, the place itself first.

    Parameters
    ----------
    domain : Domain
        Where to walk.
    of : id or place
        Where to begin; from a nexus on it is the place the nexus flows into.
    """
    begin = _below(domain, of)
    return names_of(domain, flow_of(domain).path(int(begin[0])) if begin.size else begin)


def mainstem(domain: Domain, outlet: str | int | None = None, *, by: Literal["area", "column"] = "area") -> Names:
    """The main river above a place, from its source down to the place.

    Parameters
    ----------
    domain : Domain
        Where to walk.
    outlet : id or place, optional
        The lower end; the outlet that drains most if not given. A nexus stands for the place
        that brings most to it.
    by : {"area", "column"}
        Up along the feeder that drains most of the domain, or what the file says in ``mainstem``.

    Raises
    ------
    HydrofabricError
        If the file does not say which main stem the place is on.
    """
    flow = flow_of(domain)
    begin = np.flatnonzero(flow.downstream < 0) if outlet is None else _above(domain, outlet)
    drained = drainage_km2(domain)
    if not begin.size:
        return Names.of(())
    end = int(begin[np.argmax(drained[begin])])
    if by == "area":
        label = flow.stems(drained)
        here = np.flatnonzero(label == label[end])
    elif by == "column":
        rows = domain.river.flowpath[domain.places]
        label = np.append(domain.river.topology.flowpaths.mainstem, np.nan)[rows]
        if np.isnan(label[end]):
            raise HydrofabricError(
                "the hydrofabric does not say which main stem this is on",
                needed="a value in column 'mainstem' of the flowpaths",
                has=names_of(domain, np.array([end]))[0],
                hint="use by='area'",
            )
        here = np.flatnonzero(label == label[end])
    else:
        raise InputError("a main stem is told in one of two ways", needed="'area' or 'column'", has=repr(by))
    here = here[flow.walk.is_upstream(here, end)]
    return names_of(domain, here[np.argsort(-flow.walk.position[here])])


def headwaters(domain: Domain) -> Names:
    """The places into which nothing in the domain flows, in file order.

    In a domain with open `inlets` the first place below a cut is one too.
    """
    return names_of(domain, np.flatnonzero(flow_of(domain).feeders == 0))


def inlets(domain: Domain) -> Names:
    """The places into which something outside of the domain flows, in file order."""
    river = domain.river
    outside = np.ones(len(river), dtype=bool)
    outside[domain.places] = False
    fed = river.downstream[outside]
    return names_of(domain, np.flatnonzero(np.isin(domain.places, fed[fed >= 0])))


def outlets(domain: Domain) -> Names:
    """The places from which water leaves the domain, in file order."""
    return names_of(domain, np.flatnonzero(flow_of(domain).downstream < 0))


def parents(domain: Domain, of: Ids) -> Names:
    """The places that flow directly into some others, in file order: water goes from parents to children.

    Of a nexus they are all that drain to it.
    """
    asked = _listed(of)
    nexus = [i for i in asked if _is_nexus(i)]
    rest = [i for i in asked if not _is_nexus(i)]
    into = np.append(np.zeros(len(flow_of(domain)), dtype=bool), False)
    into[_above(domain, rest)] = True
    fed = np.flatnonzero(into[flow_of(domain).downstream])
    return names_of(domain, np.union1d(fed, _above(domain, nexus)))


def children(domain: Domain, of: Ids) -> Names:
    """The places that some others directly flow into, in file order; none at an outlet.

    Of a nexus it is the place it flows into.
    """
    asked = _listed(of)
    nexus = [i for i in asked if _is_nexus(i)]
    rest = [i for i in asked if not _is_nexus(i)]
    below = flow_of(domain).downstream[_above(domain, rest)]
    return names_of(domain, np.union1d(below[below >= 0], _below(domain, nexus)))


def confluences(domain: Domain) -> Names:
    """The nexuses at which two places of the domain or more meet, in file order."""
    nexus = domain.river.nexus_of[domain.places]
    met = np.bincount(nexus[nexus >= 0], minlength=len(domain.river.nexuses)) > 1
    return domain.river.nexuses.take(np.flatnonzero(met))


def topological_order(domain: Domain) -> Names:
    """All places, each after everything that drains to it."""
    return names_of(domain, flow_of(domain).upstream_first)


def path(domain: Domain, a: str | int, b: str | int) -> Names:
    """What water passes between two places, both included, in the order of flow.

    Parameters
    ----------
    domain : Domain
        Where to walk.
    a, b : id or place
        The two ends; which of them is upstream does not matter.

    Raises
    ------
    SelectionError
        If neither is upstream of the other; the message says where their water meets.
    """
    for begin, end in ((a, b), (b, a)):
        starts, ends = _below(domain, begin), _above(domain, end)
        if not starts.size or not ends.size:
            continue
        way = flow_of(domain).path(int(starts[0]))
        if (stop := np.flatnonzero(np.isin(way, ends))).size:
            return names_of(domain, way[: int(stop[0]) + 1])
    meeting = common_downstream(domain, a, b)
    raise SelectionError(
        f"neither of {a} and {b} is upstream of the other",
        needed="two places on one way of the water",
        has=f"their water meets in {meeting}" if meeting else "their water never meets in this domain",
        hint="take the path from each to where they meet" if meeting else "",
    )


def common_downstream(domain: Domain, a: str | int, *others: str | int) -> str | None:
    """The first place that the water of all the given ones passes; None if it never meets.

    Parameters
    ----------
    domain : Domain
        Where to walk.
    a, *others : id or place
        The places; one that is downstream of all others is itself the answer.

    Returns
    -------
    str or None
        A catchment (or a flowpath without one); a nexus where water meets just as it leaves.
    """
    flow, river = flow_of(domain), domain.river
    begins = [(_below(domain, i), _above(domain, i)) for i in (a, *others)]
    if all(below.size for below, _ in begins):
        places = np.concatenate([below for below, _ in begins])
        if (shared := flow.shared_path(places)).size:
            return names_of(domain, shared[:1])[0]
    ends = [above if above.size else below for below, above in begins]
    if not all(end.size for end in ends):
        return None
    nexus = np.unique(river.nexus_of[domain.places[flow.mouth[np.concatenate(ends)]]])
    return river.nexuses[int(nexus[0])] if nexus.size == 1 and nexus[0] >= 0 else None


def drainage_km2(domain: Domain) -> NDArray[np.float64]:
    """Area of the domain that drains through each place along ``toid`` [km2]; shape (places,).

    An area that is not known counts as none; where no area is known every place counts 1.
    """
    area = np.zeros(len(domain.places))
    area[: len(domain)] = domain.river.topology.catchments.area_km2[domain.catchment_places]
    area = np.nan_to_num(area) if (area > 0).any() else np.ones(area.size)
    return flow_of(domain).gathered(area, np.add, 0.0)


def _within(river: River, chosen: _Places) -> NDArray[np.int32]:
    """What each chosen place flows into, numbered among those chosen; -1 for what is not."""
    new = np.full(len(river) + 1, -1, dtype=np.int32)
    new[chosen] = np.arange(chosen.size)
    return new[river.downstream[chosen]]


def _listed(ids: Ids) -> list[Any]:
    """One id or several as a list."""
    return [ids] if isinstance(ids, str | int | np.integer) else list(ids)


def _is_nexus(name: object) -> bool:
    """Whether an id is that of a nexus."""
    return isinstance(name, str) and name.partition("-")[0] in NEXUSES


def _above(domain: Domain, ids: Ids) -> _Places:
    """Places numbered within the domain; for a nexus all that drain to it."""
    return _found(domain, ids, above=True)


def _below(domain: Domain, ids: Ids) -> _Places:
    """Places numbered within the domain; for a nexus the one it flows into, if that is in it."""
    return _found(domain, ids, above=False)


def _found(domain: Domain, ids: Ids, *, above: bool) -> _Places:
    """Where ids or places stand within the domain, in their order; those of nexuses last."""
    river = domain.river
    asked = _listed(ids)
    names = Names.of([i if isinstance(i, str) else None for i in asked])
    place = np.array([int(i) if isinstance(i, int | np.integer) else -1 for i in asked], dtype=np.intp)
    place = np.where(place < len(river), place, -1)
    if names.present.any():
        place = np.where(names.present, river.topology.catchments.ids.find(names), place)
        if (rest := np.flatnonzero((place < 0) & names.present)).size:
            place[rest] = river.place_of(names.take(rest))
    local = _local(domain, place)
    nexus = [(at, name) for at, name in enumerate(asked) if _is_nexus(name)]
    lost = set(np.flatnonzero(local < 0).tolist()) - {at for at, _ in nexus}
    met = []
    for at, name in nexus:
        which = river.nexuses.place(name)
        if which < 0 or which not in domain.nexus_places:
            lost.add(at)
            continue
        met.append(_local(domain, river.contributors(which) if above else river.receiver[which : which + 1]))
    if lost:
        raise _unknown(domain, [str(asked[at]) for at in sorted(lost)])
    found = np.concatenate([local, *met]) if met else local
    return found[found >= 0]


def _local(domain: Domain, places: NDArray[np.integer[Any]]) -> _Places:
    """Places of the river numbered within the domain, -1 for those outside."""
    if domain.chosen is None:
        return places.astype(np.intp)
    if not domain.chosen.size:
        return np.full(len(places), -1, dtype=np.intp)
    at = np.minimum(np.searchsorted(domain.chosen, places), domain.chosen.size - 1)
    return np.where(domain.chosen[at] == places, at, -1)


def _unknown(domain: Domain, lost: list[str]) -> SelectionError:
    """The error for ids that are not in the domain."""
    near: list[str] = []
    for held in (domain.catchments, domain.flowpath_ids, domain.nexus_ids):
        if len(held):
            # Spelling is compared with the few ids whose numbers are nearest.
            away = np.abs(held.numbers - float(min(max(number(lost[0]), 0), 10**18)))
            few = np.argpartition(away, min(5, len(held) - 1))[:6]
            near += held.take(few[np.argsort(away[few], kind="stable")])
    return SelectionError(
        f"{lost[0]} is not in the domain" if len(lost) == 1 else f"{len(lost)} of the ids are not in the domain",
        needed=", ".join(lost[:3]) + (", ..." if lost[3:] else ""),
        has=f"{len(domain):,} catchments of {domain.name}",
        nearest=", ".join(nearest(lost[0], near)) or "none",
        hint="give ids of its catchments, flowpaths or nexuses, such as 'cat-101' or 'nex-26'",
    )
