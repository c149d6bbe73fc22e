"""A request, from what people write: on the command line, in a notebook, in a form.

Texts become paths, instants and bytes; nothing is opened but a file that holds a request.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from dmod.errors import InputError
from dmod.job.request import JobRequest, OutputFormat, instant
from dmod.schedule.resources import read_memory
from dmod.store.remote import is_remote

__all__ = ["AnyPath", "request_from", "request_of"]

AnyPath = str | os.PathLike[str]


def request_of(
    directory: AnyPath,
    *,
    hydrofabric: AnyPath | None = None,
    realization: AnyPath | None = None,
    forcing: AnyPath | None = None,
    output: AnyPath | None = None,
    output_format: OutputFormat = "netcdf",
    overwrite: bool = False,
    catchments: Iterable[str] | str | None = None,
    start: str | None = None,
    end: str | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    units: str = "strict",
    memory: str | int | None = None,
    priority: int = 50,
    on: str = "dask",
    ranks: int | None = None,
    image: str | None = None,
    hosts: Iterable[str] | str = (),
    gpus: str | None = None,
    partitions: AnyPath | None = None,
    paradigm: str = "single_node",
) -> JobRequest:
    """A request, from what people write; the parameters are those of `dmod.session.Session.run`."""
    if units not in ("strict", "ngen"):
        raise InputError(f"there is no units policy {units!r}", has="strict, ngen")
    away, taken = is_remote(directory), output is not None and is_remote(output)
    return JobRequest(
        directory=None if away else Path(directory).expanduser(),
        origin=os.fspath(directory) if away else None,
        hydrofabric=_path(hydrofabric),
        realization=_path(realization),
        forcing=_path(forcing),
        output=None if taken else _path(output),
        delivery=os.fspath(output) if output is not None and taken else None,
        output_format=output_format,
        overwrite=overwrite,
        catchments=None if catchments is None else _words(catchments),
        start_s=None if start is None else instant(str(start)),
        end_s=None if end is None else instant(str(end)),
        workers=workers,
        scheduler=scheduler,
        units="ngen" if units == "ngen" else "strict",
        memory_bytes=None if memory is None else read_memory(memory),
        priority=priority,
        on=on,
        ranks=ranks,
        image=image,
        hosts=_words(hosts),
        gpus=gpus,
        partitions=_path(partitions),
        paradigm=paradigm if paradigm != "single_node" or len(_words(hosts)) < 2 else "fill_nodes",
    )


def request_from(path: AnyPath, **options: Any) -> JobRequest:
    """A request from a run directory, or from a file that holds one; *options* are those of `request_of`.

    Raises
    ------
    InputError
        If the file holds no request, or an option makes no sense.
    """
    place = Path(path).expanduser()
    if is_remote(path):
        return request_of(path, **options)
    if not place.is_file():
        return request_of(place, **options)
    from dmod.conductor.provenance import request_in

    kept, default = request_in(place), JobRequest(Path())
    given = request_of(kept.directory or Path(), **options)
    changed = {
        one.name: getattr(given, one.name)
        for one in fields(JobRequest)
        if one.name not in ("directory", "composition") and getattr(given, one.name) != getattr(default, one.name)
    }
    return replace(kept, **changed)


def _words(listed: Iterable[str] | str) -> tuple[str, ...]:
    """Names from a list, or from a text with commas between them."""
    words = listed.split(",") if isinstance(listed, str) else listed
    return tuple(word.strip() for word in words if word.strip())


def _path(text: AnyPath | None) -> Path | None:
    """A path, with ``~`` meaning home."""
    return None if text is None else Path(text).expanduser()
