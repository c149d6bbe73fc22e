"""Configuration files of thousands of catchments, read at once.

Files of one domain are mostly alike: the same lines with other numbers. The first file of
a kind becomes a pattern; those that fit it give their numbers in one call each, and the
numbers are checked as arrays. Whatever does not fit, or looks wrong, is read by
`dmod.model.configs.read`, which finds the words for it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dmod.model.configs import Config, ConfigSchema, Key, Problem, parse, read, stack

__all__ = ["Batch", "read_many"]

_PATTERNS = 16
_NUMERIC = ("number", "integer", "numbers")


@dataclass(frozen=True)
class Batch:
    """Many files of one kind, read."""

    #: Values by key, shape (files,) or (files, longest); empty where a file has fatal problems.
    parameters: Mapping[str, NDArray[np.float64]]
    #: What is wrong: the place of the file, and the problem.
    problems: tuple[tuple[int, Problem], ...]
    #: Digest of all texts, in order.
    digest: str


@dataclass(frozen=True)
class _Pattern:
    """Files that are alike but for their numbers."""

    #: Matches the whole text; one group per number or list.
    regex: re.Pattern[str]
    #: The key of each group.
    keys: tuple[Key, ...]
    #: The file it was made of: what it has besides numbers all have.
    first: Config
    #: What is wrong with every one of them, whatever its numbers.
    problems: tuple[Problem, ...]


def read_many(schema: ConfigSchema, paths: Sequence[str]) -> Batch:
    """Read one file per catchment.

    Parameters
    ----------
    schema : ConfigSchema
        The keys there are.
    paths : sequence of str
        One per catchment; a path named twice is read once.

    Returns
    -------
    Batch
        Values and problems.
    """
    unique = list(dict.fromkeys(paths))
    texts, problems = _texts(unique)
    configs: dict[int, Config] = dict(problems)
    patterns: list[tuple[_Pattern, list[int], list[tuple[str, ...]]]] = []
    for place, text in texts.items():
        for pattern, members, rows in patterns:
            if (found := pattern.regex.fullmatch(text)) is not None:
                members.append(place)
                rows.append(found.groups())
                break
        else:
            config = parse(schema, text)
            configs[place] = config
            if len(patterns) < _PATTERNS and not any(p.fatal for p in config.problems):
                patterns.append((_pattern(schema, text, config), [], []))
    columns: dict[int, _Columns] = {}
    for pattern, members, rows in patterns:
        taken, odd = _numbers(schema, pattern, rows)
        for k in np.flatnonzero(odd):
            configs[members[k]] = parse(schema, texts[members[k]])
        columns.update({place: _Columns(taken, k, pattern) for k, place in enumerate(members) if not odd[k]})
    return _joined(schema, unique, paths, configs, columns, texts)


@dataclass(frozen=True, slots=True)
class _Columns:
    """One file among those of a pattern."""

    table: Mapping[str, NDArray[np.float64]]
    row: int
    pattern: _Pattern


def _texts(paths: Sequence[str]) -> tuple[dict[int, str], dict[int, Config]]:
    """The text of each file, and what cannot be read."""
    texts: dict[int, str] = {}
    unread: dict[int, Config] = {}
    for place, path in enumerate(paths):
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - a Path per file costs more than the file
                texts[place] = file.read().decode("utf-8", "replace").replace("\r\n", "\n")
        except OSError:
            unread[place] = read(ConfigSchema(()), Path(path))
    return texts, unread


def _pattern(schema: ConfigSchema, text: str, config: Config) -> _Pattern:
    """What files like this one have in common."""
    lines, keys = [], []
    for line in text.rstrip("\n").split("\n"):
        left, equals, rest = line.partition("=")
        key = schema.by_spelling.get(left.strip())
        if not equals or left.strip().startswith("#"):
            lines.append("[^\n]*" if left.strip().startswith("#") or not left.strip() else re.escape(line))
        elif key is None:
            lines.append(re.escape(left + "=") + "[^\n]*")
        elif key.kind in _NUMERIC:
            _, bracket, unit = rest.partition("[")
            lines.append(re.escape(left + "=") + r"([^\[\n]*)" + re.escape(bracket + unit))
            keys.append(key)
        else:
            lines.append(re.escape(line))
    numeric = {spelled for key in keys for spelled in (key.name, *key.spellings)}
    plain = parse(replace(schema, inspect=None), text).problems
    # What `inspect` says of a number is said of that file alone.
    problems = (*plain, *(p for p in config.problems[len(plain) :] if p.key not in numeric))
    return _Pattern(re.compile("\n".join(lines) + "\n*"), tuple(keys), config, problems)


def _numbers(
    schema: ConfigSchema, pattern: _Pattern, rows: Sequence[tuple[str, ...]]
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.bool_]]:
    """The numbers of files of one pattern as arrays, and which files want a closer look."""
    odd = np.zeros(len(rows), dtype=bool)
    table: dict[str, NDArray[np.float64]] = {}
    for key in schema.keys:
        value = pattern.first.values[key.name]
        if key.kind == "numbers":
            one = np.atleast_1d(np.asarray(value, dtype=np.float64))
            table[key.name] = np.tile(one, (len(rows), 1))
        else:
            table[key.name] = np.full(len(rows), value, dtype=np.float64)
    for place, key in enumerate(pattern.keys):
        words = [row[place] for row in rows]
        table[key.name], bad = _lists(words) if key.kind == "numbers" else _column(words)
        low, high = key.bounds
        with np.errstate(invalid="ignore"):
            outside: NDArray[np.bool_] = np.asarray(~((table[key.name] >= low) & (table[key.name] <= high)))
        if key.kind == "integer":
            outside |= table[key.name] != np.floor(table[key.name])
        if key.kind == "numbers":
            # Padding is NaN and counts as nothing wrong.
            outside = np.asarray((outside & ~np.isnan(table[key.name])).any(axis=1))
        odd |= bad | outside
    if schema.suspicious is not None and len(rows):
        odd |= schema.suspicious(table)
    return table, odd


def _column(words: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Words as numbers; those that are none are NaN and marked."""
    try:
        return np.array(words, dtype=np.str_).astype(np.float64), np.zeros(len(words), dtype=bool)
    except ValueError:
        numbers = np.array([_number(word) for word in words])
        return numbers, np.isnan(numbers)


