"""Describing configurations: realizations, partitions, t-route's, modules' own, and bundles of them.

A module's file is known by the words in it, the catchment it is for by its name. Variables
of module configurations are the modules that they configure, such as ``cfe``: a directory
covers a catchment only where it has a file for each of its modules.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from dmod.data.coverage import ALL, Coverage, Everything, IdSet, Span
from dmod.data.kinds import Format
from dmod.errors import ConfigError, RealizationError
from dmod.formats.describe_fabric import DETECTORS as FABRICS
from dmod.formats.describe_glance import Description, Detector, Glance
from dmod.formats.partition_json import SENTINEL, read_partitions

__all__ = ["DETECTORS", "module_of"]

#: Module to what only its configuration has, the more telling first.
_MODULES: Mapping[str, re.Pattern[str]] = {
    name: re.compile(pattern, re.MULTILINE | re.IGNORECASE)
    for name, pattern in {
        "pet": r"^\s*pet_method\s*=",
        "sft": r"^\s*ice_fraction_scheme\s*=[\s\S]*^\s*soil_temperature\s*=",
        "lgar": r"^\s*layer_thickness\s*=[\s\S]*^\s*(?:initial_psi|layer_soil_type)\s*=",
        "smp": r"^\s*soil_storage_model\s*=",
        "cfe": r"^\s*soil_params\.\w+\s*=",
        "noah-owp": r"^\s*&timing\b[\s\S]*^\s*(?:startdate|enddate)\s*=",
        "summa": r"SUMMA_FILE_MANAGER",
        "lstm": r"^\s*train_cfg_file\s*:",
    }.items()
}
_TROUTE = re.compile(r"^(?:network_topology_parameters|supernetwork_parameters)\s*:", re.MULTILINE)
_CATCHMENT = re.compile(r"(?<![A-Za-z0-9])(cat|agg)[-_]([0-9]+)(?![0-9])")
_HEAD_BYTES = 8192
#: How many files are looked at to find out whether a directory is one of configurations.
_TRIED = 40
#: Files that are never a module's own configuration.
_OTHERS = frozenset({".json", ".geojson", ".gpkg", ".parquet", ".nc", ".csv", ".tar", ".zip", ".gz"})
#: The table of where values come from, which stands beside derived configurations.
_SOURCES = "sources.csv"
_TIME = "%Y-%m-%d %H:%M:%S"


def module_of(text: str) -> str | None:
    r"""Which module a configuration is for.

    Parameters
    ----------
    text : str
        What stands in the file, or the beginning of it.

    Returns
    -------
    str or None
        Such as ``cfe``; None where nothing tells.

    Examples
    --------
    >>> module_of("verbose=0\npet_method=3\n")
    'pet'
    """
    return next((name for name, pattern in _MODULES.items() if pattern.search(text)), None)


def _is_realization(glance: Glance) -> bool:
    """JSON with formulations."""
    return _formulated(glance.json)


def _is_partitions(glance: Glance) -> bool:
    """JSON with partitions."""
    return isinstance(glance.json, dict) and isinstance(glance.json.get("partitions"), list)


def _is_troute(glance: Glance) -> bool:
    """YAML with the parameters that t-route looks for."""
    return _TROUTE.search(glance.text) is not None


def _is_bmi(glance: Glance) -> bool:
    """A file with a module's own words, or a directory with such files."""
    if not glance.is_directory:
        return module_of(glance.text) is not None
    paths = list(_files(glance.path))
    # A directory in which there is more than configurations is not one of configurations.
    if any(path.suffix.lower() in _OTHERS and path.name != _SOURCES for path in paths):
        return False
    return any(module_of(_head(path)) for path in paths[:_TRIED])


def _is_composite(glance: Glance) -> bool:
    """A directory with a realization, in itself or in ``config``."""
    return glance.is_directory and bool(_realizations(glance))


def _describe_realization(glance: Glance) -> Description:
    """When it runs, and which catchments it has a formulation for."""
    coverage, facts = _realized(glance.path, glance.json)
    return glance.described(Format.REALIZATION, coverage, facts)


