"""Observed discharge, out of a table or a NetCDF file, in m3 s-1 and UTC.

`read_observations` reads; the rules below are applied to both kinds of file, and each
that changed something is told in the ``notes`` attribute of what comes back:

* Units are read from the file or given by the caller. They are never guessed.
* Times become UTC. A time without a zone is taken as UTC, and the notes say so.
* Values of -9999 and -999999, infinities, blanks and the codes of USGS (``Ice``, ``Eqp``,
  ...) are missing values. Any other text among the values is an error.
* Rows are put in order of time. A value given twice for one instant counts once; two
  different values for one instant are an error.
* Negative discharge is kept: a tidal river may flow upstream.

How a file is taken apart is told in `dmod.evaluation.sources`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
import xarray as xr

from dmod.errors import ObservationError, UnitsError
from dmod.evaluation.sources import Records, read_netcdf, read_table
from dmod.units import conversion

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

__all__ = ["NO_DATA", "UNITS", "read_observations"]

#: Units that observations come back in.
UNITS = "m3 s-1"

#: Values that stand for a missing one, in the units of the file.
NO_DATA = (-9999.0, -999999.0)

#: First bytes of NetCDF: classic, and HDF5.
_NETCDF = (b"CDF", b"\x89HDF")

#: Spellings of discharge that a table may have and UDUNITS does not.
_SPELLINGS = {
    "cfs": "ft3/s",
    "cms": "m3/s",
    "cumecs": "m3/s",
    "cubic feet per second": "ft3/s",
    "cubic meters per second": "m3/s",
    "cubic metres per second": "m3/s",
}


def read_observations(
    path: str | os.PathLike[str], *, units: str | None = None, variable: str | None = None
) -> xr.DataArray:
    """Read observed discharge.

    Parameters
    ----------
    path : str or path-like
        A table (comma, tab or semicolon between columns, ``#`` before leading comments), or
        NetCDF. A table has a column of times (``time``, ``value_time``, ``datetime``,
        ``date``, ...), one of values (``value``, ``flow``, ``discharge``, ``obs``, ...), and may
        have one of sites (``site_no``, ``location_id``, ...) and one of units. Of a NetCDF file
        the first variable over time is read whose units are those of discharge.
    units : str, optional
        Units of the values, where the file does not tell. A table may tell in the header,
        ``flow [m3 s-1]`` or ``flow (cfs)``, or in a column ``units``.
    variable : str, optional
        Column or variable to read, if not the one found by name.

    Returns
    -------
    xarray.DataArray
        ``discharge`` [m3 s-1], dimensions ``(time,)`` or, for more than one site,
        ``(site, time)``; ``time`` is naive datetime64 in UTC, strictly increasing. Missing
        values are NaN. Attributes: ``units``, ``long_name``, ``source``, ``notes``.

    Raises
    ------
    ObservationError
        If the file cannot be read, its columns, times or values are not understood, its units
        are missing or not those of discharge, or one instant has two values.
    """
    where = Path(path)
    records = _read(where, variable)
    notes = [*records.notes]
    factor = _factors(records.units, units, where)
    values = _without_codes(records.values, notes) * factor
    table = pd.DataFrame({"site": records.sites, "time": records.times, "value": values})
    array = _arranged(_settled(table, notes, where))
    if negative := int((array < 0).sum()):
        notes.append(f"{_count(negative, 'value')} below zero kept")
    array.attrs = {
        "units": UNITS,
        "long_name": "observed discharge",
        "source": where.name,
        "notes": "; ".join(notes),
    }
    return array


def _read(where: Path, variable: str | None) -> Records:
    try:
        with where.open("rb") as file:
            start = file.read(4)
    except OSError as problem:
        raise ObservationError(
            f"cannot open the observations {where}",
            reason=problem.strerror or str(problem),
            hint="check the path",
        ) from problem
    return read_netcdf(where, variable) if start.startswith(_NETCDF) else read_table(where, variable)


def _factors(stated: Sequence[str], given: str | None, where: Path) -> NDArray[np.float64]:
    """The factor into m3 s-1, per value or as one number; an error where nobody tells the units."""
    spelled, place = np.unique(np.asarray(stated, dtype=str), return_inverse=True)
    slopes = []
    for text in spelled:
        if not text.strip() and given is None:
            raise ObservationError(
                f"{where.name} does not say what units its values have",
                needed="units of discharge, such as m3 s-1 or cfs",
                hint="pass units='cfs', or write them in the header: 'flow [m3 s-1]'",
            )
        slope = _slope(text.strip() or str(given), where)
        if text.strip() and given is not None and not np.isclose(slope, _slope(given, where), rtol=1e-9):
            raise ObservationError(
                f"{where.name} and the caller name different units",
                file=text.strip(),
                caller=given,
                hint="leave units out, or correct the file",
            )
        slopes.append(slope)
    return np.asarray(slopes, dtype=np.float64)[place]


def _slope(text: str, where: Path) -> float:
    try:
        return conversion(_SPELLINGS.get(text.lower(), text), UNITS).slope
    except UnitsError as problem:
        raise ObservationError(
            f"{text!r} is not a unit of discharge",
            file=where.name,
            reason=problem.headline,
            hint="discharge is a volume per time, such as m3 s-1 or cfs",
        ) from problem


def _without_codes(values: NDArray[np.float64], notes: list[str]) -> NDArray[np.float64]:
    """*values* with NaN for the codes that stand for a missing value."""
    found = {code: int((values == code).sum()) for code in NO_DATA}
    notes.extend(f"{_count(n, 'value')} of {code:.0f} taken as missing" for code, n in found.items() if n)
    if endless := int(np.isinf(values).sum()):
        notes.append(f"{_count(endless, 'infinite value')} taken as missing")
    return np.where(np.isin(values, NO_DATA) | np.isinf(values), np.nan, values)


def _settled(table: pd.DataFrame, notes: list[str], where: Path) -> pd.DataFrame:
    """Rows in order, one for each site and instant."""
    if not table["value"].notna().any():
        raise ObservationError(
            f"{where.name} holds no discharge",
            rows=len(table),
            has="missing values only",
            hint="choose another file, period or site",
        )
    in_order = table.sort_values(["site", "time"], kind="stable", na_position="last")
    if not table.groupby("site", sort=False)["time"].is_monotonic_increasing.all():
        notes.append("rows put in order of time")
    twice = in_order.duplicated(["site", "time"], keep=False)
    if not twice.any():
        return in_order
    groups = in_order[twice].groupby(["site", "time"])["value"]
    low, high = groups.min(), groups.max()
    differ = high - low > 1e-9 * np.maximum(high.abs(), low.abs())
    if differ.any():
        site, time = cast("tuple[str, pd.Timestamp]", differ.idxmax())
        raise ObservationError(
            f"{where.name} has different values for one instant",
            instant=f"{time:%Y-%m-%dT%H:%M:%SZ}" + (f" at site {site}" if site else ""),
            has=f"{low[site, time]:.6g} and {high[site, time]:.6g} {UNITS}",
            instants=int(differ.sum()),
            hint="keep one of them; if this is the hour when summer time ends, write times with their zone",
        )
    settled = in_order.sort_values(["site", "time", "value"], na_position="last", kind="stable")
    settled = settled.drop_duplicates(["site", "time"], keep="first")
    notes.append(f"{_count(len(table) - len(settled), 'repeated row')} left out")
    return settled


def _arranged(table: pd.DataFrame) -> xr.DataArray:
    """The rows as one array: (time,) for one site, (site, time) for more."""
    wide = table.pivot(index="site", columns="time", values="value")
    times = pd.DatetimeIndex(wide.columns).as_unit("ns").to_numpy()
    sites = [str(site) for site in wide.index]
    array = xr.DataArray(
        wide.to_numpy(dtype=np.float64),
        dims=("site", "time"),
        coords={"site": sites, "time": times},
        name="discharge",
    )
    if len(sites) > 1:
        return array
    only = array.isel(site=0)
    return only if sites[0] else only.drop_vars("site")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
