"""Tables of thresholds: a flow for each site, or for each site and day of the year.

`read_thresholds` takes CSV (a column for each threshold, or a row), JSON (site to name to
value), the thresholds of the National Weather Service as its service gives them, and the daily
statistics of the USGS (RDB, percentiles of each day). Units are in the file or given; never guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from dmod.errors import InputError, ObservationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ThresholdTable", "read_thresholds"]

_SITES = ("site", "site_no", "gage", "gage_id", "usgs_site_code", "location_id", "nws_lid", "feature_id", "nexus-id")
_NAMES = ("threshold", "name", "threshold_name", "level")
_VALUES = ("value", "flow", "discharge", "threshold_value")
_UNITS = ("units", "unit", "unit_name")
_PERCENTILE = re.compile(r"p\d{2}_va")
#: What the USGS calls discharge, and the units it is in.
_DISCHARGE, _USGS_UNITS = "00060", "ft3/s"


@dataclass(frozen=True, eq=False)
class ThresholdTable:
    """Thresholds of sites."""

    #: Under (site,) or (site, day of a leap year in [1, 366]): a column for each threshold; NaN where there is none.
    frame: pd.DataFrame
    #: Units of each column.
    units: Mapping[str, str]
    #: What was assumed while reading.
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, frame: pd.DataFrame, *, units: str | None = None) -> Self:
        """A table under sites, with a column for each threshold: ``minor [cfs]``, or *units* for all.

        Raises
        ------
        InputError
            If a threshold has no units.
        """
        if frame.index.nlevels == 1 and isinstance(frame.index, pd.RangeIndex):
            named = {str(name).lower(): name for name in frame.columns}
            if (site := next((named[name] for name in _SITES if name in named), None)) is not None:
                frame = frame.set_index(site)
        stated = str(frame.attrs.get("units", "")) or units
        columns = {column: _header(str(column)) for column in frame.columns}
        held = {name: suffix or stated for name, suffix in columns.values()}
        if bare := sorted(name for name, unit in held.items() if not unit):
            raise InputError(
                "thresholds do not say what units they have",
                has=", ".join(bare[:5]),
                hint="write them in the header, 'minor [cfs]', or pass threshold_units='cfs'",
            )
        numbers = frame.rename(columns={column: name for column, (name, _) in columns.items()}).apply(
            pd.to_numeric, errors="coerce"
        )
        if numbers.index.nlevels == 1:
            numbers.index = pd.Index([str(site).strip() for site in numbers.index], name="site")
        if numbers.index.has_duplicates:
            raise InputError("a site has its thresholds twice", site=str(numbers.index[numbers.index.duplicated()][0]))
        return cls(numbers, {name: str(unit) for name, unit in held.items()})

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the thresholds."""
        return tuple(str(name) for name in self.frame.columns)

    @property
    def is_daily(self) -> bool:
        """Whether there is one for each day of the year."""
        return self.frame.index.nlevels == 2

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites it tells of."""
        return tuple(dict.fromkeys(str(site) for site in self.frame.index.get_level_values(0)))

    def at(self, sites: Sequence[str | None], times: pd.DatetimeIndex) -> NDArray[np.float64]:
        """Thresholds of some sites, shape (site, threshold, time), or (site, threshold, 1) if not daily.

        Parameters
        ----------
        sites : sequence of str or None
            None for a place that the table does not have.
        times : DatetimeIndex
            UTC; the day of the year is that of UTC, with 29 February always there.
        """
        if not self.is_daily:
            rows = self.frame.reindex([site if site is not None else "" for site in sites])
            return rows.to_numpy(dtype=np.float64, na_value=np.nan)[..., None]
        leap = _day_of_leap_year(np.asarray(times.month), np.asarray(times.day))
        out = np.full((len(sites), len(self.names), len(times)), np.nan)
        for number, site in enumerate(sites):
            if site is not None:
                days = self.frame.loc[site].reindex(range(1, 367)).to_numpy(dtype=np.float64, na_value=np.nan)
                out[number] = days[leap - 1].T
        return out


def read_thresholds(path: Path, *, units: str | None = None, names: Mapping[str, str] | None = None) -> ThresholdTable:
    """Read thresholds of sites.

    Parameters
    ----------
    path : Path
        CSV, JSON or RDB.
    units : str, optional
        Units, where the file does not tell.
    names : mapping of str to str, optional
        Which to take, and what to call them: ``{"p50_va": "median"}``; all otherwise.

    Returns
    -------
    ThresholdTable

    Raises
    ------
    ObservationError
        If the file cannot be read or holds no thresholds.
    InputError
        If units are missing, or a name is not there.
    """
    path = Path(path).expanduser()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        raise ObservationError(f"cannot read the thresholds {path}", reason=reason, hint="check the path") from problem
    try:
        if text.lstrip().startswith(("{", "[")):
            found = _from_json(json.loads(text), units, path)
        else:
            found = _from_text(path, text, units)
    except (ValueError, KeyError, pd.errors.ParserError) as problem:
        raise ObservationError(
            f"{path.name} is no table of thresholds",
            reason=str(problem).splitlines()[0],
            hint="give CSV with a column of sites and one for each threshold, JSON, or RDB of the USGS",
        ) from problem
    if found.frame.empty or found.frame.isna().all(axis=None):
        raise ObservationError(f"{path.name} holds no threshold", hint="choose another file")
    return found if names is None else _renamed(found, names, path)


def _renamed(table: ThresholdTable, names: Mapping[str, str], path: Path) -> ThresholdTable:
    if missing := [name for name in names if name not in table.names]:
        raise InputError(f"{path.name} has no threshold {missing[0]!r}", has=", ".join(table.names))
    units = {names[name]: table.units[name] for name in names}
    return ThresholdTable(table.frame[list(names)].rename(columns=dict(names)), units, table.notes)


def _header(text: str) -> tuple[str, str]:
    """A name, and the units in brackets or after ``_`` behind it.

    >>> _header("minor [m3 s-1]"), _header("major_cfs"), _header("record")
    (('minor', 'm3 s-1'), ('major', 'cfs'), ('record', ''))
    """
    found = re.fullmatch(r"\s*(.*?)\s*[\[(]([^\])]*)[\])]\s*", text) or re.fullmatch(
        r"\s*(.*?)_(cfs|cms)\s*", text, re.IGNORECASE
    )
    return (found[1], found[2].strip()) if found else (text.strip(), "")


def _from_text(path: Path, text: str, units: str | None) -> ThresholdTable:
    header = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    separator = max(",\t;", key=header.count)
    table = pd.read_csv(path, sep=separator, comment="#", dtype=str, keep_default_na=False, encoding="utf-8-sig")
    if len(table) and all(re.fullmatch(r"\d+[sdn]", str(cell)) for cell in table.iloc[0]):
        table = table.iloc[1:]  # an RDB file of the USGS has a row of column widths
    table.columns = pd.Index([str(column).strip() for column in table.columns])
    named = {column.lower(): column for column in table.columns}
    if {"month_nu", "day_nu"} <= named.keys():
        return _daily(table, units)
    site = next((named[name] for name in _SITES if name in named), None)
    if site is None:
        raise ObservationError(
            f"{path.name} has no column of sites that is known",
            has=", ".join(table.columns),
            hint="call it 'site'",
        )
    name, value, unit = (next((named[one] for one in some if one in named), None) for some in (_NAMES, _VALUES, _UNITS))
    if name is not None and value is not None:
        return _from_rows(table, site, name, value, unit, units)
    flows = table.drop(columns=unit) if unit is not None else table
    stated = _only(table[unit]) if unit is not None else ""
    return ThresholdTable.of(_numeric(flows.set_index(site)), units=stated or units)


def _from_rows(
    table: pd.DataFrame, site: str, name: str, value: str, unit: str | None, units: str | None
) -> ThresholdTable:
    """A row for each threshold of each site."""
    wide = table.pivot(index=site, columns=name, values=value)
    held: dict[str, str] = {}
    for one, rows in table.groupby(name):
        stated = "" if unit is None else _only(rows[unit])
        if not (stated or units):
            raise InputError("thresholds do not say what units they have", has=str(one), hint="add a column 'units'")
        held[str(one)] = stated or str(units)
    wide.columns = pd.Index([f"{one} [{held[str(one)]}]" for one in wide.columns])
    return ThresholdTable.of(_numeric(wide))


def _only(column: pd.Series[str]) -> str:
    """The one unit that a column states; empty for none."""
    stated = sorted({text.strip() for text in column} - {""})
    if len(stated) > 1:
        raise InputError("thresholds are in several units", has=", ".join(stated), hint="convert them into one first")
    return stated[0] if stated else ""


def _numeric(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns that are numbers, or blank; others are left out."""
    numbers = frame.apply(pd.to_numeric, errors="coerce")
    blank = frame.isna() | (frame.astype(str).apply(lambda column: column.str.strip()) == "")
    kept = [column for column in frame if (numbers[column].notna() | blank[column]).all()]
    found: pd.DataFrame = numbers[kept].dropna(axis="columns", how="all")
    return found


