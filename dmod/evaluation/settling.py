"""What becomes of the values of a source: rules, applied once, each that changed something noted.

`settled` makes an array of `Records`; `settled_array` treats an array that a reader gives.
Both choose sites, period and method, take codes as missing, convert units, and put rows in
order. A value given twice for one instant counts once; two different ones are an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from dmod.errors import ObservationError, UnitsError, listed
from dmod.evaluation.gridding import grid_array, gridded
from dmod.evaluation.records import Asked, Records, counted
from dmod.units import conversion

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NO_DATA", "UNITS", "discharge_factor", "settled", "settled_array"]

#: Units that observations come back in.
UNITS = "m3 s-1"
#: Values that stand for a missing one, in the units of the source.
NO_DATA = (-9999.0, -999999.0)
#: Spellings of discharge that a source may have and UDUNITS does not.
_SPELLINGS = {
    "cfs": "ft3/s",
    "cms": "m3/s",
    "cumecs": "m3/s",
    "cubic feet per second": "ft3/s",
    "cubic meters per second": "m3/s",
    "cubic metres per second": "m3/s",
}
_NAMED = 5


def settled(records: Records, asked: Asked, name: str) -> xr.DataArray:
    """The rows of a source as one array.

    Parameters
    ----------
    records : Records
        Rows in any order.
    asked : Asked
        What is wanted of them.
    name : str
        What the source is called in errors.

    Returns
    -------
    xarray.DataArray
        ``discharge`` [m3 s-1] as `dmod.evaluation.observations.read_observations` gives it.

    Raises
    ------
    ObservationError
        If nothing is left, units are missing or wrong, or one instant has two values.
    """
    notes = [*records.notes]
    sites = _sites(records, asked, name, notes)
    rows = _rows(records, sites, asked, name)
    rows = _one_method(rows, asked, name, notes)
    values = _values(rows, asked, name, notes)
    array = gridded(rows, values, notes, name, duplicates=asked.duplicates)
    return _told(array, notes, name)


def settled_array(array: xr.DataArray, asked: Asked, name: str, notes: Sequence[str] = ()) -> xr.DataArray:
    """An array that a reader gives, with the rules applied.

    Parameters
    ----------
    array : xarray.DataArray
        Dimensions (time,) or (site, time), in that order; attribute ``units`` unless the caller
        gives them. Values are read here, of the sites and the period that are wanted only.
    asked : Asked
        What is wanted.
    name : str
        What the source is called in errors.
    notes : sequence of str
        What was assumed while reading.

    Returns
    -------
    xarray.DataArray
        As `settled` gives it.

    Raises
    ------
    ObservationError
        As `settled`.
    """
    told = [*notes]
    if "site" in array.dims:
        names = [str(one) for one in array["site"].values.tolist()]
        places = _places(names, asked, name, told)
        array = array if places == list(range(len(names))) else array.isel(site=places)
    elif asked.sites is not None:
        named = str(array["site"].item()) if "site" in array.coords else ""
        if named:
            _places([named], asked, name, told)
        else:
            told.append(f"the source names no site: taken as {', '.join(asked.sites)}")
    inside = asked.within(array["time"].values)
    if inside is not None:
        if not inside.any():
            raise _nothing_then(array["time"].values, asked, name)
        array = array.isel(time=np.flatnonzero(inside))
    loaded = array.load()
    times = loaded["time"].values.astype("datetime64[ns]")
    ids = [str(one) for one in np.atleast_1d(loaded["site"].values)] if "site" in loaded.coords else [""]
    units = str(loaded.attrs.get("units", ""))
    if (times[1:] <= times[:-1]).any() or len(set(ids)) < len(ids):
        records = _as_records(loaded, ids, times, units, told)
        return settled(records, Asked(units=asked.units, duplicates=asked.duplicates), name)
    factor = discharge_factor([units], asked.units, name)[0]
    values = _without_codes(np.array(loaded.values, dtype=np.float64, copy=True), told)
    if not np.isfinite(values).any():
        raise _nothing(name, values.size)
    if factor != 1.0:
        values *= factor
    order = sorted(range(len(ids)), key=ids.__getitem__)
    wide = values.reshape(len(ids), len(times))
    wide = wide if order == list(range(len(ids))) else wide[order]
    return _told(grid_array(wide, [ids[at] for at in order], times), told, name)


def discharge_factor(stated: Sequence[str], given: str | None, name: str) -> list[float]:
    """What to multiply values with for m3 s-1.

    Parameters
    ----------
    stated : sequence of str
        Units as the source has them; empty where it does not tell.
    given : str, optional
        Units that the caller gives.
    name : str
        What the source is called in errors.

    Returns
    -------
    list of float
        One for each of *stated*.

    Raises
    ------
    ObservationError
        If nobody tells the units, they are not those of discharge, or they contradict each other.
    """
    factors = []
    for text in (one.strip() for one in stated):
        if not text and given is None:
            raise ObservationError(
                f"{name} does not say what units its values have",
                needed="units of discharge, such as m3 s-1 or cfs",
                hint="pass units='cfs', or write them in the header: 'flow [m3 s-1]'",
            )
        slope = _slope(text or str(given), name)
        if text and given is not None and not np.isclose(slope, _slope(given, name), rtol=1e-9):
            raise ObservationError(
                f"{name} and the caller name different units",
                file=text,
                caller=given,
                hint="leave units out, or correct the file",
            )
        factors.append(slope)
    return factors


def _slope(text: str, name: str) -> float:
    try:
        return conversion(_SPELLINGS.get(text.lower(), text), UNITS).slope
    except UnitsError as problem:
        raise ObservationError(
            f"{text!r} is not a unit of discharge",
            file=name,
            reason=problem.headline,
            hint="discharge is a volume per time, such as m3 s-1 or cfs",
        ) from problem


def _places(names: Sequence[str], asked: Asked, name: str, notes: list[str]) -> list[int]:
    """Where the sites wanted stand; an error if none is there."""
    places, absent = asked.found(names)
    if not places:
        shown = listed(sorted(names), _NAMED)
        raise ObservationError(
            f"{name} has none of the sites asked for",
            asked=", ".join(absent[:_NAMED]),
            has=shown or "no site",
            hint="choose sites of 'has'; mind leading zeros",
        )
    if absent:
        notes.append(f"{counted(len(absent), 'site')} asked for not there: {', '.join(absent)}")
    return places


def _sites(records: Records, asked: Asked, name: str, notes: list[str]) -> NDArray[np.bool_] | None:
    """Which labels of sites are wanted; None for all."""
    if asked.sites is None:
        return None
    names = [str(one) for one in records.sites.categories]
    wanted = np.zeros(len(names), dtype=bool)
    if names == [""] and len(asked.sites) == 1:
        notes.append(f"the source names no site: taken as {asked.sites[0]}")
        return None
    wanted[_places(names, asked, name, notes)] = True
    return wanted


def _rows(records: Records, wanted: NDArray[np.bool_] | None, asked: Asked, name: str) -> Records:
    """The rows of the sites and the period that are wanted."""
    keep = None if wanted is None or wanted.all() else wanted[records.sites.codes]
    inside = asked.within(records.times)
    if inside is not None:
        if not (inside if keep is None else inside & keep).any():
            there = records.times if keep is None else records.times[keep]
            raise _nothing_then(there, asked, name)
        keep = inside if keep is None else keep & inside
    return records if keep is None else _kept(records, keep)


def _kept(records: Records, keep: NDArray[np.bool_]) -> Records:
    """Some of the rows."""

    def of(labels: pd.Categorical | None) -> Any:
        return None if labels is None else labels[keep]

    return Records(
        of(records.sites), records.times[keep], records.values[keep], of(records.units), of(records.qualifiers),
        of(records.methods), records.notes,
    )  # fmt: skip


def _one_method(records: Records, asked: Asked, name: str, notes: list[str]) -> Records:
    """The rows of one method for each site."""
    if records.methods is None:
        return records
    methods = [str(one) for one in records.methods.categories]
    count = len(methods)
    pairs = records.sites.codes.astype(np.int64) * count + records.methods.codes
    good = np.isfinite(records.values) & ~np.isin(records.values, NO_DATA)
    held = np.bincount(pairs[good], minlength=len(records.sites.categories) * count).reshape(-1, count)
    several = np.flatnonzero((held > 0).sum(axis=1) > 1)
    choice = held.argmax(axis=1)
    for site in several.tolist():
        label = str(records.sites.categories[site]) or "the source"
        there = [methods[at] for at in np.flatnonzero(held[site])]
        numbers = ", ".join(f"{methods[at]!r} ({held[site, at]:,} values)" for at in np.flatnonzero(held[site]))
        if asked.method == "first":
            choice[site] = np.flatnonzero(held[site])[0]
        elif asked.method != "most":
            if asked.method not in there:
                raise ObservationError(
                    f"{label} in {name} has values of more than one method",
                    has=numbers,
                    asked=asked.method,
                    hint="pass method='most', 'first', or one of 'has'",
                )
            choice[site] = methods.index(asked.method)
        notes.append(f"{label}: method {methods[choice[site]]!r} taken of {numbers}")
    keep = records.methods.codes == choice[records.sites.codes]
    return records if keep.all() else _kept(records, keep)


def _values(records: Records, asked: Asked, name: str, notes: list[str]) -> NDArray[np.float64]:
    """Values in m3 s-1, with NaN for what is missing; the records' own are left as they are."""
    values = _without_codes(np.array(records.values, dtype=np.float64, copy=True), notes)
    if records.qualifiers is not None:
        _without_qualified(values, records.qualifiers, asked, notes)
    valid = ~np.isnan(values)
    if not valid.any():
        raise _nothing(name, values.size)
    used = np.flatnonzero(np.bincount(records.units.codes[valid], minlength=len(records.units.categories)))
    factors = discharge_factor([str(records.units.categories[code]) for code in used.tolist()], asked.units, name)
    if len(used) == 1:
        if factors[0] != 1.0:
            values *= factors[0]
        return values
    slopes = np.full(len(records.units.categories), np.nan)
    slopes[used] = factors
    values *= slopes[records.units.codes]
    return values


