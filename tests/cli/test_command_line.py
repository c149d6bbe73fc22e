"""The command line: what it prints, where, and how it ends.

A few tests start the real program; the others call it in this process, which takes a
hundredth of the time. An error that is not ours comes through either way.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import h5py
import numpy as np
import pytest

from dmod.cli.commands import app
from dmod.prepare.basin import make_basin


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory with nothing wrong: 8 catchments, 72 hours from 2015-10-01."""
    return make_basin(tmp_path_factory.mktemp("sound") / "basin", catchments=8, days=3).directory


@pytest.fixture
def run(sound: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(sound, tmp_path / "basin"))


class Said(NamedTuple):
    """What the command line printed."""

    stdout: str
    stderr: str


class Dmod(Protocol):
    """The command line; it must end with *code*."""

    def __call__(self, *words: str | Path, code: int) -> Said: ...


def program(*words: str | Path, code: int) -> Said:
    """The real program, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", "from dmod.cli.commands import main; main()", *map(str, words)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return Said(done.stdout, done.stderr)


@pytest.fixture
def dmod(capsys: pytest.CaptureFixture[str]) -> Dmod:
    """The command line in this process."""

    def call(*words: str | Path, code: int) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            app([str(word) for word in words], prog_name="dmod")
        said = Said(*capsys.readouterr())
        assert (ended.value.code or 0) == code, said
        return said

    return call


def listing(folder: Path) -> list[str]:
    """Every file below a folder."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


def spoil(run: Path) -> None:
    """Make a run impossible: one catchment has no forcing."""
    with h5py.File(run / "forcings" / "forcings.nc", "a") as file:
        file["ids"][2] = "cat-999"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ((), ["demo", "run", "check", "doctor"]),
        (("run",), ["--hydrofabric", "--realization", "--forcing", "--output", "--output-format"]),
        (("run",), ["--catchments", "--start", "--end", "--workers", "--scheduler", "--overwrite"]),
        (("check",), ["--catchments", "--units", "--quiet", "--json"]),
        (("demo",), ["--catchments", "--days", "--seed", "--quiet", "--json"]),
        (("doctor",), ["--quiet", "--json"]),
    ],
)  # fmt: skip
def test_every_command_has_help(dmod, command, words):
    said = dmod(*command, "--help", code=0).stdout
    for word in words:
        assert word in said


def test_the_version_is_that_of_the_package(dmod):
    assert dmod("--version", code=0).stdout.split()[0] == "dmod"


def test_the_installed_script_is_the_same_program():
    script = Path(sys.executable).with_name("dmod")
    if not script.exists():
        pytest.skip("dmod is not installed beside this Python")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.split()[0]) == (0, "dmod")


def test_what_is_no_command_and_no_option_is_bad_input(dmod):
    dmod("swim", code=2)
    dmod("run", "--no-such-option", code=2)
    dmod("run", "--workers", "0", code=2)
    dmod("run", "--workers", "two", code=2)


def test_check_of_a_sound_run(dmod, run):
    before = listing(run)
    done = dmod("check", run, code=0)
    assert done.stdout == "nothing to report\n"
    assert done.stderr == ""
    assert listing(run) == before, "a check writes nothing"
    assert dmod("check", run, "--quiet", code=0).stdout == ""
    found = json.loads(dmod("check", run, "--json", code=0).stdout)
    assert (found["ok"], found["findings"]) == (True, [])


def test_check_of_a_broken_run(dmod, run):
    spoil(run)
    done = dmod("check", run, code=2)
    assert done.stdout == ""
    assert "error: 1 of 8 catchments have no forcing; ngen would read the first" in done.stderr
    assert "1 of 8 catchments" in dmod("check", run, "--quiet", code=2).stderr
    found = json.loads(dmod("check", run, "--json", code=2).stdout)
    assert (found["ok"], found["errors"], found["findings"][0]["ids"]) == (False, 1, ["cat-3"])


def test_a_broken_run_is_not_started(dmod, run):
    spoil(run)
    before = listing(run)
    done = program("run", run, code=2)
    assert "1 of 8 catchments have no forcing" in done.stderr
    assert done.stdout == ""
    found = json.loads(dmod("run", run, "--json", code=2).stdout)
    assert (found["error"], found["findings"][0]["code"]) == ("CheckError", "forcing-ids")
    assert listing(run) == before


