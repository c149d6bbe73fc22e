"""A check that was made before is believed until a file it read is another."""

from __future__ import annotations

import dataclasses
import os
import time

import pytest

from dmod.conductor import checked
from dmod.conductor.checked import Checked, stamps_of
from dmod.conductor.question import question_of
from dmod.session import request_of
from dmod.testing.rivers import tiny_run_directory


@pytest.fixture
def tiny(tmp_path):
    """Three catchments; every file was written long ago."""
    directory = tiny_run_directory(tmp_path / "run")
    for path in directory.rglob("*"):
        os.utime(path, (time.time() - 60, time.time() - 60))
    return directory


@pytest.fixture
def made(monkeypatch):
    """How often a check was made, and what by."""
    count = []
    examine = checked.examine
    monkeypatch.setattr(checked, "examine", lambda question: (count.append(question), examine(question))[1])
    return count


def asked(directory, **options):
    return question_of(request_of(directory, **options), every_value=False)


def test_the_same_question_is_looked_into_once(tiny, made):
    known = Checked()
    first = known.examine(asked(tiny))
    again = known.examine(asked(tiny))
    assert len(made) == 1
    assert again[0] is first[0]
    assert again[1] == first[1]


@pytest.mark.parametrize(
    "file",
    ["config/realization.json", "config/tiny.gpkg", "config/CFE/cat-2.ini", "config/PET/cat-3.ini",
     "forcings/forcings.nc"],
)  # fmt: skip
def test_a_file_that_changed_is_read_again(tiny, made, file):
    known = Checked()
    known.examine(asked(tiny))
    os.utime(tiny / file, (time.time() - 30, time.time() - 30))
    known.examine(asked(tiny))
    assert len(made) == 2


def test_a_file_of_the_same_size_and_time_is_another_if_it_was_put_there(tiny, made):
    known = Checked()
    known.examine(asked(tiny))
    config = tiny / "config" / "CFE" / "cat-1.ini"
    told, text = config.stat(), config.read_text()
    other = config.with_name("other")
    other.write_text(text.replace("alpha_fc=0.33", "alpha_fc=0.44"))
    os.utime(other, ns=(told.st_atime_ns, told.st_mtime_ns))
    other.replace(config)
    case, _ = known.examine(asked(tiny))
    assert len(made) == 2
    assert case is not None


def test_a_file_that_is_gone_is_found_missing(tiny, made):
    known = Checked()
    assert known.examine(asked(tiny))[0] is not None
    (tiny / "config" / "CFE" / "cat-1.ini").unlink()
    case, report = known.examine(asked(tiny))
    assert case is None
    assert not report.ok


def test_other_questions_are_other_checks(tiny, made):
    known = Checked()
    questions = [asked(tiny), asked(tiny, catchments="cat-1"), asked(tiny, end="2016-09-01 02:00"),
                 asked(tiny, units="ngen")]  # fmt: skip
    cases = [known.examine(question)[0] for question in questions]
    assert len(made) == 4
    assert [case.catchment_steps for case in cases] == [18, 6, 9, 18]


def test_what_was_written_a_moment_ago_is_not_believed(tmp_path, made):
    known, directory = Checked(), tiny_run_directory(tmp_path / "fresh")
    for _ in range(2):
        known.examine(asked(directory))
    assert len(made) == 2


def test_a_check_that_found_errors_is_made_again(tiny, made):
    (tiny / "config" / "CFE" / "cat-1.ini").unlink()
    known = Checked()
    for _ in range(2):
        assert known.examine(asked(tiny))[0] is None
    assert len(made) == 2


def test_only_the_last_few_are_remembered(tiny, made):
    known = Checked()
    questions = [dataclasses.replace(asked(tiny), start_s=1472688000 + 3600 * n) for n in range(6)]
    questions += [dataclasses.replace(asked(tiny), end_s=1472688000 + 3600 * n) for n in range(6)]
    for question in questions:
        known.examine(question)
    assert len(known._known) == 8
    known.examine(questions[0])
    assert len(made) == 13


def test_stamps_of_what_is_not_there_are_none(tiny):
    assert stamps_of([str(tiny / "config" / "realization.json"), str(tiny / "nothing")]) is None
