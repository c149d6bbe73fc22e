"""Columns of a GeoPackage's tables as arrays, however many rows there are.

Large files are read through GDAL as Arrow columns, which never makes a Python object of a
row; whatever that cannot do, a small file, a table the standard does not know, a column that
holds another type than it declares, is read row by row with sqlite3. Both give the same.
Geometry is not read here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dmod.formats.geopackage_file import is_written_to, opened, quoted, row_span
from dmod.formats.names import Names
from dmod.formats.texts import Texts

__all__ = ["LARGE", "Columns", "column_pieces", "read_columns"]

#: Size from which a file is read through GDAL [bytes]; below it takes longer to load than sqlite3 to read.
LARGE = 64_000_000

_MANY = 50_000
#: How files of the standard are marked: "GPKG", and "GP10" at first. GDAL warns of any other.
_GEOPACKAGES = (0x47504B47, 0x47503130)
_Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Columns:
    """Some columns of a table, in the order of its rows."""

    #: The row's number in the file, its ``fid``; ascending, shape (rows,).
    fids: NDArray[np.int64]
    #: Columns of ids by name.
    ids: dict[str, Names]
    #: Columns of texts by name; a missing value is the empty text.
    texts: dict[str, Texts]
    #: Columns of numbers by name; NaN where there is none.
    numbers: dict[str, _Floats]


def read_columns(
    path: Path,
    table: str,
    *,
    ids: Sequence[str] = (),
    texts: Sequence[str] = (),
    numbers: Sequence[str] = (),
    rowwise: bool | None = None,
) -> Columns:
    """Columns of a table that is known to have them.

    Parameters
    ----------
    path : Path
        The GeoPackage.
    table : str
        A layer or table.
    ids, texts, numbers : sequence of str
        Names of columns to read as ids, as texts and as numbers.
    rowwise : bool, optional
        Whether to go row by row in any case; by default small files, and those being written to.

    Raises
    ------
    HydrofabricError
        If the file is damaged.
    """
    pieces = list(column_pieces(path, table, ids=ids, texts=texts, numbers=numbers, rowwise=rowwise))
    # Each piece of a column goes as soon as the whole is there: together they are a large part of the memory.
    whole = Columns(
        np.concatenate([*(piece.fids for piece in pieces), np.zeros(0, dtype=np.int64)]),
        {name: _narrow(Names.joined([piece.ids.pop(name) for piece in pieces])) for name in ids},
        {name: Texts.joined([piece.texts.pop(name) for piece in pieces]) for name in texts},
        {name: np.concatenate([*(piece.numbers.pop(name) for piece in pieces), np.zeros(0)]) for name in numbers},
    )
    if (np.diff(whole.fids) >= 0).all():
        return whole
    order = np.argsort(whole.fids, kind="stable")
    return Columns(
        whole.fids[order],
        {name: column.take(order) for name, column in whole.ids.items()},
        {name: column.take(order) for name, column in whole.texts.items()},
        {name: column[order] for name, column in whole.numbers.items()},
    )


def _narrow(names: Names) -> Names:
    """Ids with their numbers in 4 bytes each where they fit."""
    if len(names) and int(names.numbers.max()) > np.iinfo(np.int32).max:
        return names
    return Names(names.codes, names.numbers.astype(np.int32), names.odd)


def column_pieces(
    path: Path,
    table: str,
    *,
    ids: Sequence[str] = (),
    texts: Sequence[str] = (),
    numbers: Sequence[str] = (),
    rowwise: bool | None = None,
) -> Iterator[Columns]:
    """The same some thousand rows at a time; in the order of the file only mostly."""
    if rowwise is None:
        rowwise = path.stat().st_size < LARGE or is_written_to(path)
    with opened(path) as file:
        written = [*texts, *(name for name in ids if name not in texts)]
        arrow = None if rowwise else _arrow_pieces(path, file, table, written, numbers)
        for piece in _row_pieces(file, table, written, numbers) if arrow is None else arrow:
            # As ids a column takes a third of the room, so the text is not kept.
            named = {name: piece.texts[name].names() for name in ids}
            yield Columns(piece.fids, named, {name: piece.texts[name] for name in texts}, piece.numbers)


def _row_pieces(
    file: sqlite3.Connection, table: str, texts: Sequence[str], numbers: Sequence[str]
) -> Iterator[Columns]:
    """The columns through sqlite3."""
    listed = [quoted(name) for name in (*texts, *numbers)]
    numbered = row_span(file, table) is not None
    begin, end = ("rowid", " ORDER BY rowid") if numbered else ("NULL", "")
    rows = file.execute(f"SELECT {', '.join([begin, *listed])} FROM {quoted(table)}{end}")
    cut = len(texts)
    while some := rows.fetchmany(_MANY):
        first, *columns = zip(*some, strict=True)
        yield Columns(
            np.array(first if numbered else [-1] * len(first), dtype=np.int64),
            {},
            {name: Texts.of(column) for name, column in zip(texts, columns[:cut], strict=True)},
            {name: _floats(column) for name, column in zip(numbers, columns[cut:], strict=True)},
        )


def _floats(values: Sequence[object]) -> _Floats:
    """A column as numbers; NaN for whatever is none."""
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        return pd.to_numeric(pd.Series(list(values), dtype=object), errors="coerce").to_numpy(np.float64)


def _arrow_pieces(
    path: Path, file: sqlite3.Connection, table: str, texts: Sequence[str], numbers: Sequence[str]
) -> Iterator[Columns] | None:
    """The columns through GDAL; None where it does not read them as they are."""
    try:
        import pyarrow as pa
        import pyogrio
    except ImportError:
        return None
    key = _row_number(file, table)
    span = row_span(file, table)
    (kind,) = file.execute("PRAGMA application_id").fetchone()
    if key is None or not span or key in {*texts, *numbers} or kind not in _GEOPACKAGES:
        return None
    names = [*texts, *numbers]
    wanted = {"columns": names, "read_geometry": False, "return_fids": True, "use_pyarrow": True}
    stack = ExitStack()
    try:
        opening = pyogrio.raw.open_arrow(path, layer=table, LIST_ALL_TABLES="YES", IMMUTABLE="YES", **wanted)
        _, reader = stack.enter_context(opening)
        if not _as_declared(reader.schema, texts, numbers):
            stack.close()
            return None
    except (
        pyogrio.errors.DataSourceError,
        pyogrio.errors.DataLayerError,
        pyogrio.errors.FieldError,
        pa.ArrowException,
    ):
        stack.close()
        return None
    return _batches(stack, reader, texts, numbers, last=span[-1])


def _row_number(file: sqlite3.Connection, table: str) -> str | None:
    """The column that is the row's number, as it is called in the file; None for none."""
    keys = [row for row in file.execute(f"PRAGMA table_info({quoted(table)})") if row[5]]
    return keys[0][1] if len(keys) == 1 and keys[0][2].upper() == "INTEGER" else None


