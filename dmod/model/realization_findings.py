"""What pydantic and the schema of a realization have to say, as findings in plain words."""

from __future__ import annotations

import difflib
import functools
import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from dmod.model.findings import Finding
from dmod.model.formulation_schema import (
    KINDS,
    Keys,
    LibraryEntry,
    LibraryParams,
    MultiEntry,
    MultiParams,
    PythonEntry,
    PythonParams,
)
from dmod.model.realization_schema import (
    ForcingKeys,
    GlobalKeys,
    OutputDomainKeys,
    OutputKeys,
    RealizationKeys,
    RoutingKeys,
    TimeKeys,
)
from dmod.model.realization_text import json_path

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["broken", "salvage", "survey"]

Parts = tuple[str | int, ...]

_TAGS = frozenset({*KINDS, "bmi_multi"})
_LONGEST = 60

_ENTRIES: dict[str, type[Keys]] = {
    "bmi_c": LibraryEntry,
    "bmi_c++": LibraryEntry,
    "bmi_fortran": LibraryEntry,
    "bmi_python": PythonEntry,
    "bmi_multi": MultiEntry,
}
_BELOW: dict[tuple[type[Keys], str], type[Keys]] = {
    (RealizationKeys, "global"): GlobalKeys,
    (RealizationKeys, "time"): TimeKeys,
    (RealizationKeys, "output"): OutputKeys,
    (RealizationKeys, "routing"): RoutingKeys,
    (GlobalKeys, "forcing"): ForcingKeys,
    (OutputKeys, "catchment"): OutputDomainKeys,
    (OutputKeys, "nexus"): OutputDomainKeys,
    (LibraryEntry, "params"): LibraryParams,
    (PythonEntry, "params"): PythonParams,
    (MultiEntry, "params"): MultiParams,
}

#: pydantic's kind of error to what it means here.
_MEANS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "dict": "an object in braces",
    "model": "an object in braces",
    "list": "a list in brackets",
}

#: What to write where a required key is missing.
_WRITE = {
    "library_file": 'name the shared library, such as "/dmod/shared_libs/libcfebmi.so"',
    "python_type": 'name the class, such as "package.module.Class"',
    "init_config": 'name the configuration file, with {{id}} for the catchment, or "/dev/null"',
    "main_output_variable": "name the variable that is the flow in m per step",
    "model_type_name": "give the module a name of your choice",
    "modules": 'list the modules: "modules": [{"name": ..., "params": {...}}]',
    "time": 'add "time": {"start_time": ..., "end_time": ..., "output_interval": 3600}',
    "start_time": 'add the first hour in UTC, such as "2015-12-01 00:00:00"',
    "end_time": 'add the start of the last hour in UTC, such as "2015-12-30 23:00:00"',
    "output_interval": 'add "output_interval": 3600',
    "t_route_config_file_with_path": "name the t-route configuration, or delete the block routing",
}


def broken(error: ValidationError, file: str, parts: Parts = ()) -> list[Finding]:
    """What could not be understood.

    Parameters
    ----------
    error : ValidationError
        From a model of the schema.
    file : str
        The file it is in.
    parts : tuple of str or int
        Where in the file the model stands.

    Returns
    -------
    list of Finding
        One error for each thing.
    """
    return [_broken(detail, file, parts) for detail in error.errors(include_url=False)]


def survey(keys: Keys, file: str, parts: Parts = ()) -> Iterator[Finding]:
    """Remarks of *keys* and of all below it, and keys that nobody knows.

    Parameters
    ----------
    keys : Keys
        A model of the schema.
    file : str
        The file it is in.
    parts : tuple of str or int
        Where in the file the model stands.

    Yields
    ------
    Finding
        In the order of the file, as far as there is one.
    """
    for said in keys.remarks():
        where = json_path((*parts, said.key))
        yield Finding(said.severity, said.code, said.message, file, where, remedy=said.remedy)
    yield from _unknown(type(keys), keys.model_extra or {}, file, parts)
    for spelled, name in _fields(type(keys)).items():
        value = getattr(keys, name)
        if isinstance(value, Keys):
            yield from survey(value, file, (*parts, spelled))
        elif isinstance(value, list):
            for i, item in enumerate(value):
                if isinstance(item, Keys):
                    yield from survey(item, file, (*parts, spelled, i))


