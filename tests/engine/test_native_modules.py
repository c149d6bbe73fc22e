"""CFE, PET and SLoTH hold the contract of modules, in every way they can be set up."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from dmod.engine.modules.cfe import Cfe
from dmod.engine.modules.pet import Pet
from dmod.engine.modules.sloth import Sloth
from dmod.model.configs import parse, stack
from dmod.model.module import ModuleSpec
from dmod.testing.modules import ModuleContract

SOIL = """
forcing_file=BMI
soil_params.depth=1.5
soil_params.b=5.0
soil_params.satdk={satdk}
soil_params.satpsi=0.2
soil_params.slop=0.6
soil_params.smcmax=0.45
soil_params.wltsmc=0.08
max_gw_storage=0.06
Cgw=0.0005
expon=6
gw_storage=0.4
alpha_fc=0.33
soil_storage={soil}
K_nash=0.07
K_lf=0.02
verbosity=0
"""
SCHAAKE = "surface_partitioning_scheme=Schaake\nrefkdt=2.0\n"
XINANJIANG = """surface_partitioning_scheme=Xinanjiang
a_Xinanjiang_inflection_point_parameter=-0.2
b_Xinanjiang_shape_parameter=0.6
x_Xinanjiang_shape_parameter=0.4
urban_decimal_fraction=0.1
"""
GIUH = ("0.5,0.3,0.2", "1.0", "0.1,0.2,0.4,0.15,0.05,0.05,0.05")
NASH = "nash_storage=0.001,0.002\n"
#: A soil that drains slowly, one that drains fast, one that is full.
SOILS = tuple(SOIL.format(satdk=k, soil=s) for k, s in ((1e-7, 0.6), (2e-5, 0.7), (3e-6, 0.999)))


def stacked(module, texts):
    """Parameters of one catchment per text, all of them without fatal problems."""
    configs = [parse(module.schema, text) for text in texts]
    assert [p for c in configs for p in c.problems if p.fatal] == []
    return stack(module.schema, configs)


class CfeContract(ModuleContract):
    """Six catchments: three soils, each once more as *other* says."""

    module = Cfe
    one: ClassVar[str] = SCHAAKE + NASH
    other: ClassVar[str] = SCHAAKE + NASH
    water_in: ClassVar[dict[str, float]] = {"RAIN_RATE": 1e-3}
    water_out: ClassVar[dict[str, float]] = {"ACTUAL_ET": 1.0, "Q_OUT": 1.0}

    def make(self):
        texts = [
            f"{soil}{kind}giuh_ordinates={giuh}\n"
            for kind in (self.one, self.other)
            for soil, giuh in zip(SOILS, GIUH, strict=True)
        ]
        rain, pet, ice, frozen, moisture = Cfe.description.inputs
        chance = np.random.default_rng(7)
        shape = (6, 60)
        inputs = {
            rain.name: np.where(chance.random(shape) < 0.4, chance.gamma(0.5, 12.0, shape), 0.0),
            pet.name: np.maximum(chance.normal(3e-8, 4e-8, shape), 0.0),
            ice.name: chance.uniform(0.0, 0.3, shape),
            frozen.name: chance.uniform(0.0, 0.6, shape),
            moisture.name: chance.uniform(0.0, 0.45, shape),
        }
        return Cfe(stacked(Cfe, texts), 6), inputs


class TestSchaake(CfeContract):
    pass


class TestXinanjiang(CfeContract):
    one = other = XINANJIANG + NASH


class TestBothSchemesSideBySide(CfeContract):
    other = XINANJIANG + NASH


class TestManyNashReservoirs(CfeContract):
    one = SCHAAKE + "N_nash=12\n"
    other = SCHAAKE + "nash_storage=0.001,0,0.003,0,0.0005\n"


class TestOneNashReservoir(CfeContract):
    one = SCHAAKE + "N_nash=1\n"
    other = SCHAAKE + "N_nash=3\n"


class TestFrozenSoil(CfeContract):
    one = SCHAAKE + NASH + "is_sft_coupled=1\nice_content_threshold=0.15\n"
    other = XINANJIANG + NASH + "is_sft_coupled=1\n"


class TestRootZone(CfeContract):
    other = SCHAAKE + NASH + "aet_rootzone=1\nsoil_layer_depths=0.1,0.4,1.5\nmax_rootzone_layer=2\n"


class PetContract(ModuleContract):
    """Three catchments with one *method*, weather in *precision*."""

    module = Pet
    method: ClassVar[int] = 1
    precision: ClassVar[type] = np.float64

    def make(self):
        text = (
            "forcing_file=BMI\npet_method={m}\nwind_speed_measurement_height_m=10\nhumidity_measurement_height_m=2\n"
            "zero_plane_displacement_height_m={d}\nsurface_longwave_emissivity={e}\nsurface_shortwave_albedo=0.2\n"
            "momentum_transfer_roughness_length_m={z}\nheat_transfer_roughness_length_m={z}\n"
        )
        ways = ((0.0003, 1.0, 0.0), (0.4, 0.97, 0.05), (0.1, 1.0, 0.01))
        texts = [text.format(m=self.method, d=d, e=e, z=z) for d, e, z in ways]
        chance = np.random.default_rng(3)
        low = (250.0, 9.0e4, 0.001, 0.0, 260.0, -6.0, 1.0)
        high = (420.0, 1.02e5, 0.02, 900.0, 310.0, 6.0, 7.0)
        inputs = {
            v.name: chance.uniform(a, b, (3, 40)).astype(self.precision)
            for v, a, b in zip(Pet.description.inputs, low, high, strict=True)
        }
        return Pet(stacked(Pet, texts), 3), inputs


class TestEnergyBalance(PetContract):
    pass


class TestAerodynamic(PetContract):
    method = 2


class TestCombination(PetContract):
    method = 3


class TestPriestleyTaylor(PetContract):
    method = 4


class TestPenmanMonteith(PetContract):
    method = 5


class TestCombinationOfSinglePrecision(PetContract):
    method = 3
    precision = np.float32


class TestPenmanMonteithOfSinglePrecision(PetContract):
    method = 5
    precision = np.float32


class TestSloth(ModuleContract):
    module = Sloth
    spec = ModuleSpec("bmi_c++", "SLoTH", params={"ice(1,double,m,node)": 0.25, "wet(1,double,1,node)": 1.0})


def advanced(contract, precision):
    """The outputs of a PET contract's module with weather rounded to single, given in *precision*."""
    module, inputs = contract.make()
    for name, block in inputs.items():
        module.set_block(name, block.astype(np.float32).astype(precision))
    module.update_block(40)
    return module.get_block("water_potential_evaporation_flux").copy()


