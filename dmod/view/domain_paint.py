"""What a map's catchments are filled with: plain, values along a ramp, or parts by colour.

`choose` turns what a user gives into a `Paint`, for the still and the interactive map
alike, so that they never disagree. It takes care of ids and units; nothing here draws.
"""

from __future__ import annotations

import colorsys
import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dmod.errors import InputError, SelectionError
from dmod.view.domain_flow import rivers_of
from dmod.view.palette import BORDER

if TYPE_CHECKING:
    from dmod.view.domain_plot import Drawable

__all__ = ["Paint", "choose", "part_colours"]

#: What the columns of a hydrofabric are in, and are called.
_COLUMNS = {
    "areasqkm": "area [km²]",
    "area_km2": "area [km²]",
    "lengthkm": "length [km]",
    "tot_drainage_areasqkm": "drainage area [km²]",
    "order": "stream order",
    # What a domain says of its places.
    "drainage_area": "drainage area [km²]",
    "distance_to_outlet": "distance to outlet",
    "strahler": "Strahler order",
    "levelpath": "level path",
}
#: Told apart by people who see red and green alike.
_PARTS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#b8a800", "#7a5195")
#: Text in more values than this is no kind but a name, and cannot be told apart by colour.
_KINDS = 64


@dataclass(frozen=True, eq=False)
class Paint:
    """What each catchment of a map is filled with."""

    #: ``plain``, ``ramp`` (numbers) or ``parts`` (kinds).
    kind: Literal["plain", "ramp", "parts"]
    #: What is shown, with units; empty if plain.
    label: str = ""
    #: Numbers, shape (steps, catchments), NaN where there is none; of a ramp only.
    values: NDArray[np.float32] | None = None
    #: Names of the steps; empty unless values change in time.
    steps: tuple[str, ...] = ()
    #: Which of *names* each catchment is of, shape (catchments,), -1 for none; of parts only.
    part: NDArray[np.int32] | None = None
    #: Names of the parts.
    names: tuple[str, ...] = ()

    @property
    def span(self) -> tuple[float, float]:
        """The least and the greatest value; (0, 1) if there is none."""
        if self.values is None or not (finite := np.isfinite(self.values)).any():
            return 0.0, 1.0
        return float(self.values[finite].min()), float(self.values[finite].max())

    def colours(self) -> NDArray[Any]:
        """Colour of each catchment that is of a part, shape (catchments,); the map's border if of none."""
        assert self.part is not None
        return np.array([*part_colours(len(self.names)), BORDER])[self.part]


def choose(
    domain: Drawable, ids: pd.Index, *, column: str | None = None, values: Any = None, partition: Any = None
) -> Paint:
    """What to fill the catchments *ids* of *domain* with.

    Parameters
    ----------
    domain : Drawable
        Where *column* is looked up: in its divides, else in its flowpaths.
    ids : pandas.Index, length (catchments,)
        The catchments on the map.
    column : str, optional
        An attribute: numbers make a ramp, text makes parts.
    values : Series, DataFrame, DataArray or mapping, optional
        Numbers by catchment id; the columns of a DataFrame are steps in time. Units are
        taken from ``attrs["units"]``.
    partition : Series or mapping, optional
        Part by catchment id.

    Raises
    ------
    InputError
        If more than one of the three is given, an id comes twice, or values are not numbers.
    SelectionError
        If there is no such column, or no catchment of the map is among the values.
    """
    given = [name for name, it in (("column", column), ("values", values), ("partition", partition)) if it is not None]
    if len(given) > 1:
        raise InputError(
            "a map has one colour for each catchment",
            has=", ".join(given),
            hint="give one of column=, values= and partition=",
        )
    if column is not None:
        return _attribute(domain, ids, column)
    if values is not None:
        return _ramp(ids, _table(values, "values"))
    if partition is not None:
        return _parts(_aligned(_table(partition, "partition"), ids, "partition").iloc[:, 0], "part")
    return Paint("plain")


def part_colours(count: int) -> list[str]:
    """Colours of *count* parts, as ``#rrggbb``; neighbours differ, and the first eight for every eye."""
    more = []
    for n in range(len(_PARTS), count):
        # Steps of the golden section never come close to a hue that was just used.
        red, green, blue = colorsys.hls_to_rgb(0.618034 * n % 1, (0.42, 0.58, 0.72)[n % 3], (0.75, 0.5)[n % 2])
        more.append(f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}")
    return [*_PARTS[:count], *more]


