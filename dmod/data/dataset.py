"""A dataset: a named, immutable collection of files, and what is known of it.

The bytes lie in the store (``store:…``) or where their owner has them ("in place"); this
room opens neither. Pure: whoever makes one gives the time.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import PurePath
from typing import Any, ClassVar

from dmod.data.coverage import Coverage, Everything
from dmod.data.kinds import Category, Format, can_serve
from dmod.data.span import stamp
from dmod.data.wire import read_json, write_json
from dmod.errors import DatasetError

__all__ = ["IN_STORE", "Category", "Dataset", "File", "Format", "Lineage", "can_serve", "check_file", "check_name"]

#: How the location of a dataset in the store begins.
IN_STORE = "store:"

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_DIGEST = re.compile(r"[a-z0-9-]+:[0-9a-f]{16,128}")
_DRIVE = re.compile(r"[A-Za-z]:")
_SECRET = re.compile(r"[a-z][a-z0-9+.-]*://[^/]*@")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://.+")
_STRICT: dict[str, Any] = {"extra": "forbid", "strict": True}
_LAST_S = 253_402_300_799


@dataclass(frozen=True, slots=True)
class File:
    """One file of a dataset."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT
    #: Place below the dataset's root, with ``/``: never absolute, never upwards.
    path: str
    #: Size [bytes], in [0, inf).
    size: int
    #: Digest of its bytes, ``sha256:…``; ``sha256-sampled:…`` of a large one in place.
    digest: str

    def __post_init__(self) -> None:
        check_file(self.path)
        if self.size < 0:
            raise DatasetError(f"the file {self.path!r} has a size below 0", has=self.size)
        _check_digest(self.digest, f"the file {self.path!r}")


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a dataset was derived from, and how."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT
    #: The rule that made it.
    rule: str
    #: Version of the rule.
    version: str
    #: Digests of the datasets it was made from.
    parents: tuple[str, ...]
    #: What the rule was told; as JSON has it.
    parameters: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not self.rule or not self.version:
            raise DatasetError("a lineage names its rule and the version of that", has=repr((self.rule, self.version)))
        object.__setattr__(self, "parameters", _plain(self.parameters, "the parameters of a lineage"))


