"""Our image on two container engines: the same numbers as anywhere."""

from __future__ import annotations

import pytest
from two_nodes import brought_up

from dmod.session import Session

pytestmark = pytest.mark.docker


def test_numbers_do_not_depend_on_how_many_hosts_ranks_are_on(basin, by_dask, values, worker_image, tmp_path):
    # Both nodes see the same files, as hosts with a shared file system do.
    with brought_up(worker_image) as nodes, Session() as session:
        hosts = [nodes.address(1), nodes.address(2)]
        asked = {"on": "docker", "image": worker_image, "hosts": hosts, "paradigm": "round_robin"}
        plan = session.plan(basin.directory, ranks=2, output=tmp_path / "planned", **asked)
        assert [place.ranks for place in plan.mpi.places] == [1, 1]
        for ranks in (2, 4):
            out = tmp_path / f"out-{ranks}"
            job = session.run(basin.directory, ranks=ranks, output=out, **asked).wait(180)
            assert values(out / "run.nc") == by_dask
            assert [nodes.left(number, job.id) for number in (1, 2)] == [[], []]
