"""What a run was made from and by: inputs by digest, versions, the command and the request."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import re
import shlex
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from dmod.errors import InputError
from dmod.execution.plan import RunPlan
from dmod.execution.rank_plan import RankPlan
from dmod.job.request import JobRequest
from dmod.model.case import Case, Outline
from dmod.store.digest import digest, digest_many

__all__ = ["PROVENANCE", "provenance_of", "published_job", "request_in", "version_of"]

#: Name of the file beside the outputs.
PROVENANCE = "provenance.json"
#: How many digests are remembered, and of how many files each at most.
_DIGESTS, _FILES = 64, 1000
#: What was changed so recently may change once more without its time telling [s].
_FRESH_S = 2.0
#: Names of options whose values are nobody's business.
_SECRET = re.compile("token|passw|secret|key", re.IGNORECASE)
_known: OrderedDict[tuple[object, ...], str] = OrderedDict()
_turn = threading.Lock()


@functools.cache
def version_of(package: str) -> str:
    """The version of a package that is installed; looked up once."""
    return version(package)


def provenance_of(plan: RunPlan | RankPlan, request: JobRequest, job: str) -> dict[str, str]:
    """Attributes that say what a run was made from.

    Parameters
    ----------
    plan : RunPlan or RankPlan
        What is run.
    request : JobRequest
        What was asked for; kept whole, so that ``dmod run provenance.json`` runs it again.
    job : str
        The job's id.

    Returns
    -------
    dict of str to str
        Names of files, digests of what is in them, versions, the command.
    """
    case = plan.case
    directory = case.directory
    models, forcing, configs = _made_of(case)
    now = datetime.now(tz=UTC)
    return {
        "dmod_job": job,
        "dmod_request": request.to_json(),
        "title": f"NextGen run of {case.domain.name}",
        "source": models,
        "history": f"{now:%Y-%m-%dT%H:%M:%SZ} {_command(sys.argv)}",
        "date_created": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "dmod_version": version_of("dmod"),
        "python_version": platform.python_version(),
        "numba_version": version_of("numba"),
        "numpy_version": version_of("numpy"),
        "dask_version": version_of("dask"),
        "run_directory": str(directory.root),
        "hydrofabric": f"{directory.hydrofabric.name} ({case.domain.hydrofabric.version})",
        "hydrofabric_digest": _digest(directory.hydrofabric)
        if directory.hydrofabric.is_file()
        else _digest_many(directory.hydrofabric.rglob("*.parquet")),
        "realization": directory.realization.name,
        "realization_digest": _digest(directory.realization),
        "config_digest": configs,
        "forcing": ", ".join(sorted({path.name for path in forcing})[:5]),
        "forcing_digest": _digest_many(path for path in forcing if path.is_file()),
        "units_policy": request.units,
        "routing": "not routed"
        + (f"; {case.realization.routing_config} recorded" if case.realization.routing_config else ""),
        **(_image_of(plan) if isinstance(plan, RankPlan) else {}),
    }


def _command(line: list[str]) -> str:
    """The command of this process; a Jupyter server may have been told its token or password there.

    Examples
    --------
    >>> _command(["/usr/bin/dmod", "run", "mad river"])
    "dmod run 'mad river'"
    >>> _command(["jupyter-lab", "--IdentityProvider.token=abc", "--password", "abc", "--no-browser"])
    "jupyter-lab '--IdentityProvider.token=***' --password '***' --no-browser"
    """
    told = [Path(word).name for word in line[:1]]
    hidden = False
    for word in line[1:]:
        name, is_given, _ = word.partition("=")
        secret = name.startswith("-") and _SECRET.search(name) is not None
        told.append(f"{name}=***" if secret and is_given else "***" if hidden and not name.startswith("-") else word)
        hidden = secret and not is_given
    return shlex.join(told)


def _made_of(case: Case | Outline) -> tuple[str, list[Path], str]:
    """Models, files of weather, and the digest of the modules' configuration files."""
    if isinstance(case, Case):
        models = {" + ".join(stage.spec.title for stage in group.chain.stages) for group in case.groups}
        told = hashlib.sha256("".join(case.config_digests).encode()).hexdigest()
        return "; ".join(sorted(models)), [ref.path for ref in case.sources], f"sha256:{told}"
    realization, directory = case.realization, case.directory
    formulations = [*filter(None, [realization.default_formulation]), *realization.own_formulations.values()]
    entries = [*filter(None, [realization.default_forcing]), *realization.own_forcings.values()]
    places = [directory.forcing] if directory.forcing else [directory.resolve(entry.path) for entry in entries]
    files = [file for place in places for file in (place.rglob("*") if place.is_dir() else [place]) if file.is_file()]
    models = {" + ".join(module.title for module in one.modules) for one in formulations}
    return "; ".join(sorted(models)), files, "not known: modules were left to the image"


def _image_of(plan: RankPlan) -> dict[str, str]:
    """What ranks ran in, and the lines that started them."""
    image = plan.mpi.image
    return {
        "image": image.name or "programs of the machine",
        "image_digest": image.digest,
        "image_versions": "; ".join(f"{key} {value}" for key, value in sorted(image.versions.items())),
        "ranks": str(plan.mpi.ranks),
        "launch": plan.lines,
    }


def _digest(path: Path) -> str:
    """The digest of a file, as `dmod.store.digest` gives it; read once as long as nobody touches the file."""
    key = _seen("one", [path])
    return _remembered(key) or _remember(key, digest(path))


def _digest_many(paths: Iterable[Path]) -> str:
    """The same of several."""
    files = sorted(set(paths))
    key = _seen("many", files)
    return _remembered(key) or _remember(key, digest_many(files))


def _seen(kind: str, files: list[Path]) -> tuple[object, ...] | None:
    """What tells files from what they may be later; None where nothing tells."""
    if len(files) > _FILES:
        return None
    told: list[object] = [kind]
    latest = time.time() - _FRESH_S
    for path in files:
        seen = os.stat(path)  # noqa: PTH116 - a method call for each file costs more than looking at it
        # Whoever sets a time of last change back leaves the time of that in the other.
        if max(seen.st_mtime, seen.st_ctime) >= latest:
            return None
        told += [str(path), seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino, seen.st_dev]
    return tuple(told)


def _remembered(key: tuple[object, ...] | None) -> str | None:
    """A digest that was made before."""
    with _turn:
        if key is None or key not in _known:
            return None
        _known.move_to_end(key)
        return _known[key]


def _remember(key: tuple[object, ...] | None, made: str) -> str:
    """Keep a digest that was made after its files were looked at."""
    with _turn:
        if key is not None:
            _known[key] = made
            while len(_known) > _DIGESTS:
                _known.popitem(last=False)
    return made


def published_job(target: Path) -> str | None:
    """The id of the job whose outputs are in *target*; None where there are none, or they do not say."""
    try:
        found = json.loads((target / PROVENANCE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return str(found["dmod_job"]) if isinstance(found, dict) and "dmod_job" in found else None


def request_in(path: Path) -> JobRequest:
    """The request that a file of provenance, or of a request alone, holds.

    Raises
    ------
    InputError
        If it holds none.
    """
    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text)
    except (OSError, ValueError) as problem:
        raise InputError(
            "the request cannot be read", file=path, reason=problem, hint="give a provenance.json or a job request"
        ) from problem
    if isinstance(found, dict) and "dmod_request" in found:
        return JobRequest.from_json(found["dmod_request"])
    return JobRequest.from_json(text)
