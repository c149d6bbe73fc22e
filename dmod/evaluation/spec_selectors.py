"""Reading tables as selectors say: values of JSON by JSONPath, columns of CSV and RDB, in whole columns.

Values and what belongs to them are matched by where they stand in the document, so that one
member that is missing costs one value and not the file.
"""

from __future__ import annotations

import functools
import inspect
import io
import json
import re
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dmod.errors import InputError, ObservationError

if TYPE_CHECKING:
    from dmod.evaluation.spec_sources import Document
    from dmod.evaluation.specification import AssociatedField, LocationSpecification, ValueSelector

__all__ = [
    "as_type",
    "columns_of",
    "day_of_year",
    "days_of_year",
    "json_path",
    "json_table",
    "parsed_json",
    "place_in",
    "read_columns",
    "utc",
]

#: A key that JSONPath reads as it stands; others, such as cat-27, are quoted.
_BARE_KEY = re.compile(r"[^\W\d][\w]*$")
_PLAIN_KEY = re.compile(r"[\w][\w\-:]*$")
_FLOATS = frozenset({"float", "double", "number"})
_WHOLE = frozenset({"int", "integer"})
_TEXT = frozenset({"str", "string", "word", "id", "identifier"})
_DATES = frozenset({"datetime", "date", "time"})
#: The first of March in a leap year; see `day_of_year`.
_FIRST_OF_MARCH = 61


@functools.lru_cache(maxsize=1024)
def _compiled(text: str) -> Any:
    from jsonpath_ng.ext.parser import parse

    try:
        return parse(text)
    except Exception as problem:  # the parser raises plain Exception, and its lexer its own
        raise InputError(
            f"{text!r} is no JSONPath", reason=str(problem).partition("\n")[0],
            hint="write the keys one after the other: ['values[*]', 'value']",
        ) from problem  # fmt: skip


def json_path(parts: Sequence[str]) -> Any:
    """Parts of a path as one JSONPath; keys that are none by themselves are quoted.

    Raises
    ------
    InputError
        If it is none.
    """
    quoted = [f"'{part}'" if _PLAIN_KEY.match(part) and not _BARE_KEY.match(part) else part for part in map(str, parts)]
    return _compiled(".".join(quoted) or "$")


def parsed_json(document: Document) -> Any:
    """What a document of JSON holds.

    Raises
    ------
    ObservationError
        If it is none.
    """
    try:
        return json.loads(document.read())
    except (json.JSONDecodeError, UnicodeDecodeError) as problem:
        raise ObservationError("the file is not JSON", path=document.name, reason=problem) from problem


def json_table(content: Any, selector: ValueSelector, *, name: str) -> pd.DataFrame:
    """Values that *selector* finds in a JSON document, one row each, with what belongs to them.

    Parameters
    ----------
    content : object
        The document.
    selector : ValueSelector
        Which values.
    name : str
        The document's name, for messages.

    Raises
    ------
    ObservationError
        If a field is nowhere, or it is open which of its values belong to which.
    """
    tables = [
        _below_key(found, selector, name) if selector.where == "key" else _below_value(found, selector, name)
        for found in json_path(selector.origin).find(content)
    ]
    kept = [table for table in tables if len(table)]
    columns = [selector.label, *(field.label for field in selector.associated_fields)]
    return pd.concat(kept, ignore_index=True) if kept else pd.DataFrame(columns=columns)


def _below_key(origin: Any, selector: ValueSelector, name: str) -> pd.DataFrame:
    found = json_path(selector.path or ["*"]).find(origin)
    table = {selector.label: as_type([str(one.path) for one in found], selector.datatype)}
    for field in selector.associated_fields:
        path = json_path(field.parts)
        values = [next((hit.value for hit in path.find(one)), None) for one in found]
        if found and all(value is None for value in values):
            raise _nowhere(field, name)
        table[field.label] = as_type(values, field.datatype)
    return pd.DataFrame(table)


