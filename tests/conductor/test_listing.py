"""What a run says of its outputs is what one would find by reading them."""

from __future__ import annotations

import pytest

from dmod.formats.describe import describe
from dmod.session import Session
from dmod.settings import Settings
from dmod.testing.rivers import MODULES, multi, tiny_run_directory


@pytest.fixture
def session(tmp_path):
    with Session(Settings(home=tmp_path / "home", owner="ann")) as made:
        yield made


@pytest.mark.parametrize("options", [{}, {"catchments": "cat-1,cat-2", "end": "2016-09-01 02:00"}])
@pytest.mark.parametrize("output_format", ["netcdf", "zarr", "ngen"])
def test_outputs_are_listed_as_they_are(session, tmp_path, output_format, options):
    directory = tiny_run_directory(tmp_path / "run", formulation=multi(*MODULES.values(), output_variables=["Q_OUT"]))
    job = session.run(directory, output=tmp_path / "out", output_format=output_format, **options).wait(60)
    dataset = session.service.ledger.dataset(f"{job.id}-outputs")
    read = describe(tmp_path / "out")
    assert (dataset.format, dataset.category) == (read.format, read.category)
    assert dataset.coverage == read.coverage
    assert {key: dataset.facts[key] for key in read.facts} == read.facts
    assert dataset.location == str(tmp_path / "out")
    assert sum(file.size for file in dataset.files) == dataset.size
    assert (dataset.lineage.rule, dataset.lineage.parameters["job"]) == ("run", job.id)


def test_outputs_that_cannot_be_listed_are_outputs_still(session, tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dmod.conductor.listing.take_stock", full)
    directory = tiny_run_directory(tmp_path / "run")
    job = session.run(directory, output=tmp_path / "out").wait(60)
    assert job.state == "complete"
    assert (tmp_path / "out" / "run.nc").is_file()
    assert any("not in the catalog" in line for line in job.logs())
