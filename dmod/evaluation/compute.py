"""Scores of paired series as a dataset: one pass for all metrics of sums and of counts, blocks for the rest.

Eager where the series are arrays; where they are Dask's, nothing is read until the scores are asked for.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dmod.errors import InputError
from dmod.evaluation.bootstrap import Confidence
from dmod.evaluation.metric import Metric
from dmod.evaluation.plan import SAMPLE_SIZE, Plan, Variable
from dmod.evaluation.pool import Need
from dmod.evaluation.reduce import OPERATORS
from dmod.evaluation.scoring import scored

__all__ = ["compute"]

_TIME, _MEMBER, _GROUP, _THRESHOLD = "time", "member", "group", "threshold"
#: A unit and its power, as UDUNITS write them.
_FACTOR = re.compile(r"(?P<unit>[^\W\d_]+)\^?(?P<power>-?\d+)?")


def compute(
    sim: xr.DataArray,
    obs: xr.DataArray,
    metrics: Sequence[Metric],
    *,
    thresholds: xr.DataArray | None = None,
    operator: str = ">=",
    groups: xr.DataArray | None = None,
    confidence: Confidence | None = None,
) -> xr.Dataset:
    """Scores of *sim* against *obs*.

    Parameters
    ----------
    sim : xarray.DataArray
        Simulated, dimensions time and any of places, lead times and ``member``; NaN where missing.
    obs : xarray.DataArray
        Observed, in the same units, at the same instants and places; without ``member``.
    metrics : sequence of Metric
        Which.
    thresholds : xarray.DataArray, optional
        In the same units, dimension ``threshold`` and any of those of places; NaN where there is none.
    operator : {">=", ">", "<=", "<"}
        How a value stands to a threshold in an event.
    groups : xarray.DataArray, optional
        Text over time, or over time and places: pairs of one text are scored together, those of none left out.
    confidence : Confidence, optional
        Intervals wanted. A metric that asks when something was has none.

    Returns
    -------
    xarray.Dataset
        A variable for each metric, with ``<name>_reason`` (0 where it is defined) and, with *confidence*,
        ``<name>_low`` and ``<name>_high``; ``sample_size``, the number of pairs. Dimensions are those of
        places, then ``member``, ``group`` and ``threshold`` as far as there are any.

    Raises
    ------
    InputError
        If dimensions or instants do not fit, thresholds or members are needed and missing, an operator
        is unknown, or there are fewer than two blocks for an interval.
    """
    if groups is not None and set(groups.dims) != {_TIME}:
        return _by_group_of_places(
            sim, obs, metrics, thresholds=thresholds, operator=operator, groups=groups, confidence=confidence
        )
    s, o, at = _fitted(sim, obs, thresholds)
    plan = _plan(s, o, at, metrics, operator, groups, confidence)
    plan.check()
    if s.chunks is None and o.chunks is None and at.chunks is None:
        values = scored(s.to_numpy(), o.to_numpy(), at.to_numpy(), plan)
    else:
        from dmod.evaluation.chunked import scored_lazily

        values = scored_lazily(*_chunked_alike(s, o, at), plan)
    return _dataset(values, plan, o, _coords(s, o, at, plan))


def _dataset(values: dict[str, Any], plan: Plan, obs: xr.DataArray, coords: dict[str, xr.DataArray]) -> xr.Dataset:
    """The scores, with what they mean."""
    units = str(obs.attrs.get("units", ""))
    metrics = {metric.name: metric for metric in plan.metrics}
    variables = {
        variable.name: xr.Variable(
            (*obs.dims[:-1], *(name for name, _ in variable.over)),
            values[variable.name],
            _attributes(variable, metrics, units, plan),
        )
        for variable in plan.variables
    }
    used = {dim for variable in variables.values() for dim in variable.dims}
    return xr.Dataset(variables, {name: held for name, held in coords.items() if set(held.dims) <= used})


def _fitted(
    sim: xr.DataArray, obs: xr.DataArray, thresholds: xr.DataArray | None
) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray]:
    """All three over the same places: (..., member?, time), (..., time) and (..., threshold)."""
    for name, array in (("sim", sim), ("obs", obs)):
        if _TIME not in array.dims:
            raise InputError(f"{name} has no dimension time", has=", ".join(map(str, array.dims)))
        if not np.issubdtype(array.dtype, np.number):
            raise InputError(f"{name} does not hold numbers", has=str(array.dtype))
    if _MEMBER in obs.dims:
        raise InputError("observations have no members", hint="swap sim and obs, or choose one member")
    given = thresholds if thresholds is not None else xr.DataArray(np.empty(0), dims=(_THRESHOLD,))
    if _THRESHOLD not in given.dims:
        raise InputError("thresholds have no dimension threshold", has=", ".join(map(str, given.dims)))
    places = [dim for dim in dict.fromkeys((*sim.dims, *obs.dims)) if dim not in (_TIME, _MEMBER)]
    if strange := [dim for dim in given.dims if dim not in (*places, _THRESHOLD)]:
        raise InputError(f"thresholds are over {strange[0]}, which the series are not", has=", ".join(map(str, places)))
    try:
        s, o, at = xr.align(sim, obs, given, join="exact", copy=False)
    except ValueError as problem:
        raise InputError(
            "sim, obs and thresholds are not over the same instants and places", reason=str(problem).split("\n")[0],
            hint="pair them first: dmod.evaluate does",
        ) from problem  # fmt: skip
    sizes = {dim: (s if dim in s.dims else o).sizes[dim] for dim in places}
    members = (_MEMBER,) if _MEMBER in s.dims else ()
    at = at.astype(np.float64)
    return (
        _over(s, (*places, *members, _TIME), sizes),
        _over(o, (*places, _TIME), sizes),
        _over(at, (*places, _THRESHOLD), sizes),
    )


def _over(array: xr.DataArray, dims: tuple[Hashable, ...], sizes: dict[Hashable, int]) -> xr.DataArray:
    """*array* with these dimensions, repeated along those it lacks without a copy."""
    lacking = {dim: sizes[dim] for dim in dims if dim not in array.dims}
    if array.chunks is None and array.variable._in_memory is False:  # a file's: read now
        array = array.load()
    return (array.expand_dims(lacking) if lacking else array).transpose(*dims)


def _plan(
    s: xr.DataArray, o: xr.DataArray, at: xr.DataArray, metrics: Sequence[Metric], operator: str,
    groups: xr.DataArray | None, confidence: Confidence | None,
) -> Plan:  # fmt: skip
    if operator not in OPERATORS:
        raise InputError(f"there is no operator {operator!r}", known=" ".join(OPERATORS), hint="choose one of 'known'")
    names = [metric.name for metric in metrics]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError("a metric is asked for twice", metric=", ".join(twice))
    times = _times(o)
    if confidence is not None and times is None:
        raise InputError("an interval of confidence needs the times of the pairs", hint="give obs a coordinate time")
    codes, labels = (None, ()) if groups is None else _codes(groups, o)
    blocks = None if confidence is None or times is None else confidence.blocks(times)
    members = s.sizes[_MEMBER] if _MEMBER in s.dims else None
    return Plan(tuple(metrics), times, operator, at.sizes[_THRESHOLD], members, codes, labels, confidence, blocks)


def _times(obs: xr.DataArray) -> Any:
    if _TIME not in obs.coords or not np.issubdtype(obs[_TIME].dtype, np.datetime64):
        return None
    times = obs[_TIME].to_numpy()
    if (np.diff(times) <= np.timedelta64(0)).any():
        raise InputError("instants do not increase", hint="sort them: array.sortby('time')")
    return times


def _codes(groups: xr.DataArray, obs: xr.DataArray) -> tuple[Any, tuple[str, ...]]:
    """Number of the group of each instant, and names of groups in order."""
    if groups.sizes[_TIME] != obs.sizes[_TIME]:
        raise InputError("groups are for other instants", needed=obs.sizes[_TIME], has=groups.sizes[_TIME])
    values = groups.to_numpy()
    texts = np.where(pd.isna(values), "", values.astype(str))
    labels = [label for label in np.unique(texts).tolist() if label]
    if not labels:
        raise InputError("no instant is in a group", hint="give a text for each instant")
    codes = np.searchsorted(labels, texts)
    return np.where(texts == "", -1, codes).astype(np.int64), tuple(labels)


def _by_group_of_places(
    sim: xr.DataArray, obs: xr.DataArray, metrics: Sequence[Metric], *, groups: xr.DataArray, **asked: Any
) -> xr.Dataset:
    """Groups that differ between places: each is scored with the other pairs missing."""
    values = groups.to_numpy()
    texts = groups.copy(data=np.where(pd.isna(values), "", values.astype(str)))
    labels = [label for label in np.unique(texts.to_numpy()).tolist() if label]
    if not labels:
        raise InputError("no instant is in a group", hint="give a text for each instant")
    parts = [compute(sim, obs.where(texts == label).assign_attrs(obs.attrs), metrics, **asked) for label in labels]
    joined = xr.concat(
        parts, pd.Index(labels, name=_GROUP), combine_attrs="override", coords="minimal", compat="override"
    )
    order = [dim for dim in obs.dims if dim != _TIME] + [
        dim for dim in (_MEMBER, _GROUP, _THRESHOLD) if dim in joined.dims
    ]
    return joined.transpose(*order, ...)


def _chunked_alike(s: xr.DataArray, o: xr.DataArray, at: xr.DataArray) -> tuple[Any, Any, Any]:
    """Dask arrays that have the same chunks along places and time."""
    alike = xr.unify_chunks(s.drop_vars(list(s.coords)).chunk(), o.drop_vars(list(o.coords)).chunk())
    lead = {dim: alike[1].chunksizes[dim] for dim in o.dims[:-1]}
    return alike[0].data, alike[1].data, at.drop_vars(list(at.coords)).chunk({**lead, _THRESHOLD: -1}).data


def _coords(s: xr.DataArray, o: xr.DataArray, at: xr.DataArray, plan: Plan) -> dict[str, xr.DataArray]:
    """Coordinates of places, members and thresholds, and the names of groups."""
    held = {
        str(name): coord.variable
        for array in (at, s, o)
        for name, coord in array.coords.items()
        if _TIME not in coord.dims and (coord.dims or array is o)
    }
    coords = {name: xr.DataArray(variable) for name, variable in held.items()}
    if plan.groups:
        coords[_GROUP] = xr.DataArray(np.array(plan.groups, dtype=object).astype(str), dims=(_GROUP,))
    return coords


def _attributes(variable: Variable, metrics: dict[str, Metric], units: str, plan: Plan) -> dict[str, Any]:
    """What a variable means."""
    if variable.name == SAMPLE_SIZE:
        return {"long_name": "number of pairs", "units": "1"}
    if variable.name in metrics:
        metric = metrics[variable.name]
        return {
            "long_name": metric.title,
            "units": _units(metric.units, units),
            "ideal": metric.ideal,
            "lowest": metric.bounds[0],
            "highest": metric.bounds[1],
            "towards": str(metric.towards),
            "formula": metric.formula,
            "source": metric.source,
        }
    name, _, kind = variable.name.rpartition("_")
    metric = metrics[name]
    if kind == "reason":
        meanings = ("defined", *(need.value.replace(" ", "_") for need in Need))
        return {
            "long_name": f"why {metric.title} has no value",
            "flag_values": np.arange(len(meanings), dtype=np.int8),
            "flag_meanings": " ".join(meanings),
        }
    assert plan.confidence is not None
    return {
        "long_name": f"{kind} end of the interval of {metric.title}",
        "units": _units(metric.units, units),
        "level": plan.confidence.level,
        "resamples": plan.confidence.resamples,
        "block": plan.confidence.block,
        "seed": plan.confidence.seed,
        "comment": "NaN where fewer than two blocks have pairs, or where fewer than half of the resamples have a value",
    }


def _units(of_metric: str, of_obs: str) -> str:
    """Units of a metric, given those of the observations.

    >>> _units("obs2", "m3 s-1")
    'm6 s-2'
    >>> _units("obs h", "m3 s-1")
    'm3 s-1 h'
    """
    if not of_metric.startswith("obs"):
        return of_metric
    if not of_obs:
        return ""
    if of_metric.startswith("obs2"):
        factors = of_obs.split()
        if all(_FACTOR.fullmatch(factor) for factor in factors):
            squared = [
                (found["unit"], 2 * int(found["power"] or 1)) for found in map(_FACTOR.fullmatch, factors) if found
            ]
            of_obs = " ".join(f"{unit}{power}" for unit, power in squared)
        else:
            of_obs = f"({of_obs})2"
    return f"{of_obs}{of_metric.removeprefix('obs').removeprefix('2')}"
