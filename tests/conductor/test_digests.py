"""Inputs of many jobs are digested once, and again as soon as anybody touched them."""

from __future__ import annotations

import os

import pytest

from dmod.conductor import provenance
from dmod.store.digest import digest, digest_many


@pytest.fixture
def read(monkeypatch):
    """Which files were read; what was written a moment ago is believed."""
    found = []
    monkeypatch.setattr(provenance, "_FRESH_S", -60.0)
    monkeypatch.setattr(provenance, "digest", lambda path: found.append(path.name) or digest(path))
    monkeypatch.setattr(provenance, "digest_many", lambda paths: found.append("many") or digest_many(paths))
    return found


def test_a_file_that_nobody_touched_is_read_once(tmp_path, read):
    path = tmp_path / "realization.json"
    path.write_text("{}")
    assert provenance._digest(path) == provenance._digest(path) == digest(path)
    assert read == ["realization.json"]


def touched(path, how):
    """Write to a file, or replace it."""
    before = path.stat()
    if how == "replaced":
        path.with_name("new").write_text("[]")
        path.with_name("new").replace(path)
    else:
        path.write_text("[]")
    if how != "written":
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("how", ["written", "written and its time set back", "replaced"])
def test_a_file_that_was_touched_is_read_again(tmp_path, read, how):
    path = tmp_path / "realization.json"
    path.write_text("{}")
    before = provenance._digest(path)
    touched(path, how)
    assert provenance._digest(path) == digest(path) != before
    assert read == ["realization.json"] * 2


def test_one_of_many_files_that_was_touched_has_all_read_again(tmp_path, read):
    paths = [tmp_path / name for name in ("a.nc", "b.nc")]
    for path in paths:
        path.write_text(path.name)
    before = provenance._digest_many(paths)
    assert provenance._digest_many(reversed(paths)) == before == digest_many(paths)
    paths[0].write_text("another")
    assert provenance._digest_many(paths) == digest_many(paths) != before
    assert read == ["many"] * 2


def test_a_file_that_was_written_a_moment_ago_is_read_each_time(tmp_path, read, monkeypatch):
    monkeypatch.setattr(provenance, "_FRESH_S", 60.0)
    path = tmp_path / "realization.json"
    path.write_text("{}")
    assert provenance._digest(path) == provenance._digest(path)
    assert len(read) == 2
    assert not any(str(path) in key for key in provenance._known)


def test_only_the_last_digests_are_remembered(tmp_path, read):
    for number in range(provenance._DIGESTS + 10):
        path = tmp_path / str(number)
        path.write_text("x")
        provenance._digest(path)
    assert len(provenance._known) == provenance._DIGESTS
