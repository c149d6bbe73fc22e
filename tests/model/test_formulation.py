"""Formulations as people choose and change them, and the realizations made of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from dmod.conductor.question import question_of
from dmod.errors import RealizationError
from dmod.model.check import examine
from dmod.model.formulation import Formulation
from dmod.model.formulation_named import NAMED
from dmod.model.realization import ForcingEntry, read_realization
from dmod.session import request_of
from dmod.testing.rivers import MODULES, START, multi, run_here, tiny_run_directory

HOURS = 6
END = START + timedelta(hours=HOURS - 1)


def put(directory, realization):
    """A realization in place of the one that is there."""
    path = directory / "config" / "realization.json"
    path.write_text(json.dumps(realization, indent=1))
    return path


def made(formulation, **options):
    """The realization of a formulation, for a tiny river."""
    return formulation.to_realization(START, END, forcing="forcings/forcings.nc", configs="config", **options)


def outputs(directory):
    """The bytes of what a run in this process gives."""
    run_here(directory)
    return (directory / "outputs" / "dmod" / "run.nc").read_bytes()


@pytest.mark.parametrize("name", sorted(NAMED))
def test_the_realization_of_a_named_formulation_passes_the_check(tmp_path, name):
    river = tiny_run_directory(tmp_path, hours=HOURS)
    put(river, made(Formulation.load(name)))
    case, report = examine(question_of(request_of(river), every_value=True))
    assert case is not None
    assert report.ok
    assert not report.warnings, str(report)


def test_a_made_realization_runs_to_the_same_bytes_as_one_written_by_hand(tmp_path):
    by_hand = tiny_run_directory(tmp_path / "hand", hours=HOURS)
    river = tiny_run_directory(tmp_path / "made", hours=HOURS)
    put(river, made(Formulation.load("cfe")))
    assert outputs(river) == outputs(by_hand)


def test_parameters_do_what_model_params_written_by_hand_do(tmp_path):
    cfe = json.loads(json.dumps(MODULES["cfe"]))
    cfe["params"]["model_params"] = {"satdk": 1e-6, "slope": 0.3}
    hand = tiny_run_directory(tmp_path / "hand", hours=HOURS, formulation=multi(MODULES["sloth"], MODULES["pet"], cfe))
    river = tiny_run_directory(tmp_path / "made", hours=HOURS)
    put(river, made(Formulation.load("cfe").with_parameters({"satdk": 1e-6, "cfe": {"slope": 0.3}})))
    plain = tiny_run_directory(tmp_path / "plain", hours=HOURS)
    assert outputs(river) == outputs(hand)
    assert outputs(river) != outputs(plain)


def test_a_catchment_may_differ(tmp_path):
    river = tiny_run_directory(tmp_path, hours=HOURS)
    formulation = Formulation.load("cfe").for_catchments({"cat-2": {"satdk": 1e-5}})
    content = made(formulation)
    put(river, content)
    assert content["catchments"]["cat-2"]["forcing"] == content["global"]["forcing"], "ngen wants one in each entry"
    flow = run_here(river)
    runoff = flow["DIRECT_RUNOFF"].max("time").to_numpy()
    assert runoff[0] == runoff[2] == pytest.approx(0.0140625), "paved: all of the shower"
    assert runoff[1] < 0.9 * runoff[0], "here some of it seeps away"


def test_what_is_set_for_all_also_holds_where_catchments_differ():
    formulation = Formulation.load("cfe").for_catchments({"cat-2": {"slope": 0.1}}).with_parameters({"satdk": 1e-6})
    assert formulation.of("cat-2").parameters == {"cfe.slope": 0.1, "cfe.satdk": 1e-6}
    assert formulation.of("cat-9").parameters == {"cfe.satdk": 1e-6}
    assert formulation.of("cat-9").own == ()


def test_a_catchment_may_have_another_formulation():
    formulation = Formulation.load("cfe").for_catchments({"cat-2": Formulation.load("pet")})
    assert formulation.of("cat-2").titles == ("sloth", "pet")
    entry = formulation.to_realization(START, END)["catchments"]["cat-2"]["formulations"][0]
    assert [module["params"]["model_type_name"] for module in entry["params"]["modules"]] == ["SLOTH", "PET"]


def test_evapotranspiration_alone_runs_and_nothing_flows(tmp_path):
    river = tiny_run_directory(tmp_path, hours=HOURS, pet={"pet_method": "1"}, weather={"DSWRF_surface": 500.0})
    put(river, made(Formulation.load("pet")))
    found = run_here(river)
    assert (found["water_potential_evaporation_flux"] > 0).all()
    assert (found["nexus_flow"] == 0).all()


@pytest.mark.parametrize("name", sorted(NAMED))
def test_a_formulation_comes_back_from_the_realization_it_made(tmp_path, name):
    formulation = Formulation.load(name).for_catchments({"cat-2": Formulation.load("pet"), "cat-3": {}})
    path = tmp_path / "realization.json"
    path.write_text(json.dumps(formulation.to_realization(START, END)))
    again = Formulation.from_realization(path)
    assert again.entry == formulation.entry
    assert [(name, one.entry) for name, one in again.own] == [(name, one.entry) for name, one in formulation.own]
    realization, report = read_realization(path)
    assert report.ok
    assert realization.default_formulation == formulation.chain
    assert realization.formulation("cat-2") == formulation.of("cat-2").chain
    assert (realization.start_s, realization.steps) == (int(START.timestamp()), HOURS)


def test_a_formulation_comes_back_from_types_that_json_has():
    formulation = Formulation.load("cfe-x").with_configs({"cfe": {"soil_storage": 0.4}})
    formulation = formulation.for_catchments({"cat-1": {"satdk": 1e-6}, "cat-2": Formulation.load("pet")})
    assert Formulation.from_dict(json.loads(json.dumps(formulation.to_dict()))) == formulation


def test_equal_formulations_are_equal_and_hash_alike():
    one, other = (Formulation.load("cfe").with_parameters({"satdk": 1e-6}) for _ in range(2))
    assert one == other
    assert len({one, other, Formulation.load("cfe")}) == 2


def test_real_realizations_are_read_and_written_again(data, tmp_path):
    count = 0
    for path in sorted((data / "configs" / "realization").rglob("*.json")):
        realization, _ = read_realization(path)
        if realization is None or realization.default_formulation is None:
            continue
        count += 1
        formulation = Formulation.from_realization(path)
        again = tmp_path / "again.json"
        again.write_text(json.dumps(formulation.to_realization(START, END)))
        found, _ = read_realization(again)
        assert found.default_formulation == realization.default_formulation, path.name
        assert dict(found.own_formulations) == dict(realization.own_formulations), path.name
    assert count >= 10


def test_a_formulation_of_one_module_is_a_formulation(tmp_path):
    # Where a realization had a module alone, the first DMOD stopped with a KeyError.
    entry = {"name": "bmi_c", "params": dict(MODULES["cfe"]["params"])}
    path = tmp_path / "realization.json"
    content = {
        "global": {"formulations": [entry], "forcing": {"path": "x.nc", "provider": "NetCDF"}},
        "time": {"start_time": "2016-09-01 00:00:00", "end_time": "2016-09-01 05:00:00", "output_interval": 3600},
    }
    path.write_text(json.dumps(content))
    formulation = Formulation.from_realization(path)
    assert formulation.titles == formulation.config_modules == ("cfe",)
    changed = formulation.with_parameters({"satdk": 1e-6})
    assert changed.to_realization(START, END, configs="here")["global"]["formulations"] == [
        {
            "name": "bmi_c",
            "params": entry["params"] | {"init_config": "here/CFE/{{id}}.ini", "model_params": {"satdk": 1e-6}},
        }
    ]


def test_modules_that_are_not_known_here_keep_what_they_say(data):
    path = data / "configs" / "ngiab_golden" / "realization" / "cfe-nom.json"
    formulation = Formulation.from_realization(path)
    assert formulation.titles == ("sloth", "noahowp", "cfe")
    entry = formulation.with_parameters({"NoahOWP.CWP": 0.2}).to_realization(START, END)["global"]["formulations"][0]
    assert entry["params"]["modules"][1]["params"]["model_params"] == {"CWP": 0.2}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(lambda f: Formulation.load("cef"), "did you mean cfe", id="name"),
        pytest.param(lambda f: f.with_parameters({"satdkk": 1.0}), "did you mean satdk", id="parameter"),
        pytest.param(lambda f: f.with_parameters({"cfe.slop": 1.0}), "did you mean slope", id="parameter of a module"),
        pytest.param(lambda f: f.with_parameters({"cfee": {"slope": 1.0}}), "did you mean cfe", id="module"),
        pytest.param(lambda f: f.with_parameters({"pet.albedo": 1.0}), "pet has no parameter", id="module without any"),
        pytest.param(lambda f: f.with_parameters({"satdk": "much"}), "satdk: 'much' is not", id="no number"),
        pytest.param(lambda f: f.with_configs({"cfe": {"soil_storag": 1}}), "did you mean soil_storage", id="key"),
        pytest.param(lambda f: f.with_configs({"pett": {"verbose": 1}}), "did you mean pet", id="module of a key"),
        pytest.param(lambda f: f.for_catchments({"satdk": {"cat-1": 1.0}}), "is no catchment", id="turned round"),
        pytest.param(lambda f: f.to_realization("2016-09-02", "2016-09-01"), "before start", id="times turned round"),
        pytest.param(lambda f: f.to_realization("2016-09-01", "2016-09-01 00:30"), "whole number", id="half an hour"),
        pytest.param(lambda f: f.to_realization("September", "2016-09-01"), "start is no time", id="no time"),
        pytest.param(lambda f: Formulation.from_dict({"name": "x"}), "no formulation", id="no entry"),
        pytest.param(lambda f: Formulation("x", "{"), "no JSON", id="no JSON"),
        pytest.param(lambda f: Formulation("x", '{"name": "bmi_c", "params": {}}'), "cannot be understood", id="empty"),
    ],
)
def test_what_is_wrong_is_said_with_what_comes_nearest(change, said):
    with pytest.raises(RealizationError, match=said):
        change(Formulation.load("cfe"))


def test_a_parameter_of_two_modules_must_say_whose():
    two = Formulation("two", json.dumps(multi(MODULES["cfe"], MODULES["sloth"] | {"params": dict(
        MODULES["sloth"]["params"], model_params={"satdk(1,double,1,node)": 0.0}
    )})))  # fmt: skip
    with pytest.raises(RealizationError, match=r"write cfe\.satdk"):
        two.with_parameters({"satdk": 1e-6})


def test_a_realization_that_cannot_be_read_says_why(tmp_path):
    path = tmp_path / "realization.json"
    path.write_text('{"global": {"formulations": [{"name": "bmi_d"}]}}')
    with pytest.raises(RealizationError, match="cannot be used"):
        Formulation.from_realization(path)
    path.write_text(json.dumps({"time": Formulation.load("pet").to_realization(START, END)["time"]}))
    with pytest.raises(RealizationError, match="no formulation for catchments that it does not list"):
        Formulation.from_realization(path)


def test_times_are_utc_whatever_zone_they_are_given_in():
    denver = timezone(timedelta(hours=-6))
    time = Formulation.load("pet").to_realization(
        datetime(2016, 9, 1, tzinfo=denver), datetime(2016, 9, 1, 8, tzinfo=UTC)
    )
    assert time["time"] == {
        "start_time": "2016-09-01 06:00:00", "end_time": "2016-09-01 08:00:00", "output_interval": 3600,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "entry"),
    [
        ("./forcings/forcings.nc", {"path": "./forcings/forcings.nc", "provider": "NetCDF"}),
        ("w.zarr", {"path": "w.zarr", "provider": "Zarr"}),
        ("forcings", {"path": "forcings", "provider": "CsvPerFeature", "file_pattern": "{{id}}.csv"}),
        ("one.csv", {"path": "one.csv", "provider": "CsvPerFeature"}),
        (
            ForcingEntry("d", "CsvPerFeature", "a{{id}}"),
            {"path": "d", "provider": "CsvPerFeature", "file_pattern": "a{{id}}"},
        ),
    ],
)
def test_the_forcing_is_told_by_its_name(given, entry):
    assert Formulation.load("cfe").to_realization(START, END, forcing=given)["global"]["forcing"] == entry


def test_the_card_escapes_what_stands_in_a_file():
    entry = json.loads(json.dumps(MODULES["cfe"]))
    entry["params"]["model_type_name"] = "<script>"
    shown = Formulation("<b>", json.dumps(entry))._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "&lt;b&gt;" in shown
