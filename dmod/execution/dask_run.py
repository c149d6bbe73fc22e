"""Parts of a run as tasks on a Dask cluster.

`launch` submits them, `DaskRun.observe` says how far they are, `DaskRun.stop` stops them.
A task may run twice, since it writes the same bytes to the same places: when a worker
dies, Dask starts it again elsewhere.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmod.engine.part_run import Part, PartReport, run_part
from dmod.errors import DmodError, RunError
from dmod.execution.failure import as_task_failure, out_of_memory
from dmod.execution.observation import Observation
from dmod.execution.resume import Resume
from dmod.execution.threads import ThreadRun, Threads

if TYPE_CHECKING:
    from distributed import Client, Future, Worker

__all__ = ["DaskRun", "launch"]

_TELL_EVERY_S = 0.25
_LOOK_EVERY_S, _ABANDONED_S = 2.0, 60.0


class DaskRun:
    """Tasks under way.

    Parameters
    ----------
    client : Client
        Where they are.
    futures : sequence of Future
        One per part.
    topic : str
        Where tasks tell their progress.
    stop_flag : Path
        The file that tells them to stop.
    already : sequence of PartReport
        Parts that were done before.
    """

    def __init__(
        self,
        client: Client,
        futures: Sequence[Future[Any]],
        topic: str,
        stop_flag: Path,
        already: Sequence[PartReport] = (),
    ) -> None:
        self._client, self._futures, self._topic, self._stop_flag = client, list(futures), topic, stop_flag
        self._already = tuple(already)
        self._done: dict[int, int] = {report.index: report.catchment_steps for report in already}
        self._lock = threading.Lock()
        self._looked = self._alive = time.monotonic()
        client.subscribe_topic(topic, self._hear)

    def _hear(self, event: Any) -> None:
        """One message of a task: (part, catchment-steps done)."""
        index, done = event[1] if isinstance(event, (tuple, list)) and len(event) == 2 else (None, 0)
        if index is not None:
            with self._lock:
                self._done[int(index)] = int(done)

    def observe(self) -> Observation:
        """How far it is.

        Raises
        ------
        DmodError
            If a task failed; what it raised where that is ours.
        """
        states = [future.status for future in self._futures]
        for future, state in zip(self._futures, states, strict=True):
            if state == "error":
                raise _translated(future.exception())
            if state == "cancelled":
                raise RunError("a task was lost", state=state, hint="the cluster was closed or restarted; run again")
            # ``lost`` is a result that died with its worker: the scheduler has the task done again.
        self._look_for_workers()
        before = len(self._already)
        finished, tasks = states.count("finished") + before, len(states) + before
        with self._lock:
            done = sum(self._done.values())
        if finished < tasks:
            return Observation(done, finished, tasks)
        reports = sorted([*self._already, *self._client.gather(self._futures)], key=lambda report: report.index)
        return Observation(sum(r.catchment_steps for r in reports), finished, tasks, tuple(reports))

    def _look_for_workers(self) -> None:
        """Fail where there has been no worker for long: nothing would ever happen."""
        now = time.monotonic()
        if now - self._looked < _LOOK_EVERY_S:
            return
        self._looked = now
        if self._client.nthreads():
            self._alive = now
        elif now - self._alive > _ABANDONED_S:
            raise RunError(
                "all workers are gone", waited=f"{_ABANDONED_S:.0f} s", hint="start workers again, then run again"
            )

    def stop(self) -> None:
        """Have all tasks stop, those under way at their next block; return when none runs."""
        with contextlib.suppress(OSError):  # whoever has the job now may have removed its directory
            self._stop_flag.touch()
        keys = frozenset(future.key for future in self._futures)
        self._client.cancel(self._futures)
        until = time.monotonic() + 10
        # The scheduler forgets a cancelled task at once while its worker is still busy with it, so ask them.
        while time.monotonic() < until and any(self._client.run(_busy, keys).values()):
            time.sleep(0.05)

    def wait(self, seconds: float) -> None:
        """Wait for something to happen, so long at most."""
        time.sleep(seconds)

    def news(self) -> list[str]:
        """Nothing: tasks say what they have to say in the cluster's own logs."""
        return []

    def leave(self) -> None:
        """Stop: tasks that nobody waits for end with the cluster, and their marks are found again."""
        self.stop()

    def close(self) -> None:
        """Forget the tasks."""
        self._client.unsubscribe_topic(self._topic)
        for future in self._futures:
            future.release()
        self._futures.clear()


def launch(
    client: Client | Threads, parts: Sequence[Part], *, name: str, stop_flag: Path, resume: Resume
) -> DaskRun | ThreadRun:
    """Submit the parts of a run.

    Parameters
    ----------
    client : Client or Threads
        Where to: a cluster, or threads of this process.
    parts : sequence of Part
        What to run.
    name : str
        Name of the job, unique on the cluster.
    stop_flag : Path
        The file that tells tasks to stop; every worker must see its directory.
    resume : Resume
        Where parts leave their marks; those that have are not run again.

    Returns
    -------
    DaskRun or ThreadRun
        The tasks, under way.
    """
    if isinstance(client, Threads):
        return client.launch(parts, stop_flag=stop_flag, resume=resume)
    topic = f"dmod-progress-{name}"
    already, marks = resume.done(), resume.folder
    futures = [
        client.submit(_task, part, topic, marks, key=f"dmod-{name}-{part.index}", pure=False)
        for part in parts
        if part.index not in already
    ]
    return DaskRun(client, futures, topic, stop_flag, list(already.values()))


def _task(part: Part, topic: str, marks: Path) -> PartReport:
    """One part, on a worker, telling its progress a few times a second."""
    from distributed import get_worker

    worker = get_worker()
    told = [0.0]

    def tell(index: int, done: int) -> None:
        now = time.monotonic()
        if now - told[0] >= _TELL_EVERY_S or done == len(part.ids) * part.steps:
            told[0] = now
            worker.log_event(topic, (index, done))

    try:
        report = run_part(part, tell)
    except MemoryError as problem:
        raise out_of_memory(part) from problem
    Resume.mark(marks, report)
    return report


def _busy(keys: frozenset[str], dask_worker: Worker) -> bool:
    """Whether a worker still runs one of these tasks; Dask fills in the worker."""
    return any(task.key in keys for task in dask_worker.state.executing)


def _translated(problem: BaseException | None) -> DmodError:
    """What a task raised, as an error of ours."""
    from distributed import KilledWorker

    if isinstance(problem, KilledWorker):
        return RunError(
            "workers died again and again on the same task",
            task=problem.task,
            hint="they may lack memory: give fewer --workers, or look at the machine's log",
        )
    return as_task_failure(problem)
