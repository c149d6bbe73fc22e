"""GeoJSON of the Water Data API of USGS: its collections ``continuous`` and ``daily``.

`waterdata_records` makes rows of the properties of features, whether they come from a file or
from `dmod.evaluation.usgs_service`. A time series is a method: a site may have several.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from dmod.errors import ObservationError
from dmod.evaluation.instants_utc import in_utc
from dmod.evaluation.records import Asked, Records, bare_site, labels, qualifier_codes
from dmod.evaluation.sources import Source

__all__ = ["WaterDataReader", "waterdata_records"]

_DAILY = "a daily value is of the day at the gage, and stands at 00:00 UTC of its date"


class WaterDataReader:
    """Reads answers of the Water Data API."""

    reads = "GeoJSON of the Water Data API of USGS (continuous or daily values)"

    def knows(self, source: Source) -> bool:
        """Whether a file of JSON has values of monitoring locations at its beginning."""
        glance = source.glance
        if glance is None or not glance.text.lstrip().startswith("{"):
            return False
        return all(f'"{word}"' in glance.text for word in ("features", "monitoring_location_id", "value", "time"))

    def read(self, source: Source, asked: Asked) -> Records:
        """The rows of all features of discharge."""
        try:
            features = json.loads(source.path.read_bytes())["features"]
            frame = pd.DataFrame([feature["properties"] for feature in features])
            if lacking := {"monitoring_location_id", "time", "value"} - set(frame.columns):
                raise KeyError(", ".join(sorted(lacking)))
        except (ValueError, KeyError, TypeError) as problem:
            raise ObservationError(
                f"{source.name} cannot be read as an answer of the Water Data API",
                reason=f"{type(problem).__name__}: {problem}",
                hint="save the whole answer of the service again",
            ) from problem
        wanted = asked.variable or "00060"
        codes = frame.get("parameter_code", pd.Series(wanted, index=frame.index)).astype(str)
        flows = frame[codes == wanted]
        if flows.empty:
            raise ObservationError(
                f"{source.name} has no values of parameter {wanted}",
                has=", ".join(sorted(codes.unique())),
                hint="choose another file, or name the parameter with variable='...'",
            )
        return waterdata_records(flows.reset_index(drop=True), source.name)


def waterdata_records(frame: pd.DataFrame, name: str) -> Records:
    """Rows out of the properties of features.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns ``monitoring_location_id``, ``time``, ``value``, and what there is of
        ``unit_of_measure``, ``qualifier``, ``approval_status`` and ``time_series_id``.
    name : str
        What the source is called in errors.

    Returns
    -------
    Records
        Sites without the agency if it is USGS.

    Raises
    ------
    ObservationError
        If a time or value cannot be read.
    """
    sites = labels(frame["monitoring_location_id"].astype(str))
    sites = sites.rename_categories(lambda one: bare_site(str(one)))
    text = frame["time"].astype(str)
    days = text.str.len() == len("2016-09-01")
    times, notes = in_utc(text, None, None, name)
    if days.all():
        notes = (_DAILY,)
    values = pd.to_numeric(frame["value"], errors="coerce")
    lost = values.isna() & frame["value"].notna() & (frame["value"].astype(str).str.strip() != "")
    if lost.any():
        raise ObservationError(
            f"{name} has a value that is no number",
            has=repr(frame["value"][lost].iloc[0]),
            values=int(lost.sum()),
            hint="save or fetch it again",
        )

    def column(key: str) -> Any:
        return frame[key] if key in frame else pd.Series("", index=frame.index, dtype=object)

    qualified = [
        qualifier_codes(f"{status} {qualifier}")
        for status, qualifier in zip(column("approval_status"), column("qualifier"), strict=True)
    ]
    return Records(
        sites,
        times,
        values.to_numpy(dtype=np.float64),
        labels(column("unit_of_measure").fillna("").astype(str)),
        labels(np.array(qualified, dtype=object)) if any(qualified) else None,
        labels(frame["time_series_id"].astype(str)) if "time_series_id" in frame else None,
        notes,
    )