def _attribute(domain: Drawable, ids: pd.Index, column: str) -> Paint:
    """The paint of an attribute of the catchments or of their flowpaths."""
    divides = domain.divides(geometry=False)
    if column in divides.columns:
        found = divides[column]
    else:
        flowpaths = rivers_of(domain, geometry=False)
        if column not in flowpaths.columns:
            known = sorted({*map(str, divides.columns), *map(str, flowpaths.columns)})
            raise SelectionError(
                f"the hydrofabric has no column {column!r}",
                has=", ".join(known),
                nearest=", ".join(difflib.get_close_matches(column, known, n=3)) or "none",
                hint="give a column of divides or flowpaths",
            )
        found = flowpaths.set_index("divide_id")[column]
    found = found[~found.index.duplicated()].reindex(ids)
    if pd.api.types.is_numeric_dtype(found) and not pd.api.types.is_bool_dtype(found):
        label = _labelled(column, found.attrs.get("units"))
        return Paint("ramp", label, found.to_numpy(np.float32, na_value=np.nan)[None, :])
    return _parts(found, column)


def _table(given: Any, what: str) -> pd.DataFrame:
    """What was given as a table: catchments down, steps across."""
    if "catchment-id" in getattr(given, "dims", ()):
        attrs, name = given.attrs, given.name
        given = given.transpose("catchment-id", ...).to_pandas()
        given.attrs = {**attrs, "name": name}
    if isinstance(given, pd.DataFrame):
        table = given
    else:
        series = given if isinstance(given, pd.Series) else pd.Series(dict(given))
        table = series.to_frame()
        table.attrs = {"name": series.name, **series.attrs}
    if not len(table.columns):
        raise InputError(f"{what} has no column", hint="give a column for each step")
    if table.index.has_duplicates:
        twice = table.index[table.index.duplicated()][:3]
        raise InputError(
            f"{what} has a catchment twice", has=", ".join(map(str, twice)), hint="give one value for each catchment id"
        )
    return table


def _aligned(table: pd.DataFrame, ids: pd.Index, what: str) -> pd.DataFrame:
    """The rows of *table* in the order of *ids*."""
    if len(ids) and not ids.isin(table.index).any():
        raise SelectionError(
            f"none of the catchments on the map is in {what}",
            needed=f"ids such as {ids[0]}",
            has=f"{len(table)} ids such as {table.index[0]}" if len(table) else "nothing",
            hint="the index holds catchment ids, as the hydrofabric has them",
        )
    return table.reindex(ids)


def _ramp(ids: pd.Index, table: pd.DataFrame) -> Paint:
    """The paint of numbers."""
    rows = _aligned(table, ids, "values")
    try:
        numbers = rows.to_numpy(np.float32, na_value=np.nan)
    except (TypeError, ValueError) as problem:
        raise InputError("values are not numbers", reason=problem, hint="give kinds as partition=") from problem
    label = _labelled(str(table.attrs.get("name") or "value"), table.attrs.get("units"))
    steps = tuple(_moment(step) for step in table.columns) if len(table.columns) > 1 else ()
    return Paint("ramp", label, np.ascontiguousarray(numbers.T), steps)


def _parts(kinds: pd.Series[Any], label: str) -> Paint:
    """The paint of kinds: numbered by their order, numbers as numbers."""
    codes, names = pd.factorize(kinds, sort=True)
    if label != "part" and len(names) > _KINDS:
        raise InputError(
            f"{label!r} has {len(names)} different texts, too many to tell apart by colour",
            hint="choose a column of numbers, or of a few kinds",
        )
    return Paint("parts", label, part=codes.astype(np.int32), names=tuple(_named(name) for name in names))


def _named(part: Any) -> str:
    """A part's name; partitions with gaps come as floats."""
    return str(int(part)) if isinstance(part, float) and part.is_integer() else str(part)


def _labelled(name: str, units: Any) -> str:
    """A name with its units."""
    name = _COLUMNS.get(name, name)
    return f"{name} [{units}]" if units and not name.endswith("]") else name


def _moment(step: Any) -> str:
    """The name of a step; instants without seconds."""
    if isinstance(step, np.datetime64 | pd.Timestamp):
        return f"{pd.Timestamp(step):%Y-%m-%d %H:%M} UTC"
    return str(step)
