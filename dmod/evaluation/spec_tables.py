"""Sources of a specification as tables: one row for each value, with its place, instant and unit.

`read_source` reads observations or predictions, `read_crosswalk` which places belong together, and
`as_array` makes one array over place and time of a table. What is changed on the way is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dmod.errors import ObservationError, UnitsError
from dmod.evaluation.given import as_series, labels_of, place_of
from dmod.evaluation.observations import NO_DATA
from dmod.evaluation.spec_selectors import (
    as_type,
    columns_of,
    json_path,
    json_table,
    parsed_json,
    place_in,
    read_columns,
    utc,
)
from dmod.evaluation.spec_sources import Document, documents
from dmod.evaluation.specification import CrosswalkSpecification, DataSourceSpecification
from dmod.units import conversion

__all__ = ["PLACE", "TIME", "UNIT", "VALUE", "Reading", "as_array", "in_units", "read_crosswalk", "read_source"]

#: Columns of a table that was read.
PLACE, TIME, VALUE, UNIT = "place", "time", "value", "unit"

#: Where there is nothing else to say which place it is.
_ONE_PLACE = "all"


@dataclass(frozen=True)
class Reading:
    """What reading needs to know beside the specification."""

    #: Directory that addresses are relative to.
    folder: Path
    #: Arrays by the names that backends of kind memory have as addresses.
    memory: Mapping[str, Any]
    #: Told what a reader of the scores should know.
    tell: Callable[[str], None]
    #: Whether values that stand for a missing one are taken as missing; the original takes them as flows.
    codes_are_missing: bool = True


def read_source(
    source: DataSourceSpecification, reading: Reading, *, place_field: str | None, role: str
) -> pd.DataFrame:
    """Observations or predictions as a table of `PLACE`, `TIME`, `VALUE` and `UNIT`.

    Parameters
    ----------
    source : DataSourceSpecification
        What and how.
    reading : Reading
        Where, and who is told.
    place_field : str or None
        The field of places that a crosswalk names.
    role : str
        ``obs`` or ``sim``, for messages.

    Raises
    ------
    ObservationError
        If it cannot be read, or has no places, instants or values.
    """
    if source.backend.backend_type == "memory" or source.backend.format in ("netcdf", "zarr", "parquet"):
        table = _of_arrays(source, reading, role)
    else:
        frames = [_of_document(document, source) for document in documents(source.backend, reading.folder)]
        table = _with_names(pd.concat(frames, ignore_index=True), source, place_field, role)
    table = table[table[TIME].notna() & table[PLACE].notna()]
    return _without_codes(table, source, reading, role)


def read_crosswalk(crosswalk: CrosswalkSpecification, folder: Path) -> pd.DataFrame:
    """Observed and predicted places that belong together, columns ``obs`` and ``sim``.

    Raises
    ------
    ObservationError
        If it cannot be read.
    """
    names = [crosswalk.observation_field_name, crosswalk.predicted]
    rows = []
    for document in documents(crosswalk.backend, folder):
        if crosswalk.backend.format == "json":
            roots = [hit.value for hit in json_path(crosswalk.origin).find(parsed_json(document))]
            frames = [json_table(root, crosswalk.field, name=document.name) for root in roots]
            frame = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
        else:
            rdb = crosswalk.backend.format == "rdb"
            held = read_columns(document, options=crosswalk.backend.properties, text=names, rdb=rdb)
            frame = columns_of([crosswalk.field], held, name=document.name)
        if lacking := [name for name in names if name not in frame]:
            raise ObservationError(
                f"the crosswalk has no field {lacking[0]!r}", path=document.name, has=", ".join(map(str, frame.columns))
            )
        rows.append(pd.DataFrame({"obs": frame[names[0]], "sim": frame[names[1]]}))
    table = pd.concat(rows, ignore_index=True).dropna().astype(str).drop_duplicates(ignore_index=True)
    if table.empty:
        raise ObservationError("the crosswalk names no places", address=crosswalk.backend.address)
    return table


def as_array(table: pd.DataFrame, places: Sequence[str], *, units: str, duplicates: str, role: str) -> xr.DataArray:
    """A table over place and time, in one unit; NaN where it says nothing.

    Parameters
    ----------
    table : pandas.DataFrame
        Of `read_source`.
    places : sequence of str
        Which places, in which order; one may be there several times.
    units : str
        What values are converted to.
    duplicates : str
        Which of several values of one instant counts: ``first``, ``last``, ``mean``, or ``error``.
    role : str
        ``obs`` or ``sim``, for messages.

    Raises
    ------
    ObservationError
        If units do not convert, or an instant has several values and that is an error.
    """
    table = table.assign(**{VALUE: in_units(table, units, role)})
    repeated = table.duplicated([PLACE, TIME])
    if repeated.any():
        first = table[repeated].iloc[0]
        if duplicates == "error":
            raise ObservationError(
                f"{role} has an instant twice", place=first[PLACE], instant=f"{first[TIME]:%Y-%m-%dT%H:%MZ}",
                hint="say which counts: pairing: {duplicates: first}",
            )  # fmt: skip
        if duplicates == "mean":
            table = table.groupby([PLACE, TIME], sort=False)[VALUE].mean().reset_index()
        else:
            table = table.drop_duplicates([PLACE, TIME], keep="first" if duplicates == "first" else "last")
    wide = (
        table.pivot(index=TIME, columns=PLACE, values=VALUE).sort_index().reindex(columns=list(dict.fromkeys(places)))
    )
    values = wide[list(places)].to_numpy(dtype=np.float64).T
    return xr.DataArray(values, {"time": wide.index.to_numpy()}, ("place", "time"), attrs={"units": units})


def in_units(table: pd.DataFrame, units: str, role: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Values of a table in one unit: a factor for each unit it has, not a conversion for each row.

    Raises
    ------
    ObservationError
        If one does not convert.
    """
    values = table[VALUE].to_numpy(dtype=np.float64, copy=True)
    for unit in table[UNIT].unique():
        try:
            factor = conversion(str(unit), units)
        except UnitsError as problem:
            raise ObservationError(
                f"{role} is in units that do not convert",
                has=unit,
                needed=units,
                hint="compare discharge with discharge",
            ) from problem
        if not factor.is_identity:
            rows = (table[UNIT] == unit).to_numpy()
            values[rows] = values[rows] * factor.slope + factor.intercept
    return values


