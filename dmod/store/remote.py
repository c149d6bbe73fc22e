"""Files that live elsewhere, brought here once: ``s3://``, ``https://`` and whatever fsspec speaks.

`fetched` keeps a copy in a cache directory, under the address and what the server says of
the version (ETag or time, and size), so that a new version is a new copy. A download that
broke off goes on where it stopped, as long as it is the same version; what is not whole never has
the file's name. Secrets in an address are neither written down nor shown.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import urlsplit

from dmod.errors import InputError, StoreError

__all__ = ["fetched", "is_remote", "shown"]

_log = logging.getLogger(__name__)

#: Asked of a server at a time.
_BLOCK_BYTES = 8 * 2**20
#: What a server may call the version of a file, the best first.
_VERSIONS = ("ETag", "etag", "LastModified", "last_modified", "Last-Modified", "mtime", "created")
#: The file that says which version a copy is of.
_NOTE = "version.json"
#: What to install for an address, by what it begins with.
_NEEDED = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "http": "aiohttp", "https": "aiohttp", "az": "adlfs"}
#: Exceptions of optional libraries by module: those that mean the server or the way to it.
_FOREIGN = {"aiohttp": ("ClientError",), "botocore.exceptions": ("BotoCoreError", "ClientError")}


@dataclass(frozen=True)
class _Remote:
    """A file on a server."""

    #: What speaks to the server.
    system: Any
    #: Its path there, its address, and that as people may see it.
    path: str
    url: str = field(repr=False)
    shown: str
    #: Size [bytes], None where the server does not say.
    size: int | None
    #: What the server calls the version; empty where it says nothing.
    version: str


def is_remote(place: str | os.PathLike[str]) -> bool:
    """Whether *place* is an address such as ``s3://bucket/key``, and no path of this machine."""
    head, mark, _ = os.fspath(place).partition("://")
    return bool(mark) and head.replace("+", "").isalnum() and head.lower() not in {"file", "local"}


