"""PET by five methods, computed again by hand from the equations and their fixed numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dmod.engine.modules.pet import Pet
from dmod.model.configs import parse, stack

LONG, PRESSURE, HUMIDITY, SHORT, TEMPERATURE, WIND_X, WIND_Y = (v.name for v in Pet.description.inputs)
OUT = Pet.description.outputs[0].name
#: 20 C, 50 % wet or so, sun at noon, wind of 5 m/s.
NOON = {
    LONG: 350.0,
    PRESSURE: 1.0e5,
    HUMIDITY: 0.007,
    SHORT: 600.0,
    TEMPERATURE: 293.15,
    WIND_X: 3.0,
    WIND_Y: 4.0,
}
KEYS = {
    "forcing_file": "BMI",
    "wind_speed_measurement_height_m": 10.0,
    "humidity_measurement_height_m": 2.0,
    "zero_plane_displacement_height_m": 0.01,
    "momentum_transfer_roughness_length_m": 0.0,
    "heat_transfer_roughness_length_m": 0.0,
    "surface_longwave_emissivity": 1.0,
    "surface_shortwave_albedo": 0.2,
}

# The fixed numbers: water at 22 C, skin at 12 C.
LATENT = 2.501e6 - 2370 * 22  # J/kg
WATER = min(1000.0, 1 / (0.0009998492 + 4.9716595e-9 * 22**2))  # kg/m3
AIR_J = 1006.0  # J/kg/K
KARMAN2 = 0.1681


def pet(method, **changed):
    """A PET of one catchment."""
    text = "".join(f"{key}={value}\n" for key, value in {**KEYS, "pet_method": method, **changed}.items())
    config = parse(Pet.schema, text)
    assert [p for p in config.problems if p.fatal] == []
    return Pet(stack(Pet.schema, [config]), 1)


def step(model, **changed):
    """Potential evapotranspiration [m/s] of one step."""
    for name, value in {**NOON, **changed}.items():
        model.set_value(name, np.array([value]))
    model.update()
    return float(model.get_value_ptr(OUT)[0])


def air(weather):
    """Saturated vapour pressure and its slope, deficit [Pa], and density [kg/m3] of the air."""
    celsius = weather[TEMPERATURE] - 273.15
    saturated = 611 * math.exp(17.27 * celsius / (237.3 + celsius))
    vapour = weather[HUMIDITY] * weather[PRESSURE] / 0.622
    if vapour > saturated:
        vapour = 0.65 * saturated
    density = weather[PRESSURE] / (287 * (1 + 0.608 * weather[HUMIDITY]) * weather[TEMPERATURE])
    return saturated, 4098 * saturated / (237.3 + celsius) ** 2, saturated - vapour, density


def net_radiation(weather, albedo=0.2, emissivity=1.0):
    """Net radiation [W/m2]; a surface that emits less than all reflects 3 % of the longwave."""
    reflected = 0.0 if emissivity > 0.999 else 0.03
    emitted = emissivity * 5.67e-8 * 285.15**4
    return (1 - albedo) * weather[SHORT] + (1 - reflected) * weather[LONG] - emitted


def energy(weather, **surface):
    return net_radiation(weather, **surface) / (WATER * LATENT)


def aerodynamic(weather, wind, plane=0.01):
    """Wind measured at 2 m, as the module believes."""
    _, _, deficit, density = air(weather)
    return 0.622 * KARMAN2 * density * deficit * wind / (weather[PRESSURE] * math.log(2 / plane) ** 2) / WATER


def psychrometric(weather, heat_m):
    return AIR_J * weather[PRESSURE] * heat_m / (0.622 * LATENT)


def first_wind(wind, plane=0.01):
    return wind * math.log(2 / plane) / math.log(10 / plane)


def near(value):
    """Equal but for rounding."""
    return pytest.approx(value, rel=1e-12)


def test_energy_balance():
    """480 + 350 - 374.9 W/m2 evaporate about 0.67 mm of water in an hour."""
    assert net_radiation(NOON) == pytest.approx(455.14, abs=0.01)
    rate = step(pet(1))
    assert rate == near(energy(NOON))
    assert rate * 3600 == pytest.approx(0.00067, abs=5e-6)


def test_a_surface_that_emits_less_reflects_three_percent_of_longwave():
    rate = step(pet(1, surface_longwave_emissivity=0.95))
    assert rate == near(energy(NOON, emissivity=0.95))
    assert step(pet(1, surface_longwave_emissivity=0.9995)) == near(energy(NOON, emissivity=0.9995))


def test_aerodynamic_reduces_wind_in_the_first_step_only():
    """5 m/s at 10 m are 3.84 m/s at 2 m; from the second step on, 5 m/s count as if measured there."""
    model = pet(2)
    assert first_wind(5.0) == pytest.approx(3.835, abs=1e-3)
    assert step(model) == near(aerodynamic(NOON, first_wind(5.0)))
    assert step(model) == near(aerodynamic(NOON, 5.0))
    assert step(model) == near(aerodynamic(NOON, 5.0))


def test_the_first_step_is_the_first_of_a_block_too():
    model = pet(2)
    for name, value in NOON.items():
        model.set_block(name, np.full((1, 3), value))
    model.update_block(3)
    reduced, raw = near(aerodynamic(NOON, first_wind(5.0))), near(aerodynamic(NOON, 5.0))
    assert model.get_block(OUT)[0].tolist() == [reduced, raw, raw]
    model.update_block(3)
    assert model.get_block(OUT)[0].tolist() == [raw, raw, raw]


def test_combination_weighs_both_by_slope_and_psychrometric_constant():
    """With no roughness given, 1 m stands for it."""
    model = pet(3)
    _, slope, _, _ = air(NOON)
    gamma = psychrometric(NOON, 1.0)
    for wind in (first_wind(5.0), 5.0):
        expected = (slope * energy(NOON) + gamma * aerodynamic(NOON, wind)) / (slope + gamma)
        assert step(model) == near(expected)


def test_priestley_taylor_is_1_3_times_the_radiation_term():
    _, slope, _, _ = air(NOON)
    assert step(pet(4)) == near(1.3 * slope / (slope + psychrometric(NOON, 1.0)) * energy(NOON))


def penman_monteith(weather, wind, heat_m, plane=0.01):
    """FAO's equation, with roughness from the displacement height and 50 s/m of canopy."""
    _, slope, deficit, density = air(weather)
    z0m = 0.1845 * plane
    z0h = 0.1 * z0m
    resistance = math.log((2 - plane) / z0m) * math.log((2 - plane) / z0h) / (KARMAN2 * wind)
    above = slope * (net_radiation(weather) + 10.0) + density * AIR_J * deficit / resistance
    return above / (slope + psychrometric(weather, heat_m) * (1 + 50 / resistance)) / (WATER * LATENT)


