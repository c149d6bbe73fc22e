"""A realization means what ngen takes it to mean, and everything wrong with it is said at once."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dmod.errors import RealizationError
from dmod.model.findings import Finding, Report
from dmod.model.realization import ForcingEntry, Realization, Span, read_realization

Read = Callable[[Any], tuple[Realization | None, Report]]

SLOTH = {
    "name": "bmi_c++",
    "params": {
        "model_type_name": "SLOTH",
        "library_file": "/dmod/shared_libs/libslothmodel.so",
        "init_config": "/dev/null",
        "main_output_variable": "z",
        "registration_function": "none",
        "model_params": {"ice(1,double,m,node)": 0.0},
    },
}
CFE = {
    "name": "bmi_c",
    "params": {
        "model_type_name": "CFE",
        "library_file": "/dmod/shared_libs/libcfebmi.so.1.0.0",
        "init_config": "./config/CFE/{{id}}.ini",
        "main_output_variable": "Q_OUT",
        "registration_function": "register_bmi_cfe",
        "variables_names_map": {"ice_fraction_schaake": "ice"},
    },
}
MULTI = {
    "name": "bmi_multi",
    "params": {
        "model_type_name": "multi",
        "init_config": "",
        "main_output_variable": "Q_OUT",
        "forcing_file": "",
        "uses_forcing_file": False,
        "modules": [SLOTH, CFE],
    },
}
GOOD = {
    "global": {"formulations": [MULTI], "forcing": {"path": "./forcings/forcings.nc", "provider": "NetCDF"}},
    "time": {
        "start_time": "2015-12-01 00:00:00",
        "end_time": "2015-12-30 23:00:00",
        "output_interval": 3600,
    },
    "output_root": "./outputs/ngen",
}


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write a realization, as text or as what JSON makes of it, and read it."""

    def write_and_read(content: Any) -> tuple[Realization | None, Report]:
        path = tmp_path / "realization.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return read_realization(path)

    return write_and_read


def changed(*path: str | int, value: Any = None, without: bool = False) -> dict[str, Any]:
    """`GOOD` with one thing set to *value*, or taken out."""
    whole = copy.deepcopy(GOOD)
    here: Any = whole
    for step in path[:-1]:
        here = here[step]
    if without:
        del here[path[-1]]
    else:
        here[path[-1]] = value
    return whole


def only(report: Report) -> Finding:
    """The one finding there should be."""
    assert len(report.findings) == 1, str(report)
    return report.findings[0]


PARAMS = ("global", "formulations", 0, "params")
CFE_PARAMS = (*PARAMS, "modules", 1, "params")


def test_a_good_one_has_nothing_to_report(read):
    realization, report = read(GOOD)
    assert str(report) == "nothing to report"
    assert realization.span == Span(1_448_928_000, 1_451_516_400, 3600)
    assert (realization.start_s, realization.end_s, realization.interval_s) == (1448928000, 1451516400, 3600)
    assert realization.steps == 30 * 24
    assert realization.forcing("cat-1") == ForcingEntry("./forcings/forcings.nc", "NetCDF")
    assert realization.routing_config is None
    assert realization.raw == GOOD


def test_modules_carry_what_the_engine_asks_for(read):
    formulation = read(GOOD)[0].formulation("cat-1")
    sloth, cfe = formulation.modules
    assert formulation.is_multi
    assert formulation.main_output == "Q_OUT"
    assert (formulation.outputs, formulation.headers, formulation.defaults) == ((), (), {})
    assert (sloth.kind, sloth.library, sloth.registration) == ("bmi_c++", "libslothmodel.so", "")
    assert sloth.params == {"ice(1,double,m,node)": 0.0}
    assert (cfe.kind, cfe.title, cfe.registration) == ("bmi_c", "CFE", "register_bmi_cfe")
    assert (cfe.library, cfe.init_config) == ("libcfebmi.so.1.0.0", "./config/CFE/{{id}}.ini")
    assert cfe.alias("ice_fraction_schaake") == "ice"


