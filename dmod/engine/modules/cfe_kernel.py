"""CFE, the compiled step: soil, groundwater, GIUH and Nash cascade of many catchments.

The order of operations is that of the CFE that ngen 0.3.0 runs, oddities included, so
that numbers agree to the digits it prints. All storages and fluxes are depths [m] or
depths per step [m], steps are one hour. Where CFE itself makes water appear (the soil
that overflows is set to full and infiltrated once more; percolation of the previous
step is compared with the deficit) the amount is booked in ``made``, so that a balance
can be closed.

References
----------
Ogden et al., the Conceptual Functional Equivalent of the National Water Model;
Schaake et al. (1996), doi:10.1029/95JD02892; Jayawardena & Zhou (2000),
doi:10.1016/S0022-1694(99)00173-6.
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
    "scheme",  # 1 Schaake, 2 Xinanjiang
    "soil_max",  # [m]
    "wilting",  # [m]
    "field",  # field capacity, threshold of both soil outlets [m]
    "k_perc",  # [m per step]
    "k_lat",  # [m per step]
    "e_perc",  # [1]
    "e_lat",  # [1]
    "capacity",  # Schaake's 1 - exp(-Kdt dt) [1]
    "frozen",  # 1 where soil freezing is coupled
    "frzx",  # Schaake's frozen-ground parameter [m]
    "gw_max",  # [m]
    "c_gw",  # [m per step]
    "e_gw",  # [1]
    "k_nash",  # [1 per step]
    "xin_a",  # [1]
    "xin_b",  # [1]
    "xin_x",  # [1]
    "urban",  # [1]
    "rootzone",  # 1 where root-zone evaporation is on
    "layer_m",  # thickness of the deepest root-zone layer [m]
    "theta_wilt",  # [1]
    "theta_field",  # [1]
    "lost",  # sum of GIUH ordinates less one [1]
)

Floats = NDArray[np.float64]


@njit(nogil=True, cache=True, error_model="numpy")
def _power(x: float, e: float) -> float:
    """x**e, quick for the usual e = 1."""
    return x if e == 1.0 else x**e


@njit(nogil=True, cache=True, error_model="numpy")
def _schaake(p: float, deficit: float, c: Floats, ice: float) -> float:
    """Infiltration of water *p* [m] into a soil with room *deficit* [m]."""
    if deficit < 0.0:
        infiltration = 0.0
    else:
        ic = deficit * c[8]
        infiltration = p * (ic / (p + ic))
        runoff = p - infiltration
        infiltration = p - (runoff if runoff > 0.0 else 0.0)
    if c[9] == 1.0 and ice > 1.0e-2:
        a = 3.0 * c[10] / ice
        infiltration *= 1.0 - math.exp(-a) * (1.0 + a * a / 2.0 + a)
    return infiltration


@njit(nogil=True, cache=True, error_model="numpy")
def _xinanjiang(p: float, s: float, c: Floats, ice: float) -> float:
    """Runoff from water *p* [m] on a soil that holds *s* [m]."""
    field = c[3]
    free_max = c[1] - field
    free = s - field
    tension = field if free > 0.0 else s
    free = min(max(free, 0.0), free_max)
    tension = min(tension, field)
    impervious = c[18] * 0.95 + (1.0 - c[18]) * (ice if c[9] == 1.0 else 0.0)
    a, b = c[15], c[16]
    w = tension / field
    if w <= 0.5 - a:
        pervious = (1.0 - impervious) * p * ((0.5 - a) ** (1.0 - b) * (1.0 - w) ** b)
    else:
        pervious = (1.0 - impervious) * p * (1.0 - (0.5 + a) ** (1.0 - b) * (1.0 - w) ** b)
    runoff = pervious * (1.0 - (1.0 - free / free_max) ** c[17]) + impervious * p
    return min(max(runoff, 0.0), p)


@njit(nogil=True, cache=True, error_model="numpy")
def _evaporate(e: float, s: float, theta: float, c: Floats) -> float:
    """Evaporation from the soil [m], given what is left of the potential *e* [m]."""
    if c[19] == 1.0:
        held = theta * c[20]
        if theta <= c[21]:
            return 0.0
        if theta >= c[22]:
            return min(e, held)
        return min((theta - c[21]) / (c[22] - c[21]) * e, held)
    if e <= 0.0:
        return 0.0
    if s >= c[3]:
        return min(e, s)
    return min((s - c[2]) / (c[3] - c[2]) * e, s)


@njit(nogil=True, cache=True, error_model="numpy")
def _wet(p: float, s: float, perc_before: float, ice: float, c: Floats) -> tuple[float, float, float]:
    """Water *p* [m] meets the soil: runoff, soil water afterwards, and water made of nothing [m]."""
    deficit = c[1] - s
    runoff, infiltration = 0.0, 0.0
    if p > 0.0:
        if c[0] == 1.0:
            infiltration = _schaake(p, deficit, c, ice)
            runoff = p - infiltration
        else:
            runoff = _xinanjiang(p, s, c, ice)
            infiltration = p - runoff
    before, odd = s, False
    if deficit < infiltration:
        runoff += infiltration - deficit
        infiltration = deficit
        s = c[1]
        deficit = 0.0
        odd = True
    if perc_before > deficit:
        runoff += perc_before - deficit
        infiltration = deficit
        odd = True
    s += infiltration
    return runoff, s, ((s - before) + runoff - p if odd else 0.0) + runoff * c[23]


@njit(nogil=True, cache=True, error_model="numpy")
def _drain(s: float, g: float, c: Floats) -> tuple[float, float, float, float, float]:
    """Percolation, lateral flow and base flow [m], and soil and groundwater afterwards [m]."""
    perc, lateral = 0.0, 0.0
    above = s - c[3]
    if above > 0.0:
        share = above / (c[1] - c[3])
        perc = min(c[4] * _power(share, c[6]), above)
        lateral = min(c[5] * _power(share, c[7]), above - perc)
    room = c[11] - g
    if perc > room:
        perc = room
    g += perc
    s -= perc
    s -= lateral
    base = c[12] * (math.exp(c[13] * g / c[11]) - 1.0)
    if base > g:
        base = g
    return perc, lateral, base, s, g - base


@njit(nogil=True, cache=True, error_model="numpy")
def _surface(runoff: float, ordinates: Floats, queue: Floats, count: int) -> float:
    """Surface runoff that reaches the channel now [m]; the unit hydrograph moves on one step."""
    now = queue[0] + ordinates[0] * runoff
    for k in range(1, count):
        queue[k - 1] = queue[k] + ordinates[k] * runoff
    queue[count - 1] = 0.0
    return now


@njit(nogil=True, cache=True, error_model="numpy")
def _cascade(lateral: float, nash: Floats, count: int, k_nash: float) -> float:
    """Lateral flow that reaches the channel now [m]; the cascade moves on one step."""
    inflow = lateral
    for k in range(count):
        outflow = k_nash * nash[k]
        nash[k] = nash[k] - outflow + inflow
        inflow = outflow
    return inflow


@njit(nogil=True, cache=True, error_model="numpy")
def _keep(values: tuple[float, ...], slots: NDArray[np.int64], place: Floats) -> None:
    """Put the outputs somebody wants where they belong."""
    for k in range(slots.size):
        if slots[k] >= 0:
            place[slots[k]] = values[k]


@njit(nogil=True, cache=True, error_model="numpy")
def _advance(
    constants: Floats,
    ordinates: Floats,
    n_ordinates: NDArray[np.int64],
    n_nash: NDArray[np.int64],
    weather: tuple[Floats, Floats, Floats, Floats, Floats],
    state: tuple[Floats, Floats, Floats, Floats],
    queue: Floats,
    nash: Floats,
    slots: NDArray[np.int64],
    out: Floats,
) -> None:
    """Advance all catchments through all steps of *out*, shape (kept outputs, catchments, steps)."""
    rain, pet, ice_schaake, ice_xinanjiang, moisture = weather
    soil, ground, percolated, made = state
    only_q = slots[6] >= 0 and (slots >= 0).sum() == 1
    for i in range(out.shape[1]):
        c = constants[i]
        s, g, perc, water_made = soil[i], ground[i], percolated[i], made[i]
        ices = ice_schaake[i] if c[0] == 1.0 else ice_xinanjiang[i]
        orders, line, tanks = ordinates[i], queue[i], nash[i]
        for t in range(out.shape[2]):
            raw = rain[i, t if rain.shape[1] > 1 else 0]
            potential = pet[i, t if pet.shape[1] > 1 else 0] * 3600.0
            before, p = s, raw / 1000.0
            rained = min(p, potential) if p > 0.0 else 0.0
            p -= rained
            dried = 0.0
            if s > c[2]:
                dried = _evaporate(potential - rained, s, moisture[i, t if moisture.shape[1] > 1 else 0], c)
                s -= dried
            runoff = 0.0
            if p > 0.0 or perc > c[1] - s:
                runoff, s, more = _wet(p, s, perc, ices[t if ices.size > 1 else 0], c)
                water_made += more
            perc, lateral, base, s, g = _drain(s, g, c)
            quick = _surface(runoff, orders, line, n_ordinates[i])
            slow = _cascade(lateral, tanks, n_nash[i], c[14])
            q = quick + slow + base
            if only_q:
                out[slots[6], i, t] = q
                continue
            values = (
                raw,
                runoff,
                quick,
                slow,
                base,
                perc,
                q,
                potential,
                rained + dried,
                g,
                s,
                s - before,
                c[0],
            )
            _keep(values, slots, out[:, i, t])
        soil[i], ground[i], percolated[i], made[i] = s, g, perc, water_made


#: The compiled step. Arguments in order: constants (catchments, len(CONSTANTS)); GIUH ordinates
#: and their number; number of Nash reservoirs; weather: rain [mm h-1], potential evapotranspiration
#: [m s-1], ice [m], frozen fraction, moisture, each (catchments, steps) or (catchments, 1);
#: state: soil and ground water [m], percolation of the step before [m], water made [m];
#: queue and cascade [m]; place of each output in *out* or -1; out (kept, catchments, steps).
advance: Callable[..., None] = _advance
