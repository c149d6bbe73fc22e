"""Run directories put together from datasets."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from dmod.conductor.question import question_of
from dmod.data.coverage import ALL, Coverage, Span
from dmod.data.dataset import Dataset
from dmod.data.kinds import Category, Format
from dmod.data.requirement import Derivable, Listed, Requirement, match
from dmod.domain.domain import Domain
from dmod.errors import DatasetError, OutputError, RealizationError
from dmod.formats.forcing import ForcingRef, TimeAxis, open_forcing
from dmod.formats.forcing_copy import copy_forcing
from dmod.formats.forcing_write import AORC, write_forcing
from dmod.model.check import examine
from dmod.model.formulation import Formulation
from dmod.model.run_directory import find_run_directory
from dmod.prepare.bundle import BundleRule, Part, assemble, bundle_needed
from dmod.prepare.config_rules import ConfigRule, RealizationRule, configs_needed, realization_needed
from dmod.prepare.forcing_rules import FORCING_NAMES, ForcingRule
from dmod.prepare.hydrofabric_rules import PartitionRule, SubsetRule, partitions_needed
from dmod.prepare.rules import derive
from dmod.session import request_of
from dmod.testing.rivers import run_here, tiny_run_directory

RULES = [BundleRule(), ConfigRule(), ForcingRule(), PartitionRule(), RealizationRule(), SubsetRule()]
SPAN = Span.of("2016-09-01", "2016-09-02")


def parts_of(river):
    """The parts of a tiny river."""
    return {
        "hydrofabric": Part(river / "config" / "tiny.gpkg", Format.GEOPACKAGE),
        "realization": Part(river / "config" / "realization.json", Format.REALIZATION),
        "forcing": Part(river / "forcings" / "forcings.nc", Format.FORCING_NETCDF),
    }


@pytest.fixture
def tiny(tmp_path):
    """A tiny river whose realization looks for its files where bundles have them."""
    river = tiny_run_directory(tmp_path / "river", hours=6)
    path = river / "config" / "realization.json"
    path.write_text(path.read_text().replace("config/CFE", "config/cat_config/CFE").replace(
        "config/PET", "config/cat_config/PET"
    ))  # fmt: skip
    folder = tmp_path / "files" / "cat_config"
    folder.mkdir(parents=True)
    for name in ("CFE", "PET"):
        (river / "config" / name).rename(folder / name)
    return parts_of(river) | {"configs": Part(folder, Format.BMI_CONFIG)}


def weather(path, ids):
    """A day of weather for some catchments."""
    axis = TimeAxis(SPAN.start_s, 3600, 24)
    usual = dict(zip(AORC, (1e-4, 285.0, 0.004, 3.0, 4.0, 1e5, 300.0, 256.0), strict=True))
    return write_forcing(
        path, ids, axis=axis,
        blocks=lambda a, b: {name: np.full((b - a, 24), usual[name], dtype=np.float32) for name in AORC},
    )  # fmt: skip


def dataset(name, path, kind, coverage, **more):
    """Something as a dataset, in place."""
    return Dataset(name, name, kind.categories[0], kind, coverage, f"sha256:{len(name):064x}", 1, (), str(path), **more)


def test_a_run_directory_is_derived_from_a_river_and_its_weather_alone(data, tmp_path):
    source = data / "hydrofabric" / "v2.2" / "gage-10109001_subset.gpkg"
    whole = Domain.open(source)
    ids = sorted(whole.subset("wb-2861382").catchments)
    every = list(whole.catchments)
    formulation = Formulation.load("cfe-x").for_catchments({ids[0]: {"satdk": 1e-6}})
    hourly = Coverage.of(spans=SPAN, ids=every, variables=list(AORC))
    held = {
        "conus": (
            source,
            dataset("conus", source, Format.GEOPACKAGE, Coverage.of(spans=ALL, ids=every, variables=ALL)),
        ),
    }
    path = weather(tmp_path / "weather.nc", every)
    held["aorc"] = (path, dataset("aorc", path, Format.FORCING_NETCDF, hourly))
    cut = Coverage.of(spans=SPAN, ids=ids, variables=list(AORC))
    needs = {
        "forcing": Requirement("forcing", Category.FORCING, (Format.FORCING_ZARR,), cut),
        "hydrofabric": Requirement(
            "hydrofabric", Category.HYDROFABRIC, (Format.GEOJSON,), Coverage.of(spans=ALL, ids=ids, variables=ALL)
        ),
        "configs": configs_needed(formulation, ids),
        "realization": realization_needed(formulation, "2016-09-01", "2016-09-01 23:00"),
        "partitions": partitions_needed(ids, 2),
    }
    for name, needed in needs.items():
        (found,) = match([needed], [one for _, one in held.values()], RULES)
        assert isinstance(found, Derivable), str(found)
        made = derive(found.offer, [held[one.name][0] for one in found.parents], tmp_path / "made", known=RULES)
        held[name] = (
            made.path,
            dataset(name, made.path, made.format, made.coverage, facts=made.facts, lineage=made.lineage),
        )
    needed = bundle_needed({name: name for name in needs}, Coverage.of(spans=SPAN, ids=ids, variables=ALL))
    (found,) = match([needed], [one for _, one in held.values()], RULES)
    assert isinstance(found, Derivable), str(found)
    bundle = derive(found.offer, [held[one.name][0] for one in found.parents], tmp_path / "made", known=RULES)
    case, report = examine(question_of(request_of(bundle.path), every_value=True))
    assert report.ok, str(report)
    assert sorted(case.domain.catchments) == ids
    flow = run_here(bundle.path)["nexus_flow"].values
    assert flow.shape == (len(case.domain.nexus_ids), 24)
    assert np.isfinite(flow).all()
    assert (flow[:, 1:] > 0).all()
    assert (bundle.path / "partitions_2.json").is_file()


def test_a_bundle_runs_as_what_it_was_made_of(tiny, tmp_path):
    whole = tiny_run_directory(tmp_path / "whole", hours=6)
    bundle = assemble(tmp_path / "bundle", tiny)
    assert np.array_equal(run_here(bundle)["nexus_flow"].values, run_here(whole)["nexus_flow"].values)


def test_a_bundle_lies_as_nextgen_in_a_box_has_it(tiny, tmp_path):
    bundle = assemble(tmp_path / "bundle", tiny)
    assert sorted(path.name for path in bundle.iterdir()) == ["config", "forcings", "outputs"]
    assert sorted(path.name for path in (bundle / "config").iterdir()) == [
        "cat_config",
        "realization.json",
        "tiny.gpkg",
    ]
    assert sorted(path.name for path in (bundle / "outputs").iterdir()) == ["ngen", "troute"]
    run = find_run_directory(bundle)
    assert run.hydrofabric == bundle / "config" / "tiny.gpkg"
    assert oct(bundle.stat().st_mode & 0o777) == "0o755"


@pytest.mark.parametrize("kind", FORCING_NAMES)
def test_the_realization_names_the_forcing_of_the_bundle_whatever_its_format(tiny, tmp_path, kind):
    # The first DMOD wrote one path for all, with the check of what it was the wrong way round.
    source = open_forcing(ForcingRef(tiny["forcing"].path, "NetCDF"))
    path = copy_forcing(source, tmp_path / FORCING_NAMES[kind], kind)
    realization = json.loads(tiny["realization"].path.read_text())
    realization["global"]["forcing"] = {"path": "/somebody/else.nc", "provider": "NetCDF"}
    realization["catchments"] = {"cat-2": {**realization["global"]}}
    tiny["realization"].path.write_text(json.dumps(realization))
    bundle = assemble(tmp_path / "bundle", tiny | {"forcing": Part(path, kind)})
    expected = json.loads((bundle / "config" / "realization.json").read_text())
    assert expected["catchments"]["cat-2"]["forcing"] == expected["global"]["forcing"]
    assert expected["global"]["formulations"] == realization["global"]["formulations"]
    assert len(run_here(bundle)["nexus_flow"]) == 2


def test_without_a_forcing_the_realization_stays_as_it_was(tiny, tmp_path):
    del tiny["forcing"]
    bundle = assemble(tmp_path / "bundle", tiny)
    assert (bundle / "config" / "realization.json").read_bytes() == tiny["realization"].path.read_bytes()


def test_editing_a_bundle_leaves_what_it_was_made_of_alone(tiny, tmp_path):
    before = {name: part.path.read_bytes() for name, part in tiny.items() if part.path.is_file()}
    bundle = assemble(tmp_path / "bundle", tiny)
    for path in (bundle / "config").rglob("*"):
        if path.is_file():
            path.write_text("edited")
    assert {name: part.path.read_bytes() for name, part in tiny.items() if part.path.is_file()} == before
    assert "edited" not in (tiny["configs"].path / "CFE" / "cat-1.ini").read_text()


def test_large_files_are_linked_and_can_be_copied_instead(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("dmod.prepare.bundle._LARGE_BYTES", 1)
    linked = assemble(tmp_path / "linked", tiny) / "forcings" / "forcings.nc"
    copied = assemble(tmp_path / "copied", tiny, link=False) / "forcings" / "forcings.nc"
    assert linked.samefile(tiny["forcing"].path)
    assert not copied.samefile(tiny["forcing"].path)
    assert not (tmp_path / "linked" / "config" / "realization.json").is_symlink()


def test_where_links_cannot_be_made_files_are_copied(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("dmod.prepare.bundle._LARGE_BYTES", 1)

    def refuses(source, target):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuses)
    bundle = assemble(tmp_path / "bundle", tiny)
    assert (bundle / "forcings" / "forcings.nc").read_bytes() == tiny["forcing"].path.read_bytes()


def test_all_parts_of_a_bundle_are_there(tiny, tmp_path):
    # The first DMOD stopped at the first of them.
    (tmp_path / "routing.yaml").write_text("network_topology_parameters:\n")
    (tmp_path / "partitions_2.json").write_text("{}")
    bundle = assemble(tmp_path / "bundle", tiny | {
        "troute": Part(tmp_path / "routing.yaml", Format.TROUTE_CONFIG),
        "partitions": Part(tmp_path / "partitions_2.json", Format.PARTITIONS),
    })  # fmt: skip
    assert (bundle / "partitions_2.json").is_file()
    assert find_run_directory(bundle).troute == bundle / "config" / "troute.yaml"
    assert len(list((bundle / "config" / "cat_config").rglob("*.ini"))) == 6


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        pytest.param(lambda p: p.pop("realization"), DatasetError, "needs a realization", id="missing"),
        pytest.param(lambda p: p.update(soup=p["forcing"]), DatasetError, "no part 'soup'", id="unknown"),
        pytest.param(
            lambda p: p.update(hydrofabric=Part(p["hydrofabric"].path, Format.GEOPARQUET)), DatasetError,
            "cannot be geoparquet", id="format",
        ),
        pytest.param(lambda p: p["forcing"].path.unlink(), DatasetError, "not where it should be", id="gone"),
        pytest.param(lambda p: p["realization"].path.write_text("{}"), RealizationError, "cannot be used", id="broken"),
        pytest.param(
            lambda p: (p["configs"].path / "PET").rename(p["configs"].path / "pet-files"), RealizationError,
            "looks for the files of PET where there are none", id="elsewhere",
        ),
    ],
)  # fmt: skip
def test_nothing_is_left_of_a_bundle_that_cannot_be(tiny, tmp_path, change, kind, said):
    parts = dict(tiny)
    change(parts)
    (tmp_path / "place").mkdir()
    with pytest.raises(kind, match=said):
        assemble(tmp_path / "place" / "bundle", parts)
    assert list((tmp_path / "place").iterdir()) == []


def test_a_directory_with_something_in_it_is_not_touched(tiny, tmp_path):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="something already"):
        assemble(tmp_path / "bundle", tiny)
    assert [path.name for path in (tmp_path / "bundle").iterdir()] == ["mine.txt"]


def test_a_bundle_is_promised_only_where_every_part_is_there_and_holds_enough(tmp_path):
    hourly = Coverage.of(spans=SPAN, ids=["cat-1", "cat-2"], variables=["T2D"])
    river = Coverage.of(spans=ALL, ids=["cat-1", "cat-2"], variables=ALL)
    parts = {
        "hydrofabric": dataset("river", "/r", Format.GEOPACKAGE, river),
        "forcing": dataset("aorc", "/f", Format.FORCING_NETCDF, hourly),
        "realization": dataset("how", "/h", Format.REALIZATION, Coverage((SPAN,), ALL, ALL)),
    }
    names = {part: one.name for part, one in parts.items()}
    needed = bundle_needed(names, Coverage.of(spans=SPAN, ids=["cat-1"], variables=ALL))
    listed = Listed(parts.values())
    assert [one.name for one in BundleRule().offers(needed, listed).parents] == ["aorc", "river", "how"]
    short = Listed([*list(parts.values())[::2], dataset("aorc", "/f", Format.FORCING_NETCDF, Coverage.of(
        spans=Span.of("2016-09-01", "2016-09-01 12:00"), ids=["cat-1"], variables=["T2D"]
    ))])  # fmt: skip
    assert BundleRule().offers(needed, short) is None
    assert BundleRule().offers(needed, Listed(list(parts.values())[:2])) is None
    with pytest.raises(DatasetError, match="needs a realization"):
        bundle_needed({"hydrofabric": "river"}, needed.coverage)
