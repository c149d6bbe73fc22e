"""Describing evaluations: which metrics, of which places, and when.

The file is the one that `dmod.evaluation.saved` writes, known by an attribute of its root. Its
coverage is that of the pairs; its variables are the metrics.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from dmod.data.coverage import ALL, Coverage, Everything, IdSet, Span
from dmod.data.kinds import Format
from dmod.errors import OutputError
from dmod.formats.describe_glance import Description, Detector, Glance

__all__ = ["DETECTORS", "EVALUATION_MARK"]

#: The attribute that tells such a file from others.
EVALUATION_MARK = "dmod_evaluation"


def _is_evaluation(glance: Glance) -> bool:
    """An HDF5 file with our mark."""
    import h5py

    if not glance.is_hdf5:
        return False
    try:
        with h5py.File(glance.path, "r", locking=False) as file:
            return EVALUATION_MARK in file.attrs
    except (OSError, RuntimeError):
        return False


def _describe_evaluation(glance: Glance) -> Description:
    """What was compared, where and when."""
    import xarray as xr

    try:
        with xr.open_dataset(glance.path, engine="h5netcdf") as root:
            told: dict[str, Any] = json.loads(str(root.attrs[EVALUATION_MARK]))
        with xr.open_dataset(glance.path, engine="h5netcdf", group="pairs", decode_timedelta=False) as pairs:
            seconds = pairs["time"].values.astype("datetime64[s]").astype(np.int64)
            dims = [dim for dim in pairs["obs"].dims if dim in pairs.coords and dim != "time"]
            ids = [str(one) for dim in dims for one in pairs[dim].values.tolist()]
            ids += [str(one) for one in np.atleast_1d(pairs["gage"].values)] if "gage" in pairs.coords else []
    except (OSError, ValueError, KeyError) as problem:
        raise OutputError(
            "the evaluation cannot be read", path=glance.path, reason=str(problem).splitlines()[0]
        ) from problem
    metrics = [str(name) for name in told["specification"].get("metrics", ())]
    held: IdSet | Everything = IdSet.of(sorted(set(ids))) if ids else ALL
    variables = frozenset(metrics) if metrics else ALL
    return glance.described(
        Format.EVALUATION,
        Coverage((Span(int(seconds.min()), int(seconds.max()) + 1),), held, variables),
        {"name": told["name"], "specification": told["specification"], "left_out": len(told["left_out"])},
    )


#: That of evaluations.
DETECTORS = (Detector(Format.EVALUATION, _is_evaluation, _describe_evaluation),)
