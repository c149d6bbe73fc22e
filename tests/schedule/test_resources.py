"""What is asked for and offered, and what this machine has."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmod.errors import AllocationError
from dmod.schedule.host_here import host_here
from dmod.schedule.resources import Host, Resources, memory_text, read_memory

GIB = 2**30


@pytest.mark.parametrize(
    ("text", "size"),
    [("8 GiB", 8 * GIB), ("8Gi", 8 * GIB), ("8GB", 8 * 10**9), ("8 g", 8 * 10**9), (" .5 MiB ", 2**19), ("7", 7)],
)
def test_memory_is_read_as_people_write_it(text, size):
    assert Resources.of(1, text) == Resources(1, size)


@pytest.mark.parametrize("text", ["", "GiB", "eight GiB", "-1 GB", "1 GiBit", "1e3", -1, 1.5, None])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(AllocationError, match="cannot read the memory"):
        read_memory(text)


@pytest.mark.parametrize(("cores", "memory"), [(0, 0), (-1, 0), (1, -1)])
def test_nobody_asks_for_less_than_a_core_or_less_than_nothing(cores, memory):
    with pytest.raises(AllocationError):
        Resources(cores, memory)


@given(st.integers(0, 2**50))
def test_memory_as_it_is_said_is_never_more_than_it_is(size):
    assert read_memory(memory_text(size).replace("bytes", "B")) <= size


def test_a_host_that_is_held_by_others_has_less_and_never_less_than_nothing():
    host = Host("a", 8, 16 * GIB)
    assert host.without([("a", 3, GIB), ("b", 5, GIB), ("a", 1, 0)]) == Host("a", 8, 16 * GIB, 4, 15 * GIB)
    assert host.without([("a", 9, 17 * GIB)]) == Host("a", 8, 16 * GIB, 0, 0)
    assert host.without([("a", 9, 17 * GIB)]).emptied() == host


def test_a_host_with_more_free_than_it_has_is_refused():
    with pytest.raises(ValueError, match="free_cores is 9, and cores 8"):
        Host("a", 8, GIB, 9, 0)


def test_this_machine_has_the_cores_this_process_may_run_on():
    here = Host.here()
    assert 1 <= here.cores <= len(os.sched_getaffinity(0))
    assert here.emptied() == here
    assert here.memory_bytes > 2**28


def system(root, files):
    """A machine of 64 GiB whose ``proc`` and ``sys`` have these files."""
    for name, text in {"proc/meminfo": "MemFree: 1 kB\nMemTotal:       67108864 kB\n", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture
def many_cores(monkeypatch):
    """Sixteen cores to run on."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))


@pytest.mark.usefixtures("many_cores")
@pytest.mark.parametrize(
    ("files", "cores", "gibibytes"),
    [
        pytest.param({}, 16, 64, id="no groups"),
        pytest.param(
            {
                "proc/self/cgroup": "0::/slurm/job1/step0\n",
                "sys/fs/cgroup/slurm/job1/memory.max": f"{8 * GIB}\n",
                "sys/fs/cgroup/slurm/job1/cpu.max": "350000 100000\n",
                "sys/fs/cgroup/slurm/job1/step0/memory.max": "max\n",
                "sys/fs/cgroup/slurm/job1/step0/cpu.max": "max 100000\n",
            },
            3, 8, id="version 2, limited by a group further up",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "0::/\n",
                "sys/fs/cgroup/memory.max": f"{GIB}\n",
                "sys/fs/cgroup/cpu.max": "50000 100000",
            },
            1, 1, id="version 2 in a container, half a core",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "400000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2 * GIB}\n",
            },
            4, 2, id="version 1 in a container, which does not see its own path",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "5:cpu,cpuacct:/\n4:memory:/\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            16, 64, id="version 1 without limits",
        ),
        pytest.param({"proc/self/cgroup": "0::/../..\n", "sys/fs/cgroup/memory.max": "0\n"}, 16, 64, id="odd"),
    ],
)  # fmt: skip
def test_limits_of_control_groups_count(tmp_path, files, cores, gibibytes):
    host = host_here(system(tmp_path, files))
    assert (host.cores, host.memory_bytes) == (cores, gibibytes * GIB)
