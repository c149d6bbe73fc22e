"""An evaluation in a notebook, bound to Python: the chosen place and the window go both ways.

Scores of all places travel at once, series only of the chosen one: the lowest and highest of each
stretch where they are long, and more of them for the part that is looked at. The front end is that
of `dmod.view.evaluation_explore`.
"""

from __future__ import annotations

import base64
import html
import io
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import traitlets

from dmod.errors import DmodError, InputError
from dmod.view.evaluation_scene import Block, Together, about, place_of, scores_at, series_of, together
from dmod.view.evaluation_series import gages_of, heading_of, labels_of, place_number, runs_at, thresholds_at
from dmod.view.still_widget import StillWidget
from dmod.view.widget import front_end

if TYPE_CHECKING:
    import xarray as xr

    from dmod.evaluation.evaluation import Evaluation

__all__ = ["EvaluationPanel"]

log = logging.getLogger("dmod.view")

#: Bytes of the series of a place, and of a part of it.
_ROOM = 500_000
#: Places to choose from; of more the first are listed, and any can be selected from Python.
_PLACES = 1_000
#: How much wider than the window finer series are, and how much narrower it may get before there are new ones [1].
_AROUND, _FINER = 2.0, 0.25


class EvaluationPanel(StillWidget):
    """An evaluation to look at place by place: hydrograph, flow duration, scatter and scores.

    Drag, turn the wheel, or use the keys: arrows pan and zoom, ``0`` shows the whole, ``l`` makes the flow
    logarithmic.

    Parameters
    ----------
    evaluation, *others : Evaluation
        What to show, and what to put beside it; all in the same units.
    place : str, optional
        The place to begin with, or its gage; the first otherwise.
    rain : xarray.DataArray, shape (time,), optional
        Precipitation as a rate [mm h-1 or what converts into it], in UTC.
    title : str, optional
        Title; the name of the evaluation otherwise.

    Raises
    ------
    SelectionError
        If the place is not there, or nothing can be drawn.
    UnitsError
        If the evaluations are in different units, or *rain* in none of a rate.
    """

    _esm = front_end("evaluation.js") + front_end("evaluation-panel.js")
    _css = front_end("evaluation.css") + front_end("evaluation-panel.css")

    #: Names and scores of what is shown.
    scene = traitlets.Dict().tag(sync=True)
    #: Where the series of the chosen place lie in *arrays*.
    series = traitlets.Dict().tag(sync=True)
    arrays = traitlets.Bytes().tag(sync=True)
    #: The same of the part that is looked at; empty while that needs no more.
    finer = traitlets.Dict().tag(sync=True)
    finer_arrays = traitlets.Bytes().tag(sync=True)
    #: Label of the chosen place, from either side; empty for a single series. A gage may be given too.
    selected = traitlets.Unicode().tag(sync=True)
    #: First and last instant that are seen [ms since 1970, UTC], from either side; empty for the whole.
    window = traitlets.List(traitlets.Float()).tag(sync=True)
    #: Whether the flow is logarithmic, from either side.
    log = traitlets.Bool().tag(sync=True)

    def __init__(
        self,
        evaluation: Evaluation,
        *others: Evaluation,
        place: str | None = None,
        rain: xr.DataArray | None = None,
        title: str | None = None,
        **traits: Any,
    ) -> None:
        self.evaluation, self.others, self._rain, self._title = evaluation, others, rain, title
        self._labels = labels_of(evaluation)
        first = place or next(iter(self._labels), None)
        number = place_number(evaluation, first, what="a panel")
        chosen = "" if number is None else self._labels[number]
        series, arrays = self._taken(chosen)
        super().__init__(scene=self._scene(chosen), series=series, arrays=arrays, selected=chosen, **traits)

    def show(self, start: Any = None, stop: Any = None) -> None:
        """Show the time from *start* to *stop*, in UTC; the whole if neither is given.

        Raises
        ------
        InputError
            If *stop* is not after *start*, or one of them is no instant.
        """
        if start is None and stop is None:
            self.window = []
            return
        times = self._now.times
        try:
            ends = [
                pd.Timestamp(times[0] if start is None else start),
                pd.Timestamp(times[-1] if stop is None else stop),
            ]
        except (TypeError, ValueError) as problem:
            raise InputError("that is no instant", has=f"{start}, {stop}", hint="such as '2016-09-01'") from problem
        first, last = (end.tz_convert(None) if end.tzinfo else end for end in ends)
        if not first < last:
            raise InputError("a window ends after it begins", has=f"{first} to {last}")
        self.window = [first.timestamp() * 1e3, last.timestamp() * 1e3]

    def _scene(self, label: str) -> dict[str, Any]:
        """All but the series."""
        places: list[str | None] = [*self._listed(label)] if label else [None]
        known = gages_of(self.evaluation) if label else []
        gage = dict(zip(self._labels, known, strict=False))
        evaluations = [self.evaluation, *self.others]
        runs = scores_at(evaluations, places)
        listed = [
            {"label": place or "", "gage": gage.get(place or "", ""), "scores": [run[n] for run in runs],
             "thresholds": thresholds_at(self.evaluation, place)}
            for n, place in enumerate(places)
        ]  # fmt: skip
        notes = [str(note).rstrip(".") for note in self.evaluation.notes]
        if len(self._labels) > len(places):
            notes.insert(0, f"{len(places):,} of {len(self._labels):,} places are listed")
        heading = heading_of(self.evaluation, self.others, None, self._title)
        return {**about(self.evaluation, self.others, heading), "places": listed, "notes": notes, "layout": {}}

    def _taken(self, label: str) -> tuple[dict[str, Any], bytes]:
        """The series of a place, as the browser takes them."""
        place = label or None
        runs = runs_at(self.evaluation, self.others, place, what="a panel", ensembles=True)
        self._now: Together = together(runs, self._rain)
        block = Block()
        made, self._left = place_of(block, "place", runs, self._now, _ROOM, several=False)
        times = self._now.times.astype("datetime64[ms]").astype(np.int64)
        made["finest"] = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
        number = self._listed(label).index(label) if label else 0
        return {"place": number, "about": made, "layout": block.layout}, block.bytes()

    def _listed(self, label: str) -> list[str]:
        """Labels of the places to choose from; one that is chosen is always among them."""
        first = self._labels[:_PLACES]
        return first if label in first or not label else [*first, label]

    @traitlets.validate("selected")
    def _place(self, proposal: Any) -> str:
        """The label of what was named, which may be a gage."""
        number = place_number(self.evaluation, proposal["value"] or None, what="a panel")
        return "" if number is None else self._labels[number]

    @traitlets.observe("selected")
    def _choose(self, change: Any) -> None:
        if not self.series or change["old"] == change["new"]:
            return
        with self.hold_sync():
            if change["new"] not in [place["label"] for place in self.scene["places"]]:
                self.scene = self._scene(change["new"])
            self.series, self.arrays = self._taken(change["new"])
            self.window, self.finer, self.finer_arrays = [], {}, b""

    @traitlets.validate("window")
    def _two(self, proposal: Any) -> list[float]:
        window = list(proposal["value"])
        if window and (len(window) != 2 or not np.isfinite(window).all() or not window[0] < window[1]):
            raise traitlets.TraitError(f"a window is the first and the last instant [ms since 1970], not {window}")
        return window

    @traitlets.observe("window")
    def _refine(self, change: Any) -> None:
        """Send finer series of what is looked at, where there are some and it has none yet."""
        window = change["new"]
        if not self._left or not window:
            return
        width = window[1] - window[0]
        if self.finer:
            first, last = self.finer["span"]
            enough = not self.finer["left"] or width > _FINER * (last - first)
            if first <= window[0] and window[1] <= last and enough:
                return
        middle, reach = (window[0] + window[1]) / 2, _AROUND * width / 2
        times = self._now.times.astype("datetime64[ms]").astype(np.int64)
        first, last = np.searchsorted(times, [middle - reach, middle + reach])
        first, last = max(int(first) - 1, 0), min(int(last) + 1, len(times))
        if last - first < 2 or last - first > 0.8 * len(times):
            return
        block = Block()
        made, left = series_of(block, "finer", self._now.between(first, last), _ROOM)
        span = [float(times[first]), float(times[last - 1])]
        with self.hold_sync():
            found = {"place": self.series["place"], "about": made, "layout": block.layout, "span": span, "left": left}
            self.finer, self.finer_arrays = found, block.bytes()

    def __repr__(self) -> str:
        at = f" at {self.selected}" if self.selected else ""
        return f"<EvaluationPanel {self.scene['title']}{at}>"

    def still(self) -> str:
        """A picture and a table, for where nothing moves."""
        label = html.escape(str(self.scene["label"]), quote=True)
        table = self.evaluation._repr_html_()
        try:
            picture = base64.b64encode(self._picture()).decode()
        except DmodError:  # what cannot be drawn still has scores
            log.info("an evaluation is shown without a picture", exc_info=True)
            return table
        return f'<div><img alt="{label}" src="data:image/png;base64,{picture}" style="max-width:100%"></div>{table}'

    def _picture(self) -> bytes:
        """The hydrograph of the chosen place, PNG."""
        from dmod.view.evaluation_hydrograph import hydrograph

        buffer = io.BytesIO()
        hydrograph(self.evaluation, *self.others, place=self.selected or None).savefig(buffer, format="png", dpi=100)
        return buffer.getvalue()
