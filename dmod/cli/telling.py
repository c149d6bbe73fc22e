"""How far a long thing is, for people at a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(what: str, *, show: bool) -> Iterator[Callable[[float], None]]:
    """A bar that is gone at the end; yields what to tell the share done, in [0, 1].

    Shown only where a person looks at the terminal.
    """
    if not (show and sys.stderr.isatty()):
        yield lambda _share: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share: bar.update(task, completed=share)
