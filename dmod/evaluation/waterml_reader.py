"""WaterML as JSON: what the instantaneous and daily values services of USGS answer.

Of the time series those of discharge are read. The value that stands for none is the one
the answer names; qualifiers go with the values; times have their own offset. A site may have
several methods, each a block of values.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from dmod.errors import ObservationError
from dmod.evaluation.instants_utc import in_utc
from dmod.evaluation.records import Asked, Records, counted, joined, labels, one_label
from dmod.evaluation.sources import Source
from dmod.evaluation.table_columns import is_usgs_discharge

__all__ = ["WaterMlReader"]

#: Statistic of values of an instant; of daily ones the mean comes first.
_STATISTICS = ("", "00000", "00011", "mean", "00003")


class WaterMlReader:
    """Reads WaterML as JSON."""

    reads = "WaterML as JSON (values of NWIS)"

    def knows(self, source: Source) -> bool:
        """Whether a file of JSON has time series at its beginning."""
        glance = source.glance
        return glance is not None and glance.text.lstrip().startswith("{") and '"timeSeries"' in glance.text

    def read(self, source: Source, asked: Asked) -> Records:
        """The rows of all series of discharge."""
        try:
            answer = json.loads(source.path.read_bytes())
            series = answer["value"]["timeSeries"]
        except (ValueError, KeyError, TypeError) as problem:
            raise ObservationError(
                f"{source.name} cannot be read as WaterML",
                reason=f"{type(problem).__name__}: {problem}",
                hint="save the whole answer of the service again, with format=json",
            ) from problem
        flows = _flows(series, asked, source.name)
        parts = [part for one in flows for part in _blocks(one, source.name)]
        if not parts:
            raise ObservationError(
                f"{source.name} holds no values",
                has=counted(len(series), "time series"),
                hint="choose another period or site",
            )
        return joined(parts)


def _flows(series: list[Mapping[str, Any]], asked: Asked, name: str) -> list[Mapping[str, Any]]:
    """The series of discharge, of one statistic."""
    flows = [one for one in series if _code(one) == (asked.variable or "00060")]
    if not flows:
        codes = sorted({_code(one) for one in series})
        raise ObservationError(
            f"{name} has no series of {asked.variable or 'discharge'}",
            needed=f"parameter {asked.variable or '00060'}",
            has=", ".join(codes) or "no series",
            hint="choose another period or site, or name the parameter with variable='...'",
        )
    order = {statistic: at for at, statistic in enumerate(_STATISTICS)}
    best = min((_statistic(one) for one in flows), key=lambda code: order.get(code, len(order)))
    return [one for one in flows if _statistic(one) == best]


def _code(series: Mapping[str, Any]) -> str:
    """Code of the parameter of a series."""
    return str(series["variable"]["variableCode"][0]["value"])


def _statistic(series: Mapping[str, Any]) -> str:
    """Code of the statistic of a series; empty where none is told."""
    options = series["variable"].get("options", {}).get("option", [])
    return next((str(one.get("optionCode", one.get("value", ""))) for one in options), "")


def _blocks(series: Mapping[str, Any], name: str) -> Iterator[Records]:
    """The values of each method of a series."""
    try:
        site = str(series["sourceInfo"]["siteCode"][0]["value"])
        variable = series["variable"]
        unit = str(variable.get("unit", {}).get("unitCode", ""))
        none = float(variable.get("noDataValue", np.nan))
        for block in series["values"]:
            if not block["value"]:
                continue
            method = block.get("method") or [{}]
            label = str(method[0].get("methodID", "")) or str(method[0].get("methodDescription", ""))
            yield _records(block["value"], site, unit or _defined(series), none, label, name)
    except (KeyError, IndexError, TypeError) as problem:
        raise ObservationError(
            f"{name} has a series that is not as WaterML has it",
            series=series.get("name", "without a name"),
            reason=f"{type(problem).__name__}: {problem}",
            hint="save the whole answer of the service again, with format=json",
        ) from problem


def _defined(series: Mapping[str, Any]) -> str:
    """The units that USGS defines for a parameter, where the series tells none."""
    return "ft3/s" if is_usgs_discharge(_code(series)) else ""


def _records(rows: list[Mapping[str, Any]], site: str, unit: str, none: float, method: str, name: str) -> Records:
    """The rows of one block."""
    texts = pd.Series([str(row["dateTime"]) for row in rows], dtype=str)
    times, notes = in_utc(texts, None, None, name)
    values = pd.to_numeric(pd.Series([row["value"] for row in rows]), errors="coerce").to_numpy(dtype=np.float64)
    lost = np.isnan(values) & np.array([_is_text(row["value"]) for row in rows])
    if lost.any():
        raise ObservationError(
            f"{name} has a value that is no number",
            site=site,
            has=repr(rows[int(lost.argmax())]["value"]),
            values=int(lost.sum()),
            hint="correct the file, or save the answer again",
        )
    told = list(notes)
    if not np.isnan(none) and (absent := values == none).any():
        told.append(f"values of {none:.0f}, which the source says are none, taken as missing")
        values[absent] = np.nan
    said = [row.get("qualifiers", ()) for row in rows]
    codes = [one if isinstance(one, str) else ",".join(map(str, one)) for one in said]
    count = len(rows)
    return Records(
        one_label(site, count), times, values, one_label(unit, count),
        labels(np.array(codes, dtype=object)) if any(codes) else None, one_label(method, count), tuple(told),
    )  # fmt: skip


def _is_text(value: object) -> bool:
    """Whether a value is text that stands for no missing one."""
    return isinstance(value, str) and value.strip().lower() not in {"", "nan", "null", "none"}
