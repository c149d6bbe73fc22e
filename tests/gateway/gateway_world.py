"""A world for tests of the gateway: a ledger, basins, jobs that stand where a test wants them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dmod.gateway.asker import Asker
from dmod.gateway.routes import ROUTES, Reply, pattern_of, respond
from dmod.job.lifecycle import State
from dmod.service import LocalService
from dmod.session import request_of
from dmod.settings import Settings

#: Long enough for a machine that is several times slower.
DEADLINE_S = 120.0
#: What routes are sent that take no empty body, by their path.
BODIES: dict[str, Any] = {"jobs": {"directory": "river"}, "jobs/{job}/evaluate": {"observations": "observed.csv"}}


def until(holds: Callable[[], Any], deadline_s: float = DEADLINE_S) -> Any:
    """What *holds* gives as soon as it is true."""
    end = time.monotonic() + deadline_s
    while not (found := holds()):
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)
    return found


def service_of(home: Path, owner: str = "ann") -> LocalService:
    """The service of somebody, on a ledger in *home*."""
    return LocalService(Settings(home=home, owner=owner, cores=2))


def kept(service: LocalService, directory: Path, **options: Any) -> str:
    """A job that nobody conducts."""
    return service.submit(request_of(directory, **options), attend=False)


def moved(service: LocalService, job: str, state: State, message: str = "so it is", **facts: Any) -> None:
    """Have a job stand elsewhere, as its conductor would."""
    ledger = service.ledger
    if ledger.job(job).holder != "me":
        assert ledger.claim("me", 600, only=[job]) == [job]
    ledger.append(job, "me", state, message, facts)


def asked(asker: Asker, method: str, path: str, query: dict[str, str] | None = None, body: bytes = b"") -> Reply:
    """The reply to a question, without any web server."""
    for route in ROUTES:
        if route.method == method and (found := re.fullmatch(pattern_of(route.path), path)):
            return respond(route, asker, found.groupdict(), query or {}, body)
    raise AssertionError(f"there is no route {method} {path}")
