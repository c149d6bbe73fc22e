"""A run gets as many workers and parts as make sense, whatever its size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmod.schedule.sizing import Sizing, size_run

RUNS = {
    "catchments": st.integers(1, 2_000_000),
    "steps": st.integers(1, 400_000),
    "cores": st.integers(1, 512),
    "workers": st.none() | st.integers(1, 512),
}


@given(**RUNS, together=st.booleans())
def test_there_is_always_a_worker_and_a_part_and_never_a_part_without_catchments(catchments, together, **run):
    sizing = size_run(catchments=catchments, together=together, **run)
    assert sizing.workers >= 1
    assert 1 <= sizing.parts <= catchments


@given(**RUNS, together=st.booleans())
def test_who_asks_for_workers_gets_that_many_processes(catchments, steps, cores, workers, together):
    sizing = size_run(catchments=catchments, steps=steps, cores=cores, workers=workers, together=together)
    if workers is not None:
        assert (sizing.workers, sizing.processes) == (workers, True)
    else:
        assert sizing.workers <= cores


@given(**RUNS)
def test_where_each_part_reads_all_of_the_forcing_there_is_one_part_for_each_worker(catchments, **run):
    sizing = size_run(catchments=catchments, together=True, **run)
    assert sizing.parts == min(sizing.workers, catchments)


@given(**RUNS)
def test_a_part_stays_small_enough_to_be_lost(catchments, steps, cores, workers):
    sizing = size_run(catchments=catchments, steps=steps, cores=cores, workers=workers)
    largest = -(-catchments // sizing.parts)
    assert largest == 1 or (largest - 1) * steps <= 8_000_000


@pytest.mark.parametrize(
    ("catchments", "steps", "cores", "workers", "sizing"),
    [
        pytest.param(60, 2880, 2, None, Sizing(1, 1, False), id="small: not worth a process"),
        pytest.param(60, 2880, 2, 2, Sizing(2, 8, True), id="small, but workers were asked for"),
        pytest.param(3, 2880, 2, 2, Sizing(2, 3, True), id="fewer catchments than parts wanted"),
        pytest.param(1000, 5000, 4, None, Sizing(4, 16, True), id="just large enough"),
        pytest.param(1000, 4999, 4, None, Sizing(1, 1, False), id="just too small"),
        pytest.param(10_000, 8760, 2, None, Sizing(2, 12, True), id="a year of ten thousand: as many for each worker"),
        pytest.param(2, 9_000_000, 64, None, Sizing(2, 2, True), id="long, not wide"),
    ],
)
def test_sizes_worked_out_by_hand(catchments, steps, cores, workers, sizing):
    assert size_run(catchments=catchments, steps=steps, cores=cores, workers=workers) == sizing
