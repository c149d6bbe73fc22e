"""The interactive view of an evaluation, which needs no network: in a notebook, or as a page of its own.

`explore` packs series, curves and scores into one block of bytes; ``evaluation.js`` draws them.
A page holds every value of 10^6 instants; a notebook, which refuses outputs of many megabytes,
holds the lowest and highest of each stretch, and says so.
"""

from __future__ import annotations

import base64
import html
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dmod.view.evaluation_axes import decimate
from dmod.view.evaluation_scene import Scene, pack
from dmod.view.evaluation_series import heading_of, place_number
from dmod.view.widget import front_end
from dmod.view.writing import write_atomically

if TYPE_CHECKING:
    import xarray as xr

    from dmod.evaluation.evaluation import Evaluation

__all__ = ["Explorer", "explore"]

#: Bytes of series in a page and in a notebook: 12 and 2.7 megabytes when written as text.
PAGE_BYTES, NOTEBOOK_BYTES = 8_500_000, 1_900_000
#: Height of the frame in a notebook [px], and what each place adds to it, up to so many.
_HEIGHT, _ROW, _ROWS = 700, 24, 12


@dataclass(frozen=True, eq=False)
class Explorer:
    """An evaluation to zoom, pan and choose places from.

    Drag, turn the wheel, or use the keys: arrows pan and zoom, ``0`` shows the whole, ``l`` makes the
    flow logarithmic. `save` writes a page; in a notebook it shows itself.
    """

    #: What is shown.
    evaluation: Evaluation
    #: Runs beside it.
    others: tuple[Evaluation, ...] = ()
    #: The only place that is shown; all of them otherwise.
    place: str | None = None
    #: Precipitation as a rate.
    rain: xr.DataArray | None = None
    #: Title of the page.
    title: str = ""
    #: Whether a notebook holds all that a page holds.
    whole: bool = False

    def scene(self, room: int = PAGE_BYTES) -> Scene:
        """What travels to the browser, in about *room* bytes."""
        return pack(self.evaluation, self.others, self.place, rain=self.rain, title=self.title, room=room)

    def to_html(self, path: str | os.PathLike[str] | None = None, *, room: int = PAGE_BYTES) -> str:
        """The page: it works from disk, without a kernel and without a network.

        Parameters
        ----------
        path : str or path-like, optional
            Where it is also written, ``.html``; its folder is made if need be.
        room : int
            About how many bytes it may have.

        Returns
        -------
        str
            All of it.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        made = _page(self.scene(room))
        if path is not None:
            write_atomically(Path(path), made.encode())
        return made

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page, whole or not at all.

        Parameters
        ----------
        path : str or path-like
            Where, ``.html``; its folder is made if need be.

        Returns
        -------
        pathlib.Path
            *path*.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        self.to_html(path)
        return Path(path)

    def _repr_html_(self) -> str:
        """A picture, and over it the page; notebooks that are not trusted drop the page and keep the picture."""
        scene = self.scene(PAGE_BYTES if self.whole else NOTEBOOK_BYTES)
        label = html.escape(str(scene.about["label"]), quote=True)
        places = scene.about["places"]
        tall = _HEIGHT + _ROW * min(len(places), _ROWS) * (len(places) > 1)
        still = base64.b64encode(self._still().encode()).decode()
        frame = html.escape(_page(scene), quote=True)
        return (
            f'<div style="position:relative;height:{tall}px;resize:vertical;overflow:hidden">'
            f'<img alt="{label}" src="data:image/svg+xml;base64,{still}" style="max-width:100%">'
            f'<iframe title="{label}" sandbox="allow-scripts" srcdoc="{frame}" '
            'style="position:absolute;inset:0;width:100%;height:100%;border:0;background:#fff"></iframe></div>'
        )

    def __repr__(self) -> str:
        """What it shows, in one line."""
        return f"<Explorer {self.title}>"

    def _still(self) -> str:
        """A hydrograph of a few kilobytes, for where nothing moves."""
        from dmod.view.evaluation_series import labels_of, runs_at

        place = self.place or next(iter(labels_of(self.evaluation)), None)
        run = runs_at(self.evaluation, (), place, what="a picture", ensembles=True)[0]
        lines = []
        for values, colour in ((run.obs, "#1f2933"), (run.sim, run.colour)):
            times, kept = decimate(run.times, values, limit=800)
            span = max(int((run.times[-1] - run.times[0]).astype("int64")), 1)
            x = 600 * (times - run.times[0]).astype("int64") / span
            top = max(float(max(v[v == v].max(initial=0.0) for v in (run.obs, run.sim))), 1e-12)
            spots = " ".join(f"{a:.1f},{148 - 140 * b / top:.1f}" for a, b in zip(x, kept, strict=True) if b == b)
            lines.append(f'<polyline fill="none" stroke="{colour}" points="{spots}"/>')
        return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 600 150">{"".join(lines)}</svg>'


def explore(
    evaluation: Evaluation,
    *others: Evaluation,
    place: str | None = None,
    rain: xr.DataArray | None = None,
    title: str | None = None,
    whole: bool = False,
) -> Explorer:
    """An interactive view: hydrograph, flow duration, scatter and scores.

    Parameters
    ----------
    evaluation, others : Evaluation
        What to show; all in the same units.
    place : str, optional
        One place; all of them otherwise, to choose from.
    rain : xarray.DataArray, shape (time,), optional
        Precipitation as a rate [mm h-1 or what converts into it], in UTC.
    title : str, optional
        Title; the name of the evaluation otherwise.
    whole : bool
        Whether a notebook holds all that a saved page holds, up to 12 megabytes; Jupyter may refuse
        to show that.

    Returns
    -------
    Explorer
        It shows itself in a notebook, and ``save("page.html")`` writes a page.

    Raises
    ------
    SelectionError
        If the place is not there, or nothing can be drawn.
    UnitsError
        If the evaluations are in different units, or *rain* in none of a rate.
    """
    if place is not None:
        place_number(evaluation, place, what="an explorer")
    made = Explorer(evaluation, others, place, rain, heading_of(evaluation, others, place, title), whole)
    made.scene(200_000)  # what is wrong is said here, not when a notebook shows it
    return made


def _page(scene: Scene) -> str:
    """A page with everything in it."""
    # Within a script only "<" can end it; within JSON it may be written otherwise.
    state = json.dumps(scene.about, allow_nan=False).replace("<", "\\u003c")
    return _PAGE.format(
        title=html.escape(str(scene.about["title"])), style=front_end("evaluation.css"),
        script=front_end("evaluation.js"), state=state, arrays=base64.b64encode(scene.arrays).decode(),
    )  # fmt: skip


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body class="dmod-ev-page">
<script type="application/json" id="scene">{state}</script>
<script type="text/plain" id="arrays">{arrays}</script>
<script type="module">
{script}
const text = atob(document.getElementById("arrays").textContent);
const bytes = new Uint8Array(text.length);
for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
const scene = JSON.parse(document.getElementById("scene").textContent);
globalThis.dmodEvaluation = show(document.body, scene, bytes.buffer);
</script>
</body>
</html>
"""
