"""How two series come onto the same instants: equal ones, nearest ones, or means of intervals.

`aligned` picks or averages along time and nothing else. What is lazy stays lazy: which
instants belong together is told by the axes alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from dmod.errors import InputError, ObservationError
from dmod.evaluation.given import ZONE, times_of
from dmod.evaluation.time_axis import Axis, axis_of, grid_of, span_in_words

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dmod.evaluation.pairing import Pairing

__all__ = ["aligned", "axis_in_words", "picked", "step_of"]

#: What becomes of the values of an interval.
_REDUCED = {"mean": np.add, "max": np.fmax, "min": np.fmin}
#: How far a number of instants may be from a whole one that is meant: leap years, summer time.
_NEARLY = 0.1


def aligned(sim: xr.DataArray, obs: xr.DataArray, rules: Pairing) -> tuple[xr.DataArray, xr.DataArray, tuple[str, ...]]:
    """Both series at the same instants, increasing, and what a reader should know of it.

    Parameters
    ----------
    sim, obs : xarray.DataArray, shape (..., time)
        Over instants that increase.
    rules : Pairing
        How.

    Raises
    ------
    ObservationError
        If no instant is left.
    InputError
        If the rules do not fit the series.
    """
    if rules.instants == "exact":
        return _exact(sim, obs)
    if rules.instants == "nearest":
        return _nearest(sim, obs, rules)
    return _intervals(sim, obs, rules)


def picked(series: xr.DataArray, where: NDArray[np.intp], dim: str = "time") -> xr.DataArray:
    """The values at positions along a dimension; a view where they lie side by side."""
    n = len(where)
    if n and int(where[-1]) - int(where[0]) + 1 == n and (np.diff(where) == 1).all():
        start = int(where[0])
        return series if n == series.sizes[dim] else series.isel({dim: slice(start, start + n)})
    return series.isel({dim: where})


def step_of(times: pd.DatetimeIndex) -> pd.Timedelta | None:
    """The usual time between two instants; None for fewer than two."""
    if len(times) < 2:
        return None
    steps = np.diff(np.sort(times.to_numpy()))
    return pd.Timedelta(np.median(steps.astype(np.int64)).astype("timedelta64[ns]"))


def axis_in_words(series: xr.DataArray) -> str:
    """A time axis in words: ``2016-09-01T00:00Z .. 2016-09-30T23:00Z, every 1 h, 720 instants``."""
    times = times_of(series)
    if times.empty:
        return "no instants"
    axis = axis_of(times.unique().sort_values(), "left")
    every = "" if axis is None else f", every {axis.words}"
    return f"{times.min():%Y-%m-%dT%H:%MZ} .. {times.max():%Y-%m-%dT%H:%MZ}{every}, {len(times):,} instants"


def _exact(sim: xr.DataArray, obs: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray, tuple[str, ...]]:
    here, there, run, all_seen = times_of(sim), times_of(obs), sim, obs
    if not here.equals(there):
        shared = here.intersection(there)
        if shared.empty:
            raise _nothing(sim, obs)
        sim, obs = picked(sim, here.get_indexer(shared)), picked(obs, there.get_indexer(shared))
    told = _unmatched(all_seen, obs, run)
    axes = [axis for axis in (axis_of(here, "left"), axis_of(there, "left")) if axis is not None]
    if len(axes) < 2 or axes[0].length == axes[1].length:
        return sim, obs, told
    every = f"sim is every {axes[0].words}, obs every {axes[1].words}"
    return sim, obs, (f"{every}: equal instants are compared, nothing is averaged", *told)


def _nearest(
    sim: xr.DataArray, obs: xr.DataArray, rules: Pairing
) -> tuple[xr.DataArray, xr.DataArray, tuple[str, ...]]:
    """The instants of the coarser, each with the nearest of the other."""
    here, there = times_of(sim), times_of(obs)
    steps = [step_of(times) or pd.Timedelta(0) for times in (here, there)]
    sim_stays = steps[0] >= steps[1]
    kept, found = (here, there) if sim_stays else (there, here)
    reach, coarse = pd.Timedelta(str(rules.tolerance)), max(steps)
    if coarse and reach > coarse / 2:
        raise InputError(
            "the tolerance is so large that one value would count twice",
            needed=f"at most half of the coarser step, {span_in_words(coarse / 2)}",
            has=span_in_words(reach),
        )
    places = found.get_indexer(kept, method="nearest", tolerance=reach)
    near = np.flatnonzero(places >= 0)
    # Half-way between two instants, one value would be nearest to both.
    near = near[np.unique(places[near], return_index=True)[1]]
    if not len(near):
        raise _nothing(sim, obs, near=span_in_words(reach))
    at = kept[near]
    pick = (near, places[near]) if sim_stays else (places[near], near)
    lost = len(there) - len(near) if steps[0] <= steps[1] else 0
    sim, obs = (picked(one, where).assign_coords(time=at) for one, where in zip((sim, obs), pick, strict=True))
    furthest = pd.Timedelta(np.abs(found[places[near]] - at).max())
    whose = "sim" if sim_stays else "obs"
    told = (f"instants of {whose} are compared with the nearest of the other, at most {span_in_words(furthest)} away",)
    missed = f"{lost:,} of {len(there):,} observed instants have no simulated one within {span_in_words(reach)}"
    return sim, obs, (*(told if furthest else ()), *((missed,) if lost else ()))


def _intervals(
    sim: xr.DataArray, obs: xr.DataArray, rules: Pairing
) -> tuple[xr.DataArray, xr.DataArray, tuple[str, ...]]:
    """Values of the finer series taken together over the intervals of the coarser, or both over given ones."""
    both = {"sim": sim, "obs": obs}
    axes = {role: axis_of(times_of(one), rules.label, one.attrs.get(ZONE)) for role, one in both.items()}
    known = [axis for axis in axes.values() if axis is not None]
    if rules.every is None and len(known) < 2:
        raise InputError("an interval of time cannot be told from one instant", hint="name it: Pairing(every='1D')")
    notes: list[str] = []
    wanted = None if rules.every is None else _grid(sim, rules)
    length = max(axis.length for axis in known) if wanted is None else wanted.length
    coarse = next((axis for axis in known if axis.length == length), None)
    for role, axis in axes.items():
        if axis is not None and wanted is not None and axis.length > length:
            raise InputError(
                f"{role} is coarser than the interval",
                needed=f"values every {wanted.words} or more often",
                has=axis.words,
            )
        if axis is None or axis.length == length:
            notes += [] if axis is None else [f"{role}: {note}" for note in axis.notes]
            continue
        over = coarse or _grid(both[role], rules)
        both[role], lost = _reduced(both[role], axis.length, over, rules)
        notes.append(
            f"{role} is the {rules.instants} over intervals of {over.words}, closed and labelled {_sides(rules)}"
            + (f"; {lost:,} intervals without enough instants are left out" if lost else "")
        )
    matched, seen, _ = _exact(both["sim"], both["obs"])
    return matched, seen, (*notes, *_unmatched(both["obs"], seen, both["sim"]))


def _grid(series: xr.DataArray, rules: Pairing) -> Axis:
    return grid_of(times_of(series), str(rules.every), rules.closed, rules.label)


def _sides(rules: Pairing) -> str:
    return rules.closed if rules.closed == rules.label else f"{rules.closed} and {rules.label}"


def _needed(over: Axis, step: pd.Timedelta, complete: float) -> NDArray[np.float64]:
    """How many instants each interval needs; those of days and months are whole numbers."""
    full = (over.ends - over.starts).to_numpy().astype("timedelta64[ns]") / np.timedelta64(step.value, "ns")
    return np.asarray(complete * np.where(np.abs(full - np.round(full)) < _NEARLY, np.round(full), full))


def _reduced(series: xr.DataArray, step: pd.Timedelta, over: Axis, rules: Pairing) -> tuple[xr.DataArray, int]:
    """Values of each interval taken together; intervals with too few instants are left out."""
    times, is_known = times_of(series), np.asarray(over.starts.notna()) & np.asarray(over.ends.notna())
    edges = [axis.where(is_known, over.labels) for axis in (over.starts, over.ends)]
    first, stop = (times.searchsorted(edge, side=rules.closed) for edge in edges)
    counts = np.where(is_known, stop - first, 0)
    needed = np.where(is_known, _needed(over, step, rules.complete), np.inf)
    kept = np.flatnonzero((counts >= needed - 1e-9) & (counts > 0))
    if not len(kept):
        most = int(counts.argmax())
        raise ObservationError(
            "no interval has enough instants",
            needed=f"{needed[most]:g} in each of {over.words}",
            has=f"{counts.max()} at most, {axis_in_words(series)}",
            hint="take a shorter interval, or Pairing(complete=0.9)",
        )
    inside = np.concatenate([np.arange(first[at], stop[at]) for at in kept])
    begins = np.append(0, np.cumsum(counts[kept])[:-1])
    least = np.maximum(needed[kept] - 1e-9, 1)

    def reduce(block: NDArray[Any]) -> NDArray[Any]:
        there = np.isfinite(block)
        how = _REDUCED[rules.instants]
        total = how.reduceat(np.where(there, block, 0.0 if how is np.add else np.nan), begins, axis=-1)
        held = np.add.reduceat(there, begins, axis=-1, dtype=np.int64)
        with np.errstate(invalid="ignore", divide="ignore"):
            value = total / held if how is np.add else total
        return np.where(held >= least, value, np.nan).astype(block.dtype)

    series = picked(series, inside)
    if series.chunks is not None:
        series = series.chunk({"time": -1})
    if series.dtype.kind != "f":
        series = series.astype(np.float64)
    reduced = xr.apply_ufunc(
        reduce, series.drop_vars("time"), input_core_dims=[["time"]], output_core_dims=[["interval"]],
        dask="parallelized", output_dtypes=[series.dtype], keep_attrs=True,
        dask_gufunc_kwargs={"output_sizes": {"interval": len(kept)}},
    ).rename(interval="time").assign_coords(time=over.labels[kept].as_unit("ns"))  # fmt: skip
    return reduced, int(((counts > 0) & (counts < needed - 1e-9)).sum())


def _unmatched(obs: xr.DataArray, seen: xr.DataArray, sim: xr.DataArray) -> tuple[str, ...]:
    """How many observed instants have no simulated one, and how many of them are while the run went on."""
    lost = times_of(obs).difference(times_of(seen))
    if lost.empty:
        return ()
    run = times_of(sim)
    within = int(((lost >= run[0]) & (lost <= run[-1])).sum())
    period = f", {within:,} of them within the simulated period" if within else ": they are outside of its period"
    return (f"{len(lost):,} of {obs.sizes['time']:,} observed instants have no simulated one{period}",)


def _nothing(sim: xr.DataArray, obs: xr.DataArray, *, near: str = "") -> ObservationError:
    here, there = times_of(sim), times_of(obs)
    apart = here.max() < there.min() or there.max() < here.min()
    within = f" within {near}" if near else ""
    why = "they do not overlap in time" if apart else f"they overlap, but share no instant{within}"
    hint = "choose observations of the simulated period"
    if not apart:
        hint = "take the nearest or averages: pairing=Pairing(instants='nearest', tolerance='30min') or 'mean'"
    return ObservationError(f"nothing to compare: {why}", sim=axis_in_words(sim), obs=axis_in_words(obs), hint=hint)
