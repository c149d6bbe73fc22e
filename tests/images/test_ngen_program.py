"""Our program is started as ngen is, and computes what a session computes, to the last bit."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys

import h5py
import numpy as np
import psutil
import pytest

from dmod.formats.partition_json import read_partitions
from dmod.testing.rivers import tiny_run_directory


@pytest.mark.parametrize("ranks", [None, 2, 4])
def test_numbers_are_those_of_dask_whatever_the_number_of_ranks(ngen, whole, by_dask, values, tmp_path, ranks):
    partitions = [f"partitions_{ranks}.json"] if ranks else []
    done = ngen(*whole, *partitions, ranks=ranks, DMOD_OUTPUT=str(tmp_path / "run.nc"))
    assert done.returncode == 0, done.stderr
    assert values(tmp_path / "run.nc") == by_dask
    assert [path.name for path in tmp_path.iterdir()] == ["run.nc"]
    assert done.stdout.count("Finished 120 timesteps.\n") == (ranks or 1)


def test_one_rank_of_mpirun_runs_everything_without_a_partition_file(ngen, whole, by_dask, values, tmp_path):
    done = ngen(*whole, ranks=1, DMOD_OUTPUT=str(tmp_path / "run.nc"))
    assert done.returncode == 0, done.stderr
    assert values(tmp_path / "run.nc") == by_dask


@pytest.mark.parametrize("ranks", [None, 2])
def test_without_a_name_for_our_file_outputs_are_the_files_of_ngen(basin, ngen, whole, as_ngen, tmp_path, ranks):
    realization = json.loads(basin.realization.read_text())
    realization["output_root"] = str(tmp_path / "made" / "here")
    (tmp_path / "realization.json").write_text(json.dumps(realization))
    partitions = [f"partitions_{ranks}.json"] if ranks else []
    done = ngen(*whole[:4], str(tmp_path / "realization.json"), *partitions, ranks=ranks)
    assert done.returncode == 0, done.stderr
    expected = {path.name: path.read_bytes() for path in as_ngen.glob("*.csv")}
    assert len(expected) > 60
    assert {path.name: path.read_bytes() for path in (tmp_path / "made" / "here").iterdir()} == expected


def test_files_of_ranks_go_to_directories_of_their_own_where_the_realization_says(
    basin, ngen, whole, as_ngen, tmp_path
):
    realization = json.loads(basin.realization.read_text())
    realization.pop("output_root", None)
    realization["output"] = {"root": str(tmp_path / "out"), "catchment": {"rank_subdir": True}}
    (tmp_path / "realization.json").write_text(json.dumps(realization))
    done = ngen(*whole[:4], str(tmp_path / "realization.json"), "partitions_2.json", ranks=2)
    assert done.returncode == 0, done.stderr
    for number, rank in enumerate(read_partitions(basin.directory / "partitions_2.json")):
        names = {f"{name}.csv" for name in rank.catchments if name.startswith("cat-")}
        made = {path.name: path.read_bytes() for path in (tmp_path / "out" / f"rank_{number}").iterdir()}
        assert made == {name: (as_ngen / name).read_bytes() for name in names}
    assert {p.name for p in (tmp_path / "out").glob("*.csv")} == {p.name for p in as_ngen.glob("*nx-*.csv")} | {
        p.name for p in as_ngen.glob("nex-*.csv")
    }


def test_a_file_that_splits_nexuses_gives_the_same_numbers_and_a_line_about_it(
    basin, ngen, whole, by_dask, values, tmp_path
):
    """Every second catchment to every second rank splits all nexuses with several."""
    ids = list(basin.ids)
    halves = [{"id": k, "cat-ids": [*ids[k::2], f"wb-TERMINAL_SENTINEL-nex-{k}"], "nex-ids": []} for k in (0, 1)]
    foreign = tmp_path / "foreign.json"
    foreign.write_text(json.dumps({"partitions": halves}))
    (tmp_path / "out").mkdir()
    done = ngen(*whole, str(foreign), ranks=2, DMOD_OUTPUT=str(tmp_path / "out" / "run.nc"))
    assert done.returncode == 0, done.stderr
    assert values(tmp_path / "out" / "run.nc") == by_dask
    assert re.search(r"foreign\.json: \d+ catchments of \d+ nexuses were moved", done.stderr)


def test_the_log_is_that_of_ngen(ngen, whole, tmp_path):
    done = ngen(*whole, DMOD_OUTPUT=str(tmp_path / "run.nc"))
    lines = [line for line in done.stdout.splitlines() if not line.startswith("Running timestep")]
    assert lines[0].startswith("NGen Framework 0.3.0")
    assert lines[1:11] == [
        "Building Nexus collection",
        "Reading 29 features from layer nexus using ID column `id`",
        "Building Catchment collection",
        "Reading 60 features from layer divides using ID column `divide_id`",
        "Initializing formulations",
        "Not Using Routing",
        "Building Feature Index",
        "Catchment topology is dendritic.",
        "Running Models",
        "Finished 120 timesteps.",
    ]
    assert lines[11] == "NGen top-level timings:"


def test_some_catchments_alone_are_run_where_only_they_are_named(basin, ngen, whole, by_dask, tmp_path):
    some = basin.gage_ids
    done = ngen(whole[0], ",".join(some), *whole[2:], DMOD_OUTPUT=str(tmp_path / "run.nc"))
    assert done.returncode == 0, done.stderr
    with h5py.File(tmp_path / "run.nc") as file:
        assert {name.decode() for name in file["catchment-id"][()]} == set(some)
        depth = file["Q_OUT"][()]
        row = [name.decode() for name in file["catchment-id"][()]].index(some[0])
    everything = np.frombuffer(by_dask["Q_OUT"]).reshape(60, 120)
    assert depth[row].tobytes() == everything[basin.ids.index(some[0])].tobytes()


def test_without_arguments_there_is_the_usage_and_with_info_what_it_is(ngen):
    shown, told = ngen(), ngen("--info")
    assert (shown.returncode, told.returncode) == (0, 1)
    assert "<partitions.json>" in shown.stdout
    assert told.stdout.startswith("NGen Framework 0.3.0")


@pytest.mark.parametrize(
    ("change", "ranks", "said"),
    [
        pytest.param(lambda w: w[:3], None, "Missing required arguments: 3 of 5", id="too few"),
        pytest.param(lambda w: ("no.gpkg", *w[1:]), None, "catchment data cannot be read", id="no catchments"),
        pytest.param(lambda w: (*w[:2], "no.gpkg", *w[3:]), None, "nexus data cannot be read", id="no nexuses"),
        pytest.param(lambda w: (*w[:4], "no.json"), None, "realization cannot be read", id="no realization"),
        pytest.param(lambda w: w, 2, "Missing required argument for partition file path.", id="no partitions named"),
        pytest.param(lambda w: (*w, "no.json"), 2, "partition file cannot be read", id="no partitions"),
        pytest.param(lambda w: (*w, "partitions_2.json", "--odd"), 2, "Unexpected arg '--odd'", id="odd flag"),
    ],
)
def test_wrong_arguments_end_with_255_as_with_ngen(ngen, whole, change, ranks, said):
    done = ngen(*change(whole), ranks=ranks)
    assert done.returncode == 255, done.stderr
    assert done.stderr.count(said) == 1


def fewer(listed):
    listed[0]["cat-ids"].pop()


def twice(listed):
    listed[0]["cat-ids"].append(listed[1]["cat-ids"][0])


def stranger(listed):
    listed[0]["cat-ids"].append("cat-9999")


def more(listed):
    listed.append({"id": 2, "cat-ids": [listed[0]["cat-ids"].pop()], "nex-ids": []})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (fewer, "in no partition"),
        (twice, "in more than one partition"),
        (stranger, "not in the domain"),
        (more, "one rank for each partition"),
    ],
)
def test_a_partition_file_that_does_not_fit_is_refused_before_anything_is_written(
    basin, ngen, whole, tmp_path, spoil, said
):
    content = json.loads((basin.directory / "partitions_2.json").read_text())
    spoil(content["partitions"])
    (tmp_path / "p.json").write_text(json.dumps(content))
    (tmp_path / "out").mkdir()
    done = ngen(*whole, str(tmp_path / "p.json"), ranks=2, DMOD_OUTPUT=str(tmp_path / "out" / "run.nc"))
    assert done.returncode == 1, done.stderr
    assert done.stderr.count(said) == 1
    assert list((tmp_path / "out").iterdir()) == []


def test_what_the_check_finds_is_said_and_ends_with_1(basin, ngen, whole, tmp_path):
    realization = json.loads(basin.realization.read_text())
    realization["time"]["end_time"] = "2031-01-01 00:00:00"
    (tmp_path / "realization.json").write_text(json.dumps(realization))
    done = ngen(*whole[:4], str(tmp_path / "realization.json"), DMOD_OUTPUT=str(tmp_path / "run.nc"))
    assert done.returncode == 1
    assert "CheckError" in done.stderr
    assert not (tmp_path / "run.nc").exists()


MODEL = """
import time

