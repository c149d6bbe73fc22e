"""How good a simulation is against observations: scores, the pairs behind them, and how they came about.

An `Evaluation` is a value. Figures of it are plug-ins of the group ``dmod.evaluation_plots``,
which this room does not know; how it looks in a notebook is in `dmod.evaluation.evaluation_table`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from dmod.errors import InputError
from dmod.evaluation.drawing import method_of
from dmod.evaluation.evaluation_table import number_in_words, shown
from dmod.evaluation.given import LEAD, MEMBER, labels_of, place_of
from dmod.evaluation.grouping import GROUP
from dmod.evaluation.pool import Need
from dmod.evaluation.thresholds import THRESHOLD, WHY_NONE
from dmod.evaluation.unpaired import WITHOUT_PAIRS, with_pairs
from dmod.plugins import load

if TYPE_CHECKING:
    from dmod.evaluation.scores import Scheme, Scores

__all__ = ["Evaluation", "Plots"]

#: Entry-point group of figures and of the report.
_PLOTS = "dmod.evaluation_plots"
#: Metrics that the line of an evaluation names.
_NAMED = 6
_ENDS = ("_low", "_high")
_ABOUT = ("_reason", *_ENDS)
#: Dimensions of scores in words; any other is that of places.
_PLURAL = {MEMBER: "members", LEAD: "lead times", GROUP: "groups", THRESHOLD: "thresholds"}


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How good a simulation is against observations."""

    #: A variable for each metric, with ``<name>_reason`` where it is undefined, ``<name>_low`` and
    #: ``<name>_high`` where confidence was asked for, and ``sample_size``; over places, groups, thresholds.
    scores: xr.Dataset
    #: ``sim`` and ``obs`` [both in the units of the observations] over ``time`` (and places, lead times,
    #: members), at the instants that both have; NaN where one of them is missing.
    pairs: xr.Dataset
    #: What was compared, for a title.
    name: str
    #: What a reader of the scores should know.
    notes: tuple[str, ...] = ()
    #: Flows above which something happens, in the units of the pairs; None where none were given.
    thresholds: xr.DataArray | None = None
    #: Site to the reason why it is not compared.
    left_out: Mapping[str, str] = field(default_factory=dict)
    #: How it came about, in types that JSON has: metrics, rules of pairing, thresholds, sources, versions.
    specification: Mapping[str, Any] = field(default_factory=dict)
    #: What each metric, threshold and place weighs; None where nothing is graded.
    scheme: Scheme | None = None

    @property
    def place(self) -> str | None:
        """Name of the dimension of places, such as ``nexus-id``; None for a single one."""
        return place_of(self.pairs["obs"] if "obs" in self.pairs else self.pairs["sim"])

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics."""
        held = {str(name) for name in self.scores.data_vars}
        about = {name + end for name in held for end in _ABOUT}
        return tuple(str(name) for name in self.scores.data_vars if name != "sample_size" and name not in about)

    @property
    def undefined(self) -> pd.DataFrame:
        """Every value that is not there, and why: columns place, metric, group, threshold (as there are) and reason."""
        place = self.place
        lacking = {} if self.thresholds is None else json.loads(self.thresholds.attrs.get(WHY_NONE, "{}"))
        rows: list[dict[str, Any]] = []
        for metric in self.metrics:
            if f"{metric}_reason" not in self.scores:
                continue
            codes = self.scores[f"{metric}_reason"]
            words = _words(codes)
            values = np.asarray(codes.to_numpy())
            for at in np.argwhere(values > 0):
                labels = {
                    ("place" if dim == place else str(dim)): codes[dim].values[i] if dim in codes.coords else int(i)
                    for dim, i in zip(codes.dims, at, strict=True)
                }
                reason = words.get(int(values[tuple(at)]), "undefined")
                if reason == Need.THRESHOLD.value:
                    reason = lacking.get(str(labels.get(THRESHOLD)), reason)
                rows.append({**labels, "metric": metric, "reason": reason})
        if place is not None:
            never = {site: why for site, why in self.left_out.items() if why in WITHOUT_PAIRS}
            rows += [
                {"place": site, "metric": metric, "reason": why}
                for site, why in never.items()
                for metric in self.metrics
            ]
        dims = [("place" if dim == place else str(dim)) for dim in self.scores.dims]
        first = [name for name in ("place", "metric", GROUP, THRESHOLD, *dims) if name == "metric" or name in dims]
        return pd.DataFrame(rows, columns=[*dict.fromkeys(first), "reason"])

    @cached_property
    def graded(self) -> Scores:
        """The grade by the scheme.

        Raises
        ------
        InputError
            If no scheme was given.
        """
        if self.scheme is None:
            raise InputError("nothing says what each metric weighs", hint="pass scheme=Scheme({'kge': 2, 'pod': 1})")
        return self.scheme.score(self.scores)

    @property
    def plot(self) -> Plots:
        """Figures: ``evaluation.plot.hydrograph()``; ``dir(evaluation.plot)`` lists them."""
        return Plots(self)

    def report(self, path: str | os.PathLike[str], *others: Evaluation, **options: Any) -> Path:
        """Write a page of scores and figures, one file that needs no network.

        Parameters
        ----------
        path : str or path-like
            Where, ``.html``.
        *others : Evaluation
            What to compare it with.
        **options
            As the plug-in ``report`` takes them.

        Returns
        -------
        Path
            *path*.
        """
        written: Path = _plot("report")(self, path, *others, **options)
        return written

    def to_frame(self, *, intervals: bool = True) -> pd.DataFrame:
        """Scores as a table: a row for each place (and group, lead time), a column for each metric (and threshold).

        Parameters
        ----------
        intervals : bool
            Whether the ends of intervals of confidence, ``<metric>_low`` and ``<metric>_high``, follow their metric.
        """
        names = [name + end for name in self.metrics for end in (("", *_ENDS) if intervals else ("",))]
        frame = _framed(self.scores[[name for name in [*names, "sample_size"] if name in self.scores]])
        if not self.scores.dims or set(self.scores.dims) == {THRESHOLD}:
            label = labels_of(self.pairs["obs"]) if "obs" in self.pairs else []
            frame.index = pd.Index(label[:1] or [self.name])
        return frame

    def compare(self, *others: Evaluation) -> pd.DataFrame:
        """Scores of several evaluations side by side.

        Parameters
        ----------
        *others : Evaluation
            Of other runs, with the same metrics or some of them.

        Returns
        -------
        DataFrame
            Rows as `to_frame` has them; columns metric (and threshold), then the name of the evaluation. NaN where
            one has not what others have. ``sample_size`` tells whether they were compared over the same pairs.

        Raises
        ------
        InputError
            If one is no evaluation, or its rows are of something else, such as groups.
        """
        named: dict[str, pd.DataFrame] = {}
        own = self.to_frame()
        for one in (self, *others):
            if not isinstance(one, Evaluation):
                raise InputError("only an evaluation is compared with an evaluation", has=type(one).__name__)
            name, number = one.name, 2
            while name in named:
                name, number = f"{one.name} ({number})", number + 1
            frame = one.to_frame()
            # Single series are one row, whatever each calls its place.
            single = len(frame) == 1 and self.place is None and one.place is None
            if _parts(frame) != _parts(own) or frame.index.nlevels != own.index.nlevels:
                raise _other_rows(own, frame)
            named[name] = frame.set_axis(own.index) if single else frame
        if len({frame.columns.nlevels for frame in named.values()}) > 1:
            named = {name: _at_no_threshold(frame) for name, frame in named.items()}
        joined = pd.concat(named, axis="columns", names=["evaluation"])
        levels = [*range(1, joined.columns.nlevels), 0]
        order: list[Any] = list(dict.fromkeys(column for frame in named.values() for column in frame.columns))
        wanted = [
            (*(column if isinstance(column, tuple) else (column,)), name)
            for column in order
            for name in named
            if column in named[name]
        ]
        return joined.reorder_levels(levels, axis="columns")[wanted]

    def identical(self, other: object) -> bool:
        """Whether *other* is an evaluation with the same scores, pairs, thresholds, notes and origin."""
        if not isinstance(other, Evaluation):
            return False
        at, there = self.thresholds, other.thresholds
        told, also = (
            (one.name, tuple(one.notes), dict(one.left_out), dict(one.specification), one.scheme)
            for one in (self, other)
        )
        return (
            told == also
            and self.scores.identical(other.scores)
            and self.pairs.identical(other.pairs)
            and (at is there or (at is not None and there is not None and at.identical(there)))
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write it as one NetCDF file; see `dmod.evaluation.saved.save`."""
        from dmod.evaluation.saved import save

        return save(self, path)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Evaluation:
        """Read what `save` wrote; see `dmod.evaluation.saved.load_evaluation`."""
        from dmod.evaluation.saved import load_evaluation

        return load_evaluation(path)

    def to_teehr(self, directory: str | os.PathLike[str], **options: Any) -> Path:
        """Write the pairs in TEEHR's tables; see `dmod.evaluation.teehr.to_teehr`."""
        from dmod.evaluation.teehr import to_teehr

        return to_teehr(self, directory, **options)

    @property
    def is_lazy(self) -> bool:
        """Whether scores are still to be computed."""
        return any(held.chunks is not None for held in self.scores.data_vars.values())

    def compute(self) -> Evaluation:
        """The same with scores in memory; pairs stay where they are. Places without a pair are left out."""
        from dataclasses import replace

        at = None if self.thresholds is None else self.thresholds.compute()
        scores, pairs, levels, left_out = with_pairs(self.scores.compute(), self.pairs, at, self.left_out)
        if not any(scores.sizes.get(dim, 1) for dim in [self.place]):
            scores, pairs, levels, left_out = self.scores.compute(), self.pairs, at, dict(self.left_out)
        return replace(self, scores=scores, pairs=pairs, thresholds=levels, left_out=left_out)

    def __repr__(self) -> str:
        """Scores in one line; over several places their medians."""
        count = self.scores.sizes.get(self.place, 0) if self.place else 0
        many = [f"{size:,} {_PLURAL.get(str(dim), 'places')}" for dim, size in self.scores.sizes.items() if size > 1]
        over = f", median of {' and '.join(many)}" if many else ""
        if self.is_lazy:
            at = f" at {count} places" if count else ""
            return f"<Evaluation {self.name}: {', '.join(self.metrics)}{at}, not computed yet>"
        named = [*self.metrics[:_NAMED], *(["sample_size"] if "sample_size" in self.scores else [])]
        parts = [f"{name}={number_in_words(float(self.scores[name].median()))}" for name in named]
        more = f" and {len(self.metrics) - _NAMED} more" if len(self.metrics) > _NAMED else ""
        return f"<Evaluation {self.name}: {' '.join(parts)}{more}{over}>"

    def _repr_html_(self) -> str:
        """A table, one row for each place."""
        return shown(self)