def test_a_run_says_where_its_outputs_are(run):
    done = program("run", run, code=0)
    assert "576 catchment-steps" in done.stdout
    assert f"outputs  {run / 'outputs' / 'dmod'}" in done.stdout
    assert done.stderr == ""
    assert listing(run / "outputs" / "dmod") == ["provenance.json", "run.nc"]
    with h5py.File(run / "outputs" / "dmod" / "run.nc") as file:
        assert file.attrs["dmod_status"] == "complete"
        assert file["Q_OUT"].shape == (8, 72)
        assert np.isfinite(file["Q_OUT"][...]).all()


@pytest.fixture
def dasks_own_port() -> Iterator[None]:
    """Somebody else holds the port that Dask would like to have."""
    with socket.socket() as other:
        with contextlib.suppress(OSError):  # somebody holds it already, which serves as well
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("0.0.0.0", 8787))
            other.listen()
        yield


@pytest.mark.usefixtures("dasks_own_port")
def test_a_quiet_run_says_nothing_and_a_json_run_one_object(run, tmp_path):
    done = program("run", run, "--quiet", "--output", tmp_path / "q", code=0)
    assert (done.stdout, done.stderr) == ("", "")
    done = program("run", run, "--json", "--output", tmp_path / "j", "--workers", "1", code=0)
    found = json.loads(done.stdout)
    assert (found["state"], found["catchments"], found["steps"]) == ("complete", 8, 72)
    assert found["output"] == str(tmp_path / "j")
    assert done.stderr == ""


def test_part_of_the_domain_and_of_the_time(dmod, run, tmp_path):
    dmod(
        "run", run, "--catchments", "cat-2,cat-5", "--start", "2015-10-02", "--end", "2015-10-02 05:00:00",
        "--output", tmp_path / "some", code=0,
    )  # fmt: skip
    with h5py.File(tmp_path / "some" / "run.nc") as file:
        assert [name.decode() for name in file["catchment-id"][...]] == ["cat-2", "cat-5"]
        assert file["time"][[0, -1]].tolist() == [1443744000, 1443744000 + 5 * 3600]
        assert file["Q_OUT"].shape == (2, 6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--start", "soon"], ["cannot read the time 'soon'", "YYYY-MM-DD"]),
        (["--end", "2015-10-02T25:00"], ["cannot read the time"]),
        (["--start", "2015-10-03", "--end", "2015-10-02"], ["the end lies before the start"]),
        (["--end", "2016-01-01"], ["forcing ends before the run", "end at 2015-10-03 23:00:00"]),
        (["--start", "2014-01-01"], ["forcing begins after the run", "start at 2015-10-01 00:00:00"]),
        (["--start", "2015-10-01 00:30:00"], ["falls between two forcing values"]),
        (["--catchments", "cat-1,cat-88"], ["cat-88", "nearest cat-88: cat-8"]),
        (["--catchments", "kitten"], ["kitten", "not in the domain"]),
        (["--catchments", " , "], ["no catchment was asked for"]),
        (["--units", "furlongs"], ["no units policy 'furlongs'", "strict, ngen"]),
        (["--realization", "no.json"], ["there is no realization ", "no.json"]),
        (["--hydrofabric", "no.gpkg"], ["there is no hydrofabric ", "no.gpkg"]),
        (["--forcing", "no.nc"], ["there is no forcing ", "no.nc"]),
    ],
    ids=lambda value: " ".join(value) if "--" in value[0] else "",
)
def test_bad_options_of_check_and_run(dmod, run, options, words):
    before = listing(run)
    for command in ("check", "run"):
        said = dmod(command, run, *options, code=2).stderr
        for word in words:
            assert word in said
        found = json.loads(dmod(command, run, "--json", *options, code=2).stdout)
        assert found.get("error") or not found["ok"]
    assert listing(run) == before


def test_formats_of_outputs(dmod, run, tmp_path):
    assert "netcdf, zarr, ngen" in dmod("run", run, "--output-format", "papyrus", code=2).stderr
    dmod("run", run, "--output-format", "zarr", "--output", tmp_path / "z", code=0)
    assert sorted(p.name for p in (tmp_path / "z").iterdir()) == ["provenance.json", "run.zarr"]
    dmod("run", run, "--output-format", "ngen", "--output", tmp_path / "n", code=0)
    assert (tmp_path / "n" / "cat-1.csv").read_text().startswith("Time Step,Time,")
    assert not (tmp_path / "n" / "run.nc").exists()


