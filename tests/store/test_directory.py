"""A store in a directory, and all that can go wrong with a disk."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from dmod.errors import DatasetError, StoreError
from dmod.store import filling
from dmod.store.manifest import object_key
from dmod.store.root import Store

MIB = 2**20
SENDER = """
import sys, time
from pathlib import Path
from dmod.store.root import Store

def stop(step, done, total):
    if step == "store" and done >= 8 * 2**20:
        print("half is there", flush=True)
        time.sleep(600)

Store(sys.argv[1]).put(Path(sys.argv[2]), progress=stop)
"""


@pytest.fixture
def large(tmp_path) -> Path:
    """A file of 24 MiB."""
    path = tmp_path / "large.nc"
    path.write_bytes(random.Random(1).randbytes(24 * MIB))
    return path


def put_into(root: Path, source: Path) -> str:
    """What another process does."""
    return Store(root).put(source).digest


def test_a_killed_put_goes_on_where_it_was(tmp_path, large):
    root = tmp_path / "store"
    with subprocess.Popen([sys.executable, "-c", SENDER, str(root), str(large)], stdout=subprocess.PIPE) as sender:
        assert sender.stdout.readline() == b"half is there\n"
        os.kill(sender.pid, signal.SIGKILL)
    store = Store(root)
    assert list(store._shelf.held("objects/")) == []
    assert list(store._shelf.held("datasets/")) == []
    told: list[int] = []
    manifest = store.put(large, progress=lambda step, done, total: told.append(done) if step == "store" else None)
    assert next(one for one in told if one) > 8 * MIB
    store.verify(manifest)
    assert not any(path.name.endswith(".partial") for path in (root / "incoming").iterdir())


def test_a_partial_file_that_is_wrong_is_made_again(tmp_path, large):
    store = Store(tmp_path / "store")
    manifest = store.put(large)
    key = object_key(manifest.files[0].digest)
    for wrong in (b"not the beginning", large.read_bytes() + b"more", b""):
        store._shelf.remove(key)
        (tmp_path / "store" / "incoming" / f"{key.replace('/', '-')}.partial").write_bytes(wrong)
        store.put(large)
        store.verify(manifest)


def test_two_processes_that_put_the_same_take_turns(tmp_path, large):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        digests = pool.starmap(put_into, [(tmp_path / "store", large)] * 2)
    store = Store(tmp_path / "store")
    assert digests[0] == digests[1]
    store.verify(store.manifest(digests[0]))
    assert len(list(store._shelf.held("objects/"))) == 1


def test_who_waits_for_a_file_finds_it_done(tmp_path):
    target, aside, read = tmp_path / "whole", tmp_path / "aside", []
    digest = Store(tmp_path / "other").put(b"abc", name="a").files[0].digest

    def blocks(start: int) -> list[bytes]:
        read.append(start)
        return [b"abc"[start:]]

    def fill() -> None:
        assert filling.fill(target, aside, digest, size=3, blocks=blocks, told=lambda size: None)

    with aside.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        others = [threading.Thread(target=fill) for _ in range(3)]
        for one in others:
            one.start()
        assert not target.exists()
    for one in others:
        one.join()
    assert target.read_bytes() == b"abc"
    assert read == [0]
    assert not aside.exists()


def test_a_disk_without_locks_is_used_all_the_same(tmp_path, monkeypatch, large):
    def refuse(file: object, how: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(filling.fcntl, "flock", refuse)
    store = Store(tmp_path / "store")
    store.verify(store.put(large))


def test_a_full_disk_is_said_so_and_nothing_is_left(tmp_path, monkeypatch, large):
    store = Store(tmp_path / "store")

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(filling.os, "fsync", full)
        for source in (large, {"a": b"1"}):
            with pytest.raises(StoreError, match="no room") as caught:
                store.put(source)
            assert "DMOD_STORE" in caught.value.hint
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []
    store.verify(store.put(large))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_store_that_may_not_be_written_is_said_so(tmp_path):
    (tmp_path / "store").mkdir(mode=0o500)
    with pytest.raises(StoreError, match="may not be read or written"):
        Store(tmp_path / "store").put(b"1", name="a")


def test_a_store_that_is_a_file_is_said_so(tmp_path):
    (tmp_path / "store").touch()
    with pytest.raises(StoreError, match="not a directory"):
        Store(tmp_path / "store").put(b"1", name="a")


def test_a_store_whose_disk_is_gone_is_said_so(tmp_path):
    store = Store(tmp_path / "store")
    manifest = store.put(b"1", name="a")
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    for ask in (store.check, lambda: store.verify(manifest), lambda: store.manifest(manifest.location)):
        with pytest.raises(StoreError, match="directory is not there"):
            ask()


def test_objects_are_read_only_and_linked_not_copied(tmp_path):
    store = Store(tmp_path / "store")
    manifest = store.put(b"1", name="a")
    held = store._shelf.path(object_key(manifest.files[0].digest))
    assert held.stat().st_mode & 0o777 == 0o444
    assert held.samefile(store.local(manifest) / "a")
    store.get(manifest, tmp_path / "mine")
    assert not held.samefile(tmp_path / "mine" / "a")
    assert (tmp_path / "mine" / "a").stat().st_mode & 0o200


def test_a_disk_without_hard_links_gets_symbolic_ones(tmp_path, monkeypatch):
    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    store = Store(tmp_path / "store")
    folder = store.local(store.put({"deep/er/a": b"1"}))
    assert (folder / "deep/er/a").is_symlink()
    (tmp_path / "store").rename(tmp_path / "moved")
    moved = tmp_path / "moved" / folder.relative_to(tmp_path / "store")
    assert (moved / "deep/er/a").read_bytes() == b"1"


def test_a_pack_is_a_zip_that_anybody_can_read(tmp_path, run_directory):
    store = Store(tmp_path / "store")
    manifest = store.put(run_directory)
    pack = manifest.file("forcing/cat-3.csv").pack
    with zipfile.ZipFile(store._shelf.path(object_key(pack.digest))) as archive:
        assert len(archive.namelist()) == 251
        assert archive.read("forcing/cat-3.csv") == b"time,rain\n3\n"
    assert Store(tmp_path / "another").put(run_directory) == manifest


def test_what_killed_puts_left_is_swept_after_a_while(tmp_path):
    store = Store(tmp_path / "store")
    kept = store.put(b"1", name="a")
    left = [tmp_path / "store" / name for name in ("incoming/objects-aa.partial", "incoming/scratch-x/0.zip")]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"half")
    store._shelf.put(f"pending/{'1' * 64}.json", b"half")
    (tmp_path / "store" / "trees" / ".half").mkdir(parents=True)
    with pytest.raises(StoreError):
        store.sweep([kept.location], grace_s=60)
    store.sweep([kept.location], grace_s=-60)
    assert [path.name for path in (tmp_path / "store" / "incoming").rglob("*") if path.is_file()] == []
    assert list((tmp_path / "store" / "trees").iterdir()) == []
    store.verify(kept)


@pytest.mark.parametrize("to", ["/etc/hostname", "../outside.txt", "/etc"])
def test_a_link_that_leads_out_is_refused(tmp_path, to):
    (tmp_path / "outside.txt").touch()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "link").symlink_to(to)
    with pytest.raises(DatasetError, match="leads out of the directory"):
        Store(tmp_path / "store").put(tmp_path / "run")


def test_links_inside_are_followed_but_not_in_circles(tmp_path):
    run = tmp_path / "run"
    (run / "config").mkdir(parents=True)
    (run / "config" / "a.json").write_bytes(b"{}")
    (run / "same").symlink_to("config")
    (run / "a.json").symlink_to("config/a.json")
    store = Store(tmp_path / "store")
    manifest = store.put(run)
    assert [one.path for one in manifest.files] == ["a.json", "config/a.json", "same/a.json"]
    assert len(manifest.objects) == 1
    (run / "config" / "up").symlink_to("..")
    with pytest.raises(DatasetError, match="round in circles"):
        store.put(run)


def test_what_is_no_file_or_not_there_is_refused(tmp_path):
    store = Store(tmp_path / "store")
    run = tmp_path / "run"
    run.mkdir()
    with pytest.raises(DatasetError, match="a file at least"):
        store.put(run)
    os.mkfifo(run / "pipe")
    for source in (run, run / "pipe"):
        with pytest.raises(DatasetError, match="neither a file nor a directory"):
            store.put(source)
    (run / "pipe").unlink()
    (run / "lost").symlink_to("nowhere")
    with pytest.raises(DatasetError, match="leads nowhere"):
        store.put(run)
    with pytest.raises(DatasetError, match="cannot be read"):
        store.put(tmp_path / "nothing")
    (run / "lost").unlink()
    (run / os.fsdecode(b"\xff.csv")).touch()
    with pytest.raises(DatasetError, match="not UTF-8"):
        store.put(run)


def test_a_name_that_leaves_the_root_is_refused(tmp_path):
    store = Store(tmp_path / "store")
    for name in ("../a", "/a", "a/../b", ""):
        with pytest.raises(DatasetError):
            store.put(b"1", name=name)
        with pytest.raises(DatasetError):
            store.put({name: b"1"})
    with pytest.raises(DatasetError, match="need the name"):
        store.put(b"1")


def test_a_file_called_as_our_mark_is_not_lost(tmp_path):
    store = Store(tmp_path / "store")
    manifest = store.put(b"1", name="PARTIAL")
    with pytest.raises(DatasetError, match="a name that is ours"):
        store.get(manifest, tmp_path / "mine")
    assert (store.local(manifest) / "PARTIAL").read_bytes() == b"1"
