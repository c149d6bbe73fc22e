"""The catalog: which datasets there are, which cover what is needed, and which jobs use them.

A dataset never changes once it is here; it is added, used and removed. The bytes are the
store's. `Datasets.find` sieves by the least that a coverage must have to cover another,
in columns of an index, and asks the coverages themselves only for what is left.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from difflib import get_close_matches
from typing import Any

from dmod.data.coverage import ALL, Coverage, Everything, IdSet, Span
from dmod.data.dataset import Dataset, Lineage
from dmod.data.kinds import Category, Format
from dmod.data.requirement import rank
from dmod.errors import DatasetError
from dmod.ledger.claims import OPEN, no_such_job
from dmod.ledger.database import Database
from dmod.ledger.transaction import Transaction, storable

__all__ = ["Datasets"]

#: Stands for the edges of what is not listed: no id has a number beyond.
_FAR = 2**61
#: Ids of a dataset lie within 4^reach of each other; those of "all" just do.
_REACHES = range(32)
#: One second of one id and one variable: what the size of a coverage is counted in.
_UNIT = Coverage.of(spans=Span(0, 1), ids=["cat-0"], variables=["-"])
#: How far two sizes may differ by rounding alone [1].
_ROUNDING = 1e-12
_PAGE = 256
_NEAR = 1000
_IN_USE = f"EXISTS (SELECT 1 FROM uses JOIN jobs ON jobs.id = uses.job WHERE uses.dataset = datasets.id AND {OPEN})"


class Datasets:
    """Datasets, by name, by what they hold, and by who uses them."""

    _db: Database

    def add_dataset(self, dataset: Dataset) -> None:
        """Add a dataset, see `add_datasets`."""
        self.add_datasets([dataset])

    def add_datasets(self, datasets: Iterable[Dataset]) -> None:
        """Add datasets, all of them or none; one that is there already, just as it is, stays.

        Parameters
        ----------
        datasets : iterable of Dataset
            Published: their bytes are where they say.

        Raises
        ------
        DatasetError
            If a name or an id is taken.
        """
        with self._db.write() as tx:
            for dataset in datasets:
                kept = _columns(dataset)
                if tx.run(_INSERT, **kept):
                    continue
                there = tx.row("SELECT id, name, text FROM datasets WHERE name = :name OR id = :id", **_keys(dataset))
                if there is None or there.text != kept["text"]:
                    raise DatasetError(
                        f"there is a dataset {dataset.name!r} already"
                        if there is None or there.name == dataset.name
                        else f"the dataset {there.name!r} has the same id",
                        id=there.id if there else dataset.id,
                        hint="a dataset never changes: choose another name, or remove the old one first",
                    )

    def dataset(self, ref: str) -> Dataset:
        """A dataset by its name, or else its id.

        Raises
        ------
        DatasetError
            If there is none; the hint names some that are called nearly so.
        """
        with self._db.read() as tx:
            return _dataset(_find(tx, ref))

    def datasets(
        self,
        *,
        category: Category | None = None,
        owner: str | None = None,
        text: str | None = None,
        limit: int | None = None,
    ) -> list[Dataset]:
        """Datasets, newest first.

        Parameters
        ----------
        category : Category, optional
            What they are for; anything otherwise.
        owner : str, optional
            Whose; everybody's otherwise.
        text : str, optional
            What their name or description holds, in small letters or large.
        limit : int, optional
            How many at most.

        Returns
        -------
        list of Dataset
        """
        conditions, given = ["1 = 1"], dict[str, Any]()
        if category is not None:
            conditions.append("category = :category")
            given["category"] = str(category)
        if owner is not None:
            conditions.append("owner = :owner")
            given["owner"] = owner
        if text is not None:
            conditions.append("(LOWER(name) LIKE :text ESCAPE '!' OR LOWER(description) LIKE :text ESCAPE '!')")
            given["text"] = f"%{_literal(storable(text).lower())}%"
        if limit is not None:
            given["limit"] = limit
        with self._db.read() as tx:
            found = tx.rows(
                f"SELECT text FROM datasets WHERE {' AND '.join(conditions)} ORDER BY created_s DESC, name"
                + (" LIMIT :limit" if limit is not None else ""),
                **given,
            )
        return [_dataset(row) for row in found]

    def find(
        self,
        category: Category,
        formats: Sequence[Format],
        coverage: Coverage,
        *,
        limit: int | None = None,
        matters: tuple[bool, bool, bool] = (True, True, True),
    ) -> list[Dataset]:
        """Datasets that hold all of what is needed, the best first.

        Parameters
        ----------
        category : Category
            What they are for.
        formats : sequence of Format
            The formats that will do.
        coverage : Coverage
            What they must hold.
        limit : int, optional
            How many at most; all otherwise.
        matters : (bool, bool, bool)
            Whether times, ids and variables matter; *coverage* is ALL in those that do not.

        Returns
        -------
        list of Dataset
            By least excess, then newest, then name, see `dmod.data.requirement.rank`.
        """
        given = {"category": str(category), "formats": Transaction.listed(formats), **_sieve(coverage, matters)}
        ids: list[str] = []
        with self._db.read() as tx:
            distances = ", ".join(f"({reach}, {4**reach})" for reach in _REACHES)
            query = _SIEVED.format(reaches=distances, formats=tx.among("format", "formats"))
            offset, page = 0, tx.rows(query, **given, page=_PAGE, offset=0)
            while page:
                ids += [row.id for row in page if _seen(Coverage.from_json(row.coverage), matters).covers(coverage)]
                if len(page) < _PAGE or (limit is not None and len(ids) >= limit):
                    break
                offset += _PAGE
                page = tx.rows(query, **given, page=_PAGE, offset=offset)
            wanted = tx.listed(ids[:limit])
            found = tx.rows(f"SELECT text FROM datasets WHERE {tx.among('id', 'ids')}", ids=wanted) if ids else []
        if all(matters):
            return sorted((_dataset(row) for row in found), key=lambda one: rank(one, coverage))
        return sorted(map(_dataset, found), key=lambda one: (one.coverage.measure, -one.created_s, one.name))

    def derived(self, lineage: Lineage) -> list[Dataset]:
        """Datasets that were derived in just that way from just that, newest first."""
        with self._db.read() as tx:
            found = tx.rows(
                "SELECT text FROM datasets WHERE lineage = :lineage ORDER BY created_s DESC, name",
                lineage=_key(lineage),
            )
        return [_dataset(row) for row in found]

    def digests(self) -> set[str]:
        """Digests of all datasets: what a store must keep."""
        with self._db.read() as tx:
            return {row.digest for row in tx.rows("SELECT digest FROM datasets")}

    def remove_dataset(self, ref: str) -> Dataset:
        """Take a dataset out of the catalog; its bytes stay where they are.

        Parameters
        ----------
        ref : str
            Its name or id.

        Returns
        -------
        Dataset
            As it was.

        Raises
        ------
        DatasetError
            If there is none, or a job that is not over uses it.
        """
        with self._db.write() as tx:
            row = _find(tx, ref, tx.for_update)
            if jobs := _uses(tx, row.id, live=True):
                shown = ", ".join(jobs[:5]) + (f" and {len(jobs) - 5} more" if len(jobs) > 5 else "")
                raise DatasetError(
                    f"dataset {row.name!r} is in use", jobs=shown, hint="wait for the jobs, or cancel them first"
                )
            tx.run("DELETE FROM datasets WHERE id = :id", id=row.id)
        return _dataset(row)

    def use(self, dataset: str, job: str) -> None:
        """Say that a job uses a dataset, which stays as long as the job is not over.

        Parameters
        ----------
        dataset : str
            Name or id of the dataset.
        job : str
            The job.

        Raises
        ------
        DatasetError
            If there is no such dataset.
        JobError
            If there is no such job.
        """
        with self._db.write() as tx:
            row = _find(tx, dataset, tx.for_share)
            if tx.row(f"SELECT id FROM jobs WHERE id = :job{tx.for_share}", job=job) is None:
                raise no_such_job(job)
            tx.run(
                "INSERT INTO uses (dataset, job, since_s) VALUES (:dataset, :job, :now) ON CONFLICT DO NOTHING",
                dataset=row.id, job=job, now=tx.now_s(),
            )  # fmt: skip

    def uses(self, dataset: str, *, live: bool = True) -> list[str]:
        """Jobs that use a dataset, by id; with *live* false also those that are over."""
        with self._db.read() as tx:
            return _uses(tx, _find(tx, dataset).id, live=live)

    def expire(self, now_s: float) -> list[str]:
        """Take out datasets that have expired and that no job uses.

        Parameters
        ----------
        now_s : float
            The time it is [s since 1970].

        Returns
        -------
        list of str
            Their names, sorted.
        """
        with self._db.write() as tx:
            over = tx.rows(f"SELECT id FROM datasets WHERE expires_s <= :now{tx.for_update}", now=now_s)
            ids = tx.listed(row.id for row in over)
            free = tx.rows(f"SELECT id, name FROM datasets WHERE {tx.among('id', 'ids')} AND NOT {_IN_USE}", ids=ids)
            gone = tx.listed(row.id for row in free)
            tx.run(f"DELETE FROM datasets WHERE {tx.among('id', 'ids')}", ids=gone)
        return sorted(row.name for row in free)


_INSERT = """
INSERT INTO datasets (id, name, category, format, owner, description, digest, lineage, created_s, expires_s,
    measure, start_s, stop_s, ids_low, ids_high, ids_reach, coverage, text)
