"""Ranks of an MPI run with the programs of this machine.

`launch` starts them in a session of their own, which outlives whoever started it; `attach`
finds them again. What they say, how they were started and how they ended stays in files of
the plan's staging directory.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dmod.errors import EngineError, RunError
from dmod.execution import session
from dmod.execution.mpi_plan import MpiPlan
from dmod.execution.observation import Observation, Usage
from dmod.execution.rank_log import RankLog
from dmod.execution.stall import STALL_S, Stall

__all__ = ["First", "HostRun", "attach", "clear", "launch"]

#: Files of the staging directory: all that was said, who was started, and how it ended.
_SAID, _STARTED, _EXIT = "mpirun.out", "started", "exit"
#: The shell that starts the ranks says who it is, holds each process to its memory, and keeps the exit code. It
#: lets go of whoever started it, so that nobody need be there when it ends.
_SHELL = r"""
place=$1 limit=$2 plan=$3
shift 3
say() { echo "$5 $1 ${21} $plan" > "$place/started.tmp" && mv "$place/started.tmp" "$place/started"; }
(
read -r stat < /proc/self/stat
say "${stat%% *}" ${stat##*) }
if [ "$limit" -gt 0 ] && (ulimit -d "$limit") 2> /dev/null; then ulimit -d "$limit"; fi
"$@"
code=$?
echo "$code" > "$place/exit.tmp" && mv "$place/exit.tmp" "$place/exit"
) &
"""
_GRACE_S, _STOP_S, _START_S = 4.0, 10.0, 20.0
_POLL_S, _LOOK_EVERY_S = 0.05, 1.0
#: Lines taken at once are no longer than this [bytes].
_READ_BYTES = 2**20
#: What programs that others wrote need not know.
_SECRET = re.compile(r"AWS_|DMOD_(LEDGER|STORE|S3)|.*(SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|API_?KEY)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class First:
    """The first process of a run."""

    #: Id of the session that all its processes belong to.
    session: int
    #: Its own id, and when it started [ticks since boot], which tells it from a later one of the same id.
    pid: int
    start: int

    def is_alive(self) -> bool:
        """Whether it is there still."""
        return session.start_of(self.pid) == self.start

    def end_session(self) -> None:
        """End whatever is left of the run, unless its number has gone to somebody else since."""
        if session.start_of(self.pid) in (None, self.start):
            session.end(self.session, grace_s=_GRACE_S, limit_s=_STOP_S)


class HostRun:
    """Ranks under way on this machine; what can be asked is `dmod.execution.observation.Run`.

    Parameters
    ----------
    plan : MpiPlan
        What was started.
    first : First
        Its first process.
    resumed : bool
        Whether it was started by somebody else before.
    stall_s : float
        How long it may show no sign of life [s].
    """

    def __init__(self, plan: MpiPlan, first: First, *, resumed: bool, stall_s: float = STALL_S) -> None:
        self._plan = plan
        #: Its first process.
        self.first = first
        self._said = _Tail(plan.staging / _SAID)
        self._log = RankLog(plan, resumed=resumed)
        self._stall = Stall(stall_s, time.monotonic())
        self._looked_s, self._taken = 0.0, session.Taken(0.0, 0, 0)
        self._usage: tuple[Usage, ...] = ()
        self._failure: RunError | None = None

    def observe(self) -> Observation:
        """How far it is.

        Raises
        ------
        RunError
            If it failed, vanished, or makes no progress any more. No rank runs then.
        """
        if self._failure is not None:
            raise self._failure
        is_alive = self._is_alive()
        code = _exit_code(self._plan)  # asked after: a run that ended in between has left it by now
        self._read()
        ranks = self._plan.ranks
        if code == 0:
            self._finish_log()
            return Observation(self._plan.catchment_steps, ranks, ranks)
        if code is None and is_alive:
            self._look()
        if code is not None or not is_alive:
            self._end()
            self._finish_log()
            self._failure = self._vanished() if code is None else self._log.explain(code, out_of_memory=False)
        if self._failure is not None:
            raise self._failure
        return Observation(self._log.done, 0, ranks, usage=self._usage)

    def news(self) -> list[str]:
        """Lines since the last call; ``[rank 1]`` in front of those of a rank."""
        self._read()
        return self._log.news()

    def wait(self, seconds: float) -> None:
        """Wait for a line or the end, so long at most."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self._is_alive() and not self._said.has_more():
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """Have all ranks stop; return when none runs."""
        self._end()
        self._finish_log()
        clear(self._plan)

    def leave(self) -> None:
        """Look no longer; ranks go on, and `attach` finds them."""
        self._read()
        self._log.end()

    def close(self) -> None:
        """End what is left of it."""
        self._end()
        self.leave()

    def _is_alive(self) -> bool:
        """Whether what started the ranks is still there."""
        return self.first.is_alive()

    def _end(self) -> None:
        """End all processes."""
        self.first.end_session()

    def _read(self) -> None:
        """Take new lines."""
        for line in self._said.lines():
            self._stall.said(time.monotonic())
            self._log.hear(line)

    def _finish_log(self) -> None:
        """Take what was said without an end: no more will come."""
        self._read()
        if rest := self._said.rest():
            self._log.hear(rest)
        self._log.end()

    def _look(self) -> None:
        """See what ranks take, and whether they still do anything."""
        now_s = time.monotonic()
        if now_s - self._looked_s < _LOOK_EVERY_S:
            return
        taken = session.taken(self.first.session)
        passed_s = now_s - self._looked_s if self._looked_s else float("inf")
        cores = max(0.0, taken.cpu_s - self._taken.cpu_s) / passed_s
        if taken.written_bytes != self._taken.written_bytes:
            self._stall.said(now_s)
        self._stall.took(cores, now_s)
        self._looked_s, self._taken = now_s, taken
        self._usage = (Usage(self._plan.places[0].host, cores, taken.memory_bytes),)
        if self._stall.is_over(now_s):
            self.stop()  # how ranks end that were ended here is no news to those who start the plan again
            stalled = self._stall.failure(now_s)
            self._failure = RunError(stalled.headline, hint=stalled.hint, **stalled.facts, last=self._log.last)

    def _vanished(self) -> RunError:
        """The error of a run whose end nobody was left to tell of."""
        return RunError(
            "the run has vanished: whatever started its ranks was ended without a word",
            last=self._log.last or "nothing was said",
            hint="somebody killed it, or the machine was short of memory; run again",
        )


class _Tail:
    """The end of a file that grows, line by line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self._rest = b""

    def has_more(self) -> bool:
        """Whether there is more than was read."""
        with contextlib.suppress(OSError):
            return self._path.stat().st_size > self._position
        return False

    def lines(self) -> Iterator[str]:
        """Whole lines that are new."""
        while self.has_more():
            with self._path.open("rb") as file:
                file.seek(self._position)
                block = file.read(_READ_BYTES)
            self._position += len(block)
            *whole, self._rest = (self._rest + block).split(b"\n")
            if len(self._rest) > _READ_BYTES:
                whole, self._rest = [*whole, self._rest], b""
            for line in whole:
                yield line.decode(errors="replace").rstrip("\r")

    def rest(self) -> str:
        """What was said without an end."""
        rest, self._rest = self._rest, b""
        return rest.decode(errors="replace")


def launch(plan: MpiPlan, *, command: Sequence[str] | None = None, stall_s: float = STALL_S) -> HostRun:
    """Start a plan, or find it again where it was started before.

    Parameters
    ----------
    plan : MpiPlan
        What to start; its staging directory exists and may be written to.
    command : sequence of str, optional
        The line to start in place of the plan's own ``mpirun``, which then is started in the staging directory.
    stall_s : float
        How long it may give no sign of life [s].

    Returns
    -------
    HostRun
        Ranks under way.

    Raises
    ------
    EngineError
        If it cannot be started.
    """
    if (found := attach(plan, stall_s=stall_s)) is not None:
        return found
    clear(plan)
    words, workdir = (plan.mpirun(), plan.workdir) if command is None else (tuple(command), str(plan.staging))
    try:
        plan.staging.mkdir(parents=True, exist_ok=True)
        place = plan.places[0]
        limit = (place.memory_bytes or 0) // place.ranks // 1024
        with (plan.staging / _SAID).open("wb") as out:
            process = subprocess.run(
                ("sh", "-c", _SHELL, "sh", str(plan.staging), str(limit), plan.fingerprint, *words),
                cwd=workdir, env=_environment(plan), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True, check=False,
            )  # fmt: skip
    except OSError as problem:
        raise EngineError(
            "the ranks cannot be started", directory=workdir, reason=problem.strerror or problem,
            hint="check that the run directory is there, and that the staging directory may be written to",
        ) from problem  # fmt: skip
    until = time.monotonic() + _START_S
    while (first := _started(plan)) is None:
        if process.returncode != 0 or time.monotonic() > until:
            said = (plan.staging / _SAID).read_text(errors="replace").strip()
            raise EngineError("the ranks cannot be started", reason=said[-400:] or "the shell said nothing")
        time.sleep(0.01)
    return HostRun(plan, first, resumed=False, stall_s=stall_s)


def attach(plan: MpiPlan, *, stall_s: float = STALL_S) -> HostRun | None:
    """What was started of a plan by somebody who is gone.

    Parameters
    ----------
    plan : MpiPlan
        What may have been started.
    stall_s : float
        How long it may give no sign of life [s].

    Returns
    -------
    HostRun or None
        Ranks under way, or how they ended; None where nothing was started, or it ended without a trace.
    """
    first = _started(plan)
    if first is None or (not first.is_alive() and _exit_code(plan) is None):
        return None
    return HostRun(plan, first, resumed=True, stall_s=stall_s)


def clear(plan: MpiPlan) -> None:
    """End whatever is left of a plan, and forget that it was started; what it said stays."""
    if (first := _started(plan, whatever=True)) is not None:
        first.end_session()
    for name in (_STARTED, _EXIT):
        with contextlib.suppress(OSError):
            (plan.staging / name).unlink()


def _started(plan: MpiPlan, *, whatever: bool = False) -> First | None:
    """The first process, if this very plan was started, or any other in the same place."""
    try:
        *numbers, fingerprint = (plan.staging / _STARTED).read_text().split()
        first = First(*map(int, numbers))
    except (OSError, ValueError, TypeError):
        return None
    return first if whatever or fingerprint == plan.fingerprint else None


def _exit_code(plan: MpiPlan) -> int | None:
    """How it ended; None as long as it has not, or where nobody was left to say."""
    try:
        return int((plan.staging / _EXIT).read_text())
    except (OSError, ValueError):
        return None


def _environment(plan: MpiPlan) -> dict[str, str]:
    """What ranks are told: the environment here without secrets, and what the job needs."""
    here = {name: value for name, value in os.environ.items() if not _SECRET.match(name)}
    told = {name: value for name, value in plan.told_inside().items() if name != "HOME"}
    return {**here, **told, **plan.environment}
