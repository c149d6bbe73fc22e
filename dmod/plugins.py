"""One lazy look-up per entry-point group.

A plug-in that cannot be loaded is reported with its reason and left out; it never
stops the others. The groups in use: ``dmod.evaluation_plots``, ``dmod.executors``,
``dmod.formats``, ``dmod.images``, ``dmod.metrics``, ``dmod.modules``,
``dmod.observations``, ``dmod.plots``, ``dmod.rules``.
"""

from __future__ import annotations

import functools
import logging
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Broken", "Group", "load"]

log = logging.getLogger("dmod.plugins")


@dataclass(frozen=True, slots=True)
class Broken:
    """A plug-in that could not be loaded."""

    #: The entry point's name.
    name: str
    #: Where it points, ``package.module:attribute``.
    target: str
    #: Why it failed, one line.
    reason: str


@dataclass(frozen=True, slots=True)
class Group:
    """All plug-ins of one entry-point group."""

    #: Name to loaded object.
    found: Mapping[str, Any]
    #: Those that failed.
    broken: tuple[Broken, ...]


@functools.cache
def load(group: str) -> Group:
    """Load every plug-in of *group*, once per process.

    Parameters
    ----------
    group : str
        Entry-point group, such as ``dmod.modules``.

    Returns
    -------
    Group
        What was loaded, by name, and what could not be.
    """
    found: dict[str, Any] = {}
    broken: list[Broken] = []
    for point in sorted(entry_points(group=group), key=_order):
        try:
            found[point.name] = point.load()
        except Exception as problem:  # a stranger's code may raise anything
            log.warning("plug-in %s of %s is broken", point.name, group, exc_info=True)
            reason = f"{type(problem).__name__}: {problem}".splitlines()[0]
            broken.append(Broken(point.name, point.value, reason))
    return Group(MappingProxyType(found), tuple(broken))


def _order(point: EntryPoint) -> str:
    """Plug-ins come in the order of their names."""
    return point.name
