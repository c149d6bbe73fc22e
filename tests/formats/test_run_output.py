"""The output file: laid out first, filled in any order, named only when whole."""

from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

from dmod.errors import OutputError, RunError
from dmod.formats import run_layout
from dmod.formats.run_output import FLOW, Layout, OutputVariable, RowWriter, create, seal

CATS, NEXS, STEPS = ("cat-1", "cat-2", "cat-3"), ("nex-1", "tnx-2"), 4
VARIABLES = (
    OutputVariable("Q_OUT", "m", "flow leaving the catchment"),
    OutputVariable("SOIL", "m", "soil water"),
    OutputVariable(FLOW, "m3 s-1", "flow into the nexus", "nexus-id"),
)
START = 1448928000


def laid_out(folder: Path, **changes: Any) -> tuple[Layout, Path]:
    """A file laid out, and its final name."""
    path = folder / "run.nc"
    options: dict[str, Any] = {
        "catchments": CATS, "nexuses": NEXS, "start_s": START, "step_s": 3600, "steps": STEPS,
        "variables": VARIABLES, "attributes": {"title": "a test"},
    }  # fmt: skip
    return create(path, **{**options, **changes}), path


def rows(*numbers: int) -> Any:
    """Row numbers."""
    return np.array(numbers, dtype=np.intp)


VALUES = np.arange(12.0).reshape(3, 4)


def test_a_file_has_its_name_only_when_it_is_sealed(tmp_path):
    layout, path = laid_out(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["run.nc.partial"]
    with h5py.File(layout.path) as file:
        assert file.attrs["dmod_status"] == "partial"
    with RowWriter(layout) as writer:
        writer.write("Q_OUT", rows(0, 1, 2), 0, VALUES)
    seal(layout, path)
    assert [p.name for p in tmp_path.iterdir()] == ["run.nc"]
    with h5py.File(path) as file:
        assert (file.attrs["dmod_status"], file.attrs["title"]) == ("complete", "a test")


def test_everything_says_what_it_is(tmp_path):
    layout, path = laid_out(tmp_path)
    seal(layout, path)
    with xr.open_dataset(path, engine="h5netcdf") as found:
        assert found["Q_OUT"].dims == ("catchment-id", "time")
        assert found[FLOW].dims == ("nexus-id", "time")
        assert found["catchment-id"].values.tolist() == list(CATS)
        assert found["nexus-id"].values.tolist() == list(NEXS)
        assert found["time"].values[1] == np.datetime64("2015-12-01T01:00:00")
        for name, variable in found.data_vars.items():
            assert variable.attrs["units"], name
            assert variable.attrs["long_name"], name
        assert found.attrs["Conventions"].startswith("CF-")


def test_rows_and_times_may_come_in_any_order_and_twice(tmp_path):
    layout, path = laid_out(tmp_path)
    with RowWriter(layout) as one, RowWriter(layout) as other:
        other.write("Q_OUT", rows(2, 0), 2, VALUES[[2, 0], 2:])
        one.write("Q_OUT", rows(1), 0, VALUES[1:2])
        one.write("Q_OUT", rows(0, 2), 0, VALUES[[0, 2], :2])
        one.write("Q_OUT", rows(0, 2), 0, VALUES[[0, 2], :2])
        one.write("SOIL", rows(0, 1, 2), 0, -VALUES)
        other.write(FLOW, rows(1, 0), 0, VALUES[:2])
        other.write(FLOW, rows(), 0, VALUES[:0])
    seal(layout, path)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["Q_OUT"][...], VALUES)
        np.testing.assert_array_equal(file["SOIL"][...], -VALUES)
        np.testing.assert_array_equal(file[FLOW][...], VALUES[[1, 0]])


def test_values_that_do_not_lie_side_by_side_are_written_all_the_same(tmp_path):
    layout, path = laid_out(tmp_path)
    with RowWriter(layout) as writer:
        writer.write("Q_OUT", rows(0, 1, 2), 0, np.asfortranarray(VALUES))
        writer.write("SOIL", rows(0, 1, 2), 0, np.hstack([VALUES, VALUES])[:, ::2])
    seal(layout, path)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["Q_OUT"][...], VALUES)
        np.testing.assert_array_equal(file["SOIL"][...], np.hstack([VALUES, VALUES])[:, ::2])


def test_a_layout_travels(tmp_path):
    layout, _ = laid_out(tmp_path)
    assert pickle.loads(pickle.dumps(layout)) == layout
    assert len(set(layout.offsets.values())) == 3


def test_catchments_that_drain_nowhere_need_no_nexus(tmp_path):
    layout, path = laid_out(tmp_path, nexuses=())
    with RowWriter(layout) as writer:
        writer.write("Q_OUT", rows(0, 1, 2), 0, VALUES)
    seal(layout, path)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["Q_OUT"][...], VALUES)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_a_failed_run_that_says_how_much_is_needed(tmp_path, monkeypatch, number):
    def full(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(run_layout, "_set_aside", full)
    with pytest.raises(RunError, match="the disk has no room for the outputs") as caught:
        laid_out(tmp_path, steps=10**6)
    assert caught.value.facts["needed"] == "0.064 GB"  # 8 rows of a million numbers of 8 bytes
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_bad_input(tmp_path):
    with pytest.raises(OutputError, match="the output file cannot be made") as caught:
        laid_out(tmp_path / "nowhere")
    assert caught.value.exit_code == 2


def test_the_room_is_taken_at_the_start(tmp_path):
    layout, _ = laid_out(tmp_path, steps=100_000)
    assert layout.path.stat().st_blocks * 512 >= 8 * 8 * 100_000


def test_a_disk_that_fails_while_rows_are_written_is_a_failed_run(tmp_path, monkeypatch):
    layout, _ = laid_out(tmp_path)

    def broken(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pwrite", broken)
    with RowWriter(layout) as writer, pytest.raises(RunError, match="cannot be written") as caught:
        writer.write("Q_OUT", rows(0), 0, VALUES[:1])
    assert caught.value.facts["reason"] == "Input/output error"


def test_a_write_that_is_cut_short_goes_on(tmp_path, monkeypatch):
    layout, path = laid_out(tmp_path)
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, view, place: whole(file, view[:5], place))
    with RowWriter(layout) as writer:
        writer.write("Q_OUT", rows(0, 1, 2), 0, VALUES)
    seal(layout, path)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["Q_OUT"][...], VALUES)


def test_an_output_file_that_has_gone_is_a_failed_run(tmp_path):
    layout, _ = laid_out(tmp_path)
    layout.path.unlink()
    with pytest.raises(RunError, match="cannot be written"):
        RowWriter(layout)
