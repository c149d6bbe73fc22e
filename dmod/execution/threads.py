"""Parts of small runs in threads of this process, where a cluster would cost more than the run.

`Threads.launch` does what `dmod.execution.dask_run.launch` does on a cluster, with the same
marks, the same stop flag and the same numbers. Kernels release the GIL.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from pathlib import Path

from dmod.engine.part_run import Part, PartReport, run_part
from dmod.errors import RunError
from dmod.execution.failure import as_task_failure, out_of_memory
from dmod.execution.observation import Observation
from dmod.execution.resume import Resume

__all__ = ["ThreadRun", "Threads"]

_STOP_S = 10


class Threads:
    """Threads that many small runs share; a context manager.

    Parameters
    ----------
    count : int
        How many, at least 1.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="dmod-part")

    def ncores(self) -> dict[str, int]:
        """Cores by worker, as a client of Dask has it."""
        return {"threads": self._count}

    def launch(self, parts: Sequence[Part], *, stop_flag: Path, resume: Resume) -> ThreadRun:
        """Begin the parts of a run; the parameters are those of `dmod.execution.dask_run.launch`."""
        return ThreadRun(self._pool, parts, stop_flag, resume)

    def close(self) -> None:
        """End the threads, once what they are at is done or stopped."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class ThreadRun:
    """Parts under way in threads; what can be asked is what `dmod.execution.dask_run.DaskRun` answers.

    Parameters
    ----------
    pool : ThreadPoolExecutor
        The threads.
    parts : sequence of Part
        What to run.
    stop_flag : Path
        The file that tells parts to stop.
    resume : Resume
        Where parts leave their marks; those that have are not run again.
    """

    def __init__(self, pool: ThreadPoolExecutor, parts: Sequence[Part], stop_flag: Path, resume: Resume) -> None:
        self._stop_flag, self._marks = stop_flag, resume.folder
        already = resume.done()
        self._already = tuple(already.values())
        self._done = {report.index: report.catchment_steps for report in self._already}
        self._lock = threading.Lock()
        self._futures: list[Future[PartReport]] = [
            pool.submit(self._run, part) for part in parts if part.index not in already
        ]

    def _run(self, part: Part) -> PartReport:
        """One part."""
        try:
            report = run_part(part, self._tell)
        except MemoryError as problem:
            raise out_of_memory(part) from problem
        Resume.mark(self._marks, report)
        return report

    def _tell(self, index: int, done: int) -> None:
        """How far a part is."""
        with self._lock:
            self._done[index] = done

    def observe(self) -> Observation:
        """How far it is.

        Raises
        ------
        DmodError
            If a part failed; what it raised where that is ours.
        """
        before = len(self._already)
        over = [future for future in self._futures if future.done()]
        for future in over:
            try:
                problem = future.exception()
            except CancelledError:
                raise RunError("a task was lost", hint="whoever conducted the run has ended; run again") from None
            if problem is not None:
                raise as_task_failure(problem)
        with self._lock:
            done = sum(self._done.values())
        finished, tasks = len(over) + before, len(self._futures) + before
        if finished < tasks:
            return Observation(done, finished, tasks)
        found = [*self._already, *(future.result() for future in over)]
        reports = tuple(sorted(found, key=lambda report: report.index))
        return Observation(sum(report.catchment_steps for report in reports), finished, tasks, reports)

    def wait(self, seconds: float) -> None:
        """Wait for something to happen, so long at most."""
        wait([one for one in self._futures if not one.done()], seconds, return_when=FIRST_COMPLETED)

    def news(self) -> list[str]:
        """Nothing: what threads say goes to the log of this process."""
        return []

    def leave(self) -> None:
        """Stop: threads end with this process, and their marks are found again."""
        self.stop()

    def stop(self) -> None:
        """Have all parts stop, those under way at their next block; return when none runs."""
        with contextlib.suppress(OSError):  # whoever has the job now may have removed its directory
            self._stop_flag.touch()
        for future in self._futures:
            future.cancel()
        until = time.monotonic() + _STOP_S
        wait(self._futures, max(0.0, until - time.monotonic()))

    def close(self) -> None:
        """Forget the parts."""
        self._futures.clear()
