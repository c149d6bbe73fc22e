"""One step of CFE, derived again by hand for every branch, and how its configuration is read."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from dmod.engine.modules.cfe import Cfe
from dmod.errors import ConfigError
from dmod.model.configs import parse, stack

RAIN, PET, ICE, FROZEN, MOISTURE = (v.name for v in Cfe.description.inputs)
HOUR_S = 3600.0

#: A soil that holds 0.8 m, 0.1 m of it beyond the reach of plants; numbers as in the file.
KEYS = {
    "forcing_file": "BMI",
    "surface_partitioning_scheme": "Schaake",
    "soil_params.depth": 2.0,
    "soil_params.b": 4.0,
    "soil_params.satdk": 2e-6,
    "soil_params.satpsi": 0.1,
    "soil_params.slop": 0.5,
    "soil_params.smcmax": 0.4,
    "soil_params.wltsmc": 0.05,
    "soil_params.expon": 1.0,
    "soil_params.expon_secondary": 1.0,
    "refkdt": 3.0,
    "max_gw_storage": 0.1,
    "Cgw": 0.001,
    "expon": 2.0,
    "gw_storage": 0.5,
    "alpha_fc": 0.33,
    "soil_storage": 0.25,
    "K_nash": 0.25,
    "K_lf": 0.01,
    "nash_storage": "0.004,0.008",
    "giuh_ordinates": "0.5,0.25,0.25",
    "verbosity": 0,
}
XINANJIANG = {
    "surface_partitioning_scheme": "Xinanjiang",
    "a_Xinanjiang_inflection_point_parameter": 0.1,
    "b_Xinanjiang_shape_parameter": 0.5,
    "x_Xinanjiang_shape_parameter": 2.0,
    "urban_decimal_fraction": 0.2,
}
FULL = 0.8
WILTING = 0.1


def field_capacity():
    """Water held at field capacity [m]: about 0.321."""
    omega = 0.33 * 101325 / 9810 - 0.5
    return 0.4 * (1 / 0.1) ** (-1 / 4) * ((omega + 2.0) ** 0.75 - omega**0.75) / 0.75


FIELD = field_capacity()


def cfe(**changed):
    """A CFE of one catchment; keys are those of the file, dots written as two underscores."""
    keys = {**KEYS, **{key.replace("__", "."): value for key, value in changed.items()}}
    config = parse(Cfe.schema, "\n".join(f"{key}={value}" for key, value in keys.items()))
    assert [p for p in config.problems if p.fatal] == []
    return Cfe(stack(Cfe.schema, [config]), 1)


def step(model, rain_mm=0.0, pet_m=0.0, **more):
    """Outputs of one step with *rain_mm* [mm] and potential evaporation *pet_m* [m]."""
    given = {RAIN: rain_mm, PET: pet_m / HOUR_S, ICE: 0.0, FROZEN: 0.0, MOISTURE: 0.0, **more}
    for name, value in given.items():
        model.set_value(name, np.array([value]))
    model.update()
    return {name: float(model.get_value_ptr(name)[0]) for name in model.get_output_var_names()}


def near(value):
    """Equal but for rounding."""
    return pytest.approx(value, rel=1e-12, abs=1e-16)


def drained(soil):
    """Percolation and lateral flow [m] of a soil holding *soil* [m]."""
    above = soil - FIELD
    if above <= 0.0:
        return 0.0, 0.0
    percolation = min(2e-6 * 0.5 * HOUR_S * above / (FULL - FIELD), above)
    return percolation, min(0.01 * above / (FULL - FIELD), above - percolation)


def schaake(water, deficit, satdk=2e-6):
    """Infiltration [m]."""
    capacity = deficit * (1 - math.exp(-3.0 * satdk / 2e-6 / 24))
    return water * capacity / (water + capacity)


def test_field_capacity_is_the_integral_over_the_soil_column():
    assert field_capacity() == pytest.approx(0.3210721353, rel=1e-9)  # m, of 0.8 m
    out = step(cfe(soil_storage=(FIELD - 1e-9) / FULL))
    assert (out["SOIL_TO_GW_FLUX"], out["SOIL_STORAGE_CHANGE"]) == (0.0, 0.0)
    assert step(cfe(soil_storage=(FIELD + 1e-6) / FULL))["SOIL_TO_GW_FLUX"] > 0.0


def test_rain_below_potential_evaporation_is_all_evaporated():
    """1 mm of rain and 3 mm of potential: the other 2 mm ask the soil, dry half-way to field capacity."""
    soil = (WILTING + FIELD) / 2
    out = step(cfe(soil_storage=soil / FULL), rain_mm=1.0, pet_m=0.003)
    assert out["ACTUAL_ET"] == near(0.001 + 0.002 / 2)
    assert out["POTENTIAL_ET"] == near(0.003)
    assert out["DIRECT_RUNOFF"] == 0.0
    assert out["SOIL_STORAGE"] == near(soil - 0.001)
    assert out["SOIL_STORAGE_CHANGE"] == near(-0.001)
    assert out["RAIN_RATE"] == 1.0


def test_rain_above_potential_evaporation_leaves_the_rest():
    out = step(cfe(), rain_mm=5.0, pet_m=0.002)
    infiltrated = schaake(0.003, FULL - 0.2)
    assert out["ACTUAL_ET"] == near(0.002)
    assert out["DIRECT_RUNOFF"] == near(0.003 - infiltrated)
    assert out["SOIL_STORAGE"] == near(0.2 + infiltrated)


@pytest.mark.parametrize(
    ("soil", "evaporated"),
    [
        pytest.param(WILTING, 0.0, id="at wilting point"),
        pytest.param(WILTING / 2, 0.0, id="below wilting point"),
        pytest.param(WILTING + 0.25 * (FIELD - WILTING), 0.001, id="a quarter of the way up"),
        pytest.param(FIELD + 0.01, 0.004, id="above field capacity"),
    ],
)
def test_the_soil_evaporates_by_its_wetness(soil, evaporated):
    out = step(cfe(soil_storage=soil / FULL), pet_m=0.004)
    assert out["ACTUAL_ET"] == pytest.approx(evaporated, abs=1e-12)


def test_a_soil_above_field_capacity_drains_down_and_sideways():
    soil = FIELD + 0.1
    percolation, lateral = drained(soil)
    out = step(cfe(soil_storage=soil / FULL))
    assert percolation == near(0.0036 * 0.1 / (FULL - FIELD))
    assert out["SOIL_TO_GW_FLUX"] == pytest.approx(percolation, rel=1e-10)
    assert out["SOIL_STORAGE"] == near(soil - percolation - lateral)


def test_percolation_goes_first_and_takes_what_is_there():
    """A very permeable soil: all above field capacity percolates, nothing is left to flow sideways."""
    out = step(cfe(soil_storage=(FIELD + 0.01) / FULL, soil_params__satdk=1e-2, max_gw_storage=1.0))
    assert out["SOIL_TO_GW_FLUX"] == pytest.approx(0.01, rel=1e-9)
    assert out["SOIL_STORAGE"] == near(FIELD)


def test_outlets_bend_with_their_exponents():
    soil, share = FIELD + 0.2, 0.2 / (FULL - FIELD)
    out = step(cfe(soil_storage=soil / FULL, soil_params__expon=2.0, soil_params__expon_secondary=3.0))
    assert out["SOIL_TO_GW_FLUX"] == pytest.approx(0.0036 * share**2, rel=1e-9)
    assert soil - out["SOIL_STORAGE"] == pytest.approx(0.0036 * share**2 + 0.01 * share**3, rel=1e-9)


def test_percolation_into_full_groundwater_stays_in_the_soil():
    soil = FIELD + 0.2
    model = cfe(soil_storage=soil / FULL, gw_storage=0.999, Cgw=0.0)
    out = step(model)
    lateral = drained(soil)[1]
    assert out["SOIL_TO_GW_FLUX"] == near(0.1 - 0.0999)
    assert out["GW_STORAGE"] == near(0.1)
    assert out["SOIL_STORAGE"] == near(soil - 0.0001 - lateral)


def test_base_flow_is_exponential():
    base = 0.001 * (math.exp(2.0 * 0.5) - 1)
    out = step(cfe())
    assert out["DEEP_GW_TO_CHANNEL_FLUX"] == near(base)
    assert out["GW_STORAGE"] == near(0.05 - base)


def test_base_flow_above_storage_takes_all_there_is():
    out = step(cfe(Cgw=1.0))
    assert out["DEEP_GW_TO_CHANNEL_FLUX"] == near(0.05)
    assert out["GW_STORAGE"] == 0.0


def overflowing(**changed):
    """A nearly full soil that takes in whatever falls: Xinanjiang with x = 0; 0.8 mm of room are left."""
    free = {**XINANJIANG, "x_Xinanjiang_shape_parameter": 0.0, "urban_decimal_fraction": 0.0}
    return cfe(**free, soil_storage=0.999, K_lf=0.0, max_gw_storage=10.0, gw_storage=0.0, **changed)


def test_infiltration_above_the_deficit_is_counted_twice():
    """The soil is set to full, and what it had room for is then added once more."""
    model = overflowing(soil_params__slop=0.0)
    out = step(model, rain_mm=50.0)
    deficit = FULL - 0.999 * FULL
    assert out["DIRECT_RUNOFF"] == near(0.05 - deficit)
    assert out["SOIL_STORAGE"] == near(FULL + deficit)
    assert float(model.made()[0]) == near(deficit), "it owns up to the water it made"


def test_schaake_never_infiltrates_more_than_the_deficit():
    out = step(cfe(soil_storage=0.999, soil_params__slop=0.0, K_lf=0.0), rain_mm=50.0)
    infiltrated = schaake(0.05, 0.0008)
    assert infiltrated < 0.0008
    assert out["SOIL_STORAGE"] == near(0.7992 + infiltrated)


def test_a_soil_fuller_than_full_lets_nothing_in():
    """A negative deficit: all rain runs off, and what the soil holds too much besides."""
    model = cfe(soil_storage=1.001, soil_params__slop=0.0, K_lf=0.0)
    out = step(model, rain_mm=10.0)
    deficit = FULL - 1.001 * FULL
    assert deficit < 0
    assert out["DIRECT_RUNOFF"] == near(0.01 - deficit)  # infiltration, 0, is above the deficit
    assert out["SOIL_STORAGE"] == near(FULL + deficit), "what was too much leaves twice"


def test_percolation_of_the_step_before_above_the_deficit_runs_off():
    """A known oddity, in the dry: what the soil held above full runs off, and the room it has is filled."""
    model = overflowing()
    percolated = step(model, rain_mm=50.0)["SOIL_TO_GW_FLUX"]
    above_full = FULL - 0.999 * FULL
    assert percolated == near(0.0036 * (FULL + above_full - FIELD) / (FULL - FIELD))
    room = percolated - above_full
    out = step(model)
    assert out["DIRECT_RUNOFF"] == near(percolated - room)
    assert out["SOIL_TO_GW_FLUX"] == near(0.0036), "it drains as a full soil does"
    assert out["SOIL_STORAGE"] == near(FULL - 0.0036)
    assert float(model.made()[0]) == near(above_full + percolated)


@pytest.mark.parametrize(("ice", "frozen"), [(0.005, False), (0.02, True), (0.3, True)])
def test_ice_keeps_water_out_where_soil_freezing_is_coupled(ice, frozen):
    """a = 3 frzx / ice with frzx = 0.15 (0.4 / theta_fc) (0.412 / 0.468); 1 - exp(-a) (1 + a + a^2 / 2)."""
    a = 3 * 0.15 * (0.4 / (FIELD / 2.0)) * (0.412 / 0.468) / ice
    factor = 1 - math.exp(-a) * (1 + a + a * a / 2) if frozen else 1.0
    infiltrated = schaake(0.01, FULL - 0.2) * factor
    coupled = step(cfe(is_sft_coupled=1, ice_content_threshold=0.15), rain_mm=10.0, **{ICE: ice})
    assert coupled["DIRECT_RUNOFF"] == near(0.01 - infiltrated)
    assert coupled["SOIL_STORAGE"] == near(0.2 + infiltrated)
    alone = step(cfe(), rain_mm=10.0, **{ICE: ice})
    assert alone["SOIL_STORAGE"] == near(0.2 + schaake(0.01, FULL - 0.2))


def xinanjiang(water, soil, impervious):
    """Runoff [m], with a = 0.1, b = 0.5, x = 2."""
    free, tension = max(soil - FIELD, 0.0), min(soil, FIELD)
    dry = 1 - tension / FIELD
    below, above = (0.5 - 0.1) ** (1 - 0.5) * dry**0.5, 1 - (0.5 + 0.1) ** (1 - 0.5) * dry**0.5
    share = below if 1 - dry <= 0.5 - 0.1 else above
    saturated = 1 - (1 - free / (FULL - FIELD)) ** 2
    return (1 - impervious) * water * share * saturated + impervious * water


@pytest.mark.parametrize(
    "soil",
    [
        pytest.param(0.3 * FIELD, id="dry: below the inflection point"),
        pytest.param(0.7 * FIELD, id="moist: above the inflection point"),
        pytest.param(FIELD + 0.1, id="wet: free water too"),
    ],
)
@pytest.mark.parametrize(("more", "frozen"), [({}, 0.0), ({"is_sft_coupled": 1}, 0.4)])
def test_xinanjiang_has_three_kinds_of_ground(soil, more, frozen):
    out = step(cfe(**XINANJIANG, soil_storage=soil / FULL, **more), rain_mm=10.0, **{FROZEN: 0.4})
    impervious = 0.95 * 0.2 + 0.8 * frozen
    assert out["DIRECT_RUNOFF"] == pytest.approx(xinanjiang(0.01, soil, impervious), rel=1e-9)
    assert out["SURF_RUNOFF_SCHEME"] == 2.0


def test_surface_runoff_leaves_by_the_unit_hydrograph():
    """All of 8 mm runs off a soil that lets nothing in: half, a quarter, a quarter, nothing."""
    model = cfe(soil_params__satdk=0.0)
    left = [step(model, rain_mm=rain)["GIUH_RUNOFF"] for rain in (8.0, 0.0, 4.0, 0.0, 0.0, 0.0)]
    assert left == [near(x) for x in (0.004, 0.002, 0.002 + 0.002, 0.001, 0.001, 0.0)]


def test_the_cascade_passes_a_share_of_what_each_reservoir_held():
    """4 and 8 mm, a quarter leaves each hour: 2 mm leave, then a quarter of 8 - 2 + 1."""
    model = cfe(soil_params__satdk=0.0)
    left = [step(model)["NASH_LATERAL_RUNOFF"] for _ in range(3)]
    assert left == [near(0.002), near(0.25 * 0.007), near(0.25 * (0.75 * 0.007 + 0.25 * 0.003))]


def test_flow_out_is_the_sum_of_three():
    out = step(cfe(soil_storage=0.6), rain_mm=20.0)
    parts = ("GIUH_RUNOFF", "NASH_LATERAL_RUNOFF", "DEEP_GW_TO_CHANNEL_FLUX")
    assert min(out[name] for name in parts) > 0.0
    assert out["Q_OUT"] == near(sum(out[name] for name in parts))


def test_roots_evaporate_by_the_moisture_of_their_deepest_layer():
    """Layer 2 is 0.3 m thick; its field capacity is 0.4 (33.4 kPa over psi)^(-1/b), about 0.171."""
    field = 0.4 * (0.33 * 101325 / (9810 * 0.1)) ** (-1 / 4)
    keys = {"aet_rootzone": 1, "soil_layer_depths": "0.1,0.4,2.0", "max_rootzone_layer": 2}
    for moisture, share in ((0.04, 0.0), ((0.05 + field) / 2, 0.5), (0.3, 1.0)):
        out = step(cfe(**keys), pet_m=0.002, **{MOISTURE: moisture})
        assert out["ACTUAL_ET"] == near(0.002 * share), moisture
    thirsty = step(cfe(**keys), pet_m=0.2, **{MOISTURE: 0.3})
    assert thirsty["ACTUAL_ET"] == near(0.3 * 0.3), "no more than is there"


# -- configuration -------------------------------------------------------------------


def test_newer_spellings_give_equal_numbers(data, tmp_path):
    """The file that NextGen In A Box writes, and the same with the keys that ngen 0.3.0 reads."""
    golden = json.loads((data / "configs/ngiab_golden/config/cat-1555522.json").read_text())
    newer = golden["cat_config/CFE/cat-1555522.ini"]
    older = newer
    for new, old in (
        ("surface_water_partitioning_scheme", "surface_partitioning_scheme"),
        ("surface_runoff_scheme=GIUH\n", ""),
        ("K_nash_subsurface", "K_nash"),
        ("nash_storage_subsurface", "nash_storage"),
        ("soil_params.depth", "soil_params.D"),
        ("soil_params.b=", "soil_params.bb="),
        ("soil_params.slop", "soil_params.slope"),
        ("soil_params.smcmax", "soil_params.maxsmc"),
        ("refkdt", "soil_params.refkdt"),
    ):
        assert new in older, new
        older = older.replace(new, old)
    outs = []
    for name, text in (("newer", newer), ("older", older)):
        (tmp_path / name).write_text(text)
        model = Cfe()
        model.initialize(str(tmp_path / name))
        outs.append([step(model, rain_mm=12.0, pet_m=0.0001) for _ in range(30)])
    assert outs[0] == outs[1]
    assert outs[0][0]["RAIN_RATE"] == 12.0


def test_a_missing_key_is_refused_with_its_name(tmp_path):
    path = tmp_path / "cfe.ini"
    path.write_text("".join(f"{key}={value}\n" for key, value in KEYS.items() if key != "soil_params.b"))
    with pytest.raises(ConfigError, match=r"soil_params\.b is missing"):
        Cfe().initialize(str(path))


def test_a_percent_sign_is_refused():
    config = parse(Cfe.schema, "".join(f"{k}={'50%' if k == 'gw_storage' else v}\n" for k, v in KEYS.items()))
    assert [p.key for p in config.problems if p.fatal] == ["gw_storage"]


# -- model_params --------------------------------------------------------------------

#: Every parameter that model_params may set, and the key of the file it replaces.
IN_FILE = {
    "maxsmc": "soil_params.smcmax",
    "satdk": "soil_params.satdk",
    "slope": "soil_params.slop",
    "b": "soil_params.b",
    "Klf": "K_lf",
    "Kn": "K_nash",
    "Cgw": "Cgw",
    "expon": "expon",
    "satpsi": "soil_params.satpsi",
    "wltsmc": "soil_params.wltsmc",
    "alpha_fc": "alpha_fc",
    "refkdt": "refkdt",
    "a_Xinanjiang_inflection_point_parameter": "a_Xinanjiang_inflection_point_parameter",
    "b_Xinanjiang_shape_parameter": "b_Xinanjiang_shape_parameter",
    "x_Xinanjiang_shape_parameter": "x_Xinanjiang_shape_parameter",
}
#: This soil is too wet for the wilting point; and what a and b shape is nothing below field capacity
#: (no free water, so a factor of 0) and 1 above it (the tension water is full).
WITHOUT_EFFECT = {
    "wltsmc",
    "a_Xinanjiang_inflection_point_parameter",
    "b_Xinanjiang_shape_parameter",
}
NOT_AS_IN_FILE = {"max_gw_storage", "N_nash"}


def applied(name, value, **keys):
    """A CFE that starts with one parameter set, as the engine does it."""
    parameters = cfe(**keys).parameters
    assert Cfe.apply(parameters, name, np.array([value]))
    return Cfe(parameters, 1)


def set_later(name, value, **keys):
    """A CFE of which one parameter is set by BMI after it was initialized."""
    model = cfe(**keys)
    model.set_value(name, np.array([value]))
    return model


def test_every_parameter_is_tested_here():
    assert {v.name for v in Cfe.description.parameters} == set(IN_FILE) | NOT_AS_IN_FILE


@pytest.mark.parametrize("way", [applied, set_later])
@pytest.mark.parametrize("name", IN_FILE)
def test_a_parameter_set_is_as_if_the_file_had_it(name, way):
    keys = {**XINANJIANG, "soil_storage": 0.6}
    if name == "refkdt":  # Schaake's own
        keys = {"soil_storage": 0.6}
    value = float(({**KEYS, **keys})[IN_FILE[name]]) * 1.25
    one, other, unset = way(name, value, **keys), cfe(**{**keys, IN_FILE[name]: value}), cfe(**keys)
    assert float(one.get_value(name, np.empty(1))[0]) == value
    steps = [[step(m, rain_mm=9.0, pet_m=0.0002) for _ in range(4)] for m in (one, other, unset)]
    assert steps[0] == steps[1]
    assert (steps[0] == steps[2]) == (name in WITHOUT_EFFECT)


@pytest.mark.parametrize("name", ["maxsmc", "satdk", "slope", "b", "Klf", "satpsi", "wltsmc", "alpha_fc"])
def test_a_soil_parameter_starts_the_soil_again(name):
    model = cfe(soil_storage=0.9)
    for _ in range(10):
        step(model, pet_m=0.001)
    ground = float(model.get_value_ptr("GW_STORAGE")[0])
    assert float(model.get_value_ptr("SOIL_STORAGE")[0]) < 0.72 - 0.005
    now = float(model.get_value(name, np.empty(1))[0])
    model.set_value(name, np.array([now]))
    out = step(model)
    assert out["SOIL_STORAGE"] - out["SOIL_STORAGE_CHANGE"] == near(0.72)
    gained = out["SOIL_TO_GW_FLUX"] - out["DEEP_GW_TO_CHANNEL_FLUX"]
    assert out["GW_STORAGE"] == near(ground + gained), "groundwater goes on as it was"


@pytest.mark.parametrize("name", ["Cgw", "expon", "Kn", "refkdt", "max_gw_storage", "N_nash"])
def test_other_parameters_leave_the_soil_as_it_is(name):
    model = cfe(soil_storage=0.9)
    step(model, pet_m=0.001)
    held = float(model.get_value_ptr("SOIL_STORAGE")[0])
    model.set_value(name, np.array([3.0]))
    out = step(model)
    assert out["SOIL_STORAGE"] - out["SOIL_STORAGE_CHANGE"] == near(held)


@pytest.mark.parametrize("way", [applied, set_later])
def test_more_room_for_groundwater_leaves_the_groundwater(way):
    """0.05 m of 0.1 m become 0.05 m of 0.2 m: base flow is exp(2 / 4) - 1 instead of exp(1) - 1."""
    out = step(way("max_gw_storage", 0.2))
    base = 0.001 * (math.exp(0.5) - 1)
    assert out["DEEP_GW_TO_CHANNEL_FLUX"] == near(base)
    assert out["GW_STORAGE"] == near(0.05 - base)


@pytest.mark.parametrize("way", [applied, set_later])
def test_another_number_of_nash_reservoirs_empties_them(way):
    """Three empty reservoirs: a quarter cubed of the first hour's lateral flow comes out in the fourth."""
    model = way("N_nash", 3.0, soil_storage=(FIELD + 0.1) / FULL)
    outs = [step(model) for _ in range(4)]
    lateral = drained(FIELD + 0.1)[1]
    assert [out["NASH_LATERAL_RUNOFF"] for out in outs[:3]] == [0.0, 0.0, 0.0]
    assert outs[3]["NASH_LATERAL_RUNOFF"] == pytest.approx(lateral / 64, rel=1e-9)


def test_an_unknown_parameter_is_not_applied():
    assert not Cfe.apply({}, "soil_colour", np.array([1.0]))
