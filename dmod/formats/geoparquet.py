"""A hydrofabric as a directory of GeoParquet: one file for each layer, or one for each region of it.

``divides.parquet``, or ``divides/vpuid=16/part-0.parquet`` as published ones have it. Only the
columns and the groups of rows that are asked for are read. GeoParquet 1.1,
https://geoparquet.org; writing is `dmod.formats.geoparquet_write`'s.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dmod.errors import HydrofabricError
from dmod.formats.frames import KeyedRows, fabric_of
from dmod.formats.geopackage_blobs import Boxes
from dmod.formats.geopackage_tables import around
from dmod.formats.hydrofabric import Hydrofabric
from dmod.formats.source import Rows, chosen_columns, indexed, key_of, no_layer, warped
from dmod.formats.topology import Topology

__all__ = ["ParquetTables", "read_parquet_fabric"]

#: Names a column of geometry may have where the file does not say.
_SHAPES = ("geometry", "geom")
#: What a file without a reference system is in, by the standard.
_GLOBE = "OGC:CRS84"


@dataclass(frozen=True)
class _Part:
    """One Parquet file of a layer."""

    #: The file.
    path: Path
    #: Columns that its directories tell, such as ``vpuid`` of ``vpuid=16``.
    told: tuple[tuple[str, str], ...]
    #: How many rows each of its groups has.
    groups: tuple[int, ...]
    #: Its own columns, without geometry.
    columns: tuple[str, ...]
    #: The column of geometry, None without one, and what it is in; None where that is not known.
    geometry: str | None
    crs: str | None


@dataclass(frozen=True)
class ParquetTables:
    """A directory of Parquet files as a `Source`; rows are places, from 0, files in the order of their names."""

    #: The directory.
    path: Path

    @cached_property
    def parts(self) -> dict[str, list[_Part]]:
        """Layer to its files."""
        found: dict[str, list[_Part]] = {}
        for file in sorted(self.path.rglob("*.parquet")):
            inner = file.relative_to(self.path).parts
            folders = [name for name in inner[:-1] if "=" not in name]
            layer = folders[0] if folders else file.stem
            told = tuple((key, unquote(text)) for key, _, text in (n.partition("=") for n in inner[:-1] if "=" in n))
            found.setdefault(layer, []).append(_part(file, told))
        # Published directories name the domain first: conus_divides.
        prefixes = {name.removesuffix("divides") for name in found if name.endswith("_divides")}
        if "divides" not in found and len(prefixes) == 1:
            (prefix,) = prefixes
            found = {name.removeprefix(prefix): files for name, files in found.items()}
        return found

    @cached_property
    def layers(self) -> dict[str, tuple[str, ...]]:
        """Layer to its columns, without its geometry."""
        return {
            layer: tuple(dict.fromkeys(c for p in parts for c in (*p.columns, *(key for key, _ in p.told))))
            for layer, parts in self.parts.items()
        }

    def read(
        self,
        layer: str,
        *,
        columns: Sequence[str] | None = None,
        geometry: bool = True,
        crs: str | None = None,
        rows: NDArray[np.integer] | None = None,
    ) -> pd.DataFrame:
        """A layer as a table."""
        parts = self._parts(layer)
        wanted = chosen_columns(self.path, layer, self.layers[layer], columns)
        key = key_of(layer, self.layers[layer])
        listed = list(dict.fromkeys([*([key] if key else []), *wanted]))
        shape = parts[0].geometry if geometry else None
        pieces, start = [], 0
        for part in parts:
            count = sum(part.groups)
            here = None if rows is None else _between(rows, start, count)
            start += count
            if here is None or len(here):
                pieces.append(_read_part(part, listed, shape is not None, here))
        if not pieces:
            pieces = [_read_part(parts[0], listed, shape is not None, np.zeros(0, dtype=np.int64))]
        frame = pd.concat(pieces, ignore_index=True) if len(pieces) > 1 else pieces[0]
        shapes = frame.pop("geometry") if shape is not None else None
        frame = indexed(frame, key, wanted)[wanted]
        if shapes is None:
            return frame
        return warped(_with_shapes(frame, shapes, parts[0].crs), self.path, layer, crs)

    def crs(self, layer: str) -> str | None:
        """Coordinate reference system of a layer; None where the file says none."""
        return self._parts(layer)[0].crs

    def boxes(self, layer: str, rows: NDArray[np.integer] | None = None) -> Boxes:
        """Bounding box of each row of a layer."""
        import shapely

        if self._parts(layer)[0].geometry is None:
            return np.zeros((0, 4))
        shapes: Any = self.read(layer, columns=[], rows=rows)
        boxes: Boxes = shapely.bounds(shapes["geometry"].to_numpy())
        return boxes

    def bounds(self, layer: str, rows: NDArray[np.integer] | None = None) -> tuple[float, float, float, float]:
        """The box around all of them; NaN if there is none."""
        return around(self.boxes(layer, rows))

    def numbers(self, layer: str) -> NDArray[np.int64]:
        """The numbers of all rows of a layer."""
        return np.arange(sum(sum(part.groups) for part in self._parts(layer)), dtype=np.int64)

    def rows(self, topology: Topology) -> Rows:
        """Which rows belong to which piece of river."""
        return KeyedRows(self, topology)

    def _parts(self, layer: str) -> list[_Part]:
        """The files of a layer."""
        if layer not in self.parts:
            raise no_layer(self.path, layer, list(self.parts))
        return self.parts[layer]


def read_parquet_fabric(directory: Path) -> Hydrofabric:
    """Read the tables of a directory of GeoParquet that a run needs.

    Parameters
    ----------
    directory : Path
        With a file or directory for ``divides``, ``nexus``, ``flowpaths`` and other layers.

    Raises
    ------
    HydrofabricError
        If it holds no Parquet file, or one that cannot be read, or lacks a layer or column.
    """
    directory = Path(directory)
    source = ParquetTables(directory)
    if not source.parts:
        raise HydrofabricError(
            "the directory holds no hydrofabric",
            path=directory,
            needed="Parquet files such as divides.parquet and nexus.parquet",
            has=", ".join(sorted(item.name for item in directory.iterdir())[:8]) or "nothing",
            hint="give the directory that holds the layers",
        )
    return fabric_of(source, directory)


def _geo_of(foot: Any) -> dict[str, Any]:
    """What the foot of a file says of its geometry; empty if nothing."""
    told = (foot.metadata or {}).get(b"geo")
    found: dict[str, Any] = {} if told is None else json.loads(told)
    return found


def _part(path: Path, told: tuple[tuple[str, str], ...]) -> _Part:
    """What a file holds, from its foot."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        foot = pq.read_metadata(path)
        schema = foot.schema.to_arrow_schema()
        geo = _geo_of(foot)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise HydrofabricError(
            "the Parquet file cannot be read",
            path=path,
            reason=str(error).splitlines()[0] if str(error) else error,
            hint="it may be truncated: copy or download it again",
        ) from error
    shape = geo.get("primary_column") or next((name for name in _SHAPES if name in schema.names), None)
    columns = tuple(name for name in schema.names if name != shape and name not in dict(told))
    groups = tuple(foot.row_group(place).num_rows for place in range(foot.num_row_groups))
    return _Part(path, told, groups, columns, shape, _crs_of(geo, shape))