def test_a_single_module_is_a_chain_of_one(read):
    single = copy.deepcopy(CFE)
    single["params"]["output_variables"] = ["Q_OUT", "GW_STORAGE"]
    single["params"]["output_header_fields"] = ["q", "gw"]
    formulation = read(changed("global", "formulations", value=[single]))[0].formulation("cat-1")
    assert not formulation.is_multi
    assert [m.title for m in formulation.modules] == ["CFE"]
    assert (formulation.outputs, formulation.headers) == (("Q_OUT", "GW_STORAGE"), ("q", "gw"))


def test_scalars_may_be_text_as_ngen_guesses_them_again(read):
    whole = changed("time", "output_interval", value="3600")
    params = whole["global"]["formulations"][0]["params"]
    params["uses_forcing_file"] = "false"
    params["default_output_values"] = [{"name": "SOIL_STORAGE", "value": "0.25"}]
    params["modules"][1]["params"]["model_params"] = {"maxsmc": "0.4", "N_nash": "2", "giuh": ["0.6", 0.4]}
    whole["output"] = {"precision": "12", "nexus": {"enable": "false"}}
    del whole["output_root"]
    realization, report = read(whole)
    assert report.ok, str(report)
    assert realization.steps == 720
    assert realization.formulation("cat-1").defaults == {"SOIL_STORAGE": 0.25}
    assert realization.formulation("cat-1").modules[1].params == {
        "maxsmc": 0.4,
        "N_nash": 2,
        "giuh": [0.6, 0.4],
    }
    assert (realization.output.precision, realization.output.nexus_enabled) == (12, False)


@pytest.mark.parametrize("nothing", ["", [], {}])
def test_empty_text_list_and_object_are_one_nothing(read, nothing):
    whole = changed("catchments", value=nothing)
    whole["layers"] = nothing
    whole["global"]["formulations"][0]["params"]["modules"][1]["params"]["model_params"] = nothing
    realization, report = read(whole)
    assert str(report) == "nothing to report"
    assert realization.overridden == ()


def test_the_hour_may_have_one_digit(read):
    realization, report = read(changed("time", "start_time", value="2015-12-01 0:00:00"))
    assert report.ok
    assert realization.start_s == 1_448_928_000


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("2015-12-01T00:00:00", 'write it in UTC as "2015-12-01 00:00:00"'),
        ("2015-12-01 00:00:00+01:00", 'write it in UTC as "2015-11-30 23:00:00"'),
        ("2015-12-01", 'write it in UTC as "2015-12-01 00:00:00"'),
        ("2015-02-30 00:00:00", 'write it in UTC as "2015-12-01 00:00:00"'),
        ("12/01/15 00:00:00", 'write it in UTC as "2015-12-01 00:00:00"'),
        ("", 'write it in UTC as "2015-12-01 00:00:00"'),
    ],
)
def test_a_time_that_ngen_would_silently_misread_is_an_error(read, text, remedy):
    realization, report = read(changed("time", "start_time", value=text))
    found = only(report)
    assert not realization.timed
    assert (found.severity, found.code, found.key) == ("error", "bad-time", "time.start_time")
    assert found.message.startswith(f"'{text}' is not a time")
    assert found.remedy == remedy


def test_one_hour_is_one_step_and_an_end_before_the_start_is_none(read):
    realization, _ = read(changed("time", "end_time", value="2015-12-01 00:00:00"))
    assert realization.steps == 1
    realization, report = read(changed("time", "end_time", value="2015-11-30 23:00:00"))
    assert not realization.timed
    assert only(report).code == "end-before-start"


def test_other_intervals_are_warned_about(read):
    realization, report = read(changed("time", "output_interval", value=7200))
    assert [f.code for f in report.warnings] == ["interval-not-hourly", "span-not-whole"]
    assert realization.steps == 719 // 2 + 1
    _, report = read(changed("time", "output_interval", value=0))
    assert only(report).key == "time.output_interval"


