"""Specifications from their files to a grade: the original's own, and what dmod does better."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from made_specification import BY_DAY, FT3, SITES, TIMES, flows, saved, simulated, specification, write_rdb, written

from dmod.errors import CheckError, ObservationError
from dmod.evaluation.metric import find_metric
from dmod.evaluation.original import original_metric
from dmod.evaluation.spec_run import run_specification

GOLDEN = {
    "cfs_vs_cfs_evaluation.json": "cfs_vs_cfs_expected.json",
    "cfs_vs_cms_evaluation.json": "cfs_vs_cms_expected.json",
}


@pytest.fixture
def golden(data):
    """The original's specifications and what it made of them."""
    folder = data / "evaluation-golden" / "dmod_evaluations"
    if not folder.is_dir():
        pytest.skip("the golden specifications of the original are not in DMOD_TEST_DATA")
    return folder


@pytest.fixture
def run(tmp_path):
    """Run the small specification after a change, or with other flows."""

    def call(change=lambda spec: None, *, scoring="corrected", memory=None, **flows_given):
        spec = written(tmp_path, **flows_given)
        change(spec)
        return run_specification(saved(tmp_path, spec), scoring=scoring, memory=memory)

    return call


def levels(site):
    """Thresholds of the days at a site's instants [ft3 s-1]."""
    day = {pd.Timestamp(2021, 2, 27): 58, pd.Timestamp(2021, 2, 28): 59, pd.Timestamp(2021, 3, 1): 61,
           pd.Timestamp(2021, 3, 2): 62}  # fmt: skip
    return np.array([BY_DAY[day[t.normalize()]] for t in TIMES], dtype=float)


@pytest.mark.parametrize(("spec", "expected"), GOLDEN.items())
def test_the_original_grades_are_reproduced(golden, spec, expected):
    wanted = json.loads((golden / expected).read_text())
    made = run_specification(golden / spec, scoring="dmod")
    graded = made.graded
    assert graded.grade == wanted["grade"] == 68.48
    assert graded.letter == "D+"
    for name, key in (("total", "performance"), ("mean", "mean"), ("median", "median"), ("std", "standard_deviation")):
        assert getattr(graded, name) == pytest.approx(wanted[key], rel=1e-12), name
    for label, at in wanted["locations"].items():
        assert float(graded.by_place.sel(place=label.split(" vs ")[1])) == pytest.approx(at["scaled"], rel=1e-12)
    for row in wanted["scores"]:
        metric = original_metric(row["metric"])
        cell = graded.cells.sel(place=row["predicted"], metric=metric.variable, threshold=row["threshold"])
        values = [float(cell["value"]), float(cell["scaled"]) * row["threshold_weight"]]
        golden_values = [np.nan if row[key] is None else row[key] for key in ("value", "scaled")]
        np.testing.assert_allclose(values, golden_values, rtol=1e-12, atol=1e-12, err_msg=str(row))
        assert metric.failed(values[0]) == row["failed"]
    assert len(wanted["scores"]) == 50


@pytest.mark.parametrize("name", ["full_templated_evaluation", "multitemplate", "untemplated_configuration"])
def test_templated_ones_have_the_same_grade(golden, name):
    made = run_specification(golden / "templates" / "evaluation" / f"{name}.json", folder=golden, scoring="dmod")
    assert made.graded.grade == 68.48
    assert made.graded.std == pytest.approx(0.0610715, abs=1e-7)


def test_the_example_of_the_notes_has_its_grade(golden):
    graded = run_specification(golden / "example_spec.json", scoring="dmod").graded
    assert graded.grade == 64.60
    assert (100 * graded.by_place).values == pytest.approx([61.06, 68.15], abs=0.005)


