"""An evaluation on disk: one NetCDF file with a group each for scores, pairs and thresholds.

What is no array is JSON in the attributes of the file. What is read back equals what was written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import xarray as xr

from dmod.errors import OutputError
from dmod.evaluation.given import LEAD
from dmod.formats.describe_evaluations import EVALUATION_MARK as MARK

if TYPE_CHECKING:
    from dmod.evaluation.evaluation import Evaluation

__all__ = ["load_evaluation", "save"]

#: The layout of the file.
_LAYOUT = 1
_ENGINE: Any = "h5netcdf"
#: How long a lead time is counted.
_NANOSECONDS = "nanoseconds of lead"


def save(evaluation: Evaluation, path: str | os.PathLike[str]) -> Path:
    """Write an evaluation, whole or not at all.

    Parameters
    ----------
    evaluation : Evaluation
        What is lazy is computed, block by block.
    path : str or path-like
        Where; a file that is there is replaced.

    Returns
    -------
    Path
        *path*.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    where = Path(path).expanduser()
    partial = where.with_name(f".{where.name}.{uuid4().hex[:12]}.partial")
    groups = {"scores": evaluation.scores, "pairs": evaluation.pairs}
    if evaluation.thresholds is not None:
        groups["thresholds"] = evaluation.thresholds.to_dataset(name="threshold_value")
    try:
        xr.Dataset(attrs=_described(evaluation)).to_netcdf(partial, engine=_ENGINE)
        for name, dataset in groups.items():
            _plain(dataset).to_netcdf(partial, engine=_ENGINE, mode="a", group=name)
        partial.replace(where)
    except OSError as problem:
        raise OutputError(
            "the evaluation cannot be written",
            path=where,
            reason=problem.strerror or problem,
            hint="choose another place, or make room",
        ) from problem
    finally:
        partial.unlink(missing_ok=True)
    return where


def load_evaluation(path: str | os.PathLike[str]) -> Evaluation:
    """Read what `save` wrote.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    Evaluation
        In memory.

    Raises
    ------
    OutputError
        If there is none, or the file is something else.
    """
    from dmod.evaluation.evaluation import Evaluation
    from dmod.evaluation.scores import Scheme

    where = Path(path).expanduser()
    try:
        with xr.open_dataset(where, engine=_ENGINE) as opened:
            attrs = dict(opened.attrs)
        if MARK not in attrs:
            raise OutputError("this is no evaluation", path=where, hint="read it with dmod.open_outputs or xarray")
        told = json.loads(str(attrs[MARK]))
        scores, pairs = _group(where, "scores"), _group(where, "pairs")
        at = _group(where, "thresholds")["threshold_value"].rename(None) if told["has_thresholds"] else None
        return Evaluation(
            scores, pairs, str(told["name"]), tuple(told["notes"]), at, told["left_out"], told["specification"],
            None if told["scheme"] is None else Scheme(**{**told["scheme"], "bounds": _bounds(told["scheme"])}),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise OutputError(
            "the evaluation cannot be read",
            path=where,
            reason=str(problem).splitlines()[0] if str(problem) else type(problem).__name__,
        ) from problem


def _bounds(scheme: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    return {name: (low, high) for name, (low, high) in scheme["bounds"].items()}


def _described(evaluation: Evaluation) -> dict[str, str]:
    """What is no array, as attributes."""
    from dataclasses import asdict

    told = {
        "layout": _LAYOUT,
        "name": evaluation.name,
        "notes": list(evaluation.notes),
        "left_out": dict(evaluation.left_out),
        "specification": dict(evaluation.specification),
        "scheme": None if evaluation.scheme is None else asdict(evaluation.scheme),
        "has_thresholds": evaluation.thresholds is not None,
    }
    return {
        "Conventions": "CF-1.11",
        "title": f"Evaluation of {evaluation.name}",
        MARK: json.dumps(told),
    }


def _plain(dataset: xr.Dataset) -> xr.Dataset:
    """As NetCDF has it: lead times are numbers, and nothing is left of how it was read."""
    dataset = dataset.drop_encoding()
    if LEAD in dataset.coords and dataset[LEAD].dtype.kind == "m":
        leads = dataset[LEAD].to_numpy().astype("timedelta64[ns]").astype(np.int64)
        dataset = dataset.assign_coords({LEAD: (LEAD, leads, {"dmod_kind": _NANOSECONDS})})
    return dataset


def _group(path: Path, name: str) -> xr.Dataset:
    with xr.open_dataset(path, engine=_ENGINE, group=name, decode_timedelta=False) as opened:
        dataset = opened.load().drop_encoding()
    if LEAD in dataset.coords and dataset[LEAD].attrs.get("dmod_kind") == _NANOSECONDS:
        leads = dataset[LEAD].to_numpy().astype("timedelta64[ns]")
        dataset = dataset.assign_coords({LEAD: (LEAD, leads)})
    if "time" in dataset.coords:
        dataset = dataset.assign_coords(time=dataset["time"].astype("datetime64[ns]"))
    return dataset
