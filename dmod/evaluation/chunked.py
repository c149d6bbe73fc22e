"""Scores of arrays that are larger than memory: the same passes, as tasks over blocks.

Where a block holds the whole time of its places, it is scored by itself. Blocks of time are joined
first as long as that takes no more than `JOINED` bytes for a block of places. Beyond, sums are taken
of each block of time and merged, which is exact; logarithms need the mean observation first, so
blocks are read a second time for them. Metrics that look at the series themselves always join.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from dmod.evaluation.cells import Asked, Cells, Raw
from dmod.evaluation.merging import merged
from dmod.evaluation.metric import Takes
from dmod.evaluation.plan import Plan, Variable
from dmod.evaluation.reduce import in_rows, reached, swept
from dmod.evaluation.scoring import scored, scored_from_sums

if TYPE_CHECKING:
    import dask.array as da

__all__ = ["JOINED", "scored_lazily"]

Floats = NDArray[np.float64]

#: Bytes of the series of a block of places over the whole time, below which blocks of time are joined.
JOINED: Final = 1 << 28
#: Sums of so many blocks of time are held together.
_MERGED_AT_ONCE: Final = 8


def scored_lazily(sim: da.Array, obs: da.Array, thresholds: da.Array, plan: Plan) -> dict[str, da.Array]:
    """As `dmod.evaluation.scoring.scored`, of Dask arrays, and nothing is computed yet.

    Parameters
    ----------
    sim, obs, thresholds : dask.array.Array
        Chunked alike along places.
    plan : Plan
        What is wanted.

    Returns
    -------
    dict
        Name to array, in the chunks of the places.
    """
    from_sums = plan.of(Takes.SUMS, Takes.TABLE)
    if len(obs.chunks[-1]) == 1 or plan.members is not None or _joined_bytes(sim, obs) <= JOINED or not from_sums:
        return _by_places(*_joined(sim, obs, thresholds), plan)
    out = _by_time(sim, obs, thresholds, plan.only(from_sums))
    if others := plan.of(Takes.SERIES):
        rest = _by_places(*_joined(sim, obs, thresholds), plan.only(others))
        lead = obs.chunks[:-1]
        out = rest | out
        out = {name: array.rechunk((*lead, *array.chunks[len(lead) :])) for name, array in out.items()}
    return {variable.name: out[variable.name] for variable in plan.variables}


def _joined_bytes(sim: da.Array, obs: da.Array) -> int:
    """Of the largest block of places over the whole time."""
    both = [int(np.prod([max(c) for c in x.chunks[:-1]])) * x.shape[-1] * x.dtype.itemsize for x in (sim, obs)]
    return sum(both)


def _joined(sim: da.Array, obs: da.Array, thresholds: da.Array) -> tuple[da.Array, da.Array, da.Array]:
    """Chunks that hold the whole time; where that would be too much, of fewer places."""
    if len(obs.chunks[-1]) == len(sim.chunks[-1]) == 1:
        return sim, obs, thresholds
    chunks: dict[int, Any] = {obs.ndim - 1: -1}
    if obs.ndim > 1 and (times := -(-_joined_bytes(sim, obs) // JOINED)) > 1:
        chunks[0] = max(1, max(obs.chunks[0]) // times)
    whole = obs.rechunk(chunks)
    lead = dict(enumerate(whole.chunks[:-1]))
    return (
        sim.rechunk({**lead, sim.ndim - 1: -1, sim.ndim - 2: -1} if sim.ndim > obs.ndim else chunks),
        whole,
        (thresholds.rechunk(lead) if lead else thresholds),
    )


def _by_places(sim: da.Array, obs: da.Array, thresholds: da.Array, plan: Plan) -> dict[str, da.Array]:
    """Each block of places by itself."""

    def score(s: Any, o: Any, at: Any) -> Floats:
        found = scored(_one(s), _one(o), _one(at), plan, threads=1)
        return _packed([found[variable.name] for variable in plan.variables], _one(o).ndim - 1)

    if plan.members is not None:
        sim = sim.rechunk({sim.ndim - 2: -1})
    packed = _mapped(score, obs.ndim - 1, _width(plan), sim, obs, thresholds)
    return _unpacked(packed, plan)


def _by_time(sim: da.Array, obs: da.Array, thresholds: da.Array, plan: Plan) -> dict[str, da.Array]:
    """Sums of each block of places and of time, merged over time."""
    import dask.array as da
    from dask.graph_manipulation import bind

    cells, lead = plan.asked.cells, obs.ndim - 1
    k, wants_logs = plan.thresholds, plan.asked.logs
    codes = np.zeros(obs.shape[-1], dtype=np.int64) if cells.codes is None else cells.codes
    when = da.from_array(codes, chunks=(obs.chunks[-1],), name=f"cells-{_token(codes)}")

    def part(asked: Asked, here: Any) -> Asked:
        return Asked(Cells(None if cells.codes is None else here, cells.pools), asked.sums, asked.logs)

    def sums(s: Any, o: Any, at: Any, here: Any) -> Floats:
        levels = reached(in_rows(_one(at)), plan.operator)
        raw = swept(_one(s), _one(o), levels, part(Asked(cells), _one(here)), threads=1)
        shape = _one(o).shape[:-1]
        return _packed([raw.sums.reshape(*shape, -1), raw.counts.reshape(*shape, -1)], lead)[..., None, :]

    def logs(s: Any, o: Any, eps: Any, here: Any) -> Floats:
        asked = part(Asked(cells, sums=False, logs=True), _one(here))
        flat = _one(eps).reshape(-1, cells.pool_count)
        raw = swept(_one(s), _one(o), np.empty((len(flat), 0)), asked, eps=flat, threads=1)
        return raw.logs.reshape(*_one(o).shape[:-1], 1, -1)

    def both(parts: Any) -> Floats:
        size = cells.count * 8
        moments = merged([x[..., 0, :size].reshape(*x.shape[:-2], cells.count, 8) for x in parts])
        counts = sum(x[..., 0, size:] for x in parts)
        return np.concatenate([moments.reshape(*moments.shape[:-2], -1), counts], axis=-1)

    def shift(whole: Any) -> Floats:
        moments = _one(whole)[..., : cells.count * 8].reshape(*_one(whole).shape[:-1], cells.count, 8)
        pools = [merged(list(np.moveaxis(moments[..., cells.pools == p, :], -2, 0))) for p in range(cells.pool_count)]
        return np.stack([0.01 * np.where(pool[..., 0] > 0, pool[..., 2], np.nan) for pool in pools], axis=-1)

    def finish(whole: Any, of_logs: Any, at: Any) -> Floats:
        levels, size = _one(at), cells.count * 8
        flat = _one(whole).reshape(-1, _one(whole).shape[-1])
        raw = Raw(
            np.empty((len(flat), 0)),
            flat[:, :size].reshape(len(flat), cells.count, 8),
            _one(of_logs).reshape(len(flat), cells.count if wants_logs else 0, 8),
            flat[:, size:].reshape(len(flat), cells.count, k, 3).astype(np.int64),
        )
        found = scored_from_sums(raw, levels, plan)[0]
        return _packed([found[variable.name] for variable in plan.variables], lead)

    whole = _over_time(both, lead, _parts(sums, lead, cells.count * (8 + 3 * k), sim, obs, thresholds, when))
    if wants_logs:
        eps = _mapped(shift, lead, cells.pool_count, whole)
        # Reading again waits until the means are there, so that no block is held meanwhile.
        again = bind([sim, obs], [eps])
        parts = _parts(logs, lead, cells.count * 8, again[0], again[1], eps, when)
        of_logs = _over_time(lambda x: _flat(merged([_cells(y, cells.count) for y in x])), lead, parts)
    else:
        of_logs = _mapped(lambda x: _one(x)[..., :0], lead, 0, whole)
    return _unpacked(_mapped(finish, lead, _width(plan), whole, of_logs, thresholds), plan)


def _cells(part: Floats, count: int) -> Floats:
    return part[..., 0, :].reshape(*part.shape[:-2], count, 8)


def _flat(moments: Floats) -> Floats:
    return moments.reshape(*moments.shape[:-2], -1)


def _parts(task: Any, lead: int, width: int, sim: da.Array, obs: da.Array, other: da.Array, when: da.Array) -> da.Array:
    """*task* of every block of places and of time: shape (..., block of time, width)."""
    import dask.array as da

    places, time, column = tuple(range(lead)), lead, lead + 1
    parts: da.Array = da.blockwise(
        task, (*places, time, column), sim, (*places, time), obs, (*places, time), other, (*places, lead + 2),
        when, (time,), new_axes={column: width}, adjust_chunks={time: lambda _: 1}, concatenate=None,
        align_arrays=False, dtype=np.float64, meta=np.empty((0,) * (lead + 2)),
    )  # fmt: skip
    return parts


def _over_time(task: Any, lead: int, parts: da.Array) -> da.Array:
    """*task* of the blocks of time of each block of places, some at a time so that few are held."""
    import dask.array as da

    while (count := parts.numblocks[lead]) > _MERGED_AT_ONCE:
        groups = [
            parts.blocks[(*[slice(None)] * lead, slice(first, first + _MERGED_AT_ONCE))]
            for first in range(0, count, _MERGED_AT_ONCE)
        ]
        parts = da.stack([_together(task, lead, group) for group in groups], axis=lead)
    return _together(task, lead, parts)


def _together(task: Any, lead: int, parts: da.Array) -> da.Array:
    import dask.array as da

    def joined(blocks: Any) -> Floats:
        found: Floats = task([_one(block) for block in blocks] if isinstance(blocks, list) else [blocks])
        return found

    return _wide(da.blockwise(
        joined, (*range(lead), lead + 2), parts, tuple(range(lead + 2)), new_axes={lead + 2: 1}, concatenate=None,
        align_arrays=False, dtype=np.float64, meta=np.empty((0,) * (lead + 1)),
    ), parts.shape[-1])  # fmt: skip


def _wide(array: da.Array, width: int) -> da.Array:
    """*array*, whose last dimension is as wide as it is."""
    import dask.array as da

    return da.Array(
        array.dask, array.name, (*array.chunks[:-1], (width,)), dtype=array.dtype, meta=np.empty((0,) * array.ndim)
    )


def _mapped(task: Any, lead: int, width: int, *arrays: da.Array) -> da.Array:
    """*task* of every block of places, to shape (..., width)."""
    import dask.array as da

    places, column = tuple(range(lead)), lead
    given: list[Any] = []
    free = lead + 1
    for array in arrays:
        own = tuple(range(free, free + array.ndim - lead))
        free += len(own)
        given += [array, (*places, *own)]
    mapped: da.Array = da.blockwise(
        task, (*places, column), *given, new_axes={column: width}, concatenate=None, align_arrays=False,
        dtype=np.float64, meta=np.empty((0,) * (lead + 1)),
    )  # fmt: skip
    return mapped


def _one(blocks: Any) -> Any:
    """The only block of a dimension that is taken whole."""
    while isinstance(blocks, list):
        (blocks,) = blocks
    return blocks


def _packed(arrays: Sequence[Any], lead: int) -> Floats:
    """Arrays of shape (..., *own), one after the other in the last dimension."""
    shape = np.shape(arrays[0])[:lead]
    return np.concatenate([np.asarray(x, dtype=np.float64).reshape(*shape, -1) for x in arrays], axis=-1)


def _width(plan: Plan) -> int:
    return sum(variable.size for variable in plan.variables)


def _unpacked(packed: da.Array, plan: Plan) -> dict[str, da.Array]:
    """Every variable of *packed*."""
    out, first = {}, 0
    for variable in plan.variables:
        out[variable.name] = _picked(packed, variable, first)
        first += variable.size
    return out


def _picked(packed: da.Array, variable: Variable, first: int) -> da.Array:
    import dask.array as da

    def pick(block: Floats) -> Any:
        part = block[..., first : first + variable.size]
        return part.reshape((*block.shape[:-1], *variable.shape)).astype(variable.dtype)

    lead = packed.ndim - 1
    chunks = (*packed.chunks[:-1], *((length,) for length in variable.shape))
    picked: da.Array = da.map_blocks(
        pick, packed, chunks=chunks, drop_axis=[lead], new_axis=list(range(lead, lead + len(variable.shape))),
        dtype=variable.dtype, meta=np.empty((0,) * len(chunks), dtype=variable.dtype),
    )  # fmt: skip
    return picked


def _token(value: Any) -> str:
    from dask.base import tokenize

    return str(tokenize(value))
