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
from collections.abc import Callable

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
def _by_wind(
    method: float,
    transfer: float,
    log_ra: float,
    net: float,
    kelvin: float,
    p: float,
    q: float,
    wind: float,
    heat: float,
) -> float:
    """Methods 2, 3 and 5 [m s-1]; *heat* is the heat roughness length [m]."""
    celsius = kelvin - _ZERO_C
    warm = 237.3 + celsius
    saturated = 611.0 * math.exp(17.27 * celsius / warm)
    vapour = q * p / 0.622
    if vapour > saturated:
        vapour = 0.65 * saturated
    deficit = saturated - vapour
    virtual = (1.0 + 0.608 * q) * kelvin
    gamma = _GAMMA * p * heat
    if method == 5.0:
        resistance = log_ra / (_KARMAN2 * wind)
        steep = 4098.0 * saturated / (warm * warm)
        flux = (steep * (net - _GROUND) + p / (287.0 * virtual) * _CP * deficit / resistance) / (
            steep + gamma * (1.0 + _CANOPY / resistance)
        )
        return flux * _PER_LATENT
    rate = transfer * deficit * wind / virtual
    if method == 3.0:
        # Slope and psychrometric constant, both times warm squared: one division less.
        slope, gamma_w = 4098.0 * saturated, gamma * warm * warm
        rate = (slope * (net * _PER_LATENT) + gamma_w * rate) / (slope + gamma_w)
    return rate


@njit(nogil=True, cache=True, error_model="numpy")
def _priestley_taylor(net: float, kelvin: float, p: float, heat: float) -> float:
    """Method 4 [m s-1]."""
    celsius = kelvin - _ZERO_C
    warm = 237.3 + celsius
    slope = 4098.0 * (611.0 * math.exp(17.27 * celsius / warm))
    return 1.3 * slope / (slope + _GAMMA * p * heat * warm * warm) * (net * _PER_LATENT)


@njit(nogil=True, cache=True, error_model="numpy")
def _advance(
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
    w_lw, w_sw = min(longwave.shape[1] - 1, 1), min(shortwave.shape[1] - 1, 1)
    w_p, w_q, w_t = (
        min(pressure.shape[1] - 1, 1),
        min(humidity.shape[1] - 1, 1),
        min(temperature.shape[1] - 1, 1),
    )
    w_u, w_v = min(wind_x.shape[1] - 1, 1), min(wind_y.shape[1] - 1, 1)
    for i in range(out.shape[0]):
        c = constants[i]
        method, absorbed, long, emitted = c[0], 1.0 - c[1], c[2], c[3]
        transfer, log_ra, heat, calm = _TRANSFER / c[5], c[8], c[7], 1.0
        for t in range(out.shape[1]):
            if t == 0 and age[i] == 0:
                heat, calm = c[6], c[4]
            elif t <= 1:
                heat, calm = c[7], 1.0
            net = absorbed * shortwave[i, t * w_sw] + long * longwave[i, t * w_lw] - emitted
            if method == 1.0:
                rate = net * _PER_LATENT
            else:
                # Weather may be in single precision; arithmetic never is.
                kelvin, p = np.float64(temperature[i, t * w_t]), np.float64(pressure[i, t * w_p])
                if method == 4.0:
                    rate = _priestley_taylor(net, kelvin, p, heat)
                else:
                    u, v = np.float64(wind_x[i, t * w_u]), np.float64(wind_y[i, t * w_v])
                    wind = math.sqrt(u * u + v * v) * calm
                    q = np.float64(humidity[i, t * w_q])
                    rate = _by_wind(method, transfer, log_ra, net, kelvin, p, q, wind, heat)
            out[i, t] = 0.0 if rate < 0.0 else rate
        age[i] += out.shape[1]


#: The compiled step. Arguments in order: constants (catchments, len(CONSTANTS)); steps done per
#: catchment; longwave [W m-2], pressure [Pa], specific humidity [1], shortwave [W m-2],
#: temperature [K], eastward and northward wind [m s-1], each (catchments, steps) or
#: (catchments, 1), all single or all double precision; out (catchments, steps).
advance: Callable[..., None] = _advance
