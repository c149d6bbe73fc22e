"""Flows above which something happens: said, counted from the record, or read from a table.

`thresholds_of` makes one array of whatever was asked, in the units of the observations:

* ``"100 m3 s-1"``, or a number with ``units=``: that flow everywhere;
* ``"q90"`` or 0.9: the flow that 90 % of the compared observations at a place do not exceed;
* ``"5 years"``: the flow exceeded once in so many years on average (`dmod.evaluation.floods`);
* a table of sites, or a `dmod.evaluation.threshold_tables.ThresholdTable` read from a file.

A number above 1 without units is an error: nobody knows what flow it is.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from dmod.errors import InputError, ObservationError, UnitsError
from dmod.evaluation.crosswalk import GAGE, bare
from dmod.evaluation.floods import FEWEST_YEARS, annual_maxima, return_flows
from dmod.evaluation.given import labels_of, place_of, times_of
from dmod.evaluation.threshold_tables import ThresholdTable, read_thresholds
from dmod.units import conversion, is_known

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["THRESHOLD", "WHY_NONE", "thresholds_of"]

#: The dimension of thresholds.
THRESHOLD = "threshold"
#: The attribute that tells why there is no threshold, as JSON of its name to the reason.
WHY_NONE = "why_none"

_QUANTILE = re.compile(r"[qp](\d{1,2}(?:\.\d+)?)", re.IGNORECASE)
_YEARS = re.compile(r"(?:(\d+(?:\.\d+)?)[\s_-]*(?:years?|yr|y|a)|[rtq]p?(\d+(?:\.\d+)?)y(?:r|ears?)?)", re.IGNORECASE)
_FLOW = re.compile(r"([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)\s*(\D.*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, eq=False)
class _Sources:
    """What thresholds are taken from: observations at the pairs, those that have a simulated value, all there are."""

    obs: xr.DataArray
    compared: xr.DataArray
    record: xr.DataArray


@dataclass(frozen=True, slots=True)
class _Asked:
    """One threshold, as it was asked for."""

    name: str
    #: One of the following: a flow in *units*; a quantile in (0, 1); a return period [years] above 1.
    flow: float | None = None
    units: str = ""
    quantile: float | None = None
    years: float | None = None


def thresholds_of(
    given: Any, pairs: xr.Dataset, *, units: str | None = None, record: xr.DataArray | None = None
) -> tuple[xr.DataArray, tuple[str, ...]]:
    """Thresholds in the units of the pairs.

    Parameters
    ----------
    given : number, str, path, mapping, DataFrame, DataArray, ThresholdTable, or sequence of them
        What is asked, see above. A mapping gives each a name; a DataFrame has sites as its index and
        a column for each threshold.
    pairs : xarray.Dataset
        ``sim``, and ``obs`` over ([place,] time) with ``units``; quantiles are those of the observations compared.
    units : str, optional
        Units of numbers that have none.
    record : xarray.DataArray, optional
        All observations of the same places, for return periods; those of *pairs* otherwise.

    Returns
    -------
    thresholds : xarray.DataArray, shape ([place,] threshold), or ([place,] threshold, time)
        NaN where a place has none. Over time only where a table tells one for each day.
    notes : tuple of str

    Raises
    ------
    InputError
        If one is not understood, or its units are missing or do not convert.
    ObservationError
        If a table cannot be read or has none of the places.
    """
    obs = pairs["obs"]
    to = str(obs.attrs["units"])
    notes: list[str] = []
    sources = _Sources(obs, _compared(pairs), obs if record is None else record)
    lacking_years: dict[str, str] = {}
    parts = [_resolved(one, sources, to, units, notes, lacking_years) for one in _each(given)]
    names = [str(name) for part in parts for name in part[THRESHOLD].values]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        hint = "give them names: {'minor': ..., 'major': ...}"
        raise InputError(f"two thresholds are called {twice[0]!r}", hint=hint)
    if len(parts) > 1:
        wide = {dim for part in parts for dim in part.dims} - {THRESHOLD}
        parts = [part.broadcast_like(obs, exclude=set(obs.dims) - wide) for part in parts]
    found = xr.concat(parts, THRESHOLD, coords="minimal", compat="override") if len(parts) > 1 else parts[0]
    place = place_of(obs)
    order = [dim for dim in (place, THRESHOLD, "time") if dim in found.dims]
    found = found.transpose(*order).rename(None).assign_attrs(units=to, long_name="threshold")
    if lacking_years:
        found.attrs[WHY_NONE] = json.dumps(lacking_years)
    if place is not None and found.chunks is None and place in found.dims:
        blank = found.isnull().all("time") if "time" in found.dims else found.isnull()
        lacking = {str(name): int(blank.sel({THRESHOLD: name}).sum()) for name in found[THRESHOLD].values}
        count = found.sizes[place]
        notes += [f"{n:,} of {count:,} places have no threshold {name!r}" for name, n in lacking.items() if n]
    return found, tuple(notes)


def _each(given: Any) -> list[Any]:
    """The things that were asked, one by one."""
    if isinstance(given, Mapping):
        return [(str(name), one) for name, one in given.items()]
    single = isinstance(given, str | os.PathLike | xr.DataArray | pd.DataFrame | ThresholdTable)
    held = [given] if single or not isinstance(given, Iterable) else list(given)
    if not held:
        raise InputError("no threshold was given", hint="such as thresholds=['q90', '100 m3 s-1']")
    return held


def _compared(pairs: xr.Dataset) -> xr.DataArray:
    """Observations that have a simulated value, of any lead time and member."""
    if "sim" not in pairs:
        return pairs["obs"]
    there: xr.DataArray = xr.ufuncs.isfinite(pairs["sim"])
    return pairs["obs"].where(there.any([dim for dim in there.dims if dim not in pairs["obs"].dims]))


def _resolved(
    one: Any, sources: _Sources, to: str, units: str | None, notes: list[str], lacking: dict[str, str]
) -> xr.DataArray:
    obs, record = sources.obs, sources.record
    if isinstance(one, str | os.PathLike) and _is_file(one):
        one = read_thresholds(Path(one), units=units)
    if isinstance(one, pd.DataFrame):
        one = ThresholdTable.of(one, units=units)
    if isinstance(one, ThresholdTable):
        notes.extend(one.notes)
        return _looked_up(one, obs, to)
    if isinstance(one, xr.DataArray):
        return _converted(one, obs, to, units)
    asked = _asked(one, units)
    if asked.flow is not None:
        flow = asked.flow * _slope(asked.units, to, asked.name)
        return xr.DataArray([flow], {THRESHOLD: [asked.name]}, THRESHOLD)
    if (part := asked.quantile) is not None:
        return _over_time(sources.compared, lambda row: np.array([_quantile(row, part)]), asked.name)
    assert asked.years is not None
    times, years = times_of(record), asked.years
    notes.append(f"threshold {asked.name!r}: GEV by L-moments of the annual maxima of the observations (water years)")
    found = _over_time(record, lambda row: return_flows(row, times, [years]), asked.name)
    if found.chunks is None and bool(found.isnull().any()):
        known = _over_time(record, lambda row: np.array([len(annual_maxima(row, times))]), asked.name)
        if (fewest := int(known.min())) < FEWEST_YEARS:
            where = " at the place with the fewest" if known.size > 1 else ""
            lacking[asked.name] = f"{fewest} water year{'' if fewest == 1 else 's'}{where}, {FEWEST_YEARS} needed"
            notes.append(f"threshold {asked.name!r}: {lacking[asked.name]}")
    slope = _slope(str(record.attrs.get("units", to)), to, asked.name)
    return found if slope == 1 else found * slope


def _is_file(one: str | os.PathLike[str]) -> bool:
    text = os.fspath(one)
    return isinstance(one, os.PathLike) or Path(text).suffix.lower() in {".csv", ".tsv", ".txt", ".json", ".rdb"}


def _asked(one: Any, units: str | None) -> _Asked:
    """What a number or a text asks for.

    >>> _asked("q90", None)
    _Asked(name='q90', flow=None, units='', quantile=0.9, years=None)
    >>> _asked("3000 cfs", None).flow
    3000.0
    """
    name, what = one if isinstance(one, tuple) and len(one) == 2 else (None, one)
    if isinstance(what, int | float | np.number) and not isinstance(what, bool):
        value = float(what)
        if units is not None and np.isfinite(value):
            return _Asked(name or f"{value:g} {units}", value, units)
        if 0 < value < 1:
            return _Asked(name or f"q{100 * value:.10g}", quantile=value)
        raise InputError(
            f"the threshold {name or f'{value:g}'} does not say what units it has",
            has=f"{value:g}",
            hint=f"write '{value:g} m3 s-1', or pass threshold_units='m3 s-1'",
        )
    text = str(what).strip()
    if found := _QUANTILE.fullmatch(text):
        part = float(found[1]) / 100
        if 0 < part < 1:
            return _Asked(name or text.lower(), quantile=part)
    if found := _YEARS.fullmatch(text):
        years = float(found[1] or found[2])
        if years > 1:
            return _Asked(name or text, years=years)
        raise InputError(
            f"{text!r} is no return period",
            reason="in each year some flow is the largest: a flood comes once in more than one year",
            hint="such as '2 years', or a quantile such as 'q90'",
        )
    if (found := _FLOW.fullmatch(text)) and is_known(found[2]):
        return _Asked(name or text, float(found[1]), found[2].strip())
    raise InputError(
        f"{text!r} is no threshold",
        needed="a flow with units, a quantile, a return period above one year, or a table of sites",
        hint="such as '100 m3 s-1', 'q90', '5 years' or 'thresholds.csv'",
    )


def _slope(units: str, to: str, name: str) -> float:
    try:
        return conversion(units, to).slope
    except UnitsError as problem:
        raise InputError(
            f"the threshold {name!r} does not measure what is compared",
            has=units,
            needed=f"units that convert into {to}",
            hint="give a flow; a stage needs a rating curve first",
        ) from problem


def _quantile(row: NDArray[Any], part: float) -> float:
    """A quantile of what is not missing, between two values linearly (type 7 of Hyndman and Fan 1996)."""
    there = row[np.isfinite(row)].astype(np.float64)
    if not there.size:
        return float("nan")
    below, rest = divmod(part * (there.size - 1), 1)
    at = [int(below), min(int(below) + 1, there.size - 1)]
    there.partition(at)  # np.quantile does the same, five times as long
    return float(there[at[0]] + rest * (there[at[1]] - there[at[0]]))


def _over_time(obs: xr.DataArray, of_row: Any, name: str) -> xr.DataArray:
    """A function of each place's values, over ([place,] threshold)."""
    plain = obs.drop_vars("time")
    if plain.chunks is not None:
        plain = plain.chunk({"time": -1})

    def each(values: NDArray[Any]) -> NDArray[np.float64]:
        rows = values.reshape(-1, values.shape[-1])
        out = np.empty((len(rows), 1))
        for number, row in enumerate(rows):
            out[number] = of_row(row)
        return out.reshape(*values.shape[:-1], 1)

    found: xr.DataArray = xr.apply_ufunc(
        each, plain, input_core_dims=[["time"]], output_core_dims=[[THRESHOLD]], dask="parallelized",
        output_dtypes=[np.float64], dask_gufunc_kwargs={"output_sizes": {THRESHOLD: 1}},
    )  # fmt: skip
    return found.assign_coords({THRESHOLD: [name]})