def _of_document(document: Document, source: DataSourceSpecification) -> pd.DataFrame:
    """One file or answer, its columns as the specification calls them."""
    kind = source.backend.format
    if kind == "json":
        frame = _of_json(document, source)
    else:
        text = [
            one.label for s in source.value_selectors for one in (s, *s.associated_fields) if _is_text(one.datatype)
        ]
        place = source.locations
        if place is not None and place.from_field not in (None, "filename", "value"):
            text.append(place.parts[-1] if place.from_field == "column" and place.parts else str(place.from_field))
        held = read_columns(document, options=source.backend.properties, text=text, rdb=kind == "rdb")
        frame = columns_of(source.value_selectors, held, name=document.name)
        for name in (*text, *source.reject):
            if name in held and name not in frame:
                frame[name] = held[name]
        if source.unit is not None and source.unit.field in held:
            frame[UNIT] = held[source.unit.field]
    for selector in source.value_selectors:
        if selector.where == "constant":
            frame[selector.label] = as_type([selector.parts[0]], selector.datatype).iloc[0]
        elif selector.where == "filename" and source.locations is not None:
            frame[selector.label] = place_in(document, source.locations)
    if source.locations is not None and source.locations.from_field == "filename":
        frame["location"] = place_in(document, source.locations)
    if source.unit is not None and source.unit.value:
        frame[UNIT] = source.unit.value
    renamed = {m.value: m.field for m in source.field_mapping if m.map_type == "column" and m.value in frame}
    return frame.rename(columns=renamed)


def _of_json(document: Document, source: DataSourceSpecification) -> pd.DataFrame:
    content = parsed_json(document)
    frame: pd.DataFrame | None = None
    for selector in source.value_selectors:
        if selector.where in ("constant", "filename"):
            continue
        found = json_table(content, selector, name=document.name)
        shared = [] if frame is None else [column for column in frame if column in found]
        if frame is not None:
            found = frame.merge(found, on=shared, how="left") if shared else frame.join(found)
        frame = found
    frame = pd.DataFrame() if frame is None else frame
    unit = source.unit
    if unit is not None and unit.path:
        frame[UNIT] = next((hit.value for hit in json_path(unit.path).find(content)), None)
    return frame


def _is_text(datatype: str | None) -> bool:
    return datatype in ("str", "string", "word", "id", "identifier")


