"""A case: the parts of a run, read, joined and found to fit.

What the pre-flight check makes of files, and what a plan is made of. Frozen values over
arrays; nothing here opens a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from dmod.domain.domain import Domain
    from dmod.formats.forcing import ForcingRef
    from dmod.model.configs import Parameters
    from dmod.model.coupling import Chain, Column, UnitsPolicy
    from dmod.model.realization import Realization
    from dmod.model.run_directory import RunDirectory

__all__ = ["Case", "CaseGroup", "Outline", "Question"]


@dataclass(frozen=True)
class Question:
    """What the pre-flight check is asked about."""

    #: Where the parts are.
    directory: RunDirectory
    #: Catchments wanted; None for all.
    catchments: Sequence[str] | None = None
    #: First instant, and start of the last step [s since 1970]; None for the realization's own.
    start_s: int | None = None
    end_s: int | None = None
    #: Forcing to use in place of the realization's.
    forcing: Path | None = None
    #: What to do where units do not convert.
    units: UnitsPolicy = "strict"
    #: Look at every value of the forcing, or only at a sample where it is large.
    every_value: bool = True


@dataclass(frozen=True)
class Outline:
    """What of a run is known without its modules: enough for an engine that checks those itself."""

    #: Where it came from.
    directory: RunDirectory
    #: The catchments and their network.
    domain: Domain
    #: The realization.
    realization: Realization
    #: First instant [s since 1970].
    start_s: int
    #: Steps of one hour.
    steps: int

    @property
    def catchment_steps(self) -> int:
        """Catchments times steps."""
        return len(self.domain.network) * self.steps


@dataclass(frozen=True)
class CaseGroup:
    """Catchments that share a chain of modules and a forcing."""

    #: The formulation, resolved.
    chain: Chain
    #: For each stage the values of its configuration, shape (catchments, ...).
    parameters: tuple[Parameters, ...]
    #: Index into the case's `sources`.
    source: int
    #: Places of the catchments in the domain, ascending.
    places: NDArray[np.intp]


@dataclass(frozen=True)
class Case:
    """All that a run needs, checked."""

    #: Where it came from.
    directory: RunDirectory
    #: The catchments and their network.
    domain: Domain
    #: The realization.
    realization: Realization
    #: Catchments by formulation and forcing.
    groups: tuple[CaseGroup, ...]
    #: Forcing files.
    sources: tuple[ForcingRef, ...]
    #: First instant [s since 1970].
    start_s: int
    #: Steps of one hour.
    steps: int
    #: Output variables of catchments, in order, each name once.
    columns: tuple[Column, ...]
    #: How many neighbouring rows of forcing are cheapest to read together; 0 for all at once.
    row_chunk: int = 1
    #: Digests of the modules' configuration files.
    config_digests: tuple[str, ...] = ()
    #: Where those files are.
    config_files: tuple[str, ...] = ()

    @property
    def catchment_steps(self) -> int:
        """Catchments times steps."""
        return len(self.domain.network) * self.steps
