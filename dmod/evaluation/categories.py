"""Categories: whether events, which are values at or above a threshold, were simulated when observed.

h are hits, m misses, f false alarms and c correct negatives; n is their sum.
"""

from __future__ import annotations

import numpy as np

from dmod.evaluation.arithmetic import Floats, ratio
from dmod.evaluation.metric import Takes, Towards, metric
from dmod.evaluation.pool import Need, Table

__all__ = [
    "accuracy",
    "critical_success_index",
    "equitable_threat_score",
    "f1_score",
    "false_alarm_ratio",
    "frequency_bias",
    "general_skill",
    "peirce_skill",
    "precision",
    "probability_of_detection",
    "probability_of_false_detection",
]

_ANY_COUNT = (0.0, np.inf)
_UNIT = (0.0, 1.0)
_WILKS = "Wilks (2019), Statistical Methods in the Atmospheric Sciences, 4th ed., doi:10.1016/C2017-0-03921-6"
_SCHAEFER = "Schaefer (1990), Wea. Forecasting 5, 570-575, doi:10.1175/1520-0434(1990)005<0570:TCSIAA>2.0.CO;2"
_ROEBBER = "Roebber (2009), Wea. Forecasting 24, 601-608, doi:10.1175/2008WAF2222159.1"
_THERE = (Need.THRESHOLD, Need.PAIRS)


@metric(
    "pod",
    title="Probability of detection",
    takes=Takes.TABLE,
    ideal=1.0,
    bounds=_UNIT,
    towards=Towards.HIGHER,
    units="1",
    formula="h / (h + m)",
    source=_SCHAEFER,
    needs=(*_THERE, Need.OBS_EVENTS),
    aliases=("hit_rate", "true_positive_rate", "tpr", "recall", "sensitivity"),
)
def probability_of_detection(table: Table) -> Floats:
    """Part of the observed events that were simulated.

    Examples
    --------
    >>> from dmod.evaluation.reduce import table_of
    >>> probability_of_detection(table_of([5.0, 1.0], [5.0, 5.0], [4.0])).tolist()
    [0.5]
    """
    return ratio(table.hits, table.hits + table.misses)


@metric(
    "far",
    title="False alarm ratio",
    takes=Takes.TABLE,
    ideal=0.0,
    bounds=_UNIT,
    towards=Towards.LOWER,
    units="1",
    formula="f / (h + f)",
    source=_SCHAEFER,
    needs=(*_THERE, Need.SIM_EVENTS),
    aliases=("probability_of_false_alarm", "pofa", "false_discovery_rate"),
)
def false_alarm_ratio(table: Table) -> Floats:
    """Part of the simulated events that were not observed; no event simulated has none.

    Examples
    --------
    >>> from dmod.evaluation.reduce import table_of
    >>> false_alarm_ratio(table_of([5.0, 5.0], [5.0, 1.0], [4.0])).tolist()
    [0.5]
    """
    return ratio(table.false_alarms, table.hits + table.false_alarms)


@metric(
    "pofd",
    title="Probability of false detection",
    takes=Takes.TABLE,
    ideal=0.0,
    bounds=_UNIT,
    towards=Towards.LOWER,
    units="1",
    formula="f / (f + c)",
    source=_WILKS,
    needs=(*_THERE, Need.OBS_NON_EVENTS),
    aliases=("false_alarm_rate", "false_positive_rate", "fpr"),
)
def probability_of_false_detection(table: Table) -> Floats:
    """Part of the instants without an observed event at which one was simulated.

    Examples
    --------
    >>> from dmod.evaluation.reduce import table_of
    >>> probability_of_false_detection(table_of([5.0, 1.0], [1.0, 1.0], [4.0])).tolist()
    [0.5]
    """
    return ratio(table.false_alarms, table.false_alarms + table.correct_negatives)


@metric(
    "frequency_bias",
    title="Frequency bias",
    takes=Takes.TABLE,
    ideal=1.0,
    bounds=_ANY_COUNT,
    towards=Towards.IDEAL,
    units="1",
    formula="(h + f) / (h + m)",
    source=_ROEBBER,
    needs=(*_THERE, Need.OBS_EVENTS),
    aliases=("fbi", "fb", "frequency_bias_index", "bias_score"),
)
def frequency_bias(table: Table) -> Floats:
    """How many instants with an event were simulated for each observed one.

    Examples
    --------
    >>> from dmod.evaluation.reduce import table_of
    >>> frequency_bias(table_of([5.0, 5.0], [5.0, 1.0], [4.0])).tolist()
    [2.0]
    """
    return ratio(table.hits + table.false_alarms, table.hits + table.misses)


@metric(
    "accuracy",
    title="Accuracy",
    takes=Takes.TABLE,
    ideal=1.0,
    bounds=_UNIT,
    towards=Towards.HIGHER,
    units="1",
    formula="(h + c) / n",
    source=_WILKS,
    needs=_THERE,
    aliases=("fraction_correct", "percent_correct", "proportion_correct"),
)
def accuracy(table: Table) -> Floats:
    """Part of the instants that were simulated as they were; near 1 for rare events, whatever is simulated.

    Examples
    --------
    >>> from dmod.evaluation.reduce import table_of
    >>> accuracy(table_of([5.0, 5.0], [5.0, 1.0], [4.0])).tolist()
    [0.5]
    """
    return ratio(table.hits + table.correct_negatives, table.n)


