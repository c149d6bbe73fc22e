"""From the text of a realization to its value and its findings.

Each section is read even if another one is broken. Formulations of catchments are read once
for equal content: with ``cat-27`` written out in the ``init_config`` of cat-27 taken as
``{{id}}``, ten thousand entries are often one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from dmod.model.findings import Finding, Report, Severity
from dmod.model.formulation_schema import LibraryEntry, MultiEntry, PythonEntry
from dmod.model.module import ModuleSpec
from dmod.model.realization import ForcingEntry, Formulation, OutputSettings, Realization, Span
from dmod.model.realization_findings import broken, salvage, survey
from dmod.model.realization_schema import EntryKeys, ForcingKeys, RealizationKeys
from dmod.model.realization_text import load

__all__ = ["formulation_of", "read"]

_Kind = Literal["entry", "forcing"]
_Section = Literal["formulations", "forcing"]

_STAND_IN = {"start_time": "1970-01-01 00:00:00", "end_time": "1970-01-01 00:00:00", "output_interval": 3600}
_LEGACY = ("output_root", "disable_catchment_output", "per_formulation_nexus_files")
_ID = re.compile(r"(?<![A-Za-z0-9-])[A-Za-z]+-[0-9]+")
_INIT_CONFIG = re.compile(r'("init_config": ")((?:[^"\\]|\\.)*)')


def read(path: Path) -> tuple[Realization | None, Report]:
    """See `dmod.model.realization.read_realization`."""
    data, findings = load(path)
    if data is None:
        return None, Report(tuple(findings))
    file = str(path)
    keys: RealizationKeys | None
    try:
        keys = RealizationKeys.model_validate(data)
        timed = keys.time.end_time >= keys.time.start_time
    except ValidationError as error:
        keys, timed = _untimed(data, error), False
        findings += broken(error, file)
        findings += salvage(RealizationKeys, data, file) if keys is None else []
    listed = data.get("catchments") or {}
    own = _Own(file)
    if isinstance(listed, dict):
        own.read(listed)
    first = data.get("global")
    if isinstance(first, dict):
        findings += _unused(first, file, "global.")
    if keys is None:
        return None, Report((*findings, *own.findings))
    findings += survey(keys, file)
    findings += _contradictions(keys, data, file)
    findings += _uncovered(keys, own, file)
    time = keys.time
    if own.is_broken:
        return None, Report((*findings, *own.findings))
    everywhere = keys.everywhere
    first_one = next(iter(everywhere.formulations), None)
    realization = Realization(
        path=path,
        span=Span(time.start_time, time.end_time if timed else time.start_time, time.output_interval),
        timed=timed,
        output=_output(keys),
        routing_config=keys.routing.t_route_config_file_with_path if keys.routing else None,
        default_formulation=own.shared(formulation_of(first_one)) if first_one else None,
        default_forcing=_forcing(everywhere.forcing) if everywhere.forcing else None,
        overridden=tuple(listed),
        own_formulations=own.formulations,
        own_forcings=own.forcings,
        raw=data,
    )
    return realization, Report((*findings, *own.findings))


def _untimed(data: Mapping[str, Any], error: ValidationError) -> RealizationKeys | None:
    """The keys with a stand-in for the time, where the time is all that is wrong."""
    if {problem["loc"][:1] for problem in error.errors()} != {("time",)}:
        return None
    return RealizationKeys.model_validate({**data, "time": _STAND_IN})


@dataclass
class _Own:
    """What stands below ``catchments``, as far as it has been read."""

    file: str
    formulations: dict[str, Formulation] = field(default_factory=dict)
    forcings: dict[str, ForcingEntry] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    #: Entries without formulations, and without forcing.
    bare: dict[_Section, list[str]] = field(default_factory=lambda: {"formulations": [], "forcing": []})
    is_broken: bool = False
    _seen: dict[str, tuple[Any, list[Finding]]] = field(default_factory=dict)
    _known: dict[Formulation, Formulation] = field(default_factory=dict)

    def read(self, listed: Mapping[str, Any]) -> None:
        """Read all entries."""
        for cat_id, entry in listed.items():
            if not isinstance(entry, dict):
                message = "the entry of a catchment must be an object in braces"
                where = f"catchments.{cat_id}"
                self.findings.append(Finding("error", "bad-value", message, self.file, where, (cat_id,)))
                self.is_broken = True
                continue
            weather = entry.get("forcing")
            rest = {key: value for key, value in entry.items() if key != "forcing"}
            found = self._once("entry", cat_id, _with_id(cat_id, json.dumps(rest)), ())
            if found is not None:
                self.formulations[cat_id] = found
            elif not entry.get("formulations"):
                self.bare["formulations"].append(cat_id)
            if weather:
                place = self._once("forcing", cat_id, json.dumps(weather), ("forcing",))
                if place is not None:
                    self.forcings[cat_id] = place
            else:
                self.bare["forcing"].append(cat_id)

    def shared(self, formulation: Formulation) -> Formulation:
        """The first formulation that is equal to this one."""
        return self._known.setdefault(formulation, formulation)

    def _once(self, kind: _Kind, cat_id: str, content: str, parts: tuple[str, ...]) -> Any:
        """What *content* means, read the first time it is met, with findings for each catchment."""
        if content not in self._seen:
            self._seen[content] = self._read_one(kind, json.loads(content), parts)
        value, found = self._seen[content]
        if found:
            self.is_broken = self.is_broken or (value is None and any(f.severity == "error" for f in found))
            self.findings += [replace(f, key=f"catchments.{cat_id}.{f.key}", ids=(cat_id,)) for f in found]
        return value

    def _read_one(
        self, kind: _Kind, data: Any, parts: tuple[str, ...]
    ) -> tuple[Formulation | ForcingEntry | None, list[Finding]]:
        """A formulation or a forcing, and findings with keys below the catchment."""
        try:
            if kind == "forcing":
                weather = ForcingKeys.model_validate(data)
                return _forcing(weather), list(survey(weather, self.file, parts))
            entry = EntryKeys.model_validate(data)
        except ValidationError as error:
            shape = ForcingKeys if kind == "forcing" else EntryKeys
            return None, [*broken(error, self.file, parts), *salvage(shape, data, self.file, parts)]
        findings = [*_unused(data, self.file, ""), *survey(entry, self.file, parts)]
        made = self.shared(formulation_of(entry.formulations[0])) if entry.formulations else None
        return made, findings


def _with_id(cat_id: str, content: str) -> str:
    """*content* with ``{{id}}`` where an init_config has the catchment's own id, once."""
    if cat_id not in content:
        return content

    def generic(found: re.Match[str]) -> str:
        head, text = found[1], found[2]
        once = "{{id}}" not in text and _ID.findall(text).count(cat_id) == 1
        return head + (_ID.sub(lambda m: "{{id}}" if m[0] == cat_id else m[0], text) if once else text)

    return _INIT_CONFIG.sub(generic, content)


