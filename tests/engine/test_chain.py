"""A chain of modules on a tiny river: links, units, feedback, columns."""

from __future__ import annotations

import numpy as np
import pytest

from dmod.errors import CheckError
from dmod.model import coupling
from dmod.testing.rivers import MODULES, multi, paved_flow, run_here, tiny_run_directory
from dmod.units import Conversion, conversion

SLOTH, PET, CFE = (MODULES[name] for name in ("sloth", "pet", "cfe"))
PET_OUT = "water_potential_evaporation_flux"


def changed(module, **params):
    """An entry of MODULES with other params; maps are joined."""
    joined = {
        key: {**module["params"].get(key, {}), **value} if isinstance(value, dict) else value
        for key, value in params.items()
    }
    return {**module, "params": {**module["params"], **joined}}


def run(path, formulation, **options):
    return run_here(tiny_run_directory(path, formulation=formulation, **options))


def flows(dataset):
    return dataset["nexus_flow"].values.tolist()


def codes(error):
    """What the check found wrong."""
    return {finding.code for finding in error.value.report.errors}


# -- names ---------------------------------------------------------------------------


def test_the_default_river_gives_its_known_answer(tmp_path):
    assert flows(run(tmp_path, None)) == paved_flow(6).tolist()


def test_an_input_is_found_by_its_alias(tmp_path):
    """PET calls its output *thirst*, SLoTH its ice *frost*; CFE asks for them by these names."""
    formulation = multi(
        changed(SLOTH, variables_names_map={"ice_fraction_schaake": "frost"}),
        changed(PET, variables_names_map={PET_OUT: "thirst"}),
        changed(CFE, variables_names_map={PET_OUT: "thirst", "ice_fraction_schaake": "frost"}),
    )
    assert flows(run(tmp_path, formulation)) == paved_flow(6).tolist()


def test_an_alias_hides_the_name(tmp_path):
    """Once PET's output is called *thirst*, nobody gives CFE what it asks for."""
    formulation = multi(SLOTH, changed(PET, variables_names_map={PET_OUT: "thirst"}), CFE)
    with pytest.raises(CheckError) as error:
        run(tmp_path, formulation)
    assert codes(error) == {"input-missing"}
    assert "CFE needs water_potential_evaporation_flux" in str(error.value)


def test_forcing_is_found_by_variable_and_by_standard_name(tmp_path):
    """precip_rate under CFE's own name of it, without a map."""
    bare = {**CFE, "params": {k: v for k, v in CFE["params"].items() if k != "variables_names_map"}}
    assert flows(run(tmp_path, multi(SLOTH, PET, bare))) == paved_flow(6).tolist()


# -- units ---------------------------------------------------------------------------


def test_rain_in_mm_per_second_reaches_cfe_in_mm_per_hour(tmp_path):
    rain = run(tmp_path, None)["RAIN_RATE"]
    assert rain.values.tolist() == [[0.0, 14.0625, 0.0, 0.0, 0.0, 0.0]] * 3
    assert rain.attrs["units"] == "mm h-1"


@pytest.mark.parametrize("budget", [None, 1])
def test_units_are_looked_up_once_per_link_however_many_blocks(tmp_path, monkeypatch, budget):
    """Seven inputs of PET, five of CFE, and the main output; rain alone is multiplied, by 3600."""
    asked = []

    def counted(source, target):
        asked.append(conversion(source, target))
        return asked[-1]

    monkeypatch.setattr(coupling, "conversion", counted)
    run_here(tiny_run_directory(tmp_path), budget_bytes=budget)
    assert len(asked) == 7 + 5 + 1
    assert [c for c in asked if not c.is_identity] == [Conversion(3600.0, 0.0)]


def test_a_link_with_offset_and_slope_is_converted(tmp_path):
    """SLoTH gives 68 degF where PET asks for K: 293.15 K, the weather's own temperature notwithstanding."""
    warm = {"warmth(1,double,degF,node)": 68.0}
    here = {"land_surface_air__temperature": "warmth"}
    sun = {"DSWRF_surface": 512.0}
    own = run(tmp_path / "own", multi(SLOTH, PET, CFE), weather={**sun, "TMP_2maboveground": 293.15},
              pet={"pet_method": "4"})  # fmt: skip
    mixed = multi(changed(SLOTH, model_params=warm), changed(PET, variables_names_map=here), CFE)
    made = run(tmp_path / "made", mixed, weather={**sun, "TMP_2maboveground": 250.0}, pet={"pet_method": "4"})
    assert (own["POTENTIAL_ET"] > 1e-4).all()
    # The weather's own 293.15 K are of single precision.
    np.testing.assert_allclose(made["POTENTIAL_ET"], own["POTENTIAL_ET"], rtol=1e-6)


def test_units_that_do_not_convert_are_refused_or_passed_raw(tmp_path):
    wrong = multi(SLOTH, PET, changed(CFE, variables_names_map={"ice_fraction_schaake": "PRES_surface"}))
    directory = tiny_run_directory(tmp_path, formulation=wrong)
    with pytest.raises(CheckError) as error:
        run_here(directory)
    assert codes(error) == {"units"}
    assert flows(run_here(directory, units="ngen")) == paved_flow(6).tolist()


def test_the_main_output_is_read_as_metres(tmp_path):
    """A rate in mm h-1 is refused; direct runoff is a depth, and gives the river without a hydrograph."""
    with pytest.raises(CheckError) as error:
        run(tmp_path / "rate", multi(SLOTH, PET, CFE, main_output_variable="RAIN_RATE"))
    assert codes(error) == {"units"}
    made = run(tmp_path / "depth", multi(SLOTH, PET, CFE, main_output_variable="DIRECT_RUNOFF"))
    assert flows(made) == [[0.0, 42.1875, 0.0, 0.0, 0.0, 0.0], [0.0, 140.625, 0.0, 0.0, 0.0, 0.0]]


