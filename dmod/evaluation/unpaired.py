"""Places and instants that have no pair: left out with their reason, or counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import xarray as xr

from dmod.evaluation.given import MEMBER, labels_of, place_of

__all__ = ["WITHOUT_PAIRS", "gaps", "in_no_group", "with_pairs"]

_NEVER_BOTH, _NO_OBS, _NO_SIM = (
    "no instant has a value in both", "observations are all missing", "the simulation is all missing",
)  # fmt: skip
#: Reasons why a place that was compared has no pair.
WITHOUT_PAIRS: Final = (_NEVER_BOTH, _NO_OBS, _NO_SIM, f"{_NO_OBS} and {_NO_SIM}")


def with_pairs(
    scores: xr.Dataset, pairs: xr.Dataset, levels: xr.DataArray | None, left_out: Mapping[str, str]
) -> tuple[xr.Dataset, xr.Dataset, xr.DataArray | None, dict[str, str]]:
    """Only places that have pairs; the others are left out with the reason.

    Parameters
    ----------
    scores : xarray.Dataset
        With ``sample_size``; lazy ones come back as they are.
    pairs : xarray.Dataset
        Behind them; of a lazy one only places without pairs are read.
    levels : xarray.DataArray, optional
        Thresholds.
    left_out : mapping of str to str
        Sites that are left out already, and why.

    Returns
    -------
    scores, pairs, levels, left_out
        No place is left if none has a pair.
    """
    place, sizes = place_of(pairs["obs"]), scores["sample_size"]
    reasons = dict(left_out)
    if sizes.chunks is not None:
        return scores, pairs, levels, reasons
    found = sizes.max([dim for dim in sizes.dims if dim != place]) > 0
    if bool(found.all()):
        return scores, pairs, levels, reasons
    names = labels_of(pairs["obs"])
    if place is None:
        reasons[names[0] if names else "the only place"] = _why_nothing(pairs)
        return scores.isel({dim: [] for dim in list(scores.dims)[:1]}), pairs, levels, reasons
    for row in np.flatnonzero(~found.to_numpy()).tolist():
        site = str(pairs["gage"].values[row]) if "gage" in pairs.coords else names[row]
        reasons[site] = _why_nothing(pairs.isel({place: row}))
    kept = {place: np.flatnonzero(found.to_numpy())}
    if levels is not None and place in levels.dims:
        levels = levels.isel(kept)
    return scores.isel(kept), pairs.isel(kept), levels, reasons


def gaps(scores: xr.Dataset, pairs: xr.Dataset) -> list[str]:
    """How many instants have no pair, and over how many of them an ensemble is scored."""
    sizes = scores["sample_size"]
    if sizes.chunks is not None or "group" in sizes.dims or not sizes.size:
        return []
    notes, possible = [], pairs.sizes["time"]
    if (short := int(sizes.min())) < possible:
        least = "at the place with the fewest, " if place_of(pairs["obs"]) else ""
        least = (
            least
            if MEMBER not in sizes.dims
            else f"{least.removesuffix(', ')} of the member with the fewest, ".lstrip()
        )
        notes.append(f"{least}{possible - short:,} of {possible:,} shared instants lack a value")
    together = [
        str(name) for name, held in scores.data_vars.items() if MEMBER not in held.dims and "ideal" in held.attrs
    ]
    if MEMBER in sizes.dims and together and pairs["sim"].chunks is None:
        there: Any = xr.ufuncs.isfinite(pairs["sim"]).all(MEMBER) & xr.ufuncs.isfinite(pairs["obs"])
        if (count := int(there.sum("time").min())) < int(sizes.max()):
            notes.append(f"{', '.join(together)}: of {count:,} instants at which every member has a value")
    return notes


def in_no_group(groups: Mapping[str, xr.DataArray], pairs: xr.Dataset) -> list[str]:
    """How many pairs, or instants of what is lazy, are in no group."""
    notes = []
    for name, texts in groups.items():
        outside: Any = texts == ""
        what = "instants"
        if pairs["sim"].chunks is None and pairs["obs"].chunks is None:
            there: Any = xr.ufuncs.isfinite(pairs["sim"])
            both = there.any([dim for dim in there.dims if dim not in pairs["obs"].dims]) & xr.ufuncs.isfinite(
                pairs["obs"]
            )
            outside, what = both & outside, "pairs"
        elif set(texts.dims) != {"time"}:
            continue
        if count := int(outside.sum()):
            notes.append(f"{count:,} {what} are in no group of {name!r}")
    return notes


def _why_nothing(pairs: xr.Dataset) -> str:
    """Why a place has no pair."""
    lacking = [
        why for role, why in (("obs", _NO_OBS), ("sim", _NO_SIM)) if not bool(xr.ufuncs.isfinite(pairs[role]).any())
    ]
    return " and ".join(lacking) or _NEVER_BOTH
