"""Pairs in the tables of TEEHR, as Parquet: observations primary, the simulation secondary.

The columns are those of its schemas (v0.6): ``primary_timeseries``, ``secondary_timeseries``,
``location_crosswalks`` and ``joined_timeseries``, and the domain tables that name what is in
them. Load each with TEEHR's ``load_parquet``. A value that is missing has no row.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from dmod.errors import InputError
from dmod.evaluation.crosswalk import GAGE, bare
from dmod.evaluation.given import LEAD, MEMBER, labels_of, place_of, times_of
from dmod.evaluation.instants import step_of
from dmod.formats.geoparquet_write import write_parquet

if TYPE_CHECKING:
    from dmod.evaluation.evaluation import Evaluation

__all__ = ["to_teehr"]

_NAME = re.compile(r"[A-Za-z0-9_]+")


def to_teehr(
    evaluation: Evaluation,
    directory: str | os.PathLike[str],
    *,
    primary: str = "observed",
    secondary: str = "simulated",
    variable: str | None = None,
    site_prefix: str = "usgs",
    place_prefix: str = "ngen",
    overwrite: bool = False,
) -> Path:
    """Write the pairs of an evaluation, place by place.

    Parameters
    ----------
    evaluation : Evaluation
        What is written; of lazy pairs one place at a time is in memory.
    directory : str or path-like
        What to make.
    primary, secondary : str
        Names of the configurations: of the observations and of the run; letters, digits and ``_``.
    variable : str, optional
        Name of the variable; ``streamflow_hourly_inst`` and the like, by the step of the pairs, otherwise.
    site_prefix, place_prefix : str
        What stands before ids of gages and of places, as TEEHR wants.
    overwrite : bool
        Whether a directory of Parquet files that is there may be replaced.

    Returns
    -------
    Path
        *directory*.

    Raises
    ------
    InputError
        If a name is none that TEEHR takes.
    OutputError
        If the directory is there and not to be replaced, or cannot be written.
    """
    pairs = evaluation.pairs
    units = str(pairs["obs"].attrs.get("units", "1"))
    fixed = {"variable_name": variable or _variable(pairs), "unit_name": _unit_name(units)}
    for name in (primary, secondary, fixed["variable_name"]):
        if not _NAME.fullmatch(name):
            raise InputError(f"{name!r} is no name for TEEHR", needed="letters, digits and _")
    crosswalk = _crosswalk(pairs, site_prefix, place_prefix)
    layers = {
        "primary_timeseries": _primary(pairs, crosswalk, {**fixed, "configuration_name": primary}),
        "secondary_timeseries": _secondary(pairs, crosswalk, {**fixed, "configuration_name": secondary}),
        "location_crosswalks": [crosswalk],
        "joined_timeseries": _joined(pairs, crosswalk, {**fixed, "configuration_name": secondary}),
        "configurations": [_domain_table(
            name=[primary, secondary], type=["primary", "secondary"],
            description=["observations", evaluation.name.replace(",", ";")],
        )],
        "units": [_domain_table(name=[fixed["unit_name"]], long_name=[units])],
        "variables": [_domain_table(name=[fixed["variable_name"]], long_name=["streamflow"])],
    }  # fmt: skip
    return write_parquet(Path(directory).expanduser(), layers, overwrite=overwrite)


def _variable(pairs: xr.Dataset) -> str:
    """What TEEHR calls streamflow of such a step."""
    step = step_of(times_of(pairs["obs"]))
    hours = None if step is None else step.total_seconds() / 3600
    named = {1.0: "streamflow_hourly_inst", 24.0: "streamflow_daily_mean", 0.25: "streamflow_15min_inst"}
    return named.get(hours, "streamflow") if hours is not None else "streamflow"


def _unit_name(units: str) -> str:
    """Units as TEEHR writes them.

    >>> _unit_name("m3 s-1"), _unit_name("ft3/s"), _unit_name("mm h-1")
    ('m^3/s', 'ft^3/s', 'mm/h')
    """
    over = re.sub(r"\s*([A-Za-z]+)\^?-1\b", r"/\1", units.strip())
    return re.sub(r"[^A-Za-z0-9_^/]+", "_", re.sub(r"(?<=[A-Za-z])(?=\d)", "^", over))


def _crosswalk(pairs: xr.Dataset, site_prefix: str, place_prefix: str) -> pd.DataFrame:
    """A row for each place."""
    labels = labels_of(pairs["obs"].drop_vars(GAGE, errors="ignore")) or ["1"]
    sites = [str(one) for one in np.atleast_1d(pairs[GAGE].values)] if GAGE in pairs.coords else labels
    return _texts(
        primary_location_id=[_prefixed(bare(one), site_prefix) for one in sites],
        secondary_location_id=[_prefixed(one, place_prefix) for one in labels],
    )


def _prefixed(label: str, prefix: str) -> str:
    return f"{prefix}-{label}"


def _texts(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({name: pd.array(values, dtype="string") for name, values in columns.items()})


def _domain_table(**columns: list[str]) -> pd.DataFrame:
    """A table of names, with the times that TEEHR keeps of its own."""
    table = _texts(**columns)
    for name in ("created_at", "updated_at"):
        table[name] = pd.array([None] * len(table), dtype="datetime64[ms]")
    return table


def _each(array: xr.DataArray, crosswalk: pd.DataFrame, column: str) -> Iterator[tuple[str, xr.DataArray]]:
    place = place_of(array)
    for row, label in enumerate(crosswalk[column]):
        yield str(label), (array if place is None else array.isel({place: row})).load()


def _primary(pairs: xr.Dataset, crosswalk: pd.DataFrame, fixed: dict[str, str]) -> Iterator[pd.DataFrame]:
    for label, one in _each(pairs["obs"], crosswalk, "primary_location_id"):
        values = one.to_numpy()
        there = np.isfinite(values)
        yield _rows(pd.DatetimeIndex(times_of(one)[there]), values[there], fixed, location_id=label)


def _secondary(pairs: xr.Dataset, crosswalk: pd.DataFrame, fixed: dict[str, str]) -> Iterator[pd.DataFrame]:
    for label, one in _each(pairs["sim"], crosswalk, "secondary_location_id"):
        for member, made, flow in _runs(one):
            values = flow.to_numpy()
            there = np.isfinite(values)
            table = _rows(pd.DatetimeIndex(times_of(flow)[there]), values[there], fixed, location_id=label)
            table["reference_time"] = _made(times_of(flow)[there], made)
            table["member"] = pd.array([member] * len(table), dtype="string")
            yield table


def _joined(pairs: xr.Dataset, crosswalk: pd.DataFrame, fixed: dict[str, str]) -> Iterator[pd.DataFrame]:
    observed = _each(pairs["obs"], crosswalk, "primary_location_id")
    simulated = _each(pairs["sim"], crosswalk, "secondary_location_id")
    for (site, obs), (label, sim) in zip(observed, simulated, strict=True):
        for member, made, flow in _runs(sim):
            there = np.isfinite(flow.to_numpy()) & np.isfinite(obs.to_numpy())
            times = times_of(flow)[there]
            table = _rows(times, obs.to_numpy()[there], fixed, primary_location_id=site, secondary_location_id=label)
            table = table.rename(columns={"value": "primary_value"})
            table.insert(3, "secondary_value", flow.to_numpy()[there].astype(np.float32))
            table["reference_time"] = _made(times, made)
            table["member"] = pd.array([member] * len(table), dtype="string")
            yield table


def _runs(series: xr.DataArray) -> Iterator[tuple[str | None, Any, xr.DataArray]]:
    """Member and lead of each series of a place."""
    members = [None] if MEMBER not in series.dims else range(series.sizes[MEMBER])
    leads = [None] if LEAD not in series.dims else range(series.sizes[LEAD])
    for member in members:
        for lead in leads:
            one = series.isel({dim: at for dim, at in ((MEMBER, member), (LEAD, lead)) if at is not None})
            name = (
                None
                if member is None
                else str(series[MEMBER].values[member])
                if MEMBER in series.coords
                else str(member)
            )
            yield name, None if lead is None else series[LEAD].values[lead], one


def _made(times: pd.DatetimeIndex, lead: Any) -> Any:
    """When what is valid at *times* was forecast; nothing for a simulation."""
    if lead is None:
        return pd.array([None] * len(times), dtype="datetime64[ms]")
    ahead = pd.to_timedelta(lead, unit="h") if np.asarray(lead).dtype.kind in "iuf" else pd.to_timedelta(lead)
    return (times - ahead).astype("datetime64[ms]")


def _rows(times: pd.DatetimeIndex, values: Any, fixed: dict[str, str], **ids: str) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "reference_time": pd.array([None] * len(times), dtype="datetime64[ms]"),
            "value_time": times.astype("datetime64[ms]"),
            "value": values.astype(np.float32),
        }
    )
    for name, text in {**fixed, **ids}.items():
        table[name] = pd.array([text] * len(table), dtype="string")
    return table
