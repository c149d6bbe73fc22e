"""How many workers and parts a run gets.

Pure: counts in, counts out. A part is one task; more parts than workers even out
catchments that cost more and lose less when a worker dies.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Sizing", "size_run"]

#: Below this many catchment-steps starting processes costs more than it saves.
_SMALL = 5_000_000
#: What a worker needs to be of use [bytes].
_WORKER_BYTES = 512 * 10**6
_PARTS_PER_WORKER = 4
_STEPS_PER_PART = 8_000_000


@dataclass(frozen=True, slots=True)
class Sizing:
    """How a run is spread."""

    #: Workers, one core each.
    workers: int
    #: Tasks.
    parts: int
    #: Whether workers are processes of their own; threads of this one otherwise.
    processes: bool
    #: What each worker may take at most [bytes]; None for no limit.
    memory_bytes: int | None = None


def size_run(
    *,
    catchments: int,
    steps: int,
    cores: int,
    workers: int | None = None,
    together: bool = False,
    memory_bytes: int | None = None,
) -> Sizing:
    """Spread a run over cores.

    Parameters
    ----------
    catchments : int
        At least 1.
    steps : int
        Steps per catchment, at least 1.
    cores : int
        Cores there are.
    workers : int, optional
        Workers asked for; processes then, whatever the size.
    together : bool
        Whether forcing stores catchments side by side, so that each part reads all of it.
    memory_bytes : int, optional
        What all workers together may take [bytes]; processes then, which can be held to it, and
        no more of them than have enough each.

    Returns
    -------
    Sizing
        At least one worker and one part, and never more parts than catchments.

    Examples
    --------
    >>> size_run(catchments=5, steps=720, cores=8)
    Sizing(workers=1, parts=1, processes=False, memory_bytes=None)
    >>> size_run(catchments=10_000, steps=8760, cores=2)
    Sizing(workers=2, parts=12, processes=True, memory_bytes=None)
    """
    work = catchments * steps
    processes = workers is not None or memory_bytes is not None or work >= _SMALL
    count = workers if workers is not None else (min(cores, catchments) if work >= _SMALL else 1)
    if memory_bytes is not None:
        count = min(count, memory_bytes // _WORKER_BYTES)
    count = max(1, count)
    wanted = count if together or count == 1 else count * _PARTS_PER_WORKER
    if not together:
        # The same number for each worker, so that none is left with the last part alone.
        wanted = max(wanted, count * -(-work // (count * _STEPS_PER_PART)))
    each = None if memory_bytes is None else memory_bytes // count
    return Sizing(count, min(wanted, catchments), processes, each)