import numpy as np


class Bucket:
    def initialize(self, config_file):
        self._is_last, self._hours = "cat-3" in config_file, 0
        self._values = {"rain": np.zeros(1), "flow": np.zeros(1)}

    def update(self):
        self._hours += 1
        if ACT == "fail" and self._is_last and self._hours == 3:
            raise ValueError("the bucket leaks")
        if ACT == "linger":
            time.sleep(0.01)

    def finalize(self):
        pass

    def get_input_var_names(self):
        return ("rain",)

    def get_output_var_names(self):
        return ("flow",)

    def get_var_units(self, name):
        return {"rain": "mm h-1", "flow": "m"}[name]

    def get_time_units(self):
        return "s"

    def get_time_step(self):
        return 3600.0

    def get_current_time(self):
        return 3600.0 * self._hours

    def get_value(self, name, dest):
        dest[:] = self._values[name]
        return dest

    def set_value(self, name, src):
        self._values[name][:] = src
"""


@pytest.fixture
def river(tmp_path):
    """A river of two ranks with a model that fails in the second of them, or lingers: a minute in all."""

    def made(act: str) -> list[str]:
        formulation = {
            "name": "bmi_python",
            "params": {
                "model_type_name": "Bucket", "python_type": "leaky_bucket.Bucket",
                "init_config": "config/CFE/{{id}}.ini", "main_output_variable": "flow",
                "variables_names_map": {"rain": "precip_rate"},
            },
        }  # fmt: skip
        directory = tiny_run_directory(tmp_path / "run", hours=2000, formulation=formulation)
        (directory / "leaky_bucket.py").write_text(f"ACT = {act!r}\n{MODEL}")
        halves = [{"id": 0, "cat-ids": ["cat-1", "cat-2"]}, {"id": 1, "cat-ids": ["cat-3"]}]
        (directory / "partitions.json").write_text(json.dumps({"partitions": halves}))
        return ["config/tiny.gpkg", "all", "config/tiny.gpkg", "all", "config/realization.json", "partitions.json"]

    return made


def test_a_rank_that_fails_ends_all_of_them(ngen, river, tmp_path):
    words, home = river("fail"), tmp_path / "run"
    done = ngen(*words, ranks=2, cwd=home, PYTHONPATH=str(home), DMOD_OUTPUT=str(tmp_path / "run.nc"))
    assert done.returncode == 1
    assert "the bucket leaks" in done.stderr
    assert "RunError: a task failed" in done.stderr
    assert not (tmp_path / "run.nc").exists()


@pytest.fixture
def lingering(river, launched, tmp_path):
    """Starts a run that lasts, and waits until it computes; it does not outlive the test."""
    started = []

    def start(ranks: int | None) -> subprocess.Popen[str]:
        words, home = river("linger"), tmp_path / "run"
        running = subprocess.Popen(
            [*launched(ranks), sys.executable, "-m", "dmod.execution.ngen_program", *words], cwd=home, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(home), "DMOD_OUTPUT": str(tmp_path / "run.nc")},
        )  # fmt: skip
        started.append(running)
        for line in running.stdout:
            if line.startswith("Running timestep"):
                return running
        pytest.fail(f"it ended before it computed: {running.wait()}")

    yield start
    for running in started:
        running.kill()
        running.stdout.close()
        running.wait()


@pytest.mark.parametrize("ranks", [None, 2])
def test_a_run_that_is_told_to_end_does_so_at_once(lingering, tmp_path, ranks):
    running = lingering(ranks)
    running.send_signal(signal.SIGTERM)
    code = running.wait(60)
    assert code == 143 if ranks is None else code != 0
    assert not (tmp_path / "run.nc").exists()


def test_a_rank_that_is_killed_ends_all_of_them(lingering, tmp_path):
    running = lingering(2)
    ranks = [one for one in psutil.Process(running.pid).children(recursive=True) if "python" in one.name()]
    assert len(ranks) == 2
    ranks[1].kill()
    assert running.wait(60) != 0
    assert psutil.wait_procs(ranks, timeout=60)[1] == []
    assert not (tmp_path / "run.nc").exists()
