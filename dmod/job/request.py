"""What is asked for when a run is asked for.

A `JobRequest` is a value: it can be kept, sent and asked again. Nothing is opened here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from dmod.errors import InputError

__all__ = ["JobRequest", "OutputFormat", "instant"]

#: How outputs are kept: one NetCDF-4 file, one Zarr store, or ngen's own CSV files.
OutputFormat = Literal["netcdf", "zarr", "ngen"]


@dataclass(frozen=True)
class JobRequest:
    """A run, as its owner asks for it."""

    #: An ngen or NGIAB run directory.
    directory: Path
    #: Parts named by hand, in place of what the directory holds.
    hydrofabric: Path | None = None
    realization: Path | None = None
    forcing: Path | None = None
    #: Where outputs go; ``outputs/dmod`` in the run directory if None.
    output: Path | None = None
    #: How outputs are kept.
    output_format: OutputFormat = "netcdf"
    #: Whether earlier outputs there may be replaced.
    overwrite: bool = False
    #: Catchments wanted; None for all.
    catchments: tuple[str, ...] | None = None
    #: First instant, and start of the last step [s since 1970]; None for the realization's own.
    start_s: int | None = None
    end_s: int | None = None
    #: Workers, one core each; None for as many as make sense.
    workers: int | None = None
    #: Address of a Dask scheduler; None for a cluster of our own.
    scheduler: str | None = None
    #: What to do where units do not convert.
    units: Literal["strict", "ngen"] = "strict"

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise InputError(f"a run needs at least one worker, not {self.workers}", hint="leave --workers out")
        if self.output_format not in ("netcdf", "zarr", "ngen"):
            raise InputError(f"there is no output format {self.output_format!r}", has="netcdf, zarr, ngen")
        if self.catchments is not None and not self.catchments:
            raise InputError("no catchment was asked for", hint="name some, or leave --catchments out for all")

    @property
    def target(self) -> Path:
        """The directory outputs go to."""
        return self.output if self.output is not None else self.directory / "outputs" / "dmod"


def instant(text: str) -> int:
    """A time as people write it, in seconds since 1970, UTC.

    Parameters
    ----------
    text : str
        ``2015-12-01``, ``2015-12-01 06:00``, ``2015-12-01T06:00:00Z``.

    Returns
    -------
    int
        Seconds since 1970-01-01T00:00Z.

    Raises
    ------
    InputError
        If it cannot be read.

    Examples
    --------
    >>> instant("1970-01-02")
    86400
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InputError(
            f"cannot read the time {text!r}", needed="YYYY-MM-DD or YYYY-MM-DD HH:MM:SS, UTC",
            hint="quote it if it holds a blank",
        ) from None  # fmt: skip
    return round((found.replace(tzinfo=UTC) if found.tzinfo is None else found).timestamp())