def _without_codes(values: NDArray[np.float64], notes: list[str]) -> NDArray[np.float64]:
    """*values* with NaN for the codes that stand for a missing value; changed in place."""
    for code in NO_DATA:
        there = values == code
        if n := int(there.sum()):
            notes.append(f"{counted(n, 'value')} of {code:.0f} taken as missing")
            values[there] = np.nan
    endless = np.isinf(values)
    if n := int(endless.sum()):
        notes.append(f"{counted(n, 'infinite value')} taken as missing")
        values[endless] = np.nan
    return values


def _without_qualified(values: NDArray[np.float64], labels: pd.Categorical, asked: Asked, notes: list[str]) -> None:
    """Count what is said of values, and take those away that are to be dropped."""
    valid = ~np.isnan(values)
    held = np.bincount(labels.codes[valid], minlength=len(labels.categories))
    totals: dict[str, int] = {}
    dropped = np.zeros(len(labels.categories), dtype=bool)
    for at, label in enumerate(labels.categories):
        for code in filter(None, str(label).split(",")):
            if held[at]:
                totals[code] = totals.get(code, 0) + int(held[at])
            dropped[at] |= code.lower() in asked.drop
    gone = valid & dropped[labels.codes]
    for code, n in sorted(totals.items()):
        if code.lower() in asked.drop:
            notes.append(f"{counted(n, 'value')} qualified {code} taken as missing")
        elif code != "A":
            notes.append(f"{counted(n, 'value')} qualified {code} kept")
    values[gone] = np.nan


