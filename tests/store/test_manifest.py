"""A manifest is refused at birth when it could leave its root."""

from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmod.errors import DatasetError
from dmod.store.manifest import (
    Entry,
    Manifest,
    Pack,
    check_path,
    manifest_key,
    object_key,
    read_manifest,
    write_manifest,
)

ONE = "sha256:" + "1" * 64
names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\\x7f"), min_size=1, max_size=20)
names = names.filter(lambda name: not re.fullmatch(r"\.\.?|[A-Za-z]:", name))
paths = st.lists(names, min_size=1, max_size=4).map("/".join)


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("", "empty name"),
        ("/etc/passwd", "absolute"),
        ("C:/forcing", "absolute"),
        ("../a", "goes up"),
        ("a/../../b", "goes up"),
        ("a//b", "empty name"),
        ("a/", "empty name"),
        ("./a", "empty name"),
        ("a\nb", "control characters"),
        ("a\0b", "control characters"),
        ("a\\..\\b", "backslash"),
        ("\udcff", "not UTF-8"),
        ("ü" * 128, "too long"),
        ("/".join(["a" * 100] * 11), "too long"),
    ],
)
def test_a_path_that_no_store_should_hold_is_refused(path, wrong):
    with pytest.raises(DatasetError, match=wrong):
        Entry(path, 1, ONE)


@pytest.mark.parametrize("path", ["a", "forcing/cat-1.csv", "mit blank/ü+%#?.nc", "..a/b..", "a" * 255])
def test_an_ordinary_path_is_taken(path):
    assert check_path(path) == path


@pytest.mark.parametrize("digest", ["", "sha256:", "sha256:" + "g" * 64, "sha256:../../" + "1" * 58, ONE + "\n"])
def test_what_is_no_digest_names_no_object(digest):
    for use in (object_key, manifest_key, lambda one: Entry("a", 1, one), lambda one: Pack(one, 22)):
        with pytest.raises(DatasetError, match="no digest"):
            use(digest)


def test_two_files_cannot_have_one_path():
    for path in ("a/b", "a"):
        with pytest.raises(DatasetError, match="one path"):
            Manifest((Entry("a/b", 1, ONE), Entry(path, 1, ONE)))
    with pytest.raises(DatasetError, match="a file at least"):
        Manifest(())


def test_a_file_lies_within_its_pack():
    Entry("a", 5, ONE, Pack(ONE, 30), 25)
    for size, offset, pack in ((5, 26, Pack(ONE, 30)), (-1, 0, None), (1, 1, None), (1, -1, Pack(ONE, 30))):
        with pytest.raises(DatasetError, match="not where its pack"):
            Entry("a", size, ONE, pack, offset)


def test_the_digest_is_of_paths_sizes_and_digests():
    line = f"{ONE} 7 flow.csv\n"
    assert Manifest((Entry("flow.csv", 7, ONE),)).digest == "sha256:" + hashlib.sha256(line.encode()).hexdigest()


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(paths, st.tuples(st.integers(0, 10**15), st.booleans()), min_size=1, max_size=20))
def test_a_manifest_reads_back_as_written(drawn):
    pack = Pack("sha256:" + "2" * 64, 10**15 + 30)
    above = {path[:at] for path in drawn for at, letter in enumerate(path) if letter == "/"}
    files = {path: one for path, one in drawn.items() if path not in above}
    packed = {path: (pack, 30) if one[1] else (None, 0) for path, one in files.items()}
    manifest = Manifest(tuple(Entry(path, one[0], ONE, *packed[path]) for path, one in files.items()))
    assert read_manifest(write_manifest(manifest), manifest.digest) == manifest
    alone = Manifest(tuple(Entry(path, one[0], ONE) for path, one in files.items()))
    assert alone.digest == manifest.digest