def _with_names(
    frame: pd.DataFrame, source: DataSourceSpecification, place_field: str | None, role: str
) -> pd.DataFrame:
    """Columns by our names: place, time, value and unit; the others stay."""
    unit = source.unit.field if source.unit is not None and source.unit.field else UNIT
    place = _place_column(frame, source, place_field)
    for what, column in (("value_field", source.value_field), ("x_axis", source.x_axis), ("unit", unit)):
        if column not in frame:
            raise ObservationError(
                f"{role} has no field {column!r}", needed=what, has=", ".join(map(str, frame.columns)) or "nothing",
                hint="read it with a selector, or map a field to it",
            )  # fmt: skip
    others = {str(column): frame[column] for column in frame if column in source.reject}
    times = frame[source.x_axis]
    return pd.DataFrame(
        {
            **others,
            PLACE: place,
            TIME: times if times.dtype.kind == "M" and getattr(times.dt, "tz", None) is None else utc(times),
            VALUE: pd.to_numeric(frame[source.value_field], errors="coerce").astype(np.float64),
            UNIT: frame[unit],
        }
    )


def _place_column(frame: pd.DataFrame, source: DataSourceSpecification, place_field: str | None) -> Any:
    """Which place each row is of."""
    place = source.locations
    wanted = [place_field] if place_field else []
    if place is not None and place.from_field == "column" and place.parts:
        wanted.append(place.parts[-1])
    elif place is not None and place.from_field not in (None, "value", "filename"):
        wanted.append(str(place.from_field))
    for name in (*wanted, "location", "observation_location", "prediction_location"):
        if name in frame:
            return frame[name].map(str, na_action="ignore")
    if place is not None and place.ids and len(place.ids) == 1:
        return place.ids[0]
    if place_field is None:
        return _ONE_PLACE
    raise ObservationError(
        f"nothing says which {place_field!r} a value is of", has=", ".join(map(str, frame.columns)),
        hint="read it as an associated field, or say locations",
    )  # fmt: skip


def _of_arrays(source: DataSourceSpecification, reading: Reading, role: str) -> pd.DataFrame:
    """A source that is an array already, or a file of arrays."""
    units = source.unit.value if source.unit is not None else None
    if source.backend.backend_type == "memory":
        address = str(source.backend.address)
        if address not in reading.memory:
            known = ", ".join(map(str, reading.memory)) or "nothing"
            raise ObservationError(f"nothing in memory is called {address!r}", has=known)
        held = [as_series(reading.memory[address], role, units=units)]
    else:
        paths = [document.path for document in documents(source.backend, reading.folder)]
        held = [as_series(path, role, units=units, variable=source.value_field) for path in paths]
    frames = []
    for series in held:
        place = place_of(series)
        labels = labels_of(series) or [_ONE_PLACE]
        values = series.transpose(*([place] if place else []), "time").to_numpy().reshape(len(labels), -1)
        times = series["time"].to_numpy().astype("datetime64[ns]")
        frames.append(
            pd.DataFrame(
                {
                    PLACE: np.repeat(np.array(labels[: len(values)], dtype=object), len(times)),
                    TIME: np.tile(times, len(values)),
                    VALUE: values.ravel().astype(np.float64),
                    UNIT: str(series.attrs.get("units", "")),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _without_codes(table: pd.DataFrame, source: DataSourceSpecification, reading: Reading, role: str) -> pd.DataFrame:
    for column, wrong in source.reject.items():
        if column not in table:
            raise ObservationError(f"{role} has no field {column!r} to reject values by")
        out = table[column].map(lambda told, wrong=wrong: _tells(told, wrong))
        if out.any():
            reading.tell(f"{role}: {int(out.sum()):,} values are left out for their {column}")
        table = table[~out]
    codes = source.no_data if source.no_data is not None else NO_DATA if reading.codes_are_missing else ()
    missing = table[VALUE].isin(list(codes))
    if missing.any():
        listed = ", ".join(f"{code:.10g}" for code in codes)
        reading.tell(f"{role}: {int(missing.sum()):,} values of {listed} are taken as missing")
        table = table.assign(**{VALUE: table[VALUE].mask(missing)})
    return table


def _tells(told: Any, wrong: Sequence[Any]) -> bool:
    """Whether a field, which may be a list of qualifiers, has one of the values that are left out."""
    return bool({str(one) for one in (told if isinstance(told, list) else [told])} & {str(one) for one in wrong})
