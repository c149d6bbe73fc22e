"""Rows as an array of sites by time.

Where site after site has the same instants in order, the values are taken as they lie; else
each is put in its place. A value given twice for one instant counts once, if it is the same.
Pure: values in, an array out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import xarray as xr

from dmod.errors import ObservationError
from dmod.evaluation.records import Records, counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["grid_array", "gridded"]


def gridded(
    records: Records, values: NDArray[np.float64], notes: list[str], name: str, *, duplicates: str = "error"
) -> xr.DataArray:
    """The rows as an array (site, time); one site has no dimension of its own.

    Parameters
    ----------
    records : Records
        Sites, times and qualifiers of the rows.
    values : array of float, shape (row,)
        Their values [m3 s-1].
    notes : list of str
        What changed is added to it.
    name : str
        What the source is called in errors.
    duplicates : str
        Which of several values of an instant counts: ``error``, ``first``, ``last`` or ``mean``.

    Returns
    -------
    xarray.DataArray
        (time,) or (site, time), strictly increasing in time.

    Raises
    ------
    ObservationError
        If an instant has different values and none is to be chosen.
    """
    codes, names = _ordered_sites(records.sites)
    times = records.times.astype("datetime64[ns]", copy=False)
    axis = _regular(codes, times, len(names))
    if axis is not None:
        array = grid_array(values.reshape(len(names), len(axis)), names, axis)
        return _with_qualifiers(array, records.qualifiers, None)
    ranks, instants = _ranked(times)
    if not _in_order(codes, times):
        notes.append("rows put in order of time")
    flat = codes.astype(np.int64) * len(instants) + ranks
    held = np.bincount(flat, minlength=len(names) * len(instants))
    rows = np.arange(len(flat))
    if held.max() > 1:
        rows, values = _one_each(flat, held, values, (names, instants), notes, name, duplicates)
    wide = np.full(len(names) * len(instants), np.nan)
    wide[flat[rows]] = values[rows]
    array = grid_array(wide.reshape(len(names), -1), names, instants)
    labels = None if records.qualifiers is None else records.qualifiers[rows]
    return _with_qualifiers(array, labels, flat[rows])


def _ordered_sites(sites: pd.Categorical) -> tuple[NDArray[np.integer[Any]], list[str]]:
    """Code of each row among the sites that have rows, sorted by name."""
    used = np.flatnonzero(np.bincount(sites.codes, minlength=len(sites.categories)))
    names = sorted(str(sites.categories[at]) for at in used.tolist())
    place = {name: at for at, name in enumerate(names)}
    rank = np.array([place.get(str(name), -1) for name in sites.categories], dtype=np.int32)
    same = (rank == np.arange(len(rank))).all()
    return (sites.codes if same else rank[sites.codes]), names


def _regular(codes: NDArray[Any], times: NDArray[np.datetime64], count: int) -> NDArray[np.datetime64] | None:
    """The instants where site after site has the same ones, in order; None elsewhere."""
    if len(times) % count:
        return None
    wide = times.reshape(count, -1)
    axis = wide[0]
    if (axis[1:] <= axis[:-1]).any() or (wide[-1] != axis).any():
        return None
    by_site = codes.reshape(count, -1)
    alike = all((wide[at] == axis).all() and (by_site[at] == at).all() for at in range(count))
    return axis if alike else None


def _ranked(times: NDArray[np.datetime64]) -> tuple[NDArray[np.intp], NDArray[np.datetime64]]:
    """Place of each time among all instants, and these in order."""
    codes, found = pd.factorize(times)
    instants = np.asarray(found, dtype="datetime64[ns]")
    order = np.argsort(instants, kind="stable")
    rank = np.empty(len(order), dtype=np.intp)
    rank[order] = np.arange(len(order))
    return rank[codes], instants[order]


def _in_order(codes: NDArray[Any], times: NDArray[np.datetime64]) -> bool:
    """Whether the rows of each site come in order of time."""
    steps = np.diff(times.view(np.int64))
    if (steps >= 0).all():
        return True
    order = np.argsort(codes, kind="stable")
    by_site = times[order].view(np.int64)
    return not ((np.diff(by_site) < 0) & (np.diff(codes[order]) == 0)).any()


def _one_each(
    flat: NDArray[np.int64],
    held: NDArray[np.intp],
    values: NDArray[np.float64],
    axes: tuple[list[str], NDArray[np.datetime64]],
    notes: list[str],
    name: str,
    duplicates: str,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """One row for each instant of a site, a value before a gap; the values, which may be means."""
    twice = np.flatnonzero(held[flat] > 1)
    frame = pd.DataFrame({"at": flat[twice], "value": values[twice]})
    groups = frame.groupby("at")["value"]
    low, high = groups.min(), groups.max()
    differ = high - low > 1e-9 * np.maximum(high.abs(), low.abs())
    if differ.any():
        if duplicates == "error":
            raise _differ(low, high, differ, axes, name)
        notes.append(f"{counted(int(differ.sum()), 'instant')} with different values: the {duplicates} of them taken")
        if duplicates == "mean":
            values = values.copy()
            values[twice] = frame["at"].map(groups.mean()).to_numpy()
    given = np.isnan(values[twice])
    order = np.lexsort((-twice if duplicates == "last" else twice, given, flat[twice]))
    first = np.r_[True, np.diff(flat[twice][order]) != 0]
    keep = np.ones(len(flat), dtype=bool)
    keep[twice] = False
    keep[twice[order][first]] = True
    notes.append(f"{counted(int(len(flat) - keep.sum()), 'repeated row')} left out")
    return np.flatnonzero(keep), values


def _differ(
    low: pd.Series[float],
    high: pd.Series[float],
    differ: pd.Series[bool],
    axes: tuple[list[str], NDArray[np.datetime64]],
    name: str,
) -> ObservationError:
    """The error for instants with different values."""
    at = cast("int", differ.idxmax())
    site, instant = divmod(at, len(axes[1]))
    when = f"{pd.Timestamp(axes[1][instant]):%Y-%m-%dT%H:%M:%SZ}"
    return ObservationError(
        f"{name} has different values for one instant",
        instant=when + (f" at site {axes[0][site]}" if axes[0][site] else ""),
        has=f"{low[at]:.6g} and {high[at]:.6g} m3 s-1",
        instants=int(differ.sum()),
        hint="keep one of them, or say which: duplicates='first', 'last' or 'mean' (where pairs are made, "
        "pairing=Pairing(duplicates='first')); if this is the hour when summer time "
        "ends, write times with their zone",
    )


def grid_array(wide: NDArray[np.float64], names: Sequence[str], times: NDArray[np.datetime64]) -> xr.DataArray:
    """(time,) for one site, (site, time) for more."""
    coords = {"site": list(names), "time": times}
    array = xr.DataArray(wide, dims=("site", "time"), coords=coords, name="discharge")
    if len(names) > 1:
        return array
    only = array.isel(site=0)
    return only if names[0] else only.drop_vars("site")


def _with_qualifiers(
    array: xr.DataArray, labels: pd.Categorical | None, flat: NDArray[np.int64] | None
) -> xr.DataArray:
    """*array* with what is said of its values as a coordinate of flags; 0 where nothing is."""
    if labels is None:
        return array
    meanings = [str(name) for name in labels.categories if str(name)]
    if not meanings:
        return array
    number = {name: at + 1 for at, name in enumerate(meanings)}
    codes = np.array([number.get(str(name), 0) for name in labels.categories], dtype=np.int16)[labels.codes]
    wide = codes
    if flat is not None:
        wide = np.zeros(array.size, dtype=np.int16)
        wide[flat] = codes
    attrs = {
        "long_name": "qualifiers of the values",
        "flag_values": np.arange(1, len(meanings) + 1, dtype=np.int16),
        "flag_meanings": " ".join(name.replace(" ", "_") for name in meanings),
    }
    return array.assign_coords(qualifier=(array.dims, wide.reshape(array.shape), attrs))
