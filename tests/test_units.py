"""Units as NextGen's files spell them."""

from __future__ import annotations

import pytest

from dmod.errors import UnitsError
from dmod.units import Conversion, conversion, is_known


@pytest.mark.parametrize(
    ("source", "target", "slope", "intercept"),
    [
        ("mm s^-1", "mm h-1", 3600.0, 0.0),
        ("mm/s", "mm h^-1", 3600.0, 0.0),
        ("kg m-2 s-1", "kg m^-2 h^-1", 3600.0, 0.0),
        ("mm", "m", 0.001, 0.0),
        ("m s-1", "mm h-1", 3.6e6, 0.0),
        ("hPa", "Pa", 100.0, 0.0),
        ("degC", "K", 1.0, 273.15),
        ("K", "C", 1.0, -273.15),
        ("celsius", "K", 1.0, 273.15),
        ("g kg-1", "kg kg-1", 0.001, 0.0),
        ("g kg-1", "1", 0.001, 0.0),
        ("%", "1", 0.01, 0.0),
        ("percent", "none", 0.01, 0.0),
        ("cfs", "m3 s-1", 0.028316846592, 0.0),
        ("ft^3 s^-1", "cms", 0.028316846592, 0.0),
        ("W m-2", "W/m^2", 1.0, 0.0),
        ("W m-2", "J s-1 m-2", 1.0, 0.0),
        ("h", "s", 3600.0, 0.0),
        ("h-1", "s-1", 1 / 3600, 0.0),
        ("day", "h", 24.0, 0.0),
        ("m/m", "1", 1.0, 0.0),
    ],
)
def test_a_value_is_scaled_and_shifted(source, target, slope, intercept):
    found = conversion(source, target)
    assert found.slope == pytest.approx(slope, rel=1e-14)
    assert found.intercept == pytest.approx(intercept, abs=1e-12)


def test_fahrenheit_freezes_at_thirty_two():
    found = conversion("degF", "degC")
    assert found.slope * 32.0 + found.intercept == pytest.approx(0.0, abs=1e-9)
    assert found.slope * 212.0 + found.intercept == pytest.approx(100.0, abs=1e-9)


@pytest.mark.parametrize("one", ["", "1", "none", "None", "unitless", "dimensionless", "-", " "])
@pytest.mark.parametrize("other", ["1", "none", "-"])
def test_all_spellings_of_no_unit_are_one(one, other):
    assert conversion(one, other).is_identity


def test_equal_spellings_need_no_understanding():
    assert conversion("buckets per moon", " buckets per moon").is_identity
    assert Conversion().is_identity
    assert not Conversion(2.0).is_identity


@pytest.mark.parametrize(("source", "target"), [("K", "mm h-1"), ("m", "1"), ("W m-2", "Pa"), ("kg m-2", "mm")])
def test_what_measures_different_things_does_not_convert(source, target):
    with pytest.raises(UnitsError, match="does not convert into") as caught:
        conversion(source, target)
    assert caught.value.facts.keys() == {"has", "needed"}


@pytest.mark.parametrize(
    "unit", ["buckets", "m^^2", "(", "[", "+", "* m", "m m**", "1/0", "\x00", "m 2 s", "os.system"]
)
def test_what_cannot_be_read_is_a_units_error_and_nothing_else(unit):
    assert not is_known(unit)
    with pytest.raises(UnitsError, match="cannot read the unit") as caught:
        conversion(unit, "m")
    assert caught.value.facts["reason"]


@pytest.mark.parametrize(
    "unit", ["mm s^-1", "kg m^-2", "W m-2", "kg kg-1", "Pa", "K", "m s-1", "", "none", "%", "m3 s-1"]
)
def test_the_units_of_nextgen_are_known(unit):
    assert is_known(unit)