def salvage(kind: type[Keys], data: Any, file: str, parts: Parts = ()) -> Iterator[Finding]:
    """What `survey` would say of those parts of *data* that can be understood.

    Parameters
    ----------
    kind : type of Keys
        What *data* should be.
    data : object
        From the file, not validated.
    file : str
        The file it is in.
    parts : tuple of str or int
        Where in the file it stands.

    Yields
    ------
    Finding
        Remarks and unknown keys; what is broken is not said again.
    """
    if not isinstance(data, dict):
        return
    try:
        yield from survey(kind.model_validate(data), file, parts)
    except ValidationError:
        yield from _unknown(kind, data, file, parts)
        for key, value in data.items():
            if key in ("formulations", "modules") and isinstance(value, list):
                # a formulation after the first is never used, a module always
                for i, item in enumerate(value[:1] if key == "formulations" else value):
                    entry = isinstance(item, dict) and _ENTRIES.get(str(item.get("name")))
                    if entry:
                        yield from salvage(entry, item, file, (*parts, key, i))
            elif inner := _BELOW.get((kind, key)):
                yield from salvage(inner, value, file, (*parts, key))


@functools.cache
def _fields(kind: type[Keys]) -> dict[str, str]:
    """Key in the file to name of the field."""
    return {field.alias or name: name for name, field in kind.model_fields.items()}


def _unknown(kind: type[Keys], found: Iterable[str], file: str, parts: Parts) -> Iterator[Finding]:
    """Those of the keys *found* that *kind* does not have."""
    known = _fields(kind)
    for key in found:
        if key in known:
            continue
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.75)
        remedy = f"did you mean {near[0]!r}?" if near else "delete it, unless another program reads it"
        message = f"the key {key!r} is not one that ngen knows; it is ignored"
        yield Finding("warning", "unknown-key", message, file, json_path((*parts, key)), remedy=remedy)


def _broken(detail: ErrorDetails, file: str, parts: Parts) -> Finding:
    """One of pydantic's errors."""
    kind, context = detail["type"], detail.get("ctx", {})
    # pydantic names the chosen alternative of a union after the index of the list: no key of the file
    pairs = zip((None, *detail["loc"]), detail["loc"], strict=False)
    place = tuple(part for before, part in pairs if not (part in _TAGS and isinstance(before, int)))
    key = str(place[-1]) if place else ""
    code, message, remedy = "bad-value", "", str(context.get("remedy", ""))
    family = kind.partition("_")[0]
    if remedy:
        code, message = kind, detail["msg"]
    elif kind == "missing":
        code, message = "missing-key", f"the required key {key!r} is missing"
        remedy = _WRITE.get(key, "add it")
    elif kind == "union_tag_not_found":
        code, message = "missing-key", "the required key 'name' is missing"
        remedy = f"name the kind: {', '.join([*KINDS, 'bmi_multi'])}"
    elif kind == "union_tag_invalid":
        code, message, remedy = _unknown_kind(str(context.get("tag")), place)
    elif kind == "literal_error":
        message = f"{key} is {_brief(detail['input'])}, but must be one of {context.get('expected')}"
        remedy = "choose one of them"
    elif kind == "too_short":
        message, remedy = f"{key} is empty", _WRITE.get(key, "add at least one")
    elif family in _MEANS:
        message = f"{key} must be {_MEANS[family]}, but is {_brief(detail['input'])}"
        remedy = "correct it"
    else:
        text = detail["msg"]
        message = f"{key} is {_brief(detail['input'])}: {text[:1].lower()}{text[1:]}"
    return Finding("error", code, message, file, json_path((*parts, *place)), remedy=remedy)


def _unknown_kind(name: str, place: Parts) -> tuple[str, str, str]:
    """Code, message and remedy for a formulation that ngen does not have."""
    if name == "bmi_multi" and "modules" in place:
        return "nested-multi", "a bmi_multi cannot stand inside another", "put its modules into the outer one"
    kinds = KINDS if "modules" in place else (*KINDS, "bmi_multi")
    near = difflib.get_close_matches(name, kinds, n=1, cutoff=0.6)
    remedy = f"use one of {', '.join(kinds)}" if not near else f"did you mean {near[0]}?"
    return "unknown-formulation", f"{name!r} is not a kind of formulation", remedy


def _brief(value: Any) -> str:
    """A value as it stands in the file, not longer than a line."""
    text = json.dumps(value, default=repr)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
