"""However a run is cut, and however its forcing lies in the file, the bytes are the same."""

from __future__ import annotations

import shutil
from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest

from dmod.conductor.question import question_of
from dmod.engine.part_run import run_part
from dmod.errors import Cancelled
from dmod.execution.plan import parts_of, plan_run, variables_of
from dmod.formats import run_output
from dmod.formats.forcing import ForcingRef, open_forcing
from dmod.model.check import examine
from dmod.prepare.basin import make_basin
from dmod.schedule.sizing import Sizing
from dmod.session import request_of
from dmod.testing.rivers import MODULES, multi, run_here, tiny_run_directory

CATCHMENTS, DAYS = 24, 3


@pytest.fixture(scope="module")
def basin(tmp_path_factory):
    """A run directory of two dozen catchments, both schemes and all methods of PET among them."""
    return make_basin(tmp_path_factory.mktemp("basin") / "run", catchments=CATCHMENTS, days=DAYS).directory


@pytest.fixture(scope="module")
def whole(basin):
    """Its outputs, run in one piece."""
    return run_here(basin)


def relaid(basin, target, chunks):
    """A copy of the basin whose forcing is stored in *chunks*."""
    shutil.copytree(basin, target, ignore=shutil.ignore_patterns("outputs"))
    (path,) = (target / "forcings").glob("*.nc")
    with h5py.File(path, "r+") as file:
        for name in [n for n, item in file.items() if n != "Time" and item.ndim == 2]:
            values, units = file[name][:], file[name].attrs["units"]
            del file[name]
            file.create_dataset(name, data=values, chunks=chunks, compression="gzip").attrs["units"] = units
    return target


def in_csv(basin, target):
    """A copy of the basin whose forcing is one CSV file per catchment, with the same numbers."""
    shutil.copytree(basin, target, ignore=shutil.ignore_patterns("outputs"))
    (path,) = (target / "forcings").glob("*.nc")
    source = open_forcing(ForcingRef(path, "NetCDF"))
    rows = np.arange(len(source.ids))
    values = {n: source.read(n, rows, 0, source.axis.count).astype(np.float64) for n in source.variables}
    hours = pd.to_datetime(source.axis.start_s + 3600 * np.arange(source.axis.count), unit="s")
    for row, name in enumerate(source.ids):
        table = pd.DataFrame({f"{n} [{source.variables[n]}]": block[row] for n, block in values.items()}, index=hours)
        table.to_csv(path.parent / f"{name}.csv", index_label="time", date_format="%Y-%m-%d %H:%M:%S")
    source.close()
    path.unlink()
    config = target / "config" / "realization.json"
    text = config.read_text().replace('"NetCDF"', '"CsvPerFeature"').replace(f"forcings/{path.name}", "forcings")
    config.write_text(text.replace('"provider"', '"file_pattern": "{{id}}\\\\.csv", "provider"'))
    return target


def laid_out(directory, parts=1):
    """The parts of a run and the file they write to, not yet run."""
    target = directory / "outputs" / "dmod" / "run.nc"
    target.parent.mkdir(parents=True, exist_ok=True)
    case, report = examine(question_of(request_of(directory), every_value=True))
    assert case is not None, report
    plan, network = plan_run(case, Sizing(1, parts, processes=False), target.parent), case.domain.network
    layout = run_output.create(
        target,
        catchments=network.catchments,
        nexuses=network.nexuses,
        start_s=case.start_s,
        step_s=3600,
        steps=case.steps,
        variables=variables_of(case),
        attributes={},
    )
    return parts_of(plan, layout, target.parent / "STOP"), layout


def test_the_run_is_worth_comparing(whole):
    """Rain fell, some of it ran off, and catchments differ."""
    assert whole.sizes["time"] == 24 * DAYS
    assert len(np.unique(whole["Q_OUT"].values[:, -1])) == CATCHMENTS
    assert whole["RAIN_RATE"].sum() > 0
    assert set(np.unique(whole["SURF_RUNOFF_SCHEME"])) <= {1.0, 2.0}
    assert all(np.isfinite(values).all() for values in whole.data_vars.values())
    assert float(whole["nexus_flow"].min()) > 0


@pytest.mark.parametrize("parts", [2, 3, 5, CATCHMENTS])
def test_parts_do_not_change_numbers(basin, whole, parts):
    assert run_here(basin, parts=parts).identical(whole)


@pytest.mark.parametrize("budget", [1, 5_000, 50_000])
def test_the_budget_does_not_change_numbers(basin, whole, budget):
    """1 byte makes a block of every step, 50 kB a few blocks."""
    assert run_here(basin, budget_bytes=budget).identical(whole)


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param((CATCHMENTS, 1), id="a chunk per step"),
        pytest.param((1, 24 * DAYS), id="a chunk per catchment"),
        pytest.param((5, 7), id="blocks that divide nothing"),
    ],
)
@pytest.mark.parametrize(("parts", "budget"), [(1, None), (3, 5_000)])
def test_the_layout_of_forcing_does_not_change_numbers(basin, whole, tmp_path, chunks, parts, budget):
    directory = relaid(basin, tmp_path / "run", chunks)
    assert run_here(directory, parts=parts, budget_bytes=budget).identical(whole)


