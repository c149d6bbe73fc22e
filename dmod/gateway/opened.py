"""Outputs that were opened lately: whoever looks at a plot asks for one series after another.

Opening takes longer than reading one series, so that the last few outputs stay open as long
as their files are the same. One thread at a time reads of each.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["opened"]

#: How many outputs stay open.
_OPEN = 16
_NAMES = ("run.nc", "run.zarr", ".")
_lately: OrderedDict[Path, _Held] = OrderedDict()
_turn = threading.Lock()


@dataclass
class _Held:
    """Outputs that are open, or about to be."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    stamp: tuple[int, ...] = ()
    dataset: xr.Dataset | None = None

    def close(self) -> None:
        """Let go of the files."""
        if self.dataset is not None:
            self.dataset.close()
        self.dataset, self.stamp = None, ()


@contextmanager
def opened(target: Path) -> Iterator[xr.Dataset]:
    """The outputs in a directory, open as long as the block lasts, and perhaps longer.

    Parameters
    ----------
    target : Path
        Directory of the outputs of one run.

    Yields
    ------
    xarray.Dataset
        Not to be closed.

    Raises
    ------
    OutputError
        If there are none, or they cannot be read.
    """
    from dmod.formats.outputs import open_outputs

    with _turn:
        held = _lately.setdefault(target, _Held())
        _lately.move_to_end(target)
    with held.lock:
        now = _stamp(target)
        if held.dataset is None or held.stamp != now:
            held.close()
            held.dataset, held.stamp = open_outputs(target, chunks=None), now
        yield held.dataset
    _close_oldest()


def _close_oldest() -> None:
    """Close what was not asked for lately, unless somebody reads of it."""
    with _turn:
        for path in list(_lately)[: max(0, len(_lately) - _OPEN)]:
            held = _lately[path]
            if held.lock.acquire(blocking=False):
                try:
                    del _lately[path]
                    held.close()
                finally:
                    held.lock.release()


def _stamp(target: Path) -> tuple[int, ...]:
    """What is different once other outputs are there."""
    for name in _NAMES:
        try:
            seen = (target / name).stat()
        except OSError:
            continue
        return seen.st_ino, seen.st_mtime_ns, seen.st_size
    return ()
