"""A run directory is taken just as it is, and what is missing is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from dmod.errors import ForcingError, HydrofabricError, InputError, RealizationError
from dmod.model.run_directory import find_run_directory


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The smallest run directory, as NextGen In A Box makes it."""
    root = tmp_path / "gage-10154200"
    for name in ("config/gage-10154200_subset.gpkg", "config/realization.json", "forcings/forcings.nc"):
        put(root / name)
    return root


def put(path: Path) -> Path:
    """An empty file, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_the_parts_are_found_where_ngiab_puts_them(run):
    put(run / "config" / "troute.yaml")
    found = find_run_directory(run)
    assert found.root == run
    assert found.hydrofabric == run / "config" / "gage-10154200_subset.gpkg"
    assert found.realization == run / "config" / "realization.json"
    assert found.troute == run / "config" / "troute.yaml"
    assert found.outputs == run / "outputs"
    assert (found.nexus, found.forcing) == (None, None)
    assert not found.outputs.exists(), "finding makes nothing"


def test_a_realization_may_lie_deeper_but_a_checkpoint_of_jupyterlab_does_not_count(run):
    (run / "config" / "realization.json").unlink()
    deeper = put(run / "config" / "calibrated" / "best_realization_01.json")
    put(run / "config" / ".ipynb_checkpoints" / "realization-checkpoint.json")
    assert find_run_directory(run).realization == deeper


def test_other_json_files_do_not_count(run):
    put(run / "config" / "csv-forcing.json")
    put(run / "config" / "downloaded_params.json")
    assert find_run_directory(run).realization.name == "realization.json"


def test_several_realizations_are_listed_and_one_can_be_named(run):
    other = put(run / "config" / "realization_summa.json")
    with pytest.raises(RealizationError, match="there are 2 realizations") as caught:
        find_run_directory(run)
    assert caught.value.facts["found"] == "config/realization.json, config/realization_summa.json"
    assert "--realization" in caught.value.hint
    assert find_run_directory(run, realization=other).realization == other
    assert find_run_directory(run, realization=Path("config/realization_summa.json")).realization == other


def test_without_a_realization_the_error_says_what_was_looked_for_and_found(run):
    (run / "config" / "realization.json").rename(run / "config" / "settings.json")
    with pytest.raises(RealizationError, match="there is no realization") as caught:
        find_run_directory(run)
    assert "*realization*.json" in str(caught.value.facts["looked_for"])
    assert caught.value.facts["found"] == "config/settings.json"


def test_several_hydrofabrics_are_listed_and_one_can_be_named(run):
    other = put(run / "config" / "old.gpkg")
    with pytest.raises(HydrofabricError, match="there are 2 hydrofabrics") as caught:
        find_run_directory(run)
    assert caught.value.facts["found"] == "config/gage-10154200_subset.gpkg, config/old.gpkg"
    assert find_run_directory(run, hydrofabric=other).hydrofabric == other


def test_without_a_hydrofabric_the_error_says_so(run):
    (run / "config" / "gage-10154200_subset.gpkg").unlink()
    with pytest.raises(HydrofabricError, match=r"(?s)no hydrofabric.*\*\.gpkg.*config/realization\.json"):
        find_run_directory(run)


def test_a_pair_of_geojson_files_is_a_hydrofabric(run):
    (run / "config" / "gage-10154200_subset.gpkg").unlink()
    catchments = put(run / "config" / "catchment_data.geojson")
    with pytest.raises(HydrofabricError, match="nexuses"):
        find_run_directory(run)
    nexuses = put(run / "config" / "nexus_data.geojson")
    found = find_run_directory(run)
    assert (found.hydrofabric, found.nexus) == (catchments, nexuses)


def test_a_named_geojson_brings_its_nexuses(run, tmp_path):
    catchments = put(tmp_path / "elsewhere" / "catchment_data.geojson")
    nexuses = put(tmp_path / "elsewhere" / "nexus_data.geojson")
    assert find_run_directory(run, hydrofabric=catchments).nexus == nexuses


def test_no_directory_no_config_and_the_folder_above(run, tmp_path):
    with pytest.raises(InputError, match="there is no run directory"):
        find_run_directory(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no run directory") as caught:
        find_run_directory(run / "config" / "realization.json")
    assert caught.value.facts["found"] == "a file"
    with pytest.raises(InputError, match="it has no folder config") as caught:
        find_run_directory(tmp_path)
    assert caught.value.hint == f"did you mean {run}?"
    with pytest.raises(InputError, match="it has no folder config") as caught:
        find_run_directory(run / "config")
    assert caught.value.hint == f"did you mean {run}?"


def test_a_directory_without_config_will_do_when_the_parts_are_named(run, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    here = find_run_directory(run)
    found = find_run_directory(bare, hydrofabric=here.hydrofabric, realization=here.realization)
    assert (found.root, found.outputs, found.troute) == (bare, bare / "outputs", None)


def test_a_forcing_can_be_named_but_must_exist(run):
    found = find_run_directory(run, forcing=Path("forcings/forcings.nc"))
    assert found.forcing == run / "forcings" / "forcings.nc"
    with pytest.raises(ForcingError, match=r"there is no forcing forcings/none\.nc"):
        find_run_directory(run, forcing=Path("forcings/none.nc"))


def test_paths_are_relative_to_the_run_directory(run, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    found = find_run_directory(Path("gage-10154200"))
    assert found.resolve("./forcings/forcings.nc") == run / "forcings" / "forcings.nc"
    assert found.resolve("/dev/null") == Path("/dev/null")


def test_cat_config_has_two_spellings(run):
    found = find_run_directory(run)
    written = "./config/cat_config/CFE/{{id}}.ini"
    assert found.resolve(written) == run / "config" / "cat_config" / "CFE" / "{{id}}.ini"
    put(run / "config" / "cat-config" / "CFE" / "cat-1.ini")
    assert found.resolve(written) == run / "config" / "cat-config" / "CFE" / "{{id}}.ini"
    put(run / "config" / "cat_config" / "CFE" / "cat-1.ini")
    assert found.resolve(written) == run / "config" / "cat_config" / "CFE" / "{{id}}.ini"


def test_two_routing_files_of_equal_rank_are_nobodys_guess(run):
    put(run / "config" / "routing_a.yaml")
    assert find_run_directory(run).troute == run / "config" / "routing_a.yaml"
    put(run / "config" / "routing_b.yml")
    assert find_run_directory(run).troute is None


@pytest.mark.parametrize(("case", "fabric"), [("gauge_01073000", "gauge_01073000.gpkg"), ("n20", "synth.gpkg")])
def test_what_ngen_ran_is_found(data, case, fabric):
    found = find_run_directory(data / "ngen-reference" / case)
    assert found.hydrofabric.name == fabric
    assert found.realization.name == "realization.json"
    assert found.resolve("./forcings/forcings.nc").is_file()
