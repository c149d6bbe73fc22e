"""Which module gets which input from where, as ngen decides it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dmod.model.coupling import Chain, couple
from dmod.model.findings import Report
from dmod.model.module import Description, ModuleSpec, Variable
from dmod.model.realization import Formulation

FORCING = {"rain": ("rain", "mm s^-1"), "T2D": ("T2D", "K"), "land_surface_air__temperature": ("T2D", "K")}


def module(title: str, inputs: dict[str, str], outputs: dict[str, str], **aliases: str) -> Any:
    """A module: units by name of what it takes and gives; aliases by BMI name."""
    variables = [tuple(Variable(name, units) for name, units in one.items()) for one in (inputs, outputs)]
    return ModuleSpec("bmi_c", title, aliases=aliases), Description(title, *variables)


def coupled(*modules: Any, units: Any = "strict", main: str = "q", **more: Any) -> tuple[Chain | None, Report]:
    """The chain of some modules."""
    formulation = Formulation(tuple(spec for spec, _ in modules), main, is_multi=len(modules) > 1, **more)
    return couple(formulation, [(d.title.lower(), d) for _, d in modules], FORCING, units=units, file="r.json")


SOIL = module("Soil", {"rain": "mm h-1"}, {"q": "m", "wetness": "1"})


def test_forcing_is_found_by_name_and_by_alias_and_read_once():
    snow = module("Snow", {"land_surface_air__temperature": "degC", "T2D": "K"}, {"q": "m"})
    chain, report = coupled(snow)
    assert report.ok
    first, second = chain.stages[0].links
    assert (first.source.name, first.convert.intercept) == ("T2D", -273.15)
    assert second.convert.is_identity
    assert chain.forcing == ("T2D",)


def test_an_earlier_module_goes_before_the_forcing():
    gauge = module("Gauge", {}, {"caught": "mm h-1"}, caught="wet")
    soil = module("Soil", {"rain": "mm h-1"}, {"q": "m"}, rain="wet")
    chain, _ = coupled(gauge, soil)
    (link,) = chain.stages[1].links
    assert (link.source.kind, link.source.stage, link.source.name, link.lagged) == (
        "module",
        0,
        "caught",
        False,
    )
    assert chain.stages[0].keep == ("caught",)
    assert not chain.feedback


def test_a_later_module_gives_the_value_of_the_step_before():
    plants = module("Plants", {"wetness": "1"}, {"thirst": "mm h-1"})
    chain, report = coupled(plants, SOIL, defaults={"wetness": 0.3})
    assert report.ok
    (link,) = chain.stages[0].links
    assert (link.lagged, link.source.stage, link.default) == (True, 1, 0.3)
    assert chain.feedback


def test_units_are_converted_once_or_refused_or_passed():
    chain, _ = coupled(SOIL)
    assert chain.stages[0].links[0].convert.slope == 3600.0
    hot = module("Soil", {"rain": "K"}, {"q": "m"})
    _, report = coupled(hot)
    (finding,) = report.errors
    assert (finding.code, finding.severity) == ("units", "error")
    assert "'mm s^-1' does not convert into 'K'" in finding.message
    chain, report = coupled(hot, units="ngen")
    assert [f.severity for f in report.findings] == ["warning"]
    assert chain.stages[0].links[0].convert.is_identity


def test_an_input_that_says_no_units_takes_what_comes():
    chain, report = coupled(module("Soil", {"rain": ""}, {"q": "m"}))
    assert report.ok
    assert chain.stages[0].links[0].convert.is_identity


def test_an_input_nobody_gives_names_the_nearest():
    _, report = coupled(module("Soil", {"rain": "mm h-1"}, {"q": "m"}, rain="rainn"))
    (finding,) = report.errors
    assert (finding.code, finding.key) == ("input-missing", "variables_names_map.rain")
    assert finding.message == "Soil needs rain (mapped to rainn), which neither the forcing nor a module gives"
    assert finding.remedy.startswith("did you mean 'rain'?")


def test_two_that_give_one_name_are_refused():
    _, report = coupled(module("A", {}, {"q": "m"}), module("B", {}, {"q": "m"}))
    assert [f.message for f in report.errors] == ["B and A both give 'q'"]
    _, report = coupled(module("A", {}, {"q": "m", "T2D": "K"}))
    assert [f.message for f in report.errors] == ["A and the forcing both give 'T2D'"]
    chain, _ = coupled(module("A", {}, {"q": "m"}, q="a"), module("B", {}, {"q": "m"}))
    assert chain.main.stage == 1


def test_all_outputs_of_the_last_module_are_columns_unless_some_are_named():
    first = module("First", {}, {"melt": "mm"})
    assert [c.header for c in coupled(first, SOIL)[0].columns] == ["q", "wetness"]
    chain, report = coupled(first, SOIL, outputs=("melt", "q"), headers=("snow melt", "flow"))
    assert report.ok
    assert [(c.header, c.units, c.source.stage) for c in chain.columns] == [
        ("snow melt", "mm", 0),
        ("flow", "m", 1),
    ]
    assert (chain.stages[0].keep, chain.stages[1].keep) == (("melt",), ("q",))


def test_an_output_that_is_forcing_is_warned_about():
    chain, report = coupled(SOIL, outputs=("q", "rain"))
    assert [f.code for f in report.warnings] == ["forcing-echo"]
    assert chain.columns[1].source.kind == "forcing"
    assert chain.forcing == ("rain",)


def test_outputs_nobody_gives_are_each_an_error():
    _, report = coupled(SOIL, outputs=("q", "sap", "foam"))
    assert [f.message for f in report.errors] == [
        "no module of Soil gives the output 'sap'",
        "no module of Soil gives the output 'foam'",
    ]


@pytest.mark.parametrize("headers", [("flow", "flow"), ("flow", "time"), ("flow", "nexus_flow"), ("a/b", "c")])
def test_names_of_columns_that_an_output_file_cannot_have_are_refused(headers):
    _, report = coupled(SOIL, outputs=("q", "wetness"), headers=headers)
    assert [(f.severity, f.key) for f in report.findings] == [("error", "output_header_fields")]


def test_the_main_output_is_in_metres_per_step_whatever_the_module_says():
    chain, _ = coupled(module("Soil", {}, {"q": "mm"}))
    assert chain.main_convert.slope == 0.001
    _, report = coupled(module("Soil", {}, {"q": "m3 s-1"}))
    assert report.errors[0].message.startswith("main_output_variable q: 'm3 s-1' does not convert into 'm'")
    for name in ("sap", "rain"):
        _, report = coupled(SOIL, main=name)
        assert [f.code for f in report.errors] == ["main-output"]


def test_everything_wrong_is_said_at_once():
    bad = module("Soil", {"rain": "K", "sap": "1", "foam": "1"}, {"q": "m"})
    chain, report = coupled(bad, outputs=("x",), main="y")
    assert chain is None
    assert [f.code for f in report.errors] == [
        "units",
        "input-missing",
        "input-missing",
        "output-unknown",
        "main-output",
    ]


def test_a_formulation_is_its_own_value():
    formulation = Formulation((SOIL[0],), "q")
    assert replace(formulation, main_output="wetness") != formulation