def shown(url: str) -> str:
    """An address as it may be shown: without user, password and query, which may hold secrets."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def fetched(url: str, cache_dir: Path, progress: Callable[[float], None] | None = None) -> Path:
    """A copy of a remote file on this machine; downloaded if there is none of its present version.

    Parameters
    ----------
    url : str
        Its address. One of this machine (``file://``) is given back as it is.
    cache_dir : Path
        Where copies are kept; made if it is not there.
    progress : callable, optional
        Told the share of the file that is here, in [0, 1].

    Returns
    -------
    Path
        The copy, of the file's own name. An earlier one if the server cannot be reached; a
        warning is logged then.

    Raises
    ------
    InputError
        If the address makes no sense, there is no such file, it may not be read, or what
        speaks to such a server is not installed.
    StoreError
        If the server cannot be reached, the download stays incomplete, or there is no room for it.
    """
    if not is_remote(url):
        return Path(url.partition("://")[2] if "://" in url else url)
    home = Path(cache_dir) / "remote" / _digest(url)
    try:
        remote = _looked_up(url)
    except StoreError as problem:
        if (earlier := _earlier(home)) is None:
            raise
        _log.warning("%s: the copy fetched earlier is used, %s", problem.headline, earlier)
        return earlier
    name = PurePosixPath(urlsplit(url).path).name or "file"
    folder = home / _digest(f"{remote.size} {remote.version}")
    target = folder / name
    if _is_whole(target, remote):
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder / ".lock"):
            if not _is_whole(target, remote):  # somebody else may just have brought it
                _download(remote, target, progress)
    except OSError as error:
        raise _no_room(error, remote, folder) from error
    return target


def _digest(text: str) -> str:
    """A short name that stands for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _looked_up(url: str) -> _Remote:
    """What the server says of a file."""
    import fsspec

    label, scheme = shown(url), url.partition("://")[0].lower()
    try:
        with _reaching(label):
            system, path = fsspec.core.url_to_fs(url, **_options(scheme))
            info = _info(system, path)
            if info is None:
                system, path = fsspec.core.url_to_fs(url, anon=True)
                info = system.info(path)
    except ImportError as error:
        raise InputError(
            f"{scheme}:// needs a library that is not installed",
            needed=_NEEDED.get(scheme, str(error)),
            hint=f"pip install {_NEEDED.get(scheme, 'the library that fsspec names')}",
        ) from error
    except ValueError as error:
        raise InputError(
            "the address makes no sense", url=label, reason=error, hint="give one such as s3://bucket/folder/file.gpkg"
        ) from error
    if info.get("type") == "directory":
        raise InputError(
            "the address is that of a folder", url=label, needed="one file", hint="copy the folder here first"
        )
    version = next((str(info[name]) for name in _VERSIONS if info.get(name) is not None), "")
    size = info.get("size")
    return _Remote(system, path, url, label, None if size is None else int(size), version.strip('"'))


def _options(scheme: str) -> dict[str, Any]:
    """What fsspec needs to be told: a large file takes longer than the five minutes aiohttp would give it."""
    if scheme not in {"http", "https"}:
        return {}
    import fsspec

    fsspec.get_filesystem_class(scheme)  # says what is missing, if it is
    timeout = sys.modules["aiohttp"].ClientTimeout(total=None, sock_connect=30, sock_read=60)
    return {"client_kwargs": {"timeout": timeout}}


def _info(system: Any, path: str) -> dict[str, Any] | None:
    """What a server says of a file; None where it wants keys and nobody has any."""
    system.invalidate_cache(path)  # what was there a while ago does not help
    try:
        found: dict[str, Any] = system.info(path)
    except _failures() as error:
        if type(error).__name__ != "NoCredentialsError":
            raise
        return None
    return found


def _earlier(home: Path) -> Path | None:
    """The newest whole copy of an address; None without one."""
    notes = sorted(home.glob(f"*/{_NOTE}"), key=lambda note: note.stat().st_mtime, reverse=True)
    for note in notes:
        try:
            target = note.with_name(str(json.loads(note.read_text(encoding="utf-8"))["name"]))
        except (ValueError, KeyError, TypeError):  # a note that was cut off
            continue
        if target.is_file():
            return target
    return None


def _is_whole(target: Path, remote: _Remote) -> bool:
    """Whether a copy is there and as large as its original."""
    return target.is_file() and remote.size in {None, target.stat().st_size}


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Wait until no other process downloads the same file."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _download(remote: _Remote, target: Path, progress: Callable[[float], None] | None) -> None:
    """Bring a file, from where an earlier download stopped, and give it its name when whole."""
    partial = target.with_name(target.name + ".partial")
    # Without a name for the version nobody knows whether what is there is of the same one.
    had = partial.stat().st_size if partial.exists() and remote.version and remote.size is not None else 0
    if remote.size is not None:
        if had > remote.size:
            had = 0
        free = shutil.disk_usage(target.parent).free
        if remote.size - had > free:
            raise OSError(errno.ENOSPC, f"{remote.size - had:,} bytes needed, {free:,} free")
    with partial.open("r+b" if had else "wb") as file:
        try:
            size = _fill(file, remote, had if remote.size is not None else None, progress)
        except ValueError:  # what a server that gives no parts comes to
            size = _fill(file, remote, None, progress)
        file.flush()
        os.fsync(file.fileno())
    if remote.size is not None and size != remote.size:
        if size > remote.size:
            partial.unlink()
        raise StoreError(
            "the download is incomplete",
            url=remote.shown,
            needed=f"{remote.size:,} bytes",
            has=f"{size:,} bytes",
            hint="try again: it goes on where it stopped",
        )
    if remote.version and _looked_up(remote.url).version != remote.version:
        partial.unlink()
        raise StoreError("the file changed while it was downloaded", url=remote.shown, hint="try again")
    note = target.with_name(_NOTE)
    note.write_text(json.dumps({"name": target.name, "url": remote.shown, "version": remote.version}), encoding="utf-8")
    partial.replace(target)


def _fill(file: IO[bytes], remote: _Remote, start: int | None, progress: Callable[[float], None] | None) -> int:
    """Write the bytes of a file from *start* on, or in one stream for None; how many there are then."""
    file.seek(start or 0)
    for block in _blocks(remote, start):
        file.write(block)
        if progress is not None and remote.size:
            progress(min(1.0, file.tell() / remote.size))
    file.truncate()
    return file.tell()


def _blocks(remote: _Remote, start: int | None) -> Iterator[bytes]:
    """The bytes of a file: from *start* on, a request for each block, or all in one stream for None.

    Raises
    ------
    ValueError
        If a server does not give parts of a file.
    """
    how = {"block_size": 0} if start is None else {"block_size": _BLOCK_BYTES, "cache_type": "none"}
    stream: IO[bytes]
    with _reaching(remote.shown), remote.system.open(remote.path, "rb", **how) as stream:
        if start:
            stream.seek(start)
        while block := stream.read(_BLOCK_BYTES):
            yield block


@contextmanager
def _reaching(label: str) -> Iterator[None]:
    """Whatever goes wrong on the way to a server, in our words."""
    try:
        yield
    except _failures() as error:
        raise _in_our_words(error, label) from error


def _failures() -> tuple[type[Exception], ...]:
    """What means the server or the way to it, of Python itself and of the libraries in use."""
    there = {name: sys.modules[name] for name in _FOREIGN if name in sys.modules}
    return (OSError, *(getattr(module, kind) for name, module in there.items() for kind in _FOREIGN[name]))


def _in_our_words(error: BaseException, label: str) -> InputError | StoreError:
    """The error for what a server or the way to it said."""
    # fsspec calls everything "not found"; what it came from tells more.
    origin = error.__cause__ if isinstance(error, FileNotFoundError) and error.__cause__ is not None else error
    status = getattr(origin, "status", None)
    kind = type(origin).__name__
    if isinstance(error, PermissionError) or status in {401, 403} or kind == "NoCredentialsError":
        return InputError(
            "the file may not be read",
            url=label,
            reason=_said(origin),
            hint="check the keys (for S3: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile) and their rights",
        )
    if isinstance(origin, FileNotFoundError) or status in {404, 410}:
        return InputError("there is no such file", url=label, hint="check the address, letter by letter")
    return StoreError(
        "the server cannot be reached",
        url=label,
        reason=_said(origin),
        hint="check the network and the address; a download goes on where it stopped",
    )


def _said(error: BaseException) -> str:
    """What an error says, without an address that may hold secrets."""
    text = str(error).splitlines()[0] if str(error) else ""
    return type(error).__name__ if not text or "://" in text or "?" in text else f"{type(error).__name__}: {text}"


def _no_room(error: OSError, remote: _Remote, folder: Path) -> StoreError:
    """The error for a cache that cannot be written."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StoreError(
            "there is no room for the file",
            url=remote.shown,
            directory=folder,
            reason=error.strerror,
            hint="free some, or set DMOD_CACHE to a larger disk",
        )
    return StoreError(
        "the cache directory cannot be written",
        directory=folder,
        reason=error.strerror or error,
        hint="set DMOD_CACHE to a directory that can be",
    )
