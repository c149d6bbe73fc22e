"""Keeping the store in order: bytes that are damaged, and bytes that no dataset needs.

What a dataset needs is the ledger's to say; a store is swept with its own ledger only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmod.data.dataset import Dataset
from dmod.errors import DatasetError, StoreError
from dmod.store.reporting import Progress

if TYPE_CHECKING:
    from dmod.ledger.ledger import Ledger
    from dmod.store.root import Store

__all__ = ["Swept", "require_whole", "sweep"]


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep removed."""

    #: Names of the datasets whose time was over, sorted.
    expired: tuple[str, ...]
    #: Objects of the store that no dataset needs [1], from 0.
    objects: int
    #: Their bytes [byte], from 0.
    size: int


def sweep(ledger: Ledger, store: Store, *, now_s: float, grace_s: float) -> Swept:
    """Take out datasets whose time is over and that no job uses, and remove bytes that none needs.

    Parameters
    ----------
    ledger : Ledger
        Where datasets are listed.
    store : Store
        Where the bytes of those in no other ledger are.
    now_s : float
        The time it is [s since 1970].
    grace_s : float
        Bytes that were put less than this ago stay in any case [s], from 0.

    Returns
    -------
    Swept
        What is gone.

    Raises
    ------
    StoreError
        If the store does not answer, or what stays in it is damaged; then no bytes are removed.
    """
    expired = tuple(ledger.expire(now_s))
    # Digests of samples are those of files in place, and none of them is in the store.
    keep = [one for one in ledger.digests() if one.startswith("sha256:")]
    gone = store.sweep(keep, grace_s=grace_s)
    return Swept(expired, gone.objects, gone.size)


def require_whole(store: Store, dataset: Dataset, *, remove_damaged: bool, progress: Progress | None) -> None:
    """Read all bytes of a dataset and refuse it if they are not what was added.

    Parameters
    ----------
    store : Store
        Where they are.
    dataset : Dataset
        One in the store.
    remove_damaged : bool
        Whether what changed is removed, so that adding the same files again mends it.
    progress : callable or None
        Is told step, bytes done and bytes to do.

    Raises
    ------
    DatasetError
        If bytes changed or are gone; names the files.
    StoreError
        If the store does not answer.
    """
    try:
        store.verify(store.manifest(dataset.location), remove_damaged=remove_damaged, progress=progress)
    except StoreError as problem:
        # The store names the files or the dataset that is damaged; anything else is trouble of its own.
        wrong = problem.facts.get("files", problem.facts.get("dataset"))
        if wrong is None:
            raise
        raise DatasetError(
            f"dataset {dataset.name!r} is not what was added: {problem.headline}",
            changed=wrong,
            store=store.url,
            hint="verify it with remove_damaged, then add the same files again, which mends this one too",
        ) from problem