def formulation_of(entry: LibraryEntry | PythonEntry | MultiEntry) -> Formulation:
    """The value of an entry of ``formulations``."""
    params = entry.params
    if isinstance(entry, MultiEntry):
        inner: list[LibraryEntry | PythonEntry] = entry.params.modules
        defaults = {default.name: default.value for default in entry.params.default_output_values}
    else:
        inner, defaults = [entry], {}
    outputs, headers = tuple(params.output_variables), tuple(params.output_header_fields)
    return Formulation(
        modules=tuple(_module(module) for module in inner),
        main_output=params.main_output_variable,
        outputs=outputs,
        headers=headers if not outputs or len(headers) == len(outputs) else (),
        defaults=defaults,
        is_multi=isinstance(entry, MultiEntry),
    )


def _module(entry: LibraryEntry | PythonEntry) -> ModuleSpec:
    """The value of one module."""
    params = entry.params
    own = {
        name: {**value, "from": value.get("from", name)} if isinstance(value, dict) else value
        for name, value in params.model_params.items()
    }
    return ModuleSpec(
        kind=entry.name,
        title=params.model_type_name,
        init_config=params.init_config,
        library=re.split(r"[/\\]", params.library_file)[-1],
        registration="" if params.registration_function == "none" else params.registration_function,
        python_type=params.python_type,
        aliases=dict(params.variables_names_map),
        params=own,
        main_output=params.main_output_variable,
    )


