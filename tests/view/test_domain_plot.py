"""The still map draws every catchment, or says which it left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from domain_fake import FakeDomain, chessboard
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from dmod.errors import InputError, SelectionError
from dmod.prepare.basin import make_basin
from dmod.view import domain_plot
from dmod.view.domain_paint import part_colours
from dmod.view.domain_plot import plot
from dmod.view.palette import LAND


@pytest.fixture
def basin(data):
    path = data / "hydrofabric/v2.2/gage-10109001_subset.gpkg"
    return FakeDomain.open(path, {"10109001": ("cat-2861391", "nex-2861392")})


def drawn(figure, kind=PathCollection):
    return [it for it in figure.axes[0].collections if type(it) is kind]


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_a_map_has_every_catchment_its_rivers_a_scale_and_the_gage(basin):
    figure = plot(basin)
    land, nexuses, gages = drawn(figure)
    assert len(land.get_paths()) == len(nexuses.get_offsets()) + 50 == 88
    assert len(gages.get_offsets()) == 1
    assert texts(figure) == ["10109001", "5 km"]
    assert figure.axes[0].get_title(loc="left") == "gage-10109001_subset"
    assert figure.get_label() == "Map of gage-10109001_subset: 88 catchments"
    figure.savefig("/dev/null", format="png")


def test_numbers_have_a_bar_with_their_units(basin):
    figure = plot(basin, column="areasqkm")
    assert figure.axes[1].get_ylabel() == "area [km²]"
    area = np.sort(basin.tables["divides"]["areasqkm"].astype("float32"))
    np.testing.assert_array_equal(np.sort(drawn(figure)[0].get_array()), area)
    assert plot(basin, column="areasqkm", legend=False).axes[1:] == []


def test_colours_come_to_the_right_catchment():
    board = chessboard(2)
    partition = pd.Series({"cat-1": 0, "cat-2": 1, "cat-3": 2})
    land = drawn(plot(board, partition=partition))[0]
    corner = [tuple((path.vertices.min(axis=0) / 1_000).tolist()) for path in land.get_paths()]
    colours = dict(zip(corner, map(to_hex, land.get_facecolor()), strict=True))
    assert [colours[spot] for spot in ((0, 0), (1, 0), (0, 1))] == part_colours(3)


def test_where_there_is_no_value_there_is_plain_land():
    figure = plot(chessboard(2), values={"cat-1": 1.0, "cat-2": 2.0})
    figure.savefig("/dev/null", format="png")
    assert [to_hex(colour) for colour in drawn(figure)[0].get_facecolor()].count(LAND) == 2


def test_an_island_is_painted_after_what_surrounds_it():
    import shapely

    board = chessboard(2)
    around = shapely.box(0, 0, 9_000, 9_000).difference(shapely.box(3_000, 3_000, 6_000, 6_000))
    shapes = board.tables["divides"].geometry.to_numpy().copy()
    shapes[0], shapes[1] = shapely.box(3_000, 3_000, 6_000, 6_000), around
    board.tables["divides"] = board.tables["divides"].set_geometry(shapes)
    land = drawn(plot(board))[0]
    assert [len(path.vertices) for path in land.get_paths()] == [10, 5, 5, 5]


def test_a_large_domain_leaves_out_small_rivers_and_says_so(monkeypatch):
    monkeypatch.setattr(domain_plot, "EVERYTHING", 80)
    monkeypatch.setattr(domain_plot, "RIVERS", 20)
    figure = plot(chessboard(10))
    assert "the 20 rivers that drain most" in texts(figure)
    assert "the 20 rivers that drain most" in figure.get_label()
    assert len(drawn(figure, LineCollection)[0].get_paths()) == 20
    assert len(drawn(figure)[0].get_paths()) == 100


def test_a_huge_domain_is_drawn_as_points_and_says_so(monkeypatch):
    monkeypatch.setattr(domain_plot, "EVERYTHING", 10)
    monkeypatch.setattr(domain_plot, "SHAPES", 80)
    monkeypatch.setattr(domain_plot, "POINTS", 30)
    board = chessboard(10)
    figure = plot(board, column="areasqkm")
    points = drawn(figure)[0].get_offsets()
    assert len(points) == 30
    assert (points % 1_000 == 500).all()
    said = "; ".join(texts(figure))
    assert "30 of 100 catchments, as points" in said
    assert "gages and nexuses are left out" in said
    assert ("divides", True) not in board.read


def test_a_map_may_be_part_of_a_figure():
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert plot(chessboard(2), ax=right, title="after") is figure
    assert not left.collections
    assert right.get_title(loc="left") == "after"


def test_gages_and_nexuses_may_be_left_out():
    assert len(drawn(plot(chessboard(3), gages=False, nexuses=False))) == 1
    assert len(drawn(plot(chessboard(16)))) == 2  # land and gage: too many nexuses
    assert len(drawn(plot(chessboard(16), nexuses=True))) == 3


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:2264", None])
def test_a_map_in_degrees_feet_or_nothing_known(crs):
    """2264 is in feet: 30,000 of them are 9.1 km, of which a third is about 2 km."""
    size = {"EPSG:4326": 0.1, "EPSG:2264": 10_000.0, None: 1.0}[crs]
    figure = plot(chessboard(3, size=size, crs=crs))
    assert ("2 km" in texts(figure)) is (crs == "EPSG:2264")


def test_a_name_with_dollars_is_no_formula():
    figure = plot(chessboard(2, name="a$b_$c"))
    figure.savefig("/dev/null", format="png")


def test_an_unknown_colour_map_or_column_is_told():
    with pytest.raises(InputError, match="viridiss"):
        plot(chessboard(2), column="areasqkm", cmap="viridiss")
    with pytest.raises(SelectionError, match="no column"):
        plot(chessboard(2), column="depth")


def test_the_demonstration_basin_can_be_drawn(tmp_path):
    basin = make_basin(tmp_path, catchments=12, days=1)
    domain = FakeDomain.open(basin.geopackage)
    assert len(drawn(plot(domain))[0].get_paths()) == 12


def test_of_values_that_change_the_first_are_drawn_and_it_is_said():
    table = pd.DataFrame({f"hour {n}": [1.0 * n] * 4 for n in range(3)}, index=[f"cat-{n}" for n in range(1, 5)])
    figure = plot(chessboard(2), values=table)
    assert "hour 0, the first of 3 steps" in texts(figure)
    assert set(drawn(figure)[0].get_array()) == {0.0}
