"""What a file or directory is: its format, what it holds, and what else can be told of it.

`describe` tells by content, never by name alone, and refuses what it does not know. The
formats that are known stand in `detectors`; others come as `Detector` values under the
entry points of ``dmod.formats``. Nothing is written or kept.
"""

from __future__ import annotations

import logging
from pathlib import Path

from dmod.data.coverage import ALL, Coverage
from dmod.data.kinds import Format
from dmod.errors import DatasetError
from dmod.formats import (
    describe_configs,
    describe_evaluations,
    describe_fabric,
    describe_forcing,
    describe_observations,
    describe_outputs,
)
from dmod.formats.describe_glance import Description, Detector, Glance
from dmod.plugins import load

__all__ = ["Description", "Detector", "Glance", "describe", "detectors"]

log = logging.getLogger("dmod.formats")

#: Those that come with dmod, the more telling first.
_OWN: tuple[Detector, ...] = (
    *describe_fabric.DETECTORS,
    *describe_evaluations.DETECTORS,
    *describe_outputs.DETECTORS,
    *describe_forcing.DETECTORS,
    *describe_configs.DETECTORS,
    *describe_observations.DETECTORS,
)


def detectors() -> tuple[Detector, ...]:
    """All that tell formats apart, in the order in which they are asked.

    Returns
    -------
    tuple of Detector
        Ours, then those of plug-ins by name; what is there and is no `Detector` is left out.
    """
    found = load("dmod.formats").found
    for name, plug_in in found.items():
        if not isinstance(plug_in, Detector):
            log.warning("plug-in %s of dmod.formats is no Detector, and left out", name)
    return (*_OWN, *(plug_in for plug_in in found.values() if isinstance(plug_in, Detector)))


def describe(path: str | Path, *, format: Format | str | None = None) -> Description:  # noqa: A002 - the field's word
    """Say what a file or directory is.

    Parameters
    ----------
    path : path
        A file, or a directory.
    format : Format or str, optional
        What it is to be; found out if not given. ``generic`` takes anything, and tells nothing of it.

    Returns
    -------
    Description
        Category, format, coverage, facts, and the files that belong to it.

    Raises
    ------
    DatasetError
        If there is nothing, or nobody knows it, or it is not of *format*.
    InputError
        If it is of a known format and damaged, unfinished or contradicts itself.
    """
    glance = Glance(Path(path).expanduser())
    if format is not None and _wanted(format) is Format.GENERIC:
        return glance.described(Format.GENERIC, Coverage(ALL, ALL, ALL), {})
    asked = [one for one in detectors() if format is None or one.format is _wanted(format)]
    found = next((one for one in asked if one.sniff(glance)), None)
    if found is not None:
        return found.describe(glance)
    if format is not None:
        raise DatasetError(
            f"this is not {_wanted(format).docs}",
            path=glance.path,
            needed=format,
            has=glance.seen(),
            hint="leave the format out to have it found",
        )
    raise DatasetError(
        "nobody knows what this is",
        path=glance.path,
        has=glance.seen(),
        known=", ".join(dict.fromkeys(str(one.format) for one in asked)),
        hint="add it with the format 'generic' to keep it as it is",
    )


def _wanted(format_: Format | str) -> Format:
    """A format by its name."""
    try:
        return Format(format_)
    except ValueError:
        raise DatasetError(
            f"there is no format {str(format_)!r}", known=", ".join(Format), hint="take one of these"
        ) from None
