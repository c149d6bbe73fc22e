"""Which column of a table is which: times, values, sites, units, qualifiers.

Columns are found by the names that tables have for them, whatever the case and the units
written after them. Pure: headers in, columns out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dmod.errors import ObservationError, UnitsError
from dmod.units import conversion

__all__ = [
    "CONFIGURATIONS",
    "METHODS",
    "QUALIFIERS",
    "SITES",
    "TIMES",
    "UNIT_COLUMNS",
    "VALUES",
    "VARIABLES",
    "ZONES",
    "Column",
    "column_of",
    "is_usgs_discharge",
    "named",
    "optional",
    "picked",
    "site_columns",
    "value_columns",
]

# Names that tables and files have for a column, in lower case.
TIMES = frozenset({
    "time", "value_time", "valid_time", "datetime", "date_time", "date", "timestamp", "value_date", "peak_dt",
})  # fmt: skip
VALUES = frozenset({
    "value", "flow", "discharge", "streamflow", "obs", "observation", "observations", "observed",
    "observed_flow", "q", "q_obs", "qobs", "peak_va",
})  # fmt: skip
SITES = frozenset({
    "site", "site_no", "site_id", "site_code", "usgs_site_code", "location_id", "observation_location",
    "monitoring_location_id", "gage", "gage_id", "gauge", "gauge_id", "station", "station_id", "stationid",
    "feature_id",
})  # fmt: skip
UNIT_COLUMNS = frozenset({"unit", "units", "measurement_unit", "unit_name", "unit_code", "unit_of_measure"})
ZONES = frozenset({"tz", "tz_cd", "timezone", "time_zone"})
QUALIFIERS = frozenset({"qualifier", "qualifiers", "qualifier_cd", "approval_status", "approval", "peak_cd"})
METHODS = frozenset({"time_series_id", "ts_id", "method_id", "usgs_method_id", "series"})
VARIABLES = frozenset({"variable_name", "variable"})
CONFIGURATIONS = frozenset({"configuration_name", "configuration"})

#: USGS calls discharge 00060 and gives it in cubic feet per second.
_USGS_DISCHARGE = re.compile(r"(?:(\d+)_)*00060(?:_(mean|\d{5}))?")
#: Columns of USGS whose units its own definition tells.
_DEFINED = {"peak_va": "ft3/s"}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    #: The header as it is written.
    header: str
    #: Its name without units, lower case, words joined with ``_``.
    name: str
    #: What stands in brackets after the name, or the like; empty if nothing does.
    suffix: str


def column_of(header: str) -> Column:
    """The parts of a header.

    >>> column_of("Flow [m3 s-1]")
    Column(header='Flow [m3 s-1]', name='flow', suffix='m3 s-1')
    >>> column_of("discharge_cfs").suffix
    'cfs'
    """
    bracketed = re.fullmatch(r"\s*(.*?)\s*[\[(]([^\])]*)[\])]\s*", header)
    joined = re.fullmatch(r"\s*(.*?)_(cfs|cms)\s*", header, re.IGNORECASE)
    found = bracketed or joined
    name, suffix = (found[1], found[2].strip()) if found else (header, "")
    name = re.sub(r"\s+", "_", name.strip().lower())
    return Column(header, name, suffix or _DEFINED.get(name, "ft3/s" if is_usgs_discharge(name) else ""))


def is_usgs_discharge(name: str) -> bool:
    """Whether a name is that of a column of discharge of USGS, such as ``69928_00060``."""
    return _USGS_DISCHARGE.fullmatch(name) is not None


def value_columns(columns: Sequence[Column], path: str, notes: list[str]) -> list[tuple[str, Column]]:
    """The columns of values, each with the name of its method.

    Several only where they are of one statistic of USGS: sensors, or sensors that came after
    each other. Of several statistics the daily mean is taken, which is noted.

    Raises
    ------
    ObservationError
        If there is none, or it is not clear which.
    """
    of_usgs = [column for column in columns if is_usgs_discharge(column.name)]
    if len(of_usgs) < 2 or any(column.name in VALUES for column in columns):
        return [("", picked(columns, VALUES | {column.name for column in of_usgs}, "values", path))]
    parts = [(_USGS_DISCHARGE.fullmatch(column.name), column) for column in of_usgs]
    statistics = [(found[2] or "") if found else "" for found, _ in parts]
    wanted = next((one for one in ("", "00003", "mean") if one in statistics), statistics[0])
    if len(set(statistics)) > 1:
        notes.append(f"statistic {wanted or 'of the instant'} taken of {', '.join(sorted(set(statistics)))}")
    chosen = [column for column, statistic in zip(of_usgs, statistics, strict=True) if statistic == wanted]
    return [(column.name.partition("_")[0], column) for column in chosen]


def site_columns(columns: Sequence[Column]) -> list[tuple[str, Column]]:
    """Columns of a wide table, each the flow of the site that it is called after; none if it may be read otherwise.

    That is so where no column has a name of values, sites, units, methods or variables, and all but
    those of times and qualifiers, two or more, have units of discharge in their headers.

    Examples
    --------
    >>> [site for site, _ in site_columns([column_of(header) for header in ("time", "A 1 [cfs]", "B [m3/s]")])]
    ['A 1', 'B']
    >>> site_columns([column_of(header) for header in ("time", "A [cfs]", "stage [ft]")])
    []
    """
    names = {column.name for column in columns}
    if names & (VALUES | SITES | UNIT_COLUMNS | METHODS | VARIABLES) or any(map(is_usgs_discharge, names)):
        return []
    wide = [column for column in columns if column.name not in TIMES | ZONES | QUALIFIERS | CONFIGURATIONS]
    if len(wide) < 2 or not all(_is_discharge(column.suffix) for column in wide):
        return []
    return [
        (re.sub(r"\s*[\[(][^\])]*[\])]\s*$|_(cfs|cms)\s*$", "", one.header, flags=re.I).strip(), one) for one in wide
    ]


def _is_discharge(units: str) -> bool:
    try:
        return bool(units) and not conversion(units, "m3 s-1").intercept
    except UnitsError:
        return False


def picked(columns: Sequence[Column], names: Iterable[str], what: str, path: str) -> Column:
    """The one column whose name is among *names*.

    Raises
    ------
    ObservationError
        If there is none, or more than one.
    """
    wanted = set(names)
    found = [column for column in columns if column.name in wanted]
    if len(found) == 1:
        return found[0]
    has = ", ".join(column.header for column in (found or columns))
    advice = {
        (0, "times"): "call the column of times 'time'",
        (0, "values"): "call the column of values 'flow [m3 s-1]', or pass variable='...'",
        (1, "times"): "join or rename them, so that one column holds the whole instant",
        (1, "values"): "pass variable='...' with the one to read",
    }[min(len(found), 1), what]
    headline = f"{path} has no column of {what} that is known" if not found else (
        f"{path} has more than one column of {what}"
    )  # fmt: skip
    raise ObservationError(headline, has=has, hint=advice)


def named(columns: Sequence[Column], name: str, path: str) -> Column:
    """The column of a name.

    Raises
    ------
    ObservationError
        If there is none.
    """
    for column in columns:
        if name in (column.header, column.name):
            return column
    raise ObservationError(
        f"{path} has no column {name!r}",
        has=", ".join(column.header for column in columns),
        hint="choose one of 'has'",
    )


def optional(columns: Sequence[Column], names: Iterable[str]) -> Column | None:
    """The first column whose name is among *names*; None without one."""
    wanted = set(names)
    return next((column for column in columns if column.name in wanted), None)