def _crs_of(geo: Mapping[str, Any], shape: str | None) -> str | None:
    """Coordinate reference system by the foot of a file."""
    column = geo.get("columns", {}).get(shape)
    if column is None:
        return None
    crs = column.get("crs", _GLOBE)
    if isinstance(crs, dict):
        known = crs.get("id", {})
        return f"{known['authority']}:{known['code']}" if {"authority", "code"} <= set(known) else json.dumps(crs)
    return None if crs is None else str(crs)


def _between(rows: NDArray[np.integer], start: int, count: int) -> NDArray[np.int64]:
    """Those of *rows*, ascending, that are in [start, start + count), counted from there."""
    first, last = np.searchsorted(rows, [start, start + count])
    return np.asarray(rows[first:last], dtype=np.int64) - start


def _read_part(part: _Part, columns: Sequence[str], shaped: bool, rows: NDArray[np.int64] | None) -> pd.DataFrame:
    """Columns of one file, its geometry as shapes, of all rows or of some; only groups that are needed are read."""
    import pyarrow.parquet as pq
    import shapely

    own = [name for name in columns if name in part.columns]
    shape = part.geometry if shaped else None
    edges = np.concatenate([[0], np.cumsum(part.groups)]).astype(np.int64)
    groups = [g for g in range(len(part.groups)) if rows is None or len(_between(rows, int(edges[g]), part.groups[g]))]
    with pq.ParquetFile(part.path) as file:
        table = file.read_row_groups(groups, columns=[*own, *([shape] if shape else [])])
    if rows is not None:
        before = np.concatenate([[0], np.cumsum([part.groups[g] for g in groups])])
        places = [_between(rows, int(edges[g]), part.groups[g]) + before[n] for n, g in enumerate(groups)]
        table = table.take(np.concatenate([*places, np.zeros(0, dtype=np.int64)]))
    frame: pd.DataFrame = table.select(own).to_pandas()
    frame.index = pd.RangeIndex(table.num_rows)
    told = dict(part.told)
    for name in columns:
        if name not in frame:
            frame[name] = told.get(name)
    frame = frame[list(columns)]
    if shape is not None:
        frame["geometry"] = pd.Series(
            shapely.from_wkb(table.column(shape).to_numpy(zero_copy_only=False)), dtype=object
        )
    return frame


def _with_shapes(frame: pd.DataFrame, shapes: pd.Series, crs: str | None) -> pd.DataFrame:
    """The table with its shapes."""
    import geopandas

    column = geopandas.GeoSeries(shapes.to_numpy(), index=frame.index, crs=crs)
    made: pd.DataFrame = geopandas.GeoDataFrame(frame, geometry=column)
    return made
