"""NetCDF files and Zarr stores: discharge over time, or over sites and time.

The first variable whose units are those of discharge is read, and of it only the sites and
the period that are wanted. Zarr stores may lie on S3.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from dmod.errors import ObservationError, UnitsError
from dmod.evaluation.records import Asked
from dmod.evaluation.sources import Source
from dmod.evaluation.table_columns import SITES, TIMES, VALUES, column_of
from dmod.store.remote import is_remote
from dmod.units import conversion

__all__ = ["NetcdfReader", "ZarrReader", "discharge_of"]

#: First bytes of NetCDF: classic, and HDF5.
_NETCDF = (b"CDF", b"\x89HDF")


class NetcdfReader:
    """Reads NetCDF, classic and NetCDF-4."""

    reads = "NetCDF with discharge over time, or sites and time"

    def knows(self, source: Source) -> bool:
        """Whether a file begins as NetCDF does."""
        return source.glance is not None and source.glance.head.startswith(_NETCDF)

    def read(self, source: Source, asked: Asked) -> xr.DataArray:
        """The discharge, lazy; its values are read when sites and period are chosen."""
        try:
            dataset = xr.open_dataset(source.path, decode_timedelta=False)
        except (OSError, ValueError) as problem:
            raise ObservationError(
                f"{source.name} cannot be read as NetCDF",
                reason=str(problem).strip().splitlines()[0],
                hint="write it as NetCDF-4, with times in CF form ('hours since ...')",
            ) from problem
        return discharge_of(dataset, asked, source.name)


class ZarrReader:
    """Reads Zarr stores, of this machine and on S3."""

    reads = "a Zarr store with discharge over time, or sites and time"

    def knows(self, source: Source) -> bool:
        """Whether a directory is a Zarr store, or the address that of one."""
        if not source.paths:
            return is_remote(source.text)
        return source.glance is not None and source.glance.is_directory and source.glance.is_zarr

    def read(self, source: Source, asked: Asked) -> xr.DataArray:
        """The discharge, lazy."""
        if not source.paths:
            from dmod.store.arrays import open_remote_zarr

            return discharge_of(open_remote_zarr(source.text), asked, source.name)
        try:
            dataset = xr.open_zarr(source.path, consolidated=False, chunks=None, decode_timedelta=False)
        except (OSError, ValueError, KeyError) as problem:
            raise ObservationError(
                f"{source.name} cannot be read as Zarr",
                reason=str(problem).strip().splitlines()[0] if str(problem) else type(problem).__name__,
                hint="it may be damaged, or still be written",
            ) from problem
        return discharge_of(dataset, asked, source.name)


def discharge_of(dataset: xr.Dataset, asked: Asked, name: str) -> xr.DataArray:
    """The discharge of a dataset as (time,) or (site, time), with its units.

    Parameters
    ----------
    dataset : xarray.Dataset
        Lazy or not.
    asked : Asked
        Names the variable, if one is wanted.
    name : str
        What the source is called in errors.

    Returns
    -------
    xarray.DataArray
        With coordinate ``time``, and ``site`` where there are sites; lazy if *dataset* is.

    Raises
    ------
    ObservationError
        If it has no time axis or no variable over it that could be discharge.
    """
    time = _time_axis(dataset, name)
    axis = str(time.dims[0])
    array = dataset[_discharge_name(dataset, axis, asked.variable, name)]
    others = [dim for dim in array.dims if dim != axis]
    if len(others) > 1:
        array = array.squeeze([dim for dim in others if array.sizes[dim] == 1])
        others = [dim for dim in array.dims if dim != axis]
    if len(others) > 1:
        raise ObservationError(
            f"{array.name} in {name} has too many dimensions",
            has=", ".join(map(str, array.dims)),
            needed="time, or site and time",
            hint="write one variable over site and time",
        )
    sites = _site_names(dataset, str(others[0])) if others else None
    bare = array.transpose(*others, axis).reset_coords(drop=True).drop_vars(array.dims, errors="ignore")
    bare = bare.rename({axis: "time", **({others[0]: "site"} if others else {})})
    # What a file says of itself is not what was noted in reading it.
    bare.attrs = {"units": str(array.attrs.get("units", ""))}
    bare = bare.assign_coords(time=time.values.astype("datetime64[ns]"))
    if sites is None:
        only = _only_site(dataset)
        return bare.assign_coords(site=only) if only else bare
    return bare.assign_coords(site=sites)


def _only_site(dataset: xr.Dataset) -> str:
    """The site that a dataset without a dimension of sites names; empty where it names none."""
    for name, held in dataset.variables.items():
        if str(name).lower() in SITES and held.size == 1:
            site = held.values.ravel().tolist()[0]
            return (site.decode() if isinstance(site, bytes) else str(site)).strip()
    return ""


def _time_axis(dataset: xr.Dataset, name: str) -> xr.DataArray:
    found = [
        dataset[one]
        for one, held in dataset.variables.items()
        if held.ndim == 1 and np.issubdtype(held.dtype, np.datetime64) and not held.isnull().any()
    ]
    for array in sorted(found, key=lambda a: (a.name != a.dims[0], str(a.name).lower() not in TIMES)):
        return array
    raise ObservationError(
        f"{name} has no time axis",
        has=", ".join(map(str, dataset.variables)),
        hint="give the file a 1-D variable of times with units such as 'hours since 2016-09-01'",
    )


def _discharge_name(dataset: xr.Dataset, axis: str, wanted: str | None, name: str) -> str:
    """The variable to read: the one named, else the first with units of discharge, else one without units."""
    over_time = {
        str(one): str(held.attrs.get("units", ""))
        for one, held in dataset.data_vars.items()
        if axis in held.dims and held.dtype.kind in "fiu"
    }
    likely = [one for one, units in over_time.items() if _is_discharge(units)]
    unsaid = [one for one, units in over_time.items() if not units and column_of(one).name in VALUES]
    for one in [wanted] if wanted is not None else [*likely, *unsaid]:
        if one in over_time:
            return one
    raise ObservationError(
        f"{name} has no variable {wanted!r} over time" if wanted else f"{name} has no discharge",
        has=", ".join(f"{one} [{units or 'no units'}]" for one, units in over_time.items()) or "no variable",
        needed="a number over time with units such as m3 s-1",
        hint="name the variable to read with variable='...'",
    )


def _is_discharge(units: str) -> bool:
    try:
        conversion(units, "m3 s-1")
    except UnitsError:
        return False
    return True


def _site_names(dataset: xr.Dataset, dim: str) -> list[str]:
    """Names of the sites along *dim*: its coordinate, else a variable of site names, else numbers."""
    named = [name for name in dataset.variables if str(name).lower() in SITES]
    for name in (dim, *named):
        if name in dataset.variables and dataset[name].dims == (dim,):
            held = dataset[name].to_numpy().tolist()
            return [(site.decode() if isinstance(site, bytes) else str(site)).strip() for site in held]
    return [str(number) for number in range(dataset.sizes[dim])]
