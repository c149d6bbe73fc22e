"""PET, the compiled step: five ways to potential evapotranspiration.

The arithmetic is that of the evapotranspiration module that ngen 0.3.0 runs with AORC
forcing, its fixed constants included: water at 22 C, skin at 12 C, canopy resistance
50 s/m, ground heat flux -10 W/m2. Wind is reduced from its measurement height to 2 m in
the first step only, since the module forgets the height afterwards.

References
----------
Chow, Maidment & Mays (1988), Applied Hydrology, eqs. 2.7.6, 3.5.9, 3.5.16, 3.5.26;
Allen et al. (1998), FAO Irrigation and Drainage Paper 56.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["CONSTANTS", "advance"]

#: Columns of the table of constants, one row per catchment.
CONSTANTS = (
    "method",  # 1 energy balance, 2 aerodynamic, 3 combination, 4 Priestley-Taylor, 5 Penman-Monteith
    "albedo",  # of shortwave [1]
    "long",  # share of incoming longwave that is absorbed [1]
    "emitted",  # longwave leaving the surface [W m-2]
    "wind_first",  # factor on wind in the first step [1]
    "log_wind2",  # ln(2/d)^2 [1]
    "heat_first",  # heat roughness length in the first step [m]
    "heat_later",  # the same, afterwards [m]
    "log_ra",  # product of logarithms in the aerodynamic resistance [1]
)

_CP = 1.006e3  # J kg-1 K-1
_KARMAN2 = 0.1681  # 0.41 squared
_ZERO_C = 273.15
_WATER_C = 22.0
_LATENT = 2.501e6 - 2370.0 * _WATER_C  # J kg-1
_WATER = min(1000.0, 1.0 / (0.0009998492 + 4.9716595e-09 * _WATER_C * _WATER_C))  # kg m-3
_CANOPY = 50.0  # s m-1
_GROUND = -10.0  # W m-2
_PER_LATENT = 1.0 / (_WATER * _LATENT)  # m s-1 per W m-2
_GAMMA = _CP / (0.622 * _LATENT)  # K-1 m-1, times pressure and heat roughness length
_TRANSFER = 0.622 * _KARMAN2 / 287.0 / _WATER  # of vapour by wind

Floats = NDArray[np.float64]
Weather = NDArray[np.float64] | NDArray[np.float32]


@njit(nogil=True, cache=True, error_model="numpy")
def advance(
    constants: Floats,
    age: NDArray[np.int64],
    longwave: Weather,
    pressure: Weather,
    humidity: Weather,
    shortwave: Weather,
    temperature: Weather,
    wind_x: Weather,
    wind_y: Weather,
    out: Floats,
) -> None:
    """Potential evapotranspiration [m s-1] of all catchments and steps of *out*, shape (catchments, steps)."""
    steps = out.shape[1]
    w_lw = 1 if longwave.shape[1] > 1 else 0
    w_p = 1 if pressure.shape[1] > 1 else 0
    w_q = 1 if humidity.shape[1] > 1 else 0
    w_sw = 1 if shortwave.shape[1] > 1 else 0
    w_t = 1 if temperature.shape[1] > 1 else 0
    w_u = 1 if wind_x.shape[1] > 1 else 0
    w_v = 1 if wind_y.shape[1] > 1 else 0
    for i in range(out.shape[0]):
        c = constants[i]
        method, absorbed, transfer = c[0], 1.0 - c[1], _TRANSFER / c[5]
        for t in range(steps):
            first = age[i] == 0 and t == 0
            net = absorbed * shortwave[i, t * w_sw] + c[2] * longwave[i, t * w_lw] - c[3]
            radiation = net * _PER_LATENT
            if method == 1.0:
                out[i, t] = radiation if radiation >= 0.0 else 0.0
                continue
            kelvin = np.float64(temperature[i, t * w_t])
            celsius = kelvin - _ZERO_C
            p = np.float64(pressure[i, t * w_p])
            q = np.float64(humidity[i, t * w_q])
            warm = 237.3 + celsius
            saturated = 611.0 * math.exp(17.27 * celsius / warm)
            gamma = _GAMMA * p * (c[6] if first else c[7])
            # Slope and psychrometric constant, both times warm squared: one division less.
            slope, gamma_w = 4098.0 * saturated, gamma * warm * warm
            if method == 4.0:
                rate = 1.3 * slope / (slope + gamma_w) * radiation
                out[i, t] = rate if rate >= 0.0 else 0.0
                continue
            vapour = q * p / 0.622
            if vapour > saturated:
                vapour = 0.65 * saturated
            deficit = saturated - vapour
            u, v = np.float64(wind_x[i, t * w_u]), np.float64(wind_y[i, t * w_v])
            wind = math.sqrt(u * u + v * v)
            if first:
                wind *= c[4]
            virtual = (1.0 + 0.608 * q) * kelvin
            if method == 5.0:
                resistance = c[8] / (_KARMAN2 * wind)
                steep = slope / (warm * warm)
                flux = (steep * (net - _GROUND) + p / (287.0 * virtual) * _CP * deficit / resistance) / (
                    steep + gamma * (1.0 + _CANOPY / resistance)
                )
                rate = flux * _PER_LATENT
            else:
                rate = transfer * deficit * wind / virtual
                if method == 3.0:
                    rate = (slope * radiation + gamma_w * rate) / (slope + gamma_w)
            out[i, t] = 0.0 if rate < 0.0 else rate
        age[i] += steps
