"""Parts of a realization.json to be written: where weather comes from, and which time is run.

What is written here is what `dmod.model.realization` reads. Values in, values out: no file
is touched.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dmod.errors import RealizationError
from dmod.model.realization import ForcingEntry

__all__ = ["forcing_entry", "time_entry"]

_STEP_S = 3600
_PROVIDERS = {".nc": "NetCDF", ".nc4": "NetCDF", ".zarr": "Zarr"}


def forcing_entry(forcing: str | Path | ForcingEntry) -> dict[str, str]:
    """The block ``forcing`` of a realization.

    Parameters
    ----------
    forcing : path or ForcingEntry
        A path is told by its name: ``.nc``, ``.zarr``, else CSV.

    Returns
    -------
    dict of str to str

    Examples
    --------
    >>> forcing_entry("./forcings")
    {'path': './forcings', 'provider': 'CsvPerFeature', 'file_pattern': '{{id}}.csv'}
    """
    if not isinstance(forcing, ForcingEntry):
        text = str(forcing)
        suffix = Path(text).suffix.lower()
        provider = _PROVIDERS.get(suffix, "CsvPerFeature")
        pattern = "{{id}}.csv" if provider == "CsvPerFeature" and suffix != ".csv" else ""
        forcing = ForcingEntry(text, provider, pattern)
    entry = {"path": forcing.path, "provider": forcing.provider}
    return entry | ({"file_pattern": forcing.pattern} if forcing.pattern else {})


def time_entry(start: str | datetime, end: str | datetime) -> dict[str, Any]:
    """The block ``time`` of a realization, in steps of an hour.

    Parameters
    ----------
    start, end : str or datetime
        Start of the first step and of the last one, UTC where no zone is given; a whole number of
        hours apart.

    Returns
    -------
    dict

    Raises
    ------
    RealizationError
        If a time cannot be read, or the end lies before the start or between two steps.

    Examples
    --------
    >>> time_entry("2016-09-01", "2016-09-01 05:00")["end_time"]
    '2016-09-01 05:00:00'
    """
    first, last = _instant(start, "start"), _instant(end, "end")
    if last < first or (last - first).total_seconds() % _STEP_S:
        raise RealizationError(
            "end lies before start" if last < first else "end does not lie a whole number of hours after start",
            start=_stamp(first),
            end=_stamp(last),
            hint="end is the start of the last step",
        )
    return {"start_time": _stamp(first), "end_time": _stamp(last), "output_interval": _STEP_S}


def _instant(given: str | datetime, what: str) -> datetime:
    """A time in UTC."""
    try:
        at = given if isinstance(given, datetime) else datetime.fromisoformat(str(given))
    except ValueError:
        raise RealizationError(f"{what} is no time", has=repr(given), hint="write it like 2016-09-01 06:00") from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _stamp(at: datetime) -> str:
    """A time as realizations have it."""
    return f"{at:%Y-%m-%d %H:%M:%S}"