def _describe_partitions(glance: Glance) -> Description:
    """Which catchments are parted."""
    ranks = read_partitions(glance.path)
    ids = [one for rank in ranks for one in rank.catchments if not one.startswith(SENTINEL)]
    held = IdSet.of(ids)
    if len(held) != len(ids) or not ids:
        raise ConfigError(
            "a catchment is in two partitions" if ids else "the partitions hold no catchment",
            path=glance.path,
            hint="make the file again with `dmod partition`",
        )
    sizes = [sum(not one.startswith(SENTINEL) for one in rank.catchments) for rank in ranks]
    facts = {"parts": len(ranks), "largest": max(sizes), "smallest": min(sizes)}
    return glance.described(Format.PARTITIONS, Coverage(ALL, held, ALL), facts)


def _describe_troute(glance: Glance) -> Description:
    """Which sections it has."""
    sections = re.findall(r"^(\w+)\s*:", glance.text, re.MULTILINE)
    return glance.described(Format.TROUTE_CONFIG, Coverage(ALL, ALL, ALL), {"sections": sections})


def _describe_bmi(glance: Glance) -> Description:
    """Which modules are configured, for which catchments."""
    paths = _files(glance.path) if glance.is_directory else iter([glance.path])
    ids, facts = _configured(glance.path, paths)
    return glance.described(Format.BMI_CONFIG, Coverage(ALL, ids, frozenset(facts["modules"])), facts)


def _describe_composite(glance: Glance) -> Description:
    """A bundle: the times of its realization, the catchments that all of its parts have."""
    found = _realizations(glance)
    if len(found) > 1:
        raise RealizationError(
            f"there are {len(found)} realizations in the directory",
            path=glance.path,
            has=", ".join(one.path.name for one in found[:5]),
            hint="keep one of them there, or name one file",
        )
    (realization,) = found
    coverage, facts = _realized(realization.path, realization.json)
    facts["realization"] = realization.path.relative_to(glance.path).as_posix()
    ids = coverage.ids
    here = Glance(realization.path.parent)
    for name in here.names:
        part = here.within(name)
        detector = next((one for one in FABRICS if one.sniff(part)), None) if not name.endswith(".json") else None
        if detector is not None and "nexus" not in name and "flowpath" not in name:
            fabric = detector.describe(part)
            facts |= {"hydrofabric": part.path.relative_to(glance.path).as_posix(), **_counts(fabric)}
            ids = _both(ids, fabric.coverage.ids)
        elif _is_troute(part):
            facts["troute"] = part.path.relative_to(glance.path).as_posix()
    if any(module_of(_head(path)) for path in islice(_files(here.path), _TRIED)):
        configured, told = _configured(here.path, _files(here.path))
        facts["modules"] = told["modules"]
        ids = _both(ids, configured)
    if not isinstance(ids, Everything) and not ids:
        raise ConfigError("no catchment is in all parts of the directory", path=glance.path, hint="check their ids")
    return glance.described(Format.COMPOSITE, Coverage(coverage.spans, ids, ALL), facts)


def _counts(fabric: Description) -> dict[str, Any]:
    """What of a hydrofabric is told of the bundle it is in."""
    return {key: fabric.facts[key] for key in ("catchments", "nexuses", "version")}


def _both(some: IdSet | Everything, others: IdSet | Everything) -> IdSet | Everything:
    """Ids that are in both."""
    if isinstance(some, Everything):
        return others
    return some if isinstance(others, Everything) else some & others


def _realizations(glance: Glance) -> list[Glance]:
    """The realizations in ``config``, or in the directory itself; those that are called so come alone."""
    where = glance.within("config") if "config" in glance.folders else glance
    names = [name for name in where.names if name.endswith(".json") and not name.startswith(".")]
    named = [name for name in names if "realization" in name.lower()]
    tried = [where.within(name) for name in (named or names)[:_TRIED]]
    return [one for one in tried if _is_realization(one)]


def _formulated(content: Any) -> bool:
    """Whether JSON has formulations where a realization has them."""
    if not isinstance(content, dict):
        return False
    own = content.get("catchments")
    blocks = [content.get("global"), *(list(own.values())[:1] if isinstance(own, dict) else [])]
    layers = content.get("layers")
    blocks += layers if isinstance(layers, list) else []
    return any(isinstance(block, dict) and "formulations" in block for block in blocks)


