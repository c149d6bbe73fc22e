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

# For the exponential: log2(e), ln(2) in two parts, and a number whose last bits count ones.
_LOG2E, _LN2_HIGH, _LN2_LOW = 1.4426950408889634, 6.93147180369123816490e-01, 1.90821492927058770002e-10
_ONES = 6755399441055744.0  # 1.5 * 2**52
_BIAS = np.int64(1023 << 52)

Floats = NDArray[np.float64]
Weather = NDArray[np.float64] | NDArray[np.float32]
Rows = tuple[Weather, Weather, Weather, Weather, Weather, Weather, Weather]
Blocks = Rows


@njit(nogil=True, cache=True, error_model="numpy")
def _exp(x: float) -> float:
    """e**x for -700 < x < 700, to the last bit but for one value in many.

    A polynomial on |r| < ln(2)/2 times a power of two made of bits: no call and no branch, so
    that the compiler can do several at once.
    """
    shifted = x * _LOG2E + _ONES
    k = shifted - _ONES
    near = x - k * _LN2_HIGH
    r = near - k * _LN2_LOW
    lost = (near - r) - k * _LN2_LOW
    p = 1.6059043836821613e-10
    p = p * r + 2.08767569878681e-09
    p = p * r + 2.505210838544172e-08
    p = p * r + 2.755731922398589e-07
    p = p * r + 2.7557319223985893e-06
    p = p * r + 2.48015873015873e-05
    p = p * r + 0.0001984126984126984
    p = p * r + 0.001388888888888889
    p = p * r + 0.008333333333333333
    p = p * r + 0.041666666666666664
    p = p * r + 0.16666666666666666
    p = p * r + 0.5
    # 1 + r + tail, what each sum rounds off kept and added last.
    tail = p * r * r + lost
    more = r + tail
    less = (r - more) + tail
    whole = 1.0 + more
    rest = ((1.0 - whole) + more) + less
    scale = np.int64((np.float64(shifted).view(np.int64) << np.int64(52)) + _BIAS).view(np.float64)
    return scale * (whole + rest)


@njit(nogil=True, cache=True, error_model="numpy")
def _saturated(celsius: float) -> float:
    """Saturation vapour pressure [Pa]."""
    return 611.0 * _exp(17.27 * celsius / (237.3 + celsius))


@njit(nogil=True, cache=True, error_model="numpy")
def _drying(saturated: float, p: float, q: float, kelvin: float) -> tuple[float, float]:
    """Vapour pressure deficit [Pa], and virtual temperature [K]."""
    vapour = q * p / 0.622
    if vapour > saturated:
        vapour = 0.65 * saturated
    return saturated - vapour, (1.0 + 0.608 * q) * kelvin


@njit(nogil=True, cache=True, error_model="numpy")
def _without_wind(c: Floats, heat: float, weather: Rows, out: Floats) -> None:
    """Methods 1 and 4 for one catchment."""
    longwave, pressure, _, shortwave, temperature, _, _ = weather
    absorbed, long, emitted = 1.0 - c[1], c[2], c[3]
    if c[0] == 1.0:
        for t in range(out.size):
            rate = (absorbed * shortwave[t] + long * longwave[t] - emitted) * _PER_LATENT
            out[t] = rate if rate >= 0.0 else 0.0
        return
    for t in range(out.size):
        radiation = (absorbed * shortwave[t] + long * longwave[t] - emitted) * _PER_LATENT
        celsius = np.float64(temperature[t]) - _ZERO_C
        warm = 237.3 + celsius
        slope = 4098.0 * _saturated(celsius)
        rate = 1.3 * slope / (slope + _GAMMA * np.float64(pressure[t]) * heat * warm * warm) * radiation
        out[t] = rate if rate >= 0.0 else 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def _with_wind(c: Floats, heat: float, calm: float, weather: Rows, out: Floats) -> None:
    """Methods 2 and 3 for one catchment; method 2 is 3 without its share of radiation."""
    longwave, pressure, humidity, shortwave, temperature, wind_x, wind_y = weather
    absorbed, long, emitted, transfer = 1.0 - c[1], c[2], c[3], _TRANSFER / c[5] * calm
    both = c[0] == 3.0
    for t in range(out.size):
        kelvin, p, q = np.float64(temperature[t]), np.float64(pressure[t]), np.float64(humidity[t])
        u, v = np.float64(wind_x[t]), np.float64(wind_y[t])
        celsius = kelvin - _ZERO_C
        saturated = _saturated(celsius)
        deficit, virtual = _drying(saturated, p, q, kelvin)
        rate = transfer * deficit * math.sqrt(u * u + v * v) / virtual
        if both:
            # Slope and psychrometric constant, both times (237.3 + T) squared: one division less.
            warm = 237.3 + celsius
            slope, gamma = 4098.0 * saturated, _GAMMA * p * heat * warm * warm
            radiation = (absorbed * shortwave[t] + long * longwave[t] - emitted) * _PER_LATENT
            rate = (slope * radiation + gamma * rate) / (slope + gamma)
        out[t] = 0.0 if rate < 0.0 else rate


