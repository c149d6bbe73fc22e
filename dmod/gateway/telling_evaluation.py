"""How an evaluation becomes what goes over the wire: rows of scores, reasons, and a page to look at."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dmod.errors import InputError
from dmod.evaluation.crosswalk import GAGE
from dmod.evaluation.given import labels_of
from dmod.evaluation.goodness import goodness
from dmod.evaluation.metric import METRICS
from dmod.gateway.wire_evaluation import EvaluationAnswer, Lacking, ScoredMetric, ScoreRow

if TYPE_CHECKING:
    from dmod.evaluation.evaluation import Evaluation

__all__ = ["answer_of"]

_ROWS, _MISSING, _LEFT_OUT, _NOTES = 1000, 100, 20, 100
#: Bytes of series in the page; as text it is a third longer.
_ROOM = 1_500_000


def answer_of(evaluation: Evaluation, kept: str | None) -> EvaluationAnswer:
    """An evaluation as it is sent.

    Parameters
    ----------
    evaluation : Evaluation
        In memory.
    kept : str or None
        The dataset it is kept as.
    """
    frame = evaluation.to_frame(intervals=False)
    parts = _parts(frame, evaluation.metrics)
    return EvaluationAnswer(
        title=evaluation.name, kept=kept, metrics=[_metric(evaluation, name) for name in evaluation.metrics],
        rows=list(islice(_rows(evaluation, frame, parts), _ROWS)), total=len(frame) * len(parts),
        missing=_missing(evaluation), notes=_notes(evaluation), page=_page(evaluation),
    )  # fmt: skip


def _metric(evaluation: Evaluation, name: str) -> ScoredMetric:
    """A metric, as far as it is known here: one of a plug-in may be gone."""
    attrs, known = evaluation.scores[name].attrs, METRICS.get(name)
    title = str(attrs.get("long_name", name)) if known is None else known.title
    return ScoredMetric(
        name=name, label=name.upper() if len(name) <= 5 else name.replace("_", " "), units=str(attrs.get("units", "1")),
        ideal=None if known is None else _number(known.ideal),
        about=title if known is None else f"{title}: {known.formula}",
    )  # fmt: skip


def _parts(frame: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """The thresholds that metrics have values at; empty for those that need none."""
    if frame.columns.nlevels == 1:
        return [""]
    columns: Any = frame.columns
    return list(dict.fromkeys(str(label) for name, label in columns if name in names))


def _rows(evaluation: Evaluation, frame: pd.DataFrame, parts: list[str]) -> Iterator[ScoreRow]:
    """A row for each place, and each part of it."""
    gages = _gages(evaluation)
    names = list(evaluation.metrics)
    columns = {part: [_column(frame, name, part) for name in names] for part in parts}
    scaled = {part: [goodness(name, one) for name, one in zip(names, columns[part], strict=True)] for part in parts}
    for at, index in enumerate(frame.index):
        place, group = _labels(evaluation, frame, index)
        for part in parts:
            yield ScoreRow(
                place=place, gage=gages.get(place, ""),
                part=", ".join([*group, *([f"threshold {part}"] if part else [])]),
                values=[_number(one[at]) for one in columns[part]],
                goodness=[_number(one[at]) for one in scaled[part]],
            )  # fmt: skip


def _column(frame: pd.DataFrame, name: str, part: str) -> Any:
    """Values of a metric; NaN where it has none at this threshold."""
    key = name if frame.columns.nlevels == 1 else (name, part)
    return frame[key].to_numpy(dtype=float) if key in frame.columns else np.full(len(frame), np.nan)


def _labels(evaluation: Evaluation, frame: pd.DataFrame, index: Any) -> tuple[str, list[str]]:
    """The place of a row, and what part of its pairs is meant."""
    labels = index if isinstance(index, tuple) else (index,)
    named = dict(zip(frame.index.names, labels, strict=True))
    if evaluation.place is not None:
        place = str(named.pop(evaluation.place, ""))
    else:
        named.pop(None, None)
        place = _single(evaluation)
    return place, [_part(str(dim), label) for dim, label in named.items()]


def _single(evaluation: Evaluation) -> str:
    """What the only place is called."""
    return next(iter(labels_of(evaluation.pairs["obs"])), "") if "obs" in evaluation.pairs else ""


def _part(dim: str, label: Any) -> str:
    """A group, lead time or member in words."""
    if isinstance(label, pd.Timedelta | np.timedelta64):
        return f"{dim.replace('_', ' ')} {pd.Timedelta(label) / pd.Timedelta(hours=1):g} h"
    return str(label) if dim == "group" else f"{dim.replace('_', ' ')} {label}"


def _gages(evaluation: Evaluation) -> dict[str, str]:
    """Place to the gage that was observed there."""
    held = evaluation.pairs.coords.get(GAGE)
    if held is None:
        return {}
    if held.ndim == 0:
        return {_single(evaluation): str(held.item())}
    return {str(place): str(gage) for place, gage in zip(held[held.dims[0]].values, held.values, strict=True)}


def _missing(evaluation: Evaluation) -> list[Lacking]:
    """The first values that are not there, and why."""
    single = [_single(evaluation)] if evaluation.place is None else []
    told = []
    for row in evaluation.undefined.head(_MISSING).to_dict("records"):
        metric, reason = str(row.pop("metric")), str(row.pop("reason"))
        place = single if single else [str(row.pop("place"))]
        parts = [_part(str(dim), label) for dim, label in row.items() if not _is_none(label)]
        told.append(Lacking(metric=metric, reason=reason, where=", ".join(filter(None, [*place, *parts]))))
    return told


def _is_none(label: Any) -> bool:
    """Whether a row is of all along a dimension."""
    return label is None or (isinstance(label, float) and math.isnan(label))


def _notes(evaluation: Evaluation) -> list[str]:
    """What a reader should know, and which sites are not compared."""
    left_out = list(evaluation.left_out.items())
    told = [f"left out: {site}, {why}" for site, why in left_out[:_LEFT_OUT]]
    if len(left_out) > len(told):
        told.append(f"and {len(left_out) - len(told):,} more sites are left out")
    return [*evaluation.notes[:_NOTES], *told]


def _page(evaluation: Evaluation) -> str | None:
    """A page to look at, where something can be drawn and what draws is installed."""
    if "explore" not in dir(evaluation.plot):
        return None
    try:
        made: str = evaluation.plot.explore().to_html(room=_ROOM)
    except InputError:  # there is nothing to draw, or not on one axis
        return None
    return made


def _number(value: Any) -> float | None:
    """A number that JSON has."""
    return float(value) if math.isfinite(value) else None
