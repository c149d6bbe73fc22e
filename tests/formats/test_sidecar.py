"""A sidecar is used as long as it is that of its source and whole, and done without where none can be kept."""

from __future__ import annotations

import errno
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from dmod.formats import sidecar as sidecar_module
from dmod.formats.names import Names
from dmod.formats.packing import pack, unpack
from dmod.formats.sidecar import cache_directory, open_sidecar, sidecar_path
from dmod.formats.texts import Texts


class Builds:
    """Makes the same arrays each time, and counts how often."""

    def __init__(self, value=0.0):
        self.count, self.value = 0, value

    def __call__(self):
        self.count += 1
        return {"of": "a source"}, [np.full(3000, self.value), np.zeros((0, 2), dtype=np.int32), np.arange(7)]


@pytest.fixture
def source(tmp_path):
    """A file with something in it."""
    path = tmp_path / "source" / "big.gpkg"
    path.parent.mkdir()
    path.write_bytes(b"x" * 100)
    return path


def same(found, value=0.0):
    """Whether a sidecar holds what `Builds` made."""
    facts, arrays = Builds(value)()
    return found.facts == facts and all(
        a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b)
        for a, b in zip(found.arrays, arrays, strict=True)
    )


def test_it_is_built_once_and_then_mapped(source, tmp_path):
    build = Builds()
    first = open_sidecar(source, "1", build, tmp_path / "cache")
    second = open_sidecar(source, "1", build, tmp_path / "cache")
    assert build.count == 1
    assert same(first)
    assert same(second)
    with pytest.raises(ValueError, match="read-only"):
        second.arrays[0][0] = 1.0
    assert [path.name for path in source.parent.iterdir()] == ["big.gpkg"]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda path: path.write_bytes(b"x" * 101), id="size"),
        pytest.param(lambda path: os.utime(path, ns=(1, path.stat().st_mtime_ns + 1)), id="time"),
        pytest.param(lambda path: path.with_name(path.name + "-wal").write_bytes(b"log"), id="log"),
    ],
)
def test_a_changed_source_is_read_again_and_the_old_sidecar_replaced(source, tmp_path, change):
    open_sidecar(source, "1", Builds(), tmp_path)
    change(source)
    build = Builds(2.0)
    assert same(open_sidecar(source, "1", build, tmp_path), 2.0)
    assert same(open_sidecar(source, "1", build, tmp_path), 2.0)
    assert build.count == 1
    assert len(list((tmp_path / "hydrofabric").iterdir())) == 1


def test_one_of_another_make_is_built_again(source, tmp_path):
    open_sidecar(source, "1", Builds(), tmp_path)
    assert same(open_sidecar(source, "2", Builds(2.0), tmp_path), 2.0)


def test_sources_of_the_same_name_have_sidecars_of_their_own(source, tmp_path):
    other = tmp_path / "other" / "big.gpkg"
    other.parent.mkdir()
    os.link(source, other)
    assert sidecar_path(source, tmp_path) != sidecar_path(other, tmp_path)
    linked = tmp_path / "link.gpkg"
    linked.symlink_to(source)
    assert sidecar_path(linked, tmp_path) == sidecar_path(source, tmp_path)


def cut(kept):
    """A file of which only the first bytes are left."""
    return pytest.param(lambda data: data[:kept], id=f"cut at {kept}")


def flipped(place):
    """A file with one bit turned."""
    return pytest.param(lambda data: data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :], id=f"bit at {place}")


