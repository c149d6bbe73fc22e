"""Who asks, and where they may reach: a service that acts for one owner, and one directory.

Paths come from elsewhere, so every one of them is followed to where it really leads, and refused
unless that is inside of the directory.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dmod.conductor.asking import request_of
from dmod.errors import InputError
from dmod.job.request import JobRequest
from dmod.service import LocalService
from dmod.store.remote import is_remote

__all__ = ["Asker"]

_PATHS = ("directory", "hydrofabric", "realization", "forcing", "output", "partitions")
_MAY_BE_REMOTE = ("directory", "output")


@dataclass(frozen=True)
class Asker:
    """Somebody who asks the gateway."""

    #: Answers, for this owner alone.
    service: LocalService
    #: The directory that paths are relative to, and must be inside of.
    root: Path

    def place(self, name: str, given: str | Path) -> Path:
        """A path, absolute and inside of the root.

        Parameters
        ----------
        name : str
            What is given, for the error.
        given : str or Path
            Relative to the root, or absolute.

        Returns
        -------
        Path

        Raises
        ------
        InputError
            If it leads out of the root, or is no path at all.
        """
        try:
            if "://" in str(given):
                raise ValueError("it is an address")
            root = self.root.resolve()
            found = (root / Path(given)).resolve()
        except (OSError, ValueError, RuntimeError) as problem:
            raise InputError(
                f"{name} is no path", has=repr(given)[:200], reason=problem, hint="name one below the root"
            ) from None
        if not found.is_relative_to(root):
            raise InputError(
                f"{name} lies outside of what this server may reach", needed=f"a path below {root}", has=given,
                hint="move it there, or start the server higher up",
            )  # fmt: skip
        return found

    def request_of(self, options: dict[str, Any]) -> JobRequest:
        """A request from what people write, see `dmod.conductor.asking.request_of`; its paths are inside of the root.

        Raises
        ------
        InputError
            If an option makes no sense, a path leads out, or there is no such run directory.
        """
        given = dict(options)
        for name in _PATHS:
            text = given.get(name)
            if text is None or (name in _MAY_BE_REMOTE and is_remote(str(text))):
                continue
            given[name] = self.place(name, str(text))
        directory = given.pop("directory")
        if isinstance(directory, Path) and not directory.is_dir():
            raise InputError(
                "there is no such run directory",
                has=directory,
                hint="name a directory that holds config/ and forcings/",
            )
        return request_of(str(directory), **given)

    def checked(self, request: JobRequest) -> JobRequest:
        """A request that came whole, with its paths inside of the root.

        Raises
        ------
        InputError
            If one leads out.
        """
        changed: dict[str, Any] = {
            name: self.place(name, path) for name in _PATHS if (path := getattr(request, name)) is not None
        }
        for name in ("origin", "delivery"):
            if (address := getattr(request, name)) is not None and not is_remote(address):
                raise InputError(f"{name} is no address", needed="such as s3://bucket/run", has=address)
        if (parts := request.composition) is not None:
            named: dict[str, Any] = {
                name: str(self.place(f"composition.{name}", text))
                for name in ("hydrofabric", "forcing", "configs")
                if (text := getattr(parts, name)) is not None and _is_path(text)
            }
            changed["composition"] = replace(parts, **named)
        return _there(replace(request, **changed))


def _there(request: JobRequest) -> JobRequest:
    """A request whose run directory is there, or is none."""
    if request.directory is not None and not request.directory.is_dir():
        raise InputError(
            "there is no such run directory", has=request.directory, hint="name one that holds config/ and forcings/"
        )
    return request


def _is_path(text: str) -> bool:
    """Whether this names a file here rather than a dataset or an address."""
    if is_remote(text):
        return False
    return not is_remote(text) and (
        os.sep in text or text.startswith(("~", ".", "file:", "local:")) or Path(text).exists()
    )
