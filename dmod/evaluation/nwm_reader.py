"""Files of the National Water Model as observations or as a baseline.

Channel output (``CHRTOUT``, ``channel_rt``), TimeSlice files of USGS, time series of river
forecast centres: one file, a directory of them, or a pattern.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import xarray as xr

from dmod.errors import DatasetError, ObservationError
from dmod.evaluation.records import Asked, Records, counted, labels, one_label
from dmod.evaluation.sources import Source
from dmod.formats.describe_glance import Glance
from dmod.formats.nwm_files import kind_of, read_channel, read_rfc, read_slices

__all__ = ["NwmReader"]

#: What the files of each kind are called.
_NAMES = {
    "channel": re.compile(r".*(CHRTOUT|channel_rt).*"),
    "slice": re.compile(r".*(TimeSlice|nudgingLastObs).*"),
    "rfc": re.compile(r".*RFCTimeSeries.*"),
}


class NwmReader:
    """Reads files of the National Water Model."""

    reads = "files of the National Water Model (CHRTOUT, channel_rt, usgsTimeSlice, RFCTimeSeries), one or many"

    def knows(self, source: Source) -> bool:
        """Whether the first of its files that is named like one has what one has."""
        return bool(self._kind(source)[0])

    def _kind(self, source: Source) -> tuple[str, list[str]]:
        """Which files they are, and their names; of one file what is in it counts, not its name."""
        if source.glance is not None and not source.glance.is_directory:
            return kind_of(dict(source.glance.arrays)), [source.name]
        for kind, pattern in _NAMES.items():
            named = [path.name for path in source.files if pattern.fullmatch(path.name)]
            if named:
                first = next(path for path in source.files if path.name == named[0])
                try:
                    found = kind_of(dict(Glance(first).arrays))
                except DatasetError:
                    continue
                if found == kind:
                    return kind, named
        return "", []

    def read(self, source: Source, asked: Asked) -> Records | xr.DataArray:
        """Their values."""
        kind, names = self._kind(source)
        wanted = set(names)
        paths = [path for path in source.files if path.name in wanted]
        if kind == "channel":
            return _channel(paths, asked, source.name)
        found = read_slices(paths) if kind == "slice" else read_rfc(paths)
        if not len(found.values):
            raise ObservationError(f"{source.name} holds no values", files=len(paths), hint="choose other files")
        notes = [f"{counted(len(paths), 'file')} read"]
        if found.poor:
            why = "of quality 0" if kind == "slice" else "that are synthetic"
            notes.append(f"{counted(found.poor, 'value')} {why} taken as missing")
        if found.forecast:
            notes.append(f"{counted(found.forecast, 'value')} of forecasts left out")
        count = len(found.values)
        return Records(
            labels(found.stations), found.times, found.values, one_label(found.units, count), notes=tuple(notes)
        )  # fmt: skip


def _channel(paths: list, asked: Asked, name: str) -> xr.DataArray | Records:  # type: ignore[type-arg]
    """Channel output, put in order of time."""
    ids, times, values, units = read_channel(paths, asked.variable or "streamflow", asked.sites)
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[:, order]
    if (times[1:] == times[:-1]).any():
        twice = pd.Timestamp(times[1:][times[1:] == times[:-1]][0])
        raise ObservationError(
            f"{name} has more than one file for an instant",
            instant=f"{twice:%Y-%m-%dT%H:%MZ}",
            files=len(paths),
            hint="give the files of one run or one lead time: a pattern such as '*short_range*f001*'",
        )
    said = f"{counted(len(paths), 'file')} read"
    attrs = {"units": units, "said": said}
    return xr.DataArray(values, dims=("site", "time"), coords={"site": ids, "time": times}, attrs=attrs)