def test_all_that_is_wrong_is_said_at_once(read):
    whole = changed("time", "end_time", without=True)
    whole["global"]["formulations"][0]["params"]["modules"][1]["params"].pop("init_config")
    whole["global"]["formulations"][0]["params"]["modules"][0]["params"]["init_confg"] = "x"
    whole["global"]["formulations"][0]["params"]["modules"][0]["params"]["uses_forcing_file"] = True
    whole["global"]["forcing"]["provider"] = "GRIB"
    whole["output"] = {"nexus": {"format": "zarr"}}
    whole["catchments"] = {"cat-7": {"formulations": [{"name": "tshirt_c", "params": {}}], "forcing": {"path": "a"}}}
    realization, report = read(whole)
    assert realization is None
    modules = "global.formulations[0].params.modules"
    assert {(f.severity, f.key) for f in report.findings} == {
        ("error", "time.end_time"),
        ("error", f"{modules}[1].params.init_config"),
        ("error", f"{modules}[0].params.uses_forcing_file"),
        ("warning", f"{modules}[0].params.init_confg"),
        ("error", "global.forcing.provider"),
        ("error", "output.nexus.format"),
        ("error", "catchments.cat-7.formulations[0]"),
    }
    assert all(f.file.endswith("realization.json") for f in report.findings)
    assert all(f.remedy for f in report.findings)


def test_an_unknown_key_is_kept_and_warned_about_with_the_nearest_one(read):
    whole = changed(*CFE_PARAMS, "variable_names_map", value={"a": "b"})
    realization, report = read(whole)
    found = only(report)
    assert (found.severity, found.code) == ("warning", "unknown-key")
    assert found.key == "global.formulations[0].params.modules[1].params.variable_names_map"
    assert found.remedy == "did you mean 'variables_names_map'?"
    assert realization.raw == whole


def test_enable_cache_of_the_ciroh_build_is_a_note(read):
    _, report = read(changed("global", "forcing", "enable_cache", value=False))
    assert (only(report).severity, only(report).key) == ("note", "global.forcing.enable_cache")


@pytest.mark.parametrize(("key", "value"), [("uses_forcing_file", True), ("forcing_file", "forcing.csv")])
@pytest.mark.parametrize("level", [PARAMS, CFE_PARAMS], ids=["multi", "module"])
def test_keys_that_ngen_removed_are_errors_at_any_level_but_empty_is_fine(read, key, value, level):
    realization, report = read(changed(*level, key, value=value))
    assert (only(report).severity, only(report).code) == ("error", "removed-key")
    assert realization is not None, "other checks can go on"
    _, report = read(changed(*level, key, value="" if key == "forcing_file" else False))
    assert report.ok


def test_of_equal_keys_the_first_counts_as_in_ngen(read):
    text = json.dumps(GOOD).replace('"output_interval": 3600', '"output_interval": 3600, "output_interval": 60')
    realization, report = read(text)
    assert realization.interval_s == 3600
    found = only(report)
    assert (found.severity, found.code, found.key) == ("warning", "duplicate-key", "time.output_interval")


