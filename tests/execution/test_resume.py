"""What was done is found again, by whoever does the same; others are told to stop and write elsewhere."""

from __future__ import annotations

import dataclasses

import pytest

from dmod.engine.part_run import PartReport
from dmod.execution.resume import Resume
from dmod.formats.run_output import Layout

REPORT = PartReport(2, 72, 0.1, 0.2, 0.3)


@pytest.fixture
def staging(tmp_path):
    """A staging directory with a file that was laid out."""
    folder = tmp_path / "out.partial"
    folder.mkdir()
    (folder / "PARTIAL").write_text("me\n")
    (folder / "run.nc.partial").write_bytes(bytes(100))
    Resume.enter(folder, "first")
    return folder


@pytest.fixture
def layout(staging):
    return Layout(staging / "run.nc.partial", 24, {"Q_OUT": 40})


def test_a_run_is_found_with_the_parts_that_were_done(staging, layout):
    resume = Resume(staging, "a" * 64)
    assert resume.found() is None
    resume.begin(layout)
    Resume.mark(resume.folder, REPORT)
    again = Resume(staging, "a" * 64)
    assert again.found() == layout
    assert again.done() == {2: REPORT}


def test_another_run_is_another(staging, layout):
    first, second = Resume(staging, "a" * 64), Resume(staging, "b" * 64)
    first.begin(layout)
    Resume.mark(first.folder, REPORT)
    assert second.found() is None
    assert second.done() == {}
    second.make_room()
    layout.path.write_bytes(bytes(100))
    second.begin(layout)
    assert first.found() is None, "its file is not what it was"
    with pytest.raises(FileNotFoundError):
        Resume.mark(first.folder, dataclasses.replace(REPORT, index=3))
    assert second.done() == {}


@pytest.mark.parametrize("harm", ["gone", "shorter", "layout cut off", "no layout"])
def test_what_was_cut_off_begins_anew(staging, layout, harm):
    resume = Resume(staging, "a" * 64)
    resume.begin(layout)
    kept = resume.folder / "layout.json"
    if harm == "gone":
        layout.path.unlink()
    elif harm == "shorter":
        layout.path.write_bytes(bytes(50))
    elif harm == "layout cut off":
        kept.write_text(kept.read_text()[:20])
    else:
        kept.unlink()
    assert resume.found() is None


def test_a_mark_that_was_cut_off_is_none(staging, layout):
    resume = Resume(staging, "a" * 64)
    resume.begin(layout)
    (resume.folder / "part-0.json").write_text('{"index": 0, "catch')
    assert resume.done() == {}


def test_whoever_comes_next_tells_all_before_to_stop(staging):
    flags = [Resume.enter(staging, name) for name in ("second", "third")]
    first = flags[0].with_name("stop-first")
    assert first.exists()
    assert flags[0].exists()
    assert not flags[1].exists()


def test_making_room_takes_the_file_away_and_not_out_from_under_whoever_writes_to_it(staging, layout):
    (staging / "run.zarr").mkdir()
    (staging / "cat-1.csv").touch()
    with layout.path.open("r+b") as writer:
        Resume(staging, "b" * 64).make_room()
        layout.path.write_bytes(b"new")
        writer.write(b"late")
        writer.flush()
        assert layout.path.read_bytes() == b"new"
    assert sorted(path.name for path in staging.iterdir()) == ["PARTIAL", "RESUME", "run.nc.partial"]


def test_clearing_leaves_nothing_even_for_those_who_come_late(staging, layout):
    resume = Resume(staging, "a" * 64)
    resume.begin(layout)
    flag = Resume.enter(staging, "second")
    Resume.clear(staging)
    Resume.clear(staging)
    with pytest.raises(FileNotFoundError):
        flag.touch()
    assert sorted(path.name for path in staging.iterdir()) == ["PARTIAL", "run.nc.partial"]
