"""The demo: what a new user sees first."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr

from dmod.demo import run_demo
from dmod.errors import OutputError

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def silent(text: str) -> None:
    """Nobody listens."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return run_demo(tmp_path_factory.mktemp("demo") / "here", catchments=9, days=12, seed=3, say=silent)


def test_everything_it_names_is_there(demo):
    for path in (demo.page, demo.picture, demo.observations, demo.job.request.target):
        assert path.exists()
        assert str(path) in demo.summary()
    assert demo.picture.read_bytes().startswith(b"\x89PNG")


def test_the_page_stands_alone_and_tells_the_scores(demo):
    page = demo.page.read_text(encoding="utf-8")
    assert f"{demo.scores['kge']:.2f}" in page
    assert 'src="http' not in page
    assert 'href="http' not in page


def test_the_gage_is_near_but_not_equal_to_the_run(demo):
    assert 0.2 < demo.scores["nse"] < 1.0
    assert demo.scores["sample_size"] == 12 * 24


def test_the_same_seed_gives_the_same_numbers(demo, tmp_path):
    again = run_demo(tmp_path / "again", catchments=9, days=12, seed=3, say=silent)
    assert again.observations.read_bytes() == demo.observations.read_bytes()
    assert again.scores == demo.scores
    xr.testing.assert_equal(again.job.outputs.load(), demo.job.outputs.load())


def test_another_seed_gives_other_numbers(demo, tmp_path):
    other = run_demo(tmp_path / "other", catchments=9, days=12, seed=4, say=silent)
    assert not np.isclose(other.scores["kge"], demo.scores["kge"])


def test_an_earlier_demo_is_replaced_only_when_asked(demo):
    where = demo.basin.directory
    with pytest.raises(OutputError, match="earlier demo"):
        run_demo(where, catchments=9, days=12, seed=3, say=silent)
    assert demo.page.is_file()


def test_a_directory_of_other_things_is_never_cleared(tmp_path):
    (tmp_path / "thesis.txt").write_text("ten years")
    with pytest.raises(OutputError, match="other things"):
        run_demo(tmp_path, say=silent, overwrite=True)
    assert (tmp_path / "thesis.txt").read_text() == "ten years"


def test_its_directory_is_an_ordinary_run_directory(demo):
    config = demo.basin.directory / "config"
    assert len(list(config.glob("*.gpkg"))) == 1
    assert json.loads((config / "realization.json").read_text())["global"]["formulations"][0]["name"] == "bmi_multi"
