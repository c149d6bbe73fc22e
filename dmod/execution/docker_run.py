"""An MPI run in containers: started once, found again, watched, stopped.

`launch` starts a plan or takes up what was started of it before; `attach` only takes up. What
runs is found by the labels of its containers, so nothing needs to be remembered.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from dmod.errors import DmodError, EngineError, RunError
from dmod.execution.docker_containers import containers_of, remove, require_image, start
from dmod.execution.docker_end import ended_badly, lost_part, swarm_lost
from dmod.execution.docker_engines import Engines
from dmod.execution.docker_hosts import make_network, start_hosts
from dmod.execution.docker_watch import Seen, Watch
from dmod.execution.mpi_plan import PLAN_LABEL
from dmod.execution.observation import Observation, Usage
from dmod.execution.rank_log import RankLog
from dmod.execution.stall import STALL_S, Stall, last_written

if TYPE_CHECKING:
    from docker.models.containers import Container as Found

    from dmod.execution.mpi_plan import MpiPlan

__all__ = ["DockerRun", "attach", "clear", "launch"]

_JUDGE_EVERY_S, _NODES_EVERY_S, _FILES_EVERY_S = 0.1, 2.0, 10.0
#: How long containers of other hosts may take to end when mpirun has [s].
_OTHERS_END_S = 3.0
#: The least time between two awakenings by lines [s].
_LULL_S = 0.2


class DockerRun:
    """Ranks under way in containers; what can be asked is what `dmod.execution.observation.Run` says.

    Parameters
    ----------
    plan : MpiPlan
        What was started.
    engines : Engines
        Where; closed with the run.
    resumed : bool
        Whether it was started by somebody else before.
    stall_s : float
        How long it may show no sign of life [s].
    """

    def __init__(self, plan: MpiPlan, engines: Engines, *, resumed: bool, stall_s: float) -> None:
        self._plan, self._engines = plan, engines
        self._log = RankLog(plan, resumed=resumed)
        self._stall = Stall(stall_s, time.monotonic())
        self._woken, self._over, self._closing = threading.Event(), threading.Event(), threading.Event()
        self._failure: DmodError | None = None
        self._alone_since: float | None = None
        self._nodes_at = self._files_at = time.monotonic()
        self._hosts = [
            self._watch(place.engine, plan.container(number), self._hearing(number))
            for number, place in enumerate(plan.places)
        ]
        self._main = self._hosts[0]
        if plan.network is not None:
            self._main = self._watch(plan.places[0].engine, plan.launcher, self._hear)
        self._judge = threading.Thread(target=self._watch_over, name=f"dmod-{plan.job}-judge", daemon=True)
        self._judge.start()

    def observe(self) -> Observation:
        """How far it is; answers at once with what was seen last.

        Raises
        ------
        DmodError
            If it failed: what a rank said, or what happened to a container, an engine or a host.
        """
        if self._failure is not None:
            raise self._failure
        tasks = self._plan.ranks
        usage = tuple(
            Usage(place.host, watch.seen.cores, watch.seen.memory_bytes)
            for place, watch in zip(self._plan.places, self._hosts, strict=True)
        )
        if self._over.is_set():
            return Observation(self._plan.catchment_steps, tasks, tasks, usage=usage)
        return Observation(self._log.done, 0, tasks, usage=usage)

    def wait(self, seconds: float) -> None:
        """Wait until it says something or ends, so long at most."""
        if not self._over.wait(min(seconds, _LULL_S)):
            self._woken.wait(max(0.0, seconds - _LULL_S))
        self._woken.clear()

    def news(self) -> list[str]:
        """Lines since the last call; ``[rank 1]`` in front of those of a rank."""
        return self._log.news()

    def stop(self) -> None:
        """Stop and remove its containers and its network; return when that is done."""
        self._let_go()
        self._engines.remove(self._plan)
        self._log.end()

    def leave(self) -> None:
        """Watch it no longer, and leave it running for whoever takes it up."""
        self._let_go()
        self._log.end()
        self._engines.close()

    def close(self) -> None:
        """Remove what is left of it."""
        self.stop()
        self._engines.close()

    def _let_go(self) -> None:
        """End the threads."""
        self._closing.set()
        self._judge.join(timeout=15)
        for watch in self._watches:
            watch.close()

    @property
    def _watches(self) -> list[Watch]:
        return self._hosts if self._main is self._hosts[0] else [self._main, *self._hosts]

    def _hear(self, line: str) -> None:
        """A line of mpirun."""
        self._stall.said(time.monotonic())
        self._log.hear(line)

    def _watch(self, engine: str | None, name: str, hear: Callable[[str], None]) -> Watch:
        """Follow a container."""
        return Watch(self._engines.watching(engine), engine, name, hear, self._woken.set)

    def _hearing(self, number: int) -> Callable[[str], None]:
        """Who takes the lines of a host's container."""
        if self._plan.network is None:
            return self._hear
        return lambda line: self._log.hear_host(number, line)

    def _watch_over(self) -> None:
        """Judge the run again and again, until it is over; have what is left of a failed one stop."""
        while not self._closing.is_set() and not self._over.is_set():
            try:
                self._failure = self._judged()
            except Exception as problem:  # whatever it is, a run that nobody watches must not look as if it ran
                self._failure = RunError("the run can no longer be watched", reason=repr(problem))
                self._failure.__cause__ = problem
            if self._failure is not None and not self._closing.is_set():
                self._over.set()
                self._woken.set()
                self._engines.stop(self._plan)
            self._closing.wait(_JUDGE_EVERY_S)

    def _judged(self) -> RunError | None:
        """Whether it failed; notes if it is over."""
        now = time.monotonic()
        if self._main.has_ended and not self._main.seen.is_gone:
            if self._main.seen.exit_code == 0:
                self._log.end()
                self._over.set()
                self._woken.set()
                return None
            for watch in self._hosts:
                watch.wait_for_end(_OTHERS_END_S)
            self._log.end()
            return ended_badly(self._plan, self._log, self._main.seen, [watch.seen for watch in self._hosts])
        hosts = [watch.seen for watch in self._hosts]
        if all(seen.exit_code is None for seen in hosts):
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = now
        alone = 0.0 if self._alone_since is None or self._plan.network is None else now - self._alone_since
        return (
            lost_part(self._plan, self._main.seen, hosts, alone) or self._swarm_lost(now) or self._stalled(hosts, now)
        )

    def _swarm_lost(self, now: float) -> RunError | None:
        """Ask now and then whether all hosts are still in the swarm."""
        if now - self._nodes_at < _NODES_EVERY_S:
            return None
        self._nodes_at = now
        return swarm_lost(self._plan, self._engines.lost())

    def _stalled(self, hosts: list[Seen], now: float) -> RunError | None:
        """Whether it makes no progress; looks at files only when it has said nothing for long."""
        self._stall.took(sum(seen.cores for seen in hosts), now)
        if self._stall.is_silent(now) and now - self._files_at >= _FILES_EVERY_S:
            self._files_at = now
            wrote = last_written([mount.source for mount in self._plan.mounts if mount.writable])
            if wrote is not None:
                self._stall.wrote(time.time() - wrote, now)
        return self._stall.failure(now) if self._stall.is_over(now) else None


