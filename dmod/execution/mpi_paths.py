"""Where ranks see the files of this machine: inside a container, or just where they are.

The run directory is seen whole and cannot be changed. A file elsewhere is seen only if
somebody named it by hand or it lies in a store; what else a realization, or a link, points
to is refused before anything starts.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from dmod.errors import InputError
from dmod.execution.container import Mount
from dmod.execution.mpi_plan import RUN
from dmod.model.run_directory import RunDirectory

__all__ = ["INPUTS", "Sight"]

#: Where containers see files that are not in the run directory.
INPUTS = "/dmod/inputs"
#: Places that an image has by itself: libraries, Python packages, and nothing at all.
_OF_THE_IMAGE = ("/dmod/", "/ngen/", "/dev/null")
_ID = "{{"


class Sight:
    """What of this machine ranks see, and under which names; it grows as files are asked for.

    Parameters
    ----------
    directory : RunDirectory
        The parts of the run; those outside of its root were named by hand.
    seen_as : str
        Where its root is seen; the root itself for programs of this machine.
    stores : sequence of Path
        Roots of stores, any file of which may be seen.
    """

    def __init__(self, directory: RunDirectory, seen_as: str, stores: Sequence[Path] = ()) -> None:
        self._directory, self._root, self._seen_as = directory, directory.root, seen_as.rstrip("/")
        # Ranks that are in no container see everything under its own name.
        self._is_here = Path(seen_as) == directory.root
        self._stores = tuple(store.resolve() for store in stores)
        given = (directory.hydrofabric, directory.nexus, directory.forcing, directory.troute)
        self._named = tuple(path for path in given if path is not None and not path.is_relative_to(directory.root))
        self._targets: dict[Path, str] = {}

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """What a container must be given besides the run directory, read-only; nothing here without one."""
        return tuple(Mount(path, target) for path, target in self._targets.items())

    def of_file(self, path: Path, what: str) -> str:
        """The absolute path under which ranks see a file or folder.

        Parameters
        ----------
        path : Path
            Here, absolute.
        what : str
            What it is, for an error.

        Raises
        ------
        InputError
            If it may not be seen.
        """
        text = self.of_text(str(path), what)
        return text if text.startswith("/") else str(PurePosixPath(self._seen_as, text))

    def of_text(self, text: str, key: str) -> str:
        """A path of a realization as ranks must have it: relative to the run directory wherever it can be.

        Parameters
        ----------
        text : str
            As written; it may hold ``{{id}}``.
        key : str
            Where it is written, for an error.

        Raises
        ------
        InputError
            If it leads out of the run directory and was not named by hand.
        """
        if not text:
            return text
        if text == RUN or text.startswith(f"{RUN}/"):
            text = "." + text.removeprefix(RUN)
        elif text.startswith(_OF_THE_IMAGE):
            return text
        place = Path(os.path.normpath(self._directory.resolve(text)))
        fixed, rest = _fixed(place)
        if place.is_relative_to(self._root) and _real(fixed).is_relative_to(self._root):
            is_as_written = place == Path(os.path.normpath(self._root / text)) and not text.startswith("/")
            return text if is_as_written else f"./{place.relative_to(self._root).as_posix()}"
        return str(PurePosixPath(self._elsewhere(fixed, key), *rest))

    def _elsewhere(self, place: Path, key: str) -> str:
        """What a file outside of the run directory is called inside, if it may be seen."""
        real = _real(place)
        by_hand = any(place.is_relative_to(named) for named in self._named)
        if not by_hand and not any(real.is_relative_to(store) for store in self._stores):
            linked = place.is_relative_to(self._root)
            raise InputError(
                "a link leads out of the run directory" if linked else "a path lies outside of the run directory",
                key=key,
                path=place,
                **({"leads_to": real} if linked else {}),
                needed=f"a path in {self._root}" + "".join(f", or in {store}" for store in self._stores),
                hint="put the file itself there, add it as a dataset, or name it by hand (--hydrofabric, --forcing)",
            )
        if not real.exists():
            raise InputError("a file that is named does not exist", key=key, path=real, hint="correct the path")
        if self._is_here:
            return str(real)
        return self._targets.setdefault(real, f"{INPUTS}/{len(self._targets)}/{place.name}")


def _fixed(place: Path) -> tuple[Path, tuple[str, ...]]:
    """The part of a path before the first that differs between catchments, and the rest."""
    parts = place.parts
    end = next((k for k, part in enumerate(parts) if _ID in part), len(parts))
    return Path(*parts[:end]), parts[end:]


def _real(place: Path) -> Path:
    """Where a path leads in the end."""
    return Path(os.path.realpath(place))