@pytest.mark.parametrize(
    ("text", "where", "remedy"),
    [
        ('{\n  "time": {},\n}', "line 2, column 13", "remove the comma that nothing follows"),
        ('{\n  // hello\n  "time": {}\n}', "line 2, column 3", "remove the comment: JSON has none"),
        ("{'time': {}}", "line 1, column 2", "use double quotes"),
        ("", "line 1, column 1", "the file is empty: write the realization into it"),
    ],
)
def test_broken_json_has_a_line_and_a_cause(read, text, where, remedy):
    realization, report = read(text)
    found = only(report)
    assert realization is None
    assert (found.severity, found.code, found.remedy) == ("error", "json-syntax", remedy)
    if "comma" in remedy:  # Python names the comma from 3.13 on, what follows it before
        assert found.key in (where, "line 3, column 1")
    else:
        assert found.key == where


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "not an object"),
        ('{"time": NaN}', "holds NaN"),
        ("[" * 100_000, "nested too deeply"),
    ],
    ids=["list", "nan", "deep"],
)
def test_json_that_is_no_realization(read, text, words):
    realization, report = read(text)
    assert realization is None
    assert words in only(report).message


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    _, report = read_realization(tmp_path / "none.json")
    assert only(report).message == "cannot be read: No such file or directory"
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    _, report = read_realization(tmp_path / "bytes.json")
    assert only(report).message == "is not text in UTF-8: byte 0 is strange"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ((*CFE_PARAMS, "model_params"), {"b": "wet"}, "'wet' is not a value for a model parameter"),
        ((*CFE_PARAMS, "model_params"), {"b": {"source": "moon"}}, "{'source': 'moon'} is not a value"),
        ((*CFE_PARAMS, "model_params"), 3, "model_params must be an object in braces, but is 3"),
        ((*CFE_PARAMS, "fixed_time_step"), "maybe", 'fixed_time_step must be true or false, but is "maybe"'),
        ((*CFE_PARAMS, "init_config"), None, "init_config must be text, but is null"),
        ((*PARAMS, "modules"), [], "modules is empty"),
        ((*PARAMS, "modules", 0), MULTI, "a bmi_multi cannot stand inside another"),
        ((*PARAMS, "modules", 0, "name"), "bmi_cpp", "'bmi_cpp' is not a kind of formulation"),
        (("global", "formulations", 0, "name"), "cfe", "'cfe' is not a kind of formulation"),
        (("time", "output_interval"), "hourly", 'output_interval must be a whole number, but is "hourly"'),
        (("time",), "today", 'time must be an object in braces, but is "today"'),
        (("routing",), {"t_route": "x"}, "the required key 't_route_config_file_with_path' is missing"),
    ],
)  # fmt: skip
def test_what_cannot_be_understood_is_said_in_plain_words(read, path, value, message):
    realization, report = read(changed(*path, value=value))
    # Where only the time is wrong the rest can still be checked.
    assert realization is None if path[0] != "time" else not realization.timed
    assert [f.message for f in report.errors if f.message.startswith(message)], str(report)


@pytest.mark.parametrize("key", ["model_type_name", "library_file", "init_config", "main_output_variable"])
def test_a_required_key_is_missed_where_it_should_be(read, key):
    _, report = read(changed(*CFE_PARAMS, key, without=True))
    found = only(report)
    assert found.message == f"the required key {key!r} is missing"
    assert found.key == f"global.formulations[0].params.modules[1].params.{key}"


def test_a_python_module_needs_a_class_and_no_library(read):
    module = {
        "name": "bmi_python",
        "params": {"model_type_name": "lstm", "init_config": "a.yml", "main_output_variable": "q"},
    }
    _, report = read(changed(*PARAMS, "modules", value=[module]))
    assert only(report).message == "the required key 'python_type' is missing"
    module["params"]["python_type"] = "lstm.bmi_lstm.bmi_LSTM"
    realization, report = read(changed(*PARAMS, "modules", value=[module]))
    assert report.ok
    assert realization.formulation("cat-1").modules[0].python_type == "lstm.bmi_lstm.bmi_LSTM"


def test_a_parameter_from_the_hydrofabric_is_by_default_its_own_column(read):
    given = {"slope": {"source": "hydrofabric", "from": "mean.slope"}, "b": {"source": "hydrofabric"}}
    realization, report = read(changed(*CFE_PARAMS, "model_params", value=given))
    assert report.ok
    assert realization.formulation("cat-1").modules[1].params == {
        "slope": {"source": "hydrofabric", "from": "mean.slope"},
        "b": {"source": "hydrofabric", "from": "b"},
    }


def test_headers_must_be_as_many_as_variables(read):
    whole = changed(*PARAMS, "output_variables", value=["Q_OUT", "RAIN_RATE"])
    whole["global"]["formulations"][0]["params"]["output_header_fields"] = ["q"]
    realization, report = read(whole)
    assert only(report).message == "2 output_variables, but 1 output_header_fields"
    assert realization.formulation("cat-1").headers == ()


