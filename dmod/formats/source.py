"""Where the tables of a hydrofabric are read from, whatever kind of file holds them.

A `Source` is a GeoPackage, GeoJSON files, a directory of GeoParquet or tables in memory;
`Rows` says which rows of its layers belong to a piece of river. What is told from names of
layers and columns alone is here too. Nothing here opens a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dmod.errors import HydrofabricError
from dmod.formats.geopackage_blobs import Boxes
from dmod.formats.hydrofabric import no_column
from dmod.formats.topology import Topology

__all__ = [
    "Rows",
    "Source",
    "catchment_attributes",
    "catchment_columns",
    "chosen_columns",
    "indexed",
    "key_of",
    "no_layer",
    "warped",
]

#: Names of tables in which a catchment may be named, but whose rows are not about one, begin with these.
_NOT_ABOUT = ("network", "flowpath", "nexus", "lookup_table", "crosswalk", "lake", "poi", "hydrolocation")
#: Columns that name a row, the first that is there.
_KEYS = ("id", "divide_id", "flowpath_id", "nexus_id", "lake_id")


class Rows(Protocol):
    """Which rows of each layer belong to a piece of river."""

    def of(
        self,
        layer: str,
        catchments: NDArray[np.integer],
        flowpaths: NDArray[np.integer],
        nexuses: NDArray[np.integer],
    ) -> NDArray[np.int64]:
        """Rows of *layer*, ascending, of catchments, flowpaths and nexuses by their places in the topology."""


class Source(Protocol):
    """Tables of one hydrofabric; made without reading anything, so that asking is what costs."""

    @property
    def layers(self) -> Mapping[str, tuple[str, ...]]:
        """Layer or table to its columns, without its geometry and row numbers."""

    def read(
        self,
        layer: str,
        *,
        columns: Sequence[str] | None = None,
        geometry: bool = True,
        crs: str | None = None,
        rows: NDArray[np.integer] | None = None,
    ) -> pd.DataFrame:
        """A layer as a table, as a GeoDataFrame where it has geometry and that is asked for.

        Parameters
        ----------
        layer : str
            Its name, as the file has it.
        columns : sequence of str, optional
            Which columns; all if not given.
        geometry : bool
            Whether geometry is read.
        crs : str, optional
            Coordinate reference system wanted; that of the file if not given.
        rows : array of int, optional
            Which rows, ascending, by the numbers `rows` gives; all if not given.
        """

    def crs(self, layer: str) -> str | None:
        """Coordinate reference system of a layer, such as ``EPSG:5070``; None where the file says none."""

    def boxes(self, layer: str, rows: NDArray[np.integer] | None = None) -> Boxes:
        """Bounding box of each row of a layer."""

    def bounds(self, layer: str, rows: NDArray[np.integer] | None = None) -> tuple[float, float, float, float]:
        """The box around all of them; NaN if there is none."""

    def numbers(self, layer: str) -> NDArray[np.int64]:
        """The numbers of all rows of a layer, ascending."""

    def rows(self, topology: Topology) -> Rows:
        """Which rows belong to which piece of river."""


def key_of(layer: str, columns: Sequence[str]) -> str | None:
    """The column that names the rows of a layer, such as ``divide_id`` of ``divides``; None without one."""
    if layer.startswith("divide") and "divide_id" in columns:
        return "divide_id"
    return next((key for key in _KEYS if key in columns), None)


def chosen_columns(path: Path, layer: str, has: Sequence[str], columns: Sequence[str] | None) -> list[str]:
    """The columns wanted of a layer, each once; by default all but the one that names its rows.

    Raises
    ------
    HydrofabricError
        If one is not there.
    """
    if columns is None:
        return [name for name in has if name != key_of(layer, has)]
    for column in columns:
        if column not in has:
            raise no_column(path, column, has, of=f"layer {layer!r}")
    return list(dict.fromkeys(columns))


def indexed(frame: pd.DataFrame, key: str | None, columns: Sequence[str]) -> pd.DataFrame:
    """A table under the ids of its rows, with just these columns, and its geometry where it has one."""
    if key is None:
        return frame
    index = pd.Index(frame[key].to_numpy(dtype=object), dtype=object, name=None if key in columns else key)
    kept = frame if key in columns else frame.drop(columns=key)
    return kept.set_axis(index, axis=0)


def no_layer(path: Path, layer: str, layers: Sequence[str], *, of: str = "the hydrofabric") -> HydrofabricError:
    """The error for a layer that is not there."""
    return HydrofabricError(
        f"{of} has no layer {layer!r}",
        path=path,
        needed=layer,
        has=", ".join(layers) or "no layers",
        hint="ask for one of 'has'" if layers else "check the path",
    )


def warped(frame: pd.DataFrame, path: Path, layer: str, crs: str | None) -> pd.DataFrame:
    """A table in another coordinate reference system; as it is where none is asked for.

    Raises
    ------
    HydrofabricError
        If the file does not say what it is in, or nobody knows *crs*.
    """
    if crs is None or "geometry" not in frame:
        return frame
    shapes: Any = frame
    if shapes.crs is None:
        raise HydrofabricError(
            f"layer {layer!r} does not say which coordinate reference system it is in",
            path=path,
            needed=crs,
            hint="ask without crs=, or set the system in the file",
        )
    from pyproj.exceptions import CRSError

    try:
        moved: pd.DataFrame = shapes.to_crs(crs)
    except CRSError as error:
        raise HydrofabricError(
            f"{crs!r} is no coordinate reference system", reason=error, hint="give one such as 'EPSG:4326'"
        ) from error
    return moved


def catchment_columns(
    source: Source, path: Path, columns: Sequence[str], read: Callable[[str, list[str]], pd.DataFrame]
) -> pd.DataFrame:
    """Columns of ``divides`` and of the tables with a row per catchment, by catchment id.

    Parameters
    ----------
    source : Source
        What says where each column is: ``divides`` first, then the other tables in their order.
    path : Path
        What an error names.
    columns : sequence of str
        Names as the file has them.
    read : callable
        Reads columns of a layer, under the ids of its rows.

    Returns
    -------
    DataFrame
        The first row of each catchment, in the order of the first table read.

    Raises
    ------
    HydrofabricError
        If a column is nowhere; the message names the nearest ones.
    """
    layers = source.layers
    keys = {table: key for table in layers if (key := _catchment_key(table, layers[table])) is not None}
    tables = ["divides", *(table for table in keys if table != "divides")]
    home: dict[str, str] = {}
    for column in columns:
        where = next((t for t in tables if column in layers[t] and _of_catchments(read, t, keys[t])), None)
        if where is None:
            raise no_column(path, column, [name for table in tables for name in layers[table]], of="the hydrofabric")
        home[column] = where
    found = []
    for table in dict.fromkeys(home[column] for column in columns):
        here = [column for column in dict.fromkeys(columns) if home[column] == table]
        key = keys[table]
        frame = read(table, [key, *(c for c in here if c != key)])
        frame = frame.set_axis(pd.Index(frame[key].to_numpy(dtype=object), dtype=object), axis=0)[here]
        found.append(frame[~frame.index.duplicated()])
    joined = pd.concat(found, axis=1) if found else pd.DataFrame(index=pd.Index([], dtype=object))
    # A column without any value has no kind of its own: NaN is what arithmetic understands.
    empty = [column for column in joined if joined[column].isna().all()]
    return joined.astype(dict.fromkeys(empty, float))[list(columns)].rename_axis("id")


def catchment_attributes(source: Source, read: Callable[[str, list[str]], pd.DataFrame]) -> list[str]:
    """All columns of the tables with a row per catchment, each once; those of ``divides`` where there is no such table.

    *read* is that of `catchment_columns`.
    """
    layers = source.layers
    keys = {table: _catchment_key(table, layers[table]) for table in layers if table != "divides"}
    tables = [table for table, key in keys.items() if key is not None and _of_catchments(read, table, key)]
    names = [name for table in tables for name in layers[table] if name not in {keys[table], "toid"}]
    return list(dict.fromkeys(names)) or [
        name for name in layers["divides"] if name != key_of("divides", layers["divides"])
    ]


def _catchment_key(table: str, columns: Sequence[str]) -> str | None:
    """The column by which a table names catchments, as far as names tell."""
    if table != "divides" and table.startswith(_NOT_ABOUT):
        return None
    return next((key for key in ("divide_id", "id") if key in columns), None)


def _of_catchments(read: Callable[[str, list[str]], pd.DataFrame], table: str, key: str) -> bool:
    """Whether the ids of a table are those of catchments."""
    if table == "divides" or key == "divide_id":
        return True
    ids = read(table, ["id"])["id"]
    return len(ids) > 0 and str(ids.iloc[0]).startswith("cat-")
