"""A store on a real S3 server, and all that can go wrong with one."""

from __future__ import annotations

import io
import logging
import os
import random
import signal
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from dmod.errors import DatasetError, StoreError
from dmod.store.bucket import Bucket
from dmod.store.manifest import object_key
from dmod.store.root import Store
from dmod.store.sources import changed

MIB = 2**20
#: Puts a file and stops for ever when two of its parts are sent.
SENDER = """
import sys, time
from pathlib import Path
from dmod.store.root import Store

def stop(step, done, total):
    if step == "store" and done >= 2 * 8 * 2**20:
        print("two parts are sent", flush=True)
        time.sleep(600)

Store(sys.argv[1], cache=Path(sys.argv[2])).put(Path(sys.argv[3]), progress=stop)
"""


@pytest.fixture
def large(tmp_path) -> Path:
    """A file of 24 MiB and a little: four parts."""
    path = tmp_path / "large.nc"
    path.write_bytes(random.Random(1).randbytes(24 * MIB + 7))
    return path


@pytest.fixture
def calls(monkeypatch) -> list[str]:
    """The calls of the S3 protocol that are made, by name."""
    made: list[str] = []
    call = Bucket._call

    def noted(self, method, key=None, **arguments):
        made.append(method)
        return call(self, method, key, **arguments)

    monkeypatch.setattr(Bucket, "_call", noted)
    return made


def far(bucket: str, tmp_path: Path, **options: object) -> Store:
    """A store in a bucket."""
    return Store(f"s3://{bucket}/runs", cache=tmp_path / "cache", **options)


def test_a_large_file_goes_in_parts_and_comes_back(bucket, tmp_path, large, calls):
    store = far(bucket, tmp_path)
    manifest = store.put(large)
    assert calls.count("upload_part") == 4
    assert calls.count("complete_multipart_upload") == 1
    store.verify(manifest)
    store.get(manifest, tmp_path / "copy")
    assert (tmp_path / "copy" / "large.nc").read_bytes() == large.read_bytes()
    with store.open(manifest.files[0]) as file:
        file.seek(20 * MIB)
        assert file.read(5) == large.read_bytes()[20 * MIB : 20 * MIB + 5]
    calls.clear()
    assert store.put(large) == manifest
    assert "upload_part" not in calls


def test_a_killed_upload_goes_on_where_it_was(bucket, tmp_path, calls):
    large = tmp_path / "larger.nc"  # six parts, of which four are sent side by side
    large.write_bytes(random.Random(1).randbytes(41 * MIB))
    url = f"s3://{bucket}/runs"
    command = [sys.executable, "-c", SENDER, url, str(tmp_path / "cache"), str(large)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(os.environ)) as sender:
        assert sender.stdout.readline() == b"two parts are sent\n"
        os.kill(sender.pid, signal.SIGKILL)
    assert sender.returncode == -signal.SIGKILL
    store = far(bucket, tmp_path)
    assert list(store._shelf.held("datasets/")) == []
    assert list(store._shelf.held("objects/")) == []
    first: list[int] = []
    manifest = store.put(large, progress=lambda step, done, total: first.append(done) if step == "store" else None)
    assert 1 <= calls.count("upload_part") <= 4
    assert "create_multipart_upload" not in calls
    assert first[-1] == large.stat().st_size
    store.verify(manifest)
    assert list(store._shelf.held("pending/")) == []


def test_an_upload_with_a_part_that_is_not_ours_is_left_alone(bucket, tmp_path, large, calls):
    store = far(bucket, tmp_path)
    key = object_key(store.put(large).files[0].digest)
    store._shelf.remove(key)
    upload = store._shelf._call("create_multipart_upload", key)["UploadId"]
    store._shelf._call("upload_part", key, UploadId=upload, PartNumber=2, Body=b"x" * 8 * MIB)
    calls.clear()
    store.verify(store.put(large))
    assert calls.count("upload_part") == 4
    assert [one["UploadId"] for one in store._shelf._uploads("")] == [upload]


