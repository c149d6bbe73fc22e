"""Folders that lie in a bucket: brought here before a run, and taken there after it.

Both may be done twice: what is here already in the same version is not fetched again, and
an upload that broke off goes on. Keys come from the environment, as for a store.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from dmod.errors import DatasetError, InputError, StoreError
from dmod.store.address import parse_address
from dmod.store.bucket import Bucket, Memory
from dmod.store.each import each
from dmod.store.manifest import check_path
from dmod.store.reporting import Progress, Report
from dmod.store.shelf import Held, Shelf, blocks_on
from dmod.store.sources import Source, content_of, sources_in

__all__ = ["bring", "check_delivery", "deliver"]

_THREADS = 4
#: What a run directory has that no run needs.
_LEFT = ("outputs/", "lost+found/")


def bring(url: str, folder: Path, progress: Progress | None = None) -> int:
    """Copy a run directory from a bucket; its ``outputs/`` are left there.

    Parameters
    ----------
    url : str
        Its address, ``s3://bucket/run``.
    folder : Path
        Where it comes to be on this machine; made if it is not there.
    progress : Progress, optional
        Is told step, bytes done and bytes to do; may raise to stop.

    Returns
    -------
    int
        How many files there are.

    Raises
    ------
    InputError
        If nothing is there, or a name cannot be one of a file here.
    StoreError
        If the store does not answer, refuses the keys, or there is no room.
    """
    shelf = _shelf(url)
    shelf.check()
    held = [one for one in shelf.held("") if not one.key.endswith("/") and not one.key.startswith(_LEFT)]
    if not held:
        raise InputError(
            "there is nothing at that address", url=url, hint="give that of a run directory, s3://bucket/run"
        )
    try:
        for one in held:
            check_path(one.key)
    except DatasetError as problem:
        raise InputError(
            f"{url} cannot be copied here",
            reason=problem.headline,
            file=one.key,
            hint="give it a name that can be a file",
        ) from problem
    missing = [one for one in held if not _is_here(folder / one.key, one)]
    needed = sum(one.size for one in missing)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if needed > (free := shutil.disk_usage(folder).free):
            raise StoreError(
                "there is no room for the run directory", needed=f"{needed:,} bytes", has=f"{free:,} bytes free",
                directory=folder, hint="free some, or set DMOD_HOME to a larger disk",
            )  # fmt: skip
        each(partial(_fetch, shelf, folder, told=Report(progress, "fetch", needed)), missing, _THREADS)
    except OSError as problem:
        raise StoreError(
            "the run directory cannot be written here", directory=folder, reason=problem.strerror,
            hint="see that the disk is writable and has room; it goes on where it stopped",
        ) from problem  # fmt: skip
    return len(held)


def check_delivery(url: str, *, last: str, overwrite: bool) -> None:
    """See that outputs can be taken to an address, before anything is computed.

    Parameters
    ----------
    url : str
        Where they shall go.
    last : str
        The file that says that outputs are whole.
    overwrite : bool
        Whether earlier outputs there may be replaced.

    Raises
    ------
    InputError
        If something is there already and may not be replaced, or is nothing that a run has left.
    StoreError
        If the bucket is not there, or the store does not answer or refuses the keys.
    """
    shelf = _shelf(url)
    shelf.check()
    there = [one.key for one in shelf.held("")]
    if there and not overwrite:
        raise InputError(
            "there is something at that address already", url=url, has=", ".join(there[:3]),
            hint="name another place, or say --overwrite",
        )  # fmt: skip
    if there and last not in there:
        raise InputError(
            "what is at that address is nothing that a run has left", url=url, has=", ".join(there[:3]),
            hint="name another place; this is not overwritten",
        )  # fmt: skip


def deliver(folder: Path, url: str, *, last: str, progress: Progress | None = None) -> None:
    """Take outputs to a bucket, in place of earlier ones.

    Parameters
    ----------
    folder : Path
        What is taken: all files below.
    url : str
        Where it goes.
    last : str
        The file that is put last, so that where it is, the others are whole.
    progress : Progress, optional
        Is told step, bytes done and bytes to do; may raise to stop.

    Raises
    ------
    DatasetError
        If a file here cannot be read, or changes meanwhile.
    StoreError
        If the store does not answer, refuses the keys, or has no room.
    """
    shelf = _shelf(url)
    shelf.check()
    files = sorted(sources_in(folder), key=lambda one: (one.path == last, one.path))
    before = {one.key for one in shelf.held("")}
    report = Report(progress, "store", sum(one.size for one in files))
    if last in before:
        shelf.remove(last)
    for one in files:
        _send(shelf, folder, one, report)
    for key in before - {one.path for one in files}:
        shelf.remove(key)


def _shelf(url: str) -> Shelf:
    """What the address names."""
    address = parse_address(url)
    if address.protocol == "file":
        raise InputError("that is a directory of this machine", url=url, hint="give it as a path")
    return Memory(address) if address.protocol == "memory" else Bucket(address)


def _is_here(path: Path, held: Held) -> bool:
    """Whether a file is here as it lies there: of its size and time."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    return found.st_size == held.size and abs(found.st_mtime - held.put_s) < 1e-3


def _fetch(shelf: Shelf, folder: Path, held: Held, *, told: Callable[[int], None]) -> None:
    """Copy one file, whole or not at all."""
    target = folder / held.key
    target.parent.mkdir(parents=True, exist_ok=True)
    partial_file = target.with_name(f".{target.name[:200]}.partial")
    with partial_file.open("wb") as file:
        for block in blocks_on(shelf, held.key, held.size)(0):
            file.write(block)
            told(len(block))
    if partial_file.stat().st_size != held.size:
        partial_file.unlink()
        raise StoreError("a file changed while it was fetched", store=shelf.where, file=held.key, hint="try again")
    os.utime(partial_file, (held.put_s, held.put_s))
    partial_file.replace(target)


def _send(shelf: Shelf, folder: Path, source: Source, told: Callable[[int], None]) -> None:
    """Put one file."""
    content = content_of(source, shelf.part_bytes(source.size), lambda _: None)
    shelf.put_file(source.path, folder / source.path, content, told)
