"""What a hydrofabric says of its catchments, flowpaths and nexuses, as arrays.

A `Topology` is the columns that tell what drains to what and how large it is, in file
order, of a whole file. Nothing is mended and nothing walked here: that is `dmod.domain`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dmod.errors import HydrofabricError
from dmod.formats.names import Names

__all__ = ["Catchments", "Floats", "Flowpaths", "Marks", "Nexuses", "Topology", "catchment_names", "numbers", "texts"]

Floats = NDArray[np.float64]

#: What ids of flowpaths begin with; such an id never names a catchment in a table of divides.
_FLOWPATHS = ("wb-", "fp-", "wat-")


@dataclass(frozen=True, eq=False)
class Catchments:
    """The divides, in file order."""

    #: Ids, such as ``cat-27``.
    ids: Names
    #: The nexus each drains to; missing for one that drains nowhere.
    toid: Names
    #: The flowpath of each; missing for one without a channel (coastal, internal), or not known.
    flowpath: Names
    #: Area of each [km2]; NaN where the file has none.
    area_km2: Floats
    #: Place of each one's region among `Topology.regions`; -1 for none.
    region: NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class Flowpaths:
    """The flowpaths, in file order; empty for a file without any."""

    #: Ids, such as ``wb-27``.
    ids: Names
    #: The nexus each flows to.
    toid: Names
    #: Length of each [km], NaN where unknown.
    length_km: Floats
    #: Area that drains through each as its maker has it [km2]; does not always follow ``toid``.
    total_km2: Floats
    #: Strahler order of the source network [1], NaN where unknown.
    order: Floats
    #: Number of the main stem each is on, NaN where unknown.
    mainstem: Floats


@dataclass(frozen=True, eq=False)
class Nexuses:
    """The nexuses, in file order."""

    #: Ids, such as ``nex-26``.
    ids: Names
    #: The flowpath or catchment each flows into; missing for none.
    toid: Names


@dataclass(frozen=True, eq=False)
class Marks:
    """Points of interest: gages, dams, lakes and the like."""

    #: What each is called, such as ``gages-10109001`` or ``huc12-160102010101``.
    uri: Sequence[str]
    #: The flowpath each is on, at its end; missing where only a nexus is known.
    flowpath: Names
    #: The nexus each is at; missing where not known.
    nexus: Names


@dataclass(frozen=True, eq=False)
class Topology:
    """Ids and links of a whole hydrofabric."""

    catchments: Catchments
    flowpaths: Flowpaths
    nexuses: Nexuses
    marks: Marks
    #: Regions (VPU), such as ``03N``.
    regions: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        catchments: Mapping[str, Sequence[object]],
        nexuses: Mapping[str, Sequence[object]],
        flowpaths: Mapping[str, Sequence[object]] | None = None,
        marks: Sequence[tuple[str, str | None, str | None]] = (),
    ) -> Topology:
        """A topology from columns of plain values.

        Parameters
        ----------
        catchments : mapping of str to sequence
            Columns ``id``, ``toid``, and, where known, ``flowpath``, ``area_km2`` and ``region``.
        nexuses : mapping of str to sequence
            Columns ``id`` and ``toid``.
        flowpaths : mapping of str to sequence, optional
            Columns ``id``, ``toid``, and, where known, ``length_km``, ``total_km2``, ``order``, ``mainstem``.
        marks : sequence of (uri, flowpath or None, nexus or None)
            Points of interest.
        """
        count = len(catchments["id"])
        regions = pd.Index([r for r in dict.fromkeys(catchments.get("region", ())) if r], dtype=object)
        region = regions.get_indexer(pd.Index(list(catchments.get("region", [None] * count)), dtype=object))
        paths = flowpaths or {"id": (), "toid": ()}
        uris, on, at = zip(*marks, strict=True) if marks else ((), (), ())
        return cls(
            Catchments(
                Names.of(catchments["id"]),
                texts(catchments["toid"]),
                texts(catchments.get("flowpath", [None] * count)),
                numbers(catchments.get("area_km2"), count),
                region.astype(np.int16),
            ),
            Flowpaths(
                texts(paths["id"]),
                texts(paths["toid"]),
                *(numbers(paths.get(c), len(paths["id"])) for c in ("length_km", "total_km2", "order", "mainstem")),
            ),
            Nexuses(texts(nexuses["id"]), texts(nexuses["toid"])),
            Marks(tuple(map(str, uris)), Names.of(on), Names.of(at)),
            tuple(map(str, regions)),
        )


def numbers(values: Sequence[object] | None, count: int) -> Floats:
    """A column of *count* numbers; NaN for whatever is none."""
    if values is None:
        return np.full(count, np.nan)
    return pd.to_numeric(pd.Series(list(values), dtype=object), errors="coerce").to_numpy(np.float64)


def texts(values: Sequence[object]) -> Names:
    """A column of ids, free of the missing-value kinds of R and pandas."""
    return Names.of(str(v) if v not in (None, "", "NA") else None for v in values)


def catchment_names(path: Path, ids: Sequence[object]) -> Names:
    """Ids of catchments, checked for ids of the wrong kind.

    Raises
    ------
    HydrofabricError
        If ids are missing, numbers, or ids of flowpaths.
    """
    if (row := next((n for n, i in enumerate(ids) if i is None), None)) is not None:
        raise HydrofabricError(
            "a catchment has no id",
            path=path,
            row=row + 1,
            hint="every row of divides needs a divide_id; take the file from its source again",
        )
    if numeric := [i for i in ids if not isinstance(i, str)]:
        raise HydrofabricError(
            "this is a reference fabric: it is not runnable",
            path=path,
            needed="catchment ids such as 'cat-101'",
            has=f"numeric ids such as {numeric[0]}",
            hint="use the NextGen hydrofabric (nextgen) of the same area, which has nexuses",
        )
    if wrong := [i for i in ids if isinstance(i, str) and i.startswith(_FLOWPATHS)]:
        raise HydrofabricError(
            "flowpath ids stand where catchment ids are needed",
            path=path,
            needed="catchment ids such as 'cat-101'",
            has=f"{wrong[0]!r} and {len(wrong) - 1} more" if wrong[1:] else repr(wrong[0]),
            hint="give the layer or file of catchments (divides), not that of flowpaths",
        )
    return Names.of(ids)
