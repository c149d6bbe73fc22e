"""What jobs print, in numbered chunks.

Of a job that prints much, the beginning and the latest are kept; where something was cut
between them, a line says how much.
"""

from __future__ import annotations

from typing import Any

from dmod.ledger.claims import no_such_job, require_claim
from dmod.ledger.database import Database
from dmod.ledger.transaction import Transaction, storable

__all__ = ["KEPT_BYTES", "Logs"]

#: What is kept of one job's log at most, and how much of that is its beginning [bytes].
KEPT_BYTES = 10 * 2**20
_BEGINNING_BYTES = 2**20
#: How much is cut at once, so that this happens rarely [bytes].
_CUT_BYTES = 2**20
_CHUNK = 2**18
#: No chunk has as many lines, so that a line's number is its chunk's times this, and its place in there.
_LINES = 2**19
#: A page of lines is made of no more than this, unless one chunk has more [bytes].
_PAGE_BYTES = 2**20


class Logs:
    """Logs of jobs."""

    _db: Database

    def write_log(self, job: str, holder: str, text: str) -> None:
        """Add to a job's log.

        Parameters
        ----------
        job, holder : str
            Which job, and who conducts it.
        text : str
            What was printed, line ends included; nothing happens if it is empty.

        Raises
        ------
        JobError
            If there is no such job.
        LostLease
            If somebody else conducts it.
        """
        chunks = [storable(text[i : i + _CHUNK]) for i in range(0, len(text), _CHUNK)]
        if not chunks:
            return
        sizes = [len(chunk.encode()) for chunk in chunks]
        with self._db.write() as tx:
            require_claim(tx, job, holder)
            last = tx.value("SELECT MAX(number) FROM logs WHERE job = :job", job=job)
            first, now = (0 if last is None else last + 1), tx.now_s()
            tx.run_each(
                "INSERT INTO logs (job, number, time_s, size, cut_bytes, text)"
                " VALUES (:job, :number, :now, :size, 0, :text)",
                [
                    {"job": job, "number": first + i, "now": now, "size": size, "text": chunk}
                    for i, (size, chunk) in enumerate(zip(sizes, chunks, strict=True))
                ],
            )
            tx.run("UPDATE jobs SET log_bytes = log_bytes + :size WHERE id = :job", size=sum(sizes), job=job)
            kept = int(tx.value("SELECT log_bytes FROM jobs WHERE id = :job", job=job))
            if kept > KEPT_BYTES:
                _cut(tx, job, kept - KEPT_BYTES + _CUT_BYTES)

    def log(self, job: str, after: int = -1) -> list[tuple[int, float, str]]:
        """A job's log.

        Parameters
        ----------
        job : str
            Which.
        after : int
            Number of the last chunk that is known already; -1 for none.

        Returns
        -------
        list of (int, float, str)
            Number, time [s since 1970] and text of each chunk, in order. Where something was cut,
            the text begins with a line that says so.

        Raises
        ------
        JobError
            If there is no such job.
        """
        with self._db.read() as tx:
            found = tx.rows(
                "SELECT number, time_s, cut_bytes, text FROM logs WHERE job = :job AND number > :after ORDER BY number",
                job=job, after=after,
            )  # fmt: skip
            if not found and tx.row("SELECT 1 FROM jobs WHERE id = :job", job=job) is None:
                raise no_such_job(job)
        return [(row.number, row.time_s, _said(row)) for row in found]

    def log_lines(
        self, job: str, after: int = -1, *, limit: int, last: bool = False
    ) -> tuple[list[tuple[int, float, str]], bool]:
        """A page of a job's log, line by line, however long the log is.

        Parameters
        ----------
        job : str
            Which.
        after : int
            Number of the last line that is known already; -1 for none.
        limit : int
            How many lines at most, >= 1.
        last : bool
            The latest lines rather than the earliest.

        Returns
        -------
        (list of (int, float, str), bool)
            Number, time [s since 1970] and text of each line, in order, without its end; and whether
            there are more after them. Numbers grow, with gaps.

        Raises
        ------
        JobError
            If there is no such job.
        """
        place, seen = (after // _LINES, after % _LINES) if after >= 0 else (-1, -1)
        order = "DESC" if last else ""
        with self._db.read() as tx:
            sizes = tx.rows(
                "SELECT number, size FROM logs WHERE job = :job AND number >= :place"
                f" ORDER BY number {order} LIMIT :limit",
                job=job, place=place, limit=limit + 1,
            )  # fmt: skip
            if not sizes and tx.row("SELECT 1 FROM jobs WHERE id = :job", job=job) is None:
                raise no_such_job(job)
            fitting = _fitting([row.size for row in sizes], least=1 if place < 0 else 2)
            numbers = [row.number for row in sizes[:fitting]]
            chunks = tx.rows(
                "SELECT number, time_s, cut_bytes, text FROM logs"
                " WHERE job = :job AND number >= :first AND number <= :last ORDER BY number",
                job=job, first=min(numbers, default=0), last=max(numbers, default=-1),
            )  # fmt: skip
        lines = [
            (chunk.number * _LINES + i, chunk.time_s, line)
            for chunk in chunks
            for i, line in enumerate(_said(chunk).removesuffix("\n").split("\n"))
            if chunk.number != place or i > seen
        ]
        if last:
            return lines[-limit:], False
        return lines[:limit], len(lines) > limit or len(numbers) < len(sizes)


def _fitting(sizes: list[int], least: int) -> int:
    """How many chunks, from the first on, make a page."""
    total = 0
    for count, size in enumerate(sizes):
        total += size
        if count >= least and total > _PAGE_BYTES:
            return count
    return len(sizes)


def _cut(tx: Transaction, job: str, least: int) -> None:
    """Remove at least so many bytes right after the beginning."""
    chunks = tx.rows("SELECT number, size, cut_bytes FROM logs WHERE job = :job ORDER BY number", job=job)
    before = removed = told = 0
    first = None
    for chunk in chunks[:-1]:
        if first is None and not chunk.cut_bytes and before + chunk.size <= _BEGINNING_BYTES:
            before += chunk.size
            continue
        if removed >= least:
            break
        first = chunk.number if first is None else first
        removed += chunk.size
        told += chunk.size + chunk.cut_bytes
        next_number = chunk.number + 1
    if first is None:
        return
    tx.run(
        "DELETE FROM logs WHERE job = :job AND number >= :first AND number < :next",
        job=job, first=first, next=next_number,
    )  # fmt: skip
    tx.run(
        "UPDATE logs SET cut_bytes = cut_bytes + :told WHERE job = :job AND number = :next",
        job=job, told=told, next=next_number,
    )  # fmt: skip
    tx.run("UPDATE jobs SET log_bytes = log_bytes - :removed WHERE id = :job", job=job, removed=removed)


def _said(row: Any) -> str:
    """The text of a chunk, and what was cut before it."""
    cut = f"[{row.cut_bytes:,} bytes of the log were cut here]\n" if row.cut_bytes else ""
    return cut + str(row.text)
