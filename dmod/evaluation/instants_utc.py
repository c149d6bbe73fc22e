"""Times as text, in UTC.

A time may have its zone with it, in a column beside it or in the header; one that has none
is in UTC, and that is noted. Pure: text in, instants out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dmod.errors import ObservationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NAIVE", "in_utc", "zone_hours"]

#: What is noted where times have no zone.
NAIVE = "times without a zone taken as UTC"

#: Hours ahead of UTC of the zones that USGS writes.
_ZONE_HOURS = {
    "UTC": 0, "GMT": 0, "Z": 0, "AST": -4, "ADT": -3, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7,
    "MDT": -6, "PST": -8, "PDT": -7, "AKST": -9, "AKDT": -8, "HST": -10,
}  # fmt: skip
_ZONED = r"\d[T ]\d.*(?:Z|[+-]\d\d(?::?\d\d)?)$"


def in_utc(
    text: pd.Series[str], zone: pd.Series[str] | None, first_line: int | None, name: str
) -> tuple[NDArray[np.datetime64], tuple[str, ...]]:
    """Times in UTC, and what was assumed about their zone.

    Parameters
    ----------
    text : series of str
        Times as ISO 8601; the index counts rows.
    zone : series of str, optional
        Zone of each; empty where none is told.
    first_line : int, optional
        Line of row 0, for errors.
    name : str
        What the source is called in errors.

    Returns
    -------
    array of datetime64[ns], tuple of str
        Instants, and notes.

    Raises
    ------
    ObservationError
        If a time or a zone cannot be read.
    """
    # Digits alone may be seconds of an epoch or a date without dashes: not for us to guess.
    whole = text.str.contains("-", regex=False)
    parsed = pd.to_datetime(text.where(whole), format="ISO8601", utc=True, errors="coerce")
    if parsed.isna().any():
        at = int(parsed.isna().to_numpy().argmax())
        where: dict[str, Any] = {} if first_line is None else {"line": first_line + int(text.index[at])}
        raise ObservationError(
            f"{name} has a time that cannot be read",
            **where,
            has=repr(text.iloc[at]),
            times=int(parsed.isna().sum()),
            hint="write times as 2016-09-01 13:00 (UTC) or 2016-09-01T13:00-06:00",
        )
    naive = ~text.str.contains(_ZONED, regex=True)
    times = parsed.dt.tz_localize(None)
    if not naive.any():
        return times.to_numpy(dtype="datetime64[ns]"), ()
    if zone is None:
        return times.to_numpy(dtype="datetime64[ns]"), (NAIVE,)
    hours = {code: zone_hours(code, name) for code in zone.unique()}
    times = times - pd.to_timedelta(zone.map(hours).where(naive, 0).astype(float), unit="h")
    return times.to_numpy(dtype="datetime64[ns]"), (NAIVE,) if (naive & (zone == "")).any() else ()


def zone_hours(code: str, name: str) -> float:
    """Hours that a zone is ahead of UTC; 0 for no zone.

    Raises
    ------
    ObservationError
        If the zone is not known.

    Examples
    --------
    >>> zone_hours("MST", "obs.csv"), zone_hours("UTC+01:30", "obs.csv")
    (-7, 1.5)
    """
    if not code:
        return 0.0
    if (known := _ZONE_HOURS.get(code.upper())) is not None:
        return known
    if found := re.fullmatch(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?(\d\d))?", code, re.IGNORECASE):
        return (1 if found[1] == "+" else -1) * (int(found[2]) + int(found[3] or 0) / 60)
    raise ObservationError(
        f"{name} has times in a zone that is not known",
        has=code,
        hint="write the zone as UTC, as one of USGS such as MST, or as UTC-07:00",
    )
