"""Writing a run's outputs as a Zarr v3 store, ``run.zarr``.

Chunks hold about 16 MB: all steps of some catchments, or many steps of all of them.
The store is written beside its place and then takes it, so that it is whole or absent.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from zarr.core.buffer import Buffer
from zarr.storage import LocalStore

from dmod.errors import OutputError
from dmod.formats.output_variables import TIME_ENCODING

__all__ = ["write_zarr"]

#: About what a chunk holds [bytes, uncompressed].
_CHUNK_BYTES = 16 * 10**6
#: Steps that are kept together before features are: a year of hours.
_YEAR = 8784
_TIMES = ("time", "routed-time")


class _Stoppable(LocalStore):
    """A local store that can be stopped.

    When one chunk cannot be written, threads are still at others, and would make directories
    again that were just removed.
    """

    def __init__(self, root: Path | str, *, read_only: bool = False, writing: _Writing | None = None) -> None:
        super().__init__(root, read_only=read_only)
        self.writing = writing or _Writing()

    def with_read_only(self, read_only: bool = False) -> _Stoppable:
        return type(self)(self.root, read_only=read_only, writing=self.writing)

    async def set(self, key: str, value: Buffer) -> None:
        with self.writing:
            await super().set(key, value)

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        with self.writing:
            await super().set_if_not_exists(key, value)

    def set_sync(self, key: str, value: Buffer) -> None:
        with self.writing:
            super().set_sync(key, value)


class _Writing:
    """How many are writing, and whether one more may begin."""

    def __init__(self) -> None:
        self._count = 0
        self._stopped = False
        self._changed = threading.Condition()

    def __enter__(self) -> None:
        with self._changed:
            if self._stopped:
                raise OSError(errno.ECANCELED, "writing was stopped")
            self._count += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def stop(self) -> None:
        """Let nobody begin any more, and wait for those who did."""
        with self._changed:
            self._stopped = True
            self._changed.wait_for(lambda: self._count == 0)


def write_zarr(dataset: xr.Dataset, path: Path) -> None:
    """Write outputs as a Zarr v3 store.

    Parameters
    ----------
    dataset : xarray.Dataset
        Outputs as `dmod.open_outputs` gives them; may be lazy, and is then written chunk by
        chunk. It is marked complete unless its ``dmod_status`` says otherwise.
    path : Path
        The store's directory, by custom ``run.zarr``. A store that is there is replaced;
        any other directory that is not empty is left alone.

    Raises
    ------
    OutputError
        If *path* is something else than a Zarr store, or cannot be written.
    """
    if path.exists() and not ((path / "zarr.json").is_file() or (path.is_dir() and not any(path.iterdir()))):
        raise OutputError(
            "there is something else than a Zarr store",
            path=path,
            hint="name a directory that does not exist yet, such as run.zarr",
        )
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    chunks = _chunks(dataset)
    # Text of variable length is what Zarr v3 specifies; of fixed width it warns.
    ids = {name: one.astype(object) for name, one in dataset.coords.items() if one.dtype.kind in "UT"}
    status = dataset.attrs.get("dmod_status", "complete")
    plain = dataset.assign_coords(ids).drop_encoding().assign_attrs(dmod_status=status)
    store = _Stoppable(beside)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(beside, ignore_errors=True)
        plain.chunk(chunks).to_zarr(
            store, mode="w", zarr_format=3, consolidated=False, encoding=_encoding(plain, chunks)
        )
        _take_place(beside, path)
    except OSError as problem:
        raise OutputError(
            "the outputs cannot be written",
            path=path,
            reason=problem,
            hint="name a directory that you may write to, with space left",
        ) from problem
    finally:
        store.writing.stop()
        shutil.rmtree(beside, ignore_errors=True)


def _chunks(dataset: xr.Dataset) -> dict[str, int]:
    """Size of a chunk by dimension: one for all variables, so that what is chunked stays aligned."""
    numbers = _CHUNK_BYTES // 8
    chunks = {time: min(dataset.sizes[time], _YEAR) for time in _TIMES if time in dataset.sizes}
    for time in list(chunks):
        beside = {str(dim) for one in dataset.data_vars.values() if time in one.dims for dim in one.dims} - {time}
        for dim in beside:
            chunks[dim] = min(dataset.sizes[dim], max(1, numbers // max(1, chunks[time])))
        widest = max((chunks[dim] for dim in beside), default=1)
        if all(chunks[dim] == dataset.sizes[dim] for dim in beside):
            chunks[time] = min(dataset.sizes[time], max(chunks[time], numbers // max(1, widest)))
    return {dim: max(1, size) for dim, size in chunks.items()}


def _encoding(dataset: xr.Dataset, chunks: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Chunk shapes of variables, and how instants are written."""
    encoding: dict[str, dict[str, Any]] = {
        str(name): {"chunks": tuple(chunks.get(str(dim), max(1, dataset.sizes[dim])) for dim in one.dims)}
        for name, one in dataset.data_vars.items()
        if one.dims
    }
    for name, one in dataset.coords.items():
        if np.issubdtype(one.dtype, np.datetime64):
            encoding[str(name)] = dict(TIME_ENCODING)
    return encoding


def _take_place(beside: Path, path: Path) -> None:
    """Rename *beside* to *path*; what was there is moved away first and then removed."""
    if not path.exists():
        beside.rename(path)
        return
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    path.rename(old)
    try:
        beside.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)
