"""Configuration files of single modules: ``key=value[units]``, one per line and catchment.

A `ConfigSchema` says which keys there are; `read` turns one file into values and a
list of problems, never raising for what is in the file; `stack` makes arrays over
catchments of many. Units in brackets are compared with the schema's, never converted:
ngen does not read them either.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Config", "ConfigSchema", "Key", "Parameters", "Problem", "parse", "read", "stack"]

#: Values of many catchments: name to array of shape (catchments,) or, for lists,
#: (catchments, longest) padded with NaN.
Parameters = Mapping[str, NDArray[np.float64]]

Kind = Literal["number", "integer", "numbers", "choice", "flag", "text"]

_TRUE = frozenset({"1", "true", "yes", "t"})
_FALSE = frozenset({"0", "false", "no", "f"})


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a configuration file."""

    #: Key, as written in the file.
    key: str
    #: What is wrong, in plain words.
    message: str
    #: What to do.
    remedy: str = ""
    #: Whether the run must not start.
    fatal: bool = True


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a configuration file."""

    #: Name used in the engine.
    name: str
    #: What the value is.
    kind: Kind = "number"
    #: Unit the value is in.
    unit: str = "1"
    #: What it means, a few words.
    doc: str = ""
    #: Value where the key is absent; None makes the key required, NaN means none.
    default: float | None = None
    #: Spellings in files besides *name*.
    spellings: tuple[str, ...] = ()
    #: For a choice: spelling to number.
    choices: Mapping[str, float] = field(default_factory=dict)
    #: Lowest and highest value allowed, both included.
    bounds: tuple[float, float] = (-math.inf, math.inf)


@dataclass(frozen=True)
class ConfigSchema:
    """All keys of a module's configuration file."""

    #: The keys, in the order of the documentation.
    keys: tuple[Key, ...]
    #: Further checks on a whole file: its text values by name, and its numbers.
    inspect: Callable[[Config], Iterable[Problem]] | None = None
    #: The same over arrays, quick and coarse: which files `inspect` would say something about.
    suspicious: Callable[[Parameters], NDArray[np.bool_]] | None = None
    #: Keys that mean nothing here but are no mistake.
    ignored: frozenset[str] = frozenset()
    #: Spelling to key; made of *keys*.
    by_spelling: Mapping[str, Key] = field(init=False)

    def __post_init__(self) -> None:
        table = {s: key for key in self.keys for s in (key.name, *key.spellings)}
        object.__setattr__(self, "by_spelling", table)


@dataclass(frozen=True)
class Config:
    """One file, read."""

    #: Number or numbers by the engine's name.
    values: Mapping[str, float | Sequence[float]]
    #: The text of every key found, as written, in the order of the file.
    text: Mapping[str, str]
    #: What is wrong.
    problems: tuple[Problem, ...]


