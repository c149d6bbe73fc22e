"""Jobs at a glance: what a list shows of each, for a thousand of them in one question.

A `Glance` is small however large a job's request or its events are; what is long is cut, and
what is longer than that is left out. Nothing here is written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dmod.job.lifecycle import Goal, State
from dmod.job.record import Progress
from dmod.ledger.claims import OPEN
from dmod.ledger.database import Database
from dmod.ledger.transaction import Transaction

__all__ = ["Asked", "Glance", "Glances"]

#: What is read of a message at most [characters]; and requests and facts that are longer are not looked into.
_MESSAGE, _LOOKED_INTO = 2000, 2**16
_KEPT = ("output", "partial", "workers")
_ROW = (
    'jobs.id, name, owner, goal, state, priority, "array", submitted_s, updated_s, holder, done, total, elapsed_s,'
    f" (SELECT substr(message, 1, {_MESSAGE}) FROM events WHERE events.job = jobs.id ORDER BY number DESC LIMIT 1)"
    " AS message FROM jobs LEFT JOIN progress ON progress.job = jobs.id"
)
_ORDER = "ORDER BY submitted_s DESC, jobs.id"


@dataclass(frozen=True, slots=True)
class Glance:
    """A job, as a list shows it."""

    #: Id, name and owner.
    id: str
    name: str
    owner: str
    #: What the owner wants, and where it stands.
    goal: Goal
    state: State
    #: What is being done, or how it ended; its beginning, where it is long.
    message: str
    #: How far the run is.
    progress: Progress
    #: The higher, the sooner; and the array it belongs to.
    priority: int
    array: str | None
    #: When it was submitted, and when something last happened to it [s since 1970].
    submitted_s: float
    updated_s: float
    #: Who conducts it; None for nobody.
    holder: str | None = None
    #: Of what was asked for: ``on``, ``ranks``, ``workers``, ``hosts``, ``output``, ``directory``; as JSON has it.
    request: Mapping[str, Any] = field(default_factory=dict)
    #: Of what happened: ``output``, ``partial``, ``workers``.
    facts: Mapping[str, Any] = field(default_factory=dict)
    #: Hosts whose cores it has.
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """Which jobs a list shows."""

    #: Whose; everybody's if None.
    owner: str | None = None
    #: Where they stand; anywhere if None.
    states: tuple[State, ...] | None = None
    #: The array they belong to; any or none if None.
    array: str | None = None
    #: What id, name or array hold, in small letters or large.
    text: str | None = None
    #: Id of a job: only what comes after it, newest first.
    before: str | None = None
    #: Only these.
    ids: tuple[str, ...] | None = None
    #: Only those that are not over.
    only_open: bool = False


class Glances:
    """Jobs at a glance."""

    _db: Database

    def glances(self, asked: Asked, *, limit: int | None = None) -> list[Glance]:
        """Jobs, newest first.

        Parameters
        ----------
        asked : Asked
            Which.
        limit : int, optional
            How many at most, >= 1.

        Returns
        -------
        list of Glance
        """
        with self._db.read() as tx:
            where, given = _where(tx, asked)
            cut = "" if limit is None else " LIMIT :limit"
            rows = tx.rows(f"SELECT {_ROW} WHERE {where} {_ORDER}{cut}", **given, **({"limit": limit} if cut else {}))
            ids = tx.listed(row.id for row in rows)
            requests = _requests(tx, ids) if rows else {}
            facts = _facts(tx, ids) if rows else {}
            hosts = _hosts(tx) if any(not State(row.state).is_final for row in rows) else {}
        return [
            Glance(
                id=row.id, name=row.name, owner=row.owner, goal=Goal(row.goal), state=State(row.state),
                message=row.message or "", priority=row.priority, array=row.array, holder=row.holder,
                progress=Progress() if row.total is None else Progress(row.done, row.total, row.elapsed_s),
                submitted_s=row.submitted_s, updated_s=row.updated_s,
                request=requests.get(row.id, {}), facts=facts.get(row.id, {}), hosts=tuple(hosts.get(row.id, ())),
            )
            for row in rows
        ]  # fmt: skip

    def count(self, asked: Asked) -> int:
        """How many jobs that is."""
        with self._db.read() as tx:
            where, given = _where(tx, asked)
            return int(tx.value(f"SELECT COUNT(*) FROM jobs WHERE {where}", **given))

    def owners(self) -> dict[str, str]:
        """Whose each job is."""
        with self._db.read() as tx:
            return {row.id: row.owner for row in tx.rows("SELECT id, owner FROM jobs")}

    def standing(self) -> dict[str, tuple[object, ...]]:
        """What may change of a job that is not over without an event: its goal and its progress."""
        with self._db.read() as tx:
            found = tx.rows(
                "SELECT jobs.id, goal, done, elapsed_s FROM jobs"
                f" LEFT JOIN progress ON progress.job = jobs.id WHERE {OPEN}"
            )
        return {row[0]: tuple(row[1:]) for row in found}

    def happened_to(self, cursor: int) -> tuple[int, list[str]]:
        """To which jobs something happened after a cursor, and the cursor of the latest event.

        Parameters
        ----------
        cursor : int
            Cursor of the last event that is known already, see `dmod.ledger.history.History.events_since`.

        Returns
        -------
        (int, list of str)
            The cursor from now on, and ids, each once.
        """
        with self._db.read() as tx:
            last = int(tx.value('SELECT MAX("cursor") FROM events') or 0)
            if last <= cursor:
                return last, []
            found = tx.rows(
                'SELECT DISTINCT job FROM events WHERE "cursor" > :since AND "cursor" <= :last', since=cursor, last=last
            )
        return last, [row.job for row in found]

    def used_by(self, job: str) -> list[str]:
        """Ids of the datasets that a job uses."""
        with self._db.read() as tx:
            found = tx.rows("SELECT dataset FROM uses WHERE job = :job ORDER BY since_s, dataset", job=job)
        return [row.dataset for row in found]


def _where(tx: Transaction, asked: Asked) -> tuple[str, dict[str, Any]]:
    """The condition that jobs are among those asked for, and its values."""
    conditions, given = ["1 = 1"], dict[str, Any]()
    if asked.only_open:
        conditions.append(OPEN)
    if asked.owner is not None:
        conditions.append("owner = :owner")
        given["owner"] = asked.owner
    if asked.states is not None:
        conditions.append(tx.among("state", "states"))
        given["states"] = tx.listed(map(str, asked.states))
    if asked.array is not None:
        conditions.append('"array" = :array')
        given["array"] = asked.array
    if asked.ids is not None:
        conditions.append(tx.among("jobs.id", "ids"))
        given["ids"] = tx.listed(asked.ids)
    if asked.text:
        escaped = asked.text.lower().replace("!", "!!").replace("%", "!%").replace("_", "!_")
        held = (f"LOWER(COALESCE({column}, '')) LIKE :text ESCAPE '!'" for column in ("jobs.id", "name", '"array"'))
        conditions.append(f"({' OR '.join(held)})")
        given["text"] = f"%{escaped}%"
    if asked.before is not None:
        then = "SELECT submitted_s FROM jobs AS earlier WHERE earlier.id = :before"
        conditions.append(f"(submitted_s < ({then}) OR (submitted_s = ({then}) AND jobs.id > :before))")
        given["before"] = asked.before
    return " AND ".join(conditions), given


def _requests(tx: Transaction, ids: str) -> dict[str, Mapping[str, Any]]:
    """What was asked for, of jobs whose requests are not long."""
    found = tx.rows(
        f"SELECT job, text FROM requests WHERE {tx.among('job', 'ids')} AND length(text) <= {_LOOKED_INTO}", ids=ids
    )
    return {row.job: _object(row.text) for row in found}


def _facts(tx: Transaction, ids: str) -> dict[str, dict[str, Any]]:
    """What later events said last of a few things."""
    found = tx.rows(
        f"SELECT job, facts FROM events WHERE {tx.among('job', 'ids')}"
        f" AND length(facts) BETWEEN 3 AND {_LOOKED_INTO} ORDER BY job, number",
        ids=ids,
    )
    kept: dict[str, dict[str, Any]] = {}
    for row in found:
        if any(f'"{name}"' in row.facts for name in _KEPT):
            told = _object(row.facts)
            kept.setdefault(row.job, {}).update({name: told[name] for name in _KEPT if name in told})
    return kept


def _hosts(tx: Transaction) -> dict[str, Sequence[str]]:
    """On which hosts jobs have cores."""
    found: dict[str, list[str]] = {}
    for row in tx.rows("SELECT job, host FROM grants ORDER BY job, host"):
        found.setdefault(row.job, []).append(row.host)
    return dict(found)


def _object(text: str) -> Mapping[str, Any]:
    """An object of JSON; an empty one where the text is none."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
