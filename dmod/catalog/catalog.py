"""The catalog: datasets added, found, opened, copied out, checked and removed.

`Catalog` brings ledger and store together. Bytes come first and the row last, so that what
is in the catalog is whole; bytes without a row go with the next sweep. A dataset may stay
where its owner has it, "in place": then it is looked at before every use.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from dmod.catalog.adding import MAIN, keep, register, require_free, seconds_of
from dmod.catalog.arriving import Given
from dmod.catalog.finding import category_of, find, format_of, question_of
from dmod.catalog.in_place import require_unchanged
from dmod.catalog.leaving import copy_out, require_room
from dmod.catalog.order import Swept, require_whole, sweep
from dmod.catalog.table import DatasetList
from dmod.data.coverage import Coverage, Everything
from dmod.data.dataset import Dataset, Lineage, check_name
from dmod.data.kinds import Category, Format
from dmod.errors import DatasetError, DmodError
from dmod.store.reporting import Progress

if TYPE_CHECKING:
    from dmod.ledger.ledger import Ledger
    from dmod.settings import Settings
    from dmod.store.root import Store

__all__ = ["Catalog"]

_SHOWN = 20
_GRACE_S = 86_400.0


class Catalog:
    """Datasets, and what one does with them.

    Parameters
    ----------
    ledger : Ledger
        Where datasets are listed.
    store : Store
        Where their bytes are; used with this ledger only, as what it does not list is swept.
    owner : str
        Who adds and removes.
    """

    def __init__(self, ledger: Ledger, store: Store, owner: str) -> None:
        self.ledger, self.store, self.owner = ledger, store, owner

    @classmethod
    def at(cls, settings: Settings, ledger: Ledger, *, owner: str) -> Self:
        """The catalog of a ledger, with the store that settings name; the store is not touched yet."""
        from dmod.formats.sidecar import cache_directory
        from dmod.store.root import Store

        return cls(ledger, Store(settings.store or settings.home / "store", cache=cache_directory()), owner)

    def add(
        self,
        what: Given,
        *,
        name: str | None = None,
        description: str = "",
        category: Category | str | None = None,
        format: Format | str | None = None,  # noqa: A002 - the field's word
        in_place: bool = False,
        lineage: Lineage | None = None,
        expires_in: timedelta | float | str | None = None,
        progress: Progress | None = None,
    ) -> Dataset:
        """Add a dataset; what it is and what it covers is found out.

        Parameters
        ----------
        what : path, bytes, xarray.Dataset or xarray.DataArray
            A file or directory, the contents of a file, or forcing, outputs or observations in memory.
        name : str, optional
            What it is called; made of the path, and unique, if not given.
        description : str
            What it is, in words.
        category, format : str, optional
            What it is for, and what it is; found out if not given. ``generic`` takes anything.
        in_place : bool
            Whether it stays where it is, and is not copied into the store.
        lineage : Lineage, optional
            What it was derived from.
        expires_in : timedelta, number of seconds, or str, optional
            How long it is kept, such as ``"7 days"``; for ever if not given.
        progress : callable, optional
            Is told step, bytes done and bytes to do.

        Returns
        -------
        Dataset
            As it stands in the catalog; for good, it never changes.

        Raises
        ------
        DatasetError
            If the name is taken, nobody knows what it is, or it changes meanwhile; nothing is added.
        InputError
            If it is damaged.
        StoreError
            If its bytes cannot be kept.
        """
        if name is not None:
            require_free(self.ledger, check_name(name))
        lasts_s = None if expires_in is None else seconds_of(expires_in)
        kept = keep(
            self.store, what, name=name, category=None if category is None else category_of(category),
            format_=None if format is None else format_of(format), in_place=in_place, progress=progress,
        )  # fmt: skip
        return register(
            self.ledger, kept, name=name, owner=self.owner, description=description, lineage=lineage, lasts_s=lasts_s
        )

    def list(
        self,
        category: Category | str | None = None,
        *,
        owner: str | None = None,
        text: str | None = None,
        limit: int | None = None,
    ) -> DatasetList:
        """Datasets, newest first.

        Parameters
        ----------
        category : str, optional
            What they are for.
        owner : str, optional
            Whose; everybody's otherwise.
        text : str, optional
            What name or description holds.
        limit : int, optional
            How many at most.

        Returns
        -------
        DatasetList
        """
        kind = None if category is None else category_of(category)
        return DatasetList(self.ledger.datasets(category=kind, owner=owner, text=text, limit=limit))

    def find(
        self,
        category: Category | str | None = None,
        coverage: Coverage | None = None,
        *,
        ids: Iterable[str] | str | Everything | None = None,
        start: str | datetime | None = None,
        end: str | datetime | None = None,
        variables: Iterable[str] | str | Everything | None = None,
        formats: Sequence[Format | str] | None = None,
        limit: int | None = None,
    ) -> DatasetList:
        """What covers this, the best first: least excess, then newest.

        Parameters
        ----------
        category : str, optional
            What it is for; any if not given.
        coverage : Coverage, optional
            All that it must hold; or the parts of it that matter:
        ids, variables : iterable of str, comma-separated str, or ALL, optional
            Which must be there; ``RAINRATE`` finds forcing whatever its files call it.
        start, end : str or datetime, optional
            The time that must be there, UTC, the end not included.
        formats : sequence of str, optional
            Which will do; any whose contents are known if not given.
        limit : int, optional
            How many at most.

        Returns
        -------
        DatasetList

        Raises
        ------
        CoverageError
            If nothing is asked, or it makes no sense.
        """
        question = question_of(coverage, ids=ids, start=start, end=end, variables=variables)
        kinds = tuple(Category) if category is None else (category_of(category),)
        named = None if formats is None else [format_of(one) for one in formats]
        return DatasetList(find(self.ledger, kinds, named, question, limit=limit))

    def show(self, ref: str) -> Dataset:
        """A dataset by its name or id.

        Raises
        ------
        DatasetError
            If there is none; the hint names some that are called nearly so.
        """
        return self.ledger.dataset(ref)

    def path(self, ref: str, *, progress: Progress | None = None) -> Path:
        """Where a dataset lies on this machine, fetched if it must be; not to be written to.

        Returns
        -------
        Path
            A file, or the directory of several; of a GeoJSON pair the file of the catchments.

        Raises
        ------
        DatasetError
            If there is none, or it lies in place and is gone or changed.
        StoreError
            If its bytes cannot be fetched.
        """
        return self._place(self.show(ref), progress)

    def open(self, ref: str, *, progress: Progress | None = None) -> Any:
        """Open a dataset as what it is, see `dmod.catalog.opening.opened`.

        Returns
        -------
        object
            Forcing, outputs and observations as xarray, lazily; a hydrofabric as a `Domain`;
            configurations as values of `dmod.model`; what has none as a path.

        Raises
        ------
        DatasetError
            If there is none, or it lies in place and is gone or changed.
        StoreError
            If its bytes cannot be fetched.
        """
        from dmod.catalog.opening import opened

        dataset = self.show(ref)
        return opened(self._place(dataset, progress), dataset.format, dataset.facts)

    def get(self, ref: str, target: str | os.PathLike[str], *, progress: Progress | None = None) -> Path:
        """Copy a dataset out, all of it or nothing.

        Parameters
        ----------
        ref : str
            Its name or id.
        target : path
            A directory, which must be empty or not there.
        progress : callable, optional
            Is told step, bytes done and bytes to do.

        Returns
        -------
        Path
            The directory, absolute; every byte in it was checked.

        Raises
        ------
        DatasetError
            If there is none, or it lies in place and is gone or changed.
        OutputError
            If the directory holds something, or cannot be written.
        StoreError
            If its bytes are gone or changed.
        """
        dataset = self.show(ref)
        folder = Path(target).expanduser().absolute()
        require_room(folder)
        if dataset.in_store:
            self.store.get(self.store.manifest(dataset.location), folder, progress=progress)
        else:
            copy_out(dataset, require_unchanged(dataset), folder, progress=progress)
        return folder

    def remove(self, ref: str) -> Dataset:
        """Take a dataset out of the catalog; its bytes go with the next sweep, those in place stay.

        Raises
        ------
        DatasetError
            If there is none, it is somebody else's, or a job that is not over uses it.
        """
        dataset = self.show(ref)
        if dataset.owner != self.owner:
            raise DatasetError(
                f"dataset {dataset.name!r} is not yours", owner=dataset.owner, hint="ask its owner to remove it"
            )
        return self.ledger.remove_dataset(dataset.id)

    def expire(self) -> tuple[str, ...]:
        """Take out datasets whose time is over and that no job uses; gives their names, sorted."""
        return tuple(self.ledger.expire(time.time()))

    def sweep(self, *, grace_s: float = _GRACE_S) -> Swept:
        """Take out what has expired, and remove bytes that no dataset needs.

        Parameters
        ----------
        grace_s : float
            Bytes that were put less than this ago stay in any case [s], from 0: somebody may be adding them.

        Returns
        -------
        Swept
            What is gone.

        Raises
        ------
        StoreError
            If the store does not answer, or is damaged where it may not be.
        """
        return sweep(self.ledger, self.store, now_s=time.time(), grace_s=grace_s)

    def verify(self, ref: str, *, remove_damaged: bool = False, progress: Progress | None = None) -> Dataset:
        """Read all bytes of a dataset and check that they are what was added.

        Parameters
        ----------
        ref : str
            Its name or id.
        remove_damaged : bool
            Whether what changed in the store is removed there, so that adding the same files again mends it.
        progress : callable, optional
            Is told step, bytes done and bytes to do.

        Returns
        -------
        Dataset
            If they are. Of files in place above 256 MiB, 64 samples are read.

        Raises
        ------
        DatasetError
            If not; names the files.
        StoreError
            If the store does not answer.
        """
        dataset = self.show(ref)
        if not dataset.in_store:
            require_unchanged(dataset, every_byte=True)
            return dataset
        require_whole(self.store, dataset, remove_damaged=remove_damaged, progress=progress)
        return dataset

    def __repr__(self) -> str:
        return f"Catalog({self.ledger.where}, {self.store.url}, owner={self.owner!r})"

    def _repr_html_(self) -> str:
        """The newest, as a table; where the ledger does not answer, where it is."""
        from html import escape

        try:
            return self.list(limit=_SHOWN)._repr_html_()
        except DmodError as problem:
            return f"<p>{escape(repr(self))}: {escape(problem.headline)}</p>"

    def _place(self, dataset: Dataset, progress: Progress | None) -> Path:
        """Where a dataset lies on this machine; in place only if it is what was added."""
        main = str(dataset.facts.get(MAIN, ""))
        if not dataset.in_store:
            require_unchanged(dataset)
            path = Path(dataset.location)
            return path / main if main and path.is_dir() else path
        folder = self.store.local(self.store.manifest(dataset.location), progress=progress)
        return folder / main if main else folder
