"""What the interactive view of an evaluation shows, ready to travel to a browser.

Series go as float32, one block for all; times as a start and a step where they are regular.
Where there is no room for every value, the lowest and the highest of each stretch are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from dmod.errors import SelectionError
from dmod.evaluation.goodness import goodness
from dmod.view.evaluation_duration import curve
from dmod.view.evaluation_hydrograph import rain_rate
from dmod.view.evaluation_numbers import goodness_colour, ink_on, metrics_of, number, pretty, short, worded
from dmod.view.evaluation_series import (
    Run,
    check_units,
    labels_of,
    place_number,
    run_labels,
    runs_at,
    thresholds_at,
    units_of,
)

if TYPE_CHECKING:
    import xarray as xr

    from dmod.evaluation.evaluation import Evaluation

__all__ = ["Block", "Scene", "Together", "about", "pack", "place_of", "scores_at", "series_of", "thinned", "together"]

Floats = NDArray[np.float64]

#: Points of a duration curve, and pairs of a scatter plot: of one place, and of each of several.
_CURVE, _PAIRS = (400, 120), (3_000, 400)
#: Fewest instants that a place is worth showing with; of more places some are left out.
_LEAST = 1_500
#: Metrics in the table.
_METRICS = 12


@dataclass(frozen=True, eq=False)
class Scene:
    """What is shown, and the arrays behind it."""

    #: Names, scores, and where each array lies; JSON.
    about: dict[str, Any]
    #: The arrays, little-endian, each at a multiple of eight bytes.
    arrays: bytes


@dataclass(frozen=True, eq=False)
class Together:
    """All series of one place, over all instants of any of them; NaN where one has none."""

    #: Instants, UTC.
    times: NDArray[np.datetime64]
    #: Observations, each simulation, and rain as a rate where there is some.
    obs: Floats
    sims: list[Floats]
    rain: Floats | None = None

    @property
    def drawn(self) -> list[Floats]:
        """Every series that is drawn."""
        return [self.obs, *self.sims, *([] if self.rain is None else [self.rain])]

    def between(self, first: int, last: int) -> Together:
        """The instants from number *first* to before *last*."""
        at = slice(first, last)
        rain = None if self.rain is None else self.rain[at]
        return Together(self.times[at], self.obs[at], [sim[at] for sim in self.sims], rain)


class Block:
    """Arrays one after the other."""

    def __init__(self) -> None:
        self.layout: dict[str, list[Any]] = {}
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, name: str, values: NDArray[Any], kind: str = "<f4") -> str:
        """Put *values* at the end; gives their *name*."""
        array = np.ascontiguousarray(values, dtype=kind)
        self.layout[name] = [array.dtype.name, self._size, int(array.size)]
        self._pieces.append(array.tobytes() + bytes(-array.nbytes % 8))
        self._size += len(self._pieces[-1])
        return name

    def bytes(self) -> bytes:
        """All of them."""
        return b"".join(self._pieces)


def pack(
    evaluation: Evaluation,
    others: Sequence[Evaluation],
    place: str | None,
    *,
    rain: xr.DataArray | None = None,
    title: str = "",
    room: int = 8_500_000,
) -> Scene:
    """The scene of `dmod.view.evaluation_explore.explore`, in about *room* bytes.

    Raises
    ------
    SelectionError
        If a place is not in all evaluations, or there is nothing to show.
    UnitsError
        If the evaluations are in different units, or *rain* in none of a rate.
    """
    labels = labels_of(evaluation)
    if evaluation.place is not None and not labels:
        raise SelectionError("the evaluation has no place to draw", hint="see evaluation.left_out for why")
    wanted: list[str | None] = [place] if place is not None or not labels else list(labels)
    notes: list[str] = [str(note).rstrip(".") for note in evaluation.notes]
    series = 2 + len(others) + (rain is not None)
    kept = wanted[: max(room // (4 * (series + 1) * _LEAST), 1)]
    if len(kept) < len(wanted):
        notes.insert(0, f"{len(kept):,} of {len(wanted):,} places are here")
    block, places, lost = Block(), [], 0
    for at, one in enumerate(kept):
        runs = runs_at(evaluation, others, one, what="an explorer", ensembles=True)
        made, left = place_of(block, f"{at}", runs, together(runs, rain), room // len(kept), several=len(kept) > 1)
        lost = max(lost, left)
        scores = [cells[0] for cells in scores_at([evaluation, *others], [one])]
        made |= {"label": one or "", "thresholds": thresholds_at(evaluation, one), "scores": scores}
        places.append(made)
    if lost:
        notes.insert(0, f"one of {lost:,} instants is here at the least: the lowest and highest of each stretch")
    made = about(evaluation, others, title)
    return Scene({**made, "places": places, "notes": notes, "layout": block.layout}, block.bytes())


def about(evaluation: Evaluation, others: Sequence[Evaluation], title: str) -> dict[str, Any]:
    """Names of what is shown: title, runs, axes and metrics."""
    check_units([evaluation, *others])
    return {
        "title": title or evaluation.name,
        "label": _label(title or evaluation.name),
        "runs": ["simulated"] if not others else run_labels([evaluation, *others]),
        "flow": f"discharge [{pretty(units_of(evaluation))}]",
        "rain": f"rain [{pretty('mm h-1')}]",
        "metrics": [_metric(evaluation.scores[name]) for name in _names(evaluation)],
    }


def _names(evaluation: Evaluation) -> list[str]:
    """Metrics that have one value at a place."""
    names = metrics_of(evaluation.scores)
    return [name for name in names if evaluation.scores[name].dims in {(), (evaluation.place,)}][:_METRICS]


def scores_at(evaluations: Sequence[Evaluation], places: Sequence[str | None]) -> list[list[list[list[str]]]]:
    """Scores of each evaluation at each place as text, with the colours of cell and text, metric by metric."""
    return [
        list(map(list, zip(*columns, strict=True))) if (columns := _columns(one, _names(evaluations[0]), places)) else
        [[] for _ in places]
        for one in evaluations
    ]  # fmt: skip


def _columns(evaluation: Evaluation, names: list[str], places: Sequence[str | None]) -> list[list[list[str]]]:
    """Each metric at each place."""
    numbers = [place_number(evaluation, place) for place in places]
    colours, columns = goodness_colour(), []
    for name in names:
        score, values = evaluation.scores.get(name), np.full(len(places), np.nan)
        if score is not None and score.dims == ():
            values[:] = float(score)
        elif score is not None and score.dims == (evaluation.place,):
            values = np.asarray(score.to_numpy(), dtype=np.float64)[np.array(numbers, dtype=np.intp)]
        units = "1" if score is None else str(score.attrs.get("units", "1"))
        units = units if units in {"1", "%"} else "1"
        cells = []
        for value, good in zip(values.tolist(), goodness(name, values).tolist(), strict=True):
            text = "–" if np.isnan(value) else number(value, units, digits=3)
            shade = colours(good) if np.isfinite(good) else None
            cells.append([text, "", ""] if shade is None else [text, to_hex(shade), ink_on(shade)])
        columns.append(cells)
    return columns


def thinned(series: Sequence[Floats], most: int) -> NDArray[np.intp]:
    """Places of the lowest and highest of each series in each stretch, so that about *most* are kept, and both ends.

    Examples
    --------
    >>> thinned([np.array([1.0, 9.0, 3.0, 2.0, 0.0, 1.0])], 4).tolist()
    [0, 1, 3, 4, 5]
    """
    n = len(series[0])
    if n <= most:
        return np.arange(n)
    size = -(-n // max(most // (2 * len(series)), 1))
    kept = []
    for values in series:
        padded = np.full(-(-n // size) * size, np.nan)
        padded[:n] = values
        blocks = padded.reshape(-1, size)
        first = np.arange(len(blocks)) * size
        kept.append(np.where(np.isnan(blocks), np.inf, blocks).argmin(axis=1) + first)
        kept.append(np.where(np.isnan(blocks), -np.inf, blocks).argmax(axis=1) + first)
    found: NDArray[np.intp] = np.unique(np.concatenate([[0, n - 1], *kept]))
    return found[found < n]


def place_of(
    block: Block, key: str, runs: list[Run], series: Together, room: int, *, several: bool
) -> tuple[dict[str, Any], int]:
    """One place as the browser takes it, and of how many instants one is kept at the least; 0 if all are."""
    made, left = series_of(block, key, series, room)
    made["curves"] = [
        [
            block.add(f"{key}.curve{n}.{part}", values)
            for part, values in zip("xy", curve(flow, _CURVE[several]), strict=True)
        ]
        for n, flow in enumerate([runs[0].both[1], *(run.both[0] for run in runs)])
    ]
    start = series.times[0]
    made["pairs"] = [_sample(block, f"{key}.pairs{n}", start, run, _PAIRS[several]) for n, run in enumerate(runs)]
    return made, left


def series_of(block: Block, key: str, series: Together, room: int) -> tuple[dict[str, Any], int]:
    """Series as the browser takes them, in about *room* bytes, and of how many instants one is kept; 0 if all are."""
    bytes_each = 4 * len(series.drawn)
    keep = thinned(series.drawn, max(room // bytes_each, 64))
    if len(keep) < len(series.times):
        keep = thinned(series.drawn, max(room // (bytes_each + 4), 64))
    made: dict[str, Any] = {
        "clock": _clock(block, key, series.times, keep),
        "obs": block.add(f"{key}.obs", series.obs[keep]),
        "sims": [block.add(f"{key}.sim{n}", sim[keep]) for n, sim in enumerate(series.sims)],
    }
    if series.rain is not None:
        made["rain"] = block.add(f"{key}.rain", series.rain[keep])
    return made, -(-len(series.times) // len(keep)) if len(keep) < len(series.times) else 0


def together(runs: list[Run], rain: xr.DataArray | None = None) -> Together:
    """The series of all runs at one place, over all instants of any of them."""
    times, obs, sims = runs[0].times, runs[0].obs, [run.sim for run in runs]
    if any(not np.array_equal(run.times, times) for run in runs[1:]):
        for run in runs[1:]:
            times = np.union1d(times, run.times)
        obs, sims = np.full(len(times), np.nan), []
        for run in runs:
            at = np.searchsorted(times, run.times)
            obs[at] = np.where(np.isnan(obs[at]), run.obs, obs[at])
            sim = np.full(len(times), np.nan)
            sim[at] = run.sim
            sims.append(sim)
    return Together(times, obs, sims, None if rain is None else _rain_at(rain, times))


def _clock(block: Block, key: str, times: NDArray[np.datetime64], keep: NDArray[np.intp]) -> dict[str, Any]:
    """Times as a start and a step [ms], or as whole numbers of a unit."""
    ms = times.astype("datetime64[ms]").astype(np.int64)
    steps = np.diff(ms)
    step = float(np.median(steps)) if len(steps) else 3_600_000.0
    usual = step * max(len(times) / len(keep), 1.0) * (4.0 if len(keep) < len(times) else 1.0)
    clock: dict[str, Any] = {"start": int(ms[0]), "step": usual, "count": len(keep)}
    shown = ms[keep]
    if len(keep) == len(times) and (len(steps) == 0 or bool((steps == steps[0]).all())):
        return clock
    unit = max(float(np.gcd.reduce(np.diff(shown))), float(shown[-1] - shown[0]) / 2_147_483_000, 1.0)
    clock |= {"unit": unit, "at": block.add(f"{key}.at", np.rint((shown - shown[0]) / unit), "<i4")}
    return clock


def _rain_at(rain: xr.DataArray, times: NDArray[np.datetime64]) -> Floats:
    """Rain that falls at each instant; NaN before and after."""
    rate, when = rain_rate(rain), rain["time"].to_numpy().astype("datetime64[ns]")
    at = np.searchsorted(when, times, side="right") - 1
    inside = (at >= 0) & (times <= when[-1])
    return np.where(inside, rate[np.clip(at, 0, len(rate) - 1)], np.nan)


def _sample(block: Block, key: str, start: np.datetime64, run: Run, most: int) -> list[str]:
    """Some pairs, evenly over the ranks of the observed flow, so that the largest are there; and when they were."""
    whole = np.flatnonzero(np.isfinite(run.sim) & np.isfinite(run.obs))
    ranked = whole[np.argsort(run.obs[whole], kind="stable")]
    if len(ranked) > most:
        ranked = ranked[np.unique(np.linspace(0, len(ranked) - 1, most).astype(np.intp))]
    seconds = (run.times[ranked] - start).astype("timedelta64[ns]").astype(np.float64) / 1e9
    return [
        block.add(f"{key}.t", seconds, "<f8"),
        block.add(f"{key}.obs", run.obs[ranked]),
        block.add(f"{key}.sim", run.sim[ranked]),
    ]


def _metric(score: xr.DataArray) -> dict[str, str]:
    units = str(score.attrs.get("units", "1"))
    name = short(str(score.name)) + ("" if units in {"1", "%"} else f" [{pretty(units)}]")
    return {"name": name, "title": worded(score)}


def _label(title: str) -> str:
    return (
        f"Hydrograph of {title}, observed and simulated discharge. Left and right arrows pan, plus and minus zoom, "
        "zero shows the whole period, L makes the flow logarithmic."
    )
