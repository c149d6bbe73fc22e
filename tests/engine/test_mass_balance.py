"""Whatever the soil and the weather, CFE loses no water, and owns up to what it makes."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dmod.engine.modules.cfe import Cfe
from dmod.model.configs import parse, stack

RAIN, PET, ICE, FROZEN, _ = (v.name for v in Cfe.description.inputs)
STEPS = 120
TOLERANCE = 1e-10

fractions = st.floats(0.0, 1.0)


def shares(weights):
    """Weights as ordinates that sum to one in binary, exactly: whole 1024ths."""
    cut = np.round(1024 * np.cumsum(weights) / np.sum(weights))
    return np.diff(cut, prepend=0.0) / 1024


@st.composite
def soils(draw, *, scheme, overflows=True):
    """The text of a configuration file of any soil that the check lets pass."""
    keys = {
        "forcing_file": "BMI",
        "surface_partitioning_scheme": scheme,
        "soil_params.depth": draw(st.floats(1.0, 3.0)),
        "soil_params.b": draw(st.floats(2.0, 12.0)),
        "soil_params.satdk": 10 ** draw(st.floats(-9.0, -4.0)),
        "soil_params.satpsi": draw(st.floats(0.05, 0.5)),
        "soil_params.slop": draw(fractions),
        "soil_params.smcmax": draw(st.floats(0.3, 0.6)),
        "soil_params.wltsmc": draw(st.floats(0.0, 0.2)),
        "soil_params.expon": draw(st.floats(0.5, 3.0)),
        "soil_params.expon_secondary": draw(st.floats(0.5, 3.0)),
        "refkdt": draw(st.floats(0.1, 5.0)),
        "max_gw_storage": 10 ** draw(st.floats(-3.0, 0.0)),
        "Cgw": 10 ** draw(st.floats(-6.0, -1.0)),
        "expon": draw(st.floats(0.5, 8.0)),
        "gw_storage": draw(fractions),
        "alpha_fc": 0.33,
        "soil_storage": draw(st.floats(0.0, 1.0 if overflows else 0.99)),
        "K_nash": draw(fractions),
        "K_lf": draw(st.floats(0.0, 0.1)),
        "nash_storage": ",".join(map(str, draw(st.lists(st.floats(0.0, 0.01), min_size=2, max_size=6)))),
        "giuh_ordinates": ",".join(map(str, shares(draw(st.lists(st.floats(0.1, 1.0), min_size=1))[:8]))),
        "is_sft_coupled": int(draw(st.booleans())),
        "ice_content_threshold": 0.15,
        "verbosity": 0,
    }
    if scheme == "Xinanjiang":
        keys["a_Xinanjiang_inflection_point_parameter"] = draw(st.floats(-0.4, 0.4))
        keys["b_Xinanjiang_shape_parameter"] = draw(st.floats(0.1, 2.0))
        keys["x_Xinanjiang_shape_parameter"] = draw(st.floats(0.0, 2.0))
        keys["urban_decimal_fraction"] = draw(fractions)
    text = "".join(f"{key}={value}\n" for key, value in keys.items())
    assume(not any(problem.fatal for problem in parse(Cfe.schema, text).problems))
    return text


@st.composite
def runs(draw, *, scheme, overflows=True):
    """Some catchments, and hourly weather for them with dry and wet spells."""
    texts = draw(st.lists(soils(scheme=scheme, overflows=overflows), min_size=1, max_size=3))
    chance = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (len(texts), STEPS)
    wet = chance.random(shape) < draw(fractions)
    weather = {
        RAIN: np.where(wet, chance.gamma(0.5, draw(st.floats(0.1, 60.0)), shape), 0.0),
        PET: np.maximum(chance.normal(0.0, draw(st.floats(0.0, 3e-7)), shape), 0.0),
        ICE: chance.uniform(0.0, 0.5, shape),
        FROZEN: chance.uniform(0.0, 1.0, shape),
    }
    return texts, weather


def started(texts):
    """A CFE with a catchment for each text."""
    return Cfe(stack(Cfe.schema, [parse(Cfe.schema, text) for text in texts]), len(texts))


def balance(run):
    """What came, what left, what was gained and what was made, each [m], shape (catchments,)."""
    texts, weather = run
    model = started(texts)
    before = model.stored()
    for name, block in weather.items():
        model.set_block(name, block)
    model.update_block(STEPS)
    came = weather[RAIN].sum(axis=1) / 1000.0
    left = (model.get_block("ACTUAL_ET") + model.get_block("Q_OUT")).sum(axis=1)
    return came, left, model.stored() - before, model.made(), before


def closes(run):
    """Whether rain - evaporation - outflow - gain + made is nothing, to 1e-10 of what passed."""
    came, left, gained, made, before = balance(run)
    return (np.abs(came - left - gained + made) <= TOLERANCE * (came + np.abs(made) + before)).all()


quick = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(runs(scheme="Schaake"))
def test_schaake_keeps_all_water(run):
    assert closes(run)


@quick
@given(runs(scheme="Xinanjiang"))
def test_xinanjiang_keeps_all_water(run):
    assert closes(run)


@quick
@given(runs(scheme="Schaake", overflows=False))
def test_nothing_is_made_where_the_soil_never_overflows(run):
    """Schaake's infiltration is always below the deficit, so a soil that starts below full stays there."""
    assert balance(run)[3].tolist() == [0.0] * len(run[0])


def plain(**changed):
    """A CFE of one catchment that starts at rest, a quarter full."""
    keys = {
        "forcing_file": "BMI", "surface_partitioning_scheme": "Schaake", "verbosity": 0,
        "soil_params.depth": 2, "soil_params.b": 4, "soil_params.satdk": 0, "soil_params.satpsi": 0.1,
        "soil_params.slop": 0.5, "soil_params.smcmax": 0.4, "soil_params.wltsmc": 0.05, "max_gw_storage": 0.1,
        "Cgw": 0, "expon": 2, "gw_storage": 0.5, "alpha_fc": 0.33, "soil_storage": 0.25,
        "K_nash": 0.25, "K_lf": 0, **changed,
    }  # fmt: skip
    return started(["".join(f"{key}={value}\n" for key, value in keys.items())])


def test_nothing_is_made_of_ordinates_that_sum_to_one_but_for_rounding():
    """0.7 + 0.2 + 0.1 is 0.9999999999999999 in binary; people mean one."""
    model = plain(giuh_ordinates="0.7,0.2,0.1")
    model.set_block(RAIN, np.full((1, 1), 8.0))
    model.update_block(STEPS)
    assert model.get_block("Q_OUT").sum() > 0.9
    assert model.made().tolist() == [0.0]


def test_lost_ordinates_are_owned_up_to():
    """Ordinates of 0.5 and 0.25: a quarter of the surface runoff vanishes, and made() says so."""
    model = plain(giuh_ordinates="0.5,0.25")
    model.set_block(RAIN, np.array([[8.0, 0.0, 0.0]]))
    model.update_block(3)
    assert model.get_block("Q_OUT").tolist() == [[0.004, 0.002, 0.0]]
    assert model.made().tolist() == [-0.002]