def _below_value(origin: Any, selector: ValueSelector, name: str) -> pd.DataFrame:
    parts = selector.parts
    records = json_path(parts[:-1]).find(origin) if len(parts) > 1 else [origin]
    per_record = _at_end(parts[-1])
    rows = [(i, value) for i, record in enumerate(records) for value in per_record(record)]
    of_record = np.array([i for i, _ in rows], dtype=np.int64)
    table = {selector.label: as_type([value for _, value in rows], selector.datatype)}
    if not rows:
        return pd.DataFrame(table)
    for field in selector.associated_fields:
        if len(parts) > 1 and field.parts[:-1] == parts[:-1]:
            last = _at_end(field.parts[-1])
            of_each = [next(iter(last(record)), None) for record in records]
            values = [of_each[i] for i in of_record]
        else:
            values = _beside(origin, field, len(rows), name)
        if all(value is None for value in values):
            raise _nowhere(field, name)
        table[field.label] = as_type(values, field.datatype)
    return pd.DataFrame(table)


def _at_end(part: str) -> Callable[[Any], list[Any]]:
    """From a record to its values at the last part of a path; most are plain keys, which need no parser."""
    if _PLAIN_KEY.match(part):
        return lambda record: [record.value[part]] if isinstance(record.value, dict) and part in record.value else []
    path = json_path([part])
    return lambda record: [hit.value for hit in path.find(record)]


def _beside(origin: Any, field: AssociatedField, rows: int, name: str) -> list[Any]:
    """Values of a field that has a path of its own: one for all rows, or one for each."""
    found = [hit.value for hit in json_path(field.parts).find(origin)]
    if len(found) <= 1:
        return (found or [None]) * rows
    if len(found) == rows:
        return found
    raise ObservationError(
        f"it is open which values of {field.label!r} belong to which",
        path=name, values=rows, fields=len(found),
        hint="give value and field the same path up to the last key",
    )  # fmt: skip


def _nowhere(field: AssociatedField, name: str) -> ObservationError:
    return ObservationError(f"the field {field.label!r} is nowhere", path=name, looked_for=".".join(field.parts))


def as_type(values: Sequence[Any], datatype: str | None) -> pd.Series[Any]:
    """Values as what a field is said to be; NaN, NaT or None for what is none.

    Parameters
    ----------
    values : sequence
        As they were read.
    datatype : str or None
        ``datetime``, ``float``, ``int``, ``string``, ``day`` or a spelling of them.
    """
    series = pd.Series(list(values), dtype=object)
    if datatype in _DATES:
        return utc(series)
    if datatype in _FLOATS or datatype in _WHOLE:
        return pd.to_numeric(series, errors="coerce").astype(np.float64)
    if datatype == "day":
        return pd.Series([day_of_year([value]) for value in series], dtype=np.float64)
    if datatype in _TEXT:
        return pd.Series([None if value is None or value is pd.NA else str(value) for value in values], dtype=object)
    return series


def utc(values: pd.Series[Any]) -> pd.Series[Any]:
    """Instants as naive datetime64 in UTC; those without a time zone are taken as UTC already.

    Raises
    ------
    ObservationError
        If one cannot be read.
    """
    try:
        times = pd.to_datetime(values, utc=True, format="ISO8601" if values.dtype == object else None)
    except (ValueError, TypeError):
        try:
            times = pd.to_datetime(values, utc=True, format="mixed")
        except (ValueError, TypeError) as problem:
            raise ObservationError("an instant cannot be read", reason=str(problem).partition("\n")[0]) from problem
    return times.dt.tz_localize(None).astype("datetime64[ns]")


def day_of_year(values: Sequence[Any]) -> float:
    """A day of a leap year, 1 to 366 [1], from a number, month and day, year, month and day, or an instant [UTC].

    >>> day_of_year([3, 1]), day_of_year(["2021-03-01"]), day_of_year([60]), day_of_year(["2021-12-31T23:30-05:00"])
    (61.0, 61.0, 60.0, 1.0)
    """
    if len(values) == 1 and not _is_number(values[0]):
        if values[0] is None or values[0] is pd.NaT:
            return float("nan")
        at = pd.Timestamp(values[0])
        at = at if at.tzinfo is None else at.tz_convert("UTC")
        return float(days_of_year(pd.DatetimeIndex([at.tz_localize(None)]))[0])
    numbers = [int(float(value)) for value in values if _is_number(value)]
    if len(numbers) == 1 and 1 <= numbers[0] <= 366:
        return float(numbers[0])
    if len(numbers) in (2, 3):
        try:
            return float(pd.Timestamp(year=2020, month=numbers[-2], day=numbers[-1]).day_of_year)
        except ValueError:
            return float("nan")
    return float("nan")


