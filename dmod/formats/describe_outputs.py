"""Describing outputs of runs: ours, ngen's and t-route's, also in an archive.

The ids of an output are those of its catchments, nexuses and flowpaths together; each
variable is there for ids of its own kind. A run that has not finished is refused. Of what
ngen wrote in CSV, rows are counted when they are read, not here.
"""

from __future__ import annotations

import re
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmod.data.coverage import Coverage, IdSet, Span
from dmod.data.kinds import Format
from dmod.errors import OutputError
from dmod.formats.describe_glance import Description, Detector, Glance
from dmod.formats.ngen_files import CATCHMENT_FILE, NEXUS_FILE, TOGETHER_FILE, find_ngen
from dmod.formats.ngen_rows import axis
from dmod.formats.output_variables import CATCHMENT, FLOWPATH, NEXUS
from dmod.formats.troute import find_troute

__all__ = ["DETECTORS"]

_OURS = {"run.nc": Format.DMOD_NETCDF, "run.nc.partial": Format.DMOD_NETCDF, "run.zarr": Format.DMOD_ZARR}
#: Folders in which outputs are, nearest first.
_BELOW = ("dmod", "ngen", "troute", "outputs")
_PER_CATCHMENT, _TOGETHER = "Time Step,Time", "catchment_id,Time Step,Time"
_RANK = re.compile(r"rank_\d+")
_ROUTED = {"flow", "velocity", "depth"}


def _kind(glance: Glance) -> Format | None:
    """Which outputs these are; None for none."""
    if glance.is_directory:
        return _kind_of_directory(glance)
    if glance.is_hdf5:
        held = glance.arrays.keys()
        if NEXUS in held and "time" in held:
            return Format.DMOD_NETCDF
        if {"runoff_rate", "feature_id"} <= held:
            return Format.NGEN_NETCDF
        return Format.TROUTE_OUTPUT if held >= _ROUTED | {"feature_id"} else None
    name, line = glance.path.name, glance.first_line
    if line.startswith((_PER_CATCHMENT, _TOGETHER)) and (
        CATCHMENT_FILE.fullmatch(name) or TOGETHER_FILE.fullmatch(name)
    ):
        return Format.NGEN_CSV
    if NEXUS_FILE.fullmatch(name) and line.count(",") == 2:
        return Format.NGEN_CSV
    if set(line.split(",")) >= _ROUTED and glance.path.suffix == ".csv":
        return Format.TROUTE_OUTPUT
    return Format.NGEN_CSV_ARCHIVE if glance.is_archive and next(_members(glance.path), None) else None


def _kind_of_directory(glance: Glance) -> Format | None:
    """Which outputs are in a directory, or in those of its folders where outputs are."""
    if glance.is_zarr:
        return Format.DMOD_ZARR if {"time", NEXUS} <= set(glance.folders) else None
    held = {*glance.names, *glance.folders}
    if ours := next((format_ for name, format_ in _OURS.items() if name in held), None):
        return ours
    catchment = next((name for name in glance.names if CATCHMENT_FILE.fullmatch(name)), None)
    if catchment is not None and glance.within(catchment).first_line.startswith(_PER_CATCHMENT):
        return Format.NGEN_CSV
    if any(NEXUS_FILE.fullmatch(name) or TOGETHER_FILE.fullmatch(name) for name in glance.names):
        return Format.NGEN_CSV
    if any(_RANK.fullmatch(name) for name in glance.folders) or any(n.endswith("_nexuses.nc") for n in glance.names):
        found = find_ngen(glance.path)
        if found.together or found.nexuses or (found.catchments and catchment is None):
            return Format.NGEN_CSV
        if found.nexus_netcdf:
            return Format.NGEN_NETCDF
    if any(name.startswith("troute_output") for name in glance.names) and find_troute(glance.path):
        return Format.TROUTE_OUTPUT
    below = (_kind(glance.within(name)) for name in _BELOW if name in glance.folders)
    return next((format_ for format_ in below if format_), None)


def _describe_outputs(glance: Glance) -> Description:
    """What opening them gives."""
    from dmod.formats.outputs import open_outputs

    format_ = glance.once(_kind)
    assert format_ is not None
    with open_outputs(glance.path, chunks=None) as dataset:
        sizes = {str(dim): int(size) for dim, size in dataset.sizes.items()}
        ids = [str(one) for dim in (CATCHMENT, NEXUS, FLOWPATH) if dim in dataset.coords for one in dataset[dim].values]
        variables = {str(name): str(held.attrs.get("units", "")) for name, held in dataset.data_vars.items()}
        clock = "time" if "time" in dataset.coords else "routed-time"
        span, step_s = _span(dataset[clock].values, starts=clock == "time", path=glance.path)
    return glance.described(
        format_,
        Coverage((span,), _ids(ids, glance.path), frozenset(variables)),
        {"sizes": sizes, "step_s": step_s, "variables": variables},
    )


