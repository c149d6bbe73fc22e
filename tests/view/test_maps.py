"""The small map of a domain keeps its proportions and has a bar of round length."""

from __future__ import annotations

import pytest
from domain_fake import chessboard

from dmod.errors import SelectionError
from dmod.view.maps import domain_map


def layers(**asked):
    board = chessboard(4, **asked)
    return board.tables["divides"], board.tables["flowpaths"], board.tables["nexus"]


def test_a_map_has_a_bar_of_about_a_third_of_its_width():
    figure = domain_map(*layers(), gage="nex-1")
    axes = figure.axes[0]
    assert axes.get_aspect() == 1
    assert [text.get_text() for text in axes.texts] == ["nex-1", "1 km"]
    assert figure.get_label() == "Map of 16 catchments and 16 river reaches, with nex-1 marked"


def test_a_map_in_degrees_is_not_stretched():
    axes = domain_map(*layers(size=0.1, crs="EPSG:4326")).axes[0]
    assert axes.get_aspect() == pytest.approx(1.0, abs=1e-4)
    assert list(axes.texts) == []


def test_what_is_not_on_the_map_cannot_be_marked():
    with pytest.raises(SelectionError, match="wb-99"):
        domain_map(*layers(), gage="wb-99")
