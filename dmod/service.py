"""What can be asked of dmod, whoever asks: jobs now, over the ledger on this machine.

`Service` is the protocol; `LocalService` answers from the ledger and, where nobody else
does, conducts in this process. Who may see or change a job is checked here and nowhere
else: somebody else's job is answered like one that is not there.
"""

from __future__ import annotations

import contextlib
import copy
import getpass
import logging
import re
import secrets
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from dmod.errors import JobError
from dmod.job.lifecycle import Goal, State
from dmod.job.record import Event, Status, status_of
from dmod.job.request import JobRequest
from dmod.settings import Settings

if TYPE_CHECKING:
    from dmod.conductor.conduct import Conduct
    from dmod.conductor.conductor import Conductor
    from dmod.ledger.claims import Holder
    from dmod.ledger.glances import Asked, Glance
    from dmod.ledger.jobs import JobRow
    from dmod.ledger.ledger import Ledger

__all__ = ["LocalService", "Service"]

log = logging.getLogger("dmod.service")

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LOOK_S = 0.05


class Service(Protocol):
    """What a session, a panel or a hub asks."""

    @property
    def owner(self) -> str:
        """Who asks."""

    def submit(self, request: JobRequest, *, array: str | None = None, attend: bool = True) -> str:
        """Keep a request and give the id of its job; returns at once."""

    def submit_many(self, requests: Sequence[JobRequest]) -> tuple[str, list[str]]:
        """Keep many requests as one array; its id, and those of its jobs."""

    def jobs(self, *, states: Sequence[State] | None = None, array: str | None = None) -> list[JobRow]:
        """Jobs of the owner, newest first."""

    def job(self, job: str) -> JobRow:
        """One job; a beginning of its id will do where it is clear."""

    def status(self, job: str) -> Status:
        """Where it stands."""

    def events(self, job: str, after: int = -1) -> list[Event]:
        """What happened, from event *after* + 1 on."""

    def log(self, job: str, after: int = -1) -> list[tuple[int, float, str]]:
        """What was said while it was conducted."""

    def detail(self, job: str, key: str) -> str | None:
        """What its conductor left: ``plan``, ``report``."""

    def set_goal(self, job: str, goal: Goal, *, attend: bool = True) -> None:
        """Write what its owner wants."""

    def restart(self, job: str, *, attend: bool = True) -> None:
        """Have a failed or cancelled job run again, from where it can."""

    def delete(self, job: str) -> None:
        """Forget a job that has ended; its outputs stay."""

    def attend(self, job: str) -> None:
        """See that somebody conducts a job."""

    def served(self) -> bool:
        """Whether somebody lives who conducts every job of the owner."""

    def conducted(self, job: str) -> bool:
        """Whether somebody who lives conducts a job, or will as soon as may be."""

    def here(self, job: str) -> Conduct | None:
        """What this process knows of a job because it conducts it."""

    def follow_log(self, job: str) -> Iterator[str]:
        """Lines of a job's log as they come, until the job has ended."""

    def seen(self, path: Path) -> Path:
        """Where a path of the service's machine is on this one."""

    def close(self) -> None:
        """Let go of everything."""


