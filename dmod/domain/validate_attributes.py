"""Checks of what the tables of a file say of catchments and channels.

Only the columns that are asked about are read, of a large domain piece by piece. A table
that a file does not have is not missed, except that routing cannot do without channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from dmod.domain import tables
from dmod.domain.ids import TERMINALS
from dmod.domain.problems import Problem, Severity, same
from dmod.formats.names import Names
from dmod.formats.texts import Texts

if TYPE_CHECKING:
    from dmod.domain.domain import Domain

__all__ = ["attribute_problems", "pieces"]

#: Places whose rows are read at a time.
_PIECE = 100_000


class _Range(NamedTuple):
    """What a column of the channels' attributes must be like."""

    #: Its name in lower case: files write it in several ways.
    column: str
    #: Values must be above, or, if *closed*, may just be it.
    low: float
    #: Values must not be above.
    high: float
    closed: bool
    #: What is wrong with others.
    what: str


_RANGES = (
    _Range("length_m", 0, np.inf, False, "channels have no length above zero (Length_m)"),
    _Range("so", 0, np.inf, False, "channels have no slope above zero (So)"),
    _Range("btmwdth", 0, np.inf, False, "channels have no bottom width above zero (BtmWdth)"),
    _Range("n", 0.005, 1, True, "channels have a roughness outside of 0.005 to 1 (n)"),
    _Range("ncc", 0.005, 1, True, "channels have a roughness of the floodplain outside of 0.005 to 1 (nCC)"),
    _Range("musk", 0, np.inf, False, "channels have no travel time above zero (MusK)"),
    _Range("musx", 0, 0.5, True, "channels have a weight outside of 0 to 0.5 (MusX)"),
)


def attribute_problems(domain: Domain, purpose: str | None = None) -> list[Problem]:
    """What is wrong with the attributes of a domain.

    Parameters
    ----------
    domain : Domain
        What to check.
    purpose : str, optional
        With ``troute`` what is wrong with channels is an error.
    """
    layers = tables.layers(domain)
    channels = [name for name in layers if name.lower().replace("_", "-").startswith("flowpath-attributes")]
    found = [problem for name in channels for problem in _channel_problems(domain, name, layers[name], purpose)]
    if purpose == "troute" and not channels:
        found.append(
            Problem(
                "error",
                "channels-lacking",
                "the file has no table of channels, but only",
                Names.of(layers),
                "take the subset again with the layer 'flowpath-attributes'",
            )
        )
    if "type" in layers.get("divides", ()):
        found += _kind_problems(domain)
    if {"id", "toid"} <= set(layers.get("network", ())):
        found += _network_problems(domain)
    if purpose == "troute" and "hl_uri" in layers.get("hydrolocations", ()):
        found += _spelling_problems(domain)
    return found + _coordinate_problems(domain)


def pieces(domain: Domain, most: int = _PIECE) -> Iterator[Domain]:
    """The domain in pieces of at most *most* places."""
    if len(domain.places) <= most:
        yield domain
        return
    for begin in range(0, len(domain.places), most):
        yield domain.part(domain.places[begin : begin + most], "a piece")