def _forcing(keys: ForcingKeys) -> ForcingEntry:
    """The value of a forcing block."""
    return ForcingEntry(keys.path, keys.provider or "CsvPerFeature", keys.file_pattern)


def _output(keys: RealizationKeys) -> OutputSettings:
    """The block ``output``, or the old keys where there is none."""
    block = keys.output
    if block is None:
        return OutputSettings(
            root=keys.output_root or "./",
            catchment_enabled=not keys.disable_catchment_output,
            nexus_format="netcdf" if keys.per_formulation_nexus_files else "csv",
        )
    return OutputSettings(
        root=block.root or "./",
        precision=block.precision,
        catchment_enabled=block.catchment.enable,
        catchment_grouping=block.catchment.grouping,
        catchment_rank_subdir=block.catchment.rank_subdir,
        nexus_enabled=block.nexus.enable,
        nexus_format=block.nexus.format,
        nexus_rank_subdir=block.nexus.rank_subdir,
    )


def _unused(section: Mapping[str, Any], file: str, prefix: str) -> list[Finding]:
    """A remark on a list of formulations of which only the first counts."""
    listed = section.get("formulations")
    if not isinstance(listed, list) or len(listed) < 2:
        return []
    message = f"{len(listed)} formulations are listed, but only the first is used"
    remedy = "delete the others, or couple modules in one bmi_multi"
    where = f"{prefix}formulations[1]"
    return [Finding("warning", "unused-formulation", message, file, where, remedy=remedy)]


def _contradictions(keys: RealizationKeys, data: Mapping[str, Any], file: str) -> Iterator[Finding]:
    """What two sections say against each other, and what cannot be run."""
    if keys.time.end_time < keys.time.start_time:
        message, remedy = "end_time is before start_time", "exchange them or correct one"
        yield Finding("error", "end-before-start", message, file, "time.end_time", remedy=remedy)
    if keys.layers and not (len(keys.layers) == 1 and keys.layers[0].is_default):
        message = "only the default layer can be run: id 0, 3600 s, no formulations of its own"
        remedy = "delete layers, or run it with ngen itself"
        yield Finding("error", "layers", message, file, "layers", remedy=remedy)
    for name in _LEGACY:
        if keys.output is not None and name in data:
            message = f"{name} is ignored because there is a block output"
            remedy = "move it into output and delete it here"
            yield Finding("warning", "unused-key", message, file, name, remedy=remedy)
    output = _output(keys)
    if keys.routing is not None and not output.nexus_enabled:
        message = "routing reads the nexus files, but these are switched off"
        remedy = "switch them on, or delete the block routing"
        yield Finding("error", "routing-without-nexuses", message, file, "output.nexus.enable", remedy=remedy)
    if keys.catchments and output.nexus_format == "netcdf":
        where = "output.nexus.format" if keys.output else "per_formulation_nexus_files"
        message = "ngen refuses nexus files in netcdf together with a section catchments"
        remedy = "write them as csv, or delete the section catchments"
        yield Finding("error", "netcdf-with-catchments", message, file, where, remedy=remedy)


def _uncovered(keys: RealizationKeys, own: _Own, file: str) -> Iterator[Finding]:
    """Catchments, listed or not, that get no formulation or no forcing, or only that of global."""
    sections: dict[_Section, bool] = {
        "formulations": bool(keys.everywhere.formulations),
        "forcing": keys.everywhere.forcing is not None,
    }
    severity: Severity
    for key, there in sections.items():
        if there:
            severity, code = "warning", f"no-own-{key}"
            message = f"has no {key} of its own: that of global is used here, but ngen stops"
            remedy = f"repeat {key} of global in this entry, if ngen shall read the file too"
        else:
            severity, code = "error", f"no-{key}"
            message = f"has no {key}, and global has none either"
            remedy = "add it here or under global"
            if keys.catchments:
                yield Finding(
                    "warning", f"no-global-{key}", f"there is no {key} for catchments that are not listed",
                    file, "global", remedy=f"add {key} under global",
                )  # fmt: skip
            else:
                yield Finding("error", code, f"there is no {key}", file, "global", remedy=f"add {key} under global")
        for cat_id in own.bare[key]:
            yield Finding(severity, code, message, file, f"catchments.{cat_id}", (cat_id,), remedy)
