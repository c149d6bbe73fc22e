"""What people add, laid out as a file or directory that can be described.

A path stays where it is; bytes and xarray objects are written to a folder that is gone
again afterwards. What they are is found out by `dmod.formats.describe`, not here.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, TypeAlias

from dmod.data.kinds import Category, Format
from dmod.errors import DatasetError
from dmod.store.remote import is_remote

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Given", "laid_out", "name_for"]

#: What can be added: a path, bytes, or an xarray object.
Given: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | xr.Dataset | xr.DataArray"

_BYTES = (bytes, bytearray, memoryview)
#: First bytes of a file to what its name ends in.
_MAGIC = (
    (b"\x89HDF", ".nc"),
    (b"CDF", ".nc"),
    (b"SQLite format 3\0", ".gpkg"),
    (b"PK\3\4", ".zip"),
    (b"\x1f\x8b", ".tar.gz"),
    (b"BZh", ".tar.bz2"),
    (b"\xfd7zXZ", ".tar.xz"),
)
_SUFFIXES = {
    ".csv", ".dat", ".geojson", ".gpkg", ".gz", ".ini", ".input", ".json", ".nc", ".parquet", ".tar", ".tsv", ".txt",
    ".yaml", ".yml", ".zip",
}  # fmt: skip


@contextmanager
def laid_out(
    what: Given, *, name: str | None, category: Category | None, format_: Format | None, in_place: bool
) -> Iterator[Path]:
    """What was given, as a file or directory.

    Parameters
    ----------
    what : path, bytes or xarray object
        What was given.
    name : str or None
        What it is to be called; the file made of bytes is called so.
    category : Category or None
        What it is for, where that was said.
    format_ : Format or None
        What it is to be, where that was said.
    in_place : bool
        Whether it is to stay where it is, which only a path can.

    Yields
    ------
    Path
        Absolute.

    Raises
    ------
    DatasetError
        If there is nothing, or it is nothing that can be kept.
    """
    if isinstance(what, str | os.PathLike):
        yield _path(what)
        return
    if in_place:
        raise DatasetError(
            "only what lies on a disk can stay in place", has=type(what).__name__, hint="leave in_place out"
        )
    with tempfile.TemporaryDirectory(prefix="dmod-add-") as folder:
        if isinstance(what, _BYTES):
            data = bytes(what)
            if not data:
                raise DatasetError("there are no bytes to add", hint="give the contents of a file")
            path = Path(folder) / _file_name(data, name)
            path.write_bytes(data)
            yield path
        else:
            yield _written(what, Path(folder), category, format_)


def name_for(what: Given, format_: Format, path: Path) -> str:
    """A name for a dataset that was given none.

    Parameters
    ----------
    what : path, bytes or xarray object
        What was given.
    format_ : Format
        What it turned out to be.
    path : Path
        Where it lies.

    Returns
    -------
    str
        As `dmod.data.dataset.check_name` wants it, and short enough for a number behind it.

    Examples
    --------
    >>> name_for("Mad River.gpkg", Format.GEOPACKAGE, Path("Mad River.gpkg"))
    'mad-river'
    >>> name_for(b"...", Format.FORCING_CSV, Path("bytes.csv"))
    'forcing-csv'
    """
    text = (path.name if path.is_dir() else path.stem) if isinstance(what, str | os.PathLike) else ""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:80] or str(format_)


def _path(what: str | os.PathLike[str]) -> Path:
    """A path that is there."""
    if is_remote(what):
        raise DatasetError(
            "an address is not added as it stands",
            address=os.fspath(what).partition("://")[0] + "://…",
            hint="download it and add the file; dmod.Domain.open reads a hydrofabric from an address",
        )
    path = Path(os.path.abspath(Path(what).expanduser()))  # noqa: PTH100 - a link stays the name that people know
    if not path.exists():
        raise DatasetError("there is nothing to add: no such file or directory", path=path)
    return path


def _file_name(data: bytes, name: str | None) -> str:
    """What the file of some bytes is called: the name, with an end that tells what it is."""
    plain = name or "data"
    if PurePath(plain).suffix in _SUFFIXES:
        return plain
    for head, suffix in _MAGIC:
        if data.startswith(head):
            return plain + suffix
    text = data[:4096].lstrip()
    return plain + (".json" if text.startswith(b"{") else ".csv" if b"," in text.partition(b"\n")[0] else ".txt")


def _written(what: Any, folder: Path, category: Category | None, format_: Format | None) -> Path:
    """An xarray object as a file or store: forcing, outputs of a run, or observations."""
    import xarray as xr

    if isinstance(what, xr.DataArray):
        return _written(
            what.to_dataset(name="discharge" if what.name is None else what.name), folder, category, format_
        )
    if not isinstance(what, xr.Dataset):
        raise DatasetError(
            f"a {type(what).__name__} cannot be added",
            needed="a path, bytes, or an xarray Dataset or DataArray",
            hint="write it to a file, and add that",
        )
    kind = category or (format_.categories[0] if format_ and format_ is not Format.GENERIC else _kind(what))
    if kind is Category.FORCING:
        from dmod.catalog.weather import write_weather

        return write_weather(what, folder, format_)
    if kind is Category.OUTPUT:
        return _write_outputs(what, folder, format_)
    if kind is Category.OBSERVATION:
        return _write_netcdf(what, folder / "observations.nc")
    raise _unlike(what)


def _kind(dataset: xr.Dataset) -> Category | None:
    """What a Dataset is for, by its dimensions and names."""
    from dmod.catalog.weather import is_weather
    from dmod.formats.describe_observations import DISCHARGE
    from dmod.formats.output_variables import NEXUS

    if NEXUS in dataset.dims:
        return Category.OUTPUT
    if is_weather(dataset):
        return Category.FORCING
    observed = {"discharge", DISCHARGE, "observed"} & set(map(str, dataset.data_vars))
    return Category.OBSERVATION if observed and "time" in dataset.dims else None


def _write_outputs(dataset: xr.Dataset, folder: Path, format_: Format | None) -> Path:
    """Outputs of a run, as Zarr unless NetCDF is asked for."""
    from dmod.formats.output_variables import NEXUS
    from dmod.formats.zarr_output import write_zarr

    if not {NEXUS, "time"} <= set(dataset.coords):
        raise _unlike(dataset)
    if format_ in (None, Format.DMOD_ZARR):
        write_zarr(dataset, folder / "run.zarr")
        return folder / "run.zarr"
    if format_ is Format.DMOD_NETCDF:
        marked = dataset.assign_attrs(dmod_status=dataset.attrs.get("dmod_status", "complete"))
        return _write_netcdf(marked, folder / "run.nc")
    raise DatasetError(
        f"an xarray object is not written as {format_}", needed=f"{Format.DMOD_ZARR} or {Format.DMOD_NETCDF}"
    )


def _write_netcdf(dataset: xr.Dataset, path: Path) -> Path:
    """A NetCDF-4 file."""
    from dmod.formats.output_variables import TIME_ENCODING

    times = {str(name): dict(TIME_ENCODING) for name in dataset.coords if dataset[name].dtype.kind == "M"}
    try:
        dataset.drop_encoding().to_netcdf(path, engine="h5netcdf", encoding=times)
    except (OSError, ValueError, TypeError) as problem:
        raise DatasetError(
            "the xarray object cannot be written as NetCDF", reason=str(problem).splitlines()[0] or problem,
            hint="give it variables of numbers, and attributes of text",
        ) from problem  # fmt: skip
    return path


def _unlike(dataset: xr.Dataset) -> DatasetError:
    """The error of an xarray object that is nothing we know."""
    return DatasetError(
        "it cannot be told what the xarray object is",
        needed="forcing: (catchment-id, time) with names such as RAINRATE; outputs: also nexus-id; "
        "observations: discharge over time",
        has=f"dimensions {', '.join(map(str, dataset.dims))}; variables {', '.join(map(str, dataset.data_vars))}",
        hint="rename its dimensions, or write it to a file and add that as 'generic'",
    )