def _tables(domain: Domain, layer: str, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Columns of a layer under its ids, piece by piece."""
    for piece in pieces(domain):
        yield tables.table(piece, layer, columns=columns, geometry=False)


def _names(values: pd.Index[Any] | pd.Series[Any]) -> Names:
    """A column of ids, or those of rows."""
    return Texts.of([value if isinstance(value, str) else None for value in values.to_list()]).names()


def _channel_problems(domain: Domain, layer: str, columns: Sequence[str], purpose: str | None) -> list[Problem]:
    """Values of channels that are missing or that nothing in nature has."""
    spelled = {column.lower(): column for column in columns}
    ranges = [each for each in _RANGES if each.column in spelled]
    wrong: dict[str, list[Names]] = {each.column: [] for each in ranges}
    gaps, seen = [], []
    for frame in _tables(domain, layer, [spelled[each.column] for each in ranges]):
        ids = _names(frame.index)
        values = frame.to_numpy(np.float64, na_value=np.nan)
        for each, given in zip(ranges, values.T, strict=True):
            bad = (given > each.high) | ((given < each.low) if each.closed else (given <= each.low))
            wrong[each.column].append(ids.take(np.flatnonzero(bad)))
        gaps.append(ids.take(np.flatnonzero(np.isnan(values).any(axis=1))))
        seen.append(ids)
    severity: Severity = "error" if purpose == "troute" else "warning"
    listed = domain.flowpath_ids
    absent = listed.take(np.flatnonzero(Names.joined(seen).find(listed) < 0))
    about = f" in {layer!r}"
    found = [
        Problem(severity, f"channel-{each.column}", each.what + about, Names.joined(wrong[each.column]), "mend them")
        for each in ranges
    ]
    found.append(
        Problem(
            severity,
            "channel-unknown",
            "channels lack a value" + about,
            Names.joined(gaps),
            "fill it in from channels like them; routing needs every one",
        )
    )
    found.append(
        Problem(severity, "channel-absent", "flowpaths have no row" + about, absent, "take the subset again with it")
    )
    return [problem for problem in found if len(problem.which)]


def _coordinate_problems(domain: Domain) -> list[Problem]:
    """Layers without a coordinate reference system, or with several."""
    source = domain.hydrofabric.source
    systems = {layer: source.crs(layer) for layer in ("divides", "flowpaths", "nexus") if layer in source.layers}
    bare = Names.of([layer for layer, system in systems.items() if not system])
    known = dict.fromkeys(system for system in systems.values() if system)
    found = []
    if len(bare):
        what = "layers do not say which coordinate reference system they are in"
        found.append(
            Problem("warning", "crs-lacking", what, bare, "give it, such as EPSG:5070, to place them on a map")
        )
    if len(known) > 1:
        what = "the layers are in several coordinate reference systems"
        found.append(Problem("warning", "crs-mixed", what, Names.of(known), "warp all layers to one of them"))
    return found


def _kind_problems(domain: Domain) -> list[Problem]:
    """Catchments without a channel by their type that name one all the same."""
    named = []
    held = domain.river.topology.catchments
    for frame in _tables(domain, "divides", ["type"]):
        off = _names(frame.index[frame["type"].isin(("coastal", "internal")).to_numpy()])
        rows = held.ids.find(off)
        named.append(off.take(np.flatnonzero(held.flowpath.present[rows])))
    which = Names.joined(named)
    what = "coastal and internal catchments name a flowpath"
    return [Problem("warning", "type-apart", what, which, "leave their 'id' empty")] if len(which) else []


def _network_problems(domain: Domain) -> list[Problem]:
    """Links that the table ``network`` has otherwise than the layers, or does not have."""
    topology = domain.river.topology
    listed = topology.nexuses.ids.find(domain.nexus_ids)
    nexuses = listed[listed >= 0]
    ids = Names.joined([domain.flowpath_ids, topology.nexuses.ids.take(nexuses)])
    toid = Names.joined([topology.flowpaths.toid.take(domain.flowpath_places), topology.nexuses.toid.take(nexuses)])
    seen, apart = np.zeros(len(ids), dtype=bool), [Names.of(())]
    for frame in _tables(domain, "network", ["toid"]):
        theirs, into = _names(frame.index), _names(frame["toid"])
        place = ids.find(theirs)
        known = np.flatnonzero((place >= 0) & into.present)
        seen[place[known]] = True
        wrong = theirs.present & into.present & (place < 0)
        wrong[known[~same(into.take(known), toid.take(place[known]))]] = True
        names = theirs.take(np.flatnonzero(wrong))
        apart.append(names.take(np.sort(np.unique(names.keys, return_index=True)[1])))
    # Files differ in whether the table has a row for a nexus at which a river ends.
    absent = ids.take(np.flatnonzero(~seen & ~ids.having(TERMINALS)))
    found = [
        Problem(
            "warning",
            "network-apart",
            "links in the table 'network' are not those of flowpaths and nexuses",
            Names.joined(apart),
            "tools that read either see another river: take the file from its source again",
        ),
        Problem(
            "warning",
            "network-lacking",
            "flowpaths and nexuses are not in the table 'network'",
            absent,
            "take the subset again with all its tables",
        ),
    ]
    return [problem for problem in found if len(problem.which)]


def _spelling_problems(domain: Domain) -> list[Problem]:
    """Gages written as t-route does not look for them."""
    small = [
        uri
        for frame in _tables(domain, "hydrolocations", ["hl_uri"])
        for uri in frame["hl_uri"].to_list()
        if isinstance(uri, str) and uri.startswith(("gages-", "nid-"))
    ]
    what = "gages and dams are written in small letters, which t-route of 2025 does not find"
    note = "legal in version 2.2; write 'Gages-' and 'NID-' where flow is taken over from gages or held by dams"
    return [Problem("info", "gage-spelling", what, Names.of(small), note)] if small else []
