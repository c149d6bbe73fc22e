"""Tables of text: CSV, tab-separated, and RDB as USGS writes it.

The columns are found by name, see `dmod.evaluation.table_columns`. An RDB file may have the
tables of several sites below each other, several sensors side by side, and the annual peaks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dmod.errors import ObservationError
from dmod.evaluation.instants_utc import in_utc
from dmod.evaluation.records import Asked, Records, counted, joined, labels, one_label, qualifier_codes
from dmod.evaluation.sources import Source
from dmod.evaluation.table_columns import (
    METHODS,
    QUALIFIERS,
    SITES,
    TIMES,
    UNIT_COLUMNS,
    ZONES,
    Column,
    column_of,
    named,
    optional,
    picked,
    site_columns,
    value_columns,
)  # fmt: skip

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TableReader", "read_table"]

#: Text that stands for a missing value: blanks, and what USGS writes when a gage could not be read.
_MISSING = frozenset({
    "", "-", "--", "***", "na", "n/a", "nan", "null", "none", "ice", "bkw", "eqp", "ssn", "rat", "dis",
    "mnt", "zfl", "fld",
})  # fmt: skip
#: What several tables together are called.
_SUFFIXES = frozenset({".csv", ".tsv", ".txt", ".rdb"})
#: Below its header, RDB has a row of column widths such as 5s, 15s, 20d.
_WIDTH = re.compile(r"\d+[sdnSDN]")
#: Peaks of which only the year or the month is known.
_UNKNOWN_DAY = r"\d{4}-\d\d-00|\d{4}-00-\d\d"


class TableReader:
    """Reads tables of text."""

    reads = "tables of text (CSV, tab or semicolon, RDB of USGS), one or a directory of them"

    def knows(self, source: Source) -> bool:
        """Whether it is a file of text and no text of another kind, or several that are called tables."""
        glance = source.glance
        if glance is None or glance.is_directory:
            return bool(source.files) and all(path.suffix.lower() in _SUFFIXES for path in source.files)
        return not glance.head.strip() or glance.text.lstrip()[:1] not in ("", "{", "[", "<")

    def read(self, source: Source, asked: Asked) -> Records:
        """The rows of the table, or of all of them; a table that names no site is of the site it is called after."""
        if len(source.files) == 1:
            return read_table(source.files[0], asked.variable)
        parts = []
        for path in source.files:
            part = read_table(path, asked.variable)
            if list(part.sites.categories) == [""]:
                part = replace(part, sites=one_label(path.stem, len(part.values)))
            parts.append(part)
        return joined(parts)


def read_table(path: Path, variable: str | None) -> Records:
    """Rows of a table of text; *variable* is the header of its values, if it is not one of the usual.

    Raises
    ------
    ObservationError
        If columns are missing or in doubt, or a time or value cannot be read.
    """
    rows, first_line = _table(path)
    parts = [part for block in _blocks(rows) for part in _records(block, first_line, path.name, variable)]
    return joined(parts)


def _records(rows: pd.DataFrame, first_line: int, name: str, variable: str | None) -> Iterator[Records]:
    """The rows of one table, for each of its columns of values."""
    columns = [column_of(str(header)) for header in rows.columns]
    notes: list[str] = []
    time = picked(columns, TIMES, "times", name)
    wide = site_columns(columns) if variable is None else []
    if wide:
        wanted = wide
        notes.append(f"columns taken as sites: {', '.join(site for site, _ in wide)}")
    else:
        wanted = value_columns(columns, name, notes) if variable is None else [("", named(columns, variable, name))]
    site, unit, zone = (optional(columns, names) for names in (SITES, UNIT_COLUMNS, ZONES))
    method = optional(columns, METHODS)
    rows = _with_whole_times(rows, time, columns, notes)
    zones = rows[zone.header].str.strip() if zone else (
        pd.Series(time.suffix, index=rows.index, dtype=str) if time.suffix else None
    )  # fmt: skip
    times, zone_notes = in_utc(rows[time.header].str.strip(), zones, first_line, name)
    sites = labels(rows[site.header]) if site else one_label("", len(rows))
    for label, value in wanted:
        values = _numbers(rows[value.header], first_line, name)
        qualified = [c for c in columns if c.name in QUALIFIERS or c.name == f"{value.name}_cd"]
        yield Records(
            one_label(label, len(rows)) if wide else sites,
            times,
            values,
            _units(rows, value, unit),
            _qualifiers(rows, qualified),
            one_label(label, len(rows)) if label and not wide else (labels(rows[method.header]) if method else None),
            (*notes, *zone_notes),
        )


def _table(path: Path) -> tuple[pd.DataFrame, int]:
    """The rows that are not blank, as text, and the line number of row 0."""
    try:
        start, header = _header(path)
        separator = max(",\t;", key=header.count)
        rows = pd.read_csv(
            path, sep=separator, skiprows=start, dtype=str, keep_default_na=False, skip_blank_lines=False,
            encoding="utf-8-sig", index_col=False, skipinitialspace=True,
        )  # fmt: skip
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as problem:
        raise ObservationError(
            f"{path.name} is not a table of text",
            reason=str(problem).strip().splitlines()[-1],
            hint="give comma-separated text in UTF-8, or NetCDF",
        ) from problem
    rows = rows.fillna("").astype(str)
    if len(rows) and all(_WIDTH.fullmatch(cell) for cell in rows.iloc[0]):
        rows = rows.iloc[1:]
    rows = rows[(rows != "").any(axis=1)]
    if rows.empty:
        raise ObservationError(f"{path.name} has a header but no rows", hint="choose another file or period")
    return rows, start + 2


def _header(path: Path) -> tuple[int, str]:
    """Number and text of the line of headers, the first that is no comment."""
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file):
            if line.strip() and not line.startswith("#"):
                return number, line
    raise ObservationError(f"{path.name} is empty", hint="give a table with a header, or NetCDF")


def _blocks(rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The tables of a file that has several below each other, each under its own header."""
    first = str(rows.columns[0])
    marks = np.flatnonzero((rows.iloc[:, 0] == first).to_numpy())
    if not marks.size:
        yield rows
        return
    if marks[0]:
        yield _uncommented(rows.iloc[: marks[0]])
    for mark, following in zip(marks, [*marks[1:], len(rows)], strict=True):
        header = [cell for cell in rows.iloc[mark] if cell]
        block = _uncommented(rows.iloc[mark + 1 : following].iloc[:, : len(header)])
        if len(block):
            yield block.set_axis(header, axis=1)