@metric(
    "csi",
    title="Critical success index",
    takes=Takes.TABLE,
    ideal=1.0,
    bounds=_UNIT,
    towards=Towards.HIGHER,
    units="1",
    formula="h / (h + m + f)",
    source=_SCHAEFER,
    needs=(*_THERE, Need.EVENTS),
    aliases=("threat_score", "ts", "jaccard"),
)
def critical_success_index(table: Table) -> Floats:
    """Part of the events, observed or simulated, that were both.

    Examples
    --------
    >>> from dmod.evaluation.reduce import table_of
    >>> critical_success_index(table_of([5.0, 5.0], [5.0, 1.0], [4.0])).tolist()
    [0.5]
    """
    return ratio(table.hits, table.hits + table.misses + table.false_alarms)


@metric(
    "ets",
    title="Equitable threat score",
    takes=Takes.TABLE,
    ideal=1.0,
    bounds=(-1.0 / 3.0, 1.0),
    towards=Towards.HIGHER,
    units="1",
    formula="(h - e) / (h + m + f - e), e = (h + m)(h + f) / n",
    source=_SCHAEFER,
    needs=(*_THERE, Need.EVENTS, Need.NON_EVENTS),
    aliases=("gilbert_skill_score", "gss"),
)
def equitable_threat_score(table: Table) -> Floats:
    """Critical success index without the hits that chance would give.

    Examples
    --------
    >>> from dmod.evaluation.reduce import table_of
    >>> equitable_threat_score(table_of([5.0, 5.0, 1.0, 1.0], [5.0, 1.0, 5.0, 1.0], [4.0])).tolist()
    [0.0]
    """
    h, m, f = table.hits, table.misses, table.false_alarms
    by_chance = ratio((h + m) * (h + f), table.n)
    return ratio(h - by_chance, h + m + f - by_chance)


@metric(
    "hss",
    title="Heidke skill score",
    takes=Takes.TABLE,
    ideal=1.0,
    bounds=(-1.0, 1.0),
    towards=Towards.HIGHER,
    units="1",
    formula="2 (h c - m f) / ((h + m)(m + c) + (h + f)(f + c))",
    source="Heidke (1926), Geogr. Ann. 8, 301-349, doi:10.1080/20014422.1926.11881138",
    needs=(*_THERE, Need.EVENTS, Need.NON_EVENTS),
    aliases=("general_skill", "heidke", "cohens_kappa"),
)
def general_skill(table: Table) -> Floats:
    """Accuracy beyond what chance would give.

    Examples
    --------
    >>> from dmod.evaluation.reduce import table_of
    >>> general_skill(table_of([5.0, 5.0, 1.0, 1.0], [5.0, 1.0, 5.0, 1.0], [4.0])).tolist()
    [0.0]
    """
    h, m, f, c = table.hits, table.misses, table.false_alarms, table.correct_negatives
    return ratio(2.0 * (h * c - m * f), (h + m) * (m + c) + (h + f) * (f + c))


@metric(
    "precision",
    title="Precision",
    takes=Takes.TABLE,
    ideal=1.0,
    bounds=_UNIT,
    towards=Towards.HIGHER,
    units="1",
    formula="h / (h + f)",
    source=_ROEBBER,
    needs=(*_THERE, Need.SIM_EVENTS),
    aliases=("success_ratio", "sr", "positive_predictive_value"),
)
def precision(table: Table) -> Floats:
    """Part of the simulated events that were observed, one less the false alarm ratio.

    Examples
    --------
    >>> from dmod.evaluation.reduce import table_of
    >>> precision(table_of([5.0, 5.0], [5.0, 1.0], [4.0])).tolist()
    [0.5]
    """
    return ratio(table.hits, table.hits + table.false_alarms)


@metric(
    "f1",
    title="F1 score",
    takes=Takes.TABLE,
    ideal=1.0,
    bounds=_UNIT,
    towards=Towards.HIGHER,
    units="1",
    formula="2 h / (2 h + m + f)",
    source="Dice (1945), Ecology 26, 297-302, doi:10.2307/1932409",
    needs=(*_THERE, Need.EVENTS),
    aliases=("f_score", "dice"),
)
def f1_score(table: Table) -> Floats:
    """Harmonic mean of precision and probability of detection.

    Examples
    --------
    >>> from dmod.evaluation.reduce import table_of
    >>> f1_score(table_of([5.0, 5.0, 1.0], [5.0, 1.0, 5.0], [4.0])).tolist()
    [0.5]
    """
    return ratio(2.0 * table.hits, 2.0 * table.hits + table.misses + table.false_alarms)


@metric(
    "peirce",
    title="Peirce skill score",
    takes=Takes.TABLE,
    ideal=1.0,
    bounds=(-1.0, 1.0),
    towards=Towards.HIGHER,
    units="1",
    formula="h / (h + m) - f / (f + c)",
    source="Peirce (1884), Science 4, 453-454, doi:10.1126/science.ns-4.93.453.b",
    needs=(*_THERE, Need.OBS_EVENTS, Need.OBS_NON_EVENTS),
    aliases=("pss", "hanssen_kuipers", "hanssen_and_kuipers", "true_skill_statistic", "tss", "hk"),
)
def peirce_skill(table: Table) -> Floats:
    """Probability of detection less that of false detection.

    Examples
    --------
    >>> from dmod.evaluation.reduce import table_of
    >>> peirce_skill(table_of([5.0, 1.0, 1.0], [5.0, 5.0, 1.0], [4.0])).tolist()
    [0.5]
    """
    return probability_of_detection(table) - probability_of_false_detection(table)
