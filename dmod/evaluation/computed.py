"""Scores of pairs: which metrics, and all of them at thresholds that change with time, in several groupings.

What `dmod.evaluation.compute` answers in one go is asked as often as needed, and put together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

from dmod.errors import InputError
from dmod.evaluation.compute import compute
from dmod.evaluation.grouping import GROUP, in_order
from dmod.evaluation.metric import METRICS, Metric, Takes, find_metric, find_metrics
from dmod.evaluation.pool import Need
from dmod.evaluation.thresholds import THRESHOLD

if TYPE_CHECKING:
    from dmod.evaluation.bootstrap import Confidence
    from dmod.evaluation.scores import Scheme

__all__ = ["STANDARD", "chosen_metrics", "computed", "is_of_thresholds"]

#: What ``"standard"`` stands for: of flows, at thresholds, and of ensembles.
STANDARD = (
    "kge", "r", "kge_variability", "kge_bias", "nse", "log_nse", "pbias", "rmse", "mae",
    "pod", "far", "csi", "frequency_bias",
    "crps", "spread_skill",
)  # fmt: skip
_USUAL = ("kge", "nse", "pbias")


def chosen_metrics(
    asked: Sequence[str | Metric] | str | None,
    *,
    scheme: Scheme | None = None,
    has_thresholds: bool = False,
    has_members: bool = False,
) -> tuple[Metric, ...]:
    """The metrics that are meant.

    Parameters
    ----------
    asked : sequence of str or Metric, str, or None
        Names; ``"standard"`` or ``"all"`` of what can be computed; the usual three, or those of *scheme*, if None.
    scheme : Scheme, optional
        Its metrics are computed in any case.
    has_thresholds, has_members : bool
        Whether there are any.

    Raises
    ------
    InputError
        If a metric is not known, or one that is named needs what is not there.

    Examples
    --------
    >>> [metric.name for metric in chosen_metrics(["NSE", "Percent bias"])]
    ['nse', 'pbias']
    """
    weighed = [] if scheme is None else list(scheme.metrics)
    found: list[Metric] = []
    named = list(weighed or _USUAL) if asked is None else [asked] if isinstance(asked, str) else list(asked)
    if asked in ("standard", "all"):
        fitting = [find_metric(name) for name in (STANDARD if asked == "standard" else METRICS)]
        found, named = [one for one in fitting if not _lacks(one, has_thresholds, has_members)], []
    find_metrics(name for name in [*named, *weighed] if isinstance(name, str))
    for name in [*named, *weighed]:
        one = name if isinstance(name, Metric) else find_metric(name)
        if lacking := _lacks(one, has_thresholds, has_members):
            hint = {
                "thresholds": "pass thresholds=, such as 'q90' or '100 m3 s-1'",
                "members": "give a simulation over the dimension 'member'",
            }[lacking]
            raise InputError(f"{one.title} needs {lacking}", metric=one.name, hint=hint)
        found.append(one)
    if not found:
        raise InputError("no metric was asked for", hint="name some, or take metrics='standard'")
    return tuple({one.name: one for one in found}.values())


def is_of_thresholds(metric: Metric) -> bool:
    """Whether a metric has a value for each threshold."""
    return metric.takes is Takes.TABLE or Need.THRESHOLD in metric.needs


def _lacks(metric: Metric, has_thresholds: bool, has_members: bool) -> str:
    if metric.takes is Takes.ENSEMBLE and not has_members:
        return "members"
    return "thresholds" if is_of_thresholds(metric) and not has_thresholds else ""


def computed(
    pairs: xr.Dataset,
    metrics: Sequence[Metric],
    thresholds: xr.DataArray | None = None,
    *,
    operator: str = ">=",
    groups: Mapping[str, xr.DataArray] | None = None,
    confidence: Confidence | None = None,
) -> xr.Dataset:
    """Scores of *pairs*.

    Parameters
    ----------
    pairs : xarray.Dataset
        ``sim`` over ([lead_time,] [place,] [member,] time) and ``obs`` over ([place,] time).
    metrics : sequence of Metric
        Which.
    thresholds : xarray.DataArray, shape ([place,] threshold[, time]), optional
        In the units of the pairs.
    operator : {">=", ">", "<=", "<"}
        When a value is an event.
    groups : mapping of str to xarray.DataArray, optional
        Texts over (time,) or (place, time), see `dmod.evaluation.grouping`.
    confidence : Confidence, optional
        Which interval is wanted.

    Returns
    -------
    xarray.Dataset
        As `dmod.evaluation.compute.compute` gives it; ``group`` has the coordinate ``grouping``.

    Raises
    ------
    InputError
        If there is no such operator, or something does not fit.
    """
    if groups is None:
        return _at_thresholds(pairs, metrics, thresholds, operator=operator, confidence=confidence)
    parts = []
    for name, texts in groups.items():
        found = _at_thresholds(pairs, metrics, thresholds, operator=operator, confidence=confidence, groups=texts)
        held = in_order(name, found[GROUP].values.tolist())
        found = found.sel({GROUP: held})
        labels = held if len(groups) == 1 else [f"{name} {label}" for label in held]
        parts.append(found.assign_coords({GROUP: labels, "grouping": (GROUP, [name] * len(labels))}))
    return _joined(parts, GROUP)


def _both_kinds(sim: xr.DataArray, obs: xr.DataArray, metrics: Sequence[Metric], **asked: Any) -> xr.Dataset:
    """Metrics of each member, with the pairs of that member, beside those of the ensemble."""
    together = [one for one in metrics if one.takes is Takes.ENSEMBLE]
    each = [one for one in metrics if one.takes is not Takes.ENSEMBLE]
    if not (together and each):
        return compute(sim, obs, metrics, **asked)
    of_each, of_all = compute(sim, obs, each, **asked), compute(sim, obs, together, **asked)
    if THRESHOLD in of_all.dims and THRESHOLD not in of_each.coords:
        of_each = of_each.assign_coords({THRESHOLD: of_all[THRESHOLD]})
    held = of_each.assign(of_all.drop_vars("sample_size").data_vars)
    order = [name for one in metrics for name in held.data_vars if str(name) in _variables(one)]
    return held[[*order, "sample_size"]]


def _variables(metric: Metric) -> tuple[str, ...]:
    return tuple(metric.name + end for end in ("", "_reason", "_low", "_high"))


def _at_thresholds(
    pairs: xr.Dataset, metrics: Sequence[Metric], thresholds: xr.DataArray | None, **asked: Any
) -> xr.Dataset:
    """Scores at thresholds that stay, or that change with time."""
    sim, obs = pairs["sim"], pairs["obs"]
    if thresholds is None or "time" not in thresholds.dims:
        return _both_kinds(sim, obs, metrics, thresholds=thresholds, **asked)
    of_thresholds = [one for one in metrics if is_of_thresholds(one)]
    others = [one for one in metrics if not is_of_thresholds(one)]
    parts = []
    for name in thresholds[THRESHOLD].values:
        # A value reaches the threshold of its day if their difference reaches zero: in floating point exactly so.
        level = thresholds.sel({THRESHOLD: name}, drop=True)
        zero = xr.DataArray([0.0], {THRESHOLD: [name]}, THRESHOLD)
        s, o = ((one - level).transpose(*one.dims).assign_attrs(one.attrs) for one in (sim, obs))
        found = _both_kinds(s, o, of_thresholds, thresholds=zero, **asked)
        parts.append(found.drop_vars("sample_size"))
    rest = _both_kinds(sim, obs, others, **asked)
    return xr.merge([_joined(parts, THRESHOLD), rest], compat="override", join="outer", combine_attrs="override")


def _joined(parts: Sequence[xr.Dataset], dim: str) -> xr.Dataset:
    """Parts along one dimension; what does not have it is the same in all."""
    if len(parts) == 1:
        return parts[0]
    return xr.concat(parts, dim, data_vars="minimal", coords="minimal", compat="override", combine_attrs="override")
