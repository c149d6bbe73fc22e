"""Ranks on several hosts, or in several containers of one: without ssh, keys, or an engine's socket in a container.

The container on each host waits for a line. One more runs mpirun, which is told to have its
helpers started by hand: it prints a line for each host, which is handed to the container there,
and that lives as long as its ranks. Doing all this again does only what is not done yet.
"""

from __future__ import annotations

import shlex
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from dmod.errors import EngineError, RunError
from dmod.execution.docker_containers import find, give, remove_network, start
from dmod.execution.docker_engine import reason_of
from dmod.execution.mpi_log import LogReader, explain_exit
from dmod.execution.mpi_plan import AGENT, GO, LABEL, LINE

if TYPE_CHECKING:
    from docker.models.containers import Container as Found

    from dmod.execution.docker_engines import Engines
    from dmod.execution.mpi_plan import MpiPlan

__all__ = ["make_network", "read_relay", "start_hosts"]

#: How long mpirun may take to say what it wants started [s].
_RELAY_S = 60.0
_HYDRA, _ORTE = "HYDRA_LAUNCH: ", "AGENT_LAUNCH "

#: Open MPI calls this where it would call ssh: options, a host, a line. It says so to whoever reads the lines of
#: the container's first process, and stays.
_AGENT = b"""#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift; done
host=$1
shift
line="AGENT_LAUNCH $host $*"
printf '%s\\n' "$line" > /proc/1/fd/2 2> /dev/null || printf '%s\\n' "$line" >&2
exec sleep 2147483
"""
#: MPICH's helper does not wait until the name of mpirun's container is known to a host (6) or answers (5).
_PATIENT = """\
tries=0
while :; do
    {line}
    code=$?
    case $code in 5 | 6) ;; *) exit $code ;; esac
    tries=$((tries + 1))
    [ $tries -lt 100 ] || exit $code
    sleep 0.2
done
"""


def make_network(engines: Engines, plan: MpiPlan) -> None:
    """Make the private network of a plan, unless it is there; nothing outside is reached from it.

    Raises
    ------
    EngineError
        If the engine refuses.
    """
    from docker.errors import APIError

    client, name = engines.network_owner, plan.network
    if client is None or name is None:
        return
    try:
        for found in client.networks.list(names=[name], filters={"label": f"{LABEL}={plan.job}"}):
            if found.attrs["Driver"] == engines.network_driver:
                return
            remove_network(client, name)
        client.networks.create(
            name, driver=engines.network_driver, internal=True, attachable=engines.network_driver == "overlay",
            labels={LABEL: plan.job}, check_duplicate=True,
        )  # fmt: skip
    except APIError as problem:
        if problem.status_code == 409:  # somebody else was faster
            return
        raise EngineError("the network of the job cannot be made", network=name, reason=reason_of(problem)) from problem


def start_hosts(engines: Engines, plan: MpiPlan) -> None:
    """Start mpirun, and on each host what it says, as far as that is not done yet.

    Parameters
    ----------
    engines : Engines
        Where.
    plan : MpiPlan
        What.

    Raises
    ------
    EngineError
        If it cannot be told how to do so for the image's MPI.
    RunError
        If mpirun does not say what it wants started, or an engine refuses to start it.
    """
    if plan.image.mpi == "unknown":
        raise EngineError(
            "it is not known whose MPI the image has, so its ranks cannot be started on several hosts",
            image=plan.image.name, needed="MPICH or Open MPI", hint="use one host",
        )  # fmt: skip
    numbers = range(len(plan.places))
    owner = engines.on(plan.places[0].engine)
    launcher = find(owner, plan.launcher)
    if launcher is None:
        with ThreadPoolExecutor(16, thread_name_prefix="dmod-start") as pool:
            hosts = list(pool.map(lambda number: _start_host(engines, plan, number), numbers))
        launcher = start(owner, plan.starter([_address(host, plan) for host in hosts]), _programs(plan))
    elif launcher.status == "created":
        launcher = start(owner, plan.starter(), _programs(plan))
    wanted = _wanted(launcher, plan)
    for number, line in wanted.items():
        host = find(engines.on(plan.places[number].engine), plan.container(number))
        if host is not None:  # else it was removed, which whoever watches will see
            give(host, {LINE: line.encode(), GO: b""})


def _start_host(engines: Engines, plan: MpiPlan, number: int) -> Found:
    """The container on one host, waiting for its line."""
    container = plan.on_host(number)
    return start(engines.on(container.engine), container, _programs(plan))


def _address(found: Found, plan: MpiPlan) -> str:
    """Where a container is found on the plan's network; names take their time to get from host to host."""
    found.reload()
    address = found.attrs["NetworkSettings"]["Networks"][plan.network]["IPAddress"]
    if not address:
        raise RunError(f"the container {found.name} ended before its ranks began", last=found.logs(tail=5).decode())
    return str(address)


def _programs(plan: MpiPlan) -> dict[str, bytes]:
    """What is put into containers besides the image; Open MPI's helpers look for the agent too."""
    return {AGENT: _AGENT} if plan.image.mpi == "openmpi" else {}


def _wanted(launcher: Found, plan: MpiPlan) -> dict[int, str]:
    """What mpirun wants started on which host, once it has said so for all; nothing if it has ended since."""
    until = time.monotonic() + _RELAY_S
    while True:
        launcher.reload()
        lines = launcher.logs().decode("utf-8", errors="replace").splitlines()
        wanted = read_relay(lines, plan)
        state = launcher.attrs["State"]
        has_ended = state["Status"] in ("exited", "dead")
        if len(wanted) == len(plan.places):
            if has_ended:
                return {}
            address = _address(launcher, plan)
            return {number: line.replace(f" {plan.launcher}:", f" {address}:") for number, line in wanted.items()}
        if has_ended:
            reader = LogReader(plan.catchments, plan.steps)
            for line in lines:
                reader.feed(None, line)
            raise explain_exit(int(state["ExitCode"]), reader)
        if time.monotonic() > until:
            raise RunError(
                "mpirun does not say what to start on the hosts", line=shlex.join(plan.mpirun()),
                waited=f"{_RELAY_S:.0f} s", last="\n".join(lines[-5:]),
            )  # fmt: skip
        time.sleep(0.05)


def read_relay(lines: list[str], plan: MpiPlan) -> dict[int, str]:
    """What mpirun asks for, as programs for a shell, by number of the host.

    Parameters
    ----------
    lines : list of str
        What mpirun has said so far.
    plan : MpiPlan
        Whose hosts it knows.

    Returns
    -------
    dict of int to str
        As far as they were said.
    """
    wanted: dict[int, str] = {}
    names = [plan.container(number) for number in range(len(plan.places))]
    for line in lines:
        if line.startswith(_HYDRA):
            words = line.removeprefix(_HYDRA).split()
            wanted[int(words[words.index("--proxy-id") + 1])] = _PATIENT.format(line=" ".join(words))
        elif line.startswith(_ORTE):
            host, _, command = line.removeprefix(_ORTE).partition(" ")
            # A helper in the background would end its container at once.
            wanted[names.index(host)] = command.replace(" --daemonize", "") + "\n"
    return wanted
