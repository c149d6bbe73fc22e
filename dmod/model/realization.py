"""A realization.json: which formulation, which weather and which time, for which catchment.

`read_realization` reads one and says everything that is wrong with it at once; a
`Realization` is what it means. Equal formulations are one object, so that catchments can be
grouped by it. Paths stay as written, relative to the run directory. The keys are in
`dmod.model.realization_schema` and `dmod.model.formulation_schema`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmod.errors import RealizationError
from dmod.model.findings import Report

if TYPE_CHECKING:
    from dmod.model.module import ModuleSpec

__all__ = ["ForcingEntry", "Formulation", "OutputSettings", "Realization", "Span", "read_realization"]


@dataclass(frozen=True)
class Formulation:
    """A chain of modules, in the order they run. Equal if all they say is equal."""

    #: One or more modules.
    modules: tuple[ModuleSpec, ...] = field(compare=False)
    #: The variable that becomes flow [m per step].
    main_output: str = field(compare=False)
    #: The columns of the catchment files; empty for all outputs of the last module.
    outputs: tuple[str, ...] = field(default=(), compare=False)
    #: Names of these columns; empty for the names of the variables.
    headers: tuple[str, ...] = field(default=(), compare=False)
    #: Values of the first step for variables that come from a later module.
    defaults: Mapping[str, float] = field(default_factory=dict, compare=False)
    #: Whether the file says ``bmi_multi``.
    is_multi: bool = field(default=False, compare=False)
    #: All of the above in a few letters: equal for equal formulations, the same in every process.
    key: str = field(init=False)

    def __post_init__(self) -> None:
        if not self.modules:
            raise ValueError("a formulation needs at least one module")
        chain = [
            [m.kind, m.title, m.init_config, m.library, m.registration, m.python_type, m.main_output,
             sorted(m.aliases.items()), list(m.params.items())]
            for m in self.modules
        ]  # fmt: skip
        rest = [self.main_output, self.outputs, self.headers, sorted(self.defaults.items()), self.is_multi]
        digest = hashlib.sha256(json.dumps([chain, rest]).encode()).hexdigest()
        object.__setattr__(self, "key", digest[:16])

    def __str__(self) -> str:
        return " + ".join(module.title for module in self.modules)


@dataclass(frozen=True, slots=True)
class ForcingEntry:
    """Where weather comes from, as written in the file."""

    #: File or folder, relative to the run directory; empty for no forcing.
    path: str
    #: ``NetCDF``, ``CsvPerFeature``, ``Zarr`` or ``NullForcingProvider``.
    provider: str = "CsvPerFeature"
    #: Regular expression with ``{{id}}`` for the files of a folder; empty where there is none.
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class OutputSettings:
    """How results are written."""

    #: Folder, relative to the run directory.
    root: str = "./"
    #: Significant digits in catchment files.
    precision: int = 9
    #: Whether catchments are written.
    catchment_enabled: bool = True
    #: ``per_feature`` or ``per_formulation``.
    catchment_grouping: str = "per_feature"
    #: Whether catchments of rank N go to ``rank_N/`` in a run of several ranks.
    catchment_rank_subdir: bool = False
    #: Whether nexuses are written.
    nexus_enabled: bool = True
    #: ``csv`` or ``netcdf``.
    nexus_format: str = "csv"
    #: Whether nexuses of rank N go to ``rank_N/`` in a run of several ranks.
    nexus_rank_subdir: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """The simulated time. The step that starts at `end_s` is the last one."""

    #: Start of the first step, seconds since 1970-01-01T00:00Z.
    start_s: int
    #: Start of the last step, seconds since 1970.
    end_s: int
    #: Length of a step [s].
    interval_s: int

    def __post_init__(self) -> None:
        if self.interval_s <= 0 or self.end_s < self.start_s:
            raise ValueError(f"a span needs start <= end and an interval above 0, got {astuple(self)}")

    @property
    def steps(self) -> int:
        """How many steps there are, at least 1."""
        return (self.end_s - self.start_s) // self.interval_s + 1

    def __str__(self) -> str:
        first, last = (datetime.fromtimestamp(s, tz=UTC) for s in (self.start_s, self.end_s))
        shown = f"{first:%Y-%m-%dT%H:%MZ} .. {last:%Y-%m-%dT%H:%MZ}"
        return f"{shown}, every {self.interval_s} s, {self.steps} steps"


@dataclass(frozen=True)
class Realization:
    """What a realization.json means."""

    #: The file.
    path: Path
    #: The simulated time.
    span: Span
    #: How results are written.
    output: OutputSettings
    #: The t-route configuration as written; None where nothing is routed.
    routing_config: str | None
    #: What holds for catchments without a formulation of their own; None where there is none.
    default_formulation: Formulation | None
    #: What holds for catchments without a forcing of their own; None where there is none.
    default_forcing: ForcingEntry | None
    #: Catchments under ``catchments``, in the order of the file; they need not exist.
    overridden: tuple[str, ...] = ()
    #: Formulations of some of these.
    own_formulations: Mapping[str, Formulation] = field(default_factory=dict, repr=False)
    #: Forcings of some of these.
    own_forcings: Mapping[str, ForcingEntry] = field(default_factory=dict, repr=False)
    #: Whether the file's time could be read; `span` is a stand-in otherwise, so that checks can go on.
    timed: bool = True
    #: The file as it was, with the first of equal keys.
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def start_s(self) -> int:
        """Start of the first step, seconds since 1970."""
        return self.span.start_s

    @property
    def end_s(self) -> int:
        """Start of the last step, seconds since 1970."""
        return self.span.end_s

    @property
    def interval_s(self) -> int:
        """Length of a step [s]."""
        return self.span.interval_s

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return self.span.steps

    def formulation(self, cat_id: str) -> Formulation:
        """What is computed for a catchment.

        Parameters
        ----------
        cat_id : str
            Such as ``cat-27``.

        Returns
        -------
        Formulation
            Its own, or that of ``global``; the same object for equal ones.

        Raises
        ------
        RealizationError
            If there is neither.
        """
        found = self.own_formulations.get(cat_id, self.default_formulation)
        if found is None:
            raise self._nothing("formulation", "formulations", cat_id)
        return found

    def forcing(self, cat_id: str) -> ForcingEntry:
        """Where the weather of a catchment comes from.

        Parameters
        ----------
        cat_id : str
            Such as ``cat-27``.

        Returns
        -------
        ForcingEntry
            Its own, or that of ``global``.

        Raises
        ------
        RealizationError
            If there is neither.
        """
        found = self.own_forcings.get(cat_id, self.default_forcing)
        if found is None:
            raise self._nothing("forcing", "forcing", cat_id)
        return found

    def _nothing(self, what: str, key: str, cat_id: str) -> RealizationError:
        """The error for a catchment that the file forgot."""
        return RealizationError(
            f"the realization has no {what} for {cat_id}",
            file=self.path,
            looked_for=f"catchments.{cat_id}.{key}, then global.{key}",
            hint=f"add {key} under global",
        )


def read_realization(path: Path) -> tuple[Realization | None, Report]:
    """Read a realization.json and say everything that is wrong with it.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    realization : Realization or None
        What it means; None where too much is wrong to say. It may be there although the
        report has errors, so that other checks can go on.
    report : Report
        All findings, each with the JSON path and what to do.

    Examples
    --------
    >>> realization, report = read_realization(Path("no-such-realization.json"))
    >>> print(report)
    error: cannot be read: No such file or directory
      in   no-such-realization.json
      ->   correct the path
    1 error
    """
    from dmod.model.realization_reading import read

    return read(path)
