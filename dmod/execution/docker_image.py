"""What is known of an image before a run is started in it.

`image_facts` looks at it from outside and, in one short container without a network, from
inside: which of ngen's programs it has, whose MPI, what versions. Whatever would stop a
run is said here, in plain words. Nothing is pulled unless that is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from dmod.errors import EngineError
from dmod.execution.docker_engine import reason_of
from dmod.execution.mpi_plan import ImageFacts

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from docker.models.images import Image

__all__ = ["ENGINE", "image_facts"]

#: The label of an image with our engine inside: its version.
ENGINE = "org.dmod.engine"
_VERSION = "org.opencontainers.image.version"
_PARALLEL, _SERIAL = "/dmod/bin/ngen-parallel", "/dmod/bin/ngen-serial"
#: How long the look inside may take [s].
_LOOK_S = 60
#: Prints what an image has, each kind after a line that begins with ``@``.
_SCRIPT = f"""
for p in {_PARALLEL} {_SERIAL}; do [ ! -x $p ] || echo "@has $p"; done
m=$(command -v mpirun || command -v mpiexec)
for p in /usr/lib64/mpich/bin /usr/lib64/openmpi/bin /usr/local/bin /opt/mpich/bin; do
  [ -n "$m" ] || [ ! -x $p/mpirun ] || m=$p/mpirun
