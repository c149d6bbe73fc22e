"""What a map is filled with: values where they belong, and mistakes told at once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from domain_fake import chessboard

from dmod.errors import InputError, SelectionError
from dmod.view.domain_paint import choose, part_colours

DOMAIN = chessboard(2)
IDS = DOMAIN.tables["divides"].index


def test_values_come_to_their_catchment_whatever_their_order():
    values = pd.Series({"cat-4": 4.0, "cat-1": 1.0, "cat-99": 9.0})
    values.attrs["units"] = "mm"
    paint = choose(DOMAIN, IDS, values=values.rename("rain"))
    np.testing.assert_array_equal(paint.values, [[1, np.nan, np.nan, 4]])
    assert (paint.label, paint.span, paint.steps) == ("rain [mm]", (1.0, 4.0), ())


def test_columns_of_a_table_are_steps():
    hours = pd.date_range("2016-09-01", periods=3, freq="h")
    table = pd.DataFrame(np.arange(12.0).reshape(4, 3), index=IDS, columns=hours)
    paint = choose(DOMAIN, IDS, values=table)
    np.testing.assert_array_equal(paint.values, table.to_numpy().T)
    assert paint.steps == ("2016-09-01 00:00 UTC", "2016-09-01 01:00 UTC", "2016-09-01 02:00 UTC")


def test_an_output_can_be_shown_as_it_is():
    flow = xr.DataArray(
        np.arange(8.0).reshape(2, 4),
        {"time": pd.date_range("2016-09-01", periods=2, freq="h", unit="ns"), "catchment-id": IDS.to_list()},
        name="flow",
        attrs={"units": "m3 s-1"},
    )
    paint = choose(DOMAIN, IDS, values=flow)
    np.testing.assert_array_equal(paint.values, flow)
    assert paint.label == "flow [m3 s-1]"


def test_a_column_of_the_flowpaths_belongs_to_their_catchments():
    paint = choose(DOMAIN, IDS, column="order")
    np.testing.assert_array_equal(paint.values[0], DOMAIN.tables["flowpaths"]["order"])
    assert choose(DOMAIN, IDS, column="areasqkm").label == "area [km²]"


def test_text_makes_parts():
    paint = choose(DOMAIN, IDS, column="type")
    assert (paint.kind, paint.names, paint.part.tolist()) == ("parts", ("network",), [0, 0, 0, 0])


def test_parts_are_in_the_order_of_their_numbers_and_may_have_gaps():
    paint = choose(DOMAIN, IDS, partition={"cat-1": 10, "cat-2": 9, "cat-4": 10})
    assert (paint.names, paint.part.tolist()) == (("9", "10"), [1, 0, -1, 1])
    assert paint.colours()[[0, 3]].tolist() == [part_colours(2)[1]] * 2


@pytest.mark.parametrize("count", [1, 8, 9, 64, 200])
def test_no_two_parts_near_each_other_have_one_colour(count):
    colours = part_colours(count)
    assert len(colours) == count
    assert all(len(set(colours[n : n + 8])) == len(colours[n : n + 8]) for n in range(count))


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"column": "areasqkm", "values": {"cat-1": 1}}, InputError, "one colour"),
        ({"column": "areasqm"}, SelectionError, "areasqkm"),
        ({"values": {"wb-1": 1.0}}, SelectionError, "wb-1"),
        ({"values": {}}, SelectionError, "nothing"),
        ({"partition": {"cat-9": 1}}, SelectionError, "cat-9"),
        ({"values": {"cat-1": "much"}}, InputError, "not numbers"),
        ({"values": pd.Series([1, 2], index=["cat-1", "cat-1"])}, InputError, "twice"),
        ({"values": pd.DataFrame(index=["cat-1"])}, InputError, "no column"),
    ],
)
def test_a_mistake_is_told_with_what_is_there(asked, error, said):
    with pytest.raises(error, match=said):
        choose(DOMAIN, IDS, **asked)


def test_names_are_no_kinds():
    board = chessboard(9)
    board.tables["divides"]["note"] = board.tables["divides"].index
    with pytest.raises(InputError, match="81 different texts"):
        choose(board, board.tables["divides"].index, column="note")
