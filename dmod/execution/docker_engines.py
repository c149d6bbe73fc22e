"""The engines of a plan, all together: this machine's, or those of several hosts that are one swarm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmod.errors import EngineError
from dmod.execution.docker_containers import containers_on, remove, remove_network, stop, troubles
from dmod.execution.docker_engine import connect

if TYPE_CHECKING:
    from docker import DockerClient

    from dmod.execution.mpi_plan import MpiPlan

__all__ = ["Engines"]

#: How long an engine may take to say how its containers are [s].
_WATCH_S = 20.0


class Engines:
    """Clients of all engines of a plan; close them when they are no longer needed.

    Parameters
    ----------
    plan : MpiPlan
        What runs, or is to run.
    only_those_that_answer : bool
        Whether the others are left out instead of raised.

    Raises
    ------
    EngineError
        If one of them cannot be used, or there are several that are not one swarm.
    """

    def __init__(self, plan: MpiPlan, *, only_those_that_answer: bool = False) -> None:
        self._acting: dict[str | None, DockerClient] = {}
        self._watching: dict[str | None, DockerClient] = {}
        #: What the swarm calls each engine, and which of them manages it.
        self._nodes: dict[str | None, str] = {}
        self._manager: str | None = None
        try:
            for address in dict.fromkeys(place.engine for place in plan.places):
                try:
                    self._acting[address] = connect(address)
                    self._watching[address] = connect(address, timeout_s=_WATCH_S)
                except EngineError:
                    if not only_those_that_answer:
                        raise
            self._are_swarm = len(plan.places) > 1 and len({place.engine for place in plan.places}) > 1
            if self._are_swarm:
                self._find_swarm(must_be_whole=not only_those_that_answer)
        except BaseException:
            self.close()
            raise

    @property
    def all(self) -> list[DockerClient]:
        """Each engine once."""
        return list(self._acting.values())

    @property
    def network_owner(self) -> DockerClient | None:
        """The engine that makes and removes networks that all see; None where it does not answer."""
        if self._are_swarm:
            return self._acting[self._manager] if self._manager in self._nodes else None
        return next(iter(self._acting.values()), None)

    @property
    def network_driver(self) -> str:
        """What kind of network all of them see."""
        return "overlay" if self._are_swarm else "bridge"

    def on(self, address: str | None) -> DockerClient:
        """The engine at an address, to act."""
        return self._acting[address]

    def watching(self, address: str | None) -> DockerClient:
        """The engine at an address, to look: it answers soon or not at all."""
        return self._watching[address]

    def remove(self, plan: MpiPlan) -> None:
        """Stop and remove the containers of a plan's job, and its network."""
        remove(containers_on(self.all, plan.job))
        if plan.network is not None and self.network_owner is not None:
            remove_network(self.network_owner, plan.network)

    def stop(self, plan: MpiPlan) -> None:
        """Stop the containers of a plan's job, and leave them to be looked at."""
        stop(containers_on(self.all, plan.job))

    def lost(self) -> list[str | None]:
        """Addresses of engines that the swarm's manager no longer hears of; none where it cannot be asked."""
        if not self._are_swarm:
            return []
        try:
            nodes = self._watching[self._manager].nodes.list()
        except troubles():
            return []
        ready = {str(node.id) for node in nodes if node.attrs["Status"]["State"] == "ready"}
        return [address for address, node in self._nodes.items() if node not in ready]

    def close(self) -> None:
        """Let go of all."""
        for client in (*self._acting.values(), *self._watching.values()):
            client.close()

    def _find_swarm(self, *, must_be_whole: bool) -> None:
        """Learn who is in the swarm, and who manages it."""
        members: set[str] = set()
        for address, client in self._acting.items():
            swarm = client.info().get("Swarm") or {}
            self._nodes[address] = str(swarm.get("NodeID") or "")
            if swarm.get("ControlAvailable") and not members:
                self._manager, members = address, {str(node.id) for node in client.nodes.list()}
        if not must_be_whole:
            return
        if not members:
            raise EngineError(
                "no engine of these hosts manages a swarm", has=", ".join(map(_called, self._acting)),
                hint="on the first host `docker swarm init`, on the others the `docker swarm join` that it prints",
            )  # fmt: skip
        for address, node in self._nodes.items():
            if node not in members:
                raise EngineError(
                    "an engine is not in the swarm of the others", engine=_called(address),
                    hint="`docker swarm join-token worker` on the manager prints how it joins",
                )  # fmt: skip


def _called(address: str | None) -> str:
    return address or "this machine"
