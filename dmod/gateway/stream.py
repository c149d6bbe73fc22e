"""What happens to jobs, told while it happens: a snapshot first, then changes from a cursor on.

A `Watch` looks at the ledger in one thread, for all who listen and only while somebody does;
changes that come together are told together, and to whoever is slow all at once when it is
ready. What is told to whom is decided by the listener's service.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from dmod.errors import DmodError, JobError, LedgerError
from dmod.gateway.on_jobs import shown
from dmod.gateway.telling import summary_of
from dmod.ledger.glances import Asked, Glance
from dmod.ledger.ledger import Ledger
from dmod.service import LocalService

__all__ = ["Listener", "Watch"]

log = logging.getLogger("dmod.gateway")

#: How often the ledger is looked at, and how long it is left alone when it is in trouble [s].
_LOOK_S, _TROUBLE_S = 0.2, 1.0
#: After so much silence a listener is told that all is well [s].
_HEARTBEAT_S = 20.0
#: How many jobs a snapshot shows; and after how many changes it is shorter to begin anew.
_SNAPSHOT, _CHANGES = 5000, 1000
#: Lines of a log in one message, and how many logs one listener may watch.
_LINES, _LOGS = 1000, 16


@dataclass(eq=False)
class Listener:
    """Somebody who listens; `taken` says that a message which `send` was given has been taken."""

    #: Says whose jobs are told of.
    service: LocalService
    #: Takes a message, from another thread; returns at once.
    send: Callable[[str], None]
    #: Where it goes on; None to begin with all jobs.
    cursor: int | None = None
    _begun: bool = False
    _under_way: int = 0
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _changed: dict[str, Glance] = field(default_factory=dict)
    _removed: set[str] = field(default_factory=set)
    #: Last line told of each log that is watched, and which of them may have more.
    _logs: dict[str, int] = field(default_factory=dict)
    _due: set[str] = field(default_factory=set)
    _trouble: str = ""
    _told_s: float = field(default_factory=time.monotonic)

    def taken(self) -> None:
        """Say that a message has been taken; while one has not, what is new is kept back and told together."""
        with self._turn:
            self._under_way -= 1

    def ask(self, text: str | bytes) -> None:
        """Take what the other side asks: ``{"watch": {"log": ID, "after": N}}`` or ``{"unwatch": {"log": ID}}``.

        What makes no sense is passed over.
        """
        try:
            asked = json.loads(text)
            with self._turn:
                if unwatched := asked.get("unwatch"):
                    self._logs.pop(str(unwatched["log"]), None)
                if watched := asked.get("watch"):
                    job, after = str(watched["log"]), int(watched.get("after", -1))
                    if len(self._logs) < _LOGS or job in self._logs:
                        self._logs[job] = after
                        self._due.add(job)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            log.debug("a listener asked for something that is not known")

    def notice(self, changed: Iterable[Glance], removed: Iterable[tuple[str, str]]) -> None:
        """Remember what is to be told."""
        for glance in changed:
            if self.service.sees(glance):
                self._changed[glance.id] = glance
                self._removed.discard(glance.id)
        for job, owner in removed:
            if owner == self.service.owner:
                self._changed.pop(job, None)
                self._removed.add(job)
        with self._turn:
            self._due.update(self._logs)

    def begin_anew(self) -> None:
        """Show all jobs again: what was known is of no use any more."""
        self.cursor, self._begun = None, False

    def tell(self, cursor: int) -> None:
        """Send what is to be told, if what was sent before has been taken."""
        with self._turn:
            if self._under_way:
                return
        if not self._begun:
            self._say(self._beginning(cursor))
            return
        if self._removed:
            gone, self._removed = sorted(self._removed), set()
            self._say({"kind": "removed", "ids": gone, "cursor": cursor})
        if self._changed:
            changed, self._changed = list(self._changed.values()), {}
            self._say({"kind": "jobs", "jobs": [_plain(glance) for glance in changed], "cursor": cursor})
        self._tell_logs()
        if self._trouble or time.monotonic() - self._told_s >= _HEARTBEAT_S:
            self._trouble = ""
            self._say({"kind": "heartbeat", "cursor": cursor})

    def complain(self, problem: DmodError) -> None:
        """Say, once, that something is wrong on this side."""
        if problem.headline != self._trouble:
            self._trouble = problem.headline
            self._say({"kind": "error", "error": problem.headline, "hint": problem.hint})

    def _say(self, message: dict[str, Any]) -> None:
        """Send a message."""
        with self._turn:
            self._under_way += 1
        self._told_s = time.monotonic()
        self.send(json.dumps(message))

    def _beginning(self, cursor: int) -> dict[str, Any]:
        """All jobs; or only what changed since the listener was here last, and ids of all."""
        ids = None if self.cursor is None else self._missed(self.cursor, cursor)
        glances, total = self.service.glances(Asked(ids=ids), limit=_SNAPSHOT)
        self._begun = True
        self._changed.clear()
        self._removed.clear()
        said = {"kind": "snapshot", "jobs": [_plain(glance) for glance in glances], "cursor": cursor}
        if ids is None:
            return {**said, "full": True, "total": total}
        mine = [job for job, owner in self.service.ledger.owners().items() if owner == self.service.owner]
        return {**said, "full": False, "total": len(mine), "ids": mine}

    def _missed(self, since: int, cursor: int) -> tuple[str, ...] | None:
        """Which jobs may have changed meanwhile; None where all should be shown."""
        if not 0 <= since <= cursor:
            return None
        _, happened = self.service.ledger.happened_to(since)
        ids = {*happened, *self.service.ledger.standing()}
        return tuple(ids) if len(ids) <= _CHANGES else None

    def _tell_logs(self) -> None:
        """Send new lines of the logs that are watched."""
        with self._turn:
            due, self._due = {job: self._logs[job] for job in self._due if job in self._logs}, set()
        for job, after in due.items():
            try:
                lines, more = self.service.log_lines(job, after, limit=_LINES)
            except JobError as problem:
                with self._turn:
                    self._logs.pop(job, None)
                self._say({"kind": "log", "id": job, "lines": [], "more": False, "error": problem.headline})
                continue
            with self._turn:
                if lines and self._logs.get(job) == after:
                    self._logs[job] = lines[-1][0]
                if more:
                    self._due.add(job)
            if lines:
                told = [(number, at_s, shown(text)) for number, at_s, text in lines]
                self._say({"kind": "log", "id": job, "lines": told, "more": more})


class Watch:
    """Looks at a ledger while somebody listens.

    Parameters
    ----------
    ledger : callable
        Gives the ledger; called from the thread that looks.
    """

    def __init__(self, ledger: Callable[[], Ledger]) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._listeners: list[Listener] = []
        self._thread: threading.Thread | None = None

    def join(self, listener: Listener) -> None:
        """Begin to tell somebody."""
        with self._lock:
            self._listeners.append(listener)
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="dmod-watch", daemon=True)
                self._thread.start()
        self._wake.set()

    def leave(self, listener: Listener) -> None:
        """Tell somebody no more."""
        with self._lock:
            if listener in self._listeners:
                self._listeners.remove(listener)
        self._wake.set()

    def wake(self) -> None:
        """Look now: a listener has asked for something."""
        self._wake.set()

    @property
    def is_looking(self) -> bool:
        """Whether anybody listens, or did a moment ago."""
        return self._thread is not None

    def close(self) -> None:
        """Tell nobody any more."""
        with self._lock:
            self._listeners.clear()
            thread = self._thread
        self._wake.set()
        if thread is not None:
            thread.join(5.0)

    def _look(self) -> None:
        """Look until nobody listens."""
        seen = _Seen()
        while True:
            self._wake.clear()
            with self._lock:
                listeners = list(self._listeners)
                if not listeners:
                    self._thread = None
                    return
            pause_s = _LOOK_S
            try:
                seen.look(self._ledger(), listeners)
                for listener in listeners:
                    listener.tell(seen.cursor)
            except LedgerError as problem:
                log.warning("the ledger: %s", problem.headline)
                for listener in listeners:
                    listener.complain(problem)
                pause_s = _TROUBLE_S
            except Exception:  # a fault in one look must not end all others
                log.exception("what happens to jobs could not be told")
                pause_s = _TROUBLE_S
            # Whoever wakes us need not do so more than ten times a second.
            time.sleep(_LOOK_S / 2)
            self._wake.wait(pause_s - _LOOK_S / 2)


@dataclass
class _Seen:
    """What of a ledger has been seen."""

    cursor: int = 0
    _version: int | None = None
    _owners: dict[str, str] = field(default_factory=dict)
    _standing: dict[str, tuple[object, ...]] = field(default_factory=dict)

    def look(self, ledger: Ledger, listeners: list[Listener]) -> None:
        """See what is new, and have listeners take notice."""
        version = ledger.version()
        if version == self._version:
            return
        last, happened = ledger.happened_to(self.cursor) if self._version is not None else (ledger.last_cursor(), [])
        if self._version is None or last < self.cursor:  # the beginning; or another ledger is in its place
            if self._version is not None:
                for listener in listeners:
                    listener.begin_anew()
            self._owners, self._standing, self.cursor = ledger.owners(), ledger.standing(), last
            self._version = version
            return
        standing = ledger.standing()
        moved = {job for job, now in standing.items() if self._standing.get(job) != now}
        changed = ledger.glances(Asked(ids=tuple({*happened, *moved}))) if happened or moved else []
        self._owners.update({glance.id: glance.owner for glance in changed})
        removed: list[tuple[str, str]] = []
        if ledger.count(Asked()) != len(self._owners):
            there = ledger.owners()
            removed = [(job, owner) for job, owner in self._owners.items() if job not in there]
            self._owners = there
        for listener in listeners:
            listener.notice(changed, removed)
        self._standing, self.cursor, self._version = standing, last, version


def _plain(glance: Glance) -> dict[str, Any]:
    """A job in types that JSON has."""
    return summary_of(glance).model_dump(mode="json")
