"""Which programs of ngen and MPI this machine has."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from dmod.errors import EngineError
from dmod.execution.mpi_plan import ImageFacts

__all__ = ["find_programs", "flavour_of", "said", "versions_of"]

#: Where images of NextGen have their programs, and so does a machine that is made like one.
_ABI = "/dmod/bin"
_PARALLEL, _SERIAL, _START = ("ngen-parallel",), ("ngen-serial", "ngen"), ("mpirun", "mpiexec")
_ASK_S = 60.0
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
#: How our own engine calls itself behind ngen's command line.
_OURS = re.compile(r"as dmod (\S+) runs it")
_NGEN = re.compile(r"NGen Framework (\d\S*)")


def find_programs(*folders: str | Path) -> ImageFacts:
    """Find ``ngen-parallel``, ``ngen-serial`` and ``mpirun``.

    Parameters
    ----------
    *folders : path
        Where to look first; then along ``$PATH``, then in ``/dmod/bin``.

    Returns
    -------
    ImageFacts
        Without a name. It has no parallel program where there is no ``mpirun`` to start it.

    Raises
    ------
    EngineError
        If neither program is there, or the parallel one alone without ``mpirun``.
    """
    places = [*map(str, folders), *os.get_exec_path(), _ABI]
    parallel, serial, start = (_find(names, places) for names in (_PARALLEL, _SERIAL, _START))
    if parallel is None and serial is None:
        raise EngineError(
            "there is no ngen on this machine",
            needed="ngen-parallel or ngen-serial",
            looked_in=", ".join([*map(str, folders), "$PATH", _ABI]),
            hint="put their folder on PATH, or run without them: --on dask, or --on docker with an image",
        )
    if start is None and serial is None:
        raise EngineError(
            "there is no mpirun on this machine to start ngen-parallel with",
            looked_in=", ".join([*map(str, folders), "$PATH", _ABI]),
            has=parallel,
            hint="install MPICH or Open MPI, the one that it was built with, and put it on PATH",
        )
    info = said((parallel if start is not None and parallel else serial or "", "--info"))
    versions = versions_of(info)
    return ImageFacts(
        name="",
        architecture=_MACHINES.get(platform.machine(), platform.machine()),
        parallel=parallel if start is not None else None,
        serial=serial,
        mpirun=start or "mpirun",
        mpi=flavour_of(said((start, "--version"))) if start is not None else "unknown",
        stdbuf=None if "dmod" in versions else shutil.which("stdbuf"),
        ours="dmod" in versions,
        info=info.strip(),
        versions=versions,
    )


def flavour_of(version: str) -> Literal["mpich", "openmpi", "unknown"]:
    """Whose ``mpirun`` it is, by what ``mpirun --version`` says.

    >>> flavour_of("mpirun (Open MPI) 4.1.4")
    'openmpi'
    >>> flavour_of("HYDRA build details:")
    'mpich'
    """
    small = version.lower()
    if any(word in small for word in ("open mpi", "openrte", "prrte", "open-mpi")):
        return "openmpi"
    return "mpich" if "hydra" in small or "mpich" in small else "unknown"


def versions_of(info: str) -> dict[str, str]:
    """Which release it is, by what ``ngen --info`` says: of ``dmod`` for our own engine, else of ``ngen``.

    >>> versions_of("NGen Framework 0.3.0")
    {'ngen': '0.3.0'}
    """
    if ours := _OURS.search(info):
        return {"dmod": ours[1]}
    found = _NGEN.search(info)
    return {"ngen": found[1]} if found else {}


def _find(names: Sequence[str], places: Sequence[str]) -> str | None:
    """The first of some programs, in the first place that has one."""
    for name in names:
        if found := shutil.which(name, path=os.pathsep.join(places)):
            return str(Path(found).absolute())
    return None


def said(words: Sequence[str]) -> str:
    """What a program prints, whatever its exit code: ``ngen --info`` ends with 1."""
    try:
        told = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_ASK_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return told.stdout.decode(errors="replace")
