"""Points on the interactive map: nexuses, gages, and how good the flow is at each place.

All of them are on the grid of the map. A metric has the few classes of colour that the map
for paper has; see `dmod.view.evaluation_map`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from dmod.errors import SelectionError
from dmod.view.domain_shapes import Grid, Shapes
from dmod.view.evaluation_map import classes, spots_on
from dmod.view.evaluation_numbers import metrics_of, number, short, worded
from dmod.view.evaluation_series import gages_of, labels_of

if TYPE_CHECKING:
    from dmod.evaluation.evaluation import Evaluation
    from dmod.view.domain_plot import Drawable

__all__ = ["Nexuses", "gages_on", "marks_on", "nexuses_on"]

#: Metrics to choose from.
_METRICS = 12


@dataclass(frozen=True, eq=False)
class Nexuses:
    """The nexuses below the catchments of a map."""

    ids: list[str]
    #: Where each is on the grid, x and y in turn, int16.
    points: NDArray[np.int16]
    #: Place in *ids* of the nexus below each catchment, int32; -1 for none.
    below: NDArray[np.int32]

    def spot(self, name: str) -> tuple[float, float] | None:
        """Where a nexus is on the grid, if it is on the map."""
        if name not in self.ids:
            return None
        at = 2 * self.ids.index(name)
        return float(self.points[at]), float(self.points[at + 1])


def nexuses_on(domain: Drawable, divides: Any, grid: Grid) -> Nexuses:
    """The nexuses that the catchments *divides* drain to."""
    table = domain.nexus(columns=["toid"])
    table = table[~(table.index.duplicated() | table.geometry.isna())]
    below = table.index.get_indexer(divides["toid"]) if len(table) else np.full(len(divides), -1)
    there = np.unique(below[below >= 0])
    points = grid.whole(Shapes.of(table.geometry).centres()[there]) if len(there) else np.zeros((0, 2))
    within = np.clip(points, -32_768, 32_767).astype("<i2").ravel()
    onward = np.where(below >= 0, np.searchsorted(there, below), -1).astype("<i4")
    return Nexuses([str(name) for name in table.index[there]], within, onward)


def gages_on(domain: Drawable, ids: pd.Index, land: Shapes, nexuses: Nexuses) -> list[list[Any]]:
    """Number, place of the catchment, where on the grid, and nexus below, of each gage on the map."""
    listed = domain.gages.items()
    places = ids.get_indexer(pd.Index([catchment for _, (catchment, _) in listed], dtype=object))
    middles = None
    found = []
    for (gage, (_, nexus)), place in zip(listed, places.tolist(), strict=True):
        if place < 0:
            continue
        spot = nexuses.spot(nexus)
        if spot is None:
            middles = np.nan_to_num(land.centres()) if middles is None else middles
            spot = float(middles[place][0]), float(middles[place][1])
        found.append([gage, place, *spot, nexus])
    return found


def marks_on(evaluation: Evaluation, domain: Drawable, grid: Grid, nexuses: Nexuses, ids: pd.Index) -> dict[str, Any]:
    """The places of an evaluation, and each of its metrics there.

    Raises
    ------
    SelectionError
        If no place is on the map, or no metric has one value at each.
    """
    labels = labels_of(evaluation)
    names = [name for name in metrics_of(evaluation.scores) if evaluation.scores[name].dims == (evaluation.place,)]
    if not labels or not names:
        raise SelectionError(
            "the evaluation has no metric with one value at each place",
            has=", ".join(metrics_of(evaluation.scores)) or "no metric",
            hint="evaluate several places, without thresholds or groups",
        )
    spots = spots_on(evaluation, domain)
    there: NDArray[np.bool_] = np.asarray(np.isfinite(spots).all(axis=1))
    if not there.any():
        raise SelectionError(
            "none of the places is on the map", has=", ".join(labels[:3]), hint="give the domain of the run"
        )
    points = grid.whole(np.where(there[:, None], spots, 0.0))
    gages = gages_of(evaluation)
    picked, known = set(nexuses.ids), set(ids)
    by_gage = {gage: nexus for gage, (_, nexus) in domain.gages.items()}
    places = []
    for n in np.flatnonzero(there).tolist():
        gage = gages[n] if n < len(gages) else ""
        same = (labels[n], by_gage.get(labels[n], ""), by_gage.get(gage, ""))
        target = next((name for name in same if name in picked or name in known), "")
        places.append([labels[n], gage, float(points[n][0]), float(points[n][1]), target])
    metrics = [_metric(evaluation, name, there) for name in names[:_METRICS]]
    lost = int((~there).sum())
    note = f"{lost:,} place{'s' * (lost > 1)} of the evaluation {'are' if lost > 1 else 'is'} not on the map"
    return {"places": places, "metrics": metrics, "notes": [note] if lost else []}


def _metric(evaluation: Evaluation, name: str, there: NDArray[np.bool_]) -> dict[str, Any]:
    """Values of a metric as text and colour, and what the colours mean."""
    score = evaluation.scores[name]
    values = np.asarray(score.to_numpy(), dtype=np.float64)[there]
    shades, norm = classes(score, values)
    units = str(score.attrs.get("units", "1"))
    edges = [float(edge) for edge in norm.boundaries]
    middles = [(low + high) / 2 for low, high in pairwise(edges)]
    reach = [edges[0] - 1, *middles] if norm.extend in ("min", "both") else middles
    reach = [*reach, edges[-1] + 1] if norm.extend in ("max", "both") else reach
    texts = [f"{edge:.4g}".replace("-", "−") for edge in edges]
    ranges = [f"{low} to {high}" for low, high in pairwise(texts)]
    ranges = [f"below {texts[0]}", *ranges] if norm.extend in ("min", "both") else ranges
    ranges = [*ranges, f"above {texts[-1]}"] if norm.extend in ("max", "both") else ranges
    return {
        "name": name,
        "label": short(name),
        "title": worded(score),
        "texts": [number(float(value), units if units in {"1", "%"} else "1", digits=3) for value in values],
        "colours": [to_hex(shades(norm(value))) if np.isfinite(value) else "" for value in values],
        "legend": [[text, to_hex(shades(norm(value)))] for text, value in zip(ranges, reach, strict=True)],
    }
