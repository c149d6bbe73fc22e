"""Series of evaluations at one place, checked and ready to be drawn.

Every picture of flows begins with `runs_at`: it finds the place in each evaluation, sees that
all have the same units, and says what is wrong before anything is drawn.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dmod.errors import SelectionError, UnitsError, listed
from dmod.view.palette import RUNS

if TYPE_CHECKING:
    from dmod.evaluation.evaluation import Evaluation

__all__ = [
    "Run",
    "check_units",
    "gages_of",
    "heading_of",
    "labels_of",
    "place_number",
    "run_labels",
    "runs_at",
    "thresholds_at",
    "units_of",
]

Floats = NDArray[np.float64]
Times = NDArray[np.datetime64]


@dataclass(frozen=True, eq=False)
class Run:
    """One evaluation at one place."""

    #: What it is called where several are beside each other.
    label: str
    #: The colour it has in this picture.
    colour: str
    #: Instants, UTC.
    times: Times
    #: Simulated flow; of an ensemble the median of its members. NaN where missing.
    sim: Floats
    #: Observed flow. NaN where missing.
    obs: Floats
    #: Units of both.
    units: str
    #: Scores at this place.
    scores: xr.Dataset
    #: Members, shape (member, time), of an ensemble.
    members: Floats | None = None

    @property
    def both(self) -> tuple[Floats, Floats]:
        """Simulated and observed flow where neither is missing."""
        whole = np.isfinite(self.sim) & np.isfinite(self.obs)
        return self.sim[whole], self.obs[whole]


def runs_at(
    evaluation: Evaluation,
    others: Sequence[Evaluation] = (),
    place: str | None = None,
    *,
    what: str = "this figure",
    ensembles: bool = False,
) -> list[Run]:
    """The series of each evaluation at one place.

    Parameters
    ----------
    evaluation, others : Evaluation
        The first one and those beside it.
    place : str, optional
        Label of the place, or of its gage; needed if there are several.
    what : str
        What is drawn, for errors: ``a hydrograph``.
    ensembles : bool
        Whether several members can be drawn.

    Returns
    -------
    list of Run
        In order, each with a label and a colour of its own.

    Raises
    ------
    SelectionError
        If the place is not in one of them, if it is open which one is meant, if there is nothing
        to draw, or if the series have dimensions that cannot be drawn.
    UnitsError
        If the evaluations are in different units.
    """
    everything = [evaluation, *others]
    check_units(everything)
    names = run_labels(everything)
    return [
        _run(one, place, name, RUNS[number % len(RUNS)], what, ensembles)
        for number, (one, name) in enumerate(zip(everything, names, strict=True))
    ]


def check_units(evaluations: Sequence[Evaluation]) -> None:
    """Refuse evaluations whose flows are in different units.

    Raises
    ------
    UnitsError
        If one has other units than the first.
    """
    first = units_of(evaluations[0])
    for other in evaluations[1:]:
        if (units := units_of(other)) != first:
            raise UnitsError(
                f"{other.name!r} is in other units",
                has=units,
                needed=f"{first}, as {evaluations[0].name!r}",
                hint="evaluate it against observations in the same units",
            )


def units_of(evaluation: Evaluation) -> str:
    """Units of the flows that were compared."""
    return str(evaluation.pairs["obs"].attrs.get("units", "1"))


def run_labels(evaluations: Sequence[Evaluation]) -> list[str]:
    """A name for each evaluation, numbered where two have the same one."""
    names = [str(one.name) for one in evaluations]
    if len(set(names)) == len(names):
        return names
    return [f"{name} ({names[: n + 1].count(name)})" if names.count(name) > 1 else name for n, name in enumerate(names)]


def heading_of(
    evaluation: Evaluation, others: Sequence[Evaluation] = (), place: str | None = None, title: str | None = None
) -> str:
    """The title of a figure: as told, else what was evaluated and where."""
    if title is not None:
        return title
    where = place if evaluation.place is not None else None
    if others:
        return where or f"{1 + len(others)} runs"
    return f"{evaluation.name}, {where}" if where is not None else str(evaluation.name)


def labels_of(evaluation: Evaluation) -> list[str]:
    """Labels of the places; empty for a single series."""
    dim = evaluation.place
    return [] if dim is None else [str(label) for label in evaluation.scores[dim].values]


def place_number(evaluation: Evaluation, place: str | None, *, what: str = "this figure") -> int | None:
    """Which place *place* is; None for an evaluation of a single series.

    Raises
    ------
    SelectionError
        If there is no such place, or several and none is named.
    """
    labels = labels_of(evaluation)
    gages = gages_of(evaluation)
    if not labels:
        if evaluation.place is not None:
            raise SelectionError("the evaluation has no place to draw", hint="see evaluation.left_out for why")
        if place is not None and gages and place not in gages:
            raise SelectionError(
                f"there is no place {place!r}", has=", ".join(gages), hint="leave out place=: there is but one series"
            )
        return None
    if place is None and len(labels) == 1:
        return 0
    for known in (labels, gages):
        if place in known:
            return known.index(str(place))
    near = [] if place is None else difflib.get_close_matches(str(place), [*labels, *gages], n=3, cutoff=0.5)
    meant = " or ".join(f"place={name!r}" for name in near)
    raise SelectionError(
        f"{what} shows one place" if place is None else f"there is no place {place!r}",
        has=listed(labels),
        hint=f"did you mean {meant}?" if near else f"name one of them: place={labels[0]!r}",
    )


def thresholds_at(evaluation: Evaluation, place: str | None) -> list[tuple[str, float]]:
    """Names and values of the thresholds at a place, lowest first.

    Those without a value are left out, and those that change with time: they are no single line.
    """
    held = evaluation.thresholds
    if held is None or "time" in held.dims:
        return []
    number, dim = place_number(evaluation, place), evaluation.place
    if number is not None and dim in held.dims:
        held = held.isel({str(dim): number})
    names = [str(name) for name in np.atleast_1d(held["threshold"].to_numpy())]
    values = np.atleast_1d(np.asarray(held.to_numpy(), dtype=np.float64))
    found = [(name, float(value)) for name, value in zip(names, values, strict=True) if np.isfinite(value)]
    return sorted(found, key=lambda one: one[1])


def gages_of(evaluation: Evaluation) -> list[str]:
    """What the gages at the places are called."""
    held = evaluation.pairs.coords.get("gage")
    return [] if held is None else [str(name) for name in np.atleast_1d(held.to_numpy())]


def _run(evaluation: Evaluation, place: str | None, label: str, colour: str, what: str, ensembles: bool) -> Run:
    number, dim = place_number(evaluation, place, what=what), evaluation.place
    at = {} if number is None else {str(dim): number}
    pairs = evaluation.pairs.isel(at)
    sim, obs = pairs["sim"], pairs["obs"]
    extra = [str(name) for name in sim.dims if name != "time"]
    if extra and not (ensembles and extra == ["member"]):
        raise SelectionError(
            f"{what} shows one series, but the simulation has several",
            has=", ".join(f"{name} ({sim.sizes[name]})" for name in extra),
            hint=f"evaluate one of them, for example sim.isel({extra[0]}=0)",
        )
    members = np.asarray(sim.transpose("member", "time").to_numpy(), dtype=np.float64) if extra else None
    values = np.asarray(sim.to_numpy(), dtype=np.float64) if members is None else _median(members)
    seen = np.asarray(obs.to_numpy(), dtype=np.float64)
    if not (np.isfinite(values).any() and np.isfinite(seen).any()):
        raise SelectionError(
            "there is nothing to draw: no instant has a value",
            place=place if place is not None else evaluation.name,
            hint="evaluation.undefined says why",
        )
    times = pairs["time"].to_numpy().astype("datetime64[ns]")
    units = str(obs.attrs.get("units", "1"))
    return Run(label, colour, times, values, seen, units, evaluation.scores.isel(at), members)


def _median(members: Floats) -> Floats:
    """The middle of the members, NaN where one is missing."""
    middle: Floats = np.median(members, axis=0)
    return middle
