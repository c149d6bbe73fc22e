"""A place to make outputs in, which becomes the real one in one rename.

Outputs are made in ``<target>.partial`` beside the target. What is half-made never bears
the target's name; what was there before stays until the new is whole.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from dmod.errors import OutputError, RunError

__all__ = ["Staging", "check_target", "open_staging"]

_OWNER = "PARTIAL"
_DISCARD_S = 5
#: Staging directories that runs of this process are writing to, who writes, and who may look at them.
_open: dict[Path, Staging] = {}
_turn = threading.Lock()


class Staging:
    """A staging directory.

    Parameters
    ----------
    target : Path
        What it becomes.
    job : str
        The job that makes it; what an earlier conductor of the same job left is taken up.
    """

    def __init__(self, target: Path, job: str = "") -> None:
        self.target = target
        self.job = job
        #: Where things are made.
        self.path = target.with_name(target.name + ".partial")

    @property
    def _old(self) -> Path:
        """Where earlier outputs are for the moment in which the new ones take their name."""
        return self.target.with_name(self.target.name + ".replaced")

    def release(self) -> None:
        """Say that nobody writes here any more; what is there stays, marked as partial."""
        with _turn:
            if _open.get(self.path.resolve()) is not self:
                return  # the same job is at it again
            del _open[self.path.resolve()]
            with contextlib.suppress(OSError):
                if (self.path / _OWNER).read_text().startswith(_writer()):
                    _mark(self.path, "nobody", self.job)

    def publish(self) -> None:
        """Give it the target's name; what was there is replaced.

        Whoever dies in the middle of it leaves something that `settle` or another run of the same job
        puts right.
        """
        if self.target.exists():
            shutil.rmtree(self._old, ignore_errors=True)
            self.target.replace(self._old)
        self.path.replace(self.target)
        self.settle()
        self.release()

    def settle(self) -> None:
        """Clear up after outputs have taken their name."""
        (self.target / _OWNER).unlink(missing_ok=True)
        shutil.rmtree(self._old, ignore_errors=True)

    @property
    def is_ours(self) -> bool:
        """Whether something is there that this job made."""
        try:
            told = (self.path / _OWNER).read_text(errors="replace").partition("\n")[2]
        except OSError:
            return False
        return bool(self.job) and told.startswith(f"job {self.job}\n")

    def discard(self) -> None:
        """Remove it with all that is in it."""
        until = time.monotonic() + _DISCARD_S
        shutil.rmtree(self.path, ignore_errors=True)
        while self.path.exists() and time.monotonic() < until:
            time.sleep(0.05)  # threads of a library that gave up may still be writing
            shutil.rmtree(self.path, ignore_errors=True)
        self.release()


def open_staging(target: Path, *, overwrite: bool, ours: Sequence[str], job: str = "") -> Staging:
    """Make a staging directory for *target*.

    Parameters
    ----------
    target : Path
        Directory the outputs will have.
    overwrite : bool
        Whether earlier outputs may be replaced.
    ours : sequence of str
        Names of which one at least is in a directory we may replace.
    job : str
        Id of the job; what it left itself when it was stopped is kept, all else is cleared.

    Returns
    -------
    Staging
        Marked as partial; empty, but for what the same job left.

    Raises
    ------
    OutputError
        If the target is in use, not empty, not ours, or cannot be made.
    """
    staging = Staging(target, job)
    with _turn:
        if staging.is_ours and not target.exists() and staging._old.exists():
            staging._old.replace(target)  # it was cut off between taking the old away and putting the new there
        check_target(target, overwrite=overwrite, ours=ours)
        _make(staging)
        _open[staging.path.resolve()] = staging
    return staging


def _make(staging: Staging) -> None:
    """Make the directory and mark it; what an earlier run left goes."""
    _clear(staging)
    try:
        staging.path.mkdir(parents=True, exist_ok=True)
        _mark(staging.path, _writer(), staging.job)
    except OSError as problem:
        if problem.errno in (errno.ENOSPC, errno.EDQUOT):
            shutil.rmtree(staging.path, ignore_errors=True)
            raise RunError(
                "the disk has no room for the outputs",
                directory=staging.target,
                hint="free some, or choose another --output",
            ) from problem
        raise OutputError(
            "the output directory cannot be made",
            directory=staging.target,
            reason=problem.strerror,
            hint="choose another --output",
        ) from problem


def _writer() -> str:
    """How a mark names the process that writes."""
    return f"{socket.gethostname()} {os.getpid()}"


def _mark(partial: Path, writer: str, job: str) -> None:
    """Say who writes to a directory, and for which job."""
    beside = partial / f".{_OWNER}.{os.getpid()}"
    beside.write_text(f"{writer}\njob {job}\nA run writes here, or was stopped. Not complete; may be removed.\n")
    beside.replace(partial / _OWNER)


def check_target(target: Path, *, overwrite: bool, ours: Sequence[str]) -> None:
    """Refuse a target that must not be written to; see `open_staging`."""
    if not target.exists():
        return
    if not target.is_dir():
        raise OutputError("the output is a file, not a directory", path=target, hint="choose another --output")
    held = sorted(item.name for item in target.iterdir())
    if not held:
        return
    shown = ", ".join(held[:5]) + (", …" if len(held) > 5 else "")
    if not overwrite:
        raise OutputError(
            "the output directory is not empty",
            directory=target,
            has=shown,
            hint="choose another --output, or pass --overwrite to replace earlier outputs",
        )
    if not set(held) & set(ours):
        raise OutputError(
            "the output directory holds no earlier outputs of ours, so it is not replaced",
            directory=target,
            has=shown,
            hint="choose another --output",
        )


def _clear(staging: Staging) -> None:
    """Remove what an earlier run left, unless that run is still at it, or is the same job."""
    partial = staging.path
    if not partial.exists():
        return
    owner = partial / _OWNER
    begun = set(partial.glob(f".{_OWNER}.*"))  # marks of whoever was killed while it made them
    is_bare = partial.is_dir() and set(partial.iterdir()) == begun
    if is_bare or staging.is_ours:
        for mark in begun:
            mark.unlink(missing_ok=True)
    if is_bare:
        return  # made, not marked yet; or somebody's, who loses nothing by it
    if not owner.is_file():
        raise OutputError(
            "something that is not ours is in the way",
            path=partial,
            hint="move it, or choose another --output",
        )
    writer = _open.get(partial.resolve())
    if staging.is_ours and (writer is None or writer.job == staging.job):
        return  # whoever conducted it lost its lease, or this would not be asked
    first, _, _ = owner.read_text(errors="replace").partition("\n")
    host, _, pid = first.partition(" ")
    here = host == socket.gethostname() and pid.isdigit() and _alive(int(pid))
    if here or writer is not None:
        raise OutputError(
            "another run is writing there",
            directory=partial,
            process=pid,
            hint="wait for it, cancel it, or choose another --output",
        )
    shutil.rmtree(partial)


def _alive(pid: int) -> bool:
    """Whether a process of that number runs."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except OSError as problem:
        return problem.errno == errno.EPERM
    return True
