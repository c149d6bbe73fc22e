"""Counts: how often an event was simulated, observed, both or neither, as metrics of their own."""

from __future__ import annotations

import numpy as np

from dmod.evaluation.arithmetic import Floats
from dmod.evaluation.metric import Takes, Towards, metric
from dmod.evaluation.pool import Need, Table

__all__ = ["correct_negatives", "false_alarms", "hits", "misses"]

_BOUNDS = (0.0, np.inf)
_SOURCE = "Wilks (2019), Statistical Methods in the Atmospheric Sciences, 4th ed., doi:10.1016/C2017-0-03921-6"


@metric(
    "hits",
    title="Hits",
    takes=Takes.TABLE,
    ideal=np.nan,
    bounds=_BOUNDS,
    towards=Towards.HIGHER,
    units="1",
    formula="h, the number of instants with s >= threshold and o >= threshold",
    source=_SOURCE,
    needs=(Need.THRESHOLD,),
    aliases=("true_positives",),
)
def hits(table: Table) -> Floats:
    """Instants with an event observed and simulated.

    Examples
    --------
    >>> from dmod.evaluation.reduce import table_of
    >>> hits(table_of([5.0, 1.0], [5.0, 5.0], [4.0])).tolist()
    [1.0]
    """
    return table.hits


@metric(
    "misses",
    title="Misses",
    takes=Takes.TABLE,
    ideal=0.0,
    bounds=_BOUNDS,
    towards=Towards.LOWER,
    units="1",
    formula="m, the number of instants with s < threshold and o >= threshold",
    source=_SOURCE,
    needs=(Need.THRESHOLD,),
    aliases=("false_negatives",),
)
def misses(table: Table) -> Floats:
    """Instants with an event observed and not simulated.

    Examples
    --------
    >>> from dmod.evaluation.reduce import table_of
    >>> misses(table_of([5.0, 1.0], [5.0, 5.0], [4.0])).tolist()
    [1.0]
    """
    return table.misses


@metric(
    "false_alarms",
    title="False alarms",
    takes=Takes.TABLE,
    ideal=0.0,
    bounds=_BOUNDS,
    towards=Towards.LOWER,
    units="1",
    formula="f, the number of instants with s >= threshold and o < threshold",
    source=_SOURCE,
    needs=(Need.THRESHOLD,),
    aliases=("false_positives",),
)
def false_alarms(table: Table) -> Floats:
    """Instants with an event simulated and not observed.

    Examples
    --------
    >>> from dmod.evaluation.reduce import table_of
    >>> false_alarms(table_of([5.0, 5.0], [5.0, 1.0], [4.0])).tolist()
    [1.0]
    """
    return table.false_alarms


@metric(
    "correct_negatives",
    title="Correct negatives",
    takes=Takes.TABLE,
    ideal=np.nan,
    bounds=_BOUNDS,
    towards=Towards.HIGHER,
    units="1",
    formula="c, the number of instants with s < threshold and o < threshold",
    source=_SOURCE,
    needs=(Need.THRESHOLD,),
    aliases=("true_negatives",),
)
def correct_negatives(table: Table) -> Floats:
    """Instants with an event neither observed nor simulated.

    Examples
    --------
    >>> from dmod.evaluation.reduce import table_of
    >>> correct_negatives(table_of([1.0, 5.0], [1.0, 1.0], [4.0])).tolist()
    [1.0]
    """
    return table.correct_negatives
