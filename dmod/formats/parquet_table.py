"""Long tables in parquet: times, values and a few columns of text, read by column.

Text comes out as codes and names, times as datetime64, and values as they lie in memory where
that is possible. What is asked of sites and period is passed down to the reading of row groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dmod.errors import ObservationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LongRows", "ParquetTable", "open_parquet"]


@dataclass(frozen=True, slots=True)
class LongRows:
    """Rows of a long table."""

    #: Instants, datetime64[ns], UTC.
    times: NDArray[np.datetime64]
    #: Values; NaN where there is none.
    values: NDArray[np.float64]
    #: Columns of text by name.
    texts: Mapping[str, pd.Categorical]
    #: Whether times have no zone.
    naive: bool


@dataclass(frozen=True)
class ParquetTable:
    """A table of one file or several."""

    #: Its files or its directory.
    paths: tuple[Path, ...]
    #: What pyarrow has opened.
    dataset: Any

    @cached_property
    def columns(self) -> list[str]:
        """Names of its columns."""
        return [str(name) for name in self.dataset.schema.names]

    def distinct(self, column: str) -> list[str]:
        """The texts of a column, each once, in the order in which they come."""
        import pyarrow.compute as pc

        found: dict[str, None] = {}
        for batch in self.dataset.to_batches(columns=[column]):
            held = pc.unique(batch.column(0))
            found |= dict.fromkeys(str(one) for one in held.to_pylist() if one is not None)
        return list(found)

    def extent(self, time: str, site: str | None) -> str:
        """What sites and times there are, for people."""
        import pyarrow.compute as pc

        column = self.dataset.to_table(columns=[time]).column(0)
        if not len(column):
            return "no rows"
        ends = pc.min_max(column).as_py()
        sites = "" if site is None else f"{len(self.distinct(site)):,} sites, "
        return f"{sites}{ends['min']} to {ends['max']}"

    def read(
        self,
        time: str,
        value: str,
        texts: Sequence[str],
        *,
        where: Mapping[str, str],
        sites: Sequence[str] | None,
        start: np.datetime64 | None,
        end: np.datetime64 | None,
    ) -> LongRows:
        """Rows of some sites and a period.

        Parameters
        ----------
        time, value : str
            Columns.
        texts : sequence of str
            Columns of text; the sites, if there are any, come first.
        where : mapping of str to str
            Text that a column must have.
        sites : sequence of str, optional
            Sites as the first column of text spells them.
        start, end : datetime64, optional
            First and last instant.

        Returns
        -------
        LongRows

        Raises
        ------
        ObservationError
            If a column is not of times or numbers.
        """
        condition = self._condition(time, texts, where, sites, start, end)
        try:
            table = self.dataset.to_table(columns=[time, value, *texts], filter=condition)
        except (OSError, ValueError, NotImplementedError) as problem:
            raise _unreadable(self.paths[0], problem) from problem
        kind = self.dataset.schema.field(time).type
        return LongRows(
            _instants(table.column(0), self.paths[0], time),
            _numbers(table.column(1), self.paths[0], value),
            {name: _text(table.column(at + 2)) for at, name in enumerate(texts)},
            naive=getattr(kind, "tz", None) is None,
        )

    def _condition(
        self,
        time: str,
        texts: Sequence[str],
        where: Mapping[str, str],
        sites: Sequence[str] | None,
        start: np.datetime64 | None,
        end: np.datetime64 | None,
    ) -> Any:
        """What rows are to be read; None for all."""
        import pyarrow as pa
        import pyarrow.compute as pc

        parts = [pc.field(column) == text for column, text in where.items()]
        if sites is not None:
            field = pc.field(texts[0])
            kind = self.dataset.schema.field(texts[0]).type
            plain = kind.value_type if pa.types.is_dictionary(kind) else kind
            wanted = pa.array(list(sites), pa.string()).cast(plain)
            parts.append(field.isin(wanted))
        clock = self.dataset.schema.field(time).type
        if pa.types.is_timestamp(clock):
            for edge, is_start in ((start, True), (end, False)):
                if edge is not None:
                    parts.append(_bound(time, edge, clock, is_start))
        whole = None
        for part in parts:
            whole = part if whole is None else whole & part
        return whole


def open_parquet(paths: Sequence[Path]) -> ParquetTable:
    """Open parquet files of one layout, or a directory of them.

    Parameters
    ----------
    paths : sequence of Path
        Files, or one directory, whose folders may be named ``column=value``.

    Returns
    -------
    ParquetTable
        Nothing but its layout is read.

    Raises
    ------
    ObservationError
        If they cannot be read.
    """
    import pyarrow as pa
    import pyarrow.dataset as ds

    place = str(paths[0]) if len(paths) == 1 else [str(path) for path in paths]
    try:
        folder = len(paths) == 1 and paths[0].is_dir()
        dataset = ds.dataset(place, format="parquet", partitioning="hive" if folder else None)
        texts = [f.name for f in dataset.schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
        # Text as codes, as it is stored.
        how = ds.ParquetFileFormat(read_options=ds.ParquetReadOptions(dictionary_columns=texts))
        dataset = ds.dataset(place, format=how, partitioning="hive" if folder else None)
    except (OSError, ValueError) as problem:
        raise _unreadable(paths[0], problem) from problem
    return ParquetTable(tuple(paths), dataset)


def _bound(time: str, edge: np.datetime64, clock: Any, is_start: bool) -> Any:
    """A bound of the period, in the resolution of the column."""
    import pyarrow as pa
    import pyarrow.compute as pc

    coarse = edge.astype(f"datetime64[{clock.unit}]")
    if is_start and coarse < edge:
        coarse = coarse + np.timedelta64(1, clock.unit)
    scalar = pa.scalar(int(coarse.astype(np.int64)), pa.int64()).cast(pa.timestamp(clock.unit)).cast(clock)
    return pc.field(time) >= scalar if is_start else pc.field(time) <= scalar


def _instants(column: Any, path: Path, name: str) -> NDArray[np.datetime64]:
    """A column of times."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_date(kind):
        column = column.cast(pa.timestamp("s"))
    elif not pa.types.is_timestamp(kind):
        if not (pa.types.is_string(kind) or pa.types.is_dictionary(kind) or pa.types.is_large_string(kind)):
            raise ObservationError(
                f"{name} in {path.name} is no column of times", has=str(kind), hint="write times as timestamps"
            )
        parsed = pd.to_datetime(column.to_pandas().astype(str), format="ISO8601", utc=True, errors="coerce")
        if parsed.isna().any():
            raise ObservationError(
                f"{name} in {path.name} has a time that cannot be read", has=str(kind), hint="write times as timestamps"
            )
        return np.asarray(parsed.dt.tz_localize(None), dtype="datetime64[ns]")
    if column.null_count:
        raise ObservationError(
            f"{name} in {path.name} lacks times", rows=column.null_count, hint="leave rows without a time out"
        )
    held = column.cast(pa.timestamp(column.type.unit)).to_numpy()
    return np.asarray(held).astype("datetime64[ns]", copy=False)


