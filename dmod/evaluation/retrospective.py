"""The retrospective run of the National Water Model, as a baseline to compare with.

It lies on S3 as a Zarr store of decades by millions of reaches. Only the pieces that hold the
reaches and the period asked for are fetched, without keys.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np
import pandas as pd
import xarray as xr

from dmod.errors import ObservationError
from dmod.evaluation.records import Asked
from dmod.evaluation.settling import settled_array
from dmod.evaluation.sources import Source
from dmod.store.arrays import AWS, open_remote_zarr, reading

__all__ = ["RetrospectiveReader", "nwm_retrospective"]

#: Where the channel output of each version is.
_PLACES = {
    "3.0": "s3://noaa-nwm-retrospective-3-0-pds/CONUS/zarr/chrtout.zarr",
    "2.1": "s3://noaa-nwm-retrospective-2-1-zarr-pds/chrtout.zarr",
    "2.0": "s3://noaa-nwm-retro-v2-zarr-pds",
}
_SHOWN = 5

Progress = Callable[[float], None]


class RetrospectiveReader:
    """Reads the retrospective run: ``nwm:101,179``, and of an earlier version ``nwm-2.1:101``."""

    reads = "nwm:REACH,REACH (the retrospective run of the National Water Model)"

    def knows(self, source: Source) -> bool:
        """Whether the National Water Model is named."""
        return source.service in ("nwm", *(f"nwm-{version}" for version in _PLACES))

    def read(self, source: Source, asked: Asked) -> xr.DataArray:
        """The flow of the reaches named."""
        service, _, text = source.text.partition(":")
        version = service.partition("-")[2] or "3.0"
        return _fetched(text.split(","), asked, version=version)


def nwm_retrospective(
    features: int | str | Iterable[int | str],
    start: object = None,
    end: object = None,
    *,
    version: str = "3.0",
    variable: str = "streamflow",
    url: str | None = None,
    endpoint: str | None = None,
    progress: Progress | None = None,
) -> xr.DataArray:
    """Flow of reaches in the retrospective run of the National Water Model.

    Parameters
    ----------
    features : int, str or iterable of them
        Ids of reaches (``feature_id``), which are COMIDs of NHDPlus within CONUS.
    start, end : str or datetime, optional
        First and last instant, both included; UTC where no zone is given.
    version : str
        ``3.0`` (1979-02 to 2023-01), ``2.1`` (1979-02 to 2020-12) or ``2.0`` (1993 to 2018).
    variable : str
        What to read.
    url : str, optional
        Address of a Zarr store of the same layout; ``DMOD_NWM_URL`` otherwise.
    endpoint : str, optional
        S3 server, if not that of AWS; ``DMOD_NWM_ENDPOINT`` otherwise.
    progress : callable, optional
        Told the share that is here, in [0, 1].

    Returns
    -------
    xarray.DataArray
        ``discharge`` [m3 s-1], as `dmod.evaluation.observations.read_observations` gives it.

    Raises
    ------
    ObservationError
        If there is no such version or reach, or nothing in the period.
    InputError
        If there is no such store.
    StoreError
        If the server cannot be reached.

    Examples
    --------
    .. code-block:: python

        baseline = nwm_retrospective(5781903, "2016-09-01", "2016-09-30")
    """
    asked = Asked.of(start=start, end=end, variable=variable)
    several = [features] if isinstance(features, (int, str)) else list(features)
    return _fetched(several, asked, version=version, url=url, endpoint=endpoint, progress=progress)


def _fetched(
    features: Iterable[int | str],
    asked: Asked,
    *,
    version: str,
    url: str | None = None,
    endpoint: str | None = None,
    progress: Progress | None = None,
) -> xr.DataArray:
    """The reaches and the period that are asked for."""
    if version not in _PLACES:
        raise ObservationError(
            f"there is no retrospective run of version {version!r}",
            known=", ".join(_PLACES),
            hint="choose one of 'known'",
        )
    place = url or os.environ.get("DMOD_NWM_URL") or _PLACES[version]
    server = endpoint or os.environ.get("DMOD_NWM_ENDPOINT") or AWS
    name = f"NWM retrospective {version}"
    with open_remote_zarr(place, endpoint=server, anonymous=True) as dataset:
        flow = _flow(dataset, asked.variable or "streamflow", name)
        rows, absent = _reaches(flow, [str(one).strip() for one in features], name)
        steps = _steps(flow, asked, name)
        picked = flow.isel(feature_id=rows, time=steps).transpose("feature_id", "time")
        array = _read(picked, progress, place)
    notes = [f"{place} read"] + ([f"no reach {', '.join(absent)}"] if absent else [])
    ids = [str(one) for one in array["feature_id"].values.tolist()]
    array = array.drop_vars("feature_id").rename(feature_id="site").assign_coords(site=ids)
    return settled_array(array, Asked(start=asked.start, end=asked.end), name, notes)


def _flow(dataset: xr.Dataset, variable: str, name: str) -> xr.DataArray:
    """The variable, if the store has the layout that is expected."""
    found = dataset.get(variable)
    if found is None or set(found.dims) != {"time", "feature_id"}:
        raise ObservationError(
            f"{name} has no {variable!r} over time and feature_id",
            has=", ".join(f"{one} ({', '.join(map(str, held.dims))})" for one, held in dataset.data_vars.items()),
            hint="choose one of 'has', or another store",
        )
    return found.reset_coords(drop=True)


def _reaches(flow: xr.DataArray, wanted: list[str], name: str) -> tuple[list[int], list[str]]:
    """Where the reaches stand, and those that are not there."""
    ids = [one for one in dict.fromkeys(wanted) if one]
    wrong = [one for one in ids if not one.isdigit()]
    if wrong or not ids:
        raise ObservationError(
            f"{', '.join(wrong) or 'nothing'} is no id of a reach",
            needed="numbers such as 5781903",
            hint="give COMIDs; that of a gage is in the crosswalk of the hydrofabric",
        )
    places = pd.Index(flow["feature_id"].values).get_indexer([int(one) for one in ids])
    there = sorted(int(at) for at in places if at >= 0)
    if not there:
        raise ObservationError(
            f"{name} has none of the reaches",
            asked=", ".join(ids[:_SHOWN]),
            has=f"{flow.sizes['feature_id']:,} reaches",
            hint="give COMIDs within CONUS",
        )
    return there, [one for one, at in zip(ids, places, strict=True) if at < 0]


def _steps(flow: xr.DataArray, asked: Asked, name: str) -> slice:
    """The steps of the period."""
    times = flow["time"].values.astype("datetime64[ns]")
    first = 0 if asked.start is None else int(np.searchsorted(times, asked.start, side="left"))
    last = len(times) if asked.end is None else int(np.searchsorted(times, asked.end, side="right"))
    if last <= first:
        raise ObservationError(
            f"{name} has no values in the period",
            asked=asked.period(),
            has=f"{pd.Timestamp(times[0]):%Y-%m-%dT%H:%MZ} to {pd.Timestamp(times[-1]):%Y-%m-%dT%H:%MZ}",
            hint="choose start and end inside 'has'",
        )
    return slice(first, last)


def _read(picked: xr.DataArray, progress: Progress | None, place: str) -> xr.DataArray:
    """The values, piece of time by piece, so that no more than one is in memory whole."""
    sizes = picked.chunksizes.get("time", (picked.sizes["time"],))
    edges = np.cumsum([0, *sizes])
    blocks = []
    for start, stop in pairwise(edges):
        with reading(place):
            blocks.append(picked.isel(time=slice(int(start), int(stop))).compute())
        if progress is not None:
            progress(stop / edges[-1])
    return (
        xr.concat(blocks, "time", coords="minimal", compat="override", join="exact") if len(blocks) > 1 else blocks[0]
    )
