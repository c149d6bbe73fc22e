"""Building worker images, and what of them an engine has.

Folders of images come from the entry points ``dmod.images``. What goes to the engine is the
folder, a wheel of the dmod that runs here, what that needs, and the versions of the libraries that decide
on numbers; so an image computes what this installation computes.
"""

from __future__ import annotations

import io
import re
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import requires, version
from typing import TYPE_CHECKING

from dmod import plugins
from dmod.errors import EngineError, InputError, RunError
from dmod.execution.docker_engine import reason_of
from dmod.execution.docker_image import ENGINE
from dmod.execution.own_wheel import own_wheel

if TYPE_CHECKING:
    from docker import DockerClient

    from dmod.images.folder import ImageFolder

__all__ = ["Built", "build_image", "built_images", "folder_named", "image_folders"]

#: Libraries whose version may change a number's last bit.
_PINNED = ("numpy", "numba", "llvmlite")
#: The label of an image that was built here: the name of its folder.
_FOLDER = "org.dmod.image"
#: How many of the last lines of a build go into an error.
_LAST = 15


@dataclass(frozen=True, slots=True)
class Built:
    """An image that an engine has."""

    #: Its names with tags.
    tags: tuple[str, ...]
    #: ``sha256:...``.
    digest: str
    #: Version of the dmod inside.
    engine: str
    #: What it takes on disk [bytes].
    size_bytes: int
    #: When it was built, as the engine tells it, UTC.
    created: str


def image_folders() -> dict[str, ImageFolder]:
    """Folders that images can be built from, by the name of their entry point."""
    return {name: folder() for name, folder in plugins.load("dmod.images").found.items()}


def build_image(
    client: DockerClient,
    folder: ImageFolder,
    *,
    tag: str | None = None,
    base: str | None = None,
    say: Callable[[str], None] = lambda _line: None,
) -> Built:
    """Build an image.

    Parameters
    ----------
    client : DockerClient
        The engine that builds it, and has it afterwards.
    folder : ImageFolder
        What it is built from.
    tag : str, optional
        What it is called; ``<name>:<version of dmod>`` and ``<name>:latest`` otherwise.
    base : str, optional
        What it is built on; what the folder says otherwise.
    say : callable
        Told each line of the build.

    Returns
    -------
    Built
        The image. Containers of the build are gone, however it ended.

    Raises
    ------
    RunError
        If the build fails; with its last lines.
    EngineError
        If the engine cannot be asked.
    """
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    on = base or folder.base
    tags = [tag] if tag else [f"{folder.name}:{version('dmod')}", f"{folder.name}:latest"]
    lines: list[str] = []

    def tell(line: str) -> None:
        lines.append(line)
        say(line)

    try:
        return _made(client, folder, on, tags, tell)
    except _Failure as problem:
        raise RunError(
            f"the image {tags[0]} cannot be built", reason=problem, base=on, last="\n" + "\n".join(lines[-_LAST:]),
            hint=f"see that the engine has or may pull {on}, and that pip reaches its index from a container",
        ) from None  # fmt: skip
    except (DockerException, RequestException) as problem:
        raise EngineError(f"the image {tags[0]} cannot be built", reason=reason_of(problem)) from problem


def _made(client: DockerClient, folder: ImageFolder, on: str, tags: list[str], tell: Callable[[str], None]) -> Built:
    """The image, built and given its names."""
    ours = version("dmod")
    answers = client.api.build(
        fileobj=_context(folder, on), custom_context=True, encoding="gzip", tag=tags[0], rm=True, forcerm=True,
        decode=True, buildargs={"BASE": on, "VERSION": ours, "TITLE": folder.title},
        labels={ENGINE: ours, _FOLDER: folder.name}, timeout=None,
    )  # fmt: skip
    for line in _lines(answers, tags[0]):
        tell(line)
    image = client.images.get(tags[0])
    for more in tags[1:]:
        repository, _, mark = more.rpartition(":")
        image.tag(repository, mark)
    image.reload()
    return _built(image)


class _Failure(Exception):
    """What the engine says of a build that failed."""


def _lines(answers: Iterator[dict[str, object]], tag: str) -> Iterator[str]:
    """Lines of a build, as they come."""
    for answer in answers:
        if "error" in answer:
            raise _Failure(str(answer["error"]).strip())
        text = str(answer.get("stream") or answer.get("status") or "")
        yield from (line.rstrip() for line in text.splitlines() if line.strip())
    yield f"built {tag}"


def _context(folder: ImageFolder, base: str) -> io.BytesIO:
    """What goes to the engine, the same bytes for the same files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
        files = {path.relative_to(folder.path).as_posix(): path.read_bytes() for path in folder.files}
        name, wheel = own_wheel()
        made = {name: wheel, "requirements.txt": _requirements(folder).encode(), "pins.txt": _pins(base).encode()}
        for inside, content in {**files, **made}.items():
            entry = tarfile.TarInfo(inside)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    packed.seek(0)
    return packed


def _requirements(folder: ImageFolder) -> str:
    """What this dmod asks for, without its extras and without what the image does without; a layer of its own."""
    asked = [line for line in requires("dmod") or () if "extra ==" not in line]
    spared = {name.lower() for name in folder.leave_out}
    kept = [line for line in asked if re.split(r"[^\w.-]", line, maxsplit=1)[0].lower() not in spared]
    return "".join(f"{line}\n" for line in sorted(kept))


def _pins(base: str) -> str:
    """Versions of this installation, where the image has the Python that they are known to work with."""
    python = f"python:{sys.version_info.major}.{sys.version_info.minor}"
    if base.rpartition("/")[2] != python and not base.rpartition("/")[2].startswith(f"{python}-"):
        return "# another Python than the one that built this: pip chooses the versions\n"
    return "".join(f"{name}=={version(name)}\n" for name in _PINNED)


def built_images(client: DockerClient, folder: ImageFolder) -> list[Built]:
    """What an engine has of a folder's image, newest first.

    Parameters
    ----------
    client : DockerClient
        The engine.
    folder : ImageFolder
        What they were built from.

    Returns
    -------
    list of Built
        Those that carry our label.

    Raises
    ------
    EngineError
        If the engine cannot be asked.
    """
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        found = client.images.list(filters={"label": f"{_FOLDER}={folder.name}"})
    except (DockerException, RequestException) as problem:
        raise EngineError("the engine does not list its images", reason=reason_of(problem)) from problem
    return sorted((_built(image) for image in found if image.tags), key=lambda one: one.created, reverse=True)


def _built(image: object) -> Built:
    """An image of the engine's, as a value."""
    told = image.attrs  # type: ignore[attr-defined]
    labels = image.labels or {}  # type: ignore[attr-defined]
    return Built(
        tuple(sorted(image.tags)),  # type: ignore[attr-defined]
        str(told["Id"]),
        str(labels.get(ENGINE, "")),
        int(told.get("Size", 0)),
        str(told.get("Created", ""))[:19],
    )


def folder_named(name: str) -> ImageFolder:
    """The folder of a name.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    folders = image_folders()
    if name not in folders:
        raise InputError(f"there is no image called {name!r} to build", has=", ".join(sorted(folders)))
    return folders[name]
