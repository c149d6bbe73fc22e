"""The interactive map of a domain, bound to Python: what is clicked comes back, what is set is shown.

It needs no network, in a notebook or as a page of its own. A saved notebook keeps a picture, and
while it is small the map itself. What it shows is packed by `dmod.view.domain_explore`.
"""

from __future__ import annotations

import base64
import html
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import traitlets

from dmod.errors import InputError
from dmod.view.domain_card import thumbnail
from dmod.view.domain_explore import Scene, pack
from dmod.view.domain_values import flows_of
from dmod.view.evaluation_numbers import chosen_metric
from dmod.view.still_widget import StillWidget
from dmod.view.widget import front_end
from dmod.view.writing import write_atomically

if TYPE_CHECKING:
    import xarray as xr

    from dmod.evaluation.evaluation import Evaluation
    from dmod.view.domain_plot import Drawable

__all__ = ["DomainMap"]

#: Size of the page [bytes] that a saved notebook carries along.
CARRIED_BYTES = 600_000


class DomainMap(StillWidget):
    """A map to pan, zoom and pick catchments and nexuses from.

    Drag or use the arrow keys to pan, the wheel or ``+`` and ``-`` to zoom; a click selects, with
    shift one more, a double click marks all that drains there.

    Parameters
    ----------
    domain : Drawable
        What to show: catchments, flowpaths, nexuses and gages.
    column, values, partition : optional
        What to fill the catchments with; see `dmod.view.domain_paint.choose`. The columns of a
        DataFrame as *values* get a slider; *partition* may be what ``domain.partition`` gives.
    outputs : xarray.Dataset, optional
        Outputs of a run, such as ``job.outputs``, for *variable*.
    variable : str, optional
        Which variable of *outputs* to fill the catchments with. Flow at nexuses and of flowpaths is shown
        on the catchments that drain to them.
    evaluation : Evaluation, optional
        Its places are drawn in the colours of how good they are.
    metric : str, optional
        Which metric to begin with; the first one otherwise.
    most : int
        Catchments to show, from 1; of a larger domain a sample, and the map says so.
    **traits
        ``selected`` and ``step`` to begin with.

    Raises
    ------
    InputError, SelectionError
        As `dmod.view.domain_paint.choose`; also if there is nothing to show, *variable* is not in the outputs,
        or no place of the evaluation is on the map.
    """

    _esm = front_end("domain-map.js")
    _css = front_end("domain-map.css")

    #: What the map shows, as `pack` gives it.
    scene = traitlets.Dict().tag(sync=True)
    arrays = traitlets.Bytes().tag(sync=True)
    #: Ids of the selected catchments and nexuses, from either side.
    selected = traitlets.List(traitlets.Unicode()).tag(sync=True)
    #: Number of the step that is shown, from either side; of maps with a slider only.
    step = traitlets.Int().tag(sync=True)
    #: Name of the metric that is shown, from either side; of maps with an evaluation only.
    metric = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        domain: Drawable,
        *,
        column: str | None = None,
        values: Any = None,
        partition: Any = None,
        outputs: xr.Dataset | None = None,
        variable: str | None = None,
        evaluation: Evaluation | None = None,
        metric: str | None = None,
        most: int = 3_000,
        **traits: Any,
    ) -> None:
        from dmod.domain.partitioning import Partitioning

        if isinstance(partition, Partitioning):
            partition = partition.assign
        remarks: list[str] = []
        if outputs is not None or variable is not None:
            if values is not None:
                raise InputError("a map has one colour for each catchment", has="values, outputs", hint="give one")
            values, remarks = flows_of(domain, outputs, variable, most=most)
        scene = pack(
            domain, column=column, values=values, partition=partition, evaluation=evaluation, remarks=remarks, most=most
        )
        named = "" if evaluation is None else chosen_metric(evaluation, metric)
        #: An SVG for where nothing moves.
        self.picture = thumbnail(domain, width=420)
        super().__init__(scene=scene.about, arrays=scene.arrays, metric=named, **traits)

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """The map as one page that works from disk, without a kernel and without a network.

        Parameters
        ----------
        path : path, optional
            Where to write it; replaced if it is there.

        Returns
        -------
        str
            The page.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        chosen = {"selected": list(self.selected), "step": self.step, "metric": self.metric}
        content = _page(Scene(self.scene, self.arrays), chosen)
        if path is not None:
            write_atomically(Path(path), content.encode())
        return content

    def __repr__(self) -> str:
        return f"<DomainMap {self.scene['name']}, {len(self.scene['ids']):,} catchments>"

    @traitlets.validate("step")
    def _within(self, proposal: Any) -> int:
        return min(max(int(proposal["value"]), 0), max(len(self.scene.get("steps", ())) - 1, 0))

    @traitlets.validate("metric")
    def _known(self, proposal: Any) -> str:
        marks = self.scene.get("marks")
        known = [one["name"] for one in marks["metrics"]] if marks else [""]
        if proposal["value"] not in known:
            raise traitlets.TraitError(f"the map has no metric {proposal['value']!r}; it has {', '.join(known)}")
        return str(proposal["value"])

    def still(self) -> str:
        """A picture, and over it the page while that is small.

        Notebooks that are not trusted drop frames and inline SVG, but keep images.
        """
        label = html.escape(self.scene["label"], quote=True)
        source = base64.b64encode(self.picture.encode()).decode()
        frame = ""
        if len(self.arrays) * 4 // 3 < CARRIED_BYTES and len(page := self.to_html()) < CARRIED_BYTES:
            frame = (
                f'<iframe title="{label}" sandbox="allow-scripts" srcdoc="{html.escape(page, quote=True)}" '
                'style="position:absolute;inset:0;width:100%;height:100%;border:0;background:#fff"></iframe>'
            )
        note = html.escape(self.scene["message"])
        return (
            f'<div style="position:relative;{"min-height:600px" if frame else ""}">'
            f'<img alt="{label}" src="data:image/svg+xml;base64,{source}" style="max-width:100%;width:420px">'
            f"<div>{note}</div>{frame}</div>"
        )


def _page(scene: Scene, chosen: dict[str, Any]) -> str:
    """A page with everything in it."""
    # Within a script only "<" can end it; within JSON it may be written otherwise.
    state = json.dumps({"scene": scene.about, **chosen}, allow_nan=False).replace("<", "\\u003c")
    arrays = base64.b64encode(scene.arrays).decode()
    name = html.escape(scene.about["name"])
    return _PAGE.format(
        name=name, style=front_end("domain-map.css"), script=front_end("domain-map.js"), state=state, arrays=arrays
    )


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{name}</title>
<style>
{style}
</style>
</head>
<body class="dmod-map-page">
<script type="application/json" id="state">{state}</script>
<script type="text/plain" id="arrays">{arrays}</script>
<script type="module">
{script}
const state = JSON.parse(document.getElementById("state").textContent);
const text = atob(document.getElementById("arrays").textContent);
const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
state.arrays = new DataView(bytes.buffer);
const model = {{
  get: (name) => state[name],
  set: (name, value) => {{ state[name] = value; }},
  on() {{}},
  off() {{}},
  save_changes() {{}},
}};
render({{ model, el: document.body }});
</script>
</body>
</html>
"""
