"""Jobs from the command line: served in the background, followed, cancelled, repeated, forgotten."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dmod.cli.commands import app
from dmod.formats.outputs import open_outputs
from dmod.ledger.revisions import REVISION_TABLE
from dmod.prepare.basin import make_basin
from dmod.testing.rivers import tiny_run_directory

COMMAND = [sys.executable, "-c", "from dmod.cli.commands import main; main()"]
NOBODY = "nobody conducts jobs here yet: start `dmod serve`, and this one begins\n"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Three catchments, six hours."""
    return tiny_run_directory(tmp_path_factory.mktemp("tiny") / "run")


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """A run that takes some seconds in one thread."""
    return make_basin(tmp_path_factory.mktemp("long") / "run", catchments=300, days=365).directory


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A ledger of the test's own."""
    monkeypatch.setenv("DMOD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def dmod(*words: object, code: int = 0) -> CliRunner:
    """What a command says; its exit code is looked at."""
    said = CliRunner().invoke(app, [str(word) for word in words])
    assert said.exit_code == code, said.output
    return said


@pytest.fixture
def server(tmp_path):
    """Starts `dmod serve`; none outlives the test."""
    begun: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, "serve", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ}
        )
        begun.append(process)
        return process

    yield start
    for process in begun:
        process.kill()
        process.communicate()


