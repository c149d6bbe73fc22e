"""Hydrofabrics: the catchments, nexuses and gages of a river network, whatever file holds them.

`open_hydrofabric` tells the kind of file by what is in it, never by its name, and reads
the tables that a run needs. Attributes and geometry are read when asked for, from its
`Source`. Nothing is mended and nothing is ever written to the source; whether the network
makes sense is for `dmod.domain` to say. The readers are `geopackage`, `geojson`,
`geoparquet` and `frames`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from dmod.errors import HydrofabricError
from dmod.formats.texts import Texts
from dmod.formats.topology import Topology

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

    from dmod.formats.source import Rows, Source

__all__ = [
    "Hydrofabric",
    "Layer",
    "Version",
    "no_column",
    "open_hydrofabric",
]

Version = Literal["v3", "v2.2", "v2.1", "v2.0", "v1.2", "geojson"]
Layer = Literal["divides", "nexus", "flowpaths"]


@dataclass(frozen=True, eq=False, repr=False)
class Hydrofabric:
    """A hydrofabric as its file has it. A frozen value; its tables are not to be changed."""

    #: The GeoPackage, or the GeoJSON file of catchments.
    path: Path
    #: The GeoJSON file of nexuses; None for a GeoPackage.
    nexus_path: Path | None
    #: Which release of the data model the columns are those of.
    version: Version
    #: Ids, links and sizes, as arrays.
    topology: Topology

    @cached_property
    def source(self) -> Source:
        """Where its tables are read; whatever made this value has put another here if it is no GeoPackage."""
        from dmod.formats.geopackage_tables import GeopackageTables

        return GeopackageTables(self.path)

    @cached_property
    def rows(self) -> Rows:
        """Which rows of each layer belong to which piece of river."""
        return self.source.rows(self.topology)

    @cached_property
    def catchments(self) -> pd.DataFrame:
        """Index ``id`` in file order; ``toid`` (nexus id or None), ``area_km2`` [km2], ``flowpath_id`` (or None)."""
        held = self.topology.catchments
        index = pd.Index(held.ids.to_objects(), dtype=object, name="id")
        # As objects, None stays None; pandas' own strings would make it NaN.
        texts = {"toid": held.toid.to_objects(), "flowpath_id": held.flowpath.to_objects()}
        table = pd.DataFrame(texts, index=index, dtype=object)
        table.insert(1, "area_km2", held.area_km2)
        return table

    @cached_property
    def nexuses(self) -> pd.DataFrame:
        """Index ``id`` in file order; ``toid``, the flowpath or catchment it flows into, or None."""
        held = self.topology.nexuses
        index = pd.Index(held.ids.to_objects(), dtype=object, name="id")
        return pd.DataFrame({"toid": held.toid.to_objects()}, index=index, dtype=object)

    @cached_property
    def gages(self) -> Mapping[str, str]:
        """Gage number, such as ``01073000``, to the id of the flowpath it ends."""
        marks, found = self.topology.marks, dict[str, str]()
        for place in Texts.of(marks.uri).starting("gages-").tolist():
            gage = marks.uri[place].partition("-")[2]
            if gage and (flowpath := marks.flowpath[place]):
                found.setdefault(gage, flowpath)
        return found

    def __repr__(self) -> str:
        return (
            f"Hydrofabric({self.path.name!r}, {self.version}, {len(self.topology.catchments.ids)} catchments, "
            f"{len(self.topology.nexuses.ids)} nexuses, {len(self.gages)} gages)"
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
        from dmod.formats.source import catchment_columns

        source = self.source
        found = catchment_columns(
            source, self.path, columns, lambda layer, names: source.read(layer, columns=names, geometry=False)
        )
        return found.reindex(self.catchments.index)

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
        found: GeoDataFrame = self.source.read(layer)
        return found


def open_hydrofabric(path: Path, nexus_path: Path | None = None) -> Hydrofabric:
    """Read the tables of a hydrofabric.

    Parameters
    ----------
    path : Path
        A GeoPackage, the catchment file of a GeoJSON pair, or a directory with ngen's GeoJSON files
        or of GeoParquet.
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
    if (path / "catchment_data.geojson").is_file():
        path = path / "catchment_data.geojson"
    try:
        if path.is_dir():
            # Names tell: whole trees, such as a home directory, are not searched for Parquet files.
            if not any(item.name.endswith((".parquet", "divides")) for item in path.iterdir()):
                raise _no_layers(path)
            from dmod.formats.geoparquet import read_parquet_fabric

            return read_parquet_fabric(path)
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


def _no_layers(directory: Path) -> HydrofabricError:
    """The error for a directory of other things; it names the GeoPackages that lie in it as in a run directory."""
    files = [file.relative_to(directory).as_posix() for at in ("*.gpkg", "*/*.gpkg") for file in directory.glob(at)]
    return HydrofabricError(
        "this directory cannot be opened: it holds no hydrofabric",
        path=directory,
        needed="catchment_data.geojson, or Parquet files such as divides.parquet",
        has=", ".join(sorted(files)[:5]) or "neither, and no GeoPackage",
        hint="give the GeoPackage itself" if files else "give the path of a GeoPackage, or of such a directory",
    )


def no_column(path: Path, needed: str, has: Iterable[str], *, of: str) -> HydrofabricError:
    """The error for a column that is not there, naming those with nearly its name."""
    names = list(dict.fromkeys(has))
    if needed == "toid":
        return HydrofabricError(
            f"{of} has no column {needed!r}",
            path=path,
            needed=f"{needed}, where the water of each goes",
            has=", ".join(names[:12]) + (", ..." if names[12:] else "") or "no columns",
            hint="take the file from its source again, with its links",
        )
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
