"""What every store does, whatever it lies on."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path

import pytest

from dmod.errors import DatasetError, OutputError, StoreError
from dmod.store.manifest import object_key
from dmod.store.root import Store


def contents(root: Path) -> dict[str, bytes]:
    """All files of a directory."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def objects(store: Store) -> list[str]:
    """Keys of all objects of a store."""
    return [one.key for one in store._shelf.held("objects/")]


def test_a_directory_comes_back_as_it_went_in(store, run_directory, tmp_path):
    manifest = store.put(run_directory)
    assert manifest.size == sum(map(len, contents(run_directory).values()))
    assert contents(store.local(manifest)) == contents(run_directory)
    store.get(manifest, tmp_path / "copy")
    assert contents(tmp_path / "copy") == contents(run_directory)
    assert store.manifest(manifest.location) == manifest
    store.verify(manifest)


def test_many_small_files_are_one_object_and_open_each_by_itself(store, run_directory):
    manifest = store.put(run_directory)
    assert len(objects(store)) == 2
    for verify in (False, True):
        with store.open(manifest.file("forcing/cat-17.csv"), verify=verify) as file:
            assert file.read() == b"time,rain\n17\n"
    with store.open(manifest.file("empty.txt")) as file:
        assert file.read() == b""
    with store.open(manifest.file("größe mit blank.nc")) as file:
        file.seek(-2, os.SEEK_END)
        assert file.read() == bytes([254, 255])


def test_200_small_files_are_not_packed_yet(store):
    manifest = store.put({f"{number}.txt": str(number).encode() for number in range(200)})
    assert len(manifest.objects) == 200
    assert all(one.pack is None for one in manifest.files)


def test_the_same_bytes_are_stored_once(store):
    first = store.put({"a": b"river", "b": b"river"})
    second = store.put({"c": b"river"})
    assert len(objects(store)) == 1
    assert first.digest != second.digest
    assert store.put({"b": b"river", "a": b"river"}) == first


def test_bytes_files_and_open_files_make_the_same_dataset(store, tmp_path):
    path = tmp_path / "outputs" / "flow.csv"
    path.parent.mkdir()
    path.write_bytes(b"1,2")
    with path.open("rb") as file:
        assert store.put(path) == store.put(path.parent) == store.put(b"1,2", name="flow.csv") == store.put(file)
    assert store.put(io.BytesIO(b"1,2"), name="flow.csv") == store.put({"flow.csv": path})
    assert [one.path for one in store.put({"in": path.parent}).files] == ["in/flow.csv"]


def test_progress_tells_each_byte_once(store, tmp_path, run_directory):
    told: dict[str, list[tuple[int, int]]] = {}
    manifest = store.put(
        run_directory, progress=lambda step, done, total: told.setdefault(step, []).append((done, total))
    )
    held = sum(manifest.objects.values())
    assert list(told) == ["digest", "store"]
    assert told["digest"][-1] == (manifest.size, manifest.size)
    assert told["store"][-1] == (held, held)
    store.local(manifest, progress=lambda step, done, total: told.setdefault(step, []).append((done, total)))
    store.verify(manifest, progress=lambda step, done, total: told.setdefault(step, []).append((done, total)))
    assert told["fetch"][-1] == told["verify"][-1] == (held, held)
    assert all(one == sorted(one) for one in told.values())


def test_who_watches_may_stop_it(store, run_directory):
    class Enough(Exception):
        pass

    def stop(step: str, done: int, total: int) -> None:
        if step == "store" and done:
            raise Enough

    with pytest.raises(Enough):
        store.put(run_directory, progress=stop)
    assert list(store._shelf.held("datasets/")) == []
    store.verify(store.put(run_directory))


