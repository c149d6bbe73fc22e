"""The pre-flight check of formulations: modules, their configuration files, parameters, links.

Catchments that differ in values only share a chain: their configurations become arrays.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dmod.errors import DmodError
from dmod.model.config_batch import read_many
from dmod.model.configs import ConfigSchema
from dmod.model.coupling import Chain, UnitsPolicy, couple
from dmod.model.findings import Finding, Report
from dmod.model.module import Description, ModuleSpec, ModuleType, find

if TYPE_CHECKING:
    from dmod.domain.domain import Domain
    from dmod.model.realization import Formulation
    from dmod.model.run_directory import RunDirectory

__all__ = ["Setting", "examine_formulation"]

#: What is written instead of a file where a module needs none.
_NO_CONFIG = frozenset({"", "/dev/null", "none", "None"})


@dataclass
class Setting:
    """What the check of a formulation works with; configuration files are read once each."""

    #: Where the parts are.
    directory: RunDirectory
    #: The domain, for ids and hydrofabric columns.
    domain: Domain
    #: Module types by name.
    modules: Mapping[str, ModuleType]
    #: What to do where units do not convert.
    units: UnitsPolicy
    #: Digests of the configuration files read, module by module.
    digests: list[str] = field(default_factory=list)
    #: Where those files are.
    files: list[str] = field(default_factory=list)
    #: Folders as written, to where they are.
    folders: dict[str, str] = field(default_factory=dict)

    def path(self, init_config: str, name: str) -> str:
        """Where the configuration file of a catchment is; a folder is looked up once."""
        folder, _, file = init_config.rpartition("/")
        if "{{id}}" in folder or not folder:
            return str(self.directory.resolve(init_config.replace("{{id}}", name)))
        if folder not in self.folders:
            self.folders[folder] = str(self.directory.resolve(folder))
        return f"{self.folders[folder]}/{file.replace('{{id}}', name)}"


def examine_formulation(
    setting: Setting,
    formulations: Sequence[Formulation],
    ids: Sequence[str],
    forcing: Mapping[str, tuple[str, str]],
) -> tuple[Chain | None, tuple[Mapping[str, NDArray[np.float64]], ...], Report]:
    """Check formulations of one structure, one per catchment.

    Parameters
    ----------
    setting : Setting
        Where things are.
    formulations : sequence of Formulation
        One per catchment; they differ in file names and values only.
    ids : sequence of str
        The catchments.
    forcing : mapping
        Names and aliases the forcing answers to: the file's variable and its units.

    Returns
    -------
    chain : Chain or None
        None where something does not fit.
    parameters : tuple of mapping
        For each module the values of its configuration, shape (catchments, ...).
    report : Report
        Everything that was found.
    """
    first = formulations[0]
    file = str(setting.directory.realization)
    resolved: list[tuple[int, ModuleType, Description]] = []
    found: list[Finding] = []
    for index, spec in enumerate(first.modules):
        module = find(spec, setting.modules.values())
        if module is None:
            found.append(_no_module(spec, setting.modules, file))
            continue
        try:
            resolved.append((index, module, module.describe(spec)))
        except DmodError as problem:
            found.append(Finding.of(problem, "module", file=file))
    parameters = []
    for index, module, _ in resolved:
        values, findings = _parameters(setting, module, [f.modules[index] for f in formulations], ids)
        parameters.append(values)
        found += findings
    report = Report(tuple(found))
    if len(resolved) < len(first.modules):
        return None, (), report
    chain, more = couple(first, [(m.name, d) for _, m, d in resolved], forcing, units=setting.units, file=file)
    report += more
    return (chain if report.ok else None), tuple(parameters), report


def _no_module(spec: ModuleSpec, modules: Mapping[str, ModuleType], file: str) -> Finding:
    """A module that cannot be computed here."""
    there = ", ".join(
        f"{name} ({', '.join((*m.registrations, *(f'lib{lib}' for lib in m.libraries))) or 'a Python class'})"
        for name, m in modules.items()
    )
    called = spec.registration or spec.library or spec.python_type or "nothing that names it"
    return Finding(
        "error", "module-unavailable", f"module {spec.title!r} ({called}) has no native engine here", file=file,
        key="modules", remedy=f"use one of: {there}; or any class that follows bmipy as bmi_python",
    )  # fmt: skip


def _parameters(
    setting: Setting, module: ModuleType, specs: Sequence[ModuleSpec], ids: Sequence[str]
) -> tuple[dict[str, Any], list[Finding]]:
    """The configuration of one module for all catchments, ``model_params`` applied."""
    values: dict[str, Any] = {}
    found: list[Finding] = []
    schema = module.schema
    if schema is not None:
        values, found = _configs(setting, schema, specs, ids)
        if any(f.severity == "error" for f in found):
            return {}, found
    elif module.name == "python":
        values, found = _paths(setting, specs, ids)
    found += _apply(setting, module, specs, ids, values)
    if schema is not None and specs[0].params:
        found += _outside(setting, schema, specs[0].title, ids, values)
    return values, found


def _outside(
    setting: Setting, schema: ConfigSchema, title: str, ids: Sequence[str], values: Mapping[str, NDArray[np.float64]]
) -> list[Finding]:
    """Values that ``model_params`` set outside the bounds a file must keep."""
    found = []
    for key in schema.keys:
        low, high = key.bounds
        with np.errstate(invalid="ignore"):
            bad = (values[key.name] < low) | (values[key.name] > high)
        where = np.flatnonzero(bad.reshape(len(ids), -1).any(axis=1))
        if len(where):
            found.append(
                Finding(
                    "error",
                    "model-params",
                    f"{title} {key.name} is outside {low:g} to {high:g}",
                    file=str(setting.directory.realization),
                    key="model_params",
                    ids=tuple(ids[int(i)] for i in where),
                    remedy=f"give a value in {key.unit} inside these bounds",
                )
            )
    return found


def _configs(
    setting: Setting, schema: ConfigSchema, specs: Sequence[ModuleSpec], ids: Sequence[str]
) -> tuple[dict[str, Any], list[Finding]]:
    """Read one configuration file per catchment."""
    found: list[Finding] = []
    paths: list[str] = []
    for spec, name in zip(specs, ids, strict=True):
        if spec.init_config in _NO_CONFIG:
            found.append(
                Finding("error", "config-missing", f"{spec.title} has no init_config and needs one",
                        file=str(setting.directory.realization), key="init_config", ids=(name,),
                        remedy="name its configuration file, with {{id}} for the catchment")
            )  # fmt: skip
        paths.append(setting.path(spec.init_config, name))
    if found:
        return {}, found
    batch = read_many(schema, paths)
    setting.files.extend(dict.fromkeys(paths))
    setting.digests.append(batch.digest)
    for place, problem in batch.problems:
        unread = problem.key == ""
        what = f"configuration {problem.message}" if unread else f"{problem.key} {problem.message}"
        found.append(
            Finding("error" if problem.fatal else "warning", "config-missing" if unread else "config",
                    f"{specs[place].title} {what}", file=paths[place], key=problem.key, ids=(ids[place],),
                    remedy=problem.remedy)
        )  # fmt: skip
    return dict(batch.parameters), found


def _paths(setting: Setting, specs: Sequence[ModuleSpec], ids: Sequence[str]) -> tuple[dict[str, Any], list[Finding]]:
    """Configuration files of a module that reads them itself: their paths, per catchment."""
    paths: list[str] = []
    found: list[Finding] = []
    for spec, name in zip(specs, ids, strict=True):
        path = "" if spec.init_config in _NO_CONFIG else setting.path(spec.init_config, name)
        if path and not Path(path).is_file():
            found.append(
                Finding(
                    "error",
                    "config-missing",
                    f"{spec.title} configuration cannot be read: it is not there",
                    file=path,
                    key="init_config",
                    ids=(name,),
                    remedy="make the file or correct init_config",
                )
            )
        paths.append(path)
    setting.files.extend(path for path in dict.fromkeys(paths) if path)
    return {"init_config": np.array(paths, dtype=object)}, found


def _apply(
    setting: Setting,
    module: ModuleType,
    specs: Sequence[ModuleSpec],
    ids: Sequence[str],
    values: dict[str, Any],
) -> list[Finding]:
    """Apply ``model_params``: one array per name over all catchments."""
    file = str(setting.directory.realization)
    found: list[Finding] = []
    columns: dict[str, list[str]] = defaultdict(list)
    for spec, name in zip(specs, ids, strict=True):
        for given in spec.params.values():
            if isinstance(given, Mapping):
                columns[str(given.get("from", ""))].append(name)
    try:
        table = setting.domain.attributes([c for c in columns if c]) if any(columns) else None
    except DmodError as problem:
        return [Finding.of(problem, "model-params", file=file)]
    for key in specs[0].params:
        numbers = np.empty(len(ids))
        for i, (spec, name) in enumerate(zip(specs, ids, strict=True)):
            given = spec.params[key]
            if isinstance(given, Mapping):
                given = table.at[name, str(given.get("from") or key)] if table is not None else np.nan
            number = _number(given)
            if number is None:
                found.append(
                    Finding(
                        "error",
                        "model-params",
                        f"{spec.title} model_params {key} is {given!r}, not a number",
                        file=file,
                        key=f"model_params.{key}",
                        ids=(name,),
                        remedy="give one number",
                    )
                )
                number = np.nan
            numbers[i] = number
        if not module.apply(values, key, numbers):
            found.append(
                Finding(
                    "error",
                    "model-params",
                    f"{specs[0].title} has no parameter {key!r}",
                    file=file,
                    key=f"model_params.{key}",
                    remedy=f"it has: {', '.join(v.name for v in module.describe(specs[0]).parameters) or 'none'}",
                )
            )
    return found


def _number(given: Any) -> float | None:
    """One number, however the file writes it; None for what is none, and for a missing one."""
    if isinstance(given, (list, tuple)) and len(given) == 1:
        given = given[0]
    try:
        number = float(given)
    except (TypeError, ValueError):
        return None
    return None if math.isnan(number) else number
