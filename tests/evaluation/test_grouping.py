"""Groups tell instants apart by the calendar of UTC, by flow, or by labels of the user."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from flows import places, series

from dmod.errors import InputError
from dmod.evaluation.grouping import grouped


def pairs_of(obs):
    return xr.Dataset({"sim": obs, "obs": obs})


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("season", ["DJF", "DJF", "MAM", "JJA", "SON"]),
        ("month", ["12", "02", "03", "08", "10"]),
        ("year", ["2015", "2016", "2016", "2016", "2016"]),
        ("water_year", ["2016", "2016", "2016", "2016", "2017"]),
        ("hour", ["23", "00", "00", "12", "00"]),
    ],
)
def test_the_calendar_is_that_of_utc(name, labels):
    times = pd.to_datetime(
        ["2015-12-31T23:00", "2016-02-29T00:00", "2016-03-01T00:00", "2016-08-01T12:00", "2016-10-01T00:00"]
    )
    obs = xr.DataArray(np.ones(5), {"time": times})
    assert grouped(name, pairs_of(obs))[name].values.tolist() == labels


def test_flow_classes_are_by_the_quantiles_of_each_place():
    """Of 0..9 the quantiles are 2.7 and 8.1; what is missing is in no class."""
    obs = places([range(10), [*range(0, 90, 10), np.nan]], ["a", "b"])
    found = grouped("flow_class", pairs_of(obs))["flow_class"]
    assert found.dims == ("nexus-id", "time")
    assert found.values[0].tolist() == ["low"] * 3 + ["mid"] * 6 + ["high"]
    assert found.values[1].tolist()[-1] == ""


def test_labels_of_the_user_are_laid_over_the_instants():
    obs = series([1, 2, 3])
    events = pd.Series(["first", None], obs["time"].values[1:], name="event")
    assert grouped(events, pairs_of(obs))["event"].values.tolist() == ["", "first", ""]
    storm = xr.DataArray([1, 1, 2], {"time": obs["time"]}, name="storm")
    assert grouped(["season", storm], pairs_of(obs))["storm"].values.tolist() == ["1", "1", "2"]
    assert list(grouped({"regime": events, "when": "hour"}, pairs_of(obs))) == ["regime", "when"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("fortnight", "no grouping 'fortnight'"),
        (["season", "season"], "two groupings have one name"),
        (pd.Series(["a"], pd.to_datetime(["1999-01-01"])), "share no instant"),
        ([7], "a name, or labels over time"),
    ],
)
def test_what_is_no_grouping_is_refused(asked, message):
    with pytest.raises(InputError, match=message):
        grouped(asked, pairs_of(series([1, 2])))
