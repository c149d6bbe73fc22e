"""One CSV file of forcing: its header, its times and its values.

The header is read without the rest, and the time axis from the first two rows and the
last; `parse` reads everything. Errors name the file, the row as an editor counts it,
and what stands there.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import SEEK_END
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dmod.errors import ForcingError
from dmod.formats.forcing import KNOWN, TimeAxis

__all__ = ["Header", "Texts", "check_times", "header_of", "no_number", "parse", "time_axis"]

#: A column as it stands in the file.
Texts = NDArray[np.object_]

#: Spacing [s] of a file with a single row; the one that ngen assumes.
_STEP_S = 3600
#: How much of the end of a file is read to find its last row.
_TAIL_BYTES = 64 * 1024
_CLOSES = {"]": "[", ")": "("}


@dataclass(frozen=True, slots=True)
class Header:
    """The first row of a file."""

    #: How many columns there are.
    width: int
    #: Place of the time column, counted from 0.
    time: int
    #: Variable name to its units.
    units: Mapping[str, str]
    #: Variable name to the place of its column.
    place: Mapping[str, int]


def header_of(path: Path) -> Header:
    """Read the first row of a file.

    Raises
    ------
    ForcingError
        If there is none, or no column ``time`` or ``Time``, or two columns with one name, or
        more columns than names.
    """
    names, first = [*_first_rows(path, 2), [], []][:2]
    time = next((place for place, name in enumerate(names) if name.strip() in {"time", "Time"}), None)
    if time is None:
        raise ForcingError(
            "the forcing file has no column of times" if names else "the forcing file is empty",
            path=path,
            row=1,
            needed="a column 'time' or 'Time'",
            has=", ".join(names) or "nothing",
            hint="the first row names the columns, such as: time,precip_rate,TMP_2maboveground",
        )
    # pandas refuses later rows that are too long, but would cut all at the length of the header.
    if len(first) > len(names):
        raise ForcingError(
            "a row of the forcing file has more values than the header has names",
            path=path,
            row=2,
            needed=f"{len(names)} values",
            has=f"{len(first)} values",
            hint="name every column, and end rows without a comma",
        )
    units: dict[str, str] = {}
    places: dict[str, int] = {}
    for place, column in enumerate(names):
        if place == time or not column.strip():
            continue
        name, stated = _name_and_units(column)
        if name in units:
            raise ForcingError(
                "two columns of the forcing file have one name",
                path=path,
                row=1,
                has=f"{name!r} twice",
                hint="rename or delete one of them",
            )
        units[name] = stated or (KNOWN[name].units if name in KNOWN else "1")
        places[name] = place
    return Header(len(names), time, units, places)


def time_axis(path: Path, column: int) -> TimeAxis:
    """The times of a file, told by its first two rows and its last; rows between are not read."""
    rows = _first_rows(path, 3)[1:]
    if not rows:
        raise ForcingError(
            "the forcing file has no values",
            path=path,
            needed="a row for each time",
            has="a header only",
            hint="write the file again; its writing may have been cut short",
        )
    rows.append(_last_row(path))
    texts = np.array([row[column] if column < len(row) else "" for row in rows], dtype=object)
    instants = _instants(path, texts)
    start, last = int(instants[0]), int(instants[-1])
    step = int(instants[1]) - start if len(rows) > 2 else _STEP_S
    if step <= 0 or (last - start) % step or last < start:
        raise ForcingError(
            "the times of the forcing file are not equally spaced",
            path=path,
            row=3 if step <= 0 else "the last",
            has=f"{', '.join(texts[:-1])} .. {texts[-1]}",
            hint="times must climb in equal steps, without gaps or repeats",
        )
    return TimeAxis(start, step, (last - start) // step + 1)


def parse(path: Path, header: Header, variables: Sequence[str]) -> tuple[Texts, dict[str, NDArray[np.generic]]]:
    """Read a file.

    Parameters
    ----------
    path : Path
        The file.
    header : Header
        Its first row.
    variables : sequence of str
        Which columns to read.

    Returns
    -------
    times : array of str, shape (time,)
        As they stand in the file.
    values : dict of arrays, shape (time,)
        Numbers; the texts of a column where one of them is none, for `no_number` to name.

    Raises
    ------
    ForcingError
        If it is no CSV.
    """
    try:
        # Columns go by place, not by name: what headers say beside the name is no matter here.
        table = pd.read_csv(
            path,
            encoding="utf-8-sig",
            header=0,
            names=list(range(header.width)),
            dtype={header.time: object},
            index_col=False,
            skipinitialspace=True,
            na_filter=False,
            low_memory=False,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, OSError) as error:
        raise ForcingError(
            "the forcing file cannot be read",
            path=path,
            reason=str(error).strip(),
            hint="every row needs as many values as the header has names",
        ) from error
    values = {variable: _numbers(table[header.place[variable]]) for variable in variables}
    return table[header.time].to_numpy(dtype=object), values


def check_times(path: Path, texts: Texts, axis: TimeAxis) -> None:
    """Refuse a file whose times are not those of the axis, naming the first row that is not."""
    instants = _instants(path, texts)
    due = axis.start_s + axis.step_s * np.arange(len(texts))
    wrong = np.flatnonzero(instants != due)
    if wrong.size:
        row = int(wrong[0])
        raise ForcingError(
            "the times of a forcing file are not as expected",
            path=path,
            row=row + 2,
            needed=f"{pd.Timestamp(int(due[row]), unit='s')}, of {axis}",
            has=texts[row],
            hint="times must climb in equal steps, without gaps or repeats, alike in all files",
        )
    if len(texts) != axis.count:
        raise ForcingError(
            "the forcing files differ in length",
            path=path,
            needed=f"{axis.count} values, {axis}",
            has=f"{len(texts)} values",
            hint="give all files the same times",
        )


def no_number(path: Path, variable: str, texts: NDArray[np.generic]) -> ForcingError:
    """The error for a column in which something is no number."""
    bad = np.flatnonzero([not _is_number(text) for text in texts])
    row = int(bad[0]) if bad.size else 0
    return ForcingError(
        "a forcing value is no number",
        path=path,
        row=row + 2,
        column=variable,
        has=repr(str(texts[row])) if str(texts[row]).strip() else "nothing",
        hint="mend the value in the file; nothing is filled in for you",
    )


def _name_and_units(column: str) -> tuple[str, str]:
    """A header apart: name and units, if it ends in one pair of like brackets; else all is name."""
    text = column.strip()
    opens = text.rfind(_CLOSES[text[-1]]) if text and text[-1] in _CLOSES else -1
    # 'PSFC[Pa)' ends in another bracket than it opens: to ngen, and here, that is a name.
    if opens < 1 or any(bracket in text[opens + 1 : -1] for bracket in "[]()"):
        return text, ""
    return text[:opens].strip(), text[opens + 1 : -1].strip()


def _first_rows(path: Path, count: int) -> list[list[str]]:
    """Up to *count* first rows that hold anything."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows: list[list[str]] = []
            for row in csv.reader(file):
                if row:
                    rows.append(row)
                if len(rows) == count:
                    break
            return rows
    except OSError as error:
        raise ForcingError(
            "the forcing file cannot be opened",
            path=path,
            reason=error.strerror or error,
            hint="check 'path' and 'file_pattern' of the forcing in the realization",
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ForcingError(
            "the forcing file is no text",
            path=path,
            reason=error,
            hint="for NetCDF set the provider to 'NetCDF'",
        ) from error


def _last_row(path: Path) -> list[str]:
    """The last row that holds anything."""
    with path.open("rb") as file:
        size = file.seek(0, SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES))
        tail = file.read().decode("utf-8", "replace").rstrip()
    return next(csv.reader([tail.splitlines()[-1]]))


