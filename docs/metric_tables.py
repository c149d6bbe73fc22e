"""The tables of the page of metrics, made of the registry whenever the documentation is built."""

from __future__ import annotations

import math
import re
from urllib.parse import quote

from dmod.evaluation.metric import METRICS, Metric

#: What stands in the page where the tables go.
PLACE = "<!-- the tables of metrics are put here when this page is built -->"

#: Titles of modules, in the order of the page; whatever is in none comes last.
_TITLES = {
    "errors_of_flow": "Errors of flow",
    "agreement": "Agreement",
    "errors_over_time": "Errors over time",
    "correlation": "Correlation",
    "efficiency": "Efficiency",
    "kling_gupta": "Kling-Gupta efficiency and its parts",
    "skill": "Skill",
    "categories": "Categories, at thresholds",
    "association": "Association of categories, at thresholds",
    "counts": "Counts, at thresholds",
    "peaks": "Peaks",
    "event_errors": "Events",
    "duration": "Flow duration curve",
    "signatures": "Signatures",
    "probability": "Ensembles",
    "brier": "Ensembles, at thresholds",
}


def tables() -> str:
    """Every metric, one table for each module, in MyST."""
    left = dict(METRICS)
    parts = []
    for module, title in _TITLES.items():
        here = [left.pop(name) for name, it in METRICS.items() if it.kernel.__module__ == f"dmod.evaluation.{module}"]
        parts.append(_table(title, here))
    if left:
        parts.append(_table("Of plug-ins", list(left.values())))
    return "\n".join(parts)


def _table(title: str, metrics: list[Metric]) -> str:
    head = "| metric | how | ideal | range | units | source |\n|---|---|---|---|---|---|\n"
    return f"### {title}\n\n{head}" + "".join(_row(it) for it in metrics)


def _row(it: Metric) -> str:
    names = ", ".join(f"`{alias}`" for alias in it.aliases)
    name = f"**`{it.name}`**<br>{it.title}" + (f"<br>also {names}" if names else "")
    ideal = "none" if math.isnan(it.ideal) else _number(it.ideal)
    lowest, highest = it.bounds
    left, right = "(" if math.isinf(lowest) else "[", ")" if math.isinf(highest) else "]"
    span = f"{left}{_number(lowest)}, {_number(highest)}{right}"
    formula = it.formula.replace("|", "\\|")
    return f"| {name} | `{formula}` | {ideal} | {span} | {it.units} | {_linked(it.source)} |\n"


def _number(value: float) -> str:
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.3g}".replace("-", "−")


def _linked(source: str) -> str:
    """*source* with each doi as a link."""
    return re.sub(r"doi:(\S+?)(?=$|[,;]? )", _link, source)


def _link(doi: re.Match[str]) -> str:
    return f"[doi](<https://doi.org/{quote(doi[1], safe='/:().')}>)"
