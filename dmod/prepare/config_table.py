"""Configuration files of one module as a table: keys by catchments, each value with its source.

A `ConfigColumn` is one key: from an attribute of the hydrofabric, from a table of classes, or
a documented default. A `ConfigTable` gives the text of each catchment's file, and says where
every value comes from. Which keys a module needs is in `cfe_config` and `pet_config`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dmod.errors import ConfigError
from dmod.model.configs import ConfigSchema

__all__ = ["ConfigColumn", "ConfigTable", "Source", "by_class", "constant", "from_attribute"]

#: What a source's catchments are called where it is all of them.
_ALL = "all"
_BY_HAND = "formulation"


@dataclass(frozen=True, slots=True)
class Source:
    """Where one value of a parameter comes from, in some catchments."""

    #: The module, small letters.
    module: str
    #: The key in its files.
    parameter: str
    #: The value, or the least and the greatest.
    value: str
    #: Attribute of the hydrofabric, default, or formulation.
    source: str
    #: Unit of the value; ``1`` for none.
    unit: str
    #: Ids of the catchments, with blanks between; ``all`` for all.
    catchments: str


@dataclass(frozen=True)
class ConfigColumn:
    """One key of a module's configuration, for all catchments."""

    #: The key as it stands in the files.
    key: str
    #: Text for each catchment; None where there is no value.
    texts: tuple[str | None, ...]
    #: Where each comes from.
    sources: tuple[str, ...]
    #: Unit; ``1`` for none.
    unit: str = "1"
    #: Other spellings, written too: versions of a module differ in what they read.
    also: tuple[str, ...] = ()

    def lines(self, row: int, brackets: bool) -> Iterator[str]:
        """What stands in the file of a catchment; with its unit in brackets, or without."""
        bracket = f"[{self.unit}]" if brackets and self.unit != "1" else ""
        for key in (self.key, *self.also):
            yield f"{key}={self.texts[row]}{bracket}"


@dataclass(frozen=True)
class ConfigTable:
    """All configuration files of one module."""

    #: The module, small letters.
    module: str
    #: Ids of the catchments.
    ids: tuple[str, ...]
    #: Keys, in the order of the files.
    columns: tuple[ConfigColumn, ...]
    #: Whether units stand behind values; not where keys already say them.
    brackets: bool = True

    def text(self, row: int) -> str:
        """The file of one catchment, by its place in `ids`."""
        return "".join(f"{line}\n" for column in self.columns for line in column.lines(row, self.brackets))

    def with_keys(self, keys: Mapping[str, str], schema: ConfigSchema) -> ConfigTable:
        """The same with some keys set by hand, in any of the spellings that *schema* knows."""
        columns = list(self.columns)
        for key, text in keys.items():
            meant = schema.by_spelling.get(key)
            spellings = {key} if meant is None else {meant.name, *meant.spellings}
            place = next((i for i, column in enumerate(columns) if column.key in spellings), len(columns))
            old = columns[place] if place < len(columns) else ConfigColumn(key, (), ())
            count = len(self.ids)
            columns[place:] = [replace(old, texts=(text,) * count, sources=(_BY_HAND,) * count), *columns[place + 1 :]]
        return replace(self, columns=tuple(columns))

    def require(self) -> None:
        """Raise `ConfigError` unless every catchment has every value."""
        for column in self.columns:
            absent = [name for name, text in zip(self.ids, column.texts, strict=True) if text is None]
            if absent:
                raise ConfigError(
                    f"{len(absent):,} of {len(self.ids):,} catchments have no value for {column.key} of {self.module}",
                    source=column.sources[column.texts.index(None)],
                    missing=", ".join(absent[:3]) + (", …" if len(absent) > 3 else ""),
                    hint="leave them out, or set the key for them with Formulation.with_configs",
                )

    def write(self, folder: Path) -> None:
        """Write ``<id>.ini`` for every catchment; the folder is made."""
        folder.mkdir(parents=True, exist_ok=True)
        for row, name in enumerate(self.ids):
            (folder / f"{name}.ini").write_text(self.text(row))

    def sources(self, of: int) -> Iterator[Source]:
        """Where every value comes from: a row for each key, more where its catchments differ in the source.

        Parameters
        ----------
        of : int
            How many catchments there are in all, in this table and others; those of a row are listed
            where it is fewer.
        """
        for column in self.columns:
            for source in dict.fromkeys(column.sources):
                rows = [row for row, one in enumerate(column.sources) if one == source]
                values = [str(column.texts[row]) for row in rows]
                ids = _ALL if len(rows) == of else " ".join(self.ids[row] for row in rows)
                for key in (column.key, *column.also):
                    yield Source(self.module, key, _extent(values), source, column.unit, ids)


def constant(key: str, text: str, count: int, *, unit: str = "1", why: str, also: tuple[str, ...] = ()) -> ConfigColumn:
    """A key that is the same everywhere; *why* says where it comes from."""
    return ConfigColumn(key, (text,) * count, (why,) * count, unit, also)


def from_attribute(
    key: str,
    attributes: pd.DataFrame,
    column: str,
    *,
    unit: str = "1",
    convert: Callable[[float], float] | None = None,
    how: str = "",
    default: str | None = None,
) -> ConfigColumn:
    """A key from an attribute of the hydrofabric.

    Parameters
    ----------
    key : str
        As it stands in the files.
    attributes : DataFrame
        A row per catchment.
    column : str
        The attribute.
    unit : str
        Unit of the value that is written.
    convert : callable, optional
        Makes the attribute that value.
    how : str
        What *convert* does, after the attribute's name: ``/ 1000``.
    default : str, optional
        Where the attribute is missing; no value if not given.

    Returns
    -------
    ConfigColumn
        Values with all their digits.
    """
    numbers = attributes[column].to_numpy(dtype=np.float64)
    told = f"{column} {how}".strip()
    texts: list[str | None] = []
    sources = []
    for number in numbers.tolist():
        there = np.isfinite(number)
        texts.append(repr(convert(number) if convert else number) if there else default)
        sources.append(told if there or default is None else f"default, for {column} is missing")
    return ConfigColumn(key, tuple(texts), tuple(sources), unit)


def by_class(
    key: str, attributes: pd.DataFrame, column: str, table: Mapping[int, float], *, unit: str = "1", of: str
) -> ConfigColumn:
    """A key from a table of classes; *of* is the table, for the source. Classes out of it give no value."""
    numbers: NDArray[np.float64] = attributes[column].to_numpy(dtype=np.float64)
    found = [table.get(int(number)) if np.isfinite(number) else None for number in numbers.tolist()]
    texts = tuple(None if value is None else repr(float(value)) for value in found)
    return ConfigColumn(key, texts, (f"{of} of {column}",) * len(texts), unit)


def _extent(values: Sequence[str]) -> str:
    """One value, or the least and the greatest."""
    if len(set(values)) == 1:
        return values[0]
    try:
        numbers = sorted(values, key=float)
    except ValueError:
        return f"{len(set(values))} values"
    return f"{numbers[0]} .. {numbers[-1]}"
