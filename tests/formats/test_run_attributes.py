"""A file that is told its attributes directly is the one that HDF5 would have made."""

from __future__ import annotations

import errno

import h5netcdf
import netCDF4
import numpy as np
import pytest

from dmod.formats import run_attributes, run_layout
from dmod.formats.run_attributes import tell
from dmod.formats.run_layout import STATUS, Frame, OutputVariable, lay_out

FRAME = Frame(
    ("cat-1", "cat-2", "cat-3"), ("nex-3", "tnx-4"), 1472688000, 3600, 24,
    (OutputVariable("Q_OUT", "m", "flow"), OutputVariable("nexus_flow", "m3 s-1", "flow", "nexus-id")),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _forgetful():
    """Nothing is known when a test begins."""
    run_layout._known.clear()
    run_attributes._known.clear()
    run_attributes._hopeless.clear()


def attributes(number: int, **more: str) -> dict[str, str]:
    """What a run is told; of the same lengths whatever the number."""
    said = {f"part_{n}": f"{n} of {number:03d} " * (n + 1) for n in range(20)}
    return {**said, "one": str(number % 10), "none": "", "job": f"run-{number:03d}", **more, STATUS: "complete"}


def made(path, said, frame=FRAME):
    """A file with values, told its attributes."""
    path.touch()
    offsets = lay_out(path, frame)
    with path.open("r+b") as file:
        for variable in frame.variables:
            file.seek(offsets[variable.name])
            file.write(np.arange(24.0).tobytes())
    tell(path, offsets, said)
    return path.read_bytes()


def by_hdf5(path, said, monkeypatch):
    """The same, with nothing remembered of attributes."""
    with monkeypatch.context() as patch:
        patch.setattr(run_attributes, "recognise", lambda *_: None)
        return made(path, said)


def test_the_third_file_of_a_kind_is_written_directly_and_is_byte_for_byte_that_of_hdf5(tmp_path, monkeypatch):
    for number in (111, 222):
        assert made(tmp_path / "run.nc", attributes(number)) == by_hdf5(
            tmp_path / "same.nc", attributes(number), monkeypatch
        )
    wanted = by_hdf5(tmp_path / "same.nc", attributes(333), monkeypatch)
    monkeypatch.setattr(run_attributes, "_write", None)
    assert made(tmp_path / "run.nc", attributes(333)) == wanted
    assert sorted(one.name for one in tmp_path.iterdir()) == ["run.nc", "same.nc"]
    with netCDF4.Dataset(tmp_path / "run.nc") as file, h5netcdf.File(tmp_path / "run.nc") as other:
        for name, text in attributes(333).items():
            assert file.getncattr(name) == text
            assert other.attrs[name] == text
        assert file["Q_OUT"][0].tolist() == list(range(24))


def test_texts_of_other_lengths_are_another_kind(tmp_path, monkeypatch):
    for number in range(3):
        made(tmp_path / "run.nc", attributes(number))
    longer = attributes(3, job="a longer name than before")
    assert made(tmp_path / "run.nc", longer) == by_hdf5(tmp_path / "same.nc", longer, monkeypatch)


@pytest.mark.parametrize(
    ("text", "kept"),
    [("a\x01mark", "a\x01mark"), ("ümläut ≥ 5", "ümläut ≥ 5"), ("\udcff is no letter", "? is no letter")],
)
def test_texts_of_any_letters_are_told(tmp_path, monkeypatch, text, kept):
    for _ in range(4):
        said = attributes(1, job=text)
        assert made(tmp_path / "run.nc", said) == by_hdf5(tmp_path / "same.nc", said, monkeypatch)
    with h5netcdf.File(tmp_path / "run.nc") as file:
        assert file.attrs["job"] == kept


def test_a_file_that_was_told_something_before_goes_by_hdf5(tmp_path, monkeypatch):
    for _ in range(3):
        made(tmp_path / "run.nc", attributes(1))
    asked = []
    write = run_attributes._write
    monkeypatch.setattr(run_attributes, "_write", lambda path, texts: asked.append(path) or write(path, texts))
    (tmp_path / "told.nc").touch()
    offsets = lay_out(tmp_path / "told.nc", FRAME)
    tell(tmp_path / "told.nc", offsets, {"title": "first"})
    tell(tmp_path / "told.nc", offsets, attributes(1))
    assert len(asked) == 2
    with netCDF4.Dataset(tmp_path / "told.nc") as file:
        assert (file.title, file.job) == ("first", "run-001")


def test_what_cannot_be_learned_is_told_all_the_same_and_not_tried_again(tmp_path, monkeypatch):
    tried = []

    def full(path, _known):
        tried.append(path)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run_attributes, "put", full)
    for number in range(5):
        made(tmp_path / "run.nc", attributes(number))
        with netCDF4.Dataset(tmp_path / "run.nc") as file:
            assert file.job == f"run-{number:03d}"
    assert len(tried) == 1
    assert [one.name for one in tmp_path.iterdir()] == ["run.nc"]


def test_only_the_last_few_kinds_are_remembered(tmp_path):
    for length in range(30):
        made(tmp_path / "run.nc", attributes(1, job="x" * (length + 1)))
    assert len(run_attributes._known) == run_attributes._KINDS
