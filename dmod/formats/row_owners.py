"""What each row of a table is about: a catchment, a flowpath or a nexus, told by the ids in it.

The first column that names something known decides: an ``id``, then the names that newer
versions have for it, then a ``divide_id``. Pure but for reading the columns; grouping rows by
what they are about is for `dmod.formats.layer_rows`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dmod.formats.geopackage_columns import Columns, column_pieces
from dmod.formats.geopackage_file import opened, quoted, row_span
from dmod.formats.names import ODD, Names
from dmod.formats.topology import Topology

__all__ = ["KINDS", "Kind", "KnownIds", "Owners", "known_ids", "read_owners"]

Kind = Literal["catchments", "flowpaths", "nexuses"]
#: What a row may be about; the place here is how it is held, and -1 is nothing.
KINDS: tuple[Kind, ...] = ("catchments", "flowpaths", "nexuses")

#: Columns that may name what a row is about, the most telling first.
_KEYS = ("id", "flowpath_id", "nexus_id", "divide_id", "nex_id")
#: Columns by which a row names one of another table, and those tables.
_LINKS = (("poi_id", "pois"), ("poi_id", "hydrolocations"), ("hl_id", "hydrolocations"))

#: Row numbers may leave out so many that it is better to count the rows.
_WIDE = 1 << 28

#: Kind of things, their ids, and which prefixes these have.
KnownIds = list[tuple[Kind, Names, NDArray[np.bool_]]]


@dataclass(frozen=True, eq=False)
class Owners:
    """What the rows of one table are about."""

    #: Row numbers, ascending; a range where none is left out.
    fids: range | NDArray[np.int64]
    #: Place in `KINDS` of what each row is about, -1 where nothing is known; shape (rows,).
    kind: NDArray[np.int8]
    #: Row in the topology of what each row is about, 0 where nothing is known; shape (rows,).
    place: NDArray[np.int32]
    #: Whether the table names things at all; if not, its rows are about everything.
    named: bool
    #: Columns of numbers that were read along.
    numbers: dict[str, NDArray[np.float64]]

    def rows(self, about: NDArray[np.intp]) -> NDArray[np.integer[Any]]:
        """Row numbers of some rows, as small as they may be."""
        if isinstance(self.fids, range):
            start = self.fids.start
            return about + start if self.fids.stop > 2**31 else about.astype(np.int32) + np.int32(start)
        rows = self.fids[about]
        return rows.astype(np.int32) if len(rows) and int(rows[-1]) < 2**31 else rows

    def about(self, kind: Kind) -> NDArray[np.intp]:
        """Which rows are about things of one kind, ascending."""
        return np.flatnonzero(self.kind == KINDS.index(kind))


def read_owners(
    path: Path,
    table: str,
    columns: Sequence[str],
    topology: Topology,
    *,
    also: Sequence[str] = (),
    points: dict[str, Owners] | None = None,
    known: KnownIds | None = None,
) -> Owners:
    """What the rows of a table are about.

    Parameters
    ----------
    path : Path
        The GeoPackage.
    table : str
        One of its tables.
    columns : sequence of str
        The columns that it has.
    topology : Topology
        What was read of the file.
    also : sequence of str
        Columns of numbers to read along.
    points : dict of str to Owners, optional
        Tables of points of interest that were read before, with their numbers.
    known : list, optional
        `known_ids` of the topology, for whoever reads several tables.
    """
    keys = [name for name in _KEYS if name in columns and name not in also]
    links = [(name, home) for name, home in _LINKS if name in columns and points and name in _numbers(points, home)]
    linked = list(dict.fromkeys(name for name, _ in links))
    wanted = [*also, *(name for name in linked if name not in also)]
    known = known_ids(topology) if known is None else known
    named, at, fids = bool(links), 0, list[range | NDArray[np.int64]]()
    # In place, as a column and its pieces together are a large part of the memory.
    room = _rows_at_most(path, table)
    kind, place = np.empty(room, dtype=np.int8), np.empty(room, dtype=np.int32)
    numbers = {name: np.empty(room) for name in wanted}
    for piece in column_pieces(path, table, texts=keys, numbers=wanted):
        here = slice(at, at + len(piece.fids))
        what, where, shown = _of_piece(piece, keys, known, at)
        for name, home in links:
            assert points is not None
            left = np.flatnonzero(what < 0)
            what[left], where[left] = _through(piece.numbers[name][left], name, points[home])
        kind[here], place[here] = what, where
        for name in wanted:
            numbers[name][here] = piece.numbers[name]
        fids.append(_as_range(piece.fids))
        named, at = named or shown, here.stop
    whole = Owners(_chained(fids), kind[:at], place[:at], named, {name: numbers.pop(name)[:at] for name in wanted})
    return whole if isinstance(whole.fids, range) or (np.diff(whole.fids) > 0).all() else _sorted(whole)


def _rows_at_most(path: Path, table: str) -> int:
    """No fewer than there are rows in a table; memory that stays empty costs nothing."""
    with opened(path) as file:
        span = row_span(file, table)
        if span is not None and len(span) < _WIDE:
            return len(span)
        (count,) = file.execute(f"SELECT count(*) FROM {quoted(table)}").fetchone()
        return int(count)


def _of_piece(
    piece: Columns, keys: Sequence[str], known: KnownIds, at: int
) -> tuple[NDArray[np.int8], NDArray[np.int32], bool]:
    """What some rows are about, the first of them the *at*-th of the table; and whether they have ids at all."""
    kind = np.full(len(piece.fids), -1, dtype=np.int8)
    place = np.zeros(len(piece.fids), dtype=np.int32)
    shown = False
    for key in keys:
        left = np.flatnonzero(kind < 0)
        if not len(left):
            break
        names = (piece.texts[key] if len(left) == len(kind) else piece.texts[key].take(left)).names()
        # Numbers and words that are no ids, such as the row numbers of a table of styles, name nothing here.
        shown |= bool((names.codes < ODD).any())
        kind[left], place[left] = _found(names, known, at)
    return kind, place, shown


def _chained(pieces: Sequence[range | NDArray[np.int64]]) -> range | NDArray[np.int64]:
    """Row numbers of pieces that follow each other; a range if none is left out."""
    ranges = [piece for piece in pieces if isinstance(piece, range)]
    if len(ranges) == len(pieces) and all(a.stop == b.start for a, b in pairwise(ranges)):
        return range(ranges[0].start, ranges[-1].stop) if ranges else range(0)
    return np.concatenate([np.asarray(piece, dtype=np.int64) for piece in pieces])


def _as_range(fids: NDArray[np.int64]) -> range | NDArray[np.int64]:
    """Row numbers as a range where none is left out."""
    every = len(fids) > 0 and int(fids[-1]) - int(fids[0]) + 1 == len(fids) and bool((np.diff(fids) == 1).all())
    return range(int(fids[0]), int(fids[-1]) + 1) if every else fids


def _sorted(owners: Owners) -> Owners:
    """The same by row number."""
    fids = np.asarray(owners.fids, dtype=np.int64)
    order = np.argsort(fids, kind="stable")
    numbers = {name: column[order] for name, column in owners.numbers.items()}
    return Owners(_as_range(fids[order]), owners.kind[order], owners.place[order], owners.named, numbers)


def _numbers(points: dict[str, Owners], home: str) -> dict[str, NDArray[np.float64]]:
    """The numbers that were read with a table; none for one that was not."""
    return points[home].numbers if home in points else {}


def known_ids(topology: Topology) -> KnownIds:
    """Whatever an id may name, the likeliest first."""
    held = topology.catchments
    known: list[tuple[Kind, Names]] = [
        ("flowpaths", topology.flowpaths.ids),
        ("nexuses", topology.nexuses.ids),
        ("catchments", held.ids),
        # A file without a layer of flowpaths may name them all the same.
        ("catchments", held.flowpath),
    ]
    return [(kind, ids, _prefixes(ids)) for kind, ids in known]


def _prefixes(names: Names) -> NDArray[np.bool_]:
    """Which codes of prefixes occur, `ODD` among them."""
    return np.bincount(names.codes, minlength=256)[: ODD + 1] > 0


def _found(names: Names, known: KnownIds, at: int) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """What ids name: the kind, -1 for nothing, and the place. They are the *at*-th of a table and on."""
    kind = np.full(len(names), -1, dtype=np.int8)
    place = np.zeros(len(names), dtype=np.int32)
    present = _prefixes(names)
    for what, ids, prefixes in known:
        if not (prefixes & present).any():
            continue
        left = np.flatnonzero((kind < 0) & names.present)
        if not len(left):
            break
        asked = names if len(left) == len(names) else names.take(left)
        # Many tables have a row for each flowpath in the same order, or some rows for each.
        if len(asked) == len(names) and ids[at : at + len(names)] == names:
            where = np.arange(at, at + len(names))
        else:
            where = _find_runs(ids, asked)
        kind[left] = np.where(where >= 0, KINDS.index(what), -1)
        place[left] = np.maximum(where, 0)
    return kind, place


def _find_runs(ids: Names, asked: Names) -> NDArray[np.intp]:
    """Where each of some ids stands, -1 for nowhere; equal ones that follow each other are looked up once."""
    new = np.ones(len(asked), dtype=bool)
    new[1:] = (asked.numbers[1:] != asked.numbers[:-1]) | (asked.codes[1:] != asked.codes[:-1])
    found = ids.find(asked.take(np.flatnonzero(new)))
    where: NDArray[np.intp] = found[np.cumsum(new) - 1]
    return where


def _through(numbers: NDArray[np.float64], name: str, points: Owners) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """What rows are about that name a point of interest by its number."""
    known = points.numbers[name]
    order = np.argsort(known, kind="stable")
    at = np.minimum(np.searchsorted(known[order], numbers), max(0, len(order) - 1))
    if not len(order):
        return np.full(len(numbers), -1, dtype=np.int8), np.zeros(len(numbers), dtype=np.int32)
    rows = order[at]
    same = known[rows] == numbers
    return np.where(same, points.kind[rows], -1).astype(np.int8), np.where(same, points.place[rows], 0).astype(np.int32)
