"""What is installed: versions, engines, plug-ins, cores and memory."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from dmod import plugins
from dmod.errors import DmodError

__all__ = ["Installation", "examine_installation"]

_PACKAGES = (
    "dmod", "numpy", "pandas", "xarray", "numba", "h5py", "h5netcdf", "zarr", "dask", "distributed", "geopandas",
    "pydantic", "pint", "bmipy", "matplotlib", "ipywidgets", "anywidget", "jupyterlab",
)  # fmt: skip
_PROGRAMS = ("docker", "mpirun", "ngen", "ngen-serial", "ngen-parallel", "apptainer")
#: How long a container engine may take to answer [s].
_ENGINE_S = 3.0


@dataclass(frozen=True)
class Installation:
    """What was found on this machine."""

    #: Package to version; ``not installed`` where it is not.
    versions: dict[str, str]
    #: Module type to what it answers to.
    modules: dict[str, str]
    #: Broken plug-in to the reason.
    broken: dict[str, str]
    #: Program to its path; ``not found`` where it is not.
    programs: dict[str, str]
    #: Python, system, cores, memory.
    machine: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Everything in types that JSON has."""
        return {
            "machine": self.machine,
            "versions": self.versions,
            "modules": self.modules,
            "broken": self.broken,
            "programs": self.programs,
        }

    def __str__(self) -> str:
        lines = []
        for title, table in (("machine", self.machine), ("versions", self.versions), ("engines", self.modules),
                             ("programs", self.programs), ("broken plug-ins", self.broken)):  # fmt: skip
            if table:
                width = max(map(len, table))
                lines += [title, *(f"  {name:<{width}}  {text}" for name, text in table.items())]
        return "\n".join(lines)


def examine_installation() -> Installation:
    """Look at this machine.

    Returns
    -------
    Installation
        What was found; nothing is changed.
    """
    group = plugins.load("dmod.modules")
    modules = {
        name: ", ".join((*m.registrations, *(f"lib{lib}" for lib in m.libraries))) or "any class that follows bmipy"
        for name, m in group.found.items()
    }
    memory = ""
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.1f} GiB"
    machine = {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": str(os.cpu_count() or 1),
        "memory": memory or "unknown",
    }
    return Installation(
        {name: _version(name) for name in _PACKAGES},
        modules,
        {b.name: f"{b.target}: {b.reason}" for b in group.broken},
        {**{name: shutil.which(name) or "not found" for name in _PROGRAMS}, "container engine": _engine()},
        machine,
    )


def _engine() -> str:
    """The container engine that answers, or why none does."""
    from dmod.execution.docker_engine import connect, engine_address

    try:
        with contextlib.closing(connect(timeout_s=_ENGINE_S)) as client:
            return f"{client.version()['Version']} at {engine_address()}"
    except DmodError as problem:
        return f"none: {problem.headline}"
    except Exception as problem:  # an engine may answer anything: what is wrong with it must not hide the rest
        return f"not usable: {type(problem).__name__}"


def _version(package: str) -> str:
    """The version of a package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
