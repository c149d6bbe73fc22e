"""What starts the ranks of an MPI run: a Docker engine, or the programs of this machine.

Executors are found by name among the entry points ``dmod.executors``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from dmod import plugins
from dmod.errors import InputError

if TYPE_CHECKING:
    from dmod.execution.mpi_plan import ImageFacts, MpiPlan
    from dmod.execution.observation import Run
    from dmod.schedule.resources import Host

__all__ = ["Executor", "executor_named"]


class Executor(Protocol):
    """Starts ranks, and finds them again."""

    def facts(self, image: str | None) -> ImageFacts:
        """What is known of an image, or of the programs here; raises a `DmodError` if it cannot be used."""

    def hosts(self, addresses: Sequence[str]) -> dict[str, Host]:
        """What the engines at some addresses offer, by address; this machine's under ``""`` where none is named."""

    def launch(self, plan: MpiPlan) -> Run:
        """Start a plan, or find it again where it was started before: nothing is started twice."""

    def attach(self, plan: MpiPlan) -> Run | None:
        """What was started of a plan by somebody who is gone; None where nothing was."""

    def clear(self, plan: MpiPlan) -> None:
        """Remove whatever is left of a plan: containers, networks, processes."""


def executor_named(name: str) -> Executor:
    """The executor of a name.

    Parameters
    ----------
    name : str
        Such as ``docker`` or ``host``.

    Returns
    -------
    Executor
        Ready to be asked.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    found: dict[str, Callable[[], Executor]] = dict(plugins.load("dmod.executors").found)
    if name not in found:
        raise InputError(f"there is nothing called {name!r} to run on", has=", ".join(["dask", *sorted(found)]))
    return found[name]()
