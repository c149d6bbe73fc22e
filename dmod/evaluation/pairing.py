"""From two series to pairs: one place where units, instants, gaps and repeated values are settled.

`Pairing` names the rules, `paired` applies them to series that are over the same places.
Nothing is guessed and nothing is dropped in silence: what a rule changed is told in notes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
import xarray as xr

from dmod.errors import InputError, ObservationError, UnitsError
from dmod.evaluation.given import MEMBER, Duplicates, labels_of, place_of, times_of
from dmod.evaluation.instants import aligned, picked
from dmod.evaluation.observations import NO_DATA
from dmod.evaluation.time_axis import Side, months_in
from dmod.units import conversion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["Pairing", "paired", "units_of"]

Instants = Literal["exact", "nearest", "mean", "max", "min"]
Missing = Literal["pairwise", "common", "error"]

#: Values that are looked at together when something is counted.
_BLOCK = 1 << 22


@dataclass(frozen=True, slots=True)
class Pairing:
    """Rules by which two series become pairs.

    Examples
    --------
    >>> Pairing(instants="mean", every="1D")
    Pairing(instants='mean', tolerance=None, every='1D', ...)
    >>> Pairing(instants="nearest")
    Traceback (most recent call last):
    dmod.errors.InputError: the nearest instants need a tolerance
      -> such as Pairing(instants='nearest', tolerance='30min')
    """

    #: ``exact``: equal instants. ``nearest``: those of the coarser series, each with the nearest of the other
    #: within *tolerance*. ``mean``, ``max``, ``min``: the finer series over the intervals of the coarser.
    instants: Instants = "exact"
    #: How far apart nearest instants may be, such as ``30min``.
    tolerance: str | None = None
    #: Intervals that both series are brought onto, such as ``1D``, or ``MS`` for months; those of the coarser if None.
    every: str | None = None
    #: Which end of an interval belongs to it.
    closed: Side = "left"
    #: At which end of its interval a value stands.
    label: Side = "left"
    #: Part of an interval's instants that must have a value, in (0, 1].
    complete: float = 1.0
    #: ``pairwise``: an instant counts where both have a value. ``common``: where both have one at every place.
    #: ``error``: a missing value is an error.
    missing: Missing = "pairwise"
    #: What becomes of several values of one instant.
    duplicates: Duplicates = "error"
    #: Values that stand for a missing one, in the units of the series.
    no_data: tuple[float, ...] = NO_DATA

    def __post_init__(self) -> None:
        kinds = {"instants": Instants, "missing": Missing, "duplicates": Duplicates, "closed": Side, "label": Side}
        for name, kind in kinds.items():
            if getattr(self, name) not in get_args(kind):
                known = ", ".join(get_args(kind))
                raise InputError(f"there is no rule {name}={getattr(self, name)!r}", known=known)
        if not 0 < self.complete <= 1:
            raise InputError("'complete' is a part of an interval", needed="a number in (0, 1]", has=self.complete)
        for name in ("tolerance", "every"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _duration(name, getattr(self, name)))
                self._check_use(name)
        if self.instants == "nearest" and self.tolerance is None:
            raise InputError(
                "the nearest instants need a tolerance",
                hint="such as Pairing(instants='nearest', tolerance='30min')",
            )
        object.__setattr__(self, "no_data", tuple(float(code) for code in self.no_data))

    def _check_use(self, name: str) -> None:
        """Raise if a length of time is given that the rule of instants does not take."""
        takes = {"tolerance": ("nearest",), "every": ("mean", "max", "min")}[name]
        if self.instants not in takes:
            raise InputError(
                f"{name!r} says nothing where instants={self.instants!r}",
                needed=" or ".join(f"instants={one!r}" for one in takes),
                hint=f"leave it out, or write Pairing(instants={takes[0]!r}, {name}={getattr(self, name)!r})",
            )

    def to_dict(self) -> dict[str, Any]:
        """The rules in types that JSON has."""
        return {**asdict(self), "no_data": list(self.no_data)}


def paired(sim: xr.DataArray, obs: xr.DataArray, rules: Pairing) -> tuple[xr.Dataset, tuple[str, ...]]:
    """Pairs of *sim* and *obs*, and what a reader should know of them.

    Parameters
    ----------
    sim, obs : xarray.DataArray, shape (..., time)
        With units; over the same places, or both over none.
    rules : Pairing
        How.

    Returns
    -------
    pairs : xarray.Dataset
        ``sim`` and ``obs`` [both in the units of *obs*], ``time`` last and increasing. NaN where a value is missing.
    notes : tuple of str

    Raises
    ------
    ObservationError
        If units are missing or do not convert, an instant has several values, or nothing is left.
    InputError
        If a rule does not fit the series.
    """
    units = units_of(obs, "obs")
    factor = _factor(sim, units)
    notes: list[str] = []
    both = []
    for role, series in (("sim", sim), ("obs", obs)):
        tidy = _increasing(series, role, rules.duplicates, notes)
        both.append(_without_codes(tidy, role, rules.no_data, notes))
        _tell_infinite(both[-1], role, notes)
    sim, obs = both
    sim, obs, told = aligned(sim, obs, rules)
    if not factor.is_identity:
        sim = sim * factor.slope + factor.intercept if factor.intercept else sim * factor.slope
    pairs = xr.Dataset({"sim": _plain(sim, "simulated", units), "obs": _plain(obs, "observed", units)})
    return _by_rule(pairs, rules.missing), (*notes, *told)


def units_of(series: xr.DataArray, role: str) -> str:
    """The units that a series says it has.

    Raises
    ------
    ObservationError
        If it says none.
    """
    if units := str(series.attrs.get("units", "")).strip():
        return units
    raise ObservationError(
        f"{role} does not say what units its values have",
        hint=f"{role}.attrs['units'] = 'm3 s-1', or whatever they are",
    )


def _factor(sim: xr.DataArray, units: str) -> Any:
    try:
        return conversion(units_of(sim, "sim"), units)
    except UnitsError as problem:
        raise ObservationError(
            "sim and obs do not measure the same thing",
            sim=sim.attrs["units"],
            obs=units,
            hint="compare discharge with discharge",
        ) from problem


def _duration(name: str, text: Any) -> str:
    """A length of time that pandas reads, or a number of months, as text."""
    if name == "every" and isinstance(text, str) and months_in(text) is not None:
        return text
    try:
        found = pd.Timedelta(text)
        if found <= pd.Timedelta(0):
            raise ValueError("it is not above zero")
    except (ValueError, TypeError) as problem:
        raise InputError(
            f"{name}={text!r} is no length of time", reason=str(problem).splitlines()[0], hint="write '30min' or '1D'"
        ) from problem
    return str(text)


def _plain(series: xr.DataArray, long_name: str, units: str) -> xr.DataArray:
    """Places first, members and time last, floating point, and only coordinates that say where and when."""
    place = place_of(series)
    last = [dim for dim in (place, MEMBER, "time") if dim in series.dims]
    order = [*(dim for dim in series.dims if dim not in last), *last]
    lost = [name for name, c in series.coords.items() if name not in series.dims and c.dims != (place,)]
    if place is None:
        lost = [name for name in lost if series[name].ndim or series[name].dtype.kind not in "OUST"]
    plain = series.drop_vars(lost).transpose(*order)
    if plain.dtype.kind != "f":
        plain = plain.astype(np.float64)
    plain = plain.copy(deep=False)
    plain.name, plain.attrs = None, {"units": units, "long_name": long_name}
    return plain


def _increasing(series: xr.DataArray, role: str, rule: Duplicates, notes: list[str]) -> xr.DataArray:
    """One value for each instant, in order of time."""
    times = times_of(series).rename("time")
    series = series.assign_coords(time=times)
    if times.is_monotonic_increasing and times.is_unique:
        return series
    if not times.is_monotonic_increasing:
        order = np.argsort(times.to_numpy(), kind="stable")
        series, times = series.isel(time=order), times[order]
    if times.is_unique:
        return series
    repeated = times[times.duplicated()]
    if rule == "error":
        raise ObservationError(
            f"{role} has an instant twice",
            instant=f"{repeated[0]:%Y-%m-%dT%H:%MZ}",
            instants=f"{repeated.nunique():,}",
            hint="keep one value for each instant, or say which: Pairing(duplicates='first')",
        )
    notes.append(f"{role}: {repeated.nunique():,} instants had several values, of which the {rule} is taken")
    if rule == "mean":
        return series.groupby("time").mean(keep_attrs=True)
    return picked(series, np.flatnonzero(~times.duplicated(keep=rule)))


def _without_codes(series: xr.DataArray, role: str, codes: tuple[float, ...], notes: list[str]) -> xr.DataArray:
    """NaN for values that stand for a missing one; the series itself where there are none."""
    if not codes or series.dtype.kind not in "fiu":
        return series
    listed = ", ".join(f"{code:.10g}" for code in codes)
    if series.chunks is not None:
        notes.append(f"{role}: values of {listed} are taken as missing")
        return series.where(~series.isin(codes))
    found = sum(int(np.isin(block, codes).sum()) for block in _blocks(series) if _reaches(block, codes))
    if not found:
        return series
    notes.append(f"{role}: {found:,} values of {listed} are taken as missing")
    return series.where(~series.isin(codes))


def _tell_infinite(series: xr.DataArray, role: str, notes: list[str]) -> None:
    """Say how many values are no number of any size: they count as missing."""
    if series.dtype.kind != "f" or series.chunks is not None:
        return
    ends = (np.fmin, np.fmax)
    found = sum(
        int(np.isinf(block).sum())
        for block in _blocks(series)
        if block.size and any(np.isinf(end.reduce(block, axis=None)) for end in ends)
    )
    if found:
        notes.append(f"{role}: {found:,} values are infinite, and count as missing")


def _reaches(block: NDArray[Any], codes: tuple[float, ...]) -> bool:
    """Whether a block has values as low as the highest of the codes; most have not, and are read once."""
    if max(codes) >= 0:
        return True
    lowest = np.fmin.reduce(block, axis=None) if block.size else 0
    return bool(lowest <= max(codes))


def _blocks(series: xr.DataArray) -> Iterator[NDArray[Any]]:
    """The values, some rows at a time."""
    values = series.to_numpy()
    if values.ndim < 2:
        yield values
        return
    rows = max(1, _BLOCK // max(1, values[0].size))
    for start in range(0, len(values), rows):
        yield values[start : start + rows]


def _by_rule(pairs: xr.Dataset, rule: Missing) -> xr.Dataset:
    """What the rule of missing values makes of the pairs."""
    if rule == "pairwise":
        return pairs
    there: xr.DataArray = xr.ufuncs.isfinite(pairs["sim"]) & xr.ufuncs.isfinite(pairs["obs"])
    if rule == "common":
        everywhere = there.all([dim for dim in there.dims if dim != "time"])
        return pairs.where(everywhere).assign_attrs(pairs.attrs)
    lacking = (~there).sum("time")
    if not bool(lacking.any()):
        return pairs
    place = place_of(pairs["obs"])
    at = "" if place is None else ", ".join(labels_of(pairs["obs"].isel({place: np.flatnonzero(lacking > 0)[:5]})))
    first = times_of(pairs["obs"])[int(np.flatnonzero(~there.all([d for d in there.dims if d != "time"]))[0])]
    raise ObservationError(
        "values are missing, and missing='error' was asked for",
        instants=f"{int(lacking.sum()):,}, the first at {first:%Y-%m-%dT%H:%MZ}",
        **({"places": at} if at else {}),
        hint="fill or leave out the gaps, or let pairs count where both have a value: missing='pairwise'",
    )
