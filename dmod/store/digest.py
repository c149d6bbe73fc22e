"""Digests of files, so that a run can say exactly what it was made from.

Files up to 256 MiB are digested whole; of larger ones the size and 64 blocks of 1 MiB
spread over the file. A digest that is not of every byte says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

__all__ = ["digest", "digest_many"]

_WHOLE_BYTES = 256 * 2**20
_BLOCK_BYTES = 2**20
_BLOCKS = 64
_MANY = 1000


def digest(path: Path) -> str:
    """The digest of one file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    str
        ``sha256:…``, or ``sha256-sampled:…`` for a large file.
    """
    size = path.stat().st_size
    if size <= _WHOLE_BYTES:
        with path.open("rb") as file:
            return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
    state = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for block in range(_BLOCKS):
            file.seek(block * (size - _BLOCK_BYTES) // (_BLOCKS - 1))
            state.update(file.read(_BLOCK_BYTES))
    return "sha256-sampled:" + state.hexdigest()


def digest_many(paths: Iterable[Path]) -> str:
    """One digest of many files: of their names and digests, in the order of their names.

    Of more than a thousand files names and sizes only, and the digest says so.
    """
    state = hashlib.sha256()
    files = sorted(set(paths))
    many = len(files) > _MANY
    for path in files:
        state.update(f"{path.name}={path.stat().st_size if many else digest(path)}\n".encode())
    return ("sha256-of-names-and-sizes:" if many else "sha256:") + state.hexdigest()
