"""PET: potential evapotranspiration of NextGen, by one of five methods.

The configuration keys, the constants made of them and the BMI model; the arithmetic is
in `dmod.engine.modules.pet_kernel`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dmod.engine.modules.pet_kernel import CONSTANTS, advance
from dmod.engine.native import Block, NativeModule
from dmod.model.configs import Config, ConfigSchema, Key, Problem
from dmod.model.module import Description, Variable

__all__ = ["Pet"]

_STEFAN_BOLTZMANN = 5.67e-08  # W m-2 K-4
_SKIN_K = 12.0 + 273.15
_TINY_M = 1.0e-06


def _inspect(config: Config) -> Iterator[Problem]:
    """What single keys cannot tell."""
    text = config.text
    if "momentum_transfer_roughness_length" in text and "momentum_transfer_roughness_length_m" not in text:
        yield Problem(
            "momentum_transfer_roughness_length",
            "is ignored by ngen, which then uses whatever lies in memory; 0 is taken here",
            "write momentum_transfer_roughness_length_m",
            fatal=False,
        )
    if config.values.get("yes_aorc") == 0.0:
        yield Problem(
            "yes_aorc",
            "is 0, but forcing is AORC-like: radiation and specific humidity are given",
            "set yes_aorc=1",
        )
    if text.get("forcing_file", "BMI").strip() not in ("BMI", ""):
        yield Problem("forcing_file", "names a file, but forcing comes from the realization", "set forcing_file=BMI")
    if config.values.get("shortwave_radiation_provided") == 0.0:
        yield Problem(
            "shortwave_radiation_provided",
            "is 0, but ngen never uses the radiation it then computes",
            "set shortwave_radiation_provided=1",
            fatal=False,
        )


_POSITIVE = (1e-300, math.inf)
_SCHEMA = ConfigSchema(
    keys=(
        Key("pet_method", "choice", doc="1 energy balance, 2 aerodynamic, 3 combination, 4 Priestley-Taylor, "
            "5 Penman-Monteith", choices={str(n): float(n) for n in range(1, 6)}),
        Key("forcing_file", "text", doc="BMI", default=math.nan),
        Key("yes_aorc", "flag", doc="forcing is AORC", default=1.0),
        Key("wind_speed_measurement_height_m", unit="m", doc="height of wind", bounds=_POSITIVE),
        Key("humidity_measurement_height_m", unit="m", doc="height of humidity", default=2.0, bounds=_POSITIVE),
        Key("zero_plane_displacement_height_m", unit="m", doc="zero plane displacement", bounds=_POSITIVE),
        Key("momentum_transfer_roughness_length_m", unit="m", doc="roughness for momentum", default=0.0),
        Key("heat_transfer_roughness_length_m", unit="m", doc="roughness for heat", default=0.0),
        Key("surface_longwave_emissivity", doc="emissivity", bounds=(0.0, 1.0)),
        Key("surface_shortwave_albedo", doc="albedo", bounds=(0.0, 1.0)),
        Key("shortwave_radiation_provided", "flag", doc="radiation comes with the forcing", default=1.0),
    ),
    inspect=_inspect,
    ignored=frozenset({
        "verbose", "run_unit_tests", "yes_wrf", "vegetation_height_m", "momentum_transfer_roughness_length",
        "cloud_base_height_known", "latitude_degrees", "longitude_degrees", "site_elevation_m", "time_step_size_s",
        "num_timesteps",
    }),
)  # fmt: skip

_INPUTS = (
    Variable("land_surface_radiation~incoming~longwave__energy_flux", "W m-2", "incoming longwave radiation"),
    Variable("land_surface_air__pressure", "Pa", "air pressure"),
    Variable(
        "atmosphere_air_water~vapor__relative_saturation",
        "kg kg-1",
        "specific humidity, whatever its name says",
    ),
    Variable("land_surface_radiation~incoming~shortwave__energy_flux", "W m-2", "incoming shortwave radiation"),
    Variable("land_surface_air__temperature", "K", "air temperature"),
    Variable("land_surface_wind__x_component_of_velocity", "m s-1", "eastward wind"),
    Variable("land_surface_wind__y_component_of_velocity", "m s-1", "northward wind"),
)
_OUTPUTS = (Variable("water_potential_evaporation_flux", "m s-1", "potential evapotranspiration"),)


class Pet(NativeModule):
    """PET for many catchments at once; see `dmod.engine.native.NativeModule`.

    Examples
    --------
    >>> Pet.describe(None).outputs[0].units
    'm s-1'
    """

    name: ClassVar[str] = "pet"
    registrations: ClassVar[tuple[str, ...]] = ("register_bmi_pet",)
    libraries: ClassVar[tuple[str, ...]] = ("petbmi",)
    schema: ClassVar[ConfigSchema | None] = _SCHEMA
    description: ClassVar[Description] = Description("PET", _INPUTS, _OUTPUTS)
    takes_single: ClassVar[bool] = True

    def _derive(self, changed: str = "") -> None:
        del changed
        p = self.parameters
        table = np.zeros((self.size, len(CONSTANTS)))
        column = {name: table[:, k] for k, name in enumerate(CONSTANTS)}
        column["method"][:] = p["pet_method"]
        column["albedo"][:] = p["surface_shortwave_albedo"]
        emissivity = p["surface_longwave_emissivity"]
        column["long"][:] = 1.0 - np.where(emissivity > 0.999, 0.0, 0.03)
        column["emitted"][:] = emissivity * _STEFAN_BOLTZMANN * _SKIN_K**4.0
        plane, wind_height = p["zero_plane_displacement_height_m"], p["wind_speed_measurement_height_m"]
        log_two = np.log(2.0 / plane)
        column["wind_first"][:] = log_two / np.log(wind_height / plane)
        column["log_wind2"][:] = log_two**2.0
        heat, momentum = p["heat_transfer_roughness_length_m"], p["momentum_transfer_roughness_length_m"]
        column["heat_first"][:] = np.where((heat < _TINY_M) | (momentum < _TINY_M), 1.0, heat)
        penman = p["pet_method"] == 5.0
        momentum_later = 0.1845 * plane
        heat_later = 0.1 * momentum_later
        reset = (heat_later < _TINY_M) | (momentum_later < _TINY_M)
        column["heat_later"][:] = np.where(penman, np.where(reset, 1.0, heat_later), column["heat_first"])
        humid = p["humidity_measurement_height_m"]
        humid = np.where(humid <= _TINY_M, 2.0, humid)
        lower = np.where(plane >= humid, 2.0 / 3.0 * humid, plane)
        with np.errstate(invalid="ignore", divide="ignore"):
            column["log_ra"][:] = np.log((2.0 - lower) / momentum_later) * np.log((humid - lower) / heat_later)
        self._constants = table
        self._age = np.zeros(self.size, dtype=np.int64)

    def _advance(self, inputs: Mapping[str, Block], out: NDArray[np.float64], slots: NDArray[np.int64]) -> None:
        # With nothing requested there is nothing to compute, but the first step still passes.
        rate = out[0] if slots[0] >= 0 else np.empty((self.size, out.shape[2]))
        kinds = {inputs[v.name].dtype for v in _INPUTS}
        # Two compiled versions only: all weather in single precision, as files have it, or all in double.
        kind = np.float32 if kinds == {np.dtype(np.float32)} else np.float64
        weather = tuple(_full(inputs[v.name], rate.shape, kind) for v in _INPUTS)
        advance(self._constants, self._age, weather, rate)


def _full(block: NDArray[Any], shape: tuple[int, ...], kind: type[np.floating[Any]]) -> NDArray[Any]:
    """*block* as wide as the others, in one precision."""
    wide = block if block.shape == shape else np.broadcast_to(block, shape)
    return np.ascontiguousarray(wide, dtype=kind)
