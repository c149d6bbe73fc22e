"""Settings: what an operator sets once, so that users need not.

Read from ``DMOD_*`` in the environment, then from ``dmod.toml`` in the working directory;
the environment wins. Read when a session is made and passed down, never kept globally.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from dmod.errors import InputError

__all__ = ["Settings", "read_settings"]

_FILE = "dmod.toml"
_TEXTS = ("scheduler", "ledger", "store", "owner", "cluster", "url")


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds where a request says nothing."""

    #: Address of a Dask scheduler, ``tcp://host:port``; None for a cluster of our own.
    scheduler: str | None = None
    #: Worker processes, one core each; None for as many as make sense.
    workers: int | None = None
    #: Cores of this machine to give to jobs; None for all.
    cores: int | None = None
    #: Directory of the ledger, the store and what jobs leave behind.
    home: Path = field(default_factory=lambda: Path("~/.local/share/dmod").expanduser())
    #: SQLAlchemy URL of the ledger, such as ``postgresql+psycopg://host/dmod``; None for SQLite in *home*.
    ledger: str | None = None
    #: URL of the store, such as ``s3://bucket/prefix``; None for a directory in *home*.
    store: str | None = None
    #: Who owns what is made here; None for the login name.
    owner: str | None = None
    #: ``module:function`` that makes a Dask cluster (dask-jobqueue, dask-gateway, dask-kubernetes); None for our own.
    cluster: str | None = None
    #: Base URL of a service that has the jobs, such as ``http://127.0.0.1:8787``; None for this machine's own.
    url: str | None = None


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
    known = [one.name for one in fields(Settings)]
    if unknown := sorted(set(given) - set(known)):
        raise InputError(f"{_FILE} has unknown keys", file=path, unknown=", ".join(unknown), known=", ".join(known))
    place = os.environ if environment is None else environment
    given |= {name: place[f"DMOD_{name.upper()}"] for name in known if place.get(f"DMOD_{name.upper()}")}
    found = Settings(
        **{name: str(given[name]) for name in _TEXTS if name in given},  # type: ignore[arg-type]
        **{name: _count(name, given[name]) for name in ("workers", "cores") if name in given},  # type: ignore[arg-type]
    )
    return replace(found, home=Path(str(given["home"])).expanduser().absolute()) if "home" in given else found


def _count(name: str, text: object) -> int:
    """A whole number from 1."""
    if not (str(text).isdigit() and int(str(text)) > 0):
        raise InputError(
            f"{name} is {text!r}", needed="a whole number from 1", hint=f"correct DMOD_{name.upper()} or {_FILE}"
        )
    return int(str(text))
