"""Sites find their places by a table, a file or a domain; those that do not are left out with a reason."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from flows import places, series

from dmod.domain.domain import Domain
from dmod.errors import ObservationError
from dmod.evaluation.crosswalk import crosswalk_of, matched
from dmod.prepare.basin import make_basin

HERE = ("nex-1", "nex-2")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("gage,nexus\n01073000,nex-1\n0107,nex-2\n", id="names"),
        pytest.param("what,where\n01073000,nex-1\n0107,nex-2\n", id="known by the places of the run"),
        pytest.param("secondary_location_id,primary_location_id\nnex-1,01073000\nnex-2,0107\n", id="TEEHR"),
        pytest.param('{"01073000": "nex-1", "0107": "nex-2"}', id="site to place"),
        pytest.param('{"nex-1": "01073000", "nex-2": "0107"}', id="place to site"),
        pytest.param('{"nex-1": {"COMID": [1], "site_no": "01073000"}, "nex-2": {"site_no": "0107"}}', id="records"),
        pytest.param('[{"site": "01073000", "place": "nex-1"}, {"site": "0107", "place": "nex-2"}]', id="rows"),
    ],
)
def test_a_file_in_any_of_the_usual_layouts_is_read(tmp_path, text):
    path = tmp_path / "crosswalk.txt"
    path.write_text(text)
    assert crosswalk_of(path, HERE) == {"01073000": "nex-1", "0107": "nex-2"}


def test_the_crosswalk_of_the_original_is_read(data):
    found = crosswalk_of(data / "evaluation-golden/dmod_evaluations/crosswalk.json", ["cat-27", "cat-52"])
    assert found["0214655255"] == "cat-27"
    assert found["0214657975"] == "cat-52"


def test_a_domain_says_where_its_gages_are(tmp_path):
    basin = make_basin(tmp_path / "basin", catchments=12, days=1)
    domain = Domain.open(basin.geopackage)
    catchment, nexus = domain.gages[basin.gage]
    assert nexus == basin.gage_nexus
    assert crosswalk_of(domain, [nexus]) == {basin.gage: nexus}
    assert crosswalk_of(domain, [catchment]) == {basin.gage: catchment}
    flowpath = str(domain.gage_table()["flowpath"][basin.gage])
    assert crosswalk_of(domain, [flowpath]) == {basin.gage: flowpath}


def test_sites_come_in_the_order_of_the_run_and_keep_their_name():
    sim = places([[1, 1], [2, 2], [3, 3]], ["nex-1", "nex-2", "nex-3"])
    obs = places([[30, 30], [10, 10]], ["USGS-03", "01"], dim="site")
    sim, obs, left_out = matched(sim, obs, {"01": "nex-1", "03": "nex-3"})
    assert sim["nexus-id"].values.tolist() == obs["nexus-id"].values.tolist() == ["nex-1", "nex-3"]
    assert sim["gage"].values.tolist() == ["01", "USGS-03"]
    assert obs.values.tolist() == [[10, 10], [30, 30]]
    assert left_out == {}


def test_a_site_that_cannot_be_placed_is_left_out_with_its_reason():
    sim = places([[1], [2]], ["nex-1", "nex-2"])
    obs = places([[1], [2], [3], [4]], ["01", "02", "03", "04"], dim="site")
    *_, left_out = matched(sim, obs, {"01": "nex-1", "02": "nex-9", "04": "nex-1"})
    assert left_out == {
        "02": "its place nex-9 is not in the run",
        "03": "not in the crosswalk",
        "04": "01 is at the same place, nex-1",
    }


def test_if_no_site_has_a_place_all_are_named():
    sim, obs = places([[1], [2]], ["nex-1", "nex-2"]), places([[1], [2]], ["01", "02"], dim="site")
    with pytest.raises(ObservationError, match="no place is in both") as caught:
        matched(sim, obs, {"01": "nex-7"})
    assert caught.value.facts["left_out"] == "01: its place nex-7 is not in the run; 02: not in the crosswalk"


def test_one_site_picks_its_place_out_of_many():
    sim = places([[1, 1], [2, 2]], ["nex-1", "nex-2"])
    found, obs, _ = matched(sim, series([5, 5], site="01"), {"01": "nex-2"})
    assert found.values.tolist() == [2, 2]
    assert found.dims == obs.dims == ("time",)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (pd.DataFrame({"a": ["1"], "b": ["2"], "c": ["3"]}), "which column holds what"),
        (pd.DataFrame({"site": ["1", "1"], "place": ["nex-1", "nex-2"]}), "several places for one site"),
        (7, "nothing that can be read"),
    ],
)
def test_a_crosswalk_that_leaves_it_open_is_refused(given, message):
    with pytest.raises(ObservationError, match=message):
        crosswalk_of(given, HERE)


def test_a_file_that_is_none_is_refused(tmp_path):
    with pytest.raises(ObservationError, match="cannot read the crosswalk"):
        crosswalk_of(tmp_path / "nothing.csv", HERE)
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(ObservationError, match="is no crosswalk"):
        crosswalk_of(tmp_path / "broken.json", HERE)
    (tmp_path / "good.json").write_text(json.dumps({"1": "nex-1"}))
    assert crosswalk_of(str(tmp_path / "good.json"), HERE) == {"1": "nex-1"}