def test_only_the_first_formulation_counts(read):
    realization, report = read(changed("global", "formulations", value=[MULTI, {"name": "whatever"}]))
    found = only(report)
    assert (found.severity, found.key) == ("warning", "global.formulations[1]")
    assert realization.formulation("cat-1").is_multi


def test_only_the_default_layer_can_be_run(read):
    layer = {"id": 0, "name": "surface layer", "time_step": "3600", "time_step_units": "s"}
    assert read(changed("layers", value=[layer]))[1].ok
    realization, report = read(changed("layers", value=[layer, {"id": 1, "name": "soil layer"}]))
    assert (only(report).severity, only(report).code) == ("error", "layers")
    assert realization is not None
    assert not read(changed("layers", value=[{**layer, "formulations": [CFE]}]))[1].ok


# output


def test_the_old_output_keys_count_where_there_is_no_block_output(read):
    whole = {**GOOD, "disable_catchment_output": True, "per_formulation_nexus_files": True}
    output = read(whole)[0].output
    assert (output.root, output.precision) == ("./outputs/ngen", 9)
    assert (output.catchment_enabled, output.nexus_enabled, output.nexus_format) == (False, True, "netcdf")


def test_the_block_output_silences_the_old_keys_with_a_warning(read):
    whole = {**GOOD, "output": {"root": "new/", "catchment": {"grouping": "per_formulation"}}}
    realization, report = read(whole)
    output = realization.output
    assert (output.root, output.catchment_enabled, output.catchment_grouping) == (
        "new/",
        True,
        "per_formulation",
    )
    assert only(report).message == "output_root is ignored because there is a block output"


def test_without_any_output_key_results_go_to_the_run_directory(read):
    assert read(changed("output_root", without=True))[0].output.root == "./"


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        ({"output": {"catchment": {"format": "netcdf"}}}, "no-such-output"),
        ({"output": {"nexus": {"enable": False}}, "routing": {"t_route_config_file_with_path": "t.yaml"}},
         "routing-without-nexuses"),
        ({"output": {"nexus": {"format": "netcdf"}},
          "catchments": {"cat-1": {"formulations": [MULTI], "forcing": {"path": "a"}}}},
         "netcdf-with-catchments"),
    ],
)  # fmt: skip
def test_outputs_that_ngen_refuses_are_errors(read, extra, code):
    whole = {**changed("output_root", without=True), **extra}
    realization, report = read(whole)
    assert [f.code for f in report.errors] == [code]
    assert realization is not None


# forcing


def test_no_provider_means_csv_and_null_needs_no_path(read):
    realization, report = read(changed("global", "forcing", value={"path": "a", "file_pattern": ".*{{id}}.*.csv"}))
    assert report.ok
    assert realization.forcing("cat-1") == ForcingEntry("a", "CsvPerFeature", ".*{{id}}.*.csv")
    realization, report = read(changed("global", "forcing", value={"provider": "NullForcingProvider"}))
    assert report.ok
    assert realization.forcing("cat-1") == ForcingEntry("", "NullForcingProvider")


@pytest.mark.parametrize(
    ("forcing", "severity", "code"),
    [
        ({"path": "a", "provider": "netcdf"}, "error", "unknown-provider"),
        ({"provider": "NetCDF"}, "error", "missing-key"),
        ({"path": "a", "file_pattern": "*{{id}}.csv"}, "error", "bad-pattern"),
        ({"path": "a", "file_pattern": ".*{{ID}}.*.csv"}, "warning", "pattern-without-id"),
    ],
)
def test_a_forcing_that_cannot_work_is_said(read, forcing, severity, code):
    _, report = read(changed("global", "forcing", value=forcing))
    assert (only(report).severity, only(report).code) == (severity, code)


# catchments


def own(config: str, path: str = "a.csv") -> dict[str, Any]:
    """An entry below ``catchments`` with this init_config and this forcing."""
    entry = copy.deepcopy(CFE)
    entry["params"]["init_config"] = config
    return {"formulations": [entry], "forcing": {"path": path}}


