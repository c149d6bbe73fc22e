"""Running on a Dask cluster that somebody else has started, and leaving it as it was."""

from __future__ import annotations

import shutil
import subprocess
import time

import pytest
from distributed import Client

from dmod.errors import ClusterError


def left_over(address: str) -> dict[str, int]:
    """What a scheduler still holds, after a moment to forget."""

    def count(me, dask_scheduler):
        others = set(dask_scheduler.clients) - {me, "fire-and-forget"}
        return {"tasks": len(dask_scheduler.tasks), "clients": len(others)}

    with Client(address, set_as_default=False, timeout=10) as client:
        until = time.monotonic() + 60
        while any((held := client.run_on_scheduler(count, client.id)).values()) and time.monotonic() < until:
            time.sleep(0.05)
    return held


def workers_of(address: str) -> int:
    """How many workers a scheduler has, once there is one."""
    with Client(address, set_as_default=False, timeout=10) as client:
        client.wait_for_workers(1, timeout=30)
        return len(client.ncores())


@pytest.fixture
def cluster(outside_with_workers):
    """The cluster of the module, whole before and after each test."""
    with Client(outside_with_workers.address, set_as_default=False, timeout=10) as client:
        client.wait_for_workers(2, timeout=30)
    yield outside_with_workers
    assert workers_of(outside_with_workers.address) == 2
    assert left_over(outside_with_workers.address) == {"tasks": 0, "clients": 0}


def test_a_run_on_an_existing_cluster_gives_the_same_bytes_and_leaves_it_whole(small, start, values, cluster):
    here = values(start(small).wait(120))
    job = start(small, scheduler=cluster.address, overwrite=True).wait(120)
    assert values(job) == here
    assert cluster.address in str(job.plan)
    assert [e.message for e in job.events if e.state == "allocated"] == [f"2 cores on {cluster.address}"]


def test_two_runs_share_a_cluster(small, start, values, cluster, tmp_path):
    both = [start(small, scheduler=cluster.address, output=tmp_path / name) for name in ("one", "two")]
    one, two = (values(job.wait(120)) for job in both)
    assert one == two


def test_a_cancelled_run_leaves_an_existing_cluster_idle(large, start, under_way, cluster):
    job = start(large, scheduler=cluster.address)
    under_way(job)
    job.cancel()
    with pytest.raises(Exception, match="cancelled"):
        job.wait(60)
    # At once: whoever uses the cluster next finds its cores free.
    with Client(cluster.address, set_as_default=False, timeout=10) as client:
        assert set(client.run(lambda dask_worker: len(dask_worker.state.executing)).values()) == {0}


def test_nobody_listening_is_one_clear_error(small, start, monkeypatch):
    monkeypatch.setattr("dmod.execution.cluster._CONNECT_S", 1)
    job = start(small, scheduler="tcp://127.0.0.1:9")
    with pytest.raises(ClusterError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9") as caught:
        job.wait(60)
    assert caught.value.exit_code == 2
    assert not job.request.target.with_name("out.partial").exists()


@pytest.mark.parametrize("address", ["nowhere", "tcp://", "tcp://host:port", "carrier-pigeon://a:1"])
def test_what_is_no_address_is_one_clear_error(small, start, monkeypatch, address):
    monkeypatch.setattr("dmod.execution.cluster._CONNECT_S", 1)
    with pytest.raises(ClusterError, match="no Dask scheduler answers"):
        start(small, scheduler=address).wait(30)


def test_a_scheduler_without_workers_is_one_clear_error(small, start, outside, monkeypatch):
    monkeypatch.setattr("dmod.execution.cluster._WORKERS_S", 1)
    job = start(small, scheduler=outside.address)
    with pytest.raises(ClusterError, match="has no workers") as caught:
        job.wait(60)
    assert f"dask worker {outside.address}" in caught.value.hint
    assert not job.request.target.with_name("out.partial").exists()
    assert left_over(outside.address) == {"tasks": 0, "clients": 0}


def test_workers_without_dmod_are_one_clear_error(small, start, outside, tmp_path):
    (tmp_path / "other" / "dmod").mkdir(parents=True)
    (tmp_path / "other" / "dmod" / "__init__.py").write_text('"""Another package of that name."""\n')
    outside.add_worker(env={"PYTHONPATH": str(tmp_path / "other")})
    job = start(small, scheduler=outside.address)
    with pytest.raises(ClusterError, match="the workers cannot run dmod") as caught:
        job.wait(60)
    assert "dmod" in caught.value.facts["reason"]
    assert not job.request.target.with_name("out.partial").exists()


def can_unshare() -> bool:
    """Whether this process may give a child a view of its own on the file system."""
    found = shutil.which("unshare")
    return found is not None and subprocess.run([found, "-m", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not can_unshare(), reason="this process may not give a child mounts of its own")
def test_workers_that_do_not_see_the_outputs_are_one_clear_error(small, start, outside, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    hidden = f'mount -t tmpfs none {shared} && exec "$@"'
    outside.add_worker("unshare", "-m", "--propagation", "private", "sh", "-c", hidden, "sh")
    job = start(small, scheduler=outside.address, output=shared / "out")
    with pytest.raises(ClusterError, match="1 of 1 workers do not see the run directory"):
        job.wait(60)
    assert list(shared.iterdir()) == []
