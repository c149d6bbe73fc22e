"""Jobs as a table that keeps itself up to date: states, progress, and what to do about them.

A thread asks the jobs that have not ended, and tells the browser of the rows that changed. It
ends with the last job, or when the table is closed. What a browser asks for is done by the jobs.
"""

from __future__ import annotations

import html
import logging
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypedDict

import traitlets

from dmod.errors import DmodError
from dmod.view.card import COLOURS, bar, describe, is_final
from dmod.view.still_widget import StillWidget
from dmod.view.widget import HasStatus, front_end

__all__ = ["JobTable", "Row", "TableJob", "as_html", "row_of"]

log = logging.getLogger("dmod.view")

#: Shortest and longest time between two questions [s], and how long a round of them may hold up a notebook [s].
POLL_S, _LONGEST_S, _AT_ONCE_S = 0.5, 5.0, 0.3
#: Share of the time that questions may take.
_BUSY = 0.2
#: Rows told at once, and rows of a saved table.
_BATCH, _SAVED = 100, 200
_RESTARTED = frozenset({"failed", "cancelled"})
#: States of which an answer changes without the state changing.
_MOVING = frozenset({"running", "prepared", "allocated", "resolved", "partitioned", "finished"})


class TableJob(HasStatus, Protocol):
    """What a table needs of a job."""

    @property
    def id(self) -> str:
        """What it is known by."""

    def cancel(self) -> None:
        """Have it stop."""

    def restart(self) -> Any:
        """Have it run again."""


class Row(TypedDict):
    """A job as the table shows it; JSON."""

    #: Its id and its name.
    id: str
    name: str
    #: Its state, a sign for it, and ``good``, ``bad``, ``quiet`` or ``busy``.
    state: str
    sign: str
    tone: str
    #: Progress [%], None if it is not known.
    percent: float | None
    #: Speed [catchment-steps s-1], None if it is not known.
    rate: float | None
    #: Time left and message; may be empty.
    left: str
    message: str
    #: ``cancel``, ``restart`` or nothing: what can be done about it.
    can: str


def row_of(job: str, status: Mapping[str, object]) -> Row:
    """The row of a job with a status as `dmod.view.card.describe` takes it.

    Examples
    --------
    >>> row_of("mad-river-4x7qk2", {"name": "mad-river", "state": "failed"})["can"]
    'restart'
    """
    shown = describe(status)
    facts = dict(shown["facts"])
    state, rate = shown["state"], status.get("rate")
    moving = isinstance(rate, int | float) and rate > 0 and not is_final(status)
    return Row(
        id=job, name=shown["name"] if status.get("name") else job, state=state, sign=shown["sign"], tone=shown["tone"],
        percent=shown["percent"], rate=float(str(rate)) if moving else None,
        left=facts.get("left", "").removeprefix("about "), message=shown["message"],
        can="restart" if state in _RESTARTED else "" if is_final(status) or state == "deleted" else "cancel",
    )  # fmt: skip


