"""What the lines of an MPI run tell: how far its ranks are, and why one ended.

`LogReader` is fed the lines that ngen and MPI print; `explain_exit` makes an error of an exit
code and what was read. Pure: where lines come from is not known here.
"""

from __future__ import annotations

import re
import signal
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from dmod.errors import RunError

__all__ = ["LogReader", "Phase", "explain_exit", "rank_of"]

#: What a run is at.
Phase = Literal["starting", "running", "routing", "finished"]

#: So many of the last lines are kept for an error, each cut to so many characters.
_LAST, _WIDE = 12, 400
#: A rank in front of a line, as MPICH (``mpirun -l``) and Open MPI (``--tag-output``) write it.
_TAG = re.compile(r"\[(?:[^\],\s]*,)?(\d+)\](?:<std(?:out|err)>:)? ?")
_LAYER = re.compile(r"Updating layer: (.*?) at output step (\d+)")
_STEP = re.compile(r"Running timestep (\d+)")
_FINISHED = re.compile(r"Finished (\d+) timesteps\.")
_BEGUN, _ROUTED, _OVER = "Running Models", "Using Routing", "NGen top-level timings:"
#: What C++ says of an exception that nobody caught.
_UNCAUGHT = ("terminate called", "what():")
#: MPICH's mpirun ends with the numbers of signals, laid over each other, after a line like this.
_LAID_OVER = "APPLICATION TERMINATED WITH THE EXIT STRING"


@dataclass(frozen=True, slots=True)
class _Sign:
    """A line that tells what went wrong."""

    #: What such a line holds in small letters: looked for first, since most lines hold none.
    word: str
    #: The line; its first group goes into `text` where there is ``{}``.
    line: re.Pattern[str]
    #: What it means, in plain words.
    text: str
    #: What to do about it.
    hint: str = ""


def _sign(word: str, line: str, text: str, hint: str = "") -> _Sign:
    return _Sign(word, re.compile(line), text, hint)


_NO_PROGRAM = ("the program {} cannot be started", "check that the image has it")
_SHORT = ("the memory did not suffice", "ask for more memory, or for fewer ranks on a host")
#: The most telling first: a reason gives way to one further up.
_SIGNS = (
    _sign("what():", r"what\(\):\s+map::at\b", "map::at: a name in the realization is not known to this ngen",
          "check the names of formulations (bmi_c, bmi_c++, bmi_fortran, bmi_python, bmi_multi)"),
    _sign("what():", r"what\(\):\s+(.*(?:unreadable shared library|Cannot load shared lib symbol).*)", "{}",
          "name a library that the image has under /dmod/shared_libs"),
    _sign("what():", r"what\(\):\s+std::bad_alloc", *_SHORT),
    _sign("what():", r"what\(\):\s+(.*\S)", "{}"),
    _sign("missing req", r"Missing required argument for partition file",
          "several ranks were started without a partition file", "give it as the sixth argument"),
    _sign("missing req", r"Missing required args:", "the program was started with too few arguments"),
    _sign("unexpected arg", r"(Unexpected arg '.*?')", "{}"),
    _sign("shared libraries", r"error while loading shared libraries: (\S+?):",
          "the shared library {} is missing, so the program cannot start", "install it in the image"),
    _sign("shared object", r"(\S+): cannot open shared object file", "the shared library {} is missing",
          "install it in the image"),
    _sign("not readable", r"([\w ]+ (?:path|file) .*not readable.*)", "{}",
          "check that it is there and may be read by the user inside"),
    _sign("exec format error", r"(?i)exec format error", "the program is made for another kind of processor",
          "use an image of this machine's architecture"),
    _sign("error: ", r"((?:\w+\.)*(?:ModuleNotFoundError|ImportError): .*)", "{}", "install it in the image's Python"),
    _sign("error: ", r"((?:\w+\.)*\w*Error: \S.*)", "{}"),
    _sign("memory", r"(?i)out of memory|cannot allocate memory", *_SHORT),
    _sign("bad_alloc", r"std::bad_alloc", *_SHORT),
    _sign("enough slots", r"not enough slots", "MPI has fewer slots than ranks", "ask for fewer ranks"),
    _sign("as root", r"(?i)mpirun as root|attempt to run as root", "MPI refuses to run as root"),
    _sign("execvp", r"execvp error on file (\S*)", *_NO_PROGRAM),
    _sign("executable", r"unable to find the specified executable file|could not access or execute", *_NO_PROGRAM),
    _sign("fatal error in", r"(Fatal error in .*)", "{}"),
    _sign("mpi_abort", r"(?:MPI_ABORT was invoked on|application called MPI_Abort)\W*(.*)", "MPI was aborted: {}"),
    _sign("terminate called", r"terminate called after throwing an instance of '(.*?)'",
          "an exception of kind {} was not caught"),
    _sign("lost", r"lost communication with|ORTE has lost", "a rank or its host was lost"),
    _sign("!closed", r"assert \(!closed\) failed", "a rank or its host was lost"),
    _sign("segmentation fault", r"(?i)segmentation fault",
          "a rank touched memory that is not its own (segmentation fault)"),
    _sign("kill", r"\bKilled\b|\bKILLED BY SIGNAL: 9\b", "a rank was killed (signal 9)",
          "this is what too little memory looks like: ask for more, or for fewer ranks on a host"),
)  # fmt: skip