def test_changed_bytes_are_found_and_mended(store, run_directory, tmp_path):
    manifest = store.put(run_directory)
    big = manifest.file("größe mit blank.nc")
    key = object_key(big.digest)
    if isinstance(getattr(store._shelf, "root", None), Path):
        store._shelf.path(key).chmod(0o644)
    store._shelf.put(key, b"x" * big.size)
    with pytest.raises(StoreError, match="gone or changed") as caught:
        store.verify(manifest, remove_damaged=True)
    assert caught.value.facts["files"] == "größe mit blank.nc"
    with pytest.raises(StoreError):
        store.open(big, verify=True)
    with pytest.raises(StoreError):
        store.get(manifest, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert store.put(run_directory) == manifest
    store.verify(manifest)
    store.get(manifest, tmp_path / "copy")  # goes on where it stopped
    assert contents(tmp_path / "copy") == contents(run_directory)


def test_damaged_bytes_never_reach_a_reader_that_asks_for_checked_ones(store):
    manifest = store.put(b"right", name="a")
    store._shelf.put(object_key(manifest.files[0].digest), b"wrong")
    with pytest.raises(StoreError, match="gone or changed"):
        store.open(manifest.files[0], verify=True)


def test_a_damaged_manifest_is_refused_and_mended_by_putting_again(store):
    manifest = store.put(b"1", name="a")
    key = f"datasets/{manifest.digest[7:]}.json"
    for wrong in (b"", b"{}", store._shelf.read(key).replace(b'"a"', b'"b"'), store._shelf.read(key)[:-1]):
        store._shelf.put(key, wrong)
        with pytest.raises(StoreError, match="manifest of a dataset is damaged"):
            store.manifest(manifest.location)
    assert store.put(b"1", name="a") == manifest
    assert store.manifest(manifest.digest) == manifest


def test_a_manifest_from_elsewhere_cannot_leave_the_root(store, tmp_path):
    manifest = store.put(b"1", name="a")
    key = f"datasets/{manifest.digest[7:]}.json"
    store._shelf.put(key, store._shelf.read(key).replace(b'"a"', b'"../../a"'))
    with pytest.raises(StoreError, match="damaged") as caught:
        store.manifest(manifest.location)
    assert "goes up" in caught.value.facts["reason"]


def test_a_newer_layout_says_so(store):
    manifest = store.put(b"1", name="a")
    key = f"datasets/{manifest.digest[7:]}.json"
    store._shelf.put(key, store._shelf.read(key).replace(b'"version":1', b'"version":2'))
    with pytest.raises(StoreError, match="pip install --upgrade dmod"):
        store.manifest(manifest.location)


def test_what_is_not_there_is_said_so(store):
    manifest = store.put(b"1", name="a")
    store.remove(manifest)
    with pytest.raises(StoreError, match="no such dataset"):
        store.manifest(manifest.location)
    store._shelf.remove(object_key(manifest.files[0].digest))
    for ask in (store.local, store.verify, lambda one: store.open(one.files[0])):
        with pytest.raises(StoreError):
            ask(manifest)


def test_a_laid_out_dataset_is_read_only_and_made_once(store, run_directory):
    manifest = store.put(run_directory)
    folder = store.local(manifest)
    assert store.local(manifest) == folder
    assert all(path.stat().st_mode & 0o222 == 0 for path in folder.rglob("*"))
    store.remove(manifest)
    assert not folder.exists()


def test_a_file_that_changes_meanwhile_is_refused(store, tmp_path):
    path = tmp_path / "growing.nc"
    path.write_bytes(b"a" * 100_000)

    def grow(step: str, done: int, total: int) -> None:
        path.write_bytes(b"b" * 100_000)

    with pytest.raises(DatasetError, match="changed while"):
        store.put(path, progress=grow)
    assert list(store._shelf.held("datasets/")) == []
    assert objects(store) == []


def test_a_directory_with_something_in_it_is_not_overwritten(store, tmp_path):
    manifest = store.put(b"1", name="a")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(OutputError, match="not empty"):
        store.get(manifest, tmp_path / "mine")


def test_a_store_travels_to_another_process_without_what_is_open(store):
    manifest = store.put(b"1", name="a")
    with pickle.loads(pickle.dumps(store)).open(manifest.files[0]) as file:
        assert file.read() == b"1"


def test_sweeping_removes_what_no_dataset_needs(store, run_directory):
    kept = store.put({"a": b"shared", "b": b"kept"})
    dropped = store.put({"a": b"shared", "c": b"dropped"})
    packed = store.put(run_directory)
    folder = store.local(dropped)
    swept = store.sweep([kept.location, packed.digest], grace_s=-1)
    assert (swept.datasets, swept.objects, swept.size) == (1, 1, len(b"dropped"))
    assert not folder.exists()
    store.verify(kept)
    store.verify(packed)
    with pytest.raises(StoreError, match="no such dataset"):
        store.manifest(dropped.location)


def test_sweeping_spares_what_is_new_and_what_is_on_its_way(store, run_directory):
    young = store.put(b"young", name="a")
    swept = {}

    def sweep(step: str, done: int, total: int) -> None:
        if step == "store":
            swept[done] = store.sweep([], grace_s=60)

    manifest = store.put(run_directory, progress=sweep)
    assert swept
    assert all(one.objects == 0 for one in swept.values())
    store.verify(manifest)
    store.verify(young)


def test_nothing_is_swept_when_a_manifest_that_stays_is_damaged(store):
    manifest = store.put(b"1", name="a")
    other = store.put(b"2", name="b")
    store._shelf.put(f"datasets/{manifest.digest[7:]}.json", b"{")
    with pytest.raises(StoreError, match="damaged"):
        store.sweep([manifest.location], grace_s=-1)
    store.verify(other)


def test_objects_that_vanish_while_they_are_put_are_put_again(store, monkeypatch):
    manifest = store.put(b"old", name="a")
    shelf, lost = store._shelf, []
    put = shelf.put

    def losing(key: str, data: bytes) -> None:
        put(key, data)
        if key.startswith("datasets/") and not lost:
            lost.append(key)
            shelf.remove(object_key(manifest.files[0].digest))  # as a sweep of another process might

    monkeypatch.setattr(shelf, "put", losing)
    both = store.put({"a": b"old", "b": b"new"})
    assert lost
    store.verify(both)