class JobTable(StillWidget):
    """Jobs as a table that keeps itself up to date.

    Parameters
    ----------
    jobs : iterable of Job
        What to show, in this order; such as ``session.jobs``. Where they can tell their states all at once
        (``jobs.states()``), only those that move are asked one by one.
    **traits
        ``selected`` and ``filter`` to begin with.

    Examples
    --------
    >>> table = JobTable([])
    >>> table.selected
    []
    """

    _esm = front_end("job-table.js")
    _css = front_end("job-table.css")

    #: Row of each job by its id, in order; `Row`.
    rows = traitlets.Dict().tag(sync=True)
    #: Rows that changed last.
    changes: Any = traitlets.List().tag(sync=True)
    #: Ids of the selected jobs, from either side.
    selected = traitlets.List(traitlets.Unicode()).tag(sync=True)
    #: Only jobs with this text in their name, id, state or message are shown; from either side.
    filter = traitlets.Unicode().tag(sync=True)
    #: What went wrong when something was asked for; may be empty.
    problem = traitlets.Unicode().tag(sync=True)

    def __init__(self, jobs: Iterable[TableJob], **traits: Any) -> None:
        self._states = getattr(jobs, "states", None)
        self._jobs = {job.id: job for job in jobs}
        self._lock, self._closed = threading.Lock(), threading.Event()
        self._asked: dict[str, str] = {}
        self._following: threading.Thread | None = None
        states = self._state_of_each() or {}
        rows = {job: row_of(job, {"state": states.get(job, "requested")}) for job in self._jobs}
        super().__init__(rows=rows, **traits)
        self.on_msg(self._heed)
        self._ask(self._open(), until=time.monotonic() + _AT_ONCE_S)
        self._follow()

    @property
    def jobs(self) -> list[Any]:
        """The jobs that are selected, as handles."""
        return [self._jobs[job] for job in self.selected if job in self._jobs]

    @property
    def is_following(self) -> bool:
        """Whether it still asks: some job has not ended, and the table is not closed."""
        return self._following is not None and self._following.is_alive()

    def cancel(self, *jobs: str) -> None:
        """Have jobs stop, by their ids; the selected ones if none is named."""
        self._act("cancel", jobs or tuple(self.selected))

    def restart(self, *jobs: str) -> None:
        """Have jobs run again that failed or were cancelled; the selected ones if none is named."""
        self._act("restart", jobs or tuple(self.selected))

    def close(self) -> None:
        """End the table; the jobs run on."""
        self._closed.set()
        super().close()

    def _act(self, what: str, jobs: Iterable[str]) -> None:
        """Ask jobs for something, and tell of those where it went wrong."""
        problems = []
        able = [name for name in dict.fromkeys(jobs) if name in self._jobs and self.rows[name]["can"] == what]
        for name in able:
            try:
                getattr(self._jobs[name], what)()
            except DmodError as problem:
                problems.append(f"{name}: {problem.headline}")
            except Exception as problem:  # whatever it is belongs in the table: nobody else waits for this thread
                log.warning("a job cannot be asked to %s", what, exc_info=True)
                problems.append(f"{name}: {problem}")
        self.problem = "; ".join(problems[:3]) + (f" and {len(problems) - 3} more" if len(problems) > 3 else "")
        for name in able:
            self._asked.pop(name, None)
        self._ask(able)
        self._follow()

    def _heed(self, _: Any, content: Any, __: Any = None) -> None:
        """What the browser asks for; in a thread, so that the notebook goes on."""
        what = content.get("do") if isinstance(content, dict) else None
        named = content.get("ids", []) if isinstance(content, dict) else []
        if what in ("cancel", "restart") and isinstance(named, list):
            jobs = [job for job in named if isinstance(job, str)]
            threading.Thread(target=self._act, args=(what, jobs), name="dmod-job-table-act", daemon=True).start()

    def _follow(self) -> None:
        """See that somebody asks while something can change."""
        with self._lock:
            if self._closed.is_set() or self.is_following or not self._open():
                return
            self._following = threading.Thread(target=self._keep_asking, name="dmod-job-table", daemon=True)
            self._following.start()

    def _open(self) -> list[str]:
        """Jobs that have not ended, or were not asked yet."""
        rows = self.rows
        return [job for job in self._jobs if job not in self._asked or rows[job]["can"] == "cancel"]

    def _keep_asking(self) -> None:
        pause = 0.0
        while not self._closed.wait(pause):
            began = time.monotonic()
            self._ask(self._open())
            if not self._open():
                break
            pause = min(max(POLL_S, (time.monotonic() - began) / _BUSY), _LONGEST_S)
        if not self._closed.is_set():
            self.send_state("rows")  # what is saved from now on is how it ended

    def _ask(self, jobs: list[str], until: float = float("inf")) -> None:
        """Ask those of *jobs* that may have changed, and tell of those that did."""
        states = self._state_of_each()
        found: list[Row] = []
        for job in jobs:
            if self._closed.is_set() or time.monotonic() >= until:
                break
            state = None if states is None else states.get(job)
            if states is not None and state is None:
                status: Mapping[str, object] = {"state": "deleted"}
            elif state is not None and state not in _MOVING and self._asked.get(job) == state:
                continue
            else:
                status = self._status(job)
            self._asked[job] = str(status.get("state", ""))
            if (row := row_of(job, status)) != self.rows[job]:
                found.append(row)
            if len(found) >= _BATCH:
                self._tell(found)
                found = []
        self._tell(found)

    def _status(self, job: str) -> Mapping[str, object]:
        try:
            return dict(self._jobs[job].status())
        except Exception as problem:  # one job that cannot be asked must not silence the others
            log.warning("the status of a job cannot be read", exc_info=True)
            told = f"the status cannot be read: {problem}"
            return {"name": self.rows[job]["name"], "state": self.rows[job]["state"], "message": told}

    def _state_of_each(self) -> Mapping[str, str] | None:
        """States by id, where the jobs can tell them all at once."""
        if self._states is None:
            return None
        try:
            return {job: str(state) for job, state in self._states().items()}
        except Exception:  # then each is asked, and says what is wrong
            log.warning("the states of jobs cannot be read", exc_info=True)
            return None

    def _tell(self, rows: list[Row]) -> None:
        """Send rows that changed; the whole is sent when somebody asks for it."""
        for row in rows:
            self.rows[row["id"]] = row
        if rows:
            self.changes = list(rows)

    def still(self) -> str:
        """The table as it is now, as HTML."""
        return as_html(list(self.rows.values()))

    def __repr__(self) -> str:
        return f"JobTable({_counts(list(self.rows.values()))})"


def as_html(rows: list[Row]) -> str:
    """The table as HTML that needs nothing around it; all text is escaped."""
    titles = ("job", "state", "done", "left", "what")
    head = "".join(f'<th scope="col" style="{_CELL}">{title}</th>' for title in titles)
    body = "".join(_row_html(row) for row in rows[:_SAVED])
    more = f" {len(rows) - _SAVED:,} more are not listed." if len(rows) > _SAVED else ""
    return (
        f'<div style="max-width:70em;overflow-x:auto"><table style="border-collapse:collapse;font-size:0.95em">'
        f'<caption style="text-align:left;padding:0.2em 0;opacity:.8">{_counts(rows)}.{more}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


_CELL = "text-align:left;padding:0.25em 0.9em 0.25em 0;white-space:nowrap"


def _row_html(row: Row) -> str:
    colour = COLOURS[row["tone"]]
    return (
        f'<tr><th scope="row" style="{_CELL};font-weight:600">{html.escape(row["id"])}</th>'
        f'<td style="{_CELL};color:{colour}"><span aria-hidden="true">{row["sign"]} </span>'
        f"{html.escape(row['state'])}</td>"
        f'<td style="{_CELL};min-width:11em">{bar(row["percent"], colour)}</td>'
        f'<td style="{_CELL}">{html.escape(row["left"])}</td>'
        f'<td style="{_CELL};white-space:normal;overflow-wrap:anywhere">{html.escape(row["message"])}</td></tr>'
    )


def _counts(rows: list[Row]) -> str:
    """How many there are of each state, in words."""
    states: dict[str, int] = {}
    for row in rows:
        states[row["state"]] = states.get(row["state"], 0) + 1
    counted = ", ".join(f"{count:,} {html.escape(state)}" for state, count in states.items())
    return f"{len(rows):,} job{'s' * (len(rows) != 1)}{': ' * bool(rows)}{counted}"
