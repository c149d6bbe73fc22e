"""Writing tables as a directory of GeoParquet: one file for each layer, or one for each region of it.

Tables come piece by piece, so that a continent needs no more memory than a part of it. The
directory is written beside its name and renamed when whole. GeoParquet 1.1,
https://geoparquet.org; reading is `dmod.formats.geoparquet`'s.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd

from dmod.errors import OutputError
from dmod.formats.geopackage_tables import around

__all__ = ["write_parquet"]


def write_parquet(
    directory: Path,
    layers: Mapping[str, Iterable[pd.DataFrame]],
    *,
    hive: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write tables as a directory of GeoParquet.

    Parameters
    ----------
    directory : Path
        What to make; its parent must exist.
    layers : mapping of str to iterable of DataFrame
        Name to the pieces of a table, each a group of rows; ids may be the index.
    hive : str, optional
        A column such as ``vpuid``: layers that have it get a file for each of its values.
    overwrite : bool
        Whether a directory of Parquet files that is there may be replaced.

    Returns
    -------
    Path
        *directory*.

    Raises
    ------
    OutputError
        If the directory is there and not to be replaced, or cannot be written.
    """
    directory = Path(directory)
    _check_target(directory, overwrite=overwrite)
    # A name of its own, as two may write to one place: the last one whole stays.
    own = uuid4().hex[:12]
    partial, old = (directory.with_name(f".{directory.name}.{own}.{end}") for end in ("partial", "replaced"))
    try:
        partial.mkdir()
        for layer, pieces in layers.items():
            _write_layer(partial, layer, pieces, hive)
        _check_target(directory, overwrite=overwrite)  # nobody took the name meanwhile
        if directory.exists():
            directory.replace(old)
        try:
            partial.replace(directory)
        except OSError:
            if old.exists():
                old.replace(directory)
            raise
    except OSError as error:
        raise OutputError(
            "the directory cannot be written",
            path=directory,
            reason=error.strerror or error,
            hint="choose another place, or make room",
        ) from error
    finally:
        for left in (partial, old):
            shutil.rmtree(left, ignore_errors=True)
    return directory


def _check_target(directory: Path, *, overwrite: bool) -> None:
    """Refuse to replace what is there unless asked to, and what is no directory of Parquet files at all."""
    if not directory.exists():
        return
    held = [item for item in directory.rglob("*") if item.is_file()] if directory.is_dir() else [directory]
    if held and not (overwrite and directory.is_dir() and all(item.suffix == ".parquet" for item in held)):
        raise OutputError(
            "there is something already",
            path=directory,
            has=", ".join(sorted(item.name for item in held)[:5]),
            hint="choose another name" if overwrite else "choose another name, or allow to overwrite",
        )


def _write_layer(directory: Path, layer: str, pieces: Iterable[pd.DataFrame], hive: str | None) -> None:
    """Write the pieces of one layer; each value of *hive* to a file of its own."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writers: dict[Path, Any] = {}
    heads: dict[Path, dict[str, Any]] = {}
    try:
        for piece in pieces:
            for path, table in _by_region(directory, layer, piece, hive):
                arrow = _as_arrow(table, writers[path].schema if path in writers else None)
                if path not in writers:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    writers[path] = pq.ParquetWriter(path, arrow.schema, compression="zstd")
                writers[path].write_table(arrow)
                if "geometry" in table:
                    heads[path] = _geo(table, heads.get(path))
        for path, head in heads.items():
            writers[path].add_key_value_metadata({"geo": json.dumps(head)})
    except pa.ArrowException as error:
        raise OutputError(
            f"layer {layer!r} cannot be written: a column mixes kinds of values",
            reason=str(error).splitlines()[0],
            hint="make all its values text, or numbers",
        ) from error
    finally:
        for writer in writers.values():
            writer.close()


def _by_region(
    directory: Path, layer: str, piece: pd.DataFrame, hive: str | None
) -> Iterable[tuple[Path, pd.DataFrame]]:
    """The files that a piece belongs to, and what of it."""
    table = piece if piece.index.name is None else piece.reset_index()
    if hive is None or hive not in table:
        return [(directory / f"{layer}.parquet", table)]
    regions = table[hive].astype(object).where(table[hive].notna(), "none")
    return [
        (directory / layer / f"{hive}={region}" / "part-0.parquet", table[regions == region].drop(columns=hive))
        for region in sorted(regions.unique())
    ] or [(directory / layer / f"{hive}=none" / "part-0.parquet", table.drop(columns=hive))]


def _as_arrow(table: pd.DataFrame, schema: Any) -> Any:
    """A piece as Arrow, as *schema* has it if given."""
    import pyarrow as pa
    import shapely

    plain = pd.DataFrame(table.drop(columns="geometry", errors="ignore"))
    if schema is None:
        found = pa.Schema.from_pandas(plain, preserve_index=False).remove_metadata()
        # A column of nothing has no kind of its own; what comes later will be text.
        fields = [f.with_type(pa.string()) if pa.types.is_null(f.type) else f for f in found]
        schema = pa.schema([*fields, *([pa.field("geometry", pa.binary())] if "geometry" in table else [])])
    columns = [pa.Array.from_pandas(plain[f.name], type=f.type) for f in schema if f.name != "geometry"]
    if "geometry" in table:
        columns.append(pa.array(shapely.to_wkb(table["geometry"].to_numpy()), type=pa.binary()))
    return pa.Table.from_arrays(columns, schema=schema)


def _geo(table: Any, before: dict[str, Any] | None) -> dict[str, Any]:
    """What GeoParquet says of the geometry of a table and of the pieces before it."""
    column: dict[str, Any] = {"encoding": "WKB", "crs": None if table.crs is None else json.loads(table.crs.to_json())}
    earlier = {} if before is None else before["columns"]["geometry"]
    kinds = {*earlier.get("geometry_types", ()), *table["geometry"].geom_type.dropna()}
    boxes = np.array([earlier.get("bbox", [np.nan] * 4), table.total_bounds if len(table) else [np.nan] * 4])
    box = around(boxes)
    column |= {"geometry_types": sorted(kinds)} | ({} if np.isnan(box).any() else {"bbox": list(box)})
    return {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
