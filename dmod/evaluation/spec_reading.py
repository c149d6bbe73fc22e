"""Reading a specification, JSON or YAML, and saying everything that is wrong with it at once.

`check_specification` reports, `read_specification` raises where the report has errors. What is
looked at: the text, its templates, every element, names of metrics, units, paths and patterns,
and whether fields that are named somewhere come from somewhere.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from dmod.errors import CheckError, InputError
from dmod.evaluation.metric import find_metric
from dmod.evaluation.original import original_metric
from dmod.evaluation.scores import Scheme, Scoring
from dmod.evaluation.spec_selectors import json_path
from dmod.evaluation.spec_sources import files_at
from dmod.evaluation.spec_templates import MANIFEST, Templates, children_of, filled
from dmod.evaluation.specification import (
    AssociatedField,
    BackendSpecification,
    DataSourceSpecification,
    Element,
    EvaluationSpecification,
    UnitDefinition,
)
from dmod.model.findings import Finding, Report
from dmod.units import is_known

__all__ = ["Read", "check_specification", "read_specification"]

_YAML = (".yaml", ".yml")


@dataclass(frozen=True)
class Read:
    """A specification that was read."""

    #: What it says, templates filled in.
    specification: EvaluationSpecification
    #: Directory that its addresses are relative to.
    folder: Path
    #: Warnings and notes.
    report: Report
    #: The file it came from; empty where it came from no file.
    file: str = ""


def read_specification(
    given: str | Path | Mapping[str, Any],
    *,
    templates: Templates | str | Path | None = None,
    folder: str | Path | None = None,
    scoring: Scoring = "corrected",
) -> Read:
    """A specification from a file or a mapping, checked.

    Parameters
    ----------
    given : path or dict
        JSON or YAML, or what it holds.
    templates : Templates or path, optional
        A manifest, its directory or a zip file; otherwise the manifest that is beside the file, in
        ``templates/`` beside it, or in the directory above.
    folder : path, optional
        Directory that addresses are relative to; that of the file otherwise.
    scoring : str
        ``corrected`` or ``dmod``: which metrics there are.

    Returns
    -------
    Read

    Raises
    ------
    CheckError
        If anything is wrong; its report lists everything.
    """
    read, report = _looked_at(given, templates, folder, scoring)
    if read is None or not report.ok:
        raise CheckError(report, check="dmod evaluate --check")
    return Read(read.specification, read.folder, report, read.file)


def check_specification(
    given: str | Path | Mapping[str, Any],
    *,
    templates: Templates | str | Path | None = None,
    folder: str | Path | None = None,
    scoring: Scoring = "corrected",
) -> Report:
    """Everything that is wrong with a specification; arguments as of `read_specification`."""
    return _looked_at(given, templates, folder, scoring)[1]


def _looked_at(
    given: str | Path | Mapping[str, Any], templates: Templates | str | Path | None, folder: str | Path | None,
    scoring: Scoring,
) -> tuple[Read | None, Report]:  # fmt: skip
    path = None if isinstance(given, Mapping) else Path(given).expanduser()
    file = "" if path is None else str(path)
    at = Path(folder) if folder is not None else path.parent if path is not None else Path()
    findings: list[Finding] = []

    def tell(key: str, message: str, remedy: str = "", code: str = "specification") -> None:
        findings.append(Finding("error", code, message, file=file, key=key, remedy=remedy))

    try:
        raw = dict(given) if isinstance(given, Mapping) else _loaded(Path(given).expanduser())
        held = templates if isinstance(templates, Templates) else _found_templates(templates, path)
    except InputError as problem:
        return None, Report((Finding.of(problem, "unreadable", file=file, without=("path",)),))
    whole = filled(raw, held, lambda key, message: tell(key, message, code="no-template"))
    try:
        specification = EvaluationSpecification.model_validate(whole)
    except ValidationError as problem:
        findings.extend(_in_plain_words(problem, file))
        findings.extend(_findings(_loose_metrics(whole, scoring), file))
        findings.extend(_findings(_each(whole, EvaluationSpecification, "", at), file))
        return None, Report(tuple(findings))
    findings.extend(_findings(_each(whole, EvaluationSpecification, "", at), file))
    findings.extend(_findings(_together(specification, scoring), file))
    return Read(specification, at, Report(), file), Report(tuple(findings))


def _loaded(path: Path) -> dict[str, Any]:
    """What a file of JSON or YAML holds."""
    if not path.is_file():
        raise InputError("there is no such specification", path=path, hint="name a file of JSON or YAML")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as problem:
        raise InputError("the specification is not text", path=path, hint="save it as UTF-8") from problem
    found = _from_yaml(text, path) if path.suffix.lower() in _YAML else _from_json(text, path)
    if not isinstance(found, dict):
        raise InputError("a specification is one object", path=path, has=type(found).__name__, needed="keys and values")
    return found


def _from_json(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as problem:
        where = f"line {problem.lineno}, column {problem.colno}"
        raise InputError("the specification is not JSON", path=path, at=where, reason=problem.msg) from problem


def _from_yaml(text: str, path: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        where = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}"
        why = getattr(problem, "problem", None) or str(problem).partition("\n")[0]
        raise InputError("the specification is not YAML", path=path, at=where, reason=why) from problem


def _found_templates(named: str | Path | None, path: Path | None) -> Templates:
    if named is not None:
        return Templates.read(named)
    if path is None:
        return Templates()
    for folder in (path.parent, path.parent / "templates", path.parent.parent):
        if (folder / MANIFEST).is_file():
            return Templates.read(folder)
    return Templates()


def _in_plain_words(problem: ValidationError, file: str) -> Iterator[Finding]:
    """What pydantic found, as people say it."""
    for error in problem.errors(include_url=False):
        key, kind, context = _key(error["loc"]), error["type"], error.get("ctx", {})
        has = error["input"]
        shown = repr(has) if isinstance(has, str | int | float | bool) else type(has).__name__
        last = str(error["loc"][-1]) if error["loc"] else "specification"
        remedy = ""
        if kind == "missing":
            message = f"{last} is missing"
            near = _like(last, error["input"])
            remedy = f"is {near!r} meant to be it?" if near else _described(error["loc"])
        elif kind == "value_error":
            message = str(error["msg"]).removeprefix("Value error, ")
        elif kind == "literal_error":
            message = f"{last} is {shown}, and must be {context['expected']}"
        elif kind in ("too_short", "list_too_short"):
            message = f"{last} is empty, and needs at least one entry"
        elif kind.startswith(("float", "int")):
            message = f"{last} is {shown}, and must be a number"
        elif kind in ("greater_than_equal", "greater_than", "less_than_equal", "less_than"):
            limit = next(iter(context.values()))
            message = (
                f"{last} is {shown}, and must be {kind.replace('_', ' ').replace(' equal', ' or equal to')} {limit:g}"
            )
        else:
            needed = {
                "list_type": "a list", "dict_type": "keys and values", "model_type": "keys and values",
                "string_type": "text", "bool_type": "true or false", "bool_parsing": "true or false",
            }.get(kind, error["msg"][:1].lower() + error["msg"][1:])  # fmt: skip
            message = f"{last} is {shown}, and must be {needed}"
        yield Finding("error", kind.replace("_", "-"), message, file=file, key=key, remedy=remedy)


def _key(location: tuple[int | str, ...]) -> str:
    """A place in the specification: ``observations[0].unit``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.lstrip(".")