#: What MPICH's mpirun makes of an abort (6) when it kills the other ranks (9).
_ABORT_AND_KILL = 6 | 9
#: All that MPICH's mpirun tells when it kills the other ranks before it has read how the first one ended.
_ENDED_OR_KILLED = (
    "a rank ended or was killed, and mpirun killed the others (signal 9)",
    "look at the last lines; if they give no reason, it was most often memory: ask for more, or for fewer ranks",
)
#: Exit codes that say something by themselves: what, and what to do.
_CODES = {
    125: ("the container could not be started", "look at the last lines"),
    126: ("the program may not be executed, or is made for another kind of processor", "check the image"),
    127: ("the program was not found", "the image or this machine needs /dmod/bin/ngen-parallel and mpirun"),
    255: ("the program refused its arguments or could not read a file", "look at the last lines"),
}
_SIGNALS: dict[int, tuple[str, str]] = {
    signal.SIGABRT: ("the model stopped with an exception", "look at the last lines; outputs so far are kept"),
    signal.SIGSEGV: ("the model crashed (segmentation fault)", "try fewer ranks, or report it to the model's makers"),
    signal.SIGBUS: ("the model crashed (bus error)", "/dev/shm or the disk may be full"),
    signal.SIGILL: ("the program is made for another kind of processor", "use an image of this architecture"),
    signal.SIGFPE: ("the model crashed (arithmetic error)", "look at the last lines"),
    signal.SIGKILL: ("the run was killed (signal 9)", "most often for memory: ask for more, or for fewer ranks"),
    signal.SIGTERM: ("the run was told to end (signal 15)", "somebody stopped it, or the machine went down; run again"),
    signal.SIGINT: ("the run was interrupted", "run again"),
}


