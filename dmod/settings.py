"""Settings: what an operator sets once, so that users need not.

Read from ``DMOD_*`` in the environment, then from ``dmod.toml`` in the working directory;
the environment wins. Read when a session is made and passed down, never kept globally.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from dmod.errors import InputError

__all__ = ["Settings", "read_settings"]

_FILE = "dmod.toml"


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds where a request says nothing."""

    #: Address of a Dask scheduler, ``tcp://host:port``; None for a cluster of our own.
    scheduler: str | None = None
    #: Worker processes, one core each; None for as many as make sense.
    workers: int | None = None


def read_settings(directory: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Parameters
    ----------
    directory : Path, optional
        Where ``dmod.toml`` may be; the working directory otherwise.
    environment : mapping, optional
        The environment otherwise.

    Returns
    -------
    Settings
        Defaults where nothing is set.

    Raises
    ------
    InputError
        If the file cannot be read, has an unknown key, or a value makes no sense.
    """
    path = (directory or Path()) / _FILE
    given: dict[str, object] = {}
    if path.is_file():
        try:
            given = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
            raise InputError(
                f"{_FILE} cannot be read", file=path, reason=problem, hint="correct or remove it"
            ) from None
    known = [field.name for field in fields(Settings)]
    if unknown := sorted(set(given) - set(known)):
        raise InputError(f"{_FILE} has unknown keys", file=path, unknown=", ".join(unknown), known=", ".join(known))
    place = os.environ if environment is None else environment
    given |= {name: place[f"DMOD_{name.upper()}"] for name in known if place.get(f"DMOD_{name.upper()}")}
    workers = given.get("workers")
    if workers is not None and not (str(workers).isdigit() and int(str(workers)) > 0):
        raise InputError(
            f"workers is {workers!r}", needed="a whole number from 1", hint=f"correct DMOD_WORKERS or {_FILE}"
        )
    scheduler = given.get("scheduler")
    return Settings(None if scheduler is None else str(scheduler), None if workers is None else int(str(workers)))
