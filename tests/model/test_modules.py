"""How a realization names a module, and what is found for it."""

from __future__ import annotations

import pytest

from dmod import plugins
from dmod.engine.modules.cfe import Cfe
from dmod.engine.modules.sloth import Sloth
from dmod.errors import ConfigError
from dmod.model.module import ModuleSpec, ModuleType, find

MODULES = tuple(plugins.load("dmod.modules").found.values())


def found(kind: str = "bmi_c", **named: str) -> str | None:
    """The short name of what is found."""
    module = find(ModuleSpec(kind, "anything", **named), MODULES)
    return None if module is None else module.name


@pytest.mark.parametrize(
    ("named", "name"),
    [
        ({"registration": "register_bmi_cfe"}, "cfe"),
        ({"registration": "register_bmi_pet", "library": "no_such_thing.so"}, "pet"),
        ({"registration": "register_bmi", "library": "libcfebmi.so"}, "cfe"),
        ({"library": "libcfebmi"}, "cfe"),
        ({"library": "/dmod/shared_libs/libcfebmi.so.1.0.0"}, "cfe"),
        ({"library": "./extern/evapotranspiration/cmake_build/libpetbmi.dylib"}, "pet"),
        ({"library": "C:\\models\\petbmi.dll"}, "pet"),
        ({"kind": "bmi_c++", "library": "libslothmodel.so"}, "sloth"),
        ({"kind": "bmi_fortran", "library": "libsurfacebmi.so"}, None),
        ({"registration": "register_bmi_topmodel", "library": "libtopmodelbmi.so"}, None),
        ({}, None),
        ({"kind": "bmi_python", "python_type": "package.module.Class"}, "python"),
        ({"kind": "bmi_python", "registration": "register_bmi_cfe"}, "python"),
    ],
)
def test_registration_first_then_the_library(named, name):
    assert found(**named) == name


def test_an_alias_is_the_name_itself_where_none_is_given():
    spec = ModuleSpec("bmi_c", "CFE", aliases={"rain": "precip_rate"})
    assert (spec.alias("rain"), spec.alias("snow")) == ("precip_rate", "snow")


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.name)
def test_every_module_keeps_the_protocol(module):
    assert isinstance(module, ModuleType)


def test_a_description_finds_its_variables():
    said = Cfe.describe(ModuleSpec("bmi_c", "CFE"))
    assert said.output("Q_OUT").units == "m"
    assert said.input("water_potential_evaporation_flux").units == "m s-1"
    assert said.output("water_potential_evaporation_flux") is said.input("Q_OUT") is None
    assert {"satdk", "Klf", "N_nash"} <= {v.name for v in said.parameters}


def test_sloth_gives_what_its_parameters_declare():
    params = {"ice(1,double,m,node)": 0.0, " smp (1, double, 1, node, alias)": 0.5, "flag(1,int,,node)": 1}
    said = Sloth.describe(ModuleSpec("bmi_c++", "SLOTH", params=params))
    assert [(v.name, v.units) for v in said.outputs] == [("ice", "m"), ("smp", "1"), ("flag", "1")]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("smp", "cannot read the variable 'smp'"),
        ("smp(1,double,1)", "cannot read"),
        ("smp(one,double,1,node)", "cannot read"),
        ("smp(4,double,1,node)", "several values per catchment"),
    ],
)
def test_a_sloth_name_that_means_nothing_says_what_would(name, words):
    with pytest.raises(ConfigError, match=words.replace("(", r"\(")) as caught:
        Sloth.describe(ModuleSpec("bmi_c++", "SLOTH", params={name: 1.0}))
    assert caught.value.hint