class LogReader:
    """Reads lines of ngen as they come; progress never goes back.

    Parameters
    ----------
    catchments : sequence of int
        How many catchments each rank has.
    steps : int
        How many steps each of them runs.

    Examples
    --------
    >>> reader = LogReader([2, 3], 200)
    >>> reader.feed(0, "Updating layer: 'surface layer' at output step 100")
    >>> reader.done
    200
    >>> reader.feed(1, "Finished 200 timesteps.")
    >>> reader.done, reader.phase
    (800, 'running')
    """

    def __init__(self, catchments: Sequence[int], steps: int) -> None:
        self._catchments, self._steps = tuple(catchments), steps
        self._least_first = sorted(self._catchments)
        #: Steps that each rank is known to have done.
        self._own = [0] * len(self._catchments)
        #: Of lines without a rank: how many ranks said it, by kind of line and step.
        self._said: Counter[tuple[str, int]] = Counter()
        self._finished: Counter[int | None] = Counter()
        self._over: Counter[int | None] = Counter()
        self._begun = self._routes = self._uncaught = self._laid_over = False
        self._last: deque[str] = deque(maxlen=_LAST)
        self._sign: tuple[int, str, str] | None = None
        self._done = 0

    def feed(self, rank: int | None, line: str) -> None:
        """Take one line.

        Parameters
        ----------
        rank : int or None
            Who said it; None where that is not known and the line itself does not tell.
        line : str
            What was said, with or without its end.
        """
        if rank is None:
            rank, line = rank_of(line)
        if rank is None and len(self._own) == 1:
            rank = 0
        if rank is not None and rank >= len(self._own):
            rank = None
        line = line.strip()
        if not line:
            return
        self._last.append((f"rank {rank}: " if rank is not None and len(self._own) > 1 else "") + line[:_WIDE])
        self._look_for_trouble(line)
        self._uncaught = self._uncaught or line.startswith(_UNCAUGHT)
        self._laid_over = self._laid_over or _LAID_OVER in line
        if line.startswith(_BEGUN):
            self._begun = True
        elif line == _ROUTED:
            self._routes = True
        elif line.startswith(_OVER):
            self._over[rank] += 1
        elif found := _FINISHED.match(line):
            self._finished[rank] += 1
            self._reached(rank, "finished", self._steps if int(found[1]) >= self._steps else int(found[1]))
        elif found := _LAYER.match(line):
            self._reached(rank, found[1], int(found[2]))
        elif found := _STEP.match(line):
            self._reached(rank, "", int(found[1]))

    @property
    def done(self) -> int:
        """Catchment-steps done for sure."""
        own = sum(count * steps for count, steps in zip(self._catchments, self._own, strict=True))
        self._done = max(self._done, own, self._of_nobody())
        return self._done

    @property
    def last(self) -> tuple[str, ...]:
        """The last lines, oldest first."""
        return tuple(self._last)

    @property
    def reason(self) -> str:
        """What went wrong, in plain words, as far as a line told; empty if none did."""
        return self._sign[1] if self._sign else ""

    @property
    def hint(self) -> str:
        """What to do about `reason`; empty if that is not known."""
        return self._sign[2] if self._sign else ""

    def shell_code(self, code: int) -> int:
        """An exit code as a shell has it: 128 and more for a signal, whoever started the ranks."""
        if code < 0:
            return 128 - code
        if self._uncaught:
            return 128 + signal.SIGABRT
        if self._laid_over and 0 < code < 32:
            return 128 + (signal.SIGABRT if code == _ABORT_AND_KILL else code)
        return code

    @property
    def is_laid_over(self) -> bool:
        """Whether an mpirun ended that tells the signals of all its ranks as one."""
        return self._laid_over

    @property
    def phase(self) -> Phase:
        """What the run is at; that of the slowest rank."""
        if self._all(self._finished):
            return "routing" if self._routes and not self._over else "finished"
        return "running" if self._begun or self._finished or self._said or any(self._own) else "starting"

    def _all(self, said: Counter[int | None]) -> bool:
        """Whether every rank has said something, known by name or not."""
        named = sum(1 for rank in said if rank is not None)
        return named + said[None] >= len(self._own)

    def _reached(self, rank: int | None, kind: str, step: int) -> None:
        """A rank begins *step*, so as many are behind it."""
        self._begun = True
        step = min(step, self._steps)
        if rank is None:
            self._said[kind, step] += 1
        else:
            self._own[rank] = max(self._own[rank], step)

    def _of_nobody(self) -> int:
        """What lines without a rank prove: however many ranks said a step, they may be the smallest ones."""
        ranks = len(self._own)
        total = before = 0
        for step in sorted({step for _, step in self._said}):
            heard = max(count for (_, at), count in self._said.items() if at >= step)
            total += (step - before) * sum(self._least_first[: min(heard, ranks)])
            before = step
        return total

    def _look_for_trouble(self, line: str) -> None:
        """Keep the most telling line, the first of its kind."""
        small = line.lower()
        for place, sign in enumerate(_SIGNS):
            if self._sign is not None and place >= self._sign[0]:
                return
            if sign.word in small and (found := sign.line.search(line)):
                told = found[1].strip() if found.groups() and found[1] else ""
                self._sign = (place, sign.text.format(told), sign.hint)
                return


def rank_of(line: str) -> tuple[int | None, str]:
    """The rank in front of a line and the rest of it; None where there is none.

    >>> rank_of("[1] Running Models")
    (1, 'Running Models')
    >>> rank_of("[1,0]<stdout>:Running Models")
    (0, 'Running Models')
    """
    found = _TAG.match(line)
    return (int(found[1]), line[found.end() :]) if found else (None, line)


def explain_exit(code: int, reader: LogReader, *, out_of_memory: bool = False) -> RunError:
    """An error for a run that ended as it should not.

    Parameters
    ----------
    code : int
        Exit code, as a shell has it (128 and more for a signal) or as Python has it (negative).
    reader : LogReader
        What its lines told.
    out_of_memory : bool
        Whether the system says that it was ended for want of memory.

    Returns
    -------
    RunError
        With ``exit``, ``reason`` and ``last`` among its facts, where these are known.
    """
    code = reader.shell_code(code)
    headline, hint = _meaning(code)
    if code == 128 + signal.SIGKILL and reader.is_laid_over:
        headline, hint = _ENDED_OR_KILLED
    reason = reader.reason
    if out_of_memory:
        headline, hint = "the run needs more memory than it was given", "ask for more memory, or for fewer ranks"
    else:
        hint = reader.hint or hint
    facts: dict[str, object] = {"exit": code}
    if reason:
        facts["reason"] = reason
    if reader.last:
        facts["last"] = "\n          ".join(reader.last)
    return RunError(headline, hint=hint, **facts)


def _meaning(code: int) -> tuple[str, str]:
    """What an exit code says by itself, and what to do."""
    if code == 0:
        return "the model ended before its last step, without saying why", "look at its log"
    if code in _CODES:
        return _CODES[code]
    return _SIGNALS.get(code - 128) or (f"the model ended with exit code {code}", "look at the last lines")
