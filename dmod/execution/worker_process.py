"""One Dask worker in a process of its own, for a cluster on this machine.

Started as a fresh Python, not by multiprocessing: a script that calls dmod needs no
``if __name__ == "__main__"``, since nobody imports it again. It is in a session of its
own, so Ctrl-C in a terminal reaches the one who waits and not the workers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from typing import Any

from distributed.deploy.spec import ProcessInterface

from dmod.execution.lifeline import MEMORY_LIMIT

__all__ = ["WorkerProcess"]

#: What a worker imports while it starts, so that its first task need not.
_PRELOAD = ("dmod.execution.lifeline", "dmod.engine.modules.warm")
#: Quiet, and with an allocator that keeps the memory of one block for the next: handing it back
#: and taking it again would cost a sixth of a run.
_ENVIRONMENT = {
    "DASK_LOGGING__DISTRIBUTED": "critical",
    "MALLOC_MMAP_THRESHOLD_": str(256 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(256 * 2**20),
}
#: How long a worker looks for its scheduler before it ends: whoever started it may be gone.
_LONELY_S = 15
#: How often a worker that dies is replaced before it is given up.
_RESTARTS = 10


class WorkerProcess(ProcessInterface):
    """One worker process with one thread.

    Parameters
    ----------
    scheduler : str
        Address of the scheduler.
    name : str or int
        The worker's name, the cluster's key for it.
    memory_bytes : int, optional
        What it may take [bytes]; asking for more then fails inside it.
    """

    def __init__(self, scheduler: str, name: str | int | None = None, memory_bytes: int | None = None) -> None:
        self._scheduler, self._name = scheduler, name
        self._limit = {} if memory_bytes is None else {MEMORY_LIMIT: str(memory_bytes)}
        self._process: asyncio.subprocess.Process | None = None
        self._guard: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._is_closing = False
        super().__init__(scheduler=scheduler, name=name)

    async def start(self) -> None:
        """Start the process; it reports to the scheduler when it is ready."""
        self._process = await self._spawn()
        self._guard = asyncio.create_task(self._keep_alive())
        await super().start()

    async def _spawn(self) -> asyncio.subprocess.Process:
        """A fresh process."""
        options: dict[str, Any] = {
            "nthreads": 1,
            "name": self._name,
            "host": "127.0.0.1",
            "dashboard": False,
            "memory_limit": 0,
            "preload": list(_PRELOAD),
            "death_timeout": _LONELY_S,
        }
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "distributed.cli.dask_spec", self._scheduler),
            *("--spec", json.dumps({"cls": "distributed.Worker", "opts": options})),
            stdin=asyncio.subprocess.PIPE,  # never written to; its end tells that this process is gone
            stdout=asyncio.subprocess.DEVNULL,
            env={**os.environ, **_ENVIRONMENT, **self._limit},
            start_new_session=True,
        )

    async def _keep_alive(self) -> None:
        """Put a new process in the place of one that died; the scheduler gives it the tasks again."""
        for _ in range(_RESTARTS):
            if self._process is None:
                return
            await self._process.wait()
            async with self._starting:
                if self._is_closing:
                    return
                self._process = await self._spawn()

    async def close(self) -> None:
        """End the process.

        The scheduler sends workers away before it closes, so one may be being replaced just
        now: that is waited for, since a process nobody holds could not be ended.
        """
        self._is_closing = True
        async with self._starting:
            if self._process is not None and self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
        if self._process is not None:
            await self._process.wait()
        if self._guard is not None:
            await asyncio.gather(self._guard, return_exceptions=True)
        self._process = None
        await super().close()
