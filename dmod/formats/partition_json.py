"""Partition files, as ``ngen`` reads them: which rank runs which catchments, and what crosses.

Three dialects are read: the present one, an older one whose remote connections lack a
direction, and the oldest, which has string ids and lists of nexuses (``remote-up``,
``remote-down``) instead. Only the present one is written. Whether a file fits a river
network is for `dmod.domain` to say.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dmod.errors import InputError, OutputError

__all__ = ["RECEIVES", "SENDS", "SENTINEL", "Rank", "RemoteConnection", "read_partitions", "write_partitions"]

#: Direction of a connection from a remote contributor to a nexus whose receiver is on this rank.
RECEIVES = "orig_cat-to-nex"
#: Direction of a connection from a contributor on this rank to a nexus whose receiver is remote.
SENDS = "nex-to-dest_cat"
#: What stands before a terminal nexus in the made-up catchment below it, which no hydrofabric has.
SENTINEL = "wb-TERMINAL_SENTINEL-"
#: What is among the first bytes of a hydrofabric, which no partition file replaces.
_HYDROFABRICS = (b"SQLite format 3\0", b'"FeatureCollection"')
#: So many bytes are looked at for that.
_HEAD_BYTES = 400


@dataclass(frozen=True, slots=True)
class RemoteConnection:
    """One catchment on another rank that a nexus of this rank is tied to."""

    #: The other rank; None in the oldest dialect.
    rank: int | None
    #: The nexus that both share.
    nexus: str
    #: The catchment on the other rank; None in the oldest dialect.
    catchment: str | None
    #: `RECEIVES` or `SENDS`; None in a dialect that does not tell.
    direction: str | None


@dataclass(frozen=True, slots=True)
class Rank:
    """What one MPI rank runs."""

    #: Catchment ids, among them those made up below terminal nexuses if the file has any.
    catchments: Sequence[str]
    #: Nexuses that these drain to or are fed by; empty in dialects that leave them out.
    nexuses: Sequence[str]
    #: What it shares with other ranks.
    remote: Sequence[RemoteConnection] = ()


def read_partitions(path: str | Path) -> list[Rank]:
    """Read a partition file of any dialect.

    Parameters
    ----------
    path : path
        The JSON file.

    Returns
    -------
    list of Rank
        By rank, counted from 0.

    Raises
    ------
    InputError
        If it cannot be read, is not a partition file, or its ranks are not 0, 1, 2, ... in this order.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(
            "the partition file cannot be read", path=path, has=error.strerror or error, hint="check the path"
        ) from error
    except ValueError as error:
        raise InputError("the partition file is not JSON", path=path, has=error) from error
    listed = content.get("partitions") if isinstance(content, dict) else None
    if not isinstance(listed, list) or not listed:
        raise InputError(
            "this JSON file is not a partition file",
            path=path,
            needed='{"partitions": [{"id": 0, "cat-ids": [...]}, ...]}',
            hint="make one with `dmod partition`",
        )
    ranks = [_rank(entry, place, path) for place, entry in enumerate(listed)]
    for place, rank in enumerate(ranks):
        if far := [c.rank for c in rank.remote if c.rank is not None and not 0 <= c.rank < len(ranks)]:
            raise InputError(
                f"partition {place} is connected to a rank that the file does not have",
                path=path,
                needed=f"a rank in 0 .. {len(ranks) - 1}",
                has=far[0],
            )
    return ranks


def _rank(entry: Any, place: int, path: Path) -> Rank:
    """One entry of the file, of any dialect."""
    if not isinstance(entry, dict):
        raise _unlike(place, path, "an object with 'id' and 'cat-ids'", entry)
    # The oldest dialect has ids as strings.
    if str(entry.get("id", place)) != str(place):
        raise InputError(
            "the partitions are not in the order of their ids, and ngen goes by the order",
            path=path,
            needed=f"id {place} in place {place}",
            has=entry["id"],
            hint="sort them, or make the file again with `dmod partition`",
        )
    remote = [_connection(item, place, path) for item in _list(entry, "remote-connections", place, path)]
    for key, direction in (("remote-up", RECEIVES), ("remote-down", SENDS)):
        remote.extend(RemoteConnection(None, nexus, None, direction) for nexus in _ids(entry, key, place, path))
    if "cat-ids" not in entry:
        raise _unlike(place, path, "a list 'cat-ids'", sorted(entry))
    return Rank(_ids(entry, "cat-ids", place, path), _ids(entry, "nex-ids", place, path), tuple(remote))


