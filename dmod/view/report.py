"""The report of a run: one HTML page that needs no other file and no network.

Figures are inside it, it follows the reader's light or dark, prints on paper, and can be
read aloud: headings in order, tables with headers, a text for each figure.
"""

from __future__ import annotations

import html
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dmod.view.card import describe
from dmod.view.evaluation_numbers import metrics_of
from dmod.view.plots import picture
from dmod.view.writing import write_atomically

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from dmod.evaluation.evaluation import Evaluation

__all__ = ["STYLE", "write_report"]

#: A drawing larger than this is put in as a picture of dots instead.
_LARGEST_SVG = 1_500_000
#: Most places that the table of scores lists.
_ROWS = 100

#: How pages look, on screen in light and dark and on paper.
STYLE = """
:root { color-scheme: light dark; --page: #f6f7f8; --sheet: #ffffff; --ink: #1f2933; --faint: #5b6670;
  --rule: #dde2e7; --good: #23703a; --bad: #b3261e; --busy: #1f6a9e; --quiet: #5b6670; }
@media (prefers-color-scheme: dark) { :root { --page: #14181c; --sheet: #1d2329; --ink: #e6eaed;
  --faint: #a3adb7; --rule: #37414a; --good: #7bc98f; --bad: #ff8a80; --busy: #7cbfee; --quiet: #a3adb7; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 62rem; margin: 2.5rem auto; padding: 2.5rem 3rem; background: var(--sheet);
  border: 1px solid var(--rule); border-radius: 12px; }
h1 { margin: 0; font-size: 1.9rem; line-height: 1.2; letter-spacing: -0.01em; }
h2 { margin: 2.4rem 0 0.8rem; font-size: 1.15rem; }
p { margin: 0.6rem 0; }
.state { margin: 0.4rem 0 0; font-weight: 600; }
.good { color: var(--good); } .bad { color: var(--bad); } .busy { color: var(--busy); }
.quiet, .faint { color: var(--faint); }
.message { padding: 0.3rem 0 0.3rem 0.9rem; border-left: 3px solid var(--rule); white-space: pre-wrap; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: 0.9rem;
  margin: 0.8rem 0; padding: 0; list-style: none; }
.tiles li { padding: 0.9rem 1.1rem; border: 1px solid var(--rule); border-radius: 10px; }
.tiles b { display: block; font-size: 1.75rem; font-weight: 600; line-height: 1.25;
  font-variant-numeric: tabular-nums; }
.tiles span { display: block; } .tiles small { color: var(--faint); }
figure { margin: 0 0 1.6rem; break-inside: avoid; }
figure img { display: block; max-width: 100%; height: auto; margin: 0 auto; padding: 0.8rem;
  background: #ffffff; border: 1px solid var(--rule); border-radius: 10px; }
figcaption { margin-top: 0.5rem; color: var(--faint); font-size: 0.92rem; }
.wide { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { padding-bottom: 0.4rem; color: var(--faint); font-size: 0.92rem; text-align: left; }
th, td { padding: 0.42rem 0.8rem 0.42rem 0; border-bottom: 1px solid var(--rule); text-align: left;
  vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: 600; } .facts th { width: 14rem; color: var(--faint); font-weight: 500; }
.scores td, .scores thead th + th { text-align: right; }
code { padding: 0.1em 0.35em; border-radius: 4px; background: var(--page); font-size: 0.92em;
  overflow-wrap: anywhere; }
li { margin: 0.3rem 0; }
footer { margin-top: 2.4rem; padding-top: 0.8rem; border-top: 1px solid var(--rule); color: var(--faint);
  font-size: 0.85rem; }
@media (max-width: 46rem) { main { margin: 0; padding: 1.5rem 1.2rem; border: 0; border-radius: 0; } }
@media print { :root { --page: #ffffff; --sheet: #ffffff; --ink: #000000; --faint: #444444; --rule: #cccccc;
    --good: #23703a; --bad: #b3261e; --busy: #1f6a9e; --quiet: #444444; color-scheme: light; }
  body { font-size: 10.5pt; } main { max-width: none; margin: 0; padding: 0; border: 0; }
  h2 { break-after: avoid; } figure img { padding: 0; border: 0; } tr { break-inside: avoid; } }
"""


