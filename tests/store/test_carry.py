"""Folders are brought from a bucket and taken there, twice without harm."""

from __future__ import annotations

import os
import shutil
import uuid

import pytest

from dmod.errors import InputError, StoreError
from dmod.store.address import parse_address
from dmod.store.bucket import Memory
from dmod.store.carry import bring, check_delivery, deliver

LARGE = 20 * 2**20


@pytest.fixture
def folder(tmp_path):
    """What a run has left."""
    made = tmp_path / "made"
    (made / "catchments").mkdir(parents=True)
    (made / "run.nc").write_bytes(os.urandom(LARGE))
    (made / "catchments" / "cat-1 ü.csv").write_text("time,flow\n")
    (made / "provenance.json").write_text("{}\n")
    return made


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_taken_there_is_brought_back_the_same(bucket, folder, tmp_path):
    url, back = f"s3://{bucket}/a place/run 1", tmp_path / "back"
    check_delivery(url, last="provenance.json", overwrite=False)
    deliver(folder, url, last="provenance.json")
    told = []
    assert bring(url, back, lambda step, done, total: told.append((step, done, total))) == 3
    assert contents(back) == contents(folder)
    assert told[-1] == ("fetch", told[-1][2], told[-1][2])


def test_what_is_here_already_is_not_fetched_again(bucket, s3_server, folder, tmp_path):
    url, back, told = f"s3://{bucket}/run", tmp_path / "back", []
    deliver(folder, url, last="provenance.json")
    bring(url, back)
    bring(url, back, lambda *seen: told.append(seen))
    assert told == []
    (back / "run.nc").unlink()
    bring(url, back, lambda *seen: told.append(seen))
    assert told[-1] == ("fetch", LARGE, LARGE)


def test_outputs_of_earlier_runs_stay_where_they_are(bucket, folder, tmp_path):
    (folder / "outputs").mkdir()
    (folder / "outputs" / "old.csv").write_text("1\n")
    deliver(folder, f"s3://{bucket}/run", last="provenance.json")
    bring(f"s3://{bucket}/run", tmp_path / "back")
    assert not (tmp_path / "back" / "outputs").exists()


def test_a_fetch_that_is_stopped_leaves_no_file_under_its_name(bucket, folder, tmp_path):
    class Enough(Exception):
        pass

    def stop(_step, done, total):
        if done > total // 2:
            raise Enough

    deliver(folder, f"s3://{bucket}/run", last="provenance.json")
    with pytest.raises(Enough):
        bring(f"s3://{bucket}/run", tmp_path / "back", stop)
    assert not (tmp_path / "back" / "run.nc").exists()
    bring(f"s3://{bucket}/run", tmp_path / "back")
    assert (tmp_path / "back" / "run.nc").read_bytes() == (folder / "run.nc").read_bytes()
    assert list((tmp_path / "back").glob(".*")) == []


def test_outputs_are_whole_where_their_provenance_is(bucket, s3_server, folder):
    url = f"s3://{bucket}/run"
    deliver(folder, url, last="provenance.json")
    shutil.rmtree(folder / "catchments")
    (folder / "more.csv").write_text("1\n")
    seen = []

    def look(*_):
        seen.append(s3_server.system().exists(f"{bucket}/run/provenance.json"))

    deliver(folder, url, last="provenance.json", progress=look)
    assert seen[:-1] == [False] * (len(seen) - 1)
    assert sorted(path.removeprefix(f"{bucket}/run/") for path in s3_server.system().find(f"{bucket}/run")) == [
        "more.csv", "provenance.json", "run.nc",
    ]  # fmt: skip


def test_what_others_have_there_is_not_overwritten(bucket, s3_server, folder):
    url = f"s3://{bucket}/run"
    s3_server.system().pipe_file(f"{bucket}/run/thesis.tex", b"x")
    with pytest.raises(InputError, match="something at that address already") as caught:
        check_delivery(url, last="provenance.json", overwrite=False)
    assert "--overwrite" in caught.value.hint
    with pytest.raises(InputError, match="nothing that a run has left"):
        check_delivery(url, last="provenance.json", overwrite=True)


@pytest.mark.parametrize("do", [lambda url, at: bring(url, at), lambda url, at: deliver(at, url, last="x")])
def test_a_bucket_that_is_not_there_and_keys_that_are_wrong_are_told(bucket, folder, monkeypatch, do):
    with pytest.raises(StoreError, match="bucket is not there"):
        do(f"s3://{bucket}-not/run", folder)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StoreError, match="refuses the keys") as caught:
        do(f"s3://{bucket}/run", folder)
    assert "wrong" not in str(caught.value)


def test_an_address_with_nothing_at_it_is_told(bucket, tmp_path):
    with pytest.raises(InputError, match="nothing at that address"):
        bring(f"s3://{bucket}/run", tmp_path / "back")
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize("key", ["../b.csv", "a//b.csv", "/etc/b.csv"])
def test_a_name_that_could_leave_the_folder_is_refused(tmp_path, key):
    name = uuid.uuid4().hex
    Memory(parse_address(f"memory://{name}")).put(key, b"x")
    with pytest.raises(InputError, match="cannot be copied here"):
        bring(f"memory://{name}", tmp_path / "back")
    assert not (tmp_path / "back").exists()
