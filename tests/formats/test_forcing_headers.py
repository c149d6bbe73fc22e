"""A header that was read before is believed until the file is another."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from dmod.errors import ForcingError
from dmod.formats import forcing_netcdf
from dmod.formats.forcing import ForcingRef, open_forcing
from dmod.testing.rivers import tiny_run_directory


@pytest.fixture
def ref(tmp_path):
    """A file that was written long ago."""
    path = tiny_run_directory(tmp_path / "run", hours=6) / "forcings" / "forcings.nc"
    os.utime(path, (time.time() - 60, time.time() - 60))
    forcing_netcdf._known.clear()
    return ForcingRef(path, "NetCDF")


@pytest.fixture
def opened(monkeypatch):
    """How often HDF5 was asked."""
    count = []
    open_ = forcing_netcdf._open
    monkeypatch.setattr(forcing_netcdf, "_open", lambda ref: (count.append(ref), open_(ref))[1])
    return count


def read(ref):
    """All of a file."""
    source = open_forcing(ref)
    try:
        values = {
            name: source.read(name, np.arange(len(source.ids)), 0, source.axis.count).tolist()
            for name in source.variables
        }
        return list(source.ids), source.axis, dict(source.variables), source.row_chunk, values
    finally:
        source.close()


def test_a_file_is_opened_by_hdf5_once(ref, opened):
    assert read(ref) == read(ref)
    assert len(opened) == 1


@pytest.mark.parametrize("change", ["later", "longer", "another file"])
def test_a_file_that_changed_is_opened_again(ref, opened, change):
    read(ref)
    if change == "later":
        os.utime(ref.path, (time.time() - 30, time.time() - 30))
    else:
        told, other = ref.path.stat(), ref.path.with_name("other.nc")
        other.write_bytes(ref.path.read_bytes() + (b"\0" if change == "longer" else b""))
        os.utime(other, ns=(told.st_atime_ns, told.st_mtime_ns))
        other.replace(ref.path)
    read(ref)
    assert len(opened) == 2


def test_a_file_that_is_gone_is_missed(ref):
    read(ref)
    ref.path.unlink()
    with pytest.raises(ForcingError, match="not there"):
        open_forcing(ref)


def test_a_file_that_was_written_a_moment_ago_is_not_remembered(ref, opened):
    os.utime(ref.path)
    read(ref)
    read(ref)
    assert len(opened) == 2


def test_no_file_stays_open(ref):
    held = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        read(ref)
    assert len(list(Path("/proc/self/fd").iterdir())) == held