def test_an_upload_that_the_server_gave_up_is_begun_anew(bucket, tmp_path, large, monkeypatch):
    store = far(bucket, tmp_path)
    call, given_up = Bucket._call, []

    def once(self, method, key=None, **arguments):
        if method == "upload_part" and arguments["PartNumber"] == 3 and not given_up:
            given_up.append(key)
            call(self, "abort_multipart_upload", key, UploadId=arguments["UploadId"])
        return call(self, method, key, **arguments)

    monkeypatch.setattr(Bucket, "_call", once)
    told: list[int] = []
    manifest = store.put(large, progress=lambda step, done, total: told.append(done) if step == "store" else None)
    assert given_up
    assert told == sorted(told)
    assert told[-1] == manifest.size
    store.verify(manifest)


def test_a_sweep_gives_up_uploads_that_nobody_goes_on_with(bucket, tmp_path):
    store = far(bucket, tmp_path)
    store._shelf._call("create_multipart_upload", "objects/aa/left")
    store.sweep([], grace_s=60)
    assert [one["key"] for one in store._shelf._uploads("")] == ["objects/aa/left"]
    store.sweep([], grace_s=-60)
    assert list(store._shelf._uploads("")) == []


def test_a_file_that_changes_between_its_parts_is_refused(bucket, tmp_path, large):
    store = far(bucket, tmp_path)

    def change(step: str, done: int, total: int) -> None:
        if step == "store":
            with large.open("r+b") as file:
                file.seek(20 * MIB)
                file.write(b"changed")

    with pytest.raises(DatasetError, match=changed(large).headline):
        store.put(large, progress=change)
    assert list(store._shelf.held("datasets/")) == []


def test_a_killed_download_goes_on_where_it_was(bucket, tmp_path, large, monkeypatch):
    store = far(bucket, tmp_path)
    manifest = store.put(large)
    read, starts = Bucket.read, []

    def failing(self, key, start=0, stop=None):
        if start >= 16 * MIB and key.startswith("objects/"):
            raise StoreError("the store does not answer")
        return read(self, key, start, stop)

    def noted(self, key, start=0, stop=None):
        starts.append(start)
        return read(self, key, start, stop)

    monkeypatch.setattr(Bucket, "read", failing)
    for fetch in (store.local, lambda one: store.get(one, tmp_path / "copy")):
        with pytest.raises(StoreError, match="does not answer"):
            fetch(manifest)
    assert not (tmp_path / "copy").exists()
    monkeypatch.setattr(Bucket, "read", noted)
    store.get(manifest, tmp_path / "copy")
    assert min(starts) == 16 * MIB
    assert (tmp_path / "copy" / "large.nc").read_bytes() == large.read_bytes()
    starts.clear()
    assert (store.local(manifest) / "large.nc").read_bytes() == large.read_bytes()
    assert min(starts) == 16 * MIB


def test_what_was_fetched_is_not_fetched_again(bucket, tmp_path, monkeypatch):
    store = far(bucket, tmp_path)
    manifest = store.put(b"flow", name="flow.csv")
    folder = store.local(manifest)
    monkeypatch.setattr(Bucket, "read", None)
    assert far(bucket, tmp_path).local(manifest) == folder
    store.get(manifest, tmp_path / "copy")
    assert (tmp_path / "copy" / "flow.csv").read_bytes() == b"flow"