def days_of_year(times: pd.DatetimeIndex) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Days of a leap year, 1 to 366 [1], of instants [UTC]: the first of March is 61 in every year."""
    late = ~times.is_leap_year & (times.day_of_year >= _FIRST_OF_MARCH - 1)
    return np.asarray(times.day_of_year, dtype=np.float64) + late


def _is_number(value: Any) -> bool:
    try:
        return bool(np.isfinite(float(value)))
    except (TypeError, ValueError):
        return False


def columns_of(selectors: Sequence[ValueSelector], frame: pd.DataFrame, *, name: str) -> pd.DataFrame:
    """The columns that selectors name, each as what it is said to be.

    Raises
    ------
    ObservationError
        If a column is not there, or a selector is none of columns.
    """
    wanted: dict[str, str | None] = {}
    for selector in selectors:
        if selector.where == "constant":
            continue
        if selector.where != "column":
            raise ObservationError(
                f"a selector of a table says where: column, {selector.label!r} says {selector.where}", path=name
            )
        for field in (selector, *selector.associated_fields):
            wanted.setdefault(field.label, field.datatype)
    if lacking := [column for column in wanted if column not in frame]:
        raise ObservationError(
            f"the file has no column {lacking[0]!r}", path=name, has=", ".join(map(str, frame.columns))
        )
    typed = {
        column: as_type(frame[column].tolist(), kind) if kind else frame[column] for column, kind in wanted.items()
    }
    return pd.DataFrame({column: values.set_axis(frame.index) for column, values in typed.items()})


def read_columns(
    document: Document, *, options: dict[str, Any], text: Sequence[str] = (), rdb: bool = False
) -> pd.DataFrame:
    """A table of CSV or RDB.

    Parameters
    ----------
    document : Document
        Where.
    options : dict
        Arguments of `pandas.read_csv`, among others that do not matter; dates are read later.
    text : sequence of str
        Columns of names, which must not become numbers.
    rdb : bool
        Whether it is RDB: tabs, comments of ``#``, and a row of column types below the names.

    Raises
    ------
    ObservationError
        If it cannot be read.
    """
    known = inspect.signature(pd.read_csv).parameters
    given = {key: value for key, value in options.items() if key in known and key not in ("parse_dates", "date_parser")}
    read: Callable[..., pd.DataFrame] = pd.read_csv
    try:
        kinds = {**dict.fromkeys(text, str), **given.pop("dtype", {})}
        if not rdb:
            return read(io.BytesIO(document.read()), dtype=kinds, **given)
        lines = [line for line in document.read().decode().splitlines() if line and not line.startswith("#")]
        typed = zip(lines[0].split("\t"), lines[1].split("\t"), strict=False)
        kinds = {**{name: str for name, kind in typed if not kind.endswith("n")}, **kinds}
        return read(io.StringIO("\n".join([lines[0], *lines[2:]])), sep="\t", dtype=kinds, **given)
    except (ValueError, IndexError, OSError, TypeError) as problem:
        raise ObservationError(
            "the table cannot be read", path=document.name, reason=str(problem).partition("\n")[0]
        ) from problem


def place_in(document: Document, locations: LocationSpecification) -> str:
    """The place that a file's name tells: what its pattern matches, or its name without the ending."""
    stem = PurePosixPath(document.name).stem
    if locations.pattern:
        pattern = "/".join(locations.pattern) if isinstance(locations.pattern, list) else locations.pattern
        for text in (stem, document.name):
            try:
                if found := re.search(pattern, text):
                    return found.group()
            except re.error as problem:
                raise InputError(f"{pattern!r} is no regex", reason=problem) from problem
    return stem
