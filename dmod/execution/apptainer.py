"""Ranks in an image without a Docker engine: with Apptainer, or Singularity as it was called.

The container is a process like any other, so it is started, watched and found again as
`dmod.execution.host_run` does with the programs of this machine; one host, no daemon, no root.
"""

from __future__ import annotations

import platform
import re
import shlex
import shutil
from pathlib import Path

from dmod.errors import EngineError, InputError
from dmod.execution.host_programs import flavour_of, said, versions_of
from dmod.execution.host_run import HostRun
from dmod.execution.host_run import launch as launch_here
from dmod.execution.mpi_plan import ImageFacts, MpiPlan

__all__ = ["apptainer_line", "find_apptainer", "image_facts", "image_source", "launch", "shown"]

_PROGRAMS = ("apptainer", "singularity")
#: How each of them is told what the inside shall be told.
_PREFIXES = {"apptainer": "APPTAINERENV_", "singularity": "SINGULARITYENV_"}
_PARALLEL, _SERIAL = "/dmod/bin/ngen-parallel", "/dmod/bin/ngen-serial"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def find_apptainer() -> str:
    """The absolute path of ``apptainer`` or ``singularity``.

    Raises
    ------
    EngineError
        If this machine has neither.
    """
    for name in _PROGRAMS:
        if found := shutil.which(name):
            return found
    raise EngineError(
        "there is no Apptainer on this machine", looked_for=" or ".join(_PROGRAMS),
        hint="load its module or install it, or run with --on docker or --on dask",
    )  # fmt: skip


def image_source(image: str) -> str:
    """An image as Apptainer names it: a file or folder, or an address.

    >>> image_source("awiciroh/ciroh-ngen-image:latest")
    'docker://awiciroh/ciroh-ngen-image:latest'
    >>> image_source("./ngen.sif")
    './ngen.sif'
    """
    if "://" in image or image.endswith((".sif", ".simg")) or image.startswith(("/", "./", "../", "~")):
        return str(Path(image).expanduser()) if image.startswith("~") else image
    return f"docker://{image}"


def image_facts(image: str, program: str | None = None) -> ImageFacts:
    """What is known of an image, asked of its own programs.

    Parameters
    ----------
    image : str
        A ``.sif`` file, or an image by its name, which is fetched and kept by Apptainer.
    program : str, optional
        ``apptainer``, by its path; looked for otherwise.

    Returns
    -------
    ImageFacts
        Its name is `image_source` of *image*.

    Raises
    ------
    EngineError
        If it is not there, cannot be started, or is no image of ngen.
    """
    program, source = program or find_apptainer(), image_source(image)
    if "://" not in source and not Path(source).exists():
        raise EngineError("there is no such image", file=source, hint="correct the path, or pull it first")
    inside = (program, "exec", "--cleanenv", source)
    look = (
        f"for p in {_PARALLEL} {_SERIAL}; do [ -x $p ] && echo dmod-has $p; done; echo dmod-stdbuf $(command -v stdbuf)"
    )
    listing = said((*inside, "sh", "-c", look))
    has = [line.split()[1] for line in listing.splitlines() if line.startswith("dmod-has ")]
    if not has:
        raise EngineError(
            "the image cannot be started, or is no image of ngen", image=source, needed=f"{_PARALLEL} or {_SERIAL}",
            reason=listing.strip()[-400:] or "nothing was said",
            hint="try it by hand: " + shlex.join((*inside, "true")),
        )  # fmt: skip
    info = said((*inside, has[0], "--info")).strip()
    versions = versions_of(info)
    stdbuf = re.search(r"^dmod-stdbuf (\S+)$", listing, re.MULTILINE)
    return ImageFacts(
        name=source,
        architecture=_MACHINES.get(platform.machine(), platform.machine()),
        parallel=_PARALLEL if _PARALLEL in has else None,
        serial=_SERIAL if _SERIAL in has else None,
        mpi=flavour_of(said((*inside, "mpirun", "--version"))),
        stdbuf=stdbuf[1] if stdbuf is not None and "dmod" not in versions else None,
        ours="dmod" in versions,
        info=info,
        versions=versions,
    )


def apptainer_line(plan: MpiPlan, program: str = "apptainer") -> tuple[str, ...]:
    """The line that starts a plan.

    Parameters
    ----------
    plan : MpiPlan
        What to start, with an image, on one host.
    program : str
        ``apptainer`` or ``singularity``, by name or path.

    Returns
    -------
    tuple of str
        Only what the plan mounts is seen inside; nothing of the environment or the home is.

    Raises
    ------
    InputError
        If the plan is for several hosts, or a path has a character that separates binds.
    """
    if len(plan.places) > 1:
        raise InputError(
            "Apptainer runs on one host here", has=f"{len(plan.places)} hosts", hint="ask for one host, or for Docker"
        )
    binds = []
    for mount in plan.mounts:
        if bad := {":", ","} & set(f"{mount.source}{mount.target}"):
            raise InputError(
                f"Apptainer cannot bind a path with {bad.pop()!r} in it", path=mount.source, hint="rename the folder"
            )
        binds += ["--bind", f"{mount.source}:{mount.target}:{'rw' if mount.writable else 'ro'}"]
    prefix = _PREFIXES.get(Path(program).name, _PREFIXES["apptainer"])
    told = [f"{prefix}{name}={value}" for name, value in plan.told_inside().items() if name != "HOME"]
    gpus = ("--nv",) if plan.gpus else ()
    return (
        "env", *told, program, "exec", "--cleanenv", "--containall", "--no-home", *gpus, *binds,
        "--pwd", plan.workdir, image_source(plan.image.name), *plan.mpirun(),
    )  # fmt: skip


def shown(plan: MpiPlan, program: str = "apptainer") -> str:
    """The line as one could type it."""
    return shlex.join(apptainer_line(plan, program))


def launch(plan: MpiPlan, program: str | None = None) -> HostRun:
    """Start a plan, or find it again; see `dmod.execution.host_run.launch`.

    Raises
    ------
    EngineError
        If there is no Apptainer, or the ranks cannot be started.
    InputError
        If Apptainer cannot do what the plan asks.
    """
    return launch_here(plan, command=apptainer_line(plan, program or find_apptainer()))
