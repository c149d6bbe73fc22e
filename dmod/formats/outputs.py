"""The outputs of a run as one Dataset, whatever lies there.

`open_outputs` takes a file or a directory: our own ``run.nc`` or ``run.zarr``, or what
ngen and t-route wrote. Our own come first. Of ngen's, where the same thing lies there
twice, the kind with fewest files is taken: aggregated CSV before one CSV per
catchment, NetCDF before one CSV per nexus. Dimensions, names and units are always
those of `dmod.formats.output_variables`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

from dmod.errors import OutputError
from dmod.formats.ngen_csv_features import open_catchments, open_nexuses
from dmod.formats.ngen_csv_together import open_together
from dmod.formats.ngen_files import CATCHMENT_FILE, NEXUS_FILE, TOGETHER_FILE, find_ngen
from dmod.formats.ngen_netcdf import open_nexus_netcdf
from dmod.formats.output_variables import CATCHMENT, FLOWPATH, NEXUS, described
from dmod.formats.troute import find_troute, open_troute

__all__ = ["Chunks", "open_outputs"]

#: How much of a variable one Dask task reads: ``"auto"``, a size for some dimensions
#: (-1 for all of it), or None for no Dask arrays where the format allows it.
Chunks = Literal["auto"] | Mapping[str, int] | None

#: Our own, and what our NetCDF file is called until the run has finished.
_OURS = ("run.nc", "run.zarr", "run.nc.partial")
#: Where to look below a run directory (or beside, for t-route), nearest first.
_DMOD_PLACES = (".", "outputs/dmod", "dmod", "outputs")
_NGEN_PLACES = (".", "outputs/ngen", "ngen", "outputs")
_TROUTE_PLACES = (".", "outputs/troute", "troute", "outputs")


def open_outputs(path: Path | str, *, chunks: Chunks = "auto", partial: bool = False) -> xr.Dataset:
    """Open the outputs of a run, lazily.

    Parameters
    ----------
    path : Path or str
        A run directory, its ``outputs`` or a directory below that; or one file:
        ``run.nc``, ``run.zarr``, a CSV or NetCDF file of ngen, an output of t-route.
    chunks : "auto", mapping of str to int, or None
        Sizes of Dask chunks by dimension. None gives xarray's own lazy arrays for NetCDF
        and Zarr; CSV files are read through Dask in any case.
    partial : bool
        Whether to accept a run that has not finished. Values that are absent are NaN in what
        ngen wrote, and 0 in our own file, which has room for all of them from the start.

    Returns
    -------
    xarray.Dataset
        What there is of: catchment variables (catchment-id, time), ``nexus_flow``
        (nexus-id, time) [m3 s-1], and ``routed_flow`` [m3 s-1], ``velocity`` [m s-1]
        and ``depth`` [m] (flowpath-id, routed-time). ``time`` is the start of a step,
        ``routed-time`` the instant a value is valid at; both UTC. Every variable has
        ``units`` and ``long_name``.

    Raises
    ------
    OutputError
        If there is nothing to open, it cannot be read, or the run is partial.
    """
    path = Path(path).expanduser()
    unfinished = path.with_name(f"{path.name}.partial")
    if not path.exists() and unfinished.exists():
        path = unfinished
    if not path.exists():
        raise OutputError("there are no outputs: no such file or directory", path=path)
    if path.is_dir() and not _is_zarr(path):
        return _open_directory(path, chunks, partial)
    if path.is_dir() or path.suffix == ".nc" or path.name.endswith(".nc.partial"):
        return _open_store(path, chunks, partial)
    return _open_csv(path, chunks, partial)


def _open_directory(directory: Path, chunks: Chunks, partial: bool) -> xr.Dataset:
    """Our outputs in or below *directory*, else those of ngen and t-route."""
    for place in _places(directory, _DMOD_PLACES):
        ours = [place / name for name in _OURS if (place / name).exists()]
        if ours:
            return _open_ours(_best(ours), chunks, partial)
    found = _open_ngen(directory, chunks, partial), _open_routed(directory, chunks)
    parts = [part for part in found if part is not None]
    if not parts:
        raise OutputError(
            "there are no outputs of a run",
            path=directory,
            looked_for="run.nc, run.zarr; cat-N.csv, cat_output.csv, cat_rank_N.csv, nex-N_output.csv, "
            "formulation_*_nexuses.nc, also in rank_N; troute_output_*.nc, troute_output_*.csv",
            places=", ".join(sorted({*_DMOD_PLACES, *_NGEN_PLACES, *_TROUTE_PLACES})),
            hint="name the run directory, or the directory that the realization calls output_root",
        )
    return _finished(xr.merge(parts, join="exact", compat="no_conflicts", combine_attrs="drop_conflicts"))


def _open_ngen(directory: Path, chunks: Chunks, partial: bool) -> xr.Dataset | None:
    """What ngen wrote in the first place where it wrote anything."""
    files = next((found for place in _places(directory, _NGEN_PLACES) if (found := find_ngen(place))), None)
    if files is None:
        return None
    sizes = _sizes(chunks)
    parts = []
    if files.together:
        parts.append(open_together(files.together, chunks=sizes, partial=partial))
    elif files.catchments:
        parts.append(open_catchments(files.catchments, chunks=sizes, partial=partial))
    if files.nexus_netcdf:
        parts.append(_chunked(open_nexus_netcdf(files.nexus_netcdf), chunks))
    elif files.nexuses:
        parts.append(open_nexuses(files.nexuses, chunks=sizes, partial=partial))
    times = [part["time"].values for part in parts]
    if len(parts) == 2 and (times[0].shape != times[1].shape or (times[0] != times[1]).any()):
        if not partial:
            raise OutputError(
                "catchments and nexuses have different times: the run is partial",
                catchments=f"{times[0].size} steps to {times[0][-1:]}",
                nexuses=f"{times[1].size} steps to {times[1][-1:]}",
                hint="open it with partial=True to have NaN where rows are absent",
            )
        parts = list(xr.align(*parts, join="outer"))
    dataset = xr.merge(parts, join="exact", combine_attrs="drop")
    # Rows are counted when they are read; with partial=True nobody has, so nobody may say complete.
    dataset.attrs = {"source": "ngen", "dmod_status": "partial" if partial else "complete"}
    return dataset


def _open_routed(directory: Path, chunks: Chunks) -> xr.Dataset | None:
    """What t-route wrote, in, below or beside *directory*."""
    beside = ("../troute",) if directory.resolve().name == "ngen" else ()
    for place in _places(directory, (*_TROUTE_PLACES, *beside)):
        if paths := find_troute(place):
            return _chunked(open_troute(paths), chunks)
    return None


def _open_store(path: Path, chunks: Chunks, partial: bool) -> xr.Dataset:
    """One NetCDF file or Zarr store; what is in it says whose it is."""
    with _open_lazily(path, None) as probe:
        names = {str(name) for name in (*probe.dims, *probe.variables)}
        ours = "dmod_status" in probe.attrs or NEXUS in names
    if ours or _is_zarr(path):
        return _open_ours(path, chunks, partial)
    if "runoff_rate" in names:
        return _finished(_chunked(open_nexus_netcdf([path]), chunks))
    if "flow" in names:
        return _finished(_chunked(open_troute([path]), chunks))
    raise OutputError(f"{path.name} holds no outputs of a run", has=", ".join(sorted(names))[:200], file=path)


def _open_csv(path: Path, chunks: Chunks, partial: bool) -> xr.Dataset:
    """One CSV file; its name says what it is."""
    sizes = _sizes(chunks)
    if found := CATCHMENT_FILE.fullmatch(path.name):
        return _finished(open_catchments({found[1]: path}, chunks=sizes, partial=partial))
    if found := NEXUS_FILE.fullmatch(path.name):
        return _finished(open_nexuses({found[1]: path}, chunks=sizes, partial=partial))
    if TOGETHER_FILE.fullmatch(path.name):
        return _finished(open_together([path], chunks=sizes, partial=partial))
    if path.name.startswith("troute_output") and path.suffix == ".csv":
        return _finished(open_troute([path]))
    raise OutputError(
        f"{path.name} is not named like an output of a run",
        needed="cat-N.csv, cat_output.csv, nex-N_output.csv or troute_output_*.csv",
        file=path,
    )


def _open_ours(path: Path, chunks: Chunks, partial: bool) -> xr.Dataset:
    """Our own file or store, if the run has finished."""
    if isinstance(chunks, Mapping):
        with _open_lazily(path, None) as probe:
            dims = set(probe.dims)
        chunks = {dim: size for dim, size in chunks.items() if dim in dims}
    dataset = _open_lazily(path, chunks)
    status = dataset.attrs.get("dmod_status", "partial")
    if status != "complete" and not partial:
        dataset.close()
        raise OutputError(
            f"{path.name} is partial: the run has not finished",
            status=status,
            file=path,
            hint="wait for the run, start it again, or open it as it is with partial=True",
        )
    dataset.attrs["dmod_status"] = status
    return _finished(dataset)


def _open_lazily(path: Path, chunks: Chunks) -> xr.Dataset:
    """A NetCDF file or Zarr store."""
    sizes: Any = dict(chunks) if isinstance(chunks, Mapping) else chunks
    try:
        if path.is_dir():
            store: xr.Dataset = xr.open_zarr(path, chunks=sizes, consolidated=False)
            return store
        return xr.open_dataset(path, engine="h5netcdf", chunks=sizes)
    except (OSError, ValueError, KeyError) as problem:
        raise OutputError(
            f"{path.name} cannot be opened",
            reason=str(problem).splitlines()[0] if str(problem) else type(problem).__name__,
            file=path,
            hint="it may be damaged, or still be written by a run",
        ) from problem


def _best(paths: list[Path]) -> Path:
    """The first that is complete, else the first."""
    for path in paths if len(paths) > 1 else ():
        with _open_lazily(path, None) as probe:
            if probe.attrs.get("dmod_status") == "complete":
                return path
    return paths[0]


def _is_zarr(path: Path) -> bool:
    """Whether a directory is a Zarr v3 store."""
    return (path / "zarr.json").is_file()


def _places(directory: Path, places: tuple[str, ...]) -> Iterator[Path]:
    """Those of *places* that exist."""
    return (directory / place for place in places if (directory / place).is_dir())


def _sizes(chunks: Chunks) -> Mapping[str, int] | None:
    """Chunk sizes for the readers of CSV."""
    return chunks if isinstance(chunks, Mapping) else None


def _chunked(dataset: xr.Dataset, chunks: Chunks) -> xr.Dataset:
    """*dataset* in Dask chunks, if wanted."""
    if chunks is None:
        return dataset
    wanted: Any = "auto" if chunks == "auto" else {d: n for d, n in chunks.items() if d in dataset.dims}
    return dataset.chunk(wanted)


def _finished(dataset: xr.Dataset) -> xr.Dataset:
    """*dataset* described, with ids as fixed-width text and times that say what they are."""
    means = {"time": "start of the step", "routed-time": "instant a value is valid at"}
    for name, meaning in means.items():
        if name in dataset.variables:
            dataset[name].attrs.setdefault("long_name", meaning)
    for dim in (CATCHMENT, NEXUS, FLOWPATH):
        if dim in dataset.coords:
            ids = np.array(dataset[dim].values.tolist(), dtype=str)
            dataset = dataset.assign_coords({dim: (dim, ids, dataset[dim].attrs)})
    return described(dataset)
