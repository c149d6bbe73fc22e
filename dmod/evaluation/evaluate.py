"""Evaluate a simulated against an observed series.

`evaluate` pairs the two where their instants are equal and scores the pairs; nothing is
resampled, shifted or filled, and what looks odd on the way is told in the notes. The
`Evaluation` that comes back holds the scores and the pairs; figures of it are drawn in
`dmod.view`, which this room does not know.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from dmod.errors import ObservationError, UnitsError
from dmod.evaluation.metrics import Metric, find_metric
from dmod.units import conversion

__all__ = ["Evaluation", "evaluate"]

#: Rows that a notebook shows of the scores.
_SHOWN = 20


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How good a simulation is against observations."""

    #: One variable for each metric and ``sample_size``; scalars, or over the dimension of places.
    scores: xr.Dataset
    #: ``sim`` and ``obs`` [both in the units of the observations] over ``time`` (and places), at the
    #: instants that both have; NaN where one of them is missing.
    pairs: xr.Dataset
    #: What was compared, for a title.
    name: str
    #: What a reader of the scores should know.
    notes: tuple[str, ...] = ()

    @property
    def place(self) -> str | None:
        """Name of the dimension of places, such as ``nexus-id``; None for a single one."""
        return next((str(dim) for dim in self.scores.dims), None)

    def __repr__(self) -> str:
        """Scores in one line; over several places their medians."""
        over = f", median of {self.scores.sizes[self.place]}" if self.place else ""
        parts = [f"{name}={_number(float(v.median()))}" for name, v in self.scores.data_vars.items()]
        return f"<Evaluation {self.name}: {' '.join(parts)}{over}>"

    def _repr_html_(self) -> str:
        """A table, one row for each place."""
        columns = [str(name) for name in self.scores.data_vars]
        places = [None] if self.place is None else [str(x) for x in self.scores[self.place].values[:_SHOWN]]
        heads = "".join(f'<th scope="col">{_head(self.scores[name])}</th>' for name in columns)
        rows = []
        for number, place in enumerate(places):
            row = self.scores if place is None else self.scores.isel({str(self.place): number})
            label = "" if place is None else f'<th scope="row">{html.escape(place)}</th>'
            cells = "".join(f"<td>{_number(float(row[name]))}</td>" for name in columns)
            rows.append(f"<tr>{label}{cells}</tr>")
        corner = "" if self.place is None else f'<th scope="col">{html.escape(self.place)}</th>'
        left = 0 if self.place is None else self.scores.sizes[self.place] - len(places)
        notes = [*self.notes, *([f"{left:,} more places not shown"] if left else [])]
        return (
            f"<table><caption>{html.escape(self.name)}</caption>"
            f"<thead><tr>{corner}{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
            + "".join(f"<div><small>{html.escape(note)}</small></div>" for note in notes)
        )


def evaluate(
    sim: xr.DataArray,
    obs: xr.DataArray,
    metrics: Sequence[str] = ("kge", "nse", "pbias"),
    *,
    name: str | None = None,
) -> Evaluation:
    """Score *sim* against *obs* at the instants that both have.

    Parameters
    ----------
    sim : xarray.DataArray, shape (time,) or (place, time)
        Simulated discharge, with ``units``; the dimension of places is ``nexus-id`` or the like.
    obs : xarray.DataArray, shape (time,) or (site, time)
        Observed discharge, with ``units``. Of several sites those are compared whose label is
        also a place of *sim*.
    metrics : sequence of str
        Names of metrics, see `dmod.evaluation.metrics.METRICS`.
    name : str, optional
        What is compared, for a title; made of the labels of *sim* and *obs* otherwise.

    Returns
    -------
    Evaluation
        Scores over the dimension of places, or scalar if *sim* and *obs* are single series.

    Raises
    ------
    InputError
        If a metric is not known.
    ObservationError
        If units are missing or do not convert, if it is open which places belong together, or
        if no instant has a value in both.

    Examples
    --------
    >>> times = pd.date_range("2016-09-01", periods=3, freq="h")
    >>> obs = xr.DataArray([1.0, 2.0, 3.0], {"time": times}, attrs={"units": "m3 s-1"})
    >>> evaluate(2 * obs.assign_attrs(units="m3 s-1"), obs, ["pbias"], name="twice the flow")
    <Evaluation twice the flow: pbias=100 sample_size=3>
    """
    chosen = [find_metric(metric) for metric in metrics]
    for series, role in ((sim, "sim"), (obs, "obs")):
        _check_axes(series, role)
    units = _units(obs, "obs")
    sim = _in_units(sim, units)
    label = name if name is not None else _name(sim, obs)
    sim, obs, notes = _same_places(sim, obs)
    pairs = _paired(sim, obs, units)
    complete = (pairs["sim"].notnull() & pairs["obs"].notnull()).sum("time")
    if int(complete.max()) == 0:
        raise _nothing_pairs(sim, obs, "they share instants, but never with a value in both")
    notes = (*notes, *_remarks(sim, obs, pairs, complete))
    scores = xr.Dataset({metric.name: _score(metric, pairs) for metric in chosen})
    scores["sample_size"] = complete.astype(np.int64)
    scores["sample_size"].attrs = {"long_name": "instants with a value in both", "units": "1"}
    return Evaluation(scores, pairs, label, notes)


