"""Describing forcing: which catchments, times and variables it holds.

Variables go by one vocabulary, that of AORC, whatever the file calls them: `aorc_name`. The
names and units of the file itself are among the facts. Of a directory of CSV files the header
and the first and last row of every file are looked at, so that its coverage is true of all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dmod.data.coverage import ALL, Coverage, Everything, IdSet, Span
from dmod.data.kinds import Format
from dmod.errors import ForcingError
from dmod.formats.describe_glance import Description, Detector, Glance
from dmod.formats.forcing import ALIASES, KNOWN, ForcingRef, TimeAxis
from dmod.formats.forcing_csv import find_files
from dmod.formats.forcing_csv_file import Header, header_of, time_axis

__all__ = ["DETECTORS", "aorc_name"]

_EDGE_BYTES = 4096
#: Arrays that name the catchments of a Zarr store.
_IDS = ("ids", "catchment-id", "catchment")


def aorc_name(name: str) -> str:
    """What a forcing variable is called in coverages, whatever a file or a module calls it.

    Parameters
    ----------
    name : str
        A column, such as ``RAINRATE``, or a CSDMS standard name.

    Returns
    -------
    str
        The name that AORC has for it; itself where NextGen does not know it.

    Examples
    --------
    >>> aorc_name("T2D"), aorc_name("land_surface_air__temperature"), aorc_name("snow")
    ('TMP_2maboveground', 'TMP_2maboveground', 'snow')
    """
    alias = KNOWN[name].alias if name in KNOWN else name
    return ALIASES[alias][0] if alias in ALIASES else name


def _is_netcdf(glance: Glance) -> bool:
    """Catchments by time, with the names that ngen looks for."""
    return "ids" in glance.arrays and bool({"Time", "time"} & glance.arrays.keys())


def _is_csv(glance: Glance) -> bool:
    """A table of weather, or a directory of which the first is one."""
    if glance.is_directory:
        first = next((name for name in glance.names if name.endswith(".csv") and not name.startswith(".")), None)
        return first is not None and _is_csv(glance.within(first))
    names = [name.strip().strip('"') for name in glance.first_line.split(",")]
    bare = {name.partition("[")[0].partition("(")[0].strip() for name in names}
    return bool({"time", "Time"} & set(names)) and bool(bare & KNOWN.keys())


def _is_zarr(glance: Glance) -> bool:
    """A Zarr store with ids, times, and something known over them."""
    if not glance.is_zarr:
        return False
    held = set(glance.folders)
    return bool(held & set(_IDS)) and bool(held & {"Time", "time"}) and bool(held & KNOWN.keys())


def _describe_netcdf(glance: Glance) -> Description:
    """One NetCDF file, as it is opened for a run."""
    from dmod.formats.forcing_netcdf import NetcdfForcing

    source = NetcdfForcing(ForcingRef(glance.path, "NetCDF"))
    try:
        ids = IdSet.of(source.ids)
        if len(ids) != len(source.ids):
            raise _twice(glance.path, source.ids)
        return _described(glance, Format.FORCING_NETCDF, ids, source.axis, source.variables)
    finally:
        source.close()


def _describe_csv(glance: Glance) -> Description:
    """A directory of CSV files, or one file."""
    files = find_files(ForcingRef(glance.path, "CsvPerFeature"))
    if not files:
        raise ForcingError(
            "none of the forcing files is named after a catchment",
            path=glance.path,
            has=", ".join(glance.names[:4]),
            hint="call them cat-27.csv, or with more before and after the id",
        )
    paths = list(files.values())
    header = header_of(paths[0])
    axis = time_axis(paths[0], header.time)
    _check_alike(paths, header, axis)
    ids = IdSet.of(files)
    # A file that is not named after a catchment serves every one, as it does in a run.
    unnamed = not glance.is_directory and list(files) == [glance.path.stem] and "-" not in glance.path.stem
    return _described(glance, Format.FORCING_CSV, ALL if unnamed else ids, axis, header.units)


def _describe_zarr(glance: Glance) -> Description:
    """One Zarr store."""
    import zarr

    from dmod.formats.forcing_netcdf import time_axis as netcdf_axis

    name = glance.path.name
    try:
        group = zarr.open_group(str(glance.path), mode="r")
        arrays: dict[str, Any] = {key: group[key] for key in glance.folders if not key.startswith(".")}
        key = next(key for key in _IDS if key in arrays)
        held = [one.decode() if isinstance(one, bytes) else str(one) for one in arrays[key][:].tolist()]
        clock = arrays["Time"] if "Time" in arrays else arrays["time"]
        attributes = {str(k): str(v) for k, v in clock.attrs.items()}
        axis = netcdf_axis(clock[0] if clock.ndim == 2 else clock[:], attributes, name)
    except (KeyError, StopIteration, ValueError, OSError) as problem:
        raise ForcingError(
            f"{name} cannot be read as forcing",
            path=glance.path,
            reason=str(problem).splitlines()[0] if str(problem) else type(problem).__name__,
            hint="copy or make it again",
        ) from problem
    ids = IdSet.of(held)
    if len(ids) != len(held):
        raise _twice(glance.path, held)
    variables = {
        name: str(array.attrs.get("units") or (KNOWN[name].units if name in KNOWN else "1"))
        for name, array in sorted(arrays.items())
        if name not in (*_IDS, "Time", "time")
        and getattr(array, "shape", None) == (len(held), axis.count)
        and array.dtype.kind in "fiu"
    }
    if not variables:
        raise ForcingError(f"{name} has no variable of catchments by time", path=glance.path, has=", ".join(arrays))
    return _described(glance, Format.FORCING_ZARR, ids, axis, variables)


def _described(
    glance: Glance, format_: Format, ids: IdSet | Everything, axis: TimeAxis, variables: Mapping[str, str]
) -> Description:
    """What forcing of any format tells."""
    names = frozenset(map(aorc_name, variables))
    if not names:
        raise ForcingError("the forcing has no variable", path=glance.path, hint="give it columns beside the time")
    coverage = Coverage((Span(axis.start_s, axis.stop_s),), ids, names)
    facts = {"step_s": axis.step_s, "steps": axis.count, "variables": dict(variables)}
    return glance.described(format_, coverage, facts)


def _check_alike(paths: Sequence[Path], header: Header, axis: TimeAxis) -> None:
    """Refuse files of which one has other times or columns than the first."""
    first = _edges(paths[0], header.time)
    for path in paths[1:]:
        edges = _edges(path, header.time)
        if edges is not None and edges == first:
            continue
        # Written otherwise, which need not mean that it says otherwise.
        other = header_of(path)
        if dict(other.units) != dict(header.units):
            raise ForcingError(
                "the forcing files have different columns",
                path=path,
                needed=f"{', '.join(f'{n} [{u}]' for n, u in header.units.items())}, as in {paths[0].name}",
                has=", ".join(f"{n} [{u}]" for n, u in other.units.items()),
                hint="make the headers of all files alike",
            )
        if (times := time_axis(path, other.time)) != axis:
            raise ForcingError(
                "the forcing files have different times",
                path=path,
                needed=f"{axis}, as in {paths[0].name}",
                has=times,
                hint="give all files the same times, or make two datasets of them",
            )


def _edges(path: Path, column: int) -> tuple[bytes, bytes, bytes, bytes] | None:
    """The header and the times of the first two rows and the last, as written; None if in doubt."""
    file = os.open(path, os.O_RDONLY)
    try:
        head = os.read(file, _EDGE_BYTES)
        # A short file has been read whole.
        tail = head if len(head) < _EDGE_BYTES else _last(file)
    finally:
        os.close(file)
    rows, last = head.split(b"\n", 3), tail.rstrip().rpartition(b"\n")[2]
    fields = [row.split(b",") for row in (*rows[1:3], last)]
    if len(rows) < 4 or b'"' in head or any(len(row) <= column for row in fields) or last == tail.rstrip():
        return None
    return rows[0], fields[0][column], fields[1][column], fields[2][column]


def _last(file: int) -> bytes:
    """The last bytes of an open file."""
    os.lseek(file, -min(_EDGE_BYTES, os.fstat(file).st_size), os.SEEK_END)
    return os.read(file, _EDGE_BYTES)


def _twice(path: Path, ids: Sequence[str]) -> ForcingError:
    """The error for a catchment with two rows."""
    seen: set[str] = set()
    double = next(one for one in ids if one in seen or seen.add(one))  # type: ignore[func-returns-value]
    return ForcingError(f"{double} occurs twice in the forcing", path=path, hint="make the file again")


#: Those of forcing.
DETECTORS = (
    Detector(Format.FORCING_NETCDF, _is_netcdf, _describe_netcdf),
    Detector(Format.FORCING_ZARR, _is_zarr, _describe_zarr),
    Detector(Format.FORCING_CSV, _is_csv, _describe_csv),
)
