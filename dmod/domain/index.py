"""Opening a hydrofabric of any size, the large ones through an index in the cache directory.

A file of the whole United States takes seconds to read and a blink to open again: what was
read of it, and the order in which its river is walked, lie in a sidecar and are mapped, so
that only what is asked for is touched. Small files are read each time, which is as fast.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from dmod.domain.river import River
from dmod.domain.walk import Places, Walk
from dmod.formats.crosswalk import Crosswalk
from dmod.formats.geopackage import read_geopackage
from dmod.formats.geopackage_columns import LARGE
from dmod.formats.hydrofabric import Hydrofabric, Version, open_hydrofabric
from dmod.formats.layer_rows import LayerRows, Members, RowsOf, read_members
from dmod.formats.names import PREFIXES, Names
from dmod.formats.packing import pack, unpack
from dmod.formats.sidecar import open_sidecar
from dmod.formats.topology import Catchments, Flowpaths, Marks, Nexuses, Topology

__all__ = ["Progress", "open_indexed"]

#: Told how much of the index is built, in [0, 1], and what is done next.
Progress = Callable[[float, str], None]

#: To be raised whenever the same fields come to mean something else.
_VERSION = 1


@dataclass(frozen=True, eq=False)
class _Index:
    """All that is kept of a file."""

    version: str
    topology: Topology
    rows: LayerRows
    crosswalk: Crosswalk
    nexuses: Names
    nexus_of: Places
    receiver: Places
    flowpath: Places
    downstream: Places
    place_of_flowpath: Places
    #: None where water flows in a circle.
    walk: Walk | None


_CLASSES = (_Index, Topology, Catchments, Flowpaths, Nexuses, Marks, LayerRows, RowsOf, Members, Crosswalk, Walk)

_FIELDS = {kind.__name__: [field.name for field in fields(kind)] for kind in _CLASSES}
#: The make of the index: another one as soon as it has other fields.
_MAKE = f"{_VERSION}-{zlib.crc32(repr((_FIELDS, PREFIXES)).encode()):08x}"


def open_indexed(
    path: Path,
    nexus_path: Path | None = None,
    *,
    progress: Progress | None = None,
    cache: Path | None = None,
    large: int = LARGE,
) -> tuple[Hydrofabric, River]:
    """A hydrofabric and its river.

    Parameters
    ----------
    path, nexus_path : Path
        As `open_hydrofabric` takes them.
    progress : callable, optional
        Told of the building of an index, which takes seconds for a continent.
    cache : Path, optional
        The cache directory; by default ``DMOD_CACHE``, else ``dmod`` in the user's cache directory.
    large : int
        Size from which a GeoPackage gets an index [bytes].

    Raises
    ------
    HydrofabricError
        If the file cannot be opened, is damaged, or is not a hydrofabric.
    """
    if not _is_large(path, large):
        fabric = open_hydrofabric(path, nexus_path)
        return fabric, River.of(fabric.topology)
    sidecar = open_sidecar(path, _MAKE, lambda: _built(path, progress or _silent), cache)
    return _opened(path, unpack(sidecar.facts, sidecar.arrays, _CLASSES))


def _is_large(path: Path, large: int) -> bool:
    """Whether a path is that of a GeoPackage worth an index."""
    try:
        with path.open("rb") as file:
            return file.read(16) == b"SQLite format 3\0" and path.stat().st_size >= large
    except OSError:
        return False


def _silent(_fraction: float, _what: str) -> None:
    """Tell nobody."""


def _opened(path: Path, index: _Index) -> tuple[Hydrofabric, River]:
    """The hydrofabric and river of an index, without touching its arrays."""
    fabric = Hydrofabric(path=path, nexus_path=None, version=cast("Version", index.version), topology=index.topology)
    fabric.__dict__.update({"rows": index.rows, "crosswalk": index.crosswalk})
    river = River(index.topology, index.nexuses, index.nexus_of, index.receiver, index.flowpath)
    river.__dict__.update({"downstream": index.downstream, "place_of_flowpath": index.place_of_flowpath})
    if index.walk is not None:
        river.__dict__["walk"] = index.walk
    return fabric, river


def _make_ready(names: Names) -> None:
    """Make lookups of ids quick at once, and keep no more than they take."""
    names.find(Names.of(names[:1]))
    held = vars(names)
    if held.get("_sorter") is not None:
        held["_sorter"] = held["_sorter"].astype(np.int32, copy=False)
        held.pop("keys", None)


def _built(path: Path, progress: Progress) -> tuple[Any, list[NDArray[Any]]]:
    """The index of a file, taken apart."""
    progress(0.0, "reading what flows where")
    fabric = read_geopackage(path)
    topology = fabric.topology
    for names in (topology.catchments.ids, topology.catchments.flowpath, topology.flowpaths.ids):
        _make_ready(names)
    rows, crosswalk = read_members(path, topology, progress=lambda part, what: progress(0.4 + 0.4 * part, what))
    progress(0.8, "walking the river")
    river = River.of(topology)
    # What was made to link places is made again quickly, and a continent's is a tenth of the memory.
    for made in (topology.catchments.toid, topology.flowpaths.toid, topology.nexuses.ids, topology.nexuses.toid):
        for key in ("keys", "_sorter", "_sorted"):
            vars(made).pop(key, None)
    walk = Walk.of(river.downstream)
    # Lookups by these ids are to be quick at once.
    for names in (topology.catchments.ids, topology.catchments.flowpath, topology.flowpaths.ids, river.nexuses):
        _make_ready(names)
    progress(0.95, "keeping the index")
    index = _Index(
        version=fabric.version,
        topology=topology,
        rows=rows,
        crosswalk=crosswalk,
        nexuses=river.nexuses,
        nexus_of=river.nexus_of,
        receiver=river.receiver,
        flowpath=river.flowpath,
        downstream=river.downstream,
        place_of_flowpath=river.place_of_flowpath,
        walk=walk,
    )
    arrays: list[NDArray[Any]] = []
    facts = pack(index, arrays)
    progress(1.0, "done")
    return facts, arrays
