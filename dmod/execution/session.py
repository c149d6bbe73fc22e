"""Processes of one session of this machine: which there are, what they take, and how they end.

A session is named by the id of its first process; whatever that starts belongs to it. Linux
tells all of it under ``/proc``.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Taken", "end", "members", "start_of", "taken"]

_PROC = Path("/proc")
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
#: Places in ``stat`` after the name: state, parent, session, user and system time, start, resident pages.
_STATE, _PARENT, _SESSION, _USER, _SYSTEM, _START, _PAGES = 0, 1, 3, 11, 12, 19, 21


@dataclass(frozen=True, slots=True)
class Taken:
    """What processes have taken so far, and take now."""

    #: Processor time of those alive [s].
    cpu_s: float
    #: Memory taken now [bytes].
    memory_bytes: int
    #: Bytes that those alive have written to anything, so far as that is told.
    written_bytes: int


def start_of(pid: int) -> int | None:
    """When a process started [ticks since boot]; None if it is gone, or has ended and nobody asked how."""
    fields = _stat(pid)
    return None if fields is None or fields[_STATE] == "Z" else int(fields[_START])


def members(session: int) -> list[int]:
    """Ids of all processes of a session, and of all that these started, wherever they went; zombies are none."""
    known = {int(entry.name): _stat(int(entry.name)) for entry in _PROC.iterdir() if entry.name.isdigit()}
    told = {pid: fields for pid, fields in known.items() if fields is not None and fields[_STATE] != "Z"}
    found = {pid for pid, fields in told.items() if int(fields[_SESSION]) == session}
    while more := {pid for pid, fields in told.items() if int(fields[_PARENT]) in found} - found:
        found |= more
    return sorted(found)


def taken(session: int) -> Taken:
    """What a session takes."""
    cpu_s, memory_bytes, written = 0.0, 0, 0
    for pid in members(session):
        if (fields := _stat(pid)) is not None:
            cpu_s += _TICK_S * (int(fields[_USER]) + int(fields[_SYSTEM]))
            memory_bytes += _PAGE_BYTES * int(fields[_PAGES])
            written += _written(pid)
    return Taken(cpu_s, memory_bytes, written)


def end(session: int, *, grace_s: float, limit_s: float) -> bool:
    """End all processes of a session: ask, and after a while insist.

    Parameters
    ----------
    session : int
        Its id.
    grace_s : float
        How long they may take when asked [s].
    limit_s : float
        How long it may take in all [s].

    Returns
    -------
    bool
        Whether none is left.
    """
    began = time.monotonic()
    # What leaves the session when its parent ends must still be known then.
    asked: set[int] = set()
    while time.monotonic() - began < limit_s:
        alive = {pid for pid in asked if start_of(pid) is not None} | set(members(session))
        if not alive:
            return True
        insist = time.monotonic() - began >= grace_s
        for pid in alive if insist else alive - asked:
            _tell(pid, signal.SIGKILL if insist else signal.SIGTERM)
        asked |= alive
        time.sleep(0.05)
    return not members(session)


def _tell(pid: int, what: signal.Signals) -> None:
    """Send a signal to a process that may be gone."""
    try:
        os.kill(pid, what)
    except (ProcessLookupError, PermissionError):
        return


def _stat(pid: int) -> list[str] | None:
    """The fields of ``stat`` after the name, which may hold anything; None if the process is gone."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (OSError, UnicodeDecodeError):
        return None


def _written(pid: int) -> int:
    """Bytes that a process has handed to the system to write; 0 where it may not be asked."""
    try:
        told = (_PROC / str(pid) / "io").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in told.splitlines() if line.startswith("wchar:")), 0)