def until(what: Callable[[], object], seconds: float = 60) -> bool:
    """Wait until something is so; whether it came to be in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.05)
    return False


def state(job: str) -> str:
    """Where a job stands, as a program asks."""
    return str(json.loads(dmod("status", job, "--json").stdout)["state"])


def test_a_job_is_submitted_served_shown_and_forgotten(tiny, server, tmp_path):
    process = server("--cores", "2")
    said = process.stdout.readline()
    assert re.match(r"conducting jobs on 2 cores of .*; ledger .*ledger\.sqlite; Ctrl-C stops\n", said)
    job = dmod("submit", tiny, "--output", tmp_path / "out").stdout.strip()
    assert re.fullmatch(r"run-\w{6}", job)
    assert until(lambda: state(job) == "complete")
    assert (tmp_path / "out" / "run.nc").is_file()

    told = json.loads(dmod("status", job, "--json").stdout)
    assert (told["id"], told["fraction"], told["catchments"], told["steps"]) == (job, 1.0, 3, 6)
    shown = dmod("status", job[:6]).stdout
    assert shown.startswith(f"{job}: complete, 100%\n")
    assert "partitioned" in shown
    assert job in dmod("jobs").stdout
    assert dmod("jobs", "--active").stdout == "no jobs\n"
    assert [row["id"] for row in json.loads(dmod("jobs", "--json").stdout)["jobs"]] == [job]
    lines = dmod("logs", job).stdout.splitlines()
    assert [line.split()[2].rstrip(":") for line in lines] == [
        "resolved", "prepared", "partitioned", "allocated", "running", "finished", "complete",
    ]  # fmt: skip
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S* INFO ", line) for line in lines)

    assert dmod("delete", job).stdout == f"{job} is forgotten\n"
    assert dmod("status", job, code=2).output.startswith("error: there is no job")
    assert (tmp_path / "out" / "run.nc").is_file()

    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=20)
    assert time.monotonic() - began < 60
    assert rest == "stopped; jobs under way go on when somebody conducts again\n"
    assert process.returncode == 0


def test_logs_can_be_followed_to_the_end(tiny, server, tmp_path):
    job = dmod("submit", tiny, "--output", tmp_path / "out", "--quiet").stdout.strip()
    with subprocess.Popen([*COMMAND, "logs", job, "--follow"], stdout=subprocess.PIPE, text=True) as follower:
        time.sleep(0.5)
        assert follower.poll() is None, "it waits for a job that has not begun"
        server("--quiet")
        said, _ = follower.communicate(timeout=60)
    assert follower.returncode == 0
    assert said.splitlines()[-1].partition(" complete: ")[2] == f"outputs in {tmp_path / 'out'}"
    assert said == dmod("logs", job).stdout


def test_a_job_that_nobody_conducts_says_so_and_begins_when_somebody_does(tiny, server, tmp_path):
    said = dmod("submit", tiny, "--output", tmp_path / "out")
    job = said.stdout.strip()
    assert said.stderr == NOBODY
    assert dmod("submit", tiny, "--quiet").stderr == ""
    assert state(job) == "requested"
    server("--quiet")
    assert until(lambda: state(job) == "complete")


def test_submitting_prints_the_id_alone_or_one_json_object(tiny, tmp_path):
    told = json.loads(dmod("submit", tiny, "--json", "--quiet").stdout)
    assert told == {"id": told["id"], "served": False}
    assert dmod("submit", tiny, "--quiet").stdout.count("\n") == 1


def test_a_request_can_be_printed_kept_and_submitted(tiny, server, tmp_path):
    said = dmod("submit", tiny, "--output", tmp_path / "out", "--priority", "70", "--print-request").stdout
    assert dmod("jobs").stdout == "no jobs\n"
    (tmp_path / "request.json").write_text(said)
    server("--quiet")
    job = dmod("submit", tmp_path / "request.json", "--quiet").stdout.strip()
    assert until(lambda: state(job) == "complete")
    assert (tmp_path / "out" / "run.nc").is_file()


def test_a_provenance_file_runs_the_job_again_with_the_same_numbers(tiny, server, tmp_path):
    server("--quiet")
    first = dmod("submit", tiny, "--output", tmp_path / "first", "--end", "2016-09-01 03:00", "--quiet").stdout.strip()
    assert until(lambda: state(first) == "complete")
    told = json.loads((tmp_path / "first" / "provenance.json").read_text())
    assert told["dmod_job"] == first
    assert told["realization_digest"].startswith("sha256:")
    again = dmod(
        "submit", tmp_path / "first" / "provenance.json", "--output", tmp_path / "again", "--quiet"
    ).stdout.strip()
    assert until(lambda: state(again) == "complete")
    with open_outputs(tmp_path / "first") as one, open_outputs(tmp_path / "again") as two:
        assert one.sizes["time"] == 4
        assert one.equals(two)


def test_a_job_that_runs_is_cancelled_and_restarted(long, server, tmp_path):
    server("--quiet")
    job = dmod("submit", long, "--output", tmp_path / "out", "--workers", "1", "--quiet").stdout.strip()
    assert until(lambda: state(job) == "running")
    assert dmod("cancel", job).stdout == f"{job} will stop\n"
    assert until(lambda: state(job) == "cancelled", 30)
    told = json.loads(dmod("status", job, "--json").stdout)
    assert told["partial"] == str(tmp_path / "out.partial")
    assert "partial" in dmod("status", job).stdout
    assert dmod("cancel", job, code=2).output.startswith(f"error: job {job} is cancelled already")
    assert dmod("restart", job).output == f"{job} will run again\n"
    assert until(lambda: state(job) == "complete")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("out")) == ["out"]


def test_a_job_that_nobody_conducts_is_cancelled_at_once(tiny):
    job = dmod("submit", tiny, "--quiet").stdout.strip()
    assert dmod("delete", job, code=2).output.startswith(f"error: job '{job}' is requested: only a job that is over")
    assert dmod("cancel", job, "--quiet").output == ""
    assert state(job) == "cancelled"
    said = dmod("restart", job)
    assert (said.stdout, said.stderr) == (f"{job} will run again\n", NOBODY)
    assert state(job) == "requested"


def test_a_job_whose_server_was_killed_is_cancelled_at_once(long, server, tmp_path):
    process = server("--quiet")
    job = dmod("submit", long, "--output", tmp_path / "out", "--workers", "1", "--quiet").stdout.strip()
    assert until(lambda: state(job) == "running")
    process.kill()
    process.wait()
    began = time.monotonic()
    dmod("cancel", job)
    assert state(job) == "cancelled"
    assert time.monotonic() - began < 60


def test_a_server_that_was_killed_is_replaced_at_once_and_its_job_completes(long, server, tmp_path):
    process = server("--quiet")
    job = dmod("submit", long, "--output", tmp_path / "out", "--workers", "1", "--quiet").stdout.strip()
    assert until(lambda: state(job) == "running")
    process.kill()
    process.wait()
    server("--quiet")
    assert until(lambda: state(job) == "complete")
    assert "its conductor was lost" in dmod("status", job).stdout


def test_a_failed_job_tells_why(tmp_path, server):
    server("--quiet")
    (tmp_path / "empty").mkdir()
    job = dmod("submit", tmp_path / "empty", "--quiet").stdout.strip()
    assert until(lambda: state(job) == "failed")
    told = json.loads(dmod("status", job, "--json").stdout)
    assert told["problem"]["kind"] == "InputError"
    assert told["problem"]["headline"] in dmod("status", job).stdout
    assert "failed: " in dmod("logs", job).stdout


@pytest.mark.parametrize("command", ["status", "logs", "cancel", "restart", "delete"])
def test_a_job_that_is_not_there_is_an_error_with_what_to_do(command):
    said = dmod(command, "none-123456", code=2)
    assert said.stdout == ""
    assert said.stderr.startswith("error: there is no job 'none-123456'\n")
    assert "`dmod jobs` lists them" in said.stderr


def test_a_beginning_that_several_share_is_refused(tiny):
    jobs = {dmod("submit", tiny, "--quiet").stdout.strip() for _ in range(2)}
    said = dmod("status", "run", code=2).stderr
    assert "several jobs begin with 'run'" in said
    assert all(job in said for job in jobs)


def test_errors_are_json_where_json_is_asked_for():
    told = json.loads(dmod("status", "none-123456", "--json", code=2).stdout)
    assert (told["error"], told["message"]) == ("JobError", "there is no job 'none-123456'")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "the request cannot be read"),
        ("{}", "a run is of a directory, here or elsewhere, or is composed"),
        ('{"directory": "/x", "color": "red"}', "this is no job request"),
        ('{"directory": "/x", "priority": 101}', "there is no priority 101"),
    ],
)
def test_a_file_that_is_no_request_is_refused_and_nothing_is_kept(tmp_path, content, said):
    (tmp_path / "request.json").write_text(content)
    assert said in dmod("submit", tmp_path / "request.json", code=2).stderr
    assert dmod("jobs").stdout == "no jobs\n"


def test_a_second_server_is_refused(server):
    first = server()
    first.stdout.readline()
    second = server()
    said, _ = second.communicate(timeout=30)
    assert second.returncode == 2
    assert said.startswith("error: another `dmod serve` conducts these jobs already\n")
    assert str(first.pid) in said


def test_a_ledger_of_a_newer_dmod_is_refused_with_what_to_do(home):
    dmod("jobs")
    with closing(sqlite3.connect(home / "ledger.sqlite")) as ledger, ledger:
        ledger.execute(f"UPDATE {REVISION_TABLE} SET version_num = '9999'")
    said = dmod("jobs", code=1).stderr
    assert "newer dmod" in said
    assert "Traceback" not in said
    assert Path(home / "ledger.sqlite").is_file()
