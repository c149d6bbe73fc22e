"""Scores: many metrics at many thresholds and places, weighed into one grade.

A value is scaled to 1 at the ideal and 0 at the far scaling bound; scaled values are averaged by
the weights of thresholds, then of metrics, then of places. What has no value stays out of the
averages, and the weight it took with it is told. Pure: values in, values out.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from dmod.errors import InputError
from dmod.evaluation.metric import find_metric, find_metrics
from dmod.evaluation.original import ORIGINAL, original_metric
from dmod.evaluation.scaling import GRADES, Bounds, letter, scale, scaling_bounds
from dmod.evaluation.score_cells import score_cells

__all__ = ["GRADES", "Scheme", "Scores", "Scoring", "letter", "scale", "scaling_bounds"]

Floats = NDArray[np.float64]

#: ``corrected``, or ``dmod`` for the grades of the original with all its faults.
Scoring = Literal["corrected", "dmod"]

#: Metrics without a scale, and the same relative to what was observed.
_RELATIVE = {"volume_error": "relative_bias"}


@dataclass(frozen=True)
class Scheme:
    """How much each metric, threshold and place weighs, and how values become scores.

    Examples
    --------
    >>> values = xr.Dataset({"nse": ("place", [0.5, 1.0]), "pod": ("place", [np.nan, 0.0])})
    >>> graded = Scheme({"nse": 3, "pod": 1}).score(values)
    >>> graded.by_place.values.tolist(), graded.grade, graded.letter, graded.covered
    ([0.5, 0.75], 62.5, 'D-', 0.875)
    """

    #: Weight of each metric, 0 or more; given by any name, kept by the short one. An error of volume is
    #: weighed as its relative form, which has a scale.
    metrics: Mapping[str, float]
    #: Weight of each threshold by name; those not named weigh 1.
    thresholds: Mapping[str, float] = field(default_factory=dict)
    #: Weight of each place by label; those not named weigh 1.
    places: Mapping[str, float] = field(default_factory=dict)
    #: Scaling bounds of metrics by name, where they are not those of `scaling_bounds`.
    bounds: Mapping[str, Bounds] = field(default_factory=dict)
    #: Whether the faults of the original are mended.
    scoring: Scoring = "corrected"

    def __post_init__(self) -> None:
        if self.scoring not in ("corrected", "dmod"):
            raise InputError(f"there is no scoring {self.scoring!r}", known="corrected, dmod")
        if not self.metrics:
            raise InputError("a scheme needs a metric", hint="give at least one metric a weight")
        for what, weights in (("metric", self.metrics), ("threshold", self.thresholds), ("place", self.places)):
            if wrong := [name for name, weight in weights.items() if not (np.isfinite(weight) and weight >= 0)]:
                raise InputError(f"the weight of {what} {wrong[0]!r} is not a number of 0 or more")
        if not any(self.metrics.values()):
            raise InputError("no metric weighs anything", hint="give at least one metric a weight above 0")
        if self.scoring == "corrected":
            object.__setattr__(self, "metrics", _by_name(self.metrics, "weights"))
            object.__setattr__(self, "bounds", _by_name(self.bounds, "bounds"))
        for name in self.metrics:
            self._scaling(name)

    @classmethod
    def equal(cls, *metrics: str) -> Scheme:
        """Metrics that weigh the same."""
        return cls(dict.fromkeys(metrics, 1.0))

    def score(self, values: xr.Dataset, *, reasons: xr.Dataset | None = None) -> Scores:
        """Grade *values*.

        Parameters
        ----------
        values : xarray.Dataset
            A variable for each metric over (place?, group?, threshold?), as an evaluation's scores;
            variables that are no metric of the scheme do not matter.
        reasons : xarray.Dataset, optional
            A text for each value that is not there; else the flags that *values* has are read.

        Returns
        -------
        Scores

        Raises
        ------
        InputError
            If *values* lack a metric of the scheme.
        """
        names = [self._variable(name, values) for name in self.metrics]
        cells = score_cells(values, names, reasons)
        scaled = np.stack([self._scaled(n, cells["value"].values[:, i]) for i, n in enumerate(self.metrics)], axis=1)
        cells["scaled"] = cells["value"].copy(data=scaled)
        cells["scaled"].attrs = {"long_name": "scaled value", "units": "1"}
        return Scores._of(cells, self)

    def _variable(self, name: str, values: xr.Dataset) -> str:
        """The variable of *values* that holds a metric."""
        held = original_metric(name).variable if self.scoring == "dmod" else name
        if held in values:
            return held
        raise InputError(
            f"the scheme weighs {name!r}, which was not computed",
            has=", ".join(str(v) for v in values.data_vars),
            hint="compute every metric of the scheme",
        )

    def _scaling(self, name: str) -> tuple[float, Bounds]:
        """Ideal and scaling bounds of a metric; raises where it has none."""
        if self.scoring == "dmod":
            old = original_metric(name)
            return old.ideal, old.bounds
        metric = find_metric(name)
        bounds = self.bounds.get(name) or scaling_bounds(metric)
        if bounds is None or not np.isfinite(metric.ideal):
            raise InputError(
                f"{metric.title} has no natural scale",
                units=metric.units,
                hint=f"say between which values it is scaled: bounds={{'{name}': (lowest, highest)}}",
            )
        if not (bounds[0] <= metric.ideal <= bounds[1] and bounds[0] < bounds[1] and np.isfinite(bounds).all()):
            raise InputError(
                f"the scaling bounds of {metric.title} do not hold its ideal",
                ideal=metric.ideal, bounds=f"{bounds[0]:g} .. {bounds[1]:g}",
            )  # fmt: skip
        return metric.ideal, bounds

    def _scaled(self, name: str, values: Floats) -> Floats:
        ideal, bounds = self._scaling(name)
        if self.scoring == "dmod":
            return ORIGINAL[original_metric(name).name].scaled(values)
        return scale(values, ideal=ideal, bounds=bounds)


@dataclass(frozen=True, eq=False)
class Scores:
    """What a scheme makes of values: one grade, and what it is made of."""

    #: Over (place, metric, threshold): ``value``, ``scaled`` [1], ``weight`` [1], the share of all
    #: weight that a cell has, and ``reason``, why there is no value.
    cells: xr.Dataset
    #: Scaled value of each metric at each place, in [0, 1] [1]; NaN where it has none.
    by_metric: xr.DataArray
    #: The same over all metrics.
    by_place: xr.DataArray
    #: Mean over places by their weights, in [0, 1] [1].
    total: float
    #: How it was made.
    scheme: Scheme

    @property
    def grade(self) -> float:
        """The total [%]; cut to two decimals where scoring is as in the original."""
        percent = self.total * 100.0
        return float(np.trunc(percent * 100.0) / 100.0) if self.scheme.scoring == "dmod" else percent

    @property
    def letter(self) -> str:
        """The grade as a letter, A+ to F."""
        return letter(self.grade)

    @property
    def mean(self) -> float:
        """Mean over places that have a score, all weighing the same [1]."""
        return float(np.nanmean(self.by_place)) if self.by_place.notnull().any() else float("nan")

    @property
    def median(self) -> float:
        """Median over places that have a score [1]."""
        return float(np.nanmedian(self.by_place)) if self.by_place.notnull().any() else float("nan")

    @property
    def std(self) -> float:
        """Standard deviation over places that have a score, of the population [1]."""
        return float(np.nanstd(self.by_place)) if self.by_place.notnull().any() else float("nan")

    @property
    def covered(self) -> float:
        """Share of all weight that had a value, in [0, 1] [1]."""
        return float(self.cells["weight"].where(self.cells["scaled"].notnull()).sum())

    @property
    def without_value(self) -> pd.DataFrame:
        """What had no value: ``place``, ``metric``, ``threshold``, the share of ``weight`` it took, ``reason``."""
        cells = self.cells
        at = np.argwhere(np.isnan(cells["scaled"].values) & (cells["weight"].values > 0))
        rows = [
            (
                *(str(cells[dim].values[i]) for dim, i in zip(("place", "metric", "threshold"), where, strict=True)),
                float(cells["weight"].values[tuple(where)]),
                str(cells["reason"].values[tuple(where)]),
            )
            for where in at
        ]
        return pd.DataFrame(rows, columns=["place", "metric", "threshold", "weight", "reason"])

    @classmethod
    def _of(cls, cells: xr.Dataset, scheme: Scheme) -> Scores:
        scaled = cells["scaled"].values
        of_thresholds = np.array([scheme.thresholds.get(str(t), 1.0) for t in cells["level"].values])
        of_metrics = np.array(list(scheme.metrics.values()), dtype=np.float64)
        of_places = np.array([scheme.places.get(str(p), 1.0) for p in cells["place"].values])
        drop = scheme.scoring == "dmod"
        there = cells["applies"].values
        within = np.where(there, of_thresholds, 0.0)
        by_metric = _mean(scaled, np.broadcast_to(within, scaled.shape))
        raw = np.nansum(scaled * within, axis=-1)
        if drop:  # the original takes a metric whose total is exactly 0 out of the average
            by_metric = np.where(raw == 0, np.nan, by_metric)
        by_place = _mean(by_metric, np.broadcast_to(of_metrics, by_metric.shape))
        total = float(_mean(np.nan_to_num(by_place) if drop else by_place, of_places))
        shares = _share(within) * _share(of_metrics)[:, None] * _share(of_places)[:, None, None]
        cells = cells.assign(weight=cells["scaled"].copy(data=shares)).drop_vars("applies")
        cells["weight"].attrs = {"long_name": "share of all weight", "units": "1"}
        like = cells["scaled"].isel(threshold=0, drop=True)
        of_metric = like.copy(data=by_metric).rename("score")
        of_place = like.isel(metric=0, drop=True).copy(data=np.nan_to_num(by_place) if drop else by_place)
        return cls(cells, of_metric, of_place.rename("score"), total, scheme)

    def to_frame(self) -> pd.DataFrame:
        """One row for each place, a column for each metric and the score, all [1]."""
        frame = self.by_metric.to_pandas()
        assert isinstance(frame, pd.DataFrame)
        return frame.assign(score=self.by_place.to_numpy())

    def to_dict(self) -> dict[str, Any]:
        """All of it in types that JSON has."""
        cells = self.cells
        rows = [
            {
                "place": str(place), "metric": str(name), "threshold": str(at),
                "value": _json(cells["value"].values[i, j, k]), "scaled": _json(cells["scaled"].values[i, j, k]),
                "weight": float(cells["weight"].values[i, j, k]), "reason": str(cells["reason"].values[i, j, k]),
            }
            for i, place in enumerate(cells["place"].values)
            for j, name in enumerate(cells["metric"].values)
            for k, at in enumerate(cells["threshold"].values)
            if cells["weight"].values[i, j, k] > 0 or np.isfinite(cells["value"].values[i, j, k])
        ]  # fmt: skip
        places = {str(p): _json(v) for p, v in zip(cells["place"].values, self.by_place.values, strict=True)}
        return {
            "scoring": self.scheme.scoring, "grade": _json(self.grade), "letter": self.letter,
            "total": _json(self.total), "covered": self.covered, "mean": _json(self.mean),
            "median": _json(self.median), "standard_deviation": _json(self.std), "places": places, "scores": rows,
        }  # fmt: skip

    def __repr__(self) -> str:
        left = "" if self.covered > 1 - 1e-9 else f", {1 - self.covered:.0%} of the weight had no value"
        return f"<Scores {self.letter} {self.grade:.2f} %, {self.by_place.size} places{left}>"

    def _repr_html_(self) -> str:
        frame = self.to_frame()
        head = "".join(f'<th scope="col">{html.escape(str(name))}</th>' for name in frame.columns)
        rows = "".join(
            f'<tr><th scope="row">{html.escape(str(place))}</th>'
            + "".join("<td></td>" if np.isnan(v) else f"<td>{100 * v:.1f}</td>" for v in row)
            + "</tr>"
            for place, row in zip(frame.index, frame.to_numpy(), strict=True)
        )
        title = html.escape(repr(self)[1:-1])
        return (
            f"<table><caption>{title}</caption><thead><tr><th>[%]</th>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )


def _by_name(given: Mapping[str, Any], what: str) -> dict[str, Any]:
    """What is said of metrics, by their short names."""
    found: dict[str, Any] = {}
    for metric, said in zip(find_metrics(given), given.values(), strict=True):
        short = metric.name
        short = _RELATIVE.get(short, short)
        if short in found:
            raise InputError(f"a metric has two {what}", metric=metric.title, hint="name it once")
        found[short] = said
    return found


def _mean(values: Floats, weights: Floats) -> Floats:
    """Weighted mean over the last axis of what is not NaN; NaN where nothing weighs."""
    weights = np.where(np.isnan(values), 0.0, weights)
    total = weights.sum(axis=-1)
    mean: Floats = np.nansum(values * weights, axis=-1) / np.where(total > 0, total, np.nan)
    return mean


def _share(weights: Floats) -> Floats:
    """Weights as shares of their sum along the last axis; 0 where nothing weighs."""
    total = weights.sum(axis=-1, keepdims=True)
    share: Floats = weights / np.where(total > 0, total, 1.0)
    return share


def _json(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None
