"""Copying chosen rows of a GeoPackage into a new one, as fast as bytes can be moved.

Every layer and table of the source is there again, with its columns, types, triggers and
indexes; of each, the rows that were named, under the numbers (fids) they had. R-trees are packed
from the boxes of what was copied (`dmod.formats.rtree`). The new file is written beside its
name and renamed when whole; the same rows of the same file always give the same bytes. Tiles are
left out, and metadata of single rows.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from dmod.errors import HydrofabricError, OutputError, SelectionError
from dmod.formats.geopackage_registry import STANDARDS, Extent, copy_schema, register, start
from dmod.formats.geopackage_rows import copy_table, logs_of, read_only_uri, tables_of
from dmod.formats.geopackage_schema import APPLICATION_ID, USER_VERSION, rtree_name
from dmod.formats.rtree import write_tree

__all__ = ["STANDARDS", "copy_rows"]

#: Codes of SQLite that speak of the new file rather than of the source.
_TARGET_CODES = frozenset([sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN])
_WRITE_CODES = frozenset([sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_TRUNCATE])

#: How the new file is written: nobody reads it before it has its name, so a crash leaves nothing to mend.
_SETTINGS = (
    "journal_mode = OFF",
    "synchronous = OFF",
    "main.locking_mode = EXCLUSIVE",
    "temp_store = MEMORY",
    "cache_size = -16384",
)


@dataclass(frozen=True, slots=True)
class _Header:
    """What the first bytes of an SQLite file say of the rest."""

    #: Size of a page [bytes], 512 to 65536.
    page_bytes: int
    #: Encoding of text, as SQLite calls it.
    encoding: str
    #: Version of the GeoPackage standard, as 10200 for 1.2.0; 0 in files of before.
    version: int

    @classmethod
    def of(cls, path: Path) -> Self:
        """Those of *path*; raises `HydrofabricError` for other files."""
        try:
            with path.open("rb") as file:
                head = file.read(100)
        except OSError as error:
            raise HydrofabricError("the GeoPackage cannot be read", path=path, reason=error.strerror) from error
        if len(head) < 100 or not head.startswith(b"SQLite format 3\0"):
            raise HydrofabricError("this is no GeoPackage", path=path, has=f"{path.stat().st_size} bytes")
        (page,), (encoding, version) = struct.unpack_from(">H", head, 16), struct.unpack_from(">II", head, 56)
        return cls(65536 if page == 1 else page, {2: "UTF-16le", 3: "UTF-16be"}.get(encoding, "UTF-8"), version)

    @property
    def settings(self) -> tuple[str, ...]:
        """The same for a new file."""
        return (
            f"page_size = {self.page_bytes}",
            f"encoding = '{self.encoding}'",
            f"application_id = {APPLICATION_ID}",
            f"user_version = {max(self.version, USER_VERSION)}",
        )


def copy_rows(
    source: Path,
    target: Path,
    rows: Mapping[str, NDArray[np.integer]],
    *,
    stamp: Mapping[str, str] | None = None,
    overwrite: bool = False,
    progress: Callable[[float], None] | None = None,
) -> Path:
    """Write a GeoPackage that holds the named rows of another.

    Parameters
    ----------
    source : Path
        The GeoPackage to take from; it is only read, and nothing is left beside it.
    target : Path
        The file to write; its folder must exist.
    rows : mapping of str to array of int, shape (row,)
        Layer or table to the fids of its rows, ascending and unique. Those not named are written empty.
    stamp : mapping of str to str, optional
        What the file says of itself: ``version``, ``license``, ``selection``, or the URI of another standard.
    overwrite : bool
        Replace *target* if it is there.
    progress : callable, optional
        Told the share of rows that are copied [1], in (0, 1].

    Returns
    -------
    Path
        *target*.

    Raises
    ------
    OutputError
        If *target* is there already, is the source itself, or cannot be written.
    SelectionError
        If a layer named is not in the source.
    HydrofabricError
        If the source is no GeoPackage, is damaged, or lacks a row.
    ValueError
        If fids are not ascending and unique.
    """
    _require_ascending(rows)
    header = _Header.of(source)
    _require_free(source, target, overwrite)
    partial = target.with_name(f".{target.name}.{uuid4().hex[:12]}.partial")
    try:
        with closing(_opened(partial, source, header)) as file:
            file.execute("BEGIN")
            _write(file, source, rows, stamp or {}, progress)
            file.execute("COMMIT")
        _settle(partial)
        _require_free(source, target, overwrite)  # nobody took the name meanwhile
        partial.replace(target)
        _settle(target.parent)
    except (sqlite3.Error, OSError) as error:
        raise _failure(error, source, target) from error
    finally:
        partial.unlink(missing_ok=True)
    return target


def _opened(partial: Path, source: Path, header: _Header) -> sqlite3.Connection:
    """The new file, with the source attached as ``src``."""
    file = sqlite3.connect(partial.absolute().as_uri(), uri=True, isolation_level=None)
    try:
        for setting in (*_SETTINGS, *header.settings):
            file.execute(f"PRAGMA {setting}")
        file.execute("ATTACH ? AS src", (read_only_uri(source),))
    except sqlite3.Error:
        file.close()
        raise
    return file


def _write(
    file: sqlite3.Connection,
    source: Path,
    rows: Mapping[str, NDArray[np.integer]],
    stamp: Mapping[str, str],
    progress: Callable[[float], None] | None,
) -> None:
    """Everything between the opening and the closing of the new file."""
    if not file.execute("SELECT 1 FROM src.sqlite_master WHERE name = 'gpkg_contents'").fetchone():
        raise HydrofabricError("this is no GeoPackage", path=source, missing="table gpkg_contents")
    tables = tables_of(file, "src")
    if unknown := rows.keys() - {table.name for table in tables}:
        raise SelectionError(
            f"the GeoPackage has no layer {min(unknown)!r}",
            path=source,
            has=", ".join(table.name for table in tables) or "no layers",
        )
    start(file)
    for table in tables:
        file.execute(table.sql)
    total, done = sum(map(len, rows.values())), 0

    def copied(count: int) -> None:
        """Tell the share of all rows."""
        nonlocal done
        done += count
        if progress is not None:
            progress(done / total)

    extents: dict[str, Extent] = {}
    for table in tables:
        wanted = np.asarray(rows.get(table.name, ()), np.int64)
        fids, boxes = copy_table(file, table, wanted, copied=copied)
        if table.geometry is not None:
            write_tree(file, rtree_name(table.name, table.geometry), fids, boxes)
            extents[table.name] = _extent(boxes)
    register(file, tables, extents, {name: len(fids) for name, fids in rows.items()}, stamp)
    copy_schema(file, tables)


def _extent(boxes: NDArray[np.float64]) -> Extent:
    """The box around boxes."""
    if not len(boxes):
        return None
    return float(boxes[:, 0].min()), float(boxes[:, 2].min()), float(boxes[:, 1].max()), float(boxes[:, 3].max())


def _require_ascending(rows: Mapping[str, NDArray[np.integer]]) -> None:
    """Refuse rows out of order."""
    for name, fids in rows.items():
        if fids.ndim != 1 or (np.diff(fids) <= 0).any():
            raise ValueError(f"the fids of layer {name!r} must be ascending and unique")


def _require_free(source: Path, target: Path, overwrite: bool) -> None:
    """Refuse a target that must not be written to."""
    if target.exists():
        if target.samefile(source):
            raise OutputError("a GeoPackage is not written over itself", path=target, hint="choose another name")
        if target.is_dir():
            raise OutputError("the file to write is a folder", path=target, hint="name a file in it")
        if not overwrite:
            raise OutputError(
                "the file to write exists already", path=target, hint="remove it, or allow to overwrite it"
            )
    # A log of the earlier file would be played into the new one by whoever opens it next.
    if logs := [log.name for log in logs_of(target)]:
        raise OutputError(
            "someone is writing to the file to replace", path=target, has=", ".join(logs), hint="close it there first"
        )
    if not target.parent.is_dir():
        raise OutputError("the folder of the file to write is missing", path=target.parent, hint="make it first")


def _settle(path: Path) -> None:
    """Wait until what was written is on the disk."""
    if path.is_dir():
        # Not every system can do it for folders, and the file is there already.
        with suppress(OSError):
            _sync(path, os.O_RDONLY)
    else:
        _sync(path, os.O_RDWR)


def _sync(path: Path, mode: int) -> None:
    """Ask the system to write a file or folder through."""
    handle = os.open(path, mode)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _failure(error: sqlite3.Error | OSError, source: Path, target: Path) -> OutputError | HydrofabricError:
    """Whose fault it was: the new file's, or the source's."""
    code = getattr(error, "sqlite_errorcode", None)
    if isinstance(error, OSError) or code in _WRITE_CODES or (code is not None and code & 0xFF in _TARGET_CODES):
        free = shutil.disk_usage(target.parent).free
        return OutputError(
            "the GeoPackage cannot be written",
            path=target,
            reason=error,
            has=f"{free / 1e9:.1f} GB free",
            hint="make room or choose another folder; nothing was left behind",
        )
    return HydrofabricError(
        "the GeoPackage cannot be read",
        path=source,
        reason=error,
        hint="it may be truncated or damaged: copy or download it again",
    )