def _converted(one: xr.DataArray, obs: xr.DataArray, to: str, units: str | None) -> xr.DataArray:
    """Thresholds as an array, over (threshold,) or (place, threshold)."""
    stated = str(one.attrs.get("units", "")).strip() or units
    if not stated:
        raise InputError("the thresholds do not say what units they have", hint="thresholds.attrs['units'] = 'm3 s-1'")
    if THRESHOLD not in one.dims:
        one = one.expand_dims({THRESHOLD: ["threshold" if one.name is None else str(one.name)]})
    place = place_of(obs)
    if extra := set(one.dims) - {THRESHOLD, "time", place}:
        raise InputError(
            "the thresholds have a dimension that is not compared", has=", ".join(map(str, sorted(map(str, extra))))
        )
    if place in one.dims:
        one = one.reindex({place: obs[place]})
    if "time" in one.dims:
        one = one.reindex(time=obs["time"])
    one = one.assign_coords({THRESHOLD: [str(name) for name in one[THRESHOLD].values]})
    return (one * _slope(stated, to, "threshold")).drop_attrs()


def _looked_up(table: ThresholdTable, obs: xr.DataArray, to: str) -> xr.DataArray:
    """What a table says of each place, and of each day if it tells days."""
    place = place_of(obs)
    sites = _sites(obs)
    known = {bare(str(site)): str(site) for site in table.sites}
    rows = [next((known[name] for name in names if name in known), None) for names in sites]
    if rows and not any(rows):
        if any(sites):
            raise ObservationError(
                "the table of thresholds has none of the places",
                has=", ".join(table.sites[:5]) + (" ..." if len(table.sites) > 5 else ""),
                needed=", ".join(names[0] for names in sites[:5] if names),
                hint="call its sites as the observations or the places of the run are called",
            )
        if len(table.sites) == 1:
            rows = [table.sites[0]]
        else:
            raise ObservationError(
                "it is open which site of the table of thresholds is meant",
                has=", ".join(table.sites[:5]),
                hint="give the observations their site: obs.assign_coords(site='...')",
            )
    slopes = {name: _slope(table.units[name], to, name) for name in table.names}
    values = table.at(rows, times_of(obs)) * np.array([slopes[name] for name in table.names])[:, None]
    dims = ("row", THRESHOLD, "time")
    found = xr.DataArray(values, {THRESHOLD: list(table.names)}, dims)
    found = found.isel(time=0) if not table.is_daily else found.assign_coords(time=obs["time"])
    if place is None:
        return found.isel(row=0)
    return found.rename(row=place).assign_coords({place: obs[place]})


def _sites(obs: xr.DataArray) -> list[list[str]]:
    """Every name of each place: its gage, and its own."""
    own = [[bare(name)] for name in labels_of(obs)]
    if place_of(obs) is None:
        return [[name for names in own for name in names]]
    if GAGE not in obs.coords:
        return own
    return [[bare(str(gage)), *names] for gage, names in zip(obs[GAGE].values.tolist(), own, strict=True)]
