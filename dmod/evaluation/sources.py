"""How a file of observations is taken apart: columns of a table, variables of NetCDF.

Both readers give `Records`: one row for each value, as it stands in the file, with times in
UTC and text already numbers. What is to become of the rows is settled in
`dmod.evaluation.observations`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from dmod.errors import ObservationError, UnitsError
from dmod.units import conversion

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Records", "read_netcdf", "read_table"]

# Names that tables and files have for a column, in lower case.
_TIMES = frozenset({
    "time", "value_time", "valid_time", "datetime", "date_time", "date", "timestamp", "value_date",
})  # fmt: skip
_VALUES = frozenset({
    "value", "flow", "discharge", "streamflow", "obs", "observation", "observations", "observed",
    "observed_flow", "q", "q_obs", "qobs",
})  # fmt: skip
_SITES = frozenset({
    "site", "site_no", "site_id", "site_code", "usgs_site_code", "location_id", "observation_location",
    "monitoring_location_id", "gage", "gage_id", "gauge", "gauge_id", "station", "station_id",
})  # fmt: skip
_UNITS = frozenset({"unit", "units", "measurement_unit", "unit_name", "unit_code", "unit_of_measure"})
_ZONES = frozenset({"tz", "tz_cd", "timezone", "time_zone"})

#: USGS calls discharge 00060 and gives it in cubic feet per second.
_USGS_DISCHARGE = re.compile(r"(\d+_)*00060(_mean|_\d{5})?")

#: Text that stands for a missing value: blanks, and what USGS writes when a gage could not be read.
_MISSING = frozenset({
    "", "-", "--", "***", "na", "n/a", "nan", "null", "none", "ice", "bkw", "eqp", "ssn", "rat", "dis",
    "mnt", "zfl", "fld",
})  # fmt: skip

#: Hours ahead of UTC of the zones that USGS writes.
_ZONE_HOURS = {
    "UTC": 0, "GMT": 0, "Z": 0, "AST": -4, "ADT": -3, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7,
    "MDT": -6, "PST": -8, "PDT": -7, "AKST": -9, "AKDT": -8, "HST": -10,
}  # fmt: skip

_ZONED = r"\d[T ]\d.*(?:Z|[+-]\d\d(?::?\d\d)?)$"


@dataclass(frozen=True, slots=True)
class Records:
    """Observations as a file has them, one row for each value; all of one length."""

    #: Site of each row; empty where the file names none.
    sites: Sequence[str]
    #: Instant of each row, UTC.
    times: pd.DatetimeIndex
    #: Value of each row in the units beside it; NaN where the file has none.
    values: NDArray[np.float64]
    #: Units of each row; empty where the file does not tell.
    units: Sequence[str]
    #: What was assumed while reading.
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Column:
    #: The header as it is written.
    header: str
    #: Its name without units, lower case, words joined with ``_``.
    name: str
    #: What stands in brackets after the name, or the like; empty if nothing does.
    suffix: str


def _column(header: str) -> _Column:
    """The parts of a header.

    >>> _column("Flow [m3 s-1]")
    _Column(header='Flow [m3 s-1]', name='flow', suffix='m3 s-1')
    >>> _column("discharge_cfs").suffix
    'cfs'
    """
    bracketed = re.fullmatch(r"\s*(.*?)\s*[\[(]([^\])]*)[\])]\s*", header)
    joined = re.fullmatch(r"\s*(.*?)_(cfs|cms)\s*", header, re.IGNORECASE)
    found = bracketed or joined
    name, suffix = (found[1], found[2].strip()) if found else (header, "")
    name = re.sub(r"\s+", "_", name.strip().lower())
    return _Column(header, name, suffix or ("ft3/s" if _USGS_DISCHARGE.fullmatch(name) else ""))


def read_table(path: Path, variable: str | None) -> Records:
    """Rows of a table of text; *variable* is the header of its values, if it is not one of the usual.

    Raises
    ------
    ObservationError
        If columns are missing or in doubt, or a time or value cannot be read.
    """
    rows, first_line = _table(path)
    columns = [_column(header) for header in rows.columns]
    time = _pick(columns, _TIMES, "times", path)
    value = _named(columns, variable, path) if variable is not None else _value_column(columns, path)
    site, unit, zone = (_optional(columns, names) for names in (_SITES, _UNITS, _ZONES))

    def text(column: _Column | None, otherwise: str = "") -> pd.Series[str]:
        if column is None:
            return pd.Series([otherwise] * len(rows), index=rows.index, dtype=str)
        return rows[column.header].str.strip()

    values = _numbers(text(value), first_line, path)
    times, notes = _instants(text(time), text(zone, time.suffix), first_line, path)
    units = text(unit, value.suffix)
    if value.suffix and unit is not None:
        units = units.where(units != "", value.suffix)
    # A row without a value needs no units of its own.
    units = units.where((units != "") | ~np.isnan(values), next((u for u in units if u), ""))
    return Records(text(site).tolist(), times, values, units.tolist(), notes)


def _table(path: Path) -> tuple[pd.DataFrame, int]:
    """The rows that are not blank, as text, and the line number of row 0."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        start = next((n for n, line in enumerate(lines) if line.strip() and not line.startswith("#")), None)
        if start is None:
            raise ObservationError(f"{path.name} is empty", hint="give a table with a header, or NetCDF")
        separator = max(",\t;", key=lines[start].count)
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
    # Under its header, an RDB file of USGS has a row of column widths such as 5s, 15s, 20d.
    if len(rows) and all(re.fullmatch(r"\d+[sdn]", cell) for cell in rows.iloc[0]):
        rows = rows.iloc[1:]
    rows = rows[(rows != "").any(axis=1)]
    if rows.empty:
        raise ObservationError(f"{path.name} has a header but no rows", hint="choose another file or period")
    return rows, start + 2


