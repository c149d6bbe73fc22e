"""From arrays of pairs to arrays of scores: the pass, the kernels of the metrics, reasons and intervals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmod.evaluation.bootstrap import interval
from dmod.evaluation.cells import Raw
from dmod.evaluation.merging import pooled
from dmod.evaluation.metric import Metric, Takes
from dmod.evaluation.plan import SAMPLE_SIZE, Plan
from dmod.evaluation.pool import Ensemble, Series, Sums, Table
from dmod.evaluation.reasons import reason_number, reasons_of
from dmod.evaluation.reduce import in_rows, reached, swept

__all__ = ["scored", "scored_from_sums", "taken"]

Floats = NDArray[np.float64]

#: Pairs whose series are looked at together by a metric of series.
_AT_ONCE = 1 << 17
#: Numbers of resamples that are held together.
_RESAMPLED_AT_ONCE = 1 << 16


def scored(sim: Any, obs: Any, thresholds: Floats, plan: Plan, *, threads: int | None = None) -> dict[str, Any]:
    """Every variable of *plan*.

    Parameters
    ----------
    sim : array of number, shape (..., time), or (..., member, time) where the plan has members
        However it lies in memory.
    obs : array of number, shape (..., time)
        Likewise.
    thresholds : array of float, shape (..., k)
        In the units of the pairs.
    plan : Plan
        What is wanted.
    threads : int, optional
        How many work at the same time, otherwise one for each core.

    Returns
    -------
    dict
        Name to array of shape (..., member?, group?, threshold?).
    """
    out: dict[str, Any] = {}
    if plan.members is None:
        out = _of_pairs(sim, obs, thresholds, plan, threads)
    else:
        alike = np.broadcast_to(obs[..., None, :], sim.shape)
        everywhere = np.broadcast_to(thresholds[..., None, :], (*sim.shape[:-1], plan.thresholds))
        if several := plan.of(Takes.SUMS, Takes.TABLE, Takes.SERIES):
            out = _of_pairs(sim, alike, everywhere, plan.only(several), threads)
        if ensembles := plan.of(Takes.ENSEMBLE):
            out |= _of_ensembles(sim, obs, thresholds, plan.only(ensembles), threads)
    return {variable.name: out[variable.name] for variable in plan.variables}


def taken(sim: Any, obs: Any, thresholds: Floats, plan: Plan, threads: int | None) -> Raw:
    """The pass over pairs."""
    at = reached(in_rows(thresholds), plan.operator)
    return swept(sim, obs, at, plan.asked, threads=threads)


def _of_pairs(sim: Any, obs: Any, thresholds: Floats, plan: Plan, threads: int | None) -> dict[str, Any]:
    raw = taken(sim, obs, thresholds, plan, threads)
    out, sums = scored_from_sums(raw, thresholds, plan)
    for metric in plan.of(Takes.SERIES):
        out |= _looked_at(metric, sim, obs, thresholds, sums, None, plan)
    return out


def scored_from_sums(raw: Raw, thresholds: Floats, plan: Plan) -> tuple[dict[str, Any], Sums]:
    """What follows from the pass alone, and the sums of shape (..., group?)."""
    lead = thresholds.shape[:-1]
    groups = (len(plan.groups),) if plan.groups else ()
    cells, table_cells = _cells(raw, thresholds, plan)
    sums, table = (cells, table_cells) if plan.blocks is None else _whole(cells, table_cells)
    sums = sums.shaped(*lead, *groups)
    table = table.shaped(*lead, *groups, plan.thresholds)
    out: dict[str, Any] = {SAMPLE_SIZE: sums.n.astype(np.int64)}
    for metric in plan.of(Takes.SUMS, Takes.TABLE):
        is_table = metric.takes is Takes.TABLE
        with np.errstate(all="ignore"):
            values = np.asarray(metric.kernel(table if is_table else sums), dtype=np.float64)
        out |= _told(metric, values, sums, table if is_table else None)
    if plan.blocks is not None:
        out |= _intervals(cells, table_cells, lead, groups, plan)
    return out, sums


def _cells(raw: Raw, thresholds: Floats, plan: Plan) -> tuple[Sums, Table]:
    """Sums and table of shape (site, group[, block][, k])."""
    at = in_rows(thresholds)
    sums, table = raw.as_sums(), raw.as_table(np.isfinite(at), below=plan.operator in ("<", "<="))
    if plan.blocks is None:
        return sums, table
    shape = (len(at), max(len(plan.groups), 1), plan.blocks.count)
    return sums.shaped(*shape), table.shaped(*shape, plan.thresholds)


def _whole(sums: Sums, table: Table, weights: Floats | None = None) -> tuple[Sums, Table]:
    """Blocks merged: all of them once, or as *weights* say, one more dimension then."""
    taken_once = np.ones((1, sums.n.shape[-1])) if weights is None else weights
    w = taken_once.T

    def counted(x: Floats) -> Floats:
        return np.moveaxis(np.swapaxes(x, -1, -2) @ w, -1, -2)

    counts = Table(
        counted(table.hits), counted(table.misses), counted(table.false_alarms), counted(table.correct_negatives)
    )
    return pooled(sums, taken_once), counts


def _intervals(cells: Sums, tables: Table, lead: Any, groups: Any, plan: Plan) -> dict[str, Any]:
    """Low and high ends of metrics of sums and tables, some sites at a time."""
    blocks, confidence = plan.blocks, plan.confidence
    assert blocks is not None
    assert confidence is not None
    metrics = [metric for metric in plan.of(Takes.SUMS, Takes.TABLE) if plan.has_interval(metric)]
    sites, group_count = cells.n.shape[:2]
    room = {
        metric.name: np.full(
            (2, sites, group_count, *((plan.thresholds,) if metric.takes is Takes.TABLE else ())), np.nan
        )
        for metric in metrics
    }
    weights = blocks.weights
    enough = (cells.n > 0).sum(axis=-1) >= blocks.least
    step = max(1, _RESAMPLED_AT_ONCE // (group_count * len(weights) * max(plan.thresholds, 1)))
    for first in range(0, sites, step):
        here = slice(first, first + step)
        sums, table = _whole(cells.at(here), tables.at(here), weights)
        for metric in metrics:
            is_table = metric.takes is Takes.TABLE
            with np.errstate(all="ignore"):
                values = np.asarray(metric.kernel(table if is_table else sums), dtype=np.float64)
            values = np.where(
                reasons_of(metric.needs, None if is_table else sums, table if is_table else None) == 0, values, np.nan
            )
            values = np.where(enough[here].reshape(values.shape[:2] + (1,) * (values.ndim - 2)), values, np.nan)
            room[metric.name][:, here] = interval(np.moveaxis(values, 2, -1), confidence.level)
    return {
        f"{name}_{end}": found[which].reshape((*lead, *groups, *found.shape[3:]))
        for name, found in room.items()
        for which, end in enumerate(("low", "high"))
    }


def _of_ensembles(sim: Any, obs: Any, thresholds: Floats, plan: Plan, threads: int | None) -> dict[str, Any]:
    """Metrics of ensembles; what they need is told of the mean of the members."""
    mean = np.empty(obs.shape)
    for here, members, _ in _blocks(sim, obs, 2):
        mean.reshape(-1, mean.shape[-1])[here] = members.mean(axis=-2, dtype=np.float64)
    raw = taken(mean, obs, thresholds, plan, threads)
    out, sums = scored_from_sums(raw, thresholds, plan)
    table = _group_table(raw, thresholds, plan)
    for metric in plan.of(Takes.ENSEMBLE):
        out |= _looked_at(metric, sim, obs, thresholds, sums, table, plan)
    return out


def _group_table(raw: Raw, thresholds: Floats, plan: Plan) -> Table:
    cells, tables = _cells(raw, thresholds, plan)
    table = tables if plan.blocks is None else _whole(cells, tables)[1]
    groups = (len(plan.groups),) if plan.groups else ()
    return table.shaped(*thresholds.shape[:-1], *groups, plan.thresholds)


def _looked_at(
    metric: Metric, sim: Any, obs: Any, thresholds: Floats, sums: Sums, table: Table | None, plan: Plan
) -> dict[str, Any]:
    """A metric that looks at the series themselves, some sites at a time."""
    over = tuple(length for name, length in plan.over(metric) if name != "member")
    values = np.full((3, obs[..., 0].size, *over), np.nan)
    at = in_rows(thresholds)
    is_ensemble = metric.takes is Takes.ENSEMBLE
    for here, s, o in _blocks(sim, obs, 2 if is_ensemble else 1):
        for group in range(max(len(plan.groups), 1)):
            when = plan.instants(group)
            where: Any = (slice(None), group) if plan.groups else slice(None)
            values[0, here][where] = _kernel(metric, s, o, at[here], when, plan)
            if plan.has_interval(metric):
                values[1:, here][(slice(None), *(where if isinstance(where, tuple) else (where,)))] = _resampled(
                    metric, s, o, at[here], group, plan
                )
    shaped = values.reshape(3, *obs.shape[:-1], *over)
    is_at_thresholds = any(name == "threshold" for name, _ in plan.over(metric))
    out = _told(metric, shaped[0], sums, table if is_at_thresholds else None)
    if plan.has_interval(metric):
        out |= {f"{metric.name}_low": shaped[1], f"{metric.name}_high": shaped[2]}
    return out


def _kernel(metric: Metric, s: Any, o: Any, at: Floats, when: Any, plan: Plan) -> Floats:
    """Values of a block of sites at some instants."""
    times = None if plan.times is None else plan.times[when]
    with np.errstate(all="ignore"):
        if metric.takes is Takes.ENSEMBLE:
            ensemble = Ensemble.of(s[..., when], o[..., when], at if plan.thresholds else None)
            return np.asarray(metric.kernel(ensemble), dtype=np.float64)
        return np.asarray(metric.kernel(Series.of(s[..., when], o[..., when], times)), dtype=np.float64)


def _resampled(metric: Metric, s: Any, o: Any, at: Floats, group: int, plan: Plan) -> Floats:
    """Low and high ends of a block of sites, from series put together anew."""
    blocks, confidence = plan.blocks, plan.confidence
    assert blocks is not None
    assert confidence is not None
    values = []
    for resample in range(confidence.resamples):
        order = blocks.instants(resample)
        order = order if plan.codes is None else order[plan.codes[order] == group]
        values.append(_kernel(metric, s, o, at, order, plan))
    every = np.stack(values, axis=-1)
    is_pair = np.isfinite(o) & (np.isfinite(s) if s.ndim == o.ndim else np.isfinite(s).all(axis=-2))
    if plan.codes is not None:
        is_pair &= plan.codes == group
    stretches = [np.unique(blocks.codes[row]).size for row in is_pair]
    enough = np.array(stretches) >= blocks.least
    every[~enough] = np.nan
    return np.stack(interval(every, confidence.level))


def _told(metric: Metric, values: Floats, sums: Sums, table: Table | None) -> dict[str, Any]:
    """Values and reasons: each NaN has one, and what has one is NaN."""
    reasons = np.broadcast_to(reasons_of(metric.needs, sums, table), values.shape)
    is_left = (reasons == 0) & ~np.isfinite(values)
    reasons = np.where(is_left, np.int8(reason_number(metric.otherwise)), reasons)
    return {metric.name: np.where(reasons == 0, values, np.nan), f"{metric.name}_reason": reasons}


def _blocks(sim: Any, obs: Any, tail: int) -> Iterator[tuple[slice, Any, Any]]:
    """Some sites at a time: which, counted through, and their series with the sites in one dimension."""
    lead = obs.shape[:-1]
    if not lead:
        yield slice(0, 1), sim[None], obs[None]
        return
    if len(lead) > 1:
        size = int(np.prod(lead[1:], dtype=np.int64))
        for first in range(lead[0]):
            for here, s, o in _blocks(sim[first], obs[first], tail):
                yield slice(first * size + here.start, first * size + here.stop), s, o
        return
    each = int(np.prod(sim.shape[-tail:], dtype=np.int64))
    step = max(1, _AT_ONCE // max(each, 1))
    for first in range(0, lead[0], step):
        stop = min(first + step, lead[0])
        yield slice(first, stop), sim[first:stop], obs[first:stop]
