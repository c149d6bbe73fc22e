"""Conducts jobs: claims them, prepares them side by side, gives them cores in turn, sees them to their end.

Every job is conducted under a lease of its own in the ledger, renewed while this process
lives; a conductor that dies loses its leases, and the next one takes its jobs up. Who gets
cores next is decided by `dmod.schedule`; what a job does is in `dmod.conductor.conduct`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dmod.catalog.catalog import Catalog
from dmod.conductor.compose import Composer
from dmod.conductor.conduct import Conduct
from dmod.conductor.log import JobLog
from dmod.data.dataset import Lineage
from dmod.errors import AllocationError, DmodError, LedgerError
from dmod.execution.cluster import open_cluster, open_made_cluster
from dmod.job.lifecycle import Goal, State
from dmod.job.request import JobRequest
from dmod.ledger.journal import JobJournal
from dmod.schedule.allocation import allocate, never
from dmod.schedule.queue import Waiting, may_pass, order
from dmod.schedule.resources import Host, Resources
from dmod.schedule.sizing import Sizing
from dmod.settings import Settings, read_settings

if TYPE_CHECKING:
    from distributed import Client

    from dmod.ledger.ledger import Ledger

__all__ = ["Conductor"]

log = logging.getLogger("dmod.conductor")

_TTL_S, _BEAT_S = 15.0, 4.0
_BUSY_S, _IDLE_S = 0.02, 0.2
#: How many jobs are prepared or run at once.
_SIDE_BY_SIDE = 32


@dataclass
class _Held:
    """A job under our lease."""

    id: str
    owner: str
    priority: int
    submitted_s: float
    conduct: Conduct
    #: ``preparing``, ``waiting``, ``running`` or ``over``.
    stage: str = "preparing"
    waiting_since_s: float = 0.0
    cores: int = 0
    memory_bytes: int = 0


@dataclass
class Conductor:
    """Conducts the jobs of a ledger, in a thread of this process.

    Parameters
    ----------
    ledger : Ledger
        Where jobs are.
    kind : {"session", "serve"}
        Conduct only the jobs it is told of, or every job there is.
    host : Host, optional
        What this machine offers; all its cores and memory otherwise.
    """

    ledger: Ledger
    kind: Literal["session", "serve"] = "session"
    host: Host | None = None
    #: Where the store is, what jobs leave behind, and how clusters are made.
    settings: Settings = field(default_factory=read_settings)
    #: Who it is, for the ledger.
    holder: str = field(
        default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}", init=False
    )
    _mine: set[str] = field(default_factory=set, init=False)
    _held: dict[str, _Held] = field(default_factory=dict, init=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False)
    _wake: threading.Event = field(default_factory=threading.Event, init=False)
    _stopped: threading.Event = field(default_factory=threading.Event, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)
    _pool: ThreadPoolExecutor | None = field(default=None, init=False)
    _shared: _SharedThreads | None = field(default=None, init=False)

    def start(self) -> None:
        """Begin; returns at once."""
        with self._lock:
            if self._thread is not None:
                return
            self._pool = ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="dmod-conduct")
            self._thread = threading.Thread(target=self._loop, name="dmod-conductor", daemon=True)
            self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Let go of everything; jobs that are under way can be taken up by others."""
        self._stopped.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
        with self._lock:
            held = [one.id for one in self._held.values() if one.stage != "over"]
        with contextlib.suppress(DmodError):
            self.ledger.release(self.holder, held)
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
        if self._shared is not None:
            self._shared.close()

    def conduct(self, job: str) -> None:
        """Conduct this job too, as soon as nobody else does."""
        with self._lock:
            self._mine.add(job)
        self._wake.set()
        self.start()

    def under_way(self, job: str) -> Conduct | None:
        """What this process knows of a job that it conducts, or conducted."""
        with self._lock:
            found = self._held.get(job)
        return None if found is None else found.conduct

    def _loop(self) -> None:
        """Tick until told to stop; a ledger that cannot be reached is asked again."""
        beat_s, seen, asked_s = 0.0, None, 0.0
        while not self._stopped.is_set():
            now_s = time.monotonic()
            try:
                if now_s - beat_s >= _BEAT_S:
                    self._beat()
                    beat_s = now_s
                version = self.ledger.version()
                if version != seen or now_s - asked_s >= 1.0 or self._wake.is_set():
                    self._wake.clear()
                    seen, asked_s = version, now_s
                    self._claim()
                self._give_cores()
            except LedgerError as problem:
                log.warning("the ledger: %s", problem.headline)
                self._stopped.wait(1.0)
            except Exception:  # a fault in one tick must not end the conducting of every job
                log.exception("a tick of the conductor failed")
                self._stopped.wait(1.0)
            with self._lock:
                busy = any(one.stage != "over" for one in self._held.values())
            self._wake.wait(_BUSY_S if busy else _IDLE_S)

    def _beat(self) -> None:
        """Say that we live, and keep our leases; let go of jobs whose lease is lost."""
        self.ledger.beat(self.holder, {"kind": self.kind, "pid": os.getpid(), "host": socket.gethostname()}, _TTL_S)
        with self._lock:
            active = [one.id for one in self._held.values() if one.stage != "over"]
        if not active:
            return
        kept = set(self.ledger.renew(self.holder, active, _TTL_S))
        for name in set(active) - kept:
            with self._lock:
                found = self._held.get(name)
            if found is not None and found.stage != "over" and not found.conduct.journal.state.is_final:
                found.conduct.abandon(LedgerError("the lease was lost", job=name))
                found.stage = "over"

    def _claim(self) -> None:
        """Take jobs that nobody conducts."""
        with self._lock:
            active = sum(one.stage in ("preparing", "running") for one in self._held.values())
            waiting = sum(one.stage == "waiting" for one in self._held.values())
            wanted = None if self.kind == "serve" else sorted(self._mine)
        room = _SIDE_BY_SIDE - active
        if room <= 0 or waiting >= 4 * _SIDE_BY_SIDE or wanted == []:
            return
        for row in map(self.ledger.job, self.ledger.claim(self.holder, _TTL_S, only=wanted, limit=room)):
            journal = JobJournal(self.ledger, row.id, self.holder)
            with self._lock:
                self._mine.discard(row.id)
            try:
                request = JobRequest.from_json(row.request_json)
            except DmodError as problem:
                journal.append(State.FAILED, problem.headline)
                continue
            conduct = self._conduct(request, journal, row.owner)
            held = _Held(row.id, row.owner, row.priority, row.submitted_s, conduct)
            conduct.released = lambda held=held: self._take_back(held)  # type: ignore[misc]
            with self._lock:
                self._held[row.id] = held
            assert self._pool is not None
            self._pool.submit(self._prepare, held)

    def _conduct(self, request: JobRequest, journal: JobJournal, owner: str) -> Conduct:
        """What takes one job along the line."""
        catalog = Catalog.at(self.settings, self.ledger, owner=owner)
        folder = self.settings.home / "jobs" / journal.job
        composer = None
        if request.composition is not None:
            if request.output is None:
                request = replace(request, output=folder / "outputs")
            composer = Composer(catalog, request, journal.job, say=log.info)

        def register(target: Path) -> None:
            parents = () if composer is None else tuple(dataset.digest for dataset in composer.used)
            made = Lineage("run", version("dmod"), parents, {"job": journal.job})
            try:
                catalog.add(target, name=f"{journal.job}-outputs", category="output", in_place=True, lineage=made)
            except DmodError as problem:  # outputs that are not listed are outputs still
                log.warning("the outputs are not in the catalog: %s", problem)

        return Conduct(
            request,
            journal,  # type: ignore[arg-type]  # the ledger's journal answers as the one in memory does
            clusters=self._cluster,
            composer=composer,
            folder=folder / "run",
            published=register,
        )

    def _prepare(self, held: _Held) -> None:
        """As far as a job gets without cores."""
        with JobLog(self.ledger, held.id, self.holder):
            conduct = held.conduct
            conduct.take_up()
            with contextlib.suppress(DmodError, OSError):
                if self.settings.cluster is None:
                    conduct.start_workers_early(self._hosts()[0].free_cores)
            conduct.walk(until=State.PARTITIONED)
            self._tell(held)
            if conduct.problem is not None or conduct.journal.state.is_final:
                self._over(held)
                return
            held.cores = conduct.cores
            held.memory_bytes = conduct.request.memory_bytes or 0
            held.waiting_since_s = time.time()
            held.stage = "waiting"
        self._wake.set()

    def _give_cores(self) -> None:
        """Give cores to the jobs whose turn it is."""
        with self._lock:
            waiting = [one for one in self._held.values() if one.stage == "waiting"]
        if not waiting:
            return
        for held in list(waiting):
            if held.conduct.journal.goal is Goal.CANCELLED:
                waiting.remove(held)
                self._go(held)
        hosts = self._hosts()
        running = self._running_cores()
        queue = [
            Waiting(one.id, one.owner, one.priority, one.waiting_since_s, Resources(one.cores, one.memory_bytes))
            for one in waiting
        ]
        by_name = {one.id: one for one in waiting}
        now_s, head = time.time(), None
        for place in order(queue, running, now_s):
            held = by_name[place.id]
            needs = place.resources
            if held.conduct.request.scheduler is not None:
                self._go(held)  # somebody else's cluster: its scheduler shares out its cores
                continue
            if (why := never(needs, hosts, held.conduct.request.paradigm)) is not None:
                problem = AllocationError(
                    "no machine will ever have that much", needed=f"{needs}", why=why, hint="ask for what fits"
                )
                held.conduct.refuse(problem)
                self._over(held)
                continue
            given = allocate(needs, hosts, held.conduct.request.paradigm)
            if given is None:
                head = head or place
                continue
            if head is not None and not may_pass(head, place, now_s):
                continue  # the one in front is not passed over for ever
            whole = {host.name: (host.cores, host.memory_bytes) for host in hosts}
            if not self.ledger.allocate(held.id, self.holder, given.parts, within=whole):
                break  # another conductor was quicker: look again in the next tick
            hosts = given.taken_from(hosts)
            self._go(held)

    def _hosts(self) -> tuple[Host, ...]:
        """What is free, after what jobs of all living conductors hold."""
        given = [(one.host, one.cores, one.memory_bytes) for one in self.ledger.allocations(live=True)]
        return (self._host().without(given),)

    def _host(self) -> Host:
        """The machine it is on."""
        if self.host is None:
            self.host = Host.here()
        return self.host

    def _running_cores(self) -> dict[str, int]:
        """Cores in use by owner."""
        used: dict[str, int] = {}
        for one in self.ledger.allocations(live=True):
            used[one.owner] = used.get(one.owner, 0) + one.cores
        return used

    def _go(self, held: _Held) -> None:
        """See a job to its end."""
        held.stage = "running"
        assert self._pool is not None
        self._pool.submit(self._run, held)

    def _run(self, held: _Held) -> None:
        """The rest of the line."""
        with JobLog(self.ledger, held.id, self.holder):
            held.conduct.walk()
            self._tell(held)
        self._over(held)

    def _over(self, held: _Held) -> None:
        """A job is at its end, or elsewhere."""
        held.stage = "over"
        with contextlib.suppress(DmodError):
            self.ledger.give_back(held.id)
            self.ledger.release(self.holder, [held.id])
        self._wake.set()

    def _take_back(self, held: _Held) -> None:
        """Cores are let go of."""
        if held.stage == "running":
            with contextlib.suppress(DmodError):
                self.ledger.give_back(held.id)
            self._wake.set()

    def _tell(self, held: _Held) -> None:
        """Leave in the ledger what others may ask for later."""
        conduct = held.conduct
        with contextlib.suppress(DmodError):
            if conduct.composer is not None:
                self.ledger.put_detail(held.id, "target", str(conduct.request.target))
            if conduct.reports:
                self.ledger.put_detail(held.id, "tasks", json.dumps([asdict(one) for one in conduct.reports]))
            if conduct.plan is not None:
                self.ledger.put_detail(held.id, "plan", str(conduct.plan))
            if conduct.report is not None:
                self.ledger.put_detail(held.id, "report", conduct.report.to_json())

    def _cluster(self, sizing: Sizing, scheduler: str | None, shared: Path) -> contextlib.AbstractContextManager[Any]:
        """A cluster for one job: threads are shared, processes are its own."""
        if scheduler is None and self.settings.cluster is not None:
            return open_made_cluster(self.settings.cluster, sizing, shared)
        if scheduler is not None or sizing.processes:
            return open_cluster(sizing, scheduler, shared)
        with self._lock:
            if self._shared is None:
                self._shared = _SharedThreads(self._host().cores)
        return self._shared.use(shared)


class _SharedThreads:
    """Threads of this process that many small jobs share, started when first wanted."""

    def __init__(self, threads: int) -> None:
        self._threads, self._stack = threads, contextlib.ExitStack()
        self._client: Client | None = None
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def use(self, shared: Path) -> Iterator[Client]:
        """The client; it stays open."""
        with self._lock:
            if self._client is None:
                whole = Sizing(self._threads, self._threads, processes=False)
                self._client = self._stack.enter_context(open_cluster(whole, None, shared))
            client = self._client
        yield client

    def close(self) -> None:
        """End the threads."""
        with self._lock:
            self._client = None
            self._stack.close()