def test_corrected_is_the_original_of_data_without_its_faults(golden, tmp_path):
    """53 instants of one gauge are there twice; without them, the original has our grade."""
    ours = run_specification(golden / "example_spec.json").graded
    document = json.loads((golden / "observations.json").read_text())
    for series in document["value"]["timeSeries"]:
        entries = {e["dateTime"]: e for block in series["values"] for e in reversed(block["value"])}
        series["values"] = [{"value": sorted(entries.values(), key=lambda e: e["dateTime"])}]
    for path in (*golden.glob("cat*cms.csv"), golden / "crosswalk.json", golden / "nwis_stat_thresholds.rdb"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "observations.json").write_text(json.dumps(document))
    theirs = run_specification(golden / "example_spec.json", folder=tmp_path, scoring="dmod").graded
    assert ours.total == pytest.approx(theirs.total, rel=1e-9)
    assert ours.covered == pytest.approx(1.0)
    assert ours.grade == pytest.approx(63.86, abs=0.01)


def test_a_blank_threshold_no_longer_raises_the_grade_in_silence(golden, tmp_path):
    """The notes' measured case: without the 95th percentile 64.60 became 84.13, and nothing said so."""
    for name in ("cat-27_cms.csv", "cat-52_cms.csv", "crosswalk.json", "observations.json"):
        (tmp_path / name).write_bytes((golden / name).read_bytes())
    lines = (golden / "nwis_stat_thresholds.rdb").read_text().splitlines()
    blank = [line if not line.startswith("USGS") else line.rsplit("\t", 1)[0] + "\t" for line in lines]
    (tmp_path / "nwis_stat_thresholds.rdb").write_text("\n".join(blank) + "\n")
    theirs = run_specification(golden / "example_spec.json", folder=tmp_path, scoring="dmod").graded
    assert theirs.grade == pytest.approx(84.13, abs=0.01)
    ours = run_specification(golden / "example_spec.json", folder=tmp_path).graded
    assert ours.covered == pytest.approx(0.2)
    assert set(ours.without_value["threshold"]) == {"95th percentile"}
    assert "80% of the weight had no value" in repr(ours)


@pytest.mark.parametrize("scoring", ["corrected", "dmod"])
def test_values_are_those_that_one_computes_by_hand(run, scoring):
    made = run(scoring=scoring)
    for site, place in SITES.items():
        obs, sim, at = flows()[site], simulated()[site], levels(site)
        event, seen = obs >= at, sim >= at
        hits, misses, alarms = (event & seen).sum(), (event & ~seen).sum(), (~event & seen).sum()
        kept = xr.Dataset({"sim": ("t", sim[event]), "obs": ("t", obs[event])})
        kge = float(find_metric("kge")(kept["sim"].to_numpy(), kept["obs"].to_numpy()))
        wanted = {"Probability of Detection": hits / (hits + misses), "False Alarm Ratio": alarms / (hits + alarms),
                  "Kling-Gupta Efficiency": kge}  # fmt: skip
        for name, value in wanted.items():
            variable = find_metric(name).name if scoring == "corrected" else original_metric(name).variable
            label = "Median" if scoring == "corrected" else "p50_va"
            found = float(made.scores[variable].sel(place=place, threshold=label))
            assert found == pytest.approx(value, rel=1e-9), (site, name)
            assert 0 < value < 1, "a case that could be told from another"


def test_an_evaluation_of_a_specification_is_like_any_other(run, tmp_path):
    made = run()
    assert made.name == "four days"
    assert made.pairs["obs"].dims == ("place", "time")
    assert made.pairs["obs"].attrs["units"] == "ft3/s"
    assert made.pairs["gage"].values.tolist() == ["01", "02"]
    assert set(made.metrics) == {"pod", "far", "kge"}
    assert made.scores["kge"].dims == ("place", "threshold")
    whole = find_metric("kge")(made.pairs["sim"].to_numpy(), made.pairs["obs"].to_numpy())
    np.testing.assert_allclose(made.scores["kge"].sel(threshold="all"), whole, rtol=1e-12)
    assert made.thresholds.sel(place="cat-1", threshold="Flood") == pytest.approx(1 / FT3)
    json.dumps(made.specification)
    again = type(made).load(made.save(tmp_path / "made.nc"))
    assert again.graded.grade == made.graded.grade
    assert made.graded.covered == pytest.approx(1.0)


