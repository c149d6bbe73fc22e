"""Reading ngen's NetCDF file of nexus flow, ``formulation_<id>_nexuses.nc``.

Ids are characters padded with NUL, in the order of MPI ranks; values are
``runoff_rate(feature_id, time)``. They come out as our ``nexus_flow``, ids by number.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from dmod.errors import OutputError
from dmod.formats.output_variables import NEXUS, by_number

__all__ = ["open_nexus_netcdf"]


def open_nexus_netcdf(paths: Sequence[Path]) -> xr.Dataset:
    """Nexus flow, as ``nexus_flow`` (nexus-id, time) [m3 s-1].

    Parameters
    ----------
    paths : sequence of Path
        One file for each formulation; no nexus is in two of them.

    Returns
    -------
    xarray.Dataset
        Lazy; only ids and times have been read.

    Raises
    ------
    OutputError
        If a file is not of this kind, or a nexus occurs twice.
    """
    parts = [_open(path) for path in paths]
    dataset = parts[0] if len(parts) == 1 else xr.concat(parts, NEXUS, join="exact")
    ids = dataset[NEXUS].values.tolist()
    if len(set(ids)) < len(ids):
        raise OutputError("a nexus is in the NetCDF files twice", files=", ".join(str(path) for path in paths))
    order = sorted(range(len(ids)), key=lambda index: by_number(ids[index]))
    return dataset if order == list(range(len(ids))) else dataset.isel({NEXUS: order})


def _open(path: Path) -> xr.Dataset:
    """One file under our names."""
    try:
        raw = xr.open_dataset(path, engine="h5netcdf")
        ids = np.array([_text(one) for one in raw["feature_id"].values], dtype=object)
        flow = raw["runoff_rate"].transpose("feature_id", "time")
    except (OSError, ValueError, KeyError) as problem:
        raise OutputError(
            f"{path.name} cannot be read as ngen's nexus flow",
            needed="feature_id, time and runoff_rate(feature_id, time)",
            reason=str(problem).splitlines()[0] if str(problem) else type(problem).__name__,
            file=path,
        ) from problem
    variable = flow.variable.copy(deep=False)
    variable.attrs = {}
    variable.encoding = {}
    return xr.Dataset(
        {"nexus_flow": ((NEXUS, "time"), variable._data)}, coords={NEXUS: ids, "time": raw["time"].values}
    )


def _text(one: object) -> str:
    """An id without its padding."""
    return (one.decode() if isinstance(one, bytes) else str(one)).rstrip("\0 ")
