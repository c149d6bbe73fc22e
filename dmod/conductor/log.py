"""What is said while a job is conducted, kept in the ledger.

What a conducting thread says with `say`, and every warning and error that this package logs
from it, becomes a line of that job's log, with its time; errors with their traceback. How
the program that uses this package logs is left as it is. Lines are written together, a few times a
second, and always before the job is over.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from dmod.errors import DmodError

if TYPE_CHECKING:
    from dmod.ledger.ledger import Ledger

__all__ = ["JobLog", "say"]

_here = threading.local()
_TIME = "%Y-%m-%dT%H:%M:%S%z"
_FORMAT = logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", _TIME)
#: How long a line may stay unwritten while others follow it [s].
_KEEP_S = 0.4


class _ToLedger(logging.Handler):
    """Hands records to the job that the present thread conducts; threads do not wait for one another."""

    def createLock(self) -> None:
        """None: a job's own log has one."""
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        job: JobLog | None = getattr(_here, "job", None)
        if job is not None:
            job.write(self.format(record))


def say(text: str) -> None:
    """Add a line to the log of the job that the present thread conducts; nothing where it conducts none."""
    job: JobLog | None = getattr(_here, "job", None)
    if job is not None:
        job.write(f"{time.strftime(_TIME)} {'INFO':<7} {text}")


class JobLog:
    """The log of one job, for the present thread; a context manager that may be entered again.

    Parameters
    ----------
    ledger : Ledger
        Where it is kept.
    job, holder : str
        The job, and who conducts it.
    """

    _handler: _ToLedger | None = None
    _turn = threading.Lock()

    def __init__(self, ledger: Ledger, job: str, holder: str) -> None:
        self._ledger, self._job, self._holder = ledger, job, holder
        self._lock = threading.Lock()
        self._lines: list[str] = []
        self._wrote_s = time.monotonic()

    def __enter__(self) -> Self:
        with JobLog._turn:
            if JobLog._handler is None:
                JobLog._handler = _ToLedger(logging.WARNING)
                JobLog._handler.setFormatter(_FORMAT)
                logging.getLogger("dmod").addHandler(JobLog._handler)
        _here.job = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        _here.job = None

    def write(self, text: str) -> None:
        """Add a line."""
        with self._lock:
            self._lines.append(text + "\n")
        self.flush_if_due()

    def flush_if_due(self) -> None:
        """Write what was kept for long enough."""
        if self._lines and time.monotonic() - self._wrote_s >= _KEEP_S:
            self.flush()

    def flush(self) -> None:
        """Write what was kept; a ledger that cannot be written must not stop the job."""
        with self._lock:
            text, self._lines = "".join(self._lines), []
            self._wrote_s = time.monotonic()
        if text:
            with contextlib.suppress(DmodError):
                self._ledger.write_log(self._job, self._holder, text)
