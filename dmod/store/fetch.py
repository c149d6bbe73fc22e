"""Bytes from the store to this machine, checked on the way.

*shelf* is where the store lies, *near* what this machine has of it: the same for a store
that is a directory, a cache for others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from dmod.errors import StoreError
from dmod.store.directory import Directory
from dmod.store.filling import Blocks, blocks_of, fill
from dmod.store.manifest import Entry, object_key
from dmod.store.shelf import Shelf, blocks_on
from dmod.store.tree import unpacked
from dmod.store.trouble import Vanished

__all__ = ["copy_file", "damaged", "fetch_object", "is_right"]


def fetch_object(shelf: Shelf, near: Directory, digest: str, *, size: int, told: Callable[[int], None]) -> Path:
    """The file of this machine that holds an object, fetched and checked unless it is here.

    Parameters
    ----------
    shelf : Shelf
        Where the store lies.
    near : Directory
        What this machine has of it.
    digest : str
        Of the object.
    size : int
        Of the object [byte].
    told : callable
        Is told how many bytes more are here [byte].

    Returns
    -------
    Path
        Read-only.

    Raises
    ------
    StoreError
        If it is not there, not what was put, or there is no room.
    """
    key = object_key(digest)
    if shelf is near:
        told(size)
    elif not near.take(key, digest, size=size, blocks=blocks_on(shelf, key, size), told=told):
        raise damaged(shelf.where, key)
    return near.require(key, size)


def copy_file(shelf: Shelf, near: Directory, entry: Entry, *, target: Path, told: Callable[[int], None]) -> None:
    """Copy a file out of the store, unless an earlier attempt did.

    Parameters
    ----------
    shelf : Shelf
        Where the store lies.
    near : Directory
        What this machine has of it; a pack is fetched into it.
    entry : Entry
        The file.
    target : Path
        Where it goes; has its name when it is whole.
    told : callable
        Is told how many bytes more are there [byte].

    Raises
    ------
    StoreError
        If it is not there, or not what was put.
    OSError
        If it cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{hashlib.sha256(target.name.encode()).hexdigest()[:16]}.part")
    blocks = _blocks(shelf, near, entry)
    if not fill(target, aside, entry.digest, size=entry.size, blocks=blocks, told=told):
        raise damaged(shelf.where, entry.path)


def is_right(shelf: Shelf, digest: str, size: int, told: Callable[[int], None]) -> bool:
    """Whether an object is there, and what was put.

    Parameters
    ----------
    shelf : Shelf
        Where the store lies.
    digest : str
        Of the object.
    size : int
        Of the object [byte].
    told : callable
        Is told how many bytes more are read [byte].

    Returns
    -------
    bool
        Of all its bytes.
    """
    key, state = object_key(digest), hashlib.sha256()
    if shelf.size(key) != size:
        return False
    try:
        for block in blocks_on(shelf, key, size)(0):
            state.update(block)
            told(len(block))
    except Vanished:
        return False
    return "sha256:" + state.hexdigest() == digest


def damaged(where: str, files: str) -> StoreError:
    """The error of bytes that are not what was put.

    Parameters
    ----------
    where : str
        The store, as it is shown.
    files : str
        What of it.

    Returns
    -------
    StoreError
        To raise.
    """
    return StoreError(
        "the bytes of a dataset are gone or changed in the store",
        store=where,
        files=files,
        hint="verify it with remove_damaged=True, then put the same files again; or remove the dataset",
    )


def _blocks(shelf: Shelf, near: Directory, entry: Entry) -> Blocks:
    """The bytes of a file: out of its pack, from this machine, or from afar."""
    if entry.pack:
        pack = fetch_object(shelf, near, entry.pack.digest, size=entry.pack.size, told=lambda _: None)
        data = unpacked(entry, pack)
        return lambda start: [data[start:]]
    key = object_key(entry.digest)
    if near.size(key) == entry.size:
        return blocks_of(near.path(key))
    return blocks_on(shelf, key, entry.size)
