"""A dataset laid out as a directory of this machine.

Its files are hard links to the objects where the disk can, else symbolic links; what is
packed is unpacked. All of it is read-only, because the objects are shared. A directory
gets its name when it is whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from dmod.errors import StoreError
from dmod.store.manifest import Entry, Manifest
from dmod.store.trouble import in_words

__all__ = ["discard", "lay_out", "unpacked"]

_READ_ONLY = 0o444
_READ_ONLY_FOLDER = 0o555


def lay_out(manifest: Manifest, target: Path, located: Callable[[str], Path]) -> None:
    """Make the directory of a dataset, unless it is there.

    Parameters
    ----------
    manifest : Manifest
        The dataset.
    target : Path
        The directory.
    located : callable
        Digest of an object -> the file of this machine that holds it.

    Raises
    ------
    StoreError
        If it cannot be made, or what a pack holds is damaged.
    """
    if target.is_dir():
        return
    with in_words(str(target.parent)):
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".", dir=target.parent))
        try:
            for one in manifest.files:
                path = aside / one.path
                path.parent.mkdir(parents=True, exist_ok=True)
                if one.pack is None:
                    _link(located(one.digest), path, target / one.path)
                else:
                    path.write_bytes(unpacked(one, located(one.pack.digest)))
                    path.chmod(_READ_ONLY)
            for folder, _, _ in os.walk(aside, topdown=False):
                if Path(folder) != aside:
                    Path(folder).chmod(_READ_ONLY_FOLDER)
            with contextlib.suppress(FileExistsError):
                _rename(aside, target)
            if target.is_dir():
                target.chmod(_READ_ONLY_FOLDER)
        finally:
            discard(aside)


def unpacked(entry: Entry, pack: Path) -> bytes:
    """The bytes of a packed file.

    Parameters
    ----------
    entry : Entry
        The file.
    pack : Path
        The pack, on this machine.

    Returns
    -------
    bytes
        Checked against its digest.

    Raises
    ------
    StoreError
        If they are not what was put.
    """
    with pack.open("rb") as file:
        file.seek(entry.offset)
        data = file.read(entry.size)
    if "sha256:" + hashlib.sha256(data).hexdigest() != entry.digest:
        raise StoreError(
            "the bytes of a file changed in the store",
            file=entry.path,
            object=pack,
            hint="remove the object, then put the same files again",
        )
    return data


def discard(folder: Path) -> None:
    """Remove a read-only directory with all that is in it.

    Parameters
    ----------
    folder : Path
        The directory; nothing happens if there is none.
    """
    for inner, _, _ in os.walk(folder):
        with contextlib.suppress(OSError):
            Path(inner).chmod(0o755)
    shutil.rmtree(folder, ignore_errors=True)


def _link(held: Path, path: Path, final: Path) -> None:
    """Link a file to its object; *final* is where it will be."""
    try:
        path.hardlink_to(held)
    except FileNotFoundError:
        raise
    except OSError:  # other file systems, or more links than this one allows
        path.symlink_to(os.path.relpath(held, final.parent))


def _rename(aside: Path, target: Path) -> None:
    """Give a directory its name, unless somebody else was first."""
    try:
        aside.rename(target)
    except OSError:
        if not target.is_dir():
            raise
        raise FileExistsError from None
