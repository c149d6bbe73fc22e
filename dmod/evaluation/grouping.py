"""Pairs told apart by when they are: season, month, water year, flow class, event.

`grouped` gives a text for every instant; pairs with the same text are scored together. All
calendar groups are of UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dmod.errors import InputError
from dmod.evaluation.given import place_of, times_of

__all__ = ["GROUP", "GROUPINGS", "grouped", "in_order"]

#: The dimension of groups.
GROUP = "group"

#: Names of groupings to what they are.
GROUPINGS: Mapping[str, str] = {
    "season": "DJF, MAM, JJA and SON",
    "month": "01 to 12",
    "year": "calendar years",
    "water_year": "years from 1 October, named after the one in which they end",
    "hour": "hours of the day in UTC, 00 to 23",
    "flow_class": "low below the 0.3 quantile of the observations at a place, high from the 0.9 quantile, mid between",
}

_SEASONS = np.array(["DJF", "MAM", "JJA", "SON"])
#: Upper ends of the flow classes, as quantiles of the observations.
_CLASSES = (("low", 0.3), ("mid", 0.9), ("high", 1.0))


def grouped(asked: Any, pairs: xr.Dataset) -> dict[str, xr.DataArray]:
    """Name of a grouping to the text of each instant.

    Parameters
    ----------
    asked : str, DataArray, Series, mapping, or sequence of them
        Names out of `GROUPINGS`, or texts over ``time``: labels of events, of regimes. A mapping names them.
    pairs : xarray.Dataset
        What is compared.

    Returns
    -------
    dict of str to xarray.DataArray
        Over (time,), of flow classes over (place, time); empty text where an instant is in no group.

    Raises
    ------
    InputError
        If a name is not known, or labels share no instant with the pairs.
    """
    if isinstance(asked, Mapping):
        return {str(name): _one(what, pairs)[1] for name, what in asked.items()}
    listed = [asked] if isinstance(asked, str | xr.DataArray | pd.Series) else list(asked)
    found = dict(_one(what, pairs) for what in listed)
    if len(found) < len(listed):
        raise InputError("two groupings have one name", has=", ".join(found), hint="name them: {'regime': ..., ...}")
    return found


def in_order(name: str, labels: Sequence[str]) -> list[str]:
    """Labels of a grouping as people list them: seasons from winter on, flow classes from low to high.

    >>> in_order("season", ["DJF", "JJA", "MAM"])
    ['DJF', 'MAM', 'JJA']
    """
    known = {"season": list(_SEASONS), "flow_class": [label for label, _ in _CLASSES]}.get(name, [])
    return [str(label) for label in known if label in labels] + [one for one in labels if one not in known]


def _one(what: Any, pairs: xr.Dataset) -> tuple[str, xr.DataArray]:
    if isinstance(what, str):
        return what, _named(what, pairs)
    if isinstance(what, pd.Series):
        what = xr.DataArray(what.to_numpy(), {"time": pd.DatetimeIndex(what.index)}, "time", name=what.name)
    if not isinstance(what, xr.DataArray) or "time" not in what.dims:
        raise InputError(
            "a grouping is a name, or labels over time", has=type(what).__name__, known=", ".join(GROUPINGS)
        )
    return _called(what), _labels(what, pairs)


def _called(what: xr.DataArray) -> str:
    return GROUP if what.name is None else str(what.name)


def _labels(what: xr.DataArray, pairs: xr.Dataset) -> xr.DataArray:
    """Labels that somebody gave, at the instants of the pairs."""
    index = pd.DatetimeIndex(what.indexes["time"])
    here = (index.tz_convert("UTC").tz_localize(None) if index.tz is not None else index).as_unit("ns")
    at = here.get_indexer(times_of(pairs["obs"]))
    if not (at >= 0).any():
        raise InputError(
            f"the labels {_called(what)!r} share no instant with the pairs",
            hint="label the instants that are compared; reindex(..., method='ffill') labels those between",
        )
    values = what.transpose(..., "time").to_numpy()
    text = np.where(pd.isna(values), "", values.astype(str))
    text = np.where(at >= 0, text[..., at], "")
    return xr.DataArray(text, {dim: pairs[dim] for dim in what.dims if dim in pairs.coords}, what.dims)


def _named(name: str, pairs: xr.Dataset) -> xr.DataArray:
    times = times_of(pairs["obs"])
    if name == "flow_class":
        return _flow_classes(pairs["obs"])
    found: Any
    if name == "season":
        found = _SEASONS[np.asarray(times.month) % 12 // 3]
    elif name == "month":
        found = np.asarray(times.strftime("%m"), dtype=str)
    elif name == "hour":
        found = np.asarray(times.strftime("%H"), dtype=str)
    elif name == "year":
        found = np.asarray(times.year).astype(str)
    elif name == "water_year":
        found = np.asarray(times.year + (times.month >= 10)).astype(str)
    else:
        raise InputError(
            f"there is no grouping {name!r}", known=", ".join(GROUPINGS), hint="or give labels over time of your own"
        )
    return xr.DataArray(found, {"time": pairs["time"]}, "time")


def _flow_classes(obs: xr.DataArray) -> xr.DataArray:
    """Low, mid or high, by the quantiles of each place's observations."""
    place = place_of(obs)
    obs = obs.load() if obs.chunks is not None else obs
    rows = obs.transpose(..., "time").to_numpy()
    out = np.full(rows.shape, "", dtype="<U4")
    for row, text in zip(rows.reshape(-1, rows.shape[-1]), out.reshape(-1, rows.shape[-1]), strict=True):
        there = np.isfinite(row)
        if there.any():
            edges = np.quantile(row[there], [upto for _, upto in _CLASSES[:-1]])
            text[there] = np.array([name for name, _ in _CLASSES])[np.searchsorted(edges, row[there], side="right")]
    dims = (place, "time") if place is not None else ("time",)
    return xr.DataArray(out, {dim: obs[dim] for dim in dims if dim in obs.coords}, dims)
