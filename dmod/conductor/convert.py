"""Outputs in another format than the one that workers fill: made from it when a run is complete."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from dmod.job.request import OutputFormat
from dmod.model.case import Case, Outline

__all__ = ["convert"]


def convert(made: Path, output_format: OutputFormat, case: Case | Outline) -> None:
    """Replace a NetCDF file by the same outputs in another format, beside it.

    Parameters
    ----------
    made : Path
        The file.
    output_format : {"zarr", "ngen"}
        One Zarr store, or ngen's own CSV files.
    case : Case or Outline
        What was run; its realization says which CSV files are wanted.

    Raises
    ------
    RunError
        If the disk is full.
    """
    from dmod.formats.ngen_csv import write_ngen
    from dmod.formats.outputs import open_outputs
    from dmod.formats.zarr_output import write_zarr

    with open_outputs(made) as dataset:
        if output_format == "zarr":
            write_zarr(dataset, made.with_name("run.zarr"))
        else:
            wanted = case.realization.output
            together: Literal["per_formulation", "per_feature"] = (
                "per_formulation" if wanted.catchment_grouping == "per_formulation" else "per_feature"
            )
            write_ngen(dataset, made.parent, grouping=together, nexuses=None if wanted.nexus_enabled else slice(0, 0))
    made.unlink()
