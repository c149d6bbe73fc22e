"""A frame that is remembered gives the same file as one that is made."""

from __future__ import annotations

import os

import h5netcdf
import netCDF4
import numpy as np
import pytest

from dmod.formats import run_layout
from dmod.formats.run_layout import Frame, OutputVariable, lay_out
from dmod.formats.run_output import RowWriter, create, seal

FRAME = Frame(
    ("cat-1", "cat-2", "cat-3"), ("nex-3", "tnx-4"), 1472688000, 3600, 24,
    (OutputVariable("Q_OUT", "m", "flow"), OutputVariable("nexus_flow", "m3 s-1", "flow", "nexus-id")),
)  # fmt: skip


@pytest.fixture(autouse=True)
def forgetful(monkeypatch):
    """Nothing is known when a test begins."""
    run_layout._known.clear()


def made(path, frame=FRAME):
    path.touch()
    return lay_out(path, frame)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(FRAME, id="plain"),
        pytest.param(Frame(*[*[()] * 2, 0, 3600, 24, ()]), id="nothing in it"),
        pytest.param(Frame(tuple(f"cat-{n}" for n in range(5000)), ("nex-1",), 0, 3600, 3, FRAME.variables), id="wide"),
    ],
)
def test_the_second_file_is_byte_for_byte_the_first(tmp_path, monkeypatch, frame):
    first = made(tmp_path / "first.nc", frame)
    monkeypatch.setattr(run_layout, "_make", None)
    second = made(tmp_path / "second.nc", frame)
    assert first == second
    assert (tmp_path / "first.nc").read_bytes() == (tmp_path / "second.nc").read_bytes()


def test_another_frame_is_made_anew(tmp_path):
    made(tmp_path / "first.nc")
    other = Frame(FRAME.catchments, FRAME.nexuses, FRAME.start_s + 3600, 3600, 24, FRAME.variables)
    made(tmp_path / "other.nc", other)
    with h5netcdf.File(tmp_path / "other.nc", "r") as file:
        assert file["time"][0] == FRAME.start_s + 3600


def test_what_was_in_the_file_before_is_gone(tmp_path):
    made(tmp_path / "first.nc")
    (tmp_path / "second.nc").write_bytes(os.urandom(100_000))
    made(tmp_path / "second.nc")
    assert (tmp_path / "first.nc").read_bytes() == (tmp_path / "second.nc").read_bytes()


def test_frames_that_are_large_are_not_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr(run_layout, "_LARGEST_BYTES", 1000)
    made(tmp_path / "first.nc")
    assert not run_layout._known


def test_only_the_last_few_are_remembered(tmp_path):
    for step in range(12):
        made(tmp_path / "one.nc", Frame((), (), step, 3600, 1, ()))
    assert [frame.start_s for frame in run_layout._known] == list(range(4, 12))


@pytest.mark.parametrize("turn", ["made", "remembered"])
def test_a_file_can_be_filled_sealed_and_read_by_the_library_of_netcdf(tmp_path, turn):
    for name in ("before", "run")[turn == "made" :]:
        layout = create(
            tmp_path / f"{name}.nc", catchments=FRAME.catchments, nexuses=FRAME.nexuses, start_s=FRAME.start_s,
            step_s=3600, steps=24, variables=FRAME.variables, attributes={},
        )  # fmt: skip
        with RowWriter(layout) as writer:
            writer.write("Q_OUT", np.arange(3), 0, np.arange(72.0).reshape(3, 24))
            writer.write("nexus_flow", np.arange(2), 0, np.ones((2, 24)))
        seal(layout, tmp_path / f"{name}.nc", {"title": "a run", "dmod_job": "run-abc"})
    with netCDF4.Dataset(tmp_path / "run.nc") as file:
        assert (file.dmod_status, file.title, file.dmod_job, file.Conventions) == (
            "complete", "a run", "run-abc", "CF-1.11",
        )  # fmt: skip
        assert file["Q_OUT"][:].tolist() == np.arange(72.0).reshape(3, 24).tolist()
        assert file["catchment-id"][:].tolist() == list(FRAME.catchments)
        assert file["nexus_flow"].dimensions == ("nexus-id", "time")