def _described(location: tuple[int | str, ...]) -> str:
    """What a missing key is for."""
    kind: type[BaseModel] | None = EvaluationSpecification
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        child = children_of(kind).get(part) if kind is not None and issubclass(kind, Element) else None
        kind = child[0] if child else None
    held = kind.model_fields.get(str(location[-1])) if kind is not None else None
    return f"{location[-1]}: {held.description}" if held is not None and held.description else ""


def _like(wanted: str, given: Any) -> str | None:
    """A key that was given and looks as if *wanted* had been meant."""
    if not isinstance(given, Mapping):
        return None
    strange = {**given, **given["properties"]} if isinstance(given.get("properties"), Mapping) else dict(given)
    return next(iter(difflib.get_close_matches(wanted, [str(key) for key in strange], n=1, cutoff=0.75)), None)


Said = tuple[Any, str, str, str, str]


def _findings(said: Iterator[Said], file: str) -> Iterator[Finding]:
    for severity, code, message, key, remedy in said:
        yield Finding(severity, code, message, file=file, key=key, remedy=remedy)


def _loose_metrics(whole: Any, scoring: Scoring) -> Iterator[Said]:
    """Names of metrics that are none, where the rest cannot be looked at yet."""
    scheme = whole.get("scheme") if isinstance(whole, Mapping) else None
    rows = scheme.get("metrics") if isinstance(scheme, Mapping) else None
    for i, row in enumerate(rows if isinstance(rows, list) else []):
        if isinstance(row, Mapping) and isinstance(row.get("name"), str):
            yield from _unknown_metric(row["name"], f"scheme.metrics[{i}].name", scoring)


def _unknown_metric(name: str, key: str, scoring: Scoring) -> Iterator[Said]:
    try:
        if scoring == "dmod":
            original_metric(name)
        else:
            find_metric(name)
    except InputError as problem:
        listed = "`dmod evaluate --list-metrics` lists those there are"
        remedy = problem.hint if problem.hint.startswith("did you mean") else listed
        yield "error", "unknown-metric", problem.headline, key, remedy


def _each(raw: Any, kind: type[Element], key: str, folder: Path) -> Iterator[Said]:
    """What is wrong with each element by itself, also where its neighbours are not even readable."""
    yield from _typing_slips(raw, kind, key)
    for name, (child, is_list) in children_of(kind).items():
        held = raw.get(name) if isinstance(raw, Mapping) else None
        rows = list(enumerate(held)) if is_list and isinstance(held, list) else [(None, held)]
        for i, one in rows:
            if one is None:
                continue
            where = f"{key}.{name}".lstrip(".") + ("" if i is None else f"[{i}]")
            yield from _each(one, child, where, folder)
            try:
                yield from _element(child.model_validate(one), where, folder)
            except ValidationError:
                continue  # told already


