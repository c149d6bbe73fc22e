"""Containers of a job on one engine: made, started, found again, removed.

Every one carries the label of its job, and by that it is found. Starting what is there already
does nothing.
"""

from __future__ import annotations

import contextlib
import io
import tarfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from dmod.errors import DmodError, EngineError, RunError
from dmod.execution.container import SHARED_MEMORY_BYTES
from dmod.execution.docker_engine import reason_of
from dmod.execution.mpi_plan import LABEL

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container as Found

    from dmod.execution.container import Container

__all__ = [
    "containers_of",
    "containers_on",
    "find",
    "give",
    "in_words",
    "remove",
    "remove_network",
    "require_image",
    "start",
    "stop",
    "troubles",
]

#: How long programs may take to end by themselves when they are told to [s].
_GRACE_S = 3
#: How long a network may be in use after its last container is gone [s].
_NETWORK_S = 6.0


def require_image(client: DockerClient, container: Container, digest: str) -> None:
    """Raise `EngineError` unless an engine has the image of a container, and it is the one that is meant.

    Parameters
    ----------
    client : DockerClient
        The engine.
    container : Container
        What is to be started.
    digest : str
        The image's id, ``sha256:…``; empty if any of that name will do.
    """
    from docker.errors import ImageNotFound

    hint = f"docker pull {container.image}, or `dmod image build` for our own"
    where = container.engine or "this machine"
    try:
        found = str(client.images.get(container.image).id)
    except ImageNotFound as problem:
        raise EngineError(f"the engine has no image {container.image}", engine=where, hint=hint) from problem
    if digest and digest != found:
        raise EngineError(
            f"the engine has another image {container.image}", engine=where, needed=digest, has=found, hint=hint
        )


def start(client: DockerClient, container: Container, files: dict[str, bytes] | None = None) -> Found:
    """Make and start a container; one of that name that is there already is started if it never was.

    Parameters
    ----------
    client : DockerClient
        The engine.
    container : Container
        What is asked for.
    files : dict of str to bytes, optional
        Programs that are put at the root of its file system, by name.

    Returns
    -------
    Container
        As the engine knows it, started.

    Raises
    ------
    RunError
        If the engine refuses.
    """
    from docker.errors import APIError

    try:
        made = find(client, container.name) or _make(client, container)
        if made.status == "created":
            if files:
                give(made, files)
            made.start()
    except APIError as problem:
        raise in_words(problem, container) from problem
    return made


def find(client: DockerClient, name: str) -> Found | None:
    """The container of a name; None where there is none."""
    from docker.errors import NotFound

    try:
        return client.containers.get(name)
    except NotFound:
        return None


def give(made: Found, files: dict[str, bytes]) -> None:
    """Put programs at the root of a container's file system, in their order."""
    made.put_archive("/", _packed(files))


def containers_of(client: DockerClient, job: str) -> list[Found]:
    """What an engine has of a job, running or not."""
    found: list[Found] = client.containers.list(all=True, filters={"label": f"{LABEL}={job}"}, ignore_removed=True)
    return found


def containers_on(clients: Iterable[DockerClient], job: str) -> list[Found]:
    """What engines have of a job; who does not answer is left out."""
    with ThreadPoolExecutor(16, thread_name_prefix="dmod-list") as pool:
        listed = [pool.submit(containers_of, client, job) for client in clients]
        found: list[Found] = []
        for some in listed:
            with contextlib.suppress(*troubles()):
                found += some.result()
    return found


def remove(found: Iterable[Found]) -> None:
    """Stop and remove containers, all at the same time; an engine that does not answer keeps its own."""
    with ThreadPoolExecutor(16, thread_name_prefix="dmod-remove") as pool:
        list(pool.map(_remove, found))


def stop(found: Iterable[Found]) -> None:
    """Stop containers, all at the same time, and leave them to be looked at."""
    with ThreadPoolExecutor(16, thread_name_prefix="dmod-stop") as pool:
        list(pool.map(_stop, found))


