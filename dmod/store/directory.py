"""A directory as a shelf.

Objects are read-only files. They are filled in ``incoming`` and renamed, so a killed
process leaves nothing half-made but there, and the next attempt continues it.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from dmod.errors import StoreError
from dmod.store.filling import Blocks, blocks_of, fill
from dmod.store.manifest import check_path
from dmod.store.shelf import Held
from dmod.store.sources import Content, changed
from dmod.store.trouble import Vanished, in_words

__all__ = ["Directory"]

_READ_ONLY = 0o444


class Directory:
    """A shelf on a disk of this machine, or one that it mounts.

    Parameters
    ----------
    root : Path
        Absolute; made when the first object is put.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.where = str(root)

    def path(self, key: str) -> Path:
        """Where an object lies.

        Parameters
        ----------
        key : str
            Its name.

        Returns
        -------
        Path
            In the directory, whether it is there or not.
        """
        return self.root / check_path(key)

    def check(self) -> None:
        """See `Shelf`."""
        if not self.root.is_dir():
            raise StoreError(
                "the store's directory is not there",
                store=self.where,
                hint="mount the disk it is on, or correct DMOD_STORE or DMOD_HOME",
            )

    def size(self, key: str) -> int | None:
        """See `Shelf`."""
        with in_words(self.where, key):
            try:
                return self.path(key).stat().st_size
            except FileNotFoundError:
                return None

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """See `Shelf`."""
        with in_words(self.where, key), self.path(key).open("rb") as file:
            file.seek(start)
            return file.read() if stop is None else file.read(stop - start)

    def put(self, key: str, data: bytes) -> None:
        """See `Shelf`."""
        with in_words(self.where, key):
            target, aside = self._places(key, uuid.uuid4().hex)
            try:
                with aside.open("xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                aside.chmod(_READ_ONLY)
                aside.replace(target)
            finally:
                aside.unlink(missing_ok=True)

    def part_bytes(self, size: int) -> int | None:
        """See `Shelf`: a file is put whole, of whatever size."""
        del size
        return None

    def put_file(self, key: str, path: Path, content: Content, told: Callable[[int], None]) -> None:
        """See `Shelf`."""
        if not self.take(key, content.digest, size=content.size, blocks=blocks_of(path), told=told):
            raise changed(path)

    def take(self, key: str, digest: str, *, size: int, blocks: Blocks, told: Callable[[int], None]) -> bool:
        """Put an object from blocks of bytes; what an earlier attempt left is continued.

        Parameters
        ----------
        key : str
            Its name.
        digest : str
            What the bytes must add up to, ``sha256:…``.
        size : int
            How many they are [byte].
        blocks : callable
            The bytes from a position on.
        told : callable
            Is told how many bytes more are done [byte].

        Returns
        -------
        bool
            False if the bytes add up to something else; then nothing is put.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        with in_words(self.where, key):
            target, aside = self._places(key, "partial")
            if not fill(target, aside, digest, size=size, blocks=blocks, told=told):
                return False
            target.chmod(_READ_ONLY)
        return True

    def held(self, prefix: str) -> Iterator[Held]:
        """See `Shelf`; *prefix* is a directory and a slash."""
        with in_words(self.where, prefix):
            for folder, _, names in os.walk(self.root / prefix):
                for name in names:
                    path = Path(folder, name)
                    try:
                        found = path.stat()
                    except FileNotFoundError:
                        continue
                    yield Held(path.relative_to(self.root).as_posix(), found.st_size, found.st_mtime)

    def remove(self, key: str) -> None:
        """See `Shelf`."""
        with in_words(self.where, key):
            self.path(key).unlink(missing_ok=True)

    def clear(self, before_s: float) -> None:
        """See `Shelf`."""
        for left in self.held("incoming/"):
            if left.put_s < before_s:
                self.remove(left.key)

    def require(self, key: str, size: int) -> Path:
        """Where an object lies that must be there.

        Parameters
        ----------
        key : str
            Its name.
        size : int
            What it must have [byte].

        Returns
        -------
        Path
            In the directory.

        Raises
        ------
        Vanished
            If it is not there, or of another size.
        """
        path = self.path(key)
        if self.size(key) != size:
            raise Vanished("the store lacks an object", store=self.where, object=key, hint="put the same files again")
        return path

    def _places(self, key: str, suffix: str) -> tuple[Path, Path]:
        """Where an object will lie and where it is filled; both directories are made."""
        target = self.path(key)
        aside = self.root / "incoming" / f"{key.replace('/', '-')}.{suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        aside.parent.mkdir(exist_ok=True)
        return target, aside
