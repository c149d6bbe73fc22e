"""The keys of a realization.json outside its formulations, as ngen knows them, in pydantic.

The formulations, and how ngen takes scalars and "nothing", are in `dmod.model.formulation_schema`.
Nothing is read from disk here; `dmod.model.realization` makes values and findings of all this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from dmod.model.formulation_schema import (
    Formulations,
    Keys,
    Remark,
    Text,
    none_is_empty_list,
    none_is_empty_object,
)

__all__ = [
    "EntryKeys",
    "ForcingKeys",
    "GlobalKeys",
    "LayerKeys",
    "OutputDomainKeys",
    "OutputKeys",
    "RealizationKeys",
    "RoutingKeys",
    "TimeKeys",
]

_TIME = re.compile(r"\d{4}-\d{2}-\d{2} \d{1,2}:\d{2}:\d{2}")


def _instant(value: Any) -> int:
    """``2015-12-01 00:00:00`` as seconds since 1970; the hour may have one digit."""
    text = str(value)
    if _TIME.fullmatch(text):
        try:
            return int(datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp())
        except ValueError:
            pass
    try:
        meant = datetime.fromisoformat(text)
    except ValueError:
        example = "2015-12-01 00:00:00"
    else:
        example = f"{meant.astimezone(UTC) if meant.tzinfo else meant:%Y-%m-%d %H:%M:%S}"
    raise PydanticCustomError(
        "bad-time",
        "{text} is not a time; ngen does not notice and runs some other span",
        {"text": repr(value), "remedy": f'write it in UTC as "{example}"'},
    )


Instant = Annotated[int, BeforeValidator(_instant)]


class ForcingKeys(Keys):
    """Where weather comes from."""

    path: Text = ""
    provider: Text = ""
    file_pattern: Text = ""
    enable_cache: Any = None

    def remarks(self) -> Iterator[Remark]:
        """A provider, path or pattern that cannot work."""
        known = ("CsvPerFeature", "NetCDF", "Zarr", "NullForcingProvider")
        if self.provider and self.provider not in known:
            message = f"there is no forcing provider {self.provider!r}"
            yield Remark("provider", "error", "unknown-provider", message, f"use one of {', '.join(known)}")
        if self.provider == "Zarr":
            message = "forcing in a Zarr store is read by dmod only, not by ngen"
            yield Remark("provider", "note", "dmod-only", message, "make it NetCDF, if ngen shall read it too")
        if not self.path and self.provider != "NullForcingProvider":
            message = "the required key 'path' is missing"
            yield Remark("path", "error", "missing-key", message, "name the file or folder of the forcing")
        try:
            re.compile(self.file_pattern.replace("{{id}}", "cat-1", 1))
        except re.error as problem:
            message = f"file_pattern is not a regular expression: {problem}"
            yield Remark("file_pattern", "error", "bad-pattern", message, 'write it like ".*{{id}}.*csv"')
        if self.enable_cache is not None:
            message = "enable_cache is read by the CIROH build of ngen only"
            yield Remark("enable_cache", "note", "ngen-only", message)


class GlobalKeys(Keys):
    """What holds for every catchment without an entry of its own."""

    formulations: Formulations = Field(default_factory=list)
    forcing: ForcingKeys | None = None

    def remarks(self) -> Iterator[Remark]:
        """A pattern that finds the same file for all."""
        forcing = self.forcing
        if forcing is None or forcing.provider not in ("", "CsvPerFeature"):
            return
        if forcing.file_pattern and "{{id}}" not in forcing.file_pattern:
            message = "file_pattern has no {{id}}, so every catchment gets the same file"
            remedy = 'write {{id}} where names have the catchment, in small letters: ".*{{id}}.*.csv"'
            yield Remark("forcing.file_pattern", "warning", "pattern-without-id", message, remedy)


class EntryKeys(Keys):
    """What holds for one catchment."""

    formulations: Formulations = Field(default_factory=list)
    #: Read by itself: many catchments share a formulation and differ in this.
    forcing: Any = None


class TimeKeys(Keys):
    """The simulated time; ``end_time`` is the start of the last step."""

    start_time: Instant
    end_time: Instant
    output_interval: int = Field(gt=0)

    def remarks(self) -> Iterator[Remark]:
        """Intervals that give other flows, or another end, than meant."""
        if self.output_interval != 3600:
            message = f"output_interval is {self.output_interval} s; ngen makes flow of depth as for 3600 s"
            remedy = "set output_interval to 3600"
            yield Remark("output_interval", "warning", "interval-not-hourly", message, remedy)
        if (self.end_time - self.start_time) % self.output_interval:
            message = "end_time is not a whole number of intervals after start_time; the run ends before it"
            remedy = "choose an end_time that is the start of a step"
            yield Remark("end_time", "warning", "span-not-whole", message, remedy)


class OutputDomainKeys(Keys):
    """How the results of catchments, or of nexuses, are written."""

    enable: bool = True
    format: Literal["csv", "netcdf"] = "csv"
    grouping: Literal["per_feature", "per_formulation"] = "per_feature"
    rank_subdir: bool = False


_OutputDomain = Annotated[OutputDomainKeys, BeforeValidator(none_is_empty_object)]


class OutputKeys(Keys):
    """The block ``output``."""

    root: Text = ""
    precision: int = Field(default=9, ge=1)
    catchment: _OutputDomain = OutputDomainKeys()
    nexus: _OutputDomain = OutputDomainKeys()

    def remarks(self) -> Iterator[Remark]:
        """Forms of output that ngen does not write."""
        if self.catchment.format == "netcdf":
            message = "the results of catchments are written as csv only"
            yield Remark("catchment.format", "error", "no-such-output", message, 'set it to "csv"')
        if self.nexus.grouping == "per_formulation" and self.nexus.format == "csv":
            message = "grouping per_formulation is for the csv files of catchments only"
            remedy = 'set nexus.format to "netcdf"'
            yield Remark("nexus.grouping", "warning", "no-such-output", message, remedy)


class RoutingKeys(Keys):
    """Which t-route configuration to run afterwards."""

    t_route_config_file_with_path: Text
    t_route_connection_path: Text = ""


class LayerKeys(Keys):
    """One of ``layers``."""

    id: int
    name: Text
    time_step: float = 3600.0
    time_step_units: Text = "s"
    domain: Text = ""
    formulations: Annotated[list[Any], BeforeValidator(none_is_empty_list)] = Field(default_factory=list)

    @property
    def is_default(self) -> bool:
        """Whether it only says what holds without it."""
        surface = self.id == 0 and self.time_step == 3600.0 and self.time_step_units == "s"
        return surface and not self.formulations


class RealizationKeys(Keys):
    """The whole file, but for what stands below ``catchments``: that is read entry by entry."""

    everywhere: Annotated[GlobalKeys, BeforeValidator(none_is_empty_object)] = Field(
        default=GlobalKeys(), alias="global"
    )
    time: TimeKeys
    catchments: Annotated[dict[str, Any], BeforeValidator(none_is_empty_object)] = Field(default_factory=dict)
    routing: RoutingKeys | None = None
    layers: Annotated[list[LayerKeys], BeforeValidator(none_is_empty_list)] = Field(default_factory=list)
    output: Annotated[OutputKeys | None, BeforeValidator(none_is_empty_object)] = None
    output_root: Text | None = None
    disable_catchment_output: bool | None = None
    per_formulation_nexus_files: bool | None = None