@njit(nogil=True, cache=True, error_model="numpy")
def _penman_monteith(c: Floats, heat: float, calm: float, weather: Rows, out: Floats) -> None:
    """Method 5 for one catchment."""
    longwave, pressure, humidity, shortwave, temperature, wind_x, wind_y = weather
    absorbed, long, emitted, drag = 1.0 - c[1], c[2], c[3], c[8] / (_KARMAN2 * calm)
    for t in range(out.size):
        kelvin, p, q = np.float64(temperature[t]), np.float64(pressure[t]), np.float64(humidity[t])
        u, v = np.float64(wind_x[t]), np.float64(wind_y[t])
        celsius = kelvin - _ZERO_C
        warm = 237.3 + celsius
        saturated = _saturated(celsius)
        deficit, virtual = _drying(saturated, p, q, kelvin)
        resistance = drag / math.sqrt(u * u + v * v)
        net = absorbed * shortwave[t] + long * longwave[t] - emitted
        steep, gamma = 4098.0 * saturated / (warm * warm), _GAMMA * p * heat
        flux = (steep * (net - _GROUND) + p / (287.0 * virtual) * _CP * deficit / resistance) / (
            steep + gamma * (1.0 + _CANOPY / resistance)
        )
        out[t] = 0.0 if flux < 0.0 else flux * _PER_LATENT


@njit(nogil=True, cache=True, error_model="numpy")
def _catchment(c: Floats, heat: float, calm: float, weather: Rows, out: Floats) -> None:
    """One catchment, by its method; *heat* is the heat roughness length [m], *calm* the factor on wind."""
    if c[0] == 1.0 or c[0] == 4.0:
        _without_wind(c, heat, weather, out)
    elif c[0] == 5.0:
        _penman_monteith(c, heat, calm, weather, out)
    else:
        _with_wind(c, heat, calm, weather, out)


@njit(nogil=True, cache=True, error_model="numpy")
def _advance(constants: Floats, age: NDArray[np.int64], weather: Blocks, out: Floats) -> None:
    """Potential evapotranspiration [m s-1] of all catchments and steps of *out*, shape (catchments, steps)."""
    longwave, pressure, humidity, shortwave, temperature, wind_x, wind_y = weather
    for i in range(out.shape[0]):
        c = constants[i]
        start = 1 if age[i] == 0 else 0
        if start:
            first = (longwave[i, :1], pressure[i, :1], humidity[i, :1], shortwave[i, :1], temperature[i, :1],
                     wind_x[i, :1], wind_y[i, :1])  # fmt: skip
            _catchment(c, c[6], c[4], first, out[i, :1])
        rest = (longwave[i, start:], pressure[i, start:], humidity[i, start:], shortwave[i, start:],
                temperature[i, start:], wind_x[i, start:], wind_y[i, start:])  # fmt: skip
        _catchment(c, c[7], 1.0, rest, out[i, start:])
        age[i] += out.shape[1]


#: The compiled step. Arguments in order: constants (catchments, len(CONSTANTS)); steps done per
#: catchment; weather: longwave [W m-2], pressure [Pa], specific humidity [1], shortwave [W m-2],
#: temperature [K], eastward and northward wind [m s-1], all (catchments, steps), all in single or
#: all in double precision; out (catchments, steps).
advance: Callable[..., None] = _advance