def _uncommented(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows that are neither comments nor widths of columns."""
    first = rows.iloc[:, 0]
    return rows[~(first.str.startswith("#") | first.str.fullmatch(_WIDTH.pattern))]


def _with_whole_times(rows: pd.DataFrame, time: Column, columns: list[Column], notes: list[str]) -> pd.DataFrame:
    """Rows with day and time of day in one; peaks whose day nobody knows are left out."""
    if time.name != "peak_dt":
        return rows
    unknown = rows[time.header].str.fullmatch(_UNKNOWN_DAY)
    if unknown.any():
        notes.append(f"{counted(int(unknown.sum()), 'peak')} without a day left out")
        rows = rows[~unknown]
    clock = next((column.header for column in columns if column.name == "peak_tm"), None)
    if clock is None:
        return rows
    return rows.assign(**{time.header: (rows[time.header] + " " + rows[clock]).str.strip()})


def _units(rows: pd.DataFrame, value: Column, unit: Column | None) -> pd.Categorical:
    """Units of each row: of the column of units, else of the header."""
    if unit is None:
        return one_label(value.suffix, len(rows))
    found = labels(rows[unit.header])
    if not value.suffix or "" not in found.categories:
        return found
    renamed = [value.suffix if name == "" else name for name in found.categories]
    unique = list(dict.fromkeys(renamed))
    place = np.array([unique.index(name) for name in renamed], dtype=np.int32)
    return pd.Categorical.from_codes(place[found.codes], categories=pd.Index(unique, dtype=object))


def _qualifiers(rows: pd.DataFrame, columns: list[Column]) -> pd.Categorical | None:
    """What is said of each row, codes joined with commas."""
    if not columns:
        return None
    text = rows[columns[0].header].str.strip()
    for column in columns[1:]:
        text = text + "," + rows[column.header].str.strip()
    found = labels(text)
    plain = [qualifier_codes(str(name)) for name in found.categories]
    return labels(np.array(plain, dtype=object)[found.codes])


def _numbers(text: pd.Series[str], first_line: int, name: str) -> NDArray[np.float64]:
    """Numbers out of text; NaN for what stands for a missing value."""
    values = pd.to_numeric(text, errors="coerce")
    doubtful = values.isna().to_numpy()
    if doubtful.any():
        said = text[doubtful].str.strip()
        wrong = ~said.str.lower().isin(_MISSING)
        if wrong.any():
            line = first_line + int(said.index[int(wrong.to_numpy().argmax())])
            raise ObservationError(
                f"{name} has a value that is no number",
                line=line,
                has=repr(said[wrong].iloc[0]),
                values=int(wrong.sum()),
                hint="write numbers with a decimal point and no thousands separator; leave missing values blank",
            )
    return values.to_numpy(dtype=np.float64, na_value=np.nan)
