"""Datasets opened as what they are: xarray, a `Domain`, a `Realization`, ….

What is lazy stays so. Formats that have no value of their own are given as a path.
"""

from __future__ import annotations

import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmod.data.kinds import Category, Format
from dmod.errors import CheckError, OutputError
from dmod.store.manifest import check_path

if TYPE_CHECKING:
    import xarray as xr

    from dmod.model.realization import Realization

__all__ = ["opened"]


def opened(path: Path, format_: Format, facts: Mapping[str, Any]) -> Any:
    """What a dataset holds.

    Parameters
    ----------
    path : Path
        Where it lies on this machine.
    format_ : Format
        What it is.
    facts : mapping
        What else is known of it.

    Returns
    -------
    object
        Forcing and outputs: `xarray.Dataset`; observations: `xarray.DataArray`; an evaluation:
        `dmod.Evaluation`; a hydrofabric:
        `dmod.Domain`; a realization: `Realization`; a bundle: `RunDirectory` if it has a
        hydrofabric, else its `Realization`; partitions: list of `Rank`; else *path*.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    if format_ is Format.GENERIC:
        return path
    category = format_.categories[0]
    if category is Category.FORCING:
        from dmod.catalog.weather import open_weather

        return open_weather(path, format_)
    if category is Category.HYDROFABRIC:
        from dmod.domain.domain import Domain

        return Domain.open(path)
    if category is Category.OBSERVATION:
        from dmod.evaluation.observations import read_observations

        return read_observations(path)
    if format_ is Format.NGEN_CSV_ARCHIVE:
        return _unarchived(path)
    if format_ is Format.EVALUATION:
        from dmod.evaluation.saved import load_evaluation

        return load_evaluation(path)
    if category is Category.OUTPUT:
        from dmod.formats.outputs import open_outputs

        return open_outputs(path)
    return _configuration(path, format_, facts)


def _configuration(path: Path, format_: Format, facts: Mapping[str, Any]) -> Any:
    """A configuration, as the value that there is for it."""
    if format_ is Format.PARTITIONS:
        from dmod.formats.partition_json import read_partitions

        return read_partitions(path)
    if format_ is Format.REALIZATION:
        return _realization(path)
    if format_ is not Format.COMPOSITE:
        return path
    realization = path / str(facts["realization"])
    if "hydrofabric" not in facts:
        return _realization(realization)
    from dmod.model.run_directory import find_run_directory

    return find_run_directory(path, hydrofabric=path / str(facts["hydrofabric"]), realization=realization)


def _realization(path: Path) -> Realization:
    """A realization, or all that is wrong with it."""
    from dmod.model.realization import read_realization

    realization, report = read_realization(path)
    if realization is None:
        raise CheckError(report)
    return realization


def _unarchived(path: Path) -> xr.Dataset:
    """The outputs in an archive, in memory: the files they are read from do not stay."""
    from dmod.formats.outputs import open_outputs

    with tempfile.TemporaryDirectory(prefix="dmod-archive-") as folder:
        for place, data in _members(path):
            target = Path(folder) / check_path(place.removeprefix("./"))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        # Archives are often made of one directory.
        held = list(Path(folder).iterdir())
        inner = held[0] if len(held) == 1 and held[0].is_dir() else Path(folder)
        return open_outputs(inner).load()


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Place and bytes of every file of an archive."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                yield from ((one.filename, packed.read(one)) for one in packed.infolist() if not one.is_dir())
            return
        with tarfile.open(path) as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isfile() else None
                if file is not None:
                    yield member.name, file.read()
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as problem:
        raise OutputError(
            "the archive cannot be read", path=path, reason=str(problem) or type(problem).__name__,
            hint="make it again",
        ) from problem  # fmt: skip
