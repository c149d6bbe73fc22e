"""However a run is cut and spread, its numbers are the same to the last bit."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pytest

from dmod.execution.plan import parts_of
from dmod.schedule.sizing import Sizing
from dmod.session import Session


@pytest.fixture(scope="module")
def whole(small, tmp_path_factory):
    """The small basin in one part, in this process."""
    job = Session().run(small.directory, output=tmp_path_factory.mktemp("whole") / "out").wait(120)
    assert (job.plan.sizing, len(job.plan.pieces)) == (Sizing(1, 1, False), 1)
    return job


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_numbers_do_not_depend_on_the_number_of_worker_processes(whole, small, start, values, workers):
    job = start(small, workers=workers).wait(120)
    assert job.plan.sizing.processes
    assert job.plan.sizing.workers == workers
    assert values(job) == values(whole)


@pytest.mark.parametrize(("threads", "parts"), [(1, 2), (1, 7), (2, 5), (3, 60)])
def test_numbers_do_not_depend_on_the_number_of_parts(whole, small, start, values, monkeypatch, threads, parts):
    monkeypatch.setattr("dmod.conductor.dask_way.size_run", lambda **_: Sizing(threads, parts, False))
    job = start(small).wait(120)
    groups = len({*job.domain.network.nexus_of.tolist()})
    assert len(job.plan.pieces) == min(parts, groups)
    assert values(job) == values(whole)


def test_numbers_do_not_depend_on_how_little_fits_into_memory(whole, small, start, values, monkeypatch):
    cut = []

    def sparing(plan, layout, stop_flag):
        cut.extend(replace(part, budget_bytes=50_000) for part in parts_of(plan, layout, stop_flag))
        return cut

    monkeypatch.setattr("dmod.conductor.dask_way.parts_of", sparing)
    job = start(small).wait(120)
    assert len(cut) == 1
    assert values(job) == values(whole)


def test_a_few_catchments_alone_give_the_rows_they_have_among_all(whole, small, start):
    job = start(small, catchments=small.gage_ids).wait(120)
    with whole.outputs as everything, job.outputs as some:
        assert set(some["catchment-id"].values) == set(small.gage_ids)
        for name, variable in some.data_vars.items():
            if "catchment-id" in variable.dims:
                among_all = everything[name].sel({"catchment-id": some["catchment-id"].values})
                assert variable.values.tobytes() == among_all.values.tobytes(), name
        # All that drains to the gage's nexus is there, so its flow is whole.
        flow = some["nexus_flow"].sel({"nexus-id": small.gage_nexus}).values
        assert flow.tobytes() == everything["nexus_flow"].sel({"nexus-id": small.gage_nexus}).values.tobytes()


def test_running_again_replaces_the_outputs_by_the_same_bytes(small, start, values):
    first = start(small).wait(120)
    before = values(first)
    assert values(start(small, overwrite=True).wait(120)) == before


def test_the_flow_of_a_nexus_is_the_depths_of_its_catchments_times_their_areas(whole, small):
    with h5py.File(whole.request.target / "run.nc", "r") as file:
        rows = {name.decode(): row for row, name in enumerate(file["catchment-id"][()])}
        nexus = [name.decode() for name in file["nexus-id"][()]].index(small.gage_nexus)
        depth, flow = file["Q_OUT"][()], file["nexus_flow"][nexus]
    area = dict(zip(whole.domain.network.catchments, whole.domain.network.area_km2, strict=True))
    by_hand = sum(depth[rows[name]] * area[name] * 1e6 / 3600 for name in small.gage_ids)
    np.testing.assert_allclose(flow, by_hand, rtol=1e-14)
    assert flow.max() > 0
