"""The report of an evaluation: one HTML page that needs no other file and no network.

It says what was compared and by which rules, what could not be, every score of every place,
why some have no value, and how it all came about; figures are inside it. It can be read aloud,
sorted by a click, and printed.
"""

from __future__ import annotations

import html
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dmod.errors import DmodError, InputError
from dmod.view.domain_plot import Drawable
from dmod.view.evaluation_comparison import comparison
from dmod.view.evaluation_duration import flow_duration
from dmod.view.evaluation_gages import cdf
from dmod.view.evaluation_heatmap import breakdown, heatmap
from dmod.view.evaluation_hydrograph import hydrograph
from dmod.view.evaluation_map import metric_map
from dmod.view.evaluation_numbers import metrics_of, number, short
from dmod.view.evaluation_performance import performance
from dmod.view.evaluation_residuals import residuals
from dmod.view.evaluation_scatter import scatter
from dmod.view.evaluation_series import labels_of
from dmod.view.evaluation_tables import (
    facts_table,
    plain_table,
    score_table,
    specification_rows,
    threshold_table,
    undefined_table,
)
from dmod.view.evaluation_taylor import taylor
from dmod.view.plots import picture
from dmod.view.report import STYLE
from dmod.view.writing import write_atomically

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from dmod.evaluation.evaluation import Evaluation

__all__ = ["report"]

#: Tiles of metrics at the top.
_TILES = 8

