"""What ``dmod evaluate`` prints and writes: scores with their intervals, grades, what has no value and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmod.errors import listed
from dmod.evaluation.interval_frames import interval_frames, interval_level

if TYPE_CHECKING:
    from dmod.evaluation.evaluation import Evaluation

__all__ = ["table", "told", "written"]

#: Rows that a table shows at most.
_SHOWN = 40
#: Places that a line names at most.
_PLACES = 8


def table(made: Evaluation) -> str:
    """Scores as people read them."""
    frame = _narrow(made.to_frame())
    lines = [made.name, _with_intervals(made, frame.head(_SHOWN))]
    if len(frame) > _SHOWN:
        lines.append(f"{len(frame) - _SHOWN:,} more rows not shown")
    if made.scheme is not None:
        scores = made.graded
        grades = scores.to_frame().head(_SHOWN).mul(100).to_string(float_format=lambda v: f"{v:.2f}", na_rep="-")
        lines += ["", "grades [%]", grades, "", f"grade  {scores.letter}  {scores.grade:.2f} %"]
        if (left := 1 - scores.covered) > 1e-9:
            lines.append(f"       {left:.1%} of the weight had no value:")
            shown = scores.without_value.head(_SHOWN).itertuples(index=False)
            lines += [f"       {r.weight:.1%}  {r.metric} at {r.threshold}, {r.place}: {r.reason}" for r in shown]
    else:
        lines += _without_value(made)
    lines += [f"left out  {site}: {why}" for site, why in list(made.left_out.items())[:_SHOWN]]
    return "\n".join([*lines, *(f"note  {note}" for note in made.notes)])


def _with_intervals(made: Evaluation, frame: Any) -> str:
    """The rows of *frame*, each value with its interval where it has one."""
    ends = interval_frames(made)
    if ends is None:
        return str(frame.to_string(float_format=lambda v: f"{v:.4g}", na_rep="-"))
    texts = frame.map(lambda v: "-" if v != v else f"{v:.4g}")
    low, high = (_narrow(end).reindex(index=frame.index, columns=frame.columns) for end in ends)
    both = low.notna() & high.notna()
    for column in frame.columns:
        for at in range(len(frame)):
            if both[column].iloc[at]:
                said = f"{texts[column].iloc[at]} [{low[column].iloc[at]:.4g}, {high[column].iloc[at]:.4g}]"
                texts.iloc[at, texts.columns.get_loc(column)] = said
    return f"{texts.to_string()}\nin brackets: the interval of {interval_level(made):.0%} confidence"


def _without_value(made: Evaluation) -> list[str]:
    """Every value that is not there, with its reason; several of one metric for one reason together."""
    missing = made.undefined
    lines = []
    for (metric, reason), rows in missing.groupby(["metric", "reason"], sort=False):
        where = [" ".join(map(str, row)) for row in rows.drop(columns=["metric", "reason"]).to_numpy().tolist()]
        named = [one for one in where if one]
        at = f" at {listed(named, _PLACES)}" if named else ""
        lines.append(f"no value  {metric}{at}: {reason}")
    return [*lines[:_SHOWN], *([f"no value  {len(lines) - _SHOWN:,} more"] if len(lines) > _SHOWN else [])]


def _narrow(frame: Any) -> Any:
    """A row for each threshold, where there are several."""
    if getattr(frame.columns, "nlevels", 1) == 1:
        return frame
    order = list(dict.fromkeys(frame.columns.get_level_values(0)))
    return frame.stack(level=list(range(1, frame.columns.nlevels)), future_stack=True)[order]


def told(made: Evaluation) -> dict[str, Any]:
    """All of it in types that JSON has."""
    import pandas as pd

    frame = made.to_frame().reset_index()
    named: list[Any] = list(frame.columns)
    frame.columns = pd.Index([" ".join(filter(None, map(str, c))) if isinstance(c, tuple) else str(c) for c in named])
    rows = json.loads(frame.to_json(orient="records", date_format="iso"))
    graded = {} if made.scheme is None else {"grade": made.graded.to_dict()}
    return {"name": made.name, "scores": rows, **graded, "left_out": dict(made.left_out), "notes": list(made.notes)}


def written(made: Evaluation, output: Path | None, report: Path | None) -> list[str]:
    """Write what was asked for; says where.

    *output* ends in ``.nc``, ``.csv`` or ``.json``.
    """
    kind = "" if output is None else output.suffix.lower()
    if output is not None:
        if kind == ".csv":
            made.to_frame().to_csv(output)
        elif kind == ".json":
            output.write_text(json.dumps(told(made), indent=1), encoding="utf-8")
        else:
            made.save(output)
    if report is not None:
        made.report(report)
    return [f"written  {path}" for path in (output, report) if path is not None]
