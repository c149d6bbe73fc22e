"""Thresholds of a specification: read from tables and documents, in the units of the observations.

A threshold is a number at each place, or one that follows the day of the year, the date or the
instant, all in UTC. What has none at a place is NaN there, and the place stays in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dmod.errors import ObservationError, UnitsError
from dmod.evaluation.spec_selectors import (
    as_type,
    day_of_year,
    days_of_year,
    json_path,
    parsed_json,
    place_in,
    read_columns,
)
from dmod.evaluation.spec_sources import Document, documents
from dmod.evaluation.specification import AssociatedField, ThresholdDefinition, ThresholdSpecification
from dmod.units import conversion

__all__ = ["Threshold", "read_thresholds"]

_KEY, _PLACE, _VALUE, _UNIT = "key", "place", "value", "unit"


@dataclass(frozen=True)
class Threshold:
    """One threshold at all places."""

    #: What it is called.
    label: str
    #: What the original calls it: by the column it is read from, where it is read from a table.
    original_label: str
    #: What it weighs.
    weight: float
    #: What makes an event of a flow.
    operator: str = ">="
    #: Rows of ``place``, ``key``, ``value`` and ``unit``; None for a quantile, or a value that is the same everywhere.
    table: pd.DataFrame | None = None
    #: What the key is: ``day``, ``date``, ``datetime``; None where it does not change.
    follows: str | None = None
    #: On whose values it filters pairs.
    on: tuple[str, ...] = ("obs",)
    #: Quantile of the observations at each place, in [0, 1]; None where it is read.
    quantile: float | None = None
    #: The same value everywhere, and its unit.
    value: float | None = None
    unit: str | None = None
    #: Places that its table names.
    places: tuple[str, ...] = field(default=())

    def at(self, pairs: xr.Dataset, sites: Sequence[str], *, convert: bool = True) -> np.ndarray[Any, Any]:
        """Its values, in the units of *pairs*.

        Parameters
        ----------
        pairs : xarray.Dataset
            ``obs`` over (place, time).
        sites : sequence of str
            The observed site of each place.
        convert : bool
            Whether units are honoured; the original does not.

        Returns
        -------
        array of float, shape (place, time)
            NaN where there is none.

        Raises
        ------
        ObservationError
            If its unit does not convert.
        """
        obs = pairs["obs"]
        if self.quantile is not None:
            with np.errstate(all="ignore"):
                one = obs.where(pairs["sim"].notnull()).quantile(self.quantile, "time", skipna=True)
            return np.broadcast_to(one.to_numpy()[:, None], obs.shape)
        units = str(obs.attrs["units"])
        if self.table is None:
            assert self.value is not None
            return np.full(obs.shape, self.value * (self._factor(self.unit, units) if convert else 1.0))
        times = pd.DatetimeIndex(obs["time"].to_numpy())
        keys = _keys_of(times, self.follows)
        values = np.full(obs.shape, np.nan)
        for row, site in enumerate(sites):
            values[row] = self._at_site(site, keys, units if convert else None)
        return values

    def _at_site(self, site: str, keys: np.ndarray[Any, Any] | None, units: str | None) -> Any:
        assert self.table is not None
        mine = self.table[self.table[_PLACE] == site]
        if mine.empty:
            return np.nan
        factors = mine[_UNIT].map({u: self._factor(u, units) for u in mine[_UNIT].unique()}) if units else 1.0
        numbers = pd.to_numeric(mine[_VALUE], errors="coerce").astype(np.float64) * factors
        if keys is None:
            return float(numbers.iloc[0])
        by_key = pd.Series(numbers.to_numpy(), index=mine[_KEY].to_numpy())
        return by_key[~by_key.index.duplicated()].reindex(keys).to_numpy()

    def _factor(self, unit: Any, units: str) -> float:
        try:
            found = conversion(str(unit), units)
        except UnitsError as problem:
            raise ObservationError(
                f"the threshold {self.label!r} is in units that do not convert", has=unit, needed=units,
                hint="give it the unit its values are in, such as unit: {value: ft^3/s}",
            ) from problem  # fmt: skip
        return found.slope


def read_thresholds(spec: ThresholdSpecification, folder: Path) -> list[Threshold]:
    """The thresholds that a specification names, in its order.

    Raises
    ------
    ObservationError
        If they cannot be read, or have no such field.
    """
    rules = spec.application_rules
    follows = None if rules is None else rules.threshold_field.datatype or "day"
    if follows is not None and follows not in ("day", "date", "datetime"):
        raise ObservationError(
            "thresholds that change follow the day, the date or the instant", has=follows, needed="day, date, datetime"
        )
    on: tuple[str, ...] = ("obs",)
    if rules is not None:
        sides = (("obs", rules.observation_field), ("sim", rules.prediction_field))
        on = tuple(side for side, said in sides if said is not None)
    tables = _tables(spec, folder)
    found = []
    for number, one in enumerate(spec.definitions):
        is_table = spec.backend is not None and spec.backend.format != "json" and one.field is not None
        table = tables[number] if one.field is not None else None
        found.append(
            Threshold(
                label=one.label, original_label=one.field[-1] if is_table and one.field else one.label,
                weight=one.weight, operator=one.operator, table=table, follows=follows if table is not None else None,
                on=on, quantile=one.quantile, value=one.value, unit=one.unit.value if one.unit is not None else None,
                places=() if table is None else tuple(table[_PLACE].unique()),
            )
        )  # fmt: skip
    return found


def _tables(spec: ThresholdSpecification, folder: Path) -> dict[int, pd.DataFrame]:
    """Rows of place, key, value and unit for each definition that is read."""
    wanted = {number: one for number, one in enumerate(spec.definitions) if one.field is not None}
    if not wanted or spec.backend is None:
        return {}
    rows: dict[int, list[pd.DataFrame]] = {number: [] for number in wanted}
    for document in documents(spec.backend, folder):
        read = _of_json if spec.backend.format == "json" else _of_table
        for number, table in read(document, spec, wanted):
            rows[number].append(table)
    held = {}
    for number, frames in rows.items():
        table = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
        if table.empty:
            raise ObservationError(
                f"the threshold {wanted[number].label!r} is nowhere", address=spec.backend.address,
                looked_for="/".join(wanted[number].field or []),
            )  # fmt: skip
        held[number] = table
    return held


def _of_table(
    document: Document, spec: ThresholdSpecification, wanted: Mapping[int, ThresholdDefinition]
) -> Iterator[tuple[int, pd.DataFrame]]:
    assert spec.backend is not None
    place = spec.locations
    column = place.parts[-1] if place is not None and place.parts and place.from_field != "filename" else None
    if column is None and place is not None and place.from_field not in (None, "filename", "column", "value"):
        column = place.from_field
    frame = read_columns(
        document, options=spec.backend.properties, text=[column] if column else [], rdb=spec.backend.format == "rdb"
    )
    needed = [*([column] if column else []), *(d.field[-1] for d in wanted.values() if d.field)]
    if lacking := [name for name in needed if name not in frame]:
        raise ObservationError(
            f"the thresholds have no column {lacking[0]!r}", path=document.name, has=", ".join(map(str, frame.columns))
        )
    if column is not None:
        places: Any = frame[column].astype(str)
    else:
        assert place is not None
        places = place.ids[0] if place.ids else place_in(document, place)
    keys = _table_keys(frame, spec, document.name)
    for number, one in wanted.items():
        assert one.field is not None
        values = frame[one.field[-1]]
        table = pd.DataFrame(
            {_PLACE: places, _KEY: keys, _VALUE: values, _UNIT: _unit_column(one, frame, document.name)}
        )
        if one.field[-1] == "value" and "name" in frame:  # one row for each threshold, not a column
            table = table[(frame["name"] == one.name).to_numpy()]
        yield number, table


def _unit_column(one: ThresholdDefinition, frame: pd.DataFrame, name: str) -> Any:
    assert one.unit is not None
    if one.unit.value:
        return one.unit.value
    column = one.unit.field or (one.unit.path or [""])[-1]
    if column not in frame:
        raise ObservationError(f"the thresholds have no column {column!r} of units", path=name)
    return frame[column]


def _table_keys(frame: pd.DataFrame, spec: ThresholdSpecification, name: str) -> Any:
    if spec.application_rules is None:
        return 0.0
    rule = spec.application_rules.threshold_field
    parts = [rule.label] if rule.label in frame else rule.parts
    if lacking := [part for part in parts if part not in frame]:
        raise ObservationError(f"the thresholds have no column {lacking[0]!r} to make their key of", path=name)
    return _keys(frame, parts, rule)


def _keys(frame: pd.DataFrame, parts: Sequence[str], rule: AssociatedField) -> Any:
    if rule.datatype in (None, "day"):
        return [day_of_year(row) for row in frame[list(parts)].itertuples(index=False, name=None)]
    times = pd.DatetimeIndex(as_type(frame[parts[-1]].tolist(), "datetime"))
    return times.normalize() if rule.datatype == "date" else times


def _keys_of(times: pd.DatetimeIndex, follows: str | None) -> np.ndarray[Any, Any] | None:
    """What instants are, as keys of thresholds; None where these do not change."""
    if follows is None:
        return None
    if follows == "day":
        return days_of_year(times)
    return (times.normalize() if follows == "date" else times).to_numpy()


def _of_json(
    document: Document, spec: ThresholdSpecification, wanted: Mapping[int, ThresholdDefinition]
) -> Iterator[tuple[int, pd.DataFrame]]:
    place = spec.locations
    assert place is not None
    for branch in json_path(spec.origin).find(parsed_json(document)):
        if place.ids:
            name: Any = place.ids[0]
        elif place.from_field == "filename":
            name = place_in(document, place)
        else:
            name = next((hit.value for hit in json_path(place.parts).find(branch)), None)
        key = 0.0 if spec.application_rules is None else _json_key(branch, spec.application_rules.threshold_field)
        for number, one in wanted.items():
            assert one.field is not None
            assert one.unit is not None
            hits = [hit.value for hit in json_path(one.field).find(branch)]
            unit = one.unit.value
            if unit is None:
                path = one.unit.path or [str(one.unit.field)]
                unit = next((hit.value for hit in json_path(path).find(branch)), None)
            if hits and name is not None:
                yield number, pd.DataFrame({_PLACE: [str(name)], _KEY: [key], _VALUE: [hits[0]], _UNIT: [unit]})


def _json_key(branch: Any, rule: AssociatedField) -> Any:
    found = [next((hit.value for hit in json_path([part]).find(branch)), None) for part in rule.parts]
    if rule.datatype in (None, "day"):
        return day_of_year(found)
    at = as_type(found[-1:], "datetime").iloc[0]
    return at.normalize() if rule.datatype == "date" else at
