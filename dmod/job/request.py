"""What is asked for when a run is asked for.

A `JobRequest` is a value: it can be kept, sent and asked again. Nothing is opened here.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from dmod.errors import InputError

__all__ = ["Composition", "JobRequest", "OutputFormat", "instant"]

_PARADIGMS = ("single_node", "fill_nodes", "round_robin")
_LEAST_BYTES = 512 * 10**6

#: How outputs are kept: one NetCDF-4 file, one Zarr store, or ngen's own CSV files.
OutputFormat = Literal["netcdf", "zarr", "ngen"]


@dataclass(frozen=True)
class Composition:
    """A run made of parts that are looked for, or derived, rather than of a directory."""

    #: The hydrofabric: name of a dataset, or a path.
    hydrofabric: str
    #: The chain of modules, as `dmod.model.formulation.Formulation.to_dict` gives it.
    formulation: Mapping[str, Any]
    #: The weather: name of a dataset, or a path; None for whatever fits best.
    forcing: str | None = None
    #: Configuration files of the modules: name of a dataset; None to derive them.
    configs: str | None = None


@dataclass(frozen=True)
class JobRequest:
    """A run, as its owner asks for it."""

    #: An ngen or NGIAB run directory; None for one that is composed, or lies elsewhere.
    directory: Path | None = None
    #: Address of a run directory that is brought here first, ``s3://bucket/run``.
    origin: str | None = None
    #: Parts named by hand, in place of what the directory holds.
    hydrofabric: Path | None = None
    realization: Path | None = None
    forcing: Path | None = None
    #: Where outputs go; ``outputs/dmod`` in the run directory if None.
    output: Path | None = None
    #: Address that outputs are taken to when they are whole, ``s3://bucket/outputs``.
    delivery: str | None = None
    #: How outputs are kept.
    output_format: OutputFormat = "netcdf"
    #: Whether earlier outputs there may be replaced.
    overwrite: bool = False
    #: Catchments wanted; None for all.
    catchments: tuple[str, ...] | None = None
    #: First instant, and start of the last step [s since 1970]; None for the realization's own.
    start_s: int | None = None
    end_s: int | None = None
    #: Workers, one core each; None for as many as make sense.
    workers: int | None = None
    #: Address of a Dask scheduler; None for a cluster of our own.
    scheduler: str | None = None
    #: What to do where units do not convert.
    units: Literal["strict", "ngen"] = "strict"
    #: Memory that all its workers together may use [bytes]; None for no limit.
    memory_bytes: int | None = None
    #: What runs it: ``dask``, or ranks of an MPI run: ``docker``, ``host``, or another executor by name.
    on: str = "dask"
    #: Ranks of an MPI run; None for as many as the machine has cores, and the domain allows.
    ranks: int | None = None
    #: Image that ranks run in, or file of one; None for our own.
    image: str | None = None
    #: Addresses of the Docker engines to use; none for this machine's.
    hosts: tuple[str, ...] = ()
    #: Graphics processors, as ``docker run --gpus`` takes them.
    gpus: str | None = None
    #: A partition file of somebody else's; None to cut the domain ourselves.
    partitions: Path | None = None
    #: How cores are spread over hosts: ``single_node``, ``fill_nodes`` or ``round_robin``.
    paradigm: str = "single_node"
    #: The higher, the sooner it gets cores, in [0, 100].
    priority: int = 50
    #: What it is made of, where there is no directory yet.
    composition: Composition | None = None

    def __post_init__(self) -> None:
        if sum(one is not None for one in (self.directory, self.origin, self.composition)) != 1:
            raise InputError(
                "a run is of a directory, here or elsewhere, or is composed",
                has=[one for one in ("directory", "origin", "composition") if getattr(self, one)] or "none of these",
                hint="name a run directory, or a domain with a formulation",
            )
        if self.workers is not None and self.workers < 1:
            raise InputError(f"a run needs at least one worker, not {self.workers}", hint="leave --workers out")
        if self.output_format not in ("netcdf", "zarr", "ngen"):
            raise InputError(f"there is no output format {self.output_format!r}", has="netcdf, zarr, ngen")
        if self.catchments is not None and not self.catchments:
            raise InputError("no catchment was asked for", hint="name some, or leave --catchments out for all")
        if self.memory_bytes is not None and self.memory_bytes < _LEAST_BYTES:
            raise InputError(
                "a run needs more memory than that", needed="512 MB at least", has=f"{self.memory_bytes:,} bytes"
            )
        self._check_ranks()
        if self.paradigm not in _PARADIGMS:
            raise InputError(f"there is no way {self.paradigm!r} to spread a run", has=", ".join(_PARADIGMS))
        if not 0 <= self.priority <= 100:
            raise InputError(f"there is no priority {self.priority}", needed="a whole number from 0 to 100")

    def _check_ranks(self) -> None:
        """Raise where what is said of ranks contradicts what they run on."""
        if self.ranks is not None and self.ranks < 1:
            raise InputError(f"a run needs at least one rank, not {self.ranks}", hint="leave --ranks out")
        if self.on == "dask":
            asked = {"ranks": self.ranks, "image": self.image, "hosts": self.hosts, "gpus": self.gpus,
                     "partitions": self.partitions}  # fmt: skip
            if wrong := [name for name, value in asked.items() if value]:
                raise InputError(
                    f"{', '.join(wrong)}: that is for ranks of an MPI run, and this runs on Dask",
                    hint="say --on docker or --on host, or leave it out",
                )
        elif self.scheduler is not None or self.workers is not None:
            word = "scheduler" if self.scheduler is not None else "workers"
            problem = f"{word}: that is for Dask, and this runs on {self.on}"
            raise InputError(problem, hint="say --ranks, or leave it out")

    @property
    def target(self) -> Path:
        """The directory outputs go to."""
        if self.output is not None:
            return self.output
        if self.directory is None:
            raise InputError("this run has no directory yet", hint="name an output, or wait until it is prepared")
        return self.directory / "outputs" / "dmod"

    @property
    def title(self) -> str:
        """What people call it: the name of its directory, or of its hydrofabric."""
        if self.directory is not None:
            return self.directory.resolve().name or "run"
        if self.origin is not None:
            return self.origin.rstrip("/").rpartition("/")[2] or "run"
        assert self.composition is not None
        return Path(self.composition.hydrofabric).stem

    def to_json(self) -> str:
        """As JSON, with paths made absolute so that it means the same elsewhere on this machine."""
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        plain = {
            key: str(value.expanduser().absolute()) if isinstance(value, Path) else value
            for key, value in given.items()
            if value is not None and value != ()
        }
        if self.composition is not None:
            plain["composition"] = {one.name: getattr(self.composition, one.name) for one in fields(Composition)}
        return json.dumps(plain)

    @classmethod
    def from_json(cls, text: str) -> JobRequest:
        """A request again.

        Raises
        ------
        InputError
            If the text is no request, or one that contradicts itself.
        """
        try:
            found: JobRequest = _adapter().validate_json(text)
        except ValueError as problem:
            listed = problem.errors() if hasattr(problem, "errors") else []
            wrong = [f"{'.'.join(map(str, one['loc'])) or 'text'}: {one['msg']}" for one in listed]
            raise InputError(
                "this is no job request",
                reason="; ".join(wrong) or str(problem),
                hint="write one with `dmod submit RUN_DIR --print-request`",
            ) from problem
        return found


@functools.cache
def _adapter() -> Any:
    """What reads requests from JSON; pydantic is imported when one is read."""
    from pydantic import ConfigDict, TypeAdapter

    JobRequest.__pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[attr-defined]
    return TypeAdapter(JobRequest)


def instant(text: str) -> int:
    """A time as people write it, in seconds since 1970, UTC.

    Parameters
    ----------
    text : str
        ``2015-12-01``, ``2015-12-01 06:00``, ``2015-12-01T06:00:00Z``.

    Returns
    -------
    int
        Seconds since 1970-01-01T00:00Z.

    Raises
    ------
    InputError
        If it cannot be read.

    Examples
    --------
    >>> instant("1970-01-02")
    86400
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InputError(
            f"cannot read the time {text!r}", needed="YYYY-MM-DD or YYYY-MM-DD HH:MM:SS, UTC",
            hint="quote it if it holds a blank",
        ) from None  # fmt: skip
    return round((found.replace(tzinfo=UTC) if found.tzinfo is None else found).timestamp())
