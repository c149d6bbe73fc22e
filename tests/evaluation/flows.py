"""Discharge made by hand, for tests."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr


def series(values, start="2016-09-01", freq="h", units="m3 s-1", **coords):
    """A discharge with one value for each instant from *start*."""
    times = pd.date_range(start, periods=len(values), freq=freq, unit="ns")
    array = xr.DataArray(np.asarray(values, float), {"time": times}, name="discharge", attrs={"units": units})
    return array.assign_coords(coords)


def places(rows, labels, dim="nexus-id", **kwargs):
    """Several of them, over *dim*."""
    return xr.concat([series(row, **kwargs) for row in rows], pd.Index(labels, name=dim))