def _daily(table: pd.DataFrame, units: str | None) -> ThresholdTable:
    """Daily statistics of the USGS: percentiles of each day of the year."""
    columns = [column for column in table.columns if _PERCENTILE.fullmatch(column)]
    if "parameter_cd" in table and set(table["parameter_cd"]) == {_DISCHARGE}:
        units = units or _USGS_UNITS
    day = _day_of_leap_year(table["month_nu"].astype(int).to_numpy(), table["day_nu"].astype(int).to_numpy())
    frame = table[columns].apply(pd.to_numeric, errors="coerce")
    frame.index = pd.MultiIndex.from_arrays([table["site_no"].str.strip(), day], names=["site", "day"])
    if frame.index.has_duplicates:
        raise ObservationError(
            "a site has several statistics for one day",
            site=str(frame.index[frame.index.duplicated()][0][0]),
            hint="keep one series (ts_id) of each site",
        )
    return ThresholdTable.of(frame.dropna(axis="columns", how="all"), units=units)


def _day_of_leap_year(month: NDArray[Any], day: NDArray[Any]) -> NDArray[np.intp]:
    """Day in [1, 366], 1 March always the 61st."""
    before = np.cumsum([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30])
    return np.asarray(before[month - 1] + day, dtype=np.intp)


def _from_json(held: Any, units: str | None, path: Path) -> ThresholdTable:
    if isinstance(held, Mapping) and isinstance(held.get("value_set"), list):
        return _of_weather_service(held["value_set"])
    if isinstance(held, list):
        frame = pd.DataFrame(held)
        site = next((name for name in _SITES if name in frame), None)
        if site is None:
            raise ObservationError(f"{path.name} has no sites", has=", ".join(map(str, frame.columns)))
        text = frame.set_index(site).astype(str).replace({"None": "", "nan": ""})
        return ThresholdTable.of(_numeric(text), units=units)
    if isinstance(held, Mapping) and "units" in held and isinstance(held["units"], str):
        units = held["units"]
        held = {site: values for site, values in held.items() if site != "units"}
    if not isinstance(held, Mapping) or not all(isinstance(values, Mapping) for values in held.values()):
        raise ObservationError(f"{path.name} is no table of thresholds", needed='{"site": {"minor": 100.0, ...}, ...}')
    return ThresholdTable.of(pd.DataFrame.from_dict(dict(held), orient="index"), units=units)