def read(schema: ConfigSchema, path: Path) -> Config:
    """Read one file.

    Parameters
    ----------
    schema : ConfigSchema
        The keys there are.
    path : Path
        The file.

    Returns
    -------
    Config
        Values and problems; an unreadable file is a problem too.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as problem:
        reason = problem.strerror or str(problem)
        return Config({}, {}, (Problem("", f"cannot be read: {reason}", "make the file or correct init_config"),))
    return parse(schema, text)


def parse(schema: ConfigSchema, text: str) -> Config:
    """Parse the text of one file; see `read`."""
    values: dict[str, float | Sequence[float]] = {}
    raw: dict[str, str] = {}
    problems: list[Problem] = []
    for line in text.splitlines():
        spelled, equals, rest = line.partition("=")
        spelled = spelled.strip()
        if not equals or spelled.startswith("#"):
            continue
        raw[spelled] = rest
        key = schema.by_spelling.get(spelled)
        if key is None:
            if spelled not in schema.ignored:
                problems.append(_unknown(schema, spelled))
            continue
        value, _, unit = rest.partition("[")
        try:
            values[key.name] = _value(key, value.strip())
        except ValueError as problem:
            problems.append(Problem(spelled, str(problem), f"give {_wanted(key)}"))
            values[key.name] = math.nan
        unit = unit.partition("]")[0].strip()
        if unit and key.kind == "number" and unit != key.unit and not _same(unit, key.unit):
            problems.append(
                Problem(
                    spelled,
                    f"is written in [{unit}], but ngen reads it as [{key.unit}] and converts nothing",
                    f"write the value in {key.unit}",
                    fatal=False,
                )
            )
    for key in schema.keys:
        if key.name in values:
            continue
        if key.default is None:
            problems.append(
                Problem(
                    key.name if not key.spellings else key.spellings[0],
                    "is missing and required",
                    f"add {_wanted(key)}: {key.doc}",
                )
            )
        else:
            values[key.name] = key.default
    config = Config(values, raw, tuple(problems))
    if schema.inspect is not None:
        return Config(values, raw, (*problems, *schema.inspect(config)))
    return config


def stack(schema: ConfigSchema, configs: Sequence[Config]) -> dict[str, NDArray[np.float64]]:
    """Arrays over catchments of many files.

    Parameters
    ----------
    schema : ConfigSchema
        The keys there are.
    configs : sequence of Config
        One per catchment, without fatal problems.

    Returns
    -------
    dict of str to array
        Shape (catchments,) for single values; (catchments, longest) for lists, padded
        with NaN.
    """
    table: dict[str, NDArray[np.float64]] = {}
    for key in schema.keys:
        column = [config.values[key.name] for config in configs]
        if key.kind != "numbers":
            table[key.name] = np.array(column, dtype=np.float64)
            continue
        rows = [np.atleast_1d(np.asarray(row, dtype=np.float64)) for row in column]
        block = np.full((len(rows), max((len(r) for r in rows), default=0)), np.nan)
        for i, row in enumerate(rows):
            block[i, : len(row)] = row
        table[key.name] = block
    return table


def _value(key: Key, text: str) -> float | Sequence[float]:
    """*text* as a number of the key's kind; ValueError says what is wrong with it."""
    if key.kind == "text":
        return math.nan
    if key.kind == "choice":
        if text not in key.choices:
            raise ValueError(f"is {text!r}")
        return key.choices[text]
    if key.kind == "flag":
        if text.lower() in _TRUE | _FALSE:
            return float(text.lower() in _TRUE)
        raise ValueError(f"is {text!r}")
    if text.endswith("%"):
        raise ValueError(f"is {text!r}: ngen ignores the percent sign and takes {text[:-1].strip()} as a fraction")
    try:
        if key.kind == "numbers":
            many = [float(word) for word in text.split(",") if word.strip()]
            numbers: Sequence[float] = many
        else:
            numbers = (float(text),)
    except ValueError:
        raise ValueError(f"is {text!r}, which is not a number") from None
    if not numbers:
        raise ValueError("is empty")
    low, high = key.bounds
    for number in numbers:
        if not low <= number <= high:
            raise ValueError(f"is {number:g}, outside {low:g} to {high:g}")
    if key.kind == "integer" and numbers[0] != int(numbers[0]):
        raise ValueError(f"is {text!r}, which is not a whole number")
    return numbers if key.kind == "numbers" else numbers[0]


def _wanted(key: Key) -> str:
    """What a value of *key* looks like."""
    spelled = key.spellings[0] if key.spellings else key.name
    if key.kind == "choice":
        return f"{spelled} as one of {', '.join(sorted(key.choices))}"
    if key.kind == "flag":
        return f"{spelled}=1 or {spelled}=0"
    if key.kind == "numbers":
        return f"{spelled}= numbers separated by commas, in {key.unit}"
    low, high = key.bounds
    inside = f" from {low:g} to {high:g}" if math.isfinite(low) or math.isfinite(high) else ""
    return f"{spelled}= a number in {key.unit}{inside}"


def _unknown(schema: ConfigSchema, spelled: str) -> Problem:
    """A key nobody reads, with the nearest one that is."""
    import difflib

    near = difflib.get_close_matches(spelled, schema.by_spelling, n=1, cutoff=0.75)
    remedy = f"did you mean {near[0]}?" if near else "remove it"
    return Problem(spelled, "is not a key that is read; ngen ignores it silently", remedy, fatal=False)


def _same(unit: str, other: str) -> bool:
    """Whether two spellings are one unit."""
    from dmod.errors import UnitsError
    from dmod.units import conversion

    try:
        return conversion(unit, other).is_identity
    except UnitsError:
        return False
