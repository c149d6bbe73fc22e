"""Association: measures of categories that keep their meaning as events become rare.

h are hits, m misses, f false alarms and c correct negatives; n is their sum. H is the
probability of detection, F that of false detection. Where a logarithm would be one of zero
a score takes its limit.
"""

from __future__ import annotations

import numpy as np

from dmod.evaluation.arithmetic import Floats, ratio
from dmod.evaluation.categories import probability_of_detection, probability_of_false_detection
from dmod.evaluation.metric import Takes, Towards, metric
from dmod.evaluation.pool import Need, Table

__all__ = [
    "extremal_dependence_index",
    "extreme_dependency_score",
    "odds_ratio",
    "odds_ratio_skill",
    "symmetric_extremal_dependence_index",
    "symmetric_extreme_dependency_score",
]

_SKILL = (-1.0, 1.0)
_STEPHENSON = "Stephenson (2000), Wea. Forecasting 15, 221-232, doi:10.1175/1520-0434(2000)015<0221:UOTORF>2.0.CO;2"
_FERRO = "Ferro & Stephenson (2011), Wea. Forecasting 26, 699-713, doi:10.1175/WAF-D-10-05030.1"
_THERE = (Need.THRESHOLD, Need.PAIRS)
_BOTH = (*_THERE, Need.OBS_EVENTS, Need.OBS_NON_EVENTS)


@metric(
    "odds_ratio",
    title="Odds ratio",
    takes=Takes.TABLE,
    ideal=np.inf,
    bounds=(0.0, np.inf),
    towards=Towards.HIGHER,
    units="1",
    formula="h c / (m f)",
    source=_STEPHENSON,
    needs=(*_THERE, Need.MISSES, Need.FALSE_ALARMS),
)
def odds_ratio(table: Table) -> Floats:
    """Odds of a hit over those of a false alarm; NaN without a miss or without a false alarm.

    A perfect simulation has neither: its odds know no bound, and `odds_ratio_skill` says 1.

    Examples
    --------
    >>> from dmod.evaluation.reduce import table_of
    >>> odds_ratio(table_of([5.0, 5.0, 1.0, 1.0, 1.0], [5.0, 1.0, 5.0, 1.0, 1.0], [4.0])).tolist()
    [2.0]
    """
    return ratio(table.hits * table.correct_negatives, table.misses * table.false_alarms)


@metric(
    "orss",
    title="Odds ratio skill score",
    takes=Takes.TABLE,
    ideal=1.0,
    bounds=_SKILL,
    towards=Towards.HIGHER,
    units="1",
    formula="(h c - m f) / (h c + m f)",
    source=_STEPHENSON,
    needs=(*_BOTH, Need.SIM_EVENTS, Need.SIM_NON_EVENTS),
    aliases=("yules_q",),
)
def odds_ratio_skill(table: Table) -> Floats:
    """Odds ratio on a scale from -1 to 1, 0 where simulation and observation have nothing in common.

    Examples
    --------
    >>> from dmod.evaluation.reduce import table_of
    >>> odds_ratio_skill(table_of([5.0, 5.0, 1.0, 1.0], [5.0, 1.0, 5.0, 1.0], [4.0])).tolist()
    [0.0]
    """
    together, apart = table.hits * table.correct_negatives, table.misses * table.false_alarms
    return ratio(together - apart, together + apart)


@metric(
    "eds",
    title="Extreme dependency score",
    takes=Takes.TABLE,
    ideal=1.0,
    bounds=_SKILL,
    towards=Towards.HIGHER,
    units="1",
    formula="2 ln((h + m) / n) / ln(h / n) - 1",
    source="Stephenson et al. (2008), Meteorol. Appl. 15, 41-50, doi:10.1002/met.53",
    needs=_BOTH,
)
def extreme_dependency_score(table: Table) -> Floats:
    """How fast hits die out as events become rare; blind to false alarms. Without a hit it is -1.

    Examples
    --------
    >>> from dmod.evaluation.reduce import table_of
    >>> extreme_dependency_score(table_of([5.0, 1.0, 1.0, 1.0], [5.0, 5.0, 1.0, 1.0], [4.0])).tolist()
    [0.0]
    """
    rate = _proper(ratio(table.hits + table.misses, table.n))
    return _dependency(2.0 * np.log(rate), ratio(table.hits, table.n))


