"""What can be wrong with a river network, said before a run trips over it.

Each finding names the ids it is about. Pure: tables and a network in, findings out;
nothing is mended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dmod.domain.network import Network

__all__ = ["Problem", "Severity", "find_problems"]

Severity = Literal["error", "warning", "info"]

_RANK = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or worth knowing."""

    #: ``error`` if a run cannot be right, ``warning`` if it may not be, ``info`` if it is legal but rare.
    severity: Severity
    #: What is wrong, in one line, with the first few ids.
    message: str
    #: Every id it is about.
    ids: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.severity}: {self.message}"


def find_problems(catchments: pd.DataFrame, nexuses: pd.DataFrame, network: Network) -> list[Problem]:
    """Everything that is wrong with a network, the worst first.

    Parameters
    ----------
    catchments, nexuses : DataFrame
        The tables of a `Hydrofabric`.
    network : Network
        Made of them.

    Returns
    -------
    list of Problem
        Empty if all is well.
    """
    draining = catchments["toid"].notna().to_numpy()
    with_channel = catchments["flowpath_id"].notna().to_numpy()
    # GeoJSON and some old files know no flowpaths at all: then nothing is missing.
    no_channel = draining & ~with_channel & with_channel.any()
    area = network.area_km2
    circle = network.cycle() or []
    dry = np.bincount(network.nexus_of[network.nexus_of >= 0], minlength=len(network.nexuses)) == 0
    found = [
        _problem("error", "several catchments have one id", _repeated(catchments.index)),
        _problem("error", "several nexuses have one id", _repeated(nexuses.index)),
        _problem(
            "error",
            "catchments drain to a nexus that the hydrofabric lacks",
            _of(network.catchments, draining & (network.nexus_of < 0)),
        ),
        _problem(
            "error",
            "nexuses flow into more than one catchment, which violates the dendritic network",
            _forking(catchments, nexuses),
        ),
        _problem("error", "catchments flow in a circle", circle),
        _problem("error", "catchments have no area", _of(network.catchments, np.isnan(area))),
        _problem("error", "catchments have an area of zero or less", _of(network.catchments, area <= 0)),
        _problem(
            "warning",
            "catchments drain to no nexus, so their water is lost",
            _of(network.catchments, ~draining),
        ),
        _problem(
            "warning",
            "catchments have no flowpath, so routing leaves them out",
            _of(network.catchments, no_channel),
        ),
        _problem("info", "nexuses have no contributing catchment", _of(network.nexuses, dry)),
    ]
    return sorted((p for p in found if p is not None), key=lambda p: _RANK[p.severity])


def _problem(severity: Severity, what: str, ids: Iterable[str]) -> Problem | None:
    """A problem about these ids; None if there are none."""
    names = tuple(ids)
    if not names:
        return None
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return Problem(severity, f"{what}: {', '.join(names[:3])}{more}", names)


def _of(names: Sequence[str], which: NDArray[np.bool_]) -> list[str]:
    """The names that are marked."""
    return [names[place] for place in np.flatnonzero(which).tolist()]


def _repeated(ids: pd.Index) -> list[str]:
    """Ids that stand more than once, each once."""
    return [str(name) for name in ids[ids.duplicated()].unique()]


def _forking(catchments: pd.DataFrame, nexuses: pd.DataFrame) -> list[str]:
    """Nexuses listed with several receivers, or whose receiving flowpath belongs to several catchments."""
    receivers = nexuses["toid"].dropna().groupby(level=0, sort=False).nunique()
    flowpaths = catchments["flowpath_id"].dropna()
    shared = flowpaths[flowpaths.duplicated()].unique()
    into_shared = nexuses.index[nexuses["toid"].isin(shared)]
    return list(dict.fromkeys([*receivers.index[receivers > 1], *into_shared]))