@pytest.mark.parametrize(
    "contract", [TestEnergyBalance, TestAerodynamic, TestCombination, TestPriestleyTaylor, TestPenmanMonteith]
)
def test_single_and_double_precision_of_one_number_give_one_answer(contract):
    assert np.array_equal(advanced(contract(), np.float32), advanced(contract(), np.float64))


def test_sloth_makes_a_constant_of_a_declaring_name_and_changes_it_later():
    sloth = Sloth({}, 2)
    sloth.set_value("ice(1,double,m,node)", np.array([0.5, 1.5]))
    sloth.update_block(7)
    assert sloth.get_output_var_names() == ("ice",)
    assert sloth.get_var_units("ice") == "m"
    assert sloth.get_block("ice").tolist() == [[0.5], [1.5]]
    sloth.set_value("ice", np.array([2.0, 3.0]))
    assert sloth.get_value("ice", np.empty(2)).tolist() == [2.0, 3.0]
    sloth.set_value("wet(1,double,1,node)", np.array([9.0, 8.0]))
    assert sloth.get_block("ice").tolist() == [[2.0], [3.0]], "a new constant leaves the others as they are"


def test_units_of_a_sloth_constant_may_have_blanks():
    """As most units of UDUNITS have."""
    spec = ModuleSpec("bmi_c++", "SLoTH", params={" wind ( 1 , double , m s-1 , node ) ": 1.0})
    (made,) = Sloth.describe(spec).outputs
    assert (made.name, made.units) == ("wind", "m s-1")


def test_setting_one_catchment_leaves_the_others_alone():
    """Among many catchments each is a model of its own: setting one soil restarts that one only."""
    cfe, inputs = TestSchaake().make()
    for name, block in inputs.items():
        cfe.set_block(name, block)
    cfe.update_block(60)
    before = cfe.stored()
    cfe.set_value_at_indices("maxsmc", np.array([1]), np.array([0.5]))
    after = cfe.stored()
    assert np.array_equal(np.delete(after, 1), np.delete(before, 1))
    assert after[1] != before[1]
