"""The tiny river is a run directory like any other, and its answer is known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dmod.errors import CheckError
from dmod.formats.forcing import ForcingRef, open_forcing
from dmod.formats.hydrofabric import open_hydrofabric
from dmod.session import Session
from dmod.testing.rivers import AREAS_KM2, CATCHMENTS, NEXUSES, START, paved_flow, run_here, tiny_run_directory


def test_the_check_finds_nothing_to_say(tmp_path):
    report = Session().check(tiny_run_directory(tmp_path))
    assert report.findings == ()


def test_two_headwaters_meet_and_flow_on(tmp_path):
    tiny_run_directory(tmp_path)
    fabric = open_hydrofabric(tmp_path / "config" / "tiny.gpkg")
    assert list(fabric.catchments.index) == list(CATCHMENTS)
    assert list(fabric.catchments["area_km2"]) == list(AREAS_KM2)
    assert list(fabric.catchments["toid"]) == ["nex-3", "nex-3", "tnx-4"]
    assert list(fabric.nexuses.index) == list(NEXUSES)
    shapes = fabric.geometry("divides").geometry
    assert shapes.area.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.filterwarnings("ignore:Port \\d+ is already in use")
def test_a_session_gives_the_known_answer(tmp_path):
    made = Session().run(tiny_run_directory(tmp_path)).outputs.load()
    assert list(made["nexus-id"].values) == list(NEXUSES)
    assert made["nexus_flow"].values.tolist() == paved_flow(6).tolist()
    assert made["time"].values[0] == np.datetime64(START.replace(tzinfo=None), "ns")


def test_a_run_here_is_the_run_of_a_session_without_its_provenance(tmp_path):
    directory = tiny_run_directory(tmp_path, hours=9)
    assert run_here(directory)["nexus_flow"].values.tolist() == paved_flow(9).tolist()
    assert run_here(directory, parts=2, budget_bytes=1)["nexus_flow"].values.tolist() == paved_flow(9).tolist()


@pytest.mark.parametrize(("kind", "name"), [("netcdf", "forcings.nc"), ("csv", "")])
def test_both_kinds_of_forcing_hold_the_same_numbers(tmp_path, kind, name):
    tiny_run_directory(tmp_path, forcing=kind, weather={"TMP_2maboveground": 273.15 + np.arange(7)}, weather_hours=7)
    entry = json.loads((tmp_path / "config" / "realization.json").read_text())["global"]["forcing"]
    ref = ForcingRef(tmp_path / "forcings" / name, entry["provider"], entry.get("file_pattern", ""))
    source = open_forcing(ref, CATCHMENTS)
    assert source.axis.count == 7
    warm = source.read("TMP_2maboveground", np.arange(3), 0, 7)
    assert np.array_equal(warm, np.broadcast_to((273.15 + np.arange(7)).astype(np.float32), (3, 7)))
    assert source.read("precip_rate", np.array([2]), 0, 3).tolist() == [[0.0, 0.00390625, 0.0]]
    source.close()


def test_soil_and_sky_can_be_changed(tmp_path):
    """Soil that takes water in, and sun: less flow, more evaporation."""
    wet = run_here(tiny_run_directory(tmp_path, cfe={"soil_params.satdk": "1e-6"}, weather={"DSWRF_surface": 512.0}))
    assert (wet["nexus_flow"].values[:, 1] < paved_flow(6)[:, 1]).all()
    assert (wet["ACTUAL_ET"] > 0).all()


def test_what_the_check_refuses_is_raised(tmp_path):
    with pytest.raises(CheckError, match="soil_storage"):
        run_here(tiny_run_directory(tmp_path, cfe={"soil_storage": "50%"}))