def _lists(words: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Lists of numbers, padded with NaN; those with a word that is none are marked."""
    rows = [[_number(part) for part in word.split(",") if part.strip()] for word in words]
    block = np.full((len(rows), max((len(row) for row in rows), default=0)), np.nan)
    bad = np.zeros(len(rows), dtype=bool)
    for i, row in enumerate(rows):
        block[i, : len(row)] = row
        bad[i] = not row or any(number != number for number in row)
    return block, bad


def _number(word: str) -> float:
    """One number; NaN where it is none."""
    try:
        return float(word)
    except ValueError:
        return float("nan")


def _joined(
    schema: ConfigSchema,
    unique: Sequence[str],
    paths: Sequence[str],
    configs: Mapping[int, Config],
    columns: Mapping[int, _Columns],
    texts: Mapping[int, str],
) -> Batch:
    """Everything in the order of *paths*."""
    digest = hashlib.sha256()
    for place in range(len(unique)):
        digest.update(texts.get(place, "").encode() + b"\0")
    place_of = {path: place for place, path in enumerate(unique)}
    order = [place_of[path] for path in paths]
    problems = [
        (i, problem)
        for i, place in enumerate(order)
        for problem in (configs[place] if place in configs else columns[place].pattern).problems
    ]
    if any(problem.fatal for _, problem in problems):
        return Batch({}, tuple(problems), digest.hexdigest())
    return Batch(_assembled(schema, order, configs, columns), tuple(problems), digest.hexdigest())


def _assembled(
    schema: ConfigSchema, order: Sequence[int], configs: Mapping[int, Config], columns: Mapping[int, _Columns]
) -> dict[str, NDArray[np.float64]]:
    """The values of all files, in order: from those read alone, and from those of a pattern."""
    alone = [i for i, place in enumerate(order) if place in configs]
    table = stack(schema, [configs[order[i]] for i in alone])
    parts: list[tuple[NDArray[np.intp], NDArray[np.intp], Mapping[str, NDArray[np.float64]]]] = []
    if alone:
        parts.append((np.array(alone), np.arange(len(alone)), table))
    members: dict[int, tuple[list[int], list[int], Mapping[str, NDArray[np.float64]]]] = {}
    for i, place in enumerate(order):
        if place not in configs:
            column = columns[place]
            rows = members.setdefault(id(column.table), ([], [], column.table))
            rows[0].append(i)
            rows[1].append(column.row)
    parts += [(np.array(here), np.array(there), values) for here, there, values in members.values()]
    full: dict[str, NDArray[np.float64]] = {}
    for key in schema.keys:
        if key.kind != "numbers":
            full[key.name] = np.empty(len(order))
            for here, there, values in parts:
                full[key.name][here] = values[key.name][there]
            continue
        width = max((values[key.name].shape[1] for _, _, values in parts), default=0)
        full[key.name] = np.full((len(order), width), np.nan)
        for here, there, values in parts:
            full[key.name][here, : values[key.name].shape[1]] = values[key.name][there]
    return full