def _as_records(array: xr.DataArray, ids: list[str], times: Any, units: str, notes: list[str]) -> Records:
    """An array whose instants are not in order, as rows."""
    codes = np.repeat(np.arange(len(ids), dtype=np.int32), len(times))
    unique = list(dict.fromkeys(ids))
    place = np.array([unique.index(one) for one in ids], dtype=np.int32)
    return Records(
        sites=pd.Categorical.from_codes(place[codes], categories=pd.Index(unique, dtype=object)),
        times=np.tile(times, len(ids)),
        values=np.asarray(array.values, dtype=np.float64).ravel(),
        units=pd.Categorical.from_codes(
            np.zeros(codes.size, dtype=np.int8), categories=pd.Index([units], dtype=object)
        ),
        notes=tuple(notes),
    )


def _told(array: xr.DataArray, notes: list[str], name: str) -> xr.DataArray:
    """*array* with its attributes."""
    if negative := int((array.values < 0).sum()):
        notes.append(f"{counted(negative, 'value')} below zero kept")
    if "site" in array.dims:
        empty = [
            str(site)
            for site, lacks in zip(array["site"].values, np.isnan(array.values).all(axis=1), strict=True)
            if lacks
        ]
        if empty:
            notes.append(f"{counted(len(empty), 'site')} without a value: {', '.join(empty)}")
    array.attrs = {"units": UNITS, "long_name": "observed discharge", "source": name, "notes": "; ".join(notes)}
    return array


def _nothing(name: str, rows: int) -> ObservationError:
    """The error for a source of missing values."""
    return ObservationError(
        f"{name} holds no discharge", rows=rows, has="missing values only", hint="choose another file, period or site"
    )


def _nothing_then(times: NDArray[np.datetime64], asked: Asked, name: str) -> ObservationError:
    """The error for a period without values."""
    ends = [f"{pd.Timestamp(edge):%Y-%m-%dT%H:%MZ}" for edge in (times.min(), times.max())] if times.size else []
    return ObservationError(
        f"{name} has no values in the period",
        asked=asked.period(),
        has=" to ".join(ends) or "nothing",
        hint="choose start and end inside 'has'",
    )
