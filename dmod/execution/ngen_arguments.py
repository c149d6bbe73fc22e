"""The command line of ``ngen``, as its programs have it.

``<catchment_data> <ids|all> <nexus_data> <ids|all> <realization.json> [<partitions.json>
[--subdivided-hydrofabric]]``: what is wrong with it is found before anything is opened,
and in the words and by the rules of ``ngen`` where it has some.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dmod.errors import InputError
from dmod.model.case import Question
from dmod.model.run_directory import RunDirectory

__all__ = ["REFUSED", "USAGE", "Arguments", "question_of_arguments", "read_arguments"]

#: Exit code where the arguments are wrong or name files that cannot be read.
REFUSED = 255
#: What is printed where there are no arguments.
USAGE = """\
Usage:
  ngen <catchment_data> <catchment ids> <nexus_data> <nexus ids> <realization.json>
       [<partitions.json> [--subdivided-hydrofabric]]
  ngen --info

Arguments:
  <catchment_data>, <nexus_data>   GeoPackage (twice the same), or the two files of a GeoJSON pair
  <catchment ids>, <nexus ids>     ids separated by commas, or all
  <realization.json>               what is computed; its paths are relative to the working directory
  <partitions.json>                which rank runs which catchments; needed with more than one rank
  --subdivided-hydrofabric         taken, and of no effect: all ranks read the whole hydrofabric
"""
_SUBDIVIDED = "--subdivided-hydrofabric"
_LEAST = 5


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a run of ngen's program was asked for."""

    #: The GeoPackage, or the GeoJSON file of the catchments.
    catchment_data: Path
    #: Catchments wanted; None for all.
    catchments: tuple[str, ...] | None
    #: The same GeoPackage, or the GeoJSON file of the nexuses.
    nexus_data: Path
    #: The realization.
    realization: Path
    #: The partition file; None where it is not given or, with one rank, not used.
    partitions: Path | None = None


def read_arguments(words: Sequence[str], ranks: int) -> Arguments:
    """Read a command line.

    Parameters
    ----------
    words : sequence of str
        What follows the name of the program.
    ranks : int
        MPI ranks, at least 1. As with ``ngen``, one rank runs all catchments, whatever a partition
        file says.

    Returns
    -------
    Arguments
        Every file in it can be read.

    Raises
    ------
    InputError
        If arguments are missing or unknown, or a file cannot be read.
    """
    if len(words) < _LEAST:
        raise InputError(
            f"Missing required arguments: {len(words)} of {_LEAST} are there",
            needed="<catchment_data> <ids|all> <nexus_data> <ids|all> <realization.json>",
            hint="run it without arguments to see what they are",
        )
    partitions = None
    if ranks > 1:
        if len(words) == _LEAST:
            raise InputError(
                "Missing required argument for partition file path.",
                needed=f"a partition file of {ranks} partitions",
                hint=f"make one with `dmod partition HYDROFABRIC -n {ranks}`",
            )
        if unknown := [word for word in words[_LEAST + 1 :] if word != _SUBDIVIDED]:
            raise InputError(
                f"Unexpected arg '{unknown[0]}'", has=" ".join(words), hint=f"only {_SUBDIVIDED} may follow"
            )
        partitions = _readable(words[_LEAST], "partition file")
    return Arguments(
        _readable(words[0], "catchment data"),
        _ids(words[1]),
        _readable(words[2], "nexus data"),
        _readable(words[4], "realization"),
        partitions,
    )


def _ids(text: str) -> tuple[str, ...] | None:
    """Ids separated by commas; None for all."""
    return None if text in ("all", "") else tuple(word.strip() for word in text.split(",") if word.strip())


def _readable(text: str, what: str) -> Path:
    """A file that can be opened, absolute."""
    path = Path(text)
    try:
        with path.open("rb"):
            pass
    except OSError as problem:
        raise InputError(
            f"the {what} cannot be read",
            file=path,
            reason=problem.strerror or problem,
            working_directory=Path.cwd(),
            hint="paths are relative to the working directory; inside a container it must be mounted",
        ) from None
    return path.absolute()


def question_of_arguments(arguments: Arguments) -> Question:
    """What the pre-flight check is asked for a command line.

    Parameters
    ----------
    arguments : Arguments
        What was asked for.

    Returns
    -------
    Question
        Of the working directory. As in ``ngen``, values whose units do not convert are passed as they are.
    """
    twice = arguments.nexus_data == arguments.catchment_data or arguments.nexus_data.suffix.lower() == ".gpkg"
    directory = RunDirectory(
        root=Path.cwd(),
        hydrofabric=arguments.catchment_data,
        nexus=None if twice else arguments.nexus_data,
        realization=arguments.realization,
        outputs=Path.cwd(),
    )
    return Question(directory, arguments.catchments, units="ngen", every_value=False)
