"""Digests say exactly which files a run was made from."""

from __future__ import annotations

import hashlib

import pytest

from dmod.store import digest as module
from dmod.store.digest import digest, digest_many


def test_a_file_has_the_digest_every_other_tool_gives_it(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    assert digest(path) == "sha256:" + hashlib.sha256(b"abc").hexdigest()
    path.write_bytes(b"")
    assert digest(path) == "sha256:" + hashlib.sha256().hexdigest()


def test_of_a_large_file_size_ends_and_blocks_count_and_the_digest_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_WHOLE_BYTES", 1000)
    monkeypatch.setattr(module, "_BLOCK_BYTES", 10)
    path = tmp_path / "a"
    path.write_bytes(bytes(2000))
    first = digest(path)
    assert first.startswith("sha256-sampled:")
    for place in (0, 1999):
        content = bytearray(2000)
        content[place] = 1
        path.write_bytes(content)
        assert digest(path) != first
    path.write_bytes(bytes(2001))
    assert digest(path) != first


def test_many_files_count_by_name_and_content_in_any_order(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    two.write_text("2")
    first = digest_many([one, two])
    assert digest_many([two, one]) == first
    assert digest_many([one]) != first
    two.write_text("3")
    assert digest_many([one, two]) != first


def test_a_file_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        digest(tmp_path / "none")