@metric(
    "seds",
    title="Symmetric extreme dependency score",
    takes=Takes.TABLE,
    ideal=1.0,
    bounds=_SKILL,
    towards=Towards.HIGHER,
    units="1",
    formula="(ln((h + f) / n) + ln((h + m) / n)) / ln(h / n) - 1",
    source=f"Hogan et al. (2009), Q. J. R. Meteorol. Soc. 135, 1494-1511; as in {_FERRO}",
    needs=(*_BOTH, Need.SIM_EVENTS),
)
def symmetric_extreme_dependency_score(table: Table) -> Floats:
    """Extreme dependency score that counts false alarms as it counts misses. Without a hit it is -1.

    Examples
    --------
    >>> from dmod.evaluation.reduce import table_of
    >>> symmetric_extreme_dependency_score(table_of([5.0, 1.0], [5.0, 1.0], [4.0])).tolist()
    [1.0]
    """
    observed = _proper(ratio(table.hits + table.misses, table.n))
    simulated = ratio(table.hits + table.false_alarms, table.n)
    return _dependency(
        np.log(observed) + np.log(np.where(simulated > 0.0, simulated, np.nan)), ratio(table.hits, table.n)
    )


@metric(
    "edi",
    title="Extremal dependence index",
    takes=Takes.TABLE,
    ideal=1.0,
    bounds=_SKILL,
    towards=Towards.HIGHER,
    units="1",
    formula="(ln F - ln H) / (ln F + ln H), H = h / (h + m), F = f / (f + c)",
    source=_FERRO,
    needs=(*_BOTH, Need.SIM_EVENTS, Need.SIM_NON_EVENTS),
)
def extremal_dependence_index(table: Table) -> Floats:
    """How fast hits and false alarms die out as events become rare, whatever their frequency.

    Its limits are 1 without a false alarm and -1 without a hit.

    Examples
    --------
    >>> from dmod.evaluation.reduce import table_of
    >>> extremal_dependence_index(table_of([5.0, 1.0], [5.0, 1.0], [4.0])).tolist()
    [1.0]
    """
    found, wrong = _rates(table)
    inside = (found > 0.0) & (wrong > 0.0)
    h, f = np.log(np.where(inside, found, 0.5)), np.log(np.where(inside, wrong, 0.5))
    index = np.where(inside, ratio(f - h, f + h), np.where(found > 0.0, 1.0, -1.0))
    return np.where(_is_mixed(table), index, np.nan)


@metric(
    "sedi",
    title="Symmetric extremal dependence index",
    takes=Takes.TABLE,
    ideal=1.0,
    bounds=_SKILL,
    towards=Towards.HIGHER,
    units="1",
    formula="(ln F - ln H - ln(1 - F) + ln(1 - H)) / (ln F + ln H + ln(1 - F) + ln(1 - H))",
    source=_FERRO,
    needs=(*_BOTH, Need.SIM_EVENTS, Need.SIM_NON_EVENTS),
)
def symmetric_extremal_dependence_index(table: Table) -> Floats:
    """Extremal dependence index that takes events and non-events alike.

    Its limits are 1 without a false alarm or without a miss, -1 without a hit or without a correct negative.

    Examples
    --------
    >>> from dmod.evaluation.reduce import table_of
    >>> symmetric_extremal_dependence_index(table_of([5.0, 1.0], [5.0, 1.0], [4.0])).tolist()
    [1.0]
    """
    found, wrong = _rates(table)
    good, bad = (wrong == 0.0) | (found == 1.0), (found == 0.0) | (wrong == 1.0)
    inside = ~(good | bad)
    h, f = np.where(inside, found, 0.5), np.where(inside, wrong, 0.5)
    for_it, against = np.log(f) + np.log1p(-h), np.log(h) + np.log1p(-f)
    index = np.where(inside, ratio(for_it - against, for_it + against), np.where(good, 1.0, -1.0))
    return np.where(_is_mixed(table), index, np.nan)


def _proper(rate: Floats) -> Floats:
    """A rate that is neither 0 nor 1, else NaN."""
    return np.where((rate > 0.0) & (rate < 1.0), rate, np.nan)


def _dependency(expected: Floats, hit: Floats) -> Floats:
    """``expected / ln(hit) - 1``, -1 where nothing was hit."""
    some = (hit > 0.0) & (hit < 1.0)
    score = ratio(expected, np.log(np.where(some, hit, 0.5))) - 1.0
    return np.where(np.isnan(expected), np.nan, np.where(some, score, -1.0))


def _rates(table: Table) -> tuple[Floats, Floats]:
    """Probability of detection and of false detection."""
    return probability_of_detection(table), probability_of_false_detection(table)


def _is_mixed(table: Table) -> np.ndarray:
    """Whether events and non-events were both observed and both simulated."""
    h, m, f, c = table.hits, table.misses, table.false_alarms, table.correct_negatives
    return (h + m > 0.0) & (f + c > 0.0) & (h + f > 0.0) & (m + c > 0.0)
