"""How far the store is: bytes done out of bytes to do, as several threads report them."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Progress", "Report"]

#: Is told the step (digest, store, fetch or verify), bytes done and bytes to do; may raise to stop.
Progress = Callable[[str, int, int], None]


class Report:
    """Adds up what threads report and passes it on, one at a time.

    Parameters
    ----------
    progress : Progress or None
        Who wants to know.
    step : str
        What is done.
    total : int
        To do [byte].
    """

    def __init__(self, progress: Progress | None, step: str, total: int) -> None:
        self._progress, self._step, self._total = progress, step, total
        self._done = 0
        self._turn = threading.Lock()

    def __call__(self, size: int) -> None:
        """So many bytes more are done [byte]."""
        if self._progress is not None:
            with self._turn:
                self._done += size
                self._progress(self._step, self._done, self._total)
