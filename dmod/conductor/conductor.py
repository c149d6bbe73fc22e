"""Conducts jobs: claims them, prepares them side by side, gives them cores in turn, sees them to their end.

Every job is conducted under a lease of its own in the ledger, renewed while this process
lives; a conductor that dies loses its leases, and the next one takes its jobs up. Who gets
cores next is decided by `dmod.schedule`; what a job does is in `dmod.conductor.conduct`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dmod.catalog.catalog import Catalog
from dmod.conductor.checked import Checked
from dmod.conductor.conduct import Conduct
from dmod.conductor.equipped import conduct_of
from dmod.conductor.log import JobLog
from dmod.conductor.presence import living, presence
from dmod.conductor.telling import tell
from dmod.conductor.trouble import WITH_CORES
from dmod.conductor.turns import Held, Turns
from dmod.errors import DmodError, JobError, LedgerError, LostLease, to_facts
from dmod.execution.cluster import open_cluster, open_made_cluster
from dmod.execution.threads import Threads
from dmod.job.lifecycle import State
from dmod.job.request import JobRequest
from dmod.ledger.journal import JobJournal
from dmod.schedule.resources import Host
from dmod.schedule.sizing import Sizing
from dmod.settings import Settings, read_settings

if TYPE_CHECKING:
    from dmod.ledger.ledger import Ledger

__all__ = ["Conductor"]

log = logging.getLogger("dmod.conductor")

_BUSY_S, _IDLE_S, _LOOK_S = 0.02, 0.2, 1.0
#: How long a session's conductor stays when it has nothing to do.
_LINGER_S = 2.0
#: How many jobs are under way at once, and how many of them are prepared, which takes Python's lock.
_SIDE_BY_SIDE, _CHECKS = 32, 2
#: Where enough wait for cores, others are claimed together, and no more often than this [s].
_CLAIM_S = 0.25
#: How many jobs that are over a session's conductor remembers.
_KEPT = 16


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
    #: How long a lease lasts that is not renewed, as it is four times in that time [s].
    ttl_s: float = 15.0
    #: Who it is, for the ledger.
    holder: str = field(
        default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}", init=False
    )
    _mine: set[str] = field(default_factory=set, init=False)
    _held: dict[str, Held] = field(default_factory=dict, init=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False)
    _wake: threading.Event = field(default_factory=threading.Event, init=False)
    _stopped: threading.Event = field(default_factory=threading.Event, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)
    _pool: ThreadPoolExecutor | None = field(default=None, init=False)
    _checks: ThreadPoolExecutor | None = field(default=None, init=False)
    _checked: Checked = field(default_factory=Checked, init=False)
    _claimed_s: float = field(default=float("-inf"), init=False)
    _threads: Threads | None = field(default=None, init=False)

    def start(self) -> None:
        """Begin; returns at once."""
        with self._lock:
            if self._thread is not None:
                return
            self._pool = ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="dmod-conduct")
            self._checks = ThreadPoolExecutor(_CHECKS, thread_name_prefix="dmod-check")
            self._thread = threading.Thread(target=self._loop, name="dmod-conductor", daemon=True)
            self._thread.start()

    def stop(self, timeout_s: float = 8.0) -> None:
        """Let go of everything; jobs that are under way can be taken up by others at once."""
        self._stopped.set()
        self._wake.set()
        if (thread := self._thread) is not None:
            thread.join(timeout_s)
        until = time.monotonic() + timeout_s
        while (active := self._active()) and time.monotonic() < until:
            for held in active:
                self._leave(held)
            time.sleep(0.01)
        with contextlib.suppress(DmodError):
            self.ledger.leave(self.holder)
        self._dismiss()

    def _dismiss(self) -> None:
        """Let every thread of ours go; jobs that are let go of have what they hold taken back first."""
        for pool in (self._checks, self._pool):
            if pool is not None:
                pool.shutdown(wait=False, cancel_futures=pool is self._checks)
        if self._threads is not None:
            self._threads.close()
        self._checks = self._pool = self._threads = self._thread = None

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

    def _active(self, *stages: str) -> list[Held]:
        """Jobs in some stage; all that are not over where none is named."""
        with self._lock:
            return [one for one in self._held.values() if (one.stage in stages if stages else one.stage != "over")]

    def _loop(self) -> None:
        """Tick until told to stop, or nothing is left to do; a ledger that cannot be reached is asked again."""
        beat_s = looked_s = float("-inf")
        seen, trouble, busy_s = None, "", time.monotonic()
        while not self._stopped.is_set():
            now_s = time.monotonic()
            if not self._is_idle():
                busy_s = now_s
            elif now_s - busy_s > _LINGER_S and self._rest():
                return
            try:
                if now_s - beat_s >= self.ttl_s / 4:
                    self._beat()
                    beat_s = now_s
                version, due = self.ledger.version(), now_s - looked_s >= _LOOK_S
                if due:
                    living(self.ledger)
                    self._forget()
                    looked_s = now_s
                if due or version != seen or self._wake.is_set():
                    self._wake.clear()
                    seen = version
                    self._claim()
                    self._give_cores()
                for held in self._active():
                    held.log.flush_if_due()
                trouble = ""
            except LedgerError as problem:
                if problem.headline != trouble:
                    trouble = problem.headline
                    log.warning("the ledger: %s", problem.headline)
                self._stopped.wait(1.0)
            except Exception:  # a fault in one tick must not end the conducting of every job
                log.exception("a tick of the conductor failed")
                self._stopped.wait(1.0)
            self._wake.wait(_BUSY_S if self._active() else _IDLE_S)

    def _is_idle(self) -> bool:
        """Whether nobody waits for us."""
        with self._lock:
            return self.kind == "session" and not self._mine and not self._active()

    def _forget(self) -> None:
        """Wait no longer for jobs that somebody else has ended."""
        with self._lock:
            awaited = sorted(self._mine) if not self._active() else []
        for name in awaited:
            try:
                ended = self.ledger.job(name).state.is_final
            except JobError:
                ended = True
            if ended:
                with self._lock:
                    self._mine.discard(name)

    def _rest(self) -> bool:
        """End the thread until there is a job again; false where one has come meanwhile."""
        with self._lock:
            if not self._is_idle():
                return False
            with contextlib.suppress(DmodError):  # what is not taken back runs out
                self.ledger.leave(self.holder)
            self._dismiss()
            return True

    def _beat(self) -> None:
        """Say that we live, and keep our leases; jobs that somebody else has by now are let go of."""
        self.ledger.beat(self.holder, presence(self.kind), self.ttl_s)
        active = self._active()
        if not active:
            return
        now_s = time.time()
        kept = set(self.ledger.renew(self.holder, [one.id for one in active], self.ttl_s))
        for held in active:
            if held.id in kept:
                held.leased_s = now_s
            elif held.stage != "over":
                self._leave(held)

    def _leave(self, held: Held) -> None:
        """Have a job let go of; one that waits for cores would not see to it by itself."""
        held.conduct.leave()
        if held.stage == "waiting":
            self._go(held)

    def _keep(self, held: Held) -> None:
        """Make sure that a job is ours, and stays so for a while: nobody takes it before its lease has run out."""
        now_s = time.time()
        if 0 <= now_s - held.leased_s < self.ttl_s / 2:
            return
        if held.id not in self.ledger.renew(self.holder, [held.id], self.ttl_s):
            raise LostLease("somebody else conducts the job now", job=held.id)
        held.leased_s = now_s

    def _claim(self) -> None:
        """Take jobs that nobody conducts."""
        with self._lock:
            wanted = None if self.kind == "serve" else sorted(self._mine)
        room = _SIDE_BY_SIDE - len(self._active("preparing", "running"))
        waiting, now_s = len(self._active("waiting")), time.time()
        if room <= 0 or waiting >= _SIDE_BY_SIDE or wanted == []:
            return
        if waiting >= _SIDE_BY_SIDE // 2 and 0 <= now_s - self._claimed_s < _CLAIM_S:
            return
        self._claimed_s = now_s
        for row in map(self.ledger.job, self.ledger.claim(self.holder, self.ttl_s, only=wanted, limit=room)):
            if self._stopped.is_set():
                return
            before = self._held.get(row.id)
            if before is not None and before.stage != "over":  # it was ours and lost meanwhile: that has to end first
                self._leave(before)
                self.ledger.release(self.holder, [row.id])
                continue
            if row.state in (State.PARTITIONED, *WITH_CORES):
                self.ledger.give_back(row.id)  # what it was given by whoever conducted it before
            journal = JobJournal(self.ledger, row.id, self.holder, row)
            with self._lock:
                self._mine.discard(row.id)
            try:
                request = JobRequest.from_json(row.request_json)
            except DmodError as problem:
                journal.append(State.FAILED, problem.headline, problem=to_facts(problem))
                self.ledger.release(self.holder, [row.id])
                continue
            catalog = Catalog.at(self.settings, self.ledger, owner=row.owner)
            conduct = conduct_of(request, journal, catalog, self.settings.home / "jobs" / row.id, self._cluster)
            held = Held(
                row.id, row.owner, row.priority, row.updated_s, conduct, JobLog(self.ledger, row.id, self.holder),
                leased_s=now_s,
            )  # fmt: skip
            conduct.check, conduct.here = self._checked.examine, self._host()
            conduct.still_ours = partial(self._keep, held)
            conduct.ending = partial(self._ending, held)
            with self._lock:
                self._held[row.id] = held
            assert self._checks is not None
            self._checks.submit(self._prepare, held)

    @contextlib.contextmanager
    def _under(self, held: Held) -> Iterator[None]:
        """Whatever goes wrong in here, the job does not stay with us for ever."""
        try:
            with held.log:
                yield
        except Exception:  # a fault of ours outside of the verbs: the job is another's to take up
            log.exception("job %s is let go of", held.id)
            held.conduct.leave()
            held.conduct.walk()
            self._over(held)

    def _prepare(self, held: Held) -> None:
        """As far as a job gets without cores."""
        with self._under(held):
            conduct = held.conduct
            conduct.take_up()
            if self.settings.cluster is None:
                conduct.start_workers_early(self._free_cores)
            conduct.walk(until=State.PARTITIONED)
            if conduct.is_over:
                self._over(held)
                return
            tell(self.ledger, held)
            held.stage = "waiting"
            if self._stopped.is_set():
                self._leave(held)
        self._wake.set()

    def _free_cores(self) -> int:
        """Cores that nobody holds; none where the ledger does not say."""
        with contextlib.suppress(LedgerError):
            return self._turns().free().free_cores
        return 0

    def _give_cores(self) -> None:
        """Give cores to the jobs whose turn it is."""
        waiting = self._active("waiting")
        if not waiting:
            return
        unwanted = self.ledger.unwanted()
        for held in waiting:
            if held.id in unwanted:
                self._go(held)
        self._turns().give([held for held in waiting if held.stage == "waiting"], self._go, self._go)

    def _turns(self) -> Turns:
        """Who gives cores of this machine."""
        return Turns(self.ledger, self.holder, self._host())

    def _host(self) -> Host:
        """The machine it is on."""
        if self.host is None:
            self.host = Host.here()
        return self.host

    def _go(self, held: Held, problem: DmodError | None = None) -> None:
        """See a job to its end; that is now where it can never have what it wants."""
        with self._lock:
            if held.stage != "waiting":
                return
            held.stage = "running"
        try:
            if self._pool is None:
                raise RuntimeError("we have stopped")
            self._pool.submit(self._run, held, problem)
        except RuntimeError:  # or this program is about to end
            held.conduct.leave()
            self._run(held)

    def _run(self, held: Held, problem: DmodError | None = None) -> None:
        """The rest of the line, or the end of it."""
        with self._under(held):
            if problem is not None:
                held.conduct.refuse(problem)
            held.conduct.walk()
            self._over(held)

    def _over(self, held: Held) -> None:
        """A job is at its end, or elsewhere."""
        try:
            held.log.flush()
            with contextlib.suppress(DmodError):  # a lease that cannot be given up runs out
                self.ledger.release(self.holder, [held.id])
        finally:
            with self._lock:
                held.stage = "over"  # from now on it may be taken up anew
                if held.conduct.is_left:
                    self._held.pop(held.id, None)
                    self._mine.add(held.id)
                over = [one.id for one in self._held.values() if one.stage == "over"]
                for name in over[: max(0, len(over) - (_KEPT if self.kind == "session" else 0))]:
                    del self._held[name]
            self._wake.set()

    def _ending(self, held: Held) -> None:
        """Have everything in the ledger before anybody hears that a job is over."""
        tell(self.ledger, held)
        held.log.flush()

    def _cluster(self, sizing: Sizing, scheduler: str | None, shared: Path) -> contextlib.AbstractContextManager[Any]:
        """A cluster for one job: threads are shared, processes are its own."""
        if scheduler is None and self.settings.cluster is not None:
            return open_made_cluster(self.settings.cluster, sizing, shared)
        if scheduler is not None or sizing.processes:
            return open_cluster(sizing, scheduler, shared)
        with self._lock:
            if self._threads is None:
                self._threads = Threads(self._host().cores)
        return contextlib.nullcontext(self._threads)
