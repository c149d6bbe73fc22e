"""What a run was made from and by: inputs by digest, versions, the command and the request."""

from __future__ import annotations

import functools
import hashlib
import json
import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from dmod.errors import InputError
from dmod.execution.plan import RunPlan
from dmod.job.request import JobRequest
from dmod.store.digest import digest, digest_many

__all__ = ["PROVENANCE", "provenance_of", "published_job", "request_in", "version_of"]

#: Name of the file beside the outputs.
PROVENANCE = "provenance.json"


@functools.cache
def version_of(package: str) -> str:
    """The version of a package that is installed; looked up once."""
    return version(package)


def provenance_of(plan: RunPlan, request: JobRequest, job: str) -> dict[str, str]:
    """Attributes that say what a run was made from.

    Parameters
    ----------
    plan : RunPlan
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
    forcing = [ref.path for ref in case.sources if ref.path.is_file()]
    now = datetime.now(tz=UTC)
    return {
        "dmod_job": job,
        "dmod_request": request.to_json(),
        "title": f"NextGen run of {case.domain.name}",
        "source": "; ".join(sorted({" + ".join(s.spec.title for s in g.chain.stages) for g in case.groups})),
        "history": f"{now:%Y-%m-%dT%H:%M:%SZ} {shlex.join(sys.argv[:1] and [Path(sys.argv[0]).name, *sys.argv[1:]])}",
        "date_created": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "dmod_version": version_of("dmod"),
        "python_version": platform.python_version(),
        "numba_version": version_of("numba"),
        "numpy_version": version_of("numpy"),
        "dask_version": version_of("dask"),
        "run_directory": str(directory.root),
        "hydrofabric": f"{directory.hydrofabric.name} ({case.domain.hydrofabric.version})",
        "hydrofabric_digest": digest(directory.hydrofabric)
        if directory.hydrofabric.is_file()
        else digest_many(directory.hydrofabric.rglob("*.parquet")),
        "realization": directory.realization.name,
        "realization_digest": digest(directory.realization),
        "config_digest": "sha256:" + hashlib.sha256("".join(case.config_digests).encode()).hexdigest(),
        "forcing": ", ".join(sorted({ref.path.name for ref in case.sources})[:5]),
        "forcing_digest": digest_many(forcing),
        "units_policy": request.units,
        "routing": "not routed"
        + (f"; {case.realization.routing_config} recorded" if case.realization.routing_config else ""),
    }


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
