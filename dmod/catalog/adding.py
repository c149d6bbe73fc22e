"""What becomes of something that is added: described, and its bytes where they stay.

A dataset is opened by its one file, or else by its directory; where it is another file, as
that of the catchments of a GeoJSON pair, the fact `MAIN` names it. `keep` comes first and
`register` last, so that what is in the catalog is whole.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmod.catalog.arriving import Given, laid_out, name_for
from dmod.catalog.in_place import MAIN, STAMP, files_of, is_settled, stamp_of, take_stock
from dmod.data.dataset import Dataset, File, Lineage
from dmod.data.kinds import Category, Format
from dmod.errors import DatasetError
from dmod.store.reporting import Progress

if TYPE_CHECKING:
    from dmod.formats.describe_glance import Description
    from dmod.ledger.ledger import Ledger
    from dmod.store.root import Store

__all__ = ["MAIN", "Kept", "keep", "register", "require_free", "seconds_of"]

_TRIED = 50


@dataclass(frozen=True)
class Kept:
    """Bytes that are where they stay, and what they are."""

    #: A name that would suit.
    name: str
    #: Category, format, coverage, digest, size, files, location and facts of the dataset.
    fields: Mapping[str, Any]


def keep(
    store: Store,
    what: Given,
    *,
    name: str | None,
    category: Category | None,
    format_: Format | None,
    in_place: bool,
    progress: Progress | None,
) -> Kept:
    """Describe what is added, and put its bytes into the store unless they stay in place.

    Parameters
    ----------
    store : Store
        Where bytes go.
    what : path, bytes or xarray object
        What is added.
    name : str or None
        What it is to be called.
    category, format_ : Category, Format or None
        What it is said to be.
    in_place : bool
        Whether it stays where it is.
    progress : callable or None
        Is told step, bytes done and bytes to do.

    Returns
    -------
    Kept

    Raises
    ------
    DatasetError
        If nobody knows what it is, it is something else than was said, or it changes meanwhile.
    InputError
        If it is damaged.
    StoreError
        If its bytes cannot be kept.
    """
    from dmod.formats.describe import describe

    with laid_out(what, name=name, category=category, format_=format_, in_place=in_place) as path:
        found = describe(path, format=format_)
        kind = _kind(path, found, category)
        files = files_of(path, found.files, found.format, links_out=in_place)
        # Taken before the bytes are: what was written to since then was described wrongly.
        stamp, settled = stamp_of(files), is_settled(files)
        facts = {**found.facts, **_main(path, found), **({STAMP: stamp} if in_place and settled else {})}
        where = _taken_stock(path, files) if in_place else _stored(store, files, progress)
        if stamp_of(files) != stamp:
            raise DatasetError("it changed while it was added", path=path, hint="wait until it is whole")
        fields = {"category": kind, "format": found.format, "coverage": found.coverage, "facts": facts, **where}
        return Kept(name_for(what, found.format, path), fields)


def register(
    ledger: Ledger,
    kept: Kept,
    *,
    name: str | None,
    owner: str,
    description: str,
    lineage: Lineage | None,
    lasts_s: float | None,
) -> Dataset:
    """Put a dataset into the catalog.

    Parameters
    ----------
    ledger : Ledger
        Where datasets are listed.
    kept : Kept
        What it is; its bytes are where they stay.
    name : str or None
        What it is called; one that suits and is free if None.
    owner, description : str
        Whose it is, and what.
    lineage : Lineage or None
        What it was derived from.
    lasts_s : float or None
        How long it is kept [s], > 0; None for ever.

    Returns
    -------
    Dataset

    Raises
    ------
    DatasetError
        If the name is taken.
    """
    now_s = time.time()
    until_s = None if lasts_s is None else now_s + lasts_s
    while True:
        called = _free(ledger, kept.name) if name is None else name
        dataset = Dataset(
            id=uuid.uuid4().hex, name=called, owner=owner, description=description, lineage=lineage,
            created_s=now_s, expires_s=until_s, **kept.fields,
        )  # fmt: skip
        try:
            ledger.add_dataset(dataset)
        except DatasetError:
            if name is None and _taken(ledger, called):
                continue  # somebody took the name that was free a moment ago
            raise
        return dataset


def require_free(ledger: Ledger, name: str) -> None:
    """Refuse a name that is taken, before any bytes go anywhere.

    Raises
    ------
    DatasetError
        If it is.
    """
    if _taken(ledger, name):
        raise DatasetError(
            f"there is a dataset {name!r} already",
            hint="a dataset never changes: choose another name, or remove the old one first",
        )


def seconds_of(given: timedelta | float | str) -> float:
    """How long something is kept [s], > 0.

    Raises
    ------
    DatasetError
        If it is no such time.

    Examples
    --------
    >>> seconds_of("7 days"), seconds_of(90)
    (604800.0, 90.0)
    """
    import pandas as pd

    try:
        lasts = pd.Timedelta(given, unit="s") if isinstance(given, int | float) else pd.Timedelta(given)
        seconds = float(lasts.total_seconds())
    except (ValueError, TypeError):
        seconds = float("nan")
    if not seconds > 0:
        raise DatasetError(
            f"{str(given)!r} is no time to keep a dataset for", needed="more than 0 seconds, such as '7 days' or '12h'"
        )
    return seconds


def _taken_stock(path: Path, files: Mapping[str, Path]) -> dict[str, Any]:
    """Digest, size, files and location of what stays where it is."""
    stock = take_stock(files)
    return {"digest": stock.digest, "size": stock.size, "files": stock.files, "location": str(path)}


def _stored(store: Store, files: Mapping[str, Path], progress: Progress | None) -> dict[str, Any]:
    """Digest, size, files and location of what goes into the store."""
    manifest = store.put(files, progress=progress)
    listed = tuple(File(one.path, one.size, one.digest) for one in manifest.files)
    return {"digest": manifest.digest, "size": manifest.size, "files": listed, "location": manifest.location}


def _kind(path: Path, found: Description, category: Category | None) -> Category:
    """What it is for: as was said, if it can be."""
    if category is None:
        return found.category
    if category not in found.format.categories:
        raise DatasetError(
            f"this is {found.format.docs}, which is never of the category {category}",
            path=path,
            needed=", ".join(found.format.categories),
            hint="leave the category out, or add it with the format 'generic'",
        )
    return category


def _main(path: Path, found: Description) -> dict[str, str]:
    """The fact that names the file by which it is opened."""
    return {} if found.files == (path,) and path.is_dir() else {MAIN: found.files[0].name}


def _free(ledger: Ledger, name: str) -> str:
    """A name that nobody has, as near as possible to this one."""
    for number in range(1, _TRIED):
        tried = name if number == 1 else f"{name}-{number}"
        if not _taken(ledger, tried):
            return tried
    return f"{name}-{uuid.uuid4().hex[:8]}"


def _taken(ledger: Ledger, name: str) -> bool:
    """Whether a dataset is called so."""
    try:
        return ledger.dataset(name).name == name
    except DatasetError:
        return False
