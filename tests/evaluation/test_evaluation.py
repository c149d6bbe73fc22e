"""An evaluation shows itself, is kept and read back as it was, and leaves in the tables of others."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
import xarray as xr
from flows import places, series

from dmod import plugins
from dmod.errors import InputError, OutputError
from dmod.evaluation import evaluation as module
from dmod.evaluation.evaluate import evaluate
from dmod.evaluation.evaluation import Evaluation
from dmod.evaluation.scores import Scheme
from dmod.formats.describe_evaluations import EVALUATION_MARK


@pytest.fixture
def two():
    """Two nexuses with the gages 01 and 02, of which the second lacks a value."""
    sim = places([[1, 2, 4, 4], [10, 20, 30, 50]], ["nex-1", "nex-2"])
    obs = places([[1, 2, 3, 4], [10, 20, np.nan, 40], [7, 7, 7, 7]], ["01", "02", "99"], dim="site")
    return evaluate(sim, obs, ["kge", "pbias"], crosswalk={"01": "nex-1", "02": "nex-2"}, name="Mad River")


def test_it_says_what_was_compared_and_what_was_left_out(two):
    assert two.place == "nexus-id"
    assert two.metrics == ("kge", "pbias")
    assert two.pairs["gage"].values.tolist() == ["01", "02"]
    assert two.left_out == {"99": "not in the crosswalk"}
    assert two.specification["metrics"] == ["kge", "pbias"]
    assert two.specification["units"] == "m3 s-1"
    assert two.specification["pairing"]["instants"] == "exact"
    assert json.loads(json.dumps(two.specification)) == two.specification


def test_what_is_read_back_equals_what_was_saved(two, tmp_path):
    path = two.save(tmp_path / "mad.nc")
    again = Evaluation.load(path)
    xr.testing.assert_identical(again.scores, two.scores)
    xr.testing.assert_identical(again.pairs, two.pairs)
    assert (again.name, again.notes, again.left_out) == (two.name, two.notes, two.left_out)
    assert again.specification == two.specification
    assert repr(again) == repr(two)
    assert [item.name for item in tmp_path.iterdir()] == ["mad.nc"]


def test_members_lead_times_thresholds_and_scheme_are_read_back_too(tmp_path):
    leads = pd.to_timedelta([6, 12], unit="h")
    flow = series([1.0, 2.0, 3.0])
    sim = xr.concat([flow, 2 * flow], pd.Index(leads, name="lead_time")).assign_attrs(units="m3 s-1")
    found = Evaluation(
        xr.Dataset({"kge": ("lead_time", [1.0, np.nan])}, {"lead_time": leads}),
        xr.Dataset({"sim": sim, "obs": flow}),
        "forecast",
        thresholds=xr.DataArray([2.0], {"threshold": ["q50"]}, attrs={"units": "m3 s-1"}),
        scheme=Scheme({"kge": 1}, bounds={"kge": (0.0, 1.0)}),
    )
    again = Evaluation.load(found.save(tmp_path / "forecast.nc"))
    xr.testing.assert_identical(again.scores, found.scores)
    xr.testing.assert_identical(again.pairs, found.pairs)
    xr.testing.assert_identical(again.thresholds, found.thresholds)
    assert again.scheme == found.scheme
    assert again.place is None


def test_what_is_no_evaluation_is_refused(tmp_path):
    with pytest.raises(OutputError, match="cannot be read"):
        Evaluation.load(tmp_path / "nothing.nc")
    series([1]).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(OutputError, match="this is no evaluation"):
        Evaluation.load(tmp_path / "other.nc")


@pytest.mark.parametrize("forged", ["{}", "[1]", '{"name": "x", "has_thresholds": false, "notes": 7}', "{"])
def test_an_evaluation_that_somebody_changed_is_refused(two, tmp_path, forged):
    path = two.save(tmp_path / "mad.nc")
    with h5py.File(path, "a") as file:
        file.attrs[EVALUATION_MARK] = forged
    with pytest.raises(OutputError, match="cannot be read"):
        Evaluation.load(path)


def test_a_place_that_cannot_be_written_leaves_nothing_behind(two, tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        two.save(tmp_path / "missing" / "mad.nc")


def test_several_runs_are_compared_side_by_side():
    obs = series([1, 2, 3, 4])
    good, poor = (
        evaluate(sim, obs, ["kge", "nse"], name=name)
        for sim, name in ((obs, "good"), (2 * obs, "poor"))
        if [sim.attrs.update(units="m3 s-1")]
    )
    table = good.compare(poor, poor)
    assert list(table.columns.get_level_values("evaluation").unique()) == ["good", "poor", "poor (2)"]
    assert table[("nse", "good")].tolist() == [1.0]
    assert table[("nse", "poor")].tolist() == [pytest.approx(-5.0)]
    assert table[("sample_size", "good")].tolist() == [4]


def test_the_table_is_darker_where_it_is_better_and_shows_small_hydrographs(two):
    page = two._repr_html_()
    assert page.count("<svg") == 2
    assert page.count("rgba(31,106,158,") == 4
    assert "left out: 99 (not in the crosswalk)" in page
    assert 'data-ideal="1"' in page


def test_a_table_of_many_places_is_capped(tmp_path):
    many = places([[1, 2, 3]] * 50, [f"nex-{n}" for n in range(50)])
    page = evaluate(many, many, ["kge"])._repr_html_()
    assert page.count("<tr>") == 21
    assert "30 more places not shown" in page


def test_plots_are_plug_ins_that_are_given_the_evaluation(two, monkeypatch):
    def bars(evaluation, *others, colour):
        """Bars."""
        return evaluation.name, [other.name for other in others], colour

    found = plugins.Group(
        {"bars": bars, "report": lambda one, path: path}, (plugins.Broken("map", "x:y", "No module"),)
    )
    monkeypatch.setattr(module, "load", lambda group: found)
    assert two.plot.bars(two, colour="blue") == ("Mad River", ["Mad River"], "blue")
    assert two.plot.bars.__doc__ == "Bars."
    assert dir(two.plot) == ["bars"]
    assert two.report("page.html") == "page.html"
    with pytest.raises(AttributeError, match="map is broken"):
        two.plot.map()
    with pytest.raises(AttributeError, match=r"no plot 'pie'.*there are: bars"):
        two.plot.pie()


def test_a_grade_needs_a_scheme(two):
    with pytest.raises(InputError, match="nothing says what each metric weighs"):
        two.graded  # noqa: B018 - a property that raises
    same = series([1.0, 2.0, 3.0])
    graded = evaluate(same, same, scheme=Scheme({"kge": 2, "nse": 1})).graded
    assert graded.grade == pytest.approx(100.0)


def test_the_tables_of_teehr_hold_every_value_and_pair(two, tmp_path):
    folder = two.to_teehr(tmp_path / "teehr", secondary="dmod_run")
    tables = {path.stem: pyarrow.parquet.read_table(path) for path in folder.iterdir()}
    primary, secondary = tables["primary_timeseries"].to_pandas(), tables["secondary_timeseries"].to_pandas()
    assert len(primary) == 7
    assert set(primary["location_id"]) == {"usgs-01", "usgs-02"}
    assert set(primary["unit_name"]) == {"m^3/s"}
    assert set(primary["variable_name"]) == {"streamflow_hourly_inst"}
    assert set(secondary["location_id"]) == {"ngen-nex-1", "ngen-nex-2"}
    assert set(secondary["configuration_name"]) == {"dmod_run"}
    crosswalk = tables["location_crosswalks"].to_pandas()
    assert crosswalk.values.tolist() == [["usgs-01", "ngen-nex-1"], ["usgs-02", "ngen-nex-2"]]
    joined = tables["joined_timeseries"].to_pandas()
    assert joined["primary_value"].tolist() == [1, 2, 3, 4, 10, 20, 40]
    assert joined["secondary_value"].tolist() == [1, 2, 4, 4, 10, 20, 50]
    types = {field.name: str(field.type) for field in tables["primary_timeseries"].schema}
    assert types["value_time"] == types["reference_time"] == "timestamp[ms]"
    assert types["value"] == "float"
    assert sorted(tables["configurations"].to_pandas()["name"]) == ["dmod_run", "observed"]


def test_lead_times_and_members_go_to_teehr_with_when_they_were_forecast(tmp_path):
    flow = series([1.0, 2.0])
    leads, members = pd.to_timedelta([6, 12], unit="h"), ["a", "b"]
    sim = xr.concat([flow, 2 * flow], pd.Index(leads, name="lead_time"))
    sim = xr.concat([sim, 3 * sim], pd.Index(members, name="member")).assign_attrs(units="m3 s-1")
    found = Evaluation(xr.Dataset(), xr.Dataset({"sim": sim, "obs": flow}), "forecast")
    folder = found.to_teehr(tmp_path / "teehr")
    table = pyarrow.parquet.read_table(folder / "secondary_timeseries.parquet").to_pandas()
    assert len(table) == 8
    row = table[(table["member"] == "b") & (table["value"] == 12.0)].iloc[0]
    assert str(row["value_time"]) == "2016-09-01 01:00:00"
    assert str(row["reference_time"]) == "2016-08-31 13:00:00"


def test_a_name_that_teehr_does_not_take_is_refused(two, tmp_path):
    with pytest.raises(InputError, match="no name for TEEHR"):
        two.to_teehr(tmp_path / "teehr", secondary="my run")
    assert list(tmp_path.iterdir()) == []