class Plots:
    """Figures of an evaluation, out of the plug-ins of the group ``dmod.evaluation_plots``."""

    def __init__(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        return method_of(self._evaluation, _plot(name), name)

    def __dir__(self) -> list[str]:
        return sorted(set(load(_PLOTS).found) - {"report"})

    def __repr__(self) -> str:
        return f"<plots of {self._evaluation.name}: {', '.join(dir(self)) or 'none installed'}>"


def _plot(name: str) -> Callable[..., Any]:
    group = load(_PLOTS)
    if name in group.found:
        found: Callable[..., Any] = group.found[name]
        return found
    broken = next((f"; {one.name} is broken: {one.reason}" for one in group.broken if one.name == name), "")
    raise AttributeError(f"there is no plot {name!r}{broken}; there are: {', '.join(sorted(group.found)) or 'none'}")


def _words(codes: xr.DataArray) -> dict[int, str]:
    """Code to reason, out of the attributes of CF."""
    values = np.atleast_1d(codes.attrs.get("flag_values", ()))
    meanings = str(codes.attrs.get("flag_meanings", "")).split()
    return {int(value): text.replace("_", " ") for value, text in zip(values, meanings, strict=False)}


def _framed(scores: xr.Dataset) -> pd.DataFrame:
    """Thresholds become columns, all else rows."""
    columns: dict[tuple[str, str], pd.Series[float]] = {}
    widest = max((held.dims for held in scores.data_vars.values()), key=len)
    rows = {dim: scores[dim] for dim in widest if dim != THRESHOLD}
    for name, held in scores.data_vars.items():
        parts = {"": held}
        if THRESHOLD in held.dims:
            parts = {str(label): held.isel({THRESHOLD: at}) for at, label in enumerate(held[THRESHOLD].values)}
        for label, part in parts.items():
            plain = part.drop_vars([key for key in part.coords if key not in part.dims])
            # What is of all members stands beside each of them.
            plain = plain.expand_dims({dim: labels for dim, labels in rows.items() if dim not in plain.dims})
            columns[str(name), label] = plain.transpose(*rows).to_series() if plain.ndim else pd.Series([float(plain)])
    frame = pd.DataFrame(columns)
    if THRESHOLD in scores.dims:
        frame.columns = frame.columns.set_names(["metric", THRESHOLD])
    else:
        frame.columns = pd.Index([name for name, _ in columns])
    return frame


def _at_no_threshold(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns as those of an evaluation with thresholds."""
    if frame.columns.nlevels > 1:
        return frame
    columns = pd.MultiIndex.from_tuples([(name, "") for name in frame.columns], names=["metric", THRESHOLD])
    return frame.set_axis(columns, axis="columns")


def _parts(frame: pd.DataFrame) -> set[object]:
    """What rows are of besides places."""
    return set(frame.index.names) & {GROUP, MEMBER, LEAD}


def _other_rows(own: pd.DataFrame, frame: pd.DataFrame) -> InputError:
    needed, has = (", ".join(str(name or "one series") for name in one.index.names) for one in (own, frame))
    return InputError(
        "evaluations have rows of different things",
        needed=f"a row for each {needed}",
        has=f"a row for each {has}",
        hint="evaluate both with the same groups, lead times and members",
    )
