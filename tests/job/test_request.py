"""A request refuses what makes no sense, and reads times as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dmod.errors import InputError
from dmod.job.request import JobRequest, instant


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param({"workers": 0}, "at least one worker, not 0", id="no worker"),
        pytest.param({"workers": -3}, "at least one worker, not -3", id="fewer than none"),
        pytest.param({"output_format": "grib"}, "no output format 'grib'", id="a format we do not write"),
        pytest.param({"catchments": ()}, "no catchment was asked for", id="no catchments"),
    ],
)
def test_a_request_refuses_what_makes_no_sense(options, said):
    with pytest.raises(InputError, match=said) as caught:
        JobRequest(Path("run"), **options)
    assert caught.value.exit_code == 2


def test_outputs_go_into_the_run_directory_unless_a_place_is_named():
    assert JobRequest(Path("run")).target == Path("run/outputs/dmod")
    assert JobRequest(Path("run"), output=Path("elsewhere")).target == Path("elsewhere")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01", 0),
        ("1970-01-02 06:00", 86400 + 6 * 3600),
        ("1970-01-02T06:00:01", 86400 + 6 * 3600 + 1),
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T02:00:00+02:00", 0),
        ("  1970-01-01 00:01  ", 60),
        ("1969-12-31 23:00", -3600),
        ("2015-12-01 00:00:00", 1448928000),
    ],
)
def test_a_time_is_utc_unless_it_says_otherwise(text, seconds):
    assert instant(text) == seconds


@pytest.mark.parametrize("text", ["", "yesterday", "2015-13-01", "2015-02-30", "2015-12-01 25:00", "1448928"])
def test_what_is_no_time_is_refused_by_its_own_words(text):
    with pytest.raises(InputError) as caught:
        instant(text)
    assert repr(text) in caught.value.headline
    assert "YYYY-MM-DD" in str(caught.value)
