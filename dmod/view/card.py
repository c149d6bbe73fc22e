"""The card of a job: what a status says, as words and as HTML.

`describe` turns a status into the words that are shown; `job_card` and the live widget both
show those, so that they never disagree. Pure: nothing here asks a job anything. A status
may lack any key; what is missing is not shown, and nothing raises.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from datetime import datetime
from typing import TypedDict

import numpy as np

__all__ = ["COLOURS", "FINAL_STATES", "Description", "bar", "describe", "duration", "is_final", "job_card"]

#: States after which a status changes no more; ``finished`` is not one: outputs are still to be published.
FINAL_STATES = frozenset({"complete", "failed", "cancelled"})

_TONES = {"complete": "good", "failed": "bad", "cancelled": "quiet", "deleted": "quiet"}
#: The colour of each tone, in the theme where there is one.
COLOURS = {
    "good": "var(--jp-success-color1, #2e8540)",
    "bad": "var(--jp-error-color1, #c9302c)",
    "quiet": "var(--jp-ui-font-color2, #7a8590)",
    "busy": "var(--jp-brand-color1, #2374ab)",
}
_CARD = (
    "box-sizing:border-box;max-width:44em;padding:0.9em 1.1em;margin:0.3em 0;border-radius:8px;"
    "border:1px solid var(--jp-border-color2, rgba(128,128,128,.35));"
    "color:var(--jp-ui-font-color1, currentColor);font:0.95em/1.45 system-ui, sans-serif"
)
#: A sign beside the state, for those who do not see its colour.
_SIGNS = {"good": "✓", "bad": "✕", "quiet": "■", "busy": "●"}


class Description(TypedDict):
    """A status in words; JSON, so that it can travel to the front end."""

    #: Name of the job.
    name: str
    #: Its state, and a sign for it.
    state: str
    sign: str
    #: ``good``, ``bad``, ``quiet`` or ``busy``.
    tone: str
    #: Progress [%] in 0..100, None if it is not known.
    percent: float | None
    #: Pairs of a label and a value.
    facts: list[list[str]]
    #: Where the outputs are; may be empty.
    output: str
    #: What went wrong, or is going on; may be empty.
    message: str


def is_final(status: Mapping[str, object]) -> bool:
    """Whether *status* will change no more."""
    return str(status.get("state", "")).lower() in FINAL_STATES


def describe(status: Mapping[str, object]) -> Description:
    """*status* in words.

    Parameters
    ----------
    status : mapping
        ``name``, ``state``, ``fraction`` [1] in 0..1, ``step``, ``steps``, ``simulated_time`` (UTC),
        ``rate`` [catchment-steps s-1], ``elapsed_s``, ``remaining_s``, ``workers``, ``catchments``,
        ``output``, ``message``; each may be missing or None.

    Returns
    -------
    Description

    Examples
    --------
    >>> describe({"name": "mad-river", "state": "running", "step": 12, "steps": 720})["facts"]
    [['step', '12 of 720']]
    """
    state = _text(status.get("state")) or "unknown"
    tone = _TONES.get(state.lower(), "busy")
    fraction = _real(status.get("fraction"))
    if fraction is None and tone == "good":
        fraction = 1.0
    facts = [
        ["step", _step(status)],
        ["simulated", _instant(status.get("simulated_time"))],
        ["catchments", _count(status.get("catchments"))],
        ["workers", _count(status.get("workers"))],
        ["speed", _speed(status.get("rate"))],
        ["elapsed", duration(status.get("elapsed_s"))],
        ["left", "" if is_final(status) else duration(status.get("remaining_s"), about="about ")],
    ]
    return Description(
        name=_text(status.get("name")) or "job",
        state=state,
        sign=_SIGNS[tone],
        tone=tone,
        percent=None if fraction is None else round(100 * min(max(fraction, 0.0), 1.0), 1),
        facts=[fact for fact in facts if fact[1]],
        output=_text(status.get("output")),
        message=_text(status.get("message")),
    )


def job_card(status: Mapping[str, object]) -> str:
    """The card of a job as HTML that needs nothing around it.

    Parameters
    ----------
    status : mapping
        As `describe` takes it.

    Returns
    -------
    str
        One ``<div>`` with inline styles, in the colours of JupyterLab's theme where there is one
        and of the surrounding text elsewhere. All text is escaped.
    """
    shown = describe(status)
    colour = COLOURS[shown["tone"]]
    quiet = "color:var(--jp-ui-font-color2, currentColor);"
    facts = "".join(
        f'<div><dt style="{quiet}font-size:0.82em;opacity:.8">{html.escape(label)}</dt>'
        f'<dd style="margin:0;font-variant-numeric:tabular-nums">{html.escape(value)}</dd></div>'
        for label, value in shown["facts"]
    )
    parts = [
        f'<div role="group" aria-label="{html.escape(shown["name"], quote=True)}" style="{_CARD}">',
        '<div style="display:flex;justify-content:space-between;align-items:baseline;gap:1em">',
        f'<strong style="font-size:1.08em;overflow-wrap:anywhere">{html.escape(shown["name"])}</strong>',
        f'<span style="color:{colour};font-weight:600;white-space:nowrap">',
        f'<span aria-hidden="true">{shown["sign"]} </span>{html.escape(shown["state"])}</span></div>',
        bar(shown["percent"], colour),
    ]
    if facts:
        parts.append(f'<dl style="display:flex;flex-wrap:wrap;gap:0.45em 1.7em;margin:0.6em 0 0">{facts}</dl>')
    if shown["message"]:
        edge = colour if shown["tone"] == "bad" else "var(--jp-border-color1, rgba(128,128,128,.5))"
        parts.append(
            f'<div style="margin-top:0.7em;padding-left:0.7em;border-left:3px solid {edge};'
            f'white-space:pre-wrap;overflow-wrap:anywhere">{html.escape(shown["message"])}</div>'
        )
    if shown["output"]:
        parts.append(
            f'<div style="margin-top:0.6em;font-size:0.9em;overflow-wrap:anywhere">'
            f'<span style="{quiet}opacity:.8">outputs</span> '
            f"<code>{html.escape(shown['output'])}</code></div>"
        )
    return "".join([*parts, "</div>"])


def bar(percent: float | None, colour: str) -> str:
    """A bar that is filled to *percent* [%] as HTML, and the number beside it; empty if that is not known."""
    now = "" if percent is None else f' aria-valuenow="{percent:g}" aria-valuetext="{percent:.0f} %"'
    label = "" if percent is None else f"{percent:.0f} %"
    return (
        '<div style="display:flex;align-items:center;gap:0.8em;margin-top:0.55em">'
        f'<div role="progressbar" aria-label="progress" aria-valuemin="0" aria-valuemax="100"{now} '
        'style="flex:1;height:7px;border-radius:4px;overflow:hidden;'
        'background:var(--jp-layout-color3, rgba(128,128,128,.25))">'
        f'<div style="width:{percent or 0:g}%;height:100%;border-radius:4px;background:{colour}"></div>'
        '</div><span style="min-width:3.2em;text-align:right;font-variant-numeric:tabular-nums">'
        f"{label}</span></div>"
    )


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()


def _real(value: object) -> float | None:
    """*value* as a finite number, or None."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _count(value: object) -> str:
    number = _real(value)
    return "" if number is None else f"{number:,.0f}"


