"""Whether what was seen of the containers of a run means that it failed, and why.

Looks at what `dmod.execution.docker_watch` saw, and asks nobody.
"""

from __future__ import annotations

from collections.abc import Sequence

from dmod.errors import RunError
from dmod.execution.docker_watch import Seen
from dmod.execution.mpi_plan import MpiPlan
from dmod.execution.rank_log import RankLog

__all__ = ["ended_badly", "lost_part", "swarm_lost"]

#: How long there may be nobody at an engine's address before its host counts as lost; how long it may be slow [s].
_LOST_S, _SLOW_S = 5.0, 30.0
#: How an engine that does not tell want of memory shows it: killed, at so much of what it may take.
_KILLED, _FULL = {9, 137}, 0.9


def lost_part(plan: MpiPlan, main: Seen, hosts: Sequence[Seen], alone_s: float) -> RunError | None:
    """Why a run cannot go on although mpirun has not ended.

    Parameters
    ----------
    plan : MpiPlan
        What runs.
    main : Seen
        The container of mpirun.
    hosts : sequence of Seen
        The containers of the hosts.
    alone_s : float
        How long mpirun has been running since the ranks of a host ended [s].

    Returns
    -------
    RunError or None
        None if nothing is lost.
    """
    named = [(plan.places[0].host, main), *((place.host, seen) for place, seen in zip(plan.places, hosts, strict=True))]
    for host, seen in named:
        if seen.is_gone:
            return RunError(
                f"the container on {host} was removed from outside", host=host, hint="run again, and let it run"
            )
        if seen.silent_s > (_LOST_S if seen.is_refused else _SLOW_S):
            return RunError(
                f"the container engine of {host} does not answer any more", host=host,
                waited=f"{seen.silent_s:.0f} s", hint="run again when it does, or on other hosts",
            )  # fmt: skip
    for host, seen in named[1:]:
        if seen.exit_code is not None and alone_s > (_LOST_S if seen.exit_code else 6 * _LOST_S):
            return RunError(
                f"the ranks on {host} ended, and the others wait for them", host=host, exit=seen.exit_code,
                hint="look at the last lines; somebody may have stopped its container",
            )  # fmt: skip
    return None


def swarm_lost(plan: MpiPlan, addresses: Sequence[str | None]) -> RunError | None:
    """What is said where engines have left the swarm; None where none has."""
    for place in plan.places:
        if place.engine in addresses:
            return RunError(
                f"the swarm has lost {place.host}", host=place.host, engine=place.engine,
                hint="run again when it is back, or on other hosts",
            )  # fmt: skip
    return None


def ended_badly(plan: MpiPlan, log: RankLog, main: Seen, hosts: Sequence[Seen]) -> RunError:
    """Why mpirun ended with an exit code that is not 0.

    Parameters
    ----------
    plan : MpiPlan
        What ran.
    log : RankLog
        What was said.
    main : Seen
        The container of mpirun.
    hosts : sequence of Seen
        The containers of the hosts, once they have ended too.
    """
    code = main.exit_code or 0
    full = [
        place.host for place, seen in zip(plan.places, hosts, strict=True) if _ran_out(place.memory_bytes, seen, code)
    ]
    failed = log.explain(code, out_of_memory=bool(full))
    where = full or [place.host for place, seen in zip(plan.places, hosts, strict=True) if seen.exit_code == 137]
    if where and len(plan.places) > 1:
        return RunError(failed.headline, hint=failed.hint, **{"host": ", ".join(where), **failed.facts})
    return failed


def _ran_out(limit_bytes: int | None, seen: Seen, code: int) -> bool:
    """Whether a container was short of memory."""
    if seen.out_of_memory or limit_bytes is None:
        return seen.out_of_memory
    return bool(_KILLED & {code, seen.exit_code}) and seen.peak_bytes >= _FULL * limit_bytes