def test_wrong_keys_are_refused_with_what_to_do_and_never_shown(bucket, tmp_path, monkeypatch, caplog):
    manifest = far(bucket, tmp_path).put(b"1", name="a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-that-is-wrong")
    wrong = far(bucket, tmp_path)
    asks = (
        lambda: wrong.put(b"2", name="b"),
        lambda: wrong.manifest(manifest.location),
        lambda: wrong.local(manifest),
        lambda: wrong.open(manifest.files[0]),
        lambda: wrong.verify(manifest),
        lambda: wrong.remove(manifest),
        lambda: wrong.sweep([]),
        wrong.check,
    )
    with caplog.at_level(logging.DEBUG, logger="dmod"):
        for ask in asks:
            with pytest.raises(StoreError, match="refuses the keys") as caught:
                ask()
            said = io.StringIO()
            traceback.print_exception(caught.value, file=said)
            assert "AWS_SECRET_ACCESS_KEY" in caught.value.hint
            assert "a-secret-that-is-wrong" not in said.getvalue() + repr(wrong) + caplog.text
            assert os.environ["AWS_ACCESS_KEY_ID"] not in said.getvalue()
    held = (path for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert not any(b"a-secret" in path.read_bytes() for path in held)


def test_no_keys_at_all_are_said_so(bucket, tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    with pytest.raises(StoreError, match="no keys for the store"):
        far(bucket, tmp_path).put(b"1", name="a")


def test_a_vanished_bucket_is_said_so_and_heals_when_it_is_back(bucket, tmp_path, s3_server):
    store = far(bucket, tmp_path)
    manifest = store.put(b"1", name="a")
    s3_server.remove(bucket)
    asks = (
        lambda: store.put(b"2", name="b"),
        lambda: store.manifest(manifest.location),
        lambda: store.verify(manifest),
        lambda: store.sweep([manifest.location]),
        store.check,
    )
    for ask in asks:
        with pytest.raises(StoreError, match="the bucket is not there") as caught:
            ask()
        assert "DMOD_STORE" in caught.value.hint
    with pytest.raises(StoreError):
        store.local(manifest)
    s3_server.system().call_s3("create_bucket", Bucket=bucket)
    assert store.put(b"1", name="a") == manifest
    assert (store.local(manifest) / "a").read_bytes() == b"1"


def test_a_server_that_is_not_there_is_said_so(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("DMOD_S3_ENDPOINT", "http://user:password@127.0.0.1:9")
    with pytest.raises(StoreError, match="does not answer") as caught:
        far(bucket, tmp_path).put(b"1", name="a")
    assert "password" not in str(caught.value)
    assert "continued" in caught.value.hint


def test_an_endpoint_that_makes_no_sense_is_said_so(bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("DMOD_S3_ENDPOINT", "nowhere at all")
    with pytest.raises(StoreError, match="endpoint") as caught:
        far(bucket, tmp_path).check()
    assert "DMOD_S3_ENDPOINT" in caught.value.hint


def test_options_and_fsspec_configuration_are_heard(bucket, tmp_path, s3_server, monkeypatch):
    from fsspec.config import conf

    monkeypatch.delenv("DMOD_S3_ENDPOINT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    monkeypatch.setitem(conf, "s3", {"endpoint_url": s3_server.endpoint, "config_kwargs": {"read_timeout": 7}})
    store = far(bucket, tmp_path, key=s3_server.key, secret=s3_server.secret)
    manifest = store.put(b"1", name="a")
    assert store._shelf._system.config_kwargs["read_timeout"] == 7
    assert store._shelf._system.config_kwargs["connect_timeout"] == 5
    assert s3_server.secret not in repr(store) + str(vars(manifest) if hasattr(manifest, "__dict__") else manifest)


def test_a_listing_of_more_than_a_page_is_read_to_its_end(bucket, tmp_path, monkeypatch):
    store = far(bucket, tmp_path)
    store.put({f"{number}": b"%d" % number for number in range(12)})
    call = Bucket._call

    def few(self, method, key=None, **arguments):
        return call(self, method, key, **({"MaxKeys": 5} if method == "list_objects_v2" else {}), **arguments)

    monkeypatch.setattr(Bucket, "_call", few)
    assert len(list(store._shelf.held("objects/"))) == 12


@pytest.mark.parametrize("gib", [0.01, 1, 75, 5000])
def test_a_file_of_any_size_has_parts_that_s3_takes(gib):
    size = int(gib * 2**30)
    part = Bucket.part_bytes(None, size)
    if part is None:
        assert size <= 16 * MIB
    else:
        assert 5 * MIB <= part <= 5 * 2**30
        assert -(-size // part) <= 10_000
