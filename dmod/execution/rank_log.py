"""What the ranks of a run say: kept in files, told once, and read for progress.

The files are lists of what was told already. Who takes a run up again hears its lines from the
first on, and tells only those that are not in the files yet.
"""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path
from typing import IO, TYPE_CHECKING

from dmod.errors import RunError
from dmod.execution.mpi_log import LogReader, explain_exit
from dmod.execution.rank_lines import RankLines

if TYPE_CHECKING:
    from dmod.execution.mpi_plan import MpiPlan

__all__ = ["RankLog"]

#: So many lines wait to be told at most; older ones are in the files only.
_WAITING = 5000
#: What mpirun says to whoever starts its helpers on other hosts, and to nobody else.
_RELAYED = ("HYDRA_LAUNCH", "AGENT_LAUNCH")


class RankLog:
    """The lines of a run.

    Parameters
    ----------
    plan : MpiPlan
        What runs; files go to ``logs`` in its staging directory: ``mpirun.log`` has all that ranks and
        mpirun said, ``rank-N.log`` what one rank said, ``host-N.log`` what else was said on a host.
    resumed : bool
        Whether the run was begun before: files are gone on with, and what is in them is not told again.
    """

    def __init__(self, plan: MpiPlan, *, resumed: bool) -> None:
        self._folder = plan.staging / "logs"
        self._folder.mkdir(parents=True, exist_ok=True)
        if not resumed:
            for pattern in ("mpirun.log", "rank-*.log", "host-*.log"):
                for old in self._folder.glob(pattern):
                    old.unlink()
        self._lines = RankLines(plan.ranks)
        self._reader = LogReader(plan.catchments, plan.steps)
        self._lock = threading.Lock()
        self._files: dict[str, IO[str]] = {}
        #: Lines of each file that were told before; how many were heard this time.
        self._before: dict[str, int] = {}
        self._heard: dict[str, int] = {}
        self._waiting: deque[str] = deque()
        self._left_out = 0
        self._has_ended = False

    def hear(self, line: str) -> None:
        """Take a line of mpirun."""
        with self._lock:
            if self._has_ended or line.startswith(_RELAYED):
                return
            is_new = self._keep("mpirun", line)
            for rank, text in self._lines.feed(line):
                self._take(rank, text, is_new=is_new)

    def hear_host(self, number: int, line: str) -> None:
        """Take a line of the container on a host that is not mpirun's."""
        with self._lock:
            if self._has_ended:
                return
            is_new = self._keep(f"host-{number}", line)
            self._reader.feed(None, line)
            if is_new:
                self._tell(f"[host {number}] {line}")

    def end(self) -> None:
        """Nothing more comes: take what was left unended, and close the files."""
        with self._lock:
            self._has_ended = True
            for rank, text in self._lines.rest():
                self._take(rank, text, is_new=True)
            for file in self._files.values():
                file.close()
            self._files.clear()

    def news(self) -> list[str]:
        """Lines since the last call, ``[rank 1] …``."""
        with self._lock:
            lines = list(self._waiting)
            if self._left_out:
                lines.insert(0, f"({self._left_out:,} lines are left out here; they are in {self._folder})")
            self._waiting.clear()
            self._left_out = 0
            return lines

    @property
    def done(self) -> int:
        """Catchment-steps done."""
        with self._lock:
            return self._reader.done

    def explain(self, code: int, *, out_of_memory: bool) -> RunError:
        """An error for a run that ended with an exit code."""
        with self._lock:
            return explain_exit(code, self._reader, out_of_memory=out_of_memory)

    @property
    def last(self) -> str:
        """The last lines, one below the other."""
        with self._lock:
            return "\n".join(self._reader.last)

    def _take(self, rank: int | None, text: str, *, is_new: bool) -> None:
        """A whole line of a rank, or of mpirun itself."""
        self._reader.feed(rank, text)
        if not is_new:
            return
        if rank is not None:
            self._file(f"rank-{rank}").write(text + "\n")
        self._tell(text if rank is None else f"[rank {rank}] {text}")

    def _tell(self, line: str) -> None:
        """Have a line waiting."""
        self._waiting.append(line)
        if len(self._waiting) > _WAITING:
            self._waiting.popleft()
            self._left_out += 1

    def _keep(self, name: str, line: str) -> bool:
        """Write a line to its file, unless it is there already; whether it is new."""
        if name not in self._before:
            path = self._path(name)
            self._before[name] = path.read_bytes().count(b"\n") if path.exists() else 0
            self._heard[name] = 0
        self._heard[name] += 1
        if self._heard[name] <= self._before[name]:
            return False
        self._file(name).write(line + "\n")
        return True

    def _file(self, name: str) -> IO[str]:
        """An open file, each line of which is on the disk when it is written."""
        if name not in self._files:
            self._files[name] = self._path(name).open("a", encoding="utf-8", buffering=1)
        return self._files[name]

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.log"
