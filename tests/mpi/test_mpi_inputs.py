"""What an MPI run is given, made from a run directory that stays as it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from dmod.domain.partitioning import Partitioning
from dmod.errors import CheckError, InputError, RealizationError, SelectionError
from dmod.execution.container import Mount
from dmod.execution.mpi_inputs import Inputs, prepare_inputs
from dmod.formats.partition_json import read_partitions
from dmod.model.case import Question
from dmod.model.run_directory import find_run_directory
from dmod.prepare.basin import Basin, make_basin

DAY_S = 86400


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Basin:
    """Twelve catchments, two days."""
    return make_basin(tmp_path_factory.mktemp("made") / "run", catchments=12, days=2)


@pytest.fixture
def run(made, tmp_path) -> Path:
    """A run directory that a test may spoil."""
    return Path(shutil.copytree(made.directory, tmp_path / "run"))


def question(run: Path, **options) -> Question:
    named = {key: options.pop(key) for key in ("hydrofabric", "forcing") if key in options}
    directory = find_run_directory(run, **named)
    return Question(directory, forcing=directory.forcing, **options)


def prepared(run: Path, ranks: int | None = 2, **options) -> Inputs:
    asked = {
        key: options.pop(key) for key in ("hydrofabric", "forcing", "catchments", "start_s", "end_s") if key in options
    }
    return prepare_inputs(question(run, **asked), ranks=ranks, folder=run.parent / "work", **options)


def edit(run: Path, change) -> None:
    """Change the realization of a run."""
    path = next((run / "config").glob("*realization*.json"))
    tree = json.loads(path.read_text())
    change(tree)
    path.write_text(json.dumps(tree))


def formulation(tree: dict) -> dict:
    return tree["global"]["formulations"][0]["params"]


def test_only_time_outputs_and_paths_differ_from_the_users_own(run):
    before = json.loads(next((run / "config").glob("*realization*.json")).read_text())
    files = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    inputs = prepared(run)
    after = json.loads(inputs.realization.read_text())
    assert after.pop("output_root") == "/dmod/outputs"
    before.pop("output_root", None)
    if "output" in before:
        before["output"]["root"] = "/dmod/outputs"
    assert after == before
    assert list(after["global"]) == list(before["global"])
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == files


def test_arguments_are_those_of_ngen_as_seen_inside(run, made):
    inputs = prepared(run)
    fabric = f"/ngen/ngen/data/config/{made.geopackage.name}"
    assert inputs.arguments == (
        fabric, "all", fabric, "all", "/dmod/work/realization.json", "/dmod/work/partitions_2.json",
    )  # fmt: skip
    assert inputs.mounts == ()
    assert (sum(inputs.catchments), len(inputs.catchments), inputs.steps, inputs.step_s) == (12, 2, 48, 3600)


def test_programs_of_this_machine_get_paths_of_this_machine(run, tmp_path):
    here = {"run": str(run), "work": str(tmp_path / "work"), "outputs": str(tmp_path / "out")}
    inputs = prepare_inputs(question(run), ranks=2, folder=tmp_path / "work", **here)
    assert Path(inputs.arguments[0]).is_file()
    assert Path(inputs.arguments[4]) == inputs.realization
    assert json.loads(inputs.realization.read_text())["output_root"] == str(tmp_path / "out")


def test_time_asked_for_replaces_that_of_the_realization(run):
    start_s = prepared(run).start_s
    inputs = prepared(run, start_s=start_s + 3600, end_s=start_s + 7200)
    time = json.loads(inputs.realization.read_text())["time"]
    assert (time["start_time"], time["end_time"]) == ("2015-10-01 01:00:00", "2015-10-01 02:00:00")
    assert (inputs.start_s, inputs.steps) == (start_s + 3600, 2)
    with pytest.raises(RealizationError, match="before the start"):
        prepared(run, start_s=start_s + DAY_S, end_s=start_s)


def test_no_rank_sends_another_anything_and_every_nexus_is_written_once(run):
    inputs = prepared(run, ranks=3)
    assert inputs.is_local
    ranks = read_partitions(inputs.partitions)
    assert all(not rank.remote for rank in ranks)
    assert tuple(len(rank.catchments) for rank in ranks) == inputs.catchments
    assert sorted(name for rank in ranks for name in rank.catchments) == sorted(inputs.domain.catchments)
    assert sorted(name for rank in ranks for name in rank.nexuses) == sorted(inputs.domain.nexus_ids)


def test_without_a_number_there_are_as_many_ranks_as_fit(run):
    groups = len({int(n) for n in prepared(run, ranks=1).domain.network.nexus_of})
    assert len(prepared(run, ranks=None, most=2).catchments) == 2
    assert len(prepared(run, ranks=None, most=1000).catchments) == groups


def test_more_ranks_than_the_domain_can_be_cut_into_are_refused(run):
    with pytest.raises(SelectionError, match="1,000 ranks are more") as caught:
        prepared(run, ranks=1000)
    assert "at most" in str(caught.value)
    assert not (run.parent / "work").exists()


def test_a_selection_with_one_rank_is_named_and_with_more_is_the_partition(run, made):
    chosen = tuple(made.ids[:4])
    alone = prepared(run, ranks=1, catchments=chosen)
    assert alone.arguments[1] == ",".join(chosen)
    assert alone.arguments[3] == ",".join(alone.domain.nexus_ids.to_list())
    several = prepared(run, ranks=2, catchments=chosen)
    assert several.arguments[1] == "all"
    listed = {name for rank in read_partitions(several.partitions) for name in rank.catchments}
    assert listed == set(chosen)


def test_a_partition_file_of_ones_own_is_used(run, tmp_path):
    network = prepared(run).domain.network
    given = Partitioning.of(network, 3).to_json(tmp_path / "mine.json")
    inputs = prepared(run, ranks=None, partitions=given)
    mine = [set(rank.catchments) for rank in read_partitions(given)]
    assert [set(rank.catchments) for rank in read_partitions(inputs.partitions)] == mine
    with pytest.raises(SelectionError, match="another number of ranks"):
        prepared(run, ranks=2, partitions=given)


def test_a_partition_file_of_another_domain_is_refused(run, tmp_path):
    (tmp_path / "other.json").write_text(
        '{"partitions": [{"id": 0, "cat-ids": ["cat-99999"]}, {"id": 1, "cat-ids": []}]}'
    )
    with pytest.raises(SelectionError, match="not in the domain"):
        prepared(run, ranks=2, partitions=tmp_path / "other.json")


def test_a_partition_file_at_which_ngen_would_wait_for_ever_is_refused_for_ngen_only(data, tmp_path):
    run = Path(shutil.copytree(data / "ngen-reference" / "n20", tmp_path / "run"))
    (run / "config" / "csv-forcing.json").unlink()
    network = prepared(run, ranks=1).domain.network
    fed = next(n for n in range(len(network.nexuses)) if (network.nexus_of == n).sum() >= 3)
    members = network.catchments.take((network.nexus_of == fed).nonzero()[0]).to_list()
    others = [name for name in network.catchments if name not in members]
    split = [others + members[:-1], members[-1:]]
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps({"partitions": [{"id": k, "cat-ids": ids} for k, ids in enumerate(split)]}))
    if not Partitioning.read(mine, network).hangs_ngen():
        split = [members[-1:], others + members[:-1]]
        mine.write_text(json.dumps({"partitions": [{"id": k, "cat-ids": ids} for k, ids in enumerate(split)]}))
    with pytest.raises(SelectionError, match="wait for ever") as caught:
        prepared(run, ranks=2, partitions=mine)
    assert network.nexuses[fed] in str(caught.value)
    ours = prepared(run, ranks=2, partitions=mine, own=True)
    assert not ours.is_local
    assert any(rank.remote for rank in read_partitions(ours.partitions))


def test_a_foreign_formulation_is_left_to_ngen(run):
    def change(tree):
        modules = formulation(tree)["modules"]
        modules.append(
            {
                "name": "bmi_fortran",
                "params": {
                    "model_type_name": "nobody_here_knows",
                    "library_file": "/dmod/shared_libs/libnobody.so",
                    "init_config": "./config/nobody/{{id}}.txt",
                    "main_output_variable": "x",
                },
            }
        )
        tree["layers"] = [{"id": 0, "name": "surface layer"}, {"id": 1, "name": "deep", "time_step": 3600}]

    edit(run, change)
    inputs = prepared(run)
    module = formulation(json.loads(inputs.realization.read_text()))["modules"][-1]["params"]
    assert module["library_file"] == "/dmod/shared_libs/libnobody.so"
    assert module["init_config"] == "./config/nobody/{{id}}.txt"
    assert not inputs.is_local  # layers may be coupled
    with pytest.raises(CheckError, match="default layer"):
        prepared(run, own=True)


def test_absolute_paths_in_the_run_directory_become_relative(run):
    def change(tree):
        tree["global"]["forcing"]["path"] = str(run / "forcings" / "forcings.nc")
        for module in formulation(tree)["modules"]:
            config = module["params"]["init_config"]
            if config.startswith("./"):
                module["params"]["init_config"] = "/ngen/ngen/data/" + config.removeprefix("./")

    before = json.loads(next((run / "config").glob("*realization*.json")).read_text())
    edit(run, change)
    after = json.loads(prepared(run).realization.read_text())
    assert after["global"] == before["global"]


def test_a_path_outside_is_refused_unless_it_is_in_a_store_or_named_by_hand(run, tmp_path):
    elsewhere = tmp_path / "elsewhere" / "weather.nc"
    elsewhere.parent.mkdir()
    shutil.copy(run / "forcings" / "forcings.nc", elsewhere)
    by_hand = prepared(run, forcing=elsewhere)
    assert by_hand.mounts == (Mount(elsewhere, "/dmod/inputs/0/weather.nc"),)
    forcing = json.loads(by_hand.realization.read_text())["global"]["forcing"]
    assert forcing == {"path": "/dmod/inputs/0/weather.nc", "provider": "NetCDF"}

    edit(run, lambda tree: tree["global"]["forcing"].update(path=str(elsewhere)))
    with pytest.raises(InputError, match="outside of the run directory") as caught:
        prepared(run)
    assert "global.forcing.path" in str(caught.value)
    stored = prepared(run, stores=[tmp_path / "elsewhere"])
    assert stored.mounts[0].source == elsewhere

    edit(run, lambda tree: tree["global"]["forcing"].update(path="../elsewhere/weather.nc"))
    with pytest.raises(InputError, match="outside of the run directory"):
        prepared(run)


def test_a_link_out_of_the_run_directory_is_refused_unless_it_leads_to_a_store(run, tmp_path):
    elsewhere = tmp_path / "elsewhere" / "forcings.nc"
    elsewhere.parent.mkdir()
    (run / "forcings" / "forcings.nc").rename(elsewhere)
    (run / "forcings" / "forcings.nc").symlink_to(elsewhere)
    with pytest.raises(InputError, match="a link leads out"):
        prepared(run)
    inputs = prepared(run, stores=[tmp_path / "elsewhere"])
    assert inputs.mounts[0].source == elsewhere
    assert json.loads(inputs.realization.read_text())["global"]["forcing"]["path"] == inputs.mounts[0].target


def test_weather_of_a_zarr_store_is_for_our_own_engine_only(run, tmp_path):
    (tmp_path / "w.zarr").mkdir()
    (tmp_path / "w.zarr" / "zarr.json").write_text("{}")
    with pytest.raises(RealizationError, match="Zarr"):
        prepared(run, forcing=tmp_path / "w.zarr")
    assert prepared(run, forcing=tmp_path / "w.zarr", own=True).mounts


def test_a_folder_of_weather_is_named_with_a_pattern(run, tmp_path):
    (tmp_path / "csv").mkdir()
    forcing = json.loads(prepared(run, forcing=tmp_path / "csv").realization.read_text())["global"]["forcing"]
    assert forcing["provider"] == "CsvPerFeature"
    assert "{{id}}" in forcing["file_pattern"]


def test_routing_reads_and_writes_where_it_may(run):
    (run / "config" / "troute.yaml").write_text(
        "compute_parameters:\n"
        "    forcing_parameters:\n"
        "        qlat_input_folder           : outputs/ngen/  # ngen's\n"
        '        qlat_file_pattern_filter    : "nex-*"\n'
        "output_parameters:\n"
        "    stream_output:\n"
        "        stream_output_directory: ./outputs/troute/\n"
        f"        geo_file_path: {run}/config/x.gpkg\n"
    )
    edit(run, lambda tree: tree.update(routing={"t_route_config_file_with_path": "./config/troute.yaml"}))
    inputs = prepared(run)
    assert inputs.folders == ("troute",)
    routing = json.loads(inputs.realization.read_text())["routing"]
    assert routing["t_route_config_file_with_path"] == "/dmod/work/troute.yaml"
    text = (inputs.realization.parent / "troute.yaml").read_text()
    assert "qlat_input_folder           : /dmod/outputs  # ngen's" in text
    assert 'qlat_file_pattern_filter    : "nex-*"' in text
    assert "stream_output_directory: /dmod/outputs/troute" in text
    assert "geo_file_path: ./config/x.gpkg" in text


def test_a_routing_configuration_that_is_not_there_is_said_before_the_start(run):
    edit(run, lambda tree: tree.update(routing={"t_route_config_file_with_path": "./config/absent.yaml"}))
    with pytest.raises(RealizationError, match="t-route"):
        prepared(run)
    assert prepared(run, own=True).folders == ()


def test_a_broken_realization_is_refused_with_all_that_is_wrong(run):
    def change(tree):
        del tree["time"]["end_time"]
        formulation(tree)["modules"][0]["name"] = "bmi_cobol"

    edit(run, change)
    with pytest.raises(CheckError) as caught:
        prepared(run)
    assert len(caught.value.report.errors) >= 2


def test_what_ngen_alone_would_stop_at_is_an_error_for_ngen(run, made):
    edit(run, lambda tree: tree.update(catchments={made.ids[0]: {"formulations": tree["global"]["formulations"]}}))
    with pytest.raises(CheckError, match="no forcing of its own"):
        prepared(run)
    assert prepared(run, own=True).steps == 48
