"""Ties a worker process to the one that started it, and holds it to its memory.

A preload of Dask's. The worker's standard input is a pipe that nobody writes to, held open
by the program; when the program ends, even by a kill, reading from it ends too. Memory is
a limit of the operating system's: what goes beyond it is refused inside the worker.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import threading

__all__ = ["MEMORY_LIMIT", "dask_setup"]

#: Names the limit to a worker [bytes].
MEMORY_LIMIT = "DMOD_WORKER_MEMORY_BYTES"


def dask_setup(worker: object) -> None:
    """Watch from a thread of its own, since a worker that looks for its scheduler may do so for ever."""
    del worker
    if limit := int(os.environ.get(MEMORY_LIMIT, "0")):
        with contextlib.suppress(ValueError, OSError):  # a lower limit may hold already
            resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    threading.Thread(target=_watch, name="dmod-lifeline", daemon=True).start()


def _watch() -> None:
    """Wait for the end of standard input, and end."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)
