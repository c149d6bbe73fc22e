"""An index beside the cache: what was read of a large file, in a file of its own.

A sidecar is one file of arrays behind a JSON header, mapped when it is opened so that only
what is looked at is read. It lies in the cache directory, never beside the source. One that
is older than its source, of another make, cut off or damaged is made again; where none can
be written, work goes on without. What the arrays mean is the caller's.
"""

from __future__ import annotations

import hashlib
import json
import logging
import mmap
import os
import secrets
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dmod.formats.geopackage_file import write_log

__all__ = ["Sidecar", "cache_directory", "open_sidecar", "sidecar_path"]

_log = logging.getLogger(__name__)

_MAGIC = b"dmod sidecar 1\n\0"
_END = b"end of sidecar\n\0"
#: Arrays begin at multiples of this, as processors like them to [bytes].
_ALIGNED = 64
#: So much at both ends of an array is compared with its checksum [bytes].
_CHECKED = 4096
#: A file half written for longer than this was left by a process that died [s].
_LEFT_AFTER_S = 3600.0


@dataclass(frozen=True, eq=False)
class Sidecar:
    """Arrays and what is to be known of them."""

    #: The structure, as JSON holds it.
    facts: Any
    #: Arrays in the order they were given; mapped from the file, and not to be written to.
    arrays: tuple[NDArray[Any], ...]


def cache_directory(environment: Mapping[str, str] | None = None) -> Path | None:
    """Where things are kept that can be made again: ``DMOD_CACHE``, else ``dmod`` in the user's cache.

    Parameters
    ----------
    environment : mapping, optional
        The environment otherwise.

    Returns
    -------
    Path or None
        It need not exist. None for a user without a home.
    """
    place = os.environ if environment is None else environment
    if place.get("DMOD_CACHE"):
        return Path(place["DMOD_CACHE"]).expanduser()
    if place.get("XDG_CACHE_HOME"):
        return Path(place["XDG_CACHE_HOME"]) / "dmod"
    try:
        return Path.home() / ".cache" / "dmod"
    except RuntimeError:
        return None


def sidecar_path(source: Path, directory: Path) -> Path:
    """Where the sidecar of a source lies in a cache directory; one for each path."""
    resolved = source.resolve()
    key = hashlib.sha256(os.fsencode(resolved)).hexdigest()[:16]
    return directory / "hydrofabric" / f"{resolved.stem[:80]}-{key}.index"


def open_sidecar(
    source: Path,
    make: str,
    build: Callable[[], tuple[Any, list[NDArray[Any]]]],
    directory: Path | None = None,
) -> Sidecar:
    """The sidecar of a source: mapped if there is a good one, otherwise built and kept.

    Parameters
    ----------
    source : Path
        The file that it is about.
    make : str
        What is in it and how; one of another make is built again.
    build : callable
        Gives the facts, which JSON can hold, and the arrays.
    directory : Path, optional
        The cache directory; `cache_directory` otherwise. If it cannot be written, the log says so
        and the arrays are given as they were built.
    """
    directory = cache_directory() if directory is None else directory
    stamp = _stamp(source, make)
    path = None if directory is None else sidecar_path(source, directory)
    if path is not None and (found := _read(path, stamp)) is not None:
        return found
    facts, arrays = build()
    built = Sidecar(facts, tuple(arrays))
    # What was read while somebody wrote may be half of this and half of that.
    if path is None or _stamp(source, make) != stamp:
        return built
    try:
        _write(path, stamp, built)
    except OSError as problem:
        _log.warning(
            "the index of %s cannot be kept in %s, so it is built again each time: %s; "
            "set DMOD_CACHE to a directory that can be written",
            source.name,
            path.parent,
            problem.strerror or problem,
        )
        return built
    return _read(path, stamp) or built


