"""Dask clusters: one of our own on this machine, or one that runs already.

The only module that starts or connects to a cluster. Our own is gone when the ``with``
block ends, whatever happened inside; somebody else's is left as it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmod.errors import ClusterError

if TYPE_CHECKING:
    from distributed import Client

    from dmod.schedule.sizing import Sizing

__all__ = ["load_factory", "open_cluster", "open_made_cluster"]

_CONNECT_S, _WORKERS_S, _START_S = 10, 30, 120


@contextlib.contextmanager
def open_cluster(sizing: Sizing, scheduler: str | None, shared: Path) -> Iterator[Client]:
    """A client of a cluster that can do the work.

    Parameters
    ----------
    sizing : Sizing
        Workers wanted, for a cluster of our own.
    scheduler : str or None
        Address of a scheduler that runs already, such as ``tcp://10.0.0.1:8786``.
    shared : Path
        A directory that every worker must see.

    Yields
    ------
    Client
        Connected, with one worker at least.

    Raises
    ------
    ClusterError
        If the scheduler cannot be reached, has no workers, or they cannot do the work.
    """
    if scheduler is not None:
        with _existing(scheduler) as client:
            _probe(client, scheduler, shared)
            yield client
        return
    with _own(sizing) as client:
        yield client


@contextlib.contextmanager
def open_made_cluster(factory: str, sizing: Sizing, shared: Path) -> Iterator[Client]:
    """A client of a cluster that an operator's function makes for one job.

    Parameters
    ----------
    factory : str
        ``module:function``; called with ``workers=`` it gives a cluster of dask-jobqueue,
        dask-gateway, dask-kubernetes or any other kind, which is closed when the job is over.
    sizing : Sizing
        Workers wanted.
    shared : Path
        A directory that every worker must see.

    Raises
    ------
    ClusterError
        If there is no such function, it fails, or its workers cannot do the work.
    """
    from distributed import Client

    _hush()
    try:
        cluster = load_factory(factory)(workers=sizing.workers)
    except ClusterError:
        raise
    except Exception as problem:  # an operator's code may raise anything
        raise ClusterError(
            "the cluster could not be made", factory=factory,
            reason=f"{type(problem).__name__}: {problem}".splitlines()[0], hint="correct DMOD_CLUSTER or what it names",
        ) from problem  # fmt: skip
    with contextlib.closing(cluster), Client(cluster, set_as_default=False) as client:
        _probe(client, factory, shared)
        yield client


def load_factory(factory: str) -> Callable[..., Any]:
    """The function that ``module:function`` names.

    Raises
    ------
    ClusterError
        If there is none.
    """
    module, _, name = factory.partition(":")
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as problem:
        raise ClusterError(
            f"there is no cluster factory {factory!r}", needed="module:function", reason=problem,
            hint="correct DMOD_CLUSTER, or `cluster` in dmod.toml",
        ) from problem  # fmt: skip
    return found


@contextlib.contextmanager
def _own(sizing: Sizing) -> Iterator[Client]:
    """A client of a cluster on this machine that lives as long as the block."""
    from distributed import Client, LocalCluster, Scheduler
    from distributed.deploy.spec import SpecCluster

    from dmod.execution.worker_process import WorkerProcess

    _hush()
    if not sizing.processes:
        cluster: SpecCluster = LocalCluster(
            n_workers=1, threads_per_worker=sizing.workers, processes=False, dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        )  # fmt: skip
    else:
        worker = {"cls": WorkerProcess, "options": {"memory_bytes": sizing.memory_bytes}}
        cluster = SpecCluster(
            workers=dict.fromkeys(range(sizing.workers), worker),
            scheduler={"cls": Scheduler, "options": {"host": "127.0.0.1", "port": 0, "dashboard": False,
                                                         "dashboard_address": "127.0.0.1:0"}},
            worker=worker, silence_logs=logging.CRITICAL, name="dmod",
        )  # fmt: skip
    with cluster, Client(cluster, set_as_default=False) as client:
        client.wait_for_workers(1, timeout=_START_S)
        yield client


def _hush() -> None:
    """Keep Dask's own log off the terminal: what matters of it is said as an error of ours."""
    for name in ("distributed", "distributed.client", "distributed.batched", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextlib.contextmanager
def _existing(scheduler: str) -> Iterator[Client]:
    """A client of a scheduler that runs already."""
    from distributed import Client

    _hush()
    try:
        # A client waits for ever for one who listens but says nothing, so somebody asks first.
        asyncio.run(asyncio.wait_for(_ask(scheduler), _CONNECT_S))
        client = Client(scheduler, timeout=_CONNECT_S, set_as_default=False)
    except Exception as problem:  # addresses go wrong in as many ways as there are transports
        raise ClusterError(
            f"no Dask scheduler answers at {scheduler}",
            waited=f"{_CONNECT_S} s",
            reason=str(problem).partition("\n")[0] or type(problem).__name__,
            hint="check that it runs and is reachable, or leave --scheduler out for a cluster of our own",
        ) from problem
    try:
        yield client
    finally:
        client.close()


async def _ask(scheduler: str) -> None:
    """Have the scheduler say who it is."""
    from distributed.core import rpc

    async with rpc(scheduler, timeout=_CONNECT_S) as there:
        await there.identity()


def _probe(client: Client, scheduler: str, shared: Path) -> None:
    """See that workers are there, have this package, and see the directory."""
    try:
        client.wait_for_workers(1, timeout=_WORKERS_S)
    except TimeoutError as problem:
        raise ClusterError(
            f"the scheduler at {scheduler} has no workers",
            waited=f"{_WORKERS_S} s",
            hint="start some: dask worker " + scheduler,
        ) from problem
    try:
        answers = client.run(_look, str(shared))
    except Exception as problem:  # whatever a worker could not import or unpickle
        raise ClusterError(
            "the workers cannot run dmod",
            scheduler=scheduler,
            reason=f"{type(problem).__name__}: {problem}".splitlines()[0],
            hint="install the same dmod and dask on every worker",
        ) from problem
    here = _look(str(shared))[1]
    if other := {worker: has for worker, (_, has) in answers.items() if has != here}:
        worker, has = next(iter(other.items()))
        raise ClusterError(
            f"{len(other)} of {len(answers)} workers run another dmod", needed=here, has=f"{has} on {worker}",
            hint="install the same versions on every worker, then restart it",
        )  # fmt: skip
    if blind := sorted(worker for worker, (sees, _) in answers.items() if not sees):
        raise ClusterError(
            f"{len(blind)} of {len(answers)} workers do not see the run directory", directory=shared,
            workers=", ".join(blind[:3]), hint="put it on storage that all workers share",
        )  # fmt: skip


def _look(directory: str) -> tuple[bool, str]:
    """Whether a worker sees and may write *directory*, and what it runs."""
    from importlib.metadata import version

    import dmod.engine.part_run  # noqa: F401 - that it can be imported is part of the question

    runs = f"dmod {version('dmod')}, Python {sys.version_info.major}.{sys.version_info.minor}, dask {version('dask')}"
    return Path(directory).is_dir() and os.access(directory, os.W_OK), runs