def _element(element: Element, key: str, folder: Path) -> Iterator[Said]:
    if isinstance(element, UnitDefinition) and element.value and not is_known(element.value):
        yield "error", "unknown-unit", f"{element.value!r} is no unit that can be read", f"{key}.value", ""
    if isinstance(element, BackendSpecification):
        yield from _backend(element, key, folder)
    if isinstance(element, AssociatedField):
        yield from _json_path(element.parts, f"{key}.path")


def _together(spec: EvaluationSpecification, scoring: Scoring) -> Iterator[Said]:
    """What no element can see for itself."""
    yield from _scheme(spec, scoring)
    for i, source in enumerate(spec.observations):
        yield from _fields(source, f"observations[{i}]", {c.observation_field_name for c in spec.crosswalks})
    for i, source in enumerate(spec.predictions):
        yield from _fields(source, f"predictions[{i}]", {c.predicted for c in spec.crosswalks})


def _scheme(spec: EvaluationSpecification, scoring: Scoring) -> Iterator[Said]:
    metrics = spec.scheme.metrics
    wrong = [
        said for i, m in enumerate(metrics) for said in _unknown_metric(m.name, f"scheme.metrics[{i}].name", scoring)
    ]
    yield from wrong
    if not wrong:
        try:
            Scheme(
                {m.name: m.weight for m in metrics}, bounds={m.name: m.bounds for m in metrics if m.bounds},
                scoring=scoring,
            )  # fmt: skip
        except InputError as problem:
            facts = "; ".join(f"{name} {value}" for name, value in problem.facts.items())
            yield "error", "scheme", problem.headline + (f" ({facts})" if facts else ""), "scheme", problem.hint
    labels = [one.label for held in spec.thresholds for one in held.definitions]
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        yield (
            "error",
            "threshold-twice",
            f"two thresholds are called {twice[0]!r}",
            "thresholds",
            "name them differently",
        )


def _typing_slips(raw: Any, kind: type[Element], key: str) -> Iterator[Said]:
    """Keys that went to the properties and look like keys of the element."""
    if not isinstance(raw, Mapping) or kind is BackendSpecification:
        return
    free = [name for name in kind.model_fields if name not in raw]
    for name in raw:
        if name not in kind.model_fields and (near := difflib.get_close_matches(str(name), free, n=1, cutoff=0.8)):
            yield "warning", "unknown-key", f"{name!r} has no meaning here", key, f"is {near[0]!r} meant?"


def _backend(backend: BackendSpecification, key: str, folder: Path) -> Iterator[Said]:
    address = backend.address or ""
    if backend.backend_type == "rest" and not re.match(r"https?://", address):
        yield "error", "address", f"{address!r} is no URL", f"{key}.address", "write https://..."
    if backend.backend_type != "file":
        return
    try:
        files_at(address, folder)
    except InputError as problem:
        yield "error", "no-file", f"{problem.headline}: {address!r}", f"{key}.address", problem.hint


def _json_path(parts: list[str], key: str) -> Iterator[Said]:
    try:
        json_path(parts)
    except InputError as problem:
        yield "error", "path", problem.headline, key, problem.hint


def _fields(source: DataSourceSpecification, key: str, places: set[str]) -> Iterator[Said]:
    """Fields that are needed and that nothing reads."""
    if source.backend.format not in ("json", "csv", "rdb") or source.backend.backend_type == "memory":
        return
    made = {s.label for s in source.value_selectors}
    made |= {field.label for s in source.value_selectors for field in s.associated_fields}
    made |= {"location", "unit"}
    for i, mapping in enumerate(source.field_mapping):
        if mapping.map_type == "column" and mapping.value not in made:
            yield (
                "error", "no-field", f"nothing reads the field {mapping.value!r}", f"{key}.field_mapping[{i}].value",
                f"there are {', '.join(sorted(made))}",
            )  # fmt: skip
    made |= {mapping.field for mapping in source.field_mapping}
    for what, field in (("value_field", source.value_field), ("x_axis", source.x_axis)):
        if field not in made:
            yield (
                "error",
                "no-field",
                f"nothing reads the field {field!r}",
                f"{key}.{what}",
                f"there are {', '.join(sorted(made))}",
            )
    if source.unit is not None and source.unit.field and source.unit.field not in made:
        yield "error", "no-field", f"nothing reads the field {source.unit.field!r}", f"{key}.unit.field", ""
    for field in sorted(places - made):
        if source.locations is None or not (source.locations.from_field or source.locations.ids):
            yield (
                "error", "no-field", f"nothing reads the places {field!r} that the crosswalk names", key,
                "read it as an associated field, or say locations",
            )  # fmt: skip