def write_report(
    path: str | os.PathLike[str],
    *,
    title: str,
    status: Mapping[str, object],
    evaluation: Evaluation | None,
    figures: Mapping[str, Figure],
    facts: Mapping[str, str],
    next_steps: Sequence[str],
) -> Path:
    """Write the report of a run as one HTML file, whole or not at all.

    Parameters
    ----------
    path : str or path-like
        Where; its folder is made if need be.
    title : str
        Title of the page.
    status : mapping
        Status of the job, as `dmod.view.card.describe` takes it.
    evaluation : Evaluation, optional
        Scores to show; None where nothing was observed.
    figures : mapping of str to matplotlib.figure.Figure
        Captions and figures, in order. What a figure calls itself (``get_label()``) is its text
        for readers who cannot see it.
    facts : mapping of str to str
        What else to tell about the run, in order.
    next_steps : sequence of str
        What to do next; text between backticks is set as code.

    Returns
    -------
    pathlib.Path
        *path*.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    sections = [
        _header(title, status),
        "" if evaluation is None else _scores(evaluation),
        _figures(figures),
        _facts(status, facts),
        _steps(next_steps),
    ]
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(section for section in sections if section)
        + "\n<footer>Written by dmod. Times are UTC.</footer>\n</main>\n</body>\n</html>\n"
    )
    where = Path(path)
    write_atomically(where, page.encode("utf-8"))
    return where


def _header(title: str, status: Mapping[str, object]) -> str:
    shown = describe(status)
    lines = [
        f"<header>\n<h1>{html.escape(title)}</h1>",
        f'<p class="state {shown["tone"]}"><span aria-hidden="true">{shown["sign"]}</span> '
        + html.escape(shown["state"])
        + ("" if shown["percent"] in {None, 100.0} else f" at {shown['percent']:.0f} %")
        + "</p>",
    ]
    if shown["message"]:
        lines.append(f'<p class="message">{html.escape(shown["message"])}</p>')
    return "\n".join([*lines, "</header>"])


def _scores(evaluation: Evaluation) -> str:
    several = evaluation.place is not None
    body = _score_table(evaluation) if several else _score_tiles(evaluation.scores)
    notes = "".join(f'<p class="faint">{html.escape(note)}</p>' for note in evaluation.notes)
    return (
        '<section aria-labelledby="scores">\n<h2 id="scores">How good it is</h2>\n'
        f"<p>{html.escape(evaluation.name)}</p>\n{body}\n{notes}</section>"
    )


def _score_tiles(scores: xr.Dataset) -> str:
    tiles = []
    for name in [*metrics_of(scores), *(["sample_size"] if "sample_size" in scores else [])]:
        score = scores[name]
        if score.ndim:
            continue
        ideal = score.attrs.get("ideal")
        under = "" if ideal is None else f"{str(name).upper()}, perfect is {float(ideal):g}"
        tiles.append(
            f"<li><b>{_value(score)}</b><span>{html.escape(str(score.attrs.get('long_name', name)))}</span>"
            f"<small>{html.escape(under)}</small></li>"
        )
    return f'<ul class="tiles">{"".join(tiles)}</ul>'


def _score_table(evaluation: Evaluation) -> str:
    scores, place = evaluation.scores, str(evaluation.place)
    names = [name for name in metrics_of(scores) if scores[name].dims == (place,)]
    names += ["sample_size"] if "sample_size" in scores else []
    heads = "".join(f'<th scope="col">{html.escape(_heading(scores[name]))}</th>' for name in names)
    median = "".join(f"<td>{_value(scores[name].median(keep_attrs=True))}</td>" for name in names)
    rows = [f'<tr><th scope="row">median</th>{median}</tr>']
    for number, label in enumerate(scores[place].values[:_ROWS]):
        one = scores.isel({place: number})
        cells = "".join(f"<td>{_value(one[name])}</td>" for name in names)
        rows.append(f'<tr><th scope="row">{html.escape(str(label))}</th>{cells}</tr>')
    left = scores.sizes[place] - (len(rows) - 1)
    caption = f"Scores at {scores.sizes[place]:,} places" + (f", of which {_ROWS} are listed" if left else "")
    return (
        f'<div class="wide"><table class="scores"><caption>{caption}</caption><thead><tr>'
        f'<th scope="col">{html.escape(place)}</th>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _heading(score: xr.DataArray) -> str:
    units = str(score.attrs.get("units", "1"))
    return str(score.attrs.get("long_name", score.name)) + ("" if units == "1" else f" [{units}]")


def _value(score: xr.DataArray) -> str:
    value, units = float(score), str(score.attrs.get("units", "1"))
    if math.isnan(value):
        return "undefined"
    if score.name == "sample_size":
        return f"{value:,.0f}"
    text = f"{value:.2f}" if units == "1" else f"{value:+.1f} {units}"
    return html.escape(text.replace("-", "−"))


def _figures(figures: Mapping[str, Figure]) -> str:
    if not figures:
        return ""
    shown = []
    for caption, figure in figures.items():
        alternative = str(figure.get_label()) or caption
        width = round(float(figure.get_size_inches()[0]) * 96)
        shown.append(
            f'<figure><img src="{picture(figure, largest=_LARGEST_SVG)}" width="{width}" '
            f'alt="{html.escape(alternative, quote=True)}">'
            f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        )
    return '<section aria-labelledby="figures">\n<h2 id="figures">Figures</h2>\n' + "\n".join(shown) + "\n</section>"


def _facts(status: Mapping[str, object], facts: Mapping[str, str]) -> str:
    shown = describe(status)
    pairs = [*facts.items(), *((label, value) for label, value in shown["facts"] if label not in facts)]
    if shown["output"] and "outputs" not in facts:
        pairs.append(("outputs", shown["output"]))
    if not pairs:
        return ""
    rows = "\n".join(
        f'<tr><th scope="row">{html.escape(label)}</th><td>{_inline(value)}</td></tr>' for label, value in pairs
    )
    return (
        '<section aria-labelledby="facts">\n<h2 id="facts">What was run</h2>\n'
        f'<table class="facts"><tbody>\n{rows}\n</tbody></table>\n</section>'
    )


def _steps(next_steps: Sequence[str]) -> str:
    if not next_steps:
        return ""
    items = "\n".join(f"<li>{_inline(step)}</li>" for step in next_steps)
    heading = '<h2 id="next">What to do next</h2>'
    return f'<section aria-labelledby="next">\n{heading}\n<ol>\n{items}\n</ol>\n</section>'


def _inline(text: str) -> str:
    """*text* escaped, with what stands between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(str(text)))
