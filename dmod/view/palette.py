"""The colours of every figure: told apart by people who see red and green alike, and in grey."""

from __future__ import annotations

__all__ = ["BORDER", "FAINT", "INK", "LAND", "OBSERVED", "RAIN", "RIVER", "RULE", "SIMULATED"]

#: Series.
OBSERVED, SIMULATED, RAIN = "#1f2933", "#d55e00", "#3f8fc5"
#: Text, text of less weight, and lines behind the data.
INK, FAINT, RULE = "#1f2933", "#5b6670", "#dde2e7"
#: Maps.
LAND, BORDER, RIVER = "#e9eef0", "#b3bfc6", "#2b7bba"