def test_a_catchment_may_have_its_own_formulation_and_forcing(read):
    realization, report = read(changed("catchments", value={"cat-27": own("x.ini", "cat-27.csv")}))
    assert report.ok
    assert realization.overridden == ("cat-27",)
    assert not realization.formulation("cat-27").is_multi
    assert realization.formulation("cat-52").is_multi
    assert realization.forcing("cat-27").path == "cat-27.csv"
    assert realization.forcing("cat-52").path == "./forcings/forcings.nc"


def test_what_a_catchment_lacks_comes_from_global_with_a_warning_that_ngen_stops(read):
    entries = {"cat-1": {"forcing": {"path": "a.csv"}}, "cat-2": {"formulations": [CFE]}}
    realization, report = read(changed("catchments", value=entries))
    assert realization.formulation("cat-1") is realization.default_formulation
    assert realization.forcing("cat-2") is realization.default_forcing
    assert [(f.severity, f.code, f.ids) for f in report.findings] == [
        ("warning", "no-own-formulations", ("cat-1",)),
        ("warning", "no-own-forcing", ("cat-2",)),
    ]


def test_ten_thousand_equal_overrides_share_one_formulation(read):
    ids = [f"cat-{n}" for n in range(1, 10_001)]
    entries = {name: own(f"./CFE/{name}_config.ini", f"{name}.csv") for name in ids}
    realization, report = read(changed("catchments", value=entries))
    assert report.ok
    assert len({id(realization.formulation(name)) for name in ids}) == 1
    assert realization.formulation("cat-9").modules[0].init_config == "./CFE/{{id}}_config.ini"
    assert realization.forcing("cat-9").path == "cat-9.csv"


def test_an_id_in_another_id_is_not_taken_for_it(read):
    configs = ["cat-2 CFE/cat-27.ini", "cat-3 cat-3/cat-3.ini", "cat-4 {{id}}/cat-4", "cat-5 PET_cat-5.ini"]
    entries = {name: own(config) for name, config in map(str.split, configs)}
    realization, _ = read(changed("catchments", value=entries))
    assert [realization.formulation(name).modules[0].init_config for name in entries] == [
        "CFE/cat-27.ini",
        "cat-3/cat-3.ini",
        "{{id}}/cat-4",
        "PET_{{id}}.ini",
    ]


def test_like_mistakes_of_many_catchments_are_shown_as_one(read):
    entry = own("./CFE/{{id}}.ini")
    entry["formulations"][0]["params"]["uses_forcing_file"] = True
    _, report = read(changed("catchments", value={f"cat-{n}": entry for n in range(1, 1001)}))
    text = str(report)
    assert text.startswith("error: uses_forcing_file was removed from ngen and must not be set (1,000 times)")
    assert "for  cat-1, cat-2, cat-3 and 997 more" in text
    assert report.errors[1].key == "catchments.cat-2.formulations[0].params.uses_forcing_file"


def test_without_global_the_listed_catchments_can_be_run_and_others_cannot(read):
    whole = changed("global", without=True)
    realization, report = read(whole)
    assert [f.code for f in report.errors] == ["no-formulations", "no-forcing"]
    whole["catchments"] = {"cat-1": own("a"), "cat-2": {"forcing": {"path": "a.csv"}}}
    realization, report = read(whole)
    assert [(f.code, f.ids) for f in report.errors] == [("no-formulations", ("cat-2",))]
    assert realization.formulation("cat-1").modules[0].title == "CFE"
    with pytest.raises(RealizationError, match="no formulation for cat-3"):
        realization.formulation("cat-3")
    with pytest.raises(RealizationError, match="no forcing for cat-3"):
        realization.forcing("cat-3")


