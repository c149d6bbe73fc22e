"""Who gets cores: jobs that wait are asked in turn, and those that fit are given theirs in the ledger.

The order, and who may pass whom, is decided by `dmod.schedule`; this does it for one
conductor. Others may do the same at the same time: the ledger gives nothing twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dmod.conductor.conduct import Conduct
from dmod.conductor.log import JobLog
from dmod.errors import AllocationError, DmodError
from dmod.ledger.ledger import Ledger
from dmod.schedule.allocation import allocate, never
from dmod.schedule.queue import Waiting, may_pass, order
from dmod.schedule.resources import Host, Resources

__all__ = ["Held", "Turns"]


@dataclass
class Held:
    """A job under a lease of ours."""

    #: Its id, and whose it is.
    id: str
    owner: str
    #: The higher, the sooner.
    priority: int
    #: Since when it waits [s since 1970].
    since_s: float
    #: What takes it along, and what is said meanwhile.
    conduct: Conduct
    log: JobLog
    #: ``preparing``, ``waiting``, ``running`` or ``over``.
    stage: str = "preparing"
    #: When its lease was last known to be ours [s since 1970].
    leased_s: float = 0.0
    #: Hosts that are known to be large enough for it: cores and memory [bytes].
    fits: tuple[tuple[int, int], ...] | None = None
    #: What the ledger was told of, for others to read.
    told: dict[str, object] = field(default_factory=dict)

    @property
    def waits(self) -> Waiting:
        """How it stands in the queue."""
        wants = Resources(self.conduct.cores, self.conduct.request.memory_bytes or 0)
        return Waiting(self.id, self.owner, self.priority, self.since_s, wants)


@dataclass(frozen=True)
class Turns:
    """Gives cores of one machine to the jobs of one conductor.

    Parameters
    ----------
    ledger : Ledger
        Where it stands what is given.
    holder : str
        The conductor.
    host : Host
        The machine.
    """

    ledger: Ledger
    holder: str
    host: Host

    def free(self) -> Host:
        """The machine after what jobs of all living conductors hold.

        Raises
        ------
        LedgerError
            If the ledger cannot be asked.
        """
        return self.host.without((one.host, one.cores, one.memory_bytes) for one in self.ledger.allocations(live=True))

    def give(
        self, waiting: Sequence[Held], go: Callable[[Held], None], refuse: Callable[[Held, DmodError], None]
    ) -> None:
        """Give cores to the jobs whose turn it is.

        Parameters
        ----------
        waiting : sequence of Held
            Jobs that wait.
        go : callable
            Told of each that may go on.
        refuse : callable
            Told of each that can never have what it wants, and why.

        Raises
        ------
        LedgerError
            If the ledger cannot be asked or written; who was told to go may go.
        """
        grants = self.ledger.allocations(live=True)
        running: dict[str, int] = {}
        for one in grants:
            running[one.owner] = running.get(one.owner, 0) + one.cores
        known = {host.name: host for held in waiting for host in held.conduct.hosts} | {self.host.name: self.host}
        whole = {host.name: (host.cores, host.memory_bytes) for host in known.values()}
        taken = [(one.host, one.cores, one.memory_bytes) for one in grants]
        free = {name: host.without(taken) for name, host in known.items()}
        if not any(host.free_cores for host in free.values()) and all(
            one.conduct.request.scheduler is None for one in waiting
        ):
            return
        by_name = {one.id: one for one in waiting}
        now_s, head = time.time(), None
        for place in order([one.waits for one in waiting], running, now_s):
            held = by_name[place.id]
            request = held.conduct.request
            if request.scheduler is not None:
                go(held)  # somebody else's cluster: its scheduler shares out its cores
                continue
            hosts = [free[host.name] for host in held.conduct.hosts or (self.host,)]
            size = tuple((host.cores, host.memory_bytes) for host in hosts)
            if held.fits != size and (why := never(place.resources, hosts, request.paradigm)) is not None:
                problem = AllocationError(
                    "no machine will ever have that much", needed=place.resources, why=why, hint="ask for what fits"
                )
                refuse(held, problem)
                continue
            held.fits = size
            given = allocate(place.resources, hosts, request.paradigm)
            if given is None:
                head = head or place
                continue
            if head is not None and not may_pass(head, place, now_s):
                continue  # the one in front is not passed over for ever
            if not self.ledger.allocate(held.id, self.holder, given.parts, within=whole):
                return  # another conductor was quicker: look again in the next tick
            free |= {host.name: host for host in given.taken_from(hosts)}
            held.conduct.given = given
            go(held)
