"""Which files ngen left in a directory, known by their names; none is opened here.

ngen writes one CSV file per feature (``cat-27.csv``, ``nex-26_output.csv``), or one per
run or MPI rank with all catchments (``cat_output.csv``, ``cat_rank_0.csv``), and nexus
flow also as NetCDF (``formulation_default_nexuses.nc``); all of it possibly below
``rank_N/``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dmod.errors import OutputError
from dmod.formats.output_variables import by_number

__all__ = ["CATCHMENT_FILE", "NEXUS_FILE", "TOGETHER_FILE", "NgenFiles", "find_ngen"]

#: File names; the first group is the feature's id.
CATCHMENT_FILE = re.compile(r"(cat-\d+)\.csv")
NEXUS_FILE = re.compile(r"((?:nex|[a-z]nx)-\d+)_output\.csv")
#: Names of files with many catchments each.
TOGETHER_FILE = re.compile(r"cat_(?:output|rank_\d+)\.csv")

_NEXUS_NETCDF = re.compile(r"formulation_.*_nexuses\.nc")
_RANK_FOLDER = re.compile(r"rank_\d+")


@dataclass(frozen=True, slots=True)
class NgenFiles:
    """What ngen left in one directory and the rank directories below it."""

    #: Catchment id to its own file, by number.
    catchments: Mapping[str, Path]
    #: Nexus id to its own file, by number.
    nexuses: Mapping[str, Path]
    #: Files with many catchments each.
    together: tuple[Path, ...]
    #: NetCDF files of nexus flow.
    nexus_netcdf: tuple[Path, ...]

    def __bool__(self) -> bool:
        return bool(self.catchments or self.nexuses or self.together or self.nexus_netcdf)


def find_ngen(directory: Path) -> NgenFiles:
    """The files of ngen in *directory*, by their names; none is opened.

    Raises
    ------
    OutputError
        If one feature has two files, so that it is unclear which run is meant.
    """
    catchments: dict[str, Path] = {}
    nexuses: dict[str, Path] = {}
    together, netcdf = [], []
    with os.scandir(directory) as entries:
        ranks = [one.name for one in entries if _RANK_FOLDER.fullmatch(one.name) and one.is_dir()]
    for folder in (directory, *(directory / name for name in sorted(ranks, key=by_number))):
        for path in sorted(folder.iterdir()):
            name = path.name
            if found := CATCHMENT_FILE.fullmatch(name):
                _put(catchments, found[1], path)
            elif found := NEXUS_FILE.fullmatch(name):
                _put(nexuses, found[1], path)
            elif TOGETHER_FILE.fullmatch(name):
                together.append(path)
            elif _NEXUS_NETCDF.fullmatch(name):
                netcdf.append(path)
    return NgenFiles(
        {key: catchments[key] for key in sorted(catchments, key=by_number)},
        {key: nexuses[key] for key in sorted(nexuses, key=by_number)},
        tuple(together),
        tuple(netcdf),
    )


def _put(files: dict[str, Path], feature_id: str, path: Path) -> None:
    """Add a feature's file, of which there may be one."""
    if feature_id in files:
        raise OutputError(
            f"{feature_id} has two files",
            first=files[feature_id],
            second=path,
            hint="keep the outputs of one run in a directory of their own",
        )
    files[feature_id] = path
