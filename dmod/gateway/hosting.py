"""What lives as long as a server does: the ledger, a conductor, a watch, and threads to answer in.

Jobs that are conducted here outlive the kernel or browser that asked for them. Stopping loses
nothing: jobs under way are taken up when somebody conducts again.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

from dmod.errors import DmodError
from dmod.gateway.stream import Watch
from dmod.ledger.glances import Asked
from dmod.schedule.resources import Host
from dmod.service import LocalService
from dmod.settings import Settings

__all__ = ["Hosting"]

log = logging.getLogger("dmod.gateway")

#: How many questions are answered at once.
_THREADS = 8
#: How many that take long are answered at once, beside those.
_PATIENT = 2
#: How long until a ledger that did not answer is asked again [s].
_AGAIN_S = 10.0
_OWNERS = 1000


class Hosting:
    """A ledger's jobs, conducted and told of by this process.

    Parameters
    ----------
    settings : Settings
        Where ledger and store are, and who owns the server.
    cores : int, optional
        Cores to give to jobs; what the settings say otherwise.
    conducts : bool
        Whether jobs are conducted here.
    only_own : bool
        Whether only jobs of the server's owner are conducted, rather than everybody's.
    """

    def __init__(
        self, settings: Settings, *, cores: int | None = None, conducts: bool = True, only_own: bool = False
    ) -> None:
        self.service = LocalService(settings)
        self.host = Host.here().limited(cores or settings.cores)
        self.watch = Watch(lambda: self.service.ledger)
        self.threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="dmod-gateway")
        self.patient = ThreadPoolExecutor(_PATIENT, thread_name_prefix="dmod-gateway-patient")
        self._conducts, self._only_own = conducts, only_own
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.acting_for = lru_cache(_OWNERS)(self._acting_for)

    def start(self) -> None:
        """Begin to conduct, as soon as the ledger answers; returns at once."""
        if self._conducts:
            self._thread = threading.Thread(target=self._conduct, name="dmod-hosting", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Let go of everything, jobs under way too, for others to take up; takes some seconds at most."""
        self._stopped.set()
        self.watch.close()
        if self._thread is not None:
            self._thread.join(20.0)
        for threads in (self.threads, self.patient):
            threads.shutdown(wait=False, cancel_futures=True)
        self.service.close()

    def activity(self) -> dict[str, Any] | None:
        """Jobs that are not over, by id with their state; None where there are none or the ledger does not answer."""
        try:
            glances, _ = self.service.glances(Asked(only_open=True), limit=100)
        except DmodError:
            return None
        return {glance.id: str(glance.state) for glance in glances} or None

    def _acting_for(self, owner: str) -> LocalService:
        """The service, asked by *owner*."""
        if owner == self.service.owner:
            return self.service
        self.service.ledger.last_cursor()  # the ledger is opened once, for all
        return self.service.acting_for(owner)

    def _conduct(self) -> None:
        """Conduct until stopped; what takes long to load is loaded here, beside the server's own work."""
        from dmod.conductor.conductor import Conductor
        from dmod.gateway.serve import TIDY_S, tidy

        owner = self.service.owner if self._only_own else None
        settings = self.service.settings
        conductor = None
        while conductor is None and not self._stopped.is_set():
            try:
                conductor = Conductor(
                    self.service.ledger, kind="serve", host=self.host, settings=settings, owner=owner
                )  # fmt: skip
            except DmodError as problem:
                log.warning("jobs are not conducted yet: %s", problem)
                self._stopped.wait(_AGAIN_S)
        if conductor is None:
            return
        conductor.start()
        try:
            while not self._stopped.wait(TIDY_S):
                tidy(self.service)
        finally:
            conductor.stop()
