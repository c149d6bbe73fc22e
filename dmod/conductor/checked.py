"""Checks that were made before: many jobs of one run directory are looked at once.

A check is made again as soon as any file it read is not what it was, told by size, time of
last change and place on the disk. Files that were written to a moment ago are never
believed: another change could have the same time.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path

from dmod.model.case import Case, Question
from dmod.model.check import examine
from dmod.model.findings import Report

__all__ = ["Checked", "stamps_of"]

#: How many cases are remembered, and of how many files and catchments at most.
_CASES, _FILES, _CATCHMENTS = 8, 20_000, 20_000
#: What was changed so recently may change once more without its time telling [s].
_FRESH_S = 2.0

Stamps = tuple[tuple[int, int, int], ...]


class Checked:
    """Remembers the last few checks; safe to use from any thread."""

    def __init__(self) -> None:
        self._known: OrderedDict[Question, tuple[tuple[str, ...], Stamps, Case, Report]] = OrderedDict()
        self._turn = threading.Lock()

    def examine(self, question: Question) -> tuple[Case | None, Report]:
        """What `dmod.model.check.examine` says; nothing that has errors is remembered."""
        with self._turn:
            known = self._known.get(question)
        if known is not None:
            files, stamps, case, report = known
            if stamps_of(files) == stamps:
                with self._turn:
                    if question in self._known:
                        self._known.move_to_end(question)
                return case, report
        began_s = time.time()
        found, report = examine(question)
        if found is not None:
            self._remember(question, found, report, began_s)
        return found, report

    def _remember(self, question: Question, case: Case, report: Report, began_s: float) -> None:
        """Keep a case that can be told to be the same again."""
        directory = question.directory
        sources = [source.path for source in case.sources]
        if any(path.is_dir() for path in sources) or len(case.domain.network) > _CATCHMENTS:
            return
        named: list[Path | str | None] = [
            directory.hydrofabric, directory.nexus, directory.realization, *sources, *case.config_files
        ]  # fmt: skip
        files = tuple(dict.fromkeys(str(path) for path in named if path is not None))
        stamps = stamps_of(files) if len(files) <= _FILES else None
        if stamps is None or any(changed >= (began_s - _FRESH_S) * 1e9 for _, changed, _ in stamps):
            return
        with self._turn:
            self._known[question] = files, stamps, case, report
            while len(self._known) > _CASES:
                self._known.popitem(last=False)


def stamps_of(files: Iterable[str]) -> Stamps | None:
    """Size, time of last change and place on the disk of each file; None if one is not there.

    Parameters
    ----------
    files : iterable of str
        Paths.

    Returns
    -------
    tuple of (int, int, int), or None
        [bytes], [ns since 1970] and number of the inode.
    """
    try:
        told = [os.stat(file) for file in files]  # noqa: PTH116 - a Path per file costs more than looking at it
    except OSError:
        return None
    return tuple((one.st_size, one.st_mtime_ns, one.st_ino) for one in told)
