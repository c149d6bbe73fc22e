"""A staging directory whose writer died is taken up by the same job, and by nobody else."""

from __future__ import annotations

import os
import socket

import pytest

from dmod.errors import OutputError
from dmod.store.staging import Staging, open_staging

OURS = ("run.nc",)


def opened(target, job="one", *, overwrite=False):
    return open_staging(target, overwrite=overwrite, ours=OURS, job=job)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "out"


def written_by_the_dead(target, job="one"):
    """What a process left that is no more."""
    staging = opened(target, job)
    (staging.path / "run.nc.partial").write_text("half")
    staging.release()
    (staging.path / "PARTIAL").write_text(f"{socket.gethostname()} 999999999\njob {job}\n")
    return staging.path


def test_the_same_job_finds_what_it_made(target):
    made = written_by_the_dead(target)
    assert opened(target).path == made
    assert (made / "run.nc.partial").read_text() == "half"


def test_another_job_finds_nothing(target):
    made = written_by_the_dead(target)
    assert [path.name for path in opened(target, "two").path.iterdir()] == ["PARTIAL"]
    assert not Staging(target, "one").is_ours
    assert made == Staging(target, "two").path


def test_a_job_that_was_cancelled_is_in_nobodys_way(target):
    """The process that conducted it may live on, as a server does."""
    staging = opened(target)
    (staging.path / "run.nc.partial").touch()
    assert (staging.path / "PARTIAL").read_text().startswith(f"{socket.gethostname()} {os.getpid()}\n")
    staging.release()
    assert (staging.path / "PARTIAL").read_text().startswith("nobody\njob one\n")
    assert staging.is_ours
    assert [path.name for path in opened(target, "two").path.iterdir()] == ["PARTIAL"]


def test_two_jobs_do_not_write_to_one_place_but_one_job_may_come_twice(target):
    first = opened(target)
    with pytest.raises(OutputError, match="another run is writing there"):
        opened(target, "two")
    again = opened(target)
    first.release()
    assert (again.path / "PARTIAL").read_text().startswith(socket.gethostname()), "the second is at it still"
    with pytest.raises(OutputError, match="another run is writing there"):
        opened(target, "two")
    again.publish()


def test_whoever_died_between_two_renames_left_both_outputs(target):
    target.mkdir()
    (target / "run.nc").write_text("old")
    staging = opened(target, overwrite=True)
    (staging.path / "run.nc").write_text("new")
    target.rename(target.with_name("out.replaced"))
    staging.release()
    again = opened(target, overwrite=True)
    assert (target / "run.nc").read_text() == "old"
    again.publish()
    assert (target / "run.nc").read_text() == "new"
    assert [path.name for path in target.parent.iterdir()] == ["out"]


def test_whoever_died_after_the_last_rename_left_whole_outputs_to_clear_up_after(target):
    staging = opened(target)
    (staging.path / "run.nc").write_text("new")
    staging.release()
    staging.path.rename(target)
    target.with_name("out.replaced").mkdir()
    Staging(target, "one").settle()
    assert [path.name for path in target.iterdir()] == ["run.nc"]
    assert [path.name for path in target.parent.iterdir()] == ["out"]