def _describe_archive(glance: Glance) -> Description:
    """What the names of its files tell, and the rows of the first of each kind."""
    ids: list[str] = []
    variables: dict[str, None] = {}
    spans: list[tuple[Span, int]] = []
    kinds: set[str] = set()
    for name, lines in _members(glance.path):
        path = glance.path / name
        kind = "catchments" if CATCHMENT_FILE.fullmatch(path.name) else "nexuses"
        if TOGETHER_FILE.fullmatch(path.name):
            header, *rows = [line.split(",") for line in lines()]
            ids += dict.fromkeys(row[0] for row in rows)
            variables |= dict.fromkeys(header[3:])
            one = [row[1:] for row in rows if row[0] == rows[0][0]]
            spans.append(_span(axis(path, [one[0], one[min(1, len(one) - 1)], one[-1]]), starts=True, path=path))
            continue
        found = CATCHMENT_FILE.fullmatch(path.name) or NEXUS_FILE.fullmatch(path.name)
        assert found is not None
        ids.append(found[1])
        if kind in kinds:
            continue
        kinds.add(kind)
        rows = [line.split(",") for line in lines()]
        if kind == "catchments":
            variables |= dict.fromkeys(rows.pop(0)[2:])
        else:
            variables["nexus_flow"] = None
        if not rows:
            raise OutputError(f"{name} has no rows: the run is partial", path=glance.path, hint="archive a whole run")
        spans.append(_span(axis(path, [rows[0], rows[min(1, len(rows) - 1)], rows[-1]]), starts=True, path=path))
    if len(set(spans)) > 1:
        raise OutputError(
            "the files of the archive have different times: the run is partial",
            path=glance.path,
            has=", ".join(str(span) for span, _ in dict.fromkeys(spans)),
            hint="archive a whole run",
        )
    span, step_s = spans[0]
    coverage = Coverage((span,), _ids(ids, glance.path), frozenset(variables))
    return glance.described(Format.NGEN_CSV_ARCHIVE, coverage, {"features": len(ids), "step_s": step_s})


def _members(path: Path) -> Iterator[tuple[str, Any]]:
    """Name of each of ngen's files in an archive, and what gives its lines."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                for name in packed.namelist():
                    if _is_ngen(name):
                        yield name, lambda name=name: packed.read(name).decode().splitlines()
            return
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile() and _is_ngen(member.name):
                    yield member.name, lambda member=member: _lines(archive, member)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, UnicodeDecodeError):
        return


def _lines(archive: tarfile.TarFile, member: tarfile.TarInfo) -> list[str]:
    """The lines of a member."""
    file = archive.extractfile(member)
    return [] if file is None else file.read().decode().splitlines()


def _is_ngen(name: str) -> bool:
    """Whether a name is that of one of ngen's CSV files."""
    bare = PurePosixPath(name).name
    return any(pattern.fullmatch(bare) for pattern in (CATCHMENT_FILE, NEXUS_FILE, TOGETHER_FILE))


def _ids(ids: list[str], path: Path) -> IdSet:
    """Ids as a set; none of them twice."""
    held = IdSet.of(ids)
    if len(held) != len(ids):
        raise OutputError("a catchment or nexus occurs twice in the outputs", path=path, hint="keep one run there")
    return held


def _span(times: NDArray[np.datetime64], *, starts: bool, path: Path) -> tuple[Span, int]:
    """The time that steps cover, and how long one is [s]; instants cover no more than themselves."""
    if not times.size:
        raise OutputError("the outputs hold no step", path=path, hint="run again")
    seconds = times.astype("datetime64[s]").astype(np.int64)
    step_s = int(seconds[1] - seconds[0]) if seconds.size > 1 else 3600
    return Span(int(seconds[0]), int(seconds[-1]) + (step_s if starts else 1)), step_s


def _of(format_: Format) -> Detector:
    """The detector of one format of outputs."""
    describe = _describe_archive if format_ is Format.NGEN_CSV_ARCHIVE else _describe_outputs
    return Detector(format_, lambda glance: glance.once(_kind) is format_, describe)


#: Those of outputs.
DETECTORS = tuple(
    _of(format_)
    for format_ in (
        Format.DMOD_NETCDF,
        Format.DMOD_ZARR,
        Format.NGEN_CSV,
        Format.NGEN_NETCDF,
        Format.TROUTE_OUTPUT,
        Format.NGEN_CSV_ARCHIVE,
    )
)
