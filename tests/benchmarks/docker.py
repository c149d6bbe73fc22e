"""How much a run in containers costs besides its ranks, and how soon one hears of it.

``python tests/benchmarks/docker.py`` prints each figure beside its goal. What a job costs is measured
against the very lines of its own plan, typed by hand: ``docker run … mpirun …`` with the ``docker``
command on the same inputs, in turn with the job, so that other work on the machine falls on both.
Several hosts are two containers on a private network of one engine, or two engines where they are
named by ``--hosts``; by hand what mpirun prints is given to containers with ``docker exec``. All figures
are medians, with the least and the most behind. The engine and ``dmod-worker`` must be there.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from dmod.conductor.rank_way import RankWay
from dmod.execution.docker_executor import DockerExecutor
from dmod.execution.docker_hosts import read_relay
from dmod.execution.mpi_plan import GO, LINE, OUTPUTS, MpiPlan
from dmod.execution.rank_plan import RankPlan
from dmod.prepare.basin import Basin, make_basin
from dmod.schedule.resources import Host
from dmod.session import Job, Session
from dmod.settings import Settings

#: What ranks say of the time they took to compute.
_COMPUTED = "NGen::simulation: "
_LONG_S = 900.0


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
        return f"{self.what:<40} {self.value:>9}   goal {self.goal:<9} {'ok' if self.met else 'MISSED':<7} {self.more}"


def spread(took: Sequence[float]) -> str:
    """The median, the least and the most of some seconds."""
    return f"{statistics.median(took):.2f} s ({min(took):.2f} .. {max(took):.2f})"


@contextlib.contextmanager
def two_containers() -> Iterator[None]:
    """As if this machine were two hosts that share its engine."""
    memory = Host.here().memory_bytes // 2
    # Neither has an address, so both are on the engine of this machine.
    both: dict[Any, Host] = {"": Host("left", 1, memory), None: Host("right", 1, memory)}
    with (
        patch.object(DockerExecutor, "hosts", lambda _self, _addresses: both),
        patch.object(RankWay, "_offered", lambda _self: both),
    ):
        yield


def rank_plan(job: Job) -> RankPlan:
    """What a job started."""
    plan = job.plan
    assert isinstance(plan, RankPlan)
    return plan


def docker(*words: str, text: str = "", quiet: bool = True) -> str:
    """What the ``docker`` command prints; raises if it fails."""
    ran = subprocess.run(
        ["docker", *words], input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=quiet,
        timeout=_LONG_S,
    )  # fmt: skip
    return ran.stdout


def by_hand(plan: MpiPlan) -> float:
    """Type the lines of a plan, and wait for the end [s]."""
    (outputs,) = (mount.source for mount in plan.mounts if mount.target == OUTPUTS)
    outputs.mkdir(parents=True)
    began = time.perf_counter()
    if plan.network is None:
        docker(*plan.on_host(0).line()[1:])
    else:
        by_hand_on_several(plan)
    took = time.perf_counter() - began
    assert (outputs / "run.nc").is_file(), "the lines of the plan did not run"
    (outputs / "run.nc").unlink()
    outputs.rmdir()
    outputs.parent.rmdir()
    return took


def by_hand_on_several(plan: MpiPlan) -> None:
    """Start a container for each host, then mpirun; and hand on what it prints."""
    engines = [("-H", place.engine) if place.engine else () for place in plan.places]
    assert plan.network is not None
    kind = ("--driver", "overlay", "--attachable") if len(set(engines)) > 1 else ()
    docker(*engines[0], "network", "create", "--internal", *kind, plan.network)
    try:
        for number in range(len(plan.places)):
            docker(*_detached(plan.on_host(number).line()))
        names = [plan.container(number) for number in range(len(plan.places))]
        format_of = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        found = [docker(*at, "inspect", "-f", format_of, name) for at, name in zip(engines, names, strict=True)]
        line = plan.starter([one.strip() for one in found]).line()
        with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as launcher:
            assert launcher.stdout is not None
            said: list[str] = []
            for text in launcher.stdout:
                said.append(text.rstrip("\n"))
                wanted = read_relay(said, plan)
                if len(wanted) == len(names):
                    break
            for number, program in wanted.items():
                docker(*engines[number], "exec", "-i", "-u", "0", names[number], "sh", "-c",
                       f"cat > {LINE}; touch {GO}", text=program)  # fmt: skip
            launcher.stdout.read()
        assert launcher.returncode == 0
        for at, name in zip(engines, names, strict=True):
            docker(*at, "wait", name, quiet=False)  # it may be gone already
    finally:
        docker(*engines[0], "network", "rm", plan.network)


def _detached(line: Sequence[str]) -> list[str]:
    """A line of ``docker run`` that does not wait for the end."""
    words = list(line[1:])
    words.insert(words.index("run") + 1, "--detach")
    return words


def overhead(
    session: Session, basin: Basin, folder: Path, repeat: int, goal_s: float, hosts: Sequence[str] | None
) -> Iterator[Figure]:
    """A job from the request to its published outputs, and the lines of its own plan, in turn."""
    jobs, hands = [], []
    spread_out: dict[str, Any] = {} if hosts is None else {"hosts": tuple(hosts), "paradigm": "round_robin"}
    for number in range(repeat + 1):
        with contextlib.nullcontext() if hosts is None or hosts else two_containers():
            began = time.perf_counter()
            output = folder / f"{'one' if hosts is None else 'two'}-{number}"
            job = session.run(basin.directory, on="docker", ranks=2, output=output, **spread_out)
            job.wait()
            job_s = time.perf_counter() - began
        plan = rank_plan(job).mpi
        assert (len(plan.places) > 1) == (hosts is not None), "it was not spread as it should be"
        hand_s = by_hand(plan)
        if number:  # the first looks at the image, and files come into the cache
            jobs.append(job_s)
            hands.append(hand_s)
    over_s = statistics.median(one - other for one, other in zip(jobs, hands, strict=True))
    where = "one host" if hosts is None else "two engines" if hosts else "two containers"
    yield Figure(
        f"overhead of a job, {where}", f"{over_s:.2f} s", over_s <= goal_s, f"{goal_s:g} s",
        f"job {spread(jobs)}, by hand {spread(hands)}, ratio {statistics.median(jobs) / statistics.median(hands):.2f}",
    )  # fmt: skip


class Told:
    """What the engine itself knows of a job's container: when lines were said, and when it began and ended."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.lines: dict[str, float] = {}
        self.happened: dict[str, float] = {}
        self._events = subprocess.Popen(
            ["docker", "events", "--filter", f"container={name}", "--format", "{{json .}}"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._threads = [threading.Thread(target=target) for target in (self._hear, self._see)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Listen no longer."""
        self._events.terminate()
        for thread in self._threads:
            thread.join()
        self._events.wait()

    def _hear(self) -> None:
        """Follow the lines, with the engine's own times."""
        until = time.monotonic() + 60
        while "start" not in self.happened and time.monotonic() < until:
            time.sleep(0.01)
        with subprocess.Popen(
            ["docker", "logs", "--follow", "--timestamps", self._name], stdout=subprocess.PIPE, text=True
        ) as said:
            assert said.stdout is not None
            for line in said.stdout:
                stamp, _, text = line.rstrip("\n").partition(" ")
                if text.startswith("["):
                    self.lines.setdefault(text.replace("[", "[rank ", 1), instant(stamp))

    def _see(self) -> None:
        """Take note of events."""
        assert self._events.stdout is not None
        for line in self._events.stdout:
            event = json.loads(line)
            self.happened.setdefault(event["Action"], event["timeNano"] / 1e9)


def instant(stamp: str) -> float:
    """A time of the engine, which has nanoseconds [s since 1970]."""
    whole, _, rest = stamp.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{rest or 0}")


def latency(session: Session, basin: Basin, folder: Path, repeat: int) -> Iterator[Figure]:
    """From what the engine knows to who follows the job's log, and its events."""
    late: list[float] = []
    begun: list[float] = []
    ended: list[float] = []
    for number in range(repeat):
        job = session.run(basin.directory, on="docker", ranks=2, output=folder / f"late-{number}")
        told = Told(f"dmod-{job.id}-0")
        heard: dict[str, float] = {}
        for line in job.logs(follow=True):
            text = line.rstrip("\n")
            if "[rank " in text:
                heard.setdefault(text[text.index("[rank ") :], time.time())
        job.wait()
        told.close()
        late += [heard[text] - said for text, said in told.lines.items() if text in heard]
        when = {str(event.state): event.time_s for event in job.events}
        begun.append(when["running"] - told.happened["start"])
        ended.append(when["finished"] - told.happened["die"])
    slowest = sorted(late)[int(0.99 * len(late))]
    yield Figure(
        "a line is followed elsewhere, 99 of 100", f"{slowest:.2f} s", slowest <= 1, "1 s",
        f"{spread(late)}, {len(late)} lines",
    )  # fmt: skip
    for what, took in (("a container has started: running", begun), ("mpirun has ended: finished", ended)):
        yield Figure(what, f"{statistics.median(took):.2f} s", max(took) <= 1, "1 s", spread(took))


def speedup(session: Session, basin: Basin, folder: Path, repeat: int) -> Iterator[Figure]:
    """What a second rank gains, while models are computing and in all."""
    # One output, so that it is computing that takes the time.
    found = json.loads(basin.realization.read_text())
    found["global"]["formulations"][0]["params"]["output_variables"] = ["Q_OUT"]
    realization = basin.directory / "only-q.json"
    realization.write_text(json.dumps(found))
    computed: dict[int, list[float]] = {1: [], 2: []}
    whole: dict[int, list[float]] = {1: [], 2: []}
    for number in range(repeat + 1):
        for ranks in (1, 2):
            job = session.run(
                basin.directory, on="docker", ranks=ranks, realization=realization, output=folder / "out",
                overwrite=True,
            )  # fmt: skip
            job.wait()
            took = [float(line.partition(_COMPUTED)[2]) for line in job.logs() if _COMPUTED in line]
            assert len(took) == ranks
            when = {str(event.state): event.time_s for event in job.events}
            if number:
                computed[ranks].append(max(took))
                whole[ranks].append(when["finished"] - when["running"])
    ratio, started = (statistics.median(took[1]) / statistics.median(took[2]) for took in (computed, whole))
    yield Figure(
        "2 ranks against 1, computing", f"{ratio:.2f} x", ratio >= 1.7, "1.7 x",
        f"1 rank {spread(computed[1])}, 2 ranks {spread(computed[2])}, "
        f"least against least {min(computed[1]) / min(computed[2]):.2f} x, with their start {started:.2f} x",
    )  # fmt: skip


def main() -> None:
    """Measure everything, or what is named."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("which", nargs="*", choices=["one", "two", "latency", "speedup", []])
    parser.add_argument("--repeat", type=int, default=5, help="how often each is measured")
    parser.add_argument("--catchments", type=int, default=1000, help="size of what is computed by 1 rank and by 2")
    parser.add_argument("--days", type=int, default=1460, help="length of that")
    parser.add_argument(
        "--hosts", default="", help="two engines of one swarm, tcp://… or unix://…, with a comma between"
    )
    given = parser.parse_args()
    here = Path(__file__).resolve().parent
    sys.path[:] = [one for one in sys.path if Path(one).resolve() != here]  # this file is not the package docker
    hosts = [word for word in given.hosts.split(",") if word]
    print(f"{os.cpu_count()} cores, load of others {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory(prefix="dmod-bench-") as name, contextlib.redirect_stderr(io.StringIO()):
        folder = Path(name)
        small = make_basin(folder / "small", catchments=60, days=30)
        measures: dict[str, Callable[[Session], Iterator[Figure]]] = {
            "one": lambda session: overhead(session, small, folder, given.repeat, 3, None),
            "two": lambda session: overhead(session, small, folder, given.repeat, 6, hosts),
            "latency": lambda session: latency(session, small, folder, given.repeat),
            "speedup": lambda session: speedup(
                session, make_basin(folder / "large", catchments=given.catchments, days=given.days), folder,
                given.repeat,
            ),
        }  # fmt: skip
        with Session(Settings(home=folder / "home")) as session:
            for which in given.which or measures:
                for figure in measures[which](session):
                    print(figure, flush=True)


if __name__ == "__main__":
    main()
