"""What is said while a job is conducted, kept in the ledger.

Whatever this package logs from a thread that conducts a job becomes a line of that job's
log, with its time; errors with their traceback.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Self

from dmod.errors import DmodError

if TYPE_CHECKING:
    from dmod.ledger.ledger import Ledger

__all__ = ["JobLog"]

_here = threading.local()
_FORMAT = logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%dT%H:%M:%S%z")


class _ToLedger(logging.Handler):
    """Hands records to the job that the present thread conducts."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; a ledger that cannot be written must not stop the job."""
        job: JobLog | None = getattr(_here, "job", None)
        if job is not None:
            with contextlib.suppress(DmodError):
                job.write(self.format(record))


class JobLog:
    """The log of one job, for the present thread; a context manager.

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

    def __enter__(self) -> Self:
        with JobLog._turn:
            if JobLog._handler is None:
                JobLog._handler = _ToLedger(logging.INFO)
                JobLog._handler.setFormatter(_FORMAT)
                logger = logging.getLogger("dmod")
                logger.addHandler(JobLog._handler)
                if logger.level == logging.NOTSET:
                    logger.setLevel(logging.INFO)
        _here.job = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        _here.job = None

    def write(self, text: str) -> None:
        """Add a line."""
        self._ledger.write_log(self._job, self._holder, text + "\n")
