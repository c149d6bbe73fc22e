"""``dmod serve``: conducts every job of a ledger until it is told to stop.

Jobs then outlive the notebook or terminal they were asked for in. Stopping it loses
nothing: jobs under way are taken up when somebody conducts again.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable

from dmod.catalog.catalog import Catalog
from dmod.conductor.conductor import Conductor
from dmod.conductor.presence import living
from dmod.errors import DmodError, JobError
from dmod.schedule.resources import Host
from dmod.service import LocalService
from dmod.settings import Settings, read_settings

__all__ = ["serve_until_stopped"]

log = logging.getLogger("dmod.gateway")

#: How often datasets are swept [s].
_TIDY_S = 3600.0


def serve_until_stopped(
    settings: Settings | None = None,
    *,
    cores: int | None = None,
    say: Callable[[str], None] = lambda _text: None,
    stopped: threading.Event | None = None,
) -> None:
    """Conduct jobs until a signal, or *stopped*, ends it.

    Parameters
    ----------
    settings : Settings, optional
        Where the ledger is; read as usual otherwise.
    cores : int, optional
        Cores to give to jobs; all of this machine otherwise.
    say : callable
        Told what people may want to read.
    stopped : Event, optional
        Ends it when set; SIGINT and SIGTERM do otherwise.

    Raises
    ------
    JobError
        If another one serves this ledger on this machine already.
    LedgerError
        If the ledger cannot be opened.
    """
    found = read_settings() if settings is None else settings
    service = LocalService(found)
    host = Host.here().limited(cores or found.cores)
    for other in living(service.ledger):
        if other.facts.get("kind") == "serve" and other.facts.get("host") == host.name:
            raise JobError(
                "another `dmod serve` conducts these jobs already", process=other.facts.get("pid"),
                hint="use it, or stop it first",
            )  # fmt: skip
    conductor = Conductor(service.ledger, kind="serve", host=host, settings=found)
    ended = stopped or threading.Event()
    if stopped is None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
    conductor.start()
    say(f"conducting jobs on {host.cores} cores of {host.name}; ledger {service.ledger.where}; Ctrl-C stops")
    try:
        while not ended.wait(_TIDY_S):
            _tidy(service, found)
    finally:
        conductor.stop()
        service.close()
        say("stopped; jobs under way go on when somebody conducts again")


def _tidy(service: LocalService, settings: Settings) -> None:
    """Remove datasets whose time is over and that no job uses, and bytes that no dataset needs."""
    try:
        swept = Catalog.at(settings, service.ledger, owner=service.owner).sweep()
    except DmodError as problem:  # tidying can wait; conducting goes on
        log.warning("datasets could not be swept: %s", problem)
    else:
        log.info("swept: %s", swept)
