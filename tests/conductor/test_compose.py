"""A run composed of parts: what is there is found, what can be made is derived, what is missing is said."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from dmod.domain.domain import Domain
from dmod.errors import CoverageError, DatasetError, InputError
from dmod.model.formulation import Formulation
from dmod.prepare.basin import make_basin
from dmod.session import Session
from dmod.settings import read_settings

TIME = {"start": "2015-10-01", "end": "2015-10-02 23:00"}


@pytest.fixture(scope="module")
def basin(tmp_path_factory):
    """Twelve catchments, three days."""
    return make_basin(tmp_path_factory.mktemp("made") / "run", catchments=12, days=3)


@pytest.fixture
def session(tmp_path):
    """A session with a ledger and a store of its own."""
    with Session(replace(read_settings(), home=tmp_path / "home")) as opened:
        yield opened


def test_a_formulation_on_a_domain_runs_with_what_is_found_and_what_is_derived(session, basin):
    weather = session.datasets.add(basin.forcing, name="weather")
    part = Domain.open(basin.geopackage).select(["cat-3", "cat-4"])
    job = session.run(part, Formulation.load("cfe"), **TIME).wait(60)
    assert job.outputs["catchment-id"].values.tolist() == ["cat-3", "cat-4"]
    assert job.outputs.sizes["time"] == 48
    (prepared,) = [event for event in job.events if event.state == "prepared"]
    assert weather.name in prepared.facts["made_of"]
    made = session.datasets.show(f"{job.id}-outputs")
    parents = {session.datasets.show(name).digest for name in prepared.facts["made_of"]}
    assert (made.category, made.lineage.rule, set(made.lineage.parents)) == ("output", "run", parents)
    np.testing.assert_array_equal(session.datasets.open(made.name)["Q_OUT"], job.outputs["Q_OUT"])


def test_what_was_derived_once_is_found_again(session, basin):
    session.datasets.add(basin.forcing)
    first, second = (session.run(basin.geopackage, "cfe", **TIME).wait(60) for _ in range(2))
    names = [event.facts["made_of"] for job in (first, second) for event in job.events if "made_of" in event.facts]
    assert names[0] == names[1]
    assert first.outputs.equals(second.outputs)


def test_a_composed_run_gives_the_numbers_of_its_run_directory(session, basin, tmp_path):
    session.datasets.add(basin.forcing)
    job = session.run(basin.geopackage, "cfe", **TIME).wait(60)
    directory = session.settings.home / "jobs" / job.id / "run"
    again = session.run(directory, output=tmp_path / "again").wait(60)
    assert again.outputs.drop_attrs().equals(job.outputs.drop_attrs())


def test_provenance_of_a_composed_run_runs_it_again(session, basin, tmp_path):
    session.datasets.add(basin.forcing)
    job = session.run(basin.geopackage, "cfe", **TIME).wait(60)
    assert json.loads(job.provenance["dmod_request"])["composition"]["formulation"]
    again = session.run(job.target / "provenance.json", output=tmp_path / "again").wait(60)
    assert again.outputs.drop_attrs().equals(job.outputs.drop_attrs())


def test_what_is_missing_is_said_with_what_is_nearest(session, basin):
    session.datasets.add(basin.forcing, name="weather")
    late = session.run(basin.geopackage, "cfe", start="2015-10-03", end="2015-10-09")
    with pytest.raises(CoverageError, match="cannot be derived") as caught:
        late.wait(60)
    assert "weather" in str(caught.value.facts["forcing"])
    assert "2015-10-04" in str(caught.value.facts["forcing"])
    assert not (session.settings.home / "jobs" / late.id / "run").exists()


def test_two_catchments_do_not_cover_all(session, basin, tmp_path):
    small = Domain.open(basin.geopackage).select(["cat-1", "cat-2"]).to_gpkg(tmp_path / "small.gpkg")
    session.datasets.add(basin.forcing)
    session.datasets.add(small, name="two")
    with pytest.raises(CoverageError, match="two"):
        session.run("two", "cfe", catchments=["cat-1", "cat-7"], **TIME).wait(60)


def test_a_dataset_can_be_removed_once_its_job_is_over(session, basin):
    session.datasets.add(basin.forcing, name="weather")
    job = session.run(basin.geopackage, "cfe", **TIME)
    job.wait(60)
    session.datasets.remove("weather")
    with pytest.raises(DatasetError, match="weather"):
        session.datasets.show("weather")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"start": "2015-10-02", "end": "2015-10-01"}, "before the start"),
        ({"start": "soon", "end": "late"}, "cannot read"),
    ],
)
def test_times_that_make_no_sense_are_refused(session, basin, options, said):
    session.datasets.add(basin.forcing)
    with pytest.raises(InputError, match=said):
        session.run(basin.geopackage, "cfe", **options).wait(60)


def test_an_unknown_formulation_is_refused_before_there_is_a_job(session, basin):
    with pytest.raises(InputError):
        session.run(basin.geopackage, "sacramento", **TIME)
    assert session.jobs == []
