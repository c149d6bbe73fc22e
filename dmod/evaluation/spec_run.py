"""Running a specification: from what it names to an `Evaluation` with its grade.

The line: sources to tables, the crosswalk to places, tables to pairs, thresholds to flows at each
instant, pairs at or above them to scores. A place that cannot be compared is left out with its
reason, and the rest goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from dmod.errors import ObservationError, listed
from dmod.evaluation.crosswalk import GAGE
from dmod.evaluation.metric import find_metric
from dmod.evaluation.original import original_metric
from dmod.evaluation.pairing import Pairing, paired
from dmod.evaluation.score_cells import ALL
from dmod.evaluation.scores import Scheme, Scoring
from dmod.evaluation.spec_pools import original_scores, scores_of
from dmod.evaluation.spec_reading import Read, read_specification
from dmod.evaluation.spec_sources import files_at
from dmod.evaluation.spec_tables import (
    PLACE,
    TIME,
    UNIT,
    VALUE,
    Reading,
    as_array,
    in_units,
    read_crosswalk,
    read_source,
)
from dmod.evaluation.spec_templates import Templates
from dmod.evaluation.spec_thresholds import Threshold, read_thresholds
from dmod.evaluation.specification import DataSourceSpecification, EvaluationSpecification

if TYPE_CHECKING:
    from dmod.evaluation.evaluation import Evaluation

__all__ = ["run_specification"]

#: Told the share done, in [0, 1].
Progress = Callable[[float], None]


@dataclass
class _Notes:
    """What a reader of the scores should know, gathered on the way."""

    told: list[str] = field(default_factory=list)

    def __call__(self, note: str) -> None:
        if note and note not in self.told:
            self.told.append(note)


@dataclass(frozen=True)
class _Matched:
    """Both tables, and which of their places belong together."""

    obs: pd.DataFrame
    sim: pd.DataFrame
    #: Observed and predicted place of each row of the result.
    sites: list[str]
    places: list[str]
    #: What each row is called.
    labels: list[str]
    left_out: dict[str, str]


def run_specification(
    given: str | Path | Mapping[str, Any] | Read,
    *,
    templates: Templates | str | Path | None = None,
    folder: str | Path | None = None,
    memory: Mapping[str, Any] | None = None,
    scoring: Scoring = "corrected",
    progress: Progress | None = None,
) -> Evaluation:
    """Run an evaluation's specification, the original's or ours.

    Parameters
    ----------
    given : path, dict or Read
        JSON or YAML, what it holds, or what `read_specification` made of it.
    templates : Templates or path, optional
        See `read_specification`.
    folder : path, optional
        Directory that addresses are relative to; that of the file otherwise.
    memory : Mapping, optional
        Arrays, tables or jobs by the names that backends of kind ``memory`` have as addresses.
    scoring : str
        ``corrected``, or ``dmod`` for the values and the grade of the original with all its faults.
    progress : callable, optional
        Told the share done, in [0, 1].

    Returns
    -------
    Evaluation
        Every metric over (place, threshold): continuous ones of the pairs whose observation is an event,
        and, at the threshold ``all``, of all pairs. ``graded`` is the grade.

    Raises
    ------
    CheckError
        If the specification is wrong; its report lists everything.
    ObservationError
        If a source cannot be read, or nothing can be compared.
    """
    from dmod.evaluation.evaluation import Evaluation

    tell = progress or (lambda _share: None)
    read = given if isinstance(given, Read) else read_specification(
        given, templates=templates, folder=folder, scoring=scoring
    )  # fmt: skip
    spec, notes = read.specification, _Notes([f"{f.message}: {f.key}" for f in read.report.warnings])
    reading = Reading(read.folder, memory or {}, notes, codes_are_missing=scoring != "dmod")
    matched = _matched(spec, reading, notes, lambda share: tell(0.5 * share))
    pairs, left_out = _pairs(matched, spec, notes)
    thresholds = [one for held in spec.thresholds for one in read_thresholds(held, read.folder)]
    tell(0.6)
    sites = [str(site) for site in pairs[GAGE].values]
    _tell_lacking(thresholds, sites, notes)
    scheme = _scheme(spec, thresholds, scoring)
    scores = _scores(spec, matched, pairs, thresholds, scheme, lambda share: tell(0.6 + 0.4 * share))
    levels = _levels(thresholds, pairs, sites, convert=scoring != "dmod")
    name = spec.name or (Path(read.file).stem if read.file else "evaluation")
    evaluation = Evaluation(scores, pairs, name, tuple(notes.told), levels, left_out, _how(read, scoring), scheme)
    tell(1.0)
    return evaluation


def _scores(
    spec: EvaluationSpecification, matched: _Matched, pairs: xr.Dataset, thresholds: list[Threshold], scheme: Scheme,
    tell: Progress,
) -> xr.Dataset:  # fmt: skip
    if scheme.scoring == "dmod":
        return original_scores(_merged(matched, pairs), pairs, thresholds, list(scheme.metrics), progress=tell)
    return scores_of(
        pairs, thresholds, [find_metric(name) for name in scheme.metrics],
        sites=[str(site) for site in pairs[GAGE].values], groups=spec.groups, confidence=_confidence(spec),
        progress=tell,
    )  # fmt: skip


def _matched(spec: EvaluationSpecification, reading: Reading, notes: _Notes, tell: Progress) -> _Matched:
    """Everything read, and which places belong together."""
    walks = [read_crosswalk(one, reading.folder) for one in spec.crosswalks]
    fields = (spec.crosswalks[0].observation_field_name, spec.crosswalks[0].predicted) if walks else (None, None)
    tables = {}
    count, done = len(spec.observations) + len(spec.predictions), 0
    for role, sources, name in (("obs", spec.observations, fields[0]), ("sim", spec.predictions, fields[1])):
        held = []
        for source in sources:
            _tell_moved(source, reading, notes)
            held.append(read_source(source, reading, place_field=name, role=role))
            done += 1
            tell(done / count)
        tables[role] = pd.concat(held, ignore_index=True)
        if tables[role][VALUE].notna().sum() == 0:
            raise ObservationError(f"{'observations' if role == 'obs' else 'predictions'} hold no value")
    obs, sim = tables["obs"], tables["sim"]
    here, there = set(obs[PLACE].astype(str)), set(sim[PLACE].astype(str))
    if walks:
        walk = pd.concat(walks, ignore_index=True).drop_duplicates(ignore_index=True)
    else:
        one = len(here) == len(there) == 1
        both = [(min(here), min(there))] if one else [(name, name) for name in sorted(here & there)]
        walk = pd.DataFrame(both, columns=["obs", "sim"])
    left_out = {}
    for site, place in walk.itertuples(index=False, name=None):
        lacks = [
            words for words, known in (("observations", site in here), ("predictions", place in there)) if not known
        ]
        if lacks:
            left_out[site] = f"there are no {' and no '.join(lacks)} of it"
    for site in sorted(here - set(walk["obs"])):
        left_out[site] = "the crosswalk does not name it" if walks else "no predicted place has its name"
    walk = walk[walk["obs"].isin(here) & walk["sim"].isin(there)].sort_values(["obs", "sim"])
    if walk.empty:
        raise ObservationError(
            "no observed place belongs to a predicted one",
            observed=listed(sorted(here)), predicted=listed(sorted(there)),
            hint="look whether the crosswalk names both as the sources do",
        )  # fmt: skip
    sites, places = walk["obs"].tolist(), walk["sim"].tolist()
    labels = places if len(set(places)) == len(places) else [f"{a} vs {b}" for a, b in zip(sites, places, strict=True)]
    return _Matched(obs, sim, sites, places, labels, left_out)


def _tell_moved(source: DataSourceSpecification, reading: Reading, notes: _Notes) -> None:
    if source.backend.backend_type == "file":
        notes(files_at(source.backend.address or "", reading.folder)[1])


def _pairs(matched: _Matched, spec: EvaluationSpecification, notes: _Notes) -> tuple[xr.Dataset, dict[str, str]]:
    """Both tables as pairs over (place, time), and what was left out."""
    rules = spec.pairing
    obs = matched.obs[matched.obs[PLACE].isin(matched.sites)]
    units = str(obs[UNIT].iloc[0])
    repeated = int(obs.duplicated([PLACE, TIME]).sum())
    if repeated and rules.duplicates != "error":
        notes(f"obs: {repeated:,} values of instants that have several; the {rules.duplicates} counts")
    arrays = {
        "obs": as_array(matched.obs, matched.sites, units=units, duplicates=rules.duplicates, role="obs"),
        "sim": as_array(matched.sim, matched.places, units=units, duplicates=rules.duplicates, role="sim"),
    }
    both = {
        role: array.assign_coords({"place": matched.labels, GAGE: ("place", matched.sites)})
        for role, array in arrays.items()
    }
    pairs, told = paired(
        both["sim"], both["obs"],
        Pairing(
            instants=rules.instants, tolerance=rules.tolerance, every=rules.every, closed=rules.closed,
            label=rules.label, complete=rules.complete, missing=rules.missing, duplicates="error", no_data=(),
        ),
    )  # fmt: skip
    for note in told:
        notes(note)
    left_out = dict(matched.left_out)
    there = (pairs["sim"].notnull() & pairs["obs"].notnull()).any("time").to_numpy()
    for label, site in zip(np.array(matched.labels)[~there], np.array(matched.sites)[~there], strict=True):
        left_out[str(site)] = f"no instant has a value there and at {label}"
    if not there.any():
        raise ObservationError(
            "nothing to compare: no instant has a value in both", left_out="; ".join(left_out.values()),
            hint="say how instants belong together: pairing: {instants: nearest, tolerance: 30min}",
        )  # fmt: skip
    return pairs.isel(place=np.flatnonzero(there)), left_out


def _merged(matched: _Matched, pairs: xr.Dataset) -> dict[str, pd.DataFrame]:
    """Values of each place side by side where instants are equal, as the original joins them: repeated ones twice."""
    units = str(pairs["obs"].attrs["units"])
    obs = matched.obs.assign(obs=in_units(matched.obs, units, "obs"))[[PLACE, TIME, "obs"]]
    sim = matched.sim.assign(sim=in_units(matched.sim, units, "sim"))[[PLACE, TIME, "sim"]]
    kept = set(pairs["place"].values.tolist())
    return {
        label: obs[obs[PLACE] == site].merge(sim[sim[PLACE] == place], on=TIME)[[TIME, "obs", "sim"]]
        for label, site, place in zip(matched.labels, matched.sites, matched.places, strict=True)
        if label in kept
    }


def _tell_lacking(thresholds: list[Threshold], sites: list[str], notes: _Notes) -> None:
    """Places that a table of thresholds does not name."""
    for one in thresholds:
        if one.table is not None and (lacking := sorted(set(sites) - set(one.places))):
            notes(f"no threshold {one.label!r} at {listed(lacking)}")


def _scheme(spec: EvaluationSpecification, thresholds: list[Threshold], scoring: Scoring) -> Scheme:
    dmod = scoring == "dmod"
    weights = {(one.original_label if dmod else one.label): one.weight for one in thresholds}
    if not dmod and thresholds:
        weights[ALL] = 0.0
    return Scheme(
        {(original_metric(m.name).name if dmod else m.name): m.weight for m in spec.scheme.metrics}, weights,
        {} if dmod else dict(spec.scheme.location_weights),
        {} if dmod else {m.name: m.bounds for m in spec.scheme.metrics if m.bounds}, scoring,
    )  # fmt: skip


def _confidence(spec: EvaluationSpecification) -> Any:
    if spec.confidence is None:
        return None
    from dmod.evaluation.bootstrap import Confidence

    asked = spec.confidence
    return Confidence(level=asked.level, resamples=asked.resamples, block=asked.block, seed=asked.seed)


def _levels(thresholds: list[Threshold], pairs: xr.Dataset, sites: list[str], *, convert: bool) -> xr.DataArray | None:
    """Thresholds that do not change, over (place, threshold) in the units of the pairs."""
    fixed = [one for one in thresholds if one.follows is None]
    if not fixed:
        return None
    values = np.stack([one.at(pairs, sites, convert=convert)[:, 0] for one in fixed], axis=-1)
    at = {"place": pairs["place"].values, "threshold": [one.label for one in fixed]}
    return xr.DataArray(values, at, ("place", "threshold"), attrs={"units": pairs["obs"].attrs["units"]})


def _how(read: Read, scoring: Scoring) -> dict[str, Any]:
    """How it came about, in types that JSON has."""
    told = read.specification.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    return {
        "specification": told,
        "file": read.file,
        "scoring": scoring,
        "versions": {package: version(package) for package in ("dmod", "numpy", "xarray")},
    }