def test_a_main_output_in_other_units_is_converted_to_metres(tmp_path):
    """A constant 5 mm per hour on 10.8 and 36 km2 is 15 and 50 m3/s."""
    sloth = changed(SLOTH, model_params={"sheet(1,double,mm,node)": 5.0})
    made = run(tmp_path, multi(sloth, PET, CFE, main_output_variable="sheet"))
    np.testing.assert_allclose(made["nexus_flow"], [[15.0] * 6, [50.0] * 6], rtol=1e-12)


# -- columns -------------------------------------------------------------------------


def test_columns_are_those_asked_for_under_their_headers(tmp_path):
    formulation = multi(SLOTH, PET, CFE, output_variables=["Q_OUT", PET_OUT], output_header_fields=["flow", "thirst"])
    made = run(tmp_path, formulation, weather={"DSWRF_surface": 512.0})
    assert [str(name) for name in made.data_vars] == ["flow", "thirst", "nexus_flow"]
    assert (made["flow"].attrs["units"], made["thirst"].attrs["units"]) == ("m", "m s-1")
    assert (made["thirst"] > 0).all()
    assert made["flow"].values[0].max() < 14.0625e-3 / 2, "some of the rain evaporates now"


def test_columns_are_all_outputs_of_the_last_module_if_none_are_named(tmp_path):
    made = run(tmp_path, None)
    assert len(made.data_vars) == 13 + 1
    assert "Q_OUT" in made


def test_a_constant_of_sloth_can_be_a_column(tmp_path):
    formulation = multi(SLOTH, PET, CFE, output_variables=["ice_fraction_schaake", "Q_OUT"])
    assert run(tmp_path, formulation)["ice_fraction_schaake"].values.tolist() == [[0.0] * 6] * 3


@pytest.mark.parametrize("forcing", ["netcdf", "csv"])
@pytest.mark.parametrize("budget", [None, 1])
def test_echoed_forcing_is_that_of_the_next_step_and_ends_in_nan(tmp_path, forcing, budget):
    weather = {"TMP_2maboveground": np.arange(280.0, 286.0)}
    formulation = multi(SLOTH, PET, CFE, output_variables=["Q_OUT", "TMP_2maboveground"])
    directory = tiny_run_directory(tmp_path, formulation=formulation, weather=weather, forcing=forcing)
    echoed = run_here(directory, budget_bytes=budget)["TMP_2maboveground"]
    expected = [281.0, 282.0, 283.0, 284.0, 285.0, np.nan]
    np.testing.assert_array_equal(echoed.values, [expected] * 3)
    assert echoed.attrs["units"] == "K"


def test_echoed_forcing_goes_on_where_there_is_more_of_it(tmp_path):
    weather = {"TMP_2maboveground": np.arange(280.0, 288.0)}
    formulation = multi(SLOTH, PET, CFE, output_variables=["Q_OUT", "TMP_2maboveground"])
    made = run(tmp_path, formulation, weather=weather, weather_hours=8)
    assert made["TMP_2maboveground"].values[2].tolist() == [281.0, 282.0, 283.0, 284.0, 285.0, 286.0]


# -- feedback ------------------------------------------------------------------------


def lagged(**params):
    """CFE before PET: it gets the potential evaporation of the hour before."""
    return multi(SLOTH, CFE, PET, output_variables=["POTENTIAL_ET", PET_OUT], **params)


#: Sun that grows by the hour, so that PET does too: 0.75 x 512, 640, ... W/m2 less 118.9.
SUN = {"DSWRF_surface": np.array([512.0, 640.0, 768.0, 896.0, 1024.0, 1152.0])}


def hours_of_pet():
    """PET by energy balance [m/s] of each hour of SUN, by hand."""
    net = 0.75 * SUN["DSWRF_surface"] + 256.0 - 5.67e-8 * 285.15**4
    water = min(1000.0, 1 / (0.0009998492 + 4.9716595e-9 * 22**2))
    return net / (water * (2.501e6 - 2370 * 22))


def test_a_later_output_is_that_of_the_step_before(tmp_path):
    made = run(tmp_path, lagged(), weather=SUN)
    here = hours_of_pet()
    np.testing.assert_allclose(made[PET_OUT], [here] * 3, rtol=1e-12)
    np.testing.assert_allclose(made["POTENTIAL_ET"], [np.append(0.0, here[:-1]) * 3600] * 3, rtol=1e-12)


def test_the_first_step_takes_the_default_output_value(tmp_path):
    """A default of 1e-6 m/s is 3.6 mm in the first hour."""
    formulation = lagged(default_output_values=[{"name": PET_OUT, "value": 1e-6}])
    made = run(tmp_path, formulation, weather=SUN)
    np.testing.assert_allclose(made["POTENTIAL_ET"].values[:, 0], 0.0036, rtol=1e-12)
    np.testing.assert_allclose(made["POTENTIAL_ET"].values[:, 1], hours_of_pet()[0] * 3600, rtol=1e-12)


def test_feedback_does_not_depend_on_blocks(tmp_path):
    formulation = lagged(default_output_values=[{"name": PET_OUT, "value": 1e-6}])
    directory = tiny_run_directory(tmp_path, formulation=formulation, weather=SUN)
    assert run_here(directory).identical(run_here(directory, budget_bytes=1, parts=2))


def test_feed_forward_in_steps_is_feed_forward_in_blocks(tmp_path):
    assert run(tmp_path / "a", None).identical(run_here(tiny_run_directory(tmp_path / "b"), budget_bytes=1))