def test_formulations_are_equal_by_what_they_say_and_travel(read):
    one, other = (read(GOOD)[0].formulation("cat-1") for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert one is not other
    assert read(changed(*CFE_PARAMS, "model_params", value={"b": 2}))[0].formulation("cat-1") != one
    back = pickle.loads(pickle.dumps(one))
    assert (back, back.modules) == (one, one.modules)


# what people really run

OBSOLETE = {"test_realization_config.json", "ngen_cal_example_realization_config.json"}


def realizations(folder: Path) -> list[Path]:
    """All realizations of the real data."""
    places = ("configs/realization", "configs/ngiab_golden/realization", "ngen-reference")
    return sorted(p for place in places for p in (folder / place).rglob("*.json") if "partitions" not in p.name)


def test_every_real_realization_can_be_read_but_for_two_older_than_bmi(data):
    files = realizations(data)
    assert len(files) >= 34
    for path in files:
        realization, report = read_realization(path)
        if path.name in OBSOLETE:
            assert realization is None
            assert report.errors[-1].code == "unknown-formulation"
        else:
            assert report.ok, f"{path.name}:\n{report}"
            assert realization.formulation("cat-27").modules


def test_the_gauge_that_ngen_ran(data):
    realization, report = read_realization(data / "ngen-reference/gauge_01073000/config/realization.json")
    assert str(report) == "nothing to report"
    sloth, pet, cfe = realization.formulation("cat-11223").modules
    assert (sloth.library, pet.registration, cfe.registration) == (
        "libslothmodel.so",
        "register_bmi_pet",
        "register_bmi_cfe",
    )
    assert pet.init_config == "./config/PET/{{id}}_pet_config.txt"
    assert list(sloth.params) == [
        "sloth_ice_fraction_schaake(1,double,m,node)",
        "sloth_ice_fraction_xinanjiang(1,double,1,node)",
        "sloth_smp(1,double,1,node)",
    ]
    assert realization.steps == 720
    assert realization.output.root == "./outputs/ngen/"


def test_csv_forcing_of_n20(data):
    realization, _ = read_realization(data / "ngen-reference/n20/config/csv-forcing.json")
    assert realization.forcing("cat-1") == ForcingEntry("./forcings/csv/", "CsvPerFeature", "{{id}}.csv")


def test_snow17_of_ngiab(data):
    realization, report = read_realization(data / "configs/ngiab_golden/realization/snow17-nom-cfe.json")
    formulation = realization.formulation("cat-1555522")
    assert [m.title for m in formulation.modules] == ["SLOTH", "SNOW17", "NoahOWP", "CFE"]
    assert [m.kind for m in formulation.modules] == ["bmi_c++", "bmi_fortran", "bmi_fortran", "bmi_c"]
    assert formulation.modules[3].alias("water_potential_evaporation_flux") == "EVAPOTRANS"
    assert realization.steps == 25
    assert realization.routing_config == "./config/troute.yaml"
    assert [f.code for f in report.findings] == ["ngen-only"]


def test_the_gauge_of_ngen_has_a_one_digit_hour_and_a_disabled_block(data):
    name = "gauge_01073000__example_bmi_multi_realization_config_w_routing.json"
    realization, report = read_realization(data / "configs/realization/ngen" / name)
    assert realization.steps == 720
    assert only(report).key == "global.formulations[0].params.modules[0].params.model_params_disabled"


def test_overrides_of_ngen_that_repeat_global_are_the_global_object(data):
    path = data / "configs/realization/ngen/example_realization_config.json"
    realization, _ = read_realization(path)
    assert realization.overridden == ("cat-27", "cat-52", "cat-67")
    assert realization.formulation("cat-27") is realization.default_formulation
    assert realization.forcing("cat-67").path == ("./data/forcing/cat-67_2015-12-01 00_00_00_2015-12-30 23_00_00.csv")


def test_overrides_of_dmod_without_forcing_get_that_of_global(data):
    realization, report = read_realization(data / "configs/realization/dmod/ex_realization_config_02.json")
    assert realization.formulation("cat-67").modules[0].registration == "register_bmi_topmodel"
    assert len(realization.formulation("cat-27").modules) == 4
    assert realization.forcing("cat-27").provider == "NetCDF"
    assert [f.ids for f in report.warnings] == [("cat-27",), ("cat-67",)]
