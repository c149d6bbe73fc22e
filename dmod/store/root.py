"""The store: where the bytes of datasets live.

A dataset is a manifest, and each different file of it an object named by its digest, so
the same bytes are kept once. Objects are put first and the manifest last: a dataset is
there when its manifest is. A store is a directory, a bucket of an S3 server, or memory.
Names, categories and coverages are the catalog's, not the store's.

::

    objects/ab/cdef…       the bytes of a file, or of a pack of many small ones
    datasets/abcdef….json  the manifest of a dataset
    pending/abcdef….json   the same, while its objects are on their way
    incoming/…             files that are half there (only in a directory)
    trees/abcdef…/         a dataset laid out as a directory (only on this machine)
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from dmod.errors import DatasetError, OutputError
from dmod.store.address import parse_address
from dmod.store.bucket import Bucket, Memory
from dmod.store.directory import Directory
from dmod.store.each import each
from dmod.store.fetch import copy_file, damaged, fetch_object, is_right
from dmod.store.filling import BLOCK_BYTES
from dmod.store.manifest import Entry, Manifest, manifest_key, object_key, read_manifest
from dmod.store.publish import planned, publish
from dmod.store.reporting import Progress, Report
from dmod.store.shelf import Shelf, opened
from dmod.store.sources import content_of, gather
from dmod.store.staging import open_staging
from dmod.store.sweep import Swept, sweep
from dmod.store.tree import discard, lay_out
from dmod.store.trouble import Vanished, in_words

__all__ = ["Store"]

_GRACE_S = 86_400
_NEAR_THREADS = 4
_FAR_THREADS = 16


def _untold(size: int) -> None:
    """Nobody wants to know."""


class Store:
    """A store of datasets.

    It may be pickled; threads and processes may share what is behind it.

    Parameters
    ----------
    url : str or path
        A directory, ``file:///directory``, ``s3://bucket/prefix`` or ``memory://name``.
        The keys of an S3 server come from the environment, never from here.
    cache : Path, optional
        Directory of this machine for what is fetched; of no use to a store that is a
        directory itself. ``~/.cache/dmod`` otherwise.
    **options : object
        For ``s3fs.S3FileSystem``; shown and kept nowhere.

    Raises
    ------
    StoreError
        If the URL makes no sense. Whether the store answers is seen when it is used.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     store = Store(folder)
    ...     manifest = store.put(b"time,flow", name="flow.csv")
    ...     (store.local(manifest) / "flow.csv").read_text()
    'time,flow'
    """

    def __init__(self, url: str | os.PathLike[str], *, cache: Path | None = None, **options: Any) -> None:
        address = parse_address(url)
        #: How it is shown; without keys.
        self.url = str(address)
        self._again = (url, cache, options)
        self._shelf: Shelf
        if address.protocol == "file":
            self._shelf = self._near = Directory(Path(address.path))
            return
        own = hashlib.sha256(self.url.encode()).hexdigest()[:16]
        self._near = Directory((cache or Path("~/.cache/dmod").expanduser()).absolute() / own)
        self._shelf = Memory(address) if address.protocol == "memory" else Bucket(address, **options)

    def __repr__(self) -> str:
        return f"Store({self.url!r})"

    def __reduce__(self) -> tuple[object, ...]:
        """What is open stays here; the other process opens its own."""
        url, cache, options = self._again
        return partial(Store, url, cache=cache, **options), ()

    def check(self) -> None:
        """Raise a `StoreError` unless the store answers."""
        self._shelf.check()

    def put(
        self,
        source: Path | bytes | BinaryIO | Mapping[str, Path | bytes],
        *,
        name: str | None = None,
        progress: Progress | None = None,
    ) -> Manifest:
        """Put files; those that are there already are not sent again.

        What a killed attempt left is continued when the same is put again: in a directory
        the file that was half there, on an S3 server the parts that it lacks. Files below
        64 KiB are packed when there are more than 200.

        Parameters
        ----------
        source : Path, bytes, file or mapping
            A file, all files of a directory, the bytes of one file, an open file, or paths
            in the dataset with a file, directory or bytes for each.
        name : str, optional
            Path of a single file in the dataset; its own name otherwise.
        progress : callable, optional
            Is told step, bytes done and bytes to do; the steps are ``digest`` and ``store``.

        Returns
        -------
        Manifest
            What is there now.

        Raises
        ------
        DatasetError
            If something cannot be read, changes meanwhile, or a path leaves its root.
        StoreError
            If the store cannot keep it.
        """
        with self._scratch() as scratch:
            if not isinstance(source, Path | bytes | Mapping):
                with in_words(str(scratch)), (scratch / "spooled").open("wb") as file:
                    shutil.copyfileobj(source, file, BLOCK_BYTES)
                source, name = scratch / "spooled", name or Path(str(getattr(source, "name", "data"))).name
            sources = gather(source, name)
            report = Report(progress, "digest", sum(one.size for one in sources))
            contents = each(
                lambda one: content_of(one, self._shelf.part_bytes(one.size), report), sources, self._threads
            )
            plan = planned(self._shelf, sources, contents, scratch, threads=self._threads)
            publish(self._shelf, plan, threads=self._threads, progress=progress)
            return plan.manifest

    def manifest(self, location: str) -> Manifest:
        """The manifest of a dataset.

        Parameters
        ----------
        location : str
            Its `Manifest.location` or digest.

        Returns
        -------
        Manifest
            Its files.

        Raises
        ------
        StoreError
            If there is none, or it is damaged.
        """
        try:
            data = self._shelf.read(manifest_key(location))
        except Vanished:
            self.check()
            raise Vanished(
                "the store has no such dataset",
                store=self.url,
                dataset=location.removeprefix("store:"),
                hint="put it again, or remove it from the catalog",
            ) from None
        return read_manifest(data, location.removeprefix("store:"))

    def open(self, entry: Entry, *, verify: bool = False) -> BinaryIO:
        """Open a file of a dataset.

        Parameters
        ----------
        entry : Entry
            Which.
        verify : bool
            Whether all its bytes are checked first; they are then fetched to this machine.

        Returns
        -------
        file
            To read, as bytes.

        Raises
        ------
        StoreError
            If it is not there, or not what was put.
        """
        held = entry.pack or entry
        key = object_key(held.digest)
        if verify:
            if self._shelf is self._near and not is_right(self._near, held.digest, held.size, _untold):
                raise damaged(self.url, entry.path)
            fetch_object(self._shelf, self._near, held.digest, size=held.size, told=_untold)
        shelf: Shelf = self._near if verify else self._shelf
        if shelf.size(key) != held.size:
            raise Vanished("the store lacks an object", store=self.url, object=key, hint="put the same files again")
        return opened(shelf, key, entry.offset, entry.size)

    def local(self, manifest: Manifest, *, progress: Progress | None = None) -> Path:
        """A read-only directory of this machine that holds the files of a dataset.

        Parameters
        ----------
        manifest : Manifest
            The dataset.
        progress : callable, optional
            Is told step, bytes done and bytes to do; the step is ``fetch``.

        Returns
        -------
        Path
            The same each time. Files are linked to the objects of a store that is a
            directory; those of others are fetched once, and checked.

        Raises
        ------
        StoreError
            If something is not there, not what was put, or there is no room.
        """
        target = self._tree(manifest)
        if not target.is_dir():
            objects = manifest.objects
            report = Report(progress, "fetch", sum(objects.values()))
            fetch = partial(fetch_object, self._shelf, self._near, told=report)
            paths = each(lambda one: fetch(one, size=objects[one]), objects, self._threads)
            lay_out(manifest, target, dict(zip(objects, paths, strict=True)).__getitem__)
        return target

    def get(self, manifest: Manifest, target: Path, *, progress: Progress | None = None) -> None:
        """Copy the files of a dataset out of the store, into a directory of the user's.

        Parameters
        ----------
        manifest : Manifest
            The dataset.
        target : Path
            The directory; must be empty or not there. It appears when all of it is whole;
            what a killed attempt left beside it is continued.
        progress : callable, optional
            Is told step, bytes done and bytes to do; the step is ``fetch``.

        Raises
        ------
        OutputError
            If the directory holds something.
        StoreError
            If something is not there, not what was put, or there is no room.
        """
        if any(one.path == "PARTIAL" for one in manifest.files):
            raise DatasetError("a file of the dataset has a name that is ours", path="PARTIAL", hint="open it instead")
        staging = open_staging(target, overwrite=False, ours=(), job=f"get {manifest.digest}")
        report = Report(progress, "fetch", manifest.size)
        try:
            copy = partial(copy_file, self._shelf, self._near, told=report)
            each(lambda one: copy(one, target=staging.path / one.path), manifest.files, self._threads)
            staging.publish()
        except OSError as problem:
            raise OutputError(
                "the directory cannot be written",
                directory=target,
                reason=problem.strerror or type(problem).__name__,
                hint="make room, or choose another; what is there is continued when the same is asked again",
            ) from None
        finally:
            staging.release()

    def verify(self, manifest: Manifest, *, remove_damaged: bool = False, progress: Progress | None = None) -> None:
        """Read all bytes of a dataset and check that they are what was put.

        Parameters
        ----------
        manifest : Manifest
            The dataset.
        remove_damaged : bool
            Whether objects that changed are removed, so that putting the same files mends it.
        progress : callable, optional
            Is told step, bytes done and bytes to do; the step is ``verify``.

        Raises
        ------
        StoreError
            If something is not there or changed; names the files.
        """
        self.check()
        objects = manifest.objects
        report = Report(progress, "verify", sum(objects.values()))
        right = each(lambda one: is_right(self._shelf, one, objects[one], report), objects, self._threads)
        wrong = {one for one, is_right in zip(objects, right, strict=True) if not is_right}
        if not wrong:
            return
        if remove_damaged:
            each(lambda one: self._shelf.remove(object_key(one)), wrong, self._threads)
        files = [one.path for one in manifest.files if (one.pack or one).digest in wrong]
        raise damaged(self.url, ", ".join(files[:5]) + (f" and {len(files) - 5} more" if files[5:] else ""))

    def remove(self, manifest: Manifest) -> None:
        """Remove a dataset; its bytes go with the next `sweep` if no other needs them.

        Parameters
        ----------
        manifest : Manifest
            The dataset.

        Raises
        ------
        StoreError
            If the store does not answer or may not be written.
        """
        self._shelf.remove(manifest_key(manifest.digest))
        discard(self._tree(manifest))

    def sweep(self, keep: Iterable[str], *, grace_s: float = _GRACE_S) -> Swept:
        """Remove all datasets but some, and all bytes that no dataset needs.

        Parameters
        ----------
        keep : iterable of str
            `Manifest.location` or digest of each dataset that stays.
        grace_s : float
            What was put or begun less than this ago stays [s], from 0.

        Returns
        -------
        Swept
            What is gone.

        Raises
        ------
        StoreError
            If the manifest of a dataset that stays is damaged; then nothing is removed.
        """
        return sweep(self._shelf, self._near, keep, before_s=time.time() - grace_s, threads=self._threads)

    @property
    def _threads(self) -> int:
        """How much is done side by side: waiting for a server costs nothing."""
        return _NEAR_THREADS if self._shelf is self._near else _FAR_THREADS

    def _tree(self, manifest: Manifest) -> Path:
        """Where a dataset is laid out."""
        return self._near.root / "trees" / manifest.digest.removeprefix("sha256:")

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        """A directory of this machine for what is made on the way."""
        incoming = self._near.root / "incoming"
        with in_words(str(self._near.root)):
            incoming.mkdir(parents=True, exist_ok=True)
            folder = tempfile.TemporaryDirectory(dir=incoming, prefix="scratch-")
        with folder:
            yield Path(folder.name)
