"""The service of another machine or process, over HTTP: what `dmod.connect(url)` speaks to.

It answers like `dmod.service.LocalService`, from a Jupyter server or from `dmod serve --http`.
Jobs run where the service is; their outputs can be opened here only if their path is seen here.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmod.errors import InputError, JobError, OutputError
from dmod.gateway.asking_http import Line
from dmod.job.lifecycle import Goal, State
from dmod.job.record import Event, Progress, Status
from dmod.job.request import JobRequest
from dmod.ledger.jobs import JobRow

if TYPE_CHECKING:
    from dmod.conductor.conduct import Conduct

__all__ = ["RemoteService"]

log = logging.getLogger("dmod.gateway")

_PAGE = 10_000
_LOOK_S = 0.5
#: What a service says of a job besides what a status is made of.
_KNOWN_REQUESTS = 1000


class RemoteService:
    """A service that is reached over HTTP.

    Parameters
    ----------
    url : str
        Base URL of a Jupyter server or of ``dmod serve --http``.
    token : str, optional
        Whoever runs the server gives it.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        self._line = Line(url, token)
        self._requests: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"RemoteService({self.where})"

    @property
    def where(self) -> str:
        """Its address."""
        return self._line.url

    @property
    def owner(self) -> str:
        """Who asks, as the service knows them."""
        return str(self._line.get("status")["owner"])

    def close(self) -> None:
        """Nothing is held."""

    def submit(self, request: JobRequest, *, array: str | None = None, attend: bool = True) -> str:
        """See `dmod.service.Service.submit`; paths mean what they mean on the service's machine."""
        if array is not None:
            raise InputError("a service gives arrays their ids itself", hint="submit all of its requests with map()")
        job = str(self._line.post("jobs", {"request": json.loads(request.to_json())})["id"])
        if attend:
            self._warn_if_nobody_conducts()
        return job

    def submit_many(self, requests: Sequence[JobRequest]) -> tuple[str, list[str]]:
        """See `dmod.service.Service.submit_many`."""
        told = self._line.post("jobs", {"requests": [json.loads(request.to_json()) for request in requests]})
        self._warn_if_nobody_conducts()
        return str(told["array"]), list(told["ids"])

    def jobs(self, *, states: Sequence[State] | None = None, array: str | None = None) -> list[JobRow]:
        """See `dmod.service.Service.jobs`; without their requests, which `job` has."""
        asked = {"state": ",".join(states or ()), "array": array or "", "limit": _PAGE}
        found: list[Mapping[str, Any]] = []
        while True:
            page = self._line.get("jobs", before=found[-1]["id"] if found else "", **asked)["jobs"]
            found += page
            if len(page) < _PAGE:
                return [_row(told, "") for told in found]

    def job(self, job: str) -> JobRow:
        """See `dmod.service.Service.job`.

        Raises
        ------
        JobError
            If there is none, or several begin so, or it is somebody else's.
        """
        found = self._line.get("jobs", ids=job, limit=1)["jobs"] if job else []
        if not found:
            found = [
                told for told in self._line.get("jobs", text=job, limit=_PAGE)["jobs"] if told["id"].startswith(job)
            ]
        if len(found) != 1 or not job:
            raise JobError(
                f"several jobs begin with {job!r}" if len(found) > 1 else f"there is no job {job!r}",
                has=", ".join(told["id"] for told in found[:5]) or "none like it",
                hint="`session.jobs` lists them",
            )
        return _row(found[0], self._request(found[0]["id"]))

    def _request(self, job: str) -> str:
        """What was asked for; it never changes."""
        if job not in self._requests:
            while len(self._requests) >= _KNOWN_REQUESTS:
                self._requests.pop(next(iter(self._requests)))
            self._requests[job] = json.dumps(self._line.get("jobs", job)["request"])
        return self._requests[job]

    def status(self, job: str) -> Status:
        """See `dmod.service.Service.status`."""
        told = self._line.get("jobs", self._id(job))
        progress = Progress(told["done"], told["total"], told["elapsed_s"])
        return Status(
            told["name"], State(told["state"]), Goal(told["goal"]), told["message"], progress, told["facts"]
        )  # fmt: skip

    def events(self, job: str, after: int = -1) -> list[Event]:
        """See `dmod.service.Service.events`."""
        found = self._line.get("jobs", self._id(job), "events", after=after)["events"]
        return [Event(one["number"], one["at_s"], State(one["state"]), one["message"], one["facts"]) for one in found]

    def log(self, job: str, after: int = -1) -> list[tuple[int, float, str]]:
        """See `dmod.service.Service.log`, line by line."""
        name, found = self._id(job), list[tuple[int, float, str]]()
        while True:
            page = self._line.get("jobs", name, "log", after=found[-1][0] if found else after, limit=_PAGE)
            found += [(number, at_s, f"{text}\n") for number, at_s, text in page["lines"]]
            if not page["more"]:
                return found

    def detail(self, job: str, key: str) -> str | None:
        """See `dmod.service.Service.detail`."""
        name = self._id(job)
        if key == "plan":
            plan: str | None = self._line.get("jobs", name, "plan")["plan"]
            return plan
        if key == "report":
            told = self._line.get("jobs", name, "report")["report"]
            return None if told is None else json.dumps(told)
        if key == "target":
            target: str | None = self._line.get("jobs", name)["facts"].get("output")
            return target
        return None

    def set_goal(self, job: str, goal: Goal, *, attend: bool = True) -> None:
        """See `dmod.service.Service.set_goal`; *attend* says nothing here, as jobs are conducted there.

        Raises
        ------
        InputError
            If the goal is not to be cancelled: what is wanted otherwise is a restart.
        JobError
            If the job has ended.
        """
        if goal is not Goal.CANCELLED:
            raise InputError("a job can be cancelled there, or restarted", hint="call restart()")
        self._line.post(f"jobs/{self._id(job)}/cancel")
        del attend

    def restart(self, job: str, *, attend: bool = True) -> None:
        """See `dmod.service.Service.restart`."""
        self._line.post(f"jobs/{self._id(job)}/restart")
        if attend:
            self._warn_if_nobody_conducts()

    def delete(self, job: str) -> None:
        """See `dmod.service.Service.delete`."""
        self._line.delete(f"jobs/{self._id(job)}")

    def attend(self, job: str) -> None:
        """See `dmod.service.Service.attend`: who conducts is the service's own matter."""

    def served(self) -> bool:
        """Whether somebody conducts jobs there."""
        return bool(self._line.get("status")["conducting"])

    def conducted(self, job: str) -> bool:
        """Whether somebody conducts a job, or will: nobody here could."""
        return bool(self._id(job))

    def here(self, job: str) -> Conduct | None:
        """See `dmod.service.Service.here`: nothing is conducted in this process."""

    def seen(self, path: Path) -> Path:
        """See `dmod.service.Service.seen`.

        Raises
        ------
        OutputError
            If there is no such path on this machine.
        """
        if not path.exists():
            raise OutputError(
                "the outputs are on the machine of the service, and not seen from here", path=path, service=self.where,
                hint="open them there, or have them taken to a bucket with output='s3://…'",
            )  # fmt: skip
        return path

    def follow_log(self, job: str) -> Iterator[str]:
        """See `dmod.service.Service.follow_log`."""
        name, after = self._id(job), -1
        while True:
            ended = self.job(name).state.is_final
            for number, _, text in self.log(name, after):
                after = number
                yield text
            if ended:
                return
            time.sleep(_LOOK_S)

    def _id(self, job: str) -> str:
        """The whole id of a job."""
        return job if job in self._requests else self.job(job).id

    def _warn_if_nobody_conducts(self) -> None:
        """Say why nothing will happen, where that is so."""
        if not self.served():
            log.warning("nobody conducts jobs at %s yet: they wait until somebody does", self.where)


def _row(told: Mapping[str, Any], request: str) -> JobRow:
    """A job, as a ledger has it."""
    return JobRow(
        told["id"], told["name"], told["owner"], request, Goal(told["goal"]), State(told["state"]), told["priority"],
        told["array"], told["submitted_s"], told["updated_s"], cores=told["workers"],
    )  # fmt: skip
