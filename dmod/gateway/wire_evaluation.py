"""What goes over the wire about evaluations: gages, scores, and why some are not there.

The same rules hold as in `dmod.gateway.wire`; values of the house are put into it by
`dmod.gateway.telling_evaluation`.
"""

from __future__ import annotations

from dmod.gateway.wire import Answer

__all__ = ["EvaluationAnswer", "Gage", "GagesPage", "Lacking", "ScoreRow", "ScoredMetric"]


class Gage(Answer):
    """A gage, and the nexus it stands at."""

    gage: str
    place: str


class GagesPage(Answer):
    """The first gages of what a job runs."""

    gages: list[Gage]
    #: How many there are, wherever this page ends.
    total: int


class ScoredMetric(Answer):
    """A metric: a column of scores."""

    name: str
    #: As figures write it, such as ``KGE``.
    label: str
    #: Units of its values; ``1`` where it has none.
    units: str
    #: Value of a perfect simulation; null where there is none.
    ideal: float | None
    #: What it is called and how it is computed, in one line.
    about: str


class ScoreRow(Answer):
    """Scores of one place, or of one part of what was paired there."""

    place: str
    #: The gage that was observed; empty where that is not known.
    gage: str
    #: Group, lead time, member and threshold; empty for the whole.
    part: str
    #: A value for each metric.
    values: list[float | None]
    #: How good each is, in [0, 1], 1 at the ideal; null where that cannot be said.
    goodness: list[float | None]


class Lacking(Answer):
    """Why a value is null."""

    metric: str
    reason: str
    #: Place and part.
    where: str


class EvaluationAnswer(Answer):
    """How good a run is against observations."""

    title: str
    #: The dataset it is kept as; null where it is not kept.
    kept: str | None
    metrics: list[ScoredMetric]
    #: The first rows.
    rows: list[ScoreRow]
    #: How many rows there are.
    total: int
    #: The first values that are null, and why.
    missing: list[Lacking]
    #: What a reader of the scores should know.
    notes: list[str]
    #: A page of HTML with hydrograph, flow duration, scatter and scores, which needs no network; null where nothing
    #: can be drawn.
    page: str | None