@dataclass(frozen=True, repr=False)
class Dataset:
    """A named, immutable collection of files.

    Examples
    --------
    >>> from dmod.data.coverage import ALL
    >>> one = Dataset(
    ...     id="1", name="mad-river", category=Category.HYDROFABRIC, format=Format.GEOPACKAGE,
    ...     coverage=Coverage.of(spans=ALL, ids=["cat-1", "cat-2"], variables=ALL),
    ...     digest="sha256:" + "0" * 64, size=4096, files=(), location="/data/mad.gpkg", owner="ada",
    ... )
    >>> one
    <Dataset 'mad-river': hydrofabric, geopackage, 4.1 kB>
    >>> Dataset.from_json(one.to_json()) == one
    True
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT
    #: Its own for ever; no two datasets share one.
    id: str
    #: What people call it, see `check_name`; unique in a ledger.
    name: str
    #: What it is for.
    category: Category
    #: How its bytes are laid out; one of those of the category.
    format: Format
    #: What it holds.
    coverage: Coverage
    #: Digest of all of it, ``sha256:…``.
    digest: str
    #: Size of all files [bytes], in [0, inf).
    size: int
    #: Its files, none twice; may be left out where the bytes lie in place.
    files: tuple[File, ...]
    #: Where the bytes lie: ``store:<path>``, an absolute path, or a URL.
    location: str
    #: What it was derived from; None for what was brought in.
    lineage: Lineage | None = None
    #: Who made it.
    owner: str = ""
    #: What it is, in words.
    description: str = ""
    #: When it was published [s since 1970].
    created_s: float = 0.0
    #: From when on it may be removed [s since 1970]; None for never.
    expires_s: float | None = None
    #: More: version of the hydrofabric, number of parts, units; as JSON has it.
    facts: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        check_name(self.name)
        of = f"dataset {self.name!r}"
        if not self.id:
            raise DatasetError(f"{of} has no id")
        if self.category not in self.format.categories:
            raise DatasetError(
                f"{of} cannot be {self.format} of the category {self.category}",
                needed=", ".join(self.format.categories),
                hint=f"{self.format} is {self.format.docs}",
            )
        extents = (self.coverage.spans, self.coverage.ids, self.coverage.variables)
        if any(isinstance(extent, Everything) and extent.but is not None for extent in extents):
            raise DatasetError(f"{of} says only what it does not hold", has=self.coverage, hint="list what it holds")
        _check_digest(self.digest, of)
        self._check_files(of)
        _check_location(self.location, of)
        self._check_times(of)
        object.__setattr__(self, "facts", _plain(self.facts, f"the facts of {of}"))

    @property
    def ref(self) -> str:
        """What a request calls it: its name."""
        return self.name

    @property
    def in_store(self) -> bool:
        """Whether its bytes lie in the store; else they lie where their owner has them."""
        return self.location.startswith(IN_STORE)

    def expired(self, now_s: float) -> bool:
        """Whether it may be removed at *now_s* [s since 1970]."""
        return self.expires_s is not None and self.expires_s <= now_s

    def to_json(self) -> str:
        """As JSON, in one line."""
        return write_json(Dataset, self)

    @classmethod
    def from_json(cls, text: str | bytes) -> Dataset:
        """A dataset again.

        Raises
        ------
        DatasetError
            If the text is none, or one that contradicts itself.
        """
        return read_json(cls, text, what="dataset")

    def rows(self) -> dict[str, str]:
        """What to show: a label and a text for each thing that is known."""
        count = f", {len(self.files):,} file{'s' * (len(self.files) != 1)}" if self.files else ""
        made = self.lineage and f"{self.lineage.rule} {self.lineage.version}"
        parents = ", ".join(map(_short, self.lineage.parents)) if self.lineage else ""
        rows = {
            "what": f"{self.category}, {self.format.docs}",
            "holds": str(self.coverage),
            "size": _bytes(self.size) + count,
            "where": "in the store" if self.in_store else self.location,
            "digest": _short(self.digest),
            "derived": f"by {made}{f' from {parents}' if parents else ''}" if made else "",
            "owner": self.owner,
            "created": stamp(self.created_s) if self.created_s else "",
            "expires": stamp(self.expires_s) if self.expires_s is not None else "",
            "about": self.description,
        }
        return {label: text for label, text in rows.items() if text}

    def __str__(self) -> str:
        return "\n".join([self.name, *(f"  {label:<8} {text}" for label, text in self.rows().items())])

    def __repr__(self) -> str:
        return f"<Dataset {self.name!r}: {self.category}, {self.format}, {_bytes(self.size)}>"

    def _repr_html_(self) -> str:
        """A small table."""
        cells = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in self.rows().items())
        return f'<table class="dmod-dataset"><caption>{escape(self.name)}</caption>{cells}</table>'

    def _check_files(self, of: str) -> None:
        """Refuse a size that is not that of the files, and files that are there twice."""
        if self.size < 0:
            raise DatasetError(f"{of} has a size below 0", has=self.size)
        if not self.files:
            if self.in_store:
                raise DatasetError(f"{of} has no files", hint="nothing is kept in the store for it; add some")
            return
        (path, times), *_ = Counter(file.path for file in self.files).most_common(1)
        if times > 1:
            raise DatasetError(f"{of} has the file {path!r} {times} times", hint="give each file one place")
        if (total := sum(file.size for file in self.files)) != self.size:
            raise DatasetError(f"the size of {of} is not that of its files", needed=total, has=self.size)

    def _check_times(self, of: str) -> None:
        """Refuse times out of order, or out of the calendar."""
        for at in (self.created_s, self.expires_s):
            if at is not None and not 0 <= at <= _LAST_S:
                raise DatasetError(f"{of} has a time out of range", needed="seconds since 1970", has=at)
        if self.expires_s is not None and self.expires_s <= self.created_s:
            raise DatasetError(
                f"{of} expires before it is there", created=stamp(self.created_s), expires=stamp(self.expires_s)
            )


def check_name(name: object) -> str:
    """Refuse what cannot be the name of a dataset.

    Parameters
    ----------
    name : str
        Small letters, digits, ``.``, ``_`` and ``-``, at most 100; the first a letter or digit.

    Returns
    -------
    str
        The name.

    Raises
    ------
    DatasetError
        If it is none; the hint has one that would do.

    Examples
    --------
    >>> check_name("aorc-2016")
    'aorc-2016'
    >>> check_name("AORC 2016")
    Traceback (most recent call last):
    dmod.errors.DatasetError: 'AORC 2016' cannot be the name of a dataset
      needed  small letters, digits and . _ -, at most 100, the first a letter or digit
      -> 'aorc-2016' would do
    """
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    near = re.sub(r"[^a-z0-9._-]+", "-", str(name).lower()).strip("-._")[:100]
    shown = name if len(str(name)) <= 120 else f"{str(name)[:117]}..."
    raise DatasetError(
        f"{shown!r} cannot be the name of a dataset",
        needed="small letters, digits and . _ -, at most 100, the first a letter or digit",
        hint=f"{near!r} would do" if near else "choose another",
    )


def check_file(path: object) -> str:
    """Refuse a path that leaves the root it is below, or means something else on another system.

    Parameters
    ----------
    path : str
        Relative, with ``/``.

    Returns
    -------
    str
        The path.

    Raises
    ------
    DatasetError
        If it is absolute, goes upwards, is not in its shortest form, or holds a backslash or a
        character that cannot be printed.
    """
    if (
        isinstance(path, str)
        and path.isprintable()
        and "\\" not in path
        and _DRIVE.match(path) is None
        and not {"", ".", ".."} & set(path.split("/"))
    ):
        return path
    raise DatasetError(
        f"{path!r} cannot be the path of a file in a dataset",
        needed="a relative path with '/', without '..'",
        hint="give the path below the dataset's root",
    )


def _bytes(count: float) -> str:
    """A number of bytes as people read it: ``4.1 kB``."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if count < 1000 or unit == "TB":
            break
        count /= 1000
    return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"


