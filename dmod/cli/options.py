"""Options that several commands have: what is run, where, and on what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dmod.store.remote import is_remote

__all__ = [
    "Catchments",
    "End",
    "Forcing",
    "Gpus",
    "Hosts",
    "Hydrofabric",
    "Image",
    "Memory",
    "On",
    "Output",
    "OutputFormat",
    "Overwrite",
    "Partitions",
    "Ranks",
    "Realization",
    "RunDir",
    "Start",
    "Units",
    "Workers",
    "place",
]


def place(text: str) -> Any:
    """A path of this machine, or an address as it is."""
    return text if is_remote(text) else Path(text)


RunDir = Annotated[
    Any,
    typer.Argument(
        help="Run directory: config/, forcings/, outputs/; or its address, s3://bucket/run.", show_default=False,
        parser=place, metavar="[RUN_DIR]",
    ),
]  # fmt: skip
Hydrofabric = Annotated[Path | None, typer.Option(help="GeoPackage, or GeoJSON of the catchments.")]
Realization = Annotated[Path | None, typer.Option(help="The realization.json.")]
Forcing = Annotated[Path | None, typer.Option(help="NetCDF file, CSV file, or directory of CSV files.")]
Catchments = Annotated[str | None, typer.Option(help="Ids, separated by commas; all otherwise.")]
Start = Annotated[str | None, typer.Option(help="First instant, UTC: '2015-12-01 00:00:00'.")]
End = Annotated[str | None, typer.Option(help="Start of the last step, UTC.")]
Units = Annotated[str, typer.Option(help="strict, or ngen to pass what does not convert.")]
Output = Annotated[
    Any | None,
    typer.Option(
        help="Where outputs go, a directory or s3://bucket/outputs; RUN_DIR/outputs/dmod otherwise.", parser=place,
        metavar="PATH",
    ),
]  # fmt: skip
OutputFormat = Annotated[str, typer.Option(help="netcdf, zarr, or ngen for its own CSV files.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace earlier outputs.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Worker processes of Dask, one core each.")]
Memory = Annotated[str | None, typer.Option(help="Memory of all workers or ranks together, '8 GiB'.")]
On = Annotated[str, typer.Option(help="dask; or ranks of an MPI run: docker, apptainer, host.")]
Ranks = Annotated[int | None, typer.Option(min=1, help="Ranks of an MPI run; as many as there are cores otherwise.")]
Image = Annotated[str | None, typer.Option(help="Image that ranks run in; dmod-worker otherwise.")]
Hosts = Annotated[str, typer.Option(help="Docker engines, tcp://host:port, separated by commas; this one otherwise.")]
Gpus = Annotated[str | None, typer.Option(help="Graphics processors, as `docker run --gpus` takes them.")]
Partitions = Annotated[Path | None, typer.Option(help="A partition file to use in place of our own cut.")]
