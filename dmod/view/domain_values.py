"""A variable of a run's outputs, by catchment: what a map is filled with over time.

Only what the map shows is read: its catchments, and as many steps as a browser takes.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dmod.errors import InputError, SelectionError
from dmod.formats.output_variables import CATCHMENT, FLOWPATH, NEXUS
from dmod.view.domain_explore import VALUES_BYTES, shown_of
from dmod.view.domain_flow import rivers_of

if TYPE_CHECKING:
    import xarray as xr

    from dmod.view.domain_plot import Drawable

__all__ = ["flows_of"]


def flows_of(
    domain: Drawable, outputs: xr.Dataset | None, variable: str | None, *, most: int
) -> tuple[pd.DataFrame, list[str]]:
    """Values of a variable for each catchment on the map, a column for each step, and what was left out.

    Raises
    ------
    InputError
        If outputs or variable is missing, or the variable has further dimensions.
    SelectionError
        If there is no such variable, or none of its places is on the map.
    """
    if outputs is None or variable is None:
        known = [] if outputs is None else [str(name) for name in outputs.data_vars]
        raise InputError(
            "a map over time needs outputs and the name of one variable",
            has=", ".join(known) or None,
            hint="DomainMap(domain, outputs=job.outputs, variable='Q_OUT')",
        )
    if variable not in outputs.data_vars:
        known = [str(name) for name in outputs.data_vars]
        raise SelectionError(
            f"the outputs have no variable {variable!r}",
            has=", ".join(known),
            nearest=", ".join(difflib.get_close_matches(variable, known, n=3)) or "none",
        )
    held = outputs[variable]
    place = next((str(dim) for dim in held.dims if dim in (CATCHMENT, NEXUS, FLOWPATH)), None)
    steps = [str(dim) for dim in held.dims if dim != place]
    if place is None or len(steps) > 1:
        raise InputError(
            f"{variable!r} is not one value for each place and instant",
            has=", ".join(map(str, held.dims)),
            needed=f"{CATCHMENT}, {NEXUS} or {FLOWPATH}, and time",
        )
    table = shown_of(domain, most).divides(columns=["toid"], geometry=False).iloc[:most]
    at = pd.Index(held[place].to_numpy().astype(str)).get_indexer(_places(domain, table, place))
    if not (at >= 0).any():
        raise SelectionError(
            f"none of the places of {variable!r} is on the map",
            needed=f"catchments such as {table.index[0]}",
            has=f"{place} such as {held[place].to_numpy()[0]}" if held.sizes[place] else "nothing",
        )
    return _read(held, place, steps, table.index[at >= 0], at[at >= 0], name=variable)


def _places(domain: Drawable, table: Any, place: str) -> Any:
    """What stands for each catchment among the places of a variable."""
    if place == CATCHMENT:
        return table.index
    if place == NEXUS:
        return table["toid"]
    rivers = rivers_of(domain, [], geometry=False)
    owned = pd.Series(rivers.index, index=rivers["divide_id"])
    return owned[~owned.index.duplicated()].reindex(table.index)


def _read(
    held: xr.DataArray, place: str, steps: list[str], ids: pd.Index, at: Any, *, name: str
) -> tuple[pd.DataFrame, list[str]]:
    chosen, remarks, columns = held.isel({place: at}), [], pd.Index([""])
    if steps:
        (time,) = steps
        count = held.sizes[time]
        every = -(-count // max(VALUES_BYTES // (4 * len(ids)), 1))
        chosen = chosen.isel({time: slice(None, None, every)}).transpose(place, time)
        columns = pd.Index(chosen[time].to_numpy())
        if every > 1:
            remarks.append(f"one of {every:,} steps is shown, {chosen.sizes[time]:,} of {count:,}")
    numbers = np.asarray(chosen.to_numpy(), dtype=np.float32).reshape(len(ids), -1)
    table = pd.DataFrame(numbers, index=ids, columns=columns)
    where = {NEXUS: " at the nexus below", FLOWPATH: " of the flowpath"}.get(place, "")
    table.attrs = {"name": f"{name}{where}", "units": held.attrs.get("units")}
    return table, remarks
