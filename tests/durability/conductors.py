"""Processes that conduct jobs, for tests that kill them.

Run as a script, this imports everything once and then forks a process for each line of JSON
it reads: a `dmod serve`, or a session that runs a directory and waits. A process may be told
to hold still before or after a verb of the line: it touches a file, and goes on when
another one appears. The product knows nothing of that.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from dmod.conductor.conduct import Conduct
from dmod.conductor.conductor import Conductor
from dmod.engine.modules import warm
from dmod.execution import dask_run, threads
from dmod.gateway import serve
from dmod.session import Session
from dmod.settings import Settings

#: Python's names for what changes a directory.
_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink", "os.utime"}


def main() -> None:
    """Fork a process for each line of standard input, and answer with its number."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        told = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(told)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()


def _become(told: dict[str, Any]) -> None:
    """Do what is told, and end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nothing, said = os.open(os.devnull, os.O_RDONLY), os.open(told["log"], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for number, place in ((0, nothing), (1, said), (2, said)):
        os.dup2(place, number)
    logging.basicConfig(level=logging.INFO)
    code = 1
    try:
        hold = Hold(Path(told["held"]), Path(told["go"]))
        if told["hold"] == "parts":
            hold.after_parts(told["parts"])
        elif told["hold"] == "killed":
            die_at_change(told["change"], told["folder"])
        elif told["hold"]:
            hold.at(*told["hold"].split())
        settings = Settings(home=Path(told["home"]), owner=told["owner"], cores=told["cores"])
        made = partial(Conductor, ttl_s=told["ttl_s"])
        if told["run"] is None:
            serve.Conductor = made  # type: ignore[assignment,misc]
            serve.serve_until_stopped(settings)
        else:
            session = Session(settings)
            session.service._conductor = made(session.service.ledger, settings=settings)
            session.run(told["run"], **told["options"]).wait()
        code = 0
    finally:
        sys.stdout.flush()
        os._exit(code)


class Hold:
    """Has this process hold still at some moment."""

    def __init__(self, held: Path, go: Path) -> None:
        self._held, self._go = held, go

    def still(self) -> None:
        """Say that it holds still, and wait."""
        self._held.touch()
        while not self._go.exists():
            time.sleep(0.01)

    def at(self, moment: str, verb: str) -> None:
        """Hold still before or after a verb."""
        act: Callable[[Conduct], str] = getattr(Conduct, f"_{verb}")

        def held(conduct: Conduct) -> str:
            if moment == "before":
                self.still()
            said = act(conduct)
            if moment == "after":
                self.still()
            return said

        setattr(Conduct, f"_{verb}", held)

    def after_parts(self, count: int) -> None:
        """Hold the conductor still as soon as some parts are done; workers of its own go on."""
        for kind in (dask_run.DaskRun, threads.ThreadRun):
            observe = kind.observe

            def held(run: Any, observe: Callable[[Any], Any] = observe) -> Any:
                seen = observe(run)
                if seen.finished >= count:
                    self.still()
                return seen

            kind.observe = held  # type: ignore[method-assign]


def die_at_change(number: int, folder: str) -> None:
    """Kill this process when it is about to change something in a folder for the n-th time."""
    count = itertools.count(1)
    writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT

    def hear(event: str, told: tuple[Any, ...]) -> None:
        opened = event == "open" and isinstance(told[2], int) and told[2] & writes
        # What is removed in a tree that goes is named without its folder.
        if (opened or event in _CHANGES) and isinstance(told[0], (str, os.PathLike)):
            path = os.fspath(told[0])
            if (path.startswith(folder) or "/" not in path) and next(count) == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hear)


if __name__ == "__main__":
    warm.warm()
    main()
