"""Scores as people read them: which variables are metrics, how a value is written, in which colour.

How good a value is, which chooses the colour, is said in `dmod.evaluation.goodness`.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from dmod.errors import SelectionError

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.colors import LinearSegmentedColormap

    from dmod.evaluation.evaluation import Evaluation

__all__ = [
    "chosen_metric",
    "goodness_colour",
    "ink_on",
    "metrics_of",
    "number",
    "pretty",
    "short",
    "worded",
]

_BESIDE = ("_reason", "_low", "_high")


def metrics_of(scores: xr.Dataset) -> list[str]:
    """Names of the variables that are metrics, in order: no reasons, no intervals, no sample size."""
    names = [str(name) for name in scores.data_vars]
    beside = {f"{name}{end}" for name in names for end in _BESIDE}
    return [name for name in names if name not in beside and name != "sample_size"]


def chosen_metric(evaluation: Evaluation, metric: str | None) -> str:
    """The metric that is meant; the first one if none is named.

    Raises
    ------
    SelectionError
        If the evaluation has no such metric, or none at all.
    """
    known = metrics_of(evaluation.scores)
    if not known:
        raise SelectionError("the evaluation has no metric", hint="evaluate with metrics=['kge']")
    if metric is None:
        return known[0]
    wanted = re.sub(r"[\s_'-]", "", metric).lower()
    for name in known:
        spelled = (name, str(evaluation.scores[name].attrs.get("long_name", name)))
        if wanted in {re.sub(r"[\s_'-]", "", text).lower() for text in spelled}:
            return name
    raise SelectionError(
        f"the evaluation has no metric {metric!r}",
        has=", ".join(known),
        hint=f"evaluate with it too, or choose one of these: metric={known[0]!r}",
    )


def short(name: str) -> str:
    """The name of a metric as a figure writes it: ``KGE`` for ``kge``."""
    return name.upper() if len(name) <= 5 else name.replace("_", " ")


def pretty(units: str) -> str:
    """Units with raised exponents.

    Examples
    --------
    >>> pretty("m3 s-1")
    'm³ s⁻¹'
    """
    raised = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
    return re.sub(r"(?<=[A-Za-z])\^?(-?\d+)", lambda found: found[1].translate(raised), units)


def number(value: float, units: str = "1", *, digits: int = 2) -> str:
    """A score as text, with its units; ``undefined`` where it is NaN.

    Examples
    --------
    >>> number(0.8612), number(-12.34, "%"), number(float("nan"))
    ('0.86', '−12.3 %', 'undefined')
    """
    if math.isnan(value):
        return "undefined"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if units == "1":
        text = f"{value:.{digits}f}" if abs(value) < 1e3 else f"{value:,.0f}"
        return _minus(re.sub(r"^-(0\.0*)$", r"\1", text))
    if units == "%":
        return _minus(f"{value:+.1f} %")
    return _minus(f"{value:.3g} {pretty(units)}" if abs(value) < 1e4 else f"{value:,.0f} {pretty(units)}")


def worded(score: xr.DataArray) -> str:
    """The name of a metric for an axis, with its units unless it has none."""
    units = str(score.attrs.get("units", "1"))
    title = str(score.attrs.get("long_name", score.name))
    return title if units == "1" else f"{title} [{pretty(units)}]"


def goodness_colour() -> LinearSegmentedColormap:
    """The colours from bad (0) to good (1)."""
    from matplotlib.colors import LinearSegmentedColormap

    from dmod.view.palette import GOODNESS

    return LinearSegmentedColormap.from_list("goodness", GOODNESS)


def ink_on(colour: tuple[float, ...]) -> str:
    """Ink or white, whichever is easier to read on *colour* (red, green, blue in [0, 1])."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#ffffff" if luminance < 0.27 else "#1f2933"


def _minus(text: str) -> str:
    return text.replace("-", "−")
