"""The pre-flight check: runs broken one way each, and one broken ten ways at once."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from dmod.model import check_forcing
from dmod.model.case import Case, Question
from dmod.model.check import examine
from dmod.model.findings import Finding, Report
from dmod.model.run_directory import find_run_directory
from dmod.prepare.basin import make_basin

SLOTH, PET, CFE = 0, 1, 2
#: 2015-10-01T00:00Z, where the basin's weather begins.
FIRST = 1443657600


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory with nothing wrong: 8 catchments, 72 hours from 2015-10-01."""
    return make_basin(tmp_path_factory.mktemp("sound") / "basin", catchments=8, days=3).directory


@pytest.fixture
def run(sound: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(sound, tmp_path / "basin"))


def examined(run: Path, **options: Any) -> tuple[Case | None, Report]:
    """What the check says of a run directory."""
    return examine(Question(find_run_directory(run), **options))


def error(run: Path, code: str, **options: Any) -> Finding:
    """The one error that is found, which has this code."""
    case, report = examined(run, **options)
    assert case is None
    assert {f.code for f in report.errors} == {code}, str(report)
    assert report.errors[0].remedy, "an error says what to do"
    return report.errors[0]


def edit(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the realization."""
    path = run / "config" / "realization.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def module(content: dict[str, Any], place: int) -> dict[str, Any]:
    """The params of one module of the formulation for all."""
    found: dict[str, Any] = content["global"]["formulations"][0]["params"]["modules"][place]["params"]
    return found


def line(run: Path, name: str, key: str, text: str | None, *, cat: str = "cat-3") -> Path:
    """Replace, or with None drop, one key of a configuration file; add it where it is not."""
    path = run / "config" / "cat_config" / name / f"{cat}.ini"
    kept = [one for one in path.read_text().splitlines() if one.split("=")[0] != key]
    path.write_text("\n".join([*kept, *([] if text is None else [text])]) + "\n")
    return path


def weather(run: Path, change: Callable[[h5py.File], object]) -> None:
    """Change the forcing."""
    with h5py.File(run / "forcings" / "forcings.nc", "a") as file:
        change(file)


def sql(run: Path, *statements: str) -> None:
    """Change the hydrofabric; its own triggers, which need functions of GDAL, are dropped first."""
    with closing(sqlite3.connect(run / "config" / "basin.gpkg")) as file:
        for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            file.execute(f'DROP TRIGGER "{name}"')
        for statement in statements:
            file.execute(statement)
        file.commit()


def test_a_sound_run_has_nothing_to_report_and_becomes_a_case(sound):
    case, report = examined(sound)
    assert str(report) == "nothing to report"
    assert (case.start_s, case.steps, len(case.groups), len(case.sources)) == (FIRST, 72, 1, 1)
    assert case.catchment_steps == 8 * 72
    assert [stage.module for stage in case.groups[0].chain.stages] == ["sloth", "pet", "cfe"]
    assert [c.header for c in case.columns][:3] == ["RAIN_RATE", "DIRECT_RUNOFF", "GIUH_RUNOFF"]
    assert case.groups[0].parameters[CFE]["satdk"].shape == (8,)


# the traps that ngen steps into without a word


def test_a_catchment_without_forcing_names_the_trap(run):
    weather(run, lambda file: file["ids"].__setitem__(2, "cat-999"))
    found = error(run, "forcing-ids")
    assert found.message == (
        "1 of 8 catchments have no forcing; ngen would read the first catchment's weather without a word"
    )
    assert (found.ids, Path(found.file).name) == (("cat-3",), "forcings.nc")


def test_an_unparsable_time_is_caught(run):
    edit(run, lambda r: r["time"].update(start_time="2015-10-01T00:00"))
    found = error(run, "bad-time")
    assert "is not a time; ngen does not notice" in found.message
    assert (found.key, found.remedy) == ("time.start_time", 'write it in UTC as "2015-10-01 00:00:00"')


def test_the_roughness_length_without_m_is_caught(run):
    for n in range(1, 9):
        line(
            run,
            "PET",
            "momentum_transfer_roughness_length_m",
            "momentum_transfer_roughness_length=0.1",
            cat=f"cat-{n}",
        )
    case, report = examined(run)
    assert case is not None
    assert [f.ids for f in report.warnings] == [(f"cat-{n}",) for n in range(1, 9)]
    warning = report.warnings[0]
    assert warning.message.startswith("PET momentum_transfer_roughness_length is ignored by ngen")
    assert warning.remedy == "write momentum_transfer_roughness_length_m"
    assert "(8 times)" in str(report)


@pytest.mark.parametrize("key", ["gw_storage", "soil_storage"])
def test_fifty_percent_is_not_a_half(run, key):
    path = line(run, "CFE", key, f"{key}=50%")
    found = error(run, "config")
    assert "is '50%': ngen ignores the percent sign and takes 50 as a fraction" in found.message
    assert (found.file, found.key, found.ids) == (str(path), key, ("cat-3",))


# configuration files


def test_a_catchment_without_config(run):
    path = run / "config" / "cat_config" / "CFE" / "cat-5.ini"
    path.unlink()
    found = error(run, "config-missing")
    assert (found.message, found.file, found.ids) == (
        "CFE configuration cannot be read: No such file or directory", str(path), ("cat-5",),
    )  # fmt: skip


def test_a_config_without_a_required_key_says_what_to_add(run):
    path = line(run, "CFE", "soil_params.satdk", None)
    found = error(run, "config")
    assert found.message == "CFE soil_params.satdk is missing and required"
    assert (found.file, found.key, found.ids) == (str(path), "soil_params.satdk", ("cat-3",))
    assert found.remedy.startswith("add soil_params.satdk= a number in m s-1")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("CFE", "soil_params.b=four", "CFE soil_params.b is 'four', which is not a number"),
        ("CFE", "soil_params.b=", "CFE soil_params.b is '', which is not a number"),
        ("CFE", "soil_params.b=nan", "CFE soil_params.b is nan, outside 1e-300 to inf"),
        ("CFE", "soil_params.smcmax=1.4", "CFE soil_params.smcmax is 1.4, outside 1e-300 to 1"),
        ("CFE", "giuh_ordinates=0.5,half", "CFE giuh_ordinates is '0.5,half', which is not a number"),
        ("CFE", "surface_partitioning_scheme=TOPMODEL", "CFE surface_partitioning_scheme is 'TOPMODEL'"),
        (
            "CFE",
            "forcing_file=./f.csv",
            "CFE forcing_file names a file, but forcing comes from the realization",
        ),
        ("PET", "pet_method=6", "PET pet_method is '6'"),
        (
            "PET",
            "surface_shortwave_albedo=high",
            "PET surface_shortwave_albedo is 'high', which is not a number",
        ),
    ],
)
def test_a_value_that_is_none(run, name, text, message):
    line(run, name, text.split("=")[0], text)
    found = error(run, "config")
    assert found.message == message
    assert found.ids == ("cat-3",)


def test_a_key_nobody_reads_is_warned_about_with_the_nearest(run):
    line(run, "CFE", "soil_parms.satdk", "soil_parms.satdk=1e-6")
    case, report = examined(run)
    assert case is not None
    assert [(f.key, f.remedy) for f in report.warnings] == [("soil_parms.satdk", "did you mean soil_params.satdk?")]


def test_a_config_that_is_a_directory_or_no_text(run):
    folder = run / "config" / "cat_config" / "CFE"
    (folder / "cat-1.ini").unlink()
    (folder / "cat-1.ini").mkdir()
    (folder / "cat-2.ini").write_bytes(bytes(range(256)) * 4)
    case, report = examined(run)
    assert case is None
    assert {f.ids for f in report.errors} == {("cat-1",), ("cat-2",)}


# forcing


def test_forcing_that_ends_early_says_where_to_end(run):
    edit(run, lambda r: r["time"].update(end_time="2015-10-05 00:00:00"))
    found = error(run, "forcing-short")
    assert "needed 2015-10-01 00:00:00 .. 2015-10-05 01:00:00" in found.message
    assert found.remedy.startswith("end at 2015-10-03 23:00:00")


def test_forcing_that_begins_late_says_where_to_start(run):
    edit(run, lambda r: r["time"].update(start_time="2015-09-30 00:00:00"))
    found = error(run, "forcing-late")
    assert found.remedy == "start at 2015-10-01 00:00:00 or later"


def test_the_last_hour_of_forcing_is_enough(run):
    edit(run, lambda r: r["time"].update(start_time="2015-10-03 23:00:00"))
    case, report = examined(run)
    assert (case.steps, report.ok) == (1, True)


def test_forcing_of_another_step_is_refused(run):
    weather(run, lambda file: file["Time"].__setitem__(..., FIRST + 1800.0 * np.arange(72)))
    found = error(run, "forcing-step")
    assert found.message == "forcing comes every 1800 s, but steps are 3600 s"


def test_a_start_between_two_values_is_refused(run):
    weather(run, lambda file: file["Time"].__setitem__(..., FIRST - 1800 + 3600.0 * np.arange(72)))
    _, report = examined(run)
    assert "forcing-start" in {f.code for f in report.errors}
    assert "falls between two forcing values" in str(report)


def test_missing_values_stop_the_run_and_are_placed(run):
    def spoil(file: h5py.File) -> None:
        file["TMP_2maboveground"][4, 30:40] = np.nan
        file["TMP_2maboveground"][6, 20] = np.nan

    weather(run, spoil)
    found = error(run, "forcing-nan")
    assert found.message == "TMP_2maboveground has missing values (NaN), first at 2015-10-01 20:00:00"
    assert (found.key, found.ids) == ("TMP_2maboveground", ("cat-5", "cat-7"))


def test_missing_values_that_no_run_would_read_do_no_harm(run):
    weather(run, lambda file: file["TMP_2maboveground"].__setitem__((slice(None), slice(0, 5)), np.nan))
    assert examined(run, start_s=FIRST + 5 * 3600)[1].ok
    weather(run, lambda file: file["TMP_2maboveground"].__setitem__((slice(1, None), slice(None)), np.nan))
    assert examined(run, start_s=FIRST + 5 * 3600, catchments=["cat-1"])[1].ok


def test_negative_precipitation_is_a_warning(run):
    weather(run, lambda file: file["precip_rate"].__setitem__((0, 7), -0.1))
    case, report = examined(run)
    assert case is not None
    (found,) = report.findings
    assert (found.severity, found.code, found.ids) == ("warning", "forcing-negative", ("cat-1",))
    assert found.message.endswith("first at 2015-10-01 07:00:00")


def test_large_forcing_is_sampled_unless_every_value_is_wanted(run, monkeypatch):
    monkeypatch.setattr(check_forcing, "_SMALL_BYTES", 0)
    weather(run, lambda file: file["precip_rate"].__setitem__((0, 60), np.nan))
    monkeypatch.setattr(check_forcing, "_SAMPLE_STEPS", 4)
    assert examined(run, every_value=False)[1].ok
    assert not examined(run, every_value=True)[1].ok


def test_an_id_that_stands_twice_in_the_forcing(run):
    weather(run, lambda file: file["ids"].__setitem__(7, "cat-1"))
    _, report = examined(run)
    twice = next(f for f in report.errors if "more than once" in f.message)
    assert twice.ids == ("cat-1",)
    lacking = next(f for f in report.errors if "no forcing" in f.message)
    assert lacking.ids == ("cat-8",)


def test_forcing_that_is_not_there_or_cut_short_is_said_once(run):
    path = run / "forcings" / "forcings.nc"
    path.write_bytes(path.read_bytes()[:-100])
    found = error(run, "forcing-unreadable")
    assert found.message.startswith("forcings.nc is cut short")
    path.unlink()
    found = error(run, "forcing-unreadable")
    assert found.message == "the forcing file is not there"
    assert found.file == str(path)


# units and links


def test_units_that_do_not_convert_are_refused_unless_ngens_way_is_asked_for(run):
    weather(run, lambda file: file["precip_rate"].attrs.__setitem__("units", np.bytes_("K")))
    found = error(run, "units")
    assert "'K' does not convert into 'mm h-1'; ngen warns and passes the raw value" in found.message
    assert "--units ngen" in found.remedy
    case, report = examined(run, units="ngen")
    assert [f.severity for f in report.findings if f.code == "units"] == ["warning"]
    rain = case.groups[0].chain.stages[CFE].links[0]
    assert (rain.source.name, rain.convert.is_identity) == ("precip_rate", True)


def test_units_nobody_knows_are_refused_where_they_are_read_only(run):
    weather(run, lambda file: file["precip_rate"].attrs.__setitem__("units", np.bytes_("buckets")))
    _, report = examined(run)
    assert {(f.severity, f.code) for f in report.findings} == {
        ("warning", "forcing-units"),
        ("error", "units"),
    }


def test_units_are_converted_once_per_link(run):
    case, _ = examined(run)
    rain = case.groups[0].chain.stages[CFE].links[0]
    assert rain.convert.slope == 3600.0  # mm s-1 to mm h-1


def test_an_input_nobody_gives_names_the_nearest(run):
    def change(r: dict[str, Any]) -> None:
        module(r, CFE)["variables_names_map"]["atmosphere_water__liquid_equivalent_precipitation_rate"] = "precip_rat"

    edit(run, change)
    found = error(run, "input-missing")
    assert "(mapped to precip_rat), which neither the forcing nor a module gives" in found.message
    assert found.remedy.startswith("did you mean 'precip_rate'?")


def test_a_variable_the_forcing_lacks_is_missed_by_the_module_that_needs_it(run):
    weather(run, lambda file: file.__delitem__("PRES_surface"))
    found = error(run, "input-missing")
    assert found.message.startswith("PET needs land_surface_air__pressure")


def test_sloth_without_its_constants_leaves_cfe_wanting(run):
    edit(run, lambda r: module(r, SLOTH).pop("model_params"))
    _, report = examined(run)
    assert [f.code for f in report.errors] == ["input-missing"] * 3


def test_an_output_nobody_gives(run):
    edit(run, lambda r: r["global"]["formulations"][0]["params"].update(output_variables=["Q_OUT", "Q_OTU"]))
    found = error(run, "output-unknown")
    assert "'Q_OTU'" in found.message
    edit(run, lambda r: r["global"]["formulations"][0]["params"].update(output_variables=["Q_OUT"]))
    assert [c.header for c in examined(run)[0].columns] == ["Q_OUT"]


def test_a_main_output_nobody_gives(run):
    edit(run, lambda r: r["global"]["formulations"][0]["params"].update(main_output_variable="FLOW"))
    assert "'FLOW'" in error(run, "main-output").message


# modules


def test_an_unknown_module_lists_what_there_is(run):
    edit(
        run,
        lambda r: module(r, CFE).update(
            model_type_name="TOPMODEL",
            library_file="libtopmodelbmi.so",
            registration_function="register_bmi_topmodel",
        ),
    )
    found = error(run, "module-unavailable")
    assert found.message == "module 'TOPMODEL' (register_bmi_topmodel) has no native engine here"
    for name in ("cfe (register_bmi_cfe, libcfebmi)", "pet (", "sloth (libslothmodel)", "bmi_python"):
        assert name in found.remedy


def test_a_python_class_that_is_not_there(run):
    params = {
        "model_type_name": "lstm",
        "python_type": "no_such_package.Lstm",
        "init_config": "",
        "main_output_variable": "q",
    }
    edit(run, lambda r: r["global"].update(formulations=[{"name": "bmi_python", "params": params}]))
    found = error(run, "module")
    assert "no_such_package.Lstm cannot be imported" in found.message


def test_a_sloth_name_that_cannot_be_read(run):
    edit(run, lambda r: module(r, SLOTH)["model_params"].update({"smp(1,double)": 0.0}))
    assert "'smp(1,double)'" in error(run, "module").message


def test_the_real_noahowp_realization_is_refused_plainly(run, data):
    target = run / "config" / "realization.json"
    shutil.copy(data / "configs" / "ngiab_golden" / "realization" / "cfe-nom.json", target)
    edit(run, lambda r: r.update(time={"start_time": "2015-10-01 00:00:00", "end_time": "2015-10-01 05:00:00",
                                       "output_interval": 3600}))  # fmt: skip
    case, report = examined(run)
    assert case is None
    refused = [f for f in report.errors if f.code == "module-unavailable"]
    assert [f.message for f in refused] == ["module 'NoahOWP' (libsurfacebmi.so) has no native engine here"]
    assert "cfe (register_bmi_cfe" in refused[0].remedy


# the realization as a whole


def test_routing_is_noted(run):
    edit(run, lambda r: r.update(routing={"t_route_config_file_with_path": "./config/troute.yaml"}))
    case, report = examined(run)
    assert case.realization.routing_config == "./config/troute.yaml"
    assert [(f.severity, f.code) for f in report.findings] == [("note", "routing")]


def test_layers_are_refused(run):
    deep = {"id": 1, "name": "deep", "time_step": 3600, "time_step_units": "s"}
    edit(run, lambda r: r.update(layers=[{"id": 0, "name": "surface layer"}, deep]))
    _, report = examined(run)
    assert len(report.errors) == 1
    assert "layer" in report.errors[0].message


def test_steps_of_half_an_hour_are_refused(run):
    edit(run, lambda r: r["time"].update(output_interval=1800))
    _, report = examined(run)
    found = next(f for f in report.errors if f.code == "interval")
    assert (found.key, found.remedy) == ("time.output_interval", "set it to 3600")


def test_an_end_before_the_start_is_refused_wherever_it_comes_from(run):
    assert "before the start" in error(run, "time", end_s=FIRST - 3600).message
    edit(run, lambda r: r["time"].update(end_time="2015-09-30 00:00:00"))
    case, report = examined(run)
    assert case is None
    assert len(report.errors) == 1


def test_catchments_the_hydrofabric_lacks_are_a_warning(run):
    entry = {"forcing": {"path": "./forcings/forcings.nc", "provider": "NetCDF"}}
    edit(run, lambda r: r.update(catchments={"cat-77": entry | {"formulations": r["global"]["formulations"]}}))
    case, report = examined(run)
    assert case is not None
    assert [(f.severity, f.code, f.ids) for f in report.findings] == [("warning", "stray-catchments", ("cat-77",))]


# parameters from the realization and the hydrofabric


def own(r: dict[str, Any], **params: Any) -> dict[str, Any]:
    """An entry of one catchment: as for all, with other parameters of CFE."""
    copied: dict[str, Any] = json.loads(json.dumps(r["global"]))
    module({"global": copied}, CFE)["model_params"] = params
    return copied


def test_overrides_that_differ_in_values_only_become_arrays(run):
    def change(r: dict[str, Any]) -> None:
        module(r, CFE)["model_params"] = {"satdk": 1e-6, "Cgw": 1e-4}
        r["catchments"] = {"cat-2": own(r, satdk=2e-6, Cgw=1e-4), "cat-7": own(r, satdk=7e-6, Cgw=5e-4)}

    edit(run, change)
    case, report = examined(run)
    assert report.ok
    (group,) = case.groups
    assert group.parameters[CFE]["satdk"].tolist() == [1e-6, 2e-6, 1e-6, 1e-6, 1e-6, 1e-6, 7e-6, 1e-6]
    assert group.parameters[CFE]["Cgw"].tolist() == [1e-4] * 6 + [5e-4, 1e-4]


def test_overrides_that_set_other_parameters_are_another_group(run):
    edit(run, lambda r: r.update(catchments={"cat-2": own(r, satdk=2e-6)}))
    case, _ = examined(run)
    assert sorted(group.places.tolist() for group in case.groups) == [[0, 2, 3, 4, 5, 6, 7], [1]]
    alone = next(group for group in case.groups if len(group.places) == 1)
    assert alone.parameters[CFE]["satdk"].tolist() == [2e-6]


def test_parameters_from_the_hydrofabric_are_looked_up_by_catchment(run):
    sql(
        run, "ALTER TABLE divides ADD COLUMN ksat REAL",
        "UPDATE divides SET ksat = 1e-6 * CAST(substr(divide_id, 5) AS INTEGER)",
    )  # fmt: skip
    edit(
        run,
        lambda r: module(r, CFE).update(model_params={"satdk": {"source": "hydrofabric", "from": "ksat"}}),
    )
    case, report = examined(run)
    assert report.ok, str(report)
    numbers = [int(name.removeprefix("cat-")) for name in case.domain.network.catchments]
    np.testing.assert_allclose(case.groups[0].parameters[CFE]["satdk"], 1e-6 * np.array(numbers))
    some, _ = examined(run, catchments=["cat-5", "cat-2"])
    np.testing.assert_allclose(some.groups[0].parameters[CFE]["satdk"], [2e-6, 5e-6])


def test_without_from_the_column_has_the_parameters_own_name(run):
    sql(run, "ALTER TABLE divides ADD COLUMN satdk REAL", "UPDATE divides SET satdk = 3e-6")
    edit(run, lambda r: module(r, CFE).update(model_params={"satdk": {"source": "hydrofabric"}}))
    case, report = examined(run)
    assert report.ok, str(report)
    assert case.groups[0].parameters[CFE]["satdk"].tolist() == [3e-6] * 8


def test_a_column_the_hydrofabric_lacks_names_one_like_it(run):
    edit(
        run,
        lambda r: module(r, CFE).update(model_params={"satdk": {"source": "hydrofabric", "from": "areasqkn"}}),
    )
    found = error(run, "model-params")
    assert "has no column 'areasqkn'" in found.message
    assert "areasqkm" in found.message


def test_a_column_with_a_hole_is_refused_for_the_catchment_that_has_it(run):
    sql(
        run, "ALTER TABLE divides ADD COLUMN ksat REAL", "UPDATE divides SET ksat = 1e-6",
        "UPDATE divides SET ksat = NULL WHERE divide_id = 'cat-4'",
    )  # fmt: skip
    edit(
        run,
        lambda r: module(r, CFE).update(model_params={"satdk": {"source": "hydrofabric", "from": "ksat"}}),
    )
    assert error(run, "model-params").ids == ("cat-4",)


def test_a_column_of_text_is_refused_for_every_catchment(run):
    edit(
        run,
        lambda r: module(r, CFE).update(model_params={"satdk": {"source": "hydrofabric", "from": "toid"}}),
    )
    _, report = examined(run)
    assert len(report.errors) == 8
    assert all(f.code == "model-params" and "not a number" in f.message for f in report.errors)


def test_a_parameter_cfe_does_not_have_lists_those_it_has(run):
    edit(run, lambda r: module(r, CFE).update(model_params={"satdkk": 1e-6}))
    found = error(run, "model-params")
    assert found.message == "CFE has no parameter 'satdkk'"
    assert "satdk" in found.remedy


@pytest.mark.parametrize("given", [-1e-6, "nan"])
def test_a_parameter_outside_its_bounds_is_refused_like_one_in_a_file(run, given):
    edit(run, lambda r: module(r, CFE).update(model_params={"satdk": given}))
    case, report = examined(run)
    assert case is None, str(report)


# the hydrofabric


def test_a_cycle_in_the_network(run):
    sql(
        run,
        "UPDATE nexus SET toid = (SELECT d.id FROM divides d WHERE d.toid = nexus.id LIMIT 1) WHERE toid LIKE 'wb-%'",
    )
    found = error_of(run, "flow in a circle")
    assert found.ids


def error_of(run: Path, words: str) -> Finding:
    """The error that says this; the one error there is."""
    _, report = examined(run)
    assert len(report.errors) == 1, str(report)
    assert words in report.errors[0].message
    return report.errors[0]


def test_ids_that_stand_twice_in_the_hydrofabric(run):
    sql(run, "UPDATE divides SET divide_id = 'cat-1' WHERE divide_id = 'cat-2'")
    _, report = examined(run)
    assert any("several catchments have one id: cat-1" in f.message for f in report.errors), str(report)


def test_a_geopackage_without_divides_says_what_it_has(run):
    sql(run, "DROP TABLE divides")
    found = error(run, "hydrofabric")
    assert "has no layer 'divides'" in found.message
    assert "flowpaths" in found.message


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9])
def test_a_truncated_geopackage(run, share):
    path = run / "config" / "basin.gpkg"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    found = error(run, "hydrofabric")
    assert found.file == str(path)


def test_catchments_nobody_has_are_refused_with_the_nearest(run):
    found = error(run, "hydrofabric", catchments=["cat-1", "cat-88"])
    assert "1 of the 2 catchments asked for are not in the domain" in found.message
    assert "nearest cat-88: cat-8" in found.message


def test_a_file_of_another_kind_under_each_name(run):
    (run / "config" / "basin.gpkg").write_text("<html>404</html>")
    (run / "config" / "realization.json").write_text("<html>404</html>")
    _, report = examined(run)
    assert {Path(f.file).name for f in report.errors} == {"basin.gpkg", "realization.json"}


# all at once


def test_ten_things_wrong_are_ten_things_listed(run):
    configs = run / "config" / "cat_config"
    line(run, "CFE", "soil_params.satdk", None, cat="cat-1")
    line(run, "CFE", "gw_storage", "gw_storage=50%", cat="cat-2")
    line(run, "CFE", "soil_params.b", "soil_params.b=four", cat="cat-3")
    (configs / "CFE" / "cat-4.ini").unlink()
    line(run, "PET", "pet_method", "pet_method=9", cat="cat-5")
    line(
        run,
        "PET",
        "momentum_transfer_roughness_length_m",
        "momentum_transfer_roughness_length=0.1",
        cat="cat-6",
    )

    def spoil(file: h5py.File) -> None:
        file["ids"][6] = "cat-70"
        file["precip_rate"].attrs["units"] = np.bytes_("K")
        del file["PRES_surface"]

    weather(run, spoil)
    edit(run, lambda r: r["time"].update(end_time="2015-10-05 00:00:00"))
    edit(run, lambda r: r["global"]["formulations"][0]["params"].update(output_variables=["Q_OTU"]))
    text = str(examined(run)[1])
    for words in (
        "soil_params.satdk is missing and required",
        "'50%': ngen ignores the percent sign",
        "'four', which is not a number",
        "CFE configuration cannot be read",
        "pet_method is '9'",
        "momentum_transfer_roughness_length is ignored by ngen",
        "1 of 8 catchments have no forcing",
        "'K' does not convert into 'mm h-1'",
        "PET needs land_surface_air__pressure",
        "forcing ends before the run",
        "gives the output 'Q_OTU'",
    ):
        assert words in text, f"{words!r} is not in\n{text}"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        pytest.param({"output_interval": 1800}, "output_interval is 1800 s", id="wrong interval"),
        pytest.param({"start_time": "yesterday"}, "'yesterday' is not a time", id="unparsable time"),
        pytest.param({"end_time": "2015-09-01 00:00:00"}, "end_time", id="end before start"),
    ],
)
def test_a_wrong_time_does_not_hide_what_else_is_wrong(run, wrong, words):
    edit(run, lambda r: r["time"].update(wrong))
    (run / "config" / "cat_config" / "CFE" / "cat-4.ini").unlink()
    weather(run, lambda file: file["ids"].__setitem__(6, "cat-70"))
    text = str(examined(run)[1])
    assert words in text
    assert "CFE configuration cannot be read" in text
    assert "1 of 8 catchments have no forcing" in text


def test_a_broken_hydrofabric_does_not_hide_a_broken_realization(run):
    (run / "config" / "basin.gpkg").write_bytes(b"SQLite format 3\0" + bytes(100))
    edit(run, lambda r: module(r, CFE).pop("main_output_variable"))
    text = str(examined(run)[1])
    assert "GeoPackage" in text
    assert "main_output_variable" in text


def test_bad_values_are_found_although_a_link_is_broken(run):
    def spoil(file: h5py.File) -> None:
        file["precip_rate"][0, 3] = np.nan
        file["TMP_2maboveground"].attrs["units"] = np.bytes_("Pa")

    weather(run, spoil)
    assert {"units", "forcing-nan"} <= {f.code for f in examined(run)[1].errors}


# what people really have


def test_no_real_realization_makes_the_check_raise(run, data):
    files = [
        path
        for place in ("configs/realization", "configs/ngiab_golden/realization", "ngen-reference")
        for path in sorted((data / place).rglob("*.json"))
        if "partition" not in path.name
    ]
    assert len(files) >= 30
    for path in files:
        shutil.copy(path, run / "config" / "realization.json")
        case, report = examined(run)
        assert (case is None) != report.ok, path.name
        for found in report.findings:
            assert found.message, path.name
            assert not re.search(r"Traceback|object at 0x|NoneType", found.message), path.name


def test_what_ngen_ran_has_no_errors(data):
    for name in ("gauge_01073000", "n20"):
        case, report = examined(data / "ngen-reference" / name, every_value=False)
        assert case is not None, str(report)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("name", ["basin.gpkg", "realization.json", "cat_config/CFE/cat-2.ini"])
def test_damage_to_a_file_is_a_finding_or_harmless(run, name, seed):
    rng = np.random.default_rng(seed)
    path = run / "config" / name
    content = bytearray(path.read_bytes())
    for place in rng.integers(0, len(content), 20):
        content[place] = rng.integers(0, 256)
    path.write_bytes(content)
    case, report = examined(run)
    assert (case is None) != report.ok


def test_damage_to_forcing_is_a_finding(run):
    path = run / "forcings" / "forcings.nc"
    with h5py.File(path) as file:
        place = h5py.h5o.get_info(file["TMP_2maboveground"].id).addr
    content = bytearray(path.read_bytes())
    content[place : place + 40] = bytes(40)
    path.write_bytes(content)
    assert "is damaged" in error(run, "forcing-unreadable").message
