"""Hydrofabrics: the catchments, nexuses and gages of a river network, whatever file holds them.

`open_hydrofabric` tells the kind of file by what is in it, never by its name, and reads
the tables that a run needs. Attributes and geometry are read when asked for. Nothing is
mended and nothing is ever written to the source; whether the network makes sense is for
`dmod.domain` to say. The readers are `geopackage` and `geojson`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from dmod.errors import HydrofabricError

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

__all__ = [
    "Hydrofabric",
    "Layer",
    "Version",
    "catchment_table",
    "nexus_table",
    "no_column",
    "open_hydrofabric",
]

Version = Literal["v2.2", "v2.1", "v2.0", "v1.2", "geojson"]
Layer = Literal["divides", "nexus", "flowpaths"]

#: What ids of flowpaths begin with; such an id never names a catchment in a table of divides.
_FLOWPATHS = ("wb-", "fp-", "wat-")


@dataclass(frozen=True, eq=False, repr=False)
class Hydrofabric:
    """A hydrofabric as its file has it. A frozen value; its tables are not to be changed."""

    #: The GeoPackage, or the GeoJSON file of catchments.
    path: Path
    #: The GeoJSON file of nexuses; None for a GeoPackage.
    nexus_path: Path | None
    #: Which release of the data model the columns are those of.
    version: Version
    #: Index ``id``, ``cat-N`` in file order; columns ``toid`` (nexus id or None), ``area_km2`` (NaN
    #: where missing), ``flowpath_id`` (None for a catchment without a channel, or not known).
    catchments: pd.DataFrame
    #: Index ``id`` in file order; column ``toid``, the flowpath or catchment it flows into, or None.
    nexuses: pd.DataFrame
    #: Gage number, such as ``01073000``, to the id of the flowpath it ends.
    gages: Mapping[str, str]

    def __repr__(self) -> str:
        return (
            f"Hydrofabric({self.path.name!r}, {self.version}, {len(self.catchments)} catchments, "
            f"{len(self.nexuses)} nexuses, {len(self.gages)} gages)"
        )

    def attributes(self, columns: Sequence[str]) -> pd.DataFrame:
        """Attributes of the catchments, by column name.

        Parameters
        ----------
        columns : sequence of str
            Names as the file has them. They are looked for in ``divides`` first, then in every
            table with one row per catchment, such as ``divide-attributes``.

        Returns
        -------
        DataFrame
            One row per catchment of this value, in its order; missing values where a table has no row.

        Raises
        ------
        HydrofabricError
            If a column is nowhere; the message names the nearest ones.
        """
        if self.version == "geojson":
            from dmod.formats.geojson import read_attributes
        else:
            from dmod.formats.geopackage import read_attributes
        return read_attributes(self.path, columns).reindex(self.catchments.index)

    def geometry(self, layer: Layer) -> GeoDataFrame:
        """A layer with its geometry, as geopandas reads it; the index is its id.

        Parameters
        ----------
        layer : {"divides", "nexus", "flowpaths"}
            Which one. All rows of the file are given.

        Raises
        ------
        HydrofabricError
            If geopandas is missing, or the file does not have the layer.
        """
        if self.version == "geojson":
            from dmod.formats.geojson import read_geometry

            return read_geometry(self.path, self.nexus_path, layer)
        from dmod.formats.geopackage import read_geometry as read_layer

        return read_layer(self.path, layer)


def open_hydrofabric(path: Path, nexus_path: Path | None = None) -> Hydrofabric:
    """Read the tables of a hydrofabric.

    Parameters
    ----------
    path : Path
        A GeoPackage, or the catchment file of a GeoJSON pair.
    nexus_path : Path, optional
        The nexus file of a GeoJSON pair; looked for beside *path* if not given.
        Ignored for a GeoPackage, as ngen is often given the same file twice.

    Returns
    -------
    Hydrofabric
        Catchments and nexuses in file order.

    Raises
    ------
    HydrofabricError
        If a file is missing, damaged, of another kind, or lacks a layer or column.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise HydrofabricError(
            "the hydrofabric cannot be opened",
            path=path,
            reason=error.strerror or error,
            hint="give the path of a GeoPackage, or of ngen's GeoJSON file of catchments",
        ) from error
    if head.startswith(b"SQLite format 3\0"):
        from dmod.formats.geopackage import read_geopackage

        return read_geopackage(path)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        from dmod.formats.geojson import read_geojson

        return read_geojson(path, nexus_path)
    raise HydrofabricError(
        "this file is not a hydrofabric",
        path=path,
        needed="a GeoPackage (an SQLite file) or GeoJSON",
        has=f"{path.stat().st_size} bytes that begin with {head[:16]!r}",
        hint="if it was downloaded, check that the download is complete and not an error page",
    )


def catchment_table(
    path: Path,
    ids: Sequence[object],
    toids: Sequence[object],
    areas: Sequence[object],
    flowpaths: Sequence[object],
) -> pd.DataFrame:
    """The table of catchments from its columns, checked for ids of the wrong kind.

    Raises
    ------
    HydrofabricError
        If ids are missing, numbers, or ids of flowpaths, or an area is not a number.
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
    names = [str(i) for i in ids]
    if wrong := [i for i in names if i.startswith(_FLOWPATHS)]:
        raise HydrofabricError(
            "flowpath ids stand where catchment ids are needed",
            path=path,
            needed="catchment ids such as 'cat-101'",
            has=f"{wrong[0]!r} and {len(wrong) - 1} more" if wrong[1:] else repr(wrong[0]),
            hint="give the layer or file of catchments (divides), not that of flowpaths",
        )
    area = pd.to_numeric(pd.Series(list(areas), dtype=object), errors="coerce").to_numpy(np.float64)
    index = pd.Index(names, dtype=object, name="id")
    # As objects, None stays None; pandas' own strings would make it NaN.
    texts = {"toid": _texts(toids), "flowpath_id": _texts(flowpaths)}
    table = pd.DataFrame(texts, index=index, dtype=object)
    table.insert(1, "area_km2", area)
    return table


def nexus_table(ids: Sequence[object], toids: Sequence[object]) -> pd.DataFrame:
    """The table of nexuses from its columns."""
    index = pd.Index([str(i) for i in ids], dtype=object, name="id")
    return pd.DataFrame({"toid": _texts(toids)}, index=index, dtype=object)


def no_column(path: Path, needed: str, has: Iterable[str], *, of: str) -> HydrofabricError:
    """The error for a column that is not there, naming those with nearly its name."""
    names = list(dict.fromkeys(has))
    bare = {name.lower().rpartition(".")[2]: name for name in reversed(names)}
    like = difflib.get_close_matches(needed, names, n=3, cutoff=0.6)
    plain = needed.lower().rpartition(".")[2]
    like += [bare[match] for match in difflib.get_close_matches(plain, bare, n=3, cutoff=0.6)]
    shown = ", ".join(dict.fromkeys(like[:5])) or ", ".join(names[:12]) + (", ..." if names[12:] else "")
    return HydrofabricError(
        f"{of} has no column {needed!r}",
        path=path,
        needed=needed,
        has=shown or "no columns",
        hint="did you mean one of 'has'?" if like else "check the version of the hydrofabric",
    )


def _texts(values: Sequence[object]) -> list[str | None]:
    """Ids as strings and None, free of the missing-value kinds of pandas."""
    return [str(v) if v not in (None, "", "NA") else None for v in values]
