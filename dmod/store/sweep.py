"""Removing what no dataset needs.

Objects are listed before who needs them, and what puts have announced is looked at once
more before anything goes: a put that is under way loses nothing. What a killed put left
is kept for a while, so that it can go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dmod.store.directory import Directory
from dmod.store.each import each
from dmod.store.manifest import manifest_key, object_key, read_manifest
from dmod.store.shelf import Held, Shelf
from dmod.store.tree import discard
from dmod.store.trouble import Vanished, in_words

__all__ = ["Swept", "sweep"]


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep removed."""

    #: Datasets [1], from 0.
    datasets: int
    #: Objects [1], from 0.
    objects: int
    #: Their bytes [byte], from 0.
    size: int


def sweep(shelf: Shelf, near: Directory, keep: Iterable[str], *, before_s: float, threads: int) -> Swept:
    """Remove what no dataset needs.

    Parameters
    ----------
    shelf : Shelf
        Where the store lies.
    near : Directory
        What this machine has of it; may be the same.
    keep : iterable of str
        Locations or digests of the datasets that stay.
    before_s : float
        What was put or begun later stays in any case, since 1970 UTC [s].
    threads : int
        How many objects are removed at a time, from 1.

    Returns
    -------
    Swept
        What is gone.

    Raises
    ------
    StoreError
        If the manifest of a dataset that stays is damaged; then nothing is removed.
    """
    shelf.check()
    kept = {manifest_key(one) for one in keep}
    objects = list(shelf.held("objects/"))
    manifests = list(shelf.held("datasets/"))
    dropped = [one for one in manifests if one.key not in kept and one.put_s < before_s]
    gone = {one.key for one in dropped}
    needed = _needed(shelf, [one for one in manifests if one.key not in gone])
    stale = [one for one in shelf.held("pending/") if one.put_s < before_s]
    for one in (*dropped, *stale):
        shelf.remove(one.key)
    seen = {one.key for one in manifests}
    needed |= _needed(
        shelf, [*(one for one in shelf.held("datasets/") if one.key not in seen), *shelf.held("pending/")]
    )
    unneeded = [one for one in objects if one.key not in needed]
    each(lambda one: shelf.remove(one.key), unneeded, threads)
    shelf.clear(before_s)
    _sweep_near(shelf, near, needed, {Path(key).stem for key in kept}, before_s)
    return Swept(len(dropped), len(unneeded), sum(one.size for one in unneeded))


def _needed(shelf: Shelf, manifests: Iterable[Held]) -> set[str]:
    """Keys of the objects that some manifests name."""
    found: set[str] = set()
    for one in manifests:
        try:
            written = shelf.read(one.key)
        except Vanished:
            continue  # removed, or finished, since it was listed
        found.update(object_key(digest) for digest in read_manifest(written, f"sha256:{Path(one.key).stem}").objects)
    return found


def _sweep_near(shelf: Shelf, near: Directory, needed: set[str], kept: set[str], before_s: float) -> None:
    """Remove what this machine has of datasets that are gone."""
    if near is not shelf:
        for one in near.held("objects/"):
            if one.key not in needed and one.put_s < before_s:
                near.remove(one.key)
        near.clear(before_s)
    trees = near.root / "trees"
    with in_words(str(trees)):
        for tree in trees.iterdir() if trees.is_dir() else ():
            if tree.name not in kept and tree.stat().st_mtime < before_s:
                discard(tree)
