"""What a dataset in the store is made of: a list of files with their digests.

The digest of a manifest is that of the paths, sizes and digests of its files, however
they are kept: alone, or many small ones together in a pack. A manifest is refused at
birth when a path leaves its root, so nobody downstream checks again. Pure: reading and
writing is the store's.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from dmod.errors import DatasetError, StoreError

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["Entry", "Manifest", "Pack", "check_path", "manifest_key", "object_key", "read_manifest", "write_manifest"]

_VERSION = 1
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
_NAME_BYTES = 255
_PATH_BYTES = 1024


def check_path(path: str) -> str:
    """Refuse a path that could leave the root of its dataset, or that not every store can hold.

    Parameters
    ----------
    path : str
        Relative, with ``/`` between names.

    Returns
    -------
    str
        The same.

    Raises
    ------
    DatasetError
        If it is empty, absolute, goes up, or has names that are empty, too long or not printable.
    """
    names = path.split("/")
    try:
        lengths = [len(name.encode()) for name in names]
    except UnicodeEncodeError:
        lengths = []
    if not lengths:
        wrong = "is not UTF-8"
    elif path.startswith("/") or re.match(r"[A-Za-z]:/", path):
        wrong = "is absolute"
    elif ".." in names:
        wrong = "goes up"
    elif "" in names or "." in names:
        wrong = "has an empty name in it"
    elif _CONTROL.search(path):
        wrong = "has control characters or a backslash in it"
    elif max(lengths) > _NAME_BYTES or sum(lengths) + len(names) > _PATH_BYTES:
        wrong = "is too long"
    else:
        return path
    raise DatasetError(
        f"the path of a file {wrong}",
        path=ascii(path),
        needed="a relative path inside the dataset, such as forcing/cat-1.csv",
        hint="rename the file",
    )


@dataclass(frozen=True, slots=True)
class Pack:
    """An uncompressed zip of many small files, kept as one object."""

    #: Of its bytes, ``sha256:…``.
    digest: str
    #: Of the zip [byte], from 22.
    size: int

    def __post_init__(self) -> None:
        _check_digest(self.digest)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a dataset."""

    #: Where it is in the dataset, relative, with ``/``.
    path: str
    #: Of the file [byte], from 0.
    size: int
    #: Of its bytes, ``sha256:…``.
    digest: str
    #: The pack that holds it; None when it is an object of its own.
    pack: Pack | None = None
    #: Where its bytes begin in the pack [byte]; 0 without one.
    offset: int = 0

    def __post_init__(self) -> None:
        check_path(self.path)
        _check_digest(self.digest)
        end = self.offset + self.size
        if min(self.size, self.offset) < 0 or (end > self.pack.size if self.pack else self.offset):
            raise DatasetError("a file is not where its pack can hold it", path=self.path, offset=self.offset)


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of a dataset, in the order of their paths."""

    #: From one; no path is twice there, or the directory of another.
    files: tuple[Entry, ...]
    #: Of paths, sizes and digests, ``sha256:…``.
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "files", tuple(sorted(self.files, key=lambda one: one.path)))
        if not self.files:
            raise DatasetError("a dataset needs a file at least", hint="a directory without files cannot be stored")
        count = Counter(one.path for one in self.files)
        if wrong := [path for path in count if count[path] > 1] or sorted(_folders(count) & count.keys()):
            raise DatasetError("two files of a dataset have one path", path=wrong[0], hint="rename one of them")
        state = hashlib.sha256()
        for one in self.files:
            state.update(f"{one.digest} {one.size} {one.path}\n".encode())
        object.__setattr__(self, "digest", "sha256:" + state.hexdigest())

    @property
    def size(self) -> int:
        """Of all files together [byte]."""
        return sum(one.size for one in self.files)

    @property
    def location(self) -> str:
        """How a catalog finds it again in its store."""
        return "store:" + self.digest

    @property
    def objects(self) -> dict[str, int]:
        """Digests of all objects that hold its bytes, with their sizes [byte]."""
        return {held.digest: held.size for held in (one.pack or one for one in self.files)}

    def file(self, path: str) -> Entry:
        """One of its files.

        Parameters
        ----------
        path : str
            Where it is in the dataset.

        Returns
        -------
        Entry
            The file.

        Raises
        ------
        DatasetError
            If there is none of that path.
        """
        for one in self.files:
            if one.path == path:
                return one
        some = ", ".join(one.path for one in self.files[:5])
        raise DatasetError("the dataset has no such file", path=path, has=some + (", …" if self.files[5:] else ""))


def object_key(digest: str) -> str:
    """Where an object lies in a store.

    Parameters
    ----------
    digest : str
        ``sha256:…``.

    Returns
    -------
    str
        Such as ``objects/ab/cdef…``.
    """
    _check_digest(digest)
    return f"objects/{digest[7:9]}/{digest[9:]}"


def manifest_key(location: str, folder: str = "datasets") -> str:
    """Where a manifest lies in a store.

    Parameters
    ----------
    location : str
        Its digest, or its location.
    folder : str
        ``datasets``, or ``pending`` while its objects are on their way.

    Returns
    -------
    str
        Such as ``datasets/abcdef….json``.
    """
    digest = location.removeprefix("store:")
    _check_digest(digest)
    return f"{folder}/{digest[7:]}.json"


def write_manifest(manifest: Manifest) -> bytes:
    """A manifest as JSON.

    Parameters
    ----------
    manifest : Manifest
        What to write.

    Returns
    -------
    bytes
        One row for each file: path, size, digest, number of its pack or -1, offset.
    """
    packs = list(dict.fromkeys(one.pack for one in manifest.files if one.pack))
    number: dict[Pack | None, int] = {pack: at for at, pack in enumerate(packs)}
    rows = [[one.path, one.size, one.digest, number.get(one.pack, -1), one.offset] for one in manifest.files]
    written = {
        "version": _VERSION,
        "digest": manifest.digest,
        "packs": [[pack.digest, pack.size] for pack in packs],
        "files": rows,
    }
    return json.dumps(written, ensure_ascii=False, separators=(",", ":")).encode()


def read_manifest(data: bytes, digest: str) -> Manifest:
    """A manifest from JSON.

    Parameters
    ----------
    data : bytes
        As `write_manifest` wrote it.
    digest : str
        What it must add up to.

    Returns
    -------
    Manifest
        Checked like a new one.

    Raises
    ------
    StoreError
        If it is damaged, was changed, or a newer dmod wrote it.
    """
    from pydantic import ValidationError

    try:
        written = _layout().validate_json(data)
        if written.version != _VERSION:
            raise StoreError(
                "a newer dmod wrote this dataset",
                needed=f"layout {_VERSION}",
                has=f"layout {written.version}",
                hint="upgrade dmod: pip install --upgrade dmod",
            )
        packs = [Pack(*pack) for pack in written.packs]
        found = Manifest(
            tuple(
                Entry(path, size, content, packs[pack] if pack >= 0 else None, offset)
                for path, size, content, pack, offset in written.files
            )
        )
    except (ValidationError, DatasetError, IndexError) as problem:
        raise _damaged(digest, problem.headline if isinstance(problem, DatasetError) else "unreadable") from None
    if found.digest != digest:
        raise _damaged(digest, f"it adds up to {found.digest}")
    return found


@dataclass(frozen=True, slots=True)
class _Layout:
    """The JSON of a manifest."""

    version: int
    digest: str
    packs: list[tuple[str, int]]
    files: list[tuple[str, int, str, int, int]]


@cache
def _layout() -> TypeAdapter[_Layout]:
    """What reads that JSON; made once, because making it takes milliseconds."""
    from pydantic import TypeAdapter

    return TypeAdapter(_Layout)


def _damaged(digest: str, reason: str) -> StoreError:
    """The error of a manifest that is not what was put."""
    return StoreError(
        "the manifest of a dataset is damaged",
        dataset=digest,
        reason=reason,
        hint="put the same files again, which mends it, or remove the dataset",
    )


def _folders(paths: Iterable[str]) -> set[str]:
    """All directories that some paths lie in."""
    found: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def _check_digest(digest: str) -> None:
    """Refuse what is no digest of every byte: a name made of it could be any path."""
    if not _DIGEST.fullmatch(digest):
        raise DatasetError("this is no digest", digest=ascii(digest), needed="sha256: and 64 hexadecimal digits")
