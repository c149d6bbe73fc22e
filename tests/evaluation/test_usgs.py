"""Values of USGS are asked for once, politely, and kept; what goes wrong is said in words."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import ssl
import subprocess
import time

import numpy as np
import pandas as pd
import pytest
from requiring import cannot

from dmod.errors import InputError, ObservationError, StoreError
from dmod.evaluation.observations import read_observations
from dmod.evaluation.usgs import usgs_flow
from tests.evaluation.water_data import Fault, WaterData, feature, serving

CFS = 0.3048**3


@pytest.fixture
def usgs(monkeypatch, tmp_path):
    """A server that answers for USGS, with a cache of its own; the library tries once more after a failure."""
    with serving(WaterData()) as held:
        monkeypatch.setenv("DMOD_USGS_URL", held.url)
        monkeypatch.setenv("DMOD_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("API_USGS_RETRIES", "1")
        monkeypatch.delenv("API_USGS_PAT", raising=False)
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield held


def gone(usgs):
    """As if the network were gone."""
    usgs.faults.extend([Fault(503)] * 100)


def test_one_line_gives_a_site_in_cubic_metres(usgs):
    usgs.add("01073000", "2016-09-01", "2016-09-02")
    flow = read_observations("usgs:01073000", start="2016-09-01", end="2016-09-01T01:00")
    assert flow.dims == ("time",)
    assert flow.site.item() == "01073000"
    np.testing.assert_allclose(flow, np.arange(100, 105) * CFS, rtol=1e-12)
    assert str(flow.time.values[-1])[:16] == "2016-09-01T01:00"
    assert flow.attrs["source"] == "USGS Water Data API"
    assert usgs.windows == [("USGS-01073000", "2016-09-01T00:00:00Z/2016-09-01T01:00:00Z")]


def test_several_sites_come_in_one_request_with_the_unknown_one_told(usgs):
    usgs.add("01073000", "2016-09-01", "2016-09-01T02:00")
    usgs.add("01013500", "2016-09-01", "2016-09-01T02:00", value=7.0)
    flow = read_observations("usgs:01073000,01013500,01999999", start="2016-09-01", end="2016-09-01")
    assert flow.dims == ("site", "time")
    assert flow.site.values.tolist() == ["01013500", "01073000"]
    assert "USGS-01999999: USGS knows no such site" in flow.attrs["notes"]
    assert len(usgs.windows) == 1


def test_pages_are_followed_to_the_last(usgs):
    usgs.add("01073000", "2016-09-01", "2016-09-03")
    usgs.page = 50
    flow = usgs_flow("01073000", "2016-09-01", "2016-09-02")
    assert flow.sizes["time"] == 192
    assert [asked.get("offset", "0") for _, asked in usgs.asked] == ["0", "50", "100", "150"]


def test_a_long_period_is_asked_for_three_years_at_a_time(usgs):
    usgs.add("01073000", "2010-01-01", "2017-12-31", step="MS")
    shares = []
    flow = usgs_flow("01073000", "2010-01-01", "2017-12-31", progress=shares.append)
    assert flow.sizes["time"] == 96
    times = [pd.to_datetime(pd.Series(span.split("/"))) for _, span in usgs.windows]
    assert len(times) == 3
    assert all(last - first <= pd.Timedelta(days=3 * 365) for first, last in times)
    assert all(after[0] - before[1] == pd.Timedelta(seconds=1) for before, after in itertools.pairwise(times))
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)


def test_daily_means_go_back_decades_in_one_request(usgs):
    usgs.add_daily("01073000", "1990-10-01", "1999-09-30")
    usgs.add_daily("01073000", "1990-10-01", "1999-09-30", value=9000.0, statistic_id="00001")
    flow = usgs_flow("01073000", "1990-10-01", "1999-09-30", statistic="mean")
    assert flow.sizes["time"] == 3287
    assert float(flow[0]) == pytest.approx(100 * CFS)
    assert usgs.windows == [("USGS-01073000", "1990-10-01/1999-09-30")]
    assert usgs.asked[0][1]["statistic_id"] == "00003"
    assert "of the day at the gage" in flow.attrs["notes"]
    again = read_observations("usgs-daily:01073000", start="1990-10-01", end="1990-10-03")
    assert again.sizes["time"] == 3
    assert len(usgs.asked) == 1


def test_what_is_there_is_not_asked_for_again_and_needs_no_network(usgs):
    usgs.add("01073000", "2016-08-01", "2016-10-01")
    first = usgs_flow("01073000", "2016-09-01", "2016-09-10")
    gone(usgs)
    again = usgs_flow("01073000", "2016-09-01", "2016-09-10")
    np.testing.assert_array_equal(again, first)
    assert "values of the cache" in again.attrs["notes"]
    part = usgs_flow("01073000", "2016-09-03", "2016-09-04")
    np.testing.assert_array_equal(part, first.sel(time=slice("2016-09-03", "2016-09-04")))
    assert len(usgs.asked) == 1


def test_only_what_is_missing_of_a_longer_period_is_asked_for(usgs):
    usgs.add("01073000", "2016-08-01", "2016-10-01")
    usgs_flow("01073000", "2016-09-05", "2016-09-10")
    flow = usgs_flow("01073000", "2016-09-01", "2016-09-15")
    assert flow.sizes["time"] == 15 * 96
    assert [span for _, span in usgs.windows[1:]] == [
        "2016-09-01T00:00:00Z/2016-09-04T23:59:59Z",
        "2016-09-11T00:00:00Z/2016-09-15T23:59:59Z",
    ]
    assert flow.indexes["time"].is_monotonic_increasing


def test_without_network_a_part_that_is_missing_is_named(usgs, monkeypatch):
    usgs.add("01073000", "2016-09-01", "2016-10-01")
    usgs_flow("01073000", "2016-09-01", "2016-09-10")
    usgs.faults.extend([Fault(503)] * 20)
    monkeypatch.setattr("dmod.evaluation.usgs_service._AGAIN", 0)
    with pytest.raises(StoreError, match="cannot be reached") as caught:
        usgs_flow("01073000", "2016-09-01", "2016-09-12")
    assert caught.value.facts["missing"] == "USGS-01073000: 2016-09-11T00:00Z .. 2016-09-13T00:00Z"
    assert "2016-09-01T00:00Z .. 2016-09-11T00:00Z" in str(caught.value.facts["cache"])


def test_a_server_that_is_not_there_is_said_in_words(monkeypatch, tmp_path):
    monkeypatch.setenv("API_USGS_RETRIES", "0")
    monkeypatch.setattr("dmod.evaluation.usgs_service._AGAIN", 0)
    with pytest.raises(StoreError, match=r"cannot be reached(.|\n)*check the network"):
        usgs_flow("01073000", "2016-09-01", "2016-09-02", url="http://127.0.0.1:9", cache=tmp_path)


def test_too_many_requests_wait_as_long_as_the_server_says(usgs):
    usgs.add("01073000", "2016-09-01", "2016-09-02")
    usgs.faults.append(Fault(429, {"Retry-After": "1"}))
    flow = usgs_flow("01073000", "2016-09-01", "2016-09-01")
    assert flow.sizes["time"] == 96
    assert usgs.came[1] - usgs.came[0] >= 1.0


def test_a_busy_server_in_the_middle_of_pages_is_waited_for(usgs):
    usgs.add("01073000", "2016-09-01", "2016-09-02")
    usgs.page = 50
    usgs.faults.extend([None, Fault(429, {"Retry-After": "0"})])
    assert usgs_flow("01073000", "2016-09-01", "2016-09-01").sizes["time"] == 96


def test_a_server_that_fails_and_recovers_is_asked_again(usgs):
    usgs.add("01073000", "2016-09-01", "2016-09-02")
    usgs.faults.extend([Fault(500), Fault(503, {"Retry-After": "0"}), Fault(502)])
    assert usgs_flow("01073000", "2016-09-01", "2016-09-01").sizes["time"] == 96
    assert len(usgs.asked) == 4


def test_a_wait_of_an_hour_is_left_to_the_user(usgs):
    usgs.add("01073000", "2016-09-01", "2016-09-02")
    usgs.faults.extend([Fault(429, {"Retry-After": "3600"})] * 3)
    began = time.monotonic()
    with pytest.raises(StoreError, match=r"no more requests for now\n  wait +3600 s(.|\n)*API_USGS_PAT"):
        usgs_flow("01073000", "2016-09-01", "2016-09-01")
    assert time.monotonic() - began < 60


def test_windows_that_are_here_are_kept_when_a_later_one_fails(usgs, monkeypatch):
    usgs.add("01073000", "2010-01-01", "2015-12-31", step="MS")
    monkeypatch.setattr("dmod.evaluation.usgs_service._AGAIN", 0)
    usgs.faults.extend([None, *[Fault(500)] * 5])
    with pytest.raises(StoreError):
        usgs_flow("01073000", "2010-01-01", "2015-12-31")
    usgs.faults.clear()
    usgs.asked.clear()
    assert usgs_flow("01073000", "2010-01-01", "2015-12-31").sizes["time"] == 72
    assert [span[:4] for _, span in usgs.windows] == ["2012", "2015"]


def test_an_interrupt_leaves_whole_windows_and_the_next_call_goes_on(usgs, tmp_path):
    usgs.add("01073000", "2010-01-01", "2015-12-31", step="MS")
    usgs.before = lambda number: os.kill(os.getpid(), signal.SIGINT) if number == 2 else None
    with pytest.raises(KeyboardInterrupt):
        usgs_flow("01073000", "2010-01-01", "2015-12-31")
    usgs.before = None
    files = [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert files == ["20100101T000000Z-20121231T000000Z.npz"]
    usgs.asked.clear()
    assert usgs_flow("01073000", "2010-01-01", "2015-12-31").sizes["time"] == 72
    assert [span[:4] for _, span in usgs.windows] == ["2012", "2015"]


def test_values_that_may_be_revised_are_asked_for_again_after_a_week(usgs, tmp_path, monkeypatch):
    usgs.add("01073000", "2016-09-01", "2016-09-02", approval_status="Provisional")
    usgs_flow("01073000", "2016-09-01", "2016-09-01")
    (file,) = (tmp_path / "cache").rglob("*.npz")
    assert file.stem.endswith("-provisional")
    usgs_flow("01073000", "2016-09-01", "2016-09-01")
    assert len(usgs.asked) == 1
    week_ago = time.time() - 8 * 86400
    os.utime(file, (week_ago, week_ago))
    usgs.continuous = [row | {"value": "1", "approval_status": "Approved"} for row in usgs.continuous]
    flow = usgs_flow("01073000", "2016-09-01", "2016-09-01")
    assert len(usgs.asked) == 2
    np.testing.assert_allclose(flow, CFS)
    assert [path.stem for path in (tmp_path / "cache").rglob("*.npz")] == ["20160901T000000Z-20160902T000000Z"]


def test_values_that_may_have_been_revised_do_without_network(usgs, tmp_path, monkeypatch):
    usgs.add("01073000", "2016-09-01", "2016-09-02", approval_status="Provisional")
    usgs_flow("01073000", "2016-09-01", "2016-09-01")
    (file,) = (tmp_path / "cache").rglob("*.npz")
    os.utime(file, (1.6e9, 1.6e9))
    usgs.faults.extend([Fault(503)] * 5)
    monkeypatch.setattr("dmod.evaluation.usgs_service._AGAIN", 0)
    flow = usgs_flow("01073000", "2016-09-01", "2016-09-01")
    assert flow.sizes["time"] == 96
    assert "may have been revised" in flow.attrs["notes"]


def test_a_file_of_the_cache_that_was_cut_off_is_fetched_again(usgs, tmp_path):
    usgs.add("01073000", "2016-09-01", "2016-09-02")
    first = usgs_flow("01073000", "2016-09-01", "2016-09-01")
    (file,) = (tmp_path / "cache").rglob("*.npz")
    file.write_bytes(file.read_bytes()[:100])
    np.testing.assert_array_equal(usgs_flow("01073000", "2016-09-01", "2016-09-01"), first)
    assert len(usgs.asked) == 2


def test_qualifiers_stay_with_values_or_make_them_missing(usgs):
    usgs.locations.add("USGS-01073000")
    usgs.continuous = [
        feature("01073000", "2016-01-01T00:00:00+00:00", 1),
        feature("01073000", "2016-01-01T00:15:00+00:00", 2, qualifier=["ICE", "ESTIMATED"]),
        feature("01073000", "2016-01-01T00:30:00+00:00", 3, approval_status="Provisional"),
        feature("01073000", "2016-01-01T00:45:00+00:00", 4) | {"value": None, "qualifier": ["EQUIP"]},
    ]
    flow = usgs_flow("01073000", "2016-01-01", "2016-01-01")
    np.testing.assert_allclose(flow, np.array([1, 2, 3, np.nan]) * CFS)
    words = dict(zip(flow.qualifier.attrs["flag_values"], flow.qualifier.attrs["flag_meanings"].split(), strict=True))
    assert [words[code] for code in flow.qualifier.values] == ["A", "A,ICE,ESTIMATED", "P", "A,EQUIP"]
    assert "1 value qualified P kept" in flow.attrs["notes"]
    bare = usgs_flow("01073000", "2016-01-01", "2016-01-01", drop=("ice", "P"))
    np.testing.assert_allclose(bare, np.array([1, np.nan, np.nan, np.nan]) * CFS)
    assert "1 value qualified ICE taken as missing" in bare.attrs["notes"]


def test_of_two_series_of_a_site_one_is_taken_by_a_rule(usgs):
    usgs.add("01073000", "2016-09-01", "2016-09-01T01:00", time_series_id="old", value=1.0)
    usgs.add("01073000", "2016-09-01", "2016-09-01T02:00", time_series_id="new", value=50.0)
    flow = usgs_flow("01073000", "2016-09-01", "2016-09-01")
    assert float(flow[0]) == pytest.approx(50 * CFS)
    assert "method 'new' taken of 'old' (5 values), 'new' (9 values)" in flow.attrs["notes"]
    assert float(usgs_flow("01073000", "2016-09-01", "2016-09-01", method="old")[0]) == pytest.approx(CFS)
    with pytest.raises(ObservationError, match="more than one method"):
        usgs_flow("01073000", "2016-09-01", "2016-09-01", method="error")


def test_an_unknown_site_and_an_empty_period_are_told_apart(usgs):
    usgs.add("01073000", "2016-09-01", "2016-09-02")
    with pytest.raises(ObservationError, match="USGS knows no site USGS-01999999"):
        usgs_flow("01999999", "2016-09-01", "2016-09-01")
    with pytest.raises(ObservationError, match=r"no values of the sites in the period(.|\n)*parameter 00060"):
        usgs_flow("01073000", "1950-01-01", "1950-01-02")


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"features": 3}', b"<html>down for maintenance</html>"])
def test_an_answer_that_makes_no_sense_is_said_in_words_and_not_kept(usgs, body, tmp_path, monkeypatch):
    usgs.faults.extend([Fault(200, {}, body)] * 5)
    monkeypatch.setattr("dmod.evaluation.usgs_service._AGAIN", 0)
    with pytest.raises(StoreError, match="answer that makes no sense"):
        usgs_flow("01073000", "2016-09-01", "2016-09-02")
    assert not list((tmp_path / "cache").rglob("*.npz"))


def test_a_key_that_is_refused_says_where_it_is_set(usgs):
    usgs.faults.extend([Fault(403, {}, json.dumps({"code": "API_KEY_INVALID"}).encode())] * 3)
    with pytest.raises(InputError, match=r"refuses the request(.|\n)*API_USGS_PAT"):
        usgs_flow("01073000", "2016-09-01", "2016-09-02")


@pytest.mark.parametrize(
    ("site", "needed"), [("1073000", "leading zeros"), ("nex-1", "digits"), ("", "digits"), ("0107300x", "digits")]
)
def test_a_site_that_makes_no_sense_is_refused_before_anybody_is_asked(usgs, site, needed):
    with pytest.raises(ObservationError, match=f"no site of USGS(.|\n)*{needed}"):
        usgs_flow([site], "2016-09-01", "2016-09-02")
    assert usgs.asked == []


def test_a_period_without_a_start_or_in_the_future_is_refused(usgs):
    with pytest.raises(ObservationError, match=r"period to fetch is not told(.|\n)*start="):
        read_observations("usgs:01073000")
    with pytest.raises(ObservationError, match="has not begun"):
        usgs_flow("01073000", "2150-01-01")
    with pytest.raises(ObservationError, match="end of the period is before"):
        usgs_flow("01073000", "2016-09-02", "2016-09-01")


def test_a_parameter_that_is_no_discharge_is_refused(usgs):
    usgs.add("01073000", "2016-09-01", "2016-09-02", parameter_code="00065", unit_of_measure="ft")
    with pytest.raises(ObservationError, match="'ft' is not a unit of discharge"):
        usgs_flow("01073000", "2016-09-01", "2016-09-01", parameter="00065")


@pytest.fixture
def certificate(tmp_path):
    """A certificate for the host of USGS, and its key."""
    if shutil.which("openssl") is None:
        cannot("openssl makes the certificate of this test")
    host, files = "api.waterdata.usgs.gov", (str(tmp_path / "host.pem"), str(tmp_path / "host.key"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={host}", "-addext",
         f"subjectAltName=DNS:{host}", "-out", files[0], "-keyout", files[1]],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return files


def test_the_key_goes_to_usgs_and_to_nobody_else(usgs, certificate, tmp_path, monkeypatch):
    usgs.add("01073000", "2016-09-01", "2016-09-02")
    monkeypatch.setenv("API_USGS_PAT", "key-of-the-tests")
    usgs_flow("01073000", "2016-09-01", "2016-09-01")
    assert "x-api-key" not in usgs.headers[0]
    usgs.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    usgs.tls.load_cert_chain(*certificate)
    monkeypatch.delenv("DMOD_USGS_URL")
    monkeypatch.setenv("HTTPS_PROXY", usgs.url)
    monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
    for name in ("NO_PROXY", "no_proxy", "https_proxy", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    flow = usgs_flow("01073000", "2016-09-01", "2016-09-01", cache=tmp_path / "another")
    assert flow.sizes["time"] == 96
    assert usgs.headers[1]["x-api-key"] == "key-of-the-tests"
    assert usgs.headers[1]["host"] == "api.waterdata.usgs.gov"


def test_recorded_answers_of_the_api_are_read(usgs, data):
    held = json.loads((data / "observations/usgs_dataretrieval/waterdata_ogc_fixtures.json").read_text())
    usgs.daily = [one["properties"] for one in held["daily"]["features"]]
    flow = usgs_flow("05427718", "2025-12-01", "2026-04-01", statistic="mean")
    np.testing.assert_allclose(flow, np.array([20.2, 27.1]) * CFS)
    assert "2 values qualified P kept" in flow.attrs["notes"]
