"""Compiled code is found where it lies, or in a copy where that cannot be written."""

from __future__ import annotations

import stat

import pytest

from dmod.execution.kernel_cache import make_writable


@pytest.fixture
def cache(tmp_path):
    """A cache with one entry."""
    folder = tmp_path / "cache"
    (folder / "modules").mkdir(parents=True)
    (folder / "modules" / "kernel.nbi").write_bytes(b"compiled")
    return folder


def test_a_cache_that_can_be_written_is_used_as_it_is(cache):
    told = {"NUMBA_CACHE_DIR": str(cache)}
    assert make_writable(told) is None
    assert told == {"NUMBA_CACHE_DIR": str(cache)}


def test_nothing_happens_where_there_is_none(tmp_path):
    for told in ({}, {"NUMBA_CACHE_DIR": str(tmp_path / "none")}):
        before = dict(told)
        assert make_writable(told) is None
        assert told == before


def test_a_cache_that_cannot_be_written_is_copied_to_the_first_place_that_can(cache, tmp_path, monkeypatch):
    """Root may write anywhere, so the answer of the system is given by hand."""
    monkeypatch.setattr("dmod.execution.kernel_cache.os.access", lambda *_: False)
    place = tmp_path / "place"
    place.mkdir()
    told = {"NUMBA_CACHE_DIR": str(cache)}
    copy = make_writable(told, [str(tmp_path / "not there"), str(place)])
    assert copy.parent == place
    assert told == {"NUMBA_CACHE_DIR": str(copy)}
    assert (copy / "modules" / "kernel.nbi").read_bytes() == b"compiled"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o700
    assert make_writable({"NUMBA_CACHE_DIR": str(cache)}, [str(tmp_path / "not there")]) is None