@pytest.mark.parametrize(("parts", "budget"), [(1, None), (3, 5_000)])
def test_csv_of_the_same_numbers_does_not_change_numbers(basin, whole, tmp_path, parts, budget):
    directory = in_csv(basin, tmp_path / "run")
    assert run_here(directory, parts=parts, budget_bytes=budget).identical(whole)


def test_parts_hold_whole_nexus_groups(basin):
    parts, _ = laid_out(basin, parts=7)
    assert len(parts) > 3
    assert sorted(row for part in parts for row in part.rows) == list(range(CATCHMENTS))
    seen = [set(part.nexus_rows[part.nexus_rows >= 0].tolist()) for part in parts]
    assert sum(map(len, seen)) == len(set().union(*seen))


def test_running_a_part_twice_changes_nothing(basin):
    parts, layout = laid_out(basin, parts=3)
    for part in parts:
        run_part(part)
    once = layout.path.read_bytes()
    run_part(parts[1])
    assert layout.path.read_bytes() == once
    run_part(replace(parts[0], budget_bytes=2_000))
    assert layout.path.read_bytes() == once


def test_a_part_writes_its_own_rows_only(basin):
    """After one of three parts, the rows of the others are still as the file was laid out: zero."""
    parts, layout = laid_out(basin, parts=3)
    run_part(parts[1])
    with h5py.File(layout.path) as file:
        flow = file["Q_OUT"][:]
    assert (flow[parts[1].rows] > 0).any(axis=1).all()
    assert not flow[np.setdiff1d(np.arange(CATCHMENTS), parts[1].rows)].any()


def test_a_report_counts_what_was_done_and_progress_tells_it(basin):
    (part,), _ = laid_out(basin)
    told = []
    report = run_part(replace(part, budget_bytes=20_000), lambda index, done: told.append((index, done)))
    assert report.catchment_steps == CATCHMENTS * 24 * DAYS
    assert told[-1] == (0, CATCHMENTS * 24 * DAYS)
    assert len(told) > 2
    assert sorted(told) == told
    assert min(report.read_s, report.compute_s, report.write_s) > 0


def test_the_stop_flag_stops_before_the_next_block(basin):
    (part,), _ = laid_out(basin)
    part.stop_flag.unlink(missing_ok=True)
    told = []

    def stop(index, done):
        told.append(done)
        part.stop_flag.touch()

    with pytest.raises(Cancelled, match="stopped on request"):
        run_part(replace(part, budget_bytes=1), stop)
    assert len(told) == 1
    assert told[0] < CATCHMENTS * 24 * DAYS
    part.stop_flag.unlink()


def test_a_catchment_without_a_column_has_nan_there_and_not_zero(tmp_path):
    """cat-2 has a formulation of its own, which does not give Q_OUT as *flow*."""
    usual = multi(*MODULES.values(), output_variables=["Q_OUT"], output_header_fields=["flow"])
    other = multi(*MODULES.values(), output_variables=["GW_STORAGE"])
    own = {"cat-2": {"formulations": [other]}}
    made = run_here(tiny_run_directory(tmp_path, formulation=usual, catchments=own))
    assert made["flow"].values[[0, 2], 1].tolist() == [14.0625e-3 / 2] * 2
    assert made["GW_STORAGE"].values[1].tolist() == [0.05] * 6
    assert np.isnan(made["flow"].values[1]).all()
    assert np.isnan(made["GW_STORAGE"].values[[0, 2]]).all()


def test_catchments_of_one_nexus_may_have_formulations_of_their_own(tmp_path):
    """cat-2 is told that 1 mm always leaves it: 2 m3/s besides what cat-1 gives."""
    sloth = {**MODULES["sloth"]["params"], "model_params": {
        **MODULES["sloth"]["params"]["model_params"], "sheet(1,double,mm,node)": 1.0}}  # fmt: skip
    modules = ({"name": "bmi_c++", "params": sloth}, MODULES["pet"], MODULES["cfe"])
    own = {"cat-2": {"formulations": [multi(*modules, main_output_variable="sheet")]}}
    directory = tiny_run_directory(tmp_path, catchments=own)
    made = run_here(directory)
    np.testing.assert_allclose(made["nexus_flow"].values[0], [2.0, 9.03125, 9.03125, 2.0, 2.0, 2.0], rtol=1e-12)
    assert made["nexus_flow"].values[1].tolist() == [0.0, 70.3125, 70.3125, 0.0, 0.0, 0.0]
    assert run_here(directory, parts=2, budget_bytes=1).identical(made)
