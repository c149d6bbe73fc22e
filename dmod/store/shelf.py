"""Shelves: where the objects of a store lie.

A shelf knows keys and bytes and nothing of datasets. An object appears whole or not at
all, and what goes wrong is a `StoreError`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from dmod.store.filling import BLOCK_BYTES, Blocks

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from dmod.store.sources import Content

__all__ = ["Held", "Shelf", "blocks_on", "opened"]

_AHEAD = 4
_READ_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Held:
    """An object on a shelf."""

    #: Its name, with ``/``.
    key: str
    #: Of its bytes [byte].
    size: int
    #: When it was put, since 1970 UTC [s].
    put_s: float


class Shelf(Protocol):
    """Where objects lie."""

    #: How it is shown.
    where: str

    def check(self) -> None:
        """Raise a `StoreError` unless the shelf is there."""

    def size(self, key: str) -> int | None:
        """Of an object [byte]; None if there is none."""

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """The bytes of an object in [start, stop)."""

    def put(self, key: str, data: bytes) -> None:
        """Put an object, in place of one of that name."""

    def part_bytes(self, size: int) -> int | None:
        """In what parts a file of *size* is put [byte]; None if whole."""

    def put_file(self, key: str, path: Path, content: Content, told: Callable[[int], None]) -> None:
        """Put a file; what an earlier attempt left is continued."""

    def held(self, prefix: str) -> Iterator[Held]:
        """All objects whose keys begin with *prefix*."""

    def remove(self, key: str) -> None:
        """Remove an object, if there is one."""

    def clear(self, before_s: float) -> None:
        """Remove what attempts left that began before that time, since 1970 UTC [s]."""


def blocks_on(shelf: Shelf, key: str, size: int) -> Blocks:
    """The bytes of an object, some blocks ahead of who reads them.

    Parameters
    ----------
    shelf : Shelf
        Where it lies.
    key : str
        Its name.
    size : int
        Of all of it [byte].

    Returns
    -------
    callable
        Position [byte] -> blocks of bytes from there to the end.
    """

    def blocks(start: int) -> Iterator[bytes]:
        with ThreadPoolExecutor(_AHEAD) as pool:
            starts = iter(range(start, size, BLOCK_BYTES))
            under_way = [pool.submit(shelf.read, key, at, min(at + BLOCK_BYTES, size)) for at in _first(starts)]
            try:
                while under_way:
                    yield under_way.pop(0).result()
                    for at in starts:
                        under_way.append(pool.submit(shelf.read, key, at, min(at + BLOCK_BYTES, size)))
                        break
            finally:
                for one in under_way:
                    one.cancel()

    return blocks


def _first(starts: Iterator[int]) -> Iterator[int]:
    """The first few of some positions."""
    for _, at in zip(range(_AHEAD), starts, strict=False):
        yield at


def opened(shelf: Shelf, key: str, start: int, size: int) -> BinaryIO:
    """A stretch of an object as a file.

    Parameters
    ----------
    shelf : Shelf
        Where it lies.
    key : str
        Its name.
    start : int
        Where the stretch begins [byte].
    size : int
        How long it is [byte].

    Returns
    -------
    file
        Readable and seekable; fetched as it is read.
    """
    return io.BufferedReader(_Stretch(shelf, key, start, size), _READ_BYTES)


class _Stretch(io.RawIOBase):
    """What `opened` reads through a buffer."""

    def __init__(self, shelf: Shelf, key: str, start: int, size: int) -> None:
        super().__init__()
        self._shelf, self._key, self._start, self._size = shelf, key, start, size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if origin + offset < 0:
            raise ValueError("a file has no bytes before its first")
        self._at = origin + offset
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        stop = min(self._at + len(view), self._size)
        if stop <= self._at:
            return 0
        data = self._shelf.read(self._key, self._start + self._at, self._start + stop)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
