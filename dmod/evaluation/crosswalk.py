"""Which observed site belongs to which place of a run.

`crosswalk_of` reads it from a table, a file or a domain; `matched` brings two series onto the
same places. A site that belongs nowhere is left out with its reason, and the rest goes on.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from dmod.errors import ObservationError, listed
from dmod.evaluation.given import labels_of, place_of
from dmod.evaluation.instants import picked

__all__ = ["GAGE", "bare", "crosswalk_of", "matched"]

#: The coordinate that says which observed site belongs to a place.
GAGE = "gage"

_PREFIX = re.compile(r"^(?:usgs|nwis|gages?)[-:_](?=\d)", re.IGNORECASE)
#: Names that a table has for its columns: of sites, and of places.
_SITES = (
    "site", "site_no", "gage", "gage_id", "gages", "usgs_site_code", "location_id", "primary_location_id", "observed",
)  # fmt: skip
_PLACES = (
    "place", "nexus-id", "nexus", "nexus_id", "flowpath-id", "flowpath", "catchment", "feature_id", "nwm_feature_id",
    "secondary_location_id", "simulated", "prediction",
)  # fmt: skip


def bare(site: str) -> str:
    """The number of a gage without what agencies write before it.

    >>> bare("USGS-01073000"), bare("gages-01073000"), bare("nex-27")
    ('01073000', '01073000', 'nex-27')
    """
    return _PREFIX.sub("", site.strip())


def crosswalk_of(given: Any, places: Iterable[str]) -> dict[str, str]:
    """Site to place.

    Parameters
    ----------
    given : mapping, DataFrame, path, or Domain
        A mapping of site to place; a table with a column of each (CSV or JSON, the latter also as
        ``{"cat-27": {"site_no": "0214655255"}}``); or a domain, whose gages stand at nexuses,
        flowpaths and catchments.
    places : iterable of str
        Labels of the places of the run: they tell which column is which, and what a gage of a domain stands at.

    Returns
    -------
    dict of str to str

    Raises
    ------
    ObservationError
        If it cannot be read, or it is open which column holds what.
    """
    known = set(places)
    if hasattr(given, "gages"):
        return _of_domain(given, known)
    if isinstance(given, Mapping):
        return {str(site).strip(): str(place).strip() for site, place in given.items()}
    if isinstance(given, pd.DataFrame):
        return _of_table(given, known, "the crosswalk")
    if isinstance(given, str | os.PathLike):
        return _of_file(Path(given).expanduser(), known)
    raise ObservationError(
        "the crosswalk is nothing that can be read",
        has=type(given).__name__,
        needed="a dict of site to place, a DataFrame, a CSV or JSON file, or a Domain",
    )


def matched(
    sim: xr.DataArray, obs: xr.DataArray, crosswalk: Mapping[str, str] | None = None
) -> tuple[xr.DataArray, xr.DataArray, dict[str, str]]:
    """Both over the same places, in the order of *sim*; single series if there is but one each.

    Parameters
    ----------
    sim : xarray.DataArray, shape ([place,] ..., time)
    obs : xarray.DataArray, shape ([site,] time)
    crosswalk : mapping of str to str, optional
        Site to place; equal labels belong together otherwise.

    Returns
    -------
    sim, obs : xarray.DataArray
        Over the places of *sim*, with the sites as coordinate ``gage`` where they are called otherwise.
    left_out : dict of str to str
        Site to the reason why it is not compared.

    Raises
    ------
    ObservationError
        If it is open which series belong together, or no site has a place.
    """
    place, site = place_of(sim), place_of(obs)
    if crosswalk is not None and (site is not None or labels_of(obs)) and (place is not None or labels_of(sim)):
        return _common(_over(sim, "place"), _over(obs, "site"), crosswalk, one=site is None or obs.sizes[site] == 1)
    if place and site and (sim.sizes[place], obs.sizes[site]) != (1, 1):
        return _common(sim, obs, None, one=False)
    if place is not None and sim.sizes[place] == 1:
        sim, place = sim.isel({place: 0}), None
    if site is not None and obs.sizes[site] == 1:
        obs, site = obs.isel({site: 0}), None
    if place is None and site is None:
        return *_single(sim, obs), {}
    many, role = (sim, "sim") if place else (obs, "obs")
    raise ObservationError(
        "it is open which series belong together",
        **{role: listed(labels_of(many)), "obs" if role == "sim" else "sim": "one series"},
        hint=f"select one place, for example {role}.sel({{'{place or site}': '{labels_of(many)[0]}'}})",
    )


def _single(sim: xr.DataArray, obs: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Two single series that both know their place, and the site as ``gage`` where it is called otherwise."""
    place, site = ([key for key, c in one.coords.items() if _is_label(c)] for one in (sim, obs))
    coords: dict[Any, Any] = {}
    if place:
        coords[place[0]] = str(sim[place[0]].item())
    if site and (not place or labels_of(obs)[0] != coords[place[0]]):
        coords[GAGE if place else site[0]] = str(obs[site[0]].item())
    return sim.drop_vars(place).assign_coords(coords), obs.drop_vars(site).assign_coords(coords)