def _score(metric: Metric, pairs: xr.Dataset) -> xr.DataArray:
    values = metric(pairs["sim"].to_numpy(), pairs["obs"].to_numpy())
    like = pairs["sim"].isel(time=0, drop=True)
    attrs = {
        "long_name": metric.title,
        "units": metric.units,
        "ideal": metric.ideal,
        # Not "bounds": that name means something else to CF, and xarray would not write it.
        "lowest": metric.bounds[0],
        "highest": metric.bounds[1],
        "formula": metric.formula,
        "source": metric.source,
    }
    return xr.DataArray(values, dims=like.dims, coords=like.coords, attrs=attrs)


def _check_axes(series: xr.DataArray, role: str) -> None:
    if "time" not in series.dims or series.ndim > 2:
        raise ObservationError(
            f"{role} is not a series",
            has=", ".join(map(str, series.dims)) or "no dimension",
            needed="dimensions time, or place and time",
            hint="select one variable, and call its time dimension 'time'",
        )
    if "time" not in series.coords or not np.issubdtype(series["time"].dtype, np.datetime64):
        raise ObservationError(
            f"{role} has no instants along its time dimension",
            has=str(series["time"].dtype) if "time" in series.coords else "no coordinate 'time'",
            needed="datetime64 in UTC",
            hint="decode its times first, for example with xarray.decode_cf",
        )
    if not series.indexes["time"].is_unique:
        raise ObservationError(f"{role} has an instant twice", hint="keep one value for each instant")


def _units(series: xr.DataArray, role: str) -> str:
    if units := str(series.attrs.get("units", "")).strip():
        return units
    raise ObservationError(
        f"{role} does not say what units its values have",
        hint=f"{role}.attrs['units'] = 'm3 s-1', or whatever they are",
    )


def _in_units(sim: xr.DataArray, units: str) -> xr.DataArray:
    try:
        factor = conversion(_units(sim, "sim"), units)
    except UnitsError as problem:
        raise ObservationError(
            "sim and obs do not measure the same thing",
            sim=sim.attrs["units"],
            obs=units,
            hint="compare discharge with discharge",
        ) from problem
    return sim if factor.is_identity else sim * factor.slope + factor.intercept


def _place(series: xr.DataArray) -> str | None:
    return next((str(dim) for dim in series.dims if dim != "time"), None)


def _labels(series: xr.DataArray) -> list[str]:
    """Labels of the places, of which there may be one, as a coordinate, or none."""
    place = _place(series)
    if place is not None:
        return [str(label) for label in series[place].values]
    return [str(c.item()) for c in series.coords.values() if c.ndim == 0 and c.dtype.kind in "OUST"]


def _name(sim: xr.DataArray, obs: xr.DataArray) -> str:
    here, there = _labels(sim), _labels(obs)
    if len(here) > 1:
        return f"{len(here)} places"
    left = here[0] if here else _title(sim, "simulated")
    return f"{left} against {there[0] if len(there) == 1 else _title(obs, 'observed')}"


def _title(series: xr.DataArray, otherwise: str) -> str:
    return otherwise if series.name is None else str(series.name)


def _same_places(sim: xr.DataArray, obs: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray, tuple[str, ...]]:
    """Both over the same places, in the order of *sim*; single series if there is but one each."""
    place, site = _place(sim), _place(obs)
    if place and site and (sim.sizes[place], obs.sizes[site]) != (1, 1):
        return _common_places(sim, obs)
    if place is not None and sim.sizes[place] == 1:
        sim, place = sim.isel({place: 0}), None
    if site is not None and obs.sizes[site] == 1:
        obs, site = obs.isel({site: 0}), None
    if place is None and site is None:
        return sim, obs, ()
    many, role = (sim, "sim") if place else (obs, "obs")
    raise ObservationError(
        "it is open which series belong together",
        **{role: _some(_labels(many)), "obs" if role == "sim" else "sim": "one series"},
        hint=f"select one place, for example {role}.sel({{'{place or site}': '{_labels(many)[0]}'}})",
    )


