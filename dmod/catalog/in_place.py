"""Datasets that stay where their owner has them: what lies there, and whether it still does.

Every file is digested when a dataset is added. Later its size and the time of its last
change are looked at first, and the bytes only where those differ. Nothing is written here.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dmod.data.dataset import Dataset, File
from dmod.data.kinds import Format
from dmod.errors import DatasetError
from dmod.store.digest import digest
from dmod.store.sources import sources_in

__all__ = ["MAIN", "STAMP", "Stock", "files_of", "is_settled", "require_unchanged", "stamp_of", "take_stock"]

#: The fact of a dataset that names the file by which it is opened, where it is not its directory.
MAIN = "main"
#: The fact of a dataset by which it is seen at a glance that nothing changed.
STAMP = "stamp"
#: Of a directory with more files only the digest of all is kept, so that the ledger stays small.
_LISTED = 10_000
#: What was changed so recently may change once more without its time telling [s].
_FRESH_S = 2.0
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Stock:
    """What lies somewhere."""

    #: Each file; none where there are too many to list.
    files: tuple[File, ...]
    #: Of all of it; that of the same files in a store where every byte was read.
    digest: str
    #: Of all files [bytes], in [0, inf).
    size: int


def files_of(path: Path, parts: Sequence[Path], format_: Format, *, links_out: bool) -> dict[str, Path]:
    """The files of a dataset, by their place in it.

    Parameters
    ----------
    path : Path
        What was described: a file or a directory.
    parts : sequence of Path
        The files and directories that belong to it, as `dmod.formats.describe` lists them.
    format_ : Format
        What it is; what runs wrote into a run directory does not belong to it.
    links_out : bool
        Whether links may lead out of a directory; what is copied into a store has none.

    Returns
    -------
    dict of str to Path
        In the order of their places; at least one.

    Raises
    ------
    DatasetError
        If a directory cannot be read, has no files, or links that lead out or round in circles.
    """
    skipped = {"outputs"} if format_ is Format.COMPOSITE else set()
    found: dict[str, Path] = {}
    for part in parts:
        if part.is_dir():
            above = "" if part == path else f"{part.name}/"
            below = _below(part, skipped) if links_out else _inside(part, skipped)
            found |= {above + place: file for place, file in below}
        else:
            found[part.name] = part
    if not found:
        raise DatasetError("the directory has no files", path=path, hint="there is nothing to keep")
    return dict(sorted(found.items()))


def stamp_of(files: Mapping[str, Path]) -> str:
    """Sizes and times of last change of files, as one text; another once somebody wrote to one."""
    state = hashlib.sha256()
    for place, file in files.items():
        told = _stat(file)
        state.update(f"{told.st_size} {told.st_mtime_ns} {place}\n".encode())
    return state.hexdigest()[:32]


def is_settled(files: Mapping[str, Path]) -> bool:
    """Whether the last change of all files is so long ago that another would have another time."""
    return max(_stat(file).st_mtime for file in files.values()) < time.time() - _FRESH_S


def take_stock(files: Mapping[str, Path]) -> Stock:
    """Digest every file.

    Parameters
    ----------
    files : mapping of str to Path
        Place in the dataset to file.

    Returns
    -------
    Stock

    Raises
    ------
    DatasetError
        If one cannot be read.
    """
    listed = tuple(File(place, _stat(file).st_size, _digest(file)) for place, file in files.items())
    state = hashlib.sha256()
    for one in listed:
        state.update(f"{one.digest} {one.size} {one.path}\n".encode())
    whole = all(one.digest.startswith("sha256:") for one in listed)
    kept = listed if len(listed) <= _LISTED else ()
    kind = "sha256" if whole else "sha256-sampled"
    return Stock(kept, f"{kind}:{state.hexdigest()}", sum(one.size for one in listed))


def require_unchanged(dataset: Dataset, *, every_byte: bool = False) -> dict[str, Path]:
    """Refuse a dataset in place that is not what was added.

    Parameters
    ----------
    dataset : Dataset
        Not in the store.
    every_byte : bool
        Whether files are read even where sizes and times say that nobody wrote to them.

    Returns
    -------
    dict of str to Path
        Its files, by their place in it.

    Raises
    ------
    DatasetError
        If it is gone, or files of it are gone, new or changed; names them.
    """
    path = Path(dataset.location)
    if not path.exists():
        raise DatasetError(
            f"dataset {dataset.name!r} is not where it was",
            path=path,
            hint="put it back, or remove it from the catalog and add it where it is now",
        )
    folder = path if path.is_dir() else path.parent
    beside = [folder / one.path for one in dataset.files]
    whole = path.is_dir() and MAIN not in dataset.facts
    parts = [path] if whole else [one for one in beside if one.exists()] or [path]
    files = files_of(path, parts, dataset.format, links_out=True)
    if not every_byte and dataset.facts.get(STAMP) == stamp_of(files):
        return files
    if differs := _differences(dataset, files):
        more = f", and {len(differs) - _SHOWN} more" if len(differs) > _SHOWN else ""
        raise DatasetError(
            f"dataset {dataset.name!r} changed since it was added",
            path=path,
            changed=", ".join(differs[:_SHOWN]) + more,
            hint="put back what was there, or remove it from the catalog and add it anew",
        )
    return files


def _differences(dataset: Dataset, files: Mapping[str, Path]) -> list[str]:
    """What is not as it was, in words."""
    if not dataset.files:
        return [] if take_stock(files).digest == dataset.digest else ["something in the directory"]
    held = {one.path: one for one in dataset.files}
    gone = [f"{place} is gone" for place in held if place not in files]
    new = [f"{place} is new" for place in files if place not in held]
    other = [
        place
        for place, one in held.items()
        if place in files and (_stat(files[place]).st_size != one.size or _digest(files[place]) != one.digest)
    ]
    return [*other, *gone, *new]


def _inside(folder: Path, skipped: set[str]) -> Iterator[tuple[str, Path]]:
    """Files below a directory, each with its place; links stay inside."""
    try:
        for one in sources_in(folder):
            if one.path.partition("/")[0] not in skipped and isinstance(one.origin, Path):
                yield one.path, one.origin
    except OSError as problem:
        raise _unreadable(folder, problem) from problem


def _below(folder: Path, skipped: set[str]) -> Iterator[tuple[str, Path]]:
    """Files below a directory, links followed, each with its place."""
    todo: list[tuple[Path, str, tuple[Path, ...]]] = [(folder, "", (folder.resolve(),))]
    while todo:
        here, above, way = todo.pop()
        try:
            with os.scandir(here) as entries:
                listed = sorted(entries, key=lambda one: one.name)
        except OSError as problem:
            raise _unreadable(here, problem) from problem
        for entry in listed:
            path = Path(entry.path)
            if not entry.is_dir():
                yield above + entry.name, path
            elif above or entry.name not in skipped:
                real = path.resolve()
                if real in way:
                    raise DatasetError("a link leads round in circles", path=path, hint="remove it")
                todo.append((path, f"{above}{entry.name}/", (*way, real)))


def _stat(file: Path) -> os.stat_result:
    """Size and times of a file."""
    try:
        return file.stat()
    except OSError as problem:
        raise _unreadable(file, problem) from problem


def _digest(file: Path) -> str:
    """The digest of a file."""
    try:
        return digest(file)
    except OSError as problem:
        raise _unreadable(file, problem) from problem


def _unreadable(path: Path, problem: OSError) -> DatasetError:
    """The error of what cannot be read."""
    return DatasetError(
        "a file of the dataset cannot be read", path=path, reason=problem.strerror, hint="check that it may be read"
    )