def _stamp(source: Path, make: str) -> dict[str, object]:
    """What tells whether a sidecar is that of a source as it is now."""
    state = source.stat()
    stamp: dict[str, object] = {
        "make": make,
        "path": str(source.resolve()),
        "size": state.st_size,
        "mtime_ns": state.st_mtime_ns,
    }
    with suppress(FileNotFoundError):
        log = write_log(source).stat()
        if log.st_size:
            stamp |= {"log_size": log.st_size, "log_mtime_ns": log.st_mtime_ns}
    return stamp


def _write(path: Path, stamp: Mapping[str, object], sidecar: Sidecar) -> None:
    """Write a sidecar beside its place, then put it there: whoever reads the old one keeps it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _tidy(path)
    aside = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        with aside.open("xb") as file:
            _write_all(file, stamp, sidecar)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def _tidy(path: Path) -> None:
    """Remove what processes that died left of the same sidecar."""
    for left in path.parent.glob(f".{path.name}.*.part"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > _LEFT_AFTER_S:
                left.unlink()


def _write_all(file: BinaryIO, stamp: Mapping[str, object], sidecar: Sidecar) -> None:
    """The header, then the arrays from the next aligned place on."""
    listed, offset = [], 0
    arrays = [np.ascontiguousarray(array) for array in sidecar.arrays]
    for array in arrays:
        listed.append([array.dtype.str, list(array.shape), offset, _checksum(array.reshape(-1).view(np.uint8).data)])
        offset += -(-array.nbytes // _ALIGNED) * _ALIGNED
    header = json.dumps({"stamp": stamp, "facts": sidecar.facts, "arrays": listed, "bytes": offset}).encode()
    file.write(_MAGIC + len(header).to_bytes(8, "little") + zlib.crc32(header).to_bytes(8, "little") + header)
    file.write(b"\0" * (-file.tell() % _ALIGNED))
    for array in arrays:
        file.write(array.reshape(-1).view(np.uint8).data)
        file.write(b"\0" * (-array.nbytes % _ALIGNED))
    file.write(_END)


def _read(path: Path, stamp: Mapping[str, object]) -> Sidecar | None:
    """A sidecar, mapped; None if there is none of this stamp that is whole."""
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return _mapped(mapped, stamp)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError) as problem:
        _log.info("the index %s is made again: %s", path, problem)
        return None


def _mapped(mapped: mmap.mmap, stamp: Mapping[str, object]) -> Sidecar:
    """The arrays of a mapped file; anything wrong with it is a ValueError or its like."""
    start = len(_MAGIC) + 16
    if mapped[: len(_MAGIC)] != _MAGIC:
        raise ValueError("it is of another kind")
    length = int.from_bytes(mapped[len(_MAGIC) : len(_MAGIC) + 8], "little")
    header = mapped[start : start + length]
    if zlib.crc32(header) != int.from_bytes(mapped[start - 8 : start], "little"):
        raise ValueError("its header is damaged")
    found = json.loads(header)
    if found["stamp"] != stamp:
        raise ValueError("its source has changed, or it is of another make")
    first = -(-(start + length) // _ALIGNED) * _ALIGNED
    if len(mapped) != first + found["bytes"] + len(_END) or mapped[-len(_END) :] != _END:
        raise ValueError("it is cut off")
    arrays = []
    for kind, shape, offset, checksum in found["arrays"]:
        dtype = np.dtype(kind)
        count = int(np.prod(shape, dtype=np.int64))
        whole = memoryview(mapped)[first + offset : first + offset + count * dtype.itemsize]
        if _checksum(whole) != checksum:
            raise ValueError("an array in it is damaged")
        arrays.append(np.frombuffer(whole, dtype=dtype).reshape(shape))
    return Sidecar(found["facts"], tuple(arrays))


def _checksum(data: memoryview) -> int:
    """A checksum of both ends of an array: what a crash leaves behind is cut off or empty there."""
    return zlib.crc32(data[-_CHECKED:], zlib.crc32(data[:_CHECKED]))
