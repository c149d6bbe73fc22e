"""Ends a worker process when the one that started it is gone, however that came about.

A preload of Dask's: the worker's standard input is a pipe that nobody writes to, held open
by the program; when the program ends, even by a kill, reading from it ends too.
"""

from __future__ import annotations

import os
import sys
import threading

__all__ = ["dask_setup"]


def dask_setup(worker: object) -> None:
    """Watch from a thread of its own, since a worker that looks for its scheduler may do so for ever."""
    del worker
    threading.Thread(target=_watch, name="dmod-lifeline", daemon=True).start()


def _watch() -> None:
    """Wait for the end of standard input, and end."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)