def remove_network(client: DockerClient, name: str) -> None:
    """Remove a network if there is one, as soon as nobody is on it any more."""
    from docker.errors import NotFound

    until = time.monotonic() + _NETWORK_S
    while True:
        try:
            client.api.remove_network(name)
        except NotFound:
            return
        except troubles():
            if time.monotonic() > until:
                return
            time.sleep(0.1)
        else:
            return


def in_words(problem: Exception, container: Container) -> DmodError:
    """Why an engine refused to start a container.

    Parameters
    ----------
    problem : APIError
        What the engine said.
    container : Container
        What was asked for.
    """
    told = reason_of(problem)
    small = told.lower()
    facts = {"host": container.engine or "this machine", "reason": told}
    if "bind source path does not exist" in small or ("bind mount" in small and "no such file" in small):
        return EngineError("the engine does not see a directory of the job", hint="every host must see it", **facts)
    if "mounts denied" in small or ("permission denied" in small and "mount" in small):
        return EngineError("the engine refuses to mount a directory", hint="let it, or choose another place", **facts)
    if "exec format error" in small:
        return RunError("the image is made for another kind of processor", image=container.image, **facts)
    if "executable file not found" in small or "no such file or directory" in small:
        return RunError(f"the image has no program {container.command[0]}", image=container.image, **facts)
    if "range of cpus" in small or "minimum memory limit" in small:
        return EngineError("the engine cannot give what is asked for", hint="ask for other --ranks or cores", **facts)
    if "device driver" in small and "gpu" in small:
        return EngineError("the engine has no GPUs to give", hint="leave out --gpus, or set up its runtime", **facts)
    if "no such image" in small:
        return EngineError(f"the engine has no image {container.image}", **facts)
    return RunError(f"the container {container.name} cannot be started", **facts)


def troubles() -> tuple[type[Exception], ...]:
    """What is raised where an engine refuses or does not answer."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    return DockerException, RequestException, OSError


def _make(client: DockerClient, asked: Container) -> Found:
    """A new container; or the one of that name, if somebody else was faster."""
    from docker.errors import APIError
    from docker.types import Mount

    mounts = [Mount(one.target, str(one.source), type="bind", read_only=not one.writable) for one in asked.mounts]
    limits: dict[str, Any] = {"nano_cpus": round(asked.cores * 1e9)} if asked.cores else {}
    if asked.memory_bytes:
        limits |= {"mem_limit": asked.memory_bytes, "memswap_limit": asked.memory_bytes}
    try:
        return client.containers.create(
            asked.image, list(asked.command[1:]), entrypoint=[asked.command[0]], name=asked.name, hostname=asked.name,
            labels=dict(asked.labels), environment=dict(asked.environment), mounts=mounts, working_dir=asked.workdir,
            user=asked.user, init=True, shm_size=SHARED_MEMORY_BYTES, security_opt=["no-new-privileges"],
            network=asked.network or "none", extra_hosts=dict(asked.addresses),
            device_requests=_devices(asked.gpus), **limits,
        )  # fmt: skip
    except APIError as problem:
        if problem.status_code == 409:
            return client.containers.get(asked.name)
        raise


def _devices(gpus: str | None) -> list[Any] | None:
    """GPUs as the engine is asked for them: ``all``, a number, or ``device=`` with ids."""
    if gpus is None:
        return None
    from docker.types import DeviceRequest

    if gpus.startswith("device="):
        ids = gpus.removeprefix("device=").strip('"').split(",")
        return [DeviceRequest(device_ids=ids, capabilities=[["gpu"]])]
    return [DeviceRequest(count=-1 if gpus == "all" else int(gpus), capabilities=[["gpu"]])]


def _packed(files: dict[str, bytes]) -> bytes:
    """Programs as an archive that an engine unpacks in a container."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name.lstrip("/"))
            entry.size, entry.mode = len(content), 0o755
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _stop(found: Found) -> None:
    """Stop one container."""
    with contextlib.suppress(*troubles()):
        if found.status == "running":
            found.stop(timeout=_GRACE_S)


def _remove(found: Found) -> None:
    """Stop and remove one container."""
    _stop(found)
    with contextlib.suppress(*troubles()):
        found.remove(force=True, v=True)
