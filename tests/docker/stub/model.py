"""Prints what ngen prints, and fails in the way it is told to: no model, and no MPI unless asked for."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

RANK = int(os.environ.get("PMI_RANK", os.environ.get("OMPI_COMM_WORLD_RANK", "0")))
SIZE = int(os.environ.get("PMI_SIZE", os.environ.get("OMPI_COMM_WORLD_SIZE", "1")))


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def fail(how: str) -> None:
    """Fail, on the last rank."""
    if SIZE > RANK + 1:
        time.sleep(600)
    if how == "exit":
        say("ERROR: the realization cannot be read")
        os._exit(255)
    if how == "abort":
        sys.stderr.write("terminate called after throwing an instance of 'std::runtime_error'\n")
        sys.stderr.write("  what():  Forcing data could not be found for 'cat-1'\n")
        sys.stderr.flush()
        os.abort()
    if how == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "hang":
        time.sleep(600)
    if how == "memory":
        kept = []
        while True:
            kept.append(b"1" * 2**24)
    if how == "library":
        say(f"{sys.argv[0]}: error while loading shared libraries: libcfebmi.so.1: cannot open shared object file")
        os._exit(127)


def main() -> None:
    """``model.py STEPS SECONDS [HOW]``: so many steps in so many seconds; fails after half of them."""
    steps, seconds, how = int(sys.argv[1]), float(sys.argv[2]), (sys.argv[3:] or [""])[0]
    say("NGen Framework 0.3.0")
    if how == "limits":
        for name in ("memory/memory.limit_in_bytes", "cpu/cpu.cfs_quota_us", "memory.max", "cpu.max"):
            if (file := Path("/sys/fs/cgroup", name)).exists():
                say(f"{name} {file.read_text().strip()}")
        say(f"uid {os.getuid()} home {os.environ['HOME']}")
        say(f"writable {os.access('/in', os.W_OK)} {os.access('/out', os.W_OK)}")
        say(f"interfaces {sorted(path.name for path in Path('/sys/class/net').iterdir())}")
    if how == "mpi":
        from ring import total

        say(f"the sum is {total()}")
    say("Running Models")
    for step in range(0, steps, 100):
        say(f"Updating layer: 'surface layer' at output step {step}")
        time.sleep(seconds * 100 / steps)
        if how not in {"", "limits", "mpi"} and step >= steps // 2:
            fail(how)
    say(f"Finished {steps} timesteps.")


if __name__ == "__main__":
    main()
