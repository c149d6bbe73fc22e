"""The card of a domain: facts and a small map, quick and safe to keep in a notebook."""

from __future__ import annotations

import subprocess
import sys
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import shapely
from domain_fake import FakeDomain, chessboard

from dmod.errors import HydrofabricError
from dmod.view.domain_card import card, thumbnail

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def basin(data):
    return FakeDomain.open(data / "hydrofabric/v2.2/gage-10109001_subset.gpkg")


def test_a_card_has_the_facts_and_a_map_that_can_be_read_aloud(basin):
    text = card(basin)
    ET.fromstring(text)
    assert '<th scope="row"' in text
    assert ">88</td>" in text
    assert 'aria-label="Map of gage-10109001_subset: 88 catchments; outlet marked"' in text
    assert "http" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")


def test_the_outlet_is_where_the_last_nexus_is(basin):
    drawing = ET.fromstring(thumbnail(basin))
    marks = drawing.findall(f"{SVG}circle")
    assert len(marks) == 1
    west, south, east, north = basin.bounds
    spot = basin.tables["nexus"].geometry["nex-2861392"]
    per_metre = 280 / (north - south)
    assert float(marks[0].get("cx")) == pytest.approx((spot.x - (west + east) / 2) * per_metre, abs=1)
    assert -float(marks[0].get("cy")) == pytest.approx((spot.y - (south + north) / 2) * per_metre, abs=1)


@pytest.mark.parametrize("side", [1, 20, 38, 60])
def test_a_thumbnail_of_any_size_is_small(side):
    board = chessboard(side)
    fine = shapely.segmentize(board.tables["divides"].geometry.to_numpy(), 30.0)
    ragged = shapely.transform(fine, lambda xy: xy + 25 * np.sin(xy[:, ::-1] * 7))
    board.tables["divides"] = board.tables["divides"].set_geometry(ragged)
    drawing = thumbnail(board)
    ET.fromstring(drawing)
    assert len(drawing) <= 40_000


def test_a_sample_stands_for_a_large_domain_and_is_named(monkeypatch):
    board = chessboard(100)
    text = card(board)
    assert "10,000 catchments, 1,500 of them drawn" in text
    assert ("divides", True) not in board.read


def test_all_text_is_escaped():
    board = chessboard(2, name='"><script>alert(1)</script>')
    board.facts = lambda: {"<b>": "</td><script>"}
    text = card(board)
    ET.fromstring(text)
    assert "<script" not in text


def test_without_shapes_there_are_facts_only():
    board = chessboard(2)
    empty = np.full(4, shapely.Polygon(), dtype=object)
    board.tables["divides"] = board.tables["divides"].set_geometry(empty)
    assert "<svg" not in card(board)
    assert ">4</td>" in card(board)


def test_a_file_that_is_gone_costs_the_map_and_not_the_card():
    def gone(*args, **kwargs):
        raise HydrofabricError("the file is gone")

    board = chessboard(2)
    board.divides = gone
    assert "<svg" not in card(board)


def test_many_outlets_are_told_and_the_largest_is_marked():
    board = chessboard(3)
    board.tables["nexus"]["toid"] = "wb-0"
    drawing = thumbnail(board)
    assert "the largest of 7 outlets marked" in drawing
    assert drawing.count("<circle") == 1


def test_a_card_needs_no_plotting_library():
    code = (
        "import sys; import dmod.view.domain_card; "
        "print([m for m in ('matplotlib', 'anywidget', 'geopandas') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