def _instants(path: Path, texts: Texts) -> NDArray[np.int64]:
    """Times as seconds since 1970, in UTC where they do not say otherwise."""
    instants = pd.to_datetime(pd.Series(texts, dtype=object), utc=True, format="ISO8601", errors="coerce")
    if instants.isna().any():
        row = int(instants.isna().to_numpy().argmax())
        raise ForcingError(
            "a time of the forcing file cannot be read",
            path=path,
            row=row + 2,
            needed="a time such as 2015-12-01 00:00:00",
            has=repr(texts[row]),
            hint="write times as year-month-day hour:minute:second, in UTC",
        )
    return pd.DatetimeIndex(instants).as_unit("s").asi8


def _numbers(column: pd.Series) -> NDArray[np.generic]:
    """A column as float64, or its texts where one of them is no number."""
    if column.dtype.kind in "iuf":
        return column.to_numpy(dtype=np.float64)
    texts = column.to_numpy(dtype=object)
    try:
        # Reached for spellings such as 'nan', which pandas leaves alone; truth values come as bool.
        return np.array([float(str(text)) for text in texts], dtype=np.float64)
    except ValueError:
        return texts


def _is_number(text: object) -> bool:
    """Whether *text* reads as a number."""
    try:
        float(str(text))
    except ValueError:
        return False
    return True
