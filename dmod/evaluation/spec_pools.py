"""Scores of pairs at thresholds that may change from instant to instant, metric by metric.

Continuous metrics see the pairs whose observation is an event; categories count events of both.
`scores_of` computes them right, `original_scores` as the original DMOD does.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from dmod.evaluation.grouping import grouped
from dmod.evaluation.metric import Metric, Takes
from dmod.evaluation.original import Pool, original_metric
from dmod.evaluation.pool import Need
from dmod.evaluation.score_cells import ALL
from dmod.evaluation.spec_thresholds import Threshold

if TYPE_CHECKING:
    from dmod.evaluation.bootstrap import Confidence

__all__ = ["original_scores", "scores_of"]

_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt, "==": operator.eq,
}  # fmt: skip
_THRESHOLD = "threshold"


def scores_of(
    pairs: xr.Dataset,
    thresholds: Sequence[Threshold],
    metrics: Sequence[Metric],
    *,
    sites: Sequence[str],
    groups: str | None = None,
    confidence: Confidence | None = None,
    progress: Callable[[float], None] = lambda _share: None,
) -> xr.Dataset:
    """Metrics of all pairs, and at each threshold.

    Parameters
    ----------
    pairs : xarray.Dataset
        ``sim`` and ``obs`` over (place, time), in the same units.
    thresholds : sequence of Threshold
        Where.
    metrics : sequence of Metric
        What.
    sites : sequence of str
        The observed site of each place.
    groups : str, optional
        A grouping of `dmod.evaluation.grouping.GROUPINGS`.
    confidence : Confidence, optional
        Intervals, too.
    progress : callable
        Told the share done, in [0, 1].

    Returns
    -------
    xarray.Dataset
        As of `dmod.evaluation.compute.compute`, over (place, group?, threshold); the first threshold is ``all``.
    """
    texts = None if groups is None else grouped(groups, pairs)[groups]
    block = functools.partial(_block, pairs, metrics, texts, confidence)
    nowhere = xr.full_like(pairs["obs"], np.nan)
    counted = [metric for metric in metrics if metric.takes is Takes.TABLE]
    blocks = [_without_threshold(block(None, (nowhere, nowhere), ALL), counted, np.full(len(sites), True))]
    for number, one in enumerate(thresholds):
        progress(number / len(thresholds))
        level = pairs["obs"].copy(data=one.at(pairs, sites))
        sim, obs = (_events(one.operator, pairs[role], level) for role in ("sim", "obs"))
        keep = (obs == 1.0) if "obs" in one.on else (sim == 1.0)
        if len(one.on) > 1:
            keep = keep & (sim == 1.0)
        lacking = np.isnan(level.to_numpy()).all(axis=-1)
        blocks.append(_without_threshold(block(keep, (sim, obs), one.label), metrics, lacking))
    if not thresholds:
        return blocks[0].isel({_THRESHOLD: 0}, drop=True)
    return _ordered(xr.concat(blocks, _THRESHOLD, combine_attrs="override", coords="minimal", compat="override"))


def _block(
    pairs: xr.Dataset, metrics: Sequence[Metric], texts: xr.DataArray | None, confidence: Confidence | None,
    keep: xr.DataArray | None, events: tuple[xr.DataArray, xr.DataArray], label: str,
) -> xr.Dataset:  # fmt: skip
    """Metrics at one threshold: continuous ones of the pairs to keep, categories of events."""
    from dmod.evaluation.compute import compute  # which brings the compiler along

    pool = [pairs[role] if keep is None else pairs[role].where(keep) for role in ("sim", "obs")]
    others = [metric for metric in metrics if metric.takes is not Takes.TABLE]
    parts = [compute(pool[0], pool[1], others, groups=texts, confidence=confidence)]
    if counted := [metric for metric in metrics if metric.takes is Takes.TABLE]:
        half = xr.DataArray([0.5], {_THRESHOLD: [label]}, (_THRESHOLD,))
        made = compute(*events, counted, thresholds=half, groups=texts, confidence=confidence)
        parts.append(made.isel({_THRESHOLD: 0}, drop=True).drop_vars("sample_size"))
    whole = xr.merge(parts, compat="override", combine_attrs="override")
    whole = whole.assign_coords({c: pairs[c] for c in pairs.coords if pairs[c].dims == ("place",)})
    return whole.expand_dims({_THRESHOLD: [label]}, axis=-1)


def _events(sign: str, values: xr.DataArray, level: xr.DataArray) -> xr.DataArray:
    """1 at an event, 0 at none, NaN where value or threshold is missing: so a threshold may change with time."""
    there = values.notnull() & level.notnull()
    found: xr.DataArray = _OPERATORS[sign](values, level).astype(np.float64).where(there)
    return found.assign_attrs(values.attrs)


def _ordered(scores: xr.Dataset) -> xr.Dataset:
    """Dimensions in the order of the room: place, group, threshold."""
    ordered: xr.Dataset = scores.transpose(*(d for d in ("place", "group", _THRESHOLD) if d in scores.dims), ...)
    return ordered


def _without_threshold(scores: xr.Dataset, metrics: Sequence[Metric], lacking: np.ndarray[Any, Any]) -> xr.Dataset:
    """Say of places that have no threshold that this is why there is no value."""
    if not lacking.any():
        return scores
    at = xr.DataArray(lacking, dims=("place",))
    for metric in metrics:
        reason = f"{metric.name}_reason"
        if reason not in scores:
            continue
        codes = scores[reason]
        meaning = Need.THRESHOLD.value.replace(" ", "_")
        told = str(codes.attrs.get("flag_meanings", "")).split()
        if meaning in told:
            flag = int(np.asarray(codes.attrs["flag_values"])[told.index(meaning)])
            scores[reason] = codes.where(~at, codes.dtype.type(flag)).astype(codes.dtype).assign_attrs(codes.attrs)
    return scores


def original_scores(
    merged: Mapping[str, pd.DataFrame],
    pairs: xr.Dataset,
    thresholds: Sequence[Threshold],
    metrics: Sequence[str],
    *,
    progress: Callable[[float], None] = lambda _share: None,
) -> xr.Dataset:
    """Metrics at each threshold as the original computes them.

    Parameters
    ----------
    merged : Mapping
        Label of a place to its rows of ``time``, ``obs`` and ``sim``.
    pairs : xarray.Dataset
        The places, with their sites as ``gage``, and the units.
    thresholds : sequence of Threshold
        Where; their units are not honoured.
    metrics : sequence of str
        Names of the original.
    progress : callable
        Told the share done, in [0, 1].

    Returns
    -------
    xarray.Dataset
        A variable for each metric over (place, threshold), by the original's names in lower case.
    """
    places, sites = [str(p) for p in pairs["place"].values], [str(s) for s in pairs["gage"].values]
    labels = [one.original_label for one in thresholds]
    kernels = [original_metric(name) for name in metrics]
    values = np.full((len(kernels), len(places), len(labels)), np.nan)
    sizes = np.zeros((len(places), len(labels)))
    for i, (place, site) in enumerate(zip(places, sites, strict=True)):
        progress(i / len(places))
        rows = merged[place]
        alone = xr.Dataset(
            {role: (("place", "time"), rows[role].to_numpy()[None]) for role in ("sim", "obs")},
            {"time": rows["time"].to_numpy()},
        )
        alone["obs"].attrs["units"] = pairs["obs"].attrs["units"]
        ticks = rows["time"].to_numpy().astype("datetime64[ns]").astype(np.int64)
        for k, one in enumerate(thresholds):
            if one.table is not None and site not in one.places:
                continue
            level = one.at(alone, [site], convert=False)[0]
            pool = Pool(rows["sim"].to_numpy(), rows["obs"].to_numpy(), ticks, level)
            sizes[i, k] = len(rows)
            values[:, i, k] = [kernel(pool) for kernel in kernels]
    over = ("place", _THRESHOLD)
    scores = xr.Dataset(coords={"place": places, "gage": ("place", sites), _THRESHOLD: labels})
    for kernel, block in zip(kernels, values, strict=True):
        scores[kernel.variable] = (over, block, {
            "long_name": kernel.name, "units": "1", "ideal": kernel.ideal, "lowest": kernel.bounds[0],
            "highest": kernel.bounds[1], "formula": "as the original DMOD computes it", "source": "NOAA-OWP/DMOD",
        })  # fmt: skip
    scores["sample_size"] = (over, sizes.astype(np.int64), {"long_name": "pairs at the place", "units": "1"})
    return scores