@pytest.mark.parametrize(
    "damage",
    [
        *map(cut, (0, 5, 40, 300, 10_000, -1)),
        *map(flipped, (3, 17, 25, 60, 200)),
        pytest.param(lambda data: data[:1000] + b"\0" * (len(data) - 1000), id="emptied"),
        pytest.param(lambda data: data + b"more", id="longer"),
        pytest.param(lambda data: b"<html>" * 1000, id="another kind"),
    ],
)
def test_a_damaged_one_is_built_again(source, tmp_path, damage):
    open_sidecar(source, "1", Builds(), tmp_path)
    path = sidecar_path(source, tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    build = Builds()
    assert same(open_sidecar(source, "1", build, tmp_path))
    assert build.count == 1
    assert same(open_sidecar(source, "1", build, tmp_path))
    assert build.count == 1


def test_without_a_place_to_write_work_goes_on_and_the_log_says_so(source, tmp_path, caplog):
    (tmp_path / "file").write_text("not a directory")
    assert same(open_sidecar(source, "1", Builds(), tmp_path / "file"))
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "cannot be kept" in record.getMessage()
    assert "DMOD_CACHE" in record.getMessage()


def test_a_read_only_directory_is_left_alone(source, tmp_path, caplog):
    if os.geteuid() == 0:
        pytest.skip("nothing is read-only for root")
    folder = tmp_path / "cache"
    folder.mkdir()
    folder.chmod(0o500)
    assert same(open_sidecar(source, "1", Builds(), folder))
    assert len(caplog.records) == 1


def test_a_full_disk_leaves_nothing_half_written(source, tmp_path, caplog, monkeypatch):
    def full(file, *_):
        file.write(b"some")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(sidecar_module, "_write_all", full)
    assert same(open_sidecar(source, "1", Builds(), tmp_path / "cache"))
    assert list((tmp_path / "cache" / "hydrofabric").iterdir()) == []
    assert "No space left" in caplog.text


def test_what_was_read_while_somebody_wrote_is_not_kept(source, tmp_path):
    def build():
        source.write_bytes(b"y" * 200)
        return Builds()()

    assert same(open_sidecar(source, "1", build, tmp_path))
    assert not sidecar_path(source, tmp_path).exists()


def test_whoever_reads_an_old_one_keeps_it(source, tmp_path):
    old = open_sidecar(source, "1", Builds(1.0), tmp_path)
    open_sidecar(source, "2", Builds(2.0), tmp_path)
    assert same(old, 1.0)


def test_what_a_process_that_died_left_is_removed(source, tmp_path):
    path = sidecar_path(source, tmp_path)
    path.parent.mkdir(parents=True)
    left, fresh = (path.with_name(f".{path.name}.{n}.part") for n in ("1-a", "2-b"))
    for part in (left, fresh):
        part.write_bytes(b"half")
    os.utime(left, (0, 0))
    open_sidecar(source, "1", Builds(), tmp_path)
    assert {found.name for found in path.parent.iterdir()} == {path.name, fresh.name}


def test_the_cache_directory_is_the_one_that_is_named():
    assert cache_directory({"DMOD_CACHE": "/a", "XDG_CACHE_HOME": "/b"}) == Path("/a")
    assert cache_directory({"XDG_CACHE_HOME": "/b"}) == Path("/b/dmod")
    assert cache_directory({}) == Path.home() / ".cache" / "dmod"


@dataclass(frozen=True, eq=False)
class Held:
    """A value with one of each."""

    names: Names
    texts: Texts
    rest: object


def test_values_are_taken_apart_and_put_together():
    value = Held(
        Names.of(["wb-2", "wb-1", None, "outlet", "tnx-1000000001"]),
        Texts.of(["b", "", "A"]),
        {"span": range(3, 9), "pairs": [("a", 1), (None, 2.5)], "array": np.arange(4.0)},
    )
    value.names.find(Names.of(["wb-1"]))
    arrays = []
    packed = pack(value, arrays)
    back = unpack(packed, arrays, [Held])
    assert back.names == value.names
    assert back.names.find(["outlet", "wb-1", "wb-9"] * 30).tolist() == [3, 1, -1] * 30
    assert back.texts == value.texts
    assert back.rest["span"] == range(3, 9)
    assert back.rest["pairs"] == (("a", 1), (None, 2.5))
    assert np.array_equal(back.rest["array"], np.arange(4.0))
    with pytest.raises(LookupError):
        unpack(packed, arrays, [])
    with pytest.raises(TypeError, match="Connection cannot be packed"):
        pack(sqlite3.connect(":memory:"), [])