class LocalService:
    """The service of this machine.

    Parameters
    ----------
    settings : Settings
        Where ledger and store are, and who asks.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.owner = settings.owner or _login()
        self._lock = threading.RLock()
        self._ledger: Ledger | None = None
        self._conductor: Conductor | None = None

    @property
    def ledger(self) -> Ledger:
        """The ledger, opened when first asked for."""
        from dmod.ledger.ledger import Ledger

        with self._lock:
            if self._ledger is None:
                self._ledger = _opened(Ledger, self.settings)
            return self._ledger

    @property
    def conductor(self) -> Conductor:
        """The conductor of this process, begun when first asked for."""
        from dmod.conductor.conductor import Conductor
        from dmod.schedule.resources import Host

        with self._lock:
            if self._conductor is None:
                host = Host.here().limited(self.settings.cores)
                self._conductor = Conductor(self.ledger, host=host, settings=self.settings)
            return self._conductor

    def acting_for(self, owner: str) -> LocalService:
        """The same service, asked by somebody else; it shares the ledger, and whoever conducts."""
        with self._lock:
            assert self._ledger is not None, "a ledger that is opened later would not be shared"
            other = copy.copy(self)
        other.owner, other.settings = owner, replace(self.settings, owner=owner)
        return other

    def close(self) -> None:
        """Let go of jobs under way, for others to take up, and of the ledger."""
        with self._lock:
            if self._conductor is not None:
                self._conductor.stop()
                self._conductor = None
            if self._ledger is not None:
                self._ledger.close()
                self._ledger = None

    def submit(self, request: JobRequest, *, array: str | None = None, attend: bool = True) -> str:
        """See `Service.submit`; with *attend* false this process does not conduct it."""
        return self._submit([request], array, attend=attend)[0]

    def submit_many(self, requests: Sequence[JobRequest], *, attend: bool = True) -> tuple[str, list[str]]:
        """See `Service.submit_many`; all of them are kept, or none."""
        array = f"array-{_random(6)}"
        return array, self._submit(requests, array, attend=attend)

    def _submit(self, requests: Sequence[JobRequest], array: str | None, *, attend: bool) -> list[str]:
        """Keep requests, and see that somebody conducts them."""
        from dmod.ledger.jobs import JobRow

        rows = [
            JobRow(
                id=f"{_slug(request.title)}-{_random(6)}", name=request.title, owner=self.owner,
                request_json=request.to_json(), priority=request.priority, array=array,
                cores=request.workers, memory_bytes=request.memory_bytes,
            )
            for request in requests
        ]  # fmt: skip
        self.ledger.add_jobs(rows)
        if attend and not self.served():
            for row in rows:
                self.conductor.conduct(row.id)
        return [row.id for row in rows]

    def attend(self, job: str) -> None:
        """See that somebody conducts a job: whoever does, ``dmod serve`` where it runs, this process otherwise."""
        if not self.conducted(job):
            self.conductor.conduct(job)

    def served(self) -> bool:
        """Whether somebody lives who conducts every job of the owner: ``dmod serve``, or a Jupyter server."""
        return any(map(self._serves, self._living()))

    def conducted(self, job: str) -> bool:
        """Whether somebody who lives conducts a job, or will as soon as may be."""
        living = self._living()
        holder = self.ledger.job(job).holder
        return any(one.name == holder or self._serves(one) for one in living)

    def _serves(self, one: Holder) -> bool:
        """Whether somebody conducts every job of the owner."""
        return one.facts.get("kind") == "serve" and one.facts.get("owner") in (None, self.owner)

    def _living(self) -> list[Holder]:
        """Who conducts; somebody who was killed on this machine is not among them."""
        from dmod.conductor.presence import living

        return living(self.ledger)

    def here(self, job: str) -> Conduct | None:
        """What this process knows of a job because it conducts it."""
        with self._lock:
            return None if self._conductor is None else self._conductor.under_way(job)

    def jobs(self, *, states: Sequence[State] | None = None, array: str | None = None) -> list[JobRow]:
        """See `Service.jobs`."""
        return self.ledger.jobs(owner=self.owner, states=states, array=array)

    def job(self, job: str) -> JobRow:
        """See `Service.job`.

        Raises
        ------
        JobError
            If there is none, or several begin so, or it is somebody else's.
        """
        with contextlib.suppress(JobError):
            row = self.ledger.job(job)
            if row.owner == self.owner:
                return row
        mine = self.jobs()
        like = [row for row in mine if job and row.id.startswith(job)]
        if len(like) == 1:
            return like[0]
        raise JobError(
            f"several jobs begin with {job!r}" if like else f"there is no job {job!r}",
            has=", ".join(row.id for row in (like or mine)[:5]) or "no jobs",
            hint="`dmod jobs` lists them",
        )

    def status(self, job: str) -> Status:
        """See `Service.status`."""
        row = self.job(job)
        return status_of(row.name, row.goal, tuple(self.ledger.events(row.id)), self.ledger.progress(row.id))

    def events(self, job: str, after: int = -1) -> list[Event]:
        """See `Service.events`."""
        return self.ledger.events(self.job(job).id, after)

    def log(self, job: str, after: int = -1) -> list[tuple[int, float, str]]:
        """See `Service.log`."""
        return self.ledger.log(self.job(job).id, after)

    def detail(self, job: str, key: str) -> str | None:
        """See `Service.detail`."""
        return self.ledger.detail(self.job(job).id, key)

    def set_goal(self, job: str, goal: Goal, *, attend: bool = True) -> None:
        """See `Service.set_goal`.

        Raises
        ------
        JobError
            If the job has ended.
        """
        row = self.job(job)
        if row.state.is_final:
            raise JobError(f"job {row.id} is {row.state} already", hint="`dmod restart` runs it again")
        self.ledger.set_goal(row.id, goal)
        if attend:
            self.attend(row.id)

    def restart(self, job: str, *, attend: bool = True) -> None:
        """See `Service.restart`.

        Raises
        ------
        JobError
            If it has not ended, or is complete.
        """
        row = self.job(job)
        self.ledger.restart(row.id)
        if attend:
            self.attend(row.id)

    def delete(self, job: str) -> None:
        """See `Service.delete`.

        Raises
        ------
        JobError
            If it has not ended.
        """
        self.ledger.delete_job(self.job(job).id)

    def glances(self, asked: Asked, *, limit: int | None = None) -> tuple[list[Glance], int]:
        """Jobs of the owner at a glance, newest first; and how many there are, wherever a list begins or ends."""
        mine = replace(asked, owner=self.owner)
        found = self.ledger.glances(mine, limit=limit)
        whole = asked.before is None and (limit is None or len(found) < limit)
        return found, len(found) if whole else self.ledger.count(replace(mine, before=None))

    def sees(self, glance: Glance) -> bool:
        """Whether a job is the owner's."""
        return glance.owner == self.owner

    def log_lines(
        self, job: str, after: int = -1, *, limit: int, last: bool = False
    ) -> tuple[list[tuple[int, float, str]], bool]:
        """A page of a job's log, see `dmod.ledger.logs.Logs.log_lines`."""
        return self.ledger.log_lines(self.job(job).id, after, limit=limit, last=last)

    def seen(self, path: Path) -> Path:
        """See `Service.seen`: it is this machine."""
        return path

    def follow_log(self, job: str) -> Iterator[str]:
        """Lines of a job's log as they come, until the job has ended."""
        name, after = self.job(job).id, -1
        while True:
            ended = self.ledger.job(name).state.is_final
            for number, _, text in self.ledger.log(name, after):
                after = number
                yield from text.splitlines(keepends=True)
            if ended:
                return
            time.sleep(4 * _LOOK_S)


def _opened(kind: type[Ledger], settings: Settings) -> Ledger:
    """The ledger that settings name; one that is soon gone where the home directory cannot be written."""
    if settings.ledger is not None:
        return kind.open(settings.ledger)
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        return kind.open(f"sqlite:///{settings.home / 'ledger.sqlite'}")
    except OSError as problem:
        beside = Path(tempfile.mkdtemp(prefix="dmod-")) / "ledger.sqlite"
        log.warning("%s cannot be made (%s): jobs are remembered in %s", settings.home, problem, beside)
        return kind.open(beside)


def _login() -> str:
    """Who is logged in; the machine's name where that is not known."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return socket.gethostname()


def _slug(text: str) -> str:
    """A name that is safe in a path, on a command line and in a URL."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "run"


def _random(length: int) -> str:
    """Letters and digits that are not mistaken for one another."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