def _step(status: Mapping[str, object]) -> str:
    done, of = _count(status.get("step")), _count(status.get("steps"))
    return f"{done} of {of}" if done and of else done


def _instant(value: object) -> str:
    if isinstance(value, np.datetime64):
        return "" if np.isnat(value) else str(value.astype("datetime64[m]")).replace("T", " ") + " UTC"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    return _text(value)


def _speed(value: object) -> str:
    rate = _real(value)
    if rate is None or rate <= 0:
        return ""
    for size, word in ((1e9, " billion"), (1e6, " million"), (1e3, " thousand")):
        if rate >= size:
            return f"{rate / size:.3g}{word} catchment-steps/s"
    return f"{rate:.3g} catchment-steps/s"


def duration(value: object, about: str = "") -> str:
    """Seconds as people say them; nothing if it is no number.

    Examples
    --------
    >>> duration(3725), duration(61.4), duration(2.25, "about "), duration(None)
    ('1 h 02 min', '1 min 01 s', 'about 2.2 s', '')
    """
    seconds = _real(value)
    if seconds is None or seconds < 0:
        return ""
    if seconds < 10:
        return f"{about}{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{about}{whole} s"
    if whole < 3600:
        return f"{about}{whole // 60} min {whole % 60:02d} s"
    return f"{about}{whole // 3600} h {whole % 3600 // 60:02d} min"