VALUES (:id, :name, :category, :format, :owner, :description, :digest, :lineage, :created_s, :expires_s,
    :measure, :start_s, :stop_s, :ids_low, :ids_high, :ids_reach, :coverage, :text)
ON CONFLICT DO NOTHING
"""
# What reaches no further than some distance and holds an id begins within that distance of it: for each reach
# only that part of the index is looked at. The order of the tables is meant, and CROSS JOIN keeps it.
_SIEVED = """
WITH reaches (reach, distance) AS (VALUES {reaches})
SELECT id, coverage FROM reaches CROSS JOIN datasets
WHERE category = :category AND ids_reach = reach AND ids_low >= :ids_high - distance AND ids_low <= :ids_low
    AND ids_high >= :ids_high AND start_s <= :start_s AND stop_s >= :stop_s AND measure >= :measure AND {formats}
ORDER BY measure, created_s DESC, name LIMIT :page OFFSET :offset
"""


def _columns(dataset: Dataset) -> dict[str, Any]:
    """What is kept of a dataset."""
    return {
        **_keys(dataset),
        "category": str(dataset.category), "format": str(dataset.format), "owner": storable(dataset.owner),
        "description": storable(dataset.description), "digest": dataset.digest,
        "lineage": dataset.lineage and _key(dataset.lineage),
        "created_s": dataset.created_s, "expires_s": dataset.expires_s,
        **_held(dataset.coverage), "text": storable(dataset.to_json()),
    }  # fmt: skip


@functools.lru_cache(maxsize=16)
def _held(coverage: Coverage) -> dict[str, Any]:
    """What is kept of a coverage; outputs of many jobs have the same."""
    return {"measure": _measure(coverage), **_edges(coverage), "coverage": coverage.to_json()}


def _keys(dataset: Dataset) -> dict[str, Any]:
    """What no two datasets share."""
    return {"id": dataset.id, "name": dataset.name}


def _sieve(needed: Coverage, matters: tuple[bool, bool, bool]) -> dict[str, Any]:
    """What a coverage must have at least to hold all of *needed*, as far as it matters."""
    edges = _edges(needed)
    del edges["ids_reach"]
    # Edges the wrong way round are those of what is not there: anything holds it.
    if not matters[0]:
        edges |= {"start_s": _FAR, "stop_s": -_FAR}
    if not matters[1]:
        edges |= {"ids_low": _FAR, "ids_high": -_FAR}
    return {"measure": _measure(needed) * (1 - _ROUNDING) if all(matters) else 0.0, **edges}


def _seen(coverage: Coverage, matters: tuple[bool, bool, bool]) -> Coverage:
    """A coverage, with ALL of what does not matter."""
    if all(matters):
        return coverage
    spans, ids, variables = matters
    return Coverage(
        coverage.spans if spans else ALL, coverage.ids if ids else ALL, coverage.variables if variables else ALL
    )


def _measure(coverage: Coverage) -> float:
    """Its size, as `Coverage.excess` counts: the larger of two that cover the same has more excess."""
    return coverage.excess(_UNIT) + coverage.covers(_UNIT)


def _edges(coverage: Coverage) -> dict[str, int]:
    """First and last instant and id; those of "all" are beyond any that is listed."""
    start, stop, low, high = -_FAR, _FAR, -_FAR, _FAR
    if not isinstance(coverage.spans, Everything):
        start, stop = coverage.spans[0].start_s, coverage.spans[-1].stop_s
    if isinstance(coverage.ids, IdSet):
        # Where no id has a number the edges are the wrong way round: it holds none, and needs none.
        low = _FAR if coverage.ids.low is None else coverage.ids.low
        high = -_FAR if coverage.ids.high is None else coverage.ids.high
    reach = next(reach for reach in _REACHES if high - low <= 4**reach)
    return {"start_s": start, "stop_s": stop, "ids_low": low, "ids_high": high, "ids_reach": reach}


def _key(lineage: Lineage) -> str:
    """The same for the same way of derivation."""
    plain = json.dumps(asdict(lineage), sort_keys=True)
    return hashlib.sha256(plain.encode()).hexdigest()


def _find(tx: Transaction, ref: str, lock: str = "") -> Any:
    """The row of a dataset, by name or else by id."""
    for column in ("name", "id"):
        row = tx.row(f"SELECT id, name, text FROM datasets WHERE {column} = :ref{lock}", ref=storable(ref))
        if row is not None:
            return row
    names = [row.name for row in tx.rows("SELECT name FROM datasets ORDER BY created_s DESC LIMIT :near", near=_NEAR)]
    near = get_close_matches(ref, names, n=3)
    raise DatasetError(
        f"there is no dataset {ref!r}",
        hint=f"did you mean {' or '.join(map(repr, near))}?" if near else "list them with `dmod datasets list`",
    )


def _uses(tx: Transaction, dataset: str, *, live: bool) -> list[str]:
    """Jobs that use a dataset."""
    condition = f" AND {OPEN}" if live else ""
    found = tx.rows(
        f"SELECT job FROM uses JOIN jobs ON jobs.id = uses.job WHERE dataset = :dataset{condition} ORDER BY job",
        dataset=dataset,
    )
    return [row.job for row in found]


def _dataset(row: Any) -> Dataset:
    """A dataset again."""
    return Dataset.from_json(row.text)


def _literal(text: str) -> str:
    """Text in which a pattern's signs stand for themselves."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
