"""The text of a realization as ngen's own parser takes it.

ngen keeps the first of two equal keys, where Python keeps the last; it knows no comments and
no NaN. `load` gives plain dictionaries with the first of equal keys, and says what it met.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from dmod.model.findings import Finding

__all__ = ["json_path", "load"]


def load(path: Path) -> tuple[dict[str, Any] | None, list[Finding]]:
    """Read a JSON object.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    data : dict or None
        What it holds; None where it cannot be read.
    findings : list of Finding
        Why not, or which keys are written twice.
    """
    file = str(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as problem:
        message = f"cannot be read: {problem.strerror or problem}"
        return None, [Finding("error", "unreadable", message, file, remedy="correct the path")]
    except UnicodeDecodeError as problem:
        message = f"is not text in UTF-8: byte {problem.start:,} is strange"
        return None, [Finding("error", "unreadable", message, file, remedy="save it as UTF-8")]
    try:
        tree = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except json.JSONDecodeError as problem:
        return None, [_syntax(file, text, problem)]
    except ValueError as problem:
        return None, [Finding("error", "json-syntax", str(problem), file, remedy="give a number")]
    except RecursionError:
        return None, [Finding("error", "json-syntax", "is nested too deeply to be a realization", file)]
    findings: list[Finding] = []
    data = _plain(tree, (), file, findings)
    if not isinstance(data, dict):
        message = "is JSON, but not an object in braces"
        return None, [Finding("error", "json-shape", message, file, remedy="put everything inside one { }")]
    return data, findings


def json_path(parts: tuple[str | int, ...]) -> str:
    """Where something is, as people write it.

    >>> json_path(("global", "formulations", 0, "name"))
    'global.formulations[0].name'
    """
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return text.removeprefix(".")


class _Repeated(dict[str, Any]):
    """A JSON object with the first of equal keys, that remembers which there were."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__()
        again: dict[str, None] = {}
        for key, value in pairs:
            if key in self:
                again[key] = None
            else:
                self[key] = value
        self.again = tuple(again)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; a `_Repeated` one where keys are equal."""
    made = dict(pairs)
    return made if len(made) == len(pairs) else _Repeated(pairs)


def _no_constant(name: str) -> NoReturn:
    """NaN and Infinity are Python's, not JSON's."""
    raise ValueError(f"holds {name}, which JSON does not have and ngen cannot read")


def _plain(node: Any, parts: tuple[str | int, ...], file: str, findings: list[Finding]) -> Any:
    """*node* in plain dictionaries and lists; equal keys go to *findings*."""
    if isinstance(node, list):
        return [_plain(item, (*parts, i), file, findings) for i, item in enumerate(node)]
    if not isinstance(node, dict):
        return node
    for key in node.again if isinstance(node, _Repeated) else ():
        message = f"the key {key!r} is written more than once; ngen takes the first and ignores the others"
        where, remedy = json_path((*parts, key)), "keep one of them"
        findings.append(Finding("warning", "duplicate-key", message, file, where, remedy=remedy))
    return {key: _plain(value, (*parts, key), file, findings) for key, value in node.items()}


def _syntax(file: str, text: str, problem: json.JSONDecodeError) -> Finding:
    """What the parser stumbled over, with the usual causes."""
    lines = text.splitlines()
    line = lines[problem.lineno - 1] if problem.lineno <= len(lines) else ""
    before = text[: problem.pos].rstrip()
    at = text[problem.pos : problem.pos + 1]
    if "//" in line[problem.colno - 1 :] or line.lstrip().startswith(("#", "//", "/*")):
        remedy = "remove the comment: JSON has none"
    elif not text.strip():
        remedy = "the file is empty: write the realization into it"
    elif before.endswith(",") or at == ",":
        remedy = "remove the comma that nothing follows"
    elif at == "'":
        remedy = "use double quotes"
    else:
        remedy = "look at this line and the one before it for a missing comma, quote or bracket"
    where = f"line {problem.lineno}, column {problem.colno}"
    return Finding("error", "json-syntax", f"is not JSON: {problem.msg}", file, where, remedy=remedy)
