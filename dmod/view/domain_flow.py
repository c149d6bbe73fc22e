"""What flows on where among the catchments of a map, and which rivers are the largest.

The tables of a hydrofabric say it by ids; a map needs it by places, and only among the
catchments it shows. Numpy throughout; nothing here draws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dmod.errors import HydrofabricError

if TYPE_CHECKING:
    from dmod.view.domain_plot import Drawable

__all__ = ["downstream", "main_rivers", "outlets", "rivers_of", "shortened"]

#: Places in a table, counted from 0; -1 for nowhere.
Places = NDArray[np.intp]

#: What releases call the column of flowpaths that names the catchment of each.
_OWNERS = ("divide_id", "realized_catchment")


def downstream(domain: Drawable) -> tuple[pd.Index, Places]:
    """The catchment that each catchment of *domain* drains to.

    Parameters
    ----------
    domain : Drawable
        Only its tables are read, never its geometry.

    Returns
    -------
    ids : pandas.Index, length (catchments,)
        Catchment ids, in the order of ``domain.divides()``.
    places : array of int, shape (catchments,)
        Place in *ids* of the next catchment downstream, -1 where the water leaves the domain.
    """
    table = domain.divides(columns=["toid"], geometry=False)
    nexus = domain.nexus(columns=["toid"], geometry=False)
    flowpaths = rivers_of(domain, [], geometry=False)
    ids = pd.Index(table.index)
    at = _indexer(nexus.index, table["toid"])
    onward = np.where(at >= 0, nexus["toid"].to_numpy(object)[at] if len(nexus) else "", "")
    # The nexuses of early hydrofabrics name the catchment itself.
    direct = _indexer(ids, onward)
    reach = _indexer(flowpaths.index, onward)
    owner = flowpaths["divide_id"].to_numpy(object)
    named = np.where(reach >= 0, owner[reach] if len(flowpaths) else "", "")
    places = np.where(direct >= 0, direct, _indexer(ids, named))
    return ids, np.where(places == np.arange(len(ids)), -1, places).astype(np.intp)


def rivers_of(domain: Drawable, columns: list[str] | None = None, *, geometry: bool = True) -> Any:
    """The flowpaths of *domain* with ``divide_id``, whatever its release calls that; none where it knows none."""
    has = domain.layers().get("flowpaths")
    if has is None:
        # An empty table like that of another layer: a map without rivers is a map.
        return domain.nexus(columns=["toid"], geometry=geometry).iloc[:0].assign(divide_id=None)
    owner = next((name for name in _OWNERS if name in has), None)
    wanted = None if columns is None else [*columns, *([] if owner is None else [owner])]
    table = domain.flowpaths(columns=wanted, geometry=geometry)
    return table.assign(divide_id=None) if owner is None else table.rename(columns={owner: "divide_id"})


def main_rivers(domain: Drawable, count: int) -> Drawable:
    """The *count* catchments of *domain* through which most drains.

    Their rivers hang together: whatever is downstream of one of them drains more. Of a domain whose
    water flows in a circle, a sample.
    """
    if len(domain) <= count:
        return domain
    try:
        drained = domain.drainage_area().iloc[: len(domain)]
    except HydrofabricError:
        return domain.sample(count)
    largest = np.argpartition(-drained.to_numpy(), count - 1)[:count]
    return domain.select(drained.index[np.sort(largest)])


def shortened(places: Places, shown: Places) -> Places:
    """The network among some catchments only: where the water of each first comes to another of them.

    Parameters
    ----------
    places : array of int, shape (catchments,)
        As `downstream` gives them.
    shown : array of int, shape (shown,)
        Places of the catchments that stay.

    Returns
    -------
    array of int, shape (shown,)
        Place in *shown* of the next one downstream, -1 for none.
    """
    number = np.full(len(places) + 1, -1)
    number[shown] = np.arange(len(shown))
    # Those that stay lead to themselves, the others onward; the last place is "nowhere".
    leap = np.append(np.where(places < 0, len(places), places), len(places))
    onward = leap[shown]
    leap[shown] = shown
    found: Places = number[_followed(leap)[onward]].astype(np.intp)
    return found


def outlets(places: Places) -> tuple[Places, NDArray[np.int64]]:
    """Where the water leaves, and the catchments that drain to there, the largest first.

    Parameters
    ----------
    places : array of int, shape (catchments,)
        As `downstream` gives them.

    Returns
    -------
    ends : array of int, shape (outlets,)
        Places of the last catchments.
    sizes : array of int, shape (outlets,)
        Number of catchments that drain through each, itself among them.
    """
    ends = np.flatnonzero(places < 0)
    final = _followed(np.where(places < 0, np.arange(len(places)), places))
    sizes = np.bincount(final, minlength=len(places))[ends]
    order = np.argsort(-sizes, kind="stable")
    return ends[order], sizes[order].astype(np.int64)


def _indexer(ids: pd.Index, wanted: object) -> Places:
    """Place in *ids* of each of *wanted*, -1 if it is not there; the first where an id comes twice."""
    known = pd.Index(ids).astype(object)
    sought = pd.Index(np.asarray(wanted, dtype=object), dtype=object)
    if known.is_unique:
        return np.asarray(known.get_indexer(sought), dtype=np.intp)
    first = np.flatnonzero(~known.duplicated())
    found = known[first].get_indexer(sought)
    return np.where(found >= 0, first[found], -1).astype(np.intp)


def _followed(leap: Places) -> Places:
    """The end of the way from each place; somewhere on it where the way goes round in a circle."""
    for _ in range(len(leap).bit_length() + 1):
        further = leap[leap]
        if np.array_equal(further, leap):
            break
        leap = further
    return leap
