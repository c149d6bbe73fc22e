"""Which rows of every layer of a GeoPackage belong to which catchments, flowpaths and nexuses.

A table tells by its ``divide_id``, its ``id`` or an id by another name what each row is about;
lakes tell by a point of interest. What is found is kept so that the rows of a hundred
catchments are found in the time of a hundred. Nothing here reads what rows hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmod.errors import HydrofabricError
from dmod.formats.crosswalk import Crosswalk
from dmod.formats.geopackage_file import layout_of, opened, row_span
from dmod.formats.row_owners import KINDS, Kind, Owners, known_ids, read_owners
from dmod.formats.topology import Topology

__all__ = ["LayerRows", "Members", "RowsOf", "read_members"]

#: Layers whose rows are the topology's own, in its order.
_OWN: dict[str, Kind] = {"divides": "catchments", "flowpaths": "flowpaths", "nexus": "nexuses"}
#: Tables of points of interest, and the columns by which others name one.
_POINTS = {"pois": ("poi_id",), "hydrolocations": ("poi_id", "hl_id")}
#: Columns of source flowlines: table, column.
_COMIDS = (("network", "hf_id"), ("crosswalk", "NHDPlusV2_COMID"), ("lookup_table", "NHDPlusV2_COMID"))

_Rows = NDArray[np.integer[Any]]
_NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Members:
    """Row numbers grouped by place, in one of two ways: edges for many places, the places themselves for few."""

    #: Row numbers by place, ascending for each; shape (rows,).
    rows: _Rows
    #: Where the rows of each place begin, and where the last ones end; shape (places + 1,), or None.
    edges: _Rows | None
    #: The place of each row, ascending; shape (rows,). None where there are edges.
    places: _Rows | None

    @classmethod
    def of(cls, places: _Rows, rows: _Rows, count: int) -> Members:
        """Rows, ascending, that belong to some of *count* places."""
        order = None if (np.diff(places) >= 0).all() else np.argsort(places, kind="stable")
        ordered = rows if order is None else rows[order]
        if len(rows) < count // 4:
            return cls(ordered, None, (places if order is None else places[order]).astype(np.int32))
        edges: _Rows = np.zeros(count + 1, dtype=np.int32 if len(rows) < 2**31 else np.int64)
        np.cumsum(np.bincount(places, minlength=count), out=edges[1:])
        return cls(ordered, edges, None)

    def at(self, places: _Rows) -> _Rows:
        """Row numbers of some places, in their order; a place out of range has none."""
        if self.edges is None:
            assert self.places is not None
            begin: _Rows = np.searchsorted(self.places, places)
            count: _Rows = np.searchsorted(self.places, places, side="right") - begin
        else:
            places = places[(places >= 0) & (places < len(self.edges) - 1)]
            begin = self.edges[places]
            count = self.edges[places + 1] - begin
        total = np.cumsum(count)
        if not len(total):
            return _NONE
        # Each place's run of rows, end to end.
        return self.rows[np.repeat(begin - total + count, count) + np.arange(int(total[-1]))]


@dataclass(frozen=True, eq=False)
class RowsOf:
    """The rows of one layer."""

    #: All row numbers, ascending; a range where none is left out.
    fids: range | _Rows
    #: What its rows are about where they are the topology's own, in its order.
    own: Kind | None = None
    #: Whether nothing tells what its rows are about, so that all of them belong to everything.
    loose: bool = False
    #: Row numbers by what they are about.
    members: Mapping[Kind, Members] = field(default_factory=dict)

    def all(self) -> NDArray[np.int64]:
        """Every row number, ascending."""
        if isinstance(self.fids, range):
            return np.arange(self.fids.start, self.fids.stop)
        return np.array(self.fids, dtype=np.int64)

    def of(self, kind: Kind, places: _Rows) -> _Rows:
        """Row numbers of places of one kind, in no order."""
        if kind == self.own:
            inside = places[(places >= 0) & (places < len(self.fids))]
            return self.fids.start + inside if isinstance(self.fids, range) else self.fids[inside]
        return self.members[kind].at(places) if kind in self.members else _NONE


@dataclass(frozen=True, eq=False, repr=False)
class LayerRows:
    """Which rows of each layer belong to a piece of river."""

    #: Rows by layer, in the order of the file.
    held: Mapping[str, RowsOf]

    @classmethod
    def read(cls, path: Path, topology: Topology) -> LayerRows:
        """Find them for a GeoPackage whose topology is known.

        Raises
        ------
        HydrofabricError
            If the file is damaged.
        """
        return read_members(path, topology)[0]

    def __repr__(self) -> str:
        return f"LayerRows({', '.join(self.held)})"

    @property
    def layers(self) -> tuple[str, ...]:
        """Layers and tables of the file, in its order."""
        return tuple(self.held)

    def all(self, layer: str) -> NDArray[np.int64]:
        """Numbers of all rows of *layer*, ascending."""
        return self._of(layer).all()

    def of(self, layer: str, catchments: _Rows, flowpaths: _Rows, nexuses: _Rows) -> NDArray[np.int64]:
        """Numbers of the rows of *layer* that belong to a piece of river.

        Parameters
        ----------
        layer : str
            A layer or table.
        catchments, flowpaths, nexuses : array of int
            Their rows in `Topology.catchments`, `.flowpaths` and `.nexuses`. One out of range, such as
            a terminal nexus that the file does not list, has no row.

        Returns
        -------
        array of int64
            The file's row numbers (``fid``), ascending, each once. All of them for a table of which
            nothing tells what its rows are about.

        Raises
        ------
        HydrofabricError
            If there is no such layer.
        """
        held = self._of(layer)
        if held.loose:
            return held.all()
        parts = [
            held.of(kind, np.asarray(places))
            for kind, places in zip(KINDS, (catchments, flowpaths, nexuses), strict=True)
        ]
        found = np.sort(np.concatenate([part.astype(np.int64, copy=False) for part in parts]))
        return found[np.append(True, found[1:] != found[:-1])] if len(found) else found

    def _of(self, layer: str) -> RowsOf:
        """The rows of one layer."""
        if layer not in self.held:
            raise HydrofabricError(
                f"the hydrofabric has no layer {layer!r}", needed=layer, has=", ".join(self.held) or "no layers"
            )
        return self.held[layer]


def read_members(
    path: Path, topology: Topology, *, progress: Callable[[float, str], None] | None = None
) -> tuple[LayerRows, Crosswalk]:
    """Rows of all layers, and the crosswalk that the same tables hold, in one go.

    Parameters
    ----------
    path : Path
        A GeoPackage.
    topology : Topology
        What was read of it.
    progress : callable, optional
        Told which table comes next, and how many of them are read, in [0, 1].

    Raises
    ------
    HydrofabricError
        If the file is damaged.
    """
    with opened(path) as file:
        layout = layout_of(file)
        # A view has no rows of its own.
        spans = {table: span for table in layout if (span := row_span(file, table)) is not None}
    source, column = next(((t, c) for t, c in _COMIDS if t in spans and c in layout[t]), ("", ""))
    crosswalk = Crosswalk.of(np.zeros(0), _NONE)
    held: dict[str, RowsOf] = {}
    points: dict[str, Owners] = {}
    known = known_ids(topology)
    # Points of interest come first, as other tables name them; the table of all pairs last.
    order = sorted(spans, key=lambda name: (name not in _POINTS, name == source))
    for read, table in enumerate(order):
        if progress is not None:
            progress(read / len(order), f"finding the rows of {table}")
        every = spans[table]
        own = _OWN.get(table)
        if own is not None and len(every) == _count(topology, own):
            held[table] = RowsOf(every, own)
            continue
        also = [name for name in _POINTS.get(table, ()) if name in layout[table]]
        also += [column] if table == source else []
        owners = read_owners(path, table, layout[table], topology, also=also, points=points, known=known)
        if table == source:
            # The largest column there is: it goes before the rows are put in order.
            crosswalk = _crosswalk(owners.kind, owners.place, owners.numbers.pop(column))
        held[table] = _grouped(owners, topology, own)
        if table in _POINTS:
            points[table] = owners
    return LayerRows({table: held[table] for table in spans}), crosswalk


def _crosswalk(kind: NDArray[np.int8], place: NDArray[np.int32], comids: NDArray[np.float64]) -> Crosswalk:
    """The COMIDs of rows, and the flowpaths that these are about."""
    return Crosswalk.of(comids, np.where(kind == KINDS.index("flowpaths"), place, np.int32(-1)))


def _count(topology: Topology, kind: Kind) -> int:
    """How many things of a kind there are."""
    held = {"catchments": topology.catchments.ids, "flowpaths": topology.flowpaths.ids, "nexuses": topology.nexuses.ids}
    return len(held[kind])


def _grouped(owners: Owners, topology: Topology, own: Kind | None) -> RowsOf:
    """The rows of a table by what they are about."""
    fids = owners.fids if isinstance(owners.fids, range) else owners.rows(np.arange(len(owners.fids)))
    if own is not None and len(fids) == _count(topology, own):
        return RowsOf(fids, own)
    members: dict[Kind, Members] = {}
    for kind in KINDS:
        about = owners.about(kind)
        if len(about) == len(fids) == _count(topology, kind) and (owners.place == np.arange(len(fids))).all():
            # A row for each, in order, as tables of attributes mostly have: nothing has to be kept.
            return RowsOf(fids, kind)
        if len(about):
            members[kind] = Members.of(owners.place[about], owners.rows(about), _count(topology, kind))
    return RowsOf(fids, None, not owners.named, members)
