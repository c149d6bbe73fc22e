"""The executor of container engines: ranks in containers of one host, or of several."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from importlib.metadata import version

from dmod.execution import docker_run
from dmod.execution.docker_engine import capacity, connect
from dmod.execution.docker_image import image_facts
from dmod.execution.docker_run import DockerRun
from dmod.execution.mpi_plan import ImageFacts, MpiPlan
from dmod.schedule.resources import Host

__all__ = ["DockerExecutor"]


class DockerExecutor:
    """Runs ranks in containers; see `dmod.execution.executor.Executor`."""

    def facts(self, image: str | None) -> ImageFacts:
        """What is known of an image.

        Raises
        ------
        EngineError
            If no engine answers, it has no such image, or the image has no ngen where ngen is looked for.
        """
        with closing(connect()) as client:
            return image_facts(client, image or f"dmod-worker:{version('dmod')}")

    def hosts(self, addresses: Sequence[str]) -> dict[str, Host]:
        """What engines offer, by address; this machine's under ``""`` where none is named.

        Raises
        ------
        EngineError
            If one of them does not answer.
        """
        if not addresses:
            return {"": Host.here()}
        found = {}
        for address in addresses:
            with closing(connect(address)) as client:
                found[address] = capacity(client)
        return found

    def launch(self, plan: MpiPlan) -> DockerRun:
        """Start a plan, or find it again."""
        return docker_run.launch(plan)

    def attach(self, plan: MpiPlan) -> DockerRun | None:
        """What was started of a plan; None where nothing was."""
        return docker_run.attach(plan)

    def clear(self, plan: MpiPlan) -> None:
        """Remove whatever is left of a plan."""
        docker_run.clear(plan)