def _check_digest(digest: str, of: str) -> None:
    """Refuse what is no digest."""
    if not _DIGEST.fullmatch(digest):
        raise DatasetError(f"{of} has no digest", needed="sha256:…", has=repr(digest))


def _check_location(location: str, of: str) -> None:
    """Refuse a location that nobody finds again."""
    if location.startswith(IN_STORE):
        check_file(location.removeprefix(IN_STORE))
    elif _SECRET.match(location):
        raise DatasetError(
            f"the location of {of} has a name or password in it",
            hint="leave them out; they come from the environment of whoever reads it",
        )
    elif not PurePath(location).is_absolute() and not _URL.fullmatch(location):
        raise DatasetError(
            f"the location of {of} cannot be found again",
            needed=f"{IN_STORE}<path>, an absolute path, or a URL",
            has=repr(location),
            hint="make the path absolute",
        )


def _plain(given: Mapping[str, Any], what: str) -> dict[str, Any]:
    """A copy that JSON has too, so that nobody changes it and it comes back as it was."""
    try:
        copied: dict[str, Any] = json.loads(json.dumps(dict(given), allow_nan=False))
    except (TypeError, ValueError) as problem:
        raise DatasetError(f"{what} cannot be kept", reason=str(problem), hint="use texts, numbers and lists") from None
    return copied


def _short(digest: str) -> str:
    """The beginning of a digest, for people."""
    kind, _, hexes = digest.partition(":")
    return f"{kind}:{hexes[:12]}…" if len(hexes) > 12 else digest
