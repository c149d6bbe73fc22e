"""bmi_python: a class that follows bmipy runs as it is, alone or among others."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from dmod.errors import CheckError
from dmod.session import Session
from dmod.testing.rivers import MODULES, multi, paved_flow, run_here, tiny_run_directory

#: A bucket that gives away a share of what it holds [mm] in every step; its clocks differ. What bmipy
#: asks for besides is added below, unused.
SOURCE = """
from pathlib import Path

import numpy as np
from bmipy import Bmi


class Bucket(Bmi):
    unit, step = "s", 3600.0

    def initialize(self, config_file):
        self.share = float(Path(config_file).read_text()) if config_file else 0.5
        self.values = {"rain": np.zeros(1), "flow": np.zeros(1), "held": np.zeros(1)}
        self.time = 0.0

    def update(self):
        self.update_until(self.time + self.step)

    def update_until(self, time):
        self.values["held"] += self.values["rain"]
        self.values["flow"][:] = self.share * self.values["held"]
        self.values["held"] -= self.values["flow"]
        self.time = time

    def finalize(self):
        pass

    def get_component_name(self):
        return "Bucket"

    def get_input_var_names(self):
        return ("rain",)

    def get_output_var_names(self):
        return ("flow", "held")

    def get_input_item_count(self):
        return 1

    def get_output_item_count(self):
        return 2

    def get_var_units(self, name):
        return "mm h-1" if name == "rain" else "mm"

    def get_time_units(self):
        return self.unit

    def get_time_step(self):
        return self.step

    def get_current_time(self):
        return self.time

    def get_value(self, name, dest):
        dest[:] = self.values[name]
        return dest

    def set_value(self, name, src):
        if name == "share":
            self.share = float(src[0])
        else:
            self.values[name][:] = src


for unused in set(Bucket.__abstractmethods__):
    setattr(Bucket, unused, lambda self, *given: None)
Bucket.__abstractmethods__ = frozenset()


class InHours(Bucket):
    unit, step = "h", 1.0


class InMinutes(Bucket):
    unit, step = "minutes", 60.0


class InDays(Bucket):
    unit, step = "days", 1.0 / 24.0


class InQuarters(Bucket):
    unit, step = "s", 900.0

    def update(self):
        raise AssertionError("an hour is not one step of this model")


class NoBmi:
    def initialize(self, config_file):
        pass


class Shy(Bucket):
    def get_input_var_names(self):
        return tuple(self.values)


class Clumsy(Bucket):
    def update(self):
        raise RuntimeError("the bucket has a hole")
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package on the path with the models above; its name is of this test alone."""
    name = f"buckets{''.join(filter(str.isalnum, tmp_path.name))}"
    folder = tmp_path / "site" / name
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "model.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(folder.parent))
    yield name
    for module in [m for m in sys.modules if m.partition(".")[0] == name]:
        del sys.modules[module]


def bucket(package, kind="Bucket", **params):
    """A realization's entry for the model."""
    return {
        "name": "bmi_python",
        "params": {
            "model_type_name": "Bucket",
            "python_type": f"{package}.model.{kind}",
            "init_config": "",
            "main_output_variable": "flow",
            "variables_names_map": {"rain": "precip_rate"},
            **params,
        },
    }


def halved(hours, share=0.5):
    """Flow [mm] of hour 1 on: a share of what is left."""
    held = 14.0625 * (1 - share) ** np.arange(hours - 1)
    return np.append(0.0, share * held)


@pytest.mark.parametrize("kind", ["Bucket", "InHours", "InMinutes", "InDays", "InQuarters"])
def test_a_class_alone_is_a_model_whatever_its_clock(package, tmp_path, kind):
    """7.03125 mm in hour 1 are 7.03125 + 14.0625 m3/s at the first nexus; then half of it, and half of that."""
    directory = tiny_run_directory(tmp_path / "run", formulation=bucket(package, kind))
    made = run_here(directory)
    assert [str(name) for name in made.data_vars] == ["flow", "held", "nexus_flow"]
    assert made["flow"].values.tolist() == [halved(6).tolist()] * 3
    assert made["flow"].attrs["units"] == "mm"
    np.testing.assert_allclose(made["nexus_flow"], np.outer([3.0, 10.0], halved(6)), rtol=1e-12)


def test_each_catchment_has_a_model_and_a_configuration_of_its_own(package, tmp_path):
    directory = tiny_run_directory(tmp_path / "run", formulation=bucket(package, init_config="config/{{id}}.txt"))
    shares = (0.25, 0.5, 0.75)
    for name, share in zip(("cat-1", "cat-2", "cat-3"), shares, strict=True):
        (directory / "config" / f"{name}.txt").write_text(str(share))
    made = run_here(directory, parts=2, budget_bytes=1)
    np.testing.assert_array_equal(made["flow"], [halved(6, share) for share in shares])