def _is_label(coord: xr.DataArray) -> bool:
    return coord.ndim == 0 and coord.dtype.kind in "OUSTiu"


def _over(series: xr.DataArray, name: str) -> xr.DataArray:
    """A single series as one of one place."""
    if place_of(series) is not None:
        return series
    label = labels_of(series)[0]
    scalar = next(str(key) for key, c in series.coords.items() if _is_label(c))
    return series.drop_vars(scalar).expand_dims({scalar if scalar != "time" else name: [label]})


def _common(
    sim: xr.DataArray, obs: xr.DataArray, crosswalk: Mapping[str, str] | None, *, one: bool
) -> tuple[xr.DataArray, xr.DataArray, dict[str, str]]:
    place, site = str(place_of(sim)), str(place_of(obs))
    here, there = labels_of(sim), labels_of(obs)
    row_of = {label: row for row, label in reversed(list(enumerate(here)))}
    goes, left_out = _assigned(there, row_of, crosswalk)
    if not goes:
        raise _nowhere(here, there, site, left_out, crosswalk)
    order = sorted(goes, key=lambda row: goes[row])
    sim = picked(sim, np.array([goes[row] for row in order]), place)
    names = [there[row] for row in order]
    obs = picked(obs, np.array(order), site).drop_vars(site, errors="ignore").rename({site: place})
    labels = [here[goes[row]] for row in order]
    coords: dict[str, Any] = {place: labels}
    if names != labels:
        coords[GAGE] = (place, names)
    sim = sim.drop_vars([n for n, c in sim.coords.items() if place in c.dims and n != place]).assign_coords(coords)
    obs = obs.drop_vars([n for n, c in obs.coords.items() if n in (place, GAGE)]).assign_coords(coords)
    if one:
        sim, obs = sim.isel({place: 0}), obs.isel({place: 0})
    return sim, obs, left_out


def _assigned(
    sites: Sequence[str], row_of: Mapping[str, int], crosswalk: Mapping[str, str] | None
) -> tuple[dict[int, int], dict[str, str]]:
    """Row of a site to row of its place; sites without one, and why."""
    table = None if crosswalk is None else _spelled(crosswalk)
    goes: dict[int, int] = {}
    taken: dict[int, str] = {}
    left_out: dict[str, str] = {}
    for row, name in enumerate(sites):
        place = name if table is None else table.get(name, table.get(bare(name)))
        if place is None:
            left_out[name] = "not in the crosswalk"
        elif place not in row_of:
            left_out[name] = "no place of the run" if table is None else f"its place {place} is not in the run"
        elif row_of[place] in taken:
            left_out[name] = f"{taken[row_of[place]]} is at the same place, {place}"
        else:
            goes[row], taken[row_of[place]] = row_of[place], name
    return goes, left_out


def _spelled(crosswalk: Mapping[str, str]) -> dict[str, str]:
    """A crosswalk that is found by either spelling of a gage."""
    return {bare(site): place for site, place in crosswalk.items()} | dict(crosswalk)


