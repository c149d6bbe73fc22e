"""Programs that behave as ngen and mpirun do, in a moment; and waiting for what is to come."""

from __future__ import annotations

import stat
import time
from collections.abc import Callable
from pathlib import Path

#: Starts copies of a program side by side and puts the rank in front of what they say; ends with the first bad code.
MPIRUN = """#!/bin/sh
if [ "$1" = --version ]; then echo "HYDRA build details:"; exit 0; fi
while [ "$1" != -n ]; do shift; done
ranks=$2; shift 2
rank=0
while [ $rank -lt $ranks ]; do
  ( { PMI_RANK=$rank "$@" 2>&1; echo "$?" > "$STUB_FOLDER/code-$rank"; } | sed -u "s/^/[$rank] /" ) &
  rank=$((rank + 1))
done
wait
cat "$STUB_FOLDER"/code-* | sort -n | tail -1 > "$STUB_FOLDER/worst"
exit "$(cat "$STUB_FOLDER/worst")"
"""

#: Says what ngen says, and ends as its first argument asks.
NGEN = """#!/bin/sh
if [ "$1" = --info ]; then echo "NGen Framework 0.3.0"; exit 1; fi
echo "NGen Framework 0.3.0"
echo "started $PMI_RANK" >> "$STUB_FOLDER/started"
echo "Running Models"
echo "Updating layer: 'surface layer' at output step 0"
echo "Updating layer: 'surface layer' at output step 100"
case "$1" in
  good) ;;
  throws)
    if [ "$PMI_RANK" = 1 ]; then
      echo "terminate called after throwing an instance of 'std::runtime_error'" >&2
      echo "  what():  Forcing data could not be found for 'cat-1'" >&2
      exit 134
    fi ;;
  crashes) kill -SEGV $$ ;;
  refuses) echo "Missing required argument for partition file path."; exit 255 ;;
  waits) while [ ! -e "$STUB_FOLDER/go" ]; do sleep 0.05; done ;;
  deaf) trap '' TERM; while :; do sleep 0.05; done ;;
  silent) exec sleep 1000 ;;
esac
echo "Finished 200 timesteps."
echo "NGen top-level timings:"
"""


def write_program(path: Path, text: str) -> Path:
    """A program that can be started."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def wait_for(holds: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until something holds."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)
