"""A place to make outputs in, which becomes the real one in one rename.

Outputs are made in ``<target>.partial`` beside the target. What is half-made never bears
the target's name; what was there before stays until the new is whole.
"""

from __future__ import annotations

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
#: Staging directories that runs of this process are writing to, and who may look at them.
_open: set[Path] = set()
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

    def release(self) -> None:
        """Say that nobody writes here any more; what is there stays, marked as partial."""
        with _turn:
            _open.discard(self.path.resolve())

    def publish(self) -> None:
        """Give it the target's name; what was there is replaced."""
        (self.path / _OWNER).unlink(missing_ok=True)
        old = self.target.with_name(self.target.name + ".replaced")
        if self.target.exists():
            shutil.rmtree(old, ignore_errors=True)
            self.target.replace(old)
        self.path.replace(self.target)
        self.release()
        shutil.rmtree(old, ignore_errors=True)

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
    check_target(target, overwrite=overwrite, ours=ours)
    staging = Staging(target, job)
    with _turn:
        _make(staging)
        _open.add(staging.path.resolve())
    return staging


def _make(staging: Staging) -> None:
    """Make the directory and mark it; what an earlier run left goes."""
    _clear(staging.path, staging.job)
    try:
        staging.path.mkdir(parents=True, exist_ok=True)
        beside = staging.path / f".{_OWNER}.{os.getpid()}"
        beside.write_text(
            f"{socket.gethostname()} {os.getpid()}\njob {staging.job}\n"
            "A run writes here, or was stopped. Not complete; may be removed.\n"
        )
        beside.replace(staging.path / _OWNER)
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


def _clear(partial: Path, job: str) -> None:
    """Remove what an earlier run left, unless that run is still at it, or is the same job."""
    if not partial.exists():
        return
    owner = partial / _OWNER
    if not owner.is_file():
        raise OutputError(
            "something that is not ours is in the way",
            path=partial,
            hint="move it, or choose another --output",
        )
    first, _, rest = owner.read_text().partition("\n")
    if job and rest.startswith(f"job {job}\n") and partial.resolve() not in _open:
        return  # whoever conducted it lost its lease, or this would not be asked
    host, _, pid = first.partition(" ")
    here = host == socket.gethostname() and pid.isdigit() and _alive(int(pid))
    if here or partial.resolve() in _open:
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
