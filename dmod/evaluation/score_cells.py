"""Values of metrics as one block over place, metric and threshold, with the reason of each that is not there."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from dmod.errors import InputError

__all__ = ["ALL", "score_cells"]

#: The threshold of what has none: all pairs.
ALL = "all"
_NOT_PLACES = frozenset({"threshold", "group"})


def score_cells(values: xr.Dataset, names: list[str], reasons: xr.Dataset | None) -> xr.Dataset:
    """Metrics of *values* as one block over (place, metric, threshold); a group is a threshold of its own."""
    dims = {str(dim) for name in names for dim in values[name].dims}
    if len(places := sorted(dims - _NOT_PLACES)) > 1:
        raise InputError("scores have one dimension of places", has=", ".join(places), hint="select along the others")
    place = places[0] if places else None
    labels = [str(x) for x in _labels(values, place)] if place else [ALL]
    columns = {name: _columns(values[name], place) for name in names}
    texts = {name: _columns(_reasons(values, name, reasons), place) for name in names}
    at = list(dict.fromkeys(label for held in columns.values() for label in held))
    shape = (len(labels), len(names), len(at))
    value, applies, why = np.full(shape, np.nan), np.zeros(shape, dtype=bool), np.full(shape, "", dtype=object)
    for j, name in enumerate(names):
        for key, column in columns[name].items():
            k = at.index(key)
            value[:, j, k], applies[:, j, k], why[:, j, k] = column, True, texts[name][key]
    why = np.where(np.isnan(value) & applies, np.where(why == "", "not defined", why), "")
    over = ("place", "metric", "threshold")
    return xr.Dataset(
        {"value": (over, value), "applies": (over, applies), "reason": (over, why)},
        {"place": labels, "metric": names, "threshold": [", ".join(key) or ALL for key in at],
         "level": ("threshold", [key[0] for key in at])},
    )  # fmt: skip


def _labels(values: xr.Dataset, dim: str) -> list[Any]:
    return list(values[dim].values) if dim in values.coords else list(range(values.sizes[dim]))


def _columns(values: xr.DataArray, place: str | None) -> dict[tuple[str, ...], Any]:
    """Values over places for each threshold and group, by their labels."""
    if "threshold" not in values.dims:
        values = values.expand_dims(threshold=[ALL])
    over = [dim for dim in ("threshold", "group") if dim in values.dims]
    array = values.transpose(*([place] if place in values.dims else []), *over).to_numpy()
    if place not in values.dims:
        array = array[None]
    labels = [[str(x) for x in (values[d].values if d in values.coords else range(values.sizes[d]))] for d in over]
    return {
        tuple(axis[i] for axis, i in zip(labels, at, strict=True)): array[(slice(None), *at)]
        for at in np.ndindex(*(len(axis) for axis in labels))
    }


def _reasons(values: xr.Dataset, name: str, reasons: xr.Dataset | None) -> xr.DataArray:
    """Texts beside the values of a metric: why there is none."""
    if reasons is not None and name in reasons:
        return reasons[name]
    flags = values.get(f"{name}_reason")
    if flags is None or "flag_meanings" not in flags.attrs:
        return xr.full_like(values[name], "", dtype=object)
    told = str(flags.attrs["flag_meanings"]).split()
    meanings = {int(v): m.replace("_", " ") for v, m in zip(flags.attrs["flag_values"], told, strict=False)}
    return flags.copy(
        data=np.array([meanings.get(int(f), "") for f in flags.values.ravel()], dtype=object).reshape(flags.shape)
    )