def test_penman_monteith_forgets_the_given_roughness_after_the_first_step():
    model = pet(5, momentum_transfer_roughness_length_m=0.02, heat_transfer_roughness_length_m=0.003)
    assert step(model) == near(penman_monteith(NOON, first_wind(5.0), 0.003))
    for _ in range(2):
        assert step(model) == near(penman_monteith(NOON, 5.0, 0.1 * 0.1845 * 0.01))


def test_a_displacement_above_the_hygrometer_is_put_below_it():
    """d = 1.9 m where humidity is measured at 1.5 m: 1 m is taken, two thirds of it, for the resistance."""
    model = pet(5, zero_plane_displacement_height_m=1.9, humidity_measurement_height_m=1.5)
    step(model)
    _, slope, deficit, density = air(NOON)
    z0m = 0.1845 * 1.9
    resistance = math.log((2 - 1.0) / z0m) * math.log((1.5 - 1.0) / (0.1 * z0m)) / (KARMAN2 * 5.0)
    above = slope * (net_radiation(NOON) + 10.0) + density * AIR_J * deficit / resistance
    below = slope + psychrometric(NOON, 0.1 * z0m) * (1 + 50 / resistance)
    assert step(model) == near(above / below / (WATER * LATENT))


@pytest.mark.parametrize(("momentum", "heat"), [(0.0, 0.5), (0.5, 0.0), (1e-7, 0.5)])
def test_one_roughness_missing_makes_both_a_metre(momentum, heat):
    lengths = {"momentum_transfer_roughness_length_m": momentum, "heat_transfer_roughness_length_m": heat}
    assert step(pet(4, **lengths)) == step(pet(4))


def test_roughness_that_is_given_counts():
    lengths = {"momentum_transfer_roughness_length_m": 0.05, "heat_transfer_roughness_length_m": 0.5}
    _, slope, _, _ = air(NOON)
    assert step(pet(4, **lengths)) == near(1.3 * slope / (slope + psychrometric(NOON, 0.5)) * energy(NOON))


def test_roughness_without_its_unit_is_a_trap_that_the_check_names():
    """The widely copied spelling is read by nobody; ngen then takes whatever lies in memory."""
    keys = {**KEYS, "pet_method": 4, "momentum_transfer_roughness_length": 0.05}
    del keys["momentum_transfer_roughness_length_m"]
    config = parse(Pet.schema, "".join(f"{key}={value}\n" for key, value in keys.items()))
    warned = [p for p in config.problems if p.key == "momentum_transfer_roughness_length"]
    assert len(warned) == 1
    assert not warned[0].fatal
    assert "ignored" in warned[0].message
    assert warned[0].remedy == "write momentum_transfer_roughness_length_m"
    assert config.values["momentum_transfer_roughness_length_m"] == 0.0


def test_air_wetter_than_saturated_is_dried_to_65_percent():
    foggy = {HUMIDITY: 0.03}
    saturated, _, deficit, _ = air({**NOON, **foggy})
    assert deficit == near(0.35 * saturated)
    model = pet(2)
    step(model)
    assert step(model, **foggy) == near(aerodynamic({**NOON, **foggy}, 5.0))


@pytest.mark.parametrize("method", [1, 3, 4, 5])
def test_a_cold_night_evaporates_nothing(method):
    """Less than nothing, by the equations: dark, -20 C, saturated but for a little, no wind to speak of."""
    night = {LONG: 150.0, SHORT: 0.0, TEMPERATURE: 253.15, HUMIDITY: 0.00077, WIND_X: 0.01, WIND_Y: 0.0}
    assert energy({**NOON, **night}) < 0
    model = pet(method)
    assert [step(model, **night), step(model, **night)] == [0.0, 0.0]


def test_the_first_step_passes_also_with_nothing_kept():
    """So wind is not reduced again in the second."""
    model = pet(2)
    for name, value in NOON.items():
        model.set_block(name, np.full((1, 1), value))
    model.request([])
    model.update_block(1)
    model.request([OUT])
    model.update_block(1)
    assert model.get_block(OUT)[0].tolist() == [near(aerodynamic(NOON, 5.0))]