done
echo "@mpirun $m"
[ -z "$m" ] || $m --version 2>&1 </dev/null
echo "@stdbuf $(command -v stdbuf)"
echo "@info"
p={_SERIAL}; [ -x $p ] || p={_PARALLEL}
if [ -x $p ]; then $p --info 2>&1 </dev/null; echo "@code $?"; fi
"""
#: Exit codes of a program that cannot be started; a healthy one ends with 1 after ``--info``.
_NOT_STARTED = (126, 127)
#: How much is kept of what ``--info`` printed [characters].
_INFO = 8000
_ALIKE = {"x86_64": "amd64", "aarch64": "arm64"}
#: What was found before, by engine, image and name.
_known: dict[tuple[str, str, str], ImageFacts] = {}


def image_facts(client: DockerClient, name: str, *, pull: bool = False) -> ImageFacts:
    """Look at an image; once for each in a process.

    Parameters
    ----------
    client : DockerClient
        The engine that has it.
    name : str
        Its name, with a tag or ``latest``, or its id.
    pull : bool
        Whether to fetch it where the engine does not have it.

    Returns
    -------
    ImageFacts
        What was found.

    Raises
    ------
    EngineError
        If there is no such image, it is made for other machines, it has none of ngen's programs, or these
        cannot be started.
    """
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    if not name.startswith("sha256:") and ":" not in name.rpartition("/")[2]:
        name = f"{name}:latest"
    try:
        image = _image(client, name, pull=pull)
        key = (str(client.api.base_url), str(image.id), name)
        if key not in _known:
            _known[key] = _looked_at(client, image, name)
    except (DockerException, RequestException) as problem:
        raise EngineError(
            f"the engine cannot look at the image {name}", reason=reason_of(problem), hint="see what `docker info` says"
        ) from problem
    return _known[key]


def _image(client: DockerClient, name: str, *, pull: bool) -> Image:
    """The image, fetched if it may be."""
    from docker.errors import APIError, ImageNotFound

    try:
        return client.images.get(name)
    except ImageNotFound:
        if not pull:
            repository, _, tag = name.rpartition(":")
            has = [known for image in client.images.list(repository) for known in image.tags]
            raise EngineError(
                f"there is no image {name} here",
                has=", ".join(sorted(has)) or f"no {repository} with another tag than {tag}",
                hint="`dmod image build` makes ours" if "dmod-worker" in name else f"docker pull {name}",
            ) from None
    try:
        return client.images.pull(name)
    except APIError as problem:
        raise EngineError(
            f"the image {name} cannot be pulled", reason=reason_of(problem), hint="check its name and the network"
        ) from problem


def _looked_at(client: DockerClient, image: Image, name: str) -> ImageFacts:
    """Facts of an image that is here."""
    made_for = _ALIKE.get(image.attrs["Architecture"], image.attrs["Architecture"])
    machine = str(client.version().get("Arch") or "")
    if machine and made_for and made_for != _ALIKE.get(machine, machine):
        raise EngineError(
            f"the image {name} is made for other machines", needed=machine, has=made_for,
            hint=f"docker pull --platform linux/{machine} {name}, if there is one for these",
        )  # fmt: skip
    printed = _printed(client, image, name)
    programs = set(re.findall(r"^@has (\S+)$", printed, re.MULTILINE))
    before, _, rest = printed.partition("@info\n")
    found = re.search(r"^@mpirun (\S+)$", before, re.MULTILINE)
    info, _, code = rest.rpartition("@code ")
    if not programs:
        raise EngineError(
            f"the image {name} has no {_PARALLEL}",
            needed=f"{_PARALLEL} or {_SERIAL}",
            hint="this is no image of ngen; take awiciroh/ciroh-ngen-image, or build ours with `dmod image build`",
        )
    if int(code.strip() or 0) in _NOT_STARTED:
        raise EngineError(
            f"ngen in the image {name} cannot be started",
            reason=(info.strip().splitlines() or [f"exit code {code.strip()}"])[-1],
            hint="it was not built well; take another tag of it",
        )
    if found is None and _SERIAL not in programs:
        raise EngineError(
            f"the image {name} has {_PARALLEL}, but no mpirun", hint="install MPI in it, or add ngen-serial"
        )
    labels = image.labels or {}
    stdbuf = re.search(r"^@stdbuf (\S+)$", before, re.MULTILINE)
    return ImageFacts(
        name=name,
        digest=str(image.id),
        architecture=made_for,
        # Without a launcher nobody starts ranks.
        parallel=_PARALLEL if _PARALLEL in programs and found is not None else None,
        serial=_SERIAL if _SERIAL in programs else None,
        mpirun=found[1] if found is not None else "mpirun",
        mpi=_flavour(before),
        stdbuf=stdbuf[1] if stdbuf is not None and ENGINE not in labels else None,
        ours=ENGINE in labels,
        info=info.strip()[:_INFO],
        versions=_versions(labels, info),
    )


def _printed(client: DockerClient, image: Image, name: str) -> str:
    """What the script prints inside."""
    from docker.errors import APIError
    from requests.exceptions import ConnectionError as Silence
    from requests.exceptions import ReadTimeout

    container: Container = client.containers.create(
        image.id, entrypoint=["sh", "-c", _SCRIPT], command=[], network_mode="none", init=True, working_dir="/"
    )
    try:
        container.start()
        container.wait(timeout=_LOOK_S)
        printed = container.logs(stdout=True, stderr=False).decode(errors="replace")
        reason = container.logs(stdout=False, stderr=True).decode(errors="replace").strip()
    except APIError as problem:
        printed, reason = "", reason_of(problem)
    except (Silence, ReadTimeout) as problem:
        raise EngineError(
            f"the image {name} does not say what it is within {_LOOK_S} s",
            hint="see whether `ngen-serial --info` ends in it",
        ) from problem
    finally:
        container.remove(force=True)
    if "@info\n" not in printed:
        raise EngineError(
            f"the image {name} has no shell to look around with",
            reason=reason,
            needed=f"{_PARALLEL} or {_SERIAL}, and sh",
            hint="this is no image of ngen; build ours with `dmod image build`",
        )
    return str(printed)


def _flavour(printed: str) -> Literal["mpich", "openmpi", "unknown"]:
    """Whose mpirun it is, by what it says of itself."""
    if re.search(r"hydra|mpich", printed, re.IGNORECASE):
        return "mpich"
    return "openmpi" if re.search(r"open ?mpi|openrte|prrte", printed, re.IGNORECASE) else "unknown"


def _versions(labels: Mapping[str, str], info: str) -> dict[str, str]:
    """Versions that labels and ngen tell."""
    found = {"dmod": labels.get(ENGINE), "release": labels.get(_VERSION)}
    if told := re.search(r"NGen Framework v?(\d[\w.+-]*)", info):
        found["ngen"] = told[1].rstrip(",.")
    return {name: version for name, version in found.items() if version}
