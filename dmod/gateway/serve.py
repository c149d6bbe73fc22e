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

__all__ = ["TIDY_S", "refuse_a_second", "serve_until_stopped", "tidy"]

log = logging.getLogger("dmod.gateway")

#: How often datasets are swept [s].
TIDY_S = 3600.0


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
    refuse_a_second(service, host)
    conductor = Conductor(service.ledger, kind="serve", host=host, settings=found)
    ended = stopped or threading.Event()
    if stopped is None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
    conductor.start()
    say(f"conducting jobs on {host.cores} cores of {host.name}; ledger {service.ledger.where}; Ctrl-C stops")
    try:
        while not ended.wait(TIDY_S):
            tidy(service)
    finally:
        conductor.stop()
        service.close()
        say("stopped; jobs under way go on when somebody conducts again")


def refuse_a_second(service: LocalService, host: Host) -> None:
    """Make sure that nobody else on this machine conducts everybody's jobs of the same ledger.

    Raises
    ------
    JobError
        If somebody does.
    """
    for other in living(service.ledger):
        facts = other.facts  # a Jupyter server conducts its owner's jobs only
        if facts.get("kind") == "serve" and facts.get("owner") is None and facts.get("host") == host.name:
            raise JobError(
                "another `dmod serve` conducts these jobs already", process=facts.get("pid"),
                hint="use it, or stop it first",
            )  # fmt: skip


def tidy(service: LocalService) -> None:
    """Remove datasets whose time is over and that no job uses, and bytes that no dataset needs."""
    try:
        swept = Catalog.at(service.settings, service.ledger, owner=service.owner).sweep()
    except DmodError as problem:  # tidying can wait; conducting goes on
        log.warning("datasets could not be swept: %s", problem)
    else:
        log.info("swept: %s", swept)
