"""An evaluation as a table in a notebook: a row for each place, darker where a value is better."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from dmod.evaluation.interval_frames import interval_frames, interval_level

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from numpy.typing import NDArray

    from dmod.evaluation.evaluation import Evaluation

__all__ = ["number_in_words", "shown"]

#: Rows, columns and reasons that are shown.
_ROWS, _COLUMNS, _REASONS = 20, 14, 5
#: Points of a small hydrograph, and its size [px].
_POINTS, _WIDTH, _HEIGHT = 80, 120, 22
#: Blue of a perfect value; told from white by everybody, on paper and on a dark page.
_BLUE = "31,106,158"


def number_in_words(value: float) -> str:
    """A value for a table.

    >>> number_in_words(0.1234), number_in_words(float("nan")), number_in_words(123456.0)
    ('0.1234', '–', '123,456')
    """
    return "–" if np.isnan(value) else f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def shown(evaluation: Evaluation) -> str:
    """The scores as HTML, with what a reader should know below."""
    notes = [*evaluation.notes, *_left_out(evaluation)]
    caption = f"<caption>{html.escape(evaluation.name)}</caption>"
    if evaluation.is_lazy:
        told = f"{', '.join(evaluation.metrics)}: not computed yet, <code>.compute()</code> does it"
        return f"<table>{caption}<tbody><tr><td>{told}</td></tr></tbody></table>" + _small(notes)
    frame, ends = evaluation.to_frame(intervals=False), interval_frames(evaluation)
    columns = list(frame.columns)[:_COLUMNS]
    # How many pairs there are is told however many metrics there are.
    size = next((column for column in frame.columns if _metric(column) == "sample_size"), None)
    if size is not None and size not in columns:
        columns[-1] = size
    lines = _sparklines(evaluation, list(frame.index[:_ROWS]))
    heads = "".join(f'<th scope="col">{_head(evaluation.scores[_metric(c)], c)}</th>' for c in columns)
    corner = "".join(f'<th scope="col">{html.escape(str(name))}</th>' for name in frame.index.names if name)
    rows = []
    shades = {column: _shades(evaluation.scores[_metric(column)], frame[column].to_numpy(float)) for column in columns}
    for number, label in enumerate(frame.index[:_ROWS]):
        named = label if isinstance(label, tuple) else (label,)
        left = "".join(f'<th scope="row">{html.escape(str(one))}</th>' for one in named) if corner else ""
        cells = "".join(
            _cell(float(frame[column].iloc[number]), shades[column][number], _between(ends, column, number))
            for column in columns
        )
        rows.append(f"<tr>{left}{cells}{lines[number] if lines else ''}</tr>")
    if more := len(frame) - len(rows):
        notes.append(f"{more:,} more {'places' if evaluation.place else 'rows'} not shown")
    if hidden := len(frame.columns) - len(columns):
        notes.append(f"{hidden:,} more columns not shown; .to_frame() has them all")
    heads += '<th scope="col">observed and simulated</th>' if lines else ""
    if (level := interval_level(evaluation)) is not None:
        notes.append(f"below each value: its interval of confidence, {level:.0%}")
    body = f"<thead><tr>{corner}{heads}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f"<table>{caption}{body}</table>" + _small([*notes, *_undefined(evaluation)])


def _metric(column: Any) -> str:
    return str(column[0]) if isinstance(column, tuple) else str(column)


def _head(score: xr.DataArray, column: Any) -> str:
    units = str(score.attrs.get("units", "1"))
    ideal = score.attrs.get("ideal")
    title = str(score.attrs.get("long_name", score.name))
    about = "" if ideal is None or math.isnan(float(ideal)) else f' data-ideal="{float(ideal):g}"'
    at = f" at {html.escape(str(column[1]))}" if isinstance(column, tuple) and column[1] else ""
    return f'<abbr title="{html.escape(title, quote=True)}"{about}>{html.escape(str(score.name))}</abbr>{at}' + (
        "" if units == "1" else f" [{html.escape(units)}]"
    )


def _shades(score: xr.DataArray, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """How good each value is, 1 at the ideal, in [0, 1]; NaN where there is no better and worse."""
    ideal = float(score.attrs.get("ideal", math.nan))
    if math.isnan(ideal) or score.name == "sample_size":
        return np.full(values.shape, np.nan)
    lowest, highest = (float(score.attrs.get(key, math.nan)) for key in ("lowest", "highest"))
    off = np.abs(values - ideal)
    reach = {"%": 50.0}.get(str(score.attrs.get("units", "1")), 1.0)
    if not (ideal == 1.0 or reach == 50.0 or (math.isfinite(lowest) and math.isfinite(highest))):
        # An error in the units of the flow: by the worst of the table.
        reach = float(np.nanmax(off)) if np.isfinite(off).any() and np.nanmax(off) > 0 else 1.0
    shade: NDArray[np.float64] = np.clip(1 - off / reach, 0, 1)
    return shade


def _between(ends: tuple[pd.DataFrame, pd.DataFrame] | None, column: Any, row: int) -> str:
    """The interval of confidence of a value, below it."""
    if ends is None or np.isnan([low_high := [float(end[column].iloc[row]) for end in ends]]).any():
        return ""
    return f"<br><small>{number_in_words(low_high[0])} to {number_in_words(low_high[1])}</small>"


def _cell(value: float, shade: float, between: str = "") -> str:
    style = "" if math.isnan(shade) else f' style="background:rgba({_BLUE},{0.45 * shade:.2f})"'
    return f"<td{style}>{number_in_words(value)}{between}</td>"


def _small(notes: list[str]) -> str:
    return "".join(f"<div><small>{html.escape(note)}</small></div>" for note in notes)


def _left_out(evaluation: Evaluation) -> list[str]:
    """Sites that are not compared, the first of them with their reasons."""
    held = list(evaluation.left_out.items())
    if not held:
        return []
    more = f"; and {len(held) - _REASONS:,} more" if len(held) > _REASONS else ""
    return [f"left out: {'; '.join(f'{site} ({why})' for site, why in held[:_REASONS])}{more}"]


def _undefined(evaluation: Evaluation) -> list[str]:
    """What has no value, by reason."""
    frame = evaluation.undefined
    if frame.empty:
        return []
    told = []
    for reason, rows in frame.groupby("reason"):
        metrics = list(dict.fromkeys(rows["metric"]))
        more = f" and {len(metrics) - _REASONS:,} more" if len(metrics) > _REASONS else ""
        told.append(f"undefined: {', '.join(metrics[:_REASONS])}{more} ({reason}, {len(rows):,})")
    return told


def _sparklines(evaluation: Evaluation, labels: list[Any]) -> list[str]:
    """A small hydrograph for each row; none where values are lazy, or rows are no places."""
    pairs, place = evaluation.pairs, evaluation.place
    simple = {"time"} if place is None else {place, "time"}
    held = [pairs[role] for role in ("sim", "obs") if role in pairs]
    if len(held) < 2 or any(one.chunks is not None or set(one.dims) != simple for one in held):
        return []
    if set(evaluation.scores.dims) - {place, "threshold"} or pairs.sizes["time"] < 3:
        return []
    lines = []
    for number in range(len(labels)):
        both = [_thinned(np.asarray(one[number] if place else one, dtype=np.float64)) for one in held]
        lines.append(f"<td>{_sparkline(*both)}</td>")
    return lines


def _thinned(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest of each stretch: what a flood looks like from far."""
    firsts = np.unique(np.linspace(0, len(values), _POINTS, endpoint=False).astype(int))
    thinned: NDArray[np.float64] = np.fmax.reduceat(values, firsts)
    return thinned


def _sparkline(sim: NDArray[np.float64], obs: NDArray[np.float64]) -> str:
    both = np.concatenate([sim, obs])
    there = both[np.isfinite(both)]
    if not there.size:
        return ""
    low, high = min(0.0, float(there.min())), float(there.max())
    x = np.linspace(1, _WIDTH - 1, len(sim))
    drawn = []
    for values, colour in ((obs, "#6b7680"), (sim, "#1f6a9e")):
        y = _HEIGHT - 1 - (_HEIGHT - 2) * (values - low) / (high - low or 1.0)
        points = " ".join(f"{a:.0f},{b:.1f}" for a, b in zip(x, y, strict=True) if np.isfinite(b))
        drawn.append(f'<polyline fill="none" stroke="{colour}" points="{points}"/>')
    return f'<svg width="{_WIDTH}" height="{_HEIGHT}" aria-hidden="true">{"".join(drawn)}</svg>'
