"""What is told before anything is computed, all at once; and what overflows is no perfect score."""

from __future__ import annotations

import inspect

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from made_specification import written

from dmod.errors import InputError, ObservationError
from dmod.evaluation.evaluate import evaluate
from dmod.evaluation.metric import find_metrics
from dmod.evaluation.observations import read_observations
from dmod.evaluation.spec_reading import check_specification
from dmod.evaluation.specification import BackendSpecification


def series(values):
    times = pd.date_range("2016-01-01", periods=len(values), freq="h")
    return xr.DataArray(values, {"time": times}, "time", attrs={"units": "m3 s-1"})


@pytest.fixture
def made():
    values = 1.0 + np.arange(50.0) % 7
    return evaluate(series(1.1 * values), series(values), ["kge", "pod"], thresholds="q50")


def test_skill_of_what_overflows_has_no_value_but_a_reason():
    values = np.exp(np.random.default_rng(0).normal(size=500)) * 1e160
    found = evaluate(
        series(values), series(values[::-1]), ["persistence_skill", "extrapolation_skill", "benchmark_skill"]
    )
    assert np.isnan([float(found.scores[name]) for name in found.metrics]).all()
    assert set(found.undefined["metric"]) == set(found.metrics)


def test_every_wrong_rule_of_a_specification_is_told_at_once(tmp_path):
    wrong = written(tmp_path)
    wrong |= {"groups": "saison", "confidence": {"block": "xx"}, "pairing": {"every": "blurb", "tolerance": "soon"}}
    keys = {finding.key for finding in check_specification(wrong, folder=tmp_path).errors}
    assert keys == {"groups", "confidence.block", "pairing.every", "pairing.tolerance"}


def test_nearest_instants_of_a_specification_need_a_tolerance(tmp_path):
    wrong = {**written(tmp_path), "pairing": {"instants": "nearest"}}
    [finding] = check_specification(wrong, folder=tmp_path).errors
    assert "tolerance" in finding.message


def test_memory_needs_no_format_and_a_file_does():
    assert BackendSpecification.model_validate({"backend_type": "Memory", "address": "sim"}).format == "netcdf"
    with pytest.raises(ValueError, match="format"):
        BackendSpecification.model_validate({"backend_type": "file", "address": "sim.csv"})


def test_all_metrics_that_are_none_are_named():
    with pytest.raises(InputError, match=r"'kgee', 'foo'"):
        find_metrics(["nse", "kgee", "foo"])


@pytest.mark.parametrize("name", ["heatmap", "map", "breakdown"])
def test_a_figure_of_one_evaluation_says_so(made, name):
    with pytest.raises(InputError, match=f"{name} shows one evaluation"):
        getattr(made.plot, name)(made)


def test_an_option_that_a_figure_has_not_is_told(made):
    with pytest.raises(InputError, match="map has no option 'place'"):
        made.plot.map(place="a")
    with pytest.raises(InputError, match="place='c'"):
        made.plot.hydrograph("c")


def test_figures_show_their_own_signature(made):
    assert list(inspect.signature(made.plot.heatmap).parameters) == ["place", "title"]
    assert list(inspect.signature(made.plot.taylor).parameters) == ["others", "place", "title"]
    assert "evaluation :" not in made.plot.heatmap.__doc__


@pytest.mark.parametrize(("name", "says"), [("x.pdf", "page of HTML"), ("gone/x.html", "no such directory")])
def test_a_report_that_cannot_be_written_is_refused(made, tmp_path, name, says):
    with pytest.raises(InputError, match=says):
        made.report(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_wide_table_is_of_several_sites(tmp_path):
    path = tmp_path / "wide.csv"
    path.write_text("time,a [cfs],B 2 [m3 s-1]\n2016-01-01T00:00Z,1,2\n2016-01-01T01:00Z,3,4\n")
    found = read_observations(path)
    assert found["site"].values.tolist() == ["B 2", "a"]
    assert found.sel(site="B 2").values.tolist() == [2.0, 4.0]
    assert found.sel(site="a").values == pytest.approx(np.array([1.0, 3.0]) * 0.3048**3)


def test_a_wide_table_with_other_columns_is_in_doubt(tmp_path):
    path = tmp_path / "wide.csv"
    path.write_text("time,a [cfs],stage [ft]\n2016-01-01T00:00Z,1,2\n")
    with pytest.raises(ObservationError):
        read_observations(path)
