"""Packs: many small files in one uncompressed zip.

A store of a hundred thousand small files is slow wherever it is, so files of less than
64 KiB are packed when a dataset has more than 200 of them. As nothing is compressed, each
file is a stretch of its pack and is read by itself. The same files make the same pack.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from dmod.store.manifest import Entry, Pack
from dmod.store.sources import Source, changed

__all__ = ["MANY", "SMALL_BYTES", "groups", "write_pack"]

#: Files smaller than this are small [byte].
SMALL_BYTES = 64 * 2**10
#: More small files than this are packed [1].
MANY = 200
#: No pack grows far beyond this, so that several are sent side by side [byte].
_PACK_BYTES = 256 * 2**20
_EPOCH = (1980, 1, 1, 0, 0, 0)


def groups(sources: Sequence[Source]) -> list[list[Source]]:
    """Which files go together into packs.

    Parameters
    ----------
    sources : sequence of Source
        All files of a dataset.

    Returns
    -------
    list of list of Source
        One list for each pack, in the order of paths; none when there are few small files.
    """
    small = sorted((one for one in sources if one.size < SMALL_BYTES), key=lambda one: one.path)
    if len(small) <= MANY:
        return []
    found: list[list[Source]] = [[]]
    held = 0
    for one in small:
        if held >= _PACK_BYTES:
            found.append([])
            held = 0
        found[-1].append(one)
        held += one.size
    return found


def write_pack(target: Path, sources: Sequence[Source], digests: dict[str, str]) -> Iterator[Entry]:
    """Write a pack.

    Parameters
    ----------
    target : Path
        The zip file to make.
    sources : sequence of Source
        What it will hold.
    digests : dict
        Path -> digest that was found when the files were read before.

    Returns
    -------
    iterator of Entry
        The files, as they are held by the pack.

    Raises
    ------
    DatasetError
        If a file is no longer what it was.
    OSError
        If the pack cannot be written.
    """
    offsets: list[tuple[Source, int]] = []
    with target.open("wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for one in sources:
            data = one.read()
            if "sha256:" + hashlib.sha256(data).hexdigest() != digests[one.path]:
                raise changed(one.path)
            archive.writestr(zipfile.ZipInfo(one.path, _EPOCH), data)
            offsets.append((one, file.tell() - len(data)))
    with target.open("rb") as written:
        pack = Pack("sha256:" + hashlib.file_digest(written, "sha256").hexdigest(), target.stat().st_size)
    return (Entry(one.path, one.size, digests[one.path], pack, offset) for one, offset in offsets)