def _realized(path: Path, content: Mapping[str, Any]) -> tuple[Coverage, dict[str, Any]]:
    """Times and catchments of a realization, and what else it says."""
    own = content.get("catchments")
    own = own if isinstance(own, dict) else {}
    general = content.get("global")
    general = general if isinstance(general, dict) else {}
    everywhere = bool(general.get("formulations")) or bool(content.get("layers"))
    ids: IdSet | Everything = ALL if everywhere or not own else IdSet.of(own)
    facts: dict[str, Any] = {"modules": _modules(general), "catchments_of_their_own": len(own)}
    forcing = general.get("forcing")
    if isinstance(forcing, dict):
        facts["forcing"] = {key: str(forcing[key]) for key in ("path", "provider") if key in forcing}
    routing = content.get("routing")
    if isinstance(routing, dict) and routing:
        facts["routing"] = str(routing.get("t_route_config_file_with_path", ""))
    time = content.get("time")
    if not isinstance(time, dict):
        return Coverage(ALL, ids, ALL), facts
    try:
        start_s, end_s = (
            int(datetime.strptime(str(time[key]), _TIME).replace(tzinfo=UTC).timestamp())
            for key in ("start_time", "end_time")
        )
        step_s = int(time.get("output_interval", 3600))
    except (KeyError, ValueError) as problem:
        raise RealizationError(
            "the times of the realization cannot be read",
            path=path,
            needed="start_time and end_time as YYYY-MM-DD HH:MM:SS, output_interval in seconds",
            has=str(time)[:120],
            hint="correct the section 'time'",
        ) from problem
    if end_s < start_s or step_s < 1:
        raise RealizationError("the realization ends before it starts", path=path, has=str(time)[:120])
    # The end is the start of the last step.
    return Coverage((Span(start_s, end_s + step_s),), ids, ALL), facts | {"step_s": step_s}


def _modules(block: Mapping[str, Any]) -> list[str]:
    """The models of a formulation, in their order."""
    formulations = block.get("formulations")
    listed = formulations[:1] if isinstance(formulations, list) else []
    found: list[str] = []
    while listed:
        one = listed.pop(0)
        params = one.get("params") if isinstance(one, dict) else None
        if isinstance(params, dict):
            inner = params.get("modules")
            if isinstance(inner, list):
                listed[:0] = inner
            else:
                found.append(str(params.get("model_type_name", one.get("name", ""))))
    return found


def _configured(root: Path, paths: Iterator[Path]) -> tuple[IdSet | Everything, dict[str, Any]]:
    """Catchments for which every module has a file, and how many files each module has."""
    named: dict[str, set[str]] = {}
    count: dict[str, int] = {}
    for path in paths:
        module = module_of(_head(path))
        if module is None:
            continue
        count[module] = count.get(module, 0) + 1
        found = _CATCHMENT.search(path.name)
        held = named.setdefault(module, set())
        if found:
            held.add(f"{found[1]}-{int(found[2])}")
    # A module whose files name no catchment has one for all of them.
    lists = [ids for ids in named.values() if ids]
    facts: dict[str, Any] = {"modules": dict(sorted(count.items()))}
    if not lists:
        return ALL, facts
    shared, any_ = set.intersection(*lists), set.union(*lists)
    if not shared:
        raise ConfigError(
            "no catchment has a file for each of the modules",
            path=root,
            modules=", ".join(f"{module} ({len(ids)} catchments)" for module, ids in sorted(named.items())),
            hint="make the files that are missing, or give one module's directory alone",
        )
    return IdSet.of(shared), facts | ({"incomplete": len(any_) - len(shared)} if any_ != shared else {})


def _files(root: Path) -> Iterator[Path]:
    """All files below a directory, hidden ones left out, in the order of their names."""
    for here, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(here, name)


def _head(path: Path) -> str:
    """The beginning of a file of text; empty for any other."""
    try:
        with path.open("rb", buffering=0) as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return ""
    return "" if b"\0" in head else head.decode("utf-8", errors="replace")


#: Those of configurations.
DETECTORS = (
    Detector(Format.REALIZATION, _is_realization, _describe_realization),
    Detector(Format.PARTITIONS, _is_partitions, _describe_partitions),
    Detector(Format.COMPOSITE, _is_composite, _describe_composite),
    Detector(Format.TROUTE_CONFIG, _is_troute, _describe_troute),
    Detector(Format.BMI_CONFIG, _is_bmi, _describe_bmi),
)
