"""Configuration files of CFE from the attributes of a hydrofabric of version 2.2.

Soils, slope and groundwater come from ``divide-attributes``, the rest are the defaults of
NextGen In A Box, so that the same catchment gets the same values there. Soil parameters are
those of the second of four layers, as there. The parameters of the Xinanjiang scheme follow
from the soil's class, as in Noah-MP.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from dmod.errors import ConfigError
from dmod.prepare.config_table import ConfigColumn, ConfigTable, by_class, constant, from_attribute

__all__ = ["ATTRIBUTES", "SOIL_CLASSES", "SoilClass", "cfe_table"]

_LAYER = "soil_layers_stag=2"
_ISLTYP, _IMPERVIOUS = "mode.ISLTYP", "mean.impervious"
_DEFAULT = "default"

#: Attributes that are read, whatever the scheme.
ATTRIBUTES = (
    f"mode.bexp_{_LAYER}",
    f"geom_mean.dksat_{_LAYER}",
    f"geom_mean.psisat_{_LAYER}",
    f"mean.smcmax_{_LAYER}",
    f"mean.smcwlt_{_LAYER}",
    "mean.slope_1km",
    "mean.refkdt",
    "mean.Zmax",
    "mean.Coeff",
    "mode.Expon",
    _ISLTYP,
    _IMPERVIOUS,
)


@dataclass(frozen=True, slots=True)
class SoilClass:
    """What the Xinanjiang scheme takes of a soil [1], as Noah-MP has it."""

    #: Inflection point of the curve of tension water (AXAJ).
    inflection: float
    #: Shape of the curve of tension water (BXAJ).
    tension: float
    #: Shape of the curve of free water (XXAJ).
    free: float


#: STAS soil class, 1 sand to 19 white sand; 14 is water.
SOIL_CLASSES: Mapping[int, SoilClass] = {
    number: SoilClass(inflection, shape, shape)
    for number, (inflection, shape) in enumerate(
        [
            (0.009, 0.05), (0.010, 0.08), (0.009, 0.09), (0.010, 0.25), (0.012, 0.15), (0.013, 0.18), (0.014, 0.20),
            (0.015, 0.22), (0.016, 0.23), (0.015, 0.25), (0.016, 0.28), (0.017, 0.30), (0.012, 0.26), (0.001, 0.00),
            (0.017, 1.00), (0.017, 1.00), (0.017, 1.00), (0.015, 0.35), (0.009, 0.15),
        ],
        start=1,
    )
}  # fmt: skip


def cfe_table(attributes: pd.DataFrame, *, scheme: str = "Schaake") -> ConfigTable:
    """Configuration of CFE for every catchment.

    Parameters
    ----------
    attributes : DataFrame
        A row per catchment by its id, with the columns `ATTRIBUTES`.
    scheme : str
        ``Schaake`` or ``Xinanjiang``.

    Returns
    -------
    ConfigTable
        Values are missing where the attributes are and no default will do; see `ConfigTable.require`.

    Raises
    ------
    ConfigError
        If there is no such scheme.
    """
    known = {"schaake": "Schaake", "1": "Schaake", "xinanjiang": "Xinanjiang", "2": "Xinanjiang"}
    if scheme.lower() not in known:
        raise ConfigError(
            f"CFE has no scheme {scheme!r} of infiltration", needed="Schaake or Xinanjiang", hint="choose one"
        )
    named = known[scheme.lower()]
    columns = (
        *_surface(named, len(attributes)),
        *_soil(attributes),
        *_groundwater(attributes),
        *_channel(len(attributes)),
        *(_xinanjiang(attributes) if named == "Xinanjiang" else ()),
    )
    return ConfigTable("cfe", tuple(map(str, attributes.index)), columns)


def _surface(scheme: str, count: int) -> list[ConfigColumn]:
    """How rain is parted; CFE wants it before the parameters of the scheme."""
    return [
        constant("forcing_file", "BMI", count, why=_DEFAULT),
        constant(
            "surface_partitioning_scheme", scheme, count, why=_DEFAULT, also=("surface_water_partitioning_scheme",)
        ),
        constant("surface_runoff_scheme", "GIUH", count, why=_DEFAULT),
    ]


def _soil(attributes: pd.DataFrame) -> list[ConfigColumn]:
    """The soil column."""
    count = len(attributes)
    return [
        constant("soil_params.depth", "2.0", count, unit="m", why=_DEFAULT),
        from_attribute("soil_params.b", attributes, f"mode.bexp_{_LAYER}"),
        from_attribute("soil_params.satdk", attributes, f"geom_mean.dksat_{_LAYER}", unit="m s-1"),
        from_attribute("soil_params.satpsi", attributes, f"geom_mean.psisat_{_LAYER}", unit="m"),
        from_attribute("soil_params.slop", attributes, "mean.slope_1km", unit="m/m"),
        from_attribute("soil_params.smcmax", attributes, f"mean.smcmax_{_LAYER}", unit="m/m"),
        from_attribute("soil_params.wltsmc", attributes, f"mean.smcwlt_{_LAYER}", unit="m/m"),
        constant("soil_params.expon", "1.0", count, why=_DEFAULT),
        constant("soil_params.expon_secondary", "1.0", count, why=_DEFAULT),
        from_attribute("refkdt", attributes, "mean.refkdt", default="3.0"),
        constant("alpha_fc", "0.33", count, why=_DEFAULT),
        constant("soil_storage", "0.05", count, unit="m/m", why=_DEFAULT),
    ]


def _groundwater(attributes: pd.DataFrame) -> list[ConfigColumn]:
    """Groundwater; CFE wants its capacity before what is in it. Defaults are for catchments without any."""
    return [
        from_attribute(
            "max_gw_storage", attributes, "mean.Zmax", unit="m", convert=_metres, how="/ 1000", default="0.05"
        ),
        from_attribute("Cgw", attributes, "mean.Coeff", unit="m h-1", default="0.005"),
        from_attribute("expon", attributes, "mode.Expon", default="1.75"),
        constant("gw_storage", "0.05", len(attributes), unit="m/m", why=_DEFAULT),
    ]


def _channel(count: int) -> list[ConfigColumn]:
    """How runoff reaches the channel, and what CFE prints."""
    return [
        constant("K_nash", "0.03", count, why=_DEFAULT, also=("K_nash_subsurface",)),
        constant("K_lf", "0.01", count, why=_DEFAULT),
        constant("nash_storage", "0.0,0.0", count, why=_DEFAULT, also=("nash_storage_subsurface",)),
        constant("giuh_ordinates", "0.55,0.25,0.2", count, why=_DEFAULT),
        constant("num_timesteps", "1", count, why=_DEFAULT),
        constant("verbosity", "0", count, why=_DEFAULT),
    ]


def _xinanjiang(attributes: pd.DataFrame) -> list[ConfigColumn]:
    """The curves of the Xinanjiang scheme, and the share of land that is sealed."""
    parts = {
        "a_Xinanjiang_inflection_point_parameter": {n: one.inflection for n, one in SOIL_CLASSES.items()},
        "b_Xinanjiang_shape_parameter": {n: one.tension for n, one in SOIL_CLASSES.items()},
        "x_Xinanjiang_shape_parameter": {n: one.free for n, one in SOIL_CLASSES.items()},
    }
    curves = [by_class(key, attributes, _ISLTYP, table, of="Noah-MP's soil class") for key, table in parts.items()]
    sealed = from_attribute(
        "urban_decimal_fraction", attributes, _IMPERVIOUS, convert=_share, how="/ 100", default="0.0"
    )
    return [*curves, sealed]


def _metres(millimetres: float) -> float:
    """A depth [mm] in metres."""
    return millimetres / 1000


def _share(percent: float) -> float:
    """A percentage as a share, in [0, 1]."""
    return min(max(percent / 100, 0.0), 1.0)