def _value_column(columns: Sequence[_Column], path: Path) -> _Column:
    discharge = {column.name for column in columns if _USGS_DISCHARGE.fullmatch(column.name)}
    return _pick(columns, _VALUES | discharge, "values", path)


def _pick(columns: Sequence[_Column], names: Iterable[str], what: str, path: Path) -> _Column:
    """The one column whose name is among *names*."""
    found = [column for column in columns if column.name in set(names)]
    if len(found) == 1:
        return found[0]
    has = ", ".join(column.header for column in (found or columns))
    advice = {
        (0, "times"): "call the column of times 'time'",
        (0, "values"): "call the column of values 'flow [m3 s-1]', or pass variable='...'",
        (1, "times"): "join or rename them, so that one column holds the whole instant",
        (1, "values"): "pass variable='...' with the one to read",
    }[min(len(found), 1), what]
    headline = f"{path.name} has no column of {what} that is known" if not found else (
        f"{path.name} has more than one column of {what}"
    )  # fmt: skip
    raise ObservationError(headline, has=has, hint=advice)


def _named(columns: Sequence[_Column], name: str, path: Path) -> _Column:
    for column in columns:
        if name in (column.header, column.name):
            return column
    raise ObservationError(
        f"{path.name} has no column {name!r}",
        has=", ".join(column.header for column in columns),
        hint="choose one of 'has'",
    )


def _optional(columns: Sequence[_Column], names: Iterable[str]) -> _Column | None:
    return next((column for column in columns if column.name in set(names)), None)


def _numbers(text: pd.Series[str], first_line: int, path: Path) -> NDArray[np.float64]:
    missing = text.str.lower().isin(_MISSING)
    values = pd.to_numeric(text.mask(missing), errors="coerce")
    if (wrong := values.isna() & ~missing).any():
        at = int(wrong.to_numpy().argmax())
        raise ObservationError(
            f"{path.name} has a value that is no number",
            line=first_line + int(text.index[at]),
            has=repr(text.iloc[at]),
            values=int(wrong.sum()),
            hint="write numbers with a decimal point and no thousands separator; leave missing values blank",
        )
    return values.to_numpy(dtype=np.float64, na_value=np.nan)


def _instants(
    text: pd.Series[str], zone: pd.Series[str], first_line: int, path: Path
) -> tuple[pd.DatetimeIndex, tuple[str, ...]]:
    """Times in UTC, and what was assumed about their zone."""
    # Digits alone may be seconds of an epoch or a date without dashes: not for us to guess.
    whole = text.str.contains("-", regex=False)
    parsed = pd.to_datetime(text.where(whole), format="ISO8601", utc=True, errors="coerce")
    if parsed.isna().any():
        at = int(parsed.isna().to_numpy().argmax())
        raise ObservationError(
            f"{path.name} has a time that cannot be read",
            line=first_line + int(text.index[at]),
            has=repr(text.iloc[at]),
            times=int(parsed.isna().sum()),
            hint="write times as 2016-09-01 13:00 (UTC) or 2016-09-01T13:00-06:00",
        )
    naive = ~text.str.contains(_ZONED, regex=True)
    hours = {code: _zone_hours(code, path) for code in zone.unique()}
    shift = pd.to_timedelta(zone.map(hours).where(naive, 0).astype(float), unit="h")
    times = pd.DatetimeIndex(parsed.dt.tz_localize(None) - shift).as_unit("ns")
    if not (naive & (zone == "")).any():
        return times, ()
    return times, ("times without a zone taken as UTC",)