def test_no_run_directory_at_all(dmod, tmp_path):
    for words in (["nowhere"], []):
        assert "run directory" in dmod("check", tmp_path.joinpath(*words), code=2).stderr
        assert "run directory" in dmod("run", tmp_path.joinpath(*words), code=2).stderr
    assert listing(tmp_path) == []


def test_an_output_directory_in_use_is_left_alone(dmod, run, tmp_path):
    target = tmp_path / "mine"
    target.mkdir()
    (target / "thesis.txt").write_text("years of work")
    said = dmod("run", run, "--output", target, code=2).stderr
    assert "the output directory is not empty" in said
    assert "thesis.txt" in said
    assert "--overwrite" in said
    said = dmod("run", run, "--output", target, "--overwrite", code=2).stderr
    assert "holds no earlier outputs of ours" in said
    assert (target / "thesis.txt").read_text() == "years of work"
    assert "is a file, not a directory" in dmod("run", run, "--output", target / "thesis.txt", code=2).stderr
    assert listing(tmp_path)[-2:] == ["mine", "mine/thesis.txt"]
    assert not list(tmp_path.glob("*.partial"))


def test_earlier_outputs_are_replaced_when_that_is_asked_for(dmod, run, tmp_path):
    target = tmp_path / "out"
    dmod("run", run, "--output", target, "--end", "2015-10-01 05:00:00", code=0)
    first = (target / "run.nc").read_bytes()
    dmod("run", run, "--output", target, code=2)
    assert (target / "run.nc").read_bytes() == first
    dmod("run", run, "--output", target, "--overwrite", code=0)
    with h5py.File(target / "run.nc") as file:
        assert file["Q_OUT"].shape == (8, 72)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["basin", "out"]


def test_a_failed_overwrite_keeps_what_was_there(dmod, run, tmp_path):
    target = tmp_path / "out"
    dmod("run", run, "--output", target, code=0)
    before = (target / "run.nc").read_bytes()
    spoil(run)
    dmod("run", run, "--output", target, "--overwrite", code=2)
    dmod(
        "run",
        run,
        "--output",
        target,
        "--overwrite",
        "--catchments",
        "cat-1",
        "--scheduler",
        "nonsense://x:1",
        code=2,
    )
    assert (target / "run.nc").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["basin", "out"]


def refused(said: Said, address: str) -> None:
    """That the error is about this scheduler, and short."""
    assert f"no Dask scheduler answers at {address}" in said.stderr
    assert "leave --scheduler out" in said.stderr
    assert len(said.stderr.splitlines()) < 8, said.stderr


def test_a_scheduler_that_cannot_be_reached(run):
    before = listing(run)
    began = time.monotonic()
    refused(program("run", run, "--scheduler", "tcp://127.0.0.1:1", code=2), "tcp://127.0.0.1:1")
    assert time.monotonic() - began < 120
    assert listing(run) == before


@pytest.mark.parametrize("address", ["tcp://127.0.0.1", "127.0.0.1:many"])
def test_an_address_that_is_none_is_refused_at_once(dmod, run, address):
    before = listing(run)
    began = time.monotonic()
    refused(dmod("run", run, "--scheduler", address, code=2), address)
    assert time.monotonic() - began < 120
    assert listing(run) == before


def test_the_program_does_not_linger_after_such_an_address(run):
    began = time.monotonic()
    refused(program("run", run, "--scheduler", "nonsense://x:1", code=2), "nonsense://x:1")
    assert time.monotonic() - began < 120


def test_somebody_who_listens_but_says_nothing_is_not_waited_for(dmod, run):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        refused(dmod("run", run, "--scheduler", address, code=2), address)
    assert time.monotonic() - began < 120


def test_a_directory_nobody_may_write_to(dmod, run, tmp_path):
    if os.geteuid() == 0:
        place = Path("/proc/dmod-outputs")
    else:
        place = tmp_path / "locked" / "out"
        place.parent.mkdir(mode=0o500)
    assert "the output directory cannot be made" in dmod("run", run, "--output", place, code=2).stderr


def test_doctor_says_what_there_is(dmod):
    said = dmod("doctor", code=0)
    for word in ("numba", "dask", "cfe", "pet", "sloth"):
        assert word in said.stdout
    assert dmod("doctor", "--quiet", code=0).stdout == ""
    assert json.loads(dmod("doctor", "--json", code=0).stdout)
