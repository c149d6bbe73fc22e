"""Hydrofabrics by address: a path, ``file://``, or anything that is fetched into the cache first.

Of ngen's pair of GeoJSON files the nexuses are fetched along with the catchments, by the
name they have beside them. Nothing is read here.
"""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from dmod.domain.index import Progress
from dmod.errors import InputError
from dmod.formats.sidecar import cache_directory
from dmod.store.remote import fetched, is_remote

__all__ = ["brought"]


def brought(
    place: str | Path, nexus_place: str | Path | None = None, *, progress: Progress | None = None
) -> tuple[Path, Path | None]:
    """Paths of this machine for the addresses of a hydrofabric.

    Parameters
    ----------
    place, nexus_place : path or URL
        As `Domain.open` takes them.
    progress : callable, optional
        Told (fraction, what) while a file is fetched.

    Returns
    -------
    tuple of Path
        The hydrofabric, and the nexus file of a GeoJSON pair; None where it is to be looked for.

    Raises
    ------
    InputError
        If an address makes no sense, or there is no such file.
    StoreError
        If a server cannot be reached, or there is no room for the file.
    """
    nexus = None if nexus_place is None else _here(nexus_place, progress)
    if nexus is None and (likely := _nexuses_of(place)) is not None:
        try:
            nexus = _here(likely, None)
        except InputError:
            nexus = None  # by another name, or none at all: reading says what is missing
    return _here(place, progress), nexus


def _here(place: str | Path, progress: Progress | None) -> Path:
    """The path of an address on this machine."""
    if is_remote(place):
        tell = None if progress is None else lambda share: progress(share, "fetching")
        return fetched(str(place), cache_directory() or Path(tempfile.gettempdir()), tell)
    text = str(place)
    if text.lower().startswith("file://"):
        return Path(unquote(urlsplit(text).path))
    return Path(place).expanduser()


def _nexuses_of(place: str | Path) -> str | None:
    """The address of the nexuses that lie beside a remote GeoJSON file of catchments."""
    if not is_remote(place):
        return None
    parts = urlsplit(str(place))
    path = PurePosixPath(parts.path)
    name = path.name.replace("catchment", "nexus")
    if name == path.name or path.suffix not in (".geojson", ".json"):
        return None
    return parts._replace(path=str(path.with_name(name))).geturl()
