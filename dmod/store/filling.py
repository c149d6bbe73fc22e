"""One file, filled aside, checked, and only then given its name.

What a killed process left aside is continued, not made again. Two processes that fill the
same file take turns; the second finds it done.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["BLOCK_BYTES", "Blocks", "blocks_of", "fill"]

#: How much is read, sent or fetched at a time [byte].
BLOCK_BYTES = 8 * 2**20
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)

#: The bytes from a position [byte] on, in pieces.
Blocks = Callable[[int], Iterable[bytes]]


def blocks_of(path: Path) -> Blocks:
    """The bytes of a local file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    callable
        Position [byte] -> blocks of bytes from there to the end.
    """

    def blocks(start: int) -> Iterator[bytes]:
        with path.open("rb") as file:
            file.seek(start)
            while block := file.read(BLOCK_BYTES):
                yield block

    return blocks


def fill(target: Path, aside: Path, digest: str, *, size: int, blocks: Blocks, told: Callable[[int], None]) -> bool:
    """Make *target* from *blocks*, unless it is there.

    Parameters
    ----------
    target : Path
        The name of the whole file; its directory exists.
    aside : Path
        The name while it is filled, on the same file system.
    digest : str
        What its bytes must add up to, ``sha256:…``.
    size : int
        How many they are [byte].
    blocks : callable
        The bytes from a position on.
    told : callable
        Is told how many bytes more are done [byte].

    Returns
    -------
    bool
        Whether *target* is there; False when the bytes add up to something else.

    Raises
    ------
    OSError
        If it cannot be written; when the disk is full, nothing is left aside.
    """
    with _taken(aside) as (file, name):
        if target.is_file() and target.stat().st_size == size:
            name.unlink(missing_ok=True)
            told(size)
            return True
        try:
            done = _filled(file, digest, size=size, blocks=blocks, told=told)
        except OSError as problem:
            if problem.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                name.unlink(missing_ok=True)
            raise
        if not done:
            name.unlink(missing_ok=True)
            return False
        file.flush()
        os.fsync(file.fileno())
        name.replace(target)
    return True


def _filled(file: BinaryIO, digest: str, *, size: int, blocks: Blocks, told: Callable[[int], None]) -> bool:
    """Fill a file, from where an earlier attempt left it if what it left is right."""
    reported = 0
    for start in dict.fromkeys((min(file.seek(0, os.SEEK_END), size), 0)):
        file.seek(0)
        state = hashlib.sha256()
        while file.tell() < start:
            state.update(file.read(min(BLOCK_BYTES, start - file.tell())))
        file.truncate(start)
        for block in blocks(start):
            file.write(block)
            state.update(block)
            done = file.tell()
            if done > size:
                break
            if done > reported:
                told(done - reported)
                reported = done
        if file.tell() == size and "sha256:" + state.hexdigest() == digest:
            told(size - reported)
            return True
    return False


@contextmanager
def _taken(aside: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """The file aside and its name, ours alone while it is open."""
    while True:
        with os.fdopen(os.open(aside, os.O_RDWR | os.O_CREAT, 0o666), "r+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError as problem:
                if problem.errno not in _NO_LOCKS:
                    raise
                break
            try:
                same = os.path.samestat(os.fstat(file.fileno()), aside.stat())
            except FileNotFoundError:
                same = False  # whoever had it before us finished
            if same:
                yield file, aside
                return
    # Some file systems of clusters have no locks: a name of our own, which nobody can continue.
    own = aside.with_name(f"{aside.name}.{uuid.uuid4().hex}")
    with own.open("x+b") as file:
        try:
            yield file, own
        finally:
            own.unlink(missing_ok=True)