def _zone_hours(code: str, path: Path) -> float:
    if not code:
        return 0.0
    if (named := _ZONE_HOURS.get(code.upper())) is not None:
        return named
    if found := re.fullmatch(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?(\d\d))?", code, re.IGNORECASE):
        return (1 if found[1] == "+" else -1) * (int(found[2]) + int(found[3] or 0) / 60)
    raise ObservationError(
        f"{path.name} has times in a zone that is not known",
        has=code,
        hint="write the zone as UTC, as one of USGS such as MST, or as UTC-07:00",
    )


def read_netcdf(path: Path, variable: str | None) -> Records:
    """Values of the discharge in a NetCDF file, or of *variable*.

    Raises
    ------
    ObservationError
        If the file has no time axis or no variable over it that could be discharge.
    """
    try:
        with xr.open_dataset(path, decode_timedelta=False) as opened:
            dataset = opened.load()
    except (OSError, ValueError) as problem:
        raise ObservationError(
            f"{path.name} cannot be read as NetCDF",
            reason=str(problem).strip().splitlines()[0],
            hint="write it as NetCDF-4, with times in CF form ('hours since ...')",
        ) from problem
    time = _time_axis(dataset, path)
    array = dataset[_discharge_name(dataset, str(time.dims[0]), variable, path)]
    others = [dim for dim in array.dims if dim != time.dims[0]]
    array = array.squeeze([dim for dim in others if array.sizes[dim] == 1 and len(others) > 1])
    others = [dim for dim in array.dims if dim != time.dims[0]]
    if len(others) > 1:
        raise ObservationError(
            f"{array.name} in {path.name} has too many dimensions",
            has=", ".join(map(str, array.dims)),
            needed="time, or site and time",
            hint="write one variable over site and time",
        )
    values = array.transpose(*others, time.dims[0]).to_numpy().astype(np.float64)
    sites = _site_names(dataset, others[0]) if others else [""]
    n = time.size
    return Records(
        sites=[site for site in sites for _ in range(n)],
        times=pd.DatetimeIndex(np.tile(time.to_numpy(), len(sites))).as_unit("ns"),
        values=values.ravel(),
        units=[str(array.attrs.get("units", ""))] * values.size,
    )


def _time_axis(dataset: xr.Dataset, path: Path) -> xr.DataArray:
    found = [
        dataset[name]
        for name, held in dataset.variables.items()
        if held.ndim == 1 and np.issubdtype(held.dtype, np.datetime64) and not held.isnull().any()
    ]
    for array in sorted(found, key=lambda a: (a.name != a.dims[0], str(a.name).lower() not in _TIMES)):
        return array
    raise ObservationError(
        f"{path.name} has no time axis",
        has=", ".join(map(str, dataset.variables)),
        hint="give the file a 1-D variable of times with units such as 'hours since 2016-09-01'",
    )


def _discharge_name(dataset: xr.Dataset, axis: str, wanted: str | None, path: Path) -> str:
    """The variable to read: the one named, else the first with units of discharge, else one without units."""
    over_time = {
        str(name): str(held.attrs.get("units", ""))
        for name, held in dataset.data_vars.items()
        if axis in held.dims and held.dtype.kind in "fiu"
    }
    likely = [name for name, units in over_time.items() if _is_discharge(units)]
    unsaid = [name for name, units in over_time.items() if not units and _column(name).name in _VALUES]
    for name in [wanted] if wanted is not None else [*likely, *unsaid]:
        if name in over_time:
            return name
    raise ObservationError(
        f"{path.name} has no variable {wanted!r} over time" if wanted else f"{path.name} has no discharge",
        has=", ".join(f"{name} [{units or 'no units'}]" for name, units in over_time.items()) or "no variable",
        needed="a number over time with units such as m3 s-1",
        hint="name the variable to read with variable='...'",
    )


def _is_discharge(units: str) -> bool:
    try:
        conversion(units, "m3 s-1")
    except UnitsError:
        return False
    return True


def _site_names(dataset: xr.Dataset, dim: object) -> list[str]:
    """Names of the sites along *dim*: its coordinate, else a variable of site names, else numbers."""
    named = [name for name in dataset.variables if str(name).lower() in _SITES]
    for name in (dim, *named):
        if name in dataset.variables and dataset[name].dims == (dim,):
            held = dataset[name].to_numpy().tolist()
            return [(site.decode() if isinstance(site, bytes) else str(site)).strip() for site in held]
    return [str(number) for number in range(dataset.sizes[str(dim)])]