def _as_declared(schema: Any, texts: Sequence[str], numbers: Sequence[str]) -> bool:
    """Whether columns are of the kinds that are wanted of them."""
    from pyarrow import types

    if not {*texts, *numbers} <= set(schema.names):
        return False
    kinds = {name: schema.field(name).type for name in schema.names}
    return all(types.is_string(kinds[name]) or types.is_large_string(kinds[name]) for name in texts) and all(
        types.is_floating(kinds[name]) or types.is_integer(kinds[name]) for name in numbers
    )


def _batches(
    stack: ExitStack, reader: Any, texts: Sequence[str], numbers: Sequence[str], *, last: int
) -> Iterator[Columns]:
    """The columns as GDAL hands them over, to the last row that there is."""
    import pyarrow as pa

    reached, problem = -1, "rows are missing at its end"
    with stack:
        fid = next(name for name in reader.schema.names if name not in {*texts, *numbers})
        try:
            for batch in reader:
                held = {name: batch.column(name) for name in (fid, *texts, *numbers)}
                fids = held[fid].to_numpy(zero_copy_only=False).astype(np.int64)
                reached = max(reached, int(fids.max(initial=-1)))
                yield Columns(
                    fids,
                    {},
                    {name: _texts(held[name]) for name in texts},
                    {name: _doubles(held[name]) for name in numbers},
                )
        except (pa.ArrowException, OSError) as error:
            problem = str(error)
    if reached != last:
        # What sqlite3 says of a damaged file, for whoever expects it.
        raise sqlite3.DatabaseError(problem)


def _doubles(chunk: Any) -> _Floats:
    """A piece of an Arrow column of numbers, what is null as NaN; a copy, as Arrow frees no column alone."""
    values: _Floats = chunk.to_numpy(zero_copy_only=False).astype(np.float64)
    return values


def _texts(chunk: Any) -> Texts:
    """A piece of an Arrow column of texts; what is null becomes empty."""
    held = chunk.fill_null("") if chunk.null_count else chunk
    _, edges, block = held.buffers()
    if not len(held) or edges is None:
        return Texts.of([])
    width = np.dtype(np.int32 if str(held.type) == "string" else np.int64)
    placed: NDArray[np.integer[Any]] = np.frombuffer(edges, dtype=width)[held.offset : held.offset + len(held) + 1]
    return Texts(np.frombuffer(block or b"", dtype=np.uint8), placed)
