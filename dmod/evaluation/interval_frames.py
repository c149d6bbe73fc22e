"""Intervals of confidence of an evaluation as tables that fit `Evaluation.to_frame`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from dmod.evaluation.evaluation import Evaluation

__all__ = ["interval_frames", "interval_level"]


def interval_frames(evaluation: Evaluation) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Low and high ends, each with the rows and columns of `Evaluation.to_frame`.

    Returns
    -------
    tuple of DataFrame, or None
        NaN where a metric has no interval; None where nobody asked for one.
    """
    scores, made = evaluation.scores, []
    named = [name for name in evaluation.metrics if f"{name}_low" in scores]
    if not named:
        return None
    whole = evaluation.to_frame(intervals=False)
    for end in ("low", "high"):
        ends = scores[[f"{name}_{end}" for name in named]].rename({f"{name}_{end}": name for name in named})
        frame = replace(evaluation, scores=ends).to_frame().set_axis(whole.index)
        if whole.columns.nlevels > frame.columns.nlevels:
            frame.columns = whole.columns[[column[0] in named for column in whole.columns]]
        made.append(frame.reindex(columns=whole.columns).astype(np.float64))
    return made[0], made[1]


def interval_level(evaluation: Evaluation) -> float | None:
    """Share of the resamples within the intervals; None where there are none."""
    for name in evaluation.metrics:
        if f"{name}_low" in evaluation.scores:
            level = evaluation.scores[f"{name}_low"].attrs.get("level")
            return None if level is None else float(level)
    return None
