"""Rules for configurations: the files of modules from a hydrofabric, and a realization from a formulation.

`configs_needed` and `realization_needed` say what a formulation asks for; the rules make
just that. CFE and PET have files made here, SLoTH needs none, and other modules get none:
whoever uses those brings their files. Beside the files, ``sources.csv`` says where every
value comes from.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dmod import plugins
from dmod.data.coverage import ALL, Coverage, Everything, IdSet, Span
from dmod.data.kinds import Category, Format
from dmod.data.requirement import Catalog, Requirement
from dmod.domain.domain import Domain
from dmod.errors import ConfigError
from dmod.model.configs import ConfigSchema
from dmod.model.formulation import Formulation
from dmod.model.realization import ForcingEntry
from dmod.prepare import cfe_config, pet_config
from dmod.prepare.config_table import ConfigTable
from dmod.prepare.hydrofabric_rules import open_fabric
from dmod.prepare.rules import Offer, Progress, parents_for

__all__ = [
    "CONFIG_FOLDER",
    "SOURCES",
    "ConfigRule",
    "RealizationRule",
    "config_tables",
    "configs_needed",
    "realization_needed",
]

#: What derived configuration files lie in, one folder for each module.
CONFIG_FOLDER = "cat_config"
#: The table that says where their values come from.
SOURCES = "sources.csv"

#: Formats and version of hydrofabrics that have ``divide-attributes``; GeoJSON never does.
_WITH_ATTRIBUTES = (Format.GEOPACKAGE, Format.GEOPARQUET)
_VERSION = "v2.2"

#: Keys that a formulation sets: module, then key, to text.
Keys = Mapping[str, Mapping[str, str]]


def _cfe(domain: Domain, keys: Mapping[str, str]) -> ConfigTable:
    """Files of CFE."""
    scheme = keys.get("surface_partitioning_scheme", keys.get("surface_water_partitioning_scheme", "Schaake"))
    return cfe_config.cfe_table(domain.attributes(cfe_config.ATTRIBUTES), scheme=scheme)


def _pet(domain: Domain, keys: Mapping[str, str]) -> ConfigTable:
    """Files of PET."""
    del keys
    return pet_config.pet_table(domain.attributes(pet_config.ATTRIBUTES), crs=domain.crs)


_TABLES: Mapping[str, Callable[[Domain, Mapping[str, str]], ConfigTable]] = {"cfe": _cfe, "pet": _pet}


def configs_needed(formulation: Formulation, ids: Iterable[str], *, explicit: str | None = None) -> Requirement:
    """What a formulation needs of configuration files.

    Parameters
    ----------
    formulation : Formulation
        Its modules, and the keys that it sets.
    ids : iterable of str
        Catchments.
    explicit : str, optional
        Name of the dataset to take.

    Returns
    -------
    Requirement
        Its variables are the modules that read a file.

    Raises
    ------
    ConfigError
        If no module of the formulation reads any.
    """
    modules = _modules(formulation)
    if not modules:
        raise ConfigError(f"no module of {formulation} reads a configuration file", hint="there is nothing to make")
    facts: dict[str, Any] = {}
    if formulation.configured:
        facts["configured"] = formulation.configs
    if own := {cat_id: one.configs for cat_id, one in formulation.own if one.configured != formulation.configured}:
        facts["configured_own"] = own
    coverage = Coverage.of(spans=ALL, ids=ids, variables=modules)
    return Requirement("configs", Category.CONFIG, (Format.BMI_CONFIG,), coverage, explicit, facts)


def realization_needed(
    formulation: Formulation,
    start: str | datetime,
    end: str | datetime,
    *,
    forcing: str | Path | ForcingEntry = "./forcings/forcings.nc",
    configs: str | None = None,
    explicit: str | None = None,
) -> Requirement:
    """What a run needs of a realization; parameters as for `Formulation.to_realization`."""
    made = formulation.to_realization(start, end, forcing=forcing, configs=configs)
    first, last = (
        int(datetime.strptime(made["time"][key], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp())
        for key in ("start_time", "end_time")
    )
    span = Span(first, last + int(made["time"]["output_interval"]))
    coverage = Coverage((span,), ALL, ALL)
    return Requirement("realization", Category.CONFIG, (Format.REALIZATION,), coverage, explicit, {"realization": made})


def config_tables(domain: Domain, modules: Iterable[str], keys: Keys, own: Mapping[str, Keys]) -> list[ConfigTable]:
    """Configuration files of modules, as tables of catchments that are configured alike.

    Parameters
    ----------
    domain : Domain
        The catchments; a hydrofabric of version 2.2 with ``divide-attributes``.
    modules : iterable of str
        ``cfe``, ``pet``.
    keys : mapping
        Keys set by hand: module, then key, to text.
    own : mapping
        The same for single catchments by id, in place of *keys*.

    Returns
    -------
    list of ConfigTable
        Every value of them is there.

    Raises
    ------
    ConfigError
        If a module is not known, or a catchment has no value for a key.
    HydrofabricError
        If the hydrofabric has not the attributes.
    """
    wanted = sorted(modules)
    if unknown := [module for module in wanted if module not in _TABLES]:
        raise ConfigError(
            f"configuration files of {', '.join(unknown)} are not made here",
            has=", ".join(_TABLES),
            hint="bring them as a dataset of the format bmi-config",
        )
    pieces: dict[str, list[str]] = {}
    for name in domain.catchments:
        pieces.setdefault(json.dumps(own.get(name, keys), sort_keys=True), []).append(name)
    tables = []
    for told, ids in pieces.items():
        piece = domain if len(ids) == len(domain) else domain.select(ids)
        given = json.loads(told)
        for module in wanted:
            table = _TABLES[module](piece, given.get(module, {}))
            table = table.with_keys(given.get(module, {}), _schema(module))
            table.require()
            tables.append(table)
    return tables


class ConfigRule:
    """Configuration files of CFE and PET from the attributes of a hydrofabric."""

    name = "configs"
    version = "1"
    makes = (Format.BMI_CONFIG,)

    def offers(self, requirement: Requirement, candidates: Catalog) -> Offer | None:
        """From the smallest hydrofabric of version 2.2 with all the catchments, for modules known here."""
        needed = requirement.coverage
        if Format.BMI_CONFIG not in requirement.formats or isinstance(needed.variables, Everything):
            return None
        facts = dict(requirement.facts)
        if not needed.variables <= _TABLES.keys() or not facts.keys() <= {"configured", "configured_own"}:
            return None
        held = parents_for(requirement, candidates, _WITH_ATTRIBUTES, Coverage(ALL, needed.ids, ALL))
        parents = [one for one in held if one.facts.get("version", _VERSION) == _VERSION]
        if not parents:
            return None
        ids = needed.ids
        parameters = {
            "modules": sorted(needed.variables),
            "ids": None if isinstance(ids, Everything) else ids.to_dict(),
            "configured": facts.get("configured", {}),
            "configured_own": facts.get("configured_own", {}),
        }
        note = f"files of {', '.join(sorted(needed.variables))} are made of the attributes of {parents[0].name!r}"
        coverage = Coverage(ALL, ids, needed.variables)
        return Offer(self.name, self.version, (parents[0],), parameters, Format.BMI_CONFIG, coverage, note, facts)

    def apply(self, offer: Offer, parents: Sequence[Path], folder: Path, *, progress: Progress | None = None) -> Path:
        """Write a folder of files for each module, and the table of sources."""
        told = offer.parameters
        domain = open_fabric(parents[0], offer.parents[0].format)
        if told["ids"] is not None:
            domain = domain.select(IdSet.from_dict(told["ids"]).to_list())
        tables = config_tables(domain, told["modules"], told["configured"], told["configured_own"])
        target = folder / CONFIG_FOLDER
        for done, table in enumerate(tables, start=1):
            table.write(target / table.module.upper())
            if progress is not None:
                progress(done / len(tables))
        _write_sources(target / SOURCES, tables, len(domain))
        return target


class RealizationRule:
    """A realization from a formulation, a time and the place of a forcing."""

    name = "realization"
    version = "1"
    makes = (Format.REALIZATION,)

    def offers(self, requirement: Requirement, candidates: Catalog) -> Offer | None:
        """From nothing but what the requirement says; see `realization_needed`."""
        del candidates
        if Format.REALIZATION not in requirement.formats or requirement.facts.keys() != {"realization"}:
            return None
        made = requirement.facts["realization"]
        own = len(made.get("catchments", {}))
        note = "it is written from the formulation" + (f"; {own:,} catchments differ" if own else "")
        return Offer(
            self.name, self.version, (), {"realization": made}, Format.REALIZATION, requirement.coverage, note,
            dict(requirement.facts),
        )  # fmt: skip

    def apply(self, offer: Offer, parents: Sequence[Path], folder: Path, *, progress: Progress | None = None) -> Path:
        """Write the file."""
        del parents, progress
        target = folder / "realization.json"
        target.write_text(json.dumps(offer.parameters["realization"], indent=1) + "\n")
        return target


def _modules(formulation: Formulation) -> list[str]:
    """Modules that read a file, in the formulation or in one of a single catchment."""
    chains = [formulation, *dict.fromkeys(one for _, one in formulation.own)]
    return sorted({module for chain in chains for module in chain.config_modules})


def _schema(module: str) -> ConfigSchema:
    """The keys that a module has."""
    found: ConfigSchema = plugins.load("dmod.modules").found[module].schema
    return found


def _write_sources(path: Path, tables: Sequence[ConfigTable], count: int) -> None:
    """The table of where values come from."""
    heads = ("module", "parameter", "value", "source", "unit", "catchments")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(heads)
        for table in tables:
            writer.writerows([getattr(row, head) for head in heads] for row in table.sources(count))
