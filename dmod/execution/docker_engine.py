"""The door to container engines: Docker's, or Podman where it speaks Docker's language.

`connect` gives a client or says why there is none; `capacity` asks an engine what its machine
has. Which engine is meant without an address is settled here: ``DOCKER_HOST``, the context
that the ``docker`` command uses, or a Podman socket where there is no Docker.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dmod.errors import EngineError
from dmod.schedule.resources import Host

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["capacity", "connect", "engine_address", "is_refused", "knock", "reason_of"]

#: What Docker 19.03 and Podman 3 speak: the first with everything a run asks for.
_OLDEST_API = (1, 40)
#: How long an engine may take for an answer [s].
_TIMEOUT_S = 20.0
_DOCKER_SOCKET = Path("/var/run/docker.sock")


def connect(address: str | None = None, *, timeout_s: float = _TIMEOUT_S) -> DockerClient:
    """A client of an engine that answers.

    Parameters
    ----------
    address : str or None
        Such as ``unix:///var/run/docker.sock`` or ``tcp://10.0.0.2:2375``; None for the engine that the
        ``docker`` command would use.
    timeout_s : float
        How long the engine may take for an answer [s].

    Returns
    -------
    DockerClient
        Of the version that both sides know. Close it when it is no longer needed.

    Raises
    ------
    EngineError
        If the Docker SDK is not installed, no engine answers, this user may not ask it, or it is too old.
    """
    try:
        import docker
        from docker.errors import DockerException
        from requests.exceptions import RequestException
    except ImportError as problem:
        raise EngineError(
            "the Docker SDK for Python is not installed", reason=problem, hint="pip install docker"
        ) from problem
    where = address or engine_address()
    try:
        knock(where, timeout_s=timeout_s)
        # An engine is near: proxies of the environment are for what is far away. With "auto" the first request
        # would go out before that can be said, so the version is settled here.
        first = docker.DockerClient(base_url=where, version=_said(_OLDEST_API), timeout=timeout_s, **_tls(address))
        try:
            first.api.trust_env = False
            spoken = str(first.version(api_version=False)["ApiVersion"])
        finally:
            first.close()
        _refuse_old(spoken, where)
        client: DockerClient = docker.DockerClient(base_url=where, version=spoken, timeout=timeout_s, **_tls(address))
    except (DockerException, RequestException, OSError, KeyError, ValueError) as problem:
        raise _unreachable(where, problem) from problem
    client.api.trust_env = False
    return client


def engine_address() -> str:
    """The address of the engine that is meant where none is given.

    Returns
    -------
    str
        What ``DOCKER_HOST`` says; else that of the context that the ``docker`` command uses; else, where that is
        a socket that is not there, Podman's socket if there is one.
    """
    if named := os.environ.get("DOCKER_HOST"):
        return named
    address = _of_context()
    podman = Path(os.environ.get("XDG_RUNTIME_DIR") or "/run", "podman", "podman.sock")
    if address == f"unix://{_DOCKER_SOCKET}" and not _DOCKER_SOCKET.exists() and podman.exists():
        return f"unix://{podman}"
    return address


def capacity(client: DockerClient) -> Host:
    """What the machine of an engine has, all of it free.

    Parameters
    ----------
    client : DockerClient
        Its client.

    Returns
    -------
    Host
        Named as the engine names its machine.

    Raises
    ------
    EngineError
        If it does not answer.
    """
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        told = client.info()
    except (DockerException, RequestException) as problem:
        raise _unreachable(str(client.api.base_url), problem) from problem
    return Host(str(told.get("Name") or "docker"), int(told.get("NCPU") or 1), int(told.get("MemTotal") or 0))


def reason_of(problem: BaseException) -> str:
    """What went wrong, in one line: the engine's own words, or the innermost error."""
    told = getattr(problem, "explanation", None)
    if isinstance(told, bytes):
        told = told.decode(errors="replace")
    return str(told or list(_chain(problem))[-1]).strip().splitlines()[0]


def knock(address: str | None = None, *, timeout_s: float = _TIMEOUT_S) -> None:
    """Make sure that somebody listens at a socket of this machine; where there is nobody, the SDK leaves its own open.

    Raises
    ------
    OSError
        If nobody does.
    """
    where = address or engine_address()
    if where.startswith("unix:"):
        with socket.socket(socket.AF_UNIX) as knocking:
            knocking.settimeout(timeout_s)
            knocking.connect("/" + where.removeprefix("unix:").lstrip("/"))


def is_refused(problem: BaseException) -> bool:
    """Whether there is nobody at an engine's address."""
    return any(isinstance(cause, FileNotFoundError | ConnectionRefusedError) for cause in _chain(problem))


def _of_context() -> str:
    """The address in the context that the ``docker`` command uses, or Docker's own."""
    default = f"unix://{_DOCKER_SOCKET}"
    try:
        from docker.context import ContextAPI
        from docker.errors import DockerException

        context = ContextAPI.get_current_context()
    except (ImportError, DockerException, OSError, ValueError, KeyError):
        return default
    return str(context.Host) if context is not None and context.Host else default


def _tls(address: str | None) -> dict[str, object]:
    """Certificates, where the environment names some for the engine that it names, or for one on another host."""
    if not os.environ.get("DOCKER_TLS_VERIFY") or (address or engine_address()).startswith("unix:"):
        return {}
    from docker.tls import TLSConfig

    folder = Path(os.environ.get("DOCKER_CERT_PATH") or Path.home() / ".docker")
    pair = (str(folder / "cert.pem"), str(folder / "key.pem"))
    return {"tls": TLSConfig(client_cert=pair, verify=True, ca_cert=str(folder / "ca.pem"))}


def _refuse_old(spoken: str, where: str) -> None:
    """Raise unless an engine speaks a version that suffices."""
    if tuple(int(part) for part in spoken.split(".")[:2]) < _OLDEST_API:
        raise EngineError(
            "the container engine is too old", address=where, needed=f"API {_said(_OLDEST_API)}",
            has=f"API {spoken}", hint="use Docker 19.03 or newer, or Podman 3 or newer",
        )  # fmt: skip


def _unreachable(where: str, problem: BaseException) -> EngineError:
    """Why an engine cannot be used."""
    causes = list(_chain(problem))
    if any(isinstance(cause, PermissionError) for cause in causes):
        return EngineError(
            "you may not use the container engine", address=where, reason="permission denied",
            hint="have yourself added to the group of its socket: sudo usermod -aG docker $USER, then log in again",
        )  # fmt: skip
    if is_refused(problem):
        return EngineError(
            "no container engine answers", address=where, reason=reason_of(problem),
            hint="start Docker, or name the engine in DOCKER_HOST; without one, use on='dask' or on='host'",
        )  # fmt: skip
    return EngineError(
        "the container engine cannot be used", address=where, reason=reason_of(problem),
        hint="check the address, and what `docker info` says",
    )  # fmt: skip


def _chain(problem: BaseException | None) -> Iterator[BaseException]:
    """An error, and what it came from, outermost first."""
    seen: set[int] = set()
    while problem is not None and id(problem) not in seen:
        seen.add(id(problem))
        yield problem
        problem = problem.__cause__ or problem.__context__


def _said(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
