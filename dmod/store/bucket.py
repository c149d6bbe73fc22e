"""A bucket of an S3 server as a shelf, and memory as one, both through fsspec.

Keys and endpoint come from the environment (``AWS_*``, ``DMOD_S3_ENDPOINT``) or from the
configuration of fsspec; they are never shown or kept. A PUT is whole or nothing. A large
file is sent in parts: the upload that a killed process began is found again by its key,
which is the digest, and only the parts that it lacks are sent. Whoever fetches
checks the digest, so the checksums of the protocol, which not every server has, are off.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from dmod.errors import StoreError
from dmod.store.address import Address
from dmod.store.shelf import Held
from dmod.store.sources import Content, changed, unreadable
from dmod.store.trouble import code_of, in_words

__all__ = ["Bucket", "Memory"]

_PART_BYTES = 8 * 2**20
_PARTS = 9_000
_SIDE_BY_SIDE = 4
_PIP = "pip install s3fs"
#: File systems that are open, as opening one takes 0.2 s; none outlives a fork or a change of keys.
_systems: dict[tuple[object, ...], Any] = {}


class Memory:
    """A shelf in this process, for tests.

    Parameters
    ----------
    address : Address
        ``memory://name``.
    """

    def __init__(self, address: Address) -> None:
        from fsspec.implementations.memory import MemoryFileSystem

        self.where = str(address)
        self._root = "/" + address.path + "/"
        self._system = MemoryFileSystem()

    def check(self) -> None:
        """See `Shelf`: memory is always there."""

    def size(self, key: str) -> int | None:
        """See `Shelf`."""
        try:
            return int(self._system.size(self._root + key))
        except FileNotFoundError:
            return None

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """See `Shelf`."""
        with in_words(self.where, key):
            return bytes(self._system.cat_file(self._root + key, start=start, end=stop))

    def put(self, key: str, data: bytes) -> None:
        """See `Shelf`."""
        self._system.pipe_file(self._root + key, data)

    def part_bytes(self, size: int) -> int | None:
        """See `Shelf`."""
        del size
        return None

    def put_file(self, key: str, path: Path, content: Content, told: Callable[[int], None]) -> None:
        """See `Shelf`."""
        self.put(key, _whole(path, content))
        told(content.size)

    def held(self, prefix: str) -> Iterator[Held]:
        """See `Shelf`."""
        for path, found in self._system.find(self._root + prefix, detail=True).items():
            made = found["created"]
            yield Held(path.removeprefix(self._root), found["size"], getattr(made, "timestamp", lambda at=made: at)())

    def remove(self, key: str) -> None:
        """See `Shelf`."""
        if self.size(key) is not None:
            self._system.rm_file(self._root + key)

    def clear(self, before_s: float) -> None:
        """See `Shelf`: nothing is left half-made."""


class Bucket:
    """A shelf on an S3 server.

    Parameters
    ----------
    address : Address
        ``s3://bucket/prefix``. The bucket is never made here.
    **options : object
        For ``s3fs.S3FileSystem``, over what the environment says.

    Raises
    ------
    StoreError
        If s3fs is not installed.
    """

    def __init__(self, address: Address, **options: Any) -> None:
        try:
            from botocore.exceptions import BotoCoreError
        except ImportError:
            raise StoreError("a store on S3 needs s3fs", store=address, hint=_PIP) from None
        self.where = str(address)
        self._bucket, self._prefix = address.bucket, address.prefix
        self._options = options
        self._faults = (OSError, TimeoutError, ValueError, BotoCoreError)

    def check(self) -> None:
        """See `Shelf`."""
        with self._in_words():
            try:
                self._call("head_bucket")
            except FileNotFoundError:
                raise StoreError(
                    "the bucket is not there",
                    store=self.where,
                    hint="create it, or correct DMOD_STORE; nothing was made half",
                ) from None

    def size(self, key: str) -> int | None:
        """See `Shelf`."""
        with self._in_words(key):
            try:
                return int(self._call("head_object", key)["ContentLength"])
            except FileNotFoundError:
                return None

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """See `Shelf`."""
        if stop is not None and stop <= start:
            return b""
        with self._in_words(key):
            return bytes(self._system.cat_file(f"{self._bucket}/{self._prefix}{key}", start=start or None, end=stop))

    def put(self, key: str, data: bytes) -> None:
        """See `Shelf`."""
        with self._in_words(key):
            self._call("put_object", key, Body=data, ContentMD5=_md5(data))

    def part_bytes(self, size: int) -> int | None:
        """See `Shelf`: parts depend on the size alone, so that any process can go on."""
        if size <= 2 * _PART_BYTES:
            return None
        return max(_PART_BYTES, -(-size // _PARTS // 2**20 + 1) * 2**20)

    def put_file(self, key: str, path: Path, content: Content, told: Callable[[int], None]) -> None:
        """See `Shelf`."""
        if not content.parts:
            self.put(key, _whole(path, content))
            told(content.size)
            return
        sent = _Sent(told)
        with self._in_words(key):
            for attempt in (1, 2, 3):
                try:
                    self._send(key, path, content, sent)
                    break
                except FileNotFoundError as problem:
                    # Somebody else finished the upload we took part in, or the server gave it up.
                    if code_of(problem) != "NoSuchUpload" or attempt == 3:
                        raise
                    if self.size(key) == content.size:
                        break
        if self.size(key) != content.size:
            raise StoreError("the store did not keep what it was sent", store=self.where, hint="ask again")
        sent.to(content.size)

    def held(self, prefix: str) -> Iterator[Held]:
        """See `Shelf`."""
        for page in self._pages("list_objects_v2", ("ContinuationToken", "NextContinuationToken"), prefix):
            for one in page.get("Contents", ()):
                key = str(one["Key"]).removeprefix(self._prefix)
                yield Held(key, int(one["Size"]), one["LastModified"].timestamp())

    def remove(self, key: str) -> None:
        """See `Shelf`."""
        with self._in_words(key):
            try:
                self._call("delete_object", key)
            except FileNotFoundError as problem:
                if code_of(problem) == "NoSuchBucket":
                    raise

    def clear(self, before_s: float) -> None:
        """See `Shelf`."""
        for upload in self._uploads(""):
            if upload["Initiated"].timestamp() < before_s:
                with self._in_words():
                    try:
                        self._call("abort_multipart_upload", upload["key"], UploadId=upload["UploadId"])
                    except FileNotFoundError:
                        continue  # it was finished meanwhile

    def _send(self, key: str, path: Path, content: Content, sent: _Sent) -> None:
        """Send the parts that the server lacks, then have it put them together."""
        part_bytes = self.part_bytes(content.size) or content.size
        upload, tags = self._begun(key, content)
        sizes = [min(part_bytes, content.size - at) for at in range(0, content.size, part_bytes)]
        sent.to(sum(sizes[number - 1] for number in tags))

        def send(number: int) -> None:
            data = _stretch(path, (number - 1) * part_bytes, sizes[number - 1])
            if hashlib.md5(data, usedforsecurity=False).hexdigest() != content.parts[number - 1]:
                raise changed(path)
            tags[number] = self._call(
                "upload_part", key, UploadId=upload, PartNumber=number, Body=data, ContentMD5=_md5(data)
            )["ETag"]
            sent.more(len(data))

        missing = [number for number in range(1, len(sizes) + 1) if number not in tags]
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            under_way = [pool.submit(send, number) for number in missing]
            try:
                for one in under_way:
                    one.result()
            finally:
                for one in under_way:
                    one.cancel()
        parts = [{"PartNumber": number, "ETag": tags[number]} for number in sorted(tags)]
        self._call("complete_multipart_upload", key, UploadId=upload, MultipartUpload={"Parts": parts})

    def _begun(self, key: str, content: Content) -> tuple[str, dict[int, str]]:
        """The upload of that key, begun now or earlier, and the tags of the parts it has.

        An upload with a part that is not ours is left alone: not every server lets a part be
        replaced. So is one whose tags are no MD5, as with keys of KMS.
        """
        found: tuple[str, dict[int, str]] = ("", {})
        for one in self._uploads(key):
            if one["key"] == key:
                upload = str(one["UploadId"])
                tags = self._parts(key, upload)
                right = all(tag.strip('"') in content.parts[at - 1 : at] for at, tag in tags.items())
                if right and len(tags) >= len(found[1]):
                    found = upload, tags
        return found if found[0] else (str(self._call("create_multipart_upload", key)["UploadId"]), {})

    def _parts(self, key: str, upload: str) -> dict[int, str]:
        """The tags of the parts that an upload has, by their numbers from 1."""
        tags: dict[int, str] = {}
        marker: dict[str, Any] = {}
        while True:
            page = self._call("list_parts", key, UploadId=upload, **marker)
            tags |= {int(part["PartNumber"]): str(part["ETag"]) for part in page.get("Parts", ())}
            if not page.get("IsTruncated"):
                return tags
            marker = {"PartNumberMarker": page["NextPartNumberMarker"]}

    def _uploads(self, prefix: str) -> Iterator[dict[str, Any]]:
        """Uploads that were begun and not finished, with their ``key`` on this shelf."""
        for page in self._pages("list_multipart_uploads", ("KeyMarker", "NextKeyMarker"), prefix):
            for one in page.get("Uploads", ()):
                yield {**one, "key": str(one["Key"]).removeprefix(self._prefix)}

    def _pages(self, method: str, marks: tuple[str, str], prefix: str) -> Iterator[dict[str, Any]]:
        """The pages of a listing."""
        mark: dict[str, Any] = {}
        while True:
            with self._in_words(prefix):
                try:
                    page = self._call(method, Prefix=self._prefix + prefix, **mark)
                except FileNotFoundError as problem:
                    if code_of(problem) == "NoSuchUpload":
                        return  # so some servers say that nothing is under way
                    raise
            yield page
            if not page.get("IsTruncated"):
                return
            mark = {marks[0]: page[marks[1]]}
            if "NextUploadIdMarker" in page:
                mark["UploadIdMarker"] = page["NextUploadIdMarker"]

    def _call(self, method: str, key: str | None = None, **arguments: Any) -> dict[str, Any]:
        """One call of the S3 protocol."""
        named = {} if key is None else {"Key": self._prefix + key}
        answer: dict[str, Any] = self._system.call_s3(method, Bucket=self._bucket, **named, **arguments)
        return answer

    def _in_words(self, key: str = "") -> AbstractContextManager[None]:
        """Failures of this shelf in words."""
        return in_words(self.where, key, self._faults)

    @property
    def _system(self) -> Any:
        """The file system of s3fs for these options in this process, with the keys of now."""
        options = _options(self._options)
        keys = tuple(sorted(one for one in os.environ.items() if one[0].startswith("AWS_")))
        which = (os.getpid(), repr(sorted(options.items(), key=str)), keys)
        if which not in _systems:
            import fsspec

            _systems[which] = fsspec.filesystem("s3", **options)
        return _systems[which]


class _Sent:
    """How many bytes of a file are sent, told once each whatever is tried again."""

    def __init__(self, told: Callable[[int], None]) -> None:
        self._told = told
        self._now = self._most = 0

    def to(self, size: int) -> None:
        self._now = 0
        self.more(size)

    def more(self, size: int) -> None:
        self._now += size
        if self._now > self._most:
            self._told(self._now - self._most)
            self._most = self._now


def _options(given: dict[str, Any]) -> dict[str, Any]:
    """What s3fs is made with: ours, under what the configuration of fsspec says, under what was given."""
    from fsspec.config import conf

    configured = dict(conf.get("s3", {}))
    ours: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    if endpoint := os.environ.get("DMOD_S3_ENDPOINT"):
        ours["endpoint_url"] = endpoint
    settings = {
        "connect_timeout": 5,
        "read_timeout": 60,
        "retries": {"max_attempts": 3},
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
    }
    settings |= configured.get("config_kwargs", {}) | given.get("config_kwargs", {})
    return ours | configured | given | {"config_kwargs": settings}


def _whole(path: Path, content: Content) -> bytes:
    """The bytes of a small file, which must be what they were."""
    data = _stretch(path, 0, content.size + 1)
    if "sha256:" + hashlib.sha256(data).hexdigest() != content.digest:
        raise changed(path)
    return data


def _stretch(path: Path, start: int, size: int) -> bytes:
    """Some bytes of a file of this machine."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(size)
    except OSError as problem:
        raise unreadable(path, problem) from None


def _md5(data: bytes) -> str:
    """What a server checks what it is sent with."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
