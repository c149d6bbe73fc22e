"""URLs of stores."""

from __future__ import annotations

from pathlib import Path

import pytest

from dmod.errors import StoreError
from dmod.store.address import parse_address


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        ("/data/store", "file:///data/store"),
        (Path("/data/mit blank"), "file:///data/mit blank"),
        ("file:///data/store/", "file:///data/store"),
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/a b/ü/", "s3://bucket/a b/ü"),
        ("memory://x", "memory://x"),
    ],
)
def test_a_url_means_one_place(url, meant):
    assert str(parse_address(url)) == meant


def test_a_relative_directory_is_made_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert parse_address("store").path == str(tmp_path / "store")


def test_bucket_and_prefix_are_told_apart():
    assert (parse_address("s3://bucket/a/b").bucket, parse_address("s3://bucket/a/b").prefix) == ("bucket", "a/b/")
    assert parse_address("s3://bucket").prefix == ""


@pytest.mark.parametrize(
    "url",
    ["ftp://host/x", "s3://", "s3:///x", "s3://b/../c", "s3://b//c", "s3://b/c?versionId=1", "file://host/x", "x://"],
)
def test_a_url_that_makes_no_sense_is_refused(url):
    with pytest.raises(StoreError):
        parse_address(url)


def test_keys_in_a_url_are_refused_and_not_repeated():
    with pytest.raises(StoreError, match="must not stand in the URL") as caught:
        parse_address("s3://key:very-secret@bucket/x")
    assert "very-secret" not in str(caught.value)
    with pytest.raises(StoreError) as caught:
        parse_address("https://key:very-secret@host/x")
    assert "very-secret" not in str(caught.value)
