"""A value for each place of a domain: orders, distances, sums of what drains to it.

Each function gives a Series by id, in the order of the file: the catchments, then the
flowpaths that have no catchment, by the flowpath's id. All are reckoned within the domain:
what lies outside of it, as above an open inlet, adds nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from dmod.domain.traverse import drainage_km2, flow_of, names_of
from dmod.errors import HydrofabricError, InputError, SelectionError
from dmod.formats.texts import Texts

if TYPE_CHECKING:
    from dmod.domain.domain import Domain
    from dmod.domain.orders import Flow

__all__ = ["Join", "accumulate", "basins", "distance_to_outlet", "drainage_area", "levelpath", "strahler"]

#: How the values of all that drains to a place become one.
Join = Literal["sum", "mean", "max", "min", "count"]

_Floats = NDArray[np.float64]


def accumulate(
    domain: Domain,
    values: pd.Series[Any] | ArrayLike | str,
    op: Join = "sum",
    *,
    weights: pd.Series[Any] | ArrayLike | str | None = None,
    skipna: bool = True,
) -> pd.Series[Any]:
    """The values of each place and of all that drains through it, as one.

    Parameters
    ----------
    domain : Domain
        Within which to gather.
    values : Series, array or str
        A Series by id of catchment or flowpath, where what it lacks is missing; or an array with one
        value for each catchment, or each place; or the name of an attribute of the catchments.
    op : {"sum", "mean", "max", "min", "count"}
        How they are joined; ``count`` says how many values there are.
    weights : Series, array or str, optional
        For ``mean`` only, how much each value counts, such as ``"areasqkm"``, in [0, inf).
    skipna : bool
        Missing values (NaN) are left out, and only where there is no other value is the result
        missing. If False, one missing value makes the result of all places downstream missing.

    Returns
    -------
    Series of float
        One for each place. Sums are exact to a few roundings, however long the river is.

    Raises
    ------
    SelectionError
        If no id of a Series is in the domain, or an id stands in it twice.
    InputError
        If *op* is unknown, or an array has another length.
    """
    if op not in get_args(Join):
        raise InputError(
            "values are joined in one of five ways", needed=", ".join(get_args(Join)), has=repr(op), hint="use one"
        )
    if weights is not None and op != "mean":
        raise InputError("weights are for a mean", needed="op='mean'", has=f"op={op!r}", hint="leave weights out")
    given = _values(domain, values)
    weight = np.ones(given.size) if weights is None else _values(domain, weights)
    found = _joined(flow_of(domain), given, weight, op, skipna=skipna)
    return _series(domain, found, values if isinstance(values, str) else op)


def _joined(flow: Flow, given: _Floats, weight: _Floats, op: Join, *, skipna: bool) -> _Floats:
    """Values joined along the river."""
    known = ~np.isnan(given) & ~np.isnan(weight)
    count = flow.counted(known)
    if op == "count":
        counted: _Floats = count.astype(np.float64)
        return counted
    if op in ("max", "min"):
        ufunc, empty = (np.maximum, -np.inf) if op == "max" else (np.minimum, np.inf)
        found = flow.gathered(np.where(known, given, empty), ufunc, empty)
    else:
        found = flow.gathered(np.where(known, given * weight, 0.0), np.add, 0.0)
        if op == "mean":
            total = flow.gathered(np.where(known, weight, 0.0), np.add, 0.0)
            found = np.divide(found, total, out=np.full(found.size, np.nan), where=total > 0)
    lacking = count == 0 if skipna else flow.counted(~known) > 0
    joined: _Floats = np.where(lacking, np.nan, found)
    return joined


def drainage_area(domain: Domain) -> pd.Series[Any]:
    """Area of the domain that drains through each place along ``toid`` [km2].

    The file's own ``tot_drainage_areasqkm`` may be larger: since version 2 the fabric moves some
    tributaries from the head of a flowpath to the nexus below it.
    """
    found = _series(domain, drainage_km2(domain), "drainage_area")
    found.attrs["units"] = "km2"
    return found


def distance_to_outlet(domain: Domain, *, unit: Literal["km", "steps"] | None = None) -> pd.Series[Any]:
    """How far the water of each place still goes in the domain once it has left the place; 0 at an outlet.

    Parameters
    ----------
    domain : Domain
        Within which to measure.
    unit : {"km", "steps"}, optional
        Along flowpaths [km], or how many places are passed [1]. Without it, steps only where the
        file knows no length at all.

    Returns
    -------
    Series
        ``attrs["units"]`` tells which. In km it is NaN where the length of a place below is not known.
    """
    lengths = np.append(domain.river.topology.flowpaths.length_km, np.nan)[domain.river.flowpath[domain.places]]
    if unit not in (None, "km", "steps"):
        raise InputError("a distance is in one of two units", needed="'km' or 'steps'", has=repr(unit), hint="use one")
    if unit == "km" and np.isnan(lengths).all():
        raise HydrofabricError(
            "the hydrofabric does not know the length of any flowpath",
            needed="column 'lengthkm' of the flowpaths",
            has=domain.name,
            hint="use unit='steps'",
        )
    steps = unit == "steps" or np.isnan(lengths).all()
    found = _series(domain, flow_of(domain).steps if steps else flow_of(domain).distance(lengths), "distance_to_outlet")
    found.attrs["units"] = "1" if steps else "km"
    return found


def strahler(domain: Domain) -> pd.Series[Any]:
    """Strahler order of each place in the domain [1], 1 for a headwater.

    The file's own ``order`` is that of the network it was made from, and differs where tributaries were moved.
    """
    return _series(domain, flow_of(domain).strahler(), "strahler")


def levelpath(domain: Domain) -> pd.Series[Any]:
    """The number of the stem each place is on [1]: up from its lower end, always along the feeder that drains most.

    Numbers begin with 1 and go from the stem that drains most to the one that drains least.
    """
    drained = drainage_km2(domain)
    stem = flow_of(domain).stems(drained)
    ends = np.flatnonzero(stem == np.arange(stem.size))
    label = np.zeros(stem.size, dtype=np.int64)
    label[ends[np.argsort(-drained[ends], kind="stable")]] = np.arange(1, ends.size + 1)
    return _series(domain, label[stem], "levelpath")


def basins(domain: Domain) -> pd.Series[Any]:
    """The basin each place is part of: basins share no water.

    Returns
    -------
    Series of category
        The nexus at which the basin's water leaves the domain, or the lowest place where that drains
        to no nexus. The categories begin with the basin of most places.
    """
    flow, river = flow_of(domain), domain.river
    nexus = river.nexus_of[domain.places][flow.mouth]
    # Whatever has no nexus is told by its lowest place, numbered after all nexuses.
    key = np.where(nexus >= 0, nexus, len(river.nexuses) + flow.mouth)
    keys, code, size = np.unique(key, return_inverse=True, return_counts=True)
    ranked = np.argsort(-size, kind="stable")
    rank = np.empty(ranked.size, dtype=np.int64)
    rank[ranked] = np.arange(ranked.size)
    inner = keys < len(river.nexuses)
    names = np.empty(keys.size, dtype=object)
    names[inner] = river.nexuses.take(keys[inner]).to_list()
    names[~inner] = names_of(domain, keys[~inner] - len(river.nexuses)).to_list()
    label = pd.Categorical.from_codes(rank[code], categories=pd.Index(names[ranked], dtype=object))
    return _series(domain, label, "basin")


def _series(domain: Domain, values: Any, name: str) -> pd.Series[Any]:
    """Values of all places by id."""
    return pd.Series(values, index=_index(domain), name=name)


def _index(domain: Domain) -> pd.Index[Any]:
    """Ids of all places; made once."""
    kept = vars(domain)
    if "_index" not in kept:
        ids = names_of(domain, np.arange(len(domain.places))).to_list()
        kept["_index"] = pd.Index(ids, dtype=object, name="id")
    index: pd.Index[Any] = kept["_index"]
    return index


def _values(domain: Domain, given: pd.Series[Any] | ArrayLike | str) -> _Floats:
    """One number for each place, NaN where it has none."""
    places = len(domain.places)
    found = np.full(places, np.nan)
    if isinstance(given, str):
        found[: len(domain)] = domain.attributes([given])[given].to_numpy(np.float64)
        return found
    if isinstance(given, pd.Series):
        return _aligned(domain, given)
    array = np.asarray(given, dtype=np.float64)
    if array.shape not in ((places,), (len(domain),)):
        raise InputError(
            "the values do not fit the domain",
            needed=f"{len(domain):,} values, one for each catchment" + f", or {places:,}" * (places > len(domain)),
            has=f"an array of shape {array.shape}",
            hint="a Series by id may have any length",
        )
    found[: array.size] = array
    return found


def _aligned(domain: Domain, given: pd.Series[Any]) -> _Floats:
    """The values of a Series by id, for each place."""
    values = given.to_numpy(np.float64, na_value=np.nan)
    index = _index(domain)
    found = np.full(len(domain.places), np.nan)
    for known in (index, index[: len(domain)]):
        if given.index.equals(known):
            found[: values.size] = values
            return found
    ids = [str(i) for i in given.index]
    held = Texts.of(ids).names()
    river, local = domain.river, np.full(len(domain.river) + 1, -1, dtype=np.intp)
    local[domain.places] = np.arange(len(domain.places))
    at = river.topology.catchments.ids.find(held)
    at = local[np.where(at >= 0, at, river.place_of(held))]
    if ids and not (at >= 0).any():
        raise SelectionError(
            "none of the values is for a place of the domain",
            needed=f"ids such as {index[0]}" if len(index) else "a domain that is not empty",
            has=f"ids such as {ids[0]}",
            hint="give a Series whose index is ids of catchments or flowpaths",
        )
    if (twice := np.flatnonzero(np.bincount(at[at >= 0], minlength=1) > 1)).size:
        raise SelectionError(
            "a place has more than one value",
            needed="one value for each catchment or flowpath",
            has=f"several for {index[twice[0]]}",
            hint="join them first, such as with groupby(level=0).sum()",
        )
    found[at[at >= 0]] = values[at >= 0]
    return found
