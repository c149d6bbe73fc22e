"""The colours of every figure: told apart by people who see red and green alike, and in grey."""

from __future__ import annotations

__all__ = ["BORDER", "FAINT", "GOODNESS", "INK", "LAND", "OBSERVED", "RAIN", "RIVER", "RULE", "RUNS", "SIMULATED"]

#: Series.
OBSERVED, SIMULATED, RAIN = "#1f2933", "#d55e00", "#3f8fc5"
#: Runs beside each other, the first one first.
RUNS = (SIMULATED, "#0072b2", "#009e73", "#b0568a", "#b58900", "#56b4e9")
#: From bad over middling to good, for cells and points.
GOODNESS = ("#c65102", "#f0a868", "#f5f1e8", "#8dbfde", "#1c6ca8")
#: Text, text of less weight, and lines behind the data.
INK, FAINT, RULE = "#1f2933", "#5b6670", "#dde2e7"
#: Maps.
LAND, BORDER, RIVER = "#e9eef0", "#b3bfc6", "#2b7bba"
