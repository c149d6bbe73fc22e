"""Describing observations: which sites, and when.

A table is known by its header: a column of times and one of discharge, under the names that
`dmod.evaluation` reads. Its coverage is from the first time to the last; whether there is a
value at each instant between is for the reader to say.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from dmod.data.coverage import ALL, Coverage, Everything, IdSet, Span
from dmod.data.kinds import Format
from dmod.errors import ObservationError
from dmod.formats.describe_glance import Description, Detector, Glance

__all__ = ["DETECTORS", "DISCHARGE"]

#: What observed discharge is called in coverages, whatever a file calls it.
DISCHARGE = "streamflow"

_TIMES = ("value_time", "valid_time", "datetime", "date_time", "value_date", "timestamp", "time", "date")
_VALUES = {
    "value", "flow", "discharge", "streamflow", "obs", "observation", "observations", "observed", "observed_flow",
    "q", "q_obs", "qobs", "00060",
}  # fmt: skip
_SITES = (
    "site_no", "site", "site_id", "site_code", "usgs_site_code", "location_id", "observation_location",
    "monitoring_location_id", "gage", "gage_id", "gauge", "gauge_id", "station", "station_id",
)  # fmt: skip
_ZONES = {"tz", "tz_cd", "timezone", "time_zone"}
#: USGS writes local times with the name of their zone: up to so much behind UTC.
_ZONES_S = 10 * 3600
#: Headers are no longer than this [characters].
_LONGEST = 500


def _header(glance: Glance) -> tuple[str, int, dict[str, str]] | None:
    """Separator, line number, and plain name to header of each column; None where there is no table."""
    lines = glance.text.splitlines()
    start = next((n for n, line in enumerate(lines) if line.strip() and not line.startswith("#")), None)
    if start is None:
        return None
    separator = max(",\t;", key=lines[start].count)
    return separator, start, {_plain(name): name for name in lines[start].split(separator)}


def _plain(header: str) -> str:
    """A header without units, in small letters, words joined; what is too long for one stays as it is."""
    if len(header) > _LONGEST:
        return header
    bare = re.sub(r"[\[(][^\])]*[\])]\s*$", "", header.strip().strip('"')).strip().lower()
    bare = re.sub(r"\s+", "_", bare)
    return re.sub(r"_(?:cfs|cms)$", "", re.sub(r"^(?:\d+_)*00060(?:_mean|_\d{5})?$", "00060", bare))


def _is_table(glance: Glance) -> bool:
    """A column of times and one of discharge."""
    found = _header(glance)
    return found is not None and any(name in found[2] for name in _TIMES) and bool(found[2].keys() & _VALUES)


def _is_netcdf(glance: Glance) -> bool:
    """Discharge over time, and nothing that only models have."""
    held = glance.arrays
    length = held.get("time", ())
    named = [shape for name, shape in held.items() if name.lower() in _VALUES - {"value", "q"}]
    return len(length) == 1 and any(length[0] in shape for shape in named) and "velocity" not in held


def _describe_table(glance: Glance) -> Description:
    """Sites, and from when to when."""
    found = _header(glance)
    assert found is not None
    separator, start, columns = found
    clock = columns[next(name for name in _TIMES if name in columns)]
    site = next((columns[name] for name in _SITES if name in columns), None)
    try:
        table = pd.read_csv(
            glance.path, sep=separator, skiprows=start, dtype=str, keep_default_na=False, index_col=False,
            encoding="utf-8-sig", usecols=[clock] if site is None else [clock, site],
        )  # fmt: skip
    except (ValueError, OSError) as problem:
        raise _unreadable(glance.path, str(problem).strip().splitlines()[-1]) from problem
    # The line below the header of USGS tells the width of columns: 20d, 15s.
    table = table[~table[clock].str.fullmatch(r"\s*(?:\d+[a-z])?\s*")]
    times = pd.to_datetime(table[clock], utc=True, format="ISO8601", errors="coerce")
    if not len(table) or times.isna().any():
        bad = table[clock][times.isna()]
        raise _unreadable(glance.path, f"the time {bad.iloc[0]!r}" if len(bad) else "it has no rows")
    seconds = pd.DatetimeIndex(times).as_unit("s").asi8
    first, last = int(seconds.min()), int(seconds.max())
    if _ZONES & columns.keys():
        first = min(first + _ZONES_S, last)
    sites = [] if site is None else sorted(set(table[site].str.strip()) - {""})
    ids: IdSet | Everything = IdSet.of(sites) if sites else ALL
    return _described(glance, Format.OBSERVATIONS_CSV, Span(first, last + 1), ids, rows=len(table))


def _describe_netcdf(glance: Glance) -> Description:
    """Sites, and from when to when."""
    import xarray as xr

    try:
        with xr.open_dataset(glance.path, engine="h5netcdf", decode_timedelta=False) as dataset:
            seconds = dataset["time"].values.astype("datetime64[s]").astype("int64")
            key = next((name for name in (*_SITES, "feature_id", "stationId") if name in dataset.variables), None)
            sites = [] if key is None else [_text(one) for one in dataset[key].values.reshape(-1).tolist()]
    except (OSError, ValueError, KeyError) as problem:
        raise _unreadable(glance.path, str(problem).splitlines()[0]) from problem
    ids: IdSet | Everything = IdSet.of(sites) if sites else ALL
    span = Span(int(seconds.min()), int(seconds.max()) + 1)
    return _described(glance, Format.OBSERVATIONS_NETCDF, span, ids, rows=len(seconds))


def _described(glance: Glance, format_: Format, span: Span, ids: IdSet | Everything, *, rows: int) -> Description:
    """What observations of either format tell."""
    facts: dict[str, Any] = {"rows": rows, "sites": 0 if isinstance(ids, Everything) else len(ids)}
    return glance.described(format_, Coverage((span,), ids, frozenset({DISCHARGE})), facts)


def _text(one: object) -> str:
    """An id as text."""
    return (one.decode() if isinstance(one, bytes) else str(one)).strip()


def _unreadable(path: Path, reason: str) -> ObservationError:
    """The error for a table that cannot be read."""
    return ObservationError(
        "the observations cannot be read", path=path, reason=reason, hint="write times as 2016-09-01 00:00:00, in UTC"
    )


#: Those of observations.
DETECTORS = (
    Detector(Format.OBSERVATIONS_CSV, _is_table, _describe_table),
    Detector(Format.OBSERVATIONS_NETCDF, _is_netcdf, _describe_netcdf),
)
