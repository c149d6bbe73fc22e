"""A run that is stopped or fails ends soon, says why, and leaves nothing that looks complete."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
from distributed import Client

from dmod.errors import Cancelled, RunError
from dmod.formats.outputs import open_outputs

#: A Python model that does what its configuration says: nothing, sleep, or raise.
MODEL = '''
"""A model of one catchment that misbehaves on demand."""
import time
from pathlib import Path


class Moody:
    def initialize(self, config_file):
        self.words, self.rain, self.hours = Path(config_file).read_text().split(), 0.0, 0

    def update(self):
        self.hours += 1
        if self.words[0] == "sleep":
            time.sleep(float(self.words[1]))
        if self.words[0] == "raise" and self.hours == int(self.words[1]):
            raise ArithmeticError("the river ran uphill")

    def finalize(self):
        pass

    def get_input_var_names(self):
        return ("rain",)

    def get_output_var_names(self):
        return ("flow",)

    def get_var_units(self, name):
        return {"rain": "mm h-1", "flow": "m"}[name]

    def get_value(self, name, dest):
        dest[0] = self.rain / 1000 if name == "flow" else self.rain
        return dest

    def set_value(self, name, values):
        self.rain = float(values[0])

    def get_time_units(self):
        return "h"

    def get_time_step(self):
        return 1.0

    def get_current_time(self):
        return float(self.hours)
'''


@pytest.fixture
def moody(small, tmp_path, monkeypatch):
    """The small basin with a Python model; called with what each catchment's configuration says."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "moody_river.py").write_text(MODEL)
    monkeypatch.syspath_prepend(tmp_path / "lib")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lib"), prepend=":")
    directory = tmp_path / "moody"

    def make(words: str, **others: str) -> Path:
        configs = directory / "config" / "moody"
        shutil.copytree(small.directory, directory, ignore=shutil.ignore_patterns("cat_config", "outputs"))
        configs.mkdir()
        for name in small.ids:
            (configs / f"{name}.txt").write_text(others.get(name.replace("-", "_"), words))
        content = json.loads(small.realization.read_text())
        params = {
            "name": "bmi_python",
            "python_type": "moody_river.Moody",
            "model_type_name": "Moody",
            "init_config": "./config/moody/{{id}}.txt",
            "main_output_variable": "flow",
            "uses_forcing_file": False,
            "variables_names_map": {"rain": "precip_rate"},
        }
        content["global"]["formulations"] = [{"name": "bmi_python", "params": params}]
        (directory / "config" / small.realization.name).write_text(json.dumps(content))
        return directory

    return make


@pytest.mark.parametrize("options", [{}, {"workers": 2}], ids=["threads of ours", "processes of ours"])
def test_a_cancelled_run_stops_within_seconds_and_what_it_wrote_is_marked(
    large, start, under_way, our_workers, options
):
    job = start(large, **options)
    under_way(job)
    began = time.monotonic()
    job.cancel()
    with pytest.raises(Cancelled):
        job.wait(60)
    assert time.monotonic() - began < 40
    assert job.state == "cancelled"
    assert our_workers() == []
    target = job.request.target
    partial = Path(job.status()["partial"])
    assert partial == target.with_name("out.partial")
    held = sorted(p.name.partition("-")[0] for p in partial.iterdir())
    assert held == ["PARTIAL", "RESUME", "run.nc.partial"]
    assert not target.exists()
    with pytest.raises(Exception, match=r"(?i)partial|not complete|no outputs"):
        open_outputs(partial)


def test_after_a_cancelled_run_the_next_one_completes_and_clears_up(large, start, under_way, values, undisturbed):
    job = start(large)
    under_way(job)
    job.cancel()
    with pytest.raises(Cancelled):
        job.wait(60)
    again = start(large).wait(60)
    assert values(again) == undisturbed
    assert not again.request.target.with_name("out.partial").exists()


def test_a_run_cancelled_at_once_never_gets_to_run(small, start):
    job = start(small, workers=1)
    job.cancel()
    with pytest.raises(Cancelled):
        job.wait(60)
    assert job.state == "cancelled"
    assert "running" not in [event.state for event in job.events]
    assert not job.request.target.exists()


def test_cancelling_what_is_complete_changes_nothing(small, start):
    job = start(small).wait(60)
    job.cancel()
    assert job.wait(1).state == "complete"
    assert job.request.target.is_dir()


def test_earlier_outputs_survive_a_run_that_was_to_replace_them(small, start, values, moody):
    earlier = values(start(small).wait(60))
    again = start(replace(small, directory=moody("raise 3")), overwrite=True)
    with pytest.raises(RunError):
        again.wait(60)
    assert values(again) == earlier


@pytest.mark.parametrize("options", [{}, {"workers": 1}], ids=["thread of ours", "process of ours"])
def test_a_model_that_fails_while_running_fails_the_run_with_its_own_words(moody, small, start, options):
    job = start(replace(small, directory=moody("raise 7")), **options)
    with pytest.raises(RunError) as caught:
        job.wait(60)
    assert "the river ran uphill" in str(caught.value)
    assert "ArithmeticError" in str(caught.value)
    assert caught.value.exit_code == 1
    assert (job.state, job.events[-1].state) == ("failed", "failed")
    assert list(job.request.target.parent.glob("out*")) == []


def test_a_failed_run_leaves_no_task_at_work_on_a_cluster_of_somebody_else(moody, small, start, outside):
    outside.add_worker()
    outside.add_worker()
    with Client(outside.address, set_as_default=False, timeout=10) as client:
        client.wait_for_workers(2, timeout=60)
        # One catchment fails at once; all others would take two minutes each.
        directory = moody("sleep 1", cat_1="raise 1")
        job = start(replace(small, directory=directory), scheduler=outside.address, catchments="cat-1,cat-2")
        with pytest.raises(RunError, match="a task failed"):
            job.wait(60)
        assert not job.request.target.with_name("out.partial").exists()
        assert client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)) == 0


def test_a_slow_python_model_stops_within_seconds_too(moody, small, start):
    job = start(replace(small, directory=moody("sleep 0.01")), catchments=small.ids[:20])
    while job.state not in ("running", "failed"):
        time.sleep(0.01)
    time.sleep(0.5)
    began = time.monotonic()
    job.cancel()
    with pytest.raises(Cancelled):
        job.wait(60)
    assert time.monotonic() - began < 40