def test_a_configuration_that_is_not_there_is_named(package, tmp_path):
    directory = tiny_run_directory(tmp_path / "run", formulation=bucket(package, init_config="config/{{id}}.txt"))
    with pytest.raises(CheckError, match=r"config-missing|cannot be read") as error:
        run_here(directory)
    assert {f.code for f in error.value.report.errors} == {"config-missing"}


def test_model_params_are_set_after_initialize(package, tmp_path):
    directory = tiny_run_directory(tmp_path / "run", formulation=bucket(package, model_params={"share": 0.25}))
    assert run_here(directory)["flow"].values.tolist() == [halved(6, 0.25).tolist()] * 3


def test_a_class_among_others_takes_their_outputs(package, tmp_path):
    """CFE's direct runoff, all of the rain, feeds the bucket: but metres do not convert into mm h-1."""
    link = bucket(package, variables_names_map={"rain": "DIRECT_RUNOFF"})
    formulation = multi(*MODULES.values(), link, main_output_variable="flow", output_variables=["flow", "Q_OUT"])
    directory = tiny_run_directory(tmp_path / "run", formulation=formulation)
    with pytest.raises(CheckError, match="units"):
        run_here(directory)
    made = run_here(directory, units="ngen")
    np.testing.assert_allclose(made["flow"], [halved(6) / 1000.0] * 3, rtol=1e-12)
    np.testing.assert_allclose(made["Q_OUT"].values[2] * 36e6 / 3600, paved_flow(6)[1], rtol=1e-12)


def test_a_class_takes_a_constant_of_sloth_in_its_own_units(package, tmp_path):
    """36 cm per day are 15 mm per hour; the bucket gives half of what it holds."""
    sloth = {"name": "bmi_c++", "params": {**MODULES["sloth"]["params"], "model_params": {
        "drizzle(1,double,cm/day,node)": 36.0}}}  # fmt: skip
    link = bucket(package, variables_names_map={"rain": "drizzle"})
    formulation = multi(sloth, link, main_output_variable="flow", output_variables=["flow", "drizzle"])
    made = run_here(tiny_run_directory(tmp_path / "run", hours=3, formulation=formulation))
    np.testing.assert_allclose(made["flow"], [[7.5, 11.25, 13.125]] * 3, rtol=1e-12)
    assert made["drizzle"].values.tolist() == [[36.0] * 3] * 3


def test_a_class_can_feed_back(package, tmp_path):
    """The bucket comes before PET and drinks its output of the hour before: 0, then constants."""
    link = bucket(package, variables_names_map={"rain": "thirst"})
    pet = {**MODULES["pet"], "params": {**MODULES["pet"]["params"], "variables_names_map": {
        "water_potential_evaporation_flux": "thirst"}}}  # fmt: skip
    formulation = multi(link, pet, main_output_variable="flow", output_variables=["flow", "thirst"])
    directory = tiny_run_directory(tmp_path / "run", hours=3, formulation=formulation, weather={"DSWRF_surface": 512.0})
    made = run_here(directory)
    thirst_mm = made["thirst"].values[0, 0] * 3.6e6
    assert thirst_mm > 0.1
    np.testing.assert_allclose(made["flow"].values[1], [0.0, 0.5 * thirst_mm, 0.75 * thirst_mm], rtol=1e-12)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        pytest.param("NoBmi", ["does not follow bmipy", "get_value", "set_value"], id="no BMI"),
        pytest.param("Shy", ["does not say what it takes and gives before initialize()"], id="knows nothing yet"),
        pytest.param("Missing", ["cannot be imported", "Missing"], id="no such class"),
    ],
)
def test_a_class_that_cannot_run_is_refused_by_the_check(package, tmp_path, kind, said):
    directory = tiny_run_directory(tmp_path / "run", formulation=bucket(package, kind))
    report = Session().check(directory)
    assert not report.ok
    assert len(report.errors) == 1
    text = str(report)
    assert f"{package}.model.{kind}" in text
    assert [words for words in said if words not in text] == []
    assert report.errors[0].remedy


def test_a_module_that_is_not_installed_is_refused_by_the_check(tmp_path):
    directory = tiny_run_directory(tmp_path / "run", formulation=bucket("no_such_package_anywhere"))
    report = Session().check(directory)
    assert [finding.code for finding in report.errors] == ["module"]
    assert "install its package in this environment, and on every Dask worker" in str(report)


@pytest.mark.filterwarnings("ignore:Port \\d+ is already in use")
def test_an_error_of_the_class_ends_the_run_with_its_words(package, tmp_path):
    directory = tiny_run_directory(tmp_path / "run", formulation=bucket(package, "Clumsy"))
    job = Session().run(directory)
    with pytest.raises(Exception, match="the bucket has a hole"):
        job.wait(60)
    assert str(job.state) == "failed"