def _numbers(column: Any, path: Path, name: str) -> NDArray[np.float64]:
    """A column of values; in place where it lies in one piece without gaps."""
    import pyarrow as pa

    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_decimal(column.type)):
        raise ObservationError(
            f"{name} in {path.name} is no column of numbers",
            has=str(column.type),
            hint="write numbers, or name another column with variable='...'",
        )
    if not pa.types.is_floating(column.type):
        column = column.cast(pa.float64())
    return np.asarray(column.to_numpy(), dtype=np.float64)


def _text(column: Any) -> pd.Categorical:
    """A column of text as codes and names."""
    import pyarrow as pa

    held = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    whole = held.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = whole.chunk(0) if whole.num_chunks else pa.array([], column.type).dictionary_encode()
    names = pd.Index([str(one) for one in whole.dictionary.to_pylist()], dtype=object)
    indices = whole.indices
    codes = indices.fill_null(-1).to_numpy(zero_copy_only=False) if indices.null_count else indices.to_numpy()
    return pd.Categorical.from_codes(codes, categories=names)


def _unreadable(path: Path, problem: Exception) -> ObservationError:
    """The error for files that cannot be read."""
    return ObservationError(
        f"{path.name} cannot be read as parquet",
        reason=str(problem).splitlines()[0] if str(problem) else type(problem).__name__,
        hint="it may be damaged, or cut off: write or copy it again",
    )
