"""Forcing: weather for catchments, whatever file it lies in.

A `ForcingRef` says where it lies and travels to workers; `open_forcing` opens it as a
`ForcingSource`, which gives blocks of rows by time. Values keep the file's units;
nothing is converted, filled or resampled here. Names that NextGen knows, with their
default units and their CSDMS aliases, are in `KNOWN`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dmod.errors import ForcingError

__all__ = [
    "ALIASES",
    "KNOWN",
    "Floats",
    "ForcingRef",
    "ForcingSource",
    "Known",
    "TimeAxis",
    "canonical",
    "open_forcing",
]

#: A block of values; float32 or float64 as the file has them.
Floats = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Known:
    """A forcing variable that NextGen knows by name."""

    #: Units where the file states none.
    units: str
    #: The CSDMS standard name models may ask for.
    alias: str


_LONGWAVE = Known("W m-2", "land_surface_radiation~incoming~longwave__energy_flux")
_SHORTWAVE = Known("W m-2", "land_surface_radiation~incoming~shortwave__energy_flux")
_PRESSURE = Known("Pa", "land_surface_air__pressure")
_HUMIDITY = Known("kg kg-1", "atmosphere_air_water~vapor__relative_saturation")
_TEMPERATURE = Known("K", "land_surface_air__temperature")
_WIND_X = Known("m s-1", "land_surface_wind__x_component_of_velocity")
_WIND_Y = Known("m s-1", "land_surface_wind__y_component_of_velocity")
_RAIN = Known("mm s^-1", "atmosphere_water__liquid_equivalent_precipitation_rate")

#: Column or variable name to default units and alias, as ngen has them. The alias
#: ``…relative_saturation`` is used for *specific* humidity there, and so here.
KNOWN: Mapping[str, Known] = {
    "precip_rate": _RAIN,
    "RAINRATE": _RAIN,
    "APCP_surface": Known("kg m^-2", "atmosphere_water__rainfall_volume_flux"),
    "DLWRF_surface": _LONGWAVE,
    "LWDOWN": _LONGWAVE,
    "DSWRF_surface": _SHORTWAVE,
    "SWDOWN": _SHORTWAVE,
    "PRES_surface": _PRESSURE,
    "PSFC": _PRESSURE,
    "SPFH_2maboveground": _HUMIDITY,
    "Q2D": _HUMIDITY,
    "TMP_2maboveground": _TEMPERATURE,
    "T2D": _TEMPERATURE,
    "UGRD_10maboveground": _WIND_X,
    "U2D": _WIND_X,
    "VGRD_10maboveground": _WIND_Y,
    "V2D": _WIND_Y,
}

#: CSDMS alias to the names a file may use for it.
ALIASES: Mapping[str, tuple[str, ...]] = {
    known.alias: tuple(n for n, k in KNOWN.items() if k.alias == known.alias) for known in KNOWN.values()
}


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Equally spaced instants; each value holds from its instant to the next."""

    #: First instant, seconds since 1970-01-01T00:00Z.
    start_s: int
    #: Spacing [s].
    step_s: int
    #: How many.
    count: int

    @property
    def stop_s(self) -> int:
        """First instant no longer covered, seconds since 1970."""
        return self.start_s + self.step_s * self.count

    def offset(self, instant_s: int) -> int:
        """Index of the value that holds from *instant_s*, possibly outside the axis.

        Raises
        ------
        ForcingError
            If the instant lies between two values.
        """
        steps, rest = divmod(instant_s - self.start_s, self.step_s)
        if rest:
            raise ForcingError(
                "the start time falls between two forcing values",
                start=_iso(instant_s),
                forcing=f"{_iso(self.start_s)}, every {self.step_s} s",
                hint="choose a start_time that is one of the forcing's own times",
            )
        return steps

    def __str__(self) -> str:
        return f"{_iso(self.start_s)} .. {_iso(self.stop_s)}, every {self.step_s} s"


@dataclass(frozen=True, slots=True)
class ForcingRef:
    """Where forcing lies: a value that travels to workers."""

    #: A NetCDF file, a CSV file, a directory of CSV files, or a Zarr store.
    path: Path
    #: ``NetCDF``, ``CsvPerFeature``, ``Zarr`` or ``NullForcingProvider``.
    provider: str
    #: ``file_pattern`` with ``{{id}}``, for a directory of CSV files.
    pattern: str = ""


class ForcingSource(Protocol):
    """Forcing, opened. Rows are catchments, in the order of `ids`."""

    #: Where it lies.
    ref: ForcingRef
    #: Ids of the rows, such as ``cat-27``.
    ids: Sequence[str]
    #: Variable name, as in the file, to units (the file's own, else the known default).
    variables: Mapping[str, str]
    #: The instants of the values.
    axis: TimeAxis
    #: How many neighbouring rows are cheapest to read together; 0 for all at once.
    row_chunk: int
    #: How many bytes one row of one variable holds open for as long as it is used; 0 if none.
    resident: int

    def read(self, variable: str, rows: NDArray[np.intp], start: int, stop: int) -> Floats:
        """Values of *variable*, shape (rows, stop - start), in the file's units."""
        ...

    def close(self) -> None:
        """Let go of open files."""
        ...


def canonical(name: str, variables: Mapping[str, str]) -> str | None:
    """The variable of a file that *name* means: itself, or one with that CSDMS alias.

    Parameters
    ----------
    name : str
        What a module asks for.
    variables : mapping
        What the file has.

    Returns
    -------
    str or None
        The file's name for it; None where it has none.
    """
    if name in variables:
        return name
    return next((n for n in ALIASES.get(name, ()) if n in variables), None)


def open_forcing(ref: ForcingRef, ids: Sequence[str] | None = None) -> ForcingSource:
    """Open forcing.

    Parameters
    ----------
    ref : ForcingRef
        Where it lies.
    ids : sequence of str, optional
        The catchments wanted. CSV directories are searched for these only; a NetCDF file or a Zarr
        store always gives all it has.

    Returns
    -------
    ForcingSource
        Opened; close it when done.

    Raises
    ------
    ForcingError
        If it cannot be read, or its times are not equally spaced.
    """
    if ref.provider == "NullForcingProvider":
        return _NoForcing(ref, ids or ())
    if ref.provider == "NetCDF":
        from dmod.formats.forcing_netcdf import NetcdfForcing

        return NetcdfForcing(ref)
    if ref.provider == "Zarr":
        from dmod.formats.forcing_zarr import ZarrForcing

        return ZarrForcing(ref)
    from dmod.formats.forcing_csv import CsvForcing

    return CsvForcing(ref, ids)


class _NoForcing:
    """No weather at all, for models that need none: it has every id and every hour, and no variable."""

    row_chunk = 1
    resident = 0

    def __init__(self, ref: ForcingRef, ids: Sequence[str]) -> None:
        self.ref, self.ids = ref, ids
        self.variables: Mapping[str, str] = {}
        self.axis = TimeAxis(0, 3600, 2**31)

    def read(self, variable: str, rows: NDArray[np.intp], start: int, stop: int) -> Floats:
        """There is nothing to read."""
        raise ForcingError(f"there is no forcing, so no {variable}", rows=len(rows), steps=stop - start)

    def close(self) -> None:
        """Nothing is open."""


def _iso(instant_s: int) -> str:
    """Seconds since 1970 as people write it."""
    return f"{datetime.fromtimestamp(instant_s, tz=UTC):%Y-%m-%dT%H:%MZ}"