def test_weights_are_those_of_the_specification(run):
    graded = run().graded
    scaled = graded.cells["scaled"].sel(place="cat-1")
    pod, far, kge = (
        float((3 * scaled.sel(metric=m, threshold="Median") + scaled.sel(metric=m, threshold="Flood")) / 4)
        for m in ("pod", "far", "kge")
    )
    assert float(graded.by_place.sel(place="cat-1")) == pytest.approx((2 * pod + far + 3 * kge) / 6)


def test_progress_is_told_to_the_end(tmp_path):
    told = []
    run_specification(saved(tmp_path, written(tmp_path)), progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


# Faults of the original, one by one: what a specification shows of each (others in test_scores.py)


def test_fault_3_nothing_simulated_is_no_full_mark(run):
    low = {site: np.full(len(TIMES), 1.0) + 0.01 * np.arange(len(TIMES)) for site in SITES}
    ours, theirs = run(sim=low), run(sim=low, scoring="dmod")
    assert theirs.scores["false_alarm_ratio"].values.tolist() == [[0.0, 0.0]] * 2
    assert np.isnan(ours.scores["far"]).all()
    lost = ours.graded.without_value
    assert set(lost["metric"]) == {"far"}
    assert set(lost["reason"]) == {"no event was simulated"}
    assert lost["weight"].sum() == pytest.approx(1 / 6)


def test_fault_4_as_good_as_chance_is_zero(run):
    def only_ets(spec):
        spec["scheme"]["metrics"] = [{"name": "Equitable Threat Score"}]
        spec["thresholds"] = [{"definitions": [{"name": "x", "value": 0.5, "unit": "ft3/s"}]}]

    pattern = np.tile([1.0, 0.0, 1.0, 0.0], len(TIMES) // 4)
    by_chance = {"obs": {"01": pattern}, "sim": {"01": np.tile([1.0, 1.0, 0.0, 0.0], len(TIMES) // 4)}}
    assert np.isnan(run(only_ets, scoring="dmod", **by_chance).scores["equitable_threat_score"]).all()
    ours = run(only_ets, **by_chance)
    assert ours.scores["ets"].sel(threshold="x").values.tolist() == [0.0]
    assert (ours.graded.grade, ours.graded.covered) == (0.0, 1.0)


def test_fault_5_a_volume_error_does_not_swamp_the_grade(run):
    def volume(spec):
        spec["scheme"]["metrics"].append({"name": "Volume Error", "weight": 1})

    assert abs(run(volume, scoring="dmod").graded.by_metric.sel(metric="volume_error")).max() > 1
    assert 0 <= run(volume).graded.by_metric.sel(metric="relative_bias").min() <= 1


def test_fault_6_missing_values_do_not_count(run):
    holed = flows()
    holed["01"][[5, 6, 40]] = np.nan
    known = {site: [None if np.isnan(v) else v for v in values] for site, values in holed.items()}
    ours = run(obs=known)
    keep = ~np.isnan(holed["01"])
    at, obs, sim = levels("01")[keep], holed["01"][keep], simulated()["01"][keep]
    assert float(ours.scores["pod"].sel(place="cat-1", threshold="Median")) == pytest.approx(
        ((obs >= at) & (sim >= at)).sum() / (obs >= at).sum()
    )
    assert np.isfinite(ours.scores["kge"]).all()


def test_fault_6_the_original_counts_missing_simulations_as_misses(run):
    holed = simulated()
    holed["01"][:24] = np.nan
    ours, theirs = run(sim=holed), run(sim=holed, scoring="dmod")
    pods = [float(ours.scores["pod"].sel(place="cat-1", threshold="Median")),
            float(theirs.scores["probability_of_detection"].sel(place="cat-1", threshold="p50_va"))]  # fmt: skip
    assert pods[0] > pods[1]
    assert np.isnan(theirs.scores["kling_gupta_efficiency"].sel(place="cat-1", threshold="p50_va"))
    assert np.isfinite(ours.scores["kge"].sel(place="cat-1", threshold="Median"))


def test_fault_7_units_of_thresholds_are_honoured(run):
    def only_flood(spec):
        spec["thresholds"] = spec["thresholds"][1:]

    ours, theirs = run(only_flood), run(only_flood, scoring="dmod")
    event = flows()["01"] >= 1.0 / FT3
    seen = simulated()["01"] >= 1.0 / FT3
    pod = (event & seen).sum() / event.sum()
    assert float(ours.scores["pod"].sel(place="cat-1", threshold="Flood")) == pytest.approx(pod)
    assert pod < 1
    assert (
        float(theirs.scores["probability_of_detection"].sel(place="cat-1").item()) == 1.0
    )  # above 1 ft3/s is everything


def test_fault_7_units_that_measure_something_else_are_told(run):
    with pytest.raises(ObservationError, match=r"(?s)'Median' is in units that do not convert.*mm"):
        run(lambda spec: spec["thresholds"][0]["definitions"][0].update(unit="mm"))


def test_fault_10_places_have_weights(run):
    graded = run(lambda spec: spec["scheme"].update(location_weights={"cat-1": 3})).graded
    one, two = graded.by_place.values
    assert graded.total == pytest.approx((3 * one + two) / 4)


def test_fault_11_cells_are_shares_of_all_weight(run):
    graded = run().graded
    cells = graded.cells
    assert float(cells["weight"].sum()) == pytest.approx(1.0)
    assert float((cells["weight"] * cells["scaled"]).sum()) == pytest.approx(graded.total)


def test_fault_12_a_place_without_a_threshold_stops_nothing(run, tmp_path):
    def without(spec):
        del spec["thresholds"][1]
        write_rdb(tmp_path, {"01": BY_DAY})

    made = run(without)
    assert np.isfinite(made.graded.by_place.sel(place="cat-1"))
    assert np.isnan(made.graded.by_place.sel(place="cat-2"))
    assert any("no threshold 'Median' at 02" in note for note in made.notes)
    assert made.graded.covered == pytest.approx(0.5)
    assert set(made.graded.without_value["reason"]) == {"no threshold"}


def test_fault_13_a_blank_threshold_is_told_with_its_weight(run, tmp_path):
    whole = run().graded

    def blank(spec):
        write_rdb(tmp_path, {"01": BY_DAY, "02": dict.fromkeys(BY_DAY)})

    graded = run(blank).graded
    lost = graded.without_value
    assert set(zip(lost["place"], lost["threshold"], lost["reason"], strict=True)) == {
        ("cat-2", "Median", "no threshold")
    }
    assert lost["weight"].sum() == pytest.approx(0.5 * 0.75)
    assert "38% of the weight had no value" in repr(graded)
    assert whole.covered == pytest.approx(1.0)


def test_fault_13_a_day_that_is_blank_drops_its_pairs_only(run, tmp_path):
    made = run(lambda spec: write_rdb(tmp_path, {site: {**BY_DAY, 59: None} for site in SITES}))
    keep = levels("01") != BY_DAY[59]
    at, obs, sim = levels("01")[keep], flows()["01"][keep], simulated()["01"][keep]
    pod = ((obs >= at) & (sim >= at)).sum() / (obs >= at).sum()
    assert float(made.scores["pod"].sel(place="cat-1", threshold="Median")) == pytest.approx(pod)


@pytest.mark.parametrize("value", ["-999999", "NaN"])
def test_fault_14_what_stands_for_missing_is_missing(run, value):
    known = {site: [value if i < 10 else v for i, v in enumerate(values)] for site, values in flows().items()}
    made = run(obs=known)
    assert int(made.pairs["obs"].notnull().sum()) == 2 * (len(TIMES) - 10)
    theirs = run(obs=known, scoring="dmod")
    assert int(theirs.scores["sample_size"].min()) == len(TIMES)


def test_codes_of_missing_values_can_be_said(run):
    known = {site: ["0.25" if i < 10 else v for i, v in enumerate(values)] for site, values in flows().items()}
    made = run(lambda spec: spec["observations"][0].update(no_data=[0.25]), obs=known)
    assert int(made.pairs["obs"].notnull().sum()) == 2 * (len(TIMES) - 10)
    assert any("20 values of 0.25 are taken as missing" in note for note in made.notes)


def test_fault_15_an_instant_counts_once(run, tmp_path):
    def twice(spec):
        document = json.loads((tmp_path / "observed.json").read_text())
        for series in document["value"]["timeSeries"]:
            series["values"].append({"value": series["values"][0]["value"][:30]})
        (tmp_path / "observed.json").write_text(json.dumps(document))

    made, theirs = run(twice), run(twice, scoring="dmod")
    assert int(theirs.scores["sample_size"].max()) == len(TIMES) + 30
    assert made.graded.grade == pytest.approx(run().graded.grade)
    assert any("60 values of instants that have several; the first counts" in note for note in made.notes)
    with pytest.raises(ObservationError, match="an instant twice"):
        run(lambda spec: (twice(spec), spec.update(pairing={"duplicates": "error"})))


def test_values_of_a_qualifier_can_be_left_out(run, tmp_path):
    def no_ice(spec):
        document = json.loads((tmp_path / "observed.json").read_text())
        for entry in document["value"]["timeSeries"][0]["values"][0]["value"][:7]:
            entry["qualifiers"] = ["P", "Ice"]
        (tmp_path / "observed.json").write_text(json.dumps(document))
        fields = spec["observations"][0]["value_selectors"][0]["associated_fields"]
        fields.append({"name": "qualifiers", "path": ["values[*]", "value[*]", "qualifiers"]})
        spec["observations"][0]["reject"] = {"qualifiers": ["Ice"]}

    made = run(no_ice)
    assert any("obs: 7 values are left out for their qualifiers" in note for note in made.notes)
    assert int(made.pairs["obs"].sel(place="cat-1").notnull().sum()) == len(TIMES) - 7


# What we add


def test_operators_quantiles_and_values(run):
    def low_flows(spec):
        spec["thresholds"] = [
            {"definitions": [
                {"name": "low", "quantile": 0.2, "operator": "<=", "weight": 2},
                {"name": "high", "value": 1.0, "unit": "m3 s-1"},
            ]}
        ]  # fmt: skip

    made = run(low_flows)
    obs, sim = flows()["01"], simulated()["01"]
    at = np.quantile(obs, 0.2)
    pod = ((obs <= at) & (sim <= at)).sum() / (obs <= at).sum()
    assert float(made.scores["pod"].sel(place="cat-1", threshold="low")) == pytest.approx(pod)
    high = (obs >= 1 / FT3).sum()
    assert float(made.scores["sample_size"].sel(place="cat-1", threshold="high")) == high
    assert float(made.thresholds.sel(place="cat-1", threshold="low")) == pytest.approx(at)


def test_arrays_in_memory_are_sources(run):
    array = xr.DataArray(
        np.array([simulated()[site] * FT3 for site in SITES]), {"place": list(SITES.values()), "time": TIMES},
        ("place", "time"), attrs={"units": "m3 s-1"},
    )  # fmt: skip

    def in_memory(spec):
        spec["predictions"] = [
            {"value_field": "flow", "backend": {"backend_type": "memory", "format": "zarr", "address": "mine"}}
        ]

    made = run(in_memory, memory={"mine": array})
    assert made.graded.grade == pytest.approx(run().graded.grade)
    with pytest.raises(ObservationError, match="nothing in memory is called 'mine'"):
        run(in_memory, memory={"other": array})


@pytest.mark.parametrize("kind", ["netcdf", "zarr", "parquet"])
def test_netcdf_zarr_and_parquet_are_sources(run, tmp_path, kind):
    values = np.array([simulated()[site] * FT3 for site in SITES])
    array = xr.DataArray(values, {"site": list(SITES.values()), "time": TIMES}, ("site", "time"), name="flow",
                         attrs={"units": "m3 s-1"})  # fmt: skip
    path = tmp_path / {"netcdf": "sim.nc", "zarr": "sim.zarr", "parquet": "sim.parquet"}[kind]
    if kind == "netcdf":
        array.to_netcdf(path, engine="h5netcdf")
    elif kind == "zarr":
        array.assign_coords(site=np.array(list(SITES.values()), dtype=object)).to_dataset().to_zarr(
            path, consolidated=False
        )
    else:
        rows = array.to_dataframe().reset_index().rename(columns={"flow": "value", "site": "location_id"})
        rows.assign(unit_name="m3/s").rename(columns={"time": "value_time"}).to_parquet(path)

    def from_file(spec):
        field = "value" if kind == "parquet" else "flow"
        spec["predictions"] = [
            {"value_field": field, "backend": {"backend_type": "file", "format": kind, "address": path.name}}
        ]

    assert run(from_file).graded.grade == pytest.approx(run().graded.grade)


def test_instants_may_be_brought_together(run, tmp_path):
    def half_an_hour_late(spec):
        for place in SITES.values():
            table = pd.read_csv(tmp_path / f"{place}_run.csv", parse_dates=["date"])
            table["date"] += pd.Timedelta(minutes=10)
            table.to_csv(tmp_path / f"{place}_run.csv", index=False)

    with pytest.raises(ObservationError, match="nothing to compare"):
        run(half_an_hour_late)
    made = run(
        lambda spec: (half_an_hour_late(spec), spec.update(pairing={"instants": "nearest", "tolerance": "15min"}))
    )
    assert int(made.pairs["obs"].notnull().sum()) == 2 * len(TIMES)


def test_groups_and_confidence(run):
    made = run(lambda spec: spec.update(groups="season", confidence={"resamples": 20, "block": "1D", "seed": 1}))
    assert {"DJF", "MAM"} <= set(made.scores["group"].values)
    assert made.scores["kge"].dims == ("place", "group", "threshold")
    assert (made.scores["kge_low"] <= made.scores["kge_high"]).sel(threshold="all").all()
    assert 0 < made.graded.grade <= 100


def test_without_thresholds_and_crosswalk(run):
    def bare(spec):
        del spec["thresholds"], spec["crosswalks"]
        spec["scheme"]["metrics"] = [{"name": "KGE"}, {"name": "RMSE", "bounds": [0, 20]}]
        spec["predictions"][0]["field_mapping"][1]["field"] = "prediction_location"
        spec["predictions"][0]["backend"]["address"] = "cat-1_run.csv"
        selector = spec["observations"][0]["value_selectors"][0]
        selector["origin"] = "$.value.timeSeries[0]"
        selector["associated_fields"][1]["name"] = "observation_location"

    made = run(bare)
    assert made.scores["kge"].dims == ("place",)
    rmse = float(np.sqrt(np.mean((simulated()["01"] - flows()["01"]) ** 2)))
    assert float(made.graded.by_metric.sel(metric="rmse")[0]) == pytest.approx(1 - rmse / 20)


# What is wrong with the data


def test_places_that_cannot_be_compared_are_left_out_with_the_reason(run):
    made = run(obs={"01": flows()["01"], "09": flows()["02"]})
    assert made.pairs["place"].values.tolist() == ["cat-1"]
    assert made.left_out == {"02": "there are no observations of it", "09": "the crosswalk does not name it"}
    nothing = run(obs={"01": flows()["01"], "02": [None] * 95 + [1.0]}, sim={"01": simulated()["01"],
                  "02": np.where(np.arange(96) < 95, simulated()["02"], np.nan)})  # fmt: skip
    assert nothing.pairs["place"].values.tolist() == ["cat-1"]
    assert "no instant has a value" in nothing.left_out["02"]


def test_units_that_do_not_convert_are_told(run):
    with pytest.raises(ObservationError, match=r"(?s)sim is in units that do not convert.*mm"):
        run(lambda spec: spec["predictions"][0].update(unit="mm"))


def test_a_column_that_is_not_there_is_told(run):
    with pytest.raises(ObservationError, match=r"(?s)no column 'p99_va'.*p50_va"):
        run(lambda spec: spec["thresholds"][0]["definitions"][0].update(field="p99_va"))


def test_a_wrong_specification_starts_nothing(tmp_path):
    spec = specification()
    with pytest.raises(CheckError, match="no file is there"):
        run_specification(saved(tmp_path, spec))
