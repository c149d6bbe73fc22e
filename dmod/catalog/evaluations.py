"""A run against observations, and the result as a dataset that says what it was derived from.

`evaluate_run` finds out which gages are meant; scores are made in `dmod.evaluation`.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmod.data.dataset import Dataset, Lineage, check_name
from dmod.data.kinds import Category, Format
from dmod.errors import DatasetError, SelectionError, listed
from dmod.store.digest import digest, digest_many

if TYPE_CHECKING:
    import xarray as xr

    from dmod.catalog.catalog import Catalog
    from dmod.domain.domain import Domain
    from dmod.evaluation.evaluation import Evaluation

__all__ = [
    "evaluate_job",
    "evaluate_run",
    "keep_evaluation",
    "nexus_meant",
    "observations_in",
    "observations_of",
    "outputs_of",
]

#: The rule that a lineage names.
_RULE = "evaluate"


def keep_evaluation(
    catalog: Catalog, evaluation: Evaluation, *, name: str, parents: Sequence[str], description: str = ""
) -> Dataset:
    """Add an evaluation to the catalog, with its specification and lineage.

    Parameters
    ----------
    catalog : Catalog
        Where.
    evaluation : Evaluation
        What is kept: scores, pairs, thresholds, and how they came about.
    name : str
        What the dataset is called.
    parents : sequence of str
        Digests of what it was made of: outputs, observations, thresholds.
    description : str
        What it is, in words; what was compared otherwise.

    Returns
    -------
    Dataset

    Raises
    ------
    DatasetError
        If the name is taken.
    StoreError
        If its bytes cannot be kept.
    """
    from dmod.catalog.adding import require_free

    require_free(catalog.ledger, check_name(name))
    lineage = Lineage(_RULE, version("dmod"), tuple(dict.fromkeys(parents)), dict(evaluation.specification))
    with tempfile.TemporaryDirectory(prefix="dmod-evaluation-") as folder:
        path = evaluation.save(Path(folder) / "evaluation.nc")
        return catalog.add(
            path, name=name, description=description or evaluation.name, format=Format.EVALUATION, lineage=lineage
        )


def outputs_of(catalog: Catalog, job: str, target: Path) -> str:
    """Digest of the outputs of a job: of its dataset, or taken from the files where there is none.

    Parameters
    ----------
    catalog : Catalog
        Where it is listed.
    job : str
        Id of the job.
    target : Path
        The directory that its outputs are in.
    """
    try:
        return catalog.show(f"{job}-outputs").digest
    except DatasetError:
        files = sorted(path for path in target.rglob("*") if path.is_file()) if target.is_dir() else [target]
        return digest_many(files)


def observations_of(catalog: Catalog, given: Any, units: str | None) -> tuple[xr.DataArray, str]:
    """Observations, and the digest of what they were read from.

    Parameters
    ----------
    catalog : Catalog
        Where a name is looked up.
    given : path, name of a dataset, DataArray, DataFrame, or Dataset
        What was given.
    units : str or None
        Units where it does not say its own.
    """
    from dmod.evaluation.given import as_series

    if isinstance(given, str) and not Path(given).expanduser().exists():
        held = _observed(catalog, given)
        if held is not None:
            return observations_in(catalog, held, units)
    series = as_series(given, "obs", units=units)
    if isinstance(given, str | os.PathLike) and (path := Path(given).expanduser()).exists():
        files = [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else []
        return series, digest_many(files) if files else digest(path)
    state = hashlib.sha256(repr((series.dims, series.shape, series.attrs.get("units"))).encode())
    for name in sorted(map(str, series.coords)):
        state.update(repr((name, series[name].to_numpy().tolist())).encode())
    state.update(series.to_numpy().astype("<f8").tobytes())
    return series, f"sha256:{state.hexdigest()}"


def observations_in(catalog: Catalog, held: Dataset, units: str | None) -> tuple[xr.DataArray, str]:
    """Observations that a dataset holds, and its digest; see `observations_of`."""
    from dmod.evaluation.given import as_series

    return as_series(catalog.path(held.name), "obs", units=units).assign_attrs(source=held.name), held.digest


def _observed(catalog: Catalog, name: str) -> Dataset | None:
    """The dataset of observations that is called so, if there is one."""
    try:
        held = catalog.show(name)
    except DatasetError:
        return None
    return held if held.category is Category.OBSERVATION else None


def evaluate_job(
    catalog: Catalog, job: str, target: Path, outputs: xr.Dataset, domain: Domain,
    observed: tuple[xr.DataArray, str], *, keep: str | None = None, **options: Any,
) -> Evaluation:  # fmt: skip
    """Compare what a job made with observations, and keep the result if that is wanted.

    Parameters
    ----------
    catalog : Catalog
        Where the result is kept.
    job : str
        Id of the job.
    target : Path
        The directory that its outputs are in.
    outputs : xarray.Dataset
        Those, opened.
    domain : Domain
        The catchments that were run.
    observed : (DataArray, str)
        As `observations_of` gives them.
    keep : str, optional
        Name of the dataset that the result becomes.
    **options
        As `evaluate_run` takes them.

    Raises
    ------
    SelectionError
        If gage or nexus is not in the domain, or there is no way to tell which is meant.
    ObservationError
        If nothing can be paired.
    DatasetError
        If there is a dataset of the name *keep* already.
    """
    series, digest_of_series = observed
    found = evaluate_run(outputs, domain, series, **options)
    if keep is not None:
        keep_evaluation(catalog, found, name=keep, parents=[outputs_of(catalog, job, target), digest_of_series])
    return found


def evaluate_run(
    outputs: xr.Dataset, domain: Domain, observed: xr.DataArray, *, gage: str | None = None, nexus: str | None = None,
    variable: str | None = None, name: str | None = None, **options: Any,
) -> Evaluation:  # fmt: skip
    """Compare the flow of a run with observations, at one place or at every gage.

    Parameters
    ----------
    outputs : xarray.Dataset
        Of the run.
    domain : Domain
        The catchments that were run.
    observed : xarray.DataArray
        Over time, or sites and time.
    gage, nexus : str, optional
        The one place that is meant. Every gage of the domain that *observed* has if neither is given and it has
        several sites.
    variable : str, optional
        ``nexus_flow`` if not given.
    name : str, optional
        What is compared, for a title.
    **options
        As `dmod.evaluation.evaluate.evaluate` takes them.

    Raises
    ------
    SelectionError
        If gage or nexus is not in the domain, or there is no way to tell which is meant.
    ObservationError
        If nothing can be paired.
    """
    from dmod.evaluation.crosswalk import bare, crosswalk_of
    from dmod.evaluation.evaluate import evaluate
    from dmod.evaluation.given import as_series, labels_of, place_of

    flow = as_series(outputs, "sim", variable=variable or "nexus_flow")
    place, sites = place_of(flow), labels_of(observed)
    several = place_of(observed) is not None and len(sites) > 1
    if gage is None and nexus is None and (several or options.get("crosswalk") is not None):
        walk = options.pop("crosswalk", None)
        walk = crosswalk_of(domain if walk is None else walk, labels_of(flow))
        known = set(walk.values()) | set(sites)
        rows = [row for row, label in enumerate(labels_of(flow)) if label in known]
        some = flow.isel({str(place): rows}).load() if rows else flow
        own = set(sites) & set(labels_of(flow))
        return evaluate(some, observed, crosswalk=None if own else walk, name=name, **options)
    if gage is None and nexus is None and len(sites) == 1 and bare(sites[0]) in domain.gages:
        gage = bare(sites[0])
    one, seen, title = _at_one_place(flow, domain, observed, gage, nexus)
    return evaluate(one.load(), seen, name=name or title, **options)


def _at_one_place(
    flow: xr.DataArray, domain: Domain, observed: xr.DataArray, gage: str | None, nexus: str | None
) -> tuple[xr.DataArray, xr.DataArray, str]:
    """Flow and observations of the place that is meant, and a title."""
    from dmod.evaluation.crosswalk import GAGE, crosswalk_of
    from dmod.evaluation.given import labels_of, place_of

    place, at = place_of(flow), nexus_meant(domain, gage, nexus)
    if gage is not None and str(place) != "nexus-id":
        at = crosswalk_of(domain, labels_of(flow)).get(gage, at)
    if at not in labels_of(flow):
        raise SelectionError(
            f"{flow.name} has no {at}", has=listed(labels_of(flow)), needed=place,
            hint="name a place that the outputs have, or another variable",
        )  # fmt: skip
    if place_of(observed) is not None and len(labels_of(observed)) > 1:
        observed = _one_site(observed, [gage, at])
    known = gage if gage is not None or nexus is not None else next(iter(domain.gages))
    if known is not None and not labels_of(observed):
        observed = observed.assign_coords({GAGE: known})
    seen = observed.attrs.get("source") or ("observations" if observed.name is None else observed.name)
    against = f"gage {gage}" if gage is not None else str(seen)
    return flow.sel({str(place): at}), observed, f"{at} against {against}"


def _one_site(observed: xr.DataArray, names: Sequence[str | None]) -> xr.DataArray:
    """The series of one place out of many."""
    from dmod.evaluation.crosswalk import bare
    from dmod.evaluation.given import labels_of, place_of

    labels = labels_of(observed)
    row = next((at for at, label in enumerate(labels) if label in names or bare(label) in names), None)
    if row is None:
        raise SelectionError(
            "the observations do not have this place",
            needed=" or ".join(name for name in names if name is not None),
            has=", ".join(labels[:8]),
            hint="leave gage and nexus out to compare every gage that they have",
        )
    return observed.isel({str(place_of(observed)): row})


def nexus_meant(domain: Domain, gage: str | None, nexus: str | None) -> str:
    """The nexus that is meant.

    Raises
    ------
    SelectionError
        If it is not in the domain, or there is no way to tell.
    """
    gages = domain.gages
    if nexus is not None:
        if nexus not in domain.network.nexuses:
            raise SelectionError(
                f"nexus {nexus} is not in the domain",
                has=f"{len(domain.network.nexuses)} nexuses",
                hint="name one of job.outputs['nexus-id']",
            )
        return nexus
    if gage is None and len(gages) == 1:
        gage = next(iter(gages))
    if gage is None or gage not in gages:
        raise SelectionError(
            "which nexus is meant?" if gage is None else f"gage {gage} is not in the domain",
            has=", ".join(list(gages)[:8]) or "no gages", hint="pass gage= or nexus=",
        )  # fmt: skip
    return gages[gage][1]
