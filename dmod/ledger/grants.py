"""Which cores and how much memory of which host a job was given.

A grant goes with its job: the end of a job gives it back in the same transaction, and that
of a job whose conductor died counts no more once its claim has run out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dmod.ledger.claims import OPEN, require_claim
from dmod.ledger.database import Database
from dmod.ledger.transaction import Transaction

__all__ = ["Grant", "Grants"]


@dataclass(frozen=True, slots=True)
class Grant:
    """Part of a host that a job was given."""

    #: The job, and whose it is.
    job: str
    owner: str
    #: The host.
    host: str
    #: Cores, >= 0.
    cores: int
    #: Memory [bytes], >= 0.
    memory_bytes: int
    #: Since when [s since 1970].
    since_s: float


class Grants:
    """Cores and memory in use."""

    _db: Database

    def allocate(
        self,
        job: str,
        holder: str,
        parts: Iterable[tuple[str, int, int]],
        *,
        within: Mapping[str, tuple[int, int]] | None = None,
    ) -> bool:
        """Give a job parts of hosts; what it had before is given back.

        Parameters
        ----------
        job, holder : str
            Which job, and who conducts it.
        parts : iterable of (str, int, int)
            Host, cores and memory [bytes]; a host may come more than once.
        within : mapping of str to (int, int), optional
            Cores and memory [bytes] that each host has in all; where given, nobody else allocates
            meanwhile, and nothing is given that live jobs already have.

        Returns
        -------
        bool
            False where it did not fit, and the job has nothing now.

        Raises
        ------
        JobError
            If there is no such job.
        LostLease
            If somebody else conducts it.
        """
        wanted: dict[str, tuple[int, int]] = {}
        for host, cores, memory_bytes in parts:
            before = wanted.get(host, (0, 0))
            wanted[host] = before[0] + cores, before[1] + memory_bytes
        with self._db.write() as tx:
            require_claim(tx, job, holder)
            tx.only_me("grants")
            tx.run("DELETE FROM grants WHERE job = :job", job=job)
            if within is not None and not _fits(wanted, within, _grants(tx, live=True)):
                return False
            now = tx.now_s()
            tx.run_each(
                "INSERT INTO grants (job, host, cores, memory_bytes, since_s)"
                " VALUES (:job, :host, :cores, :memory_bytes, :now)",
                [
                    {"job": job, "host": host, "cores": cores, "memory_bytes": memory_bytes, "now": now}
                    for host, (cores, memory_bytes) in wanted.items()
                ],
            )
        return True

    def allocations(self, *, live: bool = True) -> list[Grant]:
        """What jobs were given, oldest first; with *live* false also what only a dead conductor would give back."""
        with self._db.read() as tx:
            return _grants(tx, live=live)

    def give_back(self, job: str) -> None:
        """Take back what a job was given; nothing happens where it has nothing."""
        with self._db.write() as tx:
            tx.run("DELETE FROM grants WHERE job = :job", job=job)


def _grants(tx: Transaction, *, live: bool) -> list[Grant]:
    """Grants, oldest first."""
    condition = f"WHERE {OPEN} AND claim_until_s > :now" if live else ""
    given = {"now": tx.now_s()} if live else {}
    found = tx.rows(
        "SELECT job, owner, host, grants.cores, grants.memory_bytes, since_s FROM grants"
        f" JOIN jobs ON jobs.id = grants.job {condition} ORDER BY since_s, job, host",
        **given,
    )
    return [Grant(**row._asdict()) for row in found]


def _fits(wanted: Mapping[str, tuple[int, int]], within: Mapping[str, tuple[int, int]], given: list[Grant]) -> bool:
    """Whether hosts have what is wanted besides what is given."""
    for host, (cores, memory_bytes) in wanted.items():
        all_cores, all_memory_bytes = within.get(host, (0, 0))
        here = [grant for grant in given if grant.host == host]
        if sum(grant.cores for grant in here) + cores > all_cores:
            return False
        if sum(grant.memory_bytes for grant in here) + memory_bytes > all_memory_bytes:
            return False
    return True
