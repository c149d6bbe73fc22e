"""Parquet: a long table of values, one file or a directory of them; TEEHR's layout among them.

Only the columns that are needed are read, and of them the row groups that can hold the sites
and the period. Text is kept as codes, numbers as they lie.
"""

from __future__ import annotations

import numpy as np

from dmod.errors import ObservationError, listed
from dmod.evaluation.instants_utc import NAIVE
from dmod.evaluation.records import Asked, Records, counted, labels, one_label
from dmod.evaluation.sources import Source
from dmod.evaluation.table_columns import (
    CONFIGURATIONS,
    METHODS,
    QUALIFIERS,
    SITES,
    TIMES,
    UNIT_COLUMNS,
    VARIABLES,
    Column,
    column_of,
    named,
    optional,
    picked,
    value_columns,
)  # fmt: skip
from dmod.formats.parquet_table import ParquetTable, open_parquet

__all__ = ["ParquetReader"]


class ParquetReader:
    """Reads parquet."""

    reads = "parquet, a long table (TEEHR's too), one file or a directory"

    def knows(self, source: Source) -> bool:
        """Whether a file begins as parquet does, or a directory has such files in it or below."""
        glance = source.glance
        if glance is None:
            return bool(source.paths) and all(path.suffix == ".parquet" for path in source.paths)
        if not glance.is_directory:
            return glance.head.startswith(b"PAR1")
        if glance.is_zarr:
            return False
        return any(n.endswith(".parquet") for n in glance.names) or any(
            "=" in folder for folder in glance.folders if next(glance.path.joinpath(folder).rglob("*.parquet"), None)
        )

    def read(self, source: Source, asked: Asked) -> Records:
        """The rows of the table."""
        table = open_parquet(source.paths)
        columns = [column_of(name) for name in table.columns]
        notes: list[str] = []
        time = picked(columns, TIMES, "times", source.name)
        variable, where = _filtered(table, columns, asked, source.name, notes)
        value = named(columns, variable, source.name) if variable else value_columns(columns, source.name, notes)[0][1]
        site, unit, said, method = (
            optional(columns, names) for names in (SITES, UNIT_COLUMNS, QUALIFIERS, METHODS)
        )  # fmt: skip
        texts = [column.header for column in (site, unit, said, method) if column is not None]
        wanted = _spellings(table, site, asked)
        rows = table.read(
            time.header, value.header, texts, where=where, sites=wanted, start=asked.start, end=asked.end
        )  # fmt: skip
        count = len(rows.values)
        if not count:
            raise ObservationError(
                f"{source.name} has no values of the sites in the period",
                asked=f"{', '.join(asked.sites or ('all sites',))}; {asked.period()}",
                has=table.extent(time.header, site.header if site else None),
                hint="choose sites and a period of 'has'",
            )
        if rows.naive:
            notes.append(NAIVE)
        found = {name: labels(held) for name, held in rows.texts.items()}
        return Records(
            found[site.header] if site else one_label("", count),
            rows.times,
            rows.values,
            found[unit.header] if unit else one_label(value.suffix, count),
            found[said.header] if said else None,
            found[method.header] if method else None,
            tuple(notes),
        )


def _filtered(
    table: ParquetTable, columns: list[Column], asked: Asked, name: str, notes: list[str]
) -> tuple[str | None, dict[str, str]]:
    """The column of values, if it is named, and which variable and configuration to read of a table with several."""
    where: dict[str, str] = {}
    wanted = asked.variable
    variable = optional(columns, VARIABLES)
    if variable is not None:
        held = table.distinct(variable.header)
        flows = [one for one in held if "streamflow" in one.lower() or "discharge" in one.lower()]
        if wanted in held:
            where[variable.header], wanted = str(wanted), None
        elif len(held) > 1:
            if len(flows) != 1:
                raise ObservationError(
                    f"{name} has values of more than one variable",
                    has=", ".join(held),
                    hint="name one of 'has' with variable='...'",
                )
            where[variable.header] = flows[0]
            notes.append(f"{flows[0]} taken of {counted(len(held), 'variable')}")
    configuration = optional(columns, CONFIGURATIONS)
    if configuration is not None and len(several := table.distinct(configuration.header)) > 1:
        raise ObservationError(
            f"{name} has values of more than one configuration",
            has=", ".join(several),
            hint="give the directory or file of one of them",
        )
    return wanted, where


def _spellings(table: ParquetTable, site: Column | None, asked: Asked) -> list[str] | None:
    """The sites wanted as the table spells them; None for all."""
    if site is None or asked.sites is None:
        return None
    names = table.distinct(site.header)
    places, _ = asked.found(names)
    if not places:
        raise ObservationError(
            f"{table.paths[0].name} has none of the sites asked for",
            asked=", ".join(asked.sites[:5]),
            has=listed(sorted(names)),
            hint="choose sites of 'has'; mind leading zeros",
        )
    return [names[at] for at in np.sort(places)]