_MORE_STYLE = """
.tall { max-height: 34rem; overflow: auto; } .tall thead th { position: sticky; top: 0; background: var(--sheet); }
.scores th button { all: unset; cursor: pointer; font-weight: 600; }
.scores th button:focus-visible { outline: 2px solid var(--busy); outline-offset: 2px; border-radius: 2px; }
.scores th[aria-sort="ascending"] button::after { content: " \\2191"; }
.scores th[aria-sort="descending"] button::after { content: " \\2193"; }
.scores td { padding-left: 0.6rem; padding-right: 0.6rem; } .scores td, .scores th { white-space: nowrap; }
.scores tbody th { font-weight: 500; text-align: left; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(22rem, 1fr)); gap: 1.2rem; align-items: start; }
.pair figure { margin: 0; } pre { overflow-x: auto; font-size: 0.85rem; padding: 0.8rem; border-radius: 8px;
  background: var(--page); } summary { cursor: pointer; }
@media print { .tall { max-height: none; overflow: visible; } .tall thead th { position: static; }
  .scores td { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""

#: Sorts a table by the column whose heading is clicked: numbers by value, those that are missing last.
_SORT = """
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach((one) => one.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      const [m, n] = [Number(x), Number(y)];
      const order = Number.isNaN(m) || Number.isNaN(n) ? x.localeCompare(y, "en", { numeric: true }) : m - n;
      return down ? -order : order;
    });
    table.tBodies[0].append(...rows);
  }));
}
"""


def report(
    evaluation: Evaluation,
    path: str | os.PathLike[str],
    *others: Evaluation,
    title: str | None = None,
    domain: Drawable | None = None,
    rain: xr.DataArray | None = None,
) -> Path:
    """Write the report of an evaluation as one HTML file, whole or not at all.

    Parameters
    ----------
    evaluation : Evaluation
        What to report.
    path : str or path-like
        Where, ``.html``, in a folder that is there.
    *others : Evaluation
        Runs to compare it with.
    title : str, optional
        Title of the page; the name of the evaluation otherwise.
    domain : Domain, optional
        What the map of scores shows below.
    rain : xarray.DataArray, shape (time,), optional
        Precipitation above the hydrograph of an evaluation of one place.

    Returns
    -------
    pathlib.Path
        *path*. A figure that cannot be drawn is left out, and the page says why.

    Raises
    ------
    InputError
        If *path* is not one of HTML, or its folder is not there.
    OutputError
        If the file cannot be written.
    """
    where = Path(path)
    _refuse(where)
    heading = evaluation.name if title is None else title
    sections = [
        _header(evaluation, others, heading),
        _section("scores", "How good it is", _tiles(evaluation.scores) + score_table(evaluation)),
        _figures(evaluation, others, domain, rain),
        _section("undefined", "What has no value", undefined_table(evaluation.undefined)),
        _section("left-out", "What was left out", _left_out(evaluation)),
        _section("thresholds", "Thresholds", threshold_table(evaluation)),
        _section("how", "How it came about", _how(evaluation)),
    ]
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(heading)}</title>\n<style>{STYLE}{_MORE_STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(section for section in sections if section)
        + f"\n<footer>Written by dmod. Times are UTC.</footer>\n</main>\n<script>{_SORT}</script>\n</body>\n</html>\n"
    )
    write_atomically(where, page.encode("utf-8"))
    return where


def _refuse(where: Path) -> None:
    """Before anything is drawn: a name that a page cannot have, or a folder that is not there."""
    if where.suffix.lower() not in (".html", ".htm"):
        raise InputError(
            "a report is a page of HTML", path=where, hint="let its name end in .html; a browser prints it"
        )
    if not where.expanduser().resolve().parent.is_dir():
        raise InputError("there is no such directory", path=where, hint="make it first, or choose another place")


def _section(name: str, heading: str, body: str) -> str:
    if not body:
        return ""
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{html.escape(heading)}</h2>\n{body}\n</section>'


def _header(evaluation: Evaluation, others: tuple[Evaluation, ...], heading: str) -> str:
    """What was compared, and what a reader should know."""
    pairs = evaluation.pairs
    times = pairs["time"].to_numpy()
    facts: dict[str, object] = {"compared": evaluation.name}
    if others:
        facts["with"] = ", ".join(other.name for other in others)
    if labels := labels_of(evaluation):
        facts["places"] = f"{len(labels):,}" + (
            f", {len(evaluation.left_out):,} left out" if evaluation.left_out else ""
        )
    if len(times):
        facts["period"] = f"{str(times[0])[:16]}Z to {str(times[-1])[:16]}Z, {len(times):,} instants"
    facts["units"] = str(pairs["obs"].attrs.get("units", "1"))
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in evaluation.notes)
    listed = f'<ul aria-label="Notes">{notes}</ul>' if notes else ""
    return f"<header>\n<h1>{html.escape(heading)}</h1>\n{facts_table(facts)}\n{listed}</header>"


def _tiles(scores: xr.Dataset) -> str:
    """The first metrics, large; over several places their medians."""
    tiles = []
    for name in metrics_of(scores)[:_TILES]:
        score = scores[name]
        if {"threshold", "group"} & set(score.dims):
            continue
        known = np.asarray(score.to_numpy(), dtype=np.float64)
        known = known[np.isfinite(known)]
        value = number(float(np.median(known)) if len(known) else np.nan, str(score.attrs.get("units", "1")))
        under = [short(name)] + ["median"] * bool(score.ndim)
        if np.isfinite(ideal := float(score.attrs.get("ideal", np.nan))):
            under.append(f"perfect is {ideal:g}")
        tiles.append(
            f"<li><b>{html.escape(value)}</b><span>{html.escape(str(score.attrs.get('long_name', name)))}</span>"
            f"<small>{html.escape(', '.join(under))}</small></li>"
        )
    return f'<ul class="tiles">{"".join(tiles)}</ul>' if tiles else ""


def _figures(
    evaluation: Evaluation, others: tuple[Evaluation, ...], domain: Drawable | None, rain: xr.DataArray | None
) -> str:
    """Figures that say something about this evaluation; those that cannot be drawn are told of."""
    drawn, missing = [], []
    for caption, draw in _wanted(evaluation, others, domain, rain):
        try:
            figure = draw()
        except DmodError as problem:
            missing.append(f"{caption}: {problem.headline}")
            continue
        drawn.append(_shown(caption, figure))
    told = "".join(f'<p class="faint">Not drawn: {html.escape(text)}</p>' for text in missing)
    return _section("figures", "Figures", "\n".join(drawn) + told)


def _wanted(
    evaluation: Evaluation, others: tuple[Evaluation, ...], domain: Drawable | None, rain: xr.DataArray | None
) -> list[tuple[str, Callable[[], Figure]]]:
    """Captions, and what draws each."""
    wanted: list[tuple[str, Callable[[], Figure]]] = []
    several = len(labels_of(evaluation)) > 1
    if several:
        wanted.append(("Scores over all places", lambda: cdf(evaluation, *others)))
        if domain is not None or "lat" in {*evaluation.scores.coords, *evaluation.pairs.coords}:
            wanted.append(("Where they are", lambda: metric_map(evaluation, domain=domain)))
        wanted.append(("Correlation and spread", lambda: taylor(evaluation, *others)))
    if others:
        wanted.append(("Runs beside each other", lambda: comparison(evaluation, *others)))
    for caption, place in _shown_places(evaluation):
        wanted.append((caption, lambda place=place: hydrograph(evaluation, *others, place=place, rain=rain)))  # type: ignore[misc]
    if not several:
        wanted.append(("How often a flow is exceeded", lambda: flow_duration(evaluation, *others)))
        wanted.append(("Simulated against observed", lambda: scatter(evaluation, *others)))
        wanted.append(("What is wrong when, and for how long", lambda: residuals(evaluation, *others)))
    if evaluation.thresholds is not None:
        wanted.append(("Events at thresholds", lambda: performance(evaluation, *others)))
        if any("threshold" in evaluation.scores[name].dims for name in metrics_of(evaluation.scores)):
            wanted.append(("Metrics at thresholds", lambda: heatmap(evaluation)))
    if evaluation.scheme is not None:
        wanted.append(("What the grade is made of", lambda: breakdown(evaluation)))
    return wanted


def _shown_places(evaluation: Evaluation) -> list[tuple[str, str | None]]:
    """Hydrographs to show: the only place, or the best, the middle and the worst by the first metric."""
    labels = labels_of(evaluation)
    if len(labels) <= 1:
        return [("Observed and simulated flow", None)]
    for name in metrics_of(evaluation.scores):
        score = evaluation.scores[name]
        if score.dims != (evaluation.place,) or not np.isfinite(score.to_numpy()).any():
            continue
        values = np.asarray(score.to_numpy(), dtype=np.float64)
        ideal = float(score.attrs.get("ideal", np.nan))
        order = np.argsort(np.abs(values - ideal) if np.isfinite(ideal) else -values)
        order = order[np.isfinite(values[order])]
        picks = {"best": order[0], "median": order[len(order) // 2], "worst": order[-1]}
        chosen: dict[int, str] = {}
        for word, at in picks.items():
            chosen.setdefault(int(at), word)
        return [
            (f"Flow at {labels[at]}, the {word} by {short(name)} ({number(float(values[at]))})", labels[at])
            for at, word in chosen.items()
        ]
    return [(f"Flow at {labels[0]}", labels[0])]


def _shown(caption: str, figure: Figure) -> str:
    alternative = str(figure.get_label()) or caption
    width = round(float(figure.get_size_inches()[0]) * 96)
    return (
        f'<figure><img src="{picture(figure)}" width="{width}" alt="{html.escape(alternative, quote=True)}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def _left_out(evaluation: Evaluation) -> str:
    rows = list(evaluation.left_out.items())
    return plain_table(["site", "reason"], rows) if rows else ""


def _how(evaluation: Evaluation) -> str:
    """The specification: readable, and as JSON to use again."""
    held: dict[str, Any] = dict(evaluation.specification)
    if not held:
        return ""
    text = json.dumps(held, indent=2, ensure_ascii=False, default=str)
    return (
        facts_table(specification_rows(held))
        + f"<details><summary>The same as JSON</summary><pre>{html.escape(text)}</pre></details>"
    )
