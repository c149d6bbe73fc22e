"""Executors of this machine: its own programs of ngen, or an image by Apptainer."""

from __future__ import annotations

from collections.abc import Sequence

from dmod.errors import InputError
from dmod.execution import apptainer, host_run
from dmod.execution.host_programs import find_programs
from dmod.execution.host_run import HostRun
from dmod.execution.mpi_plan import ImageFacts, MpiPlan
from dmod.schedule.resources import Host

__all__ = ["ApptainerExecutor", "HostExecutor"]


class HostExecutor:
    """Runs ranks with the programs of this machine; see `dmod.execution.executor.Executor`."""

    def facts(self, image: str | None) -> ImageFacts:
        """The programs here.

        Raises
        ------
        EngineError
            If they are not here.
        InputError
            If an image is asked for.
        """
        if image is not None:
            raise InputError(
                "programs of this machine run in no image", has=image, hint="leave --image out, or say --on docker"
            )
        return find_programs()

    def hosts(self, addresses: Sequence[str]) -> dict[str, Host]:
        """What one may use of this machine.

        Raises
        ------
        InputError
            If others are asked for.
        """
        if addresses:
            raise InputError(
                "programs of this machine run on this machine", has=", ".join(addresses),
                hint="leave --hosts out, or say --on docker",
            )  # fmt: skip
        return {"": Host.here()}

    def launch(self, plan: MpiPlan) -> HostRun:
        """Start a plan, or find it again."""
        return host_run.launch(plan)

    def attach(self, plan: MpiPlan) -> HostRun | None:
        """What was started of a plan; None where nothing was."""
        return host_run.attach(plan)

    def clear(self, plan: MpiPlan) -> None:
        """End whatever is left of a plan."""
        host_run.clear(plan)


class ApptainerExecutor(HostExecutor):
    """Runs ranks in an image by Apptainer or Singularity."""

    def facts(self, image: str | None) -> ImageFacts:
        """What is known of an image.

        Raises
        ------
        EngineError
            If there is no Apptainer, or it cannot start the image.
        InputError
            If no image is named.
        """
        if image is None:
            raise InputError("Apptainer needs an image", hint="name a .sif file, or one of a registry, with --image")
        return apptainer.image_facts(image)

    def launch(self, plan: MpiPlan) -> HostRun:
        """Start a plan, or find it again."""
        return apptainer.launch(plan)
