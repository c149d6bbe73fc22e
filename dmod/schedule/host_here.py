"""What this machine offers: the one place in this room that looks at it.

Cores are those that this process may run on, memory is what the machine has; a container
or a batch system may allow less, through the control groups of Linux (versions 1 and 2),
and that counts. What is in use by others is not asked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from dmod.schedule.resources import Host

__all__ = ["cores_here", "host_here"]


def host_here(root: Path = Path("/")) -> Host:
    """What this machine offers, all of it free.

    Parameters
    ----------
    root : Path
        Where ``proc`` and ``sys`` are.

    Returns
    -------
    Host
        At least one core; memory within the limits of the control groups.
    """
    cores, memory = cores_here(), _memory(root)
    for cpu_limit, memory_limit in _limits(root):
        if cpu_limit is not None:
            cores = min(cores, max(1, int(cpu_limit)))
        if memory_limit is not None:
            memory = min(memory, memory_limit)
    return Host(os.uname().nodename, cores, memory)


def cores_here() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


def _memory(root: Path) -> int:
    """Memory of the machine [bytes]."""
    for line in _lines(root / "proc/meminfo"):
        name, _, rest = line.partition(":")
        if name == "MemTotal" and rest.split()[:1]:
            return int(rest.split()[0]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _limits(root: Path) -> Iterator[tuple[float | None, int | None]]:
    """Cores and memory [bytes] that each control group around this process allows; None for no limit."""
    hierarchies: dict[str, str] = {}
    for line in _lines(root / "proc/self/cgroup"):
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        hierarchies |= dict.fromkeys(controllers.split(",") if number != "0" else ["unified"], path)
    mounted = root / "sys/fs/cgroup"
    for group in _upwards(mounted, hierarchies.get("unified")):
        quota, period = [*_words(group / "cpu.max"), "max", "max"][:2]
        yield _share(quota, period), _count(*_words(group / "memory.max")[:1])
    for group in _upwards(mounted / "cpu", hierarchies.get("cpu")):
        words = [_words(group / f"cpu.cfs_{which}_us") for which in ("quota", "period")]
        yield _share(*(word[0] if word else "max" for word in words)), None
    for group in _upwards(mounted / "memory", hierarchies.get("memory")):
        yield None, _count(*_words(group / "memory.limit_in_bytes")[:1])


def _upwards(mounted: Path, path: str | None) -> Iterator[Path]:
    """A control group and those around it; what a container sees of its own is the outermost."""
    if path is None:
        return
    group = mounted / path.lstrip("/")
    while group != mounted and mounted in group.parents:
        yield group
        group = group.parent
    yield mounted


def _share(quota: str, period: str) -> float | None:
    """Cores that a quota of time allows; None for no limit."""
    time, each = _count(quota), _count(period)
    return time / each if time and each else None


def _count(text: str = "max") -> int | None:
    """A limit as a number; None where there is none, or one so small that it is none."""
    number = int(text) if text.isascii() and text.isdigit() else 0
    # Version 1 says "no limit" with the greatest number of pages, and -1 for time.
    return number if 0 < number < 2**60 else None


def _words(path: Path) -> list[str]:
    """The words of a file of one line."""
    return " ".join(_lines(path)).split()


def _lines(path: Path) -> list[str]:
    """The lines of a file; none where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
