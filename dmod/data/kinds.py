"""The kinds of dataset there are: five categories, and the formats of each.

`Format` lists what is read or written; `can_serve` says which format can be made of which
without a change of values. What a format is called in the first DMOD stands beside it. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Category", "Format", "can_serve"]


class Category(StrEnum):
    """What a dataset is for."""

    CONFIG = "config"
    FORCING = "forcing"
    HYDROFABRIC = "hydrofabric"
    OBSERVATION = "observation"
    OUTPUT = "output"


class Format(StrEnum):
    """How the bytes of a dataset are laid out.

    Examples
    --------
    >>> Format.FORCING_NETCDF.categories
    (<Category.FORCING: 'forcing'>,)
    >>> Format("geopackage").docs
    'a hydrofabric as one GeoPackage, versions 1.2 to 2.2'
    """

    REALIZATION = "realization"
    BMI_CONFIG = "bmi-config"
    PARTITIONS = "partitions"
    TROUTE_CONFIG = "troute-config"
    COMPOSITE = "composite"
    FORCING_CSV = "forcing-csv"
    FORCING_NETCDF = "forcing-netcdf"
    FORCING_ZARR = "forcing-zarr"
    GEOPACKAGE = "geopackage"
    GEOJSON = "geojson"
    GEOPARQUET = "geoparquet"
    OBSERVATIONS_CSV = "observations-csv"
    OBSERVATIONS_NETCDF = "observations-netcdf"
    DMOD_NETCDF = "dmod-netcdf"
    DMOD_ZARR = "dmod-zarr"
    NGEN_CSV = "ngen-csv"
    NGEN_CSV_ARCHIVE = "ngen-csv-archive"
    NGEN_NETCDF = "ngen-netcdf"
    TROUTE_OUTPUT = "troute-output"
    EVALUATION = "evaluation"
    GENERIC = "generic"

    @property
    def categories(self) -> tuple[Category, ...]:
        """What a dataset of this format can be for, the usual first."""
        return _ABOUT[self].categories

    @property
    def docs(self) -> str:
        """What it is, in one line."""
        return _ABOUT[self].docs

    @property
    def originals(self) -> tuple[str, ...]:
        """Members of the first DMOD's ``DataFormat`` that it stands for; empty where there was none."""
        return _ABOUT[self].originals


@dataclass(frozen=True, slots=True)
class _About:
    """What there is to say of a format."""

    categories: tuple[Category, ...]
    docs: str
    originals: tuple[str, ...] = ()


_CONFIG, _FORCING, _FABRIC = (Category.CONFIG,), (Category.FORCING,), (Category.HYDROFABRIC,)
_OBSERVED, _OUTPUT = (Category.OBSERVATION,), (Category.OUTPUT,)

_ABOUT: dict[Format, _About] = {
    Format.REALIZATION: _About(_CONFIG, "a realization of ngen, one JSON file", ("NGEN_REALIZATION_CONFIG",)),
    Format.BMI_CONFIG: _About(_CONFIG, "configuration files of modules, one per catchment", ("BMI_CONFIG",)),
    Format.PARTITIONS: _About(_CONFIG, "a partition of a river, JSON as ngen reads it", ("NGEN_PARTITION_CONFIG",)),
    Format.TROUTE_CONFIG: _About(_CONFIG, "a configuration of t-route, one YAML file", ("T_ROUTE_CONFIG",)),
    Format.COMPOSITE: _About(
        _CONFIG, "a run directory: realization, module configurations and the rest", ("NGEN_JOB_COMPOSITE_CONFIG",)
    ),
    Format.FORCING_CSV: _About(_FORCING, "weather, one CSV file per catchment", ("AORC_CSV",)),
    Format.FORCING_NETCDF: _About(
        _FORCING,
        "weather, one NetCDF file of catchments by time, as ngen reads it",
        ("NETCDF_FORCING_CANONICAL", "NETCDF_AORC_DEFAULT"),
    ),
    Format.FORCING_ZARR: _About(_FORCING, "weather, one Zarr store of catchments by time"),
    Format.GEOPACKAGE: _About(
        _FABRIC, "a hydrofabric as one GeoPackage, versions 1.2 to 2.2", ("NGEN_GEOPACKAGE_HYDROFABRIC_V2",)
    ),
    Format.GEOJSON: _About(_FABRIC, "a hydrofabric as GeoJSON files", ("NGEN_GEOJSON_HYDROFABRIC",)),
    Format.GEOPARQUET: _About(_FABRIC, "a hydrofabric as a directory of GeoParquet files"),
    Format.OBSERVATIONS_CSV: _About(_OBSERVED, "observed values, one or more tables"),
    Format.OBSERVATIONS_NETCDF: _About(_OBSERVED, "observed values, one or more NetCDF files"),
    Format.DMOD_NETCDF: _About(_OUTPUT, "outputs of a run, run.nc"),
    Format.DMOD_ZARR: _About(_OUTPUT, "outputs of a run, run.zarr"),
    Format.NGEN_CSV: _About(_OUTPUT, "outputs of ngen, a directory of CSV files", ("NGEN_CSV_OUTPUT",)),
    Format.NGEN_CSV_ARCHIVE: _About(
        _OUTPUT, "outputs of ngen, CSV files in one archive", ("ARCHIVED_NGEN_CSV_OUTPUT",)
    ),
    Format.NGEN_NETCDF: _About(_OUTPUT, "outputs of ngen at nexuses, NetCDF", ("NGEN_NETCDF_OUTPUT",)),
    Format.TROUTE_OUTPUT: _About(_OUTPUT, "routed flow as t-route writes it"),
    Format.EVALUATION: _About(_OUTPUT, "scores of a run against observations, and the pairs behind them"),
    Format.GENERIC: _About(tuple(Category), "files of any kind; nothing but their names is known", ("GENERIC",)),
}
#: Formats that are made of each other with the same values in them.
_ALIKE: tuple[frozenset[Format], ...] = (
    frozenset({Format.FORCING_CSV, Format.FORCING_NETCDF, Format.FORCING_ZARR}),
    frozenset({Format.NGEN_CSV, Format.NGEN_CSV_ARCHIVE}),
)


def can_serve(held: Format, needed: Format) -> bool:
    """Whether a dataset of one format can stand for one of another, once converted.

    Parameters
    ----------
    held : Format
        What there is.
    needed : Format
        What is needed; anything serves for ``generic``.

    Returns
    -------
    bool

    Examples
    --------
    >>> can_serve(Format.FORCING_CSV, Format.FORCING_NETCDF)
    True
    >>> can_serve(Format.GENERIC, Format.FORCING_NETCDF)
    False
    """
    return held is needed or needed is Format.GENERIC or any({held, needed} <= alike for alike in _ALIKE)
