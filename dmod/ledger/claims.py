"""Who conducts which job: claims on jobs, and the holders that make them.

A claim lasts until a given time and is renewed by its holder. One that ran out is still
its holder's until somebody else takes the job; from then on whatever the old holder writes
is refused with `LostLease`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dmod.errors import JobError, LostLease
from dmod.job.lifecycle import State
from dmod.ledger.database import Database
from dmod.ledger.transaction import Transaction

__all__ = ["OPEN", "Claims", "Holder", "no_such_job", "require_claim"]

#: The condition that a job is not over, in the very words of the index.
OPEN = "state NOT IN ('complete', 'failed', 'cancelled')"
_FREE = f"{OPEN} AND (holder IS NULL OR claim_until_s <= :now)"
_NO_CLAIM = "holder = NULL, claim_until_s = NULL"
#: How long a holder that fell silent is remembered [s].
_REMEMBERED_S = 86_400


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who conducts jobs, or did."""

    #: Name, which no two share.
    name: str
    #: When it last said that it lives, and until when that counts [s since 1970].
    beat_s: float
    until_s: float
    #: Process, host, kind, address of its cluster.
    facts: Mapping[str, Any] = field(default_factory=dict)


class Claims:
    """Claims on jobs."""

    _db: Database

    def claim(
        self,
        holder: str,
        ttl_s: float,
        *,
        only: Iterable[str] | None = None,
        owner: str | None = None,
        limit: int = 1,
    ) -> list[str]:
        """Take jobs that nobody conducts, each by one holder only.

        Parameters
        ----------
        holder : str
            Who takes them.
        ttl_s : float
            How long the claim lasts unless it is renewed [s], > 0.
        only : iterable of str, optional
            The jobs that may be taken; any otherwise.
        owner : str, optional
            Whose jobs may be taken; everybody's otherwise.
        limit : int
            How many at most, >= 1.

        Returns
        -------
        list of str
            Ids of jobs that are not over and that nobody held, or whose claim ran out; highest
            priority first, then the oldest.
        """
        among = None if only is None else Transaction.listed(only)
        with self._db.read() as seen:
            # Mostly there is nothing to take; finding that out disturbs nobody who writes.
            if not _free(seen, among, owner, 1):
                return []
        with self._db.write() as tx:
            found = _free(tx, among, owner, limit, tx.skip_locked)
            tx.run(
                f"UPDATE jobs SET holder = :holder, claim_until_s = :until WHERE {tx.among('id', 'ids')}",
                holder=holder, until=tx.now_s() + ttl_s, ids=tx.listed(found),
            )  # fmt: skip
        return found

    def renew(self, holder: str, ids: Iterable[str], ttl_s: float) -> list[str]:
        """Make claims last longer.

        Parameters
        ----------
        holder : str
            Whose they are.
        ids : iterable of str
            Jobs.
        ttl_s : float
            How long from now [s], > 0.

        Returns
        -------
        list of str
            Those of *ids* that are still the holder's; somebody else conducts the others, or they are gone.
        """
        wanted = Transaction.listed(ids)
        with self._db.write() as tx:
            mine = f"holder = :holder AND {tx.among('id', 'ids')}"
            held = tx.rows(f"SELECT id FROM jobs WHERE {mine} ORDER BY id{tx.for_update}", holder=holder, ids=wanted)
            tx.run(
                f"UPDATE jobs SET claim_until_s = :until WHERE {mine}",
                holder=holder, ids=wanted, until=tx.now_s() + ttl_s,
            )  # fmt: skip
        return [row.id for row in held]

    def release(self, holder: str, ids: Iterable[str]) -> None:
        """Give claims up, so that anybody may take the jobs; those of others stay theirs."""
        with self._db.write() as tx:
            mine = f"holder = :holder AND {tx.among('id', 'ids')}"
            tx.run(f"UPDATE jobs SET {_NO_CLAIM} WHERE {mine}", holder=holder, ids=tx.listed(ids))

    def beat(self, holder: str, facts: Mapping[str, Any], ttl_s: float) -> None:
        """Say that a holder lives.

        Parameters
        ----------
        holder : str
            Its name, which no two share.
        facts : mapping
            Process, host, kind, address of its cluster: what JSON has, and no credentials.
        ttl_s : float
            How long that counts [s], > 0.
        """
        with self._db.write() as tx:
            now = tx.now_s()
            tx.run(
                "INSERT INTO holders (name, facts, beat_s, until_s) VALUES (:name, :facts, :now, :until)"
                " ON CONFLICT (name) DO UPDATE SET"
                " facts = excluded.facts, beat_s = excluded.beat_s, until_s = excluded.until_s",
                name=holder, facts=json.dumps(dict(facts), default=str), now=now, until=now + ttl_s,
            )  # fmt: skip
            tx.run("DELETE FROM holders WHERE until_s < :then", then=now - _REMEMBERED_S)

    def leave(self, holder: str) -> None:
        """Say that a holder is gone, and give all its claims up."""
        with self._db.write() as tx:
            tx.run(f"UPDATE jobs SET {_NO_CLAIM} WHERE holder = :holder", holder=holder)
            tx.run("DELETE FROM holders WHERE name = :holder", holder=holder)

    def holders(self, *, live: bool = True) -> list[Holder]:
        """Who conducts, by name; with *live* false also who fell silent within the last day."""
        with self._db.read() as tx:
            since = tx.now_s() if live else 0.0
            found = tx.rows("SELECT * FROM holders WHERE until_s > :since ORDER BY name", since=since)
        return [Holder(row.name, row.beat_s, row.until_s, json.loads(row.facts)) for row in found]


def require_claim(tx: Transaction, job: str, holder: str) -> State:
    """Make sure that *holder* conducts a job until the transaction ends.

    Parameters
    ----------
    tx : Transaction
        One that writes.
    job, holder : str
        Which job, and who must hold it.

    Returns
    -------
    State
        Where the job stands.

    Raises
    ------
    JobError
        If there is no such job.
    LostLease
        If somebody else holds it, or nobody.
    """
    row = tx.row(f"SELECT state, holder FROM jobs WHERE id = :job{tx.for_update}", job=job)
    if row is None:
        raise no_such_job(job)
    if row.holder != holder:
        raise LostLease(
            "somebody else conducts the job now" if row.holder else "nobody holds the job any more",
            job=job,
            needed=f"a claim of {holder}",
            has=row.holder or "no claim",
            hint="leave the job alone; claim it again if nobody takes it",
        )
    return State(row.state)


def no_such_job(job: str) -> JobError:
    """What is said of a job that is not there."""
    return JobError(f"there is no job {job!r}", hint="`dmod jobs` lists those there are")


def _free(tx: Transaction, among: str | None, owner: str | None, limit: int, lock: str = "") -> list[str]:
    """Ids of jobs that may be taken."""
    given = {} if among is None else {"ids": among}
    condition = "" if among is None else f" AND {tx.among('id', 'ids')}"
    if owner is not None:
        given["owner"], condition = owner, f"{condition} AND owner = :owner"
    found = tx.rows(
        f"SELECT id FROM jobs WHERE {_FREE}{condition} ORDER BY priority DESC, submitted_s, id LIMIT :limit{lock}",
        now=tx.now_s(), limit=limit, **given,
    )  # fmt: skip
    return [row.id for row in found]
