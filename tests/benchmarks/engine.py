"""How fast a run is, from forcing file to output file.

``python tests/benchmarks/engine.py --catchments 10000 --days 365`` makes a basin of that
size (kept for the next time), runs it through the whole line, and prints catchment-steps
per second, peak memory, and where the time went. The named alternative is ngen itself: one
process of ngen 0.3.0 makes 16 to 19 thousand catchment-steps per CPU-second of the same
formulation (SLoTH + PET + CFE, 500 catchments x 1 year: 266 CPU-seconds). Where a program
``ngen`` is on the path, it is run beside on the same basin and its own figure is used.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from dmod.prepare.basin import make_basin
from dmod.session import Job, Session

#: Catchment-steps per CPU-second of one ngen process, the middle of what was measured.
NGEN_RATE = 17_000.0


class Memory:
    """Peak memory of this process and all it started [bytes], sampled; shared pages count once per process."""

    def __init__(self) -> None:
        self.peak, self._over = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._over.wait(0.05):
            total = 0
            for process in (me, *me.children(recursive=True)):
                try:
                    total += process.memory_info().rss
                except psutil.Error:
                    continue
            self.peak = max(self.peak, total)


def main() -> None:
    """Read the command line, make the basin, run it."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--catchments", type=int, default=1000)
    ask.add_argument("--days", type=int, default=365)
    ask.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    ask.add_argument("--outputs", choices=["q", "all"], default="q", help="Q_OUT only, or all 13 of CFE")
    ask.add_argument("--repeat", type=int, default=3)
    ask.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "dmod-benchmark")
    given = ask.parse_args()
    basin = prepared(given.keep, given.catchments, given.days)
    realization = chosen(basin, given.outputs)
    warm_up(basin, realization)
    runs = [once(basin, realization, given.workers) for _ in range(given.repeat)]
    tell(given, runs, beside(basin, given))


def prepared(keep: Path, catchments: int, days: int) -> Path:
    """The run directory of a basin of that size, made unless an earlier benchmark did."""
    basin = keep / f"{catchments}x{days}"
    if not (basin / "MADE").is_file():
        shutil.rmtree(basin, ignore_errors=True)
        print(f"making {catchments:,} catchments x {days} days in {basin} …", flush=True)
        make_basin(basin, catchments=catchments, days=days, seed=1)
        (basin / "MADE").touch()
    return basin


def chosen(basin: Path, outputs: str) -> Path:
    """A realization with the outputs asked for."""
    found = json.loads((basin / "config" / "realization.json").read_text())
    if outputs == "q":
        found["global"]["formulations"][0]["params"]["output_variables"] = ["Q_OUT"]
    path = basin / f"benchmark-{outputs}.json"
    path.write_text(json.dumps(found))
    return path


def warm_up(basin: Path, realization: Path) -> None:
    """Compile once, so that a run measures the run."""
    ids = [path.stem for path in sorted((basin / "config" / "cat_config" / "CFE").glob("cat-*"))[:2]]
    Session().run(basin, realization=realization, catchments=ids, output=basin / "warm", overwrite=True).wait()


def once(basin: Path, realization: Path, workers: int) -> dict[str, float]:
    """One run, timed from request to published outputs."""
    output = basin / "out"
    shutil.rmtree(output, ignore_errors=True)
    before, began = cpu_s(), time.perf_counter()
    with Memory() as memory:
        job = Session().run(basin, realization=realization, workers=workers, output=output).wait()
        wall = time.perf_counter() - began
    return {
        "steps": job.progress.total,
        "wall_s": wall,
        "cpu_s": cpu_s() - before,
        "peak": memory.peak,
        **shares(job),
    }


def cpu_s() -> float:
    """CPU-seconds of this process and of all it started that have ended."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def shares(job: Job) -> dict[str, float]:
    """Seconds by verb and, of the running, by kind of work."""
    times = {event.facts["verb"]: event.time_s for event in job.events if "verb" in event.facts}
    return {
        "running_s": times["monitor"] - times["launch"],
        "read_s": sum(r.read_s for r in job.reports),
        "compute_s": sum(r.compute_s for r in job.reports),
        "write_s": sum(r.write_s for r in job.reports),
    }


def beside(basin: Path, given: argparse.Namespace) -> tuple[float, str]:
    """Catchment-steps per CPU-second of ngen, and how that is known."""
    program = shutil.which("ngen") or shutil.which("ngen-serial")
    if program is None:
        return NGEN_RATE, "ngen 0.3.0, measured earlier: it is not on this machine"
    fabric = next((basin / "config").glob("*.gpkg"))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [program, fabric, "all", fabric, "all", "config/realization.json"],
        cwd=basin, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return given.catchments * given.days * 24 / used, f"{program}, run beside"


def tell(given: argparse.Namespace, runs: list[dict[str, float]], ngen: tuple[float, str]) -> None:
    """Print medians."""
    middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    rate, per_cpu = middle["steps"] / middle["wall_s"], middle["steps"] / middle["cpu_s"]
    running = middle["steps"] / middle["running_s"]
    spent = middle["read_s"] + middle["compute_s"] + middle["write_s"]
    print(
        f"{given.catchments:,} catchments x {given.days} days, {given.outputs} outputs, {given.workers} workers, "
        f"median of {len(runs)}"
    )
    print(f"{rate:.0f} catchment-steps/s")
    print(f"{running:.0f} catchment-steps/s while running (without check, start of workers, publishing)")
    print(f"{per_cpu:.0f} catchment-steps per CPU-second")
    print(f"wall {middle['wall_s']:.2f} s, of which running {middle['running_s']:.2f} s; CPU {middle['cpu_s']:.2f} s")
    print(f"peak memory {max(run['peak'] for run in runs) / 2**20:.0f} MiB")
    print(
        "of the work: "
        + ", ".join(
            f"{name} {middle[f'{key}_s'] / spent:.0%}"
            for name, key in (("reading", "read"), ("computing", "compute"), ("writing", "write"))
        )
    )
    print(f"{rate / ngen[0]:.0f} x one ngen process, {per_cpu / ngen[0]:.0f} x per CPU-second ({ngen[1]})")
    if hasattr(sys.stdout, "flush"):
        sys.stdout.flush()


if __name__ == "__main__":
    main()
