"""What people give to be compared, as one array over time: tables, datasets, files, runs.

`as_series` takes all of them. Times become UTC, names of dimensions those of the room
(`PLACES` any, `LEAD`, `MEMBER`, ``time``), and what was assumed is told in the attribute
``notes``. Values stay where they are: nothing lazy is loaded.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from dmod.errors import ObservationError, UnitsError
from dmod.evaluation.observations import UNITS, read_observations
from dmod.evaluation.table_columns import SITES, TIMES, UNIT_COLUMNS, VALUES
from dmod.units import conversion

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["LEAD", "MEMBER", "ZONE", "Duplicates", "as_series", "labels_of", "place_of", "times_of"]

Duplicates = Literal["error", "first", "last", "mean"]

#: Names of the dimensions of forecasts.
LEAD, MEMBER = "lead_time", "member"
#: The attribute that tells in which zone times were given.
ZONE = "time_zone"

#: What others call the dimensions.
_SPELLED = {
    "valid_time": "time", "value_time": "time", "datetime": "time", "routed-time": "time",
    "lead": LEAD, "leadtime": LEAD, "forecast_lead": LEAD,
    "ensemble": MEMBER, "ens": MEMBER, "number": MEMBER, "realization": MEMBER,
}  # fmt: skip
#: What is taken of several values of one instant: positions count, also those of missing values.
_OF_SEVERAL: Mapping[str, Any] = {
    "first": lambda column: column.iloc[0], "last": lambda column: column.iloc[-1], "mean": "mean",
}  # fmt: skip
#: Discharge in outputs and files, the best first.
_FLOWS = ("nexus_flow", "streamflow", "discharge", "flow", "routed_flow")


def as_series(
    given: Any, role: str, *, units: str | None = None, variable: str | None = None, duplicates: Duplicates = "error"
) -> xr.DataArray:
    """Values over ``time``, and over places, lead times and members where there are several.

    Parameters
    ----------
    given : DataArray, Dataset, DataFrame, Series, path, or Job
        A table has times as its index and a column for each site, or a row for each value. A path
        is a file of observations, or outputs of a run.
    role : str
        ``sim`` or ``obs``, for messages.
    units : str, optional
        Units of what does not say its own.
    variable : str, optional
        Which variable or column to take; the one that is discharge otherwise.
    duplicates : {"error", "first", "last", "mean"}
        Which of several values of one instant counts, in files and in tables with a row for each value.

    Returns
    -------
    xarray.DataArray
        With dimension ``time``, naive datetime64 in UTC.

    Raises
    ------
    ObservationError
        If it holds no series, or it is open which is meant.
    """
    if hasattr(given, "outputs"):
        given = given.outputs
    if isinstance(given, str | os.PathLike):
        given = _opened(Path(given).expanduser(), units, variable, duplicates)
    if isinstance(given, pd.Series | pd.DataFrame):
        given = _from_table(given, role, variable, duplicates)
    if isinstance(given, xr.Dataset):
        given = given[_flow_in(given, role, variable)]
    if not isinstance(given, xr.DataArray):
        raise ObservationError(
            f"{role} is nothing that holds a series",
            has=type(given).__name__,
            needed="a DataArray, Dataset, DataFrame, path or Job",
        )
    return _in_our_words(_by_lead(given), role, units)


def place_of(series: xr.DataArray) -> str | None:
    """Name of the dimension of places, such as ``nexus-id``; None for a single one."""
    return next((str(dim) for dim in series.dims if dim not in ("time", LEAD, MEMBER)), None)


def labels_of(series: xr.DataArray) -> list[str]:
    """Labels of the places, of which there may be one, as a coordinate, or none."""
    place = place_of(series)
    if place is not None:
        return [_text(label) for label in series[place].values.tolist()]
    return [_text(c.item()) for c in series.coords.values() if c.ndim == 0 and c.dtype.kind in "OUSTiu"]


def times_of(series: xr.DataArray) -> pd.DatetimeIndex:
    """The instants of a series."""
    return pd.DatetimeIndex(series["time"].to_numpy()).as_unit("ns")


def _text(label: object) -> str:
    return label.decode() if isinstance(label, bytes) else str(label).strip()


def _opened(path: Path, units: str | None, variable: str | None, duplicates: Duplicates) -> xr.Dataset | xr.DataArray:
    """Outputs of a run, or observations."""
    from dmod.data.kinds import Category, Format
    from dmod.formats.describe import Glance, detectors
    from dmod.formats.outputs import open_outputs

    if path.exists():
        glance = Glance(path)
        kind = next((one.format for one in detectors() if one.sniff(glance)), Format.GENERIC)
        if kind.categories == (Category.OUTPUT,) and kind is not Format.EVALUATION:
            return open_outputs(path)
    return read_observations(path, units=units, variable=variable, duplicates=duplicates)


def _flow_in(dataset: xr.Dataset, role: str, wanted: str | None) -> Hashable:
    """The variable to compare: the one named, else the one that is discharge."""
    over_time = {
        str(name): str(held.attrs.get("units", ""))
        for name, held in dataset.data_vars.items()
        if held.dtype.kind in "fiu" and {_SPELLED.get(str(dim), str(dim)) for dim in held.dims} & {"time", LEAD}
    }
    if wanted is not None:
        likely = [wanted] if wanted in over_time else []
    else:
        flows = [name for name, units in over_time.items() if _is_discharge(units)]
        known = [name for name in _FLOWS if name in flows] or [name for name in _FLOWS if name in over_time]
        likely = known[:1] or flows or (list(over_time) if len(over_time) == 1 else [])
    if len(likely) == 1:
        return likely[0]
    raise ObservationError(
        f"{role} has no variable {wanted!r} over time" if wanted else f"it is open which variable of {role} is meant",
        has=", ".join(f"{name} [{units or 'no units'}]" for name, units in over_time.items()) or "nothing over time",
        hint=f"give the variable itself: {role}['{next(iter(over_time), 'streamflow')}']",
    )


def _is_discharge(units: str) -> bool:
    try:
        conversion(units, UNITS)
    except UnitsError:
        return False
    return True


def _from_table(
    given: pd.DataFrame | pd.Series[Any], role: str, variable: str | None, duplicates: Duplicates
) -> xr.DataArray:
    """A column for each site below times, or a row for each value."""
    if isinstance(given, pd.Series) and given.name is None:
        return _from_table(given.to_frame("value"), role, variable, duplicates).drop_vars("site", errors="ignore")
    table = given.to_frame() if isinstance(given, pd.Series) else given
    named = {str(name).lower(): name for name in table.columns}
    clock = _first(named, TIMES)
    if clock is None and isinstance(table.index, pd.DatetimeIndex):
        if variable is not None and variable in table:
            table = table[[variable]]
        site = _first(named, SITES | {"nexus-id", "flowpath-id"})
        if site is None:
            return _wide(table, dict(table.attrs), role)
        table, clock = table.reset_index(names="time"), "time"
    if clock is None:
        raise ObservationError(
            f"{role} is a table without times",
            has=", ".join(map(str, table.columns[:8])),
            needed="instants as its index, or a column called 'time'",
            hint=f"{role}.set_index(pd.to_datetime(...))",
        )
    value = variable if variable in table else _first(named, VALUES | {"sim"})
    if value is None:
        raise ObservationError(
            f"{role} has no column of values that is known",
            has=", ".join(map(str, table.columns[:8])),
            hint="call the column of values 'value'",
        )
    site, unit = _first(named, SITES | {"nexus-id", "flowpath-id"}), _first(named, UNIT_COLUMNS)
    return _long(table, clock, value, site, unit, role, duplicates)


def _first(named: Mapping[str, Hashable], wanted: Iterable[str]) -> Any:
    return next((named[name] for name in named if name in set(wanted)), None)


def _wide(table: pd.DataFrame, attrs: dict[Hashable, Any], role: str) -> xr.DataArray:
    index = pd.DatetimeIndex(table.index)
    times, notes = _utc(index)
    attrs = attrs | _zone(index)
    values = _numbers(table, role).T
    sites = [_text(name) for name in table.columns]
    array = xr.DataArray(values, {"site": sites, "time": times}, ("site", "time"), attrs=attrs)
    return _told(array if len(sites) > 1 else array.isel(site=0), notes)


def _numbers(table: pd.DataFrame, role: str) -> NDArray[np.float64]:
    """The values of a table, NaN where there is none."""
    for name in table.columns:
        column = table[name]
        if column.dtype.kind in "iuf" or (column.dtype.kind == "O" and all(map(_is_number, column.dropna()))):
            continue
        raise _no_numbers(role, f"{column.dtype} in the column {name!r}")
    return np.asarray(table.to_numpy(dtype=np.float64, na_value=np.nan))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool | np.complexfloating)


def _no_numbers(role: str, has: str) -> ObservationError:
    return ObservationError(
        f"{role} does not hold numbers", has=has, needed="flows as real numbers", hint="convert them: .astype(float)"
    )


def _long(
    table: pd.DataFrame, clock: Any, value: Any, site: Any, unit: Any, role: str, duplicates: Duplicates
) -> xr.DataArray:
    index = pd.DatetimeIndex(pd.to_datetime(table[clock]))
    times, notes = _utc(index)
    attrs = dict(table.attrs) | _zone(index)
    if unit is not None:
        stated = sorted({str(text).strip() for text in table[unit].dropna().unique()} - {""})
        if len(stated) > 1:
            raise ObservationError(
                f"{role} has values in several units", has=", ".join(stated), hint="convert them into one first"
            )
        attrs |= {"units": stated[0]} if stated else {}
    sites = [""] * len(table) if site is None else [_text(one) for one in table[site]]
    rows = pd.DataFrame({"site": sites, "time": times, "value": _numbers(table[[value]], role)[:, 0]})
    if duplicates != "error" and (count := int(rows.duplicated(["site", "time"]).sum())):
        told = f"{count:,} further values of instants that have several, of which the {duplicates} is taken"
        notes = "; ".join(text for text in (notes, told) if text)
        rows = rows.groupby(["site", "time"], as_index=False)["value"].agg(_OF_SEVERAL[duplicates])
    if (twice := rows.duplicated(["site", "time"])).any():
        at = rows[twice].iloc[0]
        raise ObservationError(
            f"{role} has an instant twice",
            instant=f"{at['time']:%Y-%m-%dT%H:%MZ}" + (f" at {at['site']}" if at["site"] else ""),
            hint="keep one value for each instant, or say which: Pairing(duplicates='first')",
        )
    wide = rows.pivot(index="time", columns="site", values="value")
    array = _wide(wide, attrs, role)
    return _told(array, notes) if site is not None else _told(array.drop_vars("site", errors="ignore"), notes)


def _utc(index: pd.DatetimeIndex) -> tuple[pd.DatetimeIndex, str]:
    """Instants in UTC without a zone, and what was assumed."""
    if index.tz is None:
        return index.as_unit("ns"), "times without a zone taken as UTC"
    return index.tz_convert("UTC").tz_localize(None).as_unit("ns"), ""


def _zone(index: pd.DatetimeIndex) -> dict[Hashable, str]:
    """The name of a zone that may have summer time."""
    name = getattr(index.tz, "key", None) or getattr(index.tz, "zone", None)
    return {} if name in (None, "UTC") else {ZONE: str(name)}


def _told(array: xr.DataArray, note: str) -> xr.DataArray:
    before = str(array.attrs.get("notes", ""))
    told = "; ".join(text for text in (before, note) if text and text != before)
    return array.assign_attrs(notes=told) if told else array


def _by_lead(series: xr.DataArray) -> xr.DataArray:
    """Forecasts by the time they were made and their lead, over the time they are valid at."""
    series = series.rename({dim: LEAD for dim in series.dims if _SPELLED.get(str(dim)) == LEAD})
    if not {"reference_time", LEAD} <= set(series.dims):
        return series
    made, leads = series.indexes["reference_time"], series.indexes[LEAD]
    ahead = pd.to_timedelta(leads, unit="h") if leads.dtype.kind in "iuf" else pd.to_timedelta(leads)
    parts = [
        series.isel({LEAD: at})
        .drop_vars(["reference_time", LEAD])
        .rename(reference_time="time")
        .assign_coords(time=("time", made + lead))
        for at, lead in enumerate(ahead)
    ]
    clean = [part.drop_vars([n for n, c in part.coords.items() if n != "time" and "time" in c.dims]) for part in parts]
    return xr.concat(clean, pd.Index(ahead, name=LEAD), join="outer", coords="minimal", compat="override")


def _in_our_words(series: xr.DataArray, role: str, units: str | None) -> xr.DataArray:
    """Our names of dimensions, times in UTC, and units where the caller gave them."""
    names = {dim: _SPELLED[str(dim)] for dim in series.dims if str(dim) in _SPELLED}
    if "time" in series.dims:
        names = {dim: name for dim, name in names.items() if name != "time"}
    series = series.rename(names)
    _check_axes(series, role)
    if units is not None and not str(series.attrs.get("units", "")).strip():
        series = series.assign_attrs(units=units)
    return series


def _check_axes(series: xr.DataArray, role: str) -> None:
    extra = [dim for dim in series.dims if dim not in ("time", LEAD, MEMBER)]
    if "time" not in series.dims or len(extra) > 1:
        raise ObservationError(
            f"{role} is not a series",
            has=", ".join(map(str, series.dims)) or "no dimension",
            needed="dimensions time, or place and time",
            hint="select one variable, and call its time dimension 'time'",
        )
    if "time" not in series.coords or not np.issubdtype(series["time"].dtype, np.datetime64):
        raise ObservationError(
            f"{role} has no instants along its time dimension",
            has=str(series["time"].dtype) if "time" in series.coords else "no coordinate 'time'",
            needed="datetime64 in UTC",
            hint="decode its times first, for example with xarray.decode_cf",
        )
    if series.dtype.kind not in "fiu":
        raise _no_numbers(role, str(series.dtype))
    if extra and series.sizes[extra[0]] == 0:
        raise ObservationError(f"{role} has no places", has=f"no {extra[0]}", hint="choose places that it has")
    if series.sizes["time"] == 0:
        raise ObservationError(f"{role} has no instants", hint="choose a period that it covers")
    if series["time"].isnull().any():
        raise ObservationError(f"{role} has instants that are missing", hint="leave out what has no time")