def _nowhere(
    here: Sequence[str], there: Sequence[str], site: str, left_out: Mapping[str, str],
    crosswalk: Mapping[str, str] | None,
) -> ObservationError:  # fmt: skip
    hint = f"label the sites with the places they are at: obs.assign_coords({site}=['{here[0]}', ...])"
    facts = {"sim": listed(here), "obs": listed(there)}
    if crosswalk is not None:
        hint = "give a crosswalk of the observed sites to places of the run"
        facts["left_out"] = "; ".join(f"{name}: {why}" for name, why in list(left_out.items())[:5])
    return ObservationError("no place is in both sim and obs", **facts, hint=hint)


def _of_domain(domain: Any, known: set[str]) -> dict[str, str]:
    """Gages at whichever of their nexus, catchment or flowpath the run has."""
    gages: Mapping[str, tuple[str, str]] = domain.gages
    tables = [{gage: pair[1] for gage, pair in gages.items()}, {gage: pair[0] for gage, pair in gages.items()}]
    if not any(known & set(table.values()) for table in tables):
        flowpaths = domain.gage_table()["flowpath"]
        tables.append({str(gage): str(one) for gage, one in flowpaths.items()})
        tables.append({str(gage): re.sub(r"^\D+-", "", str(one)) for gage, one in flowpaths.items()})
    return max(tables, key=lambda table: len(known & set(table.values())))


def _of_file(path: Path, known: set[str]) -> dict[str, str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
        raise ObservationError(f"cannot read the crosswalk {path}", reason=reason, hint="check the path") from problem
    try:
        if text.lstrip().startswith(("{", "[")):
            held = json.loads(text)
            if isinstance(held, list):
                return _of_table(pd.DataFrame(held).astype(str), known, path.name)
            return _of_json(held, known)
        separator = max(",\t;", key=text.partition("\n")[0].count)
        table = pd.read_csv(path, sep=separator, dtype=str, comment="#", keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, pd.errors.ParserError) as problem:
        raise ObservationError(
            f"{path.name} is no crosswalk", reason=str(problem).splitlines()[0], hint="give CSV with a header, or JSON"
        ) from problem
    return _of_table(table, known, path.name)


def _of_json(held: Mapping[str, Any], known: set[str]) -> dict[str, str]:
    """A mapping of site to place, of place to site, or of place to what is known of it."""
    if any(isinstance(value, Mapping) for value in held.values()):
        rows = [
            {"place": place, "site": str(next(value[key] for key in _SITES if value.get(key)))}
            for place, value in held.items()
            if isinstance(value, Mapping) and any(value.get(key) for key in _SITES)
        ]
        return {row["site"]: row["place"] for row in rows}
    plain = {str(key).strip(): str(value).strip() for key, value in held.items()}
    if known & plain.keys() and not known & set(plain.values()):
        return {value: key for key, value in plain.items()}
    return plain


def _of_table(table: pd.DataFrame, known: set[str], name: str) -> dict[str, str]:
    """The column whose values are places of the run, and the other."""
    text = pd.DataFrame({str(column): table[column].astype(str).str.strip() for column in table.columns})
    columns = [str(column) for column in text.columns]
    named = {column.lower(): column for column in columns}
    hits = {column: int(text[column].isin(known).sum()) for column in columns}
    place = max(hits, key=lambda column: hits[column]) if any(hits.values()) else None
    if place is None:
        place = next((named[one] for one in _PLACES if one in named), None)
    others = [column for column in columns if column != place]
    site = next((named[one] for one in _SITES if one in named and named[one] != place), None)
    if site is None and len(others) == 1:
        site = others[0]
    if place is None or site is None:
        raise ObservationError(
            f"{name} does not tell which column holds what",
            has=", ".join(text.columns),
            needed="a column of observed sites and one of places of the run",
            hint="call them 'site' and 'place'",
        )
    rows = text[(text[site] != "") & (text[place] != "") & (text[site] != "nan") & (text[place] != "nan")]
    several = rows.groupby(site)[place].nunique()
    if (several > 1).any():
        one = str(several.idxmax())
        raise ObservationError(
            f"{name} has several places for one site",
            site=one,
            has=", ".join(np.unique(rows.loc[rows[site] == one, place])),
            hint="keep the one where it is observed",
        )
    return dict(zip(rows[site], rows[place], strict=True))
