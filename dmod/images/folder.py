"""Folders that worker images are built from.

A folder holds ``image.toml``, which says what the image is, a ``Dockerfile``, and what that
copies. Ours is found as anybody else's is: by an entry point of the group ``dmod.images``,
a function that gives the folder.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from dmod.errors import InputError

__all__ = ["ImageFolder", "read_folder", "worker"]

_FILE, _RECIPE = "image.toml", "Dockerfile"
_TEXTS = ("name", "title", "base", "mpi")


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """What an image is, and where the files are that it is built from."""

    #: The folder.
    path: Path
    #: Name of the image, without a tag.
    name: str
    #: What it is, in one line.
    title: str
    #: The image that it is built on.
    base: str
    #: Whose MPI is inside: ``mpich`` or ``openmpi``.
    mpi: str
    #: Programs that it has, by absolute path.
    programs: tuple[str, ...]
    #: Packages that dmod asks for and the image does without.
    leave_out: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file of the folder."""
        return tuple(sorted(path for path in self.path.rglob("*") if path.is_file()))


def read_folder(path: Path) -> ImageFolder:
    """Read what a folder says of its image.

    Parameters
    ----------
    path : Path
        The folder.

    Returns
    -------
    ImageFolder
        What its ``image.toml`` says.

    Raises
    ------
    InputError
        If it has none, or that says too little, or there is no ``Dockerfile``.
    """
    try:
        told = tomllib.loads((path / _FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise InputError(
            "this is no folder of an image",
            folder=path,
            reason=f"{_FILE}: {problem}",
            hint=f"it needs {_FILE} and {_RECIPE}; look at those of dmod's own in dmod/images/worker",
        ) from None
    if missing := [key for key in (*_TEXTS, "programs") if not told.get(key)]:
        raise InputError(f"{_FILE} says too little", file=path / _FILE, missing=", ".join(missing))
    if not (path / _RECIPE).is_file():
        raise InputError(f"the folder of an image has no {_RECIPE}", folder=path)
    name, title, base, mpi = (str(told[key]) for key in _TEXTS)
    programs, spared = (tuple(map(str, told.get(key, ()))) for key in ("programs", "leave_out"))
    return ImageFolder(path, name, title, base, mpi, programs, spared)


def worker() -> ImageFolder:
    """The folder of our own image."""
    return read_folder(Path(__file__).parent / "worker")
