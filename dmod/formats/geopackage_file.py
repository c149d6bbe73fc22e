"""A GeoPackage opened to be read: its connection, its layers, and how names are written in SQL.

The file is opened read-only and, unless someone is writing to it, as immutable: no lock, no
journal and no index is ever left beside it. Reading what is inside is for the modules
`geopackage`, `geopackage_columns` and `geopackage_tables`.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dmod.errors import HydrofabricError

__all__ = ["Layout", "first_of", "is_written_to", "layout_of", "opened", "quoted", "row_span", "write_log"]

#: Layer or table name to its columns, in order.
Layout = dict[str, list[str]]

#: Tables of SQLite and of the GeoPackage standard itself.
_INTERNAL = re.compile(r"^(sqlite_|gpkg_|rtree_|layer_styles$)")


def write_log(path: Path) -> Path:
    """Where SQLite keeps what was written to *path* but has not reached it yet."""
    return path.with_name(path.name + "-wal")


def is_written_to(path: Path) -> bool:
    """Whether something written to *path* is still in its log."""
    log = write_log(path)
    return log.exists() and log.stat().st_size > 0


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The file, read-only.

    Raises
    ------
    HydrofabricError
        If it is damaged, found at any time while it is read.
    """
    # An immutable file is read without looking at its write-ahead log: honour one that holds something.
    uri = path.absolute().as_uri() + ("?mode=ro" if is_written_to(path) else "?mode=ro&immutable=1")
    try:
        file = sqlite3.connect(uri, uri=True)
        try:
            yield file
        finally:
            file.close()
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise HydrofabricError(
            "the GeoPackage cannot be read",
            path=path,
            reason=error,
            has=f"{path.stat().st_size} bytes" if path.exists() else "no file",
            hint="it may be truncated or damaged: copy or download it again",
        ) from error


def layout_of(file: sqlite3.Connection) -> Layout:
    """Every layer and table with its columns, without the internal ones."""
    names = [n for (n,) in file.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")]
    return {
        name: [row[1] for row in file.execute(f"PRAGMA table_info({quoted(name)})")]
        for name in names
        if not _INTERNAL.match(name)
    }


def first_of(columns: Iterable[str], names: Iterable[str]) -> str | None:
    """The first of *names* among the columns; None for none."""
    held = set(columns)
    return next((name for name in names if name in held), None)


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def row_span(file: sqlite3.Connection, table: str) -> range | None:
    """From the first row number of a table to its last, whether or not all are there; None for a view."""
    (kind,) = file.execute("SELECT type FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    if kind != "table":
        return None
    ends = []
    for end in ("min", "max"):
        # Both in one question would be answered by looking at every row.
        try:
            (found,) = file.execute(f"SELECT {end}(rowid) FROM {quoted(table)}").fetchone()
        except sqlite3.OperationalError as error:
            # A table may be made without row numbers.
            if "rowid" in str(error):
                return None
            raise
        ends.append(found)
    return range(0) if ends[0] is None else range(int(ends[0]), int(ends[1]) + 1)
