"""Half-made outputs never bear the name of whole ones."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dmod.errors import OutputError, RunError
from dmod.store.staging import Staging, check_target, open_staging

OURS = ("run.nc",)


def opened(target: Path, *, overwrite: bool = False) -> Staging:
    """A staging directory for *target*."""
    return open_staging(target, overwrite=overwrite, ours=OURS)


def earlier(target: Path) -> Path:
    """A directory with outputs of an earlier run."""
    target.mkdir()
    (target / "run.nc").write_text("old")
    return target


def test_outputs_take_their_name_in_one_step(tmp_path):
    target = tmp_path / "deep" / "out"
    staging = opened(target)
    assert staging.path == tmp_path / "deep" / "out.partial"
    assert (staging.path / "PARTIAL").read_text().startswith(f"{socket.gethostname()} {os.getpid()}\n")
    (staging.path / "run.nc").write_text("new")
    assert not target.exists()
    staging.publish()
    assert [p.name for p in target.iterdir()] == ["run.nc"]
    assert not staging.path.exists()


def test_an_empty_directory_may_be_filled(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    opened(target).publish()
    assert list(target.iterdir()) == []
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_earlier_outputs_stay_until_the_new_are_whole(tmp_path):
    target = earlier(tmp_path / "out")
    staging = opened(target, overwrite=True)
    assert (target / "run.nc").read_text() == "old"
    (staging.path / "run.nc").write_text("new")
    staging.publish()
    assert (target / "run.nc").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_discarding_leaves_nothing_and_touches_nothing_else(tmp_path):
    target = earlier(tmp_path / "out")
    opened(target, overwrite=True).discard()
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert (target / "run.nc").read_text() == "old"


def test_a_directory_in_use_is_refused_and_says_what_is_in_it(tmp_path):
    target = earlier(tmp_path / "out")
    for number in range(9):
        (target / f"{number}.csv").touch()
    with pytest.raises(OutputError, match="is not empty") as caught:
        check_target(target, overwrite=False, ours=OURS)
    assert caught.value.facts["has"] == "0.csv, 1.csv, 2.csv, 3.csv, 4.csv, …"
    check_target(target, overwrite=True, ours=OURS)


def test_what_is_not_ours_is_never_replaced(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    (target / "thesis.tex").touch()
    with pytest.raises(OutputError, match="no earlier outputs of ours"):
        check_target(target, overwrite=True, ours=OURS)
    with pytest.raises(OutputError, match="a file, not a directory"):
        check_target(target / "thesis.tex", overwrite=True, ours=OURS)


def test_something_strange_in_the_way_is_left_there(tmp_path):
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "letter.txt").touch()
    (tmp_path / "out.partial" / ".PARTIAL.4711").touch()
    with pytest.raises(OutputError, match="not ours is in the way"):
        opened(tmp_path / "out")
    assert sorted(item.name for item in (tmp_path / "out.partial").iterdir()) == [".PARTIAL.4711", "letter.txt"]


@pytest.mark.parametrize("left", [[], [".PARTIAL.4711"]], ids=["empty", "half marked"])
def test_a_directory_that_was_made_and_not_marked_is_taken(tmp_path, left):
    (tmp_path / "out.partial").mkdir()
    for name in left:
        (tmp_path / "out.partial" / name).touch()
    opened(tmp_path / "out")
    assert [item.name for item in (tmp_path / "out.partial").iterdir()] == ["PARTIAL"]


def test_what_a_dead_run_left_is_cleared_and_what_a_living_one_writes_is_not(tmp_path):
    target, owner = tmp_path / "out", tmp_path / "out.partial" / "PARTIAL"
    opened(target).release()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        owner.write_text(f"{socket.gethostname()} {other.pid}\n")
        with pytest.raises(OutputError, match="another run is writing there") as caught:
            opened(target)
        assert caught.value.facts["process"] == str(other.pid)
        other.kill()
    (owner.parent / "run.nc.partial").touch()
    assert [p.name for p in opened(target).path.iterdir()] == ["PARTIAL"]


def test_two_runs_of_one_process_do_not_write_to_one_place(tmp_path):
    first = opened(tmp_path / "out")
    with pytest.raises(OutputError, match="another run is writing there"):
        opened(tmp_path / "out")
    first.discard()
    opened(tmp_path / "out").release()
    opened(tmp_path / "out").publish()
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("content", ["", "\n", "somewhere", "somewhere not-a-number\n", "\x00\x01"])
def test_a_mark_that_cannot_be_read_belongs_to_nobody(tmp_path, content):
    opened(tmp_path / "out").release()
    (tmp_path / "out.partial" / "PARTIAL").write_text(content)
    opened(tmp_path / "out")


def test_a_place_that_cannot_be_made_is_bad_input(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be made") as caught:
        opened(tmp_path / "file" / "out")
    assert caught.value.facts["reason"] == "Not a directory"


def test_a_full_disk_is_a_failed_run_and_leaves_no_directory(tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(RunError, match="room"):
        opened(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
