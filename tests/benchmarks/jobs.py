"""How fast jobs are: through the whole line, to be submitted, to be heard of, to be waited for.

``python tests/benchmarks/jobs.py`` prints each figure beside its goal. Jobs are of the smallest
river there is, three catchments and a day, so that what is measured is what a job costs besides
its models: checked, laid out, run, sealed, published and listed like any other. They are conducted
in a process of their own, as ``dmod serve`` does; wall clock counts on a machine without other
work, CPU per job also on one that has some. A fifth figure is that of a catalog of 100,000 datasets.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dmod.data.coverage import Coverage, Span
from dmod.data.dataset import Dataset
from dmod.data.kinds import Category, Format
from dmod.job.lifecycle import State
from dmod.ledger.ledger import Ledger
from dmod.service import LocalService
from dmod.session import request_of
from dmod.settings import Settings
from dmod.testing.rivers import tiny_run_directory

#: Where a process serves, with as many cores as it is told.
SERVE = """
import sys
from pathlib import Path
from dmod.gateway.serve import serve_until_stopped
from dmod.settings import Settings
serve_until_stopped(Settings(home=Path(sys.argv[1])), cores=int(sys.argv[2]))
"""
HOUR_S = 3600
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Figure:
    """Something that was measured."""

    #: What.
    what: str
    #: How much, with its unit; whether that is as good as the goal; and the goal.
    value: str
    met: bool
    goal: str
    #: What else was seen.
    more: str = ""

    def __str__(self) -> str:
        return (
            f"{self.what:<44} {self.value:>14}   goal {self.goal:<12} {'ok' if self.met else 'MISSED':<7} {self.more}"
        )


@contextmanager
def served(home: Path, cores: int) -> Iterator[subprocess.Popen[bytes]]:
    """A process that conducts, ready."""
    service = LocalService(Settings(home=home))
    with subprocess.Popen([sys.executable, "-c", SERVE, str(home), str(cores)]) as process:
        while not service.served():
            time.sleep(0.05)
        yield process
        process.terminate()
    service.close()


def cpu_s(pid: int) -> float:
    """CPU of a process so far [s]."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def throughput(folder: Path, count: int, cores: int) -> Iterator[Figure]:
    """Many jobs at once through the whole line; how long submitting each took."""
    directory = tiny_run_directory(folder / "run", hours=24)
    time.sleep(2.5)  # files that were written a moment ago are never believed
    service, took = LocalService(Settings(home=folder / "home")), []
    with served(folder / "home", cores) as process:
        first = service.submit(request_of(directory, output=folder / "first"), attend=False)
        while not service.job(first).state.is_final:
            time.sleep(0.05)
        began_s, used_s = time.perf_counter(), cpu_s(process.pid)
        jobs = []
        for number in range(count):
            asked_s = time.perf_counter()
            jobs.append(service.submit(request_of(directory, output=folder / "outputs" / str(number)), attend=True))
            took.append(time.perf_counter() - asked_s)
        while service.ledger.jobs(states=[state for state in State if not state.is_final], limit=1):
            time.sleep(0.1)
        wall_s, used_s = time.perf_counter() - began_s, cpu_s(process.pid) - used_s
    ended = [service.job(job).state for job in jobs]
    assert set(ended) == {State.COMPLETE}, "some jobs failed"
    service.close()
    rate = count / wall_s
    yield Figure(
        f"{count:,} trivial jobs, {cores} cores", f"{rate:.1f} jobs/s", rate >= 50, "50 jobs/s",
        f"{1000 * used_s / count:.1f} ms of CPU each, {used_s / wall_s:.0%} of one core",
    )  # fmt: skip
    median_s = statistics.median(took)
    yield Figure(
        "submit, median", f"{1000 * median_s:.1f} ms", median_s <= 0.05, "50 ms", f"slowest {1000 * max(took):.0f} ms"
    )


def hearing(folder: Path, count: int) -> Iterator[Figure]:
    """From an event in one process to a listener in another that looks as `Job.wait` does."""
    directory = tiny_run_directory(folder / "run", hours=24)
    service, delays, sooner = LocalService(Settings(home=folder / "home")), [], []
    with served(folder / "home", 2):
        for number in range(count):
            job, seen = service.submit(request_of(directory, output=folder / str(number)), attend=True), -1
            while True:
                heard = service.events(job, seen)
                now_s = time.time()
                delays += [now_s - event.time_s for event in heard]
                if heard:
                    seen = heard[-1].number
                    if heard[-1].state.is_final:
                        break
                time.sleep(0.1)
    service.close()
    yield Figure(
        "an event is heard of elsewhere, 99 of 100", f"{sorted(delays)[int(0.99 * len(delays))]:.3f} s",
        max(delays) <= 0.5, "0.5 s", f"median {statistics.median(delays):.3f} s, slowest {max(delays):.3f} s",
    )  # fmt: skip
    sooner = progress_delays(folder)
    yield Figure(
        "progress is heard of elsewhere, slowest", f"{max(sooner):.3f} s", max(sooner) <= 0.5, "0.5 s",
        f"median {statistics.median(sooner):.3f} s, {len(sooner)} steps",
    )  # fmt: skip