def launch(plan: MpiPlan, *, stall_s: float = STALL_S) -> DockerRun:
    """Start a plan; or take it up where it was started before, so that nothing is started twice.

    Parameters
    ----------
    plan : MpiPlan
        What to start. What another plan of the same job left is removed first.
    stall_s : float
        How long the run may show no sign of life before it counts as failed [s].

    Returns
    -------
    DockerRun
        Under way.

    Raises
    ------
    EngineError
        If an engine cannot be used, has not the image, or cannot give what is asked for: nothing was started.
    RunError
        If it was started and failed at once; nothing is left of it.
    """
    engines = Engines(plan)
    try:
        found = [one for client in engines.all for one in containers_of(client, plan.job)]
        resumed = _is_started(found, plan)
        if not resumed:
            _check(engines, plan)
            remove(found)
        try:
            _start(engines, plan)
        except DmodError:
            engines.remove(plan)
            raise
        return DockerRun(plan, engines, resumed=resumed, stall_s=stall_s)
    except BaseException:
        engines.close()
        raise


def attach(plan: MpiPlan, *, stall_s: float = STALL_S) -> DockerRun | None:
    """Take up what was started of a plan, whether it still runs or has ended.

    Parameters
    ----------
    plan : MpiPlan
        What was started.
    stall_s : float
        How long the run may show no sign of life before it counts as failed [s].

    Returns
    -------
    DockerRun or None
        None where nothing was started of it.

    Raises
    ------
    EngineError
        If an engine cannot be used.
    """
    engines = Engines(plan)
    try:
        found = [one for client in engines.all for one in containers_of(client, plan.job)]
    finally:
        engines.close()
    return launch(plan, stall_s=stall_s) if _is_started(found, plan) else None


def clear(plan: MpiPlan) -> None:
    """Remove whatever is left of a plan's job, on those of its engines that answer."""
    engines = Engines(plan, only_those_that_answer=True)
    try:
        engines.remove(plan)
    finally:
        engines.close()


def _is_started(found: list[Found], plan: MpiPlan) -> bool:
    """Whether the first container of a plan is among those of its job, and none of another plan."""
    first = plan.launcher if plan.network is not None else plan.container(0)
    return {one.labels.get(PLAN_LABEL) for one in found} == {plan.fingerprint} and first in {one.name for one in found}


def _check(engines: Engines, plan: MpiPlan) -> None:
    """Find out what would go wrong before anything is started."""
    for mount in plan.mounts:
        if not mount.source.exists():
            raise EngineError("there is nothing to mount", needed=mount.source, inside=mount.target)
    for number in range(len(plan.places)):
        container = plan.on_host(number)
        require_image(engines.on(container.engine), container, plan.image.digest)


def _start(engines: Engines, plan: MpiPlan) -> None:
    """Start what is not started yet."""
    if plan.network is None:
        container = plan.on_host(0)
        start(engines.on(container.engine), container)
    else:
        make_network(engines, plan)
        start_hosts(engines, plan)
