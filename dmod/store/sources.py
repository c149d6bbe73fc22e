"""What is to be put into a store: files, directories, bytes, and what they add up to.

Nothing is taken from outside a directory that is put: a symbolic link that leads out of
it is refused. Empty directories are not kept, nor are times and permissions.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dmod.errors import DatasetError
from dmod.store.filling import BLOCK_BYTES
from dmod.store.manifest import check_path

__all__ = ["Content", "Source", "changed", "content_of", "gather", "sources_in", "unreadable"]


@dataclass(frozen=True, slots=True)
class Source:
    """One file that is to be put."""

    #: Where it will be in the dataset.
    path: str
    #: The file, or its bytes.
    origin: Path | bytes
    #: Of the file [byte], from 0.
    size: int

    def read(self) -> bytes:
        """All its bytes."""
        if isinstance(self.origin, bytes):
            return self.origin
        try:
            return self.origin.read_bytes()
        except OSError as problem:
            raise unreadable(self.origin, problem) from None


@dataclass(frozen=True, slots=True)
class Content:
    """What a file adds up to."""

    #: Of all its bytes, ``sha256:…``.
    digest: str
    #: How many they are [byte].
    size: int
    #: MD5 of each part that is sent by itself, in hexadecimal; empty when it is sent whole.
    parts: tuple[str, ...] = ()


def gather(source: Path | bytes | Mapping[str, Path | bytes], name: str | None = None) -> list[Source]:
    """List what is to be put.

    Parameters
    ----------
    source : Path, bytes or mapping
        A file, all files of a directory, the bytes of one file, or several of these by the
        path that each will have in the dataset.
    name : str, optional
        The path of a single file in the dataset; its own name otherwise.

    Returns
    -------
    list of Source
        From one.

    Raises
    ------
    DatasetError
        If something is not there, cannot be read, is no file, or leaves its directory; if
        bytes have no name.
    """
    if isinstance(source, Mapping):
        return [one for path, part in source.items() for one in gather(part, check_path(path))]
    if isinstance(source, bytes):
        if name is None:
            raise DatasetError("bytes need the name that their file will have", hint="pass name=")
        return [Source(check_path(name), source, len(source))]
    try:
        if source.is_dir():
            above = f"{check_path(name)}/" if name else ""
            return [Source(above + one.path, one.origin, one.size) for one in sources_in(source)]
        held = source.stat()
    except OSError as problem:
        raise unreadable(source, problem) from None
    if not stat.S_ISREG(held.st_mode):
        raise DatasetError("this is neither a file nor a directory", path=source, hint="leave it out")
    return [Source(check_path(name or source.name), source, held.st_size)]


def sources_in(root: Path) -> Iterator[Source]:
    """All files of a directory and below.

    Parameters
    ----------
    root : Path
        The directory.

    Yields
    ------
    Source
        In the order of the file system.

    Raises
    ------
    DatasetError
        If a name cannot be kept, a link leads out or round in circles, or something is no file.
    OSError
        If a directory cannot be read.
    """
    real = root.resolve()
    todo: list[tuple[str, str, tuple[str, ...]]] = [(os.fspath(real), "", (os.fspath(real),))]
    while todo:
        folder, above, way = todo.pop()
        with os.scandir(folder) as listed:
            for item in listed:
                path = check_path(above + item.name)
                if item.is_symlink():
                    _check_link(item, real, way)
                if item.is_dir():
                    todo.append((item.path, path + "/", (*way, os.path.realpath(item.path))))
                elif item.is_file():
                    yield Source(path, Path(item.path), item.stat().st_size)
                else:
                    raise DatasetError(
                        "this is neither a file nor a directory", path=item.path, hint="leave it out of the directory"
                    )


def content_of(source: Source, part_bytes: int | None, told: Callable[[int], None]) -> Content:
    """What a source adds up to.

    Parameters
    ----------
    source : Source
        What to read.
    part_bytes : int or None
        Size of the parts it will be sent in [byte]; None when it is sent whole.
    told : callable
        Is told how many bytes more are read [byte].

    Returns
    -------
    Content
        Of what was there while it was read.

    Raises
    ------
    DatasetError
        If it cannot be read, or grows or shrinks meanwhile.
    """
    whole, parts, size = hashlib.sha256(), [], 0
    for block in _blocks(source, part_bytes or BLOCK_BYTES):
        whole.update(block)
        if part_bytes:
            parts.append(hashlib.md5(block, usedforsecurity=False).hexdigest())
        size += len(block)
        told(len(block))
    if size != source.size:
        raise changed(source.path)
    return Content("sha256:" + whole.hexdigest(), size, tuple(parts))


def _blocks(source: Source, size: int) -> Iterator[bytes]:
    """The bytes of a source in blocks of one size."""
    if isinstance(source.origin, bytes):
        yield from (source.origin[at : at + size] for at in range(0, source.size, size))
        return
    try:
        with source.origin.open("rb") as file:
            while block := file.read(size):
                yield block
    except OSError as problem:
        raise unreadable(source.origin, problem) from None


def _check_link(item: os.DirEntry[str], root: Path, way: tuple[str, ...]) -> None:
    """Refuse a symbolic link that leads nowhere, out of *root*, or up its own *way*."""
    try:
        target = Path(item.path).resolve(strict=True)
    except (OSError, RuntimeError):
        raise DatasetError(
            "a symbolic link leads nowhere", path=item.path, to=Path(item.path).readlink(), hint="remove it"
        ) from None
    if not target.is_relative_to(root):
        raise DatasetError(
            "a symbolic link leads out of the directory",
            path=item.path,
            to=target,
            hint="put a copy of the file in its place",
        )
    if os.fspath(target) in way:
        raise DatasetError("a symbolic link leads round in circles", path=item.path, to=target, hint="remove it")


def unreadable(path: Path, problem: OSError) -> DatasetError:
    """The error of a file that cannot be read.

    Parameters
    ----------
    path : Path
        The file.
    problem : OSError
        Why.

    Returns
    -------
    DatasetError
        To raise.
    """
    return DatasetError(
        "what is to be stored cannot be read",
        path=path,
        reason=problem.strerror or type(problem).__name__,
        hint="check that it is there and may be read",
    )


def changed(path: Path | str) -> DatasetError:
    """The error of a file that somebody else writes while we read it.

    Parameters
    ----------
    path : Path or str
        The file.

    Returns
    -------
    DatasetError
        To raise.
    """
    return DatasetError("a file changed while it was being stored", path=path, hint="wait until it is whole")