def _common_places(sim: xr.DataArray, obs: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray, tuple[str, ...]]:
    place, site = str(_place(sim)), str(_place(obs))
    here, there = _labels(sim), _labels(obs)
    common = [label for label in here if label in set(there)]
    if not common:
        raise ObservationError(
            "no place is in both sim and obs",
            sim=_some(here),
            obs=_some(there),
            hint=f"label the sites with the places they are at: obs.assign_coords({site}=['{here[0]}', ...])",
        )
    sim = sim.isel({place: [here.index(label) for label in common]})
    obs = obs.isel({site: [there.index(label) for label in common]})
    obs = obs.drop_vars(site, errors="ignore").rename({site: place}).assign_coords({place: sim[place]})
    lost = len(there) - len(common)
    return sim, obs, ((f"{lost:,} of {len(there):,} observed sites are no place of the run",) if lost else ())


def _paired(sim: xr.DataArray, obs: xr.DataArray, units: str) -> xr.Dataset:
    """Both series at the instants that both have, in order."""
    shared = _times(sim).intersection(_times(obs)).sort_values()
    if shared.empty:
        apart = _times(sim).max() < _times(obs).min() or _times(obs).max() < _times(sim).min()
        why = "they do not overlap in time" if apart else "they overlap, but share no instant"
        raise _nothing_pairs(sim, obs, why)
    place = _place(sim)
    order = ("time",) if place is None else (place, "time")
    both = {}
    for role, series in (("sim", sim), ("obs", obs)):
        array = series.reset_coords(drop=True).assign_coords(time=_times(series)).sel(time=shared)
        both[role] = array.transpose(*order).astype(np.float64)
        both[role].attrs = {"units": units, "long_name": "simulated" if role == "sim" else "observed"}
    return xr.Dataset(both)


def _times(series: xr.DataArray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(series["time"].to_numpy()).as_unit("ns")


def _nothing_pairs(sim: xr.DataArray, obs: xr.DataArray, why: str) -> ObservationError:
    hint = "choose observations of the simulated period"
    if "instant" in why:
        hint = "bring obs onto the instants of sim yourself, for example obs.resample(time='1h').mean()"
    return ObservationError(f"nothing to compare: {why}", sim=_axis(sim), obs=_axis(obs), hint=hint)


def _axis(series: xr.DataArray) -> str:
    """A time axis in words: ``2016-09-01T00:00Z .. 2016-09-30T23:00Z, every 1h, 720 instants``."""
    times = _times(series)
    if times.empty:
        return "no instants"
    step = _step(times)
    every = "" if step is None else f", every {_span(step)}"
    return f"{times.min():%Y-%m-%dT%H:%MZ} .. {times.max():%Y-%m-%dT%H:%MZ}{every}, {len(times):,} instants"


def _step(times: pd.DatetimeIndex) -> pd.Timedelta | None:
    """The usual time between two instants."""
    if len(times) < 2:
        return None
    steps = np.diff(np.sort(times.to_numpy()))
    return pd.Timedelta(np.median(steps.astype(np.int64)).astype("timedelta64[ns]"))


def _span(step: pd.Timedelta) -> str:
    seconds = step.total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:g} s"


def _remarks(sim: xr.DataArray, obs: xr.DataArray, pairs: xr.Dataset, complete: xr.DataArray) -> list[str]:
    """What a reader of the scores should know."""
    told = str(obs.attrs.get("notes", ""))
    remarks = [f"observations: {told}"] if told else []
    here, there = _step(_times(sim)), _step(_times(obs))
    if here is not None and there is not None and here != there:
        remarks.append(
            f"sim is every {_span(here)}, obs every {_span(there)}: equal instants are compared, nothing is averaged"
        )
    possible = pairs.sizes["time"]
    if (short := int(complete.min())) < possible:
        least = "at the place with the fewest, " if complete.ndim else ""
        remarks.append(f"{least}{possible - short:,} of {possible:,} shared instants lack a value")
    return remarks


def _some(labels: Sequence[str]) -> str:
    return ", ".join(labels[:5]) + (f" and {len(labels) - 5:,} more" if len(labels) > 5 else "")


def _head(score: xr.DataArray) -> str:
    units = score.attrs.get("units", "1")
    title = html.escape(str(score.attrs.get("long_name", score.name)), quote=True)
    return f'<abbr title="{title}">{html.escape(str(score.name))}</abbr>' + (
        "" if units == "1" else f" [{html.escape(str(units))}]"
    )


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
