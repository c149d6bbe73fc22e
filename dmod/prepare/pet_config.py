"""Configuration files of PET from the attributes of a hydrofabric of version 2.2.

Place and height come from ``divide-attributes``, albedo and the height of plants from the
class of vegetation; how things are measured is that of AORC, and the roughness that of
NextGen's own examples. The method is the combination of energy balance and aerodynamics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from dmod.prepare.config_table import ConfigColumn, ConfigTable, by_class, constant, from_attribute

__all__ = ["ATTRIBUTES", "VEGETATION", "Plants", "pet_table"]

_IVGTYP = "mode.IVGTYP"
_DEFAULT = "default"

#: Attributes that are read.
ATTRIBUTES = (_IVGTYP, "mean.elevation", "centroid_x", "centroid_y")


@dataclass(frozen=True, slots=True)
class Plants:
    """What grows in a catchment."""

    #: Height of the canopy's top [m], of Noah-MP (HVT).
    height_m: float
    #: Shortwave albedo without snow [1]: the middle of what Noah allows (ALBEDOMIN, ALBEDOMAX).
    albedo: float


#: Class of MODIS as Noah modified it, 1 evergreen needleleaf forest to 20 barren tundra.
VEGETATION: Mapping[int, Plants] = {
    number: Plants(height, albedo)
    for number, (height, albedo) in enumerate(
        [
            (20.0, 0.12), (20.0, 0.12), (18.0, 0.145), (16.0, 0.165), (16.0, 0.21), (1.1, 0.275), (1.1, 0.26),
            (13.0, 0.275), (10.0, 0.20), (1.0, 0.21), (5.0, 0.14), (2.0, 0.20), (15.0, 0.15), (1.5, 0.205),
            (0.0, 0.625), (0.0, 0.38), (0.0, 0.08), (4.0, 0.175), (2.0, 0.175), (0.5, 0.25),
        ],
        start=1,
    )
}  # fmt: skip


def pet_table(attributes: pd.DataFrame, *, crs: str) -> ConfigTable:
    """Configuration of PET for every catchment.

    Parameters
    ----------
    attributes : DataFrame
        A row per catchment by its id, with the columns `ATTRIBUTES`.
    crs : str
        What ``centroid_x`` and ``centroid_y`` are in, such as ``EPSG:5070``.

    Returns
    -------
    ConfigTable
        Values are missing where the attributes are and no default will do; see `ConfigTable.require`.
    """
    count = len(attributes)
    albedo, height = (
        {number: getattr(one, name) for number, one in VEGETATION.items()} for name in ("albedo", "height_m")
    )
    columns = (
        constant("verbose", "0", count, why=_DEFAULT),
        constant("pet_method", "3", count, why=_DEFAULT),
        constant("forcing_file", "BMI", count, why=_DEFAULT),
        constant("run_unit_tests", "0", count, why=_DEFAULT),
        constant("yes_aorc", "1", count, why=_DEFAULT),
        constant("yes_wrf", "0", count, why=_DEFAULT),
        constant("wind_speed_measurement_height_m", "10.0", count, unit="m", why="height of wind in AORC"),
        constant("humidity_measurement_height_m", "2.0", count, unit="m", why="height of humidity in AORC"),
        by_class("vegetation_height_m", attributes, _IVGTYP, height, unit="m", of="Noah-MP's vegetation class"),
        constant("zero_plane_displacement_height_m", "0.0003", count, unit="m", why=_DEFAULT),
        constant("momentum_transfer_roughness_length_m", "0.0", count, unit="m", why=_DEFAULT),
        constant("heat_transfer_roughness_length_m", "0.0", count, unit="m", why=_DEFAULT),
        constant("surface_longwave_emissivity", "1.0", count, why=_DEFAULT),
        by_class("surface_shortwave_albedo", attributes, _IVGTYP, albedo, of="Noah's vegetation class"),
        constant("cloud_base_height_known", "FALSE", count, why=_DEFAULT),
        *_place(attributes, crs),
        constant("time_step_size_s", "3600", count, unit="s", why=_DEFAULT),
        constant("num_timesteps", "1", count, why="as many as there are"),
        constant("shortwave_radiation_provided", "1", count, why=_DEFAULT),
    )
    return ConfigTable("pet", tuple(map(str, attributes.index)), columns, brackets=False)


def _place(attributes: pd.DataFrame, crs: str) -> list[ConfigColumn]:
    """Where a catchment is."""
    from pyproj import Transformer

    x, y = (attributes[name].to_numpy(dtype=np.float64) for name in ("centroid_x", "centroid_y"))
    longitude, latitude = Transformer.from_crs(crs, 4326, always_xy=True).transform(x, y)
    told = f"centroid_x, centroid_y in {crs}"
    degrees = pd.DataFrame({"longitude": longitude, "latitude": latitude}, index=attributes.index)
    return [
        *(
            replace(from_attribute(f"{name}_degrees", degrees, name, unit="degrees"), sources=(told,) * len(degrees))
            for name in ("latitude", "longitude")
        ),
        from_attribute("site_elevation_m", attributes, "mean.elevation", unit="m", convert=_metres, how="/ 100"),
    ]


def _metres(centimetres: float) -> float:
    """A height [cm] in metres."""
    return centimetres / 100
