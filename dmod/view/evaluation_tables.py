"""Scores, thresholds and what has no value as HTML tables with headers, for pages that are read or printed."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from dmod.errors import listed
from dmod.evaluation.goodness import goodness
from dmod.evaluation.interval_frames import interval_frames, interval_level
from dmod.view.evaluation_numbers import goodness_colour, ink_on, number, pretty
from dmod.view.evaluation_series import labels_of

if TYPE_CHECKING:
    from dmod.evaluation.evaluation import Evaluation

__all__ = ["facts_table", "plain_table", "score_table", "specification_rows", "threshold_table", "undefined_table"]

#: Rows that a table lists at most.
_ROWS = 5_000


def score_table(evaluation: Evaluation) -> str:
    """Every score of every place; a cell's colour says how good it is, its number says it too."""
    frame = evaluation.to_frame(intervals=False)
    scores, columns = evaluation.scores, list(frame.columns)
    shades = {column: _shades(column, frame[column].to_numpy(dtype=np.float64)) for column in columns}
    named = [str(name) for name in frame.index.names if name] if evaluation.place or frame.index.names != [None] else []
    heads = "".join(_head(label) for label in named) + "".join(_head(*_titled(scores, column)) for column in columns)
    ends, rows = interval_frames(evaluation), []
    for at, label in enumerate(frame.index[:_ROWS]):
        parts = label if isinstance(label, tuple) else (label,)
        left = "".join(f'<th scope="row">{html.escape(str(part))}</th>' for part in parts) if named else ""
        cells = "".join(
            _cell(
                float(frame[column].iloc[at]), _units(scores, column), column, shades[column][at],
                None if ends is None else (float(ends[0][column].iloc[at]), float(ends[1][column].iloc[at])),
            )
            for column in columns
        )  # fmt: skip
        rows.append(f"<tr>{left}{cells}</tr>")
    more = f", of which {_ROWS:,} are listed" if len(frame) > _ROWS else ""
    places = labels_of(evaluation)
    caption = f"Scores at {len(places):,} places{more}. A click on a heading sorts." if places else "Scores"
    if (level := interval_level(evaluation)) is not None:
        caption = f"{caption.removesuffix('.')}. In brackets: the interval of {level:.0%} confidence."
    return (
        f'<div class="wide tall"><table class="scores sortable"><caption>{caption}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def threshold_table(evaluation: Evaluation, *, most: int = 200) -> str:
    """Thresholds, with their units; empty where there are none or they change with time."""
    held = evaluation.thresholds
    if held is None or "time" in held.dims or "threshold" not in held.dims:
        return ""
    units = pretty(str(held.attrs.get("units", evaluation.pairs["obs"].attrs.get("units", "1"))))
    names = [str(name) for name in held["threshold"].values]
    if evaluation.place in held.dims:
        rows = [
            [label, *(_flow(value) for value in row)]
            for label, row in zip(labels_of(evaluation), held.transpose(..., "threshold").to_numpy(), strict=True)
        ]
        return plain_table([str(evaluation.place), *(f"{name} [{units}]" for name in names)], rows, most=most)
    rows = [[name, _flow(value)] for name, value in zip(names, held.to_numpy(), strict=True)]
    return plain_table(["threshold", f"flow [{units}]"], rows, most=most)


def plain_table(heads: Sequence[str], rows: Sequence[Sequence[object]], *, most: int = 200) -> str:
    """A table of texts; the first column names the row."""
    top = "".join(f'<th scope="col">{html.escape(head)}</th>' for head in heads)
    body = "".join(
        f'<tr><th scope="row">{html.escape(str(row[0]))}</th>'
        + "".join(f"<td>{html.escape(str(value))}</td>" for value in row[1:])
        + "</tr>"
        for row in rows[:most]
    )
    left = f'<p class="faint">and {len(rows) - most:,} more</p>' if len(rows) > most else ""
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>{left}'


def facts_table(facts: Mapping[str, object]) -> str:
    """Labels and what is to say about each."""
    rows = "".join(
        f'<tr><th scope="row">{html.escape(label)}</th><td>{html.escape(str(value))}</td></tr>'
        for label, value in facts.items()
    )
    return f'<table class="facts"><tbody>{rows}</tbody></table>'


def specification_rows(specification: Mapping[str, Any]) -> dict[str, str]:
    """The specification in rows that can be read; nested ones get the path as their label."""
    rows: dict[str, str] = {}
    for name, value in specification.items():
        if isinstance(value, Mapping):
            rows |= {f"{name}: {inner}": text for inner, text in specification_rows(value).items()}
        elif isinstance(value, list | tuple) and all(isinstance(one, str | int | float) for one in value):
            rows[str(name)] = ", ".join(map(str, value)) or "none"
        elif value is None:
            rows[str(name)] = "none"
        else:
            rows[str(name)] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return rows


def _flow(value: float) -> str:
    """A flow for a table; a dash where there is none."""
    return "–" if np.isnan(value) else f"{value:,.4g}".replace("-", "−")


def _metric(column: Any) -> str:
    return str(column[0]) if isinstance(column, tuple) else str(column)


def _units(scores: Any, column: Any) -> str:
    return str(scores[_metric(column)].attrs.get("units", "1"))


def _titled(scores: Any, column: Any) -> tuple[str, str]:
    """What a column is called, and what its name means."""
    name, units = _metric(column), _units(scores, column)
    at = f" at {column[1]}" if isinstance(column, tuple) and column[1] else ""
    about = scores[name].attrs
    shown = "pairs" if name == "sample_size" else name + at + ("" if units == "1" else f" [{pretty(units)}]")
    told = [str(about.get("long_name", name)), str(about.get("formula", ""))]
    if np.isfinite(ideal := float(about.get("ideal", np.nan))):
        told.append(f"perfect is {ideal:g}")
    return shown, "; ".join(text for text in told if text)


def _head(label: str, title: str = "") -> str:
    named = f' title="{html.escape(title, quote=True)}"' if title else ""
    return f'<th scope="col" aria-sort="none"><button type="button"{named}>{html.escape(label)}</button></th>'


def _shades(column: Any, values: Any) -> list[str]:
    """How each cell is coloured, as CSS; nothing where it cannot be said how good it is."""
    colours, good = goodness_colour(), goodness(_metric(column), values)
    return [
        "" if np.isnan(one) else f"background:{to_hex(colours(float(one)))};color:{ink_on(colours(float(one)))}"
        for one in good
    ]


def _cell(value: float, units: str, column: Any, style: str, interval: tuple[float, float] | None = None) -> str:
    if _metric(column) == "sample_size":
        text = f"{value:,.0f}"
    else:
        text = "–" if np.isnan(value) else number(value, units if units in {"1", "%"} else "1", digits=3)
        text = text.removesuffix(" %")
        if interval is not None and np.isfinite(interval).all():
            ends = (number(end, "1", digits=3) for end in interval)
            text += f" [{', '.join(ends)}]"
    key = "" if np.isnan(value) else f"{value!r}"
    styled = f' style="{style}"' if style else ""
    return f'<td data-value="{key}"{styled}>{html.escape(text)}</td>'


def undefined_table(undefined: pd.DataFrame) -> str:
    """Values that are not there: how many for each metric and reason, and where."""
    if undefined.empty:
        return ""
    rows = []
    for (metric, reason), part in undefined.groupby(["metric", "reason"], sort=False):
        labels = [column for column in part.columns if column not in {"metric", "reason"}]
        where = [" ".join(str(value) for value in row) for row in part[labels].astype(str).to_numpy()] if labels else []
        rows.append([metric, reason, f"{len(part):,}", listed(where, 8)])
    return plain_table(["metric", "reason", "values", "where"], rows)
