"""What a file or directory is, told by what is in it, and what it covers."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import time

import pytest

from dmod.data.coverage import ALL, Coverage, IdSet, Span
from dmod.data.kinds import Category, Format
from dmod.errors import ConfigError, DatasetError, HydrofabricError, InputError, RealizationError
from dmod.formats import describe as module
from dmod.formats.describe import Detector, Glance, describe
from dmod.formats.describe_glance import id_set
from dmod.formats.names import Names
from dmod.plugins import Group
from dmod.testing.rivers import CATCHMENTS, tiny_run_directory

DECEMBER = (Span.of("2015-12-01", "2015-12-31"),)
GAGE = ["cat-11223", "cat-11224", "cat-11371", "cat-11410", "cat-11509"]


@pytest.mark.parametrize(
    ("place", "format_", "coverage"),
    [
        ("hydrofabric/v2.0/gauge_01073000.gpkg", "geopackage", (ALL, GAGE, ALL)),
        ("hydrofabric/v0-geojson/ngen/catchment_data.geojson", "geojson", (ALL, ["cat-27", "cat-52", "cat-67"], ALL)),
        ("hydrofabric/v0-geojson/ngen", "geojson", (ALL, ["cat-27", "cat-52", "cat-67"], ALL)),
        ("partitions/simple_partition8.json", "partitions", (ALL, [f"cat-{n}" for n in range(8)], ALL)),
        ("ngen-reference/gauge_01073000/expected/partitions_2.json", "partitions", (ALL, GAGE, ALL)),
        ("configs/realization/ngen/example_realization_config.json", "realization", (DECEMBER, ALL, ALL)),
        ("configs/troute/gauge_01073000_routing_config.yaml", "troute-config", (ALL, ALL, ALL)),
        ("configs/bmi_init/gauge_01073000", "bmi-config", (ALL, GAGE, {"cfe", "noah-owp", "pet"})),
        ("configs/bmi_init/ngen_conf/pet.ini", "bmi-config", (ALL, ALL, {"pet"})),
        ("ngen-reference/gauge_01073000", "composite", (DECEMBER, GAGE, ALL)),
        ("ngen_output/nexus_csv", "ngen-csv", (DECEMBER, ["nex-11223", "nex-11224", "nex-11225"], {"nexus_flow"})),
        (
            "ngen-reference/gauge_01073000/expected/aggregated_netcdf/formulation_default_nexuses.nc",
            "ngen-netcdf",
            (DECEMBER, ["nex-11223", "nex-11224", "nex-11225"], {"nexus_flow"}),
        ),
        (
            "ngen_output/troute_output/troute_output.nc",
            "troute-output",
            (
                (Span.of("2023-04-02 01:00", "2023-04-03 00:00:01"),),
                ["wb-2420800"],
                {"routed_flow", "velocity", "depth"},
            ),
        ),
        (
            "observations/teehr/test_short_obs.csv",
            "observations-csv",
            (
                (Span.of("2022-01-01", "2022-01-02 01:00:01"),),
                ["gage-A", "gage-B", "gage-C"],
                {"streamflow"},
            ),
        ),
    ],
)
def test_real_files_are_known_by_what_is_in_them(data, place, format_, coverage):
    found = describe(data / place)
    spans, ids, variables = coverage
    assert found.format is Format(format_)
    assert found.category is found.format.categories[0]
    assert found.coverage == Coverage.of(spans=spans, ids=ids, variables=variables)
    json.dumps(found.facts)


@pytest.mark.parametrize(
    "place",
    [
        "README.md",
        "MANIFEST.csv",
        "expected/expected_facts.json",
        "forcing/weights",
        "forcing/netcdf/Gauge_01073000_ESMF_Mesh.nc",
        "forcing/weights/cat-1555522_weights.parquet",
        "hydrofabric/v0-geojson/ngen/crosswalk.json",
        "observations/dmod_evaluations/thresholds.csv",
        "configs/calibration/calibration_config.json",
        "ngen-reference",
        "nwm_output/LowerColorado_TX/202108231300.CHRTOUT_DOMAIN1",
    ],
)
def test_what_is_not_known_is_refused_with_what_was_seen_and_what_is_known(data, place):
    with pytest.raises(DatasetError, match="nobody knows what this is") as caught:
        describe(data / place)
    assert caught.value.facts["has"] == Glance(data / place).seen()
    assert "geopackage" in caught.value.facts["known"]


def test_no_real_file_gives_a_traceback_or_a_wrong_kind_of_error(data):
    for path in sorted(data.rglob("*")):
        if path.is_dir() or path.stat().st_size < 1_000_000:
            with contextlib.suppress(InputError):
                describe(path)


def test_the_names_of_files_do_not_matter(data, tmp_path):
    for number, place in enumerate(
        [
            "hydrofabric/v2.0/gauge_01073000.gpkg",
            "forcing/netcdf/gauge_01073000_forcing.nc",
            "partitions/simple_partition2.json",
        ]
    ):
        nameless = tmp_path / str(number)
        shutil.copy(data / place, nameless)
        assert describe(nameless).coverage == describe(data / place).coverage


def test_a_format_that_was_asked_for_is_the_only_one_tried(tmp_path):
    run = tiny_run_directory(tmp_path / "run")
    assert describe(run / "config" / "CFE", format=Format.BMI_CONFIG).format is Format.BMI_CONFIG
    with pytest.raises(DatasetError, match="this is not weather, one NetCDF file"):
        describe(run / "config" / "CFE", format="forcing-netcdf")
    with pytest.raises(DatasetError, match="there is no format 'excel'"):
        describe(run, format="excel")


def test_anything_is_generic_when_asked_for_and_only_then(tmp_path):
    (tmp_path / "notes").write_text("as it was")
    found = describe(tmp_path / "notes", format="generic")
    assert (found.format, found.coverage, found.files) == (
        Format.GENERIC,
        Coverage(ALL, ALL, ALL),
        (tmp_path / "notes",),
    )
    with pytest.raises(DatasetError, match="generic"):
        describe(tmp_path / "notes")


def test_what_is_not_there_is_said_to_be_so(tmp_path):
    with pytest.raises(DatasetError, match="no such file"):
        describe(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (b"", "an empty file"),
        (b"CDF\x01" + bytes(40), "a NetCDF-3 file, which is to be converted to NetCDF-4"),
        (b"\x00\x01binary", r"bytes that begin with b'\x00\x01binary'"),
        (b"hello\n", r"text that begins with 'hello\n'"),
        (b"\x89HDF\r\n\x1a\nno more", "an HDF5 file with no arrays, or damaged"),
        (b"PK\x03\x04cut", "an archive"),
        (b"\x1f\x8bcut", "an archive"),
    ],
)
def test_odd_files_are_described_as_they_look(tmp_path, content, seen):
    (tmp_path / "odd").write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        describe(tmp_path / "odd")
    assert caught.value.facts["has"] == seen


@pytest.mark.parametrize("text", ["[" * 50_000, "((" * 25_000 + ","])
def test_a_line_without_an_end_is_refused_at_once(tmp_path, text):
    (tmp_path / "odd.json").write_text(text)
    began = time.monotonic()
    with pytest.raises(DatasetError):
        describe(tmp_path / "odd.json")
    assert time.monotonic() - began < 10, "it took minutes when each bracket was looked at from each other one"


def test_a_damaged_file_of_a_known_format_is_told_to_be_damaged(data, tmp_path):
    whole = (data / "hydrofabric/v2.0/gauge_01073000.gpkg").read_bytes()
    (tmp_path / "cut.gpkg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(HydrofabricError, match="truncated or damaged"):
        describe(tmp_path / "cut.gpkg")


def test_files_that_belong_together_are_named_together(data, tmp_path):
    folder = data / "hydrofabric/v0-geojson/ngen"
    pair = {folder / f"{name}_data.geojson" for name in ("catchment", "nexus", "flowpath")}
    assert set(describe(folder / "catchment_data.geojson").files) == set(describe(folder).files) == pair
    run = tiny_run_directory(tmp_path)
    assert describe(run).files == (run,)


def test_a_run_directory_covers_the_catchments_that_all_of_its_parts_have(tmp_path):
    run = tiny_run_directory(tmp_path, hours=48)
    found = describe(run)
    assert found.format is Format.COMPOSITE
    assert found.coverage.ids == IdSet.of(CATCHMENTS)
    assert sum(span.seconds for span in found.coverage.spans) == 48 * 3600
    assert found.facts["hydrofabric"] == "config/tiny.gpkg"
    assert found.facts["realization"] == "config/realization.json"
    assert found.facts["modules"] == {"cfe": 3, "pet": 3}
    (run / "config" / "PET" / f"{CATCHMENTS[0]}.ini").unlink()
    assert describe(run).coverage.ids == IdSet.of(CATCHMENTS[1:])


def test_two_realizations_in_one_directory_are_refused(tmp_path):
    run = tiny_run_directory(tmp_path)
    shutil.copy(run / "config" / "realization.json", run / "config" / "realization-2.json")
    with pytest.raises(RealizationError, match="there are 2 realizations"):
        describe(run)


def test_configurations_cover_a_catchment_only_with_a_file_for_each_module(tmp_path):
    run = tiny_run_directory(tmp_path / "run")
    for name in ("CFE", "PET"):
        shutil.copytree(run / "config" / name, tmp_path / "some" / name)
    (tmp_path / "some" / "CFE" / f"{CATCHMENTS[0]}.ini").unlink()
    found = describe(tmp_path / "some")
    assert found.coverage == Coverage.of(spans=ALL, ids=CATCHMENTS[1:], variables=["cfe", "pet"])
    assert found.facts == {"modules": {"cfe": 2, "pet": 3}, "incomplete": 1}
    for name in CATCHMENTS[1:]:
        (tmp_path / "some" / "PET" / f"{name}.ini").unlink()
    with pytest.raises(ConfigError, match="no catchment has a file for each"):
        describe(tmp_path / "some")


def realization(path, **changed):
    """A realization of one day."""
    times = {"start_time": "2016-09-01 00:00:00", "end_time": "2016-09-01 23:00:00", "output_interval": 3600}
    content = {"global": {"formulations": [{"name": "bmi_c", "params": {"model_type_name": "CFE"}}]}, "time": times}
    path.write_text(json.dumps({key: value for key, value in {**content, **changed}.items() if value is not None}))
    return path


def test_the_end_of_a_realization_is_the_start_of_its_last_step(tmp_path):
    found = describe(realization(tmp_path / "r.json"))
    assert found.coverage == Coverage((Span.of("2016-09-01", "2016-09-02"),), ALL, ALL)
    assert found.facts["modules"] == ["CFE"]


def test_a_realization_of_single_catchments_covers_these_alone(tmp_path):
    own = {"cat-1": {"formulations": []}, "cat-7": {"formulations": []}}
    assert describe(realization(tmp_path / "r.json", **{"global": None}, catchments=own)).coverage.ids == IdSet.of(own)


@pytest.mark.parametrize(
    "times",
    [
        {"start_time": "soon", "end_time": "2016-09-01 23:00:00"},
        {"start_time": "2016-09-01 00:00:00"},
        {"start_time": "2016-09-02 00:00:00", "end_time": "2016-09-01 00:00:00"},
        {"start_time": "2016-09-01 00:00:00", "end_time": "2016-09-02 00:00:00", "output_interval": "an hour"},
    ],
)
def test_a_realization_whose_times_make_no_sense_is_refused(tmp_path, times):
    with pytest.raises(RealizationError):
        describe(realization(tmp_path / "r.json", time=times))


def test_a_catchment_in_two_partitions_is_refused(tmp_path):
    parts = [{"id": n, "cat-ids": ["cat-1", f"cat-{n + 2}"]} for n in range(2)]
    (tmp_path / "p.json").write_text(json.dumps({"partitions": parts}))
    with pytest.raises(ConfigError, match="in two partitions"):
        describe(tmp_path / "p.json")


def test_plug_ins_are_asked_last_and_what_is_no_detector_is_left_out(tmp_path, monkeypatch, caplog):
    mine = Detector(
        Format.OBSERVATIONS_CSV,
        lambda glance: glance.first_line == "# mine",
        lambda glance: glance.described(Format.OBSERVATIONS_CSV, Coverage(ALL, ALL, ALL), {"by": "me"}),
    )
    monkeypatch.setattr(module, "load", lambda _: Group({"mine": mine, "nonsense": 7}, ()))
    (tmp_path / "a.txt").write_text("# mine\n1 2 3\n")
    found = describe(tmp_path / "a.txt")
    assert (found.category, found.facts) == (Category.OBSERVATION, {"by": "me"})
    assert "nonsense" in caplog.text
    assert module.detectors()[-1] is mine


def test_ids_become_a_set_whatever_their_kind():
    names = ["cat-3", None, "cat-1", "agg-2", "outlet", "cat-007", "tst-1"]
    assert id_set(Names.of(names)) == IdSet.of(name for name in names if name)


def test_what_a_large_geopackage_holds_is_read_once_and_again_when_it_changes(data, tmp_path, monkeypatch):
    monkeypatch.setenv("DMOD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("dmod.formats.geopackage_columns.LARGE", 1)
    path = tmp_path / "large.gpkg"
    shutil.copy(data / "hydrofabric/v2.2/gage-10109001_subset.gpkg", path)
    first = describe(path)
    assert len(first.coverage.ids) == 88

    def never_again(_):
        raise AssertionError("it was read again")

    with monkeypatch.context() as patched:
        patched.setattr("dmod.formats.geopackage.read_geopackage", never_again)
        assert describe(path) == first
    time.sleep(0.01)
    with sqlite3.connect(path) as file:
        triggers = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        for name in triggers:
            file.execute(f'DROP TRIGGER "{name}"')
        file.execute("DELETE FROM divides WHERE fid = (SELECT min(fid) FROM divides)")
    file.close()
    assert len(describe(path).coverage.ids) == 87