def progress_delays(folder: Path) -> list[float]:
    """From a block of a part that is done to a listener that reads the ledger."""
    from dmod.execution import threads
    from dmod.prepare.basin import make_basin
    from dmod.session import Session

    done: list[tuple[float, int]] = []
    tell, over = threads.ThreadRun._tell, threading.Event()

    def slow(run: threads.ThreadRun, index: int, count: int) -> None:
        done.append((time.monotonic(), count))
        tell(run, index, count)
        time.sleep(0.15)

    threads.ThreadRun._tell = slow  # type: ignore[method-assign]
    settings = Settings(home=folder / "progress")
    basin = make_basin(folder / "basin", catchments=320, days=30)
    heard: list[tuple[float, int]] = []
    with Session(settings) as session:
        job = session.run(basin.directory, output=folder / "out")

        def listen() -> None:
            with Ledger.open(settings.home / "ledger.sqlite") as ledger:
                while not over.is_set():
                    heard.append((time.monotonic(), ledger.progress(job.id).done))
                    time.sleep(0.05)

        listener = threading.Thread(target=listen)
        listener.start()
        job.wait()
        time.sleep(0.2)
        over.set()
        listener.join()
    threads.ThreadRun._tell = tell  # type: ignore[method-assign]
    return [next(at for at, seen in heard if seen >= count) - when for when, count in done]


def idling(folder: Path, seconds: float) -> Iterator[Figure]:
    """What a conductor takes that has nothing to do, after it had something."""
    directory = tiny_run_directory(folder / "run", hours=24)
    service = LocalService(Settings(home=folder / "home"))
    with served(folder / "home", 2) as process:
        for number in range(3):
            job = service.submit(request_of(directory, output=folder / str(number)), attend=True)
            while not service.job(job).state.is_final:
                time.sleep(0.05)
        time.sleep(2.0)
        used_s, began_s = cpu_s(process.pid), time.perf_counter()
        time.sleep(seconds)
        share = (cpu_s(process.pid) - used_s) / (time.perf_counter() - began_s)
    service.close()
    yield Figure("an idle conductor", f"{share:.2%} CPU", share <= 0.01, "1 %", f"over {seconds:.0f} s")


def finding(folder: Path, count: int) -> Iterator[Figure]:
    """One that covers what is needed, among many that nearly do."""
    with Ledger.open(folder / "ledger.sqlite") as ledger:
        ledger.add_datasets(_datasets(count))
        took = []
        for number in range(50):
            day = 86_400 * (number * 37 % 1000)
            ids = [f"cat-{1000 * (number % 90) + k}" for k in range(20)]
            wanted = Coverage.of(spans=[Span(day, day + 24 * HOUR_S)], ids=ids, variables=["precip_rate"])
            began_s = time.perf_counter()
            found = ledger.find(Category.FORCING, [Format.FORCING_NETCDF], wanted)
            took.append(time.perf_counter() - began_s)
            assert all(one.coverage.covers(wanted) for one in found)
    median_s = statistics.median(took)
    yield Figure(
        f"find among {count:,} datasets, median", f"{1000 * median_s:.1f} ms", median_s <= 0.02, "20 ms",
        f"slowest {1000 * max(took):.1f} ms",
    )  # fmt: skip


def _datasets(count: int) -> Iterator[Dataset]:
    """Forcing of all kinds of places and times."""
    for number in range(count):
        first, day = 100 * (number * 7919 % 9000), 86_400 * (number * 104_729 % 1000)
        coverage = Coverage.of(
            spans=[Span(day, day + 86_400 * (1 + number % 30))], ids=[f"cat-{first + k}" for k in range(100)],
            variables=["precip_rate", "TMP_2maboveground"],
        )  # fmt: skip
        yield Dataset(
            id=uuid.uuid4().hex, name=f"forcing-{number}", category=Category.FORCING, format=Format.FORCING_NETCDF,
            coverage=coverage, digest=f"sha256:{number:064x}", size=1, files=(), location="/data/forcing.nc",
            owner="ann", created_s=float(number),
        )  # fmt: skip


def main() -> None:
    """Measure everything, or what is named."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("which", nargs="*", choices=["throughput", "hearing", "idling", "finding", []])
    parser.add_argument("--jobs", type=int, default=1000, help="how many jobs go through the line")
    parser.add_argument("--cores", type=int, default=2, help="cores that they are given")
    parser.add_argument("--datasets", type=int, default=100_000, help="how many datasets are in the catalog")
    given = parser.parse_args()
    measures = {
        "throughput": lambda folder: throughput(folder, given.jobs, given.cores),
        "hearing": lambda folder: hearing(folder, 10),
        "idling": lambda folder: idling(folder, 20),
        "finding": lambda folder: finding(folder, given.datasets),
    }
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load of others {load:.1f}")
    for name in given.which or measures:
        with tempfile.TemporaryDirectory(prefix="dmod-bench-") as folder:
            for figure in measures[name](Path(folder)):
                print(figure, flush=True)


if __name__ == "__main__":
    main()