def _of_weather_service(held: Sequence[Mapping[str, Any]]) -> ThresholdTable:
    """Flows of the flood stages; where the service has none of its own, those it computed by a rating curve."""
    rows: dict[str, dict[str, float]] = {}
    units: set[str] = set()
    computed = 0
    for entry in held:
        about = entry["metadata"]
        site = str(about.get("usgs_site_code") or about.get("nws_lid"))
        if site in rows:
            continue  # further rating curves of the same site
        stated, by_curve = entry.get("flow_values") or {}, entry.get("calc_flow_values") or {}
        values: dict[str, float] = {}
        for name in dict.fromkeys([*stated, *by_curve]):
            for source, unit in ((stated, about.get("flow_units")), (by_curve, about.get("calc_flow_units"))):
                if isinstance(source.get(name), int | float):
                    values[name] = float(source[name])
                    computed += source is by_curve
                    units.add(str(unit).lower())
                    break
        rows[site] = values
    if len(units) != 1:
        raise InputError("thresholds are in several units, or none", has=", ".join(sorted(units)) or "no flow")
    found = ThresholdTable.of(pd.DataFrame.from_dict(rows, orient="index"), units=units.pop())
    note = f"{computed:,} thresholds were computed from stages by rating curves"
    return ThresholdTable(found.frame, found.units, (note,) if computed else ())
