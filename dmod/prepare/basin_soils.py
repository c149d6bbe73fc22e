"""Soils and vegetation of a made-up basin: parameters that vary smoothly over the map.

They stay within the ranges the NextGen community uses, and begin a run near the storage
they settle at, so that flow looks like flow from the first day. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmod.prepare.basin_fields import SmoothField
from dmod.prepare.basin_weather import Sites

__all__ = ["DEPTH_M", "Soils", "draw_soils"]

Floats = NDArray[np.float64]

#: Depth of soil [m].
DEPTH_M = 2.0


@dataclass(frozen=True)
class Soils:
    """Parameters of the catchments, each of shape (catchments,)."""

    #: Clapp-Hornberger exponent [1].
    b: Floats
    #: Conductivity [m s-1] and suction [m] of saturated soil.
    satdk: Floats
    satpsi: Floats
    #: Factor on drainage [m m-1], in (0, 1).
    slop: Floats
    #: Porosity and wilting point [m m-1].
    smcmax: Floats
    wltsmc: Floats
    #: Schaake's infiltration parameter [1].
    refkdt: Floats
    #: Groundwater: most it holds [m], coefficient [m h-1], exponent [1].
    max_gw_storage: Floats
    Cgw: Floats
    expon: Floats
    #: Coefficients of the Nash cascade [h-1] and of lateral flow [m h-1].
    K_nash: Floats
    K_lf: Floats
    #: Initial soil and groundwater storage, as fractions of what they hold [1].
    soil_storage: Floats
    gw_storage: Floats
    #: Inflection, shapes and urban share for Xinanjiang [1]; the scheme's names are 1 and 2.
    xinanjiang: Floats
    scheme: NDArray[np.intp]
    #: PET method, 1 to 5, vegetation height [m] and albedo [1].
    pet_method: NDArray[np.intp]
    vegetation: Floats
    albedo: Floats


def draw_soils(sites: Sites, slope: Floats, rng: np.random.Generator) -> Soils:
    """Soils that vary smoothly over the basin.

    Parameters
    ----------
    sites : Sites
        Where the catchments lie.
    slope : array of float, shape (catchments,)
        Steepness of the ground [m m-1].
    rng : numpy.random.Generator
        Where chance comes from.

    Returns
    -------
    Soils
        The parameters.
    """
    extent = max(float(np.ptp(sites.x)), float(np.ptp(sites.y)), 10e3)
    f = SmoothField.draw(rng, min(0.6 * extent, 60e3), fields=18).at(sites.x, sites.y)
    f = f + 0.15 * rng.standard_normal(f.shape)

    def about(middle: float, spread: float, field: int, low: float, high: float) -> Floats:
        values: Floats = np.clip(middle * np.exp(spread * f[field]), low, high)
        return values

    b, smcmax = about(5.0, 0.17, 0, 3.2, 8.0), about(0.44, 0.07, 1, 0.36, 0.52)
    satpsi = about(0.2, 0.35, 2, 0.05, 0.5)
    cgw, expon = about(3e-5, 0.5, 3, 5e-6, 2e-4), about(4.5, 0.22, 4, 2.5, 7.0)
    capacity = _field_capacity(b, satpsi, smcmax)
    curves = np.stack(
        [
            np.clip(0.15 * f[5], -0.4, 0.4),
            about(0.7, 0.35, 6, 0.2, 1.6),
            about(0.4, 0.3, 7, 0.1, 0.9),
            about(0.025, 0.6, 8, 0.0, 0.1),
        ],
        axis=1,
    )
    return Soils(
        b=b,
        satdk=about(2.6e-6, 0.5, 9, 5e-7, 2e-5),
        satpsi=satpsi,
        slop=np.clip(1.3 * slope * np.exp(0.2 * f[10]), 0.03, 0.6),
        smcmax=smcmax,
        wltsmc=about(0.085, 0.22, 11, 0.04, 0.14),
        refkdt=about(1.9, 0.3, 12, 0.7, 4.0),
        max_gw_storage=about(0.09, 0.4, 13, 0.03, 0.25),
        Cgw=cgw,
        expon=expon,
        K_nash=about(0.035, 0.3, 14, 0.012, 0.1),
        K_lf=about(0.005, 0.35, 15, 0.0015, 0.02),
        # A little drier than field capacity after the summer; base flow of almost a millimetre a day.
        soil_storage=np.clip(capacity * (0.96 + 0.02 * f[16]), 0.3, 0.9),
        gw_storage=np.clip(np.log1p(3.5e-5 / cgw) / expon, 0.01, 0.8),
        xinanjiang=curves,
        scheme=np.where(rng.random(len(b)) < 0.15, 2, 1),
        pet_method=rng.choice(np.arange(1, 6), size=len(b), p=[0.05, 0.05, 0.75, 0.1, 0.05]),
        vegetation=about(8.0, 0.4, 17, 1.5, 20.0),
        albedo=np.clip(0.21 + 0.02 * f[0], 0.14, 0.26),
    )


def _field_capacity(b: Floats, satpsi: Floats, smcmax: Floats) -> Floats:
    """Storage at which CFE's soil begins to drain, as a fraction of all it holds [1]."""
    omega, power = 0.33 * 101325.0 / 9810.0 - 0.5, 1 - 1 / b
    water = smcmax * satpsi ** (1 / b) * ((omega + DEPTH_M) ** power - omega**power) / power
    fraction: Floats = water / (smcmax * DEPTH_M)
    return fraction