def _connection(item: Any, place: int, path: Path) -> RemoteConnection:
    """One remote connection; the older dialect has no direction."""
    try:
        rank, nexus, catchment = int(item["mpi-rank"]), item["nex-id"], item["cat-id"]
    except (KeyError, TypeError, ValueError):
        raise _unlike(place, path, "remote connections with 'mpi-rank', 'nex-id' and 'cat-id'", item) from None
    direction = item.get("cat-direction")
    if direction not in (RECEIVES, SENDS, None):
        raise _unlike(place, path, f"a 'cat-direction' of '{RECEIVES}' or '{SENDS}'", direction)
    return RemoteConnection(rank, str(nexus), str(catchment), direction)


def _list(entry: dict[str, Any], key: str, place: int, path: Path) -> list[Any]:
    """A list of the entry, empty where it is left out."""
    value = entry.get(key, [])
    if not isinstance(value, list):
        raise _unlike(place, path, f"a list '{key}'", value)
    return value


def _ids(entry: dict[str, Any], key: str, place: int, path: Path) -> tuple[str, ...]:
    """A list of ids of the entry."""
    ids = _list(entry, key, place, path)
    if odd := [value for value in ids if not isinstance(value, str)]:
        raise _unlike(place, path, f"ids as text in '{key}'", odd[0])
    return tuple(ids)


def _unlike(place: int, path: Path, needed: str, has: object) -> InputError:
    """The error of an entry that no dialect has."""
    return InputError(
        f"partition {place} is not as a partition file has it",
        path=path,
        needed=needed,
        has=str(has)[:80],
        hint="make the file again with `dmod partition`",
    )


def write_partitions(path: str | Path, ranks: Iterable[Rank], *, overwrite: bool = False) -> Path:
    """Write a partition file in the present dialect.

    Parameters
    ----------
    path : path
        The JSON file; its folder must exist.
    ranks : iterable of Rank
        By rank, with every connection's rank, catchment and direction.
    overwrite : bool
        Whether to replace a file that is there.

    Returns
    -------
    Path
        *path*. It appears when it is whole, or not at all.

    Raises
    ------
    OutputError
        If something is there and *overwrite* is false, if that is a hydrofabric, or the file cannot be written.
    """
    path = Path(path).expanduser()
    if path.is_dir() or (path.exists() and not overwrite):
        raise OutputError(
            "the target of the partition file exists" + (" and is a folder" if path.is_dir() else ""),
            path=path,
            hint="choose another name" + ("" if path.is_dir() else ", or allow it to be replaced (overwrite)"),
        )
    if _is_hydrofabric(path):
        raise OutputError(
            "the target of the partition file is a hydrofabric, which is not replaced",
            path=path,
            hint="choose another name",
        )
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("w", encoding="utf-8", newline="\n") as file:
            file.write('{"partitions": [\n')
            for number, rank in enumerate(ranks):
                file.write((",\n" if number else "") + _text(number, rank))
            file.write("\n]}\n")
        beside.replace(path)
    except OSError as error:
        raise OutputError(
            "the partition file cannot be written",
            path=path,
            has=error.strerror or error,
            hint="choose a folder that exists and may be written to",
        ) from error
    finally:
        beside.unlink(missing_ok=True)
    return path


def _is_hydrofabric(path: Path) -> bool:
    """Whether a file that is there begins as GeoPackages or GeoJSON do."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return False
    return any(mark in head for mark in _HYDROFABRICS)


def _text(number: int, rank: Rank) -> str:
    """One entry of the file."""
    remote = [
        {"mpi-rank": c.rank, "nex-id": c.nexus, "cat-id": c.catchment, "cat-direction": c.direction}
        for c in rank.remote
    ]
    return (
        f'{{"id": {number}, "cat-ids": {_listed(rank.catchments)},\n'
        f' "nex-ids": {_listed(rank.nexuses)},\n'
        f' "remote-connections": {json.dumps(remote)}}}'
    )


def _listed(ids: Sequence[str]) -> str:
    """Ids as a JSON list, joined at once unless one has a character to escape."""
    text = '", "'.join(ids)
    quotes = 2 * max(len(ids) - 1, 0)
    if ids and text.isascii() and text.isprintable() and "\\" not in text and text.count('"') == quotes:
        return f'["{text}"]'
    return json.dumps(list(ids))
