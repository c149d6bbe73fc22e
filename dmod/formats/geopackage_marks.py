"""Points of interest that a GeoPackage names: gages, dams, lakes and what else was put on the river.

Gages that flowpaths name come first, then hydrolocations; each name counts once, where it is
first found. A gage is called ``gages-`` and its number, however the file spells it.
"""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import numpy as np

from dmod.formats.geopackage_columns import read_columns
from dmod.formats.geopackage_file import Layout, first_of, quoted
from dmod.formats.names import Names
from dmod.formats.texts import Texts
from dmod.formats.topology import Catchments, Marks

__all__ = ["read_marks"]

#: Where gages are named: table, column of gages, column of the flowpath.
_GAGES = (
    ("flowpath-attributes", "gage", "id"),
    ("flowpath_attributes", "rl_gages", "id"),
    ("flowpath_attributes", "gages", "id"),
)
#: What the name of a gage begins with, in lower case, by version.
_GAGE_HEADS = ("gages-", "nwis-")
_FLOWPATHS = ("wb", "fp", "wat")
_BETWEEN = re.compile(r"[\s|,]+")


def read_marks(path: Path, file: sqlite3.Connection, layout: Layout, catchments: Catchments) -> Marks:
    """Points of interest of a file that is open.

    Parameters
    ----------
    path : Path
        The GeoPackage.
    file : sqlite3.Connection
        The same, open.
    layout : Layout
        Its tables.
    catchments : Catchments
        Its divides: a mark at a nexus with a single flowpath above is at the end of that one.
    """
    #: Name of each mark to its row among all places where there may be one.
    rows: dict[str, int] = {}
    named = _gages(file, layout)
    for row, (texts, _) in enumerate(named):
        for gage in _BETWEEN.split(texts.strip()):
            if gage and gage != "NA":
                rows.setdefault(f"gages-{gage}", row)
    uris, flowpaths, nexuses = _locations(path, layout, catchments)
    # Few names are more than one: those are looked for only where there are any.
    several = _BETWEEN.search("".join(uris)) is not None
    for row, text in enumerate(uris, start=len(named)):
        for uri in _BETWEEN.split(text.strip()) if several else (text,):
            if uri:
                rows.setdefault(_gage(uri) if uri[0] in "gGnN" else uri, row)
    where = np.fromiter(rows.values(), dtype=np.intp, count=len(rows))
    on = Names.joined([Names.of(flowpath for _, flowpath in named), flowpaths])
    at = Names.joined([Names.of([None] * len(named)), nexuses])
    return Marks(Texts.of(rows), on.take(where), at.take(where))


def _gage(uri: str) -> str:
    """The name of a mark, spelled in our way if it is a gage."""
    lowered = uri[:6].lower()
    head = next((head for head in _GAGE_HEADS if lowered.startswith(head)), None)
    return uri if head is None else f"gages-{uri[len(head) :]}"


def _gages(file: sqlite3.Connection, layout: Layout) -> list[tuple[str, str]]:
    """Gages as tables of flowpaths name them, maybe several in one text, and the flowpath."""
    found: list[tuple[str, str]] = []
    for table, column, key in _GAGES:
        if {column, key} <= set(layout.get(table, [])):
            listed = f"SELECT {quoted(column)}, {quoted(key)} FROM {quoted(table)} WHERE {quoted(column)} IS NOT NULL"
            found += [(str(gages), str(flowpath)) for gages, flowpath in file.execute(listed)]
    return found


def _locations(path: Path, layout: Layout, catchments: Catchments) -> tuple[list[str], Names, Names]:
    """What hydrolocations are called, the flowpath of each and its nexus."""
    columns = layout.get("hydrolocations", [])
    uri = first_of(columns, ("hl_reference",) if "hl_class" in columns else ("hl_uri",))
    key = first_of(columns, ("id", "flowpath_id"))
    if uri is None or key is None:
        return [], Names.of([]), Names.of([])
    nexus = first_of(columns, ("nex_id", "nexus_id"))
    held = read_columns(path, "hydrolocations", ids=[key, *([nexus] if nexus else [])], texts=[uri])
    places = held.ids[key]
    at_nexus = np.flatnonzero(~places.having(_FLOWPATHS))
    above = _only_flowpaths(catchments, places.take(at_nexus))
    every = np.arange(len(places))
    every[at_nexus] = len(places) + np.arange(len(at_nexus))
    flowpaths = Names.joined([places, above]).take(every)
    # What is not on a flowpath is at the nexus it names, unless the file says otherwise.
    named = held.ids[nexus] if nexus else Names.of([None] * len(places))
    unnamed = np.flatnonzero(~named.present)
    every = np.arange(len(places))
    every[unnamed] = 2 * len(places)
    at_nexus = np.intersect1d(unnamed, at_nexus)
    every[at_nexus] = len(places) + at_nexus
    return held.texts[uri].to_list(), flowpaths, Names.joined([named, places, Names.of([None])]).take(every)


def _only_flowpaths(catchments: Catchments, nexuses: Names) -> Names:
    """The flowpath that drains to each of some nexuses, missing where there is none or more than one."""
    toid, channel = catchments.toid, catchments.flowpath
    has_both = np.flatnonzero(toid.present & channel.present)
    # Only the catchments beside one of these nexuses matter.
    found = nexuses.find(toid.take(has_both)) if len(nexuses) else np.full(len(has_both), -1)
    beside = np.flatnonzero(found >= 0)
    count = np.bincount(found[beside], minlength=len(nexuses))
    last = np.full(len(nexuses), -1, dtype=np.intp)
    last[found[beside]] = has_both[beside]
    last[count != 1] = -1
    return Names.joined([channel, Names.of([None])]).take(np.append(last, -1)[nexuses.find(nexuses)])
