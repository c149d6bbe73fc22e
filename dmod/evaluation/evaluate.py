"""Evaluate a simulation against observations: one function, whatever is given.

The line is short: `dmod.evaluation.given` reads, `dmod.evaluation.crosswalk` finds which site
belongs where, `dmod.evaluation.pairing` makes pairs, `dmod.evaluation.computed` scores them.
A site that cannot be compared is left out with its reason, and the rest goes on.

>>> import numpy as np
>>> obs = xr.DataArray([1.0, 2.0, 3.0], {"time": np.arange(3).astype("datetime64[h]")}, attrs={"units": "m3 s-1"})
>>> evaluate(2 * obs, obs, ["pbias"], units="m3 s-1", name="twice the flow")
<Evaluation twice the flow: pbias=100 sample_size=3>
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from dmod.errors import InputError, ObservationError
from dmod.evaluation.computed import chosen_metrics, computed
from dmod.evaluation.crosswalk import crosswalk_of, matched
from dmod.evaluation.evaluation import Evaluation
from dmod.evaluation.given import MEMBER, as_series, labels_of, place_of
from dmod.evaluation.grouping import grouped
from dmod.evaluation.instants import axis_in_words
from dmod.evaluation.pairing import Pairing, paired, units_of
from dmod.evaluation.thresholds import THRESHOLD, thresholds_of
from dmod.evaluation.unpaired import gaps, in_no_group, with_pairs

if TYPE_CHECKING:
    from dmod.evaluation.bootstrap import Confidence
    from dmod.evaluation.metric import Metric
    from dmod.evaluation.scores import Scheme

__all__ = ["Evaluation", "evaluate"]

#: Series from files that are loaded before they are compared.
_SMALL_BYTES = 1 << 28


def evaluate(
    sim: Any, obs: Any, metrics: Sequence[str | Metric] | str | None = None, *, pairing: Pairing | None = None,
    crosswalk: Any = None, thresholds: Any = None, operator: str = ">=", groups: Any = None,
    confidence: Confidence | float | bool | None = None, scheme: Scheme | None = None, units: str | None = None,
    threshold_units: str | None = None, variable: str | None = None, name: str | None = None,
) -> Evaluation:  # fmt: skip
    """Score *sim* against *obs*.

    Parameters
    ----------
    sim, obs : DataArray, Dataset, DataFrame, path, or Job
        Flow with units over ``time``, and places where there are several; *sim* also over ``lead_time`` and
        ``member``. See `dmod.evaluation.given.as_series`.
    metrics : sequence of str or Metric, or str, optional
        Names; ``"standard"``, ``"all"``; ``kge``, ``nse`` and ``pbias``, or those of *scheme*, if not given.
    pairing : Pairing, optional
        Rules by which values become pairs; equal instants, pair by pair, otherwise.
    crosswalk : mapping, DataFrame, path, or Domain, optional
        Which site belongs to which place; of a Job that of its domain, equal labels otherwise.
    thresholds : optional
        Flows above which something happens: ``"q90"``, ``"100 m3 s-1"``, ... see `dmod.evaluation.thresholds`.
    operator : {">=", ">", "<=", "<"}
        When a value is an event.
    groups : str, labels over time, or sequence of them, optional
        Parts of the pairs to score: ``season``, ``month``, ... see `dmod.evaluation.grouping`.
    confidence : Confidence, float or bool, optional
        Also intervals by a block bootstrap: True as `Confidence` has it, or the level, in (0, 1).
    scheme : Scheme, optional
        What each metric weighs; ``evaluation.graded`` is the grade.
    units, threshold_units : str, optional
        Units of series, and of thresholds, that do not say their own.
    variable, name : str, optional
        Which variable of *sim* to compare, where there are several; what is compared, for a title.

    Returns
    -------
    Evaluation
        Scores over places, or scalar if *sim* and *obs* are single series; lazy where they are.

    Raises
    ------
    InputError
        If a metric, threshold, grouping or rule is not known or does not fit.
    ObservationError
        If units are missing or do not convert, it is open which places belong together, or nothing pairs.
    """
    rules, sure = pairing or Pairing(), _confidence(confidence)
    s = as_series(sim, "sim", units=units, variable=variable, duplicates=rules.duplicates)
    o = as_series(obs, "obs", units=units, duplicates=rules.duplicates)
    has = {"has_thresholds": thresholds is not None, "has_members": MEMBER in s.dims}
    chosen = chosen_metrics(metrics, scheme=scheme, **has)
    how = {
        "metrics": [one.name for one in chosen], "units": units_of(o, "obs"), "operator": operator,
        "sources": {"sim": _source(sim, s), "obs": _source(obs, o)},
    }  # fmt: skip
    here, there, left_out = matched(s, o, _walk(sim, s, o, crosswalk))
    made = _paired(_loaded(sim, here), _loaded(obs, there), left_out, rules)
    found = _scored(made, chosen, thresholds, threshold_units, operator, groups, sure)
    title = name if name is not None else _name(s, o, found.pairs)
    return replace(found, name=title, specification={**how, **found.specification}, scheme=scheme)


@dataclass(frozen=True)
class _Made:
    """Pairs, and what they were made of."""

    pairs: xr.Dataset
    series: tuple[xr.DataArray, xr.DataArray]
    left_out: dict[str, str]
    notes: tuple[str, ...]
    rules: Pairing


def _paired(sim: xr.DataArray, obs: xr.DataArray, left_out: dict[str, str], rules: Pairing) -> _Made:
    notes = [*_told(obs), *_lost(left_out, obs.sizes.get(place_of(obs), 1))]
    pairs, told = paired(sim, obs, rules)
    return _Made(pairs, (sim, obs), left_out, (*notes, *told), rules)


def _scored(
    made: _Made, chosen: Sequence[Metric], thresholds: Any, threshold_units: str | None, operator: str, groups: Any,
    confidence: Confidence | None,
) -> Evaluation:  # fmt: skip
    """Scores of pairs, without the title."""
    levels, notes = None, list(made.notes)
    if thresholds is not None:
        levels, told = thresholds_of(thresholds, made.pairs, units=threshold_units, record=made.series[1])
        notes += told
    texts = None if groups is None else grouped(groups, made.pairs)
    scores = computed(made.pairs, chosen, levels, operator=operator, groups=texts, confidence=confidence)
    notes += [] if texts is None else in_no_group(texts, made.pairs)
    scores, pairs, levels, left_out = with_pairs(scores, made.pairs, levels, made.left_out)
    if scores["sample_size"].chunks is None and not bool((scores["sample_size"] > 0).any()):
        raise _nothing(made.series, left_out)
    how = {
        "pairing": made.rules.to_dict(),
        "thresholds": None if levels is None else [str(one) for one in levels[THRESHOLD].values],
        "groups": None if texts is None else list(texts),
        "confidence": None if confidence is None else _plain(confidence),
        "versions": {package: version(package) for package in ("dmod", "numpy", "xarray")},
    }
    return Evaluation(scores, pairs, "", (*notes, *gaps(scores, pairs)), levels, left_out, how)


def _confidence(asked: Any) -> Confidence | None:
    """The interval that is meant."""
    from dmod.evaluation.bootstrap import Confidence

    if asked is None or isinstance(asked, Confidence):
        return asked
    if isinstance(asked, bool):
        return Confidence() if asked else None
    if isinstance(asked, float):
        return Confidence(level=asked)
    raise InputError(
        "confidence is an interval, its level, or True",
        has=repr(asked),
        hint="such as confidence=0.9, or Confidence(level=0.9, block='30D')",
    )


def _nothing(series: tuple[xr.DataArray, xr.DataArray], left_out: Mapping[str, str]) -> ObservationError:
    told = [why if len(left_out) == 1 else f"{site}: {why}" for site, why in left_out.items()]
    return ObservationError(
        "nothing to compare: they share instants, but never with a value in both",
        sim=axis_in_words(series[0]), obs=axis_in_words(series[1]),
        left_out="; ".join(told[:8]) + (f"; and {len(told) - 8:,} more" if len(told) > 8 else ""),
        hint="choose observations of the simulated period",
    )  # fmt: skip


def _loaded(given: Any, series: xr.DataArray) -> xr.DataArray:
    """What was opened here, in memory if it is small; what was given lazy stays so."""
    own = isinstance(given, xr.DataArray | xr.Dataset)
    return series if own or series.chunks is None or series.nbytes > _SMALL_BYTES else series.load()


def _walk(sim: Any, simulated: xr.DataArray, observed: xr.DataArray, crosswalk: Any) -> dict[str, str] | None:
    """Site to place, where there is more to it than equal labels."""
    here = labels_of(simulated)
    if crosswalk is not None:
        return crosswalk_of(crosswalk, here)
    domain = getattr(sim, "domain", None)
    if domain is None or set(here) & set(labels_of(observed)) or not labels_of(observed):
        return None
    return crosswalk_of(domain, here) or None


def _told(obs: xr.DataArray) -> list[str]:
    told = str(obs.attrs.get("notes", ""))
    return [f"observations: {told}"] if told else []


def _lost(left_out: Mapping[str, str], kept: int) -> list[str]:
    lost = len(left_out)
    return [f"{lost:,} of {lost + kept:,} observed sites are no place of the run"] if lost else []


def _name(sim: xr.DataArray, obs: xr.DataArray, pairs: xr.Dataset) -> str:
    here, there = labels_of(sim), labels_of(obs)
    if (place := place_of(pairs["obs"])) is not None and (len(here) > 1 or pairs.sizes[place] > 1):
        return f"{pairs.sizes[place]} place{'' if pairs.sizes[place] == 1 else 's'}"
    left = here[0] if here else _title(sim, "simulated")
    return f"{left} against {there[0] if len(there) == 1 else _title(obs, 'observed')}"


def _title(series: xr.DataArray, otherwise: str) -> str:
    return otherwise if series.name is None else str(series.name)


def _source(given: Any, series: xr.DataArray) -> str:
    """Where values came from, in words."""
    if isinstance(given, str | os.PathLike):
        return Path(given).name
    if hasattr(given, "outputs"):
        return f"job {given.id}" if hasattr(given, "id") else "a run"
    return str(series.attrs.get("source") or _title(series, type(given).__name__))


def _plain(confidence: Any) -> dict[str, Any]:
    held = asdict(confidence)
    return {key: value if isinstance(value, int | float | str) else str(value) for key, value in held.items()}
