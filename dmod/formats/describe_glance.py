"""What is seen of a file or directory at first sight, before anybody knows what it is.

A `Glance` reads the first bytes of a file, or lists a directory, once for all who ask; a
`Detector` tells by it whether something is of one format, and then describes it as a
`Description`. Who they are stands in `dmod.formats.describe`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from dmod.data.coverage import Coverage, IdSet
from dmod.data.kinds import Category, Format
from dmod.errors import DatasetError
from dmod.formats.names import Names

__all__ = ["Description", "Detector", "Glance", "id_set"]

T = TypeVar("T")

_HEAD_BYTES = 64 * 1024
#: JSON that is longer is not read to find out what it is [bytes].
_JSON_BYTES = 256 * 10**6
_HDF5, _SQLITE = b"\x89HDF\r\n\x1a\n", b"SQLite format 3\0"
_ARCHIVES = (b"PK\3\4", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")
_SHOWN = 4


@dataclass(frozen=True)
class Description:
    """What a file or directory is."""

    #: What it is for.
    category: Category
    #: How it is laid out.
    format: Format
    #: What it holds; a dimension that such data do not have is all.
    coverage: Coverage
    #: What else is known, in types that JSON has.
    facts: Mapping[str, Any] = field(default_factory=dict)
    #: The files and directories it is made of, each whole; all in one directory.
    files: tuple[Path, ...] = ()

    def __str__(self) -> str:
        return f"{self.format}: {self.coverage}"


@dataclass(frozen=True)
class Glance:
    """A file or directory at first sight; nothing is read before it is asked for."""

    #: Where it is.
    path: Path

    def __post_init__(self) -> None:
        if not self.path.exists():
            raise DatasetError("there is nothing to describe: no such file or directory", path=self.path)

    @cached_property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return self.path.is_dir()

    @cached_property
    def _entries(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of the files and of the folders, sorted."""
        if not self.is_directory:
            return (), ()
        try:
            with os.scandir(self.path) as entries:
                told = [(entry.name, entry.is_dir()) for entry in entries]
        except OSError as problem:
            raise DatasetError("the directory cannot be read", path=self.path, reason=problem.strerror) from problem
        return tuple(sorted(n for n, is_dir in told if not is_dir)), tuple(sorted(n for n, is_dir in told if is_dir))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files of a directory, sorted; hidden ones too."""
        return self._entries[0]

    @property
    def folders(self) -> tuple[str, ...]:
        """Names of the folders of a directory, sorted."""
        return self._entries[1]

    @cached_property
    def head(self) -> bytes:
        """The first bytes of a file; none of a directory."""
        if self.is_directory:
            return b""
        try:
            with self.path.open("rb") as file:
                return file.read(_HEAD_BYTES)
        except OSError as problem:
            raise DatasetError("the file cannot be read", path=self.path, reason=problem.strerror) from problem

    @property
    def is_hdf5(self) -> bool:
        """Whether it is an HDF5 file, as NetCDF-4 is."""
        return self.head.startswith(_HDF5)

    @property
    def is_sqlite(self) -> bool:
        """Whether it is an SQLite file, as a GeoPackage is."""
        return self.head.startswith(_SQLITE)

    @property
    def is_archive(self) -> bool:
        """Whether it is a tar or zip archive, or compressed."""
        return self.head.startswith(_ARCHIVES) or self.head[257:262] == b"ustar"

    @property
    def is_zarr(self) -> bool:
        """Whether it is a Zarr store, version 3 or 2."""
        return bool({"zarr.json", ".zgroup", ".zmetadata"} & set(self.names))

    @cached_property
    def text(self) -> str:
        """The beginning of a file of text; empty for any other."""
        if b"\0" in self.head:
            return ""
        # The last character may be cut.
        text = self.head.decode("utf-8-sig", errors="replace").rstrip("\ufffd")
        return "" if "\ufffd" in text else text

    @cached_property
    def first_line(self) -> str:
        """The first line of a file of text, without its end."""
        return self.text.partition("\n")[0].rstrip("\r")

    @cached_property
    def json(self) -> Any:
        """What is in a JSON file that begins an object and is no map; None for any other."""
        if self.text.lstrip()[:1] != "{" or '"FeatureCollection"' in self.text:
            return None
        if self.path.stat().st_size > _JSON_BYTES:
            return None
        try:
            return json.loads(self.path.read_bytes())
        except ValueError:
            return None

    @cached_property
    def arrays(self) -> Mapping[str, tuple[int, ...]]:
        """Name to shape of the arrays of an HDF5 file; empty for any other, or a damaged one."""
        import h5py

        if not self.is_hdf5:
            return {}
        try:
            with h5py.File(self.path, "r", locking=False) as file:
                items = {name: file.get(name) for name in file}
                return {name: tuple(item.shape) for name, item in items.items() if hasattr(item, "shape")}
        except (OSError, RuntimeError, KeyError):
            return {}

    @cached_property
    def _answers(self) -> dict[Callable[[Glance], Any], Any]:
        """What was asked before."""
        return {}

    def once(self, ask: Callable[[Glance], T]) -> T:
        """The answer to a question about this, which is worked out once."""
        if ask not in self._answers:
            self._answers[ask] = ask(self)
        answer: T = self._answers[ask]
        return answer

    def within(self, name: str) -> Glance:
        """What is seen of a file or folder in a directory."""
        return Glance(self.path / name)

    def described(
        self, format_: Format, coverage: Coverage, facts: Mapping[str, Any], files: tuple[Path, ...] = ()
    ) -> Description:
        """The description of this as being of a format; of itself alone if no *files* are given."""
        return Description(format_.categories[0], format_, coverage, facts, files or (self.path,))

    def seen(self) -> str:
        """What it looks like, for people."""
        if self.is_directory:
            shown = ", ".join([f"{name}/" for name in self.folders[:_SHOWN]] + list(self.names[:_SHOWN]))
            return f"a directory of {len(self.names)} files and {len(self.folders)} folders: {shown or 'empty'}"
        if self.is_hdf5:
            return f"an HDF5 file with {', '.join(list(self.arrays)[:8]) or 'no arrays, or damaged'}"
        if self.is_sqlite:
            return "an SQLite file"
        if self.is_archive:
            return "an archive"
        if self.head.startswith(b"CDF"):
            return "a NetCDF-3 file, which is to be converted to NetCDF-4"
        if not self.head:
            return "an empty file"
        begins = repr(self.text[:60]) if self.text else repr(self.head[:16])
        return f"{'text' if self.text else 'bytes'} that begin{'s' if self.text else ''} with {begins}"


@dataclass(frozen=True, slots=True)
class Detector:
    """Tells one format from others; what the entry points of ``dmod.formats`` name."""

    #: What it detects.
    format: Format
    #: Whether something is of the format. Quick: by a glance, and never an error.
    sniff: Callable[[Glance], bool]
    #: Describes what is; raises an `InputError` where it is damaged or contradicts itself.
    describe: Callable[[Glance], Description]


def id_set(names: Names) -> IdSet:
    """Ids of a table as a set, without making texts of them."""
    numbers = {f"{prefix}-": names.numbers[names.having([prefix])] for prefix in names.prefixes}
    known = np.isin(names.codes, [])
    for prefix in names.prefixes:
        known |= names.having([prefix])
    odd = names.take(np.flatnonzero(names.present & ~known)).to_list()
    return IdSet(numbers) | IdSet.of(odd)
