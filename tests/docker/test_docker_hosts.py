"""Ranks in several containers: on a bridge of one engine, and on two engines that are one swarm."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from two_nodes import Nodes, brought_up

from dmod.errors import EngineError
from dmod.execution.docker_engine import connect
from dmod.execution.docker_run import attach, clear, launch
from dmod.execution.mpi_plan import Place

pytestmark = pytest.mark.docker


@pytest.fixture
def nodes(stub) -> Iterator[Nodes]:
    """Two engines with the image of the stub."""
    with brought_up(stub.name) as both:
        yield both


@pytest.mark.parametrize(("count", "mpi"), [(2, "mpich"), (3, "mpich"), (2, "openmpi")])
def test_ranks_in_several_containers_are_one_run(plan, follow, remains, stub_of, count, mpi):
    places = tuple(Place(f"h{n}", 1, 0.5, 2**28) for n in range(count))
    asked = plan(400, 1, "mpi", places=places, image=stub_of(mpi))
    run = launch(asked)
    ended = follow(run)
    assert ended.failure is None
    for rank in range(count):
        assert f"the sum is {sum(range(count))}" in ended.rank(rank)
    assert not [line for line in ended.lines if "LAUNCH" in line]
    assert [usage.host for usage in ended.last.usage] == [f"h{n}" for n in range(count)]
    run.close()
    assert remains(asked) == []


def test_a_rank_that_fails_on_another_host_fails_the_run(plan, follow, remains):
    asked = plan(200, 0.2, "abort", places=(Place("h0", 1), Place("h1", 1)))
    run = launch(asked)
    ended = follow(run)
    run.close()
    assert ended.failure.facts["exit"] == 134
    assert "Forcing data could not be found" in str(ended.failure)
    assert remains(asked) == []


def test_a_host_without_memory_is_named(plan, follow):
    run = launch(plan(200, 0.2, "memory", places=(Place("h0", 1), Place("h1", 1, None, 2**27))))
    ended = follow(run)
    run.close()
    assert "more memory than it was given" in str(ended.failure)
    assert ended.failure.facts["host"] == "h1"


def test_a_container_of_one_host_that_is_removed_fails_the_run(plan, follow, engine, until):
    asked = plan(100_000, 600, places=(Place("h0", 1), Place("h1", 1)))
    run = launch(asked)
    lines = []
    until(lambda: lines.extend(run.news()) or len(lines) > 3)
    engine.containers.get(asked.container(1)).remove(force=True)
    began = time.monotonic()
    ended = follow(run)
    assert time.monotonic() - began < 30
    assert ended.failure is not None
    until(lambda: engine.containers.get(asked.container(0)).status == "exited")
    run.close()


def test_several_containers_are_stopped_and_found_again(plan, remains, engine):
    asked = plan(100_000, 600, places=(Place("h0", 1), Place("h1", 1)))
    launch(asked).leave()
    names = {engine.containers.get(name).id for name in remains(asked) if name != asked.network}
    assert len(names) == 3
    run = attach(asked)
    assert {engine.containers.get(name).id for name in remains(asked) if name != asked.network} == names
    began = time.monotonic()
    run.close()
    assert time.monotonic() - began < 30
    assert remains(asked) == []


def test_hosts_cannot_be_several_where_it_is_not_known_whose_mpi_it_is(plan, stub, remains):
    asked = plan(100, 1, image=replace(stub, mpi="unknown"), places=(Place("h0", 1), Place("h1", 1)))
    with pytest.raises(EngineError, match="not known whose MPI"):
        launch(asked)
    assert remains(asked) == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_two_engines_are_one_run_and_the_loss_of_one_is_its_end(plan, follow, nodes, until):
    """One test, since the nodes take longer than the runs."""
    places = (nodes.place(1), nodes.place(2))
    asked = plan(400, 1, "mpi", places=places)
    run = launch(asked)
    ended = follow(run)
    assert ended.failure is None
    assert [f"the sum is {1}" in ended.rank(rank) for rank in (0, 1)] == [True, True]
    run.close()
    until(lambda: [nodes.left(number, asked.job) for number in (1, 2)] == [[], []], 60)

    asked = plan(100_000, 600, places=places)
    run = launch(asked)
    lines = []
    until(lambda: lines.extend(run.news()) or len(lines) > 3)
    nodes.network(2, "down")
    began = time.monotonic()
    ended = follow(run, 90)
    assert time.monotonic() - began < 60
    assert "node 2" in str(ended.failure)
    nodes.network(2, "up")
    until(lambda: run.close() or [nodes.left(number, asked.job) for number in (1, 2)] == [[], []], 60)

    asked = plan(100_000, 600, places=places)
    run = launch(asked)
    lines = []
    until(lambda: lines.extend(run.news()) or len(lines) > 3)
    os.kill(int((nodes.folder / "n2/docker.pid").read_text()), signal.SIGKILL)
    began = time.monotonic()
    ended = follow(run)
    assert time.monotonic() - began < 60
    assert "node 2" in str(ended.failure)
    began = time.monotonic()
    run.close()
    assert time.monotonic() - began < 40
    assert nodes.left(1, asked.job) in ([], [asked.network])
    # The swarm keeps a network for a node that may come back, and gives it free with the node.
    with contextlib.closing(connect(places[0].engine)) as manager:
        for node in manager.nodes.list():
            if node.attrs["Spec"]["Role"] != "manager":
                manager.api.remove_node(node.id, force=True)
    until(lambda: clear(asked) or nodes.left(1, asked.job) == [], 30)
    gc.collect()  # the SDK leaves its sockets to a dead engine to the collector


def test_engines_that_are_no_swarm_are_refused(plan, tmp_path):
    here = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    asked = plan(100, 1, places=(Place("h0", 1), Place("h1", 1, engine=here)))
    with pytest.raises(EngineError, match="manages a swarm") as caught:
        launch(asked)
    assert "docker swarm init" in caught.value.hint
