"""Where observations are: a file, a directory, several files, or an address.

A `Source` is what readers look at to say whether it is their own. Files that live elsewhere
are brought here first; Zarr stores are not, as they are read in pieces.
"""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from pathlib import Path

from dmod.errors import ObservationError
from dmod.formats.describe_glance import Glance
from dmod.formats.sidecar import cache_directory
from dmod.store.remote import fetched, is_remote, shown

__all__ = ["Source", "source_of"]

#: A service that a reader speaks to, such as ``usgs:``.
_SERVICE = re.compile(r"([a-z][a-z0-9_+.-]+):(?!//)(.+)", re.DOTALL)
_PATTERN = re.compile(r"[*?\[]")
_FILE = re.compile(r"file://(?:localhost)?(?=/)", re.IGNORECASE)


@dataclass(frozen=True)
class Source:
    """What a caller named: files of this machine, or an address that a reader knows."""

    #: As the caller wrote it.
    text: str
    #: The file or directory, or those that a pattern gave; empty for an address.
    paths: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """What it is called in errors and in the result."""
        if len(self.paths) == 1:
            return self.paths[0].name
        return shown(self.text) if is_remote(self.text) else self.text

    @property
    def service(self) -> str:
        """The service named before a colon, such as ``usgs``; empty for files."""
        found = None if self.paths else _SERVICE.fullmatch(self.text)
        return found[1] if found else ""

    @property
    def path(self) -> Path:
        """The only file or directory."""
        return self.paths[0]

    @cached_property
    def glance(self) -> Glance | None:
        """What is seen of the only file or directory; None of several, or of an address."""
        return Glance(self.paths[0]) if len(self.paths) == 1 else None

    @cached_property
    def files(self) -> tuple[Path, ...]:
        """All files: itself, those of the directory, or those of the pattern."""
        if self.glance is not None and self.glance.is_directory:
            return tuple(self.path / name for name in self.glance.names if not name.startswith("."))
        return self.paths


def source_of(place: str | os.PathLike[str]) -> Source:
    """The source that a caller names.

    Parameters
    ----------
    place : str or path-like
        A path, a pattern with ``*``, a URL, or a service and what is asked of it (``usgs:01073000``).

    Returns
    -------
    Source
        Nothing of it is read yet; a remote file has been brought into the cache.

    Raises
    ------
    ObservationError
        If there is no such file, or none fits the pattern.
    InputError, StoreError
        If a remote file cannot be brought here.
    """
    text = _FILE.sub("", os.fspath(place))
    if is_remote(text):
        if ".zarr" in text.rstrip("/").rpartition("/")[2] or text.endswith("/"):
            return Source(text)
        return Source(text, (fetched(text, cache_directory() or Path(tempfile.gettempdir())),))
    path = Path(text).expanduser()
    if not path.exists():
        if _SERVICE.fullmatch(text):
            return Source(text)
        if _PATTERN.search(text):
            return Source(text, _matching(str(path)))
    try:
        if not path.is_dir():
            with path.open("rb"):
                pass
    except OSError as problem:
        raise ObservationError(
            f"cannot open the observations {path}",
            reason=problem.strerror or str(problem),
            hint="check the path",
        ) from problem
    return Source(text, (path,))


def _matching(pattern: str) -> tuple[Path, ...]:
    """The files that fit a pattern."""
    whole = Path(pattern)
    fixed = list(takewhile(lambda part: not _PATTERN.search(part), whole.parts))
    found = tuple(sorted(Path(*fixed).glob(str(Path(*whole.parts[len(fixed) :])))))
    if not found:
        raise ObservationError("no file fits the pattern", pattern=pattern, hint="check the directory and the pattern")
    return found
