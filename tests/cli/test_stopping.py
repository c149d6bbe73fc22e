"""Runs that do not end well: Ctrl-C, a killed program, a full disk. Nothing half-made looks whole."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import pytest

from dmod.cli.commands import app
from dmod.prepare.basin import make_basin

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")

COMMAND = [sys.executable, "-c", "from dmod.cli.commands import main; main()"]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory with nothing wrong: 400 catchments, 200 days, 13 outputs, 200 MB of them."""
    return make_basin(tmp_path_factory.mktemp("large") / "basin", catchments=400, days=200).directory


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the program; whatever is left of it is killed when the test ends."""
    begun: list[subprocess.Popen[str]] = []

    def start(*words: str | Path, **options: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "DMOD_TEST_MARK": str(tmp_path)}, **options,
        )  # fmt: skip
        begun.append(process)
        return process

    yield start
    for left in (*(process.pid for process in begun if process.poll() is None), *family(tmp_path)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(left, signal.SIGKILL)
    for process in begun:
        process.communicate()


def family(mark: Path) -> list[int]:
    """All living processes that descend from a test's program: they have its mark in their environment."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"DMOD_TEST_MARK={mark}\0".encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
    return found


def until(what: Callable[[], object], seconds: float) -> bool:
    """Wait until something is so; whether it came to be in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.02)
    return False


def test_ctrl_c_stops_a_run_and_leaves_a_marked_part(sound, started, tmp_path):
    target, partial = tmp_path / "out", tmp_path / "out.partial"
    program = started("run", sound, "--output", target, "--workers", "2")
    assert until((partial / "run.nc.partial").exists, 60), "the run never began"
    program.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, said = program.communicate(timeout=30)
    assert time.monotonic() - began < 60
    assert program.returncode == 1, said
    assert "Traceback" not in said
    assert "stopped" in said
    assert str(partial) in said
    assert not target.exists()
    assert (partial / "PARTIAL").is_file()
    with h5py.File(partial / "run.nc.partial") as file:
        assert file.attrs["dmod_status"] == "partial"
    assert not list(partial.rglob("run.nc"))
    assert until(lambda: not family(tmp_path), 5), "workers outlived the program"

    again = started("run", sound, "--output", target, "--end", "2015-10-01 05:00:00", "--quiet")
    _, said = again.communicate(timeout=120)
    assert (again.returncode, said) == (0, "")
    assert (target / "run.nc").is_file()
    assert not partial.exists()


@pytest.mark.parametrize("after_s", [0.0, 0.7])
def test_ctrl_c_at_another_moment_ends_with_one_or_comes_too_late(sound, started, tmp_path, after_s):
    target, partial = tmp_path / "out", tmp_path / "out.partial"
    program = started("run", sound, "--output", target, "--workers", "1")
    assert until(partial.exists, 60), "the run never began"
    time.sleep(after_s)
    program.send_signal(signal.SIGINT)
    _, said = program.communicate(timeout=30)
    assert "Traceback" not in said, said
    if program.returncode == 0:
        assert (target / "run.nc").is_file()
        return
    assert program.returncode == 1, said
    assert not target.exists()


def test_two_ctrl_c_end_at_once_and_leave_no_worker(sound, started, tmp_path):
    target, partial = tmp_path / "out", tmp_path / "out.partial"
    program = started("run", sound, "--output", target, "--workers", "2")
    assert until((partial / "run.nc.partial").exists, 60), "the run never began"
    program.send_signal(signal.SIGINT)
    time.sleep(0.1)
    program.send_signal(signal.SIGINT)
    _, said = program.communicate(timeout=30)
    assert program.returncode == 1, said
    assert "Traceback" not in said, said
    assert not target.exists()
    assert until(lambda: not family(tmp_path), 30), "workers outlived the program"


@pytest.mark.parametrize("moment", ["its workers start", "it runs"])
def test_the_workers_of_a_program_that_is_killed_end_by_themselves(sound, started, tmp_path, moment):
    target, partial = tmp_path / "out", tmp_path / "out.partial"
    program = started("run", sound, "--output", target, "--workers", "2")
    begun = (partial / "run.nc.partial").exists if moment == "it runs" else lambda: len(family(tmp_path)) == 3
    assert until(begun, 60), "the run never began"
    program.kill()
    program.wait()
    assert until(lambda: not family(tmp_path), 30), "workers outlived the program"
    assert not target.exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk with room for 4 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], capture_output=True, check=False
    ).returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield place
    subprocess.run(["umount", "--lazy", place], check=False)


def test_a_disk_without_room_for_the_outputs_fails_the_run_at_once(sound, started, small_disk):
    program = started("run", sound, "--output", small_disk / "out", "--workers", "1")
    _, said = program.communicate(timeout=120)
    assert program.returncode == 1, said
    assert said.startswith("error: the disk has no room for the outputs")
    assert said.count("error:") == 1
    assert "Traceback" not in said
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize(("output_format", "left_bytes"), [("netcdf", 0), ("ngen", 1_300_000), ("zarr", 1_300_000)])
def test_a_disk_that_fills_up_later_fails_the_run_too(sound, small_disk, capsys, output_format, left_bytes):
    # The NetCDF file of 21 hours, which all formats are made of, takes 1 MB.
    with contextlib.suppress(OSError), (small_disk / "ballast").open("wb", buffering=0) as file:
        file.write(bytes(4 * 2**20 - left_bytes))
    with pytest.raises(SystemExit) as ended:
        app(
            ["run", str(sound), "--output", str(small_disk / "out"), "--end", "2015-10-01 20:00:00",
             "--output-format", output_format]
        )  # fmt: skip
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert "room" in said or "space" in said
    assert said.count("error:") == 1
    assert [p.name for p in small_disk.iterdir()] == ["ballast"]


def test_a_limit_on_the_size_of_files_is_a_full_disk_too(sound, started, tmp_path):
    target = tmp_path / "out"
    program = started(
        "run", sound, "--output", target, "--workers", "1",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000_000, 20_000_000)),
    )  # fmt: skip
    _, said = program.communicate(timeout=120)
    assert program.returncode == 1, said
    assert "Traceback" not in said
    assert said.count("error:") == 1
    assert not target.exists()
    assert not target.with_name("out.partial").exists()
